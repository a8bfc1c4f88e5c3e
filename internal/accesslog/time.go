package accesslog

import (
	"strconv"
	"strings"
	"time"
)

// layouts are the ways gateways write a time. Without a zone it is UTC.
var layouts = []string{
	time.RFC3339Nano,
	"02/Jan/2006:15:04:05 -0700", // common log format
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999 -0700",
	"2006-01-02 15:04:05.999999999",
	"2006/01/02 15:04:05.999999999",
	time.RFC1123Z,
	"Mon, 02 Jan 2006 15:04:05 GMT", // of other names of zones Go knows no offset
}

// parseTime reads a time in one of the layouts, or a number since 1970 in
// seconds, milliseconds, microseconds or nanoseconds. The unit of a number is told by
// its size: each unit's numbers for the years 1973 to 5138 are no other's.
// The result is cut to milliseconds.
func parseTime(s string) (time.Time, bool) {
	if len(s) < 8 || len(s) > 64 {
		return time.Time{}, false
	}
	if t, ok := parseEpoch(s); ok {
		return t, true
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
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
		ms, err := strconv.ParseInt((fraction + "000")[:3], 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		n = n*1000 + ms
	case n < 1e14:
	case n < 1e17:
		n /= 1e3
	default:
		n /= 1e6
	}
	return time.UnixMilli(n).UTC(), true
}
