package report

import (
	_ "embed"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"

	"errata/internal/cli"
)

// mailColumns is the width of a report's text in a mail.
const mailColumns = 100

//go:embed daily_mail.html
var dailyMailText string

// dailyMail uses tables and inline styles: mail clients show neither SVG nor style sheets with
// variables. Its short style sheet only adapts it to the dark and to phones, where a client reads
// it.
var dailyMail = template.Must(template.New("daily_mail.html").Funcs(template.FuncMap{"capital": capital}).Parse(dailyMailText))

// capital returns a text with its first letter in upper case, which mail clients cannot do.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// mailBar is an hour of the chart as a cell, in pixels.
type mailBar struct {
	Rest, Height int
	Text         string
}

// dailyMailPage is a report as daily_mail.html shows it.
type dailyMailPage struct {
	dailyPage
	Cells []mailBar
	Color string // of the verdict
}

// Mail returns the report as a mail: its subject, its text, and the same as HTML of less than 100
// KB.
func (d Daily) Mail() (subject, text, html string, err error) {
	p := d.printer()
	title, about := d.heading()
	subject = "[" + strings.ToUpper(p.word(d.Verdict.Level)) + "] " + title + ", " + about + ": " + d.Verdict.Sentence
	var plain, page strings.Builder
	output, err := DailyOutputs.Named("text")
	if err != nil {
		return "", "", "", err
	}
	if err := output.Write(d, cli.Screen{Writer: &plain, Columns: mailColumns}); err != nil {
		return "", "", "", err
	}
	m := dailyMailPage{dailyPage: d.page(), Color: map[string]string{Act: "#b3261e", Watch: "#95610a", Quiet: "#2c6e49"}[d.Verdict.Level]}
	const height = 90
	most := d.busiest().Errors
	for i, b := range d.Chart {
		if most > 0 {
			bar := max(1, int(height*share(b.Errors, most)))
			m.Cells = append(m.Cells, mailBar{height - bar, bar, m.Labels[i]})
		}
	}
	err = dailyMail.Execute(&page, m)
	return subject, cli.Printable(plain.String()), page.String(), err
}
