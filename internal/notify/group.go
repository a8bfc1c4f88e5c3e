package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"errata/internal/store"
)

// inbox gathers the events of alerts for a receiver and makes notices of them. What waits is read
// from the queue, so the queue is the truth; what is firing is what Update was told.
type inbox struct {
	receiver  Receiver
	target    *target
	routes    []*route // that name the receiver
	perHour   int      // 0: no limit
	resolved  bool     // recoveries are told
	perTenant bool     // a notice must not mix tenants

	firing  map[string]Message // by alert
	waiting []event
	fresh   bool                  // waiting is what the queue holds
	groups  map[string]groupState // by key; nil: not yet read
	sent    map[string][]time.Time
	planned *planned // is being stored
}

// event is a row that waits, with its message.
type event struct {
	Message
	row store.Delivery
}

// groupState is what a group was told last.
type groupState struct {
	at     time.Time
	over   bool   // everything had recovered
	thread string // the receipt of its first notice
}

// planned is a step that is stored as a whole.
type planned struct {
	rows   []store.Delivery
	groups map[string]groupState
	sent   map[string]int // notices by limit
}

func newInbox(r Receiver, t *target, routes []*route) *inbox {
	in := &inbox{
		receiver: r, target: t, routes: routes, perHour: orDefault(r.MaxPerHour, defaultPerHour), resolved: orDefault(r.SendResolved, true),
		perTenant: r.Mail != nil && r.Mail.ToTenant, firing: map[string]Message{}, sent: map[string][]time.Time{},
	}
	t.taken = func(d store.Delivery) {
		if len(d.Groups) == 1 && in.groups != nil {
			state := in.groups[d.Groups[0]]
			state.thread = d.Receipt
			in.groups[d.Groups[0]] = state
		}
	}
	return in
}

func (in *inbox) reset() {
	in.firing, in.waiting, in.fresh, in.groups, in.sent, in.planned = map[string]Message{}, nil, false, nil, map[string][]time.Time{}, nil
}

func (m Message) alert() string { return m.Source + " " + m.Fingerprint }

// update takes up an alert whose event was stored.
func (in *inbox) update(m Message) {
	in.fresh = false
	if before, known := in.firing[m.alert()]; known && before.At.After(m.At) {
		return
	}
	if m.Alert.resolved() {
		delete(in.firing, m.alert())
	} else {
		in.firing[m.alert()] = m
	}
}

const (
	// maxWaiting is the most events that are read at once. Further ones wait for the next notice.
	maxWaiting = 20_000
	// forgotten is how long an event waits that no route lets out. It is over by then.
	forgotten = 30 * 24 * time.Hour
)

// read brings waiting and groups up to what the queue holds.
func (n *Notifier) read(ctx context.Context, in *inbox) error {
	if in.groups == nil {
		groups, err := n.queue.ToldGroups(ctx, in.target.name, n.Now().Add(-forgotten))
		if err != nil {
			return err
		}
		in.groups = map[string]groupState{}
		told := map[int64]time.Time{} // a notice may have told several groups
		for _, g := range groups {
			in.groups[g.Key] = groupState{at: g.At, over: g.Event == resolved, thread: g.Receipt}
			told[g.At.UnixMilli()] = g.At
		}
		if !in.perTenant {
			in.sent[""] = slices.SortedFunc(maps.Values(told), time.Time.Compare)
		}
	}
	if in.fresh {
		return nil
	}
	rows, err := n.queue.WaitingDeliveries(ctx, in.target.name, maxWaiting)
	if err != nil {
		return err
	}
	in.waiting = nil
	var broken []store.Delivery
	for _, row := range rows {
		e := event{row: row}
		if err := json.Unmarshal([]byte(row.Body), &e.Message); err != nil || e.Alert == nil {
			n.log.Error("dropped a waiting event that cannot be read", "target", row.Target, "source", row.Source, "event", row.Event, "error", err)
			row.Outcome, row.Written = store.Refused, n.Now()
			broken = append(broken, row)
			continue
		}
		in.waiting = append(in.waiting, e)
	}
	if len(broken) > 0 {
		if err := n.queue.RecordDeliveries(ctx, broken); err != nil {
			return fmt.Errorf("drop waiting events of %s: %w", in.target.name, err)
		}
	}
	in.fresh = true
	return nil
}

// plan queues the notices of a receiver that are due and settles the events that they carry, in one
// step. It plans nothing while the queue holds notices: what happens meanwhile gathers.
func (n *Notifier) plan(ctx context.Context, in *inbox, last bool) (done bool, err error) {
	if !in.target.idle || len(in.firing) == 0 && in.fresh && len(in.waiting) == 0 {
		return false, nil
	}
	if err := n.MaySend(ctx); err != nil {
		return false, err
	}
	if in.planned == nil {
		if err := n.read(ctx, in); err != nil {
			return false, err
		}
		if err := n.mutes.load(ctx, n.Now()); err != nil {
			return false, err
		}
		in.planned = n.makePlan(in, last)
	}
	if len(in.planned.rows) == 0 {
		in.planned = nil
		return false, nil
	}
	// Until the outcome is known, the same rows are stored again, so that nothing is told twice.
	if err := n.queue.RecordDeliveries(ctx, in.planned.rows); err != nil {
		return false, fmt.Errorf("queue notifications of %s: %w", in.target.name, err)
	}
	maps.Copy(in.groups, in.planned.groups)
	for limit, notices := range in.planned.sent {
		for range notices {
			in.sent[limit] = append(in.sent[limit], n.Now())
		}
	}
	in.planned, in.fresh = nil, false
	return true, nil
}

// draft is a group with what there is to tell of it.
type draft struct {
	keys     []string // of the groups that it holds
	route    *route
	labels   map[string]string
	state    groupState
	firing   []Message
	resolved []Message
	events   []event // that the notice will carry
	since    time.Time
	heldBack bool   // it is no time to tell
	family   string // of which several groups were folded
	limited  int    // how many groups the limit has folded
}

// makePlan decides what is told now.
func (n *Notifier) makePlan(in *inbox, last bool) *planned {
	p := &planned{groups: map[string]groupState{}, sent: map[string]int{}}
	now := n.Now().Truncate(time.Millisecond)
	drafts, settled := n.gather(in, now)
	p.rows = settled
	var due []*draft
	for _, d := range drafts {
		if d.toldWithOthers() {
			in.groups[d.keys[0]] = groupState{at: now} // its repeats count from now
		} else if n.isDue(d, now, last) {
			due = append(due, d)
		}
	}
	due = fold(due, in.perTenant)
	slices.SortStableFunc(due, func(a, b *draft) int {
		return cmp.Or(cmp.Compare(min(1, len(b.firing)), min(1, len(a.firing))), a.since.Compare(b.since), cmp.Compare(a.name(), b.name()))
	})
	for _, d := range in.limit(due, now) {
		settle := func(outcome, key string) {
			for _, e := range d.events {
				row := e.row
				row.Outcome, row.Written, row.Key = outcome, now, key
				p.rows = append(p.rows, row)
			}
		}
		if len(d.firing) == 0 && !in.resolved {
			settle(store.Skipped, "")
			for _, key := range d.keys {
				p.groups[key] = groupState{at: now, over: true}
			}
			continue
		}
		if !in.resolved {
			d.resolved = nil
		}
		row := d.row(in.target.name, now)
		p.rows = append(p.rows, row)
		settle(store.Grouped, row.Key)
		for _, key := range d.keys {
			p.groups[key] = groupState{at: now, over: len(d.firing) == 0, thread: d.thread()}
		}
		p.sent[in.limitOf(d)]++
	}
	return p
}

// gather sorts what is firing and what waits into groups. It also returns the rows that settle
// events of which nobody will be told.
func (n *Notifier) gather(in *inbox, now time.Time) (map[string]*draft, []store.Delivery) {
	drafts := map[string]*draft{}
	of := func(m Message) *draft {
		r := n.receives(in.receiver.Name, m)
		if r == nil { // the routes have changed since the event was stored
			r = in.routes[0]
		}
		labels := r.group(m)
		if in.perTenant {
			labels[tenantLabel] = m.Alert.label(tenantLabel)
		}
		key := groupKey(labels)
		d := drafts[key]
		if d == nil {
			d = &draft{keys: []string{key}, route: r, labels: labels, state: in.groups[key], heldBack: !r.inTime(now)}
			drafts[key] = d
		}
		return d
	}
	if len(in.routes) == 0 {
		return drafts, nil
	}
	for _, m := range in.firing {
		if n.mutes.reason(m, now) == "" {
			d := of(m)
			if text := n.mutes.escalated(m, now); text != "" {
				m.Details = append([]Detail{{"Escalated", text}}, m.Details...)
			}
			d.firing = append(d.firing, m)
		}
	}
	events := map[string][]event{}
	for _, e := range in.waiting {
		events[e.alert()] = append(events[e.alert()], e)
	}
	var settled []store.Delivery
	for alert, all := range events {
		m, isFiring := in.firing[alert]
		if !isFiring {
			m = slices.MaxFunc(all, func(a, b event) int { return a.At.Compare(b.At) }).Message
		}
		muted := n.mutes.reason(m, now)
		if !isFiring && !slices.ContainsFunc(all, func(e event) bool { return !e.Alert.resolved() }) {
			muted = n.mutes.silenced(m, now) // it was told as firing, so its end is told although its codes are ignored
		}
		switch {
		case muted != "" && isFiring: // its events wait for the end of the silence
		case muted != "" && m.Alert.resolved(), !isFiring && now.Sub(all[0].row.Written) > forgotten:
			for _, e := range all {
				row := e.row
				row.Outcome, row.Written = store.Muted, now
				settled = append(settled, row)
			}
		default:
			d := of(m)
			if !isFiring && m.Alert.resolved() {
				d.resolved = append(d.resolved, m)
			} else if !isFiring {
				// Its evaluator no longer knows it: it is told as it was stored.
				d.firing = append(d.firing, m)
			}
			d.events = append(d.events, all...)
			for _, e := range all {
				if d.since.IsZero() || e.row.Written.Before(d.since) {
					d.since = e.row.Written
				}
			}
		}
	}
	return drafts, settled
}

// isNew reports whether a group was not told yet, or only before everything in it had recovered.
func (d *draft) isNew() bool { return d.state.at.IsZero() || d.state.over }

// toldWithOthers reports whether a group is new and has no event to tell: its alerts were told as
// part of another group.
func (d *draft) toldWithOthers() bool {
	return d.isNew() && !d.heldBack && len(d.events) == 0 && len(d.firing) > 0
}

// isDue reports whether a group is told now. The waits have Alertmanager's meaning.
func (n *Notifier) isDue(d *draft, now time.Time, last bool) bool {
	switch {
	case d.heldBack:
		return false
	case len(d.events) > 0 && d.isNew():
		return last || !now.Before(d.since.Add(d.route.groupWait))
	case len(d.events) > 0:
		return !now.Before(d.state.at.Add(d.route.groupInterval))
	case len(d.firing) == 0:
		return false
	case !slices.ContainsFunc(d.firing, func(m Message) bool { return !n.mutes.acknowledged(m) }):
		return false
	}
	return !now.Before(d.state.at.Add(d.route.repeatInterval))
}

// fold makes one draft of many groups of the same family that are told at once.
func fold(due []*draft, perTenant bool) (folded []*draft) {
	families := map[string][]*draft{}
	for _, d := range due {
		key := d.common(familyLabel)
		if key == "" || d.route.foldAbove == 0 {
			folded = append(folded, d)
			continue
		}
		if perTenant {
			key += "\x00" + d.labels[tenantLabel]
		}
		key += fmt.Sprintf("\x00%t\x00%p", len(d.firing) > 0, d.route)
		families[key] = append(families[key], d)
	}
	for _, key := range slices.Sorted(maps.Keys(families)) {
		all := families[key]
		if len(all) <= all[0].route.foldAbove {
			folded = append(folded, all...)
			continue
		}
		d := merge(all)
		d.family = all[0].common(familyLabel)
		folded = append(folded, d)
	}
	return folded
}

// merge returns a draft of several groups.
func merge(all []*draft) *draft {
	m := &draft{route: all[0].route, labels: map[string]string{}, since: all[0].since}
	maps.Copy(m.labels, all[0].labels)
	for _, d := range all {
		m.keys = append(m.keys, d.keys...)
		m.firing = append(m.firing, d.firing...)
		m.resolved = append(m.resolved, d.resolved...)
		m.events = append(m.events, d.events...)
		maps.DeleteFunc(m.labels, func(name, value string) bool { return d.labels[name] != value })
		if d.since.Before(m.since) {
			m.since = d.since
		}
		if d.state.at.After(m.state.at) { // row makes the key of a repeat of it
			m.state.at = d.state.at
		}
	}
	slices.Sort(m.keys)
	return m
}

// common returns the label that all alerts of the draft share, "" if they differ.
func (d *draft) common(name string) string {
	all := d.alerts()
	value := all[0].Alert.label(name)
	for _, m := range all {
		if m.Alert.label(name) != value {
			return ""
		}
	}
	return value
}

// name returns what orders drafts of the same time.
func (d *draft) name() string {
	name := ""
	for i, m := range d.alerts() {
		if i == 0 || m.alert() < name {
			name = m.alert()
		}
	}
	return name
}

func (d *draft) alerts() []Message { return slices.Concat(d.firing, d.resolved) }

// overflowPause is the time between the messages that hold what is beyond the limit.
const overflowPause = 5 * time.Minute

// limitOf returns what a draft's limit is counted by: "", or the tenant whose addresses get it.
func (in *inbox) limitOf(d *draft) string {
	if in.perTenant {
		return d.labels[tenantLabel]
	}
	return ""
}

// limit makes one message of what is beyond the receiver's messages an hour. Nothing is dropped:
// what may not be sent yet stays as it is.
func (in *inbox) limit(due []*draft, now time.Time) (allowed []*draft) {
	if in.perHour == 0 {
		return due
	}
	byLimit := map[string][]*draft{}
	for _, d := range due {
		byLimit[in.limitOf(d)] = append(byLimit[in.limitOf(d)], d)
	}
	for _, key := range slices.Sorted(maps.Keys(byLimit)) {
		drafts := byLimit[key]
		in.sent[key] = slices.DeleteFunc(in.sent[key], func(t time.Time) bool { return now.Sub(t) >= time.Hour })
		free := in.perHour - len(in.sent[key])
		if len(drafts) <= free {
			allowed = append(allowed, drafts...)
			continue
		}
		if free <= 0 && now.Sub(in.sent[key][len(in.sent[key])-1]) < overflowPause {
			continue
		}
		alone := max(0, free-1)
		allowed = append(allowed, drafts[:alone]...)
		rest := merge(drafts[alone:])
		rest.limited = len(drafts) - alone
		allowed = append(allowed, rest)
	}
	return allowed
}

// thread returns the thread that a notice continues.
func (d *draft) thread() string {
	if len(d.keys) != 1 || d.state.over {
		return ""
	}
	return d.state.thread
}

// row returns the delivery of a draft's notice. Its key is made of the events that it tells, or for
// a repeat of the groups and the time when they were told last.
func (d *draft) row(target string, now time.Time) store.Delivery {
	parts := []string{"notice", target}
	for _, e := range d.events {
		parts = append(parts, e.event())
	}
	if len(d.events) == 0 {
		parts = append(parts, d.state.at.UTC().Format(time.RFC3339Nano))
		parts = append(parts, d.keys...)
	}
	slices.Sort(parts[2:])
	fingerprint := d.keys[0]
	if len(d.keys) > 1 {
		fingerprint = hash(append([]string{"groups"}, d.keys...)...)
	}
	notice := d.notice()
	source := d.alerts()[0].Source
	if slices.ContainsFunc(d.alerts(), func(m Message) bool { return m.Source != source }) {
		source = "several rules"
	}
	return store.Delivery{
		Target: target, Source: source, Fingerprint: fingerprint, At: now, Event: notice.Status, Body: notice.text(),
		Outcome: store.Queued, Written: now, Key: hash(parts...), Groups: d.keys,
	}
}
