// Package vendorpage reads a vendor's published error-code page, as somebody saved it, and returns
// the rows of its tables.
//
// Pages come in every form: HTML, Markdown, CSV, and above all text that a browser or an extractor
// made of a table, where the borders are gone and a cell is a paragraph, a line, or a run of words.
// Read goes through these steps:
//
//  1. Unwrap and decode: take the HTML out of a saved archive (archive.go) and convert it to UTF-8
//     (decode.go).
//  2. Source: the page becomes lines of text and, where its markup or its format draws tables,
//     grids of cells (decode.go, html.go, csv.go, sql.go and others). A table on one line gets a
//     line per row (unfold.go). The page's language and its date come from the text (language.go).
//  3. Layouts: lines that form a table become grids too. Each way in which a page can draw a table
//     is a layout: an entry of the list in layouts.go, with a file of its own. Where several fit,
//     the first one that finds codes wins. A layout asks what a heading announces (headings.go)
//     and what a code looks like (codes.go). If it has no other way to tell cells apart, it also
//     asks which role a column has (columns.go).
//  4. Properties: some pages have a table for each error, with one property per row. These are
//     merged into one grid (vertical.go).
//  5. Tables: the rows of headings split a grid into tables. The headings and the cells decide
//     which column is the status, the code, the message, the description or the remedy (tables.go,
//     columns.go). If no heading names the codes, the cells decide which column has them (keys.go).
//     If the cells of several columns look like codes (likeness.go), none of these columns is
//     taken. Each line below the headings becomes a Row, or is Unplaced with its line number and a
//     reason (rows.go). Codes without a status have that of their section (sections.go).
//  6. Choice: tables that are not about errors are left out, and so are lists of HTTP statuses,
//     unless the page calls these its codes (choose.go).
//  7. Leftovers: lines outside all tables that look like rows are Unplaced too, and rows of the
//     same code, status and message become one (page.go). If the page has given no codes so far,
//     lines of equal form are read (induce.go): in each, a code follows the same words and stands
//     before the same mark. If that finds none either, sample responses are read (samples.go).
//
// Throughout, nothing is dropped silently and nothing is made up. A code is returned exactly as it
// appears on the page. A table that is not imported is in Tables with the reason. A line that
// belongs to a table and is not a row is in Unplaced. A page without a table has no rows.
//
// The work is linear in the length of the page: a layout that looks ahead looks at a limited number
// of lines.
package vendorpage

import (
	"cmp"
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// Page is what was understood of a page.
type Page struct {
	Title    string // its heading, or ""
	Date     string // when the vendor updated it, as YYYY-MM-DD, or ""
	Language string // such as zh or en, guessed from letters and words; "" for a page without text
	Rows     []Row  // in page order
	Fallback Fallback
	Advice   string  // what the page says in passing about errors that one cannot explain
	Tables   []Table // every table that was seen, imported or not
	Unplaced []Unplaced
}

// Row is one published code. The paragraphs of a cell are joined by newlines. What the page does
// not say is "" or 0.
type Row struct {
	Line        int
	Code        string
	Status      int
	Message     string
	Description string
	Remedy      string
}

// Fallback is what the page says about codes that it does not list: the texts of a row called
// "Other".
type Fallback struct{ Description, Remedy string }

// Table is one table of the page.
type Table struct {
	Line    int
	Layout  string // its name, such as "tabs" or "html table"
	Columns []Column
	Rows    int
	LeftOut string // why it was not imported; "" if it was
	Notes   []string
}

// Column is a column's heading as on the page, and the role that the column was given: "" if none.
type Column struct {
	Heading string
	Role    Role
}

// Unplaced is a piece of a table that is not a row.
type Unplaced struct {
	Line   int
	Text   string
	Reason string
}

// Read reads a page. The file's name is a hint to its format, but the content decides.
func Read(name string, content []byte) Page {
	text := decode(unpack(content))
	s := newSource(name, text)
	p := Page{Title: s.title, Language: language(text), Date: date(s.lines())}
	var grids []grid
	var rest, before []line // the lines outside all tables, and those right above a drawn one
	for _, part := range s.parts {
		if part.grid != nil {
			part.grid.above = codeAbove(before)
			grids, before = append(grids, *part.grid), nil
			continue
		}
		before = part.lines
		found, left := layOut(part.lines)
		grids, rest = append(grids, found...), append(rest, left...)
	}
	p.Title = cmp.Or(p.Title, title(rest))
	p.fill(turn(grids), rest, sectionsOf(s.lines()))
	for _, read := range []func([]line) *grid{induce, samplesGrid, messagePage} {
		if len(p.Rows) == 0 && p.Fallback == (Fallback{}) && !p.rivals() {
			p.fillWith(read(s.lines()), s.lines())
		}
	}
	if p.Title == "" {
		p.Title = title(p.above(s.lines()))
	}
	p.Advice = generalAdvice(rest)
	return p
}

// rivals reports whether a table was left out because several columns may hold its codes.
func (p *Page) rivals() bool { return len(p.Unplaced) > 0 }

// fillWith reads the only table of a page on which no layout found codes.
func (p *Page) fillWith(g *grid, lines []line) {
	if g == nil {
		return
	}
	again := Page{Title: p.Title}
	again.fill([]grid{*g}, nil, sectionsOf(lines))
	if len(again.Rows) > 0 {
		p.Rows, p.Fallback, p.Unplaced = again.Rows, again.Fallback, again.Unplaced
		p.Tables = append(p.Tables, again.Tables...)
	}
}

// above returns the lines before the first table that was imported.
func (p *Page) above(lines []line) []line {
	for _, t := range p.Tables {
		if t.LeftOut == "" {
			n, _ := slices.BinarySearchFunc(lines, t.Line, func(l line, at int) int { return l.n - at })
			return lines[:n]
		}
	}
	return lines
}

// line is a line of the page. In HTML, where lines mean nothing, it is a block of text with the
// number of the line that the block began in.
type line struct {
	n      int // from 1
	text   string
	begins *maybeStart // whether it starts a record; nil until asked
	memo   *lineMemo   // shared by the lines of the page
}

func (l line) blank() bool { return strings.TrimSpace(l.text) == "" }

// grid is a table as rows of cells. Which rows are headings is decided later.
type grid struct {
	layout string
	line   int
	rows   []gridRow
	headed bool // the first row holds headings, whatever it says
	bare   bool // no borders or headings prove that it is a table, so its codes have to convince
	spans  bool // cells that span rows are filled in already, so an empty cell is empty
	topic  topic
	above  string // the heading right above it, if that is a code
	mark   string // how its records begin, if they are records
	notes  []string
}

type gridRow struct {
	line  int
	cells []string
	lost  string // why it cannot be read, if the layout knows
}

// fill makes rows of the grids, in page order, and reports what looks like a row outside all
// tables.
func (p *Page) fill(grids []grid, rest []line, under sections) {
	slices.SortStableFunc(grids, func(a, b grid) int { return a.line - b.line })
	var all []*reading
	for _, g := range grids {
		all = append(all, readGrid(g)...)
	}
	agree(all)
	for _, r := range all {
		r.inherit(under)
	}
	choose(all, p.Title)
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
		} else if r.rivals {
			p.Unplaced = append(p.Unplaced, r.unplaced...)
		}
		p.Tables = append(p.Tables, t)
	}
	p.Unplaced = append(p.Unplaced, orphans(rest, rows)...)
	slices.SortStableFunc(p.Unplaced, func(a, b Unplaced) int { return a.Line - b.Line })
	p.Rows = distinct(rows)
}

// orphans returns the lines outside all tables that begin with a code like those of the rows.
func orphans(rest []line, rows []Row) (found []Unplaced) {
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
			found = append(found, Unplaced{l.n, clip(l.text), "begins with a code but is in no table"})
		}
	}
	return found
}

var (
	sentences  = regexp.MustCompile(`[^.。!?\x{ff01}\x{ff1f}]+(?:[.!?\x{ff01}\x{ff1f}]+(?:\s|$)|。|$)`)
	unexplain  = regexp.MustCompile(`(?i)(unable to|cannot|can't|not able to) (identify|determine|locate|find|resolve)|找不到|无法(确定|定位|判断|解决)|特定できない|확인할 수 없`)
	askSomeone = regexp.MustCompile(`(?i)contact|联系|お問い合わせ|문의|提交工单`)
)

// generalAdvice returns the sentence of the page's prose that says whom to ask about an error that
// one cannot explain.
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

// listsCodes reports whether a line names several codes, as the title of a range of codes does, and
// says little else.
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

// distinct merges the rows that have the same code, status and message into one. If their other
// texts differ, as in a table with a line for each possible cause, the texts become paragraphs of
// one row.
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

// addParagraph adds a paragraph to a text that does not contain it yet.
func addParagraph(text, more string) string {
	switch {
	case more == "" || slices.Contains(strings.Split(text, "\n"), more) || text == more:
		return text
	case text == "":
		return more
	case len(text) > 10_000: // of a row that occurs a thousand times, the first texts are enough
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
