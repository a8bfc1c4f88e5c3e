package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/link"
	"errata/internal/report"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// migrate creates the schema of a database.
func migrate(addr, database string) error {
	s, err := store.OpenAndMigrate(context.Background(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		return err
	}
	return s.Close()
}

// open makes a store on an empty database.
func open(t testing.TB) (*store.Store, func(sql string) string) {
	t.Helper()
	addr, database := stacktest.Schema(t, migrate)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, func(sql string) string {
		t.Helper()
		return stacktest.Query(t, stacktest.SharedClickHouse(t), strings.ReplaceAll(sql, "@", database+"."))
	}
}

// builtIn are the catalogs of the program, loaded once.
var builtIn = sync.OnceValues(func() (*catalog.Set, error) { return catalog.Open(catalog.Default) })

func processor(t *testing.T) *enrich.Processor {
	t.Helper()
	c, err := builtIn()
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var kafkaTime = time.Date(2026, 11, 2, 0, 30, 0, 0, time.UTC)

// batch processes values into a batch that begins at an offset.
func batch(t *testing.T, epoch uint32, first int64, values ...string) *store.Batch {
	t.Helper()
	p := processor(t)
	b := store.NewBatch("logs", 3, first, store.Limits{})
	b.Epoch = epoch
	for i, v := range values {
		b.Add(first+int64(i), kafkaTime, p.Record([]byte(v), enrich.Position{Clock: accesslog.KafkaClock(kafkaTime)}))
	}
	return b
}

func line(at, tenant, body string) string {
	return fmt.Sprintf(`{"time":%q,"tenant":%q,"service":"osm","route":"cases","method":"POST","path":"/v2/cases","status":200,"latency_ms":12.5,"request_id":"r-1","response_body":%q}`, at, tenant, body)
}

const quota = `{"error_code":"OSM.01010037","error_msg":"Exceeded the number of times the case limit was created."}`

func TestEveryRowCountsOnceHoweverOftenItIsInserted(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	values := []string{
		line("2026-11-01T23:59:59.123Z", "acme", quota),
		line("2026-11-02T00:00:01Z", "acme", quota),
		line("2026-11-02T00:00:02Z", "acme", `{"ok":1}`),
		`not a record`,
		`[` + line("2026-11-02T00:00:03Z", "globex", `{"error_code":"OptVerse_10000004","error_msg":"The tenant t-1 is not allowed to access the service."}`) + `,7]`,
	}
	for range 3 {
		if err := s.Insert(t.Context(), []*store.Batch{batch(t, 0, 100, values...)}); err != nil {
			t.Fatal(err)
		}
	}
	f := func(sql, want string) {
		t.Helper()
		if got := query(sql); got != want {
			t.Errorf("%s\ngot  %q\nwant %q", sql, got, want)
		}
	}
	f("SELECT count(), countIf(code = 'OSM.01010037') FROM @errors", "3\t2")
	f("SELECT tenant, sum(requests), sum(errors) FROM @traffic_minute GROUP BY tenant ORDER BY tenant", "acme\t3\t2\nglobex\t1\t1")
	f("SELECT code, sum(errors), min(first_seen), max(last_seen) FROM @error_minute GROUP BY code ORDER BY code",
		"OSM.01010037\t2\t2026-11-01 23:59:59.123\t2026-11-02 00:00:01.000\nOptVerse_10000004\t1\t2026-11-02 00:00:03.000\t2026-11-02 00:00:03.000")
	f("SELECT tenant, code, first_seen FROM @codes_seen ORDER BY tenant", "acme\tOSM.01010037\t2026-11-01 23:59:59.123\nglobex\tOptVerse_10000004\t2026-11-02 00:00:03.000")
	f("SELECT reason, offset, `index`, ts, sample FROM @dead_letters ORDER BY offset",
		"malformed\t103\t0\t2026-11-02 00:30:00.000\tnot a record\nnot_an_object\t104\t1\t2026-11-02 00:30:00.000\t7")
	f("SELECT topic, partition, first_offset, last_offset, epoch, records, requests, errors, dead_letters, min_ts, max_ts FROM @batches",
		"logs\t3\t100\t104\t0\t5\t4\t3\t2\t2026-11-01 23:59:59.123\t2026-11-02 00:00:03.000")
	f("SELECT ts, tenant, service, route, method, path, status, code, catalog_code, family, kind, known, template, retry, owner, request_id, latency_ms, dialect, confidence, topic, partition, offset FROM @errors WHERE offset = 100",
		"2026-11-01 23:59:59.123\tacme\tosm\tcases\tPOST\t/v2/cases\t200\tOSM.01010037\tOSM.01010037\tOSM\tquota\ttrue\tExceeded the number of times the case limit was created.\tafter_fix\tcaller\tr-1\t12.5\thuawei\texact\tlogs\t3\t100")
	f("SELECT args, message, remedy FROM @errors WHERE offset = 104", "{'0':'t-1'}\tThe tenant t-1 is not allowed to access the service.\t请联系管理员处理")
}

func TestLaterEpochSwitchesInOneStep(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	insert := func(b *store.Batch) {
		t.Helper()
		if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	sums := func() string {
		return query("SELECT (SELECT count() FROM @errors), (SELECT sum(errors) FROM @error_minute), (SELECT sum(requests) FROM @traffic_minute), (SELECT count() FROM @dead_letters), (SELECT count() FROM @batches)")
	}
	good, bad := line("2026-11-02T00:00:01Z", "acme", quota), "broken"
	insert(batch(t, 0, 10, good, bad, bad))
	insert(batch(t, 0, 13, good))
	if got := sums(); got != "2\t2\t2\t2\t2" {
		t.Fatal(got)
	}
	insert(batch(t, 1, 10, good, good, good)) // the same offsets, as a better parser reads them
	if got := sums(); got != "4\t4\t4\t0\t2" {
		t.Fatal(got)
	}
	insert(batch(t, 0, 10, good, bad, bad)) // a late repeat of the old rows changes nothing
	if got := sums(); got != "4\t4\t4\t0\t2" {
		t.Fatal(got)
	}
	query("INSERT INTO @error_rows (ts, first_offset, topic, partition, offset, epoch) VALUES ('2026-11-02 00:00:01', 10, 'logs', 3, 10, 3)")
	if got := sums(); got != "4\t4\t4\t0\t2" {
		t.Fatal("an epoch counts before its switch: " + got)
	}
	insert(batch(t, 2, 10, good, bad, good))
	if got := sums(); got != "3\t3\t3\t1\t2" {
		t.Fatal(got)
	}
}

func TestManyDaysInOneBatch(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	var values []string
	for day := range 101 { // an INSERT may reach 100 partitions, which are days
		values = append(values, line(kafkaTime.AddDate(0, 0, -day).Format(time.RFC3339), "acme", quota))
	}
	if err := s.Insert(t.Context(), []*store.Batch{batch(t, 0, 0, values...)}); err != nil {
		t.Fatal(err)
	}
	if got := query("SELECT count() FROM @errors"); got != "101" {
		t.Error(got)
	}
}

func TestTwoProcessesMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	addr, database := stacktest.Database(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := store.OpenAndMigrate(context.Background(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func TestClaimHoldsForOneClusterAndGroup(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for range 2 {
		if err := s.Claim(t.Context(), "c1", "errata"); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range [][2]string{{"c2", "errata"}, {"c1", "other"}} {
		if err := s.Claim(t.Context(), other[0], other[1]); !errors.Is(err, link.ErrRefused) {
			t.Errorf("%v: %v", other, err)
		}
	}
}

func TestRefusalsAreOneSentence(t *testing.T) {
	t.Parallel()
	addr := stacktest.ClickHouse(t).Addr // a refused password ends the embedded server, which is then started again
	f := func(cfg store.Config, is error, want string) {
		t.Helper()
		_, err := store.Open(t.Context(), cfg)
		if !errors.Is(err, is) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%v, want %v with %q", err, is, want)
		}
	}
	f(store.Config{Addr: []string{addr}, Database: "nowhere", Username: "default"}, link.ErrRefused, `no data of ours in database "nowhere"`)
	f(store.Config{Addr: []string{addr}, Database: "system", Username: "default"}, link.ErrRefused, `no data of ours in database "system"`)
	f(store.Config{Addr: []string{"127.0.0.1:1"}, Database: "errata", Username: "default"}, link.ErrUnreachable, "does not answer")
	f(store.Config{Addr: []string{addr}, Database: "errata", Username: "default", Password: "wrong"}, link.ErrRefused, "wrong password")
}

func TestAnOldServerIsNamed(t *testing.T) {
	t.Parallel()
	err := store.AnswerTo(&clickhouse.Exception{Code: 115, Message: "Unknown setting 'enable_shared_storage_snapshot_in_query'"})
	if !errors.Is(err, link.ErrRefused) || !strings.Contains(err.Error(), "update it to ClickHouse 25.8 or newer") {
		t.Error(err)
	}
}

func TestTopicsThatNobodyReadsHoldNoWatermarkBack(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	old := batch(t, 0, 0, line("2026-11-02T00:00:01Z", "acme", quota))
	old.Topic = "old"
	if err := s.Insert(t.Context(), []*store.Batch{old}); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	marks := []store.Watermark{{Topic: "logs", Partition: 0, Watermark: now, At: now}, {Topic: "older", Partition: 1, Watermark: now.AddDate(0, -1, 0), At: now.AddDate(0, -1, 0)}}
	if err := s.InsertWatermarks(t.Context(), marks); err != nil {
		t.Fatal(err)
	}
	f := func(want string) {
		t.Helper()
		for range 2 {
			if err := s.RetireTopics(t.Context(), []string{"logs", "more"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := query("SELECT topic, partition FROM @watermarks ORDER BY topic"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("logs\t0")
	if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "old", Partition: 3, Watermark: now, At: time.Now().Add(time.Second)}}); err != nil {
		t.Fatal(err)
	}
	if got := query("SELECT topic, partition FROM @watermarks ORDER BY topic"); got != "logs\t0\nold\t3" {
		t.Errorf("read again: %q", got)
	}
}

func TestTopByTemplateTellsMessagesOfOneCodeApart(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	b := batch(t, 0, 0,
		line("2026-11-02T00:00:01Z", "acme", quota),
		line("2026-11-02T00:00:02Z", "acme", quota),
		line("2026-11-02T00:01:02Z", "acme", `{\"error_code\":\"OSM.01010037\",\"error_msg\":\"something else\"}`))
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	top, err := report.NewTop(t.Context(), s, &catalog.Set{}, report.TopQuery{Scope: store.Scope{From: from, To: from.Add(time.Hour)}, By: []string{"code", "template"}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range top.Rows {
		got = append(got, fmt.Sprintf("%s %q %d of %d", r.Code, r.Template, r.Errors, r.Requests))
	}
	want := []string{`OSM.01010037 "Exceeded the number of times the case limit was created." 2 of 3`, `OSM.01010037 "" 1 of 3`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
