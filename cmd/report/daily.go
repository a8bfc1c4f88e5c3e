package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/delivery"
	"errata/internal/notify"
	"errata/internal/report"
	"errata/internal/store"
)

// dailyFlags are the flags of `report daily`.
type dailyFlags struct {
	query report.DailyQuery
	zone  cli.Zone
	date  string
	full  bool

	record, revisions bool

	to         []string
	eachTenant bool
	schedule   string
	giveUp     bool
	http       string
}

// scheduleOff takes the promises of a schedule back.
const scheduleOff = "off"

func newDaily(env *environment) *cobra.Command {
	var f dailyFlags
	cmd := &cobra.Command{
		Use:   "daily",
		Short: "Report on the errors of a day or week: what changed, for whom, and what to do",
		Long: "Report on the errors of a calendar day, or of a week from Monday to Sunday: whether to read on, what changed against the same " +
			"weekday of the six weeks before, the top codes with their remedies, and what could not be seen. As text and Markdown, a quiet day " +
			"has three lines, unless --full is given.\n\nWith --schedule it keeps running. At these times of the zone it sends the report of the day " +
			"before, or with --week of the week before. When it was down, it then sends the reports that it missed in the last seven days. If " +
			"late data arrives within seven days, it sends a revision of the report.\n\n`--schedule off` ends a schedule, so that no alert says " +
			"that its reports are missing. --give-up gives up the reports of one day that cannot be sent. Both take the --zone, --week, --tenant, " +
			"--owner and --each-tenant of the schedule.",
		Example: "report daily --zone Europe/Berlin\n" +
			"report daily --date 2026-11-02 --tenant acme --output markdown\n" +
			"report daily --week --owner operator --output html > week.html\n" +
			`report daily --schedule "0 9 * * *" --zone Europe/Berlin --to sre` + "\n" +
			`report daily --schedule "0 9 * * mon" --week --each-tenant --to tenants` + "\n" +
			"report daily --give-up --date 2026-11-02 --zone Europe/Berlin",
		Args: cli.Arguments(0, 0),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.date, "date", "", "the `day`, such as 2026-11-02; with --week the week that has this day (default: yesterday, or last week)")
	flags.BoolVar(&f.query.Week, "week", false, "report on a whole week, Monday to Sunday")
	tenantFlag(flags, &f.query.Tenants)
	flags.StringVar(&f.query.Owner, "owner", "", "only codes whose owner this is: "+strings.Join(catalog.Owners, ", "))
	f.zone.Flag(flags, "time `zone` whose calendar days are meant, such as Europe/Berlin")
	flags.StringVar(&f.query.Lang, "lang", report.DailyLanguages[0], "language of the report: "+strings.Join(report.DailyLanguages, ", "))
	flags.IntVar(&f.query.Limit, "limit", 10, "the greatest number of codes and tenants in a list")
	flags.BoolVar(&f.full, "full", false, "show all sections of a quiet day too")
	flags.BoolVar(&f.record, "record", false, "record the report as a revision of its day, if it is the first one or the counts have changed since")
	flags.BoolVar(&f.revisions, "revisions", false, "list the recorded revisions of the day instead")
	flags.StringArrayVar(&f.to, "to", nil, "record the report and send it to this receiver of notify.receivers, once for each revision; may be repeated")
	flags.BoolVar(&f.eachTenant, "each-tenant", false, "with --to: send each tenant that has addresses in notify.tenants a report of its own errors")
	flags.StringVar(&f.schedule, "schedule", "", "with --to: keep running, and send the report at these `times`, five fields as in cron, such as \"0 9 * * *\"; off: end the schedule")
	flags.BoolVar(&f.giveUp, "give-up", false, "give up the scheduled reports of the day that have not been sent, so that no alert says that they are missing")
	flags.StringVar(&f.http, "http", "", "with --schedule: serve /metrics, /healthz and /readyz at this `address`, such as 127.0.0.1:9466")
	output := report.DailyOutputs.Flag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		f.query.Zone = f.zone.Location()
		if err := f.check(cmd); err != nil {
			return err
		}
		switch {
		case f.schedule != "":
			return f.runSchedule(cmd, env)
		case f.giveUp:
			return f.giveDayUp(cmd, env)
		case f.eachTenant:
			return f.sendEach(cmd, env)
		}
		if f.query.Date, err = reportDate(f.date, time.Now().In(f.query.Zone), f.query.Week); err != nil {
			return err
		}
		if f.revisions {
			return f.listRevisions(cmd, env, output.String())
		}
		_, receivers, err := f.receivers(env) // a wrong name is said before anything is recorded
		if err != nil {
			return err
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		d, err := f.make(cmd, s, catalogs, f.query)
		if err != nil {
			return err
		}
		if len(receivers) > 0 {
			return f.send(cmd, env, s, d, f.query)
		}
		if err := output.Write(d, cmd.OutOrStdout()); err != nil {
			return err
		}
		return missing(cmd.Context(), s, store.Scope{Tenants: f.query.Tenants}, report.Filter{})
	}
	return cmd
}

// check reports what is wrong with the flags.
func (f *dailyFlags) check(cmd *cobra.Command) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	switch q := f.query; {
	case q.Owner != "" && !slices.Contains(catalog.Owners, q.Owner):
		return fmt.Errorf("--owner %q: give one of %s", q.Owner, strings.Join(catalog.Owners, ", "))
	case !slices.Contains(report.DailyLanguages, q.Lang):
		return fmt.Errorf("--lang %q: give one of %s", q.Lang, strings.Join(report.DailyLanguages, ", "))
	case (f.record || len(f.to) > 0) && f.revisions:
		return errors.New("--revisions lists what is recorded: give it without --record and --to")
	case f.eachTenant && len(q.Tenants) > 0:
		return errors.New("--each-tenant and --tenant: give one of them")
	}
	if err := f.checkSending(given); err != nil {
		return err
	}
	return checkLimit(f.query.Limit)
}

// checkSending reports what is wrong with the flags that say how reports are sent.
func (f *dailyFlags) checkSending(given func(name string) bool) error {
	switch {
	case given("schedule") && (given("date") || f.revisions || f.record || given("output") || f.full):
		return errors.New("--schedule sends the reports of the days to come: give it without --date, --output, --full, --record and --revisions")
	case f.giveUp && (given("schedule") || f.revisions || f.record || given("output") || f.full || len(f.to) > 0):
		return errors.New("--give-up ends the wait for reports: give it with --date, --zone, --week, --tenant, --owner and --each-tenant alone")
	case f.eachTenant && (given("output") || f.full):
		return errors.New("--each-tenant sends reports: give it without --output and --full")
	case (given("schedule") && f.schedule != scheduleOff || f.eachTenant && f.schedule == "" && !f.giveUp) && len(f.to) == 0:
		return errors.New("no receiver: name one of notify.receivers with --to")
	case f.http != "" && f.schedule == "":
		return errors.New("--http is for a process that keeps running: give it with --schedule")
	}
	if given("schedule") && f.schedule != scheduleOff {
		if _, err := report.ParseSchedule(f.schedule, f.query.Zone, f.query.Week); err != nil {
			return fmt.Errorf("--schedule %q: %w", f.schedule, err)
		}
	}
	return nil
}

// receivers returns the settings and the receivers of --to, and sets the links of the report.
func (f *dailyFlags) receivers(env *environment) (config.Config, []notify.Receiver, error) {
	cfg, err := env.config()
	if err != nil {
		return cfg, nil, err
	}
	if f.query.Link, err = report.ParseLink(cfg.Reports.Link); err != nil || len(f.to) == 0 {
		return cfg, nil, err
	}
	chosen, err := chooseReceivers(cfg.Notify, f.to, f.eachTenant || len(f.query.Tenants) == 1)
	return cfg, chosen, err
}

func (f *dailyFlags) listRevisions(cmd *cobra.Command, env *environment, output string) error {
	list, err := report.RevisionOutputs.Named(output)
	if err != nil {
		return fmt.Errorf("--output %s with --revisions: %w", output, err)
	}
	s, _, err := env.open(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := report.NewRevisions(cmd.Context(), s, f.query)
	if err != nil {
		return err
	}
	return list.Write(r, cmd.OutOrStdout())
}

// make makes a report, and records it if it is to be recorded or sent.
func (f *dailyFlags) make(cmd *cobra.Command, s *store.Store, catalogs *catalog.Set, q report.DailyQuery) (report.Daily, error) {
	d, err := report.NewDaily(cmd.Context(), s, catalogs, q)
	if err != nil {
		return d, err
	}
	d.Full = f.full
	if f.record || len(f.to) > 0 {
		if _, err := d.Record(cmd.Context(), s, q, time.Now()); err != nil {
			return d, err
		}
	}
	return d, warnOfCatalogs(cmd, s, catalogs, store.Scope{From: d.From.Time, To: d.To.Time, Tenants: q.Tenants})
}

// send sends a recorded report to the receivers of --to.
func (f *dailyFlags) send(cmd *cobra.Command, env *environment, s *store.Store, d report.Daily, q report.DailyQuery) error {
	cfg, receivers, err := f.receivers(env)
	if err != nil {
		return err
	}
	if err := sendReport(cmd.Context(), newPostOffice(cmd, env, cfg, receivers, s), s, d, q); err != nil {
		return cfg.Located(err)
	}
	of := ""
	if f.eachTenant {
		of = fmt.Sprintf(" of tenant %q", q.Tenants[0])
	}
	return cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("revision %d%s is with %s", d.Revision.Number, of, strings.Join(f.to, ", ")))
}

// sendEach sends a report to each tenant that has addresses. One that cannot be sent does not keep
// the others back.
func (f *dailyFlags) sendEach(cmd *cobra.Command, env *environment) error {
	cfg, _, err := f.receivers(env)
	if err != nil {
		return err
	}
	q := f.query
	if q.Date, err = reportDate(f.date, time.Now().In(q.Zone), q.Week); err != nil {
		return err
	}
	s, catalogs, err := env.open(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	tenants, err := addressedTenants(cmd.Context(), s, cfg.Notify)
	if err != nil {
		return err
	}
	var problems []error
	for _, tenant := range tenants {
		q.Tenants = []string{tenant}
		d, err := f.make(cmd, s, catalogs, q)
		if err == nil {
			err = f.send(cmd, env, s, d, q)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("tenant %q: %w", tenant, err))
		}
	}
	return errors.Join(problems...)
}

// tenantMemory is for how long a tenant without requests still gets reports.
const tenantMemory = 6 * 7 * 24 * time.Hour

// addressedTenants returns the tenants that have mail addresses: those that notify.tenants names,
// and of those that its globs match the ones that have sent requests.
func addressedTenants(ctx context.Context, s *store.Store, cfg notify.Config) ([]string, error) {
	seen, err := report.SeenTenants(ctx, s, time.Now().Add(-tenantMemory))
	if err != nil {
		return nil, fmt.Errorf("ask for the tenants: %w", err)
	}
	return addressedOf(seen, cfg), nil
}

// addressedOf returns the tenants with addresses, of those that were seen and those that are named.
func addressedOf(seen []string, cfg notify.Config) []string {
	tenants := slices.Clone(seen)
	for _, row := range cfg.Tenants {
		for _, name := range row.Tenants {
			if !strings.ContainsAny(name, `*?[\`) && !slices.Contains(tenants, name) {
				tenants = append(tenants, name)
			}
		}
	}
	slices.Sort(tenants)
	return slices.DeleteFunc(tenants, func(tenant string) bool { return len(cfg.Addresses(tenant)) == 0 })
}

// runSchedule sends reports at the times of a schedule until the process is told to end.
func (f *dailyFlags) runSchedule(cmd *cobra.Command, env *environment) error {
	ctx := cmd.Context()
	cfg, receivers, err := f.receivers(env)
	if err != nil {
		return err
	}
	times := f.schedule
	if times == scheduleOff {
		times = "@daily" // which ones does not matter
	}
	schedule, err := report.ParseSchedule(times, f.query.Zone, f.query.Week)
	if err != nil {
		return err
	}
	s, catalogs, err := env.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	r := &report.Scheduler{Store: s, Catalogs: catalogs, Schedule: schedule, Query: f.query, Log: env.log(cmd, cfg)}
	if f.eachTenant {
		r.Tenants = func(ctx context.Context) ([]string, error) { return addressedTenants(ctx, s, cfg.Notify) }
	}
	if f.schedule == scheduleOff {
		n, err := r.Withdraw(ctx)
		if err != nil {
			return err
		}
		return cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("the schedule has ended: reports that were promised and will not be sent %d", n))
	}
	office := newPostOffice(cmd, env, cfg, receivers, s)
	r.Post = func(ctx context.Context, d report.Daily, q report.DailyQuery) (report.Posted, error) {
		return office.post(ctx, d, q)
	}
	if topic := cfg.Reports.Fence.Topic; topic != "" {
		fence, err := delivery.OpenFence(ctx, cfg.Kafka, delivery.FenceName{Key: "reports.fence.topic", Topic: topic, Group: r.FenceGroup(topic)}, r.Log)
		if err != nil {
			return err
		}
		defer fence.Close()
		r.Fence, office.fence = fence.Check, fence.Check
	}
	stop, err := serveMetrics(ctx, f.http, r.Ready, r.Log, func(registry prometheus.Registerer) { r.Metrics = report.NewScheduleMetrics(registry) })
	if err != nil {
		return err
	}
	defer stop()
	return r.Run(ctx)
}

// giveDayUp ends the wait for the reports of a day that a schedule could not send.
func (f *dailyFlags) giveDayUp(cmd *cobra.Command, env *environment) error {
	date, err := reportDate(f.date, time.Now().In(f.query.Zone), f.query.Week)
	if err != nil {
		return err
	}
	schedule, err := report.ParseSchedule("@daily", f.query.Zone, f.query.Week) // which times does not matter
	if err != nil {
		return err
	}
	s, _, err := env.open(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	r := &report.Scheduler{Store: s, Schedule: schedule, Query: f.query}
	if f.eachTenant {
		r.Tenants = func(context.Context) ([]string, error) { return nil, nil } // which ones does not matter
	}
	n, err := r.GiveUp(cmd.Context(), date)
	switch {
	case err != nil:
		return err
	case n == 0:
		return cli.Findings(fmt.Sprintf("no report of %s waits to be sent (%s): the view reports_due lists those that do, with their date, zone and schedule", date.Format(time.DateOnly), r))
	}
	return cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("reports of %s that were given up (%s): %d", date.Format(time.DateOnly), r, n))
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
