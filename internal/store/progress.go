package store

import (
	"context"
	"fmt"
)

// Records counts the Kafka records of a topic that are in.
func (s *Store) Records(ctx context.Context, topic string) (n uint64, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT sum(records) FROM batches WHERE topic = ?", topic).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the records of topic %s: %w", topic, err)
	}
	return n, nil
}

// DeadLetters counts the dead letters of a topic by reason.
func (s *Store) DeadLetters(ctx context.Context, topic string) (map[string]int, error) {
	return s.counts(ctx, "SELECT reason, count() FROM dead_letters WHERE topic = ? GROUP BY reason", topic)
}

// Requests counts the requests of a topic by tenant.
func (s *Store) Requests(ctx context.Context, topic string) (map[string]int, error) {
	return s.counts(ctx, "SELECT tenant, sum(requests) FROM traffic_minute WHERE topic = ? GROUP BY tenant", topic)
}

func (s *Store) counts(ctx context.Context, sql string, args ...any) (map[string]int, error) {
	counts := map[string]int{}
	err := s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var key string
		var n uint64
		err := scan(&key, &n)
		counts[key] = int(n)
		return err
	})
	return counts, err
}
