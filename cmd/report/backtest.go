package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/alert"
	"errata/internal/cli"
)

func newAlertBacktest(env *environment) *cobra.Command {
	var (
		window  cli.Window
		labels  string
		suggest bool
		pages   float64
	)
	cmd := &cobra.Command{
		Use:   "backtest",
		Short: "Show when the rules would have fired",
		Long: "Replay the rules over stored data with the state machine that run uses, and show what would have fired, for how " +
			"long, and how many pages a week that makes. Nothing is written and no one is notified. With a file of labelled " +
			"incidents it also shows precision, recall and delay.",
		Example: "report alert backtest --from 2026-10-01 --to 2026-11-01\n" +
			"report alert backtest --labels incidents.yaml --output svg\n" +
			"report alert backtest --since 30d --suggest --pages-per-week 2",
		Args: cli.Arguments(0, 0),
	}
	window.Flags(cmd.Flags(), "7d")
	cmd.Flags().StringVar(&labels, "labels", "", "a `file` of labelled incidents")
	cmd.Flags().BoolVar(&suggest, "suggest", false, "propose a threshold for each rule, for --pages-per-week")
	cmd.Flags().Float64Var(&pages, "pages-per-week", 1, "how often a rule may fire a week, for --suggest")
	output := alert.BacktestOutputs.Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case cmd.Flags().Changed("pages-per-week") && !suggest:
			return errors.New("--pages-per-week is for --suggest: give both")
		case !(pages > 0):
			return fmt.Errorf("--pages-per-week %v: give more than 0", pages)
		}
		groups, err := alert.Load(cmd.Flag("rules").Value.String())
		if err != nil {
			return err
		}
		var o alert.BacktestOptions
		if labels != "" {
			if o.Incidents, err = alert.LoadIncidents(labels, groups); err != nil {
				return err
			}
		}
		if suggest {
			o.Suggest = pages
		}
		from, to, err := window.Minutes(time.Now())
		if err != nil {
			return err
		}
		settings, err := env.config()
		if err != nil {
			return err
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		r := alert.Runner{Config: alert.Config{Groups: groups}, Store: s, Catalogs: catalogs, Log: env.log(cmd, settings)}
		result, err := r.Backtest(cmd.Context(), from, to, o)
		if err != nil {
			return err
		}
		return output.Write(result, cmd.OutOrStdout())
	}
	return cmd
}
