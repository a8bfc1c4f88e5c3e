package report

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// TopQuery asks for the most frequent errors. Its scope is cut to whole minutes.
type TopQuery struct {
	store.Scope
	By    []string // of TopKeys; what rows are grouped by
	Limit int
}

// TopKeys are the columns that errors can be grouped by.
var TopKeys = append(slices.Clone(store.ErrorKeys), "template")

// Top is the most frequent errors of a window.
type Top struct {
	From          cli.Timestamp `json:"from"` // [From, To)
	To            cli.Timestamp `json:"to"`
	Tenants       []string      `json:"tenants"` // empty: all
	By            []string      `json:"by"`
	Requests      uint64        `json:"requests"`       // of the window and the tenants, as are the next two
	ErrorRequests uint64        `json:"error_requests"` // requests with at least one error
	Errors        uint64        `json:"errors"`         // envelopes: a request may have several
	DeadLetters   *uint64       `json:"dead_letters"`   // nil for chosen tenants: a dead letter has none
	Rows          []TopRow      `json:"rows"`
}

// TopRow is one group of errors. A column that the rows are not grouped by is "", except for a
// family or kind that all errors of the group share.
type TopRow struct {
	Tenant      string        `json:"tenant" ch:"tenant"`
	Service     string        `json:"service" ch:"service"`
	Route       string        `json:"route" ch:"route"`
	Code        string        `json:"code" ch:"code"`
	Family      string        `json:"family" ch:"family"`
	Kind        string        `json:"kind" ch:"kind"`
	Template    string        `json:"template,omitempty" ch:"template"`
	Errors      uint64        `json:"errors" ch:"errors"`
	Requests    uint64        `json:"requests" ch:"requests"` // of the same tenant, service and route, where rows are grouped by these
	Share       float64       `json:"share" ch:"-"`           // Errors / Requests; above 1 where requests hold several errors
	FirstSeen   cli.Timestamp `json:"first_seen" ch:"first_seen"`
	LastSeen    cli.Timestamp `json:"last_seen" ch:"last_seen"`
	Description string        `json:"description" ch:"-"` // of Code, and of Template where rows are grouped by it, in today's catalogs
	Remedy      string        `json:"remedy" ch:"-"`

	Dialect string `json:"-" ch:"dialect"` // of one of the errors
}

// NewTop asks the store and explains the codes.
func NewTop(ctx context.Context, s *store.Store, c *catalog.Set, q TopQuery) (Top, error) {
	q.Scope = q.Minutes()
	t := Top{From: cli.Timestamp{Time: q.From}, To: cli.Timestamp{Time: q.To}, By: q.By, Tenants: append([]string{}, q.Tenants...)}
	if err := t.count(ctx, s, q.Scope); err != nil {
		return Top{}, fmt.Errorf("count the requests: %w", err)
	}
	rows, err := topRows(ctx, s, q)
	if err != nil {
		return Top{}, fmt.Errorf("ask for the top errors: %w", err)
	}
	for i := range rows {
		r := &rows[i]
		if r.Requests > 0 {
			r.Share = float64(r.Errors) / float64(r.Requests)
		}
		if r.Code != "" {
			r.Description, r.Remedy = c.Lookup(r.Code, r.Dialect, r.Service, 0, r.Template).Texts()
		}
	}
	t.Rows = append([]TopRow{}, rows...)
	return t, nil
}

// count asks for the totals of the scope.
func (t *Top) count(ctx context.Context, s *store.Store, scope store.Scope) error {
	of := scope.Where("")
	err := s.Query(ctx, "SELECT sum(requests), sum(errors) FROM "+scope.Rollup("traffic", nil)+" WHERE "+of.SQL, of.Args,
		func(scan func(...any) error) error { return scan(&t.Requests, &t.ErrorRequests) })
	if err != nil {
		return err
	}
	err = s.Query(ctx, "SELECT sum(errors) FROM "+scope.Rollup("error", nil)+" WHERE "+of.SQL, of.Args,
		func(scan func(...any) error) error { return scan(&t.Errors) })
	if err != nil || len(scope.Tenants) > 0 {
		return err
	}
	t.DeadLetters = new(uint64)
	dead := scope.Where("ts")
	return s.Query(ctx, "SELECT count() FROM dead_letters WHERE "+dead.SQL, dead.Args,
		func(scan func(...any) error) error { return scan(t.DeadLetters) })
}

// topRows asks for the groups with the most errors, and the requests beside them.
func topRows(ctx context.Context, s *store.Store, q TopQuery) ([]TopRow, error) {
	where := q.Where("")
	columns := make([]string, len(TopKeys))
	for i, key := range TopKeys {
		columns[i] = q.column(key) + " AS " + key + "_"
	}
	place := "1" // what a group of errors and its requests share
	if shared := q.shared(); len(shared) > 0 {
		place = "(" + strings.Join(shared, ", ") + ")"
	}
	by := strings.Join(q.By, ", ")
	return store.Select[TopRow](ctx, s, fmt.Sprintf(`
		WITH
			e AS (
				SELECT %[1]s, %[2]s AS place, min(dialect) AS dialect_, sum(errors) AS errors_, min(first_seen) AS first_, max(last_seen) AS last_
				FROM %[3]s WHERE %[4]s GROUP BY %[5]s ORDER BY errors_ DESC, %[5]s LIMIT %[6]d
			),
			r AS (SELECT %[2]s AS place, sum(requests) AS requests_ FROM %[7]s WHERE %[4]s GROUP BY place)
		SELECT tenant_ AS tenant, service_ AS service, route_ AS route, family_ AS family, kind_ AS kind, code_ AS code, template_ AS template,
			dialect_ AS dialect, errors_ AS errors, requests_ AS requests, first_ AS first_seen, last_ AS last_seen
		FROM e LEFT JOIN r ON e.place = r.place
		ORDER BY errors DESC, tenant, service, route, family, kind, code, template`,
		strings.Join(columns, ", "), place, q.source(), where.SQL, by, q.Limit, q.Rollup("traffic", nil)), append(slices.Clone(where.Args), where.Args...))
}

// column is the expression of a key in a group.
func (q TopQuery) column(key string) string {
	switch {
	case slices.Contains(q.By, key):
		return key
	case key == "family" || key == "kind": // follow from the code where they can
		return fmt.Sprintf("if(uniq(%[1]s) = 1, any(%[1]s), '')", key)
	}
	return "''"
}

// shared are the keys of the query that requests have too.
func (q TopQuery) shared() (keys []string) {
	for _, key := range q.By {
		if slices.Contains(store.RequestKeys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// source is the table that errors are counted from: a rollup, or the errors one by one for the
// template, which no rollup has.
func (q TopQuery) source() string {
	if !slices.Contains(q.By, "template") {
		return q.Rollup("error", nil)
	}
	return fmt.Sprintf(`(SELECT tenant, service, route, family, kind, code, template, dialect, topic, 1 AS errors, ts AS first_seen, ts AS last_seen FROM errors
		WHERE ts >= fromUnixTimestamp64Milli(%d) AND ts < fromUnixTimestamp64Milli(%d))`, q.From.UnixMilli(), q.To.UnixMilli())
}

// TopOutputs are the ways to write a Top.
var TopOutputs = cli.Outputs[Top]{
	{Name: "table", Write: Top.text},
	{Name: "json", Write: cli.JSON[Top]},
	{Name: "csv", Write: Top.csv},
	{Name: "markdown", Write: Top.markdown},
}

func (t Top) text(w io.Writer) error {
	if err := cli.Paragraph(w, "", t.headline()); err != nil {
		return err
	}
	return t.table(topColumns).Text(w)
}

func (t Top) markdown(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", t.headline()); err != nil {
		return err
	}
	return t.table(topColumns).Markdown(w)
}

func (t Top) csv(w io.Writer) error {
	columns := slices.Clone(topColumns)
	for i := range columns {
		if columns[i].Name == "share" { // a number for programs
			columns[i].cell = func(r TopRow) string { return strconv.FormatFloat(r.Share, 'f', 6, 64) }
		}
	}
	return t.table(columns).CSV(w)
}

func (t Top) headline() string {
	line := fmt.Sprintf("%s to %s: %d requests, %d of them with errors; %d errors", t.From, t.To, t.Requests, t.ErrorRequests, t.Errors)
	if t.DeadLetters != nil {
		line += fmt.Sprintf("; %d dead letters", *t.DeadLetters)
	}
	return line
}

// topColumn is a column of the table, with its text in a row.
type topColumn struct {
	cli.Column
	cell func(TopRow) string
}

// topColumns are all columns in the order in which they are shown.
var topColumns = []topColumn{
	{cli.Column{Name: "tenant"}, func(r TopRow) string { return r.Tenant }},
	{cli.Column{Name: "service"}, func(r TopRow) string { return r.Service }},
	{cli.Column{Name: "route"}, func(r TopRow) string { return r.Route }},
	{cli.Column{Name: "code"}, func(r TopRow) string { return r.Code }},
	{cli.Column{Name: "template"}, func(r TopRow) string { return r.Template }},
	{cli.Column{Name: "family", Spare: 3}, func(r TopRow) string { return r.Family }},
	{cli.Column{Name: "kind", Spare: 2}, func(r TopRow) string { return r.Kind }},
	{cli.Column{Name: "errors", Number: true}, func(r TopRow) string { return strconv.FormatUint(r.Errors, 10) }},
	{cli.Column{Name: "share", Number: true, Spare: 4}, func(r TopRow) string { return strconv.FormatFloat(100*r.Share, 'f', 3, 64) + "%" }},
	{cli.Column{Name: "first_seen", Spare: 1}, func(r TopRow) string { return r.FirstSeen.String() }},
	{cli.Column{Name: "last_seen", Spare: 5}, func(r TopRow) string { return r.LastSeen.String() }},
	{cli.Column{Name: "description", Prose: true}, func(r TopRow) string { return r.Description }},
	{cli.Column{Name: "remedy", Prose: true}, func(r TopRow) string { return r.Remedy }},
}

// table lays out the rows: the keys in the order of By, what follows from a code, and the counts.
func (t Top) table(columns []topColumn) cli.Table {
	names := slices.Clone(t.By)
	add := func(more ...string) {
		for _, name := range more {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	byCode := slices.Contains(t.By, "code")
	if byCode {
		add("family", "kind")
	}
	add("errors", "share", "first_seen", "last_seen")
	if byCode {
		add("description", "remedy")
	}
	table := cli.Table{Rows: make([][]string, len(t.Rows))}
	for _, name := range names {
		c := columns[slices.IndexFunc(columns, func(c topColumn) bool { return c.Name == name })]
		table.Columns = append(table.Columns, c.Column)
		for i, r := range t.Rows {
			table.Rows[i] = append(table.Rows[i], c.cell(r))
		}
	}
	return table
}
