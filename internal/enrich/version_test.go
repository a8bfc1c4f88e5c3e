package enrich

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/parse"
)

// versionFile has a line for each record of the corpora: the file that holds it, a hash of the
// record, and a hash of what the parser of the parserVersion in the first line makes of it.
const versionFile = "testdata/parser_version.txt"

// updateVersionFile is the command that writes versionFile.
const updateVersionFile = "UPDATE=1 go test ./internal/enrich -run TestParserVersion"

// TestParserVersion fails when the parser makes something else of a record than the parser of the
// same parserVersion did, or knows other formats or dialects. Records that are new, or changed
// themselves, need no new version: theirs are other lines.
func TestParserVersion(t *testing.T) {
	stored := storedCorpora(t)
	was, version := readVersionFile(t)
	var changed, added []string
	for _, record := range slices.Sorted(maps.Keys(stored)) {
		hash, listed := was[record]
		switch {
		case !listed:
			added = append(added, record)
		case hash != hashOf(stored[record]):
			changed = append(changed, record)
		}
		delete(was, record)
	}
	gone := slices.Sorted(maps.Keys(was))
	update := os.Getenv("UPDATE") != ""
	switch {
	case len(changed) > 0 && version == parserVersion:
		t.Errorf("the parser makes something else of %d records, and parserVersion is still %s: %q.\nThe first now gives %s\n"+
			"If the result was meant to change, raise parserVersion in enrich.go and run %s", len(changed), version, clipped(changed), stored[changed[0]], updateVersionFile)
	case update:
		writeVersionFile(t, stored)
	case version != parserVersion:
		t.Errorf("%s is of parserVersion %s, and the code of %s: run %s", versionFile, version, parserVersion, updateVersionFile)
	case len(added)+len(gone) > 0:
		t.Errorf("%s lacks the records %q, and has %q, which are gone: run %s (parserVersion stays)", versionFile, clipped(added), clipped(gone), updateVersionFile)
	}
}

// storedCorpora is what the parser makes of each record of the corpora, as JSON, by the record's
// file and hash; and the names in the tables of formats and dialects.
func storedCorpora(t *testing.T) map[string][]byte {
	t.Helper()
	p, err := NewProcessor(Config{AuditShare: 1}, new(catalog.Set))
	if err != nil {
		t.Fatal(err)
	}
	clock := accesslog.KafkaClock(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC))
	all := map[string][]byte{}
	add := func(name string, value []byte) {
		fromRoot := filepath.ToSlash(filepath.Join("internal/enrich", name))
		all[fromRoot+" "+hashOf(value)] = stored(t, p.Record(value, Position{Clock: clock}))
	}
	// A new row of a table means other rows for records that no corpus has yet.
	all["formats -"] = asJSON(t, accesslog.Formats())
	all["dialects -"] = asJSON(t, parse.Dialects())
	for _, name := range filesOf(t, "../../cmd/ingest/testdata/records/*.log") {
		add(name, readFile(t, name))
	}
	const mixed = "../../cmd/ingest/testdata/mixed.log"
	for line := range bytes.Lines(readFile(t, mixed)) {
		add(mixed, line)
	}
	for _, name := range filesOf(t, "../parse/testdata/bodies/*.body") {
		add(name, recordOf(t, name))
	}
	return all
}

// recordOf is the record of a gateway that logged a body of the corpus, with what the file beside
// it says of its response.
func recordOf(t *testing.T, body string) []byte {
	t.Helper()
	var response struct {
		Status          int    `json:"status"`
		ContentType     string `json:"content_type"`
		ContentEncoding string `json:"content_encoding"`
	}
	if err := json.Unmarshal(readFile(t, strings.TrimSuffix(body, ".body")+".json"), &response); err != nil {
		t.Fatal(err)
	}
	return asJSON(t, map[string]any{
		"time": "2026-11-02T10:00:00Z", "status": response.Status, "content_type": response.ContentType, "content_encoding": response.ContentEncoding,
		"response_body_base64": readFile(t, body),
	})
}

// stored is what reaches the tables of a record, but for what the catalogs say of it.
func stored(t *testing.T, r Record) []byte {
	t.Helper()
	type row struct {
		Access     []any
		DeadLetter accesslog.Reason
		Excluded   bool
		Sample     string
		Errors     []parse.Envelope
	}
	rows := []row{}
	for _, e := range r.Elements {
		a, errors := e.Access, []parse.Envelope{}
		for _, event := range e.Events {
			errors = append(errors, event.Envelope)
		}
		columns := []any{a.Time, a.Tenant, a.Service, a.Route, a.Method, a.Path.String(), a.Status, a.HasLatency, a.LatencyMS, a.BodyState}
		rows = append(rows, row{columns, e.DeadLetter, e.Excluded, e.Sample, errors})
	}
	return asJSON(t, struct {
		DeadLetter accesslog.Reason
		Sample     string
		Rows       []row
	}{r.DeadLetter, r.Sample, rows})
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func readVersionFile(t *testing.T) (hashes map[string]string, version string) {
	t.Helper()
	header, lines, _ := strings.Cut(string(readFile(t, versionFile)), "\n")
	version, ok := strings.CutPrefix(header, "parserVersion ")
	if !ok {
		t.Fatalf("%s does not begin with parserVersion", versionFile)
	}
	hashes = map[string]string{}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) != 3 {
			t.Fatalf("%s: %q is no file and two hashes", versionFile, line)
		}
		hashes[words[0]+" "+words[1]] = words[2]
	}
	return hashes, version
}

func writeVersionFile(t *testing.T, stored map[string][]byte) {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "parserVersion %s\n", parserVersion)
	for _, record := range slices.Sorted(maps.Keys(stored)) {
		fmt.Fprintf(&out, "%s %s\n", record, hashOf(stored[record]))
	}
	if err := os.WriteFile(versionFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func filesOf(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) < 250 {
		t.Fatalf("%s: %d files (%v), want 250 and more", pattern, len(names), err)
	}
	return names
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clipped is a list that is short enough for a message.
func clipped(names []string) []string {
	if len(names) > 5 {
		return append(slices.Clone(names[:5]), fmt.Sprintf("and %d more", len(names)-5))
	}
	return names
}
