package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/enrich"
	"errata/internal/store"
)

// A Replay reads batches from Kafka again, through today's parser and beside running ingesters, and
// makes the new rows count instead of the old ones. Nothing is counted twice, because it keeps the
// existing boundaries. No reader sees a mixture, because the rows go in under a later epoch, which
// begins to count for all batches at once: with the last INSERT of all, into epoch_switches.
//
// It touches only batches that have left the group's plan, so no ingester repeats them meanwhile.
// The epoch is ours alone (store.ClaimEpoch): a replay that breaks off leaves rows that never
// count. No plan stands for these rows after a loss of power, so they are on the disk before the
// switch.
//
// A hole, offsets that no batch holds, is cut at round numbers (holeLength). If somebody else cuts
// the same hole meanwhile, another replay or an ingester whose offset was set back, the check right
// before the switch notices, and nothing is changed.
type Replay struct {
	Kafka       *Kafka
	Store       *store.Store
	Processor   *enrich.Processor
	Fingerprint string
	Force       bool // also batches that this parser has made: to repair tables that were damaged
	Log         *slog.Logger
}

// Replayed is the result of a replay.
type Replayed struct {
	Batches, Records int      // that were made again
	Before, After    Counts   // of them
	Same             int      // batches that this parser had made already
	Left             []string // batches that stay as they are, and why
	Epoch            uint32

	switches    []*store.Batch // all, without their rows
	pending     []*store.Batch // made, not inserted yet
	pendingRows int
	pendingSize int64
}

// Counts are sums over batches.
type Counts struct{ Requests, Errors, DeadLetters uint64 }

// holeLength is how many offsets of a hole go into one new batch.
const holeLength = 10_000

// job is one batch to make.
type job struct {
	first, last int64
	was         *store.Counted // nil: it is new
	hole        int64          // of a new batch: where the hole begins that it lies in
}

// Between replays all records that Kafka stamped at or after from and before to; a zero time is no
// bound.
func (r *Replay) Between(ctx context.Context, from, to time.Time) (*Replayed, error) {
	committed, err := r.Kafka.committed(ctx)
	if err != nil {
		return nil, err
	}
	jobs := map[topicPartition][]job{}
	later := 0
	for tp, p := range committed {
		later += len(p.Runs)
		first, end, err := r.Kafka.bounds(ctx, tp)
		if err != nil {
			return nil, err
		}
		if !from.IsZero() {
			if first, err = r.at(ctx, tp, from, first, end); err != nil {
				return nil, err
			}
		}
		if !to.IsZero() {
			if end, err = r.at(ctx, tp, to, first, end); err != nil {
				return nil, err
			}
		}
		if jobs[tp], err = r.jobs(ctx, tp, first, min(end, p.Offset)); err != nil { // what is planned belongs to the ingesters
			return nil, err
		}
	}
	if later > 0 {
		r.Log.Info("skipped batches that ingesters have planned in the last minute", "batches", later)
	}
	return r.run(ctx, jobs)
}

// At replays the batch that holds an offset, or all of the hole that it lies in.
func (r *Replay) At(ctx context.Context, place store.Place) (*Replayed, error) {
	tp := topicPartition{place.Topic, place.Partition}
	committed, err := r.Kafka.committed(ctx)
	if err != nil {
		return nil, err
	}
	leaders, err := r.Kafka.leadersOf(ctx)
	if err != nil {
		return nil, err
	}
	if _, ok := leaders[tp]; !ok {
		return nil, fmt.Errorf("there is no partition %s among kafka.topics", tp)
	}
	first, _, err := r.Kafka.bounds(ctx, tp)
	if err != nil {
		return nil, err
	}
	p, ok := committed[tp]
	done := p.end() // what is planned too: it leaves the plan in a minute
	if !ok || place.Offset < first || place.Offset >= done {
		return nil, fmt.Errorf("%s: offset %d is not one of %d to %d, which Kafka has and the ingesters have read", tp, place.Offset, first, done-1)
	}
	recorded, err := r.Store.RecordedFrom(ctx, []store.Place{place})
	if err != nil {
		return nil, err
	}
	there := recorded[0]
	begin, end := place.Offset, done
	if len(there) > 0 && there[0].FirstOffset <= place.Offset {
		end = place.Offset + 1
	} else {
		if begin, err = r.Store.RecordedBefore(ctx, tp.topic, tp.id, place.Offset); err != nil {
			return nil, err
		}
		if len(there) > 0 {
			end = min(end, there[0].FirstOffset)
		}
	}
	list, err := r.jobs(ctx, tp, max(first, begin), end)
	if err != nil {
		return nil, err
	}
	return r.run(ctx, map[topicPartition][]job{tp: list})
}

// jobs returns the batches that hold any of the offsets from first up to end, and new ones for the
// holes between them.
func (r *Replay) jobs(ctx context.Context, tp topicPartition, first, end int64) (list []job, err error) {
	if first >= end {
		return nil, nil
	}
	there, err := r.Store.BatchesBetween(ctx, tp.topic, tp.id, first, end)
	if err != nil {
		return nil, err
	}
	hole := first // the beginning of the hole that we are in
	if len(there) == 0 || there[0].FirstOffset > first {
		if hole, err = r.Store.RecordedBefore(ctx, tp.topic, tp.id, first); err != nil {
			return nil, err
		}
	}
	fill := func(until int64) {
		for first < until {
			last := min(first-first%holeLength+holeLength, until) - 1
			list = append(list, job{first: first, last: last, hole: hole})
			first = last + 1
		}
	}
	for i, b := range there {
		fill(b.FirstOffset)
		list = append(list, job{first: b.FirstOffset, last: b.LastOffset, was: &there[i]})
		first, hole = b.LastOffset+1, b.LastOffset+1
	}
	fill(end)
	return list, nil
}

// void makes the switch also void orphans in a hole, rows of a batch that is recorded nowhere. Such
// a batch may begin before what is filled and reach into it.
func (r *Replay) void(ctx context.Context, tp topicPartition, list []job, done *Replayed) error {
	i := slices.IndexFunc(list, func(j job) bool { return j.was == nil })
	if i < 0 {
		return nil
	}
	orphans, err := r.Store.Orphans(ctx, []store.Place{{Topic: tp.topic, Partition: tp.id, Offset: list[i].hole}})
	if err != nil {
		return err
	}
	for _, s := range orphans[0] {
		if slices.ContainsFunc(list, func(j job) bool { return j.was == nil && j.hole <= s.FirstOffset && s.FirstOffset <= j.last }) {
			done.switches = append(done.switches, &store.Batch{Topic: tp.topic, Partition: tp.id, FirstOffset: s.FirstOffset, Epoch: done.Epoch})
		}
	}
	return nil
}

// at returns the first offset that Kafka stamped at or after a time, between the bounds of the log.
func (r *Replay) at(ctx context.Context, tp topicPartition, t time.Time, first, end int64) (int64, error) {
	offset, err := r.Kafka.listOffset(ctx, tp, t.UnixMilli())
	if err != nil {
		return 0, err
	}
	if offset < 0 {
		return end, nil
	}
	return max(offset, first), nil
}

// DeadLetters replays the batches that hold the dead letters of a selection.
func (r *Replay) DeadLetters(ctx context.Context, sel store.Selection) (*Replayed, error) {
	there, err := r.Store.BatchesWith(ctx, sel)
	if err != nil {
		return nil, err
	}
	jobs := map[topicPartition][]job{}
	for i, b := range there {
		tp := topicPartition{b.Topic, b.Partition}
		jobs[tp] = append(jobs[tp], job{first: b.FirstOffset, last: b.LastOffset, was: &there[i]})
	}
	return r.run(ctx, jobs)
}

// run makes the batches and switches to them.
func (r *Replay) run(ctx context.Context, jobs map[topicPartition][]job) (*Replayed, error) {
	done := &Replayed{}
	var greatest uint32
	for tp, list := range jobs {
		jobs[tp] = slices.DeleteFunc(list, func(j job) bool {
			same := j.was != nil && j.was.Fingerprint == r.Fingerprint && !r.Force
			if same {
				done.Same++
			}
			return same
		})
		for _, j := range jobs[tp] {
			if j.was != nil {
				greatest = max(greatest, j.was.Epoch)
			}
		}
	}
	if err := r.leaveSealed(ctx, jobs, done); err != nil {
		return done, err
	}
	if err := r.awaitPlans(ctx, jobs, done); err != nil {
		return done, err
	}
	maps.DeleteFunc(jobs, func(_ topicPartition, list []job) bool { return len(list) == 0 })
	if len(jobs) == 0 {
		return done, nil
	}
	if err := r.make(ctx, jobs, greatest, done); err != nil {
		return done, fmt.Errorf("nothing is changed, the same command can be run again: %w", err)
	}
	// There is no hurry, and many readers may be looking: queries that began before the last rows
	// were written get time to end.
	sleep(ctx, time.Second)
	if err := r.retry(ctx, "cannot switch to the new rows", func() error { return r.Store.SwitchForGood(ctx, done.switches) }); err != nil {
		return done, fmt.Errorf("it is not certain whether the new rows count now, run the same command again: %w", err)
	}
	return done, nil
}

// make makes all batches and brings their rows to the disk.
func (r *Replay) make(ctx context.Context, jobs map[topicPartition][]job, greatest uint32, done *Replayed) error {
	serverID, err := r.Store.ServerID(ctx)
	if err != nil {
		return err
	}
	if done.Epoch, err = r.Store.ClaimEpoch(ctx, r.Fingerprint, greatest); err != nil {
		return err
	}
	for _, tp := range slices.SortedFunc(maps.Keys(jobs), topicPartition.compare) {
		if err := r.void(ctx, tp, jobs[tp], done); err != nil {
			return err
		}
		if err := r.read(ctx, tp, jobs[tp], done); err != nil {
			return err
		}
	}
	if err := r.insert(ctx, done); err != nil {
		return err
	}
	if err := r.sync(ctx, serverID); err != nil {
		return err
	}
	return r.unchanged(ctx, jobs)
}

// sync ensures that what was inserted survives a loss of power.
func (r *Replay) sync(ctx context.Context, serverID string) error {
	if err := r.retry(ctx, "cannot wait for the new rows to be on the disk", func() error { return r.Store.Sync(ctx) }); err != nil {
		return err
	}
	now, err := r.Store.ServerID(ctx)
	if err == nil && now != serverID {
		err = errors.New("clickhouse was restarted meanwhile and may have lost new rows")
	}
	return err
}

// unchanged checks that the holes are still holes: there are no batches in them by now, and no
// ingester was sent back to them.
func (r *Replay) unchanged(ctx context.Context, jobs map[topicPartition][]job) error {
	committed, err := r.Kafka.committed(ctx)
	if err != nil {
		return err
	}
	for tp, list := range jobs {
		for _, j := range list {
			if j.was != nil {
				continue
			}
			there, err := r.Store.BatchesBetween(ctx, tp.topic, tp.id, j.first, j.last+1)
			if err != nil {
				return err
			}
			if len(there) > 0 || committed[tp].Offset <= j.last {
				return fmt.Errorf("%s offsets %d to %d: another replay or an ingester has read them meanwhile", tp, j.first, j.last)
			}
		}
	}
	return nil
}

// leaveSealed drops the batches whose sums are sealed.
func (r *Replay) leaveSealed(ctx context.Context, jobs map[topicPartition][]job, done *Replayed) error {
	for tp, list := range jobs {
		var first []int64
		for _, j := range list {
			if j.was != nil {
				first = append(first, j.first)
			}
		}
		sealed, err := r.Store.Sealed(ctx, tp.topic, tp.id, first)
		if err != nil {
			return err
		}
		jobs[tp] = slices.DeleteFunc(list, func(j job) bool {
			day, isSealed := sealed[j.first]
			if isSealed && j.was != nil {
				done.Left = append(done.Left, fmt.Sprintf("%s offsets %d to %d: the sums of %s are sealed (ingest.seal_after)", tp, j.first, j.last, day.Format(time.DateOnly)))
			}
			return isSealed && j.was != nil
		})
	}
	return nil
}

// awaitPlans waits until the batches have left the group's plan, which takes a minute while an
// ingester runs. It drops those that do not leave it.
func (r *Replay) awaitPlans(ctx context.Context, jobs map[topicPartition][]job, done *Replayed) error {
	for deadline, told := time.Now().Add(keepPlanned+30*time.Second), false; ; {
		committed, err := r.Kafka.committed(ctx)
		if err != nil {
			return err
		}
		planned := func(tp topicPartition, j job) bool { return j.last >= committed[tp].Offset }
		waiting := 0
		for tp, list := range jobs {
			for _, j := range list {
				if planned(tp, j) {
					waiting++
				}
			}
		}
		if waiting == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			for tp, list := range jobs {
				jobs[tp] = slices.DeleteFunc(list, func(j job) bool {
					if planned(tp, j) {
						done.Left = append(done.Left, fmt.Sprintf("%s offsets %d to %d: still in the plan of the ingesters; try again while one runs", tp, j.first, j.last))
					}
					return planned(tp, j)
				})
			}
			return nil
		}
		if !told {
			r.Log.Info("waiting for batches to leave the plan of the ingesters, a minute at most", "batches", waiting)
			told = true
		}
		if !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// read makes the batches of one partition, in order.
func (r *Replay) read(ctx context.Context, tp topicPartition, jobs []job, done *Replayed) error {
	var batch *store.Batch // of the first job
	begin := func() {
		if len(jobs) > 0 {
			batch = store.NewBatch(tp.topic, tp.id, jobs[0].first, r.Kafka.cfg.Limits)
			batch.Epoch, batch.Fingerprint = done.Epoch, r.Fingerprint
		}
	}
	finishBefore := func(offset int64) {
		for len(jobs) > 0 && jobs[0].last < offset {
			done.finish(tp, jobs[0], batch)
			jobs = jobs[1:]
			begin()
		}
	}
	begin()
	for from := int64(0); len(jobs) > 0; {
		from = max(from, jobs[0].first)
		next, err := r.Kafka.scan(ctx, tp, from, jobs[len(jobs)-1].last, func(rec record) (more bool) {
			finishBefore(rec.offset)
			if len(jobs) == 0 || rec.offset < jobs[0].first {
				return false // and continue where the next one begins
			}
			if cause := fill(batch, r.Processor, rec); cause != nil {
				logPanic(r.Log, tp, rec.offset, cause)
			}
			return done.pendingRows < r.Kafka.cfg.Batch.Rows && done.pendingSize < r.Kafka.cfg.memory()/2
		})
		switch {
		case errors.Is(err, kafka.OffsetOutOfRange):
			var first int64
			if first, _, err = r.Kafka.bounds(ctx, tp); err != nil {
				return err
			}
			if first <= next {
				return fmt.Errorf("%s ends before offset %d, which was counted: the topic was created again", tp, next)
			}
			next = first
		case err == nil && next <= from:
			return fmt.Errorf("%s: Kafka sends nothing from offset %d on, which was counted", tp, from)
		case err != nil:
			return fmt.Errorf("read %s again: %w", tp, err)
		}
		from = next
		finishBefore(next)
		if done.pendingRows >= r.Kafka.cfg.Batch.Rows || done.pendingSize >= r.Kafka.cfg.memory()/2 {
			if err := r.insert(ctx, done); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish ends the batch of a job. It is kept unless Kafka no longer has everything that it was made
// of.
func (done *Replayed) finish(tp topicPartition, j job, b *store.Batch) {
	b.LastOffset = j.last
	switch {
	case j.was != nil && (b.Records != j.was.Records || j.was.FirstRecord != 0 && b.Records > 0 && b.FirstRecord != j.was.FirstRecord):
		done.Left = append(done.Left, fmt.Sprintf("%s offsets %d to %d: Kafka has %d of its %d records, so it stays as it is", tp, j.first, j.last, b.Records, j.was.Records))
	case j.was == nil && b.Records == 0: // nothing was there
	default:
		done.keep(b, j.was)
	}
}

// keep adds a batch to the result.
func (done *Replayed) keep(b *store.Batch, was *store.Counted) {
	b.Seal()
	done.Batches++
	done.Records += int(b.Records)
	if was != nil {
		done.Before.Requests += was.Requests
		done.Before.Errors += was.Errors
		done.Before.DeadLetters += was.DeadLetters
	}
	done.After.Requests += b.Requests
	done.After.Errors += b.Errors
	done.After.DeadLetters += b.DeadLetters
	done.pending = append(done.pending, b)
	done.pendingRows += b.Rows() + 1
	done.pendingSize += b.Size()
	done.switches = append(done.switches, &store.Batch{Topic: b.Topic, Partition: b.Partition, FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, Epoch: b.Epoch})
}

// insert writes the pending batches, under the epoch that does not count yet.
func (r *Replay) insert(ctx context.Context, done *Replayed) error {
	if len(done.pending) == 0 {
		return nil
	}
	err := r.retry(ctx, "cannot insert", func() error { return r.Store.InsertUnswitched(ctx, done.pending) })
	r.Log.Info("parsed records again", "batches", done.Batches, "records", done.Records)
	done.pending, done.pendingRows, done.pendingSize = nil, 0, 0
	return err
}

// replayPatience is how long a replay keeps trying: a person waits for it.
const replayPatience = 2 * time.Minute

// retry tries something until it succeeds or patience ends.
func (r *Replay) retry(ctx context.Context, what string, try func() error) error {
	wait := pauses()
	for deadline := time.Now().Add(replayPatience); ; {
		err := try()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) || errors.Is(err, store.ErrSealed) {
			return err
		}
		r.Log.Warn(what+", trying again", "reason", store.TroubleOf(err).Reason, "error", err)
		sleep(ctx, wait.NextBackOff())
	}
}
