package main

import (
	"strings"
	"testing"

	"errata/internal/cli"
)

// TestCheckOnlyLooks checks that check changes nothing in ClickHouse without --create, and says
// what is missing.
func TestCheckOnlyLooks(t *testing.T) {
	s := newAuditedStack(t) // with an empty database
	tables := func() string {
		return s.query("SELECT count(), sum(cityHash64(name, create_table_query)) FROM system.tables WHERE database = '" + s.database + "'")
	}
	check := func(want string, args ...string) string {
		t.Helper()
		code, stdout, stderr := s.ingest(append([]string{"check"}, args...)...)
		if code != cli.Fine || !strings.Contains(stdout, "\nschema      "+want+"\n") {
			t.Errorf("check %q: exit code %d, want the schema %q:\n%s%s", args, code, want, stdout, stderr)
		}
		return stdout
	}
	empty := tables()
	if out := check("the database is empty; `ingest run` or `ingest check --create` creates:"); !strings.Contains(out, "\ntables      accepted, ") || !strings.Contains(out, ", errors, ") || !strings.Contains(out, "\nmigrations  0001_errata.sql, ") {
		t.Errorf("an empty database lacks\n%s", out)
	}
	if got := tables(); got != empty || !strings.HasPrefix(got, "0\t") {
		t.Errorf("check has changed the tables: %s", got)
	}
	check("created:", "--create")
	whole := tables()
	check("up to date")

	// A database that an earlier version made.
	s.query("ALTER TABLE @migrations DELETE WHERE name LIKE '0006%' SETTINGS mutations_sync = 2")
	s.query("DROP TABLE @topics_read")
	older := tables()
	if out := check("not up to date; `ingest run` or `ingest check --create` creates:"); !strings.HasSuffix(out, "\nmigrations  0006_accepted.sql\ntables      topics_read\n") {
		t.Errorf("a database without the last migration lacks\n%s", out)
	}
	if code, _, stderr := s.ingest("deadletters", "list"); code != cli.WrongUse || !strings.Contains(stderr, "run `ingest check --create` of this version once") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got := tables(); got != older {
		t.Errorf("check has changed the tables: %s, and they were %s", got, older)
	}
	check("created:", "--create")
	if got := tables(); got != whole {
		t.Errorf("the tables are %s, want %s", got, whole)
	}
}
