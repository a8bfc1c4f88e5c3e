package store_test

import (
	"fmt"
	"path"
	"testing"
	"time"

	"errata/internal/store"
)

func TestAlertSelectGlobsAreThoseOfPathMatch(t *testing.T) {
	s, _ := open(t)
	tenants := []string{"acme", "acme-2", "ac/me", "a.me", "axme", "ACME", "", "资金", "a*b", "a[b", "a-b", "a]b", `a\b`, "a\nb"}
	var values []string
	for i, tenant := range tenants {
		values = append(values, line(fmt.Sprintf("2026-11-02T00:00:%02dZ", i), tenant, quota))
	}
	if err := s.Insert(t.Context(), []*store.Batch{batch(t, 0, 0, values...)}); err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for _, glob := range []string{"acme", "*", "a*", "*me", "a?me", "a.me", "?????", "[a-b]*", "[^a]*", `a\*b`, `a[*]b`, "a[[]b", `a[\]]b`, `a\\b`, "资*", "??", "a/*", "*/*", "", "(acme)", "acme|a.me", "a[\\-]b", "a[b&&c]b", "a?b"} {
		if _, err := path.Match(glob, ""); err != nil {
			t.Fatalf("%q: %v", glob, err)
		}
		// The second glob makes a list of it, and matches nothing.
		sums, err := s.ErrorsPerMinute(t.Context(), store.AlertSelect{Tenants: []string{glob, "no[b]ody"}}, from, from.Add(time.Minute), []string{"tenant"})
		if err != nil {
			t.Fatalf("%q: %v", glob, err)
		}
		got := map[string]bool{}
		for _, sum := range sums {
			got[sum.Keys[0]] = true
		}
		for _, tenant := range tenants {
			if want, _ := path.Match(glob, tenant); got[tenant] != want {
				t.Errorf("%q matches %q: %v, want %v", glob, tenant, got[tenant], want)
			}
		}
	}
}

func TestMinutesForAlerts(t *testing.T) {
	s, _ := open(t)
	err := s.Insert(t.Context(), []*store.Batch{batch(t, 0, 0,
		line("2026-11-02T00:00:01Z", "acme", quota),
		line("2026-11-02T00:00:59.999Z", "acme", quota),
		line("2026-11-02T00:01:00Z", "acme", quota),
		line("2026-11-02T00:01:00Z", "acme", `{"ok":1}`),
		line("2026-11-02T00:01:00Z", "globex", `{"error_code":"OptVerse_10000004","error_msg":"The tenant t-1 is not allowed to access the service."}`),
		line("2026-11-02T00:02:00Z", "acme", quota),
	)})
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	f := func(what string, sums []store.MinuteSum, err error, want string) {
		t.Helper()
		got := ""
		for _, m := range sums {
			got += fmt.Sprintf("%s %v %d/%d; ", m.Minute.Format("15:04"), m.Keys, m.Errors, m.Requests)
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q %v, want %q", what, got, err, want)
		}
	}
	to := from.Add(2 * time.Minute)
	sums, err := s.ErrorsPerMinute(t.Context(), store.AlertSelect{}, from, to, []string{"tenant", "code"})
	f("all", sums, err, "00:00 [acme OSM.01010037] 2/0; 00:01 [acme OSM.01010037] 1/0; 00:01 [globex OptVerse_10000004] 1/0; ")
	sums, err = s.ErrorsPerMinute(t.Context(), store.AlertSelect{Families: []string{"OSM"}, Kinds: []string{"quota"}, Codes: []string{"OSM.01010037"}, Services: []string{"o*"}, Equal: map[string]string{"tenant": "acme", "kind": "quota"}}, from, to, nil)
	f("everything picked", sums, err, "00:00 [] 2/0; 00:01 [] 1/0; ")
	sums, err = s.RequestsPerMinute(t.Context(), store.AlertSelect{Codes: []string{"X"}}, from, to, []string{"tenant"})
	f("requests", sums, err, "00:00 [acme] 2/2; 00:01 [acme] 1/2; 00:01 [globex] 1/1; ")

	codes, err := s.AlertCodes(t.Context(), store.AlertSelect{}, from, to, 5)
	if err != nil || len(codes) != 2 || codes[0].Code != "OSM.01010037" || codes[0].Errors != 3 || codes[0].Dialect != "huawei" || codes[0].Status != 200 || codes[0].Service != "osm" {
		t.Errorf("%+v %v", codes, err)
	}
	known := false
	if codes, err = s.AlertCodes(t.Context(), store.AlertSelect{Known: &known}, from, to, 5); err != nil || len(codes) != 0 {
		t.Errorf("%+v %v", codes, err)
	}
	ids, err := s.AlertRequests(t.Context(), store.AlertSelect{Equal: map[string]string{"tenant": "acme"}}, from, to, 5)
	if err != nil || fmt.Sprint(ids) != "[r-1]" {
		t.Errorf("%v %v", ids, err)
	}
}

func TestDataWatermarkWaitsForAllPartitions(t *testing.T) {
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

func TestWhatIsSentIsNeverQueuedAgain(t *testing.T) {
	s, _ := open(t)
	d := store.Delivery{Target: "webhook", Source: "R", Fingerprint: "f", At: kafkaTime, Event: "firing", Body: "{}", Outcome: store.Queued, Written: kafkaTime}
	f := func(d store.Delivery, want int) {
		t.Helper()
		if err := s.RecordDeliveries(t.Context(), []store.Delivery{d}); err != nil {
			t.Fatal(err)
		}
		queue, err := s.QueuedDeliveries(t.Context(), "webhook", 10)
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

func TestAlertStatesOfTheLatestEvaluation(t *testing.T) {
	s, query := open(t)
	states := func(minute int, state string) []store.AlertState {
		at := kafkaTime.Add(time.Duration(minute) * time.Minute)
		return []store.AlertState{
			{Rule: "R", Evaluated: at},
			{Rule: "R", Fingerprint: "f", Labels: map[string]string{"tenant": "acme"}, State: state, Since: kafkaTime, Notice: "{}", Evaluated: at},
		}
	}
	transition := store.AlertTransition{At: kafkaTime, Rule: "R", Fingerprint: "f", Labels: map[string]string{"tenant": "acme"}, From: "pending", To: "firing", Reason: "41 errors", Value: 41, Threshold: 20}
	record := func(states []store.AlertState) {
		t.Helper()
		if err := s.RecordAlerts(t.Context(), []store.AlertTransition{transition}, nil, states); err != nil {
			t.Fatal(err)
		}
	}
	record(states(1, "firing"))
	record(states(0, "pending")) // a late repeat
	got, err := s.AlertStates(t.Context())
	if err != nil || len(got) != 2 || got[0].Fingerprint != "" || !got[0].Evaluated.Equal(kafkaTime.Add(time.Minute)) || got[1].State != "firing" ||
		!got[1].Since.Equal(kafkaTime) || !got[1].LowSince.IsZero() || got[1].Labels["tenant"] != "acme" || got[1].Notice != "{}" {
		t.Errorf("%+v %v", got, err)
	}
	record(states(2, "inactive"))
	if got, err = s.AlertStates(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if got := query("SELECT ts, rule, labels, `from`, `to`, reason, value, threshold FROM @alerts"); got != "2026-11-02 00:30:00.000\tR\t{'tenant':'acme'}\tpending\tfiring\t41 errors\t41\t20" {
		t.Error(got)
	}
}
