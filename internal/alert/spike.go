package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"errata/internal/cli"
	"errata/internal/spike"
)

// Spike compares the errors of several windows with what is usual at that hour of the week. Package
// spike has the test.
type Spike struct {
	Windows      []time.Duration // the shortest first
	PagesPerWeek float64         // how often the rule may fire a week when nothing is wrong
	Floor        float64         // with fewer errors it does not fire
	Factor       float64         // below so many times the mean it does not fire
	PerRequest   bool            // errors are compared with requests, not with time
	Zone         *time.Location  // of the hour of the week and of the holidays
	Holidays     []string        // local dates that say nothing of other weeks
}

type spikeKeys struct {
	Windows      []string
	PagesPerWeek *float64 `yaml:"pages_per_week"`
	Floor        *float64
	Factor       *float64
	PerRequest   *bool `yaml:"per_request"`
	Timezone     string
	Holidays     []string
}

func (l *lint) spike(k spikeKeys) Spike {
	s := Spike{
		Windows:      []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour},
		PagesPerWeek: l.atLeast("spike.pages_per_week", k.PagesPerWeek, 1, 0.001),
		Floor:        l.atLeast("spike.floor", k.Floor, 10, 1),
		Factor:       l.atLeast("spike.factor", k.Factor, 2, 1),
		PerRequest:   k.PerRequest == nil || *k.PerRequest,
		Zone:         time.UTC,
	}
	if len(k.Windows) > 0 {
		s.Windows = l.spikeWindows(k.Windows)
	}
	if zone, err := time.LoadLocation(k.Timezone); err == nil && k.Timezone != "Local" {
		s.Zone = zone
	} else {
		l.bad("spike.timezone", "%q is not a time zone: give its name in the IANA database, such as Europe/Berlin", k.Timezone)
	}
	for i, date := range k.Holidays {
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			l.bad(fmt.Sprintf("spike.holidays[%d]", i), "%q is not a date: write it like 2026-12-25", date)
			continue
		}
		s.Holidays = append(s.Holidays, date)
	}
	return s
}

func (l *lint) spikeWindows(texts []string) (windows []time.Duration) {
	for i, text := range texts {
		key := fmt.Sprintf("spike.windows[%d]", i)
		before := len(l.problems)
		window := l.window(key, text)
		if len(l.problems) > before {
			continue
		}
		if window%spike.Step != 0 {
			l.bad(key, "%q: what is usual is known for every five minutes, so give a multiple of 5m", text)
		}
		if slices.Contains(windows, window) {
			l.bad(key, "%q is listed twice: remove one", text)
		}
		windows = append(windows, window)
	}
	slices.Sort(windows)
	return windows
}

// atLeast returns a number that may be left out.
func (l *lint) atLeast(key string, given *float64, otherwise, least float64) float64 {
	if given == nil {
		return otherwise
	}
	if !(*given >= least) {
		l.bad(key, "%s is too little: give %s or more", number(*given), number(least))
	}
	return *given
}

func (s Spike) window() time.Duration { return s.Windows[len(s.Windows)-1] }
func (s Spike) levels() []level       { return once }

func (s Spike) windows() []time.Duration {
	all := slices.Clone(s.Windows)
	slices.Reverse(all)
	return all
}

func (s Spike) needs() needs {
	return needs{errors: true, requests: true, least: uint64(math.Ceil(s.Floor)), usual: &reference{s.Windows, s.PerRequest, s.Zone, s.Holidays}}
}

// Window is one of the windows of a condition that looks at several, with what is usual for it.
type Window struct {
	Over             time.Duration
	Errors, Requests uint64
	Exposure         float64        // in the unit of the baseline's
	Usual            spike.Baseline // of a firing alert: as it was when it fired
	Present          spike.Baseline // of a firing alert: at this hour, from the same weeks
	Alpha            float64
}

func (w Window) p() float64 { return w.Usual.P(float64(w.Errors), w.Exposure) }

// says reads "412 errors in 30m, usually 20 to 60 (p = 3e-9)".
func (w Window) says() string {
	low, high := w.Usual.Range(w.Exposure)
	usually := fmt.Sprintf("%d to %d", low, high)
	if low == high {
		usually = fmt.Sprint(low)
	}
	return fmt.Sprintf("%s in %s, usually %s (p = %.0e)", cli.Count(w.Errors, "error"), short(w.Over), usually, w.p())
}

// recovers reports whether the errors are usual again: beside those of when the alert fired, or
// beside those of the present hour, where more are usual.
func (w Window) recovers() bool {
	return spike.Recovers(w.Usual, float64(w.Errors), w.Exposure) ||
		!w.Present.Learning && w.Present.Exposure > 0 && spike.Recovers(w.Present, float64(w.Errors), w.Exposure)
}

// frozenSpike is the State.Frozen of a firing alert: the baselines of the windows up to the one
// that fired, by their length.
type frozenSpike map[string]spike.Baseline

// measured is what was counted for one group at one evaluation.
type measured struct {
	errors, requests uint64 // in the longest window
	windows          []Window
}

// measure looks up what is usual only for windows in which the alert could fire, because that costs
// most. The windows of a firing alert are those that are frozen. They are appended to windows.
func (s Spike) measure(windows []Window, n counts, at time.Time, state State) measured {
	start := at.Add(-s.window())
	m := measured{errors: n.errors.between(start, at), windows: windows}
	few := m.errors == 0 || float64(m.errors) < s.Floor // and no shorter window has more
	if state.Phase != "" || !few {
		m.requests = n.requests.between(start, at)
	}
	if n.past == nil || few && state.Frozen == "" {
		return m
	}
	var frozen frozenSpike
	if state.Frozen != "" {
		if err := json.Unmarshal([]byte(state.Frozen), &frozen); err != nil {
			frozen = nil // written by another version: judge by what is usual now
		}
	}
	for i, over := range s.Windows {
		w := Window{Over: over, Alpha: n.past.all.alpha(s.PagesPerWeek)}
		from, isFrozen := at.Add(-over), false
		if len(frozen) > 0 {
			if w.Usual, isFrozen = frozen[short(over)]; !isFrozen {
				continue
			}
		} else {
			from = n.past.after(from, at)
		}
		w.Errors = n.errors.between(from, at)
		if !isFrozen && float64(w.Errors) < s.Floor {
			continue
		}
		w.Requests = n.requests.between(from, at)
		w.Exposure = float64(at.Sub(from)) / float64(over)
		if s.PerRequest {
			w.Exposure = float64(w.Requests)
		}
		if w.Present = n.past.baseline(at, i); !isFrozen {
			w.Usual = w.Present
		}
		m.windows = append(m.windows, w)
	}
	return m
}

func (s Spike) test(w Window) spike.Test {
	return spike.Test{Alpha: w.Alpha, Floor: s.Floor, Factor: s.Factor}
}

func (s Spike) judge(n counts, at time.Time, _ thresholds, state State) Verdict {
	var few [4]Window // to append to without an allocation
	m := s.measure(few[:0], n, at, state)
	if state.active() {
		return s.judgeFiring(m)
	}
	v := Verdict{Finding: Clear, Errors: m.errors, Requests: m.requests, Value: float64(m.errors)}
	for _, w := range m.windows {
		if s.test(w).Fires(w.Usual, float64(w.Errors), w.Exposure) {
			v.decided(w)
			v.Finding, v.Frozen, v.Says = Holds, frozen(m.windows, w.Over), w.says()
			v.Threshold = float64(s.test(w).Threshold(w.Usual, w.Exposure))
			return v
		}
	}
	switch n := len(m.windows); {
	case state.Phase == "": // it stays inactive, and no one asks why
	case n > 0:
		v.decided(m.windows[n-1])
	default:
		v.Says = fmt.Sprintf("%s in %s, as usual", cli.Count(m.errors, "error"), short(s.window()))
	}
	if len(m.windows) > 0 && !slices.ContainsFunc(m.windows, func(w Window) bool { return !w.Usual.Learning }) {
		v.Finding, v.Says = TooNew, fmt.Sprintf("%s in %s, and too few weeks are known to say what is usual", cli.Count(m.errors, "error"), short(s.window()))
	}
	return v
}

// judgeFiring keeps the alert active while any of its windows is not usual again.
func (s Spike) judgeFiring(m measured) Verdict {
	v := Verdict{Finding: Clear, Errors: m.errors, Requests: m.requests, Value: float64(m.errors), Says: "nothing is known of what was usual when it fired"}
	for _, w := range m.windows {
		v.decided(w)
		if !w.recovers() {
			v.Finding = Holds
			return v
		}
	}
	return v
}

// decided takes over the window that decided. It words what costs little, because it runs at every
// evaluation.
func (v *Verdict) decided(w Window) {
	v.Value, v.Window = float64(w.Errors), w
	if w.Usual.Exposure <= 0 {
		v.Says = fmt.Sprintf("%s in %s, and nothing is known of what is usual", cli.Count(w.Errors, "error"), short(w.Over))
		return
	}
	mean := w.Usual.Mean(w.Exposure)
	v.Threshold = spike.RecoveryFactor * mean
	v.Says = fmt.Sprintf("%s in %s, usually about %s", cli.Count(w.Errors, "error"), short(w.Over), digits(mean))
}

// frozen writes the baselines of the windows up to the one that fired. Longer windows hold the same
// errors for longer than they last, so they would keep the alert firing.
func frozen(windows []Window, fired time.Duration) string {
	keep := frozenSpike{}
	for _, w := range windows {
		if w.Over <= fired && !w.Usual.Learning {
			keep[short(w.Over)] = w.Usual
		}
	}
	text, err := json.Marshal(keep)
	if err != nil {
		panic(err) // finite numbers alone
	}
	return strings.TrimSpace(string(text))
}
