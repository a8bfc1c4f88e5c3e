package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the width of prose in help that does not go to a terminal.
const helpWidth = 100

// showHelp writes what a command does and how it is used, in the one style of all programs.
func showHelp(cmd *cobra.Command, w io.Writer) error {
	width := Width(w)
	if width == 0 {
		width = helpWidth
	}
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	for _, line := range wrap(about, width) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	return showUsage(cmd, w)
}

// showUsage writes how a command is used: examples, commands and flags.
func showUsage(cmd *cobra.Command, w io.Writer) error {
	fmt.Fprintln(w, "Usage:")
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s [command]\n", cmd.CommandPath())
	} else {
		fmt.Fprintf(w, "  %s\n", cmd.UseLine())
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n  %s\n", strings.ReplaceAll(cmd.Example, "\n", "\n  "))
	}
	commands := Table{Columns: []Column{{}, {Prose: true}}, Indent: "  "}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			commands.Rows = append(commands.Rows, []string{c.Name(), c.Short})
		}
	}
	if len(commands.Rows) > 0 {
		fmt.Fprintln(w, "\nAvailable Commands:")
		if err := commands.Text(w); err != nil {
			return err
		}
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintln(w, "\nFlags:")
		if err := flagTable(cmd.LocalFlags()).Text(w); err != nil {
			return err
		}
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintln(w, "\nGlobal Flags:")
		if err := flagTable(cmd.InheritedFlags()).Text(w); err != nil {
			return err
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n\"%s [command] --help\" says more about a command.\n", cmd.CommandPath())
	}
	return nil
}

// flagTable lists flags with what they take, what they do, and their defaults.
func flagTable(flags *pflag.FlagSet) Table {
	table := Table{Columns: []Column{{}, {Prose: true}}, Indent: "  "}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		takes, usage := pflag.UnquoteUsage(f)
		dashed := "    --" + f.Name
		if f.Shorthand != "" {
			dashed = "-" + f.Shorthand + ", --" + f.Name
		}
		if f.NoOptDefVal != "" && f.Value.Type() != "bool" {
			dashed, takes = dashed+"[="+takes+"]", ""
		}
		if takes != "" {
			dashed += " " + takes
		}
		if !slices.Contains([]string{"", "0", "false", "[]"}, f.DefValue) {
			usage += " (default " + f.DefValue + ")"
		}
		table.Rows = append(table.Rows, []string{dashed, usage})
	})
	return table
}
