package report

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"errata/internal/enrich"
	"errata/internal/store"
)

func TestReenrichTellsItsProgress(t *testing.T) {
	var told strings.Builder
	r := &Reenrichment{Progress: func(line string) { told.WriteString(line) }, spoke: time.Now().Add(-time.Minute), changes: map[Reexplained]uint64{}}
	before, after := enrich.Event{Family: "unknown"}, enrich.Event{Family: "OSM", CatalogVersion: "2"}
	r.count([]store.Rewrite{{Before: before, After: after}, {Before: after, After: after}})
	for range 2 {
		r.progress("%d of %d errors", r.done, 7)
	}
	if told.String() != "2 of 7 errors" || r.restamped != 1 {
		t.Errorf("%q %d", told.String(), r.restamped)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.pause(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
