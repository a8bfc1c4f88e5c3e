package loadgen_test

import (
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/loadgen"
	"errata/internal/store"
)

// BenchmarkProcess is the CPU cost of a message of the sample day from its bytes to the rows of a
// batch.
func BenchmarkProcess(b *testing.B) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var messages []loadgen.Message
	bytes := 0
	sent, err := loadgen.Generate(loadgen.Config{Seed: 1, From: from, To: from.Add(24 * time.Hour), Requests: 50_000}, func(m loadgen.Message) error {
		messages = append(messages, m)
		bytes += len(m.Value)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		b.Fatal(err)
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		batch := store.NewBatch("logs", 0, 0, store.Limits{})
		for i, m := range messages {
			batch.Add(int64(i), m.Time, processor.Record(m.Value, enrich.Position{Clock: accesslog.KafkaClock(m.Time)}))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(sent.Requests), "ns/request")
}
