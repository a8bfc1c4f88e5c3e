package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"errata/internal/accesslog"
	"errata/internal/cli"
	"errata/internal/cli/clitest"
	"errata/internal/stack/stacktest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ingest": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// Each script in testdata is one behaviour, run as a user would. UPDATE=1 writes what was printed
// into the scripts' expectations, to be read before it is committed.
func TestScripts(t *testing.T) {
	program := clitest.Build(t, "ingest")
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", program+string(filepath.ListSeparator)+env.Getenv("PATH"))
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "ERRATA_") {
					env.Setenv(name, "")
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// servers starts a broker with the topic gateway-logs and an empty ClickHouse, and
			// names them in the environment.
			"servers": func(ts *testscript.TestScript, _ bool, _ []string) {
				k := stacktest.Kafka(t)
				ts.Check(k.CreateTopic(t.Context(), "gateway-logs", 1))
				ts.Setenv("ERRATA_KAFKA_BROKERS", k.Addr)
				ts.Setenv("ERRATA_CLICKHOUSE_ADDR", stacktest.ClickHouse(t).Addr)
			},
		},
	})
}

func TestExamples(t *testing.T) { clitest.CheckExamples(t, newRoot) }

func TestEachReasonIsExplained(t *testing.T) {
	for _, reason := range accesslog.Reasons {
		if reasons[reason] == "" {
			t.Errorf("nothing explains the reason %s", reason)
		}
	}
}

// The help of each command fits a terminal.
func TestHelpFits(t *testing.T) {
	for path := range clitest.Leaves(newRoot()) {
		for _, width := range []int{80, 120} {
			var out bytes.Buffer
			args := append(strings.Fields(path), "--help")
			if code := run(t.Context(), args, strings.NewReader(""), cli.Screen{Writer: &out, Columns: width}, io.Discard); code != cli.Fine || !strings.Contains(out.String(), "Examples:") {
				t.Errorf("%s --help: exit code %d: %s", path, code, out.String())
			}
			clitest.CheckFits(t, path+" --help", out.String(), width)
		}
	}
}
