package report

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// Revisions are the recorded reports of a day or week, the first one first.
type Revisions struct {
	Date      string     `json:"date"`
	Week      bool       `json:"week"`
	Zone      string     `json:"zone"`
	Tenants   []string   `json:"tenants"` // empty: all
	Owner     string     `json:"owner"`   // "": all
	Revisions []Revision `json:"revisions"`
}

// Revision is a report as it was recorded, with what it has more than the one before.
type Revision struct {
	Revision      uint32        `json:"revision" ch:"revision"`
	MadeAt        cli.Timestamp `json:"made_at" ch:"made_at"`
	Verdict       string        `json:"verdict" ch:"verdict"`
	Sentence      string        `json:"sentence" ch:"sentence"`
	Requests      uint64        `json:"requests" ch:"requests"`
	ErrorRequests uint64        `json:"error_requests" ch:"error_requests"`
	Errors        uint64        `json:"errors" ch:"errors"`
	LateRequests  int64         `json:"late_requests" ch:"late_requests"`
	LateErrors    int64         `json:"late_errors" ch:"late_errors"`
	Sent          cli.Timestamp `json:"sent" ch:"sent"` // 1970: it was not
}

// lateShare is the bound of revisions: counts that differ by no more are the same report.
const lateShare = 0.001

// identity returns what recorded reports of the query have in common: their date, period and scope.
func (q DailyQuery) identity() (date time.Time, period, scope string) {
	date, period = q.Date, "day"
	if q.Week {
		date, period = monday(date), "week"
	}
	year, month, day := date.Date()
	var parts []string
	tenants := slices.Compact(slices.Sorted(slices.Values(q.Tenants)))
	for _, tenant := range tenants {
		parts = append(parts, "tenant "+strconv.Quote(tenant))
	}
	if q.Owner != "" {
		parts = append(parts, "owner "+q.Owner)
	}
	if scope = strings.Join(parts, ", "); scope == "" {
		scope = "all"
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC), period, scope
}

// Identity names the day, zone and scope of a query in one text.
func Identity(q DailyQuery) string {
	date, period, scope := q.identity()
	return strings.Join([]string{date.Format(time.DateOnly), period, q.Zone.String(), scope}, " ")
}

// MarkSent records that a revision was sent.
func MarkSent(ctx context.Context, s *store.Store, q DailyQuery, revision uint32, at time.Time) error {
	date, period, scope := q.identity()
	return s.MarkReportSent(ctx, store.Report{Date: date, Period: period, Zone: q.Zone.String(), Scope: scope, Revision: int(revision)}, at)
}

// NewRevisions asks for the recorded reports of a query.
func NewRevisions(ctx context.Context, s *store.Store, q DailyQuery) (Revisions, error) {
	date, period, scope := q.identity()
	r := Revisions{Date: date.Format(time.DateOnly), Week: q.Week, Zone: q.Zone.String(), Tenants: append([]string{}, q.Tenants...), Owner: q.Owner}
	rows, err := store.Select[Revision](ctx, s, "SELECT revision, made_at, verdict, sentence, requests, error_requests, errors, late_requests, late_errors, sent FROM reports "+
		"WHERE date = toDate(?) AND period = ? AND zone = ? AND scope = ? ORDER BY revision", []any{r.Date, period, r.Zone, scope})
	if err != nil {
		return Revisions{}, fmt.Errorf("ask for the recorded reports: %w", err)
	}
	r.Revisions = append([]Revision{}, rows...)
	return r, nil
}

// compareWith sets the revision of the report: the last recorded one, and what came since.
func (d *Daily) compareWith(r Revisions) {
	if len(r.Revisions) == 0 {
		return
	}
	last := r.Revisions[len(r.Revisions)-1]
	d.Revision = DailyRevision{Number: last.Revision, MadeAt: last.MadeAt, AddedRequests: last.LateRequests, AddedErrors: last.LateErrors, LateRequests: int64(d.Totals.Requests - last.Requests),
		LateErrors: int64(d.Totals.Errors - last.Errors)}
	d.Revision.Changed = late(last.Requests, d.Totals.Requests) || late(last.ErrorRequests, d.Totals.ErrorRequests) || late(last.Errors, d.Totals.Errors) ||
		last.Verdict != d.Verdict.Level
}

// late reports whether a count changed enough for another revision.
func late(before, now uint64) bool {
	difference := float64(now) - float64(before)
	return max(difference, -difference) > lateShare*float64(before)
}

// Record stores the report as the next revision of its day, unless the last one says the same. The
// result reports whether it did.
func (d *Daily) Record(ctx context.Context, s *store.Store, q DailyQuery, now time.Time) (bool, error) {
	if d.Revision.Number > 0 && !d.Revision.Changed {
		return false, nil
	}
	date, period, scope := q.identity()
	next := store.Report{Date: date, Period: period, Zone: d.Zone, Scope: scope, Revision: int(d.Revision.Number) + 1, MadeAt: now.UTC(),
		Verdict: d.Verdict.Level, Sentence: d.Verdict.Sentence, Watermark: d.Watermark.Time,
		Requests: d.Totals.Requests, ErrorRequests: d.Totals.ErrorRequests, Errors: d.Totals.Errors}
	if d.Revision.Number > 0 {
		next.LateRequests, next.LateErrors = d.Revision.LateRequests, d.Revision.LateErrors
	}
	if err := s.RecordReport(ctx, next); err != nil {
		return false, err
	}
	d.Revision = DailyRevision{Number: uint32(next.Revision), MadeAt: cli.Timestamp{Time: next.MadeAt}, AddedRequests: next.LateRequests, AddedErrors: next.LateErrors}
	return true, nil
}

// revision says which revision the report is, what it has more than the one before, and what came
// since.
func (p dailyPrinter) revision(r DailyRevision) string {
	if r.Number == 0 {
		return p.Sprintf("not recorded")
	}
	signed := func(n int64) string {
		if n < 0 {
			return "-" + p.number(uint64(-n))
		}
		return "+" + p.number(uint64(n))
	}
	text := p.Sprintf("revision %d", r.Number)
	if r.AddedRequests != 0 || r.AddedErrors != 0 {
		text = p.Sprintf("%s, with %s requests and %s errors of late data", text, signed(r.AddedRequests), signed(r.AddedErrors))
	}
	if r.LateRequests != 0 || r.LateErrors != 0 {
		text = p.Sprintf("%s, since then %s requests and %s errors", text, signed(r.LateRequests), signed(r.LateErrors))
	}
	return text
}

// RevisionOutputs are the ways to write Revisions.
var RevisionOutputs = cli.Outputs[Revisions]{
	{Name: "text", Write: Revisions.text},
	{Name: "markdown", Write: func(r Revisions, w io.Writer) error { return r.table().Markdown(w) }},
	{Name: "json", Write: cli.JSON[Revisions]},
	{Name: "csv", Write: func(r Revisions, w io.Writer) error { return r.table().CSV(w) }},
}

func (r Revisions) text(w io.Writer) error {
	if len(r.Revisions) == 0 {
		return cli.Paragraph(w, "", "no report of "+r.Date+" in "+r.Zone+" is recorded: report daily --record records one")
	}
	return r.table().Text(w)
}

func (r Revisions) table() cli.Table {
	t := cli.Table{Columns: []cli.Column{{Name: "revision", Number: true}, {Name: "made_at"}, {Name: "verdict"}, {Name: "requests", Number: true}, {Name: "errors", Number: true},
		{Name: "late_requests", Number: true}, {Name: "late_errors", Number: true}, {Name: "sent"}, {Name: "sentence", Prose: true}}}
	for _, x := range r.Revisions {
		t.Rows = append(t.Rows, []string{strconv.Itoa(int(x.Revision)), x.MadeAt.String(), x.Verdict, number(x.Requests), number(x.Errors),
			strconv.FormatInt(x.LateRequests, 10), strconv.FormatInt(x.LateErrors, 10), x.sent(), x.Sentence})
	}
	return t
}

// sent is when the revision was sent, "" if it was not.
func (x Revision) sent() string {
	if x.Sent.Unix() <= 0 {
		return ""
	}
	return x.Sent.String()
}
