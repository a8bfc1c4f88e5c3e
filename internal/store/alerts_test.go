package store_test

import (
	"testing"
	"time"

	"errata/internal/store"
)

func TestDataWatermarkWaitsForAllPartitions(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	at := time.Date(2026, 11, 2, 0, 10, 0, 0, time.UTC)
	f := func(want time.Time, missing string) {
		t.Helper()
		got, m, err := s.DataWatermark(t.Context())
		if err != nil || !got.Equal(want) || m != missing {
			t.Errorf("%s %q %v, want %s %q", got, m, err, want, missing)
		}
	}
	mark := func(partition int, w time.Time) {
		t.Helper()
		if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "logs", Partition: partition, Watermark: w, At: w}}); err != nil {
			t.Fatal(err)
		}
	}
	f(time.Time{}, "")
	if err := s.Insert(t.Context(), []*store.Batch{batch(t, 0, 0, line("2026-11-02T00:00:01Z", "acme", quota))}); err != nil {
		t.Fatal(err)
	}
	f(time.Time{}, "logs/3")
	mark(4, at) // an idle partition
	f(time.Time{}, "logs/3")
	mark(3, at.Add(-time.Minute))
	f(at.Add(-time.Minute), "")
	mark(3, at.Add(time.Minute))
	f(at, "")
}
