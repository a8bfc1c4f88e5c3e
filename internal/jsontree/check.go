package jsontree

import "bytes"

// checker walks over JSON that may stand inside a JSON string, with that string's escapes.
type checker struct {
	src     []byte
	escaped bool
	suspect func(key, value []byte) bool
	failed  bool // an escape that the checker does not read
}

// Check returns how a document ends, as Parse does, but builds nothing. If escaped is set, src is
// what stands between the quotes of a JSON string that holds the document.
//
// It is ok only for an object or array that is whole or cut off and has no suspect key. In an
// escaped document, the only escapes outside of its own strings may be \" \n \r and \t. Everything
// else is for Parse. suspect, which may be nil, gets each key as src has it, and src from the key's
// value on.
func Check(src []byte, escaped bool, suspect func(key, value []byte) bool) (how Ending, ok bool) {
	c := checker{src: src, escaped: escaped, suspect: suspect}
	how, ok = c.document()
	return how, ok && !c.failed
}

func (c *checker) document() (how Ending, ok bool) {
	var few [8]uint64
	objects := few[:] // which of the open containers are objects, a bit each
	depth, i := 0, 0
	inObject := func() bool { return objects[(depth-1)/64]&(1<<((depth-1)%64)) != 0 }
	for {
		i = c.space(i)
		if depth > 0 && inObject() {
			b, w := c.at(i)
			if w == 0 {
				return Cut, true
			}
			if b != '"' {
				return Malformed, false
			}
			from := i + w
			end, whole := c.string(from)
			if !whole {
				return Cut, true
			}
			key := c.src[from : end-w] // the closing quote takes as many bytes as the opening one
			i = c.space(end)
			if b, w = c.at(i); w > 0 {
				if b != ':' {
					return Malformed, false
				}
				i = c.space(i + w)
			}
			if c.suspect != nil && c.suspect(key, c.src[i:]) {
				return Malformed, false
			}
		}
		b, w := c.at(i)
		if w == 0 {
			return Cut, depth > 0
		}
		switch {
		case b == '{' || b == '[':
			if depth == len(objects)*64 {
				objects = append(objects, 0)
			}
			end := byte(']')
			bit := uint64(1) << (depth % 64)
			objects[depth/64] &^= bit
			if b == '{' {
				end = '}'
				objects[depth/64] |= bit
			}
			depth++
			i = c.space(i + w)
			if b, w := c.at(i); w > 0 && b != end {
				continue
			}
		case depth == 0:
			return Malformed, false
		case b == '"':
			end, whole := c.string(i + w)
			if !whole {
				return Cut, true
			}
			i = end
		case b == '-' || '0' <= b && b <= '9':
			for i += w; i < len(c.src) && isNumberByte(c.src[i]); i++ {
			}
		default:
			kind, end, whole := scanLiteral(c.src, i)
			if kind == Missing {
				return Malformed, false
			}
			if !whole {
				return Cut, true
			}
			i = end
		}
		for {
			i = c.space(i)
			if depth == 0 {
				return Whole, i == len(c.src)
			}
			b, w := c.at(i)
			if w == 0 {
				return Cut, true
			}
			i += w
			if b == ',' {
				break
			}
			if end := byte(']'); b != end && !inObject() || b != '}' && inObject() {
				return Malformed, false
			}
			depth--
		}
	}
}

// at returns the byte at i and how many bytes of src it takes, 0 at the end.
func (c *checker) at(i int) (b byte, width int) {
	if i >= len(c.src) {
		return 0, 0
	}
	if b = c.src[i]; b != '\\' || !c.escaped {
		return b, 1
	}
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

func (c *checker) space(i int) int {
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

// string finds the end of the string whose first byte is at i: the place after its closing quote.
func (c *checker) string(i int) (end int, whole bool) {
	if !c.escaped {
		for from := i; ; {
			next := bytes.IndexByte(c.src[i:], '"')
			if next < 0 {
				return 0, false
			}
			i += next
			if !oddBackslash(c.src[from:i]) {
				return i + 1, true
			}
			i++
		}
	}
	for i < len(c.src) {
		next := bytes.IndexByte(c.src[i:], '\\') // every byte that matters here is escaped
		if next < 0 || i+next+1 == len(c.src) {
			return 0, false
		}
		i += next + 1
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
