package spike

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// The generator is that of Noufaily et al.: seasons by the week and by the day on a logarithmic
// scale, and counts that are negative binomial with variance phi*mean. Only the past is drawn. The
// probability that the present window reaches a threshold is computed, so that probabilities of one
// in a million can be compared.

// cell is a point of the grid.
type cell struct {
	mean, phi float64 // of the present window
	window    time.Duration
	past      string // of scenarios
}

var (
	means   = []float64{0, 0.02, 0.2, 1, 5, 30, 200}
	phis    = []float64{1, 2, 4}
	windows = []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour}
	// scenarios of the past weeks. Weeks with a gap or a holiday are left out.
	scenarios = []string{"clean", "contaminated", "trend", "gap", "holiday"}
)

// bursts are the sizes of the bursts that are to be found, in standard deviations of a window.
var bursts = []float64{5, 10, 15, 20}

// target is the test on trial: one page a week for 200 groups and windows of 5 minutes and more.
var target = Test{Alpha: 1e-6, Floor: 10, Factor: 2}

// sampler draws counts.
type sampler struct{ *rand.Rand }

func newSampler(seed uint64) sampler { return sampler{rand.New(rand.NewPCG(seed, 14))} }

func (s sampler) poisson(mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	return distuv.Poisson{Lambda: mean, Src: s}.Rand()
}

func (s sampler) count(mean, phi float64) float64 {
	if mean <= 0 || phi <= 1 {
		return s.poisson(mean)
	}
	return s.poisson(distuv.Gamma{Alpha: mean / (phi - 1), Beta: 1 / (phi - 1), Src: s}.Rand())
}

// season returns the factor by which errors are more frequent at a time than at time 0.
func season(t time.Duration) float64 {
	at := func(t float64) (log float64) {
		for _, hours := range []float64{168, 24} {
			log += 0.3*math.Cos(2*math.Pi*t/hours) + 0.3*math.Sin(2*math.Pi*t/hours)
		}
		return log
	}
	const start = 9 // o'clock, where the slope is steep
	return math.Exp(at(start+t.Hours()) - at(start))
}

// deviation is that of a window, for the size of bursts and incidents.
func (c cell) deviation() float64 { return math.Sqrt(c.phi * max(c.mean, 1)) }

// history draws the counts of the reference windows of each week, the latest first.
func (c cell) history(s sampler) (weeks [][]float64) {
	buckets := int(c.window / Step)
	ends := int(Reach / Step)
	present := 0.0
	for i := range buckets {
		present += season(-time.Duration(buckets-i) * Step)
	}
	for week := range Weeks {
		trend := 1.0
		if c.past == "trend" {
			trend = 1 - float64(week+1)/float64(2*Weeks)
		}
		extra := 0.0
		switch {
		case c.past == "contaminated" && week == 2:
			extra = 20 * c.deviation() / float64(buckets)
		case c.past == "holiday" && week == 3:
			trend /= 5
		}
		series := make([]float64, buckets+2*ends)
		for i := range series {
			mean := c.mean * trend * season(time.Duration(i-ends-buckets)*Step) / present
			series[i] = s.count(mean, c.phi) + s.poisson(extra)
		}
		var counts []float64
		for first := range Starts {
			sum := 0.0
			for _, n := range series[first : first+buckets] {
				sum += n
			}
			counts = append(counts, sum)
		}
		weeks = append(weeks, counts)
	}
	return weeks
}

// known reports whether the rule knows that a week must be left out.
func (c cell) known(week int) bool {
	return c.past == "gap" && week == 1 || c.past == "holiday" && week == 3
}

func (c cell) weeks(history [][]float64) []Week {
	weeks := make([]Week, len(history))
	for i, counts := range history {
		for _, n := range counts {
			if !c.known(i) {
				weeks[i].Add(n, 1)
			}
		}
	}
	return weeks
}

// shared returns the dispersion that the groups of a rule with this one's phi share.
func (c cell) shared(s sampler) float64 {
	c.mean = 5
	var all []float64
	for range 60 {
		if phi, ok := Dispersion(c.weeks(c.history(s)), Overlap(c.window)); ok {
			all = append(all, phi)
		}
	}
	return Shared(all)
}

// reaches returns the probability that the present window has so many errors or more.
func (c cell) reaches(y float64) float64 {
	switch {
	case y <= 0:
		return 1
	case c.mean == 0:
		return 0
	case c.phi == 1:
		return mathext.GammaIncReg(y, c.mean)
	}
	return tail(y, c.mean, c.phi)
}

// omniscient returns the threshold of the test that knows mean and dispersion.
func (c cell) omniscient(test Test) float64 {
	y := math.Ceil(max(1, test.Floor, test.Factor*c.mean))
	for c.reaches(y) >= test.Alpha {
		y++
	}
	return y
}

// detector is a way to tell a spike: the least count that is one.
type detector struct {
	name      string
	threshold func(c cell, weeks [][]float64, phi float64) float64
}

// above is the least count above a limit.
func above(limit float64) float64 { return math.Floor(limit) + 1 }

var detectors = []detector{
	{"this test", func(c cell, weeks [][]float64, phi float64) float64 {
		return float64(target.Threshold(Usual(c.weeks(weeks), Overlap(c.window), phi), 1))
	}},
	{"the test that knows", func(c cell, _ [][]float64, _ float64) float64 { return c.omniscient(target) }},
	{"3 x mean", func(_ cell, weeks [][]float64, _ float64) float64 { return above(3 * meanOf(weeks)) }},
	{"median + 3 MAD", func(_ cell, weeks [][]float64, _ float64) float64 {
		middle, mad := medianOf(weeks)
		return above(middle + 3*1.4826*mad)
	}},
	{"median + 5 MAD, floor 5, factor 2", func(_ cell, weeks [][]float64, _ float64) float64 {
		middle, mad := medianOf(weeks)
		return max(5, math.Ceil(2*middle), above(middle+5*1.4826*mad))
	}},
	{"max(20, 6 x mean)", func(_ cell, weeks [][]float64, _ float64) float64 { return above(max(20, 6*meanOf(weeks))) }},
}

func meanOf(weeks [][]float64) float64 {
	sum, n := 0.0, 0.0
	for _, w := range weeks {
		for _, v := range w {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}

func medianOf(weeks [][]float64) (median, mad float64) {
	all := slices.Concat(weeks...)
	slices.Sort(all)
	median = all[len(all)/2]
	for i, v := range all {
		all[i] = math.Abs(v - median)
	}
	slices.Sort(all)
	return median, all[len(all)/2]
}

// result is what a detector does in a cell.
type result struct{ falseAlarms, hits float64 }

// try draws a number of pasts and returns the result of each detector.
func (c cell) try(s sampler, pasts int) []result {
	results := make([]result, len(detectors))
	phi := c.shared(s)
	for range pasts {
		weeks := c.history(s)
		var sizes []float64
		for _, k := range bursts {
			sizes = append(sizes, s.poisson(k*c.deviation()))
		}
		for i, d := range detectors {
			y := d.threshold(c, weeks, phi)
			results[i].falseAlarms += c.reaches(y) / float64(pasts)
			for _, size := range sizes {
				results[i].hits += c.reaches(y-size) / float64(pasts*len(sizes))
			}
		}
	}
	return results
}

// TestCalibration holds what docs/alerts.md promises of the window of five minutes, which has
// reference windows of its own: false alarms of each mean, and the hits of all means together.
func TestCalibration(t *testing.T) {
	t.Parallel()
	s := newSampler(1)
	for _, past := range scenarios {
		for _, phi := range []float64{1, 2} {
			hits, best := 0.0, 0.0
			for _, mean := range means {
				if mean == 0 && phi > 1 { // counts that are always 0 have no dispersion
					continue
				}
				c := cell{mean, phi, 5 * time.Minute, past}
				results := c.try(s, 300)
				if got := results[0].falseAlarms; got > 2*target.Alpha {
					t.Errorf("%+v: false alarms %.1e a window, at most %.1e", c, got, 2*target.Alpha)
				}
				hits, best = hits+results[0].hits, best+results[1].hits
			}
			if hits < 0.9*best {
				t.Errorf("%s, phi %v: hits %.2f of those of the test that knows", past, phi, hits/best)
			}
		}
	}
}

// BenchmarkCalibration tries the whole grid and prints it as Markdown. With ERRATA_DOCS it replaces
// the table in that file.
func BenchmarkCalibration(b *testing.B) {
	for b.Loop() {
		table := calibration(b, 1000)
		fmt.Println(table)
		if file := os.Getenv("ERRATA_DOCS"); file != "" {
			replaceTable(b, file, "calibration", table)
		}
	}
}

// calibration returns two tables: this test beside the test that knows, for each window, scenario
// and dispersion, and beside others, for each mean and dispersion of a clean past.
func calibration(b *testing.B, pasts int) string {
	s := newSampler(2)
	type key struct {
		mean, phi float64
	}
	clean := map[key][]result{}
	var t strings.Builder
	t.WriteString("| window | past weeks |")
	for _, phi := range phis {
		fmt.Fprintf(&t, " phi %v: false alarms | hits |", phi)
	}
	t.WriteString("\n|" + strings.Repeat(" --- |", 2+2*len(phis)) + "\n")
	for _, window := range windows {
		for _, past := range scenarios {
			fmt.Fprintf(&t, "| %dm | %s |", int(window.Minutes()), past)
			for _, phi := range phis {
				worst, hits, best := 0.0, 0.0, 0.0
				for _, mean := range means {
					if mean == 0 && phi > 1 {
						continue
					}
					results := cell{mean, phi, window, past}.try(s, pasts)
					worst, hits, best = max(worst, results[0].falseAlarms), hits+results[0].hits, best+results[1].hits
					if past == "clean" && window == windows[0] {
						clean[key{mean, phi}] = results
					}
				}
				fmt.Fprintf(&t, " %s | %.2f |", rare(worst), hits/best)
			}
			t.WriteString("\n")
		}
	}
	t.WriteString("\n| phi | mean |")
	for _, d := range detectors {
		fmt.Fprintf(&t, " %s |", d.name)
	}
	t.WriteString("\n|" + strings.Repeat(" --- |", 2+len(detectors)) + "\n")
	for _, phi := range phis {
		for _, mean := range means {
			results := clean[key{mean, phi}]
			if results == nil {
				continue
			}
			fmt.Fprintf(&t, "| %v | %v |", phi, mean)
			for _, r := range results {
				fmt.Fprintf(&t, " %s; %.2f |", rare(r.falseAlarms), r.hits)
			}
			t.WriteString("\n")
		}
	}
	return t.String()
}

func rare(p float64) string {
	if p < 1e-9 {
		return "0"
	}
	return fmt.Sprintf("%.0e", p)
}

// replaceTable puts a text between the marks of a Markdown file.
func replaceTable(t testing.TB, file, mark, text string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin "+mark+" -->\n", "<!-- end "+mark+" -->"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table %s", file, mark)
	}
	if err := os.WriteFile(file, []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
