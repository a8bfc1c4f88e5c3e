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

// takeOver reads the plan of each partition that is now ours. One whose plan is our own last commit, to the letter,
// has had no other owner since, and goes on where it was; unless the server was restarted, when all is repeated.
func (g *generation) takeOver(ctx context.Context, assigned []topicPartition) error {
	var boot string
	var committed map[topicPartition]plan
	if err := g.patiently(ctx, func() (err error) {
		if boot, err = g.database.ServerID(ctx); err == nil {
			committed, err = g.broker.committed(ctx)
		}
		return err
	}); err != nil {
		return err
	}
	if boot != g.boot {
		g.boot, g.last = boot, nil
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

// errOvertaken says that our generation is over, which we have not been told yet.
var errOvertaken = errors.New("somebody else has planned batches of it")

// patiently asks until there is an answer or the generation ends: to leave it and come back would stop all other members too.
// What is asked is no harm when it is asked again.
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

// pauses are those between tries: short at first, 3 s at most, so that a server that is back is not waited for long.
func pauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 3 * time.Second}
}

// unknownOffset stands for a group's offset that is not there.
const unknownOffset = -1

// adopt makes the state of a partition that is new to us, from what is committed, what is recorded, and what the log holds.
func (g *generation) adopt(ctx context.Context, tp topicPartition, was plan) (*partition, error) {
	last, isRecorded, err := g.database.LastRecorded(ctx, tp.topic, tp.id)
	if err != nil {
		return nil, err
	}
	first, end, err := g.broker.bounds(ctx, tp)
	if err != nil {
		return nil, err
	}
	var disown []store.Orphan
	var skipped *run // offsets
	planned, pruned, known := !was.lost(), false, was.Offset != unknownOffset
	if len(was.Runs) > 0 {
		// What the owner before us would have left behind a moment later. An owner that never has the partition for a minute would
		// else hand on more and more.
		accepted, err := g.database.Accepted(ctx, tp.topic, tp.id, was.Fingerprint, keepPlanned)
		if err != nil {
			return nil, err
		}
		pruned = was.leave(accepted)
	}
	if was.Offset == unknownOffset {
		if isRecorded { // the group's offsets have expired: what is recorded says where we were
			was.Offset = last.LastOffset + 1
		} else if was.Offset, err = g.broker.start(ctx, tp); err != nil {
			return nil, err
		}
	}
	if !planned {
		settled, begun := int64(0), first
		if isRecorded {
			settled, begun = last.LastOffset+1, last.LastOffset+1
		}
		if disown, err = g.database.Orphans(ctx, tp.topic, tp.id, settled); err != nil {
			return nil, err
		}
		if len(disown) > 0 { // and not what another owner has planned since we were told that there is no plan
			now, err := g.broker.committed(ctx)
			if err != nil {
				return nil, err
			}
			if then, isCommitted := now[tp]; isCommitted && !then.lost() {
				return nil, fmt.Errorf("%s: %w", tp, errOvertaken)
			}
		}
		if known && begun < was.Offset {
			skipped = &run{first: begun, last: was.Offset - 1}
		}
	}
	recorded, err := g.database.RecordedFrom(ctx, tp.topic, tp.id, was.Offset)
	if err != nil {
		return nil, err
	}
	p := newPartition(tp, was, recorded, g.fingerprint)
	p.limits, p.clock = g.cfg.Limits, g.now
	p.uncommitted = p.uncommitted || !planned || pruned // a start position holds from now on
	if p.epochNeeded {
		epoch, err := g.database.ClaimEpoch(ctx, g.fingerprint, p.greatestEpoch())
		if err != nil {
			return nil, err
		}
		p.setEpoch(epoch)
	}
	if len(disown) > 0 {
		epoch, err := g.database.ClaimEpoch(ctx, g.fingerprint, p.greatestEpoch())
		if err != nil {
			return nil, err
		}
		g.log.Warn("rows were inserted whose plan is lost with the group's offset: they are counted no more, and their records are read again",
			"topic", tp.topic, "partition", tp.id, "batches", len(disown), "epoch", epoch)
		if err := g.database.Void(ctx, tp.topic, tp.id, disown, epoch); err != nil {
			return nil, err
		}
	}
	if p.disowned, err = g.database.VoidedFrom(ctx, tp.topic, tp.id, p.knownEnd()); err != nil {
		return nil, err
	}
	switch {
	case p.knownEnd() > end:
		g.stopReading(p, "its log ends before what was read from it", "read_to", p.knownEnd(), "log_ends_at", end)
	case isRecorded && last.FirstRecord != 0 && last.FirstOffset >= first && last.FirstOffset < end:
		same, err := g.isSame(ctx, tp, last)
		if err != nil {
			return nil, err
		}
		if !same {
			g.stopReading(p, "its log holds another record than the one that was counted", "offset", last.FirstOffset)
		}
	}
	if skipped != nil {
		if err := g.gap(ctx, tp, *skipped, gapSkipped); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// isSame tells whether the log still holds the records of a batch: it looks at the first.
func (g *generation) isSame(ctx context.Context, tp topicPartition, batch store.Recorded) (same bool, err error) {
	same = true
	looking := &partition{topicPartition: tp, next: batch.FirstOffset}
	for _, f := range g.broker.fetch(ctx, []*partition{looking}) {
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

// hash is never 0.
func (r record) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, r.time.UnixMilli(), ";")
	h.Write(r.value)
	return max(1, h.Sum64())
}
