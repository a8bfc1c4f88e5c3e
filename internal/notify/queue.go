package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"errata/internal/store"
)

// Queue stores the deliveries of messages to targets, by the identity of the message and the
// target. A delivery whose outcome is none of pending is settled: it stays so, whatever is recorded
// of it later.
type Queue interface {
	// QueuedDeliveries returns up to limit messages to a target that are queued, oldest first.
	QueuedDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error)
	// SendingDeliveries returns up to limit messages that a process was sending when it last said
	// so.
	SendingDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error)
	// WaitingDeliveries returns up to limit events that no message carries yet, oldest first.
	WaitingDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error)
	// Backlogs returns what the named targets have not been sent yet. A target without any is left
	// out.
	Backlogs(ctx context.Context, targets []string) (map[string]Backlog, error)
	// RecordDeliveries queues deliveries, or settles them: all of them, or none.
	RecordDeliveries(ctx context.Context, deliveries []store.Delivery) error
	// Outcome returns what became of a delivery, "" if it is not known.
	Outcome(ctx context.Context, d store.Delivery) (string, error)
	// ToldGroups returns the last message of each group that a target was sent since a time.
	ToldGroups(ctx context.Context, target string, since time.Time) ([]ToldGroup, error)
	// Silences returns the silences that have not ended.
	Silences(ctx context.Context, now time.Time) ([]store.Silence, error)
	// CodeStates returns the states of all codes.
	CodeStates(ctx context.Context) ([]store.CodeState, error)
}

// ToldGroup is the last message of a group.
type ToldGroup struct {
	Key     string
	At      time.Time
	Event   string
	Receipt string // "" if the message held other groups too
}

// Backlog is what a target has not been sent yet.
type Backlog struct {
	Queued  int       // messages
	Waiting int       // events that no message carries yet
	Oldest  time.Time // when the oldest message was queued; zero: there is none
}

// pending are the outcomes of deliveries that are not settled.
var pending = []string{store.Queued, store.Sending, store.Waiting}

// Stored returns the queue in ClickHouse.
func Stored(s *store.Store) Queue { return stored{s} }

type stored struct{ *store.Store } // which has RecordDeliveries

func (s stored) QueuedDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error) {
	return s.deliveries(ctx, target, store.Queued, limit)
}

func (s stored) SendingDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error) {
	return s.deliveries(ctx, target, store.Sending, limit)
}

func (s stored) WaitingDeliveries(ctx context.Context, target string, limit int) ([]store.Delivery, error) {
	return s.deliveries(ctx, target, store.Waiting, limit)
}

func (s stored) deliveries(ctx context.Context, target, outcome string, limit int) (queued []store.Delivery, err error) {
	const sql = "SELECT target, rule, fingerprint, ts, `to`, body, outcome, at, key, groups, receipt FROM alert_deliveries " +
		"WHERE target = ? AND outcome = ? ORDER BY ts, rule, fingerprint, `to` LIMIT ?"
	err = s.Query(ctx, sql, []any{target, outcome, limit}, func(scan func(...any) error) error {
		var d store.Delivery
		err := scan(&d.Target, &d.Source, &d.Fingerprint, &d.At, &d.Event, &d.Body, &d.Outcome, &d.Written, &d.Key, &d.Groups, &d.Receipt)
		queued = append(queued, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the %s notifications: %w", outcome, err)
	}
	return queued, nil
}

func (s stored) Backlogs(ctx context.Context, targets []string) (map[string]Backlog, error) {
	const sql = "SELECT target, countIf(outcome != ?), countIf(outcome = ?), minIf(at, outcome != ?) FROM alert_deliveries " +
		"WHERE target IN (?) AND outcome IN (?) GROUP BY target"
	all := map[string]Backlog{}
	args := []any{store.Waiting, store.Waiting, store.Waiting, targets, pending}
	err := s.Query(ctx, sql, args, func(scan func(...any) error) error {
		var target string
		var queued, waiting uint64
		var oldest time.Time
		if err := scan(&target, &queued, &waiting, &oldest); err != nil {
			return err
		}
		all[target] = Backlog{int(queued), int(waiting), store.OrZero(oldest)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the notifications that are not sent: %w", err)
	}
	return all, nil
}

func (s stored) Outcome(ctx context.Context, d store.Delivery) (outcome string, err error) {
	const sql = "SELECT outcome FROM alert_deliveries WHERE target = ? AND rule = ? AND fingerprint = ? AND ts = fromUnixTimestamp64Milli(?) AND `to` = ?"
	err = s.Query(ctx, sql, []any{d.Target, d.Source, d.Fingerprint, d.At.UnixMilli(), d.Event}, func(scan func(...any) error) error {
		return scan(&outcome)
	})
	if err != nil {
		return "", fmt.Errorf("read the outcome of a notification: %w", err)
	}
	return outcome, nil
}

func (s stored) ToldGroups(ctx context.Context, target string, since time.Time) (groups []ToldGroup, err error) {
	const sql = "SELECT g, max(ts), argMax(`to`, ts), argMax(if(length(groups) = 1, receipt, ''), ts) FROM alert_deliveries " +
		"ARRAY JOIN groups AS g WHERE target = ? AND ts >= fromUnixTimestamp64Milli(?) GROUP BY g"
	err = s.Query(ctx, sql, []any{target, since.UnixMilli()}, func(scan func(...any) error) error {
		var g ToldGroup
		err := scan(&g.Key, &g.At, &g.Event, &g.Receipt)
		groups = append(groups, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which groups of alerts were told: %w", err)
	}
	return groups, nil
}

func (s stored) Silences(ctx context.Context, now time.Time) ([]store.Silence, error) {
	return Silences(ctx, s.Store, now)
}

// Silences returns the silences that end after a time, the first to end first.
func Silences(ctx context.Context, s *store.Store, after time.Time) (all []store.Silence, err error) {
	const sql = "SELECT id, matchers, starts, ends, author, comment, at FROM silences WHERE ends > fromUnixTimestamp64Milli(?) ORDER BY ends, id"
	err = s.Query(ctx, sql, []any{after.UnixMilli()}, func(scan func(...any) error) error {
		var r store.Silence
		err := scan(&r.ID, &r.Matchers, &r.Starts, &r.Ends, &r.Author, &r.Comment, &r.Written)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the silences: %w", err)
	}
	return all, nil
}

func (s stored) CodeStates(ctx context.Context) ([]store.CodeState, error) {
	return CodeStates(ctx, s.Store)
}

// CodeStates returns the states of codes, by code and tenant.
func CodeStates(ctx context.Context, s *store.Store) (all []store.CodeState, err error) {
	const sql = "SELECT tenant, code, state, until, above, author, comment, at FROM code_states ORDER BY code, tenant"
	err = s.Query(ctx, sql, nil, func(scan func(...any) error) error {
		var r store.CodeState
		err := scan(&r.Tenant, &r.Code, &r.State, &r.Until, &r.Above, &r.Author, &r.Comment, &r.Written)
		r.Until = store.OrZero(r.Until)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the states of codes: %w", err)
	}
	return all, nil
}

// target takes messages one by one from its queue.
type target struct {
	name string
	// send returns the receipt of a message that was taken. A refusal is an error too.
	send  func(ctx context.Context, d store.Delivery) (receipt string, err error)
	taken func(d store.Delivery) // is called after a message was taken; nil: nothing

	idle    bool             // its queue was empty when it was read last
	settled []store.Delivery // and not yet recorded
	claimed bool             // what earlier processes were sending has been looked through
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
	t.idle = false
	began := n.Now()
	if began.Before(t.retry.next) {
		return true, nil
	}
	if err := n.settle(ctx, t); err != nil {
		return true, err
	}
	if err := n.claim(ctx, t); err != nil {
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
		if err := n.MaySend(ctx); err != nil {
			return true, err
		}
		if n.AtMostOnce {
			d.Outcome = store.Sending
			if err := n.queue.RecordDeliveries(ctx, []store.Delivery{d}); err != nil {
				return true, fmt.Errorf("record that a notification is about to be sent: %w", err)
			}
		}
		outcome, receipt, err := n.attempt(ctx, t, d)
		if err != nil {
			if d.Outcome == store.Sending {
				d.Outcome = store.Queued
				t.settled = append(t.settled, d)
				err = errors.Join(err, n.settle(ctx, t))
			}
			return true, fmt.Errorf("%s did not take a notification, next try in %s: %w", t.name, t.retry.failed(n.Now(), err), err)
		}
		t.retry.succeeded()
		d.Outcome, d.Written, d.Receipt = outcome, n.Now(), receipt
		t.settled = append(t.settled, d)
		if t.taken != nil {
			t.taken(d)
		}
		if err := n.settle(ctx, t); err != nil {
			return true, err
		}
	}
	t.idle = len(queue) < turnLength
	return !t.idle, nil
}

// claim decides once about messages that a process was sending when it died. Whether these were
// sent cannot be known.
func (n *Notifier) claim(ctx context.Context, t *target) error {
	if t.claimed {
		return nil
	}
	rows, err := n.queue.SendingDeliveries(ctx, t.name, maxWaiting)
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].Outcome = store.Queued
		if n.AtMostOnce {
			rows[i].Outcome, rows[i].Written = store.Unsure, n.Now()
			n.logUnsure(t, rows[i], errors.New("the process that was sending it died"))
		}
	}
	if len(rows) > 0 {
		if err := n.queue.RecordDeliveries(ctx, rows); err != nil {
			return fmt.Errorf("record what became of notifications: %w", err)
		}
	}
	t.claimed = true
	return nil
}

func (n *Notifier) logUnsure(t *target, d store.Delivery, err error) {
	n.log.Error("a notification may have been sent or not, and is not sent again", "target", t.name, "source", d.Source, "event", d.Event, "error", err)
}

// attempt sends one delivery and returns its outcome. After an error it is to be tried again.
func (n *Notifier) attempt(ctx context.Context, t *target, d store.Delivery) (outcome, receipt string, err error) {
	defer func() { n.metrics.attempted(t.name, outcome) }()
	// The outcome of a request that is cut short is unknown, so this one may finish.
	receipt, err = t.send(context.WithoutCancel(ctx), d)
	var refusal refusal
	var unsure unsure
	switch {
	case err == nil:
		return store.Sent, receipt, nil
	case n.AtMostOnce && errors.As(err, &unsure):
		n.logUnsure(t, d, err)
		return store.Unsure, "", nil
	case errors.As(err, &refusal):
		n.log.Error("dropped a notification that its target refused", "target", t.name, "source", d.Source, "event", d.Event, "error", err)
		return store.Refused, "", nil
	case n.Now().Sub(d.Written) > n.expireAfter:
		n.log.Error("dropped a notification that could not be sent in time", "target", t.name, "source", d.Source, "event", d.Event, "after", n.expireAfter, "error", err)
		return store.Expired, "", nil
	}
	return "", "", err
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
