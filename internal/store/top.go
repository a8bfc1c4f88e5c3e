package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
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
var TopColumns = []string{"tenant", "service", "route", "family", "kind", "code"}

// TopRow is one group. What it is not grouped by is "", or where all its errors agree on it, that.
type TopRow struct {
	Tenant, Service, Route, Family, Kind, Code string

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
	filter, args := q.filter("minute")
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
	sql := fmt.Sprintf(`
		WITH
			e AS (
				SELECT %s, %s AS place, any(dialect) AS dialect_, sum(errors) AS errors_, min(first_seen) AS first_, max(last_seen) AS last_
				FROM error_minute WHERE %s GROUP BY %s ORDER BY errors_ DESC, %s LIMIT %d
			),
			r AS (SELECT %s AS place, sum(requests) AS requests_ FROM traffic_minute WHERE %s GROUP BY place)
		SELECT tenant_, service_, route_, family_, kind_, code_, dialect_, errors_, requests_, first_, last_
		FROM e LEFT JOIN r ON e.place = r.place
		ORDER BY errors_ DESC, tenant_, service_, route_, family_, kind_, code_`,
		strings.Join(columns, ", "), on, filter, strings.Join(q.By, ", "), strings.Join(q.By, ", "), q.Limit, on, filter)
	rows, err := s.conn.Query(ctx, sql, append(slices.Clone(args), args...)...)
	if err != nil {
		return nil, fmt.Errorf("ask for the top errors: %w", err)
	}
	var top []TopRow
	for rows.Next() {
		var r TopRow
		if err := rows.Scan(&r.Tenant, &r.Service, &r.Route, &r.Family, &r.Kind, &r.Code, &r.Dialect, &r.Errors, &r.Requests, &r.FirstSeen, &r.LastSeen); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		top = append(top, r)
	}
	return top, errors.Join(rows.Err(), rows.Close())
}

// Totals counts the requests and errors of a window, and the dead letters that Kafka stamped in it.
func (s *Store) Totals(ctx context.Context, q TopQuery) (t Totals, err error) {
	filter, args := q.filter("minute")
	err = s.conn.QueryRow(ctx, "SELECT sum(requests), sum(errors) FROM traffic_minute WHERE "+filter, args...).Scan(&t.Requests, &t.ErrorRequests)
	if err == nil {
		err = s.conn.QueryRow(ctx, "SELECT sum(errors) FROM error_minute WHERE "+filter, args...).Scan(&t.Errors)
	}
	if err == nil {
		q.Tenants = nil // a record that nobody could read has no tenant
		filter, args = q.filter("ts")
		err = s.conn.QueryRow(ctx, "SELECT count() FROM dead_letters WHERE "+filter, args...).Scan(&t.DeadLetters)
	}
	if err != nil {
		return t, fmt.Errorf("count the requests: %w", err)
	}
	return t, nil
}

// filter is the query's condition on a table whose time column is named.
func (q TopQuery) filter(column string) (string, []any) {
	sql := column + " >= fromUnixTimestamp64Milli(?) AND " + column + " < fromUnixTimestamp64Milli(?)"
	args := []any{q.From.Truncate(time.Minute).UnixMilli(), q.To.Truncate(time.Minute).UnixMilli()}
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

// Hit is how often a tenant met a code.
type Hit struct {
	Tenant    string
	Errors    uint64
	FirstSeen time.Time // ever
	LastSeen  time.Time
}

// folded is enrich.Fold in SQL.
const folded = `replaceRegexpAll(upper(code), '[_/: -]', '.')`

// WhoHits gives the tenants that met a code since a time, most errors first, and since when each has ever met it.
// Spellings that differ in case and separators alone are one code: fold is the code as enrich.Fold makes it.
func (s *Store) WhoHits(ctx context.Context, fold string, since time.Time, limit int) ([]Hit, error) {
	rows, err := s.conn.Query(ctx, `
		SELECT tenant, errors_, first_, last_
		FROM (SELECT tenant, sum(errors) AS errors_ FROM error_minute WHERE `+folded+` = ? AND minute >= fromUnixTimestamp64Milli(?) GROUP BY tenant) AS e
		LEFT JOIN (SELECT tenant, min(first_seen) AS first_, max(last_seen) AS last_ FROM codes_seen WHERE `+folded+` = ? GROUP BY tenant) AS c USING (tenant)
		ORDER BY errors_ DESC, tenant LIMIT ?`, fold, since.Truncate(time.Minute).UnixMilli(), fold, limit)
	if err != nil {
		return nil, fmt.Errorf("ask who hits %s: %w", fold, err)
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

// History gives the errors under a code, folded as by enrich.Fold, in each of equal parts of a window.
func (s *Store) History(ctx context.Context, fold string, from, to time.Time, parts int) (history []uint64, err error) {
	from, to = from.Truncate(time.Minute), to.Truncate(time.Minute).Add(time.Minute)
	length := max(to.Sub(from).Milliseconds()/int64(parts), 1)
	rows, err := s.conn.Query(ctx, `
		SELECT toUInt32(least(intDiv(toUnixTimestamp64Milli(minute) - ?, ?), ?)) AS part, sum(errors)
		FROM error_minute WHERE `+folded+` = ? AND minute >= fromUnixTimestamp64Milli(?) AND minute < fromUnixTimestamp64Milli(?) GROUP BY part`,
		from.UnixMilli(), length, parts-1, fold, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("ask for the history of %s: %w", fold, err)
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
