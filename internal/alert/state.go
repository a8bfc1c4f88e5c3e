package alert

import (
	"cmp"
	"fmt"
	"time"
)

// The phases of an alert. Resolved is only the name of the transition from firing to inactive.
const (
	Inactive = "inactive"
	Pending  = "pending"
	Firing   = "firing"
	Resolved = "resolved"
)

// State is where an alert stands between two evaluations. The zero State is inactive.
type State struct {
	Phase    string    // Inactive (or ""), Pending, Firing
	Since    time.Time // when the phase began
	LowSince time.Time // since when a firing alert has recovered; zero: it has not
	Frozen   string    // what a firing alert is compared with, as its condition wrote it when it fired
}

// Change is a transition of one alert. To may be Resolved.
type Change struct {
	From, To  string
	Reason    string
	Value     float64
	Threshold float64
	Window    Window // the one that decided, of a condition that looks at several
}

// step is the state machine: it returns the state of an alert after an evaluation. The Change is
// nil if the phase stays the same.
func (r *Rule) step(now time.Time, m Measure, s State) (State, *Change) {
	v := r.Condition.judge(m, s.Phase == Firing, r.ResolveBelow)
	change := func(to, reason string) *Change {
		return &Change{cmp.Or(s.Phase, Inactive), to, reason, v.Value, v.Threshold, v.Window}
	}
	switch s.Phase {
	case Pending:
		switch {
		case !v.Active:
			return State{}, change(Inactive, fmt.Sprintf("%s, after %s of %s", v.Says, short(now.Sub(s.Since)), short(r.For)))
		case now.Sub(s.Since) >= r.For:
			return State{Phase: Firing, Since: now, Frozen: v.Frozen}, change(Firing, fmt.Sprintf("%s, for %s", v.Says, short(r.For)))
		}
		return s, nil
	case Firing:
		if v.Active {
			s.LowSince = time.Time{}
			return s, nil
		}
		if s.LowSince.IsZero() {
			s.LowSince = now
		}
		switch {
		case now.Sub(s.LowSince) < r.KeepFiringFor:
			return s, nil
		case r.KeepFiringFor > 0:
			return State{}, change(Resolved, fmt.Sprintf("%s, for %s", v.Says, short(r.KeepFiringFor)))
		}
		return State{}, change(Resolved, v.Says)
	default:
		switch {
		case !v.Active:
			return s, nil
		case r.For > 0:
			return State{Phase: Pending, Since: now}, change(Pending, fmt.Sprintf("%s; fires after %s", v.Says, short(r.For)))
		}
		return State{Phase: Firing, Since: now, Frozen: v.Frozen}, change(Firing, v.Says)
	}
}
