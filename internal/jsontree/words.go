package jsontree

import "encoding/binary"

// words is a text of at most maxWords bytes that is compared with the source by words. For keys,
// that costs less than a call of bytes.HasPrefix.
type words struct {
	word, mask [4]uint64 // the bytes, and which bits of them count
	size       int       // of the text, 0: none
}

const (
	wordSize = 8
	maxWords = 4 * wordSize
)

func wordsOf(text []byte) (w words) {
	var padded [maxWords]byte
	w.size = copy(padded[:], text)
	for i := range w.word {
		w.word[i] = binary.LittleEndian.Uint64(padded[i*wordSize:])
		if n := w.size - i*wordSize; n >= wordSize {
			w.mask[i] = ^uint64(0)
		} else if n > 0 {
			w.mask[i] = 1<<(8*n) - 1
		}
	}
	return w
}

func (w *words) hash() (h uint64) {
	for _, word := range w.word {
		h = (h ^ word) * 0xd6e8feb86659fd93
		h ^= h >> 32
	}
	return h
}

// isAt reports whether src, which has at least maxWords bytes, begins with the text.
func (w *words) isAt(src []byte) bool {
	src = src[:maxWords]
	if (binary.LittleEndian.Uint64(src)^w.word[0])&w.mask[0]|(binary.LittleEndian.Uint64(src[wordSize:])^w.word[1])&w.mask[1] != 0 {
		return false
	}
	return w.size <= 2*wordSize ||
		(binary.LittleEndian.Uint64(src[2*wordSize:])^w.word[2])&w.mask[2]|(binary.LittleEndian.Uint64(src[3*wordSize:])^w.word[3])&w.mask[3] == 0
}
