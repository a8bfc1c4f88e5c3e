package main

import (
	"fmt"
	"io"
	"os"

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
		Long: "Check the catalog files of a folder, each by itself and together with the built-in ones that they do not replace, and print " +
			"each problem with its line and column: errors make a catalog unusable, notes say what could be better. Where each family " +
			"comes from goes to standard error. Exit code 1: there are errors, or with --strict notes.",
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
		if len(args) > 0 {
			cfg.Catalogs.Dir = args[0]
			if info, err := os.Stat(args[0]); err == nil && !info.IsDir() {
				return fmt.Errorf("%s is a file: give the folder that it is in", args[0])
			}
		}
		problems, families, err := catalog.Lint(cfg.Catalogs)
		if err != nil {
			return err
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
			for _, f := range families {
				fmt.Fprintf(cmd.ErrOrStderr(), "family %s: %s\n", f.Name, f.Origin)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d errors, %d notes\n", severe, len(problems)-severe)
		}
		if severe > 0 || strict && len(problems) > 0 {
			return cli.Findings("")
		}
		return nil
	}
	return cmd
}
