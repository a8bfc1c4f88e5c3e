// Package catalog holds the published error codes: one YAML file per vendor family.
//
//   - load.go reads and validates the files of a folder; rules.go is the one list of what may be
//     wrong with them, and serves loading and linting alike.
//   - lookup.go finds what is published about a live code; template.go matches live messages
//     against published ones; search.go finds entries by a piece of text or a misspelt code.
//   - merge.go brings a vendor's newer page into a file; stub.go drafts entries for codes that no
//     catalog lists; guess.go guesses what a page does not say; write.go writes the YAML of merged
//     and of drafted catalogs.
//   - watch.go loads the set again when a file changes.
//
// A Set never changes. Whoever holds one may use it from any goroutine.
package catalog

// Set is a validated set of catalogs, ready for look-ups. It does not change.
type Set struct {
	Version  string // a hash of the content: equal catalogs have equal versions on every machine
	Families []Family

	free   index            // the codes that mean the same in every dialect and service
	within map[string]index // the codes of each family, by its name
}

// Family is one family of error codes, as its vendor's page publishes them.
type Family struct {
	Name     string `yaml:"family" json:"Family"` // the version is a hash of the JSON
	Title    string
	Vendor   string
	Language string // of the page, and so of Message, Description and Remedy
	Source   Source
	Match    Match
	Fallback Fallback
	Codes    []Entry

	Origin Origin `yaml:"-" json:"-"`
}

// Source names the published page.
type Source struct{ Title, Date string }

// Match says which codes belong to the family. A code belongs to a family with prefixes if it
// begins with one of them and a separator. A family without prefixes lists codes that mean
// something only in its own dialects or services, such as Tencent Cloud's bare numbers.
type Match struct {
	Prefixes []string
	Dialects []string // of package parse
	Services []string // globs over the access log's service
}

// Fallback is what the page says about codes that it does not list.
type Fallback struct {
	Description string
	Remedy      string
	Texts       map[string]Texts // by language; translated by us
}

// Texts are an entry's texts in another language than the page's. An empty text is not translated.
type Texts struct{ Message, Description, Remedy string }

// Entry is one published code. Kind, Retry and Owner are our own reading of it.
type Entry struct {
	Code        string
	Status      int    // 0 where the page gives none
	Message     string // with its placeholders as published
	Description string
	Remedy      string
	Kind        string
	Retry       string
	Owner       string
	Success     bool `json:",omitempty"` // the page lists the code, and it means that the call succeeded
	Aliases     []string
	Texts       map[string]Texts // by language; translated by us

	template template
}

// The words that an Entry's Kind, Retry and Owner may be.
var (
	Kinds   = []string{"auth", "permission", "validation", "not_found", "conflict", "quota", "rate_limit", "billing", "dependency", "internal", "unavailable", "partial"}
	Retries = []string{"no", "later", "after_fix"}
	Owners  = []string{"caller", "operator", "vendor"}
)

// HTTP is the family of codes that are HTTP statuses.
const HTTP = "HTTP"

// Unknown stands for the family of a code that no catalog claims.
const Unknown = "unknown"

// Listed is an entry with the family that lists it.
type Listed struct {
	Family *Family
	Entry  *Entry
}

// each calls use with the entries of all families, in the order of the files and pages.
func (s *Set) each(use func(Listed)) {
	for i := range s.Families {
		for j := range s.Families[i].Codes {
			use(Listed{&s.Families[i], &s.Families[i].Codes[j]})
		}
	}
}
