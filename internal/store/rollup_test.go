package store_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/report"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// firstDay is the first of some days that are certainly closed, and whose minutes do not expire.
var firstDay = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -6)

const historyDays = 3

// caughtUp sets the watermark of the only partition to now.
func caughtUp(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "logs", Partition: 3, Watermark: time.Now(), At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}

// whole is what the views and the rows of the batches say, each as a number of rows and a hash of
// their contents, of traffic and of errors, by all columns.
type whole struct {
	rolledUp, sealed string // days
	hours, minutes   string // of the views
	minuteHours      string // of the views of minutes, added up by hour
	days, hourDays   string // of the views of days, and of those of hours, added up by day
	byBatch          [2]string
}

var askForWhole = func() string {
	const traffic, errors = "tenant, service, route, status, body_state, topic, sum(requests), sum(errors)", "tenant, service, route, family, kind, code, dialect, topic, sum(errors), min(first_seen), max(last_seen)"
	const hour = "toStartOfHour(minute)::DateTime64(3, 'UTC')"
	ask := func(time, trafficView, errorView string) string {
		one := func(columns, view string) string {
			return "(SELECT (count(), sum(cityHash64(*))) FROM (SELECT " + time + " AS t, " + columns + " FROM @" + view + " GROUP BY ALL))"
		}
		return ", (" + one(traffic, trafficView) + ", " + one(errors, errorView) + ")"
	}
	return "SELECT (SELECT count() FROM @folded_days), (SELECT count() FROM @sealed_days)" +
		ask("hour", "traffic_hour", "error_hour") + ask("minute", "traffic_minute", "error_minute") + ask(hour, "traffic_minute", "error_minute") +
		ask("day", "traffic_day", "error_day") + ask("toDate(hour)", "traffic_hour", "error_hour") +
		ask(hour, "traffic_minute_by_batch", "error_minute_by_batch") + ask("minute", "traffic_minute_by_batch", "error_minute_by_batch")
}()

// askWhole ends the test if views of days, hours and minutes differ, or differ from the batches
// although no day is sealed.
func askWhole(t *testing.T, query func(string) string, after ...any) (w whole) {
	t.Helper()
	answer := strings.Split(query(askForWhole), "\t")
	if len(answer) != 9 {
		t.Fatal(answer)
	}
	w = whole{answer[0], answer[1], answer[2], answer[3], answer[4], answer[5], answer[6], [2]string{answer[7], answer[8]}}
	if w.hours != w.minuteHours || w.days != w.hourDays || w.sealed == "0" && w.byBatch != [2]string{w.hours, w.minutes} {
		t.Fatalf("%v: %+v", after, w)
	}
	return w
}

// history is a store to which random things happen.
type history struct {
	*testing.T
	*store.Store
	query    func(string) string
	rand     *rand.Rand
	catalogs [2]*catalog.Set

	next     int64          // offset
	inserted []*store.Batch // the last epoch of each
	rewrites int            // of sums, by other catalogs
	begun    []*begunRollup // rollups that stopped at some step
	did      map[string]int // how often each thing happened
}

type begunRollup struct {
	steps []func(context.Context) error
	at    int
}

// batch makes a batch of records scattered over a few of the days.
func (h *history) batch(first int64, epoch uint32) *store.Batch {
	p, err := enrich.NewProcessor(enrich.Config{}, h.catalogs[h.rand.IntN(2)])
	if err != nil {
		h.Fatal(err)
	}
	b := store.NewBatch("logs", 3, first, store.Limits{})
	b.Epoch = epoch
	values := mixed(10)
	days := h.rand.IntN(historyDays) + 1
	for i := range 1 + h.rand.IntN(8) {
		at := firstDay.AddDate(0, 0, h.rand.IntN(days)).Add(time.Duration(h.rand.IntN(86400)) * time.Second)
		if h.rand.IntN(2) == 0 {
			at = at.Truncate(24 * time.Hour).Add(5 * time.Hour)
		}
		v := values[h.rand.IntN(len(values))]
		v = fmt.Sprintf(`{"time":%q,`, at.Format(time.RFC3339)) + v[strings.Index(v, `"tenant"`):]
		b.Add(first+int64(i), kafkaTime, p.Record([]byte(v), enrich.Position{Clock: accesslog.KafkaClock(time.Now())}))
	}
	return b
}

func (h *history) insert(b *store.Batch) {
	if err := h.Insert(h.Context(), []*store.Batch{b}); err != nil {
		h.Fatal(err)
	}
}

// happen does one thing and returns its name.
func (h *history) happen() string {
	ctx := h.Context()
	one := func() int { return h.rand.IntN(len(h.inserted)) }
	day := firstDay.AddDate(0, 0, h.rand.IntN(historyDays))
	switch n := h.rand.IntN(100); {
	case n < 12 || len(h.inserted) == 0:
		b := h.batch(h.next, 0)
		h.next += 10
		h.inserted = append(h.inserted, b)
		h.insert(b)
		return "insert"
	case n < 18: // the same rows; a zombie may write those of an epoch that no longer counts
		h.insert(h.inserted[one()])
		return "repeat"
	case n < 24: // another parser, which may find other days, or none at all
		i := one()
		b := h.batch(h.inserted[i].FirstOffset, h.inserted[i].Epoch+1)
		h.insert(b)
		if h.counts(b) {
			h.inserted[i] = b
			return "epoch"
		}
		if !h.sealed(b) {
			h.Fatal("a batch that is in no sealed day kept its epoch")
		}
		return "keep"
	case n < 26:
		i := one()
		b := h.inserted[i]
		if h.sealed(b) {
			return "nothing" // it was finished
		}
		h.query(fmt.Sprintf("ALTER TABLE @batch_rows DELETE WHERE first_offset = %d SETTINGS mutations_sync = 1", b.FirstOffset)) // as if its insert was not finished
		if err := h.Void(ctx, b.Topic, b.Partition, []store.Orphan{{FirstOffset: b.FirstOffset, Epoch: b.Epoch}}, b.Epoch+1); err != nil {
			h.Fatal(err)
		}
		h.inserted = slices.Delete(h.inserted, i, i+1)
		return "void"
	case n < 30:
		before := h.rewrites
		c := h.catalogs[h.rand.IntN(2)]
		err := h.ReenrichSums(ctx, c, day, time.Time{}, time.Time{}, 3, false, func(r []store.SumRewrite) error { h.rewrites += len(r); return nil })
		if err != nil {
			h.Fatal(err)
		}
		if h.rewrites == before {
			return "re-enrich nothing"
		}
		return "re-enrich"
	case n < 34:
		return h.seal(firstDay.AddDate(0, 0, h.rand.IntN(historyDays-1)))
	case n < 46: // begin a rollup
		steps, locked, err := h.BeginRollup(ctx, day)
		if err != nil || locked {
			h.Fatal(err, locked)
		}
		h.begun = append(h.begun, &begunRollup{steps: steps})
		return "begin"
	case n < 98: // continue one of those that were begun
		if len(h.begun) == 0 {
			return "nothing"
		}
		f := h.begun[len(h.begun)-1-h.rand.IntN(min(3, len(h.begun)))]
		for range 1 + h.rand.IntN(4) {
			if f.at == len(f.steps) {
				return "step"
			}
			if err := f.steps[f.at](ctx); err != nil {
				h.Fatal(err)
			}
			f.at++
		}
		return "step"
	default:
		h.begun = nil // all crashed
		return "crash"
	}
}

// counts reports whether it is this epoch of a batch that counts.
func (h *history) counts(b *store.Batch) bool {
	return h.query(fmt.Sprintf("SELECT epoch FROM @batches WHERE first_offset = %d", b.FirstOffset)) == fmt.Sprint(b.Epoch)
}

// sealed reports whether a sealed day holds sums of a batch.
func (h *history) sealed(b *store.Batch) bool {
	days, err := h.Sealed(h.Context(), b.Topic, b.Partition, []int64{b.FirstOffset})
	if err != nil {
		h.Fatal(err)
	}
	return len(days) > 0
}

// seal tries to seal a day while a batch is inserted, or deletes the sums of sealed days.
func (h *history) seal(day time.Time) string {
	ctx := h.Context()
	if h.rand.IntN(3) == 0 {
		h.query("ALTER TABLE @seal_rows UPDATE at = at - INTERVAL 2 HOUR WHERE state = 3 SETTINGS mutations_sync = 1")
		if err := h.EmptySealedDays(ctx); err != nil {
			h.Fatal(err)
		}
		h.ForgetLastRollup()
		return "empty"
	}
	if h.rand.IntN(3) > 0 { // so that some seals succeed
		steps, locked, err := h.BeginRollup(ctx, day)
		if err != nil || locked {
			h.Fatal(err, locked)
		}
		for _, step := range steps {
			if err := step(ctx); err != nil {
				h.Fatal(err)
			}
		}
	}
	var group errgroup.Group
	if h.rand.IntN(2) == 0 {
		b := h.batch(h.next, 0)
		h.next += 10
		h.inserted = append(h.inserted, b)
		group.Go(func() error { return h.Insert(ctx, []*store.Batch{b}) })
		time.Sleep(time.Duration(h.rand.IntN(60)) * time.Millisecond)
	}
	for _, step := range h.SealSteps(day) {
		if err := step(ctx); err != nil {
			h.Fatal(err)
		}
		time.Sleep(time.Duration(h.rand.IntN(20)) * time.Millisecond)
	}
	if err := group.Wait(); err != nil {
		h.Fatal(err)
	}
	if h.query("SELECT count() FROM @sealed_days WHERE day = toDate('"+day.Format(time.DateOnly)+"')") == "0" {
		return "seal given up"
	}
	return "seal"
}

// compareBatches compares the views of minutes with the batches that were inserted.
func (h *history) compareBatches(after string) {
	h.Helper()
	want, got := map[string][2]uint64{}, map[string][2]uint64{}
	for _, b := range h.inserted {
		b.Sums(want)
	}
	ask := func(columns, sums, view string) string {
		return "SELECT base64Encode(arrayStringConcat([toString(toUnixTimestamp(minute)), " + strings.ReplaceAll("toString("+columns+")", ", ", "), toString(") + "], ' ')) AS k, " + sums + " FROM @" + view + " GROUP BY k"
	}
	answer := h.query(ask("tenant, service, route, status, body_state", "sum(requests), sum(errors)", "traffic_minute") +
		" UNION ALL " + ask("tenant, service, route, code, dialect", "0, sum(errors)", "error_minute"))
	for line := range strings.Lines(answer) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		var sum [2]uint64
		fmt.Sscan(rest, &sum[0], &sum[1])
		plain, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			h.Fatal(err)
		}
		got[string(plain)] = sum
	}
	if !maps.Equal(got, want) {
		h.Fatalf("after %q (%v): the views have\n%v\nwant\n%v", after, h.did, got, want)
	}
}

func TestHoursAreWhatTheMinutesSayWhateverHappens(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("ERRATA_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("ERRATA_TEST_SEED=%d", seed)
	built, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	others, err := catalog.Load(later)
	if err != nil {
		t.Fatal(err)
	}
	s, query := open(t)
	h := &history{T: t, Store: s, query: query, rand: rand.New(rand.NewPCG(seed, 1)), catalogs: [2]*catalog.Set{built, others}, did: map[string]int{}}
	steps := 25
	if stacktest.Prove() {
		steps = 250
	}
	if n, err := strconv.Atoi(os.Getenv("ERRATA_TEST_STEPS")); err == nil {
		steps = n
	}
	counted := 0                                                 // how often there were hours to compare
	for i := 0; i < steps || counted == 0 && i < 10*steps; i++ { // by chance no rollup may finish for a while
		what := h.happen()
		h.did[what]++
		if askWhole(t, query, what, h.did).rolledUp != "0" {
			counted++
		}
		if i%4 == 0 || slices.Contains([]string{"seal", "seal given up", "empty", "keep"}, what) {
			h.compareBatches(what)
		}
		if h.rand.IntN(5) == 0 {
			h.compareReaders()
		}
	}
	t.Logf("%v; hours counted %d times of %d", h.did, counted, steps)
	if counted == 0 {
		t.Errorf("hours counted only %d times", counted)
	}
}

// compareReaders compares what readers in Go get for long windows with the minutes.
func (h *history) compareReaders() {
	h.Helper()
	from := firstDay.Add(-time.Duration(h.rand.IntN(3000)) * time.Minute)
	to := from.Add(49*time.Hour + time.Duration(h.rand.IntN(6000))*time.Minute)
	split, longest := func(from, to time.Time) bool {
		return to.Sub(from) > time.Hour && from.Day()%2 == 0 || from.Hour()%7 == 3
	}, "hour"
	if h.rand.IntN(2) == 0 {
		split, longest = nil, "day"
	}
	for name, sums := range map[string]string{"error": "sum(errors), min(first_seen), max(last_seen)", "traffic": "sum(requests), sum(errors)"} {
		columns := map[string]string{"error": "tenant, service, route, family, kind, code, dialect, topic", "traffic": "tenant, service, route, status, body_state, topic"}[name]
		ask := "SELECT count(), sum(cityHash64(*)) FROM (SELECT " + columns + ", " + sums + " FROM %s GROUP BY " + columns + ")"
		source := store.Scope{From: from, To: to}.Rollup(name, split)
		if !strings.Contains(source, name+"_"+longest) {
			h.Fatalf("no %s for %s to %s: %s", longest, from, to, source)
		}
		source = strings.NewReplacer(name+"_day", "@"+name+"_day", name+"_hour", "@"+name+"_hour", name+"_minute", "@"+name+"_minute").Replace(source)
		minutes := fmt.Sprintf("(SELECT * FROM @%s_minute WHERE minute >= fromUnixTimestamp64Milli(%d) AND minute < fromUnixTimestamp64Milli(%d))", name, from.UnixMilli(), to.UnixMilli())
		if got, want := h.query(fmt.Sprintf(ask, source)), h.query(fmt.Sprintf(ask, minutes)); got != want {
			h.Fatalf("%s from %s to %s:\nview    %s\nbatches %s", name, from, to, got, want)
		}
	}
	h.compareShort()
}

// compareShort compares what readers in Go get for short windows with the minutes. What the store
// remembers of rollups is older than most of them.
func (h *history) compareShort() {
	h.Helper()
	from := firstDay.Add(time.Duration(h.rand.IntN(historyDays*24)) * time.Hour)
	scope := h.Resolve(h.Context(), store.Scope{From: from, To: from.Add(time.Duration(1+h.rand.IntN(47)) * time.Hour)})
	for name, columns := range map[string]string{"error": "code, dialect, sum(errors), min(first_seen), max(last_seen)", "traffic": "status, body_state, sum(requests), sum(errors)"} {
		ask := func(source string) string {
			return h.query("SELECT count(), sum(cityHash64(*)) FROM (SELECT tenant, service, route, topic, " + columns + " FROM " + strings.ReplaceAll(source, name+"_minute", "@"+name+"_minute") + " GROUP BY ALL)")
		}
		resolved, plain := scope.Rollup(name, nil), store.Scope{From: scope.From, To: scope.To}.Rollup(name, nil)
		h.did["short window of "+name+", from batches: "+strconv.FormatBool(resolved != plain)]++
		if got, want := ask(resolved), ask(plain); got != want {
			h.Fatalf("%s: %s, want %s as in %s", resolved, got, want, plain)
		}
	}
}

// TestShortWindowsAfterTheLastRollup reads them from the batches alone, and those before from the
// views, as soon as a minute has passed since the store asked.
func TestShortWindowsAfterTheLastRollup(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 0, 0, firstDay, firstDay.AddDate(0, 0, 1))}); err != nil {
		t.Fatal(err)
	}
	f := func(from time.Time, length time.Duration, batches bool) {
		t.Helper()
		scope := s.Resolve(t.Context(), store.Scope{From: from, To: from.Add(length)})
		for _, name := range []string{"traffic", "error"} {
			if source := scope.Rollup(name, nil); strings.Contains(source, name+"_minute_by_batch ") != batches {
				t.Errorf("from %s, %s: %s", from, length, source)
			}
		}
	}
	f(firstDay, 24*time.Hour, true)
	f(firstDay, 48*time.Hour, false) // hours are fewer rows
	caughtUp(t, s)
	if days, err := s.RollUpClosedDays(t.Context(), firstDay.AddDate(0, 0, 1).Add(3*time.Hour)); err != nil || len(days) != 1 {
		t.Fatal(days, err)
	}
	f(firstDay, 24*time.Hour, true) // the sums of the batches are still there
	s.ForgetLastRollup()
	f(firstDay, 24*time.Hour, false)
	f(firstDay.Add(23*time.Hour), 24*time.Hour, false)
	f(firstDay.AddDate(0, 0, 1), 24*time.Hour, true)
	if unresolved := (store.Scope{From: firstDay.AddDate(0, 0, 1), To: firstDay.AddDate(0, 0, 2)}); strings.Contains(unresolved.Rollup("error", nil), "by_batch") {
		t.Error("a scope that was not resolved reads the batches alone")
	}
}

// TestMergesAreWide holds that parts of the tables that each insert writes to are merged rarely.
func TestMergesAreWide(t *testing.T) {
	t.Parallel()
	_, query := open(t)
	const want = "code_sightings error_rows error_sums traffic_sums"
	if got := query("SELECT arrayStringConcat(arraySort(groupArray(name)), ' ') FROM system.tables WHERE concat(database, '.') = '@' AND engine_full LIKE '%merge_selector_base = 16%'"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// dayBatch is a batch of requests, each with an error, at half past five on the given days.
func dayBatch(t *testing.T, first int64, epoch uint32, days ...time.Time) *store.Batch {
	t.Helper()
	p := processor(t)
	b := store.NewBatch("logs", 3, first, store.Limits{})
	b.Epoch = epoch
	for i, d := range days {
		value := line(d.Add(5*time.Hour+30*time.Minute).Format(time.RFC3339), "acme", quota)
		b.Add(first+int64(i), time.Now(), p.Record([]byte(value), enrich.Position{Clock: accesslog.KafkaClock(time.Now())}))
	}
	return b
}

func TestClosedDaysAreRolledUp(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	day := func(n int) time.Time { return firstDay.AddDate(0, 0, n) }
	insert := func(b *store.Batch) {
		t.Helper()
		if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	// rollUp rolls up days that are due and expects which.
	rollUp := func(now time.Time, want ...time.Time) {
		t.Helper()
		got, err := s.RollUpClosedDays(t.Context(), now)
		if err != nil || !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("rolled up %v, want %v (%v)", got, want, err)
		}
		askWhole(t, query)
	}
	counting := func(want string) {
		t.Helper()
		if got := query("SELECT arrayStringConcat(arraySort(groupArray(dateDiff('day', toDate('" + firstDay.Format(time.DateOnly) + "'), day))), ' ') FROM @folded_days"); got != want {
			t.Fatalf("hours of days %q count, want %q", got, want)
		}
	}
	now := time.Now()
	insert(dayBatch(t, 0, 0, day(0), day(1), day(2), day(3), day(6)))
	rollUp(now) // the partition has no watermark
	mark := func(partition int, at time.Time) {
		t.Helper()
		now = now.Add(time.Millisecond)
		if err := s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "logs", Partition: partition, Watermark: at, At: now}}); err != nil {
			t.Fatal(err)
		}
	}
	mark(3, day(1).Add(90*time.Minute))
	rollUp(now) // no day has been closed for two hours
	mark(3, day(1).Add(2*time.Hour))
	rollUp(now, day(0))
	mark(3, now)
	mark(4, day(1).Add(3*time.Hour))
	rollUp(now) // another partition lags
	mark(4, now)
	rollUp(now, day(3), day(2), day(1))
	rollUp(now)
	counting("0 1 2 3")

	insert(dayBatch(t, 100, 0, day(1))) // late
	counting("0 2 3")
	if got := query("SELECT sum(requests) FROM @traffic_hour"); got != "6" {
		t.Errorf("the late request is missing: %s requests", got)
	}
	rollUp(now) // it was rolled up just now
	counting("0 2 3")
	rollUp(now.Add(11*time.Minute), day(1))
	counting("0 1 2 3")
	if got := query("SELECT sum(requests), uniqExact(fold) FROM @traffic_hour_rows WHERE toDate(hour) = toDate('" + day(1).Format(time.DateOnly) + "')"); got != "3\t2" {
		t.Errorf("requests in all hours of the day and its rollups: %s", got)
	}

	insert(dayBatch(t, 100, 1, day(2), day(4))) // another parser gives the records other times: their earlier days change as well
	counting("0 3")
	rollUp(now.Add(22*time.Minute), day(4), day(2), day(1))
	counting("0 1 2 3 4")
	insert(dayBatch(t, 0, 1, day(4))) // now some days have nothing left
	counting("")
	rollUp(now.Add(33*time.Minute), day(4), day(3), day(2))
	rollUp(now.Add(33*time.Minute), day(1), day(0))
	counting("0 1 2 3 4")
	if got := query("SELECT sum(requests) FROM @traffic_hour"); got != "3" {
		t.Error(got)
	}

	// Earlier versions published hours without days, and without minutes.
	for minutes, at := range map[string]time.Time{"0": day(3), "1": day(2)} {
		query("INSERT INTO @fold_rows (day, fold, mark, at, minutes) SELECT day, fold, mark, now64(3), " + minutes + " FROM @fold_rows FINAL WHERE day = '" + at.Format(time.DateOnly) + "'")
	}
	counting("0 1 2 3 4")
	askWhole(t, query)
	rollUp(now.Add(44*time.Minute), day(3), day(2))
}

func TestNoDayIsRolledUpInTheMiddleOfAChange(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 0, 0, firstDay)}); err != nil {
		t.Fatal(err)
	}
	counting := func(want string) {
		t.Helper()
		if got := query("SELECT count() FROM @folded_days"); got != want {
			t.Fatalf("hours of %s days count, want %s", got, want)
		}
	}
	begin := func(want bool) []func(context.Context) error {
		t.Helper()
		steps, locked, err := s.BeginRollup(t.Context(), firstDay)
		if err != nil || locked != want {
			t.Fatalf("locked: %v, want %v (%v)", locked, want, err)
		}
		return steps
	}
	run := func(steps []func(context.Context) error) {
		t.Helper()
		for _, step := range steps {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(begin(false))
	counting("1")

	// Another day changes: this one's hours still count, but a rollup begun before is not
	// published.
	before := begin(false)
	run(before[:2])
	err := s.ChangeDays(t.Context(), []time.Time{firstDay.AddDate(0, 0, 1)}, func() error {
		begin(true)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	published := query("SELECT fold FROM @fold_rows FINAL")
	run(before[2:])
	if got := query("SELECT fold FROM @fold_rows FINAL"); got != published {
		t.Error("a rollup that began before a change was published after it")
	}
	counting("1")

	// This one changes: its hours stop counting before the change.
	if err := s.ChangeDays(t.Context(), []time.Time{firstDay}, func() error { counting("0"); return nil }); err != nil {
		t.Fatal(err)
	}
	counting("0")
	run(begin(false))
	counting("1")

	// The outcome of the change is unknown: nothing is rolled up for an hour.
	if err := s.ChangeDays(t.Context(), []time.Time{firstDay}, func() error { return errStop }); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	begin(true)
	counting("0")
	query("ALTER TABLE @fold_hold_rows UPDATE began = began - INTERVAL 61 MINUTE WHERE 1 SETTINGS mutations_sync = 1")
	run(begin(false))
	counting("1")

	// A rollup that slept for more than an hour publishes nothing.
	if err := s.ChangeDays(t.Context(), []time.Time{firstDay}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	late := s.BeginRollupAgo(t, firstDay, 61*time.Minute)
	run(late)
	counting("0")
}

// Rows of an unfinished insert count in hours as they do in minutes, until it is finished or
// voided.
func TestHoursOfAnUnfinishedInsert(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	rollUp := func() {
		t.Helper()
		steps, locked, err := s.BeginRollup(t.Context(), firstDay)
		if err != nil || locked {
			t.Fatal(locked, err)
		}
		for _, step := range steps {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := func(want string) {
		t.Helper()
		askWhole(t, query)
		if got := query("SELECT sum(requests) FROM @traffic_hour"); got != want {
			t.Fatalf("%s requests, want %s", got, want)
		}
	}
	whole := dayBatch(t, 0, 0, firstDay)
	if err := s.Insert(t.Context(), []*store.Batch{whole}); err != nil {
		t.Fatal(err)
	}
	unfinished := func(first int) {
		query("INSERT INTO @traffic_sums SELECT * REPLACE (" + strconv.Itoa(first) + " AS first_offset) FROM (SELECT * FROM @traffic_sums FINAL WHERE first_offset = 0)")
		query("INSERT INTO @error_sums SELECT * REPLACE (" + strconv.Itoa(first) + " AS first_offset) FROM (SELECT * FROM @error_sums FINAL WHERE first_offset = 0)")
	}
	unfinished(100)
	rollUp()
	same("2") // as in the minutes
	if err := s.Void(t.Context(), "logs", 3, []store.Orphan{{FirstOffset: 100}}, 1); err != nil {
		t.Fatal(err)
	}
	same("1")
	rollUp()
	same("1")
	unfinished(200) // after the rollup
	if got := query("SELECT sum(requests) FROM @traffic_hour"); got != "1" {
		t.Fatalf("%s requests", got)
	}
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 200, 0, firstDay)}); err != nil {
		t.Fatal(err)
	}
	same("2")
	rollUp()
	same("2")
	steps, _, err := s.BeginRollup(t.Context(), firstDay)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range steps {
		if i == 1 {
			unfinished(300) // after the rollup listed its batches, which do not include these
		}
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Void(t.Context(), "logs", 3, []store.Orphan{{FirstOffset: 300}}, 1); err != nil {
		t.Fatal(err)
	}
	same("2")
	// A later epoch's rows are in when the day is rolled up, and count after the switch.
	query("INSERT INTO @traffic_sums SELECT * REPLACE (400 AS first_offset, 2 AS epoch) FROM (SELECT * FROM @traffic_sums FINAL WHERE first_offset = 0)")
	rollUp()
	same("2")
	if err := s.Switch(t.Context(), []*store.Batch{dayBatch(t, 400, 2)}); err != nil {
		t.Fatal(err)
	}
	same("3")
	if err := s.Void(t.Context(), "logs", 3, []store.Orphan{{FirstOffset: 400, Epoch: 2}}, 3); err != nil {
		t.Fatal(err)
	}
	// What an earlier version wrote has no marks.
	query("TRUNCATE TABLE @day_change_rows")
	query("TRUNCATE TABLE @fold_batch_rows")
	rollUp()
	if got := query("SELECT count() FROM @folded_days"); got != "1" {
		t.Fatal("a day without marks is not rolled up")
	}
	same("2")
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 200, 1)}); err != nil { // nothing is left of it
		t.Fatal(err)
	}
	same("1")
}

// Minutes that expire earlier than the schema says take no hours with them, not even if a late
// batch arrives for such a day.
func TestHoursOutliveMinutesThatExpireEarly(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	caughtUp(t, s)
	expect := func(when, want string) {
		t.Helper()
		if got := query("SELECT (SELECT sum(requests) FROM @traffic_hour), (SELECT sum(errors) FROM @error_day), (SELECT count() FROM @folded_days)"); got != want {
			t.Fatalf("%s: requests, errors, rolled-up days are %q, want %q", when, got, want)
		}
	}
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 0, 0, firstDay), dayBatch(t, 10, 0, firstDay)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RollUpClosedDays(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	expect("rolled up", "2\t2\t1")
	for _, table := range []string{"traffic_sums", "error_sums"} {
		query("ALTER TABLE @" + table + " MODIFY TTL toDateTime(minute) + INTERVAL 4 DAY SETTINGS mutations_sync = 2")
		query("OPTIMIZE TABLE @" + table + " FINAL")
	}
	if got := query("SELECT count() FROM @traffic_minute_by_batch"); got != "0" {
		t.Fatalf("%s minutes have not expired", got)
	}
	expect("the minutes have expired", "2\t2\t1")
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 20, 0, firstDay)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		days, err := s.RollUpClosedDays(t.Context(), time.Now().Add(time.Hour)) // when it could be rolled up again
		if err != nil || len(days) > 0 {
			t.Fatalf("rolled up %v, %v", days, err)
		}
		expect("after a late batch", "2\t2\t1")
	}
}

func TestOldHoursAreDropped(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	caughtUp(t, s)
	now := time.Now().Unix() // one for all: the numbers of hours and the published ones have to agree
	id := func(age, n int) int64 { return (now-int64(age)*3600)<<32 | int64(n) }
	hours := func(day string, age, n int) {
		for _, table := range []string{"traffic", "error"} {
			query(fmt.Sprintf("INSERT INTO @%s_hour_rows (hour, fold, errors) SELECT %s, %d, 1", table, day, id(age, n)))
			query(fmt.Sprintf("INSERT INTO @%s_minute_rows (minute, fold, errors) SELECT %s, %d, 1", table, day, id(age, n)))
			query(fmt.Sprintf("INSERT INTO @%s_day_rows (day, fold, errors) SELECT %s, %d, 1", table, day, id(age, n)))
		}
	}
	publish := func(day string, age, n, minutesAgo int) {
		query(fmt.Sprintf("INSERT INTO @fold_rows (day, fold, mark, at) SELECT %s, %d, 7, now64(3) - INTERVAL %d MINUTE", day, id(age, n), minutesAgo))
	}
	const yesterday, before = "today() - 1", "today() - 2"
	expired := store.RollupSince
	hours(yesterday, 30, 1) // was published, and another one is since long ago
	hours(yesterday, 20, 2) // may have been published
	hours(yesterday, 30, 3)
	publish(yesterday, 30, 3, 90)
	hours(before, 30, 4) // may still be read
	hours(before, 29, 5)
	publish(before, 29, 5, 30)
	hours("today() - 3", 25, 6) // never published
	hours(expired, 9000, 7)
	publish(expired, 9000, 7, 500000)
	for range 2 {
		if _, err := s.RollUpClosedDays(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"traffic_day", "error_day", "traffic_hour", "error_hour", "traffic_minute", "error_minute"} {
			if got := query("SELECT arraySort(groupUniqArray(bitAnd(fold, 255))) FROM @" + table + "_rows"); got != "[2,3,4,5,7]" {
				t.Errorf("%s: the rollups left are %s", table, got)
			}
		}
	}
	// The hours of days whose minutes expire count, whatever happened to these days since, and none
	// of them is rolled up again.
	if got := query("SELECT sum(errors) FROM @traffic_hour"); got != "1" {
		t.Error(got)
	}
	query("INSERT INTO @traffic_sums (minute, errors) SELECT " + expired + ", 5")
	query("INSERT INTO @traffic_sums (minute, errors) SELECT " + expired + " - 1, 5")
	if got, err := s.RollUpClosedDays(t.Context(), time.Now()); len(got) > 0 || err != nil {
		t.Error(got, err)
	}
}

// Late batches, batches of a later epoch and rollups run at once: a reader sees no fewer requests
// than were acknowledged before its query, and no more than were begun when it had its answer.
func TestHoursAreRightAtEveryMoment(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	caughtUp(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	enough := 8 // reads while hours count
	if stacktest.Prove() {
		enough = 100
	}
	var begun, acknowledged atomic.Int64
	var group errgroup.Group
	group.Go(func() error { // one batch after another, each of them twice, ends with ctx
		for first := int64(0); ctx.Err() == nil; first += 10 {
			begun.Add(3)
			b := dayBatch(t, first, 0, firstDay, firstDay.AddDate(0, 0, 1), firstDay)
			if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
				return err
			}
			acknowledged.Add(3)
			if first%40 == 0 { // other days, and as many requests
				if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, first, 1, firstDay.AddDate(0, 0, 1), firstDay.AddDate(0, 0, 2), firstDay)}); err != nil {
					return err
				}
			}
			time.Sleep(time.Duration(rand.IntN(4000)) * time.Millisecond)
		}
		return nil
	})
	rollups := 0
	group.Go(func() error { // one rollup after another, ends with ctx
		for n := 1; ctx.Err() == nil; n++ {
			days, err := s.RollUpClosedDays(t.Context(), time.Now().Add(time.Duration(n)*11*time.Minute))
			if err != nil {
				return err
			}
			rollups += len(days)
		}
		return nil
	})
	reads, ofHours := 0, 0
	for ctx.Err() == nil {
		least := acknowledged.Load()
		got := query("SELECT sum(requests), (SELECT count() FROM @folded_days) FROM @traffic_" + []string{"day", "hour"}[reads%2])
		most := begun.Load()
		var n, days int64
		fmt.Sscan(got, &n, &days)
		if n < least || n > most {
			t.Errorf("%d requests, want %d to %d", n, least, most)
		}
		reads++
		if days > 0 {
			ofHours++
		}
		if ofHours >= enough {
			cancel()
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d reads, %d of them with hours; %d rollups; %d requests", reads, ofHours, rollups, begun.Load())
	askWhole(t, query)
}

func TestLongReportsFromHours(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	caughtUp(t, s)
	days := make([]time.Time, 0, 10)
	for i := range 5 {
		days = append(days, firstDay.AddDate(0, 0, i), firstDay.AddDate(0, 0, i).Add(7*time.Hour))
	}
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 0, 0, days...)}); err != nil {
		t.Fatal(err)
	}
	scope := store.Scope{From: firstDay.Add(5*time.Hour + 31*time.Minute), To: firstDay.AddDate(0, 0, 4).Add(12*time.Hour + 31*time.Minute), Tenants: []string{"acme"}, Topics: []string{"logs"}}
	q := report.TopQuery{Scope: scope, By: []string{"tenant", "code"}, Limit: 5}
	checkLongReports(t, s, q)
	for range 2 {
		if _, err := s.RollUpClosedDays(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if got := query("SELECT count() FROM @folded_days"); got != "5" {
		t.Fatal(got)
	}
	checkLongReports(t, s, q)
	// The reports read whole days: without these, only the errors of the first and last hours are
	// left. Without hours, only those of the first and last minutes are.
	for _, without := range []struct {
		rolledUp string
		left     uint64
	}{{"error_day_rows", 3}, {"error_hour_rows", 1}} {
		query("TRUNCATE TABLE @" + without.rolledUp)
		if top, err := report.NewTop(t.Context(), s, &catalog.Set{}, q); err != nil || top.Errors != without.left {
			t.Errorf("without %s: %+v %v", without.rolledUp, top, err)
		}
	}
}

// checkLongReports checks the reports of a scope with nine requests, each with an error.
func checkLongReports(t *testing.T, s *store.Store, q report.TopQuery) {
	t.Helper()
	top, err := report.NewTop(t.Context(), s, &catalog.Set{}, q)
	if err != nil || top.Requests != 9 || top.ErrorRequests != 9 || top.Errors != 9 || top.DeadLetters != nil {
		t.Errorf("%+v %v", top, err)
	}
	if err != nil || len(top.Rows) != 1 {
		t.Fatalf("%+v %v", top, err)
	}
	if r := top.Rows[0]; r.Errors != 9 || r.Requests != 9 || r.Kind != "quota" || r.Dialect != "huawei" ||
		!r.FirstSeen.Equal(firstDay.Add(12*time.Hour+30*time.Minute)) || !r.LastSeen.Equal(q.To.Add(-time.Minute)) {
		t.Errorf("%+v", r)
	}
	x := report.Explanation{Code: "OSM.01010037"}
	if err := x.AddLive(t.Context(), s, &catalog.Set{}, q.Scope, "4d", time.UTC); err != nil || len(x.Tenants) != 1 || x.Tenants[0].Errors != 9 {
		t.Errorf("%+v %v", x, err)
	}
	want := make([]uint64, 24) // of 4 hours, 17 minutes and 30 seconds
	for _, part := range []int{1, 5, 7, 11, 12, 16, 18, 22, 23} {
		want[part] = 1
	}
	if !slices.Equal(x.History, want) {
		t.Errorf("%v, want %v", x.History, want)
	}
}

func TestHoursSayWhatReenrichedMinutesSay(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	if err := s.Insert(t.Context(), []*store.Batch{dayBatch(t, 0, 0, firstDay)}); err != nil {
		t.Fatal(err)
	}
	steps, _, err := s.BeginRollup(t.Context(), firstDay)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := catalog.Load(later)
	if err != nil {
		t.Fatal(err)
	}
	f := func(dry bool, days, want string) {
		t.Helper()
		if err := s.ReenrichSums(t.Context(), c, firstDay, time.Time{}, time.Time{}, 10, dry, func([]store.SumRewrite) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got := query("SELECT (SELECT count() FROM @folded_days), kind FROM @error_day"); got != days+"\t"+want {
			t.Errorf("rolled-up days, kind: %q, want %q and %q", got, days, want)
		}
		askWhole(t, query)
	}
	f(true, "1", "quota")
	f(false, "0", "rate_limit")
}
