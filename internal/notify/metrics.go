package notify

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"errata/internal/store"
)

// Metrics says what receivers are sent, and what not yet. The zero value of a pointer counts
// nothing. The targets of notify.webhook and notify.alertmanager are receivers of these names.
type Metrics struct {
	queued   *prometheus.GaugeVec
	waiting  *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	attempts *prometheus.CounterVec
}

// failed is the outcome of an attempt after which the message is tried again.
const failed = "failed"

// NewMetrics registers the metrics of a Notifier.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "errata", Name: name, Help: help}, []string{"receiver"})
	}
	m := &Metrics{
		queued:   gauge("notifications_queued", "Messages that a receiver has not taken yet."),
		waiting:  gauge("notifications_waiting", "Events of alerts that no message to a receiver carries yet."),
		oldest:   gauge("notifications_oldest_timestamp_seconds", "When the oldest message in the queue of a receiver was queued. There is no value while the queue is empty."),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "errata", Name: "notifications_total", Help: "Messages that were sent to a receiver or dropped, and tries that failed, by outcome."}, []string{"receiver", "outcome"}),
	}
	registry.MustRegister(m.queued, m.waiting, m.oldest, m.attempts)
	return m
}

// Watch makes the Notifier count in metrics.
func (n *Notifier) Watch(m *Metrics) {
	n.metrics = m
	for _, t := range n.targets {
		for _, outcome := range []string{store.Sent, failed, store.Refused, store.Expired} {
			m.attempts.WithLabelValues(t.name, outcome)
		}
	}
	for _, am := range n.alertmanagers {
		for _, outcome := range []string{store.Sent, failed} {
			m.attempts.WithLabelValues(am.name, outcome)
		}
	}
}

// attempted counts an attempt, by its outcome: "" if it failed.
func (m *Metrics) attempted(receiver, outcome string) {
	if m != nil {
		m.attempts.WithLabelValues(receiver, cmp.Or(outcome, failed)).Inc()
	}
}

// backlog shows what a receiver has not been sent yet.
func (m *Metrics) backlog(receiver string, b Backlog) {
	m.queued.WithLabelValues(receiver).Set(float64(b.Queued))
	m.waiting.WithLabelValues(receiver).Set(float64(b.Waiting))
	if b.Oldest.IsZero() {
		m.oldest.DeleteLabelValues(receiver)
		return
	}
	m.oldest.WithLabelValues(receiver).Set(float64(b.Oldest.UnixMilli()) / 1000)
}

// forget shows no backlogs any more, because another process sends.
func (m *Metrics) forget() {
	if m != nil {
		m.queued.Reset()
		m.waiting.Reset()
		m.oldest.Reset()
	}
}

// measureEvery is the time between counts of the backlogs.
const measureEvery = 15 * time.Second

// measure counts the backlogs of all targets that have a queue, if that is due.
func (n *Notifier) measure(ctx context.Context) error {
	now := n.Now()
	if n.metrics == nil || len(n.targets) == 0 || now.Sub(n.measured) < measureEvery {
		return nil
	}
	var names []string
	for _, t := range n.targets {
		names = append(names, t.name)
	}
	all, err := n.queue.Backlogs(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		n.metrics.backlog(name, all[name])
	}
	n.measured = now
	return nil
}
