package vendorpage

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// record is a code with what stands below it.
type record struct {
	line   int
	term   string   // the code, and what belongs to it such as a status in brackets
	beside string   // the text in the same line
	body   []string // paragraphs
	fields []field  // lines such as "Cause: …"
}

// field is a named text of a record.
type field struct{ name, text string }

// colons are the plain one and that of Chinese and Japanese.
const colons = ":\uff1a"

var (
	bullet    = regexp.MustCompile(`^(#{1,6}\s+|[-*+•·]\s+|:\s+)?(.*)$`)
	separator = regexp.MustCompile(`^\s*(?:[:\x{ff1a}]\s*|[-–—]+\s+|\t+|\s{2,})`)
	aboutCode = regexp.MustCompile(`^(?i:error code|error|code|exception|错误码|错误代码|fehler|erreur|エラーコード|오류)\s*[:\x{ff1a} #]\s*`)
)

// start is how a line begins a record.
type start struct {
	mark string // the kind of line: a heading's level, a bullet, bold, code, or "" for a plain line; and its separator
	code string
	text string // behind the code
}

// start is startOf, which is asked for a line many times and therefore remembered.
func (l *line) start() maybeStart {
	if l.begins == nil {
		s, ok := startOf(l.text)
		l.begins = &maybeStart{s, ok, ok && codeStrength(codePart(s.code)) == number}
	}
	return *l.begins
}

// maybeStart is the start of a record, or not.
type maybeStart struct {
	start
	ok     bool
	number bool // the code is a number
}

// opening is how a line begins: what marks it, and the rest.
type opening struct {
	mark  string
	rest  string
	named bool // it says that a code follows: "Error code: …"
}

// openingOf takes the marks from the start of a line.
func openingOf(l string) opening {
	m := bullet.FindStringSubmatch(strings.TrimSpace(l))
	o := opening{mark: strings.TrimSpace(m[1]), rest: m[2]}
	if indent := len(l) - len(strings.TrimLeft(l, " \t")); indent > 3 && o.mark != "" && o.mark[0] != '#' {
		o.mark += ">"
	}
	bare := strings.TrimLeft(o.rest, "*`")
	if p := aboutCode.FindString(bare); p != "" && (o.mark != "" || strings.ContainsAny(p, colons)) {
		o.rest = strings.TrimLeft(bare[len(p):], " *`:")
		o.named = true
		o.mark += "=" + strings.ToLower(p)
	}
	return o
}

// startOf reports whether a line can begin a record: with a code that is set in bold or as code, with a status
// and its phrase, or with a plain code, which has to be parted from what follows it.
func startOf(l string) (s start, ok bool) {
	if len(l) > 400 {
		return s, false
	}
	o := openingOf(l)
	if inner, behind, mark, ok := unwrap(o.rest); ok {
		return wrappedStart(o.mark+mark, inner, behind)
	}
	if s, ok := statusStart(o); ok {
		return s, true
	}
	return plainStart(o)
}

// unwrap takes the text in bold or set as code from the start of a line.
func unwrap(s string) (inner, behind, mark string, ok bool) {
	for _, w := range []struct{ opening, closing string }{{"**`", "`**"}, {"`", "`"}, {"**", "**"}} {
		if within, found := strings.CutPrefix(s, w.opening); found {
			inner, behind, found = strings.Cut(within, w.closing)
			return inner, behind, w.opening, found && inner != ""
		}
	}
	return "", "", "", false
}

// wrappedStart judges a line that begins with a code in bold or set as code. Where the line goes on as a
// sentence does, as in "`Linger` is now called `ProducerLinger`", it begins no record; nor where it
// describes a parameter, as in "`code` (string): …".
func wrappedStart(mark, inner, behind string) (s start, ok bool) {
	inner, behind = strings.Trim(inner, ":*` "), strings.TrimSpace(behind)
	code, _, text := splitCode(inner)
	if st := codeStrength(code); st == noCode || st == word && text != "" {
		return s, false
	}
	if first, _ := utf8.DecodeRuneInString(behind); text == "" && (unicode.IsLower(first) || strings.ContainsRune(",;./", first)) {
		return s, false
	}
	s = start{mark, inner, strings.TrimSpace(strings.TrimLeft(behind, ":-–—= "))}
	if text != "" {
		s.code, s.text = code, strings.TrimSpace(text+" "+s.text)
	}
	if strings.HasPrefix(behind, "(") {
		return s, codeStrength(s.code) > noCode && isStatus(strings.Trim(behind, "(): "))
	}
	return s, true
}

// statusStart judges a line that begins with a status of HTTP: "404 Not Found" alone, or "404: …" as a heading
// or a list item.
func statusStart(o opening) (s start, ok bool) {
	if n, phrase, ok := status(o.rest); ok && n > 0 && o.mark == "" && phrase != "" && registered(n) && len(o.rest) < 60 && isUpper(phrase) && o.rest[0] < 'A' {
		return start{"status", o.rest[:3], phrase}, true
	}
	if code, phrase, ok := leadingStatus(o.rest); ok && o.mark != "" {
		return start{o.mark + "status", code, phrase}, true
	}
	return s, false
}

// plainStart judges a line that begins with a plain code. The weaker the code, the more has to speak for
// it: a mark, or a colon or a dash behind it.
func plainStart(o opening) (s start, ok bool) {
	code := firstToken(o.rest)
	behind := o.rest[len(code):]
	sep := separator.FindString(behind)
	s = start{o.mark, code, strings.TrimSpace(behind[len(sep):])}
	behind = strings.TrimSpace(behind)
	st := codeStrength(code)
	switch {
	case st == noCode, st == word && o.mark == "", st == number && o.mark == "" && sep == "" && !o.named, o.mark == ":":
		return s, false
	case s.text == "" && sep == "" || behind == ":": // the code alone
		return s, st == mnemonic || st == number && o.mark != ""
	case sep == "" && strings.HasPrefix(behind, "(") && isStatus(strings.Trim(behind, "()"+colons+" ")):
		s.code, s.text = code+" "+strings.TrimRight(behind, colons+" "), ""
		return s, true
	case sep == "":
		return s, o.named && st >= number
	}
	s.mark += "sep" + strings.TrimSpace(sep)
	switch st {
	case number:
		year := len(code) == 4 && (code[:2] == "19" || code[:2] == "20") && s.mark == "sep-"
		return s, !year && (s.mark != "sep" || o.named)
	case word:
		return s, s.mark[0] != 's' // there is a mark before the separator
	}
	return s, true
}

// firstToken is the text before the first space, bracket or colon. A colon with no space behind it belongs to
// the text.
func firstToken(s string) string {
	end := strings.IndexAny(s, " \t(\uff08"+colons)
	if end > 0 && s[end] == ':' && end+1 < len(s) && s[end+1] != ' ' && s[end+1] != '\t' {
		if next := strings.IndexAny(s[end+1:], " \t"); next >= 0 {
			end += 1 + next
		} else {
			end = -1
		}
	}
	if end < 0 {
		end = len(s)
	}
	return strings.TrimRight(s[:end], colons+",")
}

// leadingStatus reads "404 Not Found" and "404: …" at the start of a heading or list item.
func leadingStatus(s string) (code, phrase string, ok bool) {
	if len(s) < 5 {
		return "", "", false
	}
	n, _, ok := status(s[:3])
	if !ok || n == 0 || !registered(n) || s[3] != ' ' {
		return "", "", false
	}
	return s[:3], strings.TrimSpace(strings.TrimLeft(s[3:], " -–—:")), true
}

// fieldOf reads a line such as "Cause: …" or "**HTTP status**: 400", whose name the vocabulary has.
func fieldOf(l string) (f field, ok bool) {
	t := strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(l), "-•>*_` "))
	if h, found := strings.CutPrefix(strings.TrimSpace(l), "#"); found {
		name := strings.TrimSpace(strings.TrimLeft(h, "# "))
		return field{name: name}, vocabulary[normal(name)] != unknown
	}
	i := strings.IndexAny(t, colons)
	if i < 0 || i > 60 {
		return f, false
	}
	name := strings.Trim(t[:i], "*_` ")
	text := strings.TrimSpace(strings.TrimLeft(strings.TrimLeft(t[i:], colons), "*_` "))
	k := vocabulary[normal(name)]
	return field{name, text}, k != unknown && k != ofField && k != ofNote && !counted[normal(name)]
}

// counted are names of a line that say nothing of an error.
var counted = map[string]bool{"no": true, "number": true, "#": true, "id": true}

// findRecords reads codes that stand at the head of their texts: a definition list in Markdown or text,
// headings with paragraphs below, or lines with named fields. Without a table's headings to vouch for it, it
// has to have at least two codes that begin in the same way.
func findRecords(lines []line, at int) (*grid, int) {
	if g, next := findFielded(lines, at); g != nil {
		return g, next
	}
	first := lines[at].start()
	if !first.ok {
		return nil, 0
	}
	l := recordList{lines: lines, mark: first.mark, numbers: first.number}
	if !l.goesOn(at) {
		return nil, 0
	}
	all, end := l.read(at)
	if len(all) < 2 || len(all) < judged && !listed(all, first.mark) {
		return nil, 0
	}
	return recordsGrid(lines[at].n, all), end
}

// recordList is a list of records that all begin alike.
type recordList struct {
	lines   []line
	mark    string
	numbers bool // the codes are numbers
}

// begins reports whether a record of the list begins at a line.
func (l recordList) begins(i int) (start, bool) {
	s := l.lines[i].start()
	return s.start, s.ok && s.mark == l.mark && s.number == l.numbers
}

// goesOn reports whether a second record begins close below the first.
func (l recordList) goesOn(at int) bool {
	for i := at + 1; i < len(l.lines) && i < at+60; i++ {
		if _, ok := l.begins(i); ok {
			return true
		}
	}
	return false
}

// next finds the line at which the record above it ends at the latest; more says that another begins there.
func (l recordList) next(i int) (next int, more bool) {
	for next = i; next < len(l.lines) && next < i+80; next++ {
		if _, ok := l.begins(next); ok || outranks(l.lines[next].text, l.mark) {
			break
		}
	}
	if next < len(l.lines) {
		_, more = l.begins(next)
	}
	return next, more
}

// read reads the records; none where the first of them show that they are no list of codes.
func (l recordList) read(at int) (all []record, end int) {
	longest := 0 // the most paragraphs that a record has had
	for i := at; i < len(l.lines); {
		s, ok := l.begins(i)
		if !ok {
			break
		}
		r := record{line: l.lines[i].n, term: s.code, beside: s.text}
		i++
		if r.beside == "" && tableBelow(l.lines, i) {
			return nil, 0
		}
		next, more := l.next(i)
		used := r.read(l.lines[i:min(next, len(l.lines))], !more, longest, l.mark)
		longest = max(longest, len(r.body)+len(r.fields))
		all = append(all, r)
		if len(all) == judged && !listed(all, l.mark) || len(all) == 3 && l.mark == "" && bareWords(all) {
			return nil, 0
		}
		end = i + used
		if !more || bulleted(l.mark) && strings.TrimSpace(peek(l.lines[:next], end)) != "" {
			break
		}
		i = next
	}
	return all, end
}

// tableBelow tells whether a table with pipes comes next: then what stands above it is its title.
func tableBelow(lines []line, at int) bool {
	for at < len(lines) && lines[at].blank() {
		at++
	}
	return at+1 < len(lines) && hasPipe(lines[at]) && isRuler(lines[at+1].text)
}

// bareWords tells whether records have no text at all, as the items of a menu.
func bareWords(all []record) bool {
	return !slices.ContainsFunc(all, func(r record) bool { return r.beside != "" || len(r.body)+len(r.fields) > 0 })
}

// judged is how many records tell whether they are codes with texts. It takes no more, so that a long run of
// something else costs little.
const judged = 20

// listed tells whether records are a list of codes.
func listed(all []record, mark string) bool {
	return !doubtful(all) && (mark != "" || convincing(all))
}

// outranks tells whether a line is a heading that ends what stands under a mark.
func outranks(l, mark string) bool {
	t := strings.TrimSpace(l)
	level := len(t) - len(strings.TrimLeft(t, "#"))
	own := strings.Count(strings.SplitN(mark, "=", 2)[0], "#")
	return level > 0 && (own == 0 || level <= own)
}

// read takes a record's paragraphs and fields from the lines below its code. Below the last record of a list
// other text may follow, so there it takes no more than a record had before.
func (r *record) read(lines []line, last bool, longest int, mark string) (used int) {
	b := bodyReader{record: r, last: last, longest: longest, mark: mark}
	b.begin()
	for i, l := range lines {
		text := strings.TrimSpace(l.text)
		if text == "" {
			b.blank()
			continue
		}
		if junk(text) && len(text) < 100 || strings.HasPrefix(text, "---") {
			break
		}
		if first, _ := utf8.DecodeRuneInString(text); b.beside && !strings.HasPrefix(l.text, " ") && !unicode.IsLower(first) {
			b.flush() // the text beside the code does not go on
		}
		if fs := fieldsOf(text); len(fs) > 0 {
			b.addFields(fs)
			used = i + 1
			continue
		}
		if i > 0 && b.dedented(l.text) || b.enough(text) {
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

// bodyReader reads what stands below a record's code.
type bodyReader struct {
	*record
	mark      string
	last      bool // no record follows this one
	longest   int  // the most paragraphs that a record above has had
	paragraph []string
	beside    bool // the paragraph goes on with the text beside the code
	inField   bool // paragraphs belong to the last field
}

// begin begins with the text beside the code, which may go on in the next lines unless it is a heading's.
func (b *bodyReader) begin() {
	if b.record.beside == "" {
		return
	}
	if b.beside = !strings.HasPrefix(b.mark, "#") && b.mark != "status"; b.beside {
		b.paragraph = []string{b.record.beside}
	}
	b.record.beside = plain(b.record.beside)
}

// flush ends the paragraph and puts it where it belongs.
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

// blank ends a paragraph, and a field that has its text.
func (b *bodyReader) blank() {
	b.flush()
	if b.inField && b.fields[len(b.fields)-1].text != "" {
		b.inField = false
	}
}

// addFields begins new fields; the text of the last may go on in the next lines.
func (b *bodyReader) addFields(fs []field) {
	b.flush()
	b.fields = append(b.fields, fs...)
	b.inField = true
	if f := &b.fields[len(b.fields)-1]; f.text != "" {
		b.paragraph, f.text = []string{f.text}, ""
	}
}

// addLine adds a line to the paragraph, without Markdown's marks of a definition and a quotation.
func (b *bodyReader) addLine(l string) {
	text := strings.TrimLeft(strings.TrimPrefix(strings.TrimSpace(l), ": "), "> ")
	if strings.HasPrefix(l, "  ") {
		text = "  " + text // an indented line goes on with the one above
	}
	b.paragraph = append(b.paragraph, text)
}

// paragraphs counts what has been read below the code.
func (b *bodyReader) paragraphs() int { return len(b.body) + len(b.fields) }

// dedented reports whether a line stands behind a list item: only what is indented belongs to the item.
func (b *bodyReader) dedented(l string) bool {
	return bulleted(b.mark) && l[0] != ' ' && l[0] != '\t' && len(b.paragraph) == 0
}

// enough reports whether the last record has as much as the longest above had, so that what follows is
// other text.
func (b *bodyReader) enough(text string) bool {
	return b.last && len(b.paragraph) == 0 && !b.inField && (b.paragraphs() >= b.longest || strings.HasPrefix(text, "#"))
}

// titles reports whether a line is a title above the next record.
func (b *bodyReader) titles(lines []line, i int) bool {
	return !bulleted(b.mark) && !b.last && b.paragraphs() > 0 && len(b.paragraph) == 0 && titleAtEnd(lines, i)
}

// joinLines makes one text of the lines of a paragraph. A list item is a line of its own, and so is what
// follows a short sentence.
func joinLines(lines []string) string {
	text := lines[0]
	for i, l := range lines[1:] {
		above := lines[i]
		item := strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "* ")
		if item || !strings.HasPrefix(l, "  ") && endsSentence(above) && len([]rune(above)) < 60 {
			text += "\n" + l
		} else {
			text = wrap(text, strings.TrimSpace(l))
		}
	}
	return text
}

// titleAtEnd tells whether the last line, alone between blank ones, is a title above the next record.
func titleAtEnd(lines []line, i int) bool {
	text := strings.TrimSpace(lines[i].text)
	return i > 0 && lines[i-1].blank() && strings.TrimSpace(peek(lines, i+1)) == "" && len(strings.Fields(text)) <= 5 && !endsSentence(text)
}

// bulleted tells whether records are list items.
func bulleted(mark string) bool {
	return mark != "" && strings.ContainsAny(mark[:1], "-*+•") && !strings.HasPrefix(mark, "**")
}

// fieldsOf reads a line of one field, or of several parted by semicolons.
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

// keyed reads a line that begins a record by naming its code: "Error code: X".
func keyed(l string) (fs []field, ok bool) {
	if len(l) > 300 {
		return nil, false
	}
	if fs = fieldsOf(l); len(fs) == 0 || vocabulary[normal(fs[0].name)] != ofCode {
		return nil, false
	}
	return fs, codeStrength(codePart(strings.Trim(fs[0].text, "`* "))) >= number
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
	end := at
	longest, fields := 1, 0
	for i := at; i < len(lines); {
		fs, ok := begins(i)
		if !ok {
			break
		}
		r := record{line: lines[i].n, term: strings.Trim(fs[0].text, "`* "), fields: fs[1:]}
		i++
		next, more := i, false
		for ; next < len(lines) && next < i+80; next++ {
			if _, more = begins(next); more {
				break
			}
		}
		used := r.read(lines[i:min(next, len(lines))], !more, longest, "")
		longest = max(longest, len(r.body)+len(r.fields))
		fields += len(r.fields)
		if all = append(all, r); len(all) == judged && fields < judged {
			return nil, 0
		}
		if end = i + used; !more {
			break
		}
		i = next
	}
	if len(all) < 2 || len(all) < judged && fields < len(all) {
		return nil, 0
	}
	return recordsGrid(lines[at].n, all), end
}

// recordsGrid makes a grid of records: a column for the code, one for the text beside it, one for each field
// and one for the paragraphs below.
func recordsGrid(at int, all []record) *grid {
	var names []string // of the fields
	for i := range all {
		all[i].liftFields()
		for _, f := range all[i].fields {
			if nameIndex(names, f.name) < 0 && len(names) < maxColumns {
				names = append(names, f.name)
			}
		}
	}
	codeName, besideName := recordHeads(all, names)
	heads := append([]string{codeName, besideName}, names...)
	heads = append(heads, "Description ")
	g := &grid{line: at, headed: true, bare: true, spans: true, rows: []gridRow{{line: at, cells: heads}}}
	for _, r := range all {
		cells := make([]string, len(heads))
		cells[0], cells[1] = r.split()
		for _, f := range r.fields {
			if i := nameIndex(names, f.name); i >= 0 {
				cells[i+2] = addParagraph(cells[i+2], plain(f.text))
			}
		}
		text := strings.Join(r.body, "\n")
		if cells[1] != "" && besideName == "Description" {
			cells[1], text = addParagraph(cells[1], text), ""
		}
		cells[len(cells)-1] = text
		g.rows = append(g.rows, gridRow{line: r.line, cells: cells})
	}
	return dropEmpty(g)
}

func nameIndex(names []string, name string) int {
	return slices.IndexFunc(names, func(n string) bool { return normal(n) == normal(name) })
}

// liftFields makes fields of paragraphs that are fields after all, as in a <dd>.
func (r *record) liftFields() {
	if len(r.fields) > 0 || len(r.body) == 0 {
		return
	}
	var body []string
	for _, p := range r.body {
		if fs := fieldsOf(p); len(fs) > 0 && fs[0].text != "" {
			r.fields = append(r.fields, fs...)
		} else {
			body = append(body, p)
		}
	}
	r.body = body
}

// recordHeads names the column of the codes and that of the texts beside them. A text beside the code is the
// message where others follow it or where it is short, else it describes. Where a field is the message, the
// text beside the code is the error's name.
func recordHeads(all []record, names []string) (code, beside string) {
	besides, below, short, statuses := 0, 0, 0, 0
	for _, r := range all {
		code, text := r.split()
		if isStatus(strings.ReplaceAll(r.term, "\n", " ")) || isStatus(code) {
			statuses++
		}
		if text != "" {
			besides++
			if !endsSentence(text) && len([]rune(text)) <= 80 {
				short++
			}
		}
		if len(r.body) > 0 {
			below++
		}
	}
	code, beside = "Code", "Description"
	if 2*statuses > len(all) {
		code = "Status code"
	}
	if 2*below > len(all) && besides > 0 || len(names) > 0 || 2*short > besides || 2*statuses > len(all) {
		beside = "Message"
	}
	if slices.ContainsFunc(names, func(n string) bool { return kindOf(n) == ofMessage }) {
		beside = "Name"
	}
	return code, beside
}

// split parts the code from the text beside it.
func (r record) split() (code, text string) {
	if r.beside != "" {
		return r.term, r.beside
	}
	if code, phrase, ok := leadingStatus(r.term); ok {
		return code, phrase
	}
	code, stat, text := splitCode(r.term)
	if stat > 0 {
		return r.term, "" // rows.go reads the status
	}
	return code, text
}

// doubtful tells whether too many of the terms look like prose, or are the members of a message.
func doubtful(all []record) bool {
	sure := 0
	for _, r := range all {
		if code, _ := r.split(); codeStrength(code) >= number || isStatus(r.term) {
			sure++
		}
	}
	return len(all) == 0 || sure*10 < len(all)*7 || fieldList(all)
}

// dropEmpty leaves out the columns that no record has.
func dropEmpty(g *grid) *grid {
	keep := make([]bool, len(g.rows[0].cells))
	keep[0] = true
	for _, r := range g.rows[1:] {
		for i, c := range r.cells {
			keep[i] = keep[i] || c != ""
		}
	}
	for n := range g.rows {
		var cells []string
		for i, c := range g.rows[n].cells {
			if keep[i] {
				cells = append(cells, strings.TrimSpace(c))
			}
		}
		g.rows[n].cells = cells
	}
	return g
}

// fieldList tells whether the terms are the members of a message and no codes.
func fieldList(all []record) bool {
	n := 0
	for _, r := range all {
		code, _ := r.split()
		switch k := vocabulary[normal(code)]; {
		case k == ofCode || k == ofMessage || k == ofText || k == ofField || k == ofName && len(all) < 6:
			n++
		case strings.HasPrefix(code, "error_") || strings.HasSuffix(code, "_id"):
			n++
		}
	}
	return n*3 > len(all)
}

// convincing tells whether plain lines with codes are a list of codes, and not a menu of names: nearly all have
// a text that reads like one.
func convincing(all []record) bool {
	good := 0
	for _, r := range all {
		if len(r.fields) > 0 || len(r.body) > 0 && prose(r.body[0]) || r.beside != "" {
			good++
		}
	}
	return len(all) >= 2 && good*4 >= len(all)*3 && (len(all) > 2 || len(all[0].fields) > 0)
}
