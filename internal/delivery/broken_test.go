package delivery_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/stack/stacktest"
)

// containers are what stands in messages that hold several elements.
var containers = []string{"resourceLogs", "logEvents", `"records":[`, `"[`, `"streams":[`, `"logs":[`, `"data":[`, `\n`}

// breaker makes messages of whole, damaged and random records, and knows how many elements each
// has.
type breaker struct {
	*rand.Rand
	records [][]byte // single JSON records and lines of the corpus
	whole   [][]byte // those that are one JSON object
}

func newBreaker(t *testing.T, seed uint64) *breaker {
	t.Helper()
	b := &breaker{Rand: rand.New(rand.NewPCG(seed, 0))}
	names, err := filepath.Glob("../../cmd/ingest/testdata/records/*.log")
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus of records", err)
	}
	for _, name := range names {
		value, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		value = bytes.TrimSpace(value)
		// What holds several elements in one message is left to arrays, whose length is known.
		// Damaged base64 may decode to several lines.
		if len(value) == 0 || len(value) > 16<<10 || !bytes.ContainsAny(value, "{ ") || value[0] == '[' || slices.ContainsFunc(containers, func(key string) bool { return bytes.Contains(value, []byte(key)) }) {
			continue
		}
		b.records = append(b.records, value)
		if value[0] == '{' && value[len(value)-1] == '}' && json.Valid(value) {
			b.whole = append(b.whole, value)
		}
	}
	return b
}

// message gives a message and the number of its elements.
func (b *breaker) message() (value []byte, elements int) {
	switch b.IntN(10) {
	case 0: // bytes
		value = make([]byte, b.IntN(300))
		for i := range value {
			value[i] = byte(b.Uint32())
		}
	case 1, 2: // an array of records and other things
		n := 1 + b.IntN(5)
		value = append(value, '[')
		for i := range n {
			if i > 0 {
				value = append(value, ',')
			}
			if b.IntN(6) == 0 {
				value = append(value, []string{"7", "null", `"x"`, "{}", "[1]", "true"}[b.IntN(6)]...)
			} else {
				value = append(value, b.whole[b.IntN(len(b.whole))]...)
			}
		}
		return append(value, ']'), n
	default:
		value = bytes.Clone(b.records[b.IntN(len(b.records))])
		for range b.IntN(4) {
			at := b.IntN(len(value))
			switch b.IntN(4) {
			case 0:
				value[at] = byte(b.Uint32())
			case 1:
				value = value[:max(at, 1)]
			case 2:
				value = append(value[:at:at], append([]byte{"\"\\{}[]:,\x00\xff"[b.IntN(10)]}, value[at:]...)...)
			case 3:
				other := b.records[b.IntN(len(b.records))]
				value = append(value[:at:at], other[b.IntN(len(other)):]...)
			}
		}
	}
	if t := bytes.TrimLeft(value, "\x00 \t\r\n\v\f\xef\xbb\xbf"); len(t) > 0 && t[0] == '[' || bytes.Contains(value, []byte(`[`)) && bytes.Contains(value, []byte(`\"[`)) {
		return []byte("{"), 1 // it might have become an array
	}
	if bytes.IndexByte(value, '\n') >= 0 {
		return []byte("{"), 1 // it might have become several lines, each a record
	}
	return value, 1
}

// TestBrokenRecordsStopNothing sends whatever can go wrong through a running ingester.
// ERRATA_TEST_RECORDS says how many messages.
func TestBrokenRecordsStopNothing(t *testing.T) {
	t.Parallel()
	messages := "5000"
	if stacktest.Prove() {
		messages = "20000"
	}
	n, err := strconv.Atoi(cmp.Or(os.Getenv("ERRATA_TEST_RECORDS"), messages))
	if err != nil {
		t.Fatal(err)
	}
	p := newPipeline(t, stacktest.Kafka(t).Addr)
	p.ingester("1")
	for _, table := range []string{"traffic_sums", "dead_letter_rows"} { // damage makes times of long ago too: retention is not the matter here
		p.query("ALTER TABLE @" + table + " REMOVE TTL")
	}
	w := &kafka.Writer{Addr: kafka.TCP(p.broker), Topic: p.topic, RequiredAcks: kafka.RequireAll, BatchSize: 2000, BatchTimeout: 10 * time.Millisecond, Compression: kafka.Lz4, Balancer: &kafka.RoundRobin{}}
	defer w.Close()
	b, elements := newBreaker(t, 1), 0
	for sent := 0; sent < n; {
		var messages []kafka.Message
		for ; sent < n && len(messages) < 10_000; sent++ {
			value, count := b.message()
			elements += count
			messages = append(messages, kafka.Message{Value: value, Time: start})
		}
		if err := w.WriteMessages(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d messages, %d elements", n, elements)
	for deadline := time.Now().Add(time.Minute + time.Duration(n)*time.Millisecond/4); p.query("SELECT sum(records) FROM @batches") != fmt.Sprint(n); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s of %d messages are in", p.query("SELECT sum(records) FROM @batches"), n)
		}
	}
	if got := p.query("SELECT sum(requests) + sum(dead_letters) + sum(excluded) + sum(joined) FROM @batches"); got != fmt.Sprint(elements) {
		t.Errorf("requests and dead letters are %s, the messages had %d elements", got, elements)
	}
	if got, want := p.query("SELECT sum(requests) FROM @traffic_minute"), p.query("SELECT sum(requests) FROM @batches"); got != want {
		t.Errorf("%s requests in traffic_minute, %s in batches", got, want)
	}
	if got, want := p.query("SELECT count(), uniqExact(partition, offset, index) FROM @dead_letters"), p.query("SELECT sum(dead_letters), sum(dead_letters) FROM @batches"); got != want {
		t.Errorf("%s dead letters in their table, %s in batches", got, want)
	}
	t.Log(p.query("SELECT reason, count() FROM @dead_letters GROUP BY 1 ORDER BY 2 DESC FORMAT CSV"))
}
