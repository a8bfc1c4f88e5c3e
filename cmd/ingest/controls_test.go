package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/cli"
	"errata/internal/cli/clitest"
	"errata/internal/stack/stacktest"
)

// hostile are records of which each text would drive a terminal that shows it.
const hostile = `{"time":"2026-11-02T10:00:00Z","tenant":"t\u001b[2J\u0007\n\u202e","service":"s\u009b","path":"/p\u009b","status":500,"request_id":"r\u001b",` +
	`"response_body":"{\"error_code\":\"OSM.0101\\u001b[2J\\u202e\",\"error_msg\":\"m\\u001b[2J\\u009b\\u202e\"}"}` + "\n" +
	"broken \x1b[2J\u009b\u202e and long enough to be wider than a terminal of eighty columns, which wraps it\n" +
	`{"hel\u001b[2Jlo":"world"}` + "\n" +
	`[7,{"time":"1990-01-01T00:00:00Z","status":200}]` + "\n"

// TestOutputsDriveNoTerminal runs each command on hostile records, with each of its outputs, and on
// terminals of 80 and 120 columns.
func TestOutputsDriveNoTerminal(t *testing.T) {
	s := newAuditedStack(t)
	t.Setenv("ERRATA_KAFKA_GROUP", "g\x1b[2J\u202e")
	t.Setenv("ERRATA_LOG_LEVEL", "debug")
	file := filepath.Join(t.TempDir(), "records.log")
	stacktest.Must(t, os.WriteFile(file, []byte(hostile), 0o600))
	w := &kafka.Writer{Addr: kafka.TCP(s.broker), Topic: "gateway-logs", RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
	defer w.Close()
	for line := range strings.Lines(hostile) {
		stacktest.Must(t, w.WriteMessages(t.Context(), kafka.Message{Value: []byte(strings.TrimSuffix(line, "\n")), Time: time.Now()}))
	}
	commands := clitest.Leaves(newRoot())

	// The ingester, with its log on a terminal.
	ctx, cancel := context.WithCancel(t.Context())
	var log output
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"run", s.config}, strings.NewReader(""), &log, &log) }() // awaited below
	s.awaitTables()
	s.await("4")
	cancel()
	if code := <-ended; code != cli.Fine {
		t.Errorf("run: exit code %d", code)
	}
	clitest.CheckDrivesNothing(t, "run", log.String())
	if !strings.Contains(log.String(), `g\x1b[2J\u202e`) {
		t.Errorf("run shows no group:\n%s", log.String())
	}
	left := maps.Clone(commands)
	delete(left, "run")

	for _, r := range []struct {
		command string
		args    []string
		shows   string
	}{
		{"check", nil, `g\x1b[2J\u202e`},
		{"check", []string{"--sample", file}, `t\x1b[2J`},
		{"check", []string{"--config", "no\x1b.yaml"}, `no\x1b.yaml`},
		{"audit", nil, "counted"},
		{"audit", []string{"--deep"}, "read again"},
		{"deadletters list", nil, `\x1b[2J`},
		{"deadletters list", []string{"--reason", "no\x1bne"}, `no\x1bne`},
		{"deadletters replay", nil, "skipped"},
		{"replay", []string{"--all", "--force"}, "re-parsed"},
		{"replay", []string{"--at", "t\x1b/0"}, `t\x1b/0`},
		{"detect", []string{file}, `\x1b[2J`},
		{"parse", []string{file}, `\x1b[2J`},
		{"parse", []string{"no\u202e.log"}, `no\u202e.log`},
		{"ready", []string{"--config", "no\x1b.yaml"}, `no\x1b.yaml`},
	} {
		delete(left, r.command)
		words := slices.Concat(strings.Fields(r.command), []string{s.config}, r.args)
		for _, output := range clitest.OutputFlags(commands[r.command]) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append(words, output...), strings.NewReader(""), &stdout, &stderr)
			all := stdout.String() + stderr.String()
			if code > cli.WrongUse || !strings.Contains(all, r.shows) && !slices.Contains(output, "json") {
				t.Errorf("%q %q: exit code %d, shows no %s:\n%q", words, output, code, r.shows, all)
			}
			clitest.CheckDrivesNothing(t, append(words, output...), all)
			if slices.Contains(output, "json") {
				continue
			}
			for _, width := range []int{80, 120} {
				var stdout bytes.Buffer
				run(t.Context(), append(words, output...), strings.NewReader(""), cli.Screen{Writer: &stdout, Columns: width}, io.Discard)
				clitest.CheckFits(t, words, stdout.String(), width)
			}
		}
	}
	for command := range left {
		t.Errorf("the command %q is not run on hostile records: add it here", command)
	}
	if got := s.query("SELECT groupUniqArray(reason) FROM @dead_letters"); strings.Count(got, ",") != 3 {
		t.Errorf("the records have the reasons %s: want four", got)
	}
}
