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
	code := slices.Index(roles, RoleCode)
	if code != 0 {
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
		cells, begins := gluedRow(text, len(heads), len(roles) > 1 && roles[1] == RoleStatus)
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
	placeAcronyms(g)
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
		if vocabulary[normal(head)] == unknown && !(depth > 0 && end == len(s) && len(strings.Fields(head)) <= 4 && kindOf(head) > ofCode && !gluedInside(head)) {
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

// gluedRow splits a row whose cells have nothing between them. begins reports whether it starts
// with a code; cells is nil if nothing shows where they begin.
func gluedRow(s string, n int, status bool) (cells []string, begins bool) {
	if m := gluedAfterStatus.FindStringSubmatch(s); m != nil && n == 3 {
		return m[1:], true
	}
	code, stat := gluedCode(s), ""
	if m := gluedStatus.FindStringSubmatch(s); m != nil && status {
		code, stat = m[1], m[2]
	}
	switch {
	case code == "":
		return nil, digit(rune(s[0]))
	case status && stat == "":
		return nil, true
	}
	text := strings.TrimSpace(s[len(code)+len(stat):])
	if cells = []string{code}; status {
		cells = append(cells, stat)
	}
	if text == "" {
		return nil, true
	}
	at := 0
	for i := range text {
		if i > at && n > 2 && (gluePoint(text[:i], text[i:]) && !wideBoth(text, i) || sentenceGlue(text, i)) {
			cells = append(cells, strings.TrimSpace(text[at:i]))
			at = i
		}
	}
	if cells = append(cells, strings.TrimSpace(text[at:])); len(cells) > n {
		cells = gluedSentences(cells, len(cells)-n)
	}
	if len(cells) != n {
		return nil, true
	}
	return cells, true
}

// gluedSentences joins cells that were cut inside a sentence, if those cut after one are as many as
// there should be. extra is the number of cells too many.
func gluedSentences(cells []string, extra int) []string {
	joined := cells[:1:1]
	for i, c := range cells[1:] {
		if before := cells[i]; i > 0 && !strings.ContainsAny(before[len(before)-1:], ".!?") && !strings.HasSuffix(before, "。") {
			joined[len(joined)-1] += c
			extra--
			continue
		}
		joined = append(joined, c)
	}
	if extra != 0 {
		return nil
	}
	return joined
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
			return "" // a space follows: the text may begin with capitals
		}
		return code
	}
	return ""
}

// numberBeforeAcronym matches a number with a text right behind it that begins with an acronym.
var numberBeforeAcronym = regexp.MustCompile(`^(\d+)([A-Z]{2,} .*)$`)

// placeAcronyms splits the lost rows such as "22API is down" if all other codes of a table with two
// columns are numbers with as many digits.
func placeAcronyms(g *grid) {
	digits := 0
	for _, r := range g.rows[1:] {
		if _, ok := glueNumber(r); r.lost == "" && (!ok || digits > 0 && len(r.cells[0]) != digits) {
			return
		} else if ok {
			digits = len(r.cells[0])
		}
	}
	for i, r := range g.rows[1:] {
		if m := numberBeforeAcronym.FindStringSubmatch(r.cells[0]); r.lost != "" && len(g.rows[0].cells) == 2 && m != nil && len(m[1]) == digits {
			g.rows[i+1] = gridRow{line: r.line, cells: m[1:]}
		}
	}
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
