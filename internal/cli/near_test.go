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

func TestMeant(t *testing.T) {
	words := []string{"alert", "limit", "list", "output", "to"}
	for written, want := range map[string]string{"limt": "limit", "LIST": "list", "o": "output", "lim": "limit", "alret": "alert", "version": "", "config": "", "x": ""} {
		got, found := meant(written, words)
		if !found {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
	if _, found := meant("x", nil); found {
		t.Error("one of no words is meant")
	}
}
