package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Gap is a run of offsets that were not read and never will be, to be recorded.
type Gap struct {
	Topic                   string
	Partition               int
	FirstOffset, LastOffset int64
	Reason                  string
}

// InsertGap records a gap. It is safe to repeat.
func (s *Store) InsertGap(ctx context.Context, g Gap) error {
	err := s.conn.Exec(ctx, `INSERT INTO gap_rows VALUES (?, ?, ?, ?, ?, now64(3))`, g.Topic, int32(g.Partition), g.FirstOffset, g.LastOffset, g.Reason)
	if err != nil {
		return fmt.Errorf("record the gap %d to %d of %s/%d: %w", g.FirstOffset, g.LastOffset, g.Topic, g.Partition, err)
	}
	return nil
}

// AuditGap is a recorded gap.
type AuditGap struct {
	Topic       string    `json:"topic"`
	Partition   int       `json:"partition"`
	FirstOffset int64     `json:"first_offset"`
	LastOffset  int64     `json:"last_offset"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"`
}

// MarshalJSON writes the time in the layout of all other times.
func (g AuditGap) MarshalJSON() ([]byte, error) {
	type fields AuditGap
	return json.Marshal(struct {
		fields
		At string `json:"at"`
	}{fields(g), g.At.UTC().Format("2006-01-02T15:04:05.000Z")})
}

// AuditGaps returns the recorded gaps of the partitions of a scope, in order.
func (s *Store) AuditGaps(ctx context.Context, scope AuditScope) (all []AuditGap, err error) {
	if len(scope.Partitions) == 0 {
		return nil, nil
	}
	var exists uint64 // the view is missing in a database that only an earlier version has opened
	err = s.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'gaps'").Scan(&exists)
	if err == nil && exists > 0 {
		sql, args := scope.bind("SELECT topic, partition, first_offset, last_offset, reason, at FROM gaps WHERE {partitions} ORDER BY topic, partition, first_offset, last_offset", auditRange{})
		err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
			var g AuditGap
			var id int32
			err := scan(&g.Topic, &id, &g.FirstOffset, &g.LastOffset, &g.Reason, &g.At)
			g.Partition = int(id)
			all = append(all, g)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the recorded gaps: %w", err)
	}
	return all, nil
}
