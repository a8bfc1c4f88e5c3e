package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

// dailyPage is a report as daily.html shows it: one file without scripts or anything from
// elsewhere.
type dailyPage struct {
	Daily
	Title, Subject string
	Tiles          []dailyTile
	Bars           []dailyBar
	Labels         []string // under the bars, evenly spaced
	Line           string   // the requests, as the points of a polyline
	Most           string   // the height of the chart in words
	ChangeRows     []dailyChangeRow
	CodeRows       []dailyCodeRow
	Tables         []dailySection // families, kinds and the like
	Lists          []dailySection
	p              dailyPrinter
}

// dailyTile is a figure with what it was before.
type dailyTile struct {
	Name, Value string
	Before      []string
}

// dailyBar is a bar of the chart, in its coordinates.
type dailyBar struct {
	X, Y, Width, Height float64
	Text                string
}

// About is what the error means, or the message of a code that no catalog explains.
func (c dailyChangeRow) About() string { return cmp.Or(c.Description, c.Message) }

// About is what the error means, or the message of a code that no catalog explains.
func (c dailyCodeRow) About() string { return cmp.Or(c.Description, c.Message) }

// dailyChangeRow is a change with a scale on which the usual range and the day are drawn.
type dailyChangeRow struct {
	Change
	Word, Who, Count, Usually, Owned, State, Message string
	From, Width, At                                  float64 // of 100
}

// dailyCodeRow is a code with the length of its bar.
type dailyCodeRow struct {
	DailyCode
	Count, Percent, Before, Affected, Met, Owned, Often, State string
	Bar                                                        float64 // of 100
}

//go:embed daily.html
var dailyTemplateText string

var dailyTemplate = template.Must(template.New("daily.html").Funcs(template.FuncMap{"capital": capital}).Parse(dailyTemplateText))

const chartWidth, chartHeight = 720, 120

func (d Daily) html(w io.Writer) error { return dailyTemplate.Execute(w, d.page()) }

// W is a word of the report.
func (p dailyPage) W(key string) string { return p.p.word(key) }

// Window says which time the report is of.
func (p dailyPage) Window() string { return p.windowLine() }

// Others names what a list leaves out, "" for nothing.
func (p dailyPage) Others(o Others) string {
	if o.Number == 0 {
		return ""
	}
	return p.p.Sprintf("%d others", o.Number) + ": " + p.p.errors(o.Errors)
}

func (d Daily) page() dailyPage {
	p := d.printer()
	page := dailyPage{Daily: d, p: p}
	page.Title, page.Subject = d.heading()
	page.tiles()
	page.chart()
	for _, c := range d.Changes {
		scale := 1.05 * float64(max(c.Errors, c.UsualHigh, 1))
		row := dailyChangeRow{Change: c, Word: p.word(c.Change), Who: p.tenant(c.Tenant), Count: p.number(c.Errors), Usually: p.usual(c), Owned: d.owner(c.Owner), State: p.saidBy(c.Said), Message: d.message(c),
			From: 100 * float64(c.UsualLow) / scale, At: 100 * float64(c.Errors) / scale}
		row.Width = max(1, 100*float64(c.UsualHigh)/scale-row.From)
		page.ChangeRows = append(page.ChangeRows, row)
	}
	for _, x := range d.TopCodes {
		page.CodeRows = append(page.CodeRows, dailyCodeRow{DailyCode: x, Count: p.number(x.Errors), Percent: p.percent(x.Share), Before: p.number(x.LastWeek), Affected: p.requests(x.Requests),
			Met: p.Sprintf("%d tenants", x.Tenants), Owned: d.owner(x.Owner), Often: p.arguments(x.Arguments), State: p.saidAll(x.Said), Bar: 100 * share(x.Errors, d.TopCodes[0].Errors)})
	}
	for _, s := range []dailySection{d.tenantsSection(), d.partsSection("families", "By family", "family", d.Families), d.partsSection("kinds", "By kind", "kind", d.Kinds)} {
		if !s.empty() {
			page.Tables = append(page.Tables, s)
		}
	}
	for _, s := range []dailySection{d.unseenSection(), d.alertsSection(), d.unknownSection()} {
		if !s.empty() {
			page.Lists = append(page.Lists, s)
		}
	}
	return page
}

// message returns the most frequent message of a changed code that no catalog lists.
func (d Daily) message(c Change) string {
	i := slices.IndexFunc(d.Unknown, func(x DailyCode) bool { return x.Code == c.Code && x.Family == c.Family })
	if i < 0 {
		return ""
	}
	return d.Unknown[i].Message
}

// Changed is the section of what changed.
func (p dailyPage) Changed() dailySection { return p.changesSection() }

// Numeric reports whether a column of a section is of numbers.
func (s dailySection) Numeric(column int) bool { return s.Table.Columns[column].Number }

// Stacks reports whether a phone shows the cells of a row below each other, since they have no room
// side by side.
func (s dailySection) Stacks() bool { return len(s.Table.Columns) > 4 }

// tiles sets the figures at the top.
func (page *dailyPage) tiles() {
	d, p := page.Daily, page.p
	before := func(text func(DailyTotals) string) []string {
		if d.Week {
			return []string{p.Sprintf("Week before: %s", text(d.Previous))}
		}
		return []string{p.Sprintf("Day before: %s", text(d.Previous)), p.Sprintf("%s a week before: %s", p.weekday(), text(d.LastWeek))}
	}
	for _, tile := range []struct {
		name string
		text func(DailyTotals) string
	}{
		{"requests", func(t DailyTotals) string { return p.number(t.Requests) }},
		{"error share", func(t DailyTotals) string { return p.percent(t.Share) }},
		{"errors", func(t DailyTotals) string { return p.number(t.Errors) }},
	} {
		page.Tiles = append(page.Tiles, dailyTile{p.word(tile.name), tile.text(d.Totals), before(tile.text)})
	}
}

// chart sets the bars of the errors and the line of the requests.
func (page *dailyPage) chart() {
	d, p := page.Daily, page.p
	most := d.busiest()
	if most.Errors == 0 {
		return
	}
	page.Most = p.Sprintf("most at %s: %s", d.chartLabel(most), p.errors(most.Errors))
	requests := uint64(1)
	for _, b := range d.Chart {
		requests = max(requests, b.Requests)
	}
	step := float64(chartWidth) / float64(len(d.Chart))
	for i, b := range d.Chart {
		height := chartHeight * share(b.Errors, most.Errors)
		x := float64(i) * step
		page.Bars = append(page.Bars, dailyBar{x + 0.1*step, chartHeight - height, 0.8 * step, height,
			d.chartLabel(b) + ": " + p.errors(b.Errors) + ", " + p.requests(b.Requests)})
		page.Line += fmt.Sprintf("%.1f,%.1f ", x+step/2, chartHeight-0.96*chartHeight*share(b.Requests, requests))
		if d.Week || i%3 == 0 {
			page.Labels = append(page.Labels, d.chartLabel(b))
		} else {
			page.Labels = append(page.Labels, "")
		}
	}
	if !slices.ContainsFunc(d.Chart, func(b Bar) bool { return b.Requests > 0 }) {
		page.Line = ""
	}
}
