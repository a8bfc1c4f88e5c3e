package report

import (
	"fmt"
	"strings"
	"testing"

	"errata/internal/stack/stacktest"
)

// A day on which everything changed makes a mail that mail services do not cut off. It keeps the
// most important rows and says how many there are besides.
func TestMailOfABadDayIsNotTooLong(t *testing.T) {
	link, err := ParseLink("https://grafana.example.org/d/errata-overview?var-tenant={{.Tenant}}&var-code={{.Code}}&from={{.From.UnixMilli}}&to={{.To.UnixMilli}}")
	stacktest.Must(t, err)
	for lang, more := range map[string][]string{"en": {" more changes", " more alerts", " others"}, "zh": {"项变化", "条告警"}} {
		d := sampleDay(t, lang)
		for i := range 150 {
			c, a, x, n := d.Changes[i%6], d.Alerts[i%2], d.TopCodes[i%6], d.TopTenants[i%4]
			x.Code, n.Tenant, c.Tenant = fmt.Sprintf("%s-%d", x.Code, i), fmt.Sprintf("tenant-%d", i), fmt.Sprintf("tenant-%d", i)
			d.Changes, d.Alerts, d.TopCodes, d.TopTenants = append(d.Changes, c), append(d.Alerts, a), append(d.TopCodes, x), append(d.TopTenants, n)
		}
		stacktest.Must(t, d.setLinks(link))
		_, text, html, err := d.Mail()
		stacktest.Must(t, err)
		size, err := sentSize(text, html)
		stacktest.Must(t, err)
		if size > 100_000 || size < 30_000 {
			t.Errorf("%s: %d bytes", lang, size)
		}
		for _, part := range []string{text, html} {
			for _, want := range append(more, "OSM.01010037", "BILLING-7731") {
				if !strings.Contains(part, want) {
					t.Errorf("%s: no %q in\n%.3000s", lang, want, part)
				}
			}
		}
		errors := func(d Daily) (codes, tenants uint64) {
			for _, x := range d.TopCodes {
				codes += x.Errors
			}
			for _, x := range d.TopTenants {
				tenants += x.Errors
			}
			return codes + d.OtherCodes.Errors, tenants + d.OtherTenants.Errors
		}
		cut := d.cutTo(7).cutTo(3)
		if len(cut.Changes) != 3 || cut.moreChanges != 153 || cut.moreAlerts != 149 || len(d.Changes) != 156 {
			t.Errorf("%d changes, %d more, %d more alerts", len(cut.Changes), cut.moreChanges, cut.moreAlerts)
		}
		codes, tenants := errors(d)
		if c, n := errors(cut); c != codes || n != tenants || cut.OtherCodes.Number != d.OtherCodes.Number+153 {
			t.Errorf("%d and %d errors, want %d and %d", c, n, codes, tenants)
		}
	}
}
