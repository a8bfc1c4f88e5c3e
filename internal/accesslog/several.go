package accesslog

import (
	"bytes"
	"encoding/binary"
	"strings"

	"errata/internal/bodycoding"
	"errata/internal/jsontree"
)

// several reads a text of more than one line, or of several objects with nothing between them: JSON
// documents, each over any number of lines, and text lines. Each becomes its elements or a dead
// letter, so nothing is lost without a word. If no line is a record, the text as a whole is none,
// and nothing is appended.
func (r *Reader) several(text []byte, at place) (name string, why Reason) {
	before := len(r.elements)
	for rest := trimSpace(text); len(rest) > 0 && len(r.elements) <= maxElements; {
		var one []byte
		if one, rest = r.cutFirst(rest, at.depth); len(rest) == 0 && len(r.elements) == before {
			return r.damaged(one, at) // one document
		}
		if names, ok := fieldsLine(one); ok {
			r.fieldNames = names
		}
		n := len(r.elements)
		format, why := r.oneOf(one, place{at.depth, at.wrapped, one})
		switch {
		case why != "":
			r.deadLetter(why, place{raw: one})
		case len(r.elements) == n: // an array of nothing
			r.deadLetter(ReasonEmpty, place{raw: one})
		}
		if name == "" {
			name = format
		}
	}
	if name != "" {
		return name, ""
	}
	why = r.elements[before].DeadLetter
	r.elements = r.elements[:before]
	if name = r.spanning(text, at); name != "" {
		return name, ""
	}
	return "", why
}

// avroText returns the text of a value that a producer wrote as an Avro string behind the id of a
// schema registry: a zero byte, four of the id, the length. Any other value is returned as it is.
func avroText(value []byte) []byte {
	const head = 5
	if len(value) <= head+1 || value[0] != 0 {
		return value
	}
	if n, size := binary.Varint(value[head:]); size > 0 && n > 0 && n == int64(len(value)-head-size) {
		return value[head+size:]
	}
	return value
}

// decoded returns the record in a value that a producer encoded once more: a JSON string, base64, a
// compressed value. It returns nil if the value is nothing of that.
func (r *Reader) decoded(value []byte) []byte {
	if bytes.HasPrefix(value, []byte(`{\"`)) { // a JSON string that has lost its quotes
		value = append(append([]byte{'"'}, value...), '"')
	}
	switch c := value[0]; {
	case c == '"':
		root := r.claims.Parse(value)
		if r.claims.Ending != jsontree.Whole {
			return nil
		}
		return trimSpace(root.AppendText(nil))
	case c == 0x1f, c == '(', c == 'x', bytes.IndexByte(value, ' ') < 0: // gzip, zstd, zlib, base64
		plain := bodycoding.NewDecoder(&r.claims).Decode(value, "", "")
		if plain.Outcome != bodycoding.Readable || len(plain.Text) == 0 || &plain.Text[0] == &value[0] {
			return nil
		}
		return trimSpace(bytes.Clone(plain.Text))
	}
	return nil
}

// oneOf reads one of several documents or lines.
func (r *Reader) oneOf(one []byte, at place) (name string, why Reason) {
	if one[0] == '{' || one[0] == '[' {
		if tree := &r.level(at.depth).tree; tree.Parse(one).Kind() != jsontree.Missing && tree.Ending != jsontree.Whole {
			return r.damaged(one, at)
		}
		return r.text(one, at)
	}
	return r.textLine(one, at)
}

// cutFirst splits a text after its first JSON document or line.
func (r *Reader) cutFirst(text []byte, depth int) (one, rest []byte) {
	if text[0] != '{' && text[0] != '[' {
		one, rest, _ = bytes.Cut(text, []byte("\n"))
		return trimSpace(one), trimSpace(rest)
	}
	tree := &r.level(depth).tree
	root := tree.Parse(text)
	switch tree.Ending {
	case jsontree.Whole:
		return text, nil
	case jsontree.Trailing:
		end := len(root.Raw())
		if bytes.IndexByte(text[end:tree.Offset], '\n') < 0 && text[tree.Offset] != '{' { // more follows in the same line
			if n := bytes.IndexByte(text[tree.Offset:], '\n'); n >= 0 {
				return trimSpace(text[:tree.Offset+n]), trimSpace(text[tree.Offset+n:])
			}
			return text, nil
		}
		return text[:end], text[tree.Offset:]
	}
	line, after, _ := bytes.Cut(text, []byte("\n"))
	line, after = trimSpace(line), trimSpace(after)
	if tree.Parse(line); tree.Ending != jsontree.Cut || !endsOpen(line) {
		return line, after
	}
	// A document over several lines that is damaged. It ends before the next line that is a
	// document itself.
	for i := len(text) - len(after); i < len(text); {
		line, _, more := bytes.Cut(text[i:], []byte("\n"))
		if len(line) > 0 && (line[0] == '{' || line[0] == '[') {
			if tree.Parse(trimSpace(line)); tree.Ending == jsontree.Whole {
				return trimSpace(text[:i]), text[i:]
			}
		}
		if !more {
			break
		}
		i += len(line) + 1
	}
	return text, nil
}

// endsOpen reports whether JSON may go on in the next line.
func endsOpen(line []byte) bool { return strings.IndexByte("{[,:", line[len(line)-1]) >= 0 }

// spanning reads a record that stands over several lines: JSON after the prefix of a shipper, or a
// text that one of the user's patterns matches as a whole.
func (r *Reader) spanning(text []byte, at place) string {
	if name := r.prefixed(text, at); name != "" {
		return name
	}
	for _, f := range r.formats {
		if f.pattern == nil || len(text) > maxLine {
			continue
		}
		if m := f.pattern.FindIndex(text); m != nil && m[0] == 0 && m[1] == len(text) {
			if name := r.patterned(f, text, at); name != "" {
				return name
			}
		}
	}
	return ""
}
