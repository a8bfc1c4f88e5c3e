package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/cli"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// auditedStack is a broker and a database with settings that name them, and an ingester to start.
type auditedStack struct {
	*testing.T
	kafka            *stack.Kafka
	broker, database string
	config           string // the flag that names the settings
}

func newAuditedStack(t *testing.T) *auditedStack {
	t.Helper()
	k := stacktest.Kafka(t)
	if err := k.CreateTopic(t.Context(), "gateway-logs", 2); err != nil {
		t.Fatal(err)
	}
	addr, database := stacktest.Database(t)
	s := &auditedStack{T: t, kafka: k, broker: k.Addr, database: database}
	s.configure(addr)
	return s
}

// configure writes the settings for a ClickHouse at an address.
func (s *auditedStack) configure(clickhouse string) {
	s.Helper()
	s.config = settings(s.T, map[string]string{
		"kafka.brokers": s.broker, "clickhouse.addr": clickhouse, "clickhouse.database": s.database, "ingest.batch.age": "100ms", "http.addr": "127.0.0.1:0", "log.level": "error",
	})
}

// ingest calls the program, and gives its exit code and what it printed.
func (s *auditedStack) ingest(args ...string) (code int, stdout, stderr string) {
	s.Helper()
	var out, errs bytes.Buffer
	code = run(s.Context(), append(args, s.config), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// consume starts an ingester, until stop is called.
func (s *auditedStack) consume() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"run", s.config}, strings.NewReader(""), s.Output(), s.Output()) }()
	return func() {
		cancel()
		if code := <-ended; code != cli.Fine {
			s.Errorf("the ingester ended with %d", code)
		}
	}
}

func (s *auditedStack) query(sql string) string {
	s.Helper()
	return stacktest.Query(s.T, stacktest.SharedClickHouse(s.T), strings.ReplaceAll(sql, "@", s.database+"."))
}

// produce writes records from a number on before another, of which every tenth is an error and
// every hundredth broken.
func (s *auditedStack) produce(from, to int) {
	s.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(s.broker), Topic: "gateway-logs", RequiredAcks: kafka.RequireAll, BatchSize: 1000, BatchTimeout: 10 * time.Millisecond, Balancer: &kafka.RoundRobin{}}
	defer w.Close()
	now := time.Now().UTC()
	var messages []kafka.Message
	for i := from; i < to; i++ {
		value := fmt.Sprintf(`{"time":%q,"tenant":"t%d","service":"osm","status":200,"response_body":"{\"ok\":true}"}`, now.Format(time.RFC3339Nano), i%3)
		switch {
		case i%100 == 0:
			value = "broken"
		case i%10 == 0:
			value = strings.Replace(value, `\"ok\":true`, `\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"`, 1)
		}
		messages = append(messages, kafka.Message{Value: []byte(value), Time: now})
	}
	if err := w.WriteMessages(s.Context(), messages...); err != nil {
		s.Fatal(err)
	}
}

// settle moves the group's offsets to the end of what was read, as an ingester does a minute later.
func (s *auditedStack) settle() {
	s.Helper()
	for partition := range 2 {
		var end int64
		fmt.Sscan(s.query(fmt.Sprintf("SELECT max(last_offset) + 1 FROM @batches WHERE partition = %d", partition)), &end)
		s.reset(partition, end)
	}
}

// reset sets the group's offset of a partition as an operator does, when there is no ingester.
func (s *auditedStack) reset(partition int, offset int64) {
	s.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.broker)}
	req := &kafka.OffsetCommitRequest{GroupID: "errata", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"gateway-logs": {{Partition: partition, Offset: offset}}}}
	var err error
	for range 100 { // until the group has noticed that its member is gone
		var resp *kafka.OffsetCommitResponse
		if resp, err = client.OffsetCommit(s.Context(), req); err == nil {
			err = resp.Topics["gateway-logs"][0].Error
		}
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.Fatal(err)
}

// awaitTables waits until the ingester has made its tables.
func (s *auditedStack) awaitTables() {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); s.query("SELECT count() FROM system.tables WHERE database = '"+s.database+"' AND name = 'gaps'") == "0"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal("the ingester does not make its tables")
		}
	}
}

// await waits until so many records are in.
func (s *auditedStack) await(records string) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); s.query("SELECT sum(records) FROM @batches") != records; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s records are in, want %s", s.query("SELECT sum(records) FROM @batches"), records)
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	s := newAuditedStack(t)
	code, stdout, stderr := s.ingest("audit")
	if code != cli.WrongUse || !strings.Contains(stderr, "has no data of ours in database") || stdout != "" {
		t.Fatalf("an audit of an empty database: %d\n%s%s", code, stdout, stderr)
	}
	if tables := s.query("SELECT count() FROM system.tables WHERE database = '" + s.database + "'"); tables != "0" {
		t.Errorf("the audit has made %s tables", tables)
	}

	// Beside an ingester that is at work it finds nothing.
	stop := s.consume()
	s.produce(0, 1000)
	s.awaitTables()
	s.await("1000")
	produced := make(chan struct{})
	go func() { // awaited below
		defer close(produced)
		for n := 1000; n < 10_000 && !t.Failed(); n += 900 {
			s.produce(n, n+900)
			s.await(strconv.Itoa(n + 900)) // so that each is a batch or more, on the slowest machine too
		}
	}()
	audits := 0
	for busy := true; busy; audits++ {
		select {
		case <-produced:
			busy = false
		default:
		}
		if code, stdout, stderr := s.ingest("audit"); code != cli.Fine {
			t.Fatalf("an audit beside an ingester: %d\n%s%s", code, stdout, stderr)
		}
	}
	t.Logf("%d audits beside an ingester", audits)
	s.await("10000")
	stop()
	s.settle()
	code, stdout, stderr = s.ingest("audit", "--deep")
	t.Logf("\n%s", stdout)
	if code != cli.Fine || stderr != "" || !strings.Contains(stdout, "\nread again: gateway-logs/1: 5000 records in ") ||
		!regexp.MustCompile(`\nevery offset up to the committed tail is counted: 10000 records, 9900 requests, 900 errors, 100 dead letters in \d+ batches of 2 partitions\n$`).MatchString(stdout) {
		t.Errorf("%d\n%s", code, stderr)
	}

	// Each table broken once, in a batch of its own.
	var firsts []string
	for _, table := range []string{"traffic_sums", "error_sums", "error_rows", "dead_letter_rows", "batch_rows"} {
		counter := map[string]string{"traffic_sums": "requests", "batch_rows": "records", "dead_letter_rows": "dead_letters"}[table]
		if counter == "" {
			counter = "errors"
		}
		first := s.query("SELECT min(first_offset) FROM @batches WHERE partition = 0 AND first_offset > " + strings.Join(append([]string{"greatest(0"}, firsts...), ", ") + ") AND " + counter + " > 0")
		firsts = append(firsts, first)
		s.query("ALTER TABLE @" + table + " DELETE WHERE partition = 0 AND first_offset = " + first + " SETTINGS mutations_sync = 2")
	}
	code, stdout, stderr = s.ingest("audit")
	t.Logf("\n%s", stdout)
	if code != cli.Found || stderr != "ingest: audit: 5 findings\n" || !strings.HasSuffix(stdout, "\n5 findings\n") {
		t.Errorf("%d\n%s", code, stderr)
	}
	code, stdout, _ = s.ingest("audit", "--output", "json", "--topic", "gateway-logs", "--partition", "0", "--since", "1h")
	var report struct {
		Partitions []struct {
			Partition, Findings int
			CoveredTo           *int64 `json:"covered_to"`
		}
		Findings []struct {
			Kind        string
			FirstOffset int64 `json:"first_offset"`
			Sentence    string
		}
		Verdict string
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if code != cli.Found || len(report.Partitions) != 1 || report.Partitions[0].Findings != 5 || *report.Partitions[0].CoveredTo != 5000 || report.Verdict != "5 findings" {
		t.Errorf("%d %+v", code, report)
	}
	for i, want := range []string{"and traffic_sums has 0", "and error_sums has 0", "and error_rows has 0", "and dead_letter_rows has 0", "are in no batch, and Kafka holds records there"} {
		if i >= len(report.Findings) || fmt.Sprint(report.Findings[i].FirstOffset) != firsts[i] || !strings.Contains(report.Findings[i].Sentence, want) {
			t.Errorf("want %q at %s in %+v", want, firsts[i], report.Findings)
		}
	}
	if code, stdout, _ = s.ingest("audit", "--partition", "1"); code != cli.Fine || !strings.Contains(stdout, "in 1 partition") && !strings.Contains(stdout, "of 1 partition\n") {
		t.Errorf("the partition that is whole: %d\n%s", code, stdout)
	}

	for _, wrong := range [][]string{
		{"--output", "xml", `--output "xml": give one of table, json`},
		{"--topic", "elsewhere", `--topic is "elsewhere", which is none of kafka.topics (gateway-logs)`},
		{"--partition", "9", "--partition is 9: there is no such partition"},
		{"--partition", "-7", "--partition is -7: give a number from 0"},
		{"--since", "yesterday", `--since "yesterday": give a time span such as 90m, 24h or 7d, a date such as 2026-11-02, or a time such as 2026-11-02T15:04 or 2026-11-02T15:04:05Z`},
	} {
		if code, _, stderr := s.ingest("audit", wrong[0], wrong[1]); code != cli.WrongUse || stderr != "ingest: "+wrong[2]+"\n" {
			t.Errorf("%q: %d %s", wrong, code, stderr)
		}
	}

	// The repair of docs/audit.md.
	for _, first := range firsts {
		if code, stdout, stderr := s.ingest("replay", "--force", "--at", "gateway-logs/0/"+first); code != cli.Fine || !strings.Contains(stdout, "re-parsed: 1 batch, ") {
			t.Errorf("%d %s %s", code, stdout, stderr)
		}
	}
	code, stdout, _ = s.ingest("audit", "--deep")
	t.Logf("\n%s", stdout)
	if code != cli.Fine || !strings.Contains(stdout, "counted: 10000 records, 9900 requests, 900 errors, 100 dead letters in ") {
		t.Errorf("after the repair: %d", code)
	}

	// The first batch of a partition, of which nothing is left.
	for _, table := range []string{"traffic_sums", "error_sums", "error_rows", "dead_letter_rows", "batch_rows"} {
		s.query("ALTER TABLE @" + table + " DELETE WHERE partition = 0 AND first_offset = 0 SETTINGS mutations_sync = 2")
	}
	code, stdout, _ = s.ingest("audit")
	if code != cli.Found || !regexp.MustCompile(`offsets 0 to \d+ are in no batch, and Kafka holds records there, the first at 0\. To count it again: ingest replay --force --at gateway-logs/0/0\n1 finding\n$`).MatchString(stdout) {
		t.Errorf("without the first batch: %d\n%s", code, stdout)
	}
	if code, stdout, stderr := s.ingest("replay", "--force", "--at", "gateway-logs/0/0"); code != cli.Fine {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	if code, stdout, _ = s.ingest("audit", "--deep"); code != cli.Fine || !strings.Contains(stdout, "counted: 10000 records, 9900 requests, 900 errors, 100 dead letters in ") {
		t.Errorf("after the repair of the first batch: %d\n%s", code, stdout)
	}
}
