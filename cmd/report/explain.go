package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/alert"
	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/parse"
	"errata/internal/report"
	"errata/internal/store"
)

// liveTimeout is how long explain waits for live counts from a server that accepted its connection.
// The catalogs answer without one: see store.OpenAtOnce for a server that is away.
const liveTimeout = 30 * time.Second

func newExplain(env *environment) *cobra.Command {
	var (
		dialect, lang string
		rules         string
		since         cli.Time
		zone          cli.Zone
	)
	cmd := &cobra.Command{
		Use:   "explain CODE",
		Short: "Explain a code: its catalog entry, and who meets it now",
		Long: "Explain a code: its catalog entry, the alert rules that count its errors and, if ClickHouse answers, who meets it now, on which routes, " +
			"the trend of 30 days, and what people have said about it. Case and separators do not matter. " +
			"If several families list the code, the meaning of most of the live errors is shown, unless --dialect chooses one. " +
			"An argument that is not a code is searched for in the texts of the catalogs. Exit code 1: no catalog knows it.",
		Example: "report explain OSM.01010037\n" +
			"report explain 4000 --dialect tencent-v2\n" +
			"report explain 'case limit' --lang zh",
		Args: cli.Arguments(1, 1),
	}
	cmd.Flags().StringVar(&dialect, "dialect", "", "the envelope's dialect, for a code that means something only in one, such as tencent-v2 for Tencent Cloud's numbers")
	langFlag(cmd.Flags(), &lang)
	since.Flag(cmd.Flags(), "since", "24h", "count who has met it since this time")
	zone.Flag(cmd.Flags(), "time `zone` of the days of the trend, and of times without one, such as Europe/Berlin")
	cmd.Flags().StringVar(&rules, "rules", alert.DefaultFile, "the file of alert rules, if there is one")
	output := report.ExplainOutputs.Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(args[0]) == "" {
			return errors.New("the code is empty: give one, or a piece of its text")
		}
		cfg, catalogs, err := env.catalogs()
		if err != nil {
			return err
		}
		if dialects := parse.Dialects(); dialect != "" && !slices.Contains(dialects, dialect) {
			return fmt.Errorf("--dialect %q: give one of %s", dialect, strings.Join(dialects, ", "))
		}
		if err := checkLang(lang, catalogs); err != nil {
			return err
		}
		x := report.Explain(catalogs, args[0], dialect, lang)
		if err := addLive(cmd, &x, catalogs, cfg, since, zone.Location()); err != nil {
			env.log(cmd, cfg).Info("no live counts", "reason", err)
		}
		if err := addRules(&x, rules); errors.Is(err, fs.ErrNotExist) && !cmd.Flag("rules").Changed {
			env.log(cmd, cfg).Debug("no alert rules", "reason", err)
		} else if err != nil {
			return err
		}
		if err := output.Write(x, cmd.OutOrStdout()); err != nil {
			return err
		}
		if !x.Found() {
			return cli.Findings("")
		}
		return nil
	}
	return cmd
}

// addLive adds who has met the code since a time.
func addLive(cmd *cobra.Command, x *report.Explanation, c *catalog.Set, cfg config.Config, since cli.Time, zone *time.Location) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), liveTimeout)
	defer cancel()
	s, err := store.OpenAtOnce(ctx, cfg.ClickHouse)
	if err != nil {
		return err
	}
	defer s.Close()
	now := time.Now()
	scope := store.Scope{From: since.At(now, zone), To: now.Truncate(time.Minute).Add(time.Minute)}
	if err := warnOfCatalogs(cmd, s, c, scope); err != nil {
		return err
	}
	return x.AddLive(ctx, s, c, scope, since.String(), zone)
}

// addRules adds the alert rules of a file that count the code's errors.
func addRules(x *report.Explanation, file string) error {
	groups, err := alert.Load(file)
	if err != nil {
		return err
	}
	code := map[string]string{"code": cmp.Or(x.CatalogCode, x.Code), "known": strconv.FormatBool(x.Known)}
	if x.Known || len(x.Meanings) < 2 {
		code["family"], code["kind"] = x.Family, x.Kind
	}
	x.Rules = []report.Watcher{}
	for _, g := range groups {
		for i := range g.Rules {
			r := &g.Rules[i]
			if counts, narrowed := r.Counts(code); counts {
				x.Rules = append(x.Rules, report.Watcher{Rule: r.Name, Group: g.Name, Condition: r.Key, By: append([]string{}, r.By...), Narrowed: append([]string{}, narrowed...)})
			}
		}
	}
	return nil
}
