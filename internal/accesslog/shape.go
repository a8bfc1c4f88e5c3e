package accesslog

import "slices"

// The records of a gateway have the same keys again and again. Which formats these keys rule out,
// and which places of fields they lack, is found once for all records with the same keys: their
// shape.

// shapes are the shapes of the latest records, each in the slot that the hash of its keys names.
type shapes struct {
	slots [64]shape
	last  *shape // nil at first
}

// shape is a set of places that a record has, of those that the quick way asks for.
type shape struct {
	has     set
	among   []*format
	formats []*format // made of among: what these places leave of them; nil until the shape comes again
}

// of returns what is left of formats in an object that has these places. To read the object in
// formats gives the same.
func (s *shapes) of(has set, formats []*format) []*format {
	if len(formats) == 0 {
		return nil
	}
	this := s.last
	if this == nil || !this.is(has, formats) {
		this = s.slot(has, formats)
		if s.last = this; !this.is(has, formats) {
			this.has, this.among, this.formats = append(this.has[:0], has...), formats, nil
			return formats
		}
	}
	if this.formats == nil {
		this.formats = []*format{}
		for _, f := range formats {
			if left := f.left(has); left != nil {
				this.formats = append(this.formats, left)
			}
		}
	}
	return this.formats
}

func (s *shapes) slot(has set, formats []*format) *shape {
	hash := uint64(len(formats))
	for _, places := range has {
		hash = (hash ^ places) * 0x9e3779b97f4a7c15
		hash ^= hash >> 32
	}
	return &s.slots[hash%uint64(len(s.slots))]
}

func (s *shape) is(has set, among []*format) bool {
	return len(s.among) == len(among) && &s.among[0] == &among[0] && slices.Equal(s.has, has)
}

// left returns what an object with these places leaves of a format: its signatures whose clauses
// hold, without the clauses, and the sources that are there. It returns nil if the object is not of
// the format.
func (f *format) left(has set) *format {
	left := *f
	left.known = nil
	for _, s := range f.known {
		if !slices.ContainsFunc(s.clauses, func(c clause) bool { return !c.holds(has) }) {
			left.known = append(left.known, signature{where: s.where})
		}
	}
	if len(left.known) == 0 && !f.given {
		return nil
	}
	for _, fields := range left.all() {
		around := fields == &left.status || fields == &left.path || fields == &left.body // misshapen looks at what is in the place of the object around them
		kept := field{}
		for _, s := range *fields {
			if s.path == nil || has.has(s.slot) || around && has.has(s.key) {
				kept = append(kept, s)
			}
		}
		*fields = kept
	}
	return &left
}
