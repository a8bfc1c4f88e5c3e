package accesslog

import "strconv"

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
	for _, c := range b {
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
	return float64(all) / tens[max(0, fraction-1)], nil
}
