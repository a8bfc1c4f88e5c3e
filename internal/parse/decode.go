package parse

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

const (
	// blank is what stands around a body without meaning anything.
	blank = "\x00 \t\r\n\v\f"
	// maxLayers is how many wrappings of a body are looked through.
	maxLayers = 6
	// maxInflated is how many bytes are taken from a compressed body: the rest counts as cut off.
	maxInflated = 16 << 20
)

// layer is what a step of looking through a body made of it.
type layer struct {
	body []byte
	cut  bool                // the wrapping was cut off, so what is inside is too
	code string              // the Content-Encoding of what is inside, where the wrapping names it
	dead accesslog.BodyState // there is nothing inside: Empty or Undecodable
}

// reveal takes off what a body is wrapped in: compression, base64, a JSON string, byte-order marks, guards, chunk sizes. What is left is
// JSON, XML or text; or, with dead, nothing.
func (p *Parser) reveal(body []byte, encoding, contentType string) (l layer) {
	l.body, encoding = body, strings.ToLower(encoding)
	for range maxLayers {
		left := bytes.TrimLeft(l.body, blank)
		trimmed := bytes.TrimRight(left, blank)
		if len(trimmed) == 0 {
			if l.dead = accesslog.Empty; l.cut { // nothing came out of it
				l.dead = accesslog.Truncated
			}
			return l
		}
		// A body that is what it should be is not looked into further.
		if c := trimmed[0]; (c == '{' || c == '[' || c == '<') && !isDojo(trimmed) && !isEscaped(trimmed) && !isMixed(trimmed) {
			l.body = toUTF8(left, contentType) // a space at the end tells that a number before it is whole
			return l
		}
		next, ok := p.unwrap(l.body, trimmed, encoding)
		if !ok {
			l.body = toUTF8(trimmed, contentType)
			if isBinary(l.body) {
				l.dead = accesslog.Undecodable
			}
			return l
		}
		encoding = strings.ToLower(next.code)
		next.cut = next.cut || l.cut
		if l = next; l.dead != "" {
			return l
		}
	}
	return l
}

// guards are what services write before JSON so that a browser does not run it.
var guards = []string{")]}',", ")]}'", ")]}", "for(;;);", "for (;;);", "while(1);", "while (1);", "throw 1;", "\x1e"}

var (
	jsonp = regexp.MustCompile(`^(?:/\*[^*]{0,40}\*/|//[^\n]{0,80}\n|try\s*\{|[;\s])*(?:typeof\s+[\w$.]+\s*===?\s*['"]function['"]\s*&&\s*|[\w$.]+\s*&&\s*)?[A-Za-z_$][\w$.\[\]]{0,100}\s*\(\s*([{\[])`)
	// A line that somebody put before the body: STATUS CODE 400, HTTP/1.1 400 Bad Request, Error: …
	statusLine = regexp.MustCompile(`(?i)^(?:[^{}\[\]<>"]{0,80}?(?:\b(?:status(?:[ _-]?code)?|http/[\d.]+|code|http)\b|\berror\b|\bexception\b|\bfail(?:ed|ure)?\b|\bwarning\b|\b[45]\d\d\b)[^{}\[\]<>"]{0,120}?)([{\[<])`)
	eventLine  = regexp.MustCompile(`^(?:data|event|id|retry)?:`)
)

// isDojo tells whether a body begins with the guard of the Dojo toolkit: {} && {…}
func isDojo(body []byte) bool {
	rest, ok := bytes.CutPrefix(body, []byte("{}"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte("&&"))
}

// unwrap takes one wrapping off, and tells whether there was one. trimmed is body without the white space around it.
func (p *Parser) unwrap(body, trimmed []byte, encoding string) (layer, bool) {
	switch {
	case bytes.HasPrefix(trimmed, []byte("\xef\xbb\xbf")):
		return layer{body: trimmed[3:]}, true
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return fromUTF16(body), true
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return inflate(body, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }), true
	case bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
		return inflate(body, newZstd), true
	case len(body) > 2 && body[0] == 0x78 && binary.BigEndian.Uint16(body)%31 == 0 && isBinary(body): // zlib's header
		return inflate(body, func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }), true
	case bytes.HasPrefix(body, []byte("\x1f\xc2\x8b")), bytes.HasPrefix(body, []byte("(\xc2\xb5/\xc3\xbd")), bytes.HasPrefix(body, []byte("x\xc2\x9c")):
		if bytes, ok := fromLatin1(body); ok { // each byte was written as the character of that number
			return layer{body: bytes}, true
		}
	case strings.Contains(encoding, "br"):
		if l := inflate(body, func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }); l.dead == "" && len(l.body) > 0 {
			return l, true
		}
	case strings.Contains(encoding, "deflate"): // raw, as some servers understand the word
		if l := inflate(body, func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }); l.dead == "" && len(l.body) > 0 {
			return l, true
		}
	case trimmed[0] == '"':
		return p.unquote(trimmed)
	}
	if isDojo(trimmed) {
		return layer{body: bytes.TrimLeft(trimmed[len("{}"):], " &")}, true
	}
	if isEscaped(trimmed) { // JSON that somebody took out of its string and left escaped: {\"a\":1}
		return layer{body: jsontree.AppendUnescaped(nil, trimmed)}, true
	}
	if bytes.HasPrefix(trimmed, []byte("HTTP/")) {
		if l, ok := fromResponse(trimmed); ok {
			return l, true
		}
	}
	for _, g := range guards {
		if rest, ok := bytes.CutPrefix(trimmed, []byte(g)); ok {
			return layer{body: rest}, true
		}
	}
	head := trimmed[:min(len(trimmed), 400)]
	if l, ok := dechunk(trimmed); ok { // before the check for brackets, which may be compressed
		return l, true
	}
	if !bytes.ContainsAny(head, "{[<:") { // most texts have nothing in them that the expressions below look for
		return p.last(body, trimmed)
	}
	if m := jsonp.FindSubmatchIndex(head); m != nil {
		inner := trimmed[m[2]:]
		p.tree.Parse(inner)
		if end := p.tree.Offset; p.tree.Ending == jsontree.Trailing && inner[end] == ')' {
			return layer{body: inner[:end]}, true
		}
		return layer{body: inner, cut: true}, p.tree.Ending == jsontree.Whole || p.tree.Ending == jsontree.Cut
	}
	if eventLine.Match(head) {
		return fromEvents(trimmed)
	}
	if m := statusLine.FindSubmatchIndex(head); m != nil {
		if rest := trimmed[m[2]:]; p.beginsDocument(rest) {
			return layer{body: rest}, true
		}
	}
	return p.last(body, trimmed)
}

// last takes off what only the alphabet, or the bytes, of a body tell.
func (p *Parser) last(body, trimmed []byte) (layer, bool) {
	if l, ok := fromBase64(trimmed); ok {
		return l, true
	}
	if isBinary(body) || isMixed(body) {
		return p.guess(body)
	}
	return layer{}, false
}

// isMixed tells whether there are bytes in a text that no text has: weakly compressed, it is still half readable.
func isMixed(body []byte) bool {
	for _, c := range body[:min(len(body), 256)] {
		if c < ' ' && strings.IndexByte("\t\n\v\f\r\x1b\x00\x1e", c) < 0 {
			return body[0] != '{' && body[0] != '[' && body[0] != '<' // inside documents they are somebody's carelessness
		}
	}
	return false
}

// guess tries the compressions that have no magic bytes. Only what comes out whole and as a document counts.
func (p *Parser) guess(body []byte) (layer, bool) {
	for _, open := range []func(io.Reader) (io.Reader, error){
		func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil },
	} {
		if l := inflate(body, open); l.dead == "" && !l.cut && looksLikeDocument(l.body) && p.beginsDocument(bytes.Trim(l.body, blank)) {
			return l, true
		}
	}
	return layer{}, false
}

// isEscaped tells whether a text is JSON with the escapes that it has inside a string, or that nginx writes: {\"a\":1}, {\x22a\x22:1}
func isEscaped(text []byte) bool {
	rest := bytes.TrimLeft(text[:min(len(text), 32)], "{[ ")
	return len(rest) < min(len(text), 32) && (bytes.HasPrefix(rest, []byte(`\"`)) || bytes.HasPrefix(rest, []byte(`\x22`)) || bytes.HasPrefix(rest, []byte(`\n`)))
}

// fromResponse takes the head off a whole HTTP response.
func fromResponse(text []byte) (l layer, ok bool) {
	head, body, ok := bytes.Cut(text, []byte("\r\n\r\n"))
	if !ok {
		if head, body, ok = bytes.Cut(text, []byte("\n\n")); !ok {
			return layer{}, false
		}
	}
	l.body = body
	if m := contentEncoding.FindSubmatch(head); m != nil {
		l.code = string(m[1])
	}
	return l, true
}

var contentEncoding = regexp.MustCompile(`(?im)^content-encoding:\s*([a-z, -]+?)\s*$`)

// beginsDocument tells whether a text is JSON up to its end, be it cut off there, or looks like XML: a bracket in prose is neither.
func (p *Parser) beginsDocument(text []byte) bool {
	if text[0] == '<' {
		return len(text) > 1 && (text[1] == '?' || 'A' <= text[1] && text[1] <= 'Z' || 'a' <= text[1] && text[1] <= 'z')
	}
	root := p.tree.Parse(text)
	switch p.tree.Ending {
	case jsontree.Whole:
		return true
	case jsontree.Cut:
		return root.First().Kind() != jsontree.Missing
	}
	return false
}

// unquote looks into a JSON string that holds a document.
func (p *Parser) unquote(trimmed []byte) (layer, bool) {
	root := p.tree.Parse(trimmed)
	if root.Kind() != jsontree.String || p.tree.Ending != jsontree.Whole && p.tree.Ending != jsontree.Cut {
		return layer{}, false
	}
	inner := root.AppendText(nil)
	if t := bytes.TrimSpace(inner); len(t) == 0 || !strings.ContainsRune("{[<\"", rune(t[0])) {
		if l, ok := fromBase64(t); ok && root.Complete() {
			return l, true
		}
		return layer{}, false
	}
	return layer{body: inner, cut: !root.Complete()}, true
}

// charset finds the name of an encoding in a Content-Type, or in the declaration of XML.
var charset = regexp.MustCompile(`(?i)(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9_:.-]+)`)

// toUTF8 decodes a text that is not UTF-8 and says what it is.
func toUTF8(body []byte, contentType string) []byte {
	if utf8.Valid(body) {
		return body
	}
	if text, ok := fromGBK(body); ok {
		return text
	}
	declared := charset.FindStringSubmatch(contentType)
	if declared == nil && body[0] == '<' {
		declared = charset.FindStringSubmatch(string(body[:min(len(body), 200)]))
	}
	if declared == nil {
		return body
	}
	e, err := htmlindex.Get(declared[1])
	if err != nil || e == unicode.UTF8 {
		return body
	}
	text, err := e.NewDecoder().Bytes(body)
	if err != nil {
		return body
	}
	return text
}

// fromGBK decodes a text that is Chinese in GBK, although nobody says so: nothing in it is UTF-8, all of it is GBK, and two characters
// in a row are Chinese.
func fromGBK(body []byte) ([]byte, bool) {
	for rest := body; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r >= utf8.RuneSelf && r != utf8.RuneError {
			return nil, false
		}
		rest = rest[n:]
	}
	text, err := simplifiedchinese.GBK.NewDecoder().Bytes(body)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) || !twoHan.Match(text) {
		return nil, false
	}
	return text, true
}

var twoHan = regexp.MustCompile(`\p{Han}\p{Han}`)

func newZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated*2), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// inflate decompresses a body. Of one that is cut off or damaged it gives what came before.
func inflate(body []byte, open func(io.Reader) (io.Reader, error)) layer {
	r, err := open(bytes.NewReader(body))
	if err != nil {
		return layer{dead: accesslog.Undecodable} // not even its header is whole
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, maxInflated))
	if n == 0 && err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return layer{dead: accesslog.Undecodable}
	}
	return layer{body: out.Bytes(), cut: err != nil || n == maxInflated}
}

func fromUTF16(body []byte) layer {
	var order binary.ByteOrder = binary.LittleEndian
	if body[0] == 0xfe {
		order = binary.BigEndian
	}
	units := make([]uint16, 0, len(body)/2)
	for i := 2; i+1 < len(body); i += 2 {
		units = append(units, order.Uint16(body[i:]))
	}
	return layer{body: []byte(string(utf16.Decode(units))), cut: len(body)%2 == 1}
}

func fromLatin1(body []byte) ([]byte, bool) {
	out := make([]byte, 0, len(body))
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
		body = body[n:]
	}
	return out, true
}

// dechunk takes the sizes of HTTP's chunked coding out of a body that was logged with them.
func dechunk(body []byte) (l layer, ok bool) {
	for first := true; ; first = false {
		size, rest, ok := chunkHead(body)
		switch {
		case !ok && first:
			return layer{}, false
		case !ok:
			if string(body[:min(len(body), 2)]) != "0" { // the last chunk, without its line's end
				l.body = append(l.body, body...)
			}
			return l, true
		case size == 0:
			return l, !first
		case size > len(rest):
			return layer{body: append(l.body, rest...), cut: true}, !first || looksLikeDocument(rest) || hasMagic(rest)
		case first && (!looksLikeDocument(rest) && !hasMagic(rest) || size < len(rest) && rest[size] != '\r' && rest[size] != '\n'):
			return layer{}, false
		}
		l.body = append(l.body, rest[:size]...)
		body = bytes.TrimPrefix(bytes.TrimPrefix(rest[size:], []byte("\r")), []byte("\n"))
	}
}

// chunkHead reads the line before a chunk: its size in hexadecimal digits, perhaps an extension behind a semicolon.
func chunkHead(body []byte) (size int, rest []byte, ok bool) {
	line, _, ok := bytes.Cut(body[:min(len(body), 300)], []byte("\n"))
	digits, _, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(";"))
	if !ok || len(digits) == 0 || len(digits) > 7 {
		return 0, nil, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			size = size<<4 | int(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			size = size<<4 | int(c|0x20-'a'+10)
		default:
			return 0, nil, false
		}
	}
	return size, body[len(line)+1:], true
}

func looksLikeDocument(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && strings.ContainsRune("{[<\"", rune(text[0]))
}

// hasMagic tells whether a body begins as compressed ones do.
func hasMagic(body []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xef\xbb\xbf", "\x78\x9c", "\x78\x01", "\x78\xda"} {
		if bytes.HasPrefix(body, []byte(magic)) {
			return true
		}
	}
	return false
}

// fromEvents reads the data of a stream of server-sent events, an event a line.
func fromEvents(body []byte) (layer, bool) {
	var out []byte
	found := false
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if data, ok := bytes.CutPrefix(bytes.TrimLeft(line, " "), []byte("data:")); ok {
			if data = bytes.TrimSpace(data); string(data) != "[DONE]" {
				out = append(append(out, data...), '\n')
				found = found || looksLikeDocument(data)
			}
		}
	}
	return layer{body: out}, found
}

// minBase64 is the length from which a word may be base64 of a document.
const minBase64 = 12

func fromBase64(text []byte) (layer, bool) {
	if len(text) < minBase64 {
		return layer{}, false
	}
	for _, c := range text[:min(len(text), 64)] { // most texts end here
		if !isBase64(c) {
			return layer{}, false
		}
	}
	raw := make([]byte, 0, len(text))
	for _, c := range text {
		switch {
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		case c == '\r', c == '\n', c == '=':
			continue
		case !isBase64(c):
			return layer{}, false
		}
		raw = append(raw, c)
	}
	cut := len(raw)%4 == 1
	if cut {
		raw = raw[:len(raw)-1]
	}
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(raw)))
	n, err := base64.RawStdEncoding.Decode(decoded, raw)
	if err != nil {
		return layer{}, false
	}
	decoded = decoded[:n]
	return layer{body: decoded, cut: cut}, hasMagic(decoded) || looksLikeDocument(decoded) && !isBinary(decoded)
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("+/-_=\r\n", c) >= 0
}

// isBinary tells whether a body is something else than text: compressed, or in an
// encoding that we cannot read. It looks at the first 512 bytes; a character that the
// look or the body's end cuts in two is no sign of either.
func isBinary(body []byte) bool {
	if bytes.HasPrefix(body, []byte("\x1f\x8b")) || bytes.HasPrefix(body, []byte("\x1f\ufffd")) {
		return true
	}
	head := body[:min(len(body), 512)]
	strange, size := 0, len(head)
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && utf8.FullRune(head) || r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != '\x1b' {
			strange++
		}
		head = head[n:]
	}
	return strange*8 > size
}
