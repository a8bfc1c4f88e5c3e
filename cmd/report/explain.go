package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/config"
	"errata/internal/parse"
	"errata/internal/store"
	"errata/internal/summary"
)

// liveTimeout is how long an explanation waits for ClickHouse, which it can do without.
const liveTimeout = 3 * time.Second

func newExplain(env *environment) *cobra.Command {
	var dialect, output, since, lang string
	cmd := &cobra.Command{
		Use:   "explain CODE",
		Short: "One code, or who says a piece of text: the catalog entry and, where ClickHouse answers, who meets it now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := env.config()
			if err != nil {
				return err
			}
			catalogs, err := catalog.Open(cfg.Catalogs.Dir)
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
			if languages := catalogs.Languages(); lang != "" && !slices.Contains(languages, lang) {
				return fmt.Errorf("--lang %q: give one of %s", lang, strings.Join(languages, ", "))
			}
			x := explain(catalogs, args[0], dialect, lang)
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
			if err == nil && x.Family == catalog.Unknown && len(x.Says) == 0 {
				return errFindings
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dialect, "dialect", "", "the envelope's dialect, where a code means something only in one: tencent-v2 for Tencent Cloud's numbers")
	cmd.Flags().StringVar(&lang, "lang", "", "language of the texts, where there is a translation: en, zh; \"\": that of the page")
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
	Language    string   `json:"language"`   // of the texts
	Translated  bool     `json:"translated"` // the texts, or some of them, are our translation
	Elsewhere   []string `json:"elsewhere"`  // dialects in which the code is known, when it is not without one
	Near        []string `json:"near"`       // published codes that differ little from one that is not
	Says        []saying `json:"says"`       // the entries that have the text that was asked for, when no code is meant
	Since       string   `json:"since"`
	Tenants     []hit    `json:"tenants"` // null when ClickHouse does not answer
	History     []uint64 `json:"history"` // errors in each of the equal parts of the time since; null likewise
}

// saying is an entry that has a text.
type saying struct {
	Family  string `json:"family"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// sparkParts is into how many parts the time is cut that History shows.
const sparkParts = 24

// hit is a tenant that met the code.
type hit struct {
	Tenant    string `json:"tenant"`
	Errors    uint64 `json:"errors"`
	FirstSeen string `json:"first_seen"`
	LastSeen  string `json:"last_seen"`
}

func explain(c *catalog.Set, code, dialect, lang string) *explanation {
	if dialect == "" && strings.HasPrefix(strings.ToUpper(code), "HTTP.") {
		dialect = "http"
	}
	k := c.Lookup(code, dialect, "", 0, "")
	x := &explanation{Code: code, Family: catalog.Unknown, Elsewhere: []string{}, Near: []string{}, Says: []saying{}}
	if k.Family == nil && len(c.ElsewhereKnown(code)) == 0 {
		found := c.Search(code)
		for _, l := range found {
			x.Says = append(x.Says, saying{l.Family.Name, l.Entry.Code, cmp.Or(l.Entry.Message, l.Entry.Description)})
		}
		if len(found) == 1 { // that is the one
			k = catalog.Known{Family: found[0].Family, Entry: found[0].Entry}
		}
	}
	if k.Entry == nil && len(x.Says) == 0 {
		x.Near = append(x.Near, c.Near(code, 5)...)
	}
	if k.Family != nil {
		x.Family, x.Title, x.Source = k.Family.Name, k.Family.Title, k.Family.Source.Title
		if x.Language = k.Family.Language; k.Family.Source.Date != "" {
			x.Source += ", " + k.Family.Source.Date
		}
	}
	if e := k.Entry; e != nil {
		x.Known, x.CatalogCode, x.Status, x.Kind, x.Retry, x.Owner = true, e.Code, e.Status, e.Kind, e.Retry, e.Owner
	}
	var t catalog.Texts
	t, x.Translated = k.TextsIn(lang)
	if x.Message, x.Description, x.Remedy = t.Message, t.Description, t.Remedy; x.Translated {
		x.Language = lang
	}
	if k.Family == nil {
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
	code, now := catalog.Fold(cmp.Or(x.CatalogCode, x.Code)), time.Now()
	hits, err := s.WhoHits(ctx, code, now.Add(-since), 20)
	if err == nil {
		x.History, err = s.History(ctx, code, now.Add(-since), now, sparkParts)
	}
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
	case len(x.Says) > 1:
		fmt.Fprintf(w, "%d codes say %q:\n", len(x.Says), x.Code)
		for _, s := range x.Says {
			fmt.Fprintf(w, "  %-24s %-14s %s\n", s.Code, s.Family, strings.ReplaceAll(s.Message, "\n", " "))
		}
		return
	case x.Known:
		line("code", x.CatalogCode)
	case x.Family != catalog.Unknown:
		line("code", x.Code+" (its family does not list it; what follows is for all such codes)")
	default:
		line("code", x.Code+" (no catalog knows it)")
	}
	for _, d := range x.Elsewhere {
		line("but see", "--dialect "+d+", where the code means something")
	}
	if len(x.Near) > 0 {
		line("near", strings.Join(x.Near, ", "))
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
	if x.Translated {
		line("texts", "in "+x.Language+", translated by us")
	}
	if x.Tenants == nil {
		return
	}
	fmt.Fprintf(w, "\nlast %s: ", x.Since)
	if len(x.Tenants) == 0 {
		fmt.Fprintln(w, "nobody met it")
		return
	}
	fmt.Fprintf(w, "%s met by\n", sparkline(x.History))
	for _, h := range x.Tenants {
		fmt.Fprintf(w, "  %-24s %8d errors, last at %s, first ever at %s\n", h.Tenant, h.Errors, h.LastSeen, h.FirstSeen)
	}
}

// sparkline draws numbers as bars of eight heights, none as a space.
func sparkline(numbers []uint64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := slices.Max(append([]uint64{1}, numbers...))
	line := make([]rune, len(numbers))
	for i, n := range numbers {
		if line[i] = ' '; n > 0 {
			line[i] = bars[(n*uint64(len(bars))-1)/most]
		}
	}
	return string(line)
}
