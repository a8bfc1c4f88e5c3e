package delivery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/link"
	"errata/internal/stack/stacktest"
)

// awaitFence waits until the fence is held, or not.
func awaitFence(t *testing.T, f *Fence, held bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if err := f.Check(t.Context()); (err == nil) == held {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("after a minute the fence is still not held=%v", held)
}

// Of two processes one holds the fence. When it leaves, the other has it, and the generation of
// before is worth nothing.
func TestFenceHasOneHolder(t *testing.T) {
	t.Parallel()
	broker := stacktest.Kafka(t)
	if err := broker.CreateTopic(t.Context(), "fence", 1); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Brokers: []string{broker.Addr}, Topics: []string{"logs"}, Group: "errata", Start: startEarliest}
	open := func() *Fence {
		t.Helper()
		f, err := OpenFence(t.Context(), cfg, FenceName{"notify.fence.topic", "fence", "fence"}, stacktest.Log(t))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := open()
	awaitFence(t, first, true)
	first.mu.Lock()
	old := first.held
	first.mu.Unlock()
	second := open()
	defer second.Close()
	for range 100 { // while the group is balanced, and after: never both
		one, other := first.Check(t.Context()), second.Check(t.Context())
		if one == nil && other == nil && first.Check(t.Context()) == nil && second.Check(t.Context()) == nil {
			t.Fatal("two processes hold the fence")
		}
		time.Sleep(10 * time.Millisecond)
	}
	awaitFence(t, first, true) // it keeps what it has
	if err := second.Check(t.Context()); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	// The generation in which it was alone has passed. A process that slept since would act in it.
	if err := first.confirm(t.Context(), old); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	first.mu.Lock()
	old = first.held
	first.mu.Unlock()
	first.Close()
	awaitFence(t, second, true)
	if err := second.confirm(t.Context(), old); !errors.Is(err, ErrFenced) || !errors.Is(err, kafka.UnknownMemberId) && !errors.Is(err, kafka.IllegalGeneration) {
		t.Error(err)
	}
	broker.Stop()
	if err := second.Check(t.Context()); !errors.Is(err, ErrFenced) || !errors.Is(err, link.ErrUnreachable) {
		t.Error(err)
	}
	deadline := time.Now().Add(time.Minute)
	for lost := false; !lost; time.Sleep(20 * time.Millisecond) { // its generation ends, and it joins no other
		second.mu.Lock()
		lost = second.held == nil && second.away != nil
		second.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatal("the generation does not end")
		}
	}
	if err := second.Check(t.Context()); !errors.Is(err, ErrFenced) || !errors.Is(err, link.ErrUnreachable) || !strings.Contains(err.Error(), "no broker can say who holds the fence: kafka at "+broker.Addr) {
		t.Error(err)
	}
}

func TestFenceTopicHasOnePartition(t *testing.T) {
	t.Parallel()
	broker := stacktest.Kafka(t)
	if err := broker.CreateTopic(t.Context(), "wide", 2); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Brokers: []string{broker.Addr}, Topics: []string{"logs"}, Group: "errata", Start: startEarliest}
	f := func(topic, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := OpenFence(ctx, cfg, FenceName{"notify.fence.topic", topic, topic}, stacktest.Log(t))
		if !errors.Is(err, link.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	f("wide", `notify.fence.topic "wide" has 2 partitions: it takes a topic of its own with exactly one`)
	f("none", `has no topic "none": create it`)
}
