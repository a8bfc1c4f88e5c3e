package accesslog

import (
	"encoding/binary"
	"strconv"
)

// exactDigits is how many decimal digits every integer in a float64 may have.
const exactDigits = 15

// tens are the powers of ten that a float64 holds exactly, as many as exactDigits asks for.
var tens = [exactDigits + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// number is strconv.ParseFloat. Most numbers are a few digits with or without a fraction: two
// integers that a float64 holds exactly, whose quotient is then the nearest float64.
func number(b []byte) (float64, error) {
	if len(b) > exactDigits {
		return strconv.ParseFloat(string(b), 64)
	}
	all, digits, fraction := uint64(0), 0, 0 // fraction: digits, and the point
	rest := b
	if len(b) >= 8 {
		if eight, ok := eightDigits(b); ok {
			all, digits, rest = eight, 8, b[8:]
		}
	}
	for _, c := range rest {
		switch {
		case '0' <= c && c <= '9':
			all = 10*all + uint64(c-'0')
			digits++
			fraction += min(fraction, 1)
		case c == '.' && fraction == 0:
			fraction = 1
		default:
			return strconv.ParseFloat(string(b), 64)
		}
	}
	if digits == 0 {
		return strconv.ParseFloat(string(b), 64)
	}
	if fraction <= 1 {
		return float64(all), nil
	}
	return float64(all) / tens[fraction-1], nil
}

// eightDigits returns the number that the first eight bytes of a text are, if they are digits. It
// joins neighbours to pairs, and then the four pairs: the method of D. Lemire's fast_float.
func eightDigits(b []byte) (n uint64, ok bool) {
	const each = 0x0101010101010101
	n = binary.LittleEndian.Uint64(b) - '0'*each
	if (n|(n+0x76*each))&(0x80*each) != 0 { // a byte above 9, plus 0x76, has the highest bit
		return 0, false
	}
	const ends, places, lower = 0x000000ff000000ff, 100 + 1000000<<32, 1 + 10000<<32
	n = n*10 + n>>8
	return (n&ends*places + n>>16&ends*lower) >> 32, true
}
