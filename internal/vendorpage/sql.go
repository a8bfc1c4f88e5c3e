package vendorpage

import (
	"path"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// sqlTable is the layout of rows that statements of SQL insert.
const sqlTable = "inserts of SQL"

var (
	insertInto = regexp.MustCompile("(?i)\\binsert\\s+(?:ignore\\s+)?into\\s+([\\w.`\"\\[\\]]+)\\s*(?:\\(([^()]*)\\))?\\s*values\\s*")
	nextTuple  = regexp.MustCompile(`^\s*,?\s*(?:--[^\n]*\n\s*)*\(`)
)

// readSQL reads a script that inserts rows, or returns nil if the page is none. The rows of a table
// with the same columns become a grid.
func readSQL(name, text string) (parts []part) {
	if ext := strings.ToLower(path.Ext(name)); ext != ".sql" && ext != ".ddl" {
		return nil
	}
	at := map[string]int{}
	line, seen := 1, 0
	for _, m := range insertInto.FindAllStringSubmatchIndex(text, -1) {
		if m[0] < seen {
			continue // in a text
		}
		table, columns := text[m[2]:m[3]], ""
		if m[4] >= 0 {
			columns = text[m[4]:m[5]]
		}
		i, known := at[table+"("+columns]
		if !known {
			i = len(parts)
			at[table+"("+columns] = i
			parts = append(parts, part{grid: sqlGrid(table, columns, line+strings.Count(text[seen:m[0]], "\n"))})
		}
		rest := text[m[1]:]
		line, seen = line+strings.Count(text[seen:m[1]], "\n"), m[1]
		for open := nextTuple.FindStringIndex(rest); open != nil; open = nextTuple.FindStringIndex(rest) {
			cells, end := sqlTuple(rest[open[1]:])
			if end < 0 {
				break
			}
			line += strings.Count(rest[:open[1]], "\n")
			parts[i].grid.rows = append(parts[i].grid.rows, gridRow{line: line, cells: cells})
			line += strings.Count(rest[open[1]:open[1]+end], "\n")
			seen, rest = seen+open[1]+end, rest[open[1]+end:]
		}
	}
	return parts
}

// sqlGrid returns a grid with the headings of a table's columns, and without rows.
func sqlGrid(table, columns string, line int) *grid {
	g := &grid{layout: sqlTable, line: line, bare: true, spans: true}
	words := strings.NewReplacer("_", " ", ".", " ").Replace(humps.ReplaceAllString(table, "$1 $2"))
	switch {
	case announcesCodes.MatchString(words) || aboutErrors.MatchString(words):
		g.topic, g.bare = ofCodes, false
	case otherCodes.MatchString(words):
		g.topic = ofOthers
	}
	if columns != "" {
		row := gridRow{line: line}
		for _, c := range strings.Split(columns, ",") {
			row.cells = append(row.cells, strings.Trim(c, "\"`[] \t\n"))
		}
		g.headed, g.rows = true, []gridRow{row}
	}
	return g
}

// sqlTuple reads values up to the bracket that closes them. end is the place after it, or -1 if
// there is none.
func sqlTuple(s string) (cells []string, end int) {
	cell, quote := strings.Builder{}, byte(0)
	flush := func() {
		text := tidy(cell.String())
		if strings.EqualFold(text, "null") {
			text = ""
		}
		cells = append(cells, text)
		cell.Reset()
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\' && i+1 < len(s):
			i++
			cell.WriteByte(s[i])
		case quote != 0 && c == quote && i+1 < len(s) && s[i+1] == quote: // a doubled mark
			i++
			cell.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			cell.WriteByte(c)
		case c == '\'' || c == '"':
			if quote = c; strings.EqualFold(strings.TrimSpace(cell.String()), "n") { // N'…'
				cell.Reset()
			}
		case c == ')' && depth == 0:
			flush()
			return cells, i + 1
		case c == ',' && depth == 0:
			flush()
		default:
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			cell.WriteByte(c)
		}
	}
	return nil, -1
}
