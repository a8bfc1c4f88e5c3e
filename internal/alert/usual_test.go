package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

// sixWeeks writes, for six weeks back, twenty requests and two errors in every five minutes around
// the same hours.
func (w *world) sixWeeks(tenant string) {
	w.t.Helper()
	for week := 6; week > 0; week-- {
		var lines []logged
		start := midnight.AddDate(0, 0, -7*week)
		for minute := -210; minute < 120; minute += 5 {
			at := start.Add(time.Duration(minute) * time.Minute)
			for i := range 20 {
				body := fine
				if i < 2 {
					body = quota
				}
				lines = append(lines, logged{at: at.Add(time.Duration(i) * time.Second), id: fmt.Sprintf("u-%d-%d-%d", week, minute, i), tenant: tenant, body: body})
			}
		}
		w.insertLines(lines...)
	}
}

const quotaSpike = `
groups:
  - name: spikes
    rules:
      - alert: QuotaSpike
        select: {codes: ['OSM.010100*']}
        by: [tenant]
        spike: {}
`

// A spike on the database: read from six weeks, fired, restarted, recovered, and left out of what
// is usual afterwards.
func TestSpikeOnStoredData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sixWeeks("acme")
	w.sixWeeks("globex")
	w.insert(request{58, 20, "acme", fine}, request{61, 40, "acme", quota}, request{62, 20, "acme", fine}, request{61, 20, "globex", fine}, request{61, 3, "globex", quota})
	w.mark(64)
	w.once(w.runner(quotaSpike, nil))
	w.want("62 QuotaSpike inactive>firing")
	// In the window are 60 requests, of which 40 have an error; two in twenty are usual, so 6 in
	// 60. P(Y > 10) is 4.3% for Poisson's distribution of mean 6, and P(Y > 9) 8.4%.
	if got := w.reasons[0]; !strings.HasPrefix(got, "40 errors in 5m, usually 2 to 10 (p = ") {
		t.Error(got)
	}
	w.mark(70)
	r := w.runner(quotaSpike, nil) // another process takes the frozen baseline from the database
	w.once(r)
	w.want("62 QuotaSpike inactive>firing, 67 QuotaSpike firing>resolved")
	rule := &r.Groups[0].Rules[0]
	firing, err := firingPeriods(t.Context(), w.store, rule.Name, midnight, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	periods := firing[rule.fingerprint([]string{"acme"})]
	if len(firing) != 1 || len(periods) != 1 || !periods[0].from.Equal(midnight.Add(57*time.Minute)) || !periods[0].to.Equal(midnight.Add(67*time.Minute)) {
		t.Errorf("%+v", firing)
	}
	if r.evaluator.source.(*stored).usuals[rule.Name].groups != 2 {
		t.Errorf("%d groups, want the two tenants", r.evaluator.source.(*stored).usuals[rule.Name].groups)
	}
}

// What is usual is the same, whether it is read for an hour or for a month.
func TestUsualIsReadTheSameForAnyTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sixWeeks("acme")
	r := w.runner(quotaSpike, nil)
	rule := &r.Groups[0].Rules[0]
	at := midnight.Add(time.Hour)
	short, err := newStored(w.store).readUsual(t.Context(), rule, at.Add(-time.Minute), at)
	if err != nil {
		t.Fatal(err)
	}
	long, err := newStored(w.store).readUsual(t.Context(), rule, at.AddDate(0, 0, -20), at)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := len(short.reads()), len(long.reads()); a != 6 || b != 1 {
		t.Errorf("read in %d and %d periods", a, b)
	}
	for _, u := range []*usual{short, long} {
		u.prepare(rule)
		for i := range u.windows {
			// Ends from 00:30 to 01:30 in each of six weeks. In each step of five minutes are 2
			// errors in 20 requests.
			b := u.of(rule, []string{"acme"}).baseline(at, i)
			if got := b.Mean(1000); got < 99.9 || got > 101 || b.Phi != 1 || b.Learning {
				t.Errorf("window %d: %+v", i, b)
			}
		}
	}
}

func TestPieces(t *testing.T) {
	day := func(n float64) time.Time { return midnight.Add(time.Duration(n * 24 * float64(time.Hour))) }
	f := func(want string, reads ...period) {
		t.Helper()
		got := ""
		for _, piece := range pieces(reads) {
			got += "["
			for _, p := range piece {
				got += fmt.Sprintf(" %v-%v", p.from.Sub(midnight).Hours()/24, p.to.Sub(midnight).Hours()/24)
			}
			got += " ]"
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("[ 0-1 7-8 14-15 ]", period{day(0), day(1)}, period{day(7), day(8)}, period{day(14), day(15)})
	f("[ 0-8 ][ 8-16 ][ 16-20 ]", period{day(0), day(20)})
	f("[ 0-5 10-13 ][ 13-14.5 ]", period{day(0), day(5)}, period{day(10), day(14.5)})
	f("[ 0-8 ]", period{day(0), day(8)})
	f("")
}

func TestGapPeriods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(minute int) time.Time { return midnight.Add(time.Duration(minute) * time.Minute) }
	w.insert(request{10, 1, "acme", fine}) // offset 0
	w.offset = 5                           // 1 to 4 are lost
	w.insert(request{40, 1, "acme", fine})
	w.offset = 9 // 6 to 8 are lost, and nothing came after them
	for _, g := range []store.Gap{{Topic: "logs", FirstOffset: 1, LastOffset: 4, Reason: "deleted"}, {Topic: "logs", FirstOffset: 6, LastOffset: 8, Reason: "deleted"}} {
		if err := w.store.InsertGap(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	gaps, err := gapPeriods(t.Context(), w.store, at(0), at(60))
	if err != nil || len(gaps) != 2 {
		t.Fatal(gaps, err)
	}
	if gaps[0].to.IsZero() {
		gaps[0], gaps[1] = gaps[1], gaps[0]
	}
	if !gaps[0].from.Equal(at(10)) || !gaps[0].to.Equal(at(40)) || !gaps[1].from.Equal(at(40)) || !gaps[1].to.IsZero() {
		t.Errorf("%+v", gaps)
	}
	if gaps, err = gapPeriods(t.Context(), w.store, at(0).AddDate(0, 0, 3), at(0).AddDate(0, 0, 4)); err != nil || len(gaps) != 0 {
		t.Errorf("far from the gaps: %+v %v", gaps, err)
	}
}

func TestSeries(t *testing.T) {
	minute := func(m float64) time.Time { return midnight.Add(time.Duration(m * float64(time.Minute))) }
	for _, minutes := range [][]int{{0}, {0, 1, 2, 3}, {0, 1, 7, 30}, {3, 2000}} { // the last one is not dense
		s := &series{}
		for i, m := range minutes {
			s.add(minute(float64(m)), uint64(i+1))
			s.add(minute(float64(m)), 10)
			for from := -2.0; from < 35; from += 0.5 {
				for to := from; to < 35; to += 0.5 {
					want := uint64(0)
					for j, at := range minutes[:i+1] {
						if float64(at) >= from && float64(at) < to {
							want += uint64(j + 11)
						}
					}
					if got := s.between(minute(from), minute(to)); got != want {
						t.Fatalf("%v: [%v, %v): %d, want %d", minutes[:i+1], from, to, got, want)
					}
				}
			}
		}
	}
	var none *series
	if none.between(minute(0), minute(1)) != 0 || (&series{}).between(minute(0), minute(1)) != 0 {
		t.Error("an empty one has counts")
	}
}
