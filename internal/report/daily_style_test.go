package report

import (
	"regexp"
	"strings"
	"testing"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
)

var sgr = regexp.MustCompile(`\x1b\[\d*m`)

// On a terminal with colours the report and an explanation say what they say without, and a record
// cannot set a colour.
func TestColoursChangeNothingButTheLooks(t *testing.T) {
	link, err := ParseLink("https://g/d?c={{.Code}}")
	stacktest.Must(t, err)
	styled := func(name string, columns int, write func(cli.Screen) error) string {
		t.Helper()
		var plain, coloured strings.Builder
		stacktest.Must(t, write(cli.Screen{Writer: &plain, Columns: columns}))
		stacktest.Must(t, write(cli.Screen{Writer: &coloured, Columns: columns, Colours: true}))
		if got := sgr.ReplaceAllString(coloured.String(), ""); got != plain.String() || strings.Contains(plain.String(), "\x1b") || coloured.String() == plain.String() {
			t.Errorf("%s at %d columns is\n%s\nwithout colours\n%s", name, columns, got, plain.String())
		}
		return coloured.String()
	}
	for _, lang := range DailyLanguages {
		for _, day := range []Daily{sampleDay(t, lang), quietDay(t, lang)} {
			stacktest.Must(t, day.setLinks(link))
			day.Full = true
			for _, columns := range []int{80, 120, 200} {
				styled("daily", columns, func(s cli.Screen) error { return day.text(s) })
			}
		}
	}
	f := func(text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%q", want, text)
			}
		}
	}
	day := sampleDay(t, "en")
	day.Changes[0].Tenant = "a\x1b[5mb"
	f(styled("daily", 120, func(s cli.Screen) error { return day.text(s) }), "\x1b[31mACT: \x1b[0m", "\x1b[1mTop codes\x1b[0m", "\x1b[31mworse ", "\x1b[32mbetter ", "\x1b[32mgone ", "\x1b[1mOSM.01010037", `a\x1b[5mb`)
	f(styled("quiet", 80, func(s cli.Screen) error { return quietDay(t, "en").text(s) }), "\x1b[32mQUIET: \x1b[0m")
	x := Explanation{Code: "A.1", Family: "A", Remedy: "wait", Known: true, CatalogCode: "A.1", Since: "24h", Tenants: []Hit{{Tenant: "acme", Errors: 2}}, Freshness: &Freshness{}}
	f(styled("explain", 80, func(s cli.Screen) error { return x.text(s) }), "\x1b[2mcode         \x1b[0m\x1b[1mA.1\x1b[0m", "\x1b[1macme")
}
