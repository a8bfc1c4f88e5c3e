package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Near returns the n words with the least edit distance, the nearest first. Case does not count.
func Near(word string, words []string, n int) []string {
	word = strings.ToLower(word)
	distance := map[string]int{}
	for _, w := range words {
		distance[w] = levenshtein.ComputeDistance(word, strings.ToLower(w))
	}
	near := slices.SortedFunc(slices.Values(words), func(a, b string) int {
		return cmp.Or(cmp.Compare(distance[a], distance[b]), cmp.Compare(a, b))
	})
	return near[:min(n, len(near))]
}
