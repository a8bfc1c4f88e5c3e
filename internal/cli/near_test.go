package cli

import (
	"strings"
	"testing"
)

func TestNear(t *testing.T) {
	f := func(word, words string, n int, want string) {
		t.Helper()
		all := strings.Split(words, " ")
		if got := strings.Join(Near(word, all, n), " "); got != want {
			t.Errorf("near %q: %q, want %q", word, got, want)
		}
		if strings.Join(all, " ") != words {
			t.Errorf("the words have changed: %q", all)
		}
	}
	f("chekc", "run check", 1, "check")
	f("acm", "globex acme Acme umbrella", 2, "Acme acme")
	f("ACME", "globex acme", 1, "acme")
	f("b", "c a d", 3, "a c d")
	f("x", "y", 3, "y")
}
