package alert

import "time"

// Watchdog always holds. Whoever waits for its alert learns from its absence that the evaluator
// does not run, or that its notifications do not arrive.
type Watchdog struct{}

func (Watchdog) windows() []time.Duration { return []time.Duration{0} }
func (Watchdog) needs() needs             { return needs{clock: true} }
func (Watchdog) levels() []level          { return once }

func (Watchdog) judge(counts, time.Time, thresholds, State) Verdict {
	return decided(true, 1, "the evaluator runs")
}
