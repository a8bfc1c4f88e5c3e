// Package cli is what the programs ingest, report and stack share at the command line. Each of
// these has one spelling and one meaning in all of them:
//
//   - exit.go: exit codes, which error has which code, and how an error is printed
//   - times.go: flags for a time, a time window or a zone, and timestamps in output
//   - output.go: a command's table of output formats, --output, JSON and YAML
//   - table.go: tables for a terminal, Markdown and CSV
//
// Results go to standard output and everything else to standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Interruptible returns a context that SIGINT and SIGTERM cancel. A second signal ends the process
// at once.
func Interruptible() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

// Root returns the command of a program. It needs one of its subcommands.
func Root(name, short string) *cobra.Command {
	root := Group(name, short)
	root.SilenceUsage = true
	root.SilenceErrors = true
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

// Group returns a command that only has subcommands.
func Group(name, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: name, Short: short, RunE: needsCommand}
	group.AddCommand(commands...)
	return group
}

func needsCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	cmd.SetOut(cmd.ErrOrStderr())
	return errors.Join(cmd.Usage(), fmt.Errorf("%s needs a command", cmd.CommandPath()))
}

// Run runs the command that the arguments name, prints its error, and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return Exit(root.Name(), root.ExecuteContext(ctx), stderr)
}
