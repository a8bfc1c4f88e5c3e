package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"errata/internal/store"
)

// Queue stores the deliveries of messages to targets, by the identity of the message and the
// target. A delivery with an outcome other than store.Queued is settled: it stays so, whatever is
// recorded of it later.
type Queue interface {
	// QueuedDeliveries returns up to limit deliveries to a target that are not settled, oldest
	// first.
	QueuedDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error)
	// RecordDeliveries queues deliveries, or settles them.
	RecordDeliveries(ctx context.Context, deliveries []store.Delivery) error
}

// Stored returns the queue in ClickHouse.
func Stored(s *store.Store) Queue { return stored{s} }

type stored struct{ *store.Store } // which has RecordDeliveries

func (s stored) QueuedDeliveries(ctx context.Context, target string, limit int) (queued []store.Delivery, err error) {
	const sql = "SELECT target, rule, fingerprint, ts, `to`, body, outcome, at FROM alert_deliveries " +
		"WHERE target = ? AND outcome = ? ORDER BY ts, rule, fingerprint, `to` LIMIT ?"
	err = s.Query(ctx, sql, []any{target, store.Queued, limit}, func(scan func(...any) error) error {
		var d store.Delivery
		err := scan(&d.Target, &d.Source, &d.Fingerprint, &d.At, &d.Event, &d.Body, &d.Outcome, &d.Written)
		queued = append(queued, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the queued notifications: %w", err)
	}
	return queued, nil
}

// target takes messages one by one from its queue.
type target struct {
	name string
	body func(Message) string
	send func(ctx context.Context, body string) error // a refusal is an error too

	settled []store.Delivery // and not yet recorded
	retry   *retry
}

// A target's turn ends after turnTime or turnLength deliveries.
const (
	turnTime   = 30 * time.Second
	turnLength = 100
)

// settleTimeout is how long recording the outcome of a delivery may take when the process is to
// stop.
const settleTimeout = 10 * time.Second

// deliver sends what is queued for a target, in one turn. A target in trouble is left alone for a
// while. A message that it refuses for good leaves the queue, so that it holds up no other. The
// result reports whether the queue may hold more.
func (n *Notifier) deliver(ctx context.Context, t *target) (left bool, err error) {
	began := n.Now()
	if began.Before(t.retry.next) {
		return true, nil
	}
	if err := n.settle(ctx, t); err != nil {
		return true, err
	}
	queue, err := n.queue.QueuedDeliveries(ctx, t.name, turnLength)
	if err != nil {
		return true, err
	}
	for _, d := range queue {
		if ctx.Err() != nil || n.Now().Sub(began) > turnTime {
			return true, ctx.Err()
		}
		outcome, err := n.attempt(ctx, t, d)
		if err != nil {
			return true, fmt.Errorf("%s did not take a notification, next try in %s: %w", t.name, t.retry.failed(n.Now()), err)
		}
		t.retry.succeeded()
		d.Outcome, d.Written = outcome, n.Now()
		t.settled = append(t.settled, d)
		if err := n.settle(ctx, t); err != nil {
			return true, err
		}
	}
	return len(queue) == turnLength, nil
}

// attempt sends one delivery and returns its outcome. After an error it is to be tried again.
func (n *Notifier) attempt(ctx context.Context, t *target, d store.Delivery) (outcome string, err error) {
	// The outcome of a request that is cut short is unknown, so this one may finish.
	err = t.send(context.WithoutCancel(ctx), d.Body)
	var refusal refusal
	switch {
	case err == nil:
		return store.Sent, nil
	case errors.As(err, &refusal):
		n.log.Error("dropped a notification that its target refused", "target", t.name, "source", d.Source, "event", d.Event, "error", err)
		return store.Refused, nil
	case n.Now().Sub(d.Written) > n.expireAfter:
		n.log.Error("dropped a notification that could not be sent in time", "target", t.name, "source", d.Source, "event", d.Event, "after", n.expireAfter, "error", err)
		return store.Expired, nil
	}
	return "", err
}

// settle records outcomes, even when the process is to stop: otherwise the messages would be sent
// again.
func (n *Notifier) settle(ctx context.Context, t *target) error {
	if len(t.settled) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := n.queue.RecordDeliveries(ctx, t.settled); err != nil {
		return fmt.Errorf("record the notifications that were sent: %w", err)
	}
	t.settled = nil
	return nil
}
