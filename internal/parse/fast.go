package parse

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

// Most bodies hold no envelope, and the keys of most of those prove it, before anything is decoded:
// under a status below 400, every dialect needs one of a few keys. If the body has none of them,
// only its state remains to be found. FuzzFast checks that the parser agrees on the long way.

// fast returns the state of a body that cannot hold an envelope. It is ok only if that is proved.
func (p *Parser) fast(a *accesslog.Access) (state accesslog.BodyState, ok bool) {
	if a.Status >= 400 || a.ContentEncoding != "" || len(p.custom) > 0 || len(a.Body) == 0 || a.Body[0] != '{' && a.Body[0] != '[' ||
		strings.Contains(a.ContentType, "charset") && !strings.Contains(a.ContentType, "utf-8") || !utf8.Valid(a.Body) {
		return "", false
	}
	inBody := suspect
	if a.Escaped {
		inBody = suspectInString
	}
	how, ok := jsontree.Check(a.Body, a.Escaped, inBody)
	if how == jsontree.Cut {
		return accesslog.Truncated, ok
	}
	return accesslog.JSON, ok
}

// telltalesOf are the telltales by the letter at which they are looked for, in either case. rare
// has those letters.
var telltalesOf, rare = func() (all [256][]telltale, rare [256]bool) {
	for _, t := range telltales {
		c := t.word[t.at]
		all[c], rare[c] = append(all[c], t), true
		if upper := c - 'a' + 'A'; 'a' <= c && c <= 'z' {
			all[upper], rare[upper] = append(all[upper], t), true
		}
	}
	return all, rare
}()

// suspect reports whether a key, given how its value begins, may be part of an envelope or name
// one.
func suspect(key, value []byte) bool { return suspectBefore(key, value, `"`) }

// suspectInString is suspect for a body that still has the escapes of the string that held it.
func suspectInString(key, value []byte) bool { return suspectBefore(key, value, `\"`) }

// suspectBefore is suspect for texts that begin and end with quote.
func suspectBefore(key, value []byte, quote string) bool {
	if len(value) > len(quote) && value[0] == quote[0] {
		if c := value[len(quote)]; (c == '{' || c == '[' || c == ' ' || c == '\\') && isInnerKey(key) {
			return true // JSON in a text
		}
	}
	for i, c := range key {
		if rare[c] && hasTelltale(key, i, value, quote) {
			return true
		}
	}
	switch string(key) { // keys of envelopes without a telltale
	case "ret":
		return saysNoSuccess(value, quote)
	case "ok":
		return saysFalse(value, quote)
	case "detail":
		return isList(value, quote)
	case "state":
		return saysFailure(value, quote)
	case "messageId":
		return true
	case "kind":
		return mayBegin(value, quote, "Status")
	case "__type":
		return true
	}
	return false
}

// hasTelltale reports whether a key has a telltale with its rare letter at i.
func hasTelltale(key []byte, i int, value []byte, quote string) bool {
	all := telltalesOf[key[i]]
	for j := range all {
		if t := &all[j]; t.standsIn(key, i-t.at) && (t.value == nil || t.value(value, quote)) {
			return true
		}
	}
	return false
}

// standsIn reports whether a key has the telltale at from. Its rare letter is known to be there.
func (t *telltale) standsIn(key []byte, from int) bool {
	if from < 0 || len(key)-from < len(t.word) || from > 0 && t.notAfter != 0 && key[from-1]|0x20 == t.notAfter {
		return false
	}
	for i := range len(t.word) {
		if key[from+i]|0x20 != t.word[i] && i != t.at {
			return false
		}
	}
	return true
}

// follows reports whether a text has a word at i, in any case. The word is in lower case.
func follows(text []byte, i int, word string) bool {
	return len(text)-i >= len(word) && strings.EqualFold(string(text[i:i+len(word)]), word)
}

// textAt returns how a value begins, without the quote before it and spaces. It is plain unless an
// escape comes first, or something else that may be trimmed.
func textAt(value []byte, quote string) (text []byte, quoted, plain bool) {
	text, quoted = bytes.CutPrefix(value, []byte(quote))
	text = bytes.TrimLeft(text, " ")
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
	switch {
	case !plain || '4' <= text[0] && text[0] <= '9' || follows(text, 0, "err") || follows(text, 0, "fail"):
		return true
	case quoted || text[0] < '1' || text[0] > '3' && text[0] != '-':
		return text[0] == '-'
	}
	n := 1
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	number := string(text[:n])
	return number != "1" && number != "200"
}

// saysSevere reports whether a value may be the severity of an error.
func saysSevere(value []byte, quote string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || text[0] == 'e' || text[0] == 'f'
}

func saysFalse(value []byte, _ string) bool { return bytes.HasPrefix(value, []byte("f")) }

func isList(value []byte, _ string) bool { return bytes.HasPrefix(value, []byte("[")) }

// mayBegin reports whether a value, or the text in it, may begin with a word.
func mayBegin(value []byte, quote, word string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || bytes.HasPrefix(text, []byte(word))
}
