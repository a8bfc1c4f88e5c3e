package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

const (
	latencyFor   = 30 * time.Second       // each rate is held so long
	latencyEvery = 10 * time.Millisecond  // so often a burst is produced
	latencyLook  = 100 * time.Millisecond // so often ClickHouse is asked, which adds half of it to a latency
)

// TestLatency is `make bench RATES=…`. It measures the time from the moment at which a record is
// handed to the producer until a query counts it, while records come at a steady rate.
func TestLatency(t *testing.T) {
	rates := ratesOf(t)
	if rates == nil {
		t.Skip("make bench RATES=5000,20000 runs it")
	}
	w := workloadOf(t)
	binary, broker, c := build(t), stacktest.RealKafka(t), stacktest.ClickHouse(t)
	if err := broker.CreateTopic(t.Context(), topic, w.Partitions); err != nil {
		t.Fatal(err)
	}
	values := w.values(min(w.Count, 200_000))
	in := newIngester(t, &w, binary, broker, c)
	in.start(t)
	client := w.producer(t, []string{broker.Addr}, topic)
	seen := watchQueryable(t, c, w.Partitions)
	fmt.Printf("%10s %10s %10s %10s %10s %28s\n", "records/s", "median, s", "p90, s", "p99, s", "worst, s", "CPU s per million, client")
	for _, rate := range rates {
		before := cpuSeconds(t, in.Pid())
		sent := atRate(t, client, values, w.Partitions, rate)
		latencies := seen.await(t, sent, in.ended)
		slices.Sort(latencies)
		at := func(share float64) float64 { return latencies[int(share*float64(len(latencies)-1))].Seconds() }
		fmt.Printf("%10d %10.2f %10.2f %10.2f %10.2f %28.1f\n", rate, at(0.5), at(0.9), at(0.99), at(1), (cpuSeconds(t, in.Pid())-before)/float64(len(latencies))*1e6)
	}
}

// ratesOf reads the rates, in records a second, from the environment. There are none if it names
// none.
func ratesOf(t testing.TB) (rates []int) {
	for text := range strings.SplitSeq(os.Getenv("ERRATA_BENCH_RATES"), ",") {
		if text == "" {
			continue
		}
		rate, err := strconv.Atoi(text)
		if err != nil || rate < int(time.Second/latencyEvery) {
			t.Fatalf("RATES=%s: give numbers of records a second from %d up, with commas between them", os.Getenv("ERRATA_BENCH_RATES"), time.Second/latencyEvery)
		}
		rates = append(rates, rate)
	}
	return rates
}

// values makes records in advance, so that producing takes little of the processor.
func (w *workload) values(n int) [][]byte {
	all, sent := make([][]byte, n), tally{ByCode: map[string]int{}}
	for i := range all {
		all[i], _ = w.value(i, &sent)
	}
	return all
}

// sending is the times at which records were handed to the producer, by partition, for the offsets
// from first on.
type sending struct {
	first []int64
	at    [][]time.Time
}

// atRate produces records at a steady rate and waits until Kafka has them.
func atRate(t testing.TB, client *kgo.Client, values [][]byte, partitions, rate int) sending {
	t.Helper()
	var mu sync.Mutex
	var failed error
	offsets := make([]map[int64]time.Time, partitions)
	for i := range offsets {
		offsets[i] = map[int64]time.Time{}
	}
	tick := time.NewTicker(latencyEvery)
	defer tick.Stop()
	began := time.Now()
	for n := 0; time.Since(began) < latencyFor; <-tick.C {
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			now := time.Now()
			client.Produce(t.Context(), &kgo.Record{Partition: int32(n / 64 % partitions), Timestamp: now, Value: values[n%len(values)]}, func(r *kgo.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = err
					return
				}
				offsets[r.Partition][r.Offset] = now
			})
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return ordered(offsets)
}

func ordered(offsets []map[int64]time.Time) (s sending) {
	for _, p := range offsets {
		keys := make([]int64, 0, len(p))
		for offset := range p {
			keys = append(keys, offset)
		}
		slices.Sort(keys)
		first, at := int64(0), make([]time.Time, len(keys))
		for i, offset := range keys {
			at[i] = p[offset]
		}
		if len(keys) > 0 {
			first = keys[0]
		}
		s.first, s.at = append(s.first, first), append(s.at, at)
	}
	return s
}

// queryable notes up to which offset of each partition a query counts the records, and since when.
type queryable struct {
	mu   sync.Mutex
	seen [][]sighting
}

type sighting struct {
	last int64
	at   time.Time // of the answer
}

// watchQueryable asks ClickHouse again and again until the test ends.
func watchQueryable(t testing.TB, c *stack.ClickHouse, partitions int) *queryable {
	q := &queryable{seen: make([][]sighting, partitions)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			answer := stacktest.Query(t, c, "SELECT partition, max(last_offset) FROM "+database+".batches GROUP BY partition")
			now := time.Now()
			q.mu.Lock()
			for line := range strings.Lines(answer) {
				var partition int
				var last int64
				if _, err := fmt.Sscan(line, &partition, &last); err == nil {
					q.seen[partition] = append(q.seen[partition], sighting{last, now})
				}
			}
			q.mu.Unlock()
			time.Sleep(latencyLook)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return q
}

// await returns the latency of each record that was sent, once all of them are counted.
func (q *queryable) await(t testing.TB, s sending, alive func() error) []time.Duration {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(latencyLook) {
		if latencies, all := q.latencies(s); all {
			return latencies
		}
		if err := alive(); err != nil || time.Now().After(deadline) {
			t.Fatalf("not all records can be queried: %v", err)
		}
	}
}

func (q *queryable) latencies(s sending) (latencies []time.Duration, all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for partition, at := range s.at {
		seen := q.seen[partition]
		for i, produced := range at {
			for len(seen) > 0 && seen[0].last < s.first[partition]+int64(i) {
				seen = seen[1:]
			}
			if len(seen) == 0 {
				return nil, false
			}
			latencies = append(latencies, seen[0].at.Sub(produced))
		}
	}
	return latencies, true
}
