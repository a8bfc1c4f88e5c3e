package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"errata/internal/store"
)

// step is a transition of an alert at one evaluation.
type step struct {
	at      time.Time
	keys    []string
	measure Measure
	change  Change
}

// replay evaluates a rule at every multiple of the interval in (from, to], beginning with the
// alerts as they are at from. It returns them as they are at to, and the transitions in order. The
// data has to cover the windows of all these times.
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
			c := groups[name].counts
			c.frozen = a.State.Frozen
			m := r.Condition.measure(c, at)
			if a.State.Phase == "" && needsErrors && m.Errors == 0 {
				continue
			}
			next, change := r.step(at, m, a.State)
			if change != nil {
				steps = append(steps, step{at, keys, m, *change})
				c.past.note(at, *change)
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

// standing is where a rule stands.
type standing struct {
	evaluated time.Time // zero: never
	alerts    map[string]Alert
}

// outcome is the result of evaluating a rule, before it is recorded.
type outcome struct {
	rule        *Rule
	standing    standing
	transitions []store.AlertTransition
	notices     []Notification // one for each transition; those without an ID are not sent
}

const (
	// span is the most time that one evaluation covers, so that its data fits into memory.
	span = 6 * time.Hour
	// longest is how far back evaluation goes for a rule that has not been evaluated for long.
	longest = 7 * 24 * time.Hour
)

// evaluate brings a rule up to the watermark, or by one span nearer to it. The outcome is nil if
// nothing is due.
func (r *Runner) evaluate(ctx context.Context, g *Group, rule *Rule, watermark time.Time) (*outcome, error) {
	from, to := r.due(g, rule, watermark)
	if !to.After(from) {
		return nil, nil
	}
	d, err := r.fetch(ctx, rule, from.Truncate(g.Interval).Add(g.Interval-rule.Condition.window()), to)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
	}
	before := r.standing[rule.Name].alerts
	alerts, steps := rule.replay(from, to, g.Interval, d, before)
	o := &outcome{rule: rule, standing: standing{to, alerts}}
	latest := map[string]Notification{} // of each alert
	for name, a := range before {
		latest[name] = a.Notice
	}
	for _, s := range steps {
		n, name := Notification{}, nameOf(s.keys)
		switch s.change.To {
		case Firing:
			if n, err = r.firing(ctx, rule, s); err != nil {
				return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
			}
			latest[name] = n
		case Resolved:
			n = latest[name].resolved(s)
		}
		t := rule.transition(s)
		t.Why, t.RequestIDs = n.Why, n.RequestIDs
		o.transitions = append(o.transitions, t)
		o.notices = append(o.notices, n)
	}
	for name, a := range alerts {
		if a.State.Phase == Firing {
			a.Notice = latest[name]
			alerts[name] = a
		}
	}
	return o, nil
}

// due returns the time (from, to] over which a rule is to be evaluated next.
func (r *Runner) due(g *Group, rule *Rule, watermark time.Time) (from, to time.Time) {
	from, to = r.standing[rule.Name].evaluated, watermark.Truncate(g.Interval)
	if from.IsZero() {
		from = r.Since.At(watermark, time.UTC).Truncate(g.Interval)
	}
	if first := to.Add(-longest); from.Before(first) {
		r.Log.Warn("skipped time that is too long ago to evaluate", "rule", rule.Name, "from", from, "to", first)
		from = first
	}
	if last := from.Truncate(g.Interval).Add(max(span.Truncate(g.Interval), g.Interval)); to.After(last) {
		to = last
	}
	return from, to
}

func (r *Rule) transition(s step) store.AlertTransition {
	return store.AlertTransition{
		At: s.at, Rule: r.Name, Fingerprint: r.fingerprint(s.keys), Labels: r.labels(s.keys),
		From: s.change.From, To: s.change.To, Reason: s.change.Reason, Value: s.change.Value, Threshold: s.change.Threshold,
	}
}
