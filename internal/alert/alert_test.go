package alert

import (
	"fmt"
	"strings"
	"testing"
	"text/template"
	"time"
)

var midnight = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// seen is what a group counted in the window of one evaluation.
type seen struct{ errors, requests uint64 }

// walk evaluates a rule once a minute on the given counts. It returns the transitions as "minute
// from>to", and their reasons.
func walk(r *Rule, all ...seen) (changes string, reasons []string) {
	var s State
	var steps []string
	for i, n := range all {
		at := midnight.Add(time.Duration(i) * time.Minute)
		d := newData()
		addAt(d.errors, nil, at.Add(-time.Minute), n.errors)
		addAt(d.requests, nil, at.Add(-time.Minute), n.requests)
		v := r.Condition.judge(counts{errors: d.errors[""], requests: d.requests[""]}, at, r.thresholdsOf(nil), s)
		var c *Change
		if s, c = r.step(at, v, s); c != nil {
			steps = append(steps, fmt.Sprintf("%d %s>%s", i, c.From, c.To))
			reasons = append(reasons, c.Reason)
		}
	}
	return strings.Join(steps, ", "), reasons
}

func errorsOf(counts ...uint64) (all []seen) {
	for _, n := range counts {
		all = append(all, seen{errors: n})
	}
	return all
}

func above(threshold float64) []level { return []level{{above: threshold}} }

func TestCount(t *testing.T) {
	base := Rule{Name: "R", Condition: Count{Over: 5 * time.Minute, Levels: above(20)}}
	f := func(what string, change func(*Rule), counts []uint64, want string) {
		t.Helper()
		r := base
		change(&r)
		if got, _ := walk(&r, errorsOf(counts...)...); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	f("at once", func(r *Rule) {}, []uint64{0, 21, 21, 20}, "1 inactive>firing, 3 firing>resolved")
	f("exactly at the threshold", func(r *Rule) {}, []uint64{20, 20, 20}, "")
	f("for", func(r *Rule) { r.For = 2 * time.Minute }, []uint64{0, 21, 21, 21, 21, 0}, "1 inactive>pending, 3 pending>firing, 5 firing>resolved")
	f("for not over", func(r *Rule) { r.For = 2 * time.Minute }, []uint64{21, 21, 20, 21, 21, 21}, "0 inactive>pending, 2 pending>inactive, 3 inactive>pending, 5 pending>firing")
	f("for of half a minute ends at the next evaluation", func(r *Rule) { r.For = 30 * time.Second }, []uint64{21, 21}, "0 inactive>pending, 1 pending>firing")
	f("resolve threshold", func(r *Rule) { r.ResolveBelow = 5 }, []uint64{21, 20, 6, 5, 4, 5, 20, 21}, "0 inactive>firing, 4 firing>resolved, 7 inactive>firing")
	f("the resolve threshold is nothing to a pending alert", func(r *Rule) { r.ResolveBelow, r.For = 5, time.Minute }, []uint64{21, 10}, "0 inactive>pending, 1 pending>inactive")
	f("keep firing", func(r *Rule) { r.KeepFiringFor = 2 * time.Minute }, []uint64{21, 0, 0, 0, 0}, "0 inactive>firing, 1 firing>recovering, 3 recovering>resolved")
	f("keep firing begins again", func(r *Rule) { r.KeepFiringFor = 2 * time.Minute }, []uint64{21, 0, 0, 21, 0, 0, 21, 0, 0, 0},
		"0 inactive>firing, 1 firing>recovering, 3 recovering>firing, 4 firing>recovering, 6 recovering>firing, 7 firing>recovering, 9 recovering>resolved")
	f("keep firing until below the resolve threshold", func(r *Rule) { r.KeepFiringFor, r.ResolveBelow = time.Minute, 5 }, []uint64{21, 4, 5, 4, 4},
		"0 inactive>firing, 1 firing>recovering, 2 recovering>firing, 3 firing>recovering, 4 recovering>resolved")
	f("flapping without any of these", func(r *Rule) {}, []uint64{21, 0, 21, 0}, "0 inactive>firing, 1 firing>resolved, 2 inactive>firing, 3 firing>resolved")
	f("flapping, damped", func(r *Rule) { r.For, r.KeepFiringFor = time.Minute, time.Minute }, []uint64{21, 0, 21, 0, 21, 21, 0, 21, 0, 21},
		"0 inactive>pending, 1 pending>inactive, 2 inactive>pending, 3 pending>inactive, 4 inactive>pending, 5 pending>firing, 6 firing>recovering, 7 recovering>firing, 8 firing>recovering, 9 recovering>firing")
	f("above nothing", func(r *Rule) { r.Condition = Count{time.Minute, above(0)} }, []uint64{0, 1, 0}, "1 inactive>firing, 2 firing>resolved")
}

func TestReasons(t *testing.T) {
	f := func(r Rule, all []seen, want ...string) {
		t.Helper()
		_, got := walk(&r, all...)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	count := Count{Over: 5 * time.Minute, Levels: above(20)}
	f(Rule{Condition: count, For: 2 * time.Minute, ResolveBelow: 5}, errorsOf(41, 41, 41, 3),
		"41 errors in 5m, above 20; fires after 2m", "41 errors in 5m, above 20, for 2m", "3 errors in 5m, below 5")
	f(Rule{Condition: count, For: 2 * time.Minute}, errorsOf(41, 20), "41 errors in 5m, above 20; fires after 2m", "20 errors in 5m, not above 20, after 1m of 2m")
	f(Rule{Condition: Count{90 * time.Minute, above(0)}, KeepFiringFor: time.Minute}, errorsOf(1, 0, 0), "1 error in 1h30m, above 0",
		"0 errors in 1h30m, not above 0; resolved after 1m of this", "0 errors in 1h30m, not above 0, for 1m")
	rate := Rate{Over: 15 * time.Minute, Levels: above(0.2), MinErrors: 50, MinRequests: 200}
	f(Rule{Condition: rate}, []seen{{288, 1200}, {240, 1200}}, "24.0% of 1200 requests in 15m (288), above 20.0%", "20.0% of 1200 requests in 15m (240), not above 20.0%")
	f(Rule{Condition: rate, ResolveBelow: 0.1}, []seen{{288, 1200}, {40, 200}, {10, 100}}, "24.0% of 1200 requests in 15m (288), above 20.0%",
		"100 requests in 15m, fewer than the 200 needed to judge")
	f(Rule{Condition: rate}, []seen{{288, 1200}, {49, 200}}, "24.0% of 1200 requests in 15m (288), above 20.0%", "49 errors in 15m, fewer than the 50 needed")
}

func TestRateNeverFiresUnderItsLeastDenominator(t *testing.T) {
	r := Rule{Condition: Rate{Over: time.Minute, Levels: above(0.2), MinErrors: 1, MinRequests: 200}}
	for requests := range uint64(400) {
		for _, errs := range []uint64{0, 1, requests / 5, requests/5 + 1, requests, 3 * requests} {
			got, _ := walk(&r, seen{errs, requests})
			if want := requests >= 200 && errs > 0 && float64(errs)/float64(requests) > 0.2; (got == "0 inactive>firing") != want {
				t.Fatalf("%d of %d: %q", errs, requests, got)
			}
		}
	}
}

func TestWindowsEndAtTheEvaluation(t *testing.T) {
	var s series
	for _, minute := range []int{1, 1, 3, 10} {
		s.add(midnight.Add(time.Duration(minute)*time.Minute), 2)
	}
	f := func(from, to int, want uint64) {
		t.Helper()
		if got := s.between(midnight.Add(time.Duration(from)*time.Minute), midnight.Add(time.Duration(to)*time.Minute)); got != want {
			t.Errorf("[%d, %d): got %d, want %d", from, to, got, want)
		}
	}
	f(0, 1, 0)
	f(1, 2, 4)
	f(0, 3, 4)
	f(0, 4, 6)
	f(2, 3, 0)
	f(3, 11, 4)
	f(11, 20, 0)
}

// A replay in pieces has the same result as one replay. Restarts rely on it.
func TestReplayInPiecesIsTheSame(t *testing.T) {
	r := Rule{Name: "R", By: []string{"tenant"}, Condition: Count{Over: 3 * time.Minute, Levels: above(5)}, For: 2 * time.Minute, KeepFiringFor: 3 * time.Minute, ResolveBelow: 3}
	d := newData()
	for minute := range 120 {
		for tenant := range 5 {
			addAt(d.errors, []string{fmt.Sprint("t", tenant)}, midnight.Add(time.Duration(minute)*time.Minute), uint64(minute*(7+tenant)%(11+tenant)/3))
		}
	}
	end := midnight.Add(2 * time.Hour)
	_, whole := r.replay(midnight, end, time.Minute, d, nil)
	if len(whole) < 10 {
		t.Fatalf("only %d changes: the example shows nothing", len(whole))
	}
	for _, piece := range []time.Duration{time.Minute, 7 * time.Minute, 50 * time.Minute} {
		alerts := map[string]Alert{}
		var got []step
		for from := midnight; from.Before(end); from = from.Add(piece) {
			to := from.Add(piece)
			if to.After(end) {
				to = end
			}
			var steps []step
			alerts, steps = r.replay(from, to, time.Minute, d, alerts)
			got = append(got, steps...)
		}
		if fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Errorf("in pieces of %s:\n%v\nwhole:\n%v", piece, got, whole)
		}
	}
}

func TestIdentityIsRuleAndKeysAlone(t *testing.T) {
	a := Rule{Name: "R", By: []string{"tenant", "code"}, Select: Select{Codes: []string{"*"}}, Labels: map[string]*template.Template{"severity": template.Must(template.New("").Parse("page"))}}
	b := Rule{Name: "R", By: []string{"tenant", "code"}, Labels: map[string]*template.Template{"severity": template.Must(template.New("").Parse("ticket"))}}
	if a.fingerprint([]string{"acme", "1"}) != b.fingerprint([]string{"acme", "1"}) {
		t.Error("a label or a select changes it")
	}
	if a.fingerprint([]string{"acme", "1"}) == a.fingerprint([]string{"acme1", ""}) {
		t.Error("keys run together")
	}
}

// addAt counts in one minute.
func addAt(all map[string]*series, keys []string, minute time.Time, n uint64) {
	add(all, counted{at: minute, keys: keys, name: nameOf(keys)}, n)
}
