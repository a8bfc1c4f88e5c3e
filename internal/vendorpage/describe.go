package vendorpage

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Describe writes what was understood of the page, read from a file of the given name: each table
// with its columns, or why it was left out, each line that could not be placed, and the sums.
func (p Page) Describe(w io.Writer, name string) {
	fmt.Fprintf(w, "%s: title %q, date %q, language %q\n", name, p.Title, p.Date, p.Language)
	for _, t := range p.Tables {
		t.describe(w)
	}
	for _, u := range p.Unplaced {
		fmt.Fprintf(w, "line %d: not placed, %s: %s\n", u.Line, u.Reason, u.Text)
	}
	out := 0
	for _, t := range p.Tables {
		if t.LeftOut != "" {
			out++
		}
	}
	fmt.Fprintf(w, "%s, %s left out, %s not placed\n", count(len(p.Rows), "entry", "entries"), count(out, "table", "tables"), count(len(p.Unplaced), "line", "lines"))
	if len(p.Rows) == 0 {
		fmt.Fprintln(w, "nothing to import: no table of error codes was found")
	}
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (t Table) describe(w io.Writer) {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = c.describe()
	}
	fmt.Fprintf(w, "line %d: layout %s; columns: %s; ", t.Line, t.Layout, strings.Join(columns, ", "))
	if t.LeftOut != "" {
		fmt.Fprintf(w, "left out: %s\n", t.LeftOut)
		return
	}
	fmt.Fprintf(w, "%d rows\n", t.Rows)
	for _, n := range t.Notes {
		fmt.Fprintf(w, "  %s\n", n)
	}
}

// describe says what the column was taken for: `"Error Code" is code`, or `code` if the column has
// no heading.
func (c Column) describe() string {
	role := cmp.Or(string(c.Role), "not used")
	heading := strings.Join(strings.Fields(c.Heading), " ")
	if heading == "" {
		return role
	}
	return fmt.Sprintf("%q is %s", heading, role)
}
