// Package alert evaluates alert rules over what the ingester has written, and notifies.
//
//	alerts.yaml --Load--> Group, Rule   what to look at, and when it is too much
//	                       |
//	   evaluator.evaluate  |            counts by minute, for all windows that are due
//	                       v
//	    Condition.judge: Verdict --> Rule.step: State', Change    pure functions
//	                       |
//	                       v
//	      Runner.record                 transitions, queued notifications, states: in ClickHouse
//	                       |
//	                       v
//	      notify.Notifier               webhook, Alertmanager; off until switched on
//
// Rules are evaluated in event time. A rule is evaluated at every multiple of its group's interval,
// over the window that ends there, as soon as the watermark of the data has passed it, and never
// before. So if an ingester lags, alerts come later. The lag itself neither raises nor resolves an
// alert. The wall clock paces notifications, and decides when data is late and for how long a query
// has failed.
//
// The identity of an alert is its rule and the values of the columns that the rule groups by.
// Nothing else belongs to it, and in particular no measured value, such as the count. state.go has
// the table of states.
//
// When a rule is new or its definition has changed, it is first evaluated over past windows, to
// find the states of its alerts. Nobody is notified of those windows, only of what is firing now.
// Later, every multiple of the interval is evaluated, however late. If the evaluator or the data
// was behind while an alert began and ended, one notification tells of that alert, as past.
//
// An evaluation is recorded before anyone is notified of it, in an order that makes it safe to
// repeat after a crash: transitions, then queued notifications, then states. If the process dies
// before the new states are written, the next one repeats the evaluation from the previous states;
// the transitions and notifications that it writes again replace the earlier ones. Package notify
// says what is promised for a notification once it is queued.
//
// All of this except the storing is done in memory, by the type evaluator. So a unit test of rules
// runs the same code, over inputs from a file and on a simulated clock. To add a condition, add a
// row to the table in conditions.go.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	Key           string                        // of the condition in the file
	Overrides     []override                    // of the condition's thresholds, for some tenants; the first that matches counts
	Table         tenantTable                   // the same, from a file
	ResolveBelow  float64                       // a firing alert recovers below it; 0: when the condition stops to hold
	For           time.Duration                 // how long the condition has to hold before the alert fires
	KeepFiringFor time.Duration                 // how long the alert has to have recovered before it is resolved
	Active        activeHours                   // when alerts may begin
	Labels        map[string]*template.Template // of labelFacts
	Annotations   map[string]*template.Template // of Facts

	// definition is a hash of all that decides when the rule fires. A rule whose definition has
	// changed begins again.
	definition string
}

// Alert is one group of a rule that is not inactive.
type Alert struct {
	Keys   []string // the values of the rule's By
	State  State
	Says   string       // the reason of its latest transition
	Value  float64      // at its latest transition
	Peak   uint64       // the most errors in its window since it fired
	Notice Notification // the one that was made when it fired
	Held   time.Time    // since when that waits to be sent; zero: it was sent
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

const (
	alertname = "alertname" // the label in which Alertmanager has the rule's name
	severity  = "severity"  // the label in which a rule with two levels has the level
)

// labels returns the rule's name, its own labels, the keys of a group and, if the rule has two
// levels, the level.
func (r *Rule) labels(keys []string, level int) map[string]string {
	labels := map[string]string{alertname: r.Name}
	facts := labelFacts{map[string]string{}}
	for i, column := range r.By {
		labels[column], facts.Labels[column] = keys[i], keys[i]
	}
	for name, t := range r.Labels {
		labels[name] = execute(t, facts)
	}
	if name := r.levelName(level); name != "" {
		labels[severity] = name
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
