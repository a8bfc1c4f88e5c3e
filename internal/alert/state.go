package alert

import (
	"cmp"
	"fmt"
	"time"
)

// The states of an alert, of a rule (Error) and of the data (Late). Resolved is only the name of
// the transition from firing, recovering or no_data to inactive.
const (
	Inactive   = "inactive"
	Pending    = "pending"
	Firing     = "firing"
	Recovering = "recovering" // was firing, and the condition no longer holds
	NoData     = "no_data"    // was firing, and there is nothing to judge
	Learning   = "learning"   // too little is known of the past to judge
	Late       = "late"       // the watermark is far behind the clock, so nothing is evaluated
	Error      = "error"      // the rule's query failed
	Resolved   = "resolved"
)

// Finding is what one evaluation found out.
type Finding string

// The findings. The first four are about an alert, the last two about a whole rule or all data.
const (
	Holds      Finding = "holds"
	Clear      Finding = "clear" // the condition does not hold; a count of no rows is 0
	NoRequests Finding = "no requests"
	TooNew     Finding = "too new"
	LateData   Finding = "late data"
	Failed     Finding = "failed query"
)

// becomes is the table of states: what each becomes by each finding. docs/alerts.md has the same
// table, and a test compares them. Three states end by themselves after a while (Rule.step):
// pending after `for`, recovering after `keep_firing_for`, no_data after a day.
var becomes = map[string]map[Finding]string{
	Inactive:   {Holds: Pending, Clear: Inactive, NoRequests: Inactive, TooNew: Learning, LateData: Late, Failed: Error},
	Learning:   {Holds: Pending, Clear: Inactive, NoRequests: Learning, TooNew: Learning, LateData: Learning, Failed: Learning},
	Pending:    {Holds: Pending, Clear: Inactive, NoRequests: Inactive, TooNew: Learning, LateData: Pending, Failed: Pending},
	Firing:     {Holds: Firing, Clear: Recovering, NoRequests: NoData, TooNew: Firing, LateData: Firing, Failed: Firing},
	Recovering: {Holds: Firing, Clear: Recovering, NoRequests: NoData, TooNew: Recovering, LateData: Recovering, Failed: Recovering},
	NoData:     {Holds: Firing, Clear: Recovering, NoRequests: NoData, TooNew: NoData, LateData: NoData, Failed: NoData},
	Late:       {Holds: Inactive, Clear: Inactive, NoRequests: Inactive, TooNew: Inactive, LateData: Late, Failed: Late},
	Error:      {Holds: Inactive, Clear: Inactive, NoRequests: Inactive, TooNew: Inactive, LateData: Error, Failed: Error},
}

// noDataLimit is how long an alert without requests keeps firing. A tenant that has left would
// otherwise fire forever.
const noDataLimit = 24 * time.Hour

// State is where an alert stands between two evaluations. The zero State is inactive.
type State struct {
	Phase     string    // "" is Inactive
	Level     int       // of the thresholds: the one that it is pending or firing at
	Since     time.Time // when it became pending, and after that, when it began to fire
	LowSince  time.Time // since when it is recovering, has no data, or holds at a lower level alone; zero: not
	HighSince time.Time // since when it holds at a higher level; zero: it does not
	Frozen    string    // what a firing alert is compared with, as its condition wrote it when it fired
}

// active reports whether someone may have been told of the alert, and not yet of its end.
func (s State) active() bool {
	return s.Phase == Firing || s.Phase == Recovering || s.Phase == NoData
}

// Change is a transition of one alert. To may be Resolved. From and To are both Firing when the
// level changes.
type Change struct {
	From, To  string
	Reason    string
	Level     int
	Value     float64
	Threshold float64
	Window    Window // the one that decided, of a condition that looks at several
	Shifted   bool   // an active alert fires at another level now
}

// quiet reports whether the transition concerns no one: the alert is not active before or after it.
func (c Change) quiet() bool {
	idle := func(phase string) bool { return phase == Inactive || phase == Learning }
	return idle(c.From) && idle(c.To)
}

// begins reports whether receivers have to be told that the alert fires, or fires at another level.
func (c Change) begins() bool {
	return c.To == Firing && (c.Shifted || c.starts())
}

// starts reports whether an alert fires that was not active.
func (c Change) starts() bool {
	return c.To == Firing && c.From != Firing && c.From != Recovering && c.From != NoData
}

// step is the state machine: it returns the state of an alert after an evaluation. The Change is
// nil if phase and level stay the same.
func (r *Rule) step(now time.Time, v Verdict, s State) (State, *Change) {
	from, was := cmp.Or(s.Phase, Inactive), s
	if !r.Active.contains(now) && v.Finding == Holds && !s.active() {
		v.Finding, v.Says = Clear, v.Says+", outside the rule's active hours"
	}
	to, says := becomes[from][v.Finding], v.Says
	switch to {
	case Pending:
		to, says, s = r.pend(now, v, s)
	case Firing:
		s, says = r.shift(now, v, s)
	case Recovering, NoData:
		if from != to {
			s.LowSince = now
		}
		s.HighSince = time.Time{}
		to, says = r.recover(now, to, v, s)
	default:
		if from == Pending {
			says += fmt.Sprintf(", after %s of %s", short(now.Sub(s.Since)), short(r.For))
		}
	}
	level := s.Level
	if to == Inactive || to == Resolved || to == Learning {
		s = State{}
	}
	if s.Phase = to; to == Inactive || to == Resolved {
		s.Phase = ""
	}
	if from == to && (from != Firing || says == "") {
		return s, nil
	}
	return s, &Change{from, to, r.atLevel(level) + says, level, v.Value, v.Threshold, v.Window, was.active() && to == Firing && level != was.Level}
}

// pend returns what a pending alert becomes while its condition holds: firing, after For.
func (r *Rule) pend(now time.Time, v Verdict, s State) (to, says string, next State) {
	switch {
	case s.Phase != Pending:
		s = State{Level: v.Level, Since: now}
	case v.Level < s.Level:
		s.Level, s.HighSince = v.Level, time.Time{}
	case v.Level == s.Level:
		s.HighSince = time.Time{}
	case s.HighSince.IsZero():
		s.HighSince = now
	}
	if now.Sub(s.Since) < r.For {
		s.Phase = Pending
		return Pending, fmt.Sprintf("%s; fires after %s", v.Says, short(r.For)), s
	}
	s.Since, s.Frozen = now, v.Frozen
	if r.For > 0 {
		return Firing, fmt.Sprintf("%s, for %s", v.Says, short(r.For)), s
	}
	return Firing, v.Says, s
}

// shift moves an alert that holds to the level at which it holds: upwards after For, downwards
// after KeepFiringFor. It returns what to say, "" if nothing changes.
func (r *Rule) shift(now time.Time, v Verdict, s State) (next State, says string) {
	if s.Phase != Firing { // again
		s.LowSince, says = time.Time{}, v.Says
	}
	since := func(t time.Time) time.Time {
		if t.IsZero() {
			return now
		}
		return t
	}
	switch {
	case v.Level == s.Level:
		s.LowSince, s.HighSince = time.Time{}, time.Time{}
	case v.Level > s.Level:
		s.LowSince, s.HighSince = time.Time{}, since(s.HighSince)
		if now.Sub(s.HighSince) >= r.For {
			s.Level, s.HighSince, says = v.Level, time.Time{}, v.Says
		}
	default:
		s.LowSince, s.HighSince = since(s.LowSince), time.Time{}
		if now.Sub(s.LowSince) >= r.KeepFiringFor {
			s.Level, s.LowSince, says = v.Level, time.Time{}, v.Says
		}
	}
	return s, says
}

// recover returns what an alert becomes that was firing and does not hold: resolved, after a while.
func (r *Rule) recover(now time.Time, to string, v Verdict, s State) (next, says string) {
	limit := r.KeepFiringFor
	if to == NoData {
		limit = noDataLimit
	}
	switch {
	case now.Sub(s.LowSince) < limit:
		return to, fmt.Sprintf("%s; resolved after %s of this", v.Says, short(limit))
	case limit > 0:
		return Resolved, fmt.Sprintf("%s, for %s", v.Says, short(limit))
	}
	return Resolved, v.Says
}

// atLevel names a level of a rule with two levels, as the start of a reason.
func (r *Rule) atLevel(level int) string {
	if name := r.levelName(level); name != "" {
		return name + ": "
	}
	return ""
}
