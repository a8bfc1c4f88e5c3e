package cli

import (
	"regexp"
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
	if err := table.Text(Screen{Writer: &b, Columns: width}); err != nil {
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

// Where prose has no room beside the other columns it stands below its row, and so do spare
// columns.
func TestTableBelow(t *testing.T) {
	f := func(table Table, width int, want string) {
		t.Helper()
		if got := rendered(t, table, width); got != want {
			t.Errorf("width %d: got\n%swant\n%s", width, got, want)
		}
	}
	f(errorsTable, 60, `tenant  code               kind       errors  share
-----------------------------------------------------
acme    OSM.01010037       quota           2    40%
    description  The number of created service tickets has
                 exceeded the upper limit.
    remedy       Refer to the error message.
租户一  OptVerse_12030001  not_found      10     2%
    description  资金不足资金不足资金不足资金不足资金不足资
                 金不足资金不足资金不足资金不足资金不足资金
                 不足资金不足资金不足资金不足资金不足资金不
                 足资金不足资金不足资金不足资金不足
    remedy       one
                 two
`)
	numbers := Table{Columns: []Column{{Name: "topic"}, {Name: "lag", Number: true}, {Name: "log start", Number: true, Spare: 1}, {Name: "log end", Number: true, Spare: 2}},
		Rows: [][]string{{"gateway-logs", "5", "0", "12345"}, {"x", "", "1", ""}}}
	f(numbers, 40, `topic         lag  log start  log end
---------------------------------------
gateway-logs    5          0    12345
x                          1`+"\n")
	f(numbers, 35, `topic         lag  log end
----------------------------
gateway-logs    5    12345
    log start 0
x
    log start 1
`)
	f(Table{Columns: []Column{{Name: "at"}, {Name: "n", Number: true}}, Rows: [][]string{{"a-topic-with-a-long-name/0/17", "1"}}, Indent: "  "}, 24, `  at                n
  ---------------------
  a-topic-with-a-…  1
`)
	for _, width := range []int{20, 40, 80, 120} {
		for line := range strings.Lines(rendered(t, errorsTable, width)) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > width && width >= 40 {
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
		}
	}
}

func TestParagraph(t *testing.T) {
	f := func(width int, lead, text, want string) {
		t.Helper()
		var b strings.Builder
		if err := Paragraph(Screen{Writer: &b, Columns: width}, lead, text); err != nil || b.String() != want {
			t.Errorf("%d %q: got %q, want %q", width, text, b.String(), want)
		}
	}
	f(0, "remedy  ", "wait, and\nthen \x1b[2J", "remedy  wait, and\n        then \\x1b[2J\n")
	f(40, "remedy  ", "wait for a minute, and then repeat what failed", "remedy  wait for a minute, and then\n        repeat what failed\n")
	f(40, "", strings.Repeat("资", 21), strings.Repeat("资", 20)+"\n资\n")
	f(40, "", "at "+strings.Repeat("x", 50), "at "+strings.Repeat("x", 37)+"\n"+strings.Repeat("x", 13)+"\n")
	f(40, "", "", "\n")
}

var sgr = regexp.MustCompile(`\x1b\[\d*m`)

// Styles change nothing but the looks, and each stands on its whole cell, however it is laid out.
func TestTableStyles(t *testing.T) {
	table := errorsTable
	table.Indent = "  "
	table.Rows = append([][]string{{"a\x1b[1mb", "E", "auth", "1", "1%", "d", ""}}, table.Rows...)
	for _, width := range []int{0, 40, 60, 100, 160, 300} {
		plain := rendered(t, table, width)
		styled := table
		styled.Style = func(row int, column string) Style {
			switch {
			case column == "code" && row == 1:
				return Red
			case column == "remedy":
				return Green
			}
			return Plain
		}
		if got := rendered(t, styled, width); got != plain {
			t.Errorf("width %d without colours:\n%swant\n%s", width, got, plain)
		}
		var b strings.Builder
		if err := styled.Text(Screen{Writer: printableWriter{&b}, Columns: width, Colours: true}); err != nil {
			t.Fatal(err)
		}
		if got := sgr.ReplaceAllString(b.String(), ""); got != plain {
			t.Errorf("width %d:\n%swant\n%s", width, got, plain)
		}
		red := regexp.MustCompile(`\x1b\[31m(.*?)\x1b\[0m`).FindAllStringSubmatch(b.String(), -1)
		green := regexp.MustCompile(`\x1b\[32m(.*?)\x1b\[0m`).FindAllStringSubmatch(b.String(), -1)
		words := ""
		for _, m := range green {
			words += strings.Trim(m[1], " ") + " "
		}
		if len(red) != 1 || !strings.HasPrefix("OSM.01010037", strings.Trim(red[0][1], " …")) || strings.TrimSpace(strings.Join(strings.Fields(words), " ")) != "Refer to the error message. one two" {
			t.Errorf("width %d: red %q, green %q", width, red, words)
		}
		header, _, _ := strings.Cut(b.String(), "\n")
		if !strings.Contains(header, "\x1b[2mtenant") {
			t.Errorf("width %d: the header is %q", width, header)
		}
	}
}
