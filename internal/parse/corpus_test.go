package parse

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errata/internal/accesslog"
)

// expectation is the file beside a body of testdata/bodies: what a reader of the vendor's documents
// expects to be found in it.
type expectation struct {
	Source          string              `json:"source"` // the document or product that the body is from
	Status          int                 `json:"status"`
	ContentType     string              `json:"content_type"`
	ContentEncoding string              `json:"content_encoding"`
	BodyState       accesslog.BodyState `json:"body_state"`
	Errors          []expectedError     `json:"errors"`
}

type expectedError struct {
	Code       string     `json:"code"`
	Message    string     `json:"message"`
	RequestID  string     `json:"request_id"`
	Dialect    string     `json:"dialect"`
	ModuleCode string     `json:"module_code"`
	Confidence Confidence `json:"confidence"`
}

func corpus(t testing.TB) (names []string) {
	t.Helper()
	names, err := filepath.Glob("testdata/bodies/*.body")
	if err != nil || len(names) < 300 {
		t.Fatalf("%d bodies in testdata/bodies (%v), want 300 and more", len(names), err)
	}
	return names
}

func readCase(t testing.TB, name string) (accesslog.Access, expectation) {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(strings.TrimSuffix(name, ".body") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want expectation
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&want); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return accesslog.Access{Status: want.Status, Body: body, ContentType: want.ContentType, ContentEncoding: want.ContentEncoding}, want
}

func TestCorpus(t *testing.T) {
	p := newParser(t)
	for _, name := range corpus(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".body"), func(t *testing.T) {
			a, want := readCase(t, name)
			found, state := p.Body(&a)
			got := []expectedError{}
			for _, e := range found {
				message := strings.ToValidUTF8(e.Message, "\ufffd")
				if e.Dialect == HTTPDialect {
					message = Clip([]byte(message), HTTPMessageLength)
				}
				got = append(got, expectedError{e.Code, message, e.RequestID, e.Dialect, e.ModuleCode, e.Confidence})
			}
			if state != want.BodyState {
				t.Errorf("body_state %s, want %s", state, want.BodyState)
			}
			if diff := cmp.Diff(want.Errors, got); diff != "" {
				t.Errorf("%s\n%.600s\n(-want +got)\n%s", want.Source, a.Body, diff)
			}
		})
	}
}

// TestDialectsAreDescribed holds docs/dialects.md to the tables: each dialect is there, and the
// rows are in the order in which the dialects are asked.
func TestDialectsAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Dialects() {
		if !bytes.Contains(text, []byte("`"+name+"`")) {
			t.Errorf("docs/dialects.md does not describe %s", name)
		}
	}
	last := 0
	for _, d := range dialects {
		row := bytes.Index(text, []byte("\n| `"+d.name+"` |"))
		if row < last {
			t.Errorf("docs/dialects.md has the row of %s at another place than the table of dialects", d.name)
		}
		last = max(last, row)
	}
}

// TestEveryDialectHasCases holds that no dialect is without bodies that are read in it.
func TestEveryDialectHasCases(t *testing.T) {
	seen := map[string]int{}
	for _, name := range corpus(t) {
		_, want := readCase(t, name)
		for _, e := range want.Errors {
			seen[e.Dialect]++
		}
	}
	for _, name := range Dialects() {
		if seen[name] == 0 {
			t.Errorf("no body in testdata/bodies is of dialect %s", name)
		}
	}
}
