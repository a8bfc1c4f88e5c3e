package vendorpage

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shipped holds the pages of the shipped catalogs, with tables that were made by reading them.
const shipped = "../../catalogs/testdata/pages"

// table reads a hand-made table: a header, then status, code, message, description, remedy.
func table(t testing.TB, file string) (rows [][5]string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var row [5]string
		for i, cell := range strings.Split(lines.Text(), "\t") {
			row[i] = unescape.Replace(cell)
		}
		rows = append(rows, row)
	}
	return append([][5]string{}, rows[1:]...)
}

// pages maps the name of a file to a function that reads it once.
var pages sync.Map

// readFile reads a page, once for all tests, which do not change it.
func readFile(t testing.TB, file string) Page {
	t.Helper()
	read, _ := pages.LoadOrStore(file, sync.OnceValues(func() (Page, error) {
		content, err := os.ReadFile(file)
		if err != nil {
			return Page{}, err
		}
		return Read(filepath.Base(file), content), nil
	}))
	p, err := read.(func() (Page, error))()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each page comes with a table that was made by hand before the importer saw the page. A page may
// also have a .lines file: the line and the first word of each piece that cannot be placed.
func TestPages(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	t.Cleanup(func() { t.Logf("%d rows", total.Load()) })
	for _, dir := range []string{shipped, "testdata/pages"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			ext := filepath.Ext(f.Name())
			if ext == ".tsv" || ext == ".lines" {
				continue
			}
			t.Run(f.Name(), func(t *testing.T) {
				t.Parallel()
				base := filepath.Join(dir, strings.TrimSuffix(f.Name(), ext))
				want := table(t, base+".tsv")
				total.Add(int64(len(want)))
				p := readFile(t, filepath.Join(dir, f.Name()))
				got := [][5]string{}
				for _, r := range p.Rows {
					status := ""
					if r.Status != 0 {
						status = strconv.Itoa(r.Status)
					}
					got = append(got, [5]string{status, r.Code, r.Message, r.Description, r.Remedy})
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-by hand +read:\n%s", diff)
					for _, x := range p.Tables {
						t.Logf("%+v", x)
					}
				}
				unplaced := ""
				for _, u := range p.Unplaced {
					unplaced += fmt.Sprintf("%d %s\n", u.Line, strings.Fields(u.Text + " ?")[0])
				}
				lines, _ := os.ReadFile(base + ".lines")
				if diff := cmp.Diff(string(lines), unplaced); diff != "" {
					t.Errorf("not placed, -by hand +read:\n%s", diff)
				}
			})
		}
	}
}

// What the pages say about codes that they do not list is what the shipped catalogs have.
func TestFallback(t *testing.T) {
	t.Parallel()
	f := func(file string, fallback Fallback, advice string) {
		t.Helper()
		p := readFile(t, filepath.Join(shipped, file))
		if p.Fallback != fallback {
			t.Errorf("%s: fallback %+v", file, p.Fallback)
		}
		if p.Advice != advice {
			t.Errorf("%s: advice %q", file, p.Advice)
		}
	}
	support := "If you are unable to identify the cause of an error, contact customer service and provide the error code so that we can help you solve the problem as soon as possible."
	f("ais.txt", Fallback{Remedy: "If other error codes are displayed, contact technical support."}, "")
	f("osm.txt", Fallback{}, support)
	f("imetal.txt", Fallback{}, support)
	f("optverse.txt", Fallback{}, "在调用方找不到错误原因时,可以联系企业技术人员,并提供错误码,以便我们尽快帮您解决问题。")
	f("tencentcloud.txt", Fallback{}, "")
}

// The title and the date are those of the page and not of its tables.
func TestTitleAndDate(t *testing.T) {
	t.Parallel()
	f := func(page, title, date string) {
		t.Helper()
		if p := Read("x.txt", []byte(page)); p.Title != title || p.Date != date {
			t.Errorf("title %q, want %q; date %q, want %q", p.Title, title, p.Date, date)
		}
	}
	const table = "Error code\tHTTP status\tMessage\nE1001\t400\tBad key\nE1002\t401\tNo key\n"
	f("---\ntitle: \"Error codes of the key API\"\nms.date: 08/29/2025\n---\n\nAll codes.\n\n"+table, "Error codes of the key API", "2025-08-29")
	f("Home > API > Errors\n\n# Key API\n\n"+table, "Key API", "")
	f("Home > API > Errors\n\n"+table, "Errors", "")
	f("Key API\n\nError code\n\nHTTP status\n\nMessage\n\nE1001\n\n400\n\nBad key\n\nE1002\n\n401\n\nNo key\n", "Key API", "")
	f(table, "", "")
	f("Key API\nUpdated: 2025-01-02\n"+table, "Key API", "2025-01-02")
	f("Key API\n"+table+"\nChange time\tSummary of changes\n2023-11-30\tUpdate of the error codes\n", "Key API", "")
}

// What is not certain is in the notes.
func TestNotes(t *testing.T) {
	t.Parallel()
	f := func(page, note string) {
		t.Helper()
		p := Read("x.txt", []byte(page))
		for _, x := range p.Tables {
			if slices.Contains(x.Notes, note) {
				return
			}
		}
		t.Errorf("%q is not among the notes: %+v", note, p.Tables)
	}
	paragraphs := func(cells ...string) string { return strings.Join(cells, "\n\n") + "\n" }
	rows := []string{"Error code", "Message", "Solution", "AB.01", "Bad key.", "Check the key.", "AB.02", "Bad name.", "Check the name."}
	f(paragraphs(append(rows, "AB.03", "Bad time.", "Check the time.", "The clock may be wrong.")...), "line 25 is taken as text after the table: The clock may be wrong.")
	f(paragraphs(append(rows, "AB.03", "Bad time.", "The clock may be wrong.", "Check the time.", "AB.04", "Bad day.", "Check the day.")...), "more paragraphs than columns, assigned to columns by their look, in the rows at lines 19")
	f("Code\tMessage\nAB.01\tBad key.\nSee the list of keys.\n", "line 3 is taken as text after the table: See the list of keys.")
	f("| Code | Status | Message |\n|---|---|---|\n| AB.01 | 400 | Bad key |\n| | 401 | No key |\n", "line 4 has no code of its own: it gets AB.01 from the row above")
	f("Code,Message,Solution\nAB.01,\"Bad key,Check it\nAB.02,Bad name,Check it\nAB.03,Bad time,Check it\n", "line 2 has a quotation mark that is never closed: AB.01,\"Bad key,Check it")
}

// If the heading of the codes is missing, statuses are not passed off as codes.
func TestSlippedColumns(t *testing.T) {
	t.Parallel()
	p := Read("x.txt", []byte("HTTP status\n\nMessage\n\nSolution\n\n400\n\nAB.01\n\nBad key.\n\nCheck the key.\n\n404\n\nAB.02\n\nNo key.\n\nMake one.\n"))
	if len(p.Unplaced) == 0 {
		t.Errorf("nothing is reported: %+v", p.Rows)
	}
}

// Texts and programs that hold no codes have no rows. Reading these ended in a panic.
func TestNothingToRead(t *testing.T) {
	t.Parallel()
	f := func(name, content string) {
		t.Helper()
		if p := Read(name, []byte(content)); len(p.Rows) > 0 {
			t.Errorf("%q gives %+v", content, p.Rows)
		}
	}
	// A table in the records ends them, and another table is behind both.
	f("x.txt", "box.py        # An example.\n\nConfiguration\nlid.txt   # about lids\n\n  The next box  # nextbox\n\nOptions\n  Set the lid   # aB.lid_dialog, lid, lids (l)\n")
	// A line of preformatted text has a break within.
	f("x.html", "<p>Boxes</p><pre>a<br>b</pre>")
	// A string that is a line end is in the place of a name.
	f("x.py", "for line in text.split('\\n'):\n    if line == '':\n        continue\n    name('lid.txt')\n")
}

// Bytes that are not a page have no rows, and a page in another encoding is read.
func TestOddBytes(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "\n\n", "\x00\x01\x02", "\xff\xfe", "<html>", "|||||\n|---|\n", "\ufeff"} {
		if p := Read("x", []byte(content)); len(p.Rows) > 0 {
			t.Errorf("%q gives %+v", content, p.Rows)
		}
	}
	utf16 := "\xff\xfe"
	for _, r := range "Code,Message\nE1001,Bad name\n" {
		utf16 += string([]byte{byte(r), 0})
	}
	for name, content := range map[string]string{
		"utf-16":  utf16,
		"gb18030": "Code,Message\nE1001,\xb4\xed\xce\xf3\xc2\xeb\n",
		"latin-1": "Code,Message\nE1001,Schl\xfcssel\n",
		"old mac": "Code,Message\rE1001,x\r",
	} {
		if p := Read("x.csv", []byte(content)); len(p.Rows) != 1 || p.Rows[0].Code != "E1001" {
			t.Errorf("%s gives %+v", name, p.Rows)
		}
	}
}

// Lines that look like codes, below headings about other things, are not left out without a word.
func TestSectionsLeftOutAreSaid(t *testing.T) {
	page := "<h1>Send a telegram</h1><h2>Response codes</h2>" +
		"<p>2006 The user name is missing.<br>2007 Your account has not been activated.<br>2015 The number is invalid.<br>2051 The message is empty.</p>" +
		"<h2>Prices</h2><p>5000 messages $0.07<br>9000 messages $0.06</p>"
	var out strings.Builder
	p := Read("page.html", []byte(page))
	p.Describe(&out, "page.html")
	if len(p.Rows) != 4 || !strings.Contains(out.String(), "2 lines left out below headings that are not about errors") {
		t.Errorf("%d rows:\n%s", len(p.Rows), &out)
	}
}
