package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// counted is the condition by which the views pick stored rows: those of epoch 0 unless their batch
// was switched to a later epoch, and those of a later epoch if it is the last one switched to. Both
// are answered by one set, so that a query sees one state of the switches. Where there are none,
// nothing is looked up: a query that saw none sees the state before all switches. A hash stands for
// the topic, because a set of numbers is quicker than one with texts.
const counted = `if((SELECT count() FROM epoch_switches) = 0, epoch = 0,
	((sipHash128(topic), partition, first_offset, epoch) IN (SELECT sipHash128(topic), partition, first_offset, arrayJoin([0, max(epoch)])
		FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0))`

// ClaimEpoch returns an epoch that is greater than least and than all epochs used so far. No other
// call returns the same one. The fingerprint is for people to read.
//
// ClickHouse has no transactions, so a claim is written first and then checked. Of two claims of
// one epoch at least the later one sees the other. Whoever sees another claim tries a greater
// epoch.
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

// InsertUnswitched writes batches of a later epoch, which do not count until Switch makes them
// count.
func (s *Store) InsertUnswitched(ctx context.Context, batches []*Batch) error {
	return s.insert(ctx, batches)
}

// switchPause is the least age of rows of a later epoch when they begin to count. A query that
// reads the rows before they are written and the switches after would count neither the old rows
// nor the new ones.
const switchPause = 250 * time.Millisecond

// Switch makes the rows of batches of a later epoch count instead of their earlier rows, all in one
// step. It ignores batches of epoch 0. It switches nothing, and returns ErrSealed, if the earlier
// rows of a batch are sealed.
func (s *Store) Switch(ctx context.Context, batches []*Batch) error {
	return s.switchOver(ctx, batches, func() error { return nil })
}

// SwitchForGood is Switch for callers that would not repeat it after a loss of power: the marks of
// the days survive one before the switch is written.
func (s *Store) SwitchForGood(ctx context.Context, batches []*Batch) error {
	return s.switchOver(ctx, batches, func() error { return s.Sync(ctx) })
}

func (s *Store) switchOver(ctx context.Context, batches []*Batch, beforehand func() error) error {
	later := laterEpochs(batches)
	if len(later) == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(switchPause):
	}
	var changed []time.Time
	days := func(ctx context.Context) (_ []time.Time, err error) {
		changed, err = s.rolledUpDaysOf(ctx, later)
		return changed, err
	}
	return s.changeDays(ctx, days, func() error {
		return firstError(
			func() error { return s.refuseSealed(ctx, later, changed) },
			beforehand,
			func() error { return switchTable.insert(ctx, s, gather(later, once)) },
		)
	})
}

// laterEpochs returns the batches of a later epoch than 0.
func laterEpochs(batches []*Batch) (later []*Batch) {
	for _, b := range batches {
		if b.Epoch > 0 {
			later = append(later, b)
		}
	}
	return later
}
