package report_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"errata/internal/catalog"
	"errata/internal/report"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// The generated data of BenchmarkWindows: windowRows rows a day in each of error_rows, error_sums
// and traffic_sums, some 30 million in each, written four times a day. They are of 500 tenants, 20
// routes and 300 codes, of which a few make up the most. A built-in catalog lists half of the
// codes. Every sum counts one error, so the groups are as many as they can be.
const (
	windowDays = 90
	windowRows = 4 * 83_334
)

// windows returns a store with the data and a function that executes a statement, in which @ stands
// before the name of a table. The server is one of its own: the shared one compiles no expressions.
func windows(b *testing.B, c *catalog.Set, now time.Time) (*store.Store, func(string) string) {
	b.Helper()
	const database = "windows"
	clickhouse := stacktest.ClickHouse(b)
	s, err := store.OpenAndMigrate(b.Context(), store.Config{Addr: []string{clickhouse.Addr}, Database: database, Username: "default"})
	stacktest.Must(b, err)
	b.Cleanup(func() { s.Close() })
	query := func(sql string) string {
		b.Helper()
		return stacktest.Query(b, clickhouse, strings.ReplaceAll(sql, "@", database+"."))
	}
	var listed []string
	for _, l := range c.Search("the") { // nearly all
		listed = append(listed, "'"+l.Entry.Code+"'")
	}
	today := now.Truncate(24 * time.Hour)
	for quarter := range 4 * windowDays {
		from := today.AddDate(0, 0, 1-windowDays).Add(time.Duration(quarter) * 6 * time.Hour)
		rows := fmt.Sprintf(`(WITH [%s] AS listed SELECT cityHash64(number, %d) AS h, fromUnixTimestamp64Milli(toInt64(%d + h %% 21600000), 'UTC') AS at,
				toUInt32(500 * pow((h %% 99991) / 99991, 3)) AS n, toUInt32(300 * pow((intDiv(h, 99991) %% 99989) / 99989, 4)) AS c,
				concat('tenant-', toString(n)) AS tenant, concat('service-', toString(n %% 10)) AS service, concat('route-', toString((n + intDiv(h, 1000003) %% 4) %% 20)) AS route,
				c %% 2 = 0 AS known, if(known, listed[1 + intDiv(c, 2) %% length(listed)], concat('LIVE.01', leftPad(toString(c), 6, '0'))) AS code, if(known, splitByChar('.', code)[1], 'unknown') AS family,
				['quota', 'auth', 'internal', 'rate_limit'][1 + c %% 4] AS kind, [200, 200, 400, 500][1 + h %% 4] AS status, toInt32(intDiv(h, 7) %% 8) AS partition,
				toInt64(%d + intDiv(toUnixTimestamp(at), 5)) * 1000 AS first_offset
			FROM numbers(%d) WHERE at < fromUnixTimestamp64Milli(%d))`, strings.Join(listed, ", "), quarter, from.UnixMilli(), quarter*10_000, windowRows/4, now.UnixMilli())
		query(`INSERT INTO @error_rows (ts, tenant, service, route, method, path, status, code, family, kind, known, message, template, args, owner, request_id, latency_ms, dialect, confidence,
				body_state, catalog_version, topic, partition, offset, first_offset)
			SELECT at, tenant, service, route, 'POST', concat('/v1/', toString(h % 1000), '/cases'), status, code, family, kind, known, concat('The quota of ', toString(h % 5000), ' is exceeded.'),
				'The quota of {0} is exceeded.', map('0', toString(h % 5000)), 'caller', toString(h), h % 1000, 'huawei', 'exact', 'json', '` + c.Version + `', 'logs', partition, first_offset + h % 1000, first_offset
			FROM ` + rows)
		query(`INSERT INTO @error_sums (minute, tenant, service, route, code, dialect, topic, partition, first_offset, family, kind, errors, first_seen, last_seen)
			SELECT toStartOfMinute(at), tenant, service, route, code, 'huawei', 'logs', partition, first_offset, family, kind, 1, at, at FROM ` + rows)
		query(`INSERT INTO @traffic_sums (minute, tenant, service, route, status, body_state, topic, partition, first_offset, requests, errors)
			SELECT toStartOfMinute(at), tenant, service, route, status, 'json', 'logs', partition, first_offset, 12, 1 FROM ` + rows)
	}
	for _, sql := range []string{
		"INSERT INTO @code_sightings SELECT tenant, code, min(first_seen), max(last_seen) FROM @error_sums GROUP BY tenant, code",
		"INSERT INTO @day_change_rows SELECT DISTINCT toDate(minute), 7 FROM @traffic_sums",
		"OPTIMIZE TABLE @error_rows FINAL", // which the table's settings ask for half a day later
	} {
		query(sql)
	}
	stacktest.Must(b, s.InsertWatermarks(b.Context(), []store.Watermark{{Topic: "logs", Watermark: now, At: now}}))
	return s, query
}

// BenchmarkWindows asks the reports for short and long windows, before the closed days are rolled
// up and after. It reports the CPU time of ClickHouse's queries for each. docs/performance.md has
// the figures.
func BenchmarkWindows(b *testing.B) {
	c, err := catalog.Open(catalog.Default)
	stacktest.Must(b, err)
	now := time.Now().UTC().Truncate(time.Minute)
	s, query := windows(b, c, now)
	cpu := func() float64 {
		n, err := strconv.ParseFloat(query("SELECT sum(value) FROM system.events WHERE event IN ('UserTimeMicroseconds', 'SystemTimeMicroseconds')"), 64)
		stacktest.Must(b, err)
		return n / 1000
	}
	const day = 24 * time.Hour
	since := func(length time.Duration) store.Scope { return store.Scope{From: now.Add(-length), To: now} }
	top := func(length time.Duration, by ...string) func() error {
		return func() error {
			_, err := report.NewTop(b.Context(), s, c, report.TopQuery{Scope: since(length), By: by, Limit: 20})
			return err
		}
	}
	explain := func(length time.Duration) func() error {
		return func() error {
			x := report.Explanation{Code: "LIVE.01000001"}
			return x.AddLive(b.Context(), s, c, since(length), "", time.UTC)
		}
	}
	ask := func(state string) {
		for _, q := range []struct {
			name string
			ask  func() error
		}{
			{"top 1h", top(time.Hour, "tenant", "code")}, {"top 24h", top(day, "tenant", "code")}, {"top 7d", top(7*day, "tenant", "code")},
			{"top 30d", top(30*day, "tenant", "code")}, {"top 90d", top(90*day, "tenant", "code")}, {"top 90d by tenant", top(90*day, "tenant")},
			{"explain 24h", explain(day)}, {"explain 7d", explain(7 * day)}, {"explain 90d", explain(90 * day)},
			{"drift 7d", func() error { _, err := report.NewDrift(b.Context(), s, c, since(7*day)); return err }},
		} {
			b.Run(q.name+" "+state, func(b *testing.B) {
				before := cpu()
				for b.Loop() {
					stacktest.Must(b, q.ask())
				}
				b.ReportMetric((cpu()-before)/float64(b.N), "clickhouse-cpu-ms/op")
			})
		}
	}
	ask("of minutes")
	for days := []time.Time{now}; len(days) > 0; {
		days, err = s.RollUpClosedDays(b.Context(), now)
		stacktest.Must(b, err)
	}
	ask("of days")
}
