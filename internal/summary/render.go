package summary

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Outputs are the ways a report can be rendered.
var Outputs = []string{"table", "json", "csv", "markdown"}

// TimeLayout is how times are written: RFC 3339 in UTC with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z07:00"

// Render writes the report as one of Outputs. A width above 0 is that of the terminal: the table's texts are folded
// to fit it, and columns left out where they cannot. Without one each row is one line, however long.
func (t Top) Render(w io.Writer, output string, width int) error {
	switch output {
	case "json":
		return t.json(w)
	case "csv":
		return t.csv(w)
	case "markdown":
		_, err := fmt.Fprintf(w, "%s\n\n%s\n", t.headline(), t.table(t.columns()).RenderMarkdown())
		return err
	case "table":
		_, err := fmt.Fprintf(w, "%s\n%s\n", t.headline(), t.text(width))
		return err
	}
	return fmt.Errorf("unknown output %q: give one of %s", output, strings.Join(Outputs, ", "))
}

// leastText is how narrow the description and the remedy may become, together.
const leastText = 60

// text is the table for people.
func (t Top) text(width int) string {
	columns := t.columns()
	if width > 0 {
		for _, spare := range []string{"first_seen", "kind", "family", "share", "last_seen"} {
			if t.fixedWidth(columns)+leastText <= width {
				break
			}
			columns = slices.DeleteFunc(columns, func(c string) bool { return c == spare })
		}
	}
	out := t.table(columns)
	out.SetStyle(Style)
	out.SuppressTrailingSpaces()
	var configs []table.ColumnConfig
	for _, c := range columns {
		config := table.ColumnConfig{Name: c}
		switch {
		case c == "errors" || c == "share":
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		case width == 0:
			config.Transformer = oneLine
		case c == "description" || c == "remedy":
			config.WidthMax, config.WidthMaxEnforcer = max(leastText, width-t.fixedWidth(columns))/2, text.WrapSoft
		}
		configs = append(configs, config)
	}
	out.SetColumnConfigs(configs)
	return out.Render()
}

// Style draws no lines but the one under the header: rows are found by eye, and by grep.
var Style = table.Style{
	Name:    "errata",
	Box:     table.BoxStyle{PaddingRight: "  ", MiddleHorizontal: "-"},
	Format:  table.FormatOptions{Header: text.FormatDefault},
	Options: table.Options{SeparateHeader: true},
}

// oneLine keeps a row on one line.
var oneLine = text.Transformer(func(v any) string { return strings.ReplaceAll(v.(string), "\n", " ") })

func (t Top) headline() string {
	line := fmt.Sprintf("%s to %s: %d requests, %d of them with errors; %d errors; %d dead letters",
		stamp(t.From), stamp(t.To), t.Requests, t.ErrorRequests, t.Errors, t.DeadLetters)
	if len(t.Tenants) > 0 {
		line += " of all tenants" // a record that nobody could read has none
	}
	return line
}

// columns are the rows' columns: what they are grouped by, what follows from a code, and the counts.
func (t Top) columns() []string {
	columns := slices.Clone(t.By)
	if slices.Contains(t.By, "code") {
		for _, follows := range []string{"family", "kind"} {
			if !slices.Contains(columns, follows) {
				columns = append(columns, follows)
			}
		}
	}
	columns = append(columns, "errors", "share", "first_seen", "last_seen")
	if slices.Contains(t.By, "code") {
		columns = append(columns, "description", "remedy")
	}
	return columns
}

// cell is a column of a row as text for people.
func (r TopRow) cell(column string) string {
	switch column {
	case "tenant":
		return r.Tenant
	case "service":
		return r.Service
	case "route":
		return r.Route
	case "code":
		return r.Code
	case "template":
		return r.Template
	case "family":
		return r.Family
	case "kind":
		return r.Kind
	case "errors":
		return strconv.FormatUint(r.Errors, 10)
	case "share":
		return strconv.FormatFloat(100*r.Share, 'f', 3, 64) + "%"
	case "first_seen":
		return stamp(r.FirstSeen)
	case "last_seen":
		return stamp(r.LastSeen)
	case "description":
		return r.Description
	case "remedy":
		return r.Remedy
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(TimeLayout) }

func (t Top) table(columns []string) table.Writer {
	out := table.NewWriter()
	out.AppendHeader(row(columns, func(c string) string { return c }))
	for _, r := range t.Rows {
		out.AppendRow(row(columns, r.cell))
	}
	return out
}

func row(columns []string, cell func(string) string) (cells table.Row) {
	for _, c := range columns {
		cells = append(cells, cell(c))
	}
	return cells
}

// fixedWidth is what the columns but for the texts of the two long ones take of a terminal's width.
func (t Top) fixedWidth(columns []string) int {
	sum := 1
	for _, c := range columns {
		if c == "description" || c == "remedy" {
			sum += 2
			continue
		}
		widest := len(c)
		for _, r := range t.Rows {
			widest = max(widest, text.StringWidthWithoutEscSequences(r.cell(c)))
		}
		sum += widest + 2
	}
	return sum
}

func (t Top) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	columns := t.columns()
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, r := range t.Rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			if cells[i] = r.cell(c); c == "share" {
				cells[i] = strconv.FormatFloat(r.Share, 'f', 6, 64)
			}
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (t Top) json(w io.Writer) error {
	type jsonRow struct {
		Tenant      string  `json:"tenant"`
		Service     string  `json:"service"`
		Route       string  `json:"route"`
		Code        string  `json:"code"`
		Family      string  `json:"family"`
		Kind        string  `json:"kind"`
		Template    string  `json:"template,omitempty"`
		Errors      uint64  `json:"errors"`
		Requests    uint64  `json:"requests"`
		Share       float64 `json:"share"`
		FirstSeen   string  `json:"first_seen"`
		LastSeen    string  `json:"last_seen"`
		Description string  `json:"description"`
		Remedy      string  `json:"remedy"`
	}
	out := struct {
		From          string    `json:"from"`
		To            string    `json:"to"`
		By            []string  `json:"by"`
		Requests      uint64    `json:"requests"`
		ErrorRequests uint64    `json:"error_requests"`
		Errors        uint64    `json:"errors"`
		DeadLetters   uint64    `json:"dead_letters"`
		Rows          []jsonRow `json:"rows"`
	}{stamp(t.From), stamp(t.To), t.By, t.Requests, t.ErrorRequests, t.Errors, t.DeadLetters, []jsonRow{}}
	for _, r := range t.Rows {
		out.Rows = append(out.Rows, jsonRow{
			r.Tenant, r.Service, r.Route, r.Code, r.Family, r.Kind, r.Template, r.Errors, r.Requests, r.Share,
			stamp(r.FirstSeen), stamp(r.LastSeen), r.Description, r.Remedy,
		})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
