package alert

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/yamlfile"
)

// testFile is a file of unit tests of rules, as it is written. docs/alerts.md describes it.
type testFile struct {
	Rules string
	Tests []testKeys
}

type testKeys struct {
	Name   string
	Start  string
	Input  []inputKeys
	Data   []dataKeys
	Expect []expectKeys
}

// inputKeys are the counts of one place or code, a minute each.
type inputKeys struct {
	Tenant, Service, Route, Topic, Code, Family, Kind, Status, Dialect string
	Known                                                              *bool

	Errors, Requests, Blind string
	Usual                   *usualKeys
}

// usualKeys are the counts of each minute before the start.
type usualKeys struct {
	For                     string
	Errors, Requests, Blind uint64
}

// dataKeys say what happens to all data for some time.
type dataKeys struct{ From, To, Is string }

type expectKeys struct {
	At, From, To string
	Alert        string
	States       *[]stateKeys
	Sends        []sendKeys
	SendsNothing bool `yaml:"sends_nothing"`
}

type stateKeys struct {
	Labels       map[string]string
	State, Level string
}

type sendKeys struct {
	Alert, Status, Level, Summary, Reason string
	Late                                  *bool
	Labels, Annotations                   map[string]string
}

// Tests is the outcome of a file of unit tests.
type Tests struct {
	Passed, Failed int
	Failures       []error // each with file, line and column, and a diff of a few lines
}

// RunTests runs the unit tests of a file. They run the code that `alert run` runs, over the inputs
// of the file, on a simulated clock. A file that is wrong is a failure. The error is that the file,
// or the rules that it names, cannot be read.
func RunTests(ctx context.Context, name string, catalogs *catalog.Set) (Tests, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return Tests{}, fmt.Errorf("read the tests of alert rules: %w", err)
	}
	wrong := func(err error) (Tests, error) { return Tests{Failed: 1, Failures: []error{err}}, nil }
	parsed, err := yamlfile.Parse(name, content)
	if err != nil {
		return wrong(err)
	}
	var f testFile
	if err := parsed.Decode(&f); err != nil {
		return wrong(err)
	}
	if f.Rules == "" || len(f.Tests) == 0 {
		return wrong(parsed.Errorf("$", "a file of tests names its rules and has tests: write rules: alerts.yaml and a list under tests"))
	}
	rules := f.Rules
	if !filepath.IsAbs(rules) {
		rules = filepath.Join(filepath.Dir(name), rules)
	}
	text, err := readFile(rules)
	if err != nil {
		return Tests{}, err
	}
	groups, err := read(rules, text)
	if err != nil {
		return wrong(err)
	}
	var result Tests
	for i, keys := range f.Tests {
		t := unitTest{l: &lint{file: parsed, at: fmt.Sprintf("$.tests[%d]", i), what: cmp.Or(keys.Name, fmt.Sprintf("test %d", i+1)) + ": "}, groups: groups, catalogs: catalogs}
		t.read(keys)
		if len(t.l.problems) == 0 {
			if err := t.run(ctx); err != nil {
				return Tests{}, err
			}
			t.check(keys.Expect)
		}
		if len(t.l.problems) == 0 {
			result.Passed++
		} else {
			result.Failed++
		}
		result.Failures = append(result.Failures, t.l.problems...)
	}
	return result, nil
}

// unitTest is one test, and what came of it.
type unitTest struct {
	l        *lint
	groups   []Group
	catalogs *catalog.Set

	start  time.Time
	length time.Duration
	source *simulated
	states map[time.Duration]map[string][]string // by time and rule: "{tenant="acme"} firing"
	sent   []sentNotice
}

type sentNotice struct {
	at time.Duration
	n  Notification
}

// defaultStart is a Monday.
var defaultStart = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// read checks what is written and makes the source of it.
func (t *unitTest) read(keys testKeys) {
	t.start = defaultStart
	if keys.Start != "" {
		start, err := time.Parse(time.RFC3339, keys.Start)
		if t.start = start.UTC().Truncate(time.Minute); err != nil {
			t.l.bad("start", "%q is not a time: write it like 2026-11-02T00:00:00Z", keys.Start)
		}
	}
	t.source = &simulated{start: t.start, cached: map[string]data{}}
	for i, in := range keys.Input {
		t.source.inputs = append(t.source.inputs, t.input(fmt.Sprintf("input[%d]", i), in))
	}
	for i, d := range keys.Data {
		t.trouble(fmt.Sprintf("data[%d]", i), d)
	}
	if len(keys.Expect) == 0 {
		t.l.bad("expect", "the test expects nothing: write what states there are, and what is sent")
	}
	for i, e := range keys.Expect {
		t.expectation(fmt.Sprintf("expect[%d]", i), e)
	}
	if t.length > 60*24*time.Hour {
		t.l.bad("", "the test lasts %s: give 60d at most", short(t.length))
	}
}

// expectation checks that an expectation is one: it has a time, and names a rule that exists.
func (t *unitTest) expectation(key string, e expectKeys) {
	for _, at := range []struct{ key, text string }{{"at", e.At}, {"from", e.From}, {"to", e.To}} {
		if at.text != "" {
			t.length = max(t.length, t.l.duration(key+"."+at.key, at.text))
		}
	}
	if (e.At == "") == (e.From == "" || e.To == "") {
		t.l.bad(key, "no time: give at, as in 16m after the start, or from and to")
	}
	if e.States == nil && len(e.Sends) == 0 && !e.SendsNothing {
		t.l.bad(key, "nothing is expected: give states, sends, or sends_nothing: true")
	}
	if e.States != nil && (e.Alert == "" || e.At == "") {
		t.l.bad(key+".states", "whose states, and when: give alert and at")
	}
	if e.SendsNothing && len(e.Sends) > 0 {
		t.l.bad(key+".sends_nothing", "the expectation has sends too: keep one of them")
	}
	t.names(key+".alert", e.Alert)
	for i, s := range e.Sends {
		t.names(fmt.Sprintf("%s.sends[%d].alert", key, i), s.Alert)
	}
}

// names checks that a rule exists.
func (t *unitTest) names(key, name string) {
	all := []string{ruleFailing.Name, dataLate.Name}
	for _, g := range t.groups {
		for i := range g.Rules {
			all = append(all, g.Rules[i].Name)
		}
	}
	if name != "" && !slices.Contains(all, name) {
		t.l.bad(key, "no rule is called %q: did you mean %q?", name, yamlfile.Nearest(name, all))
	}
}

// trouble reads what happens to all data: "gap", "error", "late 7m" or, to a report, "unsent".
func (t *unitTest) trouble(key string, d dataKeys) {
	p := trouble{from: t.start.Add(t.l.duration(key+".from", d.From)), to: t.start.Add(t.l.duration(key+".to", d.To))}
	what, late, _ := strings.Cut(d.Is, " ")
	switch {
	case d.To == "":
		t.l.bad(key+".to", "until when: give it as a duration after the start")
	case what == "late" && late != "":
		p.late = t.l.duration(key+".is", late)
	case d.Is == "gap":
		p.gap = true
	case d.Is == "unsent":
		p.unsent = true
	case d.Is == "error":
		p.fails = true
	default:
		t.l.bad(key+".is", "%q: give gap, error, or how late the data is, as in late 7m, or unsent", d.Is)
	}
	t.source.troubles = append(t.source.troubles, p)
}

// input reads one series. Of a code, the catalogs say what is not given.
func (t *unitTest) input(key string, k inputKeys) input {
	in := input{
		errors: t.values(key+".errors", k.Errors), requests: t.values(key+".requests", k.Requests), blind: t.values(key+".blind", k.Blind),
		dialect: k.Dialect, row: map[string]string{
			"tenant": k.Tenant, "service": k.Service, "route": k.Route, "topic": cmp.Or(k.Topic, "access"),
			"code": k.Code, "family": k.Family, "kind": k.Kind, "status": cmp.Or(k.Status, "200"),
		},
	}
	if k.Code != "" {
		status, _ := strconv.Atoi(k.Status)
		found := t.catalogs.Lookup(k.Code, k.Dialect, k.Service, status, "")
		known := found.Entry != nil
		if found.Family != nil {
			in.row["family"] = cmp.Or(k.Family, found.Family.Name)
		}
		if known {
			in.row["kind"] = cmp.Or(k.Kind, found.Entry.Kind)
		}
		if k.Known != nil {
			known = *k.Known
		}
		in.row["family"] = cmp.Or(in.row["family"], catalog.Unknown)
		in.row["known"] = strconv.FormatBool(known)
	}
	if k.Usual != nil {
		in.usual = *k.Usual
		in.before = 8 * 7 * 24 * time.Hour
		if k.Usual.For != "" {
			in.before = t.l.duration(key+".usual.for", k.Usual.For)
		}
	}
	if len(in.errors)+len(in.requests)+len(in.blind) == 0 && k.Usual == nil {
		t.l.bad(key, "no counts: give errors, requests or blind, such as '0x10 10x5'")
	}
	if len(in.errors) > 0 && k.Code == "" {
		t.l.bad(key+".errors", "errors of what code: give code")
	}
	return in
}

// valueForm matches a number, or _ for no rows, with how often it comes: 5, 5x10, 0+2x10.
var valueForm = regexp.MustCompile(`^(_|\d+)(?:([+-]\d+))?(?:x(\d+))?$`)

const maxTestValues = 100_000

// values reads the counts of a series, as promtool writes them: 0x10 10x5 0+2x10, a minute each.
func (t *unitTest) values(key, text string) (all []uint64) {
	for word := range strings.FieldsSeq(text) {
		m := valueForm.FindStringSubmatch(word)
		if m == nil || m[2] != "" && (m[1] == "_" || m[3] == "") {
			t.l.bad(key, "%q is not a count: write 5, 5x10 for ten minutes of it, 0+2x10 for ten steps of 2, _ for no rows", word)
			return nil
		}
		value, _ := strconv.ParseInt(cmp.Or(strings.Trim(m[1], "_"), "0"), 10, 64)
		step, _ := strconv.ParseInt(cmp.Or(m[2], "0"), 10, 64)
		n, _ := strconv.Atoi(cmp.Or(m[3], "1"))
		if m[2] != "" {
			n++ // as in promtool
		}
		if len(all)+n > maxTestValues {
			t.l.bad(key, "more than %d minutes: use usual for what was before the start", maxTestValues)
			return nil
		}
		for range n {
			all, value = append(all, uint64(max(0, value))), value+step
		}
	}
	return all
}

// run evaluates the rules every minute.
func (t *unitTest) run(ctx context.Context) error {
	e := newEvaluator(Config{Groups: t.groups, Since: cli.Ago("1h")}, t.source, t.catalogs, slog.New(slog.DiscardHandler))
	t.states = map[time.Duration]map[string][]string{}
	var watermark time.Time
	for at := time.Duration(0); at <= t.length; at += time.Minute {
		now := t.start.Add(at)
		t.source.now = now
		if mark := t.source.watermark(now); mark.After(watermark) {
			watermark = mark
		}
		for more := true; more; {
			var outcomes []*outcome
			var err error
			if outcomes, more, err = e.round(ctx, watermark, now); err != nil {
				return err
			}
			e.accept(outcomes)
			for _, o := range outcomes {
				for _, n := range slices.Concat(o.notices, o.held) {
					if n.ID != "" {
						t.sent = append(t.sent, sentNotice{at, n})
					}
				}
			}
		}
		t.states[at] = e.described()
	}
	return nil
}

// described returns the alerts of each rule: `{tenant="acme"} firing`.
func (e *evaluator) described() map[string][]string {
	all := map[string][]string{}
	named := slices.Clone(builtIn)
	for rule := range e.rules() {
		named = append(named, rule)
	}
	for _, rule := range named {
		s := e.standing[rule.Name]
		if s.state() == Error {
			all[rule.Name] = append(all[rule.Name], "{} "+Error)
		}
		for _, a := range s.alerts {
			labels := map[string]string{}
			for i, column := range rule.By {
				labels[column] = a.Keys[i]
			}
			all[rule.Name] = append(all[rule.Name], described(labels, a.State.Phase, rule.levelName(a.State.Level)))
		}
		slices.Sort(all[rule.Name])
	}
	return all
}

func described(labels map[string]string, state, level string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+strconv.Quote(labels[name]))
	}
	if level != "" && state != Learning {
		state += " " + level
	}
	return "{" + strings.Join(parts, ", ") + "} " + state
}

// check compares what came with what is expected.
func (t *unitTest) check(all []expectKeys) {
	for i, e := range all {
		key := fmt.Sprintf("expect[%d]", i)
		if e.States != nil {
			var want []string
			for _, s := range *e.States {
				want = append(want, described(s.Labels, s.State, s.Level))
			}
			slices.Sort(want)
			t.compare(key+".states", fmt.Sprintf("at %s, the states of %s", e.At, e.Alert), want, t.states[t.l.duration(key+".at", e.At)][e.Alert])
		}
		if e.States == nil || len(e.Sends) > 0 || e.SendsNothing {
			t.checkSends(key, e)
		}
	}
}

func (t *unitTest) checkSends(key string, e expectKeys) {
	from, to, when := t.l.duration(key+".at", e.At), t.l.duration(key+".at", e.At), "at "+e.At
	if e.At == "" {
		from, to, when = t.l.duration(key+".from", e.From), t.l.duration(key+".to", e.To), "from "+e.From+" to "+e.To
	}
	var want, got []string
	var came []Notification
	for _, s := range t.sent {
		if s.at >= from && s.at <= to && (e.Alert == "" || s.n.Alert == e.Alert) {
			came = append(came, s.n)
		}
	}
	for i, s := range e.Sends {
		s.Alert = cmp.Or(s.Alert, e.Alert)
		want = append(want, s.text())
		if i < len(came) {
			got = append(got, s.of(came[i]).text())
		}
	}
	for _, n := range came[min(len(came), len(e.Sends)):] {
		got = append(got, sendKeys{Alert: n.Alert, Status: n.Status, Summary: n.Summary}.text())
	}
	t.compare(key, when+", what is sent", want, got)
}

// of returns those facts of a notification that s has.
func (s sendKeys) of(n Notification) sendKeys {
	took := sendKeys{Alert: n.Alert, Status: n.Status}
	if s.Alert == "" {
		took.Alert = ""
	}
	if s.Status == "" {
		took.Status = ""
	}
	if s.Level != "" {
		took.Level = n.Level
	}
	if s.Summary != "" {
		took.Summary = n.Summary
	}
	if s.Reason != "" {
		took.Reason = n.Reason
	}
	if s.Late != nil {
		took.Late = &n.Late
	}
	only := func(names, all map[string]string) map[string]string {
		some := map[string]string{}
		for name := range names {
			some[name] = all[name]
		}
		return some
	}
	took.Labels, took.Annotations = only(s.Labels, n.Labels), only(s.Annotations, n.Annotations)
	return took
}

// text writes the facts, one line for each notification.
func (s sendKeys) text() string {
	parts := []string{strings.TrimSpace(s.Alert + " " + s.Status)}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+": "+value)
		}
	}
	add("level", s.Level)
	if s.Late != nil {
		add("late", strconv.FormatBool(*s.Late))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		add(name, s.Labels[name])
	}
	add("summary", s.Summary)
	add("reason", s.Reason)
	for _, name := range slices.Sorted(maps.Keys(s.Annotations)) {
		add(name, s.Annotations[name])
	}
	return strings.Join(parts, "; ")
}

// compare adds a failure with a diff: - is expected and did not come, + came and is not expected.
func (t *unitTest) compare(key, what string, want, got []string) {
	if slices.Equal(want, got) {
		return
	}
	var diff strings.Builder
	for _, line := range want {
		if !slices.Contains(got, line) {
			diff.WriteString("\n  - " + line)
		}
	}
	for _, line := range got {
		mark := "+"
		if slices.Contains(want, line) {
			mark = " "
		}
		diff.WriteString("\n  " + mark + " " + line)
	}
	if len(got) == 0 {
		diff.WriteString("\n  + nothing")
	}
	if len(want) == 0 {
		diff.WriteString("\n  - nothing")
	}
	t.l.bad(key, "%s%s", what, diff.String())
}
