package vendorpage

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// reading is a table that is being read: a grid, or the part of one below one row of headings.
type reading struct {
	table    Table
	rows     []Row
	fallback Fallback
	unplaced []Unplaced
	bare     bool
	about    bool // what stands above it speaks of errors
	named    bool // the column of codes is only called "name" or "status"
	statuses bool // a list of HTTP statuses
}

// readGrid finds the rows of headings of a grid and reads what stands below each.
func readGrid(g grid) (all []*reading) {
	var heads []string
	begin := 0
	flush := func(end int, line int) {
		if heads != nil || end > begin {
			heads, rows := stack(heads, g.rows[begin:end])
			all = append(all, readTable(g, line, heads, rows))
		}
	}
	at := g.line
	for i, r := range g.rows {
		if _, ok := headings(r.cells); (!ok || sameCells(r.cells) || !headsRow(g, i)) && !(i == 0 && g.headed) {
			continue
		}
		if heads != nil && slices.EqualFunc(heads, r.cells, func(a, b string) bool { return normal(a) == normal(b) }) {
			continue // repeated headings: readTable passes over them
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

// headsRow tells whether a row that could be one of headings is one, and not a row of codes called "error" and the like.
func headsRow(g grid, i int) bool {
	if i == 0 {
		return true
	}
	known, filled := 0, 0
	for _, c := range g.rows[i].cells {
		if c != "" {
			filled++
		}
		if vocabulary[normal(c)] != unknown && !strings.Contains(c, "_") {
			known++
		}
	}
	return !g.bare && known >= 2 && known*3 >= filled*2
}

// stack puts tables that stand side by side, as in Code | Meaning | Code | Meaning, one below the other.
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
				break // a title above all
			}
			end := min(at+width, len(r.cells))
			if at+width == len(heads) {
				end = len(r.cells) // what stands beyond the columns is to be reported
			}
			stacked = append(stacked, gridRow{r.line, r.cells[at:end], r.lost})
		}
	}
	return heads[:width], stacked
}

func sameCells(cells []string) bool {
	for _, c := range cells[1:] {
		if c != cells[0] {
			return false
		}
	}
	return len(cells) > 1
}

// readTable reads the rows below one row of headings, or of a table without any.
func readTable(g grid, at int, heads []string, rows []gridRow) *reading {
	r := &reading{table: Table{Line: at, Layout: g.layout}, bare: g.bare || heads == nil, about: g.topic == ofErrors}
	width := len(heads)
	if heads == nil {
		for _, row := range rows {
			width = max(width, len(row.cells))
		}
	}
	if heads != nil && !g.spans {
		rows = unspan(heads, rows)
	}
	cols := make([][]string, width)
	for n, row := range rows {
		if n >= 2000 {
			break // enough to judge a column by
		}
		for i := range min(width, len(row.cells)) {
			if !sameCells(row.cells) && row.cells[min(i, len(row.cells)-1)] != "" && (heads == nil || normal(row.cells[i]) != normal(heads[i])) {
				cols[i] = append(cols[i], row.cells[i])
			}
		}
	}
	var roles []Role
	if heads != nil {
		roles = assign(heads, cols)
	} else {
		roles = assignBare(cols)
		heads = make([]string, width)
	}
	for i, h := range heads {
		r.table.Columns = append(r.table.Columns, Column{h, roles[i]})
	}
	code := slices.IndexFunc(roles, func(r Role) bool { return r == RoleCode || r == RoleStatusCode })
	if code < 0 {
		kinds, _ := headings(heads)
		r.table.LeftOut = "no column of codes with texts"
		switch {
		case slices.Contains(kinds, ofField):
			r.table.LeftOut = "a table of fields, not of codes"
		case strings.Join(heads, "") != "" && !slices.ContainsFunc(kinds, func(k kind) bool { return k == ofCode || k == ofStatus || k == ofName }):
			r.table.LeftOut = "none of its headings is known as that of a code"
		}
		return r
	}
	for i, h := range heads {
		if i != code && roles[i] == "" && heads[code] != "" && normal(h) == normal(heads[code]) && len(rows) > 0 {
			r.unplaced = append(r.unplaced, Unplaced{at, clip(h), "a second column of that name, which is not read"})
		}
	}
	r.statuses = roles[code] == RoleStatusCode
	kind := kindOf(heads[code])
	r.named = (kind == ofName || kind == ofStatus && !r.statuses) && !aboutErrors.MatchString(heads[code]) && !calledCode.MatchString(heads[code])
	if g.topic == ofOthers && !aboutErrors.MatchString(strings.Join(heads, " ")) {
		r.table.LeftOut = "codes of something else than errors, as what stands above says"
		return r
	}
	f := &filler{reading: r, roles: roles, code: code, spans: g.spans, heads: heads}
	f.status = slices.Index(roles, RoleStatus)
	f.causes = causes(cols, roles)
	f.strict = columnOf(heads[code], cols[code]).sure > 0.6
	for _, row := range rows {
		f.row(row)
	}
	if r.slipped() {
		r.unplaced = append(r.unplaced, Unplaced{at, clip(strings.Join(heads, " | ")), "the codes are HTTP statuses, and what looks like codes stands among the texts"})
	}
	return r
}

// slipped tells whether statuses were taken for the codes though codes stand beside them, as happens where a
// heading or a cell of the page is missing.
func (r *reading) slipped() bool {
	n := 0
	for _, row := range r.rows {
		if stat, _, ok := status(row.Code); ok && slices.ContainsFunc(strings.Split(row.Message+"\n"+row.Description+"\n"+row.Remedy, "\n"), func(text string) bool {
			return codeStrength(text) == mnemonic && text != strings.ReplaceAll(http.StatusText(stat), " ", "")
		}) {
			n++
		}
	}
	return n > 1 && 3*n >= len(r.rows)
}

// unspan mends rows that are one cell short because the status before their code spans rows, in a text where such a
// cell leaves no trace: a code stands where the status belongs, and none where the code does.
func unspan(heads []string, rows []gridRow) []gridRow {
	if len(heads) < 3 || kindOf(heads[0]) != ofStatus || kindOf(heads[1]) != ofCode && kindOf(heads[1]) != ofName {
		return rows
	}
	rows = slices.Clone(rows)
	for i, r := range rows {
		if len(r.cells) == len(heads)-1 && !isStatus(r.cells[0]) && !nothing(r.cells[0]) && codeStrength(codePart(r.cells[0])) > noCode && codeStrength(r.cells[1]) < number {
			rows[i].cells = append([]string{""}, r.cells...)
		}
	}
	return rows
}

// assignBare says what the columns of a table without headings are: it has to have one of nothing but codes, and texts.
func assignBare(cols [][]string) []Role {
	roles := make([]Role, len(cols))
	code := -1
	for i, cells := range cols {
		c := columnOf("", cells)
		if len(cells) > 0 && kindOf(cells[0]) == ofField {
			return make([]Role, len(cols))
		}
		switch {
		case c.blind:
		case c.status > 0.95 && !slices.Contains(roles, RoleStatus):
			roles[i] = RoleStatus
		case code < 0 && c.code > 0.95 && c.strong > 0.6:
			code, roles[i] = i, RoleCode
		}
	}
	if status := slices.Index(roles, RoleStatus); code < 0 && status >= 0 {
		code, roles[status] = status, RoleStatusCode
	}
	if code < 0 {
		return make([]Role, len(cols))
	}
	var texts []int
	reads := false // whether one of them reads like prose
	for i, cells := range cols {
		if c := columnOf("", cells); roles[i] == "" && !c.blind && (c.prose > 0.5 || c.code < 0.5 || c.strong == 0 && !integer.MatchString(cells[0])) {
			texts = append(texts, i)
			reads = reads || c.prose > 0.5
		}
	}
	if !reads {
		return make([]Role, len(cols))
	}
	order := []Role{RoleMessage, RoleDescription, RoleRemedy}
	if len(texts) == 1 {
		order = []Role{RoleDescription}
	}
	for n, i := range texts {
		if n < len(order) {
			roles[i] = order[n]
		}
	}
	return roles
}

// filler makes Rows of a table's lines.
type filler struct {
	*reading
	roles        []Role
	heads        []string
	code, status int // columns
	spans        bool
	strict       bool // most codes are numbers or mnemonics, so that several words are none
	causes       bool // the description column holds "Cause: … Solution: …"
	lastCode     string
	lastStatus   string
}

var spacedCode = regexp.MustCompile(`^[A-Z]{1,6} \d{2,}$|[(\x{ff08}\[]`) // E 1001, E1001 (obsolete)

var calledCode = regexp.MustCompile(`(?i)code|kod|код|码|碼|コード|코드|código`)

var codeText = regexp.MustCompile(`^(.+?)(?:\s*[-–—:\x{ff1a}]\s+|\s*[:\x{ff1a}]\s*|\s+)(\S.*)$`)

// splitCode parts a code from what a cell says besides: a status in brackets, or its text.
func splitCode(s string) (code string, stat int, text string) {
	s = strings.TrimSpace(s)
	if codeStrength(s) > noCode {
		return s, 0, ""
	}
	if i := strings.LastIndexAny(s, "(\uff08"); i > 0 && (strings.HasSuffix(s, ")") || strings.HasSuffix(s, "\uff09")) {
		inner := strings.Trim(s[i:], "()\uff08\uff09")
		before := strings.TrimSpace(s[:i])
		if n, _, ok := status(inner); ok && n > 0 && codeStrength(before) > noCode {
			return before, n, ""
		}
		if codeStrength(before) == number && inner != "" || hex.MatchString(inner) && codeStrength(before) > noCode {
			return before, 0, inner
		}
	}
	if m := codeText.FindStringSubmatch(s); m != nil {
		first := strings.TrimRight(m[1], colons+",")
		parted := strings.ContainsAny(s[len(first):len(s)-len(m[2])], "-–—"+colons)
		if st := codeStrength(first); st == mnemonic && parted || st == number {
			if codeStrength(m[2]) == mnemonic && st == number {
				return first, 0, m[2]
			}
			return first, 0, strings.TrimSpace(m[2])
		}
	}
	return s, 0, ""
}

func (f *filler) row(row gridRow) {
	cells := row.cells
	filled, only := 0, -1
	for i, c := range cells {
		if c != "" {
			filled++
			only = i
		}
	}
	if filled == 0 || f.repeats(cells) {
		return
	}
	lose := func(reason string) {
		f.unplaced = append(f.unplaced, Unplaced{row.line, clip(strings.Join(cells, " | ")), reason})
	}
	if row.lost != "" {
		lose(row.lost)
		return
	}
	get := func(role Role) string {
		if i := slices.Index(f.roles, role); i >= 0 && i < len(cells) && !nothing(cells[i]) {
			return cells[i]
		}
		return ""
	}
	raw := ""
	if f.code < len(cells) {
		raw = cells[f.code]
	}
	if sameCells(cells) || filled == 1 && codeStrength(codePart(cells[only])) == noCode && !others(cells[only]) {
		switch {
		case !sameCells(cells) && len(f.rows) > 0 && only != f.code && only < len(f.roles) && f.roles[only] != "" && f.roles[only] != RoleStatus:
			f.append(f.roles[only], cells[only])
		case !sameCells(cells) && codeStrength(strings.Fields(cells[only])[0]) == mnemonic && len(cells) > 1:
			lose("a code without a text")
		default:
			f.table.Notes = append(f.table.Notes, "line "+strconv.Itoa(row.line)+" is a title: "+clip(cells[only]))
		}
		return
	}
	if len(cells) > len(f.roles) && slices.ContainsFunc(cells[len(f.roles):], func(c string) bool { return c != "" }) {
		lose("more cells than there are columns")
		return
	}
	r := Row{Line: row.line, Message: get(RoleMessage), Description: get(RoleDescription), Remedy: get(RoleRemedy)}
	if f.causes {
		r.Description, r.Remedy = splitCauses(r.Description, r.Remedy)
	}

	// The status. Where it stands before the code and is left empty, it spans rows.
	stat := get(RoleStatus)
	if f.status >= 0 && f.status < len(cells) && cells[f.status] == "" && f.status < f.code && !f.spans {
		stat = f.lastStatus
	}
	f.lastStatus = stat
	var ok bool
	if r.Status, _, ok = status(stat); stat != "" && !ok {
		if len(cells) < len(f.roles) || codeStrength(codePart(raw)) == noCode && !others(raw) {
			lose("a text stands where its status belongs")
			return
		}
		f.table.Notes = append(f.table.Notes, "line "+strconv.Itoa(row.line)+" has a status that is no number: "+clip(stat))
	}

	// The code.
	switch {
	case nothing(raw) && f.lastCode != "" && (r.Message != "" || r.Description != "" && !slices.Contains(f.roles, RoleMessage)) && !f.spans && raw == "":
		r.Code = f.lastCode // it spans rows
		f.table.Notes = append(f.table.Notes, "line "+strconv.Itoa(row.line)+" has no code of its own: taken for "+r.Code+" as the row above")
		f.keep(r, cells, lose)
		return
	case nothing(raw) && raw == "" && len(f.rows) > 0 && stat == f.lastStatus && get(RoleStatus) == "" && !f.spans:
		f.append(RoleDescription, r.Description)
		f.append(RoleRemedy, r.Remedy)
		return
	case nothing(raw):
		lose("no code")
		return
	case others(raw):
		f.other(r)
		return
	}
	if f.roles[f.code] == RoleStatusCode {
		n, phrase, isStatus := status(raw)
		if isStatus && n > 0 {
			r.Code, r.Status = strconv.Itoa(n), n
			if r.Message == "" {
				r.Message = phrase
			}
			f.keep(r, cells, lose)
			return
		}
		if m := statusList.FindStringSubmatch(raw); m != nil {
			raw = m[1]
			if r.Message == "" {
				r.Message = m[2]
			}
		}
	}
	codes := severalCodes(raw)
	for _, c := range codes {
		one := r
		code, stat, text := splitCode(c)
		words := strings.Fields(code)
		if len(words) > 5 || len(code) > 120 || strings.Contains(code, "\n") || f.strict && len(words) > 1 && codeStrength(code) == noCode && !spacedCode.MatchString(code) {
			lose("the cell of the code holds a text")
			return
		}
		one.Code = code
		if one.Status == 0 && f.status < 0 {
			one.Status = stat
			if n, err := strconv.Atoi(code); err == nil && f.roles[f.code] == RoleStatusCode && registered(n) {
				one.Status = n
			}
		}
		switch {
		case text == "":
		case one.Message == "" && !slices.Contains(f.roles, RoleMessage):
			one.Message = text
		case codeStrength(text) == noCode:
			one.Code = c
		}
		f.keep(one, cells, lose)
	}
}

// keep adds a row that has a text; without any there is nothing to publish.
func (f *filler) keep(r Row, cells []string, lose func(string)) {
	if r.Message == "" && r.Description == "" && r.Remedy == "" {
		lose("a code without a text")
		return
	}
	f.lastCode = r.Code
	f.rows = append(f.rows, r)
}

// append adds a paragraph to the row above.
func (f *filler) append(role Role, text string) {
	last := &f.rows[len(f.rows)-1]
	switch role {
	case RoleMessage:
		last.Message = addParagraph(last.Message, text)
	case RoleDescription:
		last.Description = addParagraph(last.Description, text)
	case RoleRemedy:
		last.Remedy = addParagraph(last.Remedy, text)
	}
}

// other takes the row that stands for all other codes. Its one text is what to do.
func (f *filler) other(r Row) {
	f.fallback = Fallback{r.Description, r.Remedy}
	if r.Description == "" {
		f.fallback.Description = r.Message
	}
	if f.fallback.Remedy == "" && f.fallback.Description != "" {
		f.fallback = Fallback{Remedy: f.fallback.Description}
	}
	f.table.Notes = append(f.table.Notes, "line "+strconv.Itoa(r.Line)+" stands for all other codes: the fallback")
}

// repeats tells whether cells are the headings again.
func (f *filler) repeats(cells []string) bool {
	same := 0
	for i, c := range cells {
		if i < len(f.heads) && c != "" && normal(c) == normal(f.heads[i]) {
			same++
		} else if c != "" {
			return false
		}
	}
	return same > 0
}

var statusList = regexp.MustCompile(`^([1-5]\d\d(?:, ?[1-5]\d\d)+) ?[-–—:] ?([A-Za-z].*)$`) // 500, 502 - Server errors

var codeList = regexp.MustCompile(`\s*(?:\n|,\s|\x{ff0c}|、|;\s|\s/\s|\s\|\s|\bor\b|或)\s*`)

// severalCodes parts a cell that lists codes with one text for all.
func severalCodes(s string) []string {
	parts := codeList.Split(s, -1)
	if len(parts) < 2 || len(parts) > 50 {
		return []string{s}
	}
	for _, p := range parts {
		if codeStrength(p) < number {
			return []string{s}
		}
	}
	return parts
}

var causeSolution = regexp.MustCompile(`(?is)^(?:possible )?(?:causes?|reasons?|原因|原因说明|Ursache|Causa)\s*[:\x{ff1a}]\s*(.*?)\s*\b(?:solutions?|resolutions?|actions?|fix|remedy|解决方案|解决办法|处理措施|Lösung|Solución)\s*[:\x{ff1a}]\s*(.*)$`)

// causes tells whether most descriptions hold both a cause and a solution, by name.
func causes(cols [][]string, roles []Role) bool {
	d := slices.Index(roles, RoleDescription)
	if d < 0 || slices.Contains(roles, RoleRemedy) {
		return false
	}
	n := 0
	for _, c := range cols[d] {
		if causeSolution.MatchString(c) {
			n++
		}
	}
	return n > 0 && n*2 > len(cols[d])
}

func splitCauses(description, remedy string) (string, string) {
	if m := causeSolution.FindStringSubmatch(description); m != nil {
		return tidy(m[1]), tidy(m[2])
	}
	return description, remedy
}

// settle decides between the tables of a page. A list of HTTP statuses beside tables of codes explains these and
// is not imported; a table without headings counts only if nothing else does, or its codes look like the others'.
func settle(all []*reading, titled bool) {
	shapes := map[string]bool{}
	codes, sure := 0, 0
	for _, r := range all {
		if r.table.LeftOut != "" || r.named && !r.convincing(titled) {
			continue
		}
		if !r.statuses && (!r.bare || r.convincing(titled)) {
			codes += len(r.rows)
		}
		if !r.bare {
			sure += len(r.rows)
			for _, row := range r.rows {
				shapes[shape(row.Code)] = true
			}
		}
	}
	for _, r := range all {
		if r.table.LeftOut != "" {
			continue
		}
		if (r.bare || r.named) && !r.statuses && len(r.rows) > 0 && !r.convincing(titled) {
			r.table.LeftOut = "nothing says that its names are error codes"
			continue
		}
		alike := 0
		for _, row := range r.rows {
			if shapes[shape(row.Code)] && codeStrength(row.Code) == mnemonic {
				alike++
			}
		}
		switch {
		case len(r.rows) == 0 && len(r.unplaced) == 0 && r.fallback == (Fallback{}):
			r.table.LeftOut = "no rows"
		case r.statuses && codes > 0:
			r.table.LeftOut = "a list of HTTP statuses beside the codes"
		case r.bare && sure > 0 && alike*2 <= len(r.rows):
			r.table.LeftOut = "no headings, and its codes do not look like those of the other tables"
		}
	}
}

var (
	faultWords = regexp.MustCompile(`(?i)error|exception|invalid|denied|not_?found|no_?such|fail|limit|expired|missing|unauth|forbidden|timeout|exceed|unavail|conflict|unknown|unsupported|mismatch|closed|refused`)
	numbering  = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z]*[-_.]?)?\d{3,}[A-Z]?$`)
)

// convincing tells whether a table that no heading proves to be one of error codes is: statuses or remedies stand
// beside the codes; or they are numbered, on a page about errors; or they are words, below a line about
// errors or themselves such as "InvalidToken", with texts that read like sentences.
func (r *reading) convincing(titled bool) bool {
	beside, numbers, faults, sentences := 0, 0, 0, 0
	for _, row := range r.rows {
		if row.Status > 0 || row.Remedy != "" {
			beside++
		}
		if numbering.MatchString(row.Code) {
			numbers++
		}
		if faultWords.MatchString(row.Code) {
			faults++
		}
		if prose(row.Description) || prose(row.Message) {
			sentences++
		}
	}
	n := len(r.rows)
	switch {
	case 2*beside >= n:
		return true
	case 2*sentences < n:
		return false
	case 10*numbers >= 8*n:
		return titled || r.about
	}
	return n >= 3 && (r.about && !r.named && 10*faults >= n || 5*faults >= 4*n)
}
