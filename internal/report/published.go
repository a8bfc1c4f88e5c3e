package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"errata/internal/catalog"
	"errata/internal/cli"
)

// Published is the published codes, in the order of the files and pages.
type Published []PublishedCode

// PublishedCode is an entry with its family.
type PublishedCode struct {
	Family      string `json:"family"`
	Status      *int   `json:"status"` // nil where the page gives none
	Code        string `json:"code"`
	Message     string `json:"message"`
	Description string `json:"description"`
	Remedy      string `json:"remedy"`
	Kind        string `json:"kind"`
	Retry       string `json:"retry"`
	Owner       string `json:"owner"`
	Origin      string `json:"origin"` // "built in", or the file
}

// NewPublished lists the codes of all pages. It leaves out the HTTP family, which no vendor has
// published. The texts are in the language lang where there is a translation.
func NewPublished(c *catalog.Set, lang string) Published {
	all := Published{}
	for _, f := range c.Families {
		if f.Name == catalog.HTTP {
			continue
		}
		for _, e := range f.Codes {
			if own := e.Texts[lang]; lang != f.Language {
				e.Message, e.Description, e.Remedy = cmp.Or(own.Message, e.Message), cmp.Or(own.Description, e.Description), cmp.Or(own.Remedy, e.Remedy)
			}
			code := PublishedCode{f.Name, nil, e.Code, e.Message, e.Description, e.Remedy, e.Kind, e.Retry, e.Owner, f.Origin.String()}
			if e.Status != 0 {
				code.Status = &e.Status
			}
			all = append(all, code)
		}
	}
	return all
}

func (p PublishedCode) status() string {
	if p.Status == nil {
		return ""
	}
	return strconv.Itoa(*p.Status)
}

// PublishedOutputs are the ways to write Published.
var PublishedOutputs = cli.Outputs[Published]{
	{Name: "table", Write: Published.table},
	{Name: "tsv", Write: Published.tsv},
	{Name: "json", Write: cli.JSON[Published]},
	{Name: "yaml", Write: cli.YAML[Published]},
}

func (p Published) table(w io.Writer) error {
	table := cli.Table{Columns: []cli.Column{{Name: "family"}, {Name: "status"}, {Name: "code"}, {Name: "kind"}, {Name: "retry"}, {Name: "owner"},
		{Name: "message", Prose: true}, {Name: "description", Prose: true}, {Name: "remedy", Prose: true}, {Name: "origin"}}}
	for _, c := range p {
		table.Rows = append(table.Rows, []string{c.Family, c.status(), c.Code, c.Kind, c.Retry, c.Owner, c.Message, c.Description, c.Remedy, c.Origin})
	}
	return table.Text(w)
}

// tsvEscape escapes as ClickHouse's format TabSeparated does.
var tsvEscape = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\b", `\b`, "\f", `\f`, "\x00", `\0`, "'", `\'`)

func (p Published) tsv(w io.Writer) error {
	rows := [][]string{{"status", "code", "message", "description", "remedy"}}
	for _, c := range p {
		rows = append(rows, []string{c.status(), c.Code, c.Message, c.Description, c.Remedy})
	}
	return writeTSV(w, rows)
}

func writeTSV(w io.Writer, rows [][]string) error {
	w = cli.AsIs(w)
	for _, row := range rows {
		cells := slices.Clone(row)
		for i := range cells {
			cells[i] = cli.Printable(tsvEscape.Replace(cells[i]))
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return nil
}
