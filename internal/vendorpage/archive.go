package vendorpage

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
)

// unpack extracts the HTML from a page that a browser saved together with its pictures as a
// multipart mail (MHTML). Line numbers then refer to that HTML. Any other content is returned
// unchanged.
func unpack(content []byte) []byte {
	if !bytes.Contains(bytes.ToLower(content[:min(len(content), 4096)]), []byte("multipart/related")) {
		return content
	}
	message, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return content
	}
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return content
	}
	var page []byte
	for parts := multipart.NewReader(message.Body, params["boundary"]); ; { // it decodes quoted-printable itself
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || kind != "text/html" {
			continue
		}
		var body io.Reader = part
		if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
			body = base64.NewDecoder(base64.StdEncoding, part)
		}
		text, _ := io.ReadAll(body) // of a truncated file, what there is
		if charset := params["charset"]; charset != "" && page == nil {
			text = append([]byte("<!-- charset="+charset+" -->"), text...) // for decode
		}
		page = append(append(page, text...), '\n') // frames come after the page that shows them
	}
	if page == nil {
		return content
	}
	return page
}
