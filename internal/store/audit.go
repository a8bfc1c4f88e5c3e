package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// What `ingest audit` asks of the tables. Everything here only reads, and may run beside ingesters. A look at several tables is no
// snapshot, so what seems wrong is to be looked at twice (delivery.Audit does).
//
// A batch counts when the views count its rows (see counted). Tables are compared inside
// ClickHouse, many batches at a time, and only batches that differ come back.

// The first two bound the memory of a query to about 700 MB, as was measured.
const (
	auditSlice  = 200_000   // batches whose rows are summed at once
	auditEvents = 2_500_000 // events that are held against each other at once
	auditNamed  = 1000      // differences of a kind that are named, for a partition and slice
)

// AuditScope is what is looked at: some partitions, each from a batch on.
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

// auditRange is a slice of a scope: the batches from one place on and before another, in the order of topic, partition and offset.
type auditRange struct{ from, to *auditPlace }

type auditPlace struct {
	topic       string
	partition   int32
	firstOffset int64
}

func (p auditPlace) set() clickhouse.GroupSet {
	return clickhouse.GroupSet{Value: []any{p.topic, p.partition, p.firstOffset}}
}

// bind fills in a query: {partitions} and {slice} are conditions on rows of any table, {from} one on rows of which there are few, {since …} one on a
// column of time.
func (scope AuditScope) bind(sql string, r auditRange) (string, []any) {
	var partitions []clickhouse.GroupSet
	var names []string
	var froms []int64
	from := "1"
	for _, p := range scope.Partitions {
		partitions = append(partitions, clickhouse.GroupSet{Value: []any{p.Topic, p.Partition}})
		names, froms = append(names, p.Topic+"/"+strconv.Itoa(p.Partition)), append(froms, p.From)
		if p.From > 0 {
			from = "first_offset >= transform(concat(toString(topic), '/', toString(partition)), @names, @froms, toInt64(0))"
		}
	}
	slice := "1"
	args := []any{clickhouse.Named("partitions", partitions), clickhouse.Named("names", names), clickhouse.Named("froms", froms)}
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
	for _, name := range []string{errorTable.name, trafficTable.name, codeTable.name, deadLetterTable.name} {
		args = append(args, clickhouse.Named("kept_"+name, scope.kept(name)))
	}
	return strings.NewReplacer("{partitions}", "(topic, partition) IN (@partitions)", "{from}", from, "{slice}", slice, "{counting}", counted,
		"{since ts}", since("ts"), "{since minute}", since("minute"), "{aged}", agedColumn).Replace(sql), args
}

// kept is the time, in milliseconds, before which a table may have deleted rows; 0: it deletes none.
func (scope AuditScope) kept(table string) int64 {
	if t, limited := scope.Retention[table]; limited {
		return t.UnixMilli()
	}
	return 0
}

// agedColumn is the time of a batch's oldest request, in milliseconds, or that of the newest request before it where it has none
// itself, as when all its records are dead letters; 0: unknown.
const agedColumn = `if(requests > 0, toUnixTimestamp64Milli(min_ts),
	toUnixTimestamp64Milli(max(max_ts) OVER (PARTITION BY topic, partition ORDER BY first_offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)))`

// slices calls look for one slice after the other, of at most so many batches each.
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

// BatchPartitions gives the partitions of topics of which there are batches.
func (s *Store) BatchPartitions(ctx context.Context, topics []string) ([]AuditPartition, error) {
	all, err := s.partitions(ctx, "SELECT topic, partition, toInt64(0) FROM batch_rows WHERE topic IN (@topics) GROUP BY topic, partition",
		clickhouse.Named("topics", topics))
	if err != nil {
		return nil, fmt.Errorf("look for the partitions of which there are batches: %w", err)
	}
	return all, nil
}

// Since narrows a scope to the batches from the first one on that has a request since a time. Partitions without
// any are left out.
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
	var oldest time.Time // of a batch, whose oldest request may lie before the time that was asked for
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

// Span is a batch's offsets, both included.
type Span struct{ First, Last int64 }

func (s Span) String() string { return fmt.Sprintf("%d to %d", s.First, s.Last) }

// Coverage is what the batches of a partition that count say of themselves.
type Coverage struct {
	Topic                                           string
	Partition                                       int
	First, Last                                     Span // the first batch, and the one that reaches farthest
	Batches, Records, Requests, Errors, DeadLetters uint64
	Expired                                         uint64 // batches so old that a table may have deleted rows of theirs
	Breaks                                          []Break
}

// Break is a batch that does not begin where those before it end.
type Break struct {
	Before Span // the one before it that reaches farthest
	Batch  Span
}

// Coverage reads which offsets the batches cover, by partition, in order.
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

// join adds what comes behind. Its breaks name the batch before as if there were nothing before it.
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

// coverage reads a slice. A batch of the last partition before it may reach into it.
func (s *Store) coverage(ctx context.Context, scope AuditScope, r auditRange, before Coverage) (all []Coverage, err error) {
	sql, args := scope.bind(`SELECT topic, partition, min(first_offset), argMin(last_offset, first_offset), argMax(first_offset, last_offset), max(last_offset),
			count(), sum(records), sum(requests), sum(errors), sum(dead_letters),
			countIf(aged != 0 AND aged < greatest(@kept_error_rows, @kept_traffic_sums, @kept_error_sums, @kept_dead_letter_rows))
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
		if i, known := of[place]; known { // else it came in between our two questions
			all[i].Breaks = append(all[i].Breaks, b)
		}
		return nil
	})
	return all, err
}

// BatchSums is a batch as its own row has it beside the sums over its rows in the other tables, or such rows without a batch.
type BatchSums struct {
	Topic       string
	Partition   int
	FirstOffset int64
	LastOffset  int64
	Epoch       uint32
	Recorded    bool // its own row is there

	Records, Requests, Errors, DeadLetters uint64 // as its own row says

	Traffic        uint64 // requests in traffic_sums
	TrafficErrors  uint64 // requests with an error there
	ErrorSums      uint64 // errors in error_sums
	Events         uint64 // rows in error_rows
	EventRequests  uint64 // requests with an error there
	DeadLetterRows uint64
	Rows           Span // from the least to the greatest offset in error_rows and dead_letter_rows

	// The batch is so old that these tables may have deleted rows of it.
	TrafficExpired, ErrorSumsExpired, EventsExpired, DeadLettersExpired bool
}

// HasRows tells whether any table has rows of the batch.
func (b BatchSums) HasRows() bool {
	return b.Traffic+b.ErrorSums+b.Events+b.DeadLetterRows > 0
}

// Differing compares the batches that count with the tables, and gives those that differ from them, those that hold doubled events
// all the same, and the rows that count and are of no batch.
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
		// Each table is summed by batch, and the sums are laid side by side. The first error of a request has envelope 0, so these rows
		// count the requests with errors. dead_letter_rows is small and ordered by offset, and its time is Kafka's: it is not narrowed by time.
		sql, args := scope.bind(fmt.Sprintf(`SELECT topic, partition, first_offset, epoch, toBool(max(recorded) AS is_recorded), max(last) AS last_offset,
				sum(records) AS of_records, sum(requests) AS of_requests, sum(errors) AS of_errors, sum(dead_letters) AS of_dead_letters,
				sum(traffic) AS in_traffic, sum(traffic_errors) AS in_traffic_errors, sum(error_sums) AS in_error_sums,
				sum(events) AS in_events, sum(event_requests) AS in_event_requests, sum(letters) AS in_letters, min(low) AS lowest, max(high) AS highest,
				max(aged_at) AS aged,
				toBool(aged != 0 AND aged < @kept_traffic_sums) AS traffic_expired, toBool(aged != 0 AND aged < @kept_error_sums) AS sums_expired,
				toBool(aged != 0 AND aged < @kept_error_rows) AS events_expired, toBool(aged != 0 AND aged < @kept_dead_letter_rows) AS letters_expired
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

// DoubledEvent is an event that counts more than once: it stands under several sorting keys.
type DoubledEvent struct {
	Topic           string
	Partition       int
	Offset          int64
	Index, Envelope uint32
	Batches         []DoubledIn // a row each
}

// DoubledIn is where a row of a doubled event stands.
type DoubledIn struct {
	FirstOffset  int64
	Epoch        uint32
	Tenant, Code string
	Time         time.Time
}

// Doubled looks for events that count more than once.
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
		// Without FINAL, which costs more: rows that replace each other have the same key.
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
