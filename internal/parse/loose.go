package parse

import (
	"bytes"
	"html"
	"net/url"
	"regexp"
	"strings"

	"errata/internal/jsontree"
)

// Some bodies are no JSON and still hold an envelope: pairs of a form, the printed map of another
// language, JSON in the middle of a text or of a page. They become JSON here, and are read as such.
// Their state stays text.

const (
	// maxLoose is how many bytes of such a body are read.
	maxLoose = 256 << 10
	// maxEmbedded is at how many places of a text JSON is tried.
	maxEmbedded = 8
)

var (
	// An object of Java as its toString prints it: ErrorResponse(code=E1, message=m)
	// and one of Rust: ApiError { code: "E1" }
	printedObject = regexp.MustCompile(`^[A-Za-z_$][\w.$]*(?:[({\[][A-Za-z_]\w* ?=| ?[({]\s?[A-Za-z_]\w*: ?["'\w])`)
	// Pairs of which one is the code of an error. Those in capital letters are settings.
	errorPairs = regexp.MustCompile(`^[\[(]?(?:err[a-z]*_?(?:[Cc]ode|[Nn]o)|result_?[Cc]ode|ret_?[Cc]ode)[ \t]?=`)
	// An error as Go's package status of gRPC prints it.
	grpcError = regexp.MustCompile(`(?s)^(?:[^{}<>"\n]{0,80}: )?rpc error: code = (\w+) desc = (.+)$`)
	// An element of XML in a text.
	element   = regexp.MustCompile(`<[A-Za-z_?][^<>]*>\s*<`)
	formPairs = regexp.MustCompile(`^[A-Za-z_][\w.\[\]-]{0,80}=[^&\s{}<>"]*(?:&[A-Za-z_][\w.\[\]-]{0,80}=[^&\r\n{}<>"]*)+$`)
	// What a page holds that its reader does not see.
	unseen = regexp.MustCompile(`(?is)<script\b.*?(?:</script>|$)|<style\b.*?(?:</style>|$)|<!--.*?(?:-->|$)`)
)

// loose looks for envelopes in a body that is neither JSON nor XML.
func (p *Parser) loose(body []byte) {
	if p.ignoreBody || len(body) > maxLoose || !bytes.ContainsAny(body, "{&<=:[|") {
		return
	}
	p.isXML = false
	body = bytes.TrimSpace(body)
	if bytes.IndexByte(body, '&') > 0 && formPairs.Match(body) {
		if e, ok := declined(body); ok {
			p.found = append(p.found, e)
			return
		}
		if p.json = appendForm(p.json[:0], body); len(p.json) > 0 {
			p.walk(p.tree.Parse(p.json), Exact)
		}
		return
	}
	if e, ok := loneError(body); ok {
		p.found = append(p.found, e)
		return
	}
	whole := body
	if bytes.HasPrefix(body, []byte("<")) {
		if p.status < 400 { // a page that shows JSON, unless it is nothing else
			p.document(body)
			return
		}
		body = unseen.ReplaceAll(body, nil)
	}
	if bytes.Contains(body, []byte("&quot;")) || bytes.Contains(body, []byte("&#34;")) {
		body = []byte(html.UnescapeString(string(body)))
	}
	if bytes.HasPrefix(body, []byte("{")) || p.status >= 400 && printedObject.Match(body) {
		if json, ok := fromPrinted(body); ok {
			p.json = append(p.json[:0], json...)
			p.walk(p.tree.Parse(p.json), Exact)
			return
		}
	}
	if m := grpcError.FindSubmatch(body); m != nil && p.status >= 400 {
		p.found = append(p.found, Envelope{Code: string(m[1]), Message: string(m[2]), Dialect: "grpc", Confidence: Exact})
		return
	}
	if json, ok := fromText(body, p.status >= 400 || errorPairs.Match(body)); ok {
		p.json = append(p.json[:0], json...)
		if p.walk(p.tree.Parse(p.json), Exact); len(p.found) > 0 {
			return
		}
	}
	p.embedded(body)
	if len(p.found) > 0 || p.status < 400 {
		return
	}
	if isPage(whole) {
		p.page = readPage(whole)
		if p.json = p.page.appendPage(p.json[:0], p.status); len(p.json) > 0 {
			p.walk(p.tree.Parse(p.json), Exact)
		}
		return
	}
	p.embeddedXML(body)
}

// document reads the JSON that is all that a page holds, as browsers and old frameworks wrap it.
func (p *Parser) document(body []byte) {
	if !bytes.ContainsAny(body, "{") || !isPage(body) {
		return
	}
	g := readPage(body)
	if g.title != "" || len(g.headings) > 0 {
		return
	}
	text := []byte(g.allText())
	if bytes.HasPrefix(text, []byte("{")) {
		if root := p.tree.Parse(text); p.tree.Ending == jsontree.Whole {
			p.walk(root, Exact)
		}
	}
}

// words returns what the body of a failed response says in words: the text of a page, the whole of
// anything else.
func (p *Parser) words() []byte {
	switch {
	case p.page != nil:
		return []byte(p.page.message(p.status))
	case isPage(p.readable):
		return []byte(readPage(p.readable).message(p.status))
	}
	return p.readable
}

// embeddedXML reads the XML in a text.
func (p *Parser) embeddedXML(text []byte) {
	at := element.FindIndex(text)
	if at == nil {
		return
	}
	document := text[at[0] : bytes.LastIndexByte(text, '>')+1]
	var ending xmlEnding
	if p.json, ending = xmlToJSON(p.json[:0], document); ending != xmlWhole {
		return
	}
	p.isXML = true
	p.walk(p.tree.Parse(p.json), Exact)
}

// quotesJSON reports whether a text only shows JSON to its readers: the answer to a successful call
// is documentation if JSON stands in a block of code, or in the middle of a line below the first.
func (p *Parser) quotesJSON(before []byte) bool {
	if p.status >= 400 {
		return false
	}
	line := bytes.LastIndexByte(before, '\n')
	if bytes.Contains(before, []byte("```")) {
		return true
	}
	start := bytes.TrimSpace(before[line+1:])
	return line >= 0 && len(start) > 0 && !bytes.HasSuffix(start, []byte("data:")) && !bytes.HasSuffix(start, []byte("("))
}

// embedded reads the first JSON object in a text that holds an envelope.
func (p *Parser) embedded(text []byte) {
	before := len(p.found)
	whole := text
	for n := 0; n < maxEmbedded && len(p.found) == before; n++ {
		plain, escaped := bytes.Index(text, []byte(`{"`)), bytes.Index(text, []byte(`{\"`))
		if plain < 0 && escaped < 0 {
			p.embeddedMap(whole)
			return
		}
		if plain < 0 || escaped >= 0 && escaped < plain {
			text = jsontree.AppendUnescaped(nil, text[escaped:])
			plain, whole = 0, text
		}
		text = text[plain:]
		if p.quotesJSON(whole[:len(whole)-len(text)]) {
			text = text[1:]
			continue
		}
		root := p.tree.Parse(text)
		if p.tree.Ending != jsontree.Whole && p.tree.Ending != jsontree.Trailing {
			text = text[1:]
			continue
		}
		rest := text[len(root.Raw()):]
		p.walk(root, Exact)
		text = rest
	}
}

// embeddedMap reads the first printed map of Python in a text: … responded with: {'error': 'x'}
func (p *Parser) embeddedMap(text []byte) {
	at := bytes.Index(text, []byte(`{'`))
	if at < 0 || p.quotesJSON(text[:at]) {
		return
	}
	m := &printed{src: text[at:]}
	if m.object() {
		p.json = append(p.json[:0], m.out...)
		p.walk(p.tree.Parse(p.json), Exact)
	}
}

// formNames are the usual names of what PayPal's forms name otherwise: NVP, and Payflow's RESULT.
var formNames = map[string]string{"CORRELATIONID": "correlationId", "RESULT": "resultCode", "RESPMSG": "resultMsg"}

// declined reads the form with which payment gateways of NMI's kind decline (response 2) or refuse
// (3): response=2&responsetext=…&response_code=202. Those of others have three digits of ISO 8583,
// and no text: Response=004&ConfirmationCode=0000000
func declined(body []byte) (e Envelope, ok bool) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return e, false
	}
	if code := values.Get("Response"); len(code) == len("004") && isDigits(code) && !saysSuccess(jsontree.String, code, common) && values.Has("ConfirmationCode") {
		return Envelope{Code: code, Dialect: "result-code", Confidence: Exact}, true
	}
	if r := values.Get("response"); r != "2" && r != "3" || !values.Has("responsetext") {
		return e, false
	}
	e = Envelope{Code: values.Get("response_code"), Message: strings.TrimSpace(values.Get("responsetext")), Dialect: "result-code", Confidence: Exact}
	return e, e.Code != ""
}

// loneError reads an error that is all that the body says: ERROR=INVALID_ID
func loneError(body []byte) (e Envelope, ok bool) {
	name, value, _ := bytes.Cut(body, []byte("="))
	if len(value) > maxCode || !bytes.EqualFold(name, []byte("error")) {
		return e, false
	}
	code := string(value)
	if !isConstant(code) || !strings.Contains(code, "_") || strings.HasPrefix(code, "NO_ERR") {
		return e, false
	}
	return Envelope{Code: code, Message: code, Dialect: "error-text", Confidence: Exact}, true
}

// appendForm writes the pairs of a form as a JSON object. The errors of PayPal's NVP, which are
// numbered, become a list.
func appendForm(dst, body []byte) []byte {
	values, err := url.ParseQuery(string(body))
	if err != nil || strings.HasPrefix(strings.ToLower(values.Get("ACK")), "success") || values.Get("response") == "1" && values.Has("responsetext") {
		return nil
	}
	dst = append(dst, '{')
	member := func(key, value string) {
		if c := dst[len(dst)-1]; c != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, []byte(key)), ':')
		dst = appendQuoted(dst, []byte(value))
	}
	for pair := range strings.SplitSeq(string(body), "&") {
		key, _, _ := strings.Cut(pair, "=")
		if name, ok := formNames[key]; ok && (key != "RESULT" || values.Has("RESPMSG")) {
			member(name, values.Get(key))
			continue
		}
		if values.Has(key) && !strings.HasPrefix(key, "L_") {
			member(key, values.Get(key))
		}
	}
	if values.Has("L_ERRORCODE0") {
		dst = append(dst, `,"errors":[`...)
		for i := 0; i < maxJoined; i++ {
			n := string(rune('0' + i))
			if !values.Has("L_ERRORCODE" + n) {
				break
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '{')
			member("code", values.Get("L_ERRORCODE"+n))
			message := values.Get("L_LONGMESSAGE" + n)
			if message == "" {
				message = values.Get("L_SHORTMESSAGE" + n)
			}
			member("message", message)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
