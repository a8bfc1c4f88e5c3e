package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Printable returns text that cannot drive a terminal. Control characters (C0, DEL, C1), characters
// that reorder what is around them and bytes that are not UTF-8 are shown as escapes such as \x1b
// and \u202e. Line breaks stay.
func Printable(text string) string {
	if strings.IndexFunc(text, drives) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case !drives(r):
			b.WriteString(text[i : i+size])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// OneLine returns Printable text on one line: a line break is shown as \n.
func OneLine(text string) string { return strings.ReplaceAll(Printable(text), "\n", `\n`) }

// drives reports whether a character drives a terminal instead of being shown.
func drives(r rune) bool {
	switch {
	case r == '\n':
		return false
	case r < 0x20, 0x7f <= r && r <= 0x9f: // C0, DEL, C1
		return true
	case r == 0x2028, r == 0x2029: // line and paragraph separators
		return true
	}
	return 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 // bidirectional overrides and isolates
}

// PrintableTo returns a writer that makes all that is written Printable. Each Write has to end with
// a whole character.
func PrintableTo(w io.Writer) io.Writer { return printableWriter{w} }

type printableWriter struct{ io.Writer }

func (w printableWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, Printable(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// jsonWriter makes JSON that is written Printable. What drives a terminal can only stand in
// strings, where JSON has an escape for it, so the text does not change. Each Write has to end with
// a whole character.
type jsonWriter struct{ io.Writer }

func (w jsonWriter) Write(p []byte) (int, error) {
	text := string(p)
	if strings.IndexFunc(text, drivesInJSON) >= 0 {
		var b strings.Builder
		for _, r := range text {
			if drivesInJSON(r) {
				fmt.Fprintf(&b, `\u%04x`, r)
			} else {
				b.WriteRune(r)
			}
		}
		text = b.String()
	}
	if _, err := io.WriteString(w.Writer, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// drivesInJSON is drives for the characters that encoding/json does not escape.
func drivesInJSON(r rune) bool { return r >= 0x7f && drives(r) }

// formula matches a cell that spreadsheets take for a formula, and plainNumber one that is a number
// nevertheless.
var (
	formula     = regexp.MustCompile(`^[=+\-@\t\r\n＝＋－＠]`)
	plainNumber = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)
)

// spreadsheetCell returns the text with a ' in front if a spreadsheet would take it for a formula.
func spreadsheetCell(text string, _ Column) string {
	if formula.MatchString(text) && !plainNumber.MatchString(text) {
		return "'" + text
	}
	return text
}
