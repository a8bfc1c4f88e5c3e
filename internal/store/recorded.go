package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Recorded is a batch that is in, as the table of batches has it.
type Recorded struct {
	FirstOffset, LastOffset int64
	Epoch                   uint32
	Fingerprint             string
	FirstRecord             uint64 // a hash of its first record; 0: unknown
}

// RecordedFrom gives the batches of a partition that hold an offset or come after it, in order. Whoever reads
// those offsets again must keep these boundaries.
func (s *Store) RecordedFrom(ctx context.Context, topic string, partition int, offset int64) ([]Recorded, error) {
	return s.recorded(ctx, `SELECT first_offset, last_offset, epoch, fingerprint, first_record FROM batches
		WHERE topic = ? AND partition = ? AND last_offset >= ? ORDER BY first_offset`, topic, partition, offset)
}

// LastRecorded gives the last batch of a partition, if there is one.
func (s *Store) LastRecorded(ctx context.Context, topic string, partition int) (last Recorded, found bool, err error) {
	all, err := s.recorded(ctx, `SELECT first_offset, last_offset, epoch, fingerprint, first_record FROM batches
		WHERE topic = ? AND partition = ? ORDER BY first_offset DESC LIMIT 1`, topic, partition)
	if err != nil || len(all) == 0 {
		return Recorded{}, false, err
	}
	return all[0], true, nil
}

func (s *Store) recorded(ctx context.Context, sql, topic string, partition int, args ...any) (all []Recorded, err error) {
	rows, err := s.conn.Query(ctx, sql, append([]any{topic, partition}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read the recorded batches of %s/%d: %w", topic, partition, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r Recorded
		if err := rows.Scan(&r.FirstOffset, &r.LastOffset, &r.Epoch, &r.Fingerprint, &r.FirstRecord); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// ClaimEpoch gives an epoch greater than all that were ever used, which no rows but those of this fingerprint will
// have. A shared one may be given again to who asks with the same fingerprint, if it is at or above the least one wanted; one
// that is not shared is given once.
//
// ClickHouse has no transactions: a claim is written first and then looked for. Of two claims of one epoch, the later one sees the
// other, and both may; whoever sees another tries a greater epoch.
func (s *Store) ClaimEpoch(ctx context.Context, fingerprint string, least uint32, shared bool) (uint32, error) {
	epoch, err := s.claimEpoch(ctx, fingerprint, least, shared)
	if err != nil {
		return 0, fmt.Errorf("claim an epoch: %w", err)
	}
	return epoch, nil
}

func (s *Store) claimEpoch(ctx context.Context, fingerprint string, least uint32, shared bool) (uint32, error) {
	const ours = `SELECT max(epoch) FROM (SELECT epoch, uniqExact(fingerprint) = 1 AND min(shared) AND any(fingerprint) = ? AS own FROM epoch_claims GROUP BY epoch) WHERE own`
	const used = `SELECT greatest((SELECT max(epoch) FROM epoch_claims), (SELECT max(epoch) FROM batch_rows), (SELECT max(epoch) FROM epoch_switches))`
	const others = `SELECT count() FROM epoch_claims WHERE epoch = ? AND claim != ? AND NOT (? AND shared AND fingerprint = ?)`
	for {
		var epoch uint32
		if shared {
			if err := s.conn.QueryRow(ctx, ours, fingerprint).Scan(&epoch); err != nil {
				return 0, err
			}
			if epoch > 0 && epoch >= least {
				return epoch, nil
			}
		}
		if err := s.conn.QueryRow(ctx, used).Scan(&epoch); err != nil {
			return 0, err
		}
		epoch = max(epoch, least) + 1
		claim := uuid.New()
		if err := s.conn.Exec(ctx, `INSERT INTO epoch_claims VALUES (?, ?, ?, ?, now64(3))`, epoch, fingerprint, claim, shared); err != nil {
			return 0, err
		}
		var contested uint64
		if err := s.conn.QueryRow(ctx, others, epoch, claim, shared, fingerprint).Scan(&contested); err != nil {
			return 0, err
		}
		if contested == 0 {
			return epoch, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(rand.N(100 * time.Millisecond)):
		}
	}
}

// Boot names the present run of the server: it changes when the server was restarted, and may change without. What was
// acknowledged before a loss of power may be gone after it.
func (s *Store) Boot(ctx context.Context) (string, error) {
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

// Gap is a run of offsets that were not read and never will be.
type Gap struct {
	Topic                   string
	Partition               int
	FirstOffset, LastOffset int64
	Reason                  string
}

// InsertGap records a gap. Again is no harm.
func (s *Store) InsertGap(ctx context.Context, g Gap) error {
	err := s.conn.Exec(ctx, `INSERT INTO gap_rows VALUES (?, ?, ?, ?, ?, now64(3))`, g.Topic, int32(g.Partition), g.FirstOffset, g.LastOffset, g.Reason)
	if err != nil {
		return fmt.Errorf("record the gap %d to %d of %s/%d: %w", g.FirstOffset, g.LastOffset, g.Topic, g.Partition, err)
	}
	return nil
}

// counted is the condition that the views put on stored rows: those of epoch 0 unless their batch was made again, those of a later
// epoch if it is the last that the switches name. One set for both, so that a query sees one state of the switches.
const counted = `((topic, partition, first_offset, epoch) IN (SELECT topic, partition, first_offset, arrayJoin([0, max(epoch)])
	FROM epoch_switches GROUP BY topic, partition, first_offset)) != (epoch = 0)`

// Strays gives the first offsets, from a given one on, of batches that have rows which count but are not recorded: their insert broke
// off, and should nobody know their plan, nobody would ever finish it. It reads the columns of whole tables: not for every day.
func (s *Store) Strays(ctx context.Context, topic string, partition int, from int64) (strays []int64, err error) {
	const rows = ` WHERE topic = ? AND partition = ? AND first_offset >= ? AND ` + counted
	err = s.conn.QueryRow(ctx, `SELECT groupUniqArray(first_offset) FROM (
		SELECT first_offset, epoch FROM error_rows`+rows+` UNION ALL SELECT first_offset, epoch FROM traffic_sums`+rows+`
		UNION ALL SELECT first_offset, epoch FROM error_sums`+rows+` UNION ALL SELECT first_offset, epoch FROM dead_letter_rows`+rows+`)
		WHERE (first_offset, epoch) NOT IN (SELECT first_offset, epoch FROM batch_rows WHERE topic = ? AND partition = ? AND first_offset >= ?)`,
		topic, partition, from, topic, partition, from, topic, partition, from, topic, partition, from, topic, partition, from).Scan(&strays)
	if err != nil {
		return nil, fmt.Errorf("look for rows of %s/%d without a batch: %w", topic, partition, err)
	}
	return strays, nil
}

// Whole tells whether a batch is recorded and has all the rows that it was recorded with, under the epoch that counts.
func (s *Store) Whole(ctx context.Context, topic string, partition int, firstOffset int64) (whole bool, err error) {
	const batch = ` FINAL WHERE topic = ? AND partition = ? AND first_offset = ? AND ` + counted
	place := []any{topic, partition, firstOffset}
	err = s.conn.QueryRow(ctx, `SELECT count() = 1 AND sum(requests) = (SELECT sum(requests) FROM traffic_sums`+batch+`)
		AND sum(errors) = (SELECT sum(errors) FROM error_sums`+batch+`) AND sum(errors) = (SELECT count() FROM error_rows`+batch+`)
		AND sum(dead_letters) = (SELECT count() FROM dead_letter_rows`+batch+`) FROM batch_rows`+batch,
		slices.Concat(place, place, place, place, place)...).Scan(&whole)
	if err != nil {
		return false, fmt.Errorf("ask whether the batch at %d of %s/%d is whole: %w", firstOffset, topic, partition, err)
	}
	return whole, nil
}

// Disowned says that batches of a partition that begin at or before an offset must be written under an epoch to be counted.
type Disowned struct {
	Last  int64
	Epoch uint32 // 0: there is none
}

// Disown makes the rows of batches count no more, by naming an epoch for them under which there are none yet.
func (s *Store) Disown(ctx context.Context, topic string, partition int, strays []int64, epoch uint32) error {
	days := func(ctx context.Context) ([]time.Time, error) { return s.foldedWith(ctx, topic, partition, strays) }
	err := s.changing(ctx, days, func() error {
		return s.conn.Exec(ctx, `INSERT INTO epoch_switches (topic, partition, first_offset, epoch) SELECT ?, ?, arrayJoin(?), ?`, topic, int32(partition), strays, epoch)
	})
	if err != nil {
		return fmt.Errorf("disown rows of %s/%d: %w", topic, partition, err)
	}
	return nil
}

// DisownedFrom tells what was disowned from an offset on.
func (s *Store) DisownedFrom(ctx context.Context, topic string, partition int, from int64) (d Disowned, err error) {
	err = s.conn.QueryRow(ctx, `SELECT max(first_offset), max(epoch) FROM epoch_switches WHERE topic = ? AND partition = ? AND first_offset >= ?`,
		topic, partition, from).Scan(&d.Last, &d.Epoch)
	if err != nil {
		return Disowned{}, fmt.Errorf("look for disowned rows of %s/%d: %w", topic, partition, err)
	}
	return d, nil
}
