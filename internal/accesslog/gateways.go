package accesslog

import (
	"regexp"
	"slices"
)

// More rows of the table of formats.

// HAProxy's option httplog:
// https://docs.haproxy.org/3.0/configuration.html#8.2.3. Before the request there may be captured
// headers in braces. The last of the timers is the total time, with a + if it is logged early. The
// status is -1 if there was none. In JSON, the operator chooses the keys.
var haproxy = format{
	name:  "haproxy",
	hint:  keepsNone,
	known: []signature{known(oneOf("frontend_name", "frontend"), oneOf("backend_name", "backend"), oneOf("status", "status_code", "http_status", "http_status_code"))},
	lines: []string{
		`$client [$time] $frontend $backend $timers $status $bytes $cc $cs $termination $connections $queues "$request"$_`,
		`$client [$time] $frontend $backend $timers $status $bytes $cc $cs $termination $connections $queues {$captured} "$request"$_`,
	},
	fields: fields{
		time:    from("time", "@timestamp", "timestamp", "accept_date", "time_iso8601"),
		tenant:  tenantKeys,
		service: firstOf(`^([^/]+)`, "backend_name", "backend"),
		route:   firstOf(`^(.*[^~])`, "frontend_name", "frontend"), // a ~ marks TLS
		method:  from("method", "http_method", "request_method"),
		path:    from("path", "uri", "request_uri", "http_path"), requestLine: from("request", "http_request"),
		status:      from("status", "status_code", "http_status", "http_status_code"),
		latency:     slices.Concat(withPattern(in(milliseconds, "timers"), `(\d+)$`), in(milliseconds, "Ta", "Tt", "time_active", "time_total", "total_time_milliseconds")),
		requestID:   from("request_id", "unique_id", "x_request_id", "x-request-id"),
		body:        bodyKeys,
		bodySize:    bodySizes,
		contentType: from("response_content_type"),
	},
}

// Azure API Management's resource log GatewayLogs, as it arrives from an event hub, and as the
// table ApiManagementGatewayLogs has it:
// https://learn.microsoft.com/azure/api-management/gateway-log-schema-reference.
var azureAPIM = format{
	name: "azure-apim",
	hint: "set the number of payload bytes of the frontend response in the API's diagnostic settings (Azure Monitor, at most 8,192)",
	known: []signature{
		{clauses: []clause{oneOf("properties")}, where: []condition{{source: source{path: []string{"category"}}, compare: true, value: "GatewayLogs"}}},
		{clauses: []clause{oneOf("properties")}, where: []condition{{source: source{path: []string{"operationName"}}, compare: true, value: "Microsoft.ApiManagement/GatewayLogs"}}},
		known(allOf("ResponseCode"), oneOf("ApiId", "OperationId", "ApimSubscriptionId", "BackendResponseCode")),
	},
	fields: fields{
		time:            from("time", "TimeGenerated"),
		tenant:          slices.Concat(under(tenantHeaders, "properties.requestHeaders.", "RequestHeaders."), tenantKeys, from("properties.userId", "properties.UserId", "UserId", "properties.apimSubscriptionId", "ApimSubscriptionId")),
		service:         from("properties.apiId", "properties.ApiId", "ApiId"),
		route:           from("properties.operationId", "properties.OperationId", "OperationId"),
		method:          from("properties.method", "properties.Method", "Method"),
		path:            from("properties.url", "properties.Url", "Url"),
		status:          from("properties.responseCode", "properties.ResponseCode", "ResponseCode"),
		latency:         in(milliseconds, "durationMs", "TotalTime", "properties.totalTime"),
		requestID:       from("correlationId", "CorrelationId"),
		body:            from("properties.responseBody", "ResponseBody", "properties.ResponseBody", "properties.backendResponseBody", "properties.BackendResponseBody", "BackendResponseBody"),
		contentType:     under([]string{"content-type"}, "properties.responseHeaders.", "ResponseHeaders."),
		contentEncoding: under([]string{"content-encoding"}, "properties.responseHeaders.", "ResponseHeaders."),
		gatewayCode:     from("properties.lastError.reason", "properties.LastError.Reason", "properties.lastErrorReason", "properties.LastErrorReason", "LastErrorReason"),
		gatewayMessage:  from("properties.lastError.message", "properties.LastError.Message", "properties.lastErrorMessage", "properties.LastErrorMessage", "LastErrorMessage"),
	},
}

// Caddy's access log: https://caddyserver.com/docs/logging. Its error log of the same request has
// neither the size nor the headers of a response, and is no record of a request.
var caddy = format{
	name:  "caddy",
	hint:  keepsNone,
	known: []signature{known(allOf("request", "status", "duration"), oneOf("resp_headers", "bytes_read", "size"))},
	fields: fields{
		time:            from("ts"),
		tenant:          slices.Concat(under(tenantHeaders, "request.headers."), tenantKeys, from("user_id")),
		service:         from("request.host"),
		method:          from("request.method"),
		path:            from("request.uri"),
		status:          from("status"),
		latency:         in(seconds, "duration"),
		requestID:       under(requestIDHeaders, "request.headers.", "resp_headers."),
		body:            bodyKeys,
		bodySize:        from("size"),
		contentType:     from("resp_headers.content-type"),
		contentEncoding: from("resp_headers.content-encoding"),
		grpcStatus:      from("resp_headers.grpc-status"),
		grpcMessage:     from("resp_headers.grpc-message"),
	},
}

// kgateway, whose guide on access logging gives Envoy's operators names of their own, and Gloo
// Gateway, its predecessor.
var kgateway = format{
	name: "kgateway",
	hint: envoyByLua,
	known: []signature{
		known(oneOf("response_code"), oneOf("backendHost", "backendCluster", "total_duration", "resp_backend_service_time")),
		known(oneOf("responseCode"), oneOf("systemTime", "clientDuration", "targetDuration", "upstreamName", "requestDuration")),
	},
	fields: fields{
		time:        from("start_time", "systemTime", "startTime"),
		tenant:      tenantKeys,
		service:     from("backendCluster", "upstreamName", "backendHost", "authority"),
		route:       from("route_name", "routeName"),
		method:      from("method", "httpMethod"),
		path:        from("path", "requestPath"),
		status:      from("response_code", "responseCode"),
		latency:     in(milliseconds, "total_duration", "duration", "clientDuration", "requestDuration"),
		requestID:   from("request_id", "requestId"),
		body:        bodyKeys,
		bodySize:    bodySizes,
		contentType: from("response_content_type"),
		grpcStatus:  from("grpc_status"),
		grpcMessage: from("grpc_message"),
	},
}

// firstOf is a field under one of the paths, of which a pattern's first group counts.
func firstOf(pattern string, dotted ...string) field { return withPattern(from(dotted...), pattern) }

func withPattern(f field, pattern string) field {
	compiled := regexp.MustCompile(pattern)
	for i := range f {
		f[i].pattern = compiled
	}
	return f
}
