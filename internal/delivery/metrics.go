package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"errata/internal/store"
)

// metrics are what the ingester tells Prometheus; docs/monitoring.md explains each. Counters of
// what was found count a batch when it is first inserted; what a take-over repeats is only in
// batchesRepeated.
type metrics struct {
	records, recordBytes       *prometheus.CounterVec // by topic, partition: as read, repeats included
	requests                   *prometheus.CounterVec // by body_state
	errors, excluded, limited  prometheus.Counter
	deadLetters                *prometheus.CounterVec // by reason
	batches, batchesRepeated   prometheus.Counter
	insertRows                 *prometheus.CounterVec // by table, repeats included
	insertSeconds, insertBatch prometheus.Histogram
	insertFailures             *prometheus.CounterVec // by reason, see store.Trouble
	commitFailures             prometheus.Counter
	fetchFailures              prometheus.Counter
	lagRecords, lagSeconds     *prometheus.GaugeVec // by topic, partition
	assigned, stopped          prometheus.Gauge
	generation                 prometheus.Gauge
	rebalances, reconnects     prometheus.Counter
	gapOffsets                 *prometheus.CounterVec // by topic, partition, reason
	queryableSeconds           prometheus.Histogram
	memoryBudget, memoryUsed   prometheus.Gauge
	lastInsert                 prometheus.Gauge
	all                        []prometheus.Collector
}

// listed adds a metric to those to be registered.
func listed[C prometheus.Collector](m *metrics, c C) C {
	m.all = append(m.all, c)
	return c
}

func newMetrics() *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		return listed(m, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "errata", Name: name, Help: help}))
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return listed(m, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "errata", Name: name, Help: help}, labels))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return listed(m, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "errata", Name: name, Help: help}))
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return listed(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "errata", Name: name, Help: help}, labels))
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return listed(m, prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "errata", Name: name, Help: help, Buckets: buckets}))
	}
	seconds := []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

	m.records = counters("records_total", "Kafka records read.", "topic", "partition")
	m.recordBytes = counters("record_bytes_total", "Bytes of the values of the Kafka records read.", "topic", "partition")
	m.requests = counters("requests_total", "Requests counted, by what could be seen of their bodies.", "body_state")
	m.errors = counter("errors_total", "Error envelopes found.")
	m.excluded = counter("excluded_total", "Requests left out by ingest.exclude.")
	m.limited = counter("limited_total", "Requests whose tenant or route is counted as (other) because of ingest.limits.")
	m.deadLetters = counters("dead_letters_total", "Records and elements that could not be used.", "reason")
	m.batches = counter("batches_total", "Batches inserted for the first time.")
	m.batchesRepeated = counter("batches_repeated_total", "Batches inserted again because they were planned before a take-over.")
	m.insertRows = counters("insert_rows_total", "Rows written to ClickHouse, repeats included.", "table")
	m.insertSeconds = histogram("insert_seconds", "Time from the first to the last INSERT of a flush, retries included.", seconds)
	m.insertBatch = histogram("insert_batch_rows", "Rows of a flush, all tables together.", prometheus.ExponentialBuckets(10, 4, 9))
	m.insertFailures = counters("insert_failures_total", "Inserts that failed and were tried again.", "reason")
	m.commitFailures = counter("commit_failures_total", "Commits of the plan that were refused or whose outcome is unknown.")
	m.fetchFailures = counter("fetch_failures_total", "Fetches that failed and were tried again.")
	m.lagRecords = gauges("lag_records", "Offsets between the end of the log and what is in ClickHouse.", "topic", "partition")
	m.lagSeconds = gauges("lag_seconds", "Age of the newest record in ClickHouse by Kafka's time; 0 when all of the log is in.", "topic", "partition")
	m.assigned = gauge("assigned_partitions", "Partitions that this ingester owns.")
	m.stopped = gauge("stopped_partitions", "Partitions that this ingester owns and does not read, because their log is not the one that was read before.")
	m.generation = gauge("generation", "Generation of the consumer group.")
	m.rebalances = counter("rebalances_total", "Generations begun.")
	m.reconnects = counter("watchdog_reconnects_total", "Times that a lag without progress, or a silent group, made the ingester connect again.")
	m.gapOffsets = counters("gap_offsets_total", "Offsets that were not read and never will be.", "topic", "partition", "reason")
	m.queryableSeconds = histogram("queryable_seconds", "Time from Kafka's time of the newest record of a batch until the batch can be queried.", seconds)
	m.memoryBudget = gauge("memory_budget_bytes", "What ingest.memory allows the pipeline to hold.")
	m.memoryUsed = gauge("memory_used_bytes", "What the pipeline holds, as estimated.")
	m.lastInsert = gauge("last_insert_timestamp_seconds", "When a batch was last inserted.")
	return m
}

// inserted counts a batch that is in ClickHouse.
func (m *metrics) inserted(b *store.Batch, repeated bool, now time.Time) {
	m.lastInsert.Set(float64(now.UnixMilli()) / 1000)
	for table, n := range b.TableRows() {
		m.insertRows.WithLabelValues(table).Add(float64(n))
	}
	if repeated {
		m.batchesRepeated.Inc()
		return
	}
	m.batches.Inc()
	m.errors.Add(float64(b.Errors))
	m.excluded.Add(float64(b.Excluded))
	m.limited.Add(float64(b.Limited))
	for state, n := range b.BodyStates() {
		m.requests.WithLabelValues(string(state)).Add(float64(n))
	}
	for reason, n := range b.Reasons() {
		m.deadLetters.WithLabelValues(reason).Add(float64(n))
	}
	if !b.Newest.IsZero() {
		m.queryableSeconds.Observe(max(0, now.Sub(b.Newest).Seconds()))
	}
}

// Register registers the metrics.
func (in *Ingester) Register(reg prometheus.Registerer) error {
	for _, c := range in.worker.metrics.all {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}
