package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"errata/internal/catalog"
	"errata/internal/notify"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// fleet is the generated data of BenchmarkEvaluate: 90 days of 5,000 tenants, which have between 6
// and 288 minutes with requests a day. A tenth of these minutes have errors, of 40 codes.
type fleet struct{ benchData }

const (
	fleetTenants = 5000
	fleetDays    = 90
)

func newFleet(b *testing.B) *fleet {
	b.Helper()
	f := &fleet{newBenchData(b)}
	for day := range fleetDays {
		f.generate(b, midnight.AddDate(0, 0, day+1-fleetDays))
	}
	f.sql(b, fmt.Sprintf(`INSERT INTO @batch_rows (topic, partition, first_offset, last_offset, epoch, fingerprint, records, requests, errors, dead_letters, min_ts, max_ts)
		SELECT 'logs', number %% 4, number * 1000, number * 1000 + 999, 0, 'p', 1000, 1000, 100, 0, fromUnixTimestamp64Milli(toInt64(%d + number * 7500) AS at, 'UTC'), fromUnixTimestamp64Milli(at + 30000, 'UTC')
		FROM numbers(%d)`, midnight.AddDate(0, 0, 1-fleetDays).UnixMilli(), fleetDays*24*60*8),
		`INSERT INTO @code_sightings (tenant, code, first_seen, last_seen) SELECT tenant, code, min(minute), max(minute) FROM @error_sums GROUP BY tenant, code`)
	return f
}

// generate inserts the minutes of a day and, if the day is over, its hours.
func (f *fleet) generate(b *testing.B, day time.Time) {
	b.Helper()
	from := fmt.Sprintf(`(SELECT number %% %d AS n, intDiv(number, %d) AS slot, cityHash64(n, slot, %d) AS hash,
			fromUnixTimestamp64Milli(toInt64(%d + (slot * 5 + hash %% 5) * 60000), 'UTC') AS minute,
			concat('t', toString(n)) AS tenant, concat('s', toString(n %% 10)) AS service, concat('r', toString(hash %% 20)) AS route
		FROM numbers(%d) WHERE intDiv(hash, 100) %% 1000 < 20 * pow(50, n / %d))`,
		fleetTenants, fleetTenants, day.Unix(), day.UnixMilli(), fleetTenants*288, fleetTenants-1)
	f.sql(b, `INSERT INTO @traffic_sums (minute, tenant, service, route, status, body_state, topic, partition, first_offset, epoch, requests, errors)
			SELECT minute, tenant, service, route, 200, 'present', 'logs', n % 4, slot, 0, 10 + intDiv(hash, 7) % 10, intDiv(hash, 1000000) % 10 = 0 FROM `+from,
		`INSERT INTO @error_sums (minute, tenant, service, route, code, dialect, topic, partition, first_offset, epoch, family, kind, errors, first_seen, last_seen)
			SELECT minute, tenant, service, route, concat('OSM.010100', leftPad(toString(intDiv(hash, 13) % 40 AS c), 2, '0')), 'huawei', 'logs', n % 4, slot, 0,
				concat('F', toString(c % 4)), ['quota', 'auth', 'internal', 'rate_limit', 'dependency'][1 + c % 5], 1, minute, minute
			FROM `+from+` WHERE intDiv(hash, 1000000) % 10 = 0`)
	if !day.Before(midnight) {
		return
	}
	within := " WHERE toDate(minute) = '" + day.Format(time.DateOnly) + "'"
	f.sql(b, `INSERT INTO @traffic_hour_rows (hour, tenant, service, route, status, body_state, topic, fold, requests, errors)
			SELECT toStartOfHour(minute) AS hour, tenant, service, route, status, body_state, topic, 1, sum(requests), sum(errors) FROM @traffic_sums`+within+` GROUP BY ALL`,
		`INSERT INTO @error_hour_rows (hour, tenant, service, route, family, kind, code, dialect, topic, fold, errors, first_seen, last_seen)
			SELECT toStartOfHour(minute) AS hour, tenant, service, route, family, kind, code, dialect, topic, 1, sum(errors), min(first_seen), max(last_seen) FROM @error_sums`+within+` GROUP BY ALL`,
		fmt.Sprintf("INSERT INTO @fold_rows (day, fold, mark, at) VALUES ('%s', 1, 7, now64(3))", day.Format(time.DateOnly)),
		fmt.Sprintf("INSERT INTO @day_change_rows (day, mark) VALUES ('%s', 7)", day.Format(time.DateOnly)))
}

// fleetRules returns 200 rules: 50 counts, 40 rates, 30 spikes, 20 for new codes, 30 flatlines and
// 30 burn rates, over different windows, codes, kinds and tenants.
func fleetRules() string {
	var text strings.Builder
	text.WriteString("groups:\n  - name: fleet\n    rules:\n")
	rule := func(kind string, i int, lines ...string) {
		fmt.Fprintf(&text, "      - alert: %s%d\n        %s\n", kind, i, strings.Join(lines, "\n        "))
	}
	pick := func(i int, of ...string) string { return of[i%len(of)] }
	kind := func(i int) string { return pick(i, "quota", "auth", "internal", "rate_limit", "dependency") }
	for i := range 50 {
		rule("Count", i, fmt.Sprintf("select: {codes: ['OSM.010100%02d', 'OSM.0101003%d']}", i%40, i%10), "by: ["+pick(i, "tenant", "tenant, code", "service")+"]",
			"count: {over: "+pick(i, "5m", "15m", "1h")+", above: 100}", "for: 2m")
	}
	for i := range 40 {
		rule("Rate", i, fmt.Sprintf("select: {kinds: [%s], exclude: {tenants: ['t%d*']}}", kind(i), i), "by: ["+pick(i, "tenant", "tenant, route")+"]",
			"rate: {over: "+pick(i, "10m", "30m", "1h")+", above: 0.5, min_errors: 30, min_requests: 200}")
	}
	for i := range 30 {
		rule("Spike", i, fmt.Sprintf("select: {codes: ['OSM.010100%02d']}", i), "by: [tenant]", "spike: {pages_per_week: 0.1}")
	}
	for i := range 20 {
		rule("NewCode", i, fmt.Sprintf("select: {tenants: ['t%d*']}", i+1), "new_code: {over: "+pick(i, "1h", "2h")+", min_errors: 30}")
	}
	for i := range 30 {
		rule("Flatline", i, fmt.Sprintf("select: {tenants: ['t%d*']}", i+10), "by: ["+pick(i, "tenant", "service")+"]", "flatline: {of: requests, over: "+pick(i, "15m", "1h")+", usual: 200}")
	}
	for i := range 30 {
		rule("Burn", i, fmt.Sprintf("select: {services: [s%d, s%d]}", i%10, (i+3)%10), "by: ["+pick(i, "tenant", "service", "tenant, route")+"]",
			"burn_rate: {objective: 0.95, min_requests: 20000, count: 10000}")
	}
	return text.String()
}

// event returns the sum of some of ClickHouse's counters.
func event(b *testing.B, clickhouse *stack.ClickHouse, names string) int64 {
	b.Helper()
	n, err := strconv.ParseInt(stacktest.Query(b, clickhouse, "SELECT sum(value) FROM system.events WHERE event IN ("+names+")"), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cpuTime returns the CPU time that this process and ClickHouse's queries have used.
func cpuTime(b *testing.B, clickhouse *stack.ClickHouse) time.Duration {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	micros := event(b, clickhouse, "'UserTimeMicroseconds', 'SystemTimeMicroseconds'")
	return time.Duration(own.Utime.Nano()+own.Stime.Nano()) + time.Duration(micros)*time.Microsecond
}

// BenchmarkEvaluate evaluates 200 rules over 5,000 tenants with 90 days of data, minute by minute
// from 09:55 on, after a first start. It reports the median evaluation and the longest, which is
// the one at 10:01: it also reads what is usual in the next hour. docs/performance.md has the
// figures.
func BenchmarkEvaluate(b *testing.B) {
	began := time.Now()
	f := newFleet(b)
	b.Logf("generated the data in %s", time.Since(began).Round(time.Second))
	groups, err := read("alerts.yaml", []byte(fleetRules()))
	if err != nil {
		b.Fatal(err)
	}
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		b.Fatal(err)
	}
	at, transitions := midnight.Add(9*time.Hour+55*time.Minute), 0
	r := &Runner{
		Config: Config{Groups: groups}, Store: f.store, Catalogs: c, Notifier: notify.New(notify.Defaults, notify.Stored(f.store), stacktest.Log(b)), Log: stacktest.Log(b),
		Now:   func() time.Time { return at },
		Print: func(t store.AlertTransition) error { transitions++; return nil },
	}
	if err := r.Since.Set("1h"); err != nil {
		b.Fatal(err)
	}
	queries := int64(0) // of the latest evaluation
	evaluate := func() (took, cpu time.Duration) {
		var marks []store.Watermark
		for partition := range 4 {
			marks = append(marks, store.Watermark{Topic: "logs", Partition: partition, Watermark: at, At: at})
		}
		if err := f.store.InsertWatermarks(b.Context(), marks); err != nil {
			b.Fatal(err)
		}
		asked := event(b, f.clickhouse, "'SelectQuery'")
		before, began := cpuTime(b, f.clickhouse), time.Now()
		if more, err := r.catchUp(b.Context()); err != nil || more {
			b.Fatal(more, err)
		}
		took, cpu = time.Since(began), cpuTime(b, f.clickhouse)-before
		queries = event(b, f.clickhouse, "'SelectQuery'") - asked
		return took, cpu
	}
	if err := r.start(b.Context()); err != nil {
		b.Fatal(err)
	}
	first, firstCPU := evaluate()
	var all, cpus []time.Duration
	for b.Loop() {
		at = at.Add(time.Minute)
		took, cpu := evaluate()
		all, cpus = append(all, took), append(cpus, cpu)
	}
	if failed := stacktest.Query(b, f.clickhouse, "SELECT count() FROM "+f.database+".alert_states WHERE fingerprint = '' AND state != 'inactive'"); failed != "0" {
		b.Errorf("%s rules failed", failed)
	}
	b.Logf("first start %s (%s CPU), evaluations %v, %d transitions", first, firstCPU, all, transitions)
	slices.Sort(all)
	slices.Sort(cpus)
	b.ReportMetric(all[len(all)/2].Seconds(), "median-s")
	b.ReportMetric(cpus[len(cpus)/2].Seconds(), "median-cpu-s")
	b.ReportMetric(float64(queries), "queries")
	b.ReportMetric(all[len(all)-1].Seconds(), "longest-s")
	b.ReportMetric(cpus[len(cpus)-1].Seconds(), "longest-cpu-s")
}
