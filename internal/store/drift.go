package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// LiveQuery asks which codes came in a window.
type LiveQuery struct {
	From, To time.Time // [From, To)
	Tenants  []string  // empty: all
}

// LiveCode is the errors of a window that agree in all that decides what is published of them, but for the message.
type LiveCode struct {
	Code, Dialect, Service string

	Status    int
	Errors    uint64
	Tenants   uint64 // that met the code in its dialect, in whatever service and under whatever status
	FirstSeen time.Time
	LastSeen  time.Time
	Message   string   // the last one's
	Whole     []string // up to five different messages that were not cut off and are the code's own, not the narrower code's that they begin with
}

// maxLiveCodes bounds what LiveCodes gives.
const maxLiveCodes = 100_000

// notHTTP leaves out the codes that are HTTP statuses: they are nobody's publication, and their messages are bodies.
const notHTTP = "NOT startsWith(code, 'HTTP.')"

// LiveCodes gives the codes of a window, the most frequent first, without those that are HTTP statuses. Errors whose messages
// were a published one when they were stored are apart from those whose were not, so that the rare ones have a sample too.
// It tells when there are more than it gives.
func (s *Store) LiveCodes(ctx context.Context, q LiveQuery) (codes []LiveCode, more bool, err error) {
	filter, args := q.filter()
	rows, err := s.conn.Query(ctx, `
		SELECT code, dialect, service, status, errors_, uniqExactMerge(tenants_) OVER (PARTITION BY code, dialect) AS tenants__, first_, last_, message_, whole_
		FROM (
			SELECT code, dialect, service, status, template, count() AS errors_, uniqExactState(tenant) AS tenants_, min(ts) AS first_, max(ts) AS last_,
				argMax(message, ts) AS message_, arraySort(groupUniqArrayIf(5)(message, confidence = 'exact' AND message != ''
					AND (module_code = '' OR NOT startsWith(message, concat('(', module_code, ')'))))) AS whole_
			FROM errors WHERE `+filter+` AND `+notHTTP+`
			GROUP BY code, dialect, service, status, template
		)
		ORDER BY errors_ DESC, code, dialect, service, status, template
		LIMIT ?`, append(args, maxLiveCodes+1)...)
	if err != nil {
		return nil, false, fmt.Errorf("ask for the codes of the window: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c LiveCode
		var status uint16
		if err := rows.Scan(&c.Code, &c.Dialect, &c.Service, &status, &c.Errors, &c.Tenants, &c.FirstSeen, &c.LastSeen, &c.Message, &c.Whole); err != nil {
			return nil, false, err
		}
		c.Status = int(status)
		codes = append(codes, c)
	}
	if len(codes) > maxLiveCodes {
		codes, more = codes[:maxLiveCodes], true
	}
	return codes, more, rows.Err()
}

func (q LiveQuery) filter() (string, []any) {
	sql := "ts >= fromUnixTimestamp64Milli(?) AND ts < fromUnixTimestamp64Milli(?)"
	args := []any{q.From.UnixMilli(), q.To.UnixMilli()}
	if len(q.Tenants) > 0 {
		sql += " AND tenant IN (?)"
		args = append(args, slices.Clone(q.Tenants))
	}
	return sql, args
}

// SeenCode is a code that ever came, and when.
type SeenCode struct {
	Code      string
	Tenants   uint64
	FirstSeen time.Time
	LastSeen  time.Time
}

// SeenCodes gives every code that the tenants ever met, all tenants where none is named, without those that are HTTP statuses.
func (s *Store) SeenCodes(ctx context.Context, tenants []string, seen func(SeenCode)) (err error) {
	filter, args := notHTTP+" AND code != ''", []any(nil)
	if len(tenants) > 0 {
		filter, args = filter+" AND tenant IN (?)", []any{tenants}
	}
	rows, err := s.conn.Query(ctx, `SELECT code, uniqExact(tenant), min(first_seen), max(last_seen) FROM codes_seen WHERE `+filter+` GROUP BY code`, args...)
	if err != nil {
		return fmt.Errorf("ask for the codes that were ever seen: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c SeenCode
		if err := rows.Scan(&c.Code, &c.Tenants, &c.FirstSeen, &c.LastSeen); err != nil {
			return err
		}
		seen(c)
	}
	return rows.Err()
}
