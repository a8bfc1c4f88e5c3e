package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"errata/internal/cli"
)

// DriftOutputs are the ways to write a Drift.
var DriftOutputs = cli.Outputs[Drift]{
	{Name: "table", Write: Drift.text},
	{Name: "json", Write: cli.JSON[Drift]},
	{Name: "markdown", Write: Drift.markdown},
}

func (d Drift) text(w io.Writer) error {
	if err := cli.Paragraph(w, "", d.headline()); err != nil {
		return err
	}
	for _, s := range d.sections() {
		fmt.Fprintf(w, "\n%s: %d\n", s.title, s.total)
		if s.total == 0 {
			continue
		}
		if err := s.table.Text(w); err != nil {
			return err
		}
		s.more(w)
	}
	return nil
}

func (d Drift) markdown(w io.Writer) error {
	if _, err := fmt.Fprintln(w, d.headline()); err != nil {
		return err
	}
	for _, s := range d.sections() {
		fmt.Fprintf(w, "\n## %s: %d\n\n", s.title, s.total)
		if s.total == 0 {
			fmt.Fprintln(w, s.none)
			continue
		}
		if err := s.table.Markdown(w); err != nil {
			return err
		}
		if s.total > len(s.table.Rows) {
			fmt.Fprintln(w)
		}
		s.more(w)
	}
	return nil
}

func (d Drift) headline() string {
	line := fmt.Sprintf("%s to %s: %s with %s, without HTTP statuses", d.From, d.To, cli.Count(d.Errors, "error"), cli.Count(d.Codes, "code"))
	if d.Codeless > 0 {
		line += fmt.Sprintf("; errors without a code: %d", d.Codeless)
	}
	if len(d.Tenants) > 0 {
		var names []string
		for _, tenant := range d.Tenants {
			names = append(names, cmp.Or(cli.OneLine(tenant), "the tenant without a name"))
		}
		line += "; only of " + strings.Join(names, ", ")
	}
	if d.Incomplete {
		line += "; the rarest codes were not compared: take a shorter window"
	}
	return line
}

// section is one of a drift's lists as a table.
type section struct {
	title, none string
	total       int
	table       cli.Table
}

// more says how many rows were left out.
func (s section) more(w io.Writer) {
	if more := s.total - len(s.table.Rows); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

func (d Drift) sections() []section {
	return []section{d.unknown(), d.changed(), d.stopped(), d.neverSeen()}
}

func (d Drift) unknown() section {
	s := section{title: "Unknown codes", none: "Every code is in a catalog.", total: d.Totals.Unknown, table: cli.Table{Columns: []cli.Column{
		{Name: "code"}, {Name: "dialect", Spare: 2}, {Name: "family guess", Spare: 3}, {Name: "errors", Number: true}, {Name: "tenants", Number: true, Spare: 4},
		{Name: "statuses", Spare: 5}, {Name: "last_seen", Spare: 1}, {Name: "message", Prose: true}}}}
	for _, u := range d.Unknown {
		var statuses []string
		for _, c := range u.Statuses {
			statuses = append(statuses, strconv.Itoa(c.Status))
		}
		s.table.Rows = append(s.table.Rows, []string{u.Code, u.Dialect, u.Family, number(u.Errors), number(u.Tenants), strings.Join(statuses, " "), u.LastSeen.String(), u.Message})
	}
	return s
}

func (d Drift) changed() section {
	s := section{title: "Changed codes", none: "Statuses and messages are as published.", total: d.Totals.Changed, table: cli.Table{Columns: []cli.Column{
		{Name: "code"}, {Name: "dialect", Spare: 2}, {Name: "family", Spare: 3}, {Name: "what"}, {Name: "errors", Number: true}, {Name: "tenants", Number: true, Spare: 4},
		{Name: "last_seen", Spare: 1}, {Name: "published", Prose: true}, {Name: "live", Prose: true}}}}
	for _, c := range d.Changed {
		s.table.Rows = append(s.table.Rows, []string{c.Code, c.Dialect, c.Family, c.What, number(c.Errors), number(c.Tenants), c.LastSeen.String(), strings.Join(c.Published, " / "), c.Live})
	}
	return s
}

func (d Drift) stopped() section {
	s := section{title: "Stopped codes", none: "No code of the 90 days before is missing.", total: d.Totals.Stopped, table: cli.Table{Columns: []cli.Column{
		{Name: "code"}, {Name: "family", Spare: 2}, {Name: ""}, {Name: "tenants", Number: true, Spare: 3}, {Name: "first_seen", Spare: 1}, {Name: "last_seen"}}}}
	for _, c := range d.Stopped {
		known := "unknown"
		if c.Known {
			known = "published"
		}
		s.table.Rows = append(s.table.Rows, []string{c.Code, c.Family, known, number(c.Tenants), c.FirstSeen.String(), c.LastSeen.String()})
	}
	return s
}

func (d Drift) neverSeen() section {
	s := section{title: "Published codes never seen", none: "Every published code has been seen.", total: d.Totals.NeverSeen, table: cli.Table{Columns: []cli.Column{
		{Name: "code"}, {Name: "family"}, {Name: "status"}, {Name: "message", Prose: true}}}}
	for _, c := range d.NeverSeen {
		status := ""
		if c.Status != nil {
			status = strconv.Itoa(*c.Status)
		}
		s.table.Rows = append(s.table.Rows, []string{c.Code, c.Family, status, c.Message})
	}
	return s
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
