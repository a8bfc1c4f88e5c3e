package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

const newCodes = `
groups:
  - name: g
    rules:
      - {alert: New, new_code: {over: 30m, learn: 2h}}
`

// A code is new to the tenant that never met it, and to no other. What began with the topic is
// known.
func TestNewCodeOnStoredData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(request{-600, 1, "acme", denied}, request{-600, 1, "globex", quota}, request{-599, 1, "acme", fine})
	w.insert(request{10, 3, "acme", quota}, request{10, 3, "globex", quota}, request{12, 1, "newcomer", quota})
	w.mark(0)
	w.once(w.runner(newCodes, nil))
	w.mark(60)
	w.once(w.runner(newCodes, nil))
	w.want("11 New inactive>firing, 41 New firing>resolved")
	if got := w.reasons[0]; got != "3 errors in 30m, first seen 2026-11-02 00:10" {
		t.Error(got)
	}
	w.printed = nil
	w.once(w.runner(strings.ReplaceAll(newCodes, "over: 30m", "over: 45m"), nil)) // a restart, with another rule
	w.insert(request{70, 3, "acme", quota})                                       // and the code again: it is old
	w.mark(80)
	w.once(w.runner(strings.ReplaceAll(newCodes, "over: 30m", "over: 45m"), nil))
	for _, step := range w.printed {
		if !strings.HasPrefix(step, "11 ") && !strings.HasPrefix(step, "56 ") {
			t.Error(w.printed)
		}
	}
}

// A database that has just begun to fill has only new codes: it tells of none of them.
func TestNewCodeAtTheVeryStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(request{10, 3, "acme", quota}, request{11, 3, "globex", denied})
	w.mark(0)
	w.once(w.runner(newCodes, nil))
	w.mark(100)
	w.once(w.runner(newCodes, nil))
	w.want("")
}

func TestRegressedOnStoredData(t *testing.T) {
	t.Parallel()
	const rules = `
groups:
  - name: g
    rules:
      - {alert: Back, regressed: {over: 30m, silent: 3d}}
`
	w := newWorld(t)
	day := 24 * 60
	w.insert(request{-5 * day, 1, "acme", quota}, request{-5 * day, 1, "globex", quota}, request{-1 * day, 1, "globex", quota})
	w.insert(request{10, 2, "acme", quota}, request{10, 2, "globex", quota}, request{10, 2, "acme", denied})
	w.mark(0)
	w.once(w.runner(rules, nil))
	w.mark(60)
	w.once(w.runner(rules, nil))
	w.want("11 Back inactive>firing, 41 Back firing>resolved")
	if got := w.reasons[0]; got != "2 errors in 30m, after none in 3d" {
		t.Error(got)
	}
	// A day before, it was globex that had been silent, for four days.
	if got, want := episodesOf(w.backtest(rules, -2*day, 60, BacktestOptions{}).Rules[0]), fmt.Sprintf("globex %d-%d, acme 11-41", -day+1, -day+31); got != want {
		t.Errorf("the backtest has %s", got)
	}
}

// A silence of two and a half days is told from one of two days.
func TestRegressedWithinDays(t *testing.T) {
	t.Parallel()
	const rules = `
groups:
  - name: g
    rules:
      - {alert: Back, regressed: {over: 30m, silent: 60h}}
`
	w := newWorld(t)
	const hour, day = 60, 24 * 60
	w.insert(request{-2*day + hour/2, 1, "acme", quota}, request{-2*day + 23*hour, 1, "globex", quota}, request{13*hour + 10, 2, "acme", quota}, request{13*hour + 10, 2, "globex", quota})
	w.mark(day + hour)
	if got := episodesOf(w.backtest(rules, 0, day, BacktestOptions{}).Rules[0]); got != "acme 791-821" {
		t.Errorf("the backtest has %s", got)
	}
}

// A code that someone has marked as fixed is back with its first error, however short the silence.
func TestMarkedAsFixedAndBack(t *testing.T) {
	t.Parallel()
	const rules = `
groups:
  - name: g
    rules:
      - {alert: Back, regressed: {over: 30m, silent: 3d}}
`
	w := newWorld(t)
	w.insert(request{1, 5, "acme", quota}, request{1, 5, "globex", quota}, request{12, 2, "acme", quota}, request{12, 2, "globex", quota})
	if err := w.store.RecordCodeState(t.Context(), store.CodeState{Tenant: "acme", Code: "OSM.01010037", State: store.Fixed, Written: midnight.Add(10*time.Minute + 30*time.Second)}); err != nil {
		t.Fatal(err)
	}
	w.mark(0)
	w.once(w.runner(rules, nil))
	w.mark(60)
	w.once(w.runner(rules, nil))
	w.want("13 Back inactive>firing, 43 Back firing>resolved")
	if got := w.reasons[0]; got != "2 errors in 30m, although it was marked as fixed 2026-11-02 00:11" {
		t.Error(got)
	}
	if got := episodesOf(w.backtest(rules, 0, 60, BacktestOptions{}).Rules[0]); got != "acme 13-43" {
		t.Errorf("the backtest has %s", got)
	}
}

func TestBodyBlindAndFlatlineOnStoredData(t *testing.T) {
	t.Parallel()
	const rules = `
groups:
  - name: g
    rules:
      - {alert: Blind, by: [topic], body_blind: {over: 5m, above: 0.5, min_requests: 10}}
      - {alert: Flat, by: [tenant], flatline: {of: requests, over: 5m, before: 30m}}
`
	w := newWorld(t)
	var all []request
	for minute := -60; minute < 20; minute++ {
		all = append(all, request{minute, 2, "acme", fine})
	}
	all = append(all, request{30, 40, "globex", "\x80\x81\x82"})
	w.insert(all...)
	w.mark(0)
	w.once(w.runner(rules, nil))
	w.mark(40)
	w.once(w.runner(rules, nil))
	if got := strings.Join(w.printed, ", "); !strings.Contains(got, "25 Flat inactive>firing") {
		t.Error(got)
	}
}

// Thirty days are read from hours, and counted to the minute at both ends.
func TestLongWindowIsExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(request{-30*24*60 + 9, 100, "acme", quota}, request{-30*24*60 + 10, 1, "acme", quota}, request{-30*24*60 + 40, 2, "acme", quota},
		request{-10 * 24 * 60, 4, "acme", quota}, request{9, 8, "acme", quota}, request{10, 100, "acme", quota})
	const rules = `
groups:
  - name: g
    rules:
      - {alert: Month, by: [tenant], count: {over: 30d, above: 14}}
`
	w.mark(10)
	r := w.runner(rules, nil)
	rule := &r.Groups[0].Rules[0]
	at := midnight.Add(10 * time.Minute)
	d, err := newStored(w.store).fetch(t.Context(), span{rule, at.Add(-time.Minute), at, time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.errors["acme"].between(at.Add(-30*24*time.Hour), at); got != 15 {
		t.Errorf("got %d, want 15", got)
	}
	w.once(r)
	if got := fmt.Sprint(w.printed); !strings.Contains(got, "10 Month inactive>firing") && !strings.Contains(got, "Month inactive>firing") {
		t.Error(got)
	}
}
