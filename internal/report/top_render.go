package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// TopOutputs are the ways to write a Top.
var TopOutputs = cli.Outputs[Top]{
	{Name: "table", Write: Top.text},
	{Name: "json", Write: cli.JSON[Top]},
	{Name: "csv", Write: Top.csv},
	{Name: "tsv", Write: Top.tsv},
	{Name: "markdown", Write: Top.markdown},
}

// text writes the table for people: on a terminal one that fits, elsewhere all columns, each row on
// one line of any length.
func (t Top) text(w io.Writer) error {
	if width := cli.Width(w); width > 0 && !t.Wide {
		return t.compact(w, width)
	}
	if err := cli.Paragraph(w, "", t.headline(t.stamp)); err != nil {
		return err
	}
	if err := t.table(topColumns, false).Text(cli.Screen{Writer: w}); err != nil {
		return err
	}
	return cli.Paragraph(w, "", t.Freshness.In(t.zone))
}

func (t Top) markdown(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", t.headline(t.stamp)); err != nil {
		return err
	}
	if err := t.table(topColumns, false).Markdown(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", t.Freshness.In(t.zone))
	return err
}

func (t Top) csv(w io.Writer) error { return t.table(forPrograms(), true).CSV(w) }

func (t Top) tsv(w io.Writer) error {
	table := t.table(forPrograms(), true)
	return writeTSV(w, slices.Concat([][]string{columnNames(table)}, table.Rows))
}

func columnNames(t cli.Table) (names []string) {
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

// forPrograms returns the columns with plain numbers, and times in UTC.
func forPrograms() []topColumn {
	columns := slices.Clone(topColumns)
	for i, c := range columns {
		switch {
		case c.plain != nil:
			columns[i].cell = c.plain
		case c.time != nil:
			columns[i].cell = func(r TopRow) string { return c.time(r).String() }
			columns[i].time = nil
		}
	}
	return columns
}

// headline says what the report is about. at writes a time.
func (t Top) headline(at func(cli.Timestamp) string) string {
	line := fmt.Sprintf("%s to %s: %s, %d of them with errors; %s%s", at(t.From), at(t.To), cli.Count(t.Requests, "request"), t.ErrorRequests, cli.Count(t.Errors, "error"), t.Filter.words())
	if t.DeadLetters != nil {
		line += "; " + cli.Count(*t.DeadLetters, "dead letter")
	}
	if c := t.Compared; c != nil {
		line += fmt.Sprintf("; before, %s to %s: %s, %s", at(c.From), at(c.To), cli.Count(c.Requests, "request"), cli.Count(c.Errors, "error"))
	}
	return line
}

// words says what a filter lets pass.
func (f Filter) words() (text string) {
	for _, p := range []struct {
		word   string
		values []string
	}{{"code", f.Codes}, {"family", f.Families}, {"service", f.Services}, {"route", f.Routes}} {
		if len(p.values) > 0 {
			text += " of " + p.word + " " + cli.OneLine(strings.Join(p.values, ", "))
		}
	}
	return text
}

// stamp is a time of a table: RFC 3339 with milliseconds, in the zone.
func (t Top) stamp(at cli.Timestamp) string {
	if at.IsZero() || t.location() == time.UTC {
		return at.String()
	}
	return at.In(t.zone).Format("2006-01-02T15:04:05.000-07:00")
}

// location is the zone in which people read the times.
func (t Top) location() *time.Location { return cmp.Or(t.zone, time.UTC) }

// topColumn is a column of the table, with its text in a row.
type topColumn struct {
	cli.Column
	cell  func(TopRow) string
	plain func(TopRow) string        // for programs; nil: the same
	time  func(TopRow) cli.Timestamp // in place of cell, for people in their zone
}

// topColumns are all columns in the order in which they are shown.
var topColumns = []topColumn{
	{Column: cli.Column{Name: "rank", Number: true}, cell: TopRow.rank},
	{Column: cli.Column{Name: "tenant"}, cell: func(r TopRow) string { return r.Tenant }},
	{Column: cli.Column{Name: "service"}, cell: func(r TopRow) string { return r.Service }},
	{Column: cli.Column{Name: "route"}, cell: func(r TopRow) string { return r.Route }},
	{Column: cli.Column{Name: "code"}, cell: func(r TopRow) string { return r.Code }},
	{Column: cli.Column{Name: "template"}, cell: func(r TopRow) string { return r.Template }},
	{Column: cli.Column{Name: "status"}, cell: TopRow.status},
	{Column: cli.Column{Name: "owner"}, cell: func(r TopRow) string { return r.Owner }},
	{Column: cli.Column{Name: "dialect"}, cell: func(r TopRow) string { return r.Dialect }},
	{Column: cli.Column{Name: "family"}, cell: func(r TopRow) string { return r.Family }},
	{Column: cli.Column{Name: "kind"}, cell: func(r TopRow) string { return r.Kind }},
	{Column: cli.Column{Name: "errors", Number: true}, cell: func(r TopRow) string { return number(r.Errors) }},
	{Column: cli.Column{Name: "share", Number: true}, cell: func(r TopRow) string { return percent(r.Share, r.Requests) }, plain: func(r TopRow) string { return fraction(r.Share, r.Requests) }},
	{Column: cli.Column{Name: "trend"}, cell: TopRow.trend},
	{Column: cli.Column{Name: "before_errors", Number: true}, cell: before(func(b TopBefore) string { return number(b.Errors) })},
	{Column: cli.Column{Name: "before_share", Number: true}, cell: before(func(b TopBefore) string { return percent(b.Share, b.Requests) }),
		plain: before(func(b TopBefore) string { return fraction(b.Share, b.Requests) })},
	{Column: cli.Column{Name: "delta", Number: true}, cell: TopRow.delta, plain: before(func(b TopBefore) string { return strconv.FormatInt(b.Delta, 10) })},
	{Column: cli.Column{Name: "before_rank", Number: true}, cell: before(func(b TopBefore) string { return TopRow{Rank: b.Rank}.rank() })},
	{Column: cli.Column{Name: "first_seen"}, time: func(r TopRow) cli.Timestamp { return r.FirstSeen }},
	{Column: cli.Column{Name: "last_seen"}, time: func(r TopRow) cli.Timestamp { return r.LastSeen }},
	{Column: cli.Column{Name: "description", Prose: true}, cell: func(r TopRow) string { return r.Description }},
	{Column: cli.Column{Name: "remedy", Prose: true}, cell: func(r TopRow) string { return r.Remedy }},
	{Column: cli.Column{Name: "message", Prose: true}, cell: func(r TopRow) string { return r.Message }},
	{Column: cli.Column{Name: "request_ids"}, cell: func(r TopRow) string { return strings.Join(r.RequestIDs, " ") }},
}

// columnNamed returns the column of topColumns with a name.
func columnNamed(name string) topColumn {
	return topColumns[slices.IndexFunc(topColumns, func(c topColumn) bool { return c.Name == name })]
}

func (r TopRow) status() string {
	if r.Status == nil {
		return ""
	}
	return strconv.Itoa(int(*r.Status))
}

// rank is the rank, "" for the line of what was cut off.
func (r TopRow) rank() string {
	if r.Rank == 0 {
		return ""
	}
	return number(r.Rank)
}

// delta is the change of the number of errors, for people.
func (r TopRow) delta() string {
	switch b := r.Before; {
	case b == nil:
		return ""
	case b.Rank == 0:
		return "new"
	case b.Delta == 0:
		return "="
	default:
		return fmt.Sprintf("%+d (%+.0f%%)", b.Delta, 100*float64(b.Delta)/float64(b.Errors))
	}
}

// climb is the change of the rank, for people.
func (r TopRow) climb() string {
	switch b := r.Before; {
	case b == nil || b.Rank == 0:
		return ""
	case b.Rank > r.Rank:
		return "↑" + number(b.Rank-r.Rank)
	case b.Rank < r.Rank:
		return "↓" + number(r.Rank-b.Rank)
	}
	return "="
}

func before(text func(TopBefore) string) func(TopRow) string {
	return func(r TopRow) string {
		if r.Before == nil {
			return ""
		}
		return text(*r.Before)
	}
}

// percent is a share for people, "" without requests.
func percent(share float64, requests uint64) string {
	if requests == 0 {
		return ""
	}
	return strconv.FormatFloat(100*share, 'f', 3, 64) + "%"
}

// fraction is a share for programs, "" without requests.
func fraction(share float64, requests uint64) string {
	if requests == 0 {
		return ""
	}
	return strconv.FormatFloat(share, 'f', 6, 64)
}

// topLine is a line of the table: a row, or what is not among the rows.
type topLine struct {
	TopRow
	other *TopOther
}

// lines returns the rows, each tenant's rows, or all, followed by what was cut off.
func (t Top) lines() (lines []topLine) {
	others := t.Others
	for i, r := range t.Rows {
		lines = append(lines, topLine{TopRow: r})
		last := i+1 == len(t.Rows) || len(others) > 0 && others[0].Tenant != "" && t.Rows[i+1].Tenant != r.Tenant
		if last && len(others) > 0 && (others[0].Tenant == "" || others[0].Tenant == r.Tenant) {
			o := others[0]
			others = others[1:]
			rest := TopRow{Tenant: o.Tenant, Errors: o.Errors}
			if !slices.ContainsFunc(t.By, func(key string) bool { return slices.Contains(sharedKeys, key) }) {
				rest.Requests, rest.Share = t.Requests, share(o.Errors, t.Requests)
			}
			lines = append(lines, topLine{TopRow: rest, other: &o})
		}
	}
	return lines
}

// otherKey is the column that says "(other)" in the line for what is not among the rows.
func (t Top) otherKey(o TopOther) string {
	for _, key := range t.By {
		if key != "tenant" || o.Tenant == "" {
			return key
		}
	}
	return ""
}

// names are the columns of the table: the keys in the order of By, what follows from a code, and
// the counts.
func (t Top) names(programs bool) []string {
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
	add("errors", "share")
	if t.Compared != nil {
		add("before_errors", "before_share", "delta", "rank", "before_rank")
	}
	if t.Wide && !programs {
		add("trend")
	}
	add("first_seen", "last_seen")
	if byCode {
		add("description", "remedy")
		if programs || slices.ContainsFunc(t.Rows, func(r TopRow) bool { return r.Message != "" || len(r.RequestIDs) > 0 }) {
			add("message", "request_ids")
		}
	}
	return names
}

// cell is the text of a column in a line.
func (t Top) cell(c topColumn, l topLine) string {
	switch {
	case l.other != nil && c.Name == t.otherKey(*l.other):
		return store.Other
	case c.time != nil:
		return t.stamp(c.time(l.TopRow))
	}
	return c.cell(l.TopRow)
}

// table lays out all columns. Those that only a code without a catalog fills may be left out where
// there is none, but not for programs.
func (t Top) table(columns []topColumn, programs bool) cli.Table {
	lines := t.lines()
	table := cli.Table{Rows: make([][]string, len(lines))}
	for _, name := range t.names(programs) {
		c := columns[slices.IndexFunc(columns, func(c topColumn) bool { return c.Name == name })]
		table.Columns = append(table.Columns, c.Column)
		for i, l := range lines {
			table.Rows[i] = append(table.Rows[i], t.cell(c, l))
		}
	}
	return table
}
