package bench

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/store"
)

// ownFormat is a user's own format, and writeOwn writes it.
var ownFormat = accesslog.FormatConfig{
	Name: "own", Match: []string{"edge_time", "edge_status"},
	Fields: accesslog.FieldsConfig{Time: path("edge_time"), Tenant: path("who.tenant"), Service: path("svc"), Route: path("edge_route"), Method: path("verb"), Path: path("target"),
		Status: path("edge_status"), Latency: path("took_ms"), RequestID: path("rid"), Body: path("answer")},
}

func writeOwn(x *exchange) []byte {
	return fmt.Appendf(nil, `{"edge_time":"%s","node":"edge-7","who":{"tenant":"%s","key":"k-17"},"svc":"%s","edge_route":"%s","verb":"%s","target":"%s","edge_status":%d,"took_ms":%.3f,"rid":"%s","peer":"%s"%s}`,
		x.at.Format("2006-01-02T15:04:05.000Z"), tenantOf(x), serviceOf(x), routeOf(x), methodOf(x), targetOf(x), x.status, x.latency, x.requestID, x.client, bodyMember("answer", x))
}

func path(dotted string) accesslog.FieldConfig { return accesslog.FieldConfig{Paths: []string{dotted}} }

// recordFormats are the formats whose records the benchmark reads.
var recordFormats = []string{"apisix", "kong", "nginx", "own"}

// successes are records without an error in one format, and what reads them.
type successes struct {
	format    string
	processor *enrich.Processor
	values    [][]byte
	at        time.Time
	batch     *store.Batch
	n         int64
}

func newSuccesses(t testing.TB, catalogs *catalog.Set, format string, body int) *successes {
	t.Helper()
	var config enrich.Config
	write := writers[format]
	if format == "own" {
		config.Formats, write = []accesslog.FormatConfig{ownFormat}, writeOwn
	}
	processor, err := enrich.NewProcessor(config, catalogs)
	if err != nil {
		t.Fatal(err)
	}
	w := standard
	w.Errors, w.Body, w.from = 0, body, time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)
	s := &successes{format: format, processor: processor, at: w.from, batch: store.NewBatch("logs", 0, 0, store.Limits{})}
	for n := range min(1024, max(16, 16<<20/(body+1))) {
		x := w.exchange(n)
		s.values = append(s.values, write(&x))
	}
	for range s.values { // so that memory and sums have grown
		s.next(t)
	}
	return s
}

// next takes one record from its bytes to its place in the sums of the batch.
func (s *successes) next(t testing.TB) {
	value := s.values[int(s.n)%len(s.values)]
	r := s.processor.Record(value, enrich.Position{Clock: accesslog.KafkaClock(s.at)})
	if r.Format != s.format || len(r.Elements[0].Events) != 0 {
		t.Fatalf("%s: %+v", value, r)
	}
	s.batch.Add(s.n, s.at, r)
	s.n++
}

func TestRecordWithoutAnErrorAllocatesNothing(t *testing.T) {
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range recordFormats {
		s := newSuccesses(t, catalogs, format, 150)
		if n := testing.AllocsPerRun(len(s.values), func() { s.next(t) }); n != 0 {
			t.Errorf("%s: %v allocations a record, want none", format, n)
		}
	}
}

// BenchmarkRecord is a record without an error, with its body in bytes and time.
func BenchmarkRecord(b *testing.B) {
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		b.Fatal(err)
	}
	for _, format := range recordFormats {
		for _, body := range []int{150, 1 << 10, 16 << 10, 512 << 10} {
			b.Run(fmt.Sprintf("%s/body=%d", format, body), func(b *testing.B) {
				s := newSuccesses(b, catalogs, format, body)
				bytes := 0
				for _, value := range s.values {
					bytes += len(value)
				}
				b.SetBytes(int64(bytes / len(s.values)))
				b.ReportAllocs()
				began, first := cpuTime(b), s.n
				for b.Loop() {
					s.next(b)
				}
				b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(s.n-first), "cpu-ns/op") // which other work on the machine changes little
			})
		}
	}
}

// cpuTime returns the CPU time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBatch is a record of the standard workload, one of twelve with an error, on its way into
// a batch of ordinary size.
func BenchmarkBatch(b *testing.B) {
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		b.Fatal(err)
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		b.Fatal(err)
	}
	const size = 50_000
	w := standard
	w.from = time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)
	values := make([][]byte, size)
	bytes := 0
	for n := range values {
		x := w.exchange(n * w.Partitions)
		values[n] = writers[w.Format](&x)
		bytes += len(values[n])
	}
	b.SetBytes(int64(bytes / size))
	b.ReportAllocs()
	began, n := cpuTime(b), 0
	var batch *store.Batch
	for b.Loop() {
		if n%size == 0 {
			batch = store.NewBatch("logs", 0, 0, store.Limits{})
		}
		r := processor.Record(values[n%size], enrich.Position{Offset: int64(n), Clock: accesslog.KafkaClock(w.from)})
		if r.DeadLetter != "" {
			b.Fatal(r.DeadLetter)
		}
		batch.Add(int64(n), w.from, r)
		n++
	}
	b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(n), "cpu-ns/op")
}
