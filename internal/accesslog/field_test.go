package accesslog

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
)

// TestWrittenInOtherWays reads records as pipes and operators write them: status, path, tenant,
// service and latency in short, or the reason of the dead letter.
func TestWrittenInOtherWays(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		rec := read(t, "auto", value)
		got := "[" + string(rec.DeadLetter) + "]"
		if rec.DeadLetter == "" && len(rec.Elements) == 1 {
			a := rec.Elements[0].Access
			got = strings.Join([]string{rec.Format, detail(a), a.Path.String(), a.Tenant, a.Service}, "|")
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", value, got, want)
		}
	}
	const record = `{"time_iso8601":"2026-11-02T10:00:00+00:00","remote_addr":"192.0.2.7","request":"POST /v1/orders?x=1 HTTP/1.1","status":502,"request_time":0.12,"http_x_tenant_id":"acme"}`
	quoted := string(appendQuoted(nil, []byte(record), false))
	const nginx = "nginx|502 120|/v1/orders|acme|"
	// Wrappers.
	f(`{"version":"1.1","host":"gw","short_message":`+quoted+`,"timestamp":1793613600.5,"level":6}`, nginx)
	f(`{"_raw":`+quoted+`,"_time":1793613600.1}`, nginx)
	f(`{"topic":"t","partition":0,"offset":1,"key":null,"payload":`+quoted+`}`, nginx)
	f(`{"schema":{"type":"string"},"payload":`+quoted+`}`, nginx)
	f(`{"schema":{"type":"struct"},"payload":`+record+`}`, nginx)
	f(`{"jsonPayload":`+record+`,"timestamp":"2026-11-02T10:00:00Z"}`, nginx)
	f(`{"contents":{"content":`+quoted+`},"tags":{"host.ip":"192.0.2.5"},"time":1793613600}`, nginx)
	f(`{"payload":"hello","topic":"t"}`, "[unknown_format]")
	f(`{"short_message":"service started","host":"gw","level":6}`, "[unknown_format]")
	f(`{"jsonPayload":{"message":"started"}}`, "[unknown_format]")
	// Encoded once more.
	f(quoted, nginx)
	f(base64.StdEncoding.EncodeToString([]byte(record)), nginx)
	f("\x00\x00\x00\x00\x07"+string([]byte{byte(len(record)*2&0x7f | 0x80), byte(len(record) * 2 >> 7)})+record, nginx)
	f(`"hello"`, "[malformed]")
	f(base64.StdEncoding.EncodeToString([]byte("hello, world and more")), "[malformed]")
	// Names.
	f(`{"remote_addr":"192.0.2.7","http_status":"502","request":"GET /h5/app?x=1 HTTP/1.1","responsetime":"0.074"}`, "nginx|502 74|/h5/app||")
	f(`{"client_ip":"192.0.2.7","method":"GET","url":"/login?x=1","http_code":"502","request_time":"0.001"}`, "nginx|502 1|/login||")
	f(`{"remote_addr":"192.0.2.7","request":"/api/v2/x?y=1","status":"404","request_time":"0.020"}`, "nginx|404 20|/api/v2/x||")
	f(`{"request":"/api/v2/cases/7","status":"404","request_time":"0.020","upstream_name":"case-svc","route_id":"3"}`, "apisix|404 20|/api/v2/cases/7||case-svc")
	f(`{"http_status":"502"}`, "[unknown_format]")
	f(`{"http_code":"A","name":"x"}`, "[unknown_format]")
	// Lines that are nearly combined.
	const tail = `[02/Nov/2026:10:00:00 +0000] "GET /a?b HTTP/1.1" 502 12`
	f(`192.0.2.1 - - `+tail+` "-" "curl"`, "nginx|502|/a||")
	f(`192.0.2.1 - [192.0.2.1] - - `+tail+` "-" "curl" 408 0.004 [shop-api-80] 10.0.0.9:80 9 0.004 502 r1`, "nginx|502 4|/a||shop-api-80")
	f(`192.0.2.1 - [192.0.2.1] - alice `+tail+` "-" "curl"`, "nginx|502|/a|alice|")
	f(`shop.example 192.0.2.1 - - `+tail+` "-" "curl"`, "nginx|502|/a||")
	f(`192.0.2.1, 10.0.0.1 - - `+tail+` "-" "curl"`, "nginx|502|/a||")
	f(`192.0.2.1 - - `+tail+` 0.042 "-" "curl" "-" rt=0.042`, "nginx|502 42|/a||")
	f(`192.0.2.1 - - [02/Nov/2026:10:00:00 +0000] shop.example "GET /a?b HTTP/1.1" 502 12 0.042 "-" "curl" 10.0.0.9:80 502 0.041 "http://shop.example"`, "apisix|502 42|/a||")
	f(`192.0.2.1 - - nothing like it "GET /a" 502`, "[malformed]")
}

// detail is the status of an access and its latency, if it has one.
func detail(a Access) string {
	s := strconv.Itoa(a.Status)
	if a.HasLatency {
		s += " " + strconv.FormatFloat(a.LatencyMS, 'f', -1, 64)
	}
	return s
}
