package alert

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"errata/internal/parse"
	"errata/internal/store"
)

// series holds the counts of one group: the sums up to and including each minute that has any.
type series struct {
	keys    []string
	minutes []time.Time
	sums    []uint64
}

// add counts in the last minute or a later one.
func (s *series) add(minute time.Time, n uint64) {
	before := uint64(0)
	if last := len(s.sums) - 1; last >= 0 {
		before = s.sums[last]
		if s.minutes[last].Equal(minute) {
			s.sums[last] += n
			return
		}
	}
	s.minutes, s.sums = append(s.minutes, minute), append(s.sums, before+n)
}

// between returns the count of the minutes in [from, to). A nil series is empty.
func (s *series) between(from, to time.Time) uint64 {
	if s == nil {
		return 0
	}
	before := func(t time.Time) uint64 {
		i := sort.Search(len(s.minutes), func(i int) bool { return !s.minutes[i].Before(t) })
		if i == 0 {
			return 0
		}
		return s.sums[i-1]
	}
	return before(to) - before(from)
}

// data is what a rule looks at: the errors of each group, and the requests of each place. Both are
// named by their keys (nameOf).
type data struct {
	errors   map[string]*series
	requests map[string]*series
	usual    *usual // nil if the condition does not ask for it
}

func add(all map[string]*series, keys []string, minute time.Time, n uint64) {
	if n == 0 {
		return
	}
	name := nameOf(keys)
	if all[name] == nil {
		all[name] = &series{keys: keys}
	}
	all[name].add(minute, n)
}

func nameOf(keys []string) string { return strings.Join(keys, "\x00") }

// group is what a rule judges: keys and their counts.
type group struct {
	keys   []string
	counts counts
}

// counts are those of one group, at any time. The requests are those of the group's place.
type counts struct {
	errors, requests *series
	past             *past  // what is usual for the group; nil if the condition does not ask
	frozen           string // what its firing alert is compared with (State.Frozen)
}

// groups returns the groups that the data has and those of alerts, by name.
func (r *Rule) groups(d data, alerts map[string]Alert) map[string]group {
	groups := map[string]group{}
	add := func(keys []string) {
		groups[nameOf(keys)] = group{keys, counts{errors: d.errors[nameOf(keys)], requests: d.requests[nameOf(r.place(keys))], past: d.usual.of(r, keys)}}
	}
	seen := d.errors
	if !r.Condition.needs().errors {
		seen = d.requests
	}
	for _, s := range seen {
		add(s.keys)
	}
	for _, a := range alerts {
		add(a.Keys)
	}
	return groups
}

// place returns those of a group's keys that requests have too.
func (r *Rule) place(keys []string) (place []string) {
	for i, column := range r.By {
		if slices.Contains(store.RequestKeys, column) {
			place = append(place, keys[i])
		}
	}
	return place
}

// ofRequests reports whether a rule compares errors with requests and looks at nothing that only
// errors have. Its errors are then the requests that had one.
func (r *Rule) ofRequests() bool {
	s := r.Select
	return r.Condition.needs().requests && len(s.Codes)+len(s.Families)+len(s.Kinds) == 0 && s.Known == nil && len(r.place(r.By)) == len(r.By)
}

// fetch counts what a rule looks at in all minutes of [from, to).
func (r *Runner) fetch(ctx context.Context, rule *Rule, from, to time.Time) (data, error) {
	d := data{errors: map[string]*series{}, requests: map[string]*series{}}
	needs := rule.Condition.needs()
	if needs.usual != nil {
		var err error
		if d.usual, err = r.usual(ctx, rule, from.Add(rule.Condition.window()), to); err != nil {
			return d, err
		}
	}
	if needs.requests {
		minutes, err := requestsPerMinute(ctx, r.Store, rule.Select, from, to, rule.place(rule.By))
		if err != nil {
			return d, err
		}
		for _, m := range minutes {
			add(d.requests, m.keys, m.at, m.requests)
			if rule.ofRequests() {
				add(d.errors, m.keys, m.at, m.errors)
			}
		}
	}
	if !needs.errors || rule.ofRequests() {
		return d, nil
	}
	return d, r.fetchErrors(ctx, rule, from, to, d.errors)
}

// fetchErrors counts the errors of each group.
func (r *Runner) fetchErrors(ctx context.Context, rule *Rule, from, to time.Time, into map[string]*series) error {
	by := rule.By
	if rule.Select.Known != nil { // the rollups do not say whether a code is known; the catalogs do
		by = slices.Concat(by, []string{"code", "dialect", "service"})
	}
	minutes, err := errorsPerMinute(ctx, r.Store, rule.Select, from, to, by)
	if err != nil {
		return err
	}
	for _, m := range minutes {
		keys, more := m.keys[:len(rule.By)], m.keys[len(rule.By):]
		if len(more) > 0 && r.known(more[0], more[1], more[2]) != *rule.Select.Known {
			continue
		}
		add(into, keys, m.at, m.errors)
	}
	return nil
}

func (r *Runner) known(code, dialect, service string) bool {
	return dialect == parse.HTTPDialect || r.Catalogs.Lookup(code, dialect, service, 0, "").Entry != nil
}
