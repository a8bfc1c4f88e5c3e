package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/enrich"
)

// Re-enrichment gives stored rows what today's catalogs say. A row is read, explained again from
// its own columns by the function that the ingester uses, and inserted through the ingester's table
// of columns. Its sorting key stays the same, so it replaces itself: at every moment each key has
// one row, and a row that is written twice is the same. A run may therefore stop anywhere and be
// started again.
//
// The ingester may write the same keys meanwhile, when it repeats a planned batch. Its rows differ
// only in what its catalogs say, so counts stay. If its catalogs are older, the rows are stale
// again and the next run finds them.

// Stale is the number of rows of a day that other catalogs explained.
type Stale struct {
	Day  time.Time
	Rows uint64
}

// Rewrite is an error's event as it was stored and as it is explained now.
type Rewrite struct{ Before, After enrich.Event }

// SumRewrite is what a code's sum in a batch and a minute meant and what it means now.
type SumRewrite struct {
	Code          string
	Before, After catalog.Meaning
}

// maxSliceBytes is about how much text is held in memory before it is written.
const maxSliceBytes = 32 << 20

// onlyDays makes FINAL merge each day by itself: the time is in the keys.
const onlyDays = " SETTINGS do_not_merge_across_partitions_select_final = 1"

// StaleErrors returns the days of [from, to) that have errors which catalogs of another version
// explained. A zero time leaves its side open.
func (s *Store) StaleErrors(ctx context.Context, from, to time.Time, version string) (days []Stale, err error) {
	filter, args := span("ts", from, to)
	err = s.ask(ctx, "SELECT toDate(ts) AS day, count() FROM error_rows FINAL WHERE "+filter+" AND catalog_version != ? GROUP BY day ORDER BY day"+onlyDays,
		append(args, version), func(scan func(...any) error) error {
			var d Stale
			err := scan(&d.Day, &d.Rows)
			days = append(days, d)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("count the errors that other catalogs explained: %w", err)
	}
	return days, nil
}

// span returns the condition that the time in a column lies in [from, to).
func span(column string, from, to time.Time) (string, []any) {
	c := Scope{From: from, To: to}.Where(column)
	return c.SQL, c.Args
}

// within cuts a day to [from, to).
func within(day, from, to time.Time) (time.Time, time.Time) {
	a, b := day, day.AddDate(0, 0, 1)
	if a.Before(from) {
		a = from
	}
	if !to.IsZero() && b.After(to) {
		b = to
	}
	return a, b
}

// behind returns the condition that a row's sorting key comes after the given values, in a form
// that the primary key can prune by: a > ? OR (a = ? AND (b > ? OR …)). Times are given in
// milliseconds.
func behind(key []string, values []any) (string, []any) {
	value := "?"
	if key[0] == "ts" || key[0] == "minute" {
		value = "fromUnixTimestamp64Milli(?)"
	}
	column := "`" + key[0] + "`"
	if len(key) == 1 {
		return column + " > " + value, values
	}
	rest, more := behind(key[1:], values[1:])
	return column + " > " + value + " OR (" + column + " = " + value + " AND (" + rest + "))", append([]any{values[0], values[0]}, more...)
}

// slicing reads rows in the order of their key and hands them over in portions that fit into
// memory. A query reads at most limit rows and begins after the last row of the query before, so
// that no query runs for long while rows are written.
type slicing[R any] struct {
	query  string // SELECT … WHERE …, to which conditions are added
	args   []any
	key    []string
	limit  int
	scan   func(scan func(...any) error) (row of[R], bytes int, err error)
	keyOf  func(of[R]) []any
	handle func([]of[R]) error
}

func (r slicing[R]) run(ctx context.Context, s *Store) error {
	var last []any
	for {
		n, at, err := r.slice(ctx, s, last)
		if err != nil {
			return err
		}
		if n < r.limit {
			return nil
		}
		last = at
	}
}

// slice handles at most limit rows after the key last. It returns how many these were and the key
// of the last one.
func (r slicing[R]) slice(ctx context.Context, s *Store, last []any) (n int, at []any, err error) {
	sql, args := r.query, slices.Clone(r.args)
	if last != nil {
		condition, values := behind(r.key, last)
		sql, args = sql+" AND ("+condition+")", append(args, values...)
	}
	sql += " ORDER BY `" + strings.Join(r.key, "`, `") + fmt.Sprintf("` LIMIT %d", r.limit) + onlyDays
	var held []of[R]
	size := 0
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		row, bytes, err := r.scan(scan)
		if err != nil {
			return err
		}
		n++
		at = r.keyOf(row)
		held, size = append(held, row), size+bytes
		if size < maxSliceBytes {
			return nil
		}
		full := held
		held, size = nil, 0
		return r.handle(full)
	})
	if err == nil && len(held) > 0 {
		err = r.handle(held)
	}
	return n, at, err
}

// ReenrichErrors explains again those errors of a day that lie in [from, to) and that other
// catalogs explained. It reads limit rows at a time, writes them unless it is a dry run, and calls
// done after each portion.
func (s *Store) ReenrichErrors(ctx context.Context, c *catalog.Set, day, from, to time.Time, limit int, dry bool, done func([]Rewrite) error) error {
	from, to = within(day, from, to)
	filter, args := span("ts", from, to)
	err := slicing[errorRow]{
		query: "SELECT " + errorTable.selected() +
			" FROM error_rows FINAL WHERE " + filter + " AND catalog_version != ?",
		args:  append(args, c.Version),
		key:   []string{"tenant", "code", "ts", "topic", "partition", "offset", "index", "envelope", "epoch"},
		limit: limit,
		scan:  scanError,
		keyOf: func(r of[errorRow]) []any {
			return []any{r.row.tenant, r.row.event.Code, r.row.at.UnixMilli(), r.batch.Topic, r.batch.Partition, r.row.offset, r.row.index, r.row.envelope, r.batch.Epoch}
		},
		handle: func(rows []of[errorRow]) error {
			rewrites := make([]Rewrite, len(rows))
			for i := range rows {
				e := &rows[i].row.event
				rewrites[i].Before = *e
				*e = enrich.Explain(c, e.Envelope, rows[i].row.service, rows[i].row.status)
				rewrites[i].After = *e
			}
			if !dry {
				// An insert that has begun when ctx ends is finished, so that the caller's count of
				// rows that are done is right.
				if err := errorTable.insert(context.WithoutCancel(ctx), s, rows); err != nil {
					return err
				}
			}
			return done(rewrites)
		},
	}.run(ctx, s)
	if err != nil {
		return fmt.Errorf("explain the errors of %s again: %w", day.Format(time.DateOnly), err)
	}
	return nil
}

func scanError(scan func(...any) error) (of[errorRow], int, error) {
	r, err := errorTable.scan(scan)
	e := &r.row.event
	bytes := 500 + len(e.Message) + len(e.Description) + len(e.Remedy) + len(e.Template) + len(r.row.path) + len(e.RequestID)
	for name, value := range e.Args {
		bytes += len(name) + len(value)
	}
	return r, bytes, err
}

// SumDays returns the days of [from, to) that have sums of errors.
func (s *Store) SumDays(ctx context.Context, from, to time.Time) (days []time.Time, err error) {
	filter, args := span("minute", from, to)
	sealed, more := span("toDateTime64(day, 3, 'UTC')", dayOf(from), to)
	err = s.ask(ctx, "SELECT day FROM (SELECT DISTINCT toDate(minute) AS day FROM error_sums WHERE "+filter+" UNION DISTINCT SELECT day FROM sealed_days WHERE "+sealed+") ORDER BY day", append(args, more...), func(scan func(...any) error) error {
		var d time.Time
		err := scan(&d)
		days = append(days, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the days with sums: %w", err)
	}
	return days, nil
}

// maxNamedCodes is about how many bytes of codes a query names. A query may have 256 KiB.
const maxNamedCodes = 60_000

// nameable cuts a list of codes into portions that queries can name.
func nameable(codes []string) (portions [][]string) {
	first, size := 0, 0
	for i, code := range codes {
		if size += 2*len(code) + 4; size > maxNamedCodes && i > first {
			portions, first, size = append(portions, codes[first:i]), i, 2*len(code)+4
		}
	}
	if first < len(codes) {
		portions = append(portions, codes[first:])
	}
	return portions
}

// ReenrichSums gives those sums of errors of a day that lie in [from, to) the family and kind that
// their codes have now. A sum has no status and no message. If a code has several entries of
// different kinds, the sum takes the kind of its first error, as in the ingester. So its errors
// must have been explained before. If they no longer exist, a kind that is one of the possible ones
// stays.
func (s *Store) ReenrichSums(ctx context.Context, c *catalog.Set, day, from, to time.Time, limit int, dry bool, done func([]SumRewrite) error) error {
	from, to = within(day, from, to)
	if err := s.reenrichSealed(ctx, c, day, from, to, dry, done); err != nil {
		return fmt.Errorf("explain the rollup of %s again: %w", day.Format(time.DateOnly), err)
	}
	changed, ambiguous, err := s.changedSums(ctx, c, from, to)
	if err == nil && len(changed) > 0 {
		err = s.rewriteSums(ctx, from, to, changed, limit, dry, done, func(r *codeRow) {
			meanings := c.Meanings(r.code, r.dialect, r.service)
			if !slices.Contains(meanings, catalog.Meaning{Family: r.family, Kind: r.kind}) {
				r.family, r.kind = meanings[0].Family, meanings[0].Kind
			}
		})
	}
	for _, codes := range nameable(ambiguous) {
		if err == nil {
			err = s.sumsFromErrors(ctx, from, to, codes, limit, dry, done)
		}
	}
	if err != nil {
		return fmt.Errorf("explain the sums of %s again: %w", day.Format(time.DateOnly), err)
	}
	return nil
}

// unsealedSums leaves out the sums of sealed days that are in the rollup: they do not count.
const unsealedSums = " AND (late OR toDate(minute) NOT IN (SELECT day FROM sealed_days))"

// changedSums returns the codes of a window that mean something else now, and those that have
// several meanings.
func (s *Store) changedSums(ctx context.Context, c *catalog.Set, from, to time.Time) (changed, ambiguous []string, err error) {
	filter, args := span("minute", from, to)
	add := func(to *[]string, code string) {
		if len(*to) == 0 || (*to)[len(*to)-1] != code { // the codes come in order
			*to = append(*to, code)
		}
	}
	sql := "SELECT code, dialect, service, family, kind FROM error_sums FINAL WHERE " + filter + unsealedSums + " GROUP BY code, dialect, service, family, kind ORDER BY code" + onlyDays
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var code, dialect, service string
		var m catalog.Meaning
		if err := scan(&code, &dialect, &service, &m.Family, &m.Kind); err != nil {
			return err
		}
		meanings := c.Meanings(code, dialect, service)
		if !slices.Contains(meanings, m) {
			add(&changed, code)
		}
		if len(meanings) > 1 {
			add(&ambiguous, code)
		}
		return nil
	})
	return changed, ambiguous, err
}

var sumKey = []string{"minute", "tenant", "code", "service", "route", "dialect", "topic", "partition", "first_offset", "epoch"}

// rewriteSums reads the sums of codes, explains them, and writes those whose meaning changed.
func (s *Store) rewriteSums(ctx context.Context, from, to time.Time, codes []string, limit int, dry bool, done func([]SumRewrite) error, explain func(*codeRow)) error {
	filter, args := span("minute", from, to)
	if len(nameable(codes)) == 1 { // otherwise reading all costs no more
		filter, args = filter+" AND code IN (?)", append(args, codes)
	}
	return slicing[codeRow]{
		query: "SELECT " + codeTable.selected() + " FROM error_sums FINAL WHERE " + filter + unsealedSums,
		args:  args,
		key:   sumKey,
		limit: limit,
		scan:  func(scan func(...any) error) (of[codeRow], int, error) { return scanSum(scan) },
		keyOf: func(r of[codeRow]) []any {
			return []any{r.row.minute.UnixMilli(), r.row.tenant, r.row.code, r.row.service, r.row.route, r.row.dialect, r.batch.Topic, r.batch.Partition, r.batch.FirstOffset, r.batch.Epoch}
		},
		handle: func(rows []of[codeRow]) error {
			var others []of[codeRow]
			var rewrites []SumRewrite
			for _, r := range rows {
				before := catalog.Meaning{Family: r.row.family, Kind: r.row.kind}
				explain(r.row)
				if after := (catalog.Meaning{Family: r.row.family, Kind: r.row.kind}); after != before {
					others, rewrites = append(others, r), append(rewrites, SumRewrite{r.row.code, before, after})
				}
			}
			return s.writeSums(ctx, others, rewrites, dry, done)
		},
	}.run(ctx, s)
}

// writeSums writes sums of which rewrites says what has changed, without those whose day was sealed
// since they were read.
func (s *Store) writeSums(ctx context.Context, rows []of[codeRow], rewrites []SumRewrite, dry bool, done func([]SumRewrite) error) error {
	if dry || len(rows) == 0 {
		return done(rewrites)
	}
	days := minuteDays(rows)
	var written []SumRewrite
	lasting := context.WithoutCancel(ctx)
	err := s.changeDays(lasting, func(context.Context) ([]time.Time, error) { return days, nil }, func() error {
		sealed, err := s.sealedAmong(ctx, days) // the lock keeps others from being sealed
		if err != nil {
			return err
		}
		var open []of[codeRow]
		for i, r := range rows {
			if r.row.late || !slices.ContainsFunc(sealed, dayOf(r.row.minute).Equal) {
				open, written = append(open, r), append(written, rewrites[i])
			}
		}
		// If the rows survive a loss of power, so do the marks of their days.
		return firstError(func() error { return s.Sync(lasting) }, func() error { return codeTable.insert(lasting, s, open) })
	})
	if err != nil {
		return err
	}
	return done(written)
}

// minuteDays returns the days of sums.
func minuteDays(rows []of[codeRow]) (days []time.Time) {
	for _, r := range rows {
		if day := dayOf(r.row.minute); !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	return days
}

func scanSum(scan func(...any) error, more ...any) (of[codeRow], int, error) {
	r, err := codeTable.scan(scan, more...)
	return r, 500 + len(r.row.route), err
}

// sumsFromErrors gives the sums of codes with several meanings that of their first error.
func (s *Store) sumsFromErrors(ctx context.Context, from, to time.Time, codes []string, limit int, dry bool, done func([]SumRewrite) error) (err error) {
	sums, sumArgs := span("minute", from, to)
	rowsIn, errorArgs := span("ts", from, to)
	key, columns := strings.Join(sumKey, ", "), codeTable.selected()
	var others []of[codeRow]
	var rewrites []SumRewrite
	err = s.ask(ctx, `
		SELECT `+columns+`, family_, kind_
		FROM (SELECT `+columns+` FROM error_sums FINAL WHERE `+sums+unsealedSums+` AND code IN (?)) AS sums
		INNER JOIN (
			SELECT toStartOfMinute(ts) AS minute, tenant, code, service, route, dialect, topic, partition, first_offset, epoch,
				argMin(family, (offset, `+"`index`"+`, envelope)) AS family_, argMin(kind, (offset, `+"`index`"+`, envelope)) AS kind_
			FROM error_rows FINAL WHERE `+rowsIn+` AND code IN (?)
			GROUP BY `+key+`
		) AS errors USING (`+key+`)
		WHERE family != family_ OR kind != kind_`+onlyDays, slices.Concat(sumArgs, []any{codes}, errorArgs, []any{codes}), func(scan func(...any) error) error {
		var now catalog.Meaning
		row, _, err := scanSum(scan, &now.Family, &now.Kind)
		if err != nil {
			return err
		}
		rewrites = append(rewrites, SumRewrite{row.row.code, catalog.Meaning{Family: row.row.family, Kind: row.row.kind}, now})
		row.row.family, row.row.kind = now.Family, now.Kind
		others = append(others, row)
		if len(others) < limit {
			return nil
		}
		full, told := others, rewrites
		others, rewrites = nil, nil
		return s.writeSums(ctx, full, told, dry, done)
	})
	if err != nil {
		return err
	}
	return s.writeSums(ctx, others, rewrites, dry, done)
}
