package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Condition says when what a rule counts is too much. It is a value, and its methods are pure.
type Condition interface {
	// window returns how far back from an evaluation the condition looks.
	window() time.Duration
	// needs returns what has to be counted for it.
	needs() needs
	// measure takes the numbers that judge compares from the counts of one group.
	measure(c counts, at time.Time) Measure
	// judge compares a measure with the threshold that applies. A firing alert with a resolveBelow
	// above 0 stays active until its value is below that.
	judge(m Measure, firing bool, resolveBelow float64) Verdict
	// threshold returns the value above which the condition is active: resolve_below cannot exceed
	// it.
	threshold() float64
}

// conditions is the table of conditions. A rule has exactly one, under its key. To add one, write a
// field of conditionKeys, a row here, and a type that implements Condition; the list of keys in
// errors follows. docs/alerts.md describes each.
var conditions = []struct {
	key    string
	given  func(conditionKeys) bool
	decode func(*lint, conditionKeys) Condition
}{
	{"count", func(k conditionKeys) bool { return k.Count != nil }, func(l *lint, k conditionKeys) Condition { return l.count(*k.Count) }},
	{"rate", func(k conditionKeys) bool { return k.Rate != nil }, func(l *lint, k conditionKeys) Condition { return l.rate(*k.Rate) }},
	{"spike", func(k conditionKeys) bool { return k.Spike != nil }, func(l *lint, k conditionKeys) Condition { return l.spike(*k.Spike) }},
}

// conditionKeys are the keys of a rule that hold a condition, as they are written.
type conditionKeys struct {
	Count *countKeys
	Rate  *rateKeys
	Spike *spikeKeys
}

// needs is what has to be counted for a condition.
type needs struct {
	// errors are counted for each group. A group without any in the window does not make the
	// condition hold. Without this need the groups are those of the requests.
	errors bool
	// requests are counted for each tenant, service and route, where the rule groups by these.
	requests bool
	// usual says which windows of the past are compared with the present ones; nil: none are.
	usual *reference
}

// Measure is what was counted for one group at one evaluation.
type Measure struct {
	Errors, Requests uint64
	Windows          []Window // of a condition that looks at several
}

// Verdict is what a condition makes of a measure.
type Verdict struct {
	Active    bool // the condition holds, or a firing alert has not recovered
	Value     float64
	Threshold float64
	Says      string // "41 errors in 5m, above 20"
	Window    Window // the one that decided, of a condition that looks at several
	Frozen    string // what a firing alert is compared with from now on (State.Frozen)
	Learning  bool   // too little is known of the past to judge
}

// condition decodes the condition of a rule. If there is none or more than one, it reports that and
// returns nil.
func (l *lint) condition(k conditionKeys) Condition {
	var keys, given []string
	var decode func(*lint, conditionKeys) Condition
	for _, c := range conditions {
		keys = append(keys, c.key)
		if c.given(k) {
			given, decode = append(given, c.key), c.decode
		}
	}
	switch len(given) {
	case 0:
		l.bad("", "the rule has no condition: give %s", strings.Join(keys, " or "))
		return nil
	case 1:
		return decode(l, k)
	}
	last := given[len(given)-1]
	l.bad(last, "the rule has %s already: keep one, and write a second rule for the other", strings.Join(slices.Delete(given, len(given)-1, len(given)), ", "))
	return nil
}

// Count compares the number of errors.
type Count struct {
	Over  time.Duration
	Above float64
}

type countKeys struct {
	Over  string
	Above *float64
}

func (l *lint) count(k countKeys) Count {
	c := Count{Over: l.window("count.over", k.Over)}
	if k.Above == nil {
		l.bad("count.above", "no threshold: give the number of errors above which the alert fires")
		return c
	}
	if c.Above = *k.Above; c.Above < 0 {
		l.bad("count.above", "%s is negative: give 0 or more", number(c.Above))
	}
	return c
}

func (c Count) window() time.Duration { return c.Over }
func (c Count) needs() needs          { return needs{errors: true} }
func (c Count) threshold() float64    { return c.Above }

func (c Count) measure(n counts, at time.Time) Measure {
	return Measure{Errors: n.errors.between(at.Add(-c.Over), at)}
}

func (c Count) judge(m Measure, firing bool, resolveBelow float64) Verdict {
	v := Verdict{Value: float64(m.Errors), Threshold: c.Above}
	v.compare(firing, resolveBelow, fmt.Sprintf("%s in %s", count(m.Errors, "error"), short(c.Over)), number)
	return v
}

// Rate compares errors with all requests of the same place: of the keys of a group, those that
// requests have too (tenant, service, route). If neither the select nor the keys look at the
// errors themselves, it is the share of requests that had an error, otherwise the number of errors
// per request.
type Rate struct {
	Over        time.Duration
	Above       float64
	MinErrors   uint64
	MinRequests uint64 // with fewer the alert does not fire, and a firing one recovers
}

type rateKeys struct {
	Over        string
	Above       *float64
	MinErrors   *uint64 `yaml:"min_errors"`
	MinRequests *uint64 `yaml:"min_requests"`
}

func (l *lint) rate(k rateKeys) Rate {
	r := Rate{Over: l.window("rate.over", k.Over), MinErrors: 1}
	if k.Above == nil {
		l.bad("rate.above", "no threshold: give the share of all requests above which the alert fires, such as 0.2")
	} else if r.Above = *k.Above; r.Above < 0 || r.Above >= 1 {
		l.bad("rate.above", "%s is not a share: give 0 or more and less than 1; 0.2 is 20%%", number(r.Above))
	}
	if k.MinErrors != nil {
		r.MinErrors = *k.MinErrors
	}
	if k.MinRequests == nil || *k.MinRequests == 0 {
		l.bad("rate.min_requests", "a share of few requests means nothing: give the least number of requests in the window, 1 or more")
	} else {
		r.MinRequests = *k.MinRequests
	}
	return r
}

func (r Rate) window() time.Duration { return r.Over }
func (r Rate) needs() needs          { return needs{errors: true, requests: true} }
func (r Rate) threshold() float64    { return r.Above }

func (r Rate) measure(n counts, at time.Time) Measure {
	return Measure{Errors: n.errors.between(at.Add(-r.Over), at), Requests: n.requests.between(at.Add(-r.Over), at)}
}

func (r Rate) judge(m Measure, firing bool, resolveBelow float64) Verdict {
	v := Verdict{Threshold: r.Above}
	if m.Requests > 0 {
		v.Value = float64(m.Errors) / float64(m.Requests)
	}
	over := short(r.Over)
	switch {
	case m.Requests < r.MinRequests:
		v.Says = fmt.Sprintf("%s in %s, fewer than the %d needed to judge", count(m.Requests, "request"), over, r.MinRequests)
	case m.Errors < r.MinErrors && !(firing && resolveBelow > 0):
		v.Says = fmt.Sprintf("%s in %s, fewer than the %d needed", count(m.Errors, "error"), over, r.MinErrors)
	default:
		v.compare(firing, resolveBelow, fmt.Sprintf("%s of %s in %s (%d)", percent(v.Value), count(m.Requests, "request"), over, m.Errors), percent)
	}
	return v
}

// compare decides and words the decision. An alert does not fire at exactly the threshold, and has
// not recovered at exactly resolveBelow.
func (v *Verdict) compare(firing bool, resolveBelow float64, what string, format func(float64) string) {
	side := "above"
	v.Active = v.Value > v.Threshold
	if !v.Active {
		side = "not above"
	}
	if firing && resolveBelow > 0 {
		v.Threshold, v.Active, side = resolveBelow, true, "not below"
		if v.Value < resolveBelow {
			v.Active, side = false, "below"
		}
	}
	v.Says = fmt.Sprintf("%s, %s %s", what, side, format(v.Threshold))
}
