package bodycoding

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// charset finds the name of an encoding in a Content-Type or in an XML declaration.
var charset = regexp.MustCompile(`(?i)(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9_:.-]+)`)

// toUTF8 decodes a text that is not UTF-8, if its encoding is declared or recognized.
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

// fromGBK decodes undeclared Chinese text in GBK: nothing in it is UTF-8, all of it is GBK, and two
// characters in a row are Chinese.
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

// utf16 decodes a text that begins with the byte-order mark of UTF-16.
func (d *Decoder) utf16() (layer, bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(d.body, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(d.body, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return layer{}, false
	}
	units := make([]uint16, 0, len(d.body)/2)
	for i := 2; i+1 < len(d.body); i += 2 {
		units = append(units, order.Uint16(d.body[i:]))
	}
	return layer{body: []byte(string(utf16.Decode(units))), cut: len(d.body)%2 == 1}, true
}

// latin1 restores a compressed body of which each byte was written as the character of that number.
func (d *Decoder) latin1() (layer, bool) {
	switch {
	case bytes.HasPrefix(d.body, []byte("\x1f\xc2\x8b")): // gzip
	case bytes.HasPrefix(d.body, []byte("(\xc2\xb5/\xc3\xbd")): // zstd
	case bytes.HasPrefix(d.body, []byte("x\xc2\x9c")): // zlib
	default:
		return layer{}, false
	}
	out := make([]byte, 0, len(d.body))
	for rest := d.body; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r > 0xff {
			return layer{}, false
		}
		out = append(out, byte(r))
		rest = rest[n:]
	}
	return layer{body: out}, true
}
