package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// The model of delivery. The code of a generation runs as it is; the broker and the store that it
// asks are models in memory, and each question to them is a place where the world may do something
// else than answer: let the ingester crash, before or after a part of the work was done; answer
// with an error although it was done; give the partition to somebody else while this one goes on;
// let a commit arrive late; cut the store's power; lose the group's offsets; delete records.
//
// TestModel tries schedules with one or two such deviations, by running the world again from the
// start for each: a schedule is the list of its choices. After each, and at each step of it, every
// offset must be counted at most once; at the end, when all has come to rest, exactly once or named
// in a gap. What was in stays counted at every moment, unless the store lost power. No batch may
// mix the rows of two parsers.

const modelRecords = 4 // in the one partition of the model

var modelTopic = topicPartition{"logs", 0}

// world is one run of the model.
type world struct {
	choices []choice         // made so far, or to be made
	at      int              // in choices
	pick    func(of int) int // makes the choices beyond those; nil: the first
	budget  int              // deviations left
	later   bool             // inserts are made as late as they can be
	story   []string         // what happened, told when it ends badly
	telling bool

	// The broker.
	logStart   int64
	begun      int64 // what was deleted before this was never ours
	offset     int64 // committed; -1: none
	metadata   string
	generation int
	owner      *actor
	late       []lateCommit

	// The store.
	events   map[eventKey]stored
	sums     map[sumKey]stored
	batches  map[batchKey]batchRow
	switches map[int64]switched
	claimed  uint32                       // the greatest epoch
	accepted map[store.Recorded]time.Time // since the last start; without their first records
	gaps     []store.Gap
	boot     int
	now      time.Time
	lost     string // power or offsets: both within a minute are one loss too many

	actors       []*actor
	in           [modelRecords]bool // it was counted, and its batch recorded
	missed       [modelRecords]bool // it was not in when the store was asked, and Kafka had deleted it: should a zombie bring it, it may go again
	fingerprints []string           // of the actors, in the order in which they come
	failure      string
}

type choice struct{ taken, of int }

type (
	eventKey struct {
		offset int64
		epoch  uint32
	}
	// A record is a group of its own, and another for each parser: so rows stay behind when a batch
	// is cut or parsed otherwise.
	sumKey struct {
		first  int64
		epoch  uint32
		offset int64
		parser string
	}
	batchKey struct {
		first int64
		epoch uint32
	}
	stored struct {
		first       int64
		fingerprint string
		at          time.Time
	}
	batchRow struct {
		store.Recorded
		records uint64
		at      time.Time
	}
	switched struct {
		epoch uint32
		at    time.Time
	}
	lateCommit struct {
		generation int
		member     string
		plan       plan
	}
)

// actor is one ingester process.
type actor struct {
	name   string
	world  *world
	in     *worker
	next   func() (struct{}, bool) // goes on to the next question
	stop   func()
	yield  func(struct{}) bool
	ended  bool // its generation
	dead   bool
	asking string
	// answer is set before the actor goes on from its question.
	answer outcome
	cancel context.CancelFunc // of its generation
	idle   int                // fetches in a row that brought nothing
	reads  int64              // records at a time, and so to a batch: two processes cut otherwise
}

// outcome is how a question ends.
type outcome struct {
	done  int  // how many steps of the work are done; all: the whole
	fails bool // and the answer is an error
	late  bool // the work is done later
}

const all = 99

var errModel = errors.New("the model says no")

type crashed struct{}

// ask is where an actor waits for the world.
func (a *actor) ask(what string) outcome {
	a.asking = what
	if !a.yield(struct{}{}) {
		panic(crashed{})
	}
	return a.answer
}

func newWorld(choices []choice, faults int, fingerprints []string) *world {
	return &world{
		choices: choices, budget: faults, offset: unknownOffset, fingerprints: fingerprints,
		events: map[eventKey]stored{}, sums: map[sumKey]stored{}, batches: map[batchKey]batchRow{}, switches: map[int64]switched{}, accepted: map[store.Recorded]time.Time{},
		now: time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC),
	}
}

// choose makes a choice of n: the one that was given, else the one that pick makes.
func (w *world) choose(n int) int {
	if w.at == len(w.choices) {
		taken := 0
		if w.pick != nil {
			taken = w.pick(n)
		}
		w.choices = append(w.choices, choice{taken, n})
	}
	c := &w.choices[w.at]
	c.of = n
	w.at++
	return c.taken
}

func (w *world) tell(format string, args ...any) {
	if w.telling {
		w.story = append(w.story, fmt.Sprintf(format, args...))
	}
}

// advance makes choices the next schedule to try, and reports whether there is one.
func advance(choices []choice) ([]choice, bool) {
	for n := len(choices) - 1; n >= 0; n-- {
		if choices[n].taken+1 < choices[n].of {
			choices[n].taken++
			return choices[:n+1], true
		}
	}
	return nil, false
}

var modelMetrics = newMetrics()

// start brings a new process.
func (w *world) start(processor *enrich.Processor) *actor {
	a := &actor{name: fmt.Sprint("process ", len(w.actors)+1), world: w, reads: []int64{2, 1, 3}[len(w.actors)%3]}
	fingerprint := w.fingerprints[min(len(w.actors), len(w.fingerprints)-1)]
	a.in = &worker{
		broker: modelBroker{a}, database: modelStore{a}, processor: processor, fingerprint: fingerprint,
		cfg: Config{Batch: Batch{Rows: 1, Bytes: 1}}, log: slog.New(slog.DiscardHandler), metrics: modelMetrics,
		now: func() time.Time { return w.now },
		sleep: func(ctx context.Context, _ time.Duration) bool {
			a.ask("sleep")
			return ctx.Err() == nil
		},
		background: w.background,
	}
	w.actors = append(w.actors, a)
	w.join(a)
	return a
}

// background makes a task that does its work in one go: at once, or as late as it can. What is read
// in between changes nothing outside of the process, so no order between these ends otherwise.
func (w *world) background(do func()) task {
	t := &modelTask{do: do}
	if !w.later {
		t.wait()
	}
	return t
}

type modelTask struct {
	do    func() // nil once it is done
	asked int
}

func (t *modelTask) wait() {
	if do := t.do; do != nil {
		t.do = nil
		do()
	}
}

// done does the work when it is called for the second time, which is before the actor is idle.
func (t *modelTask) done() bool {
	if t.asked++; t.asked > 1 {
		t.wait()
	}
	return t.do == nil
}

// join gives the partition to an actor, in a new generation.
func (w *world) join(a *actor) {
	w.generation++
	w.owner = a
	a.ended, a.idle = false, 0
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	id := w.generation
	w.tell("generation %d: %s (parser %s) has the partition", id, a.name, a.in.fingerprint)
	a.next, a.stop = iter.Pull(iter.Seq[struct{}](func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(crashed); !ok {
					panic(r)
				}
			}
		}()
		a.yield = yield
		if err := a.in.generation(context.Background(), ctx, id, a.name, []topicPartition{modelTopic}); err != nil {
			w.tell("%s leaves generation %d: %v", a.name, id, err)
		}
	}))
	w.proceed(a, outcome{})
}

// proceed lets an actor go on to its next question.
func (w *world) proceed(a *actor, o outcome) {
	a.answer = o
	if _, more := a.next(); !more {
		a.ended = true
	}
}

// interrupt ends the generation of an actor, which sees it.
func (w *world) interrupt(a *actor) {
	a.cancel()
	for !a.ended {
		w.proceed(a, outcome{fails: true})
	}
}

// crash ends a process.
func (w *world) crash(a *actor) {
	w.tell("%s dies at: %s", a.name, a.asking)
	a.dead, a.ended = true, true
	a.stop()
	a.cancel()
}

const maxActors = 3

// run goes through a schedule to its end.
func (w *world) run(processor *enrich.Processor) {
	current := w.start(processor)
	for step := 0; ; step++ {
		if step > 400 {
			w.failure = "it never comes to rest"
			break
		}
		if w.check(false); w.failure != "" {
			break
		}
		if current.ended {
			if current.dead || w.owner != current {
				if current = w.owner; current.ended { // the group notices the death, and gives the partition to a new process
					if current.dead {
						current = w.heir(processor)
					} else {
						w.join(current)
					}
				}
			} else {
				w.join(current)
			}
			continue
		}
		if current.asking == "fetch" && current.idle >= 2 {
			current.idle = 0
			switch zombie := slices.IndexFunc(w.actors, func(a *actor) bool { return !a.ended && a != w.owner }); {
			case current != w.owner:
				w.tell("%s notices that its generation has ended", current.name)
				w.interrupt(current)
				continue
			case w.offset < modelRecords || !strings.HasSuffix(w.metadata, ";"): // something is planned
				w.tell("a minute passes")
				w.now = w.now.Add(keepPlanned + time.Second)
			case zombie >= 0: // all is at rest but for what zombies may still do
				w.tell("the zombie %s goes on", w.actors[zombie].name)
				current = w.actors[zombie]
				continue
			default:
				w.check(true)
				w.end()
				return
			}
		}
		options := w.options(current, processor)
		options[w.choose(len(options))](&current)
	}
	w.end()
}

// end lets all processes go.
func (w *world) end() {
	for _, a := range w.actors {
		a.stop()
		a.cancel()
	}
}

// heir gives the partition to a process that waits for one, or to a new one.
func (w *world) heir(processor *enrich.Processor) *actor {
	for _, a := range w.actors {
		if a.ended && !a.dead {
			w.join(a)
			return a
		}
	}
	return w.start(processor)
}

// options are what may happen now. The first is that all goes well.
func (w *world) options(a *actor, processor *enrich.Processor) []func(current **actor) {
	var options []func(**actor)
	add := func(what string, do func(current **actor)) {
		options = append(options, func(current **actor) {
			if what != "" {
				w.budget--
				w.tell("! %s", what)
			}
			do(current)
		})
	}
	answer := func(o outcome) func(**actor) {
		return func(**actor) {
			w.tell("%s: %s", a.name, a.asking)
			w.proceed(a, o)
		}
	}
	add("", answer(outcome{done: all}))
	if w.budget == 0 {
		return options
	}
	writes, isInsert := false, false
	switch a.asking {
	case "commit", "claim", "void", "gap":
		writes = true
	case "insert":
		writes, isInsert = true, true
	}
	if a.asking != "sleep" {
		add("nothing is done, and the answer is an error", answer(outcome{fails: true}))
	}
	if writes {
		add("it is done, and the answer is an error", answer(outcome{done: all, fails: true}))
	}
	if a.asking == "commit" {
		add("the answer is an error, and the commit is on its way", answer(outcome{late: true, fails: true}))
	}
	steps := []int{0, all}
	if isInsert {
		for done := 1; done < 5; done++ {
			add(fmt.Sprintf("%d of 5 steps are done, and the answer is an error", done), answer(outcome{done: done, fails: true}))
		}
		steps = []int{0, 1, 2, 3, 4, all}
	}
	for _, done := range steps {
		if done > 0 && !writes {
			continue
		}
		add(fmt.Sprintf("crash with %d steps of it done", done), func(current **actor) {
			if done > 0 {
				w.proceed(a, outcome{done: done, fails: true})
			}
			if !a.ended {
				w.crash(a)
			}
			a.dead = true
		})
	}
	if w.owner == a && len(w.actors) < maxActors {
		add("the group thinks it is dead", func(current **actor) { *current = w.start(processor) })
		add("a rebalance gives the partition to another", func(current **actor) {
			w.interrupt(a)
			*current = w.start(processor)
		})
	}
	if w.owner == a {
		add("a rebalance gives it the same partition again", func(current **actor) { w.interrupt(a) })
	}
	for _, other := range w.actors {
		if other != a && !other.ended {
			add("now "+other.name+" goes on", func(current **actor) { *current = other })
		}
	}
	if w.owner != a {
		add("it notices that its generation has ended", func(**actor) { w.interrupt(a) })
	}
	for i := range w.late {
		add("a late commit arrives", func(**actor) {
			c := w.late[i]
			w.late = slices.Delete(w.late, i, i+1)
			w.tell("of generation %d, at %d: %v", c.generation, c.plan.Offset, c.plan.Runs)
			if err := w.commit(c.generation, c.member, c.plan); err != nil {
				w.tell("refused")
			}
		})
	}
	for _, loss := range []struct {
		what                   string
		events, sums, switches bool
		batches                bool
	}{
		{what: "everything", events: true, sums: true, switches: true, batches: true},
		{what: "everything but its word on batches", events: true, sums: true, switches: true},
		{what: "its word on batches", batches: true},
	} {
		if w.lost == "offsets" {
			break
		}
		add("the store loses power, and "+loss.what+" of the last minute", func(**actor) {
			w.lost = "power"
			w.boot++
			clear(w.accepted)
			young := func(at time.Time) bool { return w.now.Sub(at) < keepPlanned }
			if loss.events {
				maps.DeleteFunc(w.events, func(_ eventKey, r stored) bool { return young(r.at) })
			}
			if loss.sums {
				maps.DeleteFunc(w.sums, func(_ sumKey, r stored) bool { return young(r.at) })
			}
			if loss.switches {
				maps.DeleteFunc(w.switches, func(_ int64, s switched) bool { return young(s.at) })
			}
			if loss.batches {
				maps.DeleteFunc(w.batches, func(_ batchKey, r batchRow) bool { return young(r.at) })
			}
		})
	}
	if w.offset != unknownOffset && w.lost != "power" {
		add("the group's offsets are lost", func(**actor) {
			w.offset, w.metadata, w.lost = unknownOffset, "", "offsets"
			w.evictAll()
		})
		add("the group's offsets are set to the earliest", func(**actor) {
			w.offset, w.metadata, w.lost = w.logStart, "", "offsets"
			if len(w.batches) == 0 { // nothing records any more what was before
				w.begun = w.logStart
			}
			w.evictAll()
		})
	}
	if w.logStart < modelRecords-1 {
		add("records are deleted", func(**actor) { w.logStart += 3 - w.logStart%3 })
	}
	add("a minute passes", func(**actor) { w.now = w.now.Add(keepPlanned + time.Second) })
	return options
}

// evictAll ends the generation: offsets can be changed from outside only while the group is empty.
func (w *world) evictAll() {
	w.generation++
	for _, a := range w.actors {
		if !a.ended {
			w.crash(a)
		}
	}
}

// commit is the broker's rule.
func (w *world) commit(generation int, member string, p plan) error {
	if generation != w.generation || w.owner.name != member {
		return kafka.IllegalGeneration
	}
	w.offset, w.metadata = p.Offset, p.encode()
	return nil
}

// counts is the rule of the views.
func (w *world) counts(first int64, epoch uint32) bool {
	s, named := w.switches[first]
	if epoch == 0 {
		return !named
	}
	return named && s.epoch == epoch
}

// check looks at what a reader would see.
func (w *world) check(atRest bool) {
	fail := func(format string, args ...any) {
		if w.failure == "" {
			w.failure = fmt.Sprintf(format, args...)
		}
	}
	var events, sums, batches, gaps [modelRecords]int
	for k, r := range w.events {
		if w.counts(r.first, k.epoch) {
			events[k.offset]++
		}
	}
	for k := range w.sums {
		if w.counts(k.first, k.epoch) {
			sums[k.offset]++
		}
	}
	for k, b := range w.batches {
		if w.counts(k.first, k.epoch) {
			for o := b.FirstOffset; o <= b.LastOffset; o++ {
				batches[o]++
			}
		}
	}
	for _, g := range w.gaps {
		for o := g.FirstOffset; o <= g.LastOffset; o++ {
			gaps[o] = 1
		}
	}
	for o := range modelRecords {
		if events[o] > 1 || sums[o] > 1 || batches[o] > 1 {
			fail("offset %d is counted %d times in events, %d in sums, %d in batches", o, events[o], sums[o], batches[o])
		}
		w.in[o] = w.in[o] || events[o] == 1 && sums[o] == 1 && batches[o] == 1 && !w.missed[o]
		if w.in[o] && w.lost != "power" && (events[o] != 1 || sums[o] != 1 || batches[o] != 1) {
			fail("offset %d was in, and is counted no more", o)
		}
		if !atRest {
			continue
		}
		if events[o] != sums[o] {
			fail("offset %d is counted %d times in events and %d in sums", o, events[o], sums[o])
		}
		if events[o]+gaps[o] < 1 && int64(o) >= w.begun {
			fail("offset %d is not counted, and in no gap", o)
		}
		if batches[o] == 0 && events[o] > 0 {
			fail("offset %d is counted, and in no batch", o)
		}
	}
	if !atRest {
		return
	}
	for k, r := range w.sums {
		if b, ok := w.batches[batchKey{k.first, k.epoch}]; w.counts(k.first, k.epoch) && (!ok || b.Fingerprint != r.fingerprint) {
			fail("the batch at %d, epoch %d, has sums of parser %s and is of %s", k.first, k.epoch, r.fingerprint, b.Fingerprint)
		}
	}
	for k, r := range w.events {
		if b, ok := w.batches[batchKey{r.first, k.epoch}]; w.counts(r.first, k.epoch) && (!ok || b.Fingerprint != r.fingerprint) {
			fail("the batch at %d, epoch %d, has events of parser %s and is of %s", r.first, k.epoch, r.fingerprint, b.Fingerprint)
		}
	}
}

// modelBroker is the broker as one process sees it.
type modelBroker struct{ *actor }

func (b modelBroker) committed(context.Context) (map[topicPartition]plan, error) {
	if b.ask("committed").fails {
		return nil, errModel
	}
	if b.world.offset == unknownOffset {
		return map[topicPartition]plan{}, nil
	}
	p, err := decodePlan(b.world.offset, b.world.metadata)
	return map[topicPartition]plan{modelTopic: p}, err
}

func (b modelBroker) commit(_ context.Context, generation int, member string, plans map[topicPartition]plan) error {
	p := plans[modelTopic]
	o := b.ask("commit")
	if o.late {
		b.world.late = append(b.world.late, lateCommit{generation, member, p})
	}
	if o.done > 0 {
		b.world.tell("  offset %d, %s", p.Offset, p.encode())
		if err := b.world.commit(generation, member, p); err != nil {
			return err
		}
	}
	if o.fails {
		return errModel
	}
	return nil
}

func (b modelBroker) start(context.Context, topicPartition) (int64, error) {
	if b.ask("start").fails {
		return 0, errModel
	}
	b.world.begun = max(b.world.begun, b.world.logStart)
	return b.world.logStart, nil
}

func (b modelBroker) bounds(context.Context, topicPartition) (int64, int64, error) {
	if b.ask("bounds").fails {
		return 0, 0, errModel
	}
	return b.world.logStart, modelRecords, nil
}

func (b modelBroker) reconnect() {}

func (b modelBroker) fetch(ctx context.Context, wanted []position) []fetched {
	p := wanted[0]
	o := b.ask("fetch")
	f := fetched{position: p, end: modelRecords}
	switch {
	case o.fails:
		f.err = errModel
	case p.offset < b.world.logStart:
		f.err = kafka.OffsetOutOfRange
	default:
		if p.offset >= modelRecords {
			b.idle++
		} else {
			b.idle = 0
		}
		from := p.offset
		f.read = func(use func(record) bool) (int64, error) {
			next := from
			for more := true; more && next < min(from+b.reads, modelRecords); next++ {
				more = use(modelRecord(next))
			}
			return next, nil
		}
	}
	return []fetched{f}
}

func modelRecord(offset int64) record {
	return record{offset: offset, value: []byte{'x', byte(offset)}}
}

// modelStore is the store as one process sees it.
type modelStore struct{ *actor }

func (s modelStore) Insert(_ context.Context, batches []*store.Batch) error {
	w := s.world
	o := s.ask("insert")
	for _, b := range batches {
		w.tell("  %d-%d, epoch %d", b.FirstOffset, b.LastOffset, b.Epoch)
	}
	for step := range min(o.done, 5) {
		for _, b := range batches {
			switch step {
			case 0:
				for _, offset := range w.holds(b) {
					put(w.events, eventKey{offset, b.Epoch}, stored{b.FirstOffset, b.Fingerprint, w.now})
				}
			case 1:
				for _, offset := range w.holds(b) {
					put(w.sums, sumKey{b.FirstOffset, b.Epoch, offset, b.Fingerprint}, stored{b.FirstOffset, b.Fingerprint, w.now})
				}
			case 2:
				row := batchRow{store.Recorded{
					FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, Epoch: b.Epoch, Fingerprint: b.Fingerprint, FirstRecord: b.FirstRecord}, b.Records, w.now}
				if before, ok := w.batches[batchKey{b.FirstOffset, b.Epoch}]; ok && before.Recorded == row.Recorded {
					row.at = before.at
				}
				w.batches[batchKey{b.FirstOffset, b.Epoch}] = row
			case 3:
				if b.Epoch > 0 && b.Epoch > w.switches[b.FirstOffset].epoch {
					w.switches[b.FirstOffset] = switched{b.Epoch, w.now}
				}
			case 4:
				r := store.Recorded{FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, Epoch: b.Epoch, Fingerprint: b.Fingerprint}
				if _, already := w.accepted[r]; !already {
					w.accepted[r] = w.now
				}
			}
		}
	}
	if o.fails {
		return errModel
	}
	return nil
}

// holds returns the records of a batch. The first is known by its hash, and what is missing was
// deleted, so that the others follow it or come after what was deleted.
func (w *world) holds(b *store.Batch) (offsets []int64) {
	for o := b.FirstOffset; o <= b.LastOffset && b.Records > 0; o++ {
		if len(offsets) == 0 && modelRecord(o).hash() != b.FirstRecord {
			continue
		}
		left := b.LastOffset - max(o, w.logStart) + 1 // that Kafka still has
		if o >= w.logStart || int64(b.Records)-int64(len(offsets)) > max(0, left) {
			offsets = append(offsets, o)
		}
	}
	return offsets
}

// put writes a row. One that is there already stays as old as it is: the part that it is in
// outlives the loss of a newer one.
func put[K comparable](rows map[K]stored, key K, row stored) {
	if before, ok := rows[key]; ok && before.first == row.first && before.fingerprint == row.fingerprint {
		row.at = before.at
	}
	rows[key] = row
}

func (s modelStore) InsertWatermarks(context.Context, []store.Watermark) error { return nil }

func (s modelStore) InsertGap(_ context.Context, g store.Gap) error {
	o := s.ask("gap")
	if o.done > 0 {
		s.world.tell("  %d to %d: %s", g.FirstOffset, g.LastOffset, g.Reason)
		s.world.gaps = append(s.world.gaps, g)
	}
	if o.fails {
		return errModel
	}
	return nil
}

func (s modelStore) recorded(from int64) (all []store.Recorded) {
	for k, b := range s.world.batches {
		if s.world.counts(k.first, k.epoch) && b.LastOffset >= from {
			all = append(all, b.Recorded)
		}
	}
	slices.SortFunc(all, func(a, b store.Recorded) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return all
}

func (s modelStore) RecordedFrom(_ context.Context, places []store.Place) ([][]store.Recorded, error) {
	if s.ask("recorded").fails {
		return nil, errModel
	}
	return [][]store.Recorded{s.recorded(places[0].Offset)}, nil
}

func (s modelStore) LastRecorded(context.Context, []store.Place) ([]*store.Recorded, error) {
	if s.ask("last recorded").fails {
		return nil, errModel
	}
	all := s.recorded(0)
	if len(all) == 0 {
		return []*store.Recorded{nil}, nil
	}
	return []*store.Recorded{&all[len(all)-1]}, nil
}

func (s modelStore) Accepted(_ context.Context, _ []store.Place, ago time.Duration) ([][]store.Recorded, error) {
	if s.ask("accepted").fails {
		return nil, errModel
	}
	var all []store.Recorded
	for r, at := range s.world.accepted {
		if s.world.now.Sub(at) > ago {
			all = append(all, r)
		}
	}
	return [][]store.Recorded{all}, nil
}

func (s modelStore) ClaimEpoch(_ context.Context, _ string, least uint32) (uint32, error) {
	o := s.ask("claim")
	w := s.world
	epoch := max(w.claimed, least) + 1
	if o.done > 0 {
		w.tell("  epoch %d", epoch)
		w.claimed = epoch
	}
	if o.fails {
		return 0, errModel
	}
	return epoch, nil
}

// orphans are the batches that have rows which count and are not recorded.
func (w *world) orphans() map[store.Orphan]bool {
	seen := map[store.Orphan]bool{}
	look := func(first int64, epoch uint32) {
		if _, recorded := w.batches[batchKey{first, epoch}]; w.counts(first, epoch) && !recorded {
			seen[store.Orphan{FirstOffset: first, Epoch: epoch}] = true
		}
	}
	for k, r := range w.events {
		look(r.first, k.epoch)
	}
	for k := range w.sums {
		look(k.first, k.epoch)
	}
	return seen
}

func (s modelStore) Orphans(_ context.Context, places []store.Place) ([][]store.Orphan, error) {
	if s.ask("orphans").fails {
		return nil, errModel
	}
	var orphans []store.Orphan
	for orphan := range s.world.orphans() {
		if orphan.FirstOffset >= places[0].Offset {
			orphans = append(orphans, orphan)
		}
	}
	slices.SortFunc(orphans, func(a, b store.Orphan) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return [][]store.Orphan{orphans}, nil
}

func (s modelStore) Whole(_ context.Context, _ string, _ int, first int64) (bool, error) {
	if s.ask("whole").fails {
		return false, errModel
	}
	for k, b := range s.world.batches {
		if k.first != first || !s.world.counts(first, k.epoch) {
			continue
		}
		var events, sums uint64
		for e, r := range s.world.events {
			if r.first == first && e.epoch == k.epoch {
				events++
			}
		}
		for r := range s.world.sums {
			if r.first == first && r.epoch == k.epoch {
				sums++
			}
		}
		if events == b.records && sums == b.records {
			return true, nil
		}
	}
	for o := first; o < s.world.logStart; o++ {
		s.world.missed[o] = s.world.missed[o] || !s.world.in[o]
	}
	return false, nil
}

func (s modelStore) Void(_ context.Context, _ string, _ int, orphans []store.Orphan, epoch uint32) error {
	o := s.ask("void")
	still := s.world.orphans()
	others := false
	for _, orphan := range orphans {
		switch {
		case o.done == 0:
		case !still[orphan]:
			others = true
		default:
			s.world.tell("  %v, epoch %d", orphan, epoch)
			s.world.switches[orphan.FirstOffset] = switched{epoch, s.world.now}
		}
	}
	if o.fails || others {
		return errModel
	}
	return nil
}

func (s modelStore) VoidedFrom(_ context.Context, places []store.Place) ([]store.Voided, error) {
	if s.ask("voided").fails {
		return nil, errModel
	}
	var d store.Voided
	for first, sw := range s.world.switches {
		if first >= places[0].Offset {
			d.Last, d.Epoch = max(d.Last, first), max(d.Epoch, sw.epoch)
		}
	}
	return []store.Voided{d}, nil
}

func (s modelStore) ServerID(context.Context) (string, error) {
	if s.ask("boot").fails {
		return "", errModel
	}
	return strconv.Itoa(s.world.boot), nil
}

// exploration is a search for a schedule that ends badly, with one set of parsers.
type exploration struct {
	fingerprints []string
	later        bool
	processor    *enrich.Processor

	schedules, steps int
	failure          string // how the last schedule ended
	story            []string
}

// try runs one schedule and reports whether it ended well. It returns the choices that were made.
func (e *exploration) try(choices []choice, faults int, pick func(of int) int) (made []choice, ok bool) {
	w := newWorld(choices, faults, e.fingerprints)
	w.pick, w.later = pick, e.later
	w.run(e.processor)
	made = w.choices[:w.at]
	e.schedules, e.steps = e.schedules+1, e.steps+w.at
	if w.failure == "" {
		return made, true
	}
	again := newWorld(made, faults, e.fingerprints)
	again.telling, again.later = true, e.later
	again.run(e.processor)
	e.failure, e.story = w.failure, again.story
	return made, false
}

// every tries every schedule with up to so many faults.
func (e *exploration) every(faults int) bool {
	var choices []choice
	for more := true; more; choices, more = advance(choices) {
		var ok bool
		if choices, ok = e.try(choices, faults, nil); !ok {
			return false
		}
	}
	return true
}

// sample tries n schedules drawn at random, with up to so many faults.
func (e *exploration) sample(n, faults int, random *rand.Rand) bool {
	for range n {
		_, ok := e.try(nil, faults, func(of int) int {
			if of == 1 || random.IntN(modelFaultEvery) > 0 {
				return 0
			}
			return 1 + random.IntN(of-1)
		})
		if !ok {
			return false
		}
	}
	return true
}

// modelFaultEvery is how many steps come between two faults of a sample, on average. A schedule has
// some thirty.
const modelFaultEvery = 12

// modelParsers are the fingerprints of the processes, in the order in which they come.
var modelParsers = [][]string{{"A"}, {"A", "B", "A"}, {"A", "B", "C"}}

// TestModel tries every schedule with one fault, and a sample of those with two. Inserts are made
// at once for some sets of parsers and late for the others. With ERRATA_PROVE=1 it does both for
// each and tries every schedule with two faults as well, or with up to ERRATA_MODEL_FAULTS.
// ERRATA_MODEL_SEED repeats a sample.
func TestModel(t *testing.T) {
	t.Parallel()
	number := func(variable string, otherwise int) int {
		n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), strconv.Itoa(otherwise)))
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		return n
	}
	faults, samples := 1, 400
	if stacktest.Prove() {
		faults, samples = 2, 5000
	}
	faults = number("ERRATA_MODEL_FAULTS", faults)
	seed := number("ERRATA_MODEL_SEED", int(time.Now().UnixNano()%1_000_000))
	search := func(name string, search func(e *exploration) bool) {
		t.Run(name, func(t *testing.T) {
			for i, fingerprints := range modelParsers {
				for _, later := range []bool{true, false} {
					if !stacktest.Prove() && later != (i%2 == 0) {
						continue
					}
					t.Run(fmt.Sprintf("%s, inserts as late as they can be: %t", strings.Join(fingerprints, ""), later), func(t *testing.T) {
						t.Parallel()
						processor, err := enrich.NewProcessor(enrich.Config{}, &catalog.Set{})
						if err != nil {
							t.Fatal(err)
						}
						e := &exploration{fingerprints: fingerprints, later: later, processor: processor}
						if !search(e) {
							t.Fatalf("parsers %v, schedule %d: %s\n%s", fingerprints, e.schedules, e.failure, strings.Join(e.story, "\n"))
						}
						t.Logf("%d schedules, %d steps", e.schedules, e.steps)
					})
				}
			}
		})
	}
	search("one fault", func(e *exploration) bool { return e.every(1) })
	search(fmt.Sprintf("a sample of two faults from seed %d", seed), func(e *exploration) bool {
		return e.sample(samples, 2, rand.New(rand.NewPCG(uint64(seed), 0)))
	})
	if faults > 1 {
		search(fmt.Sprintf("up to %d faults", faults), func(e *exploration) bool { return e.every(faults) })
	}
}
