// Package accesslog turns a record, the value of one Kafka message, into Elements, one for each
// request. An Element holds an Access, or the reason why it is a dead letter.
//
// A record holds one log entry, a JSON array of them or several lines, possibly inside a log
// shipper's wrapper. Each entry becomes an Element, numbered in order from 0. The content of an
// entry tells which gateway wrote it. The gateways are rows of the table in formats.go, each with
// the keys it is known by and the documented names of its fields. A new gateway takes a row there,
// a record in the corpus (cmd/ingest/testdata/records), a row in docs/formats.md and a new
// parserVersion (package enrich). Users describe their own formats in the configuration
// (config.go); those rows are tried first.
//
// Everything becomes a JSON object before its fields are read. A text line is split by the vendor's
// own template, into an object with the template's names as keys (line.go). An OTLP log record
// becomes an object of its attributes (otlp.go). An object around another one, or around a line, is
// a wrapper: the entry is looked for inside (wrapper.go). So a format consists of its row and
// nothing else.
//
// Reading an object takes one pass over its top-level keys. The keys that formats ask for are
// numbered when the Reader is made, and the pass notes which of them are present and where
// (object.go). Detection then compares bit masks, and a top-level field is one array access away,
// however many formats and names exist.
//
// An entry that cannot be used is data too: it becomes a dead letter with a Reason, and the entries
// around it are still read.
package accesslog

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"errata/internal/bodycoding"
	"errata/internal/jsontree"
)

// BodyState says what could be seen of a response body, so that "no errors" and "we could not see"
// are never the same number.
type BodyState string

const (
	JSON        BodyState = "json"
	XML         BodyState = "xml"
	Text        BodyState = "text"      // readable, neither JSON nor XML
	Truncated   BodyState = "truncated" // JSON, XML or a compressed body that is cut off
	Undecodable BodyState = "undecodable"
	Empty       BodyState = "empty"
	Absent      BodyState = "absent" // this gateway logs no body
)

// Reason says why a record, or an element of it, could not be used.
type Reason string

const (
	ReasonEmpty         Reason = "empty"          // no bytes, or only white space
	ReasonMalformed     Reason = "malformed"      // neither JSON nor a known line
	ReasonTruncated     Reason = "truncated"      // the record itself is cut off
	ReasonNotAnObject   Reason = "not_an_object"  // an element of an array that is not an object
	ReasonUnknownFormat Reason = "unknown_format" // no known gateway writes such a record
	ReasonTooMany       Reason = "too_many"       // more than 10,000 elements
	ReasonBadTime       Reason = "bad_time"       // before 2000, or more than a day after Kafka's time
	ReasonBadField      Reason = "bad_field"      // a status that is none, or a list where an object belongs
	ReasonTooOld        Reason = "too_old"        // more than MaxAge before Kafka's time: the tables keep nothing that old
	ReasonParserPanic   Reason = "parser_panic"   // the parser panicked on it: a fault of ours (package enrich)
)

// Reasons are all of them.
var Reasons = []Reason{ReasonEmpty, ReasonMalformed, ReasonTruncated, ReasonNotAnObject, ReasonUnknownFormat, ReasonTooMany, ReasonBadField, ReasonBadTime, ReasonTooOld, ReasonParserPanic}

// Access is one request as the gateway logged it. A zero field is unknown.
type Access struct {
	Time      time.Time // UTC, whole milliseconds
	Tenant    string
	Service   string // its name, else its id
	Route     string // its name, else its id, else the template of Config.Routes that matches the path
	Method    string
	Path      RawText // without the query
	Status    int
	LatencyMS float64 // meaningful when HasLatency
	RequestID RawText

	HasLatency bool
	Body       []byte    // of the response; valid until the Reader's next Read
	Escaped    bool      // Body still has the escapes of the JSON string that held it: most bodies need no unescaping
	Proved     bool      // Body is a whole JSON document without a suspect: see Prove
	BodyState  BodyState // Absent, Empty or Undecodable; "": package parse finds out from Body

	IgnoreBody bool // do not search it for errors: Config.IgnoreBodies

	ContentType     string // response header, lower case
	ContentEncoding string // response header, lower case

	// What the gateway itself says about a failed request, besides the body that it passed on.
	GatewayCode    string // its own error code, or class of errors
	GatewayMessage string
	GRPCStatus     string // header or trailer grpc-status, a number or a name; "0" is success
	GRPCMessage    string // header or trailer grpc-message

	Format string // the dialect under which package parse reports the gateway's own errors
}

// RawText is a text that only errors need, as the record has it. It is valid until the Reader's
// next Read. String copies it.
type RawText []byte

// String returns the text as valid UTF-8 of limited length.
func (t RawText) String() string { return clip(t) }

// Element is one request of a record: the record itself, or one item of its array. The Access is
// zero if the element is a dead letter or excluded.
type Element struct {
	Access     Access
	DeadLetter Reason
	Excluded   bool   // left out by Config.Exclude
	Raw        []byte // the smallest part of the record that holds the element
}

// Record is what one Kafka message, or one line of a file, holds. With a DeadLetter it has no
// elements, and its Format is Unknown.
type Record struct {
	Format     string // that of the first element that has one, else Unknown
	Elements   []Element
	DeadLetter Reason
}

// Unknown is the Format of a record in no known format.
const Unknown = "unknown"

// Clock limits the times that a record may carry.
type Clock struct {
	Fallback time.Time // the time of a record without a usable one of its own; zero: no fallback
	Latest   time.Time // a later time is ReasonBadTime
	Oldest   time.Time // an earlier time is ReasonTooOld, unless it is ReasonBadTime; zero: no limit
	Optional bool      // a record without any time is accepted, with a zero Time
}

// earliest is the first time that a record may carry: an older one comes from a clock that was
// never set.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// KafkaClock returns the Clock of a message that Kafka stamped with at. Some producers stamp 1970
// or nonsense. Such a stamp is ignored, and only a fixed limit far ahead remains, because what
// becomes of a record must not depend on when it is read.
func KafkaClock(at time.Time) Clock {
	if !Plausible(at) {
		return Clock{Latest: latest}
	}
	return Clock{Fallback: at, Latest: at.Add(24 * time.Hour), Oldest: at.Add(-MaxAge)}
}

// MaxAge is how much older than Kafka's time a record may be. Package store derives from it how
// long it keeps the counts of a minute: a count must not expire before its day is rolled up into
// hours.
const MaxAge = 790 * 24 * time.Hour

// latest is the last time that any record may carry.
var latest = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// Plausible reports whether a message can have been stamped with this time.
func Plausible(at time.Time) bool { return !at.Before(earliest) && at.Before(latest) }

// Reader reads records. It reuses its memory: only one goroutine may use it at a time, and a Record
// is valid until the next Read.
type Reader struct {
	keys        keyNumbers
	detected    []*format            // those of ingest.format: all, or one
	topics      map[string][]*format // for the topics that have a format of their own
	wrappers    wrappers
	routes      routes
	exclude     []exclusion
	ignore      []exclusion
	fingerprint string
	paths       jsontree.Paths // all places that the quick way asks for
	bodies      []int          // the places of bodies among them
	wrapperKeys set            // of keys under which shippers put records
	plain       bool           // never use the quick way
	shapes      shapes

	// Of the record at hand.
	formats    []*format // the candidates, in order
	clock      Clock
	elements   []Element
	levels     []*object // the objects around the current one, by depth, and the current one
	why        Reason    // what was found wrong inside a wrapper, "" if nothing
	unsure     bool      // the quick way has found a record that takes the plain way
	fieldNames []string  // of the columns of text lines, from a line #Fields:
	buf        []byte    // holds bodies and the objects made of text lines; only ever appended to
	scratch    []byte    // the text of one field without its escapes
	values     [][]byte  // of a text line
	claims     jsontree.Tree
	minute     minute
	recurring
}

// place is a place in a record.
type place struct {
	depth   int    // objects around it
	wrapped int    // wrappers among them
	raw     []byte // what its Element.Raw will be
}

// Read reads one record. topic is "" if it came from none.
func (r *Reader) Read(topic string, value []byte, clock Clock) Record {
	r.buf, r.elements, r.clock, r.why, r.fieldNames = r.buf[:0], r.elements[:0], clock, "", nil
	if cap(r.elements) > maxElements {
		r.elements = nil
	}
	r.formats = r.detected
	if own, ok := r.topics[topic]; ok {
		r.formats = own
	}
	value = trimSpace(avroText(value))
	if len(value) == 0 {
		return deadRecord(ReasonEmpty)
	}
	name, why := r.text(value, place{raw: value})
	for layers, text := 0, value; why == ReasonMalformed && layers < maxEncoded; layers++ {
		if text = r.decoded(text); len(text) == 0 {
			break
		}
		r.level(0).fill = nil // of an earlier record: no object is around the text
		if inner, not := r.text(text, place{depth: 1, wrapped: 1, raw: value}); not == "" && inner != "" {
			name, why = inner, ""
		} else {
			r.elements = r.elements[:0]
		}
	}
	switch {
	case len(r.elements) > maxElements:
		return deadRecord(ReasonTooMany)
	case why != "":
		return deadRecord(why)
	case name == "":
		name = Unknown
	}
	return Record{Format: name, Elements: r.elements}
}

func deadRecord(why Reason) Record { return Record{Format: Unknown, DeadLetter: why} }

// maxElements is how many elements a record may have. Gateways send at most a thousand, and each
// takes memory here.
const maxElements = 10_000

// text reads the bytes of a record: one JSON document or line, or several. Either it appends
// elements and returns the format, "" if no element has one; or it appends none and returns why.
func (r *Reader) text(text []byte, at place) (name string, why Reason) {
	if text[0] != '{' && text[0] != '[' {
		if bytes.IndexByte(text, '\n') >= 0 {
			return r.several(text, at)
		}
		return r.textLine(text, at)
	}
	if name, ok := r.quick(text, at); ok {
		return name, ""
	}
	tree := &r.level(at.depth).tree
	root := tree.Parse(text)
	switch whole := tree.Ending == jsontree.Whole; {
	case whole && root.Kind() == jsontree.Object:
		if at.depth == 0 {
			at.raw = root.Raw()
		}
		if name = r.object(root, at); name == "" {
			return "", r.unknown()
		}
		return name, ""
	case whole:
		return r.array(root, at)
	}
	if bytes.IndexByte(text, '\n') >= 0 {
		return r.several(text, at)
	}
	return r.damaged(text, at)
}

// damaged reads what begins like JSON and is not: a document that is cut off, or a text line that
// begins with a bracket.
func (r *Reader) damaged(text []byte, at place) (name string, why Reason) {
	tree := &r.level(at.depth).tree
	root := tree.Parse(text)
	cut := tree.Ending == jsontree.Cut
	if cut && root.Kind() == jsontree.Array && at.depth == 0 {
		return r.array(root, at)
	}
	if name, why = r.textLine(text, at); name == "" && why == ReasonMalformed && cut {
		why = ReasonTruncated
	}
	return name, why
}

// textLine reads a line.
func (r *Reader) textLine(line []byte, at place) (name string, why Reason) {
	if name = r.line(line, at); name != "" {
		return name, ""
	}
	if why = r.why; why == "" {
		why = ReasonMalformed
	}
	r.why = ""
	return "", why
}

// unknown returns the reason for an object that is in no format or holds a damaged record.
func (r *Reader) unknown() Reason {
	why := r.why
	if r.why = ""; why == "" {
		why = ReasonUnknownFormat
	}
	return why
}

// array reads the elements of an array. If the array is cut off, it reads the whole ones and makes
// the last one a dead letter.
func (r *Reader) array(root jsontree.Value, at place) (name string, why Reason) {
	before := len(r.elements)
	for item := root.First(); item.Kind() != jsontree.Missing && len(r.elements) <= maxElements; item = item.Next() {
		if at.depth == 0 {
			at.raw = item.Raw()
		}
		format := ""
		switch {
		case !item.Complete():
			r.deadLetter(ReasonTruncated, at)
		case item.Kind() == jsontree.String:
			r.level(at.depth).fill = nil // of an earlier record: no object is around the text
			if format = r.wrapped(r.unescaped(item), place{at.depth + 1, at.wrapped + 1, at.raw}); format == "" {
				r.deadLetter(ReasonNotAnObject, at)
			}
		case item.Kind() != jsontree.Object:
			r.deadLetter(ReasonNotAnObject, at)
		default:
			if format = r.object(item, at); format == "" {
				r.deadLetter(r.unknown(), at)
			}
		}
		if name == "" {
			name = format
		}
	}
	if root.Complete() {
		return name, ""
	}
	last := len(r.elements) - 1
	if last < before {
		return "", ReasonTruncated
	}
	if r.elements[last].DeadLetter != ReasonTruncated {
		r.elements = append(r.elements, Element{DeadLetter: ReasonTruncated}) // cut between two elements
	}
	return name, ""
}

func (r *Reader) deadLetter(why Reason, at place) {
	r.elements = append(r.elements, Element{DeadLetter: why, Raw: at.raw})
}

// object reads one JSON object: a record, or a wrapper around records. It appends their elements
// and returns the format; or it appends nothing and returns "". Loose formats come after the look
// inside. What only the meaning of its keys tells comes after that, and last a look under keys that
// no shipper in the table uses.
func (r *Reader) object(v jsontree.Value, at place) string {
	o := r.level(at.depth)
	o.index(v, r.keys)
	if name := r.own(o, r.formats, v, at); name != "" {
		return name
	}
	if name := r.inside(o, at); name != "" {
		return name
	}
	if name := r.shared(o, r.formats, v, at); name != "" {
		return name
	}
	if name := r.byMeaning(v, at, false); name != "" {
		return name
	}
	return r.anywhere(v, at)
}

// own reads o in one of the formats that has keys of its own. v is the whole object, if there is a
// tree of it.
func (r *Reader) own(o *object, formats []*format, v jsontree.Value, at place) string {
	for _, f := range formats {
		if f.loose || !o.is(r, f) {
			continue
		}
		e := r.try(f, o, at)
		if e == nil {
			continue
		}
		return r.settled(f, e, o, v, at, func(a *Access) string {
			if name := r.expanded(v, at); name != "" || a.Status != 0 || len(a.Path) > 0 {
				return name
			}
			return r.byMeaning(v, at, false)
		})
	}
	return ""
}

// shared reads o in one of the formats whose keys others have too, or in the one that the
// configuration names.
func (r *Reader) shared(o *object, formats []*format, v jsontree.Value, at place) string {
	for _, f := range formats {
		if !f.given && !(f.loose && o.is(r, f)) {
			continue
		}
		e := r.try(f, o, at)
		if e == nil {
			continue
		}
		return r.settled(f, e, o, v, at, func(a *Access) string {
			if a.Status != 0 || r.misshapen(f, o, a) {
				return ""
			}
			name := r.byMeaning(v, at, false)
			o.index(v, r.keys) // as it was before
			return name
		})
	}
	return ""
}

// settled finishes the element e, which try appended, and returns the format of what was read. If
// its access lacks what every request has, the object is read in another way, or what is missing is
// filled in. Without a tree of the object, it is left to the plain way.
func (r *Reader) settled(f *format, e *Element, o *object, v jsontree.Value, at place, anotherWay func(a *Access) string) string {
	if f.lacks(&e.Access) {
		a := e.Access
		r.drop() // the other way appends elements of its own
		if v.Kind() == jsontree.Missing {
			r.unsure = true
			return ""
		}
		if name := anotherWay(&a); name != "" {
			return name
		}
		r.complete(f, &a, o, v, at)
		e = r.element(at)
		e.Access = a
	}
	r.finish(f, e, o, at)
	return f.name
}

// lacks reports whether an access in a format of the table lacks what every request has.
func (f *format) lacks(a *Access) bool {
	return !f.users && (a.Time.IsZero() || len(a.Path) == 0 || a.Status == 0)
}

// element appends an element to fill in, and drop removes it: an Access is large, so it is made
// where it stays.
func (r *Reader) element(at place) *Element {
	r.elements = append(r.elements, Element{Raw: at.raw})
	return &r.elements[len(r.elements)-1]
}

func (r *Reader) drop() { r.elements = r.elements[:len(r.elements)-1] }

// try appends an element with the access that f names in o, or returns nil if there is none.
func (r *Reader) try(f *format, o *object, at place) *Element {
	e := r.element(at)
	if !r.read(&e.Access, f, o) {
		r.drop()
		return nil
	}
	return e
}

// add appends an element with an access of o.
func (r *Reader) add(f *format, a Access, o *object, at place) {
	e := r.element(at)
	e.Access = a
	r.finish(f, e, o, at)
}

// finish completes the access of the element that was appended last from the wrappers around it and
// with its route, unless it is excluded or cannot be used.
func (r *Reader) finish(f *format, e *Element, o *object, at place) {
	a := &e.Access
	a.Format, r.why = f.name, ""
	for depth := at.depth - 1; depth >= 0; depth-- {
		if around := r.levels[depth]; around.fill != nil {
			b, _ := r.access(around.fill, around)
			*a = a.filled(b)
		}
	}
	absurd := a.Time.IsZero() && r.absurdTime(f, o)
	if a.Time.IsZero() {
		a.Time = r.clock.Fallback.UTC().Truncate(time.Millisecond)
	}
	if a.Route == "" && len(r.routes) > 0 {
		a.Route = r.routes.of(a.Path)
	}
	switch {
	case r.described(r.exclude, a, o):
		*e = Element{Excluded: true, Raw: at.raw}
	case (a.Status == 0 || len(a.Path) == 0) && r.misshapen(f, o, a):
		*e = Element{DeadLetter: ReasonBadField, Raw: at.raw}
	case absurd || a.Time.After(r.clock.Latest) || a.Time.Before(earliest) && !(a.Time.IsZero() && r.clock.Optional):
		*e = Element{DeadLetter: ReasonBadTime, Raw: at.raw}
	case a.Time.Before(r.clock.Oldest) && !a.Time.IsZero():
		*e = Element{DeadLetter: ReasonTooOld, Raw: at.raw}
	default:
		a.IgnoreBody = r.described(r.ignore, a, o)
	}
}

// filled returns a with its unknown fields taken from b.
func (a Access) filled(b Access) Access {
	if a.Time.IsZero() {
		a.Time = b.Time
	}
	a.Tenant = cmp.Or(a.Tenant, b.Tenant)
	a.Service = cmp.Or(a.Service, b.Service)
	a.Route = cmp.Or(a.Route, b.Route)
	a.Method = cmp.Or(a.Method, b.Method)
	a.Status = cmp.Or(a.Status, b.Status)
	if len(a.Path) == 0 {
		a.Path = b.Path
	}
	if len(a.RequestID) == 0 {
		a.RequestID = b.RequestID
	}
	a.ContentType = cmp.Or(a.ContentType, b.ContentType)
	a.ContentEncoding = cmp.Or(a.ContentEncoding, b.ContentEncoding)
	a.GRPCStatus = cmp.Or(a.GRPCStatus, b.GRPCStatus)
	a.GRPCMessage = cmp.Or(a.GRPCMessage, b.GRPCMessage)
	if !a.HasLatency {
		a.LatencyMS, a.HasLatency = b.LatencyMS, b.HasLatency
	}
	if a.BodyState == Absent {
		a.Body, a.Escaped, a.Proved, a.BodyState = b.Body, b.Escaped, b.Proved, b.BodyState
	}
	return a
}

// access returns the fields of o that f names, as read does.
func (r *Reader) access(f *format, o *object) (a Access, ok bool) {
	ok = r.read(&a, f, o)
	return a, ok
}

// read reads the fields of o that f names into a, which is zero. It is not ok if o has none of
// those that make a request: status, path or body; or the time, in a format with keys of its own.
func (r *Reader) read(a *Access, f *format, o *object) (ok bool) {
	a.Tenant = r.name(o, f.tenant)
	a.Service = r.name(o, f.service)
	a.Route = r.name(o, f.route)
	a.Method = r.name(o, f.method)
	a.Path = pathOf(r.kept(o, f.path))
	a.RequestID = r.kept(o, f.requestID)
	a.ContentType = r.lower(o, f.contentType)
	a.ContentEncoding = r.lower(o, f.contentEncoding)
	a.GatewayCode = r.name(o, f.gatewayCode)
	a.GatewayMessage = r.once(o, f.gatewayMessage)
	a.GRPCStatus = r.name(o, f.grpcStatus)
	a.GRPCMessage = r.once(o, f.grpcMessage)
	a.BodyState = Absent
	if len(a.Path) == 0 || a.Method == "" {
		if line := r.kept(o, f.requestLine); len(line) > 0 { // "GET /x?y HTTP/1.1", or the target alone
			method, rest, whole := bytes.Cut(line, []byte(" "))
			target, _, _ := bytes.Cut(rest, []byte(" "))
			if !whole && line[0] == '/' {
				method, target = nil, line
			}
			if a.Method == "" {
				a.Method = r.intern(method)
			}
			if len(a.Path) == 0 {
				a.Path = pathOf(RawText(target))
			}
		}
	}
	if !isMethod(a.Method) { // what a port scanner sent
		a.Method = ""
	}
	a.Status = r.status(o, f)
	a.LatencyMS, a.HasLatency = r.latency(o, f)
	a.Time = r.time(o, f)
	r.body(a, f, o)
	if len(f.rawResponse) > 0 {
		a.Proved = false
		r.rawResponse(a, f, o)
	}
	return a.Status != 0 || len(a.Path) > 0 || a.BodyState != Absent || !f.loose && !f.given && !a.Time.IsZero()
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isMethod(s string) bool {
	if len(s) > 24 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

func (r *Reader) status(o *object, f *format) int {
	for i := range f.status {
		b := r.find(o, &f.status[i])
		if len(b) == 0 {
			continue
		}
		if o.value(&f.status[i]).Kind() == jsontree.Array { // only headers are lists
			return 0
		}
		if len(b) > 3 && b[3] == ' ' { // 200 OK
			b = b[:3]
		}
		n, err := number(b)
		if err == nil && 0 < n && n < 1000 && n == math.Trunc(n) {
			return int(n)
		}
		if s := f.status[i].path; err != nil && !f.loose && !f.given && isLetter(b[0]) && len(s) == 1 && s[0] != "status" { // what stands elsewhere is another status
			return 0
		}
	}
	return 0
}

// maxLatency limits a latency, in the gateway's unit: a greater number is no measurement.
const maxLatency = 1e15

func (r *Reader) latency(o *object, f *format) (ms float64, ok bool) {
	for i := range f.latency {
		s := &f.latency[i]
		b := r.find(o, s)
		if len(b) == 0 {
			continue
		}
		n, err := number(b)
		n *= s.unit
		if err != nil {
			d, err := time.ParseDuration(string(b)) // 4.529µs, as Go programs write it
			if err != nil {
				continue
			}
			n = float64(d) / 1e6
		}
		if n >= 0 && n < maxLatency*s.unit {
			return math.Round(n*1e6) / 1e6, true
		}
	}
	return 0, false
}

// time returns the time of a record. If that is a whole second and there is a finer one of the same
// second, it returns the finer one.
func (r *Reader) time(o *object, f *format) (found time.Time) {
	for i := range f.time {
		s := &f.time[i]
		t, ok := timeOf(r.whole(o, s))
		if !ok {
			b := r.find(o, s)
			if len(b) == 0 {
				continue
			}
			t, ok = r.minute.parseTime(s, b)
		}
		switch {
		case !ok:
		case found.IsZero():
			if found = t; t.Nanosecond() != 0 {
				return t
			}
		case t.Truncate(time.Second).Equal(found):
			return t
		}
	}
	return found
}

// whole is o.value with all that is inside, of which the quick way keeps little. It is valid until
// the next whole.
func (r *Reader) whole(o *object, s *source) jsontree.Value {
	v := o.value(s)
	if k := v.Kind(); o.selected && (k == jsontree.Object || k == jsontree.Array) {
		return r.claims.Parse(v.Raw())
	}
	return v
}

func (r *Reader) body(a *Access, f *format, o *object) {
	for i := range f.body {
		b := o.value(&f.body[i])
		if f.body[i].either && r.ofRequest(a, f, o, b) {
			continue
		}
		switch b.Kind() {
		case jsontree.Missing:
			continue
		case jsontree.Null: // perhaps the body is under another key: some loggers write all their keys
			a.BodyState = Empty
			continue
		case jsontree.String:
			if raw := b.Raw(); len(raw) == 0 || string(raw) == "-" {
				a.BodyState = Empty
				continue
			}
			a.Body, a.Escaped, a.Proved, a.BodyState = b.Raw(), b.Escaped(), b.Proved(), ""
		default: // logged as JSON, not as a string that holds JSON
			a.Body, a.BodyState = b.Raw(), ""
		}
		return
	}
	for i := range f.bodyBase64 {
		b := o.value(&f.bodyBase64[i])
		text := trimSpace(r.unescaped(b))
		if len(text) == 0 || string(text) == "-" {
			if b.Kind() != jsontree.Missing {
				a.BodyState = Empty
			}
			continue
		}
		switch body, _, ok := bodycoding.Base64(text); {
		case !ok:
			a.Body, a.BodyState = nil, Undecodable
		case len(body) == 0:
			a.BodyState = Empty
		default:
			a.Body, a.BodyState = body, ""
		}
		return
	}
}

// unescaped returns the text of a scalar, valid until the next Read.
func (r *Reader) unescaped(v jsontree.Value) []byte {
	if k := v.Kind(); k == jsontree.Null || k == jsontree.Object || k == jsontree.Array {
		return nil
	}
	if !v.Escaped() {
		return v.Raw()
	}
	from := len(r.buf)
	r.buf = v.AppendText(r.buf)
	return r.buf[from:]
}

// find returns the trimmed text that a source leads to, nil if there is none. It is valid until the
// next find.
func (r *Reader) find(o *object, s *source) []byte {
	var b []byte
	if s.path == nil {
		return append(r.scratch[:0], s.constant...)
	}
	v := o.value(s)
	kind := v.Kind()
	if kind == jsontree.Array { // some gateways write headers as lists
		v = v.First()
		kind = v.Kind()
	}
	switch kind {
	case jsontree.String:
		if b = v.Raw(); v.Escaped() {
			r.scratch = v.AppendText(r.scratch[:0])
			b = r.scratch
		}
	case jsontree.Number, jsontree.Bool:
		b = v.Raw()
	}
	if b = trimSpace(b); len(b) == 0 || string(b) == "-" {
		return nil
	}
	if s.claim != nil {
		b = r.claim(b, s.claim)
	}
	if s.pattern != nil && b != nil {
		m := s.pattern.FindSubmatchIndex(b)
		switch {
		case m == nil:
			return nil
		case len(m) > 2 && m[2] >= 0:
			b = b[m[2]:m[3]]
		default:
			b = b[m[0]:m[1]]
		}
	}
	if s.names != nil {
		if n, err := strconv.Atoi(string(b)); err == nil && 0 <= n && n < len(s.names) {
			b = append(r.scratch[:0], s.names[n]...)
		}
	}
	return b
}

// maxText is how many bytes of a field are kept.
const maxText = 4096

// name returns the first text that a field's sources lead to. It is for fields whose texts recur.
func (r *Reader) name(o *object, f field) string {
	for i := range f {
		if b := r.find(o, &f[i]); len(b) > 0 {
			return r.intern(b)
		}
	}
	return ""
}

// once is name for texts that do not recur.
func (r *Reader) once(o *object, f field) string {
	for i := range f {
		if b := r.find(o, &f[i]); len(b) > 0 {
			return clip(b)
		}
	}
	return ""
}

// kept is once without a copy that outlives the record.
func (r *Reader) kept(o *object, f field) RawText {
	for i := range f {
		if b := r.find(o, &f[i]); len(b) > 0 {
			from := len(r.buf)
			r.buf = append(r.buf, b[:min(len(b), maxText)]...)
			return RawText(r.buf[from:len(r.buf):len(r.buf)])
		}
	}
	return nil
}

// lower is name in lower case.
func (r *Reader) lower(o *object, f field) string {
	for i := range f {
		if b := r.find(o, &f[i]); len(b) > 0 {
			return r.inLower(b)
		}
	}
	return ""
}

// clip returns valid UTF-8 of limited length.
func clip(b []byte) string {
	b = b[:min(len(b), maxText)]
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// trimSpace is bytes.TrimSpace for ASCII, and also removes a byte-order mark and the zero bytes
// with which some producers pad.
func trimSpace(b []byte) []byte {
	if len(b) > 0 && ' ' < b[0] && b[0] < utf8.RuneSelf && b[len(b)-1] > ' ' {
		return b // inline, as almost always
	}
	return trimmed(b)
}

func trimmed(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	for len(b) > 0 && (b[0] <= ' ') {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// pathOf returns the path of a request target, which may be a whole URL.
func pathOf(target RawText) RawText {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target = target[:i]
	}
	if i := bytes.IndexByte(target, '#'); i >= 0 {
		target = target[:i]
	}
	if len(target) > 0 && target[0] == '/' {
		return target
	}
	if _, rest, ok := bytes.Cut(target, []byte("://")); ok {
		if i := bytes.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return RawText("/")
	}
	return target
}
