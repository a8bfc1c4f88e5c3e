package vendorpage

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// findSpaces reads rows whose cells are separated by one space, like words. A line is a row of
// headings if it consists of headings from the vocabulary. The code and the status are then known
// by how they look, and the texts by where a sentence begins.
func findSpaces(lines []line, at int) (*grid, int) {
	t, ok := newSpacedTable(lines, at)
	if !ok {
		return nil, 0
	}
	end := at + 1
	for j := at + 1; j < len(lines); j++ {
		text := strings.TrimSpace(lines[j].text)
		if text == "" && len(t.rows) > 0 && !t.starts(peek(lines[:min(len(lines), j+4)], j)) {
			if next := t.resume(lines, j); next > 0 {
				j = next - 1
				continue
			}
			break
		}
		if text == "" || dashes.MatchString(text) {
			continue
		}
		if t.addRow(lines[j]) {
			end = j + 1
			continue
		}
		if len(t.rows) == 0 && j > at+2 {
			return nil, 0
		}
		if t.isTitle(lines, j) {
			t.titles = append(t.titles, gridRow{line: lines[j].n, cells: section(text, len(t.heads))})
			continue
		}
		if junk(text) {
			break
		}
		last := &t.rows[len(t.rows)-1]
		last.text = wrap(last.text, text)
		end = j + 1
	}
	if len(t.rows) == 0 {
		return nil, 0
	}
	return t.grid(lines[at].n), end
}

// spacedTable is a table with spaces only that is being read.
type spacedTable struct {
	heads      []string
	roles      []Role
	lead, tail int  // the columns before lead and from tail on are known by their look; between them are texts
	values     bool // its codes are below the heading of values
	middle     int  // the column of a status between the texts, -1 if none
	code       int  // the column of the codes
	rows       []spacedRow
	titles     []gridRow       // between the rows
	shapes     map[string]bool // of the codes so far
}

// newSpacedTable starts a table if the line is a row of headings with the code, or a status and the
// code, before the texts. Values are codes below a line about errors.
func newSpacedTable(lines []line, at int) (t spacedTable, ok bool) {
	if at > 0 && vocabulary[normal(lines[at].text)] != unknown && vocabulary[normal(lines[at-1].text)] != unknown {
		return t, false // headings below each other
	}
	if strings.HasSuffix(strings.TrimSpace(lines[at].text), ":") && at+1 < len(lines) && hasPipe(lines[at+1]) {
		return t, false // the title of a table with pipes
	}
	if t.heads = segment(lines[at].text); t.heads != nil {
		t.roles = assign(t.heads, nil)
	} else if t.heads = segmentValues(lines[at].text); t.heads != nil && topicOf(lines[:at]).about() {
		t.roles, t.values = assign(append([]string{"code"}, t.heads[1:]...), nil), true
	} else {
		return t, false
	}
	t.tail, t.code, t.shapes = len(t.roles), -1, map[string]bool{}
	for t.lead < len(t.roles) && (t.roles[t.lead] == RoleCode || t.roles[t.lead] == RoleStatus) {
		if t.roles[t.lead] == RoleCode {
			t.code = t.lead
		}
		t.lead++
	}
	for t.tail > t.lead && t.roles[t.tail-1] == RoleStatus {
		t.tail--
	}
	t.middle = -1
	if i := slices.Index(t.roles[t.lead:t.tail], RoleStatus); i > 0 && i < t.tail-t.lead-1 {
		t.middle = t.lead + i
	}
	return t, t.code >= 0 && t.lead < len(t.roles)
}

// addRow reads a line that begins with a number or a mnemonic, or with a word that looks like the
// codes before it.
func (t *spacedTable) addRow(l line) bool {
	r, ok := spaced(strings.TrimSpace(l.text), t.roles[:t.lead])
	if !ok || codeStrength(r.lead[t.code]) < number && !t.shapes[shape(r.lead[t.code])] {
		return false
	}
	t.shapes[shape(r.lead[t.code])] = true
	r.line = l.n
	t.rows = append(t.rows, r)
	return true
}

// resume returns the next line that begins a row if only a note is before it, or 0. The note
// belongs to the text of the row above.
func (t *spacedTable) resume(lines []line, j int) (next int) {
	last := &t.rows[len(t.rows)-1]
	if t.tail-t.lead != 1 || !endsSentence(last.text) {
		return 0
	}
	note := ""
	for next = j; next < len(lines) && next < j+noteLines; next++ {
		text := strings.TrimSpace(lines[next].text)
		switch {
		case note != "" && t.starts(text):
			last.text += note
			return next
		case strings.HasPrefix(text, "#") || segment(text) != nil || junk(text) || hasPipe(lines[next]):
			return 0
		case text != "":
			note += "\n" + text
		}
	}
	return 0
}

// noteLines limits the lines of a note between two rows.
const noteLines = 10

// starts reports whether a line begins a row with a code that looks like those before it.
func (t *spacedTable) starts(l string) bool {
	r, ok := spaced(strings.TrimSpace(l), t.roles[:t.lead])
	return ok && t.shapes[shape(r.lead[t.code])]
}

// isTitle reports whether a line that is not a row is a title: it is above all rows, or it is short
// and right above a row.
func (t *spacedTable) isTitle(lines []line, j int) bool {
	if len(t.rows) == 0 {
		return true
	}
	text := strings.TrimSpace(lines[j].text)
	return len(strings.Fields(text)) <= 8 && !goesOn(t.rows[len(t.rows)-1].text, text) && j+1 < len(lines) && t.starts(lines[j+1].text)
}

// grid cuts the texts of the rows into cells.
func (t *spacedTable) grid(at int) *grid {
	byCapital := 0 // rows where a capital letter begins a second text before the first sentence ends
	words := true  // no row has several words for one of several texts
	for _, r := range t.rows {
		capital, sentence := boundaries(r.text)
		if capital >= 0 && (sentence < 0 || capital < sentence) {
			byCapital++
		}
		words = words && (capital >= 0 || sentence >= 0 || len(strings.Fields(r.text)) <= t.tail-t.lead)
	}
	cut := cutting{capitals: byCapital*10 >= len(t.rows)*6, words: words}
	g := &grid{line: at, headed: t.values, rows: []gridRow{{line: at, cells: t.heads}}}
	for _, r := range t.rows {
		row := gridRow{line: r.line, cells: append([]string{}, r.lead...)}
		text, stat := r.text, ""
		if t.tail < len(t.roles) {
			text, stat = trailingStatus(text)
		}
		if before, status, after, ok := innerStatus(text); ok && t.middle >= 0 {
			row.cells = append(row.cells, cut.parts(before, t.middle-t.lead)...)
			row.cells = append(row.cells, status)
			row.cells = append(row.cells, cut.parts(after, t.tail-t.middle-1)...)
		} else {
			row.cells = append(row.cells, cut.parts(text, t.tail-t.lead)...)
		}
		if t.tail < len(t.roles) {
			row.cells = append(row.cells, stat)
		}
		g.rows = append(g.rows, row)
	}
	g.rows = append(g.rows, t.titles...)
	slices.SortStableFunc(g.rows[1:], func(a, b gridRow) int { return a.line - b.line })
	return g
}

// goesOn reports whether a line continues the text of the row above and is not a title above the
// next row.
func goesOn(text, next string) bool {
	first, _ := utf8.DecodeRuneInString(next)
	return !unicode.IsUpper(first) || endsSentence(next) || len(text) > 60 && !endsSentence(text)
}

// spacedRow is a line whose first cells are known.
type spacedRow struct {
	line int
	lead []string
	text string
}

// spaced reads the status and the code at the start of a line.
func spaced(s string, roles []Role) (r spacedRow, ok bool) {
	for i, role := range roles {
		first, rest, _ := strings.Cut(s, " ")
		if role == RoleStatus {
			switch {
			case isStatus(first):
			case i == 0 && codeStrength(first) == mnemonic: // it spans rows
				r.lead = append(r.lead, "")
				continue
			default:
				return r, false
			}
		} else if codeStrength(first) == noCode && !others(first) {
			return r, false
		}
		r.lead = append(r.lead, first)
		s = strings.TrimSpace(rest)
	}
	r.text = s
	return r, s != ""
}

// trailingStatus separates "403" or "403 Forbidden" from the end of a line.
func trailingStatus(s string) (text, stat string) {
	fields := strings.Fields(s)
	for i := len(fields) - 1; i >= 0 && i >= len(fields)-5; i-- {
		if isStatus(strings.Join(fields[i:], " ")) && isStatus(fields[i]) {
			return strings.Join(fields[:i], " "), strings.Join(fields[i:], " ")
		}
	}
	return s, ""
}

// innerStatus finds a registered status among words, with its reason phrase if that follows.
func innerStatus(s string) (before, stat, after string, ok bool) {
	words := strings.Fields(s)
	for i := 1; i+1 < len(words); i++ {
		n, err := strconv.Atoi(words[i])
		if err != nil || len(words[i]) != 3 || http.StatusText(n) == "" {
			continue
		}
		end := i + 1
		if phrase := strings.Fields(http.StatusText(n)); len(words) > end+len(phrase) && strings.EqualFold(strings.Join(words[end:end+len(phrase)], " "), http.StatusText(n)) {
			end += len(phrase)
		}
		return strings.Join(words[:i], " "), strings.Join(words[i:end], " "), strings.Join(words[end:], " "), true
	}
	return "", "", "", false
}

// segment splits a line into headings of the vocabulary, the longest first. It returns nil if words
// are left over or if no heading names the code. If the line as a whole is one heading ("error code
// description"), shorter ones are tried.
func segment(s string) (heads []string) {
	ws := strings.Fields(s)
	if len(ws) < 2 || len(ws) > 24 || len(s) > 200 {
		return nil
	}
	heads = segmentBy(ws, 5)
	for longest := len(ws) - 1; len(heads) == 1 && longest > 0; longest-- {
		heads = segmentBy(ws, longest)
	}
	heads = splitFirstHead(splitCodeHead(heads))
	if kinds, ok := headings(heads); !ok || fieldTable(kinds) || len(heads) < 2 {
		return nil
	}
	return heads
}

// segmentValues splits a line into the headings of values and their texts, or returns nil.
func segmentValues(s string) (heads []string) {
	ws := strings.Fields(s)
	for n := 1; n < len(ws) && n <= 3; n++ {
		if first := strings.Join(ws[:n], " "); numberHeads(normal(first)) {
			heads = segmentBy(ws[n:], 5)
			if len(heads) > 0 && !slices.ContainsFunc(heads, func(h string) bool { return kindOf(h) == ofField }) {
				return append([]string{first}, heads...)
			}
		}
	}
	return nil
}

// splitCodeHead splits a heading of statuses into one of codes and one of statuses, as in "Code
// HTTP", if no other heading names the codes.
func splitCodeHead(heads []string) []string {
	if slices.ContainsFunc(heads, func(h string) bool { k := kindOf(h); return k == ofCode || k == ofName }) {
		return heads
	}
	for i, h := range heads {
		code, status, ok := strings.Cut(h, " ")
		if !ok || vocabulary[normal(code)] != ofCode || vocabulary[normal(status)] != ofStatus {
			continue
		}
		end := i + 1
		if end < len(heads) && vocabulary[normal(status+" "+heads[end])] == ofStatus { // Code | HTTP Status
			status, end = status+" "+heads[end], end+1
		}
		return slices.Replace(slices.Clone(heads), i, end, code, status)
	}
	return heads
}

// splitFirstHead splits the first heading, as in "Error Description Cause", if no heading names the
// codes: its first word does, and the rest names their texts.
func splitFirstHead(heads []string) []string {
	if len(heads) == 0 || slices.ContainsFunc(heads, func(h string) bool { k := kindOf(h); return k == ofCode || k == ofName }) {
		return heads
	}
	code, text, ok := strings.Cut(heads[0], " ")
	if k := vocabulary[normal(code)]; !ok || k != ofCode && k != ofName || vocabulary[normal(text)] == unknown {
		return heads
	}
	return append([]string{code, text}, heads[1:]...)
}

// segmentBy splits words into headings of up to longest words each. It returns nil if words are
// left over.
func segmentBy(ws []string, longest int) (heads []string) {
	for i := 0; i < len(ws); {
		n := min(longest, len(ws)-i)
		for ; n > 0; n-- {
			w := strings.Join(ws[i:i+n], " ")
			if inVocabulary(w) || n == 1 && w[0] >= 0x80 && kindOf(w) != unknown {
				break
			}
		}
		if n == 0 {
			return nil
		}
		heads = append(heads, strings.Join(ws[i:i+n], " "))
		i += n
	}
	return heads
}

// cutting says how a run of words is cut into texts.
type cutting struct {
	capitals bool // a text begins at a capital letter even without a full stop before it
	words    bool // as many words as texts are a text each
}

// parts cuts a run of words into n texts.
func (by cutting) parts(s string, n int) []string {
	out := make([]string, n)
	for i := range n {
		out[i] = s
		if i == n-1 {
			break
		}
		cut := -1
		capital, sentence := boundaries(s)
		switch fields := strings.Fields(s); {
		case by.words && len(fields) == n-i:
			cut = len(fields[0])
		case by.capitals && capital >= 0 || sentence < 0:
			cut = capital
		default:
			cut = sentence
		}
		if cut < 0 {
			break
		}
		out[i], s = strings.TrimSpace(s[:cut]), strings.TrimSpace(s[cut:])
	}
	return out
}

// boundaries returns where a second text may begin: capital is the first word whose capital letter
// begins a sentence, and sentence is the end of the first sentence or the place where the script
// changes. -1 means nowhere.
func boundaries(s string) (capital, sentence int) {
	capital, sentence = -1, -1
	wide := false
	for i, r := range s {
		if wide = wide || r > 0x2E80; r != ' ' || i == 0 || i+1 >= len(s) || i > 400 {
			continue
		}
		next, _ := utf8.DecodeRuneInString(s[i+1:])
		word, rest, _ := strings.Cut(s[i+1:min(len(s), i+60)], " ")
		following, _ := utf8.DecodeRuneInString(rest)
		if sentence < 0 && (endsSentence(s[:i]) && (unicode.IsUpper(next) || next > 0x2E80) || !wide && strings.ContainsFunc(word, func(r rune) bool { return r > 0x2E80 && r < 0xD800 })) {
			sentence = i
		}
		if capital < 0 && unicode.IsUpper(next) && (starter[word] || len(word) > 1 && unicode.IsLower(following) && strings.ToLower(word[1:]) == word[1:]) {
			capital = i
		}
	}
	return capital, sentence
}

// starter are words that begin sentences although the next word is not a plain one.
var starter = map[string]bool{"The": true, "A": true, "An": true, "This": true, "You": true, "Your": true, "It": true, "No": true, "If": true, "When": true, "Some": true, "One": true, "There": true, "Please": true, "Contact": true, "Check": true}
