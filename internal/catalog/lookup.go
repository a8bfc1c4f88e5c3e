package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Fold makes codes equal that differ only in case and separators.
func Fold(code string) string {
	return strings.Map(fold, code)
}

func fold(r rune) rune {
	switch {
	case r == '_' || r == '-' || r == '/' || r == ':' || r == ' ':
		return '.'
	case 'a' <= r && r <= 'z':
		return r - 'a' + 'A'
	}
	return r
}

// separators are the characters that Fold makes equal, and the dot that it makes of them.
const separators = "._-/: "

// bound reports whether the family's codes mean something only in its own dialects and services.
func (f *Family) bound() bool { return len(f.Match.Prefixes) == 0 }

// hasPrefix reports whether a code begins with one of the family's prefixes and a separator. Codes
// that no family lists are compared with the prefixes of all.
func (f *Family) hasPrefix(code string) bool {
	return slices.ContainsFunc(f.Match.Prefixes, func(p string) bool {
		if len(code) <= len(p) || fold(rune(code[len(p)])) != '.' {
			return false
		}
		for i := range len(p) {
			if fold(rune(code[i])) != fold(rune(p[i])) {
				return false
			}
		}
		return true
	})
}

// index finds entries by code. Several entries may have one code.
type index struct {
	exact  map[string][]Listed // by code and alias as published
	folded map[string][]Listed // by Fold of those
}

func newIndex() index { return index{map[string][]Listed{}, map[string][]Listed{}} }

func (x index) add(code string, l Listed) {
	x.exact[code] = append(x.exact[code], l)
	x.folded[Fold(code)] = append(x.folded[Fold(code)], l)
}

func (x index) find(code string) []Listed {
	if exact := x.exact[code]; len(exact) > 0 {
		return exact
	}
	return x.folded[Fold(code)]
}

// Known is what the catalogs know about a live code.
type Known struct {
	Family  *Family // nil: no family claims the code
	Entry   *Entry  // nil: the family does not list it
	Args    map[string]string
	Matched bool // the live message is Entry's, with Args in its placeholders
}

// Texts returns the description and the remedy: the entry's own, else the family's fallback.
func (k Known) Texts() (description, remedy string) {
	if k.Family != nil {
		description, remedy = k.Family.Fallback.Description, k.Family.Fallback.Remedy
	}
	if k.Entry != nil {
		description = k.Entry.Description
		if k.Entry.Remedy != "" { // a code without a remedy of its own has the page's general advice
			remedy = k.Entry.Remedy
		}
	}
	return description, remedy
}

// Lookup finds what is published about a code that came in the given dialect, from the given
// service, under the given status and message; any of these may be empty. In order: a family bound
// to the dialect; the exact code; the code with another separator or case; a family bound to the
// service; a family known by the code's prefix.
func (s *Set) Lookup(code, dialect, service string, status int, message string) Known {
	family, candidates := s.candidates(code, dialect, service)
	return choose(family, candidates, status, message)
}

// InFamily finds what a family publishes about a code, whatever the dialect and service. It is for
// rows that name their family. Family is nil if the set has none of that name.
func (s *Set) InFamily(family, code string, status int, message string) Known {
	for i := range s.Families {
		if f := &s.Families[i]; f.Name == family {
			return choose(f, s.within[family].find(code), status, message)
		}
	}
	return Known{}
}

// Standing reports whether a code of a dialect and a service is listed, other than as an HTTP
// status, and whether all of its entries say that it means success.
func (s *Set) Standing(code, dialect, service string) (listed, success bool) {
	_, all := s.candidates(code, dialect, service)
	success = true
	for _, l := range all {
		if l.Family.Name != HTTP {
			listed, success = true, success && l.Entry.Success
		}
	}
	return listed, listed && success
}

// CodesHash is a hash of all that Standing depends on.
func (s *Set) CodesHash() string {
	h := sha256.New()
	for i := range s.Families {
		f := &s.Families[i]
		fmt.Fprintf(h, "%q %q %q\n", f.Name, f.Match.Dialects, f.Match.Services)
		for j := range f.Codes {
			e := &f.Codes[j]
			fmt.Fprintf(h, "%q %q %v\n", e.Code, e.Aliases, e.Success)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// candidates returns the entries that a code may mean, and the family if more than they show it.
func (s *Set) candidates(code, dialect, service string) (*Family, []Listed) {
	for i := range s.Families {
		if f := &s.Families[i]; slices.Contains(f.Match.Dialects, dialect) {
			return f, s.within[f.Name].find(code)
		}
	}
	if candidates := s.free.find(code); len(candidates) > 0 {
		return nil, candidates
	}
	for i := range s.Families {
		f := &s.Families[i]
		if slices.ContainsFunc(f.Match.Services, func(glob string) bool { return globMatches(glob, service) }) {
			if candidates := s.within[f.Name].find(code); len(candidates) > 0 {
				return f, candidates
			}
		}
	}
	for i := range s.Families {
		if s.Families[i].hasPrefix(code) {
			return &s.Families[i], nil
		}
	}
	return nil, nil
}

// globMatches is path.Match. Every error is compared with the globs of all families, and mostly the
// first byte says that it does not match.
func globMatches(glob, text string) bool {
	if glob != "" && (text == "" || text[0] != glob[0]) && strings.IndexByte(`*?[\`, glob[0]) < 0 {
		return false
	}
	ok, _ := path.Match(glob, text)
	return ok
}

// choose tells several entries of one code apart: by the message, then by the status, else it takes
// the first. Without entries, only the family is known.
func choose(family *Family, candidates []Listed, status int, message string) Known {
	best, points := Known{Family: family}, -1
	for _, l := range candidates {
		args, matched := l.Entry.template.match(message)
		p := 0
		if matched {
			p += 2
		}
		if status != 0 && l.Entry.Status == status {
			p++
		}
		if p > points {
			best, points = Known{Family: l.Family, Entry: l.Entry, Args: args, Matched: matched}, p
		}
	}
	return best
}

// Publishers returns the families that list a code, also those in whose dialects or services alone
// it means something.
func (s *Set) Publishers(code string) (families []*Family) {
	for i := range s.Families {
		if f := &s.Families[i]; len(s.within[f.Name].find(code)) > 0 {
			families = append(families, f)
		}
	}
	return families
}

// Entries returns all that a family publishes under a code, or under the code with another
// separator or case.
func (s *Set) Entries(family, code string) (entries []*Entry) {
	for _, l := range s.within[family].find(code) {
		entries = append(entries, l.Entry)
	}
	return entries
}

// Meaning is what rollups keep of what a code means.
type Meaning struct{ Family, Kind string }

// Meanings returns all that a code may mean in a dialect and a service, whatever its status and
// message. The first is what it means without these.
func (s *Set) Meanings(code, dialect, service string) []Meaning {
	family, candidates := s.candidates(code, dialect, service)
	if len(candidates) == 0 {
		if family == nil {
			return []Meaning{{Family: Unknown}}
		}
		return []Meaning{{Family: family.Name}}
	}
	first := choose(family, candidates, 0, "")
	all := []Meaning{{first.Family.Name, first.Entry.Kind}}
	for _, l := range candidates {
		if m := (Meaning{l.Family.Name, l.Entry.Kind}); !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// Recognise returns the family that knows more than half of the codes, "" if none does.
func (s *Set) Recognise(codes []string) string {
	for i := range s.Families {
		f := &s.Families[i]
		n := 0
		for _, code := range codes {
			if f.hasPrefix(code) || len(s.within[f.Name].find(code)) > 0 {
				n++
			}
		}
		if n*2 > len(codes) {
			return f.Name
		}
	}
	return ""
}
