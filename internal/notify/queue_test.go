package notify

import (
	"testing"
	"time"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func TestWhatIsSentIsNeverQueuedAgain(t *testing.T) {
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := store.Delivery{Target: "webhook", Source: "R", Fingerprint: "f", At: midnight, Event: "firing", Body: "{}", Outcome: store.Queued, Written: midnight}
	f := func(d store.Delivery, want int) {
		t.Helper()
		if err := s.RecordDeliveries(t.Context(), []store.Delivery{d}); err != nil {
			t.Fatal(err)
		}
		queue, err := Stored(s).QueuedDeliveries(t.Context(), "webhook", 10)
		if err != nil || len(queue) != want {
			t.Errorf("%v %v, want %d", queue, err, want)
		}
	}
	f(d, 1)
	f(d, 1)
	d.Outcome = store.Sent
	f(d, 0)
	d.Outcome, d.Written = store.Queued, d.Written.Add(time.Hour)
	f(d, 0)
	d.Event = "resolved"
	f(d, 1)
}
