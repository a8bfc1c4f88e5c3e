// Command report makes summaries and alerts from what the ingester has written to ClickHouse.
//
//	report top                 the most frequent error codes, with what they mean and what to do
//	report daily               the errors of a day or week: what changed, for whom, what to do
//	report explain CODE        one code: its entry, who meets it, its trend, rules and state
//	report catalog list        the published codes
//	report catalog import      turn a vendor's saved error-code page into a catalog
//	report catalog lint        check catalog files
//	report catalog schema      the JSON Schema of catalog files, for editors
//	report catalog drift       where live traffic and the catalogs disagree
//	report catalog re-enrich   give stored errors today's texts
//	report alert run           evaluate alert rules as the data comes in
//	report alert check         check alert rules
//	report alert test          run unit tests of alert rules
//	report alert list          what is pending and firing
//	report alert silence       mute some alerts for a while
//	report alert state         acknowledge or ignore a code, or mark it as fixed
//
// This package defines only the commands and their flags. What they do is in the packages report,
// catalog and alert. Package cli describes where output goes and what the exit codes mean.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/report"
	"errata/internal/store"
)

func main() {
	os.Exit(run(cli.Interruptible(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.Run(ctx, newRoot(), args, stdin, stdout, stderr)
}

func newRoot() *cobra.Command {
	root := cli.Root("report", "Summaries and alerts of the errors that the ingester found")
	env := &environment{}
	root.PersistentFlags().StringVar(&env.file, "config", "", "configuration `file` (default: config.yaml in the working directory, if it exists)")
	root.AddCommand(newTop(env), newDaily(env), newExplain(env), newCatalog(env), newAlert(env))
	return root
}

// environment is what the commands share: the settings, and what is opened from them.
type environment struct{ file string }

func (e *environment) config() (config.Config, error) { return config.Load(e.file) }

// log returns a logger that writes to the command's standard error.
func (e *environment) log(cmd *cobra.Command, cfg config.Config) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: cfg.Log.Level}))
}

// catalogs opens the catalogs that the settings name.
func (e *environment) catalogs() (config.Config, *catalog.Set, error) {
	cfg, err := e.config()
	if err != nil {
		return cfg, nil, err
	}
	c, err := catalog.Open(cfg.Catalogs)
	return cfg, c, cfg.Located(err)
}

// open opens the store and the catalogs.
func (e *environment) open(ctx context.Context) (*store.Store, *catalog.Set, error) {
	cfg, c, err := e.catalogs()
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, cfg.ClickHouse)
	return s, c, cfg.Located(err)
}

// warnOfCatalogs warns if the catalogs are not those that explained the newest errors of the scope.
func warnOfCatalogs(cmd *cobra.Command, s *store.Store, c *catalog.Set, scope store.Scope) error {
	sentence, err := report.OtherCatalogs(cmd.Context(), s, scope, c.Version)
	warn(cmd, sentence)
	return err
}

// warn writes a warning, unless it is empty.
func warn(cmd *cobra.Command, sentence string) {
	if sentence != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", sentence)
	}
}

// tenantFlag registers --tenant. A tenant's name may contain a comma, or be empty.
func tenantFlag(flags *pflag.FlagSet, tenants *[]string) {
	flags.StringArrayVar(tenants, "tenant", nil, "only the tenant of this `name`, \"\" for records without a tenant; may be repeated")
}

// missing returns a finding if nothing was ever stored of a tenant, topic or the like that the
// scope or the filter names.
func missing(ctx context.Context, s *store.Store, scope store.Scope, filter report.Filter) error {
	sentences, err := report.Missing(ctx, s, scope, filter)
	if err != nil || len(sentences) == 0 {
		return err
	}
	return cli.Findings(strings.Join(sentences, "\n"))
}

// limitFlag registers --limit. checkLimit checks its value.
func limitFlag(flags *pflag.FlagSet, limit *int, usage string) {
	flags.IntVar(limit, "limit", 20, usage)
}

func checkLimit(limit int) error {
	const most = 100_000
	if limit < 1 || limit > most {
		return fmt.Errorf("--limit %d: give 1 to %d", limit, most)
	}
	return nil
}

// langFlag registers --lang. checkLang checks its value.
func langFlag(flags *pflag.FlagSet, lang *string) {
	flags.StringVar(lang, "lang", "", "language of the texts, where a translation exists: en, zh (default: that of the page)")
}

func checkLang(lang string, c *catalog.Set) error {
	if languages := c.Languages(); lang != "" && !slices.Contains(languages, lang) {
		return fmt.Errorf("--lang %q: give one of %s", lang, strings.Join(languages, ", "))
	}
	return nil
}
