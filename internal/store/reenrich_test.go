package store_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/store"
)

// later are catalogs that differ from the built-in ones in every way that matters: a family that
// was unknown, a code whose entries are of different kinds, numbers bound to a service, other
// texts, and families that no longer exist.
var later = fstest.MapFS{
	"billing.yaml": {Data: []byte(`
family: BILLING
language: en
match: {prefixes: [BILLING]}
fallback: {remedy: Ask.}
codes:
  - {code: BILLING-1, status: 402, message: "Account {0} has no funds.", remedy: Pay., kind: billing, retry: after_fix, owner: caller}
  - {code: BILLING-1, status: 429, message: "Too many payments.", remedy: Wait., kind: rate_limit, retry: later, owner: caller}
  - {code: BILLING-1, status: 500, message: "", description: Broken., kind: internal, retry: later, owner: vendor}
`)},
	"osm.yaml": {Data: []byte(`
family: OSM
language: en
match: {prefixes: [OSM]}
codes:
  - {code: OSM.01010037, status: 200, message: No more., remedy: Close some., kind: rate_limit, retry: later, owner: operator}
`)},
	"jobs.yaml": {Data: []byte(`
family: JOBS
language: en
match: {services: ["job*"]}
codes:
  - {code: "90017", status: 200, message: "Queue {q} is full", kind: unavailable, retry: later, owner: operator}
`)},
}

// mixed are records of three days with all sorts of errors; several share a minute and a code.
func mixed(n int) (values []string) {
	bodies := []struct {
		status  int
		service string
		body    string
	}{
		{200, "osm", quota},
		{429, "pay", `{"error_code":"BILLING-1","error_msg":"Too many payments."}`},
		{402, "pay", `{"error_code":"BILLING-1","error_msg":"Account a'\\17 has no funds."}`},
		{500, "pay", `{"error_code":"BILLING-1","error_msg":"Who knows"}`},
		{200, "jobs", `{"code":90017,"message":"Queue q-1 is full"}`},
		{200, "other", `{"code":90017,"message":"Queue q-1 is full"}`},
		{200, "pay", `{"failed":[{"error_code":"BILLING-1","error_msg":"Account b has no funds."},{"error_code":"BILLING-2","error_msg":"?"},{"error_code":"OptVerse_12030001","error_msg":"x"}]}`},
		{404, "other", `nothing here`},
		{200, "other", `{"error_code":"\u0000'?\\","error_msg":"\u0000"}`},
		{200, "osm", `{"ok":1}`},
	}
	tenants := []string{"acme", `a'b\c"?`, "租户 @", "$1"}
	for i := range n {
		b := bodies[i*3%len(bodies)]
		at := time.Date(2026, 10, 31, 23, 59, 0, 0, time.UTC).Add(time.Duration(i) * 37 * time.Minute / 3)
		values = append(values, fmt.Sprintf(`{"time":%q,"tenant":%q,"service":%q,"route":"r%d","method":"GET","path":"/p","status":%d,"latency_ms":%d,"request_id":"r-%d","response_body":%q}`,
			at.Format(time.RFC3339Nano), tenants[i%len(tenants)], b.service, i%2, b.status, i, i, b.body))
	}
	return values
}

// filled makes batches of records, one of them of a later epoch, explained by catalogs.
func filled(t *testing.T, c *catalog.Set, values []string) (batches []*store.Batch) {
	t.Helper()
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	for first := 0; first < len(values); first += 100 {
		for epoch := range uint32(1 + first/100%2) {
			b := store.NewBatch("logs", 3, int64(first), store.Limits{Routes: 1})
			b.Epoch = epoch
			for i, v := range values[first:min(first+100, len(values))] {
				b.Add(int64(first+i), kafkaTime, p.Record([]byte(v), enrich.Position{Clock: accesslog.KafkaClock(kafkaTime)}))
			}
			batches = append(batches, b)
		}
	}
	return batches
}

// reenrich gives all that is stored what the catalogs say, a few rows at a time, and counts what
// was written. It stops with errStop after so many portions.
func reenrich(t *testing.T, s *store.Store, c *catalog.Set, limit, stop int) (errors_, sums int, err error) {
	t.Helper()
	portion := func(n int) error {
		if stop--; stop == 0 && n > 0 {
			return errStop
		}
		return nil
	}
	days, err := s.StaleErrors(t.Context(), time.Time{}, time.Time{}, c.Version)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		err := s.ReenrichErrors(t.Context(), c, d.Day, time.Time{}, time.Time{}, limit, false, func(r []store.Rewrite) error { errors_ += len(r); return portion(len(r)) })
		if err != nil {
			return errors_, sums, err
		}
	}
	sumDays, err := s.SumDays(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range sumDays {
		err := s.ReenrichSums(t.Context(), c, d, time.Time{}, time.Time{}, limit, false, func(r []store.SumRewrite) error { sums += len(r); return portion(len(r)) })
		if err != nil {
			return errors_, sums, err
		}
	}
	return errors_, sums, nil
}

var errStop = errors.New("stop")

func TestReenrichedIsWhatAnIngesterWithTheseCatalogsStores(t *testing.T) {
	t.Parallel()
	today, err := catalog.Load(later)
	if err != nil {
		t.Fatal(err)
	}
	built, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	values := mixed(300)
	before, query := open(t)
	want, wanted := open(t)
	for s, c := range map[*store.Store]*catalog.Set{before: built, want: today} {
		if err := s.Insert(t.Context(), filled(t, c, values)); err != nil {
			t.Fatal(err)
		}
	}
	const (
		rows   = "SELECT count(), sum(cityHash64(*)) FROM @error_rows FINAL"
		sums   = "SELECT count(), sum(cityHash64(*)) FROM @error_sums FINAL"
		facts  = "SELECT count(), sum(cityHash64(* EXCEPT (catalog_code, family, kind, known, template, args, description, remedy, retry, owner, catalog_version))) FROM @error_rows FINAL"
		counts = "SELECT (SELECT (count(), uniqExact(offset, `index`, envelope)) FROM @errors), (SELECT (sum(errors), min(first_seen), max(last_seen)) FROM @error_minute), (SELECT sum(requests) FROM @traffic_minute)"
	)
	same := func(sql, as string) {
		t.Helper()
		if got := query(sql); got != as {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, as)
		}
	}
	factsBefore, countsBefore, all := query(facts), query(counts), query("SELECT count() FROM @error_rows FINAL")
	if query(rows) == wanted(rows) || query(sums) == wanted(sums) {
		t.Fatal("the catalogs say the same")
	}
	// A run that is stopped again and again, in the middle of errors and of sums, still gets there,
	// and counts are right at every moment.
	doneErrors, doneSums, stops := 0, 0, 0
	for {
		e, s, err := reenrich(t, before, today, 17, 11)
		doneErrors, doneSums = doneErrors+e, doneSums+s
		same(facts, factsBefore)
		same(counts, countsBefore)
		if err == nil {
			break
		}
		if stops++; !errors.Is(err, errStop) || stops > 1000 {
			t.Fatal(err)
		}
	}
	same(rows, wanted(rows))
	same(sums, wanted(sums))
	if fmt.Sprint(doneErrors) != all || doneSums == 0 || stops < 5 {
		t.Errorf("%d errors of %s, %d sums, in %d runs", doneErrors, all, doneSums, stops+1)
	}
	if e, s, err := reenrich(t, before, today, 1000, 0); e+s != 0 || err != nil {
		t.Errorf("a second run wrote %d errors and %d sums: %v", e, s, err)
	}
	// An ingester that repeats its planned batches with older catalogs makes them stale again, and
	// does nothing else.
	if err := before.Insert(t.Context(), filled(t, built, values)[:2]); err != nil {
		t.Fatal(err)
	}
	same(counts, countsBefore)
	if e, s, err := reenrich(t, before, today, 1000, 0); e == 0 || s == 0 || err != nil {
		t.Errorf("after a repeat %d errors and %d sums were written: %v", e, s, err)
	}
	same(rows, wanted(rows))
	same(sums, wanted(sums))
}
