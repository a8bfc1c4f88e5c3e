package store

import (
	"context"
	"errors"
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
	Records, Requests, Errors, DeadLetters uint64
}

// BatchesWith gives the batches that hold dead letters of a selection, by partition and offset.
func (s *Store) BatchesWith(ctx context.Context, sel Selection) ([]Counted, error) {
	where, args := sel.where()
	return s.batches(ctx, "(topic, partition, first_offset) IN (SELECT topic, partition, first_offset FROM dead_letter_rows FINAL WHERE "+counted+" AND "+where+")", args...)
}

// BatchesBetween gives the batches of a partition that hold any of the offsets from first up to, but not with, end.
func (s *Store) BatchesBetween(ctx context.Context, topic string, partition int, first, end int64) ([]Counted, error) {
	return s.batches(ctx, "topic = ? AND partition = ? AND last_offset >= ? AND first_offset < ?", topic, partition, first, end)
}

func (s *Store) batches(ctx context.Context, where string, args ...any) (all []Counted, err error) {
	rows, err := s.conn.Query(ctx, `SELECT topic, partition, first_offset, last_offset, epoch, fingerprint, first_record, records, requests, errors, dead_letters
		FROM batches WHERE `+where+` ORDER BY topic, partition, first_offset`, args...)
	if err != nil {
		return nil, fmt.Errorf("look for batches: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c Counted
		var partition int32
		if err := rows.Scan(&c.Topic, &partition, &c.FirstOffset, &c.LastOffset, &c.Epoch, &c.Fingerprint, &c.FirstRecord, &c.Records, &c.Requests, &c.Errors, &c.DeadLetters); err != nil {
			return nil, err
		}
		c.Partition = int(partition)
		all = append(all, c)
	}
	return all, rows.Err()
}

// InsertUnswitched writes batches of a later epoch that do not count yet: Switch makes them count.
func (s *Store) InsertUnswitched(ctx context.Context, batches []*Batch) error {
	return s.insert(ctx, batches)
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
	rows, err := s.conn.Query(ctx, "SELECT ts, reason, topic, partition, offset, `index`, sample"+condition+
		" ORDER BY ts DESC, topic, partition, offset DESC, `index` LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, 0, fmt.Errorf("list the dead letters: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d DeadLetter
		var partition int32
		var index uint32
		if err := rows.Scan(&d.Time, &d.Reason, &d.Topic, &partition, &d.Offset, &index, &d.Sample); err != nil {
			return nil, 0, err
		}
		d.Partition, d.Index = int(partition), int(index)
		list = append(list, d)
	}
	return list, total, rows.Err()
}
