package accesslog

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errata/internal/jsontree"
)

// onlySuspect suspects members whose keys have an e.
var onlySuspect = jsontree.Suspects{
	Asks:  func(key []byte) uint64 { return uint64(bytes.Count(key, []byte("e"))) },
	Holds: func(asks uint64, _ []byte, _ string) bool { return asks > 0 },
}

// bothWays returns two Readers of the same settings: one reads records the quick way where it can,
// the other never does.
func bothWays(t testing.TB) (quick, plain *Reader) {
	t.Helper()
	config := Config{
		Formats: []FormatConfig{{
			Name: "own", Match: []string{"edge.kind=front", "edge.headers.X-Status"},
			Fields: FieldsConfig{
				Time: FieldConfig{Paths: []string{"edge.at", "x-at"}}, Status: FieldConfig{Paths: []string{"edge.headers.x-status"}}, Tenant: FieldConfig{Paths: []string{"edge.who", "edge.headers.authorization"}},
				Body: FieldConfig{Paths: []string{"edge.answer", "answers"}}, Service: FieldConfig{Paths: []string{"Edge.service", "edge.Service"}, Default: "front"},
			},
		}},
		Exclude:      []Exclude{{Field: "labels.job", Value: "probe"}},
		IgnoreBodies: []Exclude{{Path: "/docs/*"}},
		Routes:       []string{"/v1/servers/{id}"},
	}
	for _, r := range []**Reader{&quick, &plain} {
		var err error
		if *r, err = New(config); err != nil {
			t.Fatal(err)
		}
	}
	quick.Prove(&jsontree.Checker{Suspects: onlySuspect})
	if quick.plain {
		t.Fatal("the settings rule out the quick way")
	}
	plain.plain = true
	return quick, plain
}

func checkBothWays(t *testing.T, quick, plain *Reader, value []byte) {
	t.Helper()
	clock := KafkaClock(kafkaTime)
	want := plain.Read("", value, clock)
	for range 2 { // the second time, its shape is known
		got := quick.Read("", value, clock)
		for i := range got.Elements {
			if a := &got.Elements[i].Access; a.Proved {
				checker := jsontree.Checker{Suspects: onlySuspect}
				if how, ok := checker.Check(a.Body, a.Escaped); how != jsontree.Whole || !ok {
					t.Fatalf("%q: the body %q was proved, but it ends as %d (%v)", value, a.Body, how, ok)
				}
				a.Proved = false
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: the quick and the plain way differ:\n%s", value, cmp.Diff(got, want))
		}
	}
}

// recordCorpus returns the records of the corpus and of the samples, and others made for this test.
func recordCorpus(t testing.TB) (all [][]byte) {
	t.Helper()
	names, err := filepath.Glob("../../cmd/ingest/testdata/records/*.log")
	if err != nil || len(names) < 250 {
		t.Fatalf("%d records (%v), want 250 and more", len(names), err)
	}
	for _, name := range names {
		value, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, value)
	}
	for _, s := range samples {
		all = append(all, []byte(s.record))
	}
	for _, text := range []string{
		`{"request":{"Headers":{"X-Tenant":"a"},"headers":{"X-tenant":"b","x-Tenant":"c"}},"request":1,"route_id":"r","status":200,"s\u0074atus":500,"time":"2026-11-02T10:00:00Z"}`,
		`{"request":{"method":"GET"},"request":{"headers":{"x-tenant":"b"},"uri":"/x"},"response":{"status":[404,1],"body":[{"a":1}]},"start_time":1793613600000,"route_id":"r","service_id":null}`,
		`{"request":{"headers":{"x-tenant":["a","b"],"X-TENANT-ID":[]}},"response":{"status":{"status":3},"body":{"error_code":"A"}},"start_time":1793613600000,"route_id":"r"}`,
		`{"edge":{"kind":["front"],"headers":{"x-STATUS":"200"},"who":"w","answer":"{\"a\":\"\\u0041\"}","Service":"s"},"X-AT":"2026-11-02T10:00:00Z","Edge":{"service":"t"}}`,
		`{"edge":{"kind":"front","headers":{"x-statu\u0073":"200"},"who":"w"},"x-at":"2026-11-02T10:00:00Z"}`,
		`{"edge":{"kind":"front","headers":{"x-status":200},"who":{},"answer":[ ]},"labels":{"job":"probe"}}`,
		`{"edge":{"kind":"front","headers":{"x-status":2e2},"who":"\ud83d","answer":null},"answers":-1,"labels":{"job":"probe"},"labels":1}`,
		`{"status":200,"path":"/a","timestamp":[2026,11,2,10,0,0,5000000]}`, `{"status":200,"path":"/a","timestamp":{"epochSecond":1793613600,"nano":5000000}}`,
		`{"request":[{"uri":"/a"}],"response":"x","start_time":1793613600000,"route_id":"r"}`, `{"request":[],"response":{"status":"2xx"},"start_time":1793613600000,"route_id":"r"}`,
		`{"time":"2026-11-02T10:00:00Z","message":"{\"log\":","log":"[{\"started_at\":1793613600000,\"latencies\":{}}, 1 x"}`, // what is found wrong first is what is said
	} {
		all = append(all, []byte(text))
	}
	single := len(all)
	for i := 1; i < single; i += 3 {
		all = append(all, bytes.Join([][]byte{[]byte("[ "), all[i-1], []byte(",\n"), all[i], []byte("]")}, nil),
			[]byte(`{"time":"2026-11-02T10:00:00Z","log":`+strconv.Quote(string(all[i]))+`}`))
	}
	return all
}

func TestQuickAgreesOnTheCorpus(t *testing.T) {
	quick, plain := bothWays(t)
	answered := 0
	for n, value := range recordCorpus(t) {
		quick.elements = quick.elements[:0]
		if text := trimSpace(value); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
			if _, ok := quick.quick(text, place{raw: text}); ok {
				answered++
			}
		}
		checkBothWays(t, quick, plain, value)
		if len(value) > 2500 {
			continue
		}
		for end := n % 7; end < len(value); end += max(1, len(value)/6) { // cut, and with a byte changed
			checkBothWays(t, quick, plain, value[:end])
			changed := bytes.Clone(value)
			changed[end] = `"\{}[],:x0 `[end%11]
			checkBothWays(t, quick, plain, changed)
		}
	}
	if answered < 150 {
		t.Errorf("the quick way answered only %d times", answered)
	}
}

func TestQuickTakesOrdinaryRecords(t *testing.T) {
	quick, _ := bothWays(t)
	quick.formats = quick.detected
	f := func(record string, want bool) {
		t.Helper()
		if _, got := quick.quick([]byte(record), place{}); got != want {
			t.Errorf("%s: the quick way took it: %v, want %v", record, got, want)
		}
	}
	f(`{"request":{"method":"GET","uri":"/a"},"response":{"status":200,"body":"{\"a\":[1]}"},"start_time":1793613600000,"route_id":"r"}`, true)
	f(`[{"started_at":1793613600000,"latencies":{"request":3},"request":{"uri":"/a"},"response":{"status":200}}, {"started_at":1793613600000,"latencies":{},"request":{"uri":"/b"},"response":{"status":404}}]`, true)
	f(`{"started_at":1793613600000,"latencies":{}}`, false) // a status and a path may be under other keys
	f(`{"status":"200","request_uri":"/a","time_iso8601":"2026-11-02T10:00:00+00:00"}`, true)
	f(`{"edge":{"kind":"front","headers":{"x-status":200}},"X-AT":"2026-11-02T10:00:00Z"}`, true)
	f(`{"message":"{}","time":"2026-11-02T10:00:00Z","path":"/a"}`, false) // perhaps a wrapper
	f(`{"status":"200","request_uri":"/a","time_iso8601":"2026-11-02T10:00:00+00:00"`, false)
	f(`{"status":"200","request_\u0075ri":"/a","time_iso8601":"2026-11-02T10:00:00+00:00"}`, false)
	f(`[{"started_at":1793613600000,"latencies":{}},1]`, false)
	f(`[]`, false)

	quick.Read("", []byte(`{"request":{"uri":"/a"},"response":{"status":200,"body":"{\"a\":[1]}"},"start_time":1793613600000,"route_id":"r"}`), KafkaClock(kafkaTime))
	if a := quick.elements[0].Access; !a.Proved {
		t.Errorf("%s was not proved", a.Body)
	}
}

func FuzzQuick(f *testing.F) {
	for _, value := range recordCorpus(f) {
		if len(value) < 3000 {
			f.Add(value)
		}
	}
	quick, plain := bothWays(f)
	f.Fuzz(func(t *testing.T, value []byte) { checkBothWays(t, quick, plain, value) })
}
