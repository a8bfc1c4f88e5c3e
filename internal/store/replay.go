package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Selection says which dead letters are meant: all that fit every condition. A zero condition is none.
type Selection struct {
	Topics  []string
	Reasons []string
	Since   time.Time // by Kafka's time
	At      *Place
}

// Place is one Kafka record.
type Place struct {
	Topic     string
	Partition int
	Offset    int64
}

func (sel Selection) where() (condition string, args []any) {
	conditions, args := []string{"topic IN (?)"}, []any{sel.Topics}
	if len(sel.Reasons) > 0 {
		conditions, args = append(conditions, "reason IN (?)"), append(args, sel.Reasons)
	}
	if !sel.Since.IsZero() {
		conditions, args = append(conditions, "ts >= ?"), append(args, sel.Since)
	}
	if at := sel.At; at != nil {
		conditions, args = append(conditions, "topic = ? AND partition = ? AND offset = ?"), append(args, at.Topic, at.Partition, at.Offset)
	}
	return strings.Join(conditions, " AND "), args
}

// Counted is a batch that counts, with what it was recorded with.
type Counted struct {
	Topic     string
	Partition int
	Recorded
	Records, Requests, Errors, DeadLetters, Excluded uint64
}

// BatchesWith gives the batches that hold dead letters of a selection, by partition and offset.
func (s *Store) BatchesWith(ctx context.Context, sel Selection) ([]Counted, error) {
	where, args := sel.where()
	return s.batches(ctx, "(topic, partition, first_offset) IN (SELECT topic, partition, first_offset FROM dead_letter_rows FINAL WHERE "+counted+" AND "+where+")", 0, args...)
}

// BatchesBetween gives the batches of a partition that hold any of the offsets from first up to, but not with, end.
func (s *Store) BatchesBetween(ctx context.Context, topic string, partition int, first, end int64) ([]Counted, error) {
	return s.batches(ctx, "topic = ? AND partition = ? AND last_offset >= ? AND first_offset < ?", 0, topic, partition, first, end)
}

// BatchesFrom gives the first batches of a partition, at most limit, of those that begin in [from, to).
func (s *Store) BatchesFrom(ctx context.Context, topic string, partition int, from, to int64, limit int) ([]Counted, error) {
	return s.batches(ctx, "topic = ? AND partition = ? AND first_offset >= ? AND first_offset < ?", limit, topic, partition, from, to)
}

// batches gives those that count and fulfil a condition, in order; limit 0 is none.
func (s *Store) batches(ctx context.Context, where string, limit int, args ...any) (all []Counted, err error) {
	sql := `SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, first_record, records, requests, errors, dead_letters, excluded
		FROM batches WHERE ` + where + ` ORDER BY topic, partition, first_offset, last_offset`
	if limit > 0 {
		sql, args = sql+" LIMIT ?", append(args, limit)
	}
	err = s.ask(ctx, sql, args, func(scan func(...any) error) error {
		var c Counted
		var partition int32
		err := scan(&c.Topic, &partition, &c.FirstOffset, &c.LastOffset, &c.Epoch, &c.Fingerprint, &c.FirstRecord, &c.Records, &c.Requests, &c.Errors, &c.DeadLetters, &c.Excluded)
		c.Partition = int(partition)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for batches: %w", err)
	}
	return all, nil
}

// InsertUnswitched writes batches of a later epoch that do not count yet: Switch makes them count.
func (s *Store) InsertUnswitched(ctx context.Context, batches []*Batch) error {
	return s.insert(ctx, batches)
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

// DeadLetter is one record, or one element of a record, that could not be used.
type DeadLetter struct {
	Time      time.Time // Kafka's; 1970 when that is not known
	Reason    string
	Topic     string
	Partition int
	Offset    int64
	Index     int // of the element in the record's array
	Sample    string
}

// DeadLetterList gives dead letters, the newest first, and how many there are in all.
func (s *Store) DeadLetterList(ctx context.Context, sel Selection, limit int) (list []DeadLetter, total uint64, err error) {
	where, args := sel.where()
	condition := " FROM dead_letters WHERE " + where
	if err := s.conn.QueryRow(ctx, "SELECT count()"+condition, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count the dead letters: %w", err)
	}
	err = s.ask(ctx, "SELECT ts, reason, topic, partition, offset, `index`, sample"+condition+
		" ORDER BY ts DESC, topic, partition, offset DESC, `index` LIMIT ?", append(args, limit), func(scan func(...any) error) error {
		var d DeadLetter
		var partition int32
		var index uint32
		err := scan(&d.Time, &d.Reason, &d.Topic, &partition, &d.Offset, &index, &d.Sample)
		d.Partition, d.Index = int(partition), int(index)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the dead letters: %w", err)
	}
	return list, total, nil
}
