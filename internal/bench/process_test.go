package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// ticks is the unit of times in /proc, a hundredth of a second on every Linux that Go runs on.
const ticks = 100

// cpuSeconds returns the CPU time that a process has taken, in user and kernel mode.
func cpuSeconds(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// The name, in brackets, may hold spaces. utime and stime are the 12th and 13th field after it.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	sum := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return float64(sum) / ticks
}

// peakMemory returns the most resident memory that a process has had, in bytes.
func peakMemory(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("process %d has no VmHWM", pid)
	return 0
}

// count asks ClickHouse for one number.
func count(t testing.TB, c *stack.ClickHouse, sql string) int {
	t.Helper()
	n, err := strconv.Atoi(stacktest.Query(t, c, sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// settle returns when ClickHouse has had nothing to merge for quiet.
func settle(t testing.TB, c *stack.ClickHouse) {
	t.Helper()
	const quiet, limit = 4 * time.Second, 3 * time.Minute
	end := time.Now().Add(limit)
	for since := time.Now(); time.Since(since) < quiet; time.Sleep(500 * time.Millisecond) {
		if count(t, c, "SELECT count() FROM system.merges") > 0 {
			since = time.Now()
		}
		if time.Now().After(end) {
			t.Logf("ClickHouse still merges after %v", limit)
			return
		}
	}
}

// written is what a ClickHouse has written since its start.
type written struct {
	Rows      int `json:"rows_inserted"` // into all tables
	Merged    int `json:"rows_merged"`
	Written   int `json:"bytes_written"` // to disk, with merges and logs
	Stored    int `json:"bytes_stored"`  // that remain, of one database
	StoredRow int `json:"rows_stored"`
}

func writtenBy(t testing.TB, c *stack.ClickHouse, database string) written {
	t.Helper()
	event := func(name string) int {
		return count(t, c, "SELECT sum(value) FROM system.events WHERE event = '"+name+"'")
	}
	parts := " FROM system.parts WHERE active AND database = '" + database + "'"
	return written{event("InsertedRows"), event("MergedRows"), event("WriteBufferFromFileDescriptorWriteBytes"), count(t, c, "SELECT sum(bytes_on_disk)"+parts), count(t, c, "SELECT sum(rows)"+parts)}
}
