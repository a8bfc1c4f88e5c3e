// Package enrich joins the envelopes of a record with the published catalogs.
//
// Its Processor is the whole way of one record, top to bottom and without the outside world:
// accesslog reads the record, parse finds the envelopes in each body, and each envelope becomes
// an Event with its family, kind, description and remedy, redacted and ready to store.
// The ingester and the dry run `ingest parse` both call it, so they cannot disagree.
package enrich

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"sync/atomic"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/parse"
)

// Config is the settings of a Processor: the section ingest of config.yaml. The zero Config is that of the defaults, but for an
// audit share of 0.
type Config struct {
	accesslog.Config `mapstructure:",squash"`
	Dialects         []parse.Custom `mapstructure:"dialects"`    // envelopes of the user's, asked before the built-in ones
	Redact           []RedactRule   `mapstructure:"redact"`      // what else must not be stored
	AuditShare       float64        `mapstructure:"audit_share"` // of the bodies in which nothing was found: 0 to 1
}

// Validate says what is wrong with a Config, and what to do.
func (c Config) Validate() error {
	_, err := NewProcessor(c, nil)
	return err
}

// Event is one error envelope with what the catalogs say of it. A zero field is unknown.
type Event struct {
	parse.Envelope // Message redacted; RequestID the body's, else the log's

	CatalogCode    string // the catalog's spelling of Code
	Family         string // "unknown" when no catalog claims the code
	Kind           string
	Known          bool              // the family lists the code
	Template       string            // the published message, where the live one is it
	Args           map[string]string // of the template, by name or number, redacted
	Description    string
	Remedy         string
	Retry          string
	Owner          string
	CatalogVersion string
}

// Position is where in Kafka a record stands, and what its time may be.
type Position struct {
	Topic     string
	Partition int
	Offset    int64
	Clock     accesslog.Clock
}

// Element is one request of a record with its errors, or a dead letter, or excluded.
type Element struct {
	accesslog.Element
	Events []Event
	Sample string // of a dead letter, or of a body that is in the audit sample: clipped and redacted
}

// Record is what became of one record. With a DeadLetter it has no elements.
type Record struct {
	Format     string
	Elements   []Element
	DeadLetter accesslog.Reason
	Sample     string // of the dead letter, clipped and redacted
}

// Processor turns records into events. It reuses its memory: one goroutine uses it at a
// time, and a Record lives until the next call.
type Processor struct {
	reader      *accesslog.Reader
	parser      *parse.Parser
	redactor    *Redactor
	catalogs    atomic.Pointer[catalog.Set]
	audit       uint64 // an element is in the sample when its hash is below it
	fingerprint string
	elements    []Element
	events      []Event
}

// NewProcessor makes a Processor. Its errors name the setting that is wrong.
func NewProcessor(c Config, catalogs *catalog.Set) (*Processor, error) {
	reader, err := accesslog.New(c.Config)
	if err != nil {
		return nil, err
	}
	parser, err := parse.NewParser(c.Dialects)
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
	p := &Processor{reader: reader, parser: parser, redactor: redactor, audit: uint64(c.AuditShare * (math.MaxUint64 >> 1))}
	p.catalogs.Store(catalogs)
	p.fingerprint = parserVersion + "-" + reader.Fingerprint()
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

// Use takes other catalogs from the next record on. Any goroutine may call it.
func (p *Processor) Use(catalogs *catalog.Set) { p.catalogs.Store(catalogs) }

// Record processes one record.
func (p *Processor) Record(value []byte, at Position) Record {
	catalogs := p.catalogs.Load()
	p.elements, p.events = p.elements[:0], p.events[:0]
	read := p.reader.Read(at.Topic, value, at.Clock)
	record := Record{Format: read.Format, DeadLetter: read.DeadLetter}
	if read.DeadLetter != "" {
		record.Sample = p.sample(value)
	}
	for i, e := range read.Elements {
		element := Element{Element: e}
		switch {
		case e.DeadLetter != "":
			element.Sample = p.sample(e.Raw)
		case !e.Excluded:
			envelopes, state := p.parser.Body(&e.Access)
			element.Access.BodyState = state
			first := len(p.events)
			for _, envelope := range envelopes {
				p.events = append(p.events, p.enrich(catalogs, envelope, &e.Access))
			}
			element.Events = p.events[first:]
			if len(envelopes) == 0 && p.audit > 0 && p.audited(at, i) && mentionsError(e.Access.Body) {
				element.Sample = p.sample(parse.Text(&e.Access))
			}
		}
		p.elements = append(p.elements, element)
	}
	record.Elements = p.elements
	return record
}

// audited tells whether an element is in the audit sample. It follows from the place alone, so that a record that is read again is
// judged the same.
func (p *Processor) audited(at Position, index int) bool {
	h := fnv.New64a()
	var place [20]byte
	binary.LittleEndian.PutUint64(place[:], uint64(at.Offset))
	binary.LittleEndian.PutUint64(place[8:], uint64(at.Partition))
	binary.LittleEndian.PutUint32(place[16:], uint32(index))
	h.Write(place[:])
	h.Write([]byte(at.Topic))
	return h.Sum64()>>1 < p.audit
}

// errorWords are what bodies with an error in them mention, in lower case.
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

// maxSample is how many bytes of a dead letter or a body are kept.
const maxSample = 1024

// sample makes what is kept of a record or a body. It is redacted before it is clipped: half a secret could not be told from other text.
func (p *Processor) sample(raw []byte) string {
	text := p.redactor.Redact(string(raw[:min(len(raw), 2*maxSample)]))
	return text[:min(len(text), maxSample)]
}

// enrich makes the Event of an envelope that came with the given access.
func (p *Processor) enrich(catalogs *catalog.Set, envelope parse.Envelope, a *accesslog.Access) Event {
	if envelope.RequestID == "" {
		envelope.RequestID = a.RequestID
	}
	// From here on nothing sees what must not be stored, and so the arguments of the template are redacted too.
	envelope.Message = p.redactor.Redact(envelope.Message)
	if envelope.Dialect == parse.HTTPDialect {
		envelope.Message = parse.Clip([]byte(envelope.Message), parse.HTTPMessageLength)
	}
	return Explain(catalogs, envelope, a.Service, a.Status)
}

// Explain makes the Event of an envelope whose message is redacted and which came from a service under
// an HTTP status: what an ingester with these catalogs stores. A stored row has all that it needs, so
// history can be explained again.
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

// parserVersion names what accesslog, parse and this package make of a record. Whoever changes them so
// that a record gives other rows in other than its catalog columns counts it up: batches that are read again
// are then written beside the old rows instead of being mixed with them. TestParserVersion fails until that is done.
const parserVersion = "4"

// Fingerprint names the parser and its settings: two Processors with the same make the same rows of the same
// record, but for what the catalogs say.
func (p *Processor) Fingerprint() string { return p.fingerprint }
