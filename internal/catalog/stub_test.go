package catalog

import "testing"

func TestGeneralize(t *testing.T) {
	f := func(want string, all bool, messages ...string) {
		t.Helper()
		if got, ok := generalize(messages); got != want || ok != all {
			t.Errorf("%q: %q %v", messages, got, ok)
		}
	}
	f("", true)
	f("a b", true, "a b")
	f("Account {0} has {1} left.", true, "Account a-1 has 5 left.", "Account b-2 has 7 left.")
	f("a", false, "a", "b")
	f("one two", false, "one two", "one two three")
}
