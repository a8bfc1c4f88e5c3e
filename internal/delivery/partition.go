package delivery

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/store"
)

// topicPartition names a partition.
type topicPartition struct {
	topic string
	id    int
}

func (t topicPartition) String() string { return fmt.Sprintf("%s/%d", t.topic, t.id) }

// label is the partition's number for metrics.
func (t topicPartition) label() string { return strconv.Itoa(t.id) }

func (t topicPartition) compare(o topicPartition) int {
	return cmp.Or(strings.Compare(t.topic, o.topic), cmp.Compare(t.id, o.id))
}

// partition is what one generation knows of a partition that it owns.
//
// Its offsets, from the committed one to where we read, lie in this order:
//
//	offset ... planned runs ... | sealed runs, to be planned | the open batch | next
//
// A planned run has been committed and may be inserted; it stays in the plan for keepPlanned after
// its insert. Every offset between them belongs to a run, since a plan consists of lengths.
type partition struct {
	topicPartition
	label       string // its number for metrics
	clock       func() time.Time
	fingerprint string // ours
	limits      store.Limits

	offset  int64        // as committed, or to be committed next: the durable point
	planned []planned    // from offset on
	sealed  []planned    // to be planned next
	open    *store.Batch // nil until a record comes
	given   []given      // runs whose boundaries must be kept, in order, from the open batch on: cut once

	epochNeeded bool         // another parser cut given runs: they need an epoch of ours before anything is inserted
	voided      store.Voided // new runs that begin up to there need its epoch

	cut         int64     // where the next batch begins
	next        int64     // the next offset to fetch
	end         int64     // of the log, as of the last fetch
	openedAt    time.Time // when the latest batch was begun
	bytes       int64     // of the records read since an insert last took all that was read
	uncommitted bool      // the state differs from what is committed
	progressed  time.Time // when something was last read, or there was nothing to read
	newest      time.Time // Kafka's time of the record read last
	reached     time.Time // when we last had all that the log held
	watermark   time.Time // of events, judging by the inserted batches
	stopped     bool      // its log is not the one that we know, and is not read
}

// given is a run that was cut before us.
type given struct {
	run
	whole bool // ClickHouse has all its rows; checked when part of it is found deleted in Kafka
}

// planned is a run in the plan.
type planned struct {
	run
	batch      *store.Batch // to be inserted; nil when it is in ClickHouse, or still to be read again
	inserting  bool         // just now
	insertedAt time.Time    // zero until then
	repeated   bool         // it was planned before us, or inserted before
}

// keepPlanned is how long a run stays in the plan after its insert. What ClickHouse accepted is
// safe from a loss of power only once the operating system has written it to the disk; until then
// the run can be repeated.
const keepPlanned = store.WritebackTime

// plan returns what the next commit says of the partition.
func (p *partition) plan() plan {
	out := plan{Fingerprint: p.fingerprint, Offset: p.offset}
	for _, r := range p.planned {
		out.Runs = append(out.Runs, r.run)
	}
	return out
}

// newPartition makes the state of a partition that has just become ours, from the plan in its
// committed offset and from the batches that are recorded beyond it.
//
// Recorded batches of our own parser, right where we begin, are in for certain and are left behind.
// Runs that another parser may have inserted are made again under a later epoch (setEpoch): our
// rows go beside the others and replace them in one step. The plan says so before the first of them
// is inserted. New runs have epoch 0.
func newPartition(tp topicPartition, committed plan, recorded []store.Recorded, fingerprint string) *partition {
	p := &partition{topicPartition: tp, label: tp.label(), clock: time.Now, fingerprint: fingerprint, offset: committed.Offset, next: committed.Offset, cut: committed.Offset}
	for _, r := range committed.Runs {
		p.given = append(p.given, given{run: r})
		p.planned = append(p.planned, planned{run: r, repeated: true})
		p.epochNeeded = p.epochNeeded || committed.Fingerprint != fingerprint
	}
	end := committed.end() // of the runs that are known
	for _, r := range recorded {
		switch {
		case r.LastOffset < end:
		case len(p.given) == 0 && (r.FirstOffset < end || r.FirstOffset == end && r.Fingerprint == fingerprint):
			// Inside a batch, as after a reset to a time: making half of it again would count that
			// half twice.
			end = r.LastOffset + 1
			p.offset, p.next, p.cut, p.uncommitted = end, end, end, true
		case r.FirstOffset >= end:
			end = r.LastOffset + 1
			p.given = append(p.given, given{run: run{r.FirstOffset, r.LastOffset, r.Epoch}})
			p.epochNeeded = p.epochNeeded || r.Fingerprint != fingerprint
		}
	}
	return p
}

// greatestEpoch returns the greatest epoch of the given runs and of what was voided.
func (p *partition) greatestEpoch() uint32 {
	epoch := p.voided.Epoch
	for _, r := range p.given {
		epoch = max(epoch, r.epoch)
	}
	return epoch
}

// setEpoch sets the epoch of all given runs, before anything of them is read.
func (p *partition) setEpoch(epoch uint32) {
	for i := range p.given {
		p.given[i].epoch = epoch
	}
	for i := range p.planned {
		p.planned[i].epoch = epoch
		p.uncommitted = true
	}
	p.epochNeeded = false
}

// knownEnd returns the offset behind everything that is planned or recorded.
func (p *partition) knownEnd() int64 {
	if n := len(p.given); n > 0 {
		return p.given[n-1].last + 1
	}
	return p.cut
}

// gone returns the offsets before first that can no longer be read and are not in ClickHouse, and
// whether this touches runs that may be half inserted: those need a fresh epoch.
func (p *partition) gone(first int64) (gaps []run, touched bool) {
	next := p.next
	gap := func(end int64) {
		if next < end {
			gaps = append(gaps, run{first: next, last: end - 1})
		}
	}
	for _, r := range p.given {
		switch {
		case r.first >= first:
		case r.whole:
			gap(r.first)
			next = max(next, r.last+1)
		default:
			touched = true
		}
	}
	gap(first)
	return gaps, touched
}

// skipTo continues behind offsets that are gone. A given run that ClickHouse has as a whole stays
// as it is: what is left of it would replace its sums by smaller ones. Of any other, what was or
// can still be read is inserted under the fresh epoch: the sums of the whole run, or some of its
// rows, may exist under the old one.
func (p *partition) skipTo(first int64, fresh uint32, now time.Time) {
	p.seal()
	for len(p.given) > 0 && p.given[0].first < first {
		r := &p.given[0]
		p.closeBefore(r.first)
		if r.whole {
			p.open, p.given = nil, p.given[1:]
			p.place(planned{run: r.run, insertedAt: now, repeated: true})
			p.cut = r.last + 1
			first = max(first, p.cut)
			continue
		}
		r.epoch = fresh
		if p.open != nil {
			p.open.Epoch = fresh
		}
		for i := range p.planned {
			if p.planned[i].first == r.first {
				p.planned[i].epoch, p.uncommitted = fresh, true
			}
		}
		if first <= r.last {
			break
		}
		p.closeBefore(r.last + 1)
	}
	p.next = first
}

// repeat starts over: everything planned is to be read and inserted again, and so is what was read
// and not planned.
func (p *partition) repeat() {
	var again []given
	for i := range p.planned {
		r := &p.planned[i]
		again = append(again, given{run: r.run})
		r.batch, r.insertedAt, r.repeated = nil, time.Time{}, true
	}
	end := p.plan().end()
	for _, r := range p.sealed {
		if r.batch == nil {
			again, end = append(again, given{run: r.run}), r.last+1
		}
	}
	for _, r := range p.given {
		if r.first >= end {
			again = append(again, r)
		}
	}
	p.given, p.open, p.sealed, p.bytes = again, nil, nil, 0
	p.next, p.cut = p.offset, p.offset
}

// add puts a record into the batch that its offset belongs to. Records come in order.
func (p *partition) add(offset int64, put func(*store.Batch)) {
	p.closeBefore(offset)
	if p.open == nil {
		p.begin()
	}
	put(p.open)
}

// begin opens the next batch.
func (p *partition) begin() {
	p.open = store.NewBatch(p.topic, p.id, p.cut, p.limits)
	p.open.Fingerprint = p.fingerprint
	switch {
	case len(p.given) > 0 && p.given[0].first == p.cut:
		p.open.Epoch = p.given[0].epoch
	case p.cut <= p.voided.Last:
		p.open.Epoch = p.voided.Epoch
	}
	p.openedAt = p.clock() // the clock decides only when the batch is sealed
}

// closeBefore ends what must end before an offset: given runs that lie wholly before it, some or
// all of whose offsets may have no record, and a batch of our own that a given run follows.
func (p *partition) closeBefore(offset int64) {
	for len(p.given) > 0 {
		r := p.given[0]
		if r.first <= offset && p.cut < r.first {
			if p.open == nil {
				p.begin() // of offsets without a record, which no batch ever had
			}
			p.close(r.first - 1)
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

// sealable reports whether the open batch may end where we are. The end of a given run is fixed.
func (p *partition) sealable() bool {
	return p.open != nil && (len(p.given) == 0 || p.given[0].first > p.open.FirstOffset)
}

// seal closes the open batch if it may end where we are.
func (p *partition) seal() {
	if p.sealable() {
		p.close(p.next - 1)
	}
}

// close ends the open batch at an offset.
func (p *partition) close(last int64) {
	b := p.open
	b.LastOffset = last
	b.Seal()
	p.open, p.cut = nil, last+1
	p.place(planned{run: run{b.FirstOffset, last, b.Epoch}, batch: b})
}

// place puts a run back into its place in the plan if it has one, otherwise behind the sealed runs.
func (p *partition) place(r planned) {
	for i := range p.planned {
		if p.planned[i].first == r.first {
			p.planned[i].batch, p.planned[i].insertedAt = r.batch, r.insertedAt
			return
		}
	}
	p.sealed = append(p.sealed, r)
}

// planSealed moves sealed batches into the plan and reports whether there were any. Those that find
// no room wait until older runs have left.
func (p *partition) planSealed() (moved bool) {
	for len(p.sealed) > 0 && !p.plan().full() {
		p.planned = append(p.planned, p.sealed[0])
		p.sealed = p.sealed[1:]
		moved = true
	}
	return moved
}

// batches returns the batches of runs that are not in ClickHouse.
func batches(runs ...[]planned) (all []*store.Batch) {
	for _, r := range slices.Concat(runs...) {
		if r.batch != nil {
			all = append(all, r.batch)
		}
	}
	return all
}

// waiting returns the batches that are not in ClickHouse, including the open one.
func (p *partition) waiting() []*store.Batch {
	all := batches(p.planned, p.sealed)
	if p.open != nil {
		all = append(all, p.open)
	}
	return all
}

// ready returns the batches that a flush can insert now, without those that are being inserted.
func (p *partition) ready() []*store.Batch {
	var idle []planned
	for _, r := range p.planned {
		if !r.inserting {
			idle = append(idle, r)
		}
	}
	if p.unread() || p.plan().full() {
		return batches(idle)
	}
	all := batches(idle, p.sealed)
	if p.sealable() {
		all = append(all, p.open)
	}
	return all
}

// nextIsIn reports whether the next run to be planned is in ClickHouse already.
func (p *partition) nextIsIn() bool {
	return len(p.sealed) > 0 && p.sealed[0].batch == nil && !p.unread() && !p.plan().full()
}

// repeating reports whether everything that was planned before us has been read again and waits
// only for its insert.
func (p *partition) repeating() bool {
	return !p.unread() && slices.ContainsFunc(p.planned, func(r planned) bool { return r.batch != nil && r.repeated })
}

// wanted reports whether more of its records are of use. They are not while a full plan, all of it
// read, waits for older runs to leave.
func (p *partition) wanted() bool {
	return !p.stopped && (p.unread() || !p.plan().full())
}

// halfRead reports whether the open batch is a given run, which cannot be sealed before its end.
func (p *partition) halfRead() bool { return p.open != nil && !p.sealable() }

// unread reports whether a planned run still has to be read again.
func (p *partition) unread() bool {
	return slices.ContainsFunc(p.planned, func(r planned) bool { return r.batch == nil && r.insertedAt.IsZero() })
}

// allIn reports whether every planned run is in ClickHouse.
func (p *partition) allIn() bool {
	return !slices.ContainsFunc(p.planned, func(r planned) bool { return r.insertedAt.IsZero() })
}

// caughtUp reports whether everything that the log held at the last fetch is in ClickHouse.
func (p *partition) caughtUp() bool {
	return !p.reached.IsZero() && p.next >= p.end && p.open == nil && len(p.sealed) == 0 && p.allIn()
}

// whileBehind is how many times older a batch may become while its partition is behind.
const whileBehind = 5

// ageLimit returns how old the open batch may become. A partition is behind if the end of its log
// has not been reached for that many times the usual age. Its rows are late anyway, and a larger
// batch has fewer of them: a batch has one row of sums for each minute and group in it.
func (p *partition) ageLimit(usual time.Duration, now time.Time) time.Duration {
	if now.Sub(p.reached) > whileBehind*usual {
		return whileBehind * usual
	}
	return usual
}

// maxDisorder is how far behind the newest event of its batch an event can hold the watermark back:
// a client whose clock is wrong must not stop all alerts.
const maxDisorder = time.Hour

// insert returns the planned batches that are not in ClickHouse, which are to be inserted.
func (p *partition) insert() []*store.Batch {
	for i := range p.planned {
		p.planned[i].inserting = p.planned[i].batch != nil
	}
	if p.open == nil && len(p.sealed) == 0 {
		p.bytes = 0
	}
	return batches(p.planned)
}

// inserted notes that the planned batches of the last insert are in ClickHouse, if they are, and
// returns their runs. It moves the watermark: where nothing is left to read, to the time when that
// was seen; otherwise by the events of the last batch, but not past the present.
func (p *partition) inserted(ok bool, now time.Time) (runs []planned) {
	for i := range p.planned {
		r := &p.planned[i]
		in := r.inserting && ok
		r.inserting = false
		if !in {
			continue
		}
		runs = append(runs, *r)
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
	if p.caughtUp() {
		p.watermark = p.reached
	}
	return runs
}

// resume makes the state one that the next generation can continue with, if no other member commits
// in between, and reports whether it could. It drops what was read and not planned, to be read
// again. It cannot where runs that were cut before us are still to be read, or may be among those
// that are sealed: their boundaries are kept.
func (p *partition) resume() bool {
	if p.stopped || p.uncommitted || len(p.given) > 0 || len(p.sealed) > 0 || p.unread() {
		return false
	}
	p.open, p.bytes = nil, 0
	p.next = p.plan().end()
	p.cut = p.next
	return true
}

// prunable counts the planned runs that were inserted long enough ago.
func (p *partition) prunable(now time.Time) (n int) {
	for n < len(p.planned) && !p.planned[n].insertedAt.IsZero() && now.Sub(p.planned[n].insertedAt) >= keepPlanned {
		n++
	}
	return n
}

// prune moves the durable point past the prunable runs and reports whether there were any.
func (p *partition) prune(now time.Time) bool {
	n := p.prunable(now)
	if n > 0 {
		p.offset = p.planned[n-1].last + 1
	}
	p.planned = p.planned[n:]
	return n > 0
}
