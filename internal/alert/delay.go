package alert

import (
	"context"
	"fmt"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// CheckDelay returns a sentence if evaluation is further behind the data than most, or never began,
// "" if it goes on. What counts is the time from the end of the latest evaluation of any rule to
// the watermark, so nothing is wrong while nothing is ingested.
func CheckDelay(ctx context.Context, s *store.Store, most time.Duration) (string, error) {
	evaluated, watermark, err := progress(ctx, s)
	switch delay := watermark.Sub(evaluated); {
	case err != nil || watermark.IsZero(): // nothing can be evaluated
		return "", err
	case evaluated.IsZero():
		return neverEvaluated, nil
	case delay > most:
		return fmt.Sprintf("evaluation is %s behind the data: is `report alert run` running?", delay.Round(time.Second)), nil
	}
	return "", nil
}

const neverEvaluated = "no rule was ever evaluated: is `report alert run` running?"

// Progress returns a sentence that says up to when the rules are evaluated. Without it, a list
// without alerts could mean that nothing looks.
func Progress(ctx context.Context, s *store.Store) (string, error) {
	evaluated, watermark, err := progress(ctx, s)
	switch {
	case err != nil:
		return "", err
	case watermark.IsZero():
		return "no data is complete yet, so no rule can be evaluated: is `ingest run` running?", nil
	case evaluated.IsZero():
		return neverEvaluated, nil
	}
	return fmt.Sprintf("evaluated up to %s; the data is complete up to %s", cli.Timestamp{Time: evaluated}, cli.Timestamp{Time: watermark}), nil
}

// progress returns the end of the latest evaluation of any rule, no later than the watermark, which
// it returns too. Either is zero if there is none.
func progress(ctx context.Context, s *store.Store) (evaluated, watermark time.Time, err error) {
	if watermark, _, err = s.DataWatermark(ctx); err != nil || watermark.IsZero() {
		return evaluated, watermark, err
	}
	rows, err := states(ctx, s)
	for _, row := range rows {
		if row.Fingerprint == "" && row.Rule != dataLate.Name && row.Evaluated.After(evaluated) {
			evaluated = row.Evaluated
		}
	}
	if evaluated.After(watermark) { // a rule about the clock
		evaluated = watermark
	}
	return evaluated, watermark, err
}
