package enrich

import (
	"errors"
	"strings"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/parse"
)

// A catalog set that is nil makes Explain panic on every error, and on nothing else.
func panicky(t *testing.T) *Processor { return processor(t, nil) }

var anyTime = Position{Topic: "logs", Clock: accesslog.Clock{Optional: true, Latest: time.Now()}}

const (
	withError    = `{"status":400,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"password=hunter22\"}"}`
	withoutError = `{"status":200,"response_body":"{}"}`
)

func TestPanicOnARecordIsADeadLetter(t *testing.T) {
	p := panicky(t)
	f := func(record string, want ...accesslog.Reason) {
		t.Helper()
		r := p.Record([]byte(record), anyTime)
		if r.DeadLetter != "" || len(r.Elements) != len(want) {
			t.Fatalf("%s: %+v, want the elements %q", record, r, want)
		}
		panics := false
		for i, e := range r.Elements {
			panics = panics || want[i] != ""
			if e.DeadLetter != want[i] || len(e.Events) != 0 {
				t.Errorf("%s: element %d is the dead letter %q with %d events, want %q", record, i, e.DeadLetter, len(e.Events), want[i])
			}
			if e.DeadLetter == "" {
				if e.Access.Status != 200 || e.Access.BodyState != accesslog.JSON {
					t.Errorf("%s: element %d: %+v", record, i, e.Access)
				}
				continue
			}
			if !strings.Contains(e.Sample, "OSM.01010037") || strings.Contains(e.Sample, "hunter22") || e.Access.Status != 0 {
				t.Errorf("%s: element %d has the sample %q and the access %+v", record, i, e.Sample, e.Access)
			}
		}
		if (r.Panic != nil) != panics {
			t.Errorf("%s: panic %+v", record, r.Panic)
		}
		if r.Panic != nil && (!strings.Contains(r.Panic.Text, "nil pointer") || !strings.Contains(r.Panic.Stack, "enrich.Explain")) {
			t.Errorf("%s: panic %+v", record, r.Panic)
		}
	}
	f(withError, accesslog.ReasonParserPanic)
	f(withoutError, "")
	f("["+withoutError+","+withError+","+withoutError+"]", "", accesslog.ReasonParserPanic, "")
	f("["+withError+","+withError+"]", accesslog.ReasonParserPanic, accesslog.ReasonParserPanic)
	f(withoutError, "")
}

func TestPanicOfTheReaderIsADeadLetterOfTheRecord(t *testing.T) {
	p := processor(t, shipped(t))
	fresh := p.fresh
	p.reader = nil // panics on every record
	p.fresh = func() (*accesslog.Reader, *parse.Parser, error) { return nil, p.parser, nil }
	r := p.Record([]byte(withError), anyTime)
	if r.DeadLetter != accesslog.ReasonParserPanic || len(r.Elements) != 0 || r.Panic == nil || !strings.Contains(r.Sample, "OSM.01010037") || strings.Contains(r.Sample, "hunter22") {
		t.Errorf("%+v", r)
	}
	p.fresh = fresh
	if r := p.Record([]byte(withError), anyTime); r.DeadLetter != "" || len(r.Elements) != 1 || len(r.Elements[0].Events) != 1 {
		t.Errorf("after it: %+v", r)
	}
}

// A panic that comes from what an earlier record has left behind costs nothing: the record is read
// again by a fresh parser, so what becomes of it depends on nothing else.
func TestPanicThatAFreshParserDoesNotRepeatCostsNothing(t *testing.T) {
	p := processor(t, shipped(t))
	const withError = `{"status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}` // asks the catalogs
	want := len(p.Record([]byte("["+withoutError+","+withError+"]"), anyTime).Elements[1].Events)
	p.parser.Consult(func(code, dialect, service string) parse.Standing { panic(errors.New("token=abcdef123456")) })
	r := p.Record([]byte("["+withoutError+","+withError+"]"), anyTime)
	if r.DeadLetter != "" || len(r.Elements) != 2 || len(r.Elements[0].Events) != 0 || len(r.Elements[1].Events) != want || want != 1 {
		t.Errorf("%+v", r)
	}
	if r.Panic == nil || strings.Contains(r.Panic.Text, "abcdef123456") {
		t.Errorf("the panic is %+v", r.Panic)
	}
	if r := p.Record([]byte(withError), anyTime); r.Panic != nil || len(r.Elements[0].Events) != 1 {
		t.Errorf("the next record: %+v", r)
	}
}
