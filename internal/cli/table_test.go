package cli

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
)

var errorsTable = Table{
	Columns: []Column{{Name: "tenant"}, {Name: "code"}, {Name: "kind", Spare: 1}, {Name: "errors", Number: true}, {Name: "share", Number: true, Spare: 2}, {Name: "description", Prose: true}, {Name: "remedy", Prose: true}},
	Rows: [][]string{
		{"acme", "OSM.01010037", "quota", "2", "40%", "The number of created service tickets has exceeded the upper limit.", "Refer to the error message."},
		{"租户一", "OptVerse_12030001", "not_found", "10", "2%", strings.Repeat("资金不足", 20), "one\ntwo"},
	},
}

func rendered(t *testing.T, table Table, width int) string {
	t.Helper()
	var b strings.Builder
	if err := table.Text(Screen{&b, width}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	narrow := Table{Columns: []Column{{Name: "code"}, {Name: "errors", Number: true}, {Name: "message", Prose: true}}, Rows: [][]string{{"a", "1", "one\ntwo"}, {"long", "12345678", ""}}}
	const want = `code    errors  message
-------------------------
a            1  one two
long  12345678
`
	if got := rendered(t, narrow, 0); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	f := func(write func(*strings.Builder) error, want string) {
		t.Helper()
		var b strings.Builder
		if err := write(&b); err != nil || b.String() != want {
			t.Errorf("%q %v", b.String(), err)
		}
	}
	f(func(b *strings.Builder) error { return narrow.CSV(b) }, "code,errors,message\na,1,\"one\ntwo\"\nlong,12345678,\n")
	f(func(b *strings.Builder) error { return narrow.Markdown(b) }, "| code | errors | message |\n| --- | --- | --- |\n| a | 1 | one<br/>two |\n| long | 12345678 |  |\n")
	f(func(b *strings.Builder) error {
		return Table{Columns: make([]Column, 2), Rows: [][]string{{"a", "b"}}}.Text(b)
	}, "a  b\n")
}

func TestTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{100, 120, 160, 200, 300} {
		table := rendered(t, errorsTable, width)
		for line := range strings.Lines(table) {
			if n := text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
		}
		header, _, _ := strings.Cut(table, "\n")
		if kind, share := strings.Contains(header, "kind"), strings.Contains(header, "share"); kind && !share || kind != (width >= 120) {
			t.Errorf("width %d: the wrong columns are left out: %s", width, header)
		}
	}
	if errorsTable.Columns[2].Name != "kind" || errorsTable.Rows[0][2] != "quota" {
		t.Error("the table has changed")
	}
}

func TestWideCharactersAreAligned(t *testing.T) {
	lines := strings.Split(rendered(t, errorsTable, 0), "\n")
	at := func(line, word string) int {
		before, _, found := strings.Cut(line, word)
		if !found {
			t.Fatalf("no %q in %q", word, line)
		}
		return text.StringWidthWithoutEscSequences(before)
	}
	if a, b := at(lines[2], "Refer to"), at(lines[3], "one two"); a != b || a != at(lines[0], "remedy") {
		t.Errorf("the remedies begin at %d and %d:\n%s", a, b, strings.Join(lines, "\n"))
	}
}
