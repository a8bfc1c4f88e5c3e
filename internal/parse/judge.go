package parse

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"errata/internal/jsontree"
)

// This file judges a code and its message: whether they say success or failure.

// manner says what is special about a dialect's pair of code and message.
type manner uint8

const (
	// The key of the code is so distinctive that it makes an envelope even without a message.
	distinctive manner = 1 << iota
	// It belongs to no vendor: codes of zeros and from 200 to 299, and messages that say so, mean
	// success too.
	common
	// The key of the code says that it is an error's: of the codes above, only zeros and 200 mean
	// success.
	ofError
)

// successCodes mean success in every dialect, as do null and true.
var successCodes = []string{"", "0", "200", "OK", "Ok", "ok", "success", "SUCCESS", "Success"}

// maxCode is the greatest length of a code. A longer text is something else.
const maxCode = 200

// pair judges a code and the first of the members that may hold its message. A code without a
// message is an envelope if it is distinctive; or if the object was cut off, so that the message
// may be lost, and is placed as an envelope.
func (o *object) pair(code jsontree.Value, how manner, messages ...key) (Envelope, verdict) {
	switch code.Kind() {
	case jsontree.Object, jsontree.Array:
		return Envelope{}, neither // a schema or a document, not an envelope
	case jsontree.Null, jsontree.Bool, jsontree.Number, jsontree.String:
		if !code.Complete() {
			break
		}
		c := strings.TrimSpace(code.Text())
		if saysSuccess(code.Kind(), c, how) {
			return o.pairOfSuccess(c, messages)
		}
		return o.pairOfFailure(c, how, messages)
	}
	hasBegun := code.Kind() != jsontree.Missing
	if hasBegun || how&distinctive != 0 {
		return o.pairCutOff(messages)
	}
	return Envelope{}, neither
}

// pairCutOff is pair for an object that was cut off before its code, or inside it, so that only the
// message survived.
func (o *object) pairCutOff(messages []key) (Envelope, verdict) {
	if o.Complete() {
		return Envelope{}, neither
	}
	text, _ := o.text(messages...)
	if text == "" || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	return Envelope{Message: text}, failure
}

// pairOfSuccess is pair for a code that means success, unless what is around it says otherwise.
func (o *object) pairOfSuccess(c string, messages []key) (Envelope, verdict) {
	text, _ := o.text(messages...)
	if o.flagSaysFailure() || o.top() && isFalse(o.get(keyStatus)) && complains(text) {
		return Envelope{}, neither // the flag tells more than a code that was left empty
	}
	isNothing := strings.Trim(c, "0") == ""
	isComplaint := isNonzero(c) && c != "200" && complains(text)
	switch {
	case !o.liberal():
		if isComplaint && c[0] == '2' && o.standsForNothing() {
			return Envelope{Code: c, Message: text}, failure
		}
	case text == "", messageSaysSuccess(text):
	case isNonzero(c) && o.named.is(namedError), isComplaint && o.top(): // it is the code of an error, whatever it is
		return Envelope{Code: c, Message: text}, failure
	case isNothing && !o.flagSaysSuccess() && !reportsSuccess(text):
		return o.messageOnly(messages...)
	}
	return Envelope{}, success
}

// standsForNothing reports whether the object is the part of an answer that says how the call went,
// and the answer itself is null: {"metaData":{"code":"201","message":"not found"},"response":null}.
func (o *object) standsForNothing() bool {
	above := o.Parent()
	if above.Kind() != jsontree.Object || above.Parent().Parent().Kind() != jsontree.Missing {
		return false
	}
	other := o.Next()
	return other.Kind() == jsontree.Null && other.Next().Kind() == jsontree.Missing
}

// isLabelOfCode reports whether a text is what a program shows its users before a code: Code
// d'erreur.
func isLabelOfCode(text string) bool {
	return strings.ContainsAny(text, " '") && labelOfCode.MatchString(text)
}

var labelOfCode = regexp.MustCompile(`(?i)^(?:[\p{L}]+[ '’]){0,2}(?:code|c[oó]digo|codice|kode|kod)(?:[ '’][\p{L}]+){0,2}:?$`)

// pairOfFailure is pair for a code that does not mean success by itself.
func (o *object) pairOfFailure(c string, how manner, messages []key) (Envelope, verdict) {
	text, there := o.text(messages...)
	if text == "" && o.isFailureFor(how) {
		text = o.anySentence()
		there = there || text != ""
	}
	switch {
	case len(c) > maxCode, !o.liberal() && isLabelOfCode(c):
		return Envelope{}, neither
	case !there && how&distinctive == 0 && !o.mayLackMessage():
		return Envelope{}, neither
	case o.flagSaysSuccess():
		return Envelope{}, success
	case o.liberal():
		if how&common != 0 && messageSaysSuccess(text) {
			return Envelope{}, success
		}
	case o.isSuccess(c, text, how, o.saysAll(messages...)):
		return Envelope{}, success
	}
	return Envelope{Code: c, Message: text}, failure
}

// isFailureFor reports whether an object is a failure for certain, so that any sentence in it is
// its message.
func (o *object) isFailureFor(how manner) bool {
	return how&distinctive != 0 || o.wrapsError() || o.standsAlone() || o.liberal() && o.top()
}

// mayLackMessage reports whether a code without a message may be an envelope: in a list of
// failures, or where the message may be lost.
func (o *object) mayLackMessage() bool {
	return o.standsAlone() || !o.Complete() && o.placedAsEnvelope()
}

func saysSuccess(kind jsontree.Kind, code string, how manner) bool {
	switch {
	case kind == jsontree.Null, kind == jsontree.Bool && code == "true", slices.Contains(successCodes, code):
		return true
	case how&common == 0:
		return false
	}
	isZeros := strings.Trim(code, "0") == ""
	return isZeros || how&ofError == 0 && isSuccessOfHTTP(statusOf(code))
}

// isSuccessOfHTTP reports whether HTTP has this status, and calls it a success.
func isSuccessOfHTTP(n int) bool { return n/100 == 2 && http.StatusText(n) != "" }

// isSuccess reports whether a code that no dialect knows as success means it below status 400: a
// catalog says so, or no catalog lists it and its message or its own ending says so. whole reports
// that the message is not cut off.
func (o *object) isSuccess(code, text string, how manner, whole bool) bool {
	said := messageSaysSuccess(text)
	if said && how&common != 0 {
		return true
	}
	switch o.p.standing(code, o.dialect) {
	case NotFailure:
		return true
	case Failure:
		return false
	}
	says := reported(text)
	switch {
	case said, says == succeeded:
		return true
	case !whole:
		return false
	case endsInSuccess(code, text):
		return true
	case successWords.are(code) && !complains(text):
		return true
	case o.keys.has(keyError), o.named.is(namedError):
		return false
	}
	return says == granted || calm.are(text)
}

// endsInSuccess reports whether the last part of a code says success, and its message does not say
// otherwise. Zeros count with any message that reports no failure, 2000 only without a message.
func endsInSuccess(code, text string) bool {
	if !strings.HasSuffix(code, "00") {
		return false
	}
	m := zeros.FindStringSubmatch(code)
	if m == nil {
		return false
	}
	isZeros := m[1] == ""
	return text == "" || isZeros && !refusal.isIn(text)
}

// saysAll reports whether the message under the keys is not cut off.
func (o *object) saysAll(messages ...key) bool {
	if m := o.first(messages...); m.Kind() != jsontree.Missing {
		return m.Complete()
	}
	return o.Complete()
}

// flagSaysFailure reports whether a flag beside the code says failure.
func (o *object) flagSaysFailure() bool {
	says, known := flagOf(o.get(keySuccess))
	return known && !says
}

// flagOf returns what a flag says: a truth value, or its word in a text.
func flagOf(f jsontree.Value) (says, known bool) {
	isFlag := f.Kind() == jsontree.Bool || f.Kind() == jsontree.String
	if !isFlag || !f.Complete() {
		return false, false
	}
	says = bytes.EqualFold(f.Raw(), []byte("true"))
	return says, says || bytes.EqualFold(f.Raw(), []byte("false"))
}

var stateKeys = keys(keySuccess, keyStatus, keyState, keyStatusCode)

// stateSaysFailure reports whether an object is an item of a list and has a state of its own that
// says failure.
func (o *object) stateSaysFailure() bool {
	if !o.keys.hasAny(stateKeys) || !o.isItem() {
		return false
	}
	switch {
	case o.flagSaysFailure(), o.wordSaysFailure(keyStatus):
		return true
	case o.get(keyState).KeyIs("state") && o.wordSaysFailure(keyState):
		return true
	}
	if o.keys.hasAny(keys(keyPath, keyTimestamp)) { // a line of a log
		return false
	}
	for _, k := range [...]key{keyStatusCode, keyStatus} {
		if statusOf(o.scalar(k)) >= 400 {
			return true
		}
	}
	return false
}

// wordSaysFailure reports whether a state under a key is a word that says failure.
func (o *object) wordSaysFailure(k key) bool {
	state := o.get(k)
	return state.Kind() == jsontree.String && state.Complete() && saysFailing(o.textOfScalar(k))
}

// codeElsewhere returns the code of an envelope that keeps it under a name of another use, "" if
// there is none.
func (o *object) codeElsewhere() string {
	if !o.top() && !o.inErrors() && !o.named.is(namedError) {
		return ""
	}
	if c := o.scalar(keyErrorType); isWord(c) {
		return c
	}
	if t := o.scalar(keyType); o.inErrors() && isTypeOfError(t) {
		return t
	}
	for _, k := range [...]key{keyCategory, keyKind} {
		c, isSCIM := o.scalar(k), o.get(k).KeyIs("scimType")
		if isConstant(c) || isSCIM && isWord(c) {
			return c
		}
	}
	only := onlyMember(o.first(keyErrorCode, keyOtherCode))
	if c := scalarOf(only); only.Kind() == jsontree.String && (isWord(c) || isDigits(c)) {
		return c
	}
	return ""
}

// isTypeOfError reports whether the type of an item of a list of failures is its code:
// INVALID_PARAM, missing_field.
func isTypeOfError(t string) bool {
	return isWord(t) && !strings.Contains(t, ":") && (isConstant(t) || strings.Contains(t, "_"))
}

// flagSaysSuccess reports whether a flag beside the code says success: success, ok, or a status in
// words.
func (o *object) flagSaysSuccess() bool {
	if says, known := flagOf(o.get(keySuccess)); known {
		return says
	}
	if valid, known := flagOf(o.get(keyValid)); known && valid { // a coupon
		return true
	}
	status := o.get(keyStatus)
	if status.Kind() != jsontree.String || !status.Complete() {
		return false
	}
	said := status.Raw()
	return bytes.EqualFold(said, []byte("success")) || bytes.EqualFold(said, []byte("ok"))
}
