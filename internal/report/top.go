package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// TopQuery asks for the most frequent errors. Its scope is cut to whole minutes.
type TopQuery struct {
	store.Scope
	Filter
	By        []string // of TopKeys; what rows are grouped by
	Limit     int      // the greatest number of rows, of each tenant if PerTenant
	PerTenant bool     // By has to contain tenant
	Compare   string   // of Comparisons; "" for none
	Lang      string   // of the texts; "" for that of the page
	Zone      *time.Location
}

// Filter narrows a question about errors. An empty list is no condition.
type Filter struct {
	Codes    []string `json:"codes"` // in any case and with any separators
	Families []string `json:"families"`
	Services []string `json:"services"`
	Routes   []string `json:"routes"`
}

// TopKeys are the columns that errors can be grouped by.
var TopKeys = append(slices.Clone(store.ErrorKeys), "template", "status", "owner", "dialect")

// Comparisons are the windows that a window can be compared with: the one of the same length that
// ends where it begins, and the same one a day or a week earlier.
var Comparisons = []string{"previous", "1d", "7d"}

// Top is the most frequent errors of a window.
type Top struct {
	From          cli.Timestamp `json:"from"` // [From, To)
	To            cli.Timestamp `json:"to"`
	Zone          string        `json:"zone"`    // in which people read the times
	Tenants       []string      `json:"tenants"` // empty: all
	Filter        Filter        `json:"filter"`
	By            []string      `json:"by"`
	Requests      uint64        `json:"requests"`       // of the window, the tenants, services and routes
	ErrorRequests uint64        `json:"error_requests"` // of Requests: those with at least one error, of any code
	Errors        uint64        `json:"errors"`         // envelopes that pass the filter: a request may have several
	DeadLetters   *uint64       `json:"dead_letters"`   // nil for chosen tenants or a filter: a dead letter has none of these
	Compared      *TopCompared  `json:"compared"`       // null without a comparison
	Freshness     Freshness     `json:"freshness"`
	Rows          []TopRow      `json:"rows"`
	Others        []TopOther    `json:"others"` // what Limit cut off: Errors is the sum of Rows and Others

	OtherCatalogs string `json:"-"` // see the function
	Wide          bool   `json:"-"` // the table has all columns on a terminal too

	zone *time.Location
}

// TopCompared is the window that a window is compared with.
type TopCompared struct {
	With     string        `json:"with"` // of Comparisons
	From     cli.Timestamp `json:"from"`
	To       cli.Timestamp `json:"to"`
	Requests uint64        `json:"requests"`
	Errors   uint64        `json:"errors"`
}

// TopOther is the groups that are not among the rows.
type TopOther struct {
	Tenant string `json:"tenant"` // "" unless each tenant has its rows
	Groups uint64 `json:"groups"`
	Errors uint64 `json:"errors"`
}

// TopRow is one group of errors. A column that the rows are not grouped by is empty, except for a
// family, kind or dialect that all errors of the group share.
type TopRow struct {
	Rank        uint64        `json:"rank" ch:"rank"` // from 1; among those of its tenant if each has its rows
	Tenant      string        `json:"tenant" ch:"tenant"`
	Service     string        `json:"service" ch:"service"`
	Route       string        `json:"route" ch:"route"`
	Code        string        `json:"code" ch:"code"`
	Family      string        `json:"family" ch:"family"`
	Kind        string        `json:"kind" ch:"kind"`
	Template    string        `json:"template,omitempty" ch:"template"`
	Status      *uint16       `json:"status" ch:"status"`
	Owner       string        `json:"owner" ch:"owner"` // as stored where rows are grouped by it, else that of Code in today's catalogs
	Dialect     string        `json:"dialect" ch:"dialect"`
	Errors      uint64        `json:"errors" ch:"errors"`
	Requests    uint64        `json:"requests" ch:"requests"` // of the same tenant, service, route and status, where rows are grouped by these
	Share       float64       `json:"share" ch:"-"`           // Errors / Requests; above 1 where requests hold several errors
	Before      *TopBefore    `json:"before" ch:"-"`          // in the window of the comparison; null without one
	History     []uint64      `json:"history" ch:"-"`         // errors in each of the equal parts of the window
	FirstSeen   cli.Timestamp `json:"first_seen" ch:"first_seen"`
	LastSeen    cli.Timestamp `json:"last_seen" ch:"last_seen"`
	Known       bool          `json:"known" ch:"-"`       // today's catalogs list Code
	Description string        `json:"description" ch:"-"` // of Code, and of Template where rows are grouped by it, in today's catalogs
	Remedy      string        `json:"remedy" ch:"-"`
	Message     string        `json:"message" ch:"-"`     // of a Code that no catalog lists: the most frequent one of the UTC days of FirstSeen and LastSeen
	RequestIDs  []string      `json:"request_ids" ch:"-"` // of the first and the last of these errors
}

// TopBefore is a group of errors in the window that its window is compared with.
type TopBefore struct {
	Rank     uint64  `json:"rank"` // 0: there was no such error
	Errors   uint64  `json:"errors"`
	Requests uint64  `json:"requests"`
	Share    float64 `json:"share"`
	Delta    int64   `json:"delta"` // errors now less errors then
}

// Check returns what is wrong with a query.
func (q TopQuery) Check() error {
	for i, key := range q.By {
		if !slices.Contains(TopKeys, key) {
			return fmt.Errorf("--by %q: give some of %s", key, strings.Join(TopKeys, ","))
		}
		if slices.Contains(q.By[:i], key) {
			return fmt.Errorf("--by names %q twice", key)
		}
	}
	switch {
	case len(q.By) == 0:
		return fmt.Errorf("--by is empty: give some of %s", strings.Join(TopKeys, ","))
	case q.PerTenant && !slices.Contains(q.By, "tenant"):
		return errors.New("--per tenant needs tenant among --by")
	case q.Compare != "" && !slices.Contains(Comparisons, q.Compare):
		return fmt.Errorf("--compare %q: give one of %s", q.Compare, strings.Join(Comparisons, ", "))
	}
	return nil
}

// NewTop asks the store and explains the codes.
func NewTop(ctx context.Context, s *store.Store, c *catalog.Set, q TopQuery) (Top, error) {
	if err := q.Check(); err != nil {
		return Top{}, err
	}
	if q.Zone == nil {
		q.Zone = time.UTC
	}
	q.Scope = s.Resolve(ctx, q.Minutes())
	t := Top{From: cli.Timestamp{Time: q.From}, To: cli.Timestamp{Time: q.To}, Zone: q.Zone.String(), Tenants: append([]string{}, q.Tenants...),
		Filter: q.Filter.filled(), By: q.By, zone: q.Zone}
	if q.Compare != "" {
		before := q.earlier()
		t.Compared = &TopCompared{With: q.Compare, From: cli.Timestamp{Time: before.From.UTC()}, To: cli.Timestamp{Time: before.To.UTC()}}
	}
	// What does not need the ranking is asked beside it.
	queries, within := errgroup.WithContext(ctx)
	queries.Go(func() error { return t.rankAndExplain(within, s, c, q) })
	queries.Go(func() error { return t.count(within, s, q) })
	queries.Go(func() (err error) {
		t.Freshness, err = NewFreshness(within, s, q.Scope, time.Now())
		return err
	})
	queries.Go(func() (err error) {
		t.OtherCatalogs, err = OtherCatalogs(within, s, q.Scope, c.Version)
		return err
	})
	if err := queries.Wait(); err != nil {
		return Top{}, err
	}
	return t, nil
}

// rankAndExplain asks for the groups with the most errors, and says what their codes mean.
func (t *Top) rankAndExplain(ctx context.Context, s *store.Store, c *catalog.Set, q TopQuery) error {
	if err := t.rank(ctx, s, q); err != nil {
		return err
	}
	if !slices.Contains(q.By, "code") {
		return nil
	}
	for i := range t.Rows {
		t.Rows[i].explain(c, q)
	}
	if err := t.addSamples(ctx, s, q); err != nil {
		return fmt.Errorf("ask for samples of the codes that no catalog lists: %w", err)
	}
	return nil
}

// filled returns the filter without nil lists, which JSON would show as null.
func (f Filter) filled() Filter {
	for _, list := range []*[]string{&f.Codes, &f.Families, &f.Services, &f.Routes} {
		*list = append([]string{}, *list...)
	}
	return f
}

// explain adds what today's catalogs say about the row's code. A code that has several families in
// the group means nothing in particular.
func (r *TopRow) explain(c *catalog.Set, q TopQuery) {
	if r.Family == "" {
		return
	}
	k := meaningOf(c, r.Family, r.Code, r.Dialect, r.Service, r.Template)
	texts, _ := k.TextsIn(q.Lang)
	r.Known, r.Description, r.Remedy = k.Entry != nil, texts.Description, texts.Remedy
	if k.Entry != nil && !slices.Contains(q.By, "owner") {
		r.Owner = k.Entry.Owner
	}
}

// addSamples adds messages and request ids to the rows whose codes no catalog lists. It looks at
// the days on which the rows' errors were first and last met, because to read all errors of a long
// window takes longer than all other queries together.
func (t *Top) addSamples(ctx context.Context, s *store.Store, q TopQuery) error {
	var codes, tenants, days []string
	rows := map[string]*TopRow{}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Known || r.Family == "" {
			continue
		}
		if !slices.Contains(codes, r.Code) {
			codes = append(codes, r.Code)
		}
		if !slices.Contains(tenants, r.Tenant) {
			tenants = append(tenants, r.Tenant)
		}
		for _, at := range []cli.Timestamp{r.FirstSeen, r.LastSeen} {
			if day := at.UTC().Format(time.DateOnly); !slices.Contains(days, day) {
				days = append(days, day)
			}
		}
		rows[strings.Join(r.keys(q.By), "\x00")] = r
	}
	if len(codes) == 0 {
		return nil
	}
	where := q.errors("ts").And("code IN (?)", codes).And("toDate(ts) IN (?)", days)
	if slices.Contains(q.By, "tenant") {
		where = where.And("tenant IN (?)", tenants) // the sorting key begins with it
	}
	samples, err := samplesOf(ctx, s, where, q.By)
	for _, sample := range samples {
		if r := rows[strings.Join(sample.Keys, "\x00")]; r != nil {
			r.Message, r.RequestIDs = sample.Message, requestIDs(sample)
		}
	}
	return err
}

// keys returns the values of columns.
func (r *TopRow) keys(by []string) (values []string) {
	for _, key := range by {
		values = append(values, columnNamed(key).cell(*r))
	}
	return values
}
