package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"errata/internal/cli"
)

// Condition says when what a rule counts is too much. It is a value, and its methods are pure.
type Condition interface {
	// windows returns how far back from an evaluation the condition looks. All windows end at the
	// evaluation; the longest comes first.
	windows() []time.Duration
	// needs returns what has to be counted for it.
	needs() needs
	// levels returns the thresholds as the rule has them. resolve_below cannot exceed the lowest.
	levels() []level
	// judge decides on one group at one time. Thresholds are those of the group, and the state that
	// of its alert: one that is firing has to recover. A verdict that leaves an alert in the zero
	// state may say nothing, because words cost more than the rest.
	judge(c counts, at time.Time, t thresholds, s State) Verdict
}

// conditions is the table of conditions. A rule has exactly one, under its key. To add one, write a
// field of conditionKeys, a row here, and a type that implements Condition; the lists of keys in
// errors follow. docs/alerts.md describes each.
var conditions = []struct {
	key    string
	given  func(conditionKeys) bool
	decode func(*lint, conditionKeys) Condition
	// threshold checks a threshold of a condition that compares one value of one window with
	// thresholds. Only such a rule can have overrides and windows. nil: it is another condition.
	threshold func(l *lint, key string, value float64)
}{
	{"count", func(k conditionKeys) bool { return k.Count != nil }, func(l *lint, k conditionKeys) Condition { return l.count(*k.Count) }, (*lint).notNegative},
	{"rate", func(k conditionKeys) bool { return k.Rate != nil }, func(l *lint, k conditionKeys) Condition { return l.rate(*k.Rate) }, (*lint).share},
	{"spike", func(k conditionKeys) bool { return k.Spike != nil }, func(l *lint, k conditionKeys) Condition { return l.spike(*k.Spike) }, nil},
	{"new_code", func(k conditionKeys) bool { return k.NewCode != nil }, func(l *lint, k conditionKeys) Condition { return l.newCode(*k.NewCode) }, nil},
	{"regressed", func(k conditionKeys) bool { return k.Regressed != nil }, func(l *lint, k conditionKeys) Condition { return l.regressed(*k.Regressed) }, nil},
	{"flatline", func(k conditionKeys) bool { return k.Flatline != nil }, func(l *lint, k conditionKeys) Condition { return l.flatline(*k.Flatline) }, nil},
	{"burn_rate", func(k conditionKeys) bool { return k.BurnRate != nil }, func(l *lint, k conditionKeys) Condition { return l.burnRate(*k.BurnRate) }, nil},
	{"body_blind", func(k conditionKeys) bool { return k.BodyBlind != nil }, func(l *lint, k conditionKeys) Condition { return l.bodyBlind(*k.BodyBlind) }, (*lint).share},
	{"lag", func(k conditionKeys) bool { return k.Lag != nil }, func(l *lint, k conditionKeys) Condition { return l.lag(*k.Lag) }, nil},
	{"watchdog", func(k conditionKeys) bool { return k.Watchdog != nil }, func(*lint, conditionKeys) Condition { return Watchdog{} }, nil},
	{"report_unsent", func(k conditionKeys) bool { return k.ReportUnsent != nil }, func(l *lint, k conditionKeys) Condition { return l.reportUnsent(*k.ReportUnsent) }, nil},
}

// thresholdOf returns how a threshold of the condition with that key is checked, nil if the table
// says that it is another condition, and the keys of the conditions that have such thresholds.
func thresholdOf(key string) (check func(*lint, string, float64), keys string) {
	var all []string
	for _, c := range conditions {
		if c.threshold == nil {
			continue
		}
		if all = append(all, c.key); c.key == key {
			check = c.threshold
		}
	}
	last := len(all) - 1
	return check, strings.Join(all[:last], ", ") + " and " + all[last]
}

// conditionKeys are the keys of a rule that hold a condition, as they are written.
type conditionKeys struct {
	Count     *countKeys
	Rate      *rateKeys
	Spike     *spikeKeys
	NewCode   *newCodeKeys   `yaml:"new_code"`
	Regressed *regressedKeys `yaml:"regressed"`
	Flatline  *flatlineKeys
	BurnRate  *burnRateKeys  `yaml:"burn_rate"`
	BodyBlind *bodyBlindKeys `yaml:"body_blind"`
	Lag       *spanKeys

	ReportUnsent *spanKeys `yaml:"report_unsent"`
	Watchdog     *struct{} // has no keys
}

// needs is what has to be counted for a condition.
type needs struct {
	errors   bool // of each group
	requests bool // of each tenant, service, route and topic, where the rule groups by these
	blind    bool // those of the requests whose body could not be seen
	// idle groups are judged too. Otherwise one without errors is passed over while it is inactive.
	idle bool
	// least is the number of errors in the longest window with which an inactive alert can change.
	// With fewer its group is passed over; 0: one.
	least uint64
	// sightings are when the codes of each tenant were first seen. Errors of a topic are counted
	// only if it has been read by the same parser for this long.
	sightings time.Duration
	// silent narrows the errors to codes that are older than this and had errors lately.
	silent time.Duration
	clock  bool // nothing is counted: the condition is about the clock and the watermark
	// reports that are due and were not sent are looked up.
	reports bool
	// usual says which windows of the past are compared with the present ones; nil: none are.
	usual *reference
}

// Verdict is what a condition makes of the counts of one group.
type Verdict struct {
	Finding   Finding
	Level     int // of the thresholds; of use if the condition holds
	Value     float64
	Threshold float64
	Errors    uint64 // in the window
	Requests  uint64
	Says      string // "41 errors in 5m, above 20"
	Window    Window // the one that decided, of a condition that looks at several
	Frozen    string // what a firing alert is compared with from now on (State.Frozen)
}

// condition decodes the condition of a rule and returns its key too. If there is none or more than
// one, it reports that and returns nil.
func (l *lint) condition(k conditionKeys) (key string, c Condition) {
	var keys, given []string
	var decode func(*lint, conditionKeys) Condition
	for _, c := range conditions {
		keys = append(keys, c.key)
		if c.given(k) {
			given, decode = append(given, c.key), c.decode
		}
	}
	switch len(given) {
	case 0:
		l.bad("", "the rule has no condition: give %s", strings.Join(keys, " or "))
		return "", nil
	case 1:
		return given[0], decode(l, k)
	}
	last := given[len(given)-1]
	l.bad(last, "the rule has %s already: keep one, and write a second rule for the other", strings.Join(slices.Delete(given, len(given)-1, len(given)), ", "))
	return "", nil
}

// Count compares the number of errors.
type Count struct {
	Over   time.Duration
	Levels []level
}

type countKeys struct {
	Over   string
	Levels levelKeys `yaml:",inline"`
}

func (l *lint) count(k countKeys) Count {
	return Count{l.window("count.over", k.Over), l.levels("count", k.Levels, "the number of errors above which the alert fires", l.notNegative)}
}

func (l *lint) notNegative(key string, value float64) {
	if value < 0 {
		l.bad(key, "%s is negative: give 0 or more", number(value))
	}
}

func (c Count) windows() []time.Duration { return []time.Duration{c.Over} }
func (c Count) needs() needs             { return needs{errors: true} }
func (c Count) levels() []level          { return c.Levels }

func (c Count) judge(n counts, at time.Time, t thresholds, s State) Verdict {
	v := Verdict{Errors: n.errors.between(at.Add(-c.Over), at)}
	v.Value = float64(v.Errors)
	v.compare(t, s, func() string { return fmt.Sprintf("%s in %s", cli.Count(v.Errors, "error"), short(c.Over)) }, number)
	return v
}

// Rate compares errors with all requests of the same place: of the keys of a group, those that
// requests have too (tenant, service, route, topic). If neither the select nor the keys look at the
// errors themselves, it is the share of requests that had an error, otherwise the number of errors
// per request.
type Rate struct {
	Over        time.Duration
	Levels      []level
	MinErrors   uint64
	MinRequests uint64 // with fewer the alert does not fire, and a firing one recovers
}

type rateKeys struct {
	Over        string
	Levels      levelKeys `yaml:",inline"`
	MinErrors   *uint64   `yaml:"min_errors"`
	MinRequests *uint64   `yaml:"min_requests"`
}

func (l *lint) rate(k rateKeys) Rate {
	r := Rate{
		Over: l.window("rate.over", k.Over), MinErrors: 1, MinRequests: l.minRequests("rate.min_requests", k.MinRequests),
		Levels: l.levels("rate", k.Levels, "the share of all requests above which the alert fires, such as 0.2", l.share),
	}
	if k.MinErrors != nil {
		r.MinErrors = *k.MinErrors
	}
	return r
}

func (l *lint) share(key string, value float64) {
	if value < 0 || value >= 1 {
		l.bad(key, "%s is not a share: give 0 or more and less than 1; 0.2 is 20%%", number(value))
	}
}

func (l *lint) minRequests(key string, given *uint64) uint64 {
	if given == nil || *given == 0 {
		l.bad(key, "a share of few requests means nothing: give the least number of requests in the window, 1 or more")
		return 1
	}
	return *given
}

func (r Rate) windows() []time.Duration { return []time.Duration{r.Over} }
func (r Rate) needs() needs             { return needs{errors: true, requests: true} }
func (r Rate) levels() []level          { return r.Levels }

func (r Rate) judge(n counts, at time.Time, t thresholds, s State) Verdict {
	from := at.Add(-r.Over)
	v := Verdict{Errors: n.errors.between(from, at), Requests: n.requests.between(from, at)}
	v.share(v.Errors, r.MinRequests, r.Over, t, s)
	if v.Finding == Holds && v.Errors < r.MinErrors && !(s.active() && t.resolveBelow > 0) {
		v.Finding, v.Level, v.Says = Clear, 0, fmt.Sprintf("%s in %s, fewer than the %d needed", cli.Count(v.Errors, "error"), short(r.Over), r.MinErrors)
	}
	return v
}

// share compares a part of the requests with all of them.
func (v *Verdict) share(part, least uint64, over time.Duration, t thresholds, s State) {
	v.Threshold = t.levels[0].above
	switch {
	case v.Requests == 0:
		v.Finding, v.Says = NoRequests, fmt.Sprintf("no requests in %s", short(over))
	case v.Requests < least && s.Phase == "":
		v.Value, v.Finding = float64(part)/float64(v.Requests), Clear
	case v.Requests < least:
		v.Value = float64(part) / float64(v.Requests)
		v.Finding, v.Says = Clear, fmt.Sprintf("%s in %s, fewer than the %d needed to judge", cli.Count(v.Requests, "request"), short(over), least)
	default:
		v.Value = float64(part) / float64(v.Requests)
		v.compare(t, s, func() string {
			return fmt.Sprintf("%s of %s in %s (%d)", percent(v.Value), cli.Count(v.Requests, "request"), short(over), part)
		}, percent)
	}
}

// BodyBlind compares the requests whose body could not be seen with all requests: the gateway logs
// none, or it cannot be decoded.
type BodyBlind struct {
	Over        time.Duration
	Levels      []level
	MinRequests uint64
}

type bodyBlindKeys struct {
	Over        string
	Levels      levelKeys `yaml:",inline"`
	MinRequests *uint64   `yaml:"min_requests"`
}

func (l *lint) bodyBlind(k bodyBlindKeys) BodyBlind {
	return BodyBlind{
		l.window("body_blind.over", k.Over), l.levels("body_blind", k.Levels, "the share of bodies above which the alert fires, such as 0.5", l.share),
		l.minRequests("body_blind.min_requests", k.MinRequests),
	}
}

func (b BodyBlind) windows() []time.Duration { return []time.Duration{b.Over} }
func (b BodyBlind) needs() needs             { return needs{requests: true, blind: true} }
func (b BodyBlind) levels() []level          { return b.Levels }

func (b BodyBlind) judge(n counts, at time.Time, t thresholds, s State) Verdict {
	from := at.Add(-b.Over)
	v := Verdict{Requests: n.requests.between(from, at)}
	v.share(n.blind.between(from, at), b.MinRequests, b.Over, t, s)
	v.Says = strings.Replace(v.Says, " of ", " of the bodies of ", 1)
	return v
}

// once is the threshold of conditions that have none: they hold or do not.
var once = []level{{}}

// decided returns a verdict without a threshold.
func decided(holds bool, value float64, says string, args ...any) Verdict {
	v := Verdict{Finding: Clear, Value: value, Says: fmt.Sprintf(says, args...)}
	if holds {
		v.Finding = Holds
	}
	return v
}

// NewCode holds for as long as a code that its tenant never met before is new. Nothing is new to a
// tenant whose traffic began less than Learn ago, nor in a topic that the same parser has not read
// for as long: a new gateway or a new parser finds many codes that others already know.
type NewCode struct {
	Over      time.Duration // how long a code is new
	Learn     time.Duration
	MinErrors uint64
}

type newCodeKeys struct {
	Over      string
	Learn     string
	MinErrors *uint64 `yaml:"min_errors"`
}

func (l *lint) newCode(k newCodeKeys) NewCode {
	n := NewCode{Over: l.minutes("new_code.over", k.Over, time.Hour), Learn: l.minutes("new_code.learn", k.Learn, 24*time.Hour), MinErrors: 1}
	if k.MinErrors != nil {
		n.MinErrors = max(1, *k.MinErrors)
	}
	return n
}

func (n NewCode) windows() []time.Duration { return []time.Duration{n.Over} }
func (n NewCode) needs() needs             { return needs{errors: true, sightings: n.Learn} }
func (n NewCode) levels() []level          { return once }

func (n NewCode) judge(c counts, at time.Time, _ thresholds, _ State) Verdict {
	from := at.Add(-n.Over)
	errors, young := c.errors.between(from, at), c.young.between(from, at)
	v := decided(errors >= n.MinErrors, float64(errors), "%s in %s, first seen %s", cli.Count(errors, "error"), short(n.Over), clock(c.firstSeen))
	v.Errors = errors
	switch {
	case c.firstSeen.Before(from) || errors+young == 0:
		v.Finding, v.Says = Clear, fmt.Sprintf("first seen %s, more than %s ago", clock(c.firstSeen), short(n.Over))
	case c.began.After(at.Add(-n.Learn)):
		v.Finding, v.Says = TooNew, fmt.Sprintf("the tenant was first seen less than %s ago", short(n.Learn))
	case errors == 0:
		v.Finding, v.Says = TooNew, fmt.Sprintf("the same parser has read the topic for less than %s", short(n.Learn))
	}
	return v
}

// Regressed holds while a code has errors again that was silent for long, or that someone has
// marked as fixed.
type Regressed struct {
	Over      time.Duration // how long it is back
	Silent    time.Duration // the least time without errors before
	MinErrors uint64
}

type regressedKeys struct {
	Over      string
	Silent    string
	MinErrors *uint64 `yaml:"min_errors"`
}

func (l *lint) regressed(k regressedKeys) Regressed {
	r := Regressed{Over: l.minutes("regressed.over", k.Over, time.Hour), Silent: l.window("regressed.silent", k.Silent), MinErrors: 1}
	if k.MinErrors != nil {
		r.MinErrors = max(1, *k.MinErrors)
	}
	if r.Silent <= r.Over {
		l.bad("regressed.silent", "give a time that is longer than over (%s), such as 14d", short(r.Over))
	}
	return r
}

func (r Regressed) windows() []time.Duration { return []time.Duration{r.Over + r.Silent, r.Over} }
func (r Regressed) needs() needs             { return needs{errors: true, silent: r.Silent} }
func (r Regressed) levels() []level          { return once }

func (r Regressed) judge(c counts, at time.Time, _ thresholds, s State) Verdict {
	back := at.Add(-r.Over)
	silent := back.Add(-r.Silent)
	errors := c.errors.between(back, at)
	v := Verdict{Finding: Clear, Value: float64(errors), Errors: errors}
	if errors >= r.MinErrors && c.errors.between(silent, back) == 0 && !c.firstSeen.IsZero() && c.firstSeen.Before(silent) {
		v.Finding, v.Says = Holds, fmt.Sprintf("%s in %s, after none in %s", cli.Count(errors, "error"), short(r.Over), short(r.Silent))
		return v
	}
	if fixed := c.fixed; !fixed.IsZero() && fixed.Before(at) {
		if fixed.Before(back) {
			fixed = back
		}
		if n := c.errors.between(fixed, at); n >= r.MinErrors {
			v = decided(true, float64(n), "%s in %s, although it was marked as fixed %s", cli.Count(n, "error"), short(r.Over), clock(c.fixed))
			v.Errors = n
			return v
		}
	}
	if s.Phase != "" {
		v.Says = fmt.Sprintf("%s in %s", cli.Count(errors, "error"), short(r.Over))
	}
	return v
}

// Flatline holds when a group that always had traffic, or errors, has next to none.
type Flatline struct {
	Of     string // "requests" or "errors"
	Over   time.Duration
	Below  uint64        // holds with fewer in Over; at least 1
	Usual  uint64        // the least number that nearly all windows before had
	Before time.Duration // how far back these windows go
	Forget time.Duration // how long it can stay silent until it counts as gone
}

type flatlineKeys struct {
	Of     string
	Over   string
	Below  *uint64
	Usual  *uint64
	Before string
	Forget string
}

func (l *lint) flatline(k flatlineKeys) Flatline {
	f := Flatline{
		Of: k.Of, Over: l.window("flatline.over", k.Over), Below: 1, Usual: 1,
		Before: l.minutes("flatline.before", k.Before, 24*time.Hour), Forget: l.minutes("flatline.forget", k.Forget, 7*24*time.Hour),
	}
	if k.Of != "requests" && k.Of != "errors" {
		l.bad("flatline.of", "%q: give what has to stop, requests or errors", k.Of)
	}
	if k.Below != nil {
		f.Below = max(1, *k.Below)
	}
	if f.Usual = f.Below; k.Usual != nil {
		f.Usual = *k.Usual
	}
	if f.Usual < f.Below {
		l.bad("flatline.usual", "%d is less than below, %d, so usual traffic would be a flatline: give more", f.Usual, f.Below)
	}
	if f.Before < 4*f.Over {
		l.bad("flatline.before", "%s is too short to know what is usual: give at least four times over, %s", short(f.Before), short(4*f.Over))
	}
	return f
}

func (f Flatline) levels() []level { return once }

// windows go as far back as a silence can be told from a group that never was.
func (f Flatline) windows() []time.Duration {
	all := []time.Duration{f.Before + f.Over}
	for n := f.Before / f.Over; n >= 1; n-- {
		all = append(all, n*f.Over+f.Over)
	}
	return slices.Compact(append(all, f.Over))
}

func (f Flatline) needs() needs {
	return needs{errors: f.Of == "errors", requests: f.Of == "requests", idle: true}
}

// quietWindows is the share of the windows before that may be quiet too: an outage of an hour must
// not hide the next one for a day.
const quietWindows = 0.05

func (f Flatline) judge(c counts, at time.Time, _ thresholds, s State) Verdict {
	of := c.requests
	if f.Of == "errors" {
		of = c.errors
	}
	n := of.between(at.Add(-f.Over), at)
	v := Verdict{Finding: Clear, Value: float64(n), Threshold: float64(f.Below)}
	if n >= f.Below && s.Phase == "" {
		return v
	}
	says := fmt.Sprintf("%s in %s", cli.Count(n, strings.TrimSuffix(f.Of, "s")), short(f.Over))
	v.Says = says
	switch {
	case n >= f.Below:
	case s.active() && at.Sub(s.Since) >= f.Forget:
		v.Says += fmt.Sprintf(", silent for %s: taken as gone", short(f.Forget))
	case s.active():
		v.Finding = Holds
	default:
		var before []uint64
		for end := at.Add(-f.Over); !end.Add(-f.Over).Before(at.Add(-f.Over - f.Before)); end = end.Add(-f.Over) {
			before = append(before, of.between(end.Add(-f.Over), end))
		}
		slices.Sort(before)
		if usual := before[int(quietWindows*float64(len(before)))]; usual >= f.Usual {
			v.Finding, v.Says = Holds, fmt.Sprintf("%s, usually at least %d", says, usual)
		}
	}
	return v
}

// BurnRate compares how fast the budget of errors of an objective is used up, over a long and a
// short window at once: the method of the SRE Workbook, chapter 5, with its windows and factors. A
// long window with few requests has no rate worth the name, so that the count of errors in it
// stands in.
type BurnRate struct {
	Objective   float64 // the share of requests without an error, such as 0.999
	MinRequests uint64  // in the long window
	Count       float64 // of errors in a long window with fewer requests, above which it holds
}

type burnRateKeys struct {
	Objective   *float64
	MinRequests *uint64 `yaml:"min_requests"`
	Count       *float64
}

// burnWindows are the windows of the SRE Workbook for a budget of 30 days. The first that holds
// counts. Level 0 is a warning, level 1 critical.
var burnWindows = []struct {
	level       int
	factor      float64
	long, short time.Duration
}{
	{1, 14.4, time.Hour, 5 * time.Minute},
	{1, 6, 6 * time.Hour, 30 * time.Minute},
	{0, 3, 24 * time.Hour, 2 * time.Hour},
	{0, 1, 72 * time.Hour, 6 * time.Hour},
}

func (l *lint) burnRate(k burnRateKeys) BurnRate {
	b := BurnRate{MinRequests: l.minRequests("burn_rate.min_requests", k.MinRequests), Objective: 0.999}
	switch {
	case k.Objective == nil:
		l.bad("burn_rate.objective", "no objective: give the share of requests without an error, such as 0.999")
	case *k.Objective <= 0 || *k.Objective >= 1:
		l.bad("burn_rate.objective", "%s is not an objective: give more than 0 and less than 1; 0.999 allows one error in 1000 requests", number(*k.Objective))
	case 14.4*(1-*k.Objective) >= 1:
		l.bad("burn_rate.objective", "%s allows so many errors that they cannot burn 14.4 times as fast: give more than 0.9306", number(*k.Objective))
	default:
		b.Objective = *k.Objective
	}
	if k.Count == nil {
		l.bad("burn_rate.count", "no count of errors for windows with fewer than min_requests: give the number above which the alert fires then")
		return b
	}
	l.notNegative("burn_rate.count", *k.Count)
	b.Count = *k.Count
	l.note("burn_rate.min_requests", "in a window with fewer than %d requests, the rule fires above %s instead of by the burn rate", b.MinRequests, cli.Count(uint64(max(0, b.Count)), "error"))
	return b
}

func (b BurnRate) needs() needs    { return needs{errors: true, requests: true} }
func (b BurnRate) levels() []level { return []level{{warning, 1}, {critical, 6}} }

func (b BurnRate) windows() (all []time.Duration) {
	for _, w := range burnWindows {
		all = append(all, w.long, w.short)
	}
	slices.SortFunc(all, func(a, b time.Duration) int { return int(b - a) })
	return all
}

func (b BurnRate) judge(c counts, at time.Time, _ thresholds, s State) Verdict {
	in := func(over time.Duration) (errors, requests uint64) {
		return c.errors.between(at.Add(-over), at), c.requests.between(at.Add(-over), at)
	}
	burn := func(errors, requests uint64) float64 {
		return float64(errors) / float64(max(1, requests)) / (1 - b.Objective)
	}
	var quiet Verdict
	for i, w := range burnWindows {
		errors, requests := in(w.long)
		v := Verdict{Level: w.level, Threshold: w.factor, Errors: errors, Requests: requests, Value: burn(errors, requests), Window: Window{Over: w.long}, Finding: Clear}
		holds := v.Value > w.factor && burn(in(w.short)) > w.factor
		says := func() string {
			return fmt.Sprintf("%s of %s in %s (%d) use up the budget %s times as fast as allowed", percent(float64(errors)/float64(max(1, requests))), cli.Count(requests, "request"), short(w.long), errors, digits(v.Value))
		}
		if requests < b.MinRequests {
			v.Value, v.Threshold = float64(errors), b.Count
			holds = v.Value > b.Count && c.errors.between(at.Add(-w.short), at) > 0
			says = func() string {
				return fmt.Sprintf("%s in %s, with fewer than %d requests", cli.Count(errors, "error"), short(w.long), b.MinRequests)
			}
		}
		switch {
		case holds:
			v.Finding, v.Says = Holds, fmt.Sprintf("%s, above %s", says(), number(v.Threshold))
			return v
		case requests == 0:
			v.Finding, v.Says = NoRequests, fmt.Sprintf("no requests in %s", short(w.long))
		case s.Phase != "":
			v.Says = fmt.Sprintf("%s, not above %s in both %s and %s", says(), number(v.Threshold), short(w.long), short(w.short))
		}
		if i == 0 {
			quiet = v
		}
		if quiet.Finding == NoRequests && v.Finding == Clear {
			quiet = v
		}
	}
	quiet.Level = 0
	return quiet
}

// Lag compares how far the watermark of the data is behind the clock.
type Lag struct{ Levels []level } // in seconds

// spanKeys are thresholds that are spans of time.
type spanKeys struct{ Above, Warning, Critical string }

func (l *lint) lag(k spanKeys) Lag {
	return Lag{l.spans("lag", k, "how far the watermark may be behind the clock, such as 15m", func(key string, value float64) {
		if value < time.Minute.Seconds() {
			l.bad(key, "the watermark is always some seconds behind: give 1m or more")
		}
	})}
}

// spans decodes the thresholds of a condition, in seconds.
func (l *lint) spans(condition string, k spanKeys, means string, check func(key string, value float64)) []level {
	var keys levelKeys
	for _, given := range []struct {
		name, text string
		into       **float64
	}{{"above", k.Above, &keys.Above}, {warning, k.Warning, &keys.Warning}, {critical, k.Critical, &keys.Critical}} {
		if given.text != "" {
			seconds := l.duration(condition+"."+given.name, given.text).Seconds()
			*given.into = &seconds
		}
	}
	return l.levels(condition, keys, means, check)
}

func (g Lag) windows() []time.Duration { return []time.Duration{0} }
func (g Lag) needs() needs             { return needs{clock: true} }
func (g Lag) levels() []level          { return g.Levels }

func (g Lag) judge(c counts, _ time.Time, t thresholds, s State) Verdict {
	v := Verdict{Value: c.lag.Seconds()}
	seconds := func(f float64) string { return short(time.Duration(f) * time.Second) }
	v.compare(t, s, func() string { return "the watermark is " + seconds(v.Value) + " behind the clock" }, seconds)
	return v
}

// OutOf holds when another condition holds in some of several windows that follow one another.
type OutOf struct {
	Condition
	hold, outOf int
}

func (o OutOf) windows() (all []time.Duration) {
	over := o.Condition.windows()[0]
	for i := o.outOf; i >= 1; i-- {
		all = append(all, time.Duration(i)*over)
	}
	return all
}

func (o OutOf) judge(c counts, at time.Time, t thresholds, s State) Verdict {
	over, held := o.Condition.windows()[0], make([]int, len(t.levels))
	s.Phase = cmp.Or(s.Phase, Inactive) // what the latest window says may be of use
	latest := o.Condition.judge(c, at, t, s)
	for i := range o.outOf {
		v := o.Condition.judge(c, at.Add(-time.Duration(i)*over), t, s)
		for level := 0; v.Finding == Holds && level <= v.Level; level++ {
			held[level]++
		}
	}
	if latest.Finding == NoRequests {
		return latest
	}
	latest.Finding = Clear
	for level, n := range held {
		if n >= o.hold {
			latest.Finding, latest.Level, latest.Threshold = Holds, level, t.levels[level].above
		}
	}
	latest.Says += fmt.Sprintf("; %d of the last %d windows hold, %d needed", held[0], o.outOf, o.hold)
	return latest
}
