// Package delivery reads Kafka and fills ClickHouse so that each record is counted once.
//
// The contract, and who keeps it:
//
//   - A batch is a run of offsets of one partition. Once sealed it never changes.
//   - Seal, plan, insert. Before the first insert of a batch its boundary is committed to Kafka, in the metadata of
//     the group's offset, under our generation and member id. Kafka refuses that from a member that has lost the
//     partition, and then the batch is dropped: whoever has the partition now has planned it, or will.
//   - A planned batch is inserted again and again until ClickHouse has it. Its rows replace themselves (package
//     store), so neither a repeat nor a second owner that repeats the same run changes a number.
//   - Whoever takes a partition over reads the plan, reads exactly those runs from Kafka again, inserts them, and
//     only then plans anything new. There is no drain at a rebalance.
//   - A run stays in the plan for a minute after its insert, so that a power loss of ClickHouse is repeated too.
//
// A commit whose outcome is unknown is never repeated in its generation: it might arrive late and roll the plan
// back. The generation is left, and the next begins with reading what is committed.
//
// kafka-go's ConsumerGroup keeps the membership alone; reading goes through fetch.go. One goroutine does the work of
// a generation, top to bottom: fetch, process, seal, plan, insert. While it inserts it does not fetch, which is all the
// backpressure there is.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"

	"errata/internal/accesslog"
	"errata/internal/enrich"
	"errata/internal/link"
	"errata/internal/store"
)

// Ingester is one member of the consumer group.
type Ingester struct {
	kafka       *Kafka
	store       *store.Store
	processor   *enrich.Processor
	fingerprint string // of all that decides what rows a record makes, but for the catalogs
	log         *slog.Logger

	// One generation works at a time. kafka-go sees to that, but for a generation that has ended before it began.
	working sync.Mutex
	last    map[topicPartition]*partition // what we knew when our last generation ended
}

// New makes an Ingester. The processor is its own from now on; the fingerprint names the processor's
// parser and mapping, and differs when those would make other rows.
func New(k *Kafka, s *store.Store, processor *enrich.Processor, fingerprint string, log *slog.Logger) *Ingester {
	return &Ingester{kafka: k, store: s, processor: processor, fingerprint: fingerprint, log: log}
}

// Times of the group protocol. A member that dies is missed after the session timeout; one that
// joins or leaves is noticed at the others' next heartbeat.
const (
	sessionTimeout   = 6 * time.Second
	rebalanceTimeout = 6 * time.Second
	heartbeat        = 500 * time.Millisecond
	partitionWatch   = 5 * time.Second
	leaveTimeout     = 3 * time.Second
	rejoinPause      = time.Second
)

// Run consumes until ctx ends, which is no error. Servers that go away are waited for, for ever; an error
// is something that somebody must mend.
func (in *Ingester) Run(ctx context.Context) error {
	if err := in.store.Claim(ctx, in.kafka.ClusterID, in.kafka.cfg.Group); err != nil {
		return err
	}
	if err := in.store.RetireTopics(ctx, in.kafka.cfg.Topics); err != nil {
		return err
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: in.kafka.cfg.Group, Brokers: in.kafka.cfg.Brokers, Topics: in.kafka.cfg.Topics, Dialer: in.kafka.dialer,
		HeartbeatInterval: heartbeat, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout,
		JoinGroupBackoff: time.Second, Timeout: 5 * time.Second,
		WatchPartitionChanges: true, PartitionWatchInterval: partitionWatch,
		GroupBalancers: []kafka.GroupBalancer{kafka.RoundRobinGroupBalancer{}},
	})
	if err != nil {
		return fmt.Errorf("join group %q: %w", in.kafka.cfg.Group, err)
	}
	var fatal error
	var running sync.WaitGroup // the goroutine of the generation at hand, which kafka-go starts and this function awaits
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		gen, err := group.Next(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if refused := in.kafka.refusal(err, in.kafka.cfg.Brokers[0]); refused != nil {
				fatal = refused
				break
			}
			in.log.Warn("cannot join the group, trying again", "group", in.kafka.cfg.Group, "error", err)
			continue
		}
		running.Add(1)
		gen.Start(func(genCtx context.Context) {
			defer running.Done()
			err := in.generation(ctx, genCtx, gen)
			switch {
			case errors.Is(err, link.ErrRefused):
				fatal = err
				cancel()
			case err != nil && genCtx.Err() == nil && ctx.Err() == nil:
				in.log.Warn("leaving the generation", "generation", gen.ID, "error", err)
				sleep(ctx, rejoinPause) // also when others rejoin meanwhile: nobody is to drive the group round and round
			}
		})
	}
	running.Wait()
	left := make(chan struct{})
	go func() { // Close may wait for a join that is under way; nobody needs its end
		defer close(left)
		if err := group.Close(); err != nil {
			in.log.Warn("cannot leave the group in order", "error", err)
		}
	}()
	select {
	case <-left:
	case <-time.After(leaveTimeout):
	}
	return fatal
}

// generation is what is ours between two rebalances.
type generation struct {
	*Ingester
	id         int
	member     string
	partitions []*partition
	leaders    map[topicPartition]int
	asked      time.Time // when leaders was
	round      int       // of fetching
	marked     time.Time // when the watermarks were last written
}

// generation takes over what the group has given us and works on it until the generation ends (genCtx), or until we
// are to stop, when what has been read is still sealed, planned and inserted.
func (in *Ingester) generation(stop, genCtx context.Context, gen *kafka.Generation) error {
	in.working.Lock()
	defer in.working.Unlock()
	g := &generation{Ingester: in, id: int(gen.ID), member: gen.MemberID}
	taking, endTaking := context.WithCancel(genCtx)
	defer context.AfterFunc(stop, endTaking)()
	err := g.takeOver(taking, gen.Assignments)
	endTaking()
	if err != nil {
		return err
	}
	in.log.Info("generation begins", "generation", g.id, "partitions", len(g.partitions))
	defer g.remember()

	// Reading ends when we are to stop; what has been read has a little longer to get in.
	reading, endReading := context.WithCancel(genCtx)
	defer endReading()
	writing, endWriting := context.WithCancel(genCtx)
	defer endWriting()
	defer context.AfterFunc(stop, func() {
		endReading()
		time.AfterFunc(leaveTimeout, endWriting)
	})()
	for reading.Err() == nil {
		g.fetch(reading)
		if g.due(time.Now()) {
			if err := g.flush(writing); err != nil {
				return err
			}
		}
		if err := g.tidy(writing, time.Now()); err != nil {
			return err
		}
	}
	if genCtx.Err() != nil {
		return nil // others may own the partitions by now: what is not planned is dropped
	}
	return g.flush(writing)
}

// takeOver reads the plan of each partition that is now ours. One whose plan is our own last commit, to the letter,
// has had no other owner since, and goes on where it was.
func (g *generation) takeOver(ctx context.Context, assigned map[string][]kafka.PartitionAssignment) error {
	committed, err := g.kafka.committedPlans(ctx)
	if err != nil {
		return err
	}
	hasCommits := map[string]bool{}
	for tp := range committed {
		hasCommits[tp.topic] = true
	}
	for topic, partitions := range assigned {
		for _, a := range partitions {
			tp := topicPartition{topic, a.ID}
			was, isCommitted := committed[tp]
			if last := g.last[tp]; isCommitted && last != nil && last.plan().encode() == was.encode() && last.offset == was.Offset {
				g.partitions = append(g.partitions, last)
				continue
			}
			if !isCommitted {
				// In the first generation of all, another member may have committed its start a moment ago.
				appeared := hasCommits[topic] && g.id > 1
				if was.Offset, err = g.kafka.startOffset(ctx, tp, appeared); err != nil {
					return err
				}
			}
			recorded, err := g.store.RecordedFrom(ctx, tp.topic, tp.id, was.Offset)
			if err != nil {
				return err
			}
			p := takeOver(tp, was, recorded, g.fingerprint)
			p.limits = g.kafka.cfg.Limits
			p.uncommitted = p.uncommitted || !isCommitted // a start position holds from now on
			end, err := g.kafka.listOffset(ctx, tp, kafka.LastOffset)
			if err != nil {
				return err
			}
			if known := p.knownEnd(); known > end {
				g.stopReading(p, known, end)
			}
			g.partitions = append(g.partitions, p)
		}
	}
	slices.SortFunc(g.partitions, func(a, b *partition) int { return a.compare(b.topicPartition) })
	return g.commit(ctx)
}

// remember keeps what a next generation may go on with.
func (g *generation) remember() {
	g.last = map[topicPartition]*partition{}
	for _, p := range g.partitions {
		if p.resume() {
			g.last[p.topicPartition] = p
		}
	}
}

// fetch reads once from all partitions and processes what came. What fails is logged and tried again at the next call.
func (g *generation) fetch(ctx context.Context) {
	var wanted []*partition
	for _, p := range g.partitions {
		if !p.stopped && !p.plan().full() {
			wanted = append(wanted, p)
		}
	}
	if len(wanted) == 0 {
		sleep(ctx, fetchWait)
		return
	}
	g.round++ // another partition is the first to be served
	wanted = slices.Concat(wanted[g.round%len(wanted):], wanted[:g.round%len(wanted)])
	if time.Since(g.asked) > partitionWatch {
		leaders, err := g.kafka.leaders(ctx)
		if err != nil {
			g.problem(ctx, "cannot reach kafka, trying again", err)
			return
		}
		g.leaders, g.asked = leaders, time.Now()
	}
	began := time.Now()
	var failed error
	for _, f := range g.kafka.fetch(ctx, g.leaders, wanted) {
		p := f.partition
		for _, r := range f.records {
			p.bytes += int64(len(r.value))
			p.add(r.offset, func(b *store.Batch) {
				b.Add(r.offset, r.time, g.processor.Record(r.value, enrich.Position{Topic: p.topic, Partition: p.id, Offset: r.offset, Clock: accesslog.KafkaClock(r.time)}))
			})
			p.next = r.offset + 1
		}
		p.next = max(p.next, f.next)
		p.closeBefore(p.next)
		switch {
		case errors.Is(f.err, kafka.OffsetOutOfRange):
			g.outOfRange(ctx, p)
		case f.err != nil:
			g.asked = time.Time{} // perhaps the leader has changed
			failed = fmt.Errorf("%s: %w", p, f.err)
		default:
			p.end = f.end
			if p.next >= p.end {
				p.reached = began
			}
		}
	}
	if failed != nil {
		g.problem(ctx, "cannot fetch, trying again", failed)
	}
}

// outOfRange goes on behind offsets that Kafka has deleted, and stops at a log that is shorter than what we have read.
func (g *generation) outOfRange(ctx context.Context, p *partition) {
	first, err := g.kafka.listOffset(ctx, p.topicPartition, kafka.FirstOffset)
	if err != nil {
		g.problem(ctx, "cannot ask for the offsets of "+p.String(), err)
		return
	}
	if p.next >= first {
		g.stopReading(p, p.next, first)
		return
	}
	g.log.Error("records were deleted before they were read: their offsets are a gap",
		"topic", p.topic, "partition", p.id, "first_offset", p.next, "last_offset", first-1)
	p.skipTo(first)
}

// stopReading leaves a partition alone whose log is not the one that we know.
func (g *generation) stopReading(p *partition, known, end int64) {
	p.stopped = true
	g.log.Error("the log is shorter than what was read from it, as when the topic was deleted and made anew: this partition is not read; "+
		"use another kafka.group and clickhouse.database for the new topic", "topic", p.topic, "partition", p.id, "read_to", known, "log_ends_at", end)
}

func (g *generation) problem(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		g.log.Warn(what, "error", err)
		sleep(ctx, time.Second)
	}
}

// due tells whether what has been read is to be inserted now.
func (g *generation) due(now time.Time) bool {
	rows, bytes, limit := 0, int64(0), g.kafka.cfg.Batch
	for _, p := range g.partitions {
		ready := p.ready()
		if len(ready) == 0 {
			continue
		}
		if now.Sub(p.openedAt) >= limit.Age {
			return true
		}
		for _, b := range ready {
			rows += b.Rows()
		}
		bytes += p.bytes
	}
	return rows >= limit.Rows || bytes >= limit.Bytes
}

// flush seals, plans and inserts what has been read: one commit, and one INSERT a table and day. What was planned before
// us goes in before anything new is planned.
func (g *generation) flush(ctx context.Context) error {
	for _, p := range g.partitions {
		p.seal()
	}
	if err := g.insertPlanned(ctx); err != nil {
		return err
	}
	for _, p := range g.partitions {
		moved := p.planSealed()
		p.uncommitted = p.uncommitted || moved
	}
	if err := g.commit(ctx); err != nil {
		return err
	}
	return g.insertPlanned(ctx)
}

// commit writes the plans that have changed. Nothing may be inserted that is not in a committed plan.
// After any error the generation must be left.
func (g *generation) commit(ctx context.Context) error {
	req := &kafka.OffsetCommitRequest{GroupID: g.kafka.cfg.Group, GenerationID: g.id, MemberID: g.member, Topics: map[string][]kafka.OffsetCommit{}}
	for _, p := range g.partitions {
		if p.uncommitted {
			req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: p.id, Offset: p.offset, Metadata: p.plan().encode()})
		}
	}
	if len(req.Topics) == 0 {
		return nil
	}
	answer, err := g.kafka.client.OffsetCommit(ctx, req)
	if err != nil {
		return fmt.Errorf("commit the plan: %w", err)
	}
	for topic, partitions := range answer.Topics {
		for _, o := range partitions {
			if o.Error != nil {
				return fmt.Errorf("commit the plan of %s: %w", topicPartition{topic, o.Partition}, o.Error)
			}
		}
	}
	for _, p := range g.partitions {
		p.uncommitted = false
	}
	return nil
}

// insertPlanned inserts the planned batches that are not in yet, again and again until they are or the generation ends.
func (g *generation) insertPlanned(ctx context.Context) error {
	var batches []*store.Batch
	for _, p := range g.partitions {
		for _, r := range p.planned {
			if r.batch != nil {
				batches = append(batches, r.batch)
			}
		}
	}
	if len(batches) == 0 {
		return nil
	}
	wait := &backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 10 * time.Second}
	for {
		err := g.store.Insert(ctx, batches)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause := wait.NextBackOff()
		g.log.Warn("cannot insert, trying the same rows again", "batches", len(batches), "in", pause.Round(time.Millisecond), "error", err)
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
	now := time.Now()
	for _, p := range g.partitions {
		p.inserted(now)
	}
	return nil
}

// watermarkEvery is how often the watermarks are written when nothing else happens.
const watermarkEvery = 5 * time.Second

// tidy moves the durable points that are due, also at idle, and writes the watermarks.
func (g *generation) tidy(ctx context.Context, now time.Time) error {
	for _, p := range g.partitions {
		moved := p.prune(now)
		p.uncommitted = p.uncommitted || moved
	}
	if err := g.commit(ctx); err != nil {
		return err
	}
	if now.Sub(g.marked) < watermarkEvery {
		return nil
	}
	g.marked = now
	var marks []store.Watermark
	for _, p := range g.partitions {
		if p.caughtUp() {
			p.watermark = p.reached
		}
		if !p.watermark.IsZero() {
			marks = append(marks, store.Watermark{Topic: p.topic, Partition: p.id, Watermark: p.watermark, At: now})
		}
	}
	if err := g.store.InsertWatermarks(ctx, marks); err != nil && ctx.Err() == nil {
		g.log.Warn("cannot write the watermarks, trying again later", "error", err)
	}
	return nil
}

// sleep waits, and tells whether it was not cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
