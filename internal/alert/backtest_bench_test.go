package alert

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"errata/internal/catalog"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// month is the generated data of BenchmarkBacktest: counts of 500 tenants in every five minutes of
// thirty days and of the seven weeks before. Tenant n has an error rate from 0.2 an hour, for n =
// 0, to 60 an hour, and fifty times as many requests. Both follow the hours of the day and the days
// of the week, and the variance of the errors grows beyond Poisson's with their number.
type month struct {
	benchData
	from, to time.Time
	offset   int // of the next inserted batch
}

// benchData is a database of a benchmark.
type benchData struct {
	clickhouse *stack.ClickHouse
	database   string
	store      *store.Store
}

func newBenchData(b *testing.B) benchData {
	b.Helper()
	addr, database := stacktest.Database(b)
	s, err := store.OpenAndMigrate(b.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return benchData{stacktest.SharedClickHouse(b), database, s}
}

// sql executes statements, in which @ stands before the name of a table.
func (d benchData) sql(b *testing.B, statements ...string) {
	b.Helper()
	for _, sql := range statements {
		stacktest.Query(b, d.clickhouse, strings.ReplaceAll(sql, "@", d.database+"."))
	}
}

const monthTenants = 500

func newMonth(b *testing.B) *month {
	b.Helper()
	m := &month{newBenchData(b), midnight, midnight.AddDate(0, 0, 30), 1}
	m.sql(b, m.generate()...)
	if err := m.store.InsertWatermarks(b.Context(), []store.Watermark{{Topic: "logs", Watermark: m.to, At: m.to}}); err != nil {
		b.Fatal(err)
	}
	return m
}

// holiday is the day on which there is little traffic, and lost the time of which nothing was
// stored.
func (m *month) holiday() time.Time { return m.from.AddDate(0, 0, 10) }
func (m *month) lost() (from, to time.Time) {
	return m.from.Add((15*24 + 2) * time.Hour), m.from.Add((15*24 + 5) * time.Hour)
}

// generate returns the statements that insert what was ingested.
func (m *month) generate() []string {
	start := m.from.AddDate(0, 0, -49)
	lostFrom, lostTo := m.lost()
	uniform := func(what int) string {
		return fmt.Sprintf("((cityHash64(bucket, n, %d) %% 1000000000 + 0.5) / 1e9)", what)
	}
	// draw is a count: of Poisson's distribution for a small mean, of the normal one for a large.
	draw := func(mean string, what int) string {
		u, small := uniform(what), []string{}
		for k := range 9 {
			var terms []string
			for i := range k + 1 {
				terms = append(terms, fmt.Sprintf("pow(%s, %d) / %d", mean, i, int(math.Gamma(float64(i+1)))))
			}
			small = append(small, fmt.Sprintf("toUInt64(%s > exp(-%s) * (%s))", u, mean, strings.Join(terms, " + ")))
		}
		normal := fmt.Sprintf("sqrt(-2 * log(%s)) * cos(6.2831853 * %s)", u, uniform(what+1))
		return fmt.Sprintf("if(%s < 3, %s, toUInt64(max2(0, round(%s + sqrt(%s) * %s))))", mean, strings.Join(small, " + "), mean, mean, normal)
	}
	series := fmt.Sprintf(`(SELECT bucket, n, fromUnixTimestamp64Milli(toInt64((%d + bucket * 300) * 1000), 'UTC') AS at,
			0.2 * pow(300, n / %d) / 12 * exp(0.5 * cos((toHour(at) + toMinute(at) / 60 - 14) / 24 * 6.2831853) + 0.2 * cos(toDayOfWeek(at) / 7 * 6.2831853))
				* if(toDate(at) = '%s', 0.3, 1) AS rate
		FROM (SELECT number AS n FROM numbers(%d)) AS tenants CROSS JOIN (SELECT number AS bucket FROM numbers(%d)) AS buckets
		WHERE NOT (at >= fromUnixTimestamp64Milli(%d) AND at < fromUnixTimestamp64Milli(%d)))`,
		start.Unix(), monthTenants-1, m.holiday().Format(time.DateOnly), monthTenants, int(m.to.Sub(start)/(5*time.Minute)), lostFrom.UnixMilli(), lostTo.UnixMilli())
	errors := draw("(rate * if("+uniform(7)+" < 0.5, 0.5, 1.5))", 3)
	batch := func(offset int, from, to time.Time) string {
		return fmt.Sprintf("('logs', 0, %d, %d, 0, 'p', 1, 1, 1, 0, fromUnixTimestamp64Milli(%d), fromUnixTimestamp64Milli(%d))", offset, offset, from.UnixMilli(), to.UnixMilli())
	}
	return []string{
		"INSERT INTO @batch_rows (topic, partition, first_offset, last_offset, epoch, fingerprint, records, requests, errors, dead_letters, min_ts, max_ts) VALUES " +
			batch(1000, start, lostFrom) + ", " + batch(2000, lostTo, m.to),
		"INSERT INTO @gap_rows (topic, partition, first_offset, last_offset, reason, at) VALUES ('logs', 0, 1001, 1999, 'deleted', now64(3))",
		`INSERT INTO @traffic_sums (minute, tenant, service, route, status, body_state, topic, partition, first_offset, epoch, requests, errors)
			SELECT at, concat('t', toString(n)), 'osm', 'cases', 200, 'present', 'logs', 0, 0, 0, ` + draw("(rate * 50)", 1) + ` AS requests_, least(requests_, ` + errors + `)
			FROM ` + series + ` WHERE requests_ > 0`,
		`INSERT INTO @error_sums (minute, tenant, service, route, code, dialect, topic, partition, first_offset, epoch, family, kind, errors, first_seen, last_seen)
			SELECT at, concat('t', toString(n)), 'osm', 'cases', 'OSM.01010001', 'huawei', 'logs', 0, 0, 0, 'OSM', 'validation',
				` + errors + ` AS errors_, at, at
			FROM ` + series + ` WHERE errors_ > 0`,
		"INSERT INTO @code_sightings (tenant, code, first_seen, last_seen) SELECT tenant, code, min(minute), max(minute) FROM @error_sums GROUP BY tenant, code",
	}
}

// incident adds errors, and as many requests, to a tenant: the given number in each five minutes.
func (m *month) incident(b *testing.B, tenant, day, hour int, errors ...int) Incident {
	b.Helper()
	i := Incident{Name: fmt.Sprintf("t%d on day %d", tenant, day), Labels: map[string]string{"tenant": fmt.Sprintf("t%d", tenant)}}
	i.From = m.from.Add(time.Duration(day*24+hour)*time.Hour + 10*time.Minute)
	i.To = i.From.Add(time.Duration(len(errors)) * 5 * time.Minute)
	var traffic, codes []string
	for n, count := range errors {
		at := fmt.Sprintf("fromUnixTimestamp64Milli(%d)", i.From.Add(time.Duration(n)*5*time.Minute).UnixMilli())
		traffic = append(traffic, fmt.Sprintf("(%s, 't%d', 'osm', 'cases', 200, 'present', 'logs', 0, %d, 0, %d, %d)", at, tenant, m.offset, count, count))
		codes = append(codes, fmt.Sprintf("(%s, 't%d', 'osm', 'cases', 'OSM.01010001', 'huawei', 'logs', 0, %d, 0, 'OSM', 'validation', %d, %s, %s)", at, tenant, m.offset, count, at, at))
	}
	m.offset++
	m.sql(b, "INSERT INTO @traffic_sums (minute, tenant, service, route, status, body_state, topic, partition, first_offset, epoch, requests, errors) VALUES "+strings.Join(traffic, ", "),
		"INSERT INTO @error_sums (minute, tenant, service, route, code, dialect, topic, partition, first_offset, epoch, family, kind, errors, first_seen, last_seen) VALUES "+strings.Join(codes, ", "))
	return i
}

// rise returns the errors of a slow rise: for so many hours, from none to so many an hour.
func rise(hours int, to float64) (errors []int) {
	told := 0.0
	n := hours * 12
	for i := range n {
		sum := to / 12 * float64((i+1)*(i+1)) / float64(2*n)
		errors = append(errors, int(sum)-int(told))
		told = sum
	}
	return errors
}

// BenchmarkBacktest replays the shipped rules over thirty days of 500 tenants with seasons, a
// holiday, three hours without any data and twelve incidents, two of them slow rises and three on
// tenants with less than an error an hour. It has to find all of them at no more than one false
// page a week, in less than a minute.
func BenchmarkBacktest(b *testing.B) {
	m := newMonth(b)
	incidents := []Incident{
		m.incident(b, 20, 3, 4, 5, 5, 4),
		m.incident(b, 60, 8, 13, 4, 4, 4, 4),
		m.incident(b, 100, 20, 22, 8, 7),
		m.incident(b, 150, 2, 9, 9, 8, 8),
		m.incident(b, 200, 5, 17, 8, 8, 7, 7),
		m.incident(b, 250, 12, 3, 10, 10, 10, 10, 10, 10),
		m.incident(b, 300, 14, 11, 14, 14, 13, 13, 13, 13),
		m.incident(b, 350, 19, 20, 17, 17, 17, 17, 16, 16),
		m.incident(b, 400, 23, 0, 25, 25, 25, 25, 25, 25),
		m.incident(b, 480, 26, 15, 40, 40, 40, 40, 40, 40, 30, 30),
		m.incident(b, 220, 17, 6, rise(6, 20)...),
		m.incident(b, 320, 28, 8, rise(8, 50)...),
	}
	groups, err := Load("../../alerts.yaml")
	if err != nil {
		b.Fatal(err)
	}
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		began, used := time.Now(), cpuTime(b, m.clickhouse)
		r := Runner{Config: Config{Groups: groups}, Store: m.store, Catalogs: c, Log: stacktest.Log(b)}
		result, err := r.Backtest(b.Context(), m.from, m.to, BacktestOptions{Incidents: incidents})
		if err != nil {
			b.Fatal(err)
		}
		var out strings.Builder
		if err := result.text(&out); err != nil {
			b.Fatal(err)
		}
		fmt.Println(out.String())
		b.ReportMetric(time.Since(began).Seconds(), "backtest-s")
		b.ReportMetric((cpuTime(b, m.clickhouse) - used).Seconds(), "cpu-s")
		if s := result.Score; s.Found != 12 || s.False > 1 {
			b.Errorf("found %d of 12, %.1f false pages a week", s.Found, s.False)
		}
	}
}
