package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
)

// The records of docs/gateways.md, which the settings there lead to, have all that matters.
func TestRecordsOfTheGatewayGuide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), `{"`)
		if !found {
			continue
		}
		out := p.Record([]byte(`{"`+value), enrich.Position{Clock: accesslog.KafkaClock(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC))})
		if len(out.Elements) != 1 || len(out.Elements[0].Events) != 1 {
			t.Fatalf("%+v of %s", out, line)
		}
		seen[out.Format] = true
		a, e := out.Elements[0].Access, out.Elements[0].Events[0]
		if a.Tenant != "acme" || a.Service != "tickets" || a.Route == "" || a.Path.String() != "/v2/cases" || a.Status != 200 || len(a.RequestID) == 0 || a.Time.Year() != 2026 || !e.Known || e.Code != "OSM.01010037" {
			t.Errorf("%+v %+v of %s", a, e, line)
		}
	}
	if !seen["apisix"] || !seen["nginx"] || len(seen) != 2 {
		t.Errorf("the guide has records of %v", seen)
	}
}
