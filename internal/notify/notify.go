// Package notify tells people and programs what has happened. It knows nothing of alert rules or
// reports: they hand it messages.
//
//	Message --Deliveries--> a row per target --stored by whoever has the message--+
//	                                                                              |
//	Notifier.Send <--oldest first-- Queue (ClickHouse) <--------------------------+
//	      |
//	      +--> webhook         each message once, retried until it is taken, refused or expired
//	      +--> Alertmanager    what is firing, again and again; no queue
//
// Delivery guarantee: a message that is in the queue reaches its target, or the log says that it
// was refused or has expired. It leaves the queue after the target has taken it, so it is sent
// twice only if the process dies between the two. Its identity (source, fingerprint, time and
// event) is the same each time, and a message that has left the queue never enters it again.
// Messages to one target keep their order: while it is in trouble, those that follow wait. Targets
// do not wait for each other.
//
// Alertmanager needs no queue. Like Prometheus, Send tells it every minute what is firing; it
// resolves an alert that it has not heard of for four minutes.
//
// Nobody is told anything until a setting names a target. Another kind of target (chat, mail) is a
// row of targets in New, a function that sends, and, where JSON is not its format, a field of
// Message. Routes would pick the targets of a message in Deliveries.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"errata/internal/link"
	"errata/internal/store"
)

// Config says who is told.
type Config struct {
	Webhook      Endpoint      `mapstructure:"webhook"`
	Alertmanager Endpoint      `mapstructure:"alertmanager"`
	Timeout      time.Duration `mapstructure:"timeout"`      // of one request
	ExpireAfter  time.Duration `mapstructure:"expire_after"` // how long a message is retried
}

// Endpoint is where a target is.
type Endpoint struct {
	URL string `mapstructure:"url"` // "": there is no such target
}

// Defaults tell nobody.
var Defaults = Config{Timeout: 10 * time.Second, ExpireAfter: 24 * time.Hour}

// Validate reports what is wrong with the settings.
func (c Config) Validate() error {
	if err := CheckURL(c.Webhook.URL); err != nil {
		return fmt.Errorf("notify.webhook.url %w", err)
	}
	if err := CheckURL(c.Alertmanager.URL); err != nil {
		return fmt.Errorf("notify.alertmanager.url %w", err)
	}
	switch {
	case c.Timeout < time.Second || c.Timeout > time.Minute:
		return fmt.Errorf("notify.timeout is %s: give 1s to 1m", c.Timeout)
	case c.ExpireAfter < time.Minute || c.ExpireAfter > 30*24*time.Hour:
		return fmt.Errorf("notify.expire_after is %s: give 1m to 720h", c.ExpireAfter)
	}
	return nil
}

// CheckURL reports whether a target can be at a URL, or at none. Its error continues a sentence
// that begins with the name of the setting, and leaves the URL out, which may hold a secret.
func CheckURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("is not a URL: give one like http://host:port/path")
	}
	return nil
}

// Message is something that has happened, in the formats of all targets. Source, Fingerprint, At
// and Event are its identity.
type Message struct {
	Source      string    // what it is about, such as the rule of an alert
	Fingerprint string    // which alert or report of the source
	At          time.Time // when it happened
	Event       string    // what happened, such as "firing" or "resolved"
	JSON        string    // what a webhook gets
	Alert       *Alert    // what Alertmanager gets; nil: nothing
}

// Notifier sends messages to the targets of its Config. It belongs to one goroutine.
type Notifier struct {
	Now func() time.Time // the wall clock

	queue        Queue
	log          *slog.Logger
	expireAfter  time.Duration
	targets      []*target
	alertmanager *alertmanager // nil: there is none
}

// New makes a Notifier. The Config has to be valid.
func New(cfg Config, q Queue, log *slog.Logger) *Notifier {
	n := &Notifier{Now: time.Now, queue: q, log: log, expireAfter: cfg.ExpireAfter}
	client := client{timeout: cfg.Timeout}
	for _, t := range []struct {
		name string
		url  string
		body func(Message) string
	}{
		{"webhook", cfg.Webhook.URL, func(m Message) string { return m.JSON }},
	} {
		if t.url != "" {
			n.targets = append(n.targets, &target{
				name:  t.name,
				body:  t.body,
				send:  func(ctx context.Context, body string) error { return client.post(ctx, t.url, body) },
				retry: newRetry(),
			})
		}
	}
	if cfg.Alertmanager.URL != "" {
		n.alertmanager = newAlertmanager(cfg.Alertmanager.URL, client)
	}
	return n
}

// Targets names who is told, nil for no one.
func (n *Notifier) Targets() (names []string) {
	for _, t := range n.targets {
		names = append(names, t.name)
	}
	if n.alertmanager != nil {
		names = append(names, "alertmanager")
	}
	return names
}

// Deliveries returns the rows that put messages into the queue of each target. Whoever stores them
// calls Update afterwards.
func (n *Notifier) Deliveries(messages ...Message) (deliveries []store.Delivery) {
	for _, m := range messages {
		for _, t := range n.targets {
			deliveries = append(deliveries, store.Delivery{
				Target: t.name, Source: m.Source, Fingerprint: m.Fingerprint, At: m.At, Event: m.Event,
				Body: t.body(m), Outcome: store.Queued, Written: n.Now(),
			})
		}
	}
	return deliveries
}

// Update makes Alertmanager hear of messages that have been stored.
func (n *Notifier) Update(messages ...Message) {
	if n.alertmanager == nil {
		return
	}
	for _, m := range messages {
		if m.Alert != nil {
			n.alertmanager.update(m.Fingerprint, *m.Alert, n.Now())
		}
	}
}

// Enqueue stores messages in the queue of each target. It changes nothing for a target that was
// told before.
func (n *Notifier) Enqueue(ctx context.Context, messages ...Message) error {
	if err := n.queue.RecordDeliveries(ctx, n.Deliveries(messages...)); err != nil {
		return fmt.Errorf("queue notifications: %w", err)
	}
	n.Update(messages...)
	return nil
}

// Send gives every target its turn: what is due goes out. The result reports whether something is
// left to send, be it that a target is in trouble or that the turn was too short.
func (n *Notifier) Send(ctx context.Context) (left bool, err error) {
	for _, t := range n.targets {
		more, problem := n.deliver(ctx, t)
		left, err = left || more, errors.Join(err, problem)
	}
	if n.alertmanager != nil {
		more, problem := n.alertmanager.tell(ctx, n.Now())
		left, err = left || more, errors.Join(err, problem)
	}
	return left, err
}

// patience is how long Flush waits for targets that are in trouble.
const patience = 30 * time.Second

// Flush sends until nothing is left. If a target stays in trouble, its messages stay in the queue
// for the next process, and the error is link.ErrUnreachable.
func (n *Notifier) Flush(ctx context.Context) error {
	began, last := time.Now(), error(nil)
	for {
		left, err := n.Send(ctx)
		if err != nil {
			last = err
			n.log.Warn("failed to notify", "error", err)
		}
		switch {
		case !left || ctx.Err() != nil:
			return ctx.Err()
		case last == nil:
			continue
		case time.Since(began) > patience:
			return link.Unreachable("some notifications could not be sent and stay queued for the next run: %s", strings.ReplaceAll(last.Error(), "\n", "; "))
		}
		select {
		case <-ctx.Done():
		case <-time.After(firstPause):
		}
	}
}

const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// retry spaces out the tries of a target that is in trouble.
type retry struct {
	pauses backoff.ExponentialBackOff
	next   time.Time // no try before it
}

func newRetry() *retry {
	return &retry{pauses: backoff.ExponentialBackOff{InitialInterval: firstPause, Multiplier: 2, MaxInterval: longestPause}}
}

// failed returns how long the pause is that begins now.
func (r *retry) failed(now time.Time) time.Duration {
	pause := r.pauses.NextBackOff()
	r.next = now.Add(pause)
	return pause
}

func (r *retry) succeeded() { r.pauses.Reset() }
