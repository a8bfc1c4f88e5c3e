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
	Spare  int    // above 0: omitted if the terminal is still too narrow, the lowest first
}

// leastProse is the least width that all columns of prose share.
const leastProse = 60

// gap is the space between two columns.
const gap = "  "

// style draws no lines except the one under the header, so that grep finds whole rows.
var style = table.Style{
	Name:    "errata",
	Box:     table.BoxStyle{PaddingRight: gap, MiddleHorizontal: "-"},
	Format:  table.FormatOptions{Header: text.FormatDefault},
	Options: table.Options{SeparateHeader: true},
}

// Text writes the table for people. On a terminal it fits the width. Elsewhere each row is one line
// of any length.
func (t Table) Text(w io.Writer) error {
	width := Width(w)
	t = t.printable().fit(width)
	out := t.writer()
	out.SetStyle(style)
	out.SuppressTrailingSpaces()
	prose := 0
	for _, c := range t.Columns {
		if c.Prose {
			prose++
		}
	}
	var configs []table.ColumnConfig
	for i, c := range t.Columns {
		config := table.ColumnConfig{Number: i + 1}
		switch {
		case c.Number:
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		case width == 0:
			config.Transformer = oneLine
		case c.Prose:
			config.WidthMax, config.WidthMaxEnforcer = max(leastProse, width-t.fixedWidth())/prose, text.WrapSoft
		}
		configs = append(configs, config)
	}
	out.SetColumnConfigs(configs)
	_, err := fmt.Fprintln(w, t.Indent+strings.ReplaceAll(out.Render(), "\n", "\n"+t.Indent))
	return err
}

// oneLine keeps a row on one line.
var oneLine = text.Transformer(func(v any) string { return strings.ReplaceAll(v.(string), "\n", " ") })

// fit omits spare columns until the others fit the width. At width 0 all fit.
func (t Table) fit(width int) Table {
	for width > 0 && t.fixedWidth()+leastProse > width {
		spare := -1
		for i, c := range t.Columns {
			if c.Spare > 0 && (spare < 0 || c.Spare < t.Columns[spare].Spare) {
				spare = i
			}
		}
		if spare < 0 {
			break
		}
		t.Columns = slices.Delete(slices.Clone(t.Columns), spare, spare+1)
		rows := make([][]string, len(t.Rows))
		for i, row := range t.Rows {
			rows[i] = slices.Delete(slices.Clone(row), spare, spare+1)
		}
		t.Rows = rows
	}
	return t
}

// fixedWidth returns the width of the table without its prose.
func (t Table) fixedWidth() int {
	sum := 1 + len(t.Indent)
	for i, c := range t.Columns {
		sum += len(gap)
		if c.Prose {
			continue
		}
		widest := text.StringWidthWithoutEscSequences(c.Name)
		for _, row := range t.Rows {
			widest = max(widest, text.StringWidthWithoutEscSequences(row[i]))
		}
		sum += widest
	}
	return sum
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
