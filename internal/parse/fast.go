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
	how, ok := jsontree.Check(a.Body, a.Escaped, suspect)
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
func suspect(key, value []byte) bool {
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
				if follows(key, i, "de") && !saysSuccessAt(value) {
					return true
				}
			}
		case 't':
			if follows(key, i, "tatus") && saysFailureAt(value) {
				return true
			}
		case 'u':
			if follows(key, i, "ucce") && startsWith(value, "f") {
				return true
			}
		}
	}
	switch string(key) {
	case "ret":
		return !saysSuccessAt(value)
	case "ok":
		return startsWith(value, "f")
	case "detail":
		return startsWith(value, "[")
	case "kind":
		return startsWith(value, "Status")
	case "__type":
		return true
	}
	return false
}

// follows tells whether a word, in lower case, stands at i in any case.
func follows(text []byte, i int, word string) bool {
	return len(text)-i >= len(word) && strings.EqualFold(string(text[i:i+len(word)]), word)
}

// startsWith tells whether a value, or the text in it, begins with a word.
func startsWith(value []byte, word string) bool {
	return bytes.HasPrefix(unquoted(value), []byte(word))
}

func unquoted(value []byte) []byte { return bytes.TrimLeft(value, "\\\" ") }

// saysSuccessAt tells whether a value is a code that says success.
func saysSuccessAt(value []byte) bool {
	value = unquoted(value)
	for _, s := range [...]string{"0", "200", "null"} {
		if rest, ok := bytes.CutPrefix(value, []byte(s)); ok && len(rest) > 0 && strings.IndexByte(",}\"\\", rest[0]) >= 0 {
			return true
		}
	}
	return false
}

// saysFailureAt tells whether a value is a status that says failure.
func saysFailureAt(value []byte) bool {
	value = unquoted(value)
	return len(value) > 0 && '4' <= value[0] && value[0] <= '9' || follows(value, 0, "err") || follows(value, 0, "fail")
}
