package vendorpage

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	regexp "errata/internal/lazyregexp"
)

var htmlMarks = regexp.MustCompile(`(?i)<(?:!doctype html|html|head|body|table|div|dl|p|h[1-6]|section|article|meta)\b`)

// wholeHTML matches the beginning of a page that is HTML as a whole.
var wholeHTML = regexp.MustCompile(`(?i)^<(?:!doctype html|html|head|body|meta)\b`)

// markdownMarks match lines that only Markdown has: a heading and the ruler of a table.
var markdownMarks = regexp.MustCompile(`(?m)^(?:#{1,6} +\S.*|\|?[ \t]*:?-{3,}:?[ \t]*\|[ \t|:-]*)$`)

// isHTML reports whether a page is HTML: it begins with a tag, and not as Markdown may.
func isHTML(name, text string) bool {
	head := strings.TrimSpace(text[:min(len(text), 4096)])
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, ".html"), strings.HasSuffix(name, ".htm"):
		return htmlMarks.MatchString(text)
	case !strings.HasPrefix(head, "<"), !wholeHTML.MatchString(head) && markdownMarks.MatchString(text):
		return false
	}
	return htmlMarks.MatchString(head)
}

// maxNested limits how deeply tables and lists may be nested.
const maxNested = 20

// The limits of a table, whatever its colspan and rowspan say.
const (
	maxColumns = 40
	maxRows    = 5000
)

// htmlReader turns a stream of tags into lines and grids. It builds no tree, so each piece keeps
// its line number, and what browsers tolerate (cells and rows that are never closed) needs no
// repair.
type htmlReader struct {
	source
	line    int // of the current tag
	skip    int // depth within elements that show no text
	skipTag string
	pre     int
	inTitle bool
	tables  []*htmlGrid // open ones, the innermost last
	lists   []*htmlDL
	run     *htmlDL // the last lists, if they have one item each
	lines   []line
	text    strings.Builder // the block that is being read, outside tables
	textAt  int
}

// htmlGrid is a table that is being read.
type htmlGrid struct {
	grid
	row     []string
	plain   bool // the row has a cell that is not a heading
	bold    int  // cells of the row whose text begins in bold type
	rowAt   int
	inRow   bool
	cell    *strings.Builder
	colspan int
	rowspan int
	below   [maxColumns]struct { // cells that extend into the rows below
		rows int
		text string
	}
}

// htmlDL is a definition list that is being read.
type htmlDL struct {
	records []record
	term    bool // the current text belongs to a term
	coded   bool // the current text has a part that is set as code
	cell    *strings.Builder
	at      int
	topic   topic
}

// readHTML reads a page, or a piece of one that begins at the given line.
func readHTML(text string, at int) source {
	r := &htmlReader{line: at}
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		raw := z.Raw()
		newlines := strings.Count(string(raw), "\n")
		switch kind {
		case html.TextToken:
			r.addText(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := string(name)
			attrs := map[string]string{}
			for more {
				var k, v []byte
				k, v, more = z.TagAttr()
				switch key := string(k); key {
				case "colspan", "rowspan", "style", "hidden", "aria-expanded", "aria-controls", "data-bs-toggle", "data-toggle":
					attrs[key] = string(v)
				}
			}
			r.start(tag, attrs)
			if kind == html.SelfClosingTagToken && r.skipTag == tag {
				r.end(tag)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(string(name))
		}
		r.line += newlines
	}
	for len(r.tables) > 0 {
		r.end("table")
	}
	for len(r.lists) > 0 {
		r.end("dl")
	}
	r.flushLines()
	return r.source
}

// out returns the place that text goes to now, or nil if text is dropped.
func (r *htmlReader) out() *strings.Builder {
	if n := len(r.tables); n > 0 {
		return r.tables[n-1].cell // nil between cells
	}
	if n := len(r.lists); n > 0 {
		return r.lists[n-1].cell
	}
	return &r.text
}

func (r *htmlReader) addText(s string) {
	out := r.out()
	switch {
	case r.inTitle:
		if r.title == "" {
			r.title = tidy(s)
		}
		return
	case r.skip > 0 || out == nil:
		return
	case out == &r.text && r.pre > 0:
		for i, l := range strings.Split(s, "\n") {
			if i > 0 {
				r.lines = append(r.lines, line{n: r.line + i - 1, text: r.text.String()})
				r.text.Reset()
			}
			r.text.WriteString(l)
		}
		r.textAt = r.line
		return
	case out == &r.text && r.text.Len() == 0:
		trimmed := strings.TrimLeft(s, " \t\n")
		if trimmed == "" {
			return
		}
		r.textAt = r.line + strings.Count(s[:len(s)-len(trimmed)], "\n")
		s = trimmed
	}
	if r.pre == 0 {
		s = strings.NewReplacer("\n", " ", "\t", " ").Replace(s)
	}
	out.WriteString(s)
}

// flushBlock ends the block of text outside tables.
func (r *htmlReader) flushBlock() {
	if text := tidy(r.text.String()); text != "" {
		if text[0] == '#' {
			text = anchor.ReplaceAllString(text, "$1")
		}
		for _, l := range strings.Split(text, "\n") {
			r.lines = append(r.lines, line{n: r.textAt, text: l})
		}
		r.lines = append(r.lines, line{n: r.textAt})
	}
	r.text.Reset()
}

// anchor matches the sign that links to a heading, at its end.
var anchor = regexp.MustCompile(`(\pL|\pN|[.)])\s*(?:#|¶|§|🔗)$`)

func (r *htmlReader) flushLines() {
	r.flushBlock()
	if len(r.lines) > 0 {
		r.parts = append(r.parts, part{lines: r.lines})
		r.lines = nil
	}
}

// element is what the tags of an element do.
type element struct {
	start func(r *htmlReader, attrs map[string]string)
	end   func(r *htmlReader)
}

// elements have a meaning of their own. The elements in blockTags and inline only shape the text,
// and all others are ignored.
var elements = map[string]element{
	"title":   {(*htmlReader).startTitle, (*htmlReader).endTitle},
	"table":   {(*htmlReader).startTable, (*htmlReader).endTable},
	"thead":   {start: (*htmlReader).startRows},
	"tbody":   {start: (*htmlReader).startRows},
	"tfoot":   {start: (*htmlReader).startRows},
	"tr":      {(*htmlReader).startRow, (*htmlReader).endRow},
	"th":      {(*htmlReader).startHeading, (*htmlReader).endCell},
	"td":      {(*htmlReader).startData, (*htmlReader).endCell},
	"caption": {start: (*htmlReader).startCaption},
	"dl":      {(*htmlReader).startList, (*htmlReader).endList},
	"dt":      {start: (*htmlReader).startTerm},
	"dd":      {start: (*htmlReader).startDefinition},
	"br":      {start: (*htmlReader).lineBreak},
	"pre":     {(*htmlReader).startPre, (*htmlReader).endPre},
}

// blockTags are the elements that start a paragraph, with Markdown's mark for it.
var blockTags = map[string]string{"p": "", "div": "", "li": "- ", "h1": "# ", "h2": "## ", "h3": "### ", "h4": "#### ", "h5": "##### ", "h6": "###### ", "ul": "", "ol": "", "section": "",
	"article": "", "header": "", "main": "", "blockquote": "", "hr": "", "figure": "", "figcaption": "", "details": "", "summary": "", "form": "", "label": "", "aside": "", "address": "", "center": "", "button": "###### "}

// inline are the elements that set a code apart from prose outside tables, with Markdown's mark for
// it.
var inline = map[string]string{"code": "`", "tt": "`", "kbd": "`", "strong": "**", "b": "**"}

// silent are the elements that show no text of the page itself.
var silent = map[string]bool{"script": true, "style": true, "noscript": true, "template": true, "svg": true, "nav": true, "footer": true, "select": true, "button": true, "iframe": true, "textarea": true}

// phrase are the elements within a line. The text of a hidden one is for a script ("copy"). A
// hidden block may be a tab of the page that a click shows, so it is read.
var phrase = map[string]bool{"span": true, "a": true, "i": true, "em": true, "b": true, "strong": true, "small": true, "sup": true, "label": true, "code": true}

var unseen = regexp.MustCompile(`(?i)display\s*:\s*none|visibility\s*:\s*hidden`)

// unfoldsText reports whether a button unfolds the text below it, whose title it is.
func unfoldsText(tag string, attrs map[string]string) bool {
	for _, name := range []string{"aria-expanded", "aria-controls", "data-bs-toggle", "data-toggle"} {
		if _, has := attrs[name]; has {
			return tag == "button"
		}
	}
	return false
}

// start reads a start tag.
func (r *htmlReader) start(tag string, attrs map[string]string) {
	r.endPhrase(tag)
	if r.skip > 0 {
		if tag == r.skipTag {
			r.skip++
		}
		return
	}
	if _, hidden := attrs["hidden"]; silent[tag] && !unfoldsText(tag, attrs) || phrase[tag] && (hidden || unseen.MatchString(attrs["style"])) {
		r.skip, r.skipTag = 1, tag
		return
	}
	mark, block := blockTags[tag]
	switch e, known := elements[tag]; {
	case known && e.start != nil:
		e.start(r, attrs)
	case known:
	case block:
		r.startBlock(tag, mark)
	default:
		r.inlineMark(tag)
	}
}

// end reads an end tag.
func (r *htmlReader) end(tag string) {
	r.endPhrase(tag)
	if r.skip > 0 {
		if tag == r.skipTag {
			r.skip--
		}
		return
	}
	_, block := blockTags[tag]
	switch e, known := elements[tag]; {
	case known && e.end != nil:
		e.end(r)
	case known:
	case block:
		r.endBlock()
	default:
		r.inlineMark(tag)
	}
}

// endPhrase ends an unclosed hidden phrase at the end of its line.
func (r *htmlReader) endPhrase(tag string) {
	_, block := blockTags[tag]
	if r.skip > 0 && phrase[r.skipTag] && (block || slices.Contains([]string{"table", "tr", "td", "th", "dl", "dt", "dd", "br"}, tag)) {
		r.skip = 0
	}
}

// startBlock starts a paragraph. A paragraph in a list item continues after the item's mark.
func (r *htmlReader) startBlock(tag, mark string) {
	switch out := r.out(); {
	case out == nil:
	case out != &r.text:
		out.WriteString("\n")
	case tag == "p" && r.text.String() == "- ":
	default:
		r.flushBlock()
		if mark != "" {
			r.text.WriteString(mark)
			r.textAt = r.line
		}
	}
}

func (r *htmlReader) endBlock() {
	switch out := r.out(); {
	case out == nil:
	case out == &r.text:
		r.flushBlock()
	default:
		out.WriteString("\n")
	}
}

// inlineMark writes Markdown's mark of an inline element, if it has one. Both tags have the same
// mark.
func (r *htmlReader) inlineMark(tag string) {
	mark := inline[tag]
	if n := len(r.lists); n > 0 && mark == "`" {
		r.lists[n-1].coded = true
	}
	if t := r.table(); t != nil && mark == "**" && t.cell != nil && t.cell.Len() == 0 {
		t.bold++
	}
	if mark == "" || r.out() != &r.text || r.pre > 0 {
		return
	}
	if r.text.Len() == 0 {
		r.textAt = r.line
	}
	r.text.WriteString(mark)
}

// lineBreak ends the current line unless it is empty.
func (r *htmlReader) lineBreak(map[string]string) {
	if out := r.out(); out != nil && out.Len() > 0 {
		out.WriteString("\n")
	}
}

func (r *htmlReader) startTitle(map[string]string) { r.inTitle = r.title == "" && len(r.parts) == 0 }

func (r *htmlReader) endTitle() { r.inTitle = false }

// startPre starts preformatted text, fenced as in Markdown.
func (r *htmlReader) startPre(map[string]string) {
	if r.out() == &r.text {
		r.flushBlock()
		r.lines = append(r.lines, line{n: r.line, text: "~~~"})
	}
	r.pre++
}

func (r *htmlReader) endPre() {
	r.pre = max(0, r.pre-1)
	if r.out() != &r.text || r.pre > 0 {
		return
	}
	if r.text.Len() > 0 {
		r.lines = append(r.lines, line{n: r.line, text: r.text.String()})
		r.text.Reset()
	}
	r.lines = append(r.lines, line{n: r.line, text: "~~~"}, line{n: r.line})
}

func (r *htmlReader) startTable(map[string]string) {
	if len(r.tables) == 0 {
		r.flushLines()
	}
	if len(r.tables) < maxNested {
		r.tables = append(r.tables, &htmlGrid{grid: grid{layout: htmlTable, line: r.line, spans: true, topic: r.source.topic()}})
	}
}

// endTable ends the innermost table. A table that only lays out a cell of the outer table becomes
// text of that cell.
func (r *htmlReader) endTable() {
	t := r.table()
	if t == nil {
		return
	}
	t.endRow()
	r.tables = r.tables[:len(r.tables)-1]
	if outer := r.table(); outer != nil && outer.cell != nil && t.layOutOnly() {
		outer.cell.WriteString("\n" + t.text() + "\n")
	} else if len(t.rows) > 0 {
		r.parts = append(r.parts, part{grid: &t.grid})
	}
}

// startRows starts a section of a table, which ends the row above it.
func (r *htmlReader) startRows(map[string]string) {
	if t := r.table(); t != nil {
		t.endRow()
		t.rowAt = r.line
	}
}

func (r *htmlReader) startRow(map[string]string) {
	if t := r.table(); t != nil {
		t.endRow()
		t.inRow, t.rowAt = true, r.line
	}
}

func (r *htmlReader) endRow() {
	if t := r.table(); t != nil {
		t.endRow()
	}
}

func (r *htmlReader) startHeading(attrs map[string]string) { r.startCell(attrs, false) }

func (r *htmlReader) startData(attrs map[string]string) { r.startCell(attrs, true) }

// startCell starts a cell of the innermost table.
func (r *htmlReader) startCell(attrs map[string]string, plain bool) {
	if t := r.table(); t != nil {
		t.startCell(r.line, plain, span(attrs["colspan"], maxColumns), span(attrs["rowspan"], maxRows))
	}
}

// startCell starts a cell, and a row at the given line if none is open.
func (t *htmlGrid) startCell(at int, plain bool, colspan, rowspan int) {
	t.endCell()
	if !t.inRow {
		t.inRow, t.rowAt = true, at
	}
	t.plain = t.plain || plain
	t.cell = &strings.Builder{}
	t.colspan, t.rowspan = colspan, rowspan
}

func (r *htmlReader) endCell() {
	if t := r.table(); t != nil {
		t.endCell()
	}
}

// startCaption ends the row, because a caption is not a cell.
func (r *htmlReader) startCaption(map[string]string) { r.endRow() }

func (r *htmlReader) startList(map[string]string) {
	if len(r.tables) > 0 || len(r.lists) >= maxNested {
		return
	}
	if len(r.lists) == 0 {
		r.flushLines()
	}
	r.lists = append(r.lists, &htmlDL{at: r.line, topic: r.source.topic()})
}

// endList ends the innermost definition list. A list of one item inside a definition defines
// nothing of its own: its term and text belong to the outer list.
func (r *htmlReader) endList() {
	n := len(r.lists)
	if n == 0 || len(r.tables) > 0 {
		return
	}
	l := r.lists[n-1]
	l.item(false, r.line)
	l.share()
	r.lists = r.lists[:n-1]
	if n > 1 && len(l.records) == 1 && r.out() != nil {
		r.out().WriteString("\n" + l.records[0].term + "\n" + strings.Join(l.records[0].body, "\n") + "\n")
	} else if !doubtful(l.records) {
		r.addList(l)
	}
}

// addList adds a definition list. Lists of one item each that follow one another are one list.
func (r *htmlReader) addList(l *htmlDL) {
	last := len(r.parts) - 1
	switch {
	case len(l.records) > 1:
		r.run = nil
	case l.records[0].term != strings.ToUpper(l.records[0].term): // a function
		r.run = nil
	case r.run != nil && last >= 0 && r.parts[last].grid != nil && r.parts[last].grid.line == r.run.at:
		r.run.records, r.parts = append(r.run.records, l.records...), r.parts[:last]
		l = r.run
	default:
		r.run = l
	}
	g := recordsGrid(l.at, slices.Clone(l.records))
	g.layout, g.topic = htmlList, l.topic
	r.parts = append(r.parts, part{grid: g})
}

// share gives the terms that are right above another one the definition of that.
func (l *htmlDL) share() {
	for i := len(l.records) - 2; i >= 0; i-- {
		if len(l.records[i].body) == 0 {
			l.records[i].body = slices.Clone(l.records[i+1].body)
		}
	}
}

func (r *htmlReader) startTerm(attrs map[string]string) { r.startItem(attrs, true) }

func (r *htmlReader) startDefinition(attrs map[string]string) { r.startItem(attrs, false) }

// startItem starts an item of a definition list. Outside a list, or inside a table, it starts a new
// line.
func (r *htmlReader) startItem(attrs map[string]string, term bool) {
	if n := len(r.lists); n > 0 && len(r.tables) == 0 {
		r.lists[n-1].item(term, r.line)
	} else {
		r.lineBreak(attrs)
	}
}

func (r *htmlReader) table() *htmlGrid {
	if len(r.tables) == 0 {
		return nil
	}
	return r.tables[len(r.tables)-1]
}

// layOutOnly reports whether a table inside a cell only lays out the text of the cell: it has one
// row or one column.
func (t *htmlGrid) layOutOnly() bool {
	return len(t.rows) <= 1 || !slices.ContainsFunc(t.rows, func(r gridRow) bool { return len(r.cells) > 1 })
}

// text returns the table as paragraphs.
func (t *htmlGrid) text() string {
	var lines []string
	for _, r := range t.rows {
		lines = append(lines, strings.Join(r.cells, " "))
	}
	return strings.Join(lines, "\n")
}

func span(s string, limit int) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, limit)
}

// endCell adds a cell to its row, after the cells that extend down from above.
func (t *htmlGrid) endCell() {
	if t.cell == nil {
		return
	}
	t.fromAbove()
	text := tidy(t.cell.String())
	t.cell = nil
	for range t.colspan {
		if len(t.row) >= maxColumns {
			break
		}
		if t.rowspan > 1 {
			t.below[len(t.row)].rows, t.below[len(t.row)].text = t.rowspan, text
		}
		t.row = append(t.row, text)
	}
}

// fromAbove adds the cells that extend down into this row at the current position.
func (t *htmlGrid) fromAbove() {
	for len(t.row) < maxColumns && t.below[len(t.row)].rows > 0 {
		t.row = append(t.row, t.below[len(t.row)].text)
	}
}

func (t *htmlGrid) endRow() {
	t.endCell()
	if !t.inRow {
		return
	}
	t.fromAbove()
	for i := range t.below {
		t.below[i].rows = max(0, t.below[i].rows-1)
	}
	if len(t.row) > 0 {
		t.headed = t.headed || len(t.rows) == 0 && len(t.row) > 1 && (!t.plain || t.boldHeadings())
		t.rows = append(t.rows, gridRow{line: t.rowAt, cells: t.row})
	}
	t.row, t.inRow, t.plain, t.bold = nil, false, false, 0
}

// boldHeadings reports whether all cells of the row are in bold type and may be headings.
func (t *htmlGrid) boldHeadings() bool {
	return t.bold >= len(t.row) && !sameCells(t.row) && !slices.ContainsFunc(t.row, data)
}

// item ends an item of a definition list and starts another.
func (l *htmlDL) item(term bool, at int) {
	if l.cell != nil {
		text := tidy(l.cell.String())
		switch {
		case l.term && text != "":
			text = anchor.ReplaceAllString(text, "$1")
			l.records = append(l.records, record{line: at, term: text, coded: l.coded})
		case !l.term && text != "" && len(l.records) > 0:
			last := &l.records[len(l.records)-1]
			last.body = append(last.body, strings.Split(text, "\n")...)
		}
	}
	l.cell, l.term, l.coded = &strings.Builder{}, term, false
}
