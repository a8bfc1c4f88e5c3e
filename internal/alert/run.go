package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/link"
	"errata/internal/store"
)

// Config says how rules are run.
type Config struct {
	Groups       []Group
	Since        time.Duration // where a rule begins that has never been evaluated: so long before the watermark
	Webhook      string        // a URL; "": nobody is told
	Alertmanager string        // the URL of its root; "": it is not told
}

// Runner evaluates rules as the data comes in, and tells of what changes. It is one goroutine's.
type Runner struct {
	Config
	Store    *store.Store
	Catalogs *catalog.Set
	Print    func(store.AlertTransition) error // is given every transition when it is recorded
	Log      *slog.Logger

	now          func() time.Time // the clock on the wall, for deliveries alone
	standing     map[string]standing
	targets      []*target
	alertmanager *alertmanager
}

// New makes a Runner. Its errors are about the addresses in the Config.
func New(cfg Config, s *store.Store, c *catalog.Set, show func(store.AlertTransition) error, log *slog.Logger) (*Runner, error) {
	r := &Runner{Config: cfg, Store: s, Catalogs: c, Print: show, Log: log, now: time.Now}
	if cfg.Webhook != "" {
		to, err := address("--webhook", cfg.Webhook)
		if err != nil {
			return nil, err
		}
		r.targets = append(r.targets, &target{name: "webhook", send: func(ctx context.Context, body string) error { return post(ctx, to.String(), body) }})
	}
	if cfg.Alertmanager != "" {
		to, err := address("--alertmanager", cfg.Alertmanager)
		if err != nil {
			return nil, err
		}
		const path = "/api/v2/alerts"
		if !strings.HasSuffix(to.Path, path) {
			to = to.JoinPath(path)
		}
		r.alertmanager = &alertmanager{url: to.String(), dirty: true}
	}
	return r, nil
}

func address(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s is no address: give one like http://host:port/path", flag)
	}
	return u, nil
}

const (
	poll      = 5 * time.Second  // how often we look whether the watermark has moved
	lastTries = 30 * time.Second // how long Once waits for targets that do not answer
)

// Run evaluates until the context ends. Once it has begun, no failure of ClickHouse or of a target ends it.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	var waiting string
	var pause time.Duration
	for ctx.Err() == nil {
		more, err := r.catchUp(ctx)
		var none noWatermark
		var unprinted printError
		switch {
		case err == nil:
			waiting, pause = "", poll
		case errors.As(err, &none):
			if pause = poll; waiting != err.Error() {
				waiting = err.Error()
				r.Log.Info("waiting for data", "reason", waiting)
			}
		case errors.As(err, &unprinted):
			return err
		case ctx.Err() == nil:
			pause = min(max(2*pause, poll), longestPause)
			r.Log.Warn("cannot evaluate, trying again", "in", pause, "error", err)
		}
		if _, err := r.notify(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("cannot notify", "error", err)
		}
		if !more {
			sleep(ctx, pause)
		}
	}
	return nil
}

// Once evaluates up to the watermark and notifies. Where a target does not answer, its notifications stay
// queued for the next run, and the error is link.ErrUnreachable.
func (r *Runner) Once(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = r.catchUp(ctx); err != nil {
			return err
		}
	}
	for began, last := r.now(), error(nil); ; {
		left, err := r.notify(ctx)
		if err != nil {
			last = err
			r.Log.Warn("cannot notify", "error", err)
		}
		switch {
		case !left || ctx.Err() != nil:
			return ctx.Err()
		case r.now().Sub(began) > lastTries && last != nil:
			return link.Unreachable("not everybody could be told, the rest stays queued for the next run: %v", last)
		}
		if err != nil || last != nil {
			sleep(ctx, firstPause)
		}
	}
}

func (r *Runner) start(ctx context.Context) error {
	if err := r.resume(ctx); err != nil {
		return err
	}
	return r.queueFiring(ctx)
}

// noWatermark says that nothing can be evaluated yet.
type noWatermark struct{ missing string }

func (n noWatermark) Error() string {
	if n.missing != "" {
		return fmt.Sprintf("the partitions %s have batches but no watermark yet: is `ingest run` running?", n.missing)
	}
	return "no partition has a watermark yet: is `ingest run` running?"
}

// catchUp evaluates each rule up to the watermark. more tells that it is a long way, and not all of it is done.
func (r *Runner) catchUp(ctx context.Context) (more bool, err error) {
	watermark, missing, err := r.Store.DataWatermark(ctx)
	switch {
	case err != nil:
		return false, err
	case watermark.IsZero():
		return false, noWatermark{missing}
	}
	var outcomes []*outcome
	for g := range r.Groups {
		for i := range r.Groups[g].Rules {
			o, err := r.evaluate(ctx, &r.Groups[g], &r.Groups[g].Rules[i], watermark)
			if err != nil {
				return false, err
			}
			if o != nil {
				outcomes = append(outcomes, o)
				more = more || o.standing.evaluated.Before(watermark.Truncate(r.Groups[g].Interval))
			}
		}
	}
	if len(outcomes) == 0 {
		return false, nil
	}
	return more, r.record(ctx, outcomes)
}

// notify gives every target its turn. left tells that some have not heard all.
func (r *Runner) notify(ctx context.Context) (left bool, err error) {
	for _, t := range r.targets {
		more, problem := r.deliver(ctx, t)
		left, err = left || more, errors.Join(err, problem)
	}
	if r.alertmanager != nil {
		more, problem := r.tell(ctx, r.alertmanager)
		left, err = left || more, errors.Join(err, problem)
	}
	return left, err
}

// printError says that nobody reads what we print.
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
