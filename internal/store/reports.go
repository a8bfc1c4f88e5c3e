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
