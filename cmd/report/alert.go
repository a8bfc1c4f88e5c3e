package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/alert"
	"errata/internal/store"
)

// newAlert has run and check; test and backtest are to come.
func newAlert(env *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "alert", Short: "Alert rules over the errors"}
	cmd.PersistentFlags().String("rules", alert.DefaultFile, "the file of alert rules")
	cmd.AddCommand(newAlertRun(env), newAlertCheck())
	return cmd
}

func newAlertRun(env *environment) *cobra.Command {
	var cfg alert.Config
	var once bool
	var output string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Evaluate alert rules as the data comes in",
		Long: "Evaluate alert rules as the data comes in, up to its watermark, and print every transition.\n" +
			"Nobody is told of them but by --webhook and --alertmanager. The states are kept in ClickHouse: a restart\n" +
			"goes on where it stopped. Alertmanager forgets what it is not told for four minutes, so with --once run often.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			write, ok := alertOutputs[output]
			if !ok {
				return fmt.Errorf("--output %q: give one of text, json", output)
			}
			if cfg.Since < 0 || cfg.Since > 7*24*time.Hour {
				return fmt.Errorf("--since %s: give 0s to 168h", cfg.Since)
			}
			if cfg.Groups, err = alert.Load(cmd.Flag("rules").Value.String()); err != nil {
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
			show := func(t store.AlertTransition) error { return write(cmd.OutOrStdout(), t) }
			r, err := alert.New(cfg, s, catalogs, show, env.log(cmd, settings))
			if err != nil {
				return err
			}
			if once {
				return r.Once(cmd.Context())
			}
			return r.Run(cmd.Context())
		},
	}
	cmd.Flags().DurationVar(&cfg.Since, "since", time.Hour, "how long before the watermark a rule begins that has never been evaluated")
	cmd.Flags().BoolVar(&once, "once", false, "evaluate up to the watermark and exit")
	cmd.Flags().StringVar(&cfg.Webhook, "webhook", "", "send notifications to this URL, as JSON")
	cmd.Flags().StringVar(&cfg.Alertmanager, "alertmanager", "", "send alerts to the Alertmanager at this URL")
	cmd.Flags().StringVar(&output, "output", "text", "text, json")
	return cmd
}

func newAlertCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Load the rules and say what is wrong with them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := cmd.Flag("rules").Value.String()
			groups, err := alert.Load(file)
			if err != nil {
				return err
			}
			rules := 0
			for _, g := range groups {
				rules += len(g.Rules)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is fine: rules %d, groups %d\n", file, rules, len(groups))
			return err
		},
	}
}

var alertOutputs = map[string]func(io.Writer, store.AlertTransition) error{"text": alertText, "json": alertJSON}

// alertText writes one line: 2026-11-02T00:35:00.000Z CaseQuotaExhausted{tenant="acme"} PENDING => FIRING: 41 errors in 5m, above 20, for 2m
func alertText(w io.Writer, t store.AlertTransition) error {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(t.Labels)) {
		if name != "alertname" {
			labels = append(labels, name+"="+strconv.Quote(t.Labels[name]))
		}
	}
	_, err := fmt.Fprintf(w, "%s %s{%s} %s => %s: %s\n", t.At.UTC().Format(alert.Stamp), t.Rule, strings.Join(labels, ","),
		strings.ToUpper(t.From), strings.ToUpper(t.To), t.Reason)
	return err
}

func alertJSON(w io.Writer, t store.AlertTransition) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		TS        string            `json:"ts"`
		Rule      string            `json:"rule"`
		Labels    map[string]string `json:"labels"`
		From      string            `json:"from"`
		To        string            `json:"to"`
		Reason    string            `json:"reason"`
		Value     float64           `json:"value"`
		Threshold float64           `json:"threshold"`
	}{t.At.UTC().Format(alert.Stamp), t.Rule, t.Labels, t.From, t.To, t.Reason, t.Value, t.Threshold})
}
