package report

import (
	"strings"
	"testing"

	"errata/internal/cli"

	"github.com/jedib0t/go-pretty/v6/text"
)

var example = Top{
	By: []string{"tenant", "code"},
	Rows: []TopRow{
		{Tenant: "acme", Code: "OSM.01010037", Family: "OSM", Kind: "quota", Errors: 2, Share: 0.4, Description: "The number of created service tickets has exceeded the upper limit.", Remedy: "Refer to the error message."},
		{Tenant: "租户一", Code: "OptVerse_12030001", Family: "OptVerse", Kind: "not_found", Errors: 1, Share: 0.2, Description: strings.Repeat("资金不足", 20), Remedy: "one\ntwo"},
	},
}

func render(t *testing.T, output string, width int) string {
	t.Helper()
	out, err := TopOutputs.Named(output)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := out.Write(example, cli.Screen{Writer: &b, Columns: width}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{50, 60, 80, 100, 120, 160, 200, 300} {
		_, table, _ := strings.Cut(render(t, "table", width), "\n") // the headline is prose
		for line := range strings.Lines(table) {
			if n := text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
		}
	}
}

func TestChineseTextIsAligned(t *testing.T) {
	lines := strings.Split(render(t, "table", 0), "\n")
	at := func(line, word string) int {
		before, _, found := strings.Cut(line, word)
		if !found {
			t.Fatalf("no %q in %q", word, line)
		}
		return text.StringWidthWithoutEscSequences(before)
	}
	if a, b := at(lines[3], "Refer to"), at(lines[4], "one two"); a != b || a != at(lines[1], "remedy") {
		t.Errorf("the remedies begin at %d and %d:\n%s", a, b, strings.Join(lines, "\n"))
	}
	if a, b := at(lines[3], "OSM.01010037"), at(lines[4], "OptVerse_"); a != b {
		t.Errorf("the codes begin at %d and %d", a, b)
	}
}
