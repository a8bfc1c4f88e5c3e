package vendorpage

import (
	"net/http"
	"slices"
	"sort"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// sections are the lines of a page below which an HTTP status holds for the codes that have none of
// their own: a heading "404 Not Found", or a list item above a nested list.
type sections []sectionMark

// sectionMark is a line that begins or ends such a section.
type sectionMark struct {
	line   int
	status int // 0: the section ends
}

// The ranks of lines that begin sections: headings have their level, and list items are below
// plain lines by their indent.
const (
	plainRank = 10
	itemRank  = 20
)

var statusTitle = regexp.MustCompile(`^(?i:(?:http )?(?:status )?(?:code )?)?([345]\d\d)(?:\s*[-–—:(]?\s*([A-Za-z][A-Za-z_ '-]+?)\)?)?[:.]?$`)

// sectionsOf finds the sections of a page.
func sectionsOf(lines []line) (all sections) {
	rank := 0   // of the open section, 0 if none is open
	heads := "" // the line below a title that called its number a status
	for i, l := range lines {
		text := strings.TrimSpace(l.text)
		if text == "" || len(text) > 200 {
			continue
		}
		own := rankOf(l.text)
		if m := accordion.FindStringSubmatch(text); m != nil { // or its end
			text, own = m[1], 1
		}
		stat := titleStatus(text, own)
		if below := strings.TrimSpace(peek(lines, i+1)); stat == 0 && vocabulary[normal(below)] == ofCode {
			if stat = calledStatus(text); stat > 0 {
				heads = below
			} else if heads != "" && below == heads { // the same headings below another title
				heads, rank = "", 0
				all = append(all, sectionMark{line: l.n})
			}
		}
		if stat == 0 && own == plainRank {
			if stat = statedStatus(text); stat > 0 {
				own = itemRank // it holds up to the next heading
			}
		}
		switch {
		case stat > 0:
			rank = own
			all = append(all, sectionMark{l.n, stat})
		case rank > 0 && own != plainRank && (own < rank || own == rank && rank < itemRank): // nested lists of HTML have no indent
			rank = 0
			all = append(all, sectionMark{line: l.n})
		}
	}
	if !slices.ContainsFunc(all, func(m sectionMark) bool { return http.StatusText(m.status) != "" }) {
		return nil // a number that HTTP does not know is a status only beside others
	}
	return all
}

// accordion matches the start of an accordion in MDX, with its title, and the end of one.
var accordion = regexp.MustCompile(`^<Accordion\s[^>]*\btitle="([^"<>]*)"[^>]*>$|^</Accordion>$`)

// rankOf returns the rank of a line.
func rankOf(l string) int {
	text := strings.TrimSpace(l)
	if level := len(text) - len(strings.TrimLeft(text, "#")); level > 0 {
		return level
	}
	if o := openingOf(l); bulleted(o.mark) {
		return itemRank + indentOf(l)
	}
	return plainRank
}

// statusBehind matches the title of a group of errors with their status: "Validation errors (400)".
var statusBehind = regexp.MustCompile(`^(\pL[\pL\pM ,'’/&-]{2,80}?)\s*\((?i:http )?([45]\d\d)\)$`)

// titleStatus returns the status that a line consists of, or 0. Unless the line is a heading or a
// list item, it has HTTP's phrase behind the status.
func titleStatus(l string, rank int) int {
	bare := strings.Trim(strings.TrimLeft(openingOf(l).rest, "# "), "*`_: ")
	if m := statusBehind.FindStringSubmatch(bare); m != nil && rank < plainRank && aboutErrors.MatchString(m[1]) {
		n, _, _ := status(m[2])
		return n
	}
	m := statusTitle.FindStringSubmatch(bare)
	if m == nil {
		return 0
	}
	n, _, _ := status(m[1])
	phrase := http.StatusText(n)
	switch named := phrase != "" && strings.EqualFold(strings.ReplaceAll(m[2], "_", " "), phrase); {
	case rank == plainRank || n < 400:
		if !named {
			return 0
		}
	case phrase == "" && (len(m[2]) < 3 || !isUpper(m[2])): // a vendor's own status has a name: 420 FLOOD
		return 0
	}
	return n
}

// calledStatus returns the status of a line such as "HTTP status code 400", or 0.
func calledStatus(l string) int {
	if !strings.Contains(strings.ToLower(l), "status") {
		return 0
	}
	return titleStatus(l, 1)
}

// statedStatus returns the status from 400 up that a line states and nothing else, or 0:
// "Status: 401".
func statedStatus(l string) int {
	f, ok := statusField(strings.Trim(l, "`> "))
	if !ok {
		return 0
	}
	n, _, _ := status(f.text)
	if n < 400 {
		return 0
	}
	return n
}

// at returns the status that holds for a line, or 0. What shares its line with a title, as in HTML,
// may be above or below it.
func (s sections) at(line int) int {
	i := sort.Search(len(s), func(i int) bool { return s[i].line >= line })
	if i == 0 || i < len(s) && s[i].line == line {
		return 0
	}
	return s[i-1].status
}

// inherit gives the rows of a table without statuses those of their sections.
func (r *reading) inherit(under sections) {
	if len(under) == 0 || r.statuses || slices.ContainsFunc(r.table.Columns, func(c Column) bool { return c.Role == RoleStatus }) {
		return
	}
	for i, row := range r.rows {
		if row.Status == 0 {
			r.rows[i].Status = under.at(row.Line)
		}
	}
}
