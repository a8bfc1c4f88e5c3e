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
	Code        string     `json:"code"` // as asked for
	CatalogCode string     `json:"catalog_code"`
	Family      string     `json:"family"`
	Title       string     `json:"title"`
	Source      string     `json:"source"`
	Known       bool       `json:"known"`
	Status      int        `json:"status"`
	Message     string     `json:"message"`
	Description string     `json:"description"`
	Remedy      string     `json:"remedy"`
	Kind        string     `json:"kind"`
	Retry       string     `json:"retry"`
	Owner       string     `json:"owner"`
	Language    string     `json:"language"`    // of the texts
	Translated  bool       `json:"translated"`  // the texts, or some of them, are our translation
	Meanings    []Meaning  `json:"meanings"`    // all that the code means, the one above first; one of them alone if the dialect was given
	Elsewhere   []string   `json:"elsewhere"`   // dialects in which the code is known, if it is not known without one
	Near        []string   `json:"near"`        // published codes that differ little from one that is not published
	Says        []Saying   `json:"says"`        // the entries that have the text that was asked for, if it is no code
	Since       string     `json:"since"`       // of Tenants and History, as AddLive was given it
	Tenants     []Hit      `json:"tenants"`     // null without live counts
	History     []uint64   `json:"history"`     // errors in each of the equal parts of the time since; null likewise
	Live        string     `json:"live"`        // the most frequent message of a code that no catalog lists
	RequestIDs  []string   `json:"request_ids"` // of the first and the last such error
	Freshness   *Freshness `json:"freshness"`   // of the live counts; null without them

	dialect, lang string // as asked for
}

// Meaning is what a code means in one family.
type Meaning struct {
	Family      string   `json:"family"`
	Code        string   `json:"code"` // as published; "" if the family does not list it
	Message     string   `json:"message"`
	Description string   `json:"description"`
	Remedy      string   `json:"remedy"`
	Dialects    []string `json:"dialects"` // the code means this in these dialects, and
	Services    []string `json:"services"` // in services that match these globs; both empty: everywhere
	Errors      uint64   `json:"errors"`   // live ones

	known catalog.Known
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
	maxHits    = 20
	maxOrigins = 1000
)

// Explain looks a code up, or a piece of text that the catalogs' texts may have. The dialect may be
// "". The texts are in the language lang, "" for that of the page. A code that one family alone
// lists means what that family says, even if it has this meaning only in some dialects or services.
func Explain(c *catalog.Set, code, dialect, lang string) Explanation {
	x := Explanation{Code: code, Family: catalog.Unknown, Elsewhere: []string{}, Near: []string{}, Says: []Saying{}, RequestIDs: []string{}, dialect: dialect, lang: lang}
	if dialect == "" && strings.HasPrefix(strings.ToUpper(code), "HTTP.") {
		dialect = "http"
	}
	k := c.Lookup(code, dialect, "", 0, "")
	publishers := c.Publishers(code)
	if k.Family == nil && len(publishers) == 0 {
		found := c.Search(code)
		for _, l := range found {
			x.Says = append(x.Says, Saying{l.Family.Name, l.Entry.Code, cmp.Or(l.Entry.Message, l.Entry.Description)})
		}
		if len(found) == 1 {
			k = catalog.Known{Family: found[0].Family, Entry: found[0].Entry}
		}
	}
	if k.Family == nil {
		for _, f := range publishers {
			x.Elsewhere = append(x.Elsewhere, f.Match.Dialects...)
		}
	}
	if k.Family != nil {
		x.mean(k)
	}
	if x.dialect == "" {
		for _, f := range publishers {
			x.mean(c.InFamily(f.Name, code, 0, ""))
		}
	}
	if k.Entry == nil && len(x.Says) == 0 && len(publishers) == 0 {
		x.Near = append(x.Near, c.Near(code, 5)...)
	}
	if k.Family == nil && len(x.Meanings) == 1 {
		k = x.Meanings[0].known
	}
	x.fill(k)
	return x
}

// mean returns the meaning for what a family knows. It adds one that is not there yet.
func (x *Explanation) mean(k catalog.Known) *Meaning {
	name := catalog.Unknown
	if k.Family != nil {
		name = k.Family.Name
	}
	if i := slices.IndexFunc(x.Meanings, func(m Meaning) bool { return m.Family == name }); i >= 0 {
		return &x.Meanings[i]
	}
	m := Meaning{Family: name, Dialects: []string{}, Services: []string{}, known: k}
	t, _ := k.TextsIn(x.lang)
	m.Message, m.Description, m.Remedy = t.Message, t.Description, t.Remedy
	if k.Entry != nil {
		m.Code = k.Entry.Code
	}
	if k.Family != nil && len(k.Family.Match.Prefixes) == 0 {
		m.Dialects, m.Services = append(m.Dialects, k.Family.Match.Dialects...), append(m.Services, k.Family.Match.Services...)
	}
	x.Meanings = append(x.Meanings, m)
	return &x.Meanings[len(x.Meanings)-1]
}

// fill takes over what the catalogs know.
func (x *Explanation) fill(k catalog.Known) {
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
	t, x.Translated = k.TextsIn(x.lang)
	if x.Message, x.Description, x.Remedy = t.Message, t.Description, t.Remedy; x.Translated {
		x.Language = x.lang
	}
}

// Found reports whether the catalogs know the code, its family, or a text.
func (x Explanation) Found() bool {
	return x.Family != catalog.Unknown || len(x.Says) > 0 || slices.ContainsFunc(x.Meanings, func(m Meaning) bool { return m.Code != "" })
}

// foldedCode is catalog.Fold of the code in SQL.
const foldedCode = `replaceRegexpAll(upper(code), '[_/: -]', '.')`

// AddLive adds who met the code from the start of the scope to its end, in any case and with any
// separators. If no dialect was asked for, the code means what most of its errors mean. since is
// the scope's length as a person gave it.
func (x *Explanation) AddLive(ctx context.Context, s *store.Store, c *catalog.Set, scope store.Scope, since string) error {
	code := cmp.Or(x.CatalogCode, x.Code)
	met := func(timeColumn string) store.Condition {
		where := scope.Where(timeColumn).And(foldedCode+" = ?", catalog.Fold(code))
		if x.dialect != "" {
			where = where.And("dialect = ?", x.dialect)
		}
		return where
	}
	if err := x.addMeanings(ctx, s, c, scope, met("")); err != nil {
		return fmt.Errorf("ask what %s means: %w", code, err)
	}
	seen := store.Scope{Tenants: scope.Tenants}.Where("").And(foldedCode+" = ?", catalog.Fold(code))
	hits, err := hits(ctx, s, scope, met(""), seen)
	if err != nil {
		return fmt.Errorf("ask who meets %s: %w", code, err)
	}
	history, err := history(ctx, s, scope, met(""))
	if err != nil {
		return fmt.Errorf("ask for the history of %s: %w", code, err)
	}
	if !x.Known {
		samples, err := samplesOf(ctx, s, met("ts"), nil)
		if err != nil {
			return fmt.Errorf("ask for a sample of %s: %w", code, err)
		}
		for _, sample := range samples {
			x.Live, x.RequestIDs = sample.Message, requestIDs(sample)
		}
	}
	fresh, err := NewFreshness(ctx, s, scope, time.Now())
	if err != nil {
		return err
	}
	x.Since, x.Tenants, x.History, x.Freshness = since, append([]Hit{}, hits...), history, &fresh
	return nil
}

// origin is where errors with a code came from, and the family that they were stored with.
type origin struct {
	Family  string `ch:"family"`
	Dialect string `ch:"dialect"`
	Service string `ch:"service"`
	Errors  uint64 `ch:"errors_"`
}

// addMeanings counts what the live errors of a code mean, and takes over the most frequent meaning.
func (x *Explanation) addMeanings(ctx context.Context, s *store.Store, c *catalog.Set, scope store.Scope, met store.Condition) error {
	origins, err := store.Select[origin](ctx, s, `
		SELECT family, dialect, service, sum(errors) AS errors_ FROM `+scope.Rollup("error", nil)+` WHERE `+met.SQL+`
		GROUP BY family, dialect, service ORDER BY errors_ DESC, family, dialect, service LIMIT ?`, append(met.Args, maxOrigins))
	if err != nil {
		return err
	}
	code := cmp.Or(x.CatalogCode, x.Code)
	for _, at := range origins {
		m := x.mean(meaningOf(c, at.Family, code, at.Dialect, at.Service, ""))
		m.Errors += at.Errors
	}
	if x.dialect != "" {
		return nil
	}
	slices.SortStableFunc(x.Meanings, func(a, b Meaning) int { return cmp.Compare(b.Errors, a.Errors) })
	if i := slices.IndexFunc(x.Meanings, func(m Meaning) bool { return m.Code != "" && m.Errors > 0 }); i >= 0 {
		x.Known, x.Near = false, []string{}
		x.fill(x.Meanings[i].known)
	}
	return nil
}

// meaningOf returns what today's catalogs know about errors that were stored with a family. Errors
// of a family that the catalogs do not have are looked up by where they came from.
func meaningOf(c *catalog.Set, family, code, dialect, service, message string) catalog.Known {
	if k := c.InFamily(family, code, 0, message); k.Family != nil {
		return k
	}
	return c.Lookup(code, dialect, service, 0, message)
}

// hits returns the tenants that met a code, most errors first, and when they first and last did.
func hits(ctx context.Context, s *store.Store, scope store.Scope, met, seen store.Condition) ([]Hit, error) {
	return store.Select[Hit](ctx, s, `
		SELECT tenant, errors_ AS errors, first_ AS first_seen, last_ AS last_seen
		FROM (SELECT tenant, sum(errors) AS errors_ FROM `+scope.Rollup("error", nil)+` WHERE `+met.SQL+` GROUP BY tenant) AS e
		LEFT JOIN (SELECT tenant, min(first_seen) AS first_, max(last_seen) AS last_ FROM codes_seen WHERE `+seen.SQL+` GROUP BY tenant) AS c USING (tenant)
		ORDER BY errors DESC, tenant LIMIT ?`, slices.Concat(met.Args, seen.Args, []any{maxHits}))
}

// history counts errors in each of the equal parts of the scope.
func history(ctx context.Context, s *store.Store, scope store.Scope, met store.Condition) ([]uint64, error) {
	parts := partsOf(scope)
	counts := make([]uint64, historyParts)
	err := s.Query(ctx, `SELECT `+parts.number("at")+` AS part, sum(errors) FROM `+scope.Rollup("error", parts.split)+` WHERE `+met.SQL+` GROUP BY part`, met.Args,
		func(scan func(...any) error) error {
			var part uint16
			var errors uint64
			if err := scan(&part, &errors); err != nil {
				return err
			}
			counts[part] = errors
			return nil
		})
	return counts, err
}

// ExplainOutputs are the ways to write an Explanation.
var ExplainOutputs = cli.Outputs[Explanation]{
	{Name: "text", Write: Explanation.text},
	{Name: "json", Write: cli.JSON[Explanation]},
}

func (x Explanation) text(w io.Writer) error {
	switch {
	case len(x.Says) > 1:
		return x.sayings(w)
	case !x.Known && len(x.published()) > 1:
		if err := x.several(w); err != nil {
			return err
		}
	default:
		if err := x.facts(w); err != nil {
			return err
		}
	}
	if x.Tenants == nil {
		return nil
	}
	if err := x.live(w); err != nil {
		return err
	}
	return cli.Paragraph(w, "", "\n"+x.Freshness.String())
}

// several lists what a code means in several families.
func (x Explanation) several(w io.Writer) error {
	err := cli.Paragraph(w, "", fmt.Sprintf("%d families list the code %s; --dialect chooses one:", len(x.published()), cli.OneLine(x.Code)))
	for _, m := range x.published() {
		err = errors.Join(err, cli.Paragraph(w, "  ", cli.OneLine(m.line())))
	}
	return err
}

func (x Explanation) sayings(w io.Writer) error {
	fmt.Fprintf(w, "%d codes say %q:\n", len(x.Says), x.Code)
	table := cli.Table{Columns: []cli.Column{{}, {}, {Prose: true}}, Indent: "  "}
	for _, s := range x.Says {
		table.Rows = append(table.Rows, []string{s.Code, s.Family, s.Message})
	}
	return table.Text(w)
}

// published returns the meanings of families that list the code.
func (x Explanation) published() (meanings []Meaning) {
	for _, m := range x.Meanings {
		if m.Code != "" {
			meanings = append(meanings, m)
		}
	}
	return meanings
}

// line describes a meaning in one line.
func (m Meaning) line() string {
	text := m.Family
	if m.Code != "" {
		text += " " + m.Code + ": " + cmp.Or(m.Message, m.Description)
	}
	if where := m.where(); where != "" {
		text += " (" + where + ")"
	}
	if m.Errors > 0 {
		text += fmt.Sprintf(", %d errors", m.Errors)
	}
	return text
}

// where says in which dialects and services a code has its meaning, "" for all.
func (m Meaning) where() string {
	var parts []string
	for _, p := range []struct {
		name  string
		words []string
	}{{"dialect", m.Dialects}, {"service", m.Services}} {
		if len(p.words) > 0 {
			parts = append(parts, p.name+" "+strings.Join(p.words, ", "))
		}
	}
	return strings.Join(parts, "; ")
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
	line("near", strings.Join(x.Near, ", "))
	line("family", strings.TrimSuffix(x.Family+", "+x.Title, ", "))
	line("source", x.Source)
	for _, m := range x.Meanings {
		if m.Family == x.Family {
			line("only in", m.where())
		}
	}
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
	for _, m := range x.Meanings {
		if m.Family != x.Family {
			line("also", m.line())
		}
	}
	line("says", cli.OneLine(x.Live))
	line("requests", strings.Join(x.RequestIDs, ", "))
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
