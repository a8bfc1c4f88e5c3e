package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"errata/internal/notify"
	"errata/internal/store"
)

// ruleMemory is what a rule's own row remembers, as JSON.
type ruleMemory struct {
	File       string `json:"file"`       // that the rule is in
	Definition string `json:"definition"` // Rule.definition
	Error      string `json:"error,omitempty"`
}

// alertMemory is what the row of an alert remembers beyond its columns, as JSON.
type alertMemory struct {
	Level     int       `json:"level,omitempty"`
	LevelName string    `json:"level_name,omitempty"`
	HighSince time.Time `json:"high_since,omitzero"`
	Held      time.Time `json:"held,omitzero"`
	Ended     int64     `json:"ended,omitempty"` // when an alert that was told of was resolved, by the clock, in Unix milliseconds
	Says      string    `json:"says,omitempty"`
	Value     float64   `json:"value"`
	Peak      uint64    `json:"peak,omitempty"`
}

// text returns a memory as JSON.
func text(memory any) string {
	text, err := json.Marshal(memory)
	if err != nil {
		panic(err) // strings, times and finite numbers alone
	}
	return string(text)
}

// record stores outcomes, makes them the present state, and prints the transitions in the order of
// time.
func (r *Runner) record(ctx context.Context, outcomes []*outcome) error {
	var transitions []store.AlertTransition
	var notices []Notification
	var states []store.AlertState
	for _, o := range outcomes {
		before := r.evaluator.standing[o.rule.Name]
		transitions = append(transitions, o.transitions(before)...)
		notices = append(append(notices, o.notices...), o.held...)
		states = append(states, o.states(before, r.File)...)
	}
	if err := r.write(ctx, transitions, notices, states); err != nil {
		return fmt.Errorf("record the alerts: %w", err)
	}
	r.evaluator.accept(outcomes)
	r.escalate()
	slices.SortStableFunc(transitions, func(a, b store.AlertTransition) int { return a.At.Compare(b.At) })
	for _, t := range transitions {
		if err := r.print(t); err != nil {
			return err
		}
	}
	return nil
}

// escalate makes receivers hear of alerts that have more errors now than when they fired, if their
// codes are ignored up to fewer.
func (r *Runner) escalate() {
	for rule, s := range r.evaluator.standing {
		for _, a := range s.alerts {
			if a.State.active() && a.Peak > a.Notice.Errors {
				r.Notifier.Escalate(rule, a.Notice.fingerprint(), a.Peak)
			}
		}
	}
}

// write stores transitions, queues the notifications of them, and stores the states, in that order.
func (r *Runner) write(ctx context.Context, transitions []store.AlertTransition, notices []Notification, states []store.AlertState) error {
	messages := messages(notices...)
	if r.Dry {
		return r.Notifier.Enqueue(ctx, messages...)
	}
	if err := r.Store.RecordAlerts(ctx, transitions, r.Notifier.Deliveries(messages...), states); err != nil {
		return err
	}
	r.Notifier.Update(messages...)
	return nil
}

// transitions returns the rows of the steps that concern someone, and of the rule itself: its query
// failed, or works again.
func (o *outcome) transitions(before standing) (all []store.AlertTransition) {
	for i, s := range o.steps {
		if !s.change.quiet() {
			all = append(all, store.AlertTransition{
				At: s.at, Rule: o.rule.Name, Fingerprint: o.rule.fingerprint(s.keys), Labels: o.rule.labels(s.keys, s.change.Level),
				From: s.change.From, To: s.change.To, Reason: s.change.Reason, Value: s.change.Value, Threshold: s.change.Threshold,
				Why: o.made[i].Why, RequestIDs: o.made[i].RequestIDs,
			})
		}
	}
	from, to := before.state(), o.standing.state()
	if from != to {
		all = append(all, store.AlertTransition{
			At: o.tried, Rule: o.rule.Name, Labels: map[string]string{alertname: o.rule.Name},
			From: from, To: to, Reason: cmp.Or(o.standing.failed, "the rule is evaluated again"),
		})
	}
	return all
}

// state returns the state of the rule itself.
func (s standing) state() string {
	found := Clear
	if s.failed != "" {
		found = Failed
	}
	return becomes[Inactive][found]
}

// states returns the rows of the rule itself and of those alerts whose state has changed.
func (o *outcome) states(before standing, file string) []store.AlertState {
	row := func(a Alert, phase, notice string, ended int64) store.AlertState {
		s := a.State
		return store.AlertState{
			Rule: o.rule.Name, Fingerprint: o.rule.fingerprint(a.Keys), Labels: o.rule.labels(a.Keys, s.Level), State: phase,
			Since: s.Since, LowSince: s.LowSince, Frozen: s.Frozen, Notice: notice, Evaluated: o.standing.evaluated,
			Memory: text(alertMemory{s.Level, o.rule.levelName(s.Level), s.HighSince, a.Held, ended, a.Says, a.Value, a.Peak}),
		}
	}
	states := []store.AlertState{{
		Rule: o.rule.Name, State: o.standing.state(), Evaluated: o.standing.evaluated,
		Memory: text(ruleMemory{file, o.rule.definition, o.standing.failed}),
	}}
	for name, a := range o.standing.alerts {
		was := before.alerts[name]
		if (a.State != was.State || a.Held != was.Held || a.Notice.ID != was.Notice.ID || a.Peak != was.Peak) && a.State.Phase != Learning {
			states = append(states, row(a, a.State.Phase, a.Notice.text(), 0))
		}
	}
	ends := map[string]Notification{}
	for i, s := range o.steps {
		if s.change.To == Resolved {
			ends[nameOf(s.keys)] = o.notices[i]
		}
	}
	for name, a := range before.alerts {
		if now, still := o.standing.alerts[name]; a.State.Phase != Learning && (!still || now.State.Phase == Learning) {
			notice, ended := ends[name].text(), int64(0)
			if notice != "" {
				ended = o.tried.UnixMilli()
			}
			states = append(states, row(Alert{Keys: a.Keys}, Inactive, notice, ended))
		}
	}
	return states
}

// resume reads the states that are in ClickHouse. It ends the alerts of rules that have changed or
// are no longer in the file. Rules of other files belong to other evaluators: it leaves them as
// they are.
func (r *Runner) resume(ctx context.Context) error {
	rules := map[string]*Rule{}
	for rule := range r.evaluator.rules() {
		rules[rule.Name] = rule
	}
	for _, rule := range builtIn {
		rules[rule.Name] = rule
	}
	all, err := states(ctx, r.Store)
	if err != nil {
		return err
	}
	memories, evaluated := map[string]ruleMemory{}, map[string]time.Time{}
	for _, s := range all {
		if s.Fingerprint != "" {
			continue
		}
		var memory ruleMemory
		if s.Memory != "" {
			if err := json.Unmarshal([]byte(s.Memory), &memory); err != nil {
				return fmt.Errorf("read the state of rule %s: %w", s.Rule, err)
			}
		}
		memories[s.Rule], evaluated[s.Rule] = memory, s.Evaluated
		if rule := rules[s.Rule]; rule != nil && !rule.changed(memory) {
			r.evaluator.standing[s.Rule] = standing{evaluated: s.Evaluated, alerts: map[string]Alert{}, failed: memory.Error}
		}
	}
	for _, s := range all {
		if s.Fingerprint == "" {
			continue
		}
		rule, memory := rules[s.Rule], memories[s.Rule]
		if s.Rule == ruleFailing.Name { // each belongs to the file of the rule that it is about
			about := s.Labels[ruleFailing.By[0]]
			if memory = memories[about]; rules[about] == nil {
				rule = nil
			}
			memory.Definition = ""
		}
		if err := r.resumeAlert(ctx, rule, memory, s, evaluated[s.Rule]); err != nil {
			return err
		}
	}
	return r.repeatEnds(ctx, func(rule string) bool { return rules[rule] != nil || memories[rule].File == r.File })
}

// repeatEnds tells those targets again that need no queue which alerts were resolved lately: the
// process before may have ended before it told them.
func (r *Runner) repeatEnds(ctx context.Context, ours func(rule string) bool) error {
	rows, err := ended(ctx, r.Store, r.Now().Add(-notify.RepeatResolved))
	if err != nil {
		return err
	}
	var all []Notification
	for _, s := range rows {
		a, err := alertOf(nil, s)
		if err != nil {
			return err
		}
		if ours(s.Rule) {
			all = append(all, a.Notice)
		}
	}
	r.Notifier.Update(messages(all...)...)
	return nil
}

// changed reports whether a rule had another definition when it was evaluated last. An earlier
// version did not store it.
func (r *Rule) changed(memory ruleMemory) bool {
	return memory.Definition != "" && memory.Definition != r.definition
}

func (r *Runner) resumeAlert(ctx context.Context, rule *Rule, memory ruleMemory, s store.AlertState, at time.Time) error {
	a, err := alertOf(rule, s)
	switch {
	case err != nil:
		return err
	case rule == nil && memory.File == r.File:
		return r.end(ctx, s, a, at, "the rule is no longer in "+cmp.Or(r.File, "the file"))
	case rule == nil:
		r.Log.Warn("left an alert as it is, because its rule is in another file", "rule", s.Rule, "file", memory.File, "labels", s.Labels, "state", s.State)
		return nil
	case rule.changed(memory):
		return r.end(ctx, s, a, at, "the rule was changed")
	case rule.fingerprint(a.Keys) != s.Fingerprint:
		return r.end(ctx, s, a, at, "the rule groups by other columns now")
	}
	r.evaluator.standing[s.Rule].alerts[nameOf(a.Keys)] = a
	return nil
}

// alertOf returns the alert of a row. Without its rule, it has no keys.
func alertOf(rule *Rule, s store.AlertState) (Alert, error) {
	var memory alertMemory
	a := Alert{State: State{Phase: s.State, Since: s.Since, LowSince: s.LowSince, Frozen: s.Frozen}}
	for _, part := range []struct {
		text string
		into any
	}{{s.Memory, &memory}, {s.Notice, &a.Notice}} {
		if part.text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			return a, fmt.Errorf("read the state of an alert of rule %s: %w", s.Rule, err)
		}
	}
	a.State.Level, a.State.HighSince, a.Held, a.Says, a.Value, a.Peak = memory.Level, memory.HighSince, memory.Held, memory.Says, memory.Value, memory.Peak
	if a.State.Phase == Firing && !a.State.LowSince.IsZero() && memory.Says == "" { // of an earlier version
		a.State.Phase = Recovering
	}
	if rule != nil {
		for _, column := range rule.By {
			a.Keys = append(a.Keys, s.Labels[column])
		}
	}
	return a, nil
}

// end ends an alert that no evaluation will look at again.
func (r *Runner) end(ctx context.Context, s store.AlertState, a Alert, at time.Time, reason string) error {
	t := store.AlertTransition{At: at, Rule: s.Rule, Fingerprint: s.Fingerprint, Labels: s.Labels, From: s.State, To: Inactive, Reason: reason}
	var n Notification
	if a.State.active() {
		t.To = Resolved
		if n = a.Notice.resolved(step{at: at, change: Change{Reason: reason}}); !a.Held.IsZero() {
			n = n.past()
		}
	}
	s.State, s.Since, s.LowSince, s.Frozen, s.Notice, s.Memory, s.Evaluated = Inactive, time.Time{}, time.Time{}, "", n.text(), "", at
	if n.ID != "" {
		s.Memory = text(alertMemory{Ended: r.Now().UnixMilli()})
	}
	if err := r.write(ctx, []store.AlertTransition{t}, []Notification{n}, []store.AlertState{s}); err != nil {
		return fmt.Errorf("end an alert of rule %s: %w", s.Rule, err)
	}
	return r.print(t)
}

// told returns the notifications that receivers have got of alerts that are still active.
func (e *evaluator) told() (all []Notification) {
	for _, rule := range slices.Sorted(maps.Keys(e.standing)) {
		for _, a := range e.standing[rule].alerts {
			if a.State.active() && a.Held.IsZero() {
				all = append(all, a.Notice)
			}
		}
	}
	return all
}
