package accesslog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/jsontree"
)

var (
	at    = time.Date(2026, 1, 1, 0, 0, 0, 123e6, time.UTC)
	at0   = at.Truncate(time.Second)
	body  = []byte(`{"error_code":"X.1","error_msg":"a \"b\""}`)
	inner = `{\"error_code\":\"X.1\",\"error_msg\":\"a \\\"b\\\"\"}` // body in a JSON string
)

type sample struct {
	format, record string
	want           Access
}

// samples are a record of each format as its documentation has it, and what it says. The values are
// ours.
var samples = []sample{
	{"apisix", `[{"request":{"url":"http://api.example.test:9080/v2/p1?x=1","uri":"/v2/p1?x=1","method":"GET","headers":{"host":"api.example.test","X-Request-Id":["r-001","r-002"],"X-Tenant-Id":"t1"},"querystring":{},"size":211},` +
		`"response":{"status":200,"headers":{"Content-Type":"application/json; charset=utf-8","content-encoding":"GZIP","grpc-status":"5","grpc-message":"no such cluster"},"size":402,"body":"` + inner + `"},"server":{"hostname":"gw-1","version":"3.16.0"},` +
		`"upstream":"10.0.0.7:8080","service_id":"osm","route_id":"r7","consumer":{"username":"tenant-a"},"client_ip":"192.0.2.10","start_time":1767225600123.5,"latency":41.2,"upstream_latency":38,"apisix_latency":3.2}]`,
		Access{Time: at, Tenant: "t1", Service: "osm", Route: "r7", Method: "GET", Path: RawText("/v2/p1"), Status: 200, LatencyMS: 41.2, HasLatency: true, RequestID: RawText("r-001"), Body: body,
			ContentType: "application/json; charset=utf-8", ContentEncoding: "gzip", GRPCStatus: "5", GRPCMessage: "no such cluster"}},
	// A log_format of the operator's: the ids are always there.
	{"apisix", `{"@timestamp":"2026-01-01T08:00:00+08:00","client_ip":"192.0.2.1","host":"api","status":"200","request_uri":"/a?b","request_method":"GET","request_time":"0.012","consumer_name":"acme","resp_body":"` + inner + `","route_id":"r7","service_id":"s7"}`,
		Access{Time: at0, Tenant: "acme", Service: "s7", Route: "r7", Method: "GET", Path: RawText("/a"), Status: 200, LatencyMS: 12, HasLatency: true, Body: body}},
	{"kong", `{"request":{"id":"k-1","uri":"/orders?x","url":"http://api.example.test:8000/orders","method":"POST","querystring":{},"headers":{"authorization":"REDACTED"},"size":311},"upstream_uri":"/orders",` +
		`"response":{"status":200,"headers":{"content-type":"application/json","x-kong-upstream-latency":"21"},"size":500},"tries":[{"ip":"10.0.0.9","port":8080}],"latencies":{"kong":2,"proxy":21,"request":24},` +
		`"route":{"id":"rt1","name":"orders"},"service":{"id":"s1","name":"shop"},"consumer":{"id":"c1","username":"tenant-a","custom_id":"42"},"client_ip":"192.0.2.10","started_at":1767225600123,"response_body":{"code":1}}`,
		Access{Time: at, Tenant: "tenant-a", Service: "shop", Route: "orders", Method: "POST", Path: RawText("/orders"), Status: 200, LatencyMS: 24, HasLatency: true, RequestID: RawText("k-1"), Body: []byte(`{"code":1}`), ContentType: "application/json"}},
	{"tyk", `{"timestamp":"2026-01-01T00:00:00.123Z","method":"GET","path":"/x","raw_path":"/x","response_code":200,"alias":"tenant-a","api_key":"hash","api_version":"v1","api_name":"Orders","api_id":"a1","org_id":"o1","oauth_id":"",` +
		`"raw_request":"R0VUIC94","request_time":12,"request_time_ms":12,"raw_response":"` + base64.StdEncoding.EncodeToString([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\nX-Request-Id: r-1\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n")) + `","ip_address":"192.0.2.1"}`,
		Access{Time: at, Tenant: "tenant-a", Service: "Orders", Method: "GET", Path: RawText("/x"), Status: 200, LatencyMS: 12, HasLatency: true, RequestID: RawText("r-1"), Body: []byte("hello, world"), ContentType: "application/json", ContentEncoding: "br"}},
	{"tyk", `{"timestamp":"2026-01-01T00:00:00.123Z","path":"/x","response_code":204,"api_id":"a1","org_id":"o1","raw_response":"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"}`,
		Access{Time: at, Tenant: "o1", Service: "a1", Path: RawText("/x"), Status: 204, BodyState: Empty}},
	{"traefik", `{"StartUTC":"2026-01-01T00:00:00.123456789Z","StartLocal":"2026-01-01T08:00:00.123456789+08:00","Duration":41234567,"OriginDuration":40000000,"Overhead":1234567,"DownstreamStatus":502,"OriginStatus":500,"DownstreamContentSize":80,` +
		`"RequestMethod":"GET","RequestPath":"/x?y","RequestHost":"api.example.test","RequestProtocol":"HTTP/2.0","ClientUsername":"-","RouterName":"api@docker","ServiceName":"api-svc","request_X-Tenant":"tenant-a","request_X-Request-Id":"r-1",` +
		`"downstream_Content-Type":"text/html","level":"info","msg":"","time":"2026-01-01T00:00:01Z"}`,
		Access{Time: at, Tenant: "tenant-a", Service: "api-svc", Route: "api@docker", Method: "GET", Path: RawText("/x"), Status: 502, LatencyMS: 41.234567, HasLatency: true, RequestID: RawText("r-1"), BodyState: Absent, ContentType: "text/html"}},
	// Gravitee: the log record of either engine, and the metrics record.
	{"gravitee", `{"@timestamp":"2026-01-01T00:00:00.123Z","type":"log","date":"2026.01.01","_id":"req-1","api":"a1","api-name":"Orders","client-request":{"method":"GET","uri":"/x?y","headers":{"X-Tenant":["tenant-a"]}},` +
		`"client-response":{"status":200,"body":"` + inner + `","headers":{"Content-Type":["application/json"]}},"proxy-response":{"status":201,"body":"other"}}`,
		Access{Time: at, Tenant: "tenant-a", Service: "Orders", Method: "GET", Path: RawText("/x"), Status: 200, RequestID: RawText("req-1"), Body: body, ContentType: "application/json"}},
	{"gravitee", `{"@timestamp":"2026-01-01T00:00:00.123Z","type":"v4-log","_id":"req-1","api-id":"a1","request-id":"req-1","client-identifier":"c","request-ended":"true","entrypoint-request":{"method":"POST","uri":"/x"},"endpoint-response":{"status":500,"body":"` + inner + `"}}`,
		Access{Time: at, Service: "a1", Method: "POST", Path: RawText("/x"), Status: 500, RequestID: RawText("req-1"), Body: body}},
	{"gravitee", `{"timestamp":1767225600123,"requestId":"r-1","transactionId":"t-1","apiId":"a1","apiType":"proxy","planId":"p1","applicationId":"app-1","httpMethod":"GET","uri":"/x","status":401,"gatewayResponseTimeMs":7}`,
		Access{Time: at, Tenant: "app-1", Service: "a1", Method: "GET", Path: RawText("/x"), Status: 401, LatencyMS: 7, HasLatency: true, RequestID: RawText("r-1"), BodyState: Absent}},
	{"alibaba-apigateway", `{"apiGroupUid":"g1","apiGroupName":"shop","apiUid":"u1","apiName":"orders","apiStageName":"RELEASE","httpMethod":"GET","path":"/x","domain":"d","statusCode":"503","errorMessage":"Service Unavailable","appId":"1","appName":"acme","clientIp":"192.0.2.1",` +
		`"requestHandleTime":"Thu, 01 Jan 2026 00:00:00 GMT","requestId":"R-1","serviceLatency":"8","totalLatency":"9","errorCode":"X500ER","responseBody":"` + inner + `"}`,
		Access{Time: at0, Tenant: "acme", Service: "shop", Route: "orders", Method: "GET", Path: RawText("/x"), Status: 503, LatencyMS: 9, HasLatency: true, RequestID: RawText("R-1"), Body: body, GatewayCode: "X500ER", GatewayMessage: "Service Unavailable"}},
	{"aws-apigateway", `{"requestId":"6b-1","extendedRequestId":"e","ip":"192.0.2.1","caller":"-","user":"-","apiKeyId":"k9","requestTime":"01/Jan/2026:00:00:00 +0000","requestTimeEpoch":"1767225600123","httpMethod":"GET","resourcePath":"/pets/{id}","path":"/prod/pets/1","status":"403",` +
		`"protocol":"HTTP/1.1","responseLength":"42","responseLatency":"12","integrationLatency":"-","errorMessage":"Forbidden","errorResponseType":"ACCESS_DENIED","stage":"prod","apiId":"a1","accountId":"111122223333"}`,
		Access{Time: at, Tenant: "k9", Service: "a1", Route: "/pets/{id}", Method: "GET", Path: RawText("/prod/pets/1"), Status: 403, LatencyMS: 12, HasLatency: true, RequestID: RawText("6b-1"), BodyState: Absent, GatewayCode: "ACCESS_DENIED", GatewayMessage: "Forbidden"}},
	{"aws-apigateway", `{"requestId":"6b-1","ip":"192.0.2.1","requestTime":"01/Jan/2026:08:00:00 +0800","httpMethod":"GET","routeKey":"GET /pets","status":"200","protocol":"HTTP/1.1","responseLength":"42","error.responseType":"-"}`,
		Access{Time: at0, Route: "GET /pets", Method: "GET", Status: 200, RequestID: RawText("6b-1"), BodyState: Absent}},
	{"otlp", `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1767225600123456789","severityNumber":9,"body":{"stringValue":"request done"},"attributes":[` +
		`{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"url.path","value":{"stringValue":"/x"}},{"key":"http.route","value":{"stringValue":"/{a}"}},{"key":"http.response.status_code","value":{"intValue":"503"}},` +
		`{"key":"http.server.request.duration","value":{"doubleValue":0.0125}},{"key":"http.request.header.x-tenant","value":{"arrayValue":{"values":[{"stringValue":"t1"}]}}},{"key":"http.response.body","value":{"stringValue":"` + inner + `"}}],"traceId":"abc"}]}]}]}`,
		Access{Time: at, Tenant: "t1", Service: "shop", Route: "/{a}", Method: "GET", Path: RawText("/x"), Status: 503, LatencyMS: 12.5, HasLatency: true, RequestID: RawText("abc"), Body: body}},
	{"istio", `{"start_time":"2026-01-01T00:00:00.123Z","method":"GET","path":"/v1/x","protocol":"HTTP/2","response_code":200,"response_flags":"-","response_code_details":"via_upstream","bytes_received":0,"bytes_sent":135,"duration":4,"upstream_service_time":"3","x_forwarded_for":null,"user_agent":"curl",` +
		`"request_id":"8f","authority":"svc:80","upstream_host":"10.0.0.1:80","upstream_cluster":"outbound|80||svc.ns.svc.cluster.local","route_name":"default","grpc_status_number":"14"}`,
		Access{Time: at, Service: "svc.ns.svc.cluster.local", Route: "default", Method: "GET", Path: RawText("/v1/x"), Status: 200, LatencyMS: 4, HasLatency: true, RequestID: RawText("8f"), BodyState: Absent, GRPCStatus: "14"}},
	{"istio", `{"start_time":"2026-01-01T00:00:00.123Z","response_code":200,"response_flags":"-","authority":"svc:80","upstream_cluster":"inbound|8080||","path":"/v1/x"}`,
		Access{Time: at, Service: "svc:80", Path: RawText("/v1/x"), Status: 200, BodyState: Absent}},
	{"istio", `[2026-01-01T00:00:00.123Z] "GET /v1/x?y HTTP/1.1" 418 - via_upstream - "-" 0 135 4 3 "-" "curl/8.0" "84961386" "httpbin:8000" "10.44.1.27:80" outbound|8000||httpbin.foo.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default`,
		Access{Time: at, Service: "httpbin.foo.svc.cluster.local", Route: "default", Method: "GET", Path: RawText("/v1/x"), Status: 418, LatencyMS: 4, HasLatency: true, RequestID: RawText("84961386"), BodyState: Absent}},
	{"envoy", `{"start_time":"2026-01-01T00:00:00.123Z","method":"GET","path":"-","x_envoy_original_path":"/v1/x","response_code":"503","response_flags":"UF","duration":"4","x_request_id":"8f","authority":"api.example.test","upstream_cluster":"shop","response_body":"` + inner + `","x-tenant":"t1"}`,
		Access{Time: at, Tenant: "t1", Service: "shop", Method: "GET", Path: RawText("/v1/x"), Status: 503, LatencyMS: 4, HasLatency: true, RequestID: RawText("8f"), Body: body}},
	{"envoy", `[2026-01-01T00:00:00.123Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c" "locations" "tcp://10.0.2.1:80"`,
		Access{Time: at, Service: "locations", Method: "POST", Path: RawText("/api/v1/locations"), Status: 204, LatencyMS: 226, HasLatency: true, RequestID: RawText("cc21d9b0-cf5c"), BodyState: Absent}},
	{"envoy", `[2026-01-01T00:00:00.123Z] "GET /x HTTP/1.1" 0 DC 0 0 5 - "-" "curl" "r-1" "shop" "-"`, // the client went away
		Access{Time: at, Service: "shop", Method: "GET", Path: RawText("/x"), LatencyMS: 5, HasLatency: true, RequestID: RawText("r-1"), BodyState: Absent}},
	{"tencent-clb", `[75f1] [01/Jan/2026:08:00:00 +0800] [HTTP] [192.0.2.9:80] [api.example.test] [192.0.2.1:4711] [502] [10.0.0.1:80] [502, 200] [lb-1_lbl-1_80] [GET /x?y HTTP/1.1] [120] [300] [api.example.test] [curl/8.0] [-] [0.012] [0.011] [0.001] [0.011] [30] [7] [1] [-] [-] [-] [1234] [/x] [HTTP/1.1]`,
		Access{Time: at0, Service: "api.example.test", Method: "GET", Path: RawText("/x"), Status: 502, LatencyMS: 12, HasLatency: true, RequestID: RawText("75f1"), BodyState: Absent}},
	{"tencent-clb", `{"stgw_request_id":"75f1","time_local":"01/Jan/2026:08:00:00 +0800","server_name":"api.example.test","status":502,"request":"GET /x?y HTTP/1.1","request_time":0.012,"uri":"/x"}`,
		Access{Time: at0, Service: "api.example.test", Method: "GET", Path: RawText("/x"), Status: 502, LatencyMS: 12, HasLatency: true, RequestID: RawText("75f1"), BodyState: Absent}},
	{"tencent-apigateway", `[app-1][release][service-1][api.example.test][api-1][/x][https][rsp_st:500][ups_st:-][cip:192.0.2.1][uip:-][vip:192.0.2.9][rsp_len:10][req_len:20][req_t:0.012][ups_rsp_t:-][ups_conn_t:-][ups_head_t:-][err_msg:no backend (2)][tcp_rtt:99][411][01/Jan/2026:08:00:00 +0800][req_id:r-1]`,
		Access{Time: at0, Tenant: "app-1", Service: "service-1", Route: "api-1", Path: RawText("/x"), Status: 500, LatencyMS: 12, HasLatency: true, RequestID: RawText("r-1"), BodyState: Absent, GatewayMessage: "no backend (2)"}},
	{"tencent-apigateway", `{"app_id":"app-1","service_id":"service-1","api_id":"api-1","uri":"/x","rsp_st":"200","req_t":"0.012","req_id":"r-1","err_msg":"-","time_local":"01/Jan/2026:08:00:00 +0800"}`,
		Access{Time: at0, Tenant: "app-1", Service: "service-1", Route: "api-1", Path: RawText("/x"), Status: 200, LatencyMS: 12, HasLatency: true, RequestID: RawText("r-1"), BodyState: Absent}},
	{"huawei-apig", `192.0.2.9 f57f00000000000000000000000000aa f5ea00000000000000000000000000bb - app-1 [01/Jan/2026:08:00:00 +0800] 0.113 GET http://x.apic.example /api/echo HTTP/1.1 200 1443 408 "cli/1.0" "-" "10.0.0.2:443" /v2/x "200" "0.010" "0.083" "0.083" region-1 0.083 0 - - -`,
		Access{Time: at0, Tenant: "app-1", Route: "f5ea00000000000000000000000000bb", Method: "GET", Path: RawText("/api/echo"), Status: 200, LatencyMS: 113, HasLatency: true, RequestID: RawText("f57f00000000000000000000000000aa"), BodyState: Absent}},
	{"huawei-apig", `{"region_id":"r","api_id":"a-1","body_bytes_sent":"1","domain":"d","errorType":"0","remote_addr":"192.0.2.1","request_id":"r-1","request_method":"GET","request_time":"0.113","status":"200","time_local":"01/Jan/2026:00:00:00","upstream_status":"200","upstream_uri":"/v2/x?y","user_name":"acme"}`,
		Access{Time: at0, Tenant: "acme", Route: "a-1", Method: "GET", Path: RawText("/v2/x"), Status: 200, LatencyMS: 113, HasLatency: true, RequestID: RawText("r-1"), BodyState: Absent}},
	{"huawei-elb", `1767225600.123 eb11c5a9-93a7 [2026-01-01T08:00:00+08:00] elb_01 192.0.2.9:40000 200 "GET http://h.example/p/q?version=3 HTTP/1.1" 233 293 138 0.001 "200" "0.000" "0.001" "0.001" "10.0.0.1:80" "ua (x) y" "-" "-" loadbalancer_295a7eee listener_20e0ad7d 0605767b pool_6ab4 "-" f2bc165ad9b4483a -:80 "10.0.0.2:10000" - - - -`,
		Access{Time: at, Tenant: "f2bc165ad9b4483a", Service: "loadbalancer_295a7eee", Route: "listener_20e0ad7d", Method: "GET", Path: RawText("/p/q"), Status: 200, LatencyMS: 1, HasLatency: true, BodyState: Absent}},
	{"nginx", `{"@timestamp":"2026-01-01T08:00:00+08:00","remote_addr":"192.0.2.1","request_method":"GET","request_uri":"/x","status":"200","request_time":"0.012","upstream_status":"502, 200","resp_body":"` + strings.ReplaceAll(strings.ReplaceAll(string(body), `\`, `\x5C`), `"`, `\x22`) + `","sent_http_content_type":"application/json"}`,
		Access{Time: at0, Method: "GET", Path: RawText("/x"), Status: 200, LatencyMS: 12, HasLatency: true, Body: body, ContentType: "application/json"}},
	{"nginx", `192.0.2.1 - alice [01/Jan/2026:08:00:00 +0800] "GET /x?q=\x22a HTTP/1.1" 404 153 "-" "Mozilla/5.0 (X11)" "192.0.2.7"`,
		Access{Time: at0, Tenant: "alice", Method: "GET", Path: RawText("/x"), Status: 404, BodyState: Absent}},
	{"nginx", `192.0.2.1 - - [01/Jan/2026:08:00:00 +0800] "GET /x HTTP/1.1" 200 153 "-" "curl/8.0" 312 0.012 [shop-api-80] [] 10.0.0.1:80 153 0.011 200 5b1d2f`,
		Access{Time: at0, Service: "shop-api-80", Method: "GET", Path: RawText("/x"), Status: 200, LatencyMS: 12, HasLatency: true, RequestID: RawText("5b1d2f"), BodyState: Absent}},
	{"krakend", "[GIN] 2026/01/01 - 00:00:00 | 200 |       4.529µs |       192.0.2.1 | GET      \"/user/foo?x\"",
		Access{Time: at0, Method: "GET", Path: RawText("/user/foo"), Status: 200, LatencyMS: 0.004529, HasLatency: true, BodyState: Absent}},
	{"spring", `192.0.2.1 - - [01/Jan/2026:08:00:00 +0800] "GET /x?y HTTP/1.1" 200 153 34`,
		Access{Time: at0, Method: "GET", Path: RawText("/x"), Status: 200, LatencyMS: 34, HasLatency: true, BodyState: Absent}},
	{"spring", `192.0.2.1 - alice [01/Jan/2026:08:00:00 +0800] "GET /x HTTP/1.1" 200 153 8080 34 ms`,
		Access{Time: at0, Tenant: "alice", Method: "GET", Path: RawText("/x"), Status: 200, LatencyMS: 34, HasLatency: true, BodyState: Absent}},
	{"spring", `192.0.2.1 - - [01/Jan/2026:08:00:00 +0800] "GET /x HTTP/1.1" 200 -`,
		Access{Time: at0, Method: "GET", Path: RawText("/x"), Status: 200, BodyState: Absent}},
	{"generic", `{"time":"2026-01-01T00:00:00.123456789Z","tenant":"acme","service":"osm","route":"cases","method":"POST","path":"/v2/cases?x=1","status":200,"latency_ms":12.5,"request_id":"r-9","content_type":"application/json","response_body":"` + inner + `","message":"done"}`,
		Access{Time: at, Tenant: "acme", Service: "osm", Route: "cases", Method: "POST", Path: RawText("/v2/cases"), Status: 200, LatencyMS: 12.5, HasLatency: true, RequestID: RawText("r-9"), ContentType: "application/json", Body: body}},
}

// only gives the one access of a record, its body unescaped.
func only(t *testing.T, rec Record) Access {
	t.Helper()
	if len(rec.Elements) != 1 || rec.Elements[0].DeadLetter != "" {
		t.Errorf("%+v", rec)
		return Access{}
	}
	a := rec.Elements[0].Access
	if a.Escaped {
		a.Body, a.Escaped = jsontree.AppendUnescaped(nil, a.Body), false
	}
	return a
}

func TestSamples(t *testing.T) {
	for _, s := range samples {
		s.want.Format = s.format
		rec := read(t, "auto", s.record)
		if got := only(t, rec); rec.Format != s.format || !cmp.Equal(got, s.want) {
			t.Errorf("%s\n%s (-want +got):\n%s", s.record, rec.Format, cmp.Diff(s.want, got))
		}
		// Of the format that the configuration names, it is the same.
		if got := only(t, read(t, s.format, s.record)); !cmp.Equal(got, s.want) {
			t.Errorf("given %s: %s (-want +got):\n%s", s.format, s.record, cmp.Diff(s.want, got))
		}
	}
}

// TestFormatsAreDescribed holds docs/formats.md to the table: each format has a row there, in the
// order in which the formats are tried.
func TestFormatsAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, f := range formats {
		row := bytes.Index(text, []byte("\n| `"+f.name+"` |"))
		if row < last {
			t.Errorf("docs/formats.md has no row for %s, or not in the order of the table", f.name)
		}
		last = max(last, row)
		if f.hint == "" {
			t.Errorf("%s has no hint", f.name)
		}
	}
}

// recorded are the records of the corpus that are one request, with a time of its own, of a format
// that is not everybody's, and that are not wrapped already.
func recorded(t *testing.T) (all []sample) {
	t.Helper()
	names, err := filepath.Glob("../../cmd/ingest/testdata/records/*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), "wrap_") {
			continue
		}
		value, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		value = trimSpace(value)
		clock := KafkaClock(kafkaTime)
		clock.Fallback, clock.Optional = time.Time{}, true
		rec := reader(t, Config{}).Read("", value, clock)
		if rec.Format == "generic" || len(rec.Elements) != 1 || rec.Elements[0].DeadLetter != "" {
			continue
		}
		if a := only(t, rec); a.Format == rec.Format && !a.Time.IsZero() {
			all = append(all, sample{rec.Format, string(value), a})
		}
	}
	if len(all) < 150 {
		t.Fatalf("%d records, want 150 and more", len(all))
	}
	return all
}

// TestWrappers puts each sample and each record of the corpus into what shippers wrap around it.
func TestWrappers(t *testing.T) {
	quoted := func(s string) string { return string(appendQuoted(nil, []byte(s), false)) }
	all := append(recorded(t), samples...)
	r := reader(t, Config{})
	f := func(wrap func(record string) string) {
		t.Helper()
		for _, s := range all {
			s.want.Format = s.format
			wrapped := wrap(s.record)
			if wrapped == "" {
				continue
			}
			rec := r.Read("", []byte(wrapped), KafkaClock(kafkaTime))
			if strings.HasPrefix(wrapped, `{"resourceLogs"`) {
				rec.Format = s.format
			}
			if got := only(t, rec); rec.Format != s.format || !cmp.Equal(got, s.want) {
				t.Errorf("%s\n%s (-want +got):\n%s", wrapped, rec.Format, cmp.Diff(s.want, got))
			} else if raw := string(rec.Elements[0].Raw); raw != wrapped && !strings.Contains(wrapped, `Events":[`) && !strings.Contains(wrapped, `{"resourceLogs"`) {
				t.Errorf("raw is %s", raw)
			}
		}
	}
	text := func(format string) func(string) string {
		return func(record string) string { return fmt.Sprintf(format, quoted(record)) }
	}
	object := func(format string) func(string) string {
		return func(record string) string {
			if record[0] != '{' || strings.Contains(record, "resourceLogs") {
				return ""
			}
			return fmt.Sprintf(format, record)
		}
	}
	f(text(`{"@timestamp":"2026-02-02T00:00:00.000Z","@metadata":{"beat":"filebeat"},"message":%s,"log":{"offset":1,"file":{"path":"/var/log/access.log"}},"host":{"name":"h"},"event":{"dataset":"nginx.access"}}`))
	f(text(`{"log":%s,"stream":"stdout","time":"2026-02-02T00:00:00.123456789Z"}`)) // Docker
	f(text(`{"file":"/var/log/access.log","host":"h","message":%s,"source_type":"file","timestamp":"2026-02-02T00:00:00Z"}`))
	f(text(`{"@version":"1","path":"/var/log/access.log","message":%s,"@timestamp":"2026-02-02T00:00:00Z"}`)) // Logstash
	f(text(`{"time":1769990400.5,"host":"h","sourcetype":"x","event":%s}`))                                   // Splunk HEC
	f(object(`{"time":1769990400.5,"host":"h","event":%s}`))
	f(object(`{"date":1769990400.5,"kubernetes":{"pod_name":"p"},"log_processed":%s}`)) // Fluent Bit
	f(object(`{"@timestamp":"2026-02-02T00:00:00Z","json":%s}`))
	f(text(`{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":1769990400500,"message":%s}]}`))
	f(func(record string) string { return "2026-02-02T00:00:00.123456789Z stdout F " + record })
	f(func(record string) string { return "<134>Feb  2 00:00:00 host nginx: " + record })
	f(func(record string) string { return "<134>1 2026-02-02T00:00:00Z host app 1 - - " + record })
	f(func(record string) string { return `<134>1 2026-02-02T00:00:00Z host app 1 - [x y="z"] ` + record })
	// Three deep.
	f(func(record string) string {
		return `{"message":` + quoted(`{"log":`+quoted("2026-02-02T00:00:00.123456789Z stdout F "+record)+`}`) + `}`
	})
	// OTLP around a record.
	f(text(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":"1769990400000000000","body":{"stringValue":%s}}]}]}]}`))
}

func TestWrapperFillsIn(t *testing.T) {
	f := func(record string, format string, want ...Access) {
		t.Helper()
		rec := read(t, "auto", record)
		var got []Access
		for _, e := range rec.Elements {
			if e.DeadLetter != "" {
				t.Errorf("%s: %s", record, e.DeadLetter)
			}
			got = append(got, e.Access)
		}
		for i := range want {
			if want[i].BodyState = Absent; want[i].Format == "" {
				want[i].Format = format
			}
		}
		if rec.Format != format || !cmp.Equal(got, want) {
			t.Errorf("%s\n%s (-want +got):\n%s", record, rec.Format, cmp.Diff(want, got))
		}
	}
	generic := `{\"status\":200}`
	f(`{"@timestamp":"2026-01-01T00:00:00.123Z","message":"`+generic+`","fields":{"tenant":"acme"}}`, "generic", Access{Time: at, Tenant: "acme", Status: 200})
	f(`{"@timestamp":"2026-01-01T00:00:00.123Z","message":"[`+generic+`,`+generic+`]","labels":{"tenant":"acme"}}`, "generic", Access{Time: at, Tenant: "acme", Status: 200}, Access{Time: at, Tenant: "acme", Status: 200})
	f(`{"tenant_id":"acme","log":"{\"tenant\":\"own\",\"status\":200}","time":"2026-01-01T00:00:00.123Z"}`, "generic", Access{Time: at, Tenant: "own", Status: 200})
	f(`{"logEvents":[{"timestamp":1767225600123,"message":"`+generic+`"},{"timestamp":1767225600000,"message":"`+generic+`"}]}`, "generic", Access{Time: at, Status: 200}, Access{Time: at0, Status: 200})
	f("2026-01-01T00:00:00.123456789Z stdout F "+`{"status":200}`, "generic", Access{Time: at, Status: 200})
	f(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":1767225600123000000,"traceId":"t-1","body":{"kvlistValue":{"values":[{"key":"status","value":{"intValue":404}},{"key":"path","value":{"stringValue":"/x"}}]}}}]}]}]}`,
		"otlp", Access{Time: at, Service: "shop", Path: RawText("/x"), Status: 404, RequestID: RawText("t-1"), Format: "generic"})
}

func TestNoWrapper(t *testing.T) {
	f := func(record string, want Reason) {
		t.Helper()
		rec := read(t, "auto", record)
		got := rec.DeadLetter
		if len(rec.Elements) > 0 {
			got = rec.Elements[0].DeadLetter
		}
		if got != want {
			t.Errorf("%s: %q, want %q", record, got, want)
		}
	}
	f(`{"@timestamp":"2026-01-01T00:00:00.123Z","message":"starting up","log":{"file":{"path":"/x"}},"fields":{"tenant":"t"}}`, ReasonUnknownFormat)
	f(`{"@timestamp":"2026-01-01T00:00:00.123Z","path":"/var/log/app.log","message":"starting up"}`, ReasonUnknownFormat)
	f(`{"log":"{\"status\":200,\"resp","stream":"stdout","time":"2026-01-01T00:00:00Z"}`, ReasonTruncated) // Docker cuts at 16 KiB
	f(`{"message":"[]"}`, ReasonUnknownFormat)
	f(`{"message":"[1,2]"}`, ReasonUnknownFormat)
	f(`{"message":"{\"message\":\"{\\\"message\\\":\\\"{\\\\\\\"message\\\\\\\":1}\\\"}\"}"}`, ReasonUnknownFormat)
	f(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767225600123456789","body":{"stringValue":"starting up"}}]}]}]}`, ReasonUnknownFormat)
	f(`{"logEvents":[{"timestamp":1767225600123,"message":"START RequestId"}]}`, ReasonUnknownFormat)
	f("2026-01-01T00:00:00.123456789Z stdout F starting up", ReasonMalformed)
	f(`192.0.2.1 - - [yesterday] "GET /x HTTP/1.1" 200 153 34`, ReasonMalformed)
	f(`{"time":"2026-01-01T00:00:00Z","status":"starting"}`, ReasonUnknownFormat)
	f(`[GIN-debug] Listening and serving HTTP on :8080`, ReasonMalformed)

	// A record with a message beside it is itself.
	rec := read(t, "auto", `{"status":500,"path":"/x","message":"{\"status\":200}"}`)
	if got := only(t, rec); rec.Format != "generic" || got.Status != 500 {
		t.Errorf("%+v", rec)
	}
	// An element of OTLP that is no request stands between those that are.
	rec = read(t, "auto", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}},{"timeUnixNano":"1767225600123456789","attributes":[{"key":"http.status_code","value":{"intValue":200}}]}]}]}]}`)
	if rec.Format != "otlp" || len(rec.Elements) != 2 || rec.Elements[0].DeadLetter != ReasonUnknownFormat || string(rec.Elements[0].Raw) != `{"body":{"stringValue":"x"}}` || rec.Elements[1].Access.Status != 200 {
		t.Errorf("%+v", rec)
	}
}

func TestAnyValue(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		rec := read(t, "auto", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767225600123456789","attributes":[{"key":"http.response.body","value":`+value+`}]}]}]}]}`)
		if got := string(only(t, rec).Body); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
	f(`{"stringValue":"a\"b\u00e9"}`, `a"bé`)
	f(`{"intValue":"7"}`, `7`)
	f(`{"intValue":7}`, `7`)
	f(`{"doubleValue":7.5}`, `7.5`)
	f(`{"boolValue":true}`, `true`)
	f(`{"bytesValue":"eyJhIjoiXHgyMiJ9"}`, `{"a":"\x22"}`)
	f(`{"arrayValue":{"values":[{"intValue":1},{"stringValue":"x"},{}]}}`, `[1,"x",null]`)
	f(`{"kvlistValue":{"values":[{"key":"a","value":{"kvlistValue":{"values":[{"key":"b","value":{"intValue":"1"}}]}}},{"key":"c","value":{"boolValue":false}}]}}`, `{"a":{"b":"1"},"c":false}`)
}

func TestRawResponse(t *testing.T) {
	f := func(response string, want string, state BodyState) {
		t.Helper()
		for _, raw := range []string{base64.StdEncoding.EncodeToString([]byte(response)), base64.RawURLEncoding.EncodeToString([]byte(response))} {
			a := only(t, read(t, "auto", `{"timestamp":"2026-01-01T00:00:00Z","response_code":200,"api_id":"a","org_id":"o","raw_response":"`+raw+`"}`))
			if string(a.Body) != want || a.BodyState != state {
				t.Errorf("%q: %q %s, want %q %s", response, a.Body, a.BodyState, want, state)
			}
		}
	}
	const head = "HTTP/1.1 200 OK\r\nA: b\r\n"
	const chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
	f(head+"\r\n{}", "{}", "")
	f("HTTP/1.1 200 OK\nA: b\n\n{}", "{}", "")
	f(head+"\r\n", "", Empty)
	f(head+"X-Lo", "", Absent)
	f(chunked+"2\r\n{}\r\n0\r\n\r\n", "{}", "")
	f(chunked+"2\r\n{\"\r\n1A\r\n\":1", "{\"\":1", "")      // cut in a chunk
	f(chunked+"2\r\n{}\r\n1", "{}", "")                     // cut in a size
	f(chunked+"2\r\n{}\r\nxyz\r\n", "{}xyz\r\n", "")        // damaged
	f(chunked+`{"not":"chunked"}`, `{"not":"chunked"}`, "") // decoded before it was logged
	f(chunked+"ffffffffffffffff\r\n{}", "ffffffffffffffff\r\n{}", "")
	f(chunked+"ffffffff\r\n{}", "{}", "")
	rec := read(t, "auto", `{"timestamp":"2026-01-01T00:00:00Z","response_code":200,"api_id":"a","org_id":"o","raw_response":"###"}`)
	if a := only(t, rec); a.BodyState != Undecodable {
		t.Errorf("%+v", a)
	}
	rec = read(t, "auto", `{"timestamp":"2026-01-01T00:00:00Z","response_code":200,"api_id":"a","org_id":"o","raw_response":""}`)
	if a := only(t, rec); a.BodyState != Absent { // detailed recording is off
		t.Errorf("%+v", a)
	}
}

// TestInvalidUTF8 holds that broken bytes, such as a body that is still compressed, lose nothing
// around them.
func TestInvalidUTF8(t *testing.T) {
	a := only(t, read(t, "auto", "{\"time\":\"2026-01-01T00:00:00.123Z\",\"tenant\":\"a\xffb\",\"k\xfe\":1,\"status\":200,\"response_body\":\"\x1f\x8b\x08\xff\"}"))
	want := Access{Time: at, Tenant: "a\ufffdb", Status: 200, Body: []byte("\x1f\x8b\x08\xff"), Format: "generic"}
	if !cmp.Equal(a, want) {
		t.Error(cmp.Diff(want, a))
	}
	a = only(t, read(t, "auto", "192.0.2.1 - \xff [01/Jan/2026:08:00:00 +0800] \"GET /\xfe HTTP/1.1\" 200 153 \"-\" \"\xff\""))
	if a.Path.String() != "/\ufffd" || a.Status != 200 {
		t.Errorf("%+v", a)
	}
}

// TestLarge holds that large and deep records are read, and in time.
func TestLarge(t *testing.T) {
	big := strings.Repeat("x", 10<<20)
	if a := only(t, read(t, "auto", `{"status":200,"response_body":"`+big+`"}`)); len(a.Body) != len(big) {
		t.Error(len(a.Body))
	}
	if a := only(t, read(t, "auto", `{"time":"2026-01-01T00:00:00Z","log":"{\"status\":200,\"response_body\":\"`+big+`\"}"}`)); len(a.Body) != len(big) {
		t.Error(len(a.Body))
	}
	if a := only(t, read(t, "auto", `{"status":200,"path":"/`+big+`"}`)); len(a.Path) != maxText {
		t.Error(len(a.Path))
	}
	for _, line := range []string{big, "[" + big, `"` + big, `192.0.2.1 - - [` + big, strings.Repeat("[x] ", 1<<20), "<134>" + big} {
		if rec := read(t, "auto", line); rec.DeadLetter == "" {
			t.Errorf("%.20q: %s", line, rec.Format)
		}
	}
	one := `{"time":"2026-01-01T00:00:00Z","status":200}`
	if rec := read(t, "auto", `[`+strings.Repeat(one+",", maxElements-1)+one+`]`); len(rec.Elements) != maxElements {
		t.Error(len(rec.Elements), rec.DeadLetter)
	}
	if rec := read(t, "auto", `{"message":"[`+strings.ReplaceAll(strings.Repeat(one+",", maxElements)+one, `"`, `\"`)+`]"}`); rec.DeadLetter != ReasonTooMany {
		t.Error(len(rec.Elements), rec.DeadLetter)
	}
	deep := strings.Repeat(`{"message":`, 100_000) + `1` + strings.Repeat(`}`, 100_000)
	if rec := read(t, "auto", deep); rec.DeadLetter != ReasonUnknownFormat {
		t.Error(rec.DeadLetter)
	}
	deep = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":` + strings.Repeat(`{"kvlistValue":{"values":[{"key":"a","value":`, 20_000) + `{}` + strings.Repeat(`}]}}`, 20_000) + `}]}]}]}`
	if rec := read(t, "auto", deep); len(rec.Elements) != 1 || rec.Elements[0].DeadLetter != ReasonUnknownFormat {
		t.Errorf("%+v", rec)
	}
	// What would take minutes if it were looked through again for each of its pieces.
	if rec := read(t, "auto", `/ a=1 b=2 c=3 "`+strings.Repeat(`\"`, 400_000)); rec.DeadLetter != ReasonMalformed {
		t.Error(rec.DeadLetter)
	}
	if rec := read(t, "auto", strings.Repeat(`{"status":200}`, 1<<18)); rec.DeadLetter != ReasonTooMany {
		t.Error(len(rec.Elements), rec.DeadLetter)
	}
}

// FuzzRecord holds of any record what enrich and store rely on.
func FuzzRecord(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.record))
	}
	r, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value []byte) { checkRecord(t, r, value) })
}

// FuzzText is FuzzRecord for text lines, of which it changes the values.
func FuzzText(f *testing.F) {
	f.Add("192.0.2.1", "01/Jan/2026:08:00:00 +0800", "GET /x HTTP/1.1", "200", "0.012")
	f.Add("a b", "2026-01-01T00:00:00Z", "\" \"", "-", "]")
	r, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address, at, request, status, latency string) {
		for _, row := range formats {
			for _, line := range row.lines {
				value := strings.NewReplacer("$remote_addr", address, "$time_local", at, "$start_time", at, "$time", at, "$request", request, "$method $path $protocol", request, "$status", status, "$rsp_st", status,
					"$response_code", status, "$duration", latency, "$latency", latency, "$_", "").Replace(line)
				checkRecord(t, r, []byte(value))
			}
		}
	})
}

func checkRecord(t *testing.T, r *Reader, value []byte) {
	clock := KafkaClock(kafkaTime)
	copied := func(rec Record) Record {
		rec.Elements = append([]Element{}, rec.Elements...)
		for i := range rec.Elements {
			rec.Elements[i].Access.Body = append([]byte(nil), rec.Elements[i].Access.Body...)
		}
		return rec
	}
	rec := copied(r.Read("", value, clock))
	if rec.Format == "" || rec.DeadLetter != "" && (len(rec.Elements) > 0 || rec.Format != Unknown) {
		t.Fatalf("%+v", rec)
	}
	for _, e := range rec.Elements {
		a := e.Access
		switch {
		case e.DeadLetter != "":
			if a.Status != 0 || !a.Time.IsZero() || a.Format != "" {
				t.Fatalf("a dead letter with an access: %+v", e)
			}
		case a.Time.Before(earliest) || a.Time.After(clock.Latest) || a.Time.Nanosecond()%1e6 != 0:
			t.Fatalf("time %s", a.Time)
		case (a.BodyState == "") != (len(a.Body) > 0):
			t.Fatalf("a body that is %q: %q", a.BodyState, a.Body)
		case a.Format == "", a.Status < 0, a.LatencyMS < 0:
			t.Fatalf("%+v", a)
		}
	}
	if again := copied(r.Read("", value, clock)); !cmp.Equal(rec, again) {
		t.Fatalf("read again it differs:\n%s", cmp.Diff(rec, again))
	}
}

// BenchmarkFormats is BenchmarkRead for the samples of all formats.
func BenchmarkFormats(b *testing.B) {
	r, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	last := ""
	for _, s := range samples {
		if s.format == last {
			continue
		}
		last = s.format
		b.Run(s.format, func(b *testing.B) {
			value, clock := []byte(s.record), KafkaClock(kafkaTime)
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				r.Read("", value, clock)
			}
		})
	}
}
