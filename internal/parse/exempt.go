package parse

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"errata/internal/jsontree"
)

// This file knows what looks like an envelope and is none: documents, states and catalogs that a
// successful call fetched. None of it applies if the status of the request is 400 or more, or in a
// list that is named for failures.

// namesNotices reports whether a plain name is that of warnings or hints: warningMessages,
// infoList, userWarnings.
func namesNotices(name []byte) bool {
	about, isList := bytes.CutSuffix(name, []byte("s"))
	if !isList {
		about, isList = bytes.CutSuffix(name, []byte("list"))
	}
	for _, word := range [...]string{"item", "message", "msg", "dtl"} {
		about = bytes.TrimSuffix(about, []byte(word))
	}
	return isList && endsWithAny(about, []string{"warning", "info", "notice", "hint"})
}

// describesErrors reports whether a plain name is that of what errors there are, and not of one
// that happened: errorCatalog, error_definitions.
func describesErrors(name []byte) bool {
	return bytes.HasPrefix(name, []byte("err")) && endsWithAny(name, []string{"catalog", "catalogue", "definitions", "examples", "types", "history"})
}

// Sets of keys that every object is asked for.
var (
	operationKeys = keys(keyName, keyMetadata)
	codeKeys      = keys(keyCode, keyErrorCode, keyError, keyOtherCode, keyErrcode)
	thingKeys     = keys(keyID, keyName, keyJob)
	remedyKeys    = keys(keyRemedy, keyDescription)
	listedKeys    = keys(keyCode, keyErrorCode, keyOtherCode)
	entryTexts    = keys(keyMessage, keyErrorMsg)
)

// exempt reports whether an object with everything inside it is a document or the state of
// something.
func (o *object) exempt() bool {
	switch {
	case o.keys.has(keyDocument):
		return true
	case o.keys.has(keyDone) && o.keys.hasAny(operationKeys): // one of Google's long-running operations
		return true
	case o.keys.has(keyKind) && o.keys.has(keyMetadata) && o.scalar(keyKind) != "Status": // an object of Kubernetes
		return true
	case o.isState():
		return true
	case o.keys.has(keyEvent) && !o.top(): // a record of the past
		return true
	case o.keys.has(keyLocale) && !o.keys.hasAny(codeKeys): // texts in a language
		return true
	case o.keys.has(keyErrorCode) && o.isCount():
		return true
	}
	return o.isCatalogEntry()
}

// isState reports whether an object is a job, a server or an operation, with a state in words and
// times of its own.
func (o *object) isState() bool {
	state := o.first(keyState, keyStatus)
	switch {
	case state.Kind() == jsontree.Missing:
		return false
	case o.keys.has(keyJob):
		return true
	case state.Kind() != jsontree.String, len(bytes.Trim(state.Raw(), "0123456789")) == 0: // a number
		return false
	}
	return o.keys.has(keyTime) && o.keys.hasAny(thingKeys) || o.isThing()
}

// isThing reports whether the key of an object names something that has a state.
func (o *object) isThing() bool {
	if o.named.is(namedThing) {
		return true
	}
	above := o.Parent()
	return above.Kind() == jsontree.Array && o.p.names.of(above).is(namedThing)
}

// isCatalogEntry reports whether an object is an item of a list that describes codes.
func (o *object) isCatalogEntry() bool {
	isEntry := o.keys.hasAny(remedyKeys) && o.keys.hasAny(listedKeys) && o.keys.hasAny(entryTexts)
	return isEntry && o.Parent().Kind() == jsontree.Array
}

// countWords end the names of counts.
var countWords = []string{"count", "total", "num", "sum", "times", "rate", "percent"}

// isCount reports whether an item of a list says how often something was met.
func (o *object) isCount() bool {
	if o.Parent().Kind() != jsontree.Array || o.keys.hasAny(entryTexts) {
		return false
	}
	var buffer [maxRoleName]byte
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() == jsontree.Number && endsWithAny(plainName(nameOf(m), &buffer), countWords) {
			return true
		}
	}
	return false
}

// harmlessLevels are the levels of notices that are not errors.
var harmlessLevels = []string{"info", "information", "informational", "notice", "note", "debug", "trace", "hint", "warning", "warn", "success", "w", "i", "s"}

func (o *object) isNotice() bool {
	level := cmp.Or(o.scalar(keyLevel), o.scalar(keyType))
	return level != "" && slices.Contains(harmlessLevels, strings.ToLower(level))
}

// shortName matches languages, countries and currencies: en, zh-CN, US, EUR.
var shortName = regexp.MustCompile(`^(?:[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?|[A-Z]{2,3})$`)

func isShortName(s string) bool {
	return len(s) <= len("abc-abcd") && s != "" && s[0] >= 'A' && shortName.MatchString(s)
}

// isErrorCode tells an error code of the dialect without a vendor from other things called code.
func (o *object) isErrorCode(e Envelope) bool {
	switch {
	case e.Code == "":
		return true
	case o.isNotice(), isProse(e.Code):
		return false
	case isShortName(e.Code):
		isComplaint := o.top() && !o.keys.has(keyName) && complains(e.Message)
		return isComplaint || o.named.is(namedError)
	case strings.HasPrefix(e.Code, "+"): // of a phone
		return false
	}
	return !sendsCode(e.Message, e.Code)
}

// maxCodeSpaces is how many spaces a code has at most.
const maxCodeSpaces = 4

// isProse reports whether a text under the name of a code is a sentence, or a part of a program.
func isProse(code string) bool {
	return strings.ContainsAny(code, "\n\r\t(){};=<>\"'`,") || strings.Count(code, " ") > maxCodeSpaces
}

// minSentCode is how many characters a code has at least that is sent to a person.
const minSentCode = 4

// sendsCode reports whether a message sends a person a code: Your code is 482913.
func sendsCode(message, code string) bool {
	if len(code) < minSentCode {
		return false
	}
	isSent := strings.Contains(message, code) || isDigits(code) && verification.isIn(message)
	return isSent && !refusal.isIn(message)
}

// saysErrorCode reports whether a text is written like the code of an error and not like a state or
// a count.
func saysErrorCode(code string) bool {
	return len(strings.TrimPrefix(code, "-")) >= len("E01") && strings.ContainsAny(code, "0123456789")
}

// answers matches the names of XML elements that answer a call.
var answers = regexp.MustCompile(`(?i)resp|rsp|result|reply|return|output|error|exception|fault|fail|message|status|respuesta|resposta|retorno|reponse|risposta|r(?:ü|ue)ckgabe|antwort|^xml$|^root$|^api$|^data$|^ret$`)

// isRecord reports whether an object with a code and a message is a record of data: an element or
// an item that is not named for an answer and stands among others of its kind.
func (o *object) isRecord() bool {
	above := o.Parent()
	switch {
	case o.p.isXML:
		return !answers.MatchString(o.Key()) && !answers.MatchString(above.Key())
	case above.Kind() != jsontree.Array:
		return false
	case o.Get("range").Kind() == jsontree.Object: // a finding in a source text
		return true
	case o.top(), o.failing, o.p.names.of(above).is(namedAnswer):
		return false
	}
	return o.keys.hasAny(keys(keyLevel, keyName, keyTime, keyTitle)) || isPaged(above)
}

// maxBeside is how many members beside a list are looked at.
const maxBeside = 10

// isPaged reports whether a list is a page of what a query found.
func isPaged(list jsontree.Value) bool {
	n := 0
	for m := list.Parent().First(); m.Kind() != jsontree.Missing && n < maxBeside; m, n = m.Next(), n+1 {
		switch string(m.RawKey()) {
		case "total", "totalCount", "total_count", "totalElements", "page", "pageNo", "pageNum", "page_num", "pageSize", "page_size", "per_page":
			return true
		}
	}
	return false
}
