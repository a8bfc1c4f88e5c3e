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

// meant returns the word that a user may have meant: the first that begins with what was written,
// or the nearest one. It is found if at most half of the letters differ.
func meant(written string, words []string) (word string, found bool) {
	for _, w := range words {
		if strings.HasPrefix(w, strings.ToLower(written)) {
			return w, true
		}
	}
	for _, w := range Near(written, words, 1) {
		return w, levenshtein.ComputeDistance(strings.ToLower(written), w) <= (len(written)+1)/2
	}
	return "", false
}
