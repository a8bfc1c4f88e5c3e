// Package alert evaluates alert rules over what the ingester has written, and notifies.
//
//	alerts.yaml --Load--> Group, Rule   what to look at, and when it is too much
//	                       |
//	      Runner.evaluate  |            counts every minute since the last evaluation
//	                       v
//	    Condition.judge: Verdict --> Rule.step: State', Change    pure functions
//	                       |
//	                       v
//	      Runner.record                 transitions, queued notifications, states: in ClickHouse
//	                       |
//	                       v
//	      notify.Notifier               webhook, Alertmanager; off until switched on
//
// Time is the data's. A rule is evaluated at every multiple of its group's interval, over the
// window that ends there, as soon as the watermark of the data has passed it, and never before. So
// an ingester that lags delays alerts: it neither resolves nor raises any. The wall clock only
// paces notifications.
//
// The identity of an alert is its rule and the values of the columns that the rule groups by.
// Nothing else belongs to it, and never a number. An alert goes from inactive to pending to
// firing, and by the transition called resolved to inactive again.
//
// An evaluation is recorded before anyone is notified of it, in an order that makes it safe to
// repeat after a crash: transitions, then queued notifications, then states. The first two replace
// themselves when they are written again, and without the states the evaluation is repeated from
// the states before it. Package notify says what is promised for a notification once it is queued.
//
// Where to extend it: a condition (new code, flatline, burn rate) is a row of conditions; a
// phase (recovering, late, no data) is a case of Rule.step; a test of rules and a backtest call
// Rule.replay, which writes nothing.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"text/template"
	"time"
)

// Group is a group of rules that are evaluated at the same interval.
type Group struct {
	Name     string
	Interval time.Duration
	Rules    []Rule
}

// Rule says what to count, in what groups, and when it is too much.
type Rule struct {
	Name          string // unique among all groups
	Select        Select
	By            []string // of Columns
	Condition     Condition
	ResolveBelow  float64       // a firing alert recovers below it; 0: when the condition stops to hold
	For           time.Duration // how long the condition has to hold before the alert fires
	KeepFiringFor time.Duration // how long the alert has to have recovered before it is resolved
	Labels        map[string]string
	Annotations   map[string]*template.Template // of Facts
}

// Alert is one group of a rule that is pending or firing.
type Alert struct {
	Keys   []string // the values of the rule's By
	State  State
	Notice Notification // the one that was made when it fired
}

// fingerprint returns the identity of an alert: its rule and its keys.
func (r *Rule) fingerprint(keys []string) string {
	h := sha256.New()
	write := func(part string) { fmt.Fprintf(h, "%d:%s", len(part), part) }
	write(r.Name)
	for i, column := range r.By {
		write(column)
		write(keys[i])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// alertname is the label in which Alertmanager has the rule's name.
const alertname = "alertname"

// labels returns the rule's name, its own labels and the keys of a group.
func (r *Rule) labels(keys []string) map[string]string {
	labels := map[string]string{alertname: r.Name}
	maps.Copy(labels, r.Labels)
	for i, column := range r.By {
		labels[column] = keys[i]
	}
	return labels
}

// equal returns the rule's select, narrowed to one group.
func (r *Rule) equal(keys []string) Select {
	s := r.Select
	s.Equal = map[string]string{}
	for i, column := range r.By {
		s.Equal[column] = keys[i]
	}
	return s
}
