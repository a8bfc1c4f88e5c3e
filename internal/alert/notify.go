package alert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"time"

	"errata/internal/store"
)

// Notification is what the world is told when an alert fires, and when it is resolved: then with the codes and
// requests of when it fired. It is the body of the webhook.
type Notification struct {
	ID          string            `json:"id"`     // the same when it is sent again
	Status      string            `json:"status"` // firing, resolved
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Value       float64           `json:"value"`
	Threshold   float64           `json:"threshold"`
	Errors      uint64            `json:"errors"` // in the window
	Requests    uint64            `json:"requests,omitempty"`
	Reason      string            `json:"reason"`
	StartsAt    stamp             `json:"starts_at"`
	EndsAt      *stamp            `json:"ends_at"`
	Code        string            `json:"code"` // the most frequent
	Codes       []CodeCount       `json:"codes"`
	Description string            `json:"description"` // of Code
	Remedy      string            `json:"remedy"`
	RequestIDs  []string          `json:"request_ids"` // some of the latest
	Summary     string            `json:"summary"`
	Annotations map[string]string `json:"annotations"`
}

// CodeCount is a code with its errors in the window.
type CodeCount struct {
	Code   string `json:"code"`
	Errors uint64 `json:"errors"`
}

// stamp is a time that is written in UTC with milliseconds.
type stamp struct{ time.Time }

// Stamp is the layout of all times we print.
const Stamp = "2006-01-02T15:04:05.000Z"

func (s stamp) String() string               { return s.UTC().Format(Stamp) }
func (s stamp) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

const (
	maxCodes    = 5
	maxRequests = 5
)

// firing makes the notification of an alert that fires, with all that the window and the catalogs say of it.
func (r *Runner) firing(ctx context.Context, rule *Rule, s step) (Notification, error) {
	n := Notification{
		ID: id(rule.fingerprint(s.keys), s.at, Firing), Status: Firing, Alert: rule.Name, Labels: rule.labels(s.keys),
		Value: s.change.Value, Threshold: s.change.Threshold, Errors: s.measure.Errors, Requests: s.measure.Requests, Reason: s.change.Reason,
		StartsAt: stamp{s.at}, Codes: []CodeCount{}, RequestIDs: []string{}, Annotations: map[string]string{},
	}
	group, from := rule.equal(s.keys), s.at.Add(-rule.Condition.window())
	codes, err := r.Store.AlertCodes(ctx, group, from, s.at, maxCodes)
	if err != nil {
		return n, err
	}
	for _, c := range codes {
		n.Codes = append(n.Codes, CodeCount{c.Code, c.Errors})
	}
	if len(codes) > 0 {
		n.Code = codes[0].Code
		n.Description, n.Remedy = r.Catalogs.Lookup(codes[0].Code, codes[0].Dialect, codes[0].Service, codes[0].Status, codes[0].Message).Texts()
	}
	ids, err := r.Store.AlertRequests(ctx, group, from, s.at, maxRequests)
	if err != nil {
		return n, err
	}
	n.RequestIDs = append(n.RequestIDs, ids...)
	facts := Facts{n.Labels, n.Value, n.Threshold, n.Errors, n.Requests, n.Reason, n.Code, n.Description, n.Remedy}
	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		n.Annotations[name] = execute(rule.Annotations[name], facts)
	}
	n.Summary = cmp.Or(n.Annotations["summary"], rule.Name+": "+n.Reason)
	return n, nil
}

// execute never fails an alert for the sake of a text: what is wrong stands in the text.
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

// fingerprint is the identity of the alert.
func (n Notification) fingerprint() string {
	fingerprint, _, _ := strings.Cut(n.ID, "-")
	return fingerprint
}

// resolved is the notification that follows n. It has no ID, and is not sent, if n has none.
func (n Notification) resolved(s step) Notification {
	if n.ID == "" {
		return Notification{}
	}
	n.ID, n.Status, n.EndsAt = id(n.fingerprint(), s.at, Resolved), Resolved, &stamp{s.at}
	n.Value, n.Threshold, n.Errors, n.Requests, n.Reason = s.change.Value, s.change.Threshold, s.measure.Errors, s.measure.Requests, s.change.Reason
	return n
}

// text is n as JSON, "" for a Notification that is none.
func (n Notification) text() string {
	if n.ID == "" {
		return ""
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // it is all strings and finite numbers
	}
	return string(text)
}

// target takes notifications one by one, from a queue in ClickHouse. Further ones (Slack, mail) differ in send.
type target struct {
	name string
	send func(ctx context.Context, body string) error

	settled []store.AlertDelivery // sent, and not yet recorded so
	pause   time.Duration         // after a failure, doubled by each
	next    time.Time             // no try before it
}

const (
	requestTimeout = 10 * time.Second
	roundTime      = 30 * time.Second // after which the evaluation has its turn again
	roundLength    = 100
	firstPause     = time.Second
	longestPause   = time.Minute
	expiry         = 24 * time.Hour // of a notification that nobody took
)

// queued are the rows that put a notification into the queue of each target.
func (r *Runner) queued(t store.AlertTransition, n Notification) (deliveries []store.AlertDelivery) {
	if n.ID == "" {
		return nil
	}
	for _, target := range r.targets {
		deliveries = append(deliveries, store.AlertDelivery{
			Target: target.name, Rule: t.Rule, Fingerprint: t.Fingerprint, At: t.At, To: t.To, Body: n.text(), Outcome: store.Queued, Written: r.now(),
		})
	}
	return deliveries
}

// queueFiring queues what is firing at our start, for a target that has not been told yet: it may be new. For all
// others this changes nothing, because what was sent stays so.
func (r *Runner) queueFiring(ctx context.Context) error {
	var deliveries []store.AlertDelivery
	for rule, s := range r.standing {
		for _, a := range s.alerts {
			if a.State.Phase != Firing || a.Notice.ID == "" {
				continue
			}
			deliveries = append(deliveries, r.queued(store.AlertTransition{Rule: rule, Fingerprint: a.Notice.fingerprint(), At: a.State.Since, To: Firing}, a.Notice)...)
		}
	}
	return r.Store.RecordDeliveries(ctx, deliveries)
}

// deliver empties the target's queue as far as it goes in one round. A target that is in trouble is left alone
// for a while; what it refuses for good is taken out, so that it holds up nothing else. left tells that the queue is not empty.
func (r *Runner) deliver(ctx context.Context, t *target) (left bool, err error) {
	began := r.now()
	if began.Before(t.next) {
		return true, nil
	}
	if err := r.settle(ctx, t); err != nil {
		return true, err
	}
	queue, err := r.Store.QueuedDeliveries(ctx, t.name, roundLength)
	if err != nil {
		return true, err
	}
	for _, d := range queue {
		if ctx.Err() != nil || r.now().Sub(began) > roundTime {
			return true, ctx.Err()
		}
		d.Outcome = store.Sent
		var refusal refused
		// Nobody knows what became of a request that we cut short, so this one is let finish.
		switch err := t.send(context.WithoutCancel(ctx), d.Body); {
		case err == nil:
		case errors.As(err, &refusal):
			d.Outcome = store.Refused
			r.Log.Error("a notification is refused and not sent again", "target", t.name, "rule", d.Rule, "to", d.To, "error", err)
		case r.now().Sub(d.Written) > expiry:
			d.Outcome = store.Expired
			r.Log.Error("a notification could not be sent for a day and is given up", "target", t.name, "rule", d.Rule, "to", d.To, "error", err)
		default:
			t.pause = min(max(2*t.pause, firstPause), longestPause)
			t.next = r.now().Add(t.pause)
			return true, fmt.Errorf("%s does not take notifications, trying again in %s: %w", t.name, t.pause, err)
		}
		t.pause = 0
		d.Written = r.now()
		t.settled = append(t.settled, d)
		if err := r.settle(ctx, t); err != nil {
			return true, err
		}
	}
	return len(queue) == roundLength, nil
}

// settle records what is sent, also when we are to stop: else it would be sent again.
func (r *Runner) settle(ctx context.Context, t *target) error {
	if len(t.settled) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := r.Store.RecordDeliveries(ctx, t.settled); err != nil {
		return fmt.Errorf("record what was sent: %w", err)
	}
	t.settled = nil
	return nil
}

// refused is the answer of a server that will never take a body.
type refused struct{ error }

// post sends JSON and wants a 2xx. Its errors leave the address out, which may hold a secret.
func post(ctx context.Context, to, body string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "errata")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("POST to %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("POST to %s: %s: %s", req.URL.Host, resp.Status, bytes.TrimSpace(answer))
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return refused{err}
	}
	return err
}

// alertmanager is told what is firing, again and again. What it is not told any more it takes for resolved
// when endsAt comes.
type alertmanager struct {
	url      string
	resolved []ended
	told     time.Time // last
	dirty    bool      // something has changed since
	pause    time.Duration
	next     time.Time
}

// ended is a notification of a resolved alert, which is repeated for a while in case Alertmanager was away.
type ended struct {
	Notification
	until time.Time
}

const (
	resend         = time.Minute
	endsAhead      = 4 * time.Minute  // of the next telling: so many may fail
	repeatResolved = 15 * time.Minute // as Prometheus does
)

// changed takes a notification up that Alertmanager has to hear of soon.
func (r *Runner) changed(n Notification) {
	am := r.alertmanager
	if am == nil || n.ID == "" {
		return
	}
	am.dirty = true
	am.resolved = slices.DeleteFunc(am.resolved, func(e ended) bool { return e.fingerprint() == n.fingerprint() })
	if n.Status == Resolved {
		am.resolved = append(am.resolved, ended{n, r.now().Add(repeatResolved)})
	}
}

// tell tells Alertmanager all that is firing or has just been resolved, when it is time to. left tells that it
// has still to hear of something.
func (r *Runner) tell(ctx context.Context, am *alertmanager) (left bool, err error) {
	now := r.now()
	if now.Before(am.next) || !am.dirty && now.Sub(am.told) < resend {
		return am.dirty, nil
	}
	am.resolved = slices.DeleteFunc(am.resolved, func(e ended) bool { return now.After(e.until) })
	var all []postable
	for _, e := range am.resolved {
		all = append(all, e.postable(e.EndsAt.Time))
	}
	for _, s := range r.standing {
		for _, a := range s.alerts {
			if a.State.Phase == Firing && a.Notice.ID != "" {
				all = append(all, a.Notice.postable(now.Add(endsAhead)))
			}
		}
	}
	if len(all) > 0 {
		body, err := json.Marshal(all)
		if err != nil {
			return true, err
		}
		if err := post(ctx, am.url, string(body)); err != nil {
			am.pause = min(max(2*am.pause, firstPause), longestPause)
			am.next = now.Add(am.pause)
			return true, fmt.Errorf("alertmanager does not take alerts, trying again in %s: %w", am.pause, err)
		}
	}
	am.told, am.dirty, am.pause = now, false, 0
	return false, nil
}

// postable is an alert as Alertmanager's API v2 wants it.
type postable struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    stamp             `json:"startsAt"`
	EndsAt      stamp             `json:"endsAt"`
}

// postable has, beside the rule's own annotations, what the webhook has in fields.
func (n Notification) postable(endsAt time.Time) postable {
	annotations := map[string]string{
		"summary": n.Summary, "reason": n.Reason, "code": n.Code, "description": n.Description, "remedy": n.Remedy,
		"request_ids": strings.Join(n.RequestIDs, " "), "value": number(n.Value), "threshold": number(n.Threshold),
	}
	maps.Copy(annotations, n.Annotations)
	return postable{n.Labels, annotations, n.StartsAt, stamp{endsAt}}
}
