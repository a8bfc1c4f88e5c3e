package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"errata/internal/cli"
	"errata/internal/cli/clitest"
	"errata/internal/stack/stacktest"
)

// What each command prints of hostile flags and of its results drives no terminal, and fits one.
func TestOutputsDriveNoTerminal(t *testing.T) {
	t.Parallel()
	broker := stacktest.Kafka(t)
	const hostile = "\x1b[2J\u009b\u202e\x7f"
	left := clitest.Leaves(newRoot(io.Discard, io.Discard))
	f := func(wantCode int, shows string, args ...string) {
		t.Helper()
		delete(left, args[0])
		var out bytes.Buffer
		if code := run(args, &out, &out); code != wantCode || !strings.Contains(out.String(), shows) {
			t.Errorf("%q: exit code %d, want %d and %s:\n%q", args, code, wantCode, shows, out.String())
		}
		clitest.CheckDrivesNothing(t, args, out.String())
	}
	const shown = `\x1b[2J\u009b\u202e\x7f`
	f(cli.WrongUse, shown, "up", "--dir", t.TempDir(), "--kafka", hostile)
	f(cli.WrongUse, shown, "up", "--topic", hostile)
	f(cli.WrongUse, shown, "demo", "--external-clickhouse", hostile)
	f(cli.WrongUse, shown, "clean", "--external-kafka", hostile)
	f(cli.WrongUse, shown, "fetch", hostile)
	f(cli.WrongUse, shown, "traffic", "--since", hostile)
	f(cli.WrongUse, shown, hostile)
	f(cli.Fine, `"topic": "gateway-logs"`, "traffic", "--requests", "500", "--kafka", broker.Addr)
	for command := range left {
		t.Errorf("the command %q is not run on hostile flags: add it here", command)
	}
}

// The help of each command fits a terminal.
func TestHelpFits(t *testing.T) {
	for path := range clitest.Leaves(newRoot(io.Discard, io.Discard)) {
		for _, width := range []int{80, 120} {
			var out bytes.Buffer
			if code := run(append(strings.Fields(path), "--help"), cli.Screen{Writer: &out, Columns: width}, io.Discard); code != cli.Fine || !strings.Contains(out.String(), "Examples:") {
				t.Errorf("%s --help: exit code %d: %s", path, code, out.String())
			}
			clitest.CheckFits(t, path+" --help", out.String(), width)
		}
	}
}
