package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/report"
	"errata/internal/store"
)

func newDaily(env *environment) *cobra.Command {
	var (
		q    report.DailyQuery
		zone cli.Zone
		date string
		full bool

		record, revisions bool
		to                []string
	)
	cmd := &cobra.Command{
		Use:   "daily",
		Short: "Report on the errors of a day or week: what changed, for whom, and what to do",
		Long: "Report on the errors of a calendar day, or of a week from Monday to Sunday: whether to read on, what changed against the same " +
			"weekday of the six weeks before, the top codes with their remedies, and what could not be seen. As text and Markdown, a quiet day " +
			"has three lines, unless --full is given.",
		Example: "report daily --zone Europe/Berlin\n" +
			"report daily --date 2026-11-02 --tenant acme --output markdown\n" +
			"report daily --week --owner operator --output html > week.html",
		Args: cli.Arguments(0, 0),
	}
	flags := cmd.Flags()
	flags.StringVar(&date, "date", "", "the `day`, such as 2026-11-02; with --week the week that has this day (default: yesterday, or last week)")
	flags.BoolVar(&q.Week, "week", false, "report on a whole week, Monday to Sunday")
	tenantFlag(flags, &q.Tenants)
	flags.StringVar(&q.Owner, "owner", "", "only codes that this one has to deal with: "+strings.Join(catalog.Owners, ", "))
	zone.Flag(flags, "time `zone` whose calendar days are meant, such as Europe/Berlin")
	flags.StringVar(&q.Lang, "lang", report.DailyLanguages[0], "language of the report: "+strings.Join(report.DailyLanguages, ", "))
	flags.IntVar(&q.Limit, "limit", 10, "the greatest number of codes and tenants in a list")
	flags.BoolVar(&full, "full", false, "show all sections of a quiet day too")
	flags.BoolVar(&record, "record", false, "record the report as a revision of its day, if it is the first one or the counts have changed since")
	flags.BoolVar(&revisions, "revisions", false, "list the recorded revisions of the day instead")
	flags.StringArrayVar(&to, "to", nil, "record the report and send it to this receiver of notify.receivers, once for each revision; may be repeated")
	output := report.DailyOutputs.Flag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		q.Zone = zone.Location()
		if q.Date, err = reportDate(date, time.Now().In(q.Zone), q.Week); err != nil {
			return err
		}
		if q.Owner != "" && !slices.Contains(catalog.Owners, q.Owner) {
			return fmt.Errorf("--owner %q: give one of %s", q.Owner, strings.Join(catalog.Owners, ", "))
		}
		if !slices.Contains(report.DailyLanguages, q.Lang) {
			return fmt.Errorf("--lang %q: give one of %s", q.Lang, strings.Join(report.DailyLanguages, ", "))
		}
		if err := checkLimit(q.Limit); err != nil {
			return err
		}
		if (record || len(to) > 0) && revisions {
			return errors.New("--revisions lists what is recorded: give it without --record and --to")
		}
		var list cli.Output[report.Revisions]
		if revisions {
			if list, err = report.RevisionOutputs.Named(output.String()); err != nil {
				return fmt.Errorf("--output %s with --revisions: %w", output, err)
			}
		}
		if len(to) > 0 { // a wrong name is said before anything is recorded
			cfg, err := env.config()
			if err != nil {
				return err
			}
			if _, err := reportReceivers(cfg.Notify, to, q.Tenants); err != nil {
				return err
			}
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		if revisions {
			r, err := report.NewRevisions(cmd.Context(), s, q)
			if err != nil {
				return err
			}
			return list.Write(r, cmd.OutOrStdout())
		}
		d, err := report.NewDaily(cmd.Context(), s, catalogs, q)
		if err != nil {
			return err
		}
		d.Full = full
		if record || len(to) > 0 {
			if _, err := d.Record(cmd.Context(), s, q, time.Now()); err != nil {
				return err
			}
		}
		if err := warnOfCatalogs(cmd, s, catalogs, store.Scope{From: d.From.Time, To: d.To.Time, Tenants: q.Tenants}); err != nil {
			return err
		}
		if len(to) > 0 {
			return sendReport(cmd, env, s, d, q, to)
		}
		if err := output.Write(d, cmd.OutOrStdout()); err != nil {
			return err
		}
		return missing(cmd.Context(), s, store.Scope{Tenants: q.Tenants}, report.Filter{})
	}
	return cmd
}

// reportDate returns the date of --date, or yesterday's or last week's by the clock. A day that has
// not begun is an error.
func reportDate(text string, now time.Time, week bool) (time.Time, error) {
	if text == "" {
		if week {
			return now.AddDate(0, 0, -7), nil
		}
		return now.AddDate(0, 0, -1), nil
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return date, fmt.Errorf("--date %q: give a date such as 2026-11-02", text)
	}
	if text > now.Format(time.DateOnly) {
		return date, fmt.Errorf("--date %s has not begun yet in %s", text, now.Location())
	}
	return date, nil
}
