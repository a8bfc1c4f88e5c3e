package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/report"
)

func newTop(env *environment) *cobra.Command {
	var (
		window cli.Window
		q      report.TopQuery
		by     string
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show the most frequent error codes, with what they mean and what to do",
		Example: "report top --since 24h --limit 10\n" +
			"report top --tenant acme --by service,code --output csv\n" +
			"report top --from 2026-11-02 --to 2026-11-03 --zone Europe/Berlin",
		Args: cli.Arguments(0, 0),
	}
	window.Flags(cmd.Flags(), "24h")
	keys := strings.Join(report.TopKeys, ",")
	cmd.Flags().StringVar(&by, "by", "tenant,code", "what to group by: "+keys)
	tenantFlag(cmd.Flags(), &q.Tenants)
	cmd.Flags().StringSliceVar(&q.Topics, "topic", nil, "only records of these Kafka topics")
	limitFlag(cmd.Flags(), &q.Limit, "the greatest number of rows")
	output := report.TopOutputs.Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if q.From, q.To, err = window.Minutes(time.Now()); err != nil {
			return err
		}
		for key := range strings.SplitSeq(by, ",") {
			if key = strings.TrimSpace(key); !slices.Contains(report.TopKeys, key) {
				return fmt.Errorf("--by %q: give some of %s", key, keys)
			}
			if slices.Contains(q.By, key) {
				return fmt.Errorf("--by names %q twice", key)
			}
			q.By = append(q.By, key)
		}
		if err := checkLimit(q.Limit); err != nil {
			return err
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		top, err := report.NewTop(cmd.Context(), s, catalogs, q)
		if err != nil {
			return err
		}
		if err := output.Write(top, cmd.OutOrStdout()); err != nil {
			return err
		}
		return missing(cmd.Context(), s, q.Scope)
	}
	return cmd
}
