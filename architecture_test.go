package errata_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports is the architecture: which of our packages each may import. An arrow never turns back, and what is
// not written here is not allowed. ARCHITECTURE.md draws it.
var imports = map[string]string{
	// One record, in the order of its life.
	"internal/jsontree":  "",
	"internal/accesslog": "internal/jsontree",
	"internal/parse":     "internal/accesslog internal/jsontree",
	"internal/enrich":    "internal/parse internal/accesslog catalogs",
	// A vendor's published page.
	"internal/vendorpage": "",
	// The outside world.
	"internal/link":     "",
	"internal/store":    "internal/enrich internal/accesslog internal/link",
	"internal/delivery": "internal/store internal/enrich internal/accesslog internal/link",
	// What is made of it.
	"internal/summary": "internal/cli internal/store internal/enrich",
	"internal/alert":   "internal/cli internal/store internal/enrich internal/parse internal/link",
	"internal/config":  "internal/delivery internal/store internal/enrich",
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
	"cmd/ingest": "internal/cli internal/config internal/delivery internal/store internal/enrich internal/accesslog internal/link internal/monitor",
	"cmd/report": "catalogs internal/cli internal/config internal/alert internal/summary internal/store internal/enrich internal/parse internal/vendorpage internal/link",
	"cmd/stack":  "internal/cli internal/stack internal/loadgen internal/store",
	// For tests alone.
	"internal/stack/stacktest": "internal/stack",
	"internal/chaos":           "", // tests alone
}

// only names the packages that may use a library: nobody else writes SQL, speaks to Kafka, or reads settings.
var only = map[string]string{
	"github.com/ClickHouse/clickhouse-go/v2": "internal/store",
	"github.com/segmentio/kafka-go":          "internal/delivery internal/stack internal/stack/stacktest cmd/stack",
	"github.com/twmb/franz-go/pkg/kfake":     "internal/stack",
	"github.com/spf13/viper":                 "internal/config",
	"github.com/spf13/cobra":                 "internal/cli cmd/ingest cmd/report",
}

func TestImportGraph(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		name := filepath.ToSlash(filepath.Dir(path))
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || name == "." {
			return nil
		}
		seen[name] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			check(t, path, name, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
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
