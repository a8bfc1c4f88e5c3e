// Package alert evaluates alert rules over what the ingester has written, and tells the world.
//
//	alerts.yaml --Load--> Group, Rule     what to look at and when it is too much; whole and valid, or an error
//	                        |
//	      Runner.evaluate   |            asks the store for the counts of all minutes since the last evaluation
//	                        v
//	    Rule.judge: Verdict --> Rule.step: State', Change      pure functions of (time, numbers, state)
//	                        |
//	                        v
//	      Runner.record                  transitions, queued notifications, states: all in ClickHouse
//	                        |
//	                        v
//	      Runner.deliver                 webhook, Alertmanager; off until switched on
//
// Time is the data's. A rule is evaluated at every multiple of its group's interval, over the window that
// ends there, as soon as the watermark of the data has passed it, and never before: so an ingester that lags
// delays alerts, and neither resolves nor raises any. The clock on the wall only paces deliveries.
//
// An alert is a rule and the values of the columns it groups by; nothing else, and never a number, is in its
// identity. It goes inactive, pending, firing, and by the transition called resolved to inactive again.
//
// What is promised: an evaluation is recorded before anybody is told of it, in an order that makes it
// harmless to repeat it after a crash: the same transitions and queued notifications replace themselves, and the
// states come last. A notification leaves the queue when its target has taken it. It is repeated only
// when we die between the two, and carries an id by which it can be known.
// Alertmanager has no queue: it is told every minute what is firing, as Prometheus does, and what it is not
// told any more it resolves by itself.
//
// Where things to come have their place: another way to judge (a spike against a baseline, a new code, a
// flatline, a burn rate) is a further pointer in Rule beside Count and Rate, and a branch in judge and fetch; late and
// no_data are further phases in step; a backtest calls replay without record; another target is a row in Runner.targets.
package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"errata/internal/store"
)

// Group is rules that are evaluated at the same interval.
type Group struct {
	Name     string
	Interval time.Duration
	Rules    []Rule
}

// Rule says what to count, in what groups, and when it is too much. Exactly one of Count and Rate is there.
type Rule struct {
	Name          string // no two rules have the same
	Select        store.AlertSelect
	By            []string // of store.TopColumns
	Count         *Count
	Rate          *Rate
	ResolveBelow  float64       // a firing alert recovers below it; 0: as soon as it is not above any more
	For           time.Duration // how long it has to be too much
	KeepFiringFor time.Duration // how long it has to have recovered
	Labels        map[string]string
	Annotations   map[string]*template.Template // of Facts
}

// Count compares the number of errors.
type Count struct {
	Over  time.Duration
	Above float64
}

// Rate compares errors with all requests of the same tenant, service and route, as far as the rule groups by
// these: a rule by family, kind or code takes the requests of the remaining keys. Where neither the select nor the
// grouping looks at the errors themselves, it is the share of requests with an error, else that of errors.
type Rate struct {
	Over        time.Duration
	Above       float64
	MinErrors   uint64
	MinRequests uint64 // with fewer there is nothing to compare with, and no alert
}

func (r *Rule) over() time.Duration {
	if r.Rate != nil {
		return r.Rate.Over
	}
	return r.Count.Over
}

// Measure is what a rule counted in one window.
type Measure struct{ Errors, Requests uint64 }

// Verdict is what a rule says of a measure.
type Verdict struct {
	Active    bool // too much; of a firing alert: not recovered
	Value     float64
	Threshold float64
	Says      string // "41 errors in 5m, above 20"
}

// judge compares a measure with the threshold that holds: that of recovery while the alert fires.
func (r *Rule) judge(m Measure, firing bool) Verdict {
	if r.Rate != nil {
		return r.judgeRate(m, firing)
	}
	v := Verdict{Value: float64(m.Errors), Threshold: r.Count.Above}
	v.compare(firing, r.ResolveBelow, fmt.Sprintf("%s in %s", count(m.Errors, "error"), short(r.Count.Over)), number)
	return v
}

func (r *Rule) judgeRate(m Measure, firing bool) Verdict {
	v := Verdict{Threshold: r.Rate.Above}
	if m.Requests > 0 {
		v.Value = float64(m.Errors) / float64(m.Requests)
	}
	over := short(r.Rate.Over)
	switch {
	case m.Requests < r.Rate.MinRequests:
		v.Says = fmt.Sprintf("%s in %s, fewer than the %d that it takes to judge", count(m.Requests, "request"), over, r.Rate.MinRequests)
		return v
	case m.Errors < r.Rate.MinErrors && !(firing && r.ResolveBelow > 0):
		v.Says = fmt.Sprintf("%s in %s, fewer than the %d that it takes", count(m.Errors, "error"), over, r.Rate.MinErrors)
		return v
	}
	v.compare(firing, r.ResolveBelow, fmt.Sprintf("%s of %s in %s (%d)", percent(v.Value), count(m.Requests, "request"), over, m.Errors), percent)
	return v
}

// compare decides, and says so. At exactly the threshold an alert does not fire; at exactly that of recovery it has not recovered.
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

// The phases of an alert. Resolved is the name of the transition from firing to inactive.
const (
	Inactive = "inactive"
	Pending  = "pending"
	Firing   = "firing"
	Resolved = "resolved"
)

// State is where an alert stands between two evaluations. The zero State is inactive.
type State struct {
	Phase    string    // Inactive (or ""), Pending, Firing
	Since    time.Time // when it became that
	LowSince time.Time // since when a firing alert has recovered; zero: it has not
}

// Change is a transition of one alert. To may be Resolved.
type Change struct {
	From, To  string
	Reason    string
	Value     float64
	Threshold float64
}

// step is the state machine: what becomes of an alert at a time. The Change is nil when it stays what it is.
func (r *Rule) step(now time.Time, m Measure, s State) (State, *Change) {
	v := r.judge(m, s.Phase == Firing)
	change := func(to, reason string) *Change {
		return &Change{cmp.Or(s.Phase, Inactive), to, reason, v.Value, v.Threshold}
	}
	switch s.Phase {
	case Pending:
		switch {
		case !v.Active:
			return State{}, change(Inactive, fmt.Sprintf("%s, after %s of %s", v.Says, short(now.Sub(s.Since)), short(r.For)))
		case now.Sub(s.Since) >= r.For:
			return State{Phase: Firing, Since: now}, change(Firing, fmt.Sprintf("%s, for %s", v.Says, short(r.For)))
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
		return State{Phase: Firing, Since: now}, change(Firing, v.Says)
	}
}

// Alert is one group of a rule that is pending or firing.
type Alert struct {
	Keys   []string // the values of the rule's By
	State  State
	Notice Notification // what was said when it fired
}

// fingerprint is the identity of an alert: its rule and its keys.
func (r *Rule) fingerprint(keys []string) string {
	h := sha256.New()
	for _, part := range append([]string{r.Name}, join(r.By, keys)...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func join(names, values []string) (all []string) {
	for i := range names {
		all = append(all, names[i], values[i])
	}
	return all
}

// alertname is the label that Alertmanager has the rule's name in.
const alertname = "alertname"

// labels are the keys of a group, the rule's own labels and its name.
func (r *Rule) labels(keys []string) map[string]string {
	labels := map[string]string{alertname: r.Name}
	for name, value := range r.Labels {
		labels[name] = value
	}
	for i, column := range r.By {
		labels[column] = keys[i]
	}
	return labels
}

// equal is the rule's select, narrowed to one group.
func (r *Rule) equal(keys []string) store.AlertSelect {
	s := r.Select
	s.Equal = map[string]string{}
	for i, column := range r.By {
		s.Equal[column] = keys[i]
	}
	return s
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// percent writes a share with at least one digit behind the point, and more where the share is small.
func percent(share float64) string {
	if share != 0 && share < 0.001 {
		return strconv.FormatFloat(share*100, 'g', 2, 64) + "%"
	}
	return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
}

// short writes a duration as people do: 5m, 1h30m.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
