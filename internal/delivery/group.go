package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"

	"errata/internal/link"
)

// Times of the group protocol. A member that dies is missed after the session timeout, of which
// brokers allow 6 s at the least unless told otherwise; one that joins or leaves is noticed at the
// others' next heartbeat.
const (
	sessionTimeout   = 6 * time.Second
	rebalanceTimeout = 6 * time.Second
	heartbeat        = 300 * time.Millisecond
	partitionWatch   = 5 * time.Second
	leaveTimeout     = 3 * time.Second
	wellAgain        = 10 * time.Second // in one generation, after which the next one that must be left is left without a long pause
	patience         = time.Minute      // with a refusal, once we were a member: certificates and passwords are not changed on both sides at once
	silence          = time.Minute      // without a generation, after which the group is joined again
	unready          = 10 * time.Second // without a generation, after which we are not ready
)

// errSilent means that the group has given us no generation for a while.
var errSilent = errors.New("no generation")

// membership is our membership of the group, until it is closed.
type membership struct {
	*Ingester
	group    *kafka.ConsumerGroup
	balancer *sticky

	working atomic.Bool    // a generation is under way
	running sync.WaitGroup // the goroutine of the current generation, which kafka-go starts, and those that remove us from the group
	cancel  func()         // ends the membership
	fatal   error          // why it ends

	heard        time.Time                   // when the group last said anything
	refusedSince time.Time                   // zero when it does not refuse us
	member       string                      // our member id; "" when we have none
	rejoining    *backoff.ExponentialBackOff // before we return to a group whose generation we had to leave, so that we do not drive it round and round
}

// consume is a member of the group until ctx ends, the group is silent, or something is wrong that
// a person must fix.
func (in *Ingester) consume(ctx context.Context) error {
	m := &membership{Ingester: in, balancer: &sticky{}, heard: time.Now(), rejoining: pauses()}
	cfg := in.kafka.cfg
	debug := kafka.LoggerFunc(func(format string, args ...any) { in.log.Debug("kafka-go: " + fmt.Sprintf(format, args...)) })
	var err error
	m.group, err = kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: cfg.Group, Brokers: cfg.Brokers, Topics: cfg.Topics, Dialer: in.kafka.dialer,
		HeartbeatInterval: heartbeat, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout,
		JoinGroupBackoff: time.Second, Timeout: 5 * time.Second,
		WatchPartitionChanges: true, PartitionWatchInterval: partitionWatch,
		GroupBalancers: []kafka.GroupBalancer{m.balancer, kafka.RoundRobinGroupBalancer{}},
		Logger:         debug, ErrorLogger: debug,
	})
	if err != nil {
		return fmt.Errorf("join group %q: %w", cfg.Group, err)
	}
	ctx, m.cancel = context.WithCancel(ctx)
	defer m.leave()
	for {
		gen, err := m.next(ctx)
		if ctx.Err() != nil {
			m.running.Wait() // which may be what ended it
			return m.fatal
		}
		if err != nil {
			return err
		}
		if gen != nil {
			m.work(ctx, gen)
		}
	}
}

// next returns the next generation. It returns none when it is to be called again: nothing came, or
// joining failed in a way that may pass.
func (m *membership) next(ctx context.Context) (*kafka.Generation, error) {
	asking, endAsking := context.WithTimeout(ctx, time.Second)
	defer endAsking()
	gen, err := m.group.Next(asking)
	switch {
	case ctx.Err() != nil:
		return nil, nil
	case err != nil && asking.Err() != nil:
		return nil, m.quiet()
	case err != nil:
		return nil, m.failedToJoin(ctx, err)
	}
	m.heard, m.refusedSince, m.member, m.admitted = time.Now(), time.Time{}, gen.MemberID, true
	return gen, nil
}

// quiet is called while nothing comes from the group, which is normal while a generation is under
// way.
func (m *membership) quiet() error {
	if m.working.Load() {
		m.heard = time.Now()
	}
	waiting := time.Since(m.heard)
	if waiting > silence {
		return errSilent
	}
	if waiting > unready {
		state := &m.worker.state
		state.say(&state.group, "the group has given us no partitions for %s", waiting.Round(time.Second))
	}
	return nil
}

// failedToJoin notes that the group could not be joined. It returns an error when waiting does not
// help.
func (m *membership) failedToJoin(ctx context.Context, err error) error {
	m.heard = time.Now()
	if refused := m.kafka.refusal(err, m.kafka.cfg.Brokers[0]); refused != nil {
		if m.refusedSince.IsZero() {
			m.refusedSince = m.heard
		}
		limit := patience
		if !m.admitted {
			limit = startTimeout
		}
		if m.heard.Sub(m.refusedSince) > limit {
			return refused
		}
	}
	state := &m.worker.state
	state.say(&state.group, "cannot join the group: %s", link.Cause(err))
	m.log.Warn("cannot join the group, trying again", "group", m.kafka.cfg.Group, "error", err)
	// kafka-go joins as a new member now. If it could not leave as the old one, the group would
	// wait for that one to come back.
	if m.member != "" && !errors.Is(err, kafka.RebalanceInProgress) {
		gone := []string{m.member}
		m.running.Go(func() { m.kafka.removeDead(ctx, gone, m.log) })
		m.member = ""
	}
	return nil
}

// work lets the worker do a generation's work, beside the caller.
func (m *membership) work(ctx context.Context, gen *kafka.Generation) {
	m.running.Add(1)
	m.working.Store(true)
	gen.Start(func(genCtx context.Context) {
		defer m.running.Done()
		defer m.working.Store(false)
		assigned := assignment(gen)
		m.balancer.owns(gen.ID, assigned)
		began := time.Now()
		err := m.worker.generation(ctx, genCtx, int(gen.ID), gen.MemberID, assigned)
		switch {
		case errors.Is(err, link.ErrRefused):
			m.fatal = err
			m.cancel()
		case err != nil && genCtx.Err() == nil && ctx.Err() == nil:
			m.log.Warn("leaving the generation", "generation", gen.ID, "error", err)
			if time.Since(began) > wellAgain {
				m.rejoining.Reset()
			}
			sleep(ctx, m.rejoining.NextBackOff()) // also when others rejoin meanwhile
		}
	})
}

// leave ends the current generation and leaves the group.
func (m *membership) leave() {
	m.cancel()
	m.running.Wait()
	left := make(chan struct{})
	go func() { // Close may wait for a join that is under way; nothing waits for it to end
		defer close(left)
		if err := m.group.Close(); err != nil {
			m.log.Warn("failed to leave the group cleanly", "error", err)
		}
	}()
	select {
	case <-left:
	case <-time.After(leaveTimeout):
	}
}

// assignment returns what the group has given us.
func assignment(gen *kafka.Generation) (all []topicPartition) {
	for topic, partitions := range gen.Assignments {
		for _, p := range partitions {
			all = append(all, topicPartition{topic, p.ID})
		}
	}
	return all
}
