package vendorpage

import (
	"slices"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// unfold gives each row of a table that is written on one line a line of its own. numbers are the
// lines' numbers on the page.
func unfold(lines []string) (all []string, numbers []int) {
	for i, l := range unglue(lines) {
		rows := []string{l}
		for _, unfold := range unfolds {
			if found := unfold(l, all); found != nil {
				rows = found
				break
			}
		}
		for _, row := range rows {
			all, numbers = append(all, row), append(numbers, i+1)
		}
	}
	return all, numbers
}

// unfolds are the ways to write a table on one line. Each returns the rows of a line, which is
// below the given ones, or nil if the line is not written like that.
var unfolds = []func(l string, above []string) []string{unfoldPipes, unfoldGlued, unfoldWords, unfoldDashes, unfoldSentences, unfoldPeriod}

// gluedName matches a code in capitals with a text right behind it: NOT_FOUNDThe item is missing.
var gluedName = regexp.MustCompile(`^(\s*(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{5,}))([A-Z][a-z]+(?:['’][a-z]+)? \S.*)$`)

// unglue separates codes from the texts right behind them, if several lines begin like that.
func unglue(lines []string) []string {
	seen := map[string]bool{}
	for _, l := range lines {
		if m := gluedName.FindStringSubmatch(l); m != nil {
			seen[m[1]] = true
		}
	}
	if len(seen) < 3 {
		return lines
	}
	all := make([]string, len(lines))
	for i, l := range lines {
		all[i] = gluedName.ReplaceAllString(l, "$1 $2")
	}
	return all
}

var inlineRuler = regexp.MustCompile(`\|(?:\s*:?-{2,}:?\s*\|){2,}`)

// unfoldPipes unfolds a table with pipes, whose ruler is in the middle of the line. It returns nil
// if the line is none, or if the pipes do not add up to rows.
func unfoldPipes(l string, _ []string) []string {
	if strings.Count(l, "|") < 8 || !strings.Contains(l, "--") {
		return nil
	}
	m := inlineRuler.FindStringIndex(l)
	if m == nil {
		return nil
	}
	columns := strings.Count(l[m[0]:m[1]], "|") - 1
	before := strings.Split(strings.TrimSuffix(strings.TrimSpace(l[:m[0]]), "|"), "|")
	after := strings.Split(strings.TrimSuffix(strings.TrimSpace(l[m[1]:]), "|"), "|")
	if len(before) < columns || len(after) < columns {
		return nil
	}
	row := func(cells []string) string { return "|" + strings.Join(cells, "|") + "|" }
	rows := []string{row(before[len(before)-columns:]), l[m[0]:m[1]]}
	if prose := strings.TrimSpace(strings.Join(before[:len(before)-columns], "|")); prose != "" {
		rows = append([]string{prose, ""}, rows...)
	}
	for at := 0; at < len(after); at += columns + 1 {
		switch text := strings.TrimSpace(after[at]); {
		case text != "" && at+1 == len(after) && at > 0: // the text after the table
			return append(rows, "", text)
		case text != "" || at+columns >= len(after):
			return nil
		}
		rows = append(rows, row(after[at+1:at+1+columns]))
	}
	return rows
}

// unfoldWords unfolds a line that begins with headings from the vocabulary, code first, and goes on
// with codes and their texts: "Error Code Description A_1 Bad name. A_2 No such thing."
func unfoldWords(l string, _ []string) []string {
	words := strings.Fields(l)
	if len(words) < 8 || len(l) > 100_000 || vocabulary[normal(words[0])] == unknown && vocabulary[normal(words[0]+" "+words[1])] == unknown {
		return nil
	}
	if rows := unfoldStatuses(words); rows != nil {
		return rows
	}
	heads := 2
	for heads < len(words) && heads < 24 && (codeStrength(words[heads]) < mnemonic || !strings.ContainsAny(words[heads], "0123456789_")) {
		heads++
	}
	if heads == len(words) || segment(strings.Join(words[:heads], " ")) == nil {
		return nil
	}
	rows := []string{strings.Join(words[:heads], " ")}
	begin, first := heads, shape(words[heads])
	for i := heads + 1; i <= len(words); i++ {
		if i < len(words) && (shape(words[i]) != first || !endsSentence(words[i-1])) {
			continue
		}
		rows = append(rows, strings.Join(words[begin:i], " "))
		begin = i
	}
	if len(rows) < 3 {
		return nil
	}
	return rows
}

// unfoldStatuses unfolds headings with the status first and the code second, and rows that begin
// with a status and a code.
func unfoldStatuses(words []string) (rows []string) {
	begin := func(i int) bool {
		n, err := strconv.Atoi(words[i])
		return err == nil && registered(n) && i+2 < len(words) && codeStrength(words[i+1]) >= word && strings.ContainsFunc(words[i+1], letter)
	}
	heads := 2
	for heads < len(words) && heads < 24 && !begin(heads) {
		heads++
	}
	if heads >= 24 || heads == len(words) {
		return nil
	}
	names := segment(strings.Join(words[:heads], " "))
	if roles := assign(names, nil); len(roles) < 3 || roles[0] != RoleStatus || roles[1] != RoleCode {
		return nil
	}
	from := 0
	for i := heads; i < len(words); i++ {
		if i == heads || begin(i) && endsSentence(words[i-1]) {
			rows, from = append(rows, strings.Join(words[from:i], " ")), i
		}
	}
	if rows = append(rows, strings.Join(words[from:], " ")); len(rows) < 3 {
		return nil
	}
	return rows
}

var dashedCode = regexp.MustCompile(`(?:[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+|[1-9]\d{2,5}) ?[—–] `)

// unfoldDashes unfolds a line of codes, each with a long dash and its text, that nothing separates:
// "ERR_001— Bad name.ERR_002— No such thing."
func unfoldDashes(l string, _ []string) (rows []string) {
	begins := dashedCode.FindAllStringIndex(l, -1)
	if len(begins) < 3 || begins[0][0] != 0 {
		return nil
	}
	first := shape(strings.TrimRight(l[:begins[0][1]], " —–"))
	for i, b := range begins {
		end := len(l)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		code, text := strings.TrimRight(l[b[0]:b[1]], " —–"), strings.TrimSpace(l[b[1]:end])
		if shape(code) != first || text == "" {
			return nil
		}
		rows = append(rows, code+" — "+text)
	}
	return rows
}

// unfoldSentences unfolds a line of codes in capitals and sentences with nothing between them:
// "NO_GATEThe gate is not there.BAD_KEYThe key does not fit."
func unfoldSentences(l string, _ []string) (rows []string) {
	if l = strings.TrimSpace(l); len(l) > 100_000 || strings.Count(l, "_") < 2 {
		return nil
	}
	joined, from := 0, 0
	for i := 1; i <= len(l); i++ {
		if i < len(l) && (!strings.ContainsRune(".!?", rune(l[i-1])) || !gluedSentenceCode.MatchString(l[i:min(len(l), i+maxGluedHeads)])) {
			continue
		}
		m := gluedSentenceCode.FindStringSubmatch(l[from:i])
		if m == nil {
			return nil
		}
		if strings.Contains(m[1], "_") {
			joined++
		}
		rows, from = append(rows, m[1]+" "+m[2]), i
	}
	if len(rows) < 3 || 2*joined < len(rows) {
		return nil
	}
	return rows
}

// maxPeriod limits the columns of a table on one line.
const maxPeriod = 6

// unfoldPeriod unfolds rows with pipes that are all in one line, below a line that ends in their
// headings. The codes come again at the same distance.
func unfoldPeriod(l string, above []string) []string {
	if strings.Count(l, "|") < 8 || len(above) == 0 || isRuler(l) {
		return nil
	}
	cells, open := splitPipes(l)
	heads, _ := splitPipes(above[len(above)-1])
	if open || len(heads) < 2 {
		return nil
	}
	for n := min(maxPeriod, len(heads)); n >= 2; n-- {
		names := append([]string{}, heads[len(heads)-n:]...)
		if len(cells)%n != 0 || len(cells) < 3*n {
			continue
		}
		names[0] = headAtEnd(names[0])
		roles := assign(names, nil)
		code := slices.Index(roles, RoleCode)
		if code < 0 || !evenCodes(cells, code, n) {
			continue
		}
		rows := []string{"", "|" + strings.Join(names, "|") + "|", "|" + strings.Repeat("---|", n)}
		for at := 0; at < len(cells); at += n {
			rows = append(rows, "|"+strings.Join(cells[at:at+n], "|")+"|")
		}
		return append(rows, "")
	}
	return nil
}

// evenCodes reports whether each n-th cell is another code.
func evenCodes(cells []string, at, n int) bool {
	seen := map[string]bool{}
	for ; at < len(cells); at += n {
		if codeStrength(cells[at]) < number || seen[cells[at]] {
			return false
		}
		seen[cells[at]] = true
	}
	return true
}

// headAtEnd returns the known heading at the end of a text, behind a sentence.
func headAtEnd(s string) string {
	words := strings.Fields(s)
	for i := max(0, len(words)-4); i < len(words); i++ {
		if h := strings.Join(words[i:], " "); vocabulary[normal(h)] != unknown {
			return h
		}
	}
	return s
}

// unfoldGlued unfolds a line that begins with headings and goes on with rows, all without anything
// between the cells: "CodeDescription1001Bad name.1002No such thing."
func unfoldGlued(l string, _ []string) []string {
	if l = strings.TrimSpace(l); len(l) < 60 || len(l) > 100_000 || vocabulary[normal(firstHead(l))] == unknown {
		return nil
	}
	for cut := min(len(l)-1, maxGluedHeads); cut > 3; cut-- {
		if !gluedBegins(l, cut) {
			continue
		}
		heads := gluedHeads(l[:cut])
		roles := assign(heads, nil)
		table, ok := gluedTableOf(roles)
		if len(roles) < 2 || !ok || roles[0] != RoleCode {
			continue
		}
		rows, from := []string{l[:cut]}, cut
		first := gluedShape(l[cut:], roles[1])
		for at := cut + 1; at <= len(l); at++ {
			if at < len(l) && (!gluedBegins(l, at) || !strings.ContainsRune(".!?", rune(l[at-1])) || gluedShape(l[at:], roles[1]) != first) {
				continue
			}
			row := l[from:at]
			if cells, _ := table.row(row); cells == nil {
				return nil
			}
			rows, from = append(rows, row), at
		}
		if first != "" && len(rows) > 3 {
			return rows
		}
	}
	return nil
}

// maxGluedHeads limits the length of headings without anything between them.
const maxGluedHeads = 120

// firstHead returns the word that a line begins with, up to a capital within it.
func firstHead(l string) string {
	for i := range l {
		if i > 0 && (l[i] == ' ' || gluePoint(l[:i], l[i:])) {
			return l[:i]
		}
	}
	return l
}

// gluedBegins reports whether a cell may begin at a place of a line: at a capital or a digit right
// after something that is neither.
func gluedBegins(l string, at int) bool {
	before, first := rune(l[at-1]), rune(l[at])
	return (upper(first) || digit(first)) && before != ' ' && !upper(before) && !digit(before) && before < 0x80
}

// gluedShape returns what the codes at the start of such rows have in common, or "" if there is no
// code: "status" for a status behind the code, or else the shape of a number.
func gluedShape(row string, second Role) string {
	if second == RoleStatus {
		if gluedStatus.MatchString(row) {
			return "status"
		}
		return ""
	}
	if code := gluedCode(row); integer.MatchString(code) && upper(rune(row[len(code)])) {
		return shape(code)
	}
	return ""
}
