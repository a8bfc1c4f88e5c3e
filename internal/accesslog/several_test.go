package accesslog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outcomes are the reasons of a record's elements in order, "" for a request. A dead letter for the
// whole record comes first, in brackets.
func outcomes(rec Record) (all []string) {
	if rec.DeadLetter != "" {
		all = append(all, "["+string(rec.DeadLetter)+"]")
	}
	for _, e := range rec.Elements {
		all = append(all, string(e.DeadLetter))
	}
	return all
}

func TestEveryLineIsARecordOrADeadLetter(t *testing.T) {
	f := func(value string, want ...string) {
		t.Helper()
		rec := read(t, "auto", value)
		if got := outcomes(rec); !cmp.Equal(got, want) {
			t.Errorf("%q\ngot  %q\nwant %q", value, got, want)
		}
	}
	const (
		combined = `192.0.2.1 - - [02/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 502 12 "-" "curl"`
		generic  = `{"time":"2026-11-02T10:00:00Z","status":200,"path":"/x"}`
		pretty   = "{\n  \"time\": \"2026-11-02T10:00:00Z\",\n  \"status\": 200,\n  \"nested\": {\n    \"a\": [\n      1\n    ]\n  }\n}"
	)
	quoted := func(s string) string { return string(appendQuoted(nil, []byte(s), false)) }
	inString := func(s string) string { return strings.ReplaceAll(quoted(s), "\n", `\n`) }
	// Text lines.
	f(combined+"\n"+combined, "", "")
	f(combined+"\r\n"+combined+"\r\n\r\n", "", "")
	f(combined+"\nhello\n"+combined, "", "malformed", "")
	f("hello\n"+combined, "malformed", "")
	f("hello\nworld", "[malformed]")
	f("[GIN] 2026/11/02 - 10:00:00 | 200 | 4.5ms | 192.0.2.1 | GET \"/a\"\n"+combined, "", "")
	f("2026-11-02T10:00:00.123456789Z stdout F "+generic+"\n2026-11-02T10:00:00.123456789Z stdout F "+combined+"\n2026-11-02T10:00:00Z stderr F oops", "", "", "malformed")
	f("<134>Nov  2 10:00:00 host nginx: "+combined+"\n<134>Nov  2 10:00:00 host nginx: "+combined, "", "")
	f("<134>Nov  2 10:00:00 host app: "+pretty, "")
	// JSON.
	f(generic+"\n"+generic, "", "")
	f(generic+"\n\n"+generic+"\n", "", "")
	f(generic+"\n"+combined+"\n"+generic, "", "", "")
	f(combined+"\n"+generic, "", "")
	f(pretty, "")
	f(pretty+"\n"+pretty, "", "")
	f(generic+"\n"+pretty+"\n"+combined, "", "", "")
	f(generic+"\n["+generic+","+generic+"]\n7", "", "", "", "malformed")
	f(generic+"\n[]\n"+generic, "", "empty", "")
	f(generic+"\n"+generic[:20]+"\n"+generic, "", "truncated", "")
	f(generic[:20]+"\n"+combined, "truncated", "")
	f(generic+"\n"+generic[:20], "", "truncated")
	f(generic+"\n{bad}\n"+generic, "", "malformed", "")
	f(generic+"\n{\"hello\":1}\n"+generic, "", "unknown_format", "")
	f(generic+"\n"+generic+generic+"\n"+generic, "", "", "", "")
	f(generic+" "+generic+"\t{\"hello\":1}", "", "", "unknown_format")
	f(generic+"\n"+generic+"}\n"+generic, "", "malformed", "")
	f(pretty[:40], "[truncated]")
	f("{\n \"status\": 200,\n \"a\": oops\n}", "[malformed]")
	// In a wrapper.
	wrap := func(s string) string { return `{"@timestamp":"2026-11-02T10:00:00Z","message":` + inString(s) + `}` }
	f(wrap(combined+"\n"+combined), "", "")
	f(wrap(combined+"\n"+combined+"\n"), "", "")
	f(wrap(combined+"\nTraceback:\n  File x\n"+combined), "", "malformed", "malformed", "")
	f(wrap(generic+"\n"+generic), "", "")
	f(wrap(generic+"\n"+generic[:20]+"\n"+combined), "", "truncated", "")
	f(wrap("hello\nworld"), "[unknown_format]")
	f(wrap(pretty), "")
	f("["+wrap(combined+"\n"+combined)+","+generic+"]", "", "", "")
	f(wrap(combined+"\n"+combined)+"\n"+wrap(combined), "", "", "")
	f(`{"logEvents":[{"timestamp":1793613600000,"message":`+inString(combined+"\n"+combined)+`},{"timestamp":1793613600000,"message":"x\ny"}]}`, "", "", "unknown_format")
	f(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1793613600000000000","body":{"stringValue":`+inString(combined+"\n"+combined)+`}}]}]}]}`, "", "")
}

// TestDeadLetterOfALineHoldsTheLine holds that the dead letter of one line among several shows that
// line.
func TestDeadLetterOfALineHoldsTheLine(t *testing.T) {
	rec := read(t, "auto", "{\"status\":200}\nsecond\n{\"status\":201}\n")
	if len(rec.Elements) != 3 || string(rec.Elements[1].Raw) != "second" || string(rec.Elements[2].Raw) != `{"status":201}` {
		t.Errorf("%+v", rec.Elements)
	}
}

// TestOwnPatternMaySpanLines holds that a text of several lines none of which is a record alone is
// one record if a pattern of the user's matches all of it.
func TestOwnPatternMaySpanLines(t *testing.T) {
	r := reader(t, Config{Formats: []FormatConfig{{Name: "two", Pattern: `^time=(?P<time>\S+)\nstatus=(?P<status>\d+)$`}}})
	f := func(value string, want ...string) {
		t.Helper()
		if got := outcomes(r.Read("", []byte(value), KafkaClock(kafkaTime))); !cmp.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
	f("time=2026-11-02T10:00:00Z\nstatus=502", "")
	f("time=2026-11-02T10:00:00Z\nstatus=502\ntime=2026-11-02T10:00:00Z\nstatus=502", "[malformed]")
}

// TestNothingIsLost puts records of every format and things that are none into one value, bare and
// in what shippers wrap around it: as many requests and dead letters come out as went in.
func TestNothingIsLost(t *testing.T) {
	type piece struct {
		text string
		n    int // the requests or dead letters in it
	}
	var pieces []piece
	seen := map[string]bool{}
	for _, s := range append(recorded(t), samples...) {
		if !strings.Contains(s.record, "\n") {
			pieces, seen[s.format] = append(pieces, piece{s.record, 1}), true
		}
	}
	for _, name := range Formats() {
		if !seen[name] {
			t.Errorf("no sample is of format %s", name)
		}
	}
	for _, bad := range []string{"hello", `{"hello":1}`, `{"hello":1`, "7", "null", `"text"`, `{"status":200}}`, "[1]", "<134>1 x", "[GIN] what", "\\x22"} {
		pieces = append(pieces, piece{bad, 1})
	}
	pieces = append(pieces, piece{`[{"status":200},7,{"status":201}]`, 3}, piece{"", 0}, piece{" \t\r", 0})
	pieces = append(pieces, piece{`{"status":200}{"status":201} {"hello":1}`, 3}, piece{`{"status":200}{"sta`, 2}, piece{`[{"status":200}]{"status":201}`, 2})
	for _, line := range []string{"GET /x 503 12.3 ms - 2", "request done method=GET path=/x status=503", "time: 2026-02-02T00:00:00Z | uri: /x | status: 503", "2026-02-02T00:00:00Z,GET,/x,503", `a="1",b="2"`} {
		pieces = append(pieces, piece{line, 1})
	}
	quoted := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(string(appendQuoted(nil, []byte(s), false)), "\n", `\n`), "\t", `\t`), "\r", `\r`)
	}
	const twice = `{"@timestamp":"2026-02-02T00:00:00Z","message": %s}` // the text is encoded once more
	wraps := []string{"%s", `{"@timestamp":"2026-02-02T00:00:00.000Z","message":%s}`, `{"log":%s,"stream":"stdout","time":"2026-02-02T00:00:00.123456789Z"}`,
		`{"logEvents":[{"id":"1","timestamp":1769990400500,"message":%s}]}`, `{"time":1769990400.5,"host":"h","event":%s}`,
		`{"streams":[{"stream":{"app":"gw"},"values":[["1769990400500000000",%s]]}]}`,
		`{"specversion":"1.0","type":"t","source":"/gw","id":"1","time":"2026-02-02T00:00:00Z","data":%s}`,
		`{"payload":{"before":null,"after":{"id":1,"message":%s},"op":"c","ts_ms":1769990400500}}`,
		`{"id":"A","content":{"timestamp":"2026-02-02T00:00:00Z","message":%s}}`,
		`{"logs":[{"id":"A","content":{"message":%s}}]}`, twice}
	all, r := reader(t, Config{}), rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		want := 1
		lines := []string{samples[r.IntN(len(samples))].record} // so that the wrapper holds a record at all
		if strings.Contains(lines[0], "\n") {
			continue
		}
		for range 1 + r.IntN(5) {
			p := pieces[r.IntN(len(pieces))]
			want += p.n
			lines = append(lines, p.text)
		}
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		value := strings.Join(lines, "\n")
		if wrap := wraps[r.IntN(len(wraps))]; wrap != "%s" {
			if wrap == twice {
				value = quoted(value)
			}
			value = fmt.Sprintf(wrap, quoted(value))
		}
		rec := all.Read("", []byte(value), KafkaClock(kafkaTime))
		if got := len(outcomes(rec)); got != want {
			t.Fatalf("%d requests and dead letters came out, %d went in: %q\n%s", got, want, outcomes(rec), value)
		}
	}
}

// TestEncodedRecordTakesNothingFromAnother reads a record that was encoded once more after one in a
// shipper's wrapper: it has no wrapper to complete it.
func TestEncodedRecordTakesNothingFromAnother(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	const (
		wrapped = `{"@timestamp":"2026-03-04T05:06:08Z","fields":{"tenant":"acme"},"message":"{\"request_uri\":\"/a\",\"status\":200,\"remote_addr\":\"192.0.2.1\"}"}`
		encoded = `"{\"request_uri\":\"/b\",\"status\":200,\"remote_addr\":\"192.0.2.1\"}"`
	)
	if a := r.Read("", []byte(wrapped), KafkaClock(kafkaTime)).Elements[0].Access; a.Tenant != "acme" {
		t.Fatalf("tenant %q, want that of the wrapper", a.Tenant)
	}
	a := r.Read("", []byte(encoded), KafkaClock(kafkaTime)).Elements[0].Access
	if string(a.Path) != "/b" || a.Tenant != "" || !a.Time.Equal(kafkaTime) {
		t.Errorf("path %q, tenant %q, time %s; want /b, no tenant and Kafka's time", a.Path, a.Tenant, a.Time)
	}
}
