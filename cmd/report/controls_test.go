package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// hostile drives a terminal that shows it.
const hostile = "\x1b[2J\x07\t\r\u009b\x7f\u202e"

// hostileRecord is a record of which each text is hostile.
func hostileRecord(i int, at time.Time) []byte {
	body := fmt.Sprintf(`{"error_code": "%s%d", "error_msg": "m%s"}`, []string{"OSM.0101003", `=MY\u001b[2J\u202e.`}[i%2], i%8, `\u001b[2J\u0007\u009b\u202e`)
	return fmt.Appendf(nil, `{"time":%q,"tenant":"=t%[2]s","service":"=s%[2]s","route":"=r%[2]s","path":"/p%[2]s","status":400,"request_id":"r%[2]s%[3]d","response_body":%[4]q}`,
		at.Format(time.RFC3339), `\u001b[2J\u0007\t\r\n\u009b\u007f\u202e`, i, body)
}

// TestOutputsDriveNoTerminal runs each command on hostile data, with each output that is not for
// programs.
func TestOutputsDriveNoTerminal(t *testing.T) {
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := catalog.Open("")
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 2, 0, 30, 0, 0, time.UTC)
	b := store.NewBatch("logs", 0, 0, store.Limits{})
	for i := range 40 {
		b.Add(int64(i), start, p.Record(hostileRecord(i, start.Add(time.Minute)), enrich.Position{Clock: accesslog.KafkaClock(start)}))
	}
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "logs", Watermark: start.Add(10 * time.Minute), At: start}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("rules.yaml", "groups:\n  - name: g\n    rules:\n      - alert: A\n        by: [tenant, code]\n        count: {over: 5m, above: 1}\n")
	folder := filepath.Dir(write("catalogs/own.yaml", `{family: Own, language: en, match: {prefixes: [OWN]}, codes: [{code: OWN.1, message: "m\e[2J\x9b\u202E", description: "d\e\a", remedy: "r\e", kind: quota, retry: later, owner: caller}]}`))
	page := write("page.csv", "Error Code,Error Message,Description\nX.0001,one"+hostile+",d"+hostile+"\nX.0002,two,d\nX.0003,three"+hostile+",d\n"+hostile+" ???,x,y\n")
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
	window := []string{"--from", "2026-11-02", "--to", "2026-11-03"}

	// The commands, each with what is to be seen of the hostile text.
	runs := []struct {
		command string
		args    []string
		shows   string
	}{
		{"top", slices.Concat(window, []string{"--by", "tenant,service,route,code"}), `t\x1b[2J`},
		{"top", slices.Concat(window, []string{"--by", "code,template"}), `=MY\x1b[2J\u202e.1`},
		{"explain", []string{"OSM.01010036", "--since", "2026-11-02"}, `=t\x1b[2J\x07\t\r\n\x9b\x7f\u202e `},
		{"explain", []string{"X" + hostile + ".1"}, `\x1b[2J`},
		{"catalog drift", slices.Concat(window, []string{"--tenant", "=t\x1b[2J\x07\t\r\n\u009b\x7f\u202e"}), `only of =t\x1b[2J\x07\t\r\n\x9b\x7f\u202e`},
		{"catalog drift", slices.Concat(window, []string{"--emit"}), ""},
		{"catalog re-enrich", slices.Concat(window, []string{"--dry-run"}), ""},
		{"catalog list", nil, `\x1b`},
		{"catalog lint", []string{folder}, ""},
		{"catalog schema", nil, ""},
		{"catalog import", []string{page}, `\x1b[2J`},
		{"alert run", []string{"--once", "--rules", rules}, `\x1b[2J`},
		{"alert check", []string{"--rules", rules}, ""},
	}
	commands := map[string]bool{}
	for _, r := range runs {
		commands[r.command] = true
		if r.command == "catalog list" || r.command == "catalog lint" {
			t.Setenv("ERRATA_CATALOGS_DIR", folder)
		} else {
			t.Setenv("ERRATA_CATALOGS_DIR", "")
		}
		words := append(strings.Fields(r.command), r.args...)
		command, _, err := newRoot().Find(strings.Fields(r.command))
		if err != nil {
			t.Fatal(err)
		}
		for _, output := range outputsForPeople(command) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append(words, output...), strings.NewReader(""), &stdout, &stderr)
			all := stdout.String() + stderr.String()
			if code > 1 || !strings.Contains(all, r.shows) {
				t.Errorf("%q %q: %d, shows no %s:\n%q", words, output, code, r.shows, all)
			}
			if i := strings.IndexFunc(all, drivesTerminal); i >= 0 {
				t.Errorf("%q %q prints a control character: %q", words, output, all[max(0, i-40):min(len(all), i+40)])
			}
			if slices.Contains(output, "csv") && (strings.Contains(all, "\n=") || strings.Contains(all, ",=")) {
				t.Errorf("%q %q prints a formula: %q", words, output, all)
			}
		}
	}
	for _, command := range leaves(newRoot(), "") {
		if !commands[command] {
			t.Errorf("the command %q is not run on hostile data: add it here", command)
		}
	}
}

func drivesTerminal(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// outputsForPeople returns the flags for each output of a command that is not for programs.
func outputsForPeople(command *cobra.Command) (all [][]string) {
	flag := command.Flags().Lookup("output")
	if flag == nil {
		return [][]string{nil}
	}
	for name := range strings.SplitSeq(flag.Usage, ", ") {
		if name != "json" && name != "yaml" && name != "tsv" {
			all = append(all, []string{"--output", name})
		}
	}
	return all
}

// leaves returns the commands that have no subcommands.
func leaves(command *cobra.Command, path string) (all []string) {
	for _, c := range command.Commands() {
		all = append(all, leaves(c, strings.TrimSpace(path+" "+c.Name()))...)
	}
	if len(all) == 0 {
		return []string{path}
	}
	return all
}
