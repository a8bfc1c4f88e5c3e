package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// A connection that breaks in the middle of a command is exit code 3, wherever it breaks.
func TestCutOffAnywhere(t *testing.T) {
	addr, database := stacktest.Database(t)
	t.Chdir(t.TempDir())
	records := `{"time":"2026-11-02T10:00:00Z","tenant":"acme","service":"osm","status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}` + "\n" +
		`{"time":"2026-11-02T10:00:02Z","tenant":"acme","service":"osm","status":200,"response_body":"{\"error_code\":\"NOBODYS.1\",\"error_msg\":\"m\"}"}`
	stacktest.Must(t, insert(t.Context(), addr, database, records))
	s, err := store.Open(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	at := time.Date(2026, 11, 2, 11, 0, 0, 0, time.UTC)
	stacktest.Must(t, s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "gateway-logs", Partition: 0, Watermark: at, At: at}}))
	s.Close()
	stacktest.Must(t, os.WriteFile("alerts.yaml", []byte("groups: [{name: g, rules: [{alert: A, count: {over: 5m, above: 0}}]}]\n"), 0o600))
	p := stacktest.StartProxy(t, addr, stacktest.FrontHost(0))
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", p.Addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
	f := func(command string) {
		t.Run(command, func(t *testing.T) {
			p.CutAnywhere(t, cli.Unreachable, 3, func() (code int, stderr string) {
				var out, errs bytes.Buffer
				code = run(t.Context(), strings.Fields(command), strings.NewReader(""), &out, &errs)
				return code, errs.String()
			})
		})
	}
	f("top --from 2026-11-02 --to 2026-11-03")
	f("catalog drift --from 2026-11-02 --to 2026-11-03")
	f("catalog re-enrich")
	f("alert run --once")
}
