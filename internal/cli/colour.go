package cli

import (
	"io"
	"os"
	"strings"
)

// Style is how text looks on a terminal that shows colours: the parameters of ECMA-48's SGR.
type Style string

// The styles. The colours are those of the terminal's palette, which its user has chosen.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// Span is text in a style.
type Span struct {
	Style Style
	Text  string
}

// Line writes spans as one line. Styles show only on a terminal with colours. The text is
// Printable, so what comes from records cannot set a style.
func Line(w io.Writer, spans ...Span) error {
	screen, _ := w.(Screen)
	if screen.Colours {
		w = AsIs(w)
	}
	var line strings.Builder
	for _, span := range spans {
		text := Printable(span.Text)
		if screen.Colours && span.Style != Plain && text != "" {
			text = "\x1b[" + string(span.Style) + "m" + text + "\x1b[0m"
		}
		line.WriteString(text)
	}
	_, err := io.WriteString(w, line.String()+"\n")
	return err
}

// colours reports whether a writer shows colours: a Screen that says so, or a terminal unless
// NO_COLOR (https://no-color.org) is set or the terminal is dumb.
func colours(w io.Writer) bool {
	if screen, ok := w.(Screen); ok {
		return screen.Colours
	}
	_, file := w.(*os.File)
	return file && Width(w) > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
