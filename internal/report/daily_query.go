package report

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// dailyAsker collects what the store knows of the windows of a report.
type dailyAsker struct {
	s       *store.Store
	query   DailyQuery
	windows []window

	pairs    []pair
	traffic  []dailyTraffic
	owned    map[string][]uint64     // requests with errors of the query's owner, by tenant and window
	fresh    map[[2]string]time.Time // when codes that were never seen before the day were first seen, by tenant and code
	gaps     []DailyGap              // of the day, the day before, or both
	parser   time.Time               // when another parser took over on the day; zero: it did not
	catalogs catalogChange
	said     map[[2]string]Said   // about codes, by tenant (or store.AnyTenant) and code
	returned map[[2]string]uint64 // errors of the day after their code was fixed, by tenant and code
}

// pair is a tenant's errors of a code at a gateway, with one count for each window.
type pair struct {
	Tenant  string        `ch:"tenant_"`
	Code    string        `ch:"code_"`
	Family  string        `ch:"family_"`
	Kind    string        `ch:"kind_"`
	Dialect string        `ch:"dialect_"`
	Service string        `ch:"service_"`
	Counts  []uint64      `ch:"counts_"`
	Before  cli.Timestamp `ch:"before_"` // the last error in the weeks before the day; 1970: there was none
	First   cli.Timestamp `ch:"first_"`  // on the day; 1970 if there is none
	Last    cli.Timestamp `ch:"last_"`
	Topic   string        `ch:"topic_"`

	owner string
	known bool
}

// dailyTraffic is a tenant's requests of a topic, with one count for each window.
type dailyTraffic struct {
	Tenant   string        `ch:"tenant_"`
	Topic    string        `ch:"topic_"`
	Requests []uint64      `ch:"requests_"`
	Errors   []uint64      `ch:"errors_"`   // requests with errors
	Before   uint64        `ch:"before_"`   // requests in the weeks before the day
	Seen     uint64        `ch:"seen_"`     // of those, the ones whose bodies could be read
	SeenNow  uint64        `ch:"seen_now_"` // on the day
	First    cli.Timestamp `ch:"first_"`    // request of the day
}

// catalogChange is a change of catalogs on the day.
type catalogChange struct {
	at    time.Time          // zero: there was none
	below map[[2]string]bool // tenants and codes that came with a status below 400 alone, since then
}

// hiddenStates are the states of bodies in which no error can be seen.
const hiddenStates = "'absent', 'undecodable'"

// scope returns the scope of a window.
func (a *dailyAsker) scope(w window) store.Scope {
	return store.Scope{From: w.From, To: w.To, Tenants: a.query.Tenants}
}

// all returns the time from the first past week to the end of the day.
func (a *dailyAsker) all() window { return window{a.windows[dailyWindows-1].From, a.windows[today].To} }

func literal(t time.Time) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }

// within is the condition that a column lies in a window.
func within(column string, w window) string {
	return column + " >= " + literal(w.From) + " AND " + column + " < " + literal(w.To)
}

// sums is an array of the sums of a column of a rollup, one for each window.
func sums(column string, windows []window) string {
	items := make([]string, len(windows))
	for i, w := range windows {
		items[i] = "sumIf(" + column + ", " + within("at", w) + ")"
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// split reports whether a window begins or ends within [from, to).
func split(windows []window) func(from, to time.Time) bool {
	return func(from, to time.Time) bool {
		return slices.ContainsFunc(windows, func(w window) bool {
			inside := func(t time.Time) bool { return t.After(from) && t.Before(to) }
			return inside(w.From) || inside(w.To)
		})
	}
}

// askPairs asks for the errors, and keeps the codes of the query's owner.
func (a *dailyAsker) askPairs(ctx context.Context, c *catalog.Set) (err error) {
	scope := a.scope(a.all())
	where, day := scope.Where(""), a.windows[today]
	on, before := within("at", day), "at < "+literal(day.From)
	a.pairs, err = store.Select[pair](ctx, a.s, `
		SELECT tenant AS tenant_, code AS code_, family AS family_, kind AS kind_, min(dialect) AS dialect_, min(service) AS service_,
			`+sums("errors", a.windows)+` AS counts_, maxIf(last_seen, `+before+`) AS before_,
			minIf(first_seen, `+on+`) AS first_, maxIf(last_seen, `+on+`) AS last_, topic AS topic_
		FROM `+scope.Rollup("error", split(a.windows))+` WHERE `+where.SQL+`
		GROUP BY tenant, code, family, kind, topic ORDER BY tenant, code, family, kind, topic`, where.Args)
	if err != nil {
		return err
	}
	for i := range a.pairs {
		p := &a.pairs[i]
		if k := meaningOf(c, p.Family, p.Code, p.Dialect, p.Service, ""); k.Entry != nil {
			p.known, p.owner = true, k.Entry.Owner
		}
	}
	if a.query.Owner != "" {
		a.pairs = slices.DeleteFunc(a.pairs, func(p pair) bool { return p.owner != a.query.Owner })
	}
	return nil
}

// ofOwner restricts a condition to the codes of the query's owner. The table has the columns code
// and family.
func (a *dailyAsker) ofOwner(where store.Condition) store.Condition {
	if a.query.Owner == "" {
		return where
	}
	keys := map[string]bool{"": true} // a list may not be empty
	for i := range a.pairs {
		keys[codeKey(a.pairs[i].Code, a.pairs[i].Family)] = true
	}
	return where.And(codeKeySQL+" IN (?)", slices.Sorted(maps.Keys(keys)))
}

// codeKey is a code and its family in one text. codeKeySQL is the same in SQL.
func codeKey(code, family string) string { return code + "\n" + family }

const codeKeySQL = `concat(code, '\n', family)`

// askTraffic asks for the requests.
func (a *dailyAsker) askTraffic(ctx context.Context) (err error) {
	scope := a.scope(a.all())
	where, day := scope.Where(""), a.windows[today]
	before, readable := "at < "+literal(day.From), "body_state NOT IN ("+hiddenStates+")"
	apart := split(a.windows)
	byHour := func(from, to time.Time) bool { // on the day, for the first request
		return apart(from, to) || to.Sub(from) > time.Hour && from.Before(day.To) && to.After(day.From)
	}
	a.traffic, err = store.Select[dailyTraffic](ctx, a.s, `
		SELECT tenant AS tenant_, topic AS topic_, `+sums("requests", a.windows)+` AS requests_, `+sums("errors", a.windows)+` AS errors_,
			sumIf(requests, `+before+`) AS before_, sumIf(requests, `+before+` AND `+readable+`) AS seen_,
			sumIf(requests, `+within("at", day)+` AND `+readable+`) AS seen_now_, minIf(at, `+within("at", day)+`) AS first_
		FROM `+scope.Rollup("traffic", byHour)+` WHERE `+where.SQL+`
		GROUP BY tenant, topic ORDER BY tenant, topic`, where.Args)
	return err
}

// recordKey identifies the request of an error.
const recordKey = "(topic, partition, offset, `index`)"

// askOwned counts the requests with errors of the query's owner.
func (a *dailyAsker) askOwned(ctx context.Context) error {
	if a.query.Owner == "" {
		return nil
	}
	a.owned = map[string][]uint64{}
	asked := a.windows[:lastWeek+1]
	items := make([]string, len(asked))
	for i, w := range asked {
		items[i] = "uniqExactIf(" + recordKey + ", " + within("ts", w) + ")"
	}
	where := a.ofOwner(a.scope(window{a.windows[lastWeek].From, a.windows[today].To}).Where("ts"))
	return a.s.Query(ctx, "SELECT tenant, ["+strings.Join(items, ", ")+"] FROM errors WHERE "+where.SQL+" GROUP BY tenant", where.Args,
		func(scan func(...any) error) error {
			var tenant string
			var counts []uint64
			err := scan(&tenant, &counts)
			a.owned[tenant] = counts
			return err
		})
}

// askNew asks for the codes that no error had before the day.
func (a *dailyAsker) askNew(ctx context.Context) error {
	a.fresh = map[[2]string]time.Time{}
	where := a.scope(a.windows[today]).Where("first_seen")
	return a.s.Query(ctx, "SELECT tenant, code, first_seen FROM codes_seen WHERE "+where.SQL, where.Args, func(scan func(...any) error) error {
		var key [2]string
		var at time.Time
		err := scan(&key[0], &key[1], &at)
		a.fresh[key] = at
		return err
	})
}

// askGaps asks for offsets that were never read, and infers from the records around them which time
// they cover.
func (a *dailyAsker) askGaps(ctx context.Context) error {
	var topics []string
	for _, r := range a.traffic {
		if !slices.Contains(topics, r.Topic) {
			topics = append(topics, r.Topic)
		}
	}
	var count uint64
	err := a.s.Query(ctx, "SELECT count() FROM gaps WHERE topic IN (?)", []any{topics}, func(scan func(...any) error) error { return scan(&count) })
	if err != nil || count == 0 {
		return err
	}
	gaps, err := store.Select[DailyGap](ctx, a.s, `
		SELECT g.topic AS topic_, toInt64(g.partition) AS partition_, g.first_offset AS first_offset_, g.last_offset AS last_offset_, any(g.reason) AS reason_,
			maxIf(b.max_ts, b.last_offset < g.first_offset) AS from_,
			if(countIf(b.first_offset > g.last_offset) = 0, any(g.at), minIf(b.min_ts, b.first_offset > g.last_offset)) AS to_
		FROM gaps AS g LEFT JOIN (SELECT topic, partition, first_offset, last_offset, min_ts, max_ts FROM batches WHERE requests > 0) AS b
			ON b.topic = g.topic AND b.partition = g.partition
		WHERE g.topic IN (?)
		GROUP BY g.topic, g.partition, g.first_offset, g.last_offset ORDER BY from_, topic_, partition_, first_offset_`, []any{topics})
	since := a.windows[today].From.Add(-24 * time.Hour)
	for _, g := range gaps {
		g.Offsets = g.LastOffset - g.FirstOffset + 1
		if !g.From.Before(a.windows[today].To) || g.To.Before(since) {
			continue
		}
		if len(a.query.Tenants) > 0 { // the names of topics and the numbers of offsets are not the tenant's
			g.Topic, g.Partition, g.FirstOffset, g.LastOffset, g.Offsets = "", 0, 0, 0, 0
		}
		a.gaps = append(a.gaps, g)
	}
	return err
}

// askVersions asks whether the parser or, if there are new codes, the catalogs changed on the day.
func (a *dailyAsker) askVersions(ctx context.Context) error {
	if len(a.fresh) == 0 {
		return nil
	}
	all, day := a.all(), a.windows[today]
	began := func(sql string, args []any) (at time.Time, err error) {
		var first time.Time
		before := false
		err = a.s.Query(ctx, sql, args, func(scan func(...any) error) error {
			err := scan(&first)
			if first.Before(day.From) {
				before = true
			} else if at.IsZero() || first.Before(at) {
				at = first
			}
			return err
		})
		if !before {
			return time.Time{}, err
		}
		return at, err
	}
	// A late record makes the first batch of a parser look old, so only its last hour counts.
	parser, err := began("SELECT min(greatest(min_ts, max_ts - INTERVAL 1 HOUR)) FROM batches WHERE requests > 0 AND "+
		"max_ts >= "+literal(all.From)+" AND min_ts < "+literal(all.To)+" GROUP BY fingerprint", nil)
	if err != nil {
		return err
	}
	a.parser = parser
	where := a.scope(window{a.windows[previous].From, day.To}).Where("ts")
	if a.catalogs.at, err = began("SELECT min(ts) FROM errors WHERE "+where.SQL+" GROUP BY catalog_version", where.Args); err != nil || a.catalogs.at.IsZero() {
		return err
	}
	a.catalogs.below = map[[2]string]bool{}
	where = a.scope(window{a.catalogs.at, day.To}).Where("ts")
	return a.s.Query(ctx, "SELECT tenant, code FROM errors WHERE "+where.SQL+" GROUP BY tenant, code HAVING max(status) < 400", where.Args,
		func(scan func(...any) error) error {
			var key [2]string
			err := scan(&key[0], &key[1])
			a.catalogs.below[key] = true
			return err
		})
}

// watermark asks up to when the data is complete.
func (a *dailyAsker) watermark(ctx context.Context, d *Daily) error {
	at, _, err := a.s.DataWatermark(ctx)
	d.Watermark.Time = at
	d.Complete = !at.IsZero() && !at.Before(d.To.Time)
	return err
}

// chart counts the parts of the day.
func (a *dailyAsker) chart(ctx context.Context, d *Daily, parts []window) error {
	d.Chart = make([]Bar, len(parts))
	scope := a.scope(a.windows[today])
	for _, of := range []struct {
		table, column string
		where         store.Condition
		set           func(*Bar, uint64)
	}{
		{"traffic", "requests", scope.Where(""), func(b *Bar, n uint64) { b.Requests = n }},
		{"error", "errors", a.ofOwner(scope.Where("")), func(b *Bar, n uint64) { b.Errors = n }},
	} {
		err := a.s.Query(ctx, "SELECT "+sums(of.column, parts)+" FROM "+scope.Rollup(of.table, split(parts))+" WHERE "+of.where.SQL, of.where.Args,
			func(scan func(...any) error) error {
				var counts []uint64
				err := scan(&counts)
				for i, n := range counts {
					of.set(&d.Chart[i], n)
				}
				return err
			})
		if err != nil {
			return err
		}
	}
	for i, p := range parts {
		d.Chart[i].From.Time, d.Chart[i].To.Time = p.From.UTC(), p.To.UTC()
	}
	return nil
}

// details adds to codes what only the errors one by one say.
func (a *dailyAsker) details(ctx context.Context, codes []*DailyCode) error {
	if len(codes) == 0 {
		return nil
	}
	of := map[string][]*DailyCode{}
	keys := []string{}
	for _, x := range codes {
		key := codeKey(x.Code, x.Family)
		if of[key] == nil {
			keys = append(keys, key)
		}
		of[key] = append(of[key], x)
	}
	where := a.scope(a.windows[today]).Where("ts").And(codeKeySQL+" IN (?)", keys)
	err := a.s.Query(ctx, "SELECT "+codeKeySQL+" AS key, uniqExact("+recordKey+"), topKIf(1)(message, message != '')[1] FROM errors WHERE "+where.SQL+" GROUP BY key", where.Args,
		func(scan func(...any) error) error {
			var key, message string
			var requests uint64
			err := scan(&key, &requests, &message)
			for _, x := range of[key] {
				x.Requests, x.Message = requests, message
			}
			return err
		})
	if err != nil {
		return err
	}
	const most = 3 // and none that came once, as each id does
	return a.s.Query(ctx, "SELECT "+codeKeySQL+" AS key, toString(name), toString(value), count() AS n FROM errors ARRAY JOIN mapKeys(args) AS name, mapValues(args) AS value WHERE "+
		where.SQL+fmt.Sprintf(" GROUP BY key, name, value HAVING n > 1 ORDER BY n DESC, name, value LIMIT %d BY key", most), where.Args,
		func(scan func(...any) error) error {
			var key string
			var arg Argument
			err := scan(&key, &arg.Name, &arg.Value, &arg.Errors)
			for _, x := range of[key] {
				x.Arguments = append(x.Arguments, arg)
			}
			return err
		})
}
