package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
)

// testdata/records holds records as gateways write them, each with what `ingest parse` is to print
// of it beside it: written from the gateways' documents. What an expectation leaves out of an error
// is not compared.

func recordProcessor(t testing.TB) *enrich.Processor {
	t.Helper()
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// printed is what `ingest parse` prints of a record.
func printed(t testing.TB, p *enrich.Processor, line int, value []byte) map[string]any {
	t.Helper()
	clock := accesslog.Clock{Latest: time.Now().Add(24 * time.Hour), Optional: true}
	text, err := json.Marshal(describe(line, p.Record(value, enrich.Position{Clock: clock})))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// only leaves in got, which is changed, what want has too.
func only(got, want any) any {
	switch g := got.(type) {
	case map[string]any:
		w, ok := want.(map[string]any)
		if !ok {
			return got
		}
		for k := range g {
			if _, asked := w[k]; !asked {
				delete(g, k)
				continue
			}
			g[k] = only(g[k], w[k])
		}
	case []any:
		w, ok := want.([]any)
		if !ok {
			return got
		}
		for i := range min(len(g), len(w)) {
			g[i] = only(g[i], w[i])
		}
	}
	return got
}

func TestRecords(t *testing.T) {
	names, err := filepath.Glob("testdata/records/*.log")
	if err != nil || len(names) < 120 {
		t.Fatalf("%d records in testdata/records (%v), want 120 and more", len(names), err)
	}
	p := recordProcessor(t)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".log"), func(t *testing.T) {
			value, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(strings.TrimSuffix(name, ".log") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, only(printed(t, p, 1, value), want)); diff != "" {
				t.Errorf("%.700s\n(-want +got)\n%s", value, diff)
			}
		})
	}
}

func TestEveryFormatHasRecords(t *testing.T) {
	names, err := filepath.Glob("testdata/records/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Format string `json:"format"`
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		seen[want.Format] = true
	}
	for _, name := range accesslog.Formats() {
		if !seen[name] {
			t.Errorf("no record in testdata/records is of the format %s", name)
		}
	}
}

// TestMixedFile reads a file that has lines of many formats.
func TestMixedFile(t *testing.T) {
	file, err := os.ReadFile("testdata/mixed.log")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/mixed.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
	if len(lines) != len(want) {
		t.Fatalf("%d lines, %d expectations", len(lines), len(want))
	}
	p := recordProcessor(t)
	for i, line := range lines {
		if diff := cmp.Diff(want[i], only(printed(t, p, i+1, line), want[i])); diff != "" {
			t.Errorf("line %d: %.500s\n(-want +got)\n%s", i+1, line, diff)
		}
	}
}
