package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"errata/catalogs"
)

// Open loads the catalogs of a folder, or the built-in ones if dir is "".
func Open(dir string) (*Set, error) {
	if dir != "" {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("catalogs.dir %s: there is no such folder: create it, or leave catalogs.dir empty for the built-in catalogs", dir)
		}
	}
	s, err := Load(Files(dir))
	if err != nil && dir != "" {
		return nil, fmt.Errorf("catalogs.dir %s: %w", dir, err)
	}
	return s, err
}

// Files returns the catalog files of a folder, or the built-in ones if dir is "".
func Files(dir string) fs.FS {
	if dir == "" {
		return catalogs.FS
	}
	return os.DirFS(dir)
}

// Load reads all *.yaml files of a directory, in the order of their names.
// If one cannot be used, the error names every problem with its file, line and column.
func Load(dir fs.FS) (*Set, error) {
	files, err := readFiles(dir)
	if err != nil {
		return nil, err
	}
	return load(files)
}

var errNoFiles = errors.New("no catalogs: the directory holds no .yaml file")

// file is a catalog as it is written.
type file struct {
	name string
	text []byte
}

func readFiles(dir fs.FS) (files []file, err error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errNoFiles
	}
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path.Base(name), text})
	}
	return files, nil
}

func load(files []file) (*Set, error) {
	s, problems := assemble(files)
	var severe []error
	for _, p := range problems {
		if p.Severe {
			severe = append(severe, errors.New(p.refusal()))
		}
	}
	if len(severe) > 0 {
		return nil, errors.Join(severe...)
	}
	content, err := json.Marshal(s.Families)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	s.Version = hex.EncodeToString(sum[:6])
	return s, nil
}

// assemble makes a set of the files that can be used, and returns what is wrong with any of them.
func assemble(files []file) (*Set, []Problem) {
	s := &Set{free: newIndex(), within: map[string]index{}}
	var problems []Problem
	var sources []*source
	for _, f := range files {
		source := parseSource(f)
		family, found := source.family()
		if problems = append(problems, found...); !anySevere(found) {
			s.Families = append(s.Families, family)
			sources = append(sources, source)
		}
	}
	problems = append(problems, lintTogether(s.Families, sources)...)
	for i := range s.Families {
		s.add(&s.Families[i])
	}
	return s, problems
}

// add fills the indexes with a family's codes.
func (s *Set) add(f *Family) {
	own := newIndex()
	s.within[f.Name] = own
	for i := range f.Codes {
		e := &f.Codes[i]
		e.template = compile(e.Message)
		for _, code := range e.spellings() {
			own.add(code, Listed{f, e})
			if !f.bound() {
				s.free.add(code, Listed{f, e})
			}
		}
	}
}

// spellings returns the code and its aliases.
func (e *Entry) spellings() []string { return append([]string{e.Code}, e.Aliases...) }

// CheckWith reports what would be wrong with the catalogs of dir if the file had the content.
func CheckWith(dir, name string, content []byte) error {
	others, err := readFiles(Files(dir))
	if err != nil && !errors.Is(err, errNoFiles) {
		return err
	}
	files := []file{{name, content}}
	for _, f := range others {
		if f.name != name {
			files = append(files, f)
		}
	}
	_, err = load(files)
	return err
}

// File returns the name and the content of the family's file in dir, or in the built-in set if dir
// is "". Both are empty if no file is of that family.
func (s *Set) File(dir, family string) (name string, content []byte, err error) {
	for i := range s.Families {
		if f := &s.Families[i]; f.Name == family {
			content, err = fs.ReadFile(Files(dir), f.file)
			return f.file, content, err
		}
	}
	return "", nil, nil
}
