package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/spike"
	"errata/internal/store"
)

// DailyQuery asks for the report of a calendar day, or of the week from Monday that has the day.
type DailyQuery struct {
	Tenants []string  // empty: all
	Owner   string    // of catalog.Owners, whose codes alone are reported; "": all
	Date    time.Time // of which year, month and day count
	Zone    *time.Location
	Week    bool
	Lang    string // of the texts: en or zh
	Limit   int    // the greatest number of rows of a list; the rest is summed up
	Link    Link   // of each line
}

// Daily is the report of a day or week. All outputs show its values. It holds nothing of tenants
// other than those of the query.
type Daily struct {
	Date      string        `json:"date"` // the day, or the Monday of the week
	Week      bool          `json:"week"`
	Zone      string        `json:"zone"`
	From      cli.Timestamp `json:"from"` // [From, To)
	To        cli.Timestamp `json:"to"`
	Hours     float64       `json:"hours"`   // how long the window is: a day may have 23 or 25
	Tenants   []string      `json:"tenants"` // empty: all
	Owner     string        `json:"owner"`   // "": all
	Lang      string        `json:"lang"`
	Watermark cli.Timestamp `json:"watermark"` // up to when all records are counted; null: unknown
	Complete  bool          `json:"complete"`  // the window lies before the watermark

	Verdict      Verdict       `json:"verdict"`
	Totals       DailyTotals   `json:"totals"`
	Previous     DailyTotals   `json:"previous"`  // of the day or week before
	LastWeek     DailyTotals   `json:"last_week"` // of the same weekday, a week before
	Comparison   Comparison    `json:"comparison"`
	Changes      []Change      `json:"changes"`   // what really changed: up first, then by how much
	Explained    []Explained   `json:"explained"` // what looks changed because something else did
	TopCodes     []DailyCode   `json:"top_codes"`
	OtherCodes   Others        `json:"other_codes"` // beyond the limit, as below
	TopTenants   []DailyTenant `json:"top_tenants"`
	OtherTenants Others        `json:"other_tenants"`
	Chart        []Bar         `json:"chart"` // by the hour, by the day for a week
	Families     []Part        `json:"families"`
	Kinds        []Part        `json:"kinds"`
	Unseen       Unseen        `json:"unseen"`
	Alerts       []DailyAlert  `json:"alerts"`
	Unknown      []DailyCode   `json:"unknown_codes"` // that no catalog lists
	MoreUnknown  Others        `json:"more_unknown_codes"`

	Revision DailyRevision `json:"revision"`

	Full bool `json:"-"` // show all sections of a quiet day too

	zone *time.Location

	moreChanges, moreAlerts int // that a mail leaves out
}

// DailyTotals are the counts of a window.
type DailyTotals struct {
	Requests      uint64  `json:"requests"`
	ErrorRequests uint64  `json:"error_requests"` // requests with at least one error
	Errors        uint64  `json:"errors"`         // envelopes: a request may have several
	Share         float64 `json:"share"`          // ErrorRequests / Requests
}

// DailyRevision is the last recorded revision of the report, and what has been counted since.
type DailyRevision struct {
	Number        uint32        `json:"number"`         // 0: none is recorded
	MadeAt        cli.Timestamp `json:"made_at"`        // null: likewise
	AddedRequests int64         `json:"added_requests"` // that it has more than the revision before
	AddedErrors   int64         `json:"added_errors"`
	Changed       bool          `json:"changed"` // so much since then that it is worth another revision
	LateRequests  int64         `json:"late_requests"`
	LateErrors    int64         `json:"late_errors"`
}

// Others sums up what a list leaves out.
type Others struct {
	Number uint64 `json:"number"`
	Errors uint64 `json:"errors"`
}

// DailyCode is a code with its errors on the day. Texts are of today's catalogs.
type DailyCode struct {
	Code        string        `json:"code"`
	Family      string        `json:"family"`
	Kind        string        `json:"kind"`
	Owner       string        `json:"owner"`
	Known       bool          `json:"known"` // a catalog lists it
	Errors      uint64        `json:"errors"`
	Share       float64       `json:"share"` // of all errors of the report
	LastWeek    uint64        `json:"last_week"`
	Requests    uint64        `json:"requests"`   // that it affected
	Tenants     uint64        `json:"tenants"`    // that met it
	FirstSeen   cli.Timestamp `json:"first_seen"` // on the day
	LastSeen    cli.Timestamp `json:"last_seen"`
	Description string        `json:"description"`
	Remedy      string        `json:"remedy"`
	Message     string        `json:"message"` // the most frequent one
	Said        []Said        `json:"said"`    // about it, of the tenants that met it
	Link        string        `json:"link"`    // to a page about it; "": no page is configured
	Arguments   []Argument    `json:"arguments"`

	dialect, service string
}

// Argument is a value that errors of a code often have in a placeholder of their message.
type Argument struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Errors uint64 `json:"errors"`
}

// DailyTenant is a tenant with its counts.
type DailyTenant struct {
	Tenant string `json:"tenant"`
	DailyTotals
	LastWeek uint64 `json:"last_week"` // errors
	Code     string `json:"code"`      // with the most errors
	Link     string `json:"link"`      // as above
}

// Bar is an hour or a day of the chart.
type Bar struct {
	From     cli.Timestamp `json:"from"`
	To       cli.Timestamp `json:"to"`
	Requests uint64        `json:"requests"`
	Errors   uint64        `json:"errors"`
}

// Part is the errors of a family or kind.
type Part struct {
	Name     string  `json:"name"`
	Errors   uint64  `json:"errors"`
	Share    float64 `json:"share"` // of all errors of the report
	LastWeek uint64  `json:"last_week"`
	Link     string  `json:"link"` // as above
}

// The windows that a report compares: the day, the one before, and the same weekday of past weeks.
const (
	today = iota
	previous
	lastWeek
	dailyWindows = lastWeek + spike.Weeks
)

// windows returns the windows of the report, and the parts of the first one for the chart.
func (q DailyQuery) windows() (all []window, parts []window) {
	days, date := 1, q.Date
	if q.Week {
		days, date = 7, monday(q.Date)
	}
	all = append(all, daysFrom(date, 0, days, q.Zone), daysFrom(date, -days, days, q.Zone))
	for week := range spike.Weeks {
		all = append(all, daysFrom(date, -7*(week+1), days, q.Zone))
	}
	if q.Week {
		for day := range days {
			parts = append(parts, dayOf(date, day, q.Zone))
		}
		return all, parts
	}
	for at := all[today].From; at.Before(all[today].To); at = at.Add(time.Hour) {
		to := at.Add(time.Hour)
		if to.After(all[today].To) {
			to = all[today].To
		}
		parts = append(parts, window{at, to})
	}
	return all, parts
}

// monday returns the Monday of the week of a date.
func monday(date time.Time) time.Time { return date.AddDate(0, 0, -(int(date.Weekday())+6)%7) }

// NewDaily asks the store and explains the codes.
func NewDaily(ctx context.Context, s *store.Store, c *catalog.Set, q DailyQuery) (Daily, error) {
	windows, parts := q.windows()
	day := windows[today]
	date := q.Date
	if q.Week {
		date = monday(date)
	}
	d := Daily{
		Date: date.Format(time.DateOnly), Week: q.Week, Zone: q.Zone.String(), zone: q.Zone,
		From: cli.Timestamp{Time: day.From.UTC()}, To: cli.Timestamp{Time: day.To.UTC()}, Hours: day.length().Hours(),
		Tenants: append([]string{}, q.Tenants...), Owner: q.Owner, Lang: q.Lang,
	}
	a := dailyAsker{s: s, query: q, windows: windows}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"the watermark", func(ctx context.Context) error { return a.watermark(ctx, &d) }},
		{"the errors", func(ctx context.Context) error { return a.askPairs(ctx, c) }},
		{"the requests", a.askTraffic},
		{"the requests of the owner's codes", a.askOwned},
		{"the codes that are new", a.askNew},
		{"what was said about codes", a.askSaid},
		{"the gaps", a.askGaps},
		{"changes of catalogs and parser", a.askVersions},
		{"the hours", func(ctx context.Context) error { return a.chart(ctx, &d, parts) }},
		{"what could not be seen", func(ctx context.Context) error { return a.unseen(ctx, &d) }},
		{"the alerts", func(ctx context.Context) error { return a.alerts(ctx, &d) }},
	} {
		if err := step.do(ctx); err != nil {
			return Daily{}, fmt.Errorf("ask for %s: %w", step.what, err)
		}
	}
	d.Totals, d.Previous, d.LastWeek = a.totals(today), a.totals(previous), a.totals(lastWeek)
	d.Changes, d.Explained, d.Comparison = a.compare()
	a.fillTenants(&d)
	d.Families = a.parts(func(p *pair) string { return p.Family })
	d.Kinds = a.parts(func(p *pair) string { return p.Kind })
	if err := a.fillCodes(ctx, c, &d); err != nil {
		return Daily{}, fmt.Errorf("ask for the details of codes: %w", err)
	}
	d.Verdict = d.judge()
	if err := d.setLinks(q.Link); err != nil {
		return Daily{}, err
	}
	revisions, err := NewRevisions(ctx, s, q)
	if err != nil {
		return Daily{}, err
	}
	d.compareWith(revisions)
	return d, nil
}

// totals returns the counts of a window.
func (a *dailyAsker) totals(window int) (t DailyTotals) {
	for _, r := range a.traffic {
		t.Requests += r.Requests[window]
		t.ErrorRequests += r.Errors[window]
	}
	for i := range a.pairs {
		t.Errors += a.pairs[i].Counts[window]
	}
	if a.query.Owner != "" {
		t.ErrorRequests = 0
		for _, owned := range a.owned {
			t.ErrorRequests += owned[window]
		}
	}
	t.Share = share(t.ErrorRequests, t.Requests)
	return t
}

// fillTenants lists the tenants with the most errors.
func (a *dailyAsker) fillTenants(d *Daily) {
	tenants := map[string]*DailyTenant{}
	of := func(name string) *DailyTenant {
		if tenants[name] == nil {
			tenants[name] = &DailyTenant{Tenant: name}
		}
		return tenants[name]
	}
	for _, r := range a.traffic {
		t := of(r.Tenant)
		t.Requests += r.Requests[today]
		t.ErrorRequests += r.Errors[today]
	}
	codes := map[[2]string]uint64{}
	for i := range a.pairs {
		p := &a.pairs[i]
		t := of(p.Tenant)
		t.Errors += p.Counts[today]
		t.LastWeek += p.Counts[lastWeek]
		codes[[2]string{p.Tenant, p.Code}] += p.Counts[today]
	}
	most := map[string]uint64{}
	for _, key := range slices.SortedFunc(maps.Keys(codes), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		if n := codes[key]; n > most[key[0]] {
			most[key[0]], tenants[key[0]].Code = n, key[1]
		}
	}
	d.TopTenants = []DailyTenant{}
	for _, name := range slices.Sorted(maps.Keys(tenants)) {
		t := tenants[name]
		if a.query.Owner != "" {
			t.ErrorRequests = 0
			if owned := a.owned[name]; owned != nil {
				t.ErrorRequests = owned[today]
			}
		}
		if t.Share = share(t.ErrorRequests, t.Requests); t.Errors > 0 {
			d.TopTenants = append(d.TopTenants, *t)
		}
	}
	slices.SortStableFunc(d.TopTenants, func(a, b DailyTenant) int { return cmp.Compare(b.Errors, a.Errors) })
	d.TopTenants, d.OtherTenants = limitedTo(d.TopTenants, a.query.Limit, func(t DailyTenant) uint64 { return t.Errors })
}

// limitedTo cuts a list and sums up what it leaves out.
func limitedTo[T any](all []T, limit int, errors func(T) uint64) (list []T, others Others) {
	list = all[:min(limit, len(all))]
	for _, t := range all[len(list):] {
		others.Number++
		others.Errors += errors(t)
	}
	return list, others
}

// parts sums up the errors by what they have in common.
func (a *dailyAsker) parts(name func(*pair) string) []Part {
	sums := map[string]*Part{}
	all := uint64(0)
	for i := range a.pairs {
		p := &a.pairs[i]
		if p.Counts[today] == 0 && p.Counts[lastWeek] == 0 {
			continue
		}
		if sums[name(p)] == nil {
			sums[name(p)] = &Part{Name: name(p)}
		}
		sums[name(p)].Errors += p.Counts[today]
		sums[name(p)].LastWeek += p.Counts[lastWeek]
		all += p.Counts[today]
	}
	parts := make([]Part, 0, len(sums))
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		p := sums[key]
		p.Share = share(p.Errors, all)
		parts = append(parts, *p)
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(b.Errors, a.Errors) })
	return parts
}

// fillCodes lists the codes with the most errors, and those that no catalog lists.
func (a *dailyAsker) fillCodes(ctx context.Context, c *catalog.Set, d *Daily) error {
	type key struct{ code, family string }
	sums, tenants := map[key]*DailyCode{}, map[key]map[string]bool{}
	for i := range a.pairs {
		p := &a.pairs[i]
		if p.Counts[today] == 0 {
			continue
		}
		k := key{p.Code, p.Family}
		x := sums[k]
		if x == nil {
			x = &DailyCode{Code: p.Code, Family: p.Family, Kind: p.Kind, Owner: p.owner, Known: p.known, Arguments: []Argument{},
				FirstSeen: p.First, dialect: p.Dialect, service: p.Service}
			sums[k], tenants[k] = x, map[string]bool{}
		}
		x.Errors += p.Counts[today]
		tenants[k][p.Tenant] = true
		x.Tenants = uint64(len(tenants[k]))
		if p.First.Before(x.FirstSeen.Time) {
			x.FirstSeen = p.First
		}
		if p.Last.After(x.LastSeen.Time) {
			x.LastSeen = p.Last
		}
	}
	for i := range a.pairs { // of all tenants, also of those that no longer meet the code
		if x := sums[key{a.pairs[i].Code, a.pairs[i].Family}]; x != nil {
			x.LastWeek += a.pairs[i].Counts[lastWeek]
		}
	}
	all, unknown := []DailyCode{}, []DailyCode{}
	for _, k := range slices.SortedFunc(maps.Keys(sums), func(a, b key) int { return cmp.Or(cmp.Compare(a.code, b.code), cmp.Compare(a.family, b.family)) }) {
		x := sums[k]
		x.Share = share(x.Errors, d.Totals.Errors)
		x.Said = a.saidOfAll(x.Code, tenants[k])
		if all = append(all, *x); !x.Known {
			unknown = append(unknown, *x)
		}
	}
	errors := func(x DailyCode) uint64 { return x.Errors }
	for _, list := range [][]DailyCode{all, unknown} {
		slices.SortStableFunc(list, func(a, b DailyCode) int { return cmp.Compare(b.Errors, a.Errors) })
	}
	d.TopCodes, d.OtherCodes = limitedTo(all, a.query.Limit, errors)
	d.Unknown, d.MoreUnknown = limitedTo(unknown, a.query.Limit, errors)
	var listed []*DailyCode
	for _, list := range [][]DailyCode{d.TopCodes, d.Unknown} {
		for i := range list {
			listed = append(listed, &list[i])
		}
	}
	if err := a.details(ctx, listed); err != nil {
		return err
	}
	for _, x := range listed {
		texts, _ := meaningOf(c, x.Family, x.Code, x.dialect, x.service, x.Message).TextsIn(a.query.Lang)
		x.Description, x.Remedy = texts.Description, texts.Remedy
	}
	for i := range d.Changes {
		a.describe(c, &d.Changes[i])
	}
	return nil
}
