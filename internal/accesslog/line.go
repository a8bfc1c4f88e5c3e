package accesslog

import (
	"bytes"
	"strconv"
	"strings"
)

// maxLine is the greatest length of a text line that is matched against patterns and templates.
const maxLine = 1 << 20

// template splits a text line. It is written as the vendors write theirs: $name stands for a value,
// everything else for itself. A value ends at the first occurrence of the text after it in the
// template. A value before a space or at the end of the line contains no space, unless a bar or a
// bracket follows the space. $_ at the end stands for anything. So a line is read once, from left
// to right, without backtracking.
type template struct {
	head  string // before the first value
	parts []part
	open  bool // anything may follow
}

type part struct {
	name, until string
	word        bool // holds no space
	user        bool // the name of a user, which may hold spaces
}

func compileTemplate(text string) (t template) {
	head, rest, _ := strings.Cut(text, "$")
	t.head = head
	for rest != "" {
		end := 0
		for end < len(rest) && (rest[end] == '_' || 'a' <= rest[end]|0x20 && rest[end]|0x20 <= 'z' || '0' <= rest[end] && rest[end] <= '9') {
			end++
		}
		name := rest[:end]
		until, next, _ := strings.Cut(rest[end:], "$")
		if name == "_" {
			t.open = true
			break
		}
		word := until == "" || until[0] == ' ' && !strings.HasPrefix(until, " |") && !strings.HasPrefix(until, " [")
		user := !word && strings.Contains(strings.ToLower(name), "user")
		t.parts, rest = append(t.parts, part{name, until, word, user}), next
	}
	return t
}

// match appends the values of a line, one for each part, and returns what follows them.
func (t *template) match(line []byte, values [][]byte) (all [][]byte, rest []byte, ok bool) {
	if !bytes.HasPrefix(line, []byte(t.head)) {
		return nil, nil, false
	}
	rest = line[len(t.head):]
	for _, p := range t.parts {
		value := rest
		if p.until == "" {
			rest = nil
		} else {
			i := bytes.Index(rest, []byte(p.until))
			for p.until == " " && i > 0 && rest[i-1] == ',' { // nginx separates the tries of an upstream with ", "
				next := bytes.IndexByte(rest[i+1:], ' ')
				if next < 0 {
					return nil, nil, false
				}
				i += 1 + next
			}
			if i < 0 {
				return nil, nil, false
			}
			value, rest = rest[:i], rest[i+len(p.until):]
		}
		if value = trimSpace(value); len(value) > 1 && value[0] == '"' && quotedEnd(value) == len(value) {
			value = value[1 : len(value)-1]
		}
		if p.word && (p.until != " " && hasSpace(value) || len(value) > 0 && value[0] == '"' && bytes.Count(value, []byte(`"`)) == 1) {
			return nil, nil, false
		}
		if p.user && !isUser(value) {
			return nil, nil, false
		}
		values = append(values, value)
	}
	return values, rest, t.open || len(rest) == 0
}

// isUser reports whether what stands before the time can be a user: neither the address of an
// upstream nor a prefix of the line with the client.
func isUser(value []byte) bool {
	first, _, _ := bytes.Cut(value, []byte(","))
	return !isAddress(first) && !bytes.Contains(value, []byte(" - "))
}

// hasSpace reports whether a value has a space other than those of a list: 192.0.2.1, 10.0.0.1
func hasSpace(value []byte) bool {
	for i, c := range value {
		if c == ' ' && (i == 0 || value[i-1] != ',') {
			return true
		}
	}
	return false
}

// line reads a text line: one that a gateway wrote, or a record after a prefix of CRI or syslog. It
// returns the format, "" if there is none.
func (r *Reader) line(line []byte, at place) string {
	if name := r.prefixed(line, at); name != "" {
		return name
	}
	if len(line) > maxLine {
		return ""
	}
	line = r.withoutColors(line)
	if name := r.keyValues(line, at); name != "" {
		return name
	}
	if name := r.formatted(line, at); name != "" {
		return name
	}
	if folded, ok := r.folded(line); ok { // columns that were padded
		if name := r.formatted(folded, at); name != "" {
			return name
		}
	}
	for _, separator := range [...]string{"\t", "|"} {
		if name := r.labeled(line, separator, at); name != "" {
			return name
		}
	}
	if name := r.columns(line, r.fieldNames, at); name != "" {
		return name
	}
	if name := r.byShape(line, at); name != "" {
		return name
	}
	return r.pairsIn(line, at)
}

// pairsIn reads the key=value pairs of a line that has other words too.
func (r *Reader) pairsIn(line []byte, at place) string {
	if bytes.Count(line, []byte("=")) < leastPairs {
		return ""
	}
	w := r.newObject()
	if time := timeIn(piecesOf(line, spaces)); time != nil {
		w.member("time", time)
	}
	w.pairs(line)
	return r.named(w, at)
}

// leastPairs are those that a request needs: method, path and status.
const leastPairs = 3

// folded returns a line with single spaces between its parts. It is not ok if they are already.
func (r *Reader) folded(line []byte) (folded []byte, ok bool) {
	if !bytes.Contains(line, []byte("  ")) {
		return nil, false
	}
	from, quoted := len(r.buf), false
	for i, c := range line {
		if c == '"' && (i == 0 || line[i-1] != '\\') {
			quoted = !quoted
		}
		if c == ' ' && !quoted && i > 0 && line[i-1] == ' ' {
			ok = true
			continue
		}
		r.buf = append(r.buf, c)
	}
	return r.buf[from:len(r.buf):len(r.buf)], ok
}

// formatted reads a line with the patterns and the templates of the formats.
func (r *Reader) formatted(line []byte, at place) string {
	for _, f := range r.formats {
		if f.pattern != nil {
			if name := r.patterned(f, line, at); name != "" {
				return name
			}
		}
		if name := r.templates(f, line, at); name != "" {
			return name
		}
	}
	return ""
}

// pairs writes the key=value pairs and key: "value" pairs in the rest of a line as members. What
// stands between them is passed over.
func (w objectWriter) pairs(rest []byte) {
	for len(rest) > 0 {
		if rest[0] == '"' {
			end := quotedEnd(rest)
			if end < 0 { // the line is cut off
				return
			}
			rest = rest[end:]
			continue
		}
		word := rest
		if end := bytes.IndexAny(rest, " \""); end >= 0 {
			word = rest[:max(end, 1)]
		}
		rest = rest[len(word):]
		key, value, _ := bytes.Cut(word, []byte("="))
		if len(value) == 0 {
			if rest = trimSpace(rest); len(rest) == 0 || rest[0] != '"' || !bytes.HasSuffix(word, []byte("=")) && !bytes.HasSuffix(word, []byte(":")) {
				continue
			}
			end := quotedEnd(rest)
			if end < 0 {
				return
			}
			key, value, rest = word[:len(word)-1], rest[1:end-1], rest[end:]
		}
		if isKey(key) {
			w.member(string(key), bytes.TrimRight(value, ",;"))
		}
	}
}

// keyValues reads a line of key=value pairs, as logrus and others write it, like a JSON object with
// these members: time="2026-01-01T00:00:00Z" level=info method=GET status=200. Commas may separate
// them.
func (r *Reader) keyValues(line []byte, at place) string {
	if end := bytes.IndexByte(line, '='); end <= 0 || !isKey(line[:end]) {
		return ""
	}
	w := r.newObject()
	for rest := line; len(rest) > 0; rest = bytes.TrimLeft(rest, " ,") {
		key, value, ok := bytes.Cut(rest, []byte("="))
		if !ok || !isKey(key) {
			return ""
		}
		w.key(key)
		if len(value) > 0 && value[0] == '"' {
			end := quotedEnd(value)
			if end < 0 {
				return ""
			}
			r.buf = append(r.buf, value[:end]...)
			rest = value[end:]
			continue
		}
		value, rest, _ = bytes.Cut(value, []byte(" "))
		r.buf = appendQuoted(r.buf, bytes.TrimRight(value, ","), false)
	}
	return r.named(w, at)
}

// isKey reports whether a text may be the key of a key=value pair.
func isKey(text []byte) bool {
	for _, c := range text {
		if !(c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return false
		}
	}
	return len(text) > 0
}

// quotedEnd returns the length of the quoted text with which a text begins, -1 if it has no end.
func quotedEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// patterned reads a text with the user's pattern of a format.
func (r *Reader) patterned(f *format, text []byte, at place) string {
	m := f.pattern.FindSubmatchIndex(text)
	if m == nil {
		return ""
	}
	w := r.newObject()
	for i, name := range f.pattern.SubexpNames() {
		if name != "" && m[2*i] >= 0 {
			w.member(name, text[m[2*i]:m[2*i+1]])
		}
	}
	o := r.parsed(w, at)
	a, ok := r.access(f, o)
	if !ok {
		return ""
	}
	r.add(f, a, o, at)
	return f.name
}

// templates reads a line with the templates of a format. A line without a time and a status is
// something else that looks similar. Where columns changed between versions, the template that
// finds a path is the right one.
func (r *Reader) templates(f *format, line []byte, at place) string {
	for _, withPath := range [...]bool{true, false} {
		for i := range f.templates {
			t := &f.templates[i]
			values, rest, ok := t.match(line, r.values[:0])
			if !ok {
				continue
			}
			r.values = values
			w := r.newObject()
			for i, p := range t.parts {
				w.member(p.name, values[i])
			}
			w.pairs(rest)
			if ms, ok := latencyBehind(rest); ok {
				w.member("latency_ms", strconv.AppendFloat(nil, ms, 'f', -1, 64))
			}
			if bytes.Contains(rest, []byte(`"{`)) || bytes.Contains(rest, []byte(`"[{`)) {
				w.loggedBody(piecesOf(rest, spaces))
			}
			o := r.parsed(w, at)
			a, _ := r.access(f, o)
			if a.Time.IsZero() || len(a.Path) == 0 && withPath || a.Status == 0 && !t.hasNoResponse(f, values) {
				continue
			}
			r.add(f, a, o, at)
			return f.name
		}
	}
	return ""
}

// hasNoResponse reports whether a line has in the place of its status that there was no response.
func (t *template) hasNoResponse(f *format, values [][]byte) bool {
	for i, p := range t.parts {
		for _, s := range f.status {
			if len(s.path) == 1 && s.path[0] == p.name && noResponse(string(values[i])) {
				return true
			}
		}
	}
	return false
}

// noResponse reports whether a status says that the client gave up before there was one.
func noResponse(status string) bool {
	return status == "0" || status == "000" || status == "-1" || status == "-"
}

// withoutColors removes the escape sequences with which programs color a terminal: ESC [ 97;42 m.
func (r *Reader) withoutColors(line []byte) []byte {
	if bytes.IndexByte(line, 0x1b) < 0 {
		return line
	}
	from := len(r.buf)
	for i := 0; i < len(line); i++ {
		if line[i] == 0x1b {
			if end := bytes.IndexByte(line[i:min(len(line), i+20)], 'm'); end > 0 && line[i+1] == '[' {
				i += end
				continue
			}
		}
		r.buf = append(r.buf, line[i])
	}
	return r.buf[from:]
}
