package accesslog

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"
)

// Latencies: in which unit a text is one, which names say so, and which piece of a line is one. The
// exact keys of JSON, whose spelling tells the unit, are in formats.go.

// maxLatency limits a latency, in the gateway's unit: a greater number is no measurement.
const maxLatency = 1e15

// latencyIn reads a latency in a unit, or with a unit of its own: 4.529µs, as Go programs write it.
func latencyIn(text []byte, unit float64) (ms float64, ok bool) {
	n, err := number(text)
	switch {
	case err != nil:
		d, err := time.ParseDuration(string(text))
		if err != nil {
			return 0, false
		}
		n, unit = float64(d), nanoseconds
	case unit == byFraction:
		unit = unitByFraction(text, n)
	}
	return math.Round(n*unit*1e6) / 1e6, unit != 0 && n >= 0 && n < maxLatency
}

// unitByFraction returns the unit of a number whose name is that of milliseconds in some programs
// and of seconds in others: whole numbers are milliseconds, and up to four decimals make seconds.
// More of them come from a clock: they are seconds if they would be too little as milliseconds, and
// else the unit is not known, 0.
func unitByFraction(text []byte, n float64) float64 {
	switch point := bytes.IndexByte(text, '.'); {
	case point < 0 && len(text) < 10: // else it is a time
		return milliseconds
	case point < 0:
		return 0
	case len(text)-point-1 <= 4 || n < 0.1:
		return seconds
	}
	return 0
}

// latencies are the names of a latency and its unit, besides those of timed with the unit behind
// it.
var latencies = map[string]float64{
	"requesttime": seconds, "reqtime": seconds, "rt": seconds, "latency": 0, "latencyhuman": 0, "duration": 0, "took": 0, "cost": 0, "elapsed": milliseconds, "eventduration": nanoseconds,
	"responsetime": byFraction, "timetaken": byFraction, "requestduration": byFraction, "totaltime": byFraction, "timetoserverequest": milliseconds,
	"latenciesrequest": milliseconds, "latencyrequest": milliseconds, "totallatency": milliseconds, "responselatency": milliseconds,
}

// timed are names of a latency that may have a unit behind them, as in duration_ms.
var timed = map[string]bool{
	"latency": true, "duration": true, "elapsed": true, "elapsedtime": true, "requesttime": true, "responsetime": true, "requestduration": true, "timetaken": true, "took": true,
	"total": true, "totaltime": true, "turnaroundtime": true,
}

var timeUnits = []struct {
	name string
	unit float64
}{
	{"inms", milliseconds}, {"ms", milliseconds}, {"msec", milliseconds}, {"millis", milliseconds}, {"milliseconds", milliseconds}, {"us", microseconds}, {"usec", microseconds}, {"micros", microseconds},
	{"microseconds", microseconds}, {"ns", nanoseconds}, {"nsec", nanoseconds}, {"nanos", nanoseconds}, {"nanoseconds", nanoseconds}, {"sec", seconds}, {"seconds", seconds},
}

// parts are words of names that say how long a part of the request took.
var parts = []string{"db", "sql", "redis", "queue", "queued", "wait", "view", "connect", "handshake", "tls", "ssl", "dns", "gc", "cpu", "first", "ttfb", "read", "write", "send", "receive"}

// latencyUnit returns the unit that a name gives a latency, if it is the name of one.
func latencyUnit(name string) (unit float64, ok bool) {
	if unit, ok = latencies[name]; ok {
		return unit, true
	}
	for _, u := range timeUnits {
		if of, cut := strings.CutSuffix(name, u.name); cut && timed[of] {
			return u.unit, true
		}
	}
	return 0, false
}

// namedLatency reads a latency, in milliseconds, from a text that has a name of these words. It is
// not ok if the text is no latency of the request.
func namedLatency(words []string, text []byte) (ms float64, ok bool) {
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(elsewhere, w) || slices.Contains(parts, w) }) {
		return 0, false
	}
	if last := len(words) - 1; last > 0 && words[last] == "s" { // duration_s
		words = append(slices.Clone(words[:last]), "sec")
	}
	for i := range words {
		if unit, known := latencyUnit(strings.Join(words[i:], "")); known {
			if ms, ok = latencyIn(text, unit); ok {
				return ms, true
			}
		}
	}
	return 0, false
}

// elapsed returns the latency in milliseconds that a line has, and whether its unit stands there.
func elapsed(pieces []piece, q request) (ms float64, unit, ok bool) {
	if text := squidElapsed(pieces, q.first); text != nil {
		ms, ok = latencyIn(text, milliseconds)
		return ms, false, ok
	}
	if ms, ok = namedIn(pieces[q.last+1:]); ok {
		return ms, false, true
	}
	if ms, ok = sumOfTimes(pieces[:q.first]); ok {
		return ms, false, true
	}
	if ms, ok = withUnit(slices.Concat(pieces[:q.first], pieces[q.last+1:])); ok {
		return ms, true, true
	}
	for _, p := range pieces[q.last+1:] {
		if p.open == '(' && isDecimal(p.text) { // APIcast's (0.012)
			ms, ok = latencyIn(p.text, seconds)
			return ms, false, ok
		}
	}
	return 0, false, false
}

// withUnit returns the only latency among the pieces that has its unit: 12ms, 12.3 ms or (12 ms).
func withUnit(pieces []piece) (ms float64, ok bool) {
	n := 0
	for i, p := range pieces {
		if p.open != 0 && p.open != '(' {
			continue
		}
		text := bytes.ReplaceAll(p.text, []byte(" "), nil)
		if i+1 < len(pieces) && isUnit(pieces[i+1]) {
			text = append(bytes.Clone(text), pieces[i+1].text...)
		}
		if len(text) < 2 || text[len(text)-1] != 's' || text[0] < '0' || text[0] > '9' {
			continue
		}
		if d, is := latencyIn(text, 0); is {
			ms = d
			n++
		}
	}
	return ms, n == 1 // of two, who knows which is the whole
}

// latencyBehind returns the latency that stands behind the columns of a template: one with a unit;
// nginx's seconds, if nothing else stands there without quotes; or the milliseconds of Skipper,
// which writes 32 api.example.com - - with the flow's id last.
func latencyBehind(rest []byte) (ms float64, ok bool) {
	if len(rest) < 3 {
		return 0, false
	}
	pieces := piecesOf(rest, spaces)
	if ms, ok = withUnit(pieces); ok {
		return ms, true
	}
	var bare [][]byte
	for _, p := range pieces {
		if p.open == 0 {
			bare = append(bare, p.text)
		}
	}
	switch {
	case len(bare) == 1 && isDecimal(bare[0]) && bytes.IndexByte(bare[0], '.') == len(bare[0])-len(".000"):
		return latencyIn(bare[0], seconds)
	case len(bare) == 4 && len(pieces) == 4 && isHost(bare[1]) && bytes.IndexByte(bare[0], '.') < 0 && bytes.IndexByte(rest, '=') < 0:
		return latencyIn(bare[0], milliseconds)
	}
	return 0, false
}

// sumOfTimes returns the latency of Amazon's load balancers: between the addresses of client and
// target and the status, they write the seconds that they took to pass on the request, to get the
// response and to pass it on.
func sumOfTimes(pieces []piece) (ms float64, ok bool) {
	const addresses, times = 2, 3
	for i := addresses; i+times < len(pieces); i++ {
		if target := pieces[i-1].text; !isAddress(pieces[i-2].text) || !isAddress(target) && string(target) != "-" || statusText(pieces[i+times].text) == nil {
			continue
		}
		for _, p := range pieces[i : i+times] {
			part, is := latencyIn(p.text, seconds)
			if !is || !isDecimal(p.text) {
				return 0, false
			}
			ms += part
		}
		return ms, true
	}
	return 0, false
}

// squidElapsed returns the milliseconds that Squid writes second, between the time and the client.
func squidElapsed(pieces []piece, first int) []byte {
	if first < 4 || bytes.IndexByte(pieces[3].text, '/') < 0 || statusText(pieces[3].text) == nil || len(bytes.TrimLeft(pieces[1].text, "0123456789")) > 0 {
		return nil
	}
	return pieces[1].text
}

// namedIn returns the latency in milliseconds among pieces such as rt=0.012, response_time:0.012
// and request_time 0.012.
func namedIn(pieces []piece) (ms float64, ok bool) {
	for i, p := range pieces {
		name, value, cut := p.text, []byte(nil), false
		if at := bytes.IndexAny(p.text, "=:"); at > 0 {
			name, value, cut = p.text[:at], bytes.Trim(p.text[at+1:], `"`), true
		}
		if !cut && i+1 < len(pieces) && isDecimal(pieces[i+1].text) {
			value = pieces[i+1].text
		}
		if p.open != 0 || len(value) == 0 || !isKey(name) {
			continue
		}
		if ms, ok = namedLatency(wordsOf(string(name)), value); ok {
			return ms, true
		}
	}
	return 0, false
}
