package main

import (
	"sync/atomic"
	"testing"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
)

// A connection that breaks in the middle of a command is exit code 3, wherever it breaks. A break
// in the handshake may make the server's library abort, so nothing else runs meanwhile.
func TestCutOffAnywhere(t *testing.T) {
	s := newAuditedStack(t)
	stop := s.consume()
	s.produce(0, 2000)
	s.awaitTables()
	s.await("2000")
	stop()
	s.settle()
	p := stacktest.StartProxy(t, stacktest.SharedClickHouse(t).Addr, stacktest.FrontHost(0))
	s.configure(p.Addr)
	f := func(step int64, args ...string) {
		t.Run(args[0], func(t *testing.T) {
			p.CutAnywhere(t, cli.Unreachable, step, func() (code int, stderr string) {
				code, _, stderr = s.ingest(args...)
				return code, stderr
			})
		})
	}
	f(1, "deadletters", "list") // only the last few pieces, those of the rows, break it
	f(9, "audit")
	f(2, "check")
	f(15, "replay", "--force", "--at", "gateway-logs/0/0")

	t.Run("kafka", func(t *testing.T) { // goes away while ClickHouse is asked
		var pieces atomic.Int64
		p.Tap(func() (client, server stacktest.Tap) {
			return func([]byte) bool { return true }, func([]byte) bool {
				if pieces.Add(1) == 20 {
					s.kafka.Stop()
				}
				return true
			}
		})
		if code, _, stderr := s.ingest("audit", "--deep"); code != cli.Unreachable {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	})
}
