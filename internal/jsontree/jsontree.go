// Package jsontree reads JSON that may be damaged.
//
// Log records and response bodies arrive cut off at any byte, with raw control characters and
// invalid UTF-8 in their strings. A JSON library returns an error for those, but the codes before
// the damage are what Errata is for. So a Tree keeps every value up to the damage, knows for each
// whether it is complete, and says how the input ended.
//
// A Tree is an arena of nodes in document order, each a span of the input: parsing copies nothing
// and, once the arena has grown, allocates nothing. Nesting takes no stack, so only the input
// bounds its depth.
//
// Tree.parse and check.document are long loops on purpose: splitting them into methods that are
// called for every value made parsing up to 30 percent slower.
package jsontree

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

const (
	Missing Kind = iota // no such value: what Get returns for an absent key
	Null
	Bool
	Number
	String
	Array
	Object
)

// Ending says how the input of a Tree ended.
type Ending uint8

const (
	Whole     Ending = iota // one complete value, then only white space
	Trailing                // one complete value, then other bytes from Offset on
	Cut                     // the input ended inside the value
	TooMany                 // the value holds more values than Max
	Malformed               // what stands at Offset is not JSON
)

// node is one value. Children of a container follow it directly; after is the index of the node
// after its last descendant, so siblings are found without links.
type node struct {
	keyStart, keyEnd int32 // span of the key between its quotes; equal when there is none
	start, end       int32 // span of the value; of a string, between its quotes
	parent           int32 // -1 for the root
	after            int32
	kind             Kind
	keyEscaped       bool
	escaped          bool // a string that holds a backslash
	complete         bool // all its bytes are in the input
}

// Tree holds one parsed input. The zero value is ready; Parse may be called any number of times;
// each call ends the life of the Values of the call before.
type Tree struct {
	Ending Ending
	Offset int // where parsing stopped
	Max    int // how many values a Tree may hold, each of which takes 36 bytes; 0: as many as there are

	src    []byte
	nodes  []node // parsed or places
	parsed []node // what Parse has made
	places []node // what Select makes: see pathNode.node
	paths  *Paths // the places are of
	open   int32  // the innermost container that is not closed yet, -1 when none is
	proved int32  // see Value.Proved, -1: none
}

// Shrink frees the memory for more than n values, which one large input may have taken.
func (t *Tree) Shrink(n int) {
	if cap(t.parsed) > n {
		t.nodes, t.parsed = nil, nil
	}
}

// Value is one value of a Tree, valid until the Tree's next Parse. The zero Value is Missing.
type Value struct {
	tree *Tree
	i    int32
}

// Parse reads src, which must stay unchanged while the Values are in use. It returns the root,
// Missing when src holds nothing that begins like JSON.
func (t *Tree) Parse(src []byte) Value {
	t.src, t.nodes = src, t.parsed[:0]
	t.parse()
	t.parsed = t.nodes
	if len(t.nodes) == 0 {
		return Value{}
	}
	for i := t.open; i >= 0; i = t.nodes[i].parent { // containers that the damage left open
		t.nodes[i].after, t.nodes[i].end = int32(len(t.nodes)), int32(t.Offset)
	}
	return Value{t, 0}
}

func (t *Tree) parse() {
	src, i := t.src, 0
	if bytes.HasPrefix(src, []byte("\ufeff")) {
		i = 3
	}
	t.open, t.proved = -1, -1
	stop := func(how Ending, at int) { t.Ending, t.Offset = how, at }
	for {
		var n node
		if i = skipSpace(src, i); i < len(src) && t.open >= 0 && t.nodes[t.open].kind == Object {
			if src[i] != '"' {
				stop(Malformed, i)
				return
			}
			end, escaped, complete := scanString(src, i+1)
			if !complete {
				stop(Cut, len(src))
				return
			}
			n.keyStart, n.keyEnd, n.keyEscaped = int32(i+1), int32(end), escaped
			if i = skipSpace(src, end+1); i < len(src) {
				if src[i] != ':' {
					stop(Malformed, i)
					return
				}
				i = skipSpace(src, i+1)
			}
		}
		if i >= len(src) {
			stop(Cut, len(src))
			return
		}
		if t.Max > 0 && len(t.nodes) >= t.Max {
			stop(TooMany, i)
			return
		}
		self := int32(len(t.nodes))
		n.start, n.parent, n.complete = int32(i), t.open, true
		switch c := src[i]; {
		case c == '{' || c == '[':
			n.kind, n.complete = Object, false
			if c == '[' {
				n.kind = Array
			}
			t.nodes = append(t.nodes, n)
			t.open = self
			if i = skipSpace(src, i+1); i < len(src) && src[i] != closer(n.kind) {
				continue
			}
			goto closing
		case c == '"':
			end, escaped, complete := scanString(src, i+1)
			n.kind, n.start, n.end, n.escaped, n.complete = String, int32(i+1), int32(end), escaped, complete
			if i = end + 1; !complete {
				i = end
			}
		case c == '-' || '0' <= c && c <= '9':
			for i++; i < len(src) && numberByte[src[i]]; i++ {
			}
			n.kind, n.end = Number, int32(i)
			n.complete = i < len(src) || t.open < 0 // a number at the very end may have lost digits
		default:
			kind, end, complete := scanLiteral(src, i)
			if kind == Missing {
				stop(Malformed, i)
				return
			}
			n.kind, n.end, n.complete, i = kind, int32(end), complete, end
		}
		n.after = self + 1
		t.nodes = append(t.nodes, n)
		if !n.complete {
			stop(Cut, len(src))
			return
		}
	closing:
		for {
			i = skipSpace(src, i)
			if t.open < 0 {
				if t.Ending, t.Offset = Whole, i; i < len(src) {
					t.Ending = Trailing
				}
				return
			}
			if i >= len(src) {
				stop(Cut, len(src))
				return
			}
			o := &t.nodes[t.open]
			if src[i] == closer(o.kind) {
				i++
				o.end, o.after, o.complete = int32(i), int32(len(t.nodes)), true
				t.open = o.parent
				continue
			}
			if src[i] != ',' {
				stop(Malformed, i)
				return
			}
			i++
			break
		}
	}
}

func closer(k Kind) byte {
	if k == Object {
		return '}'
	}
	return ']'
}

func skipSpace(src []byte, i int) int {
	for i < len(src) && src[i] <= ' ' && (src[i] == ' ' || src[i] == '\n' || src[i] == '\r' || src[i] == '\t') {
		i++
	}
	return i
}

// scanString finds the closing quote of the string whose first byte is src[i]. A string that the
// input cuts off is not complete, and ends where the input ends.
//
// It looks at eight bytes at a time. In equal(word, c), the highest bit of each byte is set that is
// c, and no other bit. A quote after a backslash ends nothing, unless that backslash is itself
// escaped: where two of them meet, bytes are read one by one.
func scanString(src []byte, i int) (end int, escaped, complete bool) {
	if i = mark(src, i); i < len(src) && src[i] == '"' { // most strings have no escape
		return i, false, true
	}
	var after uint64 // whether a backslash is before the first byte of the word
	for i+wordSize <= len(src) {
		word := binary.LittleEndian.Uint64(src[i:])
		quotes, slashes := equal(word, '"'), equal(word, '\\')
		afters := slashes<<8 | after
		if slashes&afters != 0 {
			stop := i + wordSize
			for i += int(after >> 7); i < stop; i++ {
				if src[i] == '"' {
					return i, escaped, true
				}
				if src[i] == '\\' {
					escaped = true
					i++
				}
			}
			after = 0
			continue
		}
		if quotes &^= afters; quotes != 0 {
			return i + bits.TrailingZeros64(quotes)/8, escaped || slashes&before(quotes) != 0, true
		}
		escaped = escaped || slashes != 0
		after = slashes >> 56
		i += wordSize
	}
	for i += int(after >> 7); i < len(src); i++ {
		switch src[i] {
		case '"':
			return i, escaped, true
		case '\\':
			escaped = true
			i++
		}
	}
	return len(src), escaped, false
}

func equal(word uint64, c byte) uint64 {
	x := word ^ lows*uint64(c)
	return highs &^ ((x&^highs + ^uint64(highs)) | x)
}

func scanLiteral(src []byte, i int) (kind Kind, end int, complete bool) {
	for _, l := range [...]struct {
		text string
		kind Kind
	}{{"true", Bool}, {"false", Bool}, {"null", Null}} {
		rest := src[i:min(len(src), i+len(l.text))]
		if string(rest) == l.text[:len(rest)] {
			return l.kind, i + len(rest), len(rest) == len(l.text)
		}
	}
	return Missing, i, false
}

func (v Value) node() *node { return &v.tree.nodes[v.i] }

// Kind is the value's type, Missing for the zero Value.
func (v Value) Kind() Kind {
	if v.tree == nil {
		return Missing
	}
	return v.node().kind
}

// Complete reports whether the input holds the whole value.
func (v Value) Complete() bool { return v.tree != nil && v.node().complete }

// Raw is the value's span of the input; for a string, the span between its quotes.
func (v Value) Raw() []byte {
	if v.tree == nil {
		return nil
	}
	n := v.node()
	return v.tree.src[n.start:n.end]
}

// Escaped reports whether the Raw of a string differs from its text.
func (v Value) Escaped() bool { return v.tree != nil && v.node().escaped }

// Proved reports whether a Checker has found that a text is a whole document without a suspect.
// Select keeps that of one value, the last one.
func (v Value) Proved() bool { return v.tree != nil && v.tree.proved == v.i }

// AppendText appends the text of a scalar to dst: a string without its escapes, a number or boolean
// as the input wrote it. For null and containers it appends nothing. If a string is cut off inside
// a character, that character is left out.
func (v Value) AppendText(dst []byte) []byte {
	switch v.Kind() {
	case String:
		raw := v.Raw()
		if !v.node().complete {
			raw = TrimCut(raw)
		}
		if v.node().escaped {
			return AppendUnescaped(dst, raw)
		}
		return append(dst, raw...)
	case Number, Bool:
		return append(dst, v.Raw()...)
	}
	return dst
}

// Text returns what AppendText appends, as a string.
func (v Value) Text() string {
	switch k := v.Kind(); {
	case k == String && (v.node().escaped || !v.node().complete):
		return string(v.AppendText(nil))
	case k == String, k == Number, k == Bool:
		return string(v.Raw())
	}
	return ""
}

// Key is the value's key in its object, "" elsewhere.
func (v Value) Key() string {
	if v.tree == nil {
		return ""
	}
	n := v.node()
	raw := v.tree.src[n.keyStart:n.keyEnd]
	if n.keyEscaped {
		return string(AppendUnescaped(nil, raw))
	}
	return string(raw)
}

// RawKey is the span of the value's key in the input, empty elsewhere. KeyEscaped reports whether
// it differs from Key.
func (v Value) RawKey() []byte {
	if v.tree == nil {
		return nil
	}
	n := v.node()
	return v.tree.src[n.keyStart:n.keyEnd]
}

// KeyEscaped reports whether RawKey differs from Key.
func (v Value) KeyEscaped() bool { return v.tree != nil && v.node().keyEscaped }

// KeyIs reports whether the value's key is key. It does not allocate.
func (v Value) KeyIs(key string) bool {
	if v.tree == nil {
		return false
	}
	n := v.node()
	if n.keyEscaped {
		return v.Key() == key
	}
	return string(v.tree.src[n.keyStart:n.keyEnd]) == key
}

// Get returns the member of an object with that key, the first if there are several. It returns
// Missing if there is none or v is not an object.
func (v Value) Get(key string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	for c := v.First(); c.tree != nil; c = c.Next() {
		if c.KeyIs(key) {
			return c
		}
	}
	return Value{}
}

// First returns the first child of a container, Missing if there is none.
func (v Value) First() Value {
	if k := v.Kind(); k != Object && k != Array || v.node().after == v.i+1 {
		return Value{}
	}
	return Value{v.tree, v.i + 1}
}

// Next returns the sibling after v, Missing after the last one.
func (v Value) Next() Value {
	n := v.node()
	if n.parent < 0 || n.after >= v.tree.nodes[n.parent].after {
		return Value{}
	}
	return Value{v.tree, n.after}
}

// Parent returns the container around v, Missing for the root.
func (v Value) Parent() Value {
	if v.tree == nil || v.node().parent < 0 {
		return Value{}
	}
	return Value{v.tree, v.node().parent}
}

// Following returns the value after v in document order: its first child, else what comes next
// anywhere in the tree. With it, a tree of any depth is visited without recursion.
func (v Value) Following() Value {
	if int(v.i)+1 >= len(v.tree.nodes) {
		return Value{}
	}
	return Value{v.tree, v.i + 1}
}

// After returns the value after v and everything inside v, in document order.
func (v Value) After() Value {
	after := v.node().after
	if int(after) >= len(v.tree.nodes) {
		return Value{}
	}
	return Value{v.tree, after}
}

// Encloses reports whether w is v or lies somewhere inside it.
func (v Value) Encloses(w Value) bool {
	return v.tree != nil && v.tree == w.tree && v.i <= w.i && w.i < v.node().after
}

// TrimCut removes half a character, or half an escape, from the end of a text that is cut off.
func TrimCut(raw []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(raw); n++ {
		if c := raw[len(raw)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(raw[len(raw)-n:]) {
				return raw[:len(raw)-n]
			}
			break
		}
	}
	// The first half of a surrogate pair, whose second half is missing or begun: \ud83d, \ud83d\ude
	const escape = len(`\ud83d`)
	for n := escape; n < 2*escape && n <= len(raw); n++ {
		half := raw[len(raw)-n:]
		if r, ok := hex(half, 2, 4); half[0] == '\\' && half[1] == 'u' && ok && utf16.IsSurrogate(r) && r < 0xdc00 &&
			(n == escape || half[escape] == '\\') && !oddBackslash(raw[:len(raw)-n]) {
			return raw[:len(raw)-n]
		}
	}
	return raw
}

// oddBackslash reports whether a text ends in an odd number of backslashes, which means that the
// next byte is escaped.
func oddBackslash(raw []byte) bool {
	n := 0
	for n < len(raw) && raw[len(raw)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// AppendUnescaped appends raw to dst without JSON's escapes, and without the \xHH of nginx's
// default escaping. A backslash that begins no escape stays; one that the end of raw cuts off is
// dropped.
func AppendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		next := bytes.IndexByte(raw[i:], '\\')
		if next < 0 {
			return append(dst, raw[i:]...)
		}
		dst = append(dst, raw[i:i+next]...)
		i += next
		if i+1 == len(raw) {
			return dst // an escape that was cut after its backslash
		}
		switch c := raw[i+1]; c {
		case '"', '\\', '/':
			dst, i = append(dst, c), i+2
		case 'b':
			dst, i = append(dst, '\b'), i+2
		case 'f':
			dst, i = append(dst, '\f'), i+2
		case 'n':
			dst, i = append(dst, '\n'), i+2
		case 'r':
			dst, i = append(dst, '\r'), i+2
		case 't':
			dst, i = append(dst, '\t'), i+2
		case 'x':
			if b, ok := hex(raw, i+2, 2); ok {
				dst, i = append(dst, byte(b)), i+4
			} else {
				dst, i = append(dst, '\\'), i+1
			}
		case 'u':
			r, ok := hex(raw, i+2, 4)
			if !ok {
				if len(raw)-i < 6 {
					return dst // cut inside the escape
				}
				dst, i = append(dst, '\\'), i+1
				continue
			}
			i += 6
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), i+1 < len(raw) && raw[i] == '\\' && raw[i+1] == 'u'
				if ok {
					low, ok = hex(raw, i+2, 4)
				}
				if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
					r, i = pair, i+6
				} else {
					r = utf8.RuneError
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst, i = append(dst, '\\'), i+1
		}
	}
	return dst
}

func hex(raw []byte, at, digits int) (r rune, ok bool) {
	if at+digits > len(raw) {
		return 0, false
	}
	for _, c := range raw[at : at+digits] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
