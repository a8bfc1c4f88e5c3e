package vendorpage

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	regexp "errata/internal/lazyregexp"
)

// findGlued reads a table whose extractor wrote the cells of a row without anything between them:
//
//	Error codeDescription
//	1001Invalid key
//
// The headings are known words. In the rows, a capital letter, a digit or another script right
// after a small letter shows where a cell begins; a row of which these do not make as many cells as
// there are headings is reported. If only the headings are glued, each cell of a row has its line.
func findGlued(lines []line, at int) (*grid, int) {
	if heads := ruledHeads(lines, at); heads != nil {
		return gluedStream(lines, at, at+2, heads)
	}
	heads := gluedHeads(strings.TrimSpace(lines[at].text))
	if heads == nil {
		return nil, 0
	}
	roles := assign(heads, nil)
	table, ok := gluedTableOf(roles)
	if !ok {
		return nil, 0
	}
	if next := peek(lines, at+1); codeStrength(strings.TrimSpace(next)) >= number {
		g, end := gluedStream(lines, at, at+1, heads)
		if g != nil && end < len(lines) && gluedDigits.MatchString(lines[end].text) {
			return nil, 0 // the next row is in one line, so the cells are not in lines of their own
		}
		return g, end
	}
	g := &grid{line: lines[at].n, headed: true, rows: []gridRow{{line: lines[at].n, cells: heads}}}
	end, good := at+1, 0
	var more []string // lines that may go on with the row above
	goesOn := 0       // lines that a row went on with, at most
	for j := at + 1; j < len(lines) && j < end+2+len(more); j++ {
		if lines[j].blank() {
			if len(more) > 0 {
				break
			}
			continue
		}
		text := strings.TrimSpace(lines[j].text)
		if titleStatus(text, plainRank) > 0 {
			break // a section begins
		}
		cells, begins := table.row(text)
		row := gridRow{line: lines[j].n, cells: cells}
		switch {
		case begins && cells != nil:
			good++
		case begins:
			row.cells, row.lost = []string{text}, "nothing shows where its cells begin"
		case good > 0 && len(more) < maxMore && !lines[j-1].blank():
			more = append(more, text)
			continue
		}
		if !begins {
			break
		}
		goesOn = max(goesOn, len(more))
		g.goOn(more)
		g.rows, end, more = append(g.rows, row), j+1, nil
	}
	if len(more) > 0 && len(more) <= goesOn {
		g.goOn(more)
		end += len(more)
	}
	if good < 1 || good < 2 && len(heads) < 3 || len(g.rows)-1 > 3*good {
		return nil, 0
	}
	table.evenNumbers(g)
	loseLonger(g)
	return g, end
}

// maxMore limits the lines that a row may go on with.
const maxMore = 8

// goOn adds paragraphs to the last cell of the last row.
func (g *grid) goOn(paragraphs []string) {
	cells := g.rows[len(g.rows)-1].cells
	cells[len(cells)-1] = strings.Join(append(cells[len(cells)-1:], paragraphs...), "\n")
}

// gluedDigits matches a number with a text right behind it.
var gluedDigits = regexp.MustCompile(`^\s*\d{2,}\pL`)

// ruledHeads returns headings with pipes between them that have a ruler below them, if no pipe
// follows in the cells: each of these has a line.
func ruledHeads(lines []line, at int) []string {
	if at+3 >= len(lines) || !hasPipe(lines[at]) || !isRuler(lines[at+1].text) || hasPipe(lines[at+2]) || hasPipe(lines[at+3]) || codeStrength(strings.TrimSpace(lines[at+2].text)) < number {
		return nil
	}
	heads, _ := splitPipes(lines[at].text)
	if _, ok := headings(heads); !ok || slices.Index(assign(heads, nil), RoleCode) != 0 {
		return nil
	}
	return heads
}

// gluedStream reads the cells below headings that alone are in one line. The cells begin in the
// given line.
func gluedStream(lines []line, at, begin int, heads []string) (*grid, int) {
	blocks := make([]block, len(heads))
	for i, h := range heads {
		blocks[i] = block{lines[at].n, h, begin}
	}
	byLine := begin+1 < len(lines) && !lines[begin].blank() && !lines[begin+1].blank()
	return growing(lines[at].n, blocks, func(limit int) (cells []block, all bool) {
		cells = lines[at].memo.blocks(lines, begin, byLine, limit)
		return splitFirstLines(cells), len(cells) < limit
	})
}

// splitFirstLines splits the paragraphs that begin with a line that is a code, because no blank
// line precedes the next cell.
func splitFirstLines(cells []block) (all []block) {
	for _, c := range cells {
		lines := strings.Split(c.text, "\n")
		last := lines[len(lines)-1]
		switch {
		case len(lines) > 1 && codeStrength(lines[0]) >= number:
			all = append(all, block{c.line, lines[0], c.next}, block{c.line + 1, strings.Join(lines[1:], "\n"), c.next})
		case len(lines) > 1 && codeStrength(last) >= number:
			all = append(all, block{c.line, strings.Join(lines[:len(lines)-1], "\n"), c.next}, block{c.line + len(lines) - 1, last, c.next})
		default:
			all = append(all, c)
		}
	}
	return all
}

// gluedHeads splits a line into headings of the vocabulary, of which at least two have nothing
// between them. It returns nil if something is left over.
func gluedHeads(s string) []string {
	if len(s) < 4 || len(s) > 120 || strings.ContainsAny(s, "|\t,;"+colons) || vocabulary[normal(s)] != unknown {
		return nil
	}
	heads, glued := splitHeads(s, 0)
	if len(heads) > 1 && glued {
		return heads
	}
	if m := smallHeads.FindStringSubmatch(s); m != nil { // the first heading is in small letters, like the second
		return gluedHeads(m[1] + strings.ToUpper(m[2][:1]) + m[2][1:])
	}
	return nil
}

// smallHeads matches a line of headings that begins with a small "code".
var smallHeads = regexp.MustCompile(`^(code|errorcode|error_code)([a-z].*)$`)

// splitHeads splits a text into known headings, the longest first.
func splitHeads(s string, depth int) (heads []string, glued bool) {
	if depth > maxHeads {
		return nil, false
	}
	for end := len(s); end > 0; end-- {
		if end < len(s) && (!utf8.RuneStart(s[end]) || !gluePoint(s[:end], s[end:]) && !afterAcronym(s[:end], s[end:]) && s[end] != ' ') {
			continue
		}
		head := strings.TrimSpace(s[:end])
		if vocabulary[normal(head)] == unknown && !(someCode.MatchString(head) && slices.Contains([]kind{ofCode, ofName}, kindOf(head))) && !(depth > 0 && end == len(s) && len(strings.Fields(head)) <= 4 && kindOf(head) > ofCode && !gluedInside(head)) {
			continue
		}
		rest := strings.TrimSpace(s[end:])
		if rest == "" {
			return []string{head}, false
		}
		if more, also := splitHeads(rest, depth+1); more != nil {
			return append([]string{head}, more...), also || s[end] != ' '
		}
	}
	return nil, false
}

// gluedInside reports whether a cell ends and another begins within a text.
func gluedInside(s string) bool {
	for i := range s {
		if i > 0 && gluePoint(s[:i], s[i:]) {
			return true
		}
	}
	return false
}

// afterAcronym reports whether a word follows an acronym: HTTP|Description.
func afterAcronym(before, after string) bool {
	return len(after) > 1 && upper(rune(before[len(before)-1])) && upper(rune(after[0])) && lower(rune(after[1]))
}

// gluePoint reports whether a cell ends and another begins between two texts, with no space between
// them.
func gluePoint(before, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	switch {
	case last == ' ' || first == ' ':
		return false
	case wide(last) && wide(first):
		return true // the vocabulary decides
	case wide(last) != wide(first):
		return unicode.IsLetter(first) && unicode.IsLetter(last)
	}
	return unicode.IsLower(last) && unicode.IsUpper(first)
}

// wide reports whether a letter is of a script without spaces.
func wide(r rune) bool {
	return r == 'ー' || r == '々' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// gluedTable is what is known of rows whose cells have nothing between them.
type gluedTable struct {
	n      int // columns
	status int // the column of the status: 0 before the code, 1 behind it, or -1
	digits int // of the codes, if all have as many; 0 if that is not known
}

// gluedTableOf returns false if the headings do not begin with the code, or with the status and the
// code.
func gluedTableOf(roles []Role) (t gluedTable, ok bool) {
	t = gluedTable{len(roles), slices.Index(roles, RoleStatus), 0}
	if t.status > 1 {
		t.status = -1
	}
	code := slices.Index(roles, RoleCode)
	return t, code == 0 || code == 1 && t.status == 0 && t.n == 3
}

// row splits a row. begins reports whether it starts with a code; cells is nil if nothing shows
// where they begin.
func (t gluedTable) row(s string) (cells []string, begins bool) {
	if m := gluedAfterStatus.FindStringSubmatch(s); m != nil && t.n == 3 {
		return m[1:], true
	}
	if t.status == 0 {
		if len(s) < 5 || !isStatus(s[:3]) || !upper(rune(s[3])) {
			return nil, digit(rune(s[0]))
		}
		if m := gluedSentenceCode.FindStringSubmatch(s[3:]); m != nil {
			return []string{s[:3], m[1], m[2]}, true
		}
		return nil, true
	}
	if m := numberAndName.FindStringSubmatch(s); m != nil && t.n == 3 && t.status < 0 {
		return m[1:], true
	}
	code, stat := gluedCode(s), ""
	if t.digits > 0 && len(s) > t.digits && integer.MatchString(s[:t.digits]) && !digit(rune(s[t.digits])) {
		code = s[:t.digits]
	}
	if m := gluedStatus.FindStringSubmatch(s); m != nil && t.status > 0 {
		code, stat = m[1], m[2]
	}
	if m := separateCode.FindStringSubmatch(s); m != nil && code == "" {
		code = m[1]
	}
	if m := smallCode.FindStringSubmatch(s); m != nil && code == "" && t.status < 0 {
		if first, _, _ := strings.Cut(m[2], " "); gluedInside(first) {
			return nil, true // the code may go on up to the second capital
		}
		code = m[1]
	}
	switch {
	case code == "":
		return nil, digit(rune(s[0]))
	case t.status > 0 && stat == "":
		return nil, true
	}
	text := strings.TrimSpace(s[len(code)+len(stat):])
	if cells = []string{code}; t.status > 0 {
		cells = append(cells, stat)
	}
	texts := gluedTexts(text, t.n-len(cells))
	if text == "" || texts == nil {
		return nil, true
	}
	return append(cells, texts...), true
}

// numberAndName matches a number, a name in capitals and a sentence: 1001BAD_NAMEThe name is bad.
var numberAndName = regexp.MustCompile(`^(\d{2,8})([A-Z]+(?:_[A-Z0-9]+)+)((?:[A-Z][a-z]+|A)\b.*)$`)

// gluedSentenceCode matches a code in capitals with a sentence right behind it.
var gluedSentenceCode = regexp.MustCompile(`^([A-Z][A-Z0-9_]*[A-Z0-9])((?:[A-Z][a-z]+|A)\b.*)$`)

// separateCode matches a code in capitals with a text behind a space, which unglue has put there.
var separateCode = regexp.MustCompile(`^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+) [A-Z][a-z]`)

// smallCode matches a code in small letters with a text right behind it: bad_nameThe name is bad.
var smallCode = regexp.MustCompile(`^([a-z][a-z0-9]*(?:[_-][a-z0-9]+)*)(\p{Lu}.*)$`)

// gluedTexts splits a text where its cells begin. If there are too many such places, those behind a
// sentence count, and of these first those where another script begins. gluedTexts returns nil if
// they do not make n cells.
func gluedTexts(text string, n int) []string {
	if n == 1 {
		return []string{text}
	}
	places := map[int]int{} // how clear each place is
	for i := range text {
		if i == 0 {
			continue
		}
		sentence, script := sentenceGlue(text, i), gluePoint(text[:i], text[i:]) && !wideBoth(text, i)
		last, _ := utf8.DecodeLastRuneInString(text[:i])
		first, _ := utf8.DecodeRuneInString(text[i:])
		switch {
		case sentence && last == '。' && !wide(first):
			places[i] = 3
		case sentence:
			places[i] = 2
		case script:
			places[i] = 1
		}
	}
	for clear := 1; clear <= 3; clear++ {
		var cells []string
		at := 0
		for i := range text {
			if places[i] >= clear {
				cells, at = append(cells, strings.TrimSpace(text[at:i])), i
			}
		}
		if cells = append(cells, strings.TrimSpace(text[at:])); len(cells) == n {
			return cells
		}
	}
	return nil
}

// gluedStatus matches a code in capital or in small letters, or of several words that begin with
// capitals, with a status right behind it.
var gluedStatus = regexp.MustCompile(`^([A-Z][A-Z0-9_.-]*?[A-Z_]|(?:[A-Z]+[a-z]+){2,}|[a-z][a-z0-9_.]*?[a-z])([1-5]\d\d)\D`)

// gluedAfterStatus matches a status, a code in small letters and a text in another script.
var gluedAfterStatus = regexp.MustCompile(`^([1-5]\d\d)([a-z][a-z0-9]*(?:_[a-z0-9]+)+)([^\x00-\x7f].*)$`)

// wideBoth reports whether both letters at a place are of a script without spaces, where a cell may
// begin anywhere.
func wideBoth(s string, at int) bool {
	last, _ := utf8.DecodeLastRuneInString(s[:at])
	first, _ := utf8.DecodeRuneInString(s[at:])
	return wide(last) && wide(first)
}

// sentenceGlue reports whether a sentence ends and a letter follows it without a space.
func sentenceGlue(s string, at int) bool {
	last, _ := utf8.DecodeLastRuneInString(s[:at])
	first, _ := utf8.DecodeRuneInString(s[at:])
	return strings.ContainsRune(".!?", last) && unicode.IsUpper(first) && !wide(first) || last == '。' && unicode.IsLetter(first)
}

// gluedCode returns the code at the start of a text that follows it without a space: a number, or
// capitals with digits or joined by underscores. It returns "" if nothing shows where it ends.
func gluedCode(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return !digit(r) && !upper(r) && !strings.ContainsRune("_-.", r) })
	if end <= 0 {
		return ""
	}
	code := s[:end]
	if next, _ := utf8.DecodeRuneInString(s[end:]); upper(rune(code[end-1])) && unicode.IsLower(next) { // the last capital begins the text
		code = code[:len(code)-1]
	}
	code = strings.TrimRight(code, "-.")
	switch {
	case integer.MatchString(code):
		return code
	case codeStrength(code) == mnemonic && strings.ContainsAny(code, "_0123456789"):
		if last := code[len(code)-1]; !digit(rune(last)) && s[len(code)] < 0x80 && len(code) == end {
			if m := gluedSentenceCode.FindStringSubmatch(s); m != nil {
				return m[1] // and the article "A"
			}
			return "" // a space follows: the text may begin with capitals
		}
		return code
	}
	return ""
}

// evenNumbers splits rows again whose text begins with capitals or digits, such as "22API is down",
// if the codes of the other rows are numbers. If these have as many digits, so has each.
func (t gluedTable) evenNumbers(g *grid) {
	digits, numbers, others := map[int]int{}, 0, 0 // digits: rows by the digits of their codes
	for _, r := range g.rows[1:] {
		if _, ok := glueNumber(r); ok {
			digits[len(r.cells[0])]++
			t.digits = len(r.cells[0])
			numbers++
		} else if r.lost == "" {
			others++
		}
	}
	if 2*numbers < len(g.rows)-1 || len(digits) != 1 && others > 0 {
		return
	}
	for i, r := range g.rows[1:] {
		if _, ok := glueNumber(r); ok {
			continue
		}
		text := strings.Join(r.cells, "")
		if len(digits) != 1 {
			t.digits = len(text) - len(strings.TrimLeft(text, "0123456789"))
		}
		cells, _ := t.row(text)
		if t.digits > 0 && cells != nil && len(cells[0]) == t.digits && (len(digits) == 1 || between(g.rows, i+1, cells[0])) {
			g.rows[i+1] = gridRow{line: r.line, cells: cells}
		}
	}
}

// between reports whether a code is more than the number above its row and less than that below.
func between(rows []gridRow, at int, code string) bool {
	n, _ := strconv.Atoi(code)
	for i := at - 1; i > 0; i-- {
		if above, ok := glueNumber(rows[i]); ok {
			if above >= n {
				return false
			}
			break
		}
	}
	for _, r := range rows[at+1:] {
		if below, ok := glueNumber(r); ok {
			return n < below
		}
	}
	return true
}

// loseLonger reports the rows whose last digit may be the first of their text: without it, their
// number is between one above and one below.
func loseLonger(g *grid) {
	above := 0
	for i := 1; i < len(g.rows); i++ {
		code, ok := glueNumber(g.rows[i])
		if !ok {
			continue
		}
		for _, later := range g.rows[i+1 : min(len(g.rows), i+12)] {
			if below, ok := glueNumber(later); ok && code/10 > above && code/10 < below && below < code {
				g.rows[i].lost = "a digit may belong to its code or to its text"
				break
			}
		}
		if g.rows[i].lost == "" {
			above = code
		}
	}
}

// glueNumber returns the number that a row begins with.
func glueNumber(r gridRow) (n int, ok bool) {
	n, err := strconv.Atoi(r.cells[0])
	return n, err == nil && r.lost == ""
}
