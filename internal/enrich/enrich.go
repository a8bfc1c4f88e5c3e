// Package enrich joins the envelopes of a record with the published catalogs.
//
// Its Processor is the whole way of one record, top to bottom and without the outside world:
// accesslog reads the record, parse finds the envelopes in each body, and each envelope becomes
// an Event with its family, kind, description and remedy, redacted and ready to store.
// The ingester and the dry run `ingest parse` both call it, so they cannot disagree.
package enrich

import (
	"regexp"
	"strings"

	"errata/internal/accesslog"
	"errata/internal/parse"
)

// Event is one error envelope with what the catalogs say of it. A zero field is unknown.
type Event struct {
	parse.Envelope // Message redacted; RequestID the body's, else the log's

	CatalogCode    string // the catalog's spelling of Code
	Family         string // "unknown" when no catalog claims the code
	Kind           string
	Known          bool              // the family lists the code
	Template       string            // the published message, where the live one is it
	Args           map[string]string // of the template, by name or number, redacted
	ModuleCode     string            // "100004" of "(100004) incorrect projectId"
	Description    string
	Remedy         string
	Retry          string
	Owner          string
	CatalogVersion string
}

// UnknownFamily is the family of codes that no catalog claims.
const UnknownFamily = "unknown"

// Element is one request of a record with its errors, or a dead letter.
type Element struct {
	accesslog.Element
	Events []Event
}

// Record is what became of one record. With a DeadLetter it has no elements.
type Record struct {
	Format     string
	Elements   []Element
	DeadLetter accesslog.Reason
}

// Processor turns records into events. It reuses its memory: one goroutine uses it at a
// time, and a Record lives until the next call.
type Processor struct {
	reader   *accesslog.Reader
	parser   parse.Parser
	format   string
	catalogs *Catalogs
	elements []Element
	events   []Event
}

// NewProcessor makes a Processor of the named log format, or "auto".
func NewProcessor(format string, catalogs *Catalogs) (*Processor, error) {
	reader, err := accesslog.NewReader(format)
	if err != nil {
		return nil, err
	}
	return &Processor{reader: reader, format: format, catalogs: catalogs}, nil
}

// Record processes one record.
func (p *Processor) Record(value []byte, clock accesslog.Clock) Record {
	p.elements, p.events = p.elements[:0], p.events[:0]
	read := p.reader.Read(value, clock)
	for _, e := range read.Elements {
		element := Element{Element: e}
		if e.DeadLetter == "" {
			envelopes, state := p.parser.Body(&e.Access)
			element.Access.BodyState = state
			from := len(p.events)
			for _, envelope := range envelopes {
				p.events = append(p.events, p.catalogs.Enrich(envelope, &e.Access))
			}
			element.Events = p.events[from:]
		}
		p.elements = append(p.elements, element)
	}
	return Record{Format: read.Format, Elements: p.elements, DeadLetter: read.DeadLetter}
}

var moduleCode = regexp.MustCompile(`^\((\d+)\) ?`)

// Enrich makes the Event of an envelope that came with the given access.
func (c *Catalogs) Enrich(envelope parse.Envelope, a *accesslog.Access) Event {
	e := Event{Envelope: envelope, Family: UnknownFamily, CatalogVersion: c.Version}
	if e.RequestID == "" {
		e.RequestID = a.RequestID
	}
	// From here on nothing sees what must not be stored, and so the arguments of the template are redacted too.
	e.Message = Redact(e.Message)
	if e.Dialect == parse.HTTPDialect {
		e.Message = parse.Clip([]byte(e.Message), parse.HTTPMessageLength)
	}
	k := c.Lookup(e.Code, e.Dialect, a.Service, a.Status, e.Message)
	if k.Catalog != nil {
		e.Family = k.Catalog.Family
	}
	if k.Entry != nil {
		e.Known, e.CatalogCode, e.Kind, e.Retry, e.Owner = true, k.Entry.Code, k.Entry.Kind, k.Entry.Retry, k.Entry.Owner
	}
	e.Description, e.Remedy = k.Texts()
	if e.Dialect == parse.HTTPDialect {
		e.Known = true // every status is a code of the protocol, listed or not
	}
	if k.Matched {
		e.Template, e.Args = k.Entry.Message, k.Args
	}
	if strings.HasPrefix(e.Message, "(") {
		if m := moduleCode.FindStringSubmatch(e.Message); m != nil {
			e.ModuleCode = m[1]
		}
	}
	return e
}

// parserVersion names what accesslog, parse and this package make of a record. Whoever changes them so
// that a record gives other rows in other than its catalog columns counts it up: batches that are read again
// are then written beside the old rows instead of being mixed with them.
const parserVersion = "1"

// Fingerprint names the parser and its settings: two Processors with the same make the same rows of the same
// record, but for what the catalogs say.
func (p *Processor) Fingerprint() string { return parserVersion + "-" + p.format }
