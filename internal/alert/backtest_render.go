package alert

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/cli"
)

// BacktestOutputs are the ways to write a Backtest.
var BacktestOutputs = cli.Outputs[Backtest]{
	{Name: "table", Write: Backtest.text},
	{Name: "json", Write: cli.JSON[Backtest]},
	{Name: "svg", Write: Backtest.svg},
}

// maxEpisodes is how many episodes the table and the chart show, the longest.
const maxEpisodes = 100

func (b Backtest) text(w io.Writer) error {
	fmt.Fprintf(w, "%s to %s\n\n", b.From, b.To)
	if err := b.ruleTable().Text(w); err != nil {
		return err
	}
	for _, r := range b.Rules {
		if r.Skipped != "" {
			fmt.Fprintf(w, "%s was not replayed: %s\n", r.Rule, r.Skipped)
		}
	}
	episodes, more := b.episodes()
	if len(episodes) > 0 {
		fmt.Fprintln(w)
		if err := b.episodeTable(episodes).Text(w); err != nil {
			return err
		}
	}
	if more > 0 {
		fmt.Fprintf(w, "and %d more, all shorter\n", more)
	}
	if s := b.Score; s != nil {
		fmt.Fprintf(w, "\nIncidents: %d, found %d. Recall %s, precision %s, false pages a week %s, median delay %s.\n",
			s.Incidents, s.Found, percent(s.Recall), percent(s.Precision), digits(s.False), short(time.Duration(s.Delay)*time.Second))
		if len(s.Missed) > 0 {
			fmt.Fprintf(w, "Missed: %s\n", cli.OneLine(strings.Join(s.Missed, ", ")))
		}
	}
	return nil
}

func (b Backtest) ruleTable() cli.Table {
	t := cli.Table{Columns: []cli.Column{{Name: "rule"}, {Name: "pages", Number: true}, {Name: "a week", Number: true}, {Name: "firing", Number: true}}}
	suggests := slices.ContainsFunc(b.Rules, func(r Tried) bool { return r.Suggestion != nil })
	if suggests {
		t.Columns = append(t.Columns, cli.Column{Name: "suggestion", Prose: true})
	}
	for _, r := range b.Rules {
		row := []string{r.Rule, strconv.Itoa(r.Pages), digits(r.PagesPerWeek), short(time.Duration(r.Firing) * time.Second)}
		if suggests {
			row = append(row, r.Suggestion.says())
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// says reads "count.above: 40 instead of 20 (0.9 pages a week)".
func (s *Suggestion) says() string {
	switch {
	case s == nil:
		return ""
	case !s.Found:
		return fmt.Sprintf("none: at %s %s it still fires %s times a week", s.Key, number(s.Suggested), digits(s.PagesPerWeek))
	case s.Suggested == s.Now:
		return fmt.Sprintf("%s: %s as it is (%s pages a week)", s.Key, number(s.Now), digits(s.PagesPerWeek))
	}
	return fmt.Sprintf("%s: %s instead of %s (%s pages a week)", s.Key, number(s.Suggested), number(s.Now), digits(s.PagesPerWeek))
}

// episodes returns the longest episodes of all rules in the order of time, and the number of the
// others.
func (b Backtest) episodes() (all []Episode, more int) {
	for _, r := range b.Rules {
		all = append(all, r.Episodes...)
	}
	if len(all) > maxEpisodes {
		slices.SortStableFunc(all, func(x, y Episode) int { return cmp.Compare(y.lasts(b.To.Time), x.lasts(b.To.Time)) })
		all, more = all[:maxEpisodes], len(all)-maxEpisodes
	}
	slices.SortStableFunc(all, func(x, y Episode) int { return x.From.Compare(y.From.Time) })
	return all, more
}

func (b Backtest) episodeTable(episodes []Episode) cli.Table {
	t := cli.Table{Columns: []cli.Column{{Name: "fires"}, {Name: "for", Number: true}, {Name: "alert"}, {Name: "reason", Prose: true}}}
	if b.Score != nil {
		t.Columns = append(t.Columns, cli.Column{Name: "incident"})
	}
	for _, e := range episodes {
		lasts := short(e.lasts(b.To.Time))
		if e.To.IsZero() {
			lasts += "+"
		}
		row := []string{e.From.String(), lasts, describe(e.Rule, e.Labels), e.Reason}
		if b.Score != nil {
			row = append(row, cmp.Or(e.Incident, "-"))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// The measures of the chart, in pixels.
const (
	chartNames  = 420
	chartTime   = 900
	chartRow    = 18
	chartMargin = 30
)

// svg draws a row for each alert, with a bar for each time that it fires. Bars that belong to a
// labelled incident are green if there are any labels, the others red.
func (b Backtest) svg(w io.Writer) error {
	episodes, more := b.episodes()
	var names []string
	for _, e := range episodes {
		if name := describe(e.Rule, e.Labels); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	height := chartMargin + (len(names)+2)*chartRow
	x := func(t time.Time) float64 {
		return chartNames + chartTime*float64(t.Sub(b.From.Time))/float64(max(1, b.To.Sub(b.From.Time)))
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", chartNames+chartTime+chartMargin, height)
	fmt.Fprintf(&s, `<text x="4" y="16">%s to %s</text>`+"\n", b.From, b.To)
	for _, day := range ticks(b.From.Time, b.To.Time) {
		fmt.Fprintf(&s, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" fill="#777">%s</text>`+"\n",
			x(day), x(day), chartMargin, height-chartRow, x(day)+2, height-4, day.Format("01-02"))
	}
	for i, name := range names {
		y := chartMargin + i*chartRow
		fmt.Fprintf(&s, `<text x="4" y="%d"><title>%s</title>%s</text>`+"\n", y+13, escaped(name), escaped(clipped(name, 62)))
		for _, e := range episodes {
			if describe(e.Rule, e.Labels) != name {
				continue
			}
			colour := "#c33"
			if e.Incident != "" {
				colour = "#393"
			}
			from, to := x(e.From.Time), x(e.From.Add(e.lasts(b.To.Time)))
			fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s, %s: %s</title></rect>`+"\n",
				from, y+3, max(2, to-from), chartRow-6, colour, e.From, short(e.lasts(b.To.Time)), escaped(e.Reason))
		}
	}
	if more > 0 {
		fmt.Fprintf(&s, `<text x="4" y="%d" fill="#777">and %d more, all shorter</text>`+"\n", height-chartRow-4, more)
	}
	s.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// ticks returns midnights, at most about twenty.
func ticks(from, to time.Time) (days []time.Time) {
	every := max(1, int(to.Sub(from).Hours()/24/20)+1)
	for day := from.Truncate(24*time.Hour).AddDate(0, 0, 1); day.Before(to); day = day.AddDate(0, 0, every) {
		days = append(days, day)
	}
	return days
}

// escaped returns a text for SVG, which cannot hold control characters.
func escaped(text string) string { return html.EscapeString(cli.OneLine(text)) }

// clipped cuts a text to a number of characters.
func clipped(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
