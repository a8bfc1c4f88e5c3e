package vendorpage

import (
	"net/http"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

var (
	codeStart  = regexp.MustCompile(`^\s*(?:(?:[a-z]+\s+){0,4}enum\s+(?:class\s+|struct\s+)?\w+[^;]*\{?\s*$|(?:[a-z]+\s+){0,4}\$?[\w.]+\s*(?::[^=]*|[\w\[\]<>, ]+)?(?::?=)\s*[^;"']*[{\[(]\s*$)`)
	assigned   = regexp.MustCompile(`^\s*(?:(?:export|public|private|protected|static|final|const|constexpr|readonly)\s+)+[\w:<>]*\s*\w+\s*=\s*(?:-?\w+|"[^"]*"|'[^']*');?\s*(?://.*|/\*.*)?$`)
	defined    = regexp.MustCompile(`^\s*#define\s+(\w+)\s+\(?(-?\d+)\)?\s*(?:/\*+<?\s*(.*?)\s*\*/|//+\s*(.*))$`)
	enumErrors = regexp.MustCompile(`(?i)err|exception|fault|failure|(?:ret|result|return|status|response|resp|biz|business)_?codes?(?:$|[^a-z])|retcode|resultcode|returncode|statuscode|responsecode`)
)

// findConstants reads an enumeration, a map or a run of #define in a text that contains source
// code.
func findConstants(lines []line, at int) (*grid, int) {
	run := defined // matches each line of a run of constants
	if assigned.MatchString(lines[at].text) {
		run = assigned
	}
	define := run.MatchString(lines[at].text)
	if !define && !codeStart.MatchString(lines[at].text) && !structuredStart.MatchString(lines[at].text) {
		return nil, 0
	}
	end, depth, opened := at, 0, false
	for ; end < len(lines) && end < at+enumLines; end++ {
		text := lines[end].text
		if define && !run.MatchString(text) && (run == defined || strings.TrimSpace(text) != "" && !strings.HasPrefix(strings.TrimSpace(text), "//")) || isFence(text) {
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
	grids := sourceGrids(bracedType(text.String()), lines[at].n, define && topicOf(lines[:at]).about())
	if len(grids) == 0 {
		return nil, 0
	}
	return &grids[0], end
}

var (
	structuredStart = regexp.MustCompile(`^\s*TYPE\s+\w+\s*:\s*\(?\s*$`)
	structuredType  = regexp.MustCompile(`(?s)^\s*TYPE\s+(\w+)\s*:\s*\((.*)\)[^()]*;`)
)

// bracedType writes an enumeration of Structured Text (IEC 61131-3) as one of C:
//
//	TYPE E_Fault : (Overheated := 1, (* too hot *) NoPower) UINT;
func bracedType(text string) string {
	if !structuredStart.MatchString(firstLine(text)) {
		return text
	}
	text = strings.NewReplacer("(*", "/*", "*)", "*/").Replace(text)
	return structuredType.ReplaceAllString(text, "enum $1 {$2}")
}

// enumLines limits the lines of an enumeration.
const enumLines = 5000

// otherPhrases are the statuses whose names differ from those that Go gives them.
var otherPhrases = map[string]string{"payloadtoolarge": "413", "contenttoolarge": "413", "uritoolong": "414", "rangenotsatisfiable": "416", "unprocessablecontent": "422"}

// statusNamed returns the number of a status with a name such as HttpStatus.BAD_REQUEST or
// http.StatusBadRequest, or "".
func statusNamed(name string) string {
	bare := strings.ToLower(strings.ReplaceAll(lastName(name), "_", ""))
	bare = strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(bare, "http"), "status"), "0123456789") // HTTP_404_NOT_FOUND
	if n, known := otherPhrases[bare]; known {
		return n
	}
	for n := 100; n < 600; n++ {
		if text := http.StatusText(n); text != "" && strings.NewReplacer(" ", "", "-", "", "'", "").Replace(strings.ToLower(text)) == bare {
			return strconv.Itoa(n)
		}
	}
	return ""
}
