package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"errata/internal/store"
)

// judge adds what one look has seen of a partition to the report, with its findings.
func (a *audit) judge(ctx context.Context, report *AuditReport, p *seen) error {
	row := p.row()
	report.Partitions = append(report.Partitions, row)
	found := func(kind string, s store.Span, format string, args ...any) {
		report.Findings = append(report.Findings, Finding{
			Kind: kind, Topic: p.topic, Partition: p.id, FirstOffset: s.First, LastOffset: s.Last,
			Sentence: fmt.Sprintf("%s: ", p) + fmt.Sprintf(format, args...),
		})
	}
	flying, err := a.inFlight(ctx, p, found)
	if err != nil {
		return err
	}
	row.InFlight = len(flying)
	for _, r := range flying {
		row.InFlightOffsets += r.last - r.first + 1
	}
	if err := a.judgeLog(ctx, p, found); err != nil {
		return err
	}
	if err := a.judgeHoles(ctx, p, flying, found); err != nil {
		return err
	}
	a.judgeRows(p, found)
	return nil
}

// finder records a finding.
type finder func(kind string, s store.Span, format string, args ...any)

// row returns the partition in numbers.
func (p *seen) row() *AuditedPartition {
	row := &AuditedPartition{Topic: p.topic, Partition: p.id, Gaps: []store.AuditGap{}}
	if p.gaps != nil {
		row.Gaps = p.gaps
	}
	next := int64(-1) // what ingesters read next; -1: unknown
	if p.plan != nil {
		row.Committed, next = &p.plan.Offset, p.plan.end()
	}
	if c := p.coverage; c != nil {
		behind := c.Last.Last + 1
		next = max(next, behind)
		row.StartsAt, row.CoveredTo = &c.First.First, &behind
		row.Batches, row.Records, row.Requests, row.Errors, row.DeadLetters, row.Expired = c.Batches, c.Records, c.Requests, c.Errors, c.DeadLetters, c.Expired
	}
	if p.inKafka {
		row.LogStart, row.LogEnd = &p.start, &p.end
		if next < 0 {
			next = p.start
		}
		lag := max(0, p.end-max(next, p.start))
		row.Lag = &lag
	}
	return row
}

// inFlight returns the planned runs that are not in ClickHouse yet. Boundaries are cut once, so a
// run with the boundaries of a batch is that batch, and any other overlap is a finding.
func (a *audit) inFlight(ctx context.Context, p *seen, found finder) (flying []run, err error) {
	if p.plan == nil || len(p.plan.Runs) == 0 {
		return nil, nil
	}
	batches, err := a.store.RecordedFrom(ctx, []store.Place{{Topic: p.topic, Partition: p.id, Offset: p.plan.Offset}})
	if err != nil {
		return nil, err
	}
	for _, r := range p.plan.Runs {
		in := false
		for _, b := range batches[0] {
			switch {
			case b.FirstOffset == r.first && b.LastOffset == r.last:
				in = in || b.Epoch >= r.epoch
			case b.FirstOffset <= r.last && r.first <= b.LastOffset:
				found(kindOverlap, store.Span{First: max(b.FirstOffset, r.first), Last: min(b.LastOffset, r.last)},
					"the batch %d to %d is recorded, and the run %s of other boundaries is planned in the group's commit: these offsets would be counted twice. "+
						"Stop the ingesters, and reset group %q to offset %d of this partition: the recorded boundaries are then kept", b.FirstOffset, b.LastOffset, r, a.kafka.cfg.Group, p.plan.Offset)
			}
		}
		if !in {
			flying = append(flying, r)
		}
	}
	return flying, nil
}

// judgeLog checks that Kafka's log is the one that was read.
func (a *audit) judgeLog(ctx context.Context, p *seen, found finder) error {
	known := int64(0) // up to where it was read
	if p.plan != nil {
		known = p.plan.end()
	}
	if p.coverage != nil {
		known = max(known, p.coverage.Last.Last+1)
	}
	switch {
	case !p.inKafka && p.coverage != nil:
		found(kindNoPartition, store.Span{First: p.coverage.First.First, Last: p.coverage.Last.Last},
			"Kafka has no such partition, and batches of it are recorded: the topic was created again with fewer partitions. Use another kafka.group and clickhouse.database for the new topic")
	case !p.inKafka:
	case known > p.end:
		found(kindAnotherLog, store.Span{First: p.end, Last: known - 1},
			"offsets up to %d were read, and the log ends at %d: the topic was created again under the same name. Use another kafka.group and clickhouse.database for the new topic", known, p.end)
	case (p.plan != nil || p.coverage != nil) && known < p.start && a.options.Since.IsZero():
		for _, s := range p.withoutGaps(store.Span{First: known, Last: p.start - 1}) {
			found(kindLost, s, "Kafka deleted offsets %s before they were read, so they cannot be counted: let ingesters keep up, or raise the topic's retention.ms", s)
		}
	default:
		return a.judgeRecord(ctx, p, found)
	}
	return nil
}

// judgeRecord checks that the log still holds the first record of the last batch, as ingesters do
// before they continue.
func (a *audit) judgeRecord(ctx context.Context, p *seen, found finder) error {
	recorded, err := a.store.LastRecorded(ctx, []store.Place{{Topic: p.topic, Partition: p.id}})
	if err != nil {
		return err
	}
	last := recorded[0]
	if last == nil || last.FirstRecord == 0 || last.FirstOffset < p.start {
		return nil
	}
	same, at := true, int64(0)
	_, err = a.kafka.scan(ctx, p.topicPartition, last.FirstOffset, last.LastOffset, func(r record) bool {
		same, at = r.hash() == last.FirstRecord, r.offset
		return false
	})
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange): // deleted a moment ago
		return nil
	case err == nil && !same:
		found(kindAnotherLog, store.Span{First: at, Last: last.LastOffset},
			"the record at offset %d is not the one that was counted: the topic was created again under the same name. Use another kafka.group and clickhouse.database for the new topic", at)
	}
	return err
}

// withoutGaps returns a span without the recorded gaps and the given runs.
func (p *seen) withoutGaps(s store.Span, runs ...run) []store.Span {
	left := []store.Span{s}
	for _, g := range p.gaps {
		left = less(left, store.Span{First: g.FirstOffset, Last: g.LastOffset})
	}
	for _, r := range runs {
		left = less(left, store.Span{First: r.first, Last: r.last})
	}
	return left
}

// less removes a span from others.
func less(from []store.Span, s store.Span) (left []store.Span) {
	for _, f := range from {
		if s.Last < f.First || f.Last < s.First {
			left = append(left, f)
			continue
		}
		if f.First < s.First {
			left = append(left, store.Span{First: f.First, Last: s.First - 1})
		}
		if s.Last < f.Last {
			left = append(left, store.Span{First: s.Last + 1, Last: f.Last})
		}
	}
	return left
}

// judgeHoles checks the batches that do not directly follow the one before, and what is missing
// between the last batch and the committed offset.
func (a *audit) judgeHoles(ctx context.Context, p *seen, flying []run, found finder) error {
	if err := a.judgeFront(ctx, p, flying, found); err != nil || p.coverage == nil {
		return err
	}
	var holes []store.Span
	for _, b := range p.coverage.Breaks {
		if b.Batch.First > b.Before.Last {
			holes = append(holes, store.Span{First: b.Before.Last + 1, Last: b.Batch.First - 1})
			continue
		}
		both := store.Span{First: b.Batch.First, Last: min(b.Before.Last, b.Batch.Last)}
		found(kindOverlap, both, "the batches %s and %s overlap in offsets %s, whose records may be counted twice: "+
			"find out which of the two is right, and delete the other (docs/audit.md)", b.Before, b.Batch, both)
	}
	if covered := p.coverage.Last.Last + 1; p.plan != nil && p.plan.Offset > covered {
		holes = append(holes, store.Span{First: covered, Last: p.plan.Offset - 1})
	}
	for _, hole := range holes {
		for _, s := range p.withoutGaps(hole, flying...) {
			if err := a.judgeHole(ctx, p, s, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeFront checks whether Kafka holds records before the first batch. A group that starts at the
// earliest offset has read them, unless they are a gap.
func (a *audit) judgeFront(ctx context.Context, p *seen, flying []run, found finder) error {
	if !p.inKafka || a.kafka.cfg.Start != startEarliest || !a.options.Since.IsZero() {
		return nil
	}
	begins := p.start
	switch {
	case p.coverage != nil:
		begins = p.coverage.First.First
	case p.plan != nil:
		begins = p.plan.Offset
	}
	if begins <= p.start {
		return nil
	}
	for _, s := range p.withoutGaps(store.Span{First: p.start, Last: begins - 1}, flying...) {
		if err := a.judgeHole(ctx, p, s, found); err != nil {
			return err
		}
	}
	return nil
}

// judgeHole checks what Kafka holds in offsets that no batch covers, and whether rows exist all the
// same.
func (a *audit) judgeHole(ctx context.Context, p *seen, hole store.Span, found finder) error {
	rows := ""
	p.differing = slices.DeleteFunc(p.differing, func(b store.BatchSums) bool {
		of := !b.Recorded && hole.First <= b.FirstOffset && b.FirstOffset <= hole.Last
		if of && rows == "" {
			rows = fmt.Sprintf(". Rows of a batch from %d exist all the same (%s), so what is missing is its row in %s", b.FirstOffset, inTables(b), store.Tables.Batches)
		}
		return of
	})
	if !p.inKafka {
		found(kindHole, hole, "offsets %s are in no batch%s", hole, rows)
		return nil
	}
	at, holds, err := a.firstRecord(ctx, p, hole)
	switch {
	case err != nil:
		return err
	case holds:
		found(kindHole, hole, "offsets %s are in no batch, and Kafka holds records there, the first at %d%s. %s", hole, at, rows, repair(p, at))
	case p.start > hole.First:
		gone := store.Span{First: hole.First, Last: min(p.start-1, hole.Last)}
		found(kindHole, hole, "offsets %s are in no batch, and Kafka no longer has %s, so what was there is unknown%s. "+
			"If it is known, record it as a gap: a row in %s with its reason", hole, gone, rows, store.Tables.Gaps)
	case rows != "":
		found(kindHole, hole, "offsets %s are in no batch, and Kafka holds no records there%s", hole, rows)
	}
	return nil
}

// firstRecord looks for a record in a span of offsets. Markers of transactions and aborted records
// do not count.
func (a *audit) firstRecord(ctx context.Context, p *seen, s store.Span) (at int64, holds bool, err error) {
	for {
		if p.start > s.Last {
			return 0, false, nil
		}
		_, err = a.kafka.scan(ctx, p.topicPartition, max(s.First, p.start), s.Last, func(r record) bool {
			at, holds = r.offset, true
			return false
		})
		if !errors.Is(err, kafka.OffsetOutOfRange) {
			return at, holds, err
		}
		if p.start, err = a.kafka.listOffset(ctx, p.topicPartition, kafka.FirstOffset); err != nil {
			return 0, false, err
		}
	}
}

// judgeRows checks what differs between batches and tables.
func (a *audit) judgeRows(p *seen, found finder) {
	surplus := a.judgeDoubled(p, found)
	for _, b := range p.differing {
		where := store.Span{First: b.FirstOffset, Last: max(b.FirstOffset, b.LastOffset)}
		if !b.Recorded {
			if p.planned(b.FirstOffset, b.Epoch) || b.Events > 0 && b.Events == surplus[store.DoubledIn{FirstOffset: b.FirstOffset, Epoch: b.Epoch}].rows && b.Traffic+b.ErrorSums+b.DeadLetterRows == 0 {
				continue
			}
			where.Last = max(where.First, b.Rows.Last)
			found(kindOrphan, where, "rows of a batch from %d of epoch %d count (%s), and no such batch is recorded or planned: delete these rows (docs/audit.md)", b.FirstOffset, b.Epoch, inTables(b))
			continue
		}
		// Doubled events are a finding of their own.
		extra := surplus[store.DoubledIn{FirstOffset: b.FirstOffset, Epoch: b.Epoch}]
		b.Events, b.EventRequests = b.Events-min(b.Events, extra.rows), b.EventRequests-min(b.EventRequests, extra.requests)
		outside := b.Rows.First < b.FirstOffset || b.Rows.Last > b.LastOffset
		if extra.outside {
			outside = false
		}
		if wrong := differences(b, outside); len(wrong) > 0 {
			found(kindCounts, where, "the batch %s of epoch %d is not in the tables as its row in %s says: %s. %s",
				store.Span{First: b.FirstOffset, Last: b.LastOffset}, b.Epoch, store.Tables.Batches, strings.Join(wrong, "; "), repair(p, b.FirstOffset))
		}
	}
}

// repair returns what to do about a batch that is wrong or missing.
func repair(p *seen, at int64) string {
	if !p.inKafka || at < p.start {
		return "Kafka no longer has all of it, so it cannot be counted again"
	}
	return replayCommand(p.topicPartition, at)
}

// replayCommand returns how to count a batch, or a hole, again.
func replayCommand(tp topicPartition, at int64) string {
	return fmt.Sprintf("To count it again: ingest replay --force --at %s/%d", tp, at)
}

// planned reports whether a batch is in the plan. Its rows are written before its row in
// batch_rows.
func (p *seen) planned(first int64, epoch uint32) bool {
	for _, of := range []*plan{p.plan, p.later} {
		if of != nil && slices.ContainsFunc(of.Runs, func(r run) bool { return r.first == first && r.epoch == epoch }) {
			return true
		}
	}
	return false
}

// inTables lists the rows that exist.
func inTables(b store.BatchSums) string {
	var all []string
	for _, t := range []struct {
		n     uint64
		table string
	}{{b.Traffic, "requests in " + store.Tables.TrafficSums}, {b.ErrorSums, "errors in " + store.Tables.ErrorSums}, {b.Events, "rows in " + store.Tables.Errors}, {b.DeadLetterRows, "rows in " + store.Tables.DeadLetters}} {
		if t.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", t.n, t.table))
		}
	}
	return strings.Join(all, ", ")
}

// differences lists what is wrong with a recorded batch.
func differences(b store.BatchSums, outside bool) (all []string) {
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(!b.TrafficExpired && b.Traffic != b.Requests, "%d requests, and %s has %d", b.Requests, store.Tables.TrafficSums, b.Traffic)
	say(!b.ErrorSumsExpired && b.ErrorSums != b.Errors, "%d errors, and %s has %d", b.Errors, store.Tables.ErrorSums, b.ErrorSums)
	say(!b.EventsExpired && b.Events != b.Errors, "%d errors, and %s has %d", b.Errors, store.Tables.Errors, b.Events)
	say(!b.TrafficExpired && !b.EventsExpired && b.TrafficErrors != b.EventRequests, "%s has %d requests with an error, and %s %d", store.Tables.TrafficSums, b.TrafficErrors, store.Tables.Errors, b.EventRequests)
	say(!b.DeadLettersExpired && b.DeadLetterRows != b.DeadLetters, "%d dead letters, and %s has %d", b.DeadLetters, store.Tables.DeadLetters, b.DeadLetterRows)
	say(outside, "it has rows at offsets %s", b.Rows)
	say(b.Records > uint64(max(0, b.LastOffset-b.FirstOffset+1)), "%d records in %d offsets", b.Records, b.LastOffset-b.FirstOffset+1)
	return all
}

// surplusRows are the rows of a batch in error_rows that double others.
type surplusRows struct {
	rows, requests uint64
	outside        bool // of the batch's offsets
}

// judgeDoubled reports the events that count more than once, those of the same batches together. It
// returns how many surplus rows each batch has because of them.
func (a *audit) judgeDoubled(p *seen, found finder) map[store.DoubledIn]surplusRows {
	surplus := map[store.DoubledIn]surplusRows{}
	together := map[string][]store.DoubledEvent{}
	var order []string
	for _, e := range p.doubled {
		// The event belongs to the batch that begins last before it, once; everything else is
		// surplus.
		owner := store.DoubledIn{FirstOffset: -1}
		var names []string
		for _, in := range e.Batches {
			if in.FirstOffset <= e.Offset && in.FirstOffset > owner.FirstOffset {
				owner = store.DoubledIn{FirstOffset: in.FirstOffset, Epoch: in.Epoch}
			}
			if name := fmt.Sprint(in.FirstOffset); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		counted := false
		for _, in := range e.Batches {
			at := store.DoubledIn{FirstOffset: in.FirstOffset, Epoch: in.Epoch}
			if at == owner && !counted {
				counted = true
				continue
			}
			s := surplus[at]
			s.rows++
			if e.Envelope == 0 {
				s.requests++
			}
			s.outside = s.outside || at != owner
			surplus[at] = s
		}
		name := strings.Join(names, " and ")
		if len(together[name]) == 0 {
			order = append(order, name)
		}
		together[name] = append(together[name], e)
	}
	for _, name := range order {
		events := together[name]
		first, last := events[0], events[len(events)-1]
		var keys []string
		for _, in := range first.Batches {
			keys = append(keys, fmt.Sprintf("tenant %q, code %q at %s", in.Tenant, in.Code, in.Time.UTC().Format("2006-01-02T15:04:05.000Z")))
		}
		noun, under := fmt.Sprintf("%d events of offsets %d to %d count", len(events), first.Offset, last.Offset), "the batch"
		if len(events) == 1 {
			noun = fmt.Sprintf("the event of offset %d (index %d, envelope %d) counts", first.Offset, first.Index, first.Envelope)
		}
		if strings.Contains(name, " ") {
			under = "the batches"
		}
		found(kindDoubled, store.Span{First: first.Offset, Last: last.Offset},
			"%s more than once in %s, under %s from %s; that of offset %d as %s. Delete the rows that are not what `ingest parse` makes of the record",
			noun, store.Tables.Errors, under, name, first.Offset, strings.Join(keys, " and as "))
	}
	return surplus
}
