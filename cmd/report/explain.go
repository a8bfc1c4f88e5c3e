package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/config"
	"errata/internal/enrich"
	"errata/internal/parse"
	"errata/internal/store"
	"errata/internal/summary"
)

// liveTimeout is how long an explanation waits for ClickHouse, which it can do without.
const liveTimeout = 3 * time.Second

func newExplain(env *environment) *cobra.Command {
	var dialect, output, since string
	cmd := &cobra.Command{
		Use:   "explain CODE",
		Short: "One code: its catalog entry and, where ClickHouse answers, who meets it now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := env.config()
			if err != nil {
				return err
			}
			catalogs, err := enrich.Open(cfg.Catalogs.Dir)
			if err != nil {
				return err
			}
			if dialects := parse.Dialects(); dialect != "" && !slices.Contains(dialects, dialect) {
				return fmt.Errorf("--dialect %q: give one of %s", dialect, strings.Join(dialects, ", "))
			}
			span, err := parseSpan(since)
			if err != nil {
				return fmt.Errorf("--since %w", err)
			}
			x := explain(catalogs, args[0], dialect)
			x.Since = since
			x.live(cmd.Context(), cfg, span, env.log(cmd, cfg))
			switch output {
			case "text":
				x.text(cmd.OutOrStdout())
			case "json":
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				err = e.Encode(x)
			default:
				return fmt.Errorf("--output %q: give one of text, json", output)
			}
			if err == nil && x.Family == enrich.UnknownFamily {
				return errFindings
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dialect, "dialect", "", "the envelope's dialect, where a code means something only in one: tencent-v2 for Tencent Cloud's numbers")
	cmd.Flags().StringVar(&since, "since", "24h", "how far back to count who meets it")
	cmd.Flags().StringVar(&output, "output", "text", "text, json")
	return cmd
}

// explanation is what is known of a code.
type explanation struct {
	Code        string   `json:"code"` // as asked for
	CatalogCode string   `json:"catalog_code"`
	Family      string   `json:"family"`
	Title       string   `json:"title"`
	Source      string   `json:"source"`
	Known       bool     `json:"known"`
	Status      int      `json:"status"`
	Message     string   `json:"message"`
	Description string   `json:"description"`
	Remedy      string   `json:"remedy"`
	Kind        string   `json:"kind"`
	Retry       string   `json:"retry"`
	Owner       string   `json:"owner"`
	Elsewhere   []string `json:"elsewhere"` // dialects in which the code is known, when it is not without one
	Since       string   `json:"since"`
	Tenants     []hit    `json:"tenants"` // null when ClickHouse does not answer
}

// hit is a tenant that met the code.
type hit struct {
	Tenant    string `json:"tenant"`
	Errors    uint64 `json:"errors"`
	FirstSeen string `json:"first_seen"`
	LastSeen  string `json:"last_seen"`
}

func explain(c *enrich.Catalogs, code, dialect string) *explanation {
	if dialect == "" && strings.HasPrefix(strings.ToUpper(code), "HTTP.") {
		dialect = "http"
	}
	k := c.Lookup(code, dialect, "", 0, "")
	x := &explanation{Code: code, Family: enrich.UnknownFamily, Elsewhere: []string{}}
	if k.Catalog != nil {
		x.Family, x.Title, x.Source = k.Catalog.Family, k.Catalog.Title, k.Catalog.Source.Title
		if k.Catalog.Source.Date != "" {
			x.Source += ", " + k.Catalog.Source.Date
		}
	}
	if e := k.Entry; e != nil {
		x.Known, x.CatalogCode, x.Status, x.Message, x.Kind, x.Retry, x.Owner = true, e.Code, e.Status, e.Message, e.Kind, e.Retry, e.Owner
	}
	x.Description, x.Remedy = k.Texts()
	if k.Catalog == nil {
		for _, f := range c.ElsewhereKnown(code) {
			x.Elsewhere = append(x.Elsewhere, f.Match.Dialects...)
		}
	}
	return x
}

// live adds who meets the code. Without ClickHouse the explanation stands without it.
func (x *explanation) live(ctx context.Context, cfg config.Config, since time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	s, err := store.Open(ctx, cfg.ClickHouse)
	if err != nil {
		log.Info("no live counts", "because", err)
		return
	}
	defer s.Close()
	hits, err := s.WhoHits(ctx, enrich.Fold(x.Code), time.Now().Add(-since), 20)
	if err != nil {
		log.Info("no live counts", "because", err)
		return
	}
	x.Tenants = []hit{}
	for _, h := range hits {
		x.Tenants = append(x.Tenants, hit{h.Tenant, h.Errors, h.FirstSeen.UTC().Format(summary.TimeLayout), h.LastSeen.UTC().Format(summary.TimeLayout)})
	}
}

func (x *explanation) text(w io.Writer) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, strings.ReplaceAll(value, "\n", "\n"+strings.Repeat(" ", 13)))
		}
	}
	switch {
	case x.Known:
		line("code", x.CatalogCode)
	case x.Family != enrich.UnknownFamily:
		line("code", x.Code+" (its family does not list it; what follows is for all such codes)")
	default:
		line("code", x.Code+" (no catalog knows it)")
	}
	for _, d := range x.Elsewhere {
		line("but see", "--dialect "+d+", where the code means something")
	}
	line("family", strings.TrimSuffix(x.Family+", "+x.Title, ", "))
	line("source", x.Source)
	if x.Status != 0 {
		line("status", fmt.Sprint(x.Status))
	}
	line("message", x.Message)
	line("description", x.Description)
	line("remedy", x.Remedy)
	line("kind", x.Kind)
	line("retry", x.Retry)
	line("owner", x.Owner)
	if x.Tenants == nil {
		return
	}
	fmt.Fprintf(w, "\nlast %s: ", x.Since)
	if len(x.Tenants) == 0 {
		fmt.Fprintln(w, "nobody met it")
		return
	}
	fmt.Fprintln(w, "met by")
	for _, h := range x.Tenants {
		fmt.Fprintf(w, "  %-24s %8d errors, last at %s, first ever at %s\n", h.Tenant, h.Errors, h.LastSeen, h.FirstSeen)
	}
}
