package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Closed days are folded into hours, for readers of long ranges. The views traffic_hour and error_hour give the hours of days that are folded and
// the minutes of all others, under their hour, and are as exact as the minutes at every moment. migrations/0005_hours.sql has the tables.
//
// A day has a mark, the XOR of random numbers: whoever changes what its minutes say adds one when it is done. A folding remembers the mark that it
// began with, and its hours count as long as the day has that mark: as long as nothing was written to the day since. A late batch, a repeat, another
// epoch or other catalogs give the day another mark, and readers have its minutes until it is folded again. It holds the batches of the day then, all
// of them, but is not compared with them one by one: a reader would have to look at all batches of all days, several millions a week, where it now
// looks at one row a day. A mark also tells of a batch that was written again and means something else since.
//
// Folding is: (1) read the mark, (2) write down which batches the day has rows of, (3) write the hours of those batches under a number of our own, into
// partitions of their own, (4) name that number in fold_rows, if the mark is still the same. Until then nobody looks at the hours, so a crash leaves
// some that nobody ever does, which are dropped after a day. Two that fold one day write the same hours, under two numbers.
//
// Why no batch is missing from the hours that count, and none is there too many:
//
//   - A batch marks its days after its sums are acknowledged (Insert). When (1) has seen the mark, (3) sees the sums. When it has not, the mark
//     is another than the folding's, as soon as it is there. In between the batch is not in yet, and the hours may do without it.
//   - A switch to another epoch lets rows count, and others no more, that were written long ago. So (2) writes all batches of the day down, of
//     whatever epoch, and the hours are of these alone, also where an insert broke off. Before the switch, its days are looked up there and get
//     another mark; and from before that until after the switch a hold is on: no day is named as folded while it is on or if one was
//     on in between. So a day was named before the hold, and is found; or begun after it, and sees the switch. (changing)
//   - A hold whose owner died ends by itself after an hour, when it can write no more. Re-enrichment uses the same.
//   - A folder that slept for more than an hour names nothing: what it wrote may have been dropped.
//   - What (3) wrote has been synced to the disk when it is acknowledged, for nobody would repeat it after a loss of power.
//   - Between (3) and (4) is a pause, for a query that has looked at the hours before (3) and looks at the names after (4).
//   - A day whose minutes begin to expire is not folded again, and needs its mark no more: its hours stay. Should an operator have made the
//     minutes expire earlier than by our schema, its hours are named again, with the mark that a late batch has left. (keepExpiring)
//
// The mark comes with this version: an ingester of an earlier one, should it still run, tells of nothing that it writes into days folded before.

const (
	foldGrace   = 2 * time.Hour    // after the end of a day, by the watermarks, before it is folded
	foldAgain   = 10 * time.Minute // from one folding of a day to the next
	foldsAtOnce = 3                // days a call, so that it does not take long
	foldPause   = time.Second      // see above; longer than a query takes to begin
	foldTimeout = 10 * time.Minute // of each statement
)

// What the views and the statements below say in SQL: how long the minutes of a day can be folded, a little less than they are kept;
// how long a hold lasts; within what time a folding must have been named; and how old one is that nobody names any more.
const (
	foldable     = `today() - 798`
	holdLasts    = `INTERVAL 1 HOUR`
	foldLasts    = 3600
	foldDropped  = 24 * 3600
	foldsDropped = 50 // at most, a call
)

// dayChange says that the minutes of a day say something else now.
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

// changed gives days another mark.
func (s *Store) changed(ctx context.Context, days []time.Time) error {
	changes := make([]dayChange, len(days))
	for i, d := range days {
		changes[i] = dayChange{d, rand.Uint64()}
	}
	return changeTable.insert(ctx, s, alone(changes))
}

// daysOf are the days that batches have sums of. An error has a request of the same minute.
func daysOf(batches []*Batch) (days []time.Time) {
	for _, b := range batches {
		for k := range b.traffic {
			if day := k.minute.UTC().Truncate(24 * time.Hour); !slices.Contains(days, day) {
				days = append(days, day)
			}
		}
	}
	return days
}

// changing makes a change to what the minutes of days say that cannot be told in one step with it. The days get another mark before it, and,
// should it have come when the hold was over, after it. After an error nobody knows whether the change may still come, so the hold stays on.
func (s *Store) changing(ctx context.Context, days func(context.Context) ([]time.Time, error), change func() error) error {
	hold := rand.Uint64()
	holding := func(ended uint8) error {
		return s.execute(ctx, s.insertTimeout, `INSERT INTO fold_hold_rows (hold, began, ended) SELECT ?, now64(3), ?`, hold, ended)
	}
	mark := func() error {
		days, err := days(ctx)
		if err != nil {
			return err
		}
		return s.changed(ctx, days)
	}
	if err := firstError(func() error { return holding(0) }, mark); err != nil {
		return fmt.Errorf("announce a change of days: %w", err)
	}
	if err := change(); err != nil {
		return err
	}
	if err := firstError(mark, func() error { return holding(1) }); err != nil {
		return fmt.Errorf("tell of a change of days: %w", err)
	}
	return nil
}

// maxNamedOffsets is how many batches a query names.
const maxNamedOffsets = 5000

// foldedWith gives the days whose hours may hold batches of a partition that begin at the offsets.
func (s *Store) foldedWith(ctx context.Context, topic string, partition int, offsets []int64) (all []time.Time, err error) {
	for some := range slices.Chunk(offsets, maxNamedOffsets) {
		days, err := s.days(ctx, `SELECT DISTINCT day FROM fold_batch_rows WHERE topic = ? AND partition = ? AND first_offset IN (?)`, topic, int32(partition), some)
		if err != nil {
			return nil, fmt.Errorf("look for the days that hold batches of %s/%d: %w", topic, partition, err)
		}
		all = append(all, days...)
	}
	return all, nil
}

// foldedWithBatches is foldedWith for batches of several partitions.
func (s *Store) foldedWithBatches(ctx context.Context, batches []*Batch) (all []time.Time, err error) {
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
		days, err := s.foldedWith(ctx, at.topic, at.partition, some)
		if err != nil {
			return nil, err
		}
		all = append(all, days...)
	}
	return all, nil
}

func (s *Store) days(ctx context.Context, sql string, args ...any) (days []time.Time, err error) {
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var d time.Time
		err := scan(&d)
		days = append(days, d)
		return err
	})
	return days, err
}

// RollUpClosedDays folds the days that are due, a few a call, the latest first, and gives those whose hours count since. It drops what older
// foldings left. Any number of processes may call it, every minute.
//
// A day is due when the watermarks of all partitions are well past its end, its hours do not count, and it was not tried just now.
func (s *Store) RollUpClosedDays(ctx context.Context, now time.Time) (folded []time.Time, err error) {
	watermark, _, err := s.DataWatermark(ctx)
	if err != nil {
		return nil, err
	}
	if watermark.IsZero() {
		return nil, nil
	}
	if watermark.After(now) {
		watermark = now
	}
	kept, err := s.Retention(ctx)
	if err != nil {
		return nil, err
	}
	expiring := kept[trafficTable.name]
	if codes := kept[codeTable.name]; codes.After(expiring) {
		expiring = codes
	}
	expiring = expiring.Truncate(24 * time.Hour) // the last day whose minutes may be incomplete
	if err := s.keepExpiring(ctx, expiring); err != nil {
		return nil, fmt.Errorf("keep the hours of days whose minutes expire: %w", err)
	}
	due, err := s.dueDays(ctx, expiring, watermark.Add(-foldGrace).Truncate(24*time.Hour), now)
	if err != nil {
		return nil, fmt.Errorf("look for days to fold: %w", err)
	}
	for _, day := range due {
		done, err := s.fold(ctx, day)
		if err != nil {
			return folded, fmt.Errorf("fold %s into hours: %w", day.Format(time.DateOnly), err)
		}
		if done {
			folded = append(folded, day)
		}
	}
	if err := s.dropFolds(ctx); err != nil {
		return folded, fmt.Errorf("drop old hours: %w", err)
	}
	return folded, nil
}

// keepExpiring lets the hours of days up to a given one count, whatever was written to these days since.
func (s *Store) keepExpiring(ctx context.Context, last time.Time) error {
	if last.Unix() <= 0 {
		return nil // nothing expires
	}
	day := last.Format(time.DateOnly)
	return s.execute(ctx, s.insertTimeout, `
		INSERT INTO fold_rows (day, fold, mark, at)
		SELECT day, fold, now_marked, now64(3)
		FROM (SELECT day, fold, mark FROM fold_rows FINAL WHERE day <= toDate(?)) AS folds
		JOIN (SELECT day, groupBitXor(mark) AS now_marked FROM day_change_rows WHERE day <= toDate(?) GROUP BY day) AS marks USING (day)
		WHERE mark != now_marked AND day > `+foldable, day, day)
}

// dueDays gives the days after one and before another that are to be folded. ClickHouse answers it from the names of the partitions.
func (s *Store) dueDays(ctx context.Context, after, before, now time.Time) ([]time.Time, error) {
	return s.days(ctx, `
		SELECT day
		FROM (SELECT toDate(minute) AS day, count() FROM traffic_sums GROUP BY day) AS minutes
		LEFT JOIN (SELECT toDate(hour) AS day, max(fold) AS fold FROM traffic_hour_rows GROUP BY day) AS tries USING (day)
		WHERE day > greatest(`+foldable+`, toDate(toDateTime(?, 'UTC'))) AND day < toDate(?) AND bitShiftRight(fold, 32) <= ? AND day NOT IN (SELECT day FROM folded_days)
		ORDER BY day DESC LIMIT ?`, max(after.Unix(), 0), before.Format(time.DateOnly), now.Add(-foldAgain).Unix(), foldsAtOnce)
}

// fold folds a day, and tells whether its hours count now.
func (s *Store) fold(ctx context.Context, day time.Time) (bool, error) {
	f, held, err := s.beginFold(ctx, day)
	if err != nil || held {
		return false, err
	}
	steps := f.steps()
	name := len(steps) - 1
	for _, step := range steps[:name] {
		if err := step(ctx); err != nil {
			return false, err
		}
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(foldPause):
	}
	if err := steps[name](ctx); err != nil {
		return false, err
	}
	named, err := s.days(ctx, `SELECT day FROM folded_days WHERE day = toDate(?) AND fold = ?`, f.day, f.number)
	return len(named) > 0, err
}

// folding is what a folding of a day remembers of its beginning.
type folding struct {
	store    *Store
	day      string
	from, to time.Time
	number   uint64 // the second in which it began, by the server's clock, and 32 random bits
	mark     uint64 // of the day
	holds    uint64 // the XOR of all that there had been
}

// beginFold is the first step. It begins nothing while a hold is on.
func (s *Store) beginFold(ctx context.Context, day time.Time) (f folding, held bool, err error) {
	f = folding{store: s, day: day.Format(time.DateOnly), from: day, to: day.AddDate(0, 0, 1)}
	var second uint32
	err = s.conn.QueryRow(ctx, `
		SELECT toUnixTimestamp(now()), (SELECT groupBitXor(mark) FROM day_change_rows WHERE day = toDate(?)), groupBitXor(hold), countIf(NOT ended AND began > now64(3) - `+holdLasts+`) > 0
		FROM fold_hold_rows FINAL`, f.day).Scan(&second, &f.mark, &f.holds, &held)
	f.number = uint64(second)<<32 | uint64(rand.Uint32())
	return f, held, err
}

// steps are the others, each one statement. All but the last change nothing that a reader sees.
func (f folding) steps() []func(context.Context) error {
	step := func(sql string, args ...any) func(context.Context) error {
		return func(ctx context.Context) error { return f.store.execute(ctx, foldTimeout, sql, args...) }
	}
	minutes, in := span("minute", f.from, f.to)
	rows := ` FINAL WHERE ` + minutes + ` AND ` + counted + `
		AND (topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, epoch FROM fold_batch_rows WHERE day = toDate(?)) GROUP BY `
	args := slices.Concat([]any{f.number}, in, []any{f.day})
	const traffic, codes = `hour, tenant, service, route, status, body_state, topic`, `hour, tenant, service, route, family, kind, code, dialect, topic`
	return []func(context.Context) error{
		step(`INSERT INTO fold_batch_rows (topic, partition, first_offset, epoch, day)
			SELECT DISTINCT topic, partition, first_offset, epoch, toDate(?) FROM traffic_sums WHERE `+minutes, append([]any{f.day}, in...)...),
		step(`INSERT INTO traffic_hour_rows (fold, `+traffic+`, requests, errors)
			SELECT ?, toStartOfHour(minute) AS `+traffic+`, sum(requests), sum(errors) FROM traffic_sums`+rows+traffic+onlyDays, args...),
		step(`INSERT INTO error_hour_rows (fold, `+codes+`, errors, first_seen, last_seen)
			SELECT ?, toStartOfHour(minute) AS `+codes+`, sum(errors), min(first_seen), max(last_seen) FROM error_sums`+rows+codes+onlyDays, args...),
		step(`INSERT INTO fold_rows (day, fold, mark, at) SELECT toDate(?), ?, ?, now64(3)
			WHERE (SELECT groupBitXor(mark) FROM day_change_rows WHERE day = toDate(?)) = ? AND (SELECT groupBitXor(hold) FROM fold_hold_rows FINAL) = ?
				AND toUnixTimestamp(now()) < ?`, f.day, f.number, f.mark, f.day, f.mark, f.holds, f.number>>32+foldLasts),
	}
}

// dropFolds drops hours that nobody looks at any more, and nobody will: a day after their folding began it can no longer be named, and an hour after
// another one was named no query is left that began before.
func (s *Store) dropFolds(ctx context.Context) error {
	for _, table := range []string{"traffic_hour_rows", "error_hour_rows"} {
		var drops []string
		err := s.ask(ctx, `
			SELECT toString(day), fold
			FROM (SELECT toDate(hour) AS day, fold, count() FROM `+table+` GROUP BY day, fold) AS hours
			LEFT JOIN (SELECT day, fold AS named, at FROM fold_rows FINAL) AS names USING (day)
			WHERE fold != named AND at < now64(3) - INTERVAL 1 HOUR AND bitShiftRight(fold, 32) < toUnixTimestamp(now()) - ? LIMIT ?`, []any{foldDropped, foldsDropped}, func(scan func(...any) error) error {
			var day string
			var fold uint64
			err := scan(&day, &fold)
			drops = append(drops, fmt.Sprintf("ALTER TABLE %s DROP PARTITION ('%s', %d)", table, day, fold))
			return err
		})
		if err != nil {
			return err
		}
		for _, drop := range drops {
			if err := s.execute(ctx, foldTimeout, drop); err != nil {
				return err
			}
		}
	}
	return nil
}
