package vendorpage

import (
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// layoutInduced is the layout of codes that stand in the same place of equally built lines.
const layoutInduced = "equal lines"

// inducedCode matches the places in a line where a code may stand: what precedes it in the same
// words in each line, the code, and what is behind it.
var inducedCode = regexp.MustCompile("^([^0-9]{0,40}?[\\s\"'`(\\[{<:=#*]|)(-?[A-Za-z0-9][A-Za-z0-9_.:/-]*)(.*)$")

var (
	// gluedNumber matches a code that ends in digits, and a text right behind it.
	gluedNumber = regexp.MustCompile(`^([A-Z]{2,10}(?:[-_.]\d{2,6}){1,3}|[A-Z]{1,6}\d{3,6})(\pL.*)$`)
	// namedSentence matches a code in capitals, or of words with underscores, and a sentence behind
	// a space.
	namedSentence = regexp.MustCompile(`^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*|[a-z][a-z0-9]*(?:_[a-z0-9]+)+)\s+([A-Z][a-z]*\s+[a-z].*)$`)
	// gluedSentence matches a number, and a text that begins with a capital right behind it.
	gluedSentence = regexp.MustCompile(`^(-?\d{1,8})((?:\p{Lu}[\pL-]+|A)\s.*)$`)
)

// statusFirst matches a status in brackets before a text.
var statusFirst = regexp.MustCompile(`^\(([45]\d\d)\)\s*[-–—:]?\s*(\S.*)$`)

// numberStatus matches a number and a status in brackets before a text.
var numberStatus = regexp.MustCompile(`^(-?\d{1,8})\s+(\([45]\d\d\)\s.*)$`)

// groupTitle matches the title of a group of codes: "Order errors".
var groupTitle = regexp.MustCompile(`^\s*(?:\pL+ ){1,3}(?i:errors|errores|erreurs|erros):?\s*$`)

// place is where a code stands in a line.
type place struct {
	before string // the words before it, in small letters
	class  strength
	behind string // the mark behind it
}

// anchored is a code in its place.
type anchored struct {
	at   int // the index of its line
	code string
	text string
}

// induce reads codes in lines that no layout fits: each stands in the same place of its line, after
// the same words and before the same mark, and is followed by its texts. Of several such places,
// the one with the most codes counts.
func induce(lines []line) *grid {
	skip, fenced := samples(lines)
	places := map[place][]anchored{}
	var order []place
	for i, l := range lines {
		if skip[i] || fenced[i] != noFence || l.blank() || len(l.text) > 600 {
			continue
		}
		for _, p := range placesIn(l.text) {
			if places[p.place] == nil {
				order = append(order, p.place)
			}
			p.at = i
			places[p.place] = append(places[p.place], p.anchored)
		}
	}
	heads := headingsAbove(lines)
	var best *grid
	most := 0
	for _, p := range order {
		all := announced(lines, heads, places[p])
		if len(all) < 3 || len(all) <= most || !distinctCodes(all) {
			continue
		}
		if g := inducedGrid(lines, p, all); g != nil && g.codes() > 0 {
			if left := len(places[p]) - len(all); left > 0 {
				g.notes = append(g.notes, count(left, "line", "lines")+" left out below headings that are not about errors")
			}
			best, most = g, len(all)
		}
	}
	return best
}

// announced returns the codes without those below later headings that are not about errors, if the
// heading above the first code announces codes. If a text below such a heading says what is wrong,
// the codes below it stay.
func announced(lines []line, heads []int, all []anchored) (kept []anchored) {
	title := func(i int) string {
		if heads[i] < 0 {
			return ""
		}
		return lines[heads[i]].text
	}
	if len(all) == 0 || !announcesCodes.MatchString(title(all[0].at)) {
		return all
	}
	var section []anchored
	about := true // errors, as the heading of the section or its texts say
	for k, a := range all {
		if k > 0 && heads[a.at] != heads[all[k-1].at] {
			if about {
				kept = append(kept, section...)
			}
			section, about = nil, announcesCodes.MatchString(title(a.at)) || aboutErrors.MatchString(title(a.at))
		}
		section, about = append(section, a), about || saysFault(a.text)
	}
	if about {
		kept = append(kept, section...)
	}
	return kept
}

// headingsAbove returns for each line the index of the last heading up to it, or -1.
func headingsAbove(lines []line) []int {
	heads, last := make([]int, len(lines)), -1
	for i, l := range lines {
		if strings.HasPrefix(l.text, "#") {
			last = i
		}
		heads[i] = last
	}
	return heads
}

// placed is an anchored code with its place.
type placed struct {
	place
	anchored
}

// placesIn returns the places of a line in which a code stands: at its start, if it begins with a
// digit or if a mark precedes it, and after words that call it a code or an error.
func placesIn(l string) (found []placed) {
	if m := gluedNumber.FindStringSubmatch(strings.TrimSpace(l)); m != nil {
		return []placed{{place{class: mnemonic, behind: nines(m[1])}, anchored{code: m[1], text: m[2]}}}
	}
	o := openingOf(l)
	if m := namedSentence.FindStringSubmatch(o.rest); m != nil && codeStrength(m[1]) == mnemonic {
		return []placed{{place{before: o.mark, class: mnemonic, behind: " "}, anchored{code: m[1], text: m[2]}}}
	}
	if m := gluedSentence.FindStringSubmatch(strings.TrimSpace(l)); m != nil {
		return []placed{{place{class: number}, anchored{code: m[1], text: m[2]}}}
	}
	if m := numberStatus.FindStringSubmatch(o.rest); m != nil && bulleted(o.mark) {
		return []placed{{place{before: o.mark, class: number, behind: "("}, anchored{code: m[1], text: m[2]}}}
	}
	text := strings.TrimSpace(l)
	mark := o.mark
	if i := strings.IndexByte(mark, '='); i >= 0 {
		mark = mark[:i]
	}
	if mark != "" {
		text = strings.TrimSpace(strings.TrimLeft(text, mark+"0123456789. "))
	}
	m := inducedCode.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	words := strings.ToLower(strings.TrimSpace(m[1]))
	code, rest := strings.TrimRight(m[2], ".:/-"), m[3]
	if cut := m[2][len(code):]; cut != "" {
		rest = cut + rest
	}
	st := codeStrength(code)
	switch {
	case st < number, words == "" && mark == "" && rest != "" && rest[0] != ' ', strings.Trim(words, "\"'`([{<:=#*") != "" && !calledCode.MatchString(words) && !saysError.MatchString(words):
		return nil
	}
	rest = strings.TrimLeft(rest, "\"'`)]}>*")
	behind, text := strings.TrimSpace(separator.FindString(rest)), ""
	if behind == "" && strings.HasPrefix(strings.TrimSpace(rest), "(") {
		behind = "("
	}
	text = strings.TrimSpace(strings.TrimLeft(rest, " \t:=-–—\uff1a"))
	if text == "" {
		behind = "end"
	}
	if strings.HasPrefix(text, "(") && strings.HasSuffix(text, ")") {
		text = text[1 : len(text)-1]
	}
	behind = strings.NewReplacer("–", "-", "—", "-", "\uff1a", ":").Replace(behind)
	if mark+words == "" { // 101, 101.a
		digits := len(code) - len(strings.TrimLeft(code, "0123456789"))
		if digits == 0 {
			return nil
		}
		st = number
		found = append(found, placed{place{"", st, behind + strings.Repeat("9", digits)}, anchored{code: code, text: text}})
	}
	return append(found, placed{place{mark + words, st, behind}, anchored{code: code, text: text}})
}

// distinctCodes reports whether nearly all codes differ.
func distinctCodes(all []anchored) bool {
	seen := map[string]bool{}
	for _, a := range all {
		seen[a.code] = true
	}
	return 10*len(seen) >= 8*len(all)
}

// inducedGrid makes a grid of the codes in one place and the texts between them, or returns nil if
// too few have a text.
func inducedGrid(lines []line, p place, all []anchored) *grid {
	var records []record
	texts, longest := 0, 0
	statuses := statusLines(lines, all)
	for k, a := range all {
		r := record{line: lines[a.at].n, term: a.code, beside: a.text}
		if m := statusFirst.FindStringSubmatch(a.text); m != nil && isStatus(m[1]) {
			r.term, r.beside = a.code+" ("+m[1]+")", m[2]
		}
		end := min(len(lines), a.at+40)
		last := k+1 == len(all)
		if !last {
			end = min(end, all[k+1].at)
			if end == a.at+2 && a.text != "" && groupTitle.MatchString(lines[a.at+1].text) {
				end--
			}
		}
		below := lines[a.at+1 : end]
		if statuses != nil && r.term == a.code {
			r.term, below = a.code+" ("+strings.TrimSpace(lines[statuses[k]].text)+")", lines[a.at+1:statuses[k]]
		}
		r.read(below, last, k > 0, longest, "")
		longest = max(longest, len(r.body)+len(r.fields))
		if r.beside != "" || len(r.body)+len(r.fields) > 0 {
			texts++
		}
		records = append(records, r)
	}
	if 10*texts < 9*len(all) || doubtful(records) {
		return nil
	}
	g := recordsGrid(lines[all[0].at].n, records)
	g.layout = layoutInduced
	above := lines[:all[0].at]
	if n := len(above); n > 0 && groupTitle.MatchString(above[n-1].text) {
		above = above[:n-1] // the text above announces all groups
	}
	g.topic = topicOf(above)
	if saysError.MatchString(p.before) {
		g.topic = ofCodes
	}
	if p.before == "" && g.topic != ofCodes && !sayFaults(g.rows[1:]) {
		return nil // a list of something else, such as ports
	}
	return g
}

// statusLines returns for each code the index of the line with nothing but its status, which ends
// what is said about it. It returns nil if a code has none.
func statusLines(lines []line, all []anchored) (found []int) {
	for k, a := range all {
		end := min(len(lines), a.at+maxStatusDistance)
		if k+1 < len(all) {
			end = min(end, all[k+1].at)
		}
		at := a.at + 2 // a text stands between
		for at < end && !isStatus(strings.TrimSpace(lines[at].text)) {
			at++
		}
		if at >= end || k+1 < len(all) && slices.ContainsFunc(lines[at+1:all[k+1].at], func(l line) bool { return !l.blank() }) {
			return nil
		}
		found = append(found, at)
	}
	return found
}

// maxStatusDistance is how many lines below its code a status may stand.
const maxStatusDistance = 12
