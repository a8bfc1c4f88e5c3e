package page

import (
	"slices"
	"strings"
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
	for skip := 1; skip <= 3 && skip < len(first); skip++ {
		// A title such as "Error codes" above the headings is none of them.
		if _, better := headCount(first[skip:]); better > points {
			return nil, 0
		}
	}
	if columns == 0 {
		return nil, 0
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

// headCount says how many of the blocks are headings, 0 if none, and how well they fit. Headings that the
// vocabulary does not have may stand among and behind those that it has: how many columns there
// are shows in the rows, whose codes come at the same distance.
func headCount(bs []block) (columns int, best float64) {
	known := 0
	for known < len(bs) && known < maxHeads && kindOf(bs[known].text) != unknown {
		known++
	}
	if known == 0 && (len(bs) < 2 || kindOf(bs[1].text) == unknown) {
		return 0, 0
	}
	for n := 2; n <= min(len(bs)-1, known+4, maxHeads); n++ {
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
				if i != c && roles[i] != RoleStatus && codeStrength(cell.text) == mnemonic && shape(cell.text) == shape(cells[c].text) {
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
	roles := assign(texts(heads), nil)
	c, s := slices.Index(roles, RoleCode), slices.Index(roles, RoleStatus)
	if c < 0 {
		return nil, 0
	}
	n := len(heads)
	g := &grid{line: at, rows: []gridRow{{at, texts(heads)}}}
	shapes := map[string]bool{}
	seen := codeStrength("")
	isCode := func(i int) bool { // whether the cell can be the code with which a row begins
		if i < 0 || i >= len(cells) {
			return false
		}
		strong := codeStrength(cells[i].text)
		if others(cells[i].text) {
			return s >= 0 && s == c-1 && i > 0 && isStatus(cells[i-1].text)
		}
		if strong == noCode || s == c && !isStatus(cells[i].text) {
			return false
		}
		if s >= 0 && s == c-1 && i > 0 && isStatus(cells[i-1].text) {
			return true
		}
		if s >= 0 && s == c+1 && i+1 < len(cells) && isStatus(cells[i+1].text) {
			return true
		}
		return strong == mnemonic && (seen != number || shapes[shape(cells[i].text)]) && !(s == c-1 && s >= 0 && !shapes[shape(cells[i].text)]) ||
			shapes[shape(cells[i].text)] && strong >= number ||
			strong == word && seen == word && shapes[shape(cells[i].text)]
	}
	// atPlace is isCode for a cell that stands just where the next code has to: there a plain word is one too, if
	// it is written like the first code and a text follows.
	atPlace := func(i int) bool {
		return isCode(i) || s < 0 && i >= 0 && i+n-c <= len(cells) && codeStrength(cells[i].text) == word && !junk(cells[i].text) &&
			isUpper(cells[i].text) == isUpper(cells[c].text) && i+1 < len(cells) && prose(cells[i+1].text) && kindOf(cells[i].text) == unknown
	}
	end := 0
	for p := 0; p < len(cells); {
		if junk(cells[p].text) || p+c >= len(cells) {
			break
		}
		code := p + c
		if s >= 0 && s < c && !isStatus(cells[p+s].text) && !nothing(cells[p+s].text) {
			code-- // the status spans rows
		}
		first := len(g.rows) == 1
		if !(first && codeStrength(cells[code].text) > noCode || atPlace(code)) {
			// The cell where a code belongs is none: what stands here belongs to no row, unless the codes go on behind it.
			next := p + 1
			for next < len(cells) && next < p+2*n && !(isCode(next+c) && fits(roles, cells[next:min(next+n, len(cells))])) {
				next++
			}
			if next >= len(cells) || next >= p+2*n || next+n > len(cells) || first {
				break
			}
			for _, lost := range cells[p:next] {
				g.rows = append(g.rows, gridRow{lost.line, section(lost.text, n)})
			}
			p = next
			continue
		}
		if st := codeStrength(cells[code].text); st > noCode {
			shapes[shape(cells[code].text)] = true
			seen = max(seen, st)
		}
		// The row ends where the next begins. Counting comes first: a row of words may hold what looks like a code.
		q := p + n
		last := false
		if code != p+c || !(q+c < len(cells) && atPlace(q+c) && (s < 0 || s > c || isStatus(cells[q+s].text)) && fits(roles, cells[p:q])) {
			q, last = nextRow(cells, code, n, c, s, isCode)
			if last {
				q = min(p+n, len(cells))
				if code != p+c {
					q = min(q-1, len(cells))
				}
				q = cutJunk(cells, code, q)
				for q < len(cells) && numbered(cells[q].text) > 1 && q-p < maxCells { // 2., 3. … of a list that began above
					q++
				}
			}
		}
		row := deal(roles, cells[p:q])
		g.rows = append(g.rows, gridRow{cells[p].line, row})
		p, end = q, q
	}
	if len(g.rows) == 1 {
		return nil, 0
	}
	return g, cells[end-1].next
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

// nextRow looks for the row behind the one whose code is given; last is set where there is none.
func nextRow(cells []block, code, n, c, s int, isCode func(int) bool) (start int, last bool) {
	for i := code + 1; i < len(cells) && i < code+maxCells; i++ {
		if !isCode(i) {
			continue
		}
		start = i - c
		if s >= 0 && s < c && !isStatus(cells[i-c+s].text) {
			start = i - c + 1
		}
		if start > code {
			return start, false
		}
	}
	return 0, true
}

// deal gives each column its cells, in order, the cheapest way: a status and a code take one cell each, a text
// several if it must. Numbered paragraphs and equal texts show where a cell begins.
func deal(roles []Role, cells []block) []string {
	n, m := len(roles), len(cells)
	out := make([]string, n)
	if m == n {
		for i := range cells {
			out[i] = cells[i].text
		}
		if fits(roles, cells) {
			return out
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
	if !found { // no way to tell: leave it to be reported
		return []string{strings.Join(texts(cells), "\n")}
	}
	for st := best; st.k >= 0; st = from[st] {
		out[st.k] = strings.Join(texts(cells[st.h:st.i]), "\n")
	}
	return out
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
