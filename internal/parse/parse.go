// Package parse finds the error envelopes in a response body.
//
// An envelope is the pair of code and message with which a service says that a call failed,
// whatever the HTTP status. Each vendor's way to write one is a dialect, a row of the table in
// dialects.go: a name, a short description, and a function that looks at one JSON object and says
// failure (and returns the envelope), success, or neither. A new dialect takes a row there, its
// keys in names.go, cases in testdata/bodies, a row in docs/dialects.md and a new parserVersion
// (package enrich). What texts say, in many languages, is in says.go, and what names say besides in
// meaning.go. Users add their own dialects without code (custom.go).
//
// A body goes through four steps. Package bodycoding removes what it is wrapped in (compression,
// base64, a JSON string, …). xml.go rewrites XML as JSON, so one table serves both. Parser.visit
// walks all objects in document order and asks each dialect in turn. Finally, a status of 400 or
// more always yields an error. These rules decide what counts:
//
//   - a failure counts wherever it is, unless an object around it says success;
//   - below a success envelope it still counts if its own keys are names of errors, such as
//     error_code, if a catalog lists its code, or if its code is an HTTP status from 400 up;
//   - in a list that is named for failures (errors, failed, …), and in an item whose own state says
//     failure, it always counts;
//   - what only looks like an envelope in the answer to a successful call does not count: a
//     document, the state of a job, a list of codes (exempt.go);
//   - a status of 400 or more without any envelope is an error of its own, HTTP.<status>.
//
// If a body is cut off or damaged, everything before the damage is read, with Salvaged confidence.
// A code that is itself cut is never guessed.
package parse

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"errata/internal/accesslog"
	"errata/internal/bodycoding"
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
	ModuleCode string // a narrower code: Tencent Cloud's "(100004)", Microsoft's innererror, ErrorInfo's reason
	Message    string
	RequestID  string
	Dialect    string
	Confidence Confidence
}

// HTTPDialect is the dialect of errors that are known only by their HTTP status.
const HTTPDialect = "http"

// HTTPMessageLength is how many characters of a body become the message of an HTTP error. Envelopes
// carry some more, and the last word up to its end, so that redaction sees a secret whole even if
// the cut goes through it.
const (
	HTTPMessageLength = 200
	httpMessageMargin = 100
	maxSecret         = 4096
)

// Parser reads bodies. It reuses its memory: only one goroutine may use it at a time.
type Parser struct {
	tree    jsontree.Tree
	checker jsontree.Checker
	names   *names
	decoder *bodycoding.Decoder
	custom  []dialect // the user's own dialects: asked before those of the table

	published func(code, dialect, service string) Standing // nil: no catalogs

	askedType  string // see isUTF8
	typeIsUTF8 bool

	// Of the body at hand.
	status     int    // of the request
	service    string // that answered
	ignoreBody bool   // find only its state
	readable   []byte // the body without its wrappings
	page       *page  // nil: it is none, or has not been read
	isXML      bool
	found      []Envelope
	scopes     []scope
	ignored    []jsontree.Value       // the values that an envelope already covers
	ids        map[jsontree.Value]ids // of the objects around envelopes
	failed     []jsontree.Value       // the envelopes around the value at hand, the outermost first
	last       jsontree.Value         // the latest envelope of the document at hand
	object     object
	inner      []innerText
	innerTree  jsontree.Tree
	innerDepth int
	text       []byte // the body without the escapes of the JSON string that held it
	json       []byte // XML as JSON
}

// Standing is what catalogs say about a code.
type Standing uint8

const (
	Unlisted   Standing = iota
	Failure             // a catalog lists the code as an error
	NotFailure          // a catalog lists the code, and says that it means success
)

// Consult makes the parser ask what catalogs say about a code in a dialect of a service. What it
// answers must not change: the rows of a batch that is read again have to be the same.
func (p *Parser) Consult(published func(code, dialect, service string) Standing) {
	p.published = published
}

// scope is a part of the tree in which failures always count, or, if muted, never.
type scope struct {
	of    jsontree.Value
	muted bool
}

// NewParser returns a Parser that knows the user's dialects besides its own.
func NewParser(custom []Custom) (*Parser, error) {
	p := &Parser{tree: jsontree.Tree{Max: maxValues}, checker: jsontree.Checker{Suspects: suspects}, innerTree: jsontree.Tree{Max: maxValues}, names: &names{}, ids: map[jsontree.Value]ids{}}
	p.decoder = bodycoding.NewDecoder(&p.tree)
	p.object.p = p
	for i, c := range custom {
		d, err := c.compile()
		if err != nil {
			return nil, &CustomError{Index: i, Name: c.Name, Err: err}
		}
		p.custom = append(p.custom, d)
	}
	return p, nil
}

const (
	// maxValues is how many values of a body are searched.
	maxValues = 1 << 20
	// maxXML is how many bytes of XML are searched: reading them takes many times their memory.
	maxXML = 4 << 20
	// Memory that one large body took is freed above these numbers of values and bytes.
	keptValues = 1 << 16
	keptBytes  = 1 << 20
)

// Body returns the envelopes in the body of an access, in document order, and the body's state. The
// slice is valid until the next call.
func (p *Parser) Body(a *accesslog.Access) ([]Envelope, accesslog.BodyState) {
	p.found, p.status, p.service, p.ignoreBody, p.readable, p.page = p.found[:0], a.Status, a.Service, a.IgnoreBody, nil, nil
	defer p.shrink()
	state := a.BodyState
	if state == "" {
		var none bool
		if state, none = p.fast(a); !none {
			state = p.body(a)
		}
	}
	p.trailers(a)
	p.fromLog(a)
	if a.Status < 400 {
		return p.found, state
	}
	if len(p.found) == 0 {
		e := Envelope{Code: httpCode(a.Status), Dialect: HTTPDialect, Confidence: Exact}
		if state != accesslog.Undecodable {
			e.Message = clipWords(p.words(), HTTPMessageLength+httpMessageMargin)
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

func (p *Parser) shrink() {
	p.tree.Shrink(keptValues)
	p.innerTree.Shrink(keptValues)
	p.inner = p.inner[:0]
	if len(p.readable) > keptBytes {
		clear(p.object.said[:])
	}
	if cap(p.text) > keptBytes {
		p.text = nil
	}
	if cap(p.json) > keptBytes {
		p.json = nil
	}
}

// Text returns an access's body without the escapes of the record's JSON, but with everything that
// it is wrapped in.
func Text(a *accesslog.Access) []byte {
	if a.Escaped {
		return jsontree.AppendUnescaped(nil, a.Body)
	}
	return a.Body
}

func httpCode(status int) string { return "HTTP." + strconv.Itoa(status) }

func (p *Parser) body(a *accesslog.Access) accesslog.BodyState {
	body := a.Body
	if a.Escaped {
		p.text = jsontree.AppendUnescaped(p.text[:0], body)
		body = p.text
	}
	plain := p.decoder.Decode(body, a.ContentEncoding, a.ContentType)
	switch {
	case plain.Outcome == bodycoding.Undecodable:
		return accesslog.Undecodable
	case plain.Outcome == bodycoding.Empty && plain.Cut:
		return accesslog.Truncated
	case plain.Outcome == bodycoding.Empty:
		return accesslog.Empty
	}
	p.readable = plain.Text
	var state accesslog.BodyState
	switch p.readable[0] {
	case '{', '[':
		state = p.documents(p.readable, plain.Cut)
	case '<':
		state = p.markup(p.readable, plain.Cut)
	default:
		p.tree.Parse(p.readable) // a bare string, number or null
		switch {
		case p.tree.Ending == jsontree.Whole:
			state = accesslog.JSON
		case p.tree.Ending == jsontree.Cut && p.readable[0] == '"':
			state = accesslog.Truncated
		default:
			p.loose(p.readable)
			return accesslog.Text
		}
	}
	if plain.Cut && (state == accesslog.JSON || state == accesslog.XML) {
		state = accesslog.Truncated
	}
	return state
}

// documents reads JSON: one document, or several in a row, as of NDJSON.
func (p *Parser) documents(body []byte, cut bool) accesslog.BodyState {
	state := accesslog.JSON
	p.isXML = false
	for first := true; len(body) > 0; first = false {
		root := p.tree.Parse(body)
		rest := bytes.TrimLeft(body[p.tree.Offset:], bodycoding.Blank+"\x1e")
		damaged := false
		switch ending := p.tree.Ending; {
		case ending == jsontree.TooMany:
			rest = nil
			var checker jsontree.Checker
			how, ok := checker.Check(body, false)
			switch {
			case !ok:
				damaged = true
			case how == jsontree.Cut:
				state = accesslog.Truncated
			}
			cut = true // only a part is searched
		case ending == jsontree.Cut:
			state, rest = accesslog.Truncated, nil
		case ending == jsontree.Malformed:
			damaged = true
			if rest = nextLine(body[p.tree.Offset:]); first {
				rest = nil
			}
		case len(rest) == 0, rest[0] == '0' && len(bytes.TrimRight(rest, bodycoding.Blank)) == 1: // the size of the last chunk, left over
			rest = nil
		case rest[0] != '{' && rest[0] != '[':
			damaged, rest = true, nil
		}
		if damaged {
			if state = accesslog.Text; bodycoding.IsBinary(body) {
				state = accesslog.Undecodable
			}
		}
		p.walk(root, Exact)
		if inner := p.proxied(root); inner != nil && len(rest) == 0 {
			rest = inner
		}
		if damaged && first && len(p.found) == 0 && state == accesslog.Text {
			p.loose(body)
			return state
		}
		body = rest
	}
	if cut || state != accesslog.JSON {
		for i := range p.found {
			p.found[i].Confidence = Salvaged
		}
	}
	return state
}

// proxied returns the body that an AWS Lambda function meant to send, where the gateway passed on
// the function's whole answer instead: {"statusCode":500,"body":"{…}"}. It returns nil if there is
// none, or if an envelope has been found.
func (p *Parser) proxied(root jsontree.Value) []byte {
	if len(p.found) > 0 {
		return nil
	}
	inner := root.Get("body")
	if status := root.Get("statusCode"); inner.Kind() != jsontree.String || len(status.Raw()) != 3 || status.Raw()[0] < '4' {
		return nil
	}
	if text := bytes.TrimLeft(inner.AppendText(nil), bodycoding.Blank); len(text) > 0 && text[0] == '{' {
		return text
	}
	return nil
}

// nextLine returns the next line of NDJSON after a damaged one.
func nextLine(rest []byte) []byte {
	for {
		_, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return nil
		}
		if rest = after; len(after) > 0 && after[0] == '{' {
			return after
		}
	}
}

// markup reads XML, or finds out that the body is not XML.
func (p *Parser) markup(body []byte, cut bool) accesslog.BodyState {
	if json := afterNotices(body); json != nil {
		if state := p.documents(json, cut); state != accesslog.JSON {
			return state
		}
		return accesslog.Text
	}
	if !utf8.Valid(body) {
		body = jsontree.TrimCut(body)
		body = bytes.ToValidUTF8(body, []byte("\ufffd"))
	}
	var ending xmlEnding
	p.json, ending = xmlToJSON(p.json[:0], body[:min(len(body), maxXML)])
	if ending == xmlHTML {
		p.loose(body)
		return accesslog.Text
	}
	state, confidence := accesslog.XML, Exact
	switch {
	case len(body) > maxXML:
		last := bytes.TrimRight(body[bytes.LastIndexByte(body, '<'):], bodycoding.Blank)
		if confidence = Salvaged; !bytes.HasSuffix(last, []byte("/>")) && !(bytes.HasPrefix(last, []byte("</")) && bytes.HasSuffix(last, []byte(">"))) {
			state = accesslog.Truncated
		}
	case ending == xmlCut:
		state, confidence = accesslog.Truncated, Salvaged
	case ending == xmlBroken:
		state, confidence = accesslog.Text, Salvaged
	case cut:
		confidence = Salvaged
	}
	p.isXML = true
	p.walk(p.tree.Parse(p.json), confidence)
	return state
}

// walk visits a whole document, and then the documents that its texts hold.
func (p *Parser) walk(root jsontree.Value, confidence Confidence) {
	if p.ignoreBody {
		return
	}
	before := len(p.found)
	p.inner = p.inner[:0]
	p.tour(root, confidence, false)
	muted := len(p.scopes) > 0 && p.scopes[0].of == root && p.scopes[0].muted
	for i := 0; i < len(p.inner) && i < maxInner; i++ {
		p.insideText(p.inner[i], confidence)
	}
	if len(p.found) == before && p.status >= 400 && !muted {
		p.lastResort(root, confidence)
	}
	p.insideMessages(before)
}

// tour visits all objects of a document in order. It may be inside a success envelope.
func (p *Parser) tour(root jsontree.Value, confidence Confidence, muted bool) {
	p.scopes, p.ignored = p.scopes[:0], p.ignored[:0]
	p.failed, p.last = p.failed[:0], jsontree.Value{}
	emptied(&p.ids)
	if muted {
		p.scopes = append(p.scopes, scope{of: root, muted: true})
	}
	for v := root; v.Kind() != jsontree.Missing; {
		if p.visit(v, confidence) {
			v = v.Following()
		} else {
			v = v.After()
		}
	}
}

// emptied empties a map. It replaces one that has grown large: clearing it would cost as much for
// each later body as for this one.
func emptied[K comparable, V any](m *map[K]V) {
	switch n := len(*m); {
	case n > 1000:
		*m = map[K]V{}
	case n > 0:
		clear(*m)
	}
}

// visit looks at one value on the way through the tree. It reports whether to go on inside it.
func (p *Parser) visit(v jsontree.Value, confidence Confidence) bool {
	kind := v.Kind()
	if kind != jsontree.Object && kind != jsontree.Array {
		return true
	}
	if p.spokenFor(v) {
		return false
	}
	p.leaveScopes(v)
	named := p.names.of(v)
	if p.status < 400 && named.is(namedExempt) {
		return false
	}
	if kind == jsontree.Array {
		if named.is(namedFailures) {
			p.scopes = append(p.scopes, scope{of: v, muted: false})
		}
		return true
	}
	o := &p.object
	o.read(v, named)
	if o.keys == 0 && len(p.custom) == 0 && len(o.texts) == 0 && !named.is(namedError) {
		return true
	}
	counted := len(p.scopes) > 0 && !p.scopes[len(p.scopes)-1].muted
	if p.status < 400 && !counted && o.exempt() {
		return false
	}
	if o.failing = o.stateSaysFailure(); o.failing { // what it holds says why
		p.scopes, counted = append(p.scopes, scope{of: v}), true
	}
	muted := len(p.scopes) > 0 && !counted
	e, says := o.ask(p.custom)
	if says == neither {
		e, says = o.askTable()
	}
	switch says {
	case success:
		p.scopes, muted = append(p.scopes, scope{of: v, muted: true}), true
	case failure:
		if (!muted || o.countsBelowSuccess(e)) && !p.repeats(v, e) {
			e.Confidence = confidence
			p.add(v, e)
		}
	}
	if len(o.texts) > 0 {
		p.innerTexts(muted)
	}
	return true
}

// spokenFor reports whether an envelope before v covers v.
func (p *Parser) spokenFor(v jsontree.Value) bool {
	i := slices.Index(p.ignored, v)
	if i < 0 {
		return false
	}
	p.ignored = slices.Delete(p.ignored, i, i+1)
	return true
}

// leaveScopes leaves the scopes and the envelopes that v is not in.
func (p *Parser) leaveScopes(v jsontree.Value) {
	for len(p.scopes) > 0 && !p.scopes[len(p.scopes)-1].of.Encloses(v) {
		p.scopes = p.scopes[:len(p.scopes)-1]
	}
	for len(p.failed) > 0 && !p.failed[len(p.failed)-1].Encloses(v) {
		p.failed = p.failed[:len(p.failed)-1]
	}
}

// covers reports whether an object around the value at hand is an envelope.
func (p *Parser) covers(object jsontree.Value) bool {
	for i := len(p.failed) - 1; i >= 0; i-- {
		if p.failed[i].Encloses(object) {
			return p.failed[i] == object
		}
	}
	return false
}

// repeats reports whether an envelope says nothing new: one around it covers its mere code, or the
// one before it says the same at another place than in a list.
func (p *Parser) repeats(object jsontree.Value, e Envelope) bool {
	if len(p.found) == 0 || p.last.Kind() == jsontree.Missing {
		return false
	}
	around, before := p.last, p.found[len(p.found)-1]
	if e.Code == before.Code && e.Message == before.Message {
		return around.Encloses(object) || !inList(object) || !inList(around)
	}
	isMember := around.Encloses(object) && object.Parent().Kind() == jsontree.Object
	isPair := hasOwnCode(before) && before.Message != ""
	return isMember && isPair && e.Message == ""
}

// inList reports whether a list is around a value.
func inList(v jsontree.Value) bool {
	for v = v.Parent(); v.Kind() != jsontree.Missing; v = v.Parent() {
		if v.Kind() == jsontree.Array {
			return true
		}
	}
	return false
}

// completes reports whether an envelope is the message of the code around it, which has no other.
func (p *Parser) completes(object jsontree.Value, e Envelope) bool {
	if len(p.found) == 0 || !p.last.Encloses(object) {
		return false
	}
	around := p.found[len(p.found)-1]
	isCode, isMessage := hasOwnCode(around) && around.Message == "", !hasOwnCode(e) && e.Message != ""
	return isCode && isMessage
}

func (p *Parser) add(object jsontree.Value, e Envelope) {
	if p.completes(object, e) {
		p.found[len(p.found)-1].Message = e.Message
		return
	}
	if e.RequestID == "" {
		e.RequestID = p.requestID(object)
	}
	p.found = append(p.found, e)
	p.failed, p.last = append(p.failed, object), object
}

// lastResort takes the text of a body under a failing status as the message, if no dialect found an
// envelope.
func (p *Parser) lastResort(root jsontree.Value, confidence Confidence) {
	if root.Kind() == jsontree.Array {
		root = root.First()
	}
	if p.isXML && root.First().Kind() == jsontree.Object {
		root = root.First()
	}
	if root.Kind() != jsontree.Object {
		return
	}
	o := &p.object
	o.read(root, p.names.of(root))
	if e, says := o.ask(lastResorts); says == failure {
		if !hasOwnCode(e) {
			e.Code = cmp.Or(o.wordOfCode(), compoundState(o.scalar(keyStatus)), e.Code)
		}
		e.Confidence = confidence
		p.add(root, e)
	}
}

// fromLog adds what the gateway itself logged about a failure: its own error besides the body's,
// and the gRPC status.
func (p *Parser) fromLog(a *accesslog.Access) {
	hasCode := !slices.Contains(successCodes, a.GatewayCode)
	saysAll := a.GatewayMessage != "" && a.Status >= 400 && len(p.found) == 0 // that is known of the failure
	if hasCode || saysAll {
		p.found = append(p.found, Envelope{Code: a.GatewayCode, Message: a.GatewayMessage, Dialect: a.Format, Confidence: Exact})
	}
	if !slices.Contains(successCodes, a.GRPCStatus) && len(p.found) == 0 {
		p.found = append(p.found, Envelope{Code: a.GRPCStatus, Message: a.GRPCMessage, Dialect: "grpc", Confidence: Exact})
	}
}

// maxAround is how many objects around an envelope are searched for its request id.
const maxAround = 6

// ids are the request id of an object and the id of its trace or log, which serves if there is no
// request id.
type ids struct{ request, trace string }

// requestID returns the request id in an object or in those around it, else the trace's id.
func (p *Parser) requestID(v jsontree.Value) string {
	trace := ""
	for n := 0; v.Kind() != jsontree.Missing && n < maxAround; v, n = v.Parent(), n+1 {
		if v.Kind() != jsontree.Object {
			continue
		}
		found, asked := p.ids[v]
		if !asked {
			found = idsOf(v)
			if len(p.found) > 0 { // once per object: it may hold many envelopes and many keys
				p.ids[v] = found
			}
		}
		if found.request != "" {
			return found.request
		}
		trace = cmp.Or(trace, found.trace)
	}
	return trace
}

// idsOf returns the ids among the members of an object, or of the metadata in it.
func idsOf(o jsontree.Value) (found ids) {
	if o.Kind() != jsontree.Object {
		return found
	}
	nested := ""
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		switch string(m.RawKey()) {
		case "request_id", "requestId", "RequestId", "requestID", "RequestID", "request-id", "requestid", "Request_Id", "x-request-id", "x_request_id", "reqId", "req_id", "Request-Id":
			if found.request == "" {
				found.request = scalarOf(m)
			}
		case "trace_id", "traceId", "TraceId", "log_id", "logId", "logid", "debug_id", "fbtrace_id", "correlationId", "correlation_id":
			if found.trace == "" {
				found.trace = scalarOf(m)
			}
		case "meta", "metadata", "Metadata", "ResponseMetadata", "responseMetadata", "error":
			for _, name := range [...]string{"request_id", "requestId", "RequestId", "log_id"} {
				nested = cmp.Or(nested, scalarOf(m.Get(name)))
			}
		}
	}
	found.request = cmp.Or(found.request, nested)
	return found
}

// clipWords returns the first n characters of a text, and the word at hand up to its end.
func clipWords(text []byte, n int) string {
	text = bytes.TrimSpace(text)
	end := 0
	for ; end < len(text) && n > 0; n-- {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	const between = bodycoding.Blank + "\"'<>{}()[],;&"
	if end > 0 && strings.IndexByte(between, text[end-1]) < 0 {
		rest := text[end:min(len(text), end+maxSecret)]
		if i := bytes.IndexAny(rest, between); i >= 0 {
			rest = rest[:i]
		}
		end += len(rest)
	}
	return strings.ToValidUTF8(string(text[:end]), "\ufffd")
}

// Clip returns the first n characters of a text, with invalid UTF-8 replaced.
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
