package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhere(t *testing.T) {
	from, to := time.UnixMilli(1000), time.UnixMilli(2000)
	f := func(scope Scope, column, sql string, args ...any) {
		t.Helper()
		if diff := cmp.Diff(Condition{sql, args}, scope.Where(column)); diff != "" {
			t.Errorf("%+v\n%s", scope, diff)
		}
	}
	const since, before = "ts >= fromUnixTimestamp64Milli(?)", "ts < fromUnixTimestamp64Milli(?)"
	f(Scope{}, "ts", "1")
	f(Scope{From: from, To: to}, "", "1")
	f(Scope{From: from}, "ts", "1 AND "+since, int64(1000))
	f(Scope{From: from, To: to}, "ts", "1 AND "+since+" AND "+before, int64(1000), int64(2000))
	f(Scope{Tenants: []string{"a,b"}, Topics: []string{"t"}}, "ts", "1 AND tenant IN (?) AND topic IN (?)", []string{"a,b"}, []string{"t"})
}

// Two conditions made from one must not share the memory of their arguments.
func TestAndLeavesTheConditionAsItWas(t *testing.T) {
	base := Scope{Tenants: []string{"a"}, Topics: []string{"t"}}.Where("")
	first, second := base.And("code = ?", "x"), base.And("code = ?", "y")
	if first.Args[2] != "x" || second.Args[2] != "y" || len(base.Args) != 2 {
		t.Errorf("%v %v %v", base, first, second)
	}
}
