package report

import (
	"context"

	"errata/internal/cli"
	"errata/internal/store"
)

// liveCode is the errors of a window that agree in all that decides what is published about them,
// except for the message.
type liveCode struct {
	Code      string        `ch:"code"`
	Dialect   string        `ch:"dialect"`
	Service   string        `ch:"service"`
	Status    uint16        `ch:"status"`
	Errors    uint64        `ch:"errors"`
	Tenants   uint64        `ch:"tenants"` // that met the code in its dialect, in any service and under any status
	FirstSeen cli.Timestamp `ch:"first_seen"`
	LastSeen  cli.Timestamp `ch:"last_seen"`
	Message   string        `ch:"message"` // the latest
	Whole     []string      `ch:"whole"`   // up to five different messages that were not cut off and are not of the narrower module code
}

func (l liveCode) status() int { return int(l.Status) }

// maxLiveCodes bounds how many codes of a window are compared.
const maxLiveCodes = 100_000

// notHTTP leaves out the codes that are HTTP statuses: no vendor has published them, and their
// messages are bodies.
const notHTTP = "NOT startsWith(code, 'HTTP.')"

// liveCodes returns the codes of a scope, the most frequent first, and whether there are more.
// Errors whose messages were a published one when they were stored are apart from the others, so
// that the rare ones have a sample too.
func liveCodes(ctx context.Context, s *store.Store, scope store.Scope) (codes []liveCode, more bool, err error) {
	where := scope.Where("ts").And(notHTTP)
	codes, err = store.Select[liveCode](ctx, s, `
		SELECT code, dialect, service, status, errors_ AS errors, uniqExactMerge(tenants_) OVER (PARTITION BY code, dialect) AS tenants,
			first_ AS first_seen, last_ AS last_seen, message_ AS message, whole_ AS whole
		FROM (
			SELECT code, dialect, service, status, template, count() AS errors_, uniqExactState(tenant) AS tenants_, min(ts) AS first_, max(ts) AS last_,
				argMax(message, ts) AS message_, arraySort(groupUniqArrayIf(5)(message, confidence = 'exact' AND message != ''
					AND (module_code = '' OR NOT startsWith(message, concat('(', module_code, ')'))))) AS whole_
			FROM errors WHERE `+where.SQL+`
			GROUP BY code, dialect, service, status, template
		)
		ORDER BY errors_ DESC, code, dialect, service, status, template
		LIMIT ?`, append(where.Args, maxLiveCodes+1))
	if len(codes) > maxLiveCodes {
		return codes[:maxLiveCodes], true, err
	}
	return codes, false, err
}

// seenCode is a code that ever came, and when.
type seenCode struct {
	Code      string        `ch:"code"`
	Tenants   uint64        `ch:"tenants"`
	FirstSeen cli.Timestamp `ch:"first_seen"`
	LastSeen  cli.Timestamp `ch:"last_seen"`
}

// seenCodes returns every code that the tenants, or all tenants if none is named, have ever met.
func seenCodes(ctx context.Context, s *store.Store, tenants []string) ([]seenCode, error) {
	where := store.Scope{Tenants: tenants}.Where("").And(notHTTP).And("code != ''")
	return store.Select[seenCode](ctx, s, `SELECT code, uniqExact(tenant) AS tenants, min(first_) AS first_seen, max(last_) AS last_seen
		FROM (SELECT tenant, code, first_seen AS first_, last_seen AS last_ FROM codes_seen WHERE `+where.SQL+`) GROUP BY code`, where.Args)
}
