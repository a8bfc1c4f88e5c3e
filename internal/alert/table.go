package alert

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"errata/internal/yamlfile"
)

// tenantTable has the thresholds of tenants that stand in a file. The zero value has none.
type tenantTable struct {
	exact map[string]thresholds // by tenant
	globs []override            // for the others; the first that matches counts
	says  string                // the same for tables that say the same
}

// of returns the thresholds of a tenant, if it has some.
func (t tenantTable) of(tenant string) (thresholds, bool) {
	if found, ok := t.exact[tenant]; ok {
		return found, true
	}
	return firstOverride(t.globs, tenant)
}

func (t tenantTable) text() string {
	var text strings.Builder
	for _, tenant := range slices.Sorted(maps.Keys(t.exact)) {
		fmt.Fprintf(&text, "%q %v\n", tenant, t.exact[tenant])
	}
	for _, o := range t.globs {
		fmt.Fprintf(&text, "%s %v\n", o.tenants[0].re, o.thresholds)
	}
	return text.String()
}

// The columns of a table that are no thresholds.
const (
	tenantColumn       = "tenant"
	resolveBelowColumn = "resolve_below"
)

// place is a row of a table, for problems with it.
type place struct {
	file    string
	line    int
	columns map[string]int // by name
}

// problem returns a problem with a column of a row, or with the row as a whole.
func (p *place) problem(column, text string) error {
	return &yamlfile.Error{File: p.file, Line: p.line, Column: p.columns[column], Message: text}
}

// overridesFile reads the thresholds of tenants from a CSV file, whose name is relative to the file
// of the rules. A problem points at its line.
func (l *lint) overridesFile(name string, r Rule) (table tenantTable) {
	const key = "overrides_file"
	if name == "" || !l.canOverride(key, r) {
		return table
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(l.file.Name), name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		l.bad(key, "the file of thresholds cannot be read: %v", err)
		return table
	}
	defer func() { l.row = nil }()
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\uFEFF"))))
	reader.Comment, reader.TrimLeadingSpace = '#', true
	header, err := reader.Read()
	if l.row = (&place{file: name, line: 1}); err != nil {
		l.unreadRow(err, header)
		return table
	}
	l.row.line, _ = reader.FieldPos(0)
	if !l.header(header, r.Condition.levels()) {
		return table
	}
	table.exact = map[string]thresholds{}
	lines := map[string]int{}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			l.unreadRow(err, header)
			return table
		}
		l.row = &place{file: name, columns: map[string]int{}}
		for i, column := range header {
			l.row.line, l.row.columns[column] = reader.FieldPos(i)
		}
		tenant := strings.TrimSpace(row[slices.Index(header, tenantColumn)])
		switch line, twice := lines[tenant]; {
		case tenant == "":
			l.bad(tenantColumn, "empty: name a tenant, or write * for all others")
			continue
		case twice:
			l.bad(tenantColumn, "%q stands in line %d already: remove one of the two rows", tenant, line)
			continue
		}
		lines[tenant] = l.row.line
		l.addRow(&table, header, row, tenant, r)
	}
	if len(lines) == 0 {
		l.row = &place{file: name, line: 1}
		l.bad("", "the table has no rows: write one for each tenant below the header, or remove overrides_file from the rule")
	}
	table.says = table.text()
	return table
}

// unreadRow adds the problem that a row cannot be read.
func (l *lint) unreadRow(err error, header []string) {
	var at *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		l.bad("", "the file is empty: begin with the header %s,above", tenantColumn)
	case !errors.As(err, &at):
		l.bad("", "%v", err)
	default:
		l.row = &place{file: l.row.file, line: at.StartLine}
		if errors.Is(err, csv.ErrFieldCount) {
			l.bad("", "the row does not have the %d fields of the header: %s", len(header), strings.Join(header, ","))
			return
		}
		l.bad("", "%v", at.Err)
	}
}

// header checks the names of the columns, and reports whether the rows can be read.
func (l *lint) header(header []string, usual []level) bool {
	before := len(l.problems)
	var known []string
	for _, level := range usual {
		known = append(known, level.key())
	}
	want := append([]string{tenantColumn}, known...)
	known = append(slices.Clone(want), resolveBelowColumn)
	for i, column := range header {
		column = strings.TrimSpace(column)
		header[i] = column
		switch {
		case !slices.Contains(known, column):
			l.bad("", "unknown column %q: did you mean %q? The columns are %s", column, yamlfile.Nearest(column, known), strings.Join(known, ", "))
		case slices.Contains(header[:i], column):
			l.bad("", "the column %q stands twice: remove one", column)
		}
	}
	for _, column := range want {
		if !slices.Contains(header, column) {
			l.bad("", "no column %q: the header has to be %s, and may have %s", column, strings.Join(want, ","), resolveBelowColumn)
		}
	}
	return len(l.problems) == before
}

// addRow adds the thresholds of a tenant, or of those that a glob matches.
func (l *lint) addRow(table *tenantTable, header, row []string, tenant string, r Rule) {
	before := len(l.problems)
	l.globIsGood(tenantColumn, tenant)
	k := overrideKeys{Tenants: []string{tenant}}
	for i, column := range header {
		value := strings.TrimSpace(row[i])
		if column == tenantColumn || column == resolveBelowColumn && value == "" {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
			l.bad(column, "%q is not a number", value)
			continue
		}
		*k.field(column) = &number
	}
	if len(l.problems) > before {
		return
	}
	o := l.override("", k, r)
	if strings.ContainsAny(tenant, `*?[\`) {
		table.globs = append(table.globs, o)
		return
	}
	table.exact[tenant] = o.thresholds
}

// field returns where the value of a column belongs.
func (k *overrideKeys) field(column string) **float64 {
	switch column {
	case resolveBelowColumn:
		return &k.ResolveBelow
	case warning:
		return &k.Levels.Warning
	case critical:
		return &k.Levels.Critical
	case onlyLevel:
		return &k.Levels.Above
	}
	panic(fmt.Sprintf("no column %s", column)) // header has checked them
}
