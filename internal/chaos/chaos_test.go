package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"errata/internal/stack/stacktest"
)

const (
	members    = 3 // ingesters that are always there; one more comes and goes
	partitions = 9
	// batchAge is shorter than the default, so that the time that a batch takes to fill hides no
	// pause.
	batchAge = 500 * time.Millisecond
)

// run is one run of TestChaos.
type run struct {
	ctx     context.Context
	rig     *rig
	random  *rand.Rand
	behind  time.Duration // what there is to catch up with takes so long at most
	parsers int           // different ones among the ingesters
	load    *load         // the one whose pauses are measured
	watch   *watch
	owners  map[int][]partition // by slot, before the fault at hand
	only    *regexp.Regexp      // names of faults; nil: all
	bag     []fault             // those that have not come in this turn

	seen    map[string]*kind
	strikes int
	ends    map[int]int // by slot: ends that nobody asked for and that have been told
}

// TestChaos breaks everything at random for a while, and then counts. With ERRATA_PROVE=1 it does
// so on three brokers, for a minute and more; otherwise on one, and only the kinds of kill are
// certain to happen, all in the first step. The environment says for how long (ERRATA_CHAOS_FOR),
// after how many faults it is enough (ERRATA_CHAOS_FAULTS), from which seed (ERRATA_CHAOS_SEED),
// with how many records a second (ERRATA_CHAOS_RATE), into which file the numbers go
// (ERRATA_CHAOS_REPORT), and that only faults whose names match ERRATA_CHAOS_ONLY happen, one at a
// time. ERRATA_CHAOS_PARSERS is how many different parsers the ingesters have, three unless it says
// otherwise: with several, most take-overs make a minute of batches again, and more when owners
// change more often than that. With ERRATA_CHAOS_KEEP=1 the ingesters' logs are kept.
func TestChaos(t *testing.T) {
	stacktest.Long(t, "a broker, three ingesters and twenty seconds of faults")
	brokers, lasts, perSecond := 1, 20*time.Second, 600
	if stacktest.Prove() {
		brokers, lasts, perSecond = 3, 75*time.Second, 1500
	} else {
		t.Parallel() // the long form measures pauses, and so it runs alone
	}
	length := setting(t, "ERRATA_CHAOS_FOR", lasts, time.ParseDuration)
	most := setting(t, "ERRATA_CHAOS_FAULTS", 1<<30, strconv.Atoi)
	rate := setting(t, "ERRATA_CHAOS_RATE", perSecond, strconv.Atoi)
	seed := setting(t, "ERRATA_CHAOS_SEED", uint64(time.Now().UnixNano()%1_000_000), func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	only := setting(t, "ERRATA_CHAOS_ONLY", nil, regexp.Compile)
	parsers := setting(t, "ERRATA_CHAOS_PARSERS", 3, strconv.Atoi)
	t.Logf("the same faults again: make chaos FOR=%v SEED=%d PARSERS=%d", length, seed, parsers)

	r := newRig(t, brokers, members+1, 256<<20)
	r.set("kafka.topics", "plain,transactions")
	r.set("ingest.batch.age", batchAge.String())
	r.set("clickhouse.insert_timeout", insertTimeout.String())
	ctx := t.Context()
	if err := errors.Join(r.brokers[0].CreateTopic(ctx, "plain", partitions), r.brokers[0].CreateTopic(ctx, "transactions", 2)); err != nil {
		t.Fatal(err)
	}
	c := &run{ctx: ctx, rig: r, random: rand.New(rand.NewPCG(seed, 0)), parsers: parsers, only: only, load: newLoad(t, "plain", partitions, record, 0), seen: map[string]*kind{}, ends: map[int]int{}}
	transactions := newLoad(t, "transactions", 2, record, 1<<40)
	for _, in := range r.ingesters[:members] {
		if err := in.start(c.settings()); err != nil {
			t.Fatal(err)
		}
	}
	c.load.steady(t, r.direct(), rate)
	transactions.transactions(t, r.direct())
	c.watch = newWatch(ctx, r, c.load)
	c.awaitWell(t)
	r.logf("%d ingesters count %d records a second", members, rate)
	c.quiet(t)

	until := time.Now().Add(length)
	if brokers == 1 && only == nil {
		c.step(t, kills()...)
	}
	for time.Now().Before(until) && c.strikes < most && !t.Failed() {
		c.step(t, c.drawSome()...)
	}

	r.logf("%d faults; the load ends", c.strikes)
	c.load.stop(t)
	transactions.stop(t)
	c.awaitAll(t, transactions)
	r.stopAll(t)
	records := r.count(t, c.load, transactions)

	// Whoever comes next finds the plans of the last minute and repeats them, which must change
	// nothing.
	if err := r.ingesters[0].start(c.settings()); err != nil {
		t.Fatal(err)
	}
	c.awaitWell(t)
	time.Sleep(2 * time.Second)
	r.stopAll(t)
	r.count(t, c.load, transactions)
	r.audit(t)
	c.report(t, seed, records, time.Since(r.began))
}

// setting reads a variable of the environment.
func setting[V any](t *testing.T, variable string, otherwise V, parse func(string) (V, error)) V {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	v, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return v
}

// quiet measures the pauses without any fault.
func (c *run) quiet(t *testing.T) {
	c.watch.reset()
	time.Sleep(3 * time.Second)
	own, _ := c.pauses(c.all())
	c.note("none", own, pause{})
	c.rig.logf("nothing is broken: stood still for %v", own)
}

// all are all partitions whose pauses are measured.
func (c *run) all() (all []partition) {
	for p := range c.load.partitions {
		all = append(all, partition{c.load.topic, p})
	}
	return all
}

// draw takes a fault out of the bag, which holds each kind once and is filled again when it is
// empty.
func (c *run) draw() fault {
	if len(c.bag) == 0 {
		for _, f := range faults {
			if c.only == nil || c.only.MatchString(f.name) {
				c.bag = append(c.bag, f)
			}
		}
		c.random.Shuffle(len(c.bag), func(i, j int) { c.bag[i], c.bag[j] = c.bag[j], c.bag[i] })
	}
	f := c.bag[0]
	c.bag = c.bag[1:]
	return f
}

// drawSome draws one fault, or several.
func (c *run) drawSome() (some []fault) {
	n := 1
	if c.only == nil && c.random.IntN(4) == 0 {
		n = 2 + c.random.IntN(2)
	}
	for range n {
		some = append(some, c.draw())
	}
	return some
}

// step breaks one thing, or several at once, repairs it, and waits until all is well again. Two
// faults hit different things.
func (c *run) step(t *testing.T, some ...fault) {
	c.watch.reset()
	var names, needs []string
	var strikes []strike
	for _, f := range some {
		s, possible := f.plan(c), false
		for range 20 { // draws of what is hit
			if possible = !slices.ContainsFunc(s.needs, func(need string) bool { return slices.Contains(needs, need) }); possible {
				break
			}
			s = f.plan(c)
		}
		if !possible {
			c.bag = append(c.bag, f)
			continue
		}
		names, needs, strikes = append(names, f.name), append(needs, s.needs...), append(strikes, s)
	}
	var delays []time.Duration
	for i := range strikes {
		delays = append(delays, time.Duration(i)*c.between(0, 2))
	}

	began := time.Now()
	errs := make([]error, len(strikes))
	var striking sync.WaitGroup // one goroutine a strike, awaited here
	for i, s := range strikes {
		c.rig.logf("%s", s.what)
		striking.Go(func() {
			time.Sleep(delays[i])
			errs[i] = s.begin()
			time.Sleep(s.lasts)
			errs[i] = errors.Join(errs[i], s.end())
		})
	}
	striking.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("%s: %v", strings.Join(names, " and "), err)
	}
	c.strikes += len(strikes)
	c.awaitWell(t)

	var hit []partition
	for _, s := range strikes {
		hit = append(hit, s.own...)
	}
	own, others := c.pauses(hit)
	name := names[0]
	if len(strikes) > 1 {
		name = "several at once"
	}
	c.note(name, own, others)
	c.rig.logf("well again after %.1f s; where it was hit stood still for %v, elsewhere %v; ingesters took up to %d MiB until now; load of the machine %s",
		time.Since(began).Seconds(), own, others, slices.Max(c.rig.peaks()), machineLoad())
	for _, in := range c.rig.ingesters {
		for _, end := range in.unasked()[c.ends[in.slot]:] {
			c.ends[in.slot]++
			c.rig.logf("%s ended unasked: %s", slotName(in), end)
			if !strings.HasPrefix(end, "exit status 3:") { // a server could not be reached at start: whoever runs it starts it again
				t.Errorf("%s must not end so: %s", slotName(in), end)
			}
		}
	}
	sleep(c.ctx, c.between(0.5, 2))
}

// recoveryTimeout is how long the group may take to consume again after everything is repaired,
// unless there is more to catch up with.
const recoveryTimeout = 90 * time.Second

// awaitWell waits until the group has all its members and no other, and has counted all that Kafka
// held when everything was repaired.
func (c *run) awaitWell(t *testing.T) {
	t.Helper()
	ends := c.watch.produced()
	var why error
	recovery := max(recoveryTimeout, c.behind)
	for deadline := time.Now().Add(recovery); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		owners, err := c.rig.owners(c.ctx)
		for _, in := range c.rig.ingesters {
			_, member := owners[in.slot]
			if err == nil && in.up() != member {
				err = fmt.Errorf("%s is in the group: %v, should be: %v", slotName(in), member, in.up())
			}
		}
		if err == nil && !c.watch.reached(ends) {
			err = errors.New(c.watch.behind(ends))
		}
		if why = err; err == nil {
			c.owners = owners
			return
		}
	}
	t.Fatalf("not well again %v after everything was repaired: %v", recovery, why)
}

// pause is the longest pause of some partitions.
type pause struct {
	time.Duration
	of partition
}

func (p pause) String() string {
	if p.Duration == 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f s (%s/%d)", p.Seconds(), p.of.topic, p.of.id)
}

// pauses returns the longest pause of the partitions that were hit and of the others.
func (c *run) pauses(hit []partition) (own, others pause) {
	for p, d := range c.watch.pauses() {
		worst := &others
		if slices.Contains(hit, p) {
			worst = &own
		}
		if d > worst.Duration {
			*worst = pause{d, p}
		}
	}
	return own, others
}

// awaitAll waits until all loads are counted to their ends.
func (c *run) awaitAll(t *testing.T, loads ...*load) {
	t.Helper()
	c.awaitWell(t)
	for _, l := range loads {
		w := newWatch(c.ctx, c.rig, l)
		for deadline := time.Now().Add(recoveryTimeout); !w.reached(l.ends); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not all is counted %v after the load's end: %s", recoveryTimeout, w.behind(l.ends))
			}
		}
	}
}

// stopAll ends all ingesters in order.
func (r *rig) stopAll(t *testing.T) {
	t.Helper()
	for _, in := range r.ingesters {
		if err := in.stop(); err != nil {
			t.Error(err)
		}
	}
}

// audit lets the ingester's own proof judge the same data.
func (r *rig) audit(t *testing.T) {
	t.Helper()
	command := exec.CommandContext(t.Context(), r.binary, "audit")
	command.Dir, command.Env = r.logs, r.ingesters[0].env
	out, err := command.CombinedOutput()
	if strings.Contains(string(out), `there is no command "audit"`) {
		t.Log("this ingester has no audit yet")
		return
	}
	if err != nil {
		t.Errorf("ingest audit: %v", err)
	}
	t.Logf("ingest audit says:\n%s", out)
}

// kind is what was seen of one kind of fault.
type kind struct {
	name        string
	own, others []time.Duration // pauses, of each time
}

func (c *run) note(name string, own, others pause) {
	if c.seen[name] == nil {
		c.seen[name] = &kind{name: name}
	}
	c.seen[name].own = append(c.seen[name].own, own.Duration)
	c.seen[name].others = append(c.seen[name].others, others.Duration)
}

// The limits that the project has set itself for the pauses after kill -9 of one ingester, asked
// for with ERRATA_CHAOS_STRICT=1: in a run beside other tests they would measure those.
const (
	ownLimit    = 8 * time.Second
	othersLimit = 3 * time.Second
)

type reported struct {
	Fault        string  `json:"fault"`
	Count        int     `json:"count"`
	OwnWorst     float64 `json:"own_worst_seconds"`
	OwnMedian    float64 `json:"own_median_seconds"`
	OthersWorst  float64 `json:"others_worst_seconds"`
	OthersMedian float64 `json:"others_median_seconds"`
}

// report prints the pauses by kind of fault, and writes them to the file that ERRATA_CHAOS_REPORT
// names.
func (c *run) report(t *testing.T, seed uint64, records int, took time.Duration) {
	t.Helper()
	kinds := slices.SortedFunc(func(yield func(*kind) bool) {
		for _, k := range c.seen {
			if !yield(k) {
				return
			}
		}
	}, func(a, b *kind) int { return cmp.Compare(order(a.name), order(b.name)) })
	var rows []reported
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\ttimes\tworst own\tmedian\tworst others\tmedian\t")
	for _, k := range kinds {
		row := reported{k.name, len(k.own), slices.Max(k.own).Seconds(), median(k.own), slices.Max(k.others).Seconds(), median(k.others)}
		rows = append(rows, row)
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n", row.Fault, row.Count, row.OwnWorst, row.OwnMedian, row.OthersWorst, row.OthersMedian)
		if strings.HasPrefix(k.name, "ingester killed") && os.Getenv("ERRATA_CHAOS_STRICT") != "" && (slices.Max(k.own) > ownLimit || slices.Max(k.others) > othersLimit) {
			t.Errorf("%s: partitions stood still for %.1f s, others for %.1f s; at most %v and %v are promised", k.name, row.OwnWorst, row.OthersWorst, ownLimit, othersLimit)
		}
	}
	w.Flush()
	peaks, cuts, held := c.rig.peaks(), 0, 0
	for _, in := range c.rig.ingesters {
		a, b := in.inserts.done()
		cuts, held = cuts+a, held+b
	}
	// What the proxies know of ClickHouse's protocol may grow old, and then nothing would be
	// disturbed.
	if c.seen["every INSERT is repeated"] != nil && cuts == 0 {
		t.Error("no answer to an INSERT was cut off, although every INSERT was to be repeated")
	}
	if (c.seen["answers to INSERTs come after the timeout"] != nil || c.seen["rows of INSERTs arrive after the timeout"] != nil) && held == 0 {
		t.Error("no INSERT was held, although some were to be")
	}
	t.Logf("seed %d, %d faults in %.0f s, %d records; pauses in seconds:\n%s\npeak memory of the ingesters in MiB: %v; %d answers to INSERTs were cut off, %d INSERTs held",
		seed, c.strikes, took.Seconds(), records, text.String(), peaks, cuts, held)
	if file := os.Getenv("ERRATA_CHAOS_REPORT"); file != "" {
		out, err := json.MarshalIndent(map[string]any{
			"seed": seed, "parsers": c.parsers, "faults": c.strikes, "seconds": took.Seconds(), "records": records, "exact": !t.Failed(), "pauses": rows,
			"peak_memory_mib": peaks, "answers_cut": cuts, "inserts_held": held,
		}, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(out, '\n'), 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// order is where a kind of fault stands in the report.
func order(name string) int {
	if name == "none" {
		return -1
	}
	if i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name }); i >= 0 {
		return i
	}
	return len(faults)
}

func median(all []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2].Seconds()
}

// machineLoad is how many processes wanted a processor in the last minute: with more than there
// are, pauses say little.
func machineLoad() string {
	text, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	return load
}
