package cli

import "testing"

func TestCount(t *testing.T) {
	f := func(want string, n int, noun string) {
		t.Helper()
		if got := Count(n, noun); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("0 errors", 0, "error")
	f("1 error", 1, "error")
	f("2 dead letters", 2, "dead letter")
	f("1 batch", 1, "batch")
	f("3 batches", 3, "batch")
}
