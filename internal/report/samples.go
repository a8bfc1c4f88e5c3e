package report

import (
	"context"
	"slices"
	"strings"

	"errata/internal/store"
)

// sample is what the errors of a group look like.
type sample struct {
	Keys    []string `ch:"keys_"`    // the values that the errors are grouped by
	Message string   `ch:"message_"` // the most frequent one
	First   string   `ch:"first_"`   // request id of the first error that has one
	Last    string   `ch:"last_"`
}

// samplesOf returns a sample of each group of the errors in a view's rows, which are grouped by the
// given columns, all together if there are none.
func samplesOf(ctx context.Context, s *store.Store, where store.Condition, by []string) ([]sample, error) {
	keys := make([]string, len(by))
	for i, key := range by {
		keys[i] = "toString(" + key + ")"
	}
	return store.Select[sample](ctx, s, `
		SELECT CAST([`+strings.Join(keys, ", ")+`], 'Array(String)') AS keys_, topKIf(1)(message, message != '')[1] AS message_,
			argMinIf(request_id, ts, request_id != '') AS first_, argMaxIf(request_id, ts, request_id != '') AS last_
		FROM errors WHERE `+where.SQL+` GROUP BY keys_ HAVING count() > 0`, where.Args)
}

// requestIDs returns up to two different request ids of a sample.
func requestIDs(s sample) []string {
	ids := slices.DeleteFunc([]string{s.First, s.Last}, func(id string) bool { return id == "" })
	return slices.Compact(ids)
}
