package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

// Coverage finds the same breaks however the batches are cut into slices: those that one walk over
// all batches finds.
func TestCoverageFindsEveryBreak(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	const perPartition = 20
	random := rand.New(rand.NewPCG(1, 2))
	var rows []string
	var want string
	for partition := range 4 {
		next, before := int64(0), store.Span{First: 0, Last: -1}
		for i := range perPartition {
			b := store.Span{First: next, Last: next + random.Int64N(5)}
			switch random.IntN(8) {
			case 0:
				b.Last += 20 // reaches over those that follow
			case 1:
				b.First += 3
				b.Last += 3
			}
			if i > 0 && b.First != before.Last+1 {
				want += fmt.Sprintf("%d: %s after %s\n", partition, b, before)
			}
			if b.Last > before.Last {
				before = b
			}
			rows = append(rows, fmt.Sprintf("('logs', %d, %d, %d, 0, 1)", partition, b.First, b.Last))
			next = max(b.First+1, b.Last+1-20*random.Int64N(2))
		}
	}
	query("INSERT INTO @batch_rows (topic, partition, first_offset, last_offset, epoch, records) VALUES " + strings.Join(rows, ", "))
	partitions, err := s.BatchPartitions(t.Context(), []string{"logs"})
	if err != nil || len(partitions) != 4 {
		t.Fatal(partitions, err)
	}
	for _, slice := range []int{0, 1, 2, 7, perPartition + 1, 1000} {
		coverage, err := s.Coverage(t.Context(), store.AuditScope{Partitions: partitions, Slice: slice})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		var batches uint64
		for _, c := range coverage {
			batches += c.Batches
			for _, b := range c.Breaks {
				got += fmt.Sprintf("%d: %s after %s\n", c.Partition, b.Batch, b.Before)
			}
		}
		if got != want || batches != 4*perPartition || len(coverage) != 4 {
			t.Errorf("in slices of %d: %d batches of %d partitions, and the breaks\n%swant\n%s", slice, batches, len(coverage), got, want)
		}
	}
	if !strings.Contains(want, "after") {
		t.Error("there is no break to find")
	}
}

func TestAnEmptyDatabaseHasNothingToAudit(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	cluster, group, err := s.Owner(t.Context())
	if err != nil || cluster != "" || group != "" {
		t.Errorf("it belongs to %q %q %v", cluster, group, err)
	}
	for _, scope := range []store.AuditScope{{}, {Partitions: []store.AuditPartition{{Topic: "it's", Partition: 0}}}} {
		scope, err := s.Since(t.Context(), scope, time.Now())
		coverage, coverageErr := s.Coverage(t.Context(), scope)
		differing, differingErr := s.Differing(t.Context(), scope, nil)
		doubled, doubledErr := s.Doubled(t.Context(), scope)
		gaps, gapsErr := s.AuditGaps(t.Context(), scope)
		for _, err := range []error{err, coverageErr, differingErr, doubledErr, gapsErr} {
			if err != nil {
				t.Error(err)
			}
		}
		if len(coverage)+len(differing)+len(doubled)+len(gaps) > 0 {
			t.Error(coverage, differing, doubled, gaps)
		}
	}
}
