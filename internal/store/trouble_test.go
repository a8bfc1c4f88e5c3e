package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestTroubleOf(t *testing.T) {
	f := func(err error, reason string, lasting bool) {
		t.Helper()
		if got := TroubleOf(fmt.Errorf("insert 5 rows: %w", err)); got.Reason != reason || got.Lasting != lasting {
			t.Errorf("%v: %+v", err, got)
		}
	}
	f(&clickhouse.Exception{Code: 252}, "too_many_parts", false)
	f(&clickhouse.Exception{Code: 243}, "disk_full", true)
	f(&clickhouse.Exception{Code: 242}, "read_only", false)
	f(&clickhouse.Exception{Code: 123456}, "other", true)
	f(context.DeadlineExceeded, "timeout", false)
	f(&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "timeout", false)
	f(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "refused", false)
	f(io.ErrUnexpectedEOF, "network", false)
	f(syscall.EPIPE, "network", false)
	f(errors.New("something"), "other", false)
}

func TestTroublesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range slices.Sorted(maps.Keys(troubles)) {
		row, lasts := troubles[code], "no"
		if row.Lasting {
			lasts = "yes"
		}
		line := fmt.Sprintf("| %d | `%s` | %s | %s |", code, row.Reason, lasts, row.Advice)
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("docs/reliability.md lacks\n%s", line)
		}
	}
}
