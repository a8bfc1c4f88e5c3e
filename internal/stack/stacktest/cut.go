package stacktest

import (
	"sync/atomic"
	"testing"
)

// CutAt cuts the connection that carries the n-th piece from the server, once, and returns a
// function that reports whether that has happened. It replaces the Tap.
func (p *Proxy) CutAt(n int64) (cut func() bool) {
	var pieces atomic.Int64
	p.Tap(func() (client, server Tap) {
		return func([]byte) bool { return true }, func([]byte) bool { return pieces.Add(1) != n }
	})
	return func() bool { return pieces.Load() >= n }
}

// CutAnywhere runs a command again and again, each time with the connection cut some pieces of what
// the server sends later, until the command ends before that. Its exit code is to be want, or what
// it is without a cut where the command gets over it, as at its start. At least one is to be want.
func (p *Proxy) CutAnywhere(t testing.TB, want int, step int64, command func() (code int, stderr string)) {
	t.Helper()
	whole, stderr := command()
	if whole == want {
		t.Fatalf("exit code %d without a cut: %s", whole, stderr)
	}
	cuts, broken := 0, 0
	for n := int64(1); ; n += step {
		cut := p.CutAt(n)
		code, stderr := command()
		if !cut() {
			break
		}
		cuts++
		switch code {
		case want:
			broken++
		case whole:
		default:
			t.Errorf("cut at piece %d: exit code %d, want %d: %s", n, code, want, stderr)
		}
	}
	p.Tap(nil)
	if broken == 0 {
		t.Errorf("no cut was exit code %d", want)
	}
	t.Logf("of %d cuts %d were exit code %d, the others %d", cuts, broken, want, whole)
}
