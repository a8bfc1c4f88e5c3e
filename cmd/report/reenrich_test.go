package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func TestReenrichGoesOnAfterAnInterruption(t *testing.T) {
	addr, database := stacktest.Database(t)
	var records strings.Builder
	for i := range 40 {
		fmt.Fprintf(&records, `{"time":"2026-11-0%dT10:00:00Z","tenant":"acme","service":"pay","status":402,"response_body":"{\"error_code\":\"BILLING-7731\",\"error_msg\":\"No funds, %d.\"}"}`+"\n", 2+i%2, i)
	}
	if err := insert(t.Context(), addr, database, records.String()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const billing = `{family: BILLING, language: en, match: {prefixes: [BILLING]}, codes: [{code: BILLING-7731, message: "No funds, {0}.", kind: billing, retry: after_fix, owner: caller}]}`
	if err := os.WriteFile(filepath.Join(dir, "billing.yaml"), []byte(billing), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
	t.Setenv("ERRATA_CATALOGS_DIR", dir)
	run := func(ctx context.Context, args ...string) (code int, stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		cmd.SetArgs(append([]string{"catalog", "re-enrich"}, args...))
		code = exitCode(cmd.ExecuteContext(ctx), cmd)
		return code, out.String(), errs.String()
	}
	query := func(sql string) string {
		t.Helper()
		return stacktest.Query(t, stacktest.SharedClickHouse(t), strings.ReplaceAll(sql, "@", database))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	code, stdout, stderr := run(ctx, "--rate", "5")
	told := regexp.MustCompile(`^interrupted: (\d+) of 40 errors and 0 sums are done; run it again to go on\n$`).FindStringSubmatch(stderr)
	if code != 1 || stdout != "" || told == nil {
		t.Fatalf("%d %q %q", code, stdout, stderr)
	}
	if got := query("SELECT count(), countIf(family = 'BILLING') FROM @.errors"); got != "40\t"+told[1] || told[1] == "0" {
		t.Errorf("%s, told %s", got, told[1])
	}
	var left int
	fmt.Sscan(told[1], &left)
	code, stdout, stderr = run(t.Context())
	if want := fmt.Sprintf("%d errors explained by", 40-left); code != 0 || !strings.HasPrefix(stdout, want) || stderr != "" {
		t.Errorf("%d %q %q, want %s", code, stdout, stderr, want)
	}
	if got := query("SELECT count(), countIf(family = 'BILLING') FROM @.errors"); got != "40\t40" {
		t.Error(got)
	}
	if got := query("SELECT sum(errors), any(family), any(kind) FROM @.error_minute"); got != "40\tBILLING\tbilling" {
		t.Error(got)
	}
}

func TestReenrichTellsItsProgress(t *testing.T) {
	var told bytes.Buffer
	r := &reenrichment{told: &told, spoke: time.Now().Add(-time.Minute), changes: map[change]uint64{}}
	before, after := enrich.Event{Family: "unknown"}, enrich.Event{Family: "OSM", CatalogVersion: "2"}
	r.count([]store.Rewrite{{Before: before, After: after}, {Before: after, After: after}})
	for range 2 {
		r.progress("%d of %d errors", r.done, 7)
	}
	if told.String() != "2 of 7 errors\n" || r.restamped != 1 {
		t.Errorf("%q %d", told.String(), r.restamped)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.pause(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
