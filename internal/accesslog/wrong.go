package accesslog

import (
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// misshapen reports whether a record whose status or path was not found has something else in their
// place: a status that is no HTTP status, or a list or a scalar where an object belongs. An empty
// list is what Lua's encoder makes of an empty object.
func (r *Reader) misshapen(f *format, o *object, a *Access) bool {
	if a.Status == 0 {
		for i := range f.status {
			if r.noStatus(o.value(&f.status[i])) {
				return true
			}
		}
	}
	nothing := a.Status == 0 && len(a.Path) == 0 && a.BodyState == Absent
	for _, field := range [...]field{f.status, f.path, f.body} {
		for i := range field {
			s := &field[i]
			if len(s.path) < 2 || !o.keys.has(s.key) {
				continue
			}
			switch around := o.top(s.key); around.Kind() {
			case jsontree.Array:
				if nothing || around.First().Kind() != jsontree.Missing {
					return true
				}
			case jsontree.String, jsontree.Number, jsontree.Bool:
				if nothing {
					return true
				}
			}
		}
	}
	return false
}

// noStatus reports whether a value stands for a status and can be none. 0, HAProxy's -1 and an
// empty text mean that there was no response.
func (r *Reader) noStatus(v jsontree.Value) bool {
	switch v.Kind() {
	case jsontree.Bool, jsontree.Object, jsontree.Array:
		return true
	case jsontree.String, jsontree.Number:
		text := string(trimSpace(v.AppendText(nil)))
		n, err := strconv.ParseFloat(text, 64)
		return text != "" && text != "-" && (err != nil || n != 0 && n != -1)
	}
	return false
}

// leastTime is the least number that can only be meant as a time.
const leastTime = 1e8

// absurdTime reports whether a record without a time has one that cannot be: a number that no unit
// makes a time of, or a year of more than four digits. What programs write for "not set" (0, -1,
// the years 0 and 1) is no time, and neither are words.
func (r *Reader) absurdTime(f *format, o *object) bool {
	for i := range f.time {
		b := r.find(o, &f.time[i])
		if len(b) == 0 {
			continue
		}
		if n, err := strconv.ParseFloat(string(b), 64); err == nil || n > leastTime {
			return n > leastTime
		}
		year, _, ok := strings.Cut(strings.TrimPrefix(string(b), "+"), "-")
		_, err := strconv.Atoi(year)
		return ok && err == nil && len(year) > 4 && year[0] != '-'
	}
	return false
}

// ofRequest reports whether the value under a plain "body" is that of the request, which nginx can
// log without help. A request without a body has none to log, and a size that equals that of the
// response tells whose it is.
func (r *Reader) ofRequest(a *Access, f *format, o *object, body jsontree.Value) bool {
	switch a.Method {
	case "POST", "PUT", "PATCH":
	default:
		return false
	}
	size := len(body.Raw())
	if body.Escaped() {
		size = len(r.unescaped(body))
	}
	for i := range f.bodySize {
		if n, err := strconv.Atoi(string(r.find(o, &f.bodySize[i]))); err == nil && n == size {
			return false
		}
	}
	return size > 0
}
