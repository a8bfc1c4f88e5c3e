package report

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"mime/quotedprintable"
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

// mailBytes bounds the text and the HTML of a mail as they are sent, since mail services cut off
// what is longer.
const mailBytes = 95_000

// Mail returns the report as a mail: its subject, its text, and the same as HTML. Where they would
// be longer than mailBytes, the lists are cut.
func (d Daily) Mail() (subject, text, html string, err error) {
	p := d.printer()
	title, about := d.heading()
	subject = "[" + strings.ToUpper(p.word(d.Verdict.Level)) + "] " + title + ", " + about + ": " + d.Verdict.Sentence
	rows := max(len(d.Changes), len(d.TopCodes), len(d.TopTenants), len(d.Unknown), len(d.Alerts), len(d.Explained))
	for {
		if text, html, err = d.mail(); err != nil || rows <= 1 {
			return subject, text, html, err
		}
		size, err := sentSize(text, html)
		if err != nil || size <= mailBytes {
			return subject, text, html, err
		}
		rows /= 2
		d = d.cutTo(rows)
	}
}

// mail returns the text and the HTML of the mail.
func (d Daily) mail() (text, html string, err error) {
	var plain, page strings.Builder
	output, err := DailyOutputs.Named("text")
	if err != nil {
		return "", "", err
	}
	if err := output.Write(d, cli.Screen{Writer: &plain, Columns: mailColumns}); err != nil {
		return "", "", err
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
	return cli.Printable(plain.String()), page.String(), err
}

// sentSize returns how long texts are in the encoding of a mail, which makes three bytes of each
// byte that is not ASCII.
func sentSize(texts ...string) (int, error) {
	var sent bytes.Buffer
	w := quotedprintable.NewWriter(&sent)
	_, err := io.WriteString(w, strings.Join(texts, ""))
	return sent.Len(), errors.Join(err, w.Close())
}

// cutTo returns the report with at most so many rows in each list, the first ones. The others are
// summed up.
func (d Daily) cutTo(rows int) Daily {
	d.moreChanges += len(d.Changes) - min(rows, len(d.Changes)) + len(d.Explained) - min(rows, len(d.Explained))
	d.moreAlerts += len(d.Alerts) - min(rows, len(d.Alerts))
	d.Changes, d.Alerts = d.Changes[:min(rows, len(d.Changes))], d.Alerts[:min(rows, len(d.Alerts))]
	d.Explained = d.Explained[:min(rows, len(d.Explained))]
	sum := func(all, more Others) Others { return Others{all.Number + more.Number, all.Errors + more.Errors} }
	ofCode := func(x DailyCode) uint64 { return x.Errors }
	var more Others
	d.TopCodes, more = limitedTo(d.TopCodes, rows, ofCode)
	d.OtherCodes = sum(d.OtherCodes, more)
	d.Unknown, more = limitedTo(d.Unknown, rows, ofCode)
	d.MoreUnknown = sum(d.MoreUnknown, more)
	d.TopTenants, more = limitedTo(d.TopTenants, rows, func(t DailyTenant) uint64 { return t.Errors })
	d.OtherTenants = sum(d.OtherTenants, more)
	return d
}
