package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is one thing that is wrong at a place of a catalog file.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"` // "" if the problem is not about one code
	Text   string `json:"text"`
	Severe bool   `json:"severe"` // the catalog cannot be used; otherwise it could be better

	builtIn bool // the file is
}

// String is a line of lint's output.
func (p Problem) String() string {
	level := "note"
	if p.Severe {
		level = "error"
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, level, p.subject())
}

// refusal is the text of an error: the catalog cannot be used.
func (p Problem) refusal() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.subject())
}

func (p Problem) subject() string {
	if p.Code != "" {
		return p.Code + ": " + p.Text
	}
	return p.Text
}

func anySevere(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severe })
}

// Lint returns what is wrong with the catalog files of the folder, or with the built-in ones if
// none is named: with each by itself, and with all of them together. It also returns the families
// that can be used, each with its origin.
func Lint(cfg Config) (problems []Problem, families []Family, err error) {
	files, err := cfg.files()
	if err != nil {
		return nil, nil, err
	}
	if cfg.Dir != "" && (len(files) == 0 || files[0].builtIn) {
		return nil, nil, fmt.Errorf("catalogs.dir %s: %w", cfg.Dir, errNoFiles)
	}
	s, problems := assemble(files)
	if cfg.Dir != "" {
		problems = slices.DeleteFunc(problems, func(p Problem) bool { return p.builtIn })
	}
	return problems, s.Families, nil
}

// The rules follow. Loading refuses a set that breaks a severe one; linting shows them all.

// linter collects the problems of one file.
type linter struct {
	source   *source
	problems []Problem
}

// refuse records a problem for which the catalog cannot be used, at a path such as $.codes[0].kind.
func (l *linter) refuse(path, code, format string, args ...any) {
	l.problems = append(l.problems, l.source.problem(path, code, true, fmt.Sprintf(format, args...)))
}

// note records what could be better.
func (l *linter) note(path, code, format string, args ...any) {
	l.problems = append(l.problems, l.source.problem(path, code, false, fmt.Sprintf(format, args...)))
}

func (l *linter) family(f *Family) {
	if f.Name == "" {
		l.refuse("$", "", "no family: give it a name")
	}
	if f.Language == "" {
		l.refuse("$", "", "no language: say in which language the page is, such as en or zh")
	}
	if len(f.Match.Prefixes)+len(f.Match.Dialects)+len(f.Match.Services) == 0 {
		l.refuse("$.match", "", "no match: give prefixes, dialects or services by which its codes are known")
	}
	if f.Source.Title == "" {
		l.note("$.source", "", "no source: name the page that the codes are from")
	}
	type identity struct {
		code, message string
		status        int
	}
	seen := map[identity]bool{}
	for i := range f.Codes {
		e, path := &f.Codes[i], fmt.Sprintf("$.codes[%d]", i)
		for _, code := range e.spellings() {
			id := identity{code, e.Message, e.Status}
			if seen[id] {
				l.refuse(path+".code", code, "stands twice with the same status and message")
			}
			seen[id] = true
		}
		l.facts(f, e, path)
		l.texts(f, e, path)
		l.translations(e, path)
	}
}

// facts checks an entry's code and the words that are ours.
func (l *linter) facts(f *Family, e *Entry, path string) {
	switch {
	case e.Code == "":
		l.refuse(path, "", "an entry without a code")
	case !f.bound() && !f.hasPrefix(e.Code):
		l.refuse(path+".code", e.Code, "begins with none of the prefixes %s", strings.Join(f.Match.Prefixes, ", "))
	}
	for _, field := range []struct {
		name, value string
		words       []string
	}{{"kind", e.Kind, Kinds}, {"retry", e.Retry, Retries}, {"owner", e.Owner, Owners}} {
		if !slices.Contains(field.words, field.value) {
			l.refuse(path+"."+field.name, e.Code, "%s %q is not one of %s", field.name, field.value, strings.Join(field.words, ", "))
		}
	}
}

// texts checks an entry's published texts.
func (l *linter) texts(f *Family, e *Entry, path string) {
	if e.Message == "" && e.Description == "" && e.Remedy == "" {
		l.refuse(path+".message", e.Code, "has neither message, description nor remedy")
	} else if e.Description == "" {
		l.note(path+".description", e.Code, "has no description")
	}
	switch {
	case e.Remedy == "" && f.Fallback.Remedy == "":
		l.note(path+".remedy", e.Code, "has no remedy, and the family no fallback")
	case e.Remedy != "" && plain(e.Remedy) == plain(e.Description):
		l.note(path+".remedy", e.Code, "the remedy only repeats the description")
	}
	if other := lacking(e.Description, e.Message); e.Message != "" && other != "" {
		l.note(path+".description", e.Code, "the description has the placeholder %s, the message has not", other)
	}
}

// translations checks that an entry's texts have the same placeholders in every language.
func (l *linter) translations(e *Entry, path string) {
	for _, language := range slices.Sorted(maps.Keys(e.Texts)) {
		t := e.Texts[language]
		for _, pair := range [][2]string{{t.Message, e.Message}, {t.Description, e.Description}, {t.Remedy, e.Remedy}} {
			translated, published := pair[0], pair[1]
			if translated == "" {
				continue
			}
			if other := lacking(translated, published); other != "" {
				l.note(path+".texts."+language, e.Code, "the translation has the placeholder %s, its source has not", other)
			}
			if other := lacking(published, translated); other != "" {
				l.note(path+".texts."+language, e.Code, "the translation lacks the placeholder %s", other)
			}
		}
	}
}

// lintTogether checks families against each other. A conflict with a built-in family is a problem
// of the other file.
func lintTogether(families []parsed) (problems []Problem) {
	names, prefixes := map[string]bool{}, map[string]*parsed{}
	for _, builtIn := range []bool{true, false} {
		for i := range families {
			if families[i].source.builtIn != builtIn {
				continue
			}
			f, l := &families[i].family, &linter{source: families[i].source}
			if names[f.Name] {
				l.refuse("$.family", "", "family %s stands in another file too", f.Name)
			}
			names[f.Name] = true
			for j, prefix := range f.Match.Prefixes {
				if other := prefixes[Fold(prefix)]; other != nil {
					l.refuse(fmt.Sprintf("$.match.prefixes[%d]", j), "", "the prefix %q is claimed by %s", prefix, other.claims(builtIn))
				}
				prefixes[Fold(prefix)] = &families[i]
			}
			problems = append(problems, l.problems...)
		}
	}
	return problems
}

// claims names a family that claims something that another one does too, and says what to do if it
// alone is built in.
func (p *parsed) claims(otherBuiltIn bool) string {
	if p.source.builtIn && !otherBuiltIn {
		return fmt.Sprintf("the built-in family %[1]s too: name this family %[1]s to replace it, or set catalogs.builtin to false", p.family.Name)
	}
	return "family " + p.family.Name + " too"
}

// lacking returns the first placeholder of a text that the other text lacks, "" if there is none.
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
