package parse

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Some services answer with a text that has the parts of an envelope under names: YAML, lines of
// names and values, what Go and PHP print. Each form is written as JSON here.

// Of such a text, so many bytes are read, and it has at least so many.
const (
	maxText = 64 << 10
	minText = len("code:1")
)

// fromText returns a text of names and values as JSON. It is ok only if the whole text is one.
// Forms that programs write for themselves too, such as settings, count only in a failed response.
func fromText(text []byte, failed bool) (json []byte, ok bool) {
	if len(text) > maxText || len(text) < minText {
		return nil, false
	}
	switch c := text[0]; {
	case c == '<':
		return nil, false
	case phpPrinted.Match(text):
		return fromPHP(text)
	case strings.IndexByte("m&{", c) >= 0 && goPrinted.Match(text):
		return fromGo(text)
	case c == '{':
		return nil, false
	case bytes.HasPrefix(text, []byte("MSH|")):
		return fromHL7(text)
	}
	if json, ok = fromErrorLine(text); ok {
		return json, true
	}
	switch {
	case firstLabel.Match(text):
		if json, ok = fromYAML(text); !ok {
			json, ok = fromLines(text)
		}
		return json, ok
	case !failed && !failedLine.Match(text):
		return nil, false
	}
	return fromPairs(text)
}

// fromErrorLine returns a text of one line that is an error with a code as JSON.
func fromErrorLine(text []byte) (json []byte, ok bool) {
	if c := text[0] | 0x20; c != 'e' && c != 'f' {
		return nil, false
	}
	m := errorLine.FindSubmatch(text)
	if m == nil {
		return nil, false
	}
	return appendTexts([]pair{{[]byte("errorCode"), m[1]}, {[]byte("errorMessage"), append(m[2], m[3]...)}})
}

var (
	// A text of one line that is an error with a code: ERR: 001, Authentication failed
	// or ERROR = 2 (authorise error)
	errorLine = regexp.MustCompile(`^(?i:err|error|fail|failed)(?:[:|;,= ]+(?i:code)?)[:|;,= #]*(-?\d{1,6}|[A-Z]{1,8}[-_]?\d{1,8})(?:[ \t]*[:|;,-][ \t]*([^\r\n|]{2,200})|[ \t]*\(([^()\r\n]{2,200})\))\s*$`)
	// Lines of pairs of which one says that the call failed.
	failedLine = regexp.MustCompile(`(?m)^(?i:status|result|ack)=(?i:invalid|error|fail|failed|failure|rejected|declined|malformed|notauthed)\r?$`)
)

// fromHL7 returns the negative acknowledgement of HL7 2 as JSON: the code and the text of its ERR
// segment, else those of MSA.
func fromHL7(text []byte) (json []byte, ok bool) {
	code, message := "", ""
	for _, segment := range strings.FieldsFunc(string(text), func(c rune) bool { return c == '\r' || c == '\n' }) {
		fields := append(strings.Split(segment, "|"), "", "", "", "")
		switch name, third := fields[0], fields[3]; name {
		case "MSA":
			if code, message = fields[1], third; !slices.Contains(negativeHL7, code) {
				return nil, false
			}
		case "ERR":
			if parts := strings.Split(third, "^"); code != "" && len(parts) > 1 {
				code, message = parts[0], parts[1]
			}
		}
	}
	return appendTexts([]pair{{[]byte("errorCode"), []byte(code)}, {[]byte("errorMessage"), []byte(message)}})
}

// negativeHL7 are the acknowledgement codes of errors and rejections.
var negativeHL7 = []string{"AE", "AR", "CE", "CR"}

// firstLabel matches a text that begins like a map or a list of YAML.
var firstLabel = regexp.MustCompile(`^(?:---\s*\n)?(?:- )?["']?[A-Za-z_][\w.-]*["']?:(?:[ \t]|\r?\n)`)

// fromYAML returns a map or a list of YAML as JSON.
func fromYAML(text []byte) (json []byte, ok bool) {
	var document yaml.Node
	if yaml.Unmarshal(text, &document) != nil || len(document.Content) != 1 {
		return nil, false
	}
	root := document.Content[0]
	if isOnePair := root.Kind == yaml.MappingNode && len(root.Content) == 2; isOnePair && root.Content[1].Kind == yaml.ScalarNode { // prose with a colon
		return nil, false
	}
	return appendYAML(nil, root, 0)
}

func appendYAML(dst []byte, n *yaml.Node, depth int) (json []byte, ok bool) {
	if depth > maxPrinted {
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		brackets, step := "[]", 1
		if n.Kind == yaml.MappingNode {
			brackets, step = "{}", 2
		}
		dst = append(dst, brackets[0])
		for i := 0; i+step <= len(n.Content); i += step {
			if i > 0 {
				dst = append(dst, ',')
			}
			if step == 2 {
				dst = append(appendQuoted(dst, []byte(n.Content[i].Value)), ':')
			}
			if dst, ok = appendYAML(dst, n.Content[i+step-1], depth+1); !ok {
				return nil, false
			}
		}
		return append(dst, brackets[1]), true
	case yaml.ScalarNode:
		switch text := strings.TrimSpace(n.Value); {
		case n.Tag == "!!null":
			return append(dst, "null"...), true
		case n.Tag == "!!bool":
			return strconv.AppendBool(dst, strings.EqualFold(text, "true")), true
		case n.Tag != "!!str" && numeral.MatchString(text):
			return append(dst, text...), true
		default:
			return appendQuoted(dst, []byte(text)), true
		}
	}
	return nil, false // an alias
}

// line is a line with a name and a value.
var line = regexp.MustCompile(`^["']?([A-Za-z_][\w.-]*)["']?:(?:[ \t]+(.*))?$`)

// fromLines returns lines of names and values as JSON. A line without a name belongs to the value
// before it.
func fromLines(text []byte) (json []byte, ok bool) {
	var pairs []pair
	for l := range bytes.SplitSeq(text, []byte("\n")) {
		l = bytes.TrimRight(l, " \t\r")
		switch m := line.FindSubmatch(l); {
		case m != nil:
			pairs = append(pairs, pair{m[1], bytes.TrimSpace(m[2])})
		case len(pairs) == 0:
			if string(l) != "---" {
				return nil, false
			}
		case len(bytes.TrimSpace(l)) > 0:
			last := &pairs[len(pairs)-1]
			last.value = bytes.TrimSpace(bytes.Join([][]byte{last.value, bytes.TrimSpace(l)}, []byte("\n")))
		}
	}
	return appendTexts(pairs)
}

// pair is a name and a value.
type pair struct{ name, value []byte }

// appendTexts writes pairs as a JSON object. It takes two to make one.
func appendTexts(pairs []pair) (json []byte, ok bool) {
	if len(pairs) < 2 {
		return nil, false
	}
	json = append(json, '{')
	for i, m := range pairs {
		if i > 0 {
			json = append(json, ',')
		}
		json = append(appendQuoted(json, m.name), ':')
		if isQuoted(m.value) {
			json = appendQuoted(json, bytes.ReplaceAll(m.value[1:len(m.value)-1], []byte(`\"`), []byte(`"`)))
		} else {
			json = appendScalar(json, m.value)
		}
	}
	return append(json, '}'), true
}

// isQuoted reports whether a value stands between quotes of either kind.
func isQuoted(value []byte) bool {
	n := len(value)
	return n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0]
}

// appendScalar writes a value without quotes as JSON: a number, a word of JSON, or a text.
func appendScalar(json, value []byte) []byte {
	switch string(value) {
	case "null", "true", "false":
		return append(json, value...)
	}
	if numeral.Match(value) {
		return append(json, value...)
	}
	return appendQuoted(json, value)
}

// name matches a name before an equals sign, and what separates it from the value before it.
var name = regexp.MustCompile(`(^|[,;|]?[ \t\r\n]+|[,;|&])([A-Za-z_][\w.-]*)[ \t]?=[ \t]?`)

// fromPairs returns name=value pairs as JSON, separated by spaces, commas, semicolons or line ends.
// A value goes on to the next name, unless it is between quotes.
func fromPairs(text []byte) (json []byte, ok bool) {
	if first, last := text[0], text[len(text)-1]; first == '[' && last == ']' || first == '(' && last == ')' {
		text = text[1 : len(text)-1]
	}
	var pairs []pair
	for from := 0; from < len(text); {
		m := name.FindSubmatchIndex(text[from:])
		if m == nil || m[0] != 0 {
			return nil, false
		}
		value := text[from+m[1]:]
		end := valueEnd(value)
		pairs = append(pairs, pair{text[from+m[4] : from+m[5]], bytes.TrimRight(bytes.TrimSpace(value[:end]), ",;")})
		if len(pairs) > maxPairs {
			return nil, false
		}
		from += m[1] + end
		if len(bytes.Trim(text[from:], " \t\r\n,;")) == 0 {
			break
		}
	}
	return appendTexts(pairs)
}

// maxPairs is how many pairs a text has at most.
const maxPairs = 64

// valueEnd returns where the value ends that a text begins with. It may be empty.
func valueEnd(text []byte) int {
	if end := quotedEnd(text); end > 0 {
		return end
	}
	next := name.FindIndex(text)
	switch {
	case next == nil:
		return len(text)
	case next[0] > 0:
		return next[0]
	}
	if next = name.FindIndex(append([]byte{' '}, text...)); next == nil {
		return len(text)
	}
	return max(next[0]-1, 0)
}

// quotedEnd returns where a value between quotes ends, 0 if it is not between quotes.
func quotedEnd(value []byte) int {
	if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
		return 0
	}
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\':
			i++
		case value[i] == value[0]:
			if i+1 == len(value) || strings.IndexByte(" \t\r\n,;|&", value[i+1]) >= 0 {
				return i + 1
			}
		}
	}
	return 0
}

// goPrinted matches a map or a struct as Go prints it with %v, %+v and %#v.
var goPrinted = regexp.MustCompile(`^(?:map\[[A-Za-z_]|&?\{[A-Za-z_]\w*:\S|map\[string\][\w{} ]+?\{"|&[\w.]+\{[A-Z])`)

// goSyntax matches the type before a value that %#v prints.
var goSyntax = regexp.MustCompile(`^(?:map\[string\](?:interface ?\{\}|any|string)|&[A-Za-z_][\w.]*)\{`)

func fromGo(text []byte) (json []byte, ok bool) {
	if m := goSyntax.Find(text); m != nil {
		return fromPrinted(text[len(m)-1:])
	}
	g := &goReader{src: text}
	if !g.value(0) || g.at != len(text) {
		return nil, false
	}
	return g.out, true
}

// goReader reads map[a:b c:d] and {A:b C:d}. It writes JSON.
type goReader struct {
	src []byte
	at  int
	out []byte
}

var (
	goName     = regexp.MustCompile(`^([A-Za-z_][\w.-]*):`)
	goNextName = regexp.MustCompile(`^ [A-Za-z_][\w.-]*:(?:[^ /]|$| [A-Za-z_][\w.-]*:)`)
)

func (g *goReader) value(depth int) bool {
	if depth > maxPrinted {
		return false
	}
	rest := g.src[g.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("map[")):
		g.at += len("map[")
		return g.members(']', depth)
	case bytes.HasPrefix(rest, []byte("&{")):
		g.at += len("&{")
		return g.members('}', depth)
	case bytes.HasPrefix(rest, []byte("{")) && goName.Match(rest[1:]):
		g.at++
		return g.members('}', depth)
	case bytes.HasPrefix(rest, []byte("[map[")), bytes.HasPrefix(rest, []byte("[{")):
		return g.items(depth)
	}
	return g.text()
}

func (g *goReader) members(closer byte, depth int) bool {
	g.out = append(g.out, '{')
	for first := true; ; first = false {
		if more, ok := g.next(first, closer, '}'); !more {
			return ok
		}
		m := goName.FindSubmatch(g.src[g.at:])
		if m == nil {
			return false
		}
		g.out = append(appendQuoted(g.out, m[1]), ':')
		g.at += len(m[0])
		if !g.value(depth + 1) {
			return false
		}
	}
}

func (g *goReader) items(depth int) bool {
	g.at++
	g.out = append(g.out, '[')
	for first := true; ; first = false {
		if more, ok := g.next(first, ']', ']'); !more {
			return ok
		}
		if !g.value(depth + 1) {
			return false
		}
	}
}

// next comes to the next element of what is open, of which it may be the first, and reports whether
// there is one. If there is none, ok says whether closer ended it; end is what JSON ends it with.
func (g *goReader) next(first bool, closer, end byte) (more, ok bool) {
	switch {
	case g.at == len(g.src):
		return false, false
	case g.src[g.at] == closer:
		g.at++
		g.out = append(g.out, end)
		return false, true
	case first:
		return true, true
	case g.src[g.at] != ' ':
		return false, false
	}
	g.at++
	g.out = append(g.out, ',')
	return true, true
}

// text reads a bare value: up to the next name, or to the bracket that closes what is around it.
func (g *goReader) text() bool {
	open := 0
	for i := g.at; i < len(g.src); i++ {
		switch c := g.src[i]; {
		case c == ' ' && open == 0 && goNextName.Match(g.src[i:]):
			return g.bare(i)
		case c == '[' || c == '{':
			open++
		case (c == ']' || c == '}') && open > 0:
			open--
		case c == ']' || c == '}':
			return g.bare(i)
		}
	}
	return false
}

func (g *goReader) bare(end int) bool {
	text := g.src[g.at:end]
	g.at = end
	if string(text) == "<nil>" {
		text = []byte("null")
	}
	g.out = appendScalar(g.out, text)
	return true
}
