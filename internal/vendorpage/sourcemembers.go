package vendorpage

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// member is a constant, an entry of a map, or an object of a list.
type member struct {
	line    int
	key     token    // its name, or the key of a map
	texts   []string // its strings, in order
	numbers []string
	fields  []field // its named values
	status  string
	comment string
	counts  bool   // the number of the one before it, plus one
	string  bool   // its value is one string
	ref     string // the name of the constant that is its value

	of       string // of a constant: the name of its container
	errorKey bool   // its key was a constant that is named after errors, or whose container is
}

// name returns the name of a constant or the key of a map, or "" if it has none.
func (m member) name() string {
	switch m.key.kind {
	case tokenMark:
		return ""
	case tokenString, tokenNumber:
		return tidy(m.key.text)
	}
	return lastName(m.key.text)
}

// keyed reports whether a member is an entry of a map whose key is a constant: [GateError.LOCKED].
func (m member) keyed() bool { return m.key.kind == tokenName && strings.Contains(m.key.text, ".") }

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
		case t.kind == tokenName && last(tokens[i+1:], t) && strings.ContainsAny(t.text, ".:") && strings.Contains(strings.ToLower(t.text), "status"):
			m.status = cmp.Or(m.status, statusNamed(numberOf.ReplaceAllString(t.text, "")))
		case t.kind == tokenName && strings.HasSuffix(strings.ToLower(t.text), ".http_status"):
		case t.kind == tokenGroup && depth < 3:
			m.values(t.group, depth+1)
		}
	}
	if said {
		m.texts = append(m.texts, tidy(text))
	}
}

// numberOf matches the method that returns the number of an HTTP status, as in
// HttpStatus.NOT_FOUND.value().
var numberOf = regexp.MustCompile(`\.(?:value|code|getCode|getStatusCode|rawValue|intValue|to_i)$`)

// last reports whether nothing but the empty brackets of a call follows a name.
func last(rest []token, name token) bool {
	call := len(rest) == 1 && rest[0].kind == tokenGroup && rest[0].text == "(" && len(rest[0].group.items) == 0
	return len(rest) == 0 || call && numberOf.MatchString(name.text)
}

// onlyStatus returns the HTTP status that is all that a name or a key stands for, or "".
func (m member) onlyStatus() string {
	if m.name() == "" || len(m.texts)+len(m.fields) > 0 {
		return ""
	}
	if len(m.numbers) == 1 && isStatus(m.numbers[0]) {
		return m.numbers[0]
	}
	return m.status
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
		case len(inner.fields) > 0 && len(inner.texts) == 0 && languageName.MatchString(inner.fields[0].name): // a text in several languages
			m.fields = append(m.fields, field{key.text, inner.fields[0].text})
		}
	}
}

// member reads an item as a member: NAME = value, NAME(arguments), key => value, or an object.
func (it codeItem) member() (m member, ok bool) {
	m = member{line: it.line, comment: it.comment}
	if name, values := it.errorObject(); values != nil {
		m.key = name
		m.values(values, 0)
		return m, len(m.texts)+len(m.fields) > 0
	}
	key, value := it.split()
	if key.kind != tokenMark {
		m.key = key
		m.value(value, 0)
		m.string = len(m.texts) == 1 && len(value) == 1
		if len(value) == 1 && value[0].kind == tokenName && key.kind != tokenName {
			m.ref = lastName(value[0].text)
		}
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
	case len(tokens) == 1 && tokens[0].kind == tokenName && tokens[0].text != "break":
		m.key, m.counts = tokens[0], true
		return m, true
	case len(tokens) >= 2 && tokens[0].kind == tokenName && tokens[1].kind == tokenGroup && tokens[1].text == "(":
		m.key = tokens[0]
		m.values(tokens[1].group, 0)
		said := len(m.texts)+len(m.numbers)+len(m.fields) > 0
		m.counts = !said && len(tokens) == 2 && m.comment != "" // a variant with values: NoBox(String)
		return m, said || m.counts
	}
	return m, false
}

// errorObject reads an object that is an error, as Kotlin and Scala declare it. It returns its name
// and its values, or nil:
//
//	object NotFound : ApiError("not_found", 404, "There is no such box")
func (it codeItem) errorObject() (name token, values *codeGroup) {
	i := slices.IndexFunc(it.tokens, func(t token) bool { return t.kind == tokenName && t.text == "object" })
	if i < 0 || len(it.tokens) < i+5 {
		return name, nil
	}
	name, of, base, args := it.tokens[i+1], it.tokens[i+2], it.tokens[i+3], it.tokens[i+4]
	if name.kind != tokenName || of.text != ":" && of.text != "extends" || !enumErrors.MatchString(base.text) || args.kind != tokenGroup || args.text != "(" {
		return name, nil
	}
	return name, args.group
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

// countOn gives a member with a comment the number after that of the member above it.
func (m *member) countOn(last member) {
	if len(last.numbers) != 1 || m.comment == "" {
		return
	}
	if n, err := strconv.Atoi(last.numbers[0]); err == nil {
		m.numbers = []string{strconv.Itoa(n + 1)}
	}
}

func lastName(s string) string {
	if i := strings.LastIndexAny(s, ".:\\>"); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimLeft(s, "$@")
}
