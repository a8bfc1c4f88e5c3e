package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// watch measures how long each partition of a load stands still: how long there is something
// acknowledged by Kafka to count, and nothing of it comes to be counted in ClickHouse. What takes a
// batch to fill and to be inserted is in it, about a second.
type watch struct {
	rig  *rig
	load *load

	mu       sync.Mutex // guards
	consumed []int64    // by partition: the offset behind what is counted
	waiting  []time.Time
	worst    []time.Duration // since the last reset
}

const watchEvery = 100 * time.Millisecond

// newWatch watches a load until the context ends.
func newWatch(ctx context.Context, r *rig, l *load) *watch {
	w := &watch{rig: r, load: l, consumed: make([]int64, l.partitions), waiting: make([]time.Time, l.partitions), worst: make([]time.Duration, l.partitions)}
	go func() { // ends with ctx
		for sleep(ctx, watchEvery) {
			w.look(ctx)
		}
	}()
	return w
}

func (w *watch) look(ctx context.Context) {
	produced := w.produced()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answer, err := w.rig.query(ctx, "SELECT partition, max(last_offset) + 1 FROM batch_rows WHERE topic = '"+w.load.topic+"' GROUP BY partition")
	if err != nil {
		answer = "" // it is away, and nothing moves
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	counted := make([]int64, len(w.consumed))
	for line := range strings.Lines(answer) {
		var p int
		var end int64
		if _, err := fmt.Sscan(line, &p, &end); err == nil && p < len(counted) {
			counted[p] = end
		}
	}
	for p := range w.consumed {
		if counted[p] > w.consumed[p] {
			w.consumed[p] = counted[p]
			w.note(p, now)
			w.waiting[p] = time.Time{}
		}
		if w.waiting[p].IsZero() && produced[p] > w.consumed[p] {
			w.waiting[p] = now
		}
	}
}

// note takes a wait that ends, or goes on, into account.
func (w *watch) note(p int, now time.Time) {
	if !w.waiting[p].IsZero() {
		w.worst[p] = max(w.worst[p], now.Sub(w.waiting[p]))
	}
}

// produced is where the log ends by now, by partition.
func (w *watch) produced() []int64 {
	ends := make([]int64, len(w.load.produced))
	for p := range ends {
		ends[p] = w.load.produced[p].Load()
	}
	return ends
}

// counted is how far everything is counted, by partition.
func (w *watch) counted() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.consumed)
}

// reset starts measuring again. A wait that has begun continues.
func (w *watch) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.worst)
}

// pauses returns the longest wait since the last reset, by partition.
func (w *watch) pauses() map[partition]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[partition]time.Duration{}
	for p := range w.worst {
		w.note(p, time.Now())
		all[partition{w.load.topic, p}] = w.worst[p]
	}
	return all
}

// reached reports whether all is counted up to the given ends.
func (w *watch) reached(ends []int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p, end := range ends {
		if w.consumed[p] < end {
			return false
		}
	}
	return true
}

// behind says where a partition waits, for a message.
func (w *watch) behind(ends []int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for p, end := range ends {
		if w.consumed[p] < end {
			all = append(all, fmt.Sprintf("%s/%d counted to %d of %d", w.load.topic, p, w.consumed[p], end))
		}
	}
	return strings.Join(all, ", ")
}
