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

// BenchmarkRecord is a record without an error, from its bytes to its place in the sums of a batch,
// with its body in bytes and time.
func BenchmarkRecord(b *testing.B) {
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		b.Fatal(err)
	}
	for _, format := range []string{"apisix", "kong", "nginx", "own"} {
		for _, body := range []int{150, 16 << 10} {
			b.Run(fmt.Sprintf("%s/body=%d", format, body), func(b *testing.B) {
				var config enrich.Config
				write := writers[format]
				if format == "own" {
					config.Formats, write = []accesslog.FormatConfig{ownFormat}, writeOwn
				}
				processor, err := enrich.NewProcessor(config, catalogs)
				if err != nil {
					b.Fatal(err)
				}
				w := workload{Body: body, from: time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)}
				const records = 1024
				var values [][]byte
				bytes := 0
				for n := range records {
					x := w.exchange(n)
					values = append(values, write(&x))
					bytes += len(values[n])
				}
				at := enrich.Position{Clock: accesslog.KafkaClock(w.from)}
				b.SetBytes(int64(bytes / records))
				b.ReportAllocs()
				batch := store.NewBatch("logs", 0, 0, store.Limits{})
				n, began := 0, cpuTime(b)
				for b.Loop() {
					r := processor.Record(values[n%records], at)
					if r.Format != format || len(r.Elements[0].Events) != 0 {
						b.Fatalf("%s: %+v", values[n%records], r)
					}
					batch.Add(int64(n), w.from, r)
					n++
				}
				b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(n), "cpu-ns/op") // which other work on the machine changes little
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
