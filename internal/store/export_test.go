package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The limits of age, for tests.
const MinuteRetention = minuteRetention

var RollupSince = rollupSince

// BeginRollup begins the rollup of a day and returns its further steps, for tests that stop between
// them.
func (s *Store) BeginRollup(ctx context.Context, day time.Time) (steps []func(context.Context) error, locked bool, err error) {
	r, locked, err := s.beginRollup(ctx, day)
	return r.steps(), locked, err
}

// BeginRollupAgo returns the steps of a rollup that began a while ago.
func (s *Store) BeginRollupAgo(t testing.TB, day time.Time, ago time.Duration) []func(context.Context) error {
	r, locked, err := s.beginRollup(t.Context(), day)
	if err != nil || locked {
		t.Fatal(locked, err)
	}
	r.number -= uint64(ago.Seconds()) << 32
	return r.steps()
}

// SealSteps returns the steps of a seal, for tests that stop between them.
func (s *Store) SealSteps(day time.Time) []func(context.Context) error {
	return s.sealSteps(day, rand.Uint64())
}

// ForgetLastRollup makes the next Resolve ask, for tests in which an hour passes in no time.
func (s *Store) ForgetLastRollup() {
	s.lastRollup.Lock()
	defer s.lastRollup.Unlock()
	s.lastRollup.asked = time.Time{}
}

// EmptySealedDays deletes the sums of sealed days.
func (s *Store) EmptySealedDays(ctx context.Context) error { return s.emptySealedDays(ctx) }

// Sums adds the requests and errors of a batch to those of others, by what distinguishes sums.
func (b *Batch) Sums(sums map[string][2]uint64) {
	add := func(requests, errors uint64, key ...any) {
		k := strings.TrimSuffix(fmt.Sprintln(key...), "\n")
		sums[k] = [2]uint64{sums[k][0] + requests, sums[k][1] + errors}
	}
	for _, r := range b.trafficRows() {
		c, key := &b.counts, &r.key
		add(r.sum.requests, r.sum.errors, key.time().Unix(), c.tenants.texts[key.tenant], c.services.texts[key.service], c.routes.texts[key.route], key.status, c.state(key))
	}
	for _, r := range b.codeRows() {
		add(0, r.errors, r.minute.Unix(), r.tenant, r.service, r.route, r.code, r.dialect)
	}
}

// ChangeDays makes a change under a lock, as switches and voidings do.
func (s *Store) ChangeDays(ctx context.Context, days []time.Time, change func() error) error {
	return s.changeDays(ctx, func(context.Context) ([]time.Time, error) { return days, nil }, change)
}

// ReadSums reads the sums of errors of a day. It returns a function that writes them with another
// kind, as a re-enrichment does, and says how many were written.
func (s *Store) ReadSums(t testing.TB, day time.Time) (write func() int) {
	var rows []of[codeRow]
	err := s.ask(t.Context(), "SELECT "+codeTable.selected()+" FROM error_sums FINAL WHERE toDate(minute) = toDate(?)", []any{day.Format(time.DateOnly)}, func(scan func(...any) error) error {
		row, _, err := scanSum(scan)
		rows = append(rows, row)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		rewrites := make([]SumRewrite, len(rows))
		for _, r := range rows {
			r.row.kind = "other"
		}
		if err := s.writeSums(t.Context(), rows, rewrites, false, func(written []SumRewrite) error { n = len(written); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// PublishReplacement makes a rollup of a sealed day count.
func (s *Store) PublishReplacement(ctx context.Context, day time.Time, number uint64) error {
	return s.publishReplacement(ctx, day.Format(time.DateOnly), number)
}

// AnswerTo returns what a Store says if the server answers its first question with an error.
func AnswerTo(answer error) error {
	s := &Store{addr: "192.0.2.1:9000"}
	return s.awaitAnswer(context.Background(), "errata", func(context.Context) error { return answer })
}
