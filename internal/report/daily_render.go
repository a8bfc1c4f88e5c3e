package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"errata/internal/cli"
)

// DailyOutputs are the ways to write a Daily.
var DailyOutputs = cli.Outputs[Daily]{
	{Name: "text", Write: Daily.text},
	{Name: "markdown", Write: Daily.markdown},
	{Name: "html", Write: Daily.html},
	{Name: "json", Write: cli.JSON[Daily]},
	{Name: "csv", Write: Daily.csv},
}

// dailySection is a part of the report for people.
type dailySection struct {
	ID     string
	Title  string
	Note   string
	Lines  []dailyLine
	Table  cli.Table
	Links  []string // of the rows; it may be shorter
	linkAt int      // see LinkAt
	Code   string   // a command
}

// command returns a command for a terminal of a width, 0 for any: one that is too long continues in
// a second line, as a shell reads it.
func command(text string, width int) string {
	if width <= 0 || len(text) < width {
		return text
	}
	if at := strings.LastIndex(text[:min(len(text), width+1)], " --"); at > 0 { // and the backslash fits
		return text[:at] + " \\\n    " + text[at+1:]
	}
	return text
}

// line adds a line without a link.
func (s *dailySection) line(text string) { s.Lines = append(s.Lines, dailyLine{Text: text}) }

// empty reports whether the section has nothing to say.
func (s dailySection) empty() bool { return len(s.Lines)+len(s.Table.Rows) == 0 && s.Code == "" }

func (d Daily) text(w io.Writer) error {
	title, subject := d.heading()
	p := d.printer()
	lead := cli.Span{Style: levelStyles[d.Verdict.Level], Text: strings.ToUpper(p.word(d.Verdict.Level)) + ": "}
	if err := cli.StyledParagraph(w, lead, cli.Span{Style: cli.Bold, Text: d.Verdict.Sentence}); err != nil {
		return err
	}
	if err := cli.Paragraph(w, "", d.requestsLine()); err != nil {
		return err
	}
	if err := cli.StyledParagraph(w, cli.Span{}, cli.Span{Style: cli.Faint, Text: title + ", " + subject + ": " + d.windowLine()}); err != nil {
		return err
	}
	if d.Brief() {
		return nil
	}
	for _, s := range d.sections() {
		if s.empty() {
			continue
		}
		if err := cli.Line(w); err != nil {
			return err
		}
		if err := d.section(w, s); err != nil {
			return err
		}
	}
	return nil
}

// section writes a section as text.
func (d Daily) section(w io.Writer, s dailySection) error {
	link := d.printer().word("link")
	note := ""
	if s.Note != "" {
		note = " (" + s.Note + ")"
	}
	if err := cli.StyledParagraph(w, cli.Span{}, cli.Span{Style: cli.Bold, Text: s.Title + note}); err != nil {
		return err
	}
	for _, line := range s.Lines {
		if err := cli.Paragraph(w, "  ", line.Text); err != nil {
			return err
		}
		if line.Link == "" {
			continue
		}
		if err := cli.Line(w, cli.Span{Style: cli.Faint, Text: "      " + link + "  " + line.Link}); err != nil {
			return err
		}
	}
	if len(s.Table.Rows) > 0 {
		s.Table.Indent = "  "
		s.Table.Style = d.styles(s)
		if err := s.withLinks(link).Text(w); err != nil {
			return err
		}
	}
	if s.Code == "" {
		return nil
	}
	return cli.Line(w, cli.Span{Text: "  " + command(s.Code, cli.Width(w)-2)})
}

// levelStyles are the styles of the verdict.
var levelStyles = map[string]cli.Style{Act: cli.Red, Watch: cli.Yellow, Quiet: cli.Green}

// styles returns how the cells of a section look on a terminal with colours: what a row is about
// and its errors stand out, what to do is plain, and what happened has a colour.
func (d Daily) styles(s dailySection) func(row int, column string) cli.Style {
	p := d.printer()
	about := s.Table.Columns[s.LinkAt()].Name
	plain := []string{p.word("tenant"), p.word("remedy"), p.word("code state"), p.word("reason"), p.word("usually"), p.word("labels"), p.word("message")}
	return func(row int, column string) cli.Style {
		switch {
		case column == about, column == p.word("errors"):
			return cli.Bold
		case s.ID == "changes" && column == p.word("what"):
			if d.Changes[row].Up() {
				return cli.Red
			}
			return cli.Green
		case s.ID == "alerts" && column == p.word("state") && d.Alerts[row].Firing:
			return cli.Red
		case slices.Contains(plain, column):
			return cli.Plain
		}
		return cli.Faint
	}
}

// Brief reports whether three lines say it all: the day was quiet, and the reader did not ask for
// more.
func (d Daily) Brief() bool { return d.Verdict.Level == Quiet && !d.Full }

func (d Daily) markdown(w io.Writer) error {
	title, subject := d.heading()
	p := d.printer()
	fmt.Fprintf(w, "# %s: %s\n\n**%s**: %s\n\n%s\n\n%s\n", title, subject, p.word(d.Verdict.Level), markdownText(d.Verdict.Sentence), d.requestsLine(), d.windowLine())
	if d.Brief() {
		return nil
	}
	for _, s := range d.sections() {
		if s.empty() {
			continue
		}
		fmt.Fprintf(w, "\n## %s\n\n", s.Title)
		if s.Note != "" {
			fmt.Fprintf(w, "%s\n\n", s.Note)
		}
		for _, line := range s.Lines {
			fmt.Fprintf(w, "- %s\n", line.markdown())
		}
		if len(s.Table.Rows) > 0 {
			if len(s.Lines) > 0 {
				fmt.Fprintln(w)
			}
			if err := s.linkedTable().Markdown(w); err != nil {
				return err
			}
		}
		if s.Code != "" {
			fmt.Fprintf(w, "\n    %s\n", s.Code)
		}
	}
	return nil
}

// markdownText escapes what Markdown would take for mark-up in a line of text.
var markdownEscapes = strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "|", "\\|", "\n", " ")

func markdownText(text string) string { return markdownEscapes.Replace(text) }

// sections returns all parts of the report after the verdict.
func (d Daily) sections() []dailySection {
	return []dailySection{d.changesSection(), d.codesSection(), d.tenantsSection(), d.chartSection(), d.partsSection("families", "By family", "family", d.Families),
		d.partsSection("kinds", "By kind", "kind", d.Kinds), d.unseenSection(), d.alertsSection(), d.unknownSection()}
}

func (d Daily) changesSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "changes", Title: p.word("What changed"), linkAt: 1}
	switch weeks := p.Sprintf("%d weeks", d.Comparison.Weeks); {
	case d.Comparison.Pairs == 0: // nothing could be compared, and the lines say why
	case d.Week:
		s.Note = p.Sprintf("%d pairs of tenant and code, compared with the last %s", d.Comparison.Pairs, weeks)
	default:
		s.Note = p.Sprintf("%d pairs of tenant and code, compared with the same weekday of the last %s", d.Comparison.Pairs, weeks)
	}
	if d.Comparison.Skipped > 0 {
		s.line(p.Sprintf("of %d tenants too little is known: they have requests in fewer than %d of the past weeks", d.Comparison.Skipped, leastWeeks))
	}
	for _, e := range d.Explained {
		s.Lines = append(s.Lines, dailyLine{p.cause(e), e.Link, e.Name})
	}
	s.Table.Columns = d.columns("what", "code", "tenant", "errors", "usually", "owner", "code state", "description", "remedy")
	for _, c := range d.Changes {
		usual := strings.TrimPrefix(strings.TrimPrefix(p.usual(c), p.word("usually")), " ")
		s.Table.Rows = append(s.Table.Rows, []string{p.word(c.Change), c.Code, p.tenant(c.Tenant), p.number(c.Errors), usual, d.owner(c.Owner), p.saidBy(c.Said), cmp.Or(c.Description, d.message(c)), c.Remedy})
		s.link(c.Link)
	}
	s.withoutEmpty(p.word("code state"))
	if d.moreChanges > 0 {
		s.line(p.Sprintf("%d more changes", d.moreChanges))
	}
	if s.empty() {
		s.line(p.word("nothing"))
	}
	return s
}

// withoutEmpty takes a column out of the table in which no row has anything.
func (s *dailySection) withoutEmpty(name string) {
	i := slices.IndexFunc(s.Table.Columns, func(c cli.Column) bool { return c.Name == name })
	if slices.ContainsFunc(s.Table.Rows, func(row []string) bool { return row[i] != "" }) {
		return
	}
	s.Table.Columns = slices.Delete(s.Table.Columns, i, i+1)
	for j, row := range s.Table.Rows {
		s.Table.Rows[j] = slices.Delete(row, i, i+1)
	}
}

// columns lays out the columns of a table.
func (d Daily) columns(names ...string) (columns []cli.Column) {
	p := d.printer()
	for _, name := range names {
		c := cli.Column{Name: p.word(name)}
		c.Number = slices.Contains([]string{"errors", "share", "week before", "requests", "with errors", "error share", "tenants", "records", "fired"}, name)
		c.Prose = slices.Contains([]string{"code state", "description", "remedy", "message", "reason"}, name)
		c.Spare = slices.Index([]string{"", "family", "kind", "first seen", "most in", "share", "week before"}, name)
		columns = append(columns, c)
	}
	return columns
}

func (d Daily) owner(name string) string {
	if name == "" {
		return ""
	}
	return d.printer().word(name)
}

func (d Daily) codesSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "codes", Title: p.word("Top codes"), Table: cli.Table{Columns: d.columns("code", "family", "kind", "errors", "share", "week before", "requests", "tenants", "owner", "most in", "code state", "description", "remedy")}}
	for _, x := range d.TopCodes {
		s.Table.Rows = append(s.Table.Rows, []string{x.Code, x.Family, x.Kind, p.number(x.Errors), p.percent(x.Share), p.number(x.LastWeek), p.number(x.Requests), p.number(x.Tenants),
			d.owner(x.Owner), p.arguments(x.Arguments), p.saidAll(x.Said), cmp.Or(x.Description, x.Message), x.Remedy})
		s.link(x.Link)
	}
	if d.OtherCodes.Number > 0 {
		s.Table.Rows = append(s.Table.Rows, []string{p.Sprintf("%d others", d.OtherCodes.Number), "", "", p.number(d.OtherCodes.Errors), p.percent(share(d.OtherCodes.Errors, d.Totals.Errors)), "", "", "", "", "", "", "", ""})
	}
	s.withoutEmpty(p.word("code state"))
	return s
}

// arguments names the values that a code came with most often.
func (p dailyPrinter) arguments(all []Argument) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = fmt.Sprintf("%s=%s (%s)", a.Name, a.Value, p.number(a.Errors))
	}
	return strings.Join(texts, ", ")
}

func (d Daily) tenantsSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "tenants", Title: p.word("Top tenants"), Table: cli.Table{Columns: d.columns("tenant", "errors", "week before", "requests", "with errors", "error share", "top code")}}
	for _, t := range d.TopTenants {
		s.Table.Rows = append(s.Table.Rows, []string{p.tenant(t.Tenant), p.number(t.Errors), p.number(t.LastWeek), p.number(t.Requests), p.number(t.ErrorRequests), p.percent(t.Share), t.Code})
		s.link(t.Link)
	}
	if d.OtherTenants.Number > 0 {
		s.Table.Rows = append(s.Table.Rows, []string{p.Sprintf("%d others", d.OtherTenants.Number), p.number(d.OtherTenants.Errors), "", "", "", "", ""})
	}
	return s
}

// chartLabel names a bar.
func (d Daily) chartLabel(b Bar) string {
	if d.Week {
		return b.From.In(d.zone).Format("01-02")
	}
	return b.From.In(d.zone).Format("15:04")
}

// busiest returns the bar with the most errors.
func (d Daily) busiest() (most Bar) {
	for _, b := range d.Chart {
		if b.Errors > most.Errors {
			most = b
		}
	}
	return most
}

func (d Daily) chartSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "chart", Title: p.word("By the hour")}
	if d.Week {
		s.Title = p.word("By the day")
	}
	counts := make([]uint64, len(d.Chart))
	for i, b := range d.Chart {
		counts[i] = b.Errors
	}
	if most := d.busiest(); most.Errors > 0 {
		last := d.Chart[len(d.Chart)-1]
		s.line(d.chartLabel(d.Chart[0]) + " |" + sparkline(counts) + "| " + d.chartLabel(last) + "   " + p.Sprintf("most at %s: %s", d.chartLabel(most), p.errors(most.Errors)))
	}
	return s
}

func (d Daily) partsSection(id, title, name string, parts []Part) dailySection {
	p := d.printer()
	s := dailySection{ID: id, Title: p.word(title), Table: cli.Table{Columns: d.columns(name, "errors", "share", "week before")}}
	for _, part := range parts {
		label := part.Name
		if label == "" {
			label = p.word("none")
		}
		s.Table.Rows = append(s.Table.Rows, []string{label, p.number(part.Errors), p.percent(part.Share), p.number(part.LastWeek)})
		s.link(part.Link)
	}
	return s
}

func (d Daily) unseenSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "unseen", Title: p.word("What we could not see")}
	about := func(gateway, link, line string) { s.Lines = append(s.Lines, dailyLine{line, link, gateway}) }
	for _, b := range d.Unseen.Bodies {
		gateway := b.Gateway
		if gateway == "" {
			gateway = p.word("all gateways")
		}
		if hidden := b.States["absent"] + b.States["undecodable"]; hidden > 0 {
			about(gateway, b.Link, p.Sprintf("%s: the bodies of %s (%s) could not be read", gateway, p.requests(hidden), p.percent(share(hidden, b.Requests))))
		}
		if cut := b.States["truncated"]; cut > 0 {
			about(gateway, b.Link, p.Sprintf("%s: %s were cut off and read in part", gateway, p.requests(cut)))
		}
	}
	for _, g := range d.Unseen.Gaps {
		if g.Offsets == 0 {
			s.line(p.Sprintf("records lost between %s and %s (%s)", p.time(g.From.Time), p.time(g.To.Time), g.Reason))
		} else {
			about(g.Topic, g.Link, p.Sprintf("%d records lost: %s/%d, offsets %s to %s, between %s and %s (%s)", g.Offsets, g.Topic, g.Partition,
				strconv.FormatInt(g.FirstOffset, 10), strconv.FormatInt(g.LastOffset, 10), p.time(g.From.Time), p.time(g.To.Time), g.Reason))
		}
	}
	if len(d.Unseen.DeadLetters) > 0 {
		total, reasons := uint64(0), []string{}
		for _, l := range d.Unseen.DeadLetters {
			total += l.Records
			reasons = append(reasons, l.Reason+" "+p.number(l.Records))
		}
		s.line(p.Sprintf("%d dead letters: %s", total, strings.Join(reasons, ", ")))
	}
	if d.Unseen.Other > 0 {
		s.line(p.Sprintf("the tenant or route of %s is counted as (other)", p.requests(d.Unseen.Other)))
	}
	if s.empty() {
		s.line(p.word("Everything could be seen."))
	}
	return s
}

func (d Daily) alertsSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "alerts", Title: p.word("Alerts"), Table: cli.Table{Columns: d.columns("rule", "labels", "fired", "at", "state", "reason")}}
	for _, a := range d.Alerts {
		var labels []string
		for name, value := range a.Labels {
			labels = append(labels, name+"="+value)
		}
		slices.Sort(labels)
		state := p.word("over")
		if a.Firing {
			state = p.word("firing")
		}
		if a.Said != nil {
			state += ", " + p.said(a.Said)
		}
		s.Table.Rows = append(s.Table.Rows, []string{a.Rule, strings.Join(labels, " "), p.number(a.Fired), p.time(a.At.Time), state, a.Reason})
		s.link(a.Link)
	}
	if d.moreAlerts > 0 {
		s.line(p.Sprintf("%d more alerts", d.moreAlerts))
	}
	return s
}

func (d Daily) unknownSection() dailySection {
	p := d.printer()
	s := dailySection{ID: "unknown", Title: p.word("Unknown codes"), Note: p.word("no catalog lists them; this drafts a catalog:"),
		Table: cli.Table{Columns: d.columns("code", "family", "errors", "tenants", "first seen", "message")}}
	for _, x := range d.Unknown {
		s.Table.Rows = append(s.Table.Rows, []string{x.Code, x.Family, p.number(x.Errors), p.number(x.Tenants), p.time(x.FirstSeen.Time), x.Message})
		s.link(x.Link)
	}
	if d.MoreUnknown.Number > 0 {
		s.Table.Rows = append(s.Table.Rows, []string{p.Sprintf("%d others", d.MoreUnknown.Number), "", p.number(d.MoreUnknown.Errors), "", "", ""})
	}
	if len(d.Unknown) > 0 {
		s.Code = d.command()
	}
	return s
}

// csv writes what programs and spreadsheets ask for: a row for each total, change, code, tenant,
// family, kind and hour.
func (d Daily) csv(w io.Writer) error {
	t := cli.Table{}
	for _, name := range []string{"section", "name", "tenant", "code", "family", "kind", "owner", "errors", "requests", "error_requests", "last_week", "usual_low", "usual_high", "description", "remedy", "state", "link"} {
		t.Columns = append(t.Columns, cli.Column{Name: name, Prose: name == "description" || name == "remedy"})
	}
	n := func(x uint64) string { return strconv.FormatUint(x, 10) }
	add := func(cells ...string) { t.Rows = append(t.Rows, cells) }
	for _, x := range []struct {
		name string
		of   DailyTotals
	}{{"day", d.Totals}, {"previous", d.Previous}, {"last_week", d.LastWeek}} {
		add("total", x.name, "", "", "", "", "", n(x.of.Errors), n(x.of.Requests), n(x.of.ErrorRequests), "", "", "", "", "", "", "")
	}
	for _, c := range d.Changes {
		add("change", c.Change, c.Tenant, c.Code, c.Family, c.Kind, c.Owner, n(c.Errors), n(c.Requests), "", "", n(c.UsualLow), n(c.UsualHigh), c.Description, c.Remedy, states(c.said()...), c.Link)
	}
	for _, x := range d.TopCodes {
		add("code", "", "", x.Code, x.Family, x.Kind, x.Owner, n(x.Errors), n(x.Requests), n(x.Requests), n(x.LastWeek), "", "", x.Description, x.Remedy, states(x.Said...), x.Link)
	}
	add("code", "(others)", "", "", "", "", "", n(d.OtherCodes.Errors), "", "", "", "", "", "", "", "", "")
	for _, x := range d.TopTenants {
		add("tenant", "", x.Tenant, x.Code, "", "", "", n(x.Errors), n(x.Requests), n(x.ErrorRequests), n(x.LastWeek), "", "", "", "", "", x.Link)
	}
	add("tenant", "(others)", "", "", "", "", "", n(d.OtherTenants.Errors), "", "", "", "", "", "", "", "", "")
	for _, x := range d.Families {
		add("family", "", "", "", x.Name, "", "", n(x.Errors), "", "", n(x.LastWeek), "", "", "", "", "", x.Link)
	}
	for _, x := range d.Kinds {
		add("kind", "", "", "", "", x.Name, "", n(x.Errors), "", "", n(x.LastWeek), "", "", "", "", "", x.Link)
	}
	for _, b := range d.Chart {
		add("time", b.From.String(), "", "", "", "", "", n(b.Errors), n(b.Requests), "", "", "", "", "", "", "", "")
	}
	return t.CSV(w)
}
