// Package cli is what the programs ingest, report and stack share at the command line. The
// following are the same in all three programs:
//
//   - exit.go: exit codes, which error has which code, and how an error is printed
//   - times.go: flags for a time, a time window or a zone, and timestamps in output
//   - output.go: a command's table of output formats, --output, JSON and YAML
//   - table.go, wrap.go: tables for a terminal, Markdown and CSV; prose for a terminal
//   - help.go: what --help shows
//   - near.go: suggestions for a misspelled word
//   - escape.go: how text from outside is escaped, so that it cannot control a terminal or a
//     spreadsheet
//
// Results go to standard output and everything else to standard error.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	root.Version = Version()
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { _ = showHelp(cmd, cmd.OutOrStdout()) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { return showUsage(cmd, cmd.OutOrStderr()) })
	root.SetHelpCommand(&cobra.Command{Use: "help [command]", Short: "Help about any command", RunE: help})
	return root
}

// Version returns what the build knows of its source: a version, or "(devel)".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(info.Main.Version, "(devel)")
	}
	return "(devel)"
}

// Group returns a command that only has subcommands.
func Group(name, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: needsCommand}
	group.AddCommand(commands...)
	return group
}

func needsCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	cmd.SetOut(cmd.ErrOrStderr())
	return errors.Join(cmd.Usage(), fmt.Errorf("%s needs a command", cmd.CommandPath()))
}

// unknownCommand returns the error of a word that is no command of a group.
func unknownCommand(group *cobra.Command, word string) error {
	var names []string
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	all := strings.Join(names, ", ")
	if group.Version != "" {
		names = append(names, "--version")
	}
	near, found := meant(word, names)
	text := fmt.Sprintf("unknown command %q for %q: did you mean %q?", word, group.CommandPath(), near)
	if !found {
		text += " The commands are " + all
	}
	return errors.New(text)
}

// flagError returns the error of a wrong flag. A wrong command before the flag comes first, because
// its flags are not those of the group.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); len(args) > 0 && cmd.HasSubCommands() {
		return unknownCommand(cmd, args[0])
	}
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		dashed, name := "--"+unknown.GetSpecifiedName(), unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			dashed, name = "-"+short, short
		}
		return fmt.Errorf("unknown flag %s for %q: %s", dashed, cmd.CommandPath(), flagAdvice(cmd, name))
	}
	if lacking := (*pflag.ValueRequiredError)(nil); errors.As(err, &lacking) {
		_, usage := pflag.UnquoteUsage(lacking.GetFlag())
		return fmt.Errorf("--%s needs a value: %s", lacking.GetFlag().Name, usage)
	}
	return err
}

// flagAdvice says what may be meant by a flag that does not exist.
func flagAdvice(cmd *cobra.Command, name string) string {
	if cmd.HasSubCommands() {
		return "write a command before it"
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near, found := meant(name, names); found {
		return fmt.Sprintf("did you mean --%s?", near)
	}
	return fmt.Sprintf("%s --help lists the flags", cmd.CommandPath())
}

// Any is the greatest number of arguments of a command that takes any number.
const Any = math.MaxInt

// Arguments returns the check of a command that takes so many arguments.
func Arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n > most && most == 0:
			return fmt.Errorf("%s takes no arguments, and %q is one", cmd.CommandPath(), args[0])
		case n < least || n > most:
			return fmt.Errorf("%s was given %d arguments: write %s", cmd.CommandPath(), n, cmd.UseLine())
		}
		return nil
	}
}

// help shows the help of the command that the arguments name.
func help(cmd *cobra.Command, args []string) error {
	named, rest, err := cmd.Root().Find(args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0 && named.HasSubCommands():
		return unknownCommand(named, rest[0])
	}
	named.InitDefaultHelpFlag()
	return named.Help()
}

// Run runs the command that the arguments name, prints its error, and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	stderr = printableWriter{stderr}
	root.SetErr(stderr)
	return Exit(root.Name(), root.ExecuteContext(ctx), stderr)
}
