package accesslog

import (
	"regexp"
	"slices"
)

// Names that many gateways and their operators use.
var (
	tenantKeys       = from("tenant", "tenant_id", "tenantId", "x_tenant", "x_tenant_id", "x-tenant", "x-tenant-id", "http_x_tenant", "http_x_tenant_id", "http_x_project_id")
	tenantHeaders    = []string{"x-tenant", "x-tenant-id", "x-tenant-name", "x-project-id"}
	requestIDHeaders = []string{"x-request-id", "x-correlation-id"}
	bodyKeys         = append(from("response_body", "resp_body", "responseBody"), source{path: []string{"body"}, either: true})
	bodySizes        = from("body_bytes_sent", "bytes_sent", "upstream_response_length", "responseLength", "DownstreamContentSize")
)

// Names of the status, the latency and the request id in JSON whose keys an operator chose.
var (
	statusKeys    = from("status", "http_status", "response_status", "http_code", "status_code")
	requestIDKeys = from("request_id", "http_x_request_id", "sent_http_x_request_id", "x-request-id", "x_request_id", "trace_id", "req_id", "kong_request_id")
	millisKeys    = in(milliseconds, "latency_ms", "duration_ms", "request_time_ms", "response_time_ms", "elapsed_ms", "latencyMs", "durationMs", "responseTimeMs", "elapsedMs")
	latencyKeys   = slices.Concat(millisKeys,
		in(seconds, "request_time", "responsetime", "resp_time", "response_time", "rt", "duration_s", "duration_seconds"),
		in(milliseconds, "response-time", "Elapsed", "ElapsedMilliseconds"), // of Express, of Serilog, of ASP.NET
		in(byFraction, "responseTime", "requestTime", "requestDuration", "timeTaken"),
		in(0, "latency", "latency_human", "duration"))
)

const (
	keepsNone   = "this gateway logs no bodies: let the services behind it log them in the generic format"
	envoyByLua  = "keep the body in dynamic metadata by a Lua filter and add response_body: \"%DYNAMIC_METADATA(…)%\" to the JSON log format"
	genericHint = "log it under response_body, or under response_body_base64 when it is binary"
)

// Signatures that formats share.
var (
	envoyKeys = []clause{oneOf("response_code"), oneOf("response_flags", "start_time", "duration", "upstream_cluster", "authority")}
	awsKeys   = []string{"requestTime", "requestTimeEpoch", "httpMethod", "resourcePath", "routeKey", "stage", "extendedRequestId"}
	// What Gravitee's classic and v4 engines call the responses, and the name of an API.
	graviteeAPI       = oneOf("api", "apiId", "api-id")
	graviteeResponses = []string{"client-response.", "clientResponse.", "entrypoint-response.", "entrypointResponse.", "proxy-response.", "proxyResponse.", "endpoint-response.", "endpointResponse."}
	graviteeRequests  = []string{"client-request.", "clientRequest.", "entrypoint-request.", "entrypointRequest.", "proxy-request.", "proxyRequest.", "endpoint-request.", "endpointRequest."}
)

// formats are tried in this order, the most specific first. docs/formats.md describes them for
// users.
var formats = []format{
	{
		// https://www.tencentcloud.com/document/product/628/37876. It stands before APISIX because
		// it also has service_id and uri.
		name:  "tencent-apigateway",
		hint:  keepsNone,
		known: []signature{known(oneOf("rsp_st"))},
		lines: []string{"[$app_id][$env_name][$service_id][$http_host][$api_id][$uri][$scheme][rsp_st:$rsp_st][ups_st:$ups_st]" +
			"[cip:$cip][uip:$uip][vip:$vip][rsp_len:$rsp_len][req_len:$req_len][req_t:$req_t][ups_rsp_t:$ups_rsp_t][ups_conn_t:$ups_conn_t][ups_head_t:$ups_head_t]" +
			"[err_msg:$err_msg][tcp_rtt:$tcp_rtt][$pid][$time_local][req_id:$req_id]$_"},
		fields: fields{
			time:           from("time_local"),
			tenant:         from("app_id"),
			service:        from("service_id"),
			route:          from("api_id"),
			path:           from("uri"),
			status:         from("rsp_st"),
			latency:        in(seconds, "req_t"),
			requestID:      from("req_id"),
			gatewayMessage: from("err_msg"),
		},
	},
	{
		// APISIX kafka-logger and its siblings: apisix/utils/log-util.lua. In the default log
		// format, times and latencies are in milliseconds, and start_time has a fraction. A custom
		// log_format has the operator's keys, usually named like nginx's variables, and always the
		// ids.
		name: "apisix",
		hint: "set include_resp_body: true in the logger plugin; with a log_format of your own also add \"response_body\": \"$resp_body\"",
		known: []signature{
			known(allOf("start_time", "request", "response"), oneOf("route_id", "service_id", "server", "apisix_latency", "upstream_latency")),
			known(oneOf("route_id", "service_id"), oneOf("status", "request_uri", "uri", "upstream_addr", "client_ip"), noneOf("started_at")), // started_at: Kong's, flattened
		},
		// Its own access.log: the host stands between the time and the request.
		lines: []string{`$remote_addr - $remote_user [$time_local] $http_host "$request" $status $body_bytes_sent $request_time "$_`},
		fields: fields{
			time:            slices.Concat(in(milliseconds, "start_time"), from("@timestamp", "time_iso8601", "time_local", "msec", "time", "timestamp")),
			tenant:          slices.Concat(under(tenantHeaders, "request.headers."), tenantKeys, from("consumer.username", "consumer.custom_id", "consumer.id", "consumer_name", "consumer")),
			service:         from("service_name", "service_id", "upstream_name"),
			route:           from("route_name", "route_id"),
			method:          from("request.method", "request_method", "method"),
			path:            from("request.uri", "request.url", "request_uri", "uri"),
			requestLine:     from("request"),
			status:          slices.Concat(from("response.status"), statusKeys),
			latency:         slices.Concat(in(milliseconds, "latency"), latencyKeys),
			requestID:       slices.Concat(under(requestIDHeaders, "request.headers.", "response.headers."), requestIDKeys),
			body:            slices.Concat(from("response.body"), bodyKeys),
			bodySize:        bodySizes,
			contentType:     from("response.headers.content-type", "sent_http_content_type"),
			contentEncoding: from("response.headers.content-encoding", "sent_http_content_encoding"),
			grpcStatus:      from("response.headers.grpc-status"),
			grpcMessage:     from("response.headers.grpc-message"),
		},
	},
	{
		// Kong http-log, kafka-log, file-log: kong/pdk/log.lua, serialize. It logs no body by
		// itself; operators add one with custom_fields_by_lua, usually under one of the body keys.
		name: "kong",
		hint: "keep the body with kong.response.get_raw_body() in a post-function plugin and add it as response_body by custom_fields_by_lua",
		known: []signature{
			known(allOf("started_at", "latencies")),
			// Flattened by a plugin, a shipper or a table.
			known(allOf("started_at"), oneOf("latencies.kong", "latencies.proxy", "latencies.request", "latencies_kong", "latencies_proxy", "latencies_request", "latency_kong", "latency_proxy", "latency_request", "upstream_uri")),
		},
		fields: fields{
			time: in(milliseconds, "started_at"),
			tenant: slices.Concat(under(tenantHeaders, "request.headers.", "req_headers.", "request_headers.", `request\.headers\.`, "request_headers_"), tenantKeys,
				from("consumer.username", "consumer.custom_id", "consumer.id", "authenticated_entity.consumer_id", `consumer\.username`, `consumer\.custom_id`, `consumer\.id`,
					"consumer_username", "consumer_name", "consumer_custom_id", "consumer_id", `authenticated_entity\.consumer_id`)),
			service: from("service.name", "service.id", "api.name", "api.id", `service\.name`, `service\.id`, "service_name", "service_id"),
			route:   from("route.name", "route.id", `route\.name`, `route\.id`, "route_name", "route_id"),
			method:  from("request.method", `request\.method`, "request_method", "req_method"),
			path:    from("request.uri", "request.url", `request\.uri`, `request\.url`, "request_uri", "request_url", "req_uri", "req_url", "upstream_uri"),
			status:  from("response.status", `response\.status`, "response_status", "resp_status"),
			latency: in(milliseconds, "latencies.request", `latencies\.request`, "latencies_request", "latency_request", "request_time"),
			requestID: slices.Concat(under(requestIDHeaders, "request.headers.", "response.headers.", "req_headers.", "resp_headers.", "request_headers.", "response_headers.", `request\.headers\.`, `response\.headers\.`),
				from("request.id", `request\.id`, "request_id")),
			body:            slices.Concat(from("response.body", `response\.body`), bodyKeys),
			bodySize:        bodySizes,
			contentType:     from("response.headers.content-type", "resp_headers.content-type", "response_headers.content-type", `response\.headers\.content-type`),
			contentEncoding: from("response.headers.content-encoding", "resp_headers.content-encoding", "response_headers.content-encoding", `response\.headers\.content-encoding`),
			grpcStatus:      from("response.headers.grpc-status", "resp_headers.grpc-status", "response_headers.grpc-status", `response\.headers\.grpc-status`),
			grpcMessage:     from("response.headers.grpc-message", "resp_headers.grpc-message", "response_headers.grpc-message", `response\.headers\.grpc-message`),
		},
	},
	{
		// Tyk Pump: analytics.AnalyticsRecord. raw_response is present if detailed recording is on.
		name: "tyk",
		hint: "turn on detailed recording (enable_detailed_recording) for the API",
		known: []signature{
			known(allOf("api_id", "org_id", "response_code")),
			known(allOf("latency_total", "status"), oneOf("prefix", "upstream_addr", "upstream_address", "upstream_latency")), // the gateway's access log
		},
		fields: fields{
			time:        from("timestamp", "time"),
			tenant:      slices.Concat(tenantKeys, from("alias", "oauth_id", "org_id")),
			service:     from("api_name", "api_id"),
			method:      from("method"),
			path:        from("path", "raw_path"),
			status:      from("response_code", "status"),
			latency:     in(milliseconds, "request_time_ms", "request_time", "latency_total"),
			rawResponse: from("raw_response"),
		},
	},
	{
		// Traefik, pkg/middlewares/accesslog/logdata.go. Durations are in nanoseconds. Headers that
		// it is told to keep are top-level keys.
		name:  "traefik",
		hint:  keepsNone,
		known: []signature{known(oneOf("DownstreamStatus", "OriginStatus"), oneOf("RequestMethod", "RouterName"))},
		lines: []string{
			`$remote_addr - $ClientUsername [$StartUTC] "$request" $DownstreamStatus $size "$referer" "$user_agent" $count "$RouterName" "$ServiceURL" $Duration`,
			`$remote_addr - $ClientUsername [$StartUTC] "$request" $DownstreamStatus $size $referer "$user_agent" $count "$RouterName" "$ServiceURL" $Duration`,
			`$remote_addr - $ClientUsername [$StartUTC] "$request" $DownstreamStatus $size $referer $user_agent $count "$RouterName" "$ServiceURL" $Duration`,
		},
		fields: fields{
			time:            from("StartUTC", "StartLocal", "time"),
			tenant:          slices.Concat(under(tenantHeaders, "request_"), tenantKeys, from("ClientUsername")),
			service:         from("ServiceName"),
			route:           from("RouterName"),
			method:          from("RequestMethod"),
			path:            from("RequestPath"),
			requestLine:     from("request"),
			status:          from("DownstreamStatus", "OriginStatus"),
			latency:         in(nanoseconds, "Duration"),
			requestID:       under(requestIDHeaders, "request_", "downstream_"),
			body:            bodyKeys,
			bodySize:        bodySizes,
			contentType:     from("downstream_content-type", "origin_content-type"),
			contentEncoding: from("downstream_content-encoding", "origin_content-encoding"),
			grpcStatus:      from("downstream_grpc-status", "origin_grpc-status"),
			grpcMessage:     from("downstream_grpc-message", "origin_grpc-message"),
		},
	},
	caddy,
	{
		// Gravitee, the Elasticsearch and JSON shapes of both engines: gravitee-reporter-common,
		// freemarker/es8x/index/{log,request,v4-log,v4-metrics}.ftl. A request makes two records,
		// metrics and log; only the log has bodies.
		name: "gravitee",
		hint: "turn on logging of the response payload for the API (Logs, Configure logging)",
		known: []signature{
			known(graviteeAPI, oneOf("client-response", "clientResponse", "proxy-response", "proxyResponse", "entrypoint-response", "entrypointResponse", "endpoint-response", "endpointResponse")),
			known(graviteeAPI, oneOf("transactionId", "transaction-id", "transaction", "response-time", "gatewayResponseTimeMs", "gateway-response-time-ms"), noneOf("steps")), // steps: it is a health check
			known(graviteeAPI, oneOf("requestId", "request-id"), noneOf(append([]string{"operation", "connectorType", "connector-type"}, awsKeys...)...)),                      // operation: one message of many
		},
		fields: fields{
			time: from("@timestamp", "timestamp"),
			tenant: slices.Concat(under(tenantHeaders, "client-request.headers.", "clientRequest.headers.", "entrypoint-request.headers.", "entrypointRequest.headers."), tenantKeys,
				from("application-name", "applicationName", "application", "applicationId", "application-id", "user"), under(tenantHeaders, "proxy-request.headers.", "endpoint-request.headers.")),
			service:         from("api-name", "apiName", "api", "apiId", "api-id"),
			method:          slices.Concat(under([]string{"method"}, graviteeRequests...), graviteeMethods("method", "http-method", "httpMethod")),
			path:            slices.Concat(under([]string{"uri"}, graviteeRequests...), from("uri", "path", "path-info", "pathInfo")),
			status:          slices.Concat(under([]string{"status"}, graviteeResponses...), from("status")),
			latency:         in(milliseconds, "response-time", "gateway-response-time-ms", "gatewayResponseTimeMs", "proxyResponseTimeMs", "responseTime"),
			requestID:       slices.Concat(from("requestId", "request-id", "_id"), under(requestIDHeaders, "client-request.headers.", "entrypoint-request.headers.")),
			body:            under([]string{"body"}, graviteeResponses...),
			contentType:     under([]string{"headers.content-type"}, graviteeResponses...),
			contentEncoding: under([]string{"headers.content-encoding"}, graviteeResponses...),
			grpcStatus:      under([]string{"headers.grpc-status"}, graviteeResponses...),
			grpcMessage:     under([]string{"headers.grpc-message"}, graviteeResponses...),
		},
	},
	{
		// https://www.alibabacloud.com/help/en/sls/api-gateway. Bodies are cut off at 1,024 bytes.
		name:  "alibaba-apigateway",
		hint:  "record the response body in the log settings of the API group; it is always cut at 1,024 bytes",
		known: []signature{known(oneOf("apiGroupUid", "apiUid", "requestHandleTime"))},
		fields: fields{
			time:           from("requestHandleTime"),
			tenant:         slices.Concat(tenantKeys, from("appName", "appId", "consumerAppKey")),
			service:        from("apiGroupName", "apiGroupUid"),
			route:          from("apiName", "apiUid"),
			method:         from("httpMethod"),
			path:           from("path"),
			status:         from("statusCode"),
			latency:        in(milliseconds, "totalLatency", "serviceLatency"),
			requestID:      from("requestId"),
			body:           from("responseBody"),
			gatewayCode:    from("errorCode"),
			gatewayMessage: from("errorMessage"),
		},
	},
	{
		// Amazon API Gateway: "Mapping template and access logging variable reference". The
		// operator chooses the keys; these are those of the documented formats. All values are
		// strings.
		name:  "aws-apigateway",
		hint:  "this gateway's access log has no body: let the integration log it in the generic format",
		known: []signature{known(oneOf("status"), twoOf(append([]string{"requestId", "apiId"}, awsKeys...)...), noneOf("requestMethod"))},
		// The CLF of the console, of REST APIs and of HTTP APIs.
		lines: []string{
			`$ip $caller $user [$requestTime]"$httpMethod $resourcePath $protocol" $status $responseLength $requestId`,
			`$ip $caller $user [$requestTime]"$httpMethod $resourcePath $protocol" $status $responseLength $requestId $extendedRequestId`,
			`$ip $caller $user [$requestTime] "$httpMethod $routeMethod $resourcePath $protocol" $status $responseLength $requestId`,
		},
		fields: fields{
			time:           slices.Concat(in(milliseconds, "requestTimeEpoch"), from("requestTime")),
			tenant:         slices.Concat(tenantKeys, from("user", "principalId", "apiKeyId", "caller", "authorizer.principalId", "authorizer.claims.sub", "identity.apiKeyId", "identity.user", "identity.caller")),
			service:        from("apiName", "apiId"),
			route:          from("resourcePath", "routeKey"),
			method:         from("httpMethod", "method"),
			path:           from("path", "resourcePath"),
			status:         from("status"),
			latency:        in(milliseconds, "responseLatency"),
			requestID:      from("requestId"),
			body:           bodyKeys,
			bodySize:       bodySizes,
			gatewayCode:    from("errorResponseType", "errorType", "error_response_type", "error_responseType", "error.responseType", `error\.responseType`),
			gatewayMessage: from("errorMessage", "error_message", "error.message", `error\.message`),
		},
	},
	azureAPIM,
	{
		// An OpenTelemetry log record, as otlp.go writes it: the fields of LogRecord, then its
		// attributes, then those of its resource.
		// https://opentelemetry.io/docs/specs/semconv/http/http-spans, old names and new.
		name:  "otlp",
		hint:  "add the attribute http.response.body to the log records",
		loose: true,
		known: []signature{known(oneOf("timeUnixNano", "observedTimeUnixNano"), oneOf("url.path", "http.target", "url.full", "http.url", "http.route", "http.response.status_code", "http.status_code",
			"http.response.body", "http.response.body.content", "response_body"))},
		fields: fields{
			time: in(nanoseconds, "timeUnixNano", "observedTimeUnixNano"),
			tenant: slices.Concat(from("tenant", `tenant\.id`), under([]string{`x-tenant`, `x-tenant-id`, `x-tenant-name`, `x-project-id`}, `http\.request\.header\.`),
				from(`enduser\.id`, `user\.id`, `user\.name`)),
			service:         from(`service\.name`),
			route:           from(`http\.route`),
			method:          from(`http\.request\.method`, `http\.method`),
			path:            from(`url\.path`, `http\.target`, `url\.full`, `http\.url`),
			status:          from(`http\.response\.status_code`, `http\.status_code`),
			latency:         slices.Concat(in(seconds, `http\.server\.request\.duration`), in(milliseconds, "duration_ms")),
			requestID:       from("request_id", `http\.request\.header\.x-request-id`, "traceId"),
			body:            from(`http\.response\.body`, `http\.response\.body\.content`, "response_body"),
			contentType:     from(`http\.response\.header\.content-type`),
			contentEncoding: from(`http\.response\.header\.content-encoding`),
			grpcStatus:      from(`rpc\.grpc\.status_code`),
			grpcMessage:     from(`rpc\.grpc\.status_message`, `http\.response\.header\.grpc-message`),
		},
	},
	kgateway,
	{
		// Istio's sidecars: Envoy's log with the mesh's names.
		// https://istio.io/latest/docs/tasks/observability/logs/access-log.
		name: "istio",
		hint: envoyByLua,
		known: []signature{
			known(append(envoyKeys, oneOf("requested_server_name", "istio_policy_status", "upstream_transport_failure_reason"), noneOf("x-envoy-origin-path"))...),
			{clauses: envoyKeys, where: []condition{{source: source{path: []string{"upstream_cluster"}, pattern: regexp.MustCompile(`^(?:in|out)bound\|`)}}}},
		},
		lines: []string{`[$start_time] "$method $path $protocol" $response_code $response_flags $response_code_details $connection_termination_details "$upstream_transport_failure_reason" ` +
			`$bytes_received $bytes_sent $duration $upstream_service_time "$x_forwarded_for" "$user_agent" "$request_id" "$authority" "$upstream_host" ` +
			`$upstream_cluster $upstream_local_address $downstream_local_address $downstream_remote_address $requested_server_name $route_name`,
			// Before version 1.5, with the status of Mixer's policy.
			`[$start_time] "$method $path $protocol" $response_code $response_flags "$istio_policy_status" $bytes_received $bytes_sent $duration $upstream_service_time ` +
				`"$x_forwarded_for" "$user_agent" "$request_id" "$authority" "$upstream_host" $upstream_cluster $_`,
			`[$start_time] "$method $path $protocol" $response_code $response_flags "$istio_policy_status" "$upstream_transport_failure_reason" ` +
				`$bytes_received $bytes_sent $duration $upstream_service_time "$x_forwarded_for" "$user_agent" "$request_id" "$authority" "$upstream_host" $upstream_cluster $_`},
		fields: istioFields(),
	},
	{
		// Envoy: the operator chooses the keys; these are those of the documented JSON examples.
		// The lines are the default format string, without and with details, and Emissary's.
		name:  "envoy",
		hint:  envoyByLua,
		known: []signature{known(envoyKeys...)},
		lines: []string{`[$start_time] "$method $path $protocol" $response_code $response_flags $bytes_received $bytes_sent $duration $upstream_service_time ` +
			`"$x_forwarded_for" "$user_agent" "$request_id" "$authority" "$upstream_host"$_`,
			`[$start_time] "$method $path $protocol" $response_code $response_flags $response_code_details $bytes_received $bytes_sent $duration $upstream_service_time ` +
				`"$x_forwarded_for" "$user_agent" "$request_id" "$authority" "$upstream_host"$_`,
			`ACCESS [$start_time] "$method $path $protocol" $response_code $response_flags $bytes_received $bytes_sent $duration $upstream_service_time ` +
				`"$x_forwarded_for" "$user_agent" "$request_id" "$authority" "$upstream_host"$_`},
		fields: envoyFields,
	},
	{
		// https://www.tencentcloud.com/document/product/214/35063, There are an older and a newer
		// line.
		name:  "tencent-clb",
		hint:  keepsNone,
		known: []signature{known(oneOf("stgw_request_id"))},
		lines: []string{
			"[$stgw_request_id] [$time_local] [$protocol_type] [$server_addr] [$server_name] [$remote_addr] [$status] [$upstream_addr] [$upstream_status] [$proxy_host] [$request] " +
				"[$request_length] [$bytes_sent] [$http_host] [$http_user_agent] [$http_referer] [$request_time] [$_",
			"[$stgw_request_id] [$time_local] [$protocol_type] [$server_addr] [$server_name] [$remote_addr] [$status] [$upstream_status] [$proxy_host] [$request] " +
				"[$request_length] [$bytes_sent] [$http_host] [$http_user_agent] [$http_referer] [$request_time] [$_",
		},
		fields: fields{
			time:        from("time_local"),
			service:     from("server_name"),
			path:        from("uri"),
			requestLine: from("request"),
			status:      from("status"),
			latency:     in(seconds, "request_time"),
			requestID:   from("stgw_request_id"),
		},
	},
	{
		// Huawei Cloud APIG by LTS: the structuring template "APIG", and SecMaster's
		// sec-apig-access.
		name:  "huawei-apig",
		hint:  keepsNone,
		known: []signature{known(oneOf("api_id"), oneOf("router_uri", "upstream_uri", "opsuba_api_url"))},
		lines: []string{`$my_remote_addr $request_id $api_id $user_id $app_id [$time_local] $request_time $request_method $scheme://$host $router_uri $server_protocol $status $bytes_sent $request_length ` +
			`"$http_user_agent" "$http_x_forwarded_for" "$upstream_addr" $upstream_uri "$upstream_status" "$_`},
		fields: fields{
			time:      from("time_local"),
			tenant:    slices.Concat(tenantKeys, from("user_name", "app_name", "app_id", "user_id")),
			service:   from("group_name", "group_id"),
			route:     from("api_name", "api_id"),
			method:    from("request_method"),
			path:      from("router_uri", "opsuba_api_url", "upstream_uri"),
			status:    from("status"),
			latency:   in(seconds, "request_time"),
			requestID: from("request_id"),
			body:      bodyKeys,
			bodySize:  bodySizes,
		},
	},
	{
		// Huawei Cloud ELB by LTS: the structuring template "ELB".
		name:  "huawei-elb",
		hint:  keepsNone,
		known: []signature{known(oneOf("access_log_topic_id"), oneOf("status"))},
		lines: []string{`$msec $access_log_topic_id [$time_iso8601] $log_ver $remote_addr $status "$request" $request_length $bytes_sent $body_bytes_sent $request_time ` +
			`"$upstream_status" "$upstream_connect_time" "$upstream_header_time" "$upstream_response_time" "$upstream_addr" "$http_user_agent" "$http_referer" "$http_x_forwarded_for" ` +
			`$lb_name $listener_name $listener_id $pool_name "$member_name" $tenant_id $_`},
		fields: fields{
			time:        from("msec", "time_iso8601"),
			tenant:      from("tenant_id"),
			service:     from("lb_name"),
			route:       from("listener_name"),
			method:      from("request_method"),
			path:        from("router_request_uri", "request_uri"),
			requestLine: from("request"),
			status:      from("status"),
			latency:     in(seconds, "request_time"),
		},
	},
	haproxy,
	{
		// nginx and OpenResty. The operator chooses the keys; these are the names of nginx's own
		// variables and those in the usual guides. $request_time is in seconds. The lines are those
		// of Kubernetes' ingress-nginx, and the combined format with whatever an operator added
		// after it.
		name: "nginx",
		hint: "collect the body with body_filter_by_lua (OpenResty) or njs and log it as response_body in a log_format with escape=json",
		known: []signature{known(oneOf("status", "http_status", "response_status", "http_code", "status_code"), oneOf("remote_addr", "request_uri", "request_time", "time_iso8601", "time_local", "msec", "http_user_agent", "upstream_status",
			"upstream_addr", "body_bytes_sent"))},
		lines: []string{
			`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] ` +
				`[$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`,
			// Before version 0.25 of ingress-nginx, the client's address stood twice.
			`$remote_addr - [$real_ip] - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] ` +
				`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`,
			`$remote_addr - [$real_ip] - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"$_`,
			`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"$_`,
			// A latency after the size, or a host before the client.
			`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $request_time "$http_referer" "$http_user_agent"$_`,
			`$http_host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"$_`,
			`$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"$_`,
			`$remote_addr - $real_ip - $remote_user [$time_local] "$request" $status $body_bytes_sent $_`,
		},
		fields: fields{
			time:            from("time_iso8601", "@timestamp", "time_local", "msec", "timestamp", "time", "ts"),
			tenant:          slices.Concat(tenantKeys, from("consumer", "remote_user")),
			service:         from("service", "service_name", "proxy_host", "upstream_name", "server_name", "proxy_upstream_name"),
			route:           from("route", "route_name", "location"),
			method:          from("request_method", "method", "http_method"),
			path:            from("request_uri", "uri", "path", "url"),
			requestLine:     from("request"),
			status:          statusKeys,
			latency:         latencyKeys,
			requestID:       requestIDKeys,
			body:            slices.Concat(from("resp_body"), bodyKeys),
			bodySize:        bodySizes,
			contentType:     from("sent_http_content_type", "upstream_http_content_type"),
			contentEncoding: from("sent_http_content_encoding", "upstream_http_content_encoding"),
			grpcStatus:      from("grpc_status", "sent_trailer_grpc_status", "sent_http_grpc_status", "upstream_trailer_grpc_status"),
			grpcMessage:     from("grpc_message", "sent_trailer_grpc_message", "sent_http_grpc_message", "upstream_trailer_grpc_message"),
		},
	},
	{
		// Akamai's DataStream 2, as JSON. Its path has no slash at its beginning and is encoded.
		// See https://techdocs.akamai.com/datastream2/docs/data-set-parameters.
		name:  "akamai",
		hint:  keepsNone,
		known: []signature{known(oneOf("reqTimeSec"), oneOf("statusCode"), oneOf("reqMethod", "reqHost", "reqPath"), oneOf("streamId", "cp", "cliIP"))},
		fields: fields{
			time:        from("reqTimeSec"),
			service:     from("reqHost"),
			method:      from("reqMethod"),
			path:        from("reqPath"),
			status:      from("statusCode"),
			latency:     in(milliseconds, "turnAroundTimeMSec"),
			requestID:   from("reqId"),
			bodySize:    from("rspContentLen"),
			contentType: from("rspContentType"),
		},
	},
	{
		// KrakenD, whose access log is Gin's. See https://www.krakend.io/docs/logging. The times
		// have no zone.
		name:  "krakend",
		hint:  keepsNone,
		lines: []string{`[GIN] $time | $status | $latency | $client_ip | $method "$path"$_`, `[GIN] $time | $status | $latency | $client_ip | $method $path`},
		fields: fields{
			time:    from("time"),
			method:  from("method"),
			path:    from("path"),
			status:  from("status"),
			latency: in(milliseconds, "latency"),
		},
	},
	{
		// Spring Cloud Gateway: Reactor Netty's AccessLog, the newer line and the older one, which
		// Tomcat and Undertow also write; and the bean that a global filter of the usual guides
		// logs as JSON.
		name: "spring",
		known: []signature{known(oneOf("requestPath", "requestUri", "requestUrl"), oneOf("requestMethod", "responseData", "responseBody", "executeTime", "costTime")),
			known(oneOf("path"), oneOf("responseBody", "responseData"), oneOf("routeId", "serviceId", "targetServer", "executeTime", "costTime"), noneOf("apiGroupUid", "requestHandleTime"))},
		hint: "write the generic format from a GlobalFilter that wraps the response",
		lines: []string{
			`$remote_addr - $user [$time] "$request" $status $bytes $took`,
			`$remote_addr - $user [$time] "$request" $status $bytes $port $duration ms`,
			`$remote_addr - $user [$time] "$request" $status $bytes $duration ms`,
			`$remote_addr - $user [$time] "$request" $status $bytes`,
			`$remote_addr $ident $user [$time] "$request" $status $bytes`,
		},
		fields: fields{
			time:        from("time", "requestTime", "startTime", "createTime", "timestamp", "@timestamp"),
			tenant:      slices.Concat(tenantKeys, from("user", "userId", "userName")),
			service:     from("targetServer", "serviceName", "serviceId", "applicationName"),
			route:       from("routeId"),
			method:      from("requestMethod", "method"),
			path:        from("requestPath", "requestUri", "requestUrl", "path"),
			requestLine: from("request"),
			status:      from("status", "statusCode", "responseStatus", "responseCode", "httpStatus"),
			latency:     slices.Concat(in(byFraction, "took"), in(milliseconds, "duration", "executeTime", "costTime", "elapsed"), millisKeys),
			requestID:   from("requestId", "traceId"),
			body:        from("responseBody", "responseData"),
		},
	},
	{
		// Our own plain format, for gateways and services that can log what they like
		// (docs/formats.md).
		name:  "generic",
		hint:  genericHint,
		loose: true,
		// A path beside a message is that of a file: a shipper read the message there. An err_trace
		// beside a status is from Caddy's error log, which has the request a second time.
		known: []signature{known(oneOf("response_body", "response_body_base64", "status"), noneOf("err_trace")), known(oneOf("path"), noneOf("message", "log", "event", "msg", "line"))},
		fields: fields{
			time:            from("time", "@timestamp", "timestamp", "ts"),
			tenant:          tenantKeys,
			service:         from("service", "service_name"),
			route:           from("route", "route_name"),
			method:          from("method"),
			path:            from("path"),
			requestLine:     from("request"),
			status:          from("status"),
			latency:         latencyKeys,
			requestID:       requestIDKeys,
			body:            bodyKeys,
			bodySize:        bodySizes,
			bodyBase64:      from("response_body_base64"),
			contentType:     from("content_type"),
			contentEncoding: from("content_encoding"),
			grpcStatus:      from("grpc_status"),
			grpcMessage:     from("grpc_message"),
		},
	},
}

var envoyFields = fields{
	time:            from("start_time", "@timestamp", "timestamp", "time"),
	tenant:          tenantKeys,
	service:         from("upstream_cluster", "authority", ":authority"),
	route:           from("route_name"),
	method:          from("method", "req_method", "request_method"),
	path:            from("path", "x_envoy_original_path", "x-envoy-origin-path", "x-envoy-original-path"),
	status:          from("response_code"),
	latency:         in(milliseconds, "duration"),
	requestID:       from("request_id", "x_request_id", "x-request-id"),
	body:            bodyKeys,
	bodySize:        bodySizes,
	contentType:     from("response_content_type", "resp_content_type"),
	contentEncoding: from("response_content_encoding", "resp_content_encoding"),
	grpcStatus:      from("grpc_status", "grpc_status_number"),
	grpcMessage:     from("grpc_message"),
}

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
		method:  from("method", "http_method", "request_method", "http_verb"),
		path:    from("path", "uri", "request_uri", "http_path"), requestLine: from("request", "http_request"),
		status:      from("status", "status_code", "http_status", "http_status_code"),
		latency:     slices.Concat(withPattern(in(milliseconds, "timers"), `(\d+)$`), in(milliseconds, "Ta", "Tt", "time_active", "time_total", "time_duration", "total_time_milliseconds")),
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

// graviteeMethods is a method that Gravitee writes as a word or as a number:
// io.gravitee.common.http.HttpMethod.
func graviteeMethods(keys ...string) field {
	f := from(keys...)
	for i := range f {
		f[i].names = []string{"", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
	}
	return f
}

// istioFields are Envoy's, except that the service is the host in a cluster such as
// outbound|80||svc.ns.svc.cluster.local. Other clusters have none.
func istioFields() fields {
	f := envoyFields
	f.service = field{{path: []string{"upstream_cluster"}, pattern: regexp.MustCompile(`\|([^|]+)$`)}, {path: []string{"authority"}}}
	return f
}

// Formats are the names of the built-in formats.
func Formats() (names []string) {
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Hint returns one sentence on how to make a gateway log response bodies.
func Hint(name string) string {
	for _, f := range formats {
		if f.name == name {
			return f.hint
		}
	}
	return genericHint
}
