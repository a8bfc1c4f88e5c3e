package accesslog

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func reader(t *testing.T, c Config) *Reader {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestUserFormat(t *testing.T) {
	token := "Bearer e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"u","org":{"id":"acme"}}`)) + ".c2ln"
	r := reader(t, Config{Formats: []FormatConfig{
		{
			Name:  "shop",
			Match: []string{"kind=access", "req.line"},
			Fields: FieldsConfig{
				Time:        FieldConfig{Paths: []string{"at"}, Unit: "us"},
				Tenant:      FieldConfig{Paths: []string{"req.headers.Authorization"}, Claim: "org.id", Default: "nobody"},
				Service:     FieldConfig{Paths: []string{"host"}, Pattern: `^([^.]+)\.svc`},
				RequestLine: FieldConfig{Paths: []string{"req.line"}},
				Status:      FieldConfig{Paths: []string{"none", `res.http\.code`}},
				Latency:     FieldConfig{Paths: []string{"took"}, Unit: "us"},
				Body:        FieldConfig{Paths: []string{"res.body"}},
				ContentType: FieldConfig{Paths: []string{"res.headers.content-type"}},
			},
		},
		{
			Name:    "legacy-1",
			Pattern: `^(?P<when>\S+ \S+) (?P<tenant>\S+) (?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d+) (?P<body>.*)$`,
			Fields:  FieldsConfig{Time: FieldConfig{Paths: []string{"when"}, Layout: "02.01.2006 15:04:05"}, Tenant: FieldConfig{Pattern: `tenant-(\w+)`}},
		},
	}})
	f := func(record, format string, want Access) {
		t.Helper()
		want.Format = format
		rec := r.Read("", []byte(record), KafkaClock(kafkaTime))
		if got := only(t, rec); rec.Format != format || !cmp.Equal(got, want) {
			t.Errorf("%s\n%s (-want +got):\n%s", record, rec.Format, cmp.Diff(want, got))
		}
	}
	f(`{"kind":"access","at":1767225600123456,"host":"cart.svc.local","took":12500,"req":{"line":"GET /x?y HTTP/1.1","headers":{"authorization":["`+token+`"]}},"res":{"http.code":"200","body":"{}","headers":{"Content-Type":"Text/HTML"}},"status":500}`,
		"shop", Access{Time: at, Tenant: "acme", Service: "cart", Method: "GET", Path: RawText("/x"), Status: 200, LatencyMS: 12.5, HasLatency: true, Body: []byte("{}"), ContentType: "text/html"})
	f(`{"kind":"access","at":1767225600123456,"req":{"line":"GET /x HTTP/1.1","headers":{"authorization":"Basic x"}}}`, "shop", Access{Time: at, Tenant: "nobody", Method: "GET", Path: RawText("/x"), BodyState: Absent})
	f(`{"kind":"other","req":{"line":"x"},"status":500}`, "generic", Access{Time: kafkaTime, Status: 500, BodyState: Absent})
	f(`{"kind":"access","status":500}`, "generic", Access{Time: kafkaTime, Status: 500, BodyState: Absent})
	f(`01.01.2026 00:00:00 tenant-acme GET /x 200 {"a":"\"b\""}`, "legacy-1", Access{Time: at0, Tenant: "acme", Method: "GET", Path: RawText("/x"), Status: 200, Body: []byte(`{"a":"\"b\""}`)})
	// In a shipper's wrapper too.
	f(`{"message":"01.01.2026 00:00:00 x GET /x 200 -"}`, "legacy-1", Access{Time: at0, Method: "GET", Path: RawText("/x"), Status: 200, BodyState: Empty})
}

func TestTopics(t *testing.T) {
	r := reader(t, Config{Format: "kong", Topics: []TopicFormat{{"a", "auto"}, {"b", "own"}}, Formats: []FormatConfig{{Name: "own", Fields: FieldsConfig{Status: FieldConfig{Paths: []string{"s"}}}}}})
	f := func(topic, record, want string) {
		t.Helper()
		if rec := r.Read(topic, []byte(record), KafkaClock(kafkaTime)); rec.Format != want {
			t.Errorf("%s: %s: %+v, want %s", topic, record, rec, want)
		}
	}
	f("a", `{"status":200}`, "generic")
	f("b", `{"s":200}`, "own")
	f("b", `{"log":"{\"s\":200}"}`, "own")
	f("b", `{"status":200}`, Unknown)
	f("c", `{"status":200}`, Unknown)
	f("c", `{"response":{"status":200}}`, "kong") // whatever it can read
}

func TestExclude(t *testing.T) {
	r := reader(t, Config{Exclude: []Exclude{{Path: "/health*"}, {Service: "metrics", Method: "GET"}, {Field: "upstream_cluster", Value: "outbound|*"}}})
	f := func(record string, want bool) {
		t.Helper()
		rec := r.Read("", []byte(record), KafkaClock(kafkaTime))
		if e := rec.Elements[0]; e.Excluded != want || e.DeadLetter != "" || want && (!cmp.Equal(e.Access, Access{}) || string(e.Raw) != record) {
			t.Errorf("%s: %+v", record, e)
		}
	}
	f(`{"status":200,"path":"/health"}`, true)
	f(`{"status":200,"path":"/healthz/live/x"}`, true)
	f(`{"status":200,"path":"/x/health"}`, false)
	f(`{"status":200,"service":"metrics","method":"GET"}`, true)
	f(`{"status":200,"service":"metrics","method":"POST"}`, false)
	f(`{"response_code":200,"start_time":"2026-01-01T00:00:00Z","upstream_cluster":"outbound|80||a/b","path":"/x"}`, true)
	f(`{"response_code":200,"start_time":"2026-01-01T00:00:00Z","upstream_cluster":"inbound|80||","path":"/x"}`, false)
	f(`{"time":"1999-01-01T00:00:00Z","status":200,"path":"/health"}`, true)
}

func TestIgnoreBodies(t *testing.T) {
	r := reader(t, Config{IgnoreBodies: []Exclude{{Path: "/docs/*"}}})
	f := func(record string, want bool) {
		t.Helper()
		if e := r.Read("", []byte(record), KafkaClock(kafkaTime)).Elements[0]; e.Access.IgnoreBody != want || e.Excluded {
			t.Errorf("%s: %+v", record, e)
		}
	}
	f(`{"status":200,"path":"/docs/errors","response_body":"{}"}`, true)
	f(`{"status":200,"path":"/doc","response_body":"{}"}`, false)
}

func TestRoutes(t *testing.T) {
	r := reader(t, Config{Routes: []string{"/v1/{kind}/{id}", "/v1/servers/{id}", "/v1/servers/{id}/{action}", "/v1/{kind}/list", "/", "/{a}"}})
	f := func(path, want string) {
		t.Helper()
		rec := r.Read("", []byte(`{"status":200,"path":"`+path+`"}`), KafkaClock(kafkaTime))
		if got := only(t, rec).Route; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	f("/v1/servers/7", "/v1/servers/{id}")
	f("/v1/servers/7/", "/v1/servers/{id}")
	f("/v1/servers/list", "/v1/servers/{id}") // where they first differ, this one is literal
	f("/v1/disks/list", "/v1/{kind}/list")
	f("/v1/disks/7", "/v1/{kind}/{id}")
	f("/v1/servers/7/start", "/v1/servers/{id}/{action}")
	f("/v1/servers//start", "")
	f("/v1/a/b/c/d", "")
	f("/", "/")
	f("/x", "/{a}")
	rec := r.Read("", []byte(`{"status":200,"path":"/v1/servers/7","route":"own"}`), KafkaClock(kafkaTime))
	if got := only(t, rec).Route; got != "own" {
		t.Error(got)
	}
}

func TestConfigErrors(t *testing.T) {
	field := func(c FieldConfig) FormatConfig {
		return FormatConfig{Name: "x", Match: []string{"a"}, Fields: FieldsConfig{Time: c, Status: FieldConfig{Paths: []string{"s"}}}}
	}
	f := func(c Config, want string) {
		t.Helper()
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	formats := func(c ...FormatConfig) Config { return Config{Formats: c} }
	f(Config{Format: "gnix"}, `ingest.format: unknown log format "gnix": give one of auto, `)
	f(Config{Topics: []TopicFormat{{"", "kong"}}}, "ingest.topics[0].topic is empty")
	f(Config{Topics: []TopicFormat{{"a", "kong"}, {"a", "kong"}}}, `ingest.topics[1].topic: "a" is listed twice`)
	f(Config{Topics: []TopicFormat{{"a", "x"}}}, `ingest.topics[0].format: unknown log format "x"`)
	f(formats(field(FieldConfig{Paths: []string{"t"}, Unit: "mins"})), `ingest.formats[0].fields.time: unit "mins" is not one of s, ms, us, ns`)
	f(formats(field(FieldConfig{Paths: []string{"t"}, Layout: "YYYY-MM-DD"})), `ingest.formats[0].fields.time: layout "YYYY-MM-DD" is not rfc3339, clf`)
	f(formats(field(FieldConfig{Paths: []string{"t"}, Layout: "clf", Unit: "s"})), `give a layout or a unit, not both`)
	f(formats(field(FieldConfig{Paths: []string{"t..x"}})), `ingest.formats[0].fields.time: paths[0]: "t..x" has an empty key`)
	f(formats(field(FieldConfig{Unit: "s"})), `ingest.formats[0].fields.time: paths is empty`)
	f(formats(field(FieldConfig{Paths: []string{"t"}, Pattern: "("})), `ingest.formats[0].fields.time: pattern: `)
	f(formats(FormatConfig{Name: "kong", Match: []string{"a"}}), `ingest.formats[0].name: "kong" is a reserved name`)
	f(formats(FormatConfig{Name: "auto", Match: []string{"a"}}), `ingest.formats[0].name: "auto" is a reserved name`)
	f(formats(FormatConfig{Name: "", Match: []string{"a"}}), `ingest.formats[0].name is "": give 1 to 40 of`)
	f(formats(field(FieldConfig{}), field(FieldConfig{})), `ingest.formats[1].name: "x" is used twice`)
	f(formats(FormatConfig{Name: "x", Match: []string{"a"}}), `ingest.formats[0].fields: a request needs one of status,`)
	f(formats(FormatConfig{Name: "x", Pattern: "a(b)"}), `ingest.formats[0].pattern: it has no named groups`)
	f(formats(FormatConfig{Name: "x", Fields: FieldsConfig{Status: FieldConfig{Paths: []string{"s"}}}}), `ingest.formats[0]: nothing says which records are "x"`)
	f(formats(FormatConfig{Name: "x", Match: []string{"=b"}}), `ingest.formats[0].match[0]: "" has an empty key`)
	f(formats(FormatConfig{Name: "x", Match: []string{"a"}, Fields: FieldsConfig{Status: FieldConfig{Paths: []string{"s"}, Unit: "s"}}}), `ingest.formats[0].fields.status: unit is for time and latency`)
	f(formats(FormatConfig{Name: "x", Match: []string{"a"}, Fields: FieldsConfig{Body: FieldConfig{Paths: []string{"s"}, Pattern: "x"}}}), `ingest.formats[0].fields.body: a body has only paths`)
	f(Config{Exclude: []Exclude{{}}}, "ingest.exclude[0] is empty")
	f(Config{Exclude: []Exclude{{Field: "a"}}}, "ingest.exclude[0]: field and value belong together")
	f(Config{Exclude: []Exclude{{Path: "[a"}}}, `ingest.exclude[0]: "[a" is not a glob`)
	f(Config{Routes: []string{"v1"}}, `ingest.routes[0]: "v1" is not a path`)
	f(Config{Routes: []string{"/v1/a{id}"}}, `ingest.routes[0]: "a{id}" in "/v1/a{id}": a placeholder must be a whole segment`)
	f(Config{Routes: []string{"/v1/{id}", "/v1/{x}"}}, `ingest.routes[1]: "/v1/{x}" matches the same paths as an earlier one`)
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestFingerprint(t *testing.T) {
	f := func(c Config) string { return reader(t, c).Fingerprint() }
	if f(Config{}) != "auto" || f(Config{Format: "auto"}) != "auto" || f(Config{Format: "kong"}) != "kong" {
		t.Error(f(Config{}), f(Config{Format: "kong"}))
	}
	a, b := f(Config{Routes: []string{"/a"}}), f(Config{Routes: []string{"/b"}})
	if a == b || a != f(Config{Format: "auto", Routes: []string{"/a"}}) || len(a) != 12 {
		t.Error(a, b)
	}
}

func TestTimeUnits(t *testing.T) {
	f := func(s source, in, want string) {
		t.Helper()
		got, ok := s.parseTime([]byte(in))
		if text := got.Format(time.RFC3339Nano); ok != (want != "") || ok && text != want {
			t.Errorf("%s: %s %v, want %q", in, text, ok, want)
		}
	}
	f(source{unit: seconds}, "1767225600.123", "2026-01-01T00:00:00.123Z")
	f(source{unit: nanoseconds}, "1767225600123000000", "2026-01-01T00:00:00.123Z")
	f(source{unit: microseconds}, "1767225600123999", "2026-01-01T00:00:00.123Z")
	f(source{unit: milliseconds}, "-5", "")
	f(source{layout: commonLog}, "01/Jan/2026:08:00:00 +0800", "2026-01-01T00:00:00Z")
	f(source{layout: commonLog}, "1767225600", "")
}
