package store

import (
	"context"
	"fmt"
	"time"
)

// Report is a row of the view reports: a report as it was recorded. Date, Period, Zone, Scope and
// Revision are its identity. Recording it again replaces it.
type Report struct {
	Date                     time.Time
	Period                   string // day or week
	Zone                     string
	Scope                    string // all, or the tenants and the owner that it is of
	Revision                 int
	MadeAt                   time.Time
	Verdict, Sentence        string
	Watermark                time.Time // zero: unknown
	Requests, ErrorRequests  uint64
	Errors                   uint64
	LateRequests, LateErrors int64     // more than in the revision before
	Sent                     time.Time // zero: it was not
}

// RecordReport stores a report.
func (s *Store) RecordReport(ctx context.Context, r Report) error {
	if err := reportTable.insert(ctx, s, alone([]Report{r})); err != nil {
		return fmt.Errorf("record the report: %w", err)
	}
	return nil
}

// MarkReportSent records that a report was sent. Its identity is enough.
func (s *Store) MarkReportSent(ctx context.Context, r Report, at time.Time) error {
	err := s.conn.Exec(ctx, `INSERT INTO report_rows SELECT * REPLACE(fromUnixTimestamp64Milli(?) AS sent) FROM report_rows FINAL
		WHERE date = toDate(?) AND period = ? AND zone = ? AND scope = ? AND revision = ?`,
		at.UnixMilli(), r.Date.Format(time.DateOnly), r.Period, r.Zone, r.Scope, uint32(r.Revision))
	if err != nil {
		return fmt.Errorf("record that the report was sent: %w", err)
	}
	return nil
}

// DueReport is a row of the view reports_due: a report that a schedule has promised. Date, Period,
// Zone and Scope are its identity, as in a Report.
type DueReport struct {
	Date     time.Time `ch:"date"`
	Period   string    `ch:"period"`
	Zone     string    `ch:"zone"`
	Scope    string    `ch:"scope"`
	Schedule string    `ch:"schedule"` // what the schedule reports on: a scope, or each tenant
	Due      time.Time `ch:"due"`
	Outcome  string    `ch:"outcome"` // ReportDue, or what became of it
	Written  time.Time `ch:"at"`      // by the wall clock
}

// The outcomes of a report that is due.
const (
	ReportDue       = "due"
	ReportSent      = "sent"
	ReportWithdrawn = "withdrawn" // its schedule ended, or no longer reports on its scope
	ReportMissed    = "missed"    // it was not sent in time, and no longer will be
)

// RecordDueReports promises reports, withdraws them, or says what became of them. That stays,
// whatever is recorded later.
func (s *Store) RecordDueReports(ctx context.Context, due []DueReport) error {
	if err := dueReportTable.insert(ctx, s, alone(due)); err != nil {
		return fmt.Errorf("record which reports are due: %w", err)
	}
	return nil
}

var dueReportTable = table[DueReport]{
	name: "report_due_rows",
	columns: []column[DueReport]{
		col("date", func(_ *Batch, r *DueReport) *time.Time { return &r.Date }),
		col("period", func(_ *Batch, r *DueReport) *string { return &r.Period }),
		col("zone", func(_ *Batch, r *DueReport) *string { return &r.Zone }),
		col("scope", func(_ *Batch, r *DueReport) *string { return &r.Scope }),
		col("schedule", func(_ *Batch, r *DueReport) *string { return &r.Schedule }),
		col("due", func(_ *Batch, r *DueReport) *time.Time { return &r.Due }),
		col("outcome", func(_ *Batch, r *DueReport) *string { return &r.Outcome }),
		computed("settled", func(_ *Batch, r *DueReport) uint8 {
			if r.Outcome == ReportSent || r.Outcome == ReportMissed {
				return 1
			}
			return 0
		}),
		col("at", func(_ *Batch, r *DueReport) *time.Time { return &r.Written }),
	},
}

var reportTable = table[Report]{
	name: "report_rows",
	columns: []column[Report]{
		col("date", func(_ *Batch, r *Report) *time.Time { return &r.Date }),
		col("period", func(_ *Batch, r *Report) *string { return &r.Period }),
		col("zone", func(_ *Batch, r *Report) *string { return &r.Zone }),
		col("scope", func(_ *Batch, r *Report) *string { return &r.Scope }),
		computed("revision", func(_ *Batch, r *Report) uint32 { return uint32(r.Revision) }),
		col("made_at", func(_ *Batch, r *Report) *time.Time { return &r.MadeAt }),
		col("verdict", func(_ *Batch, r *Report) *string { return &r.Verdict }),
		col("sentence", func(_ *Batch, r *Report) *string { return &r.Sentence }),
		optionalTime("watermark", func(_ *Batch, r *Report) *time.Time { return &r.Watermark }),
		col("requests", func(_ *Batch, r *Report) *uint64 { return &r.Requests }),
		col("error_requests", func(_ *Batch, r *Report) *uint64 { return &r.ErrorRequests }),
		col("errors", func(_ *Batch, r *Report) *uint64 { return &r.Errors }),
		col("late_requests", func(_ *Batch, r *Report) *int64 { return &r.LateRequests }),
		col("late_errors", func(_ *Batch, r *Report) *int64 { return &r.LateErrors }),
		optionalTime("sent", func(_ *Batch, r *Report) *time.Time { return &r.Sent }),
	},
}
