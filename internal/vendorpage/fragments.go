package vendorpage

import (
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// findFragments reads a table with pipes that an extractor has broken into pieces of any size:
// lines that hold one cell, a pipe alone, or a whole row.
//
//	|
//	HTTP code |
//	ID |
//	|
//	401 |
//	2 |
//
// The pipes alone separate the cells. The known headings at the start give their number in a row.
func findFragments(lines []line, at int) (*grid, int) {
	first := strings.TrimSpace(lines[at].text)
	cell, _, _ := strings.Cut(strings.TrimLeft(first, "| "), "|")
	if at > 0 && framed(lines[at-1].text) || first != "|" && (kindOf(cell) == unknown || aboveFragments(lines, at)) || !pipeNear(lines, at) {
		return nil, 0
	}
	t := fragments{lines: lines, at: at}
	heads := t.heads()
	if len(heads) < 2 {
		return nil, 0
	}
	roles := assign(texts(heads), nil)
	if !slices.Contains(roles, RoleCode) {
		return nil, 0
	}
	g := &grid{line: heads[0].line, headed: true, rows: []gridRow{{line: heads[0].line, cells: texts(heads)}}}
	end := 0
	for {
		row, ok := t.row(len(heads), roles)
		if !ok {
			break
		}
		g.rows = append(g.rows, gridRow{line: row[0].line, cells: texts(row)})
		end = row[len(row)-1].next
	}
	if len(g.rows) < 2 {
		return nil, 0
	}
	return g, end
}

// aboveFragments reports whether a line without a pipe is the title of a table whose rows a pipe
// alone opens, and whose cells end in one.
func aboveFragments(lines []line, at int) bool {
	cell := strings.TrimSpace(peek(lines, at+2))
	return !hasPipe(lines[at]) && strings.TrimSpace(peek(lines, at+1)) == "|" && len(cell) > 1 && strings.HasSuffix(cell, "|")
}

// pipeNear reports whether a line or the next one that is not blank contains a pipe.
func pipeNear(lines []line, at int) bool {
	return hasPipe(lines[at]) || strings.TrimSpace(peek(lines, at+1)) == "|"
}

// fragments is a run of cells between pipes.
type fragments struct {
	lines []line
	at    int    // the line that the next cell begins in
	rest  string // of that line, if a pipe in it has been read
	used  bool   // rest counts, although it may be empty
}

// passed matches a text that AsciiDoc passes through as it stands.
var passed = regexp.MustCompile("`\\+([^`]*)\\+`")

// fragmentLines limits the lines of a cell.
const fragmentLines = 12

// next reads the cell before the next pipe. It returns false if no pipe follows soon.
func (f *fragments) next() (b block, ok bool) {
	var parts []string
	b.line = -1
	for i := f.at; i < len(f.lines) && i < f.at+fragmentLines; i++ {
		text := f.lines[i].text
		if i == f.at && f.used {
			text = f.rest
		}
		before, after, found := strings.Cut(text, "|")
		if before = strings.TrimSpace(before); before != "" {
			if b.line < 0 {
				b.line = f.lines[i].n
			}
			parts = append(parts, before)
		}
		if found {
			if f.at, f.rest, f.used = i, after, true; strings.TrimSpace(after) == "" {
				f.at, f.used = i+1, false
			}
			if b.line < 0 {
				b.line = f.lines[i].n
			}
			b.text, b.next = plain(passed.ReplaceAllString(strings.Join(parts, "\n"), "$1")), i+1
			return b, true
		}
	}
	return b, false
}

// heads reads the cells that are known headings.
func (f *fragments) heads() (heads []block) {
	for len(heads) < maxHeads {
		before := *f
		b, ok := f.next()
		switch {
		case !ok:
			*f = before
			return heads
		case b.text == "" && len(heads) == 0 || isRuler("|"+b.text+"|"): // a pipe opens the row, or a ruler follows
		case kindOf(b.text) == unknown || strings.Contains(b.text, "\n"):
			*f = before
			return heads
		default:
			heads = append(heads, b)
		}
	}
	return heads
}

// row reads the cells of a row, after a pipe that opens it or without one. It returns false if what
// follows is no row.
func (f *fragments) row(n int, roles []Role) (cells []block, ok bool) {
	code := slices.Index(roles, RoleCode)
	before := *f
	for range 4 * n {
		b, ok := f.next()
		if !ok {
			break
		}
		switch {
		case b.text == "" && len(cells) == 0, isRuler("|" + b.text + "|"):
			continue
		}
		if cells = append(cells, b); len(cells) == n && onlyDashes(cells) {
			cells = cells[:0]
		}
		if len(cells) == n {
			if !fits(roles, cells) && !titleRow(cells) || strings.Contains(cells[code].text, "\n") {
				break
			}
			return cells, true
		}
	}
	*f = before
	return nil, false
}

// onlyDashes reports whether a row only separates others.
func onlyDashes(cells []block) bool {
	return !slices.ContainsFunc(cells, func(b block) bool { return b.text == "" || strings.Trim(b.text, "-–—") != "" })
}

// titleRow reports whether only the first cell has a text.
func titleRow(cells []block) bool {
	return !slices.ContainsFunc(cells[1:], func(b block) bool { return b.text != "" })
}
