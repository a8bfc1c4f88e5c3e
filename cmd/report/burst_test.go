package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/loadgen"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// dashboardLink is the example of notify.link in config.yaml.
const dashboardLink = `http://127.0.0.1:3000/d/errata-overview?var-tenant={{.Labels.tenant | urlquery}}&var-code={{.Labels.code | urlquery}}&time={{.StartsAt.UnixMilli}}&time.window=7200000`

// incident is a database with the sample traffic, in which evaluators follow its quota burst.
type incident struct {
	t      *testing.T
	store  *store.Store
	hook   *target
	env    []string
	rules  string
	minute time.Time // the first minute of the burst
}

// sampleTraffic makes the sample traffic of a quarter of an hour, with a quota burst of two whole
// minutes.
func sampleTraffic(t *testing.T, now time.Time) (messages []loadgen.Message, burst loadgen.Burst) {
	t.Helper()
	from := now.Truncate(time.Minute).Add(-18 * time.Minute)
	sent, err := loadgen.Generate(loadgen.Config{Seed: 1, From: from, To: from.Add(16 * time.Minute), Requests: 3000}, func(m loadgen.Message) error {
		messages = append(messages, m)
		return nil
	})
	stacktest.Must(t, err)
	if b := sent.Burst; b.To.Sub(b.From) != 2*time.Minute || b.From.Truncate(time.Minute) != b.From {
		t.Fatalf("%+v", b)
	}
	return messages, sent.Burst
}

// quotaRule returns a file with the shipped rule about the quota, at a pace at which each phase
// takes a minute.
func quotaRule(t *testing.T) string {
	t.Helper()
	shipped, err := os.ReadFile(shippedRules)
	stacktest.Must(t, err)
	rule, _, _ := strings.Cut(string(shipped), "      - alert: QuotaHits")
	for _, change := range [][2]string{{"over: 5m", "over: 1m"}, {"for: 2m", "for: 1m"}, {"keep_firing_for: 0s", "keep_firing_for: 1m"}} {
		if strings.Count(rule, change[0]) != 1 {
			t.Fatalf("the shipped rule has no %s:\n%s", change[0], rule)
		}
		rule = strings.Replace(rule, change[0], change[1], 1)
	}
	file := filepath.Join(t.TempDir(), "alerts.yaml")
	stacktest.Must(t, os.WriteFile(file, []byte(rule), 0o600))
	return file
}

// newIncident stores the traffic in a database of its own. Evaluators tell a webhook and, if there
// is one, an Alertmanager.
func newIncident(t *testing.T, n int, messages []loadgen.Message, burst loadgen.Burst, alertmanager string) *incident {
	t.Helper()
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	catalogs, err := catalog.Open(catalog.Default)
	stacktest.Must(t, err)
	processor, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	stacktest.Must(t, err)
	b := store.NewBatch("gateway-logs", 0, 0, store.Limits{})
	for i, m := range messages {
		b.Add(int64(i), m.Time, processor.Record(m.Value, enrich.Position{Clock: accesslog.KafkaClock(m.Time)}))
	}
	stacktest.Must(t, s.Insert(t.Context(), []*store.Batch{b}))
	h := newTarget(t)
	receivers, route := "{name: ops, webhook: {url: "+h.URL+"}}", "ops"
	if alertmanager != "" {
		receivers, route = receivers+", {name: am, alertmanager: {url: "+alertmanager+"}}", "ops, am"
	}
	return &incident{
		t: t, store: s, hook: h, rules: quotaRule(t), minute: burst.From,
		env: []string{
			// The library of ClickHouse aborts if a client that is killed resets its connection.
			"ERRATA_CLICKHOUSE_ADDR=" + stacktest.StartProxy(t, addr, stacktest.FrontHost(n)).Addr,
			"ERRATA_CLICKHOUSE_DATABASE=" + database,
			"ERRATA_NOTIFY_LINK=" + dashboardLink,
			"ERRATA_NOTIFY_RECEIVERS=[" + receivers + "]",
			"ERRATA_NOTIFY_ROUTES=[{receivers: [" + route + "], group_wait: 2s, group_interval: 1s}]",
		},
	}
}

// start starts another process.
func (i *incident) start() *evaluator {
	i.t.Helper()
	return startEvaluator(i.t, i.rules, i.env...)
}

// mark moves the watermark to so many minutes after the burst began.
func (i *incident) mark(minute int) {
	i.t.Helper()
	at := i.minute.Add(time.Duration(minute) * time.Minute)
	stacktest.Must(i.t, i.store.InsertWatermarks(i.t.Context(), []store.Watermark{{Topic: "gateway-logs", Partition: 0, Watermark: at, At: at}}))
}

// await waits until the rule has been evaluated up to a minute.
func (i *incident) await(minute int) {
	i.t.Helper()
	want := i.minute.Add(time.Duration(minute) * time.Minute)
	var at time.Time
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		err := i.store.Query(i.t.Context(), "SELECT evaluated FROM alert_states WHERE fingerprint = '' AND rule = 'CaseQuotaExhausted'", nil,
			func(scan func(...any) error) error { return scan(&at) })
		if stacktest.Must(i.t, err); at.Equal(want) {
			return
		}
	}
	i.t.Fatalf("evaluated up to %s, want %s", at, want)
}

// rows returns all columns of the alert's transitions, and its states.
func (i *incident) rows() (all []string) {
	i.t.Helper()
	for _, sql := range []string{
		"SELECT toJSONString(tuple(*)) FROM (SELECT * REPLACE (mapSort(labels) AS labels) FROM alerts WHERE rule = 'CaseQuotaExhausted' ORDER BY ts)",
		"SELECT toJSONString(tuple(rule, fingerprint, mapSort(labels), state, since, low_since, frozen, notice, evaluated)) FROM alert_states WHERE rule = 'CaseQuotaExhausted' ORDER BY fingerprint",
	} {
		stacktest.Must(i.t, i.store.Query(i.t.Context(), sql, nil, func(scan func(...any) error) error {
			var row string
			err := scan(&row)
			all = append(all, row)
			return err
		}))
	}
	return all
}

// transitions is "inactive>pending 1, pending>firing 2", in minutes after the burst began.
func (i *incident) transitions() string {
	i.t.Helper()
	var all []string
	stacktest.Must(i.t, i.store.Query(i.t.Context(), "SELECT ts, `from`, `to` FROM alerts WHERE rule = 'CaseQuotaExhausted' ORDER BY ts", nil, func(scan func(...any) error) error {
		var at time.Time
		var from, to string
		err := scan(&at, &from, &to)
		all = append(all, fmt.Sprintf("%s>%s %.0f", from, to, at.Sub(i.minute).Minutes()))
		return err
	}))
	return strings.Join(all, ", ")
}

// arrives waits for a request to the webhook.
func (i *incident) arrives(want string) (key string) {
	i.t.Helper()
	key, status := i.hook.next(i.t)
	if status != want {
		i.t.Errorf("got %s, want %s", status, want)
	}
	return key
}

// pages keeps what an Alertmanager sends: its status, and that of each alert.
type pages struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

func newPages(t *testing.T) *pages {
	p := &pages{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var n struct {
			Status string
			Alerts []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.Unmarshal(body, &n); err != nil {
			t.Error(err)
		}
		text := n.Status + ":"
		for _, a := range n.Alerts {
			text += " " + a.Labels["tenant"] + " " + a.Status
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got = append(p.got, text)
	}))
	t.Cleanup(p.Close)
	return p
}

// await waits for a number of messages and returns all of them.
func (p *pages) await(t *testing.T, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		p.mu.Lock()
		got := slices.Clone(p.got)
		p.mu.Unlock()
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("Alertmanager has sent %q, want %d", got, n)
		}
	}
}

// activeAlert is an alert as Alertmanager shows it.
type activeAlert struct {
	Labels, Annotations map[string]string
	StartsAt            time.Time
	GeneratorURL        string
}

func activeAlerts(t *testing.T, root string) (all []activeAlert) {
	t.Helper()
	resp, err := http.Get(root + "/api/v2/alerts?active=true")
	stacktest.Must(t, err)
	defer resp.Body.Close()
	stacktest.Must(t, json.NewDecoder(resp.Body).Decode(&all))
	return all
}

// The quota burst of the sample traffic, from its first error until it is over: kill -9 of the
// evaluator in each phase changes no state and no message, and sends nothing twice. Beside it runs
// an evaluator that nobody kills.
func TestKilledInEachPhaseOfTheQuotaBurst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	messages, burst := sampleTraffic(t, now)
	pages := newPages(t)
	am := stacktest.Alertmanager(t, "route: {receiver: r, group_wait: 0s, group_interval: 1s}\nreceivers: [{name: r, webhook_configs: [{url: '"+pages.URL+"'}]}]\n")
	one, other := newIncident(t, 1, messages, burst, am), newIncident(t, 2, messages, burst, "")
	mark := func(minute int) { one.mark(minute); other.mark(minute) }
	await := func(minute int) { one.await(minute); other.await(minute) }

	mark(0) // before the burst
	other.start()
	e := one.start()
	await(0)
	e.Kill()

	mark(1) // pending
	e = one.start()
	await(1)
	e.Kill()
	e = one.start() // nothing is due
	for deadline := time.Now().Add(time.Minute); !e.logged(t, "evaluating alert rules"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the evaluator does not start again")
		}
	}
	e.Kill()
	if got := activeAlerts(t, am); len(got) != 0 || one.transitions() != "inactive>pending 1" {
		t.Errorf("%+v, %s", got, one.transitions())
	}

	mark(2) // firing
	one.hook.hangs()
	e = one.start()
	one.await(2)
	e.Kill() // before anything was sent: a group waits for two seconds
	one.hook.forget()
	e = one.start()
	key := one.arrives("firing")
	e.Kill() // while it is sent
	one.hook.answer()
	e = one.start()
	if again := one.arrives("firing"); again != key {
		t.Errorf("got the key %s, want %s", again, key)
	}
	awaitOutcome(t, one.store, store.Sent, 1)
	pages.await(t, 1)
	e.Kill() // after it was sent
	e = one.start()
	other.await(2)
	if other.arrives("firing") != key {
		t.Error("the evaluators send different keys")
	}
	wantInAlertmanager(t, activeAlerts(t, am), burst)

	mark(3) // recovering
	await(3)
	if got := len(activeAlerts(t, am)); got != 1 {
		t.Errorf("Alertmanager has %d alerts while the alert recovers", got)
	}
	e.Kill()

	mark(4) // resolved
	one.hook.hangs()
	e = one.start()
	key = one.arrives("resolved")
	e.Kill()
	one.hook.answer()
	e = one.start()
	if again := one.arrives("resolved"); again != key || other.arrives("resolved") != key {
		t.Error("the evaluators send different keys")
	}
	awaitOutcome(t, one.store, store.Sent, 2)
	pages.await(t, 2)
	e.Kill()

	mark(5) // over
	one.start()
	await(5)
	if got := one.transitions(); got != "inactive>pending 1, pending>firing 2, firing>recovering 3, recovering>resolved 4" {
		t.Error(got)
	}
	if a, b := strings.Join(one.rows(), "\n"), strings.Join(other.rows(), "\n"); a != b {
		t.Errorf("with kills\n%s\nwithout\n%s", a, b)
	}
	if got := activeAlerts(t, am); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := pages.await(t, 2); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", []string{"firing: " + burst.Tenant + " firing", "resolved: " + burst.Tenant + " resolved"}) {
		t.Errorf("Alertmanager has sent %q", got)
	}
	one.sameMessages(other)
}

// wantInAlertmanager checks the one alert in Alertmanager: the words of the catalog, and a link to
// the shipped dashboard.
func wantInAlertmanager(t *testing.T, got []activeAlert, burst loadgen.Burst) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	a := got[0]
	for name, want := range map[string]string{
		"description": "The number of created service tickets has exceeded the upper limit.",
		"remedy":      "Refer to the error message, or contact technical support engineers.",
		"code":        burst.Code,
		"runbook":     "docs/runbooks/CaseQuotaExhausted.md",
	} {
		if a.Annotations[name] != want {
			t.Errorf("%s: %q, want %q", name, a.Annotations[name], want)
		}
	}
	if a.Labels["alertname"] != "CaseQuotaExhausted" || a.Labels["tenant"] != burst.Tenant || !a.StartsAt.Equal(burst.From.Add(2*time.Minute)) ||
		!strings.HasPrefix(a.Annotations["summary"], burst.Tenant+" has used up its quota of cases: ") || a.Annotations["request_ids"] == "" {
		t.Errorf("%+v", a)
	}
	link, err := url.Parse(a.GeneratorURL)
	stacktest.Must(t, err)
	var dashboard struct {
		UID        string
		Templating struct{ List []struct{ Name string } }
	}
	text, err := os.ReadFile("../../dashboards/overview.json")
	stacktest.Must(t, err)
	stacktest.Must(t, json.Unmarshal(text, &dashboard))
	if link.Path != "/d/"+dashboard.UID {
		t.Errorf("%s leads to no dashboard of ours", link)
	}
	query := link.Query()
	for name := range query {
		variable, ok := strings.CutPrefix(name, "var-")
		if ok && !slices.ContainsFunc(dashboard.Templating.List, func(v struct{ Name string }) bool { return v.Name == variable }) {
			t.Errorf("%s: the dashboard has no variable %s", link, variable)
		}
	}
	if query.Get("var-tenant") != burst.Tenant || query.Get("var-code") != burst.Code || query.Get("time") != fmt.Sprint(a.StartsAt.UnixMilli()) {
		t.Error(link)
	}
	config, err := os.ReadFile("../../config.yaml")
	stacktest.Must(t, err)
	if !strings.Contains(string(config), dashboardLink) {
		t.Error("config.yaml shows another link")
	}
}

// sameMessages checks that the webhooks of two incidents have taken the same messages, each once,
// and that what was sent again was the same.
func (i *incident) sameMessages(other *incident) {
	i.t.Helper()
	if fmt.Sprint(i.hook.took) != fmt.Sprint(other.hook.took) || len(i.hook.took) != 2 || len(i.hook.arrived)+len(other.hook.arrived) != 0 {
		i.t.Errorf("took %q with kills, %q without", i.hook.took, other.hook.took)
	}
	for key, bodies := range i.hook.bodies {
		// While a request is sent, kill -9 leaves it unanswered: it comes once more.
		if sent := other.hook.bodies[key]; len(bodies) < 2 || len(sent) != 1 || slices.ContainsFunc(bodies, func(body string) bool { return body != sent[0] }) {
			i.t.Errorf("%s: with kills %q, without %q", key, bodies, sent)
		}
	}
}
