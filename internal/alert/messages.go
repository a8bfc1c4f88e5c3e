package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"errata/internal/cli"
	"errata/internal/notify"
)

// Notification is what receivers are told when an alert fires and when it is resolved; the latter
// with the codes and requests of when it fired. As JSON it is the body that a webhook gets.
type Notification struct {
	ID          string            `json:"id"`     // the same whenever it is sent
	Status      string            `json:"status"` // firing, resolved
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Value       float64           `json:"value"`
	Threshold   float64           `json:"threshold"`
	Errors      uint64            `json:"errors"` // in the window
	Requests    uint64            `json:"requests,omitempty"`
	Reason      string            `json:"reason"`
	StartsAt    cli.Timestamp     `json:"starts_at"`
	EndsAt      cli.Timestamp     `json:"ends_at"`
	Code        string            `json:"code"` // the most frequent
	Codes       []CodeCount       `json:"codes"`
	Description string            `json:"description"` // of Code
	Remedy      string            `json:"remedy"`
	RequestIDs  []string          `json:"request_ids"` // some of the latest
	Why         []string          `json:"why"`         // what makes the errors different from those before
	Summary     string            `json:"summary"`
	Annotations map[string]string `json:"annotations"`
}

// CodeCount is a code with its errors in the window.
type CodeCount struct {
	Code   string `json:"code"`
	Errors uint64 `json:"errors"`
}

const (
	maxCodes    = 5
	maxRequests = 5
)

// firing makes the notification of an alert that fires, with what the window and the catalogs say
// of it.
func (r *Runner) firing(ctx context.Context, rule *Rule, s step) (Notification, error) {
	n := Notification{
		ID: id(rule.fingerprint(s.keys), s.at, Firing), Status: Firing, Alert: rule.Name, Labels: rule.labels(s.keys),
		Value: s.change.Value, Threshold: s.change.Threshold, Errors: s.measure.Errors, Requests: s.measure.Requests, Reason: s.change.Reason,
		StartsAt: cli.Timestamp{Time: s.at}, Codes: []CodeCount{}, RequestIDs: []string{}, Annotations: map[string]string{},
	}
	group, from := rule.equal(s.keys), s.at.Add(-cmp.Or(s.change.Window.Over, rule.Condition.window()))
	codes, err := topCodes(ctx, r.Store, group, from, s.at, maxCodes)
	if err != nil {
		return n, err
	}
	for _, c := range codes {
		n.Codes = append(n.Codes, CodeCount{c.Code, c.Errors})
	}
	if len(codes) > 0 {
		n.Code = codes[0].Code
		n.Description, n.Remedy = r.Catalogs.Lookup(codes[0].Code, codes[0].Dialect, codes[0].Service, int(codes[0].Status), codes[0].Message).Texts()
	}
	ids, err := latestRequests(ctx, r.Store, group, from, s.at, maxRequests)
	if err != nil {
		return n, err
	}
	n.RequestIDs = append(n.RequestIDs, ids...)
	if n.Why, err = causes(ctx, r.Store, group, from, s.at); err != nil {
		return n, err
	}
	facts := Facts{n.Labels, n.Value, n.Threshold, n.Errors, n.Requests, n.Reason, strings.Join(n.Why, "; "), n.Code, n.Description, n.Remedy}
	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		n.Annotations[name] = execute(rule.Annotations[name], facts)
	}
	n.Summary = cmp.Or(n.Annotations["summary"], rule.Name+": "+n.Reason)
	return n, nil
}

// execute puts an error into the text, because a template must not keep an alert from being sent.
func execute(t *template.Template, facts Facts) string {
	var text strings.Builder
	if err := t.Execute(&text, facts); err != nil {
		return fmt.Sprintf("%s(%v)", text.String(), err)
	}
	return text.String()
}

func id(fingerprint string, at time.Time, to string) string {
	return fmt.Sprintf("%s-%d-%s", fingerprint, at.UnixMilli(), to)
}

// fingerprint returns the identity of the alert.
func (n Notification) fingerprint() string {
	fingerprint, _, _ := strings.Cut(n.ID, "-")
	return fingerprint
}

// resolved returns the notification that follows n. If n has no ID, it has none and is not sent.
func (n Notification) resolved(s step) Notification {
	if n.ID == "" {
		return Notification{}
	}
	n.ID, n.Status, n.EndsAt = id(n.fingerprint(), s.at, Resolved), Resolved, cli.Timestamp{Time: s.at}
	n.Value, n.Threshold, n.Errors, n.Requests, n.Reason = s.change.Value, s.change.Threshold, s.measure.Errors, s.measure.Requests, s.change.Reason
	return n
}

// text returns n as JSON, "" if it has no ID.
func (n Notification) text() string {
	if n.ID == "" {
		return ""
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // strings and finite numbers alone
	}
	return string(text)
}

// message returns n for all targets.
func (n Notification) message() notify.Message {
	at := n.StartsAt.Time
	if n.Status == Resolved {
		at = n.EndsAt.Time
	}
	annotations := map[string]string{
		"summary": n.Summary, "reason": n.Reason, "code": n.Code, "description": n.Description, "remedy": n.Remedy,
		"request_ids": strings.Join(n.RequestIDs, " "), "why": strings.Join(n.Why, "; "), "value": number(n.Value), "threshold": number(n.Threshold),
	}
	maps.Copy(annotations, n.Annotations)
	return notify.Message{
		Source: n.Alert, Fingerprint: n.fingerprint(), At: at, Event: n.Status, JSON: n.text(),
		Alert: &notify.Alert{Labels: n.Labels, Annotations: annotations, StartsAt: n.StartsAt.Time, EndsAt: n.EndsAt.Time},
	}
}

// messages returns the messages of those notifications that have an ID.
func messages(notices ...Notification) (all []notify.Message) {
	for _, n := range notices {
		if n.ID != "" {
			all = append(all, n.message())
		}
	}
	return all
}
