package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/enrich"
)

// The output of `ingest parse` is one object per input line, with every key present. Unknown text
// is "", an unknown number or time is null.
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

func newParse(env *environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "parse [FILE]",
		Short: "Show what would be found in the log records, one per line, of FILE or standard input",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return env.parse(cmd, args, format) },
	}
	cmd.Flags().StringVar(&format, "format", "", "`format` of the log records: auto or a name (default: ingest.format)")
	return cmd
}

// parse is the dry run. It uses the ingester's own processor, with the present in place of Kafka's
// time.
func (env *environment) parse(cmd *cobra.Command, args []string, format string) error {
	cfg, err := config.Load(env.configFile)
	if err != nil {
		return err
	}
	cfg.Ingest.Format = cmp.Or(format, cfg.Ingest.Format)
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
	return errors.Join(parseLines(in, out, p.processor), out.Flush())
}

func parseLines(in io.Reader, out io.Writer, processor *enrich.Processor) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	clock := accesslog.Clock{Latest: time.Now().Add(24 * time.Hour), Optional: true}
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", n, err)
		}
		record := processor.Record(bytes.TrimRight(line, "\r\n"), enrich.Position{Clock: clock})
		if err := cli.JSONLine(describe(n, record), out); err != nil {
			return err
		}
	}
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
		Time: cli.Timestamp{Time: a.Time}, Tenant: a.Tenant, Service: a.Service, Route: a.Route, Method: a.Method, Path: a.Path, RequestID: a.RequestID, BodyState: a.BodyState,
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
