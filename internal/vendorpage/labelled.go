package vendorpage

import (
	"slices"
	"strings"
)

// findLabelled reads codes on lines of their own, above texts whose names have lines of their own
// too, as extractors write what a page folds in:
//
//	31
//	Description
//	The label is torn.
//	Resolution
//	Print another one.
//
// The same name has to follow each code.
func findLabelled(lines []line, at int) (*grid, int) {
	first, begin := labelBelow(lines, at)
	if first == "" || begin-at > labelGap {
		return nil, 0
	}
	var all []record
	most := map[string]int{} // the paragraphs below each name
	end := at
	for i := at; i < len(lines); {
		r, ok := labelledCode(lines[i])
		name, body := labelBelow(lines, i)
		if !ok || name != first {
			break
		}
		next := body
		for next < len(lines) && next < body+80 && !beginsLabelled(lines, next, first) {
			next++
		}
		more := next < len(lines) && beginsLabelled(lines, next, first)
		end = r.readLabelled(lines[body-1:next], most, !more) + body - 1
		all = append(all, r)
		if !more {
			break
		}
		i = next
	}
	if len(all) < 2 {
		return nil, 0
	}
	return recordsGrid(lines[at].n, all), end
}

// labelGap limits the lines from a code to the text below the name under it.
const labelGap = 4

// labelOf returns the name of a text if a line consists of one, or "".
func labelOf(l line) string {
	text := strings.TrimSpace(l.text)
	if len(text) > 60 || !labels[vocabulary[normal(text)]] {
		return ""
	}
	return text
}

// labels are what the names of texts announce.
var labels = map[kind]bool{ofMessage: true, ofText: true, ofCause: true, ofRemedy: true, ofStatus: true}

// labelBelow returns the name of a text that stands right below a line, and the index of the line
// after it. The name is "" if there is none.
func labelBelow(lines []line, at int) (name string, next int) {
	for next = at + 1; next < len(lines) && lines[next].blank(); next++ {
	}
	if next == len(lines) {
		return "", next
	}
	return labelOf(lines[next]), next + 1
}

// labelledCode reads a line that holds a code and perhaps a text.
func labelledCode(l line) (r record, ok bool) {
	code, _, text := splitCode(strings.TrimSpace(l.text))
	if len(l.text) > 200 || codeStrength(code) < number {
		return r, false
	}
	return record{line: l.n, term: code, beside: text}, true
}

// beginsLabelled reports whether a record begins at a line: a code with the given name below it.
func beginsLabelled(lines []line, at int, name string) bool {
	if lines[at].blank() {
		return false
	}
	if below, _ := labelBelow(lines, at); below != name {
		return false
	}
	_, ok := labelledCode(lines[at])
	return ok
}

// readLabelled reads the names and the texts below a code. The last text of the last record has no
// more paragraphs than it had above. readLabelled returns the number of lines that it has used.
func (r *record) readLabelled(lines []line, most map[string]int, last bool) (used int) {
	name, paragraphs := "", 0
	for i, l := range lines {
		if l.blank() {
			continue
		}
		if label := labelOf(l); label != "" {
			name, paragraphs = label, 0
			r.fields = append(r.fields, field{name: name})
			continue
		}
		if last && (paragraphs > 0 && paragraphs >= most[name] || strings.HasPrefix(l.text, "#")) {
			break
		}
		paragraphs++
		most[name] = max(most[name], paragraphs)
		f := &r.fields[len(r.fields)-1]
		f.text = addParagraph(f.text, plain(l.text))
		used = i + 1
	}
	r.fields = slices.DeleteFunc(r.fields, func(f field) bool { return nothing(f.text) })
	return used
}
