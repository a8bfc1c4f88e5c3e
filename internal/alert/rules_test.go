package alert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

func TestShippedRules(t *testing.T) {
	groups, err := Load("../../alerts.yaml") // which executes each template
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 5 {
		t.Fatalf("%d groups", len(groups))
	}
	for _, g := range groups {
		for _, r := range g.Rules {
			if len(r.Annotations) == 0 {
				t.Errorf("rule %s has no annotations", r.Name)
			}
		}
	}
	r := groups[0].Rules[0]
	if r.Name != "CaseQuotaExhausted" || !reflect.DeepEqual(r.Condition, Count{5 * time.Minute, above(20)}) || r.For != 2*time.Minute || r.ResolveBelow != 5 ||
		r.labels([]string{"acme"}, 0)["severity"] != "page" || r.Select.Codes[0] != "OSM.01010037" || r.By[0] != "tenant" {
		t.Errorf("%+v", r)
	}
	facts := Facts{basicFacts: basicFacts{Labels: r.labels([]string{"acme"}, 0), Value: 41}}
	if got := execute(r.Annotations["summary"], facts); got != "acme has used up its quota of cases: 41 refusals in 5 minutes" {
		t.Error(got)
	}
}

// A key without a row would be read and ignored.
func TestEveryConditionKeyHasARow(t *testing.T) {
	keys := reflect.TypeFor[conditionKeys]()
	for i := range keys.NumField() {
		k := reflect.New(keys).Elem()
		k.Field(i).Set(reflect.New(keys.Field(i).Type.Elem()))
		given := 0
		for _, c := range conditions {
			if c.given(k.Interface().(conditionKeys)) {
				given++
			}
		}
		if given != 1 {
			t.Errorf("%s is in %d rows of conditions, want 1", keys.Field(i).Name, given)
		}
	}
}

func TestEveryConditionIsDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conditions {
		if !strings.Contains(string(text), "\n| `"+c.key+"` | ") {
			t.Errorf("docs/alerts.md has no row for the condition %s", c.key)
		}
	}
}

// Whether a condition has thresholds to override, and of which kind, is said in its row alone.
func TestRowsSayWhichThresholdsCanBeOverridden(t *testing.T) {
	row := &conditions[0]
	was := *row
	defer func() { *row = was }()
	problems := func(override string) string {
		_, err := read("a.yaml", []byte("groups: [{name: g, rules: [{alert: A, by: [tenant], count: {over: 5m, above: 0.5}, overrides: [{tenants: [x], above: "+override+"}], windows: 2 of 3}]}]"))
		return fmt.Sprint(err)
	}
	if got := problems("2"); got != "<nil>" {
		t.Error(got)
	}
	row.threshold = (*lint).share
	if got := problems("2"); !strings.Contains(got, "2 is not a share") {
		t.Error(got)
	}
	row.threshold = nil
	for _, want := range []string{"overrides: only rate", "have thresholds to override", "windows: only rate", "look at one window"} {
		if got := problems("2"); !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		l := &lint{}
		if got := l.duration("for", text); got != want || len(l.problems) > 0 {
			t.Errorf("%q: %s %v", text, got, l.problems)
		}
	}
	f("", 0)
	f("0", 0)
	f("0s", 0)
	f("30s", 30*time.Second)
	f("1h30m", 90*time.Minute)
	f("1d", 24*time.Hour)
	f("1d12h", 36*time.Hour)
}

func TestProblemsPointAtTheLine(t *testing.T) {
	const head = "groups:\n  - name: g\n    rules:\n      - alert: First\n        count: {over: 5m, above: 1}\n"
	f := func(text string, want ...string) {
		t.Helper()
		_, err := read("a.yaml", []byte(text))
		if err == nil {
			t.Errorf("no error, want %q in\n%s", want, text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("got\n%v\nwant %q", err, w)
			}
		}
	}
	rule := func(lines ...string) string {
		return head + "      - alert: Second\n        " + strings.Join(lines, "\n        ") + "\n"
	}
	f("", "a.yaml is empty")
	f("groups: []\n", "a.yaml:1:9: groups: no rules")
	f("groups:\n  - name: g\n", "a.yaml:2:5: group g: rules: the group has none")
	f("groups:\n  - rules: []\n", "a.yaml:2:5: group : name: the group has none")
	f("groups:\n  - name: g\n    interval: 90s\n    rules:\n      - alert: A\n        count: {over: 5m, above: 1}\n", `a.yaml:3:15: group g: interval: "90s"`, "whole minutes")
	f(head+"  - name: g\n    rules:\n      - alert: B\n        count: {over: 5m, above: 1}\n", "a.yaml:6:11: group g: name: another group")
	f(rule("count: {over: 5m, abov: 20}"), "a.yaml:7:27: rule Second: ", `unknown key "groups[0].rules[1].count.abov": did you mean "groups[0].rules[1].count.above"?`, "count (over, above, warning, critical)", "^")
	f(rule("fore: 2m", "count: {over: 5m, above: 20}"), "a.yaml:7:9: rule Second: ", `unknown key "groups[0].rules[1].fore"`)
	f(rule("count: {over: 5m, above: many}"), "a.yaml:7:34: rule Second: ", "many")
	f(rule("count: {over: 5m"), "a.yaml:7: did not find", "> 7 |         count: {over: 5m")
	f(rule("by: [tenant]"), "a.yaml:6:9: rule Second: the rule has no condition: give count or rate or")
	f(rule("count: {over: 5m, above: 1}", "rate: {over: 5m, above: 0.1, min_requests: 10}"), "a.yaml:8:16: rule Second: rate: the rule has count already")
	f(rule("count: {above: 20}"), "a.yaml:7:17: rule Second: count.over: no window")
	f(rule("count: {over: 90s, above: 20}"), `a.yaml:7:23: rule Second: count.over: "90s"`, "whole minutes")
	f(rule("count: {over: 31d, above: 20}"), `rule Second: count.over: "31d"`, "1m to 30d")
	f(rule("count: {over: soon, above: 20}"), `rule Second: count.over: "soon" is not a duration`)
	f(rule("count: {over: 5m}"), "a.yaml:7:17: rule Second: count.above: no threshold")
	f(rule("count: {over: 5m, above: -1}"), "count.above: -1 is negative")
	f(rule("rate: {over: 5m, above: 0.1}"), "a.yaml:7:16: rule Second: rate.min_requests: a share of few requests means nothing")
	f(rule("rate: {over: 5m, above: 20, min_requests: 10}"), "rate.above: 20 is not a share")
	f(rule("rate: {over: 5m, min_requests: 10}"), "rate.above: no threshold")
	f(rule("count: {over: 5m, above: 20}", "for: -2m"), `a.yaml:8:14: rule Second: for: "-2m" is not a duration`)
	f(rule("count: {over: 5m, above: 20}", "resolve_below: 21"), "a.yaml:8:24: rule Second: resolve_below: 21 is more than above, 20")
	f(rule("count: {over: 5m, above: 20}", "resolve_below: 0"), "resolve_below: no value is below 0")
	f(rule("count: {over: 5m, above: 20}", "by: [tenant, path]"), `a.yaml:8:22: rule Second: by[1]: "path" is not a column to group by: use some of tenant, service`)
	f(rule("count: {over: 5m, above: 20}", "by: [template]"), `by[0]: "template" is not a column to group by`) // no rollup has it
	f(rule("count: {over: 5m, above: 20}", "by: [tenant, tenant]"), `by[1]: "tenant" is listed twice`)
	f(rule("count: {over: 5m, above: 20}", "select:", "  codes:", "    - 'OSM.*'", "    - 'OSM.['"), `a.yaml:11:15: rule Second: select.codes[1]: "OSM.[" is not a glob`)
	f(rule("count: {over: 5m, above: 20}", "select: {kinds: [quotas]}"), `a.yaml:8:26: rule Second: select.kinds[0]: "quotas" is not a kind: did you mean "quota"? The kinds are auth`)
	f(rule("count: {over: 5m, above: 20}", "labels: {tenant: x}"), "a.yaml:8:26: rule Second: labels.tenant: every alert has this label already")
	f(rule("count: {over: 5m, above: 20}", "labels: {alertname: x}"), "labels.alertname: every alert has this label already")
	f(rule("count: {over: 5m, above: 20}", "labels:", "  severity: page", "  seen: '{{.Value}} times'"), "a.yaml:10:17: rule Second: labels.seen:", "there is no field Value", "only the columns under by", "annotations")
	f(rule("count: {over: 5m, above: 20}", "labels: {a-b: x}"), `labels: "a-b" is not a name`)
	f(rule("count: {over: 5m, above: 20}", "annotations: {summary: '{{.Valeu}}'}"), "a.yaml:8:32: rule Second: annotations.summary:", "Valeu", ".Threshold")
	f(rule("count: {over: 5m, above: 20}", "annotations: {summary: '{{.Labels.tenant}}'}"), "annotations.summary:", "tenant")
	f(rule("count: {over: 5m, above: 20}", "annotations: {summary: '{{.Value'}"), "annotations.summary:")
	f(head+"      - alert: First\n        count: {over: 5m, above: 1}\n", `a.yaml:6:16: rule First: alert: another rule is called "First" too`)
	f(head+"      - count: {over: 5m, above: 1}\n", "a.yaml:6:9: rule 2 of group g: alert: the rule has no name")
	f(rule("count: {over: 5m}", "resolve_below: 0", "by: [x]"), "count.above", "resolve_below", "by[0]") // all at once
}

// tableRule is a rule with thresholds from the file tenants.csv.
const tableRule = `groups:
  - name: g
    rules:
      - alert: A
        by: [tenant]
        count: {over: 5m, above: 20}
        resolve_below: 10
        overrides: [{tenants: [vip], above: 5}]
        overrides_file: tenants.csv
`

// loadTable reads a rule whose thresholds are in a table.
func loadTable(t *testing.T, rule, table string) (Rule, string, error) {
	t.Helper()
	file, csv := filepath.Join(t.TempDir(), "alerts.yaml"), ""
	csv = filepath.Join(filepath.Dir(file), "tenants.csv")
	stacktest.Must(t, errors.Join(os.WriteFile(file, []byte(rule), 0o600), os.WriteFile(csv, []byte(table), 0o600)))
	groups, err := Load(file)
	if err != nil {
		return Rule{}, csv, err
	}
	return groups[0].Rules[0], csv, nil
}

func TestThresholdsFromATable(t *testing.T) {
	t.Parallel()
	r, _, err := loadTable(t, tableRule, "\uFEFF# of the contract\ntenant, above, resolve_below\nvip,1,\n\"a,b\",100,50\nbig-*,500\t,\nbig-1, 7.5 ,\n*,30,\n")
	if err != nil {
		t.Fatal(err)
	}
	f := func(tenant string, above, resolveBelow float64) {
		t.Helper()
		if got := r.thresholdsOf([]string{tenant}); len(got.levels) != 1 || got.levels[0].above != above || got.resolveBelow != resolveBelow {
			t.Errorf("%s: %+v, want %v and %v", tenant, got, above, resolveBelow)
		}
	}
	f("vip", 5, 5) // what the rule says itself comes first
	f("a,b", 100, 50)
	f("big-1", 7.5, 7.5) // a name comes before globs
	f("big-2", 500, 10)
	f("acme", 30, 10)

	// Only another meaning is another definition of the rule.
	is := func(table string, same bool) {
		t.Helper()
		other, _, err := loadTable(t, tableRule, table)
		if err != nil || (other.definition == r.definition) != same {
			t.Errorf("%v; same definition %t, want %t, with\n%s", err, !same, same, table)
		}
	}
	is("resolve_below,tenant,above\n,big-*,500\n,*,30\n,big-1,7.5\n50,\"a,b\",100\n,vip,1\n", true)
	is("resolve_below,tenant,above\n,*,30\n,big-*,500\n,big-1,7.5\n50,\"a,b\",100\n,vip,1\n", false)
	is("tenant,above\nvip,1\n", false)
	two := strings.NewReplacer("above: 20", "warning: 20, critical: 50", "above: 5}", "warning: 5, critical: 9}").Replace(tableRule)
	if r, _, err = loadTable(t, two, "critical,tenant,warning\n300,acme,100\n"); err != nil {
		t.Fatal(err)
	}
	if got := r.thresholdsOf([]string{"acme"}).levels; len(got) != 2 || got[0].above != 100 || got[1].above != 300 {
		t.Error(got)
	}
}

func TestProblemsOfATablePointAtItsLine(t *testing.T) {
	t.Parallel()
	f := func(table string, want ...string) {
		t.Helper()
		_, file, err := loadTable(t, tableRule, table)
		if err == nil {
			t.Errorf("no error, want %q in\n%s", want, table)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), file+":"+w) {
				t.Errorf("got\n%v\nwant %q", err, w)
			}
		}
	}
	f("", "1: rule A: the file is empty: begin with the header tenant,above")
	f("# nothing\n", "1: rule A: the file is empty")
	f("tenant,abov\nx,1\n", `1: rule A: unknown column "abov": did you mean "above"? The columns are tenant, above, resolve_below`, `1: rule A: no column "above"`)
	f("# x\n\ntenant\nx\n", `3: rule A: no column "above": the header has to be tenant,above, and may have resolve_below`)
	f("tenant,warning,critical\nx,1,2\n", `1: rule A: unknown column "warning"`, `1: rule A: no column "above"`)
	f("tenant,above,above\nx,1,2\n", `1: rule A: the column "above" stands twice`)
	f("tenant,above\n", "1: rule A: the table has no rows")
	f("tenant,above\nx,1\ny,1,2\n", "3: rule A: the row does not have the 2 fields of the header: tenant,above")
	f("tenant,above\nx,1\n\"y,1\n", `3: rule A: extraneous or missing " in quoted-field`)
	f("tenant,above\nx,many\ny,\nz,NaN\n", `2:3: rule A: above: "many" is not a number`, `3:3: rule A: above: "" is not a number`, `4:3: rule A: above: "NaN" is not a number`) // all at once
	f("tenant,above\nx,-1\n", "2:3: rule A: above: -1 is negative")
	f("tenant,above,resolve_below\nx,5,6\n", "2:5: rule A: resolve_below: 6 is more than above, 5")
	f("tenant,above\nx,1\ny,1\nx,2\n", `4:1: rule A: tenant: "x" stands in line 2 already: remove one of the two rows`)
	f("tenant,above\n ,1\n", "2:2: rule A: tenant: empty: name a tenant, or write * for all others")
	f("tenant,above\nx[,1\n", `2:1: rule A: tenant: "x[" is not a glob`)

	g := func(rule, want string) {
		t.Helper()
		if _, _, err := loadTable(t, rule, "tenant,above\nx,1\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	g(strings.Replace(tableRule, "tenants.csv", "nowhere.csv", 1), "alerts.yaml:9:25: rule A: overrides_file: the file of thresholds cannot be read: open ")
	g(strings.Replace(tableRule, "by: [tenant]", "by: [code]", 1), "overrides_file: the thresholds are those of tenants")
	g("groups: [{name: g, rules: [{alert: A, lag: {above: 5m}, overrides_file: tenants.csv}]}]", "overrides_file: only count, ")
}

func TestMissingFileIsASentence(t *testing.T) {
	if _, err := Load("nowhere.yaml"); err == nil || !strings.Contains(err.Error(), "there is no file of alert rules nowhere.yaml: name one with --rules") {
		t.Error(err)
	}
}
