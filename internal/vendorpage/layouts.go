package vendorpage

import (
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// layout is one way in which lines of text form a table. find reports whether a table begins at
// lines[at]: it returns the table and the index of the first line after it, or nil.
type layout struct {
	name string
	find func(lines []line, at int) (g *grid, next int)
}

// layouts are tried in this order at each line, those with the clearest marks first.
var layouts = []layout{
	{"constants", findConstants},               // an enumeration in source code
	{messagesTable, findMessages},              // texts with their keys, as in a properties file
	{"broken rows with pipes", findBrokenRows}, // rows that go on in the next lines
	{"rows with pipes", findStackedHeads},      // the same below headings of which each has a line
	{"rows with pipes", findPipeRows},          // a row per line, cells separated by |, with or without a ruler or borders
	{"cells with pipes", findPipeCells},        // a cell per line, each ending in |
	{"cells between pipes", findFragments},     // a cell, a row or a pipe alone per line
	{"tabs", findTabs},                         // a row per line, cells separated by tabs, as a browser copies a table
	{"aligned columns", findAligned},           // a row per line, cells padded to be below their headings
	{"gaps of spaces", findGapped},             // a row per line, two or more spaces between cells
	{"cells without spaces", findGlued},        // a row per line, nothing between the cells
	{"spaces only", findSpaces},                // a row per line, one space between cells as between words
	{"cells in a column", findStream},          // a cell per paragraph or line, headings first
	{layoutStrides, findStrides},               // a cell per paragraph or line without headings, statuses first
	{layoutRecords, findRecords},               // a heading, list item or line with the code, and its texts below
	{layoutPairs, findPairs},                   // codes alone, each above its texts
}

// The layout that a block of code cannot have, and those that come from markup.
const (
	layoutRecords = "records"
	layoutPairs   = "codes above texts"
	htmlTable     = "html table"           // <table>, with cells that span rows or columns
	htmlList      = "html definition list" // <dl>: <dt> the code, <dd> its texts
	csvTable      = "csv"                  // values separated by commas, semicolons or tabs
)

// layOut finds the tables in lines. rest are the lines outside all tables.
func layOut(lines []line) (grids []grid, rest []line) {
	skip, fenced := samples(lines)
	memorize(lines)
	limit := len(lines) // where the next clearer table begins, once one was found
	for at := 0; at < len(lines); {
		if at == limit {
			limit = len(lines)
		}
		if lines[at].blank() {
			at++
			continue
		}
		g, next := tableAt(lines[:limit], at, skip[at], fenced[at])
		if g != nil && loose[g.layout] {
			if begin := clearerTable(lines[:next], at+1, fenced); begin < next {
				limit = begin
				continue
			}
		}
		if g == nil {
			rest = append(rest, lines[at])
			at++
			continue
		}
		grids = append(grids, *g)
		at = next
	}
	return grids, rest
}

// tableAt returns the table that begins at a line and the index of the first line after it, or nil.
// The first layout that finds codes there wins. A table that holds none, such as one of parameters,
// gives way to a later layout that finds codes in the same lines.
func tableAt(lines []line, at int, skip bool, fenced fence) (first *grid, end int) {
	if skip {
		return nil, 0
	}
	for _, l := range layouts {
		if fenced == textFence && loose[l.name] || fenced == codeFence && l.name != "constants" {
			break
		}
		g, next := l.find(lines, at)
		if g == nil {
			continue
		}
		g.layout, g.topic, g.above = l.name, max(g.topic, topicOf(lines[:at])), codeAbove(lines[:at])
		if first == nil {
			first, end = g, next
		}
		if g.codes() > 0 {
			return g, next
		}
	}
	return first, end
}

// loose are the layouts that go by where texts begin and end. They fit many lines, also those of a
// table with a layout of its own.
var loose = map[string]bool{layoutRecords: true, layoutPairs: true}

// clearerTable returns the first line from at on where a table begins whose headings name its
// codes, in a layout that is not loose, or len(lines) if there is none.
func clearerTable(lines []line, at int, fenced []fence) int {
	named := func(r *reading) bool { return !r.bare && r.table.LeftOut == "" && len(r.rows) > 1 }
	for ; at < len(lines); at++ {
		for _, l := range layouts {
			if loose[l.name] || lines[at].blank() || fenced[at] == codeFence && l.name != "constants" {
				break
			}
			if g, _ := l.find(lines, at); g != nil && slices.ContainsFunc(readGrid(*g), named) {
				return at
			}
		}
	}
	return len(lines)
}

// codes counts the codes that a grid holds if nothing else on the page speaks against them.
func (g grid) codes() (n int) {
	for _, r := range readGrid(g) {
		if r.rivals || r.table.LeftOut == "" && (!r.bare && !r.named || r.convincing(true)) {
			n += len(r.rows) + len(r.unplaced)
		}
	}
	return n
}

// topic is what the text right above a table says about it.
type topic int

const (
	noTopic  topic = iota
	ofErrors       // it mentions errors
	ofCodes        // it announces codes: "Error codes"
	ofOthers       // it is the title of other codes: "Region codes"
)

var otherCodes = regexp.MustCompile(`(?i)\b(?:avs|cvv2?|cvc2?|cvn|eci|mcc|merchant category|region|country|currency|language|locale|zone|area|post(?:al)?|zip|bank|airport|carrier|product|unit|color)s?[ -](?:(?:response|result|return)[ -])?(?:codes?|ids?|names?)\b|(?:地域|地区|国家|语言|币种|货币|区域|银行|行业|产品)(?:代码|编码|码|列表)`)

// otherThings matches the title of things that have numbers or short names and are no errors.
var otherThings = regexp.MustCompile(`(?i)\bthese ports\b|\bports:?$|^#+\s+(?:\w+ ){0,3}(?:op-?codes|operation codes|command codes|message types|event types)[\s#*:]*$|^[#=\s*-]*(?:available |supported |list of )?(?:regions|countries|currencies|locales|languages|(?:availability )?zones|time ?zones|units|ports|地域列表|国家列表)[\s*=:]*$`)

// announcesCodes matches a text that announces codes, in the languages that vendors write in.
var announcesCodes = regexp.MustCompile(`(?i)\b(?:errors?|return|response|result|status|decline|denial|refusal|rejection|reason|failure|exception|hangup cause|close|closure|disconnect)[ _-](?:codes?|numbers?|constants?|values?)\b|\b(?:error|decline|denial|refusal|rejection|failure) (?:reasons|types)\b|错误码|错误代码|返回码|返回代码|错误编码|错误编号|异常码|响应码|錯誤碼|錯誤代碼|(?:エラー|結果|応答|レスポンス)コード|(?:오류|에러|응답)\s?코드|fehlercode|fehler-code|fehlernummer|rückgabecode|c[oó]digos? de (?:error|erro|retorno|respuesta|resposta|rejei[cç][aã]o|rechazo)|n[uú]meros? de erro|num[ée]ros? d['’ ]?erreur|codes? (?:d['’ ]?erreur|erreur|retour|de retour|r[ée]ponse)|код(?:ы|ов)? (?:ошиб|возврат|ответ)|номер(?:а|ов)? ошиб|codic[ei] (?:di |d')?errore|код(?:и|ів)? помил|kody? błęd|hata kod|mã lỗi|foutcode|رم(?:ز|وز) (?:ال)?(?:خط[أا]|[أا]خطاء|استجابة)|[أا]كواد (?:ال)?(?:خط[أا]|[أا]خطاء)|kód(?:y|ů)? chyb|chybov[éý]ch? kód|hibakód|cod(?:uri)?(?: de|le de)? ero|кодове за грешк|κωδικ(?:ός|οί|ών) σφ[αά]λμ|รหัสข้อผิดพลาด|کد(?:های)? خطا|קוד(?:י)? שגיא|felkod|fejlkod|feilkod|virhekood|kode (?:error|kesalahan|galat)|त्रुटि कोड`)

// about reports whether the text above mentions errors.
func (t topic) about() bool { return t == ofErrors || t == ofCodes }

// topicOf returns the topic that the last of the lines announce.
func topicOf(lines []line) topic {
	fenced := false
	for i, seen := len(lines)-1, 0; i >= 0 && seen < 10 && i > len(lines)-40; i-- {
		if fence := isFence(lines[i].text); fence || fenced {
			fenced = fenced != fence
			continue
		}
		if lines[i].blank() {
			continue
		}
		switch seen++; {
		case seen == 1 && len(lines[i].text) < 120 && otherThings.MatchString(lines[i].text) && !announcesCodes.MatchString(lines[i].text):
			return ofOthers
		case seen <= 3 && len(lines[i].text) < 400 && announcesCodes.MatchString(lines[i].text) && !strings.ContainsAny(lines[i].text, "{}"):
			return ofCodes
		case len(lines[i].text) < 400 && aboutErrors.MatchString(lines[i].text):
			return ofErrors
		case seen <= 2 && len(lines[i].text) < 120 && !hasPipe(lines[i]) && otherCodes.MatchString(lines[i].text):
			return ofOthers
		}
	}
	return noTopic
}

// fence says in what kind of block of Markdown a line is.
type fence int

const (
	noFence   fence = iota
	textFence       // preformatted text, which may be a table
	codeFence       // code of a language, which may define constants
)

// isFence reports whether a line begins or ends a block of code in Markdown.
func isFence(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "```") }

// sourceFence matches the fence above code of a language.
var sourceFence = regexp.MustCompile("^```\\s*(?i:python|py|javascript|js|jsx|typescript|ts|tsx|java|kotlin|go|golang|csharp|cs|c#|php|ruby|rb|rust|swift|bash|sh|shell|curl)\\b")

// samples marks the lines of sample envelopes, which show codes but are not tables: JSON and XML in
// fences, or between braces at the start of a line. fenced marks all lines of Markdown's code
// blocks.
func samples(lines []line) (skip []bool, fenced []fence) {
	skip, fenced = make([]bool, len(lines)), make([]fence, len(lines))
	for i := 0; i < len(lines); i++ {
		end, shows := -1, false // shows: the sample shows an envelope
		switch text := strings.TrimSpace(lines[i].text); {
		case isFence(text):
			end, shows = fenceEnd(lines, i, "```")
			kind := textFence
			if sourceFence.MatchString(text) {
				kind = codeFence
			}
			mark(fenced, i, end, kind)
		case strings.HasPrefix(text, "~~~"):
			end, shows = fenceEnd(lines, i, "~~~")
		case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "<?xml"):
			end, shows = bracesEnd(lines, i), true
		default:
			continue
		}
		if end >= 0 && shows {
			mark(skip, i, end, true)
		}
		if end >= 0 && (shows || fenced[i] != noFence) {
			i = end
		}
	}
	return skip, fenced
}

// sampleLines limits the length of a sample.
const sampleLines = 200

// fenceEnd returns the line that closes the fence at i, or -1. shows reports whether the block
// contains JSON, XML or an HTTP response.
func fenceEnd(lines []line, i int, fence string) (end int, shows bool) {
	for j := i + 1; j < len(lines) && j < i+sampleLines; j++ {
		t := strings.TrimSpace(lines[j].text)
		if strings.HasPrefix(t, fence) {
			return j, shows
		}
		shows = shows || strings.HasPrefix(t, "{") || strings.HasPrefix(t, "<") || strings.HasPrefix(t, "HTTP/")
	}
	return -1, shows
}

// bracesEnd returns the line that closes the braces opened from line i on, or -1.
func bracesEnd(lines []line, i int) (end int) {
	depth := 0
	for j := i; j < len(lines) && j < i+sampleLines; j++ {
		t := lines[j].text
		if depth += strings.Count(t, "{") - strings.Count(t, "}"); depth <= 0 {
			return j
		}
	}
	return -1
}

// mark sets the marks of a range of lines.
func mark[T any](marks []T, from, to int, as T) {
	for i := from; i <= to; i++ {
		marks[i] = as
	}
}
