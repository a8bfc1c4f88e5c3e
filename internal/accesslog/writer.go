package accesslog

import "errata/internal/jsontree"

// objectWriter writes a JSON object to the end of the Reader's buffer. The object stays there until
// the next Read, because a body may be read from it.
type objectWriter struct {
	r    *Reader
	from int
}

func (r *Reader) newObject() objectWriter {
	w := objectWriter{r, len(r.buf)}
	r.buf = append(r.buf, '{')
	return w
}

// parsed ends an object and makes it the one at at's depth.
func (r *Reader) parsed(w objectWriter, at place) *object {
	r.buf = append(r.buf, '}')
	o := r.level(at.depth)
	o.index(o.tree.Parse(r.buf[w.from:]), r.keys)
	return o
}

func (w objectWriter) key(name []byte) {
	if w.r.buf[len(w.r.buf)-1] != '{' {
		w.r.buf = append(w.r.buf, ',')
	}
	w.r.buf = append(w.r.buf, '"')
	w.r.buf = append(w.r.buf, name...) // as JSON has it
	w.r.buf = append(w.r.buf, '"', ':')
}

// member writes a text of a line. It keeps the \xHH with which nginx writes quotes: jsontree undoes
// it.
func (w objectWriter) member(name string, text []byte) {
	w.key([]byte(name))
	w.r.buf = appendQuoted(w.r.buf, text, true)
}

// root ends an object and returns it.
func (r *Reader) root(w objectWriter, at place) jsontree.Value {
	r.buf = append(r.buf, '}')
	return r.level(at.depth).tree.Parse(r.buf[w.from:len(r.buf):len(r.buf)])
}

// copy writes a value as it is.
func (w objectWriter) copy(v jsontree.Value) {
	r := w.r
	if v.Kind() == jsontree.String {
		r.buf = append(append(append(r.buf, '"'), v.Raw()...), '"')
		return
	}
	r.buf = append(r.buf, v.Raw()...)
}

// appendQuoted appends a text as a JSON string. With keepHex it leaves \xHH as it is.
func appendQuoted(buf, text []byte, keepHex bool) []byte {
	buf = append(buf, '"')
	for i, c := range text {
		if c == '"' || c == '\\' && !(keepHex && i+1 < len(text) && text[i+1] == 'x') {
			buf = append(buf, '\\')
		}
		buf = append(buf, c)
	}
	return append(buf, '"')
}
