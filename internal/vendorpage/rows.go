package vendorpage

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	regexp "errata/internal/lazyregexp"
)

// filler makes Rows of the lines of a table.
type filler struct {
	*reading
	roles        []Role
	heads        []string
	code, status int // columns; -1 if there is no status
	spans        bool
	strict       bool // most codes are numbers or mnemonics, so several words are not a code
	causes       bool // descriptions are "Cause: … Solution: …"
	lastCode     string
	lastStatus   string
	titled       int // the HTTP status in the title above, 0 if none
}

func newFiller(r *reading, heads []string, roles []Role, cols [][]string, code int) *filler {
	return &filler{
		reading: r, roles: roles, heads: heads,
		code: code, status: slices.Index(roles, RoleStatus),
		strict: columnOf(heads[code], cols[code]).sure > 0.6,
		causes: causes(cols, roles),
	}
}

// row reads one line of the table. Each step but the last may find that the line is not a row of
// its own; that step then reports the line or adds it to the row above.
func (f *filler) row(row gridRow) {
	switch {
	case !slices.ContainsFunc(row.cells, filled), f.repeats(row.cells):
		return
	case row.lost != "":
		f.lose(row, row.lost)
		return
	case f.single(row), f.overflows(row):
		return
	}
	r := Row{Line: row.line, Message: f.text(row, RoleMessage), Description: f.text(row, RoleDescription), Remedy: f.text(row, RoleRemedy)}
	if f.causes {
		splitCauses(&r)
	}
	if !f.readStatus(row, &r) || f.codeless(row, r) {
		return
	}
	f.readCode(row, r)
}

func filled(cell string) bool { return cell != "" }

// repeats reports whether cells repeat the headings, or that of the codes above further ones.
func (f *filler) repeats(cells []string) bool {
	if f.code < len(cells) && kindOf(cells[f.code]) == ofCode && normal(cells[f.code]) == normal(f.heads[f.code]) {
		return true
	}
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

// single handles a line that says only one thing: a title, another paragraph of the row above, or a
// code without a text.
func (f *filler) single(row gridRow) bool {
	only := slices.IndexFunc(row.cells, filled)
	said := row.cells[only]
	title := sameCells(row.cells) || strings.HasPrefix(said, "**") && strings.HasSuffix(said, "**") // it spans the columns, or is bold
	if !title && (slices.ContainsFunc(row.cells[only+1:], filled) || codeStrength(codePart(said)) != noCode || others(said)) {
		return false
	}
	switch {
	case !title && len(f.rows) > 0 && only != f.code && only < len(f.roles) && f.roles[only] != "" && f.roles[only] != RoleStatus:
		f.goOn(f.roles[only], said)
	case !title && codeStrength(strings.Fields(said)[0]) == mnemonic && len(row.cells) > 1:
		f.lose(row, "a code without a text")
	default:
		f.titled = titleStatus(said, 1)
		f.note(row.line, "is a title: "+clip(said))
	}
	return true
}

// overflows handles a line with more cells than columns, where the right place of each cell is
// unknown.
func (f *filler) overflows(row gridRow) bool {
	if len(row.cells) <= len(f.roles) || !slices.ContainsFunc(row.cells[len(f.roles):], filled) {
		return false
	}
	f.lose(row, "more cells than columns")
	return true
}

// text returns the cell of a role, or "" if there is none or it says nothing.
func (f *filler) text(row gridRow, role Role) string {
	if i := slices.Index(f.roles, role); i >= 0 && i < len(row.cells) && !nothing(row.cells[i]) {
		return row.cells[i]
	}
	return ""
}

// readStatus reads the row's status. A status that precedes the code and is empty spans rows.
// readStatus returns false if the line has slipped, so that a text is in the place of the status.
func (f *filler) readStatus(row gridRow, r *Row) bool {
	stat := f.text(row, RoleStatus)
	if f.status >= 0 && f.status < f.code && f.status < len(row.cells) && row.cells[f.status] == "" && !f.spans {
		stat = f.lastStatus
	}
	f.lastStatus = stat
	n, _, ok := status(stat)
	r.Status = n
	if stat == "" || ok {
		return true
	}
	if raw := f.codeCell(row); raw == stat || len(row.cells) < len(f.roles) || codeStrength(codePart(raw)) == noCode && !others(raw) {
		f.lose(row, "a text is in the place of its status")
		return false
	}
	f.note(row.line, "has a status that is not a number: "+clip(stat))
	return true
}

func (f *filler) codeCell(row gridRow) string {
	if f.code < len(row.cells) {
		return row.cells[f.code]
	}
	return ""
}

// codeless handles a line without a code of its own: the code above spans rows, a cell above
// continues, the code is missing, or the line is for all codes that are not listed.
func (f *filler) codeless(row gridRow, r Row) bool {
	raw := f.codeCell(row)
	spanned := raw == "" && !f.spans
	switch {
	case spanned && f.lastCode != "" && (r.Message != "" || r.Description != "" && !slices.Contains(f.roles, RoleMessage)):
		r.Code = f.lastCode
		f.note(row.line, "has no code of its own: it gets "+r.Code+" from the row above")
		f.keep(row, r)
	case spanned && len(f.rows) > 0 && r.Description+r.Remedy != "" && f.text(row, RoleStatus) == "":
		f.append(RoleDescription, r.Description)
		f.append(RoleRemedy, r.Remedy)
	case nothing(raw):
		f.lose(row, "no code")
	case others(raw):
		f.other(r)
	default:
		return false
	}
	return true
}

// readCode reads the cell of the code. It holds a status if the statuses are the codes, or else one
// or several codes with the same texts, each of which becomes a row.
func (f *filler) readCode(row gridRow, r Row) {
	raw := f.codeCell(row)
	if isRange(raw) {
		f.note(row.line, "stands for a range of codes and is none: "+clip(raw))
		return
	}
	if statusClass.MatchString(raw) {
		f.note(row.line, "stands for a class of HTTP statuses and is no code: "+clip(raw))
		return
	}
	if f.roles[f.code] == RoleStatusCode {
		if n, phrase, ok := status(raw); ok && n > 0 {
			r.Code, r.Status = strconv.Itoa(n), n
			if r.Message == "" {
				r.Message = phrase
			}
			f.keep(row, r)
			return
		}
		if m := statusList.FindStringSubmatch(raw); m != nil {
			raw = m[1]
			if r.Message == "" {
				r.Message = m[2]
			}
		}
	}
	for _, cell := range severalCodes(raw) {
		if !f.readOne(row, r, cell) {
			return
		}
	}
}

// isRange reports whether a cell stands for a range of codes: "1-xxx", "200 - 299", "0100-0199".
func isRange(s string) bool {
	from, to, dashed := strings.Cut(s, "-")
	return rangeOfCodes.MatchString(s) || dashed && len(from) > 2 && len(from) == len(to) && from < to && integer.MatchString(from) && integer.MatchString(to)
}

// readOne keeps a row for one code, with the status or text from the cell of the code. It returns
// false if that cell holds a text and no code.
func (f *filler) readOne(row gridRow, r Row, cell string) bool {
	code, stat, text := splitCode(cell)
	if f.bare && strings.Contains(code, "_") && strings.ContainsFunc(code, lower) && vocabulary[normal(code)] != unknown {
		f.note(row.line, "describes a field of the response: "+code)
		return true
	}
	words := strings.Fields(code)
	if timeOrRatio.MatchString(code) || len(words) > 5 || len(code) > 120 || strings.Contains(code, "\n") || (f.strict || f.bare) && len(words) > 1 && codeStrength(code) == noCode && !spacedCode.MatchString(code) {
		f.lose(row, "the cell of the code contains a text")
		return false
	}
	r.Code = code
	if r.Status == 0 && f.status < 0 {
		r.Status = cmp.Or(stat, f.titled)
		if n, err := strconv.Atoi(code); err == nil && f.roles[f.code] == RoleStatusCode && registered(n) {
			r.Status = n
		}
	}
	switch {
	case text == "":
	case r.Message == "" && !slices.Contains(f.roles, RoleMessage):
		r.Message = text
	case codeStrength(text) == noCode:
		r.Code = cell
	}
	f.keep(row, r)
	return true
}

// keep adds a row if it has a text; otherwise there is nothing to publish.
func (f *filler) keep(row gridRow, r Row) {
	if r.Message == "" && r.Description == "" && r.Remedy == "" {
		f.lose(row, "a code without a text")
		return
	}
	f.lastCode = r.Code
	f.rows = append(f.rows, r)
}

// lose reports a line that is not a row.
func (f *filler) lose(row gridRow, reason string) {
	f.unplaced = append(f.unplaced, Unplaced{row.line, clip(strings.Join(row.cells, " | ")), reason})
}

// note reports how a line was understood if that is not certain.
func (f *filler) note(line int, what string) {
	f.table.Notes = append(f.table.Notes, "line "+strconv.Itoa(line)+" "+what)
}

// goOn adds a line to the row above: the rest of a sentence that was broken to fit the column, or a
// paragraph.
func (f *filler) goOn(role Role, said string) {
	first, _ := utf8.DecodeRuneInString(said)
	last := &f.rows[len(f.rows)-1]
	for r, text := range map[Role]*string{RoleMessage: &last.Message, RoleDescription: &last.Description, RoleRemedy: &last.Remedy} {
		if r == role && unicode.IsLower(first) && *text != "" && !endsSentence(*text) {
			*text = wrap(*text, said)
			return
		}
	}
	f.append(role, said)
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

// other reads the row for all other codes. If it has one text, that is what to do.
func (f *filler) other(r Row) {
	f.fallback = Fallback{r.Description, r.Remedy}
	if r.Description == "" {
		f.fallback.Description = r.Message
	}
	if f.fallback.Remedy == "" && f.fallback.Description != "" {
		f.fallback = Fallback{Remedy: f.fallback.Description}
	}
	f.note(r.Line, "stands for all other codes: the fallback")
}

var (
	spacedCode    = regexp.MustCompile(`^[A-Z]{1,6} \d{2,}$|^\S+\s*[(\x{ff08}\[]`) // E 1001, E1001 (obsolete)
	calledCode    = regexp.MustCompile(`(?i)code|kod|код|码|碼|コード|코드|código|kód|رمز|كود|κωδικ|รหัส|کد|קוד|koodi`)
	rangeOfCodes  = regexp.MustCompile(`^(?:[A-Za-z]{0,5}\d{1,4}[-_.]?)(?:x{3,}|X{3,})$|^\d{1,3}(?:x+|X+)$|^(?:\d{2,}|0[xX][0-9A-Fa-f]+)(?: *[–—~] *| +(?:-|to) +|\.\.+)(?:\d{2,}|0[xX][0-9A-Fa-f]+)$|^\d+\+$`) // 1-xxx, 10x, 200 - 299, 10+
	timeOrRatio   = regexp.MustCompile(`^\d+(?::\d+)+$`)
	statusClass   = regexp.MustCompile(`^[1-5](?:[xX]{2}|\*\*)(?:\s*[-–,/]\s*[1-5](?:[xX]{2}|\*\*))*$`)
	statusList    = regexp.MustCompile(`^([1-5]\d\d(?:, ?[1-5]\d\d)+) ?[-–—:] ?([A-Za-z].*)$`) // 500, 502 - Server errors
	causeSolution = regexp.MustCompile(`(?is)^(?:(.*[.。!])\s*)?(?:possible )?\b(?:causes?|reasons?|原因|原因说明|Ursache|Causa)\s*[:\x{ff1a}]\s*(.*?)\s*\b(?:solutions?|resolutions?|actions?|fix|remedy|解决方案|解决办法|处理措施|Lösung|Solución)\s*[:\x{ff1a}]\s*(.*)$`)
)

// causes reports whether most descriptions name both a cause and a solution.
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

// splitCauses splits a description that names both a cause and a solution. A text before the cause
// is the message.
func splitCauses(r *Row) {
	m := causeSolution.FindStringSubmatch(r.Description)
	switch {
	case m == nil, m[1] != "" && r.Message != "":
		return
	case m[1] != "":
		r.Message = tidy(m[1])
	}
	r.Description, r.Remedy = tidy(m[2]), tidy(m[3])
}
