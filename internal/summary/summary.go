// Package summary makes reports of what the store counted and the catalogs say, as plain
// values, and renders them: a table for a terminal, Markdown, CSV, JSON.
package summary

import (
	"context"
	"time"

	"errata/internal/catalog"
	"errata/internal/store"
)

// Top is the most frequent errors of a window.
type Top struct {
	From          time.Time // [From, To)
	To            time.Time
	By            []string // what the rows are grouped by
	Requests      uint64   // of the window and the chosen tenants, as are the next two
	ErrorRequests uint64   // requests with at least one error
	Errors        uint64   // envelopes: a request may have several
	Tenants       []string // the chosen ones; empty: all
	DeadLetters   uint64   // of all tenants: a record that nobody could read has none
	Rows          []TopRow
}

// TopRow is one group of errors. A column that the rows are not grouped by is "".
type TopRow struct {
	Tenant, Service, Route, Code, Family, Kind, Template string

	Errors      uint64
	Requests    uint64  // all requests of the row's tenant, service and route, as far as it is grouped by these
	Share       float64 // Errors / Requests; above 1 where requests hold several errors
	FirstSeen   time.Time
	LastSeen    time.Time
	Description string // of Code, and of Template where rows are grouped by it, as the catalogs have it today
	Remedy      string
}

// NewTop asks the store and explains the codes.
func NewTop(ctx context.Context, s *store.Store, c *catalog.Set, q store.TopQuery) (Top, error) {
	totals, err := s.Totals(ctx, q)
	if err != nil {
		return Top{}, err
	}
	rows, err := s.Top(ctx, q)
	if err != nil {
		return Top{}, err
	}
	t := Top{
		From: q.From.Truncate(time.Minute), To: q.To.Truncate(time.Minute), By: q.By, Tenants: q.Tenants,
		Requests: totals.Requests, ErrorRequests: totals.ErrorRequests, Errors: totals.Errors, DeadLetters: totals.DeadLetters,
	}
	for _, r := range rows {
		row := TopRow{
			Tenant: r.Tenant, Service: r.Service, Route: r.Route, Code: r.Code, Family: r.Family, Kind: r.Kind, Template: r.Template,
			Errors: r.Errors, Requests: r.Requests, FirstSeen: r.FirstSeen.UTC(), LastSeen: r.LastSeen.UTC(),
		}
		if r.Requests > 0 {
			row.Share = float64(r.Errors) / float64(r.Requests)
		}
		if r.Code != "" {
			row.Description, row.Remedy = c.Lookup(r.Code, r.Dialect, r.Service, 0, r.Template).Texts()
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}
