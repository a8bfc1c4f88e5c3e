package parse

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// This file has the dialects that belong to nobody and give a code beside a message: what very many
// services write, each in its own way. States and flags are in states.go, messages without a code
// in messages.go.

func errorObject(o *object) (Envelope, verdict) {
	isError := o.named.is(namedError) || o.isException() || o.isErrorElement()
	if !isError || o.keys.hasAny(keys(keyOtherCode, keyErrcode)) {
		return Envelope{}, neither
	}
	code := o.first(keyCode, keyCodeUpper)
	if e, says := o.elementWithCode(scalarOf(code)); says == failure {
		return e, says
	}
	kind := o.first(keyType, keyName)
	switch {
	case !isEmpty(code):
		return o.errorWithCode(code)
	case isContainer(o.get(keyError)): // the errors are in there
		return Envelope{}, neither
	case isWord(scalarOf(kind)) && !saysError(scalarOf(kind)): // a severity is no code
		return o.pair(kind, common, textKeys...)
	}
	return o.errorWithoutCode()
}

// elementWithCode reads an element of XML whose code is an attribute:
// <ServiceException code="LayerNotDefined">…
func (o *object) elementWithCode(code string) (Envelope, verdict) {
	if !o.p.isXML || code == "" || saysSuccess(jsontree.String, code, common) {
		return Envelope{}, neither
	}
	text := scalarOf(o.Get(xmlText))
	if text == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

func (o *object) errorWithCode(code jsontree.Value) (Envelope, verdict) {
	e, says := o.pair(code, common, textKeys...)
	if flag, known := flagOf(o.Parent().Get("success")); says == neither && known && !flag {
		e, says = o.pair(code, common|distinctive, textKeys...)
	}
	if c := scalarOf(code); says == neither && o.liberal() && isWord(c) {
		e, says = Envelope{Code: c}, failure
	}
	if says == failure && e.ModuleCode == "" {
		e.ModuleCode = o.scalar(keySubCode)
	}
	return e, says
}

func (o *object) errorWithoutCode() (Envelope, verdict) {
	e, says := o.messageOnly(textKeys...)
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
	code := o.get(keyOtherCode)
	if e, says := o.codeInList(code); says == failure {
		return e, says
	}
	return o.coded(code, common|distinctive|ofError, errorTextKeys...)
}

// codeInList reads the one number in a list of codes: {"errorCode":[1004],"message":"…"}.
func (o *object) codeInList(list jsontree.Value) (Envelope, verdict) {
	if list.Kind() != jsontree.Array || !o.top() || o.keys.hasAny(keys(keySuccess, keyError, keyErrors)) {
		return Envelope{}, neither
	}
	code := onlyScalar(list)
	if !isDigits(code) || saysSuccess(jsontree.String, code, common) {
		return Envelope{}, neither
	}
	text, _ := o.text(textKeys...)
	return Envelope{Code: code, Message: text}, failure
}

func errcode(o *object) (Envelope, verdict) {
	return o.coded(o.get(keyErrcode), common|distinctive|ofError, errorTextKeys...)
}

func resultCode(o *object) (Envelope, verdict) {
	if e, says := o.resultWithStatus(); says == failure {
		return e, says
	}
	result, code := o.get(keyResultCode), o.scalar(keyResultCode)
	switch {
	case strings.EqualFold(code, "y"):
		return Envelope{}, success
	case strings.EqualFold(code, "n"):
		return o.flagged()
	case result.KeyIs("cStat"):
		return o.fiscalStatus(code)
	}
	e, says := o.coded(result, common, resultKeys...)
	switch {
	case says == failure && e.Message == "" && o.saysNoError():
		return Envelope{}, neither
	case says == failure:
		e.Message = cmp.Or(o.textNamedLike(result), e.Message)
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

// saysNoError reports whether an answer without a message has a place for the message of an error,
// and so says that nothing is wrong.
func (o *object) saysNoError() bool { return !o.liberal() && o.get(keyErrorMsg).Complete() }

// resultWithStatus reads a number beside a constant that says what went wrong:
// {"response_code":103,"response_status":"REQUIRED_TOKEN"}.
func (o *object) resultWithStatus() (Envelope, verdict) {
	code := o.scalar(keyResultCode)
	if !isDigits(code) || len(code) < len("103") || !o.top() {
		return Envelope{}, neither
	}
	word := cmp.Or(scalarOf(o.Get("response_status")), scalarOf(o.Get("responseStatus")))
	if !isConstant(word) || !refusal.isIn(strings.ReplaceAll(word, "_", " ")) {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: word}, failure
}

// resultInWords reads a result at the top whose message has a name that is no message's in other
// dialects.
func (o *object) resultInWords(code string) (e Envelope, says verdict) {
	switch {
	case saysRefused(code):
		e = Envelope{Code: code, Message: o.anyText()}
		says = failure
	case code == "":
		e, says = o.resultAsNumber()
	case !o.keys.has(keySuccess):
		e = Envelope{Code: code, Message: cmp.Or(o.textNamedLike(o.get(keyResultCode)), o.scalar(keyReason, keyDetail))}
		if complains(e.Message) {
			says = failure
		}
	}
	mayBeData := e.Message == "" && !o.isSmall()
	if says == neither || mayBeData || saysSuccess(jsontree.String, e.Code, common) {
		return Envelope{}, neither
	}
	return e, failure
}

// resultAsNumber reads a result that is a number itself: {"result":12,"comment":"…"}. In JSON, 1
// may be a truth value.
func (o *object) resultAsNumber() (Envelope, verdict) {
	result := o.get(keyOutcome)
	code := scalarOf(result)
	isFlag := code == "1" && !(o.p.isXML && o.isSmall())
	if !isDigits(code) || isFlag || code == strconv.Itoa(o.p.status) {
		return Envelope{}, neither
	}
	text := cmp.Or(o.textNamedLike(result), o.scalar(textKeys...), scalarOf(o.Get("comment")))
	if !complains(text) {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

// firstOutcome is the first status of Brazil's electronic documents that reports an outcome.
const firstOutcome = "200"

// fiscalStatus reads the status of Brazil's electronic documents. One below the outcomes reports
// progress, unless its reason complains.
func (o *object) fiscalStatus(code string) (Envelope, verdict) {
	text := o.scalar(keyResultMsg)
	switch {
	case !isDigits(code) || text == "":
		return Envelope{}, neither
	case slices.Contains(successCodes, code), code < firstOutcome && !complains(text), reportsSuccess(text):
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
	isFlag := strings.EqualFold(code, "n")
	if !o.top() || isFlag || code == "" && text == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

func statusCode(o *object) (Envelope, verdict) {
	if o.inErrors() && isWord(o.scalar(keyStatusCode)) {
		return o.pair(o.get(keyStatusCode), common, keyMessage)
	}
	if e, says := o.statusOfResult(); says != neither {
		return e, says
	}
	if e, says := o.ownStatus(); says == failure {
		return e, says
	}
	if o.status() < 400 || !o.top() && !o.named.is(namedError) {
		return Envelope{}, neither
	}
	return o.failedStatus()
}

// statusOfResult reads a status code beside the message of a result or of an error.
func (o *object) statusOfResult() (Envelope, verdict) {
	code := o.scalar(keyStatusCode)
	isHTTP := isDigits(code) && o.status() != 0
	if isHTTP || !o.keys.hasAny(keys(keyResultMsg, keyErrorMsg)) || o.keys.has(keySuccess) || !o.isOutcome() {
		return Envelope{}, neither
	}
	e, says := o.pair(o.get(keyStatusCode), common, keyResultMsg, keyErrorMsg)
	isPadded := strings.HasPrefix(code, "0") && complains(e.Message) // no count is written as 01
	if says == failure && !saysErrorCode(code) && !isPadded && !refusal.isIn(e.Message) {
		return Envelope{}, neither
	}
	return e, says
}

// ownStatus reads a status code that is the service's own: a number that is none of HTTP, with a
// complaint, or a code beside a sentence.
func (o *object) ownStatus() (Envelope, verdict) {
	code := o.scalar(keyStatusCode)
	if !o.isOutcome() || code == "" || o.keys.has(keySuccess) {
		return Envelope{}, neither
	}
	if saysErrorCode(code) && !isDigits(code) {
		if text := o.scalar(keyStatus); strings.Contains(text, " ") {
			return Envelope{Code: code, Message: text}, failure
		}
		text, isNumbered := o.statusDetail(), isDigits(strings.TrimPrefix(code, "E"))
		if text != "" && !reportsSuccess(text) && (complains(text) || isNumbered) {
			return Envelope{Code: code, Message: text}, failure
		}
	}
	text, _ := o.text(keyMessage, keyStatus)
	if !isOwnStatus(code) || !complains(text) || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

// isOwnStatus reports whether a status code is a number that is none of HTTP and no truth value.
func isOwnStatus(code string) bool {
	n, err := strconv.Atoi(code)
	isHTTP := n == 100 || 200 <= n && n < 600
	return err == nil && n > 1 && !isHTTP
}

// statusDetail returns the text of a status code that has no other.
func (o *object) statusDetail() string {
	text, there := textOf(o.Get("statusDetail"))
	if !there {
		text, _ = textOf(o.Get("status_detail"))
	}
	return text
}

// failedStatus reads a status code of HTTP from 400 up.
func (o *object) failedStatus() (Envelope, verdict) {
	if number := o.get(keyError); number.Kind() == jsontree.Number && scalarOf(number) != "0" {
		text, _ := o.text(textKeys...)
		return Envelope{Code: scalarOf(number), Message: text}, failure
	}
	e, says := o.messageOnly(errorTextKeys...)
	if code := o.scalar(keyCode, keyOtherCode); code != "" && says == failure {
		e.Code = code
	}
	return e, says
}

func codeMessage(o *object) (Envelope, verdict) {
	code, word := o.first(keyCode, keyCodeUpper), o.scalar(keyCode, keyCodeUpper)
	switch {
	case !o.inErrors() && o.isNotice():
		return Envelope{}, neither
	case o.nestsError() && !o.keys.hasAny(messageKeySet): // the error is in there
		return Envelope{}, neither
	case isStatusLine(word) && o.get(keyErrors).First().Kind() == jsontree.Object: // the errors in there say more
		return Envelope{}, neither
	}
	messages := o.messagesOfCode(word)
	if e, says := o.headOfError(word, messages); says == failure {
		return e, says
	}
	e, says := o.coded(code, common, messages...)
	if says == neither && !o.keys.hasAny(keys(messages...)) {
		e, says = o.codeAlone(code)
	}
	isForCertain := o.liberal() || o.inErrors()
	if says == failure && !isForCertain && (!o.isErrorCode(e) || o.isRecord()) {
		return Envelope{}, neither
	}
	return e, says
}

// isStatusLine reports whether a code is a status of HTTP from 400 up with its phrase: 400 Bad
// Request.
func isStatusLine(code string) bool {
	status, phrase, _ := strings.Cut(code, " ")
	return phrase != "" && statusOf(status) >= 400
}

// messagesOfCode returns the keys that may hold the message of a plain code.
func (o *object) messagesOfCode(code string) []key {
	messages := messageKeys
	if (o.liberal() || o.inErrors()) && !o.nestsError() {
		messages = errorTextKeys
	}
	if o.describesCode(code, messages) {
		messages = append(slices.Clip(messages), keyDescription)
	}
	if text := o.scalar(keyError); o.top() && strings.Contains(text, " ") { // a sentence
		messages = append(slices.Clip(messages), keyError)
	}
	return messages
}

// describesCode reports whether a plain description is the message of a code: in a body with hardly
// anything else, or if the code is a number and the description complains.
func (o *object) describesCode(code string, messages []key) bool {
	switch {
	case o.Parent().Kind() == jsontree.Missing && !o.keys.hasAny(keys(keyID, keyName, keyType, keyError)):
		return true
	case !o.isAnswer() || o.Parent().Kind() == jsontree.Array || o.keys.hasAny(keys(messages...)):
		return false
	}
	return isInteger(strings.ReplaceAll(code, ".", "")) && complains(o.scalar(keyDescription))
}

// headOfError reads the part of an answer that says how the call went, with a type of error and its
// text under any name: {"Status":{"Code":98,"Content":"…","Type":"Fehler"}}.
func (o *object) headOfError(code string, messages []key) (Envelope, verdict) {
	kind := cmp.Or(o.scalar(keyType), o.scalar(keyLevel))
	isError := saysError(kind) || strings.EqualFold(kind, "fehler")
	if !isError || !isNonzero(code) || !o.isHead() || o.keys.hasAny(keys(messages...)) {
		return Envelope{}, neither
	}
	text := o.anyText()
	if text == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

// codeAlone reads a code whose message has a name that others use too: {"code":4,"text":"…"}; or
// one object deeper, under the name of an error: {"code":"011","content":{"errors":"…"}}.
func (o *object) codeAlone(code jsontree.Value) (Envelope, verdict) {
	c := scalarOf(code)
	isPlaced := o.top() || o.p.isXML && !o.isRecord()
	if c == "" || saysSuccess(code.Kind(), c, common) || !isPlaced {
		return Envelope{}, neither
	}
	if text := cmp.Or(scalarOf(o.Get("text")), scalarOf(o.Get("Text"))); complains(text) {
		return Envelope{Code: c, Message: text}, failure
	}
	if !o.top() {
		return Envelope{}, neither
	}
	if text := o.complaintBelow(); text != "" {
		return Envelope{Code: c, Message: text}, failure
	}
	return Envelope{}, neither
}

// complaintBelow returns the first text that complains and is named for an error, one object
// deeper.
func (o *object) complaintBelow() string {
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() != jsontree.Object {
			continue
		}
		for inner := m.First(); inner.Kind() != jsontree.Missing; inner = inner.Next() {
			isNamed := inner.Kind() == jsontree.String && bytes.Contains(bytes.ToLower(nameOf(inner)), []byte("err"))
			if text := scalarOf(inner); isNamed && complains(text) {
				return text
			}
		}
	}
	return ""
}
