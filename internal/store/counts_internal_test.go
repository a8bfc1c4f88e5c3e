package store

import (
	"fmt"
	"testing"
	"unsafe"
)

// TestNamesAtOneAddress numbers names that begin at the same address, as parts of one text do, and
// equal names at different addresses.
func TestNamesAtOneAddress(t *testing.T) {
	n := newNames()
	const limit = 40
	text := "tenant-0123456789"
	want := map[string]uint32{"": 0, Other: otherNumber}
	for round := range 3 {
		for i := 1; i <= len(text); i++ {
			for _, name := range []string{text[:i], string([]byte(text[:i]))} {
				number := n.number(name, limit)
				if known, ok := want[name]; ok && known != number || !ok && number < uint32(len(want)) {
					t.Fatalf("round %d: %q has the number %d, want %d of %v", round, name, number, known, want)
				}
				if want[name] = number; n.texts[number] != name {
					t.Fatalf("round %d: number %d of %q is that of %q", round, number, name, n.texts[number])
				}
			}
		}
	}
	for i := range 2 * limit { // beyond the limit, the table has grown too
		name := fmt.Sprint("route-", i)
		got := n.number(name, limit)
		if within := i < limit-len(text); within != (got != otherNumber) {
			t.Errorf("%s has the number %d", name, got)
		}
	}
	for name, number := range want {
		if got := n.number(name, limit); got != number && name != Other {
			t.Errorf("%q has the number %d, want %d", name, got, number)
		}
	}
}

// TestSumsStay adds to many sums in turn: each keeps its own, and its place.
func TestSumsStay(t *testing.T) {
	var sums sumTable[int, int]
	const keys = 3*sumPage + 1
	for round := 1; round <= 2; round++ {
		for key := range keys {
			sum, isNew := sums.at(key, mixed(uint64(key), 7))
			if *sum++; *sum != round || isNew != (round == 1) {
				t.Fatalf("round %d: the sum of %d is %d, new %v", round, key, *sum, isNew)
			}
		}
	}
	if sums.n != keys {
		t.Fatalf("%d sums, want %d", sums.n, keys)
	}
	for place := range keys {
		if s := sums.of(place); s.key != place || s.sum != 2 {
			t.Fatalf("place %d has the sum %d of %d", place, s.sum, s.key)
		}
	}
}

// TestRowSizes holds that the memory that a batch says it takes covers what waits for the INSERT,
// and that errors, which take most of it, hold no more than their row needs.
func TestRowSizes(t *testing.T) {
	f := func(name string, size uintptr, says int) {
		t.Helper()
		if says < 2*int(size) {
			t.Errorf("%s: %d bytes while it waits, and %d are counted: an INSERT takes at least as much again", name, size, says)
		}
	}
	const entry = 4 * 4 // of the table of places, at most half full and a quarter after it has grown
	f("an error", unsafe.Sizeof(errorRow{}), errorRowSize)
	f("a sum of requests", unsafe.Sizeof(keySum[trafficNumbers, trafficSum]{})+entry, trafficRowSize)
	f("a sum of errors", unsafe.Sizeof(keySum[codeNumbers, codeNumbersSum]{})+entry, codeRowSize)
	if size, event := unsafe.Sizeof(errorRow{}), unsafe.Sizeof(errorRow{}.event); size > event+200 {
		t.Errorf("an error takes %d bytes, %d of them for the event", size, event)
	}
}
