package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// These are the queries of `ingest audit`. They only read, and may run beside ingesters. Queries of
// several tables see no common snapshot, so whatever seems wrong has to be checked a second time,
// as delivery.Audit does.
//
// A batch counts if the views count its rows (see counted). Tables are compared inside ClickHouse,
// many batches at a time, and only batches that differ are returned.

// The first two bound the memory of a query to about 700 MB, as measured.
const (
	auditSlice  = 200_000   // batches whose rows are summed at once
	auditEvents = 2_500_000 // events that are compared with each other at once
	auditNamed  = 1000      // differences of one kind that are returned for a partition and slice
)

// Tables names stored tables for sentences that tell an operator where something is wrong. Nothing
// outside this package queries them.
var Tables = struct{ Batches, Gaps, Errors, DeadLetters, TrafficSums, ErrorSums string }{
	Batches: batchTable.name, Gaps: "gap_rows", Errors: errorTable.name, DeadLetters: deadLetterTable.name,
	TrafficSums: trafficTable.name, ErrorSums: codeTable.name,
}

// auditedTables are the tables that an audit compares with the batches.
var auditedTables = []string{errorTable.name, trafficTable.name, codeTable.name, deadLetterTable.name}

// AuditScope is what an audit reads: some partitions, each from a batch on.
type AuditScope struct {
	Partitions []AuditPartition
	Oldest     time.Time // no batch in the scope has an older request; zero: unknown
	Retention  Retention
	Slice      int // batches whose rows are summed at once; 0: auditSlice
}

// AuditPartition names a partition. Batches that begin before From are left out.
type AuditPartition struct {
	Topic     string
	Partition int
	From      int64
}

// auditRange is a slice of a scope: the batches in [from, to), in the order of topic, partition and
// offset; nil: no bound.
type auditRange struct{ from, to *auditPlace }

type auditPlace struct {
	topic       string
	partition   int32
	firstOffset int64
}

func (p auditPlace) set() clickhouse.GroupSet {
	return clickhouse.GroupSet{Value: []any{p.topic, p.partition, p.firstOffset}}
}

// bind fills in the placeholders of a query. {partitions}, {slice} and {counting} are conditions
// for rows of any table, {from} is one for tables with few rows, and {since …} is one for a column
// of time; {aged} is agedColumn.
func (scope AuditScope) bind(sql string, r auditRange) (string, []any) {
	var places []Place
	from := "1"
	for _, p := range scope.Partitions {
		places = append(places, Place{Topic: p.Topic, Partition: p.Partition, Offset: p.From})
		if p.From > 0 {
			from = "first_offset >= " + offsetOfPlace
		}
	}
	slice := "1"
	args := bindPlaces(places)
	if r.from != nil {
		slice += " AND (topic, partition, first_offset) >= @slice_from"
		args = append(args, clickhouse.Named("slice_from", r.from.set()))
	}
	if r.to != nil {
		slice += " AND (topic, partition, first_offset) < @slice_to"
		args = append(args, clickhouse.Named("slice_to", r.to.set()))
	}
	since := func(column string) string { return "1" }
	if !scope.Oldest.IsZero() {
		args = append(args, clickhouse.Named("oldest", scope.Oldest.UnixMilli()))
		since = func(column string) string { return column + " >= fromUnixTimestamp64Milli(@oldest)" }
	}
	for _, name := range auditedTables {
		args = append(args, clickhouse.Named("complete_since_"+name, scope.completeSince(name)))
	}
	return strings.NewReplacer("{partitions}", inPlaces, "{from}", from, "{slice}", slice, "{counting}", counted,
		"{since ts}", since("ts"), "{since minute}", since("minute"), "{aged}", agedColumn).Replace(sql), args
}

// completeSince returns the time, in milliseconds, before which a table may have deleted rows; 0:
// it deletes none.
func (scope AuditScope) completeSince(table string) int64 {
	if t, limited := scope.Retention[table]; limited {
		return t.UnixMilli()
	}
	return 0
}

// agedColumn is the time of a batch's oldest request, in milliseconds. For a batch without
// requests, such as one whose records are all dead letters, it is that of the newest request before
// it; 0: unknown.
const agedColumn = `if(requests > 0, toUnixTimestamp64Milli(min_ts),
	toUnixTimestamp64Milli(max(max_ts) OVER (PARTITION BY topic, partition ORDER BY first_offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)))`

// slices calls look for one slice of a scope after the other.
func (s *Store) slices(ctx context.Context, scope AuditScope, look func(auditRange) error) error {
	if len(scope.Partitions) == 0 {
		return nil
	}
	size := scope.Slice
	if size == 0 {
		size = auditSlice
	}
	r := auditRange{}
	for {
		r.to = nil
		sql, args := scope.bind(fmt.Sprintf(`SELECT topic, partition, first_offset FROM batch_rows FINAL WHERE {partitions} AND {slice}
			ORDER BY topic, partition, first_offset, epoch LIMIT 1 OFFSET %d`, size), r)
		err := s.ask(ctx, sql, args, func(scan func(...any) error) error {
			r.to = &auditPlace{}
			return scan(&r.to.topic, &r.to.partition, &r.to.firstOffset)
		})
		if err != nil {
			return err
		}
		if r.from != nil && r.to != nil && *r.from == *r.to { // more epochs of one batch than a slice holds
			r.to.firstOffset++
		}
		if err := look(r); err != nil || r.to == nil {
			return err
		}
		r.from = r.to
	}
}

// BatchPartitions returns the partitions of topics that have batches.
func (s *Store) BatchPartitions(ctx context.Context, topics []string) ([]AuditPartition, error) {
	all, err := s.partitions(ctx, "SELECT topic, partition, toInt64(0) FROM batch_rows WHERE topic IN (@topics) GROUP BY topic, partition",
		clickhouse.Named("topics", topics))
	if err != nil {
		return nil, fmt.Errorf("look for the partitions that have batches: %w", err)
	}
	return all, nil
}

// Since narrows each partition of a scope to the batches from the first one on that has a request
// at or after a time. It leaves out partitions without such a batch.
func (s *Store) Since(ctx context.Context, scope AuditScope, since time.Time) (AuditScope, error) {
	if len(scope.Partitions) == 0 {
		return scope, nil
	}
	sql, args := scope.bind(`SELECT topic, partition, min(first_offset) FROM batches
		WHERE {partitions} AND requests > 0 AND max_ts >= fromUnixTimestamp64Milli(@since) GROUP BY topic, partition`, auditRange{})
	var err error
	if scope.Partitions, err = s.partitions(ctx, sql, append(args, clickhouse.Named("since", since.UnixMilli()))...); err != nil {
		return scope, fmt.Errorf("look for the batches since %s: %w", since.Format(time.RFC3339), err)
	}
	if len(scope.Partitions) == 0 {
		return scope, nil
	}
	var oldest time.Time // of these batches; their oldest request may be older than since
	sql, args = scope.bind("SELECT minIf(min_ts, requests > 0) FROM batches WHERE {partitions} AND {from}", auditRange{})
	if err := s.conn.QueryRow(ctx, sql, args...).Scan(&oldest); err != nil {
		return scope, fmt.Errorf("look for the oldest request of the batches since %s: %w", since.Format(time.RFC3339), err)
	}
	scope.Oldest = oldest.Truncate(time.Minute)
	return scope, nil
}

func (s *Store) partitions(ctx context.Context, sql string, args ...any) (all []AuditPartition, err error) {
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var p AuditPartition
		var id int32
		err := scan(&p.Topic, &id, &p.From)
		p.Partition = int(id)
		all = append(all, p)
		return err
	})
	return all, err
}

// Span is the range of a batch's offsets, both ends included.
type Span struct{ First, Last int64 }

func (s Span) String() string { return fmt.Sprintf("%d to %d", s.First, s.Last) }

// Coverage sums up the rows in batches of a partition, of those that count.
type Coverage struct {
	Topic                                           string
	Partition                                       int
	First, Last                                     Span // the first batch, and the one with the greatest last offset
	Batches, Records, Requests, Errors, DeadLetters uint64
	Expired                                         uint64 // batches so old that a table may have deleted some of their rows
	Breaks                                          []Break
}

// Break is a batch that does not begin where those before it end.
type Break struct {
	Before Span // the one before it with the greatest last offset
	Batch  Span
}

// Coverage returns which offsets the batches cover, by partition, in order.
func (s *Store) Coverage(ctx context.Context, scope AuditScope) (all []Coverage, err error) {
	err = s.slices(ctx, scope, func(r auditRange) error {
		var before Coverage
		if n := len(all); n > 0 {
			before = all[n-1]
		}
		part, err := s.coverage(ctx, scope, r, before)
		for _, c := range part {
			if n := len(all); n > 0 && all[n-1].Topic == c.Topic && all[n-1].Partition == c.Partition {
				all[n-1].join(c)
			} else {
				all = append(all, c)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which offsets the batches cover: %w", err)
	}
	return all, nil
}

// join adds the coverage of the next slice, whose breaks ignore the batches before the slice.
func (c *Coverage) join(next Coverage) {
	for _, b := range slices.Insert(next.Breaks, 0, Break{Before: c.Last, Batch: next.First}) {
		if b.Before.Last <= c.Last.Last {
			b.Before = c.Last
		}
		if b.Batch.First != b.Before.Last+1 {
			c.Breaks = append(c.Breaks, b)
		}
	}
	if next.Last.Last > c.Last.Last {
		c.Last = next.Last
	}
	c.Batches += next.Batches
	c.Records += next.Records
	c.Requests += next.Requests
	c.Errors += next.Errors
	c.DeadLetters += next.DeadLetters
	c.Expired += next.Expired
}

// coverage returns the coverage of a slice. A batch before it, of the last partition in before, may
// reach into it.
func (s *Store) coverage(ctx context.Context, scope AuditScope, r auditRange, before Coverage) (all []Coverage, err error) {
	sql, args := scope.bind(`SELECT topic, partition, min(first_offset), argMin(last_offset, first_offset), argMax(first_offset, last_offset), max(last_offset),
			count(), sum(records), sum(requests), sum(errors), sum(dead_letters),
			countIf(aged != 0 AND aged < greatest(@complete_since_error_rows, @complete_since_traffic_sums, @complete_since_error_sums, @complete_since_dead_letter_rows))
		FROM (SELECT *, {aged} AS aged FROM batches WHERE {partitions} AND {from} AND {slice})
		GROUP BY topic, partition ORDER BY topic, partition`, r)
	of := map[auditPlace]int{}
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var c Coverage
		var id int32
		err := scan(&c.Topic, &id, &c.First.First, &c.First.Last, &c.Last.First, &c.Last.Last,
			&c.Batches, &c.Records, &c.Requests, &c.Errors, &c.DeadLetters, &c.Expired)
		c.Partition = int(id)
		of[auditPlace{topic: c.Topic, partition: id}] = len(all)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	sql, args = scope.bind(fmt.Sprintf(`SELECT topic, partition, before_first, before_last, first_offset, last_offset FROM (
			SELECT topic, partition, first_offset, last_offset, row_number() OVER (PARTITION BY topic, partition ORDER BY first_offset, last_offset) AS n,
				argMax(first_offset, last_offset) OVER before AS before_first, max(last_offset) OVER before AS before_last
			FROM batches WHERE {partitions} AND {from} AND {slice}
			WINDOW before AS (PARTITION BY topic, partition ORDER BY first_offset, last_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
		WHERE n > 1 AND first_offset != greatest(before_last, if((topic, partition) = @reaching, @reach, before_last)) + 1
		ORDER BY topic, partition, first_offset, last_offset LIMIT %d BY topic, partition`, auditNamed), r)
	args = append(args, clickhouse.Named("reaching", clickhouse.GroupSet{Value: []any{before.Topic, before.Partition}}), clickhouse.Named("reach", before.Last.Last))
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var place auditPlace
		var b Break
		if err := scan(&place.topic, &place.partition, &b.Before.First, &b.Before.Last, &b.Batch.First, &b.Batch.Last); err != nil {
			return err
		}
		if i, known := of[place]; known { // otherwise it was added between the two queries
			all[i].Breaks = append(all[i].Breaks, b)
		}
		return nil
	})
	return all, err
}

// BatchSums compares a batch's own row with the sums over its rows in the other tables. It also
// stands for such rows without a batch.
type BatchSums struct {
	Topic       string
	Partition   int
	FirstOffset int64
	LastOffset  int64
	Epoch       uint32
	Recorded    bool // its own row exists

	Records, Requests, Errors, DeadLetters uint64 // as its own row says

	Traffic        uint64 // requests in traffic_sums
	TrafficErrors  uint64 // requests with an error there
	ErrorSums      uint64 // errors in error_sums
	Events         uint64 // rows in error_rows
	EventRequests  uint64 // requests with an error there
	DeadLetterRows uint64
	Rows           Span // the least and the greatest offset in error_rows and dead_letter_rows

	// The batch is so old that these tables may have deleted rows of it.
	TrafficExpired, ErrorSumsExpired, EventsExpired, DeadLettersExpired bool
}

// HasRows reports whether any table has rows of the batch.
func (b BatchSums) HasRows() bool {
	return b.Traffic+b.ErrorSums+b.Events+b.DeadLetterRows > 0
}

// Differing compares the batches that count with their rows in the tables. It returns the batches
// that differ, the batches with doubled events even if they do not differ, and the rows that count
// but belong to no batch.
func (s *Store) Differing(ctx context.Context, scope AuditScope, doubled []DoubledEvent) (all []BatchSums, err error) {
	holding := "0"
	var holders []clickhouse.GroupSet
	for _, e := range doubled {
		for _, in := range e.Batches {
			holding = "(topic, partition, first_offset) IN (@holders)"
			holders = append(holders, auditPlace{e.Topic, int32(e.Partition), in.FirstOffset}.set())
		}
	}
	err = s.slices(ctx, scope, func(r auditRange) error {
		// Each table is summed by batch, and the sums are put side by side. The first error of a
		// request has envelope 0, so these rows count the requests with errors. dead_letter_rows is
		// not narrowed by time: it is small and ordered by offset, and its time is Kafka's.
		sql, args := scope.bind(fmt.Sprintf(`SELECT topic, partition, first_offset, epoch, toBool(max(recorded) AS is_recorded), max(last) AS last_offset,
				sum(records) AS of_records, sum(requests) AS of_requests, sum(errors) AS of_errors, sum(dead_letters) AS of_dead_letters,
				sum(traffic) AS in_traffic, sum(traffic_errors) AS in_traffic_errors, sum(error_sums) AS in_error_sums,
				sum(events) AS in_events, sum(event_requests) AS in_event_requests, sum(letters) AS in_letters, min(low) AS lowest, max(high) AS highest,
				max(aged_at) AS aged,
				toBool(aged != 0 AND aged < @complete_since_traffic_sums) AS traffic_expired, toBool(aged != 0 AND aged < @complete_since_error_sums) AS sums_expired,
				toBool(aged != 0 AND aged < @complete_since_error_rows) AS events_expired, toBool(aged != 0 AND aged < @complete_since_dead_letter_rows) AS letters_expired
			FROM (
				SELECT topic, partition, first_offset, epoch, 1 AS recorded, last_offset AS last, records, requests, errors, dead_letters,
					toUInt64(0) AS traffic, toUInt64(0) AS traffic_errors, toUInt64(0) AS error_sums, toUInt64(0) AS events, toUInt64(0) AS event_requests, toUInt64(0) AS letters,
					toInt64(%[1]d) AS low, toInt64(-1) AS high, {aged} AS aged_at
				FROM batches WHERE {partitions} AND {from} AND {slice}
				UNION ALL
				SELECT topic, partition, first_offset, epoch, 0, toInt64(-1), 0, 0, 0, 0, sum(requests), sum(errors), 0, 0, 0, 0, toInt64(%[1]d), toInt64(-1), 0
				FROM (SELECT * FROM traffic_sums FINAL WHERE {partitions} AND {slice} AND {since minute} AND {counting}`+onlyDays+`) GROUP BY topic, partition, first_offset, epoch
				UNION ALL
				SELECT topic, partition, first_offset, epoch, 0, toInt64(-1), 0, 0, 0, 0, 0, 0, sum(errors), 0, 0, 0, toInt64(%[1]d), toInt64(-1), 0
				FROM (SELECT * FROM error_sums FINAL WHERE {partitions} AND {slice} AND {since minute} AND {counting}`+onlyDays+`) GROUP BY topic, partition, first_offset, epoch
				UNION ALL
				SELECT topic, partition, first_offset, epoch, 0, toInt64(-1), 0, 0, 0, 0, 0, 0, 0, count(), countIf(envelope = 0), 0, min(offset), max(offset), 0
				FROM (SELECT topic, partition, first_offset, epoch, offset, envelope FROM error_rows FINAL WHERE {partitions} AND {slice} AND {since ts} AND {counting}`+onlyDays+`)
				GROUP BY topic, partition, first_offset, epoch
				UNION ALL
				SELECT topic, partition, first_offset, epoch, 0, toInt64(-1), 0, 0, 0, 0, 0, 0, 0, 0, 0, count(), min(offset), max(offset), 0
				FROM dead_letter_rows FINAL WHERE {partitions} AND {slice} AND {counting} GROUP BY topic, partition, first_offset, epoch)
			GROUP BY topic, partition, first_offset, epoch
			HAVING {from} AND (NOT is_recorded
				OR (NOT traffic_expired AND in_traffic != of_requests)
				OR (NOT traffic_expired AND NOT events_expired AND in_traffic_errors != in_event_requests)
				OR (NOT sums_expired AND in_error_sums != of_errors)
				OR (NOT events_expired AND in_events != of_errors)
				OR (NOT letters_expired AND in_letters != of_dead_letters)
				OR lowest < first_offset OR highest > last_offset
				OR of_records > greatest(last_offset - first_offset + 1, 0)
				OR %[3]s)
			ORDER BY topic, partition, first_offset, epoch LIMIT %[2]d BY topic, partition`, math.MaxInt64, auditNamed, holding), r)
		return s.ask(ctx, sql, append(args, clickhouse.Named("holders", holders)), func(scan func(...any) error) error {
			var b BatchSums
			var id int32
			var aged int64
			err := scan(&b.Topic, &id, &b.FirstOffset, &b.Epoch, &b.Recorded, &b.LastOffset,
				&b.Records, &b.Requests, &b.Errors, &b.DeadLetters,
				&b.Traffic, &b.TrafficErrors, &b.ErrorSums, &b.Events, &b.EventRequests, &b.DeadLetterRows, &b.Rows.First, &b.Rows.Last,
				&aged, &b.TrafficExpired, &b.ErrorSumsExpired, &b.EventsExpired, &b.DeadLettersExpired)
			b.Partition = int(id)
			all = append(all, b)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("compare the batches with the tables: %w", err)
	}
	return all, nil
}

// DoubledEvent is an event that counts more than once because it has rows with different sorting
// keys.
type DoubledEvent struct {
	Topic           string
	Partition       int
	Offset          int64
	Index, Envelope uint32
	Batches         []DoubledIn // of its rows, one each
}

// DoubledIn is the batch, epoch and key of a row of a doubled event.
type DoubledIn struct {
	FirstOffset  int64
	Epoch        uint32
	Tenant, Code string
	Time         time.Time
}

// Doubled returns the events that count more than once.
func (s *Store) Doubled(ctx context.Context, scope AuditScope) (all []DoubledEvent, err error) {
	if len(scope.Partitions) == 0 {
		return nil, nil
	}
	fail := func(err error) ([]DoubledEvent, error) {
		return nil, fmt.Errorf("look for events that count more than once: %w", err)
	}
	var events uint64
	sql, args := scope.bind("SELECT count() FROM error_rows WHERE {partitions} AND {since ts}", auditRange{})
	if err := s.conn.QueryRow(ctx, sql, args...).Scan(&events); err != nil {
		return fail(err)
	}
	shares := events/auditEvents + 1
	var found []clickhouse.GroupSet
	for share := range shares {
		// FINAL is not needed, and costs more: rows that replace each other have the same key.
		sql, args := scope.bind(fmt.Sprintf(`SELECT topic, partition, offset FROM error_rows
			WHERE {partitions} AND {from} AND {since ts} AND cityHash64(partition, offset) %% %d = %d AND {counting}
			GROUP BY topic, partition, offset, `+"`index`"+`, envelope
			HAVING min(cityHash64(tenant, code, ts, epoch) AS sorting_key) != max(sorting_key)
			ORDER BY topic, partition, offset LIMIT %d BY topic, partition`, shares, share, auditNamed), auditRange{})
		err := s.ask(ctx, sql, args, func(scan func(...any) error) error {
			var p auditPlace
			err := scan(&p.topic, &p.partition, &p.firstOffset)
			found = append(found, p.set())
			return err
		})
		if err != nil {
			return fail(err)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	sql, args = scope.bind("SELECT topic, partition, offset, `index`, envelope, groupArray(first_offset), groupArray(epoch), groupArray(toString(tenant)), groupArray(toString(code)), groupArray(ts)"+
		" FROM (SELECT * FROM error_rows FINAL WHERE {partitions} AND {since ts} AND (topic, partition, offset) IN (@found) AND {counting} ORDER BY first_offset, epoch, tenant, code, ts"+onlyDays+")"+
		" GROUP BY topic, partition, offset, `index`, envelope HAVING count() > 1 ORDER BY topic, partition, offset, `index`, envelope", auditRange{})
	err = s.ask(ctx, sql, append(args, clickhouse.Named("found", found)), func(scan func(...any) error) error {
		var e DoubledEvent
		var id int32
		var firsts []int64
		var epochs []uint32
		var tenants, codes []string
		var times []time.Time
		if err := scan(&e.Topic, &id, &e.Offset, &e.Index, &e.Envelope, &firsts, &epochs, &tenants, &codes, &times); err != nil {
			return err
		}
		e.Partition = int(id)
		for i := range firsts {
			e.Batches = append(e.Batches, DoubledIn{firsts[i], epochs[i], tenants[i], codes[i], times[i]})
		}
		all = append(all, e)
		return nil
	})
	if err != nil {
		return fail(err)
	}
	return all, nil
}
