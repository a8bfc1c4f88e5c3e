package loadgen

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// request is one call with its answer, before a gateway logs it.
type request struct {
	tenant  *tenant
	service *service
	route   *route

	time        time.Time
	method      string
	target      string // path and query
	status      int
	latency     float64 // milliseconds
	contentType string
	body        string
	absent      bool     // the body is not logged
	codes       []string // of the errors that the pipeline should find

	id, client, agent, upstream string
}

// end returns when the request was answered and logged.
func (r *request) end() time.Time {
	return r.time.Add(time.Duration(r.latency * float64(time.Millisecond)))
}

// How requests end, as shares of all requests and of the failing ones.
const (
	failing      = 0.03
	byPage       = 0.18 // of the failing ones: a gateway's page, no envelope
	honestStatus = 0.20 // of the envelopes with a published status of 400 or more: the service sends it
	cutSuccess   = 0.01 // of the successes with a long body: the gateway logs only its beginning
	longBody     = 512
)

func (g *generator) request(t *tenant, at time.Time) *request {
	s := oneOf(g, t.uses, func(u *use) int { return u.weight }).service
	r := g.call(t, s, oneOf(g, s.routes, func(r *route) int { return r.weight }), at)
	switch chance := g.Float64(); {
	case chance < failing*byPage:
		g.page(r)
	case chance < failing:
		p := g.problem(s)
		if p.status >= 400 && g.Float64() < honestStatus {
			r.status = p.status
		}
		g.fail(r, p)
	default:
		g.succeed(r)
	}
	return r
}

// quotaHit returns one request of the burst.
func (g *generator) quotaHit(t *tenant, at time.Time) *request {
	r := g.call(t, &osm, &createCase, at)
	g.failAs(&shapes[g.IntN(2)], r, &burstProblem)
	return r
}

// call returns a request without an answer.
func (g *generator) call(t *tenant, s *service, route *route, at time.Time) *request {
	r := &request{
		tenant: t, service: s, route: route, time: at, method: route.method,
		status: http.StatusOK, contentType: "application/json",
		latency:  math.Round(route.latency*math.Exp(0.6*g.NormFloat64())*1000) / 1000, // log-normal, as latencies are
		id:       g.hex(16),
		client:   g.ip(),
		agent:    agents[g.IntN(len(agents))],
		upstream: g.ip(),
	}
	if t.gateway.whole {
		r.time = at.Truncate(time.Second)
	}
	r.target = g.fill(route.target, r)
	return r
}

func (g *generator) succeed(r *request) {
	a := oneOf(g, r.route.answers, func(a *answer) int { return a.weight })
	text := a.head
	for i := range a.most {
		if i > 0 && g.IntN(a.most) < i {
			break
		}
		if i > 0 {
			text += a.between
		}
		text += a.item
	}
	r.body, r.absent = g.fill(text+a.tail, r), a.absent
	if a.status != 0 {
		r.status = a.status
	}
	if a.contentType != "" {
		r.contentType = a.contentType
	}
	if len(r.body) > longBody && g.Float64() < cutSuccess {
		r.body = r.body[:longBody]
	}
}

func (g *generator) page(r *request) {
	p := oneOf(g, r.tenant.gateway.pages, func(p *page) int { return p.weight })
	r.status, r.contentType, r.body, r.absent = p.status, p.contentType, p.body, p.absent
	if p.latency != 0 {
		r.latency = p.latency
	}
	r.codes = []string{fmt.Sprintf("HTTP.%d", p.status)}
}

// fail answers with an envelope of the problem in one of the shapes.
func (g *generator) fail(r *request, p *problem) {
	g.failAs(oneOf(g, shapes, func(s *shape) int { return s.weight }), r, p)
}

func (g *generator) failAs(s *shape, r *request, p *problem) {
	r.codes = []string{p.code}
	s.write(g, r, p)
}

// shape is one way to place an envelope in a body.
type shape struct {
	weight int
	about  string
	write  func(g *generator, r *request, p *problem) // sets the body, and the codes if there are more than p's
}

// shapes lists the shapes. The burst's answers have the first two.
var shapes = []shape{
	{50, "code, message", func(g *generator, r *request, p *problem) {
		code, message := g.members(r, p, quote)
		r.body = "{" + code + "," + message + g.requestID(r) + "}"
	}},
	{20, "message, code", func(g *generator, r *request, p *problem) {
		code, message := g.members(r, p, quote)
		r.body = "{" + message + "," + code + g.requestID(r) + "}"
	}},
	{8, "inside another object", func(g *generator, r *request, p *problem) {
		code, message := g.members(r, p, quote)
		r.body = `{"error":{` + code + "," + message + `},"trace":"` + g.hex(8) + `"` + g.requestID(r) + "}"
	}},
	{6, `with \u escapes`, func(g *generator, r *request, p *problem) {
		code, message := g.members(r, p, quoteEscaped)
		r.body = "{" + code + "," + message + g.requestID(r) + "}"
	}},
	{8, "cut off somewhere behind the code", func(g *generator, r *request, p *problem) {
		code, message := g.members(r, p, quote)
		whole := "{" + code + "," + message + "}"
		keep := len("{" + code + ",") // with the comma, which proves that a number is complete
		r.body = whole[:keep+g.IntN(len(whole)-keep)]
	}},
	{8, "a list of what failed, in an answer that is no failure itself", partial},
}

func partial(g *generator, r *request, p *problem) {
	r.status, r.codes = http.StatusOK, nil
	body := "{"
	if g.IntN(2) == 0 {
		body += r.service.style.success + ","
	}
	body += `"succeeded":["` + g.hex(8) + `","` + g.hex(8) + `"],"failed":[`
	for i := range 2 + g.IntN(3) {
		if i > 0 {
			body += ","
			if g.IntN(2) == 0 {
				p = g.problem(r.service)
			}
		}
		code, message := g.members(r, p, quote)
		body += `{"id":"` + g.hex(8) + `",` + code + "," + message + "}"
		r.codes = append(r.codes, p.code)
	}
	r.body = body + "]" + g.requestID(r) + "}"
}

func (g *generator) problem(s *service) *problem {
	return oneOf(g, s.problems, func(p *problem) int { return p.weight })
}

// members returns the members of an envelope, whose texts quote writes.
func (g *generator) members(r *request, p *problem, quote func(string) string) (code, message string) {
	style := p.style
	if style == nil {
		style = r.service.style
	}
	code, message = quote(p.code), quote(g.fill(p.message, r))
	if style.numbers {
		code = p.code
	}
	code, message = `"`+style.code+`":`+code, `"`+style.message+`":`+message
	if p.detail != "" {
		message += `,"codeDesc":"` + p.detail + `"`
	}
	return code, message
}

// requestID returns the request's id as the last member, in half of the bodies.
func (g *generator) requestID(r *request) string {
	if g.IntN(2) == 0 {
		return ""
	}
	return `,"` + r.service.style.requestID + `":"` + r.id + `"`
}

// quoteEscaped returns a JSON string with everything but letters, digits and spaces escaped, as the
// most careful encoders write it.
func quoteEscaped(s string) string {
	b := []byte{'"'}
	for _, c := range s {
		if c == ' ' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b = append(b, byte(c))
		} else {
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return string(append(b, '"'))
}
