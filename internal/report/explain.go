package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// Explanation is what is known about a code.
type Explanation struct {
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
	Elsewhere   []string `json:"elsewhere"`  // dialects in which the code is known, if it is not known without one
	Near        []string `json:"near"`       // published codes that differ little from one that is not published
	Says        []Saying `json:"says"`       // the entries that have the text that was asked for, if it is no code
	Since       string   `json:"since"`      // of Tenants and History, as AddLive was given it
	Tenants     []Hit    `json:"tenants"`    // null without live counts
	History     []uint64 `json:"history"`    // errors in each of the equal parts of the time since; null likewise
}

// Saying is an entry that has a text.
type Saying struct {
	Family  string `json:"family"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Hit is a tenant that met the code.
type Hit struct {
	Tenant    string        `json:"tenant" ch:"tenant"`
	Errors    uint64        `json:"errors" ch:"errors"`
	FirstSeen cli.Timestamp `json:"first_seen" ch:"first_seen"` // ever
	LastSeen  cli.Timestamp `json:"last_seen" ch:"last_seen"`
}

const (
	historyParts = 24 // into which the time of History is cut
	maxHits      = 20
)

// Explain looks a code up, or a piece of text that the catalogs' texts may have. The dialect may be
// "". The texts are in the language lang, "" for that of the page.
func Explain(c *catalog.Set, code, dialect, lang string) Explanation {
	if dialect == "" && strings.HasPrefix(strings.ToUpper(code), "HTTP.") {
		dialect = "http"
	}
	k := c.Lookup(code, dialect, "", 0, "")
	elsewhere := c.ElsewhereKnown(code)
	x := Explanation{Code: code, Family: catalog.Unknown, Elsewhere: []string{}, Near: []string{}, Says: []Saying{}}
	if k.Family == nil && len(elsewhere) == 0 {
		found := c.Search(code)
		for _, l := range found {
			x.Says = append(x.Says, Saying{l.Family.Name, l.Entry.Code, cmp.Or(l.Entry.Message, l.Entry.Description)})
		}
		if len(found) == 1 {
			k = catalog.Known{Family: found[0].Family, Entry: found[0].Entry}
		}
	}
	if k.Entry == nil && len(x.Says) == 0 {
		x.Near = append(x.Near, c.Near(code, 5)...)
	}
	if k.Family == nil {
		for _, f := range elsewhere {
			x.Elsewhere = append(x.Elsewhere, f.Match.Dialects...)
		}
	}
	x.fill(k, lang)
	return x
}

// fill takes over what the catalogs know.
func (x *Explanation) fill(k catalog.Known, lang string) {
	if f := k.Family; f != nil {
		x.Family, x.Title, x.Language, x.Source = f.Name, f.Title, f.Language, f.Source.Title
		if f.Source.Date != "" {
			x.Source += ", " + f.Source.Date
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
}

// Found reports whether the catalogs know the code, its family, or a text.
func (x Explanation) Found() bool { return x.Family != catalog.Unknown || len(x.Says) > 0 }

// foldedCode is catalog.Fold of the code in SQL.
const foldedCode = `replaceRegexpAll(upper(code), '[_/: -]', '.')`

// AddLive adds who met the code from the start of the scope to its end, in any case and with any
// separators. since is the scope's length as a person gave it.
func (x *Explanation) AddLive(ctx context.Context, s *store.Store, scope store.Scope, since string) error {
	code := catalog.Fold(cmp.Or(x.CatalogCode, x.Code))
	hits, err := hits(ctx, s, scope, code)
	if err != nil {
		return fmt.Errorf("ask who meets %s: %w", code, err)
	}
	history, err := history(ctx, s, scope, code)
	if err != nil {
		return fmt.Errorf("ask for the history of %s: %w", code, err)
	}
	x.Since, x.Tenants, x.History = since, append([]Hit{}, hits...), history
	return nil
}

// hits returns the tenants that met a folded code, most errors first.
func hits(ctx context.Context, s *store.Store, scope store.Scope, code string) ([]Hit, error) {
	met := scope.Where("").And(foldedCode+" = ?", code)
	seen := store.Scope{Tenants: scope.Tenants}.Where("").And(foldedCode+" = ?", code)
	return store.Select[Hit](ctx, s, `
		SELECT tenant, errors_ AS errors, first_ AS first_seen, last_ AS last_seen
		FROM (SELECT tenant, sum(errors) AS errors_ FROM `+scope.Rollup("error", nil)+` WHERE `+met.SQL+` GROUP BY tenant) AS e
		LEFT JOIN (SELECT tenant, min(first_seen) AS first_, max(last_seen) AS last_ FROM codes_seen WHERE `+seen.SQL+` GROUP BY tenant) AS c USING (tenant)
		ORDER BY errors DESC, tenant LIMIT ?`, slices.Concat(met.Args, seen.Args, []any{maxHits}))
}

// history counts the errors of a folded code in each of the equal parts of the scope.
func history(ctx context.Context, s *store.Store, scope store.Scope, code string) ([]uint64, error) {
	scope = scope.Minutes()
	length := max(scope.To.Sub(scope.From).Milliseconds()/historyParts, 1)
	part := func(minute time.Time) int64 { return minute.Sub(scope.From).Milliseconds() / length }
	split := func(hour time.Time) bool { return part(hour) != part(hour.Add(59*time.Minute)) }
	where := scope.Where("").And(foldedCode+" = ?", code)
	parts := make([]uint64, historyParts)
	err := s.Query(ctx, `
		SELECT toUInt32(least(intDiv(toUnixTimestamp64Milli(at) - ?, ?), ?)) AS part, sum(errors)
		FROM `+scope.Rollup("error", split)+` WHERE `+where.SQL+` GROUP BY part`,
		append([]any{scope.From.UnixMilli(), length, historyParts - 1}, where.Args...),
		func(scan func(...any) error) error {
			var part uint32
			var errors uint64
			if err := scan(&part, &errors); err != nil {
				return err
			}
			parts[part] = errors
			return nil
		})
	return parts, err
}

// ExplainOutputs are the ways to write an Explanation.
var ExplainOutputs = cli.Outputs[Explanation]{
	{Name: "text", Write: Explanation.text},
	{Name: "json", Write: cli.JSON[Explanation]},
}

func (x Explanation) text(w io.Writer) error {
	if len(x.Says) > 1 {
		return x.sayings(w)
	}
	if err := x.facts(w); err != nil || x.Tenants == nil {
		return err
	}
	return x.live(w)
}

func (x Explanation) sayings(w io.Writer) error {
	fmt.Fprintf(w, "%d codes say %q:\n", len(x.Says), x.Code)
	table := cli.Table{Columns: []cli.Column{{}, {}, {Prose: true}}, Indent: "  "}
	for _, s := range x.Says {
		table.Rows = append(table.Rows, []string{s.Code, s.Family, s.Message})
	}
	return table.Text(w)
}

func (x Explanation) facts(w io.Writer) (err error) {
	line := func(name, value string) {
		if value != "" {
			err = errors.Join(err, cli.Paragraph(w, fmt.Sprintf("%-12s ", name), value))
		}
	}
	switch {
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
	line("near", strings.Join(x.Near, ", "))
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
	return err
}

func (x Explanation) live(w io.Writer) error {
	if len(x.Tenants) == 0 {
		_, err := fmt.Fprintf(w, "\nlast %s: no tenant met it\n", x.Since)
		return err
	}
	fmt.Fprintf(w, "\nlast %s: %s met by\n", x.Since, sparkline(x.History))
	table := cli.Table{Columns: []cli.Column{{}, {Prose: true}}, Indent: "  "}
	for _, h := range x.Tenants {
		table.Rows = append(table.Rows, []string{h.Tenant, fmt.Sprintf("%d errors, last at %s, first ever at %s", h.Errors, h.LastSeen, h.FirstSeen)})
	}
	return table.Text(w)
}

// sparkline draws numbers as bars of eight heights, and 0 as a space.
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
