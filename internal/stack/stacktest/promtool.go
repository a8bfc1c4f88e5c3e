package stacktest

import (
	"os/exec"
	"strings"
	"testing"

	"errata/internal/stack"
)

// Promtool runs Prometheus' own tool on the arguments, with text as its standard input, and ends the test
// with what it says when it finds anything wrong.
func Promtool(t testing.TB, text string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		Must(t, &stack.Missing{Part: "Prometheus' rules and metrics are checked by promtool", Remedy: "apt-get install --no-install-recommends prometheus"})
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// CheckMetrics holds the text of a /metrics page against Prometheus' rules for names, units and help texts.
func CheckMetrics(t testing.TB, text string) {
	t.Helper()
	Promtool(t, text, "check", "metrics")
}
