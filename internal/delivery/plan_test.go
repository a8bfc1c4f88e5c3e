package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/store"
)

func TestPlanSurvivesTheCommit(t *testing.T) {
	f := func(p plan) {
		t.Helper()
		got, err := decodePlan(p.Offset, p.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got, cmp.AllowUnexported(run{})); diff != "" {
			t.Error(diff)
		}
	}
	f(plan{Offset: 0, Fingerprint: "1-auto"})
	f(plan{Offset: 7, Fingerprint: "1-auto", Runs: []run{{7, 7, 3}, {8, 20_000, 3}, {20_001, 1 << 39, 0}}})
	f(plan{Offset: 7, Fingerprint: "1-auto", Runs: []run{{7, 7, 0}, {8, 9, 3}, {10, 10, 3}, {11, 12, 9}, {13, 13, 0}}})
}

func TestPlanFitsInKafkasMetadata(t *testing.T) {
	p := plan{Fingerprint: "1-auto"}
	for next := int64(0); !p.full(); {
		length := int64(1) << (len(p.Runs) % 40)
		p.Runs = append(p.Runs, run{next, next + length - 1, uint32(1<<31 - len(p.Runs)/500)})
		next += length
	}
	if n := len(p.encode()); n > maxMetadata || n < maxMetadata-30 {
		t.Errorf("a full plan has %d bytes", n)
	}
}

func TestForeignMetadata(t *testing.T) {
	if p, err := decodePlan(5, ""); err != nil || p.Offset != 5 || len(p.Runs) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	for _, metadata := range []string{"2;x;0*0;", "1;x;0*0", "1;x;-1*0;", "1;x;0*-1;", "1;x;0;", "1;x;0*0;!!", "1;x;0*0;AA", "hello", "1;x;0*0;gICA"} {
		if _, err := decodePlan(5, metadata); !errors.Is(err, errPlan) {
			t.Errorf("%q: %v", metadata, err)
		}
	}
}

func FuzzDecodePlan(f *testing.F) {
	f.Add(int64(3), plan{Fingerprint: "1-auto", Runs: []run{{3, 9, 1}, {10, 500, 0}}}.encode())
	f.Fuzz(func(t *testing.T, offset int64, metadata string) {
		p, err := decodePlan(offset, metadata)
		if err == nil && metadata != "" && offset >= 0 && offset < 1<<40 && len(p.Runs) > 0 && p.Runs[0].first != offset {
			t.Errorf("%+v", p)
		}
	})
}

// boundaries shows the batches of a partition in short: "0-4" planned, "5-9s" sealed, "10-11o"
// open.
func boundaries(p *partition) string {
	var all []string
	show := func(b *store.Batch, mark string) {
		all = append(all, run{b.FirstOffset, b.LastOffset, b.Epoch}.String()+mark)
	}
	for _, r := range p.planned {
		mark := "p"
		if r.batch != nil {
			mark = "b"
		}
		all = append(all, r.String()+mark)
	}
	for _, b := range p.sealed {
		if b.batch == nil {
			all = append(all, b.String()+"w")
			continue
		}
		show(b.batch, "s")
	}
	if p.open != nil {
		show(p.open, "o")
	}
	return strings.Join(all, " ")
}

func TestBoundariesAreCutOnce(t *testing.T) {
	f := func(p *partition, read [][2]int64, want string) {
		t.Helper()
		for _, r := range read { // records r[0], then the log is known up to r[1]
			if r[0] >= 0 {
				p.add(r[0], func(b *store.Batch) { b.LastOffset = r[0] })
			}
			p.next = r[1]
			p.closeBefore(p.next)
		}
		p.seal()
		if got := boundaries(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	tp := topicPartition{"logs", 0}
	committed := plan{Offset: 10, Fingerprint: "f", Runs: []run{{10, 14, 0}, {15, 19, 0}}}
	recorded := []store.Recorded{{FirstOffset: 10, LastOffset: 14}, {FirstOffset: 15, LastOffset: 19}, {FirstOffset: 20, LastOffset: 29, Fingerprint: "f"}}
	fresh := func() *partition { return newPartition(tp, plan{Offset: 10}, nil, "f") }
	again := func() *partition { return newPartition(tp, committed, recorded, "f") }

	f(fresh(), [][2]int64{{10, 11}, {11, 12}}, "10-11s")
	f(fresh(), [][2]int64{{12, 13}, {15, 18}}, "10-17s")               // offsets without records are covered
	f(fresh(), [][2]int64{{-1, 13}}, "")                               // but make no batch of their own
	f(again(), nil, "10-14p 15-19p")                                   // nothing read yet
	f(again(), [][2]int64{{10, 11}, {12, 13}}, "10-14p 15-19p 10-12o") // a planned run is not sealed before its end
	f(again(), [][2]int64{{10, 11}, {14, 15}}, "10-14b 15-19p")        // and at its end is in its place
	f(again(), [][2]int64{{10, 11}, {15, 16}}, "10-14b 15-19p 15-15o") // its last offsets may have no record
	f(again(), [][2]int64{{-1, 25}}, "10-14b 15-19b")                  // nor any of them
	hole := func() *partition {
		return newPartition(tp, plan{Offset: 10}, []store.Recorded{{FirstOffset: 20, LastOffset: 29, Fingerprint: "f"}}, "f")
	}
	f(hole(), [][2]int64{{20, 21}, {29, 30}}, "10-19s 20-29s") // offsets without a record that no batch ever had: a plan has no gap
	f(hole(), [][2]int64{{12, 13}, {20, 21}, {29, 30}}, "10-19s 20-29s")
	inside := func() *partition {
		return newPartition(tp, plan{Offset: 25}, []store.Recorded{{FirstOffset: 20, LastOffset: 29, Fingerprint: "f"}, {FirstOffset: 28, LastOffset: 35, Fingerprint: "f"}}, "f")
	}
	if p := inside(); p.next != 36 || p.offset != 36 || !p.uncommitted {
		t.Errorf("a start inside a recorded batch goes on behind it: %+v", p)
	}
	f(again(), [][2]int64{{18, 19}, {22, 23}, {29, 30}, {30, 31}}, "10-14b 15-19b 20-29s 30-30s") // recorded boundaries, then our own
}

func TestAnotherParserTakesALaterEpoch(t *testing.T) {
	tp := topicPartition{"logs", 0}
	f := func(committed plan, recorded []store.Recorded, wantEpochs []uint32, wantCommit bool) {
		t.Helper()
		p := newPartition(tp, committed, recorded, "new")
		if p.epochNeeded {
			p.setEpoch(p.greatestEpoch() + 1) // as if it were claimed
		}
		var epochs []uint32
		for _, r := range p.given {
			epochs = append(epochs, r.epoch)
		}
		if !slices.Equal(epochs, wantEpochs) || p.uncommitted != wantCommit {
			t.Errorf("epochs %d, uncommitted %v; want %d, %v", epochs, p.uncommitted, wantEpochs, wantCommit)
		}
		again, err := decodePlan(p.offset, p.plan().encode())
		if diff := cmp.Diff(p.plan(), again, cmp.AllowUnexported(run{})); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	runs := []run{{0, 9, 0}, {10, 19, 0}}
	mixed := []run{{0, 9, 4}, {10, 19, 0}}
	old := []store.Recorded{{FirstOffset: 20, LastOffset: 29, Fingerprint: "old", Epoch: 2}}
	own := []store.Recorded{{FirstOffset: 20, LastOffset: 29, Fingerprint: "new", Epoch: 2}}
	f(plan{Fingerprint: "new", Runs: runs}, nil, []uint32{0, 0}, false)
	f(plan{Fingerprint: "new", Runs: mixed}, nil, []uint32{4, 0}, false) // our own runs stay as they are
	f(plan{Fingerprint: "old", Runs: runs}, nil, []uint32{1, 1}, true)
	f(plan{Fingerprint: "old", Runs: mixed}, nil, []uint32{5, 5}, true)
	f(plan{Fingerprint: "old"}, nil, nil, false)
	f(plan{Fingerprint: "new", Runs: runs}, old, []uint32{3, 3, 3}, true)
	f(plan{Fingerprint: "new", Runs: mixed}, old, []uint32{5, 5, 5}, true)
	f(plan{Offset: 20}, own, nil, true) // our own recorded batches are left behind
	f(plan{Offset: 20}, old, []uint32{3}, false)
}

func TestNewRunsAreOfEpochZeroAgain(t *testing.T) {
	p := newPartition(topicPartition{"logs", 0}, plan{Fingerprint: "old", Runs: []run{{0, 4, 0}}}, nil, "new")
	p.setEpoch(1)
	for offset := range int64(8) {
		p.add(offset, func(b *store.Batch) { b.LastOffset = offset })
		p.next = offset + 1
		p.closeBefore(p.next)
	}
	p.planned[0].batch, p.planned[0].insertedAt = nil, time.Now()
	p.seal()
	p.planSealed()
	if got := p.plan().encode(); got != (plan{Fingerprint: "new", Runs: []run{{0, 4, 1}, {5, 7, 0}}}).encode() || p.planned[1].batch.Epoch != 0 {
		t.Error(got)
	}
}

func TestOffsetsThatAreGone(t *testing.T) {
	tp := topicPartition{"logs", 0}
	committed := plan{Fingerprint: "f", Runs: []run{{0, 9, 0}, {10, 19, 0}}}
	f := func(whole bool, read, first, next int64, wantGaps, want string) {
		t.Helper()
		p := newPartition(tp, committed, nil, "f")
		for i := range p.given {
			p.given[i].whole = whole
		}
		for offset := range read {
			p.add(offset, func(b *store.Batch) { b.LastOffset = offset })
			p.next = offset + 1
			p.closeBefore(p.next)
		}
		gaps, touched := p.gone(first)
		if touched != strings.Contains(want, "e7") {
			t.Errorf("touched: %v, want %q", touched, want)
		}
		p.skipTo(first, 7, time.Now())
		// Then the records up to 24 come.
		for offset := p.next; offset < 25; offset++ {
			p.add(offset, func(b *store.Batch) { b.LastOffset = offset })
			p.next = offset + 1
			p.closeBefore(p.next)
		}
		p.seal()
		got := boundaries(p)
		for i, r := range p.planned {
			if r.epoch == 7 || r.batch != nil && r.batch.Epoch == 7 {
				got = strings.Replace(got, r.String(), r.String()+"e7", 1)
				if r.batch == nil || r.batch.Epoch != r.epoch {
					t.Errorf("run %d is planned under epoch %d, and its batch is another", i, r.epoch)
				}
			}
		}
		if fmt.Sprint(gaps) != wantGaps || got != want {
			t.Errorf("read to %d, gone up to %d: gaps %v, then %q; want %s, %q", read, first, gaps, got, wantGaps, want)
		}
	}
	f(false, 0, 15, 15, "[0-14]", "0-9e7b 10-19e7b 20-24s") // what is left of the second is read; the first is empty now
	f(false, 0, 20, 20, "[0-19]", "0-9e7b 10-19e7b 20-24s") // all gone: empty batches take the place of what may be half there
	f(false, 5, 8, 8, "[5-7]", "0-9e7b 10-19b 20-24s")      // what was read of it stays
	f(false, 10, 22, 22, "[10-21]", "0-9b 10-19e7b 20-24s") // the first is whole
	f(true, 0, 5, 10, "[]", "0-9p 10-19b 20-24s")           // half of a run that is in: it stays as it is
	f(true, 0, 22, 22, "[20-21]", "0-9p 10-19p 20-24s")
}

func TestDurablePointTrailsByAMinute(t *testing.T) {
	p := newPartition(topicPartition{"logs", 0}, plan{Offset: 10}, nil, "f")
	now := time.Now()
	for i := range int64(3) {
		p.planned = append(p.planned, planned{run: run{10 + i, 10 + i, 0}, insertedAt: now.Add(time.Duration(i) * 30 * time.Second)})
	}
	f := func(after time.Duration, offset int64, left int) {
		t.Helper()
		p.prune(now.Add(after))
		if p.offset != offset || len(p.planned) != left {
			t.Errorf("after %s: offset %d with %d runs, want %d with %d", after, p.offset, len(p.planned), offset, left)
		}
	}
	f(59*time.Second, 10, 3)
	f(60*time.Second, 11, 2)
	f(119*time.Second, 12, 1)
	f(120*time.Second, 13, 0)
}

func TestWatermark(t *testing.T) {
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	f := func(why string, oldest, newest, reached, want time.Duration, behind int64) {
		t.Helper()
		p := newPartition(topicPartition{"logs", 0}, plan{Offset: 10}, nil, "f")
		p.add(10, func(b *store.Batch) { b.LastOffset, b.MinTime, b.MaxTime = 10, now.Add(oldest), now.Add(newest) })
		p.next, p.end, p.reached = 11, 11+behind, now.Add(reached)
		p.seal()
		p.planSealed()
		p.insert()
		p.inserted(true, now)
		if got := p.watermark.Sub(now); got != want || !p.allIn() {
			t.Errorf("%s: %s before now, want %s", why, -got, -want)
		}
	}
	const s, m, h = time.Second, time.Minute, time.Hour
	f("all is read, one client's clock is slow", -30*m, -s, -2*s, -2*s, 0)
	f("all is read, one client's clock is fast", -s, 3*h, -2*s, -2*s, 0)
	f("more is to be read", -3*m, -2*m, -h, -3*m, 500)
	f("more is to be read, one clock was never set", -20*365*24*h, -2*m, -h, -2*m-h, 500)
	f("more is to be read, all clocks are fast", 2*h, 3*h, -h, 0, 500)
}

// A batch may become older while the partition is behind, and before it is known whether it is.
func TestAgeLimit(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		reached time.Time
		want    time.Duration
	}{
		{time.Time{}, 10 * time.Second},
		{now.Add(-time.Hour), 10 * time.Second},
		{now.Add(-9 * time.Second), 2 * time.Second},
		{now, 2 * time.Second},
	} {
		p := &partition{reached: test.reached}
		if got := p.ageLimit(2*time.Second, now); got != test.want {
			t.Errorf("reached %s: %s, want %s", test.reached, got, test.want)
		}
	}
}
