package parse

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// This file has the dialects that belong to nobody: what very many services write, each in its own
// way.

// Keys of texts that say what is wrong, those that say most first: messages, other texts, and an
// error that may also be a code.
var (
	messageKeys   = []key{keyErrorMsg, keyMessage, keyMessageUpper, keyErrorDescription, keyResultMsg}
	textKeys      = slices.Concat(messageKeys, []key{keyDescription, keyDetail, keyReason, keyTitle})
	errorTextKeys = slices.Concat(textKeys, []key{keyError, keyErrorTexts})
	resultKeys    = slices.Concat([]key{keyResultMsg}, textKeys)
	stateTextKeys = slices.Concat(textKeys, []key{keyData})
)

func errorObject(o *object) (Envelope, verdict) {
	if !o.named.is(namedError) && !o.isException() && !o.isErrorElement() || o.keys.hasAny(keys(keyOtherCode, keyErrcode)) {
		return Envelope{}, neither
	}
	messages := textKeys
	code := o.first(keyCode, keyCodeUpper)
	if text := scalarOf(o.Get(xmlText)); o.p.isXML && text != "" && scalarOf(code) != "" && !saysSuccess(jsontree.String, scalarOf(code), common) { // its code is an attribute
		return Envelope{Code: scalarOf(code), Message: text}, failure
	}
	if k := code.Kind(); k != jsontree.Missing && k != jsontree.Null && (k != jsontree.String || len(code.Raw()) > 0 || !code.Complete()) {
		e, says := o.pair(code, common, messages...)
		if flag, known := flagOf(o.Parent().Get("success")); says == neither && known && !flag {
			e, says = o.pair(code, common|distinctive, messages...)
		}
		if c := scalarOf(code); says == neither && o.liberal() && isWord(c) {
			e, says = Envelope{Code: c}, failure
		}
		if says == failure && e.ModuleCode == "" {
			e.ModuleCode = o.scalar(keySubCode)
		}
		return e, says
	}
	if k := o.get(keyError).Kind(); k == jsontree.Object || k == jsontree.Array {
		return Envelope{}, neither // the errors are in there
	}
	if code = o.first(keyType, keyName); isWord(scalarOf(code)) && !saysError(scalarOf(code)) { // a severity is no code
		return o.pair(code, common, messages...)
	}
	e, says := o.messageOnly(messages...)
	if says != failure {
		if e.Message = o.anySentence(); e.Message == "" {
			return Envelope{}, says
		}
	}
	e.Code = cmp.Or(o.codeOfMessage(), o.anyCode(), e.Code)
	return e, failure
}

func errorCode(o *object) (Envelope, verdict) {
	if !o.inErrors() && o.isNotice() {
		return Envelope{}, neither
	}
	if c := onlyScalar(o.get(keyOtherCode)); o.top() && !o.keys.hasAny(keys(keySuccess, keyError, keyErrors)) && o.get(keyOtherCode).Kind() == jsontree.Array && isDigits(c) && !saysSuccess(jsontree.String, c, common) {
		text, _ := o.text(textKeys...)
		return Envelope{Code: c, Message: text}, failure
	}
	return o.coded(o.get(keyOtherCode), common|distinctive|ofError, errorTextKeys...)
}

func errcode(o *object) (Envelope, verdict) {
	return o.coded(o.get(keyErrcode), common|distinctive|ofError, errorTextKeys...)
}

func resultCode(o *object) (Envelope, verdict) {
	if code := o.scalar(keyResultCode); o.top() && isDigits(code) && len(code) >= 3 { // {"response_code":103,"response_status":"REQUIRED_TOKEN"}
		word := cmp.Or(scalarOf(o.Get("response_status")), scalarOf(o.Get("responseStatus")))
		if isConstant(word) && refusal.isIn(strings.ReplaceAll(word, "_", " ")) {
			return Envelope{Code: code, Message: word}, failure
		}
	}
	code := scalarOf(o.get(keyResultCode))
	switch {
	case strings.EqualFold(code, "y"):
		return Envelope{}, success
	case strings.EqualFold(code, "n"):
		return o.flagged()
	case o.get(keyResultCode).KeyIs("cStat"):
		return o.fiscalStatus(code)
	}
	e, says := o.coded(o.get(keyResultCode), common, resultKeys...)
	switch {
	case says == failure && e.Message == "" && !o.liberal() && o.keys.has(keyErrorMsg) && o.get(keyErrorMsg).Complete():
		return Envelope{}, neither // no error, by its own words
	case says == failure:
		e.Message = cmp.Or(o.textNamedLike(o.get(keyResultCode)), e.Message)
		if own := o.codeOfMessage(); code == "1" && own != "" { // a flag beside it
			e.Code = own
		}
	case says == neither && complains(scalarOf(o.Get("ReportText"))): // EBICS
		return Envelope{Code: code, Message: scalarOf(o.Get("ReportText"))}, failure
	case says == neither && o.top():
		return o.resultInWords(code)
	}
	return e, says
}

// resultInWords reads a result at the top whose message has a name that is no message's in other
// dialects.
func (o *object) resultInWords(code string) (e Envelope, says verdict) {
	switch {
	case saysRefused(code):
		e = Envelope{Code: code, Message: o.anyText()}
	case code == "": // the number is the result itself
		number := o.get(keyOutcome)
		if e.Code = scalarOf(number); !isDigits(e.Code) || e.Code == "1" && !(o.p.isXML && o.isSmall()) || e.Code == strconv.Itoa(o.p.status) {
			return Envelope{}, neither
		}
		e.Message = cmp.Or(o.textNamedLike(number), o.scalar(textKeys...), scalarOf(o.Get("comment")))
		if !complains(e.Message) {
			return Envelope{}, neither
		}
	default:
		if e = (Envelope{Code: code, Message: cmp.Or(o.textNamedLike(o.get(keyResultCode)), o.scalar(keyReason, keyDetail))}); o.keys.has(keySuccess) || !complains(e.Message) {
			return Envelope{}, neither
		}
	}
	if e.Message == "" && !o.isSmall() || saysSuccess(jsontree.String, e.Code, common) {
		return Envelope{}, neither
	}
	return e, failure
}

// fiscalStatus reads the status of Brazil's electronic documents: below 200 it reports progress,
// unless its reason complains.
func (o *object) fiscalStatus(code string) (Envelope, verdict) {
	text := o.scalar(keyResultMsg)
	switch {
	case !isDigits(code) || text == "":
		return Envelope{}, neither
	case code < "200" && !complains(text), reportsSuccess(text):
		return Envelope{}, success
	}
	return Envelope{Code: code, Message: text}, failure
}

// flagged reads an answer whose result code only says that something failed.
func (o *object) flagged() (Envelope, verdict) {
	code, text := o.codeBeside(), o.scalar(messageKeys...)
	if c := o.scalar(keyError); isWord(c) || isDigits(c) {
		code = c
	}
	if !o.top() || len(code) == 1 && code[0]|0x20 == 'n' || code == "" && text == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

func statusCode(o *object) (Envelope, verdict) {
	if o.inErrors() && isWord(o.scalar(keyStatusCode)) {
		return o.pair(o.get(keyStatusCode), common, keyMessage)
	}
	if code := o.scalar(keyStatusCode); o.isOutcome() && (o.status() == 0 || !isDigits(code)) && o.keys.hasAny(keys(keyResultMsg, keyErrorMsg)) && !o.keys.has(keySuccess) {
		if e, says := o.pair(o.get(keyStatusCode), common, keyResultMsg, keyErrorMsg); says == success || saysErrorCode(code) || refusal.isIn(e.Message) {
			return e, says
		}
	}
	if e, says := o.ownStatus(); says == failure {
		return e, says
	}
	if o.status() < 400 || !o.top() && !o.named.is(namedError) {
		return Envelope{}, neither
	}
	if code := o.get(keyError); code.Kind() == jsontree.Number && scalarOf(code) != "0" {
		text, _ := o.text(textKeys...)
		return Envelope{Code: scalarOf(code), Message: text}, failure
	}
	e, says := o.messageOnly(errorTextKeys...)
	if code := o.scalar(keyCode, keyOtherCode); code != "" && says == failure {
		e.Code = code
	}
	return e, says
}

// statusDetail returns the text of a status code that has no other.
func (o *object) statusDetail() string {
	text, there := textOf(o.Get("statusDetail"))
	if !there {
		text, _ = textOf(o.Get("status_detail"))
	}
	return text
}

// ownStatus reads a status code that is the service's own: a number that is none of HTTP, with a
// complaint, or a word beside a sentence.
func (o *object) ownStatus() (Envelope, verdict) {
	code := o.scalar(keyStatusCode)
	if !o.isOutcome() || code == "" || o.keys.has(keySuccess) {
		return Envelope{}, neither
	}
	if text := o.scalar(keyStatus); saysErrorCode(code) && !isDigits(code) && strings.Contains(text, " ") {
		return Envelope{Code: code, Message: text}, failure
	}
	if text := o.statusDetail(); text != "" && saysErrorCode(code) && !isDigits(code) && !reportsSuccess(text) && (complains(text) || isDigits(strings.TrimPrefix(code, "E"))) {
		return Envelope{Code: code, Message: text}, failure
	}
	n, err := strconv.Atoi(code)
	text, _ := o.text(keyMessage, keyStatus)
	if err != nil || n <= 1 || n == 100 || 200 <= n && n < 600 || !complains(text) || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

func codeMessage(o *object) (Envelope, verdict) {
	messages := messageKeys
	if !o.inErrors() && o.isNotice() {
		return Envelope{}, neither
	}
	if o.get(keyError).Kind() == jsontree.Object && !o.keys.hasAny(keys(messages...)) {
		return Envelope{}, neither // the error is in there
	}
	if (o.liberal() || o.inErrors()) && o.get(keyError).Kind() != jsontree.Object {
		messages = errorTextKeys
	}
	code, word := o.first(keyCode, keyCodeUpper), o.scalar(keyCode, keyCodeUpper)
	if len(word) > len("400 ") && word[3] == ' ' && statusOf(word[:3]) >= 400 && o.get(keyErrors).First().Kind() == jsontree.Object {
		return Envelope{}, neither // the errors in there say more
	}
	if o.describesCode(word, messages) {
		messages = append(slices.Clip(messages), keyDescription)
	}
	if text := o.scalar(keyError); o.top() && strings.Contains(text, " ") { // a sentence
		messages = append(slices.Clip(messages), keyError)
	}
	if e, says := o.headOfError(word, messages); says == failure {
		return e, says
	}
	e, says := o.coded(code, common, messages...)
	if says == neither && !o.keys.hasAny(keys(messages...)) {
		e, says = o.codeAlone(code)
	}
	if says == failure && !o.liberal() && !o.inErrors() && (!o.isErrorCode(e) || o.isRecord()) {
		return Envelope{}, neither
	}
	return e, says
}

// describesCode reports whether a plain description is the message of a code: in a body with hardly
// anything else, or if the code is a number and the description complains.
func (o *object) describesCode(code string, messages []key) bool {
	if o.Parent().Kind() == jsontree.Missing && !o.keys.hasAny(keys(keyID, keyName, keyType, keyError)) {
		return true
	}
	return o.isAnswer() && o.Parent().Kind() != jsontree.Array && isDigits(strings.ReplaceAll(strings.TrimPrefix(code, "-"), ".", "")) && !o.keys.hasAny(keys(messages...)) && complains(o.scalar(keyDescription))
}

// headOfError reads the part of an answer that says how the call went, with a type of error and its
// text under any name: {"Status":{"Code":98,"Content":"…","Type":"Fehler"}}.
func (o *object) headOfError(code string, messages []key) (Envelope, verdict) {
	kind := cmp.Or(o.scalar(keyType), o.scalar(keyLevel))
	if kind == "" || !o.isHead() || o.keys.hasAny(keys(messages...)) || !saysError(kind) && !strings.EqualFold(kind, "fehler") {
		return Envelope{}, neither
	}
	text := o.anyText()
	if text == "" || !isDigits(code) || strings.Trim(code, "0") == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

func jSend(o *object) (Envelope, verdict) {
	if !o.top() && !o.isHead() {
		return Envelope{}, neither
	}
	typed, unfit := saysError(o.scalar(keyType)), o.unfitText()
	switch {
	case !typed && !saysRefused(o.scalar(keyStatus, keyOutcome)) && unfit == "", o.get(keyError).Kind() == jsontree.Object:
		return Envelope{}, neither
	case !o.liberal() && o.listsFindings():
		return Envelope{}, neither
	case !o.liberal() && o.keys.has(keyID) && !o.keys.hasAny(keys(keyMessage, keyMessageUpper)): // the state of a thing
		return Envelope{}, neither
	case unfit != "":
		return Envelope{Message: unfit}, failure
	}
	code := cmp.Or(o.codeBeside(), o.reasonBeside())
	if id := o.scalar(keyID); code == "" && typed && isDigits(id) { // {"type":"error","id":6200,"message":"…"}
		code = id
	}
	if code != "" {
		if text := cmp.Or(o.anyText(), o.textBelow()); !messageSaysSuccess(text) && (text != "" || !o.holdsError() && o.Complete()) {
			return Envelope{Code: code, Message: text}, failure
		}
	}
	return o.failedWithoutCode()
}

// failedWithoutCode reads an object whose state says failure, and which has no code.
func (o *object) failedWithoutCode() (Envelope, verdict) {
	if e, says := o.messageOnly(stateTextKeys...); says == failure {
		if code := o.scalar(keyStatusCode); e.Code == "" && isDigits(code) && strings.Trim(code, "0") != "" { // the service's own number
			e.Code = code
		}
		return e, says
	}
	if o.liberal() {
		if text := fieldTexts(o.get(keyData), true); text != "" {
			return Envelope{Message: text}, failure
		}
		return Envelope{}, neither
	}
	text := o.anySentence()
	if !complains(text) || o.keys.hasAny(keys(keyID, keyName, keyTime)) {
		return Envelope{}, neither
	}
	e := Envelope{Message: text}
	if word := o.scalar(keyError); isWord(word) && word != text {
		e.Code = word
	}
	return e, failure
}

// unfitText returns the text with the name of the status beside a status that says that the request
// could not be read: Status=INVALID, StatusDetail=….
func (o *object) unfitText() string {
	if !slices.Contains(unfitStates, strings.ToLower(o.scalar(keyStatus))) {
		return ""
	}
	return o.textNamedLike(o.get(keyStatus))
}

// listsFindings reports whether an object is the result of a check, with a list of what it found.
func (o *object) listsFindings() bool {
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() == jsontree.Array && slices.Contains([]string{"reasons", "findings", "violations", "checks", "results", "rules", "assertions"}, string(m.RawKey())) {
			return true
		}
	}
	return false
}

func successFlag(o *object) (Envelope, verdict) {
	says, known := flagOf(o.get(keySuccess))
	failed := known && !says
	if o.get(keySuccess).Kind() == jsontree.Missing {
		failed, known = flagOf(o.get(keyError))
		for _, k := range [...]key{keyStatus, keyOutcome} {
			if state := o.get(k); !known && state.Kind() == jsontree.Bool && state.Complete() && state.Text() == "false" {
				failed = k == keyStatus || complains(o.anyText()) // a result may also be the answer to a question
				known = failed
			}
		}
	}
	switch {
	case !known:
		return Envelope{}, neither
	case !failed:
		return Envelope{}, success
	case !o.top():
		return Envelope{}, neither
	}
	if above := o.get(keyError); isWord(scalarOf(above)) {
		return o.wordAndMessage(above)
	}
	if o.get(keyError).Kind() != jsontree.String && !o.keys.hasAny(keys(keyMessage, keyMessageUpper)) && o.holdsErrorObject() {
		return Envelope{}, neither // the error is in there
	}
	e, verdict := o.messageOnly(errorTextKeys...)
	if verdict == neither && !o.liberal() {
		if e.Message = cmp.Or(o.anyText(), fieldTexts(o.get(keyErrors), true), onlySentence(o.Value)); e.Message != "" && !messageSaysSuccess(e.Message) && complains(e.Message) {
			verdict = failure
		}
	}
	if code := cmp.Or(o.codeBeside(), o.reasonBeside()); code != "" && verdict == failure {
		e.Code = code
	}
	if code := o.Get("error-codes").First(); code.Kind() == jsontree.String && code.Complete() { // reCAPTCHA
		e.Code, verdict = strings.TrimSpace(code.Text()), failure
	}
	return e, verdict
}

func errorText(o *object) (Envelope, verdict) {
	text := o.get(keyError)
	kind := text.Kind()
	if kind == jsontree.String && isDigits(strings.TrimPrefix(scalarOf(text), "-")) { // in a form or in XML
		kind = jsontree.Number
	}
	switch kind {
	case jsontree.Missing:
		name := bytes.ToLower(nameOf(o.get(keyErrorMsg)))
		isNamed := bytes.Contains(name, []byte("err")) || bytes.Contains(name, []byte("fail"))
		isPlaced := o.top() || o.p.isXML && o.holdsFailures(o.Value)
		if said, _ := o.text(keyErrorMsg); isNamed && !o.liberal() && isPlaced && o.isSmall() && complains(said) && !o.holdsError() {
			return o.messageOnly(keyErrorMsg)
		}
	case jsontree.Null:
		return Envelope{}, success
	case jsontree.Number:
		return o.errorNumber(text)
	case jsontree.String:
		switch {
		case text.Complete() && len(text.Raw()) == 0:
			return Envelope{}, success
		case o.keys.has(keyErrorMsg) && isWord(scalarOf(text)) && saysErrorCode(scalarOf(text)):
			return o.wordAndMessage(text)
		case !o.top() && !o.inErrors() && !o.Parent().KeyIs("results") && !o.wrapsError() && !(o.isAnswer() && complains(text.Text())):
			return Envelope{}, neither
		case isWord(scalarOf(text)):
			return o.wordAndMessage(text)
		}
		return o.messageOnly(keyError)
	}
	return Envelope{}, neither
}

// errorNumber takes an error of digits as the code.
func (o *object) errorNumber(number jsontree.Value) (Envelope, verdict) {
	if !o.top() && !o.keys.has(keyErrorMsg) {
		return Envelope{}, neither
	}
	e, says := o.pair(number, common|ofError, textKeys...)
	if text := o.textNamedLike(number); says == neither && text != "" {
		return Envelope{Code: scalarOf(number), Message: text}, failure
	}
	return e, says
}

// wordAndMessage takes an error of one word as the code.
func (o *object) wordAndMessage(word jsontree.Value) (Envelope, verdict) {
	c := scalarOf(word)
	if slices.Contains(successCodes, c) {
		return Envelope{}, success
	}
	text, _ := o.text(textKeys...)
	return Envelope{Code: c, Message: cmp.Or(text, c)}, failure
}

func errorItem(o *object) (Envelope, verdict) {
	if !o.standsAlone() {
		return Envelope{}, neither
	}
	if isWord(o.scalar(keyReason)) {
		return o.pair(o.get(keyReason), 0, keyMessage)
	}
	if !o.first(messageKeys...).Complete() && o.keys.hasAny(keys(messageKeys...)) && o.codeElsewhere() == "" && o.anyCode() == "" {
		return Envelope{}, neither
	}
	e, says := o.messageOnly(messageKeys...)
	if text := o.anyText(); says == neither && text != "" && !messageSaysSuccess(text) {
		e, says = Envelope{Message: text, Code: o.statusCode(text)}, failure
	}
	code := cmp.Or(o.codeOfMessage(), anyCode(o.Value, strongCodeWords))
	if o.codeElsewhere() == "" {
		code = cmp.Or(code, o.anyCode())
	}
	if says == failure && code != strconv.Itoa(o.status()) {
		e.Code = cmp.Or(code, e.Code)
	}
	return e, says
}

// messageLists end the names of lists of messages to the caller.
var messageLists = []string{"message", "messages", "msg", "msgs", "messagelist", "msglist", "messagemodellist", "notifications",
	"mensaje", "mensajes", "mensagem", "mensagens", "meldung", "meldungen", "messaggio", "messaggi"}

// messageItem reads an item of a list of messages that calls itself an error, or whose list is
// beside a result that says so:
// {"tppMessages":[{"category":"ERROR","code":"TOKEN_INVALID","text":"…"}]}.
func messageItem(o *object) (Envelope, verdict) {
	list := o.Parent()
	if list.Kind() != jsontree.Array {
		if !o.p.isXML {
			return Envelope{}, neither
		}
		list = o.Value
	}
	var buffer [maxRoleName]byte
	if !endsWithAny(plainName(nameOf(list), &buffer), messageLists) {
		return Envelope{}, neither
	}
	own := cmp.Or(o.scalar(keyCategory), o.scalar(keyLevel), o.scalar(keyType))
	beside := scalarOf(list.Parent().Get("resultCode"))
	if list.Parent().Parent().Kind() == jsontree.Missing {
		beside = cmp.Or(beside, scalarOf(list.Parent().Get("state")))
	}
	all := own == "" && isAllOf(list)
	if !saysError(own) && (own != "" || !saysError(beside)) && !all {
		return Envelope{}, neither
	}
	text, _ := textOf(o.Get("text"))
	if text == "" {
		text = o.anySentence()
	}
	code := cmp.Or(o.scalar(keyCode), scalarOf(o.Get("messageCode")), o.codeElsewhere())
	if code == "" && own != "" {
		code = o.scalar(keyID)
	}
	if reason := o.scalar(keyReason); code == "" && !all && isWord(reason) {
		code = reason
	}
	if code == "" && own != "" {
		code = o.anyCode()
	}
	if code == "" || text == "" && o.Complete() || all && (!complains(text) || slices.Contains(successCodes, code)) {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

// saysError reports whether a category, a severity or a result in words is that of an error.
func saysError(word string) bool {
	return slices.ContainsFunc(severeWords, func(s string) bool { return strings.EqualFold(s, word) })
}

func errorTexts(o *object) (Envelope, verdict) {
	if said, _ := o.text(messageKeys...); !o.top() || said != "" && (o.liberal() || o.flagSaysFailure()) {
		return Envelope{}, neither // a sentence about all of them
	}
	text, single := "", false
	for _, k := range [...]key{keyErrors, keyErrorTexts, keyError} {
		m := o.get(k)
		if kind := m.Kind(); kind != jsontree.Array && (kind != jsontree.String || k == keyError) {
			continue
		}
		if text, _ = textOf(m); text != "" {
			single = m.Kind() == jsontree.String || m.First().Next().Kind() == jsontree.Missing
			break
		}
	}
	if text == "" || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	e := Envelope{Code: o.scalar(keyCode, keyCodeUpper, keyErrorCode, keyOtherCode, keyErrcode, keyResultCode), Message: text}
	if saysSuccess(jsontree.String, e.Code, common) || len(e.Code) > maxCode {
		e.Code = ""
	}
	switch n := o.status(); {
	case e.Code != "":
	case o.liberal():
		return Envelope{}, neither // see lastResorts
	case n >= 400:
		e.Code = httpCode(n)
	case single && isWord(text) && o.first(keyErrors, keyErrorTexts, keyError).Complete():
		e.Code = text
	}
	return e, failure
}

// statusNumber reads {"status":220,"message":"APP Referer校验失败"}. Many services say success by 1
// or by a status of HTTP, and with any text.
func statusNumber(o *object) (Envelope, verdict) {
	if o.p.isXML && o.isHead() && o.KeyIs("status") {
		return o.geoNames()
	}
	status, named := o.get(keyStatus), o.keys.has(keyErrorMsg)
	code := scalarOf(status)
	n, err := strconv.Atoi(code)
	switch {
	case !o.top() && !o.isHead() && !(named && o.isAnswer()), o.keys.hasAny(keys(keyID, keyName, keyTime, keyError, keyDocumentationURL)):
		return Envelope{}, neither
	case err == nil && (n == 0 || n == 1 || n == 200), err != nil && !isStateCode(code):
		return Envelope{}, neither
	case status.Kind() == jsontree.String && o.Parent().Kind() == jsontree.Array: // an item with a state of its own
		return Envelope{}, neither
	}
	text := o.textOfStatus(err == nil)
	if text == "" || messageSaysSuccess(text) || reportsSuccess(text) || o.flagSaysSuccess() {
		return Envelope{}, neither
	}
	plain := n >= 100 && n/100 != 2 && status.Kind() == jsontree.Number && o.get(keyData).Kind() == jsontree.Missing
	if !plain && !named && !complains(text) {
		return Envelope{}, neither
	}
	if 400 <= n && n < 600 {
		code = o.statusCode(text)
		if o.liberal() {
			code = cmp.Or(o.wordOfCode(), code)
		}
	}
	return Envelope{Code: code, Message: text}, failure
}

// textOfStatus returns the message of a status. That of a number may also be a description that
// complains.
func (o *object) textOfStatus(isNumber bool) string {
	text, _ := o.text(messageKeys...)
	if said := o.scalar(keyReason, keyDescription); text == "" && isNumber && complains(said) {
		return said
	}
	return text
}

// isStateCode reports whether a status in words is a code: TRA10021, REQUEST_NOT_PROCESSED.
func isStateCode(word string) bool {
	return isWord(word) && !handled.MatchString(word) && (saysErrorCode(word) || isConstant(word) && strings.Contains(word, "_") && complains(strings.ReplaceAll(word, "_", " ")))
}

// handled matches the state of a matter that somebody takes care of: ERROR_REPORTED.
var handled = regexp.MustCompile(`(?i)_(?:reported|resolved|fixed|logged|closed|acknowledged|notified|confirmed|assigned)$`)

// geoNames reads <status message="…" value="10"/>.
func (o *object) geoNames() (Envelope, verdict) {
	text, number := o.scalar(keyMessage), scalarOf(o.Get("value"))
	if !isDigits(number) || number == "0" || !complains(text) {
		return Envelope{}, neither
	}
	return Envelope{Code: number, Message: text}, failure
}

func itemState(o *object) (Envelope, verdict) {
	status := o.scalar(keyStatus)
	numbered := isDigits(status) && strings.Trim(status, "0") != "" && o.get(keyErrorMsg).KeyIs("error-text")
	if !o.isItem() || !numbered && !o.failing || o.get(keyError).Kind() == jsontree.Object || o.get(keyErrors).Kind() == jsontree.Array {
		return Envelope{}, neither
	}
	text, _ := o.text(errorTextKeys...)
	if word := o.scalar(keyStatus); text == "" && o.status() >= 400 && isWord(word) && soundsLikeCode(word) {
		text = word
	}
	if text == "" || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	e := Envelope{Message: text}
	details := o.get(keyDetails)
	for _, code := range [...]string{o.scalar(keyCode, keyCodeUpper, keyErrorCode, keyOtherCode, keyErrcode, keyResultCode), o.scalar(keyError), scalarOf(details.Get("error")), scalarOf(details.Get("code"))} {
		if isWord(code) || isDigits(code) && strings.Trim(code, "0") != "" {
			e.Code = code
			break
		}
	}
	switch own := o.scalar(keyStatusCode); {
	case e.Code != "":
	case o.status() >= 400:
		e.Code = o.statusCode(text)
	case isDigits(own) && !saysSuccess(jsontree.String, own, common|ofError): // the service's own number
		e.Code = own
	case numbered:
		e.Code = status
	}
	o.ignore(details)
	return e, failure
}

// lastResorts are asked in this order about the object that is the whole body, if the status of the
// request is 400 or more and no dialect found an envelope: some text in it becomes the message.
var lastResorts = []dialect{
	{"apisix", "error_msg alone", keys(keyErrorMsg), func(o *object) (Envelope, verdict) {
		if !o.get(keyErrorMsg).KeyIs("error_msg") {
			return Envelope{}, neither
		}
		return o.messageOnly(keyErrorMsg)
	}},
	{"django-rest", "detail, with code or alone", keys(keyDetail), func(o *object) (Envelope, verdict) {
		if o.keys.has(keyMessage) {
			return Envelope{}, neither
		}
		e, says := o.messageOnly(keyDetail)
		if code := o.scalar(keyCode); code != "" && says == failure {
			e.Code = code
		}
		return e, says
	}},
	{"kong", "message alone", keys(keyMessage, keyMessageUpper), func(o *object) (Envelope, verdict) {
		e, says := o.messageOnly(keyMessage, keyMessageUpper)
		if name := o.scalar(keyName); isWord(name) && says == failure {
			e.Code = name
		}
		return e, says
	}},
	{"message", "a text under errors, title, description, reason and the like", keys(keyErrors, keyErrorTexts, keyErrorMsg, keyError, keyErrorDescription, keyTitle, keyDescription, keyReason, keyDetails, keyResultMsg), func(o *object) (Envelope, verdict) {
		if text := fieldTexts(o.get(keyErrors), true); text != "" {
			return Envelope{Message: text}, failure
		}
		return o.messageOnly(keyErrors, keyErrorTexts, keyErrorMsg, keyError, keyErrorDescription, keyTitle, keyDescription, keyReason, keyDetails, keyResultMsg)
	}},
	{"django-rest", "fields with lists of texts", everyKey, func(o *object) (Envelope, verdict) {
		text := fieldTexts(o.Value, false)
		if text == "" || o.p.status >= 500 { // a server does not fail because of a field
			return Envelope{}, neither
		}
		return Envelope{Message: text}, failure
	}},
	{"message", "a text under any name that sounds like one, here or below", everyKey, func(o *object) (Envelope, verdict) {
		text := o.anyText()
		if data := o.scalar(keyData); text == "" && complains(data) {
			text = data
		}
		if text != "" && !messageSaysSuccess(text) {
			return Envelope{Message: text, Code: o.wordOfCode()}, failure
		}
		word := o.wordOfCode()
		where, text := below(o.Value)
		if text = cmp.Or(text, word); text == "" || messageSaysSuccess(text) {
			return Envelope{}, neither
		}
		e := Envelope{Message: text, Code: word}
		if code := cmp.Or(anyCode(where, len(codeWords)), wordOfStatus(where)); word == "" && where.Parent().Kind() != jsontree.Array && code != strconv.Itoa(o.p.status) {
			e.Code = code
		}
		return e, failure
	}},
}
