package parse

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"errata/internal/jsontree"
)

// Where an object is known to be an error, its names need not be: of all its members, the one whose
// name sounds most like a code is the code, and the one whose name sounds most like a text is the
// message. The names are compared without separators, in lower case.

// codeWords end the names of codes, and textWords are in the names of texts; the likeliest first.
var (
	codeWords = []string{"code", "codice", "codigo", "cd", "cod", "codes", "errno", "errorno", "errornum", "errorid", "errortag", "number", "errorname", "exceptionname", "key", "error", "type", "class", "label", "name", "nome", "id"}
	textWords = []string{"#text", "longmessage", "message", "msg", "mensaje", "mensagem", "description", "desc", "text", "reason", "explanation", "note", "detail", "info", "summary", "string", "title", "line", "remark", "rmk", "content", "motivo", "value", "label", "errors", "exception"}
	// What such names end with if they say something else.
	noText = []string{"code", "cd", "id", "class", "url", "uri", "link", "href", "type", "lang", "language", "name", "key", "stack", "trace", "template", "version", "field", "path", "pointer"}
)

// nameOf returns the key of a value without escapes.
func nameOf(v jsontree.Value) []byte {
	if v.KeyEscaped() {
		return []byte(v.Key())
	}
	return v.RawKey()
}

// maxRoleName is the greatest length of a name that is compared.
const maxRoleName = 40

// plainName returns a name in lower case without separators and without the prefix of a vocabulary,
// nil if it is too long.
func plainName(name []byte, buffer *[maxRoleName]byte) []byte {
	name = name[bytes.LastIndexByte(name, ':')+1:]
	if len(name) > len(buffer) {
		return nil
	}
	plain := buffer[:0]
	for _, c := range name {
		switch {
		case c == '_' || c == '-' || c == ' ' || c == '.' || c == '@':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		plain = append(plain, c)
	}
	return plain
}

// anyCode returns the code of an object that is known to be an error: the value of the member whose
// name sounds most like one. It passes over zeros.
func (o *object) anyCode() string { return anyCode(o.Value, len(codeWords)) }

const (
	// So many of codeWords may end longer names. Others are whole names, or begin with err.
	endingCodeWords = 6
	// So many of codeWords are names of nothing but codes.
	strongCodeWords = 14
)

// anyCode is the method for a value, with the first best of codeWords.
func anyCode(v jsontree.Value, best int) (code string) {
	var buffer [maxRoleName]byte
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		name := plainName(nameOf(m), &buffer)
		for rank, word := range codeWords[:best] {
			if !isNameOfCode(name, word, rank) {
				continue
			}
			if c := onlyScalar(m); isCodeOf(c, word) {
				code, best = c, rank
			}
			break
		}
	}
	return code
}

// isNameOfCode reports whether a name is, or ends with, the word of codeWords at rank.
func isNameOfCode(name []byte, word string, rank int) bool {
	if !bytes.HasSuffix(name, []byte(word)) {
		return false
	}
	return rank < endingCodeWords || len(name) == len(word) || bytes.HasPrefix(name, []byte("err"))
}

// Words of codeWords whose values are not always codes.
var (
	noNumberWords = []string{"name", "label", "class"}                              // a number is none
	thingWords    = []string{"id", "name", "nome", "label", "type", "class", "key"} // a word is one if it names a kind of error
)

// isCodeOf reports whether the value under a name that ends with a word may be a code.
func isCodeOf(c, word string) bool {
	switch {
	case isInteger(c):
		return strings.Trim(c, "-0") != "" && !slices.Contains(noNumberWords, word)
	case !isWord(c), strings.Contains(c, "://"), saysFailing(c):
		return false
	case slices.Contains(thingWords, word):
		return soundsLikeCode(c) || word == "id" && snakeCase.MatchString(c)
	}
	return true
}

// snakeCase matches words that are no random id: date_out_of_bounds.
var snakeCase = regexp.MustCompile(`^[a-z]{3,}(?:_[a-z]{2,})+$`)

// humps are where the words of a name in camel case meet.
var humps = regexp.MustCompile(`([a-z])([A-Z])`)

// soundsLikeCode reports whether a word names a kind of error and not a thing: not_found,
// INVALID_PARAM, NotFound.
func soundsLikeCode(c string) bool {
	if isConstant(c) && strings.Contains(c, "_") {
		return true
	}
	return complains(wordsOf(c))
}

// wordsOf returns a name with spaces between its words.
func wordsOf(name string) string {
	return strings.NewReplacer("_", " ", "-", " ").Replace(humps.ReplaceAllString(name, "$1 $2"))
}

// wordOfCode is anyCode for an object that is not named for an error: only a word that names a kind
// of error is one, or what is named the code of an error.
func (o *object) wordOfCode() string {
	code := o.anyCode()
	switch {
	case code == "":
		return ""
	case !isInteger(code) && soundsLikeCode(code):
		return code
	}
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		name := bytes.ToLower(nameOf(m))
		isNamed := bytes.Contains(name, []byte("err")) && bytes.HasSuffix(name, []byte("code"))
		if isNamed && scalarOf(m) == code {
			return code
		}
	}
	return ""
}

// wordOfStatus returns the status of an error in words if it names a kind of error.
func wordOfStatus(v jsontree.Value) string {
	if status := scalarOf(v.Get("status")); isWord(status) && soundsLikeCode(status) {
		return status
	}
	return ""
}

// compoundState returns a state in words if it names a kind of error: SchemaIsNonCompliantError. A
// single word only says that something failed.
func compoundState(state string) string {
	words := wordsOf(state)
	isCompound := strings.Contains(words, " ") && isWord(state)
	if !isCompound || handled.MatchString(state) || !complains(words) {
		return ""
	}
	return state
}

// maxSmall is how many members an object has that is hardly more than an error.
const maxSmall = 4

// isSmall reports whether an object has hardly more members than an error needs.
func (o *object) isSmall() bool {
	n := 0
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if n++; n > maxSmall {
			return false
		}
	}
	return true
}

// codeBeside returns the code beside a flag or a state that says failure, "" if there is none but
// those of success and of HTTP.
func (o *object) codeBeside() string {
	for _, k := range besideKeys {
		c := o.scalar(k)
		isStatus := k == keyStatusCode || k == keyStatus
		switch {
		case len(c) > maxCode, saysSuccess(jsontree.String, c, common|ofError):
		case !isStatus, isServicesOwn(c):
			return c
		}
	}
	return ""
}

// besideKeys are keys of codes beside a flag.
var besideKeys = slices.Concat(ownCodeKeys, []key{keyStatusCode, keyStatus, keySubCode})

// isServicesOwn reports whether a status is a number of the service's own: no truth value, and not
// as long as those of HTTP.
func isServicesOwn(status string) bool {
	n := strings.TrimPrefix(status, "-")
	return isDigits(n) && n != "1" && len(n) != len("404")
}

// reasonBeside returns the reason beside a state that says failure, if it is a word and another
// member says more.
func (o *object) reasonBeside() string {
	reason := o.scalar(keyReason)
	isCode := isWord(reason) || isDigits(reason)
	if !isCode || !o.keys.hasAny(keys(keyMessage, keyMessageUpper, keyErrorMsg, keyErrorDescription)) {
		return ""
	}
	return reason
}

// textNamedLike returns the text whose name begins like that of a code: ResultDesc beside
// ResultCode.
func (o *object) textNamedLike(code jsontree.Value) string {
	var a [maxRoleName]byte
	stem := plainName(nameOf(code), &a)
	for _, word := range [...]string{"code", "cd", "no"} {
		stem = bytes.TrimSuffix(stem, []byte(word))
	}
	if len(stem) < len("ret") {
		return ""
	}
	if text := o.textAfter(stem, true); text != "" {
		return text
	}
	if vendor := bytes.IndexByte(nameOf(code), '_'); 0 < vendor && vendor <= maxVendor {
		return o.textAfter(stem[:min(vendor, len(stem))], false)
	}
	return ""
}

// textAfter returns the text whose name is a beginning and one of textWords, or, if sentences
// count, a sentence under another name with this beginning.
func (o *object) textAfter(stem []byte, sentences bool) string {
	var b [maxRoleName]byte
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		rest, like := bytes.CutPrefix(plainName(nameOf(m), &b), stem)
		if !like || len(rest) == 0 || m.Kind() != jsontree.String {
			continue
		}
		text := scalarOf(m)
		if slices.Contains(textWords, string(rest)) || sentences && strings.Contains(text, " ") {
			return text
		}
	}
	return ""
}

// numberedMessage matches the ids of IBM's messages: MQWB0009E, CPF9898.
var numberedMessage = regexp.MustCompile(`^[A-Z]{3,8}\d{4,5}[A-Z]?$`)

// codeOfMessage returns the code that is named for the message: {"msg_cd":"EGW1","msg":"…"}.
func (o *object) codeOfMessage() string {
	var buffer [maxRoleName]byte
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		switch string(plainName(nameOf(m), &buffer)) {
		case "msgcd", "msgcode", "messagecd", "messagecode":
			if c := scalarOf(m); isWord(c) && saysErrorCode(c) {
				return c
			}
		case "msgid", "messageid":
			if c := scalarOf(m); numberedMessage.MatchString(c) {
				return c
			}
		}
	}
	return ""
}

// textBelow returns what the objects below say in words, "" if one of them is named for an error.
func (o *object) textBelow() string {
	if o.holdsError() {
		return ""
	}
	_, text := below(o.Value)
	return text
}

// holdsErrorObject is holdsError for an error that is an object with a code or a message.
func (o *object) holdsErrorObject() bool {
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() != jsontree.Object || !o.holdsFailures(m) {
			continue
		}
		if anyText(m) != "" || anyCode(m, len(codeWords)) != "" {
			return true
		}
	}
	return false
}

// holdsError reports whether a member of an object is the error itself, with members of its own.
func (o *object) holdsError() bool {
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.First().Kind() != jsontree.Missing && o.holdsFailures(m) {
			return true
		}
	}
	return false
}

// onlyScalar is scalarOf that also looks into a list of one.
func onlyScalar(v jsontree.Value) string {
	if v.Kind() == jsontree.Array {
		return scalarOf(onlyMember(v))
	}
	return scalarOf(v)
}

// anyText returns the message of an object that is known to be an error: the text of the member
// whose name sounds most like one.
func (o *object) anyText() string { return anyText(o.Value) }

func anyText(v jsontree.Value) (text string) {
	var buffer [maxRoleName]byte
	best := len(textWords)
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		if m.Kind() != jsontree.String && !isContainer(m) {
			continue
		}
		name := plainName(nameOf(m), &buffer)
		rank := slices.IndexFunc(textWords[:best], func(word string) bool { return bytes.Contains(name, []byte(word)) })
		if rank < 0 || endsWithAny(name, noText) {
			continue
		}
		t, _ := textOf(m)
		if t == "" && textWords[rank] == "message" {
			t = fieldTexts(m, true)
		}
		if isJSON := strings.HasPrefix(t, "{") || strings.HasPrefix(t, "["); t != "" && !isJSON {
			text, best = t, rank
		}
	}
	return text
}

// anySentence is anyText for an object that has failed for certain: its only sentence says why,
// whatever its name.
func (o *object) anySentence() string { return cmp.Or(o.anyText(), onlySentence(o.Value)) }

// onlySentence returns the text of an object that is a sentence, "" if there is none or more than
// one. A time is none.
func onlySentence(v jsontree.Value) (text string) {
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		hasWords := m.Kind() == jsontree.String && bytes.IndexByte(m.Raw(), ' ') > 0
		if !hasWords || !m.Complete() {
			continue
		}
		said := strings.TrimSpace(m.Text())
		if first, _ := utf8.DecodeRuneInString(said); !unicode.IsLetter(first) {
			continue
		}
		if text != "" {
			return ""
		}
		text = said
	}
	return text
}

func endsWithAny(name []byte, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return bytes.HasSuffix(name, []byte(word)) })
}

// maxBelow is how many objects below a failure are searched for its text.
const maxBelow = 30

// below returns the first object below v that says in words what failed, with its text. A word with
// digits, which may be an id, counts only if no object says more. It is Missing if there is none.
func below(v jsontree.Value) (where jsontree.Value, text string) {
	n := 0
	for w := v.First(); w.Kind() != jsontree.Missing && v.Encloses(w) && n < maxBelow; w = w.Following() {
		if w.Kind() != jsontree.Object {
			continue
		}
		n++
		said := anyText(w)
		isID := saysErrorCode(said) && (isWord(said) || isDigits(said))
		switch {
		case said == "":
		case !isID:
			return w, said
		case text == "":
			where, text = w, said
		}
	}
	return where, text
}
