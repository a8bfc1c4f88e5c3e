package main

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"errata/catalogs"
	"errata/internal/catalog"
)

func newLint(env *environment) *cobra.Command {
	var output string
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint [DIR]",
		Short: "What is wrong with the catalog files of a folder (default: catalogs.dir, else those that are built in)",
		Long: "What is wrong with the catalog files of a folder, with line and column: errors, for which a catalog cannot be used, and notes on what could be better.\n" +
			"Exit code 1 when there are errors, with --strict also when there are notes.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			errors := 0
			for _, p := range problems {
				if p.Severe {
					errors++
				}
			}
			switch output {
			case "text":
				for _, p := range problems {
					fmt.Fprintln(cmd.OutOrStdout(), p)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%d errors, %d notes\n", errors, len(problems)-errors)
			case "json":
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				if err := e.Encode(append([]catalog.Problem{}, problems...)); err != nil {
					return err
				}
			default:
				return fmt.Errorf("--output %q: give one of text, json", output)
			}
			if errors > 0 || strict && len(problems) > 0 {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text, json")
	cmd.Flags().BoolVar(&strict, "strict", false, "count notes as findings too")
	return cmd
}

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "The JSON Schema of a catalog file, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := fs.ReadFile(catalogs.FS, catalogs.Schema)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
