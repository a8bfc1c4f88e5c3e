package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"errata/internal/accesslog"
	"errata/internal/store"
)

// source is where an evaluator looks: the store, or the inputs of a unit test.
type source interface {
	// fetch counts what a rule looks at when it is evaluated at times in (from, to].
	fetch(ctx context.Context, rule *Rule, from, to time.Time) (data, error)
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
}

func newStored(s *store.Store) *stored { return &stored{s, map[string]*usual{}} }

func (s *stored) fetch(ctx context.Context, rule *Rule, from, to time.Time) (d data, err error) {
	d, needs := newData(), rule.Condition.needs()
	around := rule.around(from, to)
	if needs.usual != nil {
		if d.usual, err = s.usual(ctx, rule, from, to); err != nil {
			return d, err
		}
	}
	if needs.requests {
		if err := s.fetchRequests(ctx, rule, around, d); err != nil {
			return d, err
		}
	}
	switch {
	case needs.sightings > 0:
		return d, s.fetchNew(ctx, rule, around, to, d)
	case needs.silent > 0:
		return d, s.fetchReturned(ctx, rule, around, from, to, d)
	case !needs.errors || rule.ofRequests():
		return d, nil
	}
	minutes, err := s.errorsPerMinute(ctx, rule.Select, around, rule.By, "")
	for _, m := range minutes {
		add(d.errors, m.keys, m.at, m.errors)
	}
	return d, err
}

func (s *stored) fetchRequests(ctx context.Context, rule *Rule, around around, d data) error {
	minutes, err := s.requestsPerMinute(ctx, rule.Select, around, rule.place(rule.By))
	for _, m := range minutes {
		add(d.requests, m.keys, m.at, m.requests)
		add(d.blind, m.keys, m.at, m.blind)
		if rule.ofRequests() {
			add(d.errors, m.keys, m.at, m.errors)
		}
	}
	return err
}

// fetchNew counts the errors of codes that their tenants first met in the window. Errors of a topic
// that the same parser has not read for long are young.
func (s *stored) fetchNew(ctx context.Context, rule *Rule, around around, to time.Time, d data) error {
	learn := rule.Condition.needs().sightings
	firstSeen, err := s.firstSeen(ctx, rule, "first_seen >= fromUnixTimestamp64Milli(?) AND first_seen < fromUnixTimestamp64Milli(?)", around.from, to)
	if err != nil || len(firstSeen) == 0 {
		return err
	}
	if err := s.fetchBegan(ctx, around.from.Add(-2*learn), to, firstSeen, d); err != nil {
		return err
	}
	starts, err := s.parserStarts(ctx)
	if err != nil {
		return err
	}
	minutes, err := s.errorsPerMinute(ctx, rule.Select, around, append(slices.Clone(rule.By), "topic"),
		"(tenant, code) IN (SELECT tenant, code FROM codes_seen WHERE first_seen >= "+milli(around.from)+")")
	for _, m := range minutes {
		keys, topic := m.keys[:len(rule.By)], m.keys[len(rule.By)]
		d.firstSeen[nameOf(keys)] = firstSeen[nameOf(keys)]
		if learned(starts[topic], m.at, learn) {
			add(d.errors, keys, m.at, m.errors)
		} else {
			add(d.young, keys, m.at, m.errors)
		}
	}
	return err
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

// fetchReturned counts the errors of codes that have some in the short window and are older than
// the long one.
func (s *stored) fetchReturned(ctx context.Context, rule *Rule, around around, from, to time.Time, d data) error {
	over := rule.Condition.windows()[1]
	recent := from.Add(-over)
	oldest := to.Add(-rule.lookback())
	firstSeen, err := s.firstSeen(ctx, rule, "last_seen >= fromUnixTimestamp64Milli(?) AND first_seen < fromUnixTimestamp64Milli(?)", recent, oldest)
	if err != nil {
		return err
	}
	fixed, err := s.fixed(ctx)
	if err != nil || len(firstSeen)+len(fixed) == 0 {
		return err
	}
	minutes, err := s.errorsPerMinute(ctx, rule.Select, around, rule.By,
		"((tenant, code) IN (SELECT tenant, code FROM codes_seen WHERE last_seen >= "+milli(recent)+" AND first_seen < "+milli(oldest)+") OR code IN (SELECT code FROM code_states WHERE state = '"+store.Fixed+"'))")
	for _, m := range minutes {
		name := nameOf(m.keys)
		add(d.errors, m.keys, m.at, m.errors)
		d.firstSeen[name] = firstSeen[name]
		tenant, code := m.keys[slices.Index(rule.By, "tenant")], m.keys[slices.Index(rule.By, "code")]
		if d.fixed[name] = fixed[[2]string{tenant, code}]; d.fixed[name].IsZero() {
			d.fixed[name] = fixed[[2]string{store.AnyTenant, code}]
		}
	}
	return err
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

// fetchBegan finds a time at which each tenant had traffic already: its first code, or its first
// request in [from, to).
func (s *stored) fetchBegan(ctx context.Context, from, to time.Time, of map[string]time.Time, d data) error {
	const sql = `SELECT toString(tenant), min(at) FROM (
			SELECT tenant, min(first_seen) AS at FROM codes_seen GROUP BY tenant
			UNION ALL SELECT tenant, min(hour) FROM traffic_hour WHERE hour >= fromUnixTimestamp64Milli(?) AND hour < fromUnixTimestamp64Milli(?) GROUP BY tenant)
		GROUP BY tenant`
	err := s.Query(ctx, sql, []any{from.UnixMilli(), to.UnixMilli()}, func(scan func(...any) error) error {
		var tenant string
		var at time.Time
		err := scan(&tenant, &at)
		d.began[tenant] = at
		return err
	})
	if err != nil {
		return fmt.Errorf("read since when tenants have had traffic: %w", err)
	}
	return nil
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
		return nil, fmt.Errorf("read since when topics have been read: %w", err)
	}
	return starts, nil
}

// around is the time that has to be read to evaluate a rule at times in (first, to].
type around struct {
	from, first, to time.Time
	windows         []time.Duration
}

func (r *Rule) around(from, to time.Time) around {
	return around{from.Add(-r.lookback()), from, to, r.Condition.windows()}
}

// split reports whether an hour has to be read by the minute, because a window begins or ends in
// it.
func (a around) split(hour time.Time) bool {
	end := hour.Add(time.Hour)
	within := func(from, to time.Time) bool { return end.After(from) && !hour.After(to) }
	return within(a.first, a.to) || slices.ContainsFunc(a.windows, func(w time.Duration) bool { return within(a.first.Add(-w), a.to.Add(-w)) })
}

// minute is what one group counted in one minute, or in an hour in which no window begins or ends.
type minute struct {
	at                      time.Time
	keys                    []string // the values of the columns that were grouped by
	errors, requests, blind uint64
}

// errorsPerMinute counts errors, in the order of time. They may be grouped by Columns. If the
// select looks at what sums do not have, single errors are counted. only is a further condition, ""
// for none.
func (s *stored) errorsPerMinute(ctx context.Context, sel Select, a around, by []string, only string) ([]minute, error) {
	scope := store.Scope{From: a.from, To: a.to}
	if sel.single() {
		where := sel.where(scope.Where("ts"), false)
		return s.perMinute(ctx, "errors", "toStartOfMinute(ts)", "count(), toUInt64(0), toUInt64(0)", narrowed(where, only), by)
	}
	where := sel.where(scope.Where(""), false)
	return s.perMinute(ctx, scope.Rollup("error", a.split), "at", "sum(errors), toUInt64(0), toUInt64(0)", narrowed(where, only), by)
}

func narrowed(where store.Condition, only string) store.Condition {
	if only == "" {
		return where
	}
	return where.And(only)
}

// blindBodies are the states of bodies that could not be seen.
var blindBodies = []accesslog.BodyState{accesslog.Absent, accesslog.Undecodable}

// requestsPerMinute counts requests, in the order of time, as errors those of them that had one or
// more, and as blind those whose body could not be seen. They may be grouped by requestColumns. Of
// the select, only these matter.
func (s *stored) requestsPerMinute(ctx context.Context, sel Select, a around, by []string) ([]minute, error) {
	scope := store.Scope{From: a.from, To: a.to}
	var states []string
	for _, state := range blindBodies {
		states = append(states, "'"+string(state)+"'")
	}
	sums := "sum(errors), sum(requests), sumIf(requests, body_state IN (" + strings.Join(states, ", ") + "))"
	return s.perMinute(ctx, scope.Rollup("traffic", a.split), "at", sums, sel.where(scope.Where(""), true), by)
}

func (s *stored) perMinute(ctx context.Context, from, at, sums string, where store.Condition, by []string) (minutes []minute, err error) {
	group, columns := "minute_", at+" AS minute_, "+sums
	for _, column := range by {
		group += ", " + column
		columns += ", toString(" + column + ")"
	}
	err = s.Query(ctx, "SELECT "+columns+" FROM "+from+" WHERE "+where.SQL+" GROUP BY "+group+" ORDER BY "+group, where.Args, func(scan func(...any) error) error {
		m := minute{keys: make([]string, len(by))}
		into := []any{&m.at, &m.errors, &m.requests, &m.blind}
		for i := range m.keys {
			into = append(into, &m.keys[i])
		}
		err := scan(into...)
		minutes = append(minutes, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count by the minute: %w", err)
	}
	return minutes, nil
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
