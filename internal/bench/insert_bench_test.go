package bench

import (
	"fmt"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// BenchmarkInsert inserts the batches of one flush of the standard workload, one for each
// partition: of a flush while catching up, with more partitions or errors, and of one at a usual
// rate. It reports the CPU seconds per million records of this process and of a ClickHouse of its
// own, with its merges.
func BenchmarkInsert(b *testing.B) {
	for _, flush := range []struct {
		records, partitions int
		errors              float64
	}{{256_000, 8, 8}, {256_000, 64, 8}, {256_000, 8, 20}, {32_000, 8, 8}} {
		b.Run(fmt.Sprintf("records=%d/partitions=%d/errors=%g", flush.records, flush.partitions, flush.errors), func(b *testing.B) {
			w := workloadOf(b)
			w.Partitions, w.Errors = flush.partitions, flush.errors
			catalogs, err := catalog.Open(catalog.Config{Dir: w.catalogFolder(b)})
			if err != nil {
				b.Fatal(err)
			}
			processor, err := enrich.NewProcessor(enrich.Config{}, catalogs)
			if err != nil {
				b.Fatal(err)
			}
			server := stacktest.ClickHouse(b)
			s, err := store.OpenAndMigrate(b.Context(), store.Config{Addr: []string{server.Addr}, Database: database, Username: "default"})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			settle(b, server)
			n, client, before := 0, time.Duration(0), cpuSeconds(b, server.Pid())
			for b.Loop() {
				batches := w.flush(processor, n, flush.records)
				n += flush.records
				began := cpuTime(b)
				if err := s.Insert(b.Context(), batches); err != nil {
					b.Fatal(err)
				}
				client += cpuTime(b) - began
			}
			settle(b, server)
			million := float64(n) / 1e6
			b.ReportMetric(client.Seconds()/million, "client-s/million")
			b.ReportMetric((cpuSeconds(b, server.Pid())-before)/million, "clickhouse-s/million")
		})
	}
}

// flush returns batches of the workload's records from the n-th on, one for each partition.
func (w *workload) flush(processor *enrich.Processor, n, records int) []*store.Batch {
	batches := make([]*store.Batch, w.Partitions)
	for i := range batches {
		batches[i] = store.NewBatch(topic, i, int64(n), store.Limits{Tenants: namedTenants})
	}
	for i := range records {
		x, batch, offset := w.exchange(n+i), batches[i%w.Partitions], int64(n+i)
		at := enrich.Position{Topic: topic, Partition: batch.Partition, Offset: offset, Clock: accesslog.KafkaClock(x.at)}
		batch.Add(offset, x.at, processor.Record(writers[w.Format](&x), at))
	}
	for _, batch := range batches {
		batch.Seal()
	}
	return batches
}
