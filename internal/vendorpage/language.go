package vendorpage

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"

	regexp "errata/internal/lazyregexp"
)

// language guesses a page's language from its letters and, if several languages share them, from
// common words.
func language(text string) string {
	if len(text) > 200_000 {
		text = strings.ToValidUTF8(text[:200_000], "")
	}
	letters := map[string]int{}
	for _, r := range text {
		for _, s := range scripts {
			if unicode.In(r, s.tables...) {
				letters[s.language]++
				break
			}
		}
	}
	switch latin := letters[latin]; {
	case letters["ja"] > 10 && letters["ja"]*4 > letters["zh"]:
		return "ja"
	case letters["ko"] > 10 && letters["ko"]*8 > latin:
		return "ko"
	case letters["zh"] > 5 && letters["zh"]*16 > latin: // a Chinese page often has its messages in English
		return "zh"
	case letters["ru"] > 10 && letters["ru"]*8 > latin:
		return "ru"
	case latin == 0:
		return ""
	}
	return latinLanguage(text)
}

// latin stands for all languages written in Latin letters.
const latin = "latin"

// scripts are the letters that tell languages apart.
var scripts = []struct {
	language string
	tables   []*unicode.RangeTable
}{
	{latin, []*unicode.RangeTable{unicode.Latin}},
	{"ja", []*unicode.RangeTable{unicode.Hiragana, unicode.Katakana}},
	{"ko", []*unicode.RangeTable{unicode.Hangul}},
	{"zh", []*unicode.RangeTable{unicode.Han}},
	{"ru", []*unicode.RangeTable{unicode.Cyrillic}},
}

// commonWords are the words that tell apart the languages written in Latin letters.
var commonWords = []struct{ language, words string }{
	{"en", "the of and is not to for are was this with"}, {"de", "der die das und nicht ist ein eine werden wurde für mit"},
	{"es", "el los las una no es para del con se que por"}, {"fr", "le les des une est pas pour dans du et avec sur"},
	{"pt", "os das uma não é para com do da em foi ou"},
}

// latinLanguage guesses which language a text in Latin letters is in. It is English if there are
// hardly any common words.
func latinLanguage(text string) string {
	words := map[string]int{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		words[w]++
	}
	best, most := "en", 3 // fewer words prove nothing
	for _, l := range commonWords {
		n := 0
		for _, w := range strings.Fields(l.words) {
			n += words[w]
		}
		if n > most {
			best, most = l.language, n
		}
	}
	return best
}

var (
	updated = regexp.MustCompile(`(?i)updated|modified|revised|ms\.date|published|更新|修改时间|发布时间|updat|stand:|aktualisiert|actualiz|mis à jour|atualiz|обновлен|изменен|업데이트|수정일`)
	day     = regexp.MustCompile(`(20\d\d)\s?[-./年]\s?(\d{1,2})\s?[-./月]\s?(\d{1,2})`)
	usDay   = regexp.MustCompile(`(\d{1,2})/(\d{1,2})/(20\d\d)`)
	longDay = regexp.MustCompile(`(?i)(?:(\d{1,2})\.? )?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? (?:(\d{1,2}),? )?(20\d\d)`)
)

// date returns when the page was updated, if a line says so with a date.
func date(lines []line) string {
	for i, l := range lines {
		if i > 2000 {
			break
		}
		if len(l.text) > 200 || !strings.Contains(l.text, "20") { // no year
			continue
		}
		said := updated.FindStringIndex(l.text)
		if said == nil {
			continue
		}
		if when := day.FindStringIndex(l.text); when != nil && when[0] < said[0] && strings.ContainsAny(l.text, "\t|") {
			continue // a row of a change history
		}
		if m := day.FindStringSubmatch(l.text); m != nil {
			return fmt.Sprintf("%s-%02s-%02s", m[1], m[2], m[3])
		}
		if m := usDay.FindStringSubmatch(l.text); m != nil {
			return fmt.Sprintf("%s-%02s-%02s", m[3], m[1], m[2])
		}
		if m := longDay.FindStringSubmatch(l.text); m != nil && m[1]+m[3] != "" {
			month := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(m[2]))/3 + 1
			return fmt.Sprintf("%s-%02d-%02s", m[4], month, m[1]+m[3])
		}
	}
	return ""
}

var aboutErrors = regexp.MustCompile(`(?i)error|exception|failures|status code|return code|错误|返回码|状态码|返回碼|錯誤|エラー|오류|에러|fehler|erreur|\berro|ошиб|помилк|błęd|błąd|\bhata|lỗi|\bfout|kesalahan|\bfejl|\bfeil|felkod|chyb|خط[أا]|[أا]خطاء|\bhiba|\beroare|\berori|грешк|σφ[αά]λμ|ข้อผิดพลาด|خطا|שגיא|virhe|\bgalat|त्रुटि`)

// aboutStatuses matches the titles of pages about HTTP's statuses themselves.
var aboutStatuses = regexp.MustCompile(`(?i)(?:status|response) codes?|状态码|狀態碼|ステータスコード|상태 코드|http[ -]status|statuscodes?`)

// breadcrumb matches the path to a page: Home > API > Errors.
var breadcrumb = regexp.MustCompile(`\S\s*[>›»]\s*\S`)

// title returns the page's heading: the first short line that mentions errors, or else the first
// short line, or else the end of the path to the page.
func title(lines []line) string {
	first, path, fenced := "", "", false
	for i, l := range lines {
		text := strings.TrimSpace(strings.TrimLeft(l.text, "#= "))
		if i > 200 {
			break
		}
		if isFence(text) {
			fenced = !fenced
		}
		if fenced || strings.HasPrefix(text, "- ") || strings.HasPrefix(text, "* ") || strings.HasSuffix(text, ":") || junk(text) {
			continue
		}
		if text == "" || len([]rune(text)) > 120 || endsSentence(text) || strings.ContainsAny(text, "{}|\t") || gap.MatchString(text) || updated.MatchString(text) {
			continue
		}
		text = plain(text)
		if breadcrumb.MatchString(text) {
			if path == "" {
				path = strings.TrimSpace(text[strings.LastIndexAny(text, ">›»"):])
				path = strings.TrimSpace(strings.TrimLeft(path, ">›»"))
			}
			continue
		}
		if aboutErrors.MatchString(text) && !strings.HasPrefix(text, "error_") {
			return text
		}
		if first == "" {
			first = text
		}
	}
	return cmp.Or(first, path)
}

// frontMatter reads the title of a Markdown page that starts with a block between two lines of
// dashes. n is the number of lines of that block.
func frontMatter(lines []string) (title string, n int) {
	if strings.TrimSpace(lines[0]) != "---" {
		return "", 0
	}
	for i, l := range lines[1:min(len(lines), 60)] {
		switch key, value, ok := strings.Cut(l, ":"); {
		case strings.TrimSpace(l) == "---":
			return title, i + 2
		case ok && key == "title":
			title = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return "", 0
}
