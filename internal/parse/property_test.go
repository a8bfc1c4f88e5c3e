package parse

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

// wrapping is a way in which a body may arrive that changes nothing of what it says.
type wrapping struct {
	name     string
	encoding string // the Content-Encoding that was logged
	wrap     func(body []byte) []byte
}

var wrappings = []wrapping{
	{"white space around", "", func(b []byte) []byte { return []byte(" \r\n\t" + string(b) + "\n\n") }},
	{"byte-order mark", "", func(b []byte) []byte { return append([]byte("\ufeff"), b...) }},
	{"JSON string", "", quoted},
	{"JSON string twice", "", func(b []byte) []byte { return quoted(quoted(b)) }},
	{"base64", "", func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }},
	{"base64 for URLs without padding", "", func(b []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(b)) }},
	{"gzip", "", gzipped},
	{"gzip in base64", "", func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(gzipped(b))) }},
	{"gzip as Latin-1", "", func(b []byte) []byte { return latin1(gzipped(b)) }},
	{"zlib", "deflate", compressed(func(w io.Writer) compressor { return zlib.NewWriter(w) })},
	{"brotli", "br", compressed(func(w io.Writer) compressor { return brotli.NewWriter(w) })},
	{"zstd", "", compressed(func(w io.Writer) compressor {
		e, err := zstd.NewWriter(w)
		if err != nil {
			panic(err)
		}
		return e
	})},
	{"UTF-16", "", func(b []byte) []byte {
		out := []byte("\xff\xfe")
		for _, u := range utf16.Encode([]rune(string(b))) {
			out = append(out, byte(u), byte(u>>8))
		}
		return out
	}},
	{"JSONP", "", func(b []byte) []byte { return []byte("/**/cb_1(" + string(b) + ");") }},
	{"guard", "", func(b []byte) []byte { return []byte(")]}',\n" + string(b)) }},
	{"status line", "", func(b []byte) []byte { return []byte("STATUS CODE 400\n" + string(b)) }},
	{"chunked", "", func(b []byte) []byte {
		half := len(b) / 2
		return fmt.Appendf(nil, "%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, b[:half], len(b)-half, b[half:])
	}},
	{"event", "", func(b []byte) []byte {
		var compact bytes.Buffer
		if err := json.Compact(&compact, b); err != nil {
			return b
		}
		return []byte("event: message\ndata: " + compact.String() + "\n\n")
	}},
	{"keys with escapes", "", func(b []byte) []byte { return rewritten(b, escapedKey, asWritten) }},
	{"quotes as nginx writes them", "", func(b []byte) []byte { return rewritten(b, asWritten, escapedText) }},
	{"inside an object", "", func(b []byte) []byte { return []byte(`{"outer":{"inner":` + string(b) + `},"n":1}`) }},
}

func quoted(b []byte) []byte {
	return appendQuoted(nil, b)
}

// compressor is a writer that can be used again: a new one takes much memory.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

func compressed(open func(io.Writer) compressor) func([]byte) []byte {
	w := open(io.Discard)
	return func(b []byte) []byte {
		var out bytes.Buffer
		w.Reset(&out)
		if _, err := w.Write(b); err != nil {
			panic(err)
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		return out.Bytes()
	}
}

var gzipped = compressed(func(w io.Writer) compressor { return gzip.NewWriter(w) })

func latin1(b []byte) []byte {
	var out []byte
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// rewritten writes JSON again with other spellings of its keys and strings.
func rewritten(body []byte, key, text func([]byte, string) []byte) []byte {
	var tree jsontree.Tree
	var write func(dst []byte, v jsontree.Value) []byte
	write = func(dst []byte, v jsontree.Value) []byte {
		switch v.Kind() {
		case jsontree.Object, jsontree.Array:
			open, end := byte('{'), byte('}')
			if v.Kind() == jsontree.Array {
				open, end = '[', ']'
			}
			dst = append(dst, open)
			for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
				if m != v.First() {
					dst = append(dst, ',')
				}
				if v.Kind() == jsontree.Object {
					dst = append(key(dst, m.Key()), ':')
				}
				dst = write(dst, m)
			}
			return append(dst, end)
		case jsontree.String:
			return text(dst, v.Text())
		}
		return append(dst, v.Raw()...)
	}
	return write(nil, tree.Parse(body))
}

func asWritten(dst []byte, s string) []byte { return appendQuoted(dst, []byte(s)) }

func escapedKey(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, u := range utf16.Encode([]rune(s)) {
		dst = fmt.Appendf(dst, `\u%04X`, u)
	}
	return append(dst, '"')
}

func escapedText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			dst = fmt.Appendf(dst, `\x%02X`, c)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// wholeJSON are the cases of the corpus that are one document of valid JSON and were read whole,
// with an error in them.
func wholeJSON(t testing.TB, use func(name string, a accesslog.Access, want expectation)) {
	t.Helper()
	for _, name := range corpus(t) {
		a, want := readCase(t, name)
		if len(want.Errors) == 0 || want.BodyState != accesslog.JSON || !utf8.Valid(a.Body) || !json.Valid(a.Body) || want.Errors[0].Dialect == HTTPDialect {
			continue
		}
		if c := a.Body[0]; c == '{' || c == '[' {
			use(strings.TrimSuffix(filepath.Base(name), ".body"), a, want)
		}
	}
}

func codes(p *Parser, a accesslog.Access) (all []string) {
	found, _ := p.Body(&a)
	for _, e := range found {
		all = append(all, e.Code)
	}
	return all
}

// Where the place in the body says what an object means, more around it makes it another body.
var placeMatters = map[string]bool{"inside an object": true}

func TestWrappingChangesNoCode(t *testing.T) {
	p := newParser(t)
	wholeJSON(t, func(name string, a accesslog.Access, want expectation) {
		whole := codes(p, a)
		for _, w := range wrappings {
			if placeMatters[w.name] && (strings.HasPrefix(name, "enc-lambda") || strings.HasPrefix(name, "text-json-in-message") || strings.HasPrefix(name, "top-")) {
				continue // such an answer is the whole body
			}
			if placeMatters[w.name] && want.Errors[0].Dialect != "huawei" && want.Errors[0].Dialect != "error-code" {
				continue
			}
			wrapped := a
			wrapped.Body, wrapped.ContentEncoding = w.wrap(a.Body), w.encoding
			if got := codes(p, wrapped); fmt.Sprint(got) != fmt.Sprint(whole) {
				t.Errorf("%s as %s: %q, want %q\n%.300s", name, w.name, got, whole, wrapped.Body)
			}
		}
	})
}

// cuts are the places at which a body of n bytes is cut, from one on: each where it is short, else
// a hundred.
func cuts(from, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for end := from; end < n; end += 1 + (n-from)/100 {
			if !yield(end) {
				return
			}
		}
	}
}

// toldLater are dialects whose code is told from another by what stands behind it. So is that of
// cases whose names begin with later-.
var toldLater = map[string]bool{"kubernetes": true, "openstack": true, "status-number": true}

// TestCuttingChangesNoCode cuts bodies at up to a hundred places behind their first code and the
// beginning of its message. Not of every dialect: see toldLater.
func TestCuttingChangesNoCode(t *testing.T) {
	p := newParser(t)
	cases := 0
	wholeJSON(t, func(name string, a accesslog.Access, want expectation) {
		code := want.Errors[0].Code
		at := bytes.Index(a.Body, []byte(`"`+code+`"`))
		if at < 0 || bytes.Count(a.Body, []byte(code)) != 1 || toldLater[want.Errors[0].Dialect] || strings.HasPrefix(name, "later-") {
			return
		}
		cases++
		// A code that makes an envelope only together with its message has to be there with the
		// beginning of that.
		from := at + len(code) + len(`""`)
		if message := want.Errors[0].Message; want.Errors[0].Dialect != "huawei" {
			from = max(from, bytes.Index(a.Body, []byte(message[:min(len(message), 16)]))+1)
		}
		for end := range cuts(from, len(a.Body)) {
			cut := a
			cut.Body = a.Body[:end]
			got := codes(p, cut)
			if len(got) == 0 || got[0] != code {
				t.Errorf("%s cut at %d: %q, want %q first\n%s", name, end, got, code, cut.Body)
				return
			}
		}
	})
	if cases < 50 {
		t.Errorf("only %d bodies could be cut", cases)
	}
}

// TestCuttingInventsNoCode cuts bodies at up to a hundred places each: what is found was in the
// whole body too.
func TestCuttingInventsNoCode(t *testing.T) {
	p := newParser(t)
	for _, name := range corpus(t) {
		a, _ := readCase(t, name)
		if a.ContentEncoding != "" || len(a.Body) > 4096 {
			continue
		}
		for end := range cuts(0, len(a.Body)) {
			cut := a
			cut.Body = a.Body[:end]
			for _, code := range codes(p, cut) {
				if code != "" && !strings.HasPrefix(code, "HTTP.") && !isWholeIn(a.Body, code) {
					t.Errorf("%s cut at %d: code %q is not in the body\n%s", filepath.Base(name), end, code, cut.Body)
				}
			}
		}
	}
}

// isWholeIn reports whether a code stands in a body with something around it that is no part of a
// code.
func isWholeIn(body []byte, code string) bool {
	text := string(body)
	if strings.ContainsAny(text, "\\&") || !utf8.Valid(body) || !strings.Contains(text, `"`) {
		return true // written in another spelling
	}
	for from := 0; ; {
		i := strings.Index(text[from:], code)
		if i < 0 {
			return !strings.Contains(text, code[:1]) || len(text) > 0 && text[0] != '{' && text[0] != '['
		}
		end := from + i + len(code)
		if end == len(text) || !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", rune(text[end])) {
			return true
		}
		from += i + 1
	}
}
