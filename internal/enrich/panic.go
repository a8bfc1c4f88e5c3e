package enrich

import (
	"fmt"
	"runtime/debug"

	"errata/internal/accesslog"
	"errata/internal/catalog"
)

// Panic is a fault of the parser that a record has brought to light.
type Panic struct {
	Text  string // of the panic, redacted
	Stack string // of the goroutine: names of functions, lines and addresses
}

func (p *Processor) newPanic(cause any) *Panic {
	return &Panic{p.trySample([]byte(fmt.Sprint(cause))), string(debug.Stack())}
}

// again processes a record on which the parser has panicked. It takes a fresh parser, because the
// state of the old one may be half changed: what becomes of the record depends on nothing else. If
// the parser panics once more, the record is a dead letter, or only the request at fault if the
// record has several.
func (p *Processor) again(value []byte, at *Position) (record Record) {
	defer func() {
		if recover() != nil {
			p.renew()
			record = Record{Format: accesslog.Unknown, DeadLetter: accesslog.ReasonParserPanic, Sample: p.trySample(value)}
		}
	}()
	p.renew()
	return p.record(value, at, p.catalogs.Load(), true)
}

// requestWithCare is request for a record on which the parser has panicked.
func (p *Processor) requestWithCare(e *Element, at *Position, index int, catalogs *catalog.Set) {
	first, raw := len(p.events), e.Raw
	defer func() {
		if recover() != nil {
			if _, parser, err := p.fresh(); err == nil { // the reader goes on with the record
				p.parser = parser
			}
			p.events = p.events[:first]
			*e = Element{Element: &accesslog.Element{DeadLetter: accesslog.ReasonParserPanic, Raw: raw}, Sample: p.trySample(raw)}
		}
	}()
	p.request(e, at, index, catalogs)
}

// renew replaces the reader and the parser.
func (p *Processor) renew() {
	if reader, parser, err := p.fresh(); err == nil { // always: the same settings made the first ones
		p.reader, p.parser = reader, parser
	}
}

// trySample is sample, "" if the text makes the redactor panic: what is not redacted is not kept.
func (p *Processor) trySample(text []byte) (sample string) {
	defer func() {
		if recover() != nil {
			sample = ""
		}
	}()
	return p.sample(text)
}
