package store

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"errata/internal/accesslog"
	"errata/internal/link"
)

// The limits of age follow from accesslog.MaxAge. No record that old may lose its minutes before
// its day is rolled up into hours, so the schema keeps minutes for ten days longer. Days are rolled
// up until shortly before their minutes expire. The migrations repeat the numbers
// (TestMigrationsAgree).
const (
	minuteRetention = accesslog.MaxAge + 10*24*time.Hour // the TTL of traffic_sums and error_sums
	rollupMaxAge    = minuteRetention - 2*24*time.Hour   // of a day that is rolled up
)

// rollupSince is the day up to which days are too old to be rolled up, in SQL.
var rollupSince = fmt.Sprintf("today() - %d", int(rollupMaxAge.Hours()/24))

// Retention maps a table to the time since which it has all its rows: older ones may have been
// deleted. A table that is not in the map keeps all its rows.
type Retention map[string]time.Time

// ttlDays matches the TTL in a table's definition.
var ttlDays = regexp.MustCompile(` TTL .*toIntervalDay\((\d+)\)`)

// Retention reads the retention of the audited tables from their definitions, which an operator may
// have changed. The batches' sums of sealed days are deleted too.
func (s *Store) Retention(ctx context.Context) (Retention, error) {
	retention, err := s.ttls(ctx)
	if err != nil {
		return nil, err
	}
	var sealed time.Time // the end of the last sealed day; 1970: none is
	if err := s.conn.QueryRow(ctx, `SELECT toDateTime(if(count() = 0, toDate(0), max(day) + 1), 'UTC') FROM sealed_days`).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("look for sealed days: %w", err)
	}
	for _, table := range []string{trafficTable.name, codeTable.name} {
		if sealed.Unix() > 0 && sealed.After(retention[table]) {
			retention[table] = sealed
		}
	}
	return retention, nil
}

func (s *Store) ttls(ctx context.Context) (Retention, error) {
	retention := Retention{}
	err := s.ask(ctx, `SELECT name, engine_full, now64(3) FROM system.tables WHERE database = currentDatabase() AND name IN (@tables)`,
		[]any{clickhouse.Named("tables", auditedTables)},
		func(scan func(...any) error) error {
			var name, engine string
			var now time.Time
			if err := scan(&name, &engine, &now); err != nil || !strings.Contains(engine, " TTL ") {
				return err
			}
			days := ttlDays.FindStringSubmatch(engine)
			if days == nil {
				return link.Refused("the retention of table %s is in a form that is not supported: write its TTL as a time plus INTERVAL … DAY", name)
			}
			n, err := strconv.Atoi(days[1])
			// The hour is for what is deleted while we look.
			retention[name] = now.Add(time.Hour - time.Duration(n)*24*time.Hour)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the retention of the tables: %w", err)
	}
	return retention, nil
}
