package vendorpage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	regexp "errata/internal/lazyregexp"
)

var (
	bullet      = regexp.MustCompile(`(?s)^(#{1,6}\s+|[-*+•·]\s+|:\s+)?(.*)$`)
	separator   = regexp.MustCompile(`^\s*(?:(?:::|[:\x{ff1a}])\s*|[-–—]+\s+|=\s+|\t+|\s{2,})`)
	valueBehind = regexp.MustCompile(`^\((?:0[xX][0-9A-Fa-f]+|-?\d+)\)\s*(?:[:\x{ff1a}]|$)`)
	equate      = regexp.MustCompile(`^\.?(?i:equ)\s+\S`) // NAME EQU 1
	negative    = regexp.MustCompile(`^-\d{3,}\s+[A-Z]`)
	aboutCode   = regexp.MustCompile(`^(?i:error code|error|code|exception|错误码|错误代码|fehlercode|fehler|code erreur|erreur|エラーコード|오류 코드|오류|codice(?: errore)?|código(?: de (?:error|erro))?|kod(?: błędu)?|код(?: ошибки)?|hata kodu)\s*[:\x{ff1a} #]\s*`)
	ordinal     = regexp.MustCompile("^\\d{1,3}[.)]\\s+([*`].*)$")
	codeAlone   = regexp.MustCompile(`^(?i:error code|error|code)\s+(-?\d+)(?:\s+(?i:(returned|error)))?\s*[#¶]?$`)
)

// start is how a line starts a record.
type start struct {
	mark string // heading level, bullet, bold, code, "" for a plain line; and the separator
	code string
	text string // after the code
}

// start is startOf, with the result remembered because it is needed many times for each line.
func (l *line) start() maybeStart {
	if l.begins == nil {
		s, ok := startOf(l.text)
		l.begins = &maybeStart{s, ok, ok && codeStrength(codePart(s.code)) == number}
	}
	return *l.begins
}

// maybeStart is the result of startOf.
type maybeStart struct {
	start
	ok     bool
	number bool // the code is a number
}

// opening is how a line begins: its mark, and the rest.
type opening struct {
	mark  string
	rest  string
	named bool // it announces a code: "Error code: …"
}

// openingOf separates the mark at the start of a line.
func openingOf(l string) opening {
	text := strings.TrimSpace(l)
	if m := ordinal.FindStringSubmatch(text); m != nil {
		text = "- " + m[1]
	}
	m := bullet.FindStringSubmatch(text)
	o := opening{mark: strings.TrimSpace(m[1]), rest: strings.ReplaceAll(m[2], `\_`, "_")}
	if strings.HasPrefix(o.mark, "#") {
		o.rest = strings.TrimRight(o.rest, " #") // ## E1001 ##
	}
	if indent := len(l) - len(strings.TrimLeft(l, " \t")); indent > 3 && o.mark != "" && o.mark[0] != '#' {
		o.mark += ">"
	}
	bare := strings.TrimLeft(o.rest, "*`")
	if p := aboutCode.FindString(bare); p != "" && (o.mark != "" || strings.ContainsAny(p, colons)) {
		o.rest = strings.TrimLeft(bare[len(p):], " *`:")
		o.named = true
		o.mark += "=" + strings.ToLower(p)
	}
	return o
}

// startOf reports whether a line can start a record: with a code in bold or set as code, with a
// status and its phrase, or with a plain code, which has to be separated from what follows it.
func startOf(l string) (s start, ok bool) {
	if len(l) > 400 {
		return s, false
	}
	if m := codeAlone.FindStringSubmatch(strings.TrimLeft(strings.TrimSpace(l), "# ")); m != nil {
		mark := "=code"
		if m[2] != "" {
			mark = "=error"
		}
		return start{mark: mark, code: m[1]}, true
	}
	o := openingOf(l)
	if inner, behind, mark, ok := unwrap(o.rest); ok {
		return wrappedStart(o.mark+mark, inner, behind)
	}
	if s, ok := statusStart(o); ok {
		return s, true
	}
	return plainStart(o)
}

// unwrap returns the text in bold or set as code at the start of a line, and what follows it.
func unwrap(s string) (inner, behind, mark string, ok bool) {
	for _, w := range []struct{ opening, closing string }{{"**`", "`**"}, {"``", "``"}, {"`", "`"}, {"**", "**"}} {
		if within, found := strings.CutPrefix(s, w.opening); found {
			inner, behind, found = strings.Cut(within, w.closing)
			return inner, behind, w.opening, found && inner != ""
		}
	}
	return "", "", "", false
}

// wrappedStart judges a line that begins with a code in bold or set as code. A line that continues
// like a sentence ("`Linger` is now called `ProducerLinger`") starts no record, and neither does
// the description of a parameter ("`code` (string): …").
func wrappedStart(mark, inner, behind string) (s start, ok bool) {
	inner, behind = strings.Trim(inner, ":*` "), strings.TrimSpace(behind)
	if p := aboutCode.FindString(inner); p != "" && codeStrength(firstToken(inner[len(p):])) >= number {
		inner, mark = inner[len(p):], mark+"="+strings.ToLower(p)
	}
	code, _, text := splitCode(inner)
	if st := codeStrength(code); st == noCode || st == word && text != "" {
		return s, false
	}
	if first, _ := utf8.DecodeRuneInString(behind); text == "" && (unicode.IsLower(first) || strings.ContainsRune(",;./", first)) {
		return s, false
	}
	s = start{mark, inner, strings.TrimSpace(strings.TrimLeft(behind, ":-–—=>→⇒ "))}
	if text != "" {
		s.code, s.text = code, strings.TrimSpace(text+" "+s.text)
	}
	if inner, text, ok := strings.Cut(strings.TrimPrefix(behind, "("), ")"); ok && strings.HasPrefix(behind, "(") {
		if codeStrength(s.code) > noCode && isStatus(inner) {
			s.code, s.text = s.code+" ("+inner+")", strings.TrimSpace(strings.TrimLeft(text, ":-–— "))
			return s, true
		}
		if text != "" && strings.Trim(text, ".;,") != "" || codeStrength(s.code) != mnemonic || !prose(inner) {
			return s, false
		}
		s.text = inner // the text is in brackets
	}
	return s, true
}

// statusStart judges a line that begins with an HTTP status: "404 Not Found" alone, or "404: …" as
// a heading or list item.
func statusStart(o opening) (s start, ok bool) {
	if n, phrase, ok := status(o.rest); ok && n > 0 && o.mark == "" && phrase != "" && registered(n) && len(o.rest) < 60 && o.rest[0] < 'A' && o.rest[3] == ' ' && isUpper(o.rest[4:]) {
		return start{"status", o.rest[:3], phrase}, true
	}
	if code, phrase, ok := leadingStatus(o.rest); ok && o.mark != "" {
		return start{o.mark + "status", code, phrase}, true
	}
	return s, false
}

// plainStart judges a line that begins with a plain code. The weaker the code, the more evidence it
// needs: a mark before it, or a colon or a dash after it.
func plainStart(o opening) (s start, ok bool) {
	code := firstToken(o.rest)
	behind := o.rest[len(code):]
	sep := separator.FindString(behind)
	s = start{o.mark, code, strings.TrimSpace(behind[len(sep):])}
	behind = strings.TrimSpace(behind)
	st := codeStrength(code)
	if bracketed(&s, st, sep, behind) {
		return s, true
	}
	switch {
	case st == number && o.mark != ":" && negative.MatchString(o.rest): // -32700 Parse error
		return s, true
	case st == noCode, st == word && o.mark == "", st == number && o.mark == "" && sep == "" && !o.named, o.mark == ":":
		return s, false
	case s.text == "" && sep == "" || behind == ":": // the code alone
		return s, st == mnemonic && gluedHeads(code) == nil || st == number && o.mark != ""
	case sep == "":
		return s, afterSpace(o, s, st)
	case strings.TrimSpace(sep) == "=" && st != number, equate.MatchString(s.text): // a setting and its value
		return s, false
	}
	s.mark += "sep" + oneDash.Replace(strings.TrimSpace(sep))
	switch st {
	case number:
		year := len(code) == 4 && (code[:2] == "19" || code[:2] == "20") && s.mark == "sep-"
		return s, !year && (s.mark != "sep" || o.named)
	case word:
		return s, s.mark[0] != 's' // only with a mark before the separator
	}
	return s, true
}

// afterSpace reports whether a code with nothing but a space behind it may start a record: it is
// called a code, or is a number before a text in a list, or may begin a heading.
func afterSpace(o opening, s start, st strength) bool {
	switch {
	case o.named && st >= number, bulleted(o.mark) && st == number && isUpper(s.text):
		return true
	}
	return strings.HasPrefix(o.mark, "#") && titled(s.code, st)
}

// titled reports whether a code may begin a heading with nothing but a space behind it: it has
// digits, and is no year and no number of a chapter.
func titled(code string, st strength) bool {
	return st == mnemonic && strings.ContainsFunc(code, digit) || st == number && len(code) > 2 && integer.MatchString(code) && !year.MatchString(code)
}

// bracketed reads what is in brackets behind a code, before its text: its status, "X (404): …", or
// its value, "NAME (0x01): …".
func bracketed(s *start, st strength, sep, behind string) bool {
	switch {
	case sep != "" || st == noCode || st < mnemonic && s.mark == "" || s.mark == ":" || !strings.HasPrefix(behind, "("):
		return false
	case isStatus(strings.Trim(behind, "()"+colons+" ")):
		s.code, s.text = s.code+" "+strings.TrimRight(behind, colons+" "), ""
		return true
	case st == mnemonic && valueBehind.MatchString(behind):
		_, text, _ := strings.Cut(behind, ")")
		s.text = strings.TrimSpace(strings.TrimLeft(text, " "+colons))
		s.mark += "value"
		return true
	}
	return false
}

// oneDash makes all dashes one.
var oneDash = strings.NewReplacer("–", "-", "—", "-", "--", "-")

// firstToken returns the text before the first space, bracket or colon. A colon that no space
// follows belongs to the text.
func firstToken(s string) string {
	end := strings.IndexAny(s, " \t(\uff08"+colons)
	if end > 0 && s[end] == ':' && end+1 < len(s) && s[end+1] != ' ' && s[end+1] != '\t' && s[end+1] < 0x80 {
		if next := strings.IndexAny(s[end+1:], " \t"); next >= 0 {
			end += 1 + next
		} else {
			end = -1
		}
	}
	if end < 0 {
		end = len(s)
	}
	return strings.TrimRight(s[:end], colons+",")
}

// leadingStatus reads "404 Not Found" or "404: …" at the start of a heading or list item.
func leadingStatus(s string) (code, phrase string, ok bool) {
	if len(s) < 5 {
		return "", "", false
	}
	n, _, ok := status(s[:3])
	if !ok || n == 0 || !registered(n) || s[3] != ' ' {
		return "", "", false
	}
	return s[:3], strings.TrimSpace(strings.TrimLeft(s[3:], " -–—:")), true
}
