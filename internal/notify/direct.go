package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"errata/internal/store"
)

// Direct is a message of an alert that is sent without the queue, because the queue cannot be
// reached. It waits for no group and counts toward no limit. Silences apply as they were read last.
// Only this process knows who has taken it.
type Direct struct {
	n       *Notifier
	message Message
	taken   map[string]store.Delivery // by target; also what was refused
}

// Direct returns a message of a firing alert that is to be sent without the queue. Alertmanagers
// hear of it like of any other alert.
func (n *Notifier) Direct(m Message) *Direct {
	m = n.linked(m)
	n.updateAlertmanagers(m)
	n.mentionUnrouted(m)
	return &Direct{n, m, map[string]store.Delivery{}}
}

// Send sends the message to each target that has not taken it yet, unless that is in trouble and
// has to be left alone for a while. It is to be called again and again.
func (d *Direct) Send(ctx context.Context) (problems error) {
	for _, t := range d.n.targets {
		now := d.n.Now()
		if _, done := d.taken[t.name]; done || now.Before(t.retry.next) || !d.isFor(t.name, now) {
			continue
		}
		if err := d.n.MaySend(ctx); err != nil {
			return errors.Join(problems, err)
		}
		row := d.row(t.name, d.message, "")
		outcome, receipt, err := d.n.attempt(ctx, t, row)
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("%s did not take a notification, next try in %s: %w", t.name, t.retry.failed(now, err), err))
			continue
		}
		t.retry.succeeded()
		row.Outcome, row.Written, row.Receipt = outcome, d.n.Now(), receipt
		d.taken[t.name] = row
	}
	return problems
}

// Taken names the targets that have taken the message.
func (d *Direct) Taken() []string { return slices.Sorted(maps.Keys(d.taken)) }

// isFor reports whether a target is told of the message now.
func (d *Direct) isFor(target string, now time.Time) bool {
	if target == legacyWebhook {
		return d.message.JSON != ""
	}
	route := d.n.receives(target, d.message)
	return route != nil && route.inTime(now) && d.n.mutes.silenced(d.message, now) == ""
}

// row returns the delivery of a message about the same alert, by the route of the first one. thread
// is the receipt of the message that it follows.
func (d *Direct) row(target string, m Message, thread string) store.Delivery {
	if target == legacyWebhook {
		return d.n.delivery(target, m, store.Queued, m.JSON)
	}
	route := d.n.receives(target, d.message)
	labels := route.group(d.message)
	draft := draft{keys: []string{groupKey(labels)}, route: route, labels: labels, state: groupState{thread: thread}}
	if m.Alert.resolved() {
		draft.resolved = []Message{m}
	} else {
		draft.firing = []Message{m}
	}
	return d.n.delivery(target, m, store.Queued, draft.notice().text())
}

// End queues the message that the alert is over, now that the queue can be reached again, and
// records who has taken the message before. Those who have not get past instead, which says that
// the alert was firing. It is safe to repeat.
func (d *Direct) End(ctx context.Context, end, past Message) error {
	var rows []store.Delivery
	for _, t := range d.n.targets {
		taken, done := d.taken[t.name]
		switch {
		case done:
			rows = append(rows, taken)
			if taken.Outcome != store.Refused && d.hearsOfEnds(t) {
				rows = append(rows, d.row(t.name, d.n.linked(end), taken.Receipt))
			}
		case d.isFor(t.name, d.n.Now()) && d.hearsOfEnds(t):
			rows = append(rows, d.row(t.name, d.n.linked(past), ""))
		}
	}
	if err := d.n.queue.RecordDeliveries(ctx, rows); err != nil {
		return fmt.Errorf("queue notifications: %w", err)
	}
	d.n.Update(end)
	return nil
}

// hearsOfEnds reports whether a target is told that alerts are over.
func (d *Direct) hearsOfEnds(t *target) bool {
	i := slices.IndexFunc(d.n.inboxes, func(in *inbox) bool { return in.target == t })
	return i < 0 || d.n.inboxes[i].resolved
}

// SendUnqueued tells Alertmanagers what is firing, when that is due. It needs no queue, so it is
// what Send can do while the queue cannot be reached.
func (n *Notifier) SendUnqueued(ctx context.Context) (problems error) {
	for _, am := range n.alertmanagers {
		_, err := n.tell(ctx, am)
		problems = errors.Join(problems, err)
	}
	return problems
}
