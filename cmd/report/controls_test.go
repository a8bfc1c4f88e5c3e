package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/cli/clitest"
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

// TestOutputsDriveNoTerminal runs each command on hostile data, with each of its outputs, and on
// terminals of 80 and 120 columns.
func TestOutputsDriveNoTerminal(t *testing.T) {
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := catalog.Open(catalog.Default)
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
	rules := write("rules.yaml", "groups:\n  - name: g\n    rules:\n      - alert: A\n        by: [tenant, code]\n        count: {over: 30m, above: 1}\n")
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
		{"explain", []string{"X" + hostile + ".1"}, `\x1b`},
		{"catalog drift", slices.Concat(window, []string{"--tenant", "=t\x1b[2J\x07\t\r\n\u009b\x7f\u202e"}), `only of =t\x1b[2J\x07\t\r\n\x9b\x7f\u202e`},
		{"catalog drift", slices.Concat(window, []string{"--emit"}), ""},
		{"catalog re-enrich", slices.Concat(window, []string{"--dry-run"}), ""},
		{"catalog list", nil, `\x1b`},
		{"catalog lint", []string{folder}, ""},
		{"catalog schema", nil, ""},
		{"catalog import", []string{page}, `\x1b[2J`},
		{"alert run", []string{"--once", "--rules", rules}, `\x1b[2J`},
		{"alert test", []string{write("rules_test.yaml", "rules: rules.yaml\ntests: [{name: \"t\\e[2J\", input: [{code: \"X\\e[2J\", errors: '9'}], expect: [{at: 1m, alert: A, states: []}]}]\n")}, `\x1b[2J`},
		{"daily", []string{"--date", "2026-11-02", "--full"}, ""},
		{"alert backtest", slices.Concat(window, []string{"--rules", rules}), ""},
		{"alert list", nil, `\x1b[2J`},
		{"alert silence add", []string{`tenant="t` + "\x1b[2J" + `"`, "--until", "1h", "--author", "a" + hostile, "--comment", "c" + hostile}, "mutes"},
		{"alert silence list", nil, `c\x1b[2J`},
		{"alert silence expire", []string{"id" + hostile}, `id\x1b[2J`},
		{"alert state ack", []string{"C" + hostile, "--tenant", "t" + hostile, "--comment", "c" + hostile}, `C\x1b[2J`},
		{"alert state ignore", []string{"D" + hostile, "--above", "5", "--until", "2h", "--comment", "c" + hostile}, `D\x1b[2J`},
		{"alert state fixed", []string{"E" + hostile, "--comment", "c" + hostile}, `E\x1b[2J`},
		{"alert state reopen", []string{"F" + hostile, "--comment", "c" + hostile}, `F\x1b[2J`},
		{"alert state list", nil, `C\x1b[2J`},
		{"alert check", []string{"--rules", rules}, ""},
	}
	commands := clitest.Leaves(newRoot())
	left := maps.Clone(commands)
	for _, r := range runs {
		delete(left, r.command)
		if r.command == "catalog list" || r.command == "catalog lint" {
			t.Setenv("ERRATA_CATALOGS_DIR", folder)
		} else {
			t.Setenv("ERRATA_CATALOGS_DIR", "")
		}
		words := append(strings.Fields(r.command), r.args...)
		for _, output := range clitest.OutputFlags(commands[r.command]) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append(words, output...), strings.NewReader(""), &stdout, &stderr)
			all := stdout.String() + stderr.String()
			inJSON := slices.Contains(output, "json") || strings.Contains(all, `\u001b`)
			if code > 1 || !strings.Contains(all, r.shows) && !inJSON {
				t.Errorf("%q %q: %d, shows no %s:\n%q", words, output, code, r.shows, all)
			}
			clitest.CheckDrivesNothing(t, append(words, output...), all)
			if slices.Contains(output, "csv") && (strings.Contains(all, "\n=") || strings.Contains(all, ",=")) {
				t.Errorf("%q %q prints a formula: %q", words, output, all)
			}
		}
		if r.command == "catalog import" || r.command == "catalog schema" || slices.Contains(r.args, "--emit") {
			continue // these print files
		}
		for _, width := range []int{80, 120} {
			var stdout bytes.Buffer
			run(t.Context(), words, strings.NewReader(""), cli.Screen{Writer: &stdout, Columns: width}, io.Discard)
			clitest.CheckFits(t, words, stdout.String(), width)
			clitest.CheckDrivesNothing(t, words, stdout.String())
		}
	}
	for command := range left {
		t.Errorf("the command %q is not run on hostile data: add it here", command)
	}
}
