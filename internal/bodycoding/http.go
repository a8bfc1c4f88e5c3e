package bodycoding

import (
	"bytes"
	"math"
)

// maxHeaderName is the greatest length of a header's name. Lines with a longer one are skipped.
const maxHeaderName = 64

// ParseResponse reads a whole HTTP response, as some gateways log it. It calls header with each
// header that is not empty: its name in lower case, valid until header returns, and its value. It
// returns the body without the chunk sizes, if a header says that it is chunked, but still in its
// Content-Encoding. The body is cut if one of its chunks is. A text that ends before the end of the
// head is not ok.
func ParseResponse(text []byte, header func(name, value []byte)) (body []byte, cut, ok bool) {
	end, gap := bytes.Index(text, []byte("\r\n\r\n")), 4
	if bare := bytes.Index(text, []byte("\n\n")); bare >= 0 && (end < 0 || bare < end) {
		end, gap = bare, 2
	}
	if end < 0 {
		return nil, false, false
	}
	head, body := text[:end], text[end+gap:]
	lower, isChunked := make([]byte, 0, maxHeaderName), false
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte("\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if value = bytes.Trim(value, Blank); !ok || len(value) == 0 || len(name) > maxHeaderName {
			continue
		}
		lower = appendLower(lower[:0], name)
		if string(lower) == "transfer-encoding" {
			isChunked = bytes.Contains(bytes.ToLower(value), []byte("chunked"))
		}
		header(lower, value)
	}
	if isChunked {
		if out, cut, ok := dechunk(body, true); ok {
			return out, cut, true
		}
	}
	return body, false, true
}

func appendLower(dst, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// httpResponse removes the head of a whole HTTP response.
func (d *Decoder) httpResponse() (l layer, ok bool) {
	if !bytes.HasPrefix(d.trimmed, []byte("HTTP/")) {
		return layer{}, false
	}
	l.body, l.cut, ok = ParseResponse(d.left, func(name, value []byte) {
		if string(name) == "content-encoding" {
			l.code = string(value)
		}
	})
	return l, ok
}

// chunked removes the chunk sizes of a body that was logged with them.
func (d *Decoder) chunked() (layer, bool) {
	body, cut, ok := dechunk(d.left, false)
	return layer{body: body, cut: cut}, ok
}

// dechunk removes the sizes of HTTP's chunked coding from a body. It is not ok for a body that does
// not begin with a chunk. Unless the coding is declared, the chunk must begin like a document or a
// compressed body. If the coding is damaged later on, the rest is kept as it is.
func dechunk(body []byte, declared bool) (out []byte, cut, ok bool) {
	for rest := body; len(rest) > 0; {
		first := len(rest) == len(body)
		size, chunk, ok := chunkSize(rest)
		if first && !(ok && (declared || beginsChunked(size, chunk))) {
			return nil, false, false
		}
		switch {
		case !ok:
			return append(out, rest...), false, true
		case size == 0:
			return out, false, true
		case size > uint64(len(chunk)): // or the size itself is cut off
			return append(out, chunk...), true, true
		}
		out = append(out, chunk[:size]...)
		rest = bytes.TrimPrefix(bytes.TrimPrefix(chunk[size:], []byte("\r")), []byte("\n"))
	}
	return out, false, true
}

// beginsChunked reports whether a number is likely to be the size of the chunk after it.
func beginsChunked(size uint64, chunk []byte) bool {
	const most = 1 << 28 // 20260101 is more likely a date
	n := uint64(len(chunk))
	return 0 < size && size < most && (looksLikeDocument(chunk) || hasMagic(chunk)) && (size >= n || chunk[size] == '\r' || chunk[size] == '\n')
}

// chunkSize reads the line before a chunk: its size in hexadecimal digits, and perhaps an extension
// after a semicolon. It is not ok if there is no such line. The chunk is empty if the line itself
// is cut off.
func chunkSize(text []byte) (size uint64, chunk []byte, ok bool) {
	const maxLine = 300
	line, _, whole := bytes.Cut(text[:min(len(text), maxLine)], []byte("\n"))
	digits, _, _ := bytes.Cut(line, []byte(";"))
	if digits = bytes.Trim(digits, Blank); len(digits) == 0 || !whole && len(line) == maxLine {
		return 0, nil, false
	}
	for _, c := range digits {
		digit := hexDigits[c]
		if size = size<<4 | uint64(digit); digit == notHex || size > math.MaxUint32 {
			return 0, nil, false
		}
	}
	return size, text[min(len(line)+1, len(text)):], true
}

const notHex = 0xff

// hexDigits is the value of each hexadecimal digit, notHex of all other bytes.
var hexDigits = func() (values [256]byte) {
	for c := range values {
		values[c] = notHex
	}
	for value, c := range []byte("0123456789abcdef") {
		values[c], values[bytes.ToUpper([]byte{c})[0]] = byte(value), byte(value)
	}
	return values
}()
