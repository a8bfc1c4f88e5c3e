package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/store"
)

// sharedKeys are the columns that requests have as well as errors.
var sharedKeys = append(slices.Clone(store.RequestKeys), "status")

// rawKeys are the columns that no rollup of errors has.
var rawKeys = []string{"template", "status", "owner"}

// requests is the condition of the requests that errors are measured against.
func (q TopQuery) requests(timeColumn string) store.Condition {
	where := q.Where(timeColumn)
	for _, f := range []struct {
		column string
		values []string
	}{{"service", q.Services}, {"route", q.Routes}} {
		if len(f.values) > 0 {
			where = where.And(f.column+" IN (?)", f.values)
		}
	}
	return where
}

// errors is the condition of the errors.
func (q TopQuery) errors(timeColumn string) store.Condition {
	where := q.requests(timeColumn)
	if len(q.Families) > 0 {
		where = where.And("family IN (?)", q.Families)
	}
	if len(q.Codes) > 0 {
		folded := make([]string, len(q.Codes))
		for i, code := range q.Codes {
			folded[i] = catalog.Fold(code)
		}
		where = where.And(foldedCode+" IN (?)", folded)
	}
	return where
}

// none reports whether the filter lets everything pass.
func (f Filter) none() bool {
	return len(f.Codes)+len(f.Families)+len(f.Services)+len(f.Routes) == 0
}

// earlier is the query for the window that q's window is compared with.
func (q TopQuery) earlier() TopQuery {
	days := map[string]int{"1d": 1, "7d": 7}[q.Compare]
	if days == 0 {
		q.From, q.To = q.From.Add(-q.To.Sub(q.From)), q.From
		return q
	}
	q.From, q.To = q.From.In(q.Zone).AddDate(0, 0, -days), q.To.In(q.Zone).AddDate(0, 0, -days)
	return q
}

// sum asks for a sum of a view's rows in a window.
func sum(ctx context.Context, s *store.Store, q TopQuery, column, view string, where store.Condition, into ...any) error {
	err := s.Query(ctx, "SELECT "+column+" FROM "+q.Rollup(view, nil)+" WHERE "+where.SQL, where.Args,
		func(scan func(...any) error) error { return scan(into...) })
	if err != nil {
		return fmt.Errorf("ask for the %s of the window: %w", column, err)
	}
	return nil
}

// count asks for the totals that the ranking does not have.
func (t *Top) count(ctx context.Context, s *store.Store, q TopQuery) error {
	if t.Compared != nil {
		before := q.earlier()
		if err := sum(ctx, s, before, "sum(errors)", "error", before.errors(""), &t.Compared.Errors); err != nil {
			return err
		}
	}
	if len(q.Tenants) > 0 || !q.none() {
		return nil
	}
	t.DeadLetters = new(uint64)
	dead := q.Where("ts")
	err := s.Query(ctx, "SELECT count() FROM dead_letters WHERE "+dead.SQL, dead.Args,
		func(scan func(...any) error) error { return scan(t.DeadLetters) })
	if err != nil {
		return fmt.Errorf("count the dead letters: %w", err)
	}
	return nil
}

// rankedRow is a row as the ranking returns it.
type rankedRow struct {
	TopRow
	All            uint64   `ch:"all_errors"` // of the tenant, or of all; as is the next
	Groups         uint64   `ch:"groups"`
	Counts         []uint64 `ch:"history"`
	BeforeRank     uint64   `ch:"before_rank"`
	BeforeErrors   uint64   `ch:"before_errors"`
	BeforeRequests uint64   `ch:"before_requests"`

	// Of all places of the window, and of the one before; 0 in a row whose place has no requests.
	AllRequests       uint64 `ch:"all_requests"`
	AllErrorRequests  uint64 `ch:"all_error_requests"`
	AllBeforeRequests uint64 `ch:"all_before_requests"`
}

// rank asks for the groups with the most errors, the requests beside them and the same groups in
// the window of the comparison.
func (t *Top) rank(ctx context.Context, s *store.Store, q TopQuery) error {
	sql, args := q.ranking()
	ranked, err := store.Select[rankedRow](ctx, s, sql, args)
	if err != nil {
		return fmt.Errorf("ask for the top errors: %w", err)
	}
	t.Rows, t.Others = []TopRow{}, []TopOther{}
	for i := range ranked {
		r := &ranked[i]
		r.History, r.RequestIDs = r.Counts, []string{}
		r.Share = share(r.Errors, r.Requests)
		if t.Compared != nil {
			t.Compared.Requests = max(t.Compared.Requests, r.AllBeforeRequests)
			r.Before = &TopBefore{r.BeforeRank, r.BeforeErrors, r.BeforeRequests, share(r.BeforeErrors, r.BeforeRequests), int64(r.Errors) - int64(r.BeforeErrors)}
		}
		t.Rows = append(t.Rows, r.TopRow)
		t.Requests, t.ErrorRequests = max(t.Requests, r.AllRequests), max(t.ErrorRequests, r.AllErrorRequests)
		if i == 0 || q.PerTenant && r.Tenant != ranked[i-1].Tenant {
			t.Errors += r.All
			other := TopOther{Groups: r.Groups, Errors: r.All}
			if q.PerTenant {
				other.Tenant = r.Tenant
			}
			t.Others = append(t.Others, other)
		}
		rest := &t.Others[len(t.Others)-1]
		rest.Groups--
		rest.Errors -= r.Errors
	}
	t.Others = slices.DeleteFunc(t.Others, func(o TopOther) bool { return o.Groups == 0 })
	return t.countRequests(ctx, s, q)
}

// countRequests asks for the requests of a window of which the ranking has none: either there are
// none, or no row has any beside it, such as where there are no errors.
func (t *Top) countRequests(ctx context.Context, s *store.Store, q TopQuery) error {
	if t.Requests == 0 {
		if err := sum(ctx, s, q, "sum(requests), sum(error_requests)", "traffic", q.requests(""), &t.Requests, &t.ErrorRequests); err != nil {
			return err
		}
	}
	if t.Compared != nil && t.Compared.Requests == 0 {
		before := q.earlier()
		return sum(ctx, s, before, "sum(requests)", "traffic", before.requests(""), &t.Compared.Requests)
	}
	return nil
}

func share(errors, requests uint64) float64 {
	if requests == 0 {
		return 0
	}
	return float64(errors) / float64(requests)
}

// statement is a piece of SQL with the values of its placeholders, in their order.
type statement struct {
	text strings.Builder
	args []any
}

func (s *statement) add(sql string, args ...any) {
	s.text.WriteString(sql)
	s.args = append(s.args, args...)
}

// ranking is the query for the groups with the most errors. One query gives the groups and the
// totals, so that these agree whatever an ingester does meanwhile: store.Store has its queries see
// one state of each table, however often they read it.
func (q TopQuery) ranking() (sql string, args []any) {
	var s statement
	s.add("SELECT n.rank_ AS rank")
	for _, key := range TopKeys {
		s.add(", n." + key + "_ AS " + key)
	}
	s.add(`, n.errors_ AS errors, r.requests_ AS requests, n.first_ AS first_seen, n.last_ AS last_seen,
		n.all_ AS all_errors, n.groups_ AS groups, n.history_ AS history, r.all_requests_ AS all_requests, r.all_error_requests_ AS all_error_requests`)
	if q.Compare != "" {
		s.add(", b.rank_ AS before_rank, b.errors_ AS before_errors, rb.requests_ AS before_requests, rb.all_requests_ AS all_before_requests")
	} else {
		s.add(", toUInt64(0) AS before_rank, toUInt64(0) AS before_errors, toUInt64(0) AS before_requests, toUInt64(0) AS all_before_requests")
	}
	s.add("\nFROM ")
	q.first(&s)
	s.add(" AS n\nLEFT JOIN ")
	q.denominators(&s)
	s.add(" AS r ON n.place_ = r.place_")
	if q.Compare != "" {
		before := q.earlier()
		s.add("\nLEFT JOIN ")
		before.ranked(&s)
		s.add(" AS b ON n.group_ = b.group_\nLEFT JOIN ")
		before.denominators(&s)
		s.add(" AS rb ON n.place_ = rb.place_")
	}
	s.add("\nORDER BY ")
	if q.PerTenant {
		s.add("n.all_ DESC, n.tenant_, ")
	}
	s.add("n.rank_")
	return s.text.String(), s.args
}

// first adds the groups with the most errors, as ranked does with all groups. Most of the work is
// to count the errors of all groups, and what else is known of a group takes several times as long.
// So without tenants to rank by themselves, only errors are counted first, by a hash of the group,
// and the groups with the most, and those with as many as the last of these, are then counted in
// full. If two groups have one hash, both are counted in full, and Others has one group less.
func (q TopQuery) first(s *statement) {
	if q.PerTenant {
		s.add("(SELECT * FROM ")
		q.ranked(s)
		s.add(" WHERE rank_ <= ?)", q.Limit)
		return
	}
	where := q.errors("")
	s.add(`(WITH (
			SELECT (groupArray(hash_), any(all_), any(groups_))
			FROM (SELECT hash_, errors_, sum(errors_) OVER () AS all_, count() OVER () AS groups_
				FROM (SELECT `+q.hash()+` AS hash_, sum(errors) AS errors_ FROM `+q.source(nil)+` WHERE `+where.SQL+` GROUP BY hash_)
				ORDER BY errors_ DESC LIMIT ? WITH TIES)
		) AS most_
		`, append(where.Args, q.Limit)...)
	s.add("SELECT *, row_number() OVER (" + q.order() + ") AS rank_ FROM (SELECT *, most_.2 AS all_, most_.3 AS groups_ FROM ")
	q.groups(s, " AND "+q.hash()+" IN most_.1")
	s.add(" "+q.order()+" LIMIT ?))", q.Limit)
}

// hash is a number for each group. A hash of one column is computed once for each of its values,
// because the columns are dictionaries.
func (q TopQuery) hash() string {
	hash := "sipHash64(" + q.By[0] + ")"
	for _, key := range q.By[1:] {
		hash = "intHash64(" + hash + ") + sipHash64(" + key + ")"
	}
	return hash
}

// order is the order of the ranks.
func (q TopQuery) order() string {
	return "ORDER BY errors_ DESC, " + strings.Join(q.By, "_, ") + "_"
}

// ranked adds the groups with their ranks, and with the sum and the number of all groups that they
// are ranked among.
func (q TopQuery) ranked(s *statement) {
	among := ""
	if q.PerTenant {
		among = "PARTITION BY tenant_ "
	}
	s.add(fmt.Sprintf("(SELECT *, sum(errors_) OVER (%[1]s) AS all_, count() OVER (%[1]s) AS groups_, row_number() OVER (%[1]s%[2]s) AS rank_ FROM ", among, q.order()))
	q.groups(s, "")
	s.add(")")
}

// groups adds the groups of errors that meet a further condition, each with its history.
func (q TopQuery) groups(s *statement, condition string) {
	columns := make([]string, len(TopKeys))
	for i, key := range TopKeys {
		columns[i] = q.column(key) + " AS " + key + "_"
	}
	group := make([]string, len(q.By))
	for i, key := range q.By {
		group[i] = "toString(" + key + ")"
	}
	history := make([]string, historyParts)
	for i := range history {
		history[i] = fmt.Sprintf("sumIf(errors, part_ = %d)", i)
	}
	where, parts, by := q.errors(""), partsOf(q.Scope), strings.Join(q.By, ", ")
	s.add(fmt.Sprintf(`(SELECT %s, %s AS place_, [%s] AS group_, sum(errors) AS errors_, min(first_seen) AS first_, max(last_seen) AS last_,
			[%s] AS history_
		FROM (SELECT *, %s AS part_ FROM %s) WHERE `, strings.Join(columns, ", "), q.place(), strings.Join(group, ", "), strings.Join(history, ", "), parts.number("at"), q.source(parts.split)))
	s.add(where.SQL+condition+" GROUP BY "+by+")", where.Args...)
}

// denominators adds the requests of each place, and beside them those of all places.
func (q TopQuery) denominators(s *statement) {
	where, by := q.requests(""), ""
	if shared := q.shared(); len(shared) > 0 {
		by = " GROUP BY " + strings.Join(shared, ", ")
	}
	s.add("(SELECT place_, requests_, sum(requests_) OVER () AS all_requests_, sum(error_requests_) OVER () AS all_error_requests_ FROM (SELECT "+q.place()+
		" AS place_, sum(requests) AS requests_, sum(error_requests) AS error_requests_ FROM "+q.Rollup("traffic", nil)+" WHERE "+where.SQL+by+"))", where.Args...)
}

// shared are the columns that rows are grouped by and that requests have as well.
func (q TopQuery) shared() []string {
	return slices.DeleteFunc(slices.Clone(q.By), func(key string) bool { return !slices.Contains(sharedKeys, key) })
}

// place is what a group of errors and its requests share.
func (q TopQuery) place() string {
	shared := q.shared()
	for i, key := range shared {
		shared[i] = "toString(" + key + ")"
	}
	return "CAST([" + strings.Join(shared, ", ") + "], 'Array(String)')"
}

// column is the expression of a key in a group.
func (q TopQuery) column(key string) string {
	switch {
	case key == "status" && slices.Contains(q.By, key):
		return "toNullable(status)"
	case key == "status":
		return "CAST(NULL, 'Nullable(UInt16)')"
	case slices.Contains(q.By, key):
		return key
	case key == "family" || key == "kind" || key == "dialect": // follow from the code where they can
		// As uniq(…) = 1, for a third of its time and memory.
		return fmt.Sprintf("if(groupBitAnd(cityHash64(%[1]s)) = groupBitOr(cityHash64(%[1]s)), any(%[1]s), '')", key)
	}
	return "''"
}

// source is the table that errors are counted from: a rollup, or the errors one by one for columns
// that no rollup has.
func (q TopQuery) source(split func(from, to time.Time) bool) string {
	if !slices.ContainsFunc(q.By, func(key string) bool { return slices.Contains(rawKeys, key) }) {
		return q.Rollup("error", split)
	}
	return fmt.Sprintf(`(SELECT tenant, service, route, family, kind, code, template, status, owner, dialect, topic, toUInt64(1) AS errors, ts AS at, ts AS first_seen, ts AS last_seen
		FROM errors WHERE ts >= fromUnixTimestamp64Milli(%d) AND ts < fromUnixTimestamp64Milli(%d))`, q.From.UnixMilli(), q.To.UnixMilli())
}
