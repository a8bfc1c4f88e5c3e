package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/catalog"
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
	Level       string            `json:"level,omitempty"` // warning, critical: of a rule with two levels
	Late        bool              `json:"late,omitempty"`  // told long after it began, or after its end
	StartsAt    cli.Timestamp     `json:"starts_at"`
	EndsAt      cli.Timestamp     `json:"ends_at"`
	Code        string            `json:"code"`   // the most frequent
	Family      string            `json:"family"` // of Code
	Owner       string            `json:"owner"`  // of Code: who can do something about it
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
func (e *evaluator) firing(ctx context.Context, rule *Rule, s step) (Notification, error) {
	n := Notification{
		ID: id(rule.fingerprint(s.keys), s.at, Firing), Status: Firing, Alert: rule.Name, Labels: rule.labels(s.keys, s.change.Level),
		Value: s.change.Value, Threshold: s.change.Threshold, Errors: s.verdict.Errors, Requests: s.verdict.Requests, Reason: s.change.Reason,
		Level: rule.levelName(s.change.Level), StartsAt: cli.Timestamp{Time: s.at}, Codes: []CodeCount{}, RequestIDs: []string{}, Why: []string{}, Annotations: map[string]string{},
	}
	if needs := rule.needs(); needs.errors || needs.blind {
		if err := e.addBehind(ctx, rule, s, &n); err != nil {
			return n, err
		}
	}
	facts := Facts{basicFacts{n.Labels, n.Value, n.Threshold, n.Errors, n.Reason, strings.Join(n.Why, "; "), n.Level, n.Code, n.Description, n.Remedy}, n.Requests}
	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		n.Annotations[name] = execute(rule.Annotations[name], facts)
	}
	n.Summary = cmp.Or(n.Annotations["summary"], rule.Name+": "+n.Reason)
	return n, nil
}

// addBehind adds the codes and the requests behind an alert.
func (e *evaluator) addBehind(ctx context.Context, rule *Rule, s step, n *Notification) error {
	windows := rule.Condition.windows()
	window := cmp.Or(s.change.Window.Over, windows[len(windows)-1])
	b, err := e.source.behind(ctx, rule.equal(s.keys), s.at.Add(-window), s.at)
	if err != nil {
		return err
	}
	codes := b.codes
	for _, c := range codes {
		n.Codes = append(n.Codes, CodeCount{c.Code, c.Errors})
	}
	if len(codes) > 0 {
		n.Code = codes[0].Code
		known := e.catalogs.Lookup(codes[0].Code, codes[0].Dialect, codes[0].Service, int(codes[0].Status), codes[0].Message)
		n.Description, n.Remedy = known.Texts()
		n.Family, n.Owner = catalog.Unknown, ""
		if known.Family != nil {
			n.Family = known.Family.Name
		}
		if known.Entry != nil {
			n.Owner = known.Entry.Owner
		}
	}
	n.RequestIDs, n.Why = append(n.RequestIDs, b.requests...), append(n.Why, b.why...)
	return nil
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
	n.Value, n.Threshold, n.Errors, n.Requests, n.Reason = s.change.Value, s.change.Threshold, s.verdict.Errors, s.verdict.Requests, s.change.Reason
	return n
}

// past returns a notification of an alert that was resolved before anyone was told that it fires.
func (n Notification) past() Notification {
	if n.ID == "" {
		return n
	}
	was := "was firing " + episode(n.StartsAt.Time, n.EndsAt.Time) + " UTC"
	n.Late, n.Reason, n.Summary = true, fmt.Sprintf("%s; told late; then %s", was, n.Reason), "[past] "+was+": "+n.Summary
	return n
}

// late returns a notification of an alert that has been firing for long.
func (n Notification) late() Notification {
	n.Late = true
	n.Reason += fmt.Sprintf("; told late: it has been firing since %s UTC", clock(n.StartsAt.Time))
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

// at returns when what n tells of happened.
func (n Notification) at() time.Time {
	_, rest, _ := strings.Cut(n.ID, "-")
	text, _, _ := strings.Cut(rest, "-")
	if milli, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(milli).UTC()
	}
	return n.StartsAt.Time
}

// message returns n for all targets.
func (n Notification) message() notify.Message {
	at := n.at()
	annotations := map[string]string{
		"summary": n.Summary, "reason": n.Reason, "code": n.Code, "description": n.Description, "remedy": n.Remedy,
		"request_ids": strings.Join(n.RequestIDs, " "), "why": strings.Join(n.Why, "; "), "value": number(n.Value), "threshold": number(n.Threshold),
	}
	maps.Copy(annotations, n.Annotations)
	return notify.Message{
		Source: n.Alert, Fingerprint: n.fingerprint(), At: at, Event: n.Status, JSON: n.text(), Title: n.Summary, Details: n.details(),
		Alert: &notify.Alert{
			Labels: n.Labels, Annotations: annotations, StartsAt: n.StartsAt.Time, EndsAt: n.EndsAt.Time,
			Attributes: map[string]string{"code": n.Code, "family": n.Family, "owner": n.Owner}, Codes: n.allCodes(), Errors: n.Errors,
		},
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
