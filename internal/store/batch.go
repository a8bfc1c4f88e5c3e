package store

import (
	"time"

	"errata/internal/accesslog"
	"errata/internal/enrich"
)

// Batch is the rows of one run of offsets of one partition. It is filled record by
// record, in the order of offsets, and after that it does not change: its rows are a pure function of
// its records, its place and the parser, and never of the clock.
type Batch struct {
	Topic       string
	Partition   int
	FirstOffset int64
	LastOffset  int64 // at or past the last record: offsets without a record count as covered
	Epoch       uint32
	Fingerprint string // of the parser and the mapping that made the rows

	Records, Requests, Errors, DeadLetters uint64
	MinTime, MaxTime                       time.Time // of the requests; zero when there are none

	errors      []errorRow
	deadLetters []deadLetterRow
	traffic     map[trafficKey]trafficSum
	codes       map[codeKey]codeSum
}

type errorRow struct {
	access    accesslog.Access
	event     enrich.Event
	offset    int64
	index     uint32
	envelope  uint32
	latencyMS *float64
}

type deadLetterRow struct {
	at     time.Time
	reason string
	offset int64
	index  uint32
	sample string
}

type trafficKey struct {
	minute                 time.Time
	tenant, service, route string
	status                 int
	bodyState              accesslog.BodyState
}

type trafficSum struct{ requests, errors uint64 }

type codeKey struct {
	minute                                time.Time
	tenant, service, route, code, dialect string
}

type codeSum struct {
	family, kind string
	errors       uint64
	first, last  time.Time
}

// NewBatch makes an empty batch that begins at an offset.
func NewBatch(topic string, partition int, firstOffset int64) *Batch {
	return &Batch{
		Topic: topic, Partition: partition, FirstOffset: firstOffset, LastOffset: firstOffset - 1,
		traffic: map[trafficKey]trafficSum{}, codes: map[codeKey]codeSum{},
	}
}

// maxSample is how many bytes of a dead letter are kept.
const maxSample = 1024

// Rows is about how many rows an insert of the batch writes.
func (b *Batch) Rows() int {
	return len(b.errors) + len(b.deadLetters) + len(b.traffic) + len(b.codes)
}

// Add puts one processed record into the batch. kafkaTime stamps its dead letters.
func (b *Batch) Add(offset int64, kafkaTime time.Time, value []byte, record enrich.Record) {
	b.Records++
	b.LastOffset = offset
	if record.DeadLetter != "" {
		b.deadLetter(offset, 0, kafkaTime, record.DeadLetter, value)
	}
	for i, e := range record.Elements {
		if e.DeadLetter != "" {
			b.deadLetter(offset, i, kafkaTime, e.DeadLetter, e.Raw)
			continue
		}
		b.request(offset, i, e)
	}
}

func (b *Batch) deadLetter(offset int64, index int, at time.Time, reason accesslog.Reason, raw []byte) {
	b.DeadLetters++
	if !accesslog.Plausible(at) {
		at = time.Unix(0, 0)
	}
	// Redacted before it is clipped: half a secret could not be told from other text.
	sample := enrich.Redact(string(raw[:min(len(raw), 2*maxSample)]))
	b.deadLetters = append(b.deadLetters, deadLetterRow{
		at: at.UTC(), reason: string(reason), offset: offset, index: uint32(index), sample: sample[:min(len(sample), maxSample)],
	})
}

func (b *Batch) request(offset int64, index int, e enrich.Element) {
	a := e.Access
	b.Requests++
	if b.MinTime.IsZero() || a.Time.Before(b.MinTime) {
		b.MinTime = a.Time
	}
	if a.Time.After(b.MaxTime) {
		b.MaxTime = a.Time
	}
	minute := a.Time.Truncate(time.Minute)
	tk := trafficKey{minute, a.Tenant, a.Service, a.Route, a.Status, a.BodyState}
	sum := b.traffic[tk]
	sum.requests++
	if len(e.Events) > 0 {
		sum.errors++
	}
	b.traffic[tk] = sum

	var latency *float64
	if a.HasLatency {
		latency = &a.LatencyMS
	}
	a.Body = nil // never stored, and its memory is the reader's
	for i, event := range e.Events {
		b.Errors++
		b.errors = append(b.errors, errorRow{access: a, event: event, offset: offset, index: uint32(index), envelope: uint32(i), latencyMS: latency})
		ck := codeKey{minute, a.Tenant, a.Service, a.Route, event.Code, event.Dialect}
		c, seen := b.codes[ck]
		if !seen {
			c = codeSum{family: event.Family, kind: event.Kind, first: a.Time, last: a.Time}
		}
		c.errors++
		if a.Time.Before(c.first) {
			c.first = a.Time
		}
		if a.Time.After(c.last) {
			c.last = a.Time
		}
		b.codes[ck] = c
	}
}
