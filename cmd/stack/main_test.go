package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"errata/internal/cli/clitest"
	"errata/internal/stack/stacktest"
)

// The tests run the command as its user does: as a process, which is this test
// binary once more, with asCommand in its environment.
const asCommand = "ERRATA_TEST_AS_STACK_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		// The host is this binary too (see stacktest) and must not be mistaken.
		os.Unsetenv(asCommand)
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	testscript.Main(cleaning{m}, map[string]func(){
		"stack": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// cleaning runs the tests and removes the programs that they built.
type cleaning struct{ *testing.M }

func (c cleaning) Run() int {
	defer os.RemoveAll(buildDir)
	return c.M.Run()
}

// Each script in testdata is one behaviour, run as a user would.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command waits for a second at its end
			return nil
		},
	})
}

func TestExamples(t *testing.T) {
	clitest.CheckExamples(t, func() *cobra.Command { return newRoot(io.Discard, io.Discard) })
}

// A running is a `stack up` on a folder.
type running struct {
	cmd    *exec.Cmd
	stderr *lines
	done   chan struct{}
}

// lines collects what a process prints.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func stackCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// ports are three free addresses for the flags of `stack up`.
func ports(t testing.TB) (kafka, clickhouse, http string) {
	t.Helper()
	var addrs [3]string
	for i := range addrs {
		addrs[i] = stacktest.FreeAddr(t)
	}
	return addrs[0], addrs[1], addrs[2]
}

// up starts `stack up` and returns when it says that all is up.
func startUp(t testing.TB, dir, kafka, clickhouse, http string) *running {
	t.Helper()
	r := &running{stderr: &lines{}, done: make(chan struct{})}
	r.cmd = stackCommand(t, "up", "--dir", dir, "--kafka", kafka, "--clickhouse", clickhouse, "--http", http)
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	isUp := make(chan struct{})
	go func() { // ends with the process
		defer close(r.done)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			r.stderr.mu.Lock()
			fmt.Fprintln(&r.stderr.text, s.Text())
			r.stderr.mu.Unlock()
			if strings.HasPrefix(s.Text(), "up,") {
				close(isUp)
			}
		}
		r.cmd.Wait()
	}()
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.done
	})
	select {
	case <-isUp:
	case <-r.done:
		t.Fatalf("stack up: %v\n%s", r.cmd.ProcessState, r.stderr)
	case <-time.After(2 * time.Minute):
		t.Fatalf("stack up is not up after two minutes:\n%s", r.stderr)
	}
	return r
}

// host finds the process that holds the data folder's ClickHouse.
func host(t testing.TB, dir string) (pid int) {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(dir, "clickhouse", "host.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(lock), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive is false for a zombie too: who adopts our orphans may never ask for them.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}

func awaitGone(t testing.TB, pid int) {
	t.Helper()
	for begin := time.Now(); alive(pid); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func query(t testing.TB, addr, sql string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post("http://"+addr+"/", "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s %s %v", sql, resp.Status, body, err)
	}
	return strings.TrimSpace(string(body))
}

// `stack up` is killed with -9, in the middle of writes, and started again at
// once: ClickHouse ends by itself and comes back, and whatever was acknowledged
// by either server is there.
func TestUpSurvivesKill(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	dir := filepath.Join(t.TempDir(), "data")
	kafkaAddr, clickhouseAddr, httpAddr := ports(t)
	var acknowledged atomic.Int64
	for round := range 2 {
		r := startUp(t, dir, kafkaAddr, clickhouseAddr, httpAddr)
		if round == 0 {
			query(t, httpAddr, "CREATE DATABASE d")
			query(t, httpAddr, "CREATE TABLE d.t (n Int64) ENGINE = MergeTree ORDER BY n")
			admin := kafka.Client{Addr: kafka.TCP(kafkaAddr), Transport: &kafka.Transport{}}
			resp, err := admin.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "logs", NumPartitions: 1, ReplicationFactor: 1}}})
			if err = errors.Join(err, resp.Errors["logs"]); err != nil {
				t.Fatal(err)
			}
		}
		query(t, httpAddr, "INSERT INTO d.t SELECT number FROM numbers(1000)")

		ctx, cancel := context.WithCancel(t.Context())
		writing := make(chan struct{})
		go func() { // ends by cancel
			defer close(writing)
			writer := kafka.Writer{Addr: kafka.TCP(kafkaAddr), Topic: "logs", RequiredAcks: kafka.RequireAll,
				BatchTimeout: time.Millisecond, MaxAttempts: 1, Transport: &kafka.Transport{}}
			defer writer.Close()
			for ctx.Err() == nil {
				if writer.WriteMessages(ctx, kafka.Message{Value: bytes.Repeat([]byte("x"), 5000)}) == nil {
					acknowledged.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		}()
		time.Sleep(500 * time.Millisecond)
		child := host(t, dir)
		if !alive(child) {
			t.Fatalf("no host at process %d", child)
		}
		if err := r.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-r.done
		cancel()
		<-writing
		if round == 0 {
			continue // the next `stack up` meets a ClickHouse that is still ending
		}
		awaitGone(t, child)
	}

	r := startUp(t, dir, kafkaAddr, clickhouseAddr, httpAddr)
	if got := query(t, httpAddr, "SELECT count() FROM d.t"); got != "2000" {
		t.Errorf("%s rows, want 2000", got)
	}
	conn, err := kafka.DialLeader(t.Context(), "tcp", kafkaAddr, "logs", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	first, end, err := conn.ReadOffsets()
	if err != nil {
		t.Fatal(err)
	}
	// A message may be there whose acknowledgement was lost, not the reverse.
	if want := acknowledged.Load(); want < 10 || end-first < want || end-first > want+2 {
		t.Errorf("%d messages, of %d acknowledged", end-first, want)
	}
	var batch *kafka.Batch
	for offset := first; offset < end; offset++ {
		if batch == nil {
			batch = conn.ReadBatch(1, 10<<20)
		}
		message, err := batch.ReadMessage()
		if errors.Is(err, io.EOF) {
			batch.Close()
			batch, offset = nil, offset-1
			continue
		}
		if err != nil || message.Offset != offset || len(message.Value) != 5000 {
			t.Fatalf("offset %d: %d %d %v", offset, message.Offset, len(message.Value), err)
		}
	}
	batch.Close()
	conn.Close()

	// The end as it should be.
	child := host(t, dir)
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.done
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, r.stderr)
	}
	if alive(child) {
		t.Errorf("process %d is still there after the end", child)
	}
	for _, addr := range []string{kafkaAddr, clickhouseAddr, httpAddr} {
		if !strings.Contains(r.stderr.String(), addr) {
			t.Errorf("no %s in:\n%s", addr, r.stderr)
		}
	}
}

// A terminal sends Ctrl-C to all processes at once.
func TestUpEndsOnCtrlC(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	kafka, clickhouse, http := ports(t)
	dir := t.TempDir()
	r := startUp(t, dir, kafka, clickhouse, http)
	child := host(t, dir)
	syscall.Kill(child, syscall.SIGINT)
	time.Sleep(100 * time.Millisecond)
	if !alive(child) {
		t.Error("the host ended on SIGINT by itself")
	}
	r.cmd.Process.Signal(os.Interrupt)
	<-r.done
	if code := r.cmd.ProcessState.ExitCode(); code != 0 || alive(child) {
		t.Errorf("exit code %d, host alive: %v\n%s", code, alive(child), r.stderr)
	}
}

func TestExitCodes(t *testing.T) {
	try := func(wantCode int, wantStdout, wantStderr string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code := run(args, &stdout, &stderr)
		if code != wantCode {
			t.Errorf("%q: exit code %d, want %d", args, code, wantCode)
		}
		if !strings.Contains(stdout.String(), wantStdout) || wantStdout == "" && stdout.Len() > 0 {
			t.Errorf("%q: stdout %q, want %q", args, &stdout, wantStdout)
		}
		if !strings.Contains(stderr.String(), wantStderr) || wantStderr == "" && stderr.Len() > 0 {
			t.Errorf("%q: stderr %q, want %q", args, &stderr, wantStderr)
		}
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	try(2, "", "in use: stop the program that listens on "+taken, "up", "--dir", dir, "--kafka", taken)
	l.Close()

	if path := stacktest.Library(t); path != "" {
		try(0, path+"\n", "", "fetch")
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	try(2, "", "apt-get install npm", "fetch")
	try(2, "", "apt-get install npm", "up", "--dir", dir, "--kafka", "127.0.0.1:0")
}

// A broker that goes away while traffic is sent to it is exit code 3.
func TestTrafficIsCutOff(t *testing.T) {
	broker := stacktest.Kafka(t)
	var stderr bytes.Buffer
	traffic := func() int {
		stderr.Reset()
		return run([]string{"traffic", "--kafka", broker.Addr, "--requests", "5000000"}, io.Discard, &stderr)
	}
	stacktest.Must(t, broker.CreateTopic(t.Context(), "gateway-logs", 1))
	ended := make(chan int, 1)
	go func() { ended <- traffic() }() // awaited below
	client := kafka.Client{Addr: kafka.TCP(broker.Addr), Transport: &kafka.Transport{}}
	for {
		offsets, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"gateway-logs": {kafka.LastOffsetOf(0)}}})
		stacktest.Must(t, err)
		if offsets.Topics["gateway-logs"][0].LastOffset > 0 {
			break
		}
	}
	broker.Stop()
	if code := <-ended; code != 3 || !strings.HasPrefix(stderr.String(), "stack: send sample traffic to topic gateway-logs at "+broker.Addr+": ") {
		t.Errorf("cut off: exit code %d: %s", code, &stderr)
	}
	t.Log(stderr.String())
}
