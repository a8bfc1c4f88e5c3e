package vendorpage

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// sourceFiles are the endings of files that are read as source code. All of these languages have
// strings in quotation marks, brackets and the comments of C or of a shell.
var sourceFiles = map[string]bool{".java": true, ".kt": true, ".scala": true, ".groovy": true, ".go": true, ".ts": true, ".tsx": true, ".js": true, ".jsx": true, ".mjs": true, ".cjs": true,
	".php": true, ".py": true, ".rb": true, ".rs": true, ".cs": true, ".c": true, ".h": true, ".hpp": true, ".cc": true, ".cpp": true, ".m": true, ".swift": true, ".dart": true, ".proto": true, ".thrift": true,
	".pl": true, ".pm": true, ".erl": true, ".hrl": true, ".lua": true, ".graphql": true, ".gql": true}

// lineComments match the marks of comments that are neither those of C nor those of a shell.
var lineComments = map[string]*regexp.Regexp{".erl": percents, ".hrl": percents, ".lua": twoDashes}

// erlangDefine matches a constant of Erlang: -define(E_LOCKED, "The gate is locked").
var erlangDefine = regexp.MustCompile(`(?m)^-define\(\s*(\w+)\s*,\s*("[^"\n]*"|-?\d{2,}|\{[^{}]*\})\s*\)\.`)

// phpTag matches the marks around a program in PHP.
var phpTag = regexp.MustCompile(`<\?php\b|\?>\s*$`)

var (
	percents  = regexp.MustCompile(`(?m)(^|\s)%+`)
	twoDashes = regexp.MustCompile(`(?m)(^|\s)--`)
)

// readSource reads a file of source code: its codes become grids, and its other lines hold no
// tables. It returns nil if the page is none, or if only its comments may hold codes, in HTML.
func readSource(name, text string) []part {
	ext := strings.ToLower(path.Ext(name))
	if !sourceFiles[ext] {
		return nil
	}
	if mark := lineComments[ext]; mark != nil {
		text = mark.ReplaceAllString(text, "$1//")
	}
	switch ext {
	case ".erl", ".hrl":
		text = erlangDefine.ReplaceAllString(text, "$1 = $2\n")
	case ".py":
		text = bracedClasses(text)
	case ".php":
		text = phpTag.ReplaceAllString(text, "")
	}
	about := enumErrors.MatchString(strings.TrimSuffix(path.Base(name), path.Ext(name)))
	grids := sourceGrids(text, 1, about)
	if len(grids) == 0 && strings.Contains(text, "<table") {
		return nil
	}
	parts := make([]part, len(grids))
	for i := range grids {
		grids[i].layout = "constants"
		parts[i].grid = &grids[i]
	}
	return parts
}

// pythonClass matches the first line of a class or a function.
var pythonClass = regexp.MustCompile(`^(\s*)((?:class|def)\s+\w.*):\s*(#.*)?$`)

// bracedClasses puts brackets around the bodies of Python's classes and functions, which only their
// indents show.
func bracedClasses(text string) string {
	lines := strings.Split(text, "\n")
	var open []int // the indents of the classes around a line
	for i, l := range lines {
		if strings.TrimSpace(l) == "" {
			continue
		}
		closing := ""
		for indent := indentOf(l); len(open) > 0 && open[len(open)-1] >= indent; open = open[:len(open)-1] {
			closing += "}; "
		}
		if strings.HasPrefix(strings.TrimSpace(l), "@") {
			l = "" // a decorator
		}
		if m := pythonClass.FindStringSubmatch(l); m != nil {
			open = append(open, len(m[1]))
			l = m[1] + m[2] + " {" + m[3]
		}
		lines[i] = closing + l
	}
	return strings.Join(lines, "\n") + strings.Repeat("}", len(open))
}

// sourceGrids reads the codes in source code: enumerations, constants with comments, maps from
// codes to messages, lists of objects. The constants of the file are known by name, so that a map
// may have them as its keys.
func sourceGrids(text string, line int, about bool) (grids []grid) {
	r := codeReader{constants: map[string]member{}, statuses: map[string]string{}}
	all := parseSource(text, line)
	about = about || announcesCodes.MatchString(all.head)
	r.walk(all, "", line, about)
	r.takeStatuses()
	r.gatherClasses()
	for i := range r.containers {
		r.containers[i].pairTexts()
		r.remember(r.containers[i])
	}
	used := map[string]bool{} // constants that are the keys or the texts of a map
	for i := range r.containers {
		r.containers[i].takeTexts(r.constants, used)
	}
	var keyed, others []container
	for _, c := range r.containers {
		if len(c.members) < 2 {
			continue
		}
		if r.resolve(&c, used) {
			keyed = append(keyed, c)
		} else {
			others = append(others, c)
		}
	}
	for _, c := range others {
		c.members = slices.DeleteFunc(c.members, func(m member) bool { return m.key.kind == tokenName && used[m.name()] })
		keyed = append(keyed, c)
	}
	mergeTexts(keyed)
	tellApart(keyed)
	for _, c := range keyed {
		for _, c := range c.parts() {
			if g := c.grid(); g != nil {
				grids = append(grids, *g)
			}
		}
	}
	slices.SortFunc(grids, func(a, b grid) int { return a.line - b.line })
	return grids
}

// container is a group of members: an enumeration, a map, a list of objects.
type container struct {
	name    string
	line    int
	about   bool // a name or a comment around it says that it is about errors
	members []member

	class    bool              // the body of a class
	statuses map[string]string // by name: of the items whose value is an HTTP status
}

// codeReader collects the containers of source code and the constants by name.
type codeReader struct {
	containers []container
	constants  map[string]member
	statuses   map[string]string // the HTTP statuses that a map gives to codes, by their names
	function   string            // the name of the one whose body is being read
}

// walk looks for containers in a group. The names and comments around it say what it is about.
func (r *codeReader) walk(g *codeGroup, name string, line int, about bool) {
	if texts := g.oneLanguage(); texts != nil {
		r.walkInside(*texts, name, about)
		return
	}
	c := container{name: name, line: line, about: about, statuses: map[string]string{}}
	for i, it := range g.items {
		if i+1 < len(g.items) && it.comment == "" {
			it.comment = g.items[i+1].docstring(it)
		}
		c.add(it)
		r.walkInside(it, name, about)
	}
	r.containers = append(r.containers, c)
}

// oneLanguage returns the texts in English, or else the first ones, of a group that has the same in
// several languages, or nil: {en: {…}, de: {…}}.
func (g *codeGroup) oneLanguage() (texts *codeItem) {
	for i := range g.items {
		key, value := g.items[i].split()
		if key.kind == tokenMark || !languageName.MatchString(key.text) || len(value) == 0 || value[len(value)-1].kind != tokenGroup {
			return nil
		}
		if texts == nil || strings.HasPrefix(strings.ToLower(key.text), "en") {
			texts = &g.items[i]
		}
	}
	if len(g.items) < 2 {
		return nil
	}
	return texts
}

// takeStatuses takes the containers that only give codes their statuses, {NotFound: 404}, out of
// the others, and the statuses into their members. The codes are constants further up, or the keys
// of a map to texts.
func (r *codeReader) takeStatuses() {
	known := map[string]int{} // the lines of the codes
	for _, c := range r.containers {
		for _, m := range c.members {
			switch {
			case m.key.kind == tokenString && len(m.texts) > 0:
				known[m.name()] = 0
			case m.key.kind == tokenName && m.string && (m.keyed() || codeStrength(m.texts[0]) > noCode):
				known[m.name()] = m.line
			}
		}
	}
	for i, c := range r.containers {
		if len(c.statuses) >= 2 && c.onlyStatuses(known) {
			maps.Copy(r.statuses, c.statuses)
			r.containers[i].members = nil
		}
	}
	for _, c := range r.containers {
		for i, m := range c.members {
			c.members[i].status = cmp.Or(m.status, r.statuses[m.name()])
		}
	}
}

// gatherClasses makes one list of the classes of which each is an error: they name its code, all in
// the same way, and what is published with it.
func (r *codeReader) gatherClasses() {
	lists := map[string][]int{} // the classes by the name of their codes
	var order []string
	seen := map[string]bool{}
	for i, c := range r.containers {
		_, code := c.object()
		if !c.class || code.text == "" || seen[code.text] {
			continue
		}
		if seen[code.text] = true; lists[code.name] == nil {
			order = append(order, code.name)
		}
		lists[code.name] = append(lists[code.name], i)
	}
	for _, name := range order {
		if len(lists[name]) < 2 {
			continue
		}
		list := container{line: r.containers[lists[name][0]].line, about: true}
		for _, i := range lists[name] {
			c := &r.containers[i]
			m, _ := c.object()
			list.members, list.about = append(list.members, m), list.about && (c.about || enumErrors.MatchString(c.name))
			c.members = nil
		}
		r.containers = append(r.containers, list)
	}
}

// object reads a container as one object, and returns its code. The code is empty if it has none,
// or if no text is beside it.
func (c container) object() (m member, code field) {
	m = member{key: token{kind: tokenMark}, line: c.line}
	said := false
	for _, of := range c.members {
		values := append(slices.Clone(of.texts), of.numbers...)
		if of.key.kind != tokenName || len(values) != 1 {
			return m, field{}
		}
		heading := inWords(of.name())
		if kindOf(heading) == ofCode && codeStrength(values[0]) > noCode {
			code = cmp.Or(code, field{heading, values[0]})
		}
		said = said || prose(values[0])
		m.fields = append(m.fields, field{heading, values[0]})
	}
	for name, status := range c.statuses {
		if !slices.ContainsFunc(c.members, func(of member) bool { return of.name() == name }) {
			m.fields = append(m.fields, field{inWords(name), status})
		}
	}
	if !said {
		return m, field{}
	}
	return m, code
}

// inWords returns a name as its words: default_code, defaultCode.
func inWords(name string) string {
	return strings.ReplaceAll(humps.ReplaceAllString(name, "$1 $2"), "_", " ")
}

// onlyStatuses reports whether a container gives nothing but the statuses of codes that are known
// from lines above it.
func (c container) onlyStatuses(known map[string]int) bool {
	for name := range c.statuses {
		if line, is := known[name]; !is || line >= c.line {
			return false
		}
	}
	return !slices.ContainsFunc(c.members, func(m member) bool { return c.statuses[m.name()] == "" })
}

// add adds an item if it is a member.
func (c *container) add(it codeItem) {
	m, ok := it.member()
	if said := m.onlyStatus(); ok && said != "" {
		c.statuses[m.name()] = said
	}
	_, object := it.errorObject()
	if !ok || len(m.texts)+len(m.numbers)+len(m.fields) == 0 && !m.counts && m.ref == "" || it.declares() && object == nil || it.computed() || it.option() || it.pairs() || it.unnamed() || fallsBack(m.key) {
		return
	}
	if m.of = c.name; m.counts && len(c.members) > 0 {
		m.countOn(c.members[len(c.members)-1])
	}
	c.members = append(c.members, m)
	if len(it.tokens) > 1 && it.tokens[0].kind == tokenName && it.tokens[1].kind == tokenGroup { // GateErrors["LOCKED"] = …
		c.about = c.about || enumErrors.MatchString(it.tokens[0].text)
	}
}

// walkInside walks through the groups of an item.
func (r *codeReader) walkInside(it codeItem, name string, about bool) {
	outer := r.function
	about = about || it.aboutErrors()
	if r.function = cmp.Or(it.function(), outer); it.switches() {
		about, name = about || enumErrors.MatchString(r.function), cmp.Or(r.function, name)
	}
	for i, t := range it.tokens {
		switch {
		case t.kind != tokenGroup:
		case t.text == "{" && it.tokens[0].text == "def" && !it.switches(): // statements, which are no members
			for _, inner := range t.group.items {
				r.walkInside(inner, name, about)
			}
		case t.text != "(" || len(it.tokens) <= 3 || i > 0 && (it.tokens[i-1].text == "=" || it.tokens[i-1].text == "array"):
			r.walk(t.group, cmp.Or(it.title(), name), it.line, about)
			r.containers[len(r.containers)-1].class = it.declares() && t.text == "{"
		}
	}
	r.function = outer
}

// remember keeps the constants of a container by name, numbers rather than texts about these.
func (r *codeReader) remember(c container) {
	for _, m := range c.members {
		if m.key.kind != tokenName || !m.string && (len(m.numbers) != 1 || len(m.texts) > 0) {
			continue
		}
		if was, known := r.constants[m.name()]; !known || was.string && !m.string {
			r.constants[m.name()] = m
		}
	}
}

// takeTexts gives codes the texts of the constants that are their values: case 1: text = BAD_NAME.
// It takes the others without a text out.
func (c *container) takeTexts(constants map[string]member, used map[string]bool) {
	c.members = slices.DeleteFunc(c.members, func(m member) bool {
		return m.ref != "" && (!constants[m.ref].string || codeStrength(constants[m.ref].texts[0]) >= number)
	})
	for i, m := range c.members {
		if m.ref != "" {
			c.members[i].texts = constants[m.ref].texts
			used[m.ref] = true
		}
	}
}

// resolve replaces the keys of a map that are constants by their values. It reports whether all
// keys are codes and all values are texts.
func (r *codeReader) resolve(c *container, used map[string]bool) bool {
	var found []member
	for _, m := range c.members {
		k, known := r.constants[m.name()]
		if m.key.kind != tokenName || !known || m.line == k.line || strings.Join(m.texts, "") == "" && len(m.fields) == 0 {
			return false
		}
		m.comment, m.errorKey = cmp.Or(m.comment, k.comment), enumErrors.MatchString(m.key.text+" "+k.of)
		if m.key.kind = tokenString; k.string {
			m.key.text = k.texts[0]
		} else {
			m.key.text = k.numbers[0]
		}
		m.numbers = nil
		found = append(found, m)
	}
	for _, m := range c.members {
		used[m.name()] = true
	}
	c.members = found
	c.about = c.about || c.saysFaults()
	return true
}

// mergeTexts gives the texts for the names of an enumeration its comments, and takes these names
// from it. The names have no values that could be the codes.
func mergeTexts(all []container) {
	type place struct {
		enum    int
		comment string
	}
	named := map[string]place{} // the first enumeration with a name
	for i, enum := range all {
		for _, m := range enum.members {
			if m.key.kind == tokenName && len(m.texts)+len(m.fields)+len(m.numbers) == 0 && m.comment != "" && named[m.name()].comment == "" {
				named[m.name()] = place{i, m.comment}
			}
		}
	}
	for k, texts := range all {
		if len(named) == 0 || len(texts.members) < 2 {
			continue
		}
		i := named[texts.members[0].name()].enum
		if i == k || slices.ContainsFunc(texts.members, func(m member) bool {
			return m.key.kind != tokenName || len(m.texts) == 0 || named[m.name()].comment == "" || named[m.name()].enum != i
		}) {
			continue
		}
		merged := map[string]bool{}
		for at := range texts.members {
			m := &texts.members[at]
			m.comment, merged[m.name()] = cmp.Or(m.comment, named[m.name()].comment), true
		}
		all[i].members = slices.DeleteFunc(all[i].members, func(e member) bool { return merged[e.name()] })
		all[k].about = texts.about || all[i].about
	}
}

// tellApart keeps what is around containers from vouching for other lists: for one that is named
// after other things, and for one whose texts say nothing wrong beside a container that is itself
// named after errors, or whose texts do.
func tellApart(all []container) {
	named := func(c container) bool { return enumErrors.MatchString(c.name) }
	beside := slices.ContainsFunc(all, func(c container) bool { return named(c) || c.saysFaults() })
	for i, c := range all {
		if !named(c) && (otherNames.MatchString(c.name) || beside && !c.saysFaults()) {
			all[i].about = false
		}
	}
}

// otherNames matches the name of a list of things that have codes and are no errors.
var otherNames = regexp.MustCompile(`(?i:^|_)(?:region|countr(?:y|ie)|currenc(?:y|ie)|language|locale|(?:time)?zone|city|citie|bank|airport|carrier|unit|color|weekday|month)(?:s|[A-Z_]|$)|(?:Region|Countr(?:y|ie)|Currenc(?:y|ie)|Language|Locale|Zone|Cit(?:y|ie)|Bank|Airport|Carrier|Unit|Color|Weekday|Month)(?:s|[A-Z_]|$)`)

// saysFaults reports whether most members of a container say what is wrong, or are named after
// errors.
func (c container) saysFaults() bool {
	n := 0
	for _, m := range c.members {
		text := strings.Join(m.texts, " ") + " " + m.comment
		for _, f := range m.fields {
			text += " " + f.text
		}
		if m.errorKey || saysFault(text) || enumErrors.MatchString(m.key.text) {
			n++
		}
	}
	return 2*n >= len(c.members)
}
