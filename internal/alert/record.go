package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"errata/internal/store"
)

// record stores outcomes, makes them the present state, and prints the transitions in the order of
// time.
func (r *Runner) record(ctx context.Context, outcomes []*outcome) error {
	var transitions []store.AlertTransition
	var notices []Notification
	var states []store.AlertState
	for _, o := range outcomes {
		transitions = append(transitions, o.transitions...)
		notices = append(notices, o.notices...)
		states = append(states, o.states(r.standing[o.rule.Name].alerts)...)
	}
	if err := r.write(ctx, transitions, notices, states); err != nil {
		return fmt.Errorf("record the alerts: %w", err)
	}
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

// write stores transitions, queues the notifications of them, and stores the states, in that order.
func (r *Runner) write(ctx context.Context, transitions []store.AlertTransition, notices []Notification, states []store.AlertState) error {
	messages := messages(notices...)
	if err := r.Store.RecordAlerts(ctx, transitions, r.Notifier.Deliveries(messages...), states); err != nil {
		return err
	}
	r.Notifier.Update(messages...)
	return nil
}

// states returns the rows of the rule itself and of those alerts whose state has changed.
func (o *outcome) states(before map[string]Alert) []store.AlertState {
	row := func(a Alert, phase, notice string) store.AlertState {
		return store.AlertState{
			Rule: o.rule.Name, Fingerprint: o.rule.fingerprint(a.Keys), Labels: o.rule.labels(a.Keys), State: phase,
			Since: a.State.Since, LowSince: a.State.LowSince, Frozen: a.State.Frozen, Notice: notice, Evaluated: o.standing.evaluated,
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

// resume reads the states that are in ClickHouse. It leaves alerts of rules that are not in the
// file as they are, because they may belong to another evaluator. It ends an alert whose rule
// groups by other columns now, because no evaluation would look at it again.
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
		switch rule := rules[s.Rule]; {
		case rule == nil && s.Fingerprint == "":
		case rule == nil:
			r.Log.Warn("left an alert as it is, because its rule is not in the file", "rule", s.Rule, "labels", s.Labels, "state", s.State)
		case s.Fingerprint == "": // the rule's own row, before those of its alerts
			at := r.standing[s.Rule]
			at.evaluated = s.Evaluated
			r.standing[s.Rule] = at
		default:
			if err := r.resumeAlert(ctx, rule, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Runner) resumeAlert(ctx context.Context, rule *Rule, s store.AlertState) error {
	a := Alert{State: State{s.State, s.Since, s.LowSince, s.Frozen}}
	if s.Notice != "" {
		if err := json.Unmarshal([]byte(s.Notice), &a.Notice); err != nil {
			return fmt.Errorf("read the notification of an alert of rule %s: %w", s.Rule, err)
		}
	}
	for _, column := range rule.By {
		a.Keys = append(a.Keys, s.Labels[column])
	}
	at := r.standing[s.Rule]
	if rule.fingerprint(a.Keys) != s.Fingerprint {
		return r.end(ctx, s, a, at.evaluated)
	}
	at.alerts[nameOf(a.Keys)] = a
	return nil
}

// end ends an alert that its rule does not look at any more.
func (r *Runner) end(ctx context.Context, s store.AlertState, a Alert, at time.Time) error {
	t := store.AlertTransition{
		At: at, Rule: s.Rule, Fingerprint: s.Fingerprint, Labels: s.Labels, From: s.State, To: Inactive,
		Reason: "the rule groups by other columns now",
	}
	var n Notification
	if s.State == Firing {
		t.To = Resolved
		n = a.Notice.resolved(step{at: at, change: Change{Reason: t.Reason}})
	}
	s.State, s.Since, s.LowSince, s.Frozen, s.Notice, s.Evaluated = Inactive, time.Time{}, time.Time{}, "", "", at
	if err := r.write(ctx, []store.AlertTransition{t}, []Notification{n}, []store.AlertState{s}); err != nil {
		return fmt.Errorf("end an alert of rule %s: %w", s.Rule, err)
	}
	return r.print(t)
}
