package alert

import (
	"context"
	"fmt"
	"time"

	"errata/internal/store"
)

// CheckDelay returns a sentence if evaluation is further behind the data than most, or never began,
// "" if it goes on. What counts is the time from the end of the latest evaluation of any rule to
// the watermark, so nothing is wrong while nothing is ingested.
func CheckDelay(ctx context.Context, s *store.Store, most time.Duration) (string, error) {
	watermark, _, err := s.DataWatermark(ctx)
	if err != nil || watermark.IsZero() { // nothing can be evaluated
		return "", err
	}
	rows, err := states(ctx, s)
	if err != nil {
		return "", err
	}
	var latest time.Time
	for _, row := range rows {
		if row.Fingerprint == "" && row.Rule != dataLate.Name && row.Evaluated.After(latest) {
			latest = row.Evaluated
		}
	}
	if latest.IsZero() {
		return "no rule was ever evaluated: is `report alert run` running?", nil
	}
	if delay := watermark.Sub(latest); delay > most {
		return fmt.Sprintf("evaluation is %s behind the data: is `report alert run` running?", delay.Round(time.Second)), nil
	}
	return "", nil
}
