// Package vendorpage reads a vendor's published error-code page, as somebody saved it, and gives its rows.
//
// Pages come in every shape: HTML, Markdown, CSV, and above all text that a browser or an extractor made of
// a table, where the borders are gone and a cell is a paragraph, a line, or a run of words. So reading goes in
// three steps, each of which knows nothing of the next:
//
//  1. source: bytes become lines of text and, where the markup says so, grids (archive.go, decode.go, html.go, csv.go);
//  2. layouts: runs of lines that form a table become grids too, one file for each way a table can look
//     (the table of layouts below), and tables of one error each become one (vertical.go);
//  3. columns and rows: the headings of a grid, and what its cells look like, say which column is the status,
//     the code, the message, the description and the remedy (headings.go, columns.go); then each line of the
//     grid becomes a Row, or is Unplaced with its line and a reason (rows.go).
//
// The rule throughout: nothing is dropped silently and nothing is made up. A row's code always stands on the
// page as it is given. A table that is not imported is in Tables with the reason; a line that
// belongs to a table and is no row is in Unplaced. A page without a table gives no rows.
//
// All of it takes time linear in the page's length: a layout that looks ahead looks a bounded number of lines.
package vendorpage

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Page is what was understood of a page.
type Page struct {
	Title    string // its heading, or "" where it has none
	Date     string // when the vendor updated it, as YYYY-MM-DD, or ""
	Language string // as in zh, en; guessed from the letters and words; "" for a page without text
	Rows     []Row  // in page order
	Fallback Fallback
	Advice   string  // what the page says in passing to do about an error that one cannot explain
	Tables   []Table // every table that was seen, imported or not
	Unplaced []Unplaced
}

// Row is one published code. Paragraphs of a cell are joined by a newline; what the page does not give is "" or 0.
type Row struct {
	Line        int
	Code        string
	Status      int
	Message     string
	Description string
	Remedy      string
}

// Fallback is what the page says of codes that it does not list: the texts of a row called "Other".
type Fallback struct{ Description, Remedy string }

// Table is one table of the page.
type Table struct {
	Line    int
	Layout  string // its name, as in "tabs" or "html table"
	Columns []Column
	Rows    int
	LeftOut string // why it was not imported; "" where it was
	Notes   []string
}

// Column is a column's heading as the page has it, and what the column was taken for: "" if nothing.
type Column struct {
	Heading string
	Role    Role
}

// Unplaced is a piece of a table that is no row.
type Unplaced struct {
	Line   int
	Text   string
	Reason string
}

// Read reads a page. The file's name helps to tell its format; the content decides.
func Read(name string, content []byte) Page {
	text := decode(unpack(content))
	s := newSource(name, text)
	p := Page{Title: s.title, Language: language(text), Date: date(s.lines())}
	var grids []grid
	var rest []line // what stands in no table
	for _, part := range s.parts {
		if part.grid != nil {
			grids = append(grids, *part.grid)
			continue
		}
		found, left := layOut(part.lines)
		grids, rest = append(grids, found...), append(rest, left...)
	}
	p.Title = cmp.Or(p.Title, title(rest))
	p.fill(turn(grids), rest)
	if p.Title == "" {
		p.Title = title(p.above(s.lines()))
	}
	p.Advice = generalAdvice(rest)
	return p
}

// above gives the lines before the first table that was imported.
func (p *Page) above(lines []line) []line {
	for _, t := range p.Tables {
		if t.LeftOut == "" {
			n, _ := slices.BinarySearchFunc(lines, t.Line, func(l line, at int) int { return l.n - at })
			return lines[:n]
		}
	}
	return lines
}

// line is a line of the page. In HTML, where lines mean nothing, it is a block of text with the line it began in.
type line struct {
	n      int // from 1
	text   string
	begins *maybeStart // whether it begins a record; nil until somebody asks
}

func (l line) blank() bool { return strings.TrimSpace(l.text) == "" }

// grid is a table: rows of cells. Which row is a heading is found out later.
type grid struct {
	layout string
	line   int
	rows   []gridRow
	headed bool // the first row is one of headings, whatever it says
	bare   bool // without borders or headings to prove that it is a table: its codes have to convince
	spans  bool // cells that span rows are filled in already, so an empty cell is an empty cell
	topic  topic
	notes  []string
}

type gridRow struct {
	line  int
	cells []string
	lost  string // why it cannot be read, where the layout knows already
}

// fill makes rows of the grids, in page order, and looks through the rest for rows that stand alone.
func (p *Page) fill(grids []grid, rest []line) {
	slices.SortStableFunc(grids, func(a, b grid) int { return a.line - b.line })
	var all []*reading
	for _, g := range grids {
		all = append(all, readGrid(g)...)
	}
	choose(all, aboutErrors.MatchString(p.Title))
	var rows []Row
	for _, r := range all {
		t := r.table
		if t.LeftOut == "" {
			t.Rows = len(r.rows)
			rows = append(rows, r.rows...)
			p.Unplaced = append(p.Unplaced, r.unplaced...)
			if p.Fallback == (Fallback{}) {
				p.Fallback = r.fallback
			}
		}
		p.Tables = append(p.Tables, t)
	}
	p.Unplaced = append(p.Unplaced, strays(rest, rows)...)
	slices.SortStableFunc(p.Unplaced, func(a, b Unplaced) int { return a.Line - b.Line })
	p.Rows = distinct(rows)
}

// strays finds the lines outside of all tables that begin with a code like those of the rows.
func strays(rest []line, rows []Row) (found []Unplaced) {
	shapes := map[string]bool{}
	for _, r := range rows {
		if codeStrength(r.Code) == mnemonic {
			shapes[shape(r.Code)] = true
		}
	}
	for _, l := range rest {
		text := l.text
		if first, behind, parted := strings.Cut(strings.TrimLeft(text, " |"), "\t"); parted && (isStatus(first) || first == "") {
			text = behind // a row without a table
		}
		if first := leadingCode(text); first != "" && shapes[shape(first)] && first != strings.Trim(text, " #*`|") && !listsCodes(text) {
			found = append(found, Unplaced{l.n, clip(l.text), "begins with a code and stands in no table"})
		}
	}
	return found
}

var (
	sentences  = regexp.MustCompile(`[^.。!?\x{ff01}\x{ff1f}]+(?:[.!?\x{ff01}\x{ff1f}]+(?:\s|$)|。|$)`)
	unexplain  = regexp.MustCompile(`(?i)(unable to|cannot|can't|not able to) (identify|determine|locate|find|resolve)|找不到|无法(确定|定位|判断|解决)|特定できない|확인할 수 없`)
	askSomeone = regexp.MustCompile(`(?i)contact|联系|お問い合わせ|문의|提交工单`)
)

// generalAdvice finds the sentence of the page's prose that says whom to ask about an error that one cannot explain.
func generalAdvice(lines []line) string {
	for _, l := range lines {
		if len(l.text) > 4000 || !unexplain.MatchString(l.text) {
			continue
		}
		for _, s := range sentences.FindAllString(l.text, -1) {
			if unexplain.MatchString(s) && askSomeone.MatchString(s) {
				return plain(s)
			}
		}
	}
	return ""
}

// listsCodes tells whether a line names several codes, as the title of a range of them does, and says little else.
func listsCodes(s string) bool {
	fields := strings.Fields(s)
	codes := 0
	for _, f := range fields[:min(len(fields), 5)] {
		if codeStrength(strings.Trim(f, ",;:()")) == mnemonic {
			codes++
		}
	}
	return len(fields) < 2 || codes > 1 && len(fields) < 12
}

// distinct merges rows of the same code, status and message: one entry each. Where their other texts differ,
// as in a table with a line for each possible cause, the texts become paragraphs of one.
func distinct(rows []Row) (out []Row) {
	type key struct {
		code    string
		status  int
		message string
	}
	at := map[key]int{}
	for _, r := range rows {
		k := key{r.Code, r.Status, r.Message}
		i, again := at[k]
		if !again {
			at[k] = len(out)
			out = append(out, r)
			continue
		}
		out[i].Description = addParagraph(out[i].Description, r.Description)
		out[i].Remedy = addParagraph(out[i].Remedy, r.Remedy)
	}
	return out
}

// addParagraph adds a paragraph to a text unless it holds it already.
func addParagraph(text, more string) string {
	switch {
	case more == "" || slices.Contains(strings.Split(text, "\n"), more) || text == more:
		return text
	case text == "":
		return more
	case len(text) > 10_000: // of a row that comes a thousand times, the first texts will do
		return text
	}
	return text + "\n" + more
}

// clip shortens a text for a report.
func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
