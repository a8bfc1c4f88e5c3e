// Package parse finds the error envelopes in a response body.
//
// An envelope is the pair of code and message with which a service says that a
// call failed, whatever the HTTP status. Each vendor's way to write one is a dialect, a
// row of the table in dialects.go: a name, a sentence, and a function that looks at one JSON
// object and says failure (here is the envelope), success, or neither. A new dialect is a
// new row and a test file.
//
// Parser.Body walks all objects of a body in document order and asks each
// dialect in turn. Three rules decide what counts:
//
//   - a failure counts wherever it stands, unless an object around it says success;
//   - in a list that is named for failures (errors, failed, ...) it always counts;
//   - a status of 400 or more without any envelope is an error of its own, HTTP.<status>.
//
// A body that is cut off or damaged gives what stands before the damage, with
// Salvaged confidence. A code that is itself cut is never guessed.
package parse

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

// Confidence says how much of the body an envelope rests on.
type Confidence string

const (
	Exact    Confidence = "exact"    // the whole body was read
	Salvaged Confidence = "salvaged" // the body was cut off or damaged
)

// Envelope is one error that a body reports. A zero field is unknown.
type Envelope struct {
	Code       string // as the body wrote it; numbers as their digits
	Message    string
	RequestID  string
	Dialect    string
	Confidence Confidence
}

// HTTPDialect is the dialect of errors that are known by their HTTP status alone.
const HTTPDialect = "http"

// HTTPMessageLength is how many characters of a body become the message of an HTTP error. Envelopes carry
// some more, so that who redacts the message sees the whole of what the cut would go through.
const (
	HTTPMessageLength = 200
	httpMessageMargin = 100
)

// Parser reads bodies. It reuses its memory, so one goroutine uses it at a time.
type Parser struct {
	tree   jsontree.Tree
	scopes []scope
	found  []Envelope

	rootID    string // the request id beside which all envelopes of a body stand
	rootAsked bool
}

// scope is a part of the tree in which failures count, or do not.
type scope struct {
	of    jsontree.Value
	muted bool
}

// Body finds the envelopes of an access's body, in document order, and tells the body's
// state. The slice is valid until the next call.
func (p *Parser) Body(a *accesslog.Access) ([]Envelope, accesslog.BodyState) {
	p.found = p.found[:0]
	state := a.BodyState
	if state == "" {
		state = p.body(a.Body)
	}
	if a.Status < 400 {
		return p.found, state
	}
	if len(p.found) == 0 {
		e := Envelope{Code: httpCode(a.Status), Dialect: HTTPDialect, Confidence: Exact}
		if state != accesslog.Undecodable {
			e.Message = Clip(a.Body, HTTPMessageLength+httpMessageMargin)
		}
		p.found = append(p.found, e)
	}
	for i := range p.found {
		if p.found[i].Code == "" { // only the message survived
			p.found[i].Code = httpCode(a.Status)
		}
	}
	return p.found, state
}

func httpCode(status int) string { return "HTTP." + strconv.Itoa(status) }

func (p *Parser) body(body []byte) accesslog.BodyState {
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case len(trimmed) == 0:
		return accesslog.Empty
	case trimmed[0] == '{' || trimmed[0] == '[':
		return p.json(trimmed)
	case isBinary(trimmed):
		return accesslog.Undecodable
	case trimmed[0] == '<':
		return xmlState(trimmed)
	}
	if p.tree.Parse(trimmed); p.tree.Ending == jsontree.Whole { // a bare string, number or null
		return accesslog.JSON
	}
	return accesslog.Text
}

func (p *Parser) json(body []byte) accesslog.BodyState {
	root := p.tree.Parse(body)
	state, confidence := accesslog.JSON, Exact
	switch p.tree.Ending {
	case jsontree.Cut:
		state, confidence = accesslog.Truncated, Salvaged
	case jsontree.Malformed, jsontree.Trailing:
		state, confidence = accesslog.Text, Salvaged
		if isBinary(body) {
			state = accesslog.Undecodable
		}
	}
	p.scopes = p.scopes[:0]
	p.rootID, p.rootAsked = "", false
	for v := root; v.Kind() != jsontree.Missing; v = v.Following() {
		p.visit(root, v, confidence)
	}
	return state
}

// visit looks at one value on the way through the tree.
func (p *Parser) visit(root, v jsontree.Value, confidence Confidence) {
	for len(p.scopes) > 0 && !p.scopes[len(p.scopes)-1].of.Encloses(v) {
		p.scopes = p.scopes[:len(p.scopes)-1]
	}
	if v.Kind() == jsontree.Array && namesFailures(v) {
		p.scopes = append(p.scopes, scope{of: v, muted: false})
	}
	if v.Kind() != jsontree.Object {
		return
	}
	muted := len(p.scopes) > 0 && p.scopes[len(p.scopes)-1].muted
	for i := range dialects {
		e, says := dialects[i].match(v)
		switch says {
		case neither:
			continue
		case success:
			p.scopes = append(p.scopes, scope{of: v, muted: true})
		case failure:
			if !muted {
				e.Dialect, e.Confidence = dialects[i].name, confidence
				if e.RequestID = requestID(v); e.RequestID == "" {
					if !p.rootAsked { // once a body: it may hold very many envelopes, and very many keys
						p.rootID, p.rootAsked = requestID(root), true
					}
					e.RequestID = p.rootID
				}
				p.found = append(p.found, e)
			}
		}
		return
	}
}

// namesFailures tells whether a value's key says that it holds failures.
func namesFailures(v jsontree.Value) bool {
	key := strings.ToLower(v.Key())
	return strings.Contains(key, "error") || strings.Contains(key, "fail")
}

func requestID(object jsontree.Value) string {
	for _, key := range [...]string{"request_id", "requestId", "RequestId", "requestID", "request-id"} {
		if v := object.Get(key); v.Complete() {
			if id := strings.TrimSpace(v.Text()); id != "" {
				return id
			}
		}
	}
	return ""
}

// isBinary tells whether a body is something else than text: compressed, or in an
// encoding that we cannot read. It looks at the first 512 bytes; a character that the
// look or the body's end cuts in two is no sign of either.
func isBinary(body []byte) bool {
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
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

// xmlState tells whole XML from XML that is cut off, and both from HTML and
// other text that begins with a bracket.
func xmlState(body []byte) accesslog.BodyState {
	head := bytes.ToLower(body[:min(len(body), 16)])
	if bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html")) {
		return accesslog.Text
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for depth := 0; ; {
		token, err := d.RawToken()
		var syntax *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF) && depth <= 0:
			return accesslog.XML
		case errors.Is(err, io.EOF), errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
			return accesslog.Truncated
		case err != nil:
			return accesslog.Text
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// Clip is the first n characters of a text, its broken characters replaced.
func Clip(text []byte, n int) string {
	text = bytes.TrimSpace(text)
	if len(text) > n*utf8.UTFMax {
		text = text[:n*utf8.UTFMax]
	}
	s := strings.ToValidUTF8(string(text), "\ufffd")
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
