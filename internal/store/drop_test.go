package store_test

import (
	"errors"
	"strings"
	"testing"

	"errata/internal/link"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// A database is removed only if everything in it is ours and may go, and none is created for that.
func TestRemove(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouse(t)
	cfg := store.Config{Addr: []string{server.Addr}, Database: "errata_sample", Username: "default"}
	query := func(sql string) string { t.Helper(); return stacktest.Query(t, server, sql) }
	exists := func() bool {
		t.Helper()
		return query("SELECT count() FROM system.databases WHERE name = 'errata_sample'") == "1"
	}
	mayGo := func(topic string) bool { return topic == "logs" }
	remove := func(want bool) {
		t.Helper()
		removed, err := store.Remove(t.Context(), cfg, mayGo)
		if err != nil || removed != want || exists() {
			t.Errorf("removed %v, want %v; it exists: %v (%v)", removed, want, exists(), err)
		}
	}
	refused := func(why string) {
		t.Helper()
		removed, err := store.Remove(t.Context(), cfg, mayGo)
		if removed || !errors.Is(err, link.ErrRefused) || !strings.Contains(err.Error(), why) || !exists() {
			t.Errorf("removed %v; it exists: %v (%v)", removed, exists(), err)
		}
	}
	remove(false)
	query("CREATE DATABASE errata_sample") // as an interrupted start leaves it
	remove(true)

	query("CREATE DATABASE errata_sample")
	query("CREATE TABLE errata_sample.orders (id UInt64) ENGINE = MergeTree ORDER BY id")
	refused("holds tables that are not Errata's (orders): nothing was removed")
	s, err := store.OpenAndMigrate(t.Context(), cfg)
	stacktest.Must(t, err)
	defer s.Close()
	stacktest.Must(t, s.Insert(t.Context(), []*store.Batch{batch(t, 0, 100, line("2026-11-02T00:00:01Z", "acme", quota))}))
	refused("holds tables that are not Errata's (orders): nothing was removed")
	query("DROP TABLE errata_sample.orders SYNC")

	query("INSERT INTO errata_sample.batch_rows SELECT * REPLACE('gateway-logs' AS topic) FROM errata_sample.batch_rows")
	refused("holds records of topic gateway-logs, which have to stay: nothing was removed")
	query("ALTER TABLE errata_sample.batch_rows DELETE WHERE topic = 'gateway-logs' SETTINGS mutations_sync = 1")
	remove(true)
}
