package vendorpage

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sourceFiles are the endings of files that are read as source code. All of these languages have
// strings in quotation marks, brackets and the comments of C or of a shell.
var sourceFiles = map[string]bool{".java": true, ".kt": true, ".scala": true, ".groovy": true, ".go": true, ".ts": true, ".tsx": true, ".js": true, ".jsx": true, ".mjs": true, ".cjs": true,
	".php": true, ".py": true, ".rb": true, ".rs": true, ".cs": true, ".c": true, ".h": true, ".hpp": true, ".cc": true, ".cpp": true, ".m": true, ".swift": true, ".dart": true, ".proto": true, ".thrift": true}

// isSource reports whether a file is source code by its name.
func isSource(name string) bool { return sourceFiles[strings.ToLower(path.Ext(name))] }

// token is a piece of source code.
type token struct {
	kind  tokenKind
	text  string // of a string, what is between its quotation marks
	line  int
	group *codeGroup // of tokenGroup
}

type tokenKind byte

const (
	tokenName    tokenKind = iota // also with dots: HttpStatus.NOT_FOUND
	tokenString                   // a text in quotation marks
	tokenNumber                   // with its sign
	tokenMark                     // an operator or other punctuation
	tokenComment                  // its text
	tokenLine                     // the end of a line
	tokenGroup                    // what is between two brackets
)

// scanner splits source code into tokens.
type scanner struct {
	text string
	at   int
	line int
	last tokenKind // of the token before
}

var (
	scanName   = regexp.MustCompile(`^[\pL_$@\\][\pL\pN_$]*(?:(?:\.|::|\\|->)[\pL_][\pL\pN_]*)*`)
	scanNumber = regexp.MustCompile(`^-?(?:0[xX][0-9A-Fa-f]+|\d[\d_]*(?:\.\d+)?)[uUlLfF]*`)
	scanMark   = regexp.MustCompile(`^(?:=>|->|:=|::|==|!=|<=|>=|&&|\|\||<<|.)`)
	scanShell  = regexp.MustCompile(`^#(?:[ #\t]|$|\n)`)
	scanDefine = regexp.MustCompile(`^#[ \t]*define[ \t]+(\w+)[ \t]+`)
	// commentLine matches what is around the text of a comment's line.
	commentLine = regexp.MustCompile(`^\s*(?://+!?<?|/\*+!?<?|\*+/?|#+)?\s*|\s*\*+/\s*$`)
	commentTag  = regexp.MustCompile(`(?i)</?(?:summary|para|remarks|p|code|c|br)\s*/?>`)
	docTag      = regexp.MustCompile(`^@(?:var|type|const)\s+\S+\s*`)
)

// next returns the next token, or false at the end.
func (s *scanner) next() (t token, ok bool) {
	for s.at < len(s.text) && strings.IndexByte(" \t\r", s.text[s.at]) >= 0 {
		s.at++
	}
	if s.at >= len(s.text) {
		return t, false
	}
	rest := s.text[s.at:]
	t.line = s.line
	size := 0
	switch {
	case rest[0] == '\n':
		t.kind, size = tokenLine, 1
	case strings.HasPrefix(rest, "//"), scanShell.MatchString(rest):
		size = len(firstLine(rest))
		t.kind, t.text = tokenComment, commentText(rest[:size])
	case strings.HasPrefix(rest, "/*"):
		size = len(rest)
		if end := strings.Index(rest, "*/"); end >= 0 {
			size = end + 2
		}
		t.kind, t.text = tokenComment, commentText(rest[:size])
	case rest[0] == '#':
		if m := scanDefine.FindStringSubmatch(rest); m != nil { // NAME = value
			s.text = s.text[:s.at] + m[1] + " = " + rest[len(m[0]):]
			return s.next()
		}
		t.kind, size = tokenMark, len(firstLine(rest)) // another instruction of the preprocessor
	case strings.IndexByte("\"'`", rest[0]) >= 0:
		t.kind = tokenString
		t.text, size = quoted(rest)
	case scanNumber.MatchString(rest) && (rest[0] != '-' || s.last != tokenName && s.last != tokenNumber && s.last != tokenGroup):
		t.kind, t.text = tokenNumber, scanNumber.FindString(rest)
		size = len(t.text)
		t.text = strings.TrimRight(strings.ReplaceAll(t.text, "_", ""), "uUlL")
	case scanName.MatchString(rest):
		t.kind, t.text = tokenName, scanName.FindString(rest)
		size = len(t.text)
	default:
		t.kind, t.text = tokenMark, scanMark.FindString(rest)
		size = max(1, len(t.text))
	}
	s.line += strings.Count(rest[:size], "\n")
	s.at += size
	s.last = t.kind
	return t, true
}

func firstLine(s string) string {
	l, _, _ := strings.Cut(s, "\n")
	return l
}

// quoted returns the text of the string that s begins with, and its size with the marks.
func quoted(s string) (text string, size int) {
	mark := s[:1]
	if strings.HasPrefix(s, `"""`) || strings.HasPrefix(s, "'''") {
		mark = s[:3]
	}
	for i := len(mark); i < len(s); i++ {
		switch {
		case s[i] == '\\' && mark != "`":
			i++
		case s[i] == '\n' && len(mark) == 1 && mark != "`": // it is no string
			return "", 1
		case strings.HasPrefix(s[i:], mark):
			return unescaped.Replace(s[len(mark):i]), i + len(mark)
		}
	}
	return "", 1
}

var unescaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\n`, "\n", `\t`, " ")

// commentText returns the text of a comment without its marks and tags.
func commentText(s string) string {
	var kept []string
	for _, l := range strings.Split(s, "\n") {
		l = commentTag.ReplaceAllString(commentLine.ReplaceAllString(commentLine.ReplaceAllString(l, ""), ""), "")
		if l = docTag.ReplaceAllString(strings.TrimSpace(l), ""); l == "" || l[0] == '@' || strings.Trim(l, "-=*#/ ") == "" {
			continue
		}
		kept = append(kept, l)
	}
	return joinLines(kept)
}

// codeGroup is what is between two brackets: items, each a declaration, an argument and the like.
type codeGroup struct {
	open  string
	items []codeItem
}

// codeItem is what is between two commas, semicolons or ends of lines.
type codeItem struct {
	tokens  []token
	above   string // the comment above it
	comment string // that behind it in its line, or else that above it
	line    int
}

// groupReader builds groups of tokens.
type groupReader struct {
	tokens []token
	at     int
}

// maxCodeDepth limits how deeply brackets may be nested.
const maxCodeDepth = 60

// groupBuilder collects the items of a group.
type groupBuilder struct {
	*codeGroup
	item  codeItem
	above string // the comment above the next item
	ended int    // the line of the last token
	blank int    // ends of lines since then
}

func (b *groupBuilder) add(t token) {
	if len(b.item.tokens) == 0 {
		b.item.line, b.item.above, b.item.comment, b.above = t.line, b.above, b.above, ""
	}
	b.item.tokens, b.ended = append(b.item.tokens, t), t.line
}

func (b *groupBuilder) flush() {
	if len(b.item.tokens) > 0 {
		b.items = append(b.items, b.item)
	}
	b.item = codeItem{}
}

// attribute keeps the texts of an attribute, [Description("…")], for the item below it, and reports
// whether the item so far is one.
func (b *groupBuilder) attribute() bool {
	if len(b.item.tokens) != 1 || b.item.tokens[0].kind != tokenGroup || b.item.tokens[0].text != "[" {
		return false
	}
	texts := ""
	for _, it := range b.item.tokens[0].group.items {
		if len(it.tokens) != 2 || it.tokens[0].kind != tokenName || it.tokens[1].kind != tokenGroup {
			return false
		}
		m := member{}
		m.values(it.tokens[1].group, 0)
		texts += strings.Join(m.texts, " ")
	}
	b.above = strings.TrimSpace(b.item.above + "\n" + texts)
	b.item = codeItem{}
	return true
}

// comment adds a comment to the item in its line, or keeps it for the next one.
func (b *groupBuilder) comment(t token) {
	switch {
	case len(b.item.tokens) > 0 && t.line == b.ended:
		b.item.comment = cmp.Or(t.text, b.item.comment)
	case len(b.items) > 0 && t.line == b.ended && len(b.item.tokens) == 0:
		last := &b.items[len(b.items)-1]
		last.comment = cmp.Or(t.text, last.comment)
	case t.text != "":
		b.above = strings.TrimSpace(b.above + "\n" + t.text)
	}
}

// readGroup reads up to the bracket that closes the group, or to the end.
func (r *groupReader) readGroup(open string, depth int) *codeGroup {
	b := groupBuilder{codeGroup: &codeGroup{open: open}}
	lines := open != "(" || r.at > 1 && r.tokens[r.at-2].kind == tokenName && (r.tokens[r.at-2].text == "const" || r.tokens[r.at-2].text == "var") // the ends of lines end items
	for r.at < len(r.tokens) {
		t := r.tokens[r.at]
		r.at++
		if t.kind != tokenLine {
			b.blank = 0
		}
		switch {
		case t.kind == tokenComment:
			b.comment(t)
		case t.kind == tokenLine:
			if b.blank++; b.blank > 1 && len(b.item.tokens) == 0 {
				b.above = "" // the title of a section
			}
			if b.attribute() {
				continue
			}
			if lines && len(b.item.tokens) > 0 && !r.goesOn(b.item.tokens[len(b.item.tokens)-1]) {
				b.flush()
			}
		case t.kind != tokenMark:
			b.add(t)
		case t.text == "," || t.text == ";":
			if len(b.item.tokens) > 0 {
				b.ended = t.line
			}
			b.flush()
		case strings.Contains("([{", t.text) && depth < maxCodeDepth:
			b.add(token{kind: tokenGroup, text: t.text, line: t.line, group: r.readGroup(t.text, depth+1)})
			b.ended = r.tokens[r.at-1].line
		case strings.Contains(")]}", t.text):
			b.flush()
			return b.codeGroup
		default:
			b.add(t)
		}
	}
	b.flush()
	return b.codeGroup
}

// goesOn reports whether an item goes on in the next line, after its last token.
func (r *groupReader) goesOn(last token) bool {
	if last.kind == tokenMark && last.text != "!" && last.text != "?" {
		return true
	}
	for _, t := range r.tokens[r.at:] {
		if t.kind == tokenLine || t.kind == tokenComment {
			continue
		}
		return t.kind == tokenMark && strings.Contains("= => -> : . { + | && ?", t.text) || t.kind == tokenString && last.kind == tokenString
	}
	return false
}

// parseSource reads source code into one group.
func parseSource(text string, line int) *codeGroup {
	s := scanner{text: text, line: line}
	r := groupReader{}
	for {
		t, ok := s.next()
		if !ok {
			return r.readGroup("", 0)
		}
		r.tokens = append(r.tokens, t)
	}
}

// member is a constant, an entry of a map, or an object of a list.
type member struct {
	line    int
	key     token    // its name, or the key of a map
	texts   []string // its strings, in order
	numbers []string
	fields  []field // its named values
	status  string
	comment string
	counts  bool // the number of the one before it, plus one
	string  bool // its value is one string

	errorKey bool // its key was a constant that is named after errors
}

var (
	modifiers = regexp.MustCompile(`^(?:export|default|public|private|protected|internal|static|final|const|constexpr|readonly|val|var|let|case|def|pub|override|abstract|return|new|sealed|native|global)$`)
	declares  = regexp.MustCompile(`^(?:enum|class|struct|interface|object|trait|module|namespace|switch|match|type|record|impl|union|message|service)$`)
)

// value adds what the tokens of a value hold: strings that are joined, a number, the name of an
// HTTP status, or the values in brackets.
func (m *member) value(tokens []token, depth int) {
	text, said := "", false
	for i, t := range tokens {
		switch {
		case t.kind == tokenString:
			text, said = text+t.text, true
		case t.kind == tokenNumber && len(tokens) <= 2:
			m.numbers = append(m.numbers, t.text)
		case t.kind == tokenName && i+1 == len(tokens) && strings.ContainsAny(t.text, ".:") && strings.Contains(strings.ToLower(t.text), "status"):
			m.status = cmp.Or(m.status, statusNamed(t.text))
		case t.kind == tokenName && strings.HasSuffix(strings.ToLower(t.text), ".http_status"):
		case t.kind == tokenGroup && depth < 3:
			m.values(t.group, depth+1)
		}
	}
	if said {
		m.texts = append(m.texts, tidy(text))
	}
}

// values adds the values in brackets: the arguments of a call, the members of an object.
func (m *member) values(g *codeGroup, depth int) {
	for _, it := range g.items {
		key, value := it.split()
		if key.kind == tokenMark || key.text == "" {
			m.value(it.tokens, depth)
			continue
		}
		inner := member{}
		inner.value(value, depth)
		m.status = cmp.Or(m.status, inner.status)
		switch {
		case len(inner.texts) == 1:
			m.fields = append(m.fields, field{key.text, inner.texts[0]})
		case len(inner.numbers) == 1 && len(inner.texts) == 0:
			m.fields = append(m.fields, field{key.text, inner.numbers[0]})
		case len(inner.fields) > 0 && len(inner.texts) == 0: // a text in several languages
			m.fields = append(m.fields, field{key.text, inner.fields[0].text})
		}
	}
}

// split separates the name of an item from its value. The name is a mark if there is none.
func (it codeItem) split() (key token, value []token) {
	at := -1
	for i, t := range it.tokens {
		if t.kind != tokenMark {
			continue
		}
		if t.text == "=" || t.text == ":=" || t.text == "=>" || t.text == "->" {
			at = i
			break
		}
		if t.text == ":" && at < 0 { // before a type or a value
			at = i
		}
	}
	none := token{kind: tokenMark}
	if at < 1 {
		return none, it.tokens
	}
	names := it.tokens[:at]
	if i := slices.IndexFunc(names, func(t token) bool { return t.kind == tokenMark && t.text == ":" }); i > 0 {
		names = names[:i]
	}
	names = slices.DeleteFunc(slices.Clone(names), func(t token) bool { return t.kind == tokenName && modifiers.MatchString(t.text) })
	if len(names) == 0 {
		return none, it.tokens
	}
	key = names[len(names)-1]
	if first := names[0]; key.kind == tokenName && len(names) == 2 && first.kind == tokenName && !typeName(first.text) && typeName(key.text) {
		key = first // Go has the type behind the name
	}
	if key.kind == tokenGroup { // [ErrorCode.X]: …
		if len(key.group.items) != 1 || len(key.group.items[0].tokens) != 1 {
			return none, it.tokens
		}
		key = key.group.items[0].tokens[0]
	}
	if key.kind == tokenMark {
		return none, it.tokens
	}
	return key, it.tokens[at+1:]
}

// typeName reports whether a name is that of a type and not of a constant.
func typeName(s string) bool {
	switch strings.ToLower(s) {
	case "int", "int32", "int64", "uint", "uint32", "string", "error", "long", "integer", "number", "code", "errorcode", "errcode", "errno", "resultcode", "statuscode":
		return true
	}
	return false
}

// member reads an item as a member: NAME = value, NAME(arguments), key => value, or an object.
func (it codeItem) member() (m member, ok bool) {
	m = member{line: it.line, comment: it.comment}
	key, value := it.split()
	if key.kind != tokenMark {
		m.key = key
		m.value(value, 0)
		m.string = len(m.texts) == 1 && len(value) == 1
		m.iota(value)
		return m, true
	}
	tokens := it.tokens
	for len(tokens) > 0 && tokens[0].kind == tokenName && modifiers.MatchString(tokens[0].text) {
		tokens = tokens[1:]
	}
	switch {
	case len(tokens) == 1 && tokens[0].kind == tokenGroup: // an object, or a tuple
		m.key.kind = tokenMark
		m.values(tokens[0].group, 0)
		return m, len(m.texts)+len(m.fields) > 0
	case len(tokens) == 1 && tokens[0].kind == tokenName:
		m.key, m.counts = tokens[0], true
		return m, true
	case len(tokens) >= 2 && tokens[0].kind == tokenName && tokens[1].kind == tokenGroup && tokens[1].text == "(":
		m.key = tokens[0]
		m.values(tokens[1].group, 0)
		return m, len(m.texts)+len(m.numbers)+len(m.fields) > 0
	}
	return m, false
}

// iota reads Go's counter.
func (m *member) iota(value []token) {
	base := "0"
	has := false
	for _, t := range value {
		has = has || t.kind == tokenName && t.text == "iota"
		if t.kind == tokenNumber {
			base = t.text
		}
	}
	if has {
		m.numbers = []string{base}
	}
}

// container is a group of members: an enumeration, a map, a list of objects.
type container struct {
	name    string
	line    int
	about   bool // a name or a comment around it says that it is about errors
	members []member
}

// codeReader collects the containers of source code and the constants by name.
type codeReader struct {
	containers []container
	constants  map[string]member
	function   string // the name of the one whose body is being read
}

// walk looks for containers in a group. The names and comments around it say what it is about.
func (r *codeReader) walk(g *codeGroup, name string, line int, about bool) {
	c := container{name: name, line: line, about: about}
	for _, it := range g.items {
		m, ok := it.member()
		if ok && m.counts && len(c.members) > 0 {
			m.countOn(c.members[len(c.members)-1])
		}
		if ok && (len(m.texts)+len(m.numbers)+len(m.fields) > 0 || m.counts) && !it.declares() && !it.pairs() {
			c.members = append(c.members, m)
		}
		said, outer := about || it.aboutErrors(), r.function
		name := name
		if r.function = cmp.Or(it.function(), outer); it.switches() {
			said, name = said || enumErrors.MatchString(r.function), cmp.Or(r.function, name)
		}
		for _, t := range it.tokens {
			if t.kind == tokenGroup && t.text != "(" || t.kind == tokenGroup && len(it.tokens) <= 3 {
				r.walk(t.group, cmp.Or(it.title(), name), it.line, said)
			}
		}
		r.function = outer
	}
	for _, m := range c.members {
		if m.key.kind == tokenName && (len(m.numbers) == 1 && len(m.texts) == 0 || m.string) {
			if r.constants == nil {
				r.constants = map[string]member{}
			}
			if was, known := r.constants[lastName(m.key.text)]; !known || was.string && !m.string {
				r.constants[lastName(m.key.text)] = m // a number rather than a text about it
			}
		}
	}
	if len(c.members) >= 2 {
		r.containers = append(r.containers, c)
	}
}

// countOn gives a member with a comment the number after that of the member above it.
func (m *member) countOn(last member) {
	if len(last.numbers) != 1 || m.comment == "" {
		return
	}
	if n, err := strconv.Atoi(last.numbers[0]); err == nil {
		m.numbers = []string{strconv.Itoa(n + 1)}
	}
}

// function returns the name of the function that an item declares, or "".
func (it codeItem) function() string {
	name := ""
	for i, t := range it.tokens {
		switch {
		case t.kind == tokenGroup && t.text == "(" && i > 0 && it.tokens[i-1].kind == tokenName && !declares.MatchString(it.tokens[i-1].text):
			name = cmp.Or(name, it.tokens[i-1].text)
		case t.kind == tokenGroup && t.text == "{":
			return name
		}
	}
	return ""
}

// pairs reports whether an item is a map whose keys and values are the arguments of a call.
func (it codeItem) pairs() bool {
	return slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenName && mapOf.MatchString(t.text) })
}

var mapOf = regexp.MustCompile(`(?i)(?:^|\.)\w*map\.?of$`)

// switches reports whether an item chooses by a value: switch (code) { case 1: return "…"; }
func (it codeItem) switches() bool {
	return slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenName && (t.text == "switch" || t.text == "match") })
}

// aboutErrors reports whether the name or the comment of what an item declares says that it is
// about errors.
func (it codeItem) aboutErrors() bool {
	title := it.title()
	return enumErrors.MatchString(title) || announcesCodes.MatchString(it.above) || title != "" && failure.MatchString(it.above)
}

// failure matches a comment that says that what it is about are errors.
var failure = regexp.MustCompile(`(?i)\b(?:errors?|failures?|fails?|failed|exceptions?|refus(?:al|ed)|reject(?:ion|ed)|declin(?:e|ed))\b`)

// declares reports whether an item declares a type, whose members are elsewhere.
func (it codeItem) declares() bool {
	return slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenName && declares.MatchString(t.text) })
}

// title returns the name of what an item declares.
func (it codeItem) title() string {
	key, _ := it.split()
	for i, t := range it.tokens {
		if t.kind == tokenName && declares.MatchString(t.text) && i+1 < len(it.tokens) && it.tokens[i+1].kind == tokenName {
			if t.text == "enum" && (it.tokens[i+1].text == "class" || it.tokens[i+1].text == "struct") {
				continue
			}
			return it.tokens[i+1].text
		}
	}
	if key.kind == tokenName {
		return key.text
	}
	return ""
}

func lastName(s string) string {
	if i := strings.LastIndexAny(s, ".:\\>"); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimLeft(s, "$@")
}

// sourceGrids reads the codes in source code: enumerations, constants with comments, maps from
// codes to messages, lists of objects. The constants of the file are known by name, so that a map
// may have them as its keys.
func sourceGrids(text string, line int, about bool) (grids []grid) {
	r := codeReader{}
	all := parseSource(text, line)
	about = about || len(all.items) > 0 && announcesCodes.MatchString(all.items[0].above) // at the head of the file
	r.walk(all, "", line, about)
	used := map[string]bool{} // constants that are the keys of a map
	var maps, others []container
	for _, c := range r.containers {
		if r.resolve(&c, used) {
			maps = append(maps, c)
		} else {
			others = append(others, c)
		}
	}
	for _, c := range others {
		c.members = slices.DeleteFunc(c.members, func(m member) bool { return m.key.kind == tokenName && used[lastName(m.key.text)] })
		maps = append(maps, c)
	}
	tellApart(maps)
	for _, c := range maps {
		for _, c := range c.parts() {
			if g := c.grid(); g != nil {
				grids = append(grids, *g)
			}
		}
	}
	slices.SortFunc(grids, func(a, b grid) int { return a.line - b.line })
	return grids
}

// tellApart keeps what is around containers from vouching for other lists: for one that is named
// after other things, and for one whose texts say nothing wrong beside a container that is itself
// named after errors, or whose texts do.
func tellApart(all []container) {
	named := func(c container) bool { return enumErrors.MatchString(c.name) }
	beside := slices.ContainsFunc(all, func(c container) bool { return named(c) || c.saysFaults() })
	for i, c := range all {
		if !named(c) && (otherNames.MatchString(c.name) || beside && !c.saysFaults()) {
			all[i].about = false
		}
	}
}

// otherNames matches the name of a list of things that have codes and are no errors.
var otherNames = regexp.MustCompile(`(?i:^|_)(?:region|countr(?:y|ie)|currenc(?:y|ie)|language|locale|(?:time)?zone|city|citie|bank|airport|carrier|unit|color|weekday|month)(?:s|[A-Z_]|$)|(?:Region|Countr(?:y|ie)|Currenc(?:y|ie)|Language|Locale|Zone|Cit(?:y|ie)|Bank|Airport|Carrier|Unit|Color|Weekday|Month)(?:s|[A-Z_]|$)`)

// saysFaults reports whether most members of a container say what is wrong, or are named after
// errors.
func (c container) saysFaults() bool {
	n := 0
	for _, m := range c.members {
		text := strings.Join(m.texts, " ") + " " + m.comment
		for _, f := range m.fields {
			text += " " + f.text
		}
		if m.errorKey || saysFault(text) || enumErrors.MatchString(m.key.text) {
			n++
		}
	}
	return 2*n >= len(c.members)
}

// resolve replaces the keys of a map that are constants by their values. It reports whether all
// keys are codes and all values are texts.
func (r *codeReader) resolve(c *container, used map[string]bool) bool {
	var found []member
	for _, m := range c.members {
		k, known := r.constants[lastName(m.key.text)]
		if m.key.kind != tokenName || !known || m.line == k.line || len(m.texts)+len(m.fields) == 0 {
			return false
		}
		m.comment, m.errorKey = cmp.Or(m.comment, k.comment), enumErrors.MatchString(m.key.text)
		if m.key.kind = tokenString; k.string {
			m.key.text = k.texts[0]
		} else {
			m.key.text = k.numbers[0]
		}
		m.numbers = nil
		found = append(found, m)
	}
	for _, m := range c.members {
		used[lastName(m.key.text)] = true
	}
	c.members = found
	c.about = c.about || c.saysFaults()
	return true
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

// grid makes a grid of a container, or returns nil if its members are no codes with texts.
func (c container) grid() *grid {
	if c.named() {
		if !c.alike() {
			return nil
		}
		return c.objects()
	}
	return c.entries()
}

// named reports whether most members consist of named values.
func (c container) named() bool {
	n := 0
	for _, m := range c.members {
		if len(m.fields) > len(m.texts) {
			n++
		}
	}
	return 2*n > len(c.members)
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
var languageName = regexp.MustCompile(`^[a-z]{2}(?:[-_][A-Za-z]{2,4})?$`)

// objects makes a grid with a column per named value.
func (c container) objects() *grid {
	heads := []string{}
	for _, m := range c.members {
		for _, f := range m.fields {
			if !slices.Contains(heads, f.name) && len(heads) < maxColumns {
				heads = append(heads, f.name)
			}
		}
	}
	if len(heads) > 0 && !slices.ContainsFunc(heads, func(h string) bool { return !languageName.MatchString(h) }) {
		for i, m := range c.members { // the text in several languages: the first one
			if len(m.fields) > 0 {
				c.members[i].fields = []field{{"Message", m.fields[0].text}}
			}
		}
		heads = []string{"Message"}
	}
	if name := c.codesOf(heads); name != "" {
		heads[slices.Index(heads, name)] = "Error code"
		for i := range c.members {
			for k, f := range c.members[i].fields {
				if f.name == name {
					c.members[i].fields[k].name = "Error code"
				}
			}
		}
	}
	first := 0
	keyed := !slices.ContainsFunc(c.members, func(m member) bool { return m.key.kind == tokenMark || m.key.text == "" })
	if keyed && !slices.ContainsFunc(heads, func(h string) bool { return kindOf(h) == ofCode }) {
		heads, first = append([]string{"Error code"}, heads...), 1
	}
	statuses := slices.ContainsFunc(c.members, func(m member) bool { return m.status != "" })
	if statuses {
		heads = append(heads, "HTTP status")
	}
	g := &grid{line: c.line, headed: true, spans: true, bare: !c.about, rows: []gridRow{{line: c.line, cells: heads}}}
	for _, m := range c.members {
		cells := make([]string, len(heads))
		if first == 1 {
			cells[0] = lastName(m.key.text)
		}
		for _, f := range m.fields {
			if i := slices.Index(heads[first:], f.name); i >= 0 {
				cells[first+i] = f.text
			}
		}
		if statuses {
			cells[len(cells)-1] = m.status
		}
		g.rows = append(g.rows, gridRow{line: m.line, cells: cells})
	}
	return g
}

// codesOf returns the name of the values that are the codes although they are only called values,
// as in {Value: "UNKNOWN", Message: "…"}: each member has another one, and all look like codes. It
// returns "" if there are none.
func (c container) codesOf(names []string) string {
	for _, name := range names {
		if !valueHeads[strings.ToLower(name)] {
			continue
		}
		seen := map[string]bool{}
		for _, m := range c.members {
			for _, f := range m.fields {
				if f.name == name && codeStrength(f.text) == mnemonic {
					seen[f.text] = true
				}
			}
		}
		if len(seen) == len(c.members) {
			return name
		}
	}
	return ""
}

// entries makes a grid of members with unnamed values.
func (c container) entries() *grid {
	var all []constant
	keyed := true
	for _, m := range c.members {
		k := constant{line: m.line, name: lastName(m.key.text), numbers: m.numbers, texts: m.texts, status: m.status, comment: m.comment, value: m.string}
		if m.key.kind == tokenMark || k.name == "" {
			k.name = ""
		}
		if m.key.kind != tokenString && m.key.kind != tokenNumber {
			keyed = false
		} else {
			k.name = m.key.text
		}
		all = append(all, k)
	}
	if keyed {
		return mapGrid(c, all)
	}
	return constantsGrid(c.name, c.line, all, c.about)
}

// mapGrid makes a grid of a map from codes to texts.
func mapGrid(c container, all []constant) *grid {
	if len(all) < 2 {
		return nil
	}
	g := &grid{line: c.line, headed: true, spans: true, bare: !c.about && !enumErrors.MatchString(c.name), rows: []gridRow{{line: c.line, cells: []string{"Error code", "Message", "Description"}}}}
	for _, k := range all {
		if codeStrength(k.name) < number || len(k.texts) == 0 || strings.HasPrefix(k.texts[0], "{") {
			return nil
		}
		g.rows = append(g.rows, gridRow{line: k.line, cells: []string{k.name, k.texts[0], k.comment}})
	}
	if sayFaults(g.rows[1:]) {
		g.topic = max(g.topic, ofErrors)
	}
	if g.bare && g.topic != ofErrors && !slices.ContainsFunc(all, func(k constant) bool { return !isStatus(k.name) }) {
		return nil // three digits alone are no statuses
	}
	codesBehindStatuses(g)
	if 2*commented(all) < len(all) { // the comments are titles of sections
		for _, r := range g.rows[1:] {
			r.cells[len(r.cells)-1] = ""
		}
	}
	return g
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

// commented counts the constants with a comment.
func commented(all []constant) (n int) {
	for _, c := range all {
		if c.comment != "" {
			n++
		}
	}
	return n
}

// readSource reads a file of source code: its codes become grids. Its other lines hold no tables.
func readSource(name, text string) []part {
	about := enumErrors.MatchString(strings.TrimSuffix(path.Base(name), path.Ext(name)))
	grids := sourceGrids(text, 1, about)
	parts := make([]part, len(grids))
	for i := range grids {
		grids[i].layout = "constants"
		parts[i].grid = &grids[i]
	}
	return parts
}
