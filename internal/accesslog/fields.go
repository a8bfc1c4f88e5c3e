package accesslog

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"errata/internal/bodycoding"
	"errata/internal/jsontree"
)

// From an object to an Access: what the sources of each field lead to.

// access returns the fields of o that f names, as read does.
func (r *Reader) access(f *format, o *object) (a Access, ok bool) {
	ok = r.read(&a, f, o)
	return a, ok
}

// read reads the fields of o that f names into a, which is zero. It is not ok if o has none of
// those that make a request: status, path or body; or the time, in a format with keys of its own.
func (r *Reader) read(a *Access, f *format, o *object) (ok bool) {
	a.Tenant = r.name(o, f.tenant)
	a.Service = r.name(o, f.service)
	a.Route = r.name(o, f.route)
	a.Method = r.name(o, f.method)
	a.Path = pathOf(r.kept(o, f.path))
	a.RequestID = r.kept(o, f.requestID)
	a.ContentType = r.lower(o, f.contentType)
	a.ContentEncoding = r.lower(o, f.contentEncoding)
	a.GatewayCode = r.name(o, f.gatewayCode)
	a.GatewayMessage = r.once(o, f.gatewayMessage)
	a.GRPCStatus = r.name(o, f.grpcStatus)
	a.GRPCMessage = r.once(o, f.grpcMessage)
	a.BodyState = Absent
	if len(a.Path) == 0 || a.Method == "" {
		if line := r.kept(o, f.requestLine); len(line) > 0 { // "GET /x?y HTTP/1.1", or the target alone
			method, rest, whole := bytes.Cut(line, []byte(" "))
			target, _, _ := bytes.Cut(rest, []byte(" "))
			if !whole && line[0] == '/' {
				method, target = nil, line
			}
			if a.Method == "" {
				a.Method = r.intern(method)
			}
			if len(a.Path) == 0 {
				a.Path = pathOf(RawText(target))
			}
		}
	}
	if !isMethod(a.Method) { // what a port scanner sent
		a.Method = ""
	}
	a.Status = r.status(o, f)
	a.LatencyMS, a.HasLatency = r.latency(o, f)
	a.Time = r.time(o, f)
	r.body(a, f, o)
	if len(f.rawResponse) > 0 {
		a.Proved = false
		r.rawResponse(a, f, o)
	}
	return a.Status != 0 || len(a.Path) > 0 || a.BodyState != Absent || !f.loose && !f.given && !a.Time.IsZero()
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isMethod(s string) bool {
	if len(s) > 24 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

func (r *Reader) status(o *object, f *format) int {
	for i := range f.status {
		b := r.find(o, &f.status[i])
		if len(b) == 0 {
			continue
		}
		if o.value(&f.status[i]).Kind() == jsontree.Array { // only headers are lists
			return 0
		}
		if len(b) > 3 && b[3] == ' ' { // 200 OK
			b = b[:3]
		}
		n, err := number(b)
		if err == nil && 0 < n && n < 1000 && n == math.Trunc(n) {
			return int(n)
		}
		if s := f.status[i].path; err != nil && !f.loose && !f.given && isLetter(b[0]) && len(s) == 1 && s[0] != "status" { // what stands elsewhere is another status
			return 0
		}
	}
	return 0
}

func (r *Reader) latency(o *object, f *format) (ms float64, ok bool) {
	for i := range f.latency {
		s := &f.latency[i]
		b := r.find(o, s)
		if len(b) == 0 {
			continue
		}
		if ms, ok = latencyIn(b, s.unit); ok {
			return ms, true
		}
	}
	return 0, false
}

// time returns the time of a record. If that is a whole second and there is a finer one of the same
// second, it returns the finer one.
func (r *Reader) time(o *object, f *format) (found time.Time) {
	for i := range f.time {
		s := &f.time[i]
		t, ok := time.Time{}, false
		if k := o.value(s).Kind(); k == jsontree.Array || k == jsontree.Object {
			t, ok = timeOf(r.whole(o, s))
		}
		if !ok {
			b := r.find(o, s)
			if len(b) == 0 {
				continue
			}
			t, ok = r.minute.parseTime(s, b)
		}
		switch {
		case !ok:
		case found.IsZero():
			if found = t; t.Nanosecond() != 0 {
				return t
			}
		case t.Truncate(time.Second).Equal(found):
			return t
		}
	}
	return found
}

// whole is o.value with all that is inside, of which the quick way keeps little. It is valid until
// the next whole.
func (r *Reader) whole(o *object, s *source) jsontree.Value {
	v := o.value(s)
	if k := v.Kind(); o.selected && (k == jsontree.Object || k == jsontree.Array) {
		return r.claims.Parse(v.Raw())
	}
	return v
}

func (r *Reader) body(a *Access, f *format, o *object) {
	for i := range f.body {
		b := o.value(&f.body[i])
		if f.body[i].either && r.ofRequest(a, f, o, b) {
			continue
		}
		switch b.Kind() {
		case jsontree.Missing:
			continue
		case jsontree.Null: // perhaps the body is under another key: some loggers write all their keys
			a.BodyState = Empty
			continue
		case jsontree.String:
			if raw := b.Raw(); len(raw) == 0 || string(raw) == "-" {
				a.BodyState = Empty
				continue
			}
			a.Body, a.Escaped, a.Proved, a.BodyState = b.Raw(), b.Escaped(), b.Proved(), ""
		default: // logged as JSON, not as a string that holds JSON
			a.Body, a.BodyState = b.Raw(), ""
		}
		return
	}
	for i := range f.bodyBase64 {
		b := o.value(&f.bodyBase64[i])
		text := trimSpace(r.unescaped(b))
		if len(text) == 0 || string(text) == "-" {
			if b.Kind() != jsontree.Missing {
				a.BodyState = Empty
			}
			continue
		}
		switch body, _, ok := bodycoding.Base64(text); {
		case !ok:
			a.Body, a.BodyState = nil, Undecodable
		case len(body) == 0:
			a.BodyState = Empty
		default:
			a.Body, a.BodyState = body, ""
		}
		return
	}
}

// unescaped returns the text of a scalar, valid until the next Read.
func (r *Reader) unescaped(v jsontree.Value) []byte {
	if k := v.Kind(); k == jsontree.Null || k == jsontree.Object || k == jsontree.Array {
		return nil
	}
	if !v.Escaped() {
		return v.Raw()
	}
	from := len(r.buf)
	r.buf = v.AppendText(r.buf)
	return r.buf[from:]
}

// find returns the trimmed text that a source leads to, nil if there is none. It is valid until the
// next find.
func (r *Reader) find(o *object, s *source) []byte {
	var b []byte
	if s.path == nil {
		return append(r.scratch[:0], s.constant...)
	}
	v := o.value(s)
	kind := v.Kind()
	if kind == jsontree.Array { // some gateways write headers as lists
		v = v.First()
		kind = v.Kind()
	}
	switch kind {
	case jsontree.String:
		if b = v.Raw(); v.Escaped() {
			r.scratch = v.AppendText(r.scratch[:0])
			b = r.scratch
		}
	case jsontree.Number, jsontree.Bool:
		b = v.Raw()
	}
	if b = trimSpace(b); len(b) == 0 || string(b) == "-" {
		return nil
	}
	if s.derived {
		return r.derive(b, s)
	}
	return b
}

// derive returns the value that a source makes of a text, nil if it makes none.
func (r *Reader) derive(b []byte, s *source) []byte {
	if s.claim != nil {
		b = r.claim(b, s.claim)
	}
	if s.pattern != nil && b != nil {
		m := s.pattern.FindSubmatchIndex(b)
		switch {
		case m == nil:
			return nil
		case len(m) > 2 && m[2] >= 0:
			b = b[m[2]:m[3]]
		default:
			b = b[m[0]:m[1]]
		}
	}
	if s.names != nil {
		if n, err := strconv.Atoi(string(b)); err == nil && 0 <= n && n < len(s.names) {
			b = append(r.scratch[:0], s.names[n]...)
		}
	}
	return b
}

// maxText is how many bytes of a field are kept.
const maxText = 4096

// first returns the first text that a field's sources lead to, nil if there is none. It is valid
// until the next find.
func (r *Reader) first(o *object, f field) []byte {
	for i := range f {
		if b := r.find(o, &f[i]); len(b) > 0 {
			return b
		}
	}
	return nil
}

// name is first for fields whose texts recur.
func (r *Reader) name(o *object, f field) string {
	if len(f) == 0 { // inline, as most often
		return ""
	}
	return r.nameOf(o, f)
}

func (r *Reader) nameOf(o *object, f field) string { return r.intern(r.first(o, f)) }

// once is first for texts that do not recur.
func (r *Reader) once(o *object, f field) string {
	if len(f) == 0 {
		return ""
	}
	return r.onceOf(o, f)
}

func (r *Reader) onceOf(o *object, f field) string { return clip(r.first(o, f)) }

// kept is once without a copy that outlives the record.
func (r *Reader) kept(o *object, f field) RawText {
	b := r.first(o, f)
	if len(b) == 0 {
		return nil
	}
	from := len(r.buf)
	r.buf = append(r.buf, b[:min(len(b), maxText)]...)
	return RawText(r.buf[from:len(r.buf):len(r.buf)])
}

// lower is name in lower case.
func (r *Reader) lower(o *object, f field) string {
	if len(f) == 0 {
		return ""
	}
	return r.inLower(r.first(o, f))
}

// clip returns valid UTF-8 of limited length.
func clip(b []byte) string {
	b = b[:min(len(b), maxText)]
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// trimSpace is bytes.TrimSpace for ASCII, and also removes a byte-order mark and the zero bytes
// with which some producers pad.
func trimSpace(b []byte) []byte {
	if len(b) > 0 && ' ' < b[0] && b[0] < utf8.RuneSelf && b[len(b)-1] > ' ' {
		return b // inline, as almost always
	}
	return trimmed(b)
}

func trimmed(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	for len(b) > 0 && (b[0] <= ' ') {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// pathOf returns the path of a request target, which may be a whole URL.
func pathOf(target RawText) RawText {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target = target[:i]
	}
	if i := bytes.IndexByte(target, '#'); i >= 0 {
		target = target[:i]
	}
	if len(target) > 0 && target[0] == '/' {
		return target
	}
	if _, rest, ok := bytes.Cut(target, []byte("://")); ok {
		if i := bytes.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return RawText("/")
	}
	return target
}
