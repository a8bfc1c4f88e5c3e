package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

// The times are those that people in these places would name.
func TestScheduleKeepsToTheWallClock(t *testing.T) {
	f := func(zone, schedule, after string, want ...string) {
		t.Helper()
		location, err := time.LoadLocation(zone)
		stacktest.Must(t, err)
		s, err := ParseSchedule(schedule, location, false)
		stacktest.Must(t, err)
		at, err := time.Parse(time.RFC3339, after)
		stacktest.Must(t, err)
		var got []string
		for range want {
			at = s.Next(at)
			got = append(got, at.In(location).Format(time.RFC3339)+" "+s.Date(at).Format("01-02"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s %q:\n%s\nwant\n%s", zone, schedule, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	// Nine o'clock stays nine o'clock when the clocks change.
	f("Europe/Berlin", "0 9 * * *", "2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00 03-28", "2026-03-30T09:00:00+02:00 03-29")
	f("Europe/Berlin", "0 9 * * *", "2026-10-24T09:00:00+02:00", "2026-10-25T09:00:00+01:00 10-24", "2026-10-26T09:00:00+01:00 10-25")
	// Half past two does not exist on one day, and comes twice on the other.
	f("Europe/Berlin", "30 2 * * *", "2026-03-28T09:00:00+01:00", "2026-03-29T03:00:00+02:00 03-28", "2026-03-30T02:30:00+02:00 03-29")
	f("Europe/Berlin", "30 2 * * *", "2026-10-24T09:00:00+02:00", "2026-10-25T02:30:00+02:00 10-24", "2026-10-26T02:30:00+01:00 10-25")
	f("Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00", "2026-10-26T02:30:00+01:00 10-25") // in the hour that comes again
	f("America/New_York", "30 1 * * *", "2026-10-31T12:00:00-04:00", "2026-11-01T01:30:00-04:00 10-31", "2026-11-02T01:30:00-05:00 11-01")
	f("America/New_York", "30 2 * * *", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00 03-07", "2026-03-09T02:30:00-04:00 03-08")
	// Midnight that does not exist, and half an hour of a change.
	f("Africa/Cairo", "0 0 * * *", "2026-04-23T12:00:00+02:00", "2026-04-24T01:00:00+03:00 04-23", "2026-04-25T00:00:00+03:00 04-24")
	f("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00+11:00", "2026-04-05T01:45:00+11:00 04-04", "2026-04-06T01:45:00+10:30 04-05")
	f("Asia/Kolkata", "0 9 * * mon-fri", "2026-11-06T09:00:00+05:30", "2026-11-09T09:00:00+05:30 11-08")
}

func TestScheduleOfWeeks(t *testing.T) {
	s, err := ParseSchedule("0 9 * * mon", time.UTC, true)
	stacktest.Must(t, err)
	at := s.Next(time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC))
	if got := at.Format(time.DateOnly) + " " + s.Date(at).Format(time.DateOnly); got != "2026-11-09 2026-11-02" {
		t.Error(got)
	}
	for _, wrong := range []string{"", "9:00", "@every 1h", "CRON_TZ=Asia/Tokyo 0 9 * * *", "0 9 * *", "0 0 9 * * *", "0 25 * * *", "0 9 31 2 *"} {
		if _, err := ParseSchedule(wrong, time.UTC, false); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
