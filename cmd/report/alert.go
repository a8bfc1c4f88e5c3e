package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"errata/internal/alert"
	"errata/internal/cli"
	"errata/internal/delivery"
	"errata/internal/monitor"
	"errata/internal/notify"
	"errata/internal/store"
)

func newAlert(env *environment) *cobra.Command {
	cmd := cli.Group("alert", "Alert rules over the errors",
		newAlertRun(env), newAlertCheck(env), newAlertTest(env), newAlertBacktest(env), newAlertList(env), newAlertSilence(env), newAlertState(env))
	cmd.PersistentFlags().String("rules", alert.DefaultFile, "the file of alert rules")
	return cmd
}

func newAlertRun(env *environment) *cobra.Command {
	var cfg alert.Config
	var once, dry bool
	var addr string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Evaluate alert rules as the data comes in",
		Long: "Evaluate alert rules as the data comes in, up to its watermark, and print every transition. " +
			"No notification is sent unless the notify section of the configuration or a flag names a target. The states are " +
			"stored in ClickHouse: after a restart, evaluation continues where it stopped. Alertmanager resolves an alert " +
			"that it has not heard of for four minutes, so run --once more often than that.",
		Example: "report alert run\n" +
			"report alert run --once --rules alerts.yaml\n" +
			"report alert run --webhook https://hooks.example.test/errata",
		Args: cli.Arguments(0, 0),
	}
	cfg.Since.Flag(cmd.Flags(), "since", "1h", "where the evaluation of a new rule begins, as a span before the watermark or as a time")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would be sent to whom, and neither send nor store anything")
	cmd.Flags().BoolVar(&once, "once", false, "evaluate up to the watermark and exit")
	cmd.Flags().StringVar(&addr, "http", "", "serve /metrics, /healthz and /readyz at this `address`, such as 127.0.0.1:9465")
	targetFlags(cmd.Flags())
	output := alertOutputs.Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		file := cmd.Flag("rules").Value.String()
		if cfg.Groups, err = alert.Load(file); err != nil {
			return err
		}
		if cfg.File, err = filepath.Abs(file); err != nil {
			return err
		}
		settings, err := env.config()
		if err != nil {
			return err
		}
		if err := overrideURLs(cmd.Flags(), &settings.Notify); err != nil {
			return err
		}
		log := env.log(cmd, settings)
		cfg.TopCodes = settings.Metrics.TopCodes
		var sending *notify.Metrics
		r := alert.Runner{Log: log, Dry: dry}
		stop, err := serveMetrics(cmd.Context(), addr, r.Ready, log, func(registry prometheus.Registerer) {
			cfg.Metrics, sending = alert.NewMetrics(registry), notify.NewMetrics(registry)
		})
		if err != nil {
			return err
		}
		defer stop()
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		if err := warnOfCatalogs(cmd, s, catalogs, store.Scope{}); err != nil {
			return err
		}
		notifier := notify.New(settings.Notify, notify.Stored(s), log)
		if dry {
			notifier = notify.NewDry(settings.Notify, notify.Stored(s), log, cli.PrintableTo(cmd.OutOrStdout()))
		} else if topic := settings.Notify.Fence.Topic; topic != "" {
			fence, err := delivery.OpenFence(cmd.Context(), settings.Kafka, delivery.FenceName{Key: "notify.fence.topic", Topic: topic, Group: topic}, log)
			if err != nil {
				return err
			}
			defer fence.Close()
			notifier.Fence = fence.Check
		}
		if sending != nil {
			notifier.Watch(sending)
		}
		r.Config, r.Store, r.Catalogs, r.Notifier = cfg, s, catalogs, notifier
		r.Print = func(t store.AlertTransition) error { return output.Write(t, cmd.OutOrStdout()) }
		if once {
			return r.Once(cmd.Context())
		}
		return r.Run(cmd.Context())
	}
	return cmd
}

// targetFlags registers the flags that override the targets of notify.
func targetFlags(flags *pflag.FlagSet) {
	flags.String("webhook", "", "send notifications to this `URL`, as JSON, whatever notify.webhook.url says")
	flags.String("alertmanager", "", "send alerts to the Alertmanager at this `URL`, whatever notify.alertmanager.url says")
}

// overrideURLs takes the URLs of the flags that were given. An empty URL switches its target off.
func overrideURLs(flags *pflag.FlagSet, cfg *notify.Config) error {
	for flag, endpoint := range map[string]*notify.Endpoint{"webhook": &cfg.Webhook, "alertmanager": &cfg.Alertmanager} {
		if !flags.Changed(flag) {
			continue
		}
		endpoint.URL = flags.Lookup(flag).Value.String()
		if err := notify.CheckURL(endpoint.URL); err != nil {
			return fmt.Errorf("--%s %w", flag, err)
		}
	}
	return nil
}

// serveMetrics serves the metrics that register registers, if an address is given.
func serveMetrics(ctx context.Context, addr string, ready func() error, log *slog.Logger, register func(prometheus.Registerer)) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	register(registry)
	stop, err = monitor.Server{Addr: addr, Metrics: registry, Ready: ready, Log: log}.Start(ctx)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), "http.addr", "--http"))
	}
	return stop, nil
}

func newAlertCheck(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Report what is wrong with the rules, and what may not be meant",
		Long: "Report what is wrong with the rules, each with line and column, and compare them with the catalogs. " +
			"A note is no mistake: such a rule works, but may not do what was meant. With mistakes the exit code is 1.",
		Example: "report alert check\n" +
			"report alert check --rules alerts.yaml",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, catalogs, err := env.catalogs()
			if err != nil {
				return err
			}
			file := cmd.Flag("rules").Value.String()
			c, err := alert.CheckFile(file, catalogs)
			if err != nil {
				return err
			}
			for _, note := range c.Notes {
				if err := cli.Paragraph(cmd.OutOrStdout(), "", note.Error()); err != nil {
					return err
				}
			}
			if err := errors.Join(c.Problems...); err != nil {
				return cli.Findings(err.Error())
			}
			return cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("%s is fine: rules %d, groups %d", file, c.Rules, c.Groups))
		},
	}
}

func newAlertTest(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE...",
		Short: "Run unit tests of rules on a simulated clock",
		Long: "Run unit tests of rules on a simulated clock: inputs, and the states and notifications that have to come of them. " +
			"docs/alerts.md describes the files. With failures the exit code is 1.",
		Example: "report alert test alerts_test.yaml",
		Args:    cli.Arguments(1, 1000),
		RunE: func(cmd *cobra.Command, files []string) error {
			_, catalogs, err := env.catalogs()
			if err != nil {
				return err
			}
			var failures []error
			for _, file := range files {
				tests, err := alert.RunTests(cmd.Context(), file, catalogs)
				if err != nil {
					return err
				}
				failures = append(failures, tests.Failures...)
				if err := cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("%s: tests passed %d, failed %d", file, tests.Passed, tests.Failed)); err != nil {
					return err
				}
			}
			if len(failures) > 0 {
				return cli.Findings(errors.Join(failures...).Error())
			}
			return nil
		},
	}
}

func newAlertList(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show what is pending and firing, and which rules cannot be evaluated",
		Example: "report alert list\n" +
			"report alert list --max-delay 10m\n" +
			"report alert list --output json",
		Args: cli.Arguments(0, 0),
	}
	output := alert.ListOutputs.Flag(cmd.Flags())
	maxDelay := cmd.Flags().Duration("max-delay", 0, "exit with 1 if evaluation is further behind the data than this, such as 10m; for health checks")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *maxDelay < 0 {
			return fmt.Errorf("--max-delay %s: give a time span such as 10m", *maxDelay)
		}
		s, _, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		list, err := alert.List(cmd.Context(), s)
		if err != nil {
			return err
		}
		progress, err := alert.Progress(cmd.Context(), s)
		if err != nil {
			return err
		}
		if err := output.Write(list, cmd.OutOrStdout()); err != nil {
			return err
		}
		if *maxDelay == 0 {
			return cli.Paragraph(cmd.ErrOrStderr(), "", progress)
		}
		sentence, err := alert.CheckDelay(cmd.Context(), s, *maxDelay)
		if err == nil && sentence != "" {
			err = cli.Findings(sentence)
		}
		return err
	}
	return cmd
}

var alertOutputs = cli.Outputs[store.AlertTransition]{{Name: "text", Write: alertText}, {Name: "json", Write: alertJSON}}

// alertText writes one line: 2026-11-02T00:35:00.000Z CaseQuotaExhausted{tenant="acme"} PENDING =>
// FIRING: 41 errors in 5m, above 20, for 2m
func alertText(t store.AlertTransition, w io.Writer) error {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(t.Labels)) {
		if name != "alertname" {
			labels = append(labels, name+"="+strconv.Quote(t.Labels[name]))
		}
	}
	return cli.Paragraph(w, "", fmt.Sprintf("%s %s{%s} %s => %s: %s", cli.Timestamp{Time: t.At}, t.Rule, strings.Join(labels, ","),
		strings.ToUpper(t.From), strings.ToUpper(t.To), cli.OneLine(t.Reason)))
}

func alertJSON(t store.AlertTransition, w io.Writer) error {
	return cli.JSONLine(struct {
		TS        cli.Timestamp     `json:"ts"`
		Rule      string            `json:"rule"`
		Labels    map[string]string `json:"labels"`
		From      string            `json:"from"`
		To        string            `json:"to"`
		Reason    string            `json:"reason"`
		Value     float64           `json:"value"`
		Threshold float64           `json:"threshold"`
	}{cli.Timestamp{Time: t.At}, t.Rule, t.Labels, t.From, t.To, t.Reason, t.Value, t.Threshold}, w)
}
