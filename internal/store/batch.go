package store

import (
	"slices"
	"time"

	"errata/internal/accesslog"
	"errata/internal/enrich"
)

// Batch is the rows of one run of offsets of one partition. It is filled record by record, in the
// order of offsets, sealed, and does not change afterwards. Its rows are a pure function of its
// records, its place and the parser, never of the clock.
type Batch struct {
	Topic       string
	Partition   int
	FirstOffset int64
	LastOffset  int64 // at or after the last record: offsets without a record are covered too
	Epoch       uint32
	Fingerprint string // of the parser and the settings that produced the rows

	Records, Requests, Errors, DeadLetters uint64
	Excluded                               uint64    // requests that the configuration leaves out
	Limited                                uint64    // requests whose tenant or route is counted as Other
	Joined                                 uint64    // log records that were the second one of a request
	MinTime, MaxTime                       time.Time // of the requests; zero if there are none
	FirstRecord                            uint64    // a hash of the first record, which tells a topic from another of the same name
	Newest                                 time.Time // the greatest Kafka time of a record

	size int64 // see Size

	halves      []half         // of requests, in the order of their records
	waiting     map[string]int // the half of a request that waits for the other, by request id
	limits      Limits
	counts      counts
	errors      pages[errorRow]
	deadLetters []deadLetterRow
	audits      []auditRow
}

type errorRow struct {
	request
	latencyMS *float64 // latency or nil
	latency   float64
	event     enrich.Event
	offset    int64
	index     uint32
	envelope  uint32
}

// request is what a row says of the request that it belongs to.
type request struct {
	at                                   time.Time
	tenant, service, route, method, path string
	status                               int
	bodyState                            accesslog.BodyState
}

// pages is a list whose rows stay where they are while it grows, because they are large.
type pages[R any] struct {
	all [][]R
	n   int // rows in all of them
}

// The rows of a page: a few in a small batch.
const (
	leastPage = 8
	mostPage  = 512
)

// add appends a zero row to fill in.
func (p *pages[R]) add() *R {
	last := len(p.all) - 1
	if last < 0 || len(p.all[last]) == cap(p.all[last]) {
		p.all = append(p.all, make([]R, 0, min(max(p.n, leastPage), mostPage)))
		last++
	}
	page := p.all[last]
	page = page[:len(page)+1]
	p.all[last] = page
	p.n++
	return &page[len(page)-1]
}

// half is one of the two records that a gateway wrote of a request.
type half struct {
	offset  int64
	index   int
	element enrich.Element
	joined  bool // with a later half
}

type deadLetterRow struct {
	at     time.Time
	reason string
	offset int64
	index  uint32
	sample string
}

type auditRow struct {
	request
	offset int64
	index  uint32
	sample string
}

// Limits bounds how many tenants and routes a batch counts by name, so that a gateway which logs an
// id in their place does not fill the database with keys. The others are counted as Other. The
// limits hold for each batch by itself: a batch that is read again must have the same rows.
type Limits struct {
	Tenants int `mapstructure:"tenants"` // 0: no limit
	Routes  int `mapstructure:"routes"`
}

// Other stands for the tenants and routes beyond the limits.
const Other = "(other)"

// NewBatch returns an empty batch that begins at an offset.
func NewBatch(topic string, partition int, firstOffset int64, limits Limits) *Batch {
	return &Batch{
		Topic: topic, Partition: partition, FirstOffset: firstOffset, LastOffset: firstOffset - 1,
		limits: limits, waiting: map[string]int{}, counts: newCounts(),
	}
}

// Rows returns about how many rows an insert of the batch writes.
func (b *Batch) Rows() int {
	return b.errors.n + len(b.deadLetters) + len(b.audits) + b.counts.traffic.n + b.counts.codes.n
}

// Size returns about how much memory the batch takes, in bytes, including the columns of its
// INSERTs.
func (b *Batch) Size() int64 { return b.size }

// The memory that a row takes in addition to its longer texts, as measured on the standard workload
// of package bench: its struct, and more than that again while it is inserted.
const (
	errorRowSize      = 1100
	deadLetterRowSize = 300
	auditRowSize      = 700
	trafficRowSize    = 320
	codeRowSize       = 500
)

// Add adds a processed record to the batch. Its dead letters get kafkaTime as their time.
func (b *Batch) Add(offset int64, kafkaTime time.Time, record enrich.Record) {
	b.Records++
	b.LastOffset = offset
	if kafkaTime.After(b.Newest) {
		b.Newest = kafkaTime
	}
	if record.DeadLetter != "" {
		b.deadLetter(offset, 0, kafkaTime, record.DeadLetter, record.Sample)
	}
	for i := range record.Elements {
		e := &record.Elements[i]
		switch {
		case e.DeadLetter != "":
			b.deadLetter(offset, i, kafkaTime, e.DeadLetter, e.Sample)
		case e.Excluded:
			b.Excluded++
		default:
			if id, isLog := e.Access.Half(); id != "" {
				b.half(id, isLog, half{offset: offset, index: i, element: *e})
				continue
			}
			b.request(offset, i, e)
		}
	}
}

// half keeps a half of a request until Seal. Two halves in one batch are one request: the log,
// which has the response, completed from the metrics.
func (b *Batch) half(id string, isLog bool, h half) {
	own := *h.element.Element // what it points to is the processor's
	own.Access.Body, own.Raw = nil, nil
	own.Access.RequestID, own.Access.Path = accesslog.RawText(id), slices.Clone(own.Access.Path)
	h.element.Element, h.element.Events = &own, slices.Clone(h.element.Events)
	b.size += trafficRowSize
	if i, ok := b.waiting[id]; ok {
		other := &b.halves[i]
		if _, otherIsLog := other.element.Access.Half(); isLog != otherIsLog {
			log, metrics := &h.element, &other.element
			if otherIsLog {
				log, metrics = metrics, log
			}
			log.Access = log.Access.Joined(metrics.Access)
			if len(log.Events) == 0 {
				log.Events = metrics.Events
			}
			h.element, other.joined = *log, true
			b.Joined++
			delete(b.waiting, id)
			b.halves = append(b.halves, h)
			return
		}
	}
	b.waiting[id] = len(b.halves)
	b.halves = append(b.halves, h)
}

// Seal ends the batch: it counts the requests that waited for their other half. Nothing may be
// added afterwards.
func (b *Batch) Seal() {
	for i := range b.halves {
		h := &b.halves[i]
		if b.size -= trafficRowSize; !h.joined {
			b.request(h.offset, h.index, &h.element)
		}
	}
	b.halves, b.waiting = nil, map[string]int{}
}

func (b *Batch) deadLetter(offset int64, index int, at time.Time, reason accesslog.Reason, sample string) {
	b.DeadLetters++
	b.size += deadLetterRowSize + 2*int64(len(sample))
	if !accesslog.Plausible(at) {
		at = time.Unix(0, 0)
	}
	b.deadLetters = append(b.deadLetters, deadLetterRow{at: at.UTC(), reason: string(reason), offset: offset, index: uint32(index), sample: sample})
}

func (b *Batch) request(offset int64, index int, e *enrich.Element) {
	a := &e.Access
	b.Requests++
	if b.MinTime.IsZero() || a.Time.Before(b.MinTime) {
		b.MinTime = a.Time
	}
	if a.Time.After(b.MaxTime) {
		b.MaxTime = a.Time
	}
	group, limited := b.counts.group(a, b.limits)
	if limited {
		b.Limited++
	}
	sum, isNew := b.counts.ofRequest(group)
	if isNew {
		b.size += trafficRowSize
	}
	sum.requests++
	if len(e.Events) > 0 {
		sum.errors++
	}
	if len(e.Events) > 0 || e.Sample != "" {
		b.rows(offset, index, e, group)
	}
}

// rows adds the rows of a request that has errors or is in the audit sample. group is its numbers.
func (b *Batch) rows(offset int64, index int, e *enrich.Element, group trafficNumbers) {
	a := &e.Access
	of := request{a.Time, b.counts.tenants.texts[group.tenant], a.Service, b.counts.routes.texts[group.route], a.Method, a.Path.String(), a.Status, a.BodyState}
	if e.Sample != "" {
		b.size += auditRowSize + 2*int64(len(e.Sample)+len(of.path))
		b.audits = append(b.audits, auditRow{request: of, offset: offset, index: uint32(index), sample: e.Sample})
	}
	for i := range e.Events {
		event := &e.Events[i]
		b.Errors++
		b.size += errorRowSize + 2*int64(len(of.path)+len(event.Message)+len(event.RequestID))
		r := b.errors.add()
		r.request, r.event, r.offset, r.index, r.envelope = of, *event, offset, uint32(index), uint32(i)
		if a.HasLatency {
			r.latency, r.latencyMS = a.LatencyMS, &r.latency
		}
		if b.counts.addError(group, event.Code, event.Dialect, event.Family, event.Kind, a.Time) {
			b.size += codeRowSize
		}
	}
}

// TableRows returns how many rows an insert of the batch writes, by table.
func (b *Batch) TableRows() map[string]int {
	return map[string]int{
		errorTable.name: b.errors.n, trafficTable.name: b.counts.traffic.n, codeTable.name: b.counts.codes.n,
		deadLetterTable.name: len(b.deadLetters), auditTable.name: len(b.audits), batchTable.name: 1,
	}
}

// BodyStates returns the number of requests of the batch by the state of their bodies.
func (b *Batch) BodyStates() map[accesslog.BodyState]uint64 {
	counts := map[accesslog.BodyState]uint64{}
	for i := range b.counts.traffic.n {
		s := b.counts.traffic.of(i)
		counts[b.counts.state(&s.key)] += s.sum.requests
	}
	return counts
}

// Reasons returns the number of dead letters of the batch by reason.
func (b *Batch) Reasons() map[string]uint64 {
	counts := map[string]uint64{}
	for _, d := range b.deadLetters {
		counts[d.reason]++
	}
	return counts
}
