package report

import (
	"context"
	"fmt"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// Freshness says up to when counts are complete, and how the ingesters do.
type Freshness struct {
	CompleteTo cli.Timestamp `json:"complete_to"` // the event time up to which all records are counted; null: unknown
	CheckedAt  cli.Timestamp `json:"checked_at"`  // when the ingesters last said so; null: never
	LagSeconds float64       `json:"lag_seconds"` // how far CompleteTo was behind CheckedAt
	Ingesters  string        `json:"ingesters"`   // one of the constants below
	Partitions []string      `json:"partitions"`  // those that lag, or that no ingester has reported on lately

	covers bool // the whole window lies before CompleteTo
}

// The states of the ingesters.
const (
	Current   = "current"
	Lagging   = "lagging"
	Absent    = "absent"     // some partitions, or all, have not been reported on lately
	NoReports = "no_reports" // no partition was ever reported on
)

const (
	// absentAfter is how long an ingester may be silent. It reports every five seconds, unless an
	// insert takes longer.
	absentAfter = time.Minute
	// laggingFrom is the least lag that is worth a word: a batch waits for its records, and an
	// insert takes its time.
	laggingFrom = 30 * time.Second
)

// watermark is a row of the view watermarks.
type watermark struct {
	Topic     string    `ch:"topic"`
	Partition int32     `ch:"partition"`
	Watermark time.Time `ch:"watermark"`
	At        time.Time `ch:"at"`
}

// NewFreshness asks the store how fresh the data of the scope's topics is.
func NewFreshness(ctx context.Context, s *store.Store, scope store.Scope, now time.Time) (Freshness, error) {
	where := store.Scope{Topics: scope.Topics}.Where("")
	marks, err := store.Select[watermark](ctx, s, "SELECT topic, partition, watermark, at FROM watermarks WHERE "+where.SQL+" ORDER BY topic, partition", where.Args)
	if err != nil {
		return Freshness{}, fmt.Errorf("ask how fresh the data is: %w", err)
	}
	f := freshness(marks, now)
	f.covers = f.Ingesters != NoReports && !scope.To.IsZero() && !scope.To.After(f.CompleteTo.Time)
	return f, nil
}

// freshness judges watermarks. The least one counts, as for alerts.
func freshness(marks []watermark, now time.Time) Freshness {
	f := Freshness{Ingesters: NoReports, Partitions: []string{}}
	if len(marks) == 0 {
		return f
	}
	f.Ingesters = Current
	var silent, lagging []string
	for _, m := range marks {
		if f.CompleteTo.IsZero() || m.Watermark.Before(f.CompleteTo.Time) {
			f.CompleteTo.Time = m.Watermark.UTC()
		}
		if m.At.After(f.CheckedAt.Time) {
			f.CheckedAt.Time = m.At.UTC()
		}
		name := fmt.Sprintf("%s/%d", m.Topic, m.Partition)
		switch {
		case now.Sub(m.At) > absentAfter:
			silent = append(silent, name)
		case m.At.Sub(m.Watermark) >= laggingFrom:
			lagging = append(lagging, name)
		}
	}
	f.LagSeconds = max(0, f.CheckedAt.Sub(f.CompleteTo.Time).Seconds())
	switch {
	case len(silent) > 0:
		f.Ingesters, f.Partitions = Absent, silent
	case len(lagging) > 0:
		f.Ingesters, f.Partitions = Lagging, lagging
	}
	return f
}

// Trouble reports whether a reader has to be told even where only figures are printed: the window
// is not complete, and waiting a few seconds does not help.
func (f Freshness) Trouble() bool { return f.Ingesters != Current && !f.covers }

// String is a sentence for the end of a report.
func (f Freshness) String() string { return f.In(time.UTC) }

// In is String with its times in a zone.
func (f Freshness) In(zone *time.Location) string {
	at := func(t cli.Timestamp) string { return clock(t.Time, zone) }
	switch {
	case f.Ingesters == NoReports:
		return "completeness unknown: no ingester has reported yet; is `ingest run` running?"
	case f.covers:
		return "complete: everything up to " + at(f.CompleteTo) + " is counted"
	}
	line := "complete up to " + at(f.CompleteTo)
	switch f.Ingesters {
	case Lagging:
		return line + fmt.Sprintf(": the ingester lags by %s (%s)", span(f.LagSeconds), some(f.Partitions))
	case Absent:
		return line + fmt.Sprintf(": no ingester has reported on %s for the last minute, the latest report is of %s; is `ingest run` running?", some(f.Partitions), at(f.CheckedAt))
	}
	return line
}

// clock is a time for people: a date, a time and a zone.
func clock(t time.Time, zone *time.Location) string {
	if zone == nil || zone == time.UTC {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.In(zone).Format("2006-01-02T15:04:05-07:00")
}

// span is a number of seconds for people.
func span(seconds float64) string {
	return (time.Duration(seconds) * time.Second).String()
}

// some names the first few of a list.
func some(names []string) string {
	const most = 3
	text := ""
	for i, name := range names[:min(most, len(names))] {
		if i > 0 {
			text += ", "
		}
		text += name
	}
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
