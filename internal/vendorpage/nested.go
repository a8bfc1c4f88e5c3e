package vendorpage

import (
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// nestedCode matches the line of a cell that names a code: "Error code: 300".
var nestedCode = regexp.MustCompile(`^[*\s]*(?i:error code|code|错误码|エラーコード|오류 코드|fehlercode)[*\s]*[:\x{ff1a}][*\s]*([^\s*` + "`" + `]+)[*\s]*$`)

// unnest gives each code a row of its own where the rows of a table are HTTP statuses and the codes
// are in one of their cells, each above its text:
//
//	400 | Error code: 300
//	    | The name is missing.
//	    | Error code: 301
//	    | The name is too long.
func unnest(rows []gridRow) []gridRow {
	if len(rows) < 2 || len(rows[0].cells) < 2 {
		return rows
	}
	if items := unnestItems(rows); items != nil {
		return items
	}
	stat, col := -1, -1
	for i := range rows[0].cells {
		is := func(r gridRow) bool { return i < len(r.cells) && isStatus(r.cells[i]) }
		has := func(r gridRow) bool { return i < len(r.cells) && len(codesIn(r.cells[i])) > 0 }
		switch {
		case stat < 0 && !slices.ContainsFunc(rows[1:], func(r gridRow) bool { return !is(r) }):
			stat = i
		case col < 0 && slices.ContainsFunc(rows[1:], has):
			col = i
		}
	}
	if stat < 0 || col < 0 {
		return rows
	}
	out := []gridRow{{line: rows[0].line, cells: []string{"HTTP status", "Error code", "Description"}}}
	for _, r := range rows[1:] {
		if col >= len(r.cells) || len(codesIn(r.cells[col])) == 0 {
			if slices.ContainsFunc(r.cells, filled) {
				out = append(out, gridRow{line: r.line, cells: r.cells, lost: "names no code"})
			}
			continue
		}
		for _, f := range codesIn(r.cells[col]) {
			out = append(out, gridRow{line: r.line, cells: []string{r.cells[stat], f.name, f.text}})
		}
	}
	return out
}

// itemLine matches a line of a cell with a code and its text: "no_box: There is no such box".
var itemLine = regexp.MustCompile("^(?:[-*•] )?[*`]*([\\w.-]+)[*`]*(?:\\s*[:\\x{ff1a}]|\\s+[-–—])[*`]*\\s+(\\S.*)$")

// itemsOf returns the codes and the texts of a cell that lists nothing else, or nil.
func itemsOf(cell string) (all []field) {
	for _, l := range strings.Split(tidy(breaks.ReplaceAllString(cell, "\n")), "\n") {
		m := itemLine.FindStringSubmatch(l)
		if m == nil || codeStrength(m[1]) < mnemonic {
			return nil
		}
		all = append(all, field{m[1], m[2]})
	}
	return all
}

// unnestItems gives each item a row of its own where the rows of a table are a status and a list
// of codes with their texts, below a heading that calls them errors. It returns nil for others.
func unnestItems(rows []gridRow) []gridRow {
	if len(rows[0].cells) != 2 || !aboutErrors.MatchString(rows[0].cells[1]) {
		return nil
	}
	out := []gridRow{{line: rows[0].line, cells: []string{"HTTP status", "Error code", "Description"}}}
	for _, r := range rows[1:] {
		if len(r.cells) != 2 || !isStatus(r.cells[0]) || itemsOf(r.cells[1]) == nil {
			return nil
		}
		for _, f := range itemsOf(r.cells[1]) {
			out = append(out, gridRow{line: r.line, cells: []string{r.cells[0], f.name, f.text}})
		}
	}
	if len(out) == len(rows) {
		return nil // a code per row
	}
	return out
}

// codeCell matches a cell with a code and its text: "E100 The name is missing".
var codeCell = regexp.MustCompile(`(?s)^([\w.-]+)(?:\s*[:\x{ff1a}]|\s+[-–—=]|)\s+(\S.*)$`)

// cellsOfCodes makes a row of each cell of a table that is drawn without headings if all cells hold
// a code and its text, and the codes look alike. It returns nil for others.
func cellsOfCodes(g grid) (rows []gridRow) {
	if g.headed || g.bare {
		return nil
	}
	seen := map[string]bool{}
	for _, r := range g.rows {
		for _, cell := range r.cells {
			if cell == "" {
				continue
			}
			m := codeCell.FindStringSubmatch(cell)
			if m == nil || !titled(m[1], codeStrength(m[1])) || seen[m[1]] || len(rows) > 0 && build(m[1]) != build(rows[0].cells[0]) {
				return nil
			}
			seen[m[1]] = true
			rows = append(rows, gridRow{line: r.line, cells: m[1:]})
		}
	}
	if len(rows) < 3 {
		return nil
	}
	return rows
}

// unfoldSamples replaces a column of sample responses by their codes and messages.
func unfoldSamples(rows []gridRow) []gridRow {
	if len(rows) < 3 {
		return rows
	}
	col := slices.IndexFunc(rows[1].cells, func(c string) bool { return strings.HasPrefix(c, "{") })
	if col < 0 || col >= len(rows[0].cells) {
		return rows
	}
	out := make([]gridRow, len(rows))
	for i, r := range rows {
		cells := []string{"Error code", "Message"}
		if i > 0 {
			if col >= len(r.cells) {
				return rows
			}
			_, _, code, message := readSample(r.cells[col])
			if cells = []string{code, message}; code == "" || message == "" {
				return rows
			}
		}
		out[i] = gridRow{line: r.line, cells: slices.Replace(slices.Clone(r.cells), col, col+1, cells...)}
	}
	return out
}

// codesIn returns the codes in a cell, each with the lines below it.
func codesIn(cell string) (all []field) {
	if !strings.Contains(cell, "\n") {
		return nil
	}
	for _, l := range strings.Split(cell, "\n") {
		if m := nestedCode.FindStringSubmatch(strings.ReplaceAll(l, "`", "")); m != nil && codeStrength(m[1]) >= number {
			all = append(all, field{name: m[1]})
		} else if len(all) > 0 {
			all[len(all)-1].text = addParagraph(all[len(all)-1].text, l)
		}
	}
	return all
}
