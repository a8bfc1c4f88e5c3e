package spike

import (
	"math"
	"slices"
	"testing"
	"time"
)

// The values are those of R's pnbinom, to seven digits.
func TestGoldenValues(t *testing.T) {
	f := func(y, s, n, phi, want float64) {
		t.Helper()
		if got := (Baseline{Errors: s, Exposure: n, Phi: phi}).P(y, 1); math.Abs(got/want-1) > 1e-6 {
			t.Errorf("P(%v | S=%v, n=%v, phi=%v) is %v, want %v", y, s, n, phi, got, want)
		}
	}
	f(1, 0, 52, 1, 9.478887e-03)
	f(2, 0, 52, 1, 1.343481e-04)
	f(3, 0, 52, 1, 2.114070e-06)
	f(4, 0, 52, 1, 3.491876e-08)
	f(5, 0, 52, 1, 5.931490e-10)
	f(10, 52, 52, 1, 2.318597e-07)
	f(17, 0, 52, 3, 9.155291e-07)
	f(45, 260, 52, 3, 7.494188e-07)
	f(400, 5200, 52, 4, 7.063311e-21)
	f(60, 1560, 52, 1, 1.236417e-06)
	f(0, 1560, 52, 1, 1)
}

// The least number of errors that fires, with neither floor nor factor.
func TestThreshold(t *testing.T) {
	means := []float64{0, 0.02, 0.2, 1, 5, 30, 200}
	f := func(phi float64, want ...uint64) {
		t.Helper()
		var got []uint64
		for _, mean := range means {
			got = append(got, Test{Alpha: 1e-6}.Threshold(Baseline{Errors: mean * 52, Exposure: 52, Phi: phi}, 1))
		}
		if !slices.Equal(got, want) {
			t.Errorf("phi %v: got %v, want %v", phi, got, want)
		}
	}
	f(1, 4, 4, 6, 10, 20, 61, 273)
	f(2, 11, 13, 16, 21, 33, 80, 308)
	f(4, 23, 26, 33, 40, 56, 111, 363)
}

func TestThresholdIsWhereItFires(t *testing.T) {
	test := Test{Alpha: 1e-6, Floor: 10, Factor: 2}
	f := func(b Baseline, exposure float64, want uint64) {
		t.Helper()
		got := test.Threshold(b, exposure)
		if got != want {
			t.Errorf("%+v: threshold %d, want %d", b, got, want)
		}
		if fires := test.Fires(b, float64(got), exposure); fires != (got > 0) || test.Fires(b, float64(got)-1, exposure) {
			t.Errorf("%+v: fires at %d: %v, or already below it", b, got, fires)
		}
	}
	f(Baseline{Errors: 0, Exposure: 52, Phi: 1}, 1, 10)           // the floor
	f(Baseline{Errors: 200 * 52, Exposure: 52, Phi: 1}, 1, 401)   // the factor: twice 200 and a little
	f(Baseline{Errors: 30 * 52, Exposure: 52, Phi: 2}, 1, 80)     // the probability
	f(Baseline{Errors: 30 * 52, Exposure: 52e3, Phi: 2}, 1e3, 80) // the same by request
	f(Baseline{Errors: 30 * 52, Exposure: 52, Phi: 2, Learning: true}, 1, 0)
	f(Baseline{Phi: 1}, 1, 0)
}

// weeks makes six weeks of 13 windows with the given counts in turn.
func weeks(exposure float64, counts ...float64) []Week {
	all := make([]Week, Weeks)
	for i := range all {
		for j := range Starts {
			all[i].Add(counts[(i*Starts+j)%len(counts)], exposure)
		}
	}
	return all
}

func TestUsual(t *testing.T) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	b := Usual(weeks(1, 4, 6), 1, 1)
	near("S", b.Errors, 390)
	near("n", b.Exposure, 78)
	near("phi", b.Phi, 1) // the counts vary less than Poisson's would
	near("the mean", b.Mean(1), 390.5/78)

	// Counts 0 and 10: the squares of deviations from 390.5/78 add up to 78*25 and a little.
	mean := 390.5 / 78
	b = Usual(weeks(1, 0, 10), 1, 1)
	own := (39*mean*mean + 39*(10-mean)*(10-mean)) / mean / 77
	near("phi", b.Phi, (77*own+20)/97) // others speak for 20 windows
	near("the mean", b.Mean(1), (390+b.Phi/2)/78)
	near("phi without others", Usual(weeks(1, 0, 10), 1, 0).Phi, own)
	near("phi of the rule", Usual(weeks(1, 0, 10), 1, 9).Phi, 9)

	// By request: twice the requests, twice the errors.
	b = Usual(weeks(1000, 4, 6), 1, 1)
	near("the mean of twice the requests", b.Mean(2000), 2*390.5/78)

	// Two windows of 3 hours whose ends are 5i minutes apart have a correlation of 1 - 5i/180. The
	// distances of the 169 pairs of 13 ends add up to 728 steps.
	overlap := Overlap(3 * time.Hour)
	near("the overlap of 3h", overlap, 13/(169-728*5.0/180))
	near("the overlap of 5m", Overlap(5*time.Minute), 1)
	b = Usual(weeks(1, 4, 6), overlap, 1)
	near("n", b.Exposure, 78*overlap)
	near("S", b.Errors, 390*overlap)
	if b.Learning {
		t.Error("learning counts windows unscaled")
	}
}

func TestLearning(t *testing.T) {
	f := func(windows int, want bool) {
		t.Helper()
		var all [Weeks]Week
		for i := range windows {
			all[i/Starts].Add(1, 1)
		}
		for _, window := range []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour} {
			if b := Usual(all[:], Overlap(window), 1); b.Learning != want {
				t.Errorf("%d windows of %s: %+v", windows, window, b)
			}
		}
	}
	f(0, true)
	f(25, true)
	f(26, false)
	f(78, false)
}

// Two incidents in six weeks do not hide a third.
func TestContaminatedWeeksAreLeftOut(t *testing.T) {
	all := weeks(1, 4, 6)
	usual := Usual(all, 1, 1)
	for i, errors := range map[int]float64{1: 100, 4: 60} {
		all[i] = Week{}
		for range Starts {
			all[i].Add(errors, 1)
		}
	}
	b := Usual(all, 1, 1)
	if b.Exposure != 4*13 || math.Abs(b.Mean(1)-usual.Mean(1)) > 0.1 {
		t.Errorf("%+v", b)
	}
	all[2] = all[1] // a third makes it usual
	if b = Usual(all, 1, 1); b.Mean(1) < 15 {
		t.Errorf("%+v", b)
	}
	// A week of twice the requests and twice the errors is no incident.
	all = weeks(1000, 4, 6)
	all[3] = Week{}
	for i := range Starts {
		all[3].Add(float64(8+i%2*4), 2000)
	}
	if b = Usual(all, 1, 1); b.Exposure != 13*7000 {
		t.Errorf("%+v", b)
	}
}

// The errors rise by 10 each week, from 50 to 100, so 110 are to be expected. 100 is the highest
// week.
func TestRiseIsFollowed(t *testing.T) {
	rise := func(counts ...float64) []Week {
		all := make([]Week, len(counts))
		for i, n := range counts { // the latest week first
			for range Starts {
				all[i].Add(n, 1)
			}
		}
		return all
	}
	b := Usual(rise(100, 90, 80, 70, 60, 50), 1, 1)
	if mean := b.Mean(1); math.Abs(mean-100) > 0.1 {
		t.Errorf("mean %v", mean)
	}
	// A line through six weeks is known at the seventh as well as a mean of 1/(1/6 + 3.5^2/17.5)
	// weeks, and the variance of the mean grows with it.
	if want := 13 * (100 / 75.0) / (1.0/6 + 3.5*3.5/17.5); math.Abs(b.Exposure/want-1) > 0.01 {
		t.Errorf("exposure %v, want %v", b.Exposure, want)
	}
	if b := Usual(rise(50, 60, 70, 80, 90, 100), 1, 1); math.Abs(b.Mean(1)-75) > 0.5 {
		t.Errorf("errors that fall keep their mean: %+v", b)
	}
	if b := Usual(rise(5, 4, 5, 5, 4, 5), 1, 1); b.Exposure != 78 {
		t.Errorf("a rise that may be chance: %+v", b)
	}
}

func TestRecovers(t *testing.T) {
	b := Baseline{Errors: 30 * 52, Exposure: 52, Phi: 1}
	f := func(errors float64, want bool) {
		t.Helper()
		if got := Recovers(b, errors, 1); got != want {
			t.Errorf("%v: %v, p = %v", errors, got, b.P(errors, 1))
		}
	}
	f(0, true)
	f(37, true)  // below 1.25 times 30
	f(42, true)  // P is above 0.01
	f(47, false) // P is below 0.01, though it would not fire
	f(61, false)
}

func TestRange(t *testing.T) {
	f := func(b Baseline, exposure float64, low, high uint64) {
		t.Helper()
		if l, h := b.Range(exposure); l != low || h != high {
			t.Errorf("%+v: %d to %d, want %d to %d", b, l, h, low, high)
		}
	}
	f(Baseline{Errors: 0, Exposure: 52, Phi: 1}, 1, 0, 0)
	f(Baseline{}, 1, 0, 0)
	f(Baseline{Errors: 1e9, Exposure: 1e9, Phi: 1}, 1, 0, 3)     // Poisson(1): P(Y > 3) = 0.019, P(Y > 2) = 0.080
	f(Baseline{Errors: 10e9, Exposure: 1e9, Phi: 1}, 1, 5, 15)   // Poisson(10): P(Y <= 4) = 0.029, P(Y <= 5) = 0.067, P(Y > 15) = 0.049
	f(Baseline{Errors: 1e9, Exposure: 1e11, Phi: 1}, 1e3, 5, 15) // the same by request
}

func TestAlpha(t *testing.T) {
	if got, want := Alpha(1, 5*time.Minute, 200), 5.0/(10080*200*2); math.Abs(got/want-1) > 1e-12 {
		t.Error(got, want)
	}
	if got := Alpha(1, 5*time.Minute, 0); got != Alpha(1, 5*time.Minute, 1) {
		t.Error(got)
	}
}

func TestShared(t *testing.T) {
	f := func(want float64, dispersions ...float64) {
		t.Helper()
		if got := Shared(dispersions); got != want {
			t.Errorf("%v: %v, want %v", dispersions, got, want)
		}
	}
	f(0)
	f(1, 0.5, 0.7, 0.9)
	f(0, 9, 2)
	f(2, 9, 2, 1)
	f(3, 9, 2, 4, 1)
	if _, ok := Dispersion(weeks(1, 0, 0, 0, 0, 1), 1); ok {
		t.Error("15 errors are too few to show a dispersion")
	}
	if phi, ok := Dispersion(weeks(1, 0, 10), 1); !ok || phi < 4 || phi > 6 {
		t.Error(phi, ok)
	}
}
