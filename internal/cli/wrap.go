package cli

import (
	"io"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"
)

// Paragraph writes a lead, such as the name of a value, and a text behind it. On a terminal the
// text is wrapped, and each further line begins below the first word of the text. Elsewhere only
// the text's own line breaks begin lines. What is written is Printable.
func Paragraph(w io.Writer, lead, text string) error {
	return StyledParagraph(w, Span{Plain, lead}, Span{Plain, text})
}

// StyledParagraph is a Paragraph in styles.
func StyledParagraph(w io.Writer, lead, text Span) error {
	lead.Text = OneLine(lead.Text)
	margin := columns(lead.Text)
	lines := strings.Split(Printable(text.Text), "\n")
	if width := Width(w); width > 0 {
		lines = wrap(Printable(text.Text), max(width-margin, leastProse))
	}
	for _, line := range lines {
		if err := Line(w, lead, Span{text.Style, line}); err != nil {
			return err
		}
		lead = Span{Plain, strings.Repeat(" ", margin)}
	}
	return nil
}

// wrap splits a text into lines of at most so many columns, at its line breaks, at spaces, and
// inside words that are wider than a line.
func wrap(text string, width int) (lines []string) {
	for _, paragraph := range strings.Split(text, "\n") {
		if columns(paragraph) <= width {
			lines = append(lines, paragraph)
			continue
		}
		line, used := "", 0
		for _, word := range strings.Fields(paragraph) {
			n := columns(word)
			if used > 0 && used+1+n <= width {
				line, used = line+" "+word, used+1+n
				continue
			}
			if used > 0 && n > width && used+1 < width { // begin it on this line
				line, used = line+" ", used+1
			} else if used > 0 {
				lines, line, used = append(lines, line), "", 0
			}
			for _, r := range word {
				if n := pretty.RuneWidth(r); used+n > width {
					lines, line, used = append(lines, line), "", 0
				}
				line, used = line+string(r), used+pretty.RuneWidth(r)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// columns returns the width of a text on a terminal.
func columns(text string) int { return pretty.StringWidthWithoutEscSequences(text) }

// cut returns a text of at most so many columns, with … in place of what it lacks.
func cut(text string, width int) string { return pretty.Snip(text, width, "…") }
