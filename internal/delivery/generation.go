package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/accesslog"
	"errata/internal/enrich"
	"errata/internal/store"
)

// generation is the work between two rebalances.
type generation struct {
	*worker
	id         int
	member     string
	partitions []*partition
	round      int                  // of fetching
	inserting  *insertion           // nil: none is going on
	marked     time.Time            // when the watermarks were last written
	complained map[string]time.Time // when each problem was last logged
}

// generation takes over what the group has given us and works on it until the generation ends
// (genCtx) or until it is to stop. At a stop, what has been read is still sealed, planned and
// inserted.
//
// One goroutine does the work, top to bottom: fetch, process, seal, plan, insert. Only an insert
// goes on beside it. Until that is done, the goroutine fetches and processes, and neither commits
// nor inserts. Backpressure comes from the memory of the batches that are not in ClickHouse yet.
func (w *worker) generation(stop, genCtx context.Context, id int, member string, assigned []topicPartition) error {
	w.working.Lock()
	defer w.working.Unlock()
	g := &generation{worker: w, id: id, member: member, complained: map[string]time.Time{}}
	taking, endTaking := context.WithCancel(genCtx)
	defer context.AfterFunc(stop, endTaking)()
	err := g.takeOver(taking, assigned)
	endTaking()
	if err != nil {
		return err
	}
	g.begin()
	defer g.remember()

	// Reading ends at once at a stop; what has been read has a little longer to be inserted.
	reading, endReading := context.WithCancel(genCtx)
	defer endReading()
	writing, endWriting := context.WithCancel(genCtx)
	defer func() {
		endWriting()
		g.finish() // an error is that the writing has ended
	}()
	defer context.AfterFunc(stop, func() {
		endReading()
		time.AfterFunc(leaveTimeout, endWriting)
	})()
	for reading.Err() == nil {
		if err := g.fetch(reading); err != nil {
			return err
		}
		if g.inserting != nil && g.inserting.done() {
			if err := g.finish(); err != nil {
				return err
			}
		}
		if g.due(g.now()) {
			if err := g.flush(writing); err != nil {
				return err
			}
		}
		if err := g.tidy(writing, g.now()); err != nil {
			return err
		}
	}
	if genCtx.Err() != nil {
		return nil // others may own the partitions by now: drop what is not planned
	}
	if err := g.flush(writing); err != nil {
		return err
	}
	return g.finish()
}

// begin announces the generation in the log, the metrics and the state.
func (g *generation) begin() {
	var names []string
	g.rollingUp.Store(len(g.partitions) > 0 && g.partitions[0].id == 0 &&
		!slices.ContainsFunc(g.cfg.Topics, func(topic string) bool { return topic < g.partitions[0].topic }))
	for _, p := range g.partitions {
		names = append(names, p.String())
		p.progressed = g.now()
	}
	g.log.Info("generation begins", "generation", g.id, "partitions", names)
	g.metrics.rebalances.Inc()
	g.metrics.generation.Set(float64(g.id))
	g.metrics.assigned.Set(float64(len(g.partitions)))
	g.metrics.lagRecords.Reset()
	g.metrics.lagSeconds.Reset()
	g.state.say(&g.state.group, "")
	g.state.mu.Lock()
	g.state.begun = true
	g.state.mu.Unlock()
}

// remember keeps what the next generation may continue with.
func (g *generation) remember() {
	g.last = map[topicPartition]*partition{}
	for _, p := range g.partitions {
		if p.resume() {
			g.last[p.topicPartition] = p
		}
	}
	g.metrics.assigned.Set(0)
	g.rollingUp.Store(false)
}

// fetch reads once from all partitions and processes what came. It logs what fails, for the next
// call to try again; an error means that the generation must be left.
func (g *generation) fetch(ctx context.Context) error {
	held := g.held()
	wanted, whole := g.wanted(held)
	if len(wanted) == 0 {
		if g.inserting != nil {
			return g.finish()
		}
		g.sleep(ctx, fetchWait)
		return nil
	}
	g.round++ // another partition is served first
	wanted = slices.Concat(wanted[g.round%len(wanted):], wanted[:g.round%len(wanted)])
	from := make([]position, len(wanted))
	byName := map[topicPartition]*partition{}
	for i, p := range wanted {
		from[i], byName[p.topicPartition] = position{p.topicPartition, p.next}, p
	}
	began := g.now()
	var failed error
	for _, f := range g.broker.fetch(ctx, from) {
		p := byName[f.topicPartition]
		if f.err == nil {
			f.err = g.process(p, f, began, func(grown int64) bool {
				held += grown
				return held < g.cfg.memory() || p == whole && p.halfRead() // the rest of the answer is fetched again
			})
		}
		switch {
		case errors.Is(f.err, kafka.OffsetOutOfRange):
			if err := g.outOfRange(ctx, p); err != nil {
				return err
			}
		case errors.Is(f.err, errNothingSaid): // perhaps the next time; should it last, the watchdog notices
		case f.err != nil:
			failed = fmt.Errorf("%s: %w", p, f.err)
		default:
			if p.end = f.end; p.next >= p.end {
				p.reached, p.progressed = began, began
			}
		}
	}
	g.metrics.memoryUsed.Set(float64(held))
	if failed != nil {
		g.metrics.fetchFailures.Inc()
		g.state.say(&g.state.fetch, "cannot fetch from kafka: %v", failed)
		g.problem(ctx, "cannot fetch, trying again", failed, fetchWait) // other partitions may well be read
	} else if ctx.Err() == nil {
		g.state.say(&g.state.fetch, "")
	}
	return nil
}

// wanted returns the partitions to read from, given how much memory is held. When that is all of
// it, only a partition in the middle of a run is read, which must be read to its end before
// anything makes room: whole.
func (g *generation) wanted(held int64) (wanted []*partition, whole *partition) {
	for _, p := range g.partitions {
		if p.wanted() {
			wanted = append(wanted, p)
		}
	}
	if held < g.cfg.memory() {
		return wanted, nil
	}
	i := slices.IndexFunc(wanted, (*partition).halfRead)
	if i < 0 {
		return nil, nil
	}
	return wanted[i : i+1], wanted[i]
}

// process puts what came of a partition into its batches, until room says that there is no more.
func (g *generation) process(p *partition, f fetched, began time.Time, room func(grown int64) bool) error {
	records, bytes := 0, 0
	next, err := f.read(func(r record) bool {
		records, bytes = records+1, bytes+len(r.value)
		return room(g.add(p, r))
	})
	g.metrics.records.WithLabelValues(p.topic, p.label).Add(float64(records))
	g.metrics.recordBytes.WithLabelValues(p.topic, p.label).Add(float64(bytes))
	if next > p.next {
		p.next, p.progressed = next, began
	}
	p.closeBefore(p.next)
	return err
}

// add puts a record into its batch, and returns how much more memory that takes.
func (g *generation) add(p *partition, r record) (grown int64) {
	p.bytes += int64(len(r.value))
	p.add(r.offset, func(b *store.Batch) {
		before := b.Size()
		if cause := fill(b, g.processor, r); cause != nil {
			g.panicked(p.topicPartition, r.offset, cause)
		}
		grown = b.Size() - before
	})
	p.next = r.offset + 1
	p.newest = r.time
	return grown
}

// panicked is what the log says of a record on which the parser panicked.
const panicked = "the parser panicked on a record: what it could not read is a dead letter, and the rest goes on"

// panicked logs that the parser panicked on a record.
func (g *generation) panicked(tp topicPartition, offset int64, cause *enrich.Panic) {
	if g.mayComplain(panicked) {
		logPanic(g.log, tp, offset, cause)
	}
}

func logPanic(log *slog.Logger, tp topicPartition, offset int64, cause *enrich.Panic) {
	log.Error(panicked, "topic", tp.topic, "partition", tp.id, "offset", offset, "panic", cause.Text, "stack", cause.Stack)
}

// fill puts a record into a batch. What it puts there depends on nothing else. It returns the
// parser's panic, nil if there was none.
func fill(b *store.Batch, processor *enrich.Processor, r record) *enrich.Panic {
	if b.Records == 0 {
		b.FirstRecord = r.hash()
	}
	at := enrich.Position{Topic: b.Topic, Partition: b.Partition, Offset: r.offset, Clock: accesslog.KafkaClock(r.time)}
	made := processor.Record(r.value, at)
	b.Add(r.offset, r.time, made)
	return made.Panic
}

// held estimates the memory of the batches that are not inserted yet.
func (g *generation) held() (bytes int64) {
	for _, p := range g.partitions {
		for _, b := range p.waiting() {
			bytes += b.Size()
		}
	}
	return bytes
}

// outOfRange continues behind offsets that Kafka has deleted, and stops at a log that is shorter
// than what we read.
func (g *generation) outOfRange(ctx context.Context, p *partition) error {
	if err := g.finish(); err != nil {
		return err
	}
	first, end, err := g.broker.bounds(ctx, p.topicPartition)
	if err != nil {
		g.problem(ctx, "cannot ask for the offsets of "+p.String(), err, time.Second)
		return nil
	}
	switch {
	case p.next > end:
		g.stopReading(p, "its log ends before what was read from it", "read_to", p.next, "log_ends_at", end)
		return nil
	case p.next >= first: // the broker that was asked for the records does not know yet
		g.problem(ctx, "cannot fetch, trying again", fmt.Errorf("%s: offset %d exists, but the broker says that it is out of range", p, p.next), fetchWait)
		return nil
	}
	for i := range p.given {
		if r := &p.given[i]; r.first < first {
			if r.whole, err = g.database.Whole(ctx, p.topic, p.id, r.first); err != nil {
				g.problem(ctx, "cannot check whether a batch is whole, trying again", err, time.Second)
				return nil
			}
		}
	}
	gaps, touched := p.gone(first)
	for _, r := range gaps {
		if err := g.gap(ctx, p.topicPartition, r, gapDeleted); err != nil {
			g.problem(ctx, "cannot record a gap, trying again", err, time.Second)
			return nil
		}
	}
	var fresh uint32
	if touched {
		if fresh, err = g.database.ClaimEpoch(ctx, g.fingerprint, p.greatestEpoch()); err != nil {
			g.problem(ctx, "cannot claim an epoch, trying again", err, time.Second)
			return nil
		}
	}
	p.skipTo(first, fresh, g.now())
	return g.commit(ctx) // an epoch must be in the plan before anything is inserted under it
}

// Reasons why offsets are not read, as the labels of the metric.
const (
	gapDeleted = "deleted"
	gapSkipped = "skipped"
)

var gapReasons = map[string]string{
	gapDeleted: "deleted before they were read",
	gapSkipped: "skipped: the group's offset was set past them",
}

// gap records offsets that are not read, in the table, the log and the metrics.
func (g *generation) gap(ctx context.Context, tp topicPartition, r run, why string) error {
	reason := gapReasons[why]
	if err := g.database.InsertGap(ctx, store.Gap{Topic: tp.topic, Partition: tp.id, FirstOffset: r.first, LastOffset: r.last, Reason: reason}); err != nil {
		return err
	}
	g.log.Error("recorded a gap: the records of these offsets are not counted", "topic", tp.topic, "partition", tp.id, "first_offset", r.first, "last_offset", r.last, "reason", reason)
	g.metrics.gapOffsets.WithLabelValues(tp.topic, tp.label(), why).Add(float64(r.last - r.first + 1))
	return nil
}

// stopReading leaves a partition alone because its log is not the one that we know.
func (g *generation) stopReading(p *partition, why string, args ...any) {
	p.stopped = true
	g.log.Error(why+", as when the topic was deleted and created again: this partition is not read; "+
		"use another kafka.group and clickhouse.database for the new topic", append([]any{"topic", p.topic, "partition", p.id}, args...)...)
	g.countStopped()
}

func (g *generation) countStopped() {
	n := 0
	for _, p := range g.partitions {
		if p.stopped {
			n++
			g.state.say(&g.state.stopped, "%s is not read: its log is not the one that was read before", p)
		}
	}
	if n == 0 {
		g.state.say(&g.state.stopped, "")
	}
	g.metrics.stopped.Set(float64(n))
}

// complainEvery is how often a lasting problem is logged.
const complainEvery = 5 * time.Second

// complain logs a problem, unless it did so a moment ago.
func (g *generation) complain(what string, err error) {
	if g.mayComplain(what) {
		g.log.Warn(what, "error", err)
	}
}

// mayComplain reports whether a problem is to be logged: the same one was not a moment ago.
func (g *generation) mayComplain(what string) bool {
	now := g.now()
	if now.Sub(g.complained[what]) < complainEvery {
		return false
	}
	g.complained[what] = now
	return true
}

// problem logs what is wrong now and may pass, and pauses.
func (g *generation) problem(ctx context.Context, what string, err error, pause time.Duration) {
	if ctx.Err() == nil {
		g.complain(what, err)
		g.sleep(ctx, pause)
	}
}

// due reports whether it is time to insert what has been read.
func (g *generation) due(now time.Time) bool {
	rows, bytes, limit := 0, int64(0), g.cfg.Batch
	for _, p := range g.partitions {
		if p.nextIsIn() || p.repeating() {
			return true
		}
		ready := p.ready()
		if len(ready) == 0 {
			continue
		}
		if now.Sub(p.openedAt) >= p.ageLimit(limit.Age, now) {
			return true
		}
		for _, b := range ready {
			rows += b.Rows()
		}
		bytes += p.bytes
	}
	return rows > 0 && (rows >= limit.Rows || bytes >= limit.Bytes || g.held() >= g.cfg.memory()/2)
}

// flush seals and plans what has been read, and begins to insert it: one commit, and one INSERT per
// table and day. The insert before must be done by then, and so must that of what was planned
// before us.
func (g *generation) flush(ctx context.Context) error {
	if err := g.finish(); err != nil {
		return err
	}
	g.prune(ctx, g.now())
	for _, p := range g.partitions {
		p.seal()
	}
	g.insertPlanned(ctx)
	if err := g.finish(); err != nil {
		return err
	}
	for _, p := range g.partitions {
		moved := p.planSealed()
		p.uncommitted = p.uncommitted || moved
	}
	if err := g.commit(ctx); err != nil {
		return err
	}
	g.insertPlanned(ctx)
	return nil
}

// commit writes the plans that have changed. Nothing may be inserted that is not in a committed
// plan. After any error the generation must be left.
func (g *generation) commit(ctx context.Context) error {
	plans := map[topicPartition]plan{}
	for _, p := range g.partitions {
		if p.uncommitted {
			plans[p.topicPartition] = p.plan()
		}
	}
	if len(plans) == 0 {
		return nil
	}
	if err := g.broker.commit(ctx, g.id, g.member, plans); err != nil {
		g.metrics.commitFailures.Inc()
		return err
	}
	for _, p := range g.partitions {
		p.uncommitted = false
	}
	return nil
}

// insertion is an insert of planned batches that goes on while more records are read.
type insertion struct {
	task
	batches []*store.Batch
	rows    int
	took    time.Duration // once it is done, as err
	err     error
}

// task is work that goes on beside the generation's.
type task interface {
	done() bool
	wait() // until it is done
}

// inBackground lets work go on in a goroutine of its own.
func inBackground(do func()) task {
	r := make(running)
	go func() {
		defer close(r)
		do()
	}()
	return r
}

// running is a task that goes on until it is closed.
type running chan struct{}

func (r running) wait() { <-r }

func (r running) done() bool {
	select {
	case <-r:
		return true
	default:
		return false
	}
}

// insertPlanned begins to insert the planned batches that are not in ClickHouse yet. None of them
// changes until finish has returned.
func (g *generation) insertPlanned(ctx context.Context) {
	in := &insertion{}
	for _, p := range g.partitions {
		in.batches = append(in.batches, p.insert()...)
	}
	if len(in.batches) == 0 {
		return
	}
	for _, b := range in.batches {
		in.rows += b.Rows()
	}
	in.task = g.background(func() {
		began := g.now()
		in.err = g.insert(ctx, in.batches)
		in.took = g.now().Sub(began)
	})
	g.inserting = in
}

// insert tries to insert batches until ClickHouse has them or ctx ends.
func (w *worker) insert(ctx context.Context, batches []*store.Batch) error {
	wait := pauses()
	for {
		err := w.database.Insert(ctx, batches)
		if err == nil {
			w.state.say(&w.state.insert, "")
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		trouble, pause := store.TroubleOf(err), wait.NextBackOff()
		if trouble.Reason == store.NobodyListens { // trying again costs nothing
			pause = min(pause, time.Second)
		}
		w.metrics.insertFailures.WithLabelValues(trouble.Reason).Inc()
		w.state.say(&w.state.insert, "cannot insert into clickhouse (%s): %s", trouble.Reason, trouble.Advice)
		say := w.log.Warn
		if trouble.Lasting {
			say = w.log.Error
		}
		say("cannot insert, trying the same rows again", "batches", len(batches), "in", pause.Round(time.Millisecond), "reason", trouble.Reason, "advice", trouble.Advice, "error", err)
		if !w.sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// finish waits until what is being inserted is in ClickHouse. An error means that the generation
// must be left.
func (g *generation) finish() error {
	in := g.inserting
	if in == nil {
		return nil
	}
	in.wait()
	g.inserting = nil
	now := g.now()
	if in.err == nil {
		g.metrics.insertSeconds.Observe(in.took.Seconds())
		g.metrics.insertBatch.Observe(float64(in.rows))
	}
	for _, p := range g.partitions {
		p.progressed = now // it may have had to wait, which is no standstill
		for _, r := range p.inserted(in.err == nil, now) {
			g.metrics.inserted(r.batch, r.repeated, now)
		}
	}
	return in.err
}

// watermarkEvery is how often the watermarks are written when nothing else happens.
const watermarkEvery = 5 * time.Second

// standstill is how long a partition may lag without any progress before we connect again.
const standstill = 30 * time.Second

// tidy moves the durable points that are due, also when idle, writes the watermarks, and looks for
// partitions at a standstill.
func (g *generation) tidy(ctx context.Context, now time.Time) error {
	if g.inserting == nil {
		g.prune(ctx, now)
		if err := g.commit(ctx); err != nil {
			return err
		}
	}
	for _, p := range g.partitions {
		if p.wanted() && now.Sub(p.progressed) > standstill {
			g.log.Warn("made no progress although there is more to read, connecting again", "topic", p.topic, "partition", p.id, "offset", p.next, "log_ends_at", p.end)
			g.metrics.reconnects.Inc()
			g.broker.reconnect()
			for _, p := range g.partitions {
				p.progressed = now
			}
		}
		in := p.plan().end()
		lag := max(0, p.end-in)
		g.metrics.lagRecords.WithLabelValues(p.topic, p.label).Set(float64(lag))
		age := 0.0
		if lag > 0 && !p.newest.IsZero() {
			age = max(0, now.Sub(p.newest).Seconds())
		}
		g.metrics.lagSeconds.WithLabelValues(p.topic, p.label).Set(age)
	}
	if now.Sub(g.marked) < watermarkEvery {
		return nil
	}
	g.marked = now
	var marks []store.Watermark
	for _, p := range g.partitions {
		if p.caughtUp() {
			p.watermark = p.reached
		}
		if !p.watermark.IsZero() {
			marks = append(marks, store.Watermark{Topic: p.topic, Partition: p.id, Watermark: p.watermark, At: now})
		}
	}
	if err := g.database.InsertWatermarks(ctx, marks); err != nil && ctx.Err() == nil {
		g.complain("cannot write the watermarks, trying again later", err)
	}
	return nil
}

// prune moves the durable points past the runs that were inserted a minute ago, if the server was
// not restarted since; the next commit says so. After a restart, everything planned is read and
// inserted again.
func (g *generation) prune(ctx context.Context, now time.Time) {
	if !slices.ContainsFunc(g.partitions, func(p *partition) bool { return p.prunable(now) > 0 }) {
		return
	}
	serverID, err := g.database.ServerID(ctx)
	if err != nil { // the durable point stays where it is until the server answers
		if ctx.Err() == nil {
			g.complain("cannot move the durable point past what was inserted a minute ago", err)
		}
		return
	}
	if serverID != g.serverID {
		g.log.Info("clickhouse was restarted: inserting again what it accepted in the last minute")
		g.serverID = serverID
		for _, p := range g.partitions {
			p.repeat()
		}
		return
	}
	for _, p := range g.partitions {
		moved := p.prune(now)
		p.uncommitted = p.uncommitted || moved
	}
}
