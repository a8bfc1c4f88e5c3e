package alert

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/spike"
)

// steady is a rule on one group, whose past is given by the functions: the errors and requests of a
// bucket of five minutes.
type steady struct {
	rule             Rule
	errors, requests func(at time.Time) uint64
	without          []period
}

// baseSpike is a spike with the defaults of a rule, for one group.
var baseSpike = Spike{
	Windows: []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour}, PagesPerWeek: 1, Floor: 10, Factor: 2, PerRequest: true, Zone: time.UTC,
}

func constant(n uint64) func(time.Time) uint64 { return func(time.Time) uint64 { return n } }

// replay evaluates the rule every minute over the first hours after midnight. The past begins eight
// weeks before.
func (s steady) replay(hours int) []step {
	from, to := midnight, midnight.Add(time.Duration(hours)*time.Hour)
	d := data{errors: map[string]*series{"": {}}, requests: map[string]*series{"": {}}}
	bucketed := func(into *series, count func(time.Time) uint64) *buckets {
		var at []int64
		var counts []uint64
		for t := midnight.AddDate(0, 0, -56); t.Before(to); t = t.Add(spike.Step) {
			if n := count(t); n > 0 {
				at, counts = append(at, bucketOf(t)), append(counts, n)
				into.add(t, n)
			}
		}
		return newBuckets(at, counts)
	}
	u := newUsual(&s.rule, from, to)
	u.errors[""], u.requests[""], u.groups = bucketed(d.errors[""], s.errors), bucketed(d.requests[""], s.requests), 200
	u.without = append(s.without, u.holidayPeriods()...)
	d.usual = u
	_, steps := s.rule.replay(from, to, time.Minute, d, nil)
	return steps
}

// transitions writes steps as "01:05 inactive>firing".
func transitions(steps []step) string {
	var all []string
	for _, s := range steps {
		if s.change.quiet() {
			continue
		}
		all = append(all, fmt.Sprintf("%s %s>%s", s.at.Format("15:04"), s.change.From, s.change.To))
	}
	return strings.Join(all, ", ")
}

// burst adds errors to those of a constant past, from midnight plus the given minutes on.
func burst(usual uint64, from, to int, errors uint64) func(time.Time) uint64 {
	return func(t time.Time) uint64 {
		if m := int(t.Sub(midnight).Minutes()); m >= from && m < to {
			return errors
		}
		return usual
	}
}

func TestSpikeFiresAndRecovers(t *testing.T) {
	t.Parallel()
	s := steady{rule: Rule{Name: "R", Condition: baseSpike}, errors: burst(2, 60, 75, 60), requests: constant(1000)}
	steps := s.replay(8)
	// The buckets lie at multiples of five minutes, so the burst begins with the evaluation at
	// 01:01 and the last of it leaves the window of five minutes at 01:16.
	if got := transitions(steps); got != "01:01 inactive>firing, 01:16 firing>resolved" {
		t.Fatal(got)
	}
	// Poisson's distribution of mean 2 is above 5 in 1.7% of windows, and above 4 in 5.3%.
	if got := steps[0].change.Reason; !strings.HasPrefix(got, "60 errors in 5m, usually 0 to 5 (p = ") {
		t.Error(got)
	}
	if got := steps[0].change.Window.Over; got != 5*time.Minute {
		t.Error(got)
	}
}

// One error in five minutes becomes four. That is below the floor of the window of five minutes,
// but 24 in half an hour where 6 are usual are not.
func TestSlowRiseIsFoundByALongWindow(t *testing.T) {
	t.Parallel()
	s := steady{rule: Rule{Name: "R", Condition: baseSpike}, errors: burst(1, 60, 480, 4), requests: constant(1000)}
	steps := s.replay(8)
	if len(steps) == 0 || steps[0].change.To != Firing || steps[0].change.Window.Over < 30*time.Minute || steps[0].at.After(midnight.Add(5*time.Hour)) {
		t.Fatal(transitions(steps))
	}
	if len(steps) != 1 {
		t.Errorf("it stays: %s", transitions(steps))
	}
}

// getsentry/sentry #114120 and #51435: with a zero baseline a rule in percent never fires or always
// fires.
func TestZeroBaselineHasADefinedAnswer(t *testing.T) {
	t.Parallel()
	f := func(floor float64, errors uint64, fires bool) {
		t.Helper()
		c := baseSpike
		c.Floor = floor
		s := steady{rule: Rule{Name: "R", Condition: c}, errors: burst(0, 60, 65, errors), requests: constant(1000)}
		if got := transitions(s.replay(2)); (got != "") != fires {
			t.Errorf("%d errors, floor %v: %q", errors, floor, got)
		}
	}
	f(10, 9, false)
	f(10, 10, true)
	// alpha is 5 minutes / (10080 minutes * 200 groups * 2) = 1.2e-6, and after 78 windows without
	// an error three have p = 6e-7, two have p = 6e-5.
	f(1, 2, false)
	f(1, 3, true)
}

// getsentry/sentry #21436: false spikes because an earlier window was cut off.
func TestGapsAndHolidaysAreNotCompared(t *testing.T) {
	t.Parallel()
	// Four weeks had a thirtieth of the errors. The present has as many as the other two.
	present := func(t time.Time) uint64 {
		if weeks := int(midnight.Add(24*time.Hour).Sub(t).Hours()) / 168; weeks >= 1 && weeks <= 4 {
			return 1
		}
		return 30
	}
	c := baseSpike
	c.PerRequest = false
	s := steady{rule: Rule{Name: "R", Condition: c}, errors: present, requests: constant(1000)}
	if got := transitions(s.replay(1)); got == "" {
		t.Fatal("four of six weeks had nearly none, and nothing fires")
	}
	s.without = []period{{midnight.AddDate(0, 0, -34), midnight.AddDate(0, 0, -1)}}
	if got := transitions(s.replay(1)); got != "" {
		t.Errorf("four weeks are a gap: %s", got)
	}
	for week := 1; week <= 4; week++ {
		day := midnight.AddDate(0, 0, -7*week)
		c.Holidays = append(c.Holidays, day.Format(time.DateOnly), day.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	s.rule.Condition, s.without = c, nil
	if got := transitions(s.replay(1)); got != "" {
		t.Errorf("four weeks are holidays: %s", got)
	}
}

// getsentry/sentry #78846: a busy hour that comes every week is no spike.
func TestWeeklySeasonIsUsual(t *testing.T) {
	t.Parallel()
	busy := func(at time.Time) uint64 {
		if at.Weekday() == midnight.Weekday() && at.Hour() < 2 {
			return 200
		}
		return 1
	}
	s := steady{rule: Rule{Name: "R", Condition: baseSpike}, errors: busy, requests: constant(1000)}
	if got := transitions(s.replay(6)); got != "" {
		t.Error(got)
	}
	// The hour of the week is local: in a zone that changed its clock in between it is another one.
	c := baseSpike
	c.PerRequest = false
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	c.Zone = berlin
	local := func(at time.Time) uint64 {
		if at := at.In(berlin); at.Weekday() == time.Monday && at.Hour() >= 2 && at.Hour() < 4 {
			return 200
		}
		return 1
	}
	s = steady{rule: Rule{Name: "R", Condition: c}, errors: local, requests: constant(1000)}
	if got := transitions(s.replay(6)); got != "" {
		t.Errorf("in local time: %s", got)
	}
	c.Zone = time.UTC
	s.rule.Condition = c
	if got := transitions(s.replay(6)); got == "" {
		t.Error("in UTC the busy hours have moved by one since October, and nothing fires")
	}
}

// YelpArchive/elastalert #2784: the alert falls silent once the reference window absorbs the spike.
func TestBaselineIsFrozenWhileFiring(t *testing.T) {
	t.Parallel()
	// The errors never come down again. Weeks later, what is usual would include them.
	s := steady{rule: Rule{Name: "R", Condition: baseSpike}, errors: func(at time.Time) uint64 {
		if at.Before(midnight.Add(time.Hour)) {
			return 2
		}
		return 60
	}, requests: constant(1000)}
	if got := transitions(s.replay(24 * 25)); got != "01:01 inactive>firing" {
		t.Error(got)
	}
}

// A spike that is over says nothing of the same hour a week later.
func TestFiringWindowsAreNotCompared(t *testing.T) {
	t.Parallel()
	again := func(at time.Time) uint64 {
		if at.Before(midnight) || at.Hour() != 1 || at.Weekday() != midnight.Weekday() {
			return 2
		}
		return 60
	}
	s := steady{rule: Rule{Name: "R", Condition: baseSpike}, errors: again, requests: constant(1000)}
	if got := strings.Count(transitions(s.replay(24*7*3+3)), "inactive>firing"); got != 4 {
		t.Errorf("fires %d times in 4 weeks", got)
	}
}

// A tenant whose traffic began last week has too few windows to be judged by.
func TestNewTenantIsLearning(t *testing.T) {
	t.Parallel()
	f := func(weeks int, want string) {
		t.Helper()
		began := midnight.AddDate(0, 0, -7*weeks).Add(-5 * time.Hour)
		only := func(count func(time.Time) uint64) func(time.Time) uint64 {
			return func(at time.Time) uint64 {
				if at.Before(began) {
					return 0
				}
				return count(at)
			}
		}
		for _, perRequest := range []bool{true, false} {
			c := baseSpike
			c.PerRequest = perRequest
			s := steady{rule: Rule{Name: "R", Condition: c}, errors: only(burst(0, 60, 65, 50)), requests: only(constant(1000))}
			if got := transitions(s.replay(2)); got != want {
				t.Errorf("%d weeks, per request %v: %q, want %q", weeks, perRequest, got, want)
			}
		}
	}
	f(0, "")
	f(1, "")
	f(2, "01:01 inactive>firing, 01:06 firing>resolved")
}

// Twice the traffic with twice the errors is no spike, and half the traffic with the same errors
// is.
func TestErrorsAreComparedWithRequests(t *testing.T) {
	t.Parallel()
	s := steady{rule: Rule{Name: "R", Condition: baseSpike}, errors: burst(50, 60, 120, 500), requests: burst(1000, 60, 120, 10000)}
	if got := transitions(s.replay(3)); got != "" {
		t.Error(got)
	}
	s.requests = burst(1000, 60, 120, 100)
	s.errors = constant(50)
	if got := transitions(s.replay(2)); !strings.HasPrefix(got, "01:01 inactive>firing") {
		t.Error(got)
	}
}

func TestSpikeKeys(t *testing.T) {
	f := func(spikeKeys, want string) {
		t.Helper()
		_, err := read("alerts.yaml", []byte("groups:\n  - name: g\n    rules:\n      - alert: R\n        by: [tenant]\n"+spikeKeys))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", spikeKeys, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", spikeKeys, err, want)
		}
	}
	f("        spike: {windows: [5m, 30m, 3h], pages_per_week: 1, floor: 10, factor: 2, timezone: Europe/Berlin, holidays: [2026-12-25]}\n", "")
	f("        spike: {}\n", "")
	f("        spike: {windows: [7m]}\n", `alerts.yaml:6:27: rule R: spike.windows[0]: "7m": what is usual is known for every five minutes, so give a multiple of 5m`)
	f("        spike: {windows: [5m, 300s]}\n", `spike.windows[1]: "300s" is listed twice: remove one`)
	f("        spike: {windows: [90s]}\n", `spike.windows[0]: "90s": data is counted by the minute`)
	f("        spike: {pages_per_week: 0}\n", "spike.pages_per_week: 0 is too little: give 0.001 or more")
	f("        spike: {floor: 0}\n", "spike.floor: 0 is too little: give 1 or more")
	f("        spike: {factor: 0.5}\n", "spike.factor: 0.5 is too little: give 1 or more")
	f("        spike: {timezone: Berlin}\n", `spike.timezone: "Berlin" is not a time zone: give its name in the IANA database, such as Europe/Berlin`)
	f("        spike: {holidays: [25.12.]}\n", `spike.holidays[0]: "25.12." is not a date: write it like 2026-12-25`)
	f("        spike: {}\n        resolve_below: 5\n", "resolve_below: a spike recovers by itself when the errors are usual again: remove the key")
}

func TestBuckets(t *testing.T) {
	f := func(at []int64, counts []uint64) {
		t.Helper()
		raw := map[int64]uint64{}
		for i, bucket := range at {
			raw[bucket] = counts[i]
		}
		b := newBuckets(at, counts)
		for from := int64(95); from < 130; from++ {
			for to := from; to < 130; to++ {
				want := uint64(0)
				for bucket := from; bucket < to; bucket++ {
					want += raw[bucket]
				}
				if got := b.between(from, to); got != want {
					t.Fatalf("%v: [%d, %d): %d, want %d", at, from, to, got, want)
				}
			}
		}
	}
	f(nil, nil)
	f([]int64{100}, []uint64{3})
	f([]int64{100, 101, 103, 104, 109, 110}, []uint64{1, 2, 3, 4, 5, 6}) // dense
	f([]int64{100, 127}, []uint64{1, 2})
	var none *buckets
	if none.between(1, 2) != 0 || none.first() < 1e15 {
		t.Error("a nil one is not empty")
	}
}

// Groups share the dispersion of their past, and a firing alert is left out of it. One group after
// the other is replayed as minute after minute, also at the end of the time for which that holds.
func TestGroupsAreReplayedOneAfterTheOther(t *testing.T) {
	rule := Rule{Name: "S", By: []string{"tenant"}, Condition: Spike{Windows: []time.Duration{5 * time.Minute, 30 * time.Minute}, PagesPerWeek: 5, Floor: 5, Factor: 2, Zone: time.UTC}}
	from, to := midnight, midnight.AddDate(0, 0, 8)
	random := rand.New(rand.NewPCG(1, 2))
	counted := map[string]*series{}
	past := map[string]*buckets{}
	for _, tenant := range []string{"a", "b", "c", "d"} {
		of := &series{keys: []string{tenant}}
		var at []int64
		var counts []uint64
		for t := midnight.AddDate(0, 0, -49); t.Before(to); t = t.Add(spike.Step) {
			n := uint64(random.IntN(4)) // and a burst of twenty minutes every 37 hours
			if since := int(t.Sub(midnight.AddDate(0, 0, -49))/time.Minute) + 300*int(tenant[0]); since%(37*60) < 20 {
				n += 20
			}
			if n > 0 {
				of.add(t, n)
				at, counts = append(at, bucketOf(t)), append(counts, n)
			}
		}
		counted[tenant], past[tenant] = of, newBuckets(at, counts)
	}
	replayed := func(piece time.Duration) (all []string) {
		u := newUsual(&rule, from, to)
		maps.Copy(u.errors, past)
		maps.Copy(u.requests, past) // which say since when a group is known
		u.prepare(&rule)
		alerts := map[string]Alert{}
		for start := from; start.Before(to); start = start.Add(piece) {
			var steps []step
			alerts, steps = rule.replay(start, start.Add(piece), time.Minute, data{errors: counted, usual: u}, alerts)
			for _, s := range steps {
				all = append(all, fmt.Sprint(s.at.Format("02 15:04"), s.keys, s.change.From, s.change.To, s.change.Reason))
			}
		}
		return all
	}
	want, got := replayed(time.Minute), replayed(to.Sub(from))
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 20 {
		t.Errorf("%d transitions, minute after minute (-) and group after group (+):\n%s", len(want), diff)
	}
}
