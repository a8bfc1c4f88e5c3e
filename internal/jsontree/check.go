package jsontree

import (
	"encoding/binary"
	"math/bits"
)

// Suspects says which members of objects a Checker stops at.
type Suspects struct {
	// Asks says what to ask about the value of a key, a bit each. 0 means that no value makes this
	// key a suspect. It must depend on the key alone, because a Checker remembers it. The key is as
	// the source has it, with its escapes.
	Asks func(key []byte) uint64

	// Holds reports whether the answer to one of the questions is yes. value is the source from the
	// value's first byte on, and quote is what texts in it begin and end with.
	Holds func(asks uint64, value []byte, quote string) bool
}

// Checker finds how a document ends, as Parse does, and proves that it has no suspect. It builds
// nothing and decodes nothing. Only one goroutine may use it at a time. The zero value suspects
// nothing.
//
// It is exact because it reads every token of the document: each string to its closing quote, by
// words of eight bytes, and each bracket against the one that it closes. So nothing inside a string
// is taken for a key, and no key is missed. Documents are made of few different keys. The Checker
// remembers what Suspects asks about the last ones, with all bytes of the key, and decides most
// members by comparing two words.
type Checker struct {
	Suspects
	recent [512]recentKey
}

// recentKey is a key of at most 15 bytes: its first eight, and the others with its length plus one
// on top. No key has the zero value.
type recentKey struct{ low, high, asks uint64 }

const (
	wordSize = 8
	lows     = 0x0101010101010101
	highs    = 0x8080808080808080
)

// check is the check of one document.
type check struct {
	*Checker
	src     []byte
	escaped bool
	quote   string
	marks   [2]uint64 // bytes that matter in a string, each repeated in a word
	failed  bool      // an escape that the checker does not read
}

// Check returns how a document ends. If escaped is set, src is what stands between the quotes of a
// JSON string that holds the document.
//
// It is ok only for an object or array that is whole or cut off and has no suspect key. In an
// escaped document, the only escapes outside of its own strings may be \" \n \r and \t. Everything
// else is for Parse.
func (c *Checker) Check(src []byte, escaped bool) (how Ending, ok bool) {
	k := check{Checker: c, src: src, escaped: escaped, quote: `"`, marks: [2]uint64{lows * '"', lows * '\\'}}
	if escaped { // every byte that matters in a string is escaped
		k.quote, k.marks[0] = `\"`, k.marks[1]
	}
	how, ok = k.document()
	return how, ok && !k.failed
}

// document reads the document.
func (c *check) document() (how Ending, ok bool) {
	src, width := c.src, len(c.quote)
	var few [8]uint64
	objects := few[:] // which of the open containers are objects, a bit each
	depth, inObject, i := 0, false, c.space(0)
	var (
		b     byte
		w     int
		whole bool
		asks  uint64
	)
	for {
		if inObject {
			var at stage
			switch i, at = c.members(i); at {
			case atValue:
				goto value
			case afterValue:
				goto after
			case atSuspect:
				return Malformed, false
			}
			if b, w = c.at(i); w == 0 {
				return Cut, true
			}
			if b != '"' {
				return Malformed, false
			}
			from := i + w
			if i, whole = c.string(from); !whole {
				return Cut, true
			}
			asks = c.asks(src[from : i-width])
			if i >= len(src) || src[i] != ':' {
				i = c.space(i)
				if b, w = c.at(i); w > 0 && b != ':' {
					return Malformed, false
				}
			}
			if i < len(src) {
				if i++; !c.solid(i) {
					i = c.space(i)
				}
			}
			if asks != 0 && c.Holds(asks, src[i:], c.quote) {
				return Malformed, false
			}
		}
	value:
		if i < len(src) && src[i] != '\\' { // as at would say, but inline
			b, w = src[i], 1
		} else if b, w = c.at(i); w == 0 {
			return Cut, depth > 0
		}
		switch {
		case b == '"' && depth > 0:
			if i, whole = c.string(i + w); !whole {
				return Cut, true
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
			if b, w := c.at(i); w > 0 && b != end {
				continue
			}
		case depth == 0:
			return Malformed, false
		case b == '-' || '0' <= b && b <= '9':
			for i += w; i < len(src) && numberByte[src[i]]; i++ {
			}
		default:
			kind, end, whole := scanLiteral(src, i)
			if kind == Missing {
				return Malformed, false
			}
			if !whole {
				return Cut, true
			}
			i = end
		}
	after:
		for {
			if depth == 0 {
				return Whole, c.space(i) == len(src)
			}
			if i < len(src) && (src[i] == ',' || src[i] == '}') {
				b, w = src[i], 1
			} else {
				i = c.space(i)
				if b, w = c.at(i); w == 0 {
					return Cut, true
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
				return Malformed, false
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
// texts without escapes, numbers and literals: most objects consist of these. It returns how far it
// came.
func (c *check) members(i int) (next int, at stage) {
	src, width, mark, other := c.src, len(c.quote), c.marks[0], c.marks[1]
	open := c.quote[0]
	const room = 2 + 2*wordSize + 4 // for a key that the words hold, and what is around it
	for i+room+wordSize <= len(src) && src[i] == open && src[i+width-1] == '"' {
		from := i + width
		key := recentKey{low: binary.LittleEndian.Uint64(src[from:])}
		m, n := marked(key.low, mark, other), 0
		if m != 0 {
			key.low &= before(m)
			n = bits.TrailingZeros64(m) / 8
		} else {
			key.high = binary.LittleEndian.Uint64(src[from+wordSize:])
			if m = marked(key.high, mark, other); m == 0 {
				return i, atKey
			}
			key.high &= before(m)
			n = wordSize + bits.TrailingZeros64(m)/8
		}
		v := from + n + width
		if src[v-1] != '"' || src[v] != ':' {
			return i, atKey
		}
		if v++; !c.solid(v) {
			if v = c.space(v); v+wordSize > len(src) {
				return i, atKey
			}
		}
		key.high |= uint64(n+1) << 56
		recent := c.place(key)
		if recent.low != key.low || recent.high != key.high {
			key.asks = c.ask(src[from : from+n])
			*recent = key
		}
		if recent.asks != 0 && c.Holds(recent.asks, src[v:], c.quote) {
			return v, atSuspect
		}
		end := v
		switch b := src[v]; {
		case b == open && src[v+width-1] == '"':
			for end += width; ; end += wordSize {
				if end+wordSize+width > len(src) {
					return v, atValue
				}
				if m = marked(binary.LittleEndian.Uint64(src[end:]), mark, other); m != 0 {
					break
				}
			}
			end += bits.TrailingZeros64(m)/8 + width
			if src[end-1] != '"' {
				return v, atValue
			}
		case '0' <= b && b <= '9' || b == '-':
			for end++; end < len(src) && numberByte[src[end]]; end++ {
			}
		case string(src[v:v+4]) == "true", string(src[v:v+4]) == "null":
			end += 4
		case string(src[v:v+5]) == "false":
			end += 5
		default:
			return v, atValue
		}
		if end >= len(src) || src[end] != ',' {
			return end, afterValue
		}
		if i = end + 1; !c.solid(i) {
			i = c.space(i)
		}
	}
	return i, atKey
}

// numberByte has the bytes that numbers are made of.
var numberByte = func() (is [256]bool) {
	for _, c := range "0123456789.eE+-" {
		is[c] = true
	}
	return is
}()

// marked sets the highest bit of the first byte of a word that is one of two marks, and perhaps
// those of later bytes. It returns 0 if there is none. The marks are repeated in all bytes.
func marked(word, mark, other uint64) uint64 {
	x, y := word^mark, word^other
	return ((x-lows)&^x | (y-lows)&^y) & highs
}

// before has all bits of the bytes before the first one that is marked in m.
func before(m uint64) uint64 { return (m ^ (m - 1)) >> 8 }

// ask is Asks for a Checker that may suspect nothing.
func (c *check) ask(key []byte) uint64 {
	if c.Asks == nil {
		return 0
	}
	return c.Asks(key)
}

// asks is ask from memory, for a key that members did not read, such as one near the end.
func (c *check) asks(key []byte) uint64 {
	var words [2 * wordSize]byte
	if len(key) >= len(words) {
		return c.ask(key)
	}
	copy(words[:], key)
	k := recentKey{low: binary.LittleEndian.Uint64(words[:]), high: binary.LittleEndian.Uint64(words[wordSize:]) | uint64(len(key)+1)<<56}
	recent := c.place(k)
	if recent.low != k.low || recent.high != k.high {
		k.asks = c.ask(key)
		*recent = k
	}
	return recent.asks
}

// place is where a key is remembered.
func (c *Checker) place(key recentKey) *recentKey {
	return &c.recent[(key.low^key.high*0x9e3779b97f4a7c15)*0xd6e8feb86659fd93>>55]
}

// at returns the byte at i and how many bytes of src it takes, 0 at the end.
func (c *check) at(i int) (b byte, width int) {
	if i >= len(c.src) {
		return 0, 0
	}
	if b = c.src[i]; b != '\\' || !c.escaped {
		return b, 1
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
		if w == 0 {
			return len(c.src)
		}
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return i
		}
		i += w
	}
}

// string finds the end of the string whose first byte, or a later one, is at i: the place after its
// closing quote.
func (c *check) string(i int) (end int, whole bool) {
	for i < len(c.src) {
		for i+wordSize <= len(c.src) {
			if m := marked(binary.LittleEndian.Uint64(c.src[i:]), c.marks[0], c.marks[1]); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += wordSize
		}
		if i == len(c.src) {
			break
		}
		switch b := c.src[i]; {
		case b != '\\':
			if i++; b == '"' {
				return i, true
			}
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
			}
		case 'u', 'x': // it may be a quote
			c.failed = true
			return 0, false
		}
		i++
	}
	return 0, false
}
