package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"errata/internal/link"
	"errata/internal/notify"
)

// fenced makes a Runner with a fence.
func fenced(t *testing.T, fence func() error) (r *Runner, log *bytes.Buffer, failing func() float64) {
	log = &bytes.Buffer{}
	registry := prometheus.NewRegistry()
	r = &Runner{Log: slog.New(slog.NewTextHandler(log, nil)), Notifier: notify.New(notify.Config{}, nil, slog.New(slog.DiscardHandler))}
	r.Metrics = NewMetrics(registry)
	r.Notifier.Fence = func(context.Context) error { return fence() }
	return r, log, func() float64 { return gauge(t, registry, "errata_alert_evaluation_failing") }
}

// While no broker can say who holds the fence, the log and the metric say that no rule is
// evaluated. That another process holds it is no fault.
func TestFenceOfWhichNobodyKnowsIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other, nobody := errors.New("another process holds it"), link.Unreachable("no broker can say who holds it")
		var seen []float64 // the metric, before each question
		answers := []error{other, other, nobody, nobody, other, nobody, nil}
		var failing func() float64
		r, log, metric := fenced(t, func() error {
			seen = append(seen, failing())
			return answers[len(seen)-1]
		})
		failing = metric
		if err := r.awaitFence(t.Context()); err != nil {
			t.Error(err)
		}
		if got := append(seen, failing()); !slices.Equal(got, []float64{0, 0, 0, 1, 1, 0, 1, 0}) {
			t.Errorf("failing: %v", got)
		}
		var levels []string
		for line := range strings.Lines(log.String()) {
			level, _, _ := strings.Cut(line[strings.Index(line, "level="):], " ")
			levels = append(levels, level)
		}
		if got := strings.Join(levels, " "); got != "level=INFO level=ERROR level=INFO level=ERROR" {
			t.Errorf("%s:\n%s", got, log)
		}
	})
}

// Once must not take a fence of which nobody knows for one that another process holds.
func TestOnceWithoutBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := fmt.Errorf("fenced: %w", link.Unreachable("no broker can say who holds it"))
		r, _, _ := fenced(t, func() error { return held })
		if err := r.Once(t.Context()); !errors.Is(err, link.ErrUnreachable) {
			t.Error(err)
		}
		held = errors.New("another process holds it")
		if err := r.Once(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Who stands by evaluates nothing by design: an outage that it had is over for the metric.
func TestTakenOverInAnOutage(t *testing.T) {
	held := errors.New("another process holds it")
	r, _, failing := fenced(t, func() error { return held })
	r.outage = &outage{}
	r.Metrics.failing(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r.takeOver(ctx); failing() != 0 {
		t.Errorf("failing %g", failing())
	}
}
