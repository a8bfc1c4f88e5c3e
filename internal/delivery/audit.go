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

// The audit checks what is stored against what Kafka says, partition by partition: every offset
// below the group's committed one must be in exactly one batch, and each batch must be in the
// tables as its own row says. It only reads: it is no member of the group, commits nothing and
// writes nothing, so it may run beside ingesters.
//
// Things change while it looks, and the order of its requests keeps most of that out. It reads the
// plan before the batches, because an offset below the durable point is in a batch for good, and
// the end of the log after them, because nothing is read before it exists. What remains is a batch
// that comes in between two requests. So the audit looks again, after a while, at what seems wrong,
// and only what seems wrong both times is a finding.

// AuditOptions say what to check, and how thoroughly.
type AuditOptions struct {
	Topic     string        // "": all of ours
	Partition int           // -1: all
	Since     time.Time     // only batches from the first one on that has requests since then; zero: all
	Deep      bool          // read again from Kafka what it still has
	Pause     time.Duration // before looking again at what seems wrong; 0: auditPause
	Slice     int           // batches whose rows ClickHouse sums at once; 0: as many as the store chooses
}

// auditPause is how long the audit waits before it looks again at what seems wrong: longer than the
// parts of an insert take.
const auditPause = 3 * time.Second

// AuditReport is the result of an audit.
type AuditReport struct {
	Partitions []*AuditedPartition `json:"partitions"`
	Findings   []Finding           `json:"findings"`
}

// AuditedPartition is a partition in numbers. An offset "to" something is the one behind the last.
// nil is unknown: Kafka has no such partition, the checked range has no batch, or the group has
// committed nothing.
type AuditedPartition struct {
	Topic           string           `json:"topic"`
	Partition       int              `json:"partition"`
	LogStart        *int64           `json:"log_start"`
	StartsAt        *int64           `json:"starts_at"`
	CoveredTo       *int64           `json:"covered_to"`
	Committed       *int64           `json:"committed"`
	InFlight        int              `json:"in_flight"`         // planned runs that are not in ClickHouse
	InFlightOffsets int64            `json:"in_flight_offsets"` // in these
	LogEnd          *int64           `json:"log_end"`           // of what may be read: open transactions end it
	Lag             *int64           `json:"lag"`
	Batches         uint64           `json:"batches"`
	Records         uint64           `json:"records"`
	Requests        uint64           `json:"requests"`
	Errors          uint64           `json:"errors"`
	DeadLetters     uint64           `json:"dead_letters"`
	Expired         uint64           `json:"expired"` // batches older than a table keeps its rows, compared without that table
	Gaps            []store.AuditGap `json:"gaps"`
	Findings        int              `json:"findings"`
	Reread          *Reread          `json:"reread,omitempty"`
}

// Reread says how much of a partition was read from Kafka again.
type Reread struct {
	Batches     uint64 `json:"batches"`
	Records     uint64 `json:"records"`
	Gone        uint64 `json:"gone"`         // batches of which Kafka no longer has all
	OtherParser uint64 `json:"other_parser"` // batches of another parser or other settings, of which only records could be compared
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
	kindOrphan      = "rows_of_no_batch" // rows that count without a batch
	kindDoubled     = "doubled"          // events that count more than once
	kindAnotherLog  = "another_log"      // the topic was created again under the same name
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
	retention   store.Retention
}

// Audit checks that every offset up to the committed one is counted once. The processor and its
// fingerprint are those of an ingester with the same settings, for reading again.
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
	if a.retention, err = s.Retention(ctx); err != nil {
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
	inOrder(report.Findings)
	return report, nil
}

// inOrder sorts findings by topic, partition and offset.
func inOrder(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(topicPartition{a.Topic, a.Partition}.compare(topicPartition{b.Topic, b.Partition}), cmp.Compare(a.FirstOffset, b.FirstOffset))
	})
}

// confirmed returns the findings of a second look that concern offsets of which the first look
// found the same. They need not be equal: what is left of a hole that is being filled is still a
// hole.
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

// seen is everything that one look has seen of a partition.
type seen struct {
	topicPartition
	inKafka   bool
	plan      *plan // nil: the group has committed nothing
	later     *plan // the same, read after the tables
	start     int64 // of the log
	end       int64
	coverage  *store.Coverage // nil: no batches
	gaps      []store.AuditGap
	differing []store.BatchSums
	doubled   []store.DoubledEvent
}

// view is one look at all partitions.
type view map[topicPartition]*seen

// look reads everything once, in the order that the audit's argument needs, and judges it.
func (a *audit) look(ctx context.Context) (report *AuditReport, scope store.AuditScope, err error) {
	v := view{}
	if err := a.lookAtKafka(ctx, v); err != nil {
		return nil, scope, err
	}
	if scope, err = a.lookAtBatches(ctx, v); err != nil {
		return nil, scope, err
	}
	for _, p := range v {
		if p.inKafka {
			if p.end, err = a.kafka.listOffset(ctx, p.topicPartition, kafka.LastOffset); err != nil {
				return nil, scope, err
			}
		}
	}
	if err := a.lookAtRows(ctx, v, scope); err != nil {
		return nil, scope, err
	}
	later, err := a.kafka.committed(ctx)
	if err != nil {
		return nil, scope, err
	}
	report = &AuditReport{Partitions: []*AuditedPartition{}, Findings: []Finding{}}
	for _, tp := range slices.SortedFunc(maps.Keys(v), topicPartition.compare) {
		if committed, is := later[tp]; is {
			v[tp].later = &committed
		}
		if err := a.judge(ctx, report, v[tp]); err != nil {
			return nil, scope, err
		}
	}
	return report, scope, nil
}

// lookAtKafka reads which partitions there are, what is committed of them, and where their logs
// start.
func (a *audit) lookAtKafka(ctx context.Context, v view) error {
	leaders, err := a.kafka.leadersOf(ctx)
	if err != nil {
		return err
	}
	plans, err := a.kafka.committed(ctx)
	if err != nil {
		return err
	}
	for tp := range leaders {
		if !a.wanted(tp) {
			continue
		}
		p := &seen{topicPartition: tp, inKafka: true}
		if committed, is := plans[tp]; is {
			p.plan = &committed
		}
		if p.start, err = a.kafka.listOffset(ctx, tp, kafka.FirstOffset); err != nil {
			return err
		}
		v[tp] = p
	}
	return nil
}

// lookAtBatches reads the recorded batches and gaps, also of partitions that Kafka does not have.
// It returns what to check.
func (a *audit) lookAtBatches(ctx context.Context, v view) (scope store.AuditScope, err error) {
	stored, err := a.store.BatchPartitions(ctx, a.kafka.cfg.Topics)
	if err != nil {
		return scope, err
	}
	for _, p := range stored {
		if tp := (topicPartition{p.Topic, p.Partition}); a.wanted(tp) && v[tp] == nil {
			v[tp] = &seen{topicPartition: tp}
		}
	}
	scope.Retention, scope.Slice = a.retention, a.options.Slice
	for tp := range v {
		scope.Partitions = append(scope.Partitions, store.AuditPartition{Topic: tp.topic, Partition: tp.id})
	}
	gaps, err := a.store.AuditGaps(ctx, scope)
	if err != nil {
		return scope, err
	}
	for _, g := range gaps {
		p := v[topicPartition{g.Topic, g.Partition}]
		p.gaps = append(p.gaps, g)
	}
	if !a.options.Since.IsZero() {
		if scope, err = a.store.Since(ctx, scope, a.options.Since); err != nil {
			return scope, err
		}
	}
	coverage, err := a.store.Coverage(ctx, scope)
	for i, c := range coverage {
		v[topicPartition{c.Topic, c.Partition}].coverage = &coverage[i]
	}
	return scope, err
}

// lookAtRows reads what differs between the batches and the rows in the tables.
func (a *audit) lookAtRows(ctx context.Context, v view, scope store.AuditScope) error {
	doubled, err := a.store.Doubled(ctx, scope)
	if err != nil {
		return err
	}
	differing, err := a.store.Differing(ctx, scope, doubled)
	if err != nil {
		return err
	}
	for _, b := range differing {
		p := v[topicPartition{b.Topic, b.Partition}]
		p.differing = append(p.differing, b)
	}
	for _, e := range doubled {
		p := v[topicPartition{e.Topic, e.Partition}]
		p.doubled = append(p.doubled, e)
	}
	return nil
}

// wanted reports whether the options include a partition.
func (a *audit) wanted(tp topicPartition) bool {
	return (a.options.Topic == "" || a.options.Topic == tp.topic) && (a.options.Partition < 0 || a.options.Partition == tp.id)
}
