package stacktest

import (
	"os/exec"
	"strings"
	"testing"

	"errata/internal/stack"
)

// Promtool runs Prometheus' own tool with text as its standard input. If the tool finds a fault,
// the test ends with its output.
func Promtool(t testing.TB, text string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		Must(t, &stack.Missing{Part: "promtool, which checks Prometheus' rules and metrics, is missing", Remedy: "apt-get install --no-install-recommends prometheus"})
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// CheckMetrics checks the text of a /metrics page against Prometheus' rules for names, units and
// help texts.
func CheckMetrics(t testing.TB, text string) {
	t.Helper()
	Promtool(t, text, "check", "metrics")
}
