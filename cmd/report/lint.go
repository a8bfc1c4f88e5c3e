package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
)

// lintOutputs are the ways to write the problems of catalog files.
var lintOutputs = cli.Outputs[[]catalog.Problem]{
	{Name: "text", Write: lintText},
	{Name: "json", Write: func(problems []catalog.Problem, w io.Writer) error {
		return cli.JSON(append([]catalog.Problem{}, problems...), w)
	}},
}

func lintText(problems []catalog.Problem, w io.Writer) error {
	for _, p := range problems {
		if err := cli.Paragraph(w, "", fmt.Sprint(p)); err != nil {
			return err
		}
	}
	return nil
}

func newLint(env *environment) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint [DIR]",
		Short: "Check the catalog files of a folder (default: catalogs.dir, else the built-in ones)",
		Long: "Check the catalog files of a folder, and print each problem with its line and column: errors make a catalog unusable, notes " +
			"say what could be better. Exit code 1: there are errors, or with --strict notes.",
		Example: "report catalog lint\n" +
			"report catalog lint --strict mine",
		Args: cli.Arguments(0, 1),
	}
	output := lintOutputs.Flag(cmd.Flags())
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 for notes too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := env.config()
		if err != nil {
			return err
		}
		dir := cfg.Catalogs.Dir
		if len(args) > 0 {
			dir = args[0]
		}
		problems, err := catalog.Lint(catalog.Files(dir))
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if err := output.Write(problems, cmd.OutOrStdout()); err != nil {
			return err
		}
		severe := 0
		for _, p := range problems {
			if p.Severe {
				severe++
			}
		}
		if output.String() == "text" {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d errors, %d notes\n", severe, len(problems)-severe)
		}
		if severe > 0 || strict && len(problems) > 0 {
			return cli.Findings("")
		}
		return nil
	}
	return cmd
}
