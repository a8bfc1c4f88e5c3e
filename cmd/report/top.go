package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/report"
)

func newTop(env *environment) *cobra.Command {
	var (
		window  cli.Window
		q       report.TopQuery
		by, per string
		wide    bool
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show the most frequent error codes, with what they mean and what to do",
		Long: "Show the most frequent error codes, with what they mean and what to do. The share of a row is its errors divided by the requests of the " +
			"same tenant, service, route and status; columns that --by does not name are left out. On a terminal the table fits the width; --wide shows " +
			"all columns.",
		Example: "report top --since 24h --limit 10\n" +
			"report top --by code --compare 7d\n" +
			"report top --per tenant --limit 3\n" +
			"report top --tenant acme --by service,code --output csv\n" +
			"report top --from 2026-11-02 --to 2026-11-03 --zone Europe/Berlin",
		Args: cli.Arguments(0, 0),
	}
	flags := cmd.Flags()
	window.Flags(flags, "24h")
	flags.StringVar(&by, "by", "tenant,code", "what to group by: "+strings.Join(report.TopKeys, ","))
	flags.StringVar(&q.Compare, "compare", "", "compare with the `window` before: previous (of the same length), 1d or 7d (the same one a day or a week earlier)")
	tenantFlag(flags, &q.Tenants)
	flags.StringArrayVar(&q.Codes, "code", nil, "only errors with this `code`, in any case and with any separators; may be repeated")
	flags.StringArrayVar(&q.Families, "family", nil, "only errors of this `family`; may be repeated")
	flags.StringArrayVar(&q.Services, "service", nil, "only requests of this `service`; may be repeated")
	flags.StringArrayVar(&q.Routes, "route", nil, "only requests of this `route`; may be repeated")
	flags.StringSliceVar(&q.Topics, "topic", nil, "only records of these Kafka topics")
	limitFlag(flags, &q.Limit, "the greatest number of rows; the others are summed up as (other)")
	flags.StringVar(&per, "per", "", "tenant: apply --limit to each tenant by itself")
	langFlag(flags, &q.Lang)
	flags.BoolVar(&wide, "wide", false, "show all columns of the table, however wide the terminal is")
	output := report.TopOutputs.Flag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if q.From, q.To, err = window.Minutes(time.Now()); err != nil {
			return err
		}
		for key := range strings.SplitSeq(by, ",") {
			q.By = append(q.By, strings.TrimSpace(key))
		}
		switch per {
		case "":
		case "tenant":
			q.PerTenant = true
		default:
			return fmt.Errorf("--per %q: give tenant", per)
		}
		q.Zone = window.Zone.Location()
		if err := q.Check(); err != nil {
			return err
		}
		if err := checkLimit(q.Limit); err != nil {
			return err
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		if err := checkLang(q.Lang, catalogs); err != nil {
			return err
		}
		top, err := report.NewTop(cmd.Context(), s, catalogs, q)
		if err != nil {
			return err
		}
		top.Wide = wide
		warn(cmd, top.OtherCatalogs)
		if err := output.Write(top, cmd.OutOrStdout()); err != nil {
			return err
		}
		if programs := output.String() == "csv" || output.String() == "tsv"; programs && top.Freshness.Trouble() {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", top.Freshness)
		}
		return missing(cmd.Context(), s, q.Scope, q.Filter)
	}
	return cmd
}
