// Package loadgen is the load generator: it makes the sample traffic of a day at a cloud gateway,
// as access log records in Kafka messages. Everything follows from the seed: the same Config always
// produces the same bytes.
//
// Twelve tenants of very different size call services of five catalog families: service tickets, a
// solver, Tencent-style virtual machines and databases, bare-metal servers, inference. Each tenant
// calls through one gateway, which logs in its own format. Tenants are busy in their working hours
// and quiet at night; now and then a tenant sends five times its usual requests for a minute, as if
// a script ran. Some 97 % of the calls succeed, a few of them with bodies that only mention an
// error code. The rest fail: most with an error envelope under HTTP 200, some with an envelope
// under 4xx or 5xx, and some with the gateway's own error page instead of an envelope. After three
// quarters of the generated time one tenant hits its ticket quota, OSM.01010037, for half an hour.
// A few dozen records are broken, each in a way that occurs in real logs.
//
// The content is data: tenants are in tenants.go, services with their routes and answers in
// services.go, failures in problems.go, gateways and their error pages in gateways.go, broken
// records in broken.go. This file and request.go hold the mechanics.
//
// The struct Sent holds the expected counts. They come from the generator's decisions, never from
// its output. A test can therefore compare it with what the pipeline counted, down to the last
// request.
package loadgen

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Config describes the traffic to generate.
type Config struct {
	Seed     uint64
	From, To time.Time // all events lie in [From, To), limited to its whole seconds
	Requests int       // about how many in total, including the burst
}

// Message is one Kafka message. All its requests belong to one tenant.
type Message struct {
	Key   []byte // the tenant, so that its messages keep their order in one partition
	Value []byte
	Time  time.Time // for Kafka: that of the newest usable event, or when the message was sent
}

// Sent counts what a run of Generate has sent.
type Sent struct {
	Messages      int
	Requests      int // usable ones
	DeadLetters   int // unusable messages and elements of arrays
	Errors        int // envelopes, and statuses of 400 or more without an envelope
	ErrorRequests int // requests with at least one error

	Codes   map[TenantCode]int // errors
	Tenants map[string]int     // requests
	Reasons map[string]int     // dead letters, by accesslog.Reason
	Burst   Burst
}

// TenantCode is a tenant and a code, as the body spells it.
type TenantCode struct{ Tenant, Code string }

// Burst is the one incident of the range. It is zero if there are too few requests for one. Outside
// the burst its code is rare.
type Burst struct {
	Tenant, Code string
	From, To     time.Time
	PerMinute    int // errors at its peak
}

// Generate passes the messages in order of time to emit, which may keep them, and returns what they
// contain. It stops at the first error of emit.
func Generate(cfg Config, emit func(Message) error) (Sent, error) {
	g := generator{
		Rand: rand.New(rand.NewPCG(cfg.Seed, 0)),
		from: cfg.From.UTC().Add(time.Second - 1).Truncate(time.Second),
		to:   cfg.To.UTC().Truncate(time.Second),
		sent: Sent{Codes: map[TenantCode]int{}, Tenants: map[string]int{}, Reasons: map[string]int{}},
	}
	if !g.from.Before(g.to) || cfg.Requests < 0 {
		return Sent{}, errors.New("loadgen: From must be a second or more before To, and Requests not negative")
	}
	g.plan(cfg.Requests)
	for from := g.from; from.Before(g.to); from = from.Add(step) {
		for _, d := range g.messages(span{from, earlier(from.Add(step), g.to)}) {
			g.count(d)
			if err := emit(Message{Key: []byte(d.tenant.name), Value: d.value, Time: d.time}); err != nil {
				return Sent{}, err
			}
		}
	}
	return g.sent, nil
}

// generator is the state of one Generate. All randomness comes from its Rand, in a fixed order.
type generator struct {
	*rand.Rand
	from, to time.Time
	perShare []float64   // requests per minute of each tenant at a rhythm of 1
	breakAt  []time.Time // when broken messages are sent
	broken   int         // how many of them were sent
	sent     Sent
}

// draft is a message with what Sent counts of it.
type draft struct {
	tenant *tenant
	time   time.Time
	value  []byte
	usable []*request
	reason string // why the message or one element of it is unusable; "" if all are usable
}

func (g *generator) count(d draft) {
	g.sent.Messages++
	if d.reason != "" {
		g.sent.DeadLetters++
		g.sent.Reasons[d.reason]++
	}
	for _, r := range d.usable {
		g.sent.Requests++
		g.sent.Tenants[r.tenant.name]++
		g.sent.Errors += len(r.codes)
		if len(r.codes) > 0 {
			g.sent.ErrorRequests++
		}
		for _, code := range r.codes {
			g.sent.Codes[TenantCode{r.tenant.name, code}]++
		}
	}
}

// step is the piece of time that is generated at once, so that memory does not grow with the range.
const step = time.Minute

// span is a half-open range of time, without its end.
type span struct{ from, to time.Time }

func (s span) length() time.Duration { return s.to.Sub(s.from) }

func (g *generator) timeIn(s span) time.Time {
	return s.from.Add(time.Duration(g.Int64N(int64(s.length())))).Truncate(time.Millisecond)
}

// plan decides what depends on the whole range: the burst, how busy each tenant is, and when broken
// messages are sent.
func (g *generator) plan(requests int) {
	burst := g.planBurst(requests)
	for i := range tenants {
		t, rhythm := &tenants[i], 0.0
		for at := g.from; at.Before(g.to); at = at.Add(step) {
			rhythm += t.rhythm(at) * earlier(at.Add(step), g.to).Sub(at).Minutes()
		}
		g.perShare = append(g.perShare, (float64(requests)-burst)*t.share/1000/rhythm)
	}
	if requests > 0 {
		for range max(requests/requestsPerMishap, len(mishaps)) {
			g.breakAt = append(g.breakAt, g.timeIn(span{g.from, g.to}))
		}
	}
	slices.SortFunc(g.breakAt, time.Time.Compare)
}

// planBurst sets the burst and returns about how many requests it takes.
func (g *generator) planBurst(requests int) float64 {
	whole := g.to.Sub(g.from)
	length := min(burstLength, whole/8)
	middle := g.from.Add(whole / 4 * 3)
	b := Burst{Tenant: burstTenant, Code: burstProblem.code, From: middle.Add(-length / 2).Truncate(time.Second)}
	b.To = b.From.Add(length)
	// The area is 3/4 of the whole: the rate rises in the first third and falls in the last sixth.
	area := length.Minutes() * 3 / 4
	b.PerMinute = min(burstPerMinute, int(float64(requests)/4/area))
	if b.PerMinute == 0 {
		return 0
	}
	g.sent.Burst = b
	return float64(b.PerMinute) * area
}

// burstRate returns the burst's errors per minute at a time.
func burstRate(b Burst, at time.Time) float64 {
	x := float64(at.Sub(b.From)) / float64(b.To.Sub(b.From)) // 0 at the start, 1 at the end
	return float64(b.PerMinute) * max(0, min(1, 3*x, 6*(1-x)))
}

// messages returns the messages of one step, in order of time.
func (g *generator) messages(s span) (drafts []draft) {
	for i := range tenants {
		t := &tenants[i]
		requests := g.requests(i, s)
		if t.name == g.sent.Burst.Tenant {
			requests = append(requests, g.burst(t, s)...)
		}
		drafts = append(drafts, g.pack(t, requests)...)
	}
	for ; g.broken < len(g.breakAt) && g.breakAt[g.broken].Before(s.to); g.broken++ {
		drafts = append(drafts, g.mishap(&mishaps[g.broken%len(mishaps)], g.breakAt[g.broken]))
	}
	slices.SortStableFunc(drafts, func(a, b draft) int { return a.time.Compare(b.time) })
	return drafts
}

// requests returns a tenant's ordinary requests of one step.
func (g *generator) requests(tenant int, s span) (all []*request) {
	t := &tenants[tenant]
	want := g.perShare[tenant] * t.rhythm(s.from) * s.length().Minutes()
	if want /= 1 + scriptChance*(scriptFactor-1); g.Float64() < scriptChance {
		want *= scriptFactor
	}
	for range g.round(want) {
		all = append(all, g.request(t, g.timeIn(s)))
	}
	return all
}

// burst returns the burst's requests of one step.
func (g *generator) burst(t *tenant, s span) (all []*request) {
	b := g.sent.Burst
	s = span{later(s.from, b.From), earlier(s.to, b.To)}
	if !s.from.Before(s.to) {
		return nil
	}
	for range g.round(burstRate(b, s.from.Add(s.length()/2)) * s.length().Minutes()) {
		all = append(all, g.quotaHit(t, g.timeIn(s)))
	}
	return all
}

// pack puts a tenant's requests into messages: one each, or arrays if the gateway batches. A
// gateway logs a request when it ends. Therefore the times in an array are not quite in order, and
// some are earlier than those of messages sent before it.
func (g *generator) pack(t *tenant, requests []*request) (drafts []draft) {
	slices.SortStableFunc(requests, func(a, b *request) int { return a.end().Compare(b.end()) })
	for len(requests) > 0 {
		n := 1
		for t.gateway.batches && n < min(len(requests), batchMost) && requests[n].end().Sub(requests[0].end()) < batchAge {
			n++
		}
		d := draft{tenant: t, usable: requests[:n:n]}
		for _, r := range d.usable {
			d.time = later(d.time, r.time)
		}
		if n == 1 {
			d.value = record(requests[0])
		} else {
			d.value = array(d.usable)
		}
		drafts, requests = append(drafts, d), requests[n:]
	}
	return drafts
}

// recordSize is the approximate size of a record in bytes, without its body.
const recordSize = 700

// record returns the log record of a request in its gateway's format.
func record(r *request) []byte {
	return r.tenant.gateway.write(make([]byte, 0, recordSize+len(r.body)), r)
}

// array returns the log records of requests as a batching gateway sends them.
func array(requests []*request) []byte {
	value := append(make([]byte, 0, 2*recordSize*len(requests)), '[')
	for i, r := range requests {
		if i > 0 {
			value = append(value, ',')
		}
		value = r.tenant.gateway.write(value, r)
	}
	return append(value, ']')
}

// round rounds up or down at random, so that the sum of many small numbers is kept.
func (g *generator) round(x float64) int { return int(x + g.Float64()) }

// oneOf draws a row of a table according to its weight.
func oneOf[T any](g *generator, rows []T, weight func(*T) int) *T {
	sum := 0
	for i := range rows {
		sum += weight(&rows[i])
	}
	n, i := g.IntN(sum), 0
	for n -= weight(&rows[0]); n >= 0; n -= weight(&rows[i]) {
		i++
	}
	return &rows[i]
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
