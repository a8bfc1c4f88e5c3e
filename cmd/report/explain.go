package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/parse"
	"errata/internal/report"
	"errata/internal/store"
)

// liveTimeout is how long explain waits for ClickHouse. The catalogs answer without it.
const liveTimeout = 5 * time.Second

func newExplain(env *environment) *cobra.Command {
	var (
		dialect, lang string
		since         cli.Time
	)
	cmd := &cobra.Command{
		Use:   "explain CODE",
		Short: "Explain a code: its catalog entry, and who meets it now",
		Long: "Explain a code: its catalog entry and, if ClickHouse answers, who meets it now. Case and separators do not matter. " +
			"A code that several families list means what most of the live errors mean, unless --dialect chooses one. " +
			"An argument that is not a code is searched for in the texts of the catalogs. Exit code 1: no catalog knows it.",
		Example: "report explain OSM.01010037\n" +
			"report explain 4000 --dialect tencent-v2\n" +
			"report explain 'case limit' --lang zh",
		Args: cli.Arguments(1, 1),
	}
	cmd.Flags().StringVar(&dialect, "dialect", "", "the envelope's dialect, for a code that means something only in one, such as tencent-v2 for Tencent Cloud's numbers")
	langFlag(cmd.Flags(), &lang)
	since.Flag(cmd.Flags(), "since", "24h", "count who has met it since this time")
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
		if err := addLive(cmd, &x, catalogs, cfg, since); err != nil {
			env.log(cmd, cfg).Info("no live counts", "reason", err)
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
func addLive(cmd *cobra.Command, x *report.Explanation, c *catalog.Set, cfg config.Config, since cli.Time) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), liveTimeout)
	defer cancel()
	s, err := store.Open(ctx, cfg.ClickHouse)
	if err != nil {
		return err
	}
	defer s.Close()
	now := time.Now()
	scope := store.Scope{From: since.At(now, time.UTC), To: now.Truncate(time.Minute).Add(time.Minute)}
	if err := warnOfCatalogs(cmd, s, c, scope); err != nil {
		return err
	}
	return x.AddLive(ctx, s, c, scope, since.String())
}
