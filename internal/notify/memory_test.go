package notify

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"errata/internal/store"
)

// memory is a Queue as the contract says, without a server.
type memory struct {
	overlay
	silences []store.Silence
	codes    []store.CodeState
	fail     error // of every record
	after    error // of every record, which is stored all the same
	unread   error // of every look at the silences
}

func (m *memory) RecordDeliveries(ctx context.Context, deliveries []store.Delivery) error {
	if m.fail != nil {
		return m.fail
	}
	if err := m.overlay.RecordDeliveries(ctx, deliveries); err != nil {
		return err
	}
	return m.after
}

func (m *memory) ToldGroups(_ context.Context, target string, since time.Time) ([]ToldGroup, error) {
	last := map[string]ToldGroup{}
	for _, d := range m.rows {
		for _, key := range d.Groups {
			if d.Target == target && !d.At.Before(since) && d.At.After(last[key].At) {
				last[key] = ToldGroup{Key: key, At: d.At, Event: d.Event, Receipt: d.Receipt}
				if len(d.Groups) > 1 {
					last[key] = ToldGroup{Key: key, At: d.At, Event: d.Event}
				}
			}
		}
	}
	return slices.Collect(maps.Values(last)), nil
}

func (m *memory) Silences(_ context.Context, now time.Time) ([]store.Silence, error) {
	return slices.DeleteFunc(slices.Clone(m.silences), func(s store.Silence) bool { return !s.Ends.After(now) }), m.unread
}

func (m *memory) CodeStates(context.Context) ([]store.CodeState, error) { return m.codes, nil }

func (m *memory) outcomes() string {
	var all []string
	for _, d := range m.rows {
		all = append(all, d.Body+" "+d.Outcome)
	}
	return strings.Join(all, ", ")
}
