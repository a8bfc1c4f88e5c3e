package parse

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// keySet is a set of keys, one bit each.
type keySet uint64

// Each key has a bit. With one key too many, this does not compile.
const _ = uint(64 - numKeys)

func keys(all ...key) (s keySet) {
	for _, k := range all {
		s |= 1 << k
	}
	return s
}

func (s keySet) has(k key) bool           { return s&(1<<k) != 0 }
func (s keySet) hasAny(other keySet) bool { return s&other != 0 }

// everyKey is for dialects that look at every object.
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

// shapes has a bit for each length and first letter of a key, so that most members are skipped
// without a look-up.
var shapes = func() (s [64]uint64) {
	for name := range keyOf {
		s[len(name)] |= 1 << (name[0] & 63)
	}
	return s
}()

// object is a JSON object, indexed by the keys that dialects ask for. It is what a dialect looks
// at: the methods of this file are what it may ask. If a key occurs twice, the first member counts.
type object struct {
	jsontree.Value
	keys    keySet
	members [numKeys]jsontree.Value

	p *Parser
}

// read makes o the object v.
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

// get returns the member under a key, Missing if there is none.
func (o *object) get(k key) jsontree.Value {
	if !o.keys.has(k) {
		return jsontree.Value{}
	}
	return o.members[k]
}

// first returns the first of the members that is present.
func (o *object) first(all ...key) jsontree.Value {
	for _, k := range all {
		if o.keys.has(k) {
			return o.members[k]
		}
	}
	return jsontree.Value{}
}

// ask returns the verdict of the first dialect that does not say neither.
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

// manner says what is special about a dialect's pair of code and message.
type manner uint8

const (
	// The key of the code is so distinctive that it makes an envelope even without a message.
	distinctive manner = 1 << iota
	// It belongs to no vendor: codes of zeros and from 200 to 299, and messages that say so, mean
	// success too.
	common
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
	// Cut off before the code, or inside it: only the message survived.
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

// successWords are messages that say nothing but success, in lower case.
var successWords = []string{"success", "ok", "succeed", "succeeded", "successful", "successfully", "request success", "request successful", "no error", "成功", "操作成功", "请求成功", "处理成功", "调用成功", "查询成功"}

func messageSaysSuccess(text string) bool {
	return len(text) <= 32 && slices.Contains(successWords, strings.ToLower(strings.TrimRight(text, ".!。！ ")))
}

// flagSaysSuccess reports whether a flag beside the code says success: success, ok, or a status in
// words.
func (o *object) flagSaysSuccess() bool {
	if f := o.get(keySuccess); f.Kind() == jsontree.Bool && f.Complete() {
		return f.Text() == "true"
	}
	s := o.get(keyStatus)
	return s.Kind() == jsontree.String && s.Complete() && slices.Contains([]string{"success", "ok"}, strings.ToLower(s.Text()))
}

// text returns the first text under the keys, trimmed. It also reports whether there is a text at
// all, even an empty one. A list of texts is joined; of an object, its value counts.
func (o *object) text(all ...key) (text string, there bool) {
	for _, k := range all {
		if !o.keys.has(k) {
			continue
		}
		t, ok := textOf(o.members[k])
		if k == keyError && !o.members[k].Complete() && isWord(t) {
			continue // a code that is cut off
		}
		if there = there || ok; t != "" {
			return t, true
		}
	}
	return "", there
}

// maxJoined is how many texts of a list become a message.
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

// scalar returns the first text of a complete string or number under the keys, "" if there is none.
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

// messageOnly returns the envelope of a dialect without codes. The body's status becomes the code,
// else (in Parser.Body) the request's.
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

// status returns the HTTP status that the object itself contains, 0 if there is none.
func (o *object) status() int {
	for _, k := range [...]key{keyStatus, keyStatusCode, keyCode} {
		if n, err := strconv.Atoi(o.scalar(k)); err == nil && 100 <= n && n < 600 {
			return n
		}
	}
	return 0
}

// liberal reports whether the status of the request says that something failed. Then weaker signs
// of an error count.
func (o *object) liberal() bool { return o.p.status >= 400 }

// placedAsEnvelope reports whether an object is the whole body, is under a key that names errors,
// or is in a list of failures. Anywhere else, a code may be that of a country or a flavor.
func (o *object) placedAsEnvelope() bool {
	above := o.Parent()
	return above.Kind() == jsontree.Missing || o.liberal() || o.top() || namesFailures(o.Value) || above.Kind() == jsontree.Array && (namesFailures(above) || above.Parent().Kind() == jsontree.Missing)
}

// top reports whether an object is the body, an item of the list that is the body, the outermost
// XML element, or the only member of the body, with the name of a response.
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

// wrapper matches the names of the one member that holds everything in some bodies.
var wrapper = regexp.MustCompile(`(?i)resp|rsp|result|output|reply`)

// isError reports whether the object's key means the error itself.
func (o *object) isError() bool {
	for _, name := range errorNames {
		if o.KeyIs(name) {
			return true
		}
	}
	return false
}

// errorNames are the keys of the error itself.
var errorNames = [...]string{"error", "Error", "err", "odata.error", "fault", "Fault", "exception", "Exception", "errorInfo", "error_info", "errorDetail", "error_detail", "errorResponse"}

// inErrors reports whether the object is an item of a list that is named for failures.
func (o *object) inErrors() bool {
	above := o.Parent()
	return above.Kind() == jsontree.Array && namesFailures(above)
}

// standsAlone reports whether the object is in a list of failures, and no envelope around the list
// covers it.
func (o *object) standsAlone() bool { return o.inErrors() && !o.p.failed[o.Parent().Parent()] }

// ignore skips v and everything inside it: the envelope of o covers it.
func (o *object) ignore(v jsontree.Value) {
	if v.Kind() == jsontree.Object || v.Kind() == jsontree.Array {
		o.p.ignored = append(o.p.ignored, v)
	}
}

// coded is pair with the module code beside it, if there is one.
func (o *object) coded(code jsontree.Value, how manner, messages ...key) (Envelope, verdict) {
	e, says := o.pair(code, how, messages...)
	if says == failure {
		e.ModuleCode = o.scalar(keySubCode)
	}
	return e, says
}

// fieldTexts joins what an object says about each field, as "field: text". It returns "" if the
// object holds anything but lists of texts, or, with texts set, plain texts.
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

// isWord reports whether a text looks like a code and not like a sentence: letters, digits and the
// marks that codes contain.
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
