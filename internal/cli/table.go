package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Table is rows of text under named columns. Its outputs are Printable, and in columns other than
// those of prose each cell is one line.
type Table struct {
	Columns []Column
	Rows    [][]string // one cell per column
	Indent  string     // before each line of the text form
	// Style returns the style of a cell of a named column. If it is set, the header is faint.
	Style func(row int, column string) Style
}

// Column says how a column is laid out. The zero value is a column of words that stay whole.
type Column struct {
	Name   string // a table in which all names are "" has no header
	Number bool   // aligned to the right
	Prose  bool   // wraps on a narrow terminal; such columns share the width that the others leave
	Spare  int    // above 0: gives way if the terminal is still too narrow, the lowest first
	Whole  bool   // on a terminal, stands below its row and is never broken: an address
}

const (
	leastProse = 30 // the least width of a column of prose
	leastCell  = 8  // the least width of a cell that is cut
	below      = 4  // the indent of what stands below its row
)

// gap is the space between two columns.
const gap = "  "

// style draws no lines except the one under the header, so that grep finds whole rows.
var style = table.Style{
	Name:    "errata",
	Box:     table.BoxStyle{PaddingRight: gap, MiddleHorizontal: "-"},
	Format:  table.FormatOptions{Header: text.FormatDefault},
	Options: table.Options{SeparateHeader: true},
}

// Text writes the table for people, nothing if it has no rows. On a terminal it fits the width:
// spare columns give way to prose, and where prose has no room beside the other columns, it stands
// below its row, and so do the spare columns that have none, and addresses always. What is still
// too wide is cut. Elsewhere each row is one line of any length.
func (t Table) Text(w io.Writer) error {
	if len(t.Rows) == 0 {
		return nil
	}
	t = t.printable()
	width := Width(w)
	if width == 0 {
		return t.write(w, nil)
	}
	width -= len(t.Indent) + 1 // a line that ends in the last column looks wrapped on some terminals
	beside := t.spared(width - t.leastProse())
	fits := beside.fixedWidth()+t.leastProse() <= width && !slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Whole })
	if !fits || t.leastProse() == 0 && len(beside.Columns) < len(t.Columns) { // below a row no column is left out
		return t.writeBelow(w, width)
	}
	return beside.write(w, beside.proseWidths(width-beside.fixedWidth()))
}

// write writes the table with prose that is wrapped to some widths, as proseWidths returns them;
// nil: each row is one line.
func (t Table) write(w io.Writer, widths []int) error {
	configure := func(i int) table.ColumnConfig {
		return table.ColumnConfig{WidthMax: widths[i], WidthMaxEnforcer: wrapped}
	}
	if widths == nil {
		t = t.mapped(func(cell string, _ Column) string { return strings.ReplaceAll(cell, "\n", " ") })
		configure = func(int) table.ColumnConfig { return table.ColumnConfig{} }
	}
	lines := t.lines(configure)
	if widths != nil { // the cells as they were laid out
		t.Rows = slices.Clone(t.Rows)
		for i, row := range t.Rows {
			t.Rows[i] = slices.Clone(row)
			for j, width := range widths {
				if width > 0 {
					t.Rows[i][j] = wrapped(row[j], width)
				}
			}
		}
	}
	header := len(lines)
	for i := range t.Rows {
		header -= t.height(i)
	}
	for _, line := range lines[:header] {
		if err := t.header(w, line); err != nil {
			return err
		}
	}
	lines = lines[header:]
	for i := range t.Rows {
		for _, line := range lines[:t.height(i)] {
			if err := Line(w, t.spans(line, i)...); err != nil {
				return err
			}
		}
		lines = lines[t.height(i):]
	}
	return nil
}

// height returns the number of lines of a row.
func (t Table) height(row int) int {
	most := 1
	for _, cell := range t.Rows[row] {
		most = max(most, strings.Count(cell, "\n")+1)
	}
	return most
}

// header writes a line above the rows.
func (t Table) header(w io.Writer, line string) error {
	if t.Style == nil {
		return Line(w, Span{Plain, t.Indent + line})
	}
	return Line(w, Span{Plain, t.Indent}, Span{Faint, line})
}

// spans cuts a line of a row into its columns, each in its style.
func (t Table) spans(line string, row int) []Span {
	spans := []Span{{Plain, t.Indent}}
	if t.Style == nil {
		return append(spans, Span{Plain, line})
	}
	for i, c := range t.Columns {
		cell := line
		if i < len(t.Columns)-1 {
			cell = t.columnOf(line, i)
		}
		spans = append(spans, Span{t.Style(row, c.Name), cell})
		line = line[len(cell):]
	}
	return spans
}

// columnOf returns the start of a line that stands in a column, with the gap behind it.
func (t Table) columnOf(line string, column int) string {
	end, at := t.width(column)+len(gap), 0
	for i, r := range line {
		if at >= end {
			return line[:i]
		}
		at += text.RuneWidth(r)
	}
	return line
}

// lines returns the lines of the table.
func (t Table) lines(configure func(column int) table.ColumnConfig) []string {
	out := t.writer()
	out.SetStyle(style)
	out.SuppressTrailingSpaces()
	var configs []table.ColumnConfig
	for i, c := range t.Columns {
		config := configure(i)
		config.Number = i + 1
		if c.Number {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	out.SetColumnConfigs(configs)
	return strings.Split(out.Render(), "\n")
}

// wrapped wraps a cell.
func wrapped(cell string, width int) string { return strings.Join(wrap(cell, width), "\n") }

// writeBelow writes the table with its prose, and the spare columns that have no room, below each
// row.
func (t Table) writeBelow(w io.Writer, width int) error {
	head := t.without(func(c Column) bool { return c.Prose || c.Whole }).spared(width).narrowed(width)
	lines := head.lines(func(int) table.ColumnConfig { return table.ColumnConfig{} })
	rows := lines[len(lines)-len(t.Rows):]
	under, label := strings.Repeat(" ", below), 0
	for _, c := range t.Columns {
		if c.Prose || c.Whole {
			label = max(label, columns(c.Name))
		}
	}
	for _, line := range lines[:len(lines)-len(t.Rows)] {
		if err := t.header(w, line); err != nil {
			return err
		}
	}
	for i, row := range rows {
		if err := Line(w, head.spans(row, i)...); err != nil {
			return err
		}
		var facts []string
		var prose [][]Span
		for j, c := range t.Columns {
			cell := t.Rows[i][j]
			switch {
			case cell == "" || !c.Prose && slices.ContainsFunc(head.Columns, func(h Column) bool { return h.Name == c.Name }):
			case c.Whole:
				prose = append(prose, []Span{{t.label(), c.Name + strings.Repeat(" ", label-columns(c.Name)) + gap}, {t.style(i, c.Name), cell}})
			case c.Prose:
				prose = append(prose, t.labelled(i, c.Name, cell, label, width-below)...)
			default:
				facts = append(facts, strings.TrimSpace(c.Name+" "+cell))
			}
		}
		if len(facts) > 0 {
			for _, line := range slices.Backward(wrap(strings.Join(facts, ", "), width-below)) {
				prose = slices.Insert(prose, 0, []Span{{t.label(), line}})
			}
		}
		for _, line := range prose {
			if line[0].Text != "" {
				line = slices.Insert(line, 0, Span{Plain, t.Indent + under})
			}
			if err := Line(w, line...); err != nil {
				return err
			}
		}
	}
	return nil
}

// style returns the style of a cell.
func (t Table) style(row int, column string) Style {
	if t.Style == nil {
		return Plain
	}
	return t.Style(row, column)
}

// label returns the style of the name of a column beside a cell.
func (t Table) label() Style {
	if t.Style == nil {
		return Plain
	}
	return Faint
}

// labelled returns the lines of a cell behind the name of its column, which gets so many columns.
func (t Table) labelled(row int, name, cell string, label, width int) (lines [][]Span) {
	margin := gap
	if label == 0 {
		margin = ""
	}
	head := name + strings.Repeat(" ", label-columns(name)) + margin
	for _, line := range wrap(cell, width-columns(head)) {
		if line == "" {
			lines = append(lines, []Span{{t.label(), strings.TrimRight(head, " ")}}) // no line ends in spaces
		} else {
			lines = append(lines, []Span{{t.label(), head}, {t.style(row, name), line}})
		}
		head = strings.Repeat(" ", label) + margin
	}
	return lines
}

// leastProse returns the least width of all prose together.
func (t Table) leastProse() (sum int) {
	for i, c := range t.Columns {
		if c.Prose {
			sum += min(leastProse, t.width(i))
		}
	}
	return sum
}

// proseWidths shares room out among the columns of prose: those that need less than an equal share
// get what they need. Other columns have the width 0, which is no limit.
func (t Table) proseWidths(room int) []int {
	widths := make([]int, len(t.Columns))
	var open []int
	for i, c := range t.Columns {
		if c.Prose {
			open = append(open, i)
		}
	}
	slices.SortStableFunc(open, func(a, b int) int { return t.width(a) - t.width(b) })
	for n, i := range open {
		widths[i] = min(max(t.width(i), 1), room/(len(open)-n))
		room -= widths[i]
	}
	return widths
}

// spared returns the table without the spare columns that have no room, the lowest first.
func (t Table) spared(width int) Table {
	for t.fixedWidth() > width {
		least := 0
		for _, c := range t.Columns {
			if c.Spare > 0 && (least == 0 || c.Spare < least) {
				least = c.Spare
			}
		}
		if least == 0 {
			break
		}
		t = t.without(func(c Column) bool { return c.Spare == least })
	}
	return t
}

// without returns the table without some of its columns.
func (t Table) without(leave func(Column) bool) Table {
	kept := Table{Indent: t.Indent, Style: t.Style, Rows: make([][]string, len(t.Rows))}
	for i, c := range t.Columns {
		if leave(c) {
			continue
		}
		kept.Columns = append(kept.Columns, c)
		for j, row := range t.Rows {
			kept.Rows[j] = append(kept.Rows[j], row[i])
		}
	}
	return kept
}

// narrowed returns the table with the cells of its widest columns of words cut, so that it fits as
// well as it can.
func (t Table) narrowed(width int) Table {
	t = t.mapped(func(cell string, _ Column) string { return cell }) // a copy
	for over := t.fixedWidth() - width; over > 0; over = t.fixedWidth() - width {
		widest := -1
		for i, c := range t.Columns {
			if least := max(leastCell, columns(c.Name)); !c.Number && t.width(i) > least && (widest < 0 || t.width(i) > t.width(widest)) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		limit := max(leastCell, columns(t.Columns[widest].Name), t.width(widest)-over)
		for _, row := range t.Rows {
			row[widest] = cut(row[widest], limit)
		}
	}
	return t
}

// fixedWidth returns the width of the table without its prose.
func (t Table) fixedWidth() (sum int) {
	for i, c := range t.Columns {
		sum += len(gap)
		if !c.Prose {
			sum += t.width(i)
		}
	}
	return sum
}

// width returns the width of a column, of its widest line if its cells have several.
func (t Table) width(i int) int {
	widest := columns(t.Columns[i].Name)
	for _, row := range t.Rows {
		for line := range strings.SplitSeq(row[i], "\n") {
			widest = max(widest, columns(line))
		}
	}
	return widest
}

// Markdown writes the table as Markdown.
func (t Table) Markdown(w io.Writer) error {
	_, err := fmt.Fprintln(w, t.printable().writer().RenderMarkdown())
	return err
}

// CSV writes the table as CSV that is safe to open in a spreadsheet.
func (t Table) CSV(w io.Writer) error {
	var text strings.Builder
	out := csv.NewWriter(&text)
	rows := slices.Concat([][]string{t.names()}, t.mapped(spreadsheetCell).printable().Rows)
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// printable returns the table with cells that cannot drive a terminal.
func (t Table) printable() Table {
	return t.mapped(func(cell string, c Column) string {
		if c.Prose {
			return Printable(cell)
		}
		return OneLine(cell)
	})
}

// mapped returns the table with f applied to each cell.
func (t Table) mapped(f func(string, Column) string) Table {
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = make([]string, len(row))
		for j, cell := range row {
			rows[i][j] = f(cell, t.Columns[j])
		}
	}
	t.Rows = rows
	return t
}

func (t Table) names() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

func (t Table) writer() table.Writer {
	out := table.NewWriter()
	if names := t.names(); strings.Join(names, "") != "" {
		out.AppendHeader(cells(names))
	}
	for _, row := range t.Rows {
		out.AppendRow(cells(row))
	}
	return out
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, t := range texts {
		row[i] = t
	}
	return row
}
