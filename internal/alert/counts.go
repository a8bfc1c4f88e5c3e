package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// series holds the counts of one group: the sums up to and including each minute that has any. What
// lies between two edges is counted in the first minute of it.
type series struct {
	keys   []string
	sums   []sum
	dense  []uint64 // the count before each minute from the first on; nil: not made yet, empty: too long
	looked int      // how often a count was looked up before dense was made
}

// sum is the count up to and including a minute, in Unix seconds.
type sum struct {
	minute int64
	count  uint64
}

// add counts in the last minute or a later one.
func (s *series) add(at time.Time, n uint64) {
	minute, before := at.Unix(), uint64(0)
	s.dense = nil
	if last := len(s.sums) - 1; last >= 0 {
		before = s.sums[last].count
		if s.sums[last].minute == minute {
			s.sums[last].count += n
			return
		}
	}
	s.sums = append(s.sums, sum{minute, before + n})
}

// between returns the count of the minutes in [from, to). A nil series is empty.
func (s *series) between(from, to time.Time) uint64 {
	if s == nil {
		return 0
	}
	return s.before(to) - s.before(from)
}

// before returns the count of the minutes before t.
func (s *series) before(t time.Time) uint64 {
	if len(s.sums) == 0 {
		return 0
	}
	at := t.Unix()
	if t.Nanosecond() > 0 {
		at++
	}
	if s.dense == nil {
		s.index()
	}
	if len(s.dense) > 0 {
		return s.dense[min(max((at-s.sums[0].minute+59)/60, 0), int64(len(s.dense)-1))]
	}
	low, high := 0, len(s.sums) // every sum before low is of a minute before at, and none from high on
	for low < high {
		if middle := (low + high) / 2; s.sums[middle].minute < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0
	}
	return s.sums[low-1].count
}

// reach returns the minute in which the count of the minutes from a time on reaches n. It is not ok
// if it never does.
func (s *series) reach(n uint64, from time.Time) (minute time.Time, ok bool) {
	if s == nil {
		return time.Time{}, false
	}
	wanted := s.before(from) + n
	i, _ := slices.BinarySearchFunc(s.sums, wanted, func(s sum, wanted uint64) int { return cmp.Compare(s.count, wanted) })
	if i == len(s.sums) {
		return time.Time{}, false
	}
	return time.Unix(s.sums[i].minute, 0).UTC(), true
}

// own returns a series with the same counts that can be looked at while others look at this one.
func (s *series) own() *series {
	if s == nil {
		return nil
	}
	return &series{keys: s.keys, sums: s.sums}
}

// index fills dense, because a backtest asks for millions of counts. It stays nil while few were
// asked for, and empty where few minutes have counts.
func (s *series) index() {
	const many = 100
	if s.looked++; s.looked < many {
		return
	}
	first, n := s.sums[0].minute, len(s.sums)
	span := int(s.sums[n-1].minute-first) / 60
	if s.dense = []uint64{}; span > 64*n {
		return
	}
	s.dense = make([]uint64, span+2)
	next := 0
	for i := range s.dense {
		for next < n && s.sums[next].minute < first+int64(i)*60 {
			next++
		}
		if next > 0 {
			s.dense[i] = s.sums[next-1].count
		}
	}
}

// data is what a rule looks at, named by the keys (nameOf) of groups or of their places.
type data struct {
	errors   map[string]*series // of groups
	young    map[string]*series // of groups: those of new topics, which errors leaves out
	requests map[string]*series // of places
	blind    map[string]*series // of places

	firstSeen map[string]time.Time // of groups with a code
	fixed     map[string]time.Time // of groups with a code: from this minute on, someone says
	began     map[string]time.Time // of tenants: a time at which they had traffic already
	lag       time.Duration        // of the watermark behind the clock
	unsent    unsent
	usual     *usual // nil if the condition does not ask for it
}

func newData() data {
	return data{
		errors: map[string]*series{}, young: map[string]*series{}, requests: map[string]*series{}, blind: map[string]*series{},
		firstSeen: map[string]time.Time{}, fixed: map[string]time.Time{}, began: map[string]time.Time{},
	}
}

func add(all map[string]*series, c counted, n uint64) {
	if n == 0 {
		return
	}
	of := all[c.name]
	if of == nil {
		of = &series{keys: c.keys}
		all[c.name] = of
	}
	of.add(c.at, n)
}

func nameOf(keys []string) string { return strings.Join(keys, "\x00") }

// group is what a rule judges: keys, their counts, and the thresholds that apply to them.
type group struct {
	keys       []string
	counts     counts
	thresholds thresholds
}

// counts are what is known of one group, at any time. The requests are those of the group's place.
type counts struct {
	errors, young, requests, blind *series
	firstSeen                      time.Time // of the code
	fixed                          time.Time // from when on someone says that it is fixed; zero: never
	began                          time.Time // the tenant had traffic at this time
	lag                            time.Duration
	unsent                         unsent
	past                           *past // what is usual for the group; nil if the condition does not ask
}

// own returns counts that can be looked at while other rules look at the same series.
func (c counts) own() counts {
	c.errors, c.young, c.requests, c.blind = c.errors.own(), c.young.own(), c.requests.own(), c.blind.own()
	return c
}

// groups returns the groups that the data has and those of alerts, by name.
func (r *Rule) groups(d data, alerts map[string]Alert) map[string]group {
	groups := map[string]group{}
	add := func(keys []string) {
		name, place := nameOf(keys), nameOf(r.place(keys))
		if _, there := groups[name]; there {
			return
		}
		groups[name] = group{keys, counts{
			errors: d.errors[name], young: d.young[name], requests: d.requests[place], blind: d.blind[place],
			firstSeen: d.firstSeen[name], fixed: d.fixed[name], began: d.began[r.tenant(keys)], lag: d.lag, unsent: d.unsent, past: d.usual.of(r, keys),
		}, r.thresholdsOf(keys)}
	}
	needs := r.Condition.needs()
	switch {
	case needs.clock:
		add(nil)
	case needs.errors:
		for _, s := range d.errors {
			add(s.keys)
		}
		for _, s := range d.young {
			add(s.keys)
		}
	default:
		for _, s := range d.requests {
			add(s.keys)
		}
	}
	for _, a := range alerts {
		add(a.Keys)
	}
	return groups
}

// place returns those of a group's keys that requests have too.
func (r *Rule) place(keys []string) (place []string) {
	for i, column := range r.By {
		if slices.Contains(requestColumns, column) {
			place = append(place, keys[i])
		}
	}
	return place
}

// tenant returns the tenant of a group, "" if the rule does not group by it.
func (r *Rule) tenant(keys []string) string {
	if i := slices.Index(r.By, "tenant"); i >= 0 {
		return keys[i]
	}
	return ""
}

// ofRequests reports whether a rule compares errors with requests and looks at nothing that only
// errors have. Its errors are then the requests that had one.
func (r *Rule) ofRequests() bool {
	return r.Condition.needs().requests && !r.Select.ofErrors() && len(r.place(r.By)) == len(r.By)
}

// lookback returns how far back from an evaluation a rule looks.
func (r *Rule) lookback() time.Duration { return r.Condition.windows()[0] }

// needs returns what has to be counted for a rule.
func (r *Rule) needs() needs {
	if r.Condition == nil { // a rule of the evaluator itself
		return needs{}
	}
	return r.Condition.needs()
}
