package parse

import (
	"bytes"
	"cmp"
	"math/bits"
	"net/http"
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

// object is a JSON object, indexed by the keys that dialects ask for. It is what a dialect looks
// at: its methods are what it may ask. If a key occurs twice, the first member counts.
type object struct {
	jsontree.Value
	named   meaning // what its own name means
	keys    keySet
	members [numKeys]jsontree.Value
	similar [numKeys]jsontree.Value // those whose names no dialect lists
	said    [numKeys]string         // the texts of those that have been asked for,
	asked   keySet                  // as dialects ask for the same ones
	texts   []jsontree.Value        // those that are JSON in a text

	p       *Parser
	failing bool   // see stateSaysFailure
	dialect string // the one that is being asked
}

// read makes o the object v, whose name has a meaning.
func (o *object) read(v jsontree.Value, named meaning) {
	o.Value, o.named, o.keys, o.asked, o.texts = v, named, 0, 0, o.texts[:0]
	var similar keySet
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		means := o.p.names.of(m)
		if means.is(namedInner) && m.Kind() == jsontree.String && mayHoldJSON(m.Raw()) {
			o.texts = append(o.texts, m)
		}
		switch k := means.key; {
		case !means.is(namedKey):
		case means.is(namedSimilar):
			if !similar.has(k) {
				similar |= 1 << k
				o.similar[k] = m
			}
		case !o.keys.has(k):
			o.keys |= 1 << k
			o.members[k] = m
		}
	}
	if similar &^= o.keys; similar == 0 {
		return
	}
	o.keys |= similar
	for k := range numKeys {
		if similar.has(k) {
			o.members[k] = o.similar[k]
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

// ask returns the verdict of the first of some dialects that does not say neither.
func (o *object) ask(dialects []dialect) (Envelope, verdict) {
	for i := range dialects {
		if d := &dialects[i]; d.any == everyKey || o.keys.hasAny(d.any) {
			if e, says := o.askOne(d); says != neither {
				return e, says
			}
		}
	}
	return Envelope{}, neither
}

// askTable is ask for the table of dialects. It passes over those that the object has no key of.
func (o *object) askTable() (Envelope, verdict) {
	var asked uint64
	for rest := uint64(o.keys); rest != 0; rest &= rest - 1 {
		asked |= dialectsWith[bits.TrailingZeros64(rest)]
	}
	if o.named.is(namedError) && !o.p.covers(o.Parent()) { // whatever its members are called
		asked |= errorObjects
	}
	for ; asked != 0; asked &= asked - 1 {
		if e, says := o.askOne(&dialects[bits.TrailingZeros64(asked)]); says != neither {
			return e, says
		}
	}
	return Envelope{}, neither
}

func (o *object) askOne(d *dialect) (Envelope, verdict) {
	o.dialect = d.name
	e, says := d.match(o)
	if says == neither {
		return Envelope{}, neither
	}
	if says == failure && !hasOwnCode(e) {
		e.Code = cmp.Or(o.codeElsewhere(), e.Code)
		if e.Code == "" && !o.liberal() {
			e.Code = codeBefore(e.Message)
		}
	}
	if says == failure && saysError(e.Message) { // a sentence beside it says more
		e.Message = cmp.Or(onlySentence(o.Value), e.Message)
	}
	if text := o.scalar(keyErrorDescription); says == failure && isWord(e.Message) && strings.Contains(text, " ") { // and so does this
		e.Message = text
	}
	e.Dialect = d.name
	return e, says
}

// codeBefore returns the code with which a message begins: 4020 : Invalid IP address.
func codeBefore(message string) string {
	if m := codeInMessage.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return ""
}

var codeInMessage = regexp.MustCompile(`^(\d{4,8}|[A-Z]{1,8}-?\d{2,8}) ?[:-] \S`)

var (
	dialectsWith [numKeys]uint64 // for each key, a bit for each dialect of the table that asks for it
	errorObjects uint64          // the bit of error-object
)

func init() {
	if len(dialects) > 64 {
		panic("more dialects than bits")
	}
	for i, d := range dialects {
		if d.name == "error-object" {
			errorObjects = 1 << i
		}
		for k := range numKeys {
			if d.any.has(k) {
				dialectsWith[k] |= 1 << i
			}
		}
	}
}

// text returns the first text under the keys, trimmed. It also reports whether there is a text at
// all, even an empty one. A list of texts is joined; of an object, its value counts.
func (o *object) text(all ...key) (text string, there bool) {
	for _, k := range all {
		if !o.keys.has(k) {
			continue
		}
		t, ok := o.textOfScalar(k), true
		if t == "" {
			t, ok = textOf(o.members[k])
		}
		if isCutCode := k == keyError && !o.members[k].Complete() && isWord(t); isCutCode {
			continue
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
	case jsontree.Object: // OData's {"lang": …, "value": …}, XML's text beside attributes, {"ru": …, "en": …}
		for _, name := range [...]string{"value", xmlText, "en", "en-US", "en_US", "english", "English"} {
			if t := v.Get(name); t.Kind() == jsontree.String {
				return strings.TrimSpace(t.Text()), true
			}
		}
		if first := v.First(); first.Kind() == jsontree.String && isShortName(first.Key()) {
			return strings.TrimSpace(first.Text()), true
		}
	}
	return "", false
}

// scalar returns the first text of a complete string or number under the keys, "" if there is none.
func (o *object) scalar(all ...key) string {
	for _, k := range all {
		if o.keys.has(k) {
			if s := o.textOfScalar(k); s != "" && o.members[k].Complete() {
				return s
			}
		}
	}
	return ""
}

// textOfScalar returns the text of a string or a number under a key, "" if there is none.
func (o *object) textOfScalar(k key) string {
	if !o.asked.has(k) {
		o.asked |= 1 << k
		o.said[k] = ""
		if kind := o.members[k].Kind(); kind == jsontree.String || kind == jsontree.Number {
			o.said[k] = strings.TrimSpace(o.members[k].Text())
		}
	}
	return o.said[k]
}

func scalarOf(v jsontree.Value) string {
	if k := v.Kind(); (k == jsontree.String || k == jsontree.Number) && v.Complete() {
		return strings.TrimSpace(v.Text())
	}
	return ""
}

// isEmpty reports whether a member says nothing for certain: it is missing, null, or an empty text
// that is not cut off.
func isEmpty(v jsontree.Value) bool {
	switch v.Kind() {
	case jsontree.Missing, jsontree.Null:
		return true
	case jsontree.String:
		return v.Complete() && len(bytes.TrimSpace(v.Raw())) == 0
	}
	return false
}

func isContainer(v jsontree.Value) bool {
	k := v.Kind()
	return k == jsontree.Object || k == jsontree.Array
}

// messageOnly returns the envelope of a dialect without codes. The body's status becomes the code,
// else (in Parser.Body) the request's.
func (o *object) messageOnly(messages ...key) (Envelope, verdict) {
	text, _ := o.text(messages...)
	if text == "" || messageSaysSuccess(text) || o.flagSaysSuccess() {
		return Envelope{}, neither
	}
	return Envelope{Message: text, Code: o.statusCode(text)}, failure
}

// statusCode returns the status from 400 up that an object gives as its own, "" if it gives none.
// In an answer that HTTP calls a success it is the service's code, as the body wrote it, unless the
// body says that it is HTTP's.
func (o *object) statusCode(text string) string {
	n := o.status()
	switch {
	case n < 400:
		return ""
	case o.liberal() || o.isHTTPStatus(n, text):
		return httpCode(n)
	}
	return strconv.Itoa(n)
}

// isHTTPStatus reports whether the number that an object gives as its status is one of HTTP: HTTP's
// own phrase stands beside it, its name says so, or its dialect defines it so.
func (o *object) isHTTPStatus(n int, text string) bool {
	phrase := http.StatusText(n)
	switch {
	case slices.Contains(statusOfHTTP, o.dialect):
		return true
	case strings.EqualFold(phrase, text), strings.EqualFold(phrase, o.scalar(keyError)):
		return true
	}
	return bytes.Contains(bytes.ToLower(nameOf(o.get(keyStatusCode))), []byte("http"))
}

// statusOfHTTP are the dialects whose definitions say that the status is HTTP's.
var statusOfHTTP = []string{"problem", "json-api", "github"}

// status returns the HTTP status that the object itself contains, 0 if there is none.
func (o *object) status() int {
	for _, k := range [...]key{keyStatus, keyStatusCode, keyCode} {
		if n := statusOf(o.scalar(k)); n != 0 {
			return n
		}
	}
	return 0
}

// statusOf returns the HTTP status that a text is, 0 if it is none.
func statusOf(text string) int {
	if len(text) != len("200") || !isDigits(text) {
		return 0
	}
	n := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
	if n < 100 || n >= 600 {
		return 0
	}
	return n
}

// liberal reports whether the status of the request says that something failed. Then weaker signs
// of an error count.
func (o *object) liberal() bool { return o.p.status >= 400 }

// ignore skips v and everything inside it: the envelope of o covers it.
func (o *object) ignore(v jsontree.Value) {
	if isContainer(v) {
		o.p.ignored = append(o.p.ignored, v)
	}
}

// ignoreMembers skips everything inside o.
func (o *object) ignoreMembers() {
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		o.ignore(m)
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

// onlyMember returns the member or the item of a container that has one, Missing if it has none or
// more.
func onlyMember(v jsontree.Value) jsontree.Value {
	first := v.First()
	if first.Kind() == jsontree.Missing || first.Next().Kind() != jsontree.Missing {
		return jsontree.Value{}
	}
	return first
}

// fieldTexts joins what an object says about each field, as "field: text". It returns "" if the
// object holds anything but lists of texts, or, with texts set, plain texts.
func fieldTexts(fields jsontree.Value, texts bool) string {
	if fields.Kind() != jsontree.Object {
		return ""
	}
	if texts {
		if only := onlyMember(fields); only.Kind() == jsontree.String && (only.KeyIs("detail") || only.KeyIs("message")) { // no field of a form
			return strings.TrimSpace(only.Text())
		}
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

// maxWord is the greatest length of a code that looks like one.
const maxWord = 100

// isWord reports whether a text looks like a code and not like a sentence: letters, digits and the
// marks that codes contain.
func isWord(s string) bool {
	if s == "" || len(s) > maxWord {
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

// isInteger is isDigits for numbers that may be negative.
func isInteger(s string) bool { return isDigits(strings.TrimPrefix(s, "-")) }

// isNonzero reports whether a text is a number of digits that are not all zeros.
func isNonzero(s string) bool { return isDigits(s) && strings.Trim(s, "0") != "" }
