package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/delivery"
	"errata/internal/monitor"
)

func newRun(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Consume until SIGINT or SIGTERM",
		Example: "ingest run\n" +
			"ingest run --config /etc/errata/config.yaml",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return env.consume(cmd.Context(), cmd.ErrOrStderr()) },
	}
}

func (env *environment) consume(ctx context.Context, stderr io.Writer) error {
	p, err := env.build(ctx, stderr)
	defer p.close()
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(p.cfg.Ingest.Memory + headroom)
	ingester := delivery.New(p.kafka, p.store, p.processor, p.fingerprint(), p.log)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := newCatalogMetrics(registry, &p, ingester)
	if err := ingester.Register(registry); err != nil {
		return err
	}
	stopServing, err := monitor.Server{Addr: p.cfg.HTTP.Addr, Metrics: registry, Ready: ingester.Ready, Pprof: p.cfg.HTTP.Pprof, Log: p.log}.Start(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer stopServing()
	p.log.Info("started to consume", "topics", p.cfg.Kafka.Topics, "group", p.cfg.Kafka.Group, "database", p.cfg.ClickHouse.Database, "catalogs", p.catalogs.Version)
	stopWatching := p.watchCatalogs(ctx, m)
	defer stopWatching()
	if err := ingester.Run(ctx); err != nil {
		return err
	}
	p.log.Info("stopped")
	return nil
}

// headroom is the memory that the process may use in addition to the pipeline's ingest.memory
// before the garbage collector works harder.
const headroom = 40 << 20

// catalogMetrics are the metrics of the catalogs, which package delivery does not know.
type catalogMetrics struct {
	info    *prometheus.GaugeVec   // by version; 1 for the catalogs in use
	reloads *prometheus.CounterVec // by result
}

func newCatalogMetrics(reg prometheus.Registerer, p *parts, ingester *delivery.Ingester) catalogMetrics {
	m := catalogMetrics{
		info:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "errata", Name: "catalog_info", Help: "1 for the catalogs in use."}, []string{"version"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "errata", Name: "catalog_reloads_total", Help: "Reloads of the catalogs. A failed one keeps the catalogs in use."}, []string{"result"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "errata", Name: "build_info", Help: "1 for the running program."}, []string{"version", "parser"})
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "errata", Name: "ready", Help: "1 if records are being read and stored, as /readyz reports."}, func() float64 {
		if ingester.Ready() != nil {
			return 0
		}
		return 1
	})
	reg.MustRegister(m.info, m.reloads, build, ready)
	m.use(p.catalogs)
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("failed")
	build.WithLabelValues(cli.Version(), p.fingerprint()).Set(1)
	return m
}

func (m catalogMetrics) use(c *catalog.Set) {
	m.info.Reset()
	m.info.WithLabelValues(c.Version).Set(1)
}

// watchCatalogs loads the catalogs of catalogs.dir again when they change or on SIGHUP, until stop
// is called.
func (p *parts) watchCatalogs(ctx context.Context, m catalogMetrics) (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup // stop waits for it
	watching.Go(func() {
		catalog.Watch(ctx, p.cfg.Catalogs, p.catalogs.Version, hup, func(c *catalog.Set, err error) {
			if err != nil {
				m.reloads.WithLabelValues("failed").Inc()
				p.log.Error("could not use the changed catalogs, kept the previous ones", "error", err)
				return
			}
			p.processor.Use(c)
			m.reloads.WithLabelValues("ok").Inc()
			m.use(c)
			p.log.Info("loaded changed catalogs", "families", len(c.Families), "version", c.Version)
		})
	})
	return func() {
		signal.Stop(hup)
		cancel()
		watching.Wait()
	}
}
