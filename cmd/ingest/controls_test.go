package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"errata/internal/cli"
)

// What detect and deadletters list print of hostile records drives no terminal.
func TestOutputsDriveNoTerminal(t *testing.T) {
	f := func(printed, shows string) {
		t.Helper()
		if !strings.Contains(printed, shows) {
			t.Errorf("shows no %s:\n%q", shows, printed)
		}
		for _, r := range printed {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Errorf("prints %U:\n%q", r, printed)
			}
		}
	}
	const record = `{"time":"2026-11-02T10:00:00Z","tenant":"t\u001b[2J\u0007\n\u202e","path":"/p\u009b","status":200,"response_body":"{}"}` + "\n" +
		"broken \x1b[2J\u009b\u202e\n" + `{"hel\u001b[2Jlo":"world"}` + "\n"
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"detect"}, strings.NewReader(record), &stdout, &stderr); code != cli.Fine {
		t.Errorf("%d %s", code, stderr.String())
	}
	f(stdout.String()+stderr.String(), `\x1b[2J`)

	var list strings.Builder
	if err := deadLetterTable([]deadLetterRow{{Reason: "malformed", Topic: "logs", Sample: "s\x1b[2J\u009b\u202e\n"}}, &list); err != nil {
		t.Fatal(err)
	}
	f(list.String(), `s\x1b[2J\u009b\u202e\n`)
}
