package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/enrich"
	"errata/internal/notify"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// world is a database with some traffic, and what evaluators printed about it.
type world struct {
	t        *testing.T
	store    *store.Store
	addr     string // of its server
	database string
	catalogs *catalog.Set
	offset   int64
	now      time.Time // the clock of evaluators: where the watermark is
	printed  []string  // "minute rule from>to"
	reasons  []string
}

// catalogs are those of the program, loaded once.
var catalogs = sync.OnceValues(func() (*catalog.Set, error) { return catalog.Open(catalog.Default) })

// migrate creates the schema of a database.
func migrate(addr, database string) error {
	s, err := store.OpenAndMigrate(context.Background(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		return err
	}
	return s.Close()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	addr, database := stacktest.Schema(t, migrate)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := catalogs()
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, store: s, addr: addr, database: database, catalogs: c}
}

const (
	quota   = `{"error_code":"OSM.01010037","error_msg":"Exceeded the number of times the case limit was created."}`
	unknown = `{"error_code":"OSM.99999999","error_msg":"What is this?"}`
	denied  = `{"error_code":"OptVerse_10000004","error_msg":"The tenant t-1 is not allowed to access the service."}`
	fine    = `{"ok":1}`
)

// request is n requests in a minute, with ids r-MINUTE-1 and so on.
type request struct {
	minute, n int
	tenant    string
	body      string
}

func (w *world) insert(requests ...request) {
	w.t.Helper()
	var lines []logged
	for _, r := range requests {
		for i := range r.n {
			at := midnight.Add(time.Duration(r.minute)*time.Minute + time.Duration(i)*time.Millisecond)
			lines = append(lines, logged{at: at, id: fmt.Sprintf("r-%d-%d", r.minute, i), tenant: r.tenant, body: r.body})
		}
	}
	w.insertLines(lines...)
}

// logged is one request.
type logged struct {
	at               time.Time
	id, tenant, body string
	route            string // "": cases
}

func (w *world) insertLines(lines ...logged) {
	w.t.Helper()
	p, err := enrich.NewProcessor(enrich.Config{}, w.catalogs)
	if err != nil {
		w.t.Fatal(err)
	}
	b := store.NewBatch("logs", 0, w.offset, store.Limits{})
	for _, l := range lines {
		value := fmt.Appendf(nil, `{"time":%q,"tenant":%q,"service":"osm","route":%q,"method":"POST","path":"/v2/cases","status":200,"request_id":%q,"response_body":%q}`,
			cli.Timestamp{Time: l.at}, l.tenant, cmp.Or(l.route, "cases"), l.id, l.body)
		b.Add(w.offset, l.at, p.Record(value, enrich.Position{Clock: accesslog.KafkaClock(l.at)}))
		w.offset++
	}
	if err := w.store.Insert(w.t.Context(), []*store.Batch{b}); err != nil {
		w.t.Fatal(err)
	}
}

// mark moves the watermark.
func (w *world) mark(minute int) {
	w.t.Helper()
	at := midnight.Add(time.Duration(minute) * time.Minute)
	if w.now.Before(at) {
		w.now = at
	}
	if err := w.store.InsertWatermarks(w.t.Context(), []store.Watermark{{Topic: "logs", Partition: 0, Watermark: at, At: time.Now()}}); err != nil {
		w.t.Fatal(err)
	}
}

// burst is ten quota errors a minute from minute 10 to 14: with caseQuota pending at 13, firing at
// 15, resolved at 20.
func (w *world) burst() {
	w.t.Helper()
	requests := []request{{5, 3, "acme", quota}, {12, 30, "globex", fine}}
	for minute := 10; minute < 15; minute++ {
		requests = append(requests, request{minute, 10, "acme", quota})
	}
	w.insert(requests...)
}

const caseQuota = `
groups:
  - name: quota
    rules:
      - alert: CaseQuotaExhausted
        select: {codes: ['OSM.010100*']}
        by: [tenant]
        count: {over: 5m, above: 20}
        for: 2m
        resolve_below: 5
        labels: {severity: page}
        annotations: {summary: "{{.Labels.tenant}}: {{.Value}} of {{.Code}}, {{.Description}}"}
`

const burstIs = "13 CaseQuotaExhausted inactive>pending, 15 CaseQuotaExhausted pending>firing, 20 CaseQuotaExhausted firing>resolved"

// runner stands for a new process.
func (w *world) runner(rules string, change func(*notify.Config)) *Runner {
	w.t.Helper()
	groups, err := read("alerts.yaml", []byte(rules))
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := Config{File: "/etc/alerts.yaml", Groups: groups}
	if err := cfg.Since.Set("1h"); err != nil {
		w.t.Fatal(err)
	}
	told := notify.Defaults
	if change != nil {
		change(&told)
	}
	return &Runner{
		Config: cfg, Store: w.store, Catalogs: w.catalogs, Notifier: notify.New(told, notify.Stored(w.store), stacktest.Log(w.t)), Log: stacktest.Log(w.t),
		Now: func() time.Time { return w.now },
		Print: func(t store.AlertTransition) error {
			w.printed = append(w.printed, fmt.Sprintf("%.0f %s %s>%s", t.At.Sub(midnight).Minutes(), t.Rule, t.From, t.To))
			w.reasons = append(w.reasons, t.Reason)
			return nil
		},
	}
}

func (w *world) once(r *Runner) {
	w.t.Helper()
	if err := r.Once(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(want string) {
	w.t.Helper()
	if got := strings.Join(w.printed, ", "); got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// hook is a server that receives notifications.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	got    []Notification
	bodies []string
	answer func(Notification) int // nil: 200
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		var n Notification
		if err := json.Unmarshal(body, &n); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", body, err)
		}
		if h.answer != nil {
			if status := h.answer(n); status != 200 {
				w.WriteHeader(status)
				return
			}
		}
		h.got, h.bodies = append(h.got, n), append(h.bodies, string(body))
	}))
	t.Cleanup(h.Close)
	return h
}

// statuses is "firing 15, resolved 20".
func (h *hook) statuses() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, n := range h.got {
		at := n.StartsAt.Time
		if !n.EndsAt.IsZero() {
			at = n.EndsAt.Time
		}
		status := n.Status
		if n.Late {
			status = "late " + status
		}
		all = append(all, fmt.Sprintf("%s %.0f", status, at.Sub(midnight).Minutes()))
	}
	return strings.Join(all, ", ")
}

func TestBurstFiresAndResolves(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	for _, minute := range []int{0, 16, 25} {
		w.mark(minute)
		w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL + "/hook" }))
	}
	w.want(burstIs)
	if got := strings.Join(w.reasons, "\n"); got != "30 errors in 5m, above 20; fires after 2m\n50 errors in 5m, above 20, for 2m\n0 errors in 5m, below 5" {
		t.Error(got)
	}
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Fatal(got)
	}
	n := h.got[0]
	if n.Alert != "CaseQuotaExhausted" || n.Labels["tenant"] != "acme" || n.Labels["severity"] != "page" || n.Labels["alertname"] != n.Alert ||
		n.Value != 50 || n.Threshold != 20 || n.Errors != 50 || n.Code != "OSM.01010037" || fmt.Sprint(n.Codes) != "[{OSM.01010037 50}]" ||
		n.Description != "The number of created service tickets has exceeded the upper limit." ||
		n.Remedy != "Refer to the error message, or contact technical support engineers." ||
		n.Summary != "acme: 50 of OSM.01010037, "+n.Description || !n.EndsAt.IsZero() ||
		fmt.Sprint(n.RequestIDs) != "[r-14-9 r-14-8 r-14-7 r-14-6 r-14-5]" {
		t.Errorf("%+v", n)
	}
	if !strings.Contains(h.bodies[0], `"starts_at":"2026-11-02T00:15:00.000Z","ends_at":null`) {
		t.Error(h.bodies[0])
	}
	n = h.got[1]
	if n.Value != 0 || n.Threshold != 5 || n.Code != "OSM.01010037" || n.Remedy == "" || n.Labels["tenant"] != "acme" || n.Reason != "0 errors in 5m, below 5" || n.ID == h.got[0].ID {
		t.Errorf("%+v", n)
	}
	w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL })) // again: nothing happens
	w.want(burstIs)
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Error(got)
	}
}

func TestNothingIsEvaluatedBeyondTheWatermark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.burst()
	r := w.runner(caseQuota, nil)
	w.now = midnight
	if err := r.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "logs/0") {
		t.Error(err)
	}
	w.mark(14)
	w.once(r)
	w.want("13 CaseQuotaExhausted inactive>pending")
	w.mark(15)
	w.mark(12) // an older watermark arrives late
	w.once(r)
	w.want("13 CaseQuotaExhausted inactive>pending")
	w.mark(19)
	w.once(r)
	w.want("13 CaseQuotaExhausted inactive>pending, 15 CaseQuotaExhausted pending>firing")
}

// A new process each minute tells exactly what a single one would.
func TestRestartNeitherLosesNorRepeats(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	for minute := 5; minute < 30; minute++ {
		w.mark(minute)
		w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	}
	w.want(burstIs)
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Error(got)
	}
}

// The states are the last to be written. A process that dies before that does it all again, to the
// same end.
func TestDyingHalfWayIsRepaired(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(0)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.once(w.runner(caseQuota, withHook))
	w.mark(16)
	r := w.runner(caseQuota, withHook)
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	outcomes, _, err := r.evaluator.round(t.Context(), w.now, w.now)
	if err != nil || len(outcomes) != 1 || len(outcomes[0].steps) != 2 {
		t.Fatal(outcomes, err)
	}
	o := outcomes[0]
	if err := w.store.RecordAlerts(t.Context(), o.transitions(standing{}), r.Notifier.Deliveries(messages(o.notices...)...), nil); err != nil {
		t.Fatal(err)
	}
	w.once(w.runner(caseQuota, withHook))
	w.mark(25)
	w.once(w.runner(caseQuota, withHook))
	w.want(burstIs)
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Error(got)
	}
}

func TestWebhookInTroubleLosesNothing(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(16)
	h.answer = func(Notification) int { return http.StatusServiceUnavailable }
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	r := w.runner(caseQuota, withHook)
	clock := time.Now()
	r.Notifier.Now = func() time.Time { return clock }
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if left, err := r.Notifier.Send(t.Context()); !left || err == nil || !strings.Contains(err.Error(), "503") {
			t.Fatal(left, err)
		}
		if left, err := r.Notifier.Send(t.Context()); !left || err != nil { // waits
			t.Fatal(left, err)
		}
		clock = clock.Add(time.Minute)
	}
	w.mark(25) // it is resolved while the webhook is away, and the evaluator is restarted
	h.answer = nil
	w.once(w.runner(caseQuota, withHook))
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Error(got)
	}
}

func TestRefusedNotificationHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	refusals := 0
	h.answer = func(n Notification) int {
		if n.Status == Firing {
			refusals++
			return http.StatusBadRequest
		}
		return http.StatusOK
	}
	for _, minute := range []int{16, 25, 26} {
		w.mark(minute)
		w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	}
	if got := h.statuses(); got != "resolved 20" || refusals != 1 {
		t.Error(got, refusals)
	}
}

func TestWebhookSwitchedOnLaterHearsWhatIsFiring(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(16)
	w.once(w.runner(caseQuota, nil))
	for range 2 {
		w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	}
	if got := h.statuses(); got != "firing 15" {
		t.Error(got)
	}
}

// Groups, known, rates of requests and of errors, and their denominators.
func TestKindsOfRules(t *testing.T) {
	t.Parallel()
	const rules = `
groups:
  - name: g
    interval: 5m
    rules:
      - {alert: Share, by: [tenant], rate: {over: 5m, above: 0.2, min_errors: 5, min_requests: 100}}
      - {alert: ShareOfCode, by: [tenant, code], rate: {over: 5m, above: 0.05, min_requests: 100}}
      - {alert: Unknown, select: {known: false, families: [OSM]}, by: [code], count: {over: 5m, above: 0}}
      - {alert: All, select: {known: true, tenants: ['ac*', small]}, count: {over: 10m, above: 30}}
`
	w := newWorld(t)
	w.insert(
		request{1, 30, "acme", quota}, request{2, 10, "acme", unknown}, request{3, 60, "acme", fine}, // 40 % of 100
		request{4, 50, "small", quota}, request{4, 49, "small", fine}, // over half, of 99
		request{7, 20, "acme", quota}, request{7, 80, "acme", fine}, // exactly 20 %
	)
	w.mark(0)
	w.once(w.runner(rules, nil))
	w.mark(20)
	w.once(w.runner(rules, nil))
	w.want("5 Share inactive>firing, 5 ShareOfCode inactive>firing, 5 ShareOfCode inactive>firing, 5 Unknown inactive>firing, 5 All inactive>firing, " +
		"10 Share firing>resolved, 10 ShareOfCode firing>resolved, 10 Unknown firing>resolved, " +
		"15 ShareOfCode firing>no_data, 15 All firing>resolved")
	for _, want := range []string{"40.0% of 100 requests in 5m (40), above 20.0%", "10.0% of 100 requests in 5m (10), above 5.0%", "10 errors in 5m, above 0",
		"80 errors in 10m, above 30", "no requests in 5m; resolved after 24h of this"} {
		if !slices.Contains(w.reasons, want) {
			t.Errorf("no %q in %q", want, w.reasons)
		}
	}
}

func TestAlertOfAnotherGroupingEnds(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(16)
	withHook := func(c *notify.Config) { c.Webhook.URL = h.URL }
	w.once(w.runner(caseQuota, withHook))
	w.printed = nil
	w.once(w.runner(strings.ReplaceAll(strings.ReplaceAll(caseQuota, "by: [tenant]", "by: [service]"), ".Labels.tenant", ".Labels.service"), withHook))
	w.want("16 CaseQuotaExhausted firing>resolved, 13 CaseQuotaExhausted inactive>pending, 15 CaseQuotaExhausted pending>firing")
	if got := h.statuses(); got != "firing 15, firing 15, resolved 16" || w.reasons[len(w.reasons)-3] != "the rule was changed" {
		t.Error(got, w.reasons)
	}
}

func TestLongTimeIsEvaluatedInSpans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.burst()
	w.mark(0)
	r := w.runner(caseQuota, nil)
	w.once(r)
	w.mark(3 * 24 * 60)
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	rounds := 0
	for more := true; more; rounds++ {
		var err error
		if more, err = r.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.want(burstIs)
	if rounds != 12 {
		t.Errorf("%d rounds", rounds)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t), newHook(t)
	w.burst()
	w.mark(16)
	ctx, cancel := context.WithCancel(t.Context())
	h.answer = func(Notification) int { cancel(); return http.StatusOK } // in the middle of a notification
	if err := w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }).Run(ctx); err != nil {
		t.Fatal(err)
	}
	w.mark(25)
	h.answer = nil
	w.once(w.runner(caseQuota, func(c *notify.Config) { c.Webhook.URL = h.URL }))
	if got := h.statuses(); got != "firing 15, resolved 20" {
		t.Error(got)
	}
}

// quietAlertmanager starts a real Alertmanager that notifies no one.
func quietAlertmanager(t *testing.T) string {
	t.Helper()
	return stacktest.Alertmanager(t, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
}

func TestAlertmanagerKnowsWhatIsFiring(t *testing.T) {
	t.Parallel()
	url := quietAlertmanager(t)
	w := newWorld(t)
	w.burst()
	type alert struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
	}
	active := func() (alerts []alert) {
		t.Helper()
		resp, err := http.Get(url + "/api/v2/alerts?active=true")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
			t.Fatal(err)
		}
		return alerts
	}
	clock := time.Now()
	r := w.runner(caseQuota, func(c *notify.Config) {
		c.Receivers = []notify.Receiver{{Name: "am", Alertmanager: &notify.HTTPReceiver{URL: url}}}
		c.Routes = []notify.Route{{Matchers: []string{"owner=caller", "family=OSM"}, Receivers: []string{"am"}}}
		c.Link = "https://errata.test/?tenant={{.Labels.tenant}}&code={{.Labels.code}}"
	})
	r.Notifier.Now = func() time.Time { return clock }

	w.mark(16)
	w.once(r)
	got := active()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	a := got[0]
	if a.Labels["alertname"] != "CaseQuotaExhausted" || a.Labels["tenant"] != "acme" || a.Labels["severity"] != "page" || len(a.Labels) != 3 ||
		!strings.HasPrefix(a.Annotations["summary"], "acme: 50 of OSM.01010037") || a.Annotations["remedy"] == "" || a.Annotations["value"] != "50" ||
		!a.StartsAt.Equal(midnight.Add(15*time.Minute)) || a.EndsAt.Sub(clock.Add(4*time.Minute)).Abs() > time.Millisecond ||
		a.GeneratorURL != "https://errata.test/?tenant=acme&code=OSM.01010037" {
		t.Errorf("%+v", a)
	}

	clock = clock.Add(time.Minute) // told again, by a new process
	again := w.runner(caseQuota, func(c *notify.Config) { c.Alertmanager.URL = url })
	again.Notifier.Now = r.Notifier.Now
	w.once(again)
	if got = active(); len(got) != 1 || got[0].EndsAt.Sub(clock.Add(4*time.Minute)).Abs() > time.Millisecond {
		t.Errorf("%+v", got)
	}
	clock = clock.Add(time.Minute)
	if left, err := again.Notifier.Send(t.Context()); left || err != nil {
		t.Fatal(left, err)
	}
	if got = active(); len(got) != 1 || got[0].EndsAt.Sub(clock.Add(4*time.Minute)).Abs() > time.Millisecond {
		t.Errorf("not told again after a minute: %+v", got)
	}

	w.mark(25)
	w.once(again)
	if got = active(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// At a higher level, Alertmanager has one alert with the label of that level, and none of the lower
// one.
func TestAlertmanagerHasTheHigherLevelAlone(t *testing.T) {
	t.Parallel()
	url := quietAlertmanager(t)
	w := newWorld(t)
	w.insert(request{10, 30, "acme", quota}, request{20, 300, "acme", quota})
	w.mark(0)
	r := w.runner(strings.NewReplacer("above: 20", "warning: 20, critical: 200", "for: 2m", "keep_firing_for: 15m", "        resolve_below: 5\n", "", "        labels: {severity: page}\n", "").Replace(caseQuota),
		func(c *notify.Config) { c.Alertmanager.URL = url })
	w.once(r)
	for _, step := range []struct {
		minute int
		want   string
	}{{12, warning}, {22, critical}} {
		w.mark(step.minute)
		w.once(r)
		resp, err := http.Get(url + "/api/v2/alerts?active=true")
		if err != nil {
			t.Fatal(err)
		}
		var active []struct{ Labels map[string]string }
		err = json.NewDecoder(resp.Body).Decode(&active)
		resp.Body.Close()
		if err != nil || len(active) != 1 || active[0].Labels["severity"] != step.want {
			t.Errorf("at %d: %+v %v, want %s alone", step.minute, active, err, step.want)
		}
	}
}

// A code that is ignored up to a number of errors is told of when an alert that fires already has
// more, and after a restart the alert is still told of.
func TestIgnoredCodeEscalatesWhileItFires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var titles []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var got struct{ Status, Title string }
		stacktest.Must(t, json.NewDecoder(r.Body).Decode(&got))
		titles = append(titles, got.Status+" "+got.Title)
	}))
	t.Cleanup(server.Close)
	stacktest.Must(t, w.store.RecordCodeState(t.Context(), store.CodeState{
		Tenant: "acme", Code: "OSM.01010037", State: store.Ignored, Above: 60, Author: "jo", Comment: "low volume", Written: time.Now(),
	}))
	w.burst() // 50 errors
	w.insert(request{17, 55, "acme", quota}, request{18, 1, "acme", quota}, request{40, 1, "globex", fine})
	began := time.Now()
	f := func(minute, told int) {
		t.Helper()
		w.mark(minute)
		r := w.runner(caseQuota, func(c *notify.Config) {
			c.Receivers = []notify.Receiver{{Name: "ops", Webhook: &notify.WebhookReceiver{HTTPReceiver: notify.HTTPReceiver{URL: server.URL}}}}
			c.Routes = []notify.Route{{Receivers: []string{"ops"}}}
		})
		r.Notifier.Now = func() time.Time { return began.Add(w.now.Sub(midnight)) }
		w.once(r)
		if len(titles) != told {
			t.Errorf("at %d minutes it had told %q, want %d", minute, titles, told)
		}
	}
	f(0, 0)
	f(16, 0)
	w.want("13 CaseQuotaExhausted inactive>pending, 15 CaseQuotaExhausted pending>firing")
	f(18, 1) // 75 errors from 13 to 18
	w.now = w.now.Add(5 * time.Hour)
	f(20, 2) // fewer again, and it is repeated
	w.now = w.now.Add(5 * time.Minute)
	f(40, 3)
	if got := strings.Join(titles, ", "); strings.Count(got, "firing ") != 2 || !strings.HasPrefix(titles[2], "resolved ") {
		t.Error(got)
	}
}
