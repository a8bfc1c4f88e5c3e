package accesslog

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// rawResponse reads a whole HTTP response, as Tyk logs it: in base64, or as it was. Of one that is cut off it gives what is there.
// What Content-Encoding says is left to package parse.
func (r *Reader) rawResponse(a *Access, f *format, o *object) {
	for i := range f.rawResponse {
		v := o.value(&f.rawResponse[i])
		text := bytes.TrimLeft(r.unescaped(v), " \r\n")
		if v.Kind() != jsontree.String || len(text) == 0 {
			continue
		}
		if !bytes.HasPrefix(text, []byte("HTTP/")) {
			decoded, err := decodeBase64(text)
			if err != nil {
				a.Body, a.BodyState = nil, Undecodable
				return
			}
			text = decoded
		}
		r.response(a, text)
		return
	}
}

func (r *Reader) response(a *Access, text []byte) {
	end, gap := bytes.Index(text, []byte("\r\n\r\n")), 4
	if bare := bytes.Index(text, []byte("\n\n")); bare >= 0 && (end < 0 || bare < end) {
		end, gap = bare, 2
	}
	if end < 0 {
		a.Body, a.BodyState = nil, Absent // cut off in the headers
		return
	}
	head, body := text[:end], text[end+gap:]
	chunked := false
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte("\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		if value = trimSpace(value); len(value) == 0 || len(name) > 64 {
			continue
		}
		switch strings.ToLower(string(name)) {
		case "content-type":
			a.ContentType = r.intern(bytes.ToLower(value))
		case "content-encoding":
			a.ContentEncoding = r.intern(bytes.ToLower(value))
		case "transfer-encoding":
			chunked = bytes.Contains(bytes.ToLower(value), []byte("chunked"))
		case "grpc-status":
			a.GRPCStatus = r.intern(value)
		case "grpc-message":
			a.GRPCMessage = clip(value)
		case "x-request-id":
			a.RequestID = clip(value)
		case "x-correlation-id":
			if a.RequestID == "" {
				a.RequestID = clip(value)
			}
		}
	}
	if chunked {
		body = dechunk(body)
	}
	if a.Body, a.BodyState = body, ""; len(body) == 0 {
		a.Body, a.BodyState = nil, Empty
	}
}

// dechunk takes the sizes of HTTP's chunked coding out of a body. Where the coding is damaged it gives what is left as it stands.
func dechunk(body []byte) []byte {
	var out []byte
	for rest := body; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		digits, _, _ := bytes.Cut(line, []byte(";"))
		digits = trimSpace(digits)
		size, err := strconv.ParseUint(string(digits[:min(len(digits), 17)]), 16, 32)
		switch {
		case err != nil && out == nil:
			return body // it is not chunked after all
		case err != nil:
			return append(out, rest...)
		case size == 0, !whole:
			return out
		case size >= uint64(len(after)):
			return append(out, after...)
		}
		out = append(out, after[:size]...)
		rest = bytes.TrimPrefix(bytes.TrimPrefix(after[size:], []byte("\r")), []byte("\n"))
	}
	return out
}

// decodeBase64 reads the standard and the URL alphabet, with or without padding and line ends. Of a text that is cut off it
// gives what is there; one with other bytes in it is an error.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=\r\n ")
	plain := make([]byte, len(text))
	for i, c := range text {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		plain[i] = c
	}
	if strings.ContainsAny(string(plain[:min(len(plain), 100)]), "\r\n") {
		plain = bytes.ReplaceAll(bytes.ReplaceAll(plain, []byte("\r"), nil), []byte("\n"), nil)
	}
	if len(plain)%4 == 1 {
		plain = plain[:len(plain)-1] // six bits of a byte that is cut off
	}
	n, err := base64.RawStdEncoding.Decode(plain, plain)
	return plain[:n], err
}

// claim is the text under a path in the payload of a JSON Web Token, nil when there is none. Nothing is verified: the gateway has done that.
func (r *Reader) claim(token []byte, path []string) []byte {
	if kind, rest, ok := bytes.Cut(token, []byte(" ")); ok && strings.EqualFold(string(kind[:min(len(kind), 8)]), "bearer") {
		token = trimSpace(rest)
	}
	_, rest, ok := bytes.Cut(token, []byte("."))
	payload, _, _ := bytes.Cut(rest, []byte("."))
	if !ok {
		return nil
	}
	text, err := decodeBase64(payload)
	if err != nil {
		return nil
	}
	v := r.claims.Parse(text)
	for _, key := range path {
		v = v.Get(key)
	}
	if v.Kind() == jsontree.Array {
		v = v.First()
	}
	if b := trimSpace(v.AppendText(nil)); len(b) > 0 {
		return b
	}
	return nil
}
