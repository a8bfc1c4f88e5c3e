package chaos

import (
	"strconv"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

// memoryBeside is how much more than its budget an ingester may take.
const memoryBeside = 100 << 20

// TestOutage takes ClickHouse away under full load for ERRATA_OUTAGE_FOR: the ingester's memory
// stays bounded, nothing is lost, and it catches up by itself. What comes in meanwhile is more than
// its budget (ingest.memory).
func TestOutage(t *testing.T) {
	if !stacktest.Prove() {
		t.Skip("full load needs the machine to itself: make prove, or make chaos")
	}
	const memoryBudget = 64 << 20
	length := setting(t, "ERRATA_OUTAGE_FOR", 15*time.Second, time.ParseDuration)
	rate := setting(t, "ERRATA_OUTAGE_RATE", 300, strconv.Atoi) // records a second, of 20 errors each, 19 KB
	r := newRig(t, 1, 1, memoryBudget)
	in := r.ingesters[0]
	r.set("kafka.topics", "heavy")
	if err := r.brokers[0].CreateTopic(t.Context(), "heavy", 4); err != nil {
		t.Fatal(err)
	}
	l := newLoad(t, "heavy", 4, heavy, 0)
	if err := in.start(); err != nil {
		t.Fatal(err)
	}
	l.steady(t, r.direct(), rate)
	c := &run{ctx: t.Context(), rig: r, load: l, watch: newWatch(t.Context(), r, l), behind: 3 * length}
	time.Sleep(3 * time.Second)
	c.awaitWell(t)

	if err := r.killClickHouse(); err != nil {
		t.Fatal(err)
	}
	r.logf("ClickHouse is away; the ingester takes %d MiB, at most %d until now", memory(in.process().Pid(), "VmRSS")>>10, in.peakMemory()>>10)
	for i := range 5 {
		time.Sleep(length / 5)
		r.logf("away for %v; the ingester takes %d MiB", time.Duration(i+1)*length/5, memory(in.process().Pid(), "VmRSS")>>10)
	}
	if err := r.restartClickHouse(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	r.logf("ClickHouse is back, %d records wait", sum(c.watch.produced())-sum(c.watch.counted()))
	l.stop(t)
	c.awaitWell(t)
	r.logf("caught up after %.1f s; the ingester took at most %d MiB, its budget is %d", time.Since(back).Seconds(), in.peakMemory()>>10, memoryBudget>>20)
	if peak := in.peakMemory() << 10; peak > memoryBudget+memoryBeside {
		t.Errorf("the ingester took %d MiB: more than its budget of %d and %d MB", peak>>20, memoryBudget>>20, memoryBeside>>20)
	}
	for _, end := range in.unasked() {
		t.Errorf("it ended in the meantime: %s", end)
	}
	r.stopAll(t)
	r.count(t, l)
}

func sum(numbers []int64) (total int64) {
	for _, n := range numbers {
		total += n
	}
	return total
}
