package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"errata/internal/accesslog"
	"errata/internal/enrich"
)

// The output of `ingest parse`: one object an input line, every key present. Unknown text is "", an unknown
// number or time null.
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
		Time      *string             `json:"time"`
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

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// runParse is the dry run: the very processor of the ingester, with the present in place of Kafka's time.
func runParse(_ context.Context, inv *invocation) error {
	p, err := inv.load()
	if err != nil {
		return err
	}
	in, err := inv.open()
	if err != nil {
		return err
	}
	defer in.Close()
	out := bufio.NewWriter(inv.stdout)
	if err := parseLines(in, out, p.processor); err != nil {
		return errors.Join(err, out.Flush())
	}
	return out.Flush()
}

func parseLines(in io.Reader, out io.Writer, processor *enrich.Processor) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
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
		if err := encoder.Encode(describe(n, processor.Record(bytes.TrimRight(line, "\r\n"), enrich.Position{Clock: clock}))); err != nil {
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
		Tenant: a.Tenant, Service: a.Service, Route: a.Route, Method: a.Method, Path: a.Path, RequestID: a.RequestID, BodyState: a.BodyState,
	}
	if !a.Time.IsZero() {
		at := a.Time.Format(timeLayout)
		out.Time = &at
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
