package errata_test

import (
	"os/exec"
	"slices"
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
	// The outside world.
	"internal/link":     "",
	"internal/store":    "internal/enrich internal/accesslog internal/link",
	"internal/delivery": "internal/store internal/enrich internal/accesslog internal/link",
	// What is made of it.
	"internal/summary": "internal/store internal/enrich",
	"internal/alert":   "internal/summary internal/store internal/enrich",
	"internal/config":  "internal/delivery internal/store",
	// The embedded stack and its sample traffic know nothing of the pipeline.
	"internal/stack":   "",
	"internal/traffic": "",
	// Data.
	"catalogs":   "",
	"dashboards": "",
	// Programs.
	"cmd/ingest": "internal/config internal/delivery internal/store internal/enrich internal/accesslog internal/link",
	"cmd/report": "internal/config internal/alert internal/summary internal/store internal/enrich internal/parse internal/link",
	"cmd/stack":  "internal/stack internal/traffic internal/store",
	// For tests alone.
	"internal/stack/stacktest": "internal/stack",
}

// only names the packages that may use a library: nobody else writes SQL, speaks to Kafka, or reads settings.
var only = map[string]string{
	"github.com/ClickHouse/clickhouse-go/v2": "internal/store",
	"github.com/segmentio/kafka-go":          "internal/delivery internal/stack internal/stack/stacktest cmd/stack",
	"github.com/twmb/franz-go/pkg/kfake":     "internal/stack",
	"github.com/spf13/viper":                 "internal/config",
	"github.com/spf13/cobra":                 "cmd/report",
}

func TestImportGraph(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, ours := strings.CutPrefix(fields[0], "errata/")
		if !ours {
			continue // this test's own folder
		}
		seen[name] = true
		allowed, known := imports[name]
		if !known {
			t.Errorf("package %s has no place in the architecture: give it one above, and in ARCHITECTURE.md", name)
		}
		for _, imported := range fields[1:] {
			if own, ok := strings.CutPrefix(imported, "errata/"); ok && !slices.Contains(strings.Fields(allowed), own) {
				t.Errorf("%s must not import %s", name, own)
			}
			for library, users := range only {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(strings.Fields(users), name) {
					t.Errorf("%s must not import %s: that is for %s", name, imported, users)
				}
			}
		}
	}
	for name := range imports {
		if !seen[name] {
			t.Errorf("package %s is in the architecture and not in the tree", name)
		}
	}
}
