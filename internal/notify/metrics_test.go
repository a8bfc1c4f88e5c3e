package notify

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func page(registry *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// values returns the lines of a page that have a value other than 0, without the common prefix.
func values(page string) string {
	var all []string
	for line := range strings.Lines(page) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0") {
			all = append(all, strings.TrimPrefix(line, "errata_notifications_"))
		}
	}
	return strings.Join(all, "\n")
}

func TestMetricsOfReceivers(t *testing.T) {
	p := newPost(t, Route{GroupBy: []string{"tenant"}})
	registry := prometheus.NewRegistry()
	p.Watch(NewMetrics(registry))
	stacktest.CheckMetrics(t, page(registry))
	f := func(want ...string) {
		t.Helper()
		if got := values(page(registry)); got != strings.Join(want, "\n") {
			t.Errorf("the page has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	}
	for _, outcome := range []string{"sent", "failed", "refused", "expired"} {
		if series := fmt.Sprintf(`errata_notifications_total{outcome="%s",receiver="ops"} 0`, outcome); !strings.Contains(page(registry), series) {
			t.Errorf("without messages there is no %s", series)
		}
	}

	step := func(d time.Duration) {
		t.Helper()
		p.now = p.now.Add(d)
		if _, err := p.Send(t.Context()); err != nil && p.tell == nil {
			t.Fatal(err)
		}
	}
	p.fires("alertname=R", "tenant=acme")
	step(20 * time.Second)
	f(`waiting{receiver="ops"} 1`)

	p.tell = func(Notice) error { return errors.New("busy") }
	step(time.Minute)
	oldest := `oldest_timestamp_seconds{receiver="ops"} ` + strconv.FormatFloat(float64(p.now.Unix()), 'g', -1, 64)
	f(oldest, `queued{receiver="ops"} 1`, `total{outcome="failed",receiver="ops"} 1`)
	stacktest.CheckMetrics(t, page(registry))

	p.fires("alertname=R", "tenant=globex")
	step(time.Minute)
	f(oldest, `queued{receiver="ops"} 1`, `total{outcome="failed",receiver="ops"} 2`, `waiting{receiver="ops"} 1`)

	p.tell = nil
	step(time.Minute)
	f(`total{outcome="failed",receiver="ops"} 2`, `total{outcome="sent",receiver="ops"} 2`)

	p.tell = func(Notice) error { return refusal{errors.New("no such address")} }
	p.fires("alertname=R", "tenant=initech")
	step(time.Minute)
	f(`total{outcome="failed",receiver="ops"} 2`, `total{outcome="refused",receiver="ops"} 1`, `total{outcome="sent",receiver="ops"} 2`)

	p.Reset()
	if got := page(registry); strings.Contains(got, "queued{") || !strings.Contains(got, `outcome="sent"`) {
		t.Errorf("a process that another one has replaced shows\n%s", got)
	}
}

// Backlogs of ClickHouse and of a dry run are counted alike.
func TestBacklogs(t *testing.T) {
	t.Parallel()
	delivery := func(target, fingerprint, outcome string, written time.Time) store.Delivery {
		return store.Delivery{Target: target, Source: "R", Fingerprint: fingerprint, At: midnight, Event: "firing", Body: "{}", Outcome: outcome, Written: written}
	}
	rows := []store.Delivery{
		delivery("ops", "1", store.Queued, midnight.Add(time.Minute)),
		delivery("ops", "2", store.Sending, midnight.Add(time.Second)),
		delivery("ops", "3", store.Waiting, midnight.Add(-time.Hour)),
		delivery("ops", "4", store.Sent, midnight.Add(-time.Hour)),
		delivery("chat", "5", store.Waiting, midnight),
		delivery("other", "6", store.Queued, midnight),
		delivery("quiet", "7", store.Sent, midnight),
	}
	for _, q := range []Queue{&overlay{}, Stored(openStore(t))} {
		if err := q.RecordDeliveries(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		all, err := q.Backlogs(t.Context(), []string{"ops", "chat", "quiet"})
		ops := all["ops"]
		if err != nil || len(all) != 2 || ops.Queued != 2 || ops.Waiting != 1 || !ops.Oldest.Equal(midnight.Add(time.Second)) || all["chat"] != (Backlog{Waiting: 1}) {
			t.Errorf("%T: %+v %v", q, all, err)
		}
	}
}

func TestMetricsOfAlertmanager(t *testing.T) {
	t.Parallel()
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	cfg := Defaults
	cfg.Alertmanager.URL = server.URL
	n := New(cfg, &memory{}, slog.New(slog.DiscardHandler))
	now := midnight
	n.Now = func() time.Time { return now }
	registry := prometheus.NewRegistry()
	n.Watch(NewMetrics(registry))
	n.Update(alertMessage(now, "alertname=R"))
	if _, err := n.Send(t.Context()); err == nil {
		t.Error("503 is no error")
	}
	status, now = http.StatusOK, now.Add(time.Minute)
	if _, err := n.Send(t.Context()); err != nil {
		t.Error(err)
	}
	want := `total{outcome="failed",receiver="alertmanager"} 1` + "\n" + `total{outcome="sent",receiver="alertmanager"} 1`
	if got := values(page(registry)); got != want || strings.Contains(page(registry), "queued{") {
		t.Errorf("the page has\n%s", page(registry))
	}
}
