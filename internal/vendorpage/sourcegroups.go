package vendorpage

import (
	"cmp"
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// codeGroup is what is between two brackets: items, each a declaration, an argument and the like.
type codeGroup struct {
	open  string
	items []codeItem
	head  string // of a whole file: the comments above its code
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
	types int    // the angle brackets around types that are open
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
	b.item, b.types = codeItem{}, 0
}

// maxTypes limits the tokens of an item that has types in angle brackets. In a longer one, the
// brackets compare numbers.
const maxTypes = 100

// angle counts the angle brackets around types, as in Record<Code, Text>, where commas separate
// nothing else.
func (b *groupBuilder) angle(t token) {
	switch n := len(b.item.tokens); {
	case t.text == "<" && n > 0 && b.item.tokens[n-1].kind == tokenName:
		b.types++
	case t.text == ">" && b.types > 0:
		b.types--
	}
}

// describe makes the texts of a group comments of the names below them, if the group consists of
// such pairs: GraphQL describes its values so.
func (g *codeGroup) describe() {
	only := func(it codeItem, k tokenKind) bool { return len(it.tokens) == 1 && it.tokens[0].kind == k }
	if len(g.items)%2 != 0 {
		return
	}
	var named []codeItem
	for i := 0; i < len(g.items); i += 2 {
		text, name := g.items[i], g.items[i+1]
		if !only(text, tokenString) || !only(name, tokenName) {
			return
		}
		name.comment = tidy(text.tokens[0].text)
		named = append(named, name)
	}
	g.items = named
}

// attribute keeps the texts of an attribute, [Description("…")], for the item below it, and reports
// whether the item so far is one.
func (b *groupBuilder) attribute() bool {
	tokens := b.item.tokens
	if len(tokens) == 2 && tokens[0].kind == tokenMark && tokens[0].text == "#" { // Rust and PHP
		tokens = tokens[1:]
	}
	if len(tokens) != 1 || tokens[0].kind != tokenGroup || tokens[0].text != "[" {
		return false
	}
	texts := ""
	for _, it := range tokens[0].group.items {
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

// declaring reports whether the item so far is the head of a declaration, where commas separate the
// types that it extends.
func (b *groupBuilder) declaring() bool {
	is := func(t token) bool { return t.kind == tokenName && headOf.MatchString(t.text) }
	return slices.ContainsFunc(b.item.tokens, is) && !slices.ContainsFunc(b.item.tokens, func(t token) bool { return t.kind == tokenGroup && t.text == "{" })
}

var headOf = regexp.MustCompile(`^(?:enum|class|struct|interface|object|protocol|trait)$`)

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
	lines := open != "(" || r.at > 1 && opensBlock(r.tokens[r.at-2]) // the ends of lines end items
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
		case t.text == "," && (b.types > 0 && len(b.item.tokens) < maxTypes || b.declaring()):
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
			b.describe()
			return b.codeGroup
		default:
			b.angle(t)
			b.add(t)
		}
	}
	b.flush()
	return b.codeGroup
}

// opensBlock reports whether a token stands before the brackets around several constants in Go.
func opensBlock(t token) bool { return t.kind == tokenName && (t.text == "const" || t.text == "var") }

// block reports whether an item is several constants in brackets.
func (it codeItem) block() bool { return len(it.tokens) == 2 && opensBlock(it.tokens[0]) }

// goesOn reports whether an item goes on in the next line, after its last token.
func (r *groupReader) goesOn(last token) bool {
	if last.kind == tokenMark && last.text != "!" && last.text != "?" && last.text != "." {
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
			break
		}
		r.tokens = append(r.tokens, t)
	}
	head := ""
	for _, t := range r.tokens {
		if t.kind != tokenComment && t.kind != tokenLine {
			break
		}
		head += t.text + "\n"
	}
	g := r.readGroup("", 0)
	g.head = head
	return g
}

var (
	modifiers = regexp.MustCompile(`^(?:export|default|public|private|protected|internal|static|final|const|constexpr|readonly|val|var|let|case|def|pub|override|abstract|return|new|sealed|native|global|our|my|local)$`)
	declares  = regexp.MustCompile(`^(?:enum|class|struct|interface|object|trait|module|namespace|switch|match|type|record|impl|union|message|service)$`)
)

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
	last := len(names) - 1 // it may be called like a modifier
	names = append(slices.DeleteFunc(slices.Clone(names[:last]), func(t token) bool { return t.kind == tokenName && modifiers.MatchString(t.text) }), names[last])
	for last := names[len(names)-1]; len(names) > 1 && last.kind == tokenGroup && last.text == "["; last = names[len(names)-1] { // NAME[]
		if key, value := assignsTo(last.group, it.tokens[at+1:]); key.kind != tokenMark {
			return key, value
		}
		names = names[:len(names)-1]
	}
	key = names[len(names)-1]
	if first := names[0]; key.kind == tokenName && len(names) == 2 && first.kind == tokenName && !typeName(first.text) && typeName(key.text) {
		key = first // Go has the type behind the name
	}
	if key.kind == tokenGroup { // [ErrorCode.X]: …
		inner, ok := key.only()
		if !ok {
			return none, it.tokens
		}
		key = inner
	}
	if key.kind == tokenMark {
		return none, it.tokens
	}
	return key, it.tokens[at+1:]
}

// assignsTo returns what is assigned to a name in brackets, or a mark: errors["E1"] = "Bad name". A
// name for a code is one of an enumeration, as compilers write it for JavaScript:
//
//	E["BAD_NAME"] = "E1";  E[E["BAD_NAME"] = 1] = "BAD_NAME";
func assignsTo(g *codeGroup, value []token) (key token, of []token) {
	if len(g.items) != 1 {
		return token{kind: tokenMark}, nil
	}
	tokens := g.items[0].tokens
	switch {
	case len(tokens) == 1 && tokens[0].kind == tokenString:
		key = tokens[0]
		if len(value) == 1 && (value[0].kind == tokenNumber || value[0].kind == tokenString && codeStrength(value[0].text) > noCode) {
			key.kind = tokenName
		}
		return key, value
	case len(tokens) == 4 && tokens[1].kind == tokenGroup && tokens[2].text == "=" && tokens[3].kind == tokenNumber:
		return assignsTo(tokens[1].group, tokens[3:])
	}
	return token{kind: tokenMark}, nil
}

// only returns the token between two brackets if there is just one.
func (t token) only() (inner token, ok bool) {
	if t.kind != tokenGroup || len(t.group.items) != 1 || len(t.group.items[0].tokens) != 1 {
		return inner, false
	}
	return t.group.items[0].tokens[0], true
}

// typeName reports whether a name is that of a type and not of a constant.
func typeName(s string) bool {
	switch strings.ToLower(s) {
	case "int", "int32", "int64", "uint", "uint32", "string", "error", "long", "integer", "number", "code", "errorcode", "errcode", "errno", "resultcode", "statuscode":
		return true
	}
	return false
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

// fallsBack reports whether an item is for all values that a choice does not list: _ => "Unknown".
func fallsBack(key token) bool {
	return key.kind == tokenName && (key.text == "_" || key.text == "else" || key.text == "default" || key.text == "otherwise")
}

// unnamed reports whether the value of an item is an error that has only a text, errors.New("…"),
// so that its name is in no response.
func (it codeItem) unnamed() bool {
	return slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenName && onlyText.MatchString(t.text) })
}

var onlyText = regexp.MustCompile(`^(?:errors\.New|fmt\.Errorf|x?errors\.Errorf)$`)

// switches reports whether an item chooses by a value: switch (code) { case 1: return "…"; }
func (it codeItem) switches() bool {
	return slices.ContainsFunc(it.tokens, func(t token) bool {
		return t.kind == tokenName && (t.text == "switch" || t.text == "match" || t.text == "when")
	})
}

// aboutErrors reports whether the name or the comment of what an item declares says that it is
// about errors.
func (it codeItem) aboutErrors() bool {
	title := it.title()
	return enumErrors.MatchString(title) || announcesCodes.MatchString(it.above) || (title != "" || it.block()) && failure.MatchString(it.above)
}

// failure matches a comment that says that what it is about are errors.
var failure = regexp.MustCompile(`(?i)\b(?:errors?|failures?|fails?|failed|exceptions?|refus(?:al|ed)|reject(?:ion|ed)|declin(?:e|ed))\b`)

// declares reports whether an item declares a type, whose members are elsewhere.
func (it codeItem) declares() bool {
	return slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenName && declares.MatchString(t.text) })
}

// computed reports whether an item declares a property that statements compute, as Swift has it.
func (it codeItem) computed() bool {
	last := it.tokens[len(it.tokens)-1]
	return last.kind == tokenGroup && last.text == "{" && slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenName && t.text == "var" }) &&
		!slices.ContainsFunc(it.tokens, func(t token) bool { return t.kind == tokenMark && t.text == "=" })
}

// docstring returns the text that an item consists of if it is right below another one that assigns
// a value, as Python describes its constants, or "".
func (it codeItem) docstring(above codeItem) string {
	key, value := above.split()
	if len(it.tokens) != 1 || it.tokens[0].kind != tokenString || key.kind != tokenName || len(value) == 0 || value[len(value)-1].line+1 != it.line {
		return ""
	}
	return tidy(it.tokens[0].text)
}

// option reports whether an item sets an option of protocol buffers: option (default_code) = 500.
func (it codeItem) option() bool {
	return len(it.tokens) > 2 && it.tokens[0].kind == tokenName && it.tokens[0].text == "option" && it.tokens[1].kind == tokenGroup
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
