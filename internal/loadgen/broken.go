package loadgen

import "time"

// requestsPerMishap is the number of requests per broken message. Even with fewer requests, each
// mishap happens once.
const requestsPerMishap = 2500

// mishap is one way in which a message can be broken.
type mishap struct {
	about   string
	reason  string // of accesslog.Reason
	batches bool   // only for gateways that send arrays
	intact  int    // how many requests in the message are still usable

	write func(g *generator, intact []*request, broken *request) []byte
}

// mishaps happen in turn, and then again from the first.
var mishaps = []mishap{
	{about: "no bytes at all", reason: "empty", write: func(*generator, []*request, *request) []byte { return nil }},
	{about: "white space", reason: "empty", write: func(*generator, []*request, *request) []byte { return []byte(" \r\n") }},
	{about: "a gateway's own log on the topic", reason: "malformed", write: func(g *generator, _ []*request, r *request) []byte {
		return []byte(r.time.Format("2006/01/02 15:04:05") + " [error] 31#31: *" + g.hex(2) + " upstream timed out (110: Operation timed out), client: " + r.client)
	}},
	{about: "a comma too many", reason: "malformed", write: func(_ *generator, _ []*request, r *request) []byte {
		return append([]byte("{,"), record(r)[1:]...)
	}},
	{about: "a record cut off in the middle", reason: "truncated", write: func(g *generator, _ []*request, r *request) []byte {
		whole := record(r)
		return whole[:len(whole)/4+g.IntN(len(whole)/2)]
	}},
	{about: "an array cut off in its last element", reason: "truncated", batches: true, intact: 3, write: func(g *generator, intact []*request, r *request) []byte {
		whole, last := array(append(intact, r)), len(record(r))
		return whole[:len(whole)-1-last/4-g.IntN(last/2)]
	}},
	{about: "an array with a number in it", reason: "not_an_object", batches: true, intact: 2, write: func(_ *generator, intact []*request, _ *request) []byte {
		return append([]byte("[0,"), array(intact)[1:]...)
	}},
	{about: "some other producer's JSON", reason: "unknown_format", write: func(*generator, []*request, *request) []byte { return []byte(`{"hello":"world"}`) }},
	{about: "a clock that runs far ahead", reason: "bad_time", write: func(g *generator, _ []*request, r *request) []byte {
		r.time = r.time.AddDate(0, 0, 2+g.IntN(2000))
		return record(r)
	}},
	{about: "the same in an array", reason: "bad_time", batches: true, intact: 2, write: func(_ *generator, intact []*request, r *request) []byte {
		r.time = r.time.AddDate(30, 0, 0)
		return array([]*request{intact[0], r, intact[1]})
	}},
}

// mishap returns a broken message of a random tenant.
func (g *generator) mishap(m *mishap, at time.Time) draft {
	t := &tenants[g.IntN(len(tenants))]
	for t.gateway.batches != m.batches {
		t = &tenants[g.IntN(len(tenants))]
	}
	d := draft{tenant: t, reason: m.reason}
	for range m.intact {
		d.usable = append(d.usable, g.request(t, at))
	}
	broken := g.request(t, at)
	d.time = broken.time
	d.value = m.write(g, d.usable, broken)
	return d
}
