package store

import (
	"context"
	"fmt"
	"time"
)

// Watermark says that all records of a partition with earlier event times are in, as far as could be
// known at the given time: of a partition that is caught up it is that time itself.
type Watermark struct {
	Topic     string
	Partition int
	Watermark time.Time
	At        time.Time
}

// InsertWatermarks replaces the partitions' watermarks.
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

// retired is the watermark of a partition that nobody reads any more: nothing later will come from it, so it
// holds nobody back. The view leaves it out.
const retired = "2200-01-01 00:00:00"

// RetireTopics marks the partitions of all topics but the given ones as read no more. One that is read
// again gets an ordinary watermark at once.
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

// DataWatermark is the time before which the data of every partition is in. A partition that has
// batches and no watermark yet is named in missing; with one of those, or without any partition, nothing is known.
// Partitions that nobody reads any more (RetireTopics) hold nothing back.
func (s *Store) DataWatermark(ctx context.Context) (watermark time.Time, missing string, err error) {
	// batch_rows and not batches: which epoch counts does not matter here, and the table is long.
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
