package main

import (
	"io/fs"

	"github.com/spf13/cobra"

	"errata/catalogs"
	"errata/internal/cli"
	"errata/internal/report"
)

func newCatalog(env *environment) *cobra.Command {
	return cli.Group("catalog", "The published error codes",
		newList(env), newImport(env), newLint(env), newSchema(), newDrift(env), newReenrich(env))
}

func newList(env *environment) *cobra.Command {
	var lang string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all published codes with their texts, in the order of the files and pages",
		Example: "report catalog list --lang en\n" +
			"report catalog list --output tsv",
		Args: cli.Arguments(0, 0),
	}
	langFlag(cmd.Flags(), &lang)
	output := report.PublishedOutputs.Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, set, err := env.catalogs()
		if err != nil {
			return err
		}
		if err := checkLang(lang, set); err != nil {
			return err
		}
		return output.Write(report.NewPublished(set, lang), cmd.OutOrStdout())
	}
	return cmd
}

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of a catalog file, for editors",
		Example: "report catalog schema > catalog.schema.json",
		Args:    cli.Arguments(0, 0),
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
