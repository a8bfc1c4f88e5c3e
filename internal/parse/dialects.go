package parse

import (
	"regexp"
	"slices"
	"strings"

	"errata/internal/jsontree"
)

// verdict is what a dialect says of an object.
type verdict int

const (
	neither verdict = iota // no envelope of this dialect
	success
	failure
)

// dialect is one way to write an envelope.
type dialect struct {
	name  string
	about string
	match func(object jsontree.Value) (Envelope, verdict)
}

// dialects are asked in this order, the most particular first.
var dialects = []dialect{
	{"huawei", "error_code and error_msg, as Huawei Cloud services write them", huawei},
	{"tencent-v2", "code, message and codeDesc, as Tencent Cloud's API 2.0 writes them", tencentV2},
	{"code-message", "code beside message or msg, as very many services write them", codeMessage},
}

// Dialects are the names of the dialects, that of HTTP statuses among them.
func Dialects() []string {
	names := []string{HTTPDialect}
	for _, d := range dialects {
		names = append(names, d.name)
	}
	return names
}

func huawei(o jsontree.Value) (Envelope, verdict) {
	return pair(o, o.Get("error_code"), first(o, "error_msg", "error_message"), true)
}

// moduleMessage is how Tencent Cloud puts a module's code before the message: "(100004) incorrect projectId".
var moduleMessage = regexp.MustCompile(`^\(\d+\) `)

func tencentV2(o jsontree.Value) (Envelope, verdict) {
	code, message := o.Get("code"), o.Get("message")
	if o.Get("codeDesc").Kind() == jsontree.Missing && !(code.Kind() == jsontree.Number && moduleMessage.Match(message.Raw())) {
		return Envelope{}, neither
	}
	return pair(o, code, message, true)
}

func codeMessage(o jsontree.Value) (Envelope, verdict) {
	return pair(o, o.Get("code"), first(o, "message", "msg"), false)
}

func first(o jsontree.Value, keys ...string) jsontree.Value {
	for _, key := range keys {
		if v := o.Get(key); v.Kind() != jsontree.Missing {
			return v
		}
	}
	return jsontree.Value{}
}

// successCodes are the codes that say success in every dialect so far, besides null and true.
var successCodes = []string{"", "0", "200", "OK", "ok", "success", "SUCCESS", "Success"}

// maxCode is the most bytes a code may have: what is longer is some other text.
const maxCode = 200

// pair judges a code and its message, either of which may be missing. A code alone is an envelope where its
// key is so distinctive that it can be nothing else; and where the object was cut off, so that its message
// may be what is lost, if it stands where an envelope would.
func pair(o, code, message jsontree.Value, distinctive bool) (Envelope, verdict) {
	text := strings.TrimSpace(message.Text())
	switch code.Kind() {
	case jsontree.Object, jsontree.Array:
		return Envelope{}, neither // a schema or a document, not an envelope
	case jsontree.Null, jsontree.Bool, jsontree.Number, jsontree.String:
		if !code.Complete() {
			break
		}
		c := strings.TrimSpace(code.Text())
		alone := message.Kind() != jsontree.String && message.Kind() != jsontree.Number
		switch {
		case code.Kind() == jsontree.Bool && c == "true", slices.Contains(successCodes, c):
			return Envelope{}, success
		case len(c) > maxCode, alone && !distinctive && (o.Complete() || !placedAsEnvelope(o)):
			return Envelope{}, neither
		}
		return Envelope{Code: c, Message: text}, failure
	}
	// Cut before its code, or in the middle of it: only the message survived.
	begun := code.Kind() != jsontree.Missing
	if (distinctive || begun) && text != "" && !slices.Contains(successCodes, text) && !o.Complete() {
		return Envelope{Message: text}, failure
	}
	return Envelope{}, neither
}

// placedAsEnvelope tells whether an object is the whole body, or stands under a key that names errors or in a list of
// failures: anywhere else a code may be that of a country or a flavor.
func placedAsEnvelope(o jsontree.Value) bool {
	above := o.Parent()
	return above.Kind() == jsontree.Missing || namesFailures(o) || above.Kind() == jsontree.Array && (namesFailures(above) || above.Parent().Kind() == jsontree.Missing)
}
