package notify

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestWhatIsSentIsNeverQueuedAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t)
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

// Groups, silences and states of codes in ClickHouse, over several processes: each Send is made by
// a new one.
func TestGroupsOutliveProcesses(t *testing.T) {
	t.Parallel()
	s, target := openStore(t), newServer(t)
	cfg := Defaults
	cfg.Receivers = []Receiver{{Name: "ops", Webhook: &WebhookReceiver{HTTPReceiver: HTTPReceiver{URL: target.URL}}}}
	cfg.Routes = []Route{{Receivers: []string{"ops"}, GroupBy: []string{"tenant"}}}
	now := time.Now().UTC().Truncate(time.Millisecond)
	firing := map[string]Message{}
	process := func(events ...Message) {
		t.Helper()
		n := New(cfg, Stored(s), slog.New(slog.DiscardHandler))
		n.Now = func() time.Time { return now }
		var again []Message
		for _, m := range firing {
			again = append(again, m)
		}
		if err := n.Enqueue(t.Context(), again...); err != nil {
			t.Fatal(err)
		}
		for _, m := range events {
			if err := s.RecordAlerts(t.Context(), nil, n.Deliveries(m), nil); err != nil {
				t.Fatal(err)
			}
			n.Update(m)
			if m.Alert.resolved() {
				delete(firing, m.alert())
			} else {
				firing[m.alert()] = m
			}
		}
		if _, err := n.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(want ...string) {
		t.Helper()
		var got []string
		for _, body := range target.bodies {
			var w webhookNotice
			if err := json.Unmarshal([]byte(body), &w); err != nil {
				t.Fatal(err)
			}
			got = append(got, w.Title)
		}
		target.bodies = nil
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	a := alertMessage(now, "alertname=A", "tenant=acme")
	process(a)
	want()
	now = now.Add(20 * time.Second)
	process()
	want()
	now = now.Add(10 * time.Second)
	process()
	want("[FIRING] alertname=A tenant=acme")
	b := alertMessage(now, "alertname=B", "tenant=acme")
	process(b)
	now = now.Add(4 * time.Minute)
	process()
	want()
	now = now.Add(time.Minute)
	process()
	want("[FIRING:2] alertname=B tenant=acme and 1 more")
	// A silence and an ignored code.
	silence := store.Silence{ID: "s1", Matchers: `{tenant="globex"}`, Starts: now, Ends: now.Add(time.Hour), Author: "jo", Comment: "migration", Written: now}
	if err := s.RecordSilence(t.Context(), silence); err != nil {
		t.Fatal(err)
	}
	ignored := store.CodeState{Tenant: store.AnyTenant, Code: "X", State: store.Ignored, Author: "jo", Comment: "known", Written: now}
	if err := s.RecordCodeState(t.Context(), ignored); err != nil {
		t.Fatal(err)
	}
	c, d := alertMessage(now, "alertname=C", "tenant=globex"), alertMessage(now, "alertname=D", "tenant=initech")
	d.Alert.Codes = []string{"X"}
	process(c, d)
	now = now.Add(10 * time.Minute)
	process()
	want()
	silence.Ends, silence.Written = now, now
	ignored.State, ignored.Written = store.Reopened, now
	if err := s.RecordSilence(t.Context(), silence); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordCodeState(t.Context(), ignored); err != nil {
		t.Fatal(err)
	}
	process()
	want("[FIRING] alertname=C tenant=globex", "[FIRING] alertname=D tenant=initech")
	for _, m := range []*Message{&a, &b} {
		alert := *m.Alert
		alert.EndsAt = now
		m.At, m.Event, m.Alert = now, resolved, &alert
	}
	process(a, b)
	want("[RESOLVED:2] alertname=A tenant=acme and 1 more")
	now = now.Add(5 * time.Hour)
	process()
	want("[FIRING] alertname=C tenant=globex", "[FIRING] alertname=D tenant=initech")
	var states []string
	err := s.Query(t.Context(), "SELECT rule, `to`, outcome, countIf(key != '') OVER () FROM alert_deliveries WHERE outcome = 'grouped' ORDER BY rule, ts", nil, func(scan func(...any) error) error {
		var rule, to, outcome string
		var keyed uint64
		err := scan(&rule, &to, &outcome, &keyed)
		states = append(states, rule+" "+to)
		if keyed != 6 {
			t.Errorf("%d events name their message", keyed)
		}
		return err
	})
	if got := strings.Join(states, ", "); err != nil || got != "A firing, A resolved, B firing, B resolved, C firing, D firing" {
		t.Error(got, err)
	}
}
