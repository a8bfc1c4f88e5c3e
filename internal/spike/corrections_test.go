package spike

import (
	"math"
	"testing"
)

// The fifteen hypotheses of Benjamini and Hochberg's paper of 1995, section 3.2: at 0.05 their
// procedure rejects four, Hochberg's and Holm's three.
var thrombolysis = []float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000}

func TestCorrections(t *testing.T) {
	f := func(name string, adjust func([]float64) []float64, rejected int, want map[int]float64) {
		t.Helper()
		for _, reversed := range []bool{false, true} { // the order of the result is that of the argument
			p := make([]float64, len(thrombolysis))
			place := func(i int) int {
				if reversed {
					return len(p) - 1 - i
				}
				return i
			}
			for i, v := range thrombolysis {
				p[place(i)] = v
			}
			got := adjust(p)
			n := 0
			for _, v := range got {
				if v <= 0.05 {
					n++
				}
			}
			if n != rejected {
				t.Errorf("%s rejects %d, want %d: %v", name, n, rejected, got)
			}
			for i, v := range want {
				if math.Abs(got[place(i)]-v) > 1e-9 {
					t.Errorf("%s: hypothesis %d: %v, want %v", name, i, got[place(i)], v)
				}
			}
		}
		if len(adjust(nil)) != 0 {
			t.Error(name)
		}
	}
	f("Benjamini-Hochberg", BenjaminiHochberg, 4, map[int]float64{
		0: 15 * 0.0001, 3: 15 * 0.0095 / 4, 4: 15 * 0.0201 / 5, 5: 15 * 0.0298 / 7, 6: 15 * 0.0298 / 7, 14: 1,
	})
	f("Holm", Holm, 3, map[int]float64{0: 15 * 0.0001, 1: 14 * 0.0004, 2: 13 * 0.0019, 3: 12 * 0.0095, 13: 1, 14: 1})
}

// The poll on a tax on cigarettes of Penn State's STAT 415, lesson 9.4: 351 of 605 non-smokers and
// 41 of 195 smokers are for it, Z = 8.99.
func TestTwoProportions(t *testing.T) {
	got := TwoProportions(351, 605, 41, 195)
	z := 8.985
	if want := math.Erfc(z/math.Sqrt2) / 2; got < want/1.1 || got > want*1.1 {
		t.Errorf("%v, want about %v", got, want)
	}
	if got := TwoProportions(41, 195, 351, 605); got != 1 {
		t.Errorf("a share that fell: %v", got)
	}
	for _, v := range [][4]float64{{0, 0, 1, 2}, {1, 2, 0, 0}, {5, 5, 7, 7}, {1, 2, 2, 4}} {
		if got := TwoProportions(v[0], v[1], v[2], v[3]); got != 1 {
			t.Errorf("%v: %v", v, got)
		}
	}
}
