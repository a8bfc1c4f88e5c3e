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

// exemptKeys are the keys of examples, vocabularies and records of the past.
var exemptKeys = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range []string{
		"example", "examples", "sample", "samples", "schema", "schemas", "definitions", "properties", "components", "enum",
		"error_codes", "errorCodes", "errorcodes", "codes", "status_codes", "statusCodes", "codelist", "code_list",
		"translations", "i18n", "locales", "labels", "dictionary", "glossary", "templates",
		"logs", "log", "logEntries", "log_entries", "history", "audit", "audits", "audit_logs", "auditLogs", "traces", "timeline", "activities",
		"countries", "currencies", "languages", "coupons", "coupon", "promotions", "promotion", "region", "regions", "zones", "provinces", "cities",
		"_source", "validators", "validationRules", "validation_rules", "constraints",
		"warnings", "advertencias", "avisos", "avertissements", "warnungen", "hinweise",
		"metric", "metrics", "tags", "dimensions", "stream", "buckets", "facets",
		"alarms", "alarmList", "alarm_list", "alerts", "notifications", "announcements", "products", "plans", "menus", "dicts",
	} {
		m[name] = true
	}
	return m
}()

// exemptSubtree reports whether the key of a container says that nothing inside counts.
func exemptSubtree(v jsontree.Value) bool {
	name := v.RawKey()
	if v.KeyEscaped() {
		name = []byte(v.Key())
	}
	return exemptKeys[string(name)] || describesErrors(name) || namesNotices(name)
}

// namesNotices reports whether a container is named for warnings or hints: warningMessages,
// infoList, userWarnings.
func namesNotices(name []byte) bool {
	if n := len(name); n < len("hints") || name[n-1]|0x20 != 's' && name[n-1]|0x20 != 't' {
		return false // most names end here
	}
	var buffer [maxRoleName]byte
	name = plainName(name, &buffer)
	about, isList := bytes.CutSuffix(name, []byte("s"))
	if !isList {
		about, isList = bytes.CutSuffix(name, []byte("list"))
	}
	for _, word := range [...]string{"item", "message", "msg", "dtl"} {
		about = bytes.TrimSuffix(about, []byte(word))
	}
	return isList && endsWithAny(about, []string{"warning", "info", "notice", "hint"})
}

// describesErrors reports whether a container holds what errors there are, and not one that
// happened: errorCatalog, error_definitions.
func describesErrors(name []byte) bool {
	var buffer [maxRoleName]byte
	name = plainName(name, &buffer)
	return bytes.HasPrefix(name, []byte("err")) && endsWithAny(name, []string{"catalog", "catalogue", "definitions", "examples", "types", "history"})
}

// Sets of keys that every object is asked for.
var (
	operationKeys = keys(keyName, keyMetadata)
	codeKeys      = keys(keyCode, keyErrorCode, keyError, keyOtherCode, keyErrcode)
	thingKeys     = keys(keyID, keyName, keyJob)
	remedyKeys    = keys(keyRemedy, keyDescription)
	listedKeys    = keys(keyCode, keyErrorCode, keyOtherCode)
	messageKeys   = keys(keyMessage, keyErrorMsg)
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
	if o.keys.has(keyJob) && o.keys.hasAny(keys(keyStatus, keyState)) {
		return true
	}
	state := o.first(keyState, keyStatus)
	if state.Kind() != jsontree.String {
		return false
	}
	if (!o.keys.has(keyTime) || !o.keys.hasAny(thingKeys)) && !o.isThing() {
		return false
	}
	return len(bytes.Trim(state.Raw(), "0123456789")) > 0
}

// things are the keys of what has a state, one or a list.
var things = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields("server job task run build pipeline deployment execution workflow operation instance cluster volume stack migration backup transcode sub_job test testcase check") {
		m[name], m[name+"s"] = true, true
	}
	return m
}()

// isThing reports whether the key of an object names something that has a state.
func (o *object) isThing() bool {
	if things[string(o.RawKey())] {
		return true
	}
	above := o.Parent()
	return above.Kind() == jsontree.Array && things[string(above.RawKey())]
}

// isCatalogEntry reports whether an object is an item of a list that describes codes.
func (o *object) isCatalogEntry() bool {
	return o.keys.hasAny(remedyKeys) && o.keys.hasAny(listedKeys) && o.keys.hasAny(messageKeys) &&
		o.Parent().Kind() == jsontree.Array
}

// isCount reports whether an item of a list says how often something was met.
func (o *object) isCount() bool {
	if o.Parent().Kind() != jsontree.Array || o.keys.hasAny(messageKeys) {
		return false
	}
	var buffer [maxRoleName]byte
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() == jsontree.Number && endsWithAny(plainName(nameOf(m), &buffer), []string{"count", "total", "num", "sum", "times", "rate", "percent"}) {
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

// Languages, countries and currencies: en, zh-CN, US, EUR.
var shortName = regexp.MustCompile(`^(?:[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?|[A-Z]{2,3})$`)

// isErrorCode tells an error code of the dialect without a vendor from other things called code.
func (o *object) isErrorCode(e Envelope) bool {
	switch {
	case e.Code == "":
		return true
	case o.isNotice():
		return false
	case strings.ContainsAny(e.Code, "\n\r\t(){};=<>\"'`,"), strings.Count(e.Code, " ") > 4: // a program, or prose
		return false
	case shortName.MatchString(e.Code) && (!o.top() || o.keys.has(keyName) || !complains(e.Message)) && !o.isError():
		return false
	case strings.HasPrefix(e.Code, "+"): // of a phone
		return false
	case len(e.Code) >= 4 && strings.Contains(e.Message, e.Code) && !refusal.MatchString(e.Message): // "Your code is 482913"
		return false
	}
	return !(isDigits(e.Code) && len(e.Code) >= 4 && verification.MatchString(e.Message) && !refusal.MatchString(e.Message))
}

// saysErrorCode reports whether a text is written like the code of an error and not like a state or
// a count.
func saysErrorCode(code string) bool {
	return len(strings.TrimPrefix(code, "-")) >= 3 && strings.ContainsAny(code, "0123456789")
}

// answers matches the names of XML elements that answer a call.
var answers = regexp.MustCompile(`(?i)resp|rsp|result|reply|return|output|error|exception|fault|fail|message|status|respuesta|resposta|retorno|reponse|risposta|r(?:ü|ue)ckgabe|antwort|^xml$|^root$|^api$|^data$|^ret$`)

// isRecord reports whether an object with a code and a message is a record of data: an element or
// an item that is not named for an answer and stands among others of its kind.
func (o *object) isRecord() bool {
	above := o.Parent()
	if o.p.isXML {
		return !answers.MatchString(o.Key()) && !answers.MatchString(above.Key())
	}
	if above.Kind() != jsontree.Array || o.top() || wrapper.MatchString(above.Key()) || o.stateSaysFailure() {
		return false
	}
	return o.keys.hasAny(keys(keyLevel, keyName, keyTime, keyTitle)) || isPaged(above)
}

// isPaged reports whether a list is a page of what a query found.
func isPaged(list jsontree.Value) bool {
	n := 0
	for m := list.Parent().First(); m.Kind() != jsontree.Missing && n < maxJoined; m, n = m.Next(), n+1 {
		switch string(m.RawKey()) {
		case "total", "totalCount", "total_count", "totalElements", "page", "pageNo", "pageNum", "page_num", "pageSize", "page_size", "per_page":
			return true
		}
	}
	return false
}

// failureWords name what holds failures. aboutFailures follow such a word in the names of other
// things.
var (
	failureWords  = [...]string{"error", "fail", "exception", "rejected", "faults", "problems", "erros", "erreurs", "fehler"}
	aboutFailures = [...]string{"code", "type", "stat", "count", "rate", "log", "histor", "catalog", "definition", "example", "page", "handler", "polic", "budget", "doc", "default"}
)

// namesFailures reports whether the key of a value says that it holds failures.
func namesFailures(v jsontree.Value) bool {
	var buffer [40]byte
	name := v.RawKey()
	if v.KeyEscaped() {
		name = []byte(v.Key())
	}
	if len(name) < len("fail") || len(name) > len(buffer) {
		return false
	}
	lower := buffer[:len(name)]
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	if !contains(lower, failureWords[:]) {
		return false
	}
	return !contains(lower, aboutFailures[:])
}

func contains(text []byte, words []string) bool {
	for _, w := range words {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}
