package report

import "time"

// window is a stretch of time: [From, To).
type window struct{ From, To time.Time }

// length returns how long the window is.
func (w window) length() time.Duration { return w.To.Sub(w.From) }

// startOfDay returns the first instant of a calendar day in a zone. Where the clocks change at
// midnight, that is not always 00:00, or 00:00 comes twice.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	begins, ends := t.ZoneBounds()
	wanted := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	switch t.Day() {
	case wanted.Day():
		if t.Hour() != 0 || t.Minute() != 0 { // there is no midnight: the day begins when the clocks change
			return begins
		}
	default: // likewise, and t lies before the change
		return ends
	}
	if begins.IsZero() {
		return t
	}
	_, offset := t.Zone()
	_, before := begins.Add(-time.Nanosecond).Zone()
	if first := t.Add(-time.Duration(before-offset) * time.Second); first.Before(begins) && first.Day() == t.Day() {
		return first // midnight came twice
	}
	return t
}

// dayOf returns the calendar day that is so many days after a date.
func dayOf(date time.Time, later int, zone *time.Location) window {
	year, month, day := date.Date()
	return window{startOfDay(year, month, day+later, zone), startOfDay(year, month, day+later+1, zone)}
}

// daysFrom returns the window of so many calendar days.
func daysFrom(date time.Time, later, days int, zone *time.Location) window {
	return window{dayOf(date, later, zone).From, dayOf(date, later+days-1, zone).To}
}
