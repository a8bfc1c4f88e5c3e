package lazyregexp

import (
	"slices"
	"testing"
)

func TestCompiledWhenFirstUsed(t *testing.T) {
	defer func() { inTest = true }()
	inTest = false
	wrong, right := MustCompile("("), MustCompile("(a)b")
	if got := right.FindStringSubmatch("cab"); !slices.Equal(got, []string{"ab", "a"}) {
		t.Errorf("%q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression matches")
		}
	}()
	wrong.MatchString("")
}

// A wrong expression has to fail the tests of its package, whichever of them use it.
func TestCompiledAtOnceInTests(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression is let pass")
		}
	}()
	MustCompile("(")
}
