package vendorpage

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	regexp "errata/internal/lazyregexp"
)

// record is a code with the texts below it.
type record struct {
	line   int
	indent int      // of its line, if it is a list item
	coded  bool     // the code is set as code
	term   string   // the code, with what belongs to it, such as a status in brackets
	beside string   // the text in the same line
	body   []string // paragraphs
	fields []field  // lines such as "Cause: …"
}

// field is a named text of a record.
type field struct{ name, text string }

// colons are the plain colon and the one of Chinese and Japanese.
const colons = ":\uff1a"

// fieldOf reads a line such as "Cause: …" or "**HTTP status**: 400" whose name is in the
// vocabulary.
func fieldOf(l string) (f field, ok bool) {
	t := strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(l), "-•>*_` "))
	if h, found := strings.CutPrefix(strings.TrimSpace(l), "#"); found {
		name := strings.TrimSpace(strings.TrimLeft(h, "# "))
		return field{name: name}, vocabulary[normal(name)] != unknown
	}
	t = rstField.ReplaceAllString(t, "$1: ")
	i := strings.IndexAny(t, colons)
	if bold, found := strings.CutPrefix(strings.TrimSpace(l), "**"); found && i < 0 && strings.HasSuffix(bold, "**") { // **Common causes**
		name := strings.TrimSpace(strings.TrimSuffix(bold, "**"))
		return field{name: name}, slices.Contains([]kind{ofCause, ofRemedy, ofText, ofMessage}, vocabulary[normal(name)])
	}
	if i < 0 || i > 60 {
		return f, false
	}
	name := strings.Trim(t[:i], "*_` ")
	text := strings.TrimSpace(strings.TrimLeft(strings.TrimLeft(t[i:], colons), "*_` "))
	for _, mark := range []string{"*", "`"} {
		if strings.HasSuffix(text, mark) && strings.Count(text, mark)%2 == 1 {
			text = strings.TrimRight(text, mark) // it closes what was taken off
		}
	}
	k := vocabulary[normal(name)]
	return field{name, text}, k != unknown && k != ofField && (k != ofNote || normal(name) == "notes") && !counted[normal(name)]
}

// rstField matches the name of a field as reStructuredText writes it: ":Description: …".
var rstField = regexp.MustCompile(`^:([\pL][\pL ]*):(?: +|$)`)

// counted are names that only number a line and say nothing about an error.
var counted = map[string]bool{"no": true, "number": true, "#": true, "id": true}

// findRecords reads codes that precede their texts: a definition list in Markdown or text, headings
// with paragraphs below them, or lines with named fields. No row of headings vouches for such a
// table, so it needs at least two codes that begin in the same way.
func findRecords(lines []line, at int) (*grid, int) {
	for _, find := range []func([]line, int) (*grid, int){findFielded, findLabelled} {
		if g, next := find(lines, at); g != nil {
			return g, next
		}
	}
	first := lines[at].start()
	if !first.ok {
		return nil, 0
	}
	l := recordList{lines: lines, mark: first.mark, numbers: first.number}
	if !l.hasSecond(at) || fieldAbove(lines[:at], first.mark) {
		return nil, 0
	}
	all, end := l.read(at)
	if len(all) < 2 || len(all) < judged && !listed(all, first.mark) {
		return nil, 0
	}
	g := recordsGrid(lines[at].n, all)
	if g.mark = first.mark; errorMark.MatchString(g.mark) {
		g.topic = ofCodes // each of them is called an error
	}
	return g, end
}

// fieldAbove reports whether the list item right above describes a member of a message, so that the
// items below it do too.
func fieldAbove(lines []line, mark string) bool {
	if len(lines) == 0 || !bulleted(mark) {
		return false
	}
	o := openingOf(lines[len(lines)-1].text)
	name, _, _, ok := unwrap(o.rest)
	return ok && bulleted(o.mark) && fieldNames[vocabulary[normal(name)]]
}

// fieldNames are what the names of the members of an error announce.
var fieldNames = map[kind]bool{ofStatus: true, ofCode: true, ofMessage: true, ofText: true, ofField: true}

// errorMark matches the mark of records of which each begins with "Error".
var errorMark = regexp.MustCompile(`=(?:error|exception|错误|fehler|erreur|エラー|오류)`)

// recordList is a list of records that all begin alike.
type recordList struct {
	lines   []line
	mark    string
	numbers bool // the codes are numbers
}

// begins reports whether a record of the list begins at a line.
func (l recordList) begins(i int) (start, bool) {
	s := l.lines[i].start()
	like := s.mark == l.mark
	if l.numbers { // some of them may look like statuses
		base, _, _ := strings.Cut(l.mark, "sep")
		like = like || s.mark == base+"status" || bulleted(l.mark) && s.mark+"status" == l.mark
	}
	return s.start, s.ok && like && s.number == l.numbers
}

// hasSecond reports whether a second record begins soon after the first.
func (l recordList) hasSecond(at int) bool {
	for i := at + 1; i < len(l.lines) && i < at+60; i++ {
		if _, ok := l.begins(i); ok {
			return true
		}
	}
	return false
}

// next returns the line where the record above it ends at the latest, and the line where another
// record begins, if more is true. A heading of a section may be between them.
func (l recordList) next(i int) (end, next int, more bool) {
	if end, more = l.recordEnd(i); more || end == len(l.lines) || !strings.HasPrefix(l.mark, "#") && !l.section(end) {
		return end, end, more
	}
	for next = end + 1; next < len(l.lines) && next < end+sectionLines; next++ {
		if _, more = l.begins(next); more {
			return end, next, true
		}
		if text := l.lines[next].text; hasPipe(l.lines[next]) || strings.Contains(text, "\t") {
			break // the section has a table
		}
	}
	return end, end, false
}

// section reports whether a line is a title above list items: a status, or an item right above a
// record that is not indented less. Nested lists of HTML have no indent.
func (l recordList) section(i int) bool {
	if !bulleted(l.mark) {
		return false
	}
	text := strings.TrimSpace(l.lines[i].text)
	if titleStatus(text, rankOf(l.lines[i].text)) > 0 {
		return true
	}
	below := i + 1
	for below < len(l.lines) && l.lines[below].blank() {
		below++
	}
	if below == len(l.lines) || !itemMark.MatchString(text) || len(strings.Fields(text)) > 6 || endsSentence(text) || indentOf(l.lines[i].text) > indentOf(l.lines[below].text) {
		return false
	}
	if otherThings.MatchString(text) || otherCodes.MatchString(text) {
		return false
	}
	_, ok := l.begins(below)
	return ok
}

// sectionLines limits the lines between the heading of a section and the first record in it.
const sectionLines = 6

// recordEnd returns the line where the record above it ends at the latest. more reports whether
// another record begins there.
func (l recordList) recordEnd(i int) (next int, more bool) {
	fenced := false
	for next = i; next < len(l.lines) && next < i+80; next++ {
		if isSampleFence(l.lines[next].text, l.mark) {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		if _, ok := l.begins(next); ok || outranks(l.lines[next].text, l.mark) || l.section(next) {
			break
		}
	}
	if next < len(l.lines) {
		_, more = l.begins(next)
	}
	return next, more
}

// read reads the records. It returns none if the first ones show that they are not a list of codes.
func (l recordList) read(at int) (all []record, end int) {
	longest := 0 // the most paragraphs that a record had
	for i := at; i < len(l.lines); {
		s, ok := l.begins(i)
		if !ok {
			break
		}
		r := record{line: l.lines[i].n, indent: indentOf(l.lines[i].text), term: s.code, beside: s.text}
		if strings.Trim(r.beside, `"'`) == r.term {
			r.beside = "" // the value of a constant that is its name
		}
		r.coded = strings.Contains(l.mark, "`") && (strings.HasPrefix(l.mark, "#") || strings.Contains(s.code, "/"))
		lead := l.leadStatus(i, all)
		i++
		if (r.beside == "" || strings.HasSuffix(l.mark, "status")) && tableBelow(l.lines, i) || r.beside == "" && isStatus(r.term) && l.listBelow(i, r.indent) {
			return nil, 0
		}
		last, next, more := l.next(i)
		used := r.read(l.lines[i:min(last, len(l.lines))], !more, len(all) > 0, longest, l.mark)
		longest = max(longest, len(r.body)+len(r.fields))
		r.liftStatus()
		if lead != "" {
			r.fields = append(r.fields, field{"HTTP status", lead})
		}
		all = append(all, r)
		if len(all) == judged && !listed(all, l.mark) || len(all) == 3 && l.mark == "" && textless(all) {
			return nil, 0
		}
		end = i + used
		if !more || bulleted(l.mark) && strings.TrimSpace(peek(l.lines[:last], end)) != "" {
			break
		}
		i = next
	}
	return all, end
}

// leadStatus returns the status that stands alone above the record that begins at a line, as on a
// card, or "". It does not belong to the record above, the last of those that were read.
func (l recordList) leadStatus(at int, all []record) string {
	for at--; at >= 0 && l.lines[at].blank(); at-- {
	}
	if at < 0 || bulleted(l.mark) {
		return ""
	}
	alone := strings.Trim(strings.TrimSpace(l.lines[at].text), "*`")
	if n, err := strconv.Atoi(alone); err != nil || n < 400 || !registered(n) {
		return ""
	}
	if len(all) > 0 {
		last := &all[len(all)-1]
		if n := len(last.body); n > 0 && last.body[n-1] == alone {
			last.body = last.body[:n-1]
		}
	}
	return alone
}

// tableBelow reports whether a table with pipes or with glued headings follows, so that the text
// above it is its title.
func tableBelow(lines []line, at int) bool {
	for at < len(lines) && lines[at].blank() {
		at++
	}
	if at+1 < len(lines) && gluedHeads(strings.TrimSpace(lines[at].text)) != nil {
		return true
	}
	if at+1 >= len(lines) || !hasPipe(lines[at]) {
		return false
	}
	return isRuler(lines[at+1].text) || closesCell(lines[at].text) && kindOf(strings.Trim(lines[at].text, "| ")) != unknown
}

// listBelow reports whether a list of codes is below a heading, or in a list item.
func (l recordList) listBelow(at, indent int) bool {
	for at < len(l.lines) && l.lines[at].blank() {
		at++
	}
	titles := strings.HasPrefix(l.mark, "#")
	if at == len(l.lines) || !titles && (!bulleted(l.mark) || indentOf(l.lines[at].text) <= indent) {
		return false
	}
	s := l.lines[at].start()
	return s.ok && bulleted(s.mark)
}

// textless reports whether records have no text at all, like the items of a menu.
func textless(all []record) bool {
	return !slices.ContainsFunc(all, func(r record) bool { return r.beside != "" || len(r.body)+len(r.fields) > 0 })
}

// judged is the number of records that decide whether a list is one of codes with texts. More are
// not considered, so that a long run of something else costs little.
const judged = 20

// listed reports whether records are a list of codes.
func listed(all []record, mark string) bool {
	return !doubtful(all) && (mark != "" || convincing(all))
}

// outranks reports whether a line is a heading that ends what belongs to a mark.
func outranks(l, mark string) bool {
	t := strings.TrimSpace(l)
	level := len(t) - len(strings.TrimLeft(t, "#"))
	own := strings.Count(strings.SplitN(mark, "=", 2)[0], "#")
	return level > 0 && (own == 0 || level <= own)
}

// read reads a record's paragraphs and fields from the lines below its code. Other text may follow
// the last record of a list, so the last record takes no more than an earlier one had.
func (r *record) read(lines []line, last, later bool, longest int, mark string) (used int) {
	b := bodyReader{record: r, last: last, longest: longest, mark: mark, later: later}
	b.begin()
	for i, l := range lines {
		text := strings.TrimSpace(l.text)
		if taken, counts := b.sample(lines, i, text); taken {
			if counts {
				used = i + 1
			}
			continue
		}
		if text == "" {
			b.blank()
			continue
		}
		if junk(text) && len(text) < 100 || strings.HasPrefix(text, "---") {
			break
		}
		if first, _ := utf8.DecodeRuneInString(text); b.beside && !strings.HasPrefix(l.text, " ") && !unicode.IsLower(first) {
			b.flush() // the text beside the code does not continue
		}
		if fs := fieldsOf(text); len(fs) > 0 {
			if b.repeatsStatus(fs[0]) { // that of something else, without a code
				b.paragraph = b.paragraph[:min(1, len(b.paragraph))]
				break
			}
			b.addFields(fs)
			b.level = levelOf(l.text)
			used = i + 1
			continue
		}
		if b.inField && levelOf(l.text) == b.level && namedItem.MatchString(text) {
			b.flush()
			b.inField = false
		}
		if b.dedented(l.text) && (i > 0 || indentOf(l.text) > 0 || b.indent > 0 && itemMark.MatchString(text)) || b.enough(text) {
			break
		}
		if strings.HasPrefix(text, "#") {
			b.flush()
			b.inField = false
		}
		if b.titles(lines, i) {
			used = len(lines)
			break
		}
		b.addLine(l.text)
		used = i + 1
	}
	b.flush()
	return used
}

// bodyReader reads the lines below a record's code.
type bodyReader struct {
	*record
	mark      string
	last      bool // no record follows this one
	longest   int  // the most paragraphs that an earlier record had
	later     bool // it is not the first record
	paragraph []string
	beside    bool // the paragraph continues the text beside the code
	inField   bool // paragraphs belong to the last field
	level     int  // of the last field, if it is a list item
	fenced    bool // the line is between fences,
	source    bool // which are those of source code
	sampleEnd int  // the line after the last sample response
}

// isSampleFence is isFence between records. Between list items of HTML, ~~~ is one too.
func isSampleFence(l, mark string) bool {
	return isFence(l) || bulleted(mark) && strings.TrimSpace(l) == "~~~"
}

// dropTitle forgets the title of an example, "Example:", as the last paragraph above it.
func (b *bodyReader) dropTitle() {
	if b.inField || b.beside {
		return
	}
	b.flush()
	if n := len(b.body); n > 0 && strings.HasSuffix(b.body[n-1], ":") && len(strings.Fields(b.body[n-1])) < 4 {
		b.body = b.body[:n-1]
	}
}

// dropLabel drops the line that announces a sample response: "Response:".
func (b *bodyReader) dropLabel() {
	if n := len(b.paragraph); n > 0 && strings.ContainsAny(b.paragraph[n-1][max(0, len(b.paragraph[n-1])-3):], colons) {
		b.paragraph = b.paragraph[:n-1]
	}
}

// inSample reports whether a line belongs to a sample response, which shows fields but has none.
func (b *bodyReader) inSample(lines []line, i int) bool {
	if i < b.sampleEnd {
		return true
	}
	if !strings.HasPrefix(strings.TrimSpace(lines[i].text), "{") {
		return false
	}
	end := bracesEnd(lines, i)
	if end <= i {
		return false
	}
	b.dropLabel()
	b.sampleEnd = end + 1
	return true
}

// repeatsStatus reports whether a field with a status comes again in the last record.
func (b *bodyReader) repeatsStatus(f field) bool {
	return b.last && kindOf(f.name) == ofStatus && slices.ContainsFunc(b.fields, func(of field) bool { return normal(of.name) == normal(f.name) })
}

// sample takes a line that is a fence, or inside of fences or a sample. It also reports whether the
// line counts as one of the record's.
func (b *bodyReader) sample(lines []line, i int, text string) (taken, counts bool) {
	switch {
	case isSampleFence(text, b.mark):
		tilde := text[0] == '~'
		if b.fenced, b.source = !b.fenced, sourceFence.MatchString(text) || tilde; b.fenced {
			b.dropTitle()
		}
		return true, tilde
	case b.fenced && b.source && !b.inField: // an example
		return true, false
	case b.fenced: // a comment of shell is no heading
		b.addLine(strings.TrimLeft(text, "# "))
		return true, true
	}
	taken = b.inSample(lines, i)
	return taken, taken
}

// namedItem matches a list item that begins with a name in bold: "- **Endpoints**: …".
var namedItem = regexp.MustCompile(`^(?:[-*]|[•·◦▪○‣]) (?:\*\*[^*]+\*\*\s*:|\*\*[^*]+:\*\*|__[^_]+__\s*:|__[^_]+:__)`)

// levelOf returns the indent of a list item, or -1 for another line.
func levelOf(l string) int {
	if !itemMark.MatchString(strings.TrimSpace(l)) {
		return -1
	}
	return indentOf(l)
}

// begin starts with the text beside the code, which may continue in the next lines unless the code
// is a heading.
func (b *bodyReader) begin() {
	if b.record.beside == "" {
		return
	}
	if b.beside = !strings.HasPrefix(b.mark, "#") && b.mark != "status"; b.beside {
		b.paragraph = []string{b.record.beside}
	}
	b.record.beside = plain(b.record.beside)
}

// flush ends the paragraph and stores it where it belongs.
func (b *bodyReader) flush() {
	if len(b.paragraph) == 0 {
		return
	}
	text := plain(joinLines(b.paragraph))
	switch {
	case b.beside:
		b.record.beside, b.beside = text, false
	case b.inField:
		f := &b.fields[len(b.fields)-1]
		f.text = addParagraph(f.text, text)
	default:
		b.body = append(b.body, text)
	}
	b.paragraph = nil
}

// blank ends a paragraph, and also a field that has its text.
func (b *bodyReader) blank() {
	b.flush()
	if b.inField && b.fields[len(b.fields)-1].text != "" {
		b.inField = false
	}
}

// addFields starts new fields. The text of the last one may continue in the next lines.
func (b *bodyReader) addFields(fs []field) {
	b.flush()
	b.fields = append(b.fields, fs...)
	b.inField = true
	if f := &b.fields[len(b.fields)-1]; f.text != "" {
		b.paragraph, f.text = []string{f.text}, ""
	}
}

// addLine adds a line to the paragraph, without Markdown's marks for headings, definitions and
// quotations.
func (b *bodyReader) addLine(l string) {
	text := strings.TrimLeft(strings.TrimPrefix(strings.TrimSpace(l), ": "), "> ")
	if strings.HasPrefix(text, "#") {
		text = strings.TrimSpace(strings.TrimLeft(text, "#"))
	}
	switch mark := itemMark.FindString(text); {
	case mark != "" && mark != "- ":
		text = "- " + strings.TrimSpace(text[len(mark):])
	case strings.HasPrefix(l, "  "):
		text = "  " + text // an indented line continues the one above
	}
	b.paragraph = append(b.paragraph, text)
}

// itemMark matches the mark of a list item.
var itemMark = regexp.MustCompile(`^(?:[-*]|[•·◦▪○‣]) `)

// paragraphs counts what was read below the code.
func (b *bodyReader) paragraphs() int { return len(b.body) + len(b.fields) }

// dedented reports whether a line follows a list item without being indented, so that it does not
// belong to the item.
func (b *bodyReader) dedented(l string) bool {
	indent := indentOf(l)
	if !bulleted(b.mark) {
		return indent < b.indent
	}
	return indent == 0 && len(b.paragraph) == 0 || indent < b.indent || indent == b.indent && itemMark.MatchString(strings.TrimSpace(l))
}

// indentOf returns the number of bytes of white space before a text.
func indentOf(l string) int { return len(l) - len(strings.TrimLeft(l, " \t")) }

// enough reports whether the last record has as much text as the longest one above, so that what
// follows is other text.
func (b *bodyReader) enough(text string) bool {
	return b.last && len(b.paragraph) == 0 && !b.inField && (b.paragraphs() >= b.longest || strings.HasPrefix(text, "#") && !strings.HasPrefix(b.mark, "#"))
}

// titles reports whether a line is a title above the next record.
func (b *bodyReader) titles(lines []line, i int) bool {
	if bulleted(b.mark) || b.last {
		return false
	}
	if b.record.beside != "" && b.longest+len(b.paragraph) == 0 && b.later && i == len(lines)-1 && capitalTitle.MatchString(strings.TrimSpace(lines[i].text)) {
		return true // no blank line is around it
	}
	if len(b.paragraph) > 0 || !titleAtEnd(lines, i) {
		return false
	}
	return b.paragraphs() > 0 || b.record.beside != "" && b.longest == 0 && b.later
}

// capitalTitle matches a title of several words that all begin with a capital.
var capitalTitle = regexp.MustCompile(`^\p{Lu}[\pL\d_]*(?: (?:and|of|&|\p{Lu}[\pL\d_]*)){1,4}$`)

// joinLines joins the lines of a paragraph. A list item stays a line of its own, without its mark,
// and so does the line after a short sentence.
func joinLines(lines []string) string {
	text := ""
	for i, l := range lines {
		item := strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "* ")
		bare := l
		if item {
			bare = strings.TrimSpace(l[2:])
		}
		switch {
		case i == 0:
			text = bare
		case item || !strings.HasPrefix(l, "  ") && endsSentence(lines[i-1]) && len([]rune(lines[i-1])) < 60:
			text += "\n" + bare
		default:
			text = wrap(text, strings.TrimSpace(bare))
		}
	}
	return text
}

// titleAtEnd reports whether the last line, between blank lines, is a title above the next record.
func titleAtEnd(lines []line, i int) bool {
	text := strings.TrimSpace(lines[i].text)
	return i > 0 && lines[i-1].blank() && strings.TrimSpace(peek(lines, i+1)) == "" && len(strings.Fields(text)) <= 5 && !endsSentence(text)
}

// bulleted reports whether records are list items.
func bulleted(mark string) bool {
	first, _ := utf8.DecodeRuneInString(mark)
	return mark != "" && strings.ContainsRune("-*+•·", first) && !strings.HasPrefix(mark, "**")
}

// fieldsOf reads a line with one field, or with several separated by semicolons.
func fieldsOf(l string) (fs []field) {
	f, ok := fieldOf(l)
	if !ok {
		return nil
	}
	parts := strings.Split(l, ";")
	if len(parts) > 1 {
		for _, p := range parts {
			g, ok := fieldOf(p)
			if !ok {
				return []field{f}
			}
			fs = append(fs, g)
		}
		return fs
	}
	return []field{f}
}

// keyed reads a line that starts a record by naming its code: "Error code: X".
func keyed(l string) (fs []field, ok bool) {
	if len(l) > 300 {
		return nil, false
	}
	if fs = fieldsOf(l); len(fs) == 0 || vocabulary[normal(fs[0].name)] != ofCode {
		return nil, false
	}
	fs[0].text = strings.Trim(plain(fs[0].text), "`* ")
	return fs, codeStrength(codePart(fs[0].text)) >= number || rangeOfCodes.MatchString(fs[0].text)
}

// findFielded reads records in which the code is a field too: "Error code: X", "Message: …".
func findFielded(lines []line, at int) (*grid, int) {
	fs, ok := keyed(lines[at].text)
	if !ok {
		return nil, 0
	}
	name := normal(fs[0].name)
	begins := func(i int) (fs []field, ok bool) {
		fs, ok = keyed(lines[i].text)
		return fs, ok && normal(fs[0].name) == name
	}
	var all []record
	var titles []string // the text right above each record
	end := at
	longest, fields := 1, 0
	group := statusAbove(lines[:at]) // the status of the records up to the next such field
	for i := at; i < len(lines); {
		fs, ok := begins(i)
		if !ok {
			break
		}
		r := record{line: lines[i].n, term: strings.Trim(fs[0].text, "`* "), fields: fs[1:]}
		if code, stat, text := splitCode(r.term); text != "" && stat == 0 {
			r.term, r.beside = code, text
		}
		titles = append(titles, titleOf(lines[:i], r.term))
		i++
		next, more := i, false
		for ; next < len(lines) && next < i+80; next++ {
			if _, more = begins(next); more {
				break
			}
		}
		body, status := withoutTitle(lines[i:min(next, len(lines))], more), group
		if group.name != "" {
			body, group = cutStatus(body, group)
		}
		used := r.read(body, !more, len(all) > 0, longest, "")
		longest = max(longest, len(r.body)+len(r.fields))
		if fields += len(r.fields); announcesCodes.MatchString(name) {
			fields += min(1, len(r.body)+len(r.beside))
		}
		if status.name != "" {
			r.fields = append(r.fields, status)
		}
		if all = append(all, r); len(all) == judged && fields < judged {
			return nil, 0
		}
		if end = i + used; !more {
			break
		}
		i = next
	}
	if len(all) < 2 || len(all) < judged && fields < len(all) && slices.Contains(titles, "") {
		return nil, 0
	}
	if !slices.Contains(titles, "") && !slices.ContainsFunc(all, func(r record) bool { return r.beside != "" }) {
		for i := range all {
			all[i].beside = titles[i]
		}
	}
	return recordsGrid(lines[at].n, all), end
}

// titleOf is titleAbove without a title that says no more than the code.
func titleOf(lines []line, code string) string {
	title := titleAbove(lines)
	if words := strings.Fields(title); strings.Contains(title, code) && len(words) <= 3 {
		return ""
	}
	return title
}

// withoutTitle returns the lines before a heading at their end, which is the title of the next
// record, if another follows.
func withoutTitle(lines []line, more bool) []line {
	end := len(lines)
	for end > 0 && lines[end-1].blank() {
		end--
	}
	if more && end > 0 && strings.HasPrefix(lines[end-1].text, "#") {
		return lines[:end-1]
	}
	return lines
}

// statusAbove returns the field with a status that the last lines end with, above the records that
// have it. The field has no name if there is none.
func statusAbove(lines []line) field {
	for i, seen := len(lines)-1, 0; i >= 0 && seen < 3; i-- {
		if lines[i].blank() {
			continue
		}
		seen++
		if f, ok := statusField(lines[i].text); ok {
			return f
		}
	}
	return field{}
}

// statusField reads a line that consists of a field with a status.
func statusField(l string) (field, bool) {
	f, ok := fieldOf(l)
	if !ok || kindOf(f.name) != ofStatus {
		return f, false
	}
	f.text = strings.Trim(plain(f.text), "`* ")
	return f, isStatus(f.text)
}

// cutStatus returns the lines above a field with a status, which is for the records that follow,
// and that field. Without one, it returns all the lines and the field of the records above.
func cutStatus(lines []line, above field) ([]line, field) {
	for i, l := range lines {
		if f, ok := statusField(l.text); ok {
			return lines[:i], f
		}
	}
	return lines, above
}

// titleAbove returns the last of the lines if it is a title, and not a text or a field, or "".
func titleAbove(lines []line) string {
	for i := len(lines) - 1; i >= 0 && i > len(lines)-4; i-- {
		text := strings.TrimSpace(lines[i].text)
		if text == "" {
			continue
		}
		title := plain(strings.TrimLeft(text, "# "))
		if strings.HasPrefix(text, "#") && title != "" {
			return title
		}
		if endsSentence(text) || len(strings.Fields(text)) > 8 || len(text) > 80 || strings.ContainsAny(text, "|{}"+colons) || len(fieldsOf(text)) > 0 {
			return ""
		}
		return title
	}
	return ""
}
