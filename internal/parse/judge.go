package parse

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strconv"
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
			return o.pairOfSuccess(code, c, messages)
		}
		return o.pairOfFailure(c, how, messages)
	}
	// Cut off before the code, or inside it: only the message survived.
	begun := code.Kind() != jsontree.Missing
	if text, _ := o.text(messages...); (how&distinctive != 0 || begun) && text != "" && !messageSaysSuccess(text) && !o.Complete() {
		return Envelope{Message: text}, failure
	}
	return Envelope{}, neither
}

// pairOfSuccess is pair for a code that means success, unless what is around it says otherwise.
func (o *object) pairOfSuccess(code jsontree.Value, c string, messages []key) (Envelope, verdict) {
	if o.flagSaysFailure() {
		return Envelope{}, neither // the flag tells more than a code that was left empty
	}
	text, _ := o.text(messages...)
	if !o.liberal() {
		if c != "200" && isDigits(c) && c[0] == '2' && o.standsForNothing() && complains(text) {
			return Envelope{Code: c, Message: text}, failure
		}
		return Envelope{}, success
	}
	empty := strings.Trim(c, "0") == "" || code.Kind() == jsontree.Null
	switch {
	case text == "", messageSaysSuccess(text):
	case !empty && isDigits(c) && (o.named.is(namedError) || o.top() && c != "200" && complains(text)): // an error has this code, whatever it is
		return Envelope{Code: c, Message: text}, failure
	case empty && !o.flagSaysSuccess() && !reportsSuccess(text):
		return o.messageOnly(messages...)
	}
	return Envelope{}, success
}

// standsForNothing reports whether the object is the part of an answer that says how the call went,
// and the answer itself is null: {"metaData":{"code":"201","message":"not found"},"response":null}.
func (o *object) standsForNothing() bool {
	above, other := o.Parent(), o.Next()
	return above.Kind() == jsontree.Object && above.Parent().Parent().Kind() == jsontree.Missing && other.Kind() == jsontree.Null && other.Next().Kind() == jsontree.Missing
}

// labelOfCode matches what a program shows its users before a code: Code d'erreur.
var labelOfCode = regexp.MustCompile(`(?i)^(?:[\p{L}]+[ '’]){0,2}(?:code|c[oó]digo|codice|kode|kod)(?:[ '’][\p{L}]+){0,2}:?$`)

// pairOfFailure is pair for a code that does not mean success by itself.
func (o *object) pairOfFailure(c string, how manner, messages []key) (Envelope, verdict) {
	text, there := o.text(messages...)
	if text == "" && (how&distinctive != 0 || o.wrapsError() || o.standsAlone() || o.liberal() && o.top()) {
		text = o.anySentence()
		there = there || text != ""
	}
	switch {
	case !o.liberal() && (strings.IndexByte(c, ' ') >= 0 || strings.IndexByte(c, '\'') >= 0) && labelOfCode.MatchString(c):
		return Envelope{}, neither
	case len(c) > maxCode, !there && how&distinctive == 0 && !o.standsAlone() && (o.Complete() || !o.placedAsEnvelope()):
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

func saysSuccess(kind jsontree.Kind, code string, how manner) bool {
	switch {
	case kind == jsontree.Null, kind == jsontree.Bool && code == "true", slices.Contains(successCodes, code):
		return true
	case how&common == 0:
		return false
	}
	if strings.Trim(code, "0") == "" {
		return true
	}
	n, err := strconv.Atoi(code)
	return err == nil && how&ofError == 0 && len(code) == 3 && 200 <= n && n < 300 && http.StatusText(n) != ""
}

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
	if strings.HasSuffix(code, "00") && whole {
		if m := zeros.FindStringSubmatch(code); m != nil && (text == "" || m[1] == "" && !refusal.isIn(text)) {
			return true
		}
	}
	says := reported(text)
	return said || says == succeeded || whole && !o.keys.has(keyError) && !o.named.is(namedError) && (says == granted || calm.are(text))
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
	if k := f.Kind(); k != jsontree.Bool && k != jsontree.String || !f.Complete() || len(f.Raw()) > len("false") {
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
	if o.flagSaysFailure() {
		return true
	}
	for _, k := range [...]key{keyStatus, keyState} {
		s := o.get(k)
		if k == keyState && !s.KeyIs("state") {
			continue
		}
		if s.Kind() == jsontree.String && s.Complete() && saysFailing(o.textOfScalar(k)) {
			return true
		}
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

// codeElsewhere returns the code of an envelope that keeps it under a name of another use, "" if
// there is none.
func (o *object) codeElsewhere() string {
	if !o.top() && !o.inErrors() && !o.named.is(namedError) {
		return ""
	}
	if c := o.scalar(keyErrorType); isWord(c) {
		return c
	}
	if t := o.scalar(keyType); o.inErrors() && isWord(t) && (isConstant(t) || strings.Contains(t, "_")) && !strings.Contains(t, ":") {
		return t
	}
	for _, k := range [...]key{keyCategory, keyKind} {
		if m := o.get(k); isConstant(scalarOf(m)) || m.KeyIs("scimType") && isWord(scalarOf(m)) {
			return scalarOf(m)
		}
	}
	if c := o.first(keyErrorCode, keyOtherCode).First(); c.Kind() == jsontree.String && c.Next().Kind() == jsontree.Missing && (isWord(scalarOf(c)) || isDigits(scalarOf(c))) {
		return scalarOf(c)
	}
	return ""
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
	s := o.get(keyStatus)
	return s.Kind() == jsontree.String && s.Complete() && slices.Contains([]string{"success", "ok"}, strings.ToLower(s.Text()))
}
