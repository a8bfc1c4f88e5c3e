package delivery

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"errata/internal/store"
)

// questions counts what a take-over asks of a database without any rows.
type questions struct {
	database
	asked map[string]int
}

func (q questions) ServerID(context.Context) (string, error) { return "id", nil }

func (q questions) LastRecorded(_ context.Context, places []store.Place) ([]*store.Recorded, error) {
	q.asked["last"]++
	return make([]*store.Recorded, len(places)), nil
}

func (q questions) RecordedFrom(_ context.Context, places []store.Place) ([][]store.Recorded, error) {
	q.asked["recorded"]++
	return make([][]store.Recorded, len(places)), nil
}

func (q questions) Accepted(_ context.Context, places []store.Place, _ time.Duration) ([][]store.Recorded, error) {
	q.asked["accepted"]++
	return make([][]store.Recorded, len(places)), nil
}

func (q questions) Orphans(_ context.Context, places []store.Place) ([][]store.Orphan, error) {
	q.asked["orphans"]++
	return make([][]store.Orphan, len(places)), nil
}

func (q questions) VoidedFrom(_ context.Context, places []store.Place) ([]store.Voided, error) {
	q.asked["voided"]++
	return make([]store.Voided, len(places)), nil
}

// halfPlanned is a broker that has a plan for every other partition.
type halfPlanned struct {
	broker
	partitions []topicPartition
}

func (b halfPlanned) committed(context.Context) (map[topicPartition]plan, error) {
	plans := map[topicPartition]plan{}
	for i, tp := range b.partitions {
		if i%2 == 0 {
			plans[tp] = plan{Offset: int64(100 * i), Fingerprint: "parser", Runs: []run{{first: int64(100 * i), last: int64(100*i + 9)}}}
		}
	}
	return plans, nil
}

func (b halfPlanned) bounds(context.Context, topicPartition) (first, end int64, err error) {
	return 0, 1_000_000, nil
}

func (b halfPlanned) start(_ context.Context, tp topicPartition) (int64, error) {
	return int64(tp.id), nil
}

func (b halfPlanned) commit(context.Context, int, string, map[topicPartition]plan) error { return nil }

// A take-over of many partitions asks ClickHouse as often as one of a few: a question takes a
// server several milliseconds, whatever it is about.
func TestTakeOverAsksOnceForAllPartitions(t *testing.T) {
	var partitions []topicPartition
	for i := range 64 {
		partitions = append(partitions, topicPartition{"logs", i})
	}
	asked := map[string]int{}
	g := &generation{worker: &worker{
		broker: halfPlanned{partitions: partitions}, database: questions{asked: asked}, fingerprint: "parser", log: slog.New(slog.DiscardHandler),
		metrics: newMetrics(), now: time.Now, sleep: sleep,
	}}
	if err := g.takeOver(t.Context(), partitions); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"last", "recorded", "accepted", "orphans", "voided"} {
		if asked[what] != 1 {
			t.Errorf("asked %d times for %s, want once", asked[what], what)
		}
	}
	for i, p := range g.partitions {
		want := int64(i)
		if i%2 == 0 {
			want = int64(100*i + 10) // behind its planned run
		}
		if p.topicPartition != partitions[i] || p.knownEnd() != want {
			t.Errorf("partition %v is known up to %d, want %v and %d", p.topicPartition, p.knownEnd(), partitions[i], want)
		}
	}
	if len(g.partitions) != len(partitions) {
		t.Errorf("%d partitions, want %d", len(g.partitions), len(partitions))
	}
}
