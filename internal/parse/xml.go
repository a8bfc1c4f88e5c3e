package parse

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// xmlText is the member that holds the text of an element with attributes or children.
const xmlText = "#text"

// maxXMLDepth is how deep elements may be nested. Deeper ones are skipped.
const maxXMLDepth = 1000

// xmlToJSON writes XML as JSON, so that one table of dialects serves both. An element becomes a
// member under its name, without its prefix; an element with only text becomes a string; attributes
// become members too. If the XML is cut off, so is the JSON at the same place: what is whole in one
// is whole in the other. Entities that the document declares are not expanded.
func xmlToJSON(dst, body []byte) (json []byte, ending xmlEnding) {
	body = withoutCutEntity(body)
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict = false // undeclared entities stay as they are
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	w := xmlWriter{dst: append(dst, '{')}
	for {
		before := d.InputOffset()
		token, err := d.RawToken()
		switch {
		case err == nil:
			if ending := w.token(token); ending != xmlWhole {
				return w.dst, ending
			}
		case errors.Is(err, io.EOF) && len(w.open) == 0:
			if w.elements == 0 {
				return w.dst, xmlBroken
			}
			return append(w.dst, '}'), xmlWhole
		case isXMLCut(err):
			w.cutAt(body[before:])
			return w.dst, xmlCut
		default:
			w.cut(true)
			return w.dst, xmlBroken
		}
	}
}

// maxEntity is the greatest length of an entity of XML and HTML that is usual in texts.
const maxEntity = len("&epsilon;")

// withoutCutEntity takes off an entity that is cut off at the end. It would spoil the text before
// it.
func withoutCutEntity(body []byte) []byte {
	amp := bytes.LastIndexByte(body, '&')
	if amp <= 0 || len(body)-amp > maxEntity || bytes.ContainsAny(body[amp:], ";<> ") {
		return body
	}
	return body[:amp]
}

// isXMLCut reports whether the input ended inside an element or a token.
func isXMLCut(err error) bool {
	var syntax *xml.SyntaxError
	return errors.Is(err, io.EOF) || errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF")
}

// xmlEnding says how the XML ended.
type xmlEnding int

const (
	xmlWhole xmlEnding = iota
	xmlCut
	xmlBroken // not XML, or no longer
	xmlHTML
)

// xmlWriter writes XML as JSON and holds the open elements.
type xmlWriter struct {
	dst  []byte
	text []byte // of the innermost element
	open []xmlElement
	deep int // elements beyond maxXMLDepth

	elements int // so far
}

type xmlElement struct {
	name    string
	members bool // it is written as an object
	empty   bool // the object has no member yet
}

// token writes one token. It returns xmlWhole as long as reading may go on.
func (w *xmlWriter) token(token xml.Token) xmlEnding {
	switch t := token.(type) {
	case xml.StartElement:
		return w.startElement(t)
	case xml.EndElement:
		if !w.end(t.Name.Local) {
			w.cut(true)
			return xmlBroken
		}
	case xml.CharData:
		switch {
		case len(w.open) == 0 && len(bytes.TrimSpace(t)) > 0:
			return xmlBroken
		case len(w.open) > 0 && w.deep == 0:
			w.text = append(w.text, t...)
		}
	case xml.Directive:
		if bytes.HasPrefix(bytes.ToLower(t), []byte("doctype html")) {
			return xmlHTML
		}
	}
	return xmlWhole
}

func (w *xmlWriter) startElement(t xml.StartElement) xmlEnding {
	if len(w.open) == 0 {
		switch {
		case w.elements > 0: // a second root
			return xmlBroken
		case strings.EqualFold(t.Name.Local, "html"):
			return xmlHTML
		}
	}
	w.elements++
	w.start(t)
	return xmlWhole
}

func (w *xmlWriter) start(t xml.StartElement) {
	if len(w.open) >= maxXMLDepth {
		w.deep++
		return
	}
	w.member()
	w.key(t.Name.Local)
	e := xmlElement{name: t.Name.Local}
	w.text = w.text[:0]
	w.open = append(w.open, e)
	for _, a := range t.Attr {
		if isSyntax(a.Name) {
			continue
		}
		w.member()
		w.key(a.Name.Local)
		w.dst = appendQuoted(w.dst, []byte(a.Value))
	}
}

// isSyntax reports whether an attribute says how the XML is to be read, and nothing about its
// content.
func isSyntax(name xml.Name) bool {
	switch name.Space {
	case "xmlns", "xsi":
		return true
	case "xml":
		return name.Local != "lang"
	}
	return name.Local == "xmlns" || name.Local == "encodingStyle"
}

// member makes the innermost element an object, ready for one more member.
func (w *xmlWriter) member() {
	if len(w.open) == 0 {
		return
	}
	e := &w.open[len(w.open)-1]
	if !e.members {
		e.members, e.empty = true, true
		w.dst = append(w.dst, '{')
		if text := bytes.TrimSpace(w.text); len(text) > 0 {
			e.empty = false
			w.key(xmlText)
			w.dst = appendQuoted(w.dst, text)
		}
		w.text = w.text[:0]
	}
	if !e.empty {
		w.dst = append(w.dst, ',')
	}
	e.empty = false
}

func (w *xmlWriter) key(name string) {
	w.dst = append(appendQuoted(w.dst, []byte(name)), ':')
}

func (w *xmlWriter) end(name string) bool {
	if w.deep > 0 {
		w.deep--
		return true
	}
	if len(w.open) == 0 || w.open[len(w.open)-1].name != name {
		return false
	}
	text := bytes.TrimSpace(w.text)
	if e := w.open[len(w.open)-1]; e.members {
		if len(text) > 0 {
			w.member()
			w.key(xmlText)
			w.dst = appendQuoted(w.dst, text)
		}
		w.dst = append(w.dst, '}')
	} else {
		w.dst = appendQuoted(w.dst, text)
	}
	w.text = w.text[:0]
	w.open = w.open[:len(w.open)-1]
	return true
}

// cutAt ends the JSON where the XML ended, inside the token that begins with rest.
func (w *xmlWriter) cutAt(rest []byte) {
	if text, ok := bytes.CutPrefix(rest, []byte("<![CDATA[")); ok && w.deep == 0 {
		w.text = append(w.text, text...)
		w.cut(false)
		return
	}
	w.cut(len(rest) > 0)
}

// cut ends the JSON where the XML ended. The text of the innermost element is whole if something
// follows it.
func (w *xmlWriter) cut(followed bool) {
	if len(w.open) == 0 || w.deep > 0 {
		return
	}
	text := bytes.TrimSpace(w.text)
	if len(text) == 0 {
		return
	}
	if w.open[len(w.open)-1].members {
		w.member()
		w.key(xmlText)
	}
	w.dst = appendQuoted(w.dst, text)
	if !followed {
		w.dst = w.dst[:len(w.dst)-1]
	}
}

// appendQuoted appends a text as a JSON string.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
