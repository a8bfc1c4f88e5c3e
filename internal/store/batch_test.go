package store_test

import (
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/store"
)

// TestHalves puts records of Gravitee into a batch: the metrics and the log of one request are one
// request and its errors.
func TestHalves(t *testing.T) {
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		t.Fatal(err)
	}
	const (
		metrics  = `{"timestamp":1772600767123,"requestId":"req-1","transactionId":"t1","apiId":"a1","applicationId":"app-1","httpMethod":"GET","uri":"/x","status":503,"gatewayResponseTimeMs":7}`
		log      = `{"timestamp":1772600767123,"requestId":"req-1","apiId":"a1","apiName":"Echo","entrypointRequest":{"method":"GET","uri":"/x"},"entrypointResponse":{"status":503,"body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}}`
		other    = `{"timestamp":1772600767123,"requestId":"req-2","transactionId":"t2","apiId":"a1","httpMethod":"GET","uri":"/x","status":200,"gatewayResponseTimeMs":7}`
		bodyless = `{"timestamp":1772600767123,"requestId":"req-1","apiId":"a1","entrypointRequest":{"method":"GET","uri":"/x"},"entrypointResponse":{"status":503}}`
		generic  = `{"time":"2026-03-04T05:06:07Z","request_id":"req-1","path":"/x","status":503}`
	)
	f := func(requests, errors, seen uint64, values ...string) {
		t.Helper()
		b := store.NewBatch("t", 0, 5, store.Limits{})
		at := time.Date(2026, 3, 4, 5, 7, 0, 0, time.UTC)
		for i, value := range values {
			b.Add(5+int64(i), at, p.Record([]byte(value), enrich.Position{Topic: "t", Clock: accesslog.KafkaClock(at)}))
		}
		b.Seal()
		if rows := b.TableRows()["error_rows"]; b.Requests != requests || b.Errors != errors || uint64(rows) != errors || b.BodyStates()[accesslog.JSON] != seen {
			t.Errorf("%d requests, %d errors, %d rows, bodies %v; want %d, %d, %d of json: %q", b.Requests, b.Errors, rows, b.BodyStates(), requests, errors, seen, values)
		}
	}
	f(1, 1, 0, metrics)
	f(1, 1, 1, log)
	f(1, 1, 1, metrics, log)
	f(1, 1, 1, log, metrics)
	f(2, 1, 1, log, other, metrics)
	f(1, 1, 0, bodyless, metrics)
	f(2, 2, 2, log, log)                       // a client may send the id of its choice again
	f(3, 3, 1, metrics, log, metrics, generic) // each half has one other
	f(2, 2, 0, generic, generic)
}
