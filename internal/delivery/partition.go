package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"errata/internal/link"
	"errata/internal/store"
)

// topicPartition names a partition.
type topicPartition struct {
	topic string
	id    int
}

func (t topicPartition) String() string { return fmt.Sprintf("%s/%d", t.topic, t.id) }

func (t topicPartition) compare(o topicPartition) int {
	return cmp.Or(strings.Compare(t.topic, o.topic), cmp.Compare(t.id, o.id))
}

// partition is what one generation knows of a partition that is ours.
//
// Its offsets, from the committed one to where we read, lie in this order:
//
//	offset ... planned runs ... | sealed runs, to be planned | the open batch | next
//
// A planned run has been committed and may be inserted; it stays in the plan for keepPlanned after its insert.
type partition struct {
	topicPartition
	fingerprint string // ours
	limits      store.Limits

	offset  int64     // as committed, or to be committed next: the durable point
	planned []planned // from offset on
	sealed  []*store.Batch
	open    *store.Batch // nil until a record comes
	given   []given      // runs whose boundaries must be kept, in order, from the open batch on: cut once, for ever

	cut         int64     // where the next batch begins
	next        int64     // the next offset to fetch
	end         int64     // of the log, as of the last fetch
	openedAt    time.Time // when the latest batch was begun
	bytes       int64     // of the records read since all that was read was in
	uncommitted bool      // the state differs from what is committed
	reached     time.Time // when we last had all that the log held
	watermark   time.Time // of events, as far as inserted batches tell
	stopped     bool      // its log is not the one that we know: nothing more is read
}

// given is a run that was cut before us.
type given struct {
	run
	recorded bool // it is in ClickHouse for certain
}

// planned is a run in the plan.
type planned struct {
	run
	batch      *store.Batch // to be inserted; nil when it is in, or still to be read again
	insertedAt time.Time    // zero until then
}

// keepPlanned is how long a run stays in the plan after its insert: what ClickHouse accepted is safe from a
// power loss only once the operating system has written it out, and until then the run can be repeated.
const keepPlanned = time.Minute

// plan is what the next commit says of the partition.
func (p *partition) plan() plan {
	out := plan{Fingerprint: p.fingerprint, Offset: p.offset}
	for _, r := range p.planned {
		out.Runs = append(out.Runs, r.run)
	}
	return out
}

// takeOver makes the state of a partition that has just become ours, from the plan in its
// committed offset and from the batches that are recorded beyond it.
//
// Runs that another parser may have inserted are made anew under the next epoch: our rows go beside the others and
// replace them in one step. The plan says so before the first of them is inserted. New runs are of epoch 0.
func takeOver(tp topicPartition, committed plan, recorded []store.Recorded, fingerprint string) *partition {
	p := &partition{topicPartition: tp, fingerprint: fingerprint, offset: committed.Offset, next: committed.Offset, cut: committed.Offset}
	var epoch uint32 // that all given runs need; 0: those of the plan stay as they are
	for _, r := range committed.Runs {
		in := slices.ContainsFunc(recorded, func(b store.Recorded) bool { return b.FirstOffset == r.first })
		p.given = append(p.given, given{r, in})
		if committed.Fingerprint != fingerprint {
			epoch = max(epoch, r.epoch+1)
		}
	}
	end := committed.end() // of what is settled
	for _, r := range recorded {
		if r.LastOffset < end {
			continue
		}
		if r.FirstOffset < end {
			// We are to begin inside a batch, as after a reset to a time. Half of it cannot be made again without
			// counting that half twice, and all of it is in: go on behind it.
			if len(p.given) == 0 {
				end = r.LastOffset + 1
				p.offset, p.next, p.cut, p.uncommitted = end, end, end, true
			}
			continue
		}
		end = r.LastOffset + 1
		p.given = append(p.given, given{run{first: r.FirstOffset, last: r.LastOffset}, true})
		if r.Fingerprint != fingerprint {
			epoch = max(epoch, r.Epoch+1)
		} else if r.Epoch > 0 {
			epoch = max(epoch, r.Epoch)
		}
	}
	if epoch > 0 {
		for i := range p.given {
			epoch = max(epoch, p.given[i].epoch)
		}
		for i := range p.given {
			p.given[i].epoch = epoch
		}
	}
	for i, r := range committed.Runs {
		p.uncommitted = p.uncommitted || p.given[i].run != r || committed.Fingerprint != fingerprint
		p.planned = append(p.planned, planned{run: p.given[i].run})
	}
	return p
}

// knownEnd is the offset behind all that is planned or recorded.
func (p *partition) knownEnd() int64 {
	if n := len(p.given); n > 0 {
		return p.given[n-1].last + 1
	}
	return p.cut
}

// skipTo goes on behind offsets that are gone. A given run of which a part is gone stays as it is where it is recorded: what
// is left would replace its sums by smaller ones. Of one that is not recorded, what is left is read.
func (p *partition) skipTo(first int64) {
	p.seal()
	for len(p.given) > 0 && p.given[0].first < first {
		r := p.given[0]
		if !r.recorded && first <= r.last {
			p.next, p.cut = first, r.first
			return
		}
		p.given, p.open = p.given[1:], nil
		first = max(first, r.last+1)
		for i := range p.planned {
			if p.planned[i].first == r.first {
				p.planned[i].batch, p.planned[i].insertedAt = nil, time.Now()
			}
		}
	}
	p.next, p.cut = first, first
}

// add puts a record into the batch that its offset belongs to. Records come in order.
func (p *partition) add(offset int64, put func(*store.Batch)) {
	p.closeBefore(offset)
	if p.open == nil {
		p.begin()
	}
	put(p.open)
}

func (p *partition) begin() {
	p.open = store.NewBatch(p.topic, p.id, p.cut, p.limits)
	p.open.Fingerprint = p.fingerprint
	if len(p.given) > 0 && p.given[0].first == p.cut {
		p.open.Epoch = p.given[0].epoch
	}
	p.openedAt = time.Now()
}

// closeBefore ends what must end before an offset: given runs that lie wholly before it, of which
// some offsets, or all, may have no record; and a batch of our own that a given run follows.
func (p *partition) closeBefore(offset int64) {
	for len(p.given) > 0 {
		r := p.given[0]
		if r.first <= offset && p.cut < r.first {
			if p.open != nil {
				p.close(r.first - 1)
			}
			p.cut = r.first // offsets without a record that no batch ever had
		}
		if offset <= r.last {
			return
		}
		if p.open == nil {
			p.begin()
		}
		p.given = p.given[1:]
		p.close(r.last)
	}
}

// sealable tells whether the open batch may end where we are: a given run says itself where it must end.
func (p *partition) sealable() bool {
	return p.open != nil && (len(p.given) == 0 || p.given[0].first > p.open.FirstOffset)
}

// seal closes the open batch if it may end where we are.
func (p *partition) seal() {
	if p.sealable() {
		p.close(p.next - 1)
	}
}

// close ends the open batch at an offset: back to its place in the plan when it has one, else to the sealed ones.
func (p *partition) close(last int64) {
	b := p.open
	b.LastOffset = last
	p.open, p.cut = nil, last+1
	for i := range p.planned {
		if p.planned[i].first == b.FirstOffset {
			p.planned[i].batch = b
			return
		}
	}
	p.sealed = append(p.sealed, b)
}

// planSealed moves sealed batches into the plan, and tells whether there were any. What was planned before
// us must be in first; and what finds no room waits until older runs have left.
func (p *partition) planSealed() (moved bool) {
	if !p.allIn() {
		return false
	}
	for len(p.sealed) > 0 && !p.plan().full() {
		b := p.sealed[0]
		p.planned = append(p.planned, planned{run: run{b.FirstOffset, b.LastOffset, b.Epoch}, batch: b})
		p.sealed = p.sealed[1:]
		moved = true
	}
	return moved
}

// waiting are the batches that are not in ClickHouse, the open one among them.
func (p *partition) waiting() (all []*store.Batch) {
	for _, r := range p.planned {
		if r.batch != nil {
			all = append(all, r.batch)
		}
	}
	all = append(all, p.sealed...)
	if p.open != nil {
		all = append(all, p.open)
	}
	return all
}

// ready are the batches that a flush can insert now.
func (p *partition) ready() (all []*store.Batch) {
	for _, r := range p.planned {
		if r.batch != nil {
			all = append(all, r.batch)
		}
	}
	if p.unread() || p.plan().full() {
		return all
	}
	all = append(all, p.sealed...)
	if p.sealable() {
		all = append(all, p.open)
	}
	return all
}

// unread tells whether a planned run is still to be read again.
func (p *partition) unread() bool {
	return slices.ContainsFunc(p.planned, func(r planned) bool { return r.batch == nil && r.insertedAt.IsZero() })
}

// allIn tells whether every planned run is in ClickHouse.
func (p *partition) allIn() bool {
	return !slices.ContainsFunc(p.planned, func(r planned) bool { return r.insertedAt.IsZero() })
}

// caughtUp tells whether all that the log held at the last look is in ClickHouse.
func (p *partition) caughtUp() bool {
	return !p.reached.IsZero() && p.next >= p.end && p.open == nil && len(p.sealed) == 0 && p.allIn()
}

// maxDisorder is how far behind the newest event of its batch an event may lie before it holds the watermark back no
// more: a client whose clock is wrong must not stop all alerts.
const maxDisorder = time.Hour

// inserted notes that all planned batches are in, and how far that brings the watermark: where nothing is left to read, to
// the time when that was seen; else by the events of the last batch, but not past the present.
func (p *partition) inserted(now time.Time) {
	for i := range p.planned {
		r := &p.planned[i]
		if r.batch == nil {
			continue
		}
		if b := r.batch; !b.MaxTime.IsZero() {
			p.watermark = b.MinTime
			if least := b.MaxTime.Add(-maxDisorder); least.After(p.watermark) {
				p.watermark = least
			}
			if p.watermark.After(now) {
				p.watermark = now
			}
		}
		r.batch, r.insertedAt = nil, now
	}
	if len(p.waiting()) == 0 {
		p.bytes = 0
	}
	if p.caughtUp() {
		p.watermark = p.reached
	}
}

// resume makes the state one that another generation can go on with, if nobody else commits in
// between: what was read and not planned is dropped, to be read again. It cannot where runs that were cut
// before us are still to be read.
func (p *partition) resume() bool {
	if p.uncommitted || len(p.given) > 0 || p.unread() {
		return false
	}
	p.open, p.sealed, p.bytes = nil, nil, 0
	p.next = p.plan().end()
	p.cut = p.next
	return true
}

// prune moves the durable point past the runs that were inserted long enough ago, and tells whether there were any.
func (p *partition) prune(now time.Time) bool {
	n := 0
	for n < len(p.planned) && !p.planned[n].insertedAt.IsZero() && now.Sub(p.planned[n].insertedAt) >= keepPlanned {
		p.offset = p.planned[n].last + 1
		n++
	}
	p.planned = p.planned[n:]
	return n > 0
}

// committedPlans reads what the group has committed for all partitions of our topics. A partition without a
// commit is not in the result. An error never means that nothing is committed.
func (k *Kafka) committedPlans(ctx context.Context) (map[topicPartition]plan, error) {
	leaders, err := k.leaders(ctx)
	if err != nil {
		return nil, err
	}
	req := &kafka.OffsetFetchRequest{GroupID: k.cfg.Group, Topics: map[string][]int{}}
	for tp := range leaders {
		req.Topics[tp.topic] = append(req.Topics[tp.topic], tp.id)
	}
	answer, err := k.client.OffsetFetch(ctx, req)
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the committed offsets of group %q: %w", k.cfg.Group, err)
	}
	plans := map[topicPartition]plan{}
	for topic, partitions := range answer.Topics {
		for _, o := range partitions {
			tp := topicPartition{topic, o.Partition}
			switch {
			case o.Error != nil:
				return nil, fmt.Errorf("fetch the committed offset of %s: %w", tp, o.Error)
			case o.CommittedOffset < 0:
				continue
			}
			p, err := decodePlan(o.CommittedOffset, o.Metadata)
			if err != nil {
				return nil, link.Refused("%s: offset %d was not committed by this version of errata: %v; run the version that did, or a newer one, or use a group of its own", tp, o.CommittedOffset, err)
			}
			plans[tp] = p
		}
	}
	return plans, nil
}

// startOffset is where a partition without a commit begins, as kafka.start says. A partition of a topic that has commits
// elsewhere has appeared since, and begins at its start whatever the setting: nothing in it was there to skip.
func (k *Kafka) startOffset(ctx context.Context, tp topicPartition, appeared bool) (int64, error) {
	if appeared || k.cfg.Start == startEarliest {
		return k.listOffset(ctx, tp, kafka.FirstOffset)
	}
	if k.cfg.Start != startLatest {
		at, err := time.Parse(time.RFC3339, k.cfg.Start)
		if err != nil {
			return 0, err
		}
		if offset, err := k.listOffset(ctx, tp, at.UnixMilli()); err != nil || offset >= 0 {
			return offset, err
		}
	}
	return k.listOffset(ctx, tp, kafka.LastOffset)
}

// listOffset asks for kafka.FirstOffset, kafka.LastOffset, or the first offset not before a time in
// milliseconds (-1 when there is none). kafka-go's own call mixes up the first two.
func (k *Kafka) listOffset(ctx context.Context, tp topicPartition, timestamp int64) (int64, error) {
	answer, err := k.transport.RoundTrip(ctx, k.client.Addr, &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: isolationCommitted,
		Topics: []listoffsets.RequestTopic{{Topic: tp.topic, Partitions: []listoffsets.RequestPartition{
			{Partition: int32(tp.id), CurrentLeaderEpoch: -1, Timestamp: timestamp},
		}}},
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the offsets of %s: %w", tp, err)
	}
	topics := answer.(*listoffsets.Response).Topics
	if len(topics) == 0 || len(topics[0].Partitions) == 0 {
		return 0, fmt.Errorf("ask for the offsets of %s: the broker says nothing of it", tp)
	}
	o := topics[0].Partitions[0]
	if o.ErrorCode != 0 {
		return 0, fmt.Errorf("ask for the offsets of %s: %w", tp, kafka.Error(o.ErrorCode))
	}
	return o.Offset, nil
}
