package store

import (
	"context"
	"fmt"
	"time"
)

// dropTimeout is how long the server may take to remove a database.
const dropTimeout = 2 * time.Minute

// Topics returns the topics from which the database has records.
func (s *Store) Topics(ctx context.Context) ([]string, error) {
	var topics []string
	err := s.ask(ctx, "SELECT DISTINCT topic FROM batches ORDER BY topic", nil, func(scan func(...any) error) error {
		var topic string
		err := scan(&topic)
		topics = append(topics, topic)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the topics in database %q: %w", s.database, err)
	}
	return topics, nil
}

// Drop removes the database with everything in it. The Store cannot be used afterwards.
func (s *Store) Drop(ctx context.Context) error {
	if err := s.execute(ctx, dropTimeout, "DROP DATABASE `"+s.database+"` SYNC"); err != nil {
		return fmt.Errorf("drop database %q: %w", s.database, err)
	}
	return nil
}
