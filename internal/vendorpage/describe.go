package vendorpage

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Describe writes what was understood of the page, read from a file of the given name: each table
// with its columns, each line that could not be placed, and how many entries were found.
func (p Page) Describe(w io.Writer, name string) {
	fmt.Fprintf(w, "%s: title %q, date %q, language %q\n", name, p.Title, p.Date, p.Language)
	for _, t := range p.Tables {
		t.describe(w)
	}
	for _, u := range p.Unplaced {
		fmt.Fprintf(w, "line %d: not placed, %s: %s\n", u.Line, u.Reason, u.Text)
	}
	fmt.Fprintf(w, "%d entries, %d lines not placed\n", len(p.Rows), len(p.Unplaced))
	if len(p.Rows) > 0 {
		return
	}
	if n := len(p.Tables); n > 0 {
		fmt.Fprintf(w, "of the tables on the page (%d, above) none was taken for one of error codes\n", n)
	}
	fmt.Fprintln(w, "nothing to import: no table of error codes was found")
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
