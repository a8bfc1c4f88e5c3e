package accesslog

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Tenants, services, routes, methods and statuses are few and occur in every record. recurring has
// one shared string for each.
type recurring struct {
	texts   map[string]string
	latest  [4096]string                   // of texts, some in the slot that the hash of the text names
	lowered [64]struct{ raw, text string } // likewise, texts in lower case
}

const (
	maxRecurring  = 64      // bytes of a text that is kept
	mostRecurring = 1 << 14 // texts
)

// intern returns one shared string for equal texts.
func (r *recurring) intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > maxRecurring {
		return clip(b)
	}
	slot := &r.latest[hash(b)%uint64(len(r.latest))]
	if *slot == string(b) {
		return *slot
	}
	s, ok := r.texts[string(b)]
	if !ok {
		if s = clip(b); len(r.texts) >= mostRecurring {
			clear(r.texts)
		}
		r.texts[string(b)] = s
	}
	*slot = s
	return s
}

// inLower is intern in lower case.
func (r *recurring) inLower(b []byte) string {
	if len(b) == 0 || len(b) > maxRecurring {
		return r.intern(toLower(b))
	}
	slot := &r.lowered[hash(b)%uint64(len(r.lowered))]
	if slot.raw != string(b) {
		slot.raw, slot.text = string(b), r.intern(toLower(b))
	}
	return slot.text
}

func toLower(b []byte) []byte {
	if bytes.ContainsFunc(b, func(c rune) bool { return 'A' <= c && c <= 'Z' }) {
		return bytes.ToLower(b)
	}
	return b
}

// hash mixes the length and the bytes at both ends of a text.
func hash(b []byte) uint64 {
	var first, last uint64
	switch n := len(b); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	default:
		for _, c := range b {
			first = first<<8 | uint64(c)
		}
	}
	high, low := bits.Mul64(first^0xa0761d6478bd642f, last^0xe7037ed1a0b428db^uint64(len(b)))
	return high ^ low
}
