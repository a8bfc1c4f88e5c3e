package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/report"
)

func newReenrich(env *environment) *cobra.Command {
	var (
		window cli.Window
		run    report.Reenrichment
	)
	cmd := &cobra.Command{
		Use:   "re-enrich",
		Short: "Give stored errors what today's catalogs say about them",
		Long: "Give stored errors the family, kind, texts and so on that today's catalogs say, and the rollups their family and kind.\n" +
			"Counts do not change. It may be interrupted and run again: it goes on with the rows that other catalogs have explained, and a\n" +
			"run that finds none changes nothing. Ingesters may go on; let them take the new catalogs first.",
		Args: cobra.NoArgs,
	}
	window.Flags(cmd.Flags(), "")
	cmd.Flags().Lookup("since").Usage += " (default: all there is)"
	cmd.Flags().BoolVar(&run.DryRun, "dry-run", false, "count what would change, and write nothing")
	cmd.Flags().IntVar(&run.Rate, "rate", 0, "how many rows a second at most (default: no limit)")
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
