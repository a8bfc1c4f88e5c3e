package vendorpage

import "strings"

// turn makes one table of those that are each about one error, with a row for each of its
// properties. One of these is the code, or else the heading of the table is:
//
//	Error code | NotFound
//	Status     | 404
//
// There have to be two such tables at least: one may as well be the description of a message.
func turn(grids []grid) []grid {
	var all []record
	var first grid
	var rest []grid
	for _, g := range grids {
		r, ok := vertical(g)
		if !ok {
			rest = append(rest, g)
			continue
		}
		if len(all) == 0 {
			first = g
		}
		all = append(all, r)
	}
	if len(all) < 2 {
		return grids
	}
	g := recordsGrid(first.line, all)
	g.layout, g.topic, g.bare = first.layout, first.topic, false
	return append(rest, *g)
}

// vertical reads a table of two columns, property and value, as the record of one error. Most
// properties are headings of error tables, one is the code and looks like a code, and there is a
// status or a text.
func vertical(g grid) (r record, ok bool) {
	rows := g.rows
	if len(rows) > 0 && len(rows[0].cells) == 2 && propertyHeads[normal(rows[0].cells[0])] && propertyHeads[normal(rows[0].cells[1])] {
		rows = rows[1:]
	}
	if len(rows) < 2 || len(rows) > maxColumns {
		return r, false
	}
	says, known, fields := false, 0, false
	seen := map[string]bool{}
	for _, row := range rows {
		if len(row.cells) != 2 || seen[normal(row.cells[0])] {
			return r, false
		}
		name, value := row.cells[0], row.cells[1]
		seen[normal(name)] = true
		kind := vocabulary[normal(name)]
		if kind != unknown && kind != ofField {
			known++
		}
		if kind == ofCode && r.term == "" {
			if codeStrength(codePart(value)) < number {
				return r, false
			}
			r.line, r.term = row.line, value
			continue
		}
		fields = fields || kind == ofField
		says = says || kind == ofStatus && isStatus(value) || kind != ofAttribute && prose(value)
		r.fields = append(r.fields, field{name, value})
	}
	if r.term == "" && !fields { // the heading of the table is the code
		r.line, r.term = g.line, g.above
	}
	return r, r.term != "" && says && 2*known >= len(rows)
}

// codeAbove returns the last of the lines if it is a heading that consists of a code, or "".
func codeAbove(lines []line) string {
	for i := len(lines) - 1; i >= 0 && i > len(lines)-4; i-- {
		if lines[i].blank() {
			continue
		}
		o := openingOf(lines[i].text)
		code := strings.Trim(anchor.ReplaceAllString(o.rest, "$1"), "*`# ")
		if strings.HasPrefix(o.mark, "#") && codeStrength(code) >= number && !isStatus(code) {
			return code
		}
		return ""
	}
	return ""
}

// propertyHeads are the headings that such a table may have.
var propertyHeads = map[string]bool{"": true, "field": true, "property": true, "item": true, "attribute": true, "key": true, "name": true,
	"value": true, "content": true, "details": true, "detail": true, "字段": true, "属性": true, "项目": true, "值": true, "内容": true, "項目": true, "値": true, "항목": true, "값": true}
