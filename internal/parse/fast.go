package parse

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

// Most bodies hold no envelope, and most of those can be told by their keys alone, before anything is decoded: under a status below 400
// every dialect needs a key out of a few. Where none of them stands in the body, only its state is left to find.
// FuzzFast holds that the parser, asked the long way, agrees.

// fast tells the state of a body that cannot hold an envelope. It is ok only where that is proved.
func (p *Parser) fast(a *accesslog.Access) (state accesslog.BodyState, ok bool) {
	if a.Status >= 400 || a.ContentEncoding != "" || len(p.dialects) != len(dialects) || len(a.Body) == 0 || a.Body[0] != '{' && a.Body[0] != '[' ||
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

// suspect tells whether a key, with what its value begins with, may be part of an envelope, or name one:
//
//	…err…, …fail…, …fault…, …except…, …reject…, …problem…  errors and lists of failures
//	…code, ret        with a value that does not say success
//	…status…          with a number from 400 up, or a word for failure
//	…ucce…, ok        as false
//	detail, kind      with a list, with Status
//	__type            and any key with an escape in it
func suspect(key, value []byte) bool { return suspectBefore(key, value, `"`) }

// suspectInString is suspect for a body that still has the escapes of the string it stood in.
func suspectInString(key, value []byte) bool { return suspectBefore(key, value, `\"`) }

// suspectBefore is suspect where quote is what ends a text.
func suspectBefore(key, value []byte, quote string) bool {
	for i, c := range key {
		switch c {
		case '\\':
			return true
		case 'r', 'R':
			if i > 0 && key[i-1]|0x20 == 'e' && follows(key, i, "rr") {
				return true
			}
		case 'f', 'F':
			if follows(key, i, "fail") || follows(key, i, "fault") && (i == 0 || key[i-1]|0x20 != 'e') {
				return true
			}
		case 'x', 'X':
			if follows(key, i, "xcept") {
				return true
			}
		case 'j', 'J':
			if follows(key, i, "ject") {
				return true
			}
		case 'b', 'B':
			if follows(key, i, "blem") {
				return true
			}
		case 'd':
			if i >= 2 && string(key[i-2:i]) == "co" || i >= 2 && string(key[i-2:i]) == "Co" {
				if follows(key, i, "de") && !saysSuccessAt(value, quote) {
					return true
				}
			}
		case 't':
			if follows(key, i, "tatus") && saysFailureAt(value, quote) {
				return true
			}
		case 'u':
			if follows(key, i, "ucce") && bytes.HasPrefix(value, []byte("f")) {
				return true
			}
		}
	}
	switch string(key) {
	case "ret":
		return !saysSuccessAt(value, quote)
	case "ok":
		return bytes.HasPrefix(value, []byte("f"))
	case "detail":
		return bytes.HasPrefix(value, []byte("["))
	case "kind":
		return mayStartAt(value, quote, "Status")
	case "__type":
		return true
	}
	return false
}

// follows tells whether a word, in lower case, stands at i in any case.
func follows(text []byte, i int, word string) bool {
	return len(text)-i >= len(word) && strings.EqualFold(string(text[i:i+len(word)]), word)
}

// textAt is what a value begins with, the quote before it and spaces passed over. It is plain unless an escape, or something else that may
// be trimmed, comes first.
func textAt(value []byte, quote string) (text []byte, quoted, plain bool) {
	text, quoted = bytes.CutPrefix(value, []byte(quote))
	text = bytes.TrimLeft(text, " ")
	return text, quoted, len(text) > 0 && ' ' < text[0] && text[0] < utf8.RuneSelf && text[0] != '\\'
}

// saysSuccessAt tells whether a value is a code that says success, up to its end.
func saysSuccessAt(value []byte, quote string) bool {
	text, quoted, plain := textAt(value, quote)
	if !plain {
		return false
	}
	for _, s := range [...]string{"0", "200", "null"} {
		rest, ok := bytes.CutPrefix(text, []byte(s))
		if ok && quoted && s != "null" && bytes.HasPrefix(rest, []byte(quote)) || ok && !quoted && len(rest) > 0 && (rest[0] == ',' || rest[0] == '}') {
			return true
		}
	}
	return false
}

// mayStartAt tells whether a value, or the text in it, may begin with a word.
func mayStartAt(value []byte, quote, word string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || bytes.HasPrefix(text, []byte(word))
}

// saysFailureAt tells whether a value may be a status that says failure.
func saysFailureAt(value []byte, quote string) bool {
	text, _, plain := textAt(value, quote)
	return !plain || '4' <= text[0] && text[0] <= '9' || follows(text, 0, "err") || follows(text, 0, "fail")
}
