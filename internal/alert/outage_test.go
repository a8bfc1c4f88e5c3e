package alert

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"errata/internal/notify"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// While ClickHouse is away, people hear that no rule is evaluated, and an Alertmanager keeps what
// was firing. When ClickHouse is back, evaluation goes on, and people hear of that once.
func TestOutageIsToldWithoutClickHouse(t *testing.T) {
	t.Parallel()
	w, h, url := newWorld(t), newHook(t), quietAlertmanager(t)
	w.burst()
	w.mark(0)
	r, proxy := w.runnerBehindProxy(t, func(c *notify.Config) {
		c.Webhook.URL = h.URL
		c.Receivers = []notify.Receiver{{Name: "am", Alertmanager: &notify.HTTPReceiver{URL: url}}}
		c.Routes = []notify.Route{{Receivers: []string{"am"}}}
	})
	registry := prometheus.NewRegistry()
	r.Metrics = NewMetrics(registry)
	began := time.Now()
	r.Notifier.Now = func() time.Time { return began.Add(w.now.Sub(midnight)) } // Alertmanager's clock cannot be set
	stacktest.Must(t, r.start(t.Context()))
	turn := func(after time.Duration) {
		t.Helper()
		w.now = w.now.Add(after)
		if _, err := r.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(told, active string, failing float64) {
		t.Helper()
		var all []string
		for _, n := range h.got {
			all = append(all, n.Alert+" "+n.Status)
		}
		if got := strings.Join(all, ", "); got != told {
			t.Errorf("told %s, want %s", got, told)
		}
		if got := activeAlerts(t, url); got != active {
			t.Errorf("Alertmanager has %s, want %s", got, active)
		}
		if got := gauge(t, registry, "errata_alert_evaluation_failing"); got != failing {
			t.Errorf("failing %g, want %g", got, failing)
		}
	}
	turn(0)
	w.mark(16)
	turn(0)
	const quotaFires = "CaseQuotaExhausted firing"
	want(quotaFires, "CaseQuotaExhausted", 0)

	proxy.Refuse()
	turn(time.Minute)
	stacktest.Must(t, proxy.Accept())
	turn(time.Second)
	want(quotaFires, "CaseQuotaExhausted", 0) // a restart tells nobody
	proxy.Refuse()
	for range 4 {
		turn(time.Minute)
	}
	want(quotaFires+", RuleFailing firing", "CaseQuotaExhausted, RuleFailing", 1)
	n := h.got[1]
	if n.Labels["rule"] != "(all)" || !strings.Contains(n.Reason, "no rule is evaluated, for 2m: read the watermarks: ") || !strings.Contains(n.Reason, "connection refused") {
		t.Errorf("%+v", n)
	}
	w.mark(25)
	stacktest.Must(t, proxy.Accept())
	for range 3 {
		turn(time.Minute)
	}
	want(quotaFires+", RuleFailing firing, CaseQuotaExhausted resolved, RuleFailing resolved", "", 0)
	if !slices.Contains(w.reasons, "the rules are evaluated again") {
		t.Error(w.reasons)
	}
	var rows []string
	stacktest.Must(t, w.store.Query(t.Context(), "SELECT `from` || '>' || `to` FROM alerts WHERE rule = 'RuleFailing' ORDER BY ts", nil, func(scan func(...any) error) error {
		var row string
		err := scan(&row)
		rows = append(rows, row)
		return err
	}))
	if got := strings.Join(rows, ", "); got != "inactive>firing, firing>resolved" {
		t.Error(got)
	}
	list, err := List(t.Context(), w.store)
	if err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

// A process that has told of an outage may lose the fence before the outage ends. The process that
// holds the fence then tells of the end.
func TestEndOfAnOutageIsHandedOver(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(0)
	hooked := func(c *notify.Config) { c.Webhook.URL = h.URL }
	r, proxy := w.runnerBehindProxy(t, hooked)
	stacktest.Must(t, r.start(t.Context()))
	proxy.Refuse()
	for range 4 {
		w.now = w.now.Add(time.Minute)
		_, err := r.turn(t.Context())
		stacktest.Must(t, err)
	}
	if r.outage == nil || r.outage.told == nil {
		t.Fatal("no outage was told")
	}
	if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("ready in an outage: %v", err)
	}

	stacktest.Must(t, proxy.Accept())
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	r.Notifier.Fence = func(context.Context) error {
		if asked++; asked == 3 {
			cancel()
		}
		return errors.New("another process holds it")
	}
	r.takeOver(ctx)
	if r.outage != nil {
		t.Error("the outage goes on")
	}
	if err := r.Ready(); err != nil {
		t.Errorf("standing by: %v", err)
	}

	stacktest.Must(t, w.runner(caseQuota, hooked).Once(t.Context()))
	var all []string
	for _, n := range h.got {
		all = append(all, n.Alert+" "+n.Status)
	}
	if got := strings.Join(all, ", "); got != "RuleFailing firing, RuleFailing resolved" {
		t.Error(got)
	}
}

// runnerBehindProxy makes a Runner, not yet started, that reaches ClickHouse through a proxy.
func (w *world) runnerBehindProxy(t *testing.T, change func(*notify.Config)) (*Runner, *stacktest.Proxy) {
	t.Helper()
	proxy := stacktest.StartProxy(t, w.addr, stacktest.FrontHost(0))
	through, err := store.Open(t.Context(), store.Config{Addr: []string{proxy.Addr}, Database: w.database, Username: "default"})
	stacktest.Must(t, err)
	t.Cleanup(func() { through.Close() })
	direct := w.store
	w.store = through
	r := w.runner(caseQuota, change)
	w.store = direct
	r.retry = &backoff.ExponentialBackOff{InitialInterval: poll, Multiplier: 2, MaxInterval: longestPause}
	return r, proxy
}

// A query that fails because the server has gone is no fault of its rule.
func TestServerThatHasGoneIsNoFaultOfARule(t *testing.T) {
	t.Parallel()
	groups, err := read("alerts.yaml", []byte(twoRules))
	stacktest.Must(t, err)
	e := newEvaluator(Config{Groups: groups}, broken{&simulated{}, map[string]error{"Broken": errors.New("EOF"), "Works": errors.New("EOF")}}, nil, stacktest.Log(t))
	stacktest.Must(t, e.Since.Set("1h"))
	for answers, want := range map[bool]string{true: "Broken EOF, Works EOF", false: "evaluate rule Broken: EOF"} {
		e.ping = func(context.Context) error {
			if answers {
				return nil
			}
			return errors.New("connection refused")
		}
		var got []string
		outcomes, _, err := e.round(t.Context(), midnight, midnight)
		for _, o := range outcomes {
			if o.failed != "" {
				got = append(got, o.rule.Name+" "+o.failed)
			}
		}
		if err != nil {
			got = append(got, err.Error())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// activeAlerts returns the names of what an Alertmanager takes for firing.
func activeAlerts(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/api/v2/alerts?active=true")
	stacktest.Must(t, err)
	defer resp.Body.Close()
	var active []struct{ Labels map[string]string }
	stacktest.Must(t, json.NewDecoder(resp.Body).Decode(&active))
	var names []string
	for _, a := range active {
		names = append(names, a.Labels[alertname])
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// gauge returns the value of a gauge without labels.
func gauge(t *testing.T, registry prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	stacktest.Must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
