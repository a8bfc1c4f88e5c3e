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
// Where things to come have their place: another condition (a spike against a baseline, a new code, a flatline, a
// burn rate) is a row of conditions; late and no_data are further phases in step; a backtest calls replay without
// record; another target is a row in Runner.targets.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"text/template"
	"time"
)

// Group is rules that are evaluated at the same interval.
type Group struct {
	Name     string
	Interval time.Duration
	Rules    []Rule
}

// Rule says what to count, in what groups, and when it is too much.
type Rule struct {
	Name          string // no two rules have the same
	Select        Select
	By            []string // of Columns
	Condition     Condition
	ResolveBelow  float64       // a firing alert recovers below it; 0: as soon as the condition does not hold
	For           time.Duration // how long the condition has to hold
	KeepFiringFor time.Duration // how long it has to have recovered
	Labels        map[string]string
	Annotations   map[string]*template.Template // of Facts
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
func (r *Rule) equal(keys []string) Select {
	s := r.Select
	s.Equal = map[string]string{}
	for i, column := range r.By {
		s.Equal[column] = keys[i]
	}
	return s
}
