package store

import (
	"context"
	"fmt"

	"errata/internal/link"
)

// Owner returns the Kafka cluster and consumer group that own the database, "" if nobody has
// claimed it.
func (s *Store) Owner(ctx context.Context) (cluster, group string, err error) {
	err = s.ask(ctx, "SELECT cluster, `group` FROM claims ORDER BY claimed_at, cluster, `group` LIMIT 1", nil, func(scan func(...any) error) error {
		return scan(&cluster, &group)
	})
	if err != nil {
		return "", "", fmt.Errorf("read which Kafka cluster owns the database: %w", err)
	}
	return cluster, group, nil
}

// Claim claims the database for a Kafka cluster and consumer group. If another cluster or group
// owns it, Claim refuses (link.ErrRefused): their offsets mean other records.
func (s *Store) Claim(ctx context.Context, cluster, group string) error {
	for range 2 {
		// Of two simultaneous claims the least one wins, and both claimants see the same.
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
