package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
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
	reenrich := func(ctx context.Context, args ...string) (code int, stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		code = run(ctx, append([]string{"catalog", "re-enrich"}, args...), strings.NewReader(""), &out, &errs)
		return code, out.String(), errs.String()
	}
	query := func(sql string) string {
		t.Helper()
		return stacktest.Query(t, stacktest.SharedClickHouse(t), strings.ReplaceAll(sql, "@", database))
	}
	const warning = `warning: the newest stored errors were explained by catalogs of version .*\n`
	const progress = `\d+ .*, day \d+ of \d+\n` // every few seconds, so only where the machine is slow
	// It is interrupted as soon as some errors are done. The others take it eight seconds.
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer cancel()
		for ctx.Err() == nil && query("SELECT countIf(family = 'BILLING') FROM @.errors") == "0" {
			time.Sleep(50 * time.Millisecond)
		}
	})
	code, stdout, stderr := reenrich(ctx, "--rate", "5")
	cancel()
	waiting.Wait()
	told := regexp.MustCompile(`^` + warning + `(?:` + progress + `)*report: interrupted: (\d+) of 40 errors and 0 sums are done; run it again to go on\n$`).FindStringSubmatch(stderr)
	if code != 1 || stdout != "" || told == nil {
		t.Fatalf("%d %q %q", code, stdout, stderr)
	}
	if got := query("SELECT count(), countIf(family = 'BILLING') FROM @.errors"); got != "40\t"+told[1] || told[1] == "0" {
		t.Errorf("%s, told %s", got, told[1])
	}
	var left int
	fmt.Sscan(told[1], &left)
	code, stdout, stderr = reenrich(t.Context())
	if want := fmt.Sprintf("%d errors explained by", 40-left); code != 0 || !strings.HasPrefix(stdout, want) || !regexp.MustCompile(`^(?:`+warning+`)?(?:`+progress+`)*$`).MatchString(stderr) {
		t.Errorf("%d %q %q, want %s", code, stdout, stderr, want)
	}
	if got := query("SELECT count(), countIf(family = 'BILLING') FROM @.errors"); got != "40\t40" {
		t.Error(got)
	}
	if got := query("SELECT sum(errors), any(family), any(kind) FROM @.error_minute"); got != "40\tBILLING\tbilling" {
		t.Error(got)
	}
}
