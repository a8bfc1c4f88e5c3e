// Package spike decides whether a count of errors is higher than usual, also where a handful of
// errors a week is usual. The method comes from outbreak surveillance in epidemiology.
//
//	reference windows --Week.Add--> Week, one for each of the last weeks
//	                                  |
//	                        Usual     |   drops contaminated weeks, estimates the dispersion
//	                                  v
//	                              Baseline --P--> the probability of so many errors or more
//	                                  |
//	                        Test.Fires, Recovers
//
// The exposure of a window is its number of requests, or 1 where counts are compared without regard
// to traffic. The errors of a window with exposure E have a negative binomial distribution with
// mean mu and variance phi*mu, where phi is the dispersion. The reference windows have S errors and
// exposure C. The estimate of mu is (S + 1/2) * E / C. Because mu is only estimated, a new window
// has a greater dispersion: phi_e = phi * (1 + E/C). Then
//
//	P(Y >= y) = I(1 - 1/phi_e; y, mu/(phi_e - 1))
//
// where I is the regularised incomplete beta function. For phi = 1 this is the Gamma-Poisson
// predictive distribution with Jeffreys' prior, which is algo.bayes of the R package surveillance.
// For phi > 1 it is the negative binomial of Noufaily et al., Statistics in Medicine 32 (2013),
// 1206, with the uncertainty of mu added.
//
// The package also has what else is needed to tell real changes from noise: BenjaminiHochberg and
// Holm for many tests at once, and TwoProportions for shares.
package spike

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/mathext"
)

// Weeks is how many past weeks say what is usual.
const Weeks = 6

// Reach is how far from the same local time of a past week its reference windows may end, and Step
// the time between two of them.
const (
	Reach = 30 * time.Minute
	Step  = 5 * time.Minute
)

// Starts is the number of reference windows in each week.
const Starts = int(2*Reach/Step) + 1

// learned is the least number of reference windows from which anything can be judged.
const learned = 26

// contaminated is the probability below which a week counts as an incident of its own.
const contaminated = 0.001

// Overlap returns the factor by which the sums of a week's reference windows have to be scaled.
// Windows that are longer than Step overlap, so that they count each error several times. Scaled,
// they stand for as many independent windows as would estimate the mean equally well: one divided
// by the mean correlation of two of them.
func Overlap(window time.Duration) float64 {
	correlation := 0.0
	for i := range Starts {
		for j := range Starts {
			shift := time.Duration(max(i-j, j-i)) * Step
			correlation += max(0, 1-float64(shift)/float64(window))
		}
	}
	return float64(Starts) / correlation
}

// Week sums up the reference windows of one week. The zero Week has none.
type Week struct {
	windows                  float64
	errors, exposure, square float64 // square: the sum of errors*errors/exposure
	ago                      float64 // how many weeks ago it was
}

// Add adds a reference window. The exposure is its number of requests, or 1. A window without any
// exposure says nothing.
func (w *Week) Add(errors, exposure float64) {
	if exposure <= 0 {
		return
	}
	w.windows++
	w.errors += errors
	w.exposure += exposure
	w.square += errors * errors / exposure
}

func (w *Week) add(other Week) {
	w.windows += other.windows
	w.errors += other.errors
	w.exposure += other.exposure
	w.square += other.square
}

// dispersion returns Pearson's estimate of variance over mean, 0 if there are too few windows.
func (w Week) dispersion() float64 {
	if w.windows <= 1 {
		return 0
	}
	rate := (w.errors + 0.5) / w.exposure
	return (w.square/rate - 2*w.errors + rate*w.exposure) / (w.windows - 1)
}

// baseline returns the mean and the dispersion of the windows. Their own dispersion counts as much
// as they are many, and the rest is what others like them have.
func (w Week) baseline(phi float64) Baseline {
	const weight = 20 // as many windows as those others speak for
	own, freedom := w.dispersion(), max(0, w.windows-1)
	if phi > 0 {
		own = (freedom*own + weight*phi) / (freedom + weight)
	}
	phi = max(1, phi, own)
	// Jeffreys' prior of half an error stands for phi/2 errors that come in clusters of phi. Mean
	// adds the half.
	return Baseline{Errors: w.errors + (phi-1)/2, Exposure: w.exposure, Phi: phi}
}

// Baseline is what is usual for a window. It does not change while an alert fires.
type Baseline struct {
	Errors   float64 `json:"errors"`   // S, in the reference windows
	Exposure float64 `json:"exposure"` // C, of the reference windows
	Phi      float64 `json:"phi"`      // variance over mean, at least 1
	Learning bool    `json:"learning,omitempty"`
}

// Usual returns the baseline of reference windows of equal length, the latest week first. It leaves
// out weeks that were incidents of their own, and follows a rise from week to week. overlap is the
// window's Overlap. phi is the dispersion that groups like this one have (Shared), 0 if that is
// unknown: a quiet group cannot show its own.
func Usual(weeks []Week, overlap, phi float64) Baseline {
	var room [Weeks]Week
	kept := clean(room[:0], weeks, overlap, phi)
	all := sum(kept)
	b := rising(kept, all.baseline(phi))
	b.Learning = math.Round(all.windows/overlap) < learned
	return b
}

// Dispersion returns the dispersion that the reference windows of a group show. ok reports whether
// they have enough errors to show any.
func Dispersion(weeks []Week, overlap float64) (phi float64, ok bool) {
	var room [Weeks]Week
	all := sum(clean(room[:0], weeks, overlap, 0))
	if all.errors < 20 || all.windows <= 1 {
		return 0, false
	}
	// The estimate is distributed like chi-square over its degrees of freedom, whose median is
	// below its mean by this (Wilson and Hilferty). Shared takes the median.
	return all.dispersion() / math.Pow(1-2.0/9/(all.windows-1), 3), true
}

// rising returns the baseline that errors have now if they rise from week to week, and the same
// baseline if a line through the weeks does not significantly do so. The line is not drawn beyond
// the highest week. It is known less well than a mean, so the baseline has less exposure.
func rising(weeks []Week, b Baseline) Baseline {
	const significant = 1.64 // standard deviations: one in twenty
	if len(weeks) < 4 {
		return b
	}
	rate := b.Mean(1)
	middle, highest := 0.0, 0.0
	for _, w := range weeks {
		middle -= w.ago * w.exposure / b.Exposure
		highest = max(highest, w.errors/w.exposure)
	}
	spread, slope := 0.0, 0.0
	for _, w := range weeks {
		t := -w.ago - middle
		spread += w.exposure * t * t
		slope += t * w.errors
	}
	slope /= spread
	now := min(rate-slope*middle, highest)
	if slope < significant*math.Sqrt(b.Phi*rate/spread) || now <= rate {
		return b
	}
	b.Exposure = now / rate / (1/b.Exposure + middle*middle/spread)
	b.Errors = now*b.Exposure - 0.5
	return b
}

// Shared returns the dispersion of a rule: the median of those of its groups, at least 1. It is 0,
// for unknown, if there are fewer than three.
func Shared(dispersions []float64) float64 {
	if len(dispersions) < 3 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(dispersions))
	middle := len(sorted) / 2
	return max(1, (sorted[middle]+sorted[(len(sorted)-1)/2])/2)
}

func sum(weeks []Week) (all Week) {
	for _, w := range weeks {
		all.add(w)
	}
	return all
}

// clean appends the weeks that have reference windows to kept, which is empty, scaled by the
// overlap, without those that are contaminated: the week that stands out most is tested against the
// others, and again, while fewer than half of the weeks are dropped. A week below twice the others
// stays: it may be part of a rise.
func clean(kept, weeks []Week, overlap, phi float64) []Week {
	for i, w := range weeks {
		if w.windows > 0 {
			kept = append(kept, Week{w.windows * overlap, w.errors * overlap, w.exposure * overlap, w.square * overlap, float64(i + 1)})
		}
	}
	for drops := (len(kept) - 1) / 2; drops > 0; drops-- {
		worst, most := 0, math.Inf(-1)
		for i := range kept {
			if z := others(kept, i, phi).excess(kept[i].errors, kept[i].exposure); z > most {
				worst, most = i, z
			}
		}
		// No tail is below 0.001 at less than 2.5 standard deviations, and the tail costs most.
		w, rest := kept[worst], others(kept, worst, phi)
		if most < 2.5 || w.errors < 2*rest.Mean(w.exposure) || rest.P(w.errors, w.exposure) >= contaminated {
			break
		}
		kept = slices.Delete(kept, worst, worst+1)
	}
	return kept
}

// others returns the baseline of all weeks but one.
func others(weeks []Week, but int, phi float64) Baseline {
	var all Week
	for i, w := range weeks {
		if i != but {
			all.add(w)
		}
	}
	return all.baseline(phi)
}

// Mean returns the errors that are usual in a window of the given exposure.
func (b Baseline) Mean(exposure float64) float64 {
	return (b.Errors + 0.5) * exposure / b.Exposure
}

// spread returns the dispersion that applies to a new window of the given exposure.
func (b Baseline) spread(exposure float64) float64 { return b.Phi * (1 + exposure/b.Exposure) }

// excess returns by how many standard deviations a count is above the mean.
func (b Baseline) excess(errors, exposure float64) float64 {
	mean := b.Mean(exposure)
	return (errors - mean) / math.Sqrt(mean*b.spread(exposure))
}

// P returns the probability that a window of the given exposure has so many errors or more although
// nothing has changed. A baseline or a window without exposure gives 1: nothing can be said.
func (b Baseline) P(errors, exposure float64) float64 {
	if errors <= 0 || !(b.Exposure > 0) || !(exposure > 0) {
		return 1
	}
	return tail(errors, b.Mean(exposure), b.spread(exposure))
}

// tail returns P(Y >= y) of the negative binomial distribution with the given mean and variance
// phi*mean, phi > 1.
func tail(y, mean, phi float64) float64 {
	if y <= 0 {
		return 1
	}
	return mathext.RegIncBeta(y, mean/(phi-1), 1-1/phi)
}

// Range returns the counts between which nine in ten windows of the given exposure lie.
func (b Baseline) Range(exposure float64) (low, high uint64) {
	const side = 0.05
	return b.least(exposure, 1-side) - 1, b.least(exposure, side) - 1
}

// least returns the least count, at least 1, whose P is below p.
func (b Baseline) least(exposure, p float64) uint64 {
	if b.P(1, exposure) == 1 { // nothing is known
		return 1
	}
	high := uint64(1)
	for b.P(float64(high), exposure) >= p {
		high *= 2
	}
	low := high / 2 // P(low) >= p, or low is 0
	for high-low > 1 {
		if middle := (low + high) / 2; b.P(float64(middle), exposure) >= p {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// Test says when a count is a spike.
type Test struct {
	Alpha  float64 // fires only below this probability
	Floor  float64 // fires only from so many errors on
	Factor float64 // fires only from so many times the mean on
}

// Alpha returns the probability for a Test that fires so many times a week when nothing is wrong,
// over all groups of a rule. Several windows share the Alpha of the shortest.
func Alpha(pagesPerWeek float64, window time.Duration, groups int) float64 {
	const week = 7 * 24 * time.Hour
	return pagesPerWeek * float64(window) / float64(week) / float64(2*max(groups, 1))
}

// Fires reports whether a count is a spike. Nothing is while the baseline is learning.
func (t Test) Fires(b Baseline, errors, exposure float64) bool {
	return !b.Learning && t.high(b, errors, exposure) && b.P(errors, exposure) < t.Alpha
}

// high checks what costs less than the probability.
func (t Test) high(b Baseline, errors, exposure float64) bool {
	return errors > 0 && errors >= t.Floor && b.Exposure > 0 && errors >= t.Factor*b.Mean(exposure)
}

// RecoveryFactor is how many times the mean a firing alert has to fall below to recover in any
// case.
const RecoveryFactor = 1.25

// Recovers reports whether a count is usual again. Between firing and this lies a gap, so that an
// alert does not flap.
func Recovers(b Baseline, errors, exposure float64) bool {
	return !(b.Exposure > 0) || errors < RecoveryFactor*b.Mean(exposure) || b.P(errors, exposure) > 0.01
}

// Threshold returns the least count that fires in a window of the given exposure. It is 0 while the
// baseline is learning.
func (t Test) Threshold(b Baseline, exposure float64) uint64 {
	if b.Learning || !(b.Exposure > 0) || !(exposure > 0) {
		return 0
	}
	return max(b.least(exposure, t.Alpha), uint64(math.Ceil(cmp.Or(max(t.Floor, t.Factor*b.Mean(exposure)), 1))))
}
