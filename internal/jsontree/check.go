package jsontree

import (
	"bytes"
	"encoding/binary"
)

// Suspects says which members of objects a Checker stops at.
type Suspects struct {
	// Asks says what to ask about the value of a key, a bit each. 0 means that no value makes this
	// key a suspect. It must depend on the key alone, because a Checker remembers it. The key is as
	// the source has it, with its escapes.
	Asks func(key []byte) uint64

	// Holds reports whether the answer to one of the questions is yes. value is the source from the
	// value's first byte on, and quote is what texts in it begin and end with. If the value is a
	// text, the answer must not depend on what follows it, because a Checker remembers it.
	Holds func(asks uint64, value []byte, quote string) bool
}

// Checker finds how a document ends, as Parse does, and proves that it has no suspect. It builds
// nothing and decodes nothing. Only one goroutine may use it at a time. The zero value suspects
// nothing.
//
// It is exact because it reads every token of the document: each string to its closing quote, by
// words of eight bytes, and each bracket against the one that it closes. So nothing inside a string
// is taken for a key, and no key is missed. Documents are made of few different keys, mostly in the
// same order. So the Checker remembers what Suspects asks about the last ones, with all bytes of
// the key and between it and the values around it, and which key came next: a few words then read
// all this, without a look for the key's end. It also remembers a text that was the value.
type Checker struct {
	Suspects
	recent [2][256]recentKey // of documents, and of those in strings
	first  [2]recentKey      // likewise: its next is the first key of a document
}

// recentKey is a key of which Suspects was asked.
type recentKey struct {
	words        // the source around the key: see recall
	quoted  bool // they end in the quote of a text
	asks    uint64
	cleared shortText  // a value of which nothing holds that it asks
	next    *recentKey // which followed it last, nil: not known yet
}

// shortText is a text that is remembered if it is short.
type shortText struct {
	bytes [24]byte
	size  int
}

const (
	lows        = 0x0101010101010101
	highs       = 0x8080808080808080
	quotes      = lows * '"'
	backslashes = lows * '\\'
)

// check is the check of one document.
type check struct {
	*Checker
	src     []byte
	escaped bool
	quote   string
	recent  *[256]recentKey
	last    *recentKey // that members read
	failed  bool       // an escape that the checker does not read
}

// Check returns how a document ends. If escaped is set, src is what stands between the quotes of a
// JSON string that holds the document.
//
// It is ok only for an object or array that is whole or cut off and has no suspect key. In an
// escaped document, the only escapes outside of its own strings may be \" \n \r and \t. Everything
// else is for Parse.
func (c *Checker) Check(src []byte, escaped bool) (how Ending, ok bool) {
	how, _, ok = c.check(src, 0, escaped)
	return how, ok
}

// CheckString is Check for a document in a JSON string whose first byte is at src[from]. It is ok
// only if the document is whole and the string ends. end is where its closing quote is.
func (c *Checker) CheckString(src []byte, from int) (end int, ok bool) {
	how, end, ok := c.check(src, from, true)
	return end, ok && how == Whole && end < len(src) && src[end] == '"'
}

func (c *Checker) check(src []byte, from int, escaped bool) (how Ending, end int, ok bool) {
	k := check{Checker: c, src: src, quote: `"`, recent: &c.recent[0], last: &c.first[0]}
	if escaped {
		k.escaped, k.quote, k.recent, k.last = true, `\"`, &c.recent[1], &c.first[1]
	}
	how, end, ok = k.document(from)
	return how, end, ok && !k.failed
}

// document reads the document that begins at i. end is where it ends if it is whole.
func (c *check) document(i int) (how Ending, end int, ok bool) {
	src, width := c.src, len(c.quote)
	var few [8]uint64
	objects := few[:] // which of the open containers are objects, a bit each
	depth, inObject := 0, false
	i = c.space(i)
	var (
		b     byte
		w     int
		whole bool
	)
	for {
		if inObject {
			var at stage
			inList := depth > 1 && objects[(depth-2)/64]&(1<<((depth-2)%64)) == 0
			switch i, at = c.members(i, inList); at {
			case atValue:
				goto value
			case afterValue:
				goto after
			case atSuspect:
				return Malformed, 0, false
			}
			if b, w = c.at(i); w == 0 {
				return Cut, 0, true
			}
			if b != '"' {
				return Malformed, 0, false
			}
			from := i
			if i, whole = c.string(from + w); !whole {
				return Cut, 0, true
			}
			key := src[from+w : i-width]
			if i >= len(src) || src[i] != ':' {
				i = c.space(i)
				if b, w = c.at(i); w > 0 && b != ':' {
					return Malformed, 0, false
				}
			}
			if w > 0 {
				if i++; !c.solid(i) {
					i = c.space(i)
				}
			}
			if asks := c.ask(key); asks != 0 && c.Holds(asks, src[i:], c.quote) {
				return Malformed, 0, false
			}
		}
	value:
		if i < len(src) && src[i] != '\\' && src[i] != '"' { // as at would say, but inline
			b, w = src[i], 1
		} else if b, w = c.at(i); w == 0 {
			return Cut, 0, depth > 0
		}
		switch {
		case b == '"' && depth > 0:
			if i, whole = c.string(i + w); !whole {
				return Cut, 0, true
			}
		case b == '{' || b == '[':
			if depth == len(objects)*64 {
				objects = append(objects, 0)
			}
			end := byte(']')
			bit := uint64(1) << (depth % 64)
			objects[depth/64] &^= bit
			inObject = b == '{'
			if inObject {
				end = '}'
				objects[depth/64] |= bit
			}
			depth++
			if i += w; !c.solid(i) {
				i = c.space(i)
			}
			if i >= len(src) || src[i] != end {
				continue
			}
		case depth == 0:
			return Malformed, 0, false
		case b == '-' || '0' <= b && b <= '9':
			for i += w; i < len(src) && numberByte[src[i]]; i++ {
			}
		default:
			kind, end, whole := scanLiteral(src, i)
			if kind == Missing {
				return Malformed, 0, false
			}
			if !whole {
				return Cut, 0, true
			}
			i = end
		}
	after:
		for {
			if depth == 0 {
				i = c.space(i)
				_, w = c.at(i)
				return Whole, i, w == 0
			}
			if i < len(src) && (src[i] == ',' || src[i] == '}' || src[i] == ']') {
				b, w = src[i], 1
			} else {
				i = c.space(i)
				if b, w = c.at(i); w == 0 {
					return Cut, 0, true
				}
			}
			i += w
			if b == ',' {
				if !c.solid(i) {
					i = c.space(i)
				}
				break
			}
			if end := byte(']'); b != end && !inObject || b != '}' && inObject {
				return Malformed, 0, false
			}
			depth--
			inObject = depth > 0 && objects[(depth-1)/64]&(1<<((depth-1)%64)) != 0
		}
	}
}

// stage is a place in a member of an object.
type stage uint8

const (
	atKey      stage = iota
	atValue          // of a key that is no suspect
	afterValue       // and there is no further member right after it
	atSuspect
)

// members reads members of the object at hand from the key at i on, as long as their values are
// texts without escapes, numbers and literals: most objects consist of these. In a list of objects,
// it goes on with the next one. It returns how far it came.
func (c *check) members(i int, inList bool) (next int, at stage) {
	src, width, open, last := c.src, len(c.quote), c.quote[0], c.last
	if i >= len(src) || src[i] != open {
		return i, atKey
	}
	for at = atKey; ; {
		k := last.next
		if k == nil || !(i >= 0 && i <= len(src)-firstWords && k.size <= firstWords && k.isAt(src[i:i+firstWords])) && !k.isAtSlowly(src[i:]) {
			if k = c.recall(i, at); k == nil {
				break
			}
			last.next = k
		}
		last = k
		if i += k.size; k.quoted {
			end := mark(src, i) + width
			if whole := end <= len(src) && src[end-width] == open && src[end-1] == '"'; !whole {
				i, at = i-width, c.answer(k, i-width)
				break
			}
			if k.asks != 0 && !k.cleared.is(src[i:end]) && !c.clears(k, i, end) {
				at = atSuspect
				break
			}
			i = end
		} else {
			if !c.solid(i) {
				i = c.space(i)
			}
			if at = c.answer(k, i); at == atSuspect || i > len(src)-wordSize {
				break
			}
			if b := src[i]; '0' <= b && b <= '9' || b == '-' {
				i = skipNumber(src, i)
			} else if size := literal(binary.LittleEndian.Uint64(src[i:])); size > 0 {
				i += size
			} else {
				break
			}
		}
		at = afterValue
		if i >= len(src) || src[i] != ',' && !(src[i] == '}' && inList) {
			break
		}
	}
	c.last = last
	return i, at
}

// answer returns the stage of a value: atSuspect, or atValue if nothing holds that its key asks.
func (c *check) answer(k *recentKey, value int) stage {
	if k.asks != 0 && c.Holds(k.asks, c.src[value:], c.quote) {
		return atSuspect
	}
	return atValue
}

// clears reports whether nothing holds that a key asks, of the text between i and end. It
// remembers the text then.
func (c *check) clears(k *recentKey, i, end int) bool {
	if c.Holds(k.asks, c.src[i-len(c.quote):], c.quote) {
		return false
	}
	if end-i <= len(k.cleared.bytes) {
		k.cleared.size = copy(k.cleared.bytes[:], c.src[i:end])
	}
	return true
}

func (t *shortText) is(text []byte) bool { return bytes.Equal(text, t.bytes[:t.size]) }

// recall returns what is remembered of the key at i, or after the value that ends at i. It asks of
// the key if that is new, and returns nil if there is none that can be remembered.
//
// After a value, what is remembered begins with the comma, or with the end of the object and the
// beginning of the next one in a list. It ends where the key's value begins, or after the quote if
// that is a text.
func (c *check) recall(i int, at stage) *recentKey {
	src, width, key := c.src, len(c.quote), i
	if at == afterValue {
		if src[i] == '}' {
			if !bytes.HasPrefix(src[i:], []byte("},{")) {
				return nil
			}
			key += len("},")
		}
		key = c.space(key + 1)
	}
	if b, w := c.at(key); b != '"' || w != width {
		return nil
	}
	end, whole := c.string(key + width)
	if !whole || end >= len(src) || src[end] != ':' {
		return nil
	}
	value := c.space(end + 1)
	b, w := c.at(value)
	quoted := b == '"' && w == width
	if quoted {
		value += width
	}
	if value-i > maxWords || c.failed { // an escape in it has failed the check, and must fail the next one
		return nil
	}
	text := wordsOf(src[i:value])
	k := &c.recent[text.hash()%uint64(len(c.recent))]
	if k.size != text.size || k.word != text.word {
		*k = recentKey{words: text, quoted: quoted, asks: c.ask(src[key+width : end-width])}
	}
	return k
}

// literal returns how many bytes the literal has that a word begins with, 0 if there is none.
func literal(word uint64) int {
	l := &literals[word%uint64(len(literals))]
	if word&l.mask[0] != l.word[0] {
		return 0
	}
	return l.size
}

// literals are those of JSON, by the lower bits of their first byte.
var literals = func() (l [32]words) {
	for i := range l {
		l[i].word[0] = 1 // no word begins so
	}
	for _, text := range []string{"true", "false", "null"} {
		l[text[0]%byte(len(l))] = wordsOf([]byte(text))
	}
	return l
}()

// numberByte has the bytes that numbers are made of.
var numberByte = func() (is [256]bool) {
	for _, c := range "0123456789.eE+-" {
		is[c] = true
	}
	return is
}()

// before has all bits of the bytes before the first one that is marked in m.
func before(m uint64) uint64 { return (m ^ (m - 1)) >> 8 }

// ask is Asks for a Checker that may suspect nothing.
func (c *check) ask(key []byte) uint64 {
	if c.Asks == nil {
		return 0
	}
	return c.Asks(key)
}

// at returns the byte at i and how many bytes of src it takes, 0 at the end.
func (c *check) at(i int) (b byte, width int) {
	if i >= len(c.src) {
		return 0, 0
	}
	switch b = c.src[i]; {
	case !c.escaped || b != '\\' && b != '"':
		return b, 1
	case b == '"':
		return 0, 0 // the string around the document ends
	}
	return c.escape(i)
}

// escape is at for an escape.
func (c *check) escape(i int) (b byte, width int) {
	if i+1 == len(c.src) {
		return 0, 0 // cut inside the escape
	}
	switch b = c.src[i+1]; b {
	case '"', '\\', '/':
	case 'n':
		b = '\n'
	case 'r':
		b = '\r'
	case 't':
		b = '\t'
	default:
		c.failed = true
	}
	return b, 2
}

// solid reports whether no white space is at i. It is not sure at the end.
func (c *check) solid(i int) bool {
	return i+1 < len(c.src) && c.src[i] > ' ' && (c.src[i] != '\\' || c.src[i+1] == '"')
}

// space returns the place of the first byte from i on that is no white space.
func (c *check) space(i int) int {
	for {
		b, w := c.at(i)
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' { // or the end
			return i
		}
		i += w
	}
}

// string finds the end of the string whose first byte, or a later one, is at i: the place after its
// closing quote.
func (c *check) string(i int) (end int, whole bool) {
	for i < len(c.src) {
		i = mark(c.src, i)
		if i == len(c.src) {
			break
		}
		switch b := c.src[i]; {
		case b == '"':
			if c.escaped { // the string around the document ends
				return i, false
			}
			return i + 1, true
		case b != '\\':
			i++
			continue
		case !c.escaped:
			i += 2
			continue
		}
		if i++; i == len(c.src) {
			break
		}
		switch c.src[i] {
		case '"':
			return i + 1, true
		case '\\': // a backslash, and what it escapes
			if i++; i < len(c.src) && c.src[i] == '\\' {
				i++
			} else if i < len(c.src) && c.src[i] == '"' {
				return i, false
			}
		case 'u', 'x': // it may be a quote
			c.failed = true
			return 0, false
		}
		i++
	}
	return 0, false
}
