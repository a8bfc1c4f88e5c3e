package alert

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"errata/internal/cli"
)

// Backtest is what rules would have done over a time, had they been evaluated then.
type Backtest struct {
	From  cli.Timestamp `json:"from"`
	To    cli.Timestamp `json:"to"`
	Rules []Tried       `json:"rules"`
	Score *Score        `json:"score"` // nil without labelled incidents
}

// Tried is what one rule would have done.
type Tried struct {
	Rule         string      `json:"rule"`
	Pages        int         `json:"pages"` // how often one of its alerts would have fired
	PagesPerWeek float64     `json:"pages_per_week"`
	Firing       float64     `json:"firing_seconds"`    // of all its alerts together
	Episodes     []Episode   `json:"episodes"`          // in the order of time
	Suggestion   *Suggestion `json:"suggestion"`        // nil if none was asked for
	Skipped      string      `json:"skipped,omitempty"` // why it was not replayed
}

// Episode is the time from when an alert would have fired until it would have been resolved.
type Episode struct {
	Rule     string            `json:"rule"`
	Labels   map[string]string `json:"labels"`
	From     cli.Timestamp     `json:"from"`
	To       cli.Timestamp     `json:"to"` // zero: it would still be firing
	Value    float64           `json:"value"`
	Reason   string            `json:"reason"`
	Incident string            `json:"incident,omitempty"` // the labelled incident that it belongs to
}

// lasts returns how long the episode would have lasted, up to the given end.
func (e Episode) lasts(end time.Time) time.Duration {
	if !e.To.IsZero() {
		end = e.To.Time
	}
	return end.Sub(e.From.Time)
}

// Suggestion is the most sensitive threshold at which a rule would have fired no more often than
// was wished.
type Suggestion struct {
	Key          string  `json:"key"` // such as count.above
	Now          float64 `json:"now"` // as the rule has it
	Suggested    float64 `json:"suggested"`
	PagesPerWeek float64 `json:"pages_per_week"`
	Found        bool    `json:"found"` // false: even the least sensitive that was tried fires more often
}

// tunable is a condition with a threshold that a backtest can vary.
type tunable interface {
	Condition
	// threshold's key and value, and whether a lesser value fires more often.
	tuning() (key string, value float64, lesserFiresMore bool)
	tuned(value float64) Condition
}

func (c Count) tuning() (string, float64, bool) {
	return "count." + thresholdKey(c.Levels), c.Levels[0].above, true
}
func (c Count) tuned(value float64) Condition {
	c.Levels = scaled(c.Levels, math.Round(value))
	return c
}

func (r Rate) tuning() (string, float64, bool) {
	return "rate." + thresholdKey(r.Levels), r.Levels[0].above, true
}
func (r Rate) tuned(value float64) Condition {
	r.Levels = scaled(r.Levels, min(value, 0.99))
	return r
}

// thresholdKey returns the key of the lowest threshold.
func thresholdKey(levels []level) string { return cmp.Or(levels[0].name, "above") }

// scaled returns levels of which the lowest has the given threshold, and the others keep their
// distance to it.
func scaled(levels []level, lowest float64) []level {
	all := slices.Clone(levels)
	for i := range all {
		all[i].above = lowest + (levels[i].above - levels[0].above)
	}
	return all
}

func (s Spike) tuning() (string, float64, bool) { return "spike.pages_per_week", s.PagesPerWeek, false }
func (s Spike) tuned(value float64) Condition {
	s.PagesPerWeek = value
	return s
}

// variant is a rule with one threshold, and where it stands in a replay.
type variant struct {
	rule   Rule
	value  float64
	usual  *usual
	alerts map[string]Alert
	steps  []step
}

// variants returns the rule itself and, if thresholds are to be suggested, the same rule with
// thresholds from a sixteenth to 64 times its own, the most sensitive first.
func variants(rule *Rule, suggest bool) (all []*variant) {
	all = []*variant{{rule: *rule}}
	c, ok := rule.Condition.(tunable)
	if !ok || !suggest {
		return all
	}
	_, value, lesserFiresMore := c.tuning()
	var more []*variant
	for half := -8; half <= 12; half++ {
		v := &variant{rule: *rule, value: rounded(max(value, 1e-3) * math.Pow(2, float64(half)/2))}
		v.rule.Condition, v.rule.ResolveBelow = c.tuned(v.value), 0
		_, v.value, _ = v.rule.Condition.(tunable).tuning()
		if rule.ResolveBelow > 0 { // keeps its share of the threshold
			v.rule.ResolveBelow = rule.ResolveBelow / value * v.value
		}
		if n := len(more); n == 0 || more[n-1].value != v.value {
			more = append(more, v)
		}
	}
	if !lesserFiresMore {
		slices.Reverse(more)
	}
	return append(all, more...)
}

// rounded returns a number with two significant digits.
func rounded(x float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(x/unit) * unit
}

// backtestSpan is how much of the data by the minute is read at a time. Twice as much is held: one
// span is replayed while the next one is read.
const backtestSpan = 24 * time.Hour

// BacktestOptions say what a backtest adds to what would have fired.
type BacktestOptions struct {
	Incidents []Incident // labelled
	Suggest   float64    // thresholds for so many pages a week and rule; 0: none
}

// Backtest replays the rules over the evaluations in (from, to], but no later than the watermark,
// with the state machine that Run uses. It writes and sends nothing.
func (r *Runner) Backtest(ctx context.Context, from, to time.Time, o BacktestOptions) (Backtest, error) {
	watermark, missing, err := r.Store.DataWatermark(ctx)
	switch {
	case err != nil:
		return Backtest{}, err
	case watermark.IsZero():
		return Backtest{}, noWatermark{missing}
	case to.After(watermark):
		to = watermark
	}
	if !to.After(from) {
		return Backtest{}, fmt.Errorf("all data is in up to %s, so there is nothing to replay from %s on", cli.Timestamp{Time: to}, cli.Timestamp{Time: from})
	}
	b := Backtest{From: cli.Timestamp{Time: from}, To: cli.Timestamp{Time: to}}
	if b.Rules, err = r.tryAll(ctx, from, to, o.Suggest); err != nil {
		return b, err
	}
	if o.Incidents != nil {
		b.Score = b.score(o.Incidents)
	}
	return b, nil
}

// triedTogether is for how many rules data is read together.
const triedTogether = 32

// trial is a rule that is tried.
type trial struct {
	rule     *Rule
	interval time.Duration
	variants []*variant // the rule itself comes first
}

// tryAll replays all rules and returns them in their order.
func (r *Runner) tryAll(ctx context.Context, from, to time.Time, suggest float64) ([]Tried, error) {
	var all []*trial
	for _, g := range r.Groups {
		for i := range g.Rules {
			rule := &g.Rules[i]
			t := &trial{rule: rule, interval: g.Interval}
			if !rule.needs().clock {
				t.variants = variants(rule, suggest > 0)
			}
			all = append(all, t)
		}
	}
	for some := range slices.Chunk(all, triedTogether) {
		if err := try(ctx, newStored(r.Store), some, from, to); err != nil {
			return nil, err
		}
	}
	var results []Tried
	for _, t := range all {
		results = append(results, t.result(from, to, suggest))
	}
	return results, nil
}

func (t *trial) result(from, to time.Time, suggest float64) Tried {
	if t.variants == nil {
		return Tried{Rule: t.rule.Name, Episodes: []Episode{}, Skipped: "it is about the clock, which is not stored"}
	}
	result := tried(t.rule, t.variants[0].steps, from, to)
	if c, ok := t.rule.Condition.(tunable); ok && suggest > 0 {
		result.Suggestion = suggestion(c, t.variants[1:], from, to, suggest)
	}
	return result
}

// fetched is what a trial's rule looks at in a span.
type fetched struct {
	*trial
	span
	data data
}

// try replays rules, span by span: one is replayed while the next one is read.
func try(ctx context.Context, s *stored, trials []*trial, from, to time.Time) error {
	trials = slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool { return t.variants == nil })
	// Those that compare with the past take longest, so each of their replays starts first.
	slices.SortStableFunc(trials, func(a, b *trial) int { return cmp.Compare(b.weight(), a.weight()) })
	for _, t := range trials {
		if err := s.remember(ctx, t, from, to); err != nil {
			return fmt.Errorf("rule %s: %w", t.rule.Name, err)
		}
	}
	work, ctx := errgroup.WithContext(ctx)
	ready := make(chan []fetched)
	work.Go(func() error {
		defer close(ready)
		for start := from; start.Before(to); start = start.Add(backtestSpan) {
			end := start.Add(backtestSpan)
			if end.After(to) {
				end = to
			}
			all, err := s.fetchAll(ctx, trials, start, end)
			if err != nil {
				return err
			}
			select {
			case ready <- all:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	work.Go(func() error {
		for all := range ready {
			replays := new(errgroup.Group)
			replays.SetLimit(replaysAtOnce)
			for _, f := range all {
				replays.Go(func() error { return f.replay(ctx) })
			}
			if err := replays.Wait(); err != nil {
				return err
			}
		}
		return nil
	})
	return work.Wait()
}

// weight is how much a trial costs beside others.
func (t *trial) weight() int {
	if t.rule.needs().usual != nil {
		return 1
	}
	return 0
}

// fetchAll reads what rules look at in a span of time, in as few queries as it can.
func (s *stored) fetchAll(ctx context.Context, trials []*trial, from, to time.Time) (all []fetched, err error) {
	var spans []span
	for _, t := range trials {
		spans = append(spans, span{t.rule, from, to, t.interval})
	}
	prepared := map[span]data{}
	var mu sync.Mutex
	s.prepare(ctx, spans, func(sp span, d data) {
		mu.Lock()
		defer mu.Unlock()
		prepared[sp] = d
	})
	for i, t := range trials {
		d, ok := prepared[spans[i]]
		if !ok {
			if d, err = s.fetch(ctx, spans[i]); err != nil {
				return nil, fmt.Errorf("rule %s: %w", t.rule.Name, err)
			}
		}
		all = append(all, fetched{t, spans[i], d})
	}
	return all, nil
}

// replay takes each variant of the rule through the span.
func (f fetched) replay(ctx context.Context) error {
	for _, v := range f.variants {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d := f.data
		d.usual = v.usual
		var steps []step
		v.alerts, steps = v.rule.replay(f.from, f.to, f.span.interval, d, v.alerts)
		v.steps = append(v.steps, steps...)
	}
	return nil
}

// remember reads the past of the whole time at once. Each variant knows when its own alerts would
// have been firing.
func (s *stored) remember(ctx context.Context, t *trial, from, to time.Time) (err error) {
	if t.rule.needs().silent > 0 {
		s.returned[t.rule.Name], err = s.mayReturn(ctx, t.rule, from, to)
		return err
	}
	if t.rule.needs().usual == nil {
		return nil
	}
	u, err := s.readUsual(ctx, t.rule, from, to)
	if err != nil {
		return err
	}
	u.replayed = true
	u.prepare(t.rule)
	s.usuals[t.rule.Name] = u
	for _, v := range t.variants {
		own := *u
		own.pasts, own.shared, own.middle = map[string]*past{}, maps.Clone(u.shared), maps.Clone(u.middle)
		own.prepare(t.rule)
		v.usual = &own
	}
	return nil
}

// tried sums up the transitions of a rule.
func tried(rule *Rule, steps []step, from, to time.Time) Tried {
	t := Tried{Rule: rule.Name, Episodes: []Episode{}}
	open := map[string]int{}
	for _, s := range steps {
		name := nameOf(s.keys)
		at, isOpen := open[name]
		switch {
		case s.change.To == Firing && !isOpen:
			open[name] = len(t.Episodes)
			t.Episodes = append(t.Episodes, Episode{
				Rule: rule.Name, Labels: rule.labels(s.keys, s.change.Level), From: cli.Timestamp{Time: s.at}, Value: s.change.Value, Reason: s.change.Reason,
			})
		case (s.change.To == Resolved || s.change.To == Inactive) && isOpen:
			t.Episodes[at].To = cli.Timestamp{Time: s.at}
			delete(open, name)
		}
	}
	for _, e := range t.Episodes {
		t.Firing += e.lasts(to).Seconds()
	}
	t.Pages, t.PagesPerWeek = len(t.Episodes), perWeek(len(t.Episodes), from, to)
	return t
}

func perWeek(n int, from, to time.Time) float64 {
	return float64(n) * float64(7*24*time.Hour) / float64(to.Sub(from))
}

func suggestion(c tunable, all []*variant, from, to time.Time, wish float64) *Suggestion {
	s := &Suggestion{}
	s.Key, s.Now, _ = c.tuning()
	for _, v := range all {
		s.Suggested, s.PagesPerWeek = v.value, perWeek(tried(&v.rule, v.steps, from, to).Pages, from, to)
		// As it is printed: a week up to the watermark is some minutes short.
		if s.Found = math.Round(s.PagesPerWeek*10)/10 <= wish; s.Found {
			return s
		}
	}
	return s
}

// Incident is something that happened and that rules should have told of.
type Incident struct {
	Name     string
	From, To time.Time
	Rule     string            // the only rule that can tell of it; "": any
	Labels   map[string]string // of an alert that tells of it; others do not matter
}

// Score compares what would have fired with what happened.
type Score struct {
	Incidents int      `json:"incidents"`
	Found     int      `json:"found"`
	Missed    []string `json:"missed"`
	Recall    float64  `json:"recall"`               // of the incidents; 1 if there are none
	Precision float64  `json:"precision"`            // of the pages; 1 if there are none
	False     float64  `json:"false_pages_per_week"` // pages that belong to no incident
	Delay     float64  `json:"median_delay_seconds"` // from the start of an incident to the first page
}

// aftermath is how long after its end an incident may still be told.
const aftermath = 30 * time.Minute

// tells reports whether an episode tells of the incident. A label that the alert does not have says
// nothing against it.
func (i Incident) tells(e Episode, end time.Time) bool {
	if i.Rule != "" && i.Rule != e.Rule || e.From.After(i.To.Add(aftermath)) || e.From.Add(e.lasts(end)).Before(i.From) {
		return false
	}
	for name, value := range i.Labels {
		if has, ok := e.Labels[name]; ok && has != value {
			return false
		}
	}
	return true
}

// score compares the episodes with the incidents within the time, and notes in each episode which
// one it belongs to.
func (b *Backtest) score(incidents []Incident) *Score {
	s := &Score{Missed: []string{}, Recall: 1, Precision: 1}
	var delays []time.Duration
	pages, right := 0, 0
	for _, i := range incidents {
		if !i.To.After(b.From.Time) || !i.From.Before(b.To.Time) {
			continue
		}
		s.Incidents++
		first := time.Time{}
		for t := range b.Rules {
			for e := range b.Rules[t].Episodes {
				if episode := &b.Rules[t].Episodes[e]; i.tells(*episode, b.To.Time) {
					episode.Incident = i.Name
					if first.IsZero() || episode.From.Before(first) {
						first = episode.From.Time
					}
				}
			}
		}
		if first.IsZero() {
			s.Missed = append(s.Missed, i.Name)
			continue
		}
		s.Found++
		delays = append(delays, max(0, first.Sub(i.From)))
	}
	for _, t := range b.Rules {
		for _, e := range t.Episodes {
			pages++
			if e.Incident != "" {
				right++
			}
		}
	}
	if s.Incidents > 0 {
		s.Recall = float64(s.Found) / float64(s.Incidents)
	}
	if pages > 0 {
		s.Precision = float64(right) / float64(pages)
	}
	s.False = perWeek(pages-right, b.From.Time, b.To.Time)
	if slices.Sort(delays); len(delays) > 0 {
		s.Delay = delays[len(delays)/2].Seconds()
	}
	return s
}

// describe names an alert: Rule{tenant="acme"}.
func describe(rule string, labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != alertname {
			parts = append(parts, fmt.Sprintf("%s=%q", name, labels[name]))
		}
	}
	return rule + "{" + strings.Join(parts, ",") + "}"
}
