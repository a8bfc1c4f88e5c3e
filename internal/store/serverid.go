package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ServerID names the present run of the server: it changes when the server was restarted, and may change without. What was
// acknowledged before a loss of power may be gone after it.
func (s *Store) ServerID(ctx context.Context) (string, error) {
	const ask = `SELECT count(), min(id) FROM boots`
	for range 2 {
		var n uint64
		var id uuid.UUID
		if err := s.conn.QueryRow(ctx, ask).Scan(&n, &id); err != nil {
			return "", fmt.Errorf("ask whether the server was restarted: %w", err)
		}
		if n > 0 {
			return id.String(), nil
		}
		if err := s.conn.Exec(ctx, `INSERT INTO boots VALUES (generateUUIDv4())`); err != nil {
			return "", fmt.Errorf("mark the run of the server: %w", err)
		}
	}
	return "", errors.New("ask whether the server was restarted: the mark does not stay")
}

// WritebackTime is how long an operating system takes at most to write what a server has acknowledged to the disk by itself.
const WritebackTime = time.Minute

// Sync makes what the server has accepted outlast a loss of power: the server has everything written to its disk or, where our user may not
// ask for that, we wait as long as it takes by itself.
func (s *Store) Sync(ctx context.Context) error {
	err := s.execute(ctx, foldTimeout, `SYSTEM SYNC FILE CACHE`)
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
