package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"errata/internal/parse"
	"errata/internal/store"
)

// series is the counts of one group, with the sums up to and with each minute. Minutes without any are not there.
type series struct {
	keys    []string
	minutes []time.Time
	sums    []uint64
}

// add counts in the last minute or a later one.
func (s *series) add(minute time.Time, n uint64) {
	before := uint64(0)
	if last := len(s.sums) - 1; last >= 0 {
		before = s.sums[last]
		if s.minutes[last].Equal(minute) {
			s.sums[last] += n
			return
		}
	}
	s.minutes, s.sums = append(s.minutes, minute), append(s.sums, before+n)
}

// between is the count of the minutes in [from, to). A nil series is empty.
func (s *series) between(from, to time.Time) uint64 {
	if s == nil {
		return 0
	}
	before := func(t time.Time) uint64 {
		i := sort.Search(len(s.minutes), func(i int) bool { return !s.minutes[i].Before(t) })
		if i == 0 {
			return 0
		}
		return s.sums[i-1]
	}
	return before(to) - before(from)
}

// data is what a rule looks at: the errors of each group and the requests of each place. Both are
// named by their keys.
type data struct {
	errors   map[string]*series
	requests map[string]*series
}

// counts are those of one group, at any time.
type counts struct{ errors, requests *series }

// of returns the counts of a rule's group. It has the requests of the group's place.
func (d data) of(r *Rule, keys []string) counts {
	return counts{errors: d.errors[nameOf(keys)], requests: d.requests[nameOf(r.place(keys))]}
}

func add(all map[string]*series, keys []string, minute time.Time, n uint64) {
	if n == 0 {
		return
	}
	name := nameOf(keys)
	if all[name] == nil {
		all[name] = &series{keys: keys}
	}
	all[name].add(minute, n)
}

func nameOf(keys []string) string { return strings.Join(keys, "\x00") }

// place is what requests have of a group's keys.
func (r *Rule) place(keys []string) (place []string) {
	for i, column := range r.By {
		if slices.Contains(store.RequestKeys, column) {
			place = append(place, keys[i])
		}
	}
	return place
}

// ofRequests reports whether a rule compares errors with requests and looks at nothing that only errors
// have. Its errors are then the requests that had one.
func (r *Rule) ofRequests() bool {
	s := r.Select
	return r.Condition.needs().requests && len(s.Codes)+len(s.Families)+len(s.Kinds) == 0 && s.Known == nil && len(r.place(r.By)) == len(r.By)
}

// step is what happened to an alert at one evaluation.
type step struct {
	at      time.Time
	keys    []string
	measure Measure
	change  Change
}

// replay evaluates a rule at every multiple of the interval in (from, to], beginning with the alerts as they are
// at from. It gives them as they are at to, and all that happened, in order. data has to hold the windows of all these times.
func (r *Rule) replay(from, to time.Time, interval time.Duration, d data, before map[string]Alert) (map[string]Alert, []step) {
	alerts := map[string]Alert{}
	maps.Copy(alerts, before)
	groups := r.groups(d, before)
	names := slices.Sorted(maps.Keys(groups))
	needsErrors := r.Condition.needs().errors
	var steps []step
	for at := from.Truncate(interval).Add(interval); !at.After(to); at = at.Add(interval) {
		for _, name := range names {
			a, keys := alerts[name], groups[name].keys
			m := r.Condition.measure(groups[name].counts, at)
			if a.State.Phase == "" && needsErrors && m.Errors == 0 {
				continue
			}
			next, change := r.step(at, m, a.State)
			if change != nil {
				steps = append(steps, step{at, keys, m, *change})
			}
			if next.Phase == "" {
				delete(alerts, name)
				continue
			}
			alerts[name] = Alert{keys, next, a.Notice}
		}
	}
	return alerts, steps
}

// group is what a rule judges: some keys and their counts.
type group struct {
	keys   []string
	counts counts
}

// groups are those that the data has and those of the alerts.
func (r *Rule) groups(d data, alerts map[string]Alert) map[string]group {
	seen := d.errors
	if !r.Condition.needs().errors {
		seen = d.requests
	}
	groups := map[string]group{}
	for name, s := range seen {
		groups[name] = group{s.keys, d.of(r, s.keys)}
	}
	for name, a := range alerts {
		groups[name] = group{a.Keys, d.of(r, a.Keys)}
	}
	return groups
}

// fetch asks for all minutes in [from, to) that a rule looks at.
func (r *Runner) fetch(ctx context.Context, rule *Rule, from, to time.Time) (data, error) {
	d := data{errors: map[string]*series{}, requests: map[string]*series{}}
	needs := rule.Condition.needs()
	if needs.requests {
		minutes, err := requestsPerMinute(ctx, r.Store, rule.Select, from, to, rule.place(rule.By))
		if err != nil {
			return d, err
		}
		for _, m := range minutes {
			add(d.requests, m.keys, m.at, m.requests)
			if rule.ofRequests() {
				add(d.errors, m.keys, m.at, m.errors)
			}
		}
	}
	if !needs.errors || rule.ofRequests() {
		return d, nil
	}
	return d, r.fetchErrors(ctx, rule, from, to, d.errors)
}

// fetchErrors adds up the errors of each group.
func (r *Runner) fetchErrors(ctx context.Context, rule *Rule, from, to time.Time, into map[string]*series) error {
	by := rule.By
	if rule.Select.Known != nil { // the minutes do not say, but the catalogs do
		by = slices.Concat(by, []string{"code", "dialect", "service"})
	}
	minutes, err := errorsPerMinute(ctx, r.Store, rule.Select, from, to, by)
	if err != nil {
		return err
	}
	for _, m := range minutes {
		keys, more := m.keys[:len(rule.By)], m.keys[len(rule.By):]
		if len(more) > 0 && r.known(more[0], more[1], more[2]) != *rule.Select.Known {
			continue
		}
		add(into, keys, m.at, m.errors)
	}
	return nil
}

func (r *Runner) known(code, dialect, service string) bool {
	return dialect == parse.HTTPDialect || r.Catalogs.Lookup(code, dialect, service, 0, "").Entry != nil
}

// standing is where a rule stands.
type standing struct {
	evaluated time.Time // zero: never
	alerts    map[string]Alert
}

// outcome is what one evaluation of a rule gives, before it is recorded.
type outcome struct {
	rule        *Rule
	standing    standing
	transitions []store.AlertTransition
	notices     []Notification // one for each transition; those without an ID go nowhere
}

const (
	// span is how much time one evaluation goes through at most, so that its data fits into memory.
	span = 6 * time.Hour
	// longest is how far back a rule goes that has not been evaluated for long.
	longest = 7 * 24 * time.Hour
)

// evaluate brings a rule up to the watermark, or one span nearer to it. The outcome is nil when nothing is due.
func (r *Runner) evaluate(ctx context.Context, g *Group, rule *Rule, watermark time.Time) (*outcome, error) {
	now := r.standing[rule.Name]
	to := watermark.Truncate(g.Interval)
	from := now.evaluated
	if from.IsZero() {
		from = r.Since.At(watermark, time.UTC).Truncate(g.Interval)
	}
	if first := to.Add(-longest); from.Before(first) {
		r.Log.Warn("a rule was not evaluated for long: its oldest time is left out", "rule", rule.Name, "since", from, "continues", first)
		from = first
	}
	if !to.After(from) {
		return nil, nil
	}
	if last := from.Truncate(g.Interval).Add(max(span.Truncate(g.Interval), g.Interval)); to.After(last) {
		to = last
	}
	d, err := r.fetch(ctx, rule, from.Truncate(g.Interval).Add(g.Interval-rule.Condition.window()), to)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
	}
	alerts, steps := rule.replay(from, to, g.Interval, d, now.alerts)
	o := &outcome{rule: rule, standing: standing{to, alerts}}
	said := map[string]Notification{}
	for name, a := range now.alerts {
		said[name] = a.Notice
	}
	for _, s := range steps {
		n, name := Notification{}, nameOf(s.keys)
		switch s.change.To {
		case Firing:
			if n, err = r.firing(ctx, rule, s); err != nil {
				return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
			}
			said[name] = n
		case Resolved:
			n = said[name].resolved(s)
		}
		o.transitions = append(o.transitions, rule.transition(s))
		o.notices = append(o.notices, n)
	}
	for name, a := range alerts {
		if a.State.Phase == Firing {
			a.Notice = said[name]
			alerts[name] = a
		}
	}
	return o, nil
}

func (r *Rule) transition(s step) store.AlertTransition {
	return store.AlertTransition{
		At: s.at, Rule: r.Name, Fingerprint: r.fingerprint(s.keys), Labels: r.labels(s.keys),
		From: s.change.From, To: s.change.To, Reason: s.change.Reason, Value: s.change.Value, Threshold: s.change.Threshold,
	}
}

// record writes outcomes, takes them over as the present state, and prints the transitions, in the order of time.
func (r *Runner) record(ctx context.Context, outcomes []*outcome) error {
	var transitions []store.AlertTransition
	var notices []Notification
	var states []store.AlertState
	for _, o := range outcomes {
		transitions = append(transitions, o.transitions...)
		notices = append(notices, o.notices...)
		states = append(states, o.states(r.standing[o.rule.Name].alerts)...)
	}
	told := messages(notices...)
	if err := r.Store.RecordAlerts(ctx, transitions, r.Notifier.Deliveries(told...), states); err != nil {
		return fmt.Errorf("record the alerts: %w", err)
	}
	r.Notifier.Update(told...)
	for _, o := range outcomes {
		r.standing[o.rule.Name] = o.standing
	}
	slices.SortStableFunc(transitions, func(a, b store.AlertTransition) int { return a.At.Compare(b.At) })
	for _, t := range transitions {
		if err := r.print(t); err != nil {
			return err
		}
	}
	return nil
}

// states are the rows of what is not as it was before, and of the rule itself.
func (o *outcome) states(before map[string]Alert) []store.AlertState {
	row := func(a Alert, phase, notice string) store.AlertState {
		return store.AlertState{
			Rule: o.rule.Name, Fingerprint: o.rule.fingerprint(a.Keys), Labels: o.rule.labels(a.Keys), State: phase,
			Since: a.State.Since, LowSince: a.State.LowSince, Notice: notice, Evaluated: o.standing.evaluated,
		}
	}
	states := []store.AlertState{{Rule: o.rule.Name, Evaluated: o.standing.evaluated}}
	for name, a := range o.standing.alerts {
		if a.State != before[name].State {
			states = append(states, row(a, a.State.Phase, a.Notice.text()))
		}
	}
	for name, a := range before {
		if _, still := o.standing.alerts[name]; !still {
			states = append(states, row(Alert{Keys: a.Keys}, Inactive, ""))
		}
	}
	return states
}

// resume takes up the states that are in ClickHouse. Alerts of rules that we do not have are left alone: they may be
// another evaluator's. An alert whose rule has come to group by something else is ended, because nobody would ever look at it again.
func (r *Runner) resume(ctx context.Context) error {
	rules := map[string]*Rule{}
	r.standing = map[string]standing{}
	for g := range r.Groups {
		for i := range r.Groups[g].Rules {
			rule := &r.Groups[g].Rules[i]
			rules[rule.Name] = rule
			r.standing[rule.Name] = standing{alerts: map[string]Alert{}}
		}
	}
	all, err := states(ctx, r.Store)
	if err != nil {
		return err
	}
	for _, s := range all {
		rule := rules[s.Rule]
		if rule == nil {
			if s.Fingerprint != "" {
				r.Log.Warn("an alert's rule is not in the file: it stays as it is", "rule", s.Rule, "labels", s.Labels, "state", s.State)
			}
			continue
		}
		at := r.standing[s.Rule]
		if s.Fingerprint == "" { // comes before those that have one
			at.evaluated = s.Evaluated
			r.standing[s.Rule] = at
			continue
		}
		a := Alert{State: State{s.State, s.Since, s.LowSince}}
		if s.Notice != "" {
			if err := json.Unmarshal([]byte(s.Notice), &a.Notice); err != nil {
				return fmt.Errorf("read what was said of rule %s: %w", s.Rule, err)
			}
		}
		for _, column := range rule.By {
			a.Keys = append(a.Keys, s.Labels[column])
		}
		if rule.fingerprint(a.Keys) == s.Fingerprint {
			at.alerts[nameOf(a.Keys)] = a
			continue
		}
		if err := r.end(ctx, s, a, at.evaluated); err != nil {
			return err
		}
	}
	return nil
}

// end ends an alert that its rule does not look at any more.
func (r *Runner) end(ctx context.Context, s store.AlertState, a Alert, at time.Time) error {
	t := store.AlertTransition{
		At: at, Rule: s.Rule, Fingerprint: s.Fingerprint, Labels: s.Labels, From: s.State, To: Inactive,
		Reason: "the rule groups by something else now",
	}
	var n Notification
	if s.State == Firing {
		t.To = Resolved
		n = a.Notice.resolved(step{at: at, change: Change{Reason: t.Reason}})
	}
	s.State, s.Since, s.LowSince, s.Notice, s.Evaluated = Inactive, time.Time{}, time.Time{}, "", at
	told := messages(n)
	if err := r.Store.RecordAlerts(ctx, []store.AlertTransition{t}, r.Notifier.Deliveries(told...), []store.AlertState{s}); err != nil {
		return fmt.Errorf("end an alert of rule %s: %w", s.Rule, err)
	}
	r.Notifier.Update(told...)
	return r.print(t)
}
