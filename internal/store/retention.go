package store

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"errata/internal/link"
)

// Retention says up to which age tables hold all their rows: what is older may have been deleted. A table that is not in it keeps all.
type Retention map[string]time.Time

var retentionDays = regexp.MustCompile(` TTL .*toIntervalDay\((\d+)\)`)

// Retention reads how long tables keep their rows from their own settings, which an operator may have changed.
func (s *Store) Retention(ctx context.Context) (Retention, error) {
	kept := Retention{}
	err := s.ask(ctx, `SELECT name, engine_full, now64(3) FROM system.tables WHERE database = currentDatabase() AND name IN (@tables)`,
		[]any{clickhouse.Named("tables", []string{errorTable.name, trafficTable.name, codeTable.name, deadLetterTable.name})},
		func(scan func(...any) error) error {
			var name, engine string
			var now time.Time
			if err := scan(&name, &engine, &now); err != nil || !strings.Contains(engine, " TTL ") {
				return err
			}
			days := retentionDays.FindStringSubmatch(engine)
			if days == nil {
				return link.Refused("the retention of table %s cannot be understood: give its TTL as a time plus INTERVAL … DAY", name)
			}
			n, err := strconv.Atoi(days[1])
			// An hour more is for what is deleted while we look.
			kept[name] = now.Add(time.Hour - time.Duration(n)*24*time.Hour)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read how long tables keep their rows: %w", err)
	}
	return kept, nil
}
