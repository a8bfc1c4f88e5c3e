package vendorpage

import (
	"regexp"
	"slices"
	"strings"
)

var (
	drawn     = strings.NewReplacer("│", "|", "┃", "|", "║", "|", "\uff5c", "|", "─", "-", "━", "-", "═", "=", "┼", "+", "┌", "+", "┐", "+", "└", "+", "┘", "+", "├", "+", "┤", "+", "┬", "+", "┴", "+", "╪", "+", "╞", "+", "╡", "+", "╔", "+", "╗", "+", "╚", "+", "╝", "+", "╠", "+", "╣", "+", "╦", "+", "╩", "+", "╬", "+")
	ruler     = regexp.MustCompile(`^[\s|+:=-]*(?:--|==|-\s*\||\|\s*:?-)[\s|+:=-]*$`)
	pipeSplit = regexp.MustCompile(`\\?\|`)
)

// isRuler tells whether a line is a drawn border, such as Markdown's |---|---|.
func isRuler(s string) bool { return strings.ContainsAny(s, "|+") && ruler.MatchString(s) }

// splitPipes gives the cells of a line. open means that no pipe closes the last one.
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

// findPipeRows reads a row a line: Markdown, the tables that databases print, and grids with drawn borders.
// A row whose cells do not all fit in its line goes on in the next ones.
func findPipeRows(lines []line, at int) (*grid, int) {
	if !hasPipe(lines[at]) && !strings.HasPrefix(strings.TrimSpace(drawn.Replace(lines[at].text)), "+-") && !strings.HasPrefix(strings.TrimSpace(lines[at].text), "+=") {
		return nil, 0
	}
	g := &grid{line: lines[at].n}
	columns, borders, end := 0, 0, at
	var fresh []bool // whether a border stands above a row
	bordered := false
	framed := strings.HasPrefix(strings.TrimSpace(drawn.Replace(lines[at].text)), "|")
	for j := at; j < len(lines); j++ {
		text := drawn.Replace(lines[j].text)
		if isRuler(text) {
			if borders++; borders > 2*len(g.rows)+3 {
				break // lines drawn across the page
			}
			g.headed = g.headed || len(g.rows) == 1
			bordered, end = true, j+1
			continue
		}
		if lines[j].blank() {
			// One blank line may part rows; the next has to look like one.
			if j+1 < len(lines) && columns > 0 && hasPipe(lines[j+1]) {
				if cells, _ := splitPipes(drawn.Replace(lines[j+1].text)); len(cells) == columns {
					if k, ok := headings(cells); !ok || len(k) == 0 {
						continue
					}
				}
			}
			break
		}
		cells, open := splitPipes(text)
		if !hasPipe(lines[j]) {
			n := continued(lines, j, columns)
			if len(g.rows) == 0 || n == 0 {
				break
			}
			last := &g.rows[len(g.rows)-1]
			for ; n > 0; n-- {
				last.cells[len(last.cells)-1] += "\n" + strings.TrimSpace(lines[j].text)
				j++
			}
			j--
			end = j + 1
			continue
		}
		if columns == 0 {
			if len(cells) < 2 {
				return nil, 0
			}
			columns = len(cells)
		}
		if !framed && len(cells) < columns && strings.HasPrefix(strings.TrimSpace(text), "|") {
			cells = append([]string{""}, cells...) // the pipe parts an empty cell from the next
		}
		row := gridRow{line: lines[j].n, cells: cells}
		for open && len(row.cells) < columns && j+1 < len(lines) && !lines[j+1].blank() && len(row.cells) > 0 { // a cell of several lines
			more, stillOpen := splitPipes(drawn.Replace(lines[j+1].text))
			if len(row.cells)+len(more)-1 > columns || strings.HasPrefix(strings.TrimSpace(lines[j+1].text), "|") {
				break
			}
			row.cells[len(row.cells)-1] += "\n" + more[0]
			row.cells = append(row.cells, more[1:]...)
			open = stillOpen
			j++
		}
		g.rows, fresh = append(g.rows, row), append(fresh, bordered)
		bordered, end = false, j+1
	}
	if len(g.rows) < 2 {
		return nil, 0
	}
	if borders > 3 && borders*2 >= len(g.rows) { // borders between the rows: the lines between two are one row
		g.rows = mergeBordered(g.rows, fresh)
	}
	for _, r := range g.rows {
		for i, c := range r.cells {
			r.cells[i] = plain(c)
		}
	}
	return g, end
}

// continued counts the lines without pipes at j that belong to the row above, because a row with all its
// columns follows close behind.
func continued(lines []line, j, columns int) int {
	for n := 1; n <= 6 && j+n < len(lines); n++ {
		if lines[j+n-1].blank() {
			return 0
		}
		if hasPipe(lines[j+n]) {
			if cells, _ := splitPipes(drawn.Replace(lines[j+n].text)); len(cells) == columns {
				return n
			}
			return 0
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
			out = append(out, r) // no status takes two lines: a border is missing
			continue
		}
		for c, cell := range r.cells {
			if c < len(last.cells) {
				last.cells[c] = wrapCode(last.cells[c], cell)
			}
		}
	}
	return out
}

// wrapCode is wrap where a may be a code: one that was broken at a joint goes on, and else no blank belongs into it.
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

// findPipeCells reads a cell a line, each ending in a pipe, with or without a ruler below the headings.
func findPipeCells(lines []line, at int) (*grid, int) {
	closes := func(l line) bool {
		t := strings.TrimSpace(l.text)
		return strings.HasSuffix(t, "|") && !isRuler(t) && strings.Count(t, "|") == 1
	}
	if !closes(lines[at]) || kindOf(strings.Trim(lines[at].text, "| ")) == unknown {
		return nil, 0
	}
	var heads []block
	j, ruled := at, false
	for ; j < len(lines) && len(heads) < 12 && !ruled; j++ {
		switch {
		case lines[j].blank():
		case isRuler(strings.TrimSpace(lines[j].text)):
			ruled = true
		case closes(lines[j]):
			heads = append(heads, block{lines[j].n, plain(strings.Trim(lines[j].text, "| ")), j + 1})
		default:
			return nil, 0
		}
	}
	if !ruled { // the headings are those that the vocabulary knows
		n := 0
		for n < len(heads) && kindOf(heads[n].text) != unknown {
			n++
		}
		heads = heads[:n]
		if n > 0 {
			j = heads[n-1].next
		}
	}
	if len(heads) < 2 {
		return nil, 0
	}
	return growing(lines[at].n, heads, func(limit int) (cells []block, all bool) {
		var open []string // the lines of the cell that is not closed yet
		start := 0
		for k := j; k < len(lines) && len(cells) < limit; k++ {
			text := strings.TrimSpace(lines[k].text)
			if closes(lines[k]) && normal(strings.Trim(text, "| ")) == normal(heads[0].text) {
				return cells, true // repeated headings: the next table
			}
			if isRuler(text) || text == "" && len(open) == 0 {
				continue
			}
			if len(open) == 0 {
				start = lines[k].n
			}
			if open = append(open, strings.TrimSuffix(text, "|")); closes(lines[k]) {
				cells = append(cells, block{start, plain(strings.Join(open, "\n")), k + 1})
				open = nil
			} else if len(open) > 20 {
				return cells, true
			}
		}
		return cells, len(cells) < limit
	})
}
