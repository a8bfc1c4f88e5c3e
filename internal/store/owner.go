package store

import (
	"context"
	"fmt"

	"errata/internal/link"
)

// Owner says which Kafka cluster and group the database belongs to, "" when it holds nothing yet.
func (s *Store) Owner(ctx context.Context) (cluster, group string, err error) {
	err = s.ask(ctx, "SELECT cluster, `group` FROM claims ORDER BY claimed_at, cluster, `group` LIMIT 1", nil, func(scan func(...any) error) error {
		return scan(&cluster, &group)
	})
	if err != nil {
		return "", "", fmt.Errorf("read whose database this is: %w", err)
	}
	return cluster, group, nil
}

// Claim takes the database for one Kafka cluster and consumer group. Offsets of another
// cluster or group would mean other records, so those are refused (link.ErrRefused).
func (s *Store) Claim(ctx context.Context, cluster, group string) error {
	for range 2 {
		// Of two claims at the same time the least holds, for both claimants alike.
		ownCluster, ownGroup, err := s.Owner(ctx)
		if err != nil {
			return err
		}
		found := ownGroup != ""
		switch {
		case found && (ownCluster != cluster || ownGroup != group):
			return link.Refused("database %q holds the records of Kafka cluster %q, group %q, and we are on cluster %q, group %q: "+
				"use another clickhouse.database for these", s.database, ownCluster, ownGroup, cluster, group)
		case found:
			return nil
		}
		if err := s.conn.Exec(ctx, "INSERT INTO claims VALUES (now64(3), ?, ?)", cluster, group); err != nil {
			return fmt.Errorf("claim the database: %w", err)
		}
	}
	return nil
}
