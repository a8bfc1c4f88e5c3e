package store

import (
	"context"
	"testing"
	"time"
)

// BeginFold begins the folding of a day and gives its further steps, for tests that stop between them.
func (s *Store) BeginFold(ctx context.Context, day time.Time) (steps []func(context.Context) error, held bool, err error) {
	f, held, err := s.beginFold(ctx, day)
	return f.steps(), held, err
}

// BeginFoldAgo gives the steps of a folding that was begun a while ago.
func (s *Store) BeginFoldAgo(t testing.TB, day time.Time, ago time.Duration) []func(context.Context) error {
	f, held, err := s.beginFold(t.Context(), day)
	if err != nil || held {
		t.Fatal(held, err)
	}
	f.number -= uint64(ago.Seconds()) << 32
	return f.steps()
}

// Changing is what announces a change of days.
func (s *Store) Changing(ctx context.Context, days []time.Time, change func() error) error {
	return s.changing(ctx, func(context.Context) ([]time.Time, error) { return days, nil }, change)
}
