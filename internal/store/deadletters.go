package store

import (
	"context"
	"fmt"
	"time"
)

// Selection selects the dead letters that meet all its conditions. A zero field is no condition,
// but at least one topic is required.
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

func (sel Selection) where() Condition {
	c := Scope{From: sel.Since, Topics: sel.Topics}.Where("ts")
	if len(sel.Reasons) > 0 {
		c = c.And("reason IN (?)", sel.Reasons)
	}
	if at := sel.At; at != nil {
		c = c.And("topic = ? AND partition = ? AND offset = ?", at.Topic, at.Partition, at.Offset)
	}
	return c
}

// DeadLetter is a record, or an element of a record, that could not be used.
type DeadLetter struct {
	Time      time.Time // Kafka's; 1970 if unknown
	Reason    string
	Topic     string
	Partition int
	Offset    int64
	Index     int // of the element in the record's array
	Sample    string
}

// DeadLetterList returns up to limit dead letters, newest first, and the number of all.
func (s *Store) DeadLetterList(ctx context.Context, sel Selection, limit int) (list []DeadLetter, total uint64, err error) {
	where := sel.where()
	condition, args := " FROM dead_letters WHERE "+where.SQL, where.Args
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

// DeadLetters counts the dead letters of a topic by reason.
func (s *Store) DeadLetters(ctx context.Context, topic string) (map[string]int, error) {
	return s.counts(ctx, "SELECT reason, count() FROM dead_letters WHERE topic = ? GROUP BY reason", topic)
}

// counts runs a query for keys and numbers.
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
