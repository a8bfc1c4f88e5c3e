package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"errata/internal/link"
)

// Scope is what a question is about. A reader who may see only some tenants has these in Tenants,
// so every question about tenants' data must take its condition from Where.
type Scope struct {
	From, To time.Time // [From, To); a zero time leaves its side open
	Tenants  []string  // empty: all
	Topics   []string  // empty: all

	lastRollup time.Time // see Resolve; zero: unknown
}

// Condition is a condition of a WHERE clause with the values of its placeholders.
type Condition struct {
	SQL  string
	Args []any
}

// And returns the condition with another one added to it.
func (c Condition) And(sql string, args ...any) Condition {
	return Condition{c.SQL + " AND " + sql, append(c.Args[:len(c.Args):len(c.Args)], args...)}
}

// Where returns the condition that a row of a view lies in the scope. The view has the columns
// tenant and topic if the scope names some, and its time in the given column, "" to leave time out.
func (s Scope) Where(timeColumn string) Condition {
	c := Condition{SQL: "1"}
	if timeColumn != "" && !s.From.IsZero() {
		c = c.And(timeColumn+" >= fromUnixTimestamp64Milli(?)", s.From.UnixMilli())
	}
	if timeColumn != "" && !s.To.IsZero() {
		c = c.And(timeColumn+" < fromUnixTimestamp64Milli(?)", s.To.UnixMilli())
	}
	if len(s.Tenants) > 0 {
		c = c.And("tenant IN (?)", s.Tenants)
	}
	if len(s.Topics) > 0 {
		c = c.And("topic IN (?)", s.Topics)
	}
	return c
}

// Minutes returns the scope cut to whole minutes, which is how rollups count.
func (s Scope) Minutes() Scope {
	s.From, s.To = s.From.Truncate(time.Minute), s.To.Truncate(time.Minute)
	return s
}

// RequestKeys are the columns by which the views of requests can be grouped, ErrorKeys those of the
// views of errors.
var (
	RequestKeys = []string{"tenant", "service", "route"}
	ErrorKeys   = append(slices.Clone(RequestKeys), "family", "kind", "code")
)

// Query runs a query on the views and calls row for each row of the result. row scans its columns
// in order.
func (s *Store) Query(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error {
	return s.explained(s.ask(ctx, sql, args, row))
}

// ask is Query for the store itself. Its errors are ClickHouse's own: TroubleOf judges them by
// their codes, and an ingester that gets link.ErrRefused exits instead of trying again.
func (s *Store) ask(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) (err error) {
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Select runs a query on the views and returns the rows of the result. A column goes into the field
// of R that has its name in the tag `ch`.
func Select[R any](ctx context.Context, s *Store, sql string, args []any) (rows []R, err error) {
	return rows, s.explained(s.conn.Select(ctx, &rows, sql, args...))
}

// explained turns the error of a missing view into a sentence.
func (s *Store) explained(err error) error {
	if isCode(err, codeUnknownTable) {
		return link.Refused("database %q lacks a view that this version reads: run `ingest check --create` of this version once, which updates the schema (%s)", s.database, firstLine(err.Error()))
	}
	return err
}

// Resolve returns the scope with the last day that was rolled up. Rollup needs it to read a short
// window after that day at a quarter of the cost: only the batches' sums, without asking which days
// are rolled up. A scope that was not resolved gives the same counts, and so does one that was
// resolved less than an hour ago, because a day's sums are deleted an hour after its seal at the
// earliest.
func (s *Store) Resolve(ctx context.Context, scope Scope) Scope {
	r := &s.lastRollup
	r.Lock()
	defer r.Unlock()
	// A clock of its own stands still while the machine sleeps, and the clock of the day may be
	// set.
	now := time.Now()
	if age, byDay := now.Sub(r.asked), now.Round(0).Sub(r.asked.Round(0)); r.asked.IsZero() || age > rollupKnownFor || byDay < 0 || byDay > rollupKnownFor {
		var day time.Time
		if err := s.conn.QueryRow(ctx, `SELECT max(day) FROM fold_rows`).Scan(&day); err != nil {
			return scope // readers have the views, and meet the error again
		}
		r.day, r.asked = day, now
	}
	scope.lastRollup = r.day
	return scope
}

// rollupKnownFor is how long a Store remembers the last day that was rolled up.
const rollupKnownFor = time.Minute

// lastRollup is the last day that was rolled up, and when it was asked for.
type lastRollup struct {
	sync.Mutex
	day, asked time.Time
}

// hoursFrom is the least length of a window that is read from hours. In a shorter one, reading the
// hours of one or two whole days saves less than it costs to find out which days are rolled up.
const hoursFrom = 48 * time.Hour

// maxMinuteHours is the number of hours read by minutes above which reading the others from hours
// saves nothing.
const maxMinuteHours = 200

// Rollup returns the table to read the counts of a view pair from, error_minute and error_hour or
// traffic_minute and traffic_hour: the columns of both, with their time as `at`, in [From, To) of
// the scope cut to whole minutes. A long window is read from hours, except for hours that are not
// whole or, if split is given, that it asks to split. The sum of any column is the same in both.
// The scope's tenants and topics are left to Where("").
func (s Scope) Rollup(name string, split func(hour time.Time) bool) string {
	s = s.Minutes()
	literal := func(t time.Time) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }
	span := fmt.Sprintf("WHERE minute >= %s AND minute < %s", literal(s.From), literal(s.To))
	minutes := fmt.Sprintf("SELECT minute AS at, * EXCEPT minute FROM %s_minute %s", name, span)
	switch short := s.To.Sub(s.From) < hoursFrom; {
	case short && !s.lastRollup.IsZero() && dayOf(s.From).After(s.lastRollup):
		return fmt.Sprintf("(SELECT minute AS at, * EXCEPT (minute, late) FROM %s_minute_by_batch %s)", name, span)
	case short:
		return "(" + minutes + ")"
	}
	first := s.From.Truncate(time.Hour)
	var byMinute []string
	for h := first; h.Before(s.To); h = h.Add(time.Hour) {
		if h.Before(s.From) || h.Add(time.Hour).After(s.To) || split != nil && split(h) {
			byMinute = append(byMinute, strconv.FormatInt(h.Unix(), 10))
		}
	}
	if len(byMinute) > maxMinuteHours {
		return "(" + minutes + ")"
	}
	hours := fmt.Sprintf("SELECT hour AS at, * EXCEPT hour FROM %s_hour WHERE hour >= %s AND hour < %s", name, literal(first), literal(s.To))
	if len(byMinute) == 0 {
		return "(" + hours + ")"
	}
	list := strings.Join(byMinute, ", ")
	return "(" + hours + " AND toUnixTimestamp(hour) NOT IN (" + list + ") UNION ALL " + minutes + " AND toUnixTimestamp(toStartOfHour(minute)) IN (" + list + "))"
}
