package report

import (
	"os"
	"strings"
	"testing"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
)

// docs/images/daily.txt is the text of the sample day on a terminal of 80 columns, and
// docs/reports.md shows how it begins.
func TestDocsShowTheSampleDay(t *testing.T) {
	var text strings.Builder
	stacktest.Must(t, sampleDay(t, "en").text(cli.Screen{Writer: &text, Columns: 80}))
	keep(t, "daily.txt", []byte(text.String()))
	whole, err := os.ReadFile("../../docs/images/daily.txt")
	stacktest.Must(t, err)
	if string(whole) != text.String() {
		t.Errorf("docs/images/daily.txt is\n%s\nand the sample day is\n%s", whole, text.String())
	}
	page, err := os.ReadFile("../../docs/reports.md")
	stacktest.Must(t, err)
	var shown strings.Builder
	_, rest, _ := strings.Cut(string(page), "    $ report daily --zone Europe/Berlin\n")
	for line := range strings.Lines(rest) {
		if line != "\n" && !strings.HasPrefix(line, "    ") {
			break
		}
		shown.WriteString(strings.TrimPrefix(line, "    "))
	}
	if start := strings.TrimSpace(shown.String()); len(start) < 1000 || !strings.HasPrefix(text.String(), start+"\n") {
		t.Errorf("docs/reports.md shows\n%s", start)
	}
}
