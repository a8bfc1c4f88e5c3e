package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Search returns the entries that have a piece of text in one of their texts, in any language and
// in upper or lower case.
func (s *Set) Search(piece string) (found []Listed) {
	piece = strings.ToLower(strings.TrimSpace(piece))
	if piece == "" {
		return nil
	}
	s.each(func(l Listed) {
		texts := []string{l.Entry.Message, l.Entry.Description, l.Entry.Remedy}
		for _, t := range l.Entry.Texts {
			texts = append(texts, t.Message, t.Description, t.Remedy)
		}
		if slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), piece) }) {
			found = append(found, l)
		}
	})
	return found
}

// Near returns at most n published codes that differ little from one that is not published: by one
// letter, or in long codes by one in six.
func (s *Set) Near(code string, n int) (codes []string) {
	type near struct {
		code     string
		distance int
	}
	var all []near
	folded := Fold(code)
	s.each(func(l Listed) {
		d := levenshtein.ComputeDistance(folded, Fold(l.Entry.Code))
		if d <= max(1, len(code)/6) && !slices.ContainsFunc(all, func(o near) bool { return o.code == l.Entry.Code }) {
			all = append(all, near{l.Entry.Code, d})
		}
	})
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	for _, a := range all[:min(n, len(all))] {
		codes = append(codes, a.code)
	}
	return codes
}

// Languages returns the languages in which some catalog has texts, sorted.
func (s *Set) Languages() (all []string) {
	add := func(language string) {
		if !slices.Contains(all, language) {
			all = append(all, language)
		}
	}
	for i := range s.Families {
		add(s.Families[i].Language)
	}
	s.each(func(l Listed) {
		for language := range l.Entry.Texts {
			add(language)
		}
	})
	slices.Sort(all)
	return all
}

// TextsIn returns what is known about a code in a language: the published texts if the page is in
// that language, else our translation, and the published text where a translation is missing.
// translated reports whether any of them is ours.
func (k Known) TextsIn(language string) (t Texts, translated bool) {
	t.Description, t.Remedy = k.Texts()
	if k.Entry != nil {
		t.Message = k.Entry.Message
	}
	if k.Family == nil || language == "" || language == k.Family.Language {
		return t, false
	}
	fallback := k.Family.Fallback.Texts[language]
	own := fallback
	if k.Entry != nil {
		own = k.Entry.Texts[language]
		if k.Entry.Remedy == "" { // as in Known.Texts, in this language
			own.Remedy = fallback.Remedy
		}
	}
	in := Texts{cmp.Or(own.Message, t.Message), cmp.Or(own.Description, t.Description), cmp.Or(own.Remedy, t.Remedy)}
	return in, in != t
}
