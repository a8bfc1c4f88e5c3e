package report

import (
	"context"
	"fmt"
	"time"

	"errata/internal/store"
)

// OtherCatalogs returns a sentence if the newest errors of the scope were explained by other
// catalogs than those of the given version, "" if not. It looks at the last hour of the scope
// first, which costs little.
func OtherCatalogs(ctx context.Context, s *store.Store, scope store.Scope, version string) (string, error) {
	if scope.To.IsZero() {
		scope.To = time.Now().Add(time.Minute)
	}
	start := scope.From
	for _, from := range []time.Time{scope.To.Add(-time.Hour), scope.To.Add(-24 * time.Hour), start} {
		if scope.From = from; from.Before(start) {
			scope.From = start
		}
		where := scope.Where("ts")
		var errors uint64
		var stamp string
		err := s.Query(ctx, "SELECT count(), argMax(catalog_version, ts) FROM errors WHERE "+where.SQL, where.Args,
			func(scan func(...any) error) error { return scan(&errors, &stamp) })
		switch {
		case err != nil:
			return "", fmt.Errorf("ask which catalogs explained the errors: %w", err)
		case errors > 0 && stamp != version:
			return fmt.Sprintf("the newest stored errors were explained by catalogs of version %s, and those here are of version %s: "+
				"give `report` and `ingest run` the same catalogs.dir, or wait until the ingester has loaded a change", stamp, version), nil
		case errors > 0:
			return "", nil
		}
	}
	return "", nil
}
