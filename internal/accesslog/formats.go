package accesslog

import (
	"strings"

	"errata/internal/jsontree"
)

// format is one gateway's log format: how a record of it is known, and under
// which paths its fields stand. Of several paths the first that leads to a text wins.
type format struct {
	name   string
	detect func(record jsontree.Value) bool

	time, tenant, service, route []path
	method, path, requestLine    []path
	status, latency, requestID   []path
	body                         []path // text, or JSON as such
	bodyBase64                   []path

	latencyUnit float64 // milliseconds in one unit of latency
	dashIsEmpty bool    // "-" as a body means that there is none
}

// formats are tried in this order, the most particular first.
var formats = []format{
	{
		// APISIX kafka-logger and its siblings, default log format: apisix/utils/log-util.lua.
		// Times and latencies in milliseconds, start_time with a fraction.
		name: "apisix",
		detect: func(v jsontree.Value) bool {
			return has(v, "start_time", "request", "response") && hasAny(v, "route_id", "service_id", "apisix_latency", "upstream_latency", "server")
		},
		time:        paths("start_time"),
		tenant:      append(tenantHeaders("request.headers."), paths("consumer.username", "consumer.custom_id", "consumer.id")...),
		service:     paths("service_name", "service_id"),
		route:       paths("route_name", "route_id"),
		method:      paths("request.method"),
		path:        paths("request.uri", "request.url"),
		status:      paths("response.status"),
		latency:     paths("latency"),
		latencyUnit: 1,
		requestID:   requestIDHeaders("request.headers.", "response.headers."),
		body:        paths("response.body"),
	},
	{
		// Kong http-log, kafka-log, file-log: kong/pdk/log.lua, serialize. It logs no body of its own;
		// operators add one by custom_fields_by_lua, mostly under one of the names below.
		name:        "kong",
		detect:      func(v jsontree.Value) bool { return has(v, "started_at", "latencies") },
		time:        paths("started_at"),
		tenant:      append(tenantHeaders("request.headers."), paths("consumer.username", "consumer.custom_id", "consumer.id", "authenticated_entity.consumer_id")...),
		service:     paths("service.name", "service.id"),
		route:       paths("route.name", "route.id"),
		method:      paths("request.method"),
		path:        paths("request.uri", "request.url", "upstream_uri"),
		status:      paths("response.status"),
		latency:     paths("latencies.request"),
		latencyUnit: 1,
		requestID:   append(requestIDHeaders("request.headers.", "response.headers."), paths("request.id")...),
		body:        paths("response.body", "response_body", "resp_body", "body"),
	},
	{
		// nginx and OpenResty with log_format escape=json. The keys are the operator's; these are the names
		// of nginx's own variables and what the usual guides call them. $request_time is in seconds.
		name: "nginx",
		detect: func(v jsontree.Value) bool {
			return hasAny(v, "remote_addr", "request_uri", "request_time", "time_iso8601", "time_local", "msec", "http_user_agent") && has(v, "status")
		},
		time:        paths("time_iso8601", "@timestamp", "time_local", "msec", "timestamp", "time", "ts"),
		tenant:      append(paths("tenant", "http_x_tenant", "http_x_tenant_id", "http_x_project_id"), paths("consumer", "remote_user")...),
		service:     paths("service", "service_name", "proxy_host", "upstream_name", "server_name"),
		route:       paths("route", "route_name", "location"),
		method:      paths("request_method", "method"),
		path:        paths("request_uri", "uri", "path"),
		requestLine: paths("request"),
		status:      paths("status"),
		latency:     paths("request_time"),
		latencyUnit: 1000,
		requestID:   paths("request_id", "http_x_request_id", "sent_http_x_request_id", "trace_id"),
		body:        paths("resp_body", "response_body", "body"),
		dashIsEmpty: true,
	},
	{
		// Our own plain format, for gateways and services that can log what they like (docs/formats.md).
		name: "generic",
		detect: func(v jsontree.Value) bool {
			return hasAny(v, "response_body", "response_body_base64", "status", "path")
		},
		time:        paths("time"),
		tenant:      paths("tenant"),
		service:     paths("service"),
		route:       paths("route"),
		method:      paths("method"),
		path:        paths("path"),
		status:      paths("status"),
		latency:     paths("latency_ms"),
		latencyUnit: 1,
		requestID:   paths("request_id"),
		body:        paths("response_body"),
		bodyBase64:  paths("response_body_base64"),
	},
}

// tenantHeaders are the request headers that name a tenant, under the given prefix.
func tenantHeaders(prefix string) []path {
	return paths(prefix+"x-tenant", prefix+"x-tenant-id", prefix+"x-tenant-name", prefix+"x-project-id")
}

// requestIDHeaders are the headers that carry a request id, under each of the prefixes.
func requestIDHeaders(prefixes ...string) (all []path) {
	for _, p := range prefixes {
		all = append(all, paths(p+"x-request-id", p+"x-correlation-id")...)
	}
	return all
}

// path leads from a record to a field, key by key.
type path []string

func paths(dotted ...string) (all []path) {
	for _, d := range dotted {
		all = append(all, strings.Split(d, "."))
	}
	return all
}

func (p path) find(v jsontree.Value) jsontree.Value {
	for _, key := range p {
		if v = v.Get(key); v.Kind() == jsontree.Missing {
			break
		}
	}
	return v
}

func has(v jsontree.Value, keys ...string) bool {
	for _, key := range keys {
		if v.Get(key).Kind() == jsontree.Missing {
			return false
		}
	}
	return true
}

func hasAny(v jsontree.Value, keys ...string) bool {
	for _, key := range keys {
		if v.Get(key).Kind() != jsontree.Missing {
			return true
		}
	}
	return false
}
