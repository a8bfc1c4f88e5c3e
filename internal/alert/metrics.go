package alert

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics says how an evaluator is doing. The zero value of a pointer counts nothing.
type Metrics struct {
	delay     prometheus.Gauge
	late      prometheus.Gauge
	outage    prometheus.Gauge
	evaluated *prometheus.GaugeVec
	duration  *prometheus.GaugeVec
	failures  *prometheus.CounterVec
	alerts    *prometheus.GaugeVec
	codes     *prometheus.GaugeVec
}

// NewMetrics registers the metrics of an evaluator.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "errata", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		delay:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "errata", Name: "alert_watermark_delay_seconds", Help: "How far the watermark of the data is behind the clock."}),
		late:      prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "errata", Name: "alert_data_late", Help: "1 while the watermark is so far behind that the data counts as late."}),
		outage:    prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "errata", Name: "alert_evaluation_failing", Help: "1 while no rule can be evaluated, because ClickHouse cannot be read or written, or no broker can say who holds the fence."}),
		evaluated: gauge("alert_rule_evaluated_timestamp_seconds", "The time up to which a rule has been evaluated.", "rule"),
		duration:  gauge("alert_rule_duration_seconds", "How long the latest evaluation of a rule took.", "rule"),
		failures:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "errata", Name: "alert_rule_failures_total", Help: "Evaluations of a rule that failed."}, []string{"rule"}),
		alerts:    gauge("alerts", "Alerts of a rule that are not inactive, by state.", "rule", "state"),
		codes:     gauge("code_errors", "Errors in the hour before the watermark, of the most frequent codes of each tenant.", "tenant", "family", "code"),
	}
	registry.MustRegister(m.delay, m.late, m.outage, m.evaluated, m.duration, m.failures, m.alerts, m.codes)
	return m
}

// observe counts an evaluation of a rule.
func (m *Metrics) observe(rule string, took time.Duration, err error) {
	if m == nil {
		return
	}
	m.duration.WithLabelValues(rule).Set(took.Seconds())
	if failures := m.failures.WithLabelValues(rule); err != nil {
		failures.Inc()
	}
}

// stand shows where a rule stands.
func (m *Metrics) stand(rule string, s standing) {
	if m == nil {
		return
	}
	m.evaluated.WithLabelValues(rule).Set(float64(s.evaluated.UnixMilli()) / 1000)
	of := map[string]int{}
	for _, a := range s.alerts {
		of[a.State.Phase]++
	}
	for _, state := range []string{Pending, Firing, Recovering, NoData, Learning} {
		m.alerts.WithLabelValues(rule, state).Set(float64(of[state]))
	}
}

// data shows how late the data is.
func (m *Metrics) data(watermark, now time.Time) {
	if m == nil {
		return
	}
	behind := max(0, now.Sub(watermark))
	m.delay.Set(behind.Seconds())
	m.late.Set(0)
	if behind > lateAfter {
		m.late.Set(1)
	}
}

// failing shows whether no rule can be evaluated.
func (m *Metrics) failing(is bool) {
	if m == nil {
		return
	}
	m.outage.Set(0)
	if is {
		m.outage.Set(1)
	}
}
