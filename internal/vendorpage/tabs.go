package vendorpage

import (
	"slices"
	"strconv"
	"strings"
)

// findTabs reads rows of cells separated by tabs. A row whose cells contain line breaks continues
// in the next lines.
func findTabs(lines []line, at int) (*grid, int) {
	head := tabHeads(lines, at)
	if head == nil {
		return nil, 0
	}
	if _, ok := headings(head); !ok {
		return nil, 0
	}
	t := tabReader{lines: lines, head: head, grid: grid{line: lines[at].n, rows: []gridRow{{line: lines[at].n, cells: head}}}}
	end := at + 1
	for {
		next, ok := t.next(end)
		if !ok {
			break
		}
		t.between(lines[end:next])
		end = t.row(next)
	}
	if len(t.rows) < 2 {
		return nil, 0
	}
	if end < len(lines) && t.goesOn(lines[end].text) {
		t.notes = append(t.notes, "line "+strconv.Itoa(lines[end].n)+" is taken as text after the table: "+clip(lines[end].text))
	}
	for _, r := range t.rows {
		for i := range r.cells {
			r.cells[i] = tidy(r.cells[i])
		}
	}
	return &t.grid, end
}

// tabHeads splits a line of headings. Rows with tabs may be below headings with gaps of spaces.
func tabHeads(lines []line, at int) []string {
	if strings.Contains(lines[at].text, "\t") {
		return splitTabs(lines[at].text)
	}
	if at+1 >= len(lines) || !strings.Contains(lines[at].text, "  ") || !strings.Contains(lines[at+1].text, "\t") {
		return nil
	}
	var head []string
	for _, h := range gapped(lines[at].text) {
		head = append(head, h.text)
	}
	if len(head) < 2 || len(splitTabs(lines[at+1].text)) != len(head) {
		return nil
	}
	return head
}

// tabReader reads a table with tabs.
type tabReader struct {
	grid
	lines []line
	head  []string
}

// next finds the line of the next row. Up to seven lines without tabs may precede it: titles, or
// paragraphs of the cell above. It returns false if the table ends.
func (t *tabReader) next(from int) (next int, ok bool) {
	blanks := 0
	for next = from; next < len(t.lines) && next < from+8; next++ {
		l := t.lines[next]
		if strings.Contains(l.text, "\t") {
			cells := splitTabs(l.text)
			return next, blanks <= 2 && !otherTable(t.head, cells, blanks > 0) && !(next > from && t.begins(cells))
		}
		if l.blank() {
			blanks++
		}
	}
	return next, false
}

// begins reports whether cells that do not follow right below a row are headings of another table,
// which are not known: no code is where a code belongs, unlike in all rows so far.
func (t *tabReader) begins(cells []string) bool {
	code := slices.Index(assign(t.head, nil), RoleCode)
	if code < 0 || len(cells) < len(t.head) || len(t.rows) < 2 {
		return false
	}
	is := func(cells []string) bool {
		return len(cells) <= code || cells[code] == "" || others(cells[code]) || isStatus(cells[code]) || codeStrength(codePart(cells[code])) >= number
	}
	return !is(cells) && !slices.ContainsFunc(t.rows[1:], func(r gridRow) bool { return !is(r.cells) && len(r.cells) > 1 })
}

// between reads the lines between two rows. Those right below a row may be paragraphs of its last
// cell; all others are titles.
func (t *tabReader) between(lines []line) {
	below := true // no blank line has come yet
	for _, l := range lines {
		switch {
		case l.blank():
			below = false
		case below && len(t.rows) > 1 && t.goesOn(l.text):
			last := t.rows[len(t.rows)-1].cells
			last[len(last)-1] += "\n" + strings.TrimSpace(l.text)
		default:
			t.rows = append(t.rows, gridRow{line: l.n, cells: []string{strings.TrimSpace(l.text)}})
		}
	}
}

// row reads the row that begins at a line and returns the line after it. While cells are missing,
// the last one continues in the next line.
func (t *tabReader) row(j int) (end int) {
	n := len(t.head)
	row := gridRow{line: t.lines[j].n, cells: splitTabs(t.lines[j].text)}
	for j++; len(row.cells) < n && j < len(t.lines) && len(row.cells) > 1; j++ {
		more := splitTabs(t.lines[j].text)
		if len(row.cells)+len(more)-1 > n || len(more) > 1 && startsRow(more) || t.lines[j].blank() || len(more) == 1 && !bridge(t.lines, j, n-len(row.cells)+1) {
			break
		}
		row.cells[len(row.cells)-1] += "\n" + more[0]
		row.cells = append(row.cells, more[1:]...)
	}
	t.rows = append(t.rows, row)
	return j
}

// goesOn reports whether a line right below the last row is another paragraph of its last cell, and
// not a title.
func (t *tabReader) goesOn(text string) bool {
	cells, n := t.rows[len(t.rows)-1].cells, len(t.head)
	text = strings.TrimSpace(text)
	return len(cells) == n && cells[n-1] != "" && text != "" && !junk(text) && (endsSentence(text) || numbered(text) > 0 || strings.HasPrefix(text, "-"))
}

// otherTable reports whether cells belong to another table than the one with the headings. They do
// if they are other headings. They also do if they follow a blank line, their number differs, and a
// text is in the place of the status or the code.
func otherTable(head, cells []string, apart bool) bool {
	if len(cells) < 2 || slices.Equal(head, cells) {
		return false
	}
	if _, ok := headings(cells); ok && len(cells) != len(head) {
		return true
	}
	if !slices.ContainsFunc(cells, func(c string) bool { return c != "" && vocabulary[normal(c)] == unknown }) {
		return true
	}
	roles := assign(head, nil)
	key := slices.Index(roles, RoleStatus)
	if key < 0 {
		key = slices.Index(roles, RoleCode)
	}
	return apart && len(cells) != len(head) && key >= 0 && key < len(cells) && !nothing(cells[key]) && !isStatus(cells[key]) && codeStrength(codePart(cells[0])) == noCode
}

func splitTabs(s string) []string {
	cells := strings.Split(strings.TrimLeft(s, " "), "\t")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// startsRow reports whether cells look like the beginning of a row: a status or a code comes first.
func startsRow(cells []string) bool {
	return isStatus(cells[0]) || codeStrength(cells[0]) >= number
}

// bridge reports whether the line after some text without tabs completes the row.
func bridge(lines []line, j, missing int) bool {
	for k := j; k < len(lines) && k < j+6 && !lines[k].blank(); k++ {
		if cells := splitTabs(lines[k].text); len(cells) > 1 {
			return len(cells) <= missing && !startsRow(cells)
		}
	}
	return false
}
