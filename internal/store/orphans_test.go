package store_test

import (
	"slices"
	"testing"

	"errata/internal/store"
)

// An orphan is voided unless another process has finished or voided it in the meantime.
func TestOnlyOrphansAreVoided(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	b := batch(t, 0, 100, line("2026-11-02T10:00:00Z", "acme", ""))
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	orphans := func(want ...store.Orphan) {
		t.Helper()
		got, err := s.Orphans(t.Context(), b.Topic, b.Partition, 0)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("orphans %v, %v; want %v", got, err, want)
		}
	}
	orphan := store.Orphan{FirstOffset: b.FirstOffset}
	void := func(orphan store.Orphan, epoch uint32, want bool) {
		t.Helper()
		if err := s.Void(t.Context(), b.Topic, b.Partition, []store.Orphan{orphan}, epoch); (err == nil) != want {
			t.Errorf("void %v with epoch %d: %v", orphan, epoch, err)
		}
	}
	orphans()
	for offset, want := range map[int64]int64{0: 0, 100: 0, b.LastOffset: 0, b.LastOffset + 1: b.LastOffset + 1, 1000: b.LastOffset + 1} {
		if end, err := s.RecordedBefore(t.Context(), b.Topic, b.Partition, offset); err != nil || end != want {
			t.Errorf("the batches before %d end at %d, %v; want %d", offset, end, err, want)
		}
	}
	void(orphan, 1, false) // it is recorded
	requests := func(want string) {
		t.Helper()
		if got := query("SELECT sum(requests) FROM @traffic_minute"); got != want {
			t.Errorf("%s requests, want %s", got, want)
		}
	}
	requests("1")
	query("TRUNCATE TABLE @batch_rows")
	orphans(orphan)
	void(orphan, 1, true)
	orphans()
	requests("0")
	void(orphan, 2, false) // by a zombie that looked before
	b = batch(t, 1, 100, line("2026-11-02T10:00:00Z", "acme", ""))
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	requests("1")
}
