package report

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
)

func TestParseLink(t *testing.T) {
	f := func(text, want, problem string) {
		t.Helper()
		link, err := ParseLink(text)
		if err != nil || problem != "" {
			if err == nil || problem == "" || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v, want %q", text, err, problem)
			}
			return
		}
		got, err := link.to(LinkTarget{Tenant: "a b|c>", Code: "X.1&y", Family: "X", From: time.UnixMilli(1000), To: time.UnixMilli(2000)})
		if err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", text, got, err, want)
		}
	}
	f("", "", "")
	f("https://g/d?t={{.Tenant | urlquery}}&c={{.Code | urlquery}}&f={{.Family}}&from={{.From.UnixMilli}}&to={{.To.UnixMilli}}", "https://g/d?t=a+b%7Cc%3E&c=X.1%26y&f=X&from=1000&to=2000", "")
	f("https://g/d?t={{.Tenant}}", "https://g/d?t=a%20b%7Cc%3E", "") // without urlquery
	f("https://g/{{with .Code}}{{end}}", "https://g/", "")
	f("{{with .Kind}}https://g/{{.}}{{end}}", "", "") // no page about a code
	f("g/d", "", "begin it with http:// or https:// and a host")
	f("javascript:alert({{.Code}})", "", "begin it with http")
	f("https://", "", "begin it with http")
	f("{{if .Gateway}}/topics{{end}}", "", "begin it with http") // for a gateway only
	f("https://g/{{.Code", "", "unclosed action")
	f("https://g/{{.Labels.code}}", "", "can't evaluate field Labels")
}

// Each line about a code, a family, a kind, a tenant, a gateway or an alert has its link, in every
// output.
func TestLinesLinkToPages(t *testing.T) {
	d := sampleDay(t, "en")
	link, err := ParseLink("https://g/d?t={{.Tenant}}&c={{.Code}}&f={{.Family}}&k={{.Kind}}&g={{.Gateway}}&from={{.From.Unix}}&to={{.To.Unix}}")
	stacktest.Must(t, err)
	stacktest.Must(t, d.setLinks(link))
	const window = "&from=1794265200&to=1794351600"
	changes := []string{
		"t=cobalt-games&c=OSM.01010037&f=OSM", "t=initech-logistics-europe&c=BILLING-7731&f=unknown", "t=umbrella&c=iMetal.0002&f=iMetal",
		"t=globex&c=4104&f=TencentCloud", "t=acme&c=AIS.0011&f=AIS", "t=hooli&c=OptVerse_12030001&f=OptVerse",
	}
	newGateway := []string{"g=edge-eu-2"}
	codes := []string{"c=HTTP.502&f=HTTP", "c=AIS.0011&f=AIS", "c=OSM.01010037&f=OSM", "c=iMetal.0002&f=iMetal", "c=OptVerse_12030001&f=OptVerse", "c=BILLING-7731&f=unknown"}
	tenants := []string{"t=acme", "t=cobalt-games", "t=initech-logistics-europe", ""} // the last one has no name
	parts := []string{"f=HTTP", "f=AIS", "f=OSM", "f=iMetal", "f=OptVerse", "f=unknown", "k=dependency", "k=auth", "k=quota", "k=validation"}
	gateways := []string{"g=edge-us-1", "g=edge-eu-1", "g=edge-eu-1"}
	rest := []string{"t=cobalt-games", "c=HTTP.502", "c=BILLING-7731&f=unknown"} // alerts, unknown codes
	said := slices.Concat(newGateway, changes, codes, tenants, parts, gateways, rest)
	drawn := slices.Concat(changes, newGateway, codes, tenants, parts, gateways, rest)
	address := regexp.MustCompile(`https://g/d\?([^"<>\s,]*)`)
	none := regexp.MustCompile(`[tcfkg]=(&|$)`)
	check := func(name, text string, want []string) {
		t.Helper()
		text = strings.NewReplacer("&amp;", "&", `\u0026`, "&").Replace(text)
		var got []string
		for _, m := range address.FindAllStringSubmatch(text, -1) {
			got = append(got, strings.Trim(none.ReplaceAllString(strings.TrimSuffix(m[1], window), ""), "&"))
			if !strings.HasSuffix(m[1], window) {
				t.Errorf("%s: the window of %s", name, m[0])
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, columns := range []int{80, 100, 160} {
		var text strings.Builder
		stacktest.Must(t, d.text(cli.Screen{Writer: &text, Columns: columns}))
		check("text", text.String(), said)
	}
	var text, markdown, html, csv strings.Builder
	stacktest.Must(t, d.text(&text))
	check("text in a file", text.String(), said)
	stacktest.Must(t, d.markdown(&markdown))
	check("markdown", markdown.String(), said)
	if !strings.Contains(markdown.String(), "| new | [BILLING-7731](<https://g/d?t=initech-logistics-europe&c=BILLING-7731&f=unknown&k=&g="+window+">) | initech-logistics-europe |") {
		t.Error(markdown.String())
	}
	if !strings.Contains(markdown.String(), "- [edge-us-1](<https://g/d?t=&c=&f=&k=&g=edge-us-1"+window+">): the bodies of 190,200 requests") {
		t.Error(markdown.String())
	}
	stacktest.Must(t, d.html(&html))
	check("html", html.String(), drawn)
	_, plain, mail, err := d.Mail()
	stacktest.Must(t, err)
	check("mail", mail, drawn)
	check("text of the mail", plain, said)
	stacktest.Must(t, d.csv(&csv))
	check("csv", csv.String(), slices.Concat(changes, codes, tenants, parts)) // it has no alerts and gateways, and codes once
	written, err := json.Marshal(d)
	stacktest.Must(t, err)
	check("json", string(written), slices.Concat(changes, newGateway, codes, tenants, parts, gateways, rest))

	// The report of a tenant links to pages of this tenant only.
	d = sampleDay(t, "en")
	d.Tenants = []string{"acme"}
	stacktest.Must(t, d.setLinks(link))
	if got := d.TopCodes[0].Link; got != "https://g/d?t=acme&c=HTTP.502&f=HTTP&k=&g="+window {
		t.Error(got)
	}
}
