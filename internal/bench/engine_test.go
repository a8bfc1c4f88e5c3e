package bench

import (
	"fmt"
	"strings"
	"testing"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// extracts is, for each format, what ClickHouse's JSONExtract takes out of a record and the
// expressions of its fields. Each record is parsed once, and its body once.
var extracts = map[string]struct{ tuple, time, tenant, service, route, method, uri, status, latency, requestID, body string }{
	"apisix": {
		tuple: "request Tuple(uri String, method String, headers Tuple(`x-request-id` String)), response Tuple(status UInt16, body String), " +
			"service_id String, route_id String, consumer Tuple(username String), start_time Int64, latency Float64",
		time: "fromUnixTimestamp64Milli(r.start_time, 'UTC')", tenant: "r.consumer.username", service: "r.service_id", route: "r.route_id", method: "r.request.method",
		uri: "r.request.uri", status: "r.response.status", latency: "r.latency", requestID: "tupleElement(r.request.headers, 'x-request-id')", body: "r.response.body",
	},
	"kong": {
		tuple: "request Tuple(uri String, method String, headers Tuple(`x-request-id` String)), response Tuple(status UInt16, body String), " +
			"service Tuple(name String), route Tuple(name String), consumer Tuple(username String), started_at Int64, latencies Tuple(request Float64)",
		time: "fromUnixTimestamp64Milli(r.started_at, 'UTC')", tenant: "r.consumer.username", service: "r.service.name", route: "r.route.name", method: "r.request.method",
		uri: "r.request.uri", status: "r.response.status", latency: "r.latencies.request", requestID: "tupleElement(r.request.headers, 'x-request-id')", body: "r.response.body",
	},
	"nginx": {
		tuple: "time_iso8601 String, request_method String, request_uri String, status String, request_time String, http_x_tenant_id String, service String, route String, " +
			"request_id String, resp_body String",
		time: "parseDateTime64BestEffort(r.time_iso8601, 3, 'UTC')", tenant: "r.http_x_tenant_id", service: "r.service", route: "r.route", method: "r.request_method",
		uri: "r.request_uri", status: "toUInt16(r.status)", latency: "toFloat64(r.request_time) * 1000", requestID: "r.request_id", body: "r.resp_body",
	},
}

// blockRows is how many records the Kafka engine inserts at once. Its documents advise large
// blocks; this is about what it reads in its flush interval.
const blockRows = 524_288

// createEngine makes the tables with which ClickHouse reads the topic itself, in the database
// engine, as its documents advise: the Kafka table keeps nothing; one view takes the fields out of
// each record once and feeds a table that stores nothing (Null); further views fill the target
// tables from it. The catalog is a dictionary in memory. Sums are SummingMergeTree. As many
// consumers as there are cores, each with a thread of its own.
func createEngine(t testing.TB, c *stack.ClickHouse, w *workload, broker, topic string) {
	t.Helper()
	x := extracts[w.Format]
	consumers := min(2, w.Partitions)
	for _, sql := range []string{
		`CREATE DATABASE engine`,
		`CREATE TABLE engine.codes (code String, kind String, description String, remedy String, retry String, owner String) ENGINE = MergeTree ORDER BY code`,
		`INSERT INTO engine.codes VALUES ` + w.codeValues(),
		`CREATE DICTIONARY engine.catalog (code String, kind String, description String, remedy String, retry String, owner String)
			PRIMARY KEY code SOURCE(CLICKHOUSE(DB 'engine' TABLE 'codes')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)`,
		`CREATE TABLE engine.parsed (ts DateTime64(3, 'UTC'), tenant String, service String, route String, method String, path String, status UInt16, latency_ms Float64,
			request_id String, code String, message String, partition Int32, offset Int64) ENGINE = Null`,
		`CREATE TABLE engine.errors (ts DateTime64(3, 'UTC') CODEC(Delta, LZ4), tenant LowCardinality(String), service LowCardinality(String), route LowCardinality(String),
			method LowCardinality(String), path String, status UInt16, latency_ms Float64, request_id String, code LowCardinality(String), family LowCardinality(String),
			kind LowCardinality(String), message String, description LowCardinality(String), remedy LowCardinality(String), retry LowCardinality(String),
			owner LowCardinality(String), partition Int32, offset Int64) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (tenant, ts)`,
		`CREATE TABLE engine.traffic_minute (minute DateTime('UTC'), tenant LowCardinality(String), service LowCardinality(String), route LowCardinality(String), status UInt16,
			requests UInt64, errors UInt64) ENGINE = SummingMergeTree((requests, errors)) PARTITION BY toDate(minute) ORDER BY (minute, tenant, service, route, status)`,
		`CREATE TABLE engine.error_minute (minute DateTime('UTC'), tenant LowCardinality(String), service LowCardinality(String), route LowCardinality(String),
			family LowCardinality(String), kind LowCardinality(String), code LowCardinality(String), errors UInt64)
			ENGINE = SummingMergeTree(errors) PARTITION BY toDate(minute) ORDER BY (minute, tenant, service, route, code, family, kind)`,
		`CREATE MATERIALIZED VIEW engine.to_errors TO engine.errors AS SELECT ts, tenant, service, route, method, path, status, latency_ms, request_id, code, 'BENCH' AS family, d.1 AS kind, message,
			d.2 AS description, d.3 AS remedy, d.4 AS retry, d.5 AS owner, partition, offset
			FROM (SELECT *, dictGet('engine.catalog', ('kind', 'description', 'remedy', 'retry', 'owner'), code) AS d FROM engine.parsed WHERE code != '')`,
		`CREATE MATERIALIZED VIEW engine.to_traffic TO engine.traffic_minute AS SELECT toStartOfMinute(ts) AS minute, tenant, service, route, status, count() AS requests, countIf(code != '') AS errors
			FROM engine.parsed GROUP BY minute, tenant, service, route, status`,
		`CREATE MATERIALIZED VIEW engine.to_error_sums TO engine.error_minute AS SELECT toStartOfMinute(ts) AS minute, tenant, service, route, 'BENCH' AS family,
			dictGet('engine.catalog', 'kind', code) AS kind, code, count() AS errors FROM engine.parsed WHERE code != '' GROUP BY minute, tenant, service, route, code`,
		fmt.Sprintf(`CREATE TABLE engine.queue (message String) ENGINE = Kafka SETTINGS kafka_broker_list = '%s', kafka_topic_list = '%s', kafka_group_name = 'engine',
			kafka_format = 'JSONAsString', kafka_num_consumers = %d, kafka_thread_per_consumer = %d, kafka_max_block_size = %d, kafka_poll_max_batch_size = %d`,
			broker, topic, consumers, min(1, consumers-1), blockRows, blockRows/8),
		fmt.Sprintf(`CREATE MATERIALIZED VIEW engine.parse TO engine.parsed AS
			SELECT %s AS ts, %s AS tenant, %s AS service, %s AS route, %s AS method, path(%s) AS path, %s AS status, %s AS latency_ms, %s AS request_id, e.1 AS code, e.2 AS message,
				_partition AS partition, _offset AS offset
			FROM (SELECT JSONExtract(message, 'Tuple(%s)') AS r, JSONExtract(%s, 'Tuple(error_code String, error_msg String)') AS e, _partition, _offset FROM engine.queue)`,
			x.time, x.tenant, x.service, x.route, x.method, x.uri, x.status, x.latency, x.requestID, strings.ReplaceAll(x.tuple, "'", "''"), x.body),
	} {
		stacktest.Query(t, c, sql)
	}
}

func (w *workload) codeValues() string {
	var all []string
	for i := range w.Codes {
		e := entryOf(i)
		all = append(all, fmt.Sprintf("('%s','%s','%s','%s','%s','%s')", e.code, e.kind, e.description, e.remedy, e.retry, e.owner))
	}
	return strings.Join(all, ",")
}
