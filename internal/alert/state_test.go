package alert

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/notify"
)

// The table in docs/alerts.md is the one that the code runs.
func TestTableOfStates(t *testing.T) {
	text, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	found := []Finding{Holds, Clear, NoRequests, TooNew, LateData, Failed}
	written := map[string]map[Finding]string{}
	_, table, _ := strings.Cut(string(text), "<!-- the table of states -->\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != len(found)+1 {
			t.Fatalf("%d cells in %s", len(cells), line)
		}
		row := map[Finding]string{}
		for i, f := range found {
			row[f], _, _ = strings.Cut(cells[i+1], ",") // "pending, after `for` firing"
		}
		written[cells[0]] = row
	}
	if len(becomes) != 8 || !slices.Equal(slices.Sorted(maps.Keys(written)), slices.Sorted(maps.Keys(becomes))) {
		t.Fatalf("the states are %v, the table has %v", slices.Sorted(maps.Keys(becomes)), slices.Sorted(maps.Keys(written)))
	}
	for state, row := range becomes {
		for f, to := range row {
			if written[state][f] != to {
				t.Errorf("%s by %q: the code says %s, docs/alerts.md %q", state, f, to, written[state][f])
			}
		}
	}
}

// Whatever is found, only data resolves an alert: the condition does not hold, or a day has no
// requests.
func TestOnlyDataResolves(t *testing.T) {
	r := Rule{Condition: Count{time.Minute, above(0)}, KeepFiringFor: time.Minute}
	for _, phase := range []string{Firing, Recovering, NoData} {
		for _, f := range []Finding{Holds, NoRequests, TooNew, LateData, Failed} {
			s, c := r.step(midnight.Add(10*time.Minute), Verdict{Finding: f}, State{Phase: phase, Since: midnight, LowSince: midnight.Add(10 * time.Minute)})
			if !s.active() {
				t.Errorf("%s by %q: %+v %+v", phase, f, s, c)
			}
		}
	}
}

func TestLevels(t *testing.T) {
	base := Rule{Condition: Count{time.Minute, []level{{warning, 10}, {critical, 100}}}}
	f := func(change func(*Rule), want string, counts ...uint64) {
		t.Helper()
		r := base
		change(&r)
		if got, reasons := walk(&r, errorsOf(counts...)...); got != want {
			t.Errorf("got %q %q, want %q", got, reasons, want)
		}
	}
	same := func(*Rule) {}
	f(same, "1 inactive>firing, 3 firing>firing, 5 firing>firing, 6 firing>resolved", 0, 11, 12, 101, 102, 50, 10)
	f(same, "0 inactive>firing, 1 firing>resolved", 101, 0)
	f(func(r *Rule) { r.For = 2 * time.Minute }, "0 inactive>pending, 2 pending>firing, 4 firing>firing", 11, 11, 101, 101, 101)
	f(func(r *Rule) { r.For = 2 * time.Minute }, "0 inactive>pending, 2 pending>firing, 5 firing>firing", 11, 101, 11, 101, 101, 101, 101)
	f(func(r *Rule) { r.KeepFiringFor = 2 * time.Minute }, "0 inactive>firing, 5 firing>recovering, 7 recovering>resolved", 101, 11, 101, 11, 11, 0, 0, 0)
	f(func(r *Rule) { r.KeepFiringFor = 5 * time.Minute }, "0 inactive>firing, 1 firing>recovering, 2 recovering>firing", 11, 0, 101)
	high := base
	high.KeepFiringFor = 5 * time.Minute
	s, first := high.step(midnight, Verdict{Finding: Holds}, State{})
	s, low := high.step(midnight.Add(time.Minute), Verdict{Finding: Clear}, s)
	s, again := high.step(midnight.Add(2*time.Minute), Verdict{Finding: Holds, Level: 1}, s)
	if !first.begins() || low.begins() || !again.begins() || again.starts() || s.Level != 1 {
		t.Errorf("%+v %+v %+v %+v", first, low, again, s)
	}
	r := base
	_, reasons := walk(&r, errorsOf(11, 101)...)
	if strings.Join(reasons, "; ") != "warning: 11 errors in 1m, above 10; critical: 101 errors in 1m, above 100" {
		t.Error(reasons)
	}
	if got := r.labels(nil, 1)["severity"]; got != critical {
		t.Error(got)
	}
}

func TestActiveHours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	f := func(a activeHours, at string, want bool) {
		t.Helper()
		when, err := time.ParseInLocation("Mon 2006-01-02 15:04", at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if a.zone = berlin; a.contains(when.UTC()) != want {
			t.Errorf("%+v at %s: want %v", a, at, want)
		}
	}
	office := activeHours{from: 8 * time.Hour, to: 18 * time.Hour, days: map[time.Weekday]bool{time.Monday: true}}
	f(office, "Mon 2026-11-02 08:00", true)
	f(office, "Mon 2026-11-02 07:59", false)
	f(office, "Mon 2026-11-02 18:00", false)
	f(office, "Tue 2026-11-03 12:00", false)
	night := activeHours{from: 22 * time.Hour, to: 6 * time.Hour, days: map[time.Weekday]bool{time.Monday: true}}
	f(night, "Mon 2026-11-02 23:00", true)
	f(night, "Tue 2026-11-03 05:59", true) // it is still Monday's night
	f(night, "Mon 2026-11-02 05:00", false)
	f(night, "Tue 2026-11-03 23:00", false)
	f(activeHours{}, "Tue 2026-11-03 23:00", true)
	summer := activeHours{from: 8 * time.Hour, to: 18 * time.Hour}
	f(summer, "Sun 2026-03-29 08:00", true) // the day the clocks change
	f(summer, "Sun 2026-10-25 17:59", true)

	r := Rule{Condition: Count{time.Minute, above(0)}, Active: activeHours{zone: time.UTC, from: 2 * time.Minute, to: time.Hour}}
	if got, _ := walk(&r, errorsOf(1, 1, 1, 0)...); got != "2 inactive>firing, 3 firing>resolved" {
		t.Error(got)
	}
	r.Active = activeHours{zone: time.UTC, from: 0, to: time.Minute} // an alert that fires goes on by its data
	if got, _ := walk(&r, errorsOf(1, 1, 1, 0)...); got != "0 inactive>firing, 3 firing>resolved" {
		t.Error(got)
	}
}

// broken is a source that fails for some rules.
type broken struct {
	source
	rules map[string]error
}

func (b broken) prepare(ctx context.Context, spans []span, ready func(span, data)) {
	b.source.prepare(ctx, slices.DeleteFunc(slices.Clone(spans), func(sp span) bool { return b.rules[sp.rule.Name] != nil }), ready)
}

func (b broken) fetch(ctx context.Context, sp span) (data, error) {
	if err := b.rules[sp.rule.Name]; err != nil {
		return data{}, err
	}
	return b.source.fetch(ctx, sp)
}

const twoRules = `
groups:
  - name: g
    rules:
      - {alert: Broken, by: [tenant], count: {over: 5m, above: 20}, for: 2m}
      - {alert: Works, by: [tenant], count: {over: 5m, above: 20}, for: 2m}
`

// The query of a rule fails while its alert fires: nothing is resolved, the other rule goes on, and
// after the rule's own `for` someone is told.
func TestFailedQueryStopsNoOtherRule(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(0)
	r := w.runner(twoRules, func(c *notify.Config) { c.Webhook.URL = h.URL })
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := broken{r.evaluator.source, map[string]error{}}
	r.evaluator.source = b
	at := func(minute int) {
		t.Helper()
		w.mark(minute)
		if _, err := r.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Notifier.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	at(0)
	at(16)
	w.want("13 Broken inactive>pending, 13 Works inactive>pending, 15 Broken pending>firing, 15 Works pending>firing")
	w.printed = nil
	b.rules["Broken"] = errors.New("code: 241, memory limit exceeded")
	at(20)
	at(21)
	w.want("18 Works firing>resolved, 20 Broken inactive>error, 20 RuleFailing inactive>pending")
	list, err := List(t.Context(), w.store)
	if err != nil || len(list) != 3 || list[0].State != Error || !strings.Contains(list[0].Reason, "memory limit") || list[1].State != Firing || list[1].Alert != "Broken" || list[2].State != Pending {
		t.Errorf("%+v %v", list, err)
	}
	at(22)
	if last := w.printed[len(w.printed)-1]; last != "22 RuleFailing pending>firing" {
		t.Error(w.printed)
	}
	n := h.got[len(h.got)-1]
	if n.Alert != "RuleFailing" || n.Labels["rule"] != "Broken" || !strings.Contains(n.Reason, "memory limit exceeded") {
		t.Errorf("%+v", n)
	}
	delete(b.rules, "Broken") // what was missed is evaluated
	at(23)
	for _, want := range []string{"18 Broken firing>resolved", "23 Broken error>inactive", "23 RuleFailing firing>resolved"} {
		if !slices.Contains(w.printed, want) {
			t.Errorf("no %q in %q", want, w.printed)
		}
	}
	if list, err = List(t.Context(), w.store); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

// A rule that was never evaluated learns from the past: what is over is recorded, and not told.
func TestFirstStartTellsOnlyWhatIsFiring(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.insert(request{30, 40, "globex", quota}, request{32, 40, "globex", quota})
	w.mark(35)
	w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	w.want(burstIs + ", 31 CaseQuotaExhausted inactive>pending, 33 CaseQuotaExhausted pending>firing")
	if got := h.statuses(); got != "firing 33" || h.got[0].Labels["tenant"] != "globex" {
		t.Error(got)
	}
	w.mark(40)
	w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	if got := h.statuses(); got != "firing 33, resolved 38" {
		t.Error(got)
	}
}

func TestRuleTakenOutWhileItFires(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.burst()
	w.mark(16)
	w.once(w.runner(caseQuota, withHook))
	other := strings.ReplaceAll(caseQuota, "CaseQuotaExhausted", "Other")
	r := w.runner(strings.ReplaceAll(other, "above: 20", "above: 999"), withHook)
	r.File = "/etc/of-another-team.yaml"
	w.once(r)
	if got := h.statuses(); got != "firing 15" {
		t.Error("another file's alert was touched: ", got)
	}
	w.printed = nil
	w.once(w.runner(strings.ReplaceAll(other, "above: 20", "above: 999"), withHook))
	w.want("16 CaseQuotaExhausted firing>resolved")
	if got := h.statuses(); got != "firing 15, resolved 16" || h.got[1].Reason != "the rule is no longer in /etc/alerts.yaml" {
		t.Error(got, h.got[1].Reason)
	}
}

func TestRuleChangedWhileItFires(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.burst()
	w.mark(16)
	w.once(w.runner(caseQuota, withHook))
	words := strings.ReplaceAll(caseQuota, "{{.Value}} of", "now {{.Value}} of")
	w.once(w.runner(words, withHook)) // other words change nothing
	if got := h.statuses(); got != "firing 15" {
		t.Error(got)
	}
	w.once(w.runner(strings.ReplaceAll(words, "above: 20", "above: 200"), withHook))
	if got := h.statuses(); got != "firing 15, resolved 16" || h.got[1].Reason != "the rule was changed" {
		t.Error(got, h.got[1].Reason)
	}
	w.mark(25)
	w.once(w.runner(strings.ReplaceAll(words, "above: 20", "above: 200"), withHook))
	if got := h.statuses(); got != "firing 15, resolved 16" {
		t.Error(got)
	}
}

// A watermark that stands is a transition, and while it does nothing is resolved.
func TestStandingWatermarkIsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.burst()
	w.mark(16)
	r := w.runner(caseQuota, nil)
	w.once(r)
	w.printed = nil
	w.now = w.now.Add(10 * time.Minute)
	w.once(r)
	w.want("")
	w.now = w.now.Add(time.Minute)
	w.once(r)
	w.once(w.runner(caseQuota, nil))
	w.want("27 DataLate inactive>late")
	if !strings.Contains(w.reasons[len(w.reasons)-1], "complete up to 2026-11-02 00:16, 11m behind the clock") {
		t.Error(w.reasons)
	}
	list, err := List(t.Context(), w.store)
	if err != nil || len(list) != 2 || list[0].State != Late || list[1].State != Firing {
		t.Errorf("%+v %v", list, err)
	}
	var out bytes.Buffer
	if err := listTable(list, &out); err != nil || !strings.Contains(out.String(), "late") || !strings.Contains(out.String(), "severity=page tenant=acme") {
		t.Error(out.String(), err)
	}
	w.mark(27)
	w.once(r)
	w.want("27 DataLate inactive>late, 20 CaseQuotaExhausted firing>resolved, 27 DataLate late>inactive")
}

// What began and ended while the evaluator was away is told once, as past.
func TestBreachIsToldOnceAfterCatchUp(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.burst()
	w.mark(0)
	w.once(w.runner(caseQuota, withHook))
	w.mark(9 * 24 * 60)
	w.once(w.runner(caseQuota, withHook))
	w.want(burstIs)
	if got := h.statuses(); got != "late resolved 20" {
		t.Fatal(got)
	}
	n := h.got[0]
	if !strings.Contains(n.Reason, "was firing 00:15 to 00:20 UTC; told late") || !strings.HasPrefix(n.Summary, "[past] was firing 00:15 to 00:20 UTC: acme: 50 of OSM.01010037") || n.Code != "OSM.01010037" {
		t.Errorf("%+v", n)
	}
	w.once(w.runner(caseQuota, withHook))
	if got := h.statuses(); got != "late resolved 20" {
		t.Error(got)
	}
}

// The data is an hour behind. An alert in it waits for its end, which comes; another goes on and is
// told after a while. A new process each time loses neither.
func TestLateDataPagesForNoPastThatIsOver(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.burst()
	for minute := 30; minute < 60; minute++ {
		w.insert(request{minute, 10, "globex", quota})
	}
	w.mark(0)
	w.once(w.runner(caseQuota, withHook))
	w.now = midnight.Add(90 * time.Minute)
	for _, minute := range []int{16, 18} {
		w.mark(minute)
		w.once(w.runner(caseQuota, withHook))
		if got := h.statuses(); got != "" {
			t.Fatal(got)
		}
	}
	list, err := List(t.Context(), w.store)
	if err != nil || !slices.ContainsFunc(list, func(l Listed) bool { return l.State == Firing && l.Held }) {
		t.Errorf("%+v %v", list, err)
	}
	w.mark(25)
	w.once(w.runner(caseQuota, withHook))
	if got := h.statuses(); got != "late resolved 20" {
		t.Fatal(got)
	}
	w.mark(40)
	w.once(w.runner(caseQuota, withHook))
	w.now = w.now.Add(9 * time.Minute)
	w.once(w.runner(caseQuota, withHook))
	if got := h.statuses(); got != "late resolved 20" {
		t.Fatal(got)
	}
	w.now = w.now.Add(time.Minute)
	for range 2 {
		w.once(w.runner(caseQuota, withHook))
	}
	if got := h.statuses(); got != "late resolved 20, late firing 35" {
		t.Fatal(got)
	}
	if n := h.got[1]; !strings.Contains(n.Reason, "told late: it has been firing since 2026-11-02 00:35 UTC") {
		t.Errorf("%+v", n)
	}
}

func TestClockSteppedBack(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.burst()
	w.mark(0)
	w.once(w.runner(caseQuota, withHook))
	w.mark(16)
	w.now = midnight.Add(-24 * time.Hour)
	w.once(w.runner(caseQuota, withHook))
	w.mark(25)
	w.now = midnight.Add(-24 * time.Hour)
	w.once(w.runner(caseQuota, withHook))
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Error(got)
	}
}

// A select narrows by what the rule cannot group by, leaves out, and sees what was stored.
func TestSelects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(request{1, 3, "acme", quota}, request{1, 4, "test", quota}, request{1, 5, "globex", unknown}, request{1, 10, "globex", fine})
	yes, no := true, false
	f := func(sel Select, want uint64) {
		t.Helper()
		minutes, err := countErrors(t, w.store, sel, midnight, 5)
		got := uint64(0)
		for _, m := range minutes {
			got += m.errors
		}
		if err != nil || got != want {
			t.Errorf("%+v: %d %v, want %d", sel, got, err, want)
		}
	}
	f(Select{}, 12)
	f(Select{Exclude: &Select{Tenants: []string{"te*"}}}, 8)
	f(Select{Exclude: &Select{Tenants: []string{"test"}, Codes: []string{"OSM.9*"}}}, 3)
	f(Select{Routes: []string{"cases"}}, 12)
	f(Select{Routes: []string{"no*"}}, 0)
	f(Select{Topics: []string{"logs"}, Tenants: []string{"acme"}}, 3)
	f(Select{Topics: []string{"other"}}, 0)
	f(Select{Statuses: []string{"200"}}, 12)
	f(Select{Statuses: []string{"2xx"}, Exclude: &Select{Tenants: []string{"acme"}}}, 9)
	f(Select{Statuses: []string{"5xx", "404"}}, 0)
	f(Select{Known: &yes}, 7)
	f(Select{Known: &no}, 5)
	f(Select{Known: &no, Equal: map[string]string{"tenant": "globex", "topic": "logs"}}, 5)
}
