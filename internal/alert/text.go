package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// number writes a number without an exponent.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// digits writes a number with one decimal, and a small one with two significant digits.
func digits(f float64) string {
	if f < 0.1 {
		return strconv.FormatFloat(f, 'g', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// percent writes a share with one decimal, and a small one with two significant digits.
func percent(share float64) string {
	if share != 0 && share < 0.001 {
		return strconv.FormatFloat(share*100, 'g', 2, 64) + "%"
	}
	return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
}

// short writes a duration without units that are zero at its end: 5m, 1h30m, 7d.
func short(d time.Duration) string {
	days := ""
	if d >= 48*time.Hour {
		days = fmt.Sprintf("%dd", d/(24*time.Hour))
		if d %= 24 * time.Hour; d == 0 {
			return days
		}
	}
	s := d.Round(time.Second).String()
	if d < time.Second {
		s = d.String()
	}
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return days + s
}

// clock writes a time to the minute, in UTC.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// episode writes from when to when something was: "02:10 to 02:25", with the date where it is not
// the same day.
func episode(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		return fmt.Sprintf("%s to %s", from.Format("15:04"), to.Format("15:04"))
	}
	return fmt.Sprintf("%s to %s", clock(from), clock(to))
}
