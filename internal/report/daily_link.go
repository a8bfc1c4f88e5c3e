package report

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"time"

	"errata/internal/cli"
)

// Link makes the address of a page on what a line of a report is about. The zero Link makes none.
type Link struct{ template *template.Template }

// LinkTarget is what a line of a report is about, as the template of a Link sees it.
type LinkTarget struct {
	Tenant  string // "": all of the report
	Code    string // "": all
	Family  string // of the code, or that the line is about; "": all
	Kind    string // that the line is about; "": all
	Gateway string // its topic; "": all
	From    time.Time
	To      time.Time
}

// ParseLink reads the template of a Link. An empty text makes no links.
func ParseLink(text string) (Link, error) {
	if text == "" {
		return Link{}, nil
	}
	t, err := template.New("link").Parse(text)
	if err != nil {
		return Link{}, err
	}
	link := Link{t}
	for _, example := range []LinkTarget{{Tenant: "acme", Code: "OSM.01010037", Family: "OSM"}, {Family: "OSM"}, {Kind: "quota"}, {Gateway: "edge"}} {
		example.From, example.To = time.Unix(0, 0), time.Unix(86400, 0)
		if _, err := link.to(example); err != nil {
			return Link{}, err
		}
	}
	return link, nil
}

// inMarkup escapes what would end an address in Markdown.
var inMarkup = strings.NewReplacer(" ", "%20", "<", "%3C", ">", "%3E", "|", "%7C")

// to returns the address of a page, "" if there is none: the template wrote nothing.
func (l Link) to(target LinkTarget) (string, error) {
	if l.template == nil {
		return "", nil
	}
	var text strings.Builder
	if err := l.template.Execute(&text, target); err != nil {
		return "", err
	}
	address, err := url.Parse(strings.TrimSpace(text.String()))
	switch {
	case strings.TrimSpace(text.String()) == "":
		return "", nil
	case err != nil:
		return "", err
	case address.Host == "" || address.Scheme != "http" && address.Scheme != "https":
		return "", fmt.Errorf("%q is no address of a page: begin it with http:// or https:// and a host", text.String())
	}
	return inMarkup.Replace(address.String()), nil
}

// setLinks gives each line about a code, a family, a kind, a tenant, a gateway or an alert its
// link.
func (d *Daily) setLinks(l Link) error {
	if l.template == nil {
		return nil
	}
	about := LinkTarget{From: d.From.Time, To: d.To.Time}
	if len(d.Tenants) == 1 {
		about.Tenant = d.Tenants[0]
	}
	for _, x := range d.linked() {
		to := x.about
		to.Tenant, to.From, to.To = cmp.Or(to.Tenant, about.Tenant), about.From, about.To
		var err error
		if *x.link, err = l.to(to); err != nil {
			return fmt.Errorf("reports.link: %w", err)
		}
	}
	return nil
}

// linkedLine is a line of a report that has a link.
type linkedLine struct {
	link  *string
	about LinkTarget // without the window
}

// linked returns the lines that have links.
func (d *Daily) linked() (lines []linkedLine) {
	add := func(link *string, about LinkTarget) { lines = append(lines, linkedLine{link, about}) }
	for i := range d.Changes {
		c := &d.Changes[i]
		add(&c.Link, LinkTarget{Tenant: c.Tenant, Code: c.Code, Family: c.Family})
	}
	for i := range d.Explained {
		switch e := &d.Explained[i]; {
		case e.Name == "": // of no gateway and no tenant, or of one that the reader may not know
		case e.Cause == NewGateway, e.Cause == SilentGateway:
			add(&e.Link, LinkTarget{Gateway: e.Name})
		case e.Cause == NewTenant, e.Cause == SilentTenant:
			add(&e.Link, LinkTarget{Tenant: e.Name})
		}
	}
	for _, codes := range [][]DailyCode{d.TopCodes, d.Unknown} {
		for i := range codes {
			add(&codes[i].Link, LinkTarget{Code: codes[i].Code, Family: codes[i].Family})
		}
	}
	for i := range d.TopTenants {
		add(&d.TopTenants[i].Link, LinkTarget{Tenant: d.TopTenants[i].Tenant})
	}
	for i := range d.Families {
		add(&d.Families[i].Link, LinkTarget{Family: d.Families[i].Name})
	}
	for i := range d.Kinds {
		if d.Kinds[i].Name != "" { // which would mean all kinds
			add(&d.Kinds[i].Link, LinkTarget{Kind: d.Kinds[i].Name})
		}
	}
	for i := range d.Unseen.Bodies {
		if b := &d.Unseen.Bodies[i]; b.Gateway != "" {
			add(&b.Link, LinkTarget{Gateway: b.Gateway})
		}
	}
	for i := range d.Unseen.Gaps {
		if g := &d.Unseen.Gaps[i]; g.Topic != "" {
			add(&g.Link, LinkTarget{Gateway: g.Topic})
		}
	}
	for i := range d.Alerts {
		a := &d.Alerts[i]
		add(&a.Link, LinkTarget{Tenant: a.Labels["tenant"], Code: a.Labels["code"], Family: a.Labels["family"]})
	}
	return lines
}

// dailyLine is a line of text in a section.
type dailyLine struct {
	Text string
	Link string // to a page about what it names; "": none
	name string // the part of the text that is linked
}

// Parts returns the text before, in and after the link.
func (l dailyLine) Parts() [3]string {
	if l.Link == "" {
		return [3]string{l.Text}
	}
	if before, after, found := strings.Cut(l.Text, l.name); found && l.name != "" {
		return [3]string{before, l.name, after}
	}
	return [3]string{"", l.Text, ""}
}

// markdown is the line with its link.
func (l dailyLine) markdown() string {
	parts := l.Parts()
	if parts[1] == "" {
		return markdownText(l.Text)
	}
	return markdownText(parts[0]) + markdownLink(markdownText(parts[1]), l.Link) + markdownText(parts[2])
}

// link adds the link of the row that was added last.
func (s *dailySection) link(address string) {
	if address != "" {
		s.Links = append(s.Links, make([]string, len(s.Table.Rows)-len(s.Links))...)
		s.Links[len(s.Table.Rows)-1] = address
	}
}

// Link returns the link of a row, "" if it has none.
func (s dailySection) Link(row int) string {
	if row >= len(s.Links) {
		return ""
	}
	return s.Links[row]
}

// LinkAt returns the column whose cells are linked: the code, or the first one.
func (s dailySection) LinkAt() int { return min(s.linkAt, len(s.Table.Columns)-1) }

// withLinks returns the table with the links in a last column, if there are any.
func (s dailySection) withLinks(name string) cli.Table {
	if len(s.Links) == 0 {
		return s.Table
	}
	t := cli.Table{Indent: s.Table.Indent, Style: s.Table.Style, Columns: append(slices.Clone(s.Table.Columns), cli.Column{Name: name, Whole: true})}
	for i, row := range s.Table.Rows {
		t.Rows = append(t.Rows, append(slices.Clone(row), s.Link(i)))
	}
	return t
}

// linkText escapes what would end the text of a link in Markdown.
var linkText = strings.NewReplacer("[", `\[`, "]", `\]`)

// markdownLink links a text that is already escaped.
func markdownLink(text, address string) string { return "[" + text + "](<" + address + ">)" }

// linkedTable returns the table with links in Markdown.
func (s dailySection) linkedTable() cli.Table {
	t := cli.Table{Columns: s.Table.Columns}
	for i, row := range s.Table.Rows {
		if address := s.Link(i); address != "" {
			row = slices.Clone(row)
			row[s.LinkAt()] = markdownLink(linkText.Replace(row[s.LinkAt()]), address)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
