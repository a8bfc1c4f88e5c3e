package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ServerID returns an id of the present run of the server. It changes whenever the server restarts,
// and may change without a restart. What was acknowledged before a loss of power may be gone after
// it.
func (s *Store) ServerID(ctx context.Context) (string, error) {
	const read = `SELECT count(), min(id) FROM boots`
	for range 2 {
		var n uint64
		var id uuid.UUID
		if err := s.conn.QueryRow(ctx, read).Scan(&n, &id); err != nil {
			return "", fmt.Errorf("read the server's id: %w", err)
		}
		if n > 0 {
			return id.String(), nil
		}
		if err := s.conn.Exec(ctx, `INSERT INTO boots VALUES (generateUUIDv4())`); err != nil {
			return "", fmt.Errorf("write the server's id: %w", err)
		}
	}
	return "", errors.New("read the server's id: the server does not keep it")
}

// WritebackTime is how long an operating system takes at most to write to disk, by itself, what a
// server has acknowledged.
const WritebackTime = time.Minute

// syncTimeout is how long a server may take to write everything to disk.
const syncTimeout = 10 * time.Minute

// Sync makes what the server has accepted survive a loss of power. The server writes everything to
// disk; if our user may not ask for that, Sync waits for WritebackTime.
func (s *Store) Sync(ctx context.Context) error {
	err := s.execute(ctx, syncTimeout, `SYSTEM SYNC FILE CACHE`)
	if !isCode(err, codeAccessDenied) {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(WritebackTime):
		return nil
	}
}
