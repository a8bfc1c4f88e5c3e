package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
)

// facts are what one record must become.
type facts struct {
	requests    []request
	deadLetters []deadLetter
}

type request struct {
	index  int // in the array
	tenant string
	minute time.Time
	status int
	codes  []string // of its envelopes, in order
}

type deadLetter struct {
	index  int
	reason string
}

// firstMinute is when the first event happens: three minutes before the last midnight, so that
// batches have events of two days, which go into different partitions of the tables.
var firstMinute = time.Now().UTC().Truncate(24 * time.Hour).Add(-3 * time.Minute)

const (
	minutes = 7
	tenants = 5
	errorOf = `{\"error_code\":\"OSM.%08d\",\"error_msg\":\"Ticket %d cannot be created, says the service, since the quota is used up.\"}`
)

// record makes the n-th record. It is a function of n alone, so whoever meets the record in Kafka
// again, by its key, knows what it must become. A nil value is one too.
func record(n uint64) (value []byte, want facts) {
	random := rand.New(rand.NewPCG(n, 6))
	element := func(status int, codes ...int) string {
		at := firstMinute.Add(time.Duration(random.IntN(minutes*60*1000)) * time.Millisecond)
		r := request{index: len(want.requests) + len(want.deadLetters), tenant: fmt.Sprintf("t%d", random.IntN(tenants)), minute: at.Truncate(time.Minute), status: status}
		body := `{\"id\":` + strconv.FormatUint(n, 10) + `,\"state\":\"` + noise(random, 20+random.IntN(300)) + `\"}`
		switch len(codes) {
		case 0:
			if status >= 400 {
				body = "Service Unavailable"
				r.codes = []string{"HTTP." + strconv.Itoa(status)}
			}
		case 1:
			body = fmt.Sprintf(errorOf, codes[0], n)
		default:
			var all []string
			for _, code := range codes {
				all = append(all, fmt.Sprintf(errorOf, code, n))
			}
			body = `{\"results\":[` + strings.Join(all, ",") + `]}`
		}
		for _, code := range codes {
			r.codes = append(r.codes, fmt.Sprintf("OSM.%08d", code))
		}
		want.requests = append(want.requests, r)
		return fmt.Sprintf(`{"time":%q,"tenant":%q,"service":"osm","status":%d,"response_body":"%s"}`, at.Format("2006-01-02T15:04:05.000Z07:00"), r.tenant, status, body)
	}
	dead := func(reason, text string) string {
		want.deadLetters = append(want.deadLetters, deadLetter{index: len(want.requests) + len(want.deadLetters), reason: reason})
		return text
	}
	const quota, daily, other = 1010037, 1010038, 1010039
	switch p := random.IntN(100); {
	case p < 68:
		value = []byte(element(200))
	case p < 80:
		value = []byte(element(200, quota+random.IntN(3)))
	case p < 85:
		value = []byte(element(200, quota, daily, other))
	case p < 88:
		value = []byte(element(503))
	case p < 92:
		value = []byte("[" + strings.Join([]string{element(200), element(200, daily), element(200)}, ",") + "]")
	case p < 94:
		value = []byte("[" + strings.Join([]string{element(200, quota), dead("not_an_object", "7"), element(503)}, ",") + "]")
	case p < 97:
		value = []byte(dead("malformed", "broken"))
	case p < 99:
		value = []byte(dead("truncated", `{"time":"2026-11-02T08:00:00Z","tenant":"t1","response_body":"{\"err`))
	default:
		dead("empty", "")
	}
	return value, want
}

// noise is text that shrinks to about a third, as logs do.
func noise(random *rand.Rand, length int) string {
	text := make([]byte, 0, length+32)
	for len(text) < length {
		text = strconv.AppendUint(text, random.Uint64(), 16)
		text = append(text, " was the ticket that was not created "...)
	}
	return string(text[:length])
}

// heavy makes a record that takes much memory until it is stored: many errors with long messages.
func heavy(n uint64) (value []byte, want facts) {
	at := firstMinute.Add(time.Duration(n%(minutes*60)) * time.Second)
	random := rand.New(rand.NewPCG(n, 6))
	value = append(value, '[')
	for i := range 20 {
		if i > 0 {
			value = append(value, ',')
		}
		value = fmt.Appendf(value, `{"time":%q,"tenant":"t0","service":"osm","status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"%s\"}"}`, at.Format(time.RFC3339), noise(random, 800))
		want.requests = append(want.requests, request{index: i, tenant: "t0", minute: at.Truncate(time.Minute), status: 200, codes: []string{"OSM.01010037"}})
	}
	return append(value, ']'), want
}

// TestRecord holds what the load says of its records against what is made of them in a quiet hour.
func TestRecord(t *testing.T) {
	loaded, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, loaded)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(5000) {
		value, want := record(n)
		if n%50 == 0 {
			value, want = heavy(n)
		}
		var got facts
		r := processor.Record(value, enrich.Position{Clock: accesslog.KafkaClock(time.Now())})
		if r.DeadLetter != "" {
			got.deadLetters = append(got.deadLetters, deadLetter{0, string(r.DeadLetter)})
		}
		for i, e := range r.Elements {
			if e.DeadLetter != "" {
				got.deadLetters = append(got.deadLetters, deadLetter{i, string(e.DeadLetter)})
				continue
			}
			made := request{index: i, tenant: e.Access.Tenant, minute: e.Access.Time.Truncate(time.Minute), status: e.Access.Status}
			for _, event := range e.Events {
				made.codes = append(made.codes, event.Code)
			}
			got.requests = append(got.requests, made)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("record %d, %s:\ngot  %v\nwant %v", n, value, got, want)
		}
	}
}

// load writes records into a topic until it is stopped. Every load numbers its records from its own
// first number.
type load struct {
	topic      string
	partitions int
	maker      func(n uint64) ([]byte, facts)
	next       uint64
	produced   []atomic.Int64 // by partition: the offset behind the last record that Kafka has acknowledged
	sent       atomic.Int64   // records
	failed     atomic.Int64   // records whose write failed, or may have failed
	cancel     context.CancelFunc
	working    sync.WaitGroup // the one goroutine
	ends       []int64        // by partition: the offset behind the last record; after stop
	err        error          // of the last records; after stop
	log        [][]held       // what readLog has read
}

func newLoad(t testing.TB, topic string, partitions int, records func(uint64) ([]byte, facts), first uint64) *load {
	l := &load{topic: topic, partitions: partitions, maker: records, next: first, produced: make([]atomic.Int64, partitions), cancel: func() {}}
	t.Cleanup(func() { l.cancel() })
	return l
}

// record returns the next record, for a partition.
func (l *load) record(partition int) *kgo.Record {
	n := l.next
	l.next++
	value, _ := l.maker(n)
	return &kgo.Record{Topic: l.topic, Partition: int32(partition), Key: strconv.AppendUint(nil, n, 10), Value: value}
}

// acknowledged is told of each record's fate.
func (l *load) acknowledged(r *kgo.Record, err error) {
	if err != nil {
		l.failed.Add(1) // it may be in Kafka or not: whoever counts asks Kafka
		return
	}
	l.sent.Add(1)
	produced := &l.produced[r.Partition]
	for old := produced.Load(); old <= r.Offset && !produced.CompareAndSwap(old, r.Offset+1); old = produced.Load() {
	}
}

func (l *load) start(work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.working.Go(func() { work(ctx) }) // ends in stop
}

// stop ends the load and returns when all is in Kafka.
func (l *load) stop(t testing.TB) {
	t.Helper()
	l.cancel()
	l.working.Wait()
	if l.err != nil {
		t.Fatalf("write the last records of %s: %v", l.topic, l.err)
	}
}

// finish writes one record more into every partition, so that none ends with what no batch needs to
// cover.
func (l *load) finish(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if l.err = client.Flush(ctx); l.err != nil {
		return
	}
	for partition := range l.partitions {
		last, err := client.ProduceSync(ctx, l.record(partition)).First()
		if err != nil {
			l.err = err
			return
		}
		l.acknowledged(last, nil)
		l.ends = append(l.ends, last.Offset+1)
	}
}

const tick = 20 * time.Millisecond

// steady writes so many records a second, in turn to all partitions. A partition whose leader is
// away holds only its own records up. Not with lz4: thousands of small frames take a minute to read
// through under the race detector.
func (l *load) steady(t testing.TB, brokers []string, perSecond int) {
	client := newClient(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.SnappyCompression()),
		kgo.MaxBufferedRecords(1<<20), kgo.ProducerLinger(25*time.Millisecond))
	l.start(func(ctx context.Context) {
		due := 0.0
		for ticks := time.Tick(tick); ctx.Err() == nil; <-ticks {
			for due += float64(perSecond) * tick.Seconds(); due >= 1; due-- {
				client.Produce(context.Background(), l.record(int(l.next)%l.partitions), l.acknowledged)
			}
		}
		l.finish(client)
	})
}

// transactions writes small transactions, of which every other one is aborted, and plain records
// between them: aborted records and the markers at the ends take offsets and must not be counted.
func (l *load) transactions(t testing.TB, brokers []string) {
	client := newClient(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	l.start(func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := l.transact(ctx, brokers); err != nil && ctx.Err() == nil {
				l.failed.Add(1)
				sleep(ctx, time.Second) // and begin again, which ends whatever transaction was left open
			}
		}
		l.finish(client)
	})
}

func (l *load) transact(ctx context.Context, brokers []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID("chaos-"+l.topic), kgo.TransactionTimeout(5*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	for abort := false; sleep(ctx, 200*time.Millisecond); abort = !abort {
		try, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := l.oneTransaction(try, client, abort)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *load) oneTransaction(ctx context.Context, client *kgo.Client, abort bool) error {
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	var records []*kgo.Record
	for range 20 {
		records = append(records, l.record(int(l.next)%l.partitions))
	}
	err := client.ProduceSync(ctx, records...).FirstErr()
	if err != nil || abort {
		return errors.Join(err, client.EndTransaction(ctx, kgo.TryAbort))
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	for _, r := range records {
		l.acknowledged(r, nil)
	}
	return nil
}

// held is a record that Kafka holds, and what it must become.
type held struct {
	offset int64
	facts
}

// readLog reads all of the load's records that readers of committed records may see, by partition.
// It does so once: nothing comes after the load's end.
func (l *load) readLog(t testing.TB, brokers []string) [][]held {
	t.Helper()
	if l.log != nil {
		return l.log
	}
	starts := map[int32]kgo.Offset{}
	for p := range l.partitions {
		starts[int32(p)] = kgo.NewOffset().AtStart()
	}
	client := newClient(t, brokers, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: starts}), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	all := make([][]held, l.partitions)
	whole := func() bool {
		for p, end := range l.ends {
			if n := len(all[p]); n == 0 || all[p][n-1].offset < end-1 {
				return false
			}
		}
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !whole() {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("read topic %s through: %v", l.topic, fetches.Errors())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n, err := strconv.ParseUint(string(r.Key), 10, 64)
			if err != nil {
				t.Fatalf("%s/%d at %d: key %q is no number of ours", r.Topic, r.Partition, r.Offset, r.Key)
			}
			value, want := l.maker(n)
			if !bytes.Equal(value, r.Value) {
				t.Fatalf("%s/%d at %d: record %d is not as it was made", r.Topic, r.Partition, r.Offset, n)
			}
			all[r.Partition] = append(all[r.Partition], held{r.Offset, want})
		})
	}
	l.log = all
	return all
}

// sleep waits, and reports whether it was not cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
