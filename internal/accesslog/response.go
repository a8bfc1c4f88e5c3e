package accesslog

import (
	"bytes"
	"strings"

	"errata/internal/bodycoding"
	"errata/internal/jsontree"
)

// rawResponse reads a whole HTTP response, as Tyk logs it: in base64, or as it was. If the response
// is cut off, it takes what is there. The Content-Encoding is left to package parse.
func (r *Reader) rawResponse(a *Access, f *format, o *object) {
	for i := range f.rawResponse {
		v := o.value(&f.rawResponse[i])
		text := bytes.TrimLeft(r.unescaped(v), " \r\n")
		if v.Kind() != jsontree.String || len(text) == 0 {
			continue
		}
		if !bytes.HasPrefix(text, []byte("HTTP/")) {
			decoded, _, ok := bodycoding.Base64(text)
			if !ok {
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
	if bytes.IndexByte(text, '\n') < 0 { // Tyk's clean_json: the head on one line, a space, the JSON
		if i := bytes.IndexAny(text, "{["); i > 0 && text[i-1] == ' ' {
			a.Body, a.BodyState = text[i:], ""
			return
		}
	}
	body, _, ok := bodycoding.ParseResponse(text, func(name, value []byte) {
		switch string(name) {
		case "content-type":
			a.ContentType = r.intern(bytes.ToLower(value))
		case "content-encoding":
			a.ContentEncoding = r.intern(bytes.ToLower(value))
		case "grpc-status":
			a.GRPCStatus = r.intern(value)
		case "grpc-message":
			a.GRPCMessage = clip(value)
		case "x-request-id":
			a.RequestID = RawText(clip(value))
		case "x-correlation-id":
			if len(a.RequestID) == 0 {
				a.RequestID = RawText(clip(value))
			}
		}
	})
	switch a.Body, a.BodyState = nil, Empty; {
	case !ok:
		a.BodyState = Absent // cut off in the headers
	case len(body) > 0:
		a.Body, a.BodyState = body, ""
	}
}

// claim returns the text under a path in the payload of a JSON Web Token, nil if there is none. It
// verifies nothing: the gateway has done that.
func (r *Reader) claim(token []byte, path []string) []byte {
	if kind, rest, ok := bytes.Cut(token, []byte(" ")); ok && strings.EqualFold(string(kind[:min(len(kind), 8)]), "bearer") {
		token = trimSpace(rest)
	}
	_, rest, ok := bytes.Cut(token, []byte("."))
	payload, _, _ := bytes.Cut(rest, []byte("."))
	if !ok {
		return nil
	}
	text, _, ok := bodycoding.Base64(payload)
	if !ok {
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
