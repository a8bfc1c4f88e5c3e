package vendorpage

import (
	"path"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// messagesTable is the layout of the texts that a program shows, each with its key.
const messagesTable = "messages by key"

// message is a text with its key.
type message struct {
	line      int
	key, text string
}

// readMessages reads the texts of a program by their keys: properties of Java, catalogs of gettext
// and strings of Apple. It returns nil if the page is none. Only keys that name or number errors
// are codes.
func readMessages(name, text string) []part {
	var all []message
	switch strings.ToLower(path.Ext(name)) {
	case ".properties":
		all = properties(strings.Split(text, "\n"))
	case ".po", ".pot":
		all = gettext(strings.Split(text, "\n"))
	case ".strings":
		all = appleStrings(strings.Split(text, "\n"))
	default:
		return nil
	}
	g := textsOfCodes(all)
	if g == nil || 2*len(g.rows) < len(all) {
		g = messagesGrid(all, aboutErrors.MatchString(name+"\n"+firstLine(strings.TrimSpace(text))))
	}
	if g == nil {
		return []part{}
	}
	return []part{{grid: g}}
}

// textOfCode matches a key that names a text of a code: "E1001.message".
var textOfCode = regexp.MustCompile(`^([\w-]+)\.(?i:(message|msg|text)|description|desc)$`)

// findMessages reads lines as those of a properties file if each key names a text of a code.
func findMessages(lines []line, at int) (*grid, int) {
	var all []message
	end := at
	for i := at; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i].text)
		if text == "" {
			continue
		}
		if strings.Count(text, "`")%2 == 1 { // all lines together are set as code
			text = strings.Trim(text, "` ")
		}
		m := property.FindStringSubmatch(text)
		if m == nil || !textOfCode.MatchString(m[1]) {
			break
		}
		all, end = append(all, message{lines[i].n, m[1], tidy(m[2])}), i+1
	}
	return textsOfCodes(all), end
}

// textsOfCodes makes a grid of the texts whose keys name the code that they belong to, or returns
// nil if there are too few.
func textsOfCodes(all []message) *grid {
	g := &grid{layout: messagesTable, headed: true, spans: true, bare: true, rows: []gridRow{{cells: []string{"Error code", "Message", "Description"}}}}
	at := map[string]int{}
	for _, m := range all {
		key := textOfCode.FindStringSubmatch(m.key)
		if key == nil || codeStrength(key[1]) < number || m.text == "" {
			continue
		}
		code, column := key[1], 2
		if key[2] != "" {
			column = 1
		}
		if at[code] == 0 {
			at[code] = len(g.rows)
			g.rows = append(g.rows, gridRow{line: m.line, cells: []string{code, "", ""}})
		}
		g.rows[at[code]].cells[column] = m.text
	}
	if len(g.rows) < 4 {
		return nil
	}
	if sayFaults(g.rows[1:]) {
		g.topic = ofErrors
	}
	g.line = g.rows[1].line
	g.rows[0].line = g.line
	return dropEmpty(g)
}

// property matches a line of a properties file.
var property = regexp.MustCompile(`^([^\s=:#!][^\s=:]*)\s*[=:]\s*(.*)$`)

// properties reads the lines of a properties file. A backslash at the end of a line joins the next.
func properties(lines []string) (all []message) {
	for i := 0; i < len(lines); i++ {
		m := property.FindStringSubmatch(strings.TrimSpace(lines[i]))
		if m == nil {
			continue
		}
		at, value := i+1, m[2]
		for strings.HasSuffix(value, `\`) && i+1 < len(lines) {
			i++
			value = strings.TrimSuffix(value, `\`) + strings.TrimSpace(lines[i])
		}
		all = append(all, message{at, m[1], tidy(unquoted.Replace(escapedRunes(value)))})
	}
	return all
}

// unquoted removes the escapes of a text in a properties file, where Java's formats double a single
// quotation mark.
var unquoted = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\n`, "\n", `\t`, " ", `''`, `'`)

// runeEscape matches a letter that a properties file writes as its number.
var runeEscape = regexp.MustCompile(`\\u[0-9A-Fa-f]{4}`)

func escapedRunes(s string) string {
	return runeEscape.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[2:], 16, 16)
		return string(rune(n))
	})
}

// appleString matches a line of a strings file of Apple: "key" = "text";
var appleString = regexp.MustCompile(`^\s*"((?:[^"\\]|\\.)+)"\s*=\s*("(?:[^"\\]|\\.)*")\s*;`)

// appleStrings reads the lines of a strings file.
func appleStrings(lines []string) (all []message) {
	for i, l := range lines {
		if m := appleString.FindStringSubmatch(l); m != nil {
			text, _ := quoted(m[2])
			all = append(all, message{i + 1, m[1], tidy(text)})
		}
	}
	return all
}

// gettext reads the lines of a catalog: the key (msgid), and its text (msgstr), each of which may
// go on in the next lines.
func gettext(lines []string) (all []message) {
	var to *string
	for i, l := range lines {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "msgid "):
			all = append(all, message{line: i + 1})
			to = &all[len(all)-1].key
		case strings.HasPrefix(l, "msgstr") && len(all) > 0:
			to = &all[len(all)-1].text
		case !strings.HasPrefix(l, `"`):
			to = nil
		}
		if at := strings.IndexByte(l, '"'); at >= 0 && to != nil {
			part, _ := quoted(l[at:])
			*to += part
		}
	}
	return all
}

// keyPrefix matches the part of a key that says that it is about errors, before a number.
var keyPrefix = regexp.MustCompile(`(?i)^(?:[a-z]+[._-])*(?:errors?|err|msg|message|code|exception|fehler)[._-]?(?:code[._-]?)?(\d{2,})$`)

// capitalKey matches a key in capitals, which may be a code as well as one that names an error.
var capitalKey = regexp.MustCompile(`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$`)

// messagesGrid makes a grid of the texts whose keys name errors, or returns nil if there are too
// few. A number behind a word for errors is the code. Unless there are such keys, or nearly all
// keys are numbered, or about says that errors are listed, the texts have to say what is wrong.
func messagesGrid(all []message, about bool) *grid {
	g := &grid{layout: messagesTable, headed: true, spans: true, topic: ofCodes, rows: []gridRow{{cells: []string{"Error number", "Message"}}}}
	numbered, named := 0, 0
	for _, m := range all {
		key := m.key
		if numbering.MatchString(key) {
			numbered++
		}
		if n := keyPrefix.FindStringSubmatch(key); n != nil {
			if saysError.MatchString(strings.ToLower(key)) {
				named++
			}
			key = n[1]
		} else if !faultWords.MatchString(key) && !numbering.MatchString(key) && !(capitalKey.MatchString(key) && saysFault(m.text)) {
			continue
		}
		if codeStrength(key) >= number && m.text != "" {
			g.rows = append(g.rows, gridRow{line: m.line, cells: []string{key, m.text}})
		}
	}
	if len(g.rows) < 4 || !about && named < 3 && 10*numbered < 8*len(all) && !sayFaults(g.rows[1:]) {
		return nil
	}
	g.line = g.rows[1].line
	g.rows[0].line = g.line
	return g
}
