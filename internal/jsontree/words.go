package jsontree

import (
	"encoding/binary"
	"math/bits"
)

// words is a text of at most maxWords bytes that is compared with the source by words. For keys,
// that costs less than a call of bytes.HasPrefix.
type words struct {
	word, mask [6]uint64 // the bytes, and which bits of them count
	size       int       // of the text, 0: none
}

const (
	wordSize   = 8
	firstWords = 4 * wordSize // how many bytes isAt compares: with more, the compiler would not inline it
	maxWords   = 6 * wordSize
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

// isAt reports whether src, which has at least firstWords bytes, begins with as much of the text.
func (w *words) isAt(src []byte) bool {
	src = src[:firstWords]
	if (binary.LittleEndian.Uint64(src)^w.word[0])&w.mask[0]|(binary.LittleEndian.Uint64(src[wordSize:])^w.word[1])&w.mask[1] != 0 {
		return false
	}
	return w.size <= 2*wordSize ||
		(binary.LittleEndian.Uint64(src[2*wordSize:])^w.word[2])&w.mask[2]|(binary.LittleEndian.Uint64(src[3*wordSize:])^w.word[3])&w.mask[3] == 0
}

// isAtSlowly reports whether src begins with the text, if isAt cannot tell: if src is short or the
// text is long. It is false otherwise. Loops that call it rarely are faster without it inside.
//
//go:noinline
func (w *words) isAtSlowly(src []byte) bool {
	if len(src) >= firstWords && w.size <= firstWords || len(src) < w.size {
		return false
	}
	var padded [maxWords]byte
	copy(padded[:], src)
	for i := range w.word {
		if (binary.LittleEndian.Uint64(padded[i*wordSize:])^w.word[i])&w.mask[i] != 0 {
			return false
		}
	}
	return true
}

// mark returns where the first quote or backslash is from i on. If there is none in whole words, it
// returns where the rest begins, of less than a word.
func mark(src []byte, i int) int {
	for i >= 0 && i <= len(src)-wordSize {
		if m := marked(binary.LittleEndian.Uint64(src[i:i+wordSize]), quotes, backslashes); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += wordSize
	}
	return i
}

// marked sets the highest bit of the first byte of a word that is one of two marks, and perhaps
// those of later bytes. It returns 0 if there is none. The marks are ASCII, repeated in all bytes.
func marked(word, mark, other uint64) uint64 {
	x, y := word^mark, word^other
	return ((x - lows) | (y - lows)) &^ word & highs
}
