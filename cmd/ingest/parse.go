package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/enrich"
)

// The output json of `ingest parse` is one object per input line, with every key present. Unknown
// text is "", an unknown number or time is null.
type (
	parsedLine struct {
		Line       int            `json:"line"`
		Format     string         `json:"format"`
		Records    []parsedRecord `json:"records"`
		DeadLetter *deadLetter    `json:"dead_letter"`
	}
	parsedRecord struct {
		Access     *parsedAccess `json:"access"`
		Errors     []parsedError `json:"errors"`
		DeadLetter *deadLetter   `json:"dead_letter"`
	}
	parsedAccess struct {
		Time      cli.Timestamp       `json:"time"`
		Tenant    string              `json:"tenant"`
		Service   string              `json:"service"`
		Route     string              `json:"route"`
		Method    string              `json:"method"`
		Path      string              `json:"path"`
		Status    *int                `json:"status"`
		LatencyMS *float64            `json:"latency_ms"`
		RequestID string              `json:"request_id"`
		BodyState accesslog.BodyState `json:"body_state"`
	}
	parsedError struct {
		Code        string            `json:"code"`
		CatalogCode string            `json:"catalog_code"`
		Family      string            `json:"family"`
		Kind        string            `json:"kind"`
		Known       bool              `json:"known"`
		Message     string            `json:"message"`
		ModuleCode  string            `json:"module_code"`
		Args        map[string]string `json:"args"`
		Description string            `json:"description"`
		Remedy      string            `json:"remedy"`
		RequestID   string            `json:"request_id"`
		Dialect     string            `json:"dialect"`
		Confidence  string            `json:"confidence"`
	}
	deadLetter struct {
		Reason accesslog.Reason `json:"reason"`
	}
)

var parseOutputs = cli.Outputs[parsedLine]{{Name: "json", Write: cli.JSONLine[parsedLine]}, {Name: "text", Write: parsedLine.text}}

func newParse(env *environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "parse [FILE]",
		Short: "Show what Errata finds in log records",
		Long:  "Show what Errata finds in the log records of FILE or standard input. A record is a line, or JSON on several indented lines.",
		Example: "ingest parse access.log\n" +
			"ingest parse --format kong --output text access.log",
		Args: cli.Arguments(0, 1),
	}
	cmd.Flags().StringVar(&format, "format", "", "`format` of the log records: auto or a name (default: ingest.format)")
	output := parseOutputs.Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return env.parse(cmd, args, format, output) }
	return cmd
}

// parse is the dry run. It uses the ingester's own processor, with the present in place of Kafka's
// time.
func (env *environment) parse(cmd *cobra.Command, args []string, format string, output *cli.Chosen[parsedLine]) error {
	cfg, err := config.Load(env.configFile)
	if err != nil {
		return err
	}
	if format != "" {
		cfg.Ingest.Format = format
		if err := cfg.Ingest.Validate(); err != nil {
			return fmt.Errorf("--format: %s", strings.TrimPrefix(err.Error(), "ingest.format: "))
		}
	}
	p, err := assemble(cfg, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	in, err := open(cmd, args)
	if err != nil {
		return err
	}
	defer in.Close()
	out := bufio.NewWriter(cmd.OutOrStdout())
	screen := cli.Screen{Writer: out, Columns: cli.Width(cmd.OutOrStdout())}
	return errors.Join(parseLines(in, p.processor, func(l parsedLine) error { return output.Write(l, screen) }), out.Flush())
}

func parseLines(in io.Reader, processor *enrich.Processor, write func(parsedLine) error) error {
	sample := newSampleReader(in)
	clock := sampleClock()
	for {
		text, line, err := sample.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := write(describe(line, processor.Record(text, enrich.Position{Clock: clock}))); err != nil {
			return err
		}
	}
}

// text writes for people what was found in a line.
func (l parsedLine) text(w io.Writer) error {
	lead := fmt.Sprintf("line %d: ", l.Line)
	if l.DeadLetter != nil {
		return cli.Paragraph(w, lead, l.DeadLetter.text())
	}
	err := cli.Paragraph(w, lead, fmt.Sprintf("%s, %s", l.Format, cli.Count(len(l.Records), "record")))
	for _, r := range l.Records {
		switch {
		case r.DeadLetter != nil:
			err = errors.Join(err, cli.Paragraph(w, "  ", r.DeadLetter.text()))
			continue
		case r.Access == nil:
			err = errors.Join(err, cli.Paragraph(w, "  ", "left out by ingest.exclude"))
			continue
		}
		err = errors.Join(err, cli.Paragraph(w, "  ", r.Access.text()))
		if len(r.Errors) == 0 {
			err = errors.Join(err, cli.Paragraph(w, "  ", "no error"))
		}
		for _, e := range r.Errors {
			err = errors.Join(err, e.text(w))
		}
	}
	return err
}

func (d deadLetter) text() string {
	return fmt.Sprintf("dead letter %s: %s", d.Reason, reasons[d.Reason])
}

// text returns what is known of a request, in one sentence.
func (a parsedAccess) text() string {
	var facts []string
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, strings.TrimSpace(name+" "+cli.OneLine(value)))
		}
	}
	add("", a.Time.String())
	add("tenant", a.Tenant)
	add("service", a.Service)
	add("route", a.Route)
	add("", strings.TrimSpace(a.Method+" "+a.Path))
	if a.Status != nil {
		add("status", strconv.Itoa(*a.Status))
	}
	if a.LatencyMS != nil {
		add("", strconv.FormatFloat(*a.LatencyMS, 'f', -1, 64)+" ms")
	}
	add("request", a.RequestID)
	add("body", string(a.BodyState))
	return strings.Join(facts, ", ")
}

func (e parsedError) text(w io.Writer) error {
	what := "no catalog lists it"
	if e.Known {
		what = e.Kind
	}
	err := cli.Paragraph(w, "  error ", fmt.Sprintf("%s (family %s, %s; dialect %s, %s)", cli.OneLine(e.Code), e.Family, what, e.Dialect, e.Confidence))
	for _, part := range []struct{ name, text string }{{"message", e.Message}, {"description", e.Description}, {"remedy", e.Remedy}} {
		if part.text != "" {
			err = errors.Join(err, cli.Paragraph(w, fmt.Sprintf("    %-11s  ", part.name), part.text))
		}
	}
	return err
}

func describe(line int, r enrich.Record) parsedLine {
	l := parsedLine{Line: line, Format: r.Format, Records: []parsedRecord{}, DeadLetter: deadLetterOf(r.DeadLetter)}
	for _, e := range r.Elements {
		record := parsedRecord{Errors: []parsedError{}, DeadLetter: deadLetterOf(e.DeadLetter)}
		if e.DeadLetter == "" && !e.Excluded {
			record.Access = describeAccess(e.Access)
		}
		for _, event := range e.Events {
			args := event.Args
			if args == nil {
				args = map[string]string{}
			}
			record.Errors = append(record.Errors, parsedError{
				Code: event.Code, CatalogCode: event.CatalogCode, Family: event.Family, Kind: event.Kind, Known: event.Known,
				Message: event.Message, ModuleCode: event.ModuleCode, Args: args, Description: event.Description, Remedy: event.Remedy,
				RequestID: event.RequestID, Dialect: event.Dialect, Confidence: string(event.Confidence),
			})
		}
		l.Records = append(l.Records, record)
	}
	return l
}

func describeAccess(a accesslog.Access) *parsedAccess {
	out := &parsedAccess{
		Time: cli.Timestamp{Time: a.Time}, Tenant: a.Tenant, Service: a.Service, Route: a.Route, Method: a.Method, Path: a.Path.String(), RequestID: a.RequestID.String(), BodyState: a.BodyState,
	}
	if a.Status != 0 {
		out.Status = &a.Status
	}
	if a.HasLatency {
		out.LatencyMS = &a.LatencyMS
	}
	return out
}

func deadLetterOf(why accesslog.Reason) *deadLetter {
	if why == "" {
		return nil
	}
	return &deadLetter{why}
}
