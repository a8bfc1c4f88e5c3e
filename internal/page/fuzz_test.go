package page

import (
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func seeds(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, dir := range []string{shipped, "testdata/pages"} {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if ext := filepath.Ext(f); ext == ".tsv" || ext == ".lines" {
				continue
			}
			content, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(f)] = content
		}
	}
	return all
}

// Whatever the bytes, reading them does not panic, and no code is made up: each stands in the page.
func FuzzImport(f *testing.F) {
	for name, content := range seeds(f) {
		f.Add(name, content)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		if len(content) > 1<<16 {
			return
		}
		p := Read(name, content)
		if len(p.Rows) == 0 {
			return
		}
		// The page as a reader sees it: without markup, entities and spaces.
		seen := strings.Join(strings.Fields(plain(decode(content))), "")
		html := readHTML(decode(content), 1)
		for _, part := range html.parts {
			for _, l := range part.lines {
				seen += strings.Join(strings.Fields(plain(l.text)), "")
			}
			if part.grid != nil {
				for _, r := range part.grid.rows {
					seen += strings.Join(strings.Fields(strings.Join(r.cells, "")), "")
				}
			}
		}
		for _, r := range p.Rows {
			if r.Code == "" || r.Line < 1 {
				t.Errorf("a row without code or line: %+v", r)
			}
			if !strings.Contains(seen, strings.Join(strings.Fields(r.Code), "")) {
				t.Errorf("%q is made up", r.Code)
			}
		}
	})
}

// A page of 5 MB takes seconds, whatever it is made of: time grows with the length, not with its square.
func TestLargePages(t *testing.T) {
	const size = 1 << 20
	pages := map[string]string{
		"binary": func() string {
			b := make([]byte, size)
			r := rand.New(rand.NewSource(1))
			for i := range b {
				b[i] = byte(r.Intn(256))
			}
			return string(b)
		}(),
		"nothing": "", "one line": strings.Repeat("x", size), "one word": strings.Repeat("Error code ", size/11),
	}
	for _, piece := range []string{
		"|", "\n", "\t", "a|b\n", "Code |\n", "Code\n", "Code\n\n", "Code\nMessage\n", "Code\nMessage\nE1001\n", "Code\n\nText\n\nE1\n\n", "Code Message\n", "Code Message\n1 x\n", "Code  Message\n", "Code\tMessage\n", "Code\tMessage\n1\tx\n\n\n\n\n",
		"<table>", "<table><tr><td>", "<td>", "<dl><dt>", "<dt>AbCd<dd>x", "<pre>\n", "{\n", "```\n", "## E1001\n", "- `a_b`: x\n", "- `a_b`\n", "AbCd\n\n", "E1001: x\n", "Error code: 1\n", "Cause: x\n", "404 Not Found\n", "a,b\n", "\"", "\"a\",b\n",
		"+--+--+\n| a | b |\n", "Code | Message\n1 | x\n\n", "Code |\nMessage |\n---|---|\nE1 |\nx |\n", "Code\nMessage\nCode\nText\n", "Status Code\nError Code\nMessage\n400\nE.1\nx\ny\n", "Code Text\nE1 x\n\nz\n", "|---|\n", "Error code: 1\nx\n", "E1: x\nCause: y\n", "1\t2\n", "Code\tText\n", "<p>AbCd<p>x",
	} {
		pages[piece] = strings.Repeat(piece, size/len(piece))
	}
	all := seeds(t)
	for _, name := range []string{"osm.txt", "optverse.txt", "tencentcloud.txt", "imetal.txt", "aws-s3.html", "twilio.csv", "oracle.txt", "tencent-v3.txt", "pagseguro-pt.txt", "dropbox.rst"} {
		pages[name] = strings.Repeat(string(all[name])+"\n", size/len(all[name]))
	}
	for name, content := range pages {

		took := func(content string) time.Duration {
			at := time.Now()
			Read(name, []byte(content))
			return time.Since(at)
		}
		// An eighth of a page takes an eighth of the time; a page of the full size only where that is quick to do.
		part := took(content[:len(content)/256])
		if whole := took(content[:len(content)/32]); whole > 20*part+10*time.Second {
			t.Errorf("%q: %s for a page of %d bytes, %s for one eight times as long", name, part, len(content)/256, whole)
		}
	}
	for _, name := range []string{"osm.txt", "optverse.txt", "aws-s3.html", "twilio.csv", "binary"} {
		at := time.Now()
		if Read(name, []byte(pages[name])); time.Since(at) > 2*time.Minute {
			t.Errorf("%s: %s", name, time.Since(at))
		}
	}
}
