package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
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
		fmt.Fprintf(w, "\nFlags:\n%s", cmd.LocalFlags().FlagUsagesWrapped(Width(w)))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(w, "\nGlobal Flags:\n%s", cmd.InheritedFlags().FlagUsagesWrapped(Width(w)))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n\"%s [command] --help\" says more about a command.\n", cmd.CommandPath())
	}
	return nil
}
