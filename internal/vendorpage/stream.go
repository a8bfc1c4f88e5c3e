package vendorpage

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// block is a cell of a table whose cells are one below the other: a paragraph or a line.
type block struct {
	line int
	text string
	next int // the index of the line after it
}

// blocks splits lines into at most limit cells: lines if byLine is set, otherwise paragraphs.
func blocks(lines []line, at int, byLine bool, limit int) (all []block) {
	all = make([]block, 0, min(limit, len(lines)-at, 64))
	for i := at; i < len(lines) && len(all) < limit; {
		if lines[i].blank() {
			i++
			continue
		}
		b := block{line: lines[i].n, text: tidy(lines[i].text)}
		for i++; !byLine && i < len(lines) && !lines[i].blank(); i++ {
			b.text += "\n" + tidy(lines[i].text)
		}
		b.next = i
		all = append(all, b)
	}
	return all
}

const (
	maxHeads  = 10 // limits the columns of a table in these layouts
	maxTitles = 3  // limits the titles above the headings that may look like headings
)

// findStream reads one cell per paragraph or per line. The table begins with at least two headings,
// one of which names the code.
func findStream(lines []line, at int) (*grid, int) {
	memo := lines[at].memo
	if len(lines[at].text) > 60 || !memo.column(lines[at].text).listed && !memo.column(peek(lines, at+1)).listed {
		return nil, 0
	}
	byLine := at+1 < len(lines) && !lines[at+1].blank()
	first := memo.blocks(lines, at, byLine, 4*maxHeads+maxTitles)
	if len(first) < 2 || memo.column(first[0].text).kind == unknown && memo.column(first[1].text).kind == unknown {
		return nil, 0
	}
	cols := make([]column, 0, 2*maxHeads+maxTitles) // the blocks that may be headings or cells of the first row, taken as headings
	for _, b := range first[:min(len(first), 2*maxHeads+maxTitles)] {
		cols = append(cols, memo.column(b.text))
	}
	columns, points := headCount(first, cols)
	if columns == 0 {
		return nil, 0
	}
	sure := namesCode(first[:columns]) && begins(first, columns)
	for skip := 1; skip <= maxTitles && skip < len(first); skip++ {
		// A title such as "Error codes" above the headings is not a heading. But headings with a
		// row below them are no title: skipping the one that names the code would take the status
		// for the code.
		if n, better := headCount(first[skip:], cols[skip:]); better > points && !(sure && !namesCode(first[skip:skip+n])) {
			return nil, 0
		}
	}
	begin := first[columns-1].next
	return growing(lines[at].n, first[:columns], func(limit int) (cells []block, all bool) {
		cells = memo.blocks(lines, begin, byLine, limit)
		if len(cells) == 0 {
			return nil, true
		}
		end := cells[len(cells)-1].next
		all = len(cells) < limit
		if stop := streamEnd(lines[:end], begin, normal(first[0].text), normal(first[1].text)); stop < end {
			n := 0
			for n < len(cells) && cells[n].next <= stop {
				n++
			}
			cells, all = cells[:n], true
		}
		return cells, all
	})
}

// namesCode reports whether one of the headings names the codes.
func namesCode(heads []block) bool {
	return slices.ContainsFunc(heads, func(b block) bool { return kindOf(b.text) == ofCode })
}

// begins reports whether the first n blocks are headings followed by a row and not by more
// headings.
func begins(bs []block, n int) bool {
	if 2*n > len(bs) {
		return false
	}
	row := bs[n : 2*n]
	return fits(assign(texts(bs[:n]), nil), row) && !slices.ContainsFunc(row, func(b block) bool { return vocabulary[normal(b.text)] != unknown })
}

// data reports whether a text of unknown kind looks like a cell of a row and therefore is not a
// heading.
func data(s string) bool {
	return codeStrength(s) >= number || isStatus(s) || endsSentence(s) || len(strings.Fields(s)) > 5
}

// headCount returns how many of the blocks are headings, or 0, and how well they fit. Headings that
// the vocabulary lacks may be among those that it has, so the number of columns shows in the rows,
// whose codes come at equal distances. Each number is tried, and the one with the most points wins.
// cols are the blocks taken as headings.
func headCount(bs []block, cols []column) (columns int, best float64) {
	known := 0
	for known < len(bs) && known < maxHeads && cols[known].kind != unknown {
		known++
	}
	if known == maxHeads { // a list of such words
		return 0, 0
	}
	if known == 0 && (len(bs) < 2 || cols[1].kind == unknown) {
		return 0, 0
	}
	for n := 2; n <= min(len(bs)-1, known+4, maxHeads) && !(cols[n-1].kind == unknown && data(bs[n-1].text)); n++ {
		kinds := kinds(cols[:n])
		if keys(kinds) > 4 {
			break // no table has that many codes in a row
		}
		heads := texts(bs[:n])
		if slices.ContainsFunc(heads, noHeading) || !headRow(heads, kinds) || fieldTable(kinds) {
			continue
		}
		g, ok := newHeadGuess(cols[:n])
		if !ok {
			continue
		}
		if points := g.headPoints() + g.rowPoints(bs, cols, n == known); points > best {
			best, columns = points, n
		}
	}
	return columns, best
}

// keys counts the headings that announce codes or statuses.
func keys(kinds []kind) (n int) {
	for _, k := range kinds {
		if k == ofCode || k == ofStatus {
			n++
		}
	}
	return n
}

// headGuess is a number of blocks that may be the headings of a table.
type headGuess struct {
	heads []column
	roles []Role
	code  int
}

// newHeadGuess returns false if the blocks cannot be headings. The vocabulary must have the heading
// of the codes and one other that is not just a second code or status.
func newHeadGuess(heads []column) (g headGuess, ok bool) {
	g = headGuess{heads: heads}
	g.roles, _ = assignColumns(heads, true)
	g.code = slices.Index(g.roles, RoleCode)
	if g.code < 0 || !heads[g.code].listed {
		return g, false
	}
	distinct := 0
	for i, h := range heads {
		if h.listed && !g.again(i) {
			distinct++
		}
	}
	return g, distinct >= 2
}

// again reports whether an earlier heading announces the same code or status.
func (g headGuess) again(i int) bool {
	k := g.heads[i].kind
	return (k == ofCode || k == ofStatus) && slices.Contains(kinds(g.heads[:i]), k)
}

// headPoints rates the headings: the vocabulary should have them, and each key should occur once.
func (g headGuess) headPoints() (points float64) {
	for i, h := range g.heads {
		switch {
		case h.kind == unknown:
			points--
		case g.again(i):
			points -= 2
		case h.listed:
			points++
		}
	}
	return points
}

// rowPoints rates the first rows below the headings: the code and the status should be where they
// belong, and neither a code nor a heading should be among the texts. exactly reports that the
// guess takes just the known headings.
func (g headGuess) rowPoints(bs []block, cols []column, exactly bool) (points float64) {
	n := len(g.heads)
	for row := 1; row <= 3 && row*n+n <= len(bs); row++ {
		cells := bs[row*n : row*n+n]
		if !fits(g.roles, cells) {
			if row == 1 && len(bs) > n+1 && !exactly {
				points -= 4
			}
			break
		}
		points += 3
		for i, cell := range cells {
			if i != g.code && g.misplaced(i, cell.text, cells[g.code].text) {
				points -= 4
			}
			if row == 1 && len(cell.text) > 3 && cols[n+i].listed && !isStatus(cell.text) {
				points -= 6 // a heading is left over
			}
		}
	}
	return points
}

// misplaced reports whether a cell next to a row's code shows that the rows are cut wrongly: it is
// a code too, or it is prose in a column of codes.
func (g headGuess) misplaced(i int, text, code string) bool {
	return g.roles[i] != RoleStatus && codeStrength(text) >= number && shape(text) == shape(code) || g.heads[i].kind == ofCode && prose(text)
}

// growing makes a grid of cells, reading more and more of them while the table continues. Most
// tables are short, and reading to the end of the page for each would take quadratic time.
func growing(at int, heads []block, read func(limit int) (cells []block, all bool)) (*grid, int) {
	for limit := 400; ; limit *= 4 {
		cells, all := read(limit)
		g, next := streamGrid(at, heads, cells)
		if g == nil || all || next < cells[max(0, len(cells)-3*maxCells)].next {
			return g, next
		}
	}
}

func peek(lines []line, at int) string {
	for ; at < len(lines); at++ {
		if !lines[at].blank() {
			return lines[at].text
		}
	}
	return ""
}

func texts(bs []block) (all []string) {
	for _, b := range bs {
		all = append(all, b.text)
	}
	return all
}

// streamEnd returns where a table ends at the latest: where its headings come again, or other
// headings do.
func streamEnd(lines []line, at int, head0, head1 string) int {
	run, start := 0, 0
	for i := at; i < len(lines); i++ {
		if lines[i].blank() {
			continue
		}
		text := strings.TrimSpace(lines[i].text)
		k := unknown
		if len(text) <= 60 {
			k = lines[i].memo.column(text).kind
		}
		if k == unknown || nothing(text) {
			run = 0
			continue
		}
		if run == 0 {
			start = i
		}
		run++
		n := normal(text)
		if run == 2 && n == head1 && normal(lines[start].text) == head0 || run == 3 && slices.Contains([]kind{ofCode, ofStatus, ofName}, kindOf(lines[start].text)) {
			return start
		}
	}
	return len(lines)
}

// fits reports whether n cells are a row: a code and a status are where they belong.
func fits(roles []Role, cells []block) bool {
	for i, r := range roles {
		switch r {
		case RoleCode:
			if codeStrength(cells[i].text) == noCode && !isStatus(cells[i].text) {
				return false
			}
		case RoleStatus:
			if _, _, ok := status(cells[i].text); !ok && !nothing(cells[i].text) {
				return false
			}
		}
	}
	return true
}

// maxCells limits the paragraphs of one row.
const maxCells = 40

// streamGrid splits cells that are one below the other into rows. If each row has all its cells,
// counting is enough. If rows have more cells (of several paragraphs) or fewer (a status that spans
// rows, a missing remedy), the codes show where rows begin, and deal decides which cell is which.
func streamGrid(at int, heads, cells []block) (*grid, int) {
	t := newStream(heads, cells)
	if t.c < 0 || t.c < len(cells) && typeOfValues.MatchString(cells[t.c].text) && codeStrength(cells[t.c].text) == word {
		return nil, 0 // the second: a list of fields, each with its type
	}
	g := &grid{line: at, rows: []gridRow{{line: at, cells: texts(heads)}}}
	var shared []string   // the lines of rows whose paragraphs had to be assigned by their look
	end, last := 0, false // the end of the last row, and whether no other follows
	for p := 0; p+t.c < len(cells) && !junk(cells[p].text); {
		first := len(g.rows) == 1
		code, ok := t.codeOf(p, first)
		if !ok {
			next, ok := t.resume(p)
			if first || !ok {
				break
			}
			for _, between := range cells[p:next] {
				g.rows = append(g.rows, gridRow{line: between.line, cells: section(between.text, t.n)})
			}
			p = next
			continue
		}
		if !statusClass.MatchString(cells[code].text) {
			t.learn(cells[code].text)
		}
		end, last = t.rowEnd(p, code)
		row, ok := deal(t.roles, cells[p:end])
		r := gridRow{line: cells[p].line, cells: row}
		switch {
		case !ok:
			r.lost = "its paragraphs do not fit the columns"
		case end-p > t.n && t.textColumns() > 1:
			shared = append(shared, strconv.Itoa(r.line))
		}
		g.rows = append(g.rows, r)
		p = end
	}
	if len(g.rows) == 1 {
		return nil, 0
	}
	if len(shared) > 0 {
		g.notes = append(g.notes, "more paragraphs than columns, assigned to columns by their look, in the rows at lines "+strings.Join(shared, ", "))
	}
	if last && end < len(cells) && prose(cells[end].text) && !junk(cells[end].text) {
		g.notes = append(g.notes, "line "+strconv.Itoa(cells[end].line)+" is taken as text after the table: "+clip(cells[end].text))
	}
	return g, cells[end-1].next
}

// stream is a table whose cells are one below the other and that is being split into rows.
type stream struct {
	cells []block
	roles []Role
	n     int // columns
	c, s  int // the columns of the code and of the status, -1 if none
	even  int // up to here each row has all its cells, so counting is enough

	// Where the status is: right before the code, right after it, or after it at the end of the
	// row.
	before, after, ends bool

	// What the codes so far look like.
	shapes, styles map[string]bool
	seen           strength
	phrased        bool // statuses with their phrases: 404 Not Found
}

// firstRoles returns the roles of columns by their headings. If the codes seem to be statuses, the
// cells of the first rows decide whether the codes are in another column.
func firstRoles(heads []string, cells []block) []Role {
	const rows = 2
	roles, n := assign(heads, nil), len(heads)
	code := slices.Index(roles, RoleCode)
	if code < 0 || slices.Contains(roles, RoleStatus) || len(cells) < rows*n {
		return roles
	}
	cols := make([][]string, n)
	for i, c := range cells[:rows*n] {
		cols[i%n] = append(cols[i%n], c.text)
	}
	if slices.ContainsFunc(cols[code], func(s string) bool { return !isStatus(s) }) {
		return roles
	}
	if seen := assign(heads, cols); slices.Contains(seen, RoleCode) && slices.Contains(seen, RoleStatus) {
		return seen
	}
	return roles
}

func newStream(heads, cells []block) *stream {
	t := &stream{cells: cells, roles: firstRoles(texts(heads), cells), n: len(heads), shapes: map[string]bool{}, styles: map[string]bool{}}
	t.c, t.s = slices.Index(t.roles, RoleCode), slices.Index(t.roles, RoleStatus)
	t.before, t.after, t.ends = t.s >= 0 && t.s == t.c-1, t.s >= 0 && t.s == t.c+1, t.s > t.c && t.s == t.n-1
	if t.c >= 0 {
		t.even = strideEnd(t.roles, cells)
	}
	return t
}

// codeOf finds the code of the row that begins at p. If the row shares the status of the row above,
// its code comes one cell earlier. ok is false if no row begins there.
func (t *stream) codeOf(p int, first bool) (code int, ok bool) {
	code = p + t.c
	spans := t.s >= 0 && t.s < t.c && !isStatus(t.cells[p+t.s].text) && !nothing(t.cells[p+t.s].text)
	if spans {
		code--
	}
	return code, p < t.even || first && (codeStrength(t.cells[code].text) > noCode || isStatus(t.cells[code].text)) || t.atPlace(code) || spans && t.lone(code)
}

func (t *stream) textColumns() (n int) {
	for _, r := range t.roles {
		if r != RoleCode && r != RoleStatus {
			n++
		}
	}
	return n
}

// learn remembers what a code looks like.
func (t *stream) learn(code string) {
	if st := codeStrength(code); st > noCode {
		t.shapes[shape(code)], t.styles[style(code)] = true, true
		t.seen = max(t.seen, st)
	} else if isStatus(code) {
		t.phrased = true
	}
}

func (t *stream) statusAt(i int) bool { return i >= 0 && i < len(t.cells) && isStatus(t.cells[i].text) }

// isCode reports whether a cell can be the code that begins a row. A status next to it, where one
// belongs, proves it; otherwise the cell has to look like the codes before it.
func (t *stream) isCode(i int) bool {
	if i < 0 || i >= len(t.cells) {
		return false
	}
	text := t.cells[i].text
	switch {
	case others(text):
		return t.before && t.statusAt(i-1)
	case statusClass.MatchString(text):
		return false
	case len(t.shapes) == 0 && t.c == 0 && t.s < 0 && codeStrength(text) >= number:
		return true // no code has come yet, just a class of statuses
	case codeStrength(text) == noCode:
		return t.phrased && isStatus(text)
	}
	if is, known := t.codeByStatus(i); known {
		return is
	}
	return t.alike(text)
}

// codeByStatus decides by the statuses around a cell whether the cell is a code. known is false if
// they do not tell.
func (t *stream) codeByStatus(i int) (is, known bool) {
	switch {
	case t.before && t.statusAt(i-1):
		return true, true
	case t.before && t.statusAt(i) && i+1 < len(t.cells) && codeStrength(t.cells[i+1].text) >= number:
		return false, true // it is the status before a code
	case t.ends && i > t.c && t.statusAt(i-t.c-1): // the row above ends here
		return true, true
	case t.ends && t.statusAt(i):
		return false, true
	case t.after && t.statusAt(i+1):
		return true, true
	}
	return false, false
}

// alike reports whether a text looks like the codes before it. A mnemonic does unless those are
// numbers.
func (t *stream) alike(text string) bool {
	alike := t.shapes[shape(text)]
	switch codeStrength(text) {
	case mnemonic:
		return alike || t.seen != number && !t.before && !hex.MatchString(text)
	case number:
		return alike
	}
	return alike && t.seen == word
}

// lone reports whether a cell is a single word, written like the codes before it and followed by a
// text. In a table of codes such as AccessDenied, that is the code Blocked.
func (t *stream) lone(i int) bool {
	return i >= t.c && i+t.n-t.c <= len(t.cells) && codeStrength(t.cells[i].text) == word && !junk(t.cells[i].text) && kindOf(t.cells[i].text) == unknown &&
		t.styles[style(t.cells[i].text)] && i+1 < len(t.cells) && (prose(t.cells[i+1].text) || t.statusAt(i+1))
}

// atPlace is isCode for a cell exactly where the next code has to be. There a plain word is a code
// too.
func (t *stream) atPlace(i int) bool {
	return t.isCode(i) || t.lone(i) && (t.s < 0 || t.statusAt(i-t.c+t.s))
}

// opens is isCode for a cell after the given code. A word has to come right after a complete row,
// or later if the cell before it ends like a text.
func (t *stream) opens(code, i int) bool {
	whole := t.n // cells of a row; without the status, where that spans rows
	if t.s >= 0 {
		whole = t.n - t.c
	}
	return t.isCode(i) || (t.s < 0 || t.s == t.c-1) && t.lone(i) && (i-code == whole || i-code > whole && endsSentence(t.cells[i-1].text))
}

// resume looks a little further for the next row when there is no code where one belongs. What is
// in between belongs to no row.
func (t *stream) resume(p int) (next int, ok bool) {
	for next = p + 1; next+t.n <= len(t.cells) && next < p+2*t.n; next++ {
		if t.isCode(next+t.c) && fits(t.roles, t.cells[next:next+t.n]) {
			return next, true
		}
	}
	return 0, false
}

// rowEnd returns where the row that begins at p ends, which is where the next one begins. last
// reports that no row follows. Counting comes first, because a row of words may contain what looks
// like a code.
func (t *stream) rowEnd(p, code int) (end int, last bool) {
	whole := code == p+t.c
	switch end = p + t.n; {
	case p < t.even:
		return end, end >= len(t.cells)
	case whole && end+t.c < len(t.cells) && t.atPlace(end+t.c) && (t.s < 0 || t.s > t.c || t.statusAt(end+t.s)) && fits(t.roles, t.cells[p:end]):
		return end, false
	}
	if next, ok := t.nextRow(code); ok {
		return next, false
	}
	if !whole {
		end-- // without the status
	}
	for i := code + 1; t.s > t.c && i < len(t.cells) && i < code+maxDeal && !junk(t.cells[i].text); i++ {
		if t.statusAt(i) { // it belongs to the row, however many paragraphs precede it
			end = max(end, i+t.n-t.s)
			break
		}
	}
	end = cutJunk(t.cells, code, min(end, len(t.cells)))
	for end < len(t.cells) && numbered(t.cells[end].text) > 1 && end-p < maxCells { // 2., 3. … of a numbered list that began above
		end++
	}
	return end, true
}

// nextRow looks for the row after the one with the given code.
func (t *stream) nextRow(code int) (start int, ok bool) {
	for i := code + 1; i < len(t.cells) && i < code+maxCells; i++ {
		if t.s > t.c && i == code+t.s-t.c && t.statusAt(i) || !t.opens(code, i) {
			continue
		}
		start = i - t.c
		if t.s >= 0 && t.s < t.c && !t.statusAt(start+t.s) {
			start++
		}
		if start > code {
			return start, true
		}
	}
	return 0, false
}

// strideEnd returns where the cells end if every n of them are a row, up to the end of the cells or
// to what follows the tables of a page. It returns 0 if they are not.
func strideEnd(roles []Role, cells []block) int {
	n, p := len(roles), 0
	code := slices.Index(roles, RoleCode)
	for p+n <= len(cells) && fits(roles, cells[p:p+n]) && !junk(cells[p].text) && style(cells[p+code].text) == style(cells[code].text) {
		p += n
	}
	if p >= 2*n && (p == len(cells) || junk(cells[p].text)) {
		return p
	}
	return 0
}

// style returns how a code is written: in capitals, with one capital first, without capitals, or
// without letters.
func style(s string) string {
	switch {
	case !strings.ContainsFunc(s, unicode.IsLetter):
		return "9"
	case s == strings.ToUpper(s):
		return "A"
	case isUpper(s):
		return "Aa"
	}
	return "a"
}

func isUpper(s string) bool { return s[0] >= 'A' && s[0] <= 'Z' }

func isStatus(s string) bool {
	_, _, ok := status(s)
	return ok
}

// section returns a row that holds only a title.
func section(text string, n int) []string {
	row := make([]string, n)
	row[0] = text
	return row
}

// cutJunk returns where the last row ends if other text of the page follows it.
func cutJunk(cells []block, code, end int) int {
	for i := code + 1; i < end; i++ {
		if junk(cells[i].text) && !grades[strings.ToLower(cells[i].text)] || strings.HasPrefix(cells[i].text, "#") {
			return i
		}
	}
	return end
}
