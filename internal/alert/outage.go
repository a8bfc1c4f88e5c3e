package alert

import (
	"context"
	"fmt"
	"strings"
	"time"

	"errata/internal/cli"
	"errata/internal/notify"
	"errata/internal/store"
)

// outage is a time in which no rule can be evaluated, because ClickHouse cannot be read or written.
// Neither states nor the queue can be reached then, so RuleFailing is told from memory.
type outage struct {
	since  time.Time // by the clock
	ends   time.Time // zero: it goes on
	notice Notification
	told   *notify.Direct // notice on its way; nil: it is too early
	handed time.Time      // when its end was last given to the process that holds the fence
}

// outageAfter is how long an outage lasts before anyone is told. A restart of ClickHouse takes
// less.
const outageAfter = 2 * time.Minute

// allRules is the value of RuleFailing's label in an outage.
const allRules = "(all)"

// suffer takes note that nothing could be evaluated. After a while it tells people, and goes on
// until all targets have taken it.
func (r *Runner) suffer(ctx context.Context, cause error) {
	now := r.Now()
	if r.outage == nil {
		r.outage = &outage{since: now}
		r.Metrics.topCodes(nil)
	}
	r.failing(cause)
	o := r.outage
	if o.told == nil && now.Sub(o.since) >= outageAfter {
		reason := fmt.Sprintf("no rule is evaluated, for %s: %s", short(now.Sub(o.since).Truncate(time.Second)), cause)
		o.notice = failingNotice(now, reason)
		r.Log.Error("no rule can be evaluated: notifying without ClickHouse", "alert", ruleFailing.Name, "since", o.since.UTC().Format(time.RFC3339), "error", cause)
		o.told = r.Notifier.Direct(o.notice.message())
	}
	if err := r.Notifier.SendUnqueued(ctx); err != nil && ctx.Err() == nil {
		r.Log.Warn("failed to notify", "error", err)
	}
	if o.told == nil {
		return
	}
	if err := o.told.Send(ctx); err != nil && ctx.Err() == nil {
		r.Log.Warn("failed to notify", "error", err)
	}
}

// handOver ends an outage that this process has told, while another process holds the fence. The
// other one evaluates the rules, and sends what is queued here. Only this process knows whom it has
// told. It is to be called again and again.
func (r *Runner) handOver(ctx context.Context) {
	if r.outage == nil || r.Now().Sub(r.outage.handed) < longestPause {
		return
	}
	r.outage.handed = r.Now()
	if err := r.endOutage(ctx); err != nil {
		r.Log.Warn("failed to print the end of an outage", "error", err)
	}
}

// failingNotice returns the notification that no rule is evaluated.
func failingNotice(now time.Time, reason string) Notification {
	keys := []string{allRules}
	return Notification{
		ID: id(ruleFailing.fingerprint(keys), now, Firing), Status: Firing, Alert: ruleFailing.Name, Labels: ruleFailing.labels(keys, 0),
		Reason: reason, Summary: ruleFailing.Name + ": " + reason, StartsAt: cli.Timestamp{Time: now},
		Codes: []CodeCount{}, RequestIDs: []string{}, Why: []string{}, Annotations: map[string]string{},
	}
}

// endOutage records an outage that is over, and queues the notification of its end. If ClickHouse
// fails again, it is to be called after the next evaluation. Its errors are those of printing.
func (r *Runner) endOutage(ctx context.Context) error {
	o := r.outage
	if o == nil {
		return nil
	}
	r.failing(nil)
	if o.ends.IsZero() { // what is written again has to be the same
		o.ends = r.Now()
	}
	facts := []any{"after", o.ends.Sub(o.since)}
	if o.told == nil {
		r.Log.Info("the rules are evaluated again", facts...)
		r.outage = nil
		return nil
	}
	end := step{at: o.ends, change: Change{From: Firing, To: Resolved, Reason: "the rules are evaluated again"}}
	over := o.notice.resolved(end)
	transitions := []store.AlertTransition{
		{At: o.notice.StartsAt.Time, From: Inactive, To: Firing, Reason: o.notice.Reason},
		{At: o.ends, From: Firing, To: Resolved, Reason: over.Reason},
	}
	for i := range transitions {
		transitions[i].Rule, transitions[i].Fingerprint, transitions[i].Labels = ruleFailing.Name, o.notice.fingerprint(), o.notice.Labels
	}
	var err error
	if !r.Dry {
		err = r.Store.RecordAlerts(ctx, transitions, nil, nil)
	}
	if err == nil {
		err = o.told.End(ctx, over.message(), over.past().message())
	}
	if err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("failed to record that no rule was evaluated", "error", err)
		}
		return nil
	}
	r.outage = nil
	r.Log.Info("the rules are evaluated again", append(facts, "told", strings.Join(o.told.Taken(), ", "))...)
	for _, t := range transitions {
		if err := r.print(t); err != nil {
			return err
		}
	}
	return nil
}
