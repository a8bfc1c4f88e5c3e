package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// What a schedule promises, catches up with, withdraws and gives up.
func TestPlanOfReports(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	stacktest.Must(t, err)
	at := func(text string) time.Time {
		t.Helper()
		at, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
		stacktest.Must(t, err)
		return at
	}
	// A promise is "scope date due outcome".
	f := func(what, schedule, now, scopes string, before, want []string) {
		t.Helper()
		s, err := ParseSchedule(schedule, berlin, false)
		stacktest.Must(t, err)
		var rows []store.DueReport
		for _, text := range before {
			w := strings.Fields(text)
			date, err := time.Parse(time.DateOnly, w[1])
			stacktest.Must(t, err)
			rows = append(rows, store.DueReport{Scope: w[0], Date: date, Due: at(w[2] + " " + w[3]), Outcome: w[4]})
		}
		all, changed := s.plan(rows, strings.Fields(scopes), at(now))
		var got []string
		for _, p := range changed {
			got = append(got, fmt.Sprintf("%s %s %s %s", p.Scope, p.Date.Format(time.DateOnly), p.Due.In(berlin).Format("2006-01-02 15:04"), p.Outcome))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if _, again := s.plan(all, strings.Fields(scopes), at(now)); len(again) > 0 {
			t.Errorf("%s: it changes %v when nothing has changed", what, again)
		}
	}
	nine := "0 9 * * *"
	f("a first start sends nothing of the past", nine, "2026-11-10 10:00", "all", nil, []string{"all 2026-11-10 2026-11-11 09:00 due"})
	f("nothing new", nine, "2026-11-10 10:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 due"}, nil)
	f("the time has come", nine, "2026-11-11 09:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 due"}, []string{"all 2026-11-11 2026-11-12 09:00 due"})
	f("down for two days", nine, "2026-11-13 10:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 due"},
		[]string{"all 2026-11-11 2026-11-12 09:00 due", "all 2026-11-12 2026-11-13 09:00 due", "all 2026-11-13 2026-11-14 09:00 due"})
	f("down for nine days", nine, "2026-11-20 10:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 due"}, []string{
		"all 2026-11-13 2026-11-14 09:00 due", "all 2026-11-14 2026-11-15 09:00 due", "all 2026-11-15 2026-11-16 09:00 due", "all 2026-11-16 2026-11-17 09:00 due",
		"all 2026-11-17 2026-11-18 09:00 due", "all 2026-11-18 2026-11-19 09:00 due", "all 2026-11-19 2026-11-20 09:00 due", "all 2026-11-20 2026-11-21 09:00 due",
		"all 2026-11-10 2026-11-11 09:00 missed"})
	f("over the change of clocks", nine, "2026-10-25 10:00", "all", []string{"all 2026-10-23 2026-10-24 09:00 sent"},
		[]string{"all 2026-10-24 2026-10-25 09:00 due", "all 2026-10-25 2026-10-26 09:00 due"})
	f("another time", "0 8 * * *", "2026-11-10 10:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 due"}, []string{"all 2026-11-10 2026-11-11 08:00 due"})
	f("other days", "0 9 * * fri", "2026-11-10 10:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 due"},
		[]string{"all 2026-11-12 2026-11-13 09:00 due", "all 2026-11-10 2026-11-11 09:00 withdrawn"})
	f("every hour is one report a day", "0 * * * *", "2026-11-10 10:30", "all", []string{"all 2026-11-09 2026-11-10 00:00 sent"}, nil)
	f("a tenant comes and one goes", nine, "2026-11-10 10:00", "b c", []string{"a 2026-11-10 2026-11-11 09:00 due", "b 2026-11-10 2026-11-11 09:00 due"},
		[]string{"c 2026-11-10 2026-11-11 09:00 due", "a 2026-11-10 2026-11-11 09:00 withdrawn"})
	f("on again after it was off", nine, "2026-11-20 10:00", "all", []string{"all 2026-11-18 2026-11-19 09:00 withdrawn"}, []string{"all 2026-11-20 2026-11-21 09:00 due"})
	f("on again at once", nine, "2026-11-10 10:00", "all", []string{"all 2026-11-10 2026-11-11 09:00 withdrawn"}, []string{"all 2026-11-10 2026-11-11 09:00 due"})
}
