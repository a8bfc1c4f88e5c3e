package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
)

// workload says which records a run has.
type workload struct {
	Count      int     `json:"count"`
	Errors     float64 `json:"error_share"` // share of the records with an envelope
	Body       int     `json:"body"`        // bytes of a body without an envelope, before escapes; 0: no body is logged
	Codec      string  `json:"codec"`
	Partitions int     `json:"partitions"`
	Format     string  `json:"format"` // a key of writers
	Array      int     `json:"array"`  // records in a Kafka value; above 1 they are a JSON array
	Tenants    int     `json:"tenants"`
	Routes     int     `json:"routes"`
	Codes      int     `json:"codes"`
	Ingesters  int     `json:"ingesters"`
	Share      int     `json:"cpu_share,omitempty"` // of one core that each ingester gets, in percent; 0: no limit

	from    time.Time
	weights []float64 // of the tenants, cumulative
}

// standard is the workload that runs are compared by: its records have about 970 bytes, and a
// minute of it has 28,000 groups of requests and 70,000 of errors.
var standard = workload{Count: 2_000_000, Errors: 8, Body: 150, Codec: "lz4", Partitions: 8, Format: "apisix", Array: 1, Tenants: 500, Routes: 20, Codes: 300, Ingesters: 1}

// perSecond is how many records happen in a second of event time, as in production: reading faster
// than that is catching up, and must not make the sums smaller.
const perSecond = 50_000

// exchange is one request and its response.
type exchange struct {
	n                 int
	at                time.Time
	tenant, route     int
	status            int
	latency           float64
	body              string
	code              string // of its envelope, "" if it has none
	requestID, client string
}

var (
	failures = []int{200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 400, 403, 429, 500} // of codes: most errors come under 200
	methods  = []string{"GET", "GET", "POST", "DELETE"}
	words    = strings.Fields("available zone network volume image flavor router subnet gateway policy tenant backup replica cluster node bucket queue topic stream function")
)

// textLine is the writer whose records are lines that hold no service, no route and no body: an
// error has no other code than its status.
const textLine = "nginx-line"

// seed makes every run the same.
const seed = 16

// exchange makes the n-th exchange of a workload: a function of n alone.
func (w *workload) exchange(n int) exchange {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	x := exchange{
		n: n, at: w.from.Add(time.Duration(n) * time.Second / perSecond).Truncate(time.Millisecond),
		tenant: w.someTenant(random), route: random.IntN(w.Routes), status: 200, latency: float64(random.IntN(400_000)) / 1000,
		requestID: fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()), client: fmt.Sprintf("10.%d.%d.%d", random.IntN(64), random.IntN(256), random.IntN(256)),
	}
	if w.Format == textLine {
		x.at = x.at.Truncate(time.Second)
		if x.status = 200; random.Float64() < w.Errors/100 {
			x.status = 400 + 4*random.IntN(26)
			x.code = fmt.Sprintf("HTTP.%d", x.status)
		}
		return x
	}
	if random.Float64() < w.Errors/100 {
		code := random.IntN(w.Codes)
		x.route, x.status, x.code = code%w.Routes, failures[code/w.Routes%len(failures)], codeOf(code)
		x.body = fmt.Sprintf(`{"error_code":"%s","error_msg":"The %s quota of %s is used up.","request_id":"%s"}`, x.code, words[random.IntN(len(words))], words[random.IntN(len(words))], x.requestID)
		return x
	}
	if x.route%7 == 3 {
		x.status = 201
	}
	x.body = w.success(random)
	return x
}

// someTenant picks a tenant. As in production, few of them make most of the requests: the n-th
// makes 1/n^0.8 of those of the first.
func (w *workload) someTenant(random *rand.Rand) int {
	if w.weights == nil {
		sum := 0.0
		for n := range w.Tenants {
			sum += math.Pow(float64(n+1), -0.8)
			w.weights = append(w.weights, sum)
		}
	}
	i, _ := slices.BinarySearch(w.weights, random.Float64()*w.weights[w.Tenants-1])
	return min(i, w.Tenants-1)
}

// success makes a body without an envelope: a page of resources.
func (w *workload) success(random *rand.Rand) string {
	if w.Body == 0 {
		return ""
	}
	b := append(make([]byte, 0, w.Body+160), `{"count":2,"items":[`...)
	for len(b) < w.Body {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"id":"%012x","name":"%s-%s","status":"ACTIVE","size":%d,"public":%t}`,
			random.Uint64()>>16, words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(4096), random.IntN(2) == 0)
	}
	return string(append(b, "]}"...))
}

func codeOf(i int) string { return fmt.Sprintf("BENCH.%04d", i) }

// writers are the formats of gateways that a workload may have, by name. Keys and order are those
// of the gateways' documents.
var writers = map[string]func(x *exchange) []byte{
	"apisix": func(x *exchange) []byte {
		host := serviceOf(x) + ".example.com"
		return fmt.Appendf(nil, `{"request":{"url":"http://%s:9080%s","uri":"%s","method":"%s","headers":{"host":"%s","user-agent":"python-requests/2.32.3","accept":"*/*","x-request-id":"%s"},"querystring":{"limit":"20"},"size":213},`+
			`"response":{"status":%d,"headers":{"content-type":"application/json","server":"APISIX/3.16.0","connection":"close"},"size":%d%s},`+
			`"server":{"hostname":"gw-1","version":"3.16.0"},"upstream":"10.0.3.17:8080","service_id":"%s","route_id":"%s","consumer":{"username":"%s"},`+
			`"client_ip":"%s","start_time":%d,"latency":%.3f,"upstream_latency":%.0f,"apisix_latency":0.8}`,
			host, targetOf(x), targetOf(x), methodOf(x), host, x.requestID, x.status, 220+len(x.body), bodyMember("body", x), serviceOf(x), routeOf(x), tenantOf(x),
			x.client, x.at.UnixMilli(), x.latency, x.latency*0.95)
	},
	"kong": func(x *exchange) []byte {
		host := serviceOf(x) + ".example.com"
		return fmt.Appendf(nil, `{"request":{"uri":"%s","url":"https://%s:8443%s","method":"%s","querystring":{"limit":"20"},"headers":{"host":"%s","user-agent":"python-requests/2.32.3","x-request-id":"%s"},"size":213},`+
			`"upstream_uri":"%s","response":{"status":%d,"headers":{"content-type":"application/json","via":"kong/3.9.0"},"size":%d%s},"tries":[{"ip":"10.0.3.17","port":8080}],`+
			`"latencies":{"kong":2,"proxy":%.0f,"request":%.0f},"route":{"id":"id-%s","name":"%s"},"service":{"id":"id-%s","name":"%s"},`+
			`"consumer":{"id":"c-%s","username":"%s"},"client_ip":"%s","started_at":%d}`,
			targetOf(x), host, targetOf(x), methodOf(x), host, x.requestID, targetOf(x), x.status, 220+len(x.body), bodyMember("body", x),
			x.latency, x.latency+2, routeOf(x), routeOf(x), serviceOf(x), serviceOf(x), tenantOf(x), tenantOf(x), x.client, x.at.UnixMilli())
	},
	"nginx": func(x *exchange) []byte {
		return fmt.Appendf(nil, `{"time_iso8601":"%s","remote_addr":"%s","request_method":"%s","request_uri":"%s","status":"%d","body_bytes_sent":"%d","request_time":"%.3f",`+
			`"upstream_addr":"10.0.3.17:8080","upstream_status":"%d","http_user_agent":"python-requests/2.32.3","http_x_tenant_id":"%s","service":"%s","route":"%s","request_id":"%s","sent_http_content_type":"application/json"%s}`,
			x.at.Format("2006-01-02T15:04:05.000+00:00"), x.client, methodOf(x), targetOf(x), x.status, len(x.body), x.latency/1000, x.status, tenantOf(x), serviceOf(x), routeOf(x), x.requestID, bodyMember("resp_body", x))
	},
	textLine: func(x *exchange) []byte {
		return fmt.Appendf(nil, `%s - %s [%s] "%s %s HTTP/1.1" %d %d "-" "python-requests/2.32.3"`, x.client, tenantOf(x), x.at.Format("02/Jan/2006:15:04:05 -0700"),
			methodOf(x), targetOf(x), x.status, 220+x.n%400)
	},
}

func tenantOf(x *exchange) string { return fmt.Sprintf("tenant-%03d", x.tenant) }
func routeOf(x *exchange) string {
	return fmt.Sprintf("list-%s-%02d", words[x.route%len(words)], x.route)
}
func serviceOf(x *exchange) string { return words[x.route%5] }
func methodOf(x *exchange) string  { return methods[x.n%len(methods)] }
func targetOf(x *exchange) string {
	return fmt.Sprintf("/v2/%s/%ss/%06d?limit=20", tenantOf(x), words[x.route%len(words)], x.n%1_000_000)
}

// bodyMember returns the body as a further member of an object, or nothing if it is not logged.
func bodyMember(key string, x *exchange) string {
	if x.body == "" {
		return ""
	}
	return `,"` + key + `":` + strconv.Quote(x.body) // these bodies have no other escapes than JSON's
}

// tally is what a workload must become.
type tally struct {
	Values, Requests, Errors int
	ByCode                   map[string]int
	Bytes                    int
}

// value makes the Kafka value of the records from n on, and adds them to a tally.
func (w *workload) value(n int, sent *tally) (value []byte, at time.Time) {
	for i := range min(w.Array, w.Count-n) {
		x := w.exchange(n + i)
		if at = x.at; i > 0 {
			value = append(value, ',')
		}
		value = append(value, writers[w.Format](&x)...)
		if sent.Requests++; x.code != "" {
			sent.Errors++
			sent.ByCode[x.code]++
		}
	}
	if w.Array > 1 {
		value = append(append([]byte{'['}, value...), ']')
	}
	sent.Values, sent.Bytes = sent.Values+1, sent.Bytes+len(value)
	return value, at
}

// producer returns a client that writes to a topic as the workload says. It is closed with the
// test.
func (w *workload) producer(t testing.TB, brokers []string, topic string) *kgo.Client {
	t.Helper()
	codec, known := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression()}[w.Codec]
	if !known {
		t.Fatalf("CODEC=%s: give none, lz4, zstd, gzip or snappy", w.Codec)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// send writes the records of a workload to a topic and returns what they must become.
func (w *workload) send(ctx context.Context, t testing.TB, brokers []string, topic string) tally {
	client := w.producer(t, brokers, topic)
	sent := tally{ByCode: map[string]int{}}
	var failed error
	for n := 0; n < w.Count; n += w.Array {
		value, at := w.value(n, &sent)
		// A gateway's producer fills a batch for one partition and goes on to the next.
		client.Produce(ctx, &kgo.Record{Partition: int32(n / max(64, w.Array) % w.Partitions), Timestamp: at, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err // kgo calls back from one goroutine at a time
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return sent
}

// catalogFolder writes the catalog of the workload's codes.
func (w *workload) catalogFolder(t testing.TB) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("family: BENCH\ntitle: Bench\nvendor: Bench\nlanguage: en\nsource:\n  title: \"Made for the bench\"\n  date: \"2026-11-29\"\n" +
		"match:\n  prefixes: [BENCH]\n  dialects: []\n  services: []\nfallback:\n  description: \"\"\n  remedy: \"Ask the operator.\"\ncodes:\n")
	for i := range w.Codes {
		e := entryOf(i)
		fmt.Fprintf(&text, "  - code: %s\n    status: %d\n    message: %q\n    description: %q\n    remedy: %q\n    kind: %s\n    retry: %s\n    owner: %s\n",
			e.code, e.status, e.message, e.description, e.remedy, e.kind, e.retry, e.owner)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bench.yaml"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// entry is what the catalog says about a code.
type entry struct {
	code                                             string
	status                                           int
	message, description, remedy, kind, retry, owner string
}

func entryOf(i int) entry {
	return entry{code: codeOf(i), status: 400, message: fmt.Sprintf("Quota %d is used up.", i), description: fmt.Sprintf("The quota %d of the tenant for this resource is used up.", i),
		remedy: "Delete what is not needed, or ask for a higher quota.", kind: []string{"quota", "validation", "internal"}[i%3], retry: "after_fix", owner: "caller"}
}

// TestLoad holds that the ingester makes of the records what the workload says they must become.
func TestLoad(t *testing.T) {
	catalogs, err := catalog.Open(catalog.Config{Dir: standard.catalogFolder(t), BuiltIn: true})
	if err != nil {
		t.Fatal(err)
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		t.Fatal(err)
	}
	for format, write := range writers {
		w := standard
		w.Format, w.from = format, time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)
		bytes, errors := 0, 0
		const n = 2000
		for i := range n {
			x := w.exchange(i)
			value := write(&x)
			bytes += len(value)
			r := processor.Record(value, enrich.Position{Topic: "bench", Offset: int64(i), Clock: accesslog.KafkaClock(x.at)})
			if r.Format != strings.TrimSuffix(format, "-line") || len(r.Elements) != 1 || r.Elements[0].DeadLetter != "" {
				t.Fatalf("%s: became %+v", value, r)
			}
			a, events := r.Elements[0].Access, r.Elements[0].Events
			line := format == textLine
			if a.Tenant != tenantOf(&x) || a.Status != x.status || !a.Time.Equal(x.at) || !line && (a.Service != serviceOf(&x) || a.Route != routeOf(&x) || !a.HasLatency) {
				t.Fatalf("%s: became %+v", value, a)
			}
			var found []string
			for _, e := range events {
				found = append(found, e.Code)
				if !line && (!e.Known || e.Family != "BENCH") {
					t.Fatalf("%s: no catalog knows %s: %+v", value, e.Code, e)
				}
			}
			var want []string
			if x.code != "" {
				want, errors = []string{x.code}, errors+1
			}
			if !slices.Equal(found, want) {
				t.Fatalf("%s: codes %v, want %v", value, found, want)
			}
		}
		t.Logf("%s: %d bytes a record, %.1f %% with an error", format, bytes/n, float64(errors)*100/n)
		if share := float64(errors) * 100 / n; share < 6 || share > 10 {
			t.Errorf("%s: %.1f %% of the records have an error, want about %v", format, share, standard.Errors)
		}
	}
}
