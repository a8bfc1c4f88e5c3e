package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/catalog"
	"errata/internal/store"
)

// sealing is a store with a rolled-up day, for tests of its seal.
type sealing struct {
	*testing.T
	*store.Store
	query func(string) string
}

func newSealing(t *testing.T) sealing {
	s, query := open(t)
	caughtUp(t, s)
	f := sealing{t, s, query}
	f.insert(dayBatch(t, 0, 0, firstDay, firstDay.AddDate(0, 0, 1)), dayBatch(t, 10, 0, firstDay))
	f.rollUp()
	return f
}

func (f sealing) insert(batches ...*store.Batch) {
	f.Helper()
	if err := f.Insert(f.Context(), batches); err != nil {
		f.Fatal(err)
	}
}

func (f sealing) rollUp() {
	f.Helper()
	steps, locked, err := f.BeginRollup(f.Context(), firstDay)
	if err != nil || locked {
		f.Fatal(locked, err)
	}
	f.run(steps)
}

func (f sealing) run(steps []func(context.Context) error) {
	f.Helper()
	for _, step := range steps {
		if err := step(f.Context()); err != nil {
			f.Fatal(err)
		}
	}
}

// expect compares the requests and errors of the first day in all views, and whether it is sealed.
func (f sealing) expect(when string, requests int, sealed bool) {
	f.Helper()
	day := firstDay.Format(time.DateOnly)
	sql := "SELECT "
	for _, unit := range []string{"minute", "hour", "day"} {
		sql += fmt.Sprintf("(SELECT sum(requests) FROM @traffic_%[1]s WHERE toDate(%[1]s) = '%[2]s'), (SELECT sum(errors) FROM @error_%[1]s WHERE toDate(%[1]s) = '%[2]s'), ", unit, day)
	}
	got := f.query(sql + "(SELECT count() FROM @sealed_days)")
	want := strings.Repeat(fmt.Sprintf("%d\t", requests), 6) + fmt.Sprint(map[bool]int{true: 1}[sealed])
	if got != want {
		f.Fatalf("%s: requests and errors by minute, hour and day, sealed days are %q, want %q", when, got, want)
	}
}

func TestDaysAreSealed(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	seal := func(age time.Duration, want ...time.Time) {
		t.Helper()
		got, err := f.SealDays(t.Context(), time.Now(), age)
		if err != nil || !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("sealed %v, want %v (%v)", got, want, err)
		}
	}
	sinceEnd := time.Since(firstDay.AddDate(0, 0, 1))
	seal(sinceEnd + time.Hour)
	f.expect("too early", 2, false)
	seal(sinceEnd-time.Hour, firstDay)
	f.expect("sealed", 2, true)
	seal(sinceEnd - time.Hour)

	// What comes later is added, once, and what is repeated is not counted again.
	late := dayBatch(t, 20, 0, firstDay, firstDay)
	f.insert(late)
	f.expect("late", 4, true)
	f.insert(late)
	f.insert(dayBatch(t, 0, 0, firstDay, firstDay.AddDate(0, 0, 1)))
	f.expect("repeated", 4, true)
	if got := f.query("SELECT countIf(late), count() FROM @traffic_sums FINAL WHERE toDate(minute) = '" + firstDay.Format(time.DateOnly) + "'"); got != "1\t3" {
		t.Errorf("late sums, all sums: %s", got)
	}

	// The sums are deleted an hour later.
	deleted := func(want string) {
		t.Helper()
		if got := f.query("SELECT (SELECT count() FROM @traffic_sums FINAL WHERE toDate(minute) = '" + firstDay.Format(time.DateOnly) + "'), (SELECT count() FROM @error_sums FINAL WHERE toDate(minute) = '" + firstDay.Format(time.DateOnly) + "'), (SELECT emptied FROM @sealed_days)"); got != want {
			t.Errorf("sums of requests, sums of errors, emptied: %q, want %q", got, want)
		}
	}
	seal(sinceEnd - time.Hour)
	deleted("3\t3\t0")
	f.query("ALTER TABLE @seal_rows UPDATE at = at - INTERVAL 61 MINUTE WHERE 1 SETTINGS mutations_sync = 1")
	seal(sinceEnd - time.Hour)
	deleted("1\t1\t1")
	f.expect("deleted", 4, true)
	f.insert(late)
	f.insert(dayBatch(t, 0, 0, firstDay, firstDay.AddDate(0, 0, 1)))
	f.insert(dayBatch(t, 30, 0, firstDay))
	f.expect("after the deletion", 5, true)

	// An audit does not miss them, nor does a check of a single batch.
	retention, err := f.Retention(t.Context())
	if want := firstDay.AddDate(0, 0, 1); err != nil || !retention["traffic_sums"].Equal(want) || !retention["error_sums"].Equal(want) {
		t.Errorf("%v %v", retention, err)
	}
	for first, want := range map[int64]bool{0: true, 10: true, 20: true, 40: false} {
		if whole, err := f.Whole(t.Context(), "logs", 3, first); err != nil || whole != want {
			t.Errorf("the batch at %d is whole: %v, want %v (%v)", first, whole, want, err)
		}
	}
}

func TestSealedBatchesKeepTheirEpoch(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.run(f.SealSteps(firstDay))
	f.expect("sealed", 2, true)
	f.insert(dayBatch(t, 20, 0, firstDay)) // late, so not in the rollup

	later := dayBatch(t, 0, 1, firstDay.AddDate(0, 0, 2))
	f.insert(later)
	f.expect("another parser read a batch again", 3, true)
	if got := f.query("SELECT epoch FROM @batches WHERE first_offset = 0"); got != "0" {
		t.Errorf("epoch %s counts", got)
	}
	if err := f.InsertUnswitched(t.Context(), []*store.Batch{later}); err != nil {
		t.Fatal(err)
	}
	if err := f.SwitchForGood(t.Context(), []*store.Batch{later}); !errors.Is(err, store.ErrSealed) {
		t.Errorf("the switch returned %v", err)
	}
	f.expect("after a switch that was refused", 3, true)
	f.rollUp() // which a lock would prevent

	want := map[int64]time.Time{0: firstDay, 10: firstDay}
	if sealed, err := f.Sealed(t.Context(), "logs", 3, []int64{0, 10, 20, 30}); err != nil || !maps.EqualFunc(sealed, want, time.Time.Equal) {
		t.Errorf("sealed are %v, want %v (%v)", sealed, want, err)
	}
	f.insert(dayBatch(t, 20, 1, firstDay, firstDay, firstDay))
	f.expect("another parser read a late batch again", 5, true)
}

func TestNoDayIsSealedTooSoon(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	refused := func(why string, requests int) {
		t.Helper()
		f.run(f.SealSteps(firstDay))
		f.expect(why, requests, false)
	}

	steps := f.SealSteps(firstDay)
	f.run(steps[:1])
	written := make(chan error)
	go func() { written <- f.Insert(t.Context(), []*store.Batch{dayBatch(t, 20, 0, firstDay)}) }()
	select {
	case err := <-written:
		t.Fatalf("an insert did not wait for a seal that was announced (%v)", err)
	case <-time.After(time.Second):
	}
	f.run(steps[1:])
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	f.expect("an insert that waited for the seal", 3, true)
	f.query("TRUNCATE TABLE @seal_rows")
	f.query("TRUNCATE TABLE @day_change_rows")
	f.insert(dayBatch(t, 20, 0, firstDay))

	refused("a batch came after the rollup", 3)
	f.rollUp()
	unfinished := dayBatch(t, 40, 0, firstDay)
	f.insert(unfinished)
	f.query("ALTER TABLE @batch_rows DELETE WHERE first_offset = 40 SETTINGS mutations_sync = 1")
	f.rollUp()
	refused("a batch is not finished", 4)
	f.insert(unfinished)
	f.rollUp()
	err := f.ChangeDays(t.Context(), []time.Time{firstDay.AddDate(0, 0, 1)}, func() error { refused("a lock is held", 4); return nil })
	if err != nil {
		t.Fatal(err)
	}
	slow := f.SealSteps(firstDay)
	f.run(slow[:1])
	f.query("ALTER TABLE @seal_rows UPDATE at = at - INTERVAL 55 MINUTE WHERE state = 1 SETTINGS mutations_sync = 1")
	f.run(slow[1:])
	f.expect("a seal that slept", 4, false)

	// One that died is not waited for after an hour.
	f.run(f.SealSteps(firstDay)[:1])
	f.query("ALTER TABLE @seal_rows UPDATE at = at - INTERVAL 61 MINUTE WHERE state = 1 SETTINGS mutations_sync = 1")
	f.insert(dayBatch(t, 50, 0, firstDay))
	f.expect("after a seal that died", 5, false)
	f.rollUp()
	f.run(f.SealSteps(firstDay))
	f.expect("at last", 5, true)
}

func TestSealedSumsAreReenriched(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.run(f.SealSteps(firstDay))
	f.insert(dayBatch(t, 20, 0, firstDay)) // late
	c, err := catalog.Load(later)
	if err != nil {
		t.Fatal(err)
	}
	days, err := f.SumDays(t.Context(), firstDay.Add(time.Hour), firstDay.AddDate(0, 0, 1))
	if err != nil || !slices.EqualFunc(days, []time.Time{firstDay}, time.Time.Equal) {
		t.Errorf("days with sums are %v (%v)", days, err)
	}
	reenrich := func(from time.Time, dry bool, rewritten int, kinds string) {
		t.Helper()
		n := 0
		if err := f.ReenrichSums(t.Context(), c, firstDay, from, time.Time{}, 10, dry, func(r []store.SumRewrite) error { n += len(r); return nil }); err != nil {
			t.Fatal(err)
		}
		if n != rewritten {
			t.Errorf("%d sums were rewritten, want %d", n, rewritten)
		}
		for _, view := range []string{"error_day", "error_hour", "error_minute"} {
			if got := f.query("SELECT groupArray((kind, n)) FROM (SELECT kind, sum(errors) AS n FROM @" + view + " WHERE toDate(" + strings.TrimPrefix(view, "error_") + ") = '" + firstDay.Format(time.DateOnly) + "' GROUP BY kind ORDER BY kind)"); got != kinds {
				t.Errorf("%s has the kinds %s, want %s", view, got, kinds)
			}
		}
		f.expect("re-enriched", 3, true)
	}
	const before, after = "[('quota',3)]", "[('rate_limit',3)]"
	reenrich(time.Time{}, true, 2, before) // a row of the rollup and a late one; two that are not deleted yet do not count
	reenrich(firstDay.Add(6*time.Hour), false, 0, before)
	reenrich(time.Time{}, false, 2, after)
	reenrich(time.Time{}, false, 0, after)
}

// An earlier version, which knows of no days, sealed a rollup with days or without. They are read
// from its hours.
func TestDaysOfASealByAnEarlierVersion(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.run(f.SealSteps(firstDay))
	f.insert(dayBatch(t, 20, 0, firstDay)) // late
	f.query("ALTER TABLE @seal_rows UPDATE days = 0 WHERE 1 SETTINGS mutations_sync = 1")
	f.expect("a rollup with days", 3, true)
	for _, table := range []string{"traffic_day_rows", "error_day_rows"} {
		f.query("TRUNCATE TABLE @" + table)
	}
	f.expect("a rollup without days", 3, true)
	askWhole(t, f.query)
	if days, err := f.RollUpClosedDays(t.Context(), time.Now().Add(time.Hour)); err != nil || slices.ContainsFunc(days, firstDay.Equal) {
		t.Errorf("rolled up %v (%v)", days, err)
	}
	f.expect("after a rollup of other days", 3, true)
}

// A day whose rollup has no days, as earlier versions made it, is sealed only when it has been
// rolled up again.
func TestNoDayIsSealedWithoutDays(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.query("ALTER TABLE @fold_rows UPDATE days = 0 WHERE 1 SETTINGS mutations_sync = 1")
	if sealed, err := f.SealDays(t.Context(), time.Now(), time.Hour); err != nil || len(sealed) > 0 {
		t.Errorf("sealed %v (%v)", sealed, err)
	}
	f.run(f.SealSteps(firstDay))
	f.expect("without days", 2, false)
	f.rollUp()
	f.run(f.SealSteps(firstDay))
	f.expect("with days", 2, true)
}

// A process that is told to stop while it seals a day gives the seal up: nobody waits for it.
func TestSealIsGivenUpAtAStop(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for f.query("SELECT count() FROM @seal_rows") == "0" {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if sealed, err := f.SealDays(ctx, time.Now(), time.Hour); len(sealed) > 0 || !errors.Is(err, context.Canceled) {
		t.Fatal(sealed, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Insert(ctx, []*store.Batch{dayBatch(t, 20, 0, firstDay)}); err != nil {
		t.Fatal(err)
	}
	f.expect("a seal was given up", 3, false)
}

// overwriteAsOpen writes a late batch's sums as if the day were open, as a process does afterwards
// that asked for seals before the seal.
func (f sealing) overwriteAsOpen(first int64) {
	f.Helper()
	for _, table := range []string{"traffic_sums", "error_sums"} {
		f.query(fmt.Sprintf("INSERT INTO @%s SELECT * REPLACE(false AS late) FROM @%[1]s FINAL WHERE first_offset = %d", table, first))
		f.query("OPTIMIZE TABLE @" + table + " FINAL")
	}
}

func TestLateSumsSurviveAnOlderWriter(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.run(f.SealSteps(firstDay))
	f.insert(dayBatch(t, 20, 0, firstDay))
	f.expect("a late batch", 3, true)
	f.overwriteAsOpen(20)
	f.query("ALTER TABLE @seal_rows UPDATE at = at - INTERVAL 61 MINUTE WHERE 1 SETTINGS mutations_sync = 1")
	if err := f.EmptySealedDays(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.expect("an hour after the seal", 3, true)
}

// A re-enrichment that read a late batch's sums before they were written as late ones does not
// replace these.
func TestReenrichmentKeepsLateSums(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.run(f.SealSteps(firstDay))
	late := dayBatch(t, 20, 0, firstDay)
	f.insert(late)
	f.overwriteAsOpen(20)
	write := f.ReadSums(t, firstDay)
	f.insert(late)
	f.expect("the sums are late", 3, true)
	if n := write(); n != 0 {
		t.Errorf("%d sums were written", n)
	}
	f.expect("re-enriched", 3, true)
}

// A re-enrichment that slept does not make a rollup count that may have been dropped meanwhile.
func TestSlowReplacementDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newSealing(t)
	f.run(f.SealSteps(firstDay))
	begun := uint64(time.Now().Add(-61*time.Minute).Unix()) << 32
	if err := f.PublishReplacement(t.Context(), firstDay, begun); err == nil || !strings.Contains(err.Error(), "run it again") {
		t.Error(err)
	}
	f.expect("after a replacement that slept", 2, true)
}
