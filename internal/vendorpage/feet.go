package vendorpage

import (
	"strings"

	regexp "errata/internal/lazyregexp"
)

// pageNumber matches the foot of a printed page: Manual    Page 12 of 30.
var pageNumber = regexp.MustCompile(`(?i)^(?:\S.{0,200}\s{2,})?(?:(?:page|página|pagina|seite|strona|страница|стр\.|sayfa|trang|halaman|side|sida)\s+\d{1,4}(?:\s*(?:/|of|de|di|von|van|z|из|sur)\s*\d{1,4})?|第\s*\d{1,4}\s*[页頁](?:\s*[/,，]?\s*共\s*\d{1,4}\s*[页頁])?|[-–—]\s*\d{1,4}\s*[-–—]|\d{1,4}\s*/\s*\d{1,4})(?:\s{2,}\S.{0,200})?$`)

// withoutFeet removes the feet of printed pages from lines. A blank line or a form feed,
// which counts as one, is below a foot. Where a row follows, it goes on with the rows above.
func withoutFeet(lines []string, numbers []int) (kept []string, of []int) {
	for i := 0; i < len(lines); i++ {
		if !pageFoot(lines, i) {
			kept, of = append(kept, lines[i]), append(of, numbers[i])
			continue
		}
		for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) == "" {
			i++
		}
		if i+1 < len(lines) && beginsWithCode(strings.TrimSpace(lines[i+1])) {
			for len(kept) > 0 && strings.TrimSpace(kept[len(kept)-1]) == "" {
				kept, of = kept[:len(kept)-1], of[:len(of)-1]
			}
		}
	}
	return kept, of
}

// pageFoot reports whether a line is the foot of a printed page.
func pageFoot(lines []string, i int) bool {
	text := strings.TrimSpace(lines[i])
	if len(text) > 300 || !strings.ContainsAny(text, "0123456789") {
		return false
	}
	last := i+1 == len(lines) || strings.TrimSpace(lines[i+1]) == ""
	return last && pageNumber.MatchString(text) && !beginsWithCode(text)
}

// beginsWithCode reports whether a line begins with a number or a code, as a row does.
func beginsWithCode(text string) bool { return codeStrength(firstToken(text)) >= number }

// rowRuler matches the second of the two lines that an extractor writes below each row of a table
// if it takes every row for a table of its own. The first is a pipe.
var rowRuler = regexp.MustCompile(`^\|?\s*:?-{3,}:?\s*\|$`)

// rulerLines limits the lines from a row's ruler to the next one.
const rulerLines = 30

// withoutRowRulers removes the rulers below the rows of a table. The first one becomes a ruler as
// wide as the headings above it.
func withoutRowRulers(lines []string, numbers []int) (kept []string, of []int) {
	last := -rulerLines
	for i := 0; i < len(lines); i++ {
		if i == 0 || i+1 == len(lines) || strings.TrimSpace(lines[i]) != "|" || !rowRuler.MatchString(strings.TrimSpace(lines[i+1])) {
			kept, of = append(kept, lines[i]), append(of, numbers[i])
			continue
		}
		if i-last >= rulerLines {
			kept, of = append(kept, "---"+strings.Repeat("|---", max(1, strings.Count(lines[i-1], "|")))), append(of, numbers[i+1])
		}
		i++
		last = i
	}
	return kept, of
}
