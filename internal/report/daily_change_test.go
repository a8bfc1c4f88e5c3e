package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// poisson draws a count with the given mean, for phi > 1 with variance phi*mean.
func poisson(r *rand.Rand, mean, phi float64) int {
	if phi > 1 { // a Poisson sum of clusters of geometric size has a wider spread
		size := (phi + 1) / 2
		n, sum := poisson(r, mean/size, 1), 0
		for range n {
			sum += 1 + int(math.Log(1-r.Float64())/math.Log(1-1/size))
		}
		return sum
	}
	n := 0
	for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
		n++
	}
	return n
}

// Over many generated days, hardly any change is called that is none, and those that matter are
// found, nine in ten at least, as for spikes: half of the pairs have less than one error a day.
func TestFewChangesAreFalse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	means := []float64{0.05, 0.2, 0.5, 1, 2, 5, 20, 100}
	found, planted, falsely, called := 0, 0, 0, 0
	for range 150 {
		a := dailyAsker{windows: make([]window, dailyWindows)}
		real := map[string]bool{}
		for tenant := range 20 {
			traffic := dailyTraffic{Tenant: fmt.Sprint(tenant), Before: 1, Requests: make([]uint64, dailyWindows), Seen: 1, SeenNow: 1, Errors: make([]uint64, dailyWindows)}
			busy := make([]float64, dailyWindows)
			for w := range busy {
				busy[w] = 0.8 + 0.4*r.Float64()
				traffic.Requests[w] = uint64(10000 * busy[w])
			}
			a.traffic = append(a.traffic, traffic)
			for i, mean := range means {
				p := pair{Tenant: traffic.Tenant, Code: fmt.Sprint(i), Counts: make([]uint64, dailyWindows), Before: cli.Timestamp{Time: time.Unix(1, 0)}}
				for w := range p.Counts {
					p.Counts[w] = uint64(poisson(r, mean*busy[w], 1.5))
				}
				if tenant == 7 && mean == 2 { // a code with two errors a day
					p.Counts[today] += 15
					real[traffic.Tenant+"/"+p.Code] = true
				}
				if tenant == 8 && mean == 100 {
					p.Counts[today] *= 2
					real[traffic.Tenant+"/"+p.Code] = true
				}
				a.pairs = append(a.pairs, p)
			}
		}
		changes, _, about := a.compare()
		if about.Pairs < 100 || about.Weeks != 6 {
			t.Fatalf("%+v", about)
		}
		planted += len(real)
		for _, c := range changes {
			if called++; real[c.Tenant+"/"+c.Code] {
				found++
			} else {
				falsely++
			}
		}
	}
	if float64(falsely) > dailyQ*float64(called) || float64(found) < 0.9*float64(planted) {
		t.Errorf("%d of %d found; %d of %d false", found, planted, falsely, called)
	}
}

// day0 is the Tuesday of the reports below.
var day0 = time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)

// sixWeeks generates six weeks and a day: ten codes of each of six tenants at two gateways, busier
// on weekdays, and a holiday two weeks before the day.
func sixWeeks(w *dailyWorld) {
	r := rand.New(rand.NewPCG(5, 6))
	tenants := []string{"acme", "globex", "initech", "umbrella", "hooli", "cobalt-games"}
	means := []float64{60, 40, 20, 10, 5, 2, 2, 0.5, 0.2, 0.1}
	batches := map[string]*store.Batch{"gateway-a": w.batch("gateway-a"), "gateway-b": w.batch("gateway-b")}
	at := func(day time.Time, gap bool) time.Time {
		for {
			t := day.Add(time.Duration(r.Int64N(int64(24 * time.Hour)))).Truncate(time.Second)
			if hour := t.Hour(); !gap || hour < 9 || hour >= 12 {
				return t
			}
		}
	}
	for ago := 42; ago >= 0; ago-- {
		day := day0.AddDate(0, 0, -ago)
		busy := 1.0
		if weekday := day.Weekday(); weekday == time.Saturday || weekday == time.Sunday {
			busy = 0.4
		}
		if ago == 14 {
			busy = 0.2
		}
		for i, tenant := range tenants {
			topic := []string{"gateway-a", "gateway-b"}[i%2]
			b := batches[topic]
			lost := ago == 0 && topic == "gateway-b" // three of twenty-four hours are lost
			seen := busy
			if lost {
				seen *= 21.0 / 24
			}
			for range int(1000 * seen) {
				w.add(b, at(day, lost), tenant, 1)
			}
			for c, mean := range means {
				n := poisson(r, mean*seen, 1.3)
				if ago == 0 {
					n = plant(tenant, c, n)
				}
				for range n {
					w.add(b, at(day, lost), tenant, 1, dailyError{fmt.Sprintf("SIM.%d%03d", i, c), "unknown", "", "huawei"})
				}
			}
		}
		if ago == 0 {
			for range 25 {
				w.add(batches["gateway-a"], at(day, false), "initech", 1, dailyError{"OSM.01010037", "OSM", "quota", "huawei"})
			}
			fresh := w.batch("gateway-new")
			for i := range 500 {
				var errors []dailyError
				if i < 60 {
					errors = append(errors, dailyError{fmt.Sprintf("EDGE-%d", i%2), "unknown", "", "huawei"})
				}
				w.add(fresh, day.Add(10*time.Hour+time.Duration(i)*time.Second), "globex", 1, errors...)
			}
			batches["gateway-new"] = fresh
		}
		if ago%7 == 0 {
			for topic, b := range batches {
				w.insert(b)
				if ago > 0 {
					batches[topic] = w.batch(topic)
				}
			}
		}
	}
	w.lose("gateway-b", 5000)
}

// plant is the real changes of the day.
func plant(tenant string, code, n int) int {
	switch {
	case tenant == "acme" && code == 1:
		return n + 120 // usually 40
	case tenant == "globex" && code == 5:
		return n + 16 // usually 2
	case tenant == "umbrella" && code == 2:
		return n + 40 // usually 20
	case tenant == "hooli" && code == 0:
		return 0 // usually 60
	}
	return n
}

// lose records that offsets after the last batch of a topic were lost, and ends the day with a
// batch behind them.
func (w *dailyWorld) lose(topic string, n int64) {
	w.t.Helper()
	first := w.offsets[topic]
	w.offsets[topic] += n
	stacktest.Must(w.t, w.store.InsertGap(w.t.Context(), store.Gap{Topic: topic, FirstOffset: first, LastOffset: first + n - 1, Reason: "deleted"}))
	b := w.batch(topic)
	w.add(b, day0.Add(24*time.Hour-time.Minute), "globex", 1)
	w.insert(b)
	w.complete(day0.AddDate(0, 0, 2), "gateway-a", "gateway-b", "gateway-new")
}

func TestDailyReportOfSixGeneratedWeeks(t *testing.T) {
	t.Parallel()
	w := newDailyWorld(t)
	sixWeeks(w)
	d := w.report(DailyQuery{Date: day0, Zone: time.UTC})

	var got []string
	for _, c := range d.Changes {
		got = append(got, fmt.Sprintf("%s %s %s", c.Change, c.Tenant, c.Code))
	}
	want := []string{"worse acme SIM.0001", "worse umbrella SIM.3002", "new initech OSM.01010037", "worse globex SIM.1005", "gone hooli SIM.4000"}
	if !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	if len(d.Explained) != 1 || d.Explained[0].Cause != NewGateway || d.Explained[0].Name != "gateway-new" || !slices.Equal(d.Explained[0].Codes, []string{"EDGE-0", "EDGE-1"}) ||
		d.Explained[0].Errors != 60 || !d.Explained[0].Since.Equal(day0.Add(10*time.Hour)) {
		t.Errorf("explained %+v", d.Explained)
	}
	if len(d.Unseen.Gaps) != 1 || d.Unseen.Gaps[0].Offsets != 5000 || !d.Complete {
		t.Errorf("%+v %v", d.Unseen.Gaps, d.Complete)
	}
	if d.Verdict.Level != Act || !strings.HasPrefix(d.Verdict.Sentence, "SIM.0001 rose for acme: ") {
		t.Errorf("%+v", d.Verdict)
	}

	d.Full = true
	for _, lang := range DailyLanguages {
		d.Lang = lang
		if text := written(t, d); strings.Count(text, "gateway-b/0") < 2 {
			t.Error("the gap is missing")
		}
	}

	t.Run("a tenant's report holds nothing of others", func(t *testing.T) {
		for _, q := range []DailyQuery{{Tenants: []string{"acme"}}, {Tenants: []string{"globex"}}, {Tenants: []string{"globex"}, Week: true}, {Tenants: []string{"hooli"}, Owner: "caller"}, {Tenants: []string{"initech"}, Lang: "zh"}} {
			q.Date, q.Zone = day0, time.UTC
			d := w.report(q)
			d.Full = true
			text := strings.ToLower(written(t, d))
			if !strings.Contains(text, q.Tenants[0]) {
				t.Errorf("%v: the tenant's own name is missing", q.Tenants)
			}
			for _, other := range []string{"acme", "globex", "initech", "umbrella", "hooli", "cobalt-games", "gateway-"} {
				if other != q.Tenants[0] && strings.Contains(text, other) {
					t.Errorf("the report for %v names %s", q.Tenants, other)
				}
			}
		}
	})
	t.Run("a code of the owner", func(t *testing.T) {
		d := w.report(DailyQuery{Date: day0, Zone: time.UTC, Owner: "caller"})
		if d.Totals.Errors != 25 || d.Totals.ErrorRequests != 25 || len(d.Changes) != 1 || d.Changes[0].Code != "OSM.01010037" {
			t.Errorf("%+v %+v", d.Totals, d.Changes)
		}
	})
}

// A quiet day has three lines.
func TestQuietDayHasThreeLines(t *testing.T) {
	t.Parallel()
	w := newDailyWorld(t)
	b := w.batch("logs")
	for ago := range 43 {
		w.add(b, day0.AddDate(0, 0, -ago).Add(time.Hour), "acme", 100, quotaError)
	}
	w.insert(b)
	w.complete(day0.AddDate(0, 0, 1), "logs")
	d := w.report(DailyQuery{Date: day0, Zone: time.UTC})
	var out strings.Builder
	stacktest.Must(t, d.text(&out))
	want := `QUIET: nothing changed
100 requests, 1.00 % of them with errors; 1 error. Day before: 1.00 % of 100; Tuesday a week before: 1.00 % of 100
Daily error report, Tuesday 2026-11-10, all tenants: 2026-11-10 00:00 +00:00 to 2026-11-11 00:00 +00:00, UTC (24 hours), complete; not recorded
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
	d.Full = true
	if text := written(t, d); !strings.Contains(text, "OSM.01010037") {
		t.Error(text)
	}

	// The error at one o'clock came after the code was fixed, or before.
	fixed := func(at time.Duration, level string, returned uint64) {
		t.Helper()
		stacktest.Must(t, w.store.RecordCodeState(t.Context(), store.CodeState{Tenant: "acme", Code: "OSM.01010037", State: store.Fixed, Author: "ann", Comment: "TICKET-7", Written: day0.Add(at)}))
		for _, q := range []DailyQuery{{}, {Tenants: []string{"acme"}}} {
			q.Date, q.Zone = day0, time.UTC
			d := w.report(q)
			if d.Verdict.Level != level || len(d.Changes) != int(returned) || returned > 0 && (d.Changes[0].Change != IsRegressed || d.Changes[0].Returned != returned) {
				t.Errorf("fixed at %s: %+v %+v", at, d.Verdict, d.Changes)
			}
			if s := d.TopCodes[0].Said; len(s) != 1 || s[0].State != store.Fixed || (s[0].Comment == "TICKET-7") != (q.Tenants == nil) || (s[0].Author == "") != (q.Tenants != nil) {
				t.Errorf("%+v", s)
			}
		}
	}
	fixed(-48*time.Hour, Watch, 1)
	fixed(30*time.Minute, Watch, 1)
	fixed(2*time.Hour, Quiet, 0)
	stacktest.Must(t, w.store.RecordCodeState(t.Context(), store.CodeState{Tenant: "acme", Code: "OSM.01010037", State: store.Reopened, Written: day0.Add(3 * time.Hour)}))

	// Recorded once; again only if late data changed more than one in a thousand.
	q := DailyQuery{Date: day0, Zone: time.UTC, Lang: "en", Limit: 10}
	at := day0.AddDate(0, 0, 1).Add(9 * time.Hour)
	record := func(want bool, number uint32, lateRequests, lateErrors int64) {
		t.Helper()
		d := w.report(q)
		if d.Revision.LateRequests != lateRequests || d.Revision.LateErrors != lateErrors {
			t.Errorf("late: %+v", d.Revision)
		}
		at = at.Add(time.Hour)
		recorded, err := d.Record(t.Context(), w.store, q, at)
		if err != nil || recorded != want || d.Revision.Number != number {
			t.Errorf("%v %v %+v", recorded, err, d.Revision)
		}
	}
	record(true, 1, 0, 0)
	record(false, 1, 0, 0)
	b = w.batch("logs")
	w.add(b, day0.Add(time.Hour), "acme", 2000, quotaError) // late
	w.insert(b)
	record(true, 2, 2000, 1)
	record(false, 2, 0, 0)
	b = w.batch("logs")
	w.add(b, day0.Add(time.Hour), "acme", 2) // 2 of 2100: too few
	w.insert(b)
	record(false, 2, 2, 0)
	if text := w.report(q).windowLine(); !strings.HasSuffix(text, "; revision 2, with +2,000 requests and +1 errors of late data, since then +2 requests and +0 errors") {
		t.Error(text)
	}
	r, err := NewRevisions(t.Context(), w.store, q)
	if err != nil || len(r.Revisions) != 2 || r.Revisions[0].Requests != 100 || r.Revisions[0].LateRequests != 0 || r.Revisions[1].Requests != 2100 ||
		r.Revisions[1].LateRequests != 2000 || r.Revisions[1].LateErrors != 1 || r.Revisions[0].Verdict != Quiet {
		t.Errorf("%+v %v", r, err)
	}
	q.Tenants = []string{"acme"} // another scope has revisions of its own
	if r, err := NewRevisions(t.Context(), w.store, q); err != nil || len(r.Revisions) != 0 {
		t.Errorf("%+v %v", r, err)
	}
}
