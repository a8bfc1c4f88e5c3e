package report

import "time"

// window is a stretch of time: [From, To).
type window struct{ From, To time.Time }

// length returns how long the window is.
func (w window) length() time.Duration { return w.To.Sub(w.From) }

// wallClock returns what the clock on the wall shows at a time, as if it were in UTC.
func wallClock(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant returns when the wall clock of a zone shows a time. Where it does so twice, because the
// clocks go back, that is the first time. Where it never does, that is when the clocks go forward.
func instant(wall time.Time, zone *time.Location) time.Time {
	year, month, day := wall.Date()
	t := time.Date(year, month, day, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	begins, ends := t.ZoneBounds()
	switch shown := wallClock(t); {
	case shown.After(wall):
		return begins
	case shown.Before(wall):
		return ends
	case begins.IsZero():
		return t
	}
	_, offset := t.Zone()
	_, before := begins.Add(-time.Nanosecond).Zone()
	if first := t.Add(-time.Duration(before-offset) * time.Second); before > offset && first.Before(begins) {
		return first
	}
	return t
}

// startOfDay returns the first instant of a calendar day in a zone. Where the clocks change at
// midnight, that is not always 00:00, or 00:00 comes twice.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	return instant(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), zone)
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
