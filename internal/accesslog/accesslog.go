// Package accesslog turns a gateway's log record into Access values, the
// first plain type of a record's life.
//
// A Kafka message holds one record or, from APISIX, a JSON array of them: one
// Element each, in order, numbered from 0. Which gateway wrote a record is told
// by what is in it; the gateways are rows of the table in formats.go, each with
// the documented names of its fields. A new gateway is a new row and a test file.
//
// A record that cannot be used is data too: it becomes a dead letter with a Reason,
// and the records around it are read all the same.
package accesslog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/jsontree"
)

// BodyState says what could be seen of a response body, so that "no errors"
// and "we could not see" are never the same number.
type BodyState string

const (
	JSON        BodyState = "json"
	XML         BodyState = "xml"
	Text        BodyState = "text"      // readable, neither JSON nor XML
	Truncated   BodyState = "truncated" // begins like JSON or XML and is cut off
	Undecodable BodyState = "undecodable"
	Empty       BodyState = "empty"
	Absent      BodyState = "absent" // this gateway logs no body
)

// Reason says why a record, or an element of an array, could not be used.
type Reason string

const (
	ReasonEmpty         Reason = "empty"          // no bytes, or white space alone
	ReasonMalformed     Reason = "malformed"      // not JSON
	ReasonTruncated     Reason = "truncated"      // the record itself is cut off
	ReasonNotAnObject   Reason = "not_an_object"  // an array's element that is no object
	ReasonUnknownFormat Reason = "unknown_format" // no gateway that we know writes such a record
	ReasonTooMany       Reason = "too_many"       // an array of more than 10,000 elements
	ReasonBadTime       Reason = "bad_time"       // before 2000, or more than a day after Kafka's time
)

// Access is one request as the gateway logged it. A zero field is unknown.
type Access struct {
	Time      time.Time // UTC, whole milliseconds
	Tenant    string
	Service   string // its name, else its id
	Route     string // its name, else its id
	Method    string
	Path      string // without the query
	Status    int
	LatencyMS float64 // meaningful when HasLatency
	RequestID string

	HasLatency bool
	Body       []byte    // of the response, decoded; valid until the Reader's next Read
	BodyState  BodyState // Absent, Empty or Undecodable; "" when package parse is to look at Body
}

// Element is one access of a record: the record itself, or one item of its array.
// With a DeadLetter its Access is zero.
type Element struct {
	Access     Access
	DeadLetter Reason
	Raw        []byte // the element's bytes in the record
}

// Record is what one Kafka message, or one line of a file, holds.
// With a DeadLetter there are no elements and Format is "unknown".
type Record struct {
	Format     string
	Elements   []Element
	DeadLetter Reason
}

// Clock bounds the times that a record may carry.
type Clock struct {
	Fallback time.Time // taken by a record without a usable time of its own; zero: there is none
	Latest   time.Time // a later time is ReasonBadTime
	Optional bool      // a record without any time stands, its Time zero
}

// earliest is the first time that a record may carry: what is older comes
// from a clock that was never set.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// KafkaClock is the Clock of a message that Kafka stamped with at. Some
// producers stamp 1970, or nonsense, which counts as no time; then only a fixed bound far
// ahead is left, since what becomes of a record must not depend on when it is read.
func KafkaClock(at time.Time) Clock {
	if !Plausible(at) {
		return Clock{Latest: latest}
	}
	return Clock{Fallback: at, Latest: at.Add(24 * time.Hour)}
}

// latest is the last time that anything may carry.
var latest = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// Plausible tells whether a time that Kafka stamped a message with can be one.
func Plausible(at time.Time) bool { return !at.Before(earliest) && at.Before(latest) }

// Reader reads records. It reuses its memory, so one goroutine uses it at a
// time, and a Record's bodies live until the next Read.
type Reader struct {
	formats  []format // those that may be detected; one alone when the format is given
	tree     jsontree.Tree
	buf      []byte
	elements []Element
	known    map[string]string // field texts that come again and again, see intern
}

// NewReader makes a Reader for the named format, or for any when name is "auto".
func NewReader(name string) (*Reader, error) {
	r := &Reader{formats: formats, known: map[string]string{}}
	if name == "auto" {
		return r, nil
	}
	i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
	if i < 0 {
		return nil, fmt.Errorf("unknown log format %q: give one of auto, %s", name, strings.Join(Formats(), ", "))
	}
	forced := formats[i]
	forced.detect = func(jsontree.Value) bool { return true }
	r.formats = []format{forced}
	return r, nil
}

// Formats are the names of the known formats.
func Formats() (names []string) {
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Read reads one record.
func (r *Reader) Read(value []byte, clock Clock) Record {
	r.buf, r.elements = r.buf[:0], r.elements[:0]
	root := r.tree.Parse(value)
	switch {
	case root.Kind() == jsontree.Missing && len(strings.TrimSpace(string(value[:min(len(value), 64)]))) == 0:
		return deadRecord(ReasonEmpty)
	case root.Kind() == jsontree.Object && r.tree.Ending == jsontree.Whole:
		format, e := r.element(root, clock)
		if format == "" {
			return deadRecord(e.DeadLetter)
		}
		r.elements = append(r.elements, e)
		return Record{Format: format, Elements: r.elements}
	case root.Kind() == jsontree.Array && (r.tree.Ending == jsontree.Whole || r.tree.Ending == jsontree.Cut):
		return r.array(root, clock)
	case r.tree.Ending == jsontree.Cut && root.Kind() == jsontree.Object:
		return deadRecord(ReasonTruncated)
	}
	return deadRecord(ReasonMalformed)
}

func deadRecord(why Reason) Record { return Record{Format: "unknown", DeadLetter: why} }

// maxElements is how many elements an array may have: gateways send a thousand at most, and each takes memory here.
const maxElements = 10_000

// array reads the elements of an array; of one that is cut off, those that are
// whole, and the last as a dead letter.
func (r *Reader) array(root jsontree.Value, clock Clock) Record {
	rec := Record{Format: "unknown"}
	if cap(r.elements) > maxElements {
		r.elements = nil
	}
	for item := root.First(); item.Kind() != jsontree.Missing; item = item.Next() {
		format, e := "", Element{Raw: item.Raw()}
		switch {
		case !item.Complete():
			e.DeadLetter = ReasonTruncated
		case item.Kind() != jsontree.Object:
			e.DeadLetter = ReasonNotAnObject
		default:
			format, e = r.element(item, clock)
		}
		if rec.Format == "unknown" && format != "" {
			rec.Format = format
		}
		if r.elements = append(r.elements, e); len(r.elements) > maxElements {
			return deadRecord(ReasonTooMany)
		}
	}
	if last := len(r.elements) - 1; !root.Complete() && (last < 0 || r.elements[last].DeadLetter != ReasonTruncated) {
		if last < 0 {
			return deadRecord(ReasonTruncated)
		}
		r.elements = append(r.elements, Element{DeadLetter: ReasonTruncated}) // cut between two elements
	}
	rec.Elements = r.elements
	return rec
}

// element reads one record object. The format is "" when none fits.
func (r *Reader) element(v jsontree.Value, clock Clock) (string, Element) {
	for i := range r.formats {
		f := &r.formats[i]
		if !f.detect(v) {
			continue
		}
		a, ok := r.access(f, v)
		if !ok {
			continue
		}
		if a.Time.IsZero() {
			a.Time = clock.Fallback.UTC().Truncate(time.Millisecond)
		}
		if late := a.Time.After(clock.Latest); late || a.Time.Before(earliest) && !(a.Time.IsZero() && clock.Optional) {
			return f.name, Element{DeadLetter: ReasonBadTime, Raw: v.Raw()}
		}
		return f.name, Element{Access: a, Raw: v.Raw()}
	}
	return "", Element{DeadLetter: ReasonUnknownFormat, Raw: v.Raw()}
}

// access reads the fields of v that f names. It is not ok when v has none of
// those that make a request: time, status, path, body.
func (r *Reader) access(f *format, v jsontree.Value) (a Access, ok bool) {
	a = Access{
		Tenant:    r.text(v, f.tenant),
		Service:   r.text(v, f.service),
		Route:     r.text(v, f.route),
		Method:    r.text(v, f.method),
		RequestID: r.text(v, f.requestID),
		BodyState: Absent,
	}
	a.Path = pathOf(r.text(v, f.path))
	if line := r.text(v, f.requestLine); line != "" { // "GET /x?y HTTP/1.1"
		method, rest, _ := strings.Cut(line, " ")
		target, _, _ := strings.Cut(rest, " ")
		if a.Method == "" {
			a.Method = method
		}
		if a.Path == "" {
			a.Path = pathOf(target)
		}
	}
	if n, err := strconv.ParseFloat(r.text(v, f.status), 64); err == nil && 0 < n && n < 1000 && n == math.Trunc(n) {
		a.Status = int(n)
	}
	if n, err := strconv.ParseFloat(r.text(v, f.latency), 64); err == nil && n >= 0 && n < maxLatency {
		a.LatencyMS, a.HasLatency = math.Round(n*f.latencyUnit*1e6)/1e6, true
	}
	for _, p := range f.time {
		if t, ok := parseTime(scalar(p.find(v)).Text()); ok {
			a.Time = t
			break
		}
	}
	r.body(&a, f, v)
	return a, !a.Time.IsZero() || a.Status != 0 || a.Path != "" || a.BodyState != Absent
}

// maxLatency bounds a latency, in the gateway's unit: what is above it is no measurement.
const maxLatency = 1e15

func (r *Reader) body(a *Access, f *format, v jsontree.Value) {
	for _, p := range f.body {
		switch b := p.find(v); b.Kind() {
		case jsontree.Missing:
			continue
		case jsontree.Null: // perhaps the body stands elsewhere: some loggers write all their keys
			a.BodyState = Empty
			continue
		case jsontree.String:
			a.Body, a.BodyState = b.Raw(), ""
			if b.Escaped() {
				from := len(r.buf)
				r.buf = b.AppendText(r.buf)
				a.Body = r.buf[from:]
			}
			if len(a.Body) == 0 || string(a.Body) == "-" && f.dashIsEmpty {
				a.Body, a.BodyState = nil, Empty
				continue
			}
		default: // logged as JSON itself, not as a string that holds JSON
			a.Body, a.BodyState = b.Raw(), ""
		}
		return
	}
	for _, p := range f.bodyBase64 {
		text := p.find(v).AppendText(nil)
		if len(text) == 0 {
			if p.find(v).Kind() != jsontree.Missing {
				a.BodyState = Empty
			}
			continue
		}
		switch body, err := decodeBase64(text); {
		case err != nil:
			a.Body, a.BodyState = nil, Undecodable
		case len(body) == 0:
			a.BodyState = Empty
		default:
			a.Body, a.BodyState = body, ""
		}
		return
	}
}

// decodeBase64 reads the standard and the URL alphabet, with or without padding. Of a text that is cut off it
// gives what is there; one with other bytes in it is an error.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=\r\n ")
	text = bytes.Map(func(r rune) rune {
		switch r {
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1] // six bits of a byte that is cut off
	}
	return base64.RawStdEncoding.AppendDecode(nil, text)
}

// text is the first of the paths that leads to a text, trimmed.
func (r *Reader) text(v jsontree.Value, paths []path) string {
	for _, p := range paths {
		found := scalar(p.find(v))
		if found.Kind() == jsontree.Missing || found.Kind() == jsontree.Null {
			continue
		}
		from := len(r.buf)
		r.buf = found.AppendText(r.buf)
		s := r.intern(r.buf[from:])
		r.buf = r.buf[:from]
		if s = strings.TrimSpace(s); s != "" && s != "-" {
			return s
		}
	}
	return ""
}

// intern gives the one string for a text. Tenants, services, routes, methods
// and statuses are few and come with every record; request ids and paths pass
// through too, so the table starts anew when it is full.
func (r *Reader) intern(b []byte) string {
	if s, ok := r.known[string(b)]; ok {
		return s
	}
	if len(r.known) >= 1<<14 {
		clear(r.known)
	}
	s := string(b)
	if len(s) <= 64 {
		r.known[s] = s
	}
	return s
}

// scalar looks through the list that some gateways make of a header: its first item.
func scalar(v jsontree.Value) jsontree.Value {
	if v.Kind() == jsontree.Array {
		return v.First()
	}
	return v
}

// pathOf is the path of a request target, which may be a whole URL.
func pathOf(target string) string {
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	if _, rest, ok := strings.Cut(target, "://"); ok && !strings.HasPrefix(target, "/") {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return "/"
	}
	return target
}
