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
	for _, tp := range assigned {
		was, isCommitted := committed[tp]
		if last := g.last[tp]; isCommitted && last != nil && last.plan().encode() == was.encode() && last.offset == was.Offset {
			g.partitions = append(g.partitions, last)
			continue
		}
		if !isCommitted {
			was = plan{Offset: unknownOffset}
		}
		var p *partition
		if err := g.patiently(ctx, func() (err error) {
			p, err = g.adopt(ctx, tp, was)
			return err
		}); err != nil {
			return err
		}
		g.partitions = append(g.partitions, p)
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
	last       store.Recorded // the last recorded batch
	isRecorded bool           // there is one
	first, end int64          // of the log
}

// adopt makes the state of a partition that is new to us, from what is committed, what is recorded,
// and what the log holds.
func (g *generation) adopt(ctx context.Context, tp topicPartition, was plan) (*partition, error) {
	a := &adoption{generation: g, tp: tp, was: was, hadPlan: !was.lost(), hadOffset: was.Offset != unknownOffset}
	var err error
	if a.last, a.isRecorded, err = g.database.LastRecorded(ctx, tp.topic, tp.id); err != nil {
		return nil, err
	}
	if a.first, a.end, err = g.broker.bounds(ctx, tp); err != nil {
		return nil, err
	}
	pruned, err := a.findStart(ctx)
	if err != nil {
		return nil, err
	}
	orphans, err := a.orphans(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.planned(ctx)
	if err != nil {
		return nil, err
	}
	p.uncommitted = p.uncommitted || !a.hadPlan || pruned // a start position holds from now on
	if err := a.void(ctx, p, orphans); err != nil {
		return nil, err
	}
	if err := a.checkLog(ctx, p); err != nil {
		return nil, err
	}
	return p, a.recordSkipped(ctx)
}

// findStart finds the offset to begin at, and reports whether runs at the beginning of the plan
// were left behind: those that the previous owner would have left behind a moment later. An owner
// that never has the partition for a minute would otherwise hand on longer and longer plans.
func (a *adoption) findStart(ctx context.Context) (pruned bool, err error) {
	if len(a.was.Runs) > 0 {
		accepted, err := a.database.Accepted(ctx, a.tp.topic, a.tp.id, a.was.Fingerprint, keepPlanned)
		if err != nil {
			return false, err
		}
		pruned = a.was.leave(accepted)
	}
	switch {
	case a.hadOffset:
	case a.isRecorded: // the group's offsets have expired: the record says where we were
		a.was.Offset = a.last.LastOffset + 1
	default:
		a.was.Offset, err = a.broker.start(ctx, a.tp)
	}
	return pruned, err
}

// recordedEnd is the offset behind the last recorded batch, otherwise when there is none.
func (a *adoption) recordedEnd(otherwise int64) int64 {
	if a.isRecorded {
		return a.last.LastOffset + 1
	}
	return otherwise
}

// orphans returns batches that were inserted and recorded nowhere, and whose plan is lost with the
// group's offset. What another owner has planned since we were told that there is no plan is not
// among them.
func (a *adoption) orphans(ctx context.Context) ([]store.Orphan, error) {
	if a.hadPlan {
		return nil, nil
	}
	orphans, err := a.database.Orphans(ctx, a.tp.topic, a.tp.id, a.recordedEnd(0))
	if err != nil || len(orphans) == 0 {
		return nil, err
	}
	now, err := a.broker.committed(ctx)
	if err != nil {
		return nil, err
	}
	if then, isCommitted := now[a.tp]; isCommitted && !then.lost() {
		return nil, fmt.Errorf("%s: %w", a.tp, errOvertaken)
	}
	return orphans, nil
}

// planned makes the partition with the runs that were cut before us.
func (a *adoption) planned(ctx context.Context) (*partition, error) {
	recorded, err := a.database.RecordedFrom(ctx, a.tp.topic, a.tp.id, a.was.Offset)
	if err != nil {
		return nil, err
	}
	p := newPartition(a.tp, a.was, recorded, a.fingerprint)
	p.limits, p.clock = a.cfg.Limits, a.now
	if p.epochNeeded {
		epoch, err := a.database.ClaimEpoch(ctx, a.fingerprint, p.greatestEpoch())
		if err != nil {
			return nil, err
		}
		p.setEpoch(epoch)
	}
	return p, nil
}

// void takes the orphans out of the count, and notes under which epoch their records are to be
// written.
func (a *adoption) void(ctx context.Context, p *partition, orphans []store.Orphan) (err error) {
	if len(orphans) > 0 {
		epoch, err := a.database.ClaimEpoch(ctx, a.fingerprint, p.greatestEpoch())
		if err != nil {
			return err
		}
		a.log.Warn("voided rows whose plan was lost with the group's offset; their records are read again",
			"topic", a.tp.topic, "partition", a.tp.id, "batches", len(orphans), "epoch", epoch)
		if err := a.database.Void(ctx, a.tp.topic, a.tp.id, orphans, epoch); err != nil {
			return err
		}
	}
	p.voided, err = a.database.VoidedFrom(ctx, a.tp.topic, a.tp.id, p.knownEnd())
	return err
}

// checkLog stops reading a partition whose log is not the one that is planned and recorded.
func (a *adoption) checkLog(ctx context.Context, p *partition) error {
	if p.knownEnd() > a.end {
		a.stopReading(p, "its log ends before what was read from it", "read_to", p.knownEnd(), "log_ends_at", a.end)
		return nil
	}
	if !a.isRecorded || a.last.FirstRecord == 0 || a.last.FirstOffset < a.first || a.last.FirstOffset >= a.end {
		return nil
	}
	same, err := a.isSame(ctx, a.tp, a.last)
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
