package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"errata/internal/link"
)

// TopQuery asks for the most frequent errors of a window.
type TopQuery struct {
	From, To time.Time // [From, To), cut to whole minutes
	By       []string  // of TopColumns; what rows are grouped by
	Tenants  []string  // empty: all
	Topics   []string  // empty: all
	Limit    int
}

// TopColumns are what errors can be grouped by.
var TopColumns = []string{"tenant", "service", "route", "family", "kind", "code", "template"}

// TopRow is one group. What it is not grouped by is "", or where all its errors agree on it, that.
type TopRow struct {
	Tenant, Service, Route, Family, Kind, Code, Template string

	Dialect   string // of one of the errors
	Errors    uint64
	Requests  uint64 // of the same tenant, service and route, as far as rows are grouped by these
	FirstSeen time.Time
	LastSeen  time.Time
}

// Totals are the counts of a window.
type Totals struct{ Requests, ErrorRequests, Errors, DeadLetters uint64 }

// Top gives the groups with the most errors, most first.
func (s *Store) Top(ctx context.Context, q TopQuery) ([]TopRow, error) {
	filter, args := q.places()
	of := func(column string) string {
		switch {
		case slices.Contains(q.By, column):
			return column
		case column == "family" || column == "kind": // follow from the code wherever they can
			return fmt.Sprintf("if(uniq(%[1]s) = 1, any(%[1]s), '')", column)
		}
		return "''"
	}
	var shared []string // the columns that requests have too
	for _, c := range q.By {
		if slices.Contains([]string{"tenant", "service", "route"}, c) {
			shared = append(shared, c)
		}
	}
	columns := make([]string, len(TopColumns))
	for i, c := range TopColumns {
		columns[i] = of(c) + " AS " + c + "_"
	}
	on := "1"
	if len(shared) > 0 {
		on = "(" + strings.Join(shared, ", ") + ")"
	}
	from := Scope{From: q.From, To: q.To}.Rollup("error", nil)
	if slices.Contains(q.By, "template") { // which no sum knows
		from = events(q.From, q.To)
	}
	sql := fmt.Sprintf(`
		WITH
			e AS (
				SELECT %s, %s AS place, min(dialect) AS dialect_, sum(errors) AS errors_, min(first_seen) AS first_, max(last_seen) AS last_
				FROM %s WHERE %s GROUP BY %s ORDER BY errors_ DESC, %s LIMIT %d
			),
			r AS (SELECT %s AS place, sum(requests) AS requests_ FROM %s WHERE %s GROUP BY place)
		SELECT tenant_, service_, route_, family_, kind_, code_, template_, dialect_, errors_, requests_, first_, last_
		FROM e LEFT JOIN r ON e.place = r.place
		ORDER BY errors_ DESC, tenant_, service_, route_, family_, kind_, code_, template_`,
		strings.Join(columns, ", "), on, from, filter, strings.Join(q.By, ", "), strings.Join(q.By, ", "), q.Limit, on, Scope{From: q.From, To: q.To}.Rollup("traffic", nil), filter)
	rows, err := s.conn.Query(ctx, sql, append(slices.Clone(args), args...)...)
	if err != nil {
		return nil, fmt.Errorf("ask for the top errors: %w", s.withoutHours(err))
	}
	var top []TopRow
	for rows.Next() {
		var r TopRow
		if err := rows.Scan(&r.Tenant, &r.Service, &r.Route, &r.Family, &r.Kind, &r.Code, &r.Template, &r.Dialect, &r.Errors, &r.Requests, &r.FirstSeen, &r.LastSeen); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		top = append(top, r)
	}
	return top, errors.Join(rows.Err(), rows.Close())
}

// events are the errors of a window one by one, with the columns of their sums and the template.
func events(from, to time.Time) string {
	return fmt.Sprintf(`(SELECT tenant, service, route, family, kind, code, template, dialect, topic, 1 AS errors, ts AS first_seen, ts AS last_seen
		FROM errors WHERE ts >= fromUnixTimestamp64Milli(%d) AND ts < fromUnixTimestamp64Milli(%d))`, from.Truncate(time.Minute).UnixMilli(), to.Truncate(time.Minute).UnixMilli())
}

// Totals counts the requests and errors of a window, and the dead letters that Kafka stamped in it.
func (s *Store) Totals(ctx context.Context, q TopQuery) (t Totals, err error) {
	filter, args := q.places()
	err = s.conn.QueryRow(ctx, "SELECT sum(requests), sum(errors) FROM "+Scope{From: q.From, To: q.To}.Rollup("traffic", nil)+" WHERE "+filter, args...).Scan(&t.Requests, &t.ErrorRequests)
	if err == nil {
		err = s.conn.QueryRow(ctx, "SELECT sum(errors) FROM "+Scope{From: q.From, To: q.To}.Rollup("error", nil)+" WHERE "+filter, args...).Scan(&t.Errors)
	}
	if err == nil {
		q.Tenants = nil // a record that nobody could read has no tenant
		filter, args = q.places()
		err = s.conn.QueryRow(ctx, "SELECT count() FROM dead_letters WHERE "+filter+" AND ts >= fromUnixTimestamp64Milli(?) AND ts < fromUnixTimestamp64Milli(?)",
			append(args, q.From.Truncate(time.Minute).UnixMilli(), q.To.Truncate(time.Minute).UnixMilli())...).Scan(&t.DeadLetters)
	}
	if err != nil {
		return t, fmt.Errorf("count the requests: %w", s.withoutHours(err))
	}
	return t, nil
}

// places is the query's condition but for the time.
func (q TopQuery) places() (string, []any) {
	sql, args := "1", []any(nil)
	if len(q.Tenants) > 0 {
		sql += " AND tenant IN (?)"
		args = append(args, q.Tenants)
	}
	if len(q.Topics) > 0 {
		sql += " AND topic IN (?)"
		args = append(args, q.Topics)
	}
	return sql, args
}

// withoutHours says in a sentence that the tables of hours are not there.
func (s *Store) withoutHours(err error) error {
	if isCode(err, codeUnknownTable) {
		return link.Refused("database %q has no tables of hours yet: start this version's `ingest run` once, which makes them", s.database)
	}
	return err
}

// Hit is how often a tenant met a code.
type Hit struct {
	Tenant    string
	Errors    uint64
	FirstSeen time.Time // ever
	LastSeen  time.Time
}

// folded is catalog.Fold in SQL.
const folded = `replaceRegexpAll(upper(code), '[_/: -]', '.')`

// WhoHits gives the tenants that met a code since a time, most errors first, and since when each has ever met it.
// Spellings that differ in case and separators alone are one code: fold is the code as catalog.Fold makes it.
func (s *Store) WhoHits(ctx context.Context, fold string, since time.Time, limit int) ([]Hit, error) {
	// Nothing is dated more than a day ahead.
	rows, err := s.conn.Query(ctx, `
		SELECT tenant, errors_, first_, last_
		FROM (SELECT tenant, sum(errors) AS errors_ FROM `+Scope{From: since, To: time.Now().AddDate(0, 0, 2)}.Rollup("error", nil)+` WHERE `+folded+` = ? GROUP BY tenant) AS e
		LEFT JOIN (SELECT tenant, min(first_seen) AS first_, max(last_seen) AS last_ FROM codes_seen WHERE `+folded+` = ? GROUP BY tenant) AS c USING (tenant)
		ORDER BY errors_ DESC, tenant LIMIT ?`, fold, fold, limit)
	if err != nil {
		return nil, fmt.Errorf("ask who hits %s: %w", fold, s.withoutHours(err))
	}
	var hits []Hit
	for rows.Next() {
		var h Hit
		if err := rows.Scan(&h.Tenant, &h.Errors, &h.FirstSeen, &h.LastSeen); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		hits = append(hits, h)
	}
	return hits, errors.Join(rows.Err(), rows.Close())
}

// History gives the errors under a code, folded as by catalog.Fold, in each of equal parts of a window.
func (s *Store) History(ctx context.Context, fold string, from, to time.Time, parts int) (history []uint64, err error) {
	from, to = from.Truncate(time.Minute), to.Truncate(time.Minute).Add(time.Minute)
	length := max(to.Sub(from).Milliseconds()/int64(parts), 1)
	part := func(minute time.Time) int64 { return minute.Sub(from).Milliseconds() / length }
	split := func(hour time.Time) bool { return part(hour) != part(hour.Add(59*time.Minute)) }
	rows, err := s.conn.Query(ctx, `
		SELECT toUInt32(least(intDiv(toUnixTimestamp64Milli(at) - ?, ?), ?)) AS part, sum(errors)
		FROM `+Scope{From: from, To: to}.Rollup("error", split)+` WHERE `+folded+` = ? GROUP BY part`,
		from.UnixMilli(), length, parts-1, fold)
	if err != nil {
		return nil, fmt.Errorf("ask for the history of %s: %w", fold, s.withoutHours(err))
	}
	history = make([]uint64, parts)
	for rows.Next() {
		var part uint32
		var n uint64
		if err := rows.Scan(&part, &n); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		history[part] = n
	}
	return history, errors.Join(rows.Err(), rows.Close())
}
