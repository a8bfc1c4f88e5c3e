package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

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
