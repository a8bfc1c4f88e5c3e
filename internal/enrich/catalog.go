package enrich

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"errata/catalogs"
)

// Catalog is one family of error codes, as its vendor's page publishes them.
type Catalog struct {
	Family   string
	Title    string
	Vendor   string
	Language string // of the page, and so of Message, Description and Remedy
	Source   Source
	Match    Match
	Fallback Fallback
	Codes    []Entry

	file string
}

// Source is the published page.
type Source struct{ Title, Date string }

// Match says which codes belong to the family. A family with prefixes is known by a code
// that begins with one of them and a separator. A family without lists codes that mean something
// only in its own dialects or services, such as Tencent Cloud's bare numbers.
type Match struct {
	Prefixes []string
	Dialects []string // of package parse
	Services []string // globs over the access log's service
}

// Fallback is what the page says of codes that it does not list.
type Fallback struct {
	Description string
	Remedy      string
	Texts       map[string]Texts // by language, ours
}

// Texts are an entry's texts in another language than the page's. What is "" is not translated.
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
	Aliases     []string
	Texts       map[string]Texts // by language, ours

	template template
}

// The words that an Entry's Kind, Retry and Owner may be.
var (
	Kinds   = []string{"auth", "permission", "validation", "not_found", "conflict", "quota", "rate_limit", "billing", "dependency", "internal", "unavailable", "partial"}
	Retries = []string{"no", "later", "after_fix"}
	Owners  = []string{"caller", "operator", "vendor"}
)

// Catalogs is a validated set of catalogs, ready for look-ups. It does not change.
type Catalogs struct {
	Version  string // a hash of the content, the same for the same catalogs on every machine
	Families []Catalog

	free   index            // the codes that mean the same in every dialect and service
	within map[string]index // the codes of each family
}

// index finds entries by code. Several entries may have one code.
type index struct {
	exact  map[string][]found // by code and alias as published
	folded map[string][]found // by Fold of those
}

func (x index) add(code string, f found) {
	x.exact[code] = append(x.exact[code], f)
	x.folded[Fold(code)] = append(x.folded[Fold(code)], f)
}

func (x index) find(code string) []found {
	if exact := x.exact[code]; len(exact) > 0 {
		return exact
	}
	return x.folded[Fold(code)]
}

func newIndex() index { return index{map[string][]found{}, map[string][]found{}} }

// found is an entry with the catalog it stands in.
type found struct {
	catalog *Catalog
	entry   *Entry
}

// Open loads the catalogs of a folder, or those that are built in when dir is "".
func Open(dir string) (*Catalogs, error) {
	if dir == "" {
		return Load(catalogs.FS)
	}
	c, err := Load(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("catalogs.dir %s: %w", dir, err)
	}
	return c, nil
}

// Load reads all *.yaml files of a directory, in the order of their names.
// The error of a bad set names each file, and the line or code in it.
func Load(dir fs.FS) (*Catalogs, error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no catalogs: the directory holds no .yaml file")
	}
	var files []file
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path.Base(name), text})
	}
	return load(files)
}

// file is a catalog as it is written.
type file struct {
	name string
	text []byte
}

func load(files []file) (*Catalogs, error) {
	c := &Catalogs{}
	var problems []error
	for _, f := range files {
		catalog, err := read(f.text)
		if err == nil {
			err = catalog.validate()
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.name, err))
			continue
		}
		catalog.file = f.name
		c.Families = append(c.Families, catalog)
	}
	if problems = append(problems, c.fill()); errors.Join(problems...) != nil {
		return nil, errors.Join(problems...)
	}
	content, err := json.Marshal(c.Families)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	c.Version = hex.EncodeToString(sum[:6])
	return c, nil
}

func read(text []byte) (c Catalog, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&c); errors.Is(err, io.EOF) {
		return c, errors.New("the file is empty")
	} else if err != nil {
		return c, errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	var second any
	if err := d.Decode(&second); !errors.Is(err, io.EOF) && second != nil {
		return c, errors.New("there is a second document behind a line of ---: give each family a file of its own")
	}
	return c, nil
}

func (c *Catalog) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Family == "" {
		bad("no family: give it a name")
	}
	if c.Language == "" {
		bad("no language: say in which language the page is, such as en or zh")
	}
	if len(c.Match.Prefixes)+len(c.Match.Dialects)+len(c.Match.Services) == 0 {
		bad("no match: give prefixes, dialects or services by which its codes are known")
	}
	for i := range c.Codes {
		e := &c.Codes[i]
		for _, field := range []struct {
			name, value string
			words       []string
		}{{"kind", e.Kind, Kinds}, {"retry", e.Retry, Retries}, {"owner", e.Owner, Owners}} {
			if !slices.Contains(field.words, field.value) {
				bad("code %q: %s %q is not one of %s", e.Code, field.name, field.value, strings.Join(field.words, ", "))
			}
		}
		if e.Code == "" {
			bad("entry %d has no code", i+1)
		} else if len(c.Match.Prefixes) > 0 && !c.hasPrefix(e.Code) {
			bad("code %q begins with none of the prefixes %s", e.Code, strings.Join(c.Match.Prefixes, ", "))
		}
		if e.Message == "" && e.Description == "" && e.Remedy == "" {
			bad("code %q has neither message, description nor remedy", e.Code)
		}
		e.template = compile(e.Message)
	}
	return errors.Join(problems...)
}

// fill makes the indexes. It is an error when two entries cannot be told apart.
func (c *Catalogs) fill() error {
	c.free, c.within = newIndex(), map[string]index{}
	var problems []error
	bad := func(f *Catalog, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: "+format, append([]any{f.file}, args...)...))
	}
	claimed := map[string]string{}
	for i := range c.Families {
		catalog := &c.Families[i]
		if _, twice := c.within[catalog.Family]; twice {
			bad(catalog, "family %s stands in another file too", catalog.Family)
		}
		own := newIndex()
		c.within[catalog.Family] = own
		for _, prefix := range catalog.Match.Prefixes {
			if other, taken := claimed[Fold(prefix)]; taken {
				bad(catalog, "the prefix %q is claimed by family %s too", prefix, other)
			}
			claimed[Fold(prefix)] = catalog.Family
		}
		for j := range catalog.Codes {
			f := found{catalog, &catalog.Codes[j]}
			for _, code := range append([]string{f.entry.Code}, f.entry.Aliases...) {
				for _, other := range own.exact[code] {
					if other.entry.Message == f.entry.Message && other.entry.Status == f.entry.Status {
						bad(catalog, "code %q stands twice with the same status and message", code)
					}
				}
				own.add(code, f)
				if !bound(catalog) {
					c.free.add(code, f)
				}
			}
		}
	}
	return errors.Join(problems...)
}

// bound tells whether a catalog's codes mean something only in its own dialects and services.
func bound(c *Catalog) bool { return len(c.Match.Prefixes) == 0 }

// Fold makes codes equal that differ in case and separators alone.
func Fold(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-' || r == '/' || r == ':' || r == ' ':
			return '.'
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, code)
}

// hasPrefix tells whether code begins with one of the family's prefixes and a separator.
func (c *Catalog) hasPrefix(code string) bool {
	folded := Fold(code)
	return slices.ContainsFunc(c.Match.Prefixes, func(p string) bool {
		return strings.HasPrefix(folded, Fold(p)+".")
	})
}

// Known is what the catalogs know of a live code.
type Known struct {
	Catalog *Catalog // nil: no family claims the code
	Entry   *Entry   // nil: the family does not list it
	Args    map[string]string
	Matched bool // the live message is Entry's, with Args in its placeholders
}

// Texts are the description and the remedy: the entry's own, else the family's fallback.
func (k Known) Texts() (description, remedy string) {
	if k.Catalog != nil {
		description, remedy = k.Catalog.Fallback.Description, k.Catalog.Fallback.Remedy
	}
	if k.Entry != nil {
		description = k.Entry.Description
		if k.Entry.Remedy != "" { // the page's general advice stands in where a code has none of its own
			remedy = k.Entry.Remedy
		}
	}
	return description, remedy
}

// Lookup finds what is published about a code that came in the given dialect, from the given service,
// under the given status and message; any of these may be empty. In order: a family bound to the
// dialect; the exact code; the code with another separator or case; a family bound to the service;
// a family known by the code's prefix.
func (c *Catalogs) Lookup(code, dialect, service string, status int, message string) Known {
	family, candidates := c.candidates(code, dialect, service)
	return choose(family, candidates, status, message)
}

// candidates are the entries that a code may mean, and the family if that is known by more than them.
func (c *Catalogs) candidates(code, dialect, service string) (*Catalog, []found) {
	for i := range c.Families {
		if f := &c.Families[i]; slices.Contains(f.Match.Dialects, dialect) {
			return f, c.within[f.Family].find(code)
		}
	}
	if candidates := c.free.find(code); len(candidates) > 0 {
		return nil, candidates
	}
	for i := range c.Families {
		f := &c.Families[i]
		if slices.ContainsFunc(f.Match.Services, func(glob string) bool { ok, _ := path.Match(glob, service); return ok }) {
			if candidates := c.within[f.Family].find(code); len(candidates) > 0 {
				return f, candidates
			}
		}
	}
	for i := range c.Families {
		if c.Families[i].hasPrefix(code) {
			return &c.Families[i], nil
		}
	}
	return nil, nil
}

// ElsewhereKnown gives the families, bound to dialects or services of their own, that list a code which Lookup
// does not find without those.
func (c *Catalogs) ElsewhereKnown(code string) (families []*Catalog) {
	for i := range c.Families {
		if f := &c.Families[i]; bound(f) && len(c.within[f.Family].find(code)) > 0 {
			families = append(families, f)
		}
	}
	return families
}

// choose tells several entries of one code apart: by the message, then by the status, else the
// first. Without any, only the family is known.
func choose(family *Catalog, candidates []found, status int, message string) Known {
	best, points := Known{Catalog: family}, -1
	for _, f := range candidates {
		args, matched := f.entry.template.match(message)
		p := 0
		if matched {
			p += 2
		}
		if status != 0 && f.entry.Status == status {
			p++
		}
		if p > points {
			best, points = Known{Catalog: f.catalog, Entry: f.entry, Args: args, Matched: matched}, p
		}
	}
	return best
}
