package report

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ScheduleMetrics says how a Scheduler is doing. The zero value of a pointer counts nothing.
type ScheduleMetrics struct {
	unsent   prometheus.Gauge
	next     prometheus.Gauge
	lastSent prometheus.Gauge
	reports  prometheus.Counter
	failures prometheus.Counter
}

// NewScheduleMetrics registers the metrics of a Scheduler.
func NewScheduleMetrics(registry prometheus.Registerer) *ScheduleMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "errata", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "errata", Name: name, Help: help})
	}
	m := &ScheduleMetrics{
		unsent:   gauge("reports_unsent", "Scheduled reports that are due and have not been sent."),
		next:     gauge("report_next_timestamp_seconds", "When the next scheduled report is due."),
		lastSent: gauge("report_last_sent_timestamp_seconds", "When a scheduled report was last sent."),
		reports:  counter("reports_sent_total", "Scheduled reports and revisions of them that were sent."),
		failures: counter("report_failures_total", "Failed tries to make or send scheduled reports."),
	}
	registry.MustRegister(m.unsent, m.next, m.lastSent, m.reports, m.failures)
	return m
}

func (m *ScheduleMetrics) failed() {
	if m != nil {
		m.failures.Inc()
	}
}

func (m *ScheduleMetrics) sent(at time.Time) {
	if m != nil {
		m.reports.Inc()
		m.lastSent.Set(float64(at.Unix()))
	}
}

// stand shows how many reports are due and unsent, and when the next one is due, if that is known.
func (m *ScheduleMetrics) stand(unsent int, next time.Time) {
	if m == nil {
		return
	}
	m.unsent.Set(float64(unsent))
	if !next.IsZero() {
		m.next.Set(float64(next.Unix()))
	}
}
