package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// recorder is a server that must not be touched. It records each connection with its bytes.
type recorder struct {
	addr  string
	mu    sync.Mutex
	conns []*bytes.Buffer
}

func record(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	stacktest.Must(t, err)
	t.Cleanup(func() { l.Close() })
	r := &recorder{addr: l.Addr().String()}
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			got := &bytes.Buffer{}
			r.mu.Lock()
			r.conns = append(r.conns, got)
			r.mu.Unlock()
			go func() { // ends with the connection
				defer conn.Close()
				for piece := make([]byte, 4096); ; {
					n, err := conn.Read(piece)
					r.mu.Lock()
					got.Write(piece[:n])
					r.mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return r
}

func (r *recorder) check(t *testing.T, what string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, got := range r.conns {
		t.Errorf("%s got a connection with %d bytes: %.200q", what, got.Len(), got)
	}
}

// Settings for real servers, in the environment and in config.yaml, have no effect on commands of
// the stack: not one connection to those servers, and none of the mapping that would hide the
// sample.
func TestStackLeavesRealServersAlone(t *testing.T) {
	stacktest.Library(t)
	bin, dir := built(t), t.TempDir()
	brokers, clickhouse, webhook := record(t), record(t), record(t)
	t.Setenv("ERRATA_KAFKA_BROKERS", brokers.addr)
	t.Setenv("ERRATA_KAFKA_TOPICS", "gateway-logs")
	t.Setenv("ERRATA_KAFKA_GROUP", "production")
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", clickhouse.addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", "production")
	t.Setenv("ERRATA_INGEST_EXCLUDE", `[{path: "*"}]`)
	t.Setenv("ERRATA_NOTIFY_WEBHOOK_URL", "http://"+webhook.addr)
	stacktest.Must(t, os.WriteFile(filepath.Join(dir, "config.yaml"), fmt.Appendf(nil, `
kafka: {brokers: [%q], group: production, start: latest, sasl: {mechanism: PLAIN, username: u, password: p}}
clickhouse: {addr: [%q], database: production, username: u, password: p}
catalogs: {dir: nowhere}
ingest: {format: envoy, exclude: [{path: "*"}]}
http: {addr: "127.0.0.1:1"}
`, brokers.addr, clickhouse.addr), 0o600))
	listen := []string{"--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--http", "127.0.0.1:0"}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	demo := exec.CommandContext(ctx, filepath.Join(bin, "stack"), append([]string{"demo", "--once", "--requests", "3000"}, listen...)...)
	demo.Dir = dir
	if out, err := demo.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("counted = sent: ")) {
		t.Errorf("stack demo: %v\n%s", err, out)
	}

	stderr := &watched{lines: make(chan string, 1000)}
	up := exec.CommandContext(ctx, filepath.Join(bin, "stack"), append([]string{"up"}, listen...)...)
	up.Dir, up.Stderr = dir, stderr
	stacktest.Must(t, up.Start())
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }() // awaited below
	for isUp := false; !isUp; {
		select {
		case line := <-stderr.lines:
			isUp = strings.HasPrefix(line, "up,")
		case err := <-ended:
			t.Fatalf("stack up ended: %v", err)
		}
	}
	stacktest.Must(t, up.Process.Signal(syscall.SIGTERM))
	if err := <-ended; err != nil {
		t.Errorf("stack up: %v", err)
	}

	// Where traffic goes is up to its flags.
	traffic := exec.CommandContext(ctx, filepath.Join(bin, "stack"), "traffic", "--requests", "10", "--kafka", "127.0.0.1:1")
	traffic.Dir = dir
	if out, err := traffic.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("127.0.0.1:1")) {
		t.Errorf("stack traffic: %v\n%s", err, out)
	}

	// So do clean's, and fetch asks no server of ours.
	clean := exec.CommandContext(ctx, filepath.Join(bin, "stack"), "clean", "--external-kafka", "127.0.0.1:1", "--external-clickhouse", "127.0.0.1:1")
	clean.Dir = dir
	if out, err := clean.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("127.0.0.1:1")) {
		t.Errorf("stack clean: %v\n%s", err, out)
	}
	fetch := exec.CommandContext(ctx, filepath.Join(bin, "stack"), "fetch")
	fetch.Dir = dir
	if out, err := fetch.CombinedOutput(); err != nil {
		t.Errorf("stack fetch: %v\n%s", err, out)
	}
	brokers.check(t, "Kafka")
	clickhouse.check(t, "ClickHouse")
	webhook.check(t, "the webhook")
}

// On servers that others use, a demo keeps to names of its own, and `stack clean` removes exactly
// those.
func TestSampleOnExternalServers(t *testing.T) {
	t.Parallel()
	broker, server := stacktest.Kafka(t), stacktest.ClickHouse(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "gateway-logs", 1))
	query(t, server.HTTPAddr, "CREATE DATABASE errata")
	bin, dir := built(t), t.TempDir()
	program := func(args ...string) string {
		t.Helper()
		args = append(args, "--external-kafka", broker.Addr, "--external-clickhouse", server.Addr)
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stack"), args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("stack %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	tables := "SELECT database, count() FROM system.tables WHERE database IN ('errata', 'errata_sample') GROUP BY database FORMAT CSV"

	program("demo", "--once", "--requests", "2000")
	if got := query(t, server.HTTPAddr, tables); !strings.HasPrefix(got, `"errata_sample",`) || strings.Contains(got, "\n") {
		t.Errorf("tables in %q", got)
	}
	if topics := topicsOf(t, broker); len(topics) != 2 || !sampleTopic.MatchString(topics[0]) || topics[1] != "gateway-logs" {
		t.Errorf("topics %q", topics)
	}
	t.Log(program("clean"))
	if got := query(t, server.HTTPAddr, "SELECT name FROM system.databases WHERE name LIKE 'errata%'"); got != "errata" {
		t.Errorf("databases after clean: %q", got)
	}
	if topics := topicsOf(t, broker); len(topics) != 1 || topics[0] != "gateway-logs" {
		t.Errorf("topics after clean: %q", topics)
	}
	program("clean") // safe to repeat

	// Errors name flags, since settings do not count.
	var stderr bytes.Buffer
	nobody := stacktest.FreeAddr(t)
	if code := run([]string{"clean", "--external-clickhouse", nobody}, io.Discard, &stderr); code != 3 || !strings.Contains(stderr.String(), "is --external-clickhouse its native port?") {
		t.Errorf("clean without a server: exit code %d: %s", code, &stderr)
	}

	// A database of that name with other data in it stays.
	ingest := exec.CommandContext(t.Context(), filepath.Join(bin, "ingest"), "run")
	ingest.Env = append(os.Environ(), "ERRATA_KAFKA_BROKERS="+broker.Addr, "ERRATA_KAFKA_TOPICS=gateway-logs", "ERRATA_CLICKHOUSE_ADDR="+server.Addr,
		"ERRATA_CLICKHOUSE_DATABASE="+sampleDatabase, "ERRATA_HTTP_ADDR=127.0.0.1:0")
	stacktest.Must(t, ingest.Start())
	stderr.Reset()
	if code := run([]string{"traffic", "--kafka", broker.Addr, "--requests", "10"}, io.Discard, &stderr); code != 0 {
		t.Errorf("traffic: exit code %d: %s", code, &stderr)
	}
	for query(t, server.HTTPAddr, "SELECT count() FROM system.tables WHERE database = 'errata_sample' AND name = 'gaps'") == "0" ||
		query(t, server.HTTPAddr, "SELECT count() FROM errata_sample.batches") == "0" {
		time.Sleep(100 * time.Millisecond)
	}
	stacktest.Must(t, ingest.Process.Signal(syscall.SIGTERM))
	stacktest.Must(t, ingest.Wait())
	code := run([]string{"clean", "--external-clickhouse", server.Addr}, io.Discard, &stderr)
	if code != 2 || !strings.Contains(stderr.String(), "holds records of topic gateway-logs, which have to stay: nothing was removed") {
		t.Errorf("clean of other data: exit code %d: %s", code, &stderr)
	}
	if got := query(t, server.HTTPAddr, "SELECT count() > 0 FROM errata_sample.batches"); got != "1" {
		t.Errorf("clean dropped other data")
	}
}

// What a demo and `stack up` print as next commands works as printed, in a terminal that has
// settings for real servers.
func TestNextCommands(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	bin, dir := built(t), t.TempDir()
	environment := append(os.Environ(), "ERRATA_CLICKHOUSE_ADDR=127.0.0.1:1", "ERRATA_KAFKA_BROKERS=127.0.0.1:1")
	rules, err := os.ReadFile("../../alerts.yaml")
	stacktest.Must(t, err)
	stacktest.Must(t, os.WriteFile(filepath.Join(dir, "alerts.yaml"), rules, 0o600))
	listen := []string{"--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	begin := func(last string, args ...string) (printed []string, stop func()) {
		out := &watched{lines: make(chan string, 1000)}
		cmd := exec.Command(filepath.Join(bin, "stack"), append(args, listen...)...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environment, out, out
		stacktest.Must(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		for deadline := time.After(2 * time.Minute); ; {
			select {
			case line := <-out.lines:
				if printed = append(printed, line); strings.Contains(line, last) {
					return printed, func() {
						stacktest.Must(t, cmd.Process.Signal(syscall.SIGTERM))
						_ = cmd.Wait()
					}
				}
			case <-deadline:
				t.Fatalf("stack %q: no %q in %q", args, last, printed)
			}
		}
	}
	shell := func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		cmd.Dir, cmd.Env = dir, environment
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}

	printed, stop := begin("audit", "demo", "--requests", "5000")
	unset, ran := "", 0
	for _, line := range printed {
		switch command := strings.TrimSpace(line); {
		case !strings.HasPrefix(line, "  "):
		case strings.HasPrefix(command, "unset "):
			unset = command + "; "
		case strings.Contains(command, " alert run "): // goes on until a signal
			shell(unset + "timeout --preserve-status -s INT 3 " + command)
			ran++
		case strings.Contains(command, " --config "):
			shell(unset + command)
			ran++
		}
	}
	if ran != 4 || unset != "unset ERRATA_CLICKHOUSE_ADDR ERRATA_KAFKA_BROKERS; " {
		t.Errorf("%d commands after %q in %q", ran, unset, printed)
	}
	stop()

	printed, stop = begin("up, with", "up", "--dir", "other", "--topic", "logs:2", "--topic", "more")
	var exports string
	for _, line := range printed {
		if strings.HasPrefix(line, "export ") {
			exports = line
		}
	}
	if !strings.Contains(exports, "ERRATA_KAFKA_TOPICS=logs,more ") {
		t.Errorf("exports %q", exports)
	}
	out := shell(exports + "; " + filepath.Join(bin, "stack") + " traffic --requests 10 --topic new:3 --kafka $ERRATA_KAFKA_BROKERS && " + filepath.Join(bin, "ingest") + " check")
	if !strings.Contains(out, "logs") || !strings.Contains(out, "more") {
		t.Errorf("ingest check: %s", out)
	}
	stop()
}

func topicsOf(t *testing.T, broker *stack.Kafka) (names []string) {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(broker.Addr), Transport: &kafka.Transport{}}
	metadata, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
	stacktest.Must(t, err)
	for _, topic := range metadata.Topics {
		if !topic.Internal && !strings.HasPrefix(topic.Name, "__") {
			names = append(names, topic.Name)
		}
	}
	return names
}
