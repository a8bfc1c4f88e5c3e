package alert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"errata/internal/catalog"
)

// shipped returns the catalogs that are compiled in.
func shipped(t *testing.T) *catalog.Set {
	t.Helper()
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The unit tests beside the shipped rules pass, and every rule has one that lets it fire.
func TestShippedRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	result, err := RunTests(t.Context(), "../../alerts_test.yaml", shipped(t))
	if err != nil || len(result.Failures) > 0 || result.Passed < 14 {
		t.Errorf("%d passed: %v %v", result.Passed, result.Failures, err)
	}
	text, err := os.ReadFile("../../alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	groups, err := Load("../../alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		for _, r := range g.Rules {
			fires := false
			for line := range strings.Lines(string(text)) {
				fires = fires || strings.Contains(line, "alert: "+r.Name+",") && strings.Contains(line, "state: firing") ||
					strings.Contains(line, "alert: "+r.Name+",") && strings.Contains(line, "status: firing")
			}
			if !fires && r.Name != "CaseQuotaExhausted" { // whose expectation has several lines
				t.Errorf("no test lets %s fire", r.Name)
			}
			page := "../../" + execute(r.Annotations["runbook"], Facts{})
			if text, err := os.ReadFile(page); err != nil || !strings.HasPrefix(string(text), "# "+r.Name+"\n") {
				t.Errorf("%s has no runbook: %v", r.Name, err)
			}
		}
	}
}

// ruleTest runs one test of a file with the given rule.
func ruleTest(t *testing.T, rules, test string) Tests {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "t.yaml")
	for file, text := range map[string]string{"r.yaml": rules, "t.yaml": "rules: r.yaml\ntests:\n  - name: it\n" + test} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	result, err := RunTests(t.Context(), name, shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// passes fails unless the test of a rule passes.
func passes(t *testing.T, rule, test string) {
	t.Helper()
	if result := ruleTest(t, "groups:\n  - name: g\n    rules:\n      - "+rule+"\n", test); result.Passed != 1 || len(result.Failures) > 0 {
		t.Errorf("%v", result.Failures)
	}
}

const countRule = `groups: [{name: g, rules: [{alert: Quota, by: [tenant], select: {codes: ['OSM.*']}, count: {over: 5m, above: 20}, annotations: {summary: '{{.Labels.tenant}}: {{.Value}}'}}]}]`

func TestFailureIsADiff(t *testing.T) {
	result := ruleTest(t, countRule, `    input: [{tenant: acme, code: OSM.01010037, errors: '30x10'}]
    expect:
      - {at: 5m, alert: Quota, states: [{labels: {tenant: acme}, state: pending}]}
      - {from: 1m, to: 5m, sends: [{alert: Quota, status: firing, summary: 'acme: 20'}]}
      - {from: 0m, to: 10m, sends_nothing: true}
`)
	want := []string{
		"t.yaml:6:40: it: expect[0].states: at 5m, the states of Quota\n  - {tenant=\"acme\"} pending\n  + {tenant=\"acme\"} firing",
		"t.yaml:7:10: it: expect[1]: from 1m to 5m, what is sent\n  - Quota firing; summary: acme: 20\n  + Quota firing; summary: acme: 30",
		"t.yaml:8:10: it: expect[2]: from 0m to 10m, what is sent\n  + Quota firing; summary: acme: 30\n  - nothing",
	}
	if result.Failed != 1 || len(result.Failures) != len(want) {
		t.Fatalf("%+v", result)
	}
	for i, w := range want {
		if got := result.Failures[i].Error(); !strings.HasSuffix(got, w) {
			t.Errorf("got\n%s\nwant\n%s", got, w)
		}
	}
}

func TestWrongTests(t *testing.T) {
	f := func(test string, want string) {
		t.Helper()
		result := ruleTest(t, countRule, test)
		if result.Failed != 1 || len(result.Failures) == 0 || !strings.Contains(result.Failures[0].Error(), want) {
			t.Errorf("%v, want %s", result.Failures, want)
		}
	}
	expect := "    expect: [{at: 5m, alert: Quota, states: []}]\n"
	f("    expect: [{at: 5m, alert: Qouta, states: []}]\n", `t.yaml:4:30: it: expect[0].alert: no rule is called "Qouta": did you mean "Quota"?`)
	f("    expect: [{at: 5m, sends: [{alert: Nothing}]}]\n", `expect[0].sends[0].alert: no rule is called "Nothing"`)
	f("    input: [{code: X, errors: '5y3'}]\n"+expect, `t.yaml:4:31: it: input[0].errors: "5y3" is not a count`)
	f("    input: [{tenant: acme}]\n"+expect, "input[0]: no counts")
	f("    input: [{tenant: acme, errors: '5'}]\n"+expect, "input[0].errors: errors of what code")
	f("    data: [{from: 1m, to: 2m, is: lost}]\n"+expect, `data[0].is: "lost": give gap, error, or how late`)
	f("    data: [{from: 1m, is: gap}]\n"+expect, "data[0].to: until when")
	f("    expect: [{alert: Quota, states: []}]\n", "expect[0]: no time: give at")
	f("    expect: [{at: 5m}]\n", "expect[0]: nothing is expected")
	f("    expect: [{at: 5m, states: []}]\n", "expect[0].states: whose states")
	f("    expect: []\n", "expect: the test expects nothing")
	f("    start: yesterday\n"+expect, `start: "yesterday" is not a time`)
	f("    expects: []\n", `unknown key "tests[0].expects": did you mean "tests[0].expect"?`)
	f("    expect: [{at: 90d, sends_nothing: true}]\n", "the test lasts 90d: give 60d at most")
}

// A gap is no recovery of a tenant's baseline, late data holds the evaluation up, and a promtool
// series counts up.
func TestInputs(t *testing.T) {
	passes(t, `{alert: A, by: [tenant], count: {over: 3m, above: 5}}`, `    input: [{tenant: acme, code: X, errors: '0+1x5 _x5'}]
    expect:
      - {at: 4m, alert: A, states: [{labels: {tenant: acme}, state: firing}]}   # 1+2+3
      - {at: 9m, alert: A, states: []}
`)
	passes(t, `{alert: A, by: [tenant], count: {over: 3m, above: 5}}`, `    input: [{tenant: acme, code: X, errors: '0x5 10x5 0x20'}]
    data: [{from: 5m, to: 10m, is: gap}]
    expect:
      - {from: 0m, to: 30m, sends_nothing: true}
`)
	passes(t, `{alert: A, by: [tenant], count: {over: 3m, above: 5}}`, `    input: [{tenant: acme, code: X, errors: '0x5 10x5 0x20'}]
    data: [{from: 5m, to: 20m, is: late 7m}]
    expect:
      - {from: 0m, to: 12m, sends_nothing: true}
      - {at: 13m, sends: [{alert: A, status: firing}]}
`)
	passes(t, `{alert: A, by: [tenant], count: {over: 3m, above: 5}, for: 2m}`, `    input: [{tenant: acme, code: X, errors: '0x5 10x5 0x20'}]
    data: [{from: 1m, to: 20m, is: error}]
    expect:
      - {at: 3m, sends: [{alert: RuleFailing, status: firing, labels: {rule: A}}]}
      - {at: 20m, alert: A, states: [], sends: [{status: resolved, late: true}]}
`)
}

func TestWindowsOutOf(t *testing.T) {
	passes(t, `{alert: A, count: {over: 5m, above: 5}, windows: 2 of 3}`, `    input: [{tenant: acme, code: X, errors: '0x5 10x1 0x4 0x5 10x1 0x4 10x1 0x40'}]
    expect:
      - {from: 0m, to: 15m, sends_nothing: true}
      - {from: 16m, to: 20m, sends: [{status: firing, reason: "10 errors in 5m, above 5; 2 of the last 3 windows hold, 2 needed"}]}
`)
}

func TestOverrides(t *testing.T) {
	passes(t, `{alert: A, by: [tenant], count: {over: 5m, above: 5}, overrides: [{tenants: ['big-*'], above: 500}]}`, `    input: [{tenant: acme, code: X, errors: '10x10'}, {tenant: big-1, code: X, errors: '90x5 200x5'}]
    expect:
      - {at: 5m, alert: A, states: [{labels: {tenant: acme}, state: firing}]}
      - {at: 7m, alert: A, states: [{labels: {tenant: acme}, state: firing}, {labels: {tenant: big-1}, state: firing}]}
`)
}

// A watchdog fires at once and for good, whatever the data does.
func TestWatchdog(t *testing.T) {
	passes(t, `{alert: A, watchdog: {}, labels: {severity: none}}`, `    data: [{from: 5m, to: 20m, is: error}, {from: 30m, to: 60m, is: late 20m}]
    expect:
      - {from: 0m, to: 1m, alert: A, sends: [{status: firing, labels: {severity: none}, reason: the evaluator runs}]}
      - {at: 15m, alert: A, states: [{state: firing}]}
      - {at: 50m, alert: A, states: [{state: firing}]}
      - {from: 2m, to: 90m, alert: A, sends_nothing: true}
`)
}

func TestFlatline(t *testing.T) {
	rule := `{alert: A, by: [tenant], flatline: {of: requests, over: 15m, usual: 100}}`
	passes(t, rule, `    input:
      - {tenant: acme, requests: '20x10 0x60 20x60', usual: {for: 2d, requests: 20}}
      - {tenant: sleepy, requests: '1x10 0x120', usual: {for: 2d, requests: 1}}
      - {tenant: new, requests: '20x10 0x120'}
    expect:
      - {at: 24m, alert: A, states: []}
      - {at: 25m, alert: A, states: [{labels: {tenant: acme}, state: firing}]}
      - {at: 70m, alert: A, states: [{labels: {tenant: acme}, state: firing}]}
      - {at: 71m, alert: A, states: [], sends: [{status: resolved}]}
`)
}

func TestBurnRate(t *testing.T) {
	rule := `{alert: A, by: [tenant], burn_rate: {objective: 0.99, min_requests: 1000, count: 50}}`
	passes(t, rule, `    input:
      - {tenant: fast, code: X, errors: '0x60 30x60', requests: '100x120', usual: {for: 4d, requests: 100}}
      - {tenant: slow, code: X, errors: '4x1500', requests: '100x1500', usual: {for: 4d, requests: 100}}
      - {tenant: small, code: X, errors: '1x120', requests: '1x120', usual: {for: 4d, requests: 0}}
    expect:
      # 14.4 times one percent, over an hour: 865 of 6000 requests are 30 a minute for 29 minutes.
      - {at: 88m, alert: A, states: [{labels: {tenant: small}, state: firing, level: critical}]}
      - {at: 89m, alert: A, states: [{labels: {tenant: fast}, state: firing, level: critical}, {labels: {tenant: small}, state: firing, level: critical}]}
`)
}
