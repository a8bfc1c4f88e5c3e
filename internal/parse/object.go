package parse

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// keySet is a set of keys, a bit each.
type keySet uint64

// There is a bit for each key: one key too many does not compile.
const _ = uint(64 - numKeys)

func keys(all ...key) (s keySet) {
	for _, k := range all {
		s |= 1 << k
	}
	return s
}

func (s keySet) has(k key) bool           { return s&(1<<k) != 0 }
func (s keySet) hasAny(other keySet) bool { return s&other != 0 }

// everyKey is wanted by dialects that look at each object.
const everyKey = ^keySet(0)

// keyOf finds a key by its spelling.
var keyOf = func() map[string]key {
	m := map[string]key{}
	for k, names := range spellings {
		for _, name := range names {
			m[name] = key(k)
		}
	}
	return m
}()

// shapes has a bit for each length and first letter that some key has, so that most members are passed over without a look-up.
var shapes = func() (s [64]uint64) {
	for name := range keyOf {
		s[len(name)] |= 1 << (name[0] & 63)
	}
	return s
}()

// object is a JSON object with those of its members that dialects ask for. Of a key that stands twice the first member counts.
type object struct {
	jsontree.Value
	keys    keySet
	members [numKeys]jsontree.Value

	p *Parser
}

// read takes the members of v.
func (o *object) read(v jsontree.Value) {
	o.Value, o.keys = v, 0
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		name := m.RawKey()
		if m.KeyEscaped() {
			name = []byte(m.Key())
		}
		if n := len(name); n == 0 || n >= len(shapes) || shapes[n]&(1<<(name[0]&63)) == 0 {
			continue
		}
		if k, ok := keyOf[string(name)]; ok && !o.keys.has(k) {
			o.keys |= 1 << k
			o.members[k] = m
		}
	}
}

// get is the member under a key, Missing where there is none.
func (o *object) get(k key) jsontree.Value {
	if !o.keys.has(k) {
		return jsontree.Value{}
	}
	return o.members[k]
}

// first is the first of the members that is there.
func (o *object) first(all ...key) jsontree.Value {
	for _, k := range all {
		if o.keys.has(k) {
			return o.members[k]
		}
	}
	return jsontree.Value{}
}

// ask returns what the first of the dialects says that says something.
func (o *object) ask(dialects []dialect) (Envelope, verdict) {
	for i := range dialects {
		d := &dialects[i]
		if d.any != everyKey && !o.keys.hasAny(d.any) {
			continue
		}
		if e, says := d.match(o); says != neither {
			e.Dialect = d.name
			return e, says
		}
	}
	return Envelope{}, neither
}

// manner says what is particular about a dialect's pair of code and message.
type manner uint8

const (
	// The key of the code is so distinctive that it makes an envelope even without a message.
	distinctive manner = 1 << iota
	// No vendor stands behind it: codes of zeros and from 200 to 299, and a message that says so, mean success too.
	common
)

// successCodes say success in every dialect, besides null and true.
var successCodes = []string{"", "0", "200", "OK", "Ok", "ok", "success", "SUCCESS", "Success"}

// maxCode is the most bytes a code may have: what is longer is some other text.
const maxCode = 200

// pair judges a code and the first of the members that may hold its message. A code alone is an envelope where it is distinctive; and
// where the object was cut off, so that its message may be what is lost, if it stands where an envelope would.
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
			return Envelope{}, success
		}
		text, there := o.text(messages...)
		switch {
		case len(c) > maxCode, !there && how&distinctive == 0 && !o.standsAlone() && (o.Complete() || !o.placedAsEnvelope()):
			return Envelope{}, neither
		case how&common != 0 && messageSaysSuccess(text), o.flagSaysSuccess():
			return Envelope{}, success
		}
		return Envelope{Code: c, Message: text}, failure
	}
	// Cut before its code, or in the middle of it: only the message survived.
	begun := code.Kind() != jsontree.Missing
	if text, _ := o.text(messages...); (how&distinctive != 0 || begun) && text != "" && !messageSaysSuccess(text) && !o.Complete() {
		return Envelope{Message: text}, failure
	}
	return Envelope{}, neither
}

func saysSuccess(kind jsontree.Kind, code string, how manner) bool {
	switch {
	case kind == jsontree.Null, kind == jsontree.Bool && code == "true", slices.Contains(successCodes, code):
		return true
	case how&common == 0:
		return false
	}
	return len(code) == 3 && code[0] == '2' && isDigits(code) || strings.Trim(code, "0") == ""
}

// successWords are the messages that say success in full, in lower case.
var successWords = []string{"success", "ok", "succeed", "succeeded", "successful", "successfully", "request success", "request successful", "no error", "成功", "操作成功", "请求成功", "处理成功", "调用成功", "查询成功"}

func messageSaysSuccess(text string) bool {
	return len(text) <= 32 && slices.Contains(successWords, strings.ToLower(strings.TrimRight(text, ".!。！ ")))
}

// flagSaysSuccess reports whether a flag beside the code says success: success, ok, or a status in words.
func (o *object) flagSaysSuccess() bool {
	if f := o.get(keySuccess); f.Kind() == jsontree.Bool && f.Complete() {
		return f.Text() == "true"
	}
	s := o.get(keyStatus)
	return s.Kind() == jsontree.String && s.Complete() && slices.Contains([]string{"success", "ok"}, strings.ToLower(s.Text()))
}

// text is the first text under the keys, trimmed, and whether one is there, be it empty. A list of texts is joined, and of an
// object its value counts.
func (o *object) text(all ...key) (text string, there bool) {
	for _, k := range all {
		if !o.keys.has(k) {
			continue
		}
		t, ok := textOf(o.members[k])
		if k == keyError && !o.members[k].Complete() && isWord(t) {
			continue // a code that is cut
		}
		if there = there || ok; t != "" {
			return t, true
		}
	}
	return "", there
}

// maxJoined is how many texts of a list make a message.
const maxJoined = 10

func textOf(v jsontree.Value) (text string, there bool) {
	switch v.Kind() {
	case jsontree.String, jsontree.Number:
		return strings.TrimSpace(v.Text()), true
	case jsontree.Array:
		var texts []string
		for item := v.First(); item.Kind() != jsontree.Missing && len(texts) < maxJoined; item = item.Next() {
			if item.Kind() == jsontree.String {
				texts = append(texts, strings.TrimSpace(item.Text()))
			}
		}
		return strings.Join(texts, "; "), len(texts) > 0
	case jsontree.Object: // OData's {"lang": …, "value": …}, and XML's text beside attributes
		for _, name := range [...]string{"value", xmlText} {
			if t := v.Get(name); t.Kind() == jsontree.String {
				return strings.TrimSpace(t.Text()), true
			}
		}
	}
	return "", false
}

// scalar is the text of a complete string or number under the keys, "" where there is none.
func (o *object) scalar(all ...key) string {
	for _, k := range all {
		if o.keys.has(k) {
			if s := scalarOf(o.members[k]); s != "" {
				return s
			}
		}
	}
	return ""
}

func scalarOf(v jsontree.Value) string {
	if k := v.Kind(); (k == jsontree.String || k == jsontree.Number) && v.Complete() {
		return strings.TrimSpace(v.Text())
	}
	return ""
}

// messageOnly is the envelope of a dialect that gives no code of its own: the body's status stands in, else (in Parser.Body) the request's.
func (o *object) messageOnly(messages ...key) (Envelope, verdict) {
	text, _ := o.text(messages...)
	if text == "" || messageSaysSuccess(text) || o.flagSaysSuccess() {
		return Envelope{}, neither
	}
	e := Envelope{Message: text}
	if n := o.status(); n >= 400 {
		e.Code = httpCode(n)
	}
	return e, failure
}

// status is the HTTP status that the object itself gives, 0 where there is none.
func (o *object) status() int {
	for _, k := range [...]key{keyStatus, keyStatusCode, keyCode} {
		if n, err := strconv.Atoi(o.scalar(k)); err == nil && 100 <= n && n < 600 {
			return n
		}
	}
	return 0
}

// liberal reports whether the status of the request says that something failed, so that weaker signs count.
func (o *object) liberal() bool { return o.p.status >= 400 }

// placedAsEnvelope reports whether an object is the whole body, or stands under a key that names errors or in a list of
// failures: anywhere else a code may be that of a country or a flavor.
func (o *object) placedAsEnvelope() bool {
	above := o.Parent()
	return above.Kind() == jsontree.Missing || o.liberal() || o.top() || namesFailures(o.Value) || above.Kind() == jsontree.Array && (namesFailures(above) || above.Parent().Kind() == jsontree.Missing)
}

// top reports whether an object is the body, an item of the list that is the body, XML's outermost element, or all that the body's object
// holds, as its response.
func (o *object) top() bool {
	above := o.Parent()
	switch {
	case above.Kind() == jsontree.Missing:
		return true
	case above.Parent().Kind() != jsontree.Missing:
		return false
	}
	return above.Kind() == jsontree.Array || o.p.isXML || o.Next().Kind() == jsontree.Missing && above.First() == o.Value && wrapper.MatchString(o.Key())
}

// wrapper matches the names of the one member that some bodies put everything into.
var wrapper = regexp.MustCompile(`(?i)resp|rsp|result|output|reply`)

// isError reports whether the object stands under a key that means the error itself.
func (o *object) isError() bool {
	for _, name := range errorNames {
		if o.KeyIs(name) {
			return true
		}
	}
	return false
}

// errorNames are the keys under which the error itself stands.
var errorNames = [...]string{"error", "Error", "err", "odata.error", "fault", "Fault", "exception", "Exception", "errorInfo", "error_info", "errorDetail", "error_detail", "errorResponse"}

// inErrors reports whether the object is an item of a list that is named for failures.
func (o *object) inErrors() bool {
	above := o.Parent()
	return above.Kind() == jsontree.Array && namesFailures(above)
}

// standsAlone reports whether the object is an item of a list of failures that no envelope around the list has spoken for.
func (o *object) standsAlone() bool { return o.inErrors() && !o.p.failed[o.Parent().Parent()] }

// ignore leaves all inside v out: the envelope at hand has said what it says.
func (o *object) ignore(v jsontree.Value) {
	if v.Kind() == jsontree.Object || v.Kind() == jsontree.Array {
		o.p.ignored = append(o.p.ignored, v)
	}
}

// coded is a pair with the code of the business beneath it, where there is one.
func (o *object) coded(code jsontree.Value, how manner, messages ...key) (Envelope, verdict) {
	e, says := o.pair(code, how, messages...)
	if says == failure {
		e.ModuleCode = o.scalar(keySubCode)
	}
	return e, says
}

// fieldTexts joins what an object says of each field, "field: text"; "" where it holds anything but lists of texts, and texts too
// where those are allowed.
func fieldTexts(fields jsontree.Value, texts bool) string {
	if fields.Kind() != jsontree.Object {
		return ""
	}
	var all []string
	add := func(field, text jsontree.Value) {
		if len(all) < maxJoined {
			all = append(all, field.Key()+": "+strings.TrimSpace(text.Text()))
		}
	}
	for f := fields.First(); f.Kind() != jsontree.Missing; f = f.Next() {
		switch {
		case texts && f.Kind() == jsontree.String:
			add(f, f)
			continue
		case f.Kind() != jsontree.Array:
			return ""
		}
		for text := f.First(); text.Kind() != jsontree.Missing; text = text.Next() {
			if text.Kind() != jsontree.String {
				return ""
			}
			add(f, text)
		}
	}
	return strings.Join(all, "; ")
}

// isWord tells a code from a sentence: letters, digits and the marks that codes have in them.
func isWord(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	letter := false
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			letter = true
		case '0' <= c && c <= '9', strings.IndexByte("_-.:/#", c) >= 0:
		default:
			return false
		}
	}
	return letter
}

// isConstant reports whether a text is written as a constant: PERMISSION_DENIED.
func isConstant(s string) bool {
	return isWord(s) && strings.ToUpper(s) == s
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
