package spike

import (
	"cmp"
	"math"
	"slices"
)

// BenjaminiHochberg adjusts the p-values of many tests so that, of those that are at most q
// afterwards, a share of at most q are expected to be false. Benjamini and Hochberg, Journal of the
// Royal Statistical Society B 57 (1995), 289. The result has the order of p.
func BenjaminiHochberg(p []float64) []float64 {
	adjusted := make([]float64, len(p))
	least := 1.0
	order := ascending(p)
	for rank := len(p); rank > 0; rank-- {
		i := order[rank-1]
		least = min(least, p[i]*float64(len(p))/float64(rank))
		adjusted[i] = least
	}
	return adjusted
}

// Holm adjusts the p-values of many tests so that, if those that are at most a afterwards are
// believed, the probability that even one of them is false is at most a. Holm, Scandinavian Journal
// of Statistics 6 (1979), 65. The result has the order of p.
func Holm(p []float64) []float64 {
	adjusted := make([]float64, len(p))
	most := 0.0
	for before, i := range ascending(p) {
		most = max(most, min(1, p[i]*float64(len(p)-before)))
		adjusted[i] = most
	}
	return adjusted
}

// ascending returns the indexes of p in the order of its values.
func ascending(p []float64) []int {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return order
}

// TwoProportions returns the probability that the share hits/of exceeds the share hits0/of0 by as
// much as it does although both samples have the same share: the one-sided z-test with a pooled
// variance. It is 1 if either sample is empty or the shares do not differ.
func TwoProportions(hits, of, hits0, of0 float64) float64 {
	if of <= 0 || of0 <= 0 {
		return 1
	}
	pooled := (hits + hits0) / (of + of0)
	deviation := math.Sqrt(pooled * (1 - pooled) * (1/of + 1/of0))
	if difference := hits/of - hits0/of0; difference > 0 && deviation > 0 {
		return math.Erfc(difference/deviation/math.Sqrt2) / 2
	}
	return 1
}
