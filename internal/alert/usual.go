package alert

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"errata/internal/spike"
	"errata/internal/store"
)

// reference says which windows of the past are compared with the present ones: those of the same
// local hour of the week, in the last spike.Weeks weeks.
type reference struct {
	windows    []time.Duration // the shortest first
	perRequest bool            // exposure is requests, not time
	zone       *time.Location
	holidays   []string // local dates
}

// usual is the past of all groups of a rule, as the evaluations in (from, to] need it. It is read
// once for many evaluations and belongs to one goroutine.
type usual struct {
	reference
	from, to time.Time
	errors   map[string]*buckets               // by group
	requests map[string]*buckets               // by place
	firing   map[string][]period               // when the alert of a group was firing, by fingerprint
	without  []period                          // gaps and holidays
	replayed bool                              // alerts may be resolved at any time, which resolved does not know
	pasts    map[string]*past                  // by group
	shared   map[int64][]float64               // the rule's dispersion for each window, by hour
	middle   map[int64]*[spike.Weeks]time.Time // what middles returned, by bucket
	overlaps []float64                         // spike.Overlap of each window
	groups   int                               // that share the budget of the rule
	sample   []string                          // the groups whose dispersions the others share
}

func newUsual(rule *Rule, from, to time.Time) *usual {
	u := &usual{
		reference: *rule.Condition.needs().usual, from: from, to: to,
		errors: map[string]*buckets{}, requests: map[string]*buckets{}, pasts: map[string]*past{}, shared: map[int64][]float64{},
		middle: map[int64]*[spike.Weeks]time.Time{},
	}
	for _, window := range u.windows {
		u.overlaps = append(u.overlaps, spike.Overlap(window))
	}
	return u
}

// period is the time [from, to). It has no end while to is zero.
type period struct{ from, to time.Time }

func (p period) overlaps(from, to time.Time) bool {
	return p.from.Before(to) && (p.to.IsZero() || from.Before(p.to))
}

// past is the past of one group.
type past struct {
	all              *usual
	errors, requests *buckets
	firing           []period // in order
	first            int64    // the bucket of the first request known
	known            []known  // for each window
}

// known is the baseline that was asked for last.
type known struct {
	bucket   int64
	baseline spike.Baseline
}

// of returns the past of a group.
func (u *usual) of(r *Rule, keys []string) *past {
	if u == nil {
		return nil
	}
	name := nameOf(keys)
	if p := u.pasts[name]; p != nil {
		return p
	}
	p := &past{
		all: u, errors: u.errors[name], requests: u.requests[nameOf(r.place(keys))], firing: u.firing[r.fingerprint(keys)],
		known: make([]known, len(u.windows)),
	}
	p.first = p.requests.first()
	u.pasts[name] = p
	return p
}

// alpha returns the probability below which a group fires. The groups of the rule share it.
func (u *usual) alpha(pagesPerWeek float64) float64 {
	return spike.Alpha(pagesPerWeek, u.windows[0], u.groups)
}

// note records that the alert began to fire or was resolved, so that these windows are left out
// from now on. It is safe to repeat.
func (p *past) note(at time.Time, c Change) {
	if p == nil {
		return
	}
	switch last := len(p.firing) - 1; {
	case c.starts():
		from := at.Add(-p.all.windows[0])
		p.firing = slices.DeleteFunc(p.firing, func(f period) bool { return !f.from.Before(from) })
		p.firing = append(p.firing, period{from: from})
	case c.To == Resolved && last >= 0:
		p.firing[last].to = at
	}
}

// after returns from, or the time at which the alert was last resolved if that is later: what an
// alert has told already is not told again by a longer window.
func (p *past) after(from, at time.Time) time.Time {
	for _, f := range p.firing {
		if f.to.After(from) && !f.to.After(at) {
			from = f.to
		}
	}
	return from
}

// resolved returns when the alerts of all groups were resolved, or may be in [from, to]: times that
// after returns.
func (u *usual) resolved(from, to time.Time) (all []time.Time) {
	for at := from; u.replayed && !at.After(to); at = at.Add(time.Minute) {
		all = append(all, at)
	}
	for _, p := range u.pasts {
		for _, f := range p.firing {
			if !f.to.IsZero() {
				all = append(all, f.to)
			}
		}
	}
	return all
}

// baseline returns what is usual at a time for one of the windows.
func (p *past) baseline(at time.Time, window int) spike.Baseline {
	bucket := bucketOf(at)
	k := &p.known[window]
	if k.bucket != bucket {
		u, weeks := p.all, p.weeks(at, window)
		*k = known{bucket, spike.Usual(weeks[:], u.overlaps[window], u.dispersion(at, window))}
	}
	return k.baseline
}

// weeks sums up the reference windows of the last weeks.
func (p *past) weeks(at time.Time, window int) (weeks [spike.Weeks]spike.Week) {
	u := p.all
	length, around := int64(u.windows[window]/spike.Step), u.windows[window]+spike.Reach
	for i, middle := range u.middles(at) {
		left := u.leftOut(middle.Add(-around), middle.Add(spike.Reach), p.firing)
		end := bucketOf(middle) - reach
		errors, exposure := p.errors.ending(end, length), [spike.Starts]uint64{}
		if u.perRequest {
			exposure = p.requests.ending(end, length)
		}
		for j, n := range errors {
			to := end + int64(j)
			switch {
			case to-length < p.first || len(left) > 0 && leaves(left, to-length, to):
			case u.perRequest:
				weeks[i].Add(float64(n), float64(exposure[j]))
			default:
				weeks[i].Add(float64(n), 1)
			}
		}
	}
	return weeks
}

// reach is spike.Reach in buckets.
const reach = int64(spike.Reach / spike.Step)

// leaves reports whether a window of the buckets in [from, to) is left out.
func leaves(left []period, from, to int64) bool {
	for _, p := range left {
		if p.overlaps(time.Unix(from*bucketSeconds, 0), time.Unix(to*bucketSeconds, 0)) {
			return true
		}
	}
	return false
}

// weeksBefore returns the same local time some weeks before, at a multiple of spike.Step.
func (u *usual) weeksBefore(at time.Time, weeks int) time.Time {
	return at.Truncate(spike.Step).In(u.zone).AddDate(0, 0, -7*weeks)
}

// middles returns the middles of the last weeks' reference times.
func (u *usual) middles(at time.Time) *[spike.Weeks]time.Time {
	bucket := bucketOf(at)
	middles := u.middle[bucket]
	if middles == nil {
		middles = new([spike.Weeks]time.Time)
		for i := range middles {
			middles[i] = u.weeksBefore(at, i+1)
		}
		u.middle[bucket] = middles
	}
	return middles
}

// leftOut returns the periods within a time whose windows are not compared.
func (u *usual) leftOut(from, to time.Time, firing []period) (left []period) {
	for _, all := range [][]period{u.without, firing} {
		for _, p := range all {
			if p.overlaps(from, to) {
				left = append(left, p)
			}
		}
	}
	return left
}

// dispersion returns the dispersion that the groups of the rule share in an hour.
func (u *usual) dispersion(at time.Time, window int) float64 {
	hour := at.Truncate(time.Hour)
	shared := u.shared[hour.Unix()]
	if shared == nil {
		shared = make([]float64, len(u.windows))
		for i := range u.windows {
			var all []float64
			for _, name := range u.sample {
				if p := u.pasts[name]; p != nil {
					weeks := p.weeks(hour, i)
					if phi, ok := spike.Dispersion(weeks[:], u.overlaps[i]); ok {
						all = append(all, phi)
					}
				}
			}
			shared[i] = spike.Shared(all)
		}
		u.shared[hour.Unix()] = shared
	}
	return shared[window]
}

// buckets holds the counts of one group by steps of spike.Step. A nil one is empty.
type buckets struct {
	at   []int64 // numbers of steps since 1970, in order
	sums []uint64
	// dense has the sum before each bucket from at[0] on, if most have counts: then looking one up
	// takes no search.
	dense []uint64
}

const bucketSeconds = int64(spike.Step / time.Second)

func bucketOf(t time.Time) int64 { return t.Unix() / bucketSeconds }

func newBuckets(at []int64, counts []uint64) *buckets {
	b := &buckets{at: at, sums: counts}
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
	if n := int64(len(at)); n > 0 && at[n-1]-at[0] < 4*n {
		b.dense = make([]uint64, at[n-1]-at[0]+2)
		for i, bucket := range at {
			next := int64(len(b.dense))
			if i+1 < len(at) {
				next = at[i+1] - at[0] + 1
			}
			for j := bucket - at[0] + 1; j < next; j++ {
				b.dense[j] = counts[i]
			}
		}
	}
	return b
}

// first returns the first bucket that has counts.
func (b *buckets) first() int64 {
	if b == nil || len(b.at) == 0 {
		return 1 << 62
	}
	return b.at[0]
}

// between returns the count of the buckets in [from, to).
func (b *buckets) between(from, to int64) uint64 {
	if b == nil || len(b.at) == 0 {
		return 0
	}
	return b.before(to) - b.before(from)
}

func (b *buckets) before(bucket int64) uint64 {
	if b.dense != nil {
		return b.dense[min(max(bucket-b.at[0], 0), int64(len(b.dense)-1))]
	}
	return b.sum(b.index(bucket))
}

// index returns how many of the buckets in at are before one.
func (b *buckets) index(bucket int64) int {
	i, _ := slices.BinarySearch(b.at, bucket)
	return i
}

// sum returns the count of the first buckets of at.
func (b *buckets) sum(n int) uint64 {
	if n == 0 {
		return 0
	}
	return b.sums[n-1]
}

// ending returns the counts of windows of equal length: of the one that ends before the given
// bucket, and of those that end one bucket later each.
func (b *buckets) ending(end, length int64) (counts [spike.Starts]uint64) {
	if b == nil || len(b.at) == 0 {
		return counts
	}
	if b.dense != nil {
		last := int64(len(b.dense) - 1)
		to := end - b.at[0]
		if from := to - length; from >= 0 && to+int64(spike.Starts)-1 <= last {
			ends, starts := b.dense[to:to+int64(spike.Starts)], b.dense[from:from+int64(spike.Starts)]
			for i := range counts {
				counts[i] = ends[i] - starts[i]
			}
			return counts
		}
		for i := range counts {
			to := end - b.at[0] + int64(i)
			counts[i] = b.dense[min(max(to, 0), last)] - b.dense[min(max(to-length, 0), last)]
		}
		return counts
	}
	low, high := b.index(end-length), b.index(end)
	for i := range counts {
		to := end + int64(i)
		for low < len(b.at) && b.at[low] < to-length {
			low++
		}
		for high < len(b.at) && b.at[high] < to {
			high++
		}
		counts[i] = b.sum(high) - b.sum(low)
	}
	return counts
}

// readAhead is how long a past that was read serves.
const readAhead = time.Hour

// usual returns the past that the evaluations of a rule in (from, to] need. It is read again when
// an hour is over, so a rule costs a few queries an hour.
func (s *stored) usual(ctx context.Context, rule *Rule, from, to time.Time) (*usual, error) {
	if u := s.usuals[rule.Name]; u != nil && !from.Before(u.from) && !to.After(u.to) {
		return u, nil
	}
	u, err := s.readUsual(ctx, rule, from, to.Truncate(readAhead).Add(readAhead))
	if err != nil {
		return nil, err
	}
	if u.firing, err = firingPeriods(ctx, s.Store, rule.Name, u.reads()[0].from, u.windows[0]); err != nil {
		return nil, err
	}
	u.prepare(rule)
	s.usuals[rule.Name] = u
	return u, nil
}

// readUsual reads everything but when the alerts were firing.
func (s *stored) readUsual(ctx context.Context, rule *Rule, from, to time.Time) (*usual, error) {
	u := newUsual(rule, from, to)
	reads := u.reads()
	gaps, err := askOnce(s, fmt.Sprint("gaps ", reads[0].from, to), func() ([]period, error) { return gapPeriods(ctx, s.Store, reads[0].from, to) })
	if err != nil {
		return nil, err
	}
	u.without = slices.Concat(gaps, u.holidayPeriods())
	if err := s.readRequests(ctx, rule, u, reads); err != nil {
		return nil, err
	}
	if rule.ofRequests() {
		return u, nil
	}
	return u, s.readErrors(ctx, rule, u, reads)
}

// maxSample is about how many groups say what dispersion is usual.
const maxSample = 200

// prepare makes the pasts of all groups, whose dispersions the others share.
func (u *usual) prepare(rule *Rule) {
	u.groups = max(len(u.errors), len(u.requests))
	names := slices.Sorted(maps.Keys(u.errors))
	u.sample = nil
	for i, name := range names {
		u.of(rule, strings.Split(name, "\x00")[:len(rule.By)])
		if every := max(1, len(names)/maxSample); i%every == 0 {
			u.sample = append(u.sample, name)
		}
	}
}

// reads returns the times to read, in order: those around the same hours of past weeks or, if these
// meet, everything from the first on.
func (u *usual) reads() (all []period) {
	before, after := u.windows[len(u.windows)-1]+spike.Reach+spike.Step, spike.Reach+spike.Step
	for week := spike.Weeks; week > 0; week-- {
		next := period{u.weeksBefore(u.from, week).Add(-before), u.weeksBefore(u.to, week).Add(after)}
		if last := len(all) - 1; last >= 0 && !next.from.After(all[last].to) {
			all[last].to = next.to
			continue
		}
		all = append(all, next)
	}
	return all
}

func (u *usual) holidayPeriods() (all []period) {
	for _, date := range u.holidays {
		if day, err := time.ParseInLocation(time.DateOnly, date, u.zone); err == nil {
			all = append(all, period{day, day.AddDate(0, 0, 1)})
		}
	}
	return all
}

// withinAny returns the condition that a row lies in one of the periods.
func withinAny(periods []period, timeColumn string) store.Condition {
	var parts []string
	var args []any
	for _, p := range periods {
		where := within(p.from, p.to, timeColumn)
		parts, args = append(parts, "("+where.SQL+")"), append(args, where.Args...)
	}
	return store.Condition{SQL: "(" + strings.Join(parts, " OR ") + ")", Args: args}
}

// readRequests counts the requests of each place and, if the rule looks at nothing else, those of
// them that had an error. Rules that ask for the same share the answer.
func (s *stored) readRequests(ctx context.Context, rule *Rule, u *usual, reads []period) error {
	sums := []string{"sum(requests)"}
	if rule.ofRequests() {
		sums = append(sums, "sum(errors)")
	}
	place := rule.place(rule.By)
	where := func(periods []period) store.Condition { return rule.Select.where(withinAny(periods, "minute"), true) }
	picked := where(reads)
	what := fmt.Sprint("usual ", sums, place, picked.SQL, picked.Args)
	counts, err := askOnce(s, what, func() ([2]map[string]*buckets, error) {
		all := [2]map[string]*buckets{{}, {}}
		return all, bucketsOf(ctx, s.Store, "traffic_minute", sums, reads, where, place, all[:]...)
	})
	u.requests = counts[0]
	if rule.ofRequests() {
		u.errors = counts[1]
	}
	return err
}

// readErrors counts the errors of each group, single ones if the select looks at what sums do not
// have.
func (s *stored) readErrors(ctx context.Context, rule *Rule, u *usual, reads []period) error {
	view, sum, column := "error_minute", "sum(errors)", "minute"
	if rule.Select.single() {
		view, sum, column = "(SELECT *, toStartOfMinute(ts) AS minute FROM errors)", "count()", "ts"
	}
	where := func(periods []period) store.Condition { return rule.Select.where(withinAny(periods, column), false) }
	return bucketsOf(ctx, s.Store, view, []string{sum}, reads, where, rule.By, u.errors)
}

// readDays is how much time one query reads, so that it answers in time.
const readDays = 8 * 24 * time.Hour

// pieces cuts periods into lists for one query each.
func pieces(reads []period) (all [][]period) {
	var list []period
	length := time.Duration(0)
	for _, p := range reads {
		for from := p.from; from.Before(p.to); {
			to := from.Add(readDays - length)
			if to.After(p.to) {
				to = p.to
			}
			list, length = append(list, period{from, to}), length+to.Sub(from)
			if from = to; length == readDays {
				all, list, length = append(all, list), nil, 0
			}
		}
	}
	if len(list) > 0 {
		all = append(all, list)
	}
	return all
}

// bucketCount is what one group counted in a bucket.
type bucketCount struct {
	at     int64
	counts [2]uint64
}

// bucketsOf counts by steps of spike.Step in all periods: each sum into a map of its own, by group.
// A row of the result is a whole group.
func bucketsOf(ctx context.Context, s *store.Store, view string, sums []string, reads []period, where func([]period) store.Condition, by []string, into ...map[string]*buckets) error {
	parts := pieces(reads)
	found := make([]map[string][]bucketCount, len(parts))
	queries, ctx := errgroup.WithContext(ctx)
	queries.SetLimit(2) // ClickHouse works on one while the rows of the other are read
	for i, part := range parts {
		found[i] = map[string][]bucketCount{}
		queries.Go(func() error { return readBuckets(ctx, s, view, sums, where(part), by, found[i]) })
	}
	if err := queries.Wait(); err != nil {
		return fmt.Errorf("count what is usual: %w", err)
	}
	groups := map[string][]bucketCount{}
	for _, part := range found {
		for name, counts := range part {
			groups[name] = append(groups[name], counts...)
		}
	}
	for name, counts := range groups {
		slices.SortFunc(counts, func(a, b bucketCount) int { return cmp.Compare(a.at, b.at) })
		for i := range sums {
			var at []int64
			var values []uint64
			for _, c := range counts {
				if c.counts[i] > 0 {
					at, values = append(at, c.at), append(values, c.counts[i])
				}
			}
			if len(at) > 0 {
				into[i][name] = newBuckets(at, values)
			}
		}
	}
	return nil
}

func readBuckets(ctx context.Context, s *store.Store, view string, sums []string, where store.Condition, by []string, groups map[string][]bucketCount) error {
	inner, outer, names := "", "", "1"
	for _, column := range by {
		inner += "toString(" + column + ") AS key_" + column + ", "
		names += ", key_" + column
	}
	for i, sum := range sums {
		inner += fmt.Sprintf("%s AS sum_%d, ", sum, i)
		outer += fmt.Sprintf(", groupArray(sum_%d)", i)
	}
	sql := fmt.Sprintf(`SELECT %s, groupArray(bucket)%s FROM (SELECT %s intDiv(toUnixTimestamp(minute), %d) AS bucket FROM %s WHERE %s GROUP BY %s, bucket) GROUP BY %s`,
		names, outer, inner, bucketSeconds, view, where.SQL, names, names)
	return s.Query(ctx, sql, where.Args, func(scan func(...any) error) error {
		keys := make([]string, len(by))
		var one uint8
		var at []int64
		counts := make([][]uint64, len(sums))
		into := []any{&one}
		for i := range keys {
			into = append(into, &keys[i])
		}
		into = append(into, &at)
		for i := range counts {
			into = append(into, &counts[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		name := nameOf(keys)
		for i := range at {
			c := bucketCount{at: at[i]}
			for j := range counts {
				c.counts[j] = counts[j][i]
			}
			groups[name] = append(groups[name], c)
		}
		return nil
	})
}

// gapPeriods returns the times of records that were never read. The time of a gap lies between the
// batches around it.
func gapPeriods(ctx context.Context, s *store.Store, from, to time.Time) (all []period, err error) {
	where := store.Scope{From: from.Add(-24 * time.Hour), To: to.Add(24 * time.Hour)}.Where("max_ts")
	err = s.Query(ctx, `SELECT maxIf(b.max_ts, b.last_offset < g.first_offset), minIf(b.min_ts, b.first_offset > g.last_offset)
		FROM gaps AS g INNER JOIN (SELECT topic, partition, first_offset, last_offset, min_ts, max_ts FROM batches WHERE `+where.SQL+`) AS b
			ON b.topic = g.topic AND b.partition = g.partition
		GROUP BY g.topic, g.partition, g.first_offset, g.last_offset`, where.Args, func(scan func(...any) error) error {
		var p period
		err := scan(&p.from, &p.to)
		if p.from, p.to = store.OrZero(p.from), store.OrZero(p.to); !p.to.IsZero() && p.to.Before(p.from) {
			p.from, p.to = p.to, p.from
		}
		if !p.from.IsZero() || !p.to.IsZero() {
			all = append(all, p)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the gaps: %w", err)
	}
	return all, nil
}

// firingPeriods returns when the alerts of a rule were firing, by fingerprint.
func firingPeriods(ctx context.Context, s *store.Store, rule string, from time.Time, window time.Duration) (map[string][]period, error) {
	all := map[string][]period{}
	where := store.Scope{From: from}.Where("ts").And("rule = ?", rule).And("`to` IN (?)", []string{Firing, Resolved})
	err := s.Query(ctx, "SELECT fingerprint, ts, `to` FROM alerts WHERE "+where.SQL+" ORDER BY fingerprint, ts", where.Args, func(scan func(...any) error) error {
		var fingerprint, to string
		var at time.Time
		err := scan(&fingerprint, &at, &to)
		periods := all[fingerprint]
		switch last := len(periods) - 1; {
		case to == Firing && last >= 0 && periods[last].to.IsZero(): // again, or at another level
		case to == Firing:
			all[fingerprint] = append(periods, period{from: at.Add(-window)})
		case last >= 0:
			periods[last].to = at
		default: // it began to fire before
			all[fingerprint] = []period{{to: at}}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read when the alerts of rule %s were firing: %w", rule, err)
	}
	return all, nil
}
