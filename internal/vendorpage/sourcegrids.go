package vendorpage

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// grid makes a grid of a container, or returns nil if its members are no codes with texts.
func (c container) grid() *grid {
	keyed := func(m member) bool { return m.key.kind == tokenString || m.key.kind == tokenNumber }
	switch {
	case len(c.members) < 2, c.named() && !c.alike(), c.count(member.language) == len(c.members):
		return nil
	case c.named():
		return c.objects()
	case c.count(keyed) == len(c.members):
		return c.mapGrid()
	}
	return c.constantsGrid()
}

// parts separates the numbers of a container from its strings, if each member has one of these:
// the constants of a class may be of several kinds.
func (c container) parts() []container {
	numbers, strings := c, c
	numbers.members, strings.members = nil, nil
	for _, m := range c.members {
		switch {
		case len(m.numbers) == 1 && len(m.texts)+len(m.fields) == 0:
			numbers.members = append(numbers.members, m)
		case m.string && len(m.numbers)+len(m.fields) == 0 && m.key.kind == tokenName:
			strings.members = append(strings.members, m)
		default:
			return []container{c}
		}
	}
	return []container{numbers, strings}
}

// kindOfText matches the words of a constant's name that say whether it is a code or a text.
var kindOfText = regexp.MustCompile(`^(?i:e|err|error|code|msg|message|text|txt|desc|description)\d*$`)

// pairTexts gives constants that are codes the texts of others with the same name otherwise:
// GATE_LOCKED_CODE = "E1", GATE_LOCKED_MSG = "The gate is locked".
func (c *container) pairTexts() {
	texts, seen, codes := map[string]string{}, map[string]bool{}, 0
	base := func(m member) string {
		return strings.ToLower(strings.Join(slices.DeleteFunc(strings.Fields(inWords(m.name())), kindOfText.MatchString), " "))
	}
	isCode := func(m member) bool { return !m.string || codeStrength(m.texts[0]) >= number }
	for _, m := range c.members {
		switch {
		case m.key.kind != tokenName || !m.string && (len(m.numbers) != 1 || len(m.texts)+len(m.fields) > 0):
			return
		case isCode(m) && seen[base(m)]:
			return
		case isCode(m):
			codes++
			seen[base(m)] = true
		case texts[base(m)] != "":
			return
		default:
			texts[base(m)] = m.texts[0]
		}
	}
	var paired []member
	found := 0
	for _, m := range c.members {
		if !isCode(m) {
			continue
		}
		text := texts[base(m)]
		if text != "" {
			found++
		}
		m.texts, m.string = append(m.texts[:len(m.texts):len(m.texts)], cmp.Or(text, m.name())), false
		paired = append(paired, m)
	}
	if found > 1 && 2*found >= len(texts) && 2*found >= codes {
		c.members = paired
		c.about = c.about || c.count(func(m member) bool { return enumErrors.MatchString(m.name()) }) == len(paired)
	}
}

// named reports whether most members consist of named values.
func (c container) named() bool {
	return 2*c.count(func(m member) bool { return len(m.fields) > len(m.texts) }) > len(c.members)
}

// alike reports whether members have a name in common, as objects do. Maps side by side have none.
func (c container) alike() bool {
	seen := map[string]int{}
	for _, m := range c.members {
		for _, f := range m.fields {
			if seen[f.name]++; seen[f.name] > 1 {
				return true
			}
		}
	}
	return false
}

// languageName matches the name of a language, as in a map of texts.
var languageName = regexp.MustCompile(`^[a-z]{2}(?:[-_][A-Za-z]{2,4})?$|^[A-Z]{2}[-_][A-Z]{2}$`)

// language reports whether a member is a text by its language.
func (m member) language() bool { return languageName.MatchString(m.name()) }

// objects makes a grid with a column per named value.
func (c container) objects() *grid {
	heads := c.fieldNames()
	if !slices.ContainsFunc(heads, func(h string) bool { return !languageName.MatchString(h) }) {
		for i, m := range c.members { // the text in several languages: that in English, or the first one
			if len(m.fields) > 0 {
				at := max(0, slices.IndexFunc(m.fields, func(f field) bool { return strings.HasPrefix(strings.ToLower(f.name), "en") }))
				c.members[i].fields = []field{{"Message", m.fields[at].text}}
			}
		}
		heads = []string{"Message"}
	}
	name := c.codesOf(heads)
	if name == "" {
		name = c.errorsOf(heads)
		c.about = c.about || name != ""
	}
	if name != "" {
		heads[slices.Index(heads, name)] = "Error code"
		c.rename(name, "Error code")
	}
	named := c.count(func(m member) bool { return m.name() != "" }) == len(c.members)
	if i := slices.IndexFunc(heads, func(h string) bool { return kindOf(h) == ofCode }); i >= 0 && named && (c.groupedBy(heads[i]) || c.optionStatuses(heads[i])) && !slices.ContainsFunc(heads, c.mnemonics) {
		c.rename(heads[i], "HTTP status")
		heads[i] = "HTTP status"
	}
	first := 0 // the columns before the fields
	switch codes := slices.ContainsFunc(heads, func(h string) bool { return kindOf(h) == ofCode }); {
	case named && !codes:
		heads, first = append([]string{"Error code"}, heads...), 1
	case named && !slices.ContainsFunc(heads, func(h string) bool { k := kindOf(h); return k != ofCode && k != ofStatus }):
		heads, first = append([]string{"Message"}, heads...), 1 // the names say what is wrong
	}
	statuses := c.count(func(m member) bool { return m.status != "" }) > 0
	if statuses {
		heads = append(heads, "HTTP status")
	}
	commented := c.commented() && !slices.ContainsFunc(heads, func(h string) bool { return kindOf(h) == ofText })
	if commented {
		heads = append(heads, "Description")
	}
	g := c.newGrid(heads...)
	messages := slices.ContainsFunc(heads, func(h string) bool { return kindOf(h) == ofCode }) && slices.ContainsFunc(heads, func(h string) bool { return kindOf(h) == ofMessage })
	g.bare = !c.about && !(messages && c.saysFaults())
	for _, m := range c.members {
		cells := make([]string, len(heads))
		if first == 1 {
			cells[0] = m.name()
		}
		for _, f := range m.fields {
			if i := slices.Index(heads[first:], f.name); i >= 0 {
				cells[first+i] = f.text
			}
		}
		if commented {
			_, cells[len(cells)-1] = statusSaid(plain(m.comment))
		}
		if statuses {
			cells[slices.Index(heads, "HTTP status")] = m.status
		}
		g.rows = append(g.rows, gridRow{line: m.line, cells: cells})
	}
	if sayFaults(g.rows[1:]) {
		g.topic = ofErrors
	}
	return g
}

// rename gives the values of the members another name.
func (c container) rename(from, to string) {
	for _, m := range c.members {
		for k := range m.fields {
			if m.fields[k].name == from {
				m.fields[k].name = to
			}
		}
	}
}

// groupedBy reports whether the values of a name are HTTP statuses which several members share, so
// that they cannot be the codes.
func (c container) groupedBy(name string) bool {
	seen, shared := map[string]bool{}, false
	for _, m := range c.members {
		for _, f := range m.fields {
			if f.name != name {
				continue
			}
			if !isStatus(f.text) {
				return false
			}
			shared = shared || seen[f.text]
			seen[f.text] = true
		}
	}
	return shared
}

// optionStatuses reports whether the values of a name are the HTTP statuses that the options of
// numbered constants give, as in protocol buffers: BAD_NAME = 1 [(errors.code) = 400].
func (c container) optionStatuses(name string) bool {
	return c.count(func(m member) bool {
		return len(m.numbers) == 1 && slices.ContainsFunc(m.fields, func(f field) bool { return f.name == name && f.text >= "4" && isStatus(f.text) })
	}) == len(c.members)
}

// fieldNames returns the names of the members' values.
func (c container) fieldNames() (names []string) {
	for _, m := range c.members {
		for _, f := range m.fields {
			if !slices.Contains(names, f.name) && len(names) < maxColumns {
				names = append(names, f.name)
			}
		}
	}
	return names
}

// codesOf returns the name of the values that are the codes although they are only called values,
// as in {Value: "UNKNOWN", Message: "…"}: each member has another one, and all look like codes. It
// returns "" if there are none.
func (c container) codesOf(names []string) string {
	for _, name := range names {
		if valueHeads[strings.ToLower(name)] && c.mnemonics(name) {
			return name
		}
	}
	return ""
}

// errorsOf returns the name of the values that are the codes although they are only called errors,
// as in {error: "BAD_NAME", message: "…"}. It returns "" if there are none, or if other values are
// called codes.
func (c container) errorsOf(names []string) string {
	if slices.ContainsFunc(names, func(n string) bool { return kindOf(n) == ofCode }) {
		return ""
	}
	for _, name := range names {
		if kindOf(name) == ofName && saysError.MatchString(strings.ToLower(name)) && c.mnemonics(name) {
			return name
		}
	}
	return ""
}

// mnemonics reports whether each member has another value of a name, and all look like codes.
func (c container) mnemonics(name string) bool {
	seen := map[string]bool{}
	for _, m := range c.members {
		for _, f := range m.fields {
			if f.name == name && codeStrength(f.text) == mnemonic {
				seen[f.text] = true
			}
		}
	}
	return len(seen) == len(c.members)
}

// mapGrid makes a grid of a map from codes to texts.
func (c container) mapGrid() *grid {
	g := c.newGrid("Error code", "Message", "Description")
	for _, m := range c.members {
		if codeStrength(m.name()) < number && !strings.Contains(m.name(), "/") || codeStrength(m.name()) == noCode || len(m.texts) == 0 || strings.HasPrefix(m.texts[0], "{") {
			return nil
		}
		g.rows = append(g.rows, gridRow{line: m.line, cells: []string{m.name(), m.texts[0], m.comment}})
	}
	if namedTexts(g) {
		return nil
	}
	numberKeys(g)
	if sayFaults(g.rows[1:]) {
		g.topic = max(g.topic, ofErrors)
	}
	if g.bare && g.topic != ofErrors && !slices.ContainsFunc(c.members, func(m member) bool { return !isStatus(m.name()) }) {
		return nil // three digits alone are no statuses
	}
	codesBehindStatuses(g)
	if !c.commented() {
		for _, r := range g.rows[1:] {
			r.cells[len(r.cells)-1] = ""
		}
	}
	if c.count(func(m member) bool { return m.status != "" }) > 0 {
		g.rows[0].cells = append(g.rows[0].cells, "HTTP status")
		for i, m := range c.members {
			g.rows[i+1].cells = append(g.rows[i+1].cells, m.status)
		}
	}
	return g
}

// textKey matches the key of one of several texts about the same thing.
var textKey = regexp.MustCompile(`^(.+)\.(?:title|message|text|description|detail|hint)$`)

// namedTexts reports whether the keys of a map name what a program shows, box.title and box.text,
// and are no codes.
func namedTexts(g *grid) bool {
	keys, parts := map[string]bool{}, 0
	for _, r := range g.rows[1:] {
		keys[r.cells[0]] = true
	}
	for key := range keys {
		if m := textKey.FindStringSubmatch(key); m != nil && keys[m[1]] {
			parts++
		}
	}
	return parts > 1
}

// numberedKey matches a key that is the number of an error behind a word: error_1001.
var numberedKey = regexp.MustCompile(`^(?:errors?|err|code|msg|message)[._-]?(\d{2,})$`)

// numberKeys makes the numbers in the keys of a map its codes, if all keys have one.
func numberKeys(g *grid) {
	if slices.ContainsFunc(g.rows[1:], func(r gridRow) bool { return !numberedKey.MatchString(r.cells[0]) }) {
		return
	}
	g.bare = false
	for _, r := range g.rows[1:] {
		r.cells[0] = numberedKey.FindStringSubmatch(r.cells[0])[1]
	}
}

// newGrid returns a grid with headings and without rows. Its codes have to convince unless the
// container is about errors.
func (c container) newGrid(heads ...string) *grid {
	return &grid{line: c.line, headed: true, spans: true, bare: !c.about && !enumErrors.MatchString(c.name), rows: []gridRow{{line: c.line, cells: heads}}}
}

// namedText matches a text that begins with the name of an error: "CART_GONE: The cart is gone".
var namedText = regexp.MustCompile(`^(\w+): (\S.*)$`)

// codesBehindStatuses takes the codes of a map from the texts if all its keys are the statuses of
// errors and each text begins with another code.
func codesBehindStatuses(g *grid) {
	seen := map[string]bool{}
	for _, r := range g.rows[1:] {
		m := namedText.FindStringSubmatch(r.cells[1])
		if m == nil || r.cells[0] < "4" || !isStatus(r.cells[0]) || codeStrength(m[1]) != mnemonic || seen[m[1]] {
			return
		}
		seen[m[1]] = true
	}
	g.rows[0].cells = []string{"HTTP status", "Error code", "Message", "Description"}
	for i, r := range g.rows[1:] {
		m := namedText.FindStringSubmatch(r.cells[1])
		g.rows[i+1].cells = []string{r.cells[0], m[1], m[2], r.cells[2]}
	}
}

// codesInComments takes the codes of constants from their comments if each begins with another
// one: "E1001: The token is missing".
func codesInComments(g *grid) {
	seen := map[string]bool{}
	for _, r := range g.rows[1:] {
		m := namedText.FindStringSubmatch(r.cells[3])
		if m == nil || codeStrength(m[1]) != mnemonic || seen[m[1]] || r.cells[2] != "" {
			return
		}
		seen[m[1]] = true
	}
	for _, r := range g.rows[1:] {
		m := namedText.FindStringSubmatch(r.cells[3])
		r.cells[1], r.cells[2], r.cells[3] = m[1], m[2], ""
	}
}

// commented reports whether at least half of the members have a comment. Comments of fewer are the
// titles of sections.
func (c container) commented() bool {
	return 2*c.count(func(m member) bool { return m.comment != "" }) >= len(c.members)
}

// count counts the members for which is holds.
func (c container) count(is func(member) bool) (n int) {
	for _, m := range c.members {
		if is(m) {
			n++
		}
	}
	return n
}

// constantsGrid makes a grid of constants. Their codes are the strings before their messages, or
// their strings if comments describe these, or else their numbers if these are long or negative, or
// else their names.
func (c container) constantsGrid() *grid {
	g := c.newGrid("HTTP status", "Error code", "Message", "Description")
	numbered := c.count(func(m member) bool { return len(m.numbers) == 1 }) == len(c.members)
	counted := c.count(func(m member) bool { return len(m.numbers) > 0 }) > 0
	said := c.count(func(m member) bool { return len(m.texts) > 0 }) > 0
	values := c.count(func(m member) bool { return m.string && !m.keyed() && codeStrength(m.texts[0]) > noCode })
	if values > 0 && values < len(c.members) {
		return nil // codes and texts side by side
	}
	arguments := c.count(func(m member) bool { return len(m.texts) == 1 && !m.keyed() && codeStrength(m.texts[0]) == mnemonic })
	valued := max(values, arguments) == len(c.members) // each is the name of a code
	numbered = numbered && (c.longNumbers() || c.numbersWithTexts())
	alone := (!said || valued) && !c.commented() // the names say what is wrong
	if alone && !numbered && !(valued && c.numberedValues()) {
		return nil
	}
	for _, m := range c.members {
		if m.succeeds() {
			g.notes = append(g.notes, "line "+strconv.Itoa(m.line)+" means success and is no error: "+m.name())
			continue
		}
		g.rows = append(g.rows, gridRow{line: m.line, cells: m.cells(numbered, valued, alone)})
	}
	if g.bare && c.namedFaults() {
		g.topic = ofErrors
	}
	if !numbered && !valued {
		codesInComments(g)
	}
	switch {
	case numbered:
		g.notes = append(g.notes, "the codes are the numbers of the constants, not their names")
	case !valued && counted && slices.ContainsFunc(c.members, func(m member) bool { return g.rows[len(g.rows)-1].cells[1] == m.name() }):
		g.notes = append(g.notes, "the codes are the names of the constants, not their numbers, which are short")
	}
	return g
}

// successName matches the name of a constant for success, with or without a prefix.
var successName = regexp.MustCompile(`(?i)^(?:\w*_)?(?:success|succeeded|successful|ok|okay|no_errors?|noerrors?|none)$`)

// succeeds reports whether a constant stands for success: it is zero, its name says so, and it has
// no text that a response may contain.
func (m member) succeeds() bool {
	return len(m.numbers) == 1 && strings.Trim(m.numbers[0], "0") == "" && len(m.texts) == 0 && successName.MatchString(humps.ReplaceAllString(m.name(), "${1}_$2"))
}

// cells returns the status, the code, the message and the description of a constant. numbered says
// that its number is the code, valued that its string is, and alone that its name is the message.
func (m member) cells(numbered, valued, alone bool) []string {
	said, comment := statusSaid(plain(m.comment))
	row := []string{cmp.Or(m.status, said), m.name(), "", comment}
	texts := m.texts
	switch {
	case numbered:
		row[1] = m.numbers[0]
	case valued:
		row[1], texts = texts[0], nil
	case len(texts) > 1 && codeStrength(texts[0]) > noCode:
		row[1], texts = texts[0], texts[1:]
	}
	if !numbered && row[0] == "" && len(m.numbers) == 1 && isStatus(m.numbers[0]) {
		row[0] = m.numbers[0]
	}
	switch {
	case len(texts) > 1 && row[3] == "" && codeStrength(texts[0]) == mnemonic: // its name, and its text
		row[2], row[3] = texts[0], tidy(texts[1])
	case len(texts) > 0:
		row[2] = tidy(texts[0])
	case alone:
		row[2], row[3] = m.name(), ""
	}
	return row
}

var (
	statusLine   = regexp.MustCompile(`^(?i:(?:http |response )?status(?: code)?|http(?: code| mapping)?)\s*[:=]?\s*([1-5]\d\d\b.*)$`)
	statusOf     = regexp.MustCompile(`\b(?i:HTTP status(?: code)?) of (?:#?[A-Z_]+ \(([1-5]\d\d)\)|([1-5]\d\d)\b)`)
	statusInText = regexp.MustCompile(`(?m)(?:^|[([]|[.;,] )(?i:(?:http |response )?status(?: code)?|http(?: code)?)\s*[:=]?\s*([1-5]\d\d)(?:[)\].:;,]|\s[-–—]\s|$)`)
)

// statusSaid finds the HTTP status that a comment gives in a line of its own, "Status code 401", or
// apart from its sentences, "(HTTP 401)", or as "an HTTP status code of NOT_FOUND (404)". rest is
// the comment without that line, if anything else is in it.
func statusSaid(comment string) (number, rest string) {
	lines := strings.Split(comment, "\n")
	for i, l := range lines {
		m := statusLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		n, phrase, _ := status(m[1])
		if known := http.StatusText(n); n > 0 && (phrase == "" || known == "" || strings.EqualFold(phrase, known)) {
			return strconv.Itoa(n), cmp.Or(strings.Join(slices.Delete(lines, i, i+1), "\n"), comment)
		}
	}
	if m := statusInText.FindAllStringSubmatch(comment, 2); len(m) == 1 {
		return m[0][1], comment
	}
	if m := statusOf.FindAllStringSubmatch(comment, 2); len(m) == 1 {
		return m[0][1] + m[0][2], comment
	}
	return "", comment
}

// namedFaults reports whether the names or the texts of most constants say what is wrong.
func (c container) namedFaults() bool {
	n := c.count(func(m member) bool {
		return saysFault(humps.ReplaceAllString(m.name(), "$1 $2") + " " + strings.Join(m.texts, " ") + " " + m.comment)
	})
	return 10*n >= 6*len(c.members) && len(c.members) > 3
}

// numberedValues reports whether the strings of constants are numbers, or numbered: E1001.
func (c container) numberedValues() bool {
	return c.count(func(m member) bool {
		return codeStrength(m.texts[0]) == number || numbering.MatchString(m.texts[0]) && m.texts[0] != m.name()
	}) == len(c.members)
}

// numbersWithTexts reports whether each constant has a number and a text, NAME(7, "No such cart"),
// which is how source code says what a response contains.
func (c container) numbersWithTexts() bool {
	numbers := c.numbers()
	texts := c.count(func(m member) bool { return len(m.texts) > 0 && !m.string })
	return texts == len(c.members) && different(numbers) && 10*countStatuses(numbers) < 9*len(numbers)
}

// longNumbers reports whether the numbers of constants are codes that responses contain, and not
// just their order or the HTTP statuses.
func (c container) longNumbers() bool {
	numbers := c.numbers()
	long := slices.ContainsFunc(numbers, func(n string) bool { return len(n) > 3 && !isStatus(n) })
	return (likenessOf(numbers) == surely || long && different(numbers)) && 2*countStatuses(numbers) <= len(numbers)
}

// numbers returns the first number of each constant.
func (c container) numbers() (all []string) {
	for _, m := range c.members {
		all = append(all, m.numbers[0])
	}
	return all
}

// countStatuses counts the numbers that are HTTP statuses. Those below 200 are in no list of
// errors.
func countStatuses(numbers []string) (n int) {
	for _, s := range numbers {
		if isStatus(s) && s >= "2" {
			n++
		}
	}
	return n
}
