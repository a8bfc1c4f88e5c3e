package delivery

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"errata/internal/link"
	"errata/internal/store"
)

// takeOver reads the plan of each partition that is now ours. A partition whose plan is our own
// last commit, to the letter, has had no other owner since and continues where it was, unless the
// server was restarted: then everything is repeated.
func (g *generation) takeOver(ctx context.Context, assigned []topicPartition) error {
	var serverID string
	var committed map[topicPartition]plan
	if err := g.patiently(ctx, func() (err error) {
		if serverID, err = g.database.ServerID(ctx); err == nil {
			committed, err = g.broker.committed(ctx)
		}
		return err
	}); err != nil {
		return err
	}
	if serverID != g.serverID {
		g.serverID, g.last = serverID, nil
	}
	unknown := map[topicPartition]plan{} // partitions that are new to us
	for _, tp := range assigned {
		was, isCommitted := committed[tp]
		if last := g.last[tp]; isCommitted && last != nil && last.plan().encode() == was.encode() && last.offset == was.Offset {
			g.partitions = append(g.partitions, last)
			continue
		}
		if !isCommitted {
			was = plan{Offset: unknownOffset}
		}
		unknown[tp] = was
	}
	if len(unknown) > 0 {
		var adopted []*partition
		if err := g.patiently(ctx, func() (err error) {
			adopted, err = g.adopt(ctx, unknown)
			return err
		}); err != nil {
			return err
		}
		g.partitions = append(g.partitions, adopted...)
	}
	slices.SortFunc(g.partitions, func(a, b *partition) int { return a.compare(b.topicPartition) })
	g.countStopped()
	return g.commit(ctx)
}

// errOvertaken means that our generation is over although we have not been told yet.
var errOvertaken = errors.New("another member has planned batches of it")

// patiently asks until there is an answer or the generation ends: leaving it and coming back would
// stop all other members too. ask must be idempotent.
func (g *generation) patiently(ctx context.Context, ask func() error) error {
	wait := pauses()
	for {
		err := ask()
		if err == nil || errors.Is(err, link.ErrRefused) || errors.Is(err, errOvertaken) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		g.state.say(&g.state.group, "cannot take partitions over: %v", err)
		g.log.Warn("cannot take partitions over, trying again", "error", err)
		if !g.sleep(ctx, wait.NextBackOff()) {
			return ctx.Err()
		}
	}
}

// pauses returns the pauses between attempts: short at first and 3 s at most, so that a server that
// is back is not kept waiting.
func pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 3 * time.Second}
}

// unknownOffset stands for an offset that the group does not have.
const unknownOffset = -1

// adoption is the take-over of one partition that is new to us.
type adoption struct {
	*generation
	tp         topicPartition
	was        plan // as committed; from findStart on without the runs that were left behind, and with an offset
	hadPlan    bool // somebody planned something from the committed offset on
	hadOffset  bool
	last       *store.Recorded // the last recorded batch; nil: there is none
	first, end int64           // of the log
	pruned     bool            // runs were left behind
	orphans    []store.Orphan
	partition  *partition // what it makes
}

// adopt makes the state of partitions that are new to us, from what is committed, what is recorded,
// and what their logs hold. It asks the database for all partitions at once, because a question
// about many costs little more than about one.
func (g *generation) adopt(ctx context.Context, unknown map[topicPartition]plan) (partitions []*partition, err error) {
	all := make(adoptions, 0, len(unknown))
	for tp, was := range unknown {
		all = append(all, &adoption{generation: g, tp: tp, was: was, hadPlan: !was.lost(), hadOffset: was.Offset != unknownOffset})
	}
	slices.SortFunc(all, func(a, b *adoption) int { return a.tp.compare(b.tp) })
	for _, step := range []func(context.Context, *generation) error{all.findStarts, all.findOrphans, all.findPlanned, all.void} {
		if err := step(ctx, g); err != nil {
			return nil, err
		}
	}
	for _, a := range all {
		if err := a.checkLog(ctx); err != nil {
			return nil, err
		}
		if err := a.recordSkipped(ctx); err != nil {
			return nil, err
		}
		partitions = append(partitions, a.partition)
	}
	return partitions, nil
}

type adoptions []*adoption

// places returns an offset of each partition.
func (all adoptions) places(offset func(*adoption) int64) []store.Place {
	places := make([]store.Place, len(all))
	for i, a := range all {
		places[i] = store.Place{Topic: a.tp.topic, Partition: a.tp.id, Offset: offset(a)}
	}
	return places
}

// those returns the adoptions that something holds for.
func (all adoptions) those(holds func(*adoption) bool) (some adoptions) {
	for _, a := range all {
		if holds(a) {
			some = append(some, a)
		}
	}
	return some
}

// findStarts finds the offsets to begin at. It leaves runs at the beginning of a plan behind: those
// that the previous owner would have left behind a moment later. An owner that never has the
// partition for a minute would otherwise hand on longer and longer plans.
func (all adoptions) findStarts(ctx context.Context, g *generation) error {
	last, err := g.database.LastRecorded(ctx, all.places(func(a *adoption) int64 { return 0 }))
	if err != nil {
		return err
	}
	for i, a := range all {
		a.last = last[i]
		if a.first, a.end, err = g.broker.bounds(ctx, a.tp); err != nil {
			return err
		}
	}
	running := all.those(func(a *adoption) bool { return len(a.was.Runs) > 0 })
	if len(running) > 0 {
		accepted, err := g.database.Accepted(ctx, running.places(func(a *adoption) int64 { return a.was.Offset }), keepPlanned)
		if err != nil {
			return err
		}
		for i, a := range running {
			a.pruned = a.was.leave(accepted[i])
		}
	}
	for _, a := range all {
		switch {
		case a.hadOffset:
		case a.last != nil: // the group's offsets have expired: the record says where we were
			a.was.Offset = a.last.LastOffset + 1
		default:
			if a.was.Offset, err = g.broker.start(ctx, a.tp); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordedEnd is the offset behind the last recorded batch, otherwise when there is none.
func (a *adoption) recordedEnd(otherwise int64) int64 {
	if a.last != nil {
		return a.last.LastOffset + 1
	}
	return otherwise
}

// findOrphans finds batches that were inserted and recorded nowhere, and whose plan is lost with
// the group's offset. What another owner has planned since we were told that there is no plan is
// not among them.
func (all adoptions) findOrphans(ctx context.Context, g *generation) error {
	lost := all.those(func(a *adoption) bool { return !a.hadPlan })
	if len(lost) == 0 {
		return nil
	}
	orphans, err := g.database.Orphans(ctx, lost.places(func(a *adoption) int64 { return a.recordedEnd(0) }))
	if err != nil {
		return err
	}
	for i, a := range lost {
		a.orphans = orphans[i]
	}
	lost = lost.those(func(a *adoption) bool { return len(a.orphans) > 0 })
	if len(lost) == 0 {
		return nil
	}
	now, err := g.broker.committed(ctx)
	if err != nil {
		return err
	}
	for _, a := range lost {
		if then, isCommitted := now[a.tp]; isCommitted && !then.lost() {
			return fmt.Errorf("%s: %w", a.tp, errOvertaken)
		}
	}
	return nil
}

// findPlanned makes the partitions with the runs that were cut before us.
func (all adoptions) findPlanned(ctx context.Context, g *generation) error {
	recorded, err := g.database.RecordedFrom(ctx, all.places(func(a *adoption) int64 { return a.was.Offset }))
	if err != nil {
		return err
	}
	for i, a := range all {
		p := newPartition(a.tp, a.was, recorded[i], g.fingerprint)
		p.limits, p.clock = g.cfg.Limits, g.now
		if p.epochNeeded {
			epoch, err := g.database.ClaimEpoch(ctx, g.fingerprint, p.greatestEpoch())
			if err != nil {
				return err
			}
			p.setEpoch(epoch)
		}
		p.uncommitted = p.uncommitted || !a.hadPlan || a.pruned // a start position holds from now on
		a.partition = p
	}
	return nil
}

// void takes the orphans out of the count, and notes under which epoch their records are to be
// written.
func (all adoptions) void(ctx context.Context, g *generation) error {
	for _, a := range all {
		if err := a.void(ctx); err != nil {
			return err
		}
	}
	voided, err := g.database.VoidedFrom(ctx, all.places(func(a *adoption) int64 { return a.partition.knownEnd() }))
	if err != nil {
		return err
	}
	for i, a := range all {
		a.partition.voided = voided[i]
	}
	return nil
}

func (a *adoption) void(ctx context.Context) error {
	orphans := a.orphans
	if len(orphans) > 0 {
		epoch, err := a.database.ClaimEpoch(ctx, a.fingerprint, a.partition.greatestEpoch())
		if err != nil {
			return err
		}
		a.log.Warn("voided rows whose plan was lost with the group's offset; their records are read again",
			"topic", a.tp.topic, "partition", a.tp.id, "batches", len(orphans), "epoch", epoch)
		return a.database.Void(ctx, a.tp.topic, a.tp.id, orphans, epoch)
	}
	return nil
}

// checkLog stops reading a partition whose log is not the one that is planned and recorded.
func (a *adoption) checkLog(ctx context.Context) error {
	p := a.partition
	if p.knownEnd() > a.end {
		a.stopReading(p, "its log ends before what was read from it", "read_to", p.knownEnd(), "log_ends_at", a.end)
		return nil
	}
	if a.last == nil || a.last.FirstRecord == 0 || a.last.FirstOffset < a.first || a.last.FirstOffset >= a.end {
		return nil
	}
	same, err := a.isSame(ctx, a.tp, *a.last)
	if err == nil && !same {
		a.stopReading(p, "its log holds another record than the one that was counted", "offset", a.last.FirstOffset)
	}
	return err
}

// recordSkipped records a gap where somebody has set the group's offset past records that were
// never read.
func (a *adoption) recordSkipped(ctx context.Context) error {
	begun := a.recordedEnd(a.first)
	if a.hadPlan || !a.hadOffset || begun >= a.was.Offset {
		return nil
	}
	return a.gap(ctx, a.tp, run{first: begun, last: a.was.Offset - 1}, gapSkipped)
}

// isSame reports whether the log still holds the records of a batch, judging by the first one.
func (g *generation) isSame(ctx context.Context, tp topicPartition, batch store.Recorded) (same bool, err error) {
	same = true
	for _, f := range g.broker.fetch(ctx, []position{{tp, batch.FirstOffset}}) {
		if f.err != nil {
			return false, fmt.Errorf("look at offset %d of %s: %w", batch.FirstOffset, tp, f.err)
		}
		if _, err := f.read(func(r record) bool {
			if r.offset <= batch.LastOffset {
				same = r.hash() == batch.FirstRecord
			}
			return false
		}); err != nil {
			return false, fmt.Errorf("look at offset %d of %s: %w", batch.FirstOffset, tp, err)
		}
	}
	return same, nil
}

// hash identifies a record's time and value. It is never 0.
func (r record) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, r.time.UnixMilli(), ";")
	h.Write(r.value)
	return max(1, h.Sum64())
}
