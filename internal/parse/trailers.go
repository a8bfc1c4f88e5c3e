package parse

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"

	"errata/internal/accesslog"
)

// gRPC-Web sends the trailers in the last frame of the body: a byte 0x80, the length, and lines as
// of a head. The body is a row of such frames, in binary or each in base64:
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md

const (
	frameHead    = 5    // a byte of flags, four of the length
	trailerFrame = 0x80 // the flag
)

// trailers adds the failure that the trailers of a gRPC-Web body report.
func (p *Parser) trailers(a *accesslog.Access) {
	body := a.Body
	if len(body) < frameHead || len(p.found) > 0 || p.ignoreBody || body[0] != 'A' && body[0] != 'g' && body[0] != 0 && body[0] != trailerFrame && body[0] != '\\' {
		return // most bodies end here
	}
	body = Text(a)
	if len(body) > 0 && (body[0] == 'A' || body[0] == 'g') {
		body = framesOf(body)
	}
	for len(body) >= frameHead {
		n := int64(binary.BigEndian.Uint32(body[1:frameHead]))
		frame := body[frameHead:]
		if body[0]&^(trailerFrame|1) != 0 || n > int64(len(frame)) {
			return
		}
		if body[0]&trailerFrame != 0 {
			p.trailer(frame[:n])
			return
		}
		body = frame[n:]
	}
}

func (p *Parser) trailer(lines []byte) {
	e := Envelope{Dialect: "grpc", Confidence: Exact}
	for line := range bytes.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "grpc-status":
			e.Code = value
		case "grpc-message":
			e.Message = value
			if plain, err := url.PathUnescape(value); err == nil {
				e.Message = strings.ToValidUTF8(plain, "\ufffd")
			}
		}
	}
	if e.Code != "" && e.Code != "0" && isDigits(e.Code) && len(e.Code) <= 2 {
		p.found = append(p.found, e)
	}
}

// framesOf decodes frames that were encoded one by one, so that padding may stand between them.
func framesOf(text []byte) (frames []byte) {
	for len(text) > 0 {
		end := bytes.IndexByte(text, '=')
		for end >= 0 && end < len(text) && text[end] == '=' {
			end++
		}
		if end < 0 {
			end = len(text)
		}
		part, err := base64.RawStdEncoding.AppendDecode(frames, bytes.TrimRight(text[:end], "=\r\n "))
		if err != nil {
			return nil
		}
		frames, text = part, text[end:]
	}
	return frames
}
