package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
	"golang.org/x/term"
)

// Output is a way to write a T.
type Output[T any] struct {
	Name  string
	Write func(T, io.Writer) error // a method expression such as Top.table fits
}

// Outputs are the ways to write a T, the default first. The flag --output, its help text and its
// errors derive from them. To add an output is to add a row and a function:
//
//	var TopOutputs = cli.Outputs[Top]{
//		{"table", Top.table},
//		{"json", cli.JSON[Top]},
//	}
//
//	output := report.TopOutputs.Flag(cmd.Flags()) // when the command is defined
//	return output.Write(top, cmd.OutOrStdout())   // when it runs
type Outputs[T any] []Output[T]

// Names returns the names, the default first.
func (o Outputs[T]) Names() (names []string) {
	for _, output := range o {
		names = append(names, output.Name)
	}
	return names
}

// Named returns the output with a name. Its error lists the names.
func (o Outputs[T]) Named(name string) (Output[T], error) {
	i := slices.IndexFunc(o, func(output Output[T]) bool { return output.Name == name })
	if i < 0 {
		return Output[T]{}, errors.New("give one of " + strings.Join(o.Names(), ", "))
	}
	return o[i], nil
}

// Flag registers --output.
func (o Outputs[T]) Flag(flags *pflag.FlagSet) *Chosen[T] {
	c := &Chosen[T]{all: o, output: o[0]}
	flags.Var(c, "output", strings.Join(o.Names(), ", "))
	return c
}

// Chosen is the value of --output.
type Chosen[T any] struct {
	all    Outputs[T]
	output Output[T]
}

// Write writes the value in the chosen output. Output to a terminal fits the terminal's width.
// What the output writes is made Printable, unless it writes to AsIs.
func (c *Chosen[T]) Write(value T, w io.Writer) error {
	buffer := bufio.NewWriter(w)
	screen := Screen{printableWriter{buffer}, Width(w), colours(w)}
	return errors.Join(c.output.Write(value, screen), buffer.Flush())
}

// AsIs returns the writer below one that Chosen.Write passes to an output. It keeps text as it is,
// for outputs whose syntax has its own escapes.
func AsIs(w io.Writer) io.Writer {
	if screen, ok := w.(Screen); ok {
		w = screen.Writer
	}
	if printable, ok := w.(printableWriter); ok {
		w = printable.Writer
	}
	return w
}

// Set implements pflag.Value.
func (c *Chosen[T]) Set(name string) (err error) {
	output, err := c.all.Named(name)
	if err == nil {
		c.output = output
	}
	return err
}

// String returns the name of the output.
func (c *Chosen[T]) String() string { return c.output.Name }

// Type implements pflag.Value.
func (*Chosen[T]) Type() string { return "name" }

// JSON writes a value as indented JSON. It is the function of the output json.
func JSON[T any](value T, w io.Writer) error {
	e := newEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// JSONLine writes a value as JSON on one line.
func JSONLine[T any](value T, w io.Writer) error { return newEncoder(w).Encode(value) }

// YAML writes a value as YAML. It is the function of the output yaml.
func YAML[T any](value T, w io.Writer) error {
	e := yaml.NewEncoder(AsIs(w))
	e.SetIndent(2)
	return errors.Join(e.Encode(value), e.Close())
}

// newEncoder writes <, > and & as they are, because the output is not HTML.
func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(jsonWriter{AsIs(w)})
	e.SetEscapeHTML(false)
	return e
}

// Screen is a writer with a width in columns. At width 0 lines may be of any length.
type Screen struct {
	io.Writer
	Columns int
	Colours bool // Line shows styles
}

// Width returns the width of a terminal or a Screen, 0 for any other writer.
func Width(w io.Writer) int {
	switch w := w.(type) {
	case Screen:
		return w.Columns
	case printableWriter:
		return Width(w.Writer)
	case *os.File:
		if width, _, err := term.GetSize(int(w.Fd())); err == nil {
			return width
		}
	}
	return 0
}
