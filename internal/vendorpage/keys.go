package vendorpage

import (
	"slices"
	"strings"
)

// assignByCells decides the roles of the columns in a table of errors of which no heading names the
// codes. The cells decide: nearly each row has a code of its own, and all are of few shapes. If
// several columns are like that, they are rivals. A table of fields has no codes, and the cells of
// one row show nothing unless a heading speaks of errors. announced says that the text above
// announces codes.
func assignByCells(heads []string, cells [][]string, announced bool) (roles []Role, rivals []int) {
	cols := make([]column, len(heads))
	for i, h := range heads {
		cols[i] = columnOf(h, cells[i])
	}
	if len(cells) > 0 && len(cells[0]) < 2 && !aboutErrors.MatchString(strings.Join(heads, " ")) && !slices.ContainsFunc(slices.Concat(cells...), saysFault) {
		return make([]Role, len(cols)), nil
	}
	keys := keyColumns(cols, cells, announced)
	field := func(i int) bool {
		return cols[i].kind == ofField && !(typeHeads[cols[i].heading] && !slices.ContainsFunc(cells[i], func(c string) bool { return valueTypes[strings.ToLower(c)] }))
	}
	for i := range cols {
		if len(keys) == 0 || field(i) {
			return make([]Role, len(cols)), nil
		}
	}
	cols[keys[0]].kind = ofCode
	for i := range cols {
		if i != keys[0] && (cols[i].kind == ofCode || cols[i].kind == ofName && cols[i].phrases > 0.5) {
			cols[i].kind = ofMessage // an "Error" that is a sentence
		}
	}
	roles, _ = assignColumns(cols, false)
	if !explained(cols, roles) {
		return make([]Role, len(cols)), nil
	}
	if len(keys) > 1 && slices.ContainsFunc(roles, isKey) {
		return make([]Role, len(cols)), keys
	}
	return roles, nil
}

// explained reports whether a column with a text's role reads like texts.
func explained(cols []column, roles []Role) bool {
	for i, r := range roles {
		if (r == RoleMessage || r == RoleDescription) && cols[i].phrases > 0.5 {
			return true
		}
	}
	return false
}

// keyColumns lists the columns that may hold the codes, by the first of these signs that a column
// has: it is headed as values or numbers; its cells surely are codes; they are different words, at
// least half of them mnemonics; they are mnemonics below the heading of a text, or also numbers
// below that of a cause; they are mnemonics headed as types, and codes are announced. A column that
// numbers or grades the rows by its heading is none.
func keyColumns(cols []column, cells [][]string, announced bool) (keys []int) {
	named := func(c column) bool { return c.kind == unknown || c.kind == ofName || c.kind == ofCode }
	for _, like := range []func(c column) bool{
		func(c column) bool { return numberHeads(c.heading) && c.sure > 0.9 && c.looks != unlike },
		func(c column) bool { return named(c) && c.looks == surely },
		func(c column) bool { return named(c) && c.looks == perhaps && c.strong >= 0.5 },
		func(c column) bool { return c.kind == ofMessage && c.looks == surely && c.strong > 0.9 },
		func(c column) bool { return c.kind == ofCause && c.sure > 0.9 && (c.looks == surely || c.status > 0.5) },
		func(c column) bool { return announced && typeHeads[c.heading] && c.looks == surely && c.strong > 0.9 },
	} {
		for i, c := range cols {
			if !c.blind && c.prose < 0.5 && like(c) && !slices.ContainsFunc(cells[i], isPath) {
				keys = append(keys, i)
			}
		}
		if keys != nil {
			return keys
		}
	}
	return nil
}

// isPath reports whether a cell is the path of a resource or a link.
func isPath(cell string) bool { return strings.HasPrefix(cell, "/") }

// numberHeads reports whether a heading is that of an enumeration's values or of an error's number.
func numberHeads(heading string) bool { return valueHeads[heading] || idHeads[heading] }
