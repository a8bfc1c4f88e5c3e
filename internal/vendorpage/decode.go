package vendorpage

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	regexp "errata/internal/lazyregexp"
)

// minus is a minus sign that typesetting has put in the place of a hyphen: responses have -1.
var minus = regexp.MustCompile(`(^|[\s|>(,])[\x{2212}\x{2013}](\d)`)

var charset = regexp.MustCompile(`(?i)charset=["']?([\w-]+)`)

// decode converts a page in any encoding to clean UTF-8 with \n as line end. Special spaces become
// plain ones. The number of lines stays the same.
func decode(content []byte) string {
	var enc encoding.Encoding
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case !utf8.Valid(content):
		if m := charset.FindSubmatch(content[:min(len(content), 2048)]); m != nil {
			enc, _ = htmlindex.Get(string(m[1]))
		}
		if enc == nil {
			enc = charmap.Windows1252
			if gbk, err := simplifiedchinese.GB18030.NewDecoder().Bytes(content); err == nil && strings.Count(string(gbk), "的")+strings.Count(string(gbk), "码") > 0 {
				enc = simplifiedchinese.GB18030
			}
		}
	}
	if enc != nil {
		if decoded, err := enc.NewDecoder().Bytes(content); err == nil {
			content = decoded
		}
	}
	text := strings.ToValidUTF8(string(content), "\uFFFD")
	text = minus.ReplaceAllString(text, "$1-$2")
	return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u0085", "\n", "\uFEFF", "", "\u200B", "", "\u00AD", "",
		"\u00A0", " ", "\u202F", " ", "\u2009", " ", "\u3000", " ", "\x00", "", "\f", "\n", "\v", "\n").Replace(text)
}

// source is a page as lines and, where its markup draws tables, grids, in page order.
type source struct {
	title string
	head  []line // the front matter
	parts []part
}

// part is either lines or a grid.
type part struct {
	lines []line
	grid  *grid
}

// formats read documents that are data or programs and no text. Each returns nil if the page is
// none.
var formats = []func(name, text string) []part{readData, readSQL, readMessages, readSource, readCSV}

func newSource(name, text string) source {
	if parts := readXML(name, text); parts != nil {
		return source{parts: parts}
	}
	switch {
	case isHTML(name, text):
		return readHTML(text, 1)
	case strings.TrimSpace(text) == "":
		return source{}
	}
	for _, read := range formats {
		if parts := read(name, text); parts != nil {
			return source{parts: parts}
		}
	}
	return readText(text)
}

// directive matches a line of reStructuredText that describes a constant: ".. data:: E_NO_BOX".
var directive = regexp.MustCompile(`(?m)^[ \t]*\.\. (?:[a-z]+:)?(?:data|exception|macro|enumerator|attribute|const|constant|var|error)::[ \t]+([\w.:-]+)[ \t]*$`)

var (
	summaryTag = regexp.MustCompile(`^\s*(?:<details[^<>]*>\s*)?<summary[^<>]*>(.*)</summary>\s*$`)
	detailsTag = regexp.MustCompile(`^\s*</?details[^<>]*>\s*$`)
	headingTag = regexp.MustCompile(`^\s*<h([1-6])\b[^<>]*>(.*)</h[1-6]>\s*$`)
	underline  = regexp.MustCompile(`^(?:=+|-+|~+|\^+|\++|\*+|"+|'+)$`)
)

// target matches the target of a link in reStructuredText, which may be in a cell too.
var target = regexp.MustCompile(`\.\. _[\w*. -]{1,60}:(?: |$)`)

// codeBlock matches the directive above a block of code in reStructuredText.
var codeBlock = regexp.MustCompile(`^\s*\.\. (?:code|code-block|sourcecode|testcode|parsed-literal|prompt)::\s*(\w*)`)

// sourceBlock matches the attributes above a block of code in AsciiDoc.
var sourceBlock = regexp.MustCompile(`^\[source(?:,\s*"?(\w+))?[^\]]*\]\s*$`)

// hiddenDirective matches a directive of reStructuredText that shows no text of its own.
var hiddenDirective = regexp.MustCompile(`^\s*\.\. (?:[a-z]+:[a-z]+|toctree|contents|index|image|figure|automodule|autoclass|module|currentmodule|include|literalinclude|highlight|meta)::`)

// directiveOption matches an option below a directive.
var directiveOption = regexp.MustCompile(`^\s+:[\w-]+:(?: .*)?$`)

// withoutDirectives empties the lines of directives that show no text, and those of their options.
func withoutDirectives(lines []string) []string {
	hidden := false
	for i, l := range lines {
		if hidden = hiddenDirective.MatchString(l) || hidden && directiveOption.MatchString(l); hidden {
			lines[i] = ""
		}
	}
	return lines
}

// inlineCode matches a line that is nothing but a span of code between fences of Markdown.
var inlineCode = regexp.MustCompile("^\\s*```([^`\n]+)```\\s*$")

// withFences fences the blocks of code of reStructuredText and of AsciiDoc as in Markdown, where a
// line may begin with a span of code that is no fence.
func withFences(lines []string) []string {
	for i := 0; i < len(lines); i++ {
		lines[i] = inlineCode.ReplaceAllString(lines[i], "`$1`")
		if source := sourceBlock.FindStringSubmatch(lines[i]); source != nil && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "----") {
			if end := slices.Index(lines[i+2:min(len(lines), i+sampleLines)], lines[i+1]); end >= 0 {
				lines[i], lines[i+1], lines[i+2+end] = "", "```"+source[1], "```"
				i += 2 + end
			}
			continue
		}
		m := codeBlock.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		outer, end := indentOf(lines[i]), i+1
		for end < len(lines) && (strings.TrimSpace(lines[end]) == "" || indentOf(lines[end]) > outer) {
			end++
		}
		for end > i+1 && strings.TrimSpace(lines[end-1]) == "" {
			end--
		}
		if end == len(lines) {
			lines = append(lines, "")
		}
		if end > i+1 && strings.TrimSpace(lines[end]) == "" {
			lines[i], lines[end] = "```"+m[1], "```"
		}
		i = end
	}
	return lines
}

// componentTag matches a tag of a component of JSX.
var componentTag = regexp.MustCompile(`</?[A-Z][a-z]\w*(?:\s[^<>]*)?/?>`)

// withoutComponents removes the tags of components from a line, but no name in angle brackets that
// stands for something else: "Bearer <Token>".
func withoutComponents(l string) string {
	if htmlMarks.MatchString(l) {
		return l // <Table>
	}
	bare := componentTag.ReplaceAllString(l, "")
	if strings.Contains(l, "</") || strings.Contains(l, "/>") || strings.Contains(l, "=") || strings.TrimSpace(bare) == "" {
		return bare
	}
	return l
}

// component matches the start of a component of JSX with a title.
var component = regexp.MustCompile(`^\s*<[A-Z]\w*\s[^<>]*?\b(?:title|label|summary|header|name)=\{?"([^"<>]*)"\}?[^<>]*>\s*$`)

// componentEnd matches the end of a component of JSX.
var componentEnd = regexp.MustCompile(`^\s*</[A-Z]\w*>\s*$`)

// withHeadings writes as headings of Markdown what is one in other ways: the headings and summaries
// of HTML, the titles of components of JSX that are codes, titles of AsciiDoc and MediaWiki, and
// underlined lines. The marks that underline rank in the order in which the page uses them.
func withHeadings(lines []string) []string {
	opened, fenced := false, false
	var ranks []byte
	for i, l := range lines {
		if isFence(l) {
			fenced = !fenced
		}
		if m := component.FindStringSubmatch(l); m != nil && codeStrength(codePart(m[1])) >= number && !isStatus(codePart(m[1])) {
			lines[i], opened = "###### "+m[1], true
		} else if opened && componentEnd.MatchString(l) {
			lines[i], opened = "", false
		} else if !fenced && strings.Contains(l, "<") && !accordion.MatchString(strings.TrimSpace(l)) {
			lines[i] = withoutComponents(l)
		}
		if detailsTag.MatchString(l) {
			lines[i] = ""
		} else if m := summaryTag.FindStringSubmatch(l); m != nil {
			lines[i] = "###### " + markup.ReplaceAllString(m[1], "")
		} else if m := headingTag.FindStringSubmatch(l); m != nil {
			lines[i] = strings.Repeat("#", int(m[1][0]-'0')) + " " + markup.ReplaceAllString(m[2], "")
		} else if m := equalsTitle.FindStringSubmatch(l); m != nil && !fenced {
			lines[i] = strings.Repeat("#", len(m[1])) + " " + m[2]
		}
		if i == 0 || fenced || !underlines(lines, i) {
			continue
		}
		mark := l[0]
		if i > 1 && lines[i-2] == l { // a line above the title too
			mark, lines[i-2] = mark|0x80, ""
		}
		rank := bytes.IndexByte(ranks, mark)
		if rank < 0 {
			rank, ranks = len(ranks), append(ranks, mark)
		}
		lines[i-1], lines[i] = strings.Repeat("#", rank+1)+" "+strings.TrimSpace(lines[i-1]), ""
	}
	return lines
}

// equalsTitle matches a title of AsciiDoc or MediaWiki.
var equalsTitle = regexp.MustCompile(`^(={1,6}) ?([^=\s].*?)(?: ?=+)?$`)

// underlines reports whether a line makes a title of the one above it, which is no row of headings.
func underlines(lines []string, i int) bool {
	text, title := lines[i-1], strings.TrimSpace(lines[i-1])
	switch {
	case !underline.MatchString(lines[i]) || len(lines[i]) < max(3, len([]rune(text))):
		return false
	case title == "" || title[0] == '#' || gap.MatchString(title) || strings.ContainsAny(title, "|\t"):
		return false
	case i > 1 && lines[i-2] == lines[i]:
		return true
	}
	below := firstToken(strings.Join(lines[i+1:min(i+2, len(lines))], ""))
	return title == text && (i == 1 || strings.TrimSpace(lines[i-2]) == "") && codeStrength(below) < number
}

// blanks returns as many spaces as a text has bytes.
func blanks(s string) string { return strings.Repeat(" ", len(s)) }

// readText reads a page of text, whose markup may draw tables.
func readText(text string) (s source) {
	var lines []line
	flush := func() {
		if len(lines) > 0 {
			s.parts, lines = append(s.parts, part{lines: lines}), nil
		}
	}
	all, numbers := unfold(withoutDirectives(withHeadings(withFences(strings.Split(target.ReplaceAllStringFunc(directive.ReplaceAllString(text, "``$1``"), blanks), "\n")))))
	all, numbers = withoutFeet(withoutRowRulers(all, numbers))
	var head int
	s.title, head = frontMatter(all)
	for i := range head {
		s.head = append(s.head, line{n: numbers[i], text: all[i]})
	}
	for i := head; i < len(all); i++ {
		if end := tableEnd(all, i); end > i { // Markdown may contain HTML tables
			flush()
			inner := readHTML(escaped.Replace(strings.Join(all[i:end], "\n")), numbers[i])
			s.parts = append(s.parts, inner.parts...)
			i = end - 1
			continue
		}
		if g, end := readMarkupTable(all, i); g != nil {
			flush()
			for k := range g.rows {
				g.rows[k].line = numbers[g.rows[k].line-1]
			}
			g.line, g.topic = numbers[i], s.topic()
			s.parts = append(s.parts, part{grid: g})
			i = end - 1
			continue
		}
		lines = append(lines, line{n: numbers[i], text: strings.TrimRight(pipedHeadings(all[i]), " \t")})
		if strings.Contains(all[i], "\t") { // a trailing tab is an empty cell
			lines[len(lines)-1].text = strings.TrimRight(all[i], " ")
		}
	}
	flush()
	return s
}

// escaped removes Markdown's backslashes, which HTML in Markdown has too.
var escaped = strings.NewReplacer(`\_`, "_", `\*`, "*", `\<`, "&lt;", `\{`, "{", `\}`, "}")

// titlesOf returns the rows of a grid that have one cell, up to the first one with more.
func titlesOf(g grid) (titles []line) {
	for _, r := range g.rows {
		text := ""
		for _, c := range r.cells {
			if text != "" && c != "" {
				return titles
			}
			text += c
		}
		titles = append(titles, line{n: r.line, text: text})
	}
	return titles
}

// topic returns the topic of the last lines so far.
func (s *source) topic() topic {
	for i := len(s.parts) - 1; i >= 0 && i > len(s.parts)-20; i-- {
		if s.parts[i].lines != nil {
			return topicOf(s.parts[i].lines)
		}
	}
	return noTopic
}

// tableEnd returns the line after an HTML table or list that begins in the given line, or at if
// none begins there.
func tableEnd(lines []string, at int) int {
	for _, tag := range []string{"table", "dl"} {
		if t := strings.ToLower(strings.TrimSpace(lines[at])); strings.HasPrefix(t, "<"+tag+">") || strings.HasPrefix(t, "<"+tag+" ") {
			for j := at; j < len(lines); j++ {
				if strings.Contains(strings.ToLower(lines[j]), "</"+tag+">") {
					return j + 1
				}
			}
			return len(lines)
		}
	}
	return at
}

// lines returns all lines that are not part of a drawn grid.
func (s source) lines() (all []line) {
	all = append(all, s.head...)
	for _, p := range s.parts {
		all = append(all, p.lines...)
	}
	return all
}
