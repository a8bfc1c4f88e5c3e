package catalog

import (
	"regexp"
	"strconv"
	"strings"
)

// template is a published message cut at its placeholders. A live message has its arguments between
// the literals.
type template struct {
	literals []string // one more than names
	names    []string
}

// placeholder matches the ways the pages write a place for an argument: "[{id}, ...]" for a list,
// "{0}" and "{error details}" by number and name, "%s" by position.
var placeholder = regexp.MustCompile(`\[\{([^{}\]]+)\}, ?\.\.\.\]|\{([^{}]+)\}|%[sdv]`)

// compile reads a published message. "{0}" is argument "0", the first "%s" is "0",
// "[{id}, ...]" is "id".
func compile(message string) template {
	message = trimStop(message)
	var t template
	literal, end, position := "", 0, 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(message, -1) {
		literal += message[end:m[0]]
		name, next := "", ""
		switch {
		case m[2] >= 0: // the brackets stand around a live list too
			name, literal, next = message[m[2]:m[3]], literal+"[", "]"
		case m[4] >= 0:
			name = message[m[4]:m[5]]
		default:
			name = strconv.Itoa(position)
			position++
		}
		t.literals, t.names = append(t.literals, literal), append(t.names, name)
		literal, end = next, m[1]
	}
	t.literals = append(t.literals, literal+message[end:])
	return t
}

// match reports whether a live message is this one, and returns its arguments. A final stop makes
// no difference. An argument is the shortest text that lets the next literal follow; the last
// argument is all that is left. If a name comes twice, the first argument is kept.
func (t template) match(message string) (map[string]string, bool) {
	if len(t.literals) == 0 || len(t.literals) == 1 && t.literals[0] == "" {
		return nil, false
	}
	message = trimStop(message)
	rest, ok := strings.CutPrefix(message, t.literals[0])
	if !ok {
		return nil, false
	}
	if len(t.names) == 0 {
		return nil, rest == ""
	}
	args := make(map[string]string, len(t.names))
	for i, name := range t.names {
		literal, at := t.literals[i+1], 0
		if i == len(t.names)-1 {
			if !strings.HasSuffix(rest, literal) {
				return nil, false
			}
			at = len(rest) - len(literal)
		} else if at = strings.Index(rest, literal); at < 0 {
			return nil, false
		}
		if _, taken := args[name]; !taken {
			args[name] = strings.TrimSpace(rest[:at])
		}
		rest = rest[at+len(literal):]
	}
	return args, true
}

// Matches reports whether a live message is the entry's, whatever its placeholders stand for.
func (e *Entry) Matches(message string) bool {
	_, matched := e.template.match(message)
	return matched
}

// matches reports whether a live message is the published one, whatever its placeholders stand for.
func matches(published, message string) bool {
	_, matched := compile(published).match(message)
	return matched
}

// trimStop removes surrounding space and one final stop, of any script.
func trimStop(s string) string {
	s = strings.TrimSpace(s)
	for _, stop := range []string{".", "。"} {
		if cut, ok := strings.CutSuffix(s, stop); ok {
			return strings.TrimSpace(cut)
		}
	}
	return s
}
