package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/link"
)

// ErrFenced means that another process holds the fence, or that nobody can say who does.
var ErrFenced = errors.New("another process holds the fence")

// Fence lets one of several processes act. It is a consumer group on a topic of one partition: who
// has the partition in the present generation holds the fence. ClickHouse cannot do this, since it
// has no compare-and-set. No record is ever written to the topic or read from it.
//
// The generation is checked at the broker before each act, so a process that was suspended and has
// been replaced learns of it before it acts again. What is under way at that moment is not undone:
// acts need keys all the same.
type Fence struct {
	kafka    *Kafka
	group    *kafka.ConsumerGroup
	balancer *sticky
	log      *slog.Logger
	cancel   func()
	ended    chan struct{}

	mu   sync.Mutex
	held *kafka.Generation // nil: another process has the partition
	away error             // why the group could not be joined; nil: it could
}

// unconfirmed is the error of a fence of which nobody can say who holds it: an ErrFenced, and
// link.ErrUnreachable, since no other process can act either.
type unconfirmed struct{ brokers, cause string }

func (e unconfirmed) Error() string {
	return fmt.Sprintf("no broker can say who holds the fence: kafka at %s: %s", e.brokers, e.cause)
}

func (unconfirmed) Unwrap() []error { return []error{ErrFenced, link.ErrUnreachable} }

func (f *Fence) unconfirmed(cause error) error {
	return unconfirmed{strings.Join(f.kafka.cfg.Brokers, ","), link.Cause(cause)}
}

// fenceRequest is how long a broker may take to confirm a generation.
const fenceRequest = 5 * time.Second

// FenceName says what a Fence is called where.
type FenceName struct {
	Key   string // of the settings, which names the topic
	Topic string
	Group string // of the processes of which one may act
}

// OpenFence joins the group. The cluster is that of the Config.
func OpenFence(ctx context.Context, cfg Config, name FenceName, log *slog.Logger) (*Fence, error) {
	cfg.Topics, cfg.Group = []string{name.Topic}, name.Group
	k, err := Connect(ctx, cfg)
	if errors.Is(err, link.ErrRefused) {
		return nil, link.Refused("%s", strings.ReplaceAll(err.Error(), "kafka.topics", name.Key))
	}
	if err != nil {
		return nil, err
	}
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: cfg.Topics})
	if err == nil && len(meta.Topics) == 1 && len(meta.Topics[0].Partitions) != 1 {
		k.Close()
		return nil, link.Refused("%s %q has %d partitions: it takes a topic of its own with exactly one", name.Key, name.Topic, len(meta.Topics[0].Partitions))
	}
	f := &Fence{kafka: k, balancer: &sticky{}, log: log, ended: make(chan struct{})}
	debug := kafka.LoggerFunc(func(format string, args ...any) { log.Debug("kafka-go: " + fmt.Sprintf(format, args...)) })
	f.group, err = kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: cfg.Group, Brokers: cfg.Brokers, Topics: cfg.Topics, Dialer: k.dialer,
		HeartbeatInterval: heartbeat, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout,
		JoinGroupBackoff: time.Second, Timeout: 5 * time.Second,
		GroupBalancers: []kafka.GroupBalancer{f.balancer, kafka.RoundRobinGroupBalancer{}},
		Logger:         debug, ErrorLogger: debug,
	})
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("join group %q: %w", cfg.Group, err)
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go f.run(ctx) // until Close
	return f, nil
}

// run takes one generation after the other.
func (f *Fence) run(ctx context.Context) {
	defer close(f.ended)
	for ctx.Err() == nil {
		gen, err := f.group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				f.mu.Lock()
				f.away = err
				f.mu.Unlock()
				f.log.Warn("failed to join the fence's group", "group", f.kafka.cfg.Group, "error", err)
				sleep(ctx, time.Second)
			}
			continue
		}
		f.balancer.owns(gen.ID, assignment(gen))
		gen.Start(func(ctx context.Context) {
			f.hold(gen)
			<-ctx.Done()
			f.hold(nil)
		})
	}
}

func (f *Fence) hold(gen *kafka.Generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held, f.away = gen, nil
	if gen != nil && len(assignment(gen)) == 0 {
		f.held = nil
	}
}

// Check returns nil if this process holds the fence, as the broker confirms, and an ErrFenced
// otherwise. That is link.ErrUnreachable too if nobody can say who holds it.
func (f *Fence) Check(ctx context.Context) error {
	f.mu.Lock()
	gen, away := f.held, f.away
	f.mu.Unlock()
	switch {
	case gen == nil && away != nil:
		return f.unconfirmed(away)
	case gen == nil:
		return ErrFenced
	}
	return f.confirm(ctx, gen)
}

// confirm commits an offset, which Kafka accepts only from a member of the present generation. (The
// library's heartbeat cannot ask: it mistakes a part of the throttle time for the error.)
func (f *Fence) confirm(ctx context.Context, gen *kafka.Generation) error {
	ctx, cancel := context.WithTimeout(ctx, fenceRequest)
	defer cancel()
	topic := f.kafka.cfg.Topics[0]
	answer, err := f.kafka.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: gen.GroupID, GenerationID: int(gen.ID), MemberID: gen.MemberID, Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 0}}},
	})
	if err != nil {
		return f.unconfirmed(err)
	}
	for _, partition := range answer.Topics[topic] {
		if partition.Error != nil {
			return fmt.Errorf("%w: %w", ErrFenced, partition.Error)
		}
	}
	if len(answer.Topics[topic]) != 1 {
		return ErrFenced
	}
	return nil
}

// Close gives the fence up, so that another process has it at once.
func (f *Fence) Close() {
	f.cancel()
	<-f.ended
	left := make(chan struct{})
	go func() { // Close may wait for a join that is under way; nothing waits for it to end
		defer close(left)
		if err := f.group.Close(); err != nil {
			f.log.Warn("failed to leave the fence's group cleanly", "error", err)
		}
	}()
	select {
	case <-left:
	case <-time.After(leaveTimeout):
	}
	f.kafka.Close()
}
