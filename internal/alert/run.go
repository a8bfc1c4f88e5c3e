package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/link"
	"errata/internal/notify"
	"errata/internal/store"
)

// Config says how rules are run.
type Config struct {
	File    string // of the rules, as it is remembered: an absolute path
	Groups  []Group
	Since   cli.Time // where a rule begins that has never been evaluated; a span counts back from the watermark
	Metrics *Metrics // nil: none
	// TopCodes is how many codes of tenants Metrics shows, at most.
	TopCodes int
}

// Runner evaluates rules as the data comes in, and notifies of transitions. It belongs to one
// goroutine.
type Runner struct {
	Config
	Store    *store.Store
	Catalogs *catalog.Set
	Notifier *notify.Notifier
	Print    func(store.AlertTransition) error // gets every transition after it is recorded
	Dry      bool                              // nothing is recorded; the Notifier is to be notify.NewDry
	Log      *slog.Logger
	Now      func() time.Time // the clock; nil: time.Now

	evaluator *evaluator
	outage    *outage // nil: ClickHouse can be reached
	waiting   string  // why there is nothing to evaluate, as the log says
	retry     *backoff.ExponentialBackOff

	topCodesAt time.Time // when they were counted last
	trouble    atomic.Pointer[string]
}

// Ready returns why no rule can be evaluated, nil if rules are evaluated or another process may do
// so. It may be called from any goroutine.
func (r *Runner) Ready() error {
	if reason := r.trouble.Load(); reason != nil {
		return errors.New("no rule is evaluated: " + *reason)
	}
	return nil
}

// failing shows why no rule can be evaluated; nil: none need be, or all are.
func (r *Runner) failing(reason error) {
	r.Metrics.failing(reason != nil)
	if reason == nil {
		r.trouble.Store(nil)
		return
	}
	text := reason.Error()
	r.trouble.Store(&text)
}

const (
	poll         = 5 * time.Second // between looks at the watermark
	longestPause = time.Minute     // between tries while evaluation fails
)

// Run evaluates until the context ends. Once it has started, no failure of ClickHouse or of a
// target ends it. If the Notifier has a fence, Run waits for it, and waits again when another
// process has taken it over.
func (r *Runner) Run(ctx context.Context) error {
	r.awaitFence(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	r.retry = &backoff.ExponentialBackOff{InitialInterval: poll, Multiplier: 2, MaxInterval: longestPause}
	for ctx.Err() == nil {
		pause, err := r.turn(ctx)
		if err != nil {
			return err
		}
		sleep(ctx, pause)
	}
	return nil
}

// turn evaluates up to the watermark, or by one span, and sends what is due. It returns the pause
// until the next turn. Its errors end the run.
func (r *Runner) turn(ctx context.Context) (pause time.Duration, err error) {
	if err := r.Notifier.MaySend(ctx); err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("stopped evaluating, because another process may do so", "reason", err)
			r.takeOver(ctx)
		}
		return 0, nil
	}
	pause = poll
	more, err := r.catchUp(ctx)
	var none noWatermark
	var unprinted printError
	switch {
	case err == nil:
		r.waiting = ""
		r.retry.Reset()
		err = r.endOutage(ctx)
	case errors.As(err, &none):
		if r.waiting != err.Error() {
			r.waiting = err.Error()
			r.Log.Info("waiting for data", "reason", r.waiting)
		}
		err = r.endOutage(ctx)
	case errors.As(err, &unprinted):
		return 0, err
	case ctx.Err() == nil:
		pause = r.retry.NextBackOff()
		r.Log.Warn("failed to evaluate the rules", "retry_in", pause, "error", err)
		r.suffer(ctx, err)
		err = nil
	default:
		err = nil
	}
	if err != nil {
		return 0, err
	}
	r.send(ctx)
	if more {
		return 0, nil
	}
	return pause, nil
}

// send gives every target its turn. In an outage that takes no longer than the time after which
// Alertmanagers are told again.
func (r *Runner) send(ctx context.Context) {
	whole := ctx
	if r.outage != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, longestPause)
		defer cancel()
	}
	if _, err := r.Notifier.Send(ctx); err != nil && whole.Err() == nil {
		r.Log.Warn("failed to notify", "error", err)
	}
}

// Once evaluates up to the watermark and notifies. If a target stays in trouble, its notifications
// stay queued for the next run, and the error is link.ErrUnreachable.
func (r *Runner) Once(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, fencePatience)
	defer cancel()
	reason := r.awaitFence(waiting)
	switch {
	case waiting.Err() == nil:
	case errors.Is(reason, link.ErrUnreachable):
		return reason
	default:
		r.Log.Info("did nothing, because another process evaluates the rules")
		return nil
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = r.catchUp(ctx); err != nil {
			return err
		}
	}
	return r.Notifier.Flush(ctx)
}

const (
	// fencePoll is the time between looks at the fence while another process holds it.
	fencePoll = 500 * time.Millisecond
	// fencePatience is how long Once waits for the fence, which is longer than joining its group
	// takes.
	fencePatience = 15 * time.Second
)

// awaitFence returns when this process holds the fence, or when the context has ended, and then why
// it does not hold it.
func (r *Runner) awaitFence(ctx context.Context) (reason error) {
	nobody := false // can say who holds it
	for ctx.Err() == nil {
		err := r.Notifier.MaySend(ctx)
		if err == nil {
			if nobody {
				r.failing(nil)
			}
			return nil
		}
		if away := errors.Is(err, link.ErrUnreachable); ctx.Err() == nil && (reason == nil || away != nobody) {
			if nobody = away; away {
				r.failing(err)
				r.Log.Error("no rule is evaluated until the fence can be held", "reason", err)
			} else {
				r.failing(nil)
				r.Log.Info("waiting for the fence", "reason", err)
			}
		}
		if !nobody {
			r.handOver(ctx)
		}
		if ctx.Err() == nil {
			reason = err
		}
		sleep(ctx, fencePoll)
	}
	return reason
}

// takeOver waits for the fence and goes on from what the process that held it has recorded.
func (r *Runner) takeOver(ctx context.Context) {
	retry := backoff.ExponentialBackOff{InitialInterval: time.Second, Multiplier: 2, MaxInterval: longestPause}
	r.Notifier.Reset()
	if r.outage != nil && r.outage.told == nil {
		r.outage = nil
	}
	r.failing(nil)
	r.Metrics.topCodes(nil)
	for ctx.Err() == nil {
		r.awaitFence(ctx)
		err := r.start(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		pause := retry.NextBackOff()
		r.Log.Warn("failed to take over from another process", "retry_in", pause, "error", err)
		r.suffer(ctx, err)
		sleep(ctx, pause)
	}
}

// start resumes from the states of an earlier process. It queues the notifications of firing alerts
// again, which reaches targets that are new.
func (r *Runner) start(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	r.evaluator = newEvaluator(r.Config, newStored(r.Store), r.Catalogs, r.Log)
	r.evaluator.ping = r.Store.Ping
	if err := r.resume(ctx); err != nil {
		return err
	}
	r.announce()
	if err := r.Notifier.Enqueue(ctx, messages(r.evaluator.told()...)...); err != nil {
		return err
	}
	r.escalate()
	return nil
}

// announce logs what is evaluated, from when, and who is told.
func (r *Runner) announce() {
	rules, unevaluated, from := 0, 0, time.Time{}
	for rule := range r.evaluator.rules() {
		rules++
		switch at := r.evaluator.standing[rule.Name].evaluated; {
		case at.IsZero():
			unevaluated++
		case from.IsZero() || at.Before(from):
			from = at
		}
	}
	facts := []any{"file", r.File, "groups", len(r.Groups), "rules", rules}
	if unevaluated < rules {
		facts = append(facts, "from", from.UTC().Format(time.RFC3339))
	}
	if unevaluated > 0 {
		facts = append(facts, "never_evaluated", unevaluated, "those_learn_since", r.Since.String())
	}
	tells := r.Notifier.Targets()
	if len(tells) == 0 {
		tells = []string{"no one: the notify section of the configuration names no target"}
	}
	r.Log.Info("evaluating alert rules", append(facts, "tells", strings.Join(tells, ", "))...)
}

// noWatermark is the error that nothing can be evaluated yet.
type noWatermark struct{ missing string } // partitions

func (n noWatermark) Error() string {
	if n.missing != "" {
		return fmt.Sprintf("the partitions %s have batches but no watermark yet: is `ingest run` running?", n.missing)
	}
	return "no partition has a watermark yet: is `ingest run` running?"
}

// catchUp evaluates each rule up to the watermark, or by one span. The result reports whether some
// are not there yet.
func (r *Runner) catchUp(ctx context.Context) (more bool, err error) {
	watermark, missing, err := r.Store.DataWatermark(ctx)
	switch {
	case err != nil:
		return false, err
	case watermark.IsZero():
		return false, noWatermark{missing}
	}
	now := r.Now()
	r.Metrics.data(watermark, now)
	r.showTopCodes(ctx, watermark)
	outcomes, more, err := r.evaluator.round(ctx, watermark, now)
	if err != nil || len(outcomes) == 0 {
		return false, err
	}
	for _, o := range outcomes {
		if was := r.evaluator.standing[o.rule.Name]; o.failed != was.failed {
			r.logFailure(o)
		}
	}
	return more, r.record(ctx, outcomes)
}

// logFailure logs that a rule's query fails, or that it works again.
func (r *Runner) logFailure(o *outcome) {
	if o.failed == "" {
		r.Log.Info("a rule is evaluated again", "rule", o.rule.Name)
		return
	}
	r.Log.Warn("failed to evaluate a rule; the others go on", "rule", o.rule.Name, "error", o.failed)
}

// printError is the error that a transition could not be printed.
type printError struct{ error }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (r *Runner) print(t store.AlertTransition) error {
	if err := r.Print(t); err != nil {
		return printError{fmt.Errorf("print a transition: %w", err)}
	}
	return nil
}
