// Package bodycoding unwraps response bodies.
//
// A body reaches the log as the gateway saw it: compressed, in base64, as a whole HTTP response
// with its head and chunk sizes, as a JSON string that holds JSON, after a prefix against JSON
// hijacking such as `)]}'`, or in UTF-16. Decode removes one wrapping after another, until JSON,
// XML or plain text is left.
//
// Some wrappings are declared: a field of the log format is base64, or a header says chunked. The
// functions Base64 and ParseResponse are for these: even if the wrapping is damaged, they decode
// what they can. Other wrappings are recognized by how they begin, and what comes out must look
// like a document: a word that happens to be valid base64 remains a word.
//
// If a wrapping is cut off, what came before the cut is returned, and marked as cut.
package bodycoding

import (
	"bytes"
	"compress/gzip"
	"regexp"
	"strings"
	"unicode/utf8"

	"errata/internal/jsontree"
)

// Body is a body without its wrappings.
type Body struct {
	Text    []byte // empty unless Outcome is Readable
	Cut     bool   // a wrapping was cut off, so Text is too
	Outcome Outcome
}

// Outcome says what was inside the wrappings.
type Outcome uint8

const (
	Readable    Outcome = iota // JSON, XML or other text
	Empty                      // nothing
	Undecodable                // bytes that are no text, or a wrapping too damaged to take off
)

const (
	// Blank is the set of bytes that mean nothing around a body.
	Blank = "\x00 \t\r\n\v\f"
	// maxLayers is how many wrappings of a body are removed.
	maxLayers = 6
	// maxInflated is how many bytes of a compressed body are read: the rest counts as cut off.
	maxInflated = 16 << 20
)

// layer is a body after one wrapping was removed.
type layer struct {
	body []byte
	cut  bool    // the wrapping was cut off
	code string  // the Content-Encoding of body, if the wrapping names one
	dead Outcome // Undecodable if the wrapping could not be removed
}

// Decoder unwraps bodies. It reuses its memory: only one goroutine may use it at a time.
type Decoder struct {
	tree *jsontree.Tree
	gzip gzip.Reader

	// The body at hand, as the steps of unwrap see it.
	body     []byte
	left     []byte // body without the blanks before it. Those after it may be a part of it: gzip ends in zero bytes
	trimmed  []byte // body without the blanks around it, never empty
	encoding string // the Content-Encoding, in lower case
}

// NewDecoder returns a Decoder that uses tree as scratch memory.
func NewDecoder(tree *jsontree.Tree) *Decoder { return &Decoder{tree: tree} }

// Decode removes what a body is wrapped in. The Content-Encoding and Content-Type are those of the
// response, "" if unknown. The result is valid until the memory of body changes.
func (d *Decoder) Decode(body []byte, contentEncoding, contentType string) Body {
	l, encoding := layer{body: body}, contentEncoding
	for layers := 0; ; layers++ {
		left := bytes.TrimLeft(l.body, Blank)
		trimmed := bytes.TrimRight(left, Blank)
		if len(trimmed) == 0 {
			return Body{Cut: l.cut, Outcome: Empty}
		}
		if isPlain(trimmed) {
			return Body{Text: toUTF8(left, contentType), Cut: l.cut} // a space at the end proves that a number before it is whole
		}
		d.body, d.left, d.trimmed, d.encoding = l.body, left, trimmed, strings.ToLower(encoding)
		next, ok := d.unwrap()
		if !ok || layers == maxLayers {
			text := toUTF8(trimmed, contentType)
			if IsBinary(text) {
				return Body{Cut: l.cut, Outcome: Undecodable}
			}
			return Body{Text: text, Cut: l.cut}
		}
		if next.dead != Readable {
			return Body{Cut: l.cut, Outcome: next.dead}
		}
		next.cut = next.cut || l.cut
		l, encoding = next, next.code
	}
}

// isPlain reports whether a body begins like JSON or XML and shows no sign of a wrapping.
func isPlain(trimmed []byte) bool {
	c := trimmed[0]
	return (c == '{' || c == '[' || c == '<') && !isDojo(trimmed) && !isEscaped(trimmed)
}

// wrappings are looked for in this order: first those with distinctive first bytes, then those that
// the text after them identifies, last those without any mark.
var wrappings = []func(*Decoder) (layer, bool){
	(*Decoder).byteOrderMark, (*Decoder).utf16, (*Decoder).compressed, (*Decoder).latin1, (*Decoder).contentEncoding, (*Decoder).jsonString,
	(*Decoder).dojo, (*Decoder).escapedJSON, (*Decoder).httpResponse, (*Decoder).guard, (*Decoder).chunked,
	(*Decoder).aroundDocument,
	(*Decoder).base64, (*Decoder).guessCompression,
}

// unwrap removes one wrapping. It reports whether there was one.
func (d *Decoder) unwrap() (layer, bool) {
	for _, take := range wrappings {
		if l, ok := take(d); ok {
			return l, true
		}
	}
	return layer{}, false
}

func (d *Decoder) byteOrderMark() (layer, bool) {
	rest, ok := bytes.CutPrefix(d.trimmed, []byte("\xef\xbb\xbf"))
	return layer{body: rest}, ok
}

// jsonString decodes a JSON string that holds a document.
func (d *Decoder) jsonString() (layer, bool) {
	if d.trimmed[0] != '"' {
		return layer{}, false
	}
	root := d.tree.Parse(d.trimmed)
	if root.Kind() != jsontree.String || d.tree.Ending != jsontree.Whole && d.tree.Ending != jsontree.Cut {
		return layer{}, false
	}
	inner, complete := root.AppendText(nil), root.Complete()
	if text := bytes.TrimSpace(inner); !looksLikeDocument(text) {
		l, ok := base64Document(text)
		return l, ok && complete
	}
	return layer{body: inner, cut: !complete}, true
}

// dojo removes the guard of the Dojo toolkit: {} && {…}
func (d *Decoder) dojo() (layer, bool) {
	if !isDojo(d.trimmed) {
		return layer{}, false
	}
	return layer{body: bytes.TrimLeft(d.trimmed[len("{}"):], " &")}, true
}

func isDojo(body []byte) bool {
	rest, ok := bytes.CutPrefix(body, []byte("{}"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte("&&"))
}

// escapedJSON unescapes JSON that was taken out of a string without being unescaped: {\"a\":1}
func (d *Decoder) escapedJSON() (layer, bool) {
	if !isEscaped(d.trimmed) {
		return layer{}, false
	}
	return layer{body: jsontree.AppendUnescaped(nil, d.trimmed)}, true
}

// isEscaped reports whether a text is JSON with the escapes of a JSON string or of nginx:
// {\"a\":1}, {\x22a\x22:1}
func isEscaped(text []byte) bool {
	rest := bytes.TrimLeft(text[:min(len(text), 32)], "{[ ")
	return len(rest) < min(len(text), 32) && (bytes.HasPrefix(rest, []byte(`\"`)) || bytes.HasPrefix(rest, []byte(`\x22`)) || bytes.HasPrefix(rest, []byte(`\n`)))
}

// guards are what services write before JSON so that no browser runs it.
var guards = []string{")]}',", ")]}'", ")]}", "for(;;);", "for (;;);", "while(1);", "while (1);", "throw 1;", "\x1e"}

func (d *Decoder) guard() (layer, bool) {
	for _, g := range guards {
		if rest, ok := bytes.CutPrefix(d.trimmed, []byte(g)); ok {
			return layer{body: rest}, true
		}
	}
	return layer{}, false
}

var (
	jsonpCall = regexp.MustCompile(`^(?:/\*[^*]{0,40}\*/|//[^\n]{0,80}\n|try\s*\{|[;\s])*(?:typeof\s+[\w$.]+\s*===?\s*['"]function['"]\s*&&\s*|[\w$.]+\s*&&\s*)?[A-Za-z_$][\w$.\[\]]{0,100}\s*\(\s*([{\[])`)
	// A line that was put before the body: STATUS CODE 400, HTTP/1.1 400 Bad Request, Error: …
	statusPrefix = regexp.MustCompile(`(?i)^(?:[^{}\[\]<>"]{0,80}?(?:\b(?:status(?:[ _-]?code)?|http/[\d.]+|code|http)\b|\berror\b|\bexception\b|\bfail(?:ed|ure)?\b|\bwarning\b|\b[45]\d\d\b)[^{}\[\]<>"]{0,120}?)([{\[<])`)
	eventLine    = regexp.MustCompile(`^(?:data|event|id|retry)?:`)
)

// aroundDocument removes text around a document.
func (d *Decoder) aroundDocument() (layer, bool) {
	head := d.trimmed[:min(len(d.trimmed), 400)]
	if !bytes.ContainsAny(head, "{[<:") { // most texts end here
		return layer{}, false
	}
	if l, ok := d.jsonp(head); ok {
		return l, true
	}
	if eventLine.Match(head) {
		return eventStream(d.trimmed)
	}
	return d.statusLine(head)
}

// jsonp removes the call of a JavaScript function: callback({…});
func (d *Decoder) jsonp(head []byte) (layer, bool) {
	if head[0] == '<' || bytes.IndexByte(head, '(') < 0 { // costs less than the expression
		return layer{}, false
	}
	m := jsonpCall.FindSubmatchIndex(head)
	if m == nil {
		return layer{}, false
	}
	inner := d.trimmed[m[2]:]
	d.tree.Parse(inner)
	switch end := d.tree.Offset; {
	case d.tree.Ending == jsontree.Trailing && inner[end] == ')':
		return layer{body: inner[:end]}, true
	case d.tree.Ending == jsontree.Whole || d.tree.Ending == jsontree.Cut:
		return layer{body: inner, cut: true}, true
	}
	return layer{}, false
}

// eventStream reads the data of server-sent events, one event per line.
func eventStream(body []byte) (l layer, found bool) {
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if data, ok := bytes.CutPrefix(bytes.TrimLeft(line, " "), []byte("data:")); ok {
			if data = bytes.TrimSpace(data); string(data) != "[DONE]" {
				l.body = append(append(l.body, data...), '\n')
				found = found || looksLikeDocument(data)
			}
		}
	}
	return l, found
}

// statusLine removes a line before a document.
func (d *Decoder) statusLine(head []byte) (layer, bool) {
	end := bytes.IndexAny(head, `{}[]<>"`)
	if end <= 0 {
		return layer{}, false
	}
	m := statusPrefix.FindSubmatchIndex(head[:end+1]) // it matches nothing beyond
	if m == nil || !d.beginsDocument(d.trimmed[m[2]:]) {
		return layer{}, false
	}
	return layer{body: d.trimmed[m[2]:]}, true
}

// beginsDocument reports whether a text is JSON up to its end, be it cut off there, or looks like
// XML: a bracket in prose is neither.
func (d *Decoder) beginsDocument(text []byte) bool {
	if text[0] == '<' {
		return len(text) > 1 && (text[1] == '?' || 'A' <= text[1] && text[1] <= 'Z' || 'a' <= text[1] && text[1] <= 'z')
	}
	root := d.tree.Parse(text)
	switch d.tree.Ending {
	case jsontree.Whole:
		return true
	case jsontree.Cut:
		return root.First().Kind() != jsontree.Missing
	}
	return false
}

func looksLikeDocument(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && strings.IndexByte("{[<\"", text[0]) >= 0
}

// Sets of control characters, one bit each: those in ordinary texts, and those that also occur
// around or between the parts of one.
const (
	textControls = 1<<'\t' | 1<<'\n' | 1<<'\r' | 1<<'\f' | 1<<'\x1b'
	anyControls  = textControls | 1<<'\v' | 1<<'\x00' | 1<<'\x1e'
)

// isMixed reports whether a text has bytes that do not occur in text. A weakly compressed body is
// still half readable.
func isMixed(body []byte) bool {
	for _, c := range body[:min(len(body), 256)] {
		if c < ' ' && anyControls&(1<<c) == 0 {
			return body[0] != '{' && body[0] != '[' && body[0] != '<' // in documents they are mistakes
		}
	}
	return false
}

// IsBinary reports whether a body is not text: compressed, or in an encoding that cannot be read.
// It looks at the first 512 bytes. A character that is cut in two, there or at the end of the body,
// does not count.
func IsBinary(body []byte) bool {
	if bytes.HasPrefix(body, []byte("\x1f\x8b")) || bytes.HasPrefix(body, []byte("\x1f\ufffd")) {
		return true
	}
	head := body[:min(len(body), 512)]
	strange := 0
	for i := 0; i < len(head); {
		if c := head[i]; c < utf8.RuneSelf {
			if c < ' ' && textControls&(1<<c) == 0 {
				strange++
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && n == 1 && utf8.FullRune(head[i:]) {
			strange++
		}
		i += n
	}
	return strange*8 > len(head)
}
