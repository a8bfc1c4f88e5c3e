package alert

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"errata/internal/spike"
	"errata/internal/store"
)

// Cause is a property of the errors behind an alert whose share grew.
type Cause struct {
	What  string // route (with its method), service, status, method, module_code, or "argument NAME"
	Value string
	Share float64 // of the errors of the window
	Usual float64 // of those at the same time of the days before
}

// String reads "91.0% from route POST /cases, usually 40.0%".
func (c Cause) String() string {
	return fmt.Sprintf("%s from %s %s, usually %s", percent(c.Share), c.What, c.Value, percent(c.Usual))
}

const (
	maxCauses = 3
	// causeDays are the days before the window that say what share is usual, each with causeReach
	// on either side of it.
	causeDays  = 7
	causeReach = 30 * time.Minute
	// causeErrors is the least number of errors with a value that is judged: the test is not made
	// for fewer.
	causeErrors = 5
	// causeRisk is how likely even one of the causes of an alert may be chance.
	causeRisk = 0.01
	// causeGrowth is the least growth of a share that is worth telling.
	causeGrowth = 0.1
	// maxValues is how many values are judged, the most frequent.
	maxValues = 500
)

// valueCount is how often errors had a value, in the window and before.
type valueCount struct {
	What   string `ch:"what"`
	Value  string `ch:"value"`
	Now    uint64 `ch:"now"`
	Before uint64 `ch:"before"`
}

// causes returns what makes the errors of [from, to) different from those at the same time of the
// days before: the values whose share grew most, where a test says that it did.
func causes(ctx context.Context, s *store.Store, sel Select, from, to time.Time) ([]string, error) {
	periods := []period{{from, to}}
	for day := 1; day <= causeDays; day++ {
		shift := -time.Duration(day) * 24 * time.Hour
		if before := (period{from.Add(shift - causeReach), to.Add(shift + causeReach)}); before.to.Before(from) {
			periods = append(periods, before)
		}
	}
	where := sel.where(withinAny(periods, "ts"), false)
	counts, err := store.Select[valueCount](ctx, s, `
		SELECT pair.1 AS what, pair.2 AS value, countIf(in_window) AS now, countIf(NOT in_window) AS before
		FROM (SELECT ts >= fromUnixTimestamp64Milli(?) AS in_window, arrayJoin(arrayConcat(
				[('', 'all'), ('route', if(route = '', '', trim(concat(method, ' ', route)))), ('service', toString(service)), ('status', toString(status)),
				 ('method', toString(method)), ('module_code', toString(module_code))],
				arrayMap((name, value) -> (concat('argument ', name), value), mapKeys(args), mapValues(args)))) AS pair
			FROM errors WHERE `+where.SQL+`)
		WHERE value != '' GROUP BY what, value HAVING now >= ? ORDER BY what != '', now DESC, what, value LIMIT ?`,
		slices.Concat([]any{from.UnixMilli()}, where.Args, []any{causeErrors, maxValues}))
	if err != nil {
		return nil, fmt.Errorf("look for the cause of an alert: %w", err)
	}
	texts := []string{}
	for _, c := range grown(counts) {
		texts = append(texts, c.String())
	}
	return texts, nil
}

// grown returns the values whose share grew, the most first. The first count is that of all errors.
func grown(counts []valueCount) (causes []Cause) {
	if len(counts) == 0 || counts[0].What != "" || counts[0].Before == 0 {
		return nil
	}
	now, before := float64(counts[0].Now), float64(counts[0].Before)
	var p []float64
	for _, c := range counts[1:] {
		p = append(p, spike.TwoProportions(float64(c.Now), now, float64(c.Before), before))
	}
	for i, adjusted := range spike.Holm(p) {
		c := counts[1+i]
		cause := Cause{c.What, c.Value, float64(c.Now) / now, float64(c.Before) / before}
		if adjusted <= causeRisk && cause.Share-cause.Usual >= causeGrowth {
			causes = append(causes, cause)
		}
	}
	slices.SortStableFunc(causes, func(a, b Cause) int { return cmp.Compare(b.Share-b.Usual, a.Share-a.Usual) })
	return causes[:min(len(causes), maxCauses)]
}
