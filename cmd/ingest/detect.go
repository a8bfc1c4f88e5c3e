package main

import (
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
	"unicode/utf8"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/cli"
	"errata/internal/enrich"
)

// What `ingest detect` writes.
type (
	detection struct {
		Lines       int                  `json:"lines"`
		Formats     []*detectedFormat    `json:"formats"` // by number of records, descending
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
		Records int    `json:"records"` // in which it is present
		Sample  string `json:"sample"`
	}
	detectedDeadLetter struct {
		Reason accesslog.Reason `json:"reason"`
		Count  int              `json:"count"`
		Line   int              `json:"line"`  // of the first; of the first that is not {}, if there is one
		Start  string           `json:"start"` // of that record, redacted
		Keys   []string         `json:"keys"`  // of that record, if it is a JSON object
	}
)

// detectedFields are the fields that are shown, in this order, each with its text in a record and a
// sentence for a format none of whose records has it. There is no field for the body: it may
// contain what should not appear on a terminal.
var detectedFields = []struct {
	name    string
	text    func(*accesslog.Access) string
	missing string
}{
	{"time", func(a *accesslog.Access) string { return cli.Timestamp{Time: a.Time}.String() },
		"no record has a time: Kafka's is used"},
	{"tenant", func(a *accesslog.Access) string { return a.Tenant },
		"no record names a tenant: log the header or the consumer that does, or name its field in ingest.formats"},
	{"service", func(a *accesslog.Access) string { return a.Service },
		"no record names a service: log the upstream's name, or name its field in ingest.formats"},
	{"route", func(a *accesslog.Access) string { return a.Route },
		"no record names a route: list the route templates in ingest.routes"},
	{"method", func(a *accesslog.Access) string { return a.Method }, "no record has a method"},
	{"path", func(a *accesslog.Access) string { return a.Path.String() }, "no record has a path"},
	{"status", detectedStatus, "no record has a status: errors without an envelope cannot be recognized"},
	{"latency", detectedLatency, "no record has a latency"},
	{"request_id", func(a *accesslog.Access) string { return a.RequestID.String() },
		"no record has a request id: only those in the bodies are shown"},
}

func detectedStatus(a *accesslog.Access) string {
	if a.Status == 0 {
		return ""
	}
	return strconv.Itoa(a.Status)
}

func detectedLatency(a *accesslog.Access) string {
	if !a.HasLatency {
		return ""
	}
	return strconv.FormatFloat(a.LatencyMS, 'f', -1, 64) + " ms"
}

func newDetect(env *environment) *cobra.Command {
	var output *cli.Chosen[*detection]
	cmd := &cobra.Command{
		Use:   "detect [FILE]",
		Short: "Show the formats and fields of log records, and what is missing",
		Long: "Show the formats and fields of the log records in FILE or standard input, and what is missing. A record is a line, or JSON on " +
			"several indented lines.",
		Example: "ingest detect access.log\n" +
			"tail -n 1000 access.log | ingest detect",
		Args: cli.Arguments(0, 1),
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

// detect reads a sample of a gateway's log, before anything is set up.
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

// finding returns an error if no record of the sample could be read.
func (d *detection) finding() error {
	if len(d.Formats) == 0 && d.Excluded == 0 {
		return cli.Findings("no record could be read")
	}
	return nil
}

func detect(in io.Reader, processor *enrich.Processor) (*detection, error) {
	d := &detection{Formats: []*detectedFormat{}, DeadLetters: []detectedDeadLetter{}}
	clock := sampleClock()
	sample := newSampleReader(in)
	for {
		text, line, err := sample.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			d.Lines = line
			d.add(text, processor.Record(text, enrich.Position{Clock: clock}))
		}
		d.Lines = sample.lines
	}
	slices.SortStableFunc(d.Formats, func(a, b *detectedFormat) int { return b.Records - a.Records })
	slices.SortStableFunc(d.DeadLetters, func(a, b detectedDeadLetter) int { return b.Count - a.Count })
	for _, f := range d.Formats {
		f.Missing = f.missing()
	}
	return d, nil
}

// add counts the record of the last line.
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
		f.Fields = append(f.Fields, detectedField{Name: field.name})
	}
	d.Formats = append(d.Formats, f)
	return f
}

func (f *detectedFormat) add(e *enrich.Element) {
	for i, field := range detectedFields {
		text := field.text(&e.Access)
		if text == "" {
			continue
		}
		if f.Fields[i].Records++; f.Fields[i].Sample == "" {
			f.Fields[i].Sample = clipped(text, 40)
		}
	}
	f.Records++
	f.Errors += len(e.Events)
	f.Body[string(e.Access.BodyState)]++
}

// missing lists in sentences what the records of a format lack, the worst first.
func (f *detectedFormat) missing() []string {
	all := []string{}
	switch absent := f.Body[string(accesslog.Absent)]; {
	case absent == f.Records:
		all = append(all, "no record has the response body, so only HTTP statuses can be counted: "+accesslog.Hint(f.Name))
	case absent > 0:
		all = append(all, fmt.Sprintf("%d of %d records have no response body: %s", absent, f.Records, accesslog.Hint(f.Name)))
	}
	if n := f.Body[string(accesslog.Truncated)]; n > 0 {
		all = append(all, fmt.Sprintf("%d of %d bodies are cut off: raise the gateway's limit where it has one", n, f.Records-f.Body[string(accesslog.Absent)]))
	}
	if n := f.Body[string(accesslog.Undecodable)]; n > 0 {
		all = append(all, fmt.Sprintf("%d of %d bodies cannot be decoded: have the gateway log them decompressed, or in base64", n, f.Records-f.Body[string(accesslog.Absent)]))
	}
	for i, field := range detectedFields {
		if f.Fields[i].Records == 0 {
			all = append(all, field.missing)
		}
	}
	return all
}

func (d *detection) table(out io.Writer) error {
	for _, f := range d.Formats {
		fmt.Fprintf(out, "%s: %s in %s, %s\n", cli.OneLine(f.Name), cli.Count(f.Records, "record"), cli.Count(f.Lines, "line"), cli.Count(f.Errors, "error"))
		fields := cli.Table{Columns: []cli.Column{{}, {}, {Prose: true}}, Indent: "  "}
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
			if err := cli.Paragraph(out, "  - ", sentence); err != nil {
				return err
			}
		}
		fmt.Fprintln(out)
	}
	if d.Excluded > 0 {
		fmt.Fprintf(out, "%s excluded by ingest.exclude\n\n", cli.Count(d.Excluded, "record"))
	}
	if len(d.DeadLetters) == 0 {
		return nil
	}
	fmt.Fprintln(out, "dead letters:")
	for _, l := range d.DeadLetters {
		err := cli.Paragraph(out, "  ", fmt.Sprintf("%d %s, as in line %d: %s", l.Count, l.Reason, l.Line, reasons[l.Reason]))
		if l.Start != "" {
			err = errors.Join(err, cli.Paragraph(out, "    ", cli.OneLine(l.Start)))
		}
		if len(l.Keys) > 0 {
			err = errors.Join(err, cli.Paragraph(out, "    keys: ", cli.OneLine(strings.Join(l.Keys, ", "))))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// share returns a part of a whole in percent. It is 0 % only for none, and 100 % only for all.
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

// clipped returns at most n characters of a text, on one line.
func clipped(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
