package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

// built is a folder with the three programs, as `make build` makes it.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "errata/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// The acceptance of the whole: what a user sees of `make run`, on both brokers.
func TestDemo(t *testing.T) {
	stacktest.Library(t)
	bin := built(t)
	for _, broker := range []string{"kfake", "kafka"} {
		t.Run(broker, func(t *testing.T) {
			dir := t.TempDir() // no config.yaml there: the defaults, and the environment
			var environment []string
			for _, v := range os.Environ() {
				if !strings.HasPrefix(v, "ERRATA_") {
					environment = append(environment, v)
				}
			}
			if broker == "kafka" {
				environment = append(environment, "ERRATA_KAFKA_BROKERS="+stacktest.RealKafka(t).Addr)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var stdout, stderr bytes.Buffer
			demo := exec.CommandContext(ctx, filepath.Join(bin, "stack"), "demo", "--once", "--requests", "40000",
				"--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--http", "127.0.0.1:0")
			demo.Dir, demo.Env, demo.Stdout, demo.Stderr = dir, environment, &stdout, &stderr
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

// What stays up after the report answers other commands, and a second run reports its own traffic alone.
func TestDemoStaysUpForOtherCommands(t *testing.T) {
	stacktest.Library(t)
	bin, dir := built(t), t.TempDir()
	for range 2 {
		stderr := &watched{lines: make(chan string, 1000)}
		demo := exec.Command(filepath.Join(bin, "stack"), "demo", "--requests", "5000", "--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--http", "127.0.0.1:0")
		demo.Dir, demo.Stderr = dir, stderr
		if err := demo.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- demo.Wait() }()
		t.Cleanup(func() { _ = demo.Process.Kill() })
		clickhouse := ""
		for deadline := time.After(2 * time.Minute); ; {
			var line string
			select {
			case line = <-stderr.lines:
			case err := <-ended:
				t.Fatalf("the demo ended: %v", err)
			case <-deadline:
				t.Fatal("the demo did not come up")
			}
			if m := regexp.MustCompile(`ClickHouse at (\S+)`).FindStringSubmatch(line); m != nil {
				clickhouse = m[1]
			}
			if strings.Contains(line, "stay up until Ctrl-C") {
				break
			}
		}
		report := exec.Command(filepath.Join(bin, "report"), "top", "--since", "25h", "--output", "json")
		report.Dir, report.Env = dir, append(os.Environ(), "ERRATA_CLICKHOUSE_ADDR="+clickhouse)
		out, err := report.Output()
		if err != nil {
			t.Fatal(err)
		}
		var top struct {
			Requests int
			Rows     []struct{ Tenant, Code string }
		}
		if err := json.Unmarshal(out, &top); err != nil || top.Requests == 0 || len(top.Rows) == 0 {
			t.Errorf("%v: %s", err, out)
		}
		if err := demo.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the demo did not stop in order: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the demo does not stop")
		}
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
