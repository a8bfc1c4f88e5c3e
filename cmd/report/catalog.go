package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/parse"
)

func newCatalog(env *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "catalog", Short: "The published error codes"}
	var output, lang string
	list := &cobra.Command{
		Use:   "list",
		Short: "All published codes with their texts, in the order of the files and pages",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := env.config()
			if err != nil {
				return err
			}
			catalogs, err := catalog.Open(cfg.Catalogs.Dir)
			if err != nil {
				return err
			}
			write, ok := listOutputs[output]
			if !ok {
				return fmt.Errorf("--output %q: give one of table, tsv, json, yaml", output)
			}
			if languages := catalogs.Languages(); lang != "" && !slices.Contains(languages, lang) {
				return fmt.Errorf("--lang %q: give one of %s", lang, strings.Join(languages, ", "))
			}
			return write(cmd.OutOrStdout(), published(catalogs, lang))
		},
	}
	list.Flags().StringVar(&output, "output", "table", "table, tsv, json, yaml")
	list.Flags().StringVar(&lang, "lang", "", "language of the texts, where there is a translation: en, zh; \"\": that of the page")
	cmd.AddCommand(list, newImport(env), newLint(env), newSchema(), newDrift(env), newReenrich(env))
	return cmd
}

// publishedCode is an entry with its family.
type publishedCode struct {
	family string
	*catalog.Entry
}

// published are the codes of all pages. The HTTP family is left out: its codes are nobody's publication.
// With a language its texts stand in for the published ones, where there is a translation.
func published(c *catalog.Set, lang string) (codes []publishedCode) {
	for i := range c.Families {
		f := &c.Families[i]
		if slices.Contains(f.Match.Dialects, parse.HTTPDialect) {
			continue
		}
		for j := range f.Codes {
			e := f.Codes[j]
			if own := e.Texts[lang]; lang != f.Language {
				e.Message, e.Description, e.Remedy = cmp.Or(own.Message, e.Message), cmp.Or(own.Description, e.Description), cmp.Or(own.Remedy, e.Remedy)
			}
			codes = append(codes, publishedCode{f.Name, &e})
		}
	}
	return codes
}

// status is the published status, "" where the page gives none.
func (p publishedCode) status() string {
	if p.Status == 0 {
		return ""
	}
	return strconv.Itoa(p.Status)
}

var listOutputs = map[string]func(io.Writer, []publishedCode) error{"table": listTable, "tsv": listTSV, "json": listJSON, "yaml": listYAML}

// tsvEscape is the escaping of ClickHouse's format TabSeparated.
var tsvEscape = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\b", `\b`, "\f", `\f`, "\x00", `\0`, "'", `\'`)

func listTSV(w io.Writer, codes []publishedCode) error {
	if _, err := fmt.Fprintln(w, strings.Join([]string{"status", "code", "message", "description", "remedy"}, "\t")); err != nil {
		return err
	}
	for _, c := range codes {
		cells := []string{c.status(), c.Code, c.Message, c.Description, c.Remedy}
		for i := range cells {
			cells[i] = tsvEscape.Replace(cells[i])
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return nil
}

func listTable(w io.Writer, codes []publishedCode) error {
	out := table.NewWriter()
	out.SetStyle(table.StyleLight)
	out.Style().Format.Header = text.FormatDefault
	out.AppendHeader(table.Row{"family", "status", "code", "kind", "retry", "owner", "message", "description", "remedy"})
	for _, c := range codes {
		out.AppendRow(table.Row{c.family, c.status(), c.Code, c.Kind, c.Retry, c.Owner, c.Message, c.Description, c.Remedy})
	}
	var long []table.ColumnConfig
	for _, name := range []string{"message", "description", "remedy"} {
		long = append(long, table.ColumnConfig{Name: name, WidthMax: 40, WidthMaxEnforcer: text.WrapSoft})
	}
	out.SetColumnConfigs(long)
	_, err := fmt.Fprintln(w, out.Render())
	return err
}

// listedCode is a code in the outputs json and yaml.
type listedCode struct {
	Family      string `json:"family"`
	Status      *int   `json:"status"`
	Code        string `json:"code"`
	Message     string `json:"message"`
	Description string `json:"description"`
	Remedy      string `json:"remedy"`
	Kind        string `json:"kind"`
	Retry       string `json:"retry"`
	Owner       string `json:"owner"`
}

func listed(codes []publishedCode) []listedCode {
	all := []listedCode{}
	for _, c := range codes {
		e := listedCode{c.family, nil, c.Code, c.Message, c.Description, c.Remedy, c.Kind, c.Retry, c.Owner}
		if c.Status != 0 {
			e.Status = &c.Status
		}
		all = append(all, e)
	}
	return all
}

func listJSON(w io.Writer, codes []publishedCode) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(listed(codes))
}

func listYAML(w io.Writer, codes []publishedCode) error {
	return yaml.NewEncoder(w).Encode(listed(codes))
}
