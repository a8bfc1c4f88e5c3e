package summary

import (
	"encoding/json"
	"errata/internal/catalog"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// DriftOutputs are the ways a Drift can be rendered.
var DriftOutputs = []string{"table", "json", "markdown"}

// section is one of a drift's lists as text.
type section struct {
	title, none string
	columns     []string
	rows        [][]string
	total       int
}

// textColumns may be folded; numberColumns stand to the right.
var (
	textColumns   = []string{"message", "published", "live"}
	numberColumns = []string{"errors", "tenants"}
)

// Render writes the drift as one of DriftOutputs, at most limit rows of each section. A width above 0 is that of the terminal.
func (d Drift) Render(w io.Writer, output string, width, limit int) error {
	switch output {
	case "json":
		return d.json(w, limit)
	case "table", "markdown":
	default:
		return fmt.Errorf("unknown output %q: give one of %s", output, strings.Join(DriftOutputs, ", "))
	}
	var b strings.Builder
	fmt.Fprintln(&b, d.headline())
	for _, s := range d.sections(limit) {
		if output == "markdown" {
			fmt.Fprintf(&b, "\n## %s: %d\n\n", s.title, s.total)
		} else {
			fmt.Fprintf(&b, "\n%s: %d\n", s.title, s.total)
		}
		switch {
		case s.total == 0 && output == "markdown":
			fmt.Fprintln(&b, s.none)
		case s.total == 0:
		case output == "markdown":
			fmt.Fprintln(&b, s.table().RenderMarkdown())
		default:
			fmt.Fprintln(&b, s.text(width))
		}
		if more := s.total - len(s.rows); more > 0 {
			if output == "markdown" {
				fmt.Fprintln(&b)
			}
			fmt.Fprintf(&b, "and %d more\n", more)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d Drift) headline() string {
	line := fmt.Sprintf("%s to %s: %d errors with %d codes", stamp(d.From), stamp(d.To), d.Errors, d.Codes)
	if d.Codeless > 0 {
		line += fmt.Sprintf("; %d further errors have no code", d.Codeless)
	}
	if len(d.Tenants) > 0 {
		line += "; of " + strings.Join(d.Tenants, ", ") + " alone"
	}
	if d.More {
		line += "; the rarest codes were not looked at: take a shorter window"
	}
	return line
}

func (d Drift) sections(limit int) []section {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	status := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	known := func(known bool) string {
		if known {
			return "published"
		}
		return "unknown"
	}
	unknown := section{title: "Unknown codes", none: "Every code is in a catalog.", total: len(d.Unknown),
		columns: []string{"code", "dialect", "family guess", "errors", "tenants", "statuses", "last_seen", "message"}}
	for _, u := range d.Unknown[:min(limit, len(d.Unknown))] {
		var statuses []string
		for _, s := range u.Statuses {
			statuses = append(statuses, strconv.Itoa(s.Status))
		}
		unknown.rows = append(unknown.rows, []string{u.Code, u.Dialect, u.Family, number(u.Errors), number(u.Tenants), strings.Join(statuses, " "), stamp(u.LastSeen), u.Message})
	}
	changed := section{title: "Changed codes", none: "Statuses and messages are as published.", total: len(d.Changed),
		columns: []string{"code", "dialect", "family", "what", "errors", "tenants", "last_seen", "published", "live"}}
	for _, c := range d.Changed[:min(limit, len(d.Changed))] {
		changed.rows = append(changed.rows, []string{c.Code, c.Dialect, c.Family, c.What, number(c.Errors), number(c.Tenants), stamp(c.LastSeen), strings.Join(c.Published, " / "), c.Live})
	}
	stopped := section{title: "Stopped codes", none: "No code of the 90 days before is missing.", total: len(d.Stopped),
		columns: []string{"code", "family", "", "tenants", "first_seen", "last_seen"}}
	for _, s := range d.Stopped[:min(limit, len(d.Stopped))] {
		stopped.rows = append(stopped.rows, []string{s.Code, s.Family, known(s.Known), number(s.Tenants), stamp(s.FirstSeen), stamp(s.LastSeen)})
	}
	unseen := section{title: "Published codes never seen", none: "Every published code has been seen.", total: len(d.NeverSeen),
		columns: []string{"code", "family", "status", "message"}}
	for _, s := range d.NeverSeen[:min(limit, len(d.NeverSeen))] {
		unseen.rows = append(unseen.rows, []string{s.Code, s.Family, status(s.Status), s.Message})
	}
	return []section{unknown, changed, stopped, unseen}
}

func (s section) table() table.Writer {
	out := table.NewWriter()
	cells := func(texts []string) (row table.Row) {
		for _, t := range texts {
			row = append(row, t)
		}
		return row
	}
	out.AppendHeader(cells(s.columns))
	for _, r := range s.rows {
		out.AppendRow(cells(r))
	}
	return out
}

// text is the table for people. On a terminal the texts share what the other columns leave.
func (s section) text(width int) string {
	out := s.table()
	out.SetStyle(Style)
	out.SuppressTrailingSpaces()
	fixed, texts := 1, 0
	for i, c := range s.columns {
		fixed += 2
		if slices.Contains(textColumns, c) {
			texts++
			continue
		}
		widest := text.StringWidthWithoutEscSequences(c)
		for _, r := range s.rows {
			widest = max(widest, text.StringWidthWithoutEscSequences(r[i]))
		}
		fixed += widest
	}
	var configs []table.ColumnConfig
	for i, c := range s.columns {
		config := table.ColumnConfig{Number: i + 1}
		switch {
		case slices.Contains(numberColumns, c):
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		case width == 0:
			config.Transformer = oneLine
		case slices.Contains(textColumns, c):
			config.WidthMax, config.WidthMaxEnforcer = max(leastText, width-fixed)/texts, text.WrapSoft
		}
		configs = append(configs, config)
	}
	out.SetColumnConfigs(configs)
	return out.Render()
}

func (d Drift) json(w io.Writer, limit int) error {
	type unknownJSON struct {
		Code        string                `json:"code"`
		Dialect     string                `json:"dialect"`
		FamilyGuess string                `json:"family_guess"`
		Claimed     bool                  `json:"claimed"` // by a family that does not list it
		Errors      uint64                `json:"errors"`
		Tenants     uint64                `json:"tenants"`
		Statuses    []catalog.StatusCount `json:"statuses"`
		Services    []string              `json:"services"`
		FirstSeen   string                `json:"first_seen"`
		LastSeen    string                `json:"last_seen"`
		Message     string                `json:"message"`
	}
	type changedJSON struct {
		Code        string   `json:"code"`
		CatalogCode string   `json:"catalog_code"`
		Family      string   `json:"family"`
		Dialect     string   `json:"dialect"`
		What        string   `json:"what"`
		Published   []string `json:"published"`
		Live        string   `json:"live"`
		Errors      uint64   `json:"errors"`
		Tenants     uint64   `json:"tenants"`
		LastSeen    string   `json:"last_seen"`
	}
	type stoppedJSON struct {
		Code      string `json:"code"`
		Family    string `json:"family"`
		Known     bool   `json:"known"`
		Tenants   uint64 `json:"tenants"`
		FirstSeen string `json:"first_seen"`
		LastSeen  string `json:"last_seen"`
	}
	type unseenJSON struct {
		Code    string `json:"code"`
		Family  string `json:"family"`
		Status  *int   `json:"status"`
		Message string `json:"message"`
	}
	type totals struct {
		Unknown   int `json:"unknown"`
		Changed   int `json:"changed"`
		Stopped   int `json:"stopped"`
		NeverSeen int `json:"never_seen"`
	}
	out := struct {
		From           string        `json:"from"`
		To             string        `json:"to"`
		Tenants        []string      `json:"tenants"` // empty: all
		CatalogVersion string        `json:"catalog_version"`
		Codes          int           `json:"codes"`
		Errors         uint64        `json:"errors"`
		Codeless       uint64        `json:"codeless"`
		Incomplete     bool          `json:"incomplete"`
		Totals         totals        `json:"totals"`
		Unknown        []unknownJSON `json:"unknown"`
		Changed        []changedJSON `json:"changed"`
		Stopped        []stoppedJSON `json:"stopped"`
		NeverSeen      []unseenJSON  `json:"never_seen"`
	}{
		stamp(d.From), stamp(d.To), append([]string{}, d.Tenants...), d.Version, d.Codes, d.Errors, d.Codeless, d.More,
		totals{len(d.Unknown), len(d.Changed), len(d.Stopped), len(d.NeverSeen)}, []unknownJSON{}, []changedJSON{}, []stoppedJSON{}, []unseenJSON{},
	}
	for _, u := range d.Unknown[:min(limit, len(d.Unknown))] {
		out.Unknown = append(out.Unknown, unknownJSON{u.Code, u.Dialect, u.Family, u.Claimed, u.Errors, u.Tenants, u.Statuses, u.Services, stamp(u.FirstSeen), stamp(u.LastSeen), u.Message})
	}
	for _, c := range d.Changed[:min(limit, len(d.Changed))] {
		out.Changed = append(out.Changed, changedJSON{c.Code, c.CatalogCode, c.Family, c.Dialect, c.What, c.Published, c.Live, c.Errors, c.Tenants, stamp(c.LastSeen)})
	}
	for _, s := range d.Stopped[:min(limit, len(d.Stopped))] {
		out.Stopped = append(out.Stopped, stoppedJSON{s.Code, s.Family, s.Known, s.Tenants, stamp(s.FirstSeen), stamp(s.LastSeen)})
	}
	for _, s := range d.NeverSeen[:min(limit, len(d.NeverSeen))] {
		u := unseenJSON{Code: s.Code, Family: s.Family, Message: s.Message}
		if s.Status != 0 {
			u.Status = &s.Status
		}
		out.NeverSeen = append(out.NeverSeen, u)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
