package store

import (
	"context"
	"fmt"
	"time"
)

// Watermark is the event time up to which all records of a partition are in, by what was known at
// the time At. For a partition that is read to its end, the two are equal.
type Watermark struct {
	Topic     string
	Partition int
	Watermark time.Time
	At        time.Time
}

// InsertWatermarks replaces the watermarks of partitions.
func (s *Store) InsertWatermarks(ctx context.Context, marks []Watermark) error {
	return watermarkTable.insert(ctx, s, alone(marks))
}

var watermarkTable = table[Watermark]{
	name: "watermark_rows",
	columns: []column[Watermark]{
		col("topic", func(_ *Batch, w *Watermark) *string { return &w.Topic }),
		number[Watermark, int32]("partition", func(_ *Batch, w *Watermark) *int { return &w.Partition }),
		col("watermark", func(_ *Batch, w *Watermark) *time.Time { return &w.Watermark }),
		col("at", func(_ *Batch, w *Watermark) *time.Time { return &w.At }),
	},
}

// retired is the watermark of a partition that is no longer read. Nothing will come from it, so it
// delays nothing: the view watermarks leaves it out.
const retired = "2200-01-01 00:00:00"

// RetireTopics marks the partitions of all topics but the given ones as no longer read. A partition
// that is read again gets an ordinary watermark at once.
func (s *Store) RetireTopics(ctx context.Context, but []string) error {
	err := s.conn.Exec(ctx, `INSERT INTO watermark_rows (topic, partition, watermark, at)
		SELECT DISTINCT topic, partition, toDateTime64('`+retired+`', 3, 'UTC'), now64(3)
		FROM (SELECT topic, partition FROM batch_rows UNION ALL SELECT topic, partition FROM watermark_rows)
		WHERE topic NOT IN (?) AND (topic, partition) NOT IN (SELECT topic, partition FROM watermark_rows FINAL WHERE watermark >= '`+retired+`')`, but)
	if err != nil {
		return fmt.Errorf("retire the watermarks of other topics: %w", err)
	}
	return nil
}

// DataWatermark returns the event time up to which the data of all partitions is in. It is zero,
// for unknown, if there are no partitions or if some have batches but no watermark yet; missing
// names these. Retired partitions (RetireTopics) delay nothing.
func (s *Store) DataWatermark(ctx context.Context) (watermark time.Time, missing string, err error) {
	// batch_rows instead of batches: the table is long, and it does not matter which epoch counts.
	var partitions uint64
	err = s.conn.QueryRow(ctx, `
		SELECT count(), min(watermark),
			(SELECT arrayStringConcat(arraySort(groupUniqArray(concat(topic, '/', toString(partition)))), ', ') FROM batch_rows
			 WHERE (topic, partition) NOT IN (SELECT topic, partition FROM watermark_rows))
		FROM watermarks`).Scan(&partitions, &watermark, &missing)
	switch {
	case err != nil:
		return time.Time{}, "", fmt.Errorf("read the watermarks: %w", err)
	case partitions == 0 || missing != "":
		return time.Time{}, missing, nil
	}
	return watermark, "", nil
}
