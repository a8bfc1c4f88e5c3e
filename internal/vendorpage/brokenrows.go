package vendorpage

import (
	"slices"
	"strings"
)

// findBrokenRows reads a table with pipes and a ruler whose rows go on in the next lines, as
// extractors write a cell that contains paragraphs:
//
//	| 400 | badRequest |           |                  QUOTA_EXCEEDED
//	The call is malformed. |       QUOTA_EXCEEDED     | The quota is used up. |
//	                               | Used up. |
//
// Only the number of columns, which the ruler or the headings show, tells where such a row ends. A
// table of which each row has its own line is left to findPipeRows.
func findBrokenRows(lines []line, at int) (*grid, int) {
	if !hasPipe(lines[at]) && (at+1 >= len(lines) || !opensCell(lines[at+1].text)) {
		return nil, 0
	}
	heads, begin := brokenHeads(lines, at)
	if heads == nil {
		heads, begin = unruledHeads(lines, at)
	}
	if heads == nil {
		return nil, 0
	}
	t := brokenTable{lines: lines, columns: len(heads), grid: grid{line: lines[at].n, headed: true, rows: []gridRow{{line: lines[at].n, cells: heads}}}}
	t.glued = begin > at+2
	end := begin
	for j := begin; j < len(lines); {
		if j = t.skipBlank(j); j >= len(lines) || t.ends(j) {
			break
		}
		row, next := t.row(j)
		if next == 0 {
			break
		}
		t.rows = append(t.rows, row)
		j, end = next, next
	}
	if !t.glued || len(t.rows) < 2 {
		return nil, 0
	}
	for _, r := range t.rows {
		for i, c := range r.cells {
			r.cells[i] = plain(c)
		}
	}
	return &t.grid, end
}

const (
	brokenLines = 40 // limits the lines of a row and of the headings
	brokenGap   = 2  // limits the blank lines in a row
)

// brokenHeads reads the headings, up to the ruler whose columns they match. It returns nil if there
// are none.
func brokenHeads(lines []line, at int) (heads []string, next int) {
	for j := at + 1; j < len(lines) && j < at+brokenLines; j++ {
		if !isRuler(lines[j].text) {
			if t := strings.TrimSpace(lines[j].text); len(t) > 100 {
				return nil, 0
			}
			continue
		}
		columns, _ := splitPipes(lines[j].text)
		var text []string
		for _, l := range lines[at:j] {
			text = append(text, l.text)
		}
		heads, _ = splitPipes(strings.Join(text, "\n"))
		if len(heads) != len(columns) || len(heads) < 2 || len(heads) > maxColumns {
			return nil, 0
		}
		for i := range heads {
			if heads[i] = plain(heads[i]); strings.Contains(heads[i], "\n") && j > at+1 {
				heads[i] = strings.ReplaceAll(heads[i], "\n", " ")
			}
		}
		return heads, j + 1
	}
	return nil, 0
}

// findStackedHeads reads rows with pipes below headings of which each has a line of its own.
func findStackedHeads(lines []line, at int) (*grid, int) {
	var heads []string
	begin := at
	for ; begin < len(lines) && begin < at+maxHeads; begin++ {
		text := strings.TrimSpace(lines[begin].text)
		head := strings.TrimSpace(strings.Trim(text, "|"))
		if !strings.HasSuffix(text, "|") || head == "" || strings.Contains(head, "|") {
			break
		}
		heads = append(heads, head)
	}
	if _, ok := headings(heads); !ok || len(heads) < 2 {
		return nil, 0
	}
	g := &grid{line: lines[at].n, headed: true, rows: []gridRow{{line: lines[at].n, cells: heads}}}
	end := begin
	for ; end < len(lines) && hasPipe(lines[end]); end++ {
		cells, _ := splitPipes(lines[end].text)
		if len(cells) != len(heads) || isRuler(lines[end].text) {
			break
		}
		g.rows = append(g.rows, gridRow{line: lines[end].n, cells: cells})
	}
	if len(g.rows) < 2 {
		return nil, 0
	}
	return g, end
}

// unruledHeads reads headings in one line that no ruler follows, if the first row goes on in the
// lines below its first cell. It returns nil if there are none.
func unruledHeads(lines []line, at int) (heads []string, next int) {
	if text := strings.TrimSpace(lines[at].text); !opensCell(text) || !strings.HasSuffix(text, "|") || at+1 >= len(lines) || !opensCell(lines[at+1].text) {
		return nil, 0
	}
	first := strings.Trim(lines[at+1].text, "| ")
	if strings.Contains(first, "|") || first != "" && codeStrength(first) == noCode {
		return nil, 0
	}
	heads, _ = splitPipes(lines[at].text)
	if _, ok := headings(heads); !ok || len(heads) > maxColumns {
		return nil, 0
	}
	return heads, at + 1
}

// onlyHeadings reports whether a line with pipes holds nothing but known headings.
func onlyHeadings(text string) bool {
	cells, _ := splitPipes(text)
	return len(cells) > 1 && !slices.ContainsFunc(cells, func(c string) bool { return vocabulary[normal(c)] == unknown })
}

// brokenTable is a table of broken rows that is being read.
type brokenTable struct {
	grid
	lines   []line
	columns int
	glued   bool // a row has taken several lines
}

// opensCell reports whether a line begins with a pipe.
func opensCell(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "|") }

// skipBlank returns the next line that is not blank. Many blank lines end the table.
func (t *brokenTable) skipBlank(j int) int {
	from := j
	for j < len(t.lines) && t.lines[j].blank() {
		if j++; j-from > brokenGap {
			return len(t.lines)
		}
	}
	return j
}

// ends reports whether no row begins at a line: it is prose, or it holds the headings of another
// table.
func (t *brokenTable) ends(j int) bool {
	text := t.lines[j].text
	if isRuler(text) || strings.HasPrefix(text, "#") || opensCell(text) && onlyHeadings(text) {
		return true
	}
	if heads, _ := brokenHeads(t.lines, j); heads != nil {
		return true
	}
	return !strings.Contains(text, "|") && !t.beginsAlone(j)
}

// beginsAlone reports whether a line is the first cell of a row, with the second in the next line.
func (t *brokenTable) beginsAlone(j int) bool {
	first := strings.Trim(strings.TrimSpace(t.lines[j].text), "`*")
	if strings.Contains(first, "|") || !others(first) && !isStatus(first) && codeStrength(codePart(first)) == noCode {
		return false
	}
	next := t.skipBlank(j + 1)
	if next+1 < len(t.lines) && isRuler(t.lines[next+1].text) {
		return false // it is the title of another table
	}
	return next < len(t.lines) && opensCell(t.lines[next].text) && !isRuler(t.lines[next].text)
}

// row reads the row that begins at a line and returns the line after it, or 0 if there is no row.
// If the lines do not add up to a row, the first one is a row on its own.
func (t *brokenTable) row(j int) (row gridRow, next int) {
	r := brokenRow{columns: t.columns}
	k := j
	for ; k < len(t.lines) && k < j+brokenLines && !r.whole(); k++ {
		if k > j && t.ownRow(k) {
			break
		}
		r.line(t.lines[k].text, k == j)
		if r.last() && t.closedHere(k+1) {
			r.close()
			k++
			break
		}
	}
	if r.whole() && len(r.cells) == t.columns {
		t.glued = t.glued || k > j+1
		return gridRow{line: t.lines[j].n, cells: r.cells}, k
	}
	cells, _ := splitPipes(t.lines[j].text)
	if !strings.Contains(t.lines[j].text, "|") {
		return row, 0
	}
	return gridRow{line: t.lines[j].n, cells: cells}, j + 1
}

// ownRow reports whether a line holds all cells of a row.
func (t *brokenTable) ownRow(k int) bool {
	cells, _ := splitPipes(t.lines[k].text)
	return len(cells) == t.columns
}

// closedHere reports whether the last cell of a row, which no pipe has closed yet, ends above a
// line: the table ends, or another row begins.
func (t *brokenTable) closedHere(next int) bool {
	at := t.skipBlank(next)
	if at >= len(t.lines) || isRuler(t.lines[at].text) {
		return true
	}
	text := strings.TrimSpace(t.lines[at].text)
	switch {
	case text == "|":
		return false
	case t.beginsAlone(at) || t.ownRow(at) || strings.HasPrefix(text, "|"):
		return true
	case strings.Contains(text, "|"):
		return !strings.HasSuffix(text, "|") || strings.Count(text, "|") > 1 // else it goes on and is closed
	}
	for k := at; k < len(t.lines) && k < at+brokenLines/4 && !t.lines[k].blank(); k++ {
		if strings.Contains(t.lines[k].text, "|") {
			heads, _ := brokenHeads(t.lines, k)
			return heads != nil
		}
	}
	return true
}

// brokenRow collects the cells of a row, line by line.
type brokenRow struct {
	columns int
	cells   []string // the closed ones
	text    string   // of the cell that is open
	open    bool
}

func (r *brokenRow) whole() bool { return len(r.cells) >= r.columns }

// last reports whether only the last cell is open, and has a text.
func (r *brokenRow) last() bool {
	return len(r.cells) == r.columns-1 && r.open && strings.TrimSpace(r.text) != ""
}

func (r *brokenRow) close() {
	r.cells, r.text, r.open = append(r.cells, strings.TrimSpace(r.text)), "", false
}

// line adds a line. A pipe at its start opens the row if it is the first; otherwise it closes the
// cell above, unless another pipe has closed that already.
func (r *brokenRow) line(l string, first bool) {
	l = strings.TrimSpace(l)
	if rest, found := strings.CutPrefix(l, "|"); found && (first || !r.open) {
		r.open, l = true, strings.TrimSpace(rest)
	}
	at := 0
	for _, m := range pipeSplit.FindAllStringIndex(l, -1) {
		if l[m[0]] != '\\' {
			r.text += "\n" + l[at:m[0]]
			r.close()
			at = m[1]
		}
	}
	if rest := strings.TrimSpace(l[at:]); rest != "" {
		r.text += "\n" + rest
		r.open = true
	}
}
