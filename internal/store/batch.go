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
	Excluded                               uint64    // requests left out by the configuration
	Limited                                uint64    // requests whose tenant or route is counted under Other
	MinTime, MaxTime                       time.Time // of the requests; zero when there are none
	FirstRecord                            uint64    // a hash of the first record: another topic of the same name has another
	Newest                                 time.Time // Kafka's time of the newest record

	size int64 // see Size

	limits      Limits
	tenants     map[string]bool // those that are counted under their own name
	routes      map[string]bool
	errors      []errorRow
	deadLetters []deadLetterRow
	audits      []auditRow
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

type auditRow struct {
	access accesslog.Access
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

// Limits bounds how many tenants and routes a batch tells apart: a gateway that logs an id in their place must not fill the database
// with keys. What is one too many is counted under Other. They hold for each batch by itself, so that a batch that is
// read again comes out the same.
type Limits struct {
	Tenants int `mapstructure:"tenants"` // 0: no limit
	Routes  int `mapstructure:"routes"`
}

// Other stands for the tenants and routes beyond the limits.
const Other = "(other)"

// NewBatch makes an empty batch that begins at an offset.
func NewBatch(topic string, partition int, firstOffset int64, limits Limits) *Batch {
	return &Batch{
		Topic: topic, Partition: partition, FirstOffset: firstOffset, LastOffset: firstOffset - 1,
		limits: limits, tenants: map[string]bool{}, routes: map[string]bool{},
		traffic: map[trafficKey]trafficSum{}, codes: map[codeKey]codeSum{},
	}
}

// Rows is about how many rows an insert of the batch writes.
func (b *Batch) Rows() int {
	return len(b.errors) + len(b.deadLetters) + len(b.audits) + len(b.traffic) + len(b.codes)
}

// Size is about how much memory the batch holds, in bytes, the columns of its INSERTs included.
func (b *Batch) Size() int64 { return b.size }

// What a row takes beside its longer texts: measured on the sample traffic, twice its struct for the columns of the INSERT.
const (
	errorRowSize      = 1600
	deadLetterRowSize = 300
	auditRowSize      = 700
	trafficRowSize    = 500
	codeRowSize       = 700
)

// Add puts one processed record into the batch. kafkaTime stamps its dead letters.
func (b *Batch) Add(offset int64, kafkaTime time.Time, record enrich.Record) {
	b.Records++
	b.LastOffset = offset
	if kafkaTime.After(b.Newest) {
		b.Newest = kafkaTime
	}
	if record.DeadLetter != "" {
		b.deadLetter(offset, 0, kafkaTime, record.DeadLetter, record.Sample)
	}
	for i, e := range record.Elements {
		switch {
		case e.DeadLetter != "":
			b.deadLetter(offset, i, kafkaTime, e.DeadLetter, e.Sample)
		case e.Excluded:
			b.Excluded++
		default:
			b.request(offset, i, e)
		}
	}
}

func (b *Batch) deadLetter(offset int64, index int, at time.Time, reason accesslog.Reason, sample string) {
	b.DeadLetters++
	b.size += deadLetterRowSize + 2*int64(len(sample))
	if !accesslog.Plausible(at) {
		at = time.Unix(0, 0)
	}
	b.deadLetters = append(b.deadLetters, deadLetterRow{at: at.UTC(), reason: string(reason), offset: offset, index: uint32(index), sample: sample})
}

// limited gives the name under which one of a batch's names is counted. The first limit names keep their own; 0 is no limit.
func limited(names map[string]bool, name string, limit int) string {
	if name == "" || names[name] {
		return name
	}
	if limit > 0 && len(names) >= limit {
		return Other
	}
	names[name] = true
	return name
}

func (b *Batch) request(offset int64, index int, e enrich.Element) {
	a := e.Access
	b.Requests++
	a.Tenant, a.Route = limited(b.tenants, a.Tenant, b.limits.Tenants), limited(b.routes, a.Route, b.limits.Routes)
	if a.Tenant != e.Access.Tenant || a.Route != e.Access.Route {
		b.Limited++
	}
	if b.MinTime.IsZero() || a.Time.Before(b.MinTime) {
		b.MinTime = a.Time
	}
	if a.Time.After(b.MaxTime) {
		b.MaxTime = a.Time
	}
	minute := a.Time.Truncate(time.Minute)
	tk := trafficKey{minute, a.Tenant, a.Service, a.Route, a.Status, a.BodyState}
	sum, seen := b.traffic[tk]
	if !seen {
		b.size += trafficRowSize
	}
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
	if e.Sample != "" {
		b.size += auditRowSize + 2*int64(len(e.Sample)+len(a.Path))
		b.audits = append(b.audits, auditRow{access: a, offset: offset, index: uint32(index), sample: e.Sample})
	}
	for i, event := range e.Events {
		b.Errors++
		b.size += errorRowSize + 2*int64(len(a.Path)+len(event.Message)+len(event.RequestID))
		b.errors = append(b.errors, errorRow{access: a, event: event, offset: offset, index: uint32(index), envelope: uint32(i), latencyMS: latency})
		ck := codeKey{minute, a.Tenant, a.Service, a.Route, event.Code, event.Dialect}
		c, seen := b.codes[ck]
		if !seen {
			b.size += codeRowSize
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

// TableRows counts the rows that an insert of the batch writes, by table.
func (b *Batch) TableRows() map[string]int {
	return map[string]int{
		errorTable.name: len(b.errors), trafficTable.name: len(b.traffic), codeTable.name: len(b.codes),
		deadLetterTable.name: len(b.deadLetters), auditTable.name: len(b.audits), batchTable.name: 1,
	}
}

// BodyStates counts the requests of the batch by what could be seen of their bodies.
func (b *Batch) BodyStates() map[accesslog.BodyState]uint64 {
	counts := map[accesslog.BodyState]uint64{}
	for k, sum := range b.traffic {
		counts[k.bodyState] += sum.requests
	}
	return counts
}

// Reasons counts the dead letters of the batch.
func (b *Batch) Reasons() map[string]uint64 {
	counts := map[string]uint64{}
	for _, d := range b.deadLetters {
		counts[d.reason]++
	}
	return counts
}
