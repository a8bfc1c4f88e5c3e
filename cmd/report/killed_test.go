package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// target is a server that keeps what it gets, and may be slow to answer.
type target struct {
	*httptest.Server
	arrived chan string // "KEY STATUS" of each request
	mu      sync.Mutex
	hang    chan struct{}       // requests wait until it is closed; nil: they are answered at once
	took    []string            // keys of the requests that were answered at once, in order
	bodies  map[string][]string // by key
}

func newTarget(t *testing.T) *target {
	h := &target{arrived: make(chan string, 100), bodies: map[string][]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var n struct{ ID, Status string }
		if err := json.Unmarshal(body, &n); err != nil || n.ID == "" || r.Header.Get("Idempotency-Key") != n.ID {
			t.Errorf("%s: %v", body, err)
		}
		h.mu.Lock()
		hang := h.hang
		h.bodies[n.ID] = append(h.bodies[n.ID], string(body))
		if hang == nil {
			h.took = append(h.took, n.ID)
		}
		h.mu.Unlock()
		h.arrived <- n.ID + " " + n.Status
		if hang != nil {
			<-hang
		}
	}))
	t.Cleanup(func() { h.answer(); h.Close() })
	return h
}

// hangs makes later requests wait for answer.
func (h *target) hangs() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hang = make(chan struct{})
}

func (h *target) answer() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hang != nil {
		close(h.hang)
		h.hang = nil
	}
}

// forget passes over what has arrived.
func (h *target) forget() {
	for len(h.arrived) > 0 {
		<-h.arrived
	}
}

func (h *target) next(t *testing.T) (key, status string) {
	t.Helper()
	select {
	case got := <-h.arrived:
		key, status, _ = strings.Cut(got, " ")
	case <-time.After(time.Minute):
		t.Fatal("nothing arrives")
	}
	return key, status
}

// evaluator is a real process of `report alert run`.
type evaluator struct {
	*stacktest.Process
	log string // its file
}

// logged reports whether the process has logged a text.
func (e *evaluator) logged(t *testing.T, text string) bool {
	t.Helper()
	log, err := os.ReadFile(e.log)
	stacktest.Must(t, err)
	return strings.Contains(string(log), text)
}

const shippedRules = "../../alerts.yaml"

// startEvaluator starts a process with more settings in its environment.
func startEvaluator(t *testing.T, rules string, env ...string) *evaluator {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	stacktest.Must(t, err)
	defer log.Close()
	cmd := exec.Command("report", "alert", "run", "--rules", rules) // testscript.Main puts it on the PATH
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := stacktest.StartProcess(cmd)
	stacktest.Must(t, err)
	e := &evaluator{p, log.Name()}
	t.Cleanup(func() {
		e.Kill()
		if text, err := os.ReadFile(e.log); err == nil && t.Failed() {
			t.Log(string(text))
		}
	})
	return e
}

// quotaTraffic stores a burst that makes CaseQuotaExhausted fire at minute 4. The result moves the
// watermark.
func quotaTraffic(t *testing.T) (s *store.Store, mark func(minute int)) {
	t.Helper()
	addr, database := stacktest.Database(t)
	start := time.Date(2026, 11, 2, 0, 30, 0, 0, time.UTC)
	var records strings.Builder
	for i := range 21 {
		fmt.Fprintf(&records, `{"time":"2026-11-02T00:31:00Z","tenant":"acme","service":"osm","status":200,"request_id":"r-%d","response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"no\"}"}`+"\n", i)
	}
	stacktest.Must(t, insert(t.Context(), addr, database, records.String()))
	s, err := store.Open(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	// The library of ClickHouse aborts if a client that is killed resets its connection.
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", stacktest.StartProxy(t, addr, stacktest.FrontHost(0)).Addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
	return s, func(minute int) {
		t.Helper()
		at := start.Add(time.Duration(minute) * time.Minute)
		stacktest.Must(t, s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "gateway-logs", Partition: 0, Watermark: at, At: at}}))
	}
}

func tellTarget(t *testing.T, h *target) {
	t.Setenv("ERRATA_NOTIFY_RECEIVERS", `[{name: ops, webhook: {url: "`+h.URL+`"}}]`)
	t.Setenv("ERRATA_NOTIFY_ROUTES", `[{receivers: [ops], matchers: [alertname=CaseQuotaExhausted], group_wait: 0s, group_interval: 1s}]`)
}

// awaitOutcome waits until a number of messages have an outcome.
func awaitOutcome(t *testing.T, s *store.Store, outcome string, want uint64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var got uint64
		err := s.Query(t.Context(), "SELECT count() FROM alert_deliveries WHERE outcome = ?", []any{outcome}, func(scan func(...any) error) error { return scan(&got) })
		stacktest.Must(t, err)
		if got >= want {
			return
		}
	}
	t.Fatalf("no %d messages are %s", want, outcome)
}

// A sender that is killed while the target takes a message sends it again under the same key, as
// often as it is killed, and never again after the outcome is recorded.
func TestKilledSenderRepeatsTheKeyAlone(t *testing.T) {
	s, mark := quotaTraffic(t)
	h := newTarget(t)
	tellTarget(t, h)
	mark(4)
	first := ""
	for range 3 {
		h.hangs()
		e := startEvaluator(t, shippedRules)
		key, status := h.next(t)
		if first == "" {
			first = key
		}
		if key != first || status != "firing" {
			t.Errorf("got %s %s, want %s firing", key, status, first)
		}
		e.Kill()
		h.answer() // to nobody
	}
	e := startEvaluator(t, shippedRules)
	if key, status := h.next(t); key != first || status != "firing" {
		t.Errorf("got %s %s, want %s firing", key, status, first)
	}
	awaitOutcome(t, s, store.Sent, 1)
	e.Kill()
	mark(10)
	startEvaluator(t, shippedRules)
	if key, status := h.next(t); key == first || status != "resolved" {
		t.Errorf("got %s %s, want another key and resolved", key, status)
	}
	awaitOutcome(t, s, store.Sent, 2)
	if len(h.arrived) != 0 {
		t.Errorf("more came: %s", <-h.arrived)
	}
}

// Of two evaluators one sends. When it is killed in the middle of a message, the other takes over
// and sends it under the same key.
func TestSecondEvaluatorTakesOver(t *testing.T) {
	s, mark := quotaTraffic(t)
	h := newTarget(t)
	tellTarget(t, h)
	broker := stacktest.Kafka(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "errata-alerts", 1))
	t.Setenv("ERRATA_KAFKA_BROKERS", broker.Addr)
	t.Setenv("ERRATA_NOTIFY_FENCE_TOPIC", "errata-alerts")
	mark(4)
	h.hangs()
	one := startEvaluator(t, shippedRules)
	first, status := h.next(t)
	other := startEvaluator(t, shippedRules)
	for deadline := time.Now().Add(time.Minute); !other.logged(t, "waiting for the fence"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the second evaluator does not wait")
		}
	}
	if status != "firing" || len(h.arrived) != 0 {
		t.Errorf("%s, %d more", status, len(h.arrived))
	}
	one.Kill()
	h.answer()
	if key, status := h.next(t); key != first || status != "firing" {
		t.Errorf("got %s %s, want %s firing", key, status, first)
	}
	awaitOutcome(t, s, store.Sent, 1)
	mark(10)
	if key, status := h.next(t); key == first || status != "resolved" {
		t.Errorf("got %s %s, want another key and resolved", key, status)
	}
	awaitOutcome(t, s, store.Sent, 2)
	if len(h.arrived) != 0 {
		t.Errorf("more came: %s", <-h.arrived)
	}
}
