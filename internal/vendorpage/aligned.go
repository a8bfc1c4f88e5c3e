package vendorpage

import (
	"slices"
	"strings"

	"golang.org/x/text/width"

	regexp "errata/internal/lazyregexp"
)

// head is one heading of a line of headings, with the screen column where it starts.
type head struct {
	text string
	at   int
}

var gap = regexp.MustCompile(`\s{2,}`)

// gapped splits a line of headings at gaps of two or more spaces.
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

// screen returns the width of a text on a screen, where a Chinese character takes two columns.
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

// slice cuts a line at screen columns. ok is false if a cut would go through a word.
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

// findAligned reads cells that are aligned with their headings. A line whose code column is empty
// continues the cells of the line above.
func findAligned(lines []line, at int) (*grid, int) {
	t, ok := newAlignedReader(lines[at])
	if !ok {
		return nil, 0
	}
	end := at + 1
	for j := at + 1; j < len(lines); j++ {
		if dashes.MatchString(lines[j].text) {
			end = j + 1
			continue
		}
		if lines[j].blank() {
			if t.blanks++; t.blanks > 1 && len(t.rows) > 1 {
				break
			}
			continue
		}
		if t.blanks > 0 && t.another(lines[j]) || !t.add(lines[j]) {
			break
		}
		end = j + 1
	}
	if len(t.rows) < 2 {
		return nil, 0
	}
	return &t.grid, end
}

// another reports whether a line holds the headings of another table.
func (t *alignedReader) another(l line) bool {
	next, ok := newAlignedReader(l)
	if !ok {
		return false
	}
	heads, cells := t.rows[0].cells, next.rows[0].cells
	return !sameHeadings(heads, cells) && !describesField(heads, cells)
}

// alignedReader reads a table of aligned columns.
type alignedReader struct {
	grid
	heads  []head
	key    int // a row begins where this column is filled: the column of the code, or the first
	blanks int // blank lines right above
}

// newAlignedReader starts a table if the line is a row of headings with gaps between them.
func newAlignedReader(l line) (t alignedReader, ok bool) {
	if !strings.Contains(l.text, "  ") || len(l.text) > 300 || strings.ContainsAny(l.text, "\t|") {
		return t, false
	}
	t.heads = gapped(l.text)
	if len(t.heads) < 2 || len(t.heads) > maxHeads {
		return t, false
	}
	names := make([]string, len(t.heads))
	for i, h := range t.heads {
		names[i] = h.text
	}
	if _, ok := headings(names); !ok {
		return t, false
	}
	t.key = max(0, slices.Index(assign(names, nil), RoleCode))
	t.grid = grid{line: l.n, rows: []gridRow{{line: l.n, cells: names}}}
	return t, true
}

// add reads a line as a row, as the continuation of the row above, or as a title between rows. It
// returns false if the table ended before this line.
func (t *alignedReader) add(l line) bool {
	cells, ok := slice(l.text, t.heads)
	if !ok {
		return false
	}
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	first, key := len(t.rows) == 1, cells[t.key]
	if alone := strings.Join(cells, "") == key; alone && t.blanks > 0 && codeStrength(key) == word && !first {
		return false // a title such as "References"
	}
	last := &t.rows[len(t.rows)-1]
	switch {
	case !first && t.blanks == 0 && len(last.cells) == len(t.heads) && key != "" && brokenCode(last.cells[t.key]):
		for i, c := range cells {
			last.cells[i] = wrapCode(last.cells[i], c)
		}
	case key != "" && codeStrength(codePart(key)) > noCode || others(key):
		t.rows = append(t.rows, gridRow{line: l.n, cells: cells})
	case key == "" && !first && t.blanks == 0 && len(last.cells) == len(t.heads): // not below a title
		for i, c := range cells {
			last.cells[i] = wrap(last.cells[i], c)
		}
	case t.blanks > 0 || first:
		return false
	default:
		t.rows = append(t.rows, gridRow{line: l.n, cells: []string{strings.TrimSpace(l.text)}}) // a title between rows
	}
	t.blanks = 0
	return true
}

// brokenCode reports whether a code was broken at a separator to fit its column.
func brokenCode(s string) bool {
	return s != "" && strings.ContainsAny(s[len(s)-1:], "_.-/") && codeStrength(s[:len(s)-1]) == mnemonic
}

// findGapped reads rows whose cells are separated by gaps of spaces without being aligned with
// their headings. Each row has to have all its cells and begin with its code.
func findGapped(lines []line, at int) (*grid, int) {
	t, ok := newAlignedReader(lines[at])
	if !ok || t.key != 0 {
		return nil, 0
	}
	end := at + 1
	for j := at + 1; j < len(lines) && j <= end+1; j++ {
		heads := gapped(lines[j].text)
		if len(heads) != len(t.heads) || codeStrength(codePart(heads[0].text)) < number {
			if !lines[j].blank() {
				break
			}
			continue
		}
		cells := make([]string, len(heads))
		for i, h := range heads {
			cells[i] = plain(h.text)
		}
		t.rows = append(t.rows, gridRow{line: lines[j].n, cells: cells})
		end = j + 1
	}
	if len(t.rows) < 3 {
		return nil, 0
	}
	return &t.grid, end
}
