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
		return t.write(w, func(int) table.ColumnConfig { return table.ColumnConfig{Transformer: oneLine} })
	}
	width -= len(t.Indent) + 1 // a line that ends in the last column looks wrapped on some terminals
	beside := t.spared(width - t.leastProse())
	fits := beside.fixedWidth()+t.leastProse() <= width && !slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Whole })
	if !fits || t.leastProse() == 0 && len(beside.Columns) < len(t.Columns) { // below a row no column is left out
		return t.writeBelow(w, width)
	}
	widths := beside.proseWidths(width - beside.fixedWidth())
	return beside.write(w, func(i int) table.ColumnConfig {
		return table.ColumnConfig{WidthMax: widths[i], WidthMaxEnforcer: wrapped}
	})
}

// write writes the table with columns that are configured so.
func (t Table) write(w io.Writer, configure func(column int) table.ColumnConfig) error {
	lines := t.lines(configure)
	_, err := fmt.Fprintln(w, t.Indent+strings.Join(lines, "\n"+t.Indent))
	return err
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

// oneLine keeps a row on one line.
var oneLine = text.Transformer(func(v any) string { return strings.ReplaceAll(v.(string), "\n", " ") })

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
	var out []string
	out = append(out, lines[:len(lines)-len(t.Rows)]...)
	for i, row := range rows {
		out = append(out, row)
		var facts []string
		var prose []string
		for j, c := range t.Columns {
			cell := t.Rows[i][j]
			switch {
			case cell == "" || !c.Prose && slices.ContainsFunc(head.Columns, func(h Column) bool { return h.Name == c.Name }):
			case c.Whole:
				prose = append(prose, c.Name+strings.Repeat(" ", label-columns(c.Name))+gap+cell)
			case c.Prose:
				prose = append(prose, labelled(c.Name, cell, label, width-below)...)
			default:
				facts = append(facts, strings.TrimSpace(c.Name+" "+cell))
			}
		}
		if len(facts) > 0 {
			prose = slices.Concat(wrap(strings.Join(facts, ", "), width-below), prose)
		}
		for _, line := range prose {
			out = append(out, strings.TrimRight(under+line, " "))
		}
	}
	_, err := fmt.Fprintln(w, t.Indent+strings.Join(out, "\n"+t.Indent))
	return err
}

// labelled returns the lines of a cell behind the name of its column, which gets so many columns.
func labelled(name, cell string, label, width int) []string {
	if label == 0 {
		return wrap(cell, width)
	}
	lines := wrap(cell, width-label-len(gap))
	margin := strings.Repeat(" ", label+len(gap))
	for i, line := range lines {
		if lines[i] = margin + line; i == 0 {
			lines[i] = name + margin[columns(name):] + line
		}
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
	kept := Table{Indent: t.Indent, Rows: make([][]string, len(t.Rows))}
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
