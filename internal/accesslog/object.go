package accesslog

import (
	"bytes"
	"math/bits"
	"strings"

	"errata/internal/jsontree"
)

// keyNumbers numbers the top-level keys that any format asks for. Those that formats are known by
// come first, so that their masks are short. Keys with a hyphen are header names: they match in any
// case and are stored here in lower case.
type keyNumbers map[string]int

func (k keyNumbers) number(key string) int {
	if strings.Contains(key, "-") {
		key = strings.ToLower(key)
	}
	n, ok := k[key]
	if !ok {
		n = len(k)
		k[key] = n
	}
	return n
}

// maxHeader is the longest name of a header that is found in any case.
const maxHeader = 64

// odd finds the number of a key that is written otherwise than in the table: with escapes, or as a
// header name in another case.
func (k keyNumbers) odd(v jsontree.Value) (n int, ok bool) {
	key := v.RawKey()
	if v.KeyEscaped() {
		key = []byte(v.Key())
	} else if len(key) > maxHeader || bytes.IndexByte(key, '-') < 0 {
		return 0, false
	}
	var lower [maxHeader]byte
	if n, ok = k[string(key)]; ok || len(key) > len(lower) || bytes.IndexByte(key, '-') < 0 {
		return n, ok
	}
	for i, c := range key {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	n, ok = k[string(lower[:len(key)])]
	return n, ok
}

// set is a set of key numbers.
type set []uint64

func (s set) has(n int) bool { return s[uint(n)/64]&(1<<(uint(n)%64)) != 0 }
func (s set) add(n int)      { s[uint(n)/64] |= 1 << (uint(n) % 64) }

// object is a JSON object of a record, with an index of its top-level keys.
type object struct {
	tree     jsontree.Tree    // holds the object if it was read from text
	keys     set              // the numbered keys that are present
	indexed  []jsontree.Value // their values, for top and value
	selected bool             // it was read the quick way: keys is about all paths
	fill     *format          // of a wrapper: how it completes the record inside
}

// level returns the object at a depth of the record. It is made when a record first gets that deep.
func (r *Reader) level(depth int) *object {
	for len(r.levels) <= depth {
		r.levels = append(r.levels, &object{keys: make(set, (r.paths.Len()+63)/64), indexed: make([]jsontree.Value, len(r.keys))})
	}
	return r.levels[depth]
}

// index makes o the index of v's top-level keys. If a key occurs twice, the first one counts.
func (o *object) index(v jsontree.Value, keys keyNumbers) {
	clear(o.keys)
	o.selected, o.fill = false, nil
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		n, ok := keys[string(m.RawKey())]
		if !ok {
			if n, ok = keys.odd(m); !ok {
				continue
			}
		}
		if !o.keys.has(n) {
			o.keys.add(n)
			o.indexed[n] = m
		}
	}
}

// top returns the value of a numbered key.
func (o *object) top(key int) jsontree.Value {
	switch {
	case !o.keys.has(key):
		return jsontree.Value{}
	case o.selected:
		return o.tree.Selected(key)
	}
	return o.indexed[key]
}

// value returns what a source's path leads to.
func (o *object) value(s *source) jsontree.Value {
	switch {
	case s.path == nil:
		return jsontree.Value{}
	case o.selected:
		return o.top(s.slot)
	case !o.keys.has(s.key):
		return jsontree.Value{}
	}
	v := o.indexed[s.key]
	if len(s.path) == 1 {
		return v
	}
	last := len(s.path) - 1
	for _, key := range s.path[1:last] {
		v = v.Get(key)
	}
	if s.fold {
		return getFold(v, s.path[last])
	}
	return v.Get(s.path[last])
}

// getFold is v.Get for the name of a header, in any case.
func getFold(v jsontree.Value, name string) jsontree.Value {
	if v.Kind() != jsontree.Object {
		return jsontree.Value{}
	}
next:
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		key := m.RawKey()
		if len(key) != len(name) {
			continue
		}
		for i, c := range key {
			if c != name[i] && (c|0x20 != name[i]|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
				continue next
			}
		}
		return m
	}
	return jsontree.Value{}
}

// is reports whether o has a signature of f.
func (o *object) is(r *Reader, f *format) bool {
signatures:
	for i := range f.known {
		s := &f.known[i]
		for j := range s.clauses {
			if !s.clauses[j].holds(o.keys) {
				continue signatures
			}
		}
		for j := range s.where {
			c := &s.where[j]
			if b := r.find(o, &c.source); b == nil && o.value(&c.source).Kind() == jsontree.Missing || c.compare && string(b) != c.value || c.pattern != nil && b == nil {
				continue signatures
			}
		}
		return true
	}
	return false
}

// holds reports whether enough of the clause's keys are present, or none if it asks for that.
func (c *clause) holds(keys set) bool {
	n := 0
	for i, mask := range c.mask {
		if m := keys[i] & mask; m != 0 {
			if c.atLeast == 1 {
				return true
			}
			n += bits.OnesCount64(m)
		}
	}
	return n >= c.atLeast && (n == 0 || !c.none)
}
