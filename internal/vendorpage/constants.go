package vendorpage

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var (
	enumStart    = regexp.MustCompile(`^\s*(?:[a-z]+\s+){0,3}enum\s+(?:class\s+|struct\s+)?(\w+)[^;]*\{?\s*$`)
	enumCall     = regexp.MustCompile(`^(\w+)\s*\((.*)\)\s*[,;]?\s*(?:(?://|/\*+)\s*(.*?)\s*(?:\*/)?)?$`)
	enumValue    = regexp.MustCompile(`^(\w+)\s*=\s*(-?\w+|"[^"]*"|'[^']*')\s*[,;]?\s*(?:(?://+|#|/\*+)\s*(.*?)\s*(?:\*/)?)?$`)
	defined      = regexp.MustCompile(`^\s*#define\s+(\w+)\s+\(?(-?\d+)\)?\s*(?:/\*+<?\s*(.*?)\s*\*/|//+\s*(.*))$`)
	mapStart     = regexp.MustCompile(`^\s*(?:[a-z]+\s+){0,4}\$?([\w.]+)\s*(?::[^=]*|[\w\[\]<>, ]+)?(?::?=)\s*[^;"']*[{\[(]\s*$`)
	mapEntry     = regexp.MustCompile(`^\s*["'\x60]?(-?[\w.]+)["'\x60]?\s*(?::|=>|,)\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*[,;)]*\s*(?://.*)?$`)
	commentMarks = regexp.MustCompile(`^(?:/\*+|\*+/?|//+)\s*|\s*\*+/$`)
	enumErrors   = regexp.MustCompile(`(?i)err|exception|fault|failure|retcode|resultcode|returncode|statuscode|responsecode`)
)

// constant is a member of an enumeration in source code.
type constant struct {
	line    int
	name    string
	numbers []string
	texts   []string // its strings
	status  string
	comment string // before it, or after it in its line
}

// findConstants reads an enumeration of errors in source code: Java's with arguments, those of
// TypeScript and C with values, or a run of #define. A comment describes the constant below it or
// before it in its line.
func findConstants(lines []line, at int) (*grid, int) {
	if defined.MatchString(lines[at].text) {
		return defines(lines, at)
	}
	if m := mapStart.FindStringSubmatch(lines[at].text); m != nil && enumErrors.MatchString(m[1]) {
		return mapped(lines, at)
	}
	m := enumStart.FindStringSubmatch(lines[at].text)
	if m == nil {
		return nil, 0
	}
	var all []constant
	var comment []string
	end := at + 1
	for ; end < len(lines) && end < at+enumLines; end++ {
		text := strings.TrimSpace(lines[end].text)
		switch {
		case text == "", strings.HasPrefix(text, "@"), text == "{", text == ",":
			continue
		case text[0] == '}', text[0] == ';':
			return constantsGrid(m[1], lines[at].n, all), end + 1
		case strings.HasPrefix(text, "/*"), strings.HasPrefix(text, "*"), strings.HasPrefix(text, "//"):
			if c := commentMarks.ReplaceAllString(commentMarks.ReplaceAllString(text, ""), ""); c != "" && c[0] != '@' {
				comment = append(comment, c)
			}
			continue
		}
		c, ok := readConstant(text)
		if !ok {
			break
		}
		c.line = lines[end].n
		if c.comment == "" {
			c.comment = joinLines(comment)
		}
		all, comment = append(all, c), nil
		if strings.HasSuffix(text, ";") && enumCall.MatchString(text) {
			return constantsGrid(m[1], lines[at].n, all), end + 1
		}
	}
	return constantsGrid(m[1], lines[at].n, all), end
}

// enumLines limits the lines of an enumeration.
const enumLines = 5000

// readConstant reads a line such as `NAME(1001, "Text"),` or `NAME = 3; // Text`.
func readConstant(text string) (c constant, ok bool) {
	if m := enumCall.FindStringSubmatch(text); m != nil {
		c.name, c.comment = m[1], m[3]
		for _, arg := range arguments(m[2]) {
			switch {
			case arg[0] == '"' || arg[0] == '\'':
				c.texts = append(c.texts, strings.ReplaceAll(strings.Trim(arg, `"'`), `\"`, `"`))
			case integer.MatchString(arg):
				c.numbers = append(c.numbers, arg)
			case strings.HasPrefix(arg, "HttpStatus."):
				c.status = statusNamed(strings.TrimPrefix(arg, "HttpStatus."))
			}
		}
		return c, len(c.numbers)+len(c.texts) > 0
	}
	if m := enumValue.FindStringSubmatch(text); m != nil {
		c.name, c.comment = m[1], m[3]
		if value := strings.Trim(m[2], `"'`); value != m[2] || integer.MatchString(value) {
			c.numbers = []string{value}
		}
		return c, true
	}
	return c, false
}

// arguments splits the arguments of a call at its commas.
func arguments(s string) (all []string) {
	quote, depth, at := rune(0), 0, 0
	for i, r := range s + "," {
		switch {
		case quote != 0:
			if r == quote && s[i-1] != '\\' {
				quote = 0
			}
		case r == '"' || r == '\'':
			quote = r
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			if arg := strings.TrimSpace(s[at:i]); arg != "" {
				all = append(all, arg)
			}
			at = i + 1
		}
	}
	return all
}

// statusNamed returns the number of a status with a name such as BAD_REQUEST, or "".
func statusNamed(name string) string {
	phrase := strings.ReplaceAll(name, "_", " ")
	for n := 100; n < 600; n++ {
		if text := http.StatusText(n); text != "" && strings.EqualFold(text, phrase) {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// constantsGrid makes a grid of constants. Their codes are the strings before their messages, or
// else their numbers if these are long or negative, or else their names.
func constantsGrid(name string, at int, all []constant) *grid {
	if len(all) < 2 {
		return nil
	}
	g := &grid{line: at, headed: true, spans: true, bare: !enumErrors.MatchString(name),
		rows: []gridRow{{line: at, cells: []string{"HTTP status", "Error code", "Message", "Description"}}}}
	numbered, texts, comments := true, 0, 0
	for _, c := range all {
		numbered = numbered && len(c.numbers) == 1
		texts += len(c.texts)
		if c.comment != "" {
			comments++
		}
	}
	numbered = numbered && longNumbers(all)
	alone := texts == 0 && 2*comments < len(all) // the names say what is wrong, and comments are titles
	if alone && !numbered {
		return nil
	}
	for _, c := range all {
		row := []string{c.status, c.name, "", plain(c.comment)}
		texts := c.texts
		switch {
		case numbered:
			row[1] = c.numbers[0]
		case len(texts) > 1 && codeStrength(texts[0]) > noCode:
			row[1], texts = texts[0], texts[1:]
		case len(c.numbers) == 1 && isStatus(c.numbers[0]):
			row[0] = c.numbers[0]
		}
		switch {
		case len(texts) > 0:
			row[2] = tidy(texts[0])
		case alone:
			row[2], row[3] = c.name, ""
		}
		g.rows = append(g.rows, gridRow{line: c.line, cells: row})
	}
	return g
}

// longNumbers reports whether the numbers of constants are codes that responses contain, and not
// just their order or the HTTP statuses.
func longNumbers(all []constant) bool {
	var cells []string
	statuses := 0
	for _, c := range all {
		cells = append(cells, c.numbers[0])
		if isStatus(c.numbers[0]) {
			statuses++
		}
	}
	return likenessOf(cells) == surely && 2*statuses <= len(all)
}

// defines reads a run of #define with negative or long numbers and comments.
func defines(lines []line, at int) (*grid, int) {
	var all []constant
	end := at
	for ; end < len(lines); end++ {
		m := defined.FindStringSubmatch(lines[end].text)
		if m == nil {
			break
		}
		all = append(all, constant{line: lines[end].n, name: m[1], numbers: []string{m[2]}, comment: m[3] + m[4]})
	}
	if len(all) < 2 || !longNumbers(all) {
		return nil, 0
	}
	g := constantsGrid("", lines[at].n, all)
	return g, end
}

// mapped reads a map in source code from codes to messages.
func mapped(lines []line, at int) (*grid, int) {
	g := &grid{line: lines[at].n, headed: true, spans: true, rows: []gridRow{{line: lines[at].n, cells: []string{"Error code", "Message"}}}}
	end := at + 1
	for ; end < len(lines) && end < at+enumLines; end++ {
		text := strings.TrimSpace(lines[end].text)
		if text == "" || strings.HasPrefix(text, "//") || strings.HasPrefix(text, "#") {
			continue
		}
		m := mapEntry.FindStringSubmatch(text)
		if m == nil || codeStrength(m[1]) < number {
			break
		}
		message := strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\n`, "\n").Replace(m[2] + m[3])
		if strings.HasPrefix(message, "{") {
			break // an object as text
		}
		g.rows = append(g.rows, gridRow{line: lines[end].n, cells: []string{m[1], tidy(message)}})
	}
	if len(g.rows) < 3 {
		return nil, 0
	}
	return g, end
}
