package vendorpage

import (
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

var (
	drawn     = strings.NewReplacer("│", "|", "┃", "|", "║", "|", "\uff5c", "|", "─", "-", "━", "-", "═", "=", "┼", "+", "┌", "+", "┐", "+", "└", "+", "┘", "+", "├", "+", "┤", "+", "┬", "+", "┴", "+", "╪", "+", "╞", "+", "╡", "+", "╔", "+", "╗", "+", "╚", "+", "╝", "+", "╠", "+", "╣", "+", "╦", "+", "╩", "+", "╬", "+")
	ruler     = regexp.MustCompile(`^[\s|+:=-]*(?:--|==|-\s*\||\|\s*:?-)[\s|+:=-]*$`)
	pipeSplit = regexp.MustCompile(`\\?\|`)
)

// isRuler reports whether a line is a drawn border, such as Markdown's |---|---|.
func isRuler(s string) bool {
	drawn := false
	for _, c := range []byte(s) {
		switch c {
		case '|', '+':
			drawn = true
		case ' ', '\t', '\n', ':', '=', '-', '\f', '\r':
		default:
			return false
		}
	}
	return drawn && ruler.MatchString(s)
}

// splitPipes returns the cells of a line. open reports that no pipe closes the last cell.
func splitPipes(s string) (cells []string, open bool) {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "|")
	at := 0
	for _, m := range pipeSplit.FindAllStringIndex(s, -1) {
		if s[m[0]] == '\\' {
			continue
		}
		cells = append(cells, strings.TrimSpace(s[at:m[0]]))
		at = m[1]
	}
	if rest := strings.TrimSpace(s[at:]); rest != "" || at == 0 {
		return append(cells, rest), true
	}
	return cells, false
}

func hasPipe(l line) bool { return strings.ContainsAny(l.text, "|│┃║\uff5c") }

// findPipeRows reads one row per line: Markdown, the tables that databases print, and grids with
// drawn borders. A row whose cells do not fit in its line continues in the next lines.
func findPipeRows(lines []line, at int) (*grid, int) {
	first := strings.TrimSpace(drawn.Replace(lines[at].text))
	if !hasPipe(lines[at]) && !strings.HasPrefix(first, "+-") && !strings.HasPrefix(strings.TrimSpace(lines[at].text), "+=") {
		return nil, 0
	}
	if o := openingOf(first); bulleted(o.mark) && lines[at].start().ok {
		return nil, 0 // a list item that contains a pipe
	}
	p := pipeReader{grid: grid{line: lines[at].n}, lines: lines, end: at, framed: strings.HasPrefix(first, "|")}
	for j, ok := at, true; ok && j < len(lines); {
		switch {
		case isRuler(drawn.Replace(lines[j].text)):
			j, ok = p.border(j)
		case lines[j].blank():
			j, ok = j+1, p.skips(j)
		case hasPipe(lines[j]):
			j, ok = p.row(j)
		default:
			j, ok = p.wrapped(j)
		}
	}
	if len(p.rows) < 2 {
		return nil, 0
	}
	if p.ruled || p.borders > 3 && p.borders*2 >= len(p.rows) { // borders separate the rows: the lines between two of them are one row
		p.rows = mergeBordered(p.rows, p.fresh)
	}
	for _, r := range p.rows {
		for i, c := range r.cells {
			r.cells[i] = plain(c)
		}
	}
	return &p.grid, p.end
}

// pipeReader reads a table with pipes. Its methods read what is at a line and return the line after
// it, or false if the table ends there.
type pipeReader struct {
	grid
	lines    []line
	columns  int  // of the first row
	framed   bool // a pipe precedes the first cell
	borders  int
	ruled    bool   // +===+ below the headings, as reStructuredText draws it: borders separate the rows
	bordered bool   // a border is right above
	fresh    []bool // for each row: a border is right above it
	end      int    // the line after the last one that was read
}

// border reads a drawn border. A border below the first row shows that this row holds the headings.
func (p *pipeReader) border(j int) (next int, ok bool) {
	if p.borders++; p.borders > 2*len(p.rows)+3 {
		return j, false // lines drawn across the page
	}
	p.headed = p.headed || len(p.rows) == 1
	p.ruled = p.ruled || strings.HasPrefix(strings.TrimSpace(p.lines[j].text), "+=")
	p.bordered, p.end = true, j+1
	return j + 1, true
}

// skips reports whether a blank line only separates rows: the next line has to look like a row, but
// not like headings.
func (p *pipeReader) skips(j int) bool {
	if j+1 >= len(p.lines) || p.columns == 0 || !hasPipe(p.lines[j+1]) {
		return false
	}
	cells, _ := splitPipes(drawn.Replace(p.lines[j+1].text))
	if len(cells) != p.columns {
		return false
	}
	_, heads := headings(cells)
	return !heads
}

// wrapped adds lines without pipes to the last cell of the row above, if another row follows soon.
func (p *pipeReader) wrapped(j int) (next int, ok bool) {
	n := continued(p.lines, j, p.columns)
	if len(p.rows) == 0 || n == 0 {
		return j, false
	}
	last := p.rows[len(p.rows)-1].cells
	for _, l := range p.lines[j : j+n] {
		last[len(last)-1] += "\n" + strings.TrimSpace(l.text)
	}
	p.end = j + n
	return p.end, true
}

// row reads a row. While cells are missing and no pipe closes the last one, that cell continues in
// the next line.
func (p *pipeReader) row(j int) (next int, ok bool) {
	text := drawn.Replace(p.lines[j].text)
	cells, open := splitPipes(text)
	if p.columns == 0 {
		if len(cells) < 2 {
			return j, false
		}
		p.columns = len(cells)
	}
	if len(cells) > p.columns && strings.Contains(text, " || ") { // in a cell
		cells, open = splitPipes(strings.ReplaceAll(text, " || ", ` \|\| `))
	}
	if !p.framed && len(cells) < p.columns && strings.HasPrefix(strings.TrimSpace(text), "|") {
		cells = append([]string{""}, cells...) // the pipe separates an empty cell from the next
	}
	row := gridRow{line: p.lines[j].n, cells: cells}
	for j++; open && len(row.cells) < p.columns && j < len(p.lines) && !p.lines[j].blank() && len(row.cells) > 0; j++ {
		more, stillOpen := splitPipes(drawn.Replace(p.lines[j].text))
		if len(row.cells)+len(more)-1 > p.columns || strings.HasPrefix(strings.TrimSpace(p.lines[j].text), "|") {
			break
		}
		row.cells[len(row.cells)-1] += "\n" + more[0]
		row.cells = append(row.cells, more[1:]...)
		open = stillOpen
	}
	if more := p.restOfRow(j, row.cells); more != nil {
		row.cells = append(row.cells, more...)
		j++
	}
	p.rows, p.fresh = append(p.rows, row), append(p.fresh, p.bordered)
	p.bordered, p.end = false, j
	return j, true
}

// restOfRow returns the cells in the next line that complete a row whose first cell, a code, has a
// line of its own. It returns nil if the line is no such rest.
func (p *pipeReader) restOfRow(j int, cells []string) []string {
	if p.framed || len(p.rows) == 0 || len(cells) >= p.columns || j >= len(p.lines) || !hasPipe(p.lines[j]) || codeStrength(cells[len(cells)-1]) < number {
		return nil
	}
	more, open := splitPipes(drawn.Replace(p.lines[j].text))
	if open || len(cells)+len(more) != p.columns || codeStrength(more[0]) >= number {
		return nil
	}
	return more
}

// continued counts the lines without pipes at j that belong to the row above, because a complete
// row follows soon.
func continued(lines []line, j, columns int) int {
	for n := 1; n <= 6 && j+n < len(lines); n++ {
		if lines[j+n-1].blank() {
			return 0
		}
		if hasPipe(lines[j+n]) {
			cells, _ := splitPipes(drawn.Replace(lines[j+n].text))
			_, heads := headings(cells)
			if below := peek(lines, j+n+1); heads || len(cells) != columns || isRuler(below) && strings.Contains(below, "|") && !strings.Contains(below, "+") {
				return 0 // the lines may be the title of another table
			}
			return n
		}
	}
	return 0
}

func mergeBordered(rows []gridRow, fresh []bool) (out []gridRow) {
	for i, r := range rows {
		if fresh[i] || len(out) == 0 {
			out = append(out, r)
			continue
		}
		last := &out[len(out)-1]
		if slices.ContainsFunc(both(last.cells, r.cells), func(pair [2]string) bool { return isStatus(pair[0]) && isStatus(pair[1]) }) {
			out = append(out, r) // a status never takes two lines, so a border is missing
			continue
		}
		for c, cell := range r.cells {
			switch item := itemMark.ReplaceAllString(cell, ""); {
			case c >= len(last.cells):
			case item != cell: // a list
				last.cells[c] = addParagraph(itemMark.ReplaceAllString(last.cells[c], ""), item)
			default:
				last.cells[c] = wrapCode(last.cells[c], cell)
			}
		}
	}
	return out
}

// wrapCode is wrap for a text that may be a code. A code that was broken at a separator continues,
// and no code contains a space.
func wrapCode(a, b string) string {
	switch {
	case codeStrength(a) != mnemonic || b == "" || strings.Contains(b, " "):
		return wrap(a, b)
	case strings.ContainsAny(a[len(a)-1:], "_.-/"):
		return a + b
	}
	return a + "\n" + b
}

// both pairs the cells of two rows.
func both(a, b []string) (pairs [][2]string) {
	for i := range min(len(a), len(b)) {
		pairs = append(pairs, [2]string{a[i], b[i]})
	}
	return pairs
}

// wrap joins two pieces of a text that was broken to fit a width.
func wrap(a, b string) string {
	switch {
	case a == "" || b == "":
		return a + b
	case a[len(a)-1] >= 0x80 && b[0] >= 0x80 && prose(a) && prose(b) && !strings.Contains(a, " "):
		return a + b // Chinese has no spaces to break at
	}
	return a + " " + b
}

// findPipeCells reads one cell per line, each ending in a pipe, with or without a ruler below the
// headings.
func findPipeCells(lines []line, at int) (*grid, int) {
	if at > 0 && framed(lines[at-1].text) || !closesCell(lines[at].text) || kindOf(strings.Trim(lines[at].text, "| ")) == unknown {
		return nil, 0
	}
	heads, begin := pipeHeads(lines, at)
	if len(heads) < 2 {
		return nil, 0
	}
	return growing(lines[at].n, heads, func(limit int) (cells []block, all bool) {
		return pipeCells(lines, begin, normal(heads[0].text), limit)
	})
}

// closesCell reports whether a line ends a cell.
func closesCell(l string) bool {
	t := strings.TrimSpace(l)
	if rest, framed := strings.CutPrefix(t, "|"); framed && len(rest) > 1 { // the first cell of a row
		t = rest
	}
	return strings.HasSuffix(t, "|") && (!isRuler(t) || emptyCell(t)) && strings.Count(t, "|") == 1
}

// framed reports whether a line holds the first cell of a row, between pipes.
func framed(l string) bool { return strings.HasPrefix(l, "| ") && closesCell(l) }

// emptyCell reports whether a line is a cell that says that there is nothing to say.
func emptyCell(l string) bool { return l == "- |" || l == "-|" }

// pipeHeads reads the headings and returns the line after them. The headings are all cells above a
// ruler or, without one, the first cells that are known headings.
func pipeHeads(lines []line, at int) (heads []block, next int) {
	for j := at; j < len(lines) && len(heads) < 12 && (lines[j].blank() || isRuler(strings.TrimSpace(lines[j].text)) || closesCell(lines[j].text)); j++ {
		switch {
		case lines[j].blank():
		case isRuler(strings.TrimSpace(lines[j].text)):
			return heads, j + 1
		default:
			heads = append(heads, block{lines[j].n, plain(strings.Trim(lines[j].text, "| ")), j + 1})
		}
	}
	n := 0
	for n < len(heads) && kindOf(heads[n].text) != unknown && !(n > 1 && camel(heads[n].text) && !camel(heads[0].text)) {
		n++ // but the name of a member below headings in words is a cell
	}
	if n == 0 {
		return nil, 0
	}
	return heads[:n], heads[n-1].next
}

// pipeCells reads up to limit cells, each of which may take several lines. all reports that no cell
// follows. If the first heading comes again, the next table begins there.
func pipeCells(lines []line, begin int, heading string, limit int) (cells []block, all bool) {
	var open []string // the lines of a cell that is not closed yet
	start := 0
	for k := begin; k < len(lines) && len(cells) < limit; k++ {
		text := strings.TrimSpace(lines[k].text)
		closes := closesCell(text)
		if closes && normal(strings.Trim(text, "| ")) == heading {
			return cells, true
		}
		if isRuler(text) && !emptyCell(text) || text == "" && len(open) == 0 {
			continue
		}
		if len(open) == 0 {
			start = lines[k].n
		}
		if open = append(open, strings.Trim(text, "|")); closes {
			cells = append(cells, block{start, plain(strings.Join(open, "\n")), k + 1})
			open = nil
		} else if len(open) > 20 {
			return cells, true
		}
	}
	return cells, len(cells) < limit
}
