package vendorpage

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// recordsGrid makes a grid of records: one column for the code, one for the text beside it, one for
// each field, and one for the paragraphs below.
func recordsGrid(at int, all []record) *grid {
	var names []string // of the fields
	splitBesides(all)
	splitStatuses(all)
	for i := range all {
		all[i].readSamples()
		all[i].liftFields()
		all[i].nameStatuses()
		for _, f := range all[i].fields {
			if nameIndex(names, f.name) < 0 && len(names) < maxColumns {
				names = append(names, f.name)
			}
		}
	}
	codeName, besideName := recordHeads(all, names)
	heads := append([]string{codeName, besideName}, names...)
	heads = append(heads, "Description ")
	g := &grid{line: at, headed: true, bare: true, spans: true, rows: []gridRow{{line: at, cells: heads}}}
	for _, r := range all {
		cells := make([]string, len(heads))
		cells[0], cells[1] = r.split()
		for _, f := range r.fields {
			if i := nameIndex(names, f.name); i >= 0 {
				cells[i+2] = addParagraph(cells[i+2], plain(f.text))
			}
		}
		text := strings.Join(r.body, "\n")
		if cells[1] != "" && besideName == "Description" {
			cells[1], text = addParagraph(cells[1], text), ""
		}
		cells[len(cells)-1] = text
		g.rows = append(g.rows, gridRow{line: r.line, cells: cells})
	}
	return dropEmpty(g)
}

// splitBesides splits the texts beside the codes if each is a name and a message with a pipe
// between them.
func splitBesides(all []record) {
	var names, messages []string
	for _, r := range all {
		name, message, ok := strings.Cut(r.beside, " | ")
		if name = strings.TrimSpace(name); !ok || codeStrength(name) == noCode || strings.Contains(message, " | ") {
			return
		}
		names, messages = append(names, name), append(messages, strings.TrimSpace(message))
	}
	for i := range all {
		all[i].beside = names[i]
		all[i].fields = append(all[i].fields, field{"Message", messages[i]})
	}
}

// behindStatus matches a code and its text behind a status: "404 - NO_BOX - There is no such box".
var behindStatus = regexp.MustCompile(`^[*` + "`" + `]*([\w.-]+)[*` + "`" + `]*(?:\s*[:\x{ff1a}]|\s+[-–—|])\s*(\S.*)$`)

// splitStatuses takes the statuses that the records begin with for statuses, if another code
// follows each.
func splitStatuses(all []record) {
	for _, r := range all {
		if m := behindStatus.FindStringSubmatch(r.beside); m == nil || !isStatus(r.term) || codeStrength(m[1]) != mnemonic {
			return
		}
	}
	for i, r := range all {
		m := behindStatus.FindStringSubmatch(r.beside)
		all[i].fields = append(r.fields, field{"HTTP status", r.term})
		all[i].term, all[i].beside = m[1], m[2]
	}
}

// readSamples replaces sample responses below a code by the message that they give for this code.
func (r *record) readSamples() {
	var body []string
	for _, p := range r.body {
		var sample any
		if !strings.HasPrefix(p, "{") || json.Unmarshal([]byte(p), &sample) != nil {
			body = append(body, p)
			continue
		}
		if names, values := flatten(sample, 0); slices.Contains(values, r.term) && !slices.ContainsFunc(r.fields, func(f field) bool { return kindOf(f.name) == ofMessage }) {
			for i, name := range names {
				if kindOf(name) == ofMessage && values[i] != r.term {
					r.fields = append(r.fields, field{"Message", values[i]})
					break
				}
			}
		}
	}
	r.body = body
}

// flatten lists the named texts and numbers of a sample, always in the same order.
func flatten(sample any, depth int) (names, values []string) {
	object, ok := sample.(map[string]any)
	if !ok || depth > 3 {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch v := object[name].(type) {
		case string:
			names, values = append(names, name), append(values, v)
		case float64:
			names, values = append(names, name), append(values, strconv.FormatFloat(v, 'f', -1, 64))
		default:
			n, more := flatten(v, depth+1)
			names, values = append(names, n...), append(values, more...)
		}
	}
	return names, values
}

func nameIndex(names []string, name string) int {
	bare := func(n string) string { return strings.TrimPrefix(normal(n), "error ") }
	return slices.IndexFunc(names, func(n string) bool { return bare(n) == bare(name) })
}

// liftFields turns paragraphs into fields if they are written like fields, as in a <dd>.
func (r *record) liftFields() {
	if len(r.fields) > 0 || len(r.body) == 0 {
		return
	}
	var body []string
	for _, p := range r.body {
		if fs := fieldsOf(p); len(fs) > 0 && fs[0].text != "" {
			r.fields = append(r.fields, fs...)
		} else {
			body = append(body, p)
		}
	}
	r.body = body
}

// nameStatuses calls the status of a code a status where the page calls it a code too:
//
//	UserExists
//	Code: 409 Conflict
func (r *record) nameStatuses() {
	if code, stat, _ := splitCode(r.term); codeStrength(code) != mnemonic || stat > 0 {
		return
	}
	for i, f := range r.fields {
		if kindOf(f.name) == ofCode && isStatus(f.text) {
			r.fields[i].name = "HTTP status"
		}
	}
}

// beginsWithStatus matches a text behind a status: "HTTP 401 — The key is missing."
var beginsWithStatus = regexp.MustCompile(`^(?i:http(?: status)?(?: code)?|status(?: code)?)[: ]\s*([45]\d\d)(?: [A-Z][A-Za-z ]*)?\s*[-–—:.]\s+(\S.*)$`)

// liftStatus turns what is beside a code, or the first paragraph below it, into a field if it is a
// status.
func (r *record) liftStatus() {
	if n, _, _ := status(r.beside); registered(n) && codeStrength(r.term) == mnemonic {
		r.fields = append(r.fields, field{"HTTP status", r.beside})
		r.beside = ""
		return
	}
	if len(r.body) == 0 || codeStrength(r.term) != mnemonic {
		return
	}
	if m := beginsWithStatus.FindStringSubmatch(r.body[0]); m != nil && statusNamed(strings.ToLower(strings.ReplaceAll(m[2], " ", ""))) == "" {
		r.fields = append(r.fields, field{"HTTP status", m[1]})
		r.body[0] = m[2]
	} else if isStatus(r.body[0]) {
		r.fields = append(r.fields, field{"HTTP status", r.body[0]})
		r.body = r.body[1:]
	}
}

// recordHeads names the column of the codes and that of the texts beside them. A text beside the
// code is the message if it is short or if paragraphs follow it; otherwise it is a description. If
// a field is the message, the text beside the code is the error's name.
func recordHeads(all []record, names []string) (code, beside string) {
	besides, below, short, statuses := 0, 0, 0, 0
	for _, r := range all {
		code, text := r.split()
		if isStatus(strings.ReplaceAll(r.term, "\n", " ")) || isStatus(code) {
			statuses++
		}
		if text != "" {
			besides++
			if !endsSentence(text) && len([]rune(text)) <= 80 {
				short++
			}
		}
		if len(r.body) > 0 {
			below++
		}
	}
	code, beside = "Code", "Description"
	if 2*statuses > len(all) {
		code = "Status code"
	}
	if 2*below > len(all) && besides > 0 || len(names) > 0 || 2*short > besides || 2*statuses > len(all) {
		beside = "Message"
	}
	if slices.ContainsFunc(names, func(n string) bool { return kindOf(n) == ofMessage }) {
		beside = "Name"
	}
	return code, beside
}

// phraseOf reports whether a code is HTTP's reason phrase of a status, in one word.
func phraseOf(code string) bool {
	bare := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(code))
	return statusNamed(bare) != ""
}

// split separates the code from the text beside it.
func (r record) split() (code, text string) {
	if r.beside != "" {
		return r.term, r.beside
	}
	if code, phrase, ok := leadingStatus(r.term); ok {
		return code, phrase
	}
	code, stat, text := splitCode(r.term)
	if stat > 0 {
		return r.term, "" // rows.go reads the status
	}
	return code, text
}

// doubtful reports whether too many terms look like prose, or are the members of a message.
func doubtful(all []record) bool {
	sure := 0
	for _, r := range all {
		if _, stat, _ := splitCode(r.term); stat > 0 || len(severalCodes(r.term)) > 1 {
			sure++
		} else if code, _ := r.split(); codeStrength(codePart(code)) >= number || isStatus(r.term) || r.coded && codeStrength(code) > noCode {
			sure++
		}
	}
	return len(all) == 0 || sure*10 < len(all)*7 || fieldList(all)
}

// dropEmpty removes the columns that are empty in all records.
func dropEmpty(g *grid) *grid {
	keep := make([]bool, len(g.rows[0].cells))
	keep[0] = true
	for _, r := range g.rows[1:] {
		for i, c := range r.cells {
			keep[i] = keep[i] || c != ""
		}
	}
	for n := range g.rows {
		var cells []string
		for i, c := range g.rows[n].cells {
			if keep[i] {
				cells = append(cells, strings.TrimSpace(c))
			}
		}
		g.rows[n].cells = cells
	}
	return g
}

// typeInBrackets matches the type of a field at the beginning of its text: "(string, required)".
var typeInBrackets = regexp.MustCompile(`^\((?i:string|integer|int|long|number|float|decimal|boolean|bool|object|array|enum)\b[^()]*\)`)

// fieldList reports whether the terms are the members of a message and not codes.
func fieldList(all []record) bool {
	n := 0
	for _, r := range all {
		code, _ := r.split()
		switch k := vocabulary[normal(code)]; {
		case k == ofCode || k == ofMessage || k == ofText || k == ofField || k == ofName && len(all) < 6:
			n++
		case strings.HasPrefix(code, "error_") || strings.HasSuffix(code, "_id"), typeInBrackets.MatchString(r.beside):
			n++
		}
	}
	return n*3 > len(all)
}

// convincing reports whether plain lines with codes are a list of codes and not a menu of names:
// nearly all of them have a text.
func convincing(all []record) bool {
	good := 0
	for _, r := range all {
		if len(r.fields) > 0 || r.beside != "" || slices.ContainsFunc(r.body[:min(2, len(r.body))], prose) {
			good++
		}
	}
	return len(all) >= 2 && good*4 >= len(all)*3 && (len(all) > 2 || len(all[0].fields) > 0)
}
