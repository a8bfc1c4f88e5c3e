package parse

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"errata/internal/jsontree"
)

// Some services answer with JSON inside a text of their JSON:
// {"code":"0","result":"{\"code\":403}"}. Such a text is read like a part of the body if its key
// says that it holds an answer. Any other text that holds JSON is data: a message of a person, a
// request that is quoted.

const (
	// maxInner is how many texts of a body are read as JSON.
	maxInner = 100
	// maxInnerDepth is how many containers may be around such a text.
	maxInnerDepth = 3
)

// innerText is a text that holds JSON.
type innerText struct {
	text      []byte
	muted     bool   // an object around it says success
	requestID string // of the objects around it
	depth     int    // texts around it
}

// innerKeys end the keys of texts that hold an answer, in lower case.
var innerKeys = []string{"result", "resp", "rsp", "response", "responce", "body", "data", "output", "reply", "return"}

func isInnerKey(key []byte) bool {
	for _, name := range innerKeys {
		if n := len(key) - len(name); n >= 0 && follows(key, n, name) {
			return true
		}
	}
	return false
}

// mayHoldJSON reports whether the raw text of a string begins like JSON.
func mayHoldJSON(raw []byte) bool {
	return len(raw) > 2 && (raw[0] == '{' || raw[0] == '[' || raw[0] == ' ')
}

// innerTexts notes the texts of the object at hand that hold JSON.
func (p *Parser) innerTexts(muted bool) {
	depth := 0
	for v := p.object.Parent(); v.Kind() != jsontree.Missing; v = v.Parent() {
		if depth++; depth > maxInnerDepth {
			return
		}
	}
	for _, m := range p.object.texts {
		if len(p.inner) >= maxInner {
			return
		}
		text := bytes.TrimLeft(m.AppendText(nil), " ")
		if !bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("[")) {
			continue
		}
		p.inner = append(p.inner, innerText{text, muted, p.requestID(p.object.Value), p.innerDepth + 1})
	}
}

// insideText visits the document that a text holds.
func (p *Parser) insideText(t innerText, confidence Confidence) {
	root := p.innerTree.Parse(t.text)
	switch p.innerTree.Ending {
	case jsontree.Whole:
	case jsontree.Cut:
		confidence = Salvaged
	default:
		return
	}
	if t.depth > 2 {
		return
	}
	before := len(p.found)
	p.innerDepth = t.depth
	p.tour(root, confidence, t.muted)
	p.innerDepth = 0
	for i := range p.found[before:] {
		if e := &p.found[before+i]; e.RequestID == "" {
			e.RequestID = t.requestID
		}
	}
}

// insideMessages reads the JSON in the messages of envelopes without a code of their own, from one
// on. Such a message quotes the answer of another service, whose envelope says what failed:
// [404] during [GET] to [http://…] [Orders#get(Long)]: [{"code":"E1","message":"…"}]
func (p *Parser) insideMessages(from int) {
	for i := from; i < len(p.found) && i-from < maxInner; i++ {
		if e := p.found[i]; hasOwnCode(e) || !strings.Contains(e.Message, `{"`) && !strings.Contains(e.Message, `{\"`) {
			continue
		}
		if e, ok := p.quoted([]byte(p.found[i].Message)); ok {
			e.RequestID = cmp.Or(p.found[i].RequestID, e.RequestID)
			p.found[i] = e
		}
	}
}

// hasOwnCode reports whether the code of an envelope is more than a status.
func hasOwnCode(e Envelope) bool { return e.Code != "" && !strings.HasPrefix(e.Code, "HTTP.") }

// quoted returns the first envelope with a code in the JSON in a text.
func (p *Parser) quoted(text []byte) (e Envelope, ok bool) {
	before := len(p.found)
	defer func() { p.found = p.found[:before] }()
	for range maxEmbedded {
		from, escaped := nextJSON(text)
		if from < 0 {
			return e, false
		}
		text = text[from:]
		if escaped {
			text = jsontree.AppendUnescaped(nil, text)
		}
		confidence := Exact
		root := p.innerTree.Parse(text)
		switch p.innerTree.Ending {
		case jsontree.Whole, jsontree.Trailing:
		case jsontree.Cut:
			confidence = Salvaged
		default:
			text = text[1:]
			continue
		}
		p.tour(root, confidence, false)
		for _, e := range p.found[before:] {
			if hasOwnCode(e) {
				return e, true
			}
		}
		p.found, text = p.found[:before], text[max(len(root.Raw()), 1):]
	}
	return e, false
}

// always are the dialects in which an object itself says that it failed.
var always = []string{"telegram", "slack", "success-flag", "jsend", "item-state"}

// countsBelowSuccess reports whether a failure counts although an object around it says success.
func (o *object) countsBelowSuccess(e Envelope) bool {
	if slices.Contains(always, e.Dialect) {
		return true
	}
	switch {
	case e.Code == "", e.Message == "" && o.Complete():
		return false
	case messageSaysSuccess(e.Message), reportsSuccess(e.Message):
		return false
	case o.named.is(namedError), o.keys.hasAny(errorNames):
		return true
	case o.get(keyResultCode).KeyIs("cStat"): // of a document, below that of its lot
		return true
	case statusOf(e.Code) >= 400:
		return true
	}
	return o.p.standing(e.Code, e.Dialect) == Failure
}

// errorNames are keys whose names are those of errors.
var errorNames = keys(keyErrorCode, keyErrorMsg, keyOtherCode, keyErrcode, keyErrorDescription, keyFaultString)

func (p *Parser) standing(code, dialect string) Standing {
	if p.published == nil || code == "" {
		return Unlisted
	}
	return p.published(code, dialect, p.service)
}
