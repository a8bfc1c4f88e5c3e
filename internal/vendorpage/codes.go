package vendorpage

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	regexp "errata/internal/lazyregexp"
)

// strength is how much a text looks like an error code.
type strength int

const (
	noCode   strength = iota // several words, a sentence, another alphabet
	word                     // one word that may be prose: "timeout", "Unauthorized"
	number                   // 4000, -1: a code if it is in the right place
	mnemonic                 // OSM.0001, AccessDenied, card_declined, ORA-00001: hardly anything but a code
)

var (
	integer    = regexp.MustCompile(`^[-+]?\d{1,12}$`)
	dotted     = regexp.MustCompile(`^[1-9]\d\d\.\d{2,}(?:\.\d{2,})*$`) // 404.001.03, but no version
	thousands  = regexp.MustCompile(`^\d{1,3}(?: \d{3})+$`)             // 20 001
	hex        = regexp.MustCompile(`^0[xX][0-9A-Fa-f]{1,16}$`)
	notCode    = regexp.MustCompile(`(?i)://|^www\.|\.(html?|com|org|net|io|json|xml|yaml|md|pdf|png)$|^v?\d+\.\d+(\.\d+)*$|^\d{4}-\d\d-\d\d|^\d+[./:]\d+`)
	placehold  = regexp.MustCompile(`^(xxx+|n/a|todo|tbd|[a-z_-]{0,5}\d+xx+|[a-z]{1,4}xxx+|[a-z\d_.-]*[\d_.-]xxx+)$`) // 23xxxx is a range of codes
	runsHump   = regexp.MustCompile(`(Aa)+A?`)
	runsJoined = regexp.MustCompile(`([_.-](A|a|Aa|9))+`)
)

// codeStrength judges a text on its own, without its neighbours. Each word of a page is judged many
// times, so it inspects the characters directly where a regular expression would be slow.
func codeStrength(s string) strength {
	if len(s) < 20 && strings.Contains(s, " ") && thousands.MatchString(s) {
		return number
	}
	if dotted.MatchString(s) {
		return number
	}
	if len(s) > 120 || !codeChars(s) || addressOrVersion(s) || placehold.MatchString(strings.ToLower(s)) {
		return noCode
	}
	letters, digits := strings.ContainsFunc(s, letter), strings.ContainsFunc(s, digit)
	switch {
	case !letters:
		return number // 4000, 40-001 and the like
	case s[0] == '0' && hex.MatchString(s), camel(s), joins(s) && !ordinary(s):
		return mnemonic
	case digits && len(s) >= 3:
		return mnemonic // E1001, 0100C
	case len(s) >= 5 && s == strings.ToUpper(s):
		return mnemonic // NOAUTH
	}
	return word
}

func lower(r rune) bool  { return r >= 'a' && r <= 'z' }
func upper(r rune) bool  { return r >= 'A' && r <= 'Z' }
func letter(r rune) bool { return lower(r) || upper(r) }
func digit(r rune) bool  { return r >= '0' && r <= '9' }

// codeChars reports whether a text consists of the characters of codes. It has to begin with a
// letter or a digit, after one optional mark.
func codeChars(s string) bool {
	if s != "" && strings.IndexByte("-+#*$/", s[0]) >= 0 {
		s = s[1:]
	}
	for i, r := range s {
		if !letter(r) && !digit(r) && (i == 0 || !strings.ContainsRune("_.:/*#$-", r)) {
			return false
		}
	}
	return s != ""
}

// camel reports whether a text contains a hump: accessDenied, E1Xx, XMLError.
func camel(s string) bool {
	at := func(i int, is func(rune) bool) bool { return is(rune(s[i])) }
	for i := 1; i+1 < len(s); i++ {
		if !at(i, upper) || !at(i+1, lower) {
			continue
		}
		if at(i-1, lower) || at(i-1, digit) || at(i-1, upper) && i+2 < len(s) && at(i+2, lower) {
			return true
		}
	}
	return false
}

// joins reports whether a mark joins two parts of a text: a_b, a.b, a-b, a/b, a:b.
func joins(s string) bool {
	for i := 1; i+1 < len(s); i++ {
		before, after := rune(s[i-1]), rune(s[i+1])
		switch s[i] {
		case '_', '.', '-':
			if (letter(before) || digit(before)) && (letter(after) || digit(after)) {
				return true
			}
		case '/':
			if letter(before) && letter(after) {
				return true
			}
		case ':':
			if lower(before) && lower(after) {
				return true
			}
		}
	}
	return false
}

// addressOrVersion reports whether a text made of code characters is a web address, a file name, a
// version or a date.
func addressOrVersion(s string) bool {
	return strings.ContainsAny(s, ".:/-") && notCode.MatchString(s) || strings.EqualFold(s, "http") || strings.EqualFold(s, "https")
}

// ordinary reports whether a text is a word of prose with a hyphen, slash or full stop in it:
// re-apply, and/or, e.g.
func ordinary(s string) bool {
	if strings.ContainsAny(s, "_0123456789") {
		return false
	}
	if strings.ContainsAny(s, "-/") && s != strings.ToUpper(s) && s[0] >= 'A' {
		return strings.ToLower(s[1:]) == s[1:] && strings.Count(s, "-")+strings.Count(s, "/") < 2
	}
	return len(s) < 6 && strings.Contains(s, ".")
}

// shape returns what the codes of one family have in common: OSM.01010037 is A.9, AccessDenied is
// Aa.
func shape(code string) string {
	s := runsHump.ReplaceAllString(runs(code), "Aa")
	return runsJoined.ReplaceAllStringFunc(s, func(run string) string {
		parts := strings.FieldsFunc(run, func(r rune) bool { return strings.ContainsRune("_.-", r) })
		return run[:1] + parts[len(parts)-1]
	})
}

// runs replaces each run of digits by 9, of capital letters by A, and of small letters by a.
func runs(s string) string {
	var out []byte
	class := byte(0) // of the letter before
	for _, c := range []byte(s) {
		was := class
		switch r := rune(c); {
		case digit(r):
			class = '9'
		case upper(r):
			class = 'A'
		case lower(r):
			class = 'a'
		default:
			class = 0
			out = append(out, c)
			continue
		}
		if class != was {
			out = append(out, class)
		}
	}
	return string(out)
}

// nines replaces each digit by 9.
func nines(s string) string {
	return strings.Map(func(r rune) rune {
		if digit(r) {
			return '9'
		}
		return r
	}, s)
}

var (
	statusCell = regexp.MustCompile(`^(?i:http(?:/[\d.]+)?\s*(?:status|error|response)?\s*(?:code)?\s*[:=]?\s*)?([1-5]\d\d)(?:\s*(?:[-–—:/,]\s*|\s|\(|\x{ff08})\(?\s*([A-Za-z][A-Za-z' -]{1,50}?)\s*[)\x{ff09}]?)?\.?$`)
	statusLast = regexp.MustCompile(`^([A-Za-z][A-Za-z' -]{1,50}?)(?:\s*[(\x{ff08}\[]\s*|\s*[,:]\s+|\s+-\s+)(?i:http\s*)?([1-5]\d\d)\s*[)\x{ff09}\]]?$`) // but ABC-404 is a code
	statuses   = regexp.MustCompile(`^[1-5](?:\d\d|[xX]{2}|\*\*)(?:\s*(?:[,/、;或~–-]|or|and|\s)\s*[1-5](?:\d\d|[xX]{2}|\*\*))*\s*(?:\([A-Za-z ]+\))?$`)
)

// status reads a status cell: "403", "403 Forbidden", "Forbidden (403)", "HTTP 403". A cell with
// several statuses, or with a class such as 5xx, is a status cell too, but has no number.
func status(s string) (code int, phrase string, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) > 80 || !strings.ContainsAny(s, "12345") {
		return 0, "", false
	}
	if m := statusCell.FindStringSubmatch(s); m != nil {
		code, _ = strconv.Atoi(m[1])
		return code, m[2], true
	}
	if m := statusLast.FindStringSubmatch(s); m != nil && (codeStrength(m[1]) != mnemonic || phraseOf(m[1])) { // else a code and its status
		code, _ = strconv.Atoi(m[2])
		return code, m[1], true
	}
	return 0, "", len(s) >= 3 && statuses.MatchString(s)
}

// registered reports whether a number is a registered HTTP status and not just a number from 100 to
// 599.
func registered(code int) bool {
	return http.StatusText(code) != "" || slices.Contains([]int{419, 420, 430, 440, 444, 449, 450, 460, 463, 494, 495, 496, 497, 498, 499, 509, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 598, 599}, code)
}

// nothing reports whether a cell says that there is nothing to say.
func nothing(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "-", "--", "---", "–", "—", "——", "/", "n/a", "na", "^", "〃", "无", "無", "なし", "없음", "нет", "keine", "暂无", "?", "??", "???":
		return true
	}
	return noneInBrackets.MatchString(s)
}

// noneInBrackets matches a remark that a cell is left empty: "(none, see the message)".
var noneInBrackets = regexp.MustCompile(`^\s*\((?i:none|no|empty)\b[^()]*\)\s*$`)

// others reports whether a text names the row for all codes that the page does not list.
func others(s string) bool {
	if bare := inBrackets.ReplaceAllString(s, ""); strings.TrimSpace(bare) != "" {
		s = bare
	}
	switch strings.ToLower(strings.Trim(s, " .:*…")) {
	case "other", "others", "other errors", "other error codes", "other codes", "any other", "any other code", "all others", "all other", "all other codes", "anything else", "default",
		"其他", "其它", "其他错误码", "其它错误码", "其他错误", "其它错误", "その他", "기타", "andere", "sonstige", "otros", "otro", "autres", "autre", "outros", "outro", "другие", "прочие", "другой":
		return true
	}
	return strings.TrimSpace(s) == "*"
}

// endsSentence reports whether a text ends like a sentence.
func endsSentence(s string) bool {
	s = strings.TrimRight(s, " \"'”’)»*`\uff09")
	for _, end := range []string{".", "。", "!", "?", ";", "\uff01", "\uff1f", "\uff1b"} {
		if strings.HasSuffix(s, end) {
			return true
		}
	}
	return false
}

// prose reports whether a text reads like a sentence and not like a name: it has several words, or
// several characters of a script without spaces.
func prose(s string) bool {
	wide := 0
	for _, r := range s {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			wide++
		}
	}
	return wide >= 3 || len(strings.Fields(s)) >= 3 || len(strings.Fields(s)) == 2 && (endsSentence(s) || len(s) > 16)
}

// advice reports whether a text says what to do.
func advice(s string) bool { return adviceWords.MatchString(s) }

var adviceWords = regexp.MustCompile(`^(?i:please |check|contact|ensure|make sure|verify|try |retry|re-|use |rectify|refer to|correct|change|submit|wait|obtain|reduce|increase|add |remove|delete|query|view|log in|apply|enable|see |prüfen|überprüfen|wenden|verifi|revis|compruebe|contact|vérifi|corrig|entre em|проверьте|обратитесь|повторите|请|檢查|检查|联系|稍后|重试|重新|建议|确认|修改)|(?:してください|ください。?|하십시오\.?|하세요\.?|합니다\.)$|(?i:contact technical support|contact customer service|try again later)`)

// junk reports whether a line belongs to the end of a page or follows a table without being part of
// it.
func junk(s string) bool { return junkWords.MatchString(strings.TrimSpace(s)) }

var junkWords = regexp.MustCompile(`^(?i:feedback|was this|did this|is this page|were you able|provide feedback|send feedback|submit feedback|rate this|yes$|no$|helpful|related (topics?|articles?|links?|resources?|information)|see also|next steps?$|previous|next|on this page|table of contents|copyright|©|parent topic|last (updated|modified)|edit this page|share|follow us|need (more )?help|thank you|for any further|chatbot|contact us|privacy|terms|cookie|all rights|back to top|submit correction|if you see anything|以上内容|文档内容是否|本文|上一篇|下一篇|父主题|反馈|意见反馈|关注|版权|有帮助|没帮助|相关文档|このページ|フィードバック|이 페이지|war diese|te resultó|¿|esta página|cette page|была ли|полезна|hat ihnen)`)

// leadingCode returns the mnemonic code at the start of a line, or "".
func leadingCode(s string) string {
	s = strings.TrimLeft(s, " \t|*-•#`")
	first, _, _ := strings.Cut(s, " ")
	first = strings.TrimRight(strings.Trim(first, "|*`"), ":,")
	if codeStrength(first) != mnemonic || !strings.ContainsAny(first, "0123456789_") {
		return ""
	}
	return first
}

var codeText = regexp.MustCompile(`^(.+?)(?:\s*[-–—:\x{ff1a}]\s+|\s*[:\x{ff1a}]\s*|\s+)(\S.*)$`)

// splitCode separates a code from the rest of its cell: a status in brackets, or a text.
func splitCode(s string) (code string, stat int, text string) {
	s = strings.TrimSpace(s)
	if codeStrength(s) > noCode {
		return s, 0, ""
	}
	if i := strings.LastIndexAny(s, "(\uff08"); i > 0 && (strings.HasSuffix(s, ")") || strings.HasSuffix(s, "\uff09")) {
		inner := strings.Trim(s[i:], "()\uff08\uff09")
		before := strings.TrimSpace(s[:i])
		if n, _, ok := status(inner); ok && n > 0 && codeStrength(before) > noCode {
			return before, n, ""
		}
		if codeStrength(before) == number && inner != "" || hex.MatchString(inner) && codeStrength(before) > noCode {
			return before, 0, inner
		}
	}
	if m := codeText.FindStringSubmatch(s); m != nil {
		first := strings.TrimRight(m[1], colons+",")
		parted := strings.ContainsAny(s[len(first):len(s)-len(m[2])], "-–—"+colons)
		if n, _, ok := status(m[2]); ok && n >= 400 && registered(n) && integer.MatchString(m[2]) && codeStrength(first) == mnemonic {
			return first, n, ""
		}
		if st := codeStrength(first); st == mnemonic && parted || st == number && strings.ContainsFunc(m[2], unicode.IsLetter) {
			if codeStrength(m[2]) == mnemonic && st == number {
				return first, 0, m[2]
			}
			return first, 0, strings.TrimSpace(m[2])
		}
	}
	return s, 0, ""
}

// codePart returns the code of a cell without what may follow it: "401 - Invalid Authentication",
// "MOVED (301)".
func codePart(s string) string {
	code, _, _ := splitCode(s)
	return code
}

var codeList = regexp.MustCompile(`\s*(?:\n|,\s|\x{ff0c}|、|;\s|\s/\s|\s\|\s|\bor\b|或)\s*`)

// statusRun matches several statuses in one cell: "500,503".
var statusRun = regexp.MustCompile(`^[1-5]\d\d(?:[,/][1-5]\d\d)+$`)

// severalCodes splits a cell that lists several codes with the same texts.
func severalCodes(s string) []string {
	parts := codeList.Split(s, -1)
	if statusRun.MatchString(s) {
		parts = strings.FieldsFunc(s, func(r rune) bool { return !digit(r) })
	}
	if len(parts) < 2 || len(parts) > 50 {
		return []string{s}
	}
	for _, p := range parts {
		if codeStrength(p) < number {
			return []string{s}
		}
	}
	return parts
}
