package accesslog

import (
	"bytes"
	"slices"
	"time"

	"errata/internal/jsontree"
)

// From the text of a record to its elements: which of its parts are entries, and in which format
// each of them is.

// text reads the bytes of a record: one JSON document or line, or several. Either it appends
// elements and returns the format, "" if no element has one; or it appends none and returns why.
func (r *Reader) text(text []byte, at place) (name string, why Reason) {
	if text[0] != '{' && text[0] != '[' {
		if bytes.IndexByte(text, '\n') >= 0 {
			return r.several(text, at)
		}
		return r.textLine(text, at)
	}
	if name, ok := r.quick(text, at); ok {
		return name, ""
	}
	tree := &r.level(at.depth).tree
	root := tree.Parse(text)
	switch whole := tree.Ending == jsontree.Whole; {
	case whole && root.Kind() == jsontree.Object:
		if at.depth == 0 {
			at.raw = root.Raw()
		}
		if name = r.object(root, at); name == "" {
			return "", r.unknown()
		}
		return name, ""
	case whole:
		return r.array(root, at)
	}
	if bytes.IndexByte(text, '\n') >= 0 || tree.Ending == jsontree.Trailing && text[tree.Offset] == '{' {
		return r.several(text, at)
	}
	return r.damaged(text, at)
}

// damaged reads what begins like JSON and is not: a document that is cut off, or a text line that
// begins with a bracket.
func (r *Reader) damaged(text []byte, at place) (name string, why Reason) {
	tree := &r.level(at.depth).tree
	root := tree.Parse(text)
	cut := tree.Ending == jsontree.Cut
	if cut && root.Kind() == jsontree.Array && at.depth == 0 {
		return r.array(root, at)
	}
	if name, why = r.textLine(text, at); name == "" && why == ReasonMalformed && cut {
		why = ReasonTruncated
	}
	return name, why
}

// textLine reads a line.
func (r *Reader) textLine(line []byte, at place) (name string, why Reason) {
	if name = r.line(line, at); name != "" {
		return name, ""
	}
	if why = r.why; why == "" {
		why = ReasonMalformed
	}
	r.why = ""
	return "", why
}

// unknown returns the reason for an object that is in no format or holds a damaged record.
func (r *Reader) unknown() Reason {
	why := r.why
	if r.why = ""; why == "" {
		why = ReasonUnknownFormat
	}
	return why
}

// array reads the elements of an array. If the array is cut off, it reads the whole ones and makes
// the last one a dead letter.
func (r *Reader) array(root jsontree.Value, at place) (name string, why Reason) {
	before := len(r.elements)
	for item := root.First(); item.Kind() != jsontree.Missing && len(r.elements) <= maxElements; item = item.Next() {
		if at.depth == 0 {
			at.raw = item.Raw()
		}
		format := ""
		switch {
		case !item.Complete():
			r.deadLetter(ReasonTruncated, at)
		case item.Kind() == jsontree.String:
			r.level(at.depth).fill = nil // of an earlier record: no object is around the text
			if format = r.wrapped(r.unescaped(item), place{at.depth + 1, at.wrapped + 1, at.raw}); format == "" {
				r.deadLetter(ReasonNotAnObject, at)
			}
		case item.Kind() != jsontree.Object:
			r.deadLetter(ReasonNotAnObject, at)
		default:
			if format = r.object(item, at); format == "" {
				r.deadLetter(r.unknown(), at)
			}
		}
		if name == "" {
			name = format
		}
	}
	if root.Complete() {
		return name, ""
	}
	last := len(r.elements) - 1
	if last < before {
		return "", ReasonTruncated
	}
	if r.elements[last].DeadLetter != ReasonTruncated {
		r.elements = append(r.elements, Element{DeadLetter: ReasonTruncated}) // cut between two elements
	}
	return name, ""
}

func (r *Reader) deadLetter(why Reason, at place) {
	r.elements = append(r.elements, Element{DeadLetter: why, Raw: at.raw})
}

// object reads one JSON object: a record, or a wrapper around records. It appends their elements
// and returns the format; or it appends nothing and returns "". Loose formats come after the look
// inside. What only the meaning of its keys tells comes after that, and last a look under keys that
// no shipper in the table uses.
func (r *Reader) object(v jsontree.Value, at place) string {
	o := r.level(at.depth)
	o.index(v, r.keys)
	if name := r.own(o, r.formats, v, at); name != "" {
		return name
	}
	if name := r.inside(o, at); name != "" {
		return name
	}
	if name := r.shared(o, r.formats, v, at); name != "" {
		return name
	}
	if name := r.byMeaning(v, at, false); name != "" {
		return name
	}
	return r.anywhere(v, at)
}

// own reads o in one of the formats that has keys of its own. v is the whole object, if there is a
// tree of it.
func (r *Reader) own(o *object, formats []*format, v jsontree.Value, at place) string {
	for _, f := range formats {
		if f.loose || !o.is(r, f) {
			continue
		}
		e := r.try(f, o, at)
		if e == nil {
			continue
		}
		return r.settled(f, e, o, v, at, func(a *Access) string {
			if name := r.expanded(v, at); name != "" || a.Status != 0 || len(a.Path) > 0 {
				return name
			}
			return r.byMeaning(v, at, false)
		})
	}
	return ""
}

// shared reads o in one of the formats whose keys others have too, or in the one that the
// configuration names.
func (r *Reader) shared(o *object, formats []*format, v jsontree.Value, at place) string {
	for _, f := range formats {
		if !f.given && !(f.loose && o.is(r, f)) {
			continue
		}
		e := r.try(f, o, at)
		if e == nil {
			continue
		}
		return r.settled(f, e, o, v, at, func(a *Access) string {
			inWords := v.Get("status").Kind() == jsontree.String // the number is under another name, perhaps
			if a.Status != 0 || !inWords && r.misshapen(f, o, a) {
				return ""
			}
			name := r.byMeaning(v, at, false)
			o.index(v, r.keys) // as it was before
			return name
		})
	}
	return ""
}

// settled finishes the element e, which try appended, and returns the format of what was read. If
// its access lacks what every request has, the object is read in another way, or what is missing is
// filled in. Without a tree of the object, it is left to the plain way.
func (r *Reader) settled(f *format, e *Element, o *object, v jsontree.Value, at place, anotherWay func(a *Access) string) string {
	if f.lacks(&e.Access) {
		a := e.Access
		r.drop() // the other way appends elements of its own
		if v.Kind() == jsontree.Missing {
			r.unsure = true
			return ""
		}
		if name := anotherWay(&a); name != "" {
			return name
		}
		r.complete(f, &a, o, v, at)
		e = r.element(at)
		e.Access = a
	}
	r.finish(f, e, o, at)
	return f.name
}

// lacks reports whether an access in a format of the table lacks what every request has.
func (f *format) lacks(a *Access) bool {
	return !f.users && (a.Time.IsZero() || len(a.Path) == 0 || a.Status == 0)
}

// element appends an element to fill in, and drop removes it: an Access is large, so it is made
// where it stays.
func (r *Reader) element(at place) *Element {
	n := len(r.elements)
	r.elements = slices.Grow(r.elements, 1)[:n+1]
	e := &r.elements[n]
	*e = Element{Raw: at.raw}
	return e
}

func (r *Reader) drop() { r.elements = r.elements[:len(r.elements)-1] }

// try appends an element with the access that f names in o, or returns nil if there is none.
func (r *Reader) try(f *format, o *object, at place) *Element {
	e := r.element(at)
	if !r.read(&e.Access, f, o) {
		r.drop()
		return nil
	}
	return e
}

// add appends an element with an access of o.
func (r *Reader) add(f *format, a Access, o *object, at place) {
	e := r.element(at)
	e.Access = a
	r.finish(f, e, o, at)
}

// finish completes the access of the element that was appended last from the wrappers around it and
// with its route, unless it is excluded or cannot be used.
func (r *Reader) finish(f *format, e *Element, o *object, at place) {
	a := &e.Access
	a.Format, r.why = f.name, ""
	for depth := at.depth - 1; depth >= 0; depth-- {
		if around := r.levels[depth]; around.fill != nil {
			b, _ := r.access(around.fill, around)
			*a = a.filled(b)
		}
	}
	absurd := a.Time.IsZero() && r.absurdTime(f, o)
	if a.Time.IsZero() {
		a.Time = r.clock.Fallback.UTC().Truncate(time.Millisecond)
	}
	if a.Route == "" && len(r.routes) > 0 {
		a.Route = r.routes.of(a.Path)
	}
	switch {
	case r.described(r.exclude, a, o):
		*e = Element{Excluded: true, Raw: at.raw}
	case (a.Status == 0 || len(a.Path) == 0) && r.misshapen(f, o, a):
		*e = Element{DeadLetter: ReasonBadField, Raw: at.raw}
	case absurd || a.Time.After(r.clock.Latest) || a.Time.Before(earliest) && !(a.Time.IsZero() && r.clock.Optional):
		*e = Element{DeadLetter: ReasonBadTime, Raw: at.raw}
	case a.Time.Before(r.clock.Oldest) && !a.Time.IsZero():
		*e = Element{DeadLetter: ReasonTooOld, Raw: at.raw}
	default:
		a.IgnoreBody = r.described(r.ignore, a, o)
	}
}
