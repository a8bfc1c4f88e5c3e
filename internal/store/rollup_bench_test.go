package store_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// BenchmarkRollup rolls up and seals two minutes of 100,000 records a second, of 5,000 tenants, 20
// routes and three statuses, 8 % of them with an error of 300 codes, which 8 partitions wrote in
// batches of two seconds. It reports rows of sums a minute and bytes on the disk per million
// records, by batch and rolled up, and how long a question about the tenants takes.
func BenchmarkRollup(b *testing.B) {
	const perSecond, partitions, seconds, batch = 100_000, 8, 120, 2
	s, query := open(b)
	records := `SELECT fromUnixTimestamp64Milli(toInt64(` + strconv.FormatInt(firstDay.UnixMilli(), 10) + ` + intDiv(number * 1000, ` + strconv.Itoa(perSecond) + `)), 'UTC') AS ts,
		toInt32(number %% ` + strconv.Itoa(partitions) + `) AS partition, toInt64(intDiv(number, ` + strconv.Itoa(perSecond*batch) + `)) AS first_offset,
		concat('tenant-', toString(cityHash64(number, 1) %% 5000)) AS tenant, concat('/v1/route-', toString(cityHash64(number, 2) %% 20)) AS route,
		[200, 200, 404, 500][cityHash64(number, 3) %% 4 + 1] AS status, cityHash64(number, 4) %% 100 < 8 AS failed, concat('OSM.', toString(cityHash64(number, 5) %% 300)) AS code
		FROM numbers(%d, %d)`
	for from := 0; from < seconds*perSecond; from += 10 * perSecond {
		of := fmt.Sprintf(records, from, 10*perSecond)
		query(`INSERT INTO @traffic_sums (minute, tenant, service, route, status, body_state, topic, partition, first_offset, requests, errors)
			SELECT toStartOfMinute(ts) AS minute, tenant, 'shop', route, status, 'json', 'logs', partition, first_offset, count(), countIf(failed) FROM (` + of + `)
			GROUP BY minute, tenant, route, status, partition, first_offset`)
		query(`INSERT INTO @error_sums (minute, tenant, service, route, code, dialect, family, kind, topic, partition, first_offset, errors, first_seen, last_seen)
			SELECT toStartOfMinute(ts) AS minute, tenant, 'shop', route, code, 'huawei', 'OSM', 'quota', 'logs', partition, first_offset, count(), min(ts), max(ts) FROM (` + of + `) WHERE failed
			GROUP BY minute, tenant, route, code, partition, first_offset`)
	}
	query(`INSERT INTO @batch_rows (topic, partition, first_offset, min_ts, max_ts)
		SELECT topic, partition, first_offset, min(minute), max(minute) FROM @traffic_sums GROUP BY topic, partition, first_offset`)
	query(`OPTIMIZE TABLE @traffic_sums FINAL`)
	query(`OPTIMIZE TABLE @error_sums FINAL`)
	metrics := map[string]float64{} // ResetTimer forgets what was reported before
	report := func(table, name string) {
		var rows, bytes float64
		fmt.Sscan(query(`SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND concat(database, '.', table) = '@`+table+`'`), &rows, &bytes)
		metrics[name+"-rows/min"] = rows / (seconds / 60)
		metrics[name+"-B/Mrec"] = bytes / (seconds * perSecond / 1e6)
	}
	ask := func(name string) {
		least := time.Hour
		for range 3 {
			began := time.Now()
			query(`SELECT tenant, sum(requests) AS n FROM @traffic_minute GROUP BY tenant ORDER BY n DESC LIMIT 20`)
			least = min(least, time.Since(began))
		}
		metrics[name+"-ms"] = float64(least.Milliseconds())
	}
	report("traffic_sums", "traffic-by-batch")
	report("error_sums", "errors-by-batch")
	ask("top-by-batch")
	b.ResetTimer()
	steps, _, err := s.BeginRollup(b.Context(), firstDay)
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range append(steps, s.SealSteps(firstDay)...) {
		if err := step(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	query(`ALTER TABLE @seal_rows UPDATE at = at - INTERVAL 2 HOUR WHERE state = 3 SETTINGS mutations_sync = 1`)
	if err := s.EmptySealedDays(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, table := range []string{"traffic_minute_rows", "error_minute_rows"} {
		query(`OPTIMIZE TABLE @` + table + ` FINAL`)
	}
	report("traffic_minute_rows", "traffic")
	report("error_minute_rows", "errors")
	ask("top")
	for name, value := range metrics {
		b.ReportMetric(value, name)
	}
	if left := query(`SELECT (SELECT count() FROM @traffic_sums) + (SELECT count() FROM @error_sums), uniqExact(tenant, route, status) FROM @traffic_minute_rows`); left != "0\t300000" {
		b.Errorf("sums by batch left, groups: %s", left)
	}
}
