package parse

import (
	"bytes"
	"cmp"
	"html"
	"net/url"
	"regexp"
	"strconv"
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
	isMarkup := bytes.HasPrefix(body, []byte("<"))
	switch {
	case p.isForm(body), p.isLoneError(body):
		return
	case isMarkup && p.status < 400: // a page that shows JSON, unless it is nothing else
		p.document(body)
		return
	}
	text := body
	if isMarkup && holdsUnseen(text) {
		text = unseen.ReplaceAll(text, nil)
	}
	if bytes.Contains(text, []byte("&quot;")) || bytes.Contains(text, []byte("&#34;")) {
		text = []byte(html.UnescapeString(string(text)))
	}
	if p.isPrinted(text) || p.isGRPC(text) || p.holdsPairs(text) {
		return
	}
	p.embedded(text)
	switch {
	case len(p.found) > 0, p.status < 400:
	case isPage(body):
		p.page = readPage(body)
		if p.json = p.page.appendPage(p.json[:0], p.status); len(p.json) > 0 {
			p.walk(p.tree.Parse(p.json), Exact)
		}
	default:
		p.embeddedXML(text)
	}
}

// holdsUnseen reports whether a page holds what unseen matches. It costs less.
func holdsUnseen(page []byte) bool {
	for at := range page {
		if page[at] == '<' && (follows(page, at, "<script") || follows(page, at, "<style") || follows(page, at, "<!--")) {
			return true
		}
	}
	return false
}

// walkJSON visits a body that was rewritten as JSON.
func (p *Parser) walkJSON(json []byte) {
	p.json = append(p.json[:0], json...)
	p.walk(p.tree.Parse(p.json), Exact)
}

// isForm reports whether a body is a form, and reads it.
func (p *Parser) isForm(body []byte) bool {
	if bytes.IndexByte(body, '&') <= 0 || !formPairs.Match(body) {
		return false
	}
	if e, ok := declined(body); ok {
		p.found = append(p.found, e)
		return true
	}
	if p.json = appendForm(p.json[:0], body); len(p.json) > 0 {
		p.walk(p.tree.Parse(p.json), Exact)
	}
	return true
}

// isLoneError reports whether a body is an error and nothing else, and reads it.
func (p *Parser) isLoneError(body []byte) bool {
	e, ok := loneError(body)
	if ok {
		p.found = append(p.found, e)
	}
	return ok
}

// isPrinted reports whether a text is the printed map or object of another language, and reads it.
func (p *Parser) isPrinted(text []byte) bool {
	isMap := bytes.HasPrefix(text, []byte("{"))
	if !isMap && (p.status < 400 || !printedObject.Match(text)) {
		return false
	}
	json, ok := fromPrinted(text)
	if ok {
		p.walkJSON(json)
	}
	return ok
}

// isGRPC reports whether a text is an error of gRPC as Go prints it, and reads it.
func (p *Parser) isGRPC(text []byte) bool {
	if p.status < 400 || !bytes.Contains(text, []byte("rpc error: code = ")) {
		return false
	}
	m := grpcError.FindSubmatch(text)
	if m == nil {
		return false
	}
	p.found = append(p.found, Envelope{Code: string(m[1]), Message: string(m[2]), Dialect: "grpc", Confidence: Exact})
	return true
}

// holdsPairs reports whether a text of names and values holds an envelope, and reads it.
func (p *Parser) holdsPairs(text []byte) bool {
	json, ok := fromText(text, p.status >= 400 || errorPairs.Match(text))
	if ok {
		p.walkJSON(json)
	}
	return len(p.found) > 0
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
	if !bytes.HasPrefix(text, []byte("{")) {
		return
	}
	if root := p.tree.Parse(text); p.tree.Ending == jsontree.Whole {
		p.walk(root, Exact)
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
	line := bytes.LastIndexByte(before, '\n')
	switch {
	case p.status >= 400:
		return false
	case bytes.Contains(before, []byte("```")):
		return true
	case line < 0:
		return false
	}
	start := bytes.TrimSpace(before[line+1:])
	isCall := bytes.HasSuffix(start, []byte("data:")) || bytes.HasSuffix(start, []byte("(")) // an event, or JSONP
	return len(start) > 0 && !isCall
}

// nextJSON returns where the next object of JSON in a text may begin, -1 if nowhere, and whether it
// has the escapes of a JSON string.
func nextJSON(text []byte) (from int, escaped bool) {
	plain, quoted := bytes.Index(text, []byte(`{"`)), bytes.Index(text, []byte(`{\"`))
	if quoted >= 0 && (plain < 0 || quoted < plain) {
		return quoted, true
	}
	return plain, false
}

// embedded reads the first JSON object in a text that holds an envelope.
func (p *Parser) embedded(text []byte) {
	before := len(p.found)
	whole := text
	for n := 0; n < maxEmbedded && len(p.found) == before; n++ {
		from, escaped := nextJSON(text)
		if from < 0 {
			p.embeddedMap(whole)
			return
		}
		text = text[from:]
		if escaped {
			text = jsontree.AppendUnescaped(nil, text)
			whole = text
		}
		if p.quotesJSON(whole[:len(whole)-len(text)]) {
			text = text[1:]
			continue
		}
		root := p.tree.Parse(text)
		if isWhole := p.tree.Ending == jsontree.Whole || p.tree.Ending == jsontree.Trailing; !isWhole {
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
	e = Envelope{Dialect: "result-code", Confidence: Exact}
	response, iso := values.Get("response"), values.Get("Response")
	switch {
	case values.Has("ConfirmationCode") && isFailureOfISO(iso):
		e.Code = iso
	case values.Has("responsetext") && (response == "2" || response == "3"):
		e.Code, e.Message = values.Get("response_code"), strings.TrimSpace(values.Get("responsetext"))
	}
	return e, e.Code != ""
}

// isFailureOfISO reports whether a response code of ISO 8583 is not one of success.
func isFailureOfISO(code string) bool {
	return len(code) == len("004") && isDigits(code) && !saysSuccess(jsontree.String, code, common)
}

// loneError reads an error that is all that the body says: ERROR=INVALID_ID
func loneError(body []byte) (e Envelope, ok bool) {
	name, value, _ := bytes.Cut(body, []byte("="))
	if len(value) > maxCode || !bytes.EqualFold(name, []byte("error")) {
		return e, false
	}
	code := string(value)
	isNone := strings.HasPrefix(code, "NO_ERR")
	if isNone || !isConstant(code) || !strings.Contains(code, "_") {
		return e, false
	}
	return Envelope{Code: code, Message: code, Dialect: "error-text", Confidence: Exact}, true
}

// appendForm writes the pairs of a form as a JSON object, nothing if they say success. The errors
// of PayPal's NVP, which are numbered, become a list.
func appendForm(dst, body []byte) []byte {
	values, err := url.ParseQuery(string(body))
	if err != nil || formSaysSuccess(values) {
		return nil
	}
	dst = append(dst, '{')
	for pair := range strings.SplitSeq(string(body), "&") {
		key, _, _ := strings.Cut(pair, "=")
		name, isUsual := formNames[key]
		switch {
		case isUsual && (key != "RESULT" || values.Has("RESPMSG")):
			dst = appendMember(dst, name, values.Get(key))
		case values.Has(key) && !strings.HasPrefix(key, "L_"):
			dst = appendMember(dst, key, values.Get(key))
		}
	}
	return append(appendListed(dst, values), '}')
}

// formSaysSuccess reports whether a form says success: PayPal's ACK, or NMI's response.
func formSaysSuccess(values url.Values) bool {
	isNMI := values.Has("responsetext")
	return strings.HasPrefix(strings.ToLower(values.Get("ACK")), "success") || isNMI && values.Get("response") == "1"
}

// appendListed writes the numbered errors of PayPal's NVP as the list of failures of an object.
func appendListed(dst []byte, values url.Values) []byte {
	if !values.Has("L_ERRORCODE0") {
		return dst
	}
	dst = append(dst, `,"errors":[`...)
	for i := range maxJoined {
		n := strconv.Itoa(i)
		if !values.Has("L_ERRORCODE" + n) {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMember(append(dst, '{'), "code", values.Get("L_ERRORCODE"+n))
		dst = appendMember(dst, "message", cmp.Or(values.Get("L_LONGMESSAGE"+n), values.Get("L_SHORTMESSAGE"+n)))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendMember writes a member of the object that dst ends with.
func appendMember(dst []byte, key, value string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(appendQuoted(dst, []byte(key)), ':')
	return appendQuoted(dst, []byte(value))
}
