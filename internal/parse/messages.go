package parse

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// This file has the dialects that belong to nobody and say in words what failed, often without a
// code.

// Keys of texts that say what is wrong, those that say most first: messages, other texts, and an
// error that may also be a code.
var (
	messageKeys   = []key{keyErrorMsg, keyMessage, keyMessageUpper, keyErrorDescription, keyResultMsg}
	textKeys      = slices.Concat(messageKeys, []key{keyDescription, keyDetail, keyReason, keyTitle})
	errorTextKeys = slices.Concat(textKeys, []key{keyError, keyErrorTexts})
	resultKeys    = slices.Concat([]key{keyResultMsg}, textKeys)
	stateTextKeys = slices.Concat(textKeys, []key{keyData})

	messageKeySet = keys(messageKeys...)
)

// ownCodeKeys are keys of codes that say for themselves that they are codes.
var ownCodeKeys = []key{keyCode, keyCodeUpper, keyErrorCode, keyOtherCode, keyErrcode, keyResultCode}

func errorText(o *object) (Envelope, verdict) {
	text := o.get(keyError)
	said := scalarOf(text)
	switch kind := text.Kind(); {
	case kind == jsontree.Missing:
		return o.errorMessage()
	case kind == jsontree.Number, isInteger(said): // in a form or in XML, it is a text
		return o.errorNumber(text)
	case isEmpty(text):
		return Envelope{}, success
	case kind != jsontree.String:
		return Envelope{}, neither
	case saysErrorCode(said) && isWord(said) && o.keys.has(keyErrorMsg):
		return o.wordAndMessage(text)
	case !o.mayHoldErrorText(text):
		return Envelope{}, neither
	case isWord(said):
		return o.wordAndMessage(text)
	}
	return o.messageOnly(keyError)
}

// errorMessage reads an error's message that stands alone.
func (o *object) errorMessage() (Envelope, verdict) {
	name := bytes.ToLower(nameOf(o.get(keyErrorMsg)))
	isNamed := bytes.Contains(name, []byte("err")) || bytes.Contains(name, []byte("fail"))
	if !isNamed || o.liberal() || !o.isSmall() {
		return Envelope{}, neither
	}
	isPlaced := o.top() || o.p.isXML && o.holdsFailures(o.Value)
	if said, _ := o.text(keyErrorMsg); !isPlaced || !complains(said) || o.holdsError() {
		return Envelope{}, neither
	}
	e, says := o.messageOnly(keyErrorMsg)
	if says == failure {
		e.Code = cmp.Or(o.initialedCode(), e.Code)
	}
	return e, says
}

// initialedCode returns the code beside an error's message whose name has a letter or two before
// the word: stCode. Longer names are about something else: zip_code.
func (o *object) initialedCode() string {
	var buffer [maxRoleName]byte
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		initials, isCode := bytes.CutSuffix(plainName(nameOf(m), &buffer), []byte("code"))
		code := scalarOf(m)
		if isCode && len(initials) <= maxInitials && isNonzero(code) && statusOf(code) == 0 {
			return code
		}
	}
	return ""
}

// mayHoldErrorText reports whether an object is where an error may be a mere text: the answer, an
// item of a list of failures or of results, or what is named for an error.
func (o *object) mayHoldErrorText(text jsontree.Value) bool {
	if o.top() || o.inErrors() || o.Parent().KeyIs("results") || o.wrapsError() {
		return true
	}
	return o.isAnswer() && complains(text.Text())
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
	isCut := o.keys.hasAny(messageKeySet) && !o.first(messageKeys...).Complete()
	if isCut && o.codeElsewhere() == "" && o.anyCode() == "" {
		return Envelope{}, neither
	}
	e, says := o.messageOnly(messageKeys...)
	if text := o.anyText(); says == neither && text != "" && !messageSaysSuccess(text) {
		e, says = Envelope{Message: text, Code: o.statusCode(text)}, failure
	}
	code := cmp.Or(o.codeOfMessage(), anyCode(o.Value, strongCodeWords))
	if code == "" && o.codeElsewhere() == "" {
		code = o.anyCode()
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
// beside a result that says so, or is all of the body:
// {"tppMessages":[{"category":"ERROR","code":"TOKEN_INVALID","text":"…"}]}.
func messageItem(o *object) (Envelope, verdict) {
	list := o.messageList()
	if list.Kind() == jsontree.Missing {
		return Envelope{}, neither
	}
	own := cmp.Or(o.scalar(keyCategory), o.scalar(keyLevel), o.scalar(keyType))
	isAll := own == "" && isAllOf(list)
	isError := saysError(own) || own == "" && saysError(stateBeside(list))
	if !isError && !isAll {
		return Envelope{}, neither
	}
	text, _ := textOf(o.Get("text"))
	if text == "" {
		text = o.anySentence()
	}
	code := o.codeOfItemMessage(own != "", isAll)
	switch {
	case code == "", text == "" && o.Complete():
		return Envelope{}, neither
	case isAll && (!complains(text) || slices.Contains(successCodes, code)):
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

// messageList returns the list of messages that an object is an item of, Missing if there is none.
// In XML, a list of one is the item itself.
func (o *object) messageList() jsontree.Value {
	list := o.Parent()
	if list.Kind() != jsontree.Array {
		if !o.p.isXML {
			return jsontree.Value{}
		}
		list = o.Value
	}
	var buffer [maxRoleName]byte
	if !endsWithAny(plainName(nameOf(list), &buffer), messageLists) {
		return jsontree.Value{}
	}
	return list
}

// stateBeside returns the result in words beside a list.
func stateBeside(list jsontree.Value) string {
	around := list.Parent()
	state := scalarOf(around.Get("resultCode"))
	if around.Parent().Kind() == jsontree.Missing {
		state = cmp.Or(state, scalarOf(around.Get("state")))
	}
	return state
}

// codeOfItemMessage returns the code of an item of a list of messages. One that says itself that it
// is an error may have it under any name. One that is all of the body has no reason as its code.
func (o *object) codeOfItemMessage(saysItself, isAll bool) string {
	code := cmp.Or(o.scalar(keyCode), scalarOf(o.Get("messageCode")), o.codeElsewhere())
	if code == "" && saysItself {
		code = o.scalar(keyID)
	}
	if reason := o.scalar(keyReason); code == "" && !isAll && isWord(reason) {
		code = reason
	}
	if code == "" && saysItself {
		code = o.anyCode()
	}
	return code
}

// saysError reports whether a category, a severity or a result in words is that of an error.
func saysError(word string) bool {
	return slices.ContainsFunc(severeWords, func(s string) bool { return strings.EqualFold(s, word) })
}

func errorTexts(o *object) (Envelope, verdict) {
	if !o.top() || o.saysMoreThanTexts() {
		return Envelope{}, neither
	}
	text, single := o.joinedTexts()
	if text == "" || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	e := Envelope{Code: o.scalar(ownCodeKeys...), Message: text}
	if saysSuccess(jsontree.String, e.Code, common) || len(e.Code) > maxCode {
		e.Code = ""
	}
	switch n := o.status(); {
	case e.Code != "":
	case o.liberal():
		return Envelope{}, neither // see lastResorts
	case n >= 400:
		e.Code = httpCode(n)
	case single && isWord(text):
		e.Code = text
	}
	return e, failure
}

// saysMoreThanTexts reports whether an object that failed has a sentence about all of its errors.
func (o *object) saysMoreThanTexts() bool {
	said, _ := o.text(messageKeys...)
	return said != "" && (o.liberal() || o.flagSaysFailure())
}

// joinedTexts returns the texts of a list of errors, and reports whether there is only one. It may
// not be cut off.
func (o *object) joinedTexts() (text string, single bool) {
	for _, k := range [...]key{keyErrors, keyErrorTexts, keyError} {
		m := o.get(k)
		if kind := m.Kind(); kind != jsontree.Array && (kind != jsontree.String || k == keyError) {
			continue
		}
		if text, _ = textOf(m); text != "" {
			isOne := m.Kind() == jsontree.String || m.First().Next().Kind() == jsontree.Missing
			return text, isOne && o.first(keyErrors, keyErrorTexts, keyError).Complete()
		}
	}
	return "", false
}

// looseTextKeys are keys of texts that say what is wrong where nothing else does.
var looseTextKeys = []key{keyErrors, keyErrorTexts, keyErrorMsg, keyError, keyErrorDescription, keyTitle, keyDescription, keyReason, keyDetails, keyResultMsg}

func apisix(o *object) (Envelope, verdict) {
	if !o.get(keyErrorMsg).KeyIs("error_msg") {
		return Envelope{}, neither
	}
	return o.messageOnly(keyErrorMsg)
}

func djangoDetail(o *object) (Envelope, verdict) {
	if o.keys.has(keyMessage) {
		return Envelope{}, neither
	}
	e, says := o.messageOnly(keyDetail)
	if code := o.scalar(keyCode); code != "" && says == failure {
		e.Code = code
	}
	return e, says
}

func djangoFields(o *object) (Envelope, verdict) {
	text := fieldTexts(o.Value, false)
	if text == "" || o.p.status >= 500 { // a server does not fail because of a field
		return Envelope{}, neither
	}
	return Envelope{Message: text}, failure
}

func kong(o *object) (Envelope, verdict) {
	e, says := o.messageOnly(keyMessage, keyMessageUpper)
	if name := o.scalar(keyName); isWord(name) && says == failure {
		e.Code = name
	}
	return e, says
}

func looseText(o *object) (Envelope, verdict) {
	if text := fieldTexts(o.get(keyErrors), true); text != "" {
		return Envelope{Message: text}, failure
	}
	return o.messageOnly(looseTextKeys...)
}

func textAnywhere(o *object) (Envelope, verdict) {
	text, word := o.anyText(), o.wordOfCode()
	if data := o.scalar(keyData); text == "" && complains(data) {
		text = data
	}
	if text != "" && !messageSaysSuccess(text) {
		return Envelope{Message: text, Code: word}, failure
	}
	where, text := below(o.Value)
	if text = cmp.Or(text, word); text == "" || messageSaysSuccess(text) {
		return Envelope{}, neither
	}
	e := Envelope{Message: text, Code: word}
	if isItem := where.Parent().Kind() == jsontree.Array; word == "" && !isItem {
		if code := cmp.Or(anyCode(where, len(codeWords)), wordOfStatus(where)); code != strconv.Itoa(o.p.status) {
			e.Code = code
		}
	}
	return e, failure
}
