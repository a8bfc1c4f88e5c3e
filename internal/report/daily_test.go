package report

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func TestStartOfDay(t *testing.T) {
	f := func(zone string, day, want string, hours float64) {
		t.Helper()
		location, err := time.LoadLocation(zone)
		stacktest.Must(t, err)
		date, err := time.Parse(time.DateOnly, day)
		stacktest.Must(t, err)
		w := dayOf(date, 0, location)
		if got := w.From.UTC().Format("2006-01-02T15:04"); got != want || w.length().Hours() != hours {
			t.Errorf("%s %s: %s, %v hours", zone, day, got, w.length().Hours())
		}
	}
	f("UTC", "2026-11-02", "2026-11-02T00:00", 24)
	f("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", 23)
	f("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", 25)
	f("America/New_York", "2026-03-08", "2026-03-08T05:00", 23)
	f("America/New_York", "2026-11-01", "2026-11-01T04:00", 25)
	f("Asia/Kolkata", "2026-11-02", "2026-11-01T18:30", 24)
	f("Africa/Cairo", "2026-04-24", "2026-04-23T22:00", 23)   // 00:00 does not exist
	f("Africa/Cairo", "2026-10-29", "2026-10-28T21:00", 25)   // the hour before midnight comes twice
	f("America/Havana", "2026-03-08", "2026-03-08T05:00", 23) // 00:00 does not exist
	f("America/Havana", "2026-11-01", "2026-11-01T04:00", 25) // 00:00 comes twice
	f("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5)
}

func TestWeeksBeginOnMonday(t *testing.T) {
	for date, want := range map[string]string{"2026-11-02": "2026-11-02", "2026-11-08": "2026-11-02", "2026-11-01": "2026-10-26", "2026-01-01": "2025-12-29"} {
		at, err := time.Parse(time.DateOnly, date)
		stacktest.Must(t, err)
		if got := monday(at).Format(time.DateOnly); got != want {
			t.Errorf("%s: %s, want %s", date, got, want)
		}
	}
}

// dailyWorld is a database with generated traffic.
type dailyWorld struct {
	t        *testing.T
	store    *store.Store
	catalogs *catalog.Set
	offsets  map[string]int64
}

// builtIn are the catalogs of the program, loaded once.
var builtIn = sync.OnceValues(func() (*catalog.Set, error) { return catalog.Open(catalog.Default) })

func newDailyWorld(t *testing.T) *dailyWorld {
	t.Helper()
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	c, err := builtIn()
	stacktest.Must(t, err)
	return &dailyWorld{t: t, store: s, catalogs: c, offsets: map[string]int64{}}
}

// dailyError is an error of a code that the catalogs have, in its dialect.
type dailyError struct{ code, family, kind, dialect string }

// add adds requests at one time to a batch: those with errors first.
func (w *dailyWorld) add(b *store.Batch, at time.Time, tenant string, requests int, errors ...dailyError) {
	for i := range requests {
		e := enrich.Element{Element: new(accesslog.Element)}
		e.Access.Time, e.Access.Tenant, e.Access.Service, e.Access.Route, e.Access.Status, e.Access.BodyState = at, tenant, "api", "/v1", 200, "json"
		if i == 0 {
			for _, x := range errors {
				var event enrich.Event
				event.Code, event.Dialect, event.Message, event.RequestID = x.code, x.dialect, "it failed", fmt.Sprintf("r-%d", w.offsets[b.Topic])
				event.Family, event.Kind, event.CatalogVersion = x.family, x.kind, "v1"
				e.Events = append(e.Events, event)
			}
		}
		b.Add(w.offsets[b.Topic], at, enrich.Record{Elements: []enrich.Element{e}})
		w.offsets[b.Topic]++
	}
}

func (w *dailyWorld) batch(topic string) *store.Batch {
	b := store.NewBatch(topic, 0, w.offsets[topic], store.Limits{})
	b.Fingerprint = "parser 1"
	return b
}

func (w *dailyWorld) insert(batches ...*store.Batch) {
	w.t.Helper()
	stacktest.Must(w.t, w.store.Insert(w.t.Context(), batches))
}

func (w *dailyWorld) complete(to time.Time, topics ...string) {
	w.t.Helper()
	var marks []store.Watermark
	for _, topic := range topics {
		marks = append(marks, store.Watermark{Topic: topic, Watermark: to, At: to})
	}
	stacktest.Must(w.t, w.store.InsertWatermarks(w.t.Context(), marks))
}

func (w *dailyWorld) report(q DailyQuery) Daily {
	w.t.Helper()
	if q.Lang == "" {
		q.Lang = "en"
	}
	if q.Limit == 0 {
		q.Limit = 10
	}
	d, err := NewDaily(w.t.Context(), w.store, w.catalogs, q)
	stacktest.Must(w.t, err)
	return d
}

var (
	quotaError  = dailyError{"OSM.01010037", "OSM", "quota", "huawei"}
	policyError = dailyError{"OptVerse_12030001", "OptVerse", "not_found", "huawei"}
	httpError   = dailyError{"HTTP.502", "HTTP", "dependency", "http"}
	oddError    = dailyError{"BILLING-7731", "unknown", "", "huawei"}
)

// The same window gives the same totals everywhere: the report of the day, report top, the views,
// and what was generated.
func TestDailyTotalsAreExact(t *testing.T) {
	t.Parallel()
	w := newDailyWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	type record struct {
		at     time.Time
		tenant string
		errors int
	}
	var all []record
	days := []time.Time{
		time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), // Berlin
		time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), // New York
	}
	tenants := []string{"acme", "globex", ""}
	codes := []dailyError{quotaError, policyError, httpError, oddError}
	for _, day := range days {
		b := w.batch("logs")
		for range 3000 {
			at := day.Add(-24*time.Hour + time.Duration(random.Int64N(int64(72*time.Hour)))).Truncate(time.Millisecond)
			r := record{at, tenants[random.IntN(3)], max(0, random.IntN(8)-5)}
			errors := make([]dailyError, r.errors)
			for i := range errors {
				errors[i] = codes[random.IntN(4)]
			}
			w.add(b, at, r.tenant, 1, errors...)
			all = append(all, r)
		}
		for _, edge := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata"} { // the first and last instant of the day, and those outside
			zone, err := time.LoadLocation(edge)
			stacktest.Must(t, err)
			window := dayOf(day, 0, zone)
			for _, at := range []time.Time{window.From.Add(-time.Millisecond).UTC(), window.From.UTC(), window.To.Add(-time.Millisecond).UTC(), window.To.UTC()} {
				w.add(b, at, "acme", 1, quotaError)
				all = append(all, record{at, "acme", 1})
			}
		}
		w.insert(b)
	}
	f := func(day time.Time, zone string, hours float64, tenants ...string) {
		t.Helper()
		location, err := time.LoadLocation(zone)
		stacktest.Must(t, err)
		d := w.report(DailyQuery{Date: day, Zone: location, Tenants: tenants, Limit: 2})
		var want DailyTotals
		for _, r := range all {
			local := r.at.In(location)
			if local.Format(time.DateOnly) != day.Format(time.DateOnly) || len(tenants) > 0 && r.tenant != tenants[0] {
				continue
			}
			want.Requests++
			want.Errors += uint64(r.errors)
			if r.errors > 0 {
				want.ErrorRequests++
			}
		}
		want.Share = float64(want.ErrorRequests) / float64(want.Requests)
		if d.Totals != want || d.Hours != hours || want.Errors < 100 {
			t.Errorf("%s %s %v: %+v in %v hours, want %+v", day.Format(time.DateOnly), zone, tenants, d.Totals, d.Hours, want)
		}
		top, err := NewTop(t.Context(), w.store, w.catalogs, TopQuery{Scope: store.Scope{From: d.From.Time, To: d.To.Time, Tenants: tenants}, By: []string{"tenant", "code"}, Limit: 100})
		stacktest.Must(t, err)
		if top.Requests != want.Requests || top.ErrorRequests != want.ErrorRequests || top.Errors != want.Errors {
			t.Errorf("top: %d %d %d, want %+v", top.Requests, top.ErrorRequests, top.Errors, want)
		}
		var counts [3]uint64
		where := store.Scope{From: d.From.Time, To: d.To.Time, Tenants: tenants}.Where("minute")
		stacktest.Must(t, w.store.Query(t.Context(), "SELECT sum(requests), sum(errors) FROM traffic_minute WHERE "+where.SQL, where.Args, func(scan func(...any) error) error { return scan(&counts[0], &counts[1]) }))
		where = store.Scope{From: d.From.Time, To: d.To.Time, Tenants: tenants}.Where("ts")
		stacktest.Must(t, w.store.Query(t.Context(), "SELECT count() FROM errors WHERE "+where.SQL, where.Args, func(scan func(...any) error) error { return scan(&counts[2]) }))
		if counts != [3]uint64{want.Requests, want.ErrorRequests, want.Errors} {
			t.Errorf("views: %v, want %+v", counts, want)
		}
		sum := map[string]uint64{"codes": d.OtherCodes.Errors, "tenants": d.OtherTenants.Errors}
		for _, x := range d.TopCodes {
			sum["codes"] += x.Errors
		}
		for _, x := range d.TopTenants {
			sum["tenants"] += x.Errors
		}
		for _, x := range d.Families {
			sum["families"] += x.Errors
		}
		for _, x := range d.Kinds {
			sum["kinds"] += x.Errors
		}
		for _, x := range d.Chart {
			sum["hours"] += x.Errors
			sum["requests"] += x.Requests
		}
		wanted := fmt.Sprint(map[string]uint64{"codes": want.Errors, "tenants": want.Errors, "families": want.Errors, "kinds": want.Errors, "hours": want.Errors, "requests": want.Requests})
		if got := fmt.Sprint(sum); got != wanted || len(d.Chart) != int(hours) {
			t.Errorf("%s, want %s; %d hours", got, wanted, len(d.Chart))
		}
	}
	f(days[0], "Europe/Berlin", 23)
	f(days[1], "Europe/Berlin", 25)
	f(days[1], "Europe/Berlin", 25, "acme")
	f(days[2], "America/New_York", 23)
	f(days[3], "America/New_York", 25)
	f(days[3], "America/New_York", 25, "")
	f(days[3], "Asia/Kolkata", 24)
	f(days[3], "Asia/Kolkata", 24, "globex")
}

// written returns a report in all outputs.
func written(t *testing.T, d Daily) string {
	t.Helper()
	var out strings.Builder
	for _, output := range DailyOutputs {
		stacktest.Must(t, output.Write(d, cli.Screen{Writer: &out, Columns: 100}))
	}
	if strings.Contains(out.String(), "%!") {
		t.Errorf("a text has the wrong values:\n%s", out.String())
	}
	return out.String()
}
