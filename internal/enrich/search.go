package enrich

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Listed is an entry with the catalog it stands in.
type Listed struct {
	Catalog *Catalog
	Entry   *Entry
}

// all are the entries of all families, in the order of the files and pages.
func (c *Catalogs) all(use func(Listed)) {
	for i := range c.Families {
		for j := range c.Families[i].Codes {
			use(Listed{&c.Families[i], &c.Families[i].Codes[j]})
		}
	}
}

// Search gives the entries one of whose texts, in any language, has a piece of text in it, in upper or lower case.
func (c *Catalogs) Search(piece string) (found []Listed) {
	piece = strings.ToLower(strings.TrimSpace(piece))
	if piece == "" {
		return nil
	}
	c.all(func(l Listed) {
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

// Near gives at most n published codes that differ little from one that is not: a letter or two, in codes of some length.
func (c *Catalogs) Near(code string, n int) (codes []string) {
	type near struct {
		code     string
		distance int
	}
	var all []near
	folded := Fold(code)
	c.all(func(l Listed) {
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

// Languages are those in which some catalog has texts, sorted.
func (c *Catalogs) Languages() (all []string) {
	add := func(language string) {
		if !slices.Contains(all, language) {
			all = append(all, language)
		}
	}
	for i := range c.Families {
		add(c.Families[i].Language)
	}
	c.all(func(l Listed) {
		for language := range l.Entry.Texts {
			add(language)
		}
	})
	slices.Sort(all)
	return all
}

// TextsIn are what is known of a code in a language: the published texts where that is the page's, else our translation, and where
// there is none of a text, the published one. translated tells whether any is ours.
func (k Known) TextsIn(language string) (t Texts, translated bool) {
	t.Description, t.Remedy = k.Texts()
	if k.Entry != nil {
		t.Message = k.Entry.Message
	}
	if k.Catalog == nil || language == "" || language == k.Catalog.Language {
		return t, false
	}
	fallback := k.Catalog.Fallback.Texts[language]
	own := fallback
	if k.Entry != nil {
		own = k.Entry.Texts[language]
		if k.Entry.Remedy == "" { // the family's general advice stands in, in this language too
			own.Remedy = fallback.Remedy
		}
	}
	in := Texts{cmp.Or(own.Message, t.Message), cmp.Or(own.Description, t.Description), cmp.Or(own.Remedy, t.Remedy)}
	return in, in != t
}
