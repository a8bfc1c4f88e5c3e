package vendorpage

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var (
	codeStart  = regexp.MustCompile(`^\s*(?:(?:[a-z]+\s+){0,4}enum\s+(?:class\s+|struct\s+)?\w+[^;]*\{?\s*$|(?:[a-z]+\s+){0,4}\$?[\w.]+\s*(?::[^=]*|[\w\[\]<>, ]+)?(?::?=)\s*[^;"']*[{\[(]\s*$)`)
	assigned   = regexp.MustCompile(`^\s*(?:(?:export|public|private|protected|static|final|const|constexpr|readonly)\s+)+[\w:<>]*\s*\w+\s*=\s*(?:-?\w+|"[^"]*"|'[^']*');?\s*(?://.*|/\*.*)?$`)
	defined    = regexp.MustCompile(`^\s*#define\s+(\w+)\s+\(?(-?\d+)\)?\s*(?:/\*+<?\s*(.*?)\s*\*/|//+\s*(.*))$`)
	enumErrors = regexp.MustCompile(`(?i)err|exception|fault|failure|(?:ret|result|return|status|response|resp|biz|business)_?codes?(?:$|[^a-z])|retcode|resultcode|returncode|statuscode|responsecode`)
)

// constant is a member of an enumeration in source code.
type constant struct {
	line    int
	name    string
	numbers []string
	texts   []string // its strings
	status  string
	comment string // before it, or after it in its line
	value   bool   // its only string is its value
}

// findConstants reads an enumeration, a map or a run of #define in a text that contains source
// code.
func findConstants(lines []line, at int) (*grid, int) {
	run := defined // matches each line of a run of constants
	if assigned.MatchString(lines[at].text) {
		run = assigned
	}
	define := run.MatchString(lines[at].text)
	if !define && !codeStart.MatchString(lines[at].text) {
		return nil, 0
	}
	end, depth, opened := at, 0, false
	for ; end < len(lines) && end < at+enumLines; end++ {
		text := lines[end].text
		if define && !run.MatchString(text) && (run == defined || strings.TrimSpace(text) != "" && !strings.HasPrefix(strings.TrimSpace(text), "//")) || strings.HasPrefix(strings.TrimSpace(text), "```") {
			break
		}
		if define {
			continue
		}
		depth += strings.Count(text, "{") + strings.Count(text, "[") + strings.Count(text, "(") - strings.Count(text, "}") - strings.Count(text, "]") - strings.Count(text, ")")
		if opened = opened || depth > 0; opened && depth <= 0 {
			end++
			break
		}
	}
	var text strings.Builder
	for _, l := range lines[at:end] {
		text.WriteString(l.text + "\n")
	}
	grids := sourceGrids(text.String(), lines[at].n, define && topicOf(lines[:at]).about())
	if len(grids) == 0 {
		return nil, 0
	}
	return &grids[0], end
}

// enumLines limits the lines of an enumeration.
const enumLines = 5000

// statusNamed returns the number of a status with a name such as HttpStatus.BAD_REQUEST or
// http.StatusBadRequest, or "".
func statusNamed(name string) string {
	bare := strings.ToLower(strings.ReplaceAll(lastName(name), "_", ""))
	bare = strings.TrimPrefix(strings.TrimPrefix(bare, "http"), "status")
	for n := 100; n < 600; n++ {
		if text := http.StatusText(n); text != "" && strings.NewReplacer(" ", "", "-", "", "'", "").Replace(strings.ToLower(text)) == bare {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// constantsGrid makes a grid of constants. Their codes are the strings before their messages, or
// their strings if comments describe these, or else their numbers if these are long or negative, or
// else their names.
func constantsGrid(name string, at int, all []constant, about bool) *grid {
	if len(all) < 2 {
		return nil
	}
	g := &grid{line: at, headed: true, spans: true, bare: !about && !enumErrors.MatchString(name),
		rows: []gridRow{{line: at, cells: []string{"HTTP status", "Error code", "Message", "Description"}}}}
	numbered, counted, texts, values := true, 0, 0, 0
	comments := commented(all)
	for _, c := range all {
		numbered = numbered && len(c.numbers) == 1
		texts += len(c.texts)
		counted += len(c.numbers)
		if c.value && codeStrength(c.texts[0]) > noCode {
			values++
		}
	}
	valued := values == len(all) // each is the name of a code
	if values > 0 && !valued {
		return nil // codes and texts side by side
	}
	numbered = numbered && (longNumbers(all) || numbersWithTexts(all))
	alone := (texts == 0 || valued) && 2*comments < len(all) // the names say what is wrong, and comments are titles
	if alone && !numbered && !(valued && numberValues(all)) {
		return nil
	}
	for _, c := range all {
		g.rows = append(g.rows, gridRow{line: c.line, cells: c.cells(numbered, valued, alone)})
	}
	if g.bare && namedFaults(all) {
		g.topic = ofErrors
	}
	switch {
	case numbered:
		g.notes = append(g.notes, "the codes are the numbers of the constants, not their names")
	case !valued && counted > 0 && g.rows[1].cells[1] == all[0].name:
		g.notes = append(g.notes, "the codes are the names of the constants, not their numbers, which are short")
	}
	return g
}

// cells returns the status, the code, the message and the description of a constant. numbered says
// that its number is the code, valued that its string is, and alone that its name is the message.
func (c constant) cells(numbered, valued, alone bool) []string {
	row := []string{c.status, c.name, "", plain(c.comment)}
	texts := c.texts
	switch {
	case numbered:
		row[1] = c.numbers[0]
	case valued:
		row[1], texts = texts[0], nil
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
	return row
}

// namedFaults reports whether the names or the texts of most constants say what is wrong.
func namedFaults(all []constant) bool {
	n := 0
	for _, c := range all {
		if saysFault(humps.ReplaceAllString(c.name, "$1 $2") + " " + strings.Join(c.texts, " ") + " " + c.comment) {
			n++
		}
	}
	return 10*n >= 6*len(all) && len(all) > 3
}

// numberValues reports whether the strings of constants are numbers.
func numberValues(all []constant) bool {
	for _, c := range all {
		if codeStrength(c.texts[0]) != number {
			return false
		}
	}
	return true
}

// numbersWithTexts reports whether each constant has a number and a text, NAME(7, "No such cart"),
// which is how source code says what a response contains.
func numbersWithTexts(all []constant) bool {
	var cells []string
	statuses := 0
	for _, c := range all {
		if len(c.texts) == 0 || c.value {
			return false
		}
		cells = append(cells, c.numbers[0])
		if isStatus(c.numbers[0]) {
			statuses++
		}
	}
	return different(cells) && 10*statuses < 9*len(all)
}

// longNumbers reports whether the numbers of constants are codes that responses contain, and not
// just their order or the HTTP statuses.
func longNumbers(all []constant) bool {
	var cells []string
	statuses, long := 0, 0
	for _, c := range all {
		cells = append(cells, c.numbers[0])
		if isStatus(c.numbers[0]) {
			statuses++
		} else if len(c.numbers[0]) > 3 {
			long++
		}
	}
	return (likenessOf(cells) == surely || long > 0 && different(cells)) && 2*statuses <= len(all)
}
