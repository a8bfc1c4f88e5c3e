package report

import (
	"fmt"
	"slices"
	"time"

	"errata/internal/store"
)

// historyParts is the number of equal parts into which the time of a history is cut.
const historyParts = 24

// parts cuts the time of a scope into historyParts equal parts.
type parts struct {
	from   time.Time
	length int64 // of a part, in milliseconds
}

func partsOf(scope store.Scope) parts {
	scope = scope.Minutes()
	return parts{scope.From, max(scope.To.Sub(scope.From).Milliseconds()/historyParts, 1)}
}

// number is the SQL for the number of the part that a time column lies in, a UInt16.
func (p parts) number(timeColumn string) string {
	return fmt.Sprintf("toUInt16(least(intDiv(toUnixTimestamp64Milli(%s) - %d, %d), %d))", timeColumn, p.from.UnixMilli(), p.length, historyParts-1)
}

// split reports whether [from, to) does not lie within one part, for store.Scope.Rollup.
func (p parts) split(from, to time.Time) bool {
	part := func(minute time.Time) int64 { return minute.Sub(p.from).Milliseconds() / p.length }
	return part(from) != part(to.Add(-time.Minute))
}

// sparkline draws numbers as bars of eight heights, and 0 as a space.
func sparkline(numbers []uint64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := slices.Max(append([]uint64{1}, numbers...))
	line := make([]rune, len(numbers))
	for i, n := range numbers {
		if line[i] = ' '; n > 0 {
			line[i] = bars[(n*uint64(len(bars))-1)/most]
		}
	}
	return string(line)
}
