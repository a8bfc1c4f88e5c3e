package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"errata/internal/cli"
)

const (
	compactGap   = 2  // columns between two columns of the table, as in cli.Table
	leastKey     = 12 // to which a key may be cut
	noteIndent   = "     "
	compactParts = historyParts / 2 // of the trend
)

// screenWidth measures text. Where a width is ambiguous, terminals are assumed to show one column.
var screenWidth = &runewidth.Condition{StrictEmojiNeutral: true}

// cut shortens text to a number of columns, on one line.
func cut(text string, columns int) string {
	return screenWidth.Truncate(cli.OneLine(strings.ReplaceAll(text, "\n", " ")), max(columns, 1), "…")
}

// compactColumn is a column of the table on a terminal.
type compactColumn struct {
	cli.Column
	cells []string
	key   bool // may be cut
}

func (c compactColumn) width() int {
	widest := screenWidth.StringWidth(c.Name)
	for _, cell := range c.cells {
		widest = max(widest, screenWidth.StringWidth(cell))
	}
	return widest
}

// compact writes a table that fits a terminal: a line of figures for each row, and below it what
// its code means and what to do, where it has not been said yet. Nothing wraps.
func (t Top) compact(w io.Writer, width int) error {
	lines := t.lines()
	columns := fitColumns(t.compactColumns(lines), width)
	table := cli.Table{Rows: make([][]string, len(lines))}
	for _, c := range columns {
		table.Columns = append(table.Columns, c.Column)
		for i, cell := range c.cells {
			table.Rows[i] = append(table.Rows[i], cell)
		}
	}
	var drawn strings.Builder
	if err := table.Text(&drawn); err != nil {
		return err
	}
	if err := cli.Paragraph(w, "", t.headline(t.minute)); err != nil {
		return err
	}
	said := map[[2]string]bool{}
	const header = 2 // lines of a table above its rows
	for i, line := range strings.Split(strings.TrimRight(drawn.String(), "\n"), "\n") {
		if i < header {
			if err := cli.Line(w, cli.Span{Style: cli.Faint, Text: line}); err != nil {
				return err
			}
			continue
		}
		row := lines[i-header]
		if err := cli.Line(w, styled(line, columns, row)...); err != nil {
			return err
		}
		for _, note := range t.notes(row, width, said) {
			if err := cli.Line(w, note); err != nil {
				return err
			}
		}
	}
	return cli.Paragraph(w, "", t.Freshness.In(t.zone))
}

// styled cuts a line of the table into its columns, each in its style.
func styled(line string, columns []compactColumn, l topLine) (spans []cli.Span) {
	ends, sum := make([]int, len(columns)), 0
	for i, c := range columns {
		sum += c.width() + compactGap
		ends[i] = sum
	}
	spans = make([]cli.Span, len(columns))
	at, column := 0, 0
	for _, r := range line {
		for at >= ends[column] && column+1 < len(columns) {
			column++
		}
		spans[column].Text += string(r)
		at += screenWidth.RuneWidth(r)
	}
	for i, c := range columns {
		spans[i].Style = l.style(c.Name)
	}
	return spans
}

// style is the style of a column in a line.
func (l topLine) style(column string) cli.Style {
	switch b := l.Before; {
	case l.other != nil:
		return cli.Faint
	case column == "code", column == "errors":
		return cli.Bold
	case column != "change" && column != "tenant":
		return cli.Faint
	case column == "tenant" || b == nil || b.Delta == 0:
		return cli.Plain
	case b.Delta > 0:
		return cli.Red
	}
	return cli.Green
}

// notes are the lines below a line of the table.
func (t Top) notes(l topLine, width int, said map[[2]string]bool) (notes []cli.Span) {
	styled := func(style cli.Style, mark, text string) {
		if text != "" {
			notes = append(notes, cli.Span{Style: style, Text: noteIndent + mark + cut(text, width-len(noteIndent)-screenWidth.StringWidth(mark)-1)})
		}
	}
	note := func(mark, text string) { styled(cli.Faint, mark, text) }
	if l.other != nil {
		note("", fmt.Sprintf("%d more; --limit shows more of them", l.other.Groups))
		return notes
	}
	about := [2]string{l.Family, l.Code}
	if slices.Contains(t.By, "code") && l.Family != "" && !said[about] {
		said[about] = true
		note("", l.Description)
		styled(cli.Plain, "→ ", l.Remedy) // what to do
	}
	if len(l.RequestIDs) > 0 || l.Message != "" {
		note("not in a catalog: ", fmt.Sprintf("%q", l.Message))
	}
	note("requests ", strings.Join(l.RequestIDs, ", "))
	return notes
}

// compactColumns are the columns of a terminal that is wide enough.
func (t Top) compactColumns(lines []topLine) (columns []compactColumn) {
	add := func(c cli.Column, key bool, cell func(topLine) string) {
		column := compactColumn{Column: c, key: key}
		for _, l := range lines {
			column.cells = append(column.cells, cli.OneLine(cell(l)))
		}
		columns = append(columns, column)
	}
	rows := func(cell func(TopRow) string) func(topLine) string {
		return func(l topLine) string { return cell(l.TopRow) }
	}
	add(cli.Column{Name: "#", Number: true}, false, rows(TopRow.rank))
	for _, key := range t.By {
		add(cli.Column{Name: key}, true, func(l topLine) string { return t.cell(columnNamed(key), l) })
	}
	if slices.Contains(t.By, "code") {
		for _, c := range []struct {
			name  string
			spare int
		}{{"family", 1}, {"kind", 3}} {
			if !slices.Contains(t.By, c.name) {
				add(cli.Column{Name: c.name, Spare: c.spare}, false, rows(columnNamed(c.name).cell))
			}
		}
	}
	add(cli.Column{Name: "errors", Number: true}, false, rows(columnNamed("errors").cell))
	if t.Compared != nil {
		add(cli.Column{Name: "before", Number: true, Spare: 6}, false, rows(columnNamed("before_errors").cell))
		add(cli.Column{Name: "change", Number: true}, false, rows(TopRow.delta))
		add(cli.Column{Name: "rank", Number: true, Spare: 5}, false, rows(TopRow.climb))
	}
	add(cli.Column{Name: "share", Number: true, Spare: 7}, false, rows(columnNamed("share").cell))
	add(cli.Column{Name: "trend", Spare: 4}, false, rows(TopRow.trend))
	add(cli.Column{Name: "last seen", Spare: 2}, false, func(l topLine) string { return t.recent(l.LastSeen) })
	return columns
}

// fitColumns leaves out spare columns, the lowest first, until the others fit, and then cuts the
// widest keys.
func fitColumns(columns []compactColumn, width int) []compactColumn {
	over := func() int {
		sum := 0 // with the gap after the last column, below which the line under the header goes on
		for _, c := range columns {
			sum += c.width() + compactGap
		}
		return sum - width
	}
	for over() > 0 {
		spare := -1
		for i, c := range columns {
			if c.Spare > 0 && (spare < 0 || c.Spare < columns[spare].Spare) {
				spare = i
			}
		}
		if spare < 0 {
			break
		}
		columns = slices.Delete(columns, spare, spare+1)
	}
	for over() > 0 {
		widest := -1
		for i, c := range columns {
			if c.key && c.width() > leastKey && (widest < 0 || c.width() > columns[widest].width()) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		c := &columns[widest]
		to := max(leastKey, c.width()-over())
		for i := range c.cells {
			c.cells[i] = cut(c.cells[i], to)
		}
	}
	return columns
}

// trend draws the history in few columns.
func (r TopRow) trend() string {
	if len(r.History) == 0 {
		return ""
	}
	counts := make([]uint64, compactParts)
	for i, n := range r.History {
		counts[i*compactParts/len(r.History)] += n
	}
	return sparkline(counts)
}

// minute is a time in a headline.
func (t Top) minute(at cli.Timestamp) string {
	return at.In(t.location()).Format("2006-01-02 15:04 MST")
}

// recent is the time of an event that may be today.
func (t Top) recent(at cli.Timestamp) string {
	if at.IsZero() {
		return ""
	}
	local, end := at.In(t.location()), t.To.In(t.location())
	if end.Sub(local).Hours() < 24 {
		return local.Format("15:04:05")
	}
	return local.Format("01-02 15:04")
}
