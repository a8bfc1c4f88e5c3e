package report

import (
	"math"
	"testing"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// sampleDay is the report of a day on which much happened, in Berlin, with the texts of the
// built-in catalogs: the day that docs/reports.md shows.
func sampleDay(t *testing.T, lang string) Daily {
	t.Helper()
	c, err := builtIn()
	stacktest.Must(t, err)
	berlin, err := time.LoadLocation("Europe/Berlin")
	stacktest.Must(t, err)
	day := dayOf(time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC), 0, berlin)
	at := func(hour, minute int) cli.Timestamp {
		return cli.Timestamp{Time: day.From.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute).UTC()}
	}
	d := Daily{
		Date: "2026-11-10", Zone: berlin.String(), zone: berlin, Lang: lang, From: at(0, 0), To: at(24, 0), Hours: 24, Watermark: at(33, 0), Complete: true, Tenants: []string{},
		Totals: DailyTotals{1204331, 5062, 5310, 5062.0 / 1204331}, Previous: DailyTotals{1190210, 4410, 4629, 4410.0 / 1190210}, LastWeek: DailyTotals{1187554, 4152, 4377, 4152.0 / 1187554},
		Comparison: Comparison{Pairs: 214, Weeks: 6, Q: dailyQ},
		Explained:  []Explained{{Cause: NewGateway, Name: "edge-eu-2", Since: at(10, 4), Codes: []string{"EDGE-4041", "EDGE-5001"}, Errors: 60}},
		Revision:   DailyRevision{Number: 1, MadeAt: at(33, 0)},
	}
	texts := func(family, code string) (string, string, catalog.Known) {
		k := c.InFamily(family, code, 0, "")
		text, _ := k.TextsIn(lang)
		return text.Description, text.Remedy, k
	}
	change := func(word, tenant, family, code string, errors, low, high, requests uint64) {
		x := Change{Change: word, Tenant: tenant, Code: code, Family: family, Errors: errors, UsualLow: low, UsualHigh: high, Usual: float64(low+high) / 2, Requests: requests}
		x.Excess = float64(errors) - x.Usual
		var k catalog.Known
		if x.Description, x.Remedy, k = texts(family, code); k.Entry != nil {
			x.Kind, x.Owner = k.Entry.Kind, k.Entry.Owner
		}
		d.Changes = append(d.Changes, x)
	}
	change(IsWorse, "cobalt-games", "OSM", "OSM.01010037", 412, 20, 60, 88210)
	change(IsNew, "initech-logistics-europe", "unknown", "BILLING-7731", 96, 0, 0, 40115)
	change(IsRegressed, "umbrella", "iMetal", "iMetal.0002", 41, 0, 0, 12990)
	change(IsWorse, "globex", "TencentCloud", "4104", 18, 0, 4, 9120)
	change(IsBetter, "acme", "AIS", "AIS.0011", 31, 80, 140, 210345)
	change(IsGone, "hooli", "OptVerse", "OptVerse_12030001", 0, 44, 78, 35410)

	code := func(family, name string, errors, before, requests, tenants uint64, message string, args ...Argument) DailyCode {
		x := DailyCode{Code: name, Family: family, Errors: errors, Share: share(errors, d.Totals.Errors), LastWeek: before, Requests: requests, Tenants: tenants, Message: message, Arguments: args, FirstSeen: at(9, 12)}
		var k catalog.Known
		if x.Description, x.Remedy, k = texts(family, name); k.Entry != nil {
			x.Known, x.Kind, x.Owner = true, k.Entry.Kind, k.Entry.Owner
		}
		return x
	}
	unknown := code("unknown", "BILLING-7731", 96, 0, 96, 1, "No funds left on contract 7731 of the customer.")
	d.TopCodes = []DailyCode{
		code("HTTP", "HTTP.502", 1840, 1795, 1840, 31, ""),
		code("AIS", "AIS.0011", 1015, 1122, 1015, 12, ""),
		code("OSM", "OSM.01010037", 612, 231, 598, 4, ""),
		code("iMetal", "iMetal.0002", 341, 298, 341, 9, "", Argument{"1", "flavor_id", 212}, Argument{"1", "subnet_id", 97}),
		code("OptVerse", "OptVerse_12030001", 180, 240, 176, 3, ""),
		unknown,
	}
	d.OtherCodes = Others{58, 1226}
	tenant := func(name string, requests, errorRequests, errors, before uint64, code string) {
		d.TopTenants = append(d.TopTenants, DailyTenant{Tenant: name, DailyTotals: DailyTotals{requests, errorRequests, errors, share(errorRequests, requests)}, LastWeek: before, Code: code})
	}
	tenant("acme", 210345, 1410, 1466, 1502, "AIS.0011")
	tenant("cobalt-games", 88210, 903, 911, 502, "OSM.01010037")
	tenant("initech-logistics-europe", 40115, 388, 402, 290, "HTTP.502")
	tenant("", 15020, 201, 201, 188, "HTTP.502")
	d.OtherTenants = Others{37, 2330}
	for hour := range 24 {
		busy := 0.35 + 0.65*math.Exp(-math.Pow(float64(hour-13)/5, 2))
		errors := uint64(260 * busy)
		if hour == 14 || hour == 15 {
			errors += 310
		}
		d.Chart = append(d.Chart, Bar{at(hour, 0), at(hour+1, 0), uint64(72000 * busy), errors})
	}
	part := func(name string, errors, before uint64) Part {
		return Part{Name: name, Errors: errors, Share: share(errors, d.Totals.Errors), LastWeek: before}
	}
	d.Families = []Part{part("HTTP", 2210, 2140), part("AIS", 1204, 1330), part("OSM", 701, 290), part("iMetal", 519, 402), part("OptVerse", 401, 215), part("unknown", 275, 0)}
	d.Kinds = []Part{part("dependency", 2105, 2044), part("auth", 1204, 1301), part("quota", 720, 301), part("validation", 610, 540), part("", 671, 191)}
	d.Unseen = Unseen{Bodies: []Bodies{{Gateway: "edge-us-1", Requests: 190200, States: map[string]uint64{"absent": 190200}}, {Gateway: "edge-eu-1", Requests: 801000, States: map[string]uint64{"truncated": 1204, "json": 799796}}}, Hidden: 190200,
		Gaps:        []DailyGap{{Topic: "edge-eu-1", Partition: 3, FirstOffset: 7710233, LastOffset: 7715232, Offsets: 5000, Reason: "deleted", From: at(3, 10), To: at(3, 14)}},
		DeadLetters: []DeadLetters{{"bad_time", 12}, {"no_format", 3}}, Other: 220}
	d.Alerts = []DailyAlert{{Rule: "CaseQuotaExhausted", Labels: map[string]string{"tenant": "cobalt-games", "severity": "page"}, Fired: 1, At: at(14, 7), Firing: true, Reason: "412 errors in 5m, above 20"},
		{Rule: "VendorTrouble", Labels: map[string]string{"code": "HTTP.502"}, Fired: 2, At: at(15, 41), Reason: "31 tenants met it within 10m"}}
	d.Unknown = []DailyCode{unknown}
	d.Changes[3].Said = &Said{Code: "4104", Tenant: "globex", State: store.Acknowledged, Author: "ann", Comment: "OPS-412", At: at(15, 2)}
	d.TopCodes[1].Said = []Said{{Code: "AIS.0011", Tenant: store.AnyTenant, State: store.Ignored, Until: at(24*5, 0), Author: "bob", At: at(8, 0)}}
	d.Verdict = d.judge()
	return d
}

// quietDay is the report of a day on which nothing happened.
func quietDay(t *testing.T, lang string) Daily {
	t.Helper()
	d := sampleDay(t, lang)
	d.Changes, d.Explained, d.Alerts, d.Unknown = nil, nil, nil, nil
	d.Unseen = Unseen{}
	d.Verdict = d.judge()
	return d
}
