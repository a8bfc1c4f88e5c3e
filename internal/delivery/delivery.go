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
//   - A run stays in the plan for a minute after its insert. Only when the server has not been restarted meanwhile does the
//     durable point move past it; else all that is planned is repeated, since a power loss may have cost some of it.
//
// A commit whose outcome is unknown is never repeated in its generation: it might arrive late and roll the plan
// back. The generation is left, and the next begins with reading what is committed.
//
// Files, from the outside in: delivery.go is the member of the group, takeover.go and generation.go its work between two rebalances,
// partition.go and plan.go what it knows of a partition, without the outside world. members.go shares the partitions out. fetch.go, offsets.go
// and connect.go speak to Kafka. replay.go parses history anew, audit.go and its neighbours prove that all is counted. model_test.go holds the
// protocol against every order of crashes.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/enrich"
	"errata/internal/link"
	"errata/internal/store"
)

// Ingester is one member of the consumer group.
type Ingester struct {
	kafka       *Kafka
	broker      broker // kafka
	store       *store.Store
	database    database // store
	cfg         Config
	processor   *enrich.Processor
	fingerprint string // of all that decides what rows a record makes, but for the catalogs and the share of the audit sample
	log         *slog.Logger
	metrics     *metrics
	state       state
	folding     atomic.Bool // we have the first of all partitions: who has it folds closed days
	now         func() time.Time
	sleep       func(context.Context, time.Duration) bool

	// One generation works at a time. kafka-go sees to that, but for a generation that has ended before it began.
	working sync.Mutex
	boot    string                        // the run of the server that has all that we inserted
	last    map[topicPartition]*partition // what we knew when our last generation ended
}

// database is what the ingester asks of ClickHouse; *store.Store is it. Each call may fail at any
// time, and may have done its work all the same.
type database interface {
	Insert(ctx context.Context, batches []*store.Batch) error
	InsertWatermarks(ctx context.Context, marks []store.Watermark) error
	InsertGap(ctx context.Context, g store.Gap) error
	RecordedFrom(ctx context.Context, topic string, partition int, offset int64) ([]store.Recorded, error)
	LastRecorded(ctx context.Context, topic string, partition int) (store.Recorded, bool, error)
	Accepted(ctx context.Context, topic string, partition int, fingerprint string, ago time.Duration) ([]store.Recorded, error)
	ClaimEpoch(ctx context.Context, fingerprint string, least uint32) (uint32, error)
	Orphans(ctx context.Context, topic string, partition int, from int64) ([]store.Orphan, error)
	Whole(ctx context.Context, topic string, partition int, firstOffset int64) (bool, error)
	Void(ctx context.Context, topic string, partition int, strays []store.Orphan, epoch uint32) error
	VoidedFrom(ctx context.Context, topic string, partition int, from int64) (store.Voided, error)
	ServerID(ctx context.Context) (string, error)
}

// New makes an Ingester. The processor is its own from now on; the fingerprint names the processor's
// parser and mapping, and differs when those would make other rows.
func New(k *Kafka, s *store.Store, processor *enrich.Processor, fingerprint string, log *slog.Logger) *Ingester {
	in := &Ingester{kafka: k, broker: k, store: s, database: s, cfg: k.cfg, processor: processor, fingerprint: fingerprint, log: log, metrics: newMetrics(), now: time.Now, sleep: sleep}
	in.metrics.memoryBudget.Set(float64(in.cfg.memory()))
	return in
}

// Times of the group protocol. A member that dies is missed after the session timeout, of which 6 s is the least that
// brokers allow unless told otherwise; one that joins or leaves is noticed at the others' next heartbeat.
const (
	sessionTimeout   = 6 * time.Second
	rebalanceTimeout = 6 * time.Second
	heartbeat        = 300 * time.Millisecond
	partitionWatch   = 5 * time.Second
	leaveTimeout     = 3 * time.Second
	wellAgain        = 10 * time.Second // in one generation, after which the next one that must be left is left without a long pause
	patience         = time.Minute      // with a refusal: certificates and passwords are not changed on both sides at once
	silence          = time.Minute      // without a generation, after which the group is joined anew
	unready          = 10 * time.Second // without a generation, after which we are not ready
)

// Run consumes until ctx ends, which is no error. Servers that go away are waited for, for ever; an error
// is something that somebody must mend.
func (in *Ingester) Run(ctx context.Context) error {
	if err := in.kafka.Claim(ctx, in.store); err != nil {
		return err
	}
	dead := in.kafka.dead(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup // goroutines that end with this function
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { in.kafka.putOut(ctx, dead, in.log) })
	beside.Go(func() { in.fold(ctx) })
	for {
		err := in.consume(ctx)
		if ctx.Err() != nil || !errors.Is(err, errSilent) {
			return err
		}
		in.log.Warn("the group says nothing, joining it anew", "group", in.cfg.Group)
		in.metrics.reconnects.Inc()
		in.kafka.reconnect()
	}
}

// foldEvery is how often is looked for days to be folded.
const foldEvery = time.Minute

// fold folds closed days into hours, for readers of long ranges. Two that do so at once are no harm.
func (in *Ingester) fold(ctx context.Context) {
	for sleep(ctx, foldEvery) {
		if !in.folding.Load() {
			continue
		}
		days, err := in.store.RollUpClosedDays(ctx, time.Now())
		for _, day := range days {
			in.log.Info("folded a closed day into hours", "day", day.Format(time.DateOnly))
		}
		if err != nil && ctx.Err() == nil {
			in.log.Warn("cannot fold closed days into hours: long ranges are read from minutes, which is slower", "error", err)
		}
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

// Topics are those that are read.
func (k *Kafka) Topics() []string { return k.cfg.Topics }

// errSilent says that the group has given us no generation for a while.
var errSilent = errors.New("no generation")

// consume is a member of the group until ctx ends, or the group is silent, or something is wrong that somebody must mend.
func (in *Ingester) consume(ctx context.Context) error {
	balancer := &sticky{}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: in.cfg.Group, Brokers: in.cfg.Brokers, Topics: in.cfg.Topics, Dialer: in.kafka.dialer,
		HeartbeatInterval: heartbeat, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout,
		JoinGroupBackoff: time.Second, Timeout: 5 * time.Second,
		WatchPartitionChanges: true, PartitionWatchInterval: partitionWatch,
		GroupBalancers: []kafka.GroupBalancer{balancer, kafka.RoundRobinGroupBalancer{}},
		Logger:         kafka.LoggerFunc(func(format string, args ...any) { in.log.Debug("kafka-go: " + fmt.Sprintf(format, args...)) }),
		ErrorLogger:    kafka.LoggerFunc(func(format string, args ...any) { in.log.Debug("kafka-go: " + fmt.Sprintf(format, args...)) }),
	})
	if err != nil {
		return fmt.Errorf("join group %q: %w", in.cfg.Group, err)
	}
	var fatal error
	var working atomic.Bool    // a generation is
	var running sync.WaitGroup // the goroutine of the generation at hand, which kafka-go starts and this function awaits, and those that put us out
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := time.Now()
	member := ""          // as the group knows us
	rejoining := pauses() // before we come back to a group whose generation we had to leave: nobody is to drive it round and round
	var refusedSince time.Time
	for {
		asking, endAsking := context.WithTimeout(ctx, time.Second)
		gen, err := group.Next(asking)
		timeout := asking.Err() != nil
		endAsking()
		if ctx.Err() != nil {
			break
		}
		if err != nil && timeout {
			if working.Load() {
				heard = time.Now()
			}
			if waiting := time.Since(heard); waiting > silence {
				fatal = errSilent
				break
			} else if waiting > unready {
				in.state.say(&in.state.group, "the group has given us no partitions for %s", waiting.Round(time.Second))
			}
			continue
		}
		heard = time.Now()
		if err == nil {
			refusedSince = time.Time{}
		}
		if err != nil {
			if refused := in.kafka.refusal(err, in.cfg.Brokers[0]); refused != nil {
				if refusedSince.IsZero() {
					refusedSince = heard
				}
				if heard.Sub(refusedSince) > patience {
					fatal = refused
					break
				}
			}
			in.state.say(&in.state.group, "cannot join the group: %s", link.Cause(err))
			in.log.Warn("cannot join the group, trying again", "group", in.cfg.Group, "error", err)
			// kafka-go joins as a new member now. Had it no way to leave as the old one, the group would wait for that one to come back.
			if member != "" && !errors.Is(err, kafka.RebalanceInProgress) {
				gone := []string{member}
				running.Go(func() { in.kafka.putOut(ctx, gone, in.log) })
				member = ""
			}
			continue
		}
		member = gen.MemberID
		running.Add(1)
		working.Store(true)
		gen.Start(func(genCtx context.Context) {
			defer running.Done()
			defer working.Store(false)
			assigned := assignment(gen)
			balancer.owns(gen.ID, assigned)
			began := time.Now()
			err := in.generation(ctx, genCtx, int(gen.ID), gen.MemberID, assigned)
			switch {
			case errors.Is(err, link.ErrRefused):
				fatal = err
				cancel()
			case err != nil && genCtx.Err() == nil && ctx.Err() == nil:
				in.log.Warn("leaving the generation", "generation", gen.ID, "error", err)
				if time.Since(began) > wellAgain {
					rejoining.Reset()
				}
				sleep(ctx, rejoining.NextBackOff()) // also when others rejoin meanwhile
			}
		})
	}
	cancel()
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

// assignment is what the group has given us.
func assignment(gen *kafka.Generation) (all []topicPartition) {
	for topic, partitions := range gen.Assignments {
		for _, p := range partitions {
			all = append(all, topicPartition{topic, p.ID})
		}
	}
	return all
}

// state is what keeps the ingester from doing its work, for a probe to ask.
type state struct {
	mu                            sync.Mutex
	begun                         bool
	group, fetch, insert, stopped string // what is wrong; "" when nothing is
}

// say sets one of the fields of state, from a format, or to nothing.
func (s *state) say(field *string, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*field = ""
	if format != "" {
		*field = fmt.Sprintf(format, args...)
	}
}

// Ready says why the ingester is not consuming, nil when it is.
func (in *Ingester) Ready() error {
	s := &in.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun && s.group == "" {
		return errors.New("not in the group yet")
	}
	var all []error
	for _, problem := range []string{s.group, s.fetch, s.insert, s.stopped} {
		if problem != "" {
			all = append(all, errors.New(problem))
		}
	}
	return errors.Join(all...)
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
