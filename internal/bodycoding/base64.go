package bodycoding

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Base64 decodes the standard and the URL alphabet, with or without padding and line ends. If the
// text is cut off, it returns what is there. It is not ok for a text with other bytes.
func Base64(text []byte) (decoded []byte, cut, ok bool) {
	text = bytes.TrimRight(text, "=\r\n ")
	plain, n := make([]byte, len(text)), 0
	for _, c := range text {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		case '\r', '\n':
			continue
		}
		plain[n] = c
		n++
	}
	if cut = n%4 == 1; cut {
		n-- // six bits of a byte that is cut off
	}
	n, err := base64.RawStdEncoding.Decode(plain, plain[:n])
	return plain[:n], cut, err == nil
}

// minBase64 is the length from which a word may be base64 of a document.
const minBase64 = 12

func (d *Decoder) base64() (layer, bool) { return base64Document(d.trimmed) }

// base64Document decodes undeclared base64 of something that looks like a document.
func base64Document(text []byte) (layer, bool) {
	if len(text) < minBase64 {
		return layer{}, false
	}
	for _, c := range text[:min(len(text), 64)] { // most texts end here
		if !isBase64(c) {
			return layer{}, false
		}
	}
	decoded, cut, ok := Base64(text)
	return layer{body: decoded, cut: cut}, ok && (hasMagic(decoded) || looksLikeDocument(decoded) && !IsBinary(decoded))
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("+/-_=\r\n", c) >= 0
}
