// Package dashboards holds the Grafana dashboards that Errata ships. They read the views of package
// store by their bare names, so the data source's default database has to be Errata's. The package's
// test runs every query of every dashboard on a real ClickHouse. The one of the pipeline itself, pipeline.json, reads the
// ingester's metrics from Prometheus instead.
package dashboards

import "embed"

//go:embed *.json
var FS embed.FS
