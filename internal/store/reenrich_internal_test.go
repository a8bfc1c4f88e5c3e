package store

import (
	"slices"
	"strings"
	"testing"
)

func TestCodesAreNamedInPortions(t *testing.T) {
	f := func(portions int, codes ...string) {
		t.Helper()
		got := nameable(codes)
		if len(got) != portions || !slices.Equal(slices.Concat(got...), codes) {
			t.Errorf("%d codes in %d portions, want %d", len(codes), len(got), portions)
		}
	}
	f(0)
	f(1, "a", "b")
	f(1, strings.Repeat("a", maxNamedCodes))
	f(3, "a", strings.Repeat("b", maxNamedCodes), "c", "d")
	f(2, slices.Repeat([]string{"OSM.01010037"}, 3000)...)
}

func TestBehindIsLexicographic(t *testing.T) {
	sql, args := behind([]string{"tenant", "ts", "index"}, []any{"a", 7, 8})
	if want := "`tenant` > ? OR (`tenant` = ? AND (`ts` > fromUnixTimestamp64Milli(?) OR (`ts` = fromUnixTimestamp64Milli(?) AND (`index` > ?))))"; sql != want {
		t.Error(sql)
	}
	if !slices.Equal(args, []any{"a", "a", 7, 7, 8}) {
		t.Error(args)
	}
}
