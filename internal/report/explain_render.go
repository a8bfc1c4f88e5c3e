package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// ExplainOutputs are the ways to write an Explanation.
var ExplainOutputs = cli.Outputs[Explanation]{
	{Name: "text", Write: Explanation.text},
	{Name: "json", Write: cli.JSON[Explanation]},
	{Name: "markdown", Write: Explanation.markdown},
}

// explainPart is a heading with lines and a table.
type explainPart struct {
	title string
	lines []string
	table cli.Table
}

func (x Explanation) text(w io.Writer) (err error) {
	for i, part := range x.parts() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if part.title != "" {
			err = errors.Join(err, cli.StyledParagraph(w, cli.Span{}, cli.Span{Style: cli.Bold, Text: part.title}))
			part.table.Indent = "  "
		}
		for _, line := range part.lines {
			err = errors.Join(err, cli.Paragraph(w, part.table.Indent, line))
		}
		if i == 0 && part.title == "" { // the facts
			for _, row := range part.table.Rows {
				err = errors.Join(err, cli.StyledParagraph(w, cli.Span{Style: cli.Faint, Text: fmt.Sprintf("%-12s ", row[0])}, cli.Span{Style: factStyle(row[0]), Text: row[1]}))
			}
			continue
		}
		part.table.Style = part.style
		err = errors.Join(err, part.table.Text(w))
	}
	return err
}

// factStyle is the style of a fact.
func factStyle(name string) cli.Style {
	if name == "code" {
		return cli.Bold
	}
	return cli.Plain
}

// style is the style of a cell: what a row is about stands out.
func (p explainPart) style(_ int, column string) cli.Style {
	if column == p.table.Columns[0].Name && column != "" {
		return cli.Bold
	}
	return cli.Plain
}

func (x Explanation) markdown(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "# %s\n", markdownText(cli.OneLine(cmp.Or(x.CatalogCode, x.Code)))); err != nil {
		return err
	}
	for _, part := range x.parts() {
		if part.title != "" {
			fmt.Fprintf(w, "\n%s\n", markdownText(part.title))
		}
		if len(part.lines) > 0 {
			fmt.Fprintln(w)
		}
		for _, line := range part.lines {
			fmt.Fprintf(w, "- %s\n", markdownText(line))
		}
		if len(part.table.Rows) == 0 {
			continue
		}
		fmt.Fprintln(w)
		if part.table.Columns[0].Name == "" { // a name and a value
			for _, row := range part.table.Rows {
				fmt.Fprintf(w, "- **%s**: %s\n", markdownText(cli.OneLine(row[0])), markdownText(cli.Printable(strings.Join(row[1:], ", "))))
			}
			continue
		}
		if err := part.table.Markdown(w); err != nil {
			return err
		}
	}
	return nil
}

// parts are what people read: the facts of the catalogs, then who meets the code.
func (x Explanation) parts() (parts []explainPart) {
	switch {
	case len(x.Says) > 1:
		return []explainPart{x.sayings()}
	case !x.Known && len(x.published()) > 1:
		parts = append(parts, x.several(), explainPart{table: cli.Table{Columns: factColumns, Rows: x.custody()}})
		if len(parts[1].table.Rows) == 0 {
			parts = parts[:1]
		}
	default:
		parts = append(parts, x.facts())
	}
	if x.Tenants == nil {
		return parts
	}
	for _, part := range []explainPart{x.trend(), x.live(), x.routes(), x.arguments()} {
		if part.title != "" {
			parts = append(parts, part)
		}
	}
	return append(parts, explainPart{lines: []string{x.Freshness.String()}})
}

// factColumns are the columns of the facts: a name and a value.
var factColumns = []cli.Column{{}, {Prose: true}}

// several lists what a code means in several families.
func (x Explanation) several() explainPart {
	part := explainPart{title: fmt.Sprintf("%d families list the code %s; --dialect chooses one:", len(x.published()), cli.OneLine(x.Code))}
	for _, m := range x.published() {
		part.lines = append(part.lines, cli.OneLine(m.line()))
	}
	return part
}

func (x Explanation) sayings() explainPart {
	part := explainPart{title: fmt.Sprintf("%d codes say %q:", len(x.Says), x.Code), table: cli.Table{Columns: []cli.Column{{}, {}, {Prose: true}}}}
	for _, s := range x.Says {
		part.table.Rows = append(part.table.Rows, []string{s.Code, s.Family, s.Message})
	}
	return part
}

// published returns the meanings of families that list the code.
func (x Explanation) published() (meanings []Meaning) {
	for _, m := range x.Meanings {
		if m.Code != "" {
			meanings = append(meanings, m)
		}
	}
	return meanings
}

// line describes a meaning in one line.
func (m Meaning) line() string {
	text := m.Family
	if m.Code != "" {
		text += " " + m.Code + ": " + cmp.Or(m.Message, m.Description)
	}
	if where := m.where(); where != "" {
		text += " (" + where + ")"
	}
	if m.Errors > 0 {
		text += fmt.Sprintf(", %d errors", m.Errors)
	}
	return text
}

// where says in which dialects and services a code has its meaning, "" for all.
func (m Meaning) where() string {
	var parts []string
	for _, p := range []struct {
		name  string
		words []string
	}{{"dialect", m.Dialects}, {"service", m.Services}} {
		if len(p.words) > 0 {
			parts = append(parts, p.name+" "+strings.Join(p.words, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func (x Explanation) facts() explainPart {
	part := explainPart{table: cli.Table{Columns: factColumns}}
	line := func(name, value string) {
		if value != "" {
			part.table.Rows = append(part.table.Rows, []string{name, value})
		}
	}
	switch {
	case x.Known:
		line("code", x.CatalogCode)
	case x.Family != catalog.Unknown:
		line("code", x.Code+" (its family does not list it; what follows is for all such codes)")
	default:
		line("code", x.Code+" (no catalog knows it)")
	}
	line("near", strings.Join(x.Near, ", "))
	line("family", strings.TrimSuffix(x.Family+", "+x.Title, ", "))
	line("source", x.Source)
	for _, m := range x.Meanings {
		if m.Family == x.Family {
			line("only in", m.where())
		}
	}
	if x.Status != 0 {
		line("status", fmt.Sprint(x.Status))
	}
	line("message", x.Message)
	line("description", x.Description)
	line("remedy", x.Remedy)
	line("kind", x.Kind)
	line("retry", x.Retry)
	line("owner", x.Owner)
	if x.Translated {
		line("texts", "in "+x.Language+", translated by us")
	}
	for _, m := range x.Meanings {
		if m.Family != x.Family {
			line("also", m.line())
		}
	}
	line("says", cli.OneLine(x.Live))
	line("requests", strings.Join(x.RequestIDs, ", "))
	part.table.Rows = append(part.table.Rows, x.custody()...)
	return part
}

// custody is who looks after the code: what people have said about it, and the alert rules.
func (x Explanation) custody() (rows [][]string) {
	for _, said := range x.States {
		rows = append(rows, []string{"state", said.String()})
	}
	if x.Rules == nil {
		return rows
	}
	watches := make([]string, len(x.Rules))
	for i, watch := range x.Rules {
		watches[i] = watch.String()
	}
	return append(rows, []string{"alert rules", cmp.Or(strings.Join(watches, "\n"), "none counts its errors")})
}

// String is "QuotaHits: count by tenant, code; only some kinds".
func (w Watcher) String() string {
	text := w.Rule + ": " + w.Condition
	if len(w.By) > 0 {
		text += " by " + strings.Join(w.By, ", ")
	}
	if len(w.Narrowed) > 0 {
		text += "; only some " + strings.Join(w.Narrowed, ", ")
	}
	return cli.OneLine(text)
}

// String is "ignored for all tenants until an alert has more than 500 errors, by ann at …: why".
func (s Said) String() string {
	return cli.OneLine(fmt.Sprintf("%s for %s%s, by %s at %s: %s", s.State, s.Whose(), s.Limits(), s.Author, s.At, s.Comment))
}

// Whose is "all tenants", or the tenant.
func (s Said) Whose() string {
	if s.Tenant == store.AnyTenant {
		return "all tenants"
	}
	return "tenant " + strconv.Quote(s.Tenant)
}

// Limits is " until 2026-11-09T00:00:00.000Z or until an alert has more than 500 errors".
func (s Said) Limits() (text string) {
	if !s.Until.IsZero() {
		text = " until " + s.Until.String()
	}
	if s.Above > 0 {
		if text != "" {
			text += " or"
		}
		text += fmt.Sprintf(" until an alert has more than %d errors", s.Above)
	}
	return text
}

// trend is the errors of the last days as a line of bars.
func (x Explanation) trend() (part explainPart) {
	if x.Sightings != nil {
		part.title = fmt.Sprintf("first met at %s by %s, last at %s; by %s so far", x.Sightings.First, tenantName(x.Sightings.By), x.Sightings.Last, cli.Count(x.Sightings.Tenants, "tenant"))
	}
	counts, sum, most := make([]uint64, len(x.Trend)), uint64(0), DayCount{}
	for i, day := range x.Trend {
		counts[i] = day.Errors
		if sum += day.Errors; day.Errors > most.Errors {
			most = day
		}
	}
	if sum > 0 {
		part.title = cmp.Or(part.title, "trend")
		part.lines = []string{
			fmt.Sprintf("last %d days: %s, most on %s: %d, today: %d", len(counts), cli.Count(sum, "error"), most.Day, most.Errors, counts[len(counts)-1]),
			x.Trend[0].Day + " |" + sparkline(counts) + "| " + x.Trend[len(counts)-1].Day,
		}
	}
	return part
}

func (x Explanation) live() explainPart {
	if len(x.Tenants) == 0 {
		return explainPart{title: fmt.Sprintf("last %s: no tenant met it", x.Since)}
	}
	part := explainPart{title: fmt.Sprintf("last %s |%s| met by", x.Since, sparkline(x.History)), table: cli.Table{Columns: []cli.Column{{Name: "tenant"}, {Name: "errors", Prose: true}}}}
	for _, h := range x.Tenants {
		part.table.Rows = append(part.table.Rows, []string{tenantName(h.Tenant), fmt.Sprintf("%s, last at %s, first ever at %s", cli.Count(h.Errors, "error"), h.LastSeen, h.FirstSeen)})
	}
	return part
}

func (x Explanation) routes() explainPart {
	if len(x.Routes) == 0 {
		return explainPart{}
	}
	part := explainPart{title: "on the routes", table: cli.Table{Columns: []cli.Column{{Name: "service"}, {Name: "route"}, {Name: "errors", Number: true}, {Name: "tenants", Number: true, Spare: 1}}}}
	for _, r := range x.Routes {
		part.table.Rows = append(part.table.Rows, []string{r.Service, r.Route, number(r.Errors), number(r.Tenants)})
	}
	return part
}

func (x Explanation) arguments() explainPart {
	if len(x.Arguments) == 0 {
		return explainPart{}
	}
	part := explainPart{title: "with the arguments", table: cli.Table{Columns: []cli.Column{{Name: "argument"}, {Name: "value"}, {Name: "errors", Number: true}}}}
	for _, a := range x.Arguments {
		part.table.Rows = append(part.table.Rows, []string{a.Name, a.Value, number(a.Errors)})
	}
	return part
}

// tenantName names a tenant for people. The name of records without one is "".
func tenantName(name string) string { return cmp.Or(name, "(no tenant)") }
