package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"errata/internal/link"
)

func TestCode(t *testing.T) {
	f := func(err error, want int) {
		t.Helper()
		if got := Code(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
		if err == nil {
			return
		}
		if got := Code(fmt.Errorf("count: %w", err)); got != want {
			t.Errorf("%v wrapped: %d, want %d", err, got, want)
		}
		if got := Code(errors.Join(errors.New("first"), err)); got != want {
			t.Errorf("%v joined: %d, want %d", err, got, want)
		}
	}
	f(nil, Fine)
	f(flag.ErrHelp, Fine)
	f(Findings("two findings"), Found)
	f(errors.New("wrong"), WrongUse)
	f(link.Refused("kafka refuses us"), WrongUse)
	f(link.Unreachable("kafka does not answer"), Unreachable)
	f(errors.Join(link.Unreachable("kafka does not answer"), link.Refused("clickhouse refuses us")), WrongUse)
	f(context.Canceled, WrongUse)

	// What breaks in the middle.
	f(io.EOF, Unreachable)
	f(io.ErrUnexpectedEOF, Unreachable)
	f(context.DeadlineExceeded, Unreachable)
	f(os.ErrDeadlineExceeded, Unreachable)
	f(syscall.ECONNRESET, Unreachable)
	f(syscall.EPIPE, Unreachable)
	_, err := net.Dial("tcp", "127.0.0.1:1")
	f(err, Unreachable)

	// A program of ours that this one ran.
	f(exec.Command("sh", "-c", "exit 1").Run(), Found)
	f(exec.Command("sh", "-c", "exit 3").Run(), Unreachable)
	f(exec.Command("sh", "-c", "kill -9 $$").Run(), WrongUse)

	// What is of this machine.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = net.Listen("tcp", l.Addr().String())
	f(err, WrongUse)
	_, err = os.ReadFile(filepath.Join(t.TempDir(), "nowhere"))
	f(err, WrongUse)
	f(&fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, WrongUse)
}

func TestExitPrints(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		var b strings.Builder
		if Exit("ingest", err, &b); b.String() != want {
			t.Errorf("%v: %q, want %q", err, b.String(), want)
		}
	}
	f(nil, "")
	f(Findings(""), "")
	f(Findings("two findings"), "ingest: two findings\n")
	f(errors.Join(errors.New("one"), errors.New("two")), "ingest: one\ningest: two\n")
}

func TestRun(t *testing.T) {
	f := func(args string, want int, stdout, stderr string) {
		t.Helper()
		root := Root("program", "Does something")
		var at Time
		leaf := &cobra.Command{Use: "leaf", Args: Arguments(0, 0), RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), "done")
			return err
		}}
		at.Flag(leaf.Flags(), "since", "", "start")
		leaf.Flags().Int("limit", 20, "rows")
		leaf.Flags().Bool("deep", false, "all")
		root.AddCommand(Group("group", "More", leaf))
		var out, told strings.Builder
		code := Run(t.Context(), root, strings.Fields(args), strings.NewReader(""), &out, &told)
		if code != want || !strings.Contains(out.String(), stdout) || stdout == "" && out.Len() > 0 ||
			!strings.Contains(told.String(), stderr) || stderr == "" && told.Len() > 0 {
			t.Errorf("%s: %d %q %q", args, code, out.String(), told.String())
		}
	}
	f("group leaf", Fine, "done", "")
	f("group leaf --help", Fine, "    --since time  start: 90m, ", "")
	f("--help", Fine, "  group  More\n", "")
	f("", WrongUse, "", "\nprogram: program needs a command\n")
	f("group", WrongUse, "", "\nprogram: program group needs a command\n")
	f("grup", WrongUse, "", `program: unknown command "grup" for "program": did you mean "group"?`+"\n")
	f("grup --since 1h", WrongUse, "", `program: unknown command "grup" for "program": did you mean "group"?`+"\n")
	f("group leav --since 1h", WrongUse, "", `program: unknown command "leav" for "program group": did you mean "leaf"?`+"\n")
	f("group --since 1h", WrongUse, "", "program: unknown flag --since for \"program group\": write a command before it\n")
	f("help grup", WrongUse, "", `program: unknown command "grup" for "program": did you mean "group"?`+"\n")
	f("help group leav", WrongUse, "", `program: unknown command "leav" for "program group": did you mean "leaf"?`+"\n")
	f("help group leaf", Fine, "    --since time  start: 90m, ", "")
	f("help", Fine, "  group  More\n", "")
	f("--version", Fine, "program version ", "")
	f("group leaf extra", WrongUse, "", "program: program group leaf takes no arguments, and \"extra\" is one\n")
	f("group leav", WrongUse, "", `program: unknown command "leav" for "program group": did you mean "leaf"?`+"\n")
	f("group leaf --since soon", WrongUse, "", `program: --since "soon": give a time span such as 90m, `)
	f("group leaf --limit abc", WrongUse, "", `program: --limit "abc": give a whole number`+"\n")
	f("group leaf --limit 1.5", WrongUse, "", `program: --limit "1.5": give a whole number`+"\n")
	f("group leaf --deep=perhaps", WrongUse, "", `program: --deep "perhaps": give true or false`+"\n")
	f("group leaf --until soon", WrongUse, "", "program: unknown flag --until for \"program group leaf\": program group leaf --help lists the flags\n")
	f("group leaf --sicne 1h", WrongUse, "", "program: unknown flag --sicne for \"program group leaf\": did you mean --since?\n")
	f("group leaf -since 1h", WrongUse, "", "program: unknown flag -since for \"program group leaf\": did you mean --since?\n")
	f("group leaf --since", WrongUse, "", "program: --since needs a value: start: 90m, ")
}
