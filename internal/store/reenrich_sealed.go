package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"errata/internal/catalog"
)

// meaningChange is what a code of a sealed day meant and what it means now.
type meaningChange struct {
	code, dialect, service string
	before, after          catalog.Meaning
	rows                   uint64 // of minutes
}

// reenrichSealed gives the sums of a sealed day that lie in [from, to) the family and kind that
// their codes have now. It writes the day's rollup once more, under another number, which then
// counts instead. A code with several entries of different kinds keeps a kind that is one of them.
// Of two runs on one day at once, the last one counts: the next run finds what it lacks.
func (s *Store) reenrichSealed(ctx context.Context, c *catalog.Set, day, from, to time.Time, dry bool, done func([]SumRewrite) error) error {
	date := day.Format(time.DateOnly)
	var fold, number uint64
	if err := s.conn.QueryRow(ctx, `SELECT sum(fold), bitShiftLeft(toUInt64(toUnixTimestamp(now())), 32) FROM sealed_days WHERE day = toDate(?)`, date).Scan(&fold, &number); err != nil || fold == 0 {
		return err
	}
	number |= uint64(rand.Uint32())
	changes, err := s.changedMeanings(ctx, c, date, fold, from, to)
	if err != nil || len(changes) == 0 {
		return err
	}
	if !dry {
		// A replacement that has begun when ctx ends is finished, so that the caller's count is
		// right.
		if err := s.replaceRollup(context.WithoutCancel(ctx), date, fold, number, from, to, changes); err != nil {
			return err
		}
	}
	var rewrites []SumRewrite
	for _, m := range changes {
		rewrites = append(rewrites, slices.Repeat([]SumRewrite{{m.code, m.before, m.after}}, int(m.rows))...)
	}
	return done(rewrites)
}

// changedMeanings returns the codes in the rollup of a day that mean something else now.
func (s *Store) changedMeanings(ctx context.Context, c *catalog.Set, date string, fold uint64, from, to time.Time) (changes []meaningChange, err error) {
	filter, args := span("minute", from, to)
	err = s.ask(ctx, `SELECT code, dialect, service, family, kind, count() FROM error_minute_rows WHERE toDate(minute) = toDate(?) AND fold = ? AND `+filter+
		` GROUP BY code, dialect, service, family, kind ORDER BY code, dialect, service, family, kind`, append([]any{date, fold}, args...), func(scan func(...any) error) error {
		var m meaningChange
		if err := scan(&m.code, &m.dialect, &m.service, &m.before.Family, &m.before.Kind, &m.rows); err != nil {
			return err
		}
		if meanings := c.Meanings(m.code, m.dialect, m.service); !slices.Contains(meanings, m.before) {
			m.after = meanings[0]
			changes = append(changes, m)
		}
		return nil
	})
	return changes, err
}

// maxReplaceQuery is how long the text of a query may be that names changed meanings, in bytes. The
// server's own limit is 256 KiB.
const maxReplaceQuery = 64 << 20

// replaceRollup writes the rollup of a sealed day again, with other meanings in [from, to), and
// makes it count. A replacement that took longer than publishWithin does not count: what it was
// read from, or it itself, may have been dropped meanwhile.
func (s *Store) replaceRollup(ctx context.Context, date string, fold, number uint64, from, to time.Time, changes []meaningChange) error {
	var columns [7][]string
	for _, m := range changes {
		for i, v := range []string{m.code, m.dialect, m.service, m.before.Family, m.before.Kind, m.after.Family, m.after.Kind} {
			columns[i] = append(columns[i], v)
		}
	}
	var named []any
	for _, c := range columns {
		named = append(named, c)
	}
	in, window := span("minute", from, to)
	const of = ` WHERE toDate(minute) = toDate(?) AND fold = ?`
	errors := `INSERT INTO error_minute_rows (fold, minute, tenant, service, route, code, dialect, topic, family, kind, errors, first_seen, last_seen)
		SELECT ?, minute, tenant, r.service, route, r.code, r.dialect, topic, if(found AND ` + in + `, family_, r.family) AS f, if(found AND ` + in + `, kind_, r.kind) AS k,
			sum(errors), min(first_seen), max(last_seen)
		FROM (SELECT * FROM error_minute_rows` + of + `) AS r
		LEFT JOIN (
			SELECT m.1 AS code, m.2 AS dialect, m.3 AS service, m.4 AS family, m.5 AS kind, m.6 AS family_, m.7 AS kind_, 1 AS found
			FROM (SELECT arrayJoin(arrayZip(?, ?, ?, ?, ?, ?, ?)) AS m)
		) AS changes ON r.code = changes.code AND r.dialect = changes.dialect AND r.service = changes.service AND r.family = changes.family AND r.kind = changes.kind
		GROUP BY minute, tenant, r.service, route, r.code, r.dialect, topic, f, k`
	steps := []func() error{
		func() error {
			ctx := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_query_size": maxReplaceQuery}))
			return s.execute(ctx, rollupTimeout, errors, slices.Concat([]any{number}, window, window, []any{date, fold}, named)...)
		},
		func() error {
			return s.execute(ctx, rollupTimeout, `INSERT INTO traffic_minute_rows SELECT * REPLACE (toUInt64(?) AS fold) FROM (SELECT * FROM traffic_minute_rows`+of+`)`, number, date, fold)
		},
	}
	for _, step := range longSteps(s, date, number) {
		steps = append(steps, func() error { return step(ctx) })
	}
	return firstError(append(steps,
		func() error { time.Sleep(publishPause); return nil },
		func() error { return s.publishReplacement(ctx, date, number) })...)
}

// publishReplacement makes a rollup of a sealed day count.
func (s *Store) publishReplacement(ctx context.Context, date string, number uint64) error {
	err := s.execute(ctx, s.insertTimeout, `INSERT INTO seal_rows (day, id, state, fold, at, days) SELECT toDate(?), ?, ?, ?, now64(3), 1 WHERE toUnixTimestamp(now()) < ?`,
		date, number, sealMade, number, number>>32+uint64(publishWithin.Seconds()))
	if err != nil {
		return err
	}
	var published uint64
	if err := s.conn.QueryRow(ctx, `SELECT count() FROM seal_rows WHERE day = toDate(?) AND id = ?`, date, number).Scan(&published); err != nil {
		return err
	}
	if published == 0 {
		return fmt.Errorf("it took longer than %s, so it does not count: run it again", publishWithin)
	}
	return nil
}
