package parse

import (
	"bytes"
	"regexp"
	"strings"
)

// printed reads a map as other languages print it: Python's {'a': None}, Java's {a=b, c=d} and
// Name(a=b, c=d), Ruby's {"a"=>nil} and {:a=>nil}, Rust's Name { a: "b" }, PHP's array ('a' => 1),
// JavaScript's {a: NaN,}. It writes JSON.
type printed struct {
	src    []byte
	at     int
	depth  int
	closer byte // of the brackets at hand
	out    []byte
}

// maxPrinted is how deep such a map is read.
const maxPrinted = 32

// printedName is the name of a Java class before the values of one of its objects.
var printedName = regexp.MustCompile(`^[A-Za-z_$][\w.$]*`)

// fromPrinted returns a printed map as JSON. It is ok only if the whole text is one.
func fromPrinted(text []byte) (json []byte, ok bool) {
	p := &printed{src: text}
	p.at = len(printedName.Find(text))
	if opensObject := strings.IndexByte("{([", p.next()) >= 0; !opensObject || !p.object() {
		return nil, false
	}
	p.space()
	return p.out, p.at == len(p.src)
}

// space passes over white space and comments.
func (p *printed) space() {
	for p.at < len(p.src) {
		switch rest := p.src[p.at:]; {
		case rest[0] <= ' ':
			p.at++
		case bytes.HasPrefix(rest, []byte("/*")) && bytes.Contains(rest, []byte("*/")):
			p.at += bytes.Index(rest, []byte("*/")) + len("*/")
		case bytes.HasPrefix(rest, []byte("//")) && bytes.IndexByte(rest, '\n') >= 0:
			p.at += bytes.IndexByte(rest, '\n') + 1
		default:
			return
		}
	}
}

// next returns the next byte after white space, 0 at the end.
func (p *printed) next() byte {
	if p.space(); p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

// list reads what stands between brackets, and a comma more. It writes the brackets of JSON.
func (p *printed) list(closer byte, brackets string, item func() bool) bool {
	if p.depth++; p.depth > maxPrinted {
		return false
	}
	around := p.closer
	p.closer = closer
	defer func() { p.depth, p.closer = p.depth-1, around }()
	p.out = append(p.out, brackets[0])
	p.at++
	for first := true; ; first = false {
		if p.next() == closer {
			p.at++
			p.out = append(p.out, brackets[1])
			return true
		}
		if !first {
			p.out = append(p.out, ',')
		}
		if !item() {
			return false
		}
		switch p.next() {
		case ',':
			p.at++
		case closer:
		default:
			return false
		}
	}
}

// object reads {…}, or the (…) or […] that follow the name of a class.
func (p *printed) object() bool {
	closers := map[byte]byte{'{': '}', '(': ')', '[': ']'}
	return p.list(closers[p.src[p.at]], "{}", p.member)
}

func (p *printed) member() bool {
	if !p.name() {
		return false
	}
	equals := false
	switch p.next() {
	case ':':
		p.at++
	case '=':
		p.at++
		if equals = p.at >= len(p.src) || p.src[p.at] != '>'; !equals {
			p.at++
		}
	default:
		return false
	}
	p.out = append(p.out, ':')
	return p.value(equals)
}

// name reads the name of a member.
func (p *printed) name() bool {
	c := p.next()
	if c == '"' || c == '\'' {
		return p.quoted(c)
	}
	if c == ':' { // a symbol of Ruby
		p.at++
	}
	name := p.bareWord("")
	if len(name) == 0 {
		return false
	}
	p.out = appendQuoted(p.out, name)
	return true
}

// bareWord reads a word without quotes, which may have other bytes than a name.
func (p *printed) bareWord(other string) []byte {
	from := p.at
	for p.at < len(p.src) && (isNameByte(p.src[p.at]) || strings.IndexByte(other, p.src[p.at]) >= 0) {
		p.at++
	}
	return p.src[from:p.at]
}

// value reads a value. In a map of Java, a text is bare and goes on to the next name.
func (p *printed) value(bare bool) bool {
	switch c := p.nextOfValue(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.list(']', "[]", func() bool { return p.value(bare) })
	case c == '"', c == '\'' && !bare:
		return p.quoted(c)
	case bare:
		return p.quotedWhole() || p.bare()
	case c == ':': // a symbol of Ruby
		p.at++
	}
	word := p.bareWord("+")
	if c := p.next(); len(word) > 0 && (c == '(' || c == '{') { // one more object: its class, and its members
		return p.object()
	}
	return p.word(word)
}

// nextOfValue is next for the begin of a value: it passes over the letter before a text of Python,
// as in u'…'.
func (p *printed) nextOfValue() byte {
	c := p.next()
	if c != 'u' && c != 'b' || p.at+1 == len(p.src) {
		return c
	}
	quote := p.src[p.at+1]
	if quote != '\'' && quote != '"' {
		return c
	}
	p.at++
	return quote
}

var (
	numeral  = regexp.MustCompile(`^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$`)
	nextName = regexp.MustCompile(`^, ?[A-Za-z_][\w.-]*=`)
)

// quotedWhole reads a value that the printing code has put between single quotes. Without a quote
// at its end, the first one belongs to the text.
func (p *printed) quotedWhole() bool {
	at, out := p.at, len(p.out)
	if at < len(p.src) && p.src[at] == '\'' && p.quoted('\'') {
		if c := p.next(); c == ',' || c == p.closer {
			return true
		}
	}
	p.at, p.out = at, p.out[:out]
	return false
}

// bareEnd returns where the bare text at hand ends: at the end of its map, or before the next name.
// It returns -1 if there is no end.
func (p *printed) bareEnd() int {
	open := 0
	for i := p.at; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == ',' && nextName.Match(p.src[i:]):
			return i
		case c == '(' && p.closer == ')':
			open++
		case c == ')' && open > 0:
			open--
		case c == p.closer, c == '}', c == ']':
			return i
		}
	}
	return -1
}

func (p *printed) bare() bool {
	end := p.bareEnd()
	if end < 0 {
		return false
	}
	text := bytes.TrimSpace(p.src[p.at:end])
	p.at = end
	if len(text) == 0 {
		p.out = append(p.out, `""`...)
		return true
	}
	return p.word(text)
}

// word writes a word or a number.
func (p *printed) word(text []byte) bool {
	switch s := string(text); s {
	case "":
		return false
	case "None", "null", "nil", "undefined", "NaN", "Infinity", "-Infinity":
		p.out = append(p.out, "null"...)
	case "True", "true":
		p.out = append(p.out, "true"...)
	case "False", "false":
		p.out = append(p.out, "false"...)
	default:
		p.out = appendScalar(p.out, text)
	}
	return true
}

// quoted writes a text in quotes of either kind.
func (p *printed) quoted(quote byte) bool {
	var text []byte
	for p.at++; p.at < len(p.src); p.at++ {
		switch c := p.src[p.at]; {
		case c == quote:
			p.at++
			if quote == '"' { // with JSON's escapes
				p.out = append(append(append(p.out, '"'), text...), '"')
			} else {
				p.out = appendQuoted(p.out, text)
			}
			return true
		case c == '\\' && p.at+1 < len(p.src):
			p.at++
			if e := p.src[p.at]; quote == '"' {
				text = append(text, '\\', e)
			} else {
				text = appendEscape(text, e)
			}
		default:
			text = append(text, c)
		}
	}
	return false
}

// appendEscape appends what an escape stands for between single quotes.
func appendEscape(text []byte, escape byte) []byte {
	switch escape {
	case 'n':
		return append(text, '\n')
	case 't':
		return append(text, '\t')
	case '\'', '\\', '"':
		return append(text, escape)
	}
	return append(text, '\\', escape)
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c == '$' || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}
