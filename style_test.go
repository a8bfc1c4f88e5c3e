package errata_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// commentWidth is the greatest number of columns of a comment line; a tab counts as tabWidth.
const (
	commentWidth = 100
	tabWidth     = 4
)

// unplain are turns of phrase for which plain English has better ones: "reports whether", "again",
// "fix", "no one".
var unplain = regexp.MustCompile(`tells whether|anew|mend|nobody is|as far as`)

// vocabulary are words that vendors' pages use and that our readers of pages look for.
var vocabulary = regexp.MustCompile(`(?i)recomm?end`)

// TestStyle checks the width of comment lines, and the wording of comments, documents and our own
// texts in string literals.
func TestStyle(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path = filepath.ToSlash(path)
		name := d.Name()
		switch {
		case d.IsDir() && (path != "." && strings.HasPrefix(name, ".") && name != ".ci" || name == "testdata" || name == "bin"):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		case path == "style_test.go":
			return nil
		case strings.HasSuffix(name, ".go"):
			return styleOfGo(t, path)
		case strings.HasSuffix(name, ".md"):
			return styleOfText(t, path, "")
		case strings.HasSuffix(name, ".sql"):
			return styleOfText(t, path, "--")
		case name == "Makefile", name == "Dockerfile", strings.HasPrefix(path, ".ci/"), strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
			return styleOfText(t, path, "#")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// styleOfGo checks the comments of a Go file and, outside tests, its string literals of several
// words.
func styleOfGo(t *testing.T, path string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(file) {
		return nil
	}
	lines := strings.Split(string(text), "\n")
	for _, group := range file.Comments {
		for _, comment := range group.List {
			first := files.Position(comment.Pos()).Line
			for i, line := range strings.Split(comment.Text, "\n") {
				at := fmt.Sprintf("%s:%d", path, first+i)
				plain(t, at, line)
				if whole := lines[first+i-1]; strings.TrimSpace(whole) == strings.TrimSpace(line) && !strings.HasPrefix(line, "//go:") {
					narrow(t, at, whole)
				}
			}
		}
	}
	if strings.HasSuffix(path, "_test.go") {
		return nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING && strings.Contains(literal.Value, " ") {
			plain(t, files.Position(literal.Pos()).String(), vocabulary.ReplaceAllString(literal.Value, ""))
		}
		return true
	})
	return nil
}

// styleOfText checks a file whose comment lines begin with the mark. Without a mark all of it is
// prose, of any width. In catalogs only the comments are ours: the rest quotes vendors.
func styleOfText(t *testing.T, path, mark string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(text), "\n") {
		at := fmt.Sprintf("%s:%d", path, i+1)
		comment := mark != "" && strings.HasPrefix(strings.TrimSpace(line), mark)
		if comment {
			narrow(t, at, line)
		}
		if comment || !strings.HasPrefix(path, "catalogs/") {
			plain(t, at, line)
		}
	}
	return nil
}

// narrow checks the width of a comment line. A line that cannot be broken, such as a link, may be
// wider.
func narrow(t *testing.T, at, line string) {
	t.Helper()
	width := utf8.RuneCountInString(line) + (tabWidth-1)*strings.Count(line, "\t")
	if width > commentWidth && strings.Count(strings.TrimSpace(line), " ") > 1 {
		t.Errorf("%s: a comment line of %d columns: at most %d", at, width, commentWidth)
	}
}

func plain(t *testing.T, at, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "--no-install-recommends", "") // an option of apt-get
	text = strings.ReplaceAll(text, "`Recommend`", "")             // a member of Alibaba Cloud's envelopes
	if found := unplain.FindString(text); found != "" {
		t.Errorf("%s: %q: say it in plain English", at, found)
	}
}
