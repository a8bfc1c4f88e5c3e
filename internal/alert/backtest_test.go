package alert

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"errata/internal/cli"
)

// backtest runs one over the minutes after midnight.
func (w *world) backtest(rules string, from, to int, o BacktestOptions) Backtest {
	w.t.Helper()
	b, err := w.runner(rules, nil).Backtest(w.t.Context(), midnight.Add(time.Duration(from)*time.Minute), midnight.Add(time.Duration(to)*time.Minute), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// minutes writes an episode as "acme 15-20".
func (e Episode) minutes() string {
	at := func(t cli.Timestamp) string {
		if t.IsZero() {
			return ""
		}
		return fmt.Sprintf("%.0f", t.Sub(midnight).Minutes())
	}
	return fmt.Sprintf("%s %s-%s", e.Labels["tenant"], at(e.From), at(e.To))
}

func episodesOf(t Tried) string {
	var all []string
	for _, e := range t.Episodes {
		all = append(all, e.minutes())
	}
	return strings.Join(all, ", ")
}

// A backtest shows what running would have done, whatever the chunks in which it reads, and leaves
// no trace.
func TestBacktestDoesWhatRunDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.burst()
	day := 24 * 60
	for minute := 3*day - 2; minute < 3*day+4; minute++ { // over the end of a chunk, and not over by then
		w.insert(request{minute, 10, "globex", quota})
	}
	w.mark(3*day + 3)
	b := w.backtest(caseQuota, 0, 5*day, BacktestOptions{})
	if got := episodesOf(b.Rules[0]); len(b.Rules) != 1 || got != fmt.Sprintf("acme 15-20, globex %d-", 3*day+3) {
		t.Errorf("%+v", b)
	}
	if got := b.Rules[0]; got.Rule != "CaseQuotaExhausted" || got.Pages != 2 || got.Firing != 300 || got.Episodes[0].Reason != "50 errors in 5m, above 20, for 2m" || got.Suggestion != nil {
		t.Errorf("%+v", got)
	}
	if !b.To.Equal(midnight.Add(time.Duration(3*day+3) * time.Minute)) {
		t.Errorf("goes on after the watermark: %s", b.To)
	}
	if all, err := states(t.Context(), w.store); err != nil || len(all) != 0 {
		t.Error("the backtest left states:", all, err)
	}
}

// The same spike in a backtest of three weeks, where it is known from the same run when the alert
// was firing.
func TestBacktestOfASpike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sixWeeks("acme")
	w.insert(request{58, 20, "acme", fine}, request{61, 40, "acme", quota}, request{62, 20, "acme", fine}, request{75, 3, "acme", fine})
	w.mark(90)
	b := w.backtest(quotaSpike, -21*24*60, 90, BacktestOptions{Suggest: 1})
	if got := episodesOf(b.Rules[0]); got != "acme 62-67" {
		t.Errorf("%s", got)
	}
	// A third of a page a week is less than was wished, so the most sensitive one that was tried is
	// suggested: 64 pages a week instead of 1.
	if s := b.Rules[0].Suggestion; s == nil || s.Key != "spike.pages_per_week" || s.Now != 1 || s.Suggested != 64 || !s.Found {
		t.Errorf("%+v", s)
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Bursts of 30, 60 and 90 errors, an hour apart.
	w.insert(request{60, 30, "acme", quota}, request{120, 60, "acme", quota}, request{180, 90, "acme", quota}, request{181, 10, "acme", fine})
	w.mark(7 * 24 * 60)
	const rules = `
groups:
  - name: g
    rules:
      - {alert: Count, by: [tenant], count: {over: 5m, above: 20}}
      - {alert: Rate, by: [tenant], rate: {over: 5m, above: 0.5, min_requests: 10}}
`
	f := func(pages float64, count float64, found bool) {
		t.Helper()
		b := w.backtest(rules, 0, 7*24*60, BacktestOptions{Suggest: pages})
		s := b.Rules[0].Suggestion
		if b.Rules[0].Pages != 3 || s.Key != "count.above" || s.Now != 20 || s.Found != found || s.Found && s.Suggested != count || s.Found && s.PagesPerWeek > pages {
			t.Errorf("%v pages a week: %+v", pages, s)
		}
		// Each burst is a share of 1. Between them are no requests, so that the alert of the first
		// one stays without data.
		if s := b.Rules[1].Suggestion; s.Key != "rate.above" || s.Found != (pages >= 1) {
			t.Errorf("%v pages a week: %+v", pages, s)
		}
	}
	f(3, 1, true)     // from a sixteenth of 20, rounded: 1.3 is 1
	f(2, 40, true)    // the first above 30 in 20, 28, 40, 57, 80
	f(1, 80, true)    // the first above 60
	f(0.5, 110, true) // the first above 90
	// This week is a minute short, and its one page is one a week all the same.
	b := w.backtest(rules, 1, 7*24*60, BacktestOptions{Suggest: 1})
	if s := b.Rules[0].Suggestion; s.Suggested != 80 || !(s.PagesPerWeek > 1) {
		t.Errorf("a week less a minute: %+v", s)
	}
	// A share that is tried is a number with two digits.
	if s := (Rate{Levels: above(0.05)}).tuned(0.0031).(Rate); s.Levels[0].above != 0.0031 {
		t.Errorf("tuned to %v", s.Levels)
	}
}

func TestScore(t *testing.T) {
	at := func(minute int) cli.Timestamp {
		return cli.Timestamp{Time: midnight.Add(time.Duration(minute) * time.Minute)}
	}
	episode := func(rule, tenant string, from, to int) Episode {
		return Episode{Rule: rule, Labels: map[string]string{"alertname": rule, "tenant": tenant}, From: at(from), To: at(to)}
	}
	week := 7 * 24 * 60
	b := Backtest{From: at(0), To: at(week), Rules: []Tried{
		{Rule: "A", Episodes: []Episode{episode("A", "acme", 105, 120), episode("A", "acme", 500, 510), episode("A", "globex", 105, 120)}},
		{Rule: "B", Episodes: []Episode{episode("B", "acme", 102, 103), episode("B", "globex", 2000, 2010)}},
	}}
	incidents := []Incident{
		{Name: "quota", From: at(100).Time, To: at(110).Time, Labels: map[string]string{"tenant": "acme", "region": "eu"}}, // told by A after 5, by B after 2
		{Name: "late", From: at(480).Time, To: at(490).Time, Rule: "A"},                                                    // told by A within half an hour of its end
		{Name: "missed", From: at(1980).Time, To: at(2005).Time, Rule: "A"},                                                // only B
		{Name: "before", From: at(-20).Time, To: at(-10).Time},
	}
	s := b.score(incidents)
	if s.Incidents != 3 || s.Found != 2 || fmt.Sprint(s.Missed) != "[missed]" || s.Recall != 2.0/3 || s.Precision != 3.0/5 || s.False != 2 || s.Delay != 20*60 {
		t.Errorf("%+v", s)
	}
	if got := b.Rules[0].Episodes[1].Incident; got != "late" {
		t.Errorf("%q", got)
	}
}

func TestLoadIncidents(t *testing.T) {
	groups := []Group{{Name: "g", Rules: []Rule{{Name: "A"}}}}
	f := func(text, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "incidents.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := LoadIncidents(file, groups)
		switch {
		case want == "" && (err != nil || len(all) != 1):
			t.Errorf("%v %v", all, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v, want %s", err, want)
		}
	}
	const good = "incidents:\n  - {name: quota, from: 2026-11-02T00:10:00Z, to: 2026-11-02T00:20:00Z, rule: A, labels: {tenant: acme}}\n"
	f(good, "")
	f("", "has no incidents: list some under incidents, each with name, from and to")
	f(strings.Replace(good, "name: quota, ", "", 1), "incident : name: the incident has none: give it one")
	f(strings.Replace(good, "00:10:00Z", "ten", 1), `from: "2026-11-02Tten" is not a time: write it like 2026-11-02T15:04:05Z`)
	f(strings.Replace(good, "00:20:00Z", "00:10:00Z", 1), "to: the incident ends before it begins: give a later time")
	f(strings.Replace(good, "rule: A", "rule: Z", 1), `rule: there is no rule "Z": give the name of one, or remove the key`)
	f(strings.Replace(good, "labels", "label", 1), "label")
}

func TestBacktestOutputs(t *testing.T) {
	at := func(minute int) cli.Timestamp {
		return cli.Timestamp{Time: midnight.Add(time.Duration(minute) * time.Minute)}
	}
	b := Backtest{From: at(0), To: at(24 * 60), Rules: []Tried{{
		Rule: "Quota", Pages: 2, PagesPerWeek: 14, Firing: 1200, Suggestion: &Suggestion{"count.above", 20, 40, 0.9, true},
		Episodes: []Episode{
			{Rule: "Quota", Labels: map[string]string{"alertname": "Quota", "tenant": "a<b&c\x01"}, From: at(15), To: at(20), Reason: "50 errors in 5m, above 20", Incident: "one"},
			{Rule: "Quota", Labels: map[string]string{"alertname": "Quota", "tenant": "globex"}, From: at(1425), Reason: "21 errors in 5m, above 20"},
		},
	}}, Score: &Score{Incidents: 2, Found: 1, Missed: []string{"two"}, Recall: 0.5, Precision: 0.5, False: 7, Delay: 120}}
	f := func(output string, wants ...string) string {
		t.Helper()
		var out bytes.Buffer
		o, err := BacktestOutputs.Named(output)
		if err == nil {
			err = o.Write(b, &out)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", output, want, out.String())
			}
		}
		return out.String()
	}
	f("table", "Quota      2    14.0     20m  count.above: 40 instead of 20 (0.9 pages a week)", "2026-11-02T00:15:00.000Z    5m  Quota", `Quota{tenant="globex"}`, "15m+",
		"Incidents: 2, found 1. Recall 50.0%, precision 50.0%, false pages a week 7.0, median delay 2m.", "Missed: two")
	f("json", `"pages_per_week": 14`, `"incident": "one"`, `"to": null`)
	svg := f("svg", `fill="#393"`, `fill="#c33"`, "a&lt;b&amp;c")
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
	}
}
