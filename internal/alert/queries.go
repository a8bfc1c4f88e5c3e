package alert

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"errata/internal/store"
)

// Columns are what a rule can group by.
var Columns = store.ErrorKeys

// Select picks errors. An empty field leaves all of them in.
type Select struct {
	Codes, Tenants, Services []string // globs of path.Match
	Families, Kinds          []string
	Known                    *bool
	Equal                    map[string]string // of Columns: the value that the column has
}

// errors adds the conditions on errors, except for Known, which only the view errors has.
func (s Select) errors(where store.Condition) store.Condition {
	where = s.requests(where)
	if len(s.Codes) > 0 {
		where = matching(where, "code", s.Codes)
	}
	if len(s.Families) > 0 {
		where = where.And("family IN (?)", s.Families)
	}
	if len(s.Kinds) > 0 {
		where = where.And("kind IN (?)", s.Kinds)
	}
	return s.equal(where, Columns[len(store.RequestKeys):])
}

// requests adds those conditions that apply to requests too.
func (s Select) requests(where store.Condition) store.Condition {
	if len(s.Tenants) > 0 {
		where = matching(where, "tenant", s.Tenants)
	}
	if len(s.Services) > 0 {
		where = matching(where, "service", s.Services)
	}
	return s.equal(where, store.RequestKeys)
}

func (s Select) equal(where store.Condition, columns []string) store.Condition {
	for _, column := range columns {
		if value, ok := s.Equal[column]; ok {
			where = where.And(column+" = ?", value)
		}
	}
	return where
}

// each adds all conditions on the view errors.
func (s Select) each(where store.Condition) store.Condition {
	where = s.errors(where)
	if s.Known != nil {
		where = where.And("known = ?", *s.Known)
	}
	return where
}

// matching adds the condition that a column matches one of the globs.
func matching(where store.Condition, column string, globs []string) store.Condition {
	if !strings.ContainsAny(strings.Join(globs, ""), `*?[\`) {
		return where.And(column+" IN (?)", globs)
	}
	all := make([]string, len(globs))
	for i, g := range globs {
		all[i] = pattern(g)
	}
	return where.And("match("+column+", ?)", "^(?s:"+strings.Join(all, "|")+")$")
}

// pattern returns the regular expression of a valid glob of path.Match.
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

// minute is what one group counted in one minute.
type minute struct {
	at               time.Time
	keys             []string // the values of the columns that were grouped by
	errors, requests uint64
}

// errorsPerMinute counts errors in [from, to), in the order of minutes. They may be grouped by
// Columns and by dialect. It does not look at Known.
func errorsPerMinute(ctx context.Context, s *store.Store, sel Select, from, to time.Time, by []string) ([]minute, error) {
	return perMinute(ctx, s, "error_minute", "sum(errors), toUInt64(0)", sel.errors(within(from, to, "minute")), by)
}

// requestsPerMinute counts requests in [from, to), in the order of minutes, and as errors those of
// them that had one or more. They may be grouped by store.RequestKeys. Of the select, only these
// and their globs matter.
func requestsPerMinute(ctx context.Context, s *store.Store, sel Select, from, to time.Time, by []string) ([]minute, error) {
	return perMinute(ctx, s, "traffic_minute", "sum(errors), sum(requests)", sel.requests(within(from, to, "minute")), by)
}

func within(from, to time.Time, timeColumn string) store.Condition {
	return store.Scope{From: from, To: to}.Where(timeColumn)
}

func perMinute(ctx context.Context, s *store.Store, view, sums string, where store.Condition, by []string) (minutes []minute, err error) {
	group, columns := "minute", "minute, "+sums
	for _, column := range by {
		group += ", " + column
		columns += ", toString(" + column + ")"
	}
	err = s.Query(ctx, "SELECT "+columns+" FROM "+view+" WHERE "+where.SQL+" GROUP BY "+group+" ORDER BY "+group, where.Args, func(scan func(...any) error) error {
		m := minute{keys: make([]string, len(by))}
		into := []any{&m.at, &m.errors, &m.requests}
		for i := range m.keys {
			into = append(into, &m.keys[i])
		}
		err := scan(into...)
		minutes = append(minutes, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the minutes of %s: %w", view, err)
	}
	return minutes, nil
}

// seenCode is a code that errors of a window had, with the latest of them.
type seenCode struct {
	Code    string `ch:"code"`
	Errors  uint64 `ch:"n"`
	Dialect string `ch:"dialect_"`
	Service string `ch:"service_"`
	Status  uint16 `ch:"status_"`
	Message string `ch:"message_"`
}

// topCodes returns the most frequent codes of [from, to), the most frequent first.
func topCodes(ctx context.Context, s *store.Store, sel Select, from, to time.Time, limit int) ([]seenCode, error) {
	where := sel.each(within(from, to, "ts"))
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
	where := sel.each(within(from, to, "ts")).And("request_id != ''")
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
func states(ctx context.Context, s *store.Store) (all []store.AlertState, err error) {
	const sql = `SELECT rule, fingerprint, labels, state, since, low_since, frozen, notice, evaluated FROM alert_states
		WHERE fingerprint = '' OR state != 'inactive' ORDER BY rule, fingerprint`
	err = s.Query(ctx, sql, nil, func(scan func(...any) error) error {
		var r store.AlertState
		err := scan(&r.Rule, &r.Fingerprint, &r.Labels, &r.State, &r.Since, &r.LowSince, &r.Frozen, &r.Notice, &r.Evaluated)
		r.Since, r.LowSince = store.OrZero(r.Since), store.OrZero(r.LowSince)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the states of the alerts: %w", err)
	}
	return all, nil
}
