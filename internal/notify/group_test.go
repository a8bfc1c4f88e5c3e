package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

// post is a process and the world around it: a queue that outlives it, a wall clock, and what the
// receivers got.
type post struct {
	t     *testing.T
	cfg   Config
	queue *memory
	now   time.Time
	*Notifier
	firing map[string]Message // as an evaluator knows it
	got    []Notice
	tell   func(Notice) error // nil: takes it
	log    strings.Builder
}

// newPost makes a process with the receiver "ops".
func newPost(t *testing.T, routes ...Route) *post {
	t.Helper()
	cfg := Defaults
	cfg.Receivers = []Receiver{{Name: "ops", Webhook: &WebhookReceiver{HTTPReceiver: HTTPReceiver{URL: "http://ops.test"}}}}
	cfg.Routes = routes
	for i := range cfg.Routes {
		cfg.Routes[i].Receivers = []string{"ops"}
	}
	p := &post{t: t, cfg: cfg, queue: &memory{}, now: midnight, firing: map[string]Message{}}
	p.start()
	return p
}

// start begins a new process, as an evaluator does.
func (p *post) start() {
	p.t.Helper()
	if err := p.cfg.Validate(); err != nil {
		p.t.Fatal(err)
	}
	p.Notifier = New(p.cfg, p.queue, slog.New(slog.NewTextHandler(&p.log, nil)))
	p.Now = func() time.Time { return p.now }
	for _, in := range p.inboxes {
		in.target.send = noticeSender(func(_ context.Context, n Notice) (string, error) {
			if p.tell != nil {
				if err := p.tell(n); err != nil {
					return "", err
				}
			}
			p.got = append(p.got, n)
			return "receipt of " + n.Key, nil
		})
	}
	var firing []Message
	for _, m := range p.firing {
		firing = append(firing, m)
	}
	if err := p.Enqueue(p.t.Context(), firing...); err != nil {
		p.t.Fatal(err)
	}
}

// alertMessage is an alert with labels such as "tenant=acme", the rule's name among them.
func alertMessage(at time.Time, labels ...string) Message {
	m := Message{At: at, Event: firing, Alert: &Alert{Labels: map[string]string{}, StartsAt: at, Attributes: map[string]string{}}}
	for _, l := range labels {
		name, value, _ := strings.Cut(l, "=")
		m.Alert.Labels[name] = value
	}
	m.Source, m.Fingerprint = m.Alert.Labels["alertname"], strings.Join(labels, ",")
	m.Title = strings.Join(labels, " ")
	return m
}

func (p *post) fires(labels ...string) {
	p.t.Helper()
	p.record(alertMessage(p.now, labels...))
}

func (p *post) resolves(labels ...string) {
	p.t.Helper()
	m := alertMessage(p.now, labels...)
	began := p.firing[m.alert()]
	if began.Alert == nil {
		p.t.Fatalf("%v does not fire", labels)
	}
	alert := *began.Alert
	alert.EndsAt, alert.Errors = p.now, 0
	m.Event, m.Alert = resolved, &alert
	p.record(m)
}

func (p *post) record(m Message) {
	p.t.Helper()
	if m.Alert.resolved() {
		delete(p.firing, m.alert())
	} else {
		p.firing[m.alert()] = m
	}
	if err := p.Enqueue(p.t.Context(), m); err != nil {
		p.t.Fatal(err)
	}
}

// wait lets time pass, in steps of five seconds as the evaluator's.
func (p *post) wait(d time.Duration) {
	p.t.Helper()
	for end := p.now.Add(d); ; p.now = p.now.Add(5 * time.Second) {
		if _, err := p.Send(p.t.Context()); err != nil && p.tell == nil {
			p.t.Fatal(err)
		}
		if !p.now.Before(end) {
			return
		}
	}
}

// want checks what came since the last call: "firing a b, resolved c" for each notice.
func (p *post) want(want ...string) {
	p.t.Helper()
	var got []string
	for _, n := range p.got {
		var parts []string
		for _, status := range []string{firing, resolved} {
			var titles []string
			for _, m := range n.Messages {
				if m.Status() == status {
					titles = append(titles, strings.ReplaceAll(m.Title, "alertname=", ""))
				}
			}
			slices.Sort(titles)
			if len(titles) > 0 {
				parts = append(parts, status+" "+strings.Join(titles, " & "))
			}
		}
		got = append(got, strings.Join(parts, ", "))
	}
	p.got = nil
	if !slices.Equal(got, want) {
		p.t.Errorf("%s: got\n%q\nwant\n%q", p.now.Format("15:04:05"), got, want)
	}
}

func ptr[T any](v T) *T { return &v }

// The waits as Alertmanager's documentation describes them.
func TestGroupsWaitAsInAlertmanager(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupBy: []string{"tenant"}})
	p.fires("alertname=A", "tenant=acme")
	p.fires("alertname=A", "tenant=globex")
	p.wait(20 * time.Second)
	p.want()
	p.fires("alertname=B", "tenant=acme")
	p.wait(15 * time.Second) // group_wait has passed since the first
	p.want("firing A tenant=acme & B tenant=acme", "firing A tenant=globex")
	p.wait(time.Minute)
	p.fires("alertname=C", "tenant=acme")
	p.wait(3 * time.Minute) // group_interval has not passed
	p.want()
	p.wait(time.Minute)
	p.want("firing A tenant=acme & B tenant=acme & C tenant=acme")
	p.resolves("alertname=B", "tenant=acme")
	p.resolves("alertname=A", "tenant=globex")
	p.wait(6 * time.Minute)
	p.want("resolved A tenant=globex", "firing A tenant=acme & C tenant=acme, resolved B tenant=acme")
	p.wait(3*time.Hour + 50*time.Minute) // repeat_interval has not passed
	p.want()
	p.wait(15 * time.Minute)
	p.want("firing A tenant=acme & C tenant=acme")
	p.fires("alertname=A", "tenant=globex") // a group that had recovered is new
	p.wait(25 * time.Second)
	p.want()
	p.wait(10 * time.Second)
	p.want("firing A tenant=globex")
}

// A process that starts again neither repeats what was told nor forgets what waits.
func TestRestartKeepsTheTimesOfGroups(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	p.fires("alertname=A")
	p.wait(20 * time.Second)
	p.start()
	p.wait(15 * time.Second)
	p.want("firing A")
	first := p.now
	p.start()
	p.wait(4 * time.Minute)
	p.want()
	p.fires("alertname=B")
	p.start()
	p.wait(2 * time.Minute)
	p.want("firing A & B")
	p.resolves("alertname=A")
	p.resolves("alertname=B")
	p.start()
	p.wait(5 * time.Minute)
	p.want("resolved A & B")
	p.start()
	p.wait(5 * time.Hour)
	p.want()
	if p.now.Sub(first) < 5*time.Hour {
		t.Error("the clock stands")
	}
}

// An alert that recovers before anyone was told of it is told once, as over.
func TestShortAlertIsToldAsOver(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	p.fires("alertname=A")
	p.wait(10 * time.Second)
	p.resolves("alertname=A")
	p.wait(10 * time.Minute)
	p.want("resolved A")
	p.cfg.Receivers[0].SendResolved = ptr(false) // a pager: not at all
	p.start()
	p.fires("alertname=A")
	p.wait(10 * time.Second)
	p.resolves("alertname=A")
	p.fires("alertname=B", "tenant=x")
	p.wait(10 * time.Minute)
	p.want("firing B tenant=x")
}

func TestLastSendDoesNotWaitForMore(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	p.fires("alertname=A")
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("firing A")
	p.fires("alertname=B")
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want() // group_interval is the business of the next process
	p.now = p.now.Add(5 * time.Minute)
	p.start()
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want("firing A & B")
}

// What happens while a receiver is away is one notice when it is back, behind the one that it
// missed.
func TestEventsGatherWhileTheReceiverIsAway(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupBy: []string{"alertname"}})
	p.fires("alertname=A", "tenant=1")
	p.tell = func(Notice) error { return errAway }
	p.wait(time.Minute)
	for i := range 20 {
		p.fires("alertname=A", fmt.Sprint("tenant=x", i))
		p.wait(10 * time.Minute)
	}
	p.resolves("alertname=A", "tenant=1")
	p.want()
	p.tell = nil
	p.wait(time.Minute)
	if len(p.got) != 2 || p.got[0].Firing != 1 || p.got[1].Firing != 20 || p.got[1].Resolved != 1 {
		t.Errorf("%+v", p.got)
	}
}

func TestRoutesPickReceivers(t *testing.T) {
	t.Parallel()
	cfg := Defaults
	for _, name := range []string{"pager", "vendor", "all", "tenants"} {
		cfg.Receivers = append(cfg.Receivers, Receiver{Name: name, WeCom: &HTTPReceiver{URL: "http://x.test"}})
	}
	cfg.Receivers[3].WeCom = nil
	cfg.Receivers[3].Mail = &MailReceiver{Server: "mx.test:25", From: "errata@ops.test", ToTenant: true, TLS: "none"}
	cfg.Tenants = []Addressees{{Tenants: []string{"acme", "acme-*"}, To: []string{"it@acme.test"}}}
	cfg.Routes = []Route{
		{Matchers: []string{`tenant=~".+"`}, Receivers: []string{"tenants"}, Continue: true},
		{Matchers: []string{"owner=vendor"}, Receivers: []string{"vendor"}},
		{Matchers: []string{`severity="page"`, `tenant!~"test.*"`}, Receivers: []string{"pager", "all"}},
		{Matchers: []string{`severity!=""`}, Receivers: []string{"all"}},
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	n := New(cfg, &memory{}, slog.New(slog.NewTextHandler(&log, nil)))
	f := func(owner, want string, labels ...string) {
		t.Helper()
		m := alertMessage(midnight, labels...)
		m.Alert.Attributes["owner"] = owner
		var got []string
		for _, d := range n.Deliveries(m) {
			if d.Outcome != store.Waiting {
				t.Errorf("%+v", d)
			}
			got = append(got, d.Target)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %q, want %q", labels, got, want)
		}
	}
	f("caller", "pager all", "alertname=A", "severity=page")
	f("caller", "all", "alertname=A", "severity=page", "tenant=test-1")
	f("vendor", "vendor", "alertname=A", "severity=page")
	f("caller", "pager all tenants", "alertname=A", "severity=page", "tenant=acme-eu")
	f("vendor", "vendor tenants", "alertname=A", "tenant=acme")
	f("", "", "alertname=A")
	n.Update(alertMessage(midnight, "alertname=A"), alertMessage(midnight, "alertname=A", "x=y"))
	if got := strings.Count(log.String(), "no route matches an alert"); got != 1 {
		t.Error(log.String())
	}
}

// A receiver that addresses tenants never gets the alerts of two tenants in one message.
func TestTenantsAreKeptApart(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{FoldAbove: ptr(1)})
	p.cfg.Receivers[0] = Receiver{Name: "ops", MaxPerHour: ptr(1), Mail: &MailReceiver{Server: "mx.test:25", From: "errata@ops.test", ToTenant: true}}
	p.cfg.Tenants = []Addressees{{Tenants: []string{"*"}, To: []string{"it@acme.test"}}}
	p.start()
	for range 3 {
		for i := range 9 {
			m := alertMessage(p.now, "alertname=A", fmt.Sprint("tenant=", i%3), fmt.Sprint("code=", p.now.Unix(), i))
			m.Alert.Attributes[familyLabel] = "OSM"
			p.record(m)
		}
		p.wait(20 * time.Minute)
	}
	if len(p.got) == 0 {
		t.Fatal("nothing came")
	}
	alerts := map[string]bool{}
	for _, n := range p.got {
		for _, m := range n.Messages {
			alerts[m.alert()] = true
			if m.Alert.label("tenant") != n.tenant() {
				t.Errorf("%q got %q", n.tenant(), m.Title)
			}
		}
	}
	if len(alerts) != 27 {
		t.Errorf("%d alerts", len(alerts))
	}
}

// One cause across many tenants is one message, with the counts.
func TestOneCauseAcrossManyTenantsIsOneMessage(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupBy: []string{"tenant"}})
	fire := func(n int, family string) {
		for i := range n {
			m := alertMessage(p.now, "alertname=VendorTrouble", fmt.Sprintf("tenant=%s%03d", family, i))
			m.Alert.Attributes[familyLabel] = family
			m.Title = "OSM fails inside"
			p.record(m)
		}
	}
	fire(212, "OSM")
	fire(2, "APIG")
	p.wait(time.Minute)
	if len(p.got) != 3 {
		t.Fatalf("%d notices", len(p.got))
	}
	i := slices.IndexFunc(p.got, func(n Notice) bool { return n.Family == "OSM" })
	n := p.got[i]
	if got := n.Title(); got != "[FIRING:212] 212 alerts of family OSM: OSM fails inside and 211 more" {
		t.Error(got)
	}
	if got := strings.Join(n.Summary(), "; "); got != "tenant: OSM000 1, OSM001 1, OSM002 1, OSM003 1, OSM004 1, OSM005 1, OSM006 1, OSM007 1, OSM008 1, OSM009 1 and 202 more" {
		t.Error(got)
	}
	if len(n.Messages) != 100 || n.More != 112 {
		t.Error(len(n.Messages), n.More)
	}
	told := 0
	for _, d := range p.queue.rows {
		if d.Outcome == store.Grouped && d.Key == n.Key {
			told++
		}
	}
	if told != 212 {
		t.Errorf("%d events name the notice", told)
	}
	// The end is one message too, and a single tenant is told as usual.
	p.got = nil
	p.now = p.now.Add(10 * time.Minute)
	for i := range 211 {
		p.resolves("alertname=VendorTrouble", fmt.Sprintf("tenant=OSM%03d", i))
	}
	p.wait(10 * time.Second)
	if len(p.got) != 1 || p.got[0].Resolved != 211 || p.got[0].Status != resolved {
		t.Errorf("%d notices: %+v", len(p.got), p.got[0].Title())
	}
}

// A target that honours keys drops what has a key that it has seen, so each repeat has its own.
func TestRepeatsOfAFoldedNoticeHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupBy: []string{"tenant"}, FoldAbove: ptr(1), RepeatInterval: ptr(time.Hour)})
	for _, tenant := range []string{"acme", "globex"} {
		m := alertMessage(p.now, "alertname=A", "tenant="+tenant)
		m.Alert.Attributes[familyLabel] = "OSM"
		p.record(m)
	}
	p.wait(3*time.Hour + 2*time.Minute)
	keys := map[string]bool{}
	for _, n := range p.got {
		keys[n.Key] = true
	}
	if len(p.got) != 4 || p.got[3].Family != "OSM" || len(keys) != 4 {
		t.Errorf("%d notices with %d keys, want 4", len(p.got), len(keys))
	}
}

// Beyond the limit, one message holds the rest. Nothing is dropped, and nothing waits longer than
// five minutes.
func TestLimitFoldsAndNeverDrops(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupBy: []string{"..."}, FoldAbove: ptr(0)})
	p.cfg.Receivers[0].MaxPerHour = ptr(4)
	p.start()
	for i := range 216 {
		p.fires("alertname=A", fmt.Sprintf("tenant=%03d", i))
	}
	p.wait(time.Minute)
	if len(p.got) != 4 || p.got[3].Firing != 213 || !strings.HasSuffix(p.got[3].Title(), "and 212 more") || p.got[3].Note == "" {
		t.Fatalf("%d notices, the last: %v", len(p.got), p.got[len(p.got)-1].Title())
	}
	p.got = nil
	p.fires("alertname=B")
	p.wait(time.Minute)
	p.want()
	p.fires("alertname=C")
	p.wait(4 * time.Minute)
	p.want("firing B & C")
	p.wait(time.Hour)
	p.want()
	p.fires("alertname=D")
	p.fires("alertname=E")
	p.wait(time.Minute)
	p.want("firing D", "firing E")
}

func TestSilencesAndStatesOfCodes(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupBy: []string{"tenant"}, RepeatInterval: ptr(time.Hour)})
	p.queue.silences = []store.Silence{{ID: "s", Matchers: `{tenant=~"ac.*",owner="caller"}`, Starts: midnight, Ends: midnight.Add(2 * time.Hour)}}
	fire := func(tenant, code, owner string, errors uint64) {
		m := alertMessage(p.now, "alertname=A", "tenant="+tenant)
		m.Alert.Attributes["owner"], m.Alert.Codes, m.Alert.Errors = owner, []string{code}, errors
		p.record(m)
	}
	fire("acme", "X", "caller", 5) // silenced
	fire("actor", "X", "vendor", 5)
	fire("acid", "X", "caller", 5) // silenced, and over before its end
	p.wait(10 * time.Minute)
	p.want("firing A tenant=actor")
	p.resolves("alertname=A", "tenant=acid")
	p.resolves("alertname=A", "tenant=actor")
	p.wait(10 * time.Minute)
	p.want("resolved A tenant=actor")
	p.wait(2 * time.Hour)
	p.want("firing A tenant=acme") // the silence has ended
	p.wait(time.Hour)
	p.want("firing A tenant=acme")
	p.resolves("alertname=A", "tenant=acme")
	p.wait(10 * time.Minute)
	p.want("resolved A tenant=acme")

	// Ignored until a date or until it escalates, for one tenant.
	p.queue.codes = []store.CodeState{{Tenant: "acme", Code: "X", State: store.Ignored, Until: p.now.Add(80 * time.Minute), Above: 100, Author: "jo", Comment: "known"}}
	fire("acme", "X", "", 100)
	fire("globex", "X", "", 5)
	p.wait(10 * time.Minute)
	p.want("firing A tenant=globex")
	p.Escalate("A", "alertname=A,tenant=acme", 100)
	p.wait(10 * time.Minute)
	p.want()
	p.Escalate("A", "alertname=A,tenant=acme", 101) // while it fires, without an event
	p.Escalate("A", "alertname=A,tenant=acme", 7)
	p.wait(10 * time.Minute)
	if d := p.got[len(p.got)-1].Messages[0].Details; len(d) != 1 || d[0] != (Detail{"Escalated", "101 errors in its window, more than the 100 up to which jo has ignored X: known"}) {
		t.Error(d)
	}
	p.want("firing A tenant=acme")
	p.resolves("alertname=A", "tenant=acme")
	p.wait(10 * time.Minute)
	p.want("resolved A tenant=acme")
	fire("acme", "X", "", 101)
	p.wait(10 * time.Minute)
	p.want("firing A tenant=acme")
	p.resolves("alertname=A", "tenant=acme")
	p.resolves("alertname=A", "tenant=globex")
	p.wait(10 * time.Minute)
	p.want("resolved A tenant=acme", "resolved A tenant=globex")
	fire("acme", "X", "", 5)
	p.wait(10 * time.Minute)
	p.want()
	p.wait(30 * time.Minute) // the date has come
	p.want("firing A tenant=acme")

	// Acknowledged for all tenants: it is not repeated, and its end is told. What fires later is.
	p.queue.codes = []store.CodeState{{Tenant: store.AnyTenant, Code: "X", State: store.Acknowledged, Written: p.now}}
	p.wait(3 * time.Hour)
	p.want()
	fire("new", "X", "", 5)
	p.wait(10 * time.Minute)
	p.want("firing A tenant=new")
	p.resolves("alertname=A", "tenant=acme")
	p.wait(10 * time.Minute)
	p.want("resolved A tenant=acme")
}

// A row that nobody can read keeps nothing else from being told.
func TestBrokenRowsHoldUpNothing(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	p.queue.silences = []store.Silence{{ID: "bad", Matchers: "nonsense", Ends: midnight.Add(time.Hour)}, {ID: "all", Matchers: "{}", Ends: midnight.Add(time.Hour)}}
	p.fires("alertname=A")
	broken := store.Delivery{Target: "ops", Source: "B", Fingerprint: "f", At: midnight, Event: firing, Body: "{", Outcome: store.Waiting, Written: midnight}
	if err := p.queue.RecordDeliveries(t.Context(), []store.Delivery{broken}); err != nil {
		t.Fatal(err)
	}
	p.wait(time.Minute)
	p.want("firing A")
	if log := p.log.String(); strings.Count(log, "silence=bad") != 1 || strings.Count(log, "silence=all") != 1 || strings.Count(log, "dropped a waiting event that cannot be read") != 1 {
		t.Error(log)
	}
}

func TestMuteTimesHoldBack(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	// 02:00 to 06:00 in Berlin is 01:00 to 05:00 UTC in November.
	p.cfg.TimeIntervals = []Interval{{Name: "night", Times: []any{map[string]any{
		"times": []any{map[string]any{"start_time": "02:00", "end_time": "06:00"}}, "weekdays": []any{"monday:friday"}, "location": "Europe/Berlin",
	}}}}
	p.cfg.Routes[0].MuteTimeIntervals = []string{"night"}
	p.now = time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	p.start()
	p.fires("alertname=A")
	p.fires("alertname=B")
	p.wait(time.Hour)
	p.resolves("alertname=A")
	p.wait(3*time.Hour - 10*time.Second)
	p.want()
	p.wait(10 * time.Second)
	p.want("firing B, resolved A")
}

// dies ends a process in the middle of something.
type dies struct{}

// mortal is a queue whose process dies at its k-th step, before or after it is stored.
type mortal struct {
	*memory
	step *int
}

func die(step *int) {
	if *step--; *step == 0 {
		panic(dies{})
	}
}

func (m mortal) RecordDeliveries(ctx context.Context, deliveries []store.Delivery) error {
	die(m.step)
	err := m.memory.RecordDeliveries(ctx, deliveries)
	die(m.step)
	return err
}

// However a process dies, what it was to tell is told, and a target that honours keys takes nothing
// twice.
func TestDeathAtEveryStepLosesNothingAndRepeatsNoKey(t *testing.T) {
	t.Parallel()
	for k := 1; ; k++ {
		p := newPost(t, Route{GroupBy: []string{"tenant"}})
		p.queue = &memory{}
		step, died := k, false
		alive := func(f func()) {
			defer func() {
				if r := recover(); r != nil {
					if _, ok := r.(dies); !ok {
						panic(r)
					}
					died = true
					p.start()
					f()
				}
			}()
			f()
		}
		p.start()
		p.Notifier.queue = mortal{p.queue, &step}
		p.tell = func(Notice) error { die(&step); return nil }
		restore := func() { p.tell = nil }
		fire := func(labels ...string) {
			m := alertMessage(p.now, labels...)
			p.firing[m.alert()] = m // the evaluator repeats what it has not recorded
			alive(func() { p.record(m) })
		}
		var got []Notice
		wait := func() {
			end := p.now.Add(6 * time.Minute)
			for p.now.Before(end) {
				alive(func() {
					if _, err := p.Send(t.Context()); err != nil {
						t.Fatal(err)
					}
				})
				p.now = p.now.Add(10 * time.Second)
			}
		}
		// A notice counts as taken before the process may die: it has reached the target.
		for _, in := range p.inboxes {
			send := in.target.send
			in.target.send = func(ctx context.Context, d store.Delivery) (string, error) {
				die(&step)
				n := Notice{}
				r, err := noticeSender(func(_ context.Context, notice Notice) (string, error) { n = notice; return "", nil })(ctx, d)
				if err != nil {
					return r, err
				}
				got = append(got, n)
				return send(ctx, d)
			}
		}
		fire("alertname=A", "tenant=1")
		fire("alertname=A", "tenant=2")
		wait()
		fire("alertname=B", "tenant=1")
		wait()
		alive(func() {
			m := alertMessage(p.now, "alertname=A", "tenant=1")
			m.Event, m.Alert.EndsAt = resolved, p.now
			delete(p.firing, m.alert())
			p.record(m)
		})
		wait()
		restore()
		wait()
		all := append(slices.Clone(got), p.got...)
		told, keys := map[string]map[string]bool{}, map[string]string{}
		for _, n := range all {
			if before, repeated := keys[n.Key]; repeated && before != n.text() {
				t.Errorf("death %d: another content under the same key", k)
			}
			keys[n.Key] = n.text()
			for _, m := range n.Messages {
				if told[m.event()] == nil {
					told[m.event()] = map[string]bool{}
				}
				told[m.event()][n.Key] = true
			}
		}
		if len(told) != 4 {
			t.Errorf("death %d: %d events were told, want 4", k, len(told))
		}
		if len(keys) != 4 { // two groups, one more alert in a group, and one less
			t.Errorf("death %d: %d keys, want 4", k, len(keys))
		}
		if !died {
			if k < 20 {
				t.Errorf("only %d steps", k)
			}
			return
		}
	}
}

// The outcome of an INSERT may be unknown. Whatever it was, the same notice is stored again.
func TestUnknownOutcomeOfAPlanTellsNothingTwice(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	p.fires("alertname=A")
	p.now = p.now.Add(time.Minute)
	p.queue.after = errors.New("the answer is lost")
	for range 3 {
		if left, err := p.Send(t.Context()); !left || err == nil {
			t.Error(left, err)
		}
		p.now = p.now.Add(5 * time.Second)
	}
	p.queue.after = nil
	p.wait(time.Minute)
	p.want("firing A")
}

func TestFenceStopsEverything(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{})
	p.fires("alertname=A")
	p.wait(20 * time.Second)
	lost := errors.New("another process sends")
	p.Fence = func(context.Context) error { return lost }
	p.now = p.now.Add(time.Minute)
	for range 3 {
		if left, err := p.Send(t.Context()); !left || !errors.Is(err, lost) {
			t.Error(left, err)
		}
	}
	p.want()
	p.Fence = nil
	p.Reset()
	if err := p.Enqueue(t.Context(), p.firing["A alertname=A"]); err != nil {
		t.Fatal(err)
	}
	p.wait(10 * time.Second)
	p.want("firing A")
}
