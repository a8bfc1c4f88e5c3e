package accesslog

import (
	"strings"

	"errata/internal/jsontree"
)

// Most records are whole JSON objects of a gateway, or arrays of them, of which the formats ask for
// a few values. The quick way takes these from the bytes in one pass and builds no tree of the
// rest. It gives up on everything else: wrappers, damage, objects in no format. Such a record is
// read again as a whole. FuzzQuick checks that both ways read the same from every record.

// placePaths numbers the paths that formats and exclusions ask for. A path of a single key gets the
// key's number.
func (r *Reader) placePaths(rows []*format) {
	tops := make([]jsontree.Key, len(r.keys))
	for key, n := range r.keys {
		tops[n] = jsontree.Key{Name: key, AnyCase: strings.Contains(key, "-") && len(key) <= maxHeader} // as keyNumbers finds it
	}
	for i := range tops {
		if _, ok := r.paths.Add(tops[i : i+1]); !ok {
			r.plain = true
		}
	}
	add := func(s *source) {
		if len(s.path) == 0 {
			return
		}
		path := []jsontree.Key{tops[s.key]}
		for i, key := range s.path[1:] {
			path = append(path, jsontree.Key{Name: key, AnyCase: s.fold && i == len(s.path)-2})
		}
		var ok bool
		if s.slot, ok = r.paths.Add(path); !ok {
			r.plain = true
		}
	}
	for _, f := range rows {
		for _, fields := range f.all() {
			for i := range *fields {
				add(&(*fields)[i])
			}
		}
		for i := range f.body {
			if s := &f.body[i]; len(s.path) > 0 {
				r.bodies = append(r.bodies, s.slot)
			}
		}
		for i := range f.known {
			for j := range f.known[i].where {
				add(&f.known[i].where[j].source)
			}
		}
	}
	for _, list := range [][]exclusion{r.exclude, r.ignore} {
		for i := range list {
			add(&list[i].field)
		}
	}
	r.wrapperKeys = make(set, (len(r.keys)+63)/64)
	for _, f := range r.wrappers.holders() {
		for i := range *f {
			r.wrapperKeys.add((*f)[i].key)
		}
	}
}

// Prove makes the Reader check bodies, where it passes them on the quick way. So they are read
// once: package parse need not look into those that are Proved. The Reader takes over the Checker.
func (r *Reader) Prove(c *jsontree.Checker) {
	for _, slot := range r.bodies {
		r.paths.Check(slot, c)
	}
}

// quick reads a text that is an object or an array of objects, as text does. It is not ok if that
// takes the plain way; then it has appended nothing.
func (r *Reader) quick(text []byte, at place) (name string, ok bool) {
	if r.plain {
		return "", false
	}
	if text[0] == '{' {
		name, end := r.quickObject(text, 0, at)
		return name, end == len(text)
	}
	before, why := len(r.elements), r.why
	if name, ok = r.quickArray(text, at); !ok {
		r.elements, r.why = r.elements[:before], why
	}
	return name, ok
}

func (r *Reader) quickArray(text []byte, at place) (name string, ok bool) {
	spaces := func(i int) int {
		for i < len(text) && strings.IndexByte(" \n\r\t", text[i]) >= 0 {
			i++
		}
		return i
	}
	for i := spaces(1); len(r.elements) < maxElements; i = spaces(i + 1) {
		format, end := r.quickObject(text, i, at)
		if end == 0 {
			return "", false
		}
		if name == "" {
			name = format
		}
		if i = spaces(end); i == len(text) || text[i] != ',' {
			return name, i == len(text)-1 && text[i] == ']'
		}
	}
	return "", false
}

// quickObject reads the object that begins at text[i] and returns where it ends, or 0 if that takes
// the plain way.
func (r *Reader) quickObject(text []byte, i int, at place) (name string, end int) {
	o := r.level(at.depth)
	end, ok := o.tree.Select(text, i, &r.paths, o.keys)
	if !ok || text[0] == '{' && end != len(text) {
		return "", 0
	}
	o.selected, o.fill, r.unsure = true, nil, false
	if at.depth == 0 {
		at.raw = text[i:end]
	}
	formats := r.shapes.of(o.keys, r.formats)
	if name = r.own(o, formats, jsontree.Value{}, at); r.unsure {
		return "", 0
	}
	if name != "" {
		return name, end
	}
	for i, wrappers := range r.wrapperKeys {
		if o.keys[i]&wrappers != 0 {
			return "", 0
		}
	}
	if name = r.shared(o, formats, jsontree.Value{}, at); name != "" {
		return name, end
	}
	return "", 0
}
