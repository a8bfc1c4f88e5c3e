package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Each batch writes sums of its own. Closed days are rolled up: into one row for each minute and
// group, from these into hours, and from these into days, for readers of long windows. The views of
// minutes, hours and days read the rollup of rolled-up days, and the batches' sums of all other
// days. They are as exact as these at every moment and through any crash.
// migrations/0005_hours.sql, 0016_minutes.sql and 0019_days.sql have the tables. Below, "hours" are
// all rows of a rollup, and "minutes" are the batches' sums. Stored names say "fold" for a rollup
// and "hold" for a lock.
//
// Five rules make it so.
//
// 1. Marks. Each day has a mark, the XOR of random numbers. Whoever changes what the minutes of a
//    day say adds a number afterwards. A rollup remembers the mark that it began with, and its
//    hours count while the day still has that mark, that is, while nothing was written to the day
//    since. A late batch, a repeated one, another epoch or other catalogs change the mark; readers
//    then take the minutes until the day is rolled up again. Comparing the batches one by one
//    instead would make each reader look at the batches of all days, several million a week, where
//    it now looks at one row a day. A mark also notices a batch that was written again with another
//    meaning.
//
// 2. Steps. A rollup (1) reads the mark, (2) lists the batches that have rows of the day, (3)
//    writes the hours of those batches under a number of its own, into partitions of their own, and
//    (4) publishes that number in fold_rows if the mark is unchanged. Nothing reads hours that are
//    not published, so a crash at any step costs only space, which dropOldRollups frees after a
//    day. Two processes that roll up one day write the same hours under two numbers.
//
//   - What (3) writes is synced to disk before it is acknowledged: nobody would repeat it after a
//     loss of power.
//   - A pause lies between (3) and (4), for a query that reads the hours before (3) and the
//     published numbers after (4).
//
// 3. Batches. A batch adds its mark after its sums are acknowledged and before its row in
//    batch_rows (Insert). If (1) saw the mark, (3) sees the sums. If it did not, the mark of the
//    day differs from the rollup's as soon as the batch's mark arrives. Until then the batch is not
//    in, and the hours may lack it. A repeated batch adds a mark again, which costs another rollup
//    and never a wrong count.
//
// 4. Locks. A switch of epochs, a voiding and a re-enrichment change which rows count, or what they
//    say, long after these were written, and not in one step with the marks. Each takes a lock,
//    marks the days, makes its change, marks the days again, and releases the lock (changeDays). No
//    rollup is published while a lock is held, or if one was taken since it began. So a rollup was
//    either published before the lock, and the change finds its day in the lists of (2) and marks
//    it; or it began after the lock was released, and sees the change.
//
//   - A lock whose owner died expires after an hour, when its owner can write no more.
//   - A rollup that slept for more than an hour publishes nothing: its hours may have been dropped.
//
// 5. Lists. A rollup lists the day's batches of all epochs, and sums those alone. Unfinished
//    batches are listed too. So when one is voided, its days are known and marked, and their hours
//    stop counting.
//
// Days whose minutes begin to expire (retention.go) are not rolled up again and need no mark: their
// hours stay. If an operator has shortened the retention of the minutes, the hours of such a day
// are published again with the mark that a late batch has left (keepExpiring).
//
// An ingester of a version without marks, if one still runs, writes to rolled-up days unnoticed.

const (
	rollupGrace     = 2 * time.Hour    // from the end of a day, by the watermarks, to its rollup
	rollupInterval  = 10 * time.Minute // from one attempt at a day to the next
	rollupsAtOnce   = 3                // days in one call, so that it does not take long
	publishPause    = time.Second      // see above; longer than a query takes to begin
	rollupTimeout   = 10 * time.Minute // of each statement
	publishWithin   = time.Hour        // of its beginning; after that a rollup publishes nothing
	hoursDropAfter  = 24 * time.Hour   // from the beginning of a rollup whose hours do not count
	hourDropsAtOnce = 50               // partitions of each table in one call
)

// lockLasts is how long a lock lasts whose owner died, in SQL.
const lockLasts = `INTERVAL 1 HOUR`

// dayChange records that the minutes of a day say something else now: it adds to the day's mark.
type dayChange struct {
	day  time.Time
	mark uint64
}

var changeTable = table[dayChange]{
	name: "day_change_rows",
	columns: []column[dayChange]{
		col("day", func(_ *Batch, c *dayChange) *time.Time { return &c.day }),
		col("mark", func(_ *Batch, c *dayChange) *uint64 { return &c.mark }),
	},
}

// markDays changes the marks of days.
func (s *Store) markDays(ctx context.Context, days []time.Time) error {
	changes := make([]dayChange, len(days))
	for i, d := range days {
		changes[i] = dayChange{d, rand.Uint64()}
	}
	return changeTable.insert(ctx, s, alone(changes))
}

// dayOf returns the day of a time, in UTC.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// daysOf returns the days that batches have sums of. Every error has a request in its minute.
func daysOf(batches []*Batch) (days []time.Time) {
	for _, b := range batches {
		for i := range b.counts.traffic.n {
			if day := dayOf(b.counts.traffic.of(i).key.time()); !slices.Contains(days, day) {
				days = append(days, day)
			}
		}
	}
	return days
}

// changeDays makes a change to what the minutes of days say that cannot happen in one step with
// their marks. It holds a lock meanwhile, and marks the days before the change and, in case the
// lock expired, after it. After an error the change may still come, so the lock is left to expire.
func (s *Store) changeDays(ctx context.Context, days func(context.Context) ([]time.Time, error), change func() error) error {
	id := rand.Uint64()
	lock := func(released uint8) error {
		return s.execute(ctx, s.insertTimeout, `INSERT INTO fold_hold_rows (hold, began, ended) SELECT ?, now64(3), ?`, id, released)
	}
	mark := func() error {
		days, err := days(ctx)
		if err != nil {
			return err
		}
		return s.markDays(ctx, days)
	}
	if err := firstError(func() error { return lock(0) }, mark); err != nil {
		return fmt.Errorf("lock and mark days before a change: %w", err)
	}
	if err := change(); err != nil {
		if errors.Is(err, ErrSealed) { // nothing was changed
			err = errors.Join(err, lock(1))
		}
		return err
	}
	if err := firstError(mark, func() error { return lock(1) }); err != nil {
		return fmt.Errorf("mark and unlock days after a change: %w", err)
	}
	return nil
}

// maxNamedOffsets is how many batches a query names at most.
const maxNamedOffsets = 5000

// rolledUpDays returns the days whose hours may contain batches of a partition that begin at the
// offsets.
func (s *Store) rolledUpDays(ctx context.Context, topic string, partition int, offsets []int64) (all []time.Time, err error) {
	for some := range slices.Chunk(offsets, maxNamedOffsets) {
		days, err := s.askDays(ctx, `SELECT DISTINCT day FROM fold_batch_rows WHERE topic = ? AND partition = ? AND first_offset IN (?)`, topic, int32(partition), some)
		if err != nil {
			return nil, fmt.Errorf("look for the rolled-up days with batches of %s/%d: %w", topic, partition, err)
		}
		all = append(all, days...)
	}
	return all, nil
}

// rolledUpDaysOf is rolledUpDays for batches of several partitions.
func (s *Store) rolledUpDaysOf(ctx context.Context, batches []*Batch) (all []time.Time, err error) {
	type place struct {
		topic     string
		partition int
	}
	offsets := map[place][]int64{}
	for _, b := range batches {
		at := place{b.Topic, b.Partition}
		offsets[at] = append(offsets[at], b.FirstOffset)
	}
	for at, some := range offsets {
		days, err := s.rolledUpDays(ctx, at.topic, at.partition, some)
		if err != nil {
			return nil, err
		}
		all = append(all, days...)
	}
	return all, nil
}

func (s *Store) askDays(ctx context.Context, sql string, args ...any) (days []time.Time, err error) {
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var d time.Time
		err := scan(&d)
		days = append(days, d)
		return err
	})
	return days, err
}

// RollUpClosedDays rolls up the days that are due, a few in each call, the latest first, and
// returns those whose hours count since. It drops the hours that earlier rollups left. Any number
// of processes may call it, every minute.
//
// A day is due when the watermarks of all partitions are well past its end, its hours do not count,
// and the last attempt at it is a while ago.
func (s *Store) RollUpClosedDays(ctx context.Context, now time.Time) (rolledUp []time.Time, err error) {
	watermark, err := s.watermarkUpTo(ctx, now)
	if err != nil || watermark.IsZero() {
		return nil, err
	}
	expiring, err := s.expiringDay(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.keepExpiring(ctx, expiring); err != nil {
		return nil, fmt.Errorf("keep the hours of days whose minutes expire: %w", err)
	}
	due, err := s.dueDays(ctx, expiring, watermark.Add(-rollupGrace).Truncate(24*time.Hour), now)
	if err != nil {
		return nil, fmt.Errorf("look for days to roll up: %w", err)
	}
	for _, day := range due {
		done, err := s.rollUp(ctx, day)
		if err != nil {
			return rolledUp, fmt.Errorf("roll up %s: %w", day.Format(time.DateOnly), err)
		}
		if done {
			rolledUp = append(rolledUp, day)
		}
	}
	if err := s.dropOldRollups(ctx); err != nil {
		return rolledUp, fmt.Errorf("drop old rollups: %w", err)
	}
	return rolledUp, nil
}

// watermarkUpTo returns the least watermark of all partitions, or now if it is later; zero: some
// have none.
func (s *Store) watermarkUpTo(ctx context.Context, now time.Time) (time.Time, error) {
	watermark, _, err := s.DataWatermark(ctx)
	if watermark.After(now) {
		watermark = now
	}
	return watermark, err
}

// expiringDay returns the last day whose minutes may be incomplete because they expire; zero: none.
func (s *Store) expiringDay(ctx context.Context) (time.Time, error) {
	retention, err := s.ttls(ctx)
	if err != nil {
		return time.Time{}, err
	}
	expiring := retention[trafficTable.name]
	if codes := retention[codeTable.name]; codes.After(expiring) {
		expiring = codes
	}
	return expiring.Truncate(24 * time.Hour), nil
}

// keepExpiring lets the published hours of days up to a given one count, whatever was written to
// these days since.
func (s *Store) keepExpiring(ctx context.Context, last time.Time) error {
	if last.Unix() <= 0 {
		return nil // nothing expires
	}
	day := last.Format(time.DateOnly)
	return s.execute(ctx, s.insertTimeout, `
		INSERT INTO fold_rows (day, fold, mark, at, minutes, days)
		SELECT day, fold, now_marked, now64(3), minutes, days
		FROM (SELECT day, fold, mark, minutes, days FROM fold_rows FINAL WHERE day <= toDate(?)) AS folds
		JOIN (SELECT day, groupBitXor(mark) AS now_marked FROM day_change_rows WHERE day <= toDate(?) GROUP BY day) AS marks USING (day)
		WHERE mark != now_marked AND day > `+rollupSince, day, day)
}

// dueDays returns the days after one and before another that are to be rolled up. ClickHouse
// answers it from the names of the partitions.
func (s *Store) dueDays(ctx context.Context, after, before, now time.Time) ([]time.Time, error) {
	return s.askDays(ctx, `
		SELECT day
		FROM (SELECT toDate(minute) AS day, count() FROM traffic_sums GROUP BY day) AS minutes
		LEFT JOIN (SELECT toDate(hour) AS day, max(fold) AS fold FROM traffic_hour_rows GROUP BY day) AS tries USING (day)
		WHERE day > greatest(`+rollupSince+`, toDate(toDateTime(?, 'UTC'))) AND day < toDate(?) AND bitShiftRight(fold, 32) <= ? AND day NOT IN (SELECT day FROM folded_days WHERE days OR sealed)
		ORDER BY day DESC LIMIT ?`, max(after.Unix(), 0), before.Format(time.DateOnly), now.Add(-rollupInterval).Unix(), rollupsAtOnce)
}

// rollUp rolls up a day, and reports whether its hours count now.
func (s *Store) rollUp(ctx context.Context, day time.Time) (bool, error) {
	r, locked, err := s.beginRollup(ctx, day)
	if err != nil || locked {
		return false, err
	}
	steps := r.steps()
	publish := len(steps) - 1
	for _, step := range steps[:publish] {
		if err := step(ctx); err != nil {
			return false, err
		}
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(publishPause):
	}
	if err := steps[publish](ctx); err != nil {
		return false, err
	}
	published, err := s.askDays(ctx, `SELECT day FROM folded_days WHERE day = toDate(?) AND fold = ?`, r.day, r.number)
	return len(published) > 0, err
}

// rollup is what the rollup of a day remembers of its beginning.
type rollup struct {
	store    *Store
	day      string
	from, to time.Time
	number   uint64 // the second in which it began, by the server's clock, and 32 random bits
	mark     uint64 // of the day
	locks    uint64 // the XOR of the ids of all locks up to then
}

// beginRollup is the first step. It begins nothing while a lock is held.
func (s *Store) beginRollup(ctx context.Context, day time.Time) (r rollup, locked bool, err error) {
	r = rollup{store: s, day: day.Format(time.DateOnly), from: day, to: day.AddDate(0, 0, 1)}
	var second uint32
	err = s.conn.QueryRow(ctx, `
		SELECT toUnixTimestamp(now()), (SELECT groupBitXor(mark) FROM day_change_rows WHERE day = toDate(?)), groupBitXor(hold), countIf(NOT ended AND began > now64(3) - `+lockLasts+`) > 0
		FROM fold_hold_rows FINAL`, r.day).Scan(&second, &r.mark, &r.locks, &locked)
	r.number = uint64(second)<<32 | uint64(rand.Uint32())
	return r, locked, err
}

// steps returns the other steps, each one statement. All but the last, which publishes the hours,
// change nothing that a reader sees.
func (r rollup) steps() []func(context.Context) error {
	step := func(sql string, args ...any) func(context.Context) error {
		return func(ctx context.Context) error { return r.store.execute(ctx, rollupTimeout, sql, args...) }
	}
	minutes, in := span("minute", r.from, r.to)
	rows := ` FINAL WHERE ` + minutes + ` AND ` + counted + `
		AND (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, epoch FROM fold_batch_rows WHERE day = toDate(?)) GROUP BY `
	args := slices.Concat([]any{r.number}, in, []any{r.day})
	// The rows come in the order of the minute, so the sums of a minute are written as soon as it
	// has passed, and memory does not grow with the day.
	const inOrder = onlyDays + `, optimize_aggregation_in_order = 1`
	return slices.Concat([]func(context.Context) error{
		step(`INSERT INTO fold_batch_rows (topic, partition, first_offset, epoch, day)
			SELECT DISTINCT topic, partition, first_offset, epoch, toDate(?) FROM traffic_sums WHERE NOT late AND `+minutes, append([]any{r.day}, in...)...),
		step(`INSERT INTO traffic_minute_rows (fold, minute, `+trafficGroup+`, requests, errors)
			SELECT ?, minute, `+trafficGroup+`, sum(requests), sum(errors) FROM traffic_sums`+rows+`minute, `+trafficGroup+inOrder, args...),
		step(`INSERT INTO error_minute_rows (fold, minute, `+codeGroup+`, errors, first_seen, last_seen)
			SELECT ?, minute, `+codeGroup+`, sum(errors), min(first_seen), max(last_seen) FROM error_sums`+rows+`minute, `+codeGroup+inOrder, args...),
	}, longSteps(r.store, r.day, r.number), []func(context.Context) error{
		step(`INSERT INTO fold_rows (day, fold, mark, at, minutes, days) SELECT toDate(?), ?, ?, now64(3), 1, 1
			WHERE (SELECT groupBitXor(mark) FROM day_change_rows WHERE day = toDate(?)) = ? AND (SELECT groupBitXor(hold) FROM fold_hold_rows FINAL) = ?
				AND toUnixTimestamp(now()) < ?`, r.day, r.number, r.mark, r.day, r.mark, r.locks, r.number>>32+uint64(publishWithin.Seconds())),
	})
}

// The columns of a group of requests and of errors, in the order of the keys of traffic_sums and
// error_sums.
const (
	trafficGroup = `tenant, service, route, status, body_state, topic`
	codeGroup    = `tenant, code, service, route, dialect, topic, family, kind`
)

// longSteps returns the steps that add up the minutes of a rollup by hour, and its hours by day.
func longSteps(s *Store, day string, number uint64) []func(context.Context) error {
	step := func(sql string) func(context.Context) error {
		return func(ctx context.Context) error { return s.execute(ctx, rollupTimeout, sql, day, number) }
	}
	const (
		hours     = `SELECT fold, toStartOfHour(minute) AS hour, `
		ofMinutes = ` WHERE toDate(minute) = toDate(?) AND fold = ? GROUP BY fold, hour, `
		days      = `SELECT fold, toDate(hour) AS day, `
		ofHours   = ` WHERE toDate(hour) = toDate(?) AND fold = ? GROUP BY fold, day, `
		traffic   = `, sum(requests), sum(errors) FROM `
		codes     = `, sum(errors), min(first_seen), max(last_seen) FROM `
	)
	return []func(context.Context) error{
		step(`INSERT INTO traffic_hour_rows (fold, hour, ` + trafficGroup + `, requests, errors) ` +
			hours + trafficGroup + traffic + `traffic_minute_rows` + ofMinutes + trafficGroup),
		step(`INSERT INTO error_hour_rows (fold, hour, ` + codeGroup + `, errors, first_seen, last_seen) ` +
			hours + codeGroup + codes + `error_minute_rows` + ofMinutes + codeGroup),
		step(`INSERT INTO traffic_day_rows (fold, day, ` + trafficGroup + `, requests, errors) ` +
			days + trafficGroup + traffic + `traffic_hour_rows` + ofHours + trafficGroup),
		step(`INSERT INTO error_day_rows (fold, day, ` + codeGroup + `, errors, first_seen, last_seen) ` +
			days + codeGroup + codes + `error_hour_rows` + ofHours + codeGroup),
	}
}

// dropOldRollups drops hours that do not count and never will. A day after a rollup began it can no
// longer be published. An hour after another one was published, no query
// that began before is still running.
func (s *Store) dropOldRollups(ctx context.Context) error {
	for _, rolledUp := range []struct{ table, time string }{
		{"traffic_day_rows", "day"}, {"error_day_rows", "day"}, {"traffic_hour_rows", "hour"}, {"error_hour_rows", "hour"},
		{"traffic_minute_rows", "minute"}, {"error_minute_rows", "minute"},
	} {
		var drops []string
		err := s.ask(ctx, `
			SELECT toString(day), fold
			FROM (SELECT toDate(`+rolledUp.time+`) AS day, fold, count() FROM `+rolledUp.table+` GROUP BY day, fold) AS hours
			LEFT JOIN (
				SELECT day, fold AS named, at FROM fold_rows FINAL WHERE day NOT IN (SELECT day FROM sealed_days)
				UNION ALL SELECT day, fold, at FROM sealed_days
			) AS names USING (day)
			WHERE fold != named AND at < now64(3) - INTERVAL 1 HOUR AND bitShiftRight(fold, 32) < toUnixTimestamp(now()) - ? LIMIT ?`, []any{int64(hoursDropAfter.Seconds()), hourDropsAtOnce},
			func(scan func(...any) error) error {
				var day string
				var fold uint64
				err := scan(&day, &fold)
				drops = append(drops, fmt.Sprintf("ALTER TABLE %s DROP PARTITION ('%s', %d)", rolledUp.table, day, fold))
				return err
			})
		if err != nil {
			return err
		}
		for _, drop := range drops {
			if err := s.execute(ctx, rollupTimeout, drop); err != nil {
				return err
			}
		}
	}
	return nil
}
