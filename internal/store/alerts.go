package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"errata/internal/link"
)

// AlertSelect picks errors. A field that is empty leaves all of them in.
type AlertSelect struct {
	Tenants, Services, Codes []string // globs of path.Match
	Families, Kinds          []string
	Known                    *bool
	Equal                    map[string]string // of TopColumns: what the column is
}

// RequestColumns are those of TopColumns that requests have too.
var RequestColumns = []string{"tenant", "service", "route"}

// errorsIn is the select's condition on errors whose time is in the column, without Known, which not every name has.
func (a AlertSelect) errorsIn(column string, from, to time.Time) (string, []any) {
	sql, args := a.requestsIn(column, from, to)
	and := func(condition string, value any) { sql, args = sql+" AND "+condition, append(args, value) }
	if len(a.Codes) > 0 {
		and(like("code", a.Codes))
	}
	if len(a.Families) > 0 {
		and("family IN (?)", a.Families)
	}
	if len(a.Kinds) > 0 {
		and("kind IN (?)", a.Kinds)
	}
	for _, column := range TopColumns {
		if value, ok := a.Equal[column]; ok && !slices.Contains(RequestColumns, column) {
			and(column+" = ?", value)
		}
	}
	return sql, args
}

// requestsIn is the part of the condition that applies to requests.
func (a AlertSelect) requestsIn(column string, from, to time.Time) (string, []any) {
	sql := column + " >= fromUnixTimestamp64Milli(?) AND " + column + " < fromUnixTimestamp64Milli(?)"
	args := []any{from.UnixMilli(), to.UnixMilli()}
	and := func(condition string, value any) { sql, args = sql+" AND "+condition, append(args, value) }
	if len(a.Tenants) > 0 {
		and(like("tenant", a.Tenants))
	}
	if len(a.Services) > 0 {
		and(like("service", a.Services))
	}
	for _, column := range RequestColumns {
		if value, ok := a.Equal[column]; ok {
			and(column+" = ?", value)
		}
	}
	return sql, args
}

// like is the condition that a column matches one of the globs, and its argument.
func like(column string, globs []string) (string, any) {
	if !strings.ContainsAny(strings.Join(globs, ""), `*?[\`) {
		return column + " IN (?)", globs
	}
	all := make([]string, len(globs))
	for i, g := range globs {
		all[i] = pattern(g)
	}
	return "match(" + column + ", ?)", "^(?s:" + strings.Join(all, "|") + ")$"
}

// pattern is the regular expression of a valid glob of path.Match.
func pattern(glob string) string {
	var re strings.Builder
	class := false
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '\\' && i+1 < len(glob):
			i++
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		case class:
			class = c != ']'
			if c == '[' || c == '&' || c == '~' {
				re.WriteByte('\\')
			}
			re.WriteByte(c)
		case c == '[':
			class = true
			re.WriteByte(c)
			if i+1 < len(glob) && glob[i+1] == '^' {
				re.WriteByte('^')
				i++
			}
		case c == '*':
			re.WriteString("[^/]*")
		case c == '?':
			re.WriteString("[^/]")
		default:
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	return re.String()
}

// MinuteSum is what one group counted in one minute.
type MinuteSum struct {
	Minute           time.Time
	Keys             []string // the values of the columns that were grouped by
	Errors, Requests uint64
}

// ErrorsPerMinute counts errors in [from, to), in the order of minutes. They may be grouped by
// TopColumns and by dialect; Requests stays 0. Known is the caller's to look at.
func (s *Store) ErrorsPerMinute(ctx context.Context, a AlertSelect, from, to time.Time, by []string) ([]MinuteSum, error) {
	condition, args := a.errorsIn("minute", from, to)
	return s.perMinute(ctx, "SELECT minute, sum(errors), toUInt64(0)", "error_minute", condition, args, by)
}

// RequestsPerMinute counts requests in [from, to), in the order of minutes; Errors are those of them that
// had one or more. They may be grouped by tenant, service and route; of the select, only these matter.
func (s *Store) RequestsPerMinute(ctx context.Context, a AlertSelect, from, to time.Time, by []string) ([]MinuteSum, error) {
	condition, args := a.requestsIn("minute", from, to)
	return s.perMinute(ctx, "SELECT minute, sum(errors), sum(requests)", "traffic_minute", condition, args, by)
}

func (s *Store) perMinute(ctx context.Context, what, table, condition string, args []any, by []string) (sums []MinuteSum, err error) {
	group := strings.Join(append([]string{"minute"}, by...), ", ")
	for _, column := range by {
		what += ", toString(" + column + ")"
	}
	rows, err := s.conn.Query(ctx, what+" FROM "+table+" WHERE "+condition+" GROUP BY "+group+" ORDER BY "+group, args...)
	if err != nil {
		return nil, fmt.Errorf("count the minutes of %s: %w", table, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		sum := MinuteSum{Keys: make([]string, len(by))}
		into := []any{&sum.Minute, &sum.Errors, &sum.Requests}
		for i := range sum.Keys {
			into = append(into, &sum.Keys[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		sums = append(sums, sum)
	}
	return sums, rows.Err()
}

// AlertCode is a code that errors of a window had, with the latest of them.
type AlertCode struct {
	Code    string
	Errors  uint64
	Dialect string
	Service string
	Status  int
	Message string
}

// AlertCodes gives the most frequent codes of [from, to), most first.
func (s *Store) AlertCodes(ctx context.Context, a AlertSelect, from, to time.Time, limit int) (codes []AlertCode, err error) {
	condition, args := a.rawIn(from, to)
	rows, err := s.conn.Query(ctx, `
		SELECT code, count() AS n, toString(argMax(dialect, at)), toString(argMax(service, at)), argMax(status, at), argMax(message, at)
		FROM (SELECT code, dialect, service, status, message, (ts, topic, partition, offset, `+"`index`"+`, envelope) AS at FROM errors WHERE `+condition+`)
		GROUP BY code ORDER BY n DESC, code LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("ask for the codes behind an alert: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c AlertCode
		var status uint16
		if err := rows.Scan(&c.Code, &c.Errors, &c.Dialect, &c.Service, &status, &c.Message); err != nil {
			return nil, err
		}
		c.Status = int(status)
		codes = append(codes, c)
	}
	return codes, rows.Err()
}

// AlertRequests gives the ids of the latest requests of [from, to) that met the errors, latest first.
func (s *Store) AlertRequests(ctx context.Context, a AlertSelect, from, to time.Time, limit int) (ids []string, err error) {
	condition, args := a.rawIn(from, to)
	rows, err := s.conn.Query(ctx, "SELECT request_id FROM errors WHERE "+condition+" AND request_id != '' ORDER BY ts DESC, request_id LIMIT 1 BY request_id LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("ask for the requests behind an alert: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// rawIn is the whole condition, on the view errors.
func (a AlertSelect) rawIn(from, to time.Time) (string, []any) {
	condition, args := a.errorsIn("ts", from, to)
	if a.Known != nil {
		condition, args = condition+" AND known = ?", append(args, *a.Known)
	}
	return condition, args
}

// DataWatermark is the time before which the data of every partition is in. A partition that has
// batches and no watermark yet is named in missing; with one of those, or without any partition, nothing is known.
// Partitions that nobody reads any more (RetireTopics) hold nothing back.
func (s *Store) DataWatermark(ctx context.Context) (watermark time.Time, missing string, err error) {
	// batch_rows and not batches: which epoch counts does not matter here, and the table is long.
	var partitions uint64
	err = s.conn.QueryRow(ctx, `
		SELECT count(), min(watermark),
			(SELECT arrayStringConcat(arraySort(groupUniqArray(concat(topic, '/', toString(partition)))), ', ') FROM batch_rows
			 WHERE (topic, partition) NOT IN (SELECT topic, partition FROM watermark_rows))
		FROM watermarks`).Scan(&partitions, &watermark, &missing)
	switch {
	case err != nil:
		return time.Time{}, "", fmt.Errorf("read the watermarks: %w", err)
	case partitions == 0 || missing != "":
		return time.Time{}, missing, nil
	}
	return watermark, "", nil
}

// AlertTransition is one row of alerts. The same transition may be written any number of times.
type AlertTransition struct {
	At          time.Time
	Rule        string
	Fingerprint string // of the rule and the group's keys
	Labels      map[string]string
	From, To    string // inactive, pending, firing, resolved
	Reason      string
	Value       float64
	Threshold   float64
}

// AlertState is where a group of a rule stands, or, without a fingerprint, up to when the rule has been evaluated.
type AlertState struct {
	Rule        string
	Fingerprint string
	Labels      map[string]string
	State       string    // inactive, pending, firing
	Since       time.Time // of pending or firing
	LowSince    time.Time // zero: a firing alert's value is not low
	Notice      string
	Evaluated   time.Time
}

// Delivery is a message on its way to a target. Target, Source, Fingerprint, At and Event are its identity.
type Delivery struct {
	Target      string
	Source      string // what the message is about, such as the rule of an alert
	Fingerprint string // which alert of the source
	At          time.Time
	Event       string // what happened then, such as "firing"
	Body        string
	Outcome     string    // Queued, or what became of it
	Written     time.Time // by the wall clock
}

// The outcomes of a delivery.
const (
	Queued  = "queued"
	Sent    = "sent"
	Refused = "refused" // by the target, which will never take this body
	Expired = "expired" // too old to be of use
)

// RecordAlerts writes the outcome of an evaluation: the transitions, the notifications that go out for
// them, and last the states, which end it. After an error the evaluation is made again from the states as they were.
func (s *Store) RecordAlerts(ctx context.Context, transitions []AlertTransition, deliveries []Delivery, states []AlertState) error {
	return firstError(
		func() error { return transitionTable.insert(ctx, s, alone(transitions)) },
		func() error { return s.RecordDeliveries(ctx, deliveries) },
		func() error { return stateTable.insert(ctx, s, alone(states)) },
	)
}

// RecordDeliveries queues notifications, or says what became of them. What is settled stays so.
func (s *Store) RecordDeliveries(ctx context.Context, deliveries []Delivery) error {
	return deliveryTable.insert(ctx, s, alone(deliveries))
}

// alone makes rows that belong to no batch.
func alone[R any](rows []R) []of[R] {
	all := make([]of[R], len(rows))
	for i := range rows {
		all[i].row = &rows[i]
	}
	return all
}

var transitionTable = table[AlertTransition]{
	name: "alert_rows",
	columns: []column[AlertTransition]{
		col("ts", func(_ *Batch, r *AlertTransition) time.Time { return r.At }),
		col("rule", func(_ *Batch, r *AlertTransition) string { return r.Rule }),
		col("fingerprint", func(_ *Batch, r *AlertTransition) string { return r.Fingerprint }),
		col("labels", func(_ *Batch, r *AlertTransition) map[string]string { return r.Labels }),
		col("from", func(_ *Batch, r *AlertTransition) string { return r.From }),
		col("to", func(_ *Batch, r *AlertTransition) string { return r.To }),
		col("reason", func(_ *Batch, r *AlertTransition) string { return r.Reason }),
		col("value", func(_ *Batch, r *AlertTransition) float64 { return r.Value }),
		col("threshold", func(_ *Batch, r *AlertTransition) float64 { return r.Threshold }),
	},
}

var stateTable = table[AlertState]{
	name: "alert_state_rows",
	columns: []column[AlertState]{
		col("rule", func(_ *Batch, r *AlertState) string { return r.Rule }),
		col("fingerprint", func(_ *Batch, r *AlertState) string { return r.Fingerprint }),
		col("labels", func(_ *Batch, r *AlertState) map[string]string { return r.Labels }),
		col("state", func(_ *Batch, r *AlertState) string { return r.State }),
		col("since", func(_ *Batch, r *AlertState) time.Time { return orEpoch(r.Since) }),
		col("low_since", func(_ *Batch, r *AlertState) time.Time { return orEpoch(r.LowSince) }),
		col("notice", func(_ *Batch, r *AlertState) string { return r.Notice }),
		col("evaluated", func(_ *Batch, r *AlertState) time.Time { return r.Evaluated }),
	},
}

var deliveryTable = table[Delivery]{
	name: "alert_delivery_rows",
	columns: []column[Delivery]{
		col("target", func(_ *Batch, r *Delivery) string { return r.Target }),
		col("rule", func(_ *Batch, r *Delivery) string { return r.Source }),
		col("fingerprint", func(_ *Batch, r *Delivery) string { return r.Fingerprint }),
		col("ts", func(_ *Batch, r *Delivery) time.Time { return r.At }),
		col("to", func(_ *Batch, r *Delivery) string { return r.Event }),
		col("body", func(_ *Batch, r *Delivery) string { return r.Body }),
		col("outcome", func(_ *Batch, r *Delivery) string { return r.Outcome }),
		col("settled", func(_ *Batch, r *Delivery) uint8 {
			if r.Outcome == Queued {
				return 0
			}
			return 1
		}),
		col("at", func(_ *Batch, r *Delivery) time.Time { return r.Written }),
	},
}

// AlertStates gives where all rules and their groups stand, but for the groups that are inactive.
func (s *Store) AlertStates(ctx context.Context) (states []AlertState, err error) {
	rows, err := s.conn.Query(ctx, `SELECT rule, fingerprint, labels, state, since, low_since, notice, evaluated FROM alert_states
		WHERE fingerprint = '' OR state != 'inactive' ORDER BY rule, fingerprint`)
	if isCode(err, codeUnknownTable) {
		return nil, link.Refused("database %q has no tables for the states of alerts yet: start this version's `ingest run` once, which makes them", s.database)
	}
	if err != nil {
		return nil, fmt.Errorf("read the states of the alerts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r AlertState
		if err := rows.Scan(&r.Rule, &r.Fingerprint, &r.Labels, &r.State, &r.Since, &r.LowSince, &r.Notice, &r.Evaluated); err != nil {
			return nil, err
		}
		r.Since, r.LowSince = orZero(r.Since), orZero(r.LowSince)
		states = append(states, r)
	}
	return states, rows.Err()
}

// orZero undoes orEpoch.
func orZero(t time.Time) time.Time {
	if t.Unix() == 0 {
		return time.Time{}
	}
	return t
}

// QueuedDeliveries gives what has still to go to a target, in the order of transitions.
func (s *Store) QueuedDeliveries(ctx context.Context, target string, limit int) (deliveries []Delivery, err error) {
	rows, err := s.conn.Query(ctx, "SELECT target, rule, fingerprint, ts, `to`, body, outcome, at FROM alert_deliveries "+
		"WHERE target = ? AND outcome = ? ORDER BY ts, rule, fingerprint, `to` LIMIT ?", target, Queued, limit)
	if err != nil {
		return nil, fmt.Errorf("read the notifications that wait: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r Delivery
		if err := rows.Scan(&r.Target, &r.Source, &r.Fingerprint, &r.At, &r.Event, &r.Body, &r.Outcome, &r.Written); err != nil {
			return nil, err
		}
		deliveries = append(deliveries, r)
	}
	return deliveries, rows.Err()
}
