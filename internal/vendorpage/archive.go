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

// unpack takes the HTML out of a page that a browser saved with its pictures, as a mail of several parts (MHTML);
// lines are then counted in that. Anything else it leaves as it is.
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
	for parts := multipart.NewReader(message.Body, params["boundary"]); ; { // it undoes quoted-printable by itself
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
		text, _ := io.ReadAll(body) // of a file that was cut off, what there is
		if charset := params["charset"]; charset != "" && page == nil {
			text = append([]byte("<!-- charset="+charset+" -->"), text...) // for decode
		}
		page = append(append(page, text...), '\n') // frames stand behind the page that shows them
	}
	if page == nil {
		return content
	}
	return page
}
