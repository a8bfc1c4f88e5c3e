package alert

import (
	"context"
	"fmt"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// ReportUnsent compares for how long a report has been due that a schedule promised and that was
// not sent. A promise is stored before it is due, so that it is missed even if nothing runs that
// would send the report.
type ReportUnsent struct{ Levels []level } // in seconds

func (l *lint) reportUnsent(k spanKeys) ReportUnsent {
	return ReportUnsent{l.spans("report_unsent", k, "how long a report may be overdue, such as 1h", func(key string, value float64) {
		if value < time.Minute.Seconds() {
			l.bad(key, "a report needs some seconds to be made and sent: give 1m or more")
		}
	})}
}

func (r ReportUnsent) windows() []time.Duration { return []time.Duration{0} }
func (r ReportUnsent) needs() needs             { return needs{clock: true, reports: true} }
func (r ReportUnsent) levels() []level          { return r.Levels }

func (r ReportUnsent) judge(c counts, at time.Time, t thresholds, s State) Verdict {
	v, says := Verdict{}, "no report is overdue"
	if u := c.unsent; u.reports > 0 {
		v.Value = max(0, at.Sub(u.due).Seconds())
		says = fmt.Sprintf("%s, due at %s, is %s overdue", u.oldest, clock(u.due), short(time.Duration(v.Value)*time.Second))
		if u.reports > 1 {
			says = fmt.Sprintf("%s are overdue; %s", cli.Count(u.reports, "report"), says)
		}
	}
	v.compare(t, s, func() string { return says }, func(f float64) string { return short(time.Duration(f) * time.Second) })
	return v
}

// unsent is what schedules have promised and not sent. The zero value is nothing.
type unsent struct {
	reports uint64
	due     time.Time // of the oldest
	oldest  string    // "the report of 2026-11-02 on all"
}

// unsentReport names a report.
func unsentReport(date, scope string) string {
	return fmt.Sprintf("the report of %s on %s", date, scope)
}

// unsent implements source.
func (s *stored) unsent(ctx context.Context, now time.Time) (u unsent, err error) {
	const sql = `SELECT count(), min(due), argMin(toString(date), (due, scope)), argMin(scope, (due, scope)) FROM reports_due
		WHERE outcome = ? AND due <= fromUnixTimestamp64Milli(?)`
	err = s.Query(ctx, sql, []any{store.ReportDue, now.UnixMilli()}, func(scan func(...any) error) error {
		var date, scope string
		err := scan(&u.reports, &u.due, &date, &scope)
		u.oldest = unsentReport(date, scope)
		return err
	})
	if err != nil {
		return unsent{}, fmt.Errorf("read which reports are due: %w", err)
	}
	return u, nil
}

// unsent implements source.
func (s *simulated) unsent(_ context.Context, now time.Time) (u unsent, err error) {
	for _, t := range s.troubles {
		if !t.unsent || now.Before(t.from) || !now.Before(t.to) {
			continue
		}
		if u.reports++; u.reports == 1 || t.from.Before(u.due) {
			u.due, u.oldest = t.from, unsentReport(t.from.AddDate(0, 0, -1).Format(time.DateOnly), "all")
		}
	}
	return u, nil
}
