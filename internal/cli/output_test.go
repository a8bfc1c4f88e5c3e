package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// point is something that can be written in several ways.
type point struct {
	X int    `json:"x"`
	S string `json:"s"`
}

func (p point) text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d in %d columns", p.X, Width(w))
	return err
}

func (p point) cells(w io.Writer) error {
	_, err := fmt.Fprintf(AsIs(w), "%d\t%s\n", p.X, p.S)
	return err
}

var points = Outputs[point]{{"text", point.text}, {"json", JSON[point]}, {"lines", JSONLine[point]}, {"yaml", YAML[point]}, {"cells", point.cells}}

func TestOutput(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		output := points.Flag(flags)
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := output.Write(point{1, "<&>"}, Screen{Writer: &b, Columns: 80}); err != nil || b.String() != want {
			t.Errorf("%v: %q %v", args, b.String(), err)
		}
		if usage := flags.FlagUsages(); !strings.Contains(usage, "--output name   text, json, lines, yaml, cells (default text)") {
			t.Error(usage)
		}
	}
	f("1 in 80 columns")
	f("1 in 80 columns", "--output", "text")
	f("{\n  \"x\": 1,\n  \"s\": \"<&>\"\n}\n", "--output=json")
	f("{\"x\":1,\"s\":\"<&>\"}\n", "--output", "lines")

	f("x: 1\ns: <&>\n", "--output", "yaml")
	f("1\t<&>\n", "--output", "cells") // text for people has no tab

	if _, err := points.Named("pdf"); err == nil || err.Error() != "give one of text, json, lines, yaml, cells" {
		t.Error(err)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	output := points.Flag(flags)
	if err := flags.Parse([]string{"--output", "pdf"}); err == nil || message(err) != `--output "pdf": give one of text, json, lines, yaml, cells` {
		t.Error(err)
	}
	if full := errors.New("disk full"); !errors.Is(output.Write(point{}, failing{full}), full) {
		t.Error("an error of the writer is lost")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Styles show only where the screen says so, and text cannot set them.
func TestLine(t *testing.T) {
	f := func(screen Screen, want string) {
		t.Helper()
		var b strings.Builder
		screen.Writer = printableWriter{&b}
		if err := Line(screen, Span{Red, "a\x1b[1m"}, Span{Plain, " b"}, Span{Bold, ""}); err != nil || b.String() != want {
			t.Errorf("%q %v, want %q", b.String(), err, want)
		}
	}
	f(Screen{}, "a\\x1b[1m b\n")
	f(Screen{Columns: 80}, "a\\x1b[1m b\n")
	f(Screen{Columns: 80, Colours: true}, "\x1b[31ma\\x1b[1m\x1b[0m b\n")
	if colours(&strings.Builder{}) || !colours(Screen{Colours: true}) {
		t.Error("colours of what is no terminal")
	}
}
