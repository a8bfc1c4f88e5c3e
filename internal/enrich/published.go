package enrich

import (
	"slices"
	"strings"

	"errata/internal/parse"
)

// Explain makes the Event of an envelope whose message is redacted, which came from a service under an HTTP status: what an
// ingester with these catalogs stores. A stored row has all that this asks for, so history can be explained anew.
func (c *Catalogs) Explain(envelope parse.Envelope, service string, status int) Event {
	e := Event{Envelope: envelope, Family: UnknownFamily, CatalogVersion: c.Version}
	k := c.Lookup(e.Code, e.Dialect, service, status, e.Message)
	if k.Catalog != nil {
		e.Family = k.Catalog.Family
	}
	if k.Entry != nil {
		e.Known, e.CatalogCode, e.Kind, e.Retry, e.Owner = true, k.Entry.Code, k.Entry.Kind, k.Entry.Retry, k.Entry.Owner
	}
	e.Description, e.Remedy = k.Texts()
	if e.Family == HTTPFamily {
		e.Known = true // every status is a code of the protocol, listed or not
	}
	if k.Matched {
		e.Template, e.Args = k.Entry.Message, k.Args
	}
	return e
}

// Meaning is what sums keep of what a code means.
type Meaning struct{ Family, Kind string }

// Meanings are all that a code may mean in a dialect and a service, whatever its status and message; first what it means without these.
func (c *Catalogs) Meanings(code, dialect, service string) []Meaning {
	family, candidates := c.candidates(code, dialect, service)
	if len(candidates) == 0 {
		if family == nil {
			return []Meaning{{Family: UnknownFamily}}
		}
		return []Meaning{{Family: family.Family}}
	}
	first := choose(family, candidates, 0, "")
	all := []Meaning{{first.Catalog.Family, first.Entry.Kind}}
	for _, f := range candidates {
		if m := (Meaning{f.catalog.Family, f.entry.Kind}); !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// Entries are all that a family publishes under a code, or under the code with another separator or case.
func (c *Catalogs) Entries(family, code string) (entries []*Entry) {
	for _, f := range c.within[family].find(code) {
		entries = append(entries, f.entry)
	}
	return entries
}

// Matches tells whether a live message is the entry's, whatever its placeholders stand for.
func (e *Entry) Matches(message string) bool {
	_, matched := e.template.match(message)
	return matched
}

// Matches tells whether a live message is the published one, whatever its placeholders stand for.
func Matches(published, message string) bool {
	_, matched := compile(published).match(message)
	return matched
}

// separators are what Fold makes equal, and the dot that it makes of them.
const separators = "._-/: "

// GuessPrefix guesses by which prefix the vendor of a code that no catalog claims tells its codes from others': what stands
// before the number at the end ("JOB_MANAGER" of JOB_MANAGER_12050009), else before the first separator ("BILLING" of
// BILLING:quota). It is "" where the code has none: a bare number, one word, or words that an underscore joins (NOT_FOUND).
func GuessPrefix(code string) string {
	last := strings.LastIndexAny(code, separators)
	if last < 0 {
		return ""
	}
	at := strings.IndexAny(code, separators)
	if number := code[last+1:]; number != "" && strings.Trim(number, "0123456789") == "" {
		at = last
	} else if !strings.ContainsAny(code, separators[:1]+separators[2:]) && !strings.ContainsAny(code, "0123456789") {
		return ""
	}
	prefix := code[:at]
	if strings.Trim(prefix, separators+"0123456789") == "" {
		return "" // 400.1001: numbers are nobody's
	}
	return prefix
}
