package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"errata/internal/link"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// Look says what is missing and creates nothing. A user who may not create it is refused, with the
// rights that are lacking.
func TestLook(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users.xml")
	user := func(name, grants string) string {
		return "<" + name + "><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>" + grants + "</" + name + ">"
	}
	stacktest.Must(t, os.WriteFile(users, []byte("<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>"+user("default", "")+
		user("reader", "<grants><query>GRANT SELECT ON errata.*</query><query>GRANT SELECT ON system.*</query></grants>")+"</users></clickhouse>"), 0o600))
	server := stacktest.ClickHouse(t, func(c *stack.ClickHouseConfig) { c.Users = users })
	config := func(user string) store.Config {
		return store.Config{Addr: []string{server.Addr}, Database: "errata", Username: user}
	}
	look := func(user string) (store.Pending, error) { return store.Look(t.Context(), config(user)) }

	for range 2 {
		p, err := look("default")
		if err != nil || !p.Database || p.UpToDate() || p.Migrations[0] != "0001_errata.sql" ||
			!slices.Contains(p.Tables, "error_rows") || !slices.Contains(p.Tables, "migrations") || !slices.Contains(p.Views, "errors") {
			t.Errorf("of no database: %+v %v", p, err)
		}
	}
	if _, err := look("reader"); !errors.Is(err, link.ErrRefused) || !strings.Contains(err.Error(), `does not let user "reader" create what is missing in database "errata": grant CREATE DATABASE, CREATE TABLE, CREATE VIEW on it`) {
		t.Errorf("of a user without rights: %v", err)
	}
	s, err := store.OpenAndMigrate(t.Context(), config("default"))
	stacktest.Must(t, err)
	stacktest.Must(t, s.Close())
	for _, user := range []string{"default", "reader"} { // who needs no rights where nothing is missing
		if p, err := look(user); err != nil || !p.UpToDate() || len(p.Tables)+len(p.Views) > 0 {
			t.Errorf("of a whole schema: %s: %+v %v", user, p, err)
		}
	}
	stacktest.Query(t, server, "ALTER TABLE errata.migrations DELETE WHERE name LIKE '0002%' SETTINGS mutations_sync = 2")
	stacktest.Query(t, server, "DROP TABLE errata.alert_state_rows")
	if p, err := look("default"); err != nil || p.Empty() || !slices.Equal(p.Migrations, []string{"0002_alerts.sql"}) || !slices.Equal(p.Tables, []string{"alert_state_rows"}) || !slices.Equal(p.Views, []string{"alert_deliveries", "alert_states"}) {
		t.Errorf("of a schema without a migration: %+v %v", p, err)
	}
	if _, err := look("reader"); !errors.Is(err, link.ErrRefused) || !strings.Contains(err.Error(), "grant CREATE TABLE, CREATE VIEW on it") {
		t.Errorf("of a user without rights: %v", err)
	}
	nobody := stacktest.FreeAddr(t)
	if _, err := store.Look(t.Context(), store.Config{Addr: []string{nobody}, Database: "errata", Username: "default"}); !errors.Is(err, link.ErrUnreachable) {
		t.Errorf("of no server: %v", err)
	}
}

// Migrations run in the order of their numbers, so each number is used once.
func TestMigrationNumbers(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	stacktest.Must(t, err)
	numbers := map[string]string{}
	for _, file := range files {
		number, _, _ := strings.Cut(filepath.Base(file), "_")
		if other := numbers[number]; other != "" {
			t.Errorf("%s and %s have the same number", other, file)
		}
		numbers[number] = file
	}
	if len(numbers) == 0 {
		t.Error("no migrations")
	}
}
