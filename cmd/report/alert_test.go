package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"errata/catalogs"
	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// runAlert runs `alert` as a user does.
func runAlert(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"alert"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestAlertCheck(t *testing.T) {
	f := func(code int, want string, args ...string) {
		t.Helper()
		got, stdout, stderr := runAlert(t, append([]string{"check"}, args...)...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("%v: %d %q %q, want %d %q", args, got, stdout, stderr, code, want)
		}
	}
	f(0, "../../alerts.yaml is fine: rules 4, groups 2", "--rules", "../../alerts.yaml")
	f(2, "there is no file of alert rules alerts.yaml")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("groups:\n  - name: g\n    rules:\n      - alert: A\n        count: {over: 90s, above: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(1, `bad.yaml:5:23: rule A: count.over: "90s": data is counted by the minute, so give whole minutes, 1m to 30d`, "--rules", bad)
}

func TestAlertRun(t *testing.T) {
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := catalog.Load(catalogs.FS)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute)
	at := func(minute int) string {
		return start.Add(time.Duration(minute) * time.Minute).Format("2006-01-02T15:04:05.000Z")
	}
	b := store.NewBatch("logs", 0, 0, store.Limits{})
	for i := range 21 {
		value := fmt.Appendf(nil, `{"time":%q,"tenant":"acme","service":"osm","status":200,"request_id":"r-%d","response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"no\"}"}`, at(1), i)
		b.Add(int64(i), start, p.Record(value, enrich.Position{Clock: accesslog.KafkaClock(start)}))
	}
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)

	rules := []string{"run", "--once", "--rules", "../../alerts.yaml"}
	if code, stdout, stderr := runAlert(t, rules...); code != 2 || stdout != "" || !strings.Contains(stderr, "logs/0 have batches but no watermark yet") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	mark := func(minute int) {
		t.Helper()
		mark := start.Add(time.Duration(minute) * time.Minute)
		if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "logs", Partition: 0, Watermark: mark, At: mark}}); err != nil {
			t.Fatal(err)
		}
	}
	mark(4)
	code, stdout, stderr := runAlert(t, rules...)
	want := at(2) + ` CaseQuotaExhausted{severity="page",tenant="acme"} INACTIVE => PENDING: 21 errors in 5m, above 20; fires after 2m
` + at(4) + ` CaseQuotaExhausted{severity="page",tenant="acme"} PENDING => FIRING: 21 errors in 5m, above 20, for 2m
`
	if code != 0 || stdout != want || !strings.Contains(stderr, "evaluating alert rules") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	told := 0
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told++ }))
	defer hook.Close()
	t.Setenv("ERRATA_NOTIFY_WEBHOOK_URL", hook.URL)
	for want, args := range [][]string{{"--webhook", ""}, nil} { // off, and on: then it hears what is firing
		if code, _, stderr := runAlert(t, append(rules, args...)...); code != 0 || told != want {
			t.Errorf("%q: %d %q, told %d times, want %d", args, code, stderr, told, want)
		}
	}
	if code, stdout, stderr := runAlert(t, "list"); code != 0 || !strings.Contains(stdout, "firing  CaseQuotaExhausted  severity=page tenant=acme") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	if code, stdout, stderr := runAlert(t, "list", "--output", "json"); code != 0 || !strings.Contains(stdout, `"reason": "21 errors in 5m, above 20, for 2m"`) {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	mark(10)
	code, stdout, stderr = runAlert(t, append(rules, "--output", "json")...)
	want = `{"ts":"` + at(7) + `","rule":"CaseQuotaExhausted","labels":{"alertname":"CaseQuotaExhausted","severity":"page","tenant":"acme"},` +
		`"from":"firing","to":"resolved","reason":"0 errors in 5m, below 5","value":0,"threshold":5}` + "\n"
	if code != 0 || stdout != want || !strings.Contains(stderr, "evaluating alert rules") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}

// Wrong words are refused before any server is asked.
func TestAlertRunWrongUse(t *testing.T) {
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", stacktest.FreeAddr(t))
	rules := []string{"run", "--once", "--rules", "../../alerts.yaml"}
	for _, bad := range []string{"localhost:9093", "ftp://secret/", "http:///secret", "::"} {
		for _, flag := range []string{"--webhook", "--alertmanager"} {
			if code, _, stderr := runAlert(t, append(rules, flag, bad)...); code != 2 || !strings.Contains(stderr, flag) || strings.Contains(stderr, bad) {
				t.Errorf("%s %s: %d %q", flag, bad, code, stderr)
			}
		}
	}
	for _, wrong := range [][]string{{"--output", "xml"}, {"--since", "-1h"}, {"--webhook", "localhost"}, {"--rules", "nowhere.yaml"}, {"extra"}} {
		if code, _, stderr := runAlert(t, append(rules, wrong...)...); code != 2 || !strings.HasPrefix(stderr, "report: ") {
			t.Errorf("%v: %d %q", wrong, code, stderr)
		}
	}
}

// A dry run prints what a real one would send, and leaves everything as it is.
func TestAlertDryRun(t *testing.T) {
	addr, database := stacktest.Database(t)
	start := time.Date(2026, 11, 2, 0, 30, 0, 0, time.UTC)
	var records strings.Builder
	for i := range 21 {
		fmt.Fprintf(&records, `{"time":"2026-11-02T00:31:00Z","tenant":"acme","service":"osm","status":200,"request_id":"r-%d","response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"no\"}"}`+"\n", i)
	}
	stacktest.Must(t, insert(t.Context(), addr, database, records.String()))
	s, err := store.Open(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	defer s.Close()
	at := start.Add(4 * time.Minute)
	stacktest.Must(t, s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "gateway-logs", Partition: 0, Watermark: at, At: at}}))
	told := 0
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told++ }))
	defer hook.Close()
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
	t.Setenv("ERRATA_NOTIFY_ALERTMANAGER_URL", hook.URL)
	t.Setenv("ERRATA_NOTIFY_RECEIVERS", `[{name: ops, webhook: {url: "`+hook.URL+`"}}, {name: nobody, wecom: {url: "`+hook.URL+`"}}]`)
	t.Setenv("ERRATA_NOTIFY_ROUTES", `[{receivers: [ops], matchers: ['owner!=""'], group_by: [tenant]}, {receivers: [nobody]}]`)
	for range 2 { // the second finds everything as it was
		code, stdout, stderr := runAlert(t, "run", "--once", "--dry-run", "--rules", "../../alerts.yaml")
		if code != 0 {
			t.Fatalf("%d %q %q", code, stdout, stderr)
		}
		for _, want := range []string{
			"PENDING => FIRING: 21 errors in 5m, above 20, for 2m\n",
			"would send to ops: [FIRING] acme has used up its quota of cases: 21 refusals in 5 minutes\n",
			"        Remedy: Refer to the error message, or contact technical support engineers.\n",
			`would tell alertmanager: {alertname="CaseQuotaExhausted",severity="page",tenant="acme"}`,
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("no %q in\n%s", want, stdout)
			}
		}
		if strings.Contains(stdout, "to nobody") {
			t.Error(stdout)
		}
	}
	if told != 0 {
		t.Errorf("told %d times", told)
	}
	if code, stdout, stderr := runAlert(t, "run", "--once", "--rules", "../../alerts.yaml"); code != 0 || told != 2 {
		t.Errorf("told %d times: %d %q %q", told, code, stdout, stderr)
	}
	// What was told is not told again.
	if code, stdout, stderr := runAlert(t, "run", "--once", "--dry-run", "--rules", "../../alerts.yaml"); code != 0 || strings.Contains(stdout, "would send") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}
