package vendorpage

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// block is a cell of a table whose cells stand one below the other: a paragraph or a line.
type block struct {
	line int
	text string
	next int // the index of the line behind it
}

// blocks cuts lines into cells, up to limit of them. Where byLine is set a line is a cell, else a paragraph.
func blocks(lines []line, at int, byLine bool, limit int) (all []block) {
	for i := at; i < len(lines) && len(all) < limit; {
		if lines[i].blank() {
			i++
			continue
		}
		b := block{line: lines[i].n}
		var text []string
		for i < len(lines) && !lines[i].blank() {
			text = append(text, strings.TrimSpace(lines[i].text))
			i++
			if byLine {
				break
			}
		}
		b.text, b.next = tidy(strings.Join(text, "\n")), i
		all = append(all, b)
	}
	return all
}

// maxHeads bounds how many columns a table can have in these layouts.
const maxHeads = 10

// findStream reads a cell a paragraph, or a cell a line. It begins with at least two headings, one of which names the code.
func findStream(lines []line, at int) (*grid, int) {
	if len(lines[at].text) > 60 || vocabulary[normal(lines[at].text)] == unknown && vocabulary[normal(peek(lines, at+1))] == unknown {
		return nil, 0
	}
	byLine := at+1 < len(lines) && !lines[at+1].blank()
	first := blocks(lines, at, byLine, 4*maxHeads+3)
	columns, points := headCount(first)
	if columns == 0 {
		return nil, 0
	}
	sure := namesCode(first[:columns]) && begins(first, columns)
	for skip := 1; skip <= 3 && skip < len(first); skip++ {
		// A title such as "Error codes" above the headings is none of them. But headings below which a row
		// begins are no title: to pass over the one that names the code would take the status for the code.
		if n, better := headCount(first[skip:]); better > points && !(sure && !namesCode(first[skip:skip+n])) {
			return nil, 0
		}
	}
	begin := first[columns-1].next
	return growing(lines[at].n, first[:columns], func(limit int) (cells []block, all bool) {
		cells = blocks(lines, begin, byLine, limit)
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

// namesCode tells whether one of the headings says that its column is of codes.
func namesCode(heads []block) bool {
	return slices.ContainsFunc(heads, func(b block) bool { return kindOf(b.text) == ofCode })
}

// begins tells whether the first n blocks are headings with a row below them, and not with further headings.
func begins(bs []block, n int) bool {
	if 2*n > len(bs) {
		return false
	}
	row := bs[n : 2*n]
	return fits(assign(texts(bs[:n]), nil), row) && !slices.ContainsFunc(row, func(b block) bool { return vocabulary[normal(b.text)] != unknown })
}

// data tells whether a text looks like a cell of a row and therefore is no heading.
func data(s string) bool {
	return kindOf(s) == unknown && (codeStrength(s) >= number || isStatus(s) || endsSentence(s) || len(strings.Fields(s)) > 5)
}

// headCount says how many of the blocks are headings, 0 if none, and how well they fit. Headings that the
// vocabulary does not have may stand among and behind those that it has: how many columns there
// are shows in the rows, whose codes come at the same distance.
func headCount(bs []block) (columns int, best float64) {
	known := 0
	for known < len(bs) && known < maxHeads && kindOf(bs[known].text) != unknown {
		known++
	}
	if known == maxHeads { // a list of such words
		return 0, 0
	}
	if known == 0 && (len(bs) < 2 || kindOf(bs[1].text) == unknown) {
		return 0, 0
	}
	for n := 2; n <= min(len(bs)-1, known+4, maxHeads) && !data(bs[n-1].text); n++ {
		kinds, ok := headings(texts(bs[:n]))
		keys := 0
		for _, k := range kinds {
			if k == ofCode || k == ofStatus {
				keys++
			}
		}
		if keys > 4 {
			break // no table has that many codes in a row
		}
		if !ok || fieldTable(kinds) {
			continue
		}
		roles := assign(texts(bs[:n]), nil)
		c := slices.Index(roles, RoleCode)
		if c < 0 || vocabulary[normal(bs[c].text)] == unknown {
			continue
		}
		points, exact := 0.0, 0
		had := map[kind]bool{}
		for i, k := range kinds {
			switch {
			case k == unknown:
				points--
			case (k == ofCode || k == ofStatus) && had[k]:
				points -= 2
			case vocabulary[normal(bs[i].text)] != unknown:
				points++
				exact++
			}
			had[k] = true
		}
		if exact < 2 {
			continue
		}
		for row := 1; row <= 3 && row*n+n <= len(bs); row++ {
			cells := bs[row*n : row*n+n]
			if !fits(roles, cells) {
				if row == 1 && len(bs) > n+1 && n != known {
					points -= 4
				}
				break
			}
			points += 3
			for i, cell := range cells { // a code among the texts: the rows are cut wrongly
				if i != c && roles[i] != RoleStatus && codeStrength(cell.text) >= number && shape(cell.text) == shape(cells[c].text) || i != c && kinds[i] == ofCode && prose(cell.text) {
					points -= 4
				}
				if len(cell.text) > 3 && vocabulary[normal(cell.text)] != unknown && !isStatus(cell.text) && row == 1 {
					points -= 6 // a heading that was left over
				}
			}
		}
		if points > best {
			best, columns = points, n
		}
	}
	return columns, best
}

// growing makes a grid of cells that are read further and further, as long as the table goes on: most are
// short, and reading to the end of the page for each would take quadratic time.
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

// streamEnd gives where a table ends at the latest: where its headings come again, or other headings do.
func streamEnd(lines []line, at int, head0, head1 string) int {
	run, start := 0, 0
	for i := at; i < len(lines); i++ {
		if lines[i].blank() {
			continue
		}
		text := strings.TrimSpace(lines[i].text)
		k := unknown
		if len(text) <= 60 {
			k = kindOf(text)
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

// fits tells whether n cells are a row: a code and a status where these belong.
func fits(roles []Role, cells []block) bool {
	for i, r := range roles {
		switch r {
		case RoleCode:
			if codeStrength(cells[i].text) == noCode {
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

// maxCells bounds the paragraphs of one row.
const maxCells = 40

// streamGrid cuts cells that stand one below the other into rows. Where each row has all its cells that is
// counting; where a row has more (cells of several paragraphs) or fewer (a status that spans rows, a remedy
// left out), the codes say where rows begin, and deal says which cell is which.
func streamGrid(at int, heads, cells []block) (*grid, int) {
	t := newStream(heads, cells)
	if t.c < 0 {
		return nil, 0
	}
	g := &grid{line: at, rows: []gridRow{{line: at, cells: texts(heads)}}}
	var shared []string   // the lines of rows whose paragraphs had to be shared out
	end, last := 0, false // behind the row that was read, and whether no other follows it
	for p := 0; p+t.c < len(cells) && !junk(cells[p].text); {
		code := p + t.c
		spans := t.s >= 0 && t.s < t.c && !isStatus(cells[p+t.s].text) && !nothing(cells[p+t.s].text)
		if spans {
			code-- // the status of the row above is this one's too
		}
		first := len(g.rows) == 1
		if p >= t.even && !(first && codeStrength(cells[code].text) > noCode || t.atPlace(code) || spans && t.lone(code)) {
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
		t.learn(cells[code].text)
		end, last = t.rowEnd(p, code)
		row, ok := deal(t.roles, cells[p:end])
		r := gridRow{line: cells[p].line, cells: row}
		switch {
		case !ok:
			r.lost = "its paragraphs fit no columns"
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
		g.notes = append(g.notes, "more paragraphs than columns, shared out by their look, in the rows of lines "+strings.Join(shared, ", "))
	}
	if last && end < len(cells) && prose(cells[end].text) && !junk(cells[end].text) {
		g.notes = append(g.notes, "line "+strconv.Itoa(cells[end].line)+" is taken as text after the table: "+clip(cells[end].text))
	}
	return g, cells[end-1].next
}

// stream is a table whose cells stand one below the other, while it is cut into rows.
type stream struct {
	cells []block
	roles []Role
	n     int // columns
	c, s  int // the columns of the code and of the status, -1 if none
	even  int // up to here each row has all its cells, so that counting cuts them, whatever they look like

	// What the codes so far look like.
	shapes, styles map[string]bool
	seen           strength
}

func newStream(heads, cells []block) *stream {
	t := &stream{cells: cells, roles: assign(texts(heads), nil), n: len(heads), shapes: map[string]bool{}, styles: map[string]bool{}}
	t.c, t.s = slices.Index(t.roles, RoleCode), slices.Index(t.roles, RoleStatus)
	if t.c >= 0 {
		t.even = strideEnd(t.roles, cells)
	}
	return t
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
	}
}

func (t *stream) statusAt(i int) bool { return i >= 0 && i < len(t.cells) && isStatus(t.cells[i].text) }

// isCode tells whether a cell can be the code with which a row begins. A status beside it, where one belongs, shows
// it; else it has to look like the codes before it.
func (t *stream) isCode(i int) bool {
	if i < 0 || i >= len(t.cells) {
		return false
	}
	text := t.cells[i].text
	strong := codeStrength(text)
	before, after, ends := t.s >= 0 && t.s == t.c-1, t.s >= 0 && t.s == t.c+1, t.s > t.c && t.s == t.n-1 // where the status stands
	switch {
	case others(text):
		return before && t.statusAt(i-1)
	case strong == noCode:
		return false
	case before && t.statusAt(i-1):
		return true
	case before && t.statusAt(i) && i+1 < len(t.cells) && codeStrength(t.cells[i+1].text) >= number:
		return false // it is the status before a code
	case ends && i > t.c && t.statusAt(i-t.c-1): // the row above ends here
		return true
	case ends && t.statusAt(i):
		return false
	case after && t.statusAt(i+1):
		return true
	}
	alike := t.shapes[shape(text)]
	switch strong {
	case mnemonic:
		return alike || t.seen != number && !before
	case number:
		return alike
	}
	return alike && t.seen == word
}

// lone tells whether a cell is one word, written like the codes before it, with a text behind: in a table of
// codes such as AccessDenied that is the code Blocked.
func (t *stream) lone(i int) bool {
	return i >= t.c && i+t.n-t.c <= len(t.cells) && codeStrength(t.cells[i].text) == word && !junk(t.cells[i].text) && kindOf(t.cells[i].text) == unknown &&
		t.styles[style(t.cells[i].text)] && i+1 < len(t.cells) && (prose(t.cells[i+1].text) || t.statusAt(i+1))
}

// atPlace is isCode for a cell that stands just where the next code has to: there a plain word is one too.
func (t *stream) atPlace(i int) bool {
	return t.isCode(i) || t.lone(i) && (t.s < 0 || t.statusAt(i-t.c+t.s))
}

// opens is isCode for a cell behind the given code. There a word has to stand right behind a whole row, or further
// behind one that ends as a text does.
func (t *stream) opens(code, i int) bool {
	whole := t.n // cells of a row; without the status, where that spans rows
	if t.s >= 0 {
		whole = t.n - t.c
	}
	return t.isCode(i) || (t.s < 0 || t.s == t.c-1) && t.lone(i) && (i-code == whole || i-code > whole && endsSentence(t.cells[i-1].text))
}

// resume looks a little further for the next row, where the cell at which a code belongs is none: what stands between
// belongs to no row.
func (t *stream) resume(p int) (next int, ok bool) {
	for next = p + 1; next+t.n <= len(t.cells) && next < p+2*t.n; next++ {
		if t.isCode(next+t.c) && fits(t.roles, t.cells[next:next+t.n]) {
			return next, true
		}
	}
	return 0, false
}

// rowEnd gives where the row that begins at p ends, which is where the next begins; last is set where none does.
// Counting comes first: a row of words may hold what looks like a code.
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
		if t.statusAt(i) { // however many paragraphs stand before it, it belongs to the row
			end = max(end, i+t.n-t.s)
			break
		}
	}
	end = cutJunk(t.cells, code, min(end, len(t.cells)))
	for end < len(t.cells) && numbered(t.cells[end].text) > 1 && end-p < maxCells { // 2., 3. … of a list that began above
		end++
	}
	return end, true
}

// nextRow looks for the row behind the one whose code is given.
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

// strideEnd gives where the cells end if every n of them are a row, as they are up to the end or up to what follows
// a page's tables; 0 if they are not.
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

// style is how a code is written: all in capitals, with one in front, or without; or without letters.
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

// section is a row that only has a title.
func section(text string, n int) []string {
	row := make([]string, n)
	row[0] = text
	return row
}

// cutJunk gives where the last row ends when the page goes on behind it.
func cutJunk(cells []block, code, end int) int {
	for i := code + 1; i < end; i++ {
		if junk(cells[i].text) || strings.HasPrefix(cells[i].text, "#") {
			return i
		}
	}
	return end
}

// deal gives each column its cells, in order, the cheapest way: a status and a code take one cell each, a text
// several if it must. Numbered paragraphs and equal texts show where a cell begins. ok is false where no way is found.
func deal(roles []Role, cells []block) (row []string, ok bool) {
	n, m := len(roles), len(cells)
	out := make([]string, n)
	if m == n {
		for i := range cells {
			out[i] = cells[i].text
		}
		if fits(roles, cells) {
			return out, true
		}
	}
	const never = 1e6
	type look struct { // what a cell looks like, asked for many times
		code, other, status, advice bool
		number                      int
	}
	looks := make([]look, m)
	for i, cell := range cells {
		looks[i] = look{codeStrength(cell.text) > noCode, others(cell.text), isStatus(cell.text), advice(cell.text), numbered(cell.text)}
	}
	// price of giving cells[i:j] to column k, when column k-1 took cells[h:i]
	price := func(k, h, i, j int) float64 {
		size := j - i
		switch roles[k] {
		case RoleCode:
			switch {
			case size != 1 || !looks[i].code && !looks[i].other:
				return never
			case looks[i].other:
				return -3
			case looks[i].status && slices.Contains(roles, RoleStatus):
				return 3
			}
			return 0
		case RoleStatus:
			switch {
			case size == 0:
				return 4
			case size > 1 || !looks[i].status && !nothing(cells[i].text):
				return never
			}
			return 0
		}
		if size == 0 {
			return map[Role]float64{RoleMessage: 6, RoleDescription: 5, RoleRemedy: 4}[roles[k]] + 1
		}
		cost := float64(size-1) * map[Role]float64{RoleMessage: 1.6, RoleDescription: 1.2, RoleRemedy: 1, "": 2}[roles[k]]
		for x := i; x < j; x++ {
			if v := looks[x].number; v > 1 && x == i || v == 1 && x > i {
				cost += 4
			} else if v > 1 && x > i {
				cost -= 0.9
			}
			if isAdvice := looks[x].advice; isAdvice && roles[k] == RoleMessage || !isAdvice && roles[k] == RoleRemedy && x == i {
				cost += 0.4
			}
		}
		if k > 0 && h < i && i-h == size && slices.Equal(texts(cells[h:i]), texts(cells[i:j])) {
			cost -= 2 + float64(size)
		}
		return cost
	}
	// best[k][i][h]: columns up to k took the cells before i, column k beginning at h
	type state struct{ k, h, i int }
	cost, from := map[state]float64{{-1, 0, 0}: 0}, map[state]state{}
	layer := []state{{-1, 0, 0}}
	for k := range n {
		var next []state
		for _, st := range layer {
			for j := st.i; j <= m && j <= st.i+maxDeal; j++ {
				p := cost[st] + price(k, st.h, st.i, j)
				if p >= never {
					continue
				}
				to := state{k, st.i, j}
				if old, known := cost[to]; !known || p < old {
					if !known {
						next = append(next, to)
					}
					cost[to], from[to] = p, st
				}
			}
		}
		layer = next
	}
	best, found := state{}, false
	for _, st := range layer {
		if st.i == m && (!found || cost[st] < cost[best]) {
			best, found = st, true
		}
	}
	if !found {
		return texts(cells), false
	}
	for st := best; st.k >= 0; st = from[st] {
		out[st.k] = strings.Join(texts(cells[st.h:st.i]), "\n")
	}
	return out, true
}

// maxDeal bounds the paragraphs of one cell.
const maxDeal = 15

// numbered gives the number of a paragraph in a numbered list, else 0.
func numbered(s string) int {
	digits := 0
	for digits < len(s) && digits < 2 && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits >= len(s)-1 || !strings.ContainsAny(s[digits:digits+1], ".)") && !strings.HasPrefix(s[digits:], "、") || s[digits+1] >= '0' && s[digits+1] <= '9' {
		return 0
	}
	n := int(s[0] - '0')
	if digits == 2 {
		n = n*10 + int(s[1]-'0')
	}
	return n
}
