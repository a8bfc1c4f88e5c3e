package vendorpage

import (
	"strings"
)

// findPairs reads numbers that stand alone, each above its texts, below a title that announces
// codes:
//
//	Error codes
//	001
//	Please send a name.
//	002
//	The name is too long.
//
// Nothing else shows that the numbers are codes, so each has to have as
// many texts as the first.
func findPairs(lines []line, at int) (*grid, int) {
	if !loneCode(lines[at].text) || topicOf(lines[:at]) != ofCodes {
		return nil, 0
	}
	var all []record
	each, end := 0, at
	for i := at; i < len(lines); {
		if lines[i].blank() {
			i++
			continue
		}
		code := strings.Trim(strings.TrimSpace(lines[i].text), "*`# ")
		if !loneCode(lines[i].text) {
			break
		}
		r := record{line: lines[i].n, term: code}
		next := i + 1
		for ; next < len(lines) && len(r.body) <= maxPair && !loneCode(lines[next].text); next++ {
			text := strings.TrimSpace(lines[next].text)
			if strings.HasPrefix(text, "#") || strings.ContainsAny(text, "{}|\t") || junk(text) || len(r.body) > 0 && len(r.body) == each {
				break
			}
			if text != "" {
				r.body = append(r.body, plain(text))
			}
		}
		if len(r.body) == 0 || len(r.body) > maxPair || each > 0 && len(r.body) != each {
			break
		}
		each = len(r.body)
		all = append(all, r)
		i, end = next, next
	}
	if len(all) < 3 {
		return nil, 0
	}
	for i := range all {
		if each > 1 {
			all[i].beside, all[i].body = all[i].body[0], all[i].body[1:]
		}
	}
	return recordsGrid(lines[at].n, all), end
}

// maxPair limits the texts of a code in pairs.
const maxPair = 3

// loneCode reports whether a line holds nothing but a number.
func loneCode(l string) bool {
	code := strings.Trim(strings.TrimSpace(l), "*`")
	return code != "" && integer.MatchString(code)
}
