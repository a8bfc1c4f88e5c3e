package errata_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readImports returns which of our packages each may import: the block below "## Packages" in
// ARCHITECTURE.md, a line for each package. An arrow never turns back: a package may import only
// packages above it. What is not listed is not allowed.
func readImports(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, packages, _ := strings.Cut(string(text), "\n## Packages\n")
	imports := map[string][]string{}
	for _, line := range regexp.MustCompile(`(?m)^ {4}(\S+) +▶(.*)$`).FindAllStringSubmatch(packages, -1) {
		name, allowed := line[1], strings.Fields(line[2])
		for _, other := range allowed {
			if _, above := imports[other]; !above {
				t.Errorf("ARCHITECTURE.md: %s imports %s, which is not above it", name, other)
			}
		}
		imports[name] = allowed
	}
	return imports
}

// only names the packages that may use a library: no other one writes SQL, speaks to Kafka, or
// reads settings.
var only = map[string]string{
	"github.com/ClickHouse/clickhouse-go/v2": "store",
	"github.com/ClickHouse/ch-go/proto":      "store",
	"github.com/segmentio/kafka-go":          "delivery stack stack/stacktest cmd/stack",
	"github.com/twmb/franz-go/pkg/kfake":     "stack",
	"github.com/spf13/viper":                 "config",
	"go.yaml.in/yaml/v3":                     "yamlfile cli parse vendorpage", // parse reads bodies of YAML, vendorpage lists in it
	"github.com/pelletier/go-toml/v2":        "vendorpage",
	"github.com/jedib0t/go-pretty/v6":        "cli cli/clitest",
	"golang.org/x/term":                      "cli",
	"github.com/spf13/cobra":                 "cli cli/clitest cmd/ingest cmd/report cmd/stack",
}

func TestImportGraph(t *testing.T) {
	imports := readImports(t)
	seen := map[string]bool{}
	eachGoFile(t, parser.ImportsOnly, func(path string, file *ast.File) {
		name := shortName(filepath.ToSlash(filepath.Dir(path)))
		seen[name] = true
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			check(t, imports[name], path, name, imported)
		}
	})
	for name := range imports {
		if !seen[name] {
			t.Errorf("ARCHITECTURE.md lists package %s, which does not exist", name)
		}
	}
	for name := range seen {
		if _, known := imports[name]; !known {
			t.Errorf("package %s is missing in ARCHITECTURE.md: list it below Packages", name)
		}
	}
}

// shortName is a package's name in ARCHITECTURE.md and in only.
func shortName(path string) string { return strings.TrimPrefix(path, "internal/") }

func check(t *testing.T, allowed []string, path, name, imported string) {
	t.Helper()
	if own, ok := strings.CutPrefix(imported, "errata/"); ok && !slices.Contains(allowed, shortName(own)) {
		t.Errorf("%s: ARCHITECTURE.md does not let %s import %s", path, name, shortName(own))
	}
	for library, users := range only {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(strings.Fields(users), name) {
			t.Errorf("%s: %s must not import %s: that is for %s", path, name, imported, users)
		}
	}
}

// TestStoredTables checks that no package but store names a stored table that ends in _rows or
// _sums. Such tables hold repeated and superseded rows, and only store knows which of them count;
// everyone else reads the views.
func TestStoredTables(t *testing.T) {
	migrations, err := filepath.Glob("internal/store/migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	create := regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\w+_(?:rows|sums))\b`)
	for _, path := range migrations {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range create.FindAllSubmatch(text, -1) {
			tables = append(tables, string(match[1]))
		}
	}
	if len(tables) == 0 {
		t.Fatal("found no table in the migrations")
	}
	named := regexp.MustCompile(`\b(` + strings.Join(tables, "|") + `)\b`)
	eachGoFile(t, parser.SkipObjectResolution, func(path string, file *ast.File) {
		if filepath.ToSlash(filepath.Dir(path)) == "internal/store" {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if table := named.FindString(literal.Value); table != "" {
					t.Errorf("%s names the table %s: only store does; read the view, or ask store", path, table)
				}
			}
			return true
		})
	})
}

// eachGoFile parses every Go file of the packages, without their tests.
func eachGoFile(t *testing.T, mode parser.Mode, visit func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "." {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, mode)
		if err != nil {
			return err
		}
		visit(path, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
