package alert

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// simulated is the source of a unit test: counts of each minute, from a file.
type simulated struct {
	start    time.Time
	now      time.Time
	inputs   []input
	troubles []trouble
	cached   map[string]data // by rule; it holds the future too, which no window reaches
}

// input is one series of a unit test.
type input struct {
	row                     map[string]string // columns
	dialect                 string
	errors, requests, blind []uint64 // of each minute from the start
	usual                   usualKeys
	before                  time.Duration // how long before the start the usual counts go
}

// trouble is what happens to all data in [from, to).
type trouble struct {
	from, to   time.Time
	gap, fails bool
	unsent     bool // a report is due at from and sent at to
	late       time.Duration
}

// errSimulated is what a query fails with where a test says so.
var errSimulated = errors.New("the test says that the query fails")

// watermark returns up to when the data is complete.
func (s *simulated) watermark(now time.Time) time.Time {
	mark := now
	for _, t := range s.troubles {
		if !now.Before(t.from) && now.Before(t.to) && now.Add(-t.late).Before(mark) {
			mark = now.Add(-t.late)
		}
	}
	return mark
}

// prepare implements source. There is nothing to read.
func (s *simulated) prepare(context.Context, []span, func(span, data)) {}

// fetch implements source.
func (s *simulated) fetch(_ context.Context, sp span) (data, error) {
	rule := sp.rule
	for _, t := range s.troubles {
		if t.fails && !s.now.Before(t.from) && s.now.Before(t.to) {
			return data{}, errSimulated
		}
	}
	d, ok := s.cached[rule.Name]
	if !ok {
		d = s.count(rule)
		s.cached[rule.Name] = d
	}
	if rule.Condition.needs().usual != nil {
		d.usual = s.usual(rule, sp.from, sp.to, d)
	}
	return d, nil
}

// count counts all that a rule looks at, as the store would.
func (s *simulated) count(rule *Rule) data {
	d := newData()
	errorsOf, requestsOf, blindOf := minutes{}, minutes{}, minutes{}
	for _, in := range s.inputs {
		requestRow := map[string]string{}
		for _, column := range requestColumns {
			requestRow[column] = in.row[column]
		}
		keys, place, tenant := in.keys(rule.By), rule.place(in.keys(rule.By)), in.row["tenant"]
		ofRequests, ofErrors := rule.Select.picks(requestRow), in.row["code"] != "" && rule.Select.picks(in.row)
		ofGroup, requestsOfPlace, blindOfPlace := errorsOf.series(keys), requestsOf.series(place), blindOf.series(place)
		var firstSeen, began time.Time
		s.each(in, func(at time.Time, errors, requests, blind uint64) {
			if ofRequests {
				requestsOfPlace.put(at, requests)
				blindOfPlace.put(at, blind)
			}
			if ofErrors {
				ofGroup.put(at, errors)
			}
			if errors > 0 && firstSeen.IsZero() {
				firstSeen = at
			}
			if errors+requests > 0 && began.IsZero() {
				began = at
			}
		})
		earliest(d.firstSeen, nameOf(keys), firstSeen)
		earliest(d.began, tenant, began)
	}
	errorsOf.addTo(d.errors)
	requestsOf.addTo(d.requests)
	blindOf.addTo(d.blind)
	return d
}

// earliest keeps the earlier of two times. A zero time is none.
func earliest(times map[string]time.Time, name string, at time.Time) {
	if was := times[name]; !at.IsZero() && (was.IsZero() || at.Before(was)) {
		times[name] = at
	}
}

// minutes are the counts of each series, input by input: a later input may begin before an earlier
// one.
type minutes map[string]*unordered

type unordered struct {
	keys   []string
	counts []atMinute
}

type atMinute struct {
	unix int64 // seconds
	n    uint64
}

func (m minutes) series(keys []string) *unordered {
	name := nameOf(keys)
	if m[name] == nil {
		m[name] = &unordered{keys: keys}
	}
	return m[name]
}

func (u *unordered) put(at time.Time, n uint64) {
	if n > 0 {
		u.counts = append(u.counts, atMinute{at.Unix(), n})
	}
}

// addTo adds the counts in the order of time.
func (m minutes) addTo(all map[string]*series) {
	for name, u := range m {
		byTime := func(a, b atMinute) int { return cmp.Compare(a.unix, b.unix) }
		if !slices.IsSortedFunc(u.counts, byTime) {
			slices.SortFunc(u.counts, byTime)
		}
		for _, c := range u.counts {
			add(all, counted{at: time.Unix(c.unix, 0), keys: u.keys, name: name}, c.n)
		}
	}
}

// keys returns the values of columns.
func (in input) keys(by []string) (keys []string) {
	for _, column := range by {
		keys = append(keys, in.row[column])
	}
	return keys
}

// each calls count for every minute that has rows.
func (s *simulated) each(in input, count func(at time.Time, errors, requests, blind uint64)) {
	for at := s.start.Add(-in.before); at.Before(s.start); at = at.Add(time.Minute) {
		count(at, in.usual.Errors, in.usual.Requests, in.usual.Blind)
	}
	of := func(values []uint64, i int) uint64 {
		if i < len(values) {
			return values[i]
		}
		return 0
	}
	for i := range max(len(in.errors), len(in.requests), len(in.blind)) {
		at := s.start.Add(time.Duration(i) * time.Minute)
		if slices.ContainsFunc(s.troubles, func(t trouble) bool { return t.gap && !at.Before(t.from) && at.Before(t.to) }) {
			continue
		}
		count(at, of(in.errors, i), of(in.requests, i), of(in.blind, i))
	}
}

// usual returns the past that a spike is compared with.
func (s *simulated) usual(rule *Rule, from, to time.Time, d data) *usual {
	if u := d.usual; u != nil {
		return u
	}
	u := newUsual(rule, from, to)
	for _, t := range s.troubles {
		if t.gap {
			u.without = append(u.without, period{t.from, t.to})
		}
	}
	u.without = append(u.without, u.holidayPeriods()...)
	for _, part := range []struct {
		from map[string]*series
		into map[string]*buckets
	}{{d.errors, u.errors}, {d.requests, u.requests}} {
		for name, counted := range part.from {
			part.into[name] = bucketed(counted)
		}
	}
	u.prepare(rule)
	d.usual = u
	s.cached[rule.Name] = d
	return u
}

// bucketed counts a series by steps of spike.Step.
func bucketed(s *series) *buckets {
	var at []int64
	var counts []uint64
	before := uint64(0)
	for _, sum := range s.sums {
		bucket, n := sum.minute/bucketSeconds, sum.count-before
		before = sum.count
		if last := len(at) - 1; last >= 0 && at[last] == bucket {
			counts[last] += n
			continue
		}
		at, counts = append(at, bucket), append(counts, n)
	}
	return newBuckets(at, counts)
}

// behind implements source: the codes of the inputs that the select picks.
func (s *simulated) behind(_ context.Context, sel Select, from, to time.Time) (b behind, err error) {
	of := map[string]seenCode{}
	for _, in := range s.inputs {
		if in.row["code"] == "" || !sel.picks(in.row) || !sel.equals(in.row) {
			continue
		}
		s.each(in, func(at time.Time, errors, _, _ uint64) {
			if !at.Before(from) && at.Before(to) && errors > 0 {
				c := of[in.row["code"]]
				c.Code, c.Dialect, c.Service, c.Errors = in.row["code"], in.dialect, in.row["service"], c.Errors+errors
				of[c.Code] = c
			}
		})
	}
	for _, code := range slices.Sorted(maps.Keys(of)) {
		b.codes = append(b.codes, of[code])
	}
	slices.SortStableFunc(b.codes, func(a, b seenCode) int { return int(b.Errors) - int(a.Errors) })
	b.codes = b.codes[:min(len(b.codes), maxCodes)]
	return b, nil
}

// equals reports whether a row is in the group to which a select is narrowed.
func (s Select) equals(row map[string]string) bool {
	for column, value := range s.Equal {
		if row[column] != value {
			return false
		}
	}
	return true
}
