package alert

import (
	"context"
	"fmt"
	"strings"
	"time"

	"errata/internal/store"
)

// Bounds of the series of top codes. The window is long, so that few series come and go.
const (
	topCodesOver  = time.Hour
	topCodesEvery = time.Minute
	topCodesEach  = 10 // of a tenant, so that no tenant takes all series
)

// codeErrors is how many errors of a code a tenant has had.
type codeErrors struct {
	tenant, family, code string
	errors               uint64
}

// frequentCodes returns the most frequent codes of each tenant in the window that ends at a time,
// at most limit, and last what all others have in common.
func frequentCodes(ctx context.Context, s *store.Store, to time.Time, limit int) (all []codeErrors, err error) {
	where := store.Scope{From: to.Add(-topCodesOver), To: to}.Minutes().Where("minute")
	sql := "SELECT tenant, family, code, n, total FROM (" +
		"SELECT tenant, family, code, sum(errors) AS n, sum(n) OVER () AS total FROM error_minute WHERE " + where.SQL + " GROUP BY tenant, family, code" +
		") ORDER BY n DESC, tenant, family, code LIMIT ? BY tenant LIMIT ?"
	var total uint64
	err = s.Query(ctx, sql, append(where.Args, topCodesEach, limit), func(scan func(...any) error) error {
		var c codeErrors
		err := scan(&c.tenant, &c.family, &c.code, &c.errors, &total)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the errors of the most frequent codes: %w", err)
	}
	rest := codeErrors{store.Other, store.Other, store.Other, total}
	for _, c := range all {
		rest.errors -= c.errors
	}
	return append(all, rest), nil
}

// showTopCodes brings the series of top codes up to the watermark, if that is due. A failure only
// removes them: Prometheus must not take old counts for new ones.
func (r *Runner) showTopCodes(ctx context.Context, watermark time.Time) {
	if r.TopCodes == 0 || r.Metrics == nil || r.Now().Sub(r.topCodesAt) < topCodesEvery {
		return
	}
	r.topCodesAt = r.Now()
	all, err := frequentCodes(ctx, r.Store, watermark, r.TopCodes)
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("failed to count the top codes for the metrics", "retry_in", topCodesEvery, "error", err)
	}
	r.Metrics.topCodes(all)
}

// topCodes shows these codes and no others.
func (m *Metrics) topCodes(all []codeErrors) {
	if m == nil {
		return
	}
	m.codes.Reset()
	label := func(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
	for _, c := range all {
		m.codes.WithLabelValues(label(c.tenant), label(c.family), label(c.code)).Add(float64(c.errors))
	}
}
