package vendorpage

import (
	"cmp"
	"encoding/csv"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// markupTable is the layout of tables that the markup of wikis and of reStructuredText draws with a
// cell per line.
const markupTable = "table in markup"

// readMarkupTable reads a table that begins in the given line, in one of the markups whose tables
// are no rows of pipes. It returns nil if none begins there.
func readMarkupTable(lines []string, at int) (g *grid, next int) {
	text := strings.TrimSpace(lines[at])
	switch {
	case strings.HasPrefix(text, "{|"):
		return readMediaWiki(lines, at)
	case asciiDocTable.MatchString(text):
		return readAsciiDoc(lines, at)
	case text == "#|":
		return readYFM(lines, at)
	case strings.Contains(text, "list-table::") || strings.HasPrefix(text, "```{list-table}"):
		return readListTable(lines, at)
	case strings.HasPrefix(text, ".. csv-table::"):
		return readCSVTable(lines, at)
	}
	return nil, at
}

var (
	wikiAttributes = regexp.MustCompile(`^\s*(?:[a-z-]+\s*=\s*(?:"[^"]*"|'[^']*'|[\w%]+)\s*)+\|(?:[^|]|$)`)
	wikiLink       = regexp.MustCompile(`\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]|\[https?://\S+ ([^\[\]]*)\]`)
	wikiStyle      = regexp.MustCompile(`'{2,3}|<nowiki>|</nowiki>|\{\{(?:code|tt|mono)\|([^{}|]*)\}\}`)
)

// readMediaWiki reads a table between {| and |}: "|-" begins a row, "!" and "|" begin cells, and so
// do "!!" and "||" within a line.
func readMediaWiki(lines []string, at int) (g *grid, next int) {
	t := htmlGrid{grid: grid{layout: markupTable, spans: true}}
	for i := at + 1; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i])
		switch {
		case strings.HasPrefix(text, "|}"):
			t.endRow()
			return finishMarkup(&t.grid), i + 1
		case strings.HasPrefix(text, "{|"):
			return nil, at // a table in a table
		case strings.HasPrefix(text, "|+"), text == "":
		case strings.HasPrefix(text, "|-"):
			t.endRow()
			t.rowAt = i + 1
		case text[0] == '!' || text[0] == '|':
			for _, c := range wikiCells(text) {
				t.startCell(cmp.Or(t.rowAt, i+1), text[0] == '|', wikiSpan(colSpan, c.attributes, maxColumns), wikiSpan(rowSpan, c.attributes, maxRows))
				t.cell.WriteString(c.text)
			}
		case t.cell != nil: // another line of the cell
			t.cell.WriteString("\n" + text)
		}
	}
	return nil, at
}

var (
	colSpan = regexp.MustCompile(`colspan\s*=\s*["']?(\d+)`)
	rowSpan = regexp.MustCompile(`rowspan\s*=\s*["']?(\d+)`)
)

// wikiSpan returns how many columns or rows a cell spans by its attributes.
func wikiSpan(attribute *regexp.Regexp, attributes string, limit int) int {
	if m := attribute.FindStringSubmatch(attributes); m != nil {
		return span(m[1], limit)
	}
	return 1
}

// readYFM reads a table between #| and |#: "||" begins and ends a row, and "|" separates cells,
// which may contain lists.
func readYFM(lines []string, at int) (g *grid, next int) {
	g = &grid{layout: markupTable}
	row := ""
	for i := at + 1; i < len(lines) && i < at+sampleLines*10; i++ {
		text := strings.TrimSpace(lines[i])
		switch {
		case text == "|#":
			return finishMarkup(g), i + 1
		case row == "" && text == "":
			continue
		case row == "":
			g.rows = append(g.rows, gridRow{line: i + 1})
		}
		row += "\n" + text
		if inner, closed := strings.CutSuffix(strings.TrimSpace(row), "||"); closed && inner != "" {
			cells, _ := splitPipes(strings.TrimPrefix(inner, "||"))
			for k, c := range cells {
				cells[k] = strings.TrimSpace(c)
			}
			g.rows[len(g.rows)-1].cells, row = cells, ""
		}
	}
	return nil, at
}

var (
	asciiDocTable = regexp.MustCompile(`^[|,:!]={3,}$`)
	asciiDocCols  = regexp.MustCompile(`cols\s*=\s*"?([^"\]]*)"?`)
	asciiDocTimes = regexp.MustCompile(`^(\d+)\*`)
	// asciiDocCell matches the mark of a cell: its span, its alignment and its style.
	asciiDocCell = regexp.MustCompile(`(?:^|\s)(?:(\d+)?(?:\.\d+)?[+*])?[<^>]?(?:\.[<^>])?[aehlmsv]?\|`)
)

// readAsciiDoc reads a table between two |===: each pipe begins a cell, on a line of its own or
// not. The attributes above it or its first line give the number of columns.
func readAsciiDoc(lines []string, at int) (g *grid, next int) {
	g = &grid{layout: markupTable}
	columns := asciiDocColumns(lines, at)
	var cells []gridRow // one cell each
	end, blank := at+1, false
	for ; end < len(lines) && strings.TrimSpace(lines[end]) != strings.TrimSpace(lines[at]); end++ {
		text := strings.TrimSpace(lines[end])
		marks := asciiDocCell.FindAllStringSubmatchIndex(text, -1)
		switch {
		case text == "":
			blank = blank || len(cells) > 0
			g.headed = g.headed || len(cells) > 0 && len(cells) == columns
			continue
		case len(cells) == 0 && (len(marks) == 0 || marks[0][0] > 0):
			return nil, at // no table
		case len(marks) == 0 || marks[0][0] > 0: // another line of the cell
			before := text
			if len(marks) > 0 {
				before = text[:marks[0][0]]
			}
			cells[len(cells)-1].cells[0] += "\n" + before
		}
		for i, m := range marks {
			to := len(text)
			if i+1 < len(marks) {
				to = marks[i+1][0]
			}
			times := 1 // the columns that it spans
			if m[2] >= 0 {
				times = span(text[m[2]:m[3]], maxColumns)
			}
			for range times {
				cells = append(cells, gridRow{line: end + 1, cells: []string{text[m[1]:to]}})
			}
		}
		if columns == 0 && !blank {
			columns = len(marks)
		}
	}
	if end == len(lines) || columns < 2 || len(cells)%columns != 0 {
		return nil, at
	}
	for i := 0; i < len(cells); i += columns {
		row := gridRow{line: cells[i].line}
		for _, c := range cells[i : i+columns] {
			row.cells = append(row.cells, c.cells[0])
		}
		g.rows = append(g.rows, row)
	}
	return finishMarkup(g), end + 1
}

// asciiDocColumns returns the number of columns that the attributes above a table give, or 0.
func asciiDocColumns(lines []string, at int) (n int) {
	for i := at - 1; i >= 0 && i > at-4; i-- {
		text := strings.TrimSpace(lines[i])
		m := asciiDocCols.FindStringSubmatch(text)
		if m == nil || text[0] != '[' {
			continue
		}
		if times := asciiDocTimes.FindStringSubmatch(m[1]); times != nil {
			n, _ = strconv.Atoi(times[1])
			return n
		}
		return strings.Count(strings.TrimRight(m[1], ","), ",") + 1
	}
	return 0
}

// wikiCell is a cell of a wiki's table.
type wikiCell struct{ attributes, text string }

// wikiCells splits a line of cells.
func wikiCells(text string) (cells []wikiCell) {
	mark := text[0]
	text = strings.ReplaceAll(text[1:], "||", "\x00")
	if mark == '!' {
		text = strings.ReplaceAll(text, "!!", "\x00")
	}
	for _, cell := range strings.Split(text, "\x00") {
		c := wikiCell{text: cell}
		if wikiAttributes.MatchString(cell) {
			c.attributes, c.text, _ = strings.Cut(cell, "|")
		}
		c.text = wikiStyle.ReplaceAllString(wikiLink.ReplaceAllString(c.text, "$1$2"), "$1")
		cells = append(cells, c)
	}
	return cells
}

// finishMarkup removes the markup in the cells and the rows without any.
func finishMarkup(g *grid) *grid {
	var rows []gridRow
	for _, r := range g.rows {
		for i, c := range r.cells {
			r.cells[i] = plain(joinLines(strings.Split(strings.TrimSpace(strings.ReplaceAll(c, "``", "`")), "\n")))
		}
		if len(r.cells) > 0 {
			rows = append(rows, r)
		}
	}
	if g.rows = rows; len(rows) < 2 {
		return nil
	}
	g.line = rows[0].line
	return g
}

var listItem = regexp.MustCompile(`^(\s*)(?:([*-])\s+)?-(?:\s+(.*))?$`)

// readListTable reads a list of lists: "* -" begins a row, and "-" another cell of it. Lines that
// are indented further continue the cell.
func readListTable(lines []string, at int) (g *grid, next int) {
	g = &grid{layout: markupTable, headed: true, spans: true}
	i := at + 1
	for ; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i])
		m := listItem.FindStringSubmatch(lines[i])
		switch {
		case m != nil && m[2] != "":
			g.rows = append(g.rows, gridRow{line: i + 1, cells: []string{m[3]}})
		case m != nil && len(g.rows) > 0:
			row := &g.rows[len(g.rows)-1]
			row.cells = append(row.cells, m[3])
		case text == "", strings.HasPrefix(text, ":") && len(g.rows) == 0:
		case lines[i][0] != ' ' && lines[i][0] != '\t', len(g.rows) == 0:
			return finishMarkup(g), i
		default: // the cell goes on
			cells := g.rows[len(g.rows)-1].cells
			cells[len(cells)-1] += "\n  " + text
		}
	}
	return finishMarkup(g), i
}

// readCSVTable reads comma-separated values below a directive, whose header option has the
// headings.
func readCSVTable(lines []string, at int) (g *grid, next int) {
	g = &grid{layout: markupTable, headed: true, spans: true}
	i := at + 1
	for ; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i])
		if text != "" && lines[i][0] != ' ' && lines[i][0] != '\t' {
			break
		}
		if option, found := strings.CutPrefix(text, ":header:"); found {
			text = strings.TrimSpace(option)
		} else if text == "" || text[0] == ':' {
			continue
		}
		r := csv.NewReader(strings.NewReader(text))
		r.TrimLeadingSpace, r.LazyQuotes = true, true
		if cells, err := r.Read(); err == nil {
			g.rows = append(g.rows, gridRow{line: i + 1, cells: cells})
		}
	}
	return finishMarkup(g), i
}

// pipedHeadings writes the row of headings of a wiki's table with one pipe between the cells:
// "||Code||Message||" and "^ Code ^ Message ^".
func pipedHeadings(text string) string {
	t := strings.TrimSpace(text)
	for _, mark := range []string{"||", "^"} {
		if inner, found := strings.CutPrefix(t, mark); found && strings.HasSuffix(inner, mark) && strings.Count(inner, mark) > 1 && strings.Trim(inner, "|^ ") != "" {
			return strings.ReplaceAll(t, mark, "|")
		}
	}
	return text
}
