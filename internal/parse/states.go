package parse

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// This file has the dialects that belong to nobody and say by a state or a flag that a call failed,
// often without a code.

func jSend(o *object) (Envelope, verdict) {
	if !o.top() && !o.isHead() {
		return Envelope{}, neither
	}
	typed, unfit := saysError(o.scalar(keyType)), o.unfitText()
	failed := typed || unfit != "" || saysRefused(o.scalar(keyStatus, keyOutcome))
	switch {
	case !failed, o.nestsError():
		return Envelope{}, neither
	case !o.liberal() && (o.listsFindings() || o.isNamedThing()):
		return Envelope{}, neither
	case unfit != "":
		return Envelope{Message: unfit}, failure
	}
	code := cmp.Or(o.codeBeside(), o.reasonBeside())
	if id := o.scalar(keyID); code == "" && typed && isDigits(id) { // {"type":"error","id":6200,"message":"…"}
		code = id
	}
	if code != "" {
		text := cmp.Or(o.anyText(), o.textBelow())
		saysAll := text != "" || o.Complete() && !o.holdsError()
		if saysAll && !messageSaysSuccess(text) {
			return Envelope{Code: code, Message: text}, failure
		}
	}
	return o.failedWithoutCode()
}

// isNamedThing reports whether an object is the state of something with an id. An answer with an id
// of its own has a message.
func (o *object) isNamedThing() bool {
	return o.keys.has(keyID) && !o.keys.hasAny(keys(keyMessage, keyMessageUpper))
}

// unfitText returns the text with the name of the status beside a status that says that the request
// could not be read: Status=INVALID, StatusDetail=….
func (o *object) unfitText() string {
	if !slices.Contains(unfitStates, strings.ToLower(o.scalar(keyStatus))) {
		return ""
	}
	return o.textNamedLike(o.get(keyStatus))
}

// findingLists are the names of lists of what a check found.
var findingLists = []string{"reasons", "findings", "violations", "checks", "results", "rules", "assertions"}

// listsFindings reports whether an object is the result of a check.
func (o *object) listsFindings() bool {
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() == jsontree.Array && slices.Contains(findingLists, string(m.RawKey())) {
			return true
		}
	}
	return false
}

// failedWithoutCode reads an object whose state says failure, and which has no code.
func (o *object) failedWithoutCode() (Envelope, verdict) {
	if e, says := o.messageOnly(stateTextKeys...); says == failure {
		if code := o.scalar(keyStatusCode); e.Code == "" && isNonzero(code) { // the service's own number
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

func successFlag(o *object) (Envelope, verdict) {
	failed, known := o.flag()
	switch {
	case !known:
		return Envelope{}, neither
	case !failed:
		return Envelope{}, success
	case !o.top():
		return Envelope{}, neither
	}
	word := o.get(keyError)
	switch {
	case isWord(scalarOf(word)):
		return o.wordAndMessage(word)
	case word.Kind() == jsontree.String, o.keys.hasAny(keys(keyMessage, keyMessageUpper)):
	case o.holdsErrorObject(): // the error is in there
		return Envelope{}, neither
	}
	return o.failedFlag()
}

// flag returns what the flag of an answer says: success is false, or error is true. A status and a
// result may be flags too.
func (o *object) flag() (failed, known bool) {
	if o.keys.has(keySuccess) {
		says, known := flagOf(o.get(keySuccess))
		return known && !says, known
	}
	if failed, known = flagOf(o.get(keyError)); known {
		return failed, true
	}
	switch {
	case isFalse(o.get(keyStatus)):
		return true, true
	case isFalse(o.get(keyOutcome)) && complains(o.anyText()): // it may also be the answer to a question
		return true, true
	}
	return false, false
}

// isFalse reports whether a value is false, or the word in a text.
func isFalse(v jsontree.Value) bool {
	says, known := flagOf(v)
	return known && !says
}

// failedFlag reads what stands beside a flag that says failure.
func (o *object) failedFlag() (Envelope, verdict) {
	e, says := o.messageOnly(errorTextKeys...)
	if says == neither && !o.liberal() {
		e.Message = cmp.Or(o.anyText(), fieldTexts(o.get(keyErrors), true), onlySentence(o.Value))
		if complains(e.Message) && !messageSaysSuccess(e.Message) {
			says = failure
		}
	}
	if code := cmp.Or(o.codeBeside(), o.reasonBeside()); code != "" && says == failure {
		e.Code = code
	}
	if code := o.Get("error-codes").First(); code.Kind() == jsontree.String && code.Complete() { // reCAPTCHA
		e.Code, says = strings.TrimSpace(code.Text()), failure
	}
	return e, says
}

// otherThings are keys of objects that have a status, but are no answers to a call.
var otherThings = keys(keyID, keyName, keyTime, keyError, keyDocumentationURL)

// statusNumber reads {"status":220,"message":"APP Referer校验失败"}. Many services say success by 1
// or by a status of HTTP, and with any text.
func statusNumber(o *object) (Envelope, verdict) {
	if o.p.isXML && o.isHead() && o.KeyIs("status") {
		return o.geoNames()
	}
	named := o.keys.has(keyErrorMsg)
	isPlaced := o.top() || o.isHead() || named && o.isAnswer()
	if !isPlaced || o.keys.hasAny(otherThings) || !o.isFailedStatus() {
		return Envelope{}, neither
	}
	code := o.scalar(keyStatus)
	n, err := strconv.Atoi(code)
	text := o.textOfStatus(err == nil)
	switch {
	case text == "", messageSaysSuccess(text), reportsSuccess(text), o.flagSaysSuccess():
		return Envelope{}, neither
	case !named && !o.isPlainStatus(n) && !complains(text):
		return Envelope{}, neither
	case statusOf(code) >= 400:
		code = o.statusCode(text)
		if o.liberal() {
			code = cmp.Or(o.wordOfCode(), code)
		}
	}
	return Envelope{Code: code, Message: text}, failure
}

// isFailedStatus reports whether the status of an object may be the code of a failure.
func (o *object) isFailedStatus() bool {
	code := o.scalar(keyStatus)
	if o.get(keyStatus).Kind() == jsontree.String && o.Parent().Kind() == jsontree.Array { // an item with a state of its own
		return false
	}
	n, err := strconv.Atoi(code)
	if err != nil {
		return isStateCode(code)
	}
	return n != 0 && n != 1 && n != 200
}

// isPlainStatus reports whether a status is a number from 100 up that means no success of HTTP,
// with nothing beside it that the call returned.
func (o *object) isPlainStatus(n int) bool {
	return n >= 100 && n/100 != 2 && o.get(keyStatus).Kind() == jsontree.Number && !o.keys.has(keyData)
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
	if !isWord(word) || handled.MatchString(word) {
		return false
	}
	isComplaint := isConstant(word) && strings.Contains(word, "_") && complains(strings.ReplaceAll(word, "_", " "))
	return isComplaint || saysErrorCode(word)
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
	isNumbered := isNonzero(status) && o.get(keyErrorMsg).KeyIs("error-text")
	switch {
	case !o.isItem(), !o.failing && !isNumbered:
		return Envelope{}, neither
	case o.nestsError(), o.get(keyErrors).Kind() == jsontree.Array: // the errors are in there
		return Envelope{}, neither
	}
	text, _ := o.text(errorTextKeys...)
	if text == "" && o.status() >= 400 && isWord(status) && soundsLikeCode(status) {
		text = status
	}
	if text == "" || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	details := o.get(keyDetails)
	o.ignore(details)
	e := Envelope{Code: o.codeOfItem(details), Message: text}
	switch own := o.scalar(keyStatusCode); {
	case e.Code != "":
	case o.status() >= 400:
		e.Code = o.statusCode(text)
	case isDigits(own) && !saysSuccess(jsontree.String, own, common|ofError): // the service's own number
		e.Code = own
	case isNumbered:
		e.Code = status
	}
	return e, failure
}

// codeOfItem returns the code of an item that failed: its own, its error as a word, or that of its
// details.
func (o *object) codeOfItem(details jsontree.Value) string {
	for _, code := range [...]string{o.scalar(ownCodeKeys...), o.scalar(keyError), scalarOf(details.Get("error")), scalarOf(details.Get("code"))} {
		if isWord(code) || isNonzero(code) {
			return code
		}
	}
	return ""
}
