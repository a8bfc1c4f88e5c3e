package report

import (
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
	Tenant string // "": all of the report
	Code   string // "": all
	Family string // of the code
	From   time.Time
	To     time.Time
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
	_, err = link.to(LinkTarget{Tenant: "acme", Code: "OSM.01010037", Family: "OSM", From: time.Unix(0, 0), To: time.Unix(86400, 0)})
	return link, err
}

// inMarkup escapes what would end an address in Markdown.
var inMarkup = strings.NewReplacer(" ", "%20", "<", "%3C", ">", "%3E", "|", "%7C")

// to returns the address of a page, "" if there is none.
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
	case err != nil:
		return "", err
	case address.Host == "" || address.Scheme != "http" && address.Scheme != "https":
		return "", fmt.Errorf("%q is no address of a page: begin it with http:// or https:// and a host", text.String())
	}
	return inMarkup.Replace(address.String()), nil
}

// setLinks gives each line about a code, a tenant or an alert its link.
func (d *Daily) setLinks(l Link) error {
	if l.template == nil {
		return nil
	}
	about := LinkTarget{From: d.From.Time, To: d.To.Time}
	if len(d.Tenants) == 1 {
		about.Tenant = d.Tenants[0]
	}
	type line struct {
		link                 *string
		tenant, code, family string
	}
	var lines []line
	for i := range d.Changes {
		c := &d.Changes[i]
		lines = append(lines, line{&c.Link, c.Tenant, c.Code, c.Family})
	}
	for _, codes := range [][]DailyCode{d.TopCodes, d.Unknown} {
		for i := range codes {
			lines = append(lines, line{&codes[i].Link, "", codes[i].Code, codes[i].Family})
		}
	}
	for i := range d.TopTenants {
		lines = append(lines, line{&d.TopTenants[i].Link, d.TopTenants[i].Tenant, "", ""})
	}
	for i := range d.Alerts {
		a := &d.Alerts[i]
		lines = append(lines, line{&a.Link, a.Labels["tenant"], a.Labels["code"], a.Labels["family"]})
	}
	for _, x := range lines {
		to := about
		if x.tenant != "" {
			to.Tenant = x.tenant
		}
		to.Code, to.Family = x.code, x.family
		var err error
		if *x.link, err = l.to(to); err != nil {
			return fmt.Errorf("reports.link: %w", err)
		}
	}
	return nil
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
	t := cli.Table{Indent: s.Table.Indent, Columns: append(slices.Clone(s.Table.Columns), cli.Column{Name: name, Whole: true})}
	for i, row := range s.Table.Rows {
		t.Rows = append(t.Rows, append(slices.Clone(row), s.Link(i)))
	}
	return t
}

// linkText escapes what would end the text of a link in Markdown.
var linkText = strings.NewReplacer("[", `\[`, "]", `\]`)

// linked returns the table with links in Markdown.
func (s dailySection) linked() cli.Table {
	t := cli.Table{Columns: s.Table.Columns}
	for i, row := range s.Table.Rows {
		if address := s.Link(i); address != "" {
			row = slices.Clone(row)
			row[s.LinkAt()] = "[" + linkText.Replace(row[s.LinkAt()]) + "](<" + address + ">)"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
