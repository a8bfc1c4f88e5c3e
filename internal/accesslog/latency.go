package accesslog

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"
)

// Latencies: in which unit a text is one, and which names say so.

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
