package vendorpage

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// layoutSamples is the layout of codes that a page shows in sample responses only.
const layoutSamples = "sample responses"

// samplesGrid reads the sample responses of a page that gives its codes nowhere else. Each shows
// one error: a code and a message. A name within the samples or the text above has to say that they
// are errors.
func samplesGrid(lines []line) *grid {
	g := &grid{layout: layoutSamples, headed: true, bare: true, spans: true, rows: []gridRow{{cells: []string{"HTTP status", "Error code", "Message"}}}}
	errors := 0
	skip, fenced := samples(lines)
	for i := 0; i < len(lines); i++ {
		if !skip[i] {
			continue
		}
		begin := i
		for i < len(lines) && skip[i] && (i == begin || fenced[i] == fenced[begin]) && !(i > begin && opensSample(lines[i].text)) {
			i++
		}
		row, said, ok := sampleRow(lines[begin:i])
		i--
		if !ok {
			continue
		}
		if said {
			errors++
		}
		g.rows = append(g.rows, row)
	}
	if len(g.rows) < 4 {
		return nil
	}
	g.line = g.rows[1].line
	g.rows[0].line = g.line
	if 2*errors > len(g.rows)-1 {
		g.topic = ofCodes
	}
	return g
}

// opensSample reports whether a line begins a sample, after another one.
func opensSample(l string) bool {
	text := strings.TrimSpace(l)
	return text == "{" || isFence(text) && len(text) > 3
}

// sampleStatus matches the first line of a response.
var sampleStatus = regexp.MustCompile(`^HTTP/[\d.]+ ([45]\d\d)\b`)

// sampleRow reads the sample response in some lines. said reports whether a name in it says that it
// is an error.
func sampleRow(lines []line) (row gridRow, said, ok bool) {
	status, text := "", ""
	for _, l := range lines {
		t := strings.TrimSpace(l.text)
		if m := sampleStatus.FindStringSubmatch(t); m != nil {
			status = m[1]
		}
		if strings.HasPrefix(t, "{") || text != "" && !isFence(t) && !strings.HasPrefix(t, "~~~") {
			if text == "" {
				row.line = l.n
			}
			text += l.text + "\n"
		}
	}
	said, stat, code, message := readSample(text)
	row.cells = []string{cmp.Or(status, stat), code, tidy(message)}
	return row, said || status != "", code != "" && message != ""
}

// readSample reads the code and the message in a response in JSON. said reports whether something
// in it says that it is an error.
func readSample(text string) (said bool, status, code, message string) {
	var sample any
	if json.Unmarshal([]byte(text), &sample) != nil {
		return false, "", "", ""
	}
	names, values := flatten(sample, 0)
	for i, name := range names {
		switch k := kindOf(name); {
		case isStatus(values[i]) && status == "" && (k == ofStatus || k == ofCode):
			status = values[i]
		case k == ofCode && code == "" && codeStrength(values[i]) >= number && !isStatus(values[i]):
			code = values[i]
		case k == ofMessage && message == "":
			message = values[i]
		}
	}
	said = status >= "4" || slices.ContainsFunc(names, func(n string) bool { return saysError.MatchString(strings.ToLower(n)) }) || strings.Contains(strings.ToLower(text), `"error`)
	return said, status, code, message
}
