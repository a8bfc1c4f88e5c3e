package report_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/enrich"
	"errata/internal/loadgen"
	"errata/internal/report"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// fill opens an empty database and puts records into it, one Kafka message each.
func fill(t *testing.T, values ...string) (*store.Store, *catalog.Set) {
	t.Helper()
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := store.NewBatch("logs", 0, 0, store.Limits{})
	at := noon.AddDate(0, 0, 1)
	for i, value := range values {
		b.Add(int64(i), at, p.Record([]byte(value), enrich.Position{Clock: accesslog.KafkaClock(at)}))
	}
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	return s, c
}

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func record(at, tenant, service, route string, status int, id, body string) string {
	return fmt.Sprintf(`{"time":%q,"tenant":%q,"service":%q,"route":%q,"status":%d,"request_id":%q,"response_body":%q}`, at, tenant, service, route, status, id, body)
}

const (
	quota   = `{"error_code":"OSM.01010037","error_msg":"Exceeded the number of times the case limit was created."}`
	missing = `{"error_code":"OptVerse_12030001","error_msg":"m"}`
	noFunds = `{"error_code":"BILLING-7731","error_msg":"No funds."}`
	fine    = `{"ok":1}`
)

// twoDays is ten requests with eight errors on 2 November, and seven with six on the day before.
func twoDays(t *testing.T) (*store.Store, *catalog.Set) {
	return fill(t,
		record("2026-11-02T10:00:00Z", "acme", "osm", "cases", 200, "q-1", quota),
		record("2026-11-02T10:05:00Z", "acme", "osm", "cases", 200, "q-2", quota),
		record("2026-11-02T22:00:00Z", "acme", "osm", "cases", 200, "q-3", quota),
		record("2026-11-02T22:00:01Z", "acme", "osm", "cases", 200, "q-4", fine),
		record("2026-11-02T11:00:00Z", "acme", "pay", "bills", 402, "r-1", noFunds),
		record("2026-11-02T11:00:01Z", "acme", "pay", "bills", 402, "r-2", `{"error_code":"BILLING-7731","error_msg":"Card expired."}`),
		record("2026-11-02T11:00:02Z", "acme", "pay", "bills", 402, "r-3", noFunds),
		record("2026-11-02T12:00:00Z", "globex", "osm", "cases", 200, "s-1", quota),
		record("2026-11-02T12:00:01Z", "globex", "osm", "cases", 200, "s-2", fine),
		record("2026-11-02T12:00:02Z", "globex", "solver", "", 404, "s-3", missing),

		record("2026-11-01T10:00:00Z", "acme", "osm", "cases", 200, "", quota),
		record("2026-11-01T10:00:01Z", "acme", "osm", "cases", 200, "", fine),
		record("2026-11-01T10:00:02Z", "globex", "solver", "", 404, "", missing),
		record("2026-11-01T10:00:03Z", "globex", "solver", "", 404, "", missing),
		record("2026-11-01T10:00:04Z", "globex", "solver", "", 404, "", missing),
		record("2026-11-01T10:00:05Z", "globex", "solver", "", 404, "", missing),
		record("2026-11-01T10:00:06Z", "globex", "solver", "", 404, "", missing),
	)
}

func day(by ...string) report.TopQuery {
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	return report.TopQuery{Scope: store.Scope{From: from, To: from.AddDate(0, 0, 1)}, By: by, Limit: 100}
}

func TestTop(t *testing.T) {
	t.Parallel()
	s, c := twoDays(t)
	top := func(q report.TopQuery) report.Top {
		t.Helper()
		top, err := report.NewTop(t.Context(), s, c, q)
		if err != nil {
			t.Fatal(err)
		}
		sum := uint64(0)
		for _, r := range top.Rows {
			sum += r.Errors
		}
		for _, o := range top.Others {
			sum += o.Errors
		}
		if sum != top.Errors {
			t.Errorf("the rows and the others have %d errors, of %d", sum, top.Errors)
		}
		return top
	}
	lines := func(top report.Top) (all []string) {
		for _, r := range top.Rows {
			status := ""
			if r.Status != nil {
				status = fmt.Sprint(*r.Status)
			}
			key := strings.Join(slices.DeleteFunc([]string{r.Tenant, r.Service, r.Route, r.Code, status}, func(s string) bool { return s == "" }), " ")
			line := fmt.Sprintf("%d. %s: %d of %d", r.Rank, key, r.Errors, r.Requests)
			if b := r.Before; b != nil {
				line += fmt.Sprintf(", before %d. %d of %d, %+d", b.Rank, b.Errors, b.Requests, b.Delta)
			}
			all = append(all, line)
		}
		for _, o := range top.Others {
			all = append(all, fmt.Sprintf("%d others of %q: %d", o.Groups, o.Tenant, o.Errors))
		}
		return all
	}
	f := func(q report.TopQuery, errors, requests uint64, want ...string) report.Top {
		t.Helper()
		got := top(q)
		if diff := cmp.Diff(want, lines(got)); diff != "" || got.Errors != errors || got.Requests != requests {
			t.Errorf("%d errors, %d requests (-want +got)\n%s", got.Errors, got.Requests, diff)
		}
		return got
	}

	q := day("tenant", "code")
	q.Limit, q.Compare = 2, "previous"
	got := f(q, 8, 10, "1. acme BILLING-7731: 3 of 7, before 0. 0 of 2, +3", "2. acme OSM.01010037: 3 of 7, before 2. 1 of 2, +2", `2 others of "": 2`)
	if got.Compared.Requests != 7 || got.Compared.Errors != 6 || got.Compared.From.String() != "2026-11-01T00:00:00.000Z" || got.ErrorRequests != 8 {
		t.Errorf("%+v", got.Compared)
	}
	wanted := make([]uint64, 24)
	wanted[10], wanted[22] = 2, 1
	if r := got.Rows[1]; !slices.Equal(r.History, wanted) || !r.Known || r.Message != "" || r.Owner != "caller" {
		t.Errorf("%+v", r)
	}
	if r := got.Rows[0]; r.Known || r.Message != "No funds." || !slices.Equal(r.RequestIDs, []string{"r-1", "r-3"}) {
		t.Errorf("%+v", r)
	}
	q.Compare = "1d"
	if same := f(q, 8, 10, lines(got)...); same.Compared.With != "1d" {
		t.Errorf("%+v", same.Compared)
	}
	q.Compare = "7d"
	f(q, 8, 10, "1. acme BILLING-7731: 3 of 7, before 0. 0 of 0, +3", "2. acme OSM.01010037: 3 of 7, before 0. 0 of 0, +3", `2 others of "": 2`)

	// The top one of each tenant.
	q = day("tenant", "code")
	q.Limit, q.PerTenant = 1, true
	f(q, 8, 10, "1. acme BILLING-7731: 3 of 7", "1. globex OSM.01010037: 1 of 3", `1 others of "acme": 3`, `1 others of "globex": 1`)

	// The requests are those that agree in what the rows are grouped by.
	f(day("status"), 8, 10, "1. 200: 4 of 6", "2. 402: 3 of 3", "3. 404: 1 of 1")
	f(day("service", "status"), 8, 10, "1. osm 200: 4 of 6", "2. pay 402: 3 of 3", "3. solver 404: 1 of 1")
	f(day("code"), 8, 10, "1. OSM.01010037: 4 of 10", "2. BILLING-7731: 3 of 10", "3. OptVerse_12030001: 1 of 10")
	for _, by := range []string{"owner", "dialect", "template", "family", "kind", "route"} {
		if got := top(day(by)); got.Errors != 8 || len(got.Rows) < 1 {
			t.Errorf("by %s: %+v", by, got)
		}
	}

	// Filters. The requests are those of the service and route, whatever their codes.
	q = day("tenant")
	q.Codes = []string{"osm_01010037"}
	if got := f(q, 4, 10, "1. acme: 3 of 7", "2. globex: 1 of 3"); got.DeadLetters != nil {
		t.Error("the dead letters of a code")
	}
	q = day("code", "status")
	q.Families = []string{"OptVerse", "unknown"}
	f(q, 4, 10, "1. BILLING-7731 402: 3 of 3", "2. OptVerse_12030001 404: 1 of 1")
	q = day("code")
	q.Services = []string{"pay"}
	f(q, 3, 3, "1. BILLING-7731: 3 of 3")
	q = day("code")
	q.Routes, q.Tenants = []string{"cases"}, []string{"globex"}
	f(q, 1, 2, "1. OSM.01010037: 1 of 2")

	q = day("code")
	q.Lang = "zh"
	if r := top(q).Rows[0]; !strings.HasPrefix(r.Description, "创建的工单数量已超出上限") {
		t.Errorf("%+v", r)
	}
	// A code that several families have in one group means nothing in particular.
	if _, err := report.NewTop(t.Context(), s, c, report.TopQuery{By: []string{"colour"}}); err == nil {
		t.Error("grouped by colour")
	}
}

// The totals stand beside the requests of the rows, and are asked for where no row has any.
func TestTopHasTotalsWithoutRows(t *testing.T) {
	t.Parallel()
	s, c := twoDays(t)
	for code, errors := range map[string]uint64{"NOBODY.1": 0, "BILLING-7731": 3} {
		q := day("service")
		q.Codes, q.Compare = []string{code}, "previous"
		top, err := report.NewTop(t.Context(), s, c, q)
		stacktest.Must(t, err)
		if top.Errors != errors || top.Requests != 10 || top.ErrorRequests != 8 || top.Compared.Requests != 7 || top.Compared.Errors != 0 {
			t.Errorf("%s: %d errors, %d requests, %d with errors, before %+v", code, top.Errors, top.Requests, top.ErrorRequests, top.Compared)
		}
	}
}

func TestTopOfEquals(t *testing.T) {
	t.Parallel()
	s, c := twoDays(t)
	groups := []string{"acme BILLING-7731", "acme OSM.01010037", "globex OSM.01010037", "globex OptVerse_12030001"} // with 3, 3, 1 and 1 errors
	for i, last := range groups {
		q := day("tenant", "code")
		q.Limit = i + 1
		top, err := report.NewTop(t.Context(), s, c, q)
		stacktest.Must(t, err)
		if len(top.Rows) != q.Limit || top.Rows[i].Tenant+" "+top.Rows[i].Code != last {
			t.Errorf("limit %d: %+v, want %s as the last", q.Limit, top.Rows, last)
		}
	}
}

// TestTopAgreesWithItself asks for all groups while errors come, none of which may be counted in
// the total alone, and neither may their requests.
func TestTopAgreesWithItself(t *testing.T) {
	t.Parallel()
	s, c := twoDays(t)
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	stacktest.Must(t, err)
	ended := make(chan error)
	go func() { // ends with the loop
		for first := int64(100); first < 160; first++ {
			b := store.NewBatch("logs", 0, first, store.Limits{})
			b.Add(first, noon, p.Record([]byte(record("2026-11-02T12:00:00Z", "globex", "osm", "cases", 200, "", quota)), enrich.Position{Clock: accesslog.KafkaClock(noon)}))
			if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for errors := uint64(0); ; {
		top, err := report.NewTop(t.Context(), s, c, day("tenant", "code"))
		stacktest.Must(t, err)
		sum, requests := uint64(0), map[string]uint64{}
		for _, r := range top.Rows {
			sum += r.Errors
			requests[r.Tenant] = r.Requests
		}
		if sum != top.Errors || len(top.Others) != 0 || sum < errors {
			t.Fatalf("the rows have %d errors of %d, after %d; %+v", sum, top.Errors, errors, top.Others)
		}
		if requests["acme"]+requests["globex"] != top.Requests {
			t.Fatalf("the rows have the requests %v, of %d", requests, top.Requests)
		}
		errors = sum
		select {
		case err := <-ended:
			stacktest.Must(t, err)
			if errors < 68-10 {
				t.Errorf("%d errors were seen", errors)
			}
			return
		default:
		}
	}
}

func TestTopOutputs(t *testing.T) {
	t.Parallel()
	s, c := twoDays(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	q := day("tenant", "code")
	q.Limit, q.Compare, q.Zone = 2, "previous", berlin
	top, err := report.NewTop(t.Context(), s, c, q)
	if err != nil {
		t.Fatal(err)
	}
	f := func(output string, width int, want ...string) {
		t.Helper()
		out, err := report.TopOutputs.Named(output)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := out.Write(top, cli.Screen{Writer: &b, Columns: width}); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", output, w, b.String())
			}
		}
	}
	// Programs get UTC and plain numbers, people their zone.
	f("csv", 0, "tenant,code,family,kind,errors,share,before_errors,before_share,delta,rank,before_rank,first_seen,last_seen,description,remedy,message,request_ids\n",
		"acme,BILLING-7731,unknown,,3,0.428571,0,0.000000,3,1,,2026-11-02T11:00:00.000Z,2026-11-02T11:00:02.000Z,,,No funds.,r-1 r-3\n",
		"(other),,,,2,,,,,,,,,,,,\n")
	f("tsv", 0, "tenant\tcode\tfamily\t", "acme\tOSM.01010037\tOSM\tquota\t3\t0.428571\t1\t0.500000\t2\t2\t2\t2026-11-02T10:00:00.000Z")
	f("table", 0, "2026-11-02T01:00:00.000+01:00 to 2026-11-03T01:00:00.000+01:00: 10 requests", "+2 (+200%)", "new", "2026-11-02T23:00:00.000+01:00", "(other)")
	f("markdown", 0, "| acme | OSM.01010037 | OSM | quota | 3 | 42.857% | 1 | 50.000% | +2 (+200%) | 2 | 2 | 2026-11-02T11:00:00.000+01:00 |")
	f("json", 0, `"request_ids": [`, `"delta": 3`, `"zone": "Europe/Berlin"`, `"first_seen": "2026-11-02T10:00:00.000Z"`)
	f("table", 100, "2026-11-02 01:00 CET to 2026-11-03 01:00 CET", "     → Refer to the error message", `     not in a catalog: "No funds."`, "     requests r-1, r-3", "     2 more; --limit shows more of them")
	f("table", 140, "  last seen\n", "█     ▄  23:00:00\n")
	// Colours only on a screen that shows them, and none that come from records.
	var coloured, plain strings.Builder
	top.Rows[0].Message = "No funds.\x1b[31m"
	stacktest.Must(t, report.TopOutputs[0].Write(top, cli.Screen{Writer: &coloured, Columns: 120, Colours: true}))
	stacktest.Must(t, report.TopOutputs[0].Write(top, cli.Screen{Writer: &plain, Columns: 120}))
	for _, want := range []string{"\x1b[1mOSM.01010037", "\x1b[31m+2 (+200%)", `\x1b[31m"`} {
		if !strings.Contains(coloured.String(), want) {
			t.Errorf("no %q in\n%q", want, coloured.String())
		}
	}
	if got := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(coloured.String(), ""); got != plain.String() || strings.Contains(got, "\x1b") {
		t.Errorf("without its styles:\n%q\nplain:\n%q", got, plain.String())
	}
	top.Wide = true
	f("table", 80, "+2 (+200%)     2            2       █     ▄  2026-11-02T11:00:00.000+01:00", "r-1 r-3")
}

// The sample day of the load generator.
func TestSampleDay(t *testing.T) {
	t.Parallel()
	var values []string
	tenants := map[string]bool{}
	cfg := loadgen.Config{Seed: 1, From: noon.Add(-12 * time.Hour), To: noon.Add(12 * time.Hour), Requests: 20_000}
	_, err := loadgen.Generate(cfg, func(m loadgen.Message) error {
		values = append(values, string(m.Value))
		tenants[string(m.Key)] = true
		return nil
	})
	stacktest.Must(t, err)
	s, c := fill(t, values...)
	delete(tenants, "")
	t.Run("known codes have their texts", func(t *testing.T) { textsOfKnownCodes(t, s, c, store.Scope{From: cfg.From, To: cfg.To}) })
	t.Run("tenants are kept apart", func(t *testing.T) { tenantsApart(t, s, c, slices.Sorted(maps.Keys(tenants))) })
}

// tenantsApart checks that the report and the mail of a tenant hold neither the name nor the id of
// another one, in any output and language.
func tenantsApart(t *testing.T, s *store.Store, c *catalog.Set, tenants []string) {
	if len(tenants) != 12 {
		t.Fatalf("%d tenants", len(tenants))
	}
	for _, tenant := range tenants {
		stacktest.Must(t, s.RecordAlerts(t.Context(), []store.AlertTransition{{At: noon, Rule: "of " + tenant, Fingerprint: tenant, Labels: map[string]string{"tenant": tenant}, From: "pending", To: "firing", Reason: "for " + tenant}}, nil, nil))
	}
	written := func(tenants []string, lang string) string {
		d, err := report.NewDaily(t.Context(), s, c, report.DailyQuery{Tenants: tenants, Date: noon, Zone: time.UTC, Lang: lang, Limit: 100})
		stacktest.Must(t, err)
		d.Full = true
		var all strings.Builder
		for _, d.Lang = range report.DailyLanguages {
			for _, output := range report.DailyOutputs {
				stacktest.Must(t, output.Write(d, cli.Screen{Writer: &all, Columns: 100}))
			}
			subject, text, html, err := d.Mail()
			stacktest.Must(t, err)
			all.WriteString(subject + text + html)
		}
		return strings.ToLower(all.String())
	}
	// The load generator's project of a tenant is the start of its name in hexadecimal digits.
	names := func(tenant string) []string { return []string{tenant, fmt.Sprintf("%032x", tenant)[:32]} }
	whole, ids := written(nil, "en"), 0
	for _, tenant := range tenants {
		if !strings.Contains(whole, tenant) {
			t.Errorf("the report of all tenants does not name %s, so its absence elsewhere says nothing", tenant)
		}
		if strings.Contains(whole, names(tenant)[1]) {
			ids++
		}
	}
	if ids < 3 {
		t.Errorf("the report of all tenants has the ids of %d", ids)
	}
	for i, own := range tenants {
		text := written([]string{own}, report.DailyLanguages[i%2])
		if !strings.Contains(text, "of "+own) {
			t.Errorf("%s: its alert is missing", own)
		}
		for _, other := range tenants {
			for _, name := range names(other) {
				if at := strings.Index(text, name); other != own && at >= 0 {
					t.Errorf("the report for %s has %q: …%s…", own, name, text[max(0, at-100):min(len(text), at+100)])
				}
			}
		}
	}
}

// textsOfKnownCodes checks that no code that the catalogs list is without its texts, however rows
// are grouped.
func textsOfKnownCodes(t *testing.T, s *store.Store, c *catalog.Set, scope store.Scope) {
	for _, by := range [][]string{{"code"}, {"tenant", "code"}, {"code", "template"}} {
		known := map[string]bool{}
		err := s.Query(t.Context(), "SELECT DISTINCT "+strings.Join(by, " || ' ' || ")+" FROM errors WHERE known", nil, func(scan func(...any) error) error {
			var key string
			err := scan(&key)
			known[key] = true
			return err
		})
		if err != nil || len(known) < 60 {
			t.Fatalf("%d known codes, %v", len(known), err)
		}
		top, err := report.NewTop(t.Context(), s, c, report.TopQuery{Scope: scope, By: by, Limit: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		services := 0
		for _, r := range top.Rows {
			key := map[string]string{"code": r.Code, "tenant": r.Tenant + " " + r.Code, "template": r.Code + " " + r.Template}[by[len(by)-1]]
			if by[0] == "tenant" {
				key = r.Tenant + " " + r.Code
			}
			if known[key] && (!r.Known || r.Description == "" || r.Remedy == "" && r.Family != "TencentCloud") {
				t.Errorf("by %v: %+v", by, r)
			}
			if r.Family == "TencentCloud" && r.Dialect != "tencent-v2" {
				services++ // known by their service alone
			}
		}
		if services == 0 {
			t.Errorf("by %v: no code is known by its service alone, which is the hard case", by)
		}
	}
}

// An explanation without a dialect says what the live errors mean.
func TestExplainAsksTheLiveErrors(t *testing.T) {
	t.Parallel()
	s, c := fill(t, record("2026-11-02T10:00:00Z", "acme", "tencent-cvm", "", 200, "r-1", `{"code":4000,"message":"(100004) incorrect projectId"}`))
	q := day("code")
	top, err := report.NewTop(t.Context(), s, c, q)
	if err != nil {
		t.Fatal(err)
	}
	x := report.Explain(c, "4000", "", "")
	if err := x.AddLive(t.Context(), s, c, q.Scope, "1d", time.UTC); err != nil {
		t.Fatal(err)
	}
	r := top.Rows[0]
	if x.Family != "TencentCloud" || x.Family != r.Family || x.Description != r.Description || x.Remedy != r.Remedy || x.Description == "" || !x.Found() {
		t.Errorf("explain: %s %q, top: %s %q", x.Family, x.Description, r.Family, r.Description)
	}
	if len(x.Meanings) != 1 || x.Meanings[0].Errors != 1 || len(x.Tenants) != 1 {
		t.Errorf("%+v", x)
	}
	// In another dialect nobody met it.
	x = report.Explain(c, "4000", "huawei", "")
	if err := x.AddLive(t.Context(), s, c, q.Scope, "1d", time.UTC); err != nil || len(x.Tenants) != 0 || x.Found() {
		t.Errorf("%+v %v", x, err)
	}
}

// An explanation says since when, on which days, where and with what the code is met.
func TestExplainSaysWhereTheCodeIsMet(t *testing.T) {
	t.Parallel()
	const odd = `{"error_code":"AIS.0011","error_msg":"m"}`
	values := []string{
		record("2026-11-02T22:59:59Z", "acme", "vision", "ocr", 400, "a", odd), // 2 November in Berlin
		record("2026-11-02T23:00:00Z", "acme", "vision", "ocr", 400, "b", odd), // and the 3rd
		record("2026-11-03T09:00:00Z", "", "vision", "faces", 400, "c", odd),
		record("2026-11-03T09:00:00Z", "globex", "vision", "ocr", 400, "d", odd),
		record("2026-10-04T21:59:59Z", "globex", "vision", "ocr", 400, "e", odd), // the 31st day
	}
	s, c := fill(t, values...)
	berlin, err := time.LoadLocation("Europe/Berlin")
	stacktest.Must(t, err)
	for _, said := range []store.CodeState{
		{Tenant: store.AnyTenant, Code: "AIS.0011", State: store.Fixed, Author: "ann", Comment: "new key"},
		{Tenant: "acme", Code: "ais-0011", State: store.Ignored, Author: "bob", Until: noon, Comment: "known"},
		{Tenant: "acme", Code: "AIS.0012", State: store.Acknowledged, Author: "cid", Comment: "another code"},
	} {
		said.Written = noon
		stacktest.Must(t, s.RecordCodeState(t.Context(), said))
	}
	x := report.Explain(c, "AIS_0011", "", "")
	to := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	stacktest.Must(t, x.AddLive(t.Context(), s, c, store.Scope{From: to.AddDate(0, 0, -1), To: to}, "24h", berlin))
	if got := x.Trend; len(got) != report.TrendDays || got[0].Day != "2026-10-05" || got[28] != (report.DayCount{Day: "2026-11-02", Errors: 1}) || got[29] != (report.DayCount{Day: "2026-11-03", Errors: 3}) || got[0].Errors != 0 {
		t.Errorf("trend: %+v", got)
	}
	if got := x.Sightings; got == nil || got.First.String() != "2026-10-04T21:59:59.000Z" || got.By != "globex" || got.Tenants != 3 || got.Last.String() != "2026-11-03T09:00:00.000Z" {
		t.Errorf("seen: %+v", got)
	}
	if want := []report.RouteHit{{Service: "vision", Route: "ocr", Errors: 3, Tenants: 2}, {Service: "vision", Route: "faces", Errors: 1, Tenants: 1}}; !slices.Equal(x.Routes, want) {
		t.Errorf("routes: %+v", x.Routes)
	}
	if len(x.States) != 2 || x.States[0].Author != "ann" || x.States[1].Author != "bob" || !x.States[1].Until.Equal(noon) {
		t.Errorf("states: %+v", x.States)
	}
	// For one tenant, nothing of the others.
	x = report.Explain(c, "AIS_0011", "", "")
	stacktest.Must(t, x.AddLive(t.Context(), s, c, store.Scope{Tenants: []string{"globex"}, From: to.AddDate(0, 0, -1), To: to}, "24h", berlin))
	if len(x.Tenants) != 1 || len(x.Routes) != 1 || x.Routes[0].Errors != 1 || x.Sightings.Tenants != 1 || len(x.States) != 1 || x.Trend[29].Errors != 1 || x.Trend[28].Errors != 0 {
		t.Errorf("%+v", x)
	}
}

// The arguments are the values that stand in place of the published placeholders.
func TestArgumentsThatAreMet(t *testing.T) {
	t.Parallel()
	body := func(names string) string { // published as "Missing required parameters: %s"
		return fmt.Sprintf(`{"error_code":"iMetal.0002","error_msg":"Missing required parameters: %s"}`, names)
	}
	s, c := fill(t, record("2026-11-02T10:00:00Z", "acme", "metal", "", 400, "a", body("name")), record("2026-11-02T10:00:01Z", "acme", "metal", "", 400, "b", body("size")),
		record("2026-11-02T10:00:02Z", "acme", "metal", "", 400, "c", body("size")))
	x := report.Explain(c, "iMetal.0002", "", "")
	stacktest.Must(t, x.AddLive(t.Context(), s, c, day().Scope, "1d", time.UTC))
	if want := []report.Argument{{Name: "0", Value: "size", Errors: 2}, {Name: "0", Value: "name", Errors: 1}}; !slices.Equal(x.Arguments, want) {
		t.Errorf("%+v", x.Arguments)
	}
	// A daily report names those that came more than once.
	d, err := report.NewDaily(t.Context(), s, c, report.DailyQuery{Date: noon, Zone: time.UTC, Lang: "en", Limit: 10})
	stacktest.Must(t, err)
	if want := []report.Argument{{Name: "0", Value: "size", Errors: 2}}; len(d.TopCodes) != 1 || !slices.Equal(d.TopCodes[0].Arguments, want) {
		t.Errorf("%+v", d.TopCodes)
	}
}

func TestOtherCatalogs(t *testing.T) {
	t.Parallel()
	s, c := twoDays(t)
	f := func(scope store.Scope, version string, want bool) {
		t.Helper()
		sentence, err := report.OtherCatalogs(t.Context(), s, scope, version)
		if err != nil || (sentence != "") != want || want && !(strings.Contains(sentence, c.Version) && strings.Contains(sentence, version)) {
			t.Errorf("%+v: %q %v", scope, sentence, err)
		}
	}
	f(day().Scope, c.Version, false)
	f(day().Scope, "other", true)
	f(store.Scope{}, "other", true)
	f(store.Scope{From: noon.AddDate(1, 0, 0), To: noon.AddDate(1, 0, 1)}, "other", false) // no errors
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	s, _ := fill(t)
	mark := func(topic string, partition int, watermark, at time.Time) {
		t.Helper()
		if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: topic, Partition: partition, Watermark: watermark, At: at}}); err != nil {
			t.Fatal(err)
		}
	}
	clock := noon
	f := func(scope store.Scope, ingesters, sentence string, trouble bool) {
		t.Helper()
		got, err := report.NewFreshness(t.Context(), s, scope, clock)
		if err != nil || got.Ingesters != ingesters || !strings.HasPrefix(got.String(), sentence) || got.Trouble() != trouble {
			t.Errorf("%+v %q %v", got, got, err)
		}
	}
	now := store.Scope{To: noon.Add(time.Minute)}
	f(now, report.NoReports, "completeness unknown: no ingester has reported yet", true)
	mark("logs", 0, noon.Add(-3*time.Second), noon.Add(-3*time.Second))
	mark("logs", 1, noon.Add(-5*time.Second), noon.Add(-2*time.Second))
	f(now, report.Current, "complete up to 2026-11-02T11:59:55Z", false)
	mark("logs", 1, noon.Add(-20*time.Minute-2*time.Second), noon.Add(-2*time.Second))
	f(now, report.Lagging, "complete up to 2026-11-02T11:39:58Z: the ingester lags by 20m0s (logs/1)", true)
	f(store.Scope{To: noon.Add(-time.Hour)}, report.Lagging, "complete: everything up to 2026-11-02T11:39:58Z is counted", false)
	clock = noon.Add(2 * time.Minute)
	mark("logs", 1, clock, clock)
	f(store.Scope{To: clock}, report.Absent, "complete up to 2026-11-02T11:59:57Z: no ingester has reported on logs/0 for the last minute, the latest report is of 2026-11-02T12:02:00Z", true)
	mark("other", 0, clock, clock)
	f(store.Scope{To: clock.Add(time.Second), Topics: []string{"other"}}, report.Current, "complete up to 2026-11-02T12:02:00Z", false)
}
