package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A day whose rollup has counted for long enough is sealed: from then on its rollup counts whatever
// happens, and the batches' sums that it is made of are deleted. So a minute and group takes one
// row from then on, not one for each batch. migrations/0017_seals.sql has the table.
//
// What comes for the day later is late: its sums have the column late, and the views add them to
// the rollup. Four rules keep the counts exact.
//
// 1. Two flags. A seal announces itself, pauses, and is made only if after the pause the day's
//    rollup counts, no lock is held, and every batch that the rollup lists is recorded. Whoever
//    changes what the batches' sums of a day say marks the day first and looks for seals afterwards
//    (insertSums, switchOver). Of the two, at least one sees the other: either the seal sees the
//    mark and is given up, or the writer sees the seal and waits until it is made or given up.
//
// 2. Sums. An insert writes the sums of a sealed day as late ones. It leaves them out if the rollup
//    lists the batch: then the batch was recorded before the seal, and its sums are in the rollup.
//    If the day was sealed while the sums were written, they are written again as late ones, which
//    replace them. What is left of the others does not count and is deleted.
//
// 3. Epochs. What is in a sealed rollup cannot be taken out again. So a batch that it lists keeps
//    its epoch: Switch returns ErrSealed, Insert leaves such a batch as it is, and a replay does
//    not read it again.
//
// 4. Deletion. The batches' sums are deleted an hour after the seal, when no query that began
//    before it is running. Late sums are not touched. A process that asked for seals before the
//    seal may have written a batch's sums afterwards, over the late ones of the process that has
//    taken the partition over from it, and have died before it asked again. Such sums are made late
//    first, so they are missing for an hour at most.
//
// A seal whose maker died counts as given up after an hour. It is not made any more then.

const (
	sealPause   = time.Second // from its announcement
	sealsAtOnce = 3           // days in one call
	sealPoll    = 250 * time.Millisecond

	sealGivenUpIn = 5 * time.Second // at most
)

// States of a seal, as stored.
const (
	sealAnnounced = iota + 1
	sealGivenUp
	sealMade
	sealEmptied // the batches' sums of the day are deleted
)

// ErrSealed is the error of a change to batches whose sums are in the rollup of a sealed day.
var ErrSealed = errors.New("the sums of the day are sealed")

// SealDays seals the days that ended longer than age ago, a few in each call, the earliest first,
// and returns them. It deletes the sums that earlier seals have made superfluous. Any number of
// processes may call it, every minute.
func (s *Store) SealDays(ctx context.Context, now time.Time, age time.Duration) (sealed []time.Time, err error) {
	watermark, err := s.watermarkUpTo(ctx, now)
	if err != nil || watermark.IsZero() {
		return nil, err
	}
	ripe, err := s.askDays(ctx, `SELECT day FROM folded_days WHERE days AND NOT sealed AND day > `+rollupSince+` AND day < toDate(?) ORDER BY day LIMIT ?`,
		watermark.Add(-age).UTC().Format(time.DateOnly), sealsAtOnce)
	if err != nil {
		return nil, fmt.Errorf("look for days to seal: %w", err)
	}
	for _, day := range ripe {
		done, err := s.seal(ctx, day)
		if err != nil {
			return sealed, fmt.Errorf("seal %s: %w", day.Format(time.DateOnly), err)
		}
		if done {
			sealed = append(sealed, day)
		}
	}
	if err := s.emptySealedDays(ctx); err != nil {
		return sealed, fmt.Errorf("delete the batches' sums of sealed days: %w", err)
	}
	return sealed, nil
}

// seal seals a day, and reports whether it is sealed now.
func (s *Store) seal(ctx context.Context, day time.Time) (bool, error) {
	steps := s.sealSteps(day, rand.Uint64())
	err := firstError(
		func() error { return steps[0](ctx) },
		func() error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(sealPause):
				return nil
			}
		},
		func() error { return steps[1](ctx) },
	)
	// Also after an error and when ctx has ended: until then, inserts of late data wait for it.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealGivenUpIn)
	defer cancel()
	if err = errors.Join(err, steps[2](ending)); err != nil {
		return false, err
	}
	days, err := s.askDays(ctx, `SELECT day FROM sealed_days WHERE day = toDate(?)`, day.Format(time.DateOnly))
	return len(days) > 0, err
}

// sealSteps returns the steps of a seal: it is announced, made, and given up if it was not made.
// The pause belongs after the first one.
func (s *Store) sealSteps(day time.Time, id uint64) []func(context.Context) error {
	step := func(sql string, args ...any) func(context.Context) error {
		return func(ctx context.Context) error { return s.execute(ctx, rollupTimeout, sql, args...) }
	}
	date := day.Format(time.DateOnly)
	return []func(context.Context) error{
		step(`INSERT INTO seal_rows (day, id, state, at) SELECT toDate(?), ?, ?, now64(3)`, date, id, sealAnnounced),
		step(`INSERT INTO seal_rows (day, id, state, fold, at, days) SELECT day, ?, ?, fold, now64(3), days
			FROM folded_days
			WHERE day = toDate(?) AND days AND NOT sealed
				AND (SELECT countIf(NOT ended AND began > now64(3) - `+lockLasts+`) FROM fold_hold_rows FINAL) = 0
				AND (SELECT count() FROM (SELECT DISTINCT topic, partition, first_offset, epoch FROM fold_batch_rows WHERE day = toDate(?) AND `+counted+`)
					WHERE (topic, partition, first_offset, epoch) NOT IN (SELECT topic, partition, first_offset, epoch FROM batch_rows
						WHERE min_ts < toDate(?) + 1 AND max_ts >= toDate(?))) = 0
				AND (SELECT min(at) FROM seal_rows WHERE day = toDate(?) AND id = ?) > now64(3) - `+lockLasts+` + INTERVAL 10 MINUTE`,
			id, sealMade, date, date, date, date, date, id),
		step(`INSERT INTO seal_rows (day, id, state, at) SELECT toDate(?), ?, ?, now64(3) WHERE toDate(?) NOT IN (SELECT day FROM sealed_days)`, date, id, sealGivenUp, date),
	}
}

// emptySealedDays deletes the batches' sums of the days that were sealed more than an hour ago.
func (s *Store) emptySealedDays(ctx context.Context) error {
	days, err := s.askDays(ctx, `SELECT day FROM sealed_days WHERE NOT emptied AND at < now64(3) - INTERVAL 1 HOUR ORDER BY day LIMIT ?`, sealsAtOnce)
	for _, day := range days {
		date := day.Format(time.DateOnly)
		for _, table := range []string{trafficTable.name, codeTable.name} {
			if err := s.execute(ctx, rollupTimeout, `INSERT INTO `+table+` SELECT * REPLACE(true AS late) FROM (SELECT * FROM `+table+` FINAL
				WHERE toDate(minute) = toDate(?) AND NOT late AND (topic, partition, first_offset, epoch) NOT IN (SELECT topic, partition, first_offset, epoch FROM fold_batch_rows
					WHERE day = toDate(?) AND (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, epoch FROM batch_rows)))`+onlyDays, date, date); err != nil {
				return err
			}
			if err := s.execute(ctx, rollupTimeout, fmt.Sprintf("ALTER TABLE %s DELETE IN PARTITION '%s' WHERE NOT late SETTINGS mutations_sync = 1", table, date)); err != nil {
				return err
			}
		}
		if err := s.execute(ctx, s.insertTimeout, `INSERT INTO seal_rows (day, state, at) SELECT toDate(?), ?, now64(3)`, date, sealEmptied); err != nil {
			return err
		}
	}
	return err
}

// sealedAmong returns which of the days are sealed. It waits for seals that are announced.
func (s *Store) sealedAmong(ctx context.Context, days []time.Time) ([]time.Time, error) {
	for len(days) > 0 {
		sealed, announced, err := s.seals(ctx, days)
		if err != nil {
			return nil, fmt.Errorf("look for sealed days: %w", err)
		}
		if !announced {
			return sealed, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(sealPoll):
		}
	}
	return nil, nil
}

// seals returns which of the days are sealed, and whether a seal of another one is announced. Each
// insert asks for this, and mostly finds no row: to group the rows here, and not in the query,
// takes the server a third of the time.
func (s *Store) seals(ctx context.Context, days []time.Time) (sealed []time.Time, announced bool, err error) {
	dates := make([]string, len(days))
	for i, d := range days {
		dates[i] = d.UTC().Format(time.DateOnly)
	}
	type seal struct {
		day time.Time
		id  uint64
	}
	waits := map[seal]bool{}
	err = s.ask(ctx, `SELECT day, id, state, at > now64(3) - `+lockLasts+` FROM seal_rows WHERE day IN (?)`, []any{dates}, func(scan func(...any) error) error {
		var of seal
		var state uint8
		var recent bool
		err := scan(&of.day, &of.id, &state, &recent)
		of.day = of.day.UTC()
		if state >= sealMade && !slices.Contains(sealed, of.day) {
			sealed = append(sealed, of.day)
		}
		before, known := waits[of]
		waits[of] = (before || !known) && state == sealAnnounced && recent
		return err
	})
	for of, waiting := range waits {
		announced = announced || waiting && !slices.Contains(sealed, of.day)
	}
	return sealed, announced, err
}

// batchPlace identifies a batch, under whichever epoch.
type batchPlace struct {
	topic       string
	partition   int
	firstOffset int64
}

func placeOf(b *Batch) batchPlace { return batchPlace{b.Topic, b.Partition, b.FirstOffset} }

// sealedBatch is a batch whose sums of a sealed day are in the day's rollup.
type sealedBatch struct {
	batchPlace
	epoch uint32
	day   time.Time
}

// sealedBatches returns which batches the rollups of sealed days list, under any epoch. A batch
// that is not recorded is not among them, whatever a rollup listed that was slower than the seal.
func (s *Store) sealedBatches(ctx context.Context, batches []*Batch) (all []sealedBatch, err error) {
	for some := range slices.Chunk(batches, maxNamedOffsets) {
		places := make([]clickhouse.GroupSet, len(some))
		for i, b := range some {
			places[i] = clickhouse.GroupSet{Value: []any{b.Topic, int32(b.Partition), b.FirstOffset}}
		}
		err := s.ask(ctx, `SELECT DISTINCT topic, partition, first_offset, epoch, day FROM fold_batch_rows
			WHERE (topic, partition, first_offset) IN (?) AND day IN (SELECT day FROM sealed_days)
				AND (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, epoch FROM batch_rows WHERE (topic, partition, first_offset) IN (?))`, []any{places, places}, func(scan func(...any) error) error {
			var b sealedBatch
			var partition int32
			err := scan(&b.topic, &partition, &b.firstOffset, &b.epoch, &b.day)
			b.partition, b.day = int(partition), b.day.UTC()
			all = append(all, b)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for batches in sealed days: %w", err)
		}
	}
	return all, nil
}

// Sealed returns those of a partition's batches, by their first offsets, that cannot be read again
// because they have sums that are sealed, each with the last day of such sums.
func (s *Store) Sealed(ctx context.Context, topic string, partition int, firstOffsets []int64) (map[int64]time.Time, error) {
	batches := make([]*Batch, len(firstOffsets))
	for i, first := range firstOffsets {
		batches[i] = &Batch{Topic: topic, Partition: partition, FirstOffset: first}
	}
	all, err := s.sealedBatches(ctx, batches)
	if err != nil {
		return nil, err
	}
	days := map[int64]time.Time{}
	for _, b := range all {
		if b.day.After(days[b.firstOffset]) {
			days[b.firstOffset] = b.day
		}
	}
	return days, nil
}

// unsealed leaves out the batches of a later epoch that are in the rollup of a sealed day under an
// earlier one: these stay as they are.
func (s *Store) unsealed(ctx context.Context, batches []*Batch) ([]*Batch, error) {
	later := laterEpochs(batches)
	if len(later) == 0 {
		return batches, nil
	}
	all, err := s.sealedBatches(ctx, later)
	if err != nil || len(all) == 0 {
		return batches, err
	}
	return slices.DeleteFunc(slices.Clone(batches), func(b *Batch) bool {
		return slices.ContainsFunc(all, func(in sealedBatch) bool { return in.batchPlace == placeOf(b) && in.epoch < b.Epoch })
	}), nil
}

// refuseSealed returns ErrSealed if the rollup of a sealed day lists one of the batches under an
// earlier epoch.
func (s *Store) refuseSealed(ctx context.Context, batches []*Batch, days []time.Time) error {
	sealed, err := s.sealedAmong(ctx, days)
	if err != nil || len(sealed) == 0 {
		return err
	}
	rest, err := s.unsealed(ctx, batches)
	if err == nil && len(rest) < len(batches) {
		err = fmt.Errorf("%d batches: %w", len(batches)-len(rest), ErrSealed)
	}
	return err
}

// insertSums writes the sums of batches and marks their days. Of days that are not rolled up yet,
// it asks only afterwards whether they are sealed: rule 2 covers that, should a clock be wrong.
func (s *Store) insertSums(ctx context.Context, batches []*Batch) error {
	days := daysOf(batches)
	open := dayOf(time.Now().Add(-rollupGrace))
	sealed, err := s.sealedAmong(ctx, slices.DeleteFunc(slices.Clone(days), func(day time.Time) bool { return !day.Before(open) }))
	for err == nil {
		var rows sums
		if rows, err = s.sumsOf(ctx, batches, sealed); err != nil {
			break
		}
		err = firstError(
			func() error { return trafficTable.insert(ctx, s, rows.traffic) },
			func() error { return codeTable.insert(ctx, s, rows.codes) },
			func() error { return s.markDays(ctx, days) },
		)
		if err != nil {
			break
		}
		before := len(sealed) // days are never unsealed
		if sealed, err = s.sealedAmong(ctx, days); len(sealed) == before {
			break
		}
	}
	return err
}

// sums are rows of sums.
type sums struct {
	traffic []of[trafficRow]
	codes   []of[codeRow]
}

// sumsOf returns the sums of batches, those of sealed days as late ones. The sums that are in the
// rollup of a sealed day are left out.
func (s *Store) sumsOf(ctx context.Context, batches []*Batch, sealed []time.Time) (sums, error) {
	rows := sums{gather(batches, (*Batch).trafficRows), gather(batches, (*Batch).codeRows)}
	if len(sealed) == 0 {
		return rows, nil
	}
	in, err := s.sealedBatches(ctx, batches)
	if err != nil {
		return sums{}, err
	}
	isSealed, isIn := map[time.Time]bool{}, map[sealedBatch]bool{}
	for _, day := range sealed {
		isSealed[day] = true
	}
	for _, b := range in {
		isIn[b] = true
	}
	// inRollup says whether a sum is late, and reports whether a rollup has it.
	inRollup := func(b *Batch, minute time.Time, late *bool) bool {
		day := dayOf(minute)
		*late = isSealed[day]
		return isIn[sealedBatch{placeOf(b), b.Epoch, day}]
	}
	rows.traffic = slices.DeleteFunc(rows.traffic, func(r of[trafficRow]) bool { return inRollup(r.batch, r.row.key.time(), &r.row.late) })
	rows.codes = slices.DeleteFunc(rows.codes, func(r of[codeRow]) bool { return inRollup(r.batch, r.row.minute, &r.row.late) })
	return rows, nil
}
