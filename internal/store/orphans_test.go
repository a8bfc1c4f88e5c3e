package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

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
		got, err := s.Orphans(t.Context(), []store.Place{{Topic: b.Topic, Partition: b.Partition}})
		if err != nil || !slices.Equal(got[0], want) {
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

// Questions about several partitions get the answer of each.
func TestPlaces(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	insert := func(topic string, partition int, epoch uint32, first int64) {
		b := batch(t, epoch, first, line("2026-11-02T10:00:00Z", "acme", quota))
		b.Topic, b.Partition, b.Fingerprint = topic, partition, "parser"
		if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	for _, first := range []int64{10, 11, 12} {
		insert("logs", 0, 0, first)
	}
	insert("logs", 1, 0, 11)
	insert("more", 0, 0, 7)
	insert("logs", 0, 4, 11) // again by another parser
	insert("logs", 2, 0, 5)
	query("ALTER TABLE @batch_rows DELETE WHERE topic = 'logs' AND partition = 2 SETTINGS mutations_sync = 1")
	places := []store.Place{{Topic: "more"}, {Topic: "logs", Offset: 11}, {Topic: "logs", Partition: 1, Offset: 12}, {Topic: "logs", Partition: 2, Offset: 5}}

	f := func(what string, got any, err error, want string) {
		t.Helper()
		if text := fmt.Sprint(got); err != nil || text != want {
			t.Errorf("%s: %s, %v; want %s", what, text, err, want)
		}
	}
	recorded, err := s.RecordedFrom(t.Context(), places)
	f("recorded", recorded, err, "[[{7 7 0 parser 0}] [{11 11 4 parser 0} {12 12 0 parser 0}] [] []]")
	last, err := s.LastRecorded(t.Context(), places)
	var shown []store.Recorded
	for _, l := range last {
		if l == nil {
			l = &store.Recorded{LastOffset: -1}
		}
		shown = append(shown, *l)
	}
	f("last", shown, err, "[{7 7 0 parser 0} {12 12 0 parser 0} {11 11 0 parser 0} {0 -1 0  0}]")
	orphans, err := s.Orphans(t.Context(), places)
	f("orphans", orphans, err, "[[] [] [] [{5 0}]]")
	places[3].Offset = 6
	orphans, err = s.Orphans(t.Context(), places)
	f("orphans from 6 on", orphans, err, "[[] [] [] []]")
	voided, err := s.VoidedFrom(t.Context(), places)
	f("voided", voided, err, "[{0 0} {11 4} {0 0} {0 0}]")
	accepted, err := s.Accepted(t.Context(), places, -time.Hour)
	f("accepted", []int{len(accepted[0]), len(accepted[1]), len(accepted[2]), len(accepted[3])}, err, "[1 4 1 1]")
}
