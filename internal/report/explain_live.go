package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"errata/internal/catalog"
	"errata/internal/store"
)

// foldedCode is catalog.Fold of the code in SQL.
const foldedCode = `replaceRegexpAll(upper(code), '[_/: -]', '.')`

// explainer asks the store about the code of an explanation.
type explainer struct {
	s     *store.Store
	scope store.Scope
	zone  *time.Location
	code  string // folded
	x     *Explanation
}

// AddLive adds who met the code from the start of the scope to its end, in any case and with any
// separators, and its trend in the days of a zone. If no dialect was asked for, the code means what
// most of its errors mean. since is the scope's length as a person gave it. After an error, x has
// what was answered before it.
func (x *Explanation) AddLive(ctx context.Context, s *store.Store, c *catalog.Set, scope store.Scope, since string, zone *time.Location) error {
	e := explainer{s, s.Resolve(ctx, scope), zone, catalog.Fold(cmp.Or(x.CatalogCode, x.Code)), x}
	x.Since, x.Zone = since, zone.String()
	for _, question := range []struct {
		what string
		ask  func(context.Context) error
	}{
		{"what it means", func(ctx context.Context) error { return e.meanings(ctx, c) }},
		{"how fresh the data is", e.freshness},
		{"who meets it", e.hits},
		{"its history", e.history},
		{"what was said about it", e.states},
		{"when it was seen first", e.sightings},
		{"its trend", e.trend},
		{"its routes", e.routes},
		{"its arguments", e.arguments},
		{"a sample", e.sample},
	} {
		if err := question.ask(ctx); err != nil {
			return fmt.Errorf("%s: ask %s: %w", cmp.Or(x.CatalogCode, x.Code), question.what, err)
		}
	}
	return nil
}

// met is the condition of the code's errors in the scope. timeColumn is as in store.Scope.Where.
func (e *explainer) met(timeColumn string) store.Condition {
	where := e.scope.Where(timeColumn).And(foldedCode+" = ?", e.code)
	if e.x.dialect != "" {
		where = where.And("dialect = ?", e.x.dialect)
	}
	return where
}

// ever is the condition of the code at any time.
func (e *explainer) ever() store.Condition {
	return store.Scope{Tenants: e.scope.Tenants}.Where("").And(foldedCode+" = ?", e.code)
}

// origin is where errors with a code came from, and the family that they were stored with.
type origin struct {
	Family  string `ch:"family"`
	Dialect string `ch:"dialect"`
	Service string `ch:"service"`
	Errors  uint64 `ch:"errors_"`
}

// meanings counts what the live errors of a code mean, and takes over the most frequent meaning.
func (e *explainer) meanings(ctx context.Context, c *catalog.Set) error {
	met, x := e.met(""), e.x
	origins, err := store.Select[origin](ctx, e.s, `
		SELECT family, dialect, service, sum(errors) AS errors_ FROM `+e.scope.Rollup("error", nil)+` WHERE `+met.SQL+`
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

func (e *explainer) freshness(ctx context.Context) error {
	fresh, err := NewFreshness(ctx, e.s, e.scope, time.Now())
	if err == nil {
		e.x.Freshness = &fresh
	}
	return err
}

// hits asks for the tenants that met the code, most errors first, and when they first and last did.
func (e *explainer) hits(ctx context.Context) error {
	met, ever := e.met(""), e.ever()
	hits, err := store.Select[Hit](ctx, e.s, `
		SELECT tenant, errors_ AS errors, first_ AS first_seen, last_ AS last_seen
		FROM (SELECT tenant, sum(errors) AS errors_ FROM `+e.scope.Rollup("error", nil)+` WHERE `+met.SQL+` GROUP BY tenant) AS e
		LEFT JOIN (SELECT tenant, min(first_seen) AS first_, max(last_seen) AS last_ FROM codes_seen WHERE `+ever.SQL+` GROUP BY tenant) AS c USING (tenant)
		ORDER BY errors DESC, tenant LIMIT ?`, slices.Concat(met.Args, ever.Args, []any{maxHits}))
	if err == nil {
		e.x.Tenants = append([]Hit{}, hits...)
	}
	return err
}

// history counts the errors in each of the equal parts of the scope.
func (e *explainer) history(ctx context.Context) error {
	met, parts := e.met(""), partsOf(e.scope)
	e.x.History = make([]uint64, historyParts)
	return e.s.Query(ctx, `SELECT `+parts.number("at")+` AS part, sum(errors) FROM `+e.scope.Rollup("error", parts.split)+` WHERE `+met.SQL+` GROUP BY part`, met.Args,
		func(scan func(...any) error) error {
			var part uint16
			var errors uint64
			if err := scan(&part, &errors); err != nil {
				return err
			}
			e.x.History[part] = errors
			return nil
		})
}

// states asks what people have said about the code.
func (e *explainer) states(ctx context.Context) error {
	ever := store.Scope{}.Where("").And(foldedCode+" = ?", e.code)
	if len(e.scope.Tenants) > 0 {
		ever = ever.And("tenant IN (?)", append([]string{store.AnyTenant}, e.scope.Tenants...))
	}
	all, err := readSaid(ctx, e.s, ever)
	e.x.States = all
	return err
}

func (e *explainer) sightings(ctx context.Context) error {
	ever := e.ever()
	seen, err := store.Select[Sightings](ctx, e.s, `
		SELECT min(first_seen) AS first_, argMin(tenant, first_seen) AS by_, max(last_seen) AS last_, uniqExact(tenant) AS tenants_
		FROM codes_seen WHERE `+ever.SQL+` HAVING tenants_ > 0`, ever.Args)
	if len(seen) > 0 {
		e.x.Sightings = &seen[0]
	}
	return err
}

// trend counts the errors of each of the last TrendDays days.
func (e *explainer) trend(ctx context.Context) error {
	last := e.scope.To.Add(-time.Millisecond).In(e.zone)
	days := make([]window, TrendDays)
	e.x.Trend = make([]DayCount, TrendDays)
	for i := range days {
		days[i] = dayOf(last, i+1-TrendDays, e.zone)
		e.x.Trend[i].Day = last.AddDate(0, 0, i+1-TrendDays).Format(time.DateOnly)
	}
	scope := e.scope
	scope.From = days[0].From
	met := e.met("")
	return e.s.Query(ctx, "SELECT "+sums("errors", days)+" FROM "+scope.Rollup("error", split(days))+" WHERE "+met.SQL, met.Args, func(scan func(...any) error) error {
		var counts []uint64
		err := scan(&counts)
		for i, n := range counts {
			e.x.Trend[i].Errors = n
		}
		return err
	})
}

func (e *explainer) routes(ctx context.Context) error {
	met := e.met("")
	routes, err := store.Select[RouteHit](ctx, e.s, `
		SELECT service, route, errors_ AS errors, tenants_ AS tenants
		FROM (SELECT service, route, sum(errors) AS errors_, uniqExact(tenant) AS tenants_ FROM `+e.scope.Rollup("error", nil)+` WHERE `+met.SQL+` GROUP BY service, route)
		ORDER BY errors DESC, service, route LIMIT ?`, append(met.Args, maxRoutes))
	e.x.Routes = append([]RouteHit{}, routes...)
	return err
}

// arguments asks for the values that messages have in place of the published placeholders.
func (e *explainer) arguments(ctx context.Context) error {
	met := e.met("ts")
	e.x.Arguments = []Argument{}
	return e.s.Query(ctx, `
		SELECT toString(name), toString(value), count() AS n FROM errors ARRAY JOIN mapKeys(args) AS name, mapValues(args) AS value
		WHERE `+met.SQL+` GROUP BY name, value ORDER BY n DESC, name, value LIMIT ?`, append(met.Args, maxArguments), func(scan func(...any) error) error {
		var arg Argument
		err := scan(&arg.Name, &arg.Value, &arg.Errors)
		e.x.Arguments = append(e.x.Arguments, arg)
		return err
	})
}

// sample asks what the errors of a code look like that no catalog lists.
func (e *explainer) sample(ctx context.Context) error {
	if e.x.Known {
		return nil
	}
	samples, err := samplesOf(ctx, e.s, e.met("ts"), nil)
	for _, sample := range samples {
		e.x.Live, e.x.RequestIDs = sample.Message, requestIDs(sample)
	}
	return err
}
