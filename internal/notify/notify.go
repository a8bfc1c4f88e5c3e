// Package notify tells people and programs what has happened. It knows nothing of alert rules or
// reports: they hand it messages.
//
//	Message --Deliveries--> rows, stored by whoever has the message
//	   |                      |
//	   |                      +--> queued: for notify.webhook, and for receivers a message names
//	   |                      +--> waiting: events of alerts, one for each receiver of their route
//	   |                                |
//	   |                             group.go   groups, waits, mutes, folds, limits
//	   |                                |
//	   |                             Notice     queued in the INSERT that settles its events
//	   |                                v
//	   |   Notifier.Send <--oldest first-- Queue (ClickHouse)
//	   |         |
//	   |         +--> webhook, Slack, DingTalk, Feishu, WeCom, mail
//	   +--Update---> Alertmanager: what is firing, again and again; no queue
//
// Delivery guarantee: a message that is stored reaches its target, or the log says that it was
// refused or has expired. A crash can happen anywhere:
//
//   - Before the rows are stored: the caller has not recorded what happened either, so it repeats
//     its evaluation and creates the message again.
//   - Before a notice, the one message made of a group of events, is queued: its events are still
//     waiting, and the next process groups them.
//   - Before a notice is sent, or after it is sent but before the sending is recorded: the next
//     process sends it, with the same key and the same content. A target that honours keys takes it
//     once. With AtMostOnce, the sending is recorded before it begins, and no process repeats it.
//
// A notice and its events are stored in one INSERT into one partition, which ClickHouse does as a
// whole or not at all. The key of a message is a hash of what it tells, so two processes that group
// the same events send the same key. A message that has left the queue never enters it again.
// Messages to one target keep their order: while a target is in trouble, all its later messages
// wait behind the one that could not be sent, and new events gather for one notice. Targets do not
// wait for each other.
//
// Two processes may run if a Fence lets only one of them send. It is asked before each message and
// before a notice is queued. A process may be suspended after it has asked and before it sends.
// When it resumes, it can send a message that its successor sends too; both have the same key.
//
// Alertmanager needs no queue. Update records what has changed. Once a minute, Send tells
// Alertmanager about everything that is firing, as Prometheus does. Alertmanager resolves an alert
// of which it has heard nothing for four minutes.
//
// Nobody is told anything until a setting names a target. To add a kind of target, add a field to
// Receiver and a row to kinds; to add a way to render a message, add a method to Notice.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"errata/internal/link"
	"errata/internal/store"
)

// Notifier sends messages to the targets of its Config. It belongs to one goroutine.
type Notifier struct {
	Now func() time.Time // the wall clock
	// Fence returns an error if another process sends. It is asked before each step that only one
	// process may take. nil: there is no other process.
	Fence func(context.Context) error
	// AtMostOnce: a message that may have been sent already is not sent again. Without it, it is,
	// with the same key.
	AtMostOnce bool

	queue         Queue
	log           *slog.Logger
	expireAfter   time.Duration
	targets       []*target // in the order of the settings
	inboxes       []*inbox  // of the targets that get notices
	alertmanagers []*alertmanager
	routes        []*route
	link          linker
	mutes         mutes
	unrouted      map[string]bool // sources that the log has mentioned
	metrics       *Metrics        // nil: none
	measured      time.Time       // when the backlogs were counted last
}

// The targets of the settings that are no receivers.
const (
	legacyWebhook      = "webhook"
	legacyAlertmanager = "alertmanager"
)

// New makes a Notifier. The Config has to be valid.
func New(cfg Config, q Queue, log *slog.Logger) *Notifier {
	n := &Notifier{
		Now: time.Now, queue: q, log: log, expireAfter: cfg.ExpireAfter, routes: routesOf(cfg), link: newLinker(cfg.Link),
		mutes: mutes{queue: q, log: log, broken: map[string]bool{}}, unrouted: map[string]bool{},
	}
	client := client{timeout: cfg.Timeout}
	if cfg.Webhook.URL != "" {
		n.targets = append(n.targets, &target{name: legacyWebhook, retry: newRetry(), send: func(ctx context.Context, d store.Delivery) (string, error) {
			_, err := client.post(ctx, request{url: cfg.Webhook.URL, body: d.Body, header: keyHeader(d.Key)})
			return "", err
		}})
	}
	if cfg.Alertmanager.URL != "" {
		n.alertmanagers = append(n.alertmanagers, newAlertmanager(legacyAlertmanager, func() string { return cfg.Alertmanager.URL }, client))
	}
	for _, r := range cfg.Receivers {
		if r.Alertmanager != nil {
			n.alertmanagers = append(n.alertmanagers, newAlertmanager(r.Name, secret(r.Alertmanager.URL, r.Alertmanager.URLFile), client))
			continue
		}
		t := &target{name: r.Name, retry: newRetry(), send: noticeSender(n.sender(making{r, client, cfg}))}
		n.targets = append(n.targets, t)
		n.inboxes = append(n.inboxes, newInbox(r, t, routesOfReceiver(n.routes, r.Name)))
	}
	return n
}

// Targets names who is told, nil for no one.
func (n *Notifier) Targets() (names []string) {
	for _, t := range n.targets {
		names = append(names, t.name)
	}
	for _, am := range n.alertmanagers {
		names = append(names, am.name)
	}
	return names
}

// Deliveries returns the rows that put messages into the queue of each target. Whoever stores them
// calls Update afterwards.
func (n *Notifier) Deliveries(messages ...Message) (deliveries []store.Delivery) {
	for _, m := range messages {
		m = n.linked(m)
		if m.Receivers == nil && m.JSON != "" && n.target(legacyWebhook) != nil {
			deliveries = append(deliveries, n.delivery(legacyWebhook, m, store.Queued, m.JSON))
		}
		for _, name := range m.Receivers {
			deliveries = append(deliveries, n.delivery(name, m, store.Queued, noticeOf(m).text()))
		}
		if m.Receivers != nil || m.Alert == nil {
			continue
		}
		for _, in := range n.inboxes {
			if n.receives(in.receiver.Name, m) != nil {
				deliveries = append(deliveries, n.delivery(in.receiver.Name, m, store.Waiting, m.text()))
			}
		}
	}
	return deliveries
}

func (n *Notifier) delivery(target string, m Message, outcome, body string) store.Delivery {
	return store.Delivery{
		Target: target, Source: m.Source, Fingerprint: m.Fingerprint, At: m.At, Event: m.Event,
		Body: body, Outcome: outcome, Written: n.Now(), Key: m.key(target),
	}
}

func (n *Notifier) target(name string) *target {
	for _, t := range n.targets {
		if t.name == name {
			return t
		}
	}
	return nil
}

// Update makes targets hear of messages that have been stored.
func (n *Notifier) Update(messages ...Message) {
	for _, m := range messages {
		if m.Alert == nil || m.Receivers != nil {
			continue
		}
		m = n.linked(m)
		n.updateAlertmanagers(m)
		for _, in := range n.inboxes {
			if n.receives(in.receiver.Name, m) != nil {
				in.update(m)
			}
		}
		n.mentionUnrouted(m)
	}
}

// updateAlertmanagers makes the Alertmanagers of an alert's routes hear of it.
func (n *Notifier) updateAlertmanagers(m Message) {
	for _, am := range n.alertmanagers {
		if am.name == legacyAlertmanager || n.receives(am.name, m) != nil {
			am.update(m, n.Now())
		}
	}
}

// Escalate records that an alert that Update knows has more errors in its window now: its codes may
// be ignored only up to fewer errors.
func (n *Notifier) Escalate(source, fingerprint string, errors uint64) {
	raise := func(all map[string]Message, key string) {
		m, known := all[key]
		if !known || m.Source != source || m.Alert.Errors >= errors {
			return
		}
		raised := *m.Alert
		raised.Errors, m.Alert = errors, &raised
		all[key] = m
	}
	for _, am := range n.alertmanagers {
		raise(am.firing, fingerprint)
	}
	for _, in := range n.inboxes {
		raise(in.firing, Message{Source: source, Fingerprint: fingerprint}.alert())
	}
}

// mentionUnrouted logs once for each source that an alert of it goes to no receiver.
func (n *Notifier) mentionUnrouted(m Message) {
	if len(n.routes) == 0 || n.unrouted[m.Source] || m.Alert.resolved() {
		return
	}
	for _, r := range n.routes {
		if r.matches(m) {
			return
		}
	}
	n.unrouted[m.Source] = true
	n.log.Warn("no route matches an alert, so no receiver is told of it: add a route without matchers at the end of notify.routes", "alert", m.Source, "labels", m.Alert.Labels)
}

// Enqueue stores messages in the queue of each target. It changes nothing for a target that was
// told before, and keeps the time since which an event waits.
func (n *Notifier) Enqueue(ctx context.Context, messages ...Message) error {
	waiting := map[string]bool{}
	for _, in := range n.inboxes {
		rows, err := n.queue.WaitingDeliveries(ctx, in.target.name, maxWaiting)
		if err != nil {
			return err
		}
		for _, row := range rows {
			waiting[row.Key] = true
		}
	}
	deliveries := slices.DeleteFunc(n.Deliveries(messages...), func(d store.Delivery) bool { return d.Outcome == store.Waiting && waiting[d.Key] })
	if err := n.queue.RecordDeliveries(ctx, deliveries); err != nil {
		return fmt.Errorf("queue notifications: %w", err)
	}
	n.Update(messages...)
	return nil
}

// Send gives every target its turn: what is due goes out. The result reports whether something is
// left to send, be it that a target is in trouble or that the turn was too short.
func (n *Notifier) Send(ctx context.Context) (left bool, err error) { return n.send(ctx, false) }

// send is Send. If it is the last one of this process, a new group is told without waiting for
// more.
func (n *Notifier) send(ctx context.Context, last bool) (left bool, err error) {
	n.mutes.stale = true
	for _, t := range n.targets {
		more, problem := n.deliver(ctx, t)
		left, err = left || more, errors.Join(err, problem)
	}
	for _, in := range n.inboxes {
		planned, problem := n.plan(ctx, in, last)
		if planned && problem == nil {
			var more bool
			more, problem = n.deliver(ctx, in.target)
			left = left || more
		}
		left, err = left || problem != nil, errors.Join(err, problem)
	}
	for _, am := range n.alertmanagers {
		more, problem := n.tell(ctx, am)
		left, err = left || more, errors.Join(err, problem)
	}
	return left, errors.Join(err, n.measure(ctx))
}

// patience is how long Flush waits for targets that are in trouble.
const patience = 30 * time.Second

// Flush sends until nothing is left. If a target stays in trouble, its messages stay in the queue
// for the next process, and the error is link.ErrUnreachable.
func (n *Notifier) Flush(ctx context.Context) error {
	began, last := time.Now(), error(nil)
	for {
		left, err := n.send(ctx, true)
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

// Reset forgets everything that is not in the queue. A process calls it when it takes over from
// another one.
func (n *Notifier) Reset() {
	for _, in := range n.inboxes {
		in.reset()
	}
	for _, t := range n.targets {
		t.settled = nil
	}
	for _, am := range n.alertmanagers {
		am.reset()
	}
	n.metrics.forget()
	n.measured = time.Time{}
}

// MaySend returns nil if the fence lets this process send, or if there is no fence.
func (n *Notifier) MaySend(ctx context.Context) error {
	if n.Fence == nil {
		return nil
	}
	return n.Fence(ctx)
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

// failed returns how long the pause is that begins now: longer each time, and as long as the target
// asks for.
func (r *retry) failed(now time.Time, err error) time.Duration {
	pause := r.pauses.NextBackOff()
	var busy busy
	if errors.As(err, &busy) {
		pause = max(pause, min(busy.pause, longestBusy))
	}
	r.next = now.Add(pause)
	return pause
}

func (r *retry) succeeded() { r.pauses.Reset() }
