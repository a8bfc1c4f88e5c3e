package enrich

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Problem is what Lint finds wrong at a place of a catalog file.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"` // "" where it is not about one code
	Text   string `json:"text"`
	Severe bool   `json:"severe"` // the catalog cannot be used; else it could be better
}

func (p Problem) String() string {
	level := "note"
	if p.Severe {
		level = "error"
	}
	text := p.Text
	if p.Code != "" {
		text = p.Code + ": " + text
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, level, text)
}

// Lint looks at the catalog files of a directory: each by itself, and whether they go together.
func Lint(dir fs.FS) (problems []Problem, err error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no catalogs: the directory holds no .yaml file")
	}
	severe := false
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		found := lintFile(path.Base(name), text)
		severe = severe || slices.ContainsFunc(found, func(p Problem) bool { return p.Severe })
		problems = append(problems, found...)
	}
	if !severe { // what each is by itself has been said; now what they are to each other
		if _, err := Load(dir); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				file, text, _ := strings.Cut(line, ": ")
				problems = append(problems, Problem{File: file, Line: 1, Column: 1, Text: text, Severe: true})
			}
		}
	}
	return problems, nil
}

// linter collects the problems of one file.
type linter struct {
	file     string
	where    func(path string) (line, column int)
	problems []Problem
}

func (l *linter) say(severe bool, at, code, format string, args ...any) {
	line, column := l.where(at)
	l.problems = append(l.problems, Problem{l.file, line, column, code, fmt.Sprintf(format, args...), severe})
}

func lintFile(file string, text []byte) []Problem {
	l := &linter{file: file, where: func(string) (int, int) { return 1, 1 }}
	tree, err := parser.ParseBytes(text, 0)
	if err == nil {
		l.where = func(at string) (line, column int) {
			for ; at != ""; at = at[:strings.LastIndexAny(at, ".[")] { // the nearest thing that is there
				p, err := yaml.PathString(at)
				if err != nil {
					break
				}
				if node, err := p.FilterFile(tree); err == nil && tokenOf(node) != nil {
					return position(tokenOf(node))
				}
				if at == "$" {
					break
				}
			}
			return 1, 1
		}
	}
	var c Catalog
	if err := yaml.NewDecoder(strings.NewReader(string(text)), yaml.Strict()).Decode(&c); err != nil {
		line, column, message := 1, 1, strings.TrimSpace(yaml.FormatError(err, false, false))
		var at yaml.Error
		if errors.As(err, &at) {
			message = at.GetMessage()
			if t := at.GetToken(); t != nil {
				line, column = position(t)
			}
		}
		return []Problem{{file, line, column, "", message, true}}
	}
	l.catalog(&c)
	return l.problems
}

func position(t *token.Token) (line, column int) { return t.Position.Line, t.Position.Column }

// tokenOf is where a node begins: of a mapping, its first key.
func tokenOf(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

func (l *linter) catalog(c *Catalog) {
	if c.Family == "" {
		l.say(true, "$", "", "no family: give it a name")
	}
	if c.Language == "" {
		l.say(true, "$", "", "no language: say in which language the page is, such as en or zh")
	}
	if len(c.Match.Prefixes)+len(c.Match.Dialects)+len(c.Match.Services) == 0 {
		l.say(true, "$.match", "", "no match: give prefixes, dialects or services by which its codes are known")
	}
	if c.Source.Title == "" {
		l.say(false, "$.source", "", "no source: name the page that the codes are from")
	}
	type identity struct {
		code, message string
		status        int
	}
	seen := map[identity]bool{}
	for i := range c.Codes {
		e, at := &c.Codes[i], fmt.Sprintf("$.codes[%d]", i)
		id := identity{e.Code, e.Message, e.Status}
		if seen[id] {
			l.say(true, at+".code", e.Code, "stands twice with the same status and message")
		}
		seen[id] = true
		l.entry(c, e, at)
	}
}

func (l *linter) entry(c *Catalog, e *Entry, at string) {
	switch {
	case e.Code == "":
		l.say(true, at, "", "an entry without a code")
	case len(c.Match.Prefixes) > 0 && !c.hasPrefix(e.Code):
		l.say(true, at+".code", e.Code, "begins with none of the prefixes %s", strings.Join(c.Match.Prefixes, ", "))
	}
	for _, f := range []struct {
		name, value string
		words       []string
	}{{"kind", e.Kind, Kinds}, {"retry", e.Retry, Retries}, {"owner", e.Owner, Owners}} {
		if !slices.Contains(f.words, f.value) {
			l.say(true, at+"."+f.name, e.Code, "%s %q is not one of %s", f.name, f.value, strings.Join(f.words, ", "))
		}
	}
	if e.Message == "" && e.Description == "" && e.Remedy == "" {
		l.say(true, at+".message", e.Code, "has neither message, description nor remedy")
	} else if e.Description == "" {
		l.say(false, at+".description", e.Code, "has no description")
	}
	switch {
	case e.Remedy == "" && c.Fallback.Remedy == "":
		l.say(false, at+".remedy", e.Code, "has no remedy, and the family no fallback")
	case e.Remedy != "" && plain(e.Remedy) == plain(e.Description):
		l.say(false, at+".remedy", e.Code, "the remedy only repeats the description")
	}
	if e.Message != "" {
		if other := lacking(e.Description, e.Message); other != "" {
			l.say(false, at+".description", e.Code, "the description has the placeholder %s, the message has not", other)
		}
	}
	for language, t := range e.Texts {
		for _, pair := range [][2]string{{t.Message, e.Message}, {t.Description, e.Description}, {t.Remedy, e.Remedy}} {
			if other := lacking(pair[0], pair[1]); pair[0] != "" && other != "" {
				l.say(false, at+".texts."+language, e.Code, "the translation has the placeholder %s, its source has not", other)
			}
			if other := lacking(pair[1], pair[0]); pair[0] != "" && other != "" {
				l.say(false, at+".texts."+language, e.Code, "the translation lacks the placeholder %s", other)
			}
		}
	}
}

// lacking gives the first placeholder of a text that another lacks.
func lacking(text, other string) string {
	for _, p := range placeholder.FindAllString(text, -1) {
		if !strings.Contains(other, p) {
			return p
		}
	}
	return ""
}

// plain is a text without what does not change its meaning.
func plain(text string) string {
	return strings.ToLower(strings.Join(strings.Fields(strings.Trim(text, ".。 ")), " "))
}
