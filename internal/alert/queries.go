package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"errata/internal/store"
)

// source is where an evaluator looks: the store, or the inputs of a unit test.
type source interface {
	// prepare reads what several rules look at together. It calls ready with the data of each as
	// soon as that is complete, perhaps several times at once. What it does not call it with,
	// because of an error of one of them, is left to fetch.
	prepare(ctx context.Context, spans []span, ready func(span, data))
	// fetch counts what a rule looks at when it is evaluated at the times of the span.
	fetch(ctx context.Context, sp span) (data, error)
	// unsent returns the reports that are due at a time and were not sent.
	unsent(ctx context.Context, now time.Time) (unsent, error)
	// behind returns what is behind the errors of a group in [from, to).
	behind(ctx context.Context, sel Select, from, to time.Time) (behind, error)
}

// behind is what is behind errors.
type behind struct {
	codes    []seenCode // the most frequent first
	requests []string   // ids of some, the latest first
	why      []string   // what makes the errors different from those before
}

// stored is the source in ClickHouse.
type stored struct {
	*store.Store
	usuals map[string]*usual // by rule
	shared map[string]any    // what several rules ask for at one time, by what it is
	// returned has, by rule, the groups that may return while a backtest replays it; nil: any.
	returned map[string][]string
}

func newStored(s *store.Store) *stored {
	return &stored{s, map[string]*usual{}, map[string]any{}, map[string][]string{}}
}

// askOnce returns the answer to a question that several rules ask at one time, and asks it once.
func askOnce[T any](s *stored, what string, ask func() (T, error)) (T, error) {
	if answer, ok := s.shared[what]; ok {
		return answer.(T), nil
	}
	answer, err := ask()
	if err == nil {
		s.shared[what] = answer
	}
	return answer, err
}

func (s *stored) prepare(ctx context.Context, spans []span, ready func(span, data)) {
	s.shared = map[string]any{}
	var tallies []*tally
	of, read := map[*tally][]span{}, map[span]data{}
	var mu sync.Mutex
	missing := map[span]int{} // how many tallies of each are not read yet
	for _, sp := range spans {
		d, needed, err := s.plan(ctx, sp)
		switch {
		case err != nil:
			continue
		case len(needed) == 0:
			ready(sp, d)
			continue
		}
		read[sp], missing[sp] = d, len(needed)
		for _, t := range needed {
			if of[t] == nil {
				tallies = append(tallies, t)
			}
			of[t] = append(of[t], sp)
		}
	}
	s.countAll(ctx, grouped(tallies), func(g *tallyGroup, err error) {
		if err != nil { // perhaps because of one rule alone
			return
		}
		var complete []span
		mu.Lock()
		for _, t := range g.tallies {
			for _, sp := range of[t] {
				if missing[sp]--; missing[sp] == 0 {
					complete = append(complete, sp)
				}
			}
		}
		mu.Unlock()
		for _, sp := range complete {
			ready(sp, read[sp])
		}
	})
}

func (s *stored) fetch(ctx context.Context, sp span) (data, error) {
	s.shared = map[string]any{}
	d, tallies, err := s.plan(ctx, sp)
	if err != nil {
		return d, err
	}
	var mu sync.Mutex
	s.countAll(ctx, grouped(tallies), func(_ *tallyGroup, failed error) {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil {
			err = failed
		}
	})
	return d, err
}

// plan returns the data of a rule without its counts, and the tallies that add these to it.
func (s *stored) plan(ctx context.Context, sp span) (d data, tallies []*tally, err error) {
	rule := sp.rule
	d, needs := newData(), rule.Condition.needs()
	switch {
	case needs.sightings > 0:
		tallies, err = s.planNew(ctx, sp, d)
		return d, tallies, err
	case needs.silent > 0:
		tallies, err = s.planReturned(ctx, sp, d)
		return d, tallies, err
	}
	var more []time.Time
	if needs.usual != nil {
		if d.usual, err = s.usual(ctx, rule, sp.from, sp.to); err != nil {
			return d, nil, err
		}
		more = d.usual.resolved(sp.from.Add(-rule.lookback()).Truncate(time.Minute), sp.to)
	}
	edges := rule.edges(sp.from, sp.to, more...)
	ofRequests := rule.ofRequests()
	if needs.requests {
		p := s.plain(viewRequests, rule.Select, rule.place(rule.By), edges)
		if d.requests, d.blind = p.counts.requests, p.counts.blind; ofRequests {
			d.errors = p.counts.errors
		}
		tallies = append(tallies, p.tally)
	}
	if needs.errors && !ofRequests {
		p := s.plain(errorsView(rule.Select), rule.Select, rule.By, edges)
		d.errors, tallies = p.counts.errors, append(tallies, p.tally)
	}
	return d, tallies, nil
}

// planNew counts the errors of codes that their tenants first met in the window. Errors of a topic
// that the same parser has not read for long are young.
func (s *stored) planNew(ctx context.Context, sp span, d data) ([]*tally, error) {
	rule, edges := sp.rule, sp.rule.edges(sp.from, sp.to)
	learn := rule.Condition.needs().sightings
	firstSeen, err := s.firstSeen(ctx, rule, "first_seen >= fromUnixTimestamp64Milli(?) AND first_seen < fromUnixTimestamp64Milli(?)", edges.from(), sp.to)
	if err != nil || len(firstSeen) == 0 {
		return nil, err
	}
	began, err := s.began(ctx, edges.from().Add(-2*learn), sp.to)
	if err != nil {
		return nil, err
	}
	maps.Copy(d.began, began)
	starts, err := askOnce(s, "parsers", func() (map[string][]time.Time, error) { return s.parserStarts(ctx) })
	if err != nil {
		return nil, err
	}
	only := "(tenant, code) IN (SELECT tenant, code FROM codes_seen WHERE first_seen >= " + milli(edges.from()) + ")"
	return []*tally{{errorsView(rule.Select), rule.Select, append(slices.Clone(rule.By), "topic"), only, nil, edges, func(c counted) {
		topic := c.keys[len(rule.By)]
		c.keys = c.keys[:len(rule.By):len(rule.By)]
		c.name = nameOf(c.keys)
		d.firstSeen[c.name] = firstSeen[c.name]
		if learned(starts[topic], c.at, learn) {
			add(d.errors, c, c.errors)
		} else {
			add(d.young, c, c.errors)
		}
	}}}, nil
}

// learned reports whether a parser has read a topic for long at a time.
func learned(starts []time.Time, at time.Time, learn time.Duration) bool {
	var latest time.Time
	for _, start := range starts {
		if !start.After(at) && start.After(latest) {
			latest = start
		}
	}
	return !latest.IsZero() && at.Sub(latest) >= learn
}

// planReturned counts the errors of codes that have some in the short window and are older than the
// long one.
func (s *stored) planReturned(ctx context.Context, sp span, d data) ([]*tally, error) {
	rule := sp.rule
	recent, oldest := sp.from.Add(-rule.Condition.windows()[1]), sp.to.Add(-rule.lookback())
	firstSeen, err := s.firstSeen(ctx, rule, "last_seen >= fromUnixTimestamp64Milli(?) AND first_seen < fromUnixTimestamp64Milli(?)", recent, oldest)
	if err != nil {
		return nil, err
	}
	fixed, err := askOnce(s, "fixed", func() (map[[2]string]time.Time, error) { return s.fixed(ctx) })
	if err != nil || len(firstSeen)+len(fixed) == 0 {
		return nil, err
	}
	only := "((tenant, code) IN (SELECT tenant, code FROM codes_seen WHERE last_seen >= " + milli(recent) + " AND first_seen < " + milli(oldest) +
		") OR code IN (SELECT code FROM code_states WHERE state = '" + store.Fixed + "'))"
	var named []any
	if may := s.returned[rule.Name]; may != nil && len(fixed) == 0 {
		if len(may) == 0 {
			return nil, nil
		}
		only += " AND concat(tenant, '\\0', code) IN (?)"
		named = []any{may}
	}
	edges := rule.edges(sp.from, sp.to, slices.Collect(maps.Values(fixed))...)
	return []*tally{{errorsView(rule.Select), rule.Select, rule.By, only, named, edges, func(c counted) {
		add(d.errors, c, c.errors)
		d.firstSeen[c.name] = firstSeen[c.name]
		tenant, code := c.keys[slices.Index(rule.By, "tenant")], c.keys[slices.Index(rule.By, "code")]
		if d.fixed[c.name] = fixed[[2]string{tenant, code}]; d.fixed[c.name].IsZero() {
			d.fixed[c.name] = fixed[[2]string{store.AnyTenant, code}]
		}
	}}}, nil
}

// mostReturning is the number of groups above which a query does not name those that may return.
const mostReturning = 1000

// mayReturn returns the tenants and codes, as nameOf, that had no errors for as long as the rule
// asks for in the time that evaluations in (from, to] look at. It is nil if they are too many to
// name. It goes by whole hours, so a few of them did have errors.
func (s *stored) mayReturn(ctx context.Context, rule *Rule, from, to time.Time) ([]string, error) {
	if rule.Select.single() { // sums do not have it
		return nil, nil
	}
	const hour = int64(time.Hour / time.Second)
	scope := store.Scope{From: from.Add(-rule.lookback()), To: to}
	where := rule.Select.where(scope.Where(""), false)
	between := int64(rule.needs().silent/time.Second) - hour // two hours with errors
	byHour := func(from, to time.Time) bool { return to.Sub(from) > time.Hour }
	sql := fmt.Sprintf(`SELECT toString(tenant), toString(code) FROM %s WHERE %s GROUP BY tenant, code
		HAVING arrayMax(arrayDifference(arraySort(arrayPushFront(groupUniqArray(intDiv(toInt64(toUnixTimestamp(at)), %d) * %d), toInt64(%d))))) >= %d
		ORDER BY tenant, code LIMIT %d`, scope.Rollup("error", byHour), where.SQL, hour, hour, scope.From.Truncate(time.Hour).Unix(), between, mostReturning+1)
	may := []string{}
	err := s.Query(ctx, sql, where.Args, func(scan func(...any) error) error {
		var tenant, code string
		err := scan(&tenant, &code)
		may = append(may, nameOf([]string{tenant, code}))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the codes that may be back: %w", err)
	}
	if len(may) > mostReturning {
		return nil, nil
	}
	return may, nil
}

// fixed returns store.FixedFrom of each code of a tenant that people say is fixed, or of
// store.AnyTenant.
func (s *stored) fixed(ctx context.Context) (map[[2]string]time.Time, error) {
	fixed := map[[2]string]time.Time{}
	err := s.Query(ctx, "SELECT toString(tenant), toString(code), at FROM code_states WHERE state = ?", []any{store.Fixed}, func(scan func(...any) error) error {
		var of [2]string
		var at time.Time
		err := scan(&of[0], &of[1], &at)
		fixed[of] = store.FixedFrom(at)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which codes are marked as fixed: %w", err)
	}
	return fixed, nil
}

// firstSeen returns when the tenants first met codes, by the rule's keys, which are tenant and
// code.
func (s *stored) firstSeen(ctx context.Context, rule *Rule, condition string, args ...time.Time) (map[string]time.Time, error) {
	where := store.Condition{SQL: "1"}
	for _, f := range rule.Select.fields() {
		if len(f.values) > 0 && (f.column == "tenant" || f.column == "code") {
			sql, arg := f.condition(f.column, f.values)
			where = where.And(sql, arg)
		}
	}
	where = where.And(condition, args[0].UnixMilli(), args[1].UnixMilli())
	first := map[string]time.Time{}
	err := s.Query(ctx, "SELECT toString(tenant), toString(code), first_seen FROM codes_seen WHERE "+where.SQL, where.Args, func(scan func(...any) error) error {
		at, values := time.Time{}, map[string]*string{"tenant": new(string), "code": new(string)}
		err := scan(values["tenant"], values["code"], &at)
		var keys []string
		for _, column := range rule.By {
			keys = append(keys, *values[column])
		}
		first[nameOf(keys)] = at
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read when codes were first seen: %w", err)
	}
	return first, nil
}

// began returns a time at which each tenant had traffic already: its first code, or its first
// request in [from, to).
func (s *stored) began(ctx context.Context, from, to time.Time) (map[string]time.Time, error) {
	const sql = `SELECT toString(tenant), min(at) FROM (
			SELECT tenant, min(first_seen) AS at FROM codes_seen GROUP BY tenant
			UNION ALL SELECT tenant, min(hour) FROM traffic_hour WHERE hour >= fromUnixTimestamp64Milli(?) AND hour < fromUnixTimestamp64Milli(?) GROUP BY tenant)
		GROUP BY tenant`
	return askOnce(s, fmt.Sprint("began ", from, to), func() (map[string]time.Time, error) {
		began := map[string]time.Time{}
		err := s.Query(ctx, sql, []any{from.UnixMilli(), to.UnixMilli()}, func(scan func(...any) error) error {
			var tenant string
			var at time.Time
			err := scan(&tenant, &at)
			began[tenant] = at
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read when the traffic of tenants began: %w", err)
		}
		return began, nil
	})
}

// parserStarts returns the event times from which each parser has read each topic.
func (s *stored) parserStarts(ctx context.Context) (map[string][]time.Time, error) {
	starts := map[string][]time.Time{}
	err := s.Query(ctx, "SELECT toString(topic), min(min_ts) FROM batches WHERE requests > 0 GROUP BY topic, fingerprint", nil, func(scan func(...any) error) error {
		var topic string
		var at time.Time
		err := scan(&topic, &at)
		starts[topic] = append(starts[topic], at)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read when the reading of topics began: %w", err)
	}
	return starts, nil
}

func within(from, to time.Time, timeColumn string) store.Condition {
	return store.Scope{From: from, To: to}.Where(timeColumn)
}

// milli writes a time in SQL.
func milli(t time.Time) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }

// seenCode is a code that errors of a window had, with the latest of them.
type seenCode struct {
	Code    string `ch:"code"`
	Errors  uint64 `ch:"n"`
	Dialect string `ch:"dialect_"`
	Service string `ch:"service_"`
	Status  uint16 `ch:"status_"`
	Message string `ch:"message_"`
}

func (s *stored) behind(ctx context.Context, sel Select, from, to time.Time) (b behind, err error) {
	if b.codes, err = topCodes(ctx, s.Store, sel, from, to, maxCodes); err != nil {
		return b, err
	}
	if b.requests, err = latestRequests(ctx, s.Store, sel, from, to, maxRequests); err != nil {
		return b, err
	}
	b.why, err = causes(ctx, s.Store, sel, from, to)
	return b, err
}

// topCodes returns the most frequent codes of [from, to), the most frequent first.
func topCodes(ctx context.Context, s *store.Store, sel Select, from, to time.Time, limit int) ([]seenCode, error) {
	where := sel.where(within(from, to, "ts"), false)
	codes, err := store.Select[seenCode](ctx, s, `
		SELECT code, count() AS n, toString(argMax(dialect, at)) AS dialect_, toString(argMax(service, at)) AS service_,
			argMax(status, at) AS status_, argMax(message, at) AS message_
		FROM (SELECT code, dialect, service, status, message, (ts, topic, partition, offset, `+"`index`"+`, envelope) AS at FROM errors WHERE `+where.SQL+`)
		GROUP BY code ORDER BY n DESC, code LIMIT ?`, append(where.Args, limit))
	if err != nil {
		return nil, fmt.Errorf("read the codes behind an alert: %w", err)
	}
	return codes, nil
}

// latestRequests returns the ids of the latest requests of [from, to) that met the errors, the
// latest first.
func latestRequests(ctx context.Context, s *store.Store, sel Select, from, to time.Time, limit int) (ids []string, err error) {
	where := sel.where(within(from, to, "ts"), false).And("request_id != ''")
	err = s.Query(ctx, "SELECT request_id FROM errors WHERE "+where.SQL+" ORDER BY ts DESC, request_id LIMIT 1 BY request_id LIMIT ?", append(where.Args, limit), func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the requests behind an alert: %w", err)
	}
	return ids, nil
}

// states returns where all rules and their groups stand, except for inactive groups. The row of a
// rule comes before those of its groups.
func states(ctx context.Context, s *store.Store) ([]store.AlertState, error) {
	return statesWhere(ctx, s, "fingerprint = '' OR state != 'inactive'")
}

// ended returns the rows of alerts that receivers were told of and that were resolved since a time.
func ended(ctx context.Context, s *store.Store, since time.Time) ([]store.AlertState, error) {
	return statesWhere(ctx, s, "state = 'inactive' AND JSONExtractInt(memory, 'ended') >= ?", since.UnixMilli())
}

func statesWhere(ctx context.Context, s *store.Store, where string, args ...any) (all []store.AlertState, err error) {
	const sql = "SELECT rule, fingerprint, labels, state, since, low_since, frozen, memory, notice, evaluated FROM alert_states"
	err = s.Query(ctx, sql+" WHERE "+where+" ORDER BY rule, fingerprint", args, func(scan func(...any) error) error {
		var r store.AlertState
		err := scan(&r.Rule, &r.Fingerprint, &r.Labels, &r.State, &r.Since, &r.LowSince, &r.Frozen, &r.Memory, &r.Notice, &r.Evaluated)
		r.Since, r.LowSince = store.OrZero(r.Since), store.OrZero(r.LowSince)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the states of the alerts: %w", err)
	}
	return all, nil
}
