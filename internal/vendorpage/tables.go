package vendorpage

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	regexp "errata/internal/lazyregexp"
)

// reading is a table that is being read: a grid, or the part of a grid below one row of headings.
type reading struct {
	of       rawTable
	table    Table
	rows     []Row
	fallback Fallback
	unplaced []Unplaced
	bare     bool
	drawn    bool // its cells are drawn, without headings
	about    bool // the text above it mentions errors
	codes    bool // the text above it announces codes
	mark     string
	named    bool // the column of codes is only called "name" or "status"
	statuses bool // a list of HTTP statuses
	plainly  bool // its heading says statuses, and it gives nothing but their numbers
	phrased  bool // it gives HTTP's own reason phrases with the numbers
	ownTexts bool // a list of HTTP statuses below a heading of error codes, without HTTP's phrases
	rivals   bool // several columns may hold the codes, so none is imported and the table is reported
}

// rawTable is a table that has not been read yet: its place, its headings, nil if it has none, and
// the rows below them.
type rawTable struct {
	grid  grid
	line  int
	heads []string
	rows  []gridRow
}

// readGrid finds the rows of headings in a grid and reads what is below each.
func readGrid(g grid) (all []*reading) {
	var heads []string
	begin := 0
	flush := func(end int, line int) {
		if heads != nil || end > begin {
			heads, rows := stack(heads, g.rows[begin:end])
			if heads != nil && !g.spans {
				rows = unspan(heads, rows)
			}
			t := rawTable{g, line, heads, rows}
			all = append(all, t.read(nil))
		}
	}
	at := g.line
	g.rows = unfoldSamples(unnest(g.rows))
	if pairs := cellsOfCodes(g); pairs != nil {
		g.rows = pairs
	}
	if len(g.rows) > 2 && sameCells(g.rows[0].cells) && titleStatus(g.rows[0].cells[0], 1) > 0 && headsRow(g, 1) {
		g.rows[0], g.rows[1] = g.rows[1], g.rows[0] // the status above the headings is that of the rows below
	}
	if len(g.rows) > 1 && len(g.rows[0].cells) > 1 && sameCells(g.rows[0].cells) { // a title across the columns
		_, ok := headings(g.rows[1].cells)
		g.rows, g.headed = g.rows[1:], g.headed && ok
	}
	for i, r := range g.rows {
		if !headsRow(g, i) || heads != nil && (sameHeadings(heads, r.cells) || describesField(heads, r.cells)) { // reading skips repeated headings
			continue
		}
		if heads != nil || i > begin && len(all) == 0 && i > 3 {
			flush(i, at)
		}
		heads, begin, at = r.cells, i+1, r.line
		if i > 0 && len(all) == 0 {
			at = g.line
		}
	}
	flush(len(g.rows), at)
	if len(all) > 0 {
		last := &all[len(all)-1].table
		last.Notes = append(last.Notes, g.notes...)
	}
	return all
}

// headsRow reports whether a row holds headings, and not codes called "error" and the like. Below
// the first row, most of its cells have to be known headings.
func headsRow(g grid, i int) bool {
	if i == 0 && g.headed {
		return true
	}
	cells := g.rows[i].cells
	if _, ok := headings(cells); !ok || sameCells(cells) {
		return false
	}
	if i == 0 {
		return true
	}
	known, filled := 0, 0
	for _, c := range cells {
		if c != "" {
			filled++
		}
		if vocabulary[normal(c)] != unknown && !strings.Contains(c, "_") {
			known++
		}
	}
	return !g.bare && known >= 2 && known*3 >= filled*2
}

func sameHeadings(a, b []string) bool {
	return slices.EqualFunc(a, b, func(a, b string) bool { return normal(a) == normal(b) })
}

// describesField reports whether cells that read like headings describe a field instead. They are
// in a table of fields, and they give a type of values, or begin with a name in small letters below
// capital ones.
func describesField(heads, cells []string) bool {
	kinds, _ := headings(heads)
	first := func(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }
	return fieldTable(kinds) && (slices.ContainsFunc(cells, typeOfValues.MatchString) || unicode.IsUpper(first(heads[0])) && unicode.IsLower(first(cells[0])))
}

// typeOfValues matches the type of a field, with what a vendor may add to it: String(32).
var typeOfValues = regexp.MustCompile(`^(?i:string|integer|int(?:32|64)?|long|number|float|double|decimal|bool(?:ean)?|object|array|enum)(?:[^A-Za-z].*)?$`)

// stack puts tables that are side by side (Code | Meaning | Code | Meaning) one below the other.
func stack(heads []string, rows []gridRow) ([]string, []gridRow) {
	width := 2
	for ; 2*width <= len(heads); width++ {
		repeated := len(heads)%width == 0
		for i := width; i < len(heads) && repeated; i++ {
			repeated = normal(heads[i]) == normal(heads[i-width])
		}
		if repeated {
			break
		}
	}
	if _, ok := headings(heads[:min(width, len(heads))]); !ok || 2*width > len(heads) {
		return heads, rows
	}
	var stacked []gridRow
	for _, r := range rows {
		for at := 0; at < len(heads) && at < len(r.cells); at += width {
			if at > 0 && sameCells(r.cells) {
				break // a title across the tables
			}
			end := min(at+width, len(r.cells))
			if at+width == len(heads) {
				end = len(r.cells) // cells beyond the columns are reported later
			}
			stacked = append(stacked, gridRow{r.line, r.cells[at:end], r.lost})
		}
	}
	return heads[:width], stacked
}

// sameCells reports whether all cells are equal, as in a title that spans the columns.
func sameCells(cells []string) bool {
	for _, c := range cells[1:] {
		if c != cells[0] {
			return false
		}
	}
	return len(cells) > 1
}

// read reads the rows below one row of headings, or a table without headings. A table that is not
// one of error codes is left out, with the reason. The roles of its columns may be given.
func (t rawTable) read(roles []Role) *reading {
	g, at, heads, rows := t.grid, t.line, t.heads, t.rows
	r := &reading{of: t, table: Table{Line: at, Layout: g.layout}, bare: g.bare || heads == nil, drawn: heads == nil && !g.bare, about: g.topic.about(), codes: g.topic == ofCodes, mark: g.mark}
	cols := cellsByColumn(heads, rows)
	if heads == nil && g.topic == noTopic && sayFaults(rows) {
		g.topic, r.about = ofErrors, true
	}
	given := roles != nil
	var rivals []int
	if !given {
		roles, rivals = rolesOf(g.topic, heads, cols, rows)
	}
	if heads == nil {
		heads = make([]string, len(cols))
	}
	for i, h := range heads {
		r.table.Columns = append(r.table.Columns, Column{h, roles[i]})
	}
	if rivals != nil {
		r.refuse(at, heads, rivals)
		return r
	}
	code := slices.IndexFunc(roles, isKey)
	if code < 0 {
		r.table.LeftOut = noCodes(heads)
		return r
	}
	numbered := given || numberedOtherwise(code, rows)
	if roles[code] == RoleStatusCode && numbered {
		roles[code] = RoleCode
		r.table.Columns[code].Role = RoleCode
	}
	r.statuses = roles[code] == RoleStatusCode
	r.phrased = r.statuses && (kindOf(heads[code]) == ofStatus || g.layout == layoutRecords || g.layout == htmlList) && withPhrases(code, rows)
	r.plainly = r.statuses && plainStatuses(heads[code], cols[code]) && g.layout != layoutRecords && g.layout != htmlList
	r.ownTexts = r.statuses && ownTexts(heads[code], code, rows)
	r.named = onlyNamed(heads[code], r.statuses)
	if len(rows) > 0 {
		r.reportSecondCodes(at, code)
	}
	if g.topic == ofOthers && !aboutErrors.MatchString(strings.Join(heads, " ")) {
		r.table.LeftOut = "the text above says that the codes are not error codes"
		return r
	}
	f := newFiller(r, heads, roles, cols, code)
	f.spans = g.spans
	for _, row := range rows {
		f.row(row)
	}
	if !numbered && !calledNumber.MatchString(normal(heads[code])) && r.slipped() {
		r.rivals = true
		r.table.LeftOut = "the codes are HTTP statuses, and there seem to be codes among the texts"
		r.unplaced = append(r.unplaced, Unplaced{at, clip(strings.Join(heads, " | ")), r.table.LeftOut})
	}
	return r
}

// rolesOf decides the role of each column. Where the text above announces codes, they may stand
// under a heading that is not known.
func rolesOf(above topic, heads []string, cols [][]string, rows []gridRow) (roles []Role, rivals []int) {
	if heads == nil {
		return assignBare(cols, above), nil
	}
	roles, rivals = assignOrRivals(heads, cols)
	if rivals != nil || slices.ContainsFunc(roles, isKey) {
		return roles, rivals
	}
	if above == ofCodes && strangeKey(heads) {
		if roles = assignBare(cols, above); slices.ContainsFunc(roles, isKey) {
			return roles, nil
		}
	}
	if above.about() || saysError.MatchString(strings.ToLower(strings.Join(heads, " "))) || sayFaults(rows) {
		return assignByCells(heads, cols, above == ofCodes)
	}
	return roles, nil
}

func isKey(r Role) bool { return r == RoleCode || r == RoleStatusCode }

// strangeKey reports whether the heading of the first column is not known, and no heading is that
// of a field.
func strangeKey(heads []string) bool {
	return (kindOf(heads[0]) == unknown || valueHeads[normal(heads[0])] || idHeads[normal(heads[0])]) &&
		!slices.ContainsFunc(heads[1:], func(h string) bool { return kindOf(h) == ofField })
}

// sayFaults reports whether most rows have a text that says what is wrong.
func sayFaults(rows []gridRow) bool {
	n := 0
	for _, r := range rows {
		if saysFault(strings.Join(r.cells, " ")) {
			n++
		}
	}
	return 10*n > 6*len(rows)
}

// refuse leaves the table out because each of several columns may hold the codes, and reports it.
func (r *reading) refuse(at int, heads []string, rivals []int) {
	names := make([]string, len(rivals))
	for i, c := range rivals {
		names[i] = strconv.Quote(clip(heads[c]))
	}
	r.rivals = true
	r.table.LeftOut = "each of the columns " + strings.Join(names, ", ") + " may hold the codes"
	r.unplaced = append(r.unplaced, Unplaced{at, clip(strings.Join(heads, " | ")), r.table.LeftOut + ": rename the heading of the right one to \"Error code\""})
}

// numberedOtherwise reports whether numbers that could be HTTP statuses are others. Statuses from
// 100 on are in no list of errors, unless the list names them as HTTP does. Those from 200 on do
// not say what is wrong in most rows.
func numberedOtherwise(code int, rows []gridRow) bool {
	failing := 0 // successes of HTTP that say what is wrong
	for _, r := range rows {
		if code >= len(r.cells) {
			continue
		}
		n, _, _ := status(codePart(r.cells[code]))
		switch {
		case n < 100 || n >= 300 || namesStatus(n, r.cells):
		case n < 200:
			return true
		case saysFault(strings.Join(r.cells, " ")):
			failing++
		}
	}
	return 2*failing > len(rows)
}

// withPhrases reports whether most rows give the reason phrase of their status. A vendor's own
// numbers among them, if they are several, make the list one of the vendor's codes.
func withPhrases(code int, rows []gridRow) bool {
	named, all, own := 0, 0, 0
	for _, r := range rows {
		if code >= len(r.cells) {
			continue
		}
		if n, _, ok := status(codePart(r.cells[code])); ok {
			all++
			switch {
			case n > 0 && namesStatus(n, r.cells):
				named++
			case n > 0 && !registered(n):
				own++
			}
		}
	}
	return 2*named > all && own < 3
}

// ownTexts reports whether a list of HTTP statuses has a heading of error codes, and no phrases of
// HTTP's.
func ownTexts(heading string, code int, rows []gridRow) bool {
	return kindOf(heading) == ofCode && saysError.MatchString(normal(heading)) && !withPhrases(code, rows)
}

// namesStatus reports whether the cells contain HTTP's reason phrase of a status.
func namesStatus(n int, cells []string) bool {
	phrase := strings.ToLower(http.StatusText(n))
	return phrase != "" && slices.ContainsFunc(cells, func(c string) bool { return strings.Contains(strings.ToLower(c), phrase) })
}

// plainStatuses reports whether a column holds HTTP statuses by its heading, and numbers alone.
func plainStatuses(heading string, cells []string) bool {
	if kindOf(heading) != ofStatus {
		return false
	}
	return !slices.ContainsFunc(cells, func(c string) bool {
		c = strings.Trim(c, "`*")
		return !integer.MatchString(c) && !statuses.MatchString(c)
	})
}

// judgedRows is how many rows of a table decide what its columns are.
const judgedRows = 2000

// cellsByColumn collects the cells that show what a column is: the filled ones, except titles and
// repeated headings. Without headings, the widest row determines the number of columns.
func cellsByColumn(heads []string, rows []gridRow) [][]string {
	width := len(heads)
	if heads == nil {
		for _, row := range rows {
			width = max(width, len(row.cells))
		}
	}
	cols := make([][]string, width)
	for _, row := range rows[:min(len(rows), judgedRows)] {
		for i, cell := range row.cells[:min(width, len(row.cells))] {
			if cell != "" && !sameCells(row.cells) && (heads == nil || normal(cell) != normal(heads[i])) {
				cols[i] = append(cols[i], cell)
			}
		}
	}
	return cols
}

// noCodes returns the reason for leaving out a table in which no column holds codes.
func noCodes(heads []string) string {
	kinds, _ := headings(heads)
	switch {
	case slices.Contains(kinds, ofField):
		return "a table of fields, not of codes"
	case strings.Join(heads, "") != "" && !slices.ContainsFunc(kinds, func(k kind) bool { return k == ofCode || k == ofStatus || k == ofName }):
		return "none of its headings is known to name codes"
	}
	return "no column of codes with texts"
}

// onlyNamed reports whether the heading of the codes calls them neither codes nor errors, so that
// the codes themselves have to convince.
func onlyNamed(heading string, statuses bool) bool {
	if valueHeads[normal(heading)] {
		return true
	}
	kind := kindOf(heading)
	return (kind == ofName || kind == ofField || kind == ofStatus && !statuses) && !aboutErrors.MatchString(heading) && !calledCode.MatchString(heading)
}

// reportSecondCodes reports other columns with the heading of the codes, because the codes in them
// are not read.
func (r *reading) reportSecondCodes(at, code int) {
	columns := r.table.Columns
	for i, c := range columns {
		if i != code && c.Role == "" && columns[code].Heading != "" && normal(c.Heading) == normal(columns[code].Heading) {
			r.unplaced = append(r.unplaced, Unplaced{at, clip(c.Heading), "a second column with this heading, which is not read"})
		}
	}
}

// slipped reports whether statuses were taken for the codes although there are codes next to them,
// as happens if a heading or a cell is missing from the page.
func (r *reading) slipped() bool {
	n := 0
	for _, row := range r.rows {
		if number, err := strconv.Atoi(row.Code); err == nil && !registered(number) {
			return false // they are numbers of another kind
		}
		if stat, _, ok := status(row.Code); ok && registered(stat) && slices.ContainsFunc(strings.Split(row.Message+"\n"+row.Description+"\n"+row.Remedy, "\n"), func(text string) bool {
			return codeStrength(text) == mnemonic && text != strings.ReplaceAll(http.StatusText(stat), " ", "")
		}) {
			n++
		}
	}
	return n > 1 && 3*n >= len(r.rows)
}

// unspan completes rows that lack cells because those before their code span rows, in a text where
// such a cell leaves no trace. In these rows, a code like those of the complete rows comes too
// early, and there is none in its place.
func unspan(heads []string, rows []gridRow) []gridRow {
	complete := make([]gridRow, 0, len(rows))
	for _, r := range rows {
		if len(r.cells) == len(heads) {
			complete = append(complete, r)
		}
	}
	if len(complete) == len(rows) || len(complete) == 0 {
		return rows
	}
	roles := assign(heads, cellsByColumn(heads, complete))
	code, status := slices.Index(roles, RoleCode), slices.Index(roles, RoleStatus)
	if code < 1 {
		return rows
	}
	known := map[string]bool{}
	for _, r := range complete {
		known[shape(codePart(r.cells[code]))] = true
	}
	is := func(cells []string, at int) bool {
		return at >= 0 && at < len(cells) && known[shape(codePart(cells[at]))] && codeStrength(codePart(cells[at])) > noCode
	}
	rows = slices.Clone(rows)
	for i, r := range rows {
		lacks := len(heads) - len(r.cells)
		if lacks < 1 || lacks > code || len(r.cells) < 2 || !is(r.cells, code-lacks) || is(r.cells, code) {
			continue
		}
		if status >= lacks && !isStatus(r.cells[status-lacks]) && !nothing(r.cells[status-lacks]) || isStatus(r.cells[0]) && status == 0 {
			continue
		}
		rows[i].cells = append(make([]string, lacks, len(heads)), r.cells...)
	}
	return rows
}
