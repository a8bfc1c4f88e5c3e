package jsontree

import (
	"bytes"
	"strings"
)

// Paths are the places in an object that a reader asks for, each with a number. The zero value has
// none. Select also remembers in them which keys follow each other, so only one goroutine may use
// them at a time.
type Paths struct {
	root   pathNode
	places []*pathNode // by number
}

// Key is one key of a path.
type Key struct {
	Name    string
	AnyCase bool // it matches in any case of its ASCII letters
}

// pathNode is a place, and the places below it.
type pathNode struct {
	number  uint
	checker *Checker      // of the documents in texts here, nil: they are not checked
	below   int           // how many places are right below it
	table   []*pathMember // these by hash, at most a quarter full; its length is a power of two

	around *pathNode // the place of the object around the one that Select is reading
	seen   member    // this place as a member of the object around it
	open   member    // the beginning of the object here: its next is the first key
	others []member  // of the object here, some that are not asked for, by hash
}

// member is a member of an object, as Select last saw it. Objects of one kind mostly have the same
// keys in the same order. So each member remembers which one followed it last, and one comparison
// of bytes reads the next key with what is around it, instead of a scan, a search and three looks
// for white space.
type member struct {
	words            // the source between the bracket or comma before it and its value, and the quote if that is a text
	quoted bool      // they end in the quote
	place  *pathNode // nil: it is not asked for
	next   *member   // nil: not known yet
}

// otherMembers is how many members of an object are remembered that are not asked for.
const otherMembers = 32

type pathMember struct {
	Key // in lower case if AnyCase
	pathNode
}

// Add adds a path and the places around it, and returns its number. Numbers begin at 0, and a place
// keeps its number.
//
// It is not ok if a key of an object could then stand for two places, one of which asks for a
// certain case and the other for none.
func (p *Paths) Add(path []Key) (number int, ok bool) {
	at := &p.root
	for _, key := range path {
		if at, ok = p.member(at, key); !ok {
			return 0, false
		}
	}
	return int(at.number), true
}

// Len is how many numbers there are.
func (p *Paths) Len() int { return len(p.places) }

// Check makes Select check the documents that stand in texts at the place with a number. That costs
// less than to look for the end of the text first.
func (p *Paths) Check(number int, c *Checker) { p.places[number].checker = c }

func (p *Paths) member(of *pathNode, key Key) (n *pathNode, ok bool) {
	if key.AnyCase {
		key.Name = lowerASCII(key.Name)
	}
	if 4*of.below >= len(of.table) {
		of.grow()
	}
	h := of.hash([]byte(key.Name)) // equal for both cases of a letter, so that it leads to all names like this one
	for ; of.table[h] != nil; h = of.after(h) {
		switch m := of.table[h]; {
		case m.Key == key:
			return &m.pathNode, true
		case (m.AnyCase || key.AnyCase) && lowerASCII(m.Name) == lowerASCII(key.Name):
			return nil, false
		}
	}
	m := &pathMember{key, pathNode{number: uint(len(p.places))}}
	m.seen.place = &m.pathNode
	p.places = append(p.places, &m.pathNode)
	of.table[h] = m
	of.below++
	return &m.pathNode, true
}

func lowerASCII(key string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, key)
}

func (n *pathNode) grow() {
	old := n.table
	n.table = make([]*pathMember, max(8, 2*len(old)))
	for _, m := range old {
		if m == nil {
			continue
		}
		h := n.hash([]byte(m.Name))
		for n.table[h] != nil {
			h = n.after(h)
		}
		n.table[h] = m
	}
}

// hash returns where in the table to look for a key, and after where to look next.
func (n *pathNode) hash(key []byte) int {
	size := len(key)
	if size == 0 {
		return 0
	}
	return (size*37 + int(key[0]|0x20)*5 + int(key[size/2]|0x20)*113 + int(key[size-1]|0x20)*19) & (len(n.table) - 1)
}

func (n *pathNode) after(h int) int { return (h + 1) & (len(n.table) - 1) }

// find returns the place that a key leads to, nil if there is none.
func (n *pathNode) find(key []byte) *pathNode {
	if len(n.table) == 0 {
		return nil
	}
	for h := n.hash(key); n.table[h] != nil; h = n.after(h) {
		if m := n.table[h]; string(key) == m.Name || m.AnyCase && foldsTo(key, m.Name) {
			return &m.pathNode
		}
	}
	return nil
}

// foldsTo reports whether a key is a lower-case one in any case.
func foldsTo(key []byte, lower string) bool {
	if len(key) != len(lower) {
		return false
	}
	for i, c := range key {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// maxSkipDepth limits how deep the values may be nested that Select passes over.
const maxSkipDepth = 64

// Select reads the object that begins at src[from], looks up the paths on the way, and keeps
// nothing else. For each path that the object has, it sets the bit of its number in present. If a
// key occurs twice in an object, the first one counts. The values, which Selected returns, have no
// children, except that an array has its first item.
//
// It is ok only if Parse reads the same object as whole. It is not ok either if the nesting is
// extreme, or if a key that might be asked for has an escape: such an object is for Parse. end is
// where the object ends; what follows is not looked at. Select ends the life of all earlier Values
// of the Tree.
func (t *Tree) Select(src []byte, from int, paths *Paths, present []uint64) (end int, ok bool) {
	if t.paths != paths || len(t.places) != 2*paths.Len() {
		t.paths, t.places = paths, paths.nodes()
	}
	t.src, t.nodes, t.proved = src, t.places, -1
	clear(present)
	if from >= len(src) || src[from] != '{' {
		return 0, false
	}
	s := selection{t, present}
	return s.object(from, &paths.root)
}

// Selected returns the value that Select has found of the path with a number.
func (t *Tree) Selected(number int) Value { return Value{t, int32(2 * number)} }

type selection struct {
	tree    *Tree
	present []uint64
}

// object reads the object that begins at i, and those inside it that paths lead into.
func (s *selection) object(i int, root *pathNode) (end int, ok bool) {
	src := s.tree.src
	of, last := root, &root.open // the innermost object, and its member before i
	i++
	for {
		if i = skipSpace(src, i); i >= len(src) {
			return 0, false
		}
		if src[i] == '}' {
			i++
			if of == root {
				return i, true
			}
			s.tree.nodes[of.node()].end = int32(i)
			of, last = of.around, &of.seen
			continue
		}
		if last != &of.open {
			if src[i] != ',' {
				return 0, false
			}
			i++
		}
		var at stage
		if i, last, at = s.members(i, last); at == afterValue {
			continue
		}
		if at == atKey {
			if i, last = s.member(i, of, last); last == nil {
				return 0, false
			}
		}
		if i = skipSpace(src, i); i >= len(src) {
			return 0, false
		}
		switch n := last.place; {
		case n == nil || s.has(n): // not asked for, or an earlier member has this key
			i, ok = skip(src, i)
		case src[i] == '{' && n.table != nil:
			s.found(n).set(Object, i, i)
			n.around = of
			of, last = n, &n.open
			i, ok = i+1, true
		default:
			i, ok = s.value(i, n)
		}
		if !ok {
			return 0, false
		}
	}
}

// members reads members from i on, which is right after a bracket or comma, as long as each key is
// the one that followed the last time, and the values are texts without escapes and numbers that
// are not negative. It returns how far it came, and the last member whose key it read.
func (s *selection) members(i int, last *member) (next int, m *member, at stage) {
	src := s.tree.src
	for {
		m := last.next
		if m == nil || !(i >= 0 && i <= len(src)-firstWords && m.size <= firstWords && m.isAt(src[i:i+firstWords])) && !m.isAtSlowly(src[i:]) {
			return i, last, atKey
		}
		i += m.size
		from, kind := i, Number
		switch {
		case m.quoted:
			if n := m.place; n != nil && n.checker != nil {
				return i - 1, m, atValue
			}
			i = mark(src, i)
			if i >= len(src) || src[i] != '"' {
				return from - 1, m, atValue
			}
			kind = String
		case i < len(src) && '0' <= src[i] && src[i] <= '9':
			i = skipNumber(src, i)
		default:
			return i, m, atValue
		}
		if n := m.place; n != nil && !s.has(n) {
			s.found(n).set(kind, from, i)
		}
		if kind == String {
			i++ // after the quote
		}
		if i >= len(src) || src[i] != ',' {
			return i, m, afterValue
		}
		i++
		last = m
	}
}

// has reports whether the value of a path has been found.
func (s *selection) has(path *pathNode) bool {
	return s.present[path.number/64]&(1<<(path.number%64)) != 0
}

// found notes that the object has a path, and returns the node for its value.
func (s *selection) found(path *pathNode) *node {
	s.present[path.number/64] |= 1 << (path.number % 64)
	self := path.node()
	n := &s.tree.nodes[self]
	n.after = self + 1
	return n
}

// member reads the key of the member at from, right after a bracket or comma, and remembers that it
// follows another. It returns where the value begins, and nil if the object is for Parse.
func (s *selection) member(from int, of *pathNode, last *member) (value int, m *member) {
	src := s.tree.src
	i := skipSpace(src, from)
	if i >= len(src) || src[i] != '"' {
		return 0, nil
	}
	end, escaped, complete := scanString(src, i+1)
	if !complete || escaped {
		return 0, nil
	}
	key := src[i+1 : end]
	if i = skipSpace(src, end+1); i >= len(src) || src[i] != ':' {
		return 0, nil
	}
	if i = skipSpace(src, i+1); i >= len(src) {
		return 0, nil
	}
	if place := of.find(key); place != nil {
		m = &place.seen
	} else {
		m = of.other(key)
	}
	quoted, size := src[i] == '"', i-from
	if quoted {
		size++
	}
	if size <= maxWords {
		m.words, m.quoted = wordsOf(src[from:from+size]), quoted
		last.next = m
	}
	return i, m
}

// other returns where the member of a key that is not asked for is remembered. Another key may have
// been there.
func (n *pathNode) other(key []byte) *member {
	if n.others == nil {
		n.others = make([]member, otherMembers)
	}
	hash := len(key)
	if hash > 0 {
		hash += 37*int(key[0]) + 113*int(key[len(key)/2]) + 19*int(key[len(key)-1])
	}
	return &n.others[hash%otherMembers]
}

// value reads the value at i, which is at a path.
func (s *selection) value(i int, path *pathNode) (end int, ok bool) {
	src, n := s.tree.src, s.found(path)
	if src[i] == '"' {
		text, escaped, whole := s.text(i+1, path)
		n.set(String, i+1, text)
		n.escaped = escaped
		return text + 1, whole
	}
	if end, ok = single(src, i, n); !ok || n.kind != Array {
		return end, ok
	}
	if first := skipSpace(src, i+1); src[first] != ']' {
		n.after++
		_, ok = single(src, first, &s.tree.nodes[n.after-1])
	}
	return end, ok
}

// text finds the end of the text whose first byte is at i, as scanString does.
func (s *selection) text(i int, path *pathNode) (end int, escaped, whole bool) {
	t := s.tree
	if path.checker != nil && i < len(t.src) && (t.src[i] == '{' || t.src[i] == '[') {
		if end, ok := path.checker.CheckString(t.src, i); ok {
			t.proved = path.node()
			return end, bytes.IndexByte(t.src[i:end], '\\') >= 0, true
		}
	}
	return scanString(t.src, i)
}

// single makes n the value at i, without what is inside it.
func single(src []byte, i int, n *node) (end int, ok bool) {
	kind := Bool
	switch c := src[i]; {
	case c == '"':
		end, escaped, ok := scanString(src, i+1)
		n.set(String, i+1, end)
		n.escaped = escaped
		return end + 1, ok
	case c == '-' || '0' <= c && c <= '9':
		end = skipNumber(src, i)
		n.set(Number, i, end)
		return end, true
	case c == '{':
		kind = Object
	case c == '[':
		kind = Array
	case c == 'n':
		kind = Null
	}
	end, ok = skip(src, i)
	n.set(kind, i, end)
	return end, ok
}

// node returns the index of the node that Select makes of the value at a place. The node after it
// is for the first item, if that is an array.
func (n *pathNode) node() int32 { return int32(2 * n.number) }

// nodes returns nodes for the values of all places, with what is always the same in them.
func (p *Paths) nodes() []node {
	nodes := make([]node, 2*len(p.places))
	for i := range nodes {
		n := &nodes[i]
		n.parent, n.after, n.complete = -1, int32(i+1), true
		if i%2 != 0 {
			n.parent = int32(i - 1)
		}
	}
	return nodes
}

func (n *node) set(kind Kind, start, end int) {
	n.kind, n.escaped, n.start, n.end = kind, false, int32(start), int32(end)
}

// skipNumber returns where the number at i ends.
func skipNumber(src []byte, i int) int {
	for i++; i < len(src) && numberByte[src[i]]; i++ {
	}
	return i
}

// skip returns where the value at i ends. It is ok only if Parse would read it as whole.
func skip(src []byte, i int) (end int, ok bool) {
	var objects uint64 // which of the open containers are objects, a bit each
	depth := 0
	for {
		switch c := src[i]; {
		case c == '"':
			end, _, complete := scanString(src, i+1)
			if !complete {
				return 0, false
			}
			i = end + 1
		case c == '-' || '0' <= c && c <= '9':
			i = skipNumber(src, i)
		case c == '{' || c == '[':
			if depth++; depth >= maxSkipDepth {
				return 0, false
			}
			objects <<= 1
			if c == '{' {
				objects |= 1
			}
			if i = skipSpace(src, i+1); i >= len(src) {
				return 0, false
			}
			if src[i] != c+2 { // not empty: a closing bracket is two after the opening one
				if c == '{' {
					if i, ok = skipKey(src, i); !ok {
						return 0, false
					}
				}
				continue
			}
		default:
			kind, end, complete := scanLiteral(src, i)
			if kind == Missing || !complete {
				return 0, false
			}
			i = end
		}
		for {
			if depth == 0 {
				return i, true
			}
			if i = skipSpace(src, i); i >= len(src) {
				return 0, false
			}
			if src[i] == ',' {
				if i = skipSpace(src, i+1); i >= len(src) {
					return 0, false
				}
				if objects&1 != 0 {
					if i, ok = skipKey(src, i); !ok {
						return 0, false
					}
				}
				break
			}
			if last := byte(']') + byte(objects&1)*('}'-']'); src[i] != last {
				return 0, false
			}
			objects >>= 1
			depth--
			i++
		}
	}
}

// skipKey returns where the value begins after the key at i.
func skipKey(src []byte, i int) (value int, ok bool) {
	if src[i] != '"' {
		return 0, false
	}
	end, _, complete := scanString(src, i+1)
	if !complete {
		return 0, false
	}
	if i = skipSpace(src, end+1); i >= len(src) || src[i] != ':' {
		return 0, false
	}
	i = skipSpace(src, i+1)
	return i, i < len(src)
}
