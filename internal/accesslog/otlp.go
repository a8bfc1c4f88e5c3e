package accesslog

import (
	"errata/internal/bodycoding"
	"errata/internal/jsontree"
)

// otlp reads the log records of OTLP/JSON, one element each. A log record becomes an object with
// its own fields, its attributes and those of its resource as top-level keys, and the row of the
// format table reads that. If the body is itself a record of another format, it is read as such and
// completed from here; the record as a whole is still OTLP.
func (r *Reader) otlp(logs jsontree.Value, at place) string {
	var row *format
	for _, f := range r.formats {
		if f.name == "otlp" {
			row = f
		}
	}
	for resource := logs.First(); resource.Kind() != jsontree.Missing; resource = resource.Next() {
		scopes := resource.Get("scopeLogs")
		if scopes.Kind() == jsontree.Missing {
			scopes = resource.Get("instrumentationLibraryLogs") // before OTLP 0.19
		}
		for scope := scopes.First(); scope.Kind() != jsontree.Missing; scope = scope.Next() {
			for log := scope.Get("logRecords").First(); log.Kind() != jsontree.Missing && len(r.elements) <= maxElements; log = log.Next() {
				if at.depth == 1 {
					at.raw = log.Raw()
				}
				if r.logRecord(row, log, resource.Get("resource"), at) == "" {
					r.deadLetter(r.unknown(), at)
				}
			}
		}
	}
	return "otlp"
}

func (r *Reader) logRecord(row *format, log, resource jsontree.Value, at place) string {
	w := r.newObject()
	for m := log.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		switch {
		case m.KeyIs("body"):
			w.key(m.RawKey())
			w.anyValue(m, 0)
		case m.Kind() == jsontree.String:
			w.key(m.RawKey())
			r.buf = append(append(append(r.buf, '"'), m.Raw()...), '"')
		case m.Kind() == jsontree.Number:
			w.key(m.RawKey())
			r.buf = append(r.buf, m.Raw()...)
		}
	}
	w.attributes(log.Get("attributes"), 0)
	w.attributes(resource.Get("attributes"), 0)
	root := r.root(w, at)
	o := r.level(at.depth)
	o.index(root, r.keys)
	o.fill = row
	inner := place{at.depth + 1, at.wrapped, at.raw}
	switch body := o.value(&r.wrappers.otlpBody[0]); body.Kind() {
	case jsontree.Object:
		if name := r.object(body, inner); name != "" {
			return name
		}
	case jsontree.String:
		if name := r.wrapped(r.unescaped(body), inner); name != "" {
			return name
		}
	}
	if row == nil || !row.given && !o.is(r, row) {
		return r.ownNames(row, o, root, at)
	}
	a, ok := r.access(row, o)
	if a.Status == 0 && len(a.Path) == 0 {
		if name := r.ownNames(row, o, root, at); name != "" {
			return name
		}
	}
	if !ok {
		return ""
	}
	r.add(row, a, o, at)
	return row.name
}

// ownNames reads a log record whose attributes have the names of a gateway's own log, as Traefik
// and Envoy export it and a collector's parser makes it of a line, or names that mean the same.
// What that lacks comes from the fields of OTLP.
func (r *Reader) ownNames(row *format, o *object, root jsontree.Value, at place) string {
	for _, f := range r.formats {
		if f.loose || !o.is(r, f) {
			continue
		}
		a, ok := r.access(f, o)
		if !ok {
			continue
		}
		if row != nil {
			otlp, _ := r.access(row, o)
			a = a.filled(otlp)
		}
		r.add(f, a, o, at)
		return f.name
	}
	return r.byMeaning(root, place{at.depth + 1, at.wrapped, at.raw}, false)
}

// attributes writes a list of KeyValue as members.
func (w objectWriter) attributes(list jsontree.Value, depth int) {
	for a := list.First(); a.Kind() != jsontree.Missing; a = a.Next() {
		if key := a.Get("key"); key.Kind() == jsontree.String {
			w.key(key.Raw())
			w.anyValue(a.Get("value"), depth)
		}
	}
}

// maxAnyValue is how deep nested lists are read; deeper ones become null.
const maxAnyValue = 64

// anyValue writes an AnyValue of OTLP as JSON.
func (w objectWriter) anyValue(v jsontree.Value, depth int) {
	r, inner := w.r, v.First()
	switch {
	case inner.KeyIs("stringValue"), inner.KeyIs("intValue"), inner.KeyIs("doubleValue"), inner.KeyIs("boolValue"):
		switch inner.Kind() {
		case jsontree.String:
			r.buf = append(append(append(r.buf, '"'), inner.Raw()...), '"')
			return
		case jsontree.Number, jsontree.Bool:
			r.buf = append(r.buf, inner.Raw()...)
			return
		}
	case inner.KeyIs("bytesValue"):
		if b, _, ok := bodycoding.Base64(inner.AppendText(nil)); ok {
			r.buf = appendQuoted(r.buf, b, false)
			return
		}
	case inner.KeyIs("arrayValue") && depth < maxAnyValue:
		r.buf = append(r.buf, '[')
		for item := inner.Get("values").First(); item.Kind() != jsontree.Missing; item = item.Next() {
			if r.buf[len(r.buf)-1] != '[' {
				r.buf = append(r.buf, ',')
			}
			w.anyValue(item, depth+1)
		}
		r.buf = append(r.buf, ']')
		return
	case inner.KeyIs("kvlistValue") && depth < maxAnyValue:
		r.buf = append(r.buf, '{')
		w.attributes(inner.Get("values"), depth+1)
		r.buf = append(r.buf, '}')
		return
	}
	r.buf = append(r.buf, "null"...)
}
