package accesslog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/jsontree"
)

var kafkaTime = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, format, value string) Record {
	t.Helper()
	r, err := New(Config{Format: format})
	if err != nil {
		t.Fatal(err)
	}
	return r.Read("", []byte(value), KafkaClock(kafkaTime))
}

func TestFields(t *testing.T) {
	f := func(value, format string, want Access) {
		t.Helper()
		rec := read(t, "auto", value)
		if rec.Format != format || len(rec.Elements) != 1 || rec.Elements[0].DeadLetter != "" {
			t.Errorf("%s: %+v", value, rec)
			return
		}
		got := rec.Elements[0].Access
		want.Format = format
		if got.Escaped {
			got.Body, got.Escaped = jsontree.AppendUnescaped(nil, got.Body), false
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 123e6, time.UTC)
	// APISIX: consumer fields in the order of the design, headers that are lists, ids where there
	// are no names.
	f(`{"start_time":1767225600123.9,"request":{"uri":"/a?b=c","method":"GET","headers":{"x-request-id":["r1","r2"],"x-tenant":"t1"}},"response":{"status":200,"headers":{"content-type":"application/json"},"body":"{}"},"consumer":{"username":"u"},"service_id":"s","service_name":"S","route_id":"7","latency":3.25}`,
		"apisix", Access{Time: at, Tenant: "t1", Service: "S", Route: "7", Method: "GET", Path: RawText("/a"), Status: 200, LatencyMS: 3.25, HasLatency: true, RequestID: RawText("r1"), Body: []byte("{}"), ContentType: "application/json"})
	f(`{"start_time":1767225600123,"request":{"url":"http://h:9080/a/b?c"},"response":{"status":"502"},"route_id":7,"consumer":{"custom_id":"c","id":"i"}}`,
		"apisix", Access{Time: at, Tenant: "c", Route: "7", Path: RawText("/a/b"), Status: 502, BodyState: Absent})
	// Kong: the service's id without a name, a body that is JSON itself.
	f(`{"started_at":1767225600123,"latencies":{"request":24,"proxy":-1},"request":{"uri":"/orders"},"response":{"status":200,"body":{"code":1}},"service":{"id":"s1"},"route":{"id":"r1","name":"orders"},"authenticated_entity":{"consumer_id":"k"}}`,
		"kong", Access{Time: at, Tenant: "k", Service: "s1", Route: "orders", Path: RawText("/orders"), Status: 200, LatencyMS: 24, HasLatency: true, Body: []byte(`{"code":1}`)})
	// nginx: all strings, seconds, "-" for what is not there, the request line.
	f(`{"time_local":"01/Jan/2026:08:00:00 +0800","remote_addr":"192.0.2.1","remote_user":"-","request":"POST /x/y?z HTTP/1.1","status":"200","request_time":"0.0125","resp_body":"-"}`,
		"nginx", Access{Time: at.Truncate(time.Second), Method: "POST", Path: RawText("/x/y"), Status: 200, LatencyMS: 12.5, HasLatency: true, BodyState: Empty})
	f(`{"msec":"1767225600.123","request_uri":"/x","status":404,"resp_body":"{\"a\":1}","http_x_tenant":"t"}`,
		"nginx", Access{Time: at, Tenant: "t", Path: RawText("/x"), Status: 404, Body: []byte(`{"a":1}`)})
	// generic: base64, an empty body, a null body, no time.
	f(`{"time":"2026-01-01T00:00:00.123456Z","response_body_base64":"eyJhIjoxfQ=="}`, "generic", Access{Time: at, Body: []byte(`{"a":1}`)})
	f(`{"time":1767225600,"status":204,"response_body":""}`, "generic", Access{Time: at.Truncate(time.Second), Status: 204, BodyState: Empty})
	f(`{"status":200,"response_body":null}`, "generic", Access{Time: kafkaTime, Status: 200, BodyState: Empty})
	f(`{"status":200,"response_body_base64":"eyJhIjoxf"}`, "generic", Access{Time: kafkaTime, Status: 200, Body: []byte(`{"a":1`)})
	f(`{"status":200,"response_body_base64":"eyJhIjoiPz8_In0"}`, "generic", Access{Time: kafkaTime, Status: 200, Body: []byte(`{"a":"???"}`)})
	f(`{"status":200,"response_body_base64":"###"}`, "generic", Access{Time: kafkaTime, Status: 200, BodyState: Undecodable})
	f(`{"status":200,"response_body":null,"response_body_base64":"eyJhIjoxfQ=="}`, "generic", Access{Time: kafkaTime, Status: 200, Body: []byte(`{"a":1}`)})
	f(`{"status":200,"response_body":"","response_body_base64":""}`, "generic", Access{Time: kafkaTime, Status: 200, BodyState: Empty})
	f(`{"status":503.0,"path":"/proxy/https://host/b","latency_ms":1e305}`, "generic", Access{Time: kafkaTime, Status: 503, Path: RawText("/proxy/https://host/b"), BodyState: Absent})
	f(`{"status":200,"latency_ms":0}`, "generic", Access{Time: kafkaTime, Status: 200, HasLatency: true, BodyState: Absent})
	f(`{"status":"-","path":"/x#y","latency_ms":-1}`, "generic", Access{Time: kafkaTime, Path: RawText("/x"), BodyState: Absent})
}

func TestDeadLetters(t *testing.T) {
	f := func(value string, want ...Reason) {
		t.Helper()
		rec := read(t, "auto", value)
		got := []Reason{rec.DeadLetter}
		for _, e := range rec.Elements {
			got = append(got, e.DeadLetter)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
	ok := `{"time":"2026-11-02T10:00:00Z","status":200}`
	f(ok, "", "")
	f(``, ReasonEmpty)
	f(" \n", ReasonEmpty)
	f(`hello`, ReasonMalformed)
	f(`"hello"`, ReasonMalformed)
	f(ok+ok, "", "", "")
	f(ok+ok[:20], "", "", ReasonTruncated)
	f(ok+"}", ReasonMalformed)
	f(ok[:20], ReasonTruncated)
	f(`{"hello":1}`, ReasonUnknownFormat)
	f(`{"":"{}","_":{"-":[{}]}}`, ReasonUnknownFormat)
	f(`{"status":"teapot","path":"/x"}`, "", ReasonBadField)
	f(`[`, ReasonTruncated)
	f(`[`+ok+`,`+ok[:20], "", "", ReasonTruncated)
	f(`[`+ok+`,7,"x",null,{},`+ok+`]`, "", "", ReasonNotAnObject, ReasonNotAnObject, ReasonNotAnObject, ReasonUnknownFormat, "")
	f(`[`+ok+`,`, "", "", ReasonTruncated)
	f(`[`+ok, "", "", ReasonTruncated)
	f(`[`+strings.Repeat(`0,`, 20_000)+`0]`, ReasonTooMany)
	f(`[]`, "")
	f(`{"time":"1999-12-31T23:59:59Z","status":200}`, "", ReasonBadTime)
	f(`{"time":"2026-11-03T12:00:00Z","status":200}`, "", "")
	f(`{"time":"2026-11-03T12:00:00.001Z","status":200}`, "", ReasonBadTime)
	f(`{"time":"2024-09-03T12:00:00Z","status":200}`, "", "") // 790 days before Kafka's time
	f(`{"time":"2024-09-03T11:59:59.999Z","status":200}`, "", ReasonTooOld)
}

func TestKafkaTimeOfTheEpochIsNone(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(value string, want Reason) {
		t.Helper()
		rec := r.Read("", []byte(value), KafkaClock(time.UnixMilli(-1)))
		if got := rec.Elements[0].DeadLetter; got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	f(`{"status":200}`, ReasonBadTime)
	f(`{"time":"2026-11-02T10:00:00Z","status":200}`, "")
	f(`{"time":"2150-11-02T10:00:00Z","status":200}`, ReasonBadTime)
	if c := KafkaClock(time.Date(5000, 1, 1, 0, 0, 0, 0, time.UTC)); !c.Fallback.IsZero() {
		t.Error("the year 5000 is taken for a time")
	}
}

func TestParseTime(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, ok := parseTime([]byte(in))
		if s := got.Format("2006-01-02T15:04:05.000Z07:00"); ok != (want != "") || ok && s != want {
			t.Errorf("%q: %s %v, want %q", in, s, ok, want)
		}
	}
	f("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z")
	f("2026-01-01T08:00:00.1239+08:00", "2026-01-01T00:00:00.123Z")
	f("2026-01-01T08:00:00+0800", "2026-01-01T00:00:00.000Z")
	f("2026-01-01T08:00:00+08:00[Asia/Shanghai]", "2026-01-01T00:00:00.000Z")
	f("2[Asia/Shanghai]", "")
	f("[Asia/Shanghai]", "")
	f("2026-01-01T00:00:00", "2026-01-01T00:00:00.000Z")
	f("2026-01-01 00:00:00.5", "2026-01-01T00:00:00.500Z")
	f("2026-01-01 00:00:00,5", "2026-01-01T00:00:00.500Z")
	f("01/Jan/2026:08:00:00 +0800", "2026-01-01T00:00:00.000Z")
	f("Thu, 01 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00.000Z")
	f("Thu, 01 Jan 2026 00:00:00 PST", "")
	f("1767225600", "2026-01-01T00:00:00.000Z")
	f("1767225600.1239", "2026-01-01T00:00:00.123Z")
	f("1767225600123", "2026-01-01T00:00:00.123Z")
	f("1767225600123.9", "2026-01-01T00:00:00.123Z")
	f("1767225600123456", "2026-01-01T00:00:00.123Z")
	f("1767225600123456789", "2026-01-01T00:00:00.123Z")
	f("1.767225600123e+12", "2026-01-01T00:00:00.123Z")
	for _, bad := range []string{"", "-", "-1767225600", "yesterday", "12:00:00", "2026-13-01T00:00:00Z", "1e400", "NaN     ", strings.Repeat("1", 100)} {
		f(bad, "")
	}
}

// FuzzRead holds that no record makes the reader fail, that a dead letter has no access, and that
// every access has a time inside the clock's bounds.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-02T10:00:00Z","tenant":"a","status":200,"response_body":"{}"}`))
	f.Add([]byte(`[{"start_time":1767225600123.5,"request":{"headers":{"x":["y"]}},"response":{"status":200,"body":"\u0000"},"route_id":"r"},7]`))
	f.Add([]byte(`{"remote_addr":"-","status":"200","request":"GET / HTTP/1.1","request_time":"1e9999"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		rec := read(t, "auto", string(value))
		if rec.DeadLetter != "" && len(rec.Elements) > 0 {
			t.Fatal("a dead letter with elements")
		}
		for _, e := range rec.Elements {
			a := e.Access
			if e.DeadLetter != "" && (a.Status != 0 || !a.Time.IsZero()) {
				t.Fatalf("a dead letter with an access: %+v", e)
			}
			if e.DeadLetter == "" && (a.Time.Before(earliest) || a.Time.After(kafkaTime.Add(24*time.Hour)) || a.Time.Nanosecond()%1e6 != 0) {
				t.Fatalf("time %s", a.Time)
			}
			if a.BodyState != "" && len(a.Body) > 0 {
				t.Fatalf("a body that is %s: %q", a.BodyState, a.Body)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body := `{\"servers\":[` + strings.TrimSuffix(strings.Repeat(`{\"id\":\"s-1\",\"status\":\"ACTIVE\"},`, 8), ",") + `]}`
	for name, value := range map[string]string{
		"generic": fmt.Sprintf(`{"time":"2026-11-02T10:00:00.123Z","tenant":"acme","service":"osm","route":"cases","method":"POST","path":"/v2/cases","status":200,"latency_ms":12.5,"request_id":"5b1d2f","content_type":"application/json","response_body":"%s"}`, body),
		"apisix":  fmt.Sprintf(`{"start_time":1767225600123.5,"request":{"uri":"/v2/p1/clusters","url":"http://h:9080/v2/p1/clusters","method":"GET","headers":{"host":"api.example.test","x-request-id":"r-001"},"querystring":{},"size":211},"response":{"status":200,"headers":{"content-type":"application/json"},"size":402,"body":"%s"},"server":{"hostname":"gw-1"},"service_id":"osm","route_id":"r7","consumer":{"username":"tenant-a"},"latency":41.2}`, body),
	} {
		b.Run(name, func(b *testing.B) {
			r, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			clock := KafkaClock(kafkaTime)
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				r.Read("", []byte(value), clock)
			}
		})
	}
}
