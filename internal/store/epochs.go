package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// counted is the condition that the views put on stored rows: those of epoch 0 unless their batch was made again, those of a later
// epoch if it is the last that the switches name. One set for both, so that a query sees one state of the switches.
const counted = `((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
	FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0)`

// ClaimEpoch gives an epoch greater than the least one and than all that were ever used, and never again. The fingerprint is for people to read.
//
// ClickHouse has no transactions: a claim is written first and then looked for. Of two claims of one epoch, the later one sees the
// other, and both may; whoever sees another tries a greater epoch.
func (s *Store) ClaimEpoch(ctx context.Context, fingerprint string, least uint32) (uint32, error) {
	epoch, err := s.claimEpoch(ctx, fingerprint, least)
	if err != nil {
		return 0, fmt.Errorf("claim an epoch: %w", err)
	}
	return epoch, nil
}

func (s *Store) claimEpoch(ctx context.Context, fingerprint string, least uint32) (uint32, error) {
	const used = `SELECT greatest((SELECT max(epoch) FROM epoch_claims), (SELECT max(epoch) FROM batch_rows), (SELECT max(epoch) FROM epoch_switches))`
	const others = `SELECT count() FROM epoch_claims WHERE epoch = ? AND claim != ?`
	for {
		var epoch uint32
		if err := s.conn.QueryRow(ctx, used).Scan(&epoch); err != nil {
			return 0, err
		}
		epoch = max(epoch, least) + 1
		claim := uuid.New()
		if err := s.conn.Exec(ctx, `INSERT INTO epoch_claims (epoch, fingerprint, claim, at) VALUES (?, ?, ?, now64(3))`, epoch, fingerprint, claim); err != nil {
			return 0, err
		}
		var contested uint64
		if err := s.conn.QueryRow(ctx, others, epoch, claim).Scan(&contested); err != nil {
			return 0, err
		}
		if contested == 0 {
			return epoch, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(rand.N(100 * time.Millisecond)):
		}
	}
}

// InsertUnswitched writes batches of a later epoch that do not count yet: Switch makes them count.
func (s *Store) InsertUnswitched(ctx context.Context, batches []*Batch) error {
	return s.insert(ctx, batches)
}

// switchPause is how old the rows of a later epoch are at least when they begin to count: a query that has looked at the rows
// before that and looks at the switches after it would count neither the old rows nor the new.
const switchPause = 250 * time.Millisecond

// Switch makes the batches that are of a later epoch count instead of those before, all in one step.
func (s *Store) Switch(ctx context.Context, batches []*Batch) error {
	return s.switchOver(ctx, batches, func() error { return nil })
}

// SwitchForGood is Switch where nobody would repeat it, and what days say of it, after a loss of power.
func (s *Store) SwitchForGood(ctx context.Context, batches []*Batch) error {
	return s.switchOver(ctx, batches, func() error { return s.Sync(ctx) })
}

func (s *Store) switchOver(ctx context.Context, batches []*Batch, announced func() error) error {
	var later []*Batch
	for _, b := range batches {
		if b.Epoch > 0 {
			later = append(later, b)
		}
	}
	if len(later) == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(switchPause):
	}
	days := func(ctx context.Context) ([]time.Time, error) { return s.foldedWithBatches(ctx, later) }
	return s.changing(ctx, days, func() error {
		return firstError(announced, func() error { return switchTable.insert(ctx, s, gather(later, once)) })
	})
}
