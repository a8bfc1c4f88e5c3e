package parse

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

// Most bodies hold no envelope, and the keys of most of those prove it, before anything is decoded:
// under a status below 400, every dialect needs one of a few keys. If the body has none of them,
// only its state remains to be found. FuzzFast checks that the parser agrees on the long way.

// telltale is a word in the keys of envelopes, or in keys that name envelopes. A body below status
// 400 without telltales holds no envelope.
type telltale struct {
	word     string                                // in lower case, found in any case; "" stands for the keys of innerKeys
	whole    bool                                  // the word is the whole key, in this case
	last     bool                                  // the word ends the key
	notAfter byte                                  // the word does not count after this letter
	value    func(value []byte, quote string) bool // whether the value is that of an envelope; nil: always
}

// telltales are looked for in every key. A dialect whose envelopes have none of them needs one of
// its own here: else TestFastPathAgreesOnTheCorpus fails.
var telltales = [...]telltale{
	{word: "err"},
	{word: "fail"},
	{word: "fault", notAfter: 'e'}, // not default
	{word: "xcept"},
	{word: "ject"}, // rejected
	{word: "blem"}, // problem
	{word: "code", value: saysNoSuccess},
	{word: "cd", last: true, value: saysNoSuccess},
	{word: "tatus", value: saysFailingState},
	{word: "result", value: saysFailingState},
	{word: "outcome", value: saysFailingState},
	{word: "ack", whole: true, value: saysFailingState},
	{word: "Ack", whole: true, value: saysFailingState},
	{word: "ACK", whole: true, value: saysFailingState},
	{word: "ucce", value: saysFalse}, // success
	{word: "verity", value: saysSevere},
	{word: "digo", value: saysNoSuccess}, // código
	{word: "codice", value: saysNoSuccess},
	{word: "codr", value: saysNoSuccess}, // codRetorno
	{word: "codest", value: saysNoSuccess},
	{word: "kod", value: saysNoSuccess},
	{word: "fehler"},
	{word: "hata"},
	{word: "错误"},
	{word: "xito", value: saysFalse},  // éxito
	{word: "ucess", value: saysFalse}, // sucesso
	{word: "category", value: saysFailure},
	{word: "type", value: saysBad},
	{word: "type", whole: true, value: saysFailure},
	{word: "level", whole: true, value: saysSevere},
	{word: `\`}, // an escape: the key may be any of these
	{value: isText},
	{word: "ret", whole: true, value: saysNoSuccess},
	{word: "ok", last: true, value: saysFalse},
	{word: "cstat", last: true, value: saysNoSuccess},
	{word: "estado", last: true, value: saysFailingState},
	{word: "tipo", last: true, value: saysBad},
	{word: "detail", whole: true, value: isList},
	{word: "state", whole: true, value: saysFailure},
	{word: "state", whole: true, value: saysBad},
	{word: "messageId", whole: true},
	{word: "kind", whole: true, value: saysStatus},
	{word: "__type", whole: true},
	{word: bapiVariable, whole: true},
	{word: "groupName", whole: true, value: saysFailingState},
}

var _ [64 - len(telltales)]struct{} // asksOf returns a bit for each

// fast returns the state of a body that cannot hold an envelope. It is ok only if that is proved.
func (p *Parser) fast(a *accesslog.Access) (state accesslog.BodyState, ok bool) {
	if a.Status >= 400 || a.ContentEncoding != "" || len(p.custom) > 0 || len(a.Body) == 0 || a.Body[0] != '{' && a.Body[0] != '[' ||
		!p.isUTF8(a.ContentType) || !isASCII(a.Body) && !utf8.Valid(a.Body) {
		return "", false
	}
	if a.Proved {
		return accesslog.JSON, true
	}
	how, ok := p.checker.Check(a.Body, a.Escaped)
	if how == jsontree.Cut {
		return accesslog.Truncated, ok
	}
	return accesslog.JSON, ok
}

// isUTF8 reports whether a content type leaves the body in UTF-8. It remembers the last answer, as
// most bodies have the same type.
func (p *Parser) isUTF8(contentType string) bool {
	if contentType != p.askedType || contentType == "" {
		p.askedType = contentType
		p.typeIsUTF8 = !strings.Contains(contentType, "charset") || strings.Contains(contentType, "utf-8")
	}
	return p.typeIsUTF8
}

// isASCII reports whether a text has only ASCII. It costs less than utf8.Valid.
func isASCII(text []byte) bool {
	const word, high = 8, 0x8080808080808080
	for ; len(text) >= 4*word; text = text[4*word:] {
		if (binary.LittleEndian.Uint64(text)|binary.LittleEndian.Uint64(text[word:])|
			binary.LittleEndian.Uint64(text[2*word:])|binary.LittleEndian.Uint64(text[3*word:]))&high != 0 {
			return false
		}
	}
	for ; len(text) >= word; text = text[word:] {
		if binary.LittleEndian.Uint64(text)&high != 0 {
			return false
		}
	}
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Checker returns what proves that a body holds no envelope, nil if nothing can prove it.
func (p *Parser) Checker() *jsontree.Checker {
	if len(p.custom) > 0 {
		return nil
	}
	return &p.checker
}

// suspects says which members of objects may be part of an envelope or name one. It follows from
// the table of telltales.
var suspects = jsontree.Suspects{Asks: asksOf, Holds: holds}

// asksOf returns a bit for each telltale that a key has.
func asksOf(key []byte) (asks uint64) {
	letters := lettersOf(key)
	for i := range telltales {
		if telltaleLetters[i]&^letters == 0 && telltales[i].isIn(key) {
			asks |= 1 << i
		}
	}
	return asks
}

// telltaleLetters are the letters of the telltales: a key without one of them has not the telltale.
var telltaleLetters = func() (letters [len(telltales)]uint32) {
	for i, t := range telltales {
		letters[i] = lettersOf([]byte(t.word))
	}
	return letters
}()

// lettersOf returns a bit for each letter of a text, in any case. Other bytes share these bits.
func lettersOf(text []byte) (letters uint32) {
	for _, c := range text {
		letters |= 1 << (c & 31)
	}
	return letters
}

// holds reports whether a value is as one of the telltales says.
func holds(asks uint64, value []byte, quote string) bool {
	for ; asks != 0; asks &= asks - 1 {
		if t := &telltales[bits.TrailingZeros64(asks)]; t.value == nil || t.value(value, quote) {
			return true
		}
	}
	return false
}

// isIn reports whether a key has the telltale.
func (t *telltale) isIn(key []byte) bool {
	switch {
	case t.word == "":
		return isInnerKey(key)
	case t.whole:
		return string(key) == t.word
	case t.last:
		i := len(key) - len(t.word)
		return i >= 0 && follows(key, i, t.word)
	}
	for i := range len(key) - len(t.word) + 1 {
		if follows(key, i, t.word) && (i == 0 || t.notAfter == 0 || key[i-1]|0x20 != t.notAfter) {
			return true
		}
	}
	return false
}

// follows reports whether a text has a word at i, in any case. The word is in lower case.
func follows[T []byte | string](text T, i int, word string) bool {
	if len(text)-i < len(word) {
		return false
	}
	for n := range len(word) {
		c := text[i+n]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[n] {
			return false
		}
	}
	return true
}

// textAt returns how a value begins, without the quote before it and spaces. It is plain unless an
// escape comes first, or something else that may be trimmed.
func textAt(value []byte, quote string) (text []byte, quoted, plain bool) {
	text = value
	if len(text) >= len(quote) && text[0] == quote[0] { // or it is no JSON
		text, quoted = text[len(quote):], true
	}
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	return text, quoted, len(text) > 0 && ' ' < text[0] && text[0] < utf8.RuneSelf && text[0] != '\\'
}

// saysNoSuccess reports whether a value is anything but a code that says success.
func saysNoSuccess(value []byte, quote string) bool {
	text, quoted, plain := textAt(value, quote)
	if !plain {
		return true
	}
	for _, s := range [...]string{"0", "200", "null"} {
		rest, ok := bytes.CutPrefix(text, []byte(s))
		if ok && quoted && s != "null" && bytes.HasPrefix(rest, []byte(quote)) || ok && !quoted && len(rest) > 0 && (rest[0] == ',' || rest[0] == '}') {
			return false
		}
	}
	return true
}

// saysFailure reports whether a value may be a status that says failure. A status that is a number
// may be any but 0, 1 and 200.
func saysFailure(value []byte, quote string) bool {
	text, quoted, plain := textAt(value, quote)
	if !plain {
		return true
	}
	switch c := text[0] | 0x20; {
	case c == 'e':
		return follows(text, 0, "err")
	case c == 'f':
		return follows(text, 0, "fail") || follows(text, 0, "false")
	case '4' <= c && c <= '9' || c == '-':
		return true
	case c == '0' && !quoted && len(text) > 1 && '0' <= text[1] && text[1] <= '9': // no JSON, but read
		return true
	case quoted || c < '1' || c > '3':
		return false
	}
	n := 1
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	number := string(text[:n])
	return number != "1" && number != "200"
}

// saysFailingState is saysFailure for states: it knows more words, numbers in quotes, and codes,
// which hold a digit or an underscore.
func saysFailingState(value []byte, quote string) bool {
	text, quoted, plain := textAt(value, quote)
	switch {
	case !plain:
		return true
	case !quoted:
		return saysFailure(value, quote)
	}
	number, code, n := true, false, 0
	for ; n < len(text) && n < maxCode; n++ {
		c := text[n]
		if c == quote[0] && bytes.HasPrefix(text[n:], []byte(quote)) {
			break
		}
		switch {
		case '0' <= c && c <= '9' || c == '_':
			code = true
		case c == ' ':
		case c == '\\' || c >= utf8.RuneSelf || c < ' ':
			return true
		default:
			number = false
		}
	}
	switch c := text[0] | 0x20; {
	case '4' <= c && c <= '9' || c == '-':
		return true
	case '0' <= c && c <= '3':
		return !number || string(text[:n]) != "0" && string(text[:n]) != "1" && string(text[:n]) != "200"
	}
	return code || beginsFailure(text, n)
}

// beginsFailure reports whether a text of n bytes begins with a state of what failed or was
// refused.
func beginsFailure(text []byte, n int) bool {
	switch text[0] | 0x20 {
	case 'e':
		return follows(text, 0, "err")
	case 'f':
		return follows(text, 0, "fa")
	case 'n', 'k':
		return n <= len("notok ") || beginsRefusal(text)
	case 'r', 'd', 'i', 'm':
		return beginsRefusal(text)
	}
	return false
}

// beginsRefusal reports whether a text begins with a state of what was refused.
func beginsRefusal(text []byte) bool {
	for _, states := range [...][]string{refusedStates, unfitStates} {
		for _, state := range states {
			if follows(text, 0, state) {
				return true
			}
		}
	}
	return false
}

// saysBad reports whether a value may be a type that says that something failed.
func saysBad(value []byte, quote string) bool {
	text, _, plain := textAt(value, quote)
	switch {
	case !plain:
		return true
	case text[0]|0x20 == 'e':
		return follows(text, 0, "err")
	case text[0]|0x20 == 'f':
		return follows(text, 0, "fa")
	case text[0]|0x20 != 'n' && text[0]|0x20 != 'k':
		return false
	}
	end := bytes.Index(text[:min(len(text), len("notok ")+len(quote))], []byte(quote))
	return end >= 0 || len(text) < len("notok ")+len(quote) || bytes.IndexByte(text[:len("notok ")], '\\') >= 0 || bytes.IndexByte(text[:len("notok ")], ' ') >= 0
}

// saysSevere reports whether a value may be the severity of an error.
func saysSevere(value []byte, quote string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || text[0]|0x20 == 'e' || text[0]|0x20 == 'f'
}

func saysFalse(value []byte, quote string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || text[0]|0x20 == 'f'
}

func isList(value []byte, _ string) bool { return bytes.HasPrefix(value, []byte("[")) }

// saysStatus reports whether a value may be the kind of a Status of Kubernetes.
func saysStatus(value []byte, quote string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || bytes.HasPrefix(text, []byte("Status"))
}

// isText reports whether a value may be a text that holds JSON.
func isText(value []byte, quote string) bool {
	text, ok := bytes.CutPrefix(value, []byte(quote))
	return ok && len(text) > 0 && (text[0] == '{' || text[0] == '[' || text[0] == ' ' || text[0] == '\\')
}
