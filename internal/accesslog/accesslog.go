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
	"cmp"
	"time"

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
