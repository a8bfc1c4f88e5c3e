package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	f := func(text, lines, line string) {
		t.Helper()
		if got := Printable(text); got != lines {
			t.Errorf("Printable(%q) is %q, want %q", text, got, lines)
		}
		if got := OneLine(text); got != line {
			t.Errorf("OneLine(%q) is %q, want %q", text, got, line)
		}
	}
	f("", "", "")
	f("租户 é 🙂 C:\\x", "租户 é 🙂 C:\\x", "租户 é 🙂 C:\\x")
	f("one\ntwo", "one\ntwo", `one\ntwo`)
	f("\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`, `\x1b[31mred\x1b[0m`)
	f("\x00\a\b\t\r\x1f\x7f", `\x00\x07\x08\t\r\x1f\x7f`, `\x00\x07\x08\t\r\x1f\x7f`)
	f("\u0080\u009b2J\u009f\u00a0", `\x80\x9b2J\x9f`+"\u00a0", `\x80\x9b2J\x9f`+"\u00a0")
	f("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029", `\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029`, `\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029`)
	f("\x9b2J\xff\ufffd", `\x9b2J\xff`+"\ufffd", `\x9b2J\xff`+"\ufffd")
}

func TestTablePrintsNoControls(t *testing.T) {
	table := Table{Columns: []Column{{Name: "tenant"}, {Name: "n", Number: true}, {Name: "message", Prose: true}},
		Rows: [][]string{{"a\x1b[2J\nb", "1", "one\r\ntwo\u202e"}}}
	f := func(write func(*strings.Builder) error, want string) {
		t.Helper()
		var b strings.Builder
		if err := write(&b); err != nil || b.String() != want {
			t.Errorf("got\n%swant\n%s%v", b.String(), want, err)
		}
	}
	f(func(b *strings.Builder) error { return table.Text(b) }, `tenant       n  message
---------------------------------
a\x1b[2J\nb  1  one\r two\u202e
`)
	f(func(b *strings.Builder) error { return table.Text(Screen{Writer: b, Columns: 100}) }, `tenant       n  message
---------------------------
a\x1b[2J\nb  1  one\r
                two\u202e
`)
	f(func(b *strings.Builder) error { return table.CSV(b) }, "tenant,n,message\na\\x1b[2J\\nb,1,\"one\\r\ntwo\\u202e\"\n")
	f(func(b *strings.Builder) error { return table.Markdown(b) }, "| tenant | n | message |\n| --- | --- | --- |\n| a\\x1b[2J\\nb | 1 | one\\r<br/>two\\u202e |\n")
	if table.Rows[0][0] != "a\x1b[2J\nb" {
		t.Error("the table has changed")
	}
}

func TestCSVGuardsFormulas(t *testing.T) {
	f := func(cell, want string) {
		t.Helper()
		var b strings.Builder
		if err := (Table{Columns: []Column{{Name: "c"}, {Name: "d"}}, Rows: [][]string{{cell, "x"}}}).CSV(&b); err != nil || b.String() != "c,d\n"+want+",x\n" {
			t.Errorf("%q is %q, want %q: %v", cell, b.String(), want, err)
		}
	}
	f("=1+1", "'=1+1")
	f("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0")
	f("-2+3", "'-2+3")
	f("@SUM(A1)", "'@SUM(A1)")
	f("\t=1", `'\t=1`)
	f("\r=1", `'\r=1`)
	f("\n=1", `'\n=1`)
	f("＝1", "'＝1")
	f("-", "'-")
	f("-12", "-12")
	f("+3.50", "+3.50")
	f("12", "12")
	f("a=b", "a=b")
	f("", "")
}

// JSON has escapes for what drives a terminal: the text stays what it was.
func TestJSONDrivesNothing(t *testing.T) {
	const text = "a\x1b[2J\u009b\u202e\x7f\t<&>资"
	var b strings.Builder
	if err := JSONLine(text, &b); err != nil {
		t.Fatal(err)
	}
	if want := `"a\u001b[2J\u009b\u202e\u007f\t<&>资"` + "\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	var read string
	if err := json.Unmarshal([]byte(b.String()), &read); err != nil || read != text {
		t.Errorf("%q %v", read, err)
	}
}
