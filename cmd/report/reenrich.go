package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/report"
	"errata/internal/store"
)

func newReenrich(env *environment) *cobra.Command {
	var (
		window cli.Window
		run    report.Reenrichment
	)
	cmd := &cobra.Command{
		Use:   "re-enrich",
		Short: "Update stored errors to what today's catalogs say about them",
		Long: "Update the family, kind, texts and so on of stored errors to what today's catalogs say, and the family and kind of their rollups. " +
			"Counts do not change. The command may be interrupted and run again: it continues with the rows that other catalogs explained, " +
			"and changes nothing if there are none. Ingesters may keep running; let them load the new catalogs first.",
		Example: "report catalog re-enrich --dry-run\n" +
			"report catalog re-enrich --since 30d --rate 5000",
		Args: cli.Arguments(0, 0),
	}
	window.Flags(cmd.Flags(), "")
	cmd.Flags().Lookup("since").Usage += " (default: all stored errors)"
	cmd.Flags().BoolVar(&run.DryRun, "dry-run", false, "count what would change, and write nothing")
	cmd.Flags().IntVar(&run.Rate, "rate", 0, "the greatest number of rows a second (default: no limit)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if window.Given() {
			if run.Scope.From, run.Scope.To, err = window.Minutes(time.Now()); err != nil {
				return err
			}
		}
		if run.Rate < 0 {
			return fmt.Errorf("--rate %d: give how many rows a second at most", run.Rate)
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		if err := warnOfCatalogs(cmd, s, catalogs, store.Scope{}); err != nil {
			return err
		}
		run.Progress = func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
		err = run.Run(cmd.Context(), s, catalogs)
		if cmd.Context().Err() != nil {
			return cli.Findings(run.Interrupted())
		}
		if err != nil {
			return err
		}
		return run.Render(cmd.OutOrStdout())
	}
	return cmd
}
