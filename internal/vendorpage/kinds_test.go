package vendorpage

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// testKinds reads the pages of an archive and compares each with the lines that follow it: a row,
// or the line of a piece that is not placed. It returns the archive's name, for the sums of a run.
func testKinds(t *testing.T, archive string) {
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files) == 0 || len(a.Files)%2 != 0 {
		t.Fatalf("%s: %d files; each page has to be followed by its rows", archive, len(a.Files))
	}
	for pair := range slices.Chunk(a.Files, 2) {
		page, want := pair[0], pair[1]
		t.Run(page.Name, func(t *testing.T) {
			t.Parallel()
			if strings.TrimSuffix(page.Name, filepath.Ext(page.Name))+".want" != want.Name {
				t.Fatalf("%s is followed by %s", page.Name, want.Name)
			}
			p := Read(page.Name, page.Data)
			if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want.Data)), "\n"), strings.Split(kindRows(p), "\n")); diff != "" {
				t.Errorf("-by hand +read:\n%s", diff)
				for _, x := range p.Tables {
					t.Logf("%+v", x)
				}
				for _, u := range p.Unplaced {
					t.Logf("%+v", u)
				}
			}
		})
	}
}

// kindRows writes what was read of a page in the way of the archives.
func kindRows(p Page) string {
	var lines []string
	for _, r := range p.Rows {
		status := ""
		if r.Status != 0 {
			status = strconv.Itoa(r.Status)
		}
		lines = append(lines, strings.ReplaceAll(strings.Join([]string{status, r.Code, r.Message, r.Description, r.Remedy}, "|"), "\n", `\n`))
	}
	for _, u := range p.Unplaced {
		lines = append(lines, fmt.Sprintf("? %d", u.Line))
	}
	return strings.Join(lines, "\n")
}

func TestKinds(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/kinds/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives: ", err)
	}
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			t.Parallel()
			testKinds(t, archive)
		})
	}
}
