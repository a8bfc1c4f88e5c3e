package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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
	f(0, "../../alerts.yaml is fine: rules 13, groups 5", "--rules", "../../alerts.yaml")
	f(2, "there is no file of alert rules alerts.yaml")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("groups:\n  - name: g\n    rules:\n      - alert: A\n        count: {over: 90s, above: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(1, `bad.yaml:5:23: rule A: count.over: "90s": data is counted by the minute, so give whole minutes, 1m to 30d`, "--rules", bad)
}

// Twenty kinds of wrong rules: each is one sentence with line and column, and exit code 1.
func TestWrongRules(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rules.yaml")
	const head = "groups:\n  - name: g\n    interval: 5m\n    rules:\n      - alert: A\n"
	f := func(want string, lines ...string) {
		t.Helper()
		text := strings.Join(lines, "\n") + "\n"
		if !strings.HasPrefix(text, "groups") {
			text = head + "        " + strings.Join(lines, "\n        ") + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runAlert(t, "check", "--rules", file)
		places := regexp.MustCompile(`(?m)^report: .*/rules\.yaml:\d+:\d+: `).FindAllString(stderr, -1)
		if code != 1 || len(places) != 1 || !strings.Contains(stderr, "rules.yaml:"+want) || strings.Contains(stdout, "is fine") {
			t.Errorf("%d, %d problems, want %s:\n%s%s", code, len(places), want, stdout, stderr)
		}
	}
	count := "count: {over: 5m, above: 20}"
	f(`6:27: rule A: unknown key "groups[0].rules[0].count.abov": did you mean "groups[0].rules[0].count.above"?`, "count: {over: 5m, abov: 20}")
	f(`5:9: rule A: the rule has no condition: give count or rate or`, "by: [tenant]")
	f(`7:16: rule A: rate: the rule has count already`, count, "rate: {over: 5m, above: 0.1, min_requests: 10}")
	f(`6:16: rule A: rate.min_requests: a share of few requests means nothing`, "rate: {over: 5m, above: 0.1}")
	f(`6:33: rule A: rate.above: 20 is not a share`, "rate: {over: 5m, above: 20, min_requests: 9}")
	f(`5:9: rule A: the window of 1m is shorter than the interval of the group, 5m`, "count: {over: 1m, above: 20}")
	f(`6:50: rule A: count.critical: 5 is not more than warning, 20`, "count: {over: 5m, warning: 20, critical: 5}")
	f(`6:34: rule A: count.above: there are two levels already`, "count: {over: 5m, above: 20, warning: 5}")
	f(`7:24: rule A: labels.seen: there is no field Value: the labels are part`, count, "labels: {seen: '{{.Value}}'}")
	f(`8:28: rule A: labels.severity: the rule has levels`, "by: [tenant]", "count: {over: 5m, warning: 20, critical: 50}", "labels: {severity: page}")
	f(`7:29: rule A: annotations.text: the rule counts no requests`, count, "annotations: {text: '{{.Requests}}'}")
	f(`7:14: rule A: by[0]: "tenants" is not a column to group by`, count, "by: [tenants]")
	f(`7:40: rule A: select.kinds[0]: "quotas" is not a kind: did you mean "quota"?`, count, "select: {tenants: [a], kinds: [quotas]}")
	f(`7:29: rule A: select.statuses[0]: "5XX" is not a status`, count, "select: {statuses: [5XX]}")
	f(`7:54: rule A: select.exclude.tenants: all that select.tenants picks is left out again`, count, "select: {tenants: [acme], exclude: {tenants: [acme]}}")
	f(`7:25: rule A: select.codes: none of the codes is in the families ModelArts`, count, "select: {codes: [OSM.01010037], families: [ModelArts]}")
	f(`7:48: rule A: select.known: the catalogs have all of the codes, so none is unknown`, count, "select: {codes: [OSM.01010037], known: false}")
	f(`7:18: rule A: windows: "6 of 5" can never hold`, count, "windows: 6 of 5")
	f(`7:25: rule A: active.hours: "8-18": write from when to when`, count, "active: {hours: 8-18, zone: UTC}")
	f(`8:14: rule A: for: the condition can hold for 2h at most`, count, "active: {hours: 08:00-10:00, zone: UTC}", "for: 3h")
	f(`7:24: rule A: resolve_below: 21 is more than above, 20`, count, "resolve_below: 21")
	f(`6:20: rule A: overrides: the thresholds are those of tenants`, "overrides: [{tenants: [a], above: 1}]", count)
	f(`6:13: rule A: by: requests have no code, kind or family`, "by: [code]", "body_blind: {over: 5m, above: 0.5, min_requests: 9}")
	f(`6:18: rule A: select: requests have no code, family, kind or status`, "select: {codes: [X]}", "flatline: {of: requests, over: 5m}")
	f(`1:9: groups: no rules`, "groups: []")

	// What may not be meant is a note.
	if err := os.WriteFile(file, []byte(head+"        select: {codes: [OSM.01010073], families: [OSN]}\n        count: {over: 5m, above: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runAlert(t, "check", "--rules", file)
	for _, want := range []string{`rules.yaml:6:26: rule A: select.codes[0]: note: no catalog lists "OSM.01010073": did you mean "OSM.010100`, `rules.yaml:6:52: rule A: select.families[0]: note: no catalog has the family "OSN": did you mean "OSM"?`,
		"note: no owner", "note: no link", "rules.yaml is fine: rules 1, groups 1"} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("%d %s%s, want %s", code, stdout, stderr, want)
		}
	}
}

// The tests of the shipped rules run in package alert.
func TestAlertTest(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules.yaml": "groups: [{name: g, rules: [{alert: A, count: {over: 5m, above: 0}}]}]\n",
		"good.yaml":  "rules: rules.yaml\ntests: [{name: quiet, expect: [{at: 5m, sends_nothing: true}]}]\n",
		"bad.yaml":   "rules: rules.yaml\ntests: [{name: loud, expect: [{at: 5m, alert: A, states: [{state: firing}]}]}]\n",
		"lost.yaml":  "rules: nowhere.yaml\ntests: [{name: loud, expect: [{at: 5m, sends_nothing: true}]}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(code int, want string, names ...string) {
		t.Helper()
		args := []string{"test"}
		for _, name := range names {
			args = append(args, filepath.Join(dir, name))
		}
		got, stdout, stderr := runAlert(t, args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("%v: %d %q %q, want %d %q", names, got, stdout, stderr, code, want)
		}
	}
	f(0, "good.yaml: tests passed 1, failed 0", "good.yaml")
	f(1, "bad.yaml:2:58: loud: expect[0].states: at 5m, the states of A\nreport:   - {} firing\nreport:   + nothing", "good.yaml", "bad.yaml")
	f(2, "there is no file of alert rules", "lost.yaml")
	f(2, "read the tests of alert rules", "none.yaml")
}

func TestAlertRun(t *testing.T) {
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
	want := at(2) + ` CaseQuotaExhausted{severity="page",team="support",tenant="acme"} INACTIVE => PENDING: 21 errors in 5m, above 20; fires after 2m
` + at(4) + ` CaseQuotaExhausted{severity="page",team="support",tenant="acme"} PENDING => FIRING: 21 errors in 5m, above 20, for 2m
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
	if code, stdout, stderr := runAlert(t, "list"); code != 0 || !strings.Contains(stdout, "firing  CaseQuotaExhausted  severity=page team=support tenant=acme") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	if code, stdout, stderr := runAlert(t, "list", "--output", "json"); code != 0 || !strings.Contains(stdout, `"reason": "21 errors in 5m, above 20, for 2m"`) {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	mark(10)
	code, stdout, stderr = runAlert(t, append(rules, "--output", "json")...)
	want = `{"ts":"` + at(7) + `","rule":"CaseQuotaExhausted","labels":{"alertname":"CaseQuotaExhausted","severity":"page","team":"support","tenant":"acme"},` +
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
	for _, wrong := range [][]string{{"--output", "xml"}, {"--since", "-1h"}, {"--webhook", "localhost"}, {"--rules", "nowhere.yaml"}, {"--http", "nowhere"}, {"extra"}} {
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
			`would tell alertmanager: {alertname="CaseQuotaExhausted",severity="page",team="support",tenant="acme"}`,
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
