package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// What people have said about a code softens the verdict on it.
func TestVerdictObeysCodeStates(t *testing.T) {
	noon := day0.Add(12 * time.Hour)
	end := day0.AddDate(0, 0, 1)
	said := func(state string, change ...func(*Said)) *Said {
		s := &Said{Code: "A.1", Tenant: "acme", State: state, At: cli.Timestamp{Time: noon}}
		for _, f := range change {
			f(s)
		}
		return s
	}
	until := func(at time.Time) func(*Said) { return func(s *Said) { s.Until.Time = at } }
	above := func(n uint64) func(*Said) { return func(s *Said) { s.Above = n } }
	day := Daily{Lang: "en", zone: time.UTC, From: cli.Timestamp{Time: day0}, To: cli.Timestamp{Time: end}, Complete: true, Totals: DailyTotals{Requests: 1000}, Comparison: Comparison{Weeks: 6}}
	urgent := Change{Change: IsWorse, Code: "A.1", Tenant: "acme", Errors: 40, Usual: 4, UsualLow: 1, UsualHigh: 8, Excess: 36, Requests: 1000}
	slight := Change{Change: IsWorse, Code: "A.1", Tenant: "acme", Errors: 6, Usual: 1, UsualHigh: 3, Excess: 5, Requests: 1000}
	back := Change{Change: IsRegressed, Code: "A.1", Tenant: "acme", Errors: 40, Returned: 12, Excess: 12, Requests: 1000}

	f := func(c Change, s *Said, level, sentence string) {
		t.Helper()
		d := day
		c.Said = s
		d.Changes = []Change{c}
		if v := d.judge(); v.Level != level || v.Sentence != sentence || (level == Quiet) != (len(v.Reasons) == 0) {
			t.Errorf("%+v, want %s: %s", v, level, sentence)
		}
	}
	const rose, slightly = "A.1 rose for acme: 40 errors, usually 1 to 8", "A.1 rose for acme: 6 errors, usually 0 to 3"
	f(urgent, nil, Act, rose)
	f(urgent, said(store.Acknowledged), Watch, rose+" (acknowledged)")
	f(slight, said(store.Acknowledged), Watch, slightly+" (acknowledged)")
	f(urgent, said(store.Ignored), Quiet, "nothing changed")
	f(urgent, said(store.Ignored, until(end)), Quiet, "nothing changed")
	f(urgent, said(store.Ignored, until(noon)), Act, rose+" (ignored until 12:00)") // it was over before the day was
	f(urgent, said(store.Ignored, above(40)), Quiet, "nothing changed")
	f(urgent, said(store.Ignored, above(39)), Act, rose+" (ignored up to 39 errors)")
	f(slight, said(store.Ignored, above(39)), Quiet, "nothing changed")
	f(urgent, said(store.Fixed), Watch, rose+" (fixed)") // and has not come since
	f(back, said(store.Fixed), Act, "A.1 is back for acme after it was fixed: 12 errors (fixed)")
	back.Returned, back.Excess = 9, 9
	f(back, said(store.Fixed), Watch, "A.1 is back for acme after it was fixed: 9 errors (fixed)")

	// The most urgent one that is left comes first, and only ignored ones are not counted.
	d := day
	acknowledged, ignored, other := urgent, urgent, urgent
	acknowledged.Said, ignored.Said, other.Code = said(store.Acknowledged), said(store.Ignored), "B.2"
	d.Changes = []Change{ignored, acknowledged, other}
	if v := d.judge(); v.Level != Act || v.Sentence != "B.2 rose for acme: 40 errors, usually 1 to 8; 1 more finding" {
		t.Errorf("%+v", v)
	}

	// Likewise alerts of the code.
	g := func(a DailyAlert, level string) {
		t.Helper()
		d := day
		d.Alerts = []DailyAlert{a}
		if v := d.judge(); v.Level != level {
			t.Errorf("%+v: %+v, want %s", a, v, level)
		}
	}
	alert := func(at time.Time, firing bool, s *Said) DailyAlert {
		return DailyAlert{Rule: "R", At: cli.Timestamp{Time: at}, Firing: firing, Said: s, Errors: 40}
	}
	g(alert(noon, true, nil), Act)
	g(alert(noon, true, said(store.Acknowledged)), Watch)
	g(alert(noon, false, said(store.Acknowledged)), Watch)
	g(alert(noon, true, said(store.Ignored)), Quiet)
	g(alert(noon, true, said(store.Ignored, above(10))), Act)
	g(alert(noon.Add(-time.Hour), true, said(store.Fixed)), Watch)
	g(alert(noon.Add(time.Hour), true, said(store.Fixed)), Act)
}

// A code that was fixed is back whatever was usual before. What was said of the tenant goes before
// what was said of all.
func TestFixedCodesAreBack(t *testing.T) {
	counts := func(now uint64) []uint64 {
		all := slices.Repeat([]uint64{20}, dailyWindows)
		all[today] = now
		return all
	}
	a := dailyAsker{windows: make([]window, dailyWindows), said: map[[2]string]Said{
		{store.AnyTenant, "FIXED"}: {Tenant: store.AnyTenant, Code: "FIXED", State: store.Fixed},
		{"globex", "FIXED"}:        {Tenant: "globex", Code: "FIXED", State: store.Ignored},
	}, returned: map[[2]string]uint64{{"acme", "FIXED"}: 15}}
	for _, tenant := range []string{"acme", "globex"} {
		a.traffic = append(a.traffic, dailyTraffic{Tenant: tenant, Before: 1, Requests: slices.Repeat([]uint64{1000}, dailyWindows), Seen: 1, SeenNow: 1, Errors: make([]uint64, dailyWindows)})
		for _, code := range []string{"FIXED", "STEADY"} {
			a.pairs = append(a.pairs, pair{Tenant: tenant, Code: code, Counts: counts(20), Before: cli.Timestamp{Time: time.Unix(1, 0)}})
		}
	}
	changes, _, _ := a.compare()
	if len(changes) != 1 {
		t.Fatalf("%+v", changes)
	}
	c := changes[0]
	if got := fmt.Sprintln(c.Change, c.Tenant, c.Code, c.Errors, c.Returned, c.Usual, c.Requests, c.Said.State, c.Said.Tenant); got != "regressed acme FIXED 20 15 0 1000 fixed *\n" {
		t.Errorf("%s", got)
	}
	if s := a.saidOf("globex", "FIXED"); s == nil || s.State != store.Ignored {
		t.Errorf("%+v", s)
	}
	if s := a.saidOf("acme", "STEADY"); s != nil {
		t.Errorf("%+v", s)
	}
}

// One unreadable body of a tenant with few requests is no reason to read on.
func TestFewUnreadableBodies(t *testing.T) {
	f := func(hidden, requests uint64, level string) {
		t.Helper()
		d := quietDay(t, "en")
		d.Totals.Requests = requests
		d.Unseen = Unseen{Hidden: hidden, Bodies: []Bodies{{Gateway: "edge", Requests: requests, States: map[string]uint64{"absent": hidden, "json": requests - hidden}}}}
		if v := d.judge(); v.Level != level {
			t.Errorf("%d of %d bodies unread: %+v, want %s", hidden, requests, v, level)
		}
	}
	f(1, 19, Quiet)
	f(9, 19, Quiet)
	f(10, 19, Watch)
	f(10, 1000, Quiet)
	f(60, 1000, Watch)
}

// A day of all tenants on which nothing was read is not quiet. One of a chosen tenant is.
func TestDayWithoutRequests(t *testing.T) {
	f := func(d Daily, level, sentence string) {
		t.Helper()
		d.Totals = DailyTotals{}
		if v := d.judge(); v.Level != level || v.Sentence != sentence {
			t.Errorf("%+v, want %s: %s", v, level, sentence)
		}
	}
	d := quietDay(t, "en")
	f(d, Watch, "no requests at all: is the date right, and did the ingester run?")
	d.Tenants = []string{"acme"}
	f(d, Quiet, "no requests")
}
