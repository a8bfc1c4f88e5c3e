package store

import (
	"context"
	"fmt"
	"time"
)

// Orphan is a batch that is not recorded but has rows that count: its insert was not finished.
type Orphan struct {
	FirstOffset int64
	Epoch       uint32
}

// Orphans returns, for each place, the orphans of its partition that begin at or after its offset.
// An orphan that is in no plan is never finished. The query reads columns of whole tables, so it is
// not for everyday use.
func (s *Store) Orphans(ctx context.Context, places []Place) ([][]Orphan, error) {
	const rows = ` WHERE ` + inPlaces + ` AND first_offset >= ` + offsetOfPlace + ` AND ` + counted
	orphans := make([][]Orphan, len(places))
	var orphan Orphan
	err := s.askPlaces(ctx, `SELECT DISTINCT topic, partition, first_offset, epoch FROM (
		SELECT topic, partition, first_offset, epoch FROM error_rows`+rows+` UNION ALL SELECT topic, partition, first_offset, epoch FROM traffic_sums`+rows+`
		UNION ALL SELECT topic, partition, first_offset, epoch FROM error_sums`+rows+` UNION ALL SELECT topic, partition, first_offset, epoch FROM dead_letter_rows`+rows+`)
		WHERE (topic, partition, first_offset, epoch) NOT IN (SELECT topic, partition, first_offset, epoch FROM batch_rows WHERE `+inPlaces+` AND first_offset >= `+offsetOfPlace+`)
		ORDER BY topic, partition, first_offset`, places, nil, []any{&orphan.FirstOffset, &orphan.Epoch}, func(i int) { orphans[i] = append(orphans[i], orphan) })
	if err != nil {
		return nil, fmt.Errorf("look for orphans: %w", err)
	}
	return orphans, nil
}

// Voided is the range in which rows of a partition were voided. Batches that begin in it count only
// if they are written under its epoch or a later one.
type Voided struct {
	Last  int64  // the greatest first offset of a voided batch
	Epoch uint32 // 0: nothing was voided
}

// Void makes the rows of orphans stop counting: it switches them to an epoch under which no rows
// exist yet. A batch that is no orphan any more when the server executes the switch stays as it is,
// and Void returns an error: another process has finished or voided it and may have continued from
// there.
func (s *Store) Void(ctx context.Context, topic string, partition int, orphans []Orphan, epoch uint32) error {
	var offsets []int64
	var epochs []uint32
	for _, orphan := range orphans {
		offsets, epochs = append(offsets, orphan.FirstOffset), append(epochs, orphan.Epoch)
	}
	days := func(ctx context.Context) ([]time.Time, error) { return s.rolledUpDays(ctx, topic, partition, offsets) }
	err := s.changeDays(ctx, days, func() error {
		return s.conn.Exec(ctx, `INSERT INTO epoch_switches (topic, partition, first_offset, epoch)
			SELECT ?, ?, orphan.1, ? FROM (SELECT arrayJoin(arrayZip(?, ?)) AS orphan) AS orphans
			LEFT JOIN (SELECT first_offset, max(epoch) AS named FROM epoch_switches WHERE topic = ? AND partition = ? GROUP BY first_offset) AS names ON names.first_offset = orphan.1
			WHERE ifNull(named, 0) = orphan.2 AND orphan NOT IN (SELECT first_offset, epoch FROM batch_rows WHERE topic = ? AND partition = ?)`,
			topic, int32(partition), epoch, offsets, epochs, topic, partition, topic, partition)
	})
	if err != nil {
		return fmt.Errorf("void rows of %s/%d: %w", topic, partition, err)
	}
	var voided uint64
	err = s.conn.QueryRow(ctx, `SELECT uniqExact(first_offset) FROM epoch_switches WHERE topic = ? AND partition = ? AND first_offset IN (?) AND epoch >= ?`,
		topic, partition, offsets, epoch).Scan(&voided)
	if err != nil {
		return fmt.Errorf("check that rows of %s/%d are voided: %w", topic, partition, err)
	}
	if int(voided) < len(orphans) {
		return fmt.Errorf("void rows of %s/%d: another process has taken %d of the %d batches", topic, partition, len(orphans)-int(voided), len(orphans))
	}
	return nil
}

// VoidedFrom returns, for each place, what was voided at or after its offset.
func (s *Store) VoidedFrom(ctx context.Context, places []Place) ([]Voided, error) {
	all := make([]Voided, len(places))
	var v Voided
	err := s.askPlaces(ctx, `SELECT topic, partition, max(first_offset), max(epoch) FROM epoch_switches
		WHERE `+inPlaces+` AND first_offset >= `+offsetOfPlace+` GROUP BY topic, partition`, places, nil, []any{&v.Last, &v.Epoch}, func(i int) { all[i] = v })
	if err != nil {
		return nil, fmt.Errorf("look for voided rows: %w", err)
	}
	return all, nil
}
