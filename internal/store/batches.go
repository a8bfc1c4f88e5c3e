package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Recorded is a batch that is in, as the view batches shows it.
type Recorded struct {
	FirstOffset, LastOffset int64
	Epoch                   uint32
	Fingerprint             string
	FirstRecord             uint64 // the hash of its first record; 0: unknown
}

// recordedIn selects the recorded batches of a partition.
const recordedIn = `SELECT first_offset, last_offset, epoch, fingerprint, first_record FROM batches
	WHERE topic = ? AND partition = ?`

// RecordedFrom returns the batches of a partition that contain an offset or come after it, in
// order. Whoever reads those offsets again must keep their boundaries.
func (s *Store) RecordedFrom(ctx context.Context, topic string, partition int, offset int64) ([]Recorded, error) {
	return s.recorded(ctx, recordedIn+` AND last_offset >= ? ORDER BY first_offset`, topic, partition, offset)
}

// LastRecorded returns the last batch of a partition, if it has any.
func (s *Store) LastRecorded(ctx context.Context, topic string, partition int) (last Recorded, found bool, err error) {
	all, err := s.recorded(ctx, recordedIn+` ORDER BY first_offset DESC LIMIT 1`, topic, partition)
	if err != nil || len(all) == 0 {
		return Recorded{}, false, err
	}
	return all[0], true, nil
}

// RecordedBefore returns the offset after all batches of a partition that end before the given
// offset; 0 if there are none.
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

// Accepted returns the batches of a parser that the server has accepted, complete, since its last
// start and at least so long ago: a loss of power would not lose them. Batches that it does not
// return may be in as well.
func (s *Store) Accepted(ctx context.Context, topic string, partition int, fingerprint string, ago time.Duration) (all []Recorded, err error) {
	return s.recorded(ctx, `SELECT DISTINCT first_offset, last_offset, epoch, fingerprint, toUInt64(0) FROM accepted
		WHERE topic = ? AND partition = ? AND fingerprint = ? AND uptime() - up > ?`, topic, partition, fingerprint, int64(ago.Seconds()))
}

// Whole reports whether a batch is recorded and has all the rows that it was recorded with, under
// the epoch that counts. Of a batch in a sealed day, sums are not counted: they are in the rollup.
func (s *Store) Whole(ctx context.Context, topic string, partition int, firstOffset int64) (whole bool, err error) {
	const batch = ` FINAL WHERE topic = ? AND partition = ? AND first_offset = ? AND ` + counted
	place := []any{topic, partition, firstOffset}
	sealed, err := s.Sealed(ctx, topic, partition, []int64{firstOffset})
	if err != nil {
		return false, err
	}
	err = s.conn.QueryRow(ctx, `SELECT count() = 1 AND (? OR sum(requests) = (SELECT sum(requests) FROM traffic_sums`+batch+`)
		AND sum(errors) = (SELECT sum(errors) FROM error_sums`+batch+`)) AND sum(errors) = (SELECT count() FROM error_rows`+batch+`)
		AND sum(dead_letters) = (SELECT count() FROM dead_letter_rows`+batch+`) FROM batch_rows`+batch,
		slices.Concat([]any{len(sealed) > 0}, place, place, place, place, place)...).Scan(&whole)
	if err != nil {
		return false, fmt.Errorf("check that the batch at %d of %s/%d is complete: %w", firstOffset, topic, partition, err)
	}
	return whole, nil
}

// Counted is a batch that counts, with the numbers that it was recorded with.
type Counted struct {
	Topic     string
	Partition int
	Recorded
	Records, Requests, Errors, DeadLetters, Excluded, Joined uint64
}

// BatchesWith returns the batches that contain dead letters of a selection, by partition and
// offset.
func (s *Store) BatchesWith(ctx context.Context, sel Selection) ([]Counted, error) {
	where := sel.where()
	return s.batches(ctx, "(topic, partition, first_offset) IN (SELECT topic, partition, first_offset FROM dead_letter_rows FINAL WHERE "+counted+" AND "+where.SQL+")", 0, where.Args...)
}

// BatchesBetween returns the batches of a partition that contain any offset in [first, end).
func (s *Store) BatchesBetween(ctx context.Context, topic string, partition int, first, end int64) ([]Counted, error) {
	return s.batches(ctx, "topic = ? AND partition = ? AND last_offset >= ? AND first_offset < ?", 0, topic, partition, first, end)
}

// BatchesFrom returns the batches of a partition that begin in [from, to), up to limit of them from
// the first on.
func (s *Store) BatchesFrom(ctx context.Context, topic string, partition int, from, to int64, limit int) ([]Counted, error) {
	return s.batches(ctx, "topic = ? AND partition = ? AND first_offset >= ? AND first_offset < ?", limit, topic, partition, from, to)
}

// batches returns the batches that count and meet a condition, in order; limit 0 is no limit.
func (s *Store) batches(ctx context.Context, where string, limit int, args ...any) (all []Counted, err error) {
	sql := `SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, first_record, records, requests, errors, dead_letters, excluded, joined
		FROM batches WHERE ` + where + ` ORDER BY topic, partition, first_offset, last_offset`
	if limit > 0 {
		sql, args = sql+" LIMIT ?", append(args, limit)
	}
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var c Counted
		var partition int32
		err := scan(&c.Topic, &partition, &c.FirstOffset, &c.LastOffset, &c.Epoch, &c.Fingerprint, &c.FirstRecord, &c.Records, &c.Requests, &c.Errors, &c.DeadLetters, &c.Excluded, &c.Joined)
		c.Partition = int(partition)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for batches: %w", err)
	}
	return all, nil
}

// Records counts the Kafka records of a topic that are in.
func (s *Store) Records(ctx context.Context, topic string) (n uint64, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT sum(records) FROM batches WHERE topic = ?", topic).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the records of topic %s: %w", topic, err)
	}
	return n, nil
}

// Requests counts the requests of a topic by tenant.
func (s *Store) Requests(ctx context.Context, topic string) (map[string]int, error) {
	return s.counts(ctx, "SELECT tenant, sum(requests) FROM traffic_minute WHERE topic = ? GROUP BY tenant", topic)
}
