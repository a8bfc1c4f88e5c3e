package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/cli"
	"errata/internal/enrich"
)

// The output of `ingest detect --output json`.
type (
	detection struct {
		Lines       int                  `json:"lines"`
		Formats     []*detectedFormat    `json:"formats"` // the one with the most records first
		Excluded    int                  `json:"excluded"`
		DeadLetters []detectedDeadLetter `json:"dead_letters"`
	}
	detectedFormat struct {
		Name    string          `json:"name"`
		Lines   int             `json:"lines"`
		Records int             `json:"records"`
		Errors  int             `json:"errors"` // envelopes in them
		Fields  []detectedField `json:"fields"`
		Body    map[string]int  `json:"body"` // records by the state of their body
		Missing []string        `json:"missing"`
	}
	detectedField struct {
		Name    string `json:"name"`
		Records int    `json:"records"` // that have it
		Sample  string `json:"sample"`
	}
	detectedDeadLetter struct {
		Reason accesslog.Reason `json:"reason"`
		Count  int              `json:"count"`
		Line   int              `json:"line"`  // of the first; of objects, of the first with something in it
		Start  string           `json:"start"` // of that record, redacted
		Keys   []string         `json:"keys"`  // at its top, where it is a JSON object
	}
)

// reasons say what a reason means and what to do.
var reasons = map[accesslog.Reason]string{
	accesslog.ReasonEmpty:         "there is nothing in it",
	accesslog.ReasonMalformed:     "neither JSON nor a line that is known: describe it under ingest.formats (docs/formats.md)",
	accesslog.ReasonTruncated:     "the record itself is cut off: raise the limit of the gateway, the shipper or Kafka (message.max.bytes)",
	accesslog.ReasonNotAnObject:   "an array holds something else than records",
	accesslog.ReasonUnknownFormat: "JSON in no format that is known: describe it under ingest.formats (docs/formats.md)",
	accesslog.ReasonTooMany:       "one message holds too many records: lower the gateway's batch size",
	accesslog.ReasonBadTime:       "its time is before 2000 or more than a day ahead: look at the gateway's clock, and at the unit and the place of its time",
}

// detectedFields are shown in this order. None shows a body: it may hold what nobody should see on a terminal.
var detectedFields = []string{"time", "tenant", "service", "route", "method", "path", "status", "latency", "request_id"}

func newDetect(env *environment) *cobra.Command {
	var output *cli.Chosen[*detection]
	cmd := &cobra.Command{
		Use:   "detect [FILE]",
		Short: "show which formats log records, one a line, of FILE or standard input are in, which fields they have, and what is missing",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := env.detect(cmd, args)
			if err != nil {
				return err
			}
			if err := output.Write(d, cmd.OutOrStdout()); err != nil {
				return err
			}
			return d.finding()
		},
	}
	output = detectOutputs.Flag(cmd.Flags())
	return cmd
}

var detectOutputs = cli.Outputs[*detection]{{Name: "table", Write: (*detection).table}, {Name: "json", Write: cli.JSON[*detection]}}

// detect shows what a sample of a gateway's log gives, before anything is set up.
func (env *environment) detect(cmd *cobra.Command, args []string) (*detection, error) {
	p, err := env.load(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	in, err := open(cmd, args)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return detect(in, p.processor)
}

// finding is the error of a sample in which no record can be read.
func (d *detection) finding() error {
	if len(d.Formats) == 0 && d.Excluded == 0 {
		return cli.Findings("nothing found: no record could be read")
	}
	return nil
}

func detect(in io.Reader, processor *enrich.Processor) (*detection, error) {
	d := &detection{Formats: []*detectedFormat{}, DeadLetters: []detectedDeadLetter{}}
	clock := accesslog.Clock{Latest: time.Now().Add(24 * time.Hour), Optional: true}
	lines := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("line %d: %w", d.Lines+1, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			d.Lines++
			d.add(line, processor.Record(line, enrich.Position{Clock: clock}))
		} else if err == nil {
			d.Lines++
		}
		if err != nil {
			break
		}
	}
	slices.SortStableFunc(d.Formats, func(a, b *detectedFormat) int { return b.Records - a.Records })
	slices.SortStableFunc(d.DeadLetters, func(a, b detectedDeadLetter) int { return b.Count - a.Count })
	for _, f := range d.Formats {
		f.Missing = f.missing()
	}
	return d, nil
}

// add counts the record of the line that was read last.
func (d *detection) add(line []byte, record enrich.Record) {
	if record.DeadLetter != "" {
		d.deadLetter(record.DeadLetter, line, record.Sample)
	}
	seen := map[*detectedFormat]bool{}
	for _, e := range record.Elements {
		switch {
		case e.DeadLetter != "":
			d.deadLetter(e.DeadLetter, e.Raw, e.Sample)
		case e.Excluded:
			d.Excluded++
		default:
			f := d.format(e.Access.Format)
			if !seen[f] {
				seen[f] = true
				f.Lines++
			}
			f.add(&e)
		}
	}
}

func (d *detection) deadLetter(why accesslog.Reason, raw []byte, sample string) {
	i := slices.IndexFunc(d.DeadLetters, func(l detectedDeadLetter) bool { return l.Reason == why })
	if i < 0 {
		i = len(d.DeadLetters)
		d.DeadLetters = append(d.DeadLetters, detectedDeadLetter{Reason: why, Keys: []string{}})
	}
	l := &d.DeadLetters[i]
	if l.Count++; l.Count > 1 && (len(l.Keys) > 0 || l.Start != "{}") {
		return
	}
	l.Line, l.Start = d.Lines, clipped(sample, 200)
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil {
		l.Keys = append(l.Keys, slices.Sorted(maps.Keys(object))...)
	}
}

func (d *detection) format(name string) *detectedFormat {
	for _, f := range d.Formats {
		if f.Name == name {
			return f
		}
	}
	f := &detectedFormat{Name: name, Body: map[string]int{}}
	for _, field := range detectedFields {
		f.Fields = append(f.Fields, detectedField{Name: field})
	}
	d.Formats = append(d.Formats, f)
	return f
}

func (f *detectedFormat) add(e *enrich.Element) {
	a := &e.Access
	texts := []string{cli.Timestamp{Time: a.Time}.String(), a.Tenant, a.Service, a.Route, a.Method, a.Path, "", "", a.RequestID} // as detectedFields
	if a.Status != 0 {
		texts[6] = strconv.Itoa(a.Status)
	}
	if a.HasLatency {
		texts[7] = strconv.FormatFloat(a.LatencyMS, 'f', -1, 64) + " ms"
	}
	for i, text := range texts {
		if text == "" {
			continue
		}
		if f.Fields[i].Records++; f.Fields[i].Sample == "" {
			f.Fields[i].Sample = clipped(text, 40)
		}
	}
	f.Records++
	f.Errors += len(e.Events)
	f.Body[string(a.BodyState)]++
}

// missing says in sentences what the records of a format lack, the worst first.
func (f *detectedFormat) missing() []string {
	all := []string{}
	switch absent := f.Body[string(accesslog.Absent)]; {
	case absent == f.Records:
		all = append(all, "no record logs the response body: only HTTP statuses can be counted; "+accesslog.Hint(f.Name))
	case absent > 0:
		all = append(all, fmt.Sprintf("%d of %d records log no response body: to have it, %s", absent, f.Records, accesslog.Hint(f.Name)))
	}
	if n := f.Body[string(accesslog.Truncated)]; n > 0 {
		all = append(all, fmt.Sprintf("%d of %d bodies are cut off: raise the gateway's limit where it has one", n, f.Records-f.Body[string(accesslog.Absent)]))
	}
	if n := f.Body[string(accesslog.Undecodable)]; n > 0 {
		all = append(all, fmt.Sprintf("%d of %d bodies cannot be decoded: have the gateway log them decompressed, or in base64", n, f.Records-f.Body[string(accesslog.Absent)]))
	}
	for _, field := range f.Fields {
		if field.Records > 0 {
			continue
		}
		switch field.Name {
		case "time":
			all = append(all, "no record has a time: that of Kafka is taken")
		case "tenant":
			all = append(all, "no record names a tenant: log the header or the consumer that does, or say in ingest.formats where it stands")
		case "service":
			all = append(all, "no record names a service: log the upstream's name, or say in ingest.formats where it stands")
		case "route":
			all = append(all, "no record names a route: give their templates in ingest.routes")
		case "status":
			all = append(all, "no record has a status: errors without an envelope cannot be told")
		case "request_id":
			all = append(all, "no record has a request id: only those in the bodies are shown")
		case "method", "path", "latency":
			all = append(all, "no record has a "+field.Name)
		}
	}
	return all
}

func (d *detection) table(out io.Writer) error {
	for _, f := range d.Formats {
		fmt.Fprintf(out, "%s: %s in %s, %s\n", f.Name, count(f.Records, "record"), count(f.Lines, "line"), count(f.Errors, "error"))
		fields := cli.Table{Columns: make([]cli.Column, 3), Indent: "  "}
		for _, field := range f.Fields {
			fields.Rows = append(fields.Rows, []string{field.Name, share(field.Records, f.Records), cmp.Or(field.Sample, "-")})
		}
		var states []string
		for _, state := range slices.Sorted(maps.Keys(f.Body)) {
			states = append(states, fmt.Sprintf("%s %s", share(f.Body[state], f.Records), state))
		}
		fields.Rows = append(fields.Rows, []string{"body", share(f.Records-f.Body[string(accesslog.Absent)], f.Records), strings.Join(states, ", ")})
		if err := fields.Text(out); err != nil {
			return err
		}
		for _, sentence := range f.Missing {
			fmt.Fprintf(out, "  - %s\n", sentence)
		}
		fmt.Fprintln(out)
	}
	if d.Excluded > 0 {
		fmt.Fprintf(out, "%s left out by ingest.exclude\n\n", count(d.Excluded, "record"))
	}
	if len(d.DeadLetters) == 0 {
		return nil
	}
	fmt.Fprintln(out, "dead letters:")
	for _, l := range d.DeadLetters {
		fmt.Fprintf(out, "  %d %s, as in line %d: %s\n", l.Count, l.Reason, l.Line, reasons[l.Reason])
		if l.Start != "" {
			fmt.Fprintf(out, "    %s\n", l.Start)
		}
		if len(l.Keys) > 0 {
			fmt.Fprintf(out, "    its keys: %s\n", strings.Join(l.Keys, ", "))
		}
	}
	return nil
}

// share is a part of a whole in percent, which is 0 % and 100 % only for none and all.
func share(part, whole int) string {
	percent := (200*part + whole) / (2 * whole)
	switch {
	case percent == 0 && part > 0:
		return "<1 %"
	case percent == 100 && part < whole:
		percent = 99
	}
	return fmt.Sprintf("%d %%", percent)
}

func count[N int | int64 | uint64](n N, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "ch"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// clipped is the first n characters of a text on one line.
func clipped(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
