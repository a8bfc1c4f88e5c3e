// Package enrich joins the envelopes of a Kafka message with the published catalogs.
//
// Its Processor turns one Kafka message into Events, without touching the outside world: accesslog
// reads the log entries in it, parse finds the envelopes in each entry's body, and each envelope
// becomes an Event with its family, kind, description and remedy, redacted and ready to store. The
// ingester and the dry run `ingest parse` both call it, so they cannot disagree.
package enrich

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"sync/atomic"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/parse"
)

// Config is the settings of a Processor: the section ingest of config.yaml. The zero Config has the
// defaults, but an audit share of 0.
type Config struct {
	accesslog.Config `mapstructure:",squash"`
	Dialects         []parse.Custom `mapstructure:"dialects"`    // the user's own, asked before the built-in ones
	Redact           []RedactRule   `mapstructure:"redact"`      // what else must not be stored, besides the built-in rules
	AuditShare       float64        `mapstructure:"audit_share"` // share of the bodies without findings to keep: 0 to 1
}

// Validate returns what is wrong with a Config, and what to do about it.
func (c Config) Validate() error {
	_, err := NewProcessor(c, nil)
	return err
}

// Event is one error envelope with what the catalogs say about it. A zero field is unknown.
type Event struct {
	parse.Envelope // Message redacted; RequestID the body's, else the log's

	CatalogCode    string // the catalog's spelling of Code
	Family         string // "unknown" when no catalog claims the code
	Kind           string
	Known          bool              // the family lists the code
	Template       string            // the published message, if the live one is an instance of it
	Args           map[string]string // of the template, by name or number, redacted
	Description    string
	Remedy         string
	Retry          string
	Owner          string
	CatalogVersion string
}

// Position is where in Kafka a record is, and which times it may carry.
type Position struct {
	Topic     string
	Partition int
	Offset    int64
	Clock     accesslog.Clock
}

// Element is one request of a record with its errors, or a dead letter, or an excluded request.
type Element struct {
	*accesslog.Element // the reader's, because it is large
	Events             []Event
	Sample             string // of a dead letter, or of a body that is in the audit sample: clipped and redacted
}

// Record is what became of one record. With a DeadLetter it has no elements.
type Record struct {
	Format     string
	Elements   []Element
	DeadLetter accesslog.Reason
	Sample     string // of the dead letter, clipped and redacted
	Panic      *Panic // nil: the parser did not panic on it
}

// Processor turns records into events. It reuses its memory: only one goroutine may use it at a
// time, and a Record is valid until the next call.
type Processor struct {
	reader   *accesslog.Reader
	parser   *parse.Parser
	fresh    func() (*accesslog.Reader, *parse.Parser, error) // returns new ones
	redactor *Redactor
	catalogs atomic.Pointer[catalog.Set]
	audit    uint64   // an element is in the sample when its hash is below it
	sampled  struct { // the partition of the latest element that was asked about
		topic     string
		partition int
		hash      uint64 // of both
	}
	fingerprint string
	elements    []Element
	events      []Event
}

// NewProcessor returns a Processor. Its errors name the setting that is wrong. Which codes the
// catalogs list, and which of those mean success, decides what is an error; the catalogs given here
// decide it for good, because a batch that is inserted again must have the same rows. Use changes
// only the texts.
func NewProcessor(c Config, catalogs *catalog.Set) (*Processor, error) {
	fresh := func() (*accesslog.Reader, *parse.Parser, error) {
		reader, err := accesslog.New(c.Config)
		if err != nil {
			return nil, nil, err
		}
		parser, err := parse.NewParser(c.Dialects)
		if err == nil && lists(catalogs) {
			parser.Consult(standing(catalogs))
		}
		if err == nil {
			reader.Prove(parser.Checker())
		}
		return reader, parser, err
	}
	reader, parser, err := fresh()
	if err != nil {
		return nil, err
	}
	redactor, err := NewRedactor(c.Redact)
	if err != nil {
		return nil, err
	}
	if !(c.AuditShare >= 0 && c.AuditShare <= 1) {
		return nil, fmt.Errorf("ingest.audit_share is %v: give a share from 0 to 1", c.AuditShare)
	}
	p := &Processor{reader: reader, parser: parser, fresh: fresh, redactor: redactor, audit: uint64(c.AuditShare * (math.MaxUint64 >> 1))}
	p.catalogs.Store(catalogs)
	p.fingerprint = parserVersion + "-" + reader.Fingerprint()
	if lists(catalogs) {
		p.fingerprint += "-" + catalogs.CodesHash()
	}
	if len(c.Dialects)+len(c.Redact) > 0 {
		text, err := json.Marshal([]any{c.Dialects, c.Redact})
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		p.fingerprint += "-" + hex.EncodeToString(sum[:6])
	}
	return p, nil
}

func lists(catalogs *catalog.Set) bool { return catalogs != nil && len(catalogs.Families) > 0 }

// standing returns what the catalogs say about whether a code is an error.
func standing(catalogs *catalog.Set) func(code, dialect, service string) parse.Standing {
	return func(code, dialect, service string) parse.Standing {
		switch listed, success := catalogs.Standing(code, dialect, service); {
		case success:
			return parse.NotFailure
		case listed:
			return parse.Failure
		}
		return parse.Unlisted
	}
}

// Use switches to other catalogs from the next record on. Any goroutine may call it.
func (p *Processor) Use(catalogs *catalog.Set) { p.catalogs.Store(catalogs) }

// Record processes one record. If the parser panics on it, the Record says so (panic.go).
func (p *Processor) Record(value []byte, at Position) (record Record) {
	defer func() {
		if cause := recover(); cause != nil {
			panicked := p.newPanic(cause)
			record = p.again(value, &at)
			record.Panic = panicked
		}
	}()
	return p.record(value, &at, p.catalogs.Load(), false)
}

// record processes one record. With care, a request on which the parser panics is a dead letter.
func (p *Processor) record(value []byte, at *Position, catalogs *catalog.Set, care bool) Record {
	p.elements, p.events = p.elements[:0], p.events[:0]
	read := p.reader.Read(at.Topic, value, at.Clock)
	record := Record{Format: read.Format, DeadLetter: read.DeadLetter}
	if read.DeadLetter != "" {
		record.Sample = p.sample(value)
	}
	for i := range read.Elements {
		p.elements = append(p.elements, Element{Element: &read.Elements[i]})
		switch e := &p.elements[i]; {
		case e.DeadLetter != "":
			e.Sample = p.sample(e.Raw)
		case e.Excluded:
		case care:
			p.requestWithCare(e, at, i, catalogs)
		default:
			p.request(e, at, i, catalogs)
		}
	}
	record.Elements = p.elements
	return record
}

// request finds the errors of the request at an index of a record.
func (p *Processor) request(e *Element, at *Position, index int, catalogs *catalog.Set) {
	envelopes, state := p.parser.Body(&e.Access)
	e.Access.BodyState = state
	first := len(p.events)
	for _, envelope := range envelopes {
		p.events = append(p.events, p.enrich(catalogs, envelope, &e.Access))
	}
	e.Events = p.events[first:]
	if len(envelopes) == 0 && p.audit > 0 && p.audited(at, index) && mentionsError(e.Access.Body) {
		e.Sample = p.sample(parse.Text(&e.Access))
	}
}

// audited reports whether an element is in the audit sample. The answer depends only on the
// element's place, so a record that is read again gets the same one.
func (p *Processor) audited(at *Position, index int) bool {
	if p.sampled.hash == 0 || p.sampled.topic != at.Topic || p.sampled.partition != at.Partition {
		h := fnv.New64a()
		fmt.Fprint(h, at.Partition, " ", at.Topic)
		p.sampled.topic, p.sampled.partition, p.sampled.hash = at.Topic, at.Partition, h.Sum64()
	}
	h := p.sampled.hash
	for _, word := range [...]uint64{uint64(at.Offset), uint64(index)} {
		high, low := bits.Mul64(h^word, 0x9e3779b97f4a7c15)
		h = high ^ low
	}
	return h>>1 < p.audit
}

// errorWords are words that bodies with an error in them contain, in lower case.
var errorWords = [][]byte{[]byte("err"), []byte("fail"), []byte("exception"), []byte("denied"), []byte("invalid"), []byte("错误"), []byte("失败"), []byte("异常")}

func mentionsError(body []byte) bool {
	lower := bytes.ToLower(body)
	for _, word := range errorWords {
		if bytes.Contains(lower, word) {
			return true
		}
	}
	return false
}

const (
	// maxSample is how many bytes of a dead letter or a body are kept.
	maxSample = 1024
	// longestSecret is more than a private key or a token has bytes.
	longestSecret = 16 << 10
)

// sample returns what is kept of a record or a body. It redacts before it clips, because half a
// secret cannot be recognized. For the same reason it keeps nothing that is near the end of a part
// that it redacted, and takes a larger part if redaction leaves too little of it.
func (p *Processor) sample(raw []byte) string {
	for size := maxSample + longestSecret; ; size *= 2 {
		if size >= len(raw) {
			text := p.redactor.Redact(string(raw))
			return text[:min(len(text), maxSample)]
		}
		if text := p.redactor.Redact(string(raw[:size])); len(text) >= maxSample+longestSecret {
			return text[:maxSample]
		}
	}
}

// enrich turns an envelope into an Event; a is the request that it came with.
func (p *Processor) enrich(catalogs *catalog.Set, envelope parse.Envelope, a *accesslog.Access) Event {
	if envelope.RequestID == "" {
		envelope.RequestID = a.RequestID.String()
	}
	// The catalogs see only the redacted message, so the template's arguments are redacted too.
	envelope.Message = p.redactor.Redact(envelope.Message)
	if envelope.Dialect == parse.HTTPDialect {
		envelope.Message = parse.Clip([]byte(envelope.Message), parse.HTTPMessageLength)
	}
	return Explain(catalogs, envelope, a.Service, a.Status)
}

// Explain makes the Event of an envelope whose message is redacted and which came from a service
// under an HTTP status: what an ingester with these catalogs stores. A stored row has all that it
// needs, so history can be explained again.
func Explain(catalogs *catalog.Set, envelope parse.Envelope, service string, status int) Event {
	e := Event{Envelope: envelope, Family: catalog.Unknown, CatalogVersion: catalogs.Version}
	k := catalogs.Lookup(e.Code, e.Dialect, service, status, e.Message)
	if k.Family != nil {
		e.Family = k.Family.Name
	}
	if k.Entry != nil {
		e.Known, e.CatalogCode, e.Kind, e.Retry, e.Owner = true, k.Entry.Code, k.Entry.Kind, k.Entry.Retry, k.Entry.Owner
	}
	e.Description, e.Remedy = k.Texts()
	if e.Family == catalog.HTTP {
		e.Known = true // every status is a code of the protocol, listed or not
	}
	if k.Matched {
		e.Template, e.Args = k.Entry.Message, k.Args
	}
	return e
}

// parserVersion identifies what accesslog, parse and this package make of a record. Raise it with
// every change that alters the rows of some record, except in the columns that come from the
// catalogs. Batches that are read again are then written beside the old rows and not mixed with
// them. TestParserVersion fails until the version is raised.
const parserVersion = "17"

// Fingerprint identifies the parser and its settings: two Processors with the same fingerprint make
// the same rows of the same record, except for what the catalogs say.
func (p *Processor) Fingerprint() string { return p.fingerprint }
