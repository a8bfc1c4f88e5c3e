package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/config"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// scheduled is a database with a day of which a report has been due for an hour, and the settings
// of who gets it.
type scheduled struct {
	t      *testing.T
	store  *store.Store
	config string
	addr   string // of ClickHouse
	name   string // of the database
}

const scheduledRecord = `{"time":"2026-11-02T10:00:00Z","tenant":"acme","service":"osm","status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}` + "\n"

func newScheduled(t *testing.T, server, delivery string) *scheduled {
	t.Helper()
	addr, database := stacktest.Database(t)
	stacktest.Must(t, insert(t.Context(), addr, database, scheduledRecord))
	s, err := store.Open(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	day := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	stacktest.Must(t, s.RecordDueReports(t.Context(), []store.DueReport{{Date: day, Period: "day", Zone: "UTC", Scope: "all", Schedule: "all",
		Due: time.Now().Add(-time.Hour), Outcome: store.ReportDue, Written: time.Now()}}))
	file := filepath.Join(t.TempDir(), "config.yaml")
	stacktest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `
reports: {delivery: %s}
notify:
  receivers:
    - name: sre
      mail: {server: %q, from: errata@example.org, to: [sre@example.org], tls: none, unsubscribe: "https://lists.example.org/off?a={{.Address | urlquery}}"}
`, delivery, server), 0o600))
	return &scheduled{t, s, file, addr, database}
}

// start runs the schedule in a process of its own. It is due on one day of the year alone.
func (s *scheduled) start(env ...string) *evaluator {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.t.TempDir(), "log"))
	stacktest.Must(s.t, err)
	defer log.Close()
	cmd := exec.Command("report", "daily", "--config", s.config, "--schedule", "0 0 1 1 *", "--to", "sre", "--http", "127.0.0.1:0")
	// The library of ClickHouse aborts if a client that is killed resets its connection.
	cmd.Env = slices.Concat(os.Environ(), []string{"ERRATA_CLICKHOUSE_ADDR=" + stacktest.StartProxy(s.t, s.addr, stacktest.FrontHost(0)).Addr, "ERRATA_CLICKHOUSE_DATABASE=" + s.name}, env)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := stacktest.StartProcess(cmd)
	stacktest.Must(s.t, err)
	e := &evaluator{p, log.Name()}
	s.t.Cleanup(func() {
		e.Kill()
		if text, err := os.ReadFile(e.log); err == nil && s.t.Failed() {
			s.t.Log(string(text))
		}
	})
	return e
}

// await waits until something is so.
func (s *scheduled) await(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("it does not come: " + what)
		}
	}
}

// count counts rows of a view.
func (s *scheduled) count(view, where string) (n uint64) {
	s.t.Helper()
	stacktest.Must(s.t, s.store.Query(s.t.Context(), "SELECT count() FROM "+view+" WHERE "+where, nil, func(scan func(...any) error) error { return scan(&n) }))
	return n
}

// metric returns a line of a process's metrics.
func (s *scheduled) metric(e *evaluator, name string) string {
	s.t.Helper()
	log, err := os.ReadFile(e.log)
	stacktest.Must(s.t, err)
	addr := regexp.MustCompile(`addr=(127\.0\.0\.1:\d+)`).FindSubmatch(log)
	if addr == nil {
		return ""
	}
	answer, err := http.Get("http://" + string(addr[1]) + "/metrics")
	stacktest.Must(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	stacktest.Must(s.t, err)
	return regexp.MustCompile(`(?m)^` + name + ` .*$`).FindString(string(text))
}

// A report that was due while nothing ran goes out as soon as the mail server can be reached, once,
// although the process was killed after it had built it. Late data makes a reply.
func TestScheduleCatchesUp(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	stacktest.Must(t, err)
	server := free.Addr().String()
	stacktest.Must(t, free.Close())
	s := newScheduled(t, server, config.AtLeastOnce)

	e := s.start()
	s.await("a report in the queue", func() bool { return s.count("alert_deliveries", "outcome = 'queued'") == 1 })
	s.await("a word about the mail server", func() bool { return e.logged(t, "mail server "+server) })
	s.await("a metric of unsent reports", func() bool { return s.metric(e, "errata_reports_unsent") == "errata_reports_unsent 1" })
	e.Kill()
	e = s.start()
	s.await("a word about the mail server", func() bool { return e.logged(t, "mail server "+server) })
	box := &mailbox{}
	box.listen(t, server)
	s.await("the promise is kept", func() bool { return s.count("reports_due", "outcome = 'sent'") == 1 })
	s.await("no metric of unsent reports", func() bool { return s.metric(e, "errata_reports_unsent") == "errata_reports_unsent 0" })
	e.Kill()
	mails := box.got()
	if len(mails) != 1 || s.count("reports", "sent > '2020-01-01'") != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	first := mails[0]
	if h := first.header; h.Get("Auto-Submitted") != "auto-generated" || h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" ||
		h.Get("List-Unsubscribe") != "<https://lists.example.org/off?a=sre%40example.org>" || h.Get("In-Reply-To") != "" {
		t.Error(h)
	}

	stacktest.Must(t, insertFrom(t.Context(), s.addr, s.name, 100, scheduledRecord))
	e = s.start()
	s.await("a second revision", func() bool { return s.count("reports", "sent > '2020-01-01'") == 2 })
	e.Kill()
	e = s.start()
	s.await("a start", func() bool { return strings.HasSuffix(s.metric(e, "errata_report_next_timestamp_seconds"), "+09") })
	if mails = box.got(); len(mails) != 2 || mails[1].header.Get("In-Reply-To") != first.header.Get("Message-Id") || mails[1].header.Get("Message-Id") == first.header.Get("Message-Id") {
		t.Errorf("%d mails, the last %v", len(mails), mails[len(mails)-1].header)
	}
}

// Killed between the sending and the recording, nobody can know whether the mail was sent. By
// default it is sent again with the Message-ID that it had, or else never.
func TestScheduleIsKilledWhileItSends(t *testing.T) {
	t.Parallel()
	f := func(delivery string, want int, then string) {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			box, server := startMailbox(t)
			box.hang = make(chan struct{})
			s := newScheduled(t, server, delivery)
			e := s.start()
			s.await("a mail", func() bool { return len(box.got()) == 1 })
			e.Kill()
			box.mu.Lock()
			close(box.hang)
			box.hang = nil
			box.mu.Unlock()
			s.start()
			s.await(then, func() bool { return s.count("alert_deliveries", "outcome = '"+then+"'") == 1 })
			mails := box.got()
			if len(mails) != want || mails[0].header.Get("Message-Id") != mails[len(mails)-1].header.Get("Message-Id") {
				t.Errorf("%d mails, want %d with one Message-ID", len(mails), want)
			}
			if kept := then == store.Sent; kept {
				s.await("the promise is kept", func() bool { return s.count("reports_due", "outcome = 'sent'") == 1 })
			} else if s.count("reports_due", "outcome = 'due' AND date = '2026-11-02'") != 1 {
				t.Error("a report that may not have been sent counts as sent")
			}
		})
	}
	f(config.AtLeastOnce, 2, store.Sent)
	f(config.AtMostOnce, 1, store.Unsure)
}

// Of two processes of a schedule one sends. When it is killed in the middle of a mail, the other
// takes over and sends it with the same Message-ID.
func TestSecondScheduleTakesOver(t *testing.T) {
	t.Parallel()
	box, server := startMailbox(t)
	box.hang = make(chan struct{})
	s := newScheduled(t, server, config.AtLeastOnce)
	broker := stacktest.Kafka(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "errata-reports", 1))
	env := []string{"ERRATA_KAFKA_BROKERS=" + broker.Addr, "ERRATA_REPORTS_FENCE_TOPIC=errata-reports"}
	one := s.start(env...)
	s.await("a mail", func() bool { return len(box.got()) == 1 })
	other := s.start(env...)
	s.await("the second one waits", func() bool { return other.logged(t, "waiting for the fence") })
	if other.logged(t, "sending the reports") || len(box.got()) != 1 {
		t.Error("both send")
	}
	one.Kill()
	box.mu.Lock()
	close(box.hang)
	box.hang = nil
	box.mu.Unlock()
	s.await("the promise is kept", func() bool { return s.count("reports_due", "outcome = 'sent'") == 1 })
	mails := box.got()
	if len(mails) != 2 || mails[0].header.Get("Message-Id") != mails[1].header.Get("Message-Id") || !other.logged(t, "sending the reports from now on") {
		t.Errorf("%d mails, want 2 with one Message-ID", len(mails))
	}
}

// While Kafka is away, nobody can say which process sends, so none does. The log says so, and the
// reports that are due are still counted.
func TestScheduleWithoutKafkaIsLoud(t *testing.T) {
	t.Parallel()
	s := newScheduled(t, stacktest.FreeAddr(t), config.AtLeastOnce) // no mail server
	broker := stacktest.Kafka(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "errata-reports", 1))
	e := s.start("ERRATA_KAFKA_BROKERS="+broker.Addr, "ERRATA_REPORTS_FENCE_TOPIC=errata-reports")
	s.await("a report that stays due", func() bool { return s.metric(e, "errata_reports_unsent") == "errata_reports_unsent 1" })
	broker.Stop()
	s.await("a word about Kafka", func() bool {
		return e.logged(t, `level=WARN msg="failed to report; the reports stay due"`) && e.logged(t, "no broker can say who holds the fence: kafka at "+broker.Addr)
	})
	time.Sleep(2 * time.Second)
	if got := s.metric(e, "errata_reports_unsent"); got != "errata_reports_unsent 1" {
		t.Errorf("the metric is %q", got)
	}
}

// A report that an address refuses for good stays due, and the log says what to do, until somebody
// gives it up. The process that runs stops waiting then.
func TestRefusedReportIsGivenUp(t *testing.T) {
	t.Parallel()
	box, server := startMailbox(t)
	box.bad = "sre@example.org"
	s := newScheduled(t, server, config.AtLeastOnce)
	e := s.start()
	s.await("a word about the refusal", func() bool { return e.logged(t, "did not reach all of its receivers") && e.logged(t, "--give-up") })
	s.await("a metric of unsent reports", func() bool { return s.metric(e, "errata_reports_unsent") == "errata_reports_unsent 1" })
	e.Kill()
	give := func(want int, says string, args ...string) {
		t.Helper()
		cmd := exec.Command("report", append([]string{"daily", "--config", s.config, "--give-up"}, args...)...)
		cmd.Env = append(os.Environ(), "ERRATA_CLICKHOUSE_ADDR="+s.addr, "ERRATA_CLICKHOUSE_DATABASE="+s.name)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(string(out), says) {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	give(1, "no report of 2026-11-01 waits to be sent (daily in UTC, scope all)", "--date", "2026-11-01")
	give(1, "no report of 2026-11-02 waits to be sent (daily in Europe/Berlin, scope all)", "--date", "2026-11-02", "--zone", "Europe/Berlin")
	give(1, "(daily in UTC, scope each tenant)", "--date", "2026-11-02", "--each-tenant")
	if n := s.count("reports_due", "outcome = 'due' AND date = '2026-11-02'"); n != 1 {
		t.Errorf("%d reports are due", n)
	}
	give(0, "reports of 2026-11-02 that were given up (daily in UTC, scope all): 1", "--date", "2026-11-02")
	if n := s.count("reports_due", "outcome = 'missed' AND date = '2026-11-02'"); n != 1 {
		t.Errorf("%d reports are given up", n)
	}
	e = s.start()
	s.await("no metric of unsent reports", func() bool { return s.metric(e, "errata_reports_unsent") == "errata_reports_unsent 0" })
	if len(box.got()) != 0 || e.logged(t, "did not reach") {
		t.Error("the report is tried again")
	}
}
