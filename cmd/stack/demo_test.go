package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

// built returns a folder of the test's own with the three programs, as `make build` makes it. They
// are built once.
func built(t *testing.T) string {
	t.Helper()
	programs, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"ingest", "report", "stack"} {
		if err := os.Link(filepath.Join(programs, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// build builds the programs into a folder that TestMain removes.
var build = sync.OnceValues(func() (dir string, err error) {
	if buildDir, err = os.MkdirTemp("", "errata-programs-"); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", buildDir+string(filepath.Separator), "errata/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile, whose work is in the cache
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return buildDir, nil
})

var buildDir string

// The acceptance of the whole: what a user sees of `make run`, on both brokers.
func TestDemo(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	bin := built(t)
	for _, broker := range []string{"kfake", "kafka"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			args := []string{"demo", "--once", "--requests", "40000",
				"--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--http", "127.0.0.1:0"}
			if broker == "kafka" {
				args = append(args, "--external-kafka", stacktest.RealKafka(t).Addr)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var stdout, stderr bytes.Buffer
			demo := exec.CommandContext(ctx, filepath.Join(bin, "stack"), args...)
			demo.Dir, demo.Stdout, demo.Stderr = t.TempDir(), &stdout, &stderr
			if err := demo.Run(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, stderr.String(), stdout.String())
			}
			row := regexp.MustCompile(`(?m)^ember-media +OSM\.01010037 +OSM +quota +\d+ +[\d.]+% .*The number of created service tickets has exceeded the upper limit\. +Refer to the error message, or contact technical support engineers\.`)
			if !row.Match(stdout.Bytes()) {
				t.Errorf("the table has no row of the quota code with its family, description and remedy:\n%s", stdout.String())
			}
			if !strings.Contains(stdout.String(), "counted = sent: ") {
				t.Errorf("the counts are not confirmed:\n%s", stdout.String())
			}
		})
	}
}

// After its report, the demo stays up for other commands, and a second run in the same folder works
// like the first.
func TestDemoStaysUpForOtherCommands(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	bin, dir := built(t), t.TempDir()
	for range 2 {
		up := startDemo(t, bin, dir, "5000")
		var top struct {
			Requests int
			Rows     []struct{ Tenant, Code string }
		}
		out := up.report("top", "--since", "25h", "--output", "json")
		if err := json.Unmarshal(out, &top); err != nil || top.Requests == 0 || len(top.Rows) == 0 {
			t.Errorf("%v: %s", err, out)
		}
		up.stop()
	}
}

// The alert on the ticket quota follows the burst of the sample day: pending, firing, resolved. The
// rule learns from that day when it is evaluated first, so that no one is told of an alert that is
// over.
func TestBurstAlert(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	rules, err := filepath.Abs("../../alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		told <- string(body)
	}))
	defer hook.Close()

	up := startDemo(t, built(t), t.TempDir(), "40000")
	var steps []string
	for deadline := time.Now().Add(time.Minute); len(steps) < 3 && time.Now().Before(deadline); time.Sleep(time.Second) {
		out := up.report("alert", "run", "--once", "--since", "25h", "--rules", rules, "--output", "json", "--webhook", hook.URL)
		for line := range strings.Lines(string(out)) {
			var step struct {
				Rule, From, To string
				Labels         map[string]string
			}
			if err := json.Unmarshal([]byte(line), &step); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if step.Rule == "CaseQuotaExhausted" {
				steps = append(steps, step.Labels["tenant"]+" "+step.From+" "+step.To)
			}
		}
	}
	if want := []string{"ember-media inactive pending", "ember-media pending firing", "ember-media firing resolved"}; !slices.Equal(steps, want) {
		t.Errorf("transitions %q, want %q", steps, want)
	}
	for range len(told) {
		if body := <-told; strings.Contains(body, "ember-media") && strings.Contains(body, "CaseQuotaExhausted") {
			t.Errorf("the webhook was told of an alert that is over: %s", body)
		}
	}
	up.stop()
}

// demoRun is a demo that stays up.
type demoRun struct {
	t          *testing.T
	bin, dir   string
	clickhouse string
	demo       *exec.Cmd
	ended      chan error
}

func startDemo(t *testing.T, bin, dir, requests string) *demoRun {
	t.Helper()
	r := &demoRun{t: t, bin: bin, dir: dir, ended: make(chan error, 1)}
	stderr := &watched{lines: make(chan string, 1000)}
	r.demo = exec.Command(filepath.Join(bin, "stack"), "demo", "--requests", requests, "--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--http", "127.0.0.1:0")
	r.demo.Dir, r.demo.Stderr = dir, stderr
	if err := r.demo.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.demo.Wait() }()
	t.Cleanup(func() { _ = r.demo.Process.Kill() })
	for deadline := time.After(2 * time.Minute); ; {
		var line string
		select {
		case line = <-stderr.lines:
		case err := <-r.ended:
			t.Fatalf("the demo ended: %v", err)
		case <-deadline:
			t.Fatal("the demo did not come up")
		}
		if m := regexp.MustCompile(`ClickHouse at (\S+)`).FindStringSubmatch(line); m != nil {
			r.clickhouse = m[1]
		}
		if strings.Contains(line, "stay up until Ctrl-C") {
			return r
		}
	}
}

// report runs a command of bin/report beside the demo and returns its output.
func (r *demoRun) report(args ...string) []byte {
	r.t.Helper()
	cmd := exec.Command(filepath.Join(r.bin, "report"), args...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "ERRATA_CLICKHOUSE_ADDR="+r.clickhouse)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && !strings.Contains(stderr.String(), "watermark") { // that comes with the ingester's next look
		r.t.Fatalf("report %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// stop ends the demo as Ctrl-C does.
func (r *demoRun) stop() {
	r.t.Helper()
	if err := r.demo.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("the demo did not stop in order: %v", err)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatal("the demo does not stop")
	}
}

// watched hands on what is written to it line by line.
type watched struct {
	rest  string
	lines chan string
}

func (w *watched) Write(p []byte) (int, error) {
	w.rest += string(p)
	for {
		line, rest, ok := strings.Cut(w.rest, "\n")
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		w.lines <- line
	}
}

// A demo that is killed leaves no process behind: a remaining ingester would stay in the group.
func TestKilledDemoLeavesNobodyBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	t.Parallel()
	stacktest.Library(t)
	bin := built(t)
	up := startDemo(t, bin, t.TempDir(), "1000")
	if err := up.demo.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-up.ended
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left := 0
		processes, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range processes {
			if exe, err := os.Readlink(p); err == nil && strings.HasPrefix(exe, bin) {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left", left)
		}
	}
}
