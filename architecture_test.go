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

// imports is the architecture: which of our packages each may import. An arrow never turns back,
// and what is not listed is not allowed. ARCHITECTURE.md draws it.
var imports = map[string]string{
	// One record, in the order of its life.
	"internal/jsontree":   "",
	"internal/bodycoding": "internal/jsontree",
	"internal/accesslog":  "internal/bodycoding internal/jsontree",
	"internal/parse":      "internal/accesslog internal/bodycoding internal/jsontree",
	"internal/catalog":    "catalogs internal/yamlfile",
	"internal/enrich":     "internal/parse internal/accesslog internal/catalog",
	// A vendor's published page.
	"internal/vendorpage": "",
	// The outside world.
	"internal/link":     "",
	"internal/store":    "internal/catalog internal/parse internal/enrich internal/accesslog internal/link",
	"internal/delivery": "internal/store internal/enrich internal/accesslog internal/link",
	// What is made of it.
	"internal/report": "internal/catalog internal/cli internal/store internal/enrich",
	"internal/notify": "internal/store internal/link",
	"internal/alert":  "internal/notify internal/catalog internal/cli internal/store internal/enrich internal/parse internal/yamlfile",
	"internal/config": "internal/notify internal/delivery internal/store internal/enrich internal/yamlfile",
	// Files that people write.
	"internal/yamlfile": "",
	// What the programs share at the command line.
	"internal/cli": "internal/link",
	// How the ingester is watched.
	"internal/monitor": "",
	// The embedded stack and its load generator know nothing of the pipeline.
	"internal/stack":   "",
	"internal/loadgen": "",
	// Data.
	"catalogs":   "",
	"dashboards": "",
	// Programs.
	"cmd/ingest": "internal/catalog internal/cli internal/config internal/delivery internal/store internal/enrich internal/accesslog internal/link internal/monitor",
	"cmd/report": "internal/catalog catalogs internal/cli internal/config internal/alert internal/notify internal/report internal/store internal/enrich internal/parse internal/vendorpage internal/link",
	"cmd/stack":  "internal/catalog internal/report internal/cli internal/link internal/stack internal/loadgen internal/store",
	// For tests alone.
	"internal/stack/stacktest": "internal/stack",
	"internal/chaos":           "", // tests alone
}

// only names the packages that may use a library: no other one writes SQL, speaks to Kafka, or
// reads settings.
var only = map[string]string{
	"github.com/ClickHouse/clickhouse-go/v2": "internal/store",
	"github.com/segmentio/kafka-go":          "internal/delivery internal/stack internal/stack/stacktest cmd/stack",
	"github.com/twmb/franz-go/pkg/kfake":     "internal/stack",
	"github.com/spf13/viper":                 "internal/config",
	"go.yaml.in/yaml/v3":                     "internal/yamlfile internal/cli",
	"github.com/spf13/cobra":                 "internal/cli cmd/ingest cmd/report",
}

func TestImportGraph(t *testing.T) {
	seen := map[string]bool{}
	eachGoFile(t, parser.ImportsOnly, func(path string, file *ast.File) {
		name := filepath.ToSlash(filepath.Dir(path))
		seen[name] = true
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			check(t, path, name, imported)
		}
	})
	for name := range imports {
		if !seen[name] {
			t.Errorf("package %s is in the architecture and not in the tree", name)
		}
	}
	for name := range seen {
		if _, known := imports[name]; !known {
			t.Errorf("package %s has no place in the architecture: give it one above, and in ARCHITECTURE.md", name)
		}
	}
}

func check(t *testing.T, path, name, imported string) {
	t.Helper()
	if own, ok := strings.CutPrefix(imported, "errata/"); ok && !slices.Contains(strings.Fields(imports[name]), own) {
		t.Errorf("%s: %s must not import %s", path, name, own)
	}
	for library, users := range only {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(strings.Fields(users), name) {
			t.Errorf("%s: %s must not import %s: that is for %s", path, name, imported, users)
		}
	}
}

// tablesNotYet names the files outside store that still name stored tables. Entries only leave.
var tablesNotYet = []string{"internal/delivery/audit_judge.go", "internal/delivery/audit_judge.go", "internal/delivery/audit_reread.go"}

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
		if filepath.ToSlash(filepath.Dir(path)) == "internal/store" || slices.Contains(tablesNotYet, filepath.ToSlash(path)) {
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
