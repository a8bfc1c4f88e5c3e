package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Recorded is a batch that is in, as the view batches shows it.
type Recorded struct {
	FirstOffset, LastOffset int64
	Epoch                   uint32
	Fingerprint             string
	FirstRecord             uint64 // the hash of its first record; 0: unknown
}

// Conditions for rows of the partitions of places, which bindPlaces fills in.
const (
	inPlaces      = "(topic, partition) IN (@partitions)"
	offsetOfPlace = "transform(concat(toString(topic), '/', toString(partition)), @names, @offsets, toInt64(0))"
)

func bindPlaces(places []Place) []any {
	var partitions []clickhouse.GroupSet
	var names []string
	var offsets []int64
	for _, p := range places {
		partitions = append(partitions, clickhouse.GroupSet{Value: []any{p.Topic, p.Partition}})
		names, offsets = append(names, p.Topic+"/"+strconv.Itoa(p.Partition)), append(offsets, p.Offset)
	}
	return []any{clickhouse.Named("partitions", partitions), clickhouse.Named("names", names), clickhouse.Named("offsets", offsets)}
}

// askPlaces runs a query on the partitions of places, at least one. The first two columns of a row
// are topic and partition. The others are read into fields, and then take is called with the index
// of the row's place.
func (s *Store) askPlaces(ctx context.Context, sql string, places []Place, args, fields []any, take func(i int)) error {
	index := map[Place]int{}
	for i, p := range places {
		index[Place{Topic: p.Topic, Partition: p.Partition}] = i
	}
	return s.ask(ctx, sql, append(bindPlaces(places), args...), func(scan func(...any) error) error {
		var topic string
		var partition int32
		err := scan(append([]any{&topic, &partition}, fields...)...)
		if err == nil {
			take(index[Place{Topic: topic, Partition: int(partition)}])
		}
		return err
	})
}

// RecordedFrom returns, for each place, the batches of its partition that contain its offset or
// come after it, in order. Whoever reads those offsets again must keep their boundaries.
func (s *Store) RecordedFrom(ctx context.Context, places []Place) ([][]Recorded, error) {
	return s.recorded(ctx, `SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, first_record FROM batches
		WHERE `+inPlaces+` AND last_offset >= `+offsetOfPlace+` ORDER BY topic, partition, first_offset`, places)
}

// LastRecorded returns, for each place, the last batch of its partition, nil if that has none.
func (s *Store) LastRecorded(ctx context.Context, places []Place) ([]*Recorded, error) {
	all, err := s.recorded(ctx, `SELECT topic, partition, max(first_offset), argMax(last_offset, first_offset), argMax(epoch, first_offset), argMax(fingerprint, first_offset),
		argMax(first_record, first_offset) FROM batches WHERE `+inPlaces+` GROUP BY topic, partition`, places)
	if err != nil {
		return nil, err
	}
	last := make([]*Recorded, len(places))
	for i, one := range all {
		if len(one) > 0 {
			last[i] = &one[0]
		}
	}
	return last, nil
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

func (s *Store) recorded(ctx context.Context, sql string, places []Place, args ...any) ([][]Recorded, error) {
	all := make([][]Recorded, len(places))
	var r Recorded
	fields := []any{&r.FirstOffset, &r.LastOffset, &r.Epoch, &r.Fingerprint, &r.FirstRecord}
	if err := s.askPlaces(ctx, sql, places, args, fields, func(i int) { all[i] = append(all[i], r) }); err != nil {
		return nil, fmt.Errorf("read the recorded batches: %w", err)
	}
	return all, nil
}

// Accepted returns, for each place, the batches of its partition that the server has accepted,
// complete, since its last start and at least so long ago: a loss of power would not lose them.
// Batches that it does not return may be in as well.
func (s *Store) Accepted(ctx context.Context, places []Place, ago time.Duration) ([][]Recorded, error) {
	return s.recorded(ctx, `SELECT DISTINCT topic, partition, first_offset, last_offset, epoch, fingerprint, toUInt64(0) FROM accepted
		WHERE `+inPlaces+` AND uptime() - up > @ago`, places, clickhouse.Named("ago", int64(ago.Seconds())))
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
