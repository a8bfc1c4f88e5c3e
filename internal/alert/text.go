package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count writes a number of things: "1 error", "2 errors".
func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// number writes a number without an exponent.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// percent writes a share with one decimal, and a small one with two significant digits.
func percent(share float64) string {
	if share != 0 && share < 0.001 {
		return strconv.FormatFloat(share*100, 'g', 2, 64) + "%"
	}
	return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
}

// short writes a duration without units that are zero at its end: 5m, 1h30m.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
