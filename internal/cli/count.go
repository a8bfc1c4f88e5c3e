package cli

import (
	"fmt"
	"strings"
)

// Count writes a number with its noun, in the plural unless it is 1: "1 batch", "2 batches".
func Count[N int | int64 | uint64](n N, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "ch"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
