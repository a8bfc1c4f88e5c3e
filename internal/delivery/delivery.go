// Package delivery reads Kafka and fills ClickHouse so that each record is counted once.
//
// # The protocol
//
// Two ideas carry it. The commit to Kafka holds the plan, and Kafka fences commits by the
// generation of the consumer group. And every row replaces itself when it is written again.
//
//   - A batch is a run of consecutive offsets of one partition; while it is in the plan it is
//     called a planned run. Once its boundary is committed to Kafka it never changes: apart from
//     the catalog texts, its rows are a pure function of its records, their positions and the
//     parser, never of the clock.
//   - Seal, plan, insert. Before the first insert of a batch, its boundary is committed to Kafka.
//     Everything before the committed offset is safely in ClickHouse. The metadata of the commit
//     holds the lengths of the planned runs that follow it, without a gap (plan.go). Kafka takes
//     the commit only from the member that owns the partition in the current generation. A commit
//     that is refused, or whose outcome is unknown, is never repeated in its generation: the first
//     attempt may still be on its way, arrive after later commits, and put the old plan back. The
//     generation is left, and the next one begins by reading what is committed.
//   - A planned batch is inserted, with growing pauses, until ClickHouse has it. In the meantime,
//     records are fetched and processed while memory lasts, and watermarks are written. Nothing is
//     committed and nothing else is inserted, so other processes see the partition's changes in one
//     order. The batch's row in batch_rows is written after all its other rows.
//   - A run leaves the plan a minute after its insert, and only if the server was not restarted in
//     that minute: what ClickHouse has accepted survives a loss of power only once it is on the
//     disk. After a restart, everything planned is read and inserted again. Two tables live in
//     ClickHouse's memory and are empty after a restart. One holds a random server id, so a restart
//     is noticed. The other, accepted, holds the time at which each batch was accepted, so a new
//     owner of the partition does not start the minute again. If it did, the plan of a partition
//     that changes hands more than once a minute would only grow.
//   - Whoever takes a partition over reads the plan and the recorded batches, reads exactly the
//     planned runs again, inserts them, and only then plans anything new (takeover.go). An owner
//     that loses a partition in a rebalance gives it up without finishing what it has planned. Some
//     of the planned rows may therefore exist already when the new owner inserts them; rows that
//     exist already replace themselves. A zombie, a process that does not know yet that it lost the
//     partition, can repeat what is planned, which changes nothing, and cannot plan.
//   - Boundaries are cut once: a boundary that is in the plan or in batch_rows never changes. If
//     the group's offset is lost, reading starts after the last batch in batch_rows. If somebody
//     set it, the recorded batches from there on keep their boundaries. Batches of our own parser
//     are skipped until the first batch that another parser wrote. That batch and all recorded
//     batches after it are read and written again, under a later epoch. If the offset lies inside a
//     recorded batch, whichever parser wrote it, reading starts after that batch.
//   - Orphans are the inserted rows of a batch that has no row in batch_rows and whose plan was
//     lost with the offset. They are voided: a row in epoch_switches selects an epoch that has no
//     rows, so the orphans no longer count, and their records are read again and written under that
//     epoch. Kafka does not fence this step, so the statement that voids them also checks that no
//     other process has recorded or voided them.
//   - A parser is identified by its fingerprint, made of its version and its settings. When a
//     parser with another fingerprint reads records a second time, it writes their rows under a
//     later epoch, beside the old ones; a row in epoch_switches, written after the row in
//     batch_rows, makes the views count the new ones in one step. Every epoch above 0 belongs to
//     one take-over or one replay. So the rows of two parsers never mix. Neither do the rows of a
//     voided batch and those of the batches that replace it. A run that is read for the first time
//     has epoch 0, unless its offsets were voided: then it has the epoch of the voiding.
//   - Offsets that Kafka deleted before they were read become a row in gap_rows, a metric and a log
//     line. When part of a planned run is deleted, the run stays as it is if ClickHouse has all of
//     it. Otherwise the rest is inserted under a fresh epoch, and the deleted part is a gap.
//   - If Kafka's log ends before offsets that we planned or recorded, or if the record at the start
//     of the last batch is not the one that was counted, the topic was deleted and created again.
//     The partition is not read, and an error is logged that says why.
//
// # Where a process can die
//
// Wherever the process dies, nothing is lost or counted twice:
//
//   - Before the commit, nothing of the batch was inserted. The next owner reads its records again
//     and may cut them differently.
//   - Between the commit and the row in batch_rows, the run is planned. The next owner writes the
//     same rows again under the same keys.
//   - After that row, while the run is still in the plan, the next owner writes the same rows again
//     too. Once the run has left the plan, the row in batch_rows is read only for its boundaries.
//   - Before the switch of an epoch, the old rows count, and the new ones are written again.
//   - After the switch, the new rows count, and the old ones never again.
//   - While it claims an epoch, records a gap or voids rows: each can be repeated without effect,
//     and an unused epoch costs nothing.
//
// model_test.go checks this argument. The code of a generation runs unchanged against a broker and
// a store in memory, and the test tries schedules of crashes before, during and after each request,
// lost answers, late commits, zombies, loss of power, lost offsets and deleted records.
// mutation_test.go takes each rule out of the source in turn, and the model must notice.
//
// # What it relies on
//
// Of Kafka: a commit from an old generation or an unknown member is refused; the committed offset
// and its metadata are kept and read together; the records of a partition do not change (compacted
// topics are refused).
//
// Of ClickHouse: an acknowledged insert survives a kill of the server at once, and a loss of power
// from a minute after it was acknowledged; an INSERT into a single partition of a table creates one
// part; ReplacingMergeTree keeps one row per key under FINAL. The protocol does not rely on
// deduplication tokens: ClickHouse records a token before it writes the part, so after a crash the
// token can exist without the part.
//
// # Known limits
//
// If ClickHouse loses power and the group's offsets are lost within the same minute, the rows that
// ClickHouse lost are not inserted again, because the plan that named them is gone too. If someone
// sets an offset by hand while an ingester is suspended in the middle of inserting a batch, that
// batch can be counted twice when the ingester resumes. A replay that reads offsets which no
// recorded batch covers has a similar limit. If someone sets the group's offset back to these
// offsets just as the replay's rows begin to count, their records can be counted twice. `ingest
// audit` shows both. If a topic is deleted, created again and filled beyond our offset, all while
// nothing is fetched, this is noticed only at the next take-over. One planned run at a time is held
// in memory as a whole, even if it exceeds ingest.memory. So is a single record that exceeds it.
//
// # Files
//
//	delivery.go     Ingester: what runs until it is told to stop
//	group.go        the member of the consumer group, one generation after another
//	sticky.go       how the group shares its partitions out
//	dead.go         members of the group that are our own dead processes
//	takeover.go     the beginning of a generation: what is already planned and recorded
//	generation.go   the work between two rebalances: fetch, process, seal, plan, insert
//	partition.go    what a generation knows of a partition, without the outside world
//	plan.go         the plan and its form in the metadata of a commit
//	connect.go      the connection to Kafka, and why it cannot be made
//	fetch.go        records from Kafka
//	offsets.go      offsets and commits
//	ready.go        why the ingester does no work, for a probe
//	metrics.go      what it tells Prometheus
//	replay.go       history, parsed again
//	audit*.go       the proof that everything is counted
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"errata/internal/enrich"
	"errata/internal/store"
)

// Ingester is one member of the consumer group.
type Ingester struct {
	kafka  *Kafka
	store  *store.Store
	worker *worker
	log    *slog.Logger

	admitted bool // the group has had us as a member
}

// New makes an Ingester, which owns the processor from then on. The fingerprint names the
// processor's parser and settings, and differs when those would make other rows.
func New(k *Kafka, s *store.Store, processor *enrich.Processor, fingerprint string, log *slog.Logger) *Ingester {
	w := &worker{
		broker: k, database: s, cfg: k.cfg, processor: processor, fingerprint: fingerprint,
		log: log, metrics: newMetrics(), now: time.Now, sleep: sleep, background: inBackground,
	}
	w.metrics.memoryBudget.Set(float64(w.cfg.memory()))
	return &Ingester{kafka: k, store: s, worker: w, log: log}
}

// Run consumes until ctx ends, which is not an error. It waits for unavailable servers without
// limit; an error is something that a person must fix.
func (in *Ingester) Run(ctx context.Context) error {
	if err := in.kafka.Claim(ctx, in.store); err != nil {
		return err
	}
	dead := in.kafka.dead(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup // goroutines that end with this function
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { in.kafka.removeDead(ctx, dead, in.log) })
	beside.Go(func() { in.rollUp(ctx) })
	for {
		err := in.consume(ctx)
		if ctx.Err() != nil || !errors.Is(err, errSilent) {
			return err
		}
		in.log.Warn("got no answer from the consumer group, joining it again", "group", in.kafka.cfg.Group)
		in.worker.metrics.reconnects.Inc()
		in.kafka.reconnect()
	}
}

// Claim takes the database for our cluster and group.
func (k *Kafka) Claim(ctx context.Context, s *store.Store) error {
	if err := s.Claim(ctx, k.ClusterID, k.cfg.Group); err != nil {
		return err
	}
	leaders, err := k.leadersOf(ctx)
	if err != nil {
		return err
	}
	k.original = map[string]int{}
	for tp := range leaders {
		k.original[tp.topic]++
	}
	for topic, partitions := range k.original {
		if k.original[topic], err = s.FirstRead(ctx, topic, partitions); err != nil {
			return err
		}
	}
	return s.RetireTopics(ctx, k.cfg.Topics)
}

// Topics returns the topics that are read.
func (k *Kafka) Topics() []string { return k.cfg.Topics }

// rollupEvery is how often we look for days to roll up.
const rollupEvery = time.Minute

// rollUp rolls closed days up into hours, for readers of long ranges, and seals days that are old
// enough. It is safe for two ingesters to do so at once.
func (in *Ingester) rollUp(ctx context.Context) {
	for sleep(ctx, rollupEvery) {
		if !in.worker.rollingUp.Load() {
			continue
		}
		days, err := in.store.RollUpClosedDays(ctx, time.Now())
		for _, day := range days {
			in.log.Info("rolled up a closed day", "day", day.Format(time.DateOnly))
		}
		if err != nil && ctx.Err() == nil {
			in.log.Warn("failed to roll up closed days: queries over long ranges stay slow", "error", err)
		}
		if in.worker.cfg.SealAfter == 0 {
			continue
		}
		days, err = in.store.SealDays(ctx, time.Now(), in.worker.cfg.SealAfter)
		for _, day := range days {
			in.log.Info("sealed a day: its sums are kept once for each minute and group, and its batches cannot be replayed", "day", day.Format(time.DateOnly))
		}
		if err != nil && ctx.Err() == nil {
			in.log.Warn("failed to seal days: their sums take more space until it succeeds", "error", err)
		}
	}
}

// worker does the work of the generations, one at a time. It knows the servers only as broker and
// database.
type worker struct {
	broker      broker
	database    database
	cfg         Config
	processor   *enrich.Processor
	fingerprint string // of all that decides which rows a record makes, except the catalogs and the share of the audit sample
	log         *slog.Logger
	metrics     *metrics
	state       state
	rollingUp   atomic.Bool // we own the first of all partitions: its owner rolls closed days up
	now         func() time.Time
	sleep       func(context.Context, time.Duration) bool
	background  func(do func()) task

	// One generation works at a time. kafka-go ensures that, except for a generation that ended
	// before it began.
	working  sync.Mutex
	serverID string                        // of the run of ClickHouse that has everything we inserted
	last     map[topicPartition]*partition // what we knew when our last generation ended
}

// broker is what a generation asks of Kafka; *Kafka implements it. Each call may fail at any time;
// a commit may have been made all the same, or may still be.
type broker interface {
	// committed reads what the group has committed for all partitions of our topics. A partition
	// without a commit is not in the result. An error never means that nothing is committed.
	committed(ctx context.Context) (map[topicPartition]plan, error)
	// commit writes plans under a generation and member.
	commit(ctx context.Context, generation int, member string, plans map[topicPartition]plan) error
	// start returns where a partition begins that was never read.
	start(ctx context.Context, tp topicPartition) (int64, error)
	// bounds returns the first offset that the log holds, and the one behind the last that may be
	// read.
	bounds(ctx context.Context, tp topicPartition) (first, end int64, err error)
	// fetch reads once from each position.
	fetch(ctx context.Context, from []position) []fetched
	// reconnect drops all connections and everything known of the cluster.
	reconnect()
}

// database is what a generation asks of ClickHouse; *store.Store implements it. Each call may fail
// at any time, and may have done its work all the same.
type database interface {
	Insert(ctx context.Context, batches []*store.Batch) error
	InsertWatermarks(ctx context.Context, marks []store.Watermark) error
	InsertGap(ctx context.Context, g store.Gap) error
	RecordedFrom(ctx context.Context, places []store.Place) ([][]store.Recorded, error)
	LastRecorded(ctx context.Context, places []store.Place) ([]*store.Recorded, error)
	Accepted(ctx context.Context, places []store.Place, ago time.Duration) ([][]store.Recorded, error)
	ClaimEpoch(ctx context.Context, fingerprint string, least uint32) (uint32, error)
	Orphans(ctx context.Context, places []store.Place) ([][]store.Orphan, error)
	Whole(ctx context.Context, topic string, partition int, firstOffset int64) (bool, error)
	Void(ctx context.Context, topic string, partition int, orphans []store.Orphan, epoch uint32) error
	VoidedFrom(ctx context.Context, places []store.Place) ([]store.Voided, error)
	ServerID(ctx context.Context) (string, error)
}

// sleep waits, and reports whether it was not cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
