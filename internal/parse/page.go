package parse

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// An error often arrives as an HTML page: of the gateway, of a proxy, of a framework. Its message
// is what its readers see first, and some pages name a code and a request id.

const (
	maxPage = 64 << 10 // so many bytes of a page are read
	maxHead = 4 << 10  // and so many show whether it is one
)

// page is what a reader sees of an HTML page.
type page struct {
	title    string
	headings []string
	lines    []pageLine // the other texts, one a block
	bodyID   string     // the id attribute of the body element
}

// pageLine is the text of a block. A label is a name before a text: "Code: NoSuchKey".
type pageLine struct{ label, text string }

// pageElement matches the elements that show that a text is HTML.
var pageElement = regexp.MustCompile(`(?i)^(?:html|head|title|body|h[1-6]|p|br|div|center|pre|b|i|strong|em|span|ul|ol|li|table|font|hr|a|meta|section|main|small|code|link|style|script)$`)

// firstElement matches what stands before the first element of a document, and its name.
var firstElement = regexp.MustCompile(`(?s)^\s*(?:<\?[^>]*\?>\s*|<![^-][^>]*>\s*|<!--.*?-->\s*)*<([A-Za-z][\w:-]*)`)

// anyElement matches an element of HTML in a text.
var anyElement = regexp.MustCompile(`(?i)<(?:p|br|div|center|pre|b|strong|span|h[1-6]|ul|li|a|html|body)(?:\s[^<>]*|\s*/)?>`)

// isPage reports whether a body is HTML, or a text with elements of HTML.
func isPage(body []byte) bool {
	head := body[:min(len(body), maxHead)]
	switch {
	case len(head) == 0:
		return false
	case head[0] == '<':
		m := firstElement.FindSubmatch(head)
		return m != nil && pageElement.Match(m[1])
	case head[0] == '{', head[0] == '[', head[0] == '"': // JSON
		return false
	case bytes.IndexByte(head, '<') < 0:
		return false
	}
	return anyElement.Match(head)
}

// unseenElements hold nothing that a reader sees.
var unseenElements = []atom.Atom{atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Select, atom.Textarea, atom.Address}

// inlineElements do not end a line.
var inlineElements = []atom.Atom{atom.A, atom.B, atom.I, atom.U, atom.Strong, atom.Em, atom.Span, atom.Font, atom.Small, atom.Code, atom.Td, atom.Th, atom.Sup, atom.Sub, atom.Tt, atom.Kbd, atom.Wbr, atom.Label, atom.Img}

// pageReader collects the texts of a page.
type pageReader struct {
	page
	text    []byte
	bold    string // that the line at hand begins with
	within  atom.Atom
	unseen  atom.Atom
	ruled   bool // a rule was drawn before the line at hand
	dropped int  // the lines before the last rule
}

func readPage(body []byte) *page {
	r := &pageReader{}
	z := html.NewTokenizer(bytes.NewReader(body[:min(len(body), maxPage)]))
	for {
		switch z.Next() {
		case html.ErrorToken:
			r.endLine()
			if r.ruled && len(r.lines) == r.dropped+1 { // the name of the server, below a rule
				r.lines = r.lines[:r.dropped]
			}
			if last := len(r.lines) - 1; last >= 0 && strings.HasPrefix(r.lines[last].text, "Powered by ") {
				r.lines = r.lines[:last]
			}
			return &r.page
		case html.TextToken:
			if r.unseen == 0 {
				r.text = append(r.text, z.Text()...)
			}
		case html.StartTagToken:
			r.start(z, false)
		case html.SelfClosingTagToken:
			r.start(z, true)
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(atom.Lookup(name))
		}
	}
}

// start takes the element that z is at. It may be empty, as <br/>.
func (r *pageReader) start(z *html.Tokenizer, isEmpty bool) {
	if r.unseen != 0 {
		return
	}
	name, hasAttributes := z.TagName()
	element := atom.Lookup(name)
	switch {
	case slices.Contains(unseenElements, element) && !isEmpty:
		r.endLine()
		r.unseen = element
	case slices.Contains(inlineElements, element):
		r.text = append(r.text, spaceOf(element)...)
	default:
		r.endLine()
		r.within = element
	}
	switch element {
	case atom.Hr:
		r.ruled, r.dropped = true, len(r.lines)
	case atom.Body:
		for hasAttributes {
			var key, value []byte
			if key, value, hasAttributes = z.TagAttr(); string(key) == "id" {
				r.bodyID = string(value)
			}
		}
	}
}

// spaceOf returns the space that an element without a line of its own puts between texts.
func spaceOf(element atom.Atom) string {
	switch element {
	case atom.Td, atom.Th, atom.Span:
		return " "
	}
	return ""
}

func (r *pageReader) end(element atom.Atom) {
	switch {
	case r.unseen != 0:
		if element == r.unseen {
			r.unseen = 0
		}
	case element == atom.B || element == atom.Strong || element == atom.Th:
		if text := fold(html.UnescapeString(string(r.text))); r.bold == "" {
			r.bold = text
		}
	case !slices.Contains(inlineElements, element):
		r.endLine()
		r.within = 0
	}
}

// fold returns a text with one space between its words.
func fold(text string) string {
	if isFolded(text) {
		return text
	}
	return strings.Join(strings.Fields(text), " ")
}

// isFolded reports whether a text in ASCII has one space between its words.
func isFolded(text string) bool {
	before := byte(' ')
	for i := range len(text) {
		c := text[i]
		isDouble := c == ' ' && before == ' '
		if c < ' ' || c >= utf8.RuneSelf || isDouble {
			return false
		}
		before = c
	}
	return text != "" && before != ' '
}

// maxLabel is how many words a label has at most.
const maxLabel = 3

// cutLabel returns the label of a line and the text after it, "" if it has no label.
func cutLabel(line string) (label, text string) {
	isJSON := line[0] == '{'
	if isJSON || !strings.ContainsAny(line, ":：") {
		return "", line
	}
	m := labelled.FindStringSubmatch(line)
	if m == nil || len(strings.Fields(m[1])) > maxLabel || strings.HasPrefix(m[2], "//") { // of a URL
		return "", line
	}
	return m[1], m[2]
}

var labelled = regexp.MustCompile(`^([^\s:：][^:：]{0,30}?)\s*[:：]\s*(.+)$`)

// endLine takes what was read of a line to where it belongs.
func (r *pageReader) endLine() {
	text, bold := fold(html.UnescapeString(string(r.text))), r.bold
	r.text, r.bold = r.text[:0], ""
	if text == "" {
		return
	}
	switch r.within {
	case atom.Title:
		r.title = cmp.Or(r.title, text)
		return
	case atom.H1, atom.H2, atom.H3:
		if !r.ruled || len(r.headings) == 0 {
			r.headings = append(r.headings, text)
		}
		return
	}
	line := pageLine{text: text}
	if label, rest := cutLabel(text); label != "" {
		line.label, line.text = label, rest
	} else if labelMeanings[plainLabel(bold)] != 0 {
		if rest := strings.TrimSpace(strings.TrimPrefix(text, bold)); rest != text && rest != "" {
			line.label, line.text = bold, rest
		}
	}
	r.lines = append(r.lines, line)
}

// What the label of a line means.
const (
	labelsCode = iota + 1
	labelsMessage
	labelsRequest
	labelsOther
)

// labelMeanings are the labels that pages of errors use, as plainLabel writes them.
var labelMeanings = func() map[string]int {
	m := map[string]int{}
	for meaning, labels := range map[int]string{
		labelsCode:    "code errorcode errcode errorcodeis 错误代码 错误码 错误编码 错误号 错误编号 状态码",
		labelsMessage: "message errormessage errormsg msg description errordescription reason detail details 错误信息 错误描述 错误消息 错误原因 原因 提示",
		labelsRequest: "requestid rayid traceid reference referenceid incidentid eventid supportid 请求id 请求编号 事件id 追踪id",
		labelsOther:   "type status uri url servlet exception note",
	} {
		for label := range strings.FieldsSeq(labels) {
			m[label] = meaning
		}
	}
	return m
}()

// plainLabel writes a label without case and separators.
func plainLabel(label string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, label)
}

// labelled returns the text of the first line whose label has a meaning.
func (g *page) labelled(meaning int) string {
	for _, l := range g.lines {
		if l.label != "" && labelMeanings[plainLabel(l.label)] == meaning {
			return l.text
		}
	}
	return ""
}

// emptyWords say nothing in a message.
var emptyWords = []string{"error", "http", "status", "code", "the", "a"}

// addsTo reports whether a text says something that another does not say. The status says nothing.
func addsTo(said, text string, status int) bool {
	said, text = strings.ToLower(said), strings.ToLower(text)
	for w, rest := nextWord(text); w != ""; w, rest = nextWord(rest) {
		isLast := strings.IndexFunc(rest, isOfWord) < 0 // perhaps cut off
		if saysWord(said, w, isLast) || slices.Contains(emptyWords, w) || w == strconv.Itoa(status) {
			continue
		}
		return true
	}
	return false
}

func isOfWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// nextWord returns the first word of a text, "" if there is none, and the text after it.
func nextWord(text string) (word, rest string) {
	from := strings.IndexFunc(text, isOfWord)
	if from < 0 {
		return "", ""
	}
	text = text[from:]
	end := strings.IndexFunc(text, func(c rune) bool { return !isOfWord(c) })
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end:]
}

// saysWord reports whether a text has a word, or one that begins with it.
func saysWord(text, word string, begun bool) bool {
	for w, rest := nextWord(text); w != ""; w, rest = nextWord(rest) {
		if w == word || begun && strings.HasPrefix(w, word) {
			return true
		}
	}
	return false
}

// message returns what a page says in words: its title and its heading, or its first text if one of
// them only repeats the other; all of a text without a title and a heading.
func (g *page) message(status int) string {
	said := g.title
	parts := 0
	if said != "" {
		parts++
	}
	for _, h := range g.headings {
		switch {
		case headingCode.MatchString(h) || parts == 2:
		case said == "" || !addsTo(h, said, status) && addsTo(said, h, status): // it says more
			said, parts = h, 1
		case addsTo(said, h, status):
			said, parts = joined(said, h), 2
		}
	}
	switch {
	case parts == 0:
		return g.allText()
	case parts == 1:
		if text := g.firstText(); addsTo(said, text, status) {
			said = joined(said, text)
		}
	}
	return said
}

func (g *page) allText() string {
	var all []string
	for _, l := range g.lines {
		if l.label != "" {
			all = append(all, l.label+": "+l.text)
		} else {
			all = append(all, l.text)
		}
	}
	return strings.Join(all, " ")
}

// firstText returns the message that a page labels as such, else its first line without a label.
func (g *page) firstText() string {
	if text := g.labelled(labelsMessage); text != "" {
		return text
	}
	for _, l := range g.lines {
		switch {
		case l.label != "":
		case excuses.isIn(l.text): // and the rest asks its readers for something
			return ""
		default:
			return l.text
		}
	}
	return ""
}

// excuses are in texts that say nothing about what failed.
var excuses = newVocabulary(`|sorry for the, |apologize for, |apologise for, |apologies for, |thank you for`)

// joined puts a text after another.
func joined(said, text string) string {
	if strings.IndexByte(".!?:", said[len(said)-1]) >= 0 || strings.HasSuffix(said, "。") || strings.HasSuffix(said, "！") {
		return said + " " + text
	}
	return said + ": " + text
}

var (
	// A heading or a title that names a code: Error 1020, of Cloudflare.
	headingCode = regexp.MustCompile(`(?i)^error\s*(?:code)?\s*[:#]?\s*(\d{4,6})$`)
	// The name of one of Squid's pages, which is the id of its body.
	squidCode = regexp.MustCompile(`^ERR_[A-Z_]+$`)
	// A code in the middle of a line.
	codeInLine = regexp.MustCompile(`(?i)\berror code\s*[:：#]?\s*([A-Z0-9][\w.-]*\d[\w.-]*\w|\d+)`)
)

// errorCodes are in lines that codeInLine may match.
var errorCodes = newVocabulary(`error code`)

// code returns the code that a page names, "" if there is none. The status is none.
func (g *page) code(status int) string {
	if c := strings.TrimRight(g.labelled(labelsCode), "."); isCodeOfPage(c, status) {
		return c
	}
	for _, h := range append([]string{g.title}, g.headings...) {
		if m := headingCode.FindStringSubmatch(h); m != nil {
			return m[1]
		}
	}
	for _, l := range g.lines {
		if !errorCodes.isIn(l.text) {
			continue
		}
		if m := codeInLine.FindStringSubmatch(l.text); m != nil && isCodeOfPage(m[1], status) {
			return m[1]
		}
	}
	if squidCode.MatchString(g.bodyID) {
		return g.bodyID
	}
	return ""
}

// isCodeOfPage reports whether a text that a page calls a code is one: a number, a word with
// digits, or a name that is not in lower case.
func isCodeOfPage(text string, status int) bool {
	switch {
	case len(text) > maxCode, statusOf(text) != 0, text == strconv.Itoa(status):
		return false
	case isDigits(text):
		return true
	}
	return isWord(text) && (saysErrorCode(text) || strings.ToLower(text) != text)
}

// appendPage writes what a page says as the JSON of an envelope. It writes nothing if the page
// names no code.
func (g *page) appendPage(dst []byte, status int) []byte {
	code := g.code(status)
	if code == "" {
		return dst
	}
	names := [...]string{"code", "message", "request_id"}
	message := g.message(status)
	if own := g.labelled(labelsMessage); own != "" && g.labelled(labelsCode) == code {
		message = own
	}
	request, _, _ := strings.Cut(g.labelled(labelsRequest), " ")
	dst = append(dst, '{')
	for i, text := range [...]string{code, message, request} {
		if text == "" {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, []byte(names[i])), ':')
		dst = appendQuoted(dst, []byte(text))
	}
	return append(dst, '}')
}
