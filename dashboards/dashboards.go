// Package dashboards contains the Grafana dashboards that Errata ships. They read the views of
// package store without naming a database, so the default database of the data source must be
// Errata's. pipeline.json, the dashboard of the pipeline itself, reads the ingester's metrics from
// Prometheus instead. The package's test runs every query of every dashboard on a real ClickHouse
// and checks every expression with promtool.
package dashboards

import "embed"

//go:embed *.json
var FS embed.FS
