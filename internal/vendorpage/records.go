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

// startOf tells whether a line can begin a record.
func startOf(l string) (s start, ok bool) {
	if len(l) > 400 {
		return s, false
	}
	indent := len(l) - len(strings.TrimLeft(l, " \t"))
	m := bullet.FindStringSubmatch(strings.TrimSpace(l))
	s.mark = strings.TrimSpace(m[1])
	rest := m[2]
	if s.mark != "" && s.mark[0] != '#' && indent > 3 {
		s.mark += ">"
	}
	named := false
	if p := aboutCode.FindString(strings.TrimLeft(rest, "*`")); p != "" && (s.mark != "" || strings.ContainsAny(p, colons)) {
		rest = strings.TrimLeft(strings.TrimLeft(rest, "*`")[len(p):], " *`:")
		named = true
		s.mark += "=" + strings.ToLower(p)
	}
	// The code may be set in bold or as code.
	wrapped := ""
	for _, w := range []string{"**`", "`", "**"} {
		if strings.HasPrefix(rest, w) {
			closing := w
			if w == "**`" {
				closing = "`**"
			}
			if end := strings.Index(rest[len(w):], closing); end > 0 {
				wrapped = rest[len(w) : len(w)+end]
				rest = rest[len(w)+end+len(closing):]
				s.mark += w
			}
			break
		}
	}
	if wrapped != "" {
		wrapped = strings.Trim(wrapped, ":*` ")
		code, _, text := splitCode(wrapped)
		if st := codeStrength(code); st == noCode || st == word && text != "" {
			return s, false
		}
		if first, _ := utf8.DecodeRuneInString(strings.TrimSpace(rest)); text == "" && (unicode.IsLower(first) || strings.ContainsRune(",;./", first)) {
			return s, false // the name begins a sentence: "`Linger` is now called `ProducerLinger`"
		}
		s.code, s.text = wrapped, strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(rest), ":-–—= "))
		if text != "" {
			s.code, s.text = code, strings.TrimSpace(text+" "+s.text)
		}
		if strings.HasPrefix(strings.TrimSpace(rest), "(") { // "`code` (type): a parameter"
			return s, codeStrength(s.code) > noCode && isStatus(strings.Trim(strings.TrimSpace(rest), "(): "))
		}
		return s, true
	}
	if n, phrase, ok := status(rest); ok && n > 0 && s.mark == "" && phrase != "" && registered(n) && len(rest) < 60 && isUpper(phrase) && rest[0] < 'A' {
		return start{"status", rest[:3], phrase}, true
	}
	if code, phrase, ok := leadingStatus(rest); ok && s.mark != "" {
		s.code, s.text = code, phrase
		s.mark += "status"
		return s, true
	}
	end := strings.IndexAny(rest, " \t(\uff08"+colons)
	if end > 0 && rest[end] == ':' && end+1 < len(rest) && rest[end+1] != ' ' && rest[end+1] != '\t' { // a colon inside the code
		if next := strings.IndexAny(rest[end+1:], " \t"); next >= 0 {
			end += 1 + next
		} else {
			end = -1
		}
	}
	if end < 0 {
		end = len(rest)
	}
	code := strings.TrimRight(rest[:end], colons+",")
	st := codeStrength(code)
	behind := rest[len(code):]
	sep := separator.FindString(behind)
	s.code, s.text = code, strings.TrimSpace(behind[len(sep):])
	switch {
	case st == noCode || st == word && s.mark == "", st == number && s.mark == "" && sep == "" && !named:
		return s, false
	case s.mark == ":":
		return s, false
	case s.text == "" && sep == "" || strings.TrimSpace(behind) == ":":
		return s, st == mnemonic || st == number && s.mark != ""
	case sep == "" && strings.HasPrefix(strings.TrimSpace(behind), "(") && isStatus(strings.Trim(strings.TrimSpace(behind), "()"+colons+" ")):
		s.code, s.text = code+" "+strings.TrimRight(strings.TrimSpace(behind), colons+" "), ""
		return s, true
	case sep == "":
		return s, named && st >= number
	}
	s.mark += "sep" + strings.TrimSpace(sep)
	if len(code) == 4 && st == number && (code[:2] == "19" || code[:2] == "20") && s.mark == "sep-" {
		return s, false // a year
	}
	return s, st == mnemonic || (st == number && (s.mark != "sep" || named)) || st == word && s.mark[0] != 's'
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

// findRecords reads codes that stand at the head of their texts: a definition list in Markdown or text, headings
// with paragraphs below, or lines with named fields. Without a table's headings to vouch for it, it has to have at
// least two codes that begin in the same way.
func findRecords(lines []line, at int) (*grid, int) {
	if g, next := findFielded(lines, at); g != nil {
		return g, next
	}
	first, ok := startOf(lines[at].text)
	if !ok {
		return nil, 0
	}
	numbers := codeStrength(codePart(first.code)) == number
	same := func(i int) (start, bool) {
		s, ok := startOf(lines[i].text)
		return s, ok && s.mark == first.mark && (codeStrength(codePart(s.code)) == number) == numbers
	}
	begun := -1
	for i := at + 1; i < len(lines) && i < at+60; i++ {
		if _, ok := same(i); ok {
			begun = i
			break
		}
	}
	if begun < 0 {
		return nil, 0
	}
	var all []record
	end, longest := at, 0 // longest: the most paragraphs that a record has had
	for i := at; i < len(lines); {
		s, ok := same(i)
		if !ok {
			break
		}
		r := record{line: lines[i].n, term: s.code, beside: s.text}
		i++
		end = i
		if r.beside == "" && tableBelow(lines, i) {
			return nil, 0
		}
		next := i // where the next record begins, if one does
		for next < len(lines) && next < i+80 {
			if _, ok := same(next); ok || outranks(lines[next].text, first.mark) {
				break
			}
			next++
		}
		more := false
		if next < len(lines) {
			_, more = same(next)
		}
		used := r.read(lines[i:min(next, len(lines))], !more, longest, first.mark)
		longest = max(longest, len(r.body)+len(r.fields))
		if all = append(all, r); len(all) == judged && !listed(all, first.mark) || len(all) == 3 && first.mark == "" && bareWords(all) {
			return nil, 0
		}
		if end = i + used; !more || bulleted(first.mark) && strings.TrimSpace(peek(lines[:next], end)) != "" {
			break
		}
		i = next
	}
	if len(all) < 2 || len(all) < judged && !listed(all, first.mark) {
		return nil, 0
	}
	return recordsGrid(lines[at].n, all), end
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
	var paragraph []string
	inField, beside := false, false
	if r.beside != "" {
		if beside = !strings.HasPrefix(mark, "#") && mark != "status"; beside {
			paragraph = []string{r.beside}
		}
		r.beside = plain(r.beside)
	}
	flush := func() {
		if len(paragraph) == 0 {
			return
		}
		text := paragraph[0]
		for i, l := range paragraph[1:] {
			if indented := strings.HasPrefix(l, "  "); !indented && endsSentence(paragraph[i]) && len([]rune(paragraph[i])) < 60 || strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "* ") {
				text += "\n" + l
			} else {
				text = wrap(text, strings.TrimSpace(l))
			}
		}
		if text = plain(text); beside {
			r.beside, beside = text, false
		} else if inField {
			f := &r.fields[len(r.fields)-1]
			f.text = addParagraph(f.text, text)
		} else {
			r.body = append(r.body, text)
		}
		paragraph = nil
	}
	for i, l := range lines {
		text := strings.TrimSpace(l.text)
		switch {
		case text == "":
			flush()
			if inField && r.fields[len(r.fields)-1].text != "" {
				inField = false
			}
			continue
		case junk(text) && len(text) < 100, strings.HasPrefix(text, "---"):
			flush()
			return used
		}
		if first, _ := utf8.DecodeRuneInString(text); beside && !strings.HasPrefix(l.text, " ") && !unicode.IsLower(first) {
			flush() // the text beside the code does not go on
		}
		if fs := fieldsOf(text); len(fs) > 0 {
			flush()
			r.fields = append(r.fields, fs...)
			inField = true
			used = i + 1
			paragraph = nil
			if f := &r.fields[len(r.fields)-1]; f.text != "" {
				paragraph, f.text = []string{f.text}, ""
			}
			continue
		}
		if bulleted(mark) && l.text[0] != ' ' && l.text[0] != '\t' && len(paragraph) == 0 && i > 0 {
			return used // behind a list item only what is indented belongs to it
		}
		if last && len(paragraph) == 0 && !inField && (len(r.body)+len(r.fields) >= longest || strings.HasPrefix(text, "#")) {
			return used
		}
		if strings.HasPrefix(text, "#") {
			flush()
			inField = false
		}
		if !bulleted(mark) && !last && len(r.body)+len(r.fields) > 0 && len(paragraph) == 0 && titleAtEnd(lines, i) {
			used = len(lines)
			break
		}
		text = strings.TrimLeft(strings.TrimPrefix(text, ": "), "> ") // Markdown's marks of a definition and a quotation
		if strings.HasPrefix(l.text, "  ") {
			text = "  " + text // an indented line goes on with the one above
		}
		paragraph = append(paragraph, text)
		used = i + 1
	}
	flush()
	return used
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

// findFielded reads records in which the code is a field too: "Error code: X", "Message: …".
func findFielded(lines []line, at int) (*grid, int) {
	keyed := func(i int) (fs []field, ok bool) {
		if len(lines[i].text) > 300 {
			return nil, false
		}
		fs = fieldsOf(lines[i].text)
		if len(fs) == 0 || vocabulary[normal(fs[0].name)] != ofCode && vocabulary[normal(fs[0].name)] != ofStatus {
			return nil, false
		}
		if vocabulary[normal(fs[0].name)] == ofStatus {
			return nil, false
		}
		code := codePart(strings.Trim(fs[0].text, "`* "))
		return fs, codeStrength(code) >= number
	}
	fs, ok := keyed(at)
	if !ok {
		return nil, 0
	}
	name := normal(fs[0].name)
	var all []record
	end := at
	longest, fields := 1, 0
	for i := at; i < len(lines); {
		fs, ok := keyed(i)
		if !ok || normal(fs[0].name) != name {
			break
		}
		r := record{line: lines[i].n, term: strings.Trim(fs[0].text, "`* "), fields: fs[1:]}
		i++
		next := i
		for next < len(lines) && next < i+80 {
			if f, ok := keyed(next); ok && normal(f[0].name) == name {
				break
			}
			next++
		}
		more := next < len(lines) && next < i+80
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
	g := &grid{line: at, headed: true, bare: true, spans: true}
	var names []string
	beside, below, short, statusTerms := 0, 0, 0, 0
	for i := range all {
		r := &all[i]
		if len(r.fields) == 0 && len(r.body) > 0 { // paragraphs that are fields after all, as in a <dd>
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
		for _, f := range r.fields {
			if !slices.ContainsFunc(names, func(n string) bool { return normal(n) == normal(f.name) }) && len(names) < maxColumns {
				names = append(names, f.name)
			}
		}
		code, text := r.split()
		if isStatus(strings.ReplaceAll(r.term, "\n", " ")) || isStatus(code) {
			statusTerms++
		}
		if text != "" {
			beside++
			if !endsSentence(text) && len([]rune(text)) <= 80 {
				short++
			}
		}
		if len(r.body) > 0 {
			below++
		}
	}
	// The text beside the code is the message where others follow it or it is short; else it describes.
	besideName := "Description"
	if 2*below > len(all) && beside > 0 || len(names) > 0 || 2*short > beside || 2*statusTerms > len(all) {
		besideName = "Message"
	}
	if slices.ContainsFunc(names, func(n string) bool { return kindOf(n) == ofMessage }) {
		besideName = "Name"
	}
	codeName := "Code"
	if 2*statusTerms > len(all) {
		codeName = "Status code"
	}
	heads := append([]string{codeName, besideName}, names...)
	heads = append(heads, "Description ")
	g.rows = append(g.rows, gridRow{line: at, cells: heads})
	for _, r := range all {
		cells := make([]string, len(heads))
		cells[0], cells[1] = r.split()
		for _, f := range r.fields {
			if i := slices.IndexFunc(names, func(n string) bool { return normal(n) == normal(f.name) }); i >= 0 {
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
