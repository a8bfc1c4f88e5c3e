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

// hoursFrom is the least length of a window that is read from days and hours. In a shorter one,
// reading those of one or two whole days saves less than it costs to find out which days are rolled
// up.
const hoursFrom = 48 * time.Hour

// maxMinuteHours is the number of hours read by minutes above which reading the others from hours
// saves nothing.
const maxMinuteHours = 200

// Rollup returns the table to read the counts of errors or of requests from, by the name "error" or
// "traffic": the columns of the views of minutes, hours and days, with their time as `at`, in
// [From, To) of the scope cut to whole minutes. A long window is read from whole days, and the rest
// of it from whole hours, apart from days and hours that are split: split reports whether the
// question tells apart times within [from, to). nil splits none. The sum of any column is the same
// whatever it is read from. The scope's tenants and topics are left to Where("").
func (s Scope) Rollup(name string, split func(from, to time.Time) bool) string {
	s = s.Minutes()
	literal := func(t time.Time) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }
	within := func(column string, from time.Time) string {
		return fmt.Sprintf("%[1]s >= %[2]s AND %[1]s < %[3]s", column, literal(from), literal(s.To))
	}
	minutes := fmt.Sprintf("SELECT minute AS at, * EXCEPT minute FROM %s_minute WHERE %s", name, within("minute", s.From))
	switch short := s.To.Sub(s.From) < hoursFrom; {
	case short && !s.lastRollup.IsZero() && dayOf(s.From).After(s.lastRollup):
		return fmt.Sprintf("(SELECT minute AS at, * EXCEPT (minute, late) FROM %s_minute_by_batch WHERE %s)", name, within("minute", s.From))
	case short:
		return "(" + minutes + ")"
	}
	by := s.pieces(split)
	if len(by.minute) > maxMinuteHours {
		return "(" + minutes + ")"
	}
	var parts []string
	if len(by.day) > 0 {
		parts = append(parts, fmt.Sprintf("SELECT toDateTime64(day, 3, 'UTC') AS at, * EXCEPT day FROM %s_day WHERE day IN (%s)", name, days(by.day)))
	}
	if len(by.hour) > 0 {
		parts = append(parts, fmt.Sprintf("SELECT hour AS at, * EXCEPT hour FROM %s_hour WHERE %s AND toDate(hour) IN (%s)", name, within("hour", s.From.Truncate(time.Hour)), days(by.hour)))
		if len(by.minute) > 0 {
			parts[len(parts)-1] += " AND toUnixTimestamp(hour) NOT IN (" + seconds(by.minute) + ")"
		}
	}
	if len(by.minute) > 0 {
		parts = append(parts, minutes+" AND toUnixTimestamp(toStartOfHour(minute)) IN ("+seconds(by.minute)+")")
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")"
}

// pieces are what a window is read from: whole days, days of which whole hours are read, and hours
// that are read by the minute.
type pieces struct{ day, hour, minute []time.Time }

// pieces cuts the window.
func (s Scope) pieces(split func(from, to time.Time) bool) (p pieces) {
	whole := func(from time.Time, length time.Duration) bool {
		to := from.Add(length)
		return !from.Before(s.From) && !to.After(s.To) && (split == nil || !split(from, to))
	}
	for day := dayOf(s.From); day.Before(s.To); day = day.AddDate(0, 0, 1) {
		if whole(day, 24*time.Hour) {
			p.day = append(p.day, day)
			continue
		}
		byHour := false
		for hour := range 24 {
			switch from := day.Add(time.Duration(hour) * time.Hour); {
			case whole(from, time.Hour):
				byHour = true
			case from.Add(time.Hour).After(s.From) && from.Before(s.To):
				p.minute = append(p.minute, from)
			}
		}
		if byHour {
			p.hour = append(p.hour, day)
		}
	}
	return p
}

// days is a list of days in SQL.
func days(list []time.Time) string {
	texts := make([]string, len(list))
	for i, day := range list {
		texts[i] = "'" + day.Format(time.DateOnly) + "'"
	}
	return strings.Join(texts, ", ")
}

// seconds is a list of times in SQL, in Unix seconds.
func seconds(list []time.Time) string {
	texts := make([]string, len(list))
	for i, at := range list {
		texts[i] = strconv.FormatInt(at.Unix(), 10)
	}
	return strings.Join(texts, ", ")
}
