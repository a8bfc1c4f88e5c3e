package alert

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"errata/internal/accesslog"
	"errata/internal/store"
)

// span is the times at which a rule is to be evaluated: the multiples of the interval in (from,
// to].
type span struct {
	rule     *Rule
	from, to time.Time
	interval time.Duration
}

// edges are the minutes at which windows begin or end, in Unix seconds and in order. Counts are
// looked up at these alone, so whatever lies between two of them is read as one number.
type edges []int64

// edges returns those of a rule that is evaluated at any minutes of (from, to]. more are further
// times at which its condition looks counts up.
func (r *Rule) edges(from, to time.Time, more ...time.Time) edges {
	const minute = 60
	first := from.Truncate(time.Minute).Add(time.Minute).Add(-r.lookback()).Unix()
	marked := make([]bool, max(0, (to.Unix()-first)/minute)+1)
	mark := func(at time.Time) {
		if i := (at.Unix() - first) / minute; i >= 0 && i < int64(len(marked)) {
			marked[i] = true
		}
	}
	windows := append([]time.Duration{0}, r.Condition.windows()...)
	for at := from.Truncate(time.Minute).Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
		for _, w := range windows {
			mark(at.Add(-w))
		}
	}
	for _, at := range more {
		mark(at)
	}
	var all edges
	for i, marked := range marked {
		if marked {
			all = append(all, first+int64(i)*minute)
		}
	}
	return all
}

func (e edges) union(other edges) edges {
	if len(e) == 0 {
		return other
	}
	all := slices.Concat(e, other)
	slices.Sort(all)
	return slices.Compact(all)
}

// from is the time of the first count that is looked at, and to the end of the last.
func (e edges) from() time.Time { return time.Unix(e[0], 0).UTC() }
func (e edges) to() time.Time   { return time.Unix(e[len(e)-1], 0).UTC() }

// split reports whether an edge lies within [from, to).
func (e edges) split(from, to time.Time) bool {
	i := sort.Search(len(e), func(i int) bool { return e[i] > from.Unix() })
	return i < len(e) && e[i] < to.Unix()
}

// mostEdges is the number above which a query names no edges: each minute is then one.
const mostEdges = 8000

// piece is the SQL of the edge at or before a time, in Unix seconds.
func (e edges) piece(at string) string {
	minutes := (e[len(e)-1] - e[0]) / 60
	if len(e) > mostEdges || int64(len(e)) > minutes/2 {
		return "toInt64(toUnixTimestamp(toStartOfMinute(" + at + ")))"
	}
	texts := make([]string, len(e))
	for i, edge := range e {
		texts[i] = strconv.FormatInt(edge, 10)
	}
	return "toInt64(roundDown(toUnixTimestamp(" + at + "), [" + strings.Join(texts, ", ") + "]))"
}

// viewed is what a tally counts.
type viewed string

const (
	viewErrors   viewed = "error sums"
	viewSingle   viewed = "single errors" // for what sums do not have
	viewRequests viewed = "traffic sums"
)

// tally is something to count by the minute for one rule. Of the select on requests, only what they
// have matters.
type tally struct {
	view  viewed
	sel   Select
	by    []string // columns
	only  string   // a further condition; "": none
	args  []any    // of that condition
	edges edges
	add   func(counted) // gets the counts, in the order of time
}

// counted is what one group counted from one edge to the next.
type counted struct {
	at   time.Time
	keys []string // the values of the columns that were grouped by
	name string   // nameOf the keys
	// requests that had an error count as errors of requests. blind are those whose body could not
	// be seen.
	errors, requests, blind uint64
}

// errorsView returns the view of the errors that a select picks.
func errorsView(sel Select) viewed {
	if sel.single() {
		return viewSingle
	}
	return viewErrors
}

// plain is a tally without a further condition, and what it counted. Rules that look at the same
// share it.
type plain struct {
	*tally
	counts data // only its counts
}

// plain returns the tally of what a select picks, with further edges.
func (s *stored) plain(view viewed, sel Select, by []string, e edges) plain {
	t := tally{view: view, sel: sel, by: by}
	picked := t.condition()
	p, _ := askOnce(s, fmt.Sprint("tally ", view, by, picked.SQL, picked.Args), func() (plain, error) {
		p := plain{&t, newData()}
		t.add = func(c counted) {
			add(p.counts.errors, c, c.errors)
			add(p.counts.requests, c, c.requests)
			add(p.counts.blind, c, c.blind)
		}
		return p, nil
	})
	p.edges = p.edges.union(e)
	return p
}

// reads says which tallies one query can serve: those that read the same rows. A window of minutes
// would otherwise read what one of days needs.
func (t *tally) reads() string {
	length := "short"
	switch lookback := t.edges.to().Sub(t.edges.from()); {
	case lookback > 48*time.Hour:
		length = "long"
	case lookback > 4*time.Hour:
		length = "medium"
	}
	return strings.Join([]string{string(t.view), t.only, fmt.Sprint(t.args...), length, nameOf(t.by)}, "\n")
}

// condition returns what the tally's select picks.
func (t *tally) condition() store.Condition {
	return t.sel.where(store.Condition{SQL: "1"}, t.view == viewRequests)
}

// maxPicks is how many different selects one query can tell apart: the bits of a number.
const maxPicks = 64

// tallyGroup is what one query counts.
type tallyGroup struct {
	tallies []*tally
	picks   []store.Condition
	members [][]*tally // of each pick
}

// grouped sorts tallies into as few queries as possible.
func grouped(tallies []*tally) (groups []*tallyGroup) {
	open := map[string]*tallyGroup{}
	for _, t := range tallies {
		reads := t.reads()
		g := open[reads]
		if g == nil || len(g.picks) == maxPicks {
			g = &tallyGroup{}
			open[reads], groups = g, append(groups, g)
		}
		g.put(t)
	}
	return groups
}

func (g *tallyGroup) put(t *tally) {
	g.tallies = append(g.tallies, t)
	picked := t.condition()
	same := func(c store.Condition) bool {
		return c.SQL == picked.SQL && fmt.Sprint(c.Args...) == fmt.Sprint(picked.Args...)
	}
	if i := slices.IndexFunc(g.picks, same); i >= 0 {
		g.members[i] = append(g.members[i], t)
		return
	}
	g.picks, g.members = append(g.picks, picked), append(g.members, []*tally{t})
}

// blindBodies are the states of bodies that could not be seen.
var blindBodies = []accesslog.BodyState{accesslog.Absent, accesslog.Undecodable}

// source returns the rows to read: their table, the SQL of their time, and that of their sums.
func (g *tallyGroup) source(ctx context.Context, s *store.Store, e edges) (table, at, sums string, where store.Condition) {
	scope := s.Resolve(ctx, store.Scope{From: e.from(), To: e.to()})
	switch g.tallies[0].view {
	case viewSingle:
		return "errors", "ts", "count(), toUInt64(0), toUInt64(0)", scope.Where("ts")
	case viewErrors:
		return scope.Rollup("error", e.split), "at", "sum(errors), toUInt64(0), toUInt64(0)", scope.Where("")
	}
	var states []string
	for _, state := range blindBodies {
		states = append(states, "'"+string(state)+"'")
	}
	sums = "sum(errors), sum(requests), sumIf(requests, body_state IN (" + strings.Join(states, ", ") + "))"
	return scope.Rollup("traffic", e.split), "at", sums, scope.Where("")
}

// count runs the query of a group. Each row belongs to the picks whose bits its number has.
func (s *stored) count(ctx context.Context, g *tallyGroup) error {
	var all edges
	for _, t := range g.tallies {
		all = all.union(t.edges)
	}
	first := g.tallies[0]
	table, at, sums, where := g.source(ctx, s.Store, all)
	if first.only != "" {
		where = where.And(first.only, first.args...)
	}
	var bits []string
	var args []any
	for i, pick := range g.picks {
		bits, args = append(bits, fmt.Sprintf("(%s) * toUInt64(%d)", pick.SQL, uint64(1)<<i)), append(args, pick.Args...)
	}
	keys, names := "", ""
	for i, column := range first.by {
		keys += fmt.Sprintf(", toString(%s) AS key_%d", column, i)
		names += fmt.Sprintf(", key_%d", i)
	}
	sql := "SELECT " + all.piece(at) + " AS piece_, " + strings.Join(bits, " + ") + " AS picks_, " + sums + keys +
		" FROM " + table + " WHERE " + where.SQL + " AND picks_ != 0 GROUP BY piece_, picks_" + names + " ORDER BY piece_, picks_" + names
	err := s.Query(ctx, sql, append(args, where.Args...), func(scan func(...any) error) error {
		var seconds int64
		var picks uint64
		c := counted{keys: make([]string, len(first.by))}
		into := []any{&seconds, &picks, &c.errors, &c.requests, &c.blind}
		for i := range c.keys {
			into = append(into, &c.keys[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		c.at, c.name = time.Unix(seconds, 0).UTC(), nameOf(c.keys)
		g.give(c, seconds, picks)
		return nil
	})
	if err != nil {
		return fmt.Errorf("count by the minute: %w", err)
	}
	return nil
}

// countAll runs the queries of groups, two at a time: ClickHouse works on one while the rows of the
// other are read. It calls done after each, perhaps twice at once.
func (s *stored) countAll(ctx context.Context, groups []*tallyGroup, done func(*tallyGroup, error)) {
	var g errgroup.Group
	g.SetLimit(2)
	for _, group := range groups {
		g.Go(func() error {
			done(group, s.count(ctx, group))
			return nil
		})
	}
	_ = g.Wait() // done has all errors
}

// give hands a count to the tallies that it is for.
func (g *tallyGroup) give(c counted, seconds int64, picks uint64) {
	for i, members := range g.members {
		if picks&(1<<i) == 0 {
			continue
		}
		for _, t := range members {
			if seconds >= t.edges[0] && seconds < t.edges[len(t.edges)-1] {
				t.add(c)
			}
		}
	}
}
