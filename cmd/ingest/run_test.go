package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"errata/internal/config"
	"errata/internal/delivery"
)

// errata_build_info names the version that --version prints.
func TestVersionOfTheMetric(t *testing.T) {
	var out strings.Builder
	if code := run(context.Background(), []string{"--version"}, nil, &out, io.Discard); code != 0 {
		t.Fatal(code)
	}
	cfg, err := config.Load("")
	if err != nil {
		t.Fatal(err)
	}
	p, err := assemble(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	newCatalogMetrics(registry, &p, delivery.New(&delivery.Kafka{}, nil, p.processor, p.fingerprint(), slog.New(slog.DiscardHandler)))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "errata_build_info" {
			continue
		}
		for _, label := range f.GetMetric()[0].GetLabel() {
			if label.GetName() == "version" && "ingest version "+label.GetValue() != strings.TrimSpace(out.String()) {
				t.Errorf("the metric has version %q, and --version prints %q", label.GetValue(), out.String())
			}
		}
		return
	}
	t.Error("there is no errata_build_info")
}
