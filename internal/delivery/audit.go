package delivery

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/enrich"
	"errata/internal/link"
	"errata/internal/store"
)

// The audit holds what is stored against what Kafka says, partition by partition: every offset below the group's committed one must
// be in exactly one batch, and each batch must be in the tables as its own row has it. It reads alone: it is no member of
// the group, commits nothing and writes nothing, so it may run beside ingesters.
//
// Then things change while it looks, and the order of its questions keeps most of that out: the plan is read before the batches, because an
// offset below the durable point is in a batch for good; the end of the log after them, because nothing is read before it
// is there. What is left would be a batch that comes in between two questions. So what seems wrong is looked at once more after a
// while, and only what seems wrong both times is a finding.

// AuditOptions say what is looked at, and how hard.
type AuditOptions struct {
	Topic     string        // "": all of ours
	Partition int           // -1: all
	Since     time.Time     // only batches from the first one on that has requests since then; zero: all
	Deep      bool          // read again from Kafka what it still has
	Pause     time.Duration // before what seems wrong is looked at again; 0: auditPause
	Slice     int           // batches whose rows ClickHouse sums at once; 0: as many as the store thinks fit
}

// auditPause is how long what seems wrong is given to come right: longer than the parts of an insert take.
const auditPause = 3 * time.Second

// AuditReport is what an audit has found.
type AuditReport struct {
	Partitions []*AuditedPartition `json:"partitions"`
	Findings   []Finding           `json:"findings"`
}

// AuditedPartition is a partition in numbers. Offsets "to" something are the one behind the last; nil is unknown: Kafka
// has no such partition, there is no batch in what was looked at, or the group has committed nothing.
type AuditedPartition struct {
	Topic           string           `json:"topic"`
	Partition       int              `json:"partition"`
	LogStart        *int64           `json:"log_start"`
	StartsAt        *int64           `json:"starts_at"`
	CoveredTo       *int64           `json:"covered_to"`
	Committed       *int64           `json:"committed"`
	InFlight        int              `json:"in_flight"`         // planned runs that are not in
	InFlightOffsets int64            `json:"in_flight_offsets"` // in these
	LogEnd          *int64           `json:"log_end"`           // of what may be read: open transactions end it
	Lag             *int64           `json:"lag"`
	Batches         uint64           `json:"batches"`
	Records         uint64           `json:"records"`
	Requests        uint64           `json:"requests"`
	Errors          uint64           `json:"errors"`
	DeadLetters     uint64           `json:"dead_letters"`
	Expired         uint64           `json:"expired"` // batches that are older than a table keeps its rows, and were compared without it
	Gaps            []store.AuditGap `json:"gaps"`
	Findings        int              `json:"findings"`
	Reread          *Reread          `json:"reread,omitempty"`
}

// Reread says what of a partition was read from Kafka again.
type Reread struct {
	Batches     uint64 `json:"batches"`
	Records     uint64 `json:"records"`
	Gone        uint64 `json:"gone"`         // batches of which Kafka no longer has all
	OtherParser uint64 `json:"other_parser"` // batches that another parser or mapping made, so that only records could be compared
}

// Finding is something that is wrong, with the offsets that it concerns.
type Finding struct {
	Kind        string `json:"kind"`
	Topic       string `json:"topic"`
	Partition   int    `json:"partition"`
	FirstOffset int64  `json:"first_offset"`
	LastOffset  int64  `json:"last_offset"`
	Sentence    string `json:"sentence"`
}

// Kinds of findings.
const (
	kindHole        = "hole"             // offsets in no batch
	kindOverlap     = "overlap"          // offsets in two batches, or in a batch and a planned run of other boundaries
	kindCounts      = "counts"           // a batch and its rows differ
	kindStray       = "rows_of_no_batch" // rows that count without a batch
	kindDoubled     = "doubled"          // events that count more than once
	kindAnotherLog  = "another_log"      // the topic was made anew under the same name
	kindLost        = "lost"             // deleted before it was read
	kindNoPartition = "no_partition"     // in the tables and not in Kafka
	kindReread      = "reread"           // Kafka's records make other numbers
)

// audit is one call of Audit.
type audit struct {
	kafka       *Kafka
	store       *store.Store
	processor   *enrich.Processor
	fingerprint string
	options     AuditOptions
	kept        store.Retention
}

// Audit looks whether every offset up to the committed one is counted once. The processor and its fingerprint are what an ingester with
// the same settings has, for reading again.
func Audit(ctx context.Context, k *Kafka, s *store.Store, processor *enrich.Processor, fingerprint string, options AuditOptions) (*AuditReport, error) {
	a := &audit{kafka: k, store: s, processor: processor, fingerprint: fingerprint, options: options}
	cluster, group, err := s.Owner(ctx)
	if err != nil {
		return nil, err
	}
	if cluster != "" && (cluster != k.ClusterID || group != k.cfg.Group) {
		return nil, link.Refused("the database holds the records of Kafka cluster %q, group %q, and we are on cluster %q, group %q: "+
			"set kafka.brokers, kafka.group and clickhouse.database of the same ingesters", cluster, group, k.ClusterID, k.cfg.Group)
	}
	if a.kept, err = s.Retention(ctx); err != nil {
		return nil, err
	}
	report, scope, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	if len(report.Findings) > 0 {
		if !sleep(ctx, cmp.Or(options.Pause, auditPause)) {
			return nil, ctx.Err()
		}
		first := report.Findings
		if report, scope, err = a.look(ctx); err != nil {
			return nil, err
		}
		report.Findings = confirmed(first, report.Findings)
	}
	if options.Deep {
		for _, p := range report.Partitions {
			if err := a.reread(ctx, report, p, scope); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range report.Partitions {
		for _, f := range report.Findings {
			if f.Topic == p.Topic && f.Partition == p.Partition {
				p.Findings++
			}
		}
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(topicPartition{a.Topic, a.Partition}.compare(topicPartition{b.Topic, b.Partition}), cmp.Compare(a.FirstOffset, b.FirstOffset))
	})
	return report, nil
}

// confirmed are the findings of a second look that concern offsets of which the first look found the same. They need not be equal:
// of a hole that is being filled, what is left is still one.
func confirmed(first, second []Finding) []Finding {
	type place struct {
		kind string
		topicPartition
	}
	placeOf := func(f Finding) place { return place{f.Kind, topicPartition{f.Topic, f.Partition}} }
	before := map[place][]Finding{}
	for _, f := range first {
		before[placeOf(f)] = append(before[placeOf(f)], f)
	}
	return slices.DeleteFunc(second, func(f Finding) bool {
		return !slices.ContainsFunc(before[placeOf(f)], func(b Finding) bool { return b.FirstOffset <= f.LastOffset && f.FirstOffset <= b.LastOffset })
	})
}

// seen is all that one look has seen of a partition.
type seen struct {
	topicPartition
	inKafka   bool
	plan      *plan // nil: the group has committed nothing
	later     *plan // the same, asked after the tables
	start     int64 // of the log
	end       int64
	coverage  *store.Coverage // nil: no batches
	gaps      []store.AuditGap
	differing []store.BatchSums
	doubled   []store.DoubledEvent
}

// look asks everything once.
func (a *audit) look(ctx context.Context) (*AuditReport, store.AuditScope, error) {
	var scope store.AuditScope
	fail := func(err error) (*AuditReport, store.AuditScope, error) { return nil, scope, err }
	leaders, err := a.kafka.leadersOf(ctx)
	if err != nil {
		return fail(err)
	}
	plans, err := a.kafka.committed(ctx)
	if err != nil {
		return fail(err)
	}
	all := map[topicPartition]*seen{}
	for tp := range leaders {
		if !a.wanted(tp) {
			continue
		}
		p := &seen{topicPartition: tp, inKafka: true}
		if committed, is := plans[tp]; is {
			p.plan = &committed
		}
		if p.start, err = a.kafka.listOffset(ctx, tp, kafka.FirstOffset); err != nil {
			return fail(err)
		}
		all[tp] = p
	}

	stored, err := a.store.BatchPartitions(ctx, a.kafka.cfg.Topics)
	if err != nil {
		return fail(err)
	}
	for _, p := range stored {
		if tp := (topicPartition{p.Topic, p.Partition}); a.wanted(tp) && all[tp] == nil {
			all[tp] = &seen{topicPartition: tp}
		}
	}
	scope.Retention, scope.Slice = a.kept, a.options.Slice
	for tp := range all {
		scope.Partitions = append(scope.Partitions, store.AuditPartition{Topic: tp.topic, Partition: tp.id})
	}
	gaps, err := a.store.AuditGaps(ctx, scope)
	if err != nil {
		return fail(err)
	}
	if !a.options.Since.IsZero() {
		if scope, err = a.store.Since(ctx, scope, a.options.Since); err != nil {
			return fail(err)
		}
	}
	coverage, err := a.store.Coverage(ctx, scope)
	if err != nil {
		return fail(err)
	}
	for _, p := range all {
		if p.inKafka {
			if p.end, err = a.kafka.listOffset(ctx, p.topicPartition, kafka.LastOffset); err != nil {
				return fail(err)
			}
		}
	}
	doubled, err := a.store.Doubled(ctx, scope)
	if err != nil {
		return fail(err)
	}
	differing, err := a.store.Differing(ctx, scope, doubled)
	if err != nil {
		return fail(err)
	}
	if plans, err = a.kafka.committed(ctx); err != nil {
		return fail(err)
	}

	for i, c := range coverage {
		all[topicPartition{c.Topic, c.Partition}].coverage = &coverage[i]
	}
	for _, g := range gaps {
		p := all[topicPartition{g.Topic, g.Partition}]
		p.gaps = append(p.gaps, g)
	}
	for _, b := range differing {
		p := all[topicPartition{b.Topic, b.Partition}]
		p.differing = append(p.differing, b)
	}
	for _, e := range doubled {
		p := all[topicPartition{e.Topic, e.Partition}]
		p.doubled = append(p.doubled, e)
	}
	report := &AuditReport{Partitions: []*AuditedPartition{}, Findings: []Finding{}}
	for _, tp := range slices.SortedFunc(maps.Keys(all), topicPartition.compare) {
		if committed, is := plans[tp]; is {
			all[tp].later = &committed
		}
		if err := a.judge(ctx, report, all[tp]); err != nil {
			return fail(err)
		}
	}
	return report, scope, nil
}

func (a *audit) wanted(tp topicPartition) bool {
	return (a.options.Topic == "" || a.options.Topic == tp.topic) && (a.options.Partition < 0 || a.options.Partition == tp.id)
}
