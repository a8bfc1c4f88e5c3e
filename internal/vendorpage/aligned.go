package vendorpage

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/width"
)

// findTabs reads rows of cells parted by tabs. A row whose cells hold line breaks goes on in the next lines.
func findTabs(lines []line, at int) (*grid, int) {
	if !strings.Contains(lines[at].text, "\t") {
		return nil, 0
	}
	head := splitTabs(lines[at].text)
	if _, ok := headings(head); !ok {
		return nil, 0
	}
	n := len(head)
	g := &grid{line: lines[at].n, rows: []gridRow{{line: lines[at].n, cells: head}}}
	end := at + 1
	for j := at + 1; j < len(lines); {
		// Up to seven lines without tabs may stand between rows: titles, or paragraphs of the cell above.
		next, blanks := j, 0
		for next < len(lines) && next < j+8 && !strings.Contains(lines[next].text, "\t") {
			if lines[next].blank() {
				blanks++
			}
			next++
		}
		if next >= len(lines) || next == j+8 || blanks > 2 || otherTable(head, splitTabs(lines[next].text), blanks > 0) {
			break
		}
		between := true // whether no blank line has come yet
		for ; j < next; j++ {
			text := strings.TrimSpace(lines[j].text)
			if text == "" {
				between = false
				continue
			}
			if last := &g.rows[len(g.rows)-1]; between && len(g.rows) > 1 && goesOnBelow(last.cells, n, text) {
				last.cells[n-1] += "\n" + text
				continue
			}
			g.rows = append(g.rows, gridRow{line: lines[j].n, cells: []string{text}})
		}
		row := gridRow{line: lines[j].n, cells: splitTabs(lines[j].text)}
		j++
		for len(row.cells) < n && j < len(lines) && len(row.cells) > 1 { // a cell with line breaks
			more := splitTabs(lines[j].text)
			if len(row.cells)+len(more)-1 > n || len(more) > 1 && startsRow(more) || lines[j].blank() || len(more) == 1 && !bridge(lines, j, n-len(row.cells)+1) {
				break
			}
			row.cells[len(row.cells)-1] += "\n" + more[0]
			row.cells = append(row.cells, more[1:]...)
			j++
		}
		g.rows = append(g.rows, row)
		end = j
	}
	if len(g.rows) < 2 {
		return nil, 0
	}
	if end < len(lines) && goesOnBelow(g.rows[len(g.rows)-1].cells, n, strings.TrimSpace(lines[end].text)) {
		g.notes = append(g.notes, "line "+strconv.Itoa(lines[end].n)+" is taken as text after the table: "+clip(lines[end].text))
	}
	for _, r := range g.rows {
		for i := range r.cells {
			r.cells[i] = tidy(r.cells[i])
		}
	}
	return g, end
}

// otherTable tells whether cells are of another table than the one with the headings: they are other headings; or,
// apart from the rows above, they are fewer or more and a text stands where a status or a code has to.
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

// goesOnBelow tells whether a line right below a row is a further paragraph of its last cell, and no title.
func goesOnBelow(cells []string, n int, text string) bool {
	return len(cells) == n && cells[n-1] != "" && text != "" && !junk(text) && (endsSentence(text) || numbered(text) > 0 || strings.HasPrefix(text, "-"))
}

func splitTabs(s string) []string {
	cells := strings.Split(strings.TrimLeft(s, " "), "\t")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// startsRow tells whether cells look like the beginning of a row: a status or a code comes first.
func startsRow(cells []string) bool {
	return isStatus(cells[0]) || codeStrength(cells[0]) >= number
}

// bridge tells whether the line that follows text without tabs completes the row.
func bridge(lines []line, j, missing int) bool {
	for k := j; k < len(lines) && k < j+6 && !lines[k].blank(); k++ {
		if cells := splitTabs(lines[k].text); len(cells) > 1 {
			return len(cells) <= missing && !startsRow(cells)
		}
	}
	return false
}

// head is a heading in a line of them, with the place on the screen where it begins.
type head struct {
	text string
	at   int
}

var gap = regexp.MustCompile(`\s{2,}`)

// gapped cuts a line of headings at gaps of two spaces and more.
func gapped(s string) (heads []head) {
	at := 0
	for _, m := range append(gap.FindAllStringIndex(s, -1), []int{len(s), len(s)}) {
		if text := s[at:m[0]]; strings.TrimSpace(text) != "" {
			heads = append(heads, head{strings.TrimSpace(text), screen(s[:at])})
		}
		at = m[1]
	}
	return heads
}

// screen is the width of a text on a screen, where Chinese characters take two columns.
func screen(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r < 0x1100 {
		return 1
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// slice cuts a line at columns of the screen. ok is false where a cut would go through a word.
func slice(s string, heads []head) (cells []string, ok bool) {
	cells = make([]string, len(heads))
	at, col, before := 0, 0, ' '
	var cell strings.Builder
	for _, r := range s {
		if at+1 < len(heads) && col >= heads[at+1].at {
			if before != ' ' && r != ' ' {
				return nil, false
			}
			cells[at] = strings.TrimSpace(cell.String())
			cell.Reset()
			at++
		}
		cell.WriteRune(r)
		col += runeWidth(r)
		before = r
	}
	cells[at] = strings.TrimSpace(cell.String())
	return cells, true
}

var dashes = regexp.MustCompile(`^[\s=\-_─━~]*(?:===|---|___|───|━━━)[\s=\-_─━~]*$`)

// findAligned reads cells that stand below their headings. A line whose code column is empty goes on with
// the cells of the line above.
func findAligned(lines []line, at int) (*grid, int) {
	text := lines[at].text
	if !strings.Contains(text, "  ") || len(text) > 300 || strings.ContainsAny(text, "\t|") {
		return nil, 0
	}
	heads := gapped(text)
	if len(heads) < 2 || len(heads) > maxHeads {
		return nil, 0
	}
	names := make([]string, len(heads))
	for i, h := range heads {
		names[i] = h.text
	}
	if _, ok := headings(names); !ok {
		return nil, 0
	}
	roles := assign(names, nil)
	key := 0 // a row begins where its first or its code column is filled
	for i, r := range roles {
		if r == RoleCode {
			key = i
		}
	}
	g := &grid{line: lines[at].n, rows: []gridRow{{line: lines[at].n, cells: names}}}
	end, blanks := at+1, 0
	for j := at + 1; j < len(lines); j++ {
		l := lines[j].text
		if dashes.MatchString(l) {
			end = j + 1
			continue
		}
		if strings.TrimSpace(l) == "" {
			if blanks++; blanks > 1 && len(g.rows) > 1 {
				break
			}
			continue
		}
		cells, ok := slice(l, heads)
		if !ok {
			break
		}
		for i := range cells {
			cells[i] = strings.Join(strings.Fields(cells[i]), " ")
		}
		if alone := strings.Join(cells, "") == cells[key]; alone && blanks > 0 && codeStrength(cells[key]) == word && len(g.rows) > 1 {
			break // a title such as "References"
		}
		switch begins := cells[key] != "" && codeStrength(codePart(cells[key])) > noCode || others(cells[key]); {
		case begins:
			g.rows = append(g.rows, gridRow{line: lines[j].n, cells: cells})
		case cells[key] == "" && len(g.rows) > 1 && blanks == 0 && len(g.rows[len(g.rows)-1].cells) == len(heads): // and not below a title
			last := &g.rows[len(g.rows)-1]
			for i, c := range cells {
				last.cells[i] = wrap(last.cells[i], c)
			}
		case blanks > 0 || len(g.rows) == 1:
			return alignedGrid(g, end)
		default:
			g.rows = append(g.rows, gridRow{line: lines[j].n, cells: []string{strings.TrimSpace(l)}}) // a title between rows
		}
		end, blanks = j+1, 0
	}
	return alignedGrid(g, end)
}

func alignedGrid(g *grid, end int) (*grid, int) {
	if len(g.rows) < 2 {
		return nil, 0
	}
	return g, end
}
