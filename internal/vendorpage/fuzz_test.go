package vendorpage

import (
	"bytes"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
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

// contains reports whether a page contains a code. For a drawn cell of several lines, it looks for
// each word of the code, or for the halves of a word that was broken at a separator.
func contains(seen, code string) bool {
	if strings.Contains(seen, strings.Join(strings.Fields(code), "")) {
		return true
	}
	words := strings.Fields(code)
	for _, w := range words {
		halves := slices.ContainsFunc([]byte(w), func(c byte) bool {
			i := strings.IndexByte(w, c) + 1
			return strings.IndexByte("_.-/", c) >= 0 && strings.Contains(seen, w[:i]) && strings.Contains(seen, w[i:])
		})
		if !halves && (len(words) == 1 || !strings.Contains(seen, w)) {
			return false
		}
	}
	return true
}

// Whatever the bytes are, reading them does not panic, and no code is made up: each is on the page.
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
		// The page as a reader sees it: as it is, and without markup and entities; always without
		// spaces.
		text := decode(unpack(content))
		seen := strings.Join(strings.Fields(text+plain(text)+strings.NewReplacer("`", "", "*", "").Replace(text)), "")
		for _, part := range append(readHTML(text, 1).parts, newSource(name, text).parts...) {
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
			if !contains(seen, r.Code) {
				t.Errorf("%q is made up", r.Code)
			}
		}
	})
}

// tedious returns pages of the given size, each one piece repeated, that make every layout look
// ahead to its limit.
func tedious(t testing.TB, size int) map[string][]byte {
	binary := make([]byte, size)
	r := rand.New(rand.NewSource(1))
	for i := range binary {
		binary[i] = byte(r.Intn(256))
	}
	pages := map[string][]byte{"binary": binary}
	for _, piece := range []string{
		"x", "Error code ", "|", "\n", "\t", "a|b\n", "Code |\n", "Code\n", "Code\n\n", "Code\nMessage\n", "Code\nMessage\nE1001\n", "Code\n\nText\n\nE1\n\n", "Code Message\n", "Code Message\n1 x\n", "Code  Message\n", "Code\tMessage\n", "Code\tMessage\n1\tx\n\n\n\n\n",
		"<table>", "<table><tr><td>", "<td>", "<dl><dt>", "<dt>AbCd<dd>x", "<pre>\n", "{\n", "```\n", "## E1001\n", "- `a_b`: x\n", "- `a_b`\n", "AbCd\n\n", "E1001: x\n", "Error code: 1\n", "Cause: x\n", "404 Not Found\n", "a,b\n", "\"", "\"a\",b\n", "Code,Message\n\"a,b\n",
		"+--+--+\n| a | b |\n", "Code | Message\n1 | x\n\n", "Code |\nMessage |\n---|---|\nE1 |\nx |\n", "Code\nMessage\nCode\nText\n", "Status Code\nError Code\nMessage\n400\nE.1\nx\ny\n", "Code Text\nE1 x\n\nz\n", "|---|\n", "Error code: 1\nx\n", "E1: x\nCause: y\n", "1\t2\n", "Code\tText\n", "<p>AbCd<p>x",
		"## E1001\n\n", "---\na: b\n", "Code\n\nMessage\n\nE1001\n\nx\n\nBlocked\n\n",
	} {
		pages[piece] = bytes.Repeat([]byte(piece), size/len(piece))
	}
	return pages
}

// The work grows with the length of a page, not with its square: a page sixteen times as long
// allocates about sixteen times as much, where a quadratic reader would allocate 256 times as much.
// A clock would say little on a busy machine. This test does not run next to others, because it
// counts what the whole process allocates.
func TestWorkGrowsWithLength(t *testing.T) {
	const size, streamSize, longer = 256, 512, 16     // a table of cells in a column is read 400 cells at a time
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // collecting does not change what is counted
	work := func(name string, content []byte) float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		Read(name, content)
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	short, long := tedious(t, size), tedious(t, size*longer)
	streams, longStreams := tedious(t, streamSize), tedious(t, streamSize*longer)
	for name, content := range short {
		page := long[name]
		if strings.HasPrefix(name, "Code\n") {
			content, page = streams[name], longStreams[name]
		}
		work(name, content) // what is allocated once
		if a, b := work(name, content), work(name, page); b > 5*longer*a+128<<10 {
			t.Errorf("%q: %.0f bytes allocated for a page of %d bytes, %.0f for one of %d", name, a, len(content), b, len(page))
		}
	}
}

// A page of 1 MB takes seconds at most, whatever it is made of.
func BenchmarkRead(b *testing.B) {
	pages := tedious(b, 1<<20)
	all := seeds(b)
	for _, name := range []string{"osm.txt", "optverse.txt", "tencentcloud.txt", "imetal.txt", "aws-s3.html", "twilio.csv", "oracle.txt", "tencent-v3.txt", "pagseguro-pt.txt", "dropbox.rst"} {
		pages[name] = bytes.Repeat(append(all[name], '\n'), 1<<20/len(all[name]))
	}
	for name, content := range pages {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				Read(name, content)
			}
		})
	}
}
