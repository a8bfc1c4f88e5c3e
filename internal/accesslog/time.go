package accesslog

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"errata/internal/jsontree"
)

// commonLog is the time of the common log format.
const commonLog = "02/Jan/2006:15:04:05 -0700"

// layouts are the ways gateways write a time. Each also matches with a fraction of the second after
// a point or comma. Without a zone, a time is UTC.
var layouts = []string{
	time.RFC3339Nano,
	commonLog,
	"02/Jan/2006:15:04:05",
	"02/Jan/2006 15:04:05", // Werkzeug and Django
	"2/Jan/2006:15:04:05 -0700",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 -07:00",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05 MST", // only UTC or GMT: Go knows no offsets of other names
	"2006-01-02 15:04:05",
	"2006/01/02 15:04:05",
	"2006/01/02 - 15:04:05", // Gin
	time.RFC1123Z,
	"Mon, 02 Jan 2006 15:04:05 MST",
	"Mon, 2 Jan 2006 15:04:05 MST",
	"Mon Jan _2 15:04:05 2006",
}

// earliestMS is earliest in milliseconds since 1970.
var earliestMS = float64(earliest.UnixMilli())

// parseTime reads a time as the source says: in its layout, as a number in its unit, or in any
// known way.
func (s *source) parseTime(b []byte) (time.Time, bool) {
	switch {
	case s.layout != "":
		t, err := time.ParseInLocation(s.layout, string(b), time.UTC)
		return t.UTC().Truncate(time.Millisecond), err == nil
	case s.unit != 0:
		f, err := number(b)
		if ms := f * s.unit; err == nil && (ms < earliestMS || ms >= 1e15) { // perhaps the number is in another unit: its size tells
			if t, ok := parseTime(b); ok && Plausible(t) {
				return t, true
			}
		}
		if ms := f * s.unit; err == nil {
			return time.UnixMilli(int64(ms + 0.0005)).UTC(), 0 < ms && ms < 1e15 // the error of nanoseconds in a float64
		}
	}
	return parseTime(b)
}

// minute is the minute of the latest time that was written as 2026-01-01T08:00:00.000+08:00, with
// or without the fraction and the zone. Most times are in the same minute as the one before: then
// only the seconds need reading.
type minute struct {
	head  string // up to the seconds, "" at first
	zone  string
	start time.Time
}

const lengthOfHead = len("2006-01-02T15:04:")

// parseTime is source.parseTime.
func (m *minute) parseTime(s *source, b []byte) (time.Time, bool) {
	if s.layout != "" || s.unit != 0 {
		return s.parseTime(b)
	}
	ms, zone, ok := secondsIn(b)
	if ok && string(b[:lengthOfHead]) == m.head && string(zone) == m.zone {
		return m.start.Add(time.Duration(ms) * time.Millisecond), true
	}
	t, read := parseTime(b)
	if read && ok {
		m.head, m.zone, m.start = string(b[:lengthOfHead]), string(zone), t.Add(-time.Duration(ms)*time.Millisecond)
	}
	return t, read
}

// secondsIn returns the seconds of a time as milliseconds, and what stands after them. It is ok
// only for what every layout reads so: two digits, and perhaps a point and at most nine digits.
func secondsIn(b []byte) (ms int, zone []byte, ok bool) {
	if len(b) < lengthOfHead+2 || b[10] != 'T' || b[lengthOfHead-1] != ':' {
		return 0, nil, false
	}
	tens, ones, rest := b[lengthOfHead]-'0', b[lengthOfHead+1]-'0', b[lengthOfHead+2:]
	if tens > 5 || ones > 9 {
		return 0, nil, false
	}
	ms = (int(tens)*10 + int(ones)) * 1000
	if len(rest) == 0 || rest[0] != '.' {
		return ms, rest, len(rest) == 0 || rest[0] != ','
	}
	rest = rest[1:]
	n := 0
	for unit := 100; n < len(rest) && '0' <= rest[n] && rest[n] <= '9'; n++ {
		ms += int(rest[n]-'0') * unit
		unit /= 10
	}
	return ms, rest[n:], 1 <= n && n <= 9
}

// timeOf reads what Jackson makes of Java's times without settings: a list of the year, the month
// and so on to the nanoseconds, or an object of seconds and nanoseconds. A list without a zone is
// UTC.
func timeOf(v jsontree.Value) (time.Time, bool) {
	var t time.Time
	switch v.Kind() {
	case jsontree.Array:
		parts := [7]int{1: 1, 2: 1}
		n := 0
		for item := v.First(); item.Kind() != jsontree.Missing; item = item.Next() {
			part, err := strconv.Atoi(string(item.Raw()))
			if n == len(parts) || item.Kind() != jsontree.Number || err != nil {
				return t, false
			}
			parts[n] = part
			n++
		}
		t = time.Date(parts[0], time.Month(parts[1]), parts[2], parts[3], parts[4], parts[5], parts[6], time.UTC)
		if n < 5 || t.Month() != time.Month(parts[1]) || t.Day() != parts[2] {
			return t, false
		}
	case jsontree.Object:
		seconds, err := strconv.ParseInt(string(v.Get("epochSecond").Raw()), 10, 64)
		if err != nil {
			return t, false
		}
		nanoseconds, _ := strconv.Atoi(string(v.Get("nano").Raw()))
		t = time.Unix(seconds, int64(nanoseconds)).UTC()
	default:
		return t, false
	}
	return t.Truncate(time.Millisecond), true
}

// parseTime reads a time in one of the layouts, or a number of seconds, milliseconds, microseconds
// or nanoseconds since 1970. The size of a number tells its unit: the ranges that the units have
// for the years 1973 to 5138 do not overlap. The result is cut to milliseconds.
func parseTime(b []byte) (time.Time, bool) {
	if n := len(b); n > 0 && b[n-1] == ']' {
		if i := bytes.IndexByte(b, '['); i > 0 { // Java: 2026-01-01T08:00:00+08:00[Asia/Shanghai]
			b = b[:i]
		} else if i == 0 {
			b = b[1 : n-1]
		}
	}
	if len(b) < 8 || len(b) > 64 || b[0] < '0' || b[0] > '9' && b[0] < 'A' {
		return time.Time{}, false
	}
	if len(b) >= 20 && b[10] == 'T' {
		var t time.Time
		if t.UnmarshalText(b) == nil { // RFC 3339, without an allocation
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	if b[4] != '-' && b[0] <= '9' && b[2] != '/' {
		if t, ok := parseEpoch(string(b)); ok {
			return t, true
		}
	}
	for _, layout := range layouts {
		if !alike(b, layout) {
			continue
		}
		t, err := time.ParseInLocation(layout, string(b), time.UTC)
		if err != nil {
			continue
		}
		if zone, _ := t.Zone(); strings.HasSuffix(layout, "MST") && zone != "UTC" && zone != "GMT" {
			continue
		}
		return t.UTC().Truncate(time.Millisecond), true
	}
	return time.Time{}, false
}

// alike reports whether a text has the layout's separators, up to the end of the date. That costs
// less than to parse it.
func alike(b []byte, layout string) bool {
	for i := range min(len(b), len(layout), 12) {
		if c := layout[i]; c != b[i] && (c == '/' || c == '-' || c == ',' || c == ' ' && layout[0] != 'M' || c == 'T' && i == 10) {
			return false
		}
	}
	return true
}

func parseEpoch(s string) (time.Time, bool) {
	if strings.ContainsAny(s, "eE") { // 1.7672256e+12, or a date
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 0 || f > 1e19 {
			return time.Time{}, false
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	switch {
	case n < 0:
		return time.Time{}, false
	case n < 1e11:
		ms, err := strconv.ParseUint((fraction + "000")[:3], 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		n = n*1000 + int64(ms)
	case n < 1e14:
	case n < 1e17:
		n /= 1e3
	default:
		n /= 1e6
	}
	return time.UnixMilli(n).UTC(), true
}
