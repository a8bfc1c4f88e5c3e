package loadgen

import (
	"fmt"
	"time"
)

// gateway is one way to write access logs.
type gateway struct {
	write   func(dst []byte, r *request) []byte // appends one record to dst
	pages   []page
	whole   bool // logs whole seconds
	batches bool // sends arrays
}

// page is an error page of the gateway itself, without an envelope.
type page struct {
	weight      int
	status      int
	latency     float64 // milliseconds; 0 means the route's
	contentType string
	body        string
	absent      bool
}

// A batching gateway sends an array after so many requests or so much time.
const (
	batchMost = 50
	batchAge  = 8 * time.Second
)

var (
	generic     = gateway{write: writeGeneric, pages: servicePages}
	apisix      = gateway{write: writeAPISIX, pages: apisixPages}
	apisixBatch = gateway{write: writeAPISIX, pages: apisixPages, batches: true}
	kong        = gateway{write: writeKong, pages: kongPages}
	kongCustom  = gateway{write: writeKongCustom, pages: kongPages}
	nginx       = gateway{write: writeNginx, pages: nginxPages, whole: true}
	nginxEpoch  = gateway{write: writeNginxEpoch, pages: nginxPages}
)

var servicePages = []page{
	{weight: 30, status: 502, contentType: "text/plain", body: "upstream connect error or disconnect/reset before headers. reset reason: connection failure\n"},
	{weight: 20, status: 503, contentType: "text/plain", body: "no healthy upstream"},
	{weight: 15, status: 500, contentType: "text/plain", body: "Internal Server Error"},
	{weight: 10, status: 500, contentType: "application/json", body: `{"code":0,"message":"ok","data":null}`},
	{weight: 15, status: 404, contentType: "text/plain", body: "404 page not found\n"},
	{weight: 10, status: 504, latency: 60_000, absent: true},
}

var apisixPages = []page{
	{weight: 30, status: 502, contentType: "text/html", body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"},
	{weight: 15, status: 503, contentType: "text/html", body: "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"},
	{weight: 15, status: 504, latency: 60_000, contentType: "text/html", body: "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"},
	{weight: 15, status: 404, contentType: "text/plain", body: `{"error_msg":"404 Route Not Found"}` + "\n"},
	{weight: 15, status: 401, contentType: "text/plain", body: `{"message":"Missing API key found in request"}` + "\n"},
	{weight: 10, status: 429, contentType: "text/plain", body: ""},
}

var kongPages = []page{
	{weight: 30, status: 502, contentType: "application/json", body: `{"message":"An invalid response was received from the upstream server"}`},
	{weight: 20, status: 503, contentType: "application/json", body: `{"message":"failure to get a peer from the ring-balancer"}`},
	{weight: 15, status: 504, latency: 60_000, contentType: "application/json", body: `{"message":"The upstream server is timing out"}`},
	{weight: 15, status: 429, contentType: "application/json", body: `{"message":"API rate limit exceeded"}`},
	{weight: 10, status: 401, contentType: "application/json", body: `{"message":"Unauthorized"}`},
	{weight: 10, status: 500, absent: true},
}

var nginxPages = []page{
	{weight: 35, status: 502, contentType: "text/html", body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"},
	{weight: 20, status: 504, latency: 60_000, contentType: "text/html", body: "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"},
	{weight: 15, status: 413, contentType: "text/html", body: "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n"},
	{weight: 15, status: 499, contentType: "text/html", body: "-"},
	{weight: 15, status: 403, absent: true},
}

func writeGeneric(dst []byte, r *request) []byte {
	return fmt.Appendf(dst, `{"time":"%s","tenant":"%s","service":"%s","route":"%s","method":"%s","path":%s,"status":%d,"latency_ms":%.3f,"request_id":"%s","content_type":"%s"%s}`,
		r.time.Format("2006-01-02T15:04:05.000Z"), r.tenant.name, r.service.name, r.route.name, r.method, quote(r.target),
		r.status, r.latency, r.id, r.contentType, bodyMember("response_body", r))
}

// writeAPISIX writes the default format of APISIX's kafka-logger.
func writeAPISIX(dst []byte, r *request) []byte {
	return fmt.Appendf(dst, `{"request":{"url":%s,"uri":%s,"method":"%s","headers":{"host":"%s","user-agent":"%s","x-request-id":"%s"},"querystring":{},"size":%d},`+
		`"response":{"status":%d,"headers":{"content-type":"%s","server":"APISIX/3.16.0"},"size":%d%s},`+
		`"server":{"hostname":"gw-1","version":"3.16.0"},"upstream":"%s:8080","service_id":"%s","route_id":"%s","consumer":{"username":"%s"},`+
		`"client_ip":"%s","start_time":%d.5,"latency":%.3f,"upstream_latency":%.0f,"apisix_latency":0.8}`,
		quote("http://"+r.service.host+":9080"+r.target), quote(r.target), r.method, r.service.host, r.agent, r.id, 180+len(r.target),
		r.status, r.contentType, 220+len(r.body), bodyMember("body", r),
		r.upstream, r.service.name, r.route.name, r.tenant.name,
		r.client, r.time.UnixMilli(), r.latency, r.latency*0.95)
}

// writeKong writes the format of Kong's http-log, with a body that an operator has added beside the
// status.
func writeKong(dst []byte, r *request) []byte {
	return kongRecord(dst, r, fmt.Sprintf(`{"id":"%s","username":"%s","custom_id":"4711"}`, r.tenant.project(), r.tenant.name), bodyMember("body", r), "")
}

// writeKongCustom writes the format of another operator: the body at the top, and consumers without
// a user name.
func writeKongCustom(dst []byte, r *request) []byte {
	return kongRecord(dst, r, fmt.Sprintf(`{"id":"%s","custom_id":"%s"}`, r.tenant.project(), r.tenant.name), "", bodyMember("response_body", r))
}

func kongRecord(dst []byte, r *request, consumer, inResponse, atTop string) []byte {
	return fmt.Appendf(dst, `{"request":{"uri":%s,"url":%s,"method":"%s","querystring":{},"headers":{"host":"%s","user-agent":"%s","x-request-id":"%s","authorization":"REDACTED"},"size":%d},`+
		`"upstream_uri":%s,"response":{"status":%d,"headers":{"content-type":"%s","via":"kong/3.9.0"},"size":%d%s},"tries":[{"ip":"%s","port":8080}],`+
		`"latencies":{"kong":2,"proxy":%.0f,"request":%.0f},"route":{"id":"%s","name":"%s"},"service":{"id":"%s","name":"%s"},`+
		`"consumer":%s,"client_ip":"%s","started_at":%d%s}`,
		quote(r.target), quote("https://"+r.service.host+":8443"+r.target), r.method, r.service.host, r.agent, r.id, 180+len(r.target),
		quote(r.target), r.status, r.contentType, 220+len(r.body), inResponse, r.upstream,
		max(r.latency-2, 0), r.latency, "rt-"+r.route.name, r.route.name, "sv-"+r.service.name, r.service.name,
		consumer, r.client, r.time.UnixMilli(), atTop)
}

// shanghai is the time zone of the servers behind writeNginx.
var shanghai = time.FixedZone("", 8*60*60)

// writeNginx writes a log_format with escape=json as guides show it: all values are strings.
func writeNginx(dst []byte, r *request) []byte {
	return fmt.Appendf(dst, `{"@timestamp":"%s","remote_addr":"%s","request_method":"%s","request_uri":%s,"status":"%d","body_bytes_sent":"%d","request_time":"%.3f",`+
		`"upstream_status":"%d","http_user_agent":"%s","http_x_tenant_id":"%s","proxy_host":"%s","route":"%s","request_id":"%s","sent_http_content_type":"%s"%s}`,
		r.time.In(shanghai).Format(time.RFC3339), r.client, r.method, quote(r.target), r.status, len(r.body), r.latency/1000,
		r.status, r.agent, r.tenant.name, r.service.name, r.route.name, r.id, r.contentType, bodyMember("resp_body", r))
}

// writeNginxEpoch writes the format of another operator: times in seconds since 1970, and the
// request line.
func writeNginxEpoch(dst []byte, r *request) []byte {
	return fmt.Appendf(dst, `{"msec":"%d.%03d","remote_addr":"%s","request":%s,"status":"%d","bytes_sent":"%d","request_time":"%.3f",`+
		`"http_user_agent":"%s","tenant":"%s","service":"%s","route_name":"%s","http_x_request_id":"%s"%s}`,
		r.time.Unix(), r.time.UnixMilli()%1000, r.client, quote(r.method+" "+r.target+" HTTP/1.1"), r.status, 220+len(r.body), r.latency/1000,
		r.agent, r.tenant.name, r.service.name, r.route.name, r.id, bodyMember("resp_body", r))
}

// bodyMember returns the body as a further member of an object, or nothing if the body is not
// logged.
func bodyMember(key string, r *request) string {
	if r.absent {
		return ""
	}
	return `,"` + key + `":` + quote(r.body)
}

// quote returns a JSON string as gateways write it: invalid UTF-8 passes through, and only what
// must be escaped is escaped.
func quote(s string) string {
	b, from := append(make([]byte, 0, len(s)+len(s)/8+2), '"'), 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		switch from = i + 1; {
		case c >= ' ':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	b = append(b, s[from:]...)
	return string(append(b, '"'))
}
