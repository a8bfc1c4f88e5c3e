package notify

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

// endOf returns the message that an alert is over.
func endOf(m Message, at time.Time, title string) Message {
	alert := *m.Alert
	alert.EndsAt = at
	m.At, m.Event, m.Title, m.Alert = at, resolved, title, &alert
	return m
}

// A message goes out without the queue, once, however often it is tried. When the queue is back,
// its end is told once, as an answer to it.
func TestDirectNeedsNoQueue(t *testing.T) {
	p := newPost(t, Route{Matchers: []string{"alertname=RuleFailing"}})
	p.queue.fail = errors.New("away")
	m := alertMessage(p.now, "alertname=RuleFailing", "rule=(all)")
	d := p.Direct(m)
	p.tell = func(Notice) error { return errors.New("busy") }
	if err := d.Send(t.Context()); err == nil || !strings.Contains(err.Error(), "ops did not take a notification, next try in 1s: busy") {
		t.Error(err)
	}
	p.tell = nil
	if err := d.Send(t.Context()); err != nil || len(p.got) != 0 { // it is left alone for a second
		t.Error(err, p.got)
	}
	p.now = p.now.Add(time.Minute)
	for range 2 {
		if err := d.Send(t.Context()); err != nil || len(p.got) != 1 || p.got[0].Status != firing || p.got[0].Firing != 1 || p.got[0].Key == "" {
			t.Errorf("%v %+v", err, p.got)
		}
	}
	end := endOf(m, p.now, "over")
	past := endOf(m, p.now, "was firing")
	if err := d.End(t.Context(), end, past); err == nil {
		t.Error("it was recorded in a queue that is away")
	}
	p.queue.fail = nil
	for range 2 { // the first answer may have been lost
		if err := d.End(t.Context(), end, past); err != nil {
			t.Fatal(err)
		}
	}
	p.wait(time.Hour)
	if len(p.got) != 2 || p.got[1].Status != resolved || p.got[1].Messages[0].Title != "over" || p.got[1].Thread != "receipt of "+p.got[0].Key {
		t.Errorf("%+v", p.got)
	}
	var outcomes []string
	for _, row := range p.queue.rows {
		outcomes = append(outcomes, row.Event+" "+row.Outcome)
	}
	if got := strings.Join(outcomes, ", "); got != "firing sent, resolved sent" {
		t.Error(got)
	}
}

// Who could not be told while it was so hears once that it was.
func TestDirectIsToldLate(t *testing.T) {
	p := newPost(t, Route{})
	m := alertMessage(p.now, "alertname=RuleFailing")
	d := p.Direct(m)
	p.tell = func(Notice) error { return errors.New("busy") }
	if err := d.Send(t.Context()); err == nil {
		t.Error("it was taken")
	}
	p.tell = nil
	p.now = p.now.Add(time.Minute)
	if err := d.End(t.Context(), endOf(m, p.now, "over"), endOf(m, p.now, "was firing")); err != nil {
		t.Fatal(err)
	}
	p.wait(time.Hour)
	if len(p.got) != 1 || p.got[0].Status != resolved || p.got[0].Messages[0].Title != "was firing" {
		t.Errorf("%+v", p.got)
	}
}

// The end of an alert goes where the alert went, also if no route matches it by itself.
func TestDirectEndFollowsItsBeginning(t *testing.T) {
	p := newPost(t, Route{Matchers: []string{"rule=(all)"}})
	m := alertMessage(p.now, "alertname=RuleFailing", "rule=(all)")
	d := p.Direct(m)
	if err := d.Send(t.Context()); err != nil || len(p.got) != 1 {
		t.Fatal(err, p.got)
	}
	end := endOf(m, p.now.Add(time.Minute), "over")
	end.Alert.Labels = map[string]string{"alertname": "RuleFailing"}
	if err := d.End(t.Context(), end, end); err != nil {
		t.Fatal(err)
	}
	p.wait(time.Hour)
	if len(p.got) != 2 || p.got[1].Status != resolved || p.got[1].Thread != "receipt of "+p.got[0].Key {
		t.Errorf("%+v", p.got)
	}
}

// Routes, mute times and the silences that were read last apply.
func TestDirectIsMuted(t *testing.T) {
	f := func(want int, change func(*post), route Route) {
		t.Helper()
		p := newPost(t, route)
		change(p)
		p.start()
		p.wait(5 * time.Second) // reads the silences
		d := p.Direct(alertMessage(p.now, "alertname=RuleFailing"))
		if err := d.Send(t.Context()); err != nil || len(p.got) != want || len(d.Taken()) != want {
			t.Errorf("%v %+v, want %d", err, p.got, want)
		}
	}
	same := func(*post) {}
	f(1, same, Route{})
	f(0, same, Route{Matchers: []string{"alertname=Other"}})
	f(0, func(p *post) {
		p.cfg.TimeIntervals = []Interval{{Name: "always", Times: []any{map[string]any{"years": []any{"2020:2100"}}}}}
		p.cfg.Routes[0].MuteTimeIntervals = []string{"always"}
	}, Route{})
	f(0, func(p *post) {
		p.queue.silences = []store.Silence{{ID: "s", Matchers: "alertname=RuleFailing", Starts: midnight, Ends: midnight.Add(time.Hour)}}
		p.fires("alertname=Other") // with nothing to tell, nothing is read
		p.tell = func(n Notice) error { p.got = nil; return errors.New("busy") }
	}, Route{Matchers: []string{"alertname=RuleFailing"}})
}

// While the silences cannot be read, an Alertmanager hears of what is firing all the same.
// Otherwise it would resolve everything after four minutes.
func TestAlertmanagerIsToldWithoutSilences(t *testing.T) {
	p := newPost(t)
	p.cfg.Receivers = []Receiver{{Name: "am", Alertmanager: &HTTPReceiver{URL: "http://am.test"}}}
	p.cfg.Routes = []Route{{Receivers: []string{"am"}}}
	p.start()
	var told []string
	p.alertmanagers[0].send = func(_ context.Context, all []postable) error {
		for _, a := range all {
			told = append(told, a.Labels["alertname"])
		}
		return nil
	}
	p.queue.silences = []store.Silence{{ID: "s", Matchers: "alertname=Silenced", Starts: midnight, Ends: midnight.Add(time.Hour)}}
	p.fires("alertname=Quota")
	p.fires("alertname=Silenced")
	if _, err := p.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.queue.unread = errors.New("away")
	p.now = p.now.Add(time.Minute)
	if left, err := p.Send(t.Context()); !left || err == nil || !strings.Contains(err.Error(), "away") {
		t.Error(left, err)
	}
	p.now = p.now.Add(time.Minute)
	p.Direct(alertMessage(p.now, "alertname=RuleFailing"))
	if err := p.SendUnqueued(t.Context()); err == nil {
		t.Error("the silences were read")
	}
	if got := strings.Join(told, ", "); got != "Quota, Quota, Quota, RuleFailing" {
		t.Error(got)
	}
}
