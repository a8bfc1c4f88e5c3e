package store

import (
	"context"
	"testing"
	"time"
)

// The limits of age, for tests.
const MinuteRetention = minuteRetention

var RollupSince = rollupSince

// BeginRollup begins the rollup of a day and returns its further steps, for tests that stop between
// them.
func (s *Store) BeginRollup(ctx context.Context, day time.Time) (steps []func(context.Context) error, locked bool, err error) {
	r, locked, err := s.beginRollup(ctx, day)
	return r.steps(), locked, err
}

// BeginRollupAgo returns the steps of a rollup that began a while ago.
func (s *Store) BeginRollupAgo(t testing.TB, day time.Time, ago time.Duration) []func(context.Context) error {
	r, locked, err := s.beginRollup(t.Context(), day)
	if err != nil || locked {
		t.Fatal(locked, err)
	}
	r.number -= uint64(ago.Seconds()) << 32
	return r.steps()
}

// ChangeDays makes a change under a lock, as switches and voidings do.
func (s *Store) ChangeDays(ctx context.Context, days []time.Time, change func() error) error {
	return s.changeDays(ctx, func(context.Context) ([]time.Time, error) { return days, nil }, change)
}
