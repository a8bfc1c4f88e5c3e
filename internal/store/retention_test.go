package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

func TestRetentionFollowsTheTables(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	days := func() string {
		retention, err := s.Retention(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, table := range []string{"error_rows", "traffic_sums", "error_sums", "dead_letter_rows"} {
			at, limited := retention[table]
			if !limited {
				all = append(all, "ever")
				continue
			}
			all = append(all, fmt.Sprint(int(time.Since(at).Hours()+2)/24))
		}
		return strings.Join(all, " ")
	}
	if got := days(); got != "400 800 800 400" {
		t.Errorf("rows are kept for %s days", got)
	}
	query("ALTER TABLE @error_rows MODIFY TTL toDateTime(ts) + INTERVAL 30 DAY")
	query("ALTER TABLE @error_sums REMOVE TTL")
	if got := days(); got != "30 800 ever 400" {
		t.Errorf("rows are kept for %s days", got)
	}
}

// The migrations cannot derive the limits of age from the constants, so they repeat them.
func TestMigrationsAgreeWithTheRetention(t *testing.T) {
	t.Parallel()
	s, query := open(t)
	retention, err := s.Retention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"traffic_sums", "error_sums"} {
		got := time.Since(retention[table]) + time.Hour // Retention adds an hour
		if diff := got - store.MinuteRetention; diff.Abs() > time.Minute {
			t.Errorf("the migrations keep the rows of %s for %v, want %v", table, got, store.MinuteRetention)
		}
	}
	if got := query("SELECT as_select FROM system.tables WHERE concat(database, '.', name) = '@folded_days'"); !strings.Contains(got, "<= ("+store.RollupSince+")") {
		t.Errorf("the view folded_days does not keep the hours of days up to %s: %s", store.RollupSince, got)
	}
}
