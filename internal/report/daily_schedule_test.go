package report

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
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

// sentAtOnce is a report that reaches all of its receivers at the first try.
type sentAtOnce struct{}

func (sentAtOnce) Send(context.Context) (left bool, missed []string, err error) {
	return false, nil, nil
}

// A schedule that keeps running sends a report for each tenant, of this tenant alone, and looks for
// late data every ten minutes for a week: each tenant gets a revision if its own counts have
// changed by enough.
func TestScheduleLooksForLateData(t *testing.T) {
	t.Parallel()
	w := newDailyWorld(t)
	add := func(tenant string, requests int, errors ...dailyError) {
		b := w.batch("logs")
		w.add(b, day0.Add(time.Hour), tenant, requests, errors...)
		w.insert(b)
	}
	add("acme", 100, quotaError)
	add("globex", 2000, policyError)
	w.complete(day0.AddDate(0, 0, 1), "logs")
	schedule, err := ParseSchedule("0 9 * * *", time.UTC, false)
	stacktest.Must(t, err)
	now := day0.Add(20 * time.Hour)
	var posted []string
	s := &Scheduler{Store: w.store, Catalogs: w.catalogs, Schedule: schedule, Query: DailyQuery{Lang: "en", Limit: 10}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	s.Tenants = func(context.Context) ([]string, error) { return []string{"acme", "globex"}, nil }
	s.Post = func(_ context.Context, d Daily, q DailyQuery) (Posted, error) {
		posted = append(posted, fmt.Sprintf("%s %s revision %d: %d requests, %d late", d.Date, q.Tenants[0], d.Revision.Number, d.Totals.Requests, d.Revision.AddedRequests))
		for _, other := range []string{"acme", "globex"} {
			if named := strings.Contains(written(t, d), other); named != (other == q.Tenants[0]) {
				t.Errorf("the report for %s names %s: %v", q.Tenants[0], other, named)
			}
		}
		return sentAtOnce{}, nil
	}
	turn := func(at time.Duration, want ...string) {
		t.Helper()
		now, posted = day0.Add(at), nil
		_, err := s.Turn(t.Context())
		stacktest.Must(t, err)
		slices.Sort(posted)
		if !slices.Equal(posted, want) {
			t.Errorf("%s: %q, want %q", now, posted, want)
		}
	}
	turn(20 * time.Hour) // the first start waits for the next time
	turn(33*time.Hour - time.Second)
	turn(33*time.Hour, "2026-11-10 acme revision 1: 100 requests, 0 late", "2026-11-10 globex revision 1: 2000 requests, 0 late")
	add("acme", 1, quotaError) // 1 of 100 is worth a revision
	add("globex", 1)           // 1 of 2000 is not
	turn(33*time.Hour + 9*time.Minute)
	turn(33*time.Hour+10*time.Minute, "2026-11-10 acme revision 2: 101 requests, 1 late")
	turn(33*time.Hour + 20*time.Minute)
	add("globex", 8) // 9 of 2000
	turn(33*time.Hour+30*time.Minute, "2026-11-10 globex revision 2: 2009 requests, 9 late")
	if n := len(schedulePromises(t, w, store.ReportSent)); n != 2 {
		t.Errorf("%d promises are kept", n)
	}

	// A week after the report was due, its day is done. Those of the days between were missed.
	s.Tenants = func(context.Context) ([]string, error) { return []string{"acme"}, nil }
	add("acme", 50, quotaError)
	now = day0.Add(33*time.Hour + 7*24*time.Hour + time.Minute)
	posted = nil
	_, err = s.Turn(t.Context())
	stacktest.Must(t, err)
	if slices.ContainsFunc(posted, func(p string) bool { return strings.HasPrefix(p, "2026-11-10 ") }) || len(posted) != 7 {
		t.Errorf("%q", posted)
	}
}

// schedulePromises returns the dates of the promises that have an outcome.
func schedulePromises(t *testing.T, w *dailyWorld, outcome string) (dates []string) {
	t.Helper()
	stacktest.Must(t, w.store.Query(t.Context(), "SELECT toString(date) FROM reports_due WHERE outcome = ?", []any{outcome}, func(scan func(...any) error) error {
		var date string
		err := scan(&date)
		dates = append(dates, date)
		return err
	}))
	return dates
}
