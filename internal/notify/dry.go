package notify

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"errata/internal/store"
)

// NewDry makes a Notifier that prints what it would send, with the waits, silences and folds of the
// settings. It reads the queue and writes nothing.
func NewDry(cfg Config, q Queue, log *slog.Logger, w io.Writer) *Notifier {
	n := New(cfg, &overlay{Queue: q}, log)
	for _, t := range n.targets {
		t.send = func(_ context.Context, d store.Delivery) (string, error) { return "", printLegacy(w, t.name, d) }
	}
	for _, in := range n.inboxes {
		in.target.send = noticeSender(func(_ context.Context, notice Notice) (string, error) {
			return "", printNotice(w, in.target.name, notice)
		})
	}
	for _, am := range n.alertmanagers {
		am.send = func(_ context.Context, told []postable) error { return printAlerts(w, am.name, told) }
	}
	return n
}

func printLegacy(w io.Writer, target string, d store.Delivery) error {
	_, err := fmt.Fprintf(w, "would send to %s: %s\n", target, d.Body)
	return err
}

func printNotice(w io.Writer, target string, n Notice) error {
	var text strings.Builder
	fmt.Fprintf(&text, "would send to %s: %s\n", target, n.Title())
	for _, line := range n.Summary() {
		fmt.Fprintf(&text, "    %s\n", line)
	}
	shown := n.Messages[:min(len(n.Messages), maxChatted)]
	for _, m := range shown {
		fmt.Fprintf(&text, "    %s\n", n.heading(m))
		for _, d := range m.Details {
			fmt.Fprintf(&text, "        %s: %s\n", oneLine(d.Name), oneLine(d.Text))
		}
	}
	if left := n.left(len(shown)); left > 0 {
		fmt.Fprintf(&text, "    and %d more\n", left)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func printAlerts(w io.Writer, target string, told []postable) error {
	for _, a := range told {
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
			labels = append(labels, fmt.Sprintf("%s=%q", name, a.Labels[name]))
		}
		if _, err := fmt.Fprintf(w, "would tell %s: {%s}\n", target, strings.Join(labels, ",")); err != nil {
			return err
		}
	}
	return nil
}

// overlay keeps deliveries in memory, in front of a queue that it only reads.
type overlay struct {
	Queue
	rows []store.Delivery
}

func (o *overlay) QueuedDeliveries(_ context.Context, target string, limit int) ([]store.Delivery, error) {
	return o.of(target, store.Queued, limit), nil
}

func (o *overlay) SendingDeliveries(_ context.Context, target string, limit int) ([]store.Delivery, error) {
	return o.of(target, store.Sending, limit), nil
}

func (o *overlay) WaitingDeliveries(_ context.Context, target string, limit int) ([]store.Delivery, error) {
	return o.of(target, store.Waiting, limit), nil
}

func (o *overlay) Backlogs(_ context.Context, targets []string) (map[string]Backlog, error) {
	all := map[string]Backlog{}
	for _, d := range o.rows {
		b := all[d.Target]
		switch {
		case !slices.Contains(targets, d.Target) || !isPending(d):
			continue
		case d.Outcome == store.Waiting:
			b.Waiting++
		default:
			b.Queued++
			if b.Oldest.IsZero() || d.Written.Before(b.Oldest) {
				b.Oldest = d.Written
			}
		}
		all[d.Target] = b
	}
	return all, nil
}

func (o *overlay) of(target, outcome string, limit int) (found []store.Delivery) {
	for _, d := range o.rows {
		if d.Target == target && d.Outcome == outcome {
			found = append(found, d)
		}
	}
	slices.SortStableFunc(found, func(a, b store.Delivery) int { return a.At.Compare(b.At) })
	return found[:min(len(found), limit)]
}

func (o *overlay) RecordDeliveries(ctx context.Context, deliveries []store.Delivery) error {
	for _, d := range deliveries {
		same := func(o store.Delivery) bool {
			return o.Target == d.Target && o.Source == d.Source && o.Fingerprint == d.Fingerprint && o.At.Equal(d.At) && o.Event == d.Event
		}
		switch i := slices.IndexFunc(o.rows, same); {
		case i < 0:
			outcome, err := o.before(ctx, d)
			if err != nil {
				return err
			}
			if outcome != "" {
				d.Outcome = outcome
			}
			o.rows = append(o.rows, d)
		case isPending(o.rows[i]) || !isPending(d):
			o.rows[i] = d
		}
	}
	return nil
}

// isPending reports whether a delivery is not settled.
func isPending(d store.Delivery) bool { return slices.Contains(pending, d.Outcome) }

// before returns the outcome that a delivery has in the queue behind, "" if it is not settled
// there.
func (o *overlay) before(ctx context.Context, d store.Delivery) (string, error) {
	if o.Queue == nil {
		return "", nil
	}
	outcome, err := o.Queue.Outcome(ctx, d)
	if slices.Contains(pending, outcome) {
		outcome = ""
	}
	return outcome, err
}
