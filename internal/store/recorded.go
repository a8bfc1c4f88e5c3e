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

// RecordedBefore gives the offset behind all batches of a partition that end before an offset; 0 when there are none.
func (s *Store) RecordedBefore(ctx context.Context, topic string, partition int, offset int64) (end int64, err error) {
	err = s.conn.QueryRow(ctx, `SELECT if(count() = 0, 0, max(last_offset) + 1) FROM batches WHERE topic = ? AND partition = ? AND last_offset < ?`, topic, partition, offset).Scan(&end)
	if err != nil {
		return 0, fmt.Errorf("look for the batch before %d of %s/%d: %w", offset, topic, partition, err)
	}
	return end, nil
}

func (s *Store) recorded(ctx context.Context, sql, topic string, partition int, args ...any) (all []Recorded, err error) {
	err = s.ask(ctx, sql, append([]any{topic, partition}, args...), func(scan func(...any) error) error {
		var r Recorded
		err := scan(&r.FirstOffset, &r.LastOffset, &r.Epoch, &r.Fingerprint, &r.FirstRecord)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the recorded batches of %s/%d: %w", topic, partition, err)
	}
	return all, nil
}

// Accepted gives the batches of a parser that the server has accepted, whole, at least so long ago, and since its last start: a loss of power
// would not cost them. What it does not give may be in all the same.
func (s *Store) Accepted(ctx context.Context, topic string, partition int, fingerprint string, ago time.Duration) (all []Recorded, err error) {
	return s.recorded(ctx, `SELECT DISTINCT first_offset, last_offset, epoch, fingerprint, toUInt64(0) FROM accepted
		WHERE topic = ? AND partition = ? AND fingerprint = ? AND uptime() - up > ?`, topic, partition, fingerprint, int64(ago.Seconds()))
}

// ClaimEpoch gives an epoch greater than the least one and than all that were ever used, and never again. The fingerprint is for people to read.
//
// ClickHouse has no transactions: a claim is written first and then looked for. Of two claims of one epoch, the later one sees the
// other, and both may; whoever sees another tries a greater epoch.
func (s *Store) ClaimEpoch(ctx context.Context, fingerprint string, least uint32) (uint32, error) {
	epoch, err := s.claimEpoch(ctx, fingerprint, least)
	if err != nil {
		return 0, fmt.Errorf("claim an epoch: %w", err)
	}
	return epoch, nil
}

func (s *Store) claimEpoch(ctx context.Context, fingerprint string, least uint32) (uint32, error) {
	const used = `SELECT greatest((SELECT max(epoch) FROM epoch_claims), (SELECT max(epoch) FROM batch_rows), (SELECT max(epoch) FROM epoch_switches))`
	const others = `SELECT count() FROM epoch_claims WHERE epoch = ? AND claim != ?`
	for {
		var epoch uint32
		if err := s.conn.QueryRow(ctx, used).Scan(&epoch); err != nil {
			return 0, err
		}
		epoch = max(epoch, least) + 1
		claim := uuid.New()
		if err := s.conn.Exec(ctx, `INSERT INTO epoch_claims (epoch, fingerprint, claim, at) VALUES (?, ?, ?, now64(3))`, epoch, fingerprint, claim); err != nil {
			return 0, err
		}
		var contested uint64
		if err := s.conn.QueryRow(ctx, others, epoch, claim).Scan(&contested); err != nil {
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

// Orphan is a batch that has rows which count but is not recorded: its insert broke off.
type Orphan struct {
	FirstOffset int64
	Epoch       uint32
}

// Orphans gives those from an offset on. Should nobody know their plan, nobody would ever finish them. It reads the columns of whole
// tables: not for every day.
func (s *Store) Orphans(ctx context.Context, topic string, partition int, from int64) (strays []Orphan, err error) {
	const rows = ` WHERE topic = ? AND partition = ? AND first_offset >= ? AND ` + counted
	err = s.ask(ctx, `SELECT DISTINCT first_offset, epoch FROM (
		SELECT first_offset, epoch FROM error_rows`+rows+` UNION ALL SELECT first_offset, epoch FROM traffic_sums`+rows+`
		UNION ALL SELECT first_offset, epoch FROM error_sums`+rows+` UNION ALL SELECT first_offset, epoch FROM dead_letter_rows`+rows+`)
		WHERE (first_offset, epoch) NOT IN (SELECT first_offset, epoch FROM batch_rows WHERE topic = ? AND partition = ? AND first_offset >= ?)
		ORDER BY first_offset`, slices.Repeat([]any{topic, partition, from}, 5), func(scan func(...any) error) error {
		var stray Orphan
		err := scan(&stray.FirstOffset, &stray.Epoch)
		strays = append(strays, stray)
		return err
	})
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

// Voided says that batches of a partition that begin at or before an offset must be written under an epoch to be counted.
type Voided struct {
	Last  int64
	Epoch uint32 // 0: there is none
}

// Void makes the rows of strays count no more, by naming an epoch for them under which there are none yet. Those that are strays no
// longer when the server comes to it stay as they are, and then it is an error: somebody else has them by now, who may have gone on from there.
func (s *Store) Void(ctx context.Context, topic string, partition int, strays []Orphan, epoch uint32) error {
	var offsets []int64
	var epochs []uint32
	for _, stray := range strays {
		offsets, epochs = append(offsets, stray.FirstOffset), append(epochs, stray.Epoch)
	}
	days := func(ctx context.Context) ([]time.Time, error) { return s.foldedWith(ctx, topic, partition, offsets) }
	err := s.changing(ctx, days, func() error {
		return s.conn.Exec(ctx, `INSERT INTO epoch_switches (topic, partition, first_offset, epoch)
			SELECT ?, ?, stray.1, ? FROM (SELECT arrayJoin(arrayZip(?, ?)) AS stray) AS strays
			LEFT JOIN (SELECT first_offset, max(epoch) AS named FROM epoch_switches WHERE topic = ? AND partition = ? GROUP BY first_offset) AS names ON names.first_offset = stray.1
			WHERE ifNull(named, 0) = stray.2 AND stray NOT IN (SELECT first_offset, epoch FROM batch_rows WHERE topic = ? AND partition = ?)`,
			topic, int32(partition), epoch, offsets, epochs, topic, partition, topic, partition)
	})
	if err != nil {
		return fmt.Errorf("disown rows of %s/%d: %w", topic, partition, err)
	}
	var disowned uint64
	err = s.conn.QueryRow(ctx, `SELECT uniqExact(first_offset) FROM epoch_switches WHERE topic = ? AND partition = ? AND first_offset IN (?) AND epoch >= ?`,
		topic, partition, offsets, epoch).Scan(&disowned)
	if err != nil {
		return fmt.Errorf("look whether rows of %s/%d are disowned: %w", topic, partition, err)
	}
	if int(disowned) < len(strays) {
		return fmt.Errorf("disown rows of %s/%d: somebody else has %d of the %d batches by now", topic, partition, len(strays)-int(disowned), len(strays))
	}
	return nil
}

// VoidedFrom tells what was disowned from an offset on.
func (s *Store) VoidedFrom(ctx context.Context, topic string, partition int, from int64) (d Voided, err error) {
	err = s.conn.QueryRow(ctx, `SELECT max(first_offset), max(epoch) FROM epoch_switches WHERE topic = ? AND partition = ? AND first_offset >= ?`,
		topic, partition, from).Scan(&d.Last, &d.Epoch)
	if err != nil {
		return Voided{}, fmt.Errorf("look for disowned rows of %s/%d: %w", topic, partition, err)
	}
	return d, nil
}
