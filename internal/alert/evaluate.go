package alert

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"errata/internal/catalog"
	"errata/internal/spike"
)

// step is a transition of an alert at one evaluation.
type step struct {
	at      time.Time
	keys    []string
	verdict Verdict
	change  Change
}

// replay evaluates a rule at every multiple of the interval in (from, to], beginning with the
// alerts as they are at from. It returns them as they are at to, and the transitions in order. The
// data has to cover the windows of all these times.
func (r *Rule) replay(from, to time.Time, interval time.Duration, d data, before map[string]Alert) (map[string]Alert, []step) {
	alerts := map[string]Alert{}
	maps.Copy(alerts, before)
	groups := r.groups(d, before)
	names := slices.Sorted(maps.Keys(groups))
	var steps []step
	for start := from; start.Before(to); {
		end := start.Add(max(r.apart(), interval))
		if end.After(to) {
			end = to
		}
		first := len(steps)
		for _, name := range names {
			g := groups[name]
			a, changes := r.replayGroup(start, end, interval, g, alerts[name])
			steps = append(steps, changes...)
			if delete(alerts, name); a.State.Phase != "" {
				alerts[name] = a
			}
		}
		slices.SortStableFunc(steps[first:], func(a, b step) int { return a.at.Compare(b.at) })
		start = end
	}
	return alerts, steps
}

// apart returns for how long the evaluations of a group do not depend on those of others, so that
// one group can be replayed after the other, which is much faster. Groups share the dispersion of
// their past, and their alerts are left out of it.
func (r *Rule) apart() time.Duration {
	const week, slack = 7 * 24 * time.Hour, 3 * time.Hour // an hour each: what is shared, and a change of the clock
	if r.needs().usual == nil {
		return 1 << 62
	}
	return week - slack - spike.Reach - r.lookback()
}

// replayGroup evaluates one group.
func (r *Rule) replayGroup(from, to time.Time, interval time.Duration, g group, a Alert) (Alert, []step) {
	var steps []step
	g.counts = g.counts.own()
	needs := r.needs()
	idle, least := needs.idle || !needs.errors, max(needs.least, 1)
	for at := from.Truncate(interval).Add(interval); !at.After(to); at = at.Add(interval) {
		if a.State.Phase == "" && !idle && g.counts.fewer(least, at.Add(-r.lookback()), at) {
			next, ok := g.counts.reach(least, at.Add(-r.lookback()))
			if !ok {
				break
			}
			at = next.Truncate(interval) // the evaluation after it is the first that sees so many
			continue
		}
		v := r.Condition.judge(g.counts, at, g.thresholds, a.State)
		if a.State.Phase == "" && v.Finding == Clear {
			continue // inactive, as before
		}
		next, change := r.step(at, v, a.State)
		if change != nil {
			steps = append(steps, step{at, g.keys, v, *change})
			g.counts.past.note(at, *change)
		}
		if next.Phase == "" {
			a = Alert{}
			continue
		}
		a.Keys, a.State = g.keys, next
		if change != nil {
			a.Says, a.Value = change.Reason, change.Value
		}
		if next.active() {
			a.Peak = max(a.Peak, v.Errors)
		}
	}
	return a, steps
}

// fewer reports whether a group has fewer than so many errors in [from, to).
func (c counts) fewer(least uint64, from, to time.Time) bool {
	return c.errors.between(from, to)+c.young.between(from, to) < least
}

// reach returns the minute in which a group has met so many errors since from, at the earliest. It
// is not ok if that is never.
func (c counts) reach(least uint64, from time.Time) (minute time.Time, ok bool) {
	if c.young != nil && c.errors != nil {
		least = 1 // which of the two it meets first
	}
	for _, s := range []*series{c.errors, c.young} {
		if at, met := s.reach(least, from); met && (!ok || at.Before(minute)) {
			minute, ok = at, true
		}
	}
	return minute, ok
}

// standing is where a rule stands.
type standing struct {
	evaluated time.Time // zero: never, or it has changed since
	alerts    map[string]Alert
	failed    string // the error of its query at the latest try, "" if there was none
}

// evaluator evaluates rules over a source, in memory. Real runs and unit tests share it.
type evaluator struct {
	Config
	source   source
	catalogs *catalog.Set
	log      *slog.Logger
	ping     func(context.Context) error // the server of the source; nil: it always answers

	standing map[string]standing // by rule
	ahead    map[span]replayed   // in this round, until it is told
}

// replayed is the result of replaying a rule over a span.
type replayed struct {
	alerts map[string]Alert
	steps  []step
}

func newEvaluator(cfg Config, source source, catalogs *catalog.Set, log *slog.Logger) *evaluator {
	e := &evaluator{Config: cfg, source: source, catalogs: catalogs, log: log, standing: map[string]standing{}}
	for rule := range e.rules() {
		e.standing[rule.Name] = standing{alerts: map[string]Alert{}}
	}
	return e
}

// rules ranges over all rules, each with its group.
func (e *evaluator) rules() func(yield func(*Rule, *Group) bool) {
	return func(yield func(*Rule, *Group) bool) {
		for g := range e.Groups {
			for i := range e.Groups[g].Rules {
				if !yield(&e.Groups[g].Rules[i], &e.Groups[g]) {
					return
				}
			}
		}
	}
}

// outcome is the result of evaluating a rule, before it is recorded.
type outcome struct {
	rule     *Rule
	standing standing
	steps    []step         // those to record
	notices  []Notification // one for each step; those without an ID are not sent
	made     []Notification // one for each step, whether it is sent or waits
	held     []Notification // that are sent now, of steps that were recorded before
	failed   string         // the error of its query; "": it was evaluated
	tried    time.Time      // when it was evaluated, by the clock
}

const (
	// longestSpan is the most time that one evaluation covers, so that its data fits into memory.
	longestSpan = 6 * time.Hour
	// together is for how many evaluations, of all rules, data is read at once.
	together = 720
	// replaysAtOnce is how many rules are replayed at a time.
	replaysAtOnce = 2
	// lateAfter is how far the watermark may be behind the clock until the data counts as late, and
	// how old the beginning of an alert may be until its notification is marked late.
	lateAfter = 10 * time.Minute
	// holdFor is how long the notification of an alert waits while its data is late, in case its
	// end follows.
	holdFor = 10 * time.Minute
)

// round evaluates each rule up to the watermark, or by one span nearer to it. more reports whether
// some are not there yet. A rule whose query fails does not stop the others: its outcome says so.
// If the server does not answer, no rule is at fault, and that is the error.
func (e *evaluator) round(ctx context.Context, watermark, now time.Time) (outcomes []*outcome, more bool, err error) {
	due := e.due(watermark)
	var ahead []span // of due: read, and not yet evaluated
	var reading time.Duration
	for rule, g := range e.rules() {
		began := time.Now()
		if len(due) > 0 && due[0].rule == rule {
			if len(ahead) == 0 {
				ahead = chunk(due)
				e.replayAhead(ctx, ahead)
				reading = time.Since(began) / time.Duration(len(ahead))
				began = time.Now()
			}
			due, ahead, began = due[1:], ahead[1:], began.Add(-reading)
		}
		o, err := e.evaluate(ctx, g, rule, watermark, now)
		switch {
		case ctx.Err() != nil:
			return nil, false, ctx.Err()
		case err != nil:
			if e.isAway(ctx) {
				return nil, false, fmt.Errorf("evaluate rule %s: %w", rule.Name, err)
			}
			o = &outcome{rule: rule, standing: e.standing[rule.Name], failed: err.Error()}
		case o != nil:
			more = more || !rule.Condition.needs().clock && o.standing.evaluated.Before(watermark.Truncate(g.Interval))
		case e.standing[rule.Name].failed != "": // nothing is due, and the reason is gone
			o = &outcome{rule: rule, standing: e.standing[rule.Name]}
		default:
			continue
		}
		e.Metrics.observe(rule.Name, time.Since(began), err)
		o.standing.failed, o.tried = o.failed, now
		outcomes = append(outcomes, o)
	}
	failing, err := e.checkRules(ctx, outcomes, now)
	if err != nil {
		return nil, false, err
	}
	for _, o := range []*outcome{failing, e.checkData(watermark, now)} {
		if o != nil {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, more, nil
}

// replayAhead reads what rules look at together, and replays them meanwhile: each as soon as its
// data is there, several at a time.
func (e *evaluator) replayAhead(ctx context.Context, spans []span) {
	e.ahead = make(map[span]replayed, len(spans))
	var mu sync.Mutex
	var replays errgroup.Group
	replays.SetLimit(replaysAtOnce)
	e.source.prepare(ctx, spans, func(sp span, d data) {
		before := e.standing[sp.rule.Name].alerts
		replays.Go(func() error {
			alerts, steps := sp.rule.replay(sp.from, sp.to, sp.interval, d, before)
			mu.Lock()
			defer mu.Unlock()
			e.ahead[sp] = replayed{alerts, steps}
			return nil
		})
	})
	_ = replays.Wait() // none fails
}

// replay returns the result of a replay that was made ahead, or makes it.
func (e *evaluator) replay(ctx context.Context, sp span, before map[string]Alert) (replayed, error) {
	if r, ok := e.ahead[sp]; ok {
		delete(e.ahead, sp)
		return r, nil
	}
	d, err := e.source.fetch(ctx, sp)
	if err != nil {
		return replayed{}, err
	}
	alerts, steps := sp.rule.replay(sp.from, sp.to, sp.interval, d, before)
	return replayed{alerts, steps}, nil
}

// pingTimeout is how long a server may take to say that it is there.
const pingTimeout = 10 * time.Second

// isAway reports whether the server of the source does not answer.
func (e *evaluator) isAway(ctx context.Context) bool {
	if e.ping == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return e.ping(ctx) != nil
}

// next returns what is to be evaluated next of a rule, up to the watermark. Nothing is due if from
// is not before to.
func (e *evaluator) next(g *Group, rule *Rule, evaluated, watermark time.Time) span {
	from, to := evaluated, watermark.Truncate(g.Interval)
	if from.IsZero() {
		from = e.Since.At(watermark, time.UTC).Truncate(g.Interval)
	}
	if end := from.Truncate(g.Interval).Add(max(longestSpan.Truncate(g.Interval), g.Interval)); to.After(end) {
		to = end
	}
	return span{rule, from, to, g.Interval}
}

// due returns what is to be evaluated next of all rules, in their order.
func (e *evaluator) due(watermark time.Time) (all []span) {
	for rule, g := range e.rules() {
		next := e.next(g, rule, e.standing[rule.Name].evaluated, watermark)
		if !rule.Condition.needs().clock && next.from.Before(next.to) {
			all = append(all, next)
		}
	}
	return all
}

// chunk returns the first of the spans, as many as fit into memory together.
func chunk(due []span) []span {
	minutes := 0
	for i, sp := range due {
		if minutes += int(sp.to.Sub(sp.from) / time.Minute); i > 0 && minutes > together {
			return due[:i]
		}
	}
	return due
}

// evaluate brings a rule up to the watermark, or by one span nearer to it. The outcome is nil if
// nothing is due. A rule that was never evaluated learns from the past in one go.
func (e *evaluator) evaluate(ctx context.Context, g *Group, rule *Rule, watermark, now time.Time) (*outcome, error) {
	s := e.standing[rule.Name]
	if rule.Condition.needs().clock {
		return e.evaluateClock(ctx, g, rule, watermark, now)
	}
	first := s.evaluated.IsZero()
	o := &outcome{rule: rule, standing: s}
	next := e.next(g, rule, s.evaluated, watermark)
	s.evaluated = next.from
	o.standing.evaluated = next.from
	for ; next.from.Before(next.to); next = e.next(g, rule, o.standing.evaluated, watermark) {
		r, err := e.replay(ctx, next, o.standing.alerts)
		if err != nil {
			return nil, err
		}
		o.standing.evaluated, o.standing.alerts = next.to, r.alerts
		o.steps = append(o.steps, r.steps...)
		if !first {
			break
		}
	}
	if first {
		return o, e.tellPresent(ctx, o, now)
	}
	// While the rule is behind its data or the data behind the clock, the end of an alert may
	// follow.
	waits := o.standing.evaluated.Before(watermark.Truncate(g.Interval)) || now.Sub(watermark) > lateAfter
	if err := e.tell(ctx, o, waits, now); err != nil {
		return nil, err
	}
	if len(o.steps)+len(o.held) == 0 && o.standing.evaluated.Equal(s.evaluated) {
		return nil, nil
	}
	return o, nil
}

// evaluateClock evaluates a rule about the clock at the latest multiple of the interval.
func (e *evaluator) evaluateClock(ctx context.Context, g *Group, rule *Rule, watermark, now time.Time) (*outcome, error) {
	s, at := e.standing[rule.Name], now.Truncate(g.Interval)
	if at.Equal(s.evaluated) {
		return nil, nil
	}
	d := newData()
	d.lag = max(0, now.Sub(watermark))
	if rule.Condition.needs().reports {
		var err error
		if d.unsent, err = e.source.unsent(ctx, now); err != nil {
			return nil, err
		}
	}
	o := &outcome{rule: rule, standing: s}
	o.standing.alerts, o.steps = rule.replay(at.Add(-g.Interval), at, g.Interval, d, s.alerts)
	o.standing.evaluated = at
	return o, e.tell(ctx, o, false, now)
}

// telling is what an alert's receivers know, or have to know.
type telling struct {
	notice  Notification
	held    time.Time // since when the notification waits; zero: it was sent
	changed bool      // it was sent, and the level has changed since
}

// tell makes the notifications of the steps of an outcome. An alert that began and ended within
// them is told of once, as past. One that began and goes on is told of now or, while waits is true,
// later: its end may follow.
func (e *evaluator) tell(ctx context.Context, o *outcome, waits bool, now time.Time) error {
	o.notices, o.made = make([]Notification, len(o.steps)), make([]Notification, len(o.steps))
	open := map[string]telling{}
	for name, a := range e.standing[o.rule.Name].alerts {
		open[name] = telling{a.Notice, a.Held, false}
	}
	for i, s := range o.steps {
		name := nameOf(s.keys)
		t := open[name]
		switch {
		case s.change.begins():
			n, err := e.firing(ctx, o.rule, s)
			if err != nil {
				return err
			}
			o.made[i] = n
			if t.notice.ID != "" { // at another level
				n.StartsAt = t.notice.StartsAt
			}
			t.changed = t.notice.ID != "" && t.held.IsZero()
			if t.notice.ID == "" {
				t.held = now
			}
			t.notice = n
			open[name] = t
		case s.change.To == Resolved:
			if o.notices[i] = t.notice.resolved(s); !t.held.IsZero() {
				o.notices[i] = o.notices[i].past()
			}
			o.made[i] = o.notices[i]
			delete(open, name)
		}
	}
	alerts := map[string]Alert{}
	for name, a := range o.standing.alerts {
		t := open[name]
		if !t.held.IsZero() && (!waits || now.Before(t.held) || now.Sub(t.held) >= holdFor) {
			t.held, t.changed = time.Time{}, true
			if now.Sub(t.notice.StartsAt.Time) > lateAfter {
				t.notice = t.notice.late()
			}
		}
		if t.changed {
			o.deliver(t.notice)
		}
		a.Notice, a.Held = t.notice, t.held
		alerts[name] = a
	}
	o.standing.alerts = alerts
	return nil
}

// tellPresent makes the notifications of a first start: what is firing now is told, and none of the
// past that is over.
func (e *evaluator) tellPresent(ctx context.Context, o *outcome, now time.Time) error {
	present := &outcome{rule: o.rule, standing: o.standing}
	began, index := map[string]step{}, map[string]int{}
	for i, s := range o.steps {
		switch name := nameOf(s.keys); {
		case s.change.begins():
			began[name], index[name] = s, i
		case s.change.To == Resolved:
			delete(began, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(began)) {
		present.steps = append(present.steps, began[name])
	}
	if err := e.tell(ctx, present, false, now); err != nil {
		return err
	}
	o.standing, o.held = present.standing, present.held
	o.notices, o.made = make([]Notification, len(o.steps)), make([]Notification, len(o.steps))
	for i, s := range present.steps {
		at := index[nameOf(s.keys)]
		o.notices[at], o.made[at] = present.notices[i], present.made[i]
	}
	return nil
}

// deliver sends a notification with the step that it is about, or by itself if that was recorded
// before.
func (o *outcome) deliver(n Notification) {
	for i, s := range o.steps {
		if s.change.begins() && n.ID == id(o.rule.fingerprint(s.keys), s.at, Firing) {
			o.notices[i] = n
			return
		}
	}
	o.held = append(o.held, n)
}

// accept makes outcomes the present state.
func (e *evaluator) accept(outcomes []*outcome) {
	for _, o := range outcomes {
		e.standing[o.rule.Name] = o.standing
		e.Metrics.stand(o.rule.Name, o.standing)
	}
}

// The rules that the evaluator has by itself.
var (
	// ruleFailing is about rules whose queries fail.
	ruleFailing = Rule{Name: "RuleFailing", By: []string{"rule"}}
	// dataLate is about the watermark. It notifies no one: a rule with the condition lag does.
	dataLate = Rule{Name: "DataLate"}
)

// builtIn are the rules that no file can have.
var builtIn = []*Rule{&ruleFailing, &dataLate}

// checkRules steps the alerts RuleFailing: one for each rule whose query fails, after the rule's
// own `for`. The outcome is nil if nothing changes.
func (e *evaluator) checkRules(ctx context.Context, outcomes []*outcome, now time.Time) (*outcome, error) {
	before := e.standing[ruleFailing.Name]
	o := &outcome{rule: &ruleFailing, standing: standing{evaluated: now, alerts: maps.Clone(before.alerts)}, tried: now}
	if o.standing.alerts == nil {
		o.standing.alerts = map[string]Alert{}
	}
	for _, evaluated := range outcomes {
		name, failed := evaluated.rule.Name, evaluated.standing.failed
		v := Verdict{Finding: Clear, Says: "the rule is evaluated again"}
		if failed != "" {
			v = Verdict{Finding: Holds, Says: "the rule is not evaluated: " + failed}
		}
		r, a := ruleFailing, o.standing.alerts[name]
		r.For = evaluated.rule.For
		next, change := r.step(now, v, a.State)
		if next.Phase == "" {
			delete(o.standing.alerts, name)
		} else {
			a.Keys, a.State = []string{name}, next
			o.standing.alerts[name] = a
		}
		if change != nil {
			o.steps = append(o.steps, step{now, []string{name}, v, *change})
		}
	}
	if err := e.tell(ctx, o, false, now); err != nil || len(o.steps) == 0 {
		return nil, err
	}
	return o, nil
}

// checkData steps the state of the data, which is late while the watermark is far behind the clock.
// The outcome is nil if it stays the same.
func (e *evaluator) checkData(watermark, now time.Time) *outcome {
	s := e.standing[dataLate.Name]
	a := s.alerts[""]
	found, behind := Clear, now.Sub(watermark)
	says := fmt.Sprintf("the data is complete up to %s", clock(watermark))
	if behind > lateAfter {
		found = LateData
		says += fmt.Sprintf(", %s behind the clock: until more comes, nothing fires and nothing is resolved", short(behind.Truncate(time.Second)))
	}
	from := cmp.Or(a.State.Phase, Inactive)
	to := becomes[from][found]
	if from == to {
		return nil
	}
	o := &outcome{rule: &dataLate, standing: standing{evaluated: now, alerts: map[string]Alert{}}}
	if to == Late {
		o.standing.alerts[""] = Alert{State: State{Phase: Late, Since: now}, Says: says, Value: behind.Seconds()}
	}
	c := Change{From: from, To: to, Reason: says, Value: behind.Seconds(), Threshold: lateAfter.Seconds()}
	o.steps, o.notices = []step{{at: now, change: c}}, make([]Notification, 1)
	o.made = o.notices
	return o
}
