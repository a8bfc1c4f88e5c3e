package vendorpage

import (
	"strings"

	regexp "errata/internal/lazyregexp"
)

// token is a piece of source code.
type token struct {
	kind  tokenKind
	text  string // of a string, what is between its quotation marks
	line  int
	group *codeGroup // of tokenGroup
}

type tokenKind byte

const (
	tokenName    tokenKind = iota // also with dots: HttpStatus.NOT_FOUND
	tokenString                   // a text in quotation marks
	tokenNumber                   // with its sign
	tokenMark                     // an operator or other punctuation
	tokenComment                  // its text
	tokenLine                     // the end of a line
	tokenGroup                    // what is between two brackets
)

// scanner splits source code into tokens.
type scanner struct {
	text string
	at   int
	line int
	last tokenKind // of the token before
}

var (
	scanName   = regexp.MustCompile(`^[\pL_$@\\][\pL\pN_$]*(?:(?:\.|::|\\|->)[\pL_][\pL\pN_]*)*`)
	scanNumber = regexp.MustCompile(`^-?(?:0[xX][0-9A-Fa-f]+|\d[\d_]*(?:\.\d+)?)[uUlLfF]*`)
	scanMark   = regexp.MustCompile(`^(?:=>|->|:=|::|==|!=|<=|>=|&&|\|\||<<|.)`)
	scanShell  = regexp.MustCompile(`^#(?:[ #\t]|$|\n)`)
	scanDefine = regexp.MustCompile(`^#[ \t]*define[ \t]+(\w+)[ \t]+`)
	// commentLine matches what is around the text of a comment's line.
	commentLine = regexp.MustCompile(`^\s*(?://+!?<?|/\*+!?<?|\*+/?|#+)?\s*|\s*\*+/\s*$`)
	commentTag  = regexp.MustCompile(`(?i)</?(?:summary|para|remarks|p|code|c|br)\s*/?>`)
	statusTag   = regexp.MustCompile(`^\s*@(?i:(?:http)?status(?:code)?|http)\s+([1-5]\d\d)(?:\s.*)?$`)
	docTag      = regexp.MustCompile(`^@(?:var|type|const)\s+\S+\s*`)
)

// next returns the next token, or false at the end.
func (s *scanner) next() (t token, ok bool) {
	for s.at < len(s.text) && strings.IndexByte(" \t\r", s.text[s.at]) >= 0 {
		s.at++
	}
	if s.at >= len(s.text) {
		return t, false
	}
	rest := s.text[s.at:]
	t.line = s.line
	size := 0
	switch {
	case rest[0] == '\n':
		t.kind, size = tokenLine, 1
	case strings.HasPrefix(rest, "//"), scanShell.MatchString(rest):
		size = len(firstLine(rest))
		t.kind, t.text = tokenComment, commentText(rest[:size])
	case strings.HasPrefix(rest, "/*"):
		size = len(rest)
		if end := strings.Index(rest, "*/"); end >= 0 {
			size = end + 2
		}
		t.kind, t.text = tokenComment, commentText(rest[:size])
	case strings.HasPrefix(rest, "#["): // an attribute
		t.kind, t.text, size = tokenMark, "#", 1
	case rest[0] == '#':
		if m := scanDefine.FindStringSubmatch(rest); m != nil { // NAME = value
			s.text = s.text[:s.at] + m[1] + " = " + rest[len(m[0]):]
			return s.next()
		}
		t.kind, size = tokenMark, len(firstLine(rest)) // another instruction of the preprocessor
	case strings.IndexByte("\"'`", rest[0]) >= 0:
		t.kind = tokenString
		t.text, size = quoted(rest)
	case scanNumber.MatchString(rest) && (rest[0] != '-' || s.last != tokenName && s.last != tokenNumber && s.last != tokenGroup):
		t.kind, t.text = tokenNumber, scanNumber.FindString(rest)
		size = len(t.text)
		t.text = strings.TrimRight(strings.ReplaceAll(t.text, "_", ""), "uUlL")
	case scanName.MatchString(rest):
		t.kind, t.text = tokenName, scanName.FindString(rest)
		size = len(t.text)
	default:
		t.kind, t.text = tokenMark, scanMark.FindString(rest)
		size = max(1, len(t.text))
	}
	s.line += strings.Count(rest[:size], "\n")
	s.at += size
	s.last = t.kind
	return t, true
}

func firstLine(s string) string {
	l, _, _ := strings.Cut(s, "\n")
	return l
}

// quoted returns the text of the string that s begins with, and its size with the marks.
func quoted(s string) (text string, size int) {
	mark := s[:1]
	if strings.HasPrefix(s, `"""`) || strings.HasPrefix(s, "'''") {
		mark = s[:3]
	}
	for i := len(mark); i < len(s); i++ {
		switch {
		case s[i] == '\\' && mark != "`":
			i++
		case s[i] == '\n' && len(mark) == 1 && mark != "`": // it is no string
			return "", 1
		case strings.HasPrefix(s[i:], mark):
			return unescaped.Replace(s[len(mark):i]), i + len(mark)
		}
	}
	return "", 1
}

var unescaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\n`, "\n", `\t`, " ")

// commentText returns the text of a comment without its marks and tags.
func commentText(s string) string {
	var kept []string
	for _, l := range strings.Split(s, "\n") {
		l = commentTag.ReplaceAllString(commentLine.ReplaceAllString(commentLine.ReplaceAllString(l, ""), ""), "")
		l = statusTag.ReplaceAllString(l, "- Status $1")
		if l = docTag.ReplaceAllString(strings.TrimSpace(l), ""); l == "" || l[0] == '@' || strings.Trim(l, "-=*#/ ") == "" {
			continue
		}
		kept = append(kept, l)
	}
	return joinLines(kept)
}
