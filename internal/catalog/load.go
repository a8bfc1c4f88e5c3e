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
	"path/filepath"
	"sync"

	"errata/catalogs"
)

// Config says where catalogs come from.
type Config struct {
	Dir     string `mapstructure:"dir"`     // a folder of catalog files; "": none
	BuiltIn bool   `mapstructure:"builtin"` // use the built-in catalogs too, except for families that Dir has
}

// Default is the built-in catalogs alone.
var Default = Config{BuiltIn: true}

// Origin says where a family comes from.
type Origin struct {
	File    string // its name within its folder
	Dir     string // "": it is built in
	Instead bool   // of the built-in family of the same name
}

// String is a text such as "built in" or "catalogs/osm.yaml, in place of the built-in one".
func (o Origin) String() string {
	switch {
	case o.Dir == "":
		return "built in"
	case o.Instead:
		return filepath.Join(o.Dir, o.File) + ", in place of the built-in one"
	}
	return filepath.Join(o.Dir, o.File)
}

// Open loads the catalogs. Families of the folder come first, so that they win where two families
// claim the same dialect; one that replaces a built-in family takes its place.
func Open(cfg Config) (*Set, error) {
	files, err := cfg.files()
	if err != nil {
		return nil, err
	}
	s, err := load(files)
	if err != nil && cfg.Dir != "" {
		return nil, fmt.Errorf("catalogs.dir %s: %w", cfg.Dir, err)
	}
	return s, err
}

// files reads the catalog files. The folder may hold none if there are the built-in ones.
func (c Config) files() (files []file, err error) {
	if c.Dir == "" && !c.BuiltIn {
		return nil, errors.New("catalogs.builtin is false and catalogs.dir empty: there are no catalogs; name a folder, or use the built-in ones")
	}
	if c.Dir != "" {
		switch info, err := os.Stat(c.Dir); {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("catalogs.dir %s: there is no such folder: create it, or leave catalogs.dir empty for the built-in catalogs", c.Dir)
		case err == nil && !info.IsDir():
			return nil, fmt.Errorf("catalogs.dir %s: it is a file: give the folder that it is in", c.Dir)
		}
		files, err = readFiles(os.DirFS(c.Dir))
		if err != nil && !(c.BuiltIn && errors.Is(err, errNoFiles)) {
			return nil, fmt.Errorf("catalogs.dir %s: %w", c.Dir, err)
		}
		for i := range files {
			files[i].dir = c.Dir
		}
	}
	if c.BuiltIn {
		builtIn, err := readFiles(catalogs.FS)
		if err != nil {
			return nil, err
		}
		for i := range builtIn {
			builtIn[i].builtIn = true
		}
		files = append(files, builtIn...)
	}
	return files, nil
}

// Load reads all *.yaml files of a directory, in the order of their names. If one cannot be used,
// the error names every problem with its file, line and column.
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
	name    string
	text    []byte
	dir     string // as the settings name it
	builtIn bool
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
		files = append(files, file{name: path.Base(name), text: text})
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
	var own, builtIn []parsed
	for _, f := range files {
		p, found := parse(f)
		problems = append(problems, found...)
		switch {
		case anySevere(found):
		case f.builtIn:
			builtIn = append(builtIn, p)
		default:
			own = append(own, p)
		}
	}
	used := override(builtIn, own)
	problems = append(problems, lintTogether(used)...)
	for _, p := range used {
		s.Families = append(s.Families, p.family)
	}
	for i := range s.Families {
		s.add(&s.Families[i])
	}
	return s, problems
}

// parsed is a family with its file. Sets share its entries, so they never change.
type parsed struct {
	family Family
	source *source
}

// parse reads a file, and returns what is wrong with it by itself. A process reads a built-in file
// once, however often it loads the catalogs.
func parse(f file) (parsed, []Problem) {
	read := func() (parsed, []Problem) {
		source := parseSource(f)
		family, problems := source.family()
		return parsed{family, source}, problems
	}
	if !f.builtIn {
		return read()
	}
	once, _ := builtInFiles.LoadOrStore(f.name, sync.OnceValues(read))
	return once.(func() (parsed, []Problem))()
}

var builtInFiles sync.Map // of the result of parse, by name

// override returns the families to use: the new ones, and then the built-in ones, each replaced by
// those of its name.
func override(builtIn, own []parsed) (used []parsed) {
	named := func(name string, in []parsed) (found []parsed) {
		for _, p := range in {
			if p.family.Name == name {
				found = append(found, p)
			}
		}
		return found
	}
	for _, p := range own {
		if len(named(p.family.Name, builtIn)) == 0 {
			used = append(used, p)
		}
	}
	for _, p := range builtIn {
		instead := named(p.family.Name, own)
		if len(instead) == 0 {
			instead = []parsed{p}
		}
		for _, i := range instead {
			i.family.Origin.Instead = !i.source.builtIn
			used = append(used, i)
		}
	}
	return used
}

// add fills the indexes with a family's codes.
func (s *Set) add(f *Family) {
	own := newIndex()
	s.within[f.Name] = own
	for i := range f.Codes {
		e := &f.Codes[i]
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

// checkWith reports what would be wrong with the catalogs if the folder's file of that name had the
// content.
func (c Config) checkWith(name string, content []byte) error {
	var others []file
	if c.Dir != "" {
		var err error
		if others, err = readFiles(os.DirFS(c.Dir)); err != nil && !errors.Is(err, errNoFiles) {
			return err
		}
	}
	files := []file{{name: name, text: content}}
	for _, f := range others {
		if f.name != name {
			files = append(files, f)
		}
	}
	if c.BuiltIn {
		builtIn, err := Default.files()
		if err != nil {
			return err
		}
		files = append(files, builtIn...)
	}
	_, err := load(files)
	return err
}

// fileOf returns the name and the content of the family's file. Both are empty if no file is of
// that family.
func (s *Set) fileOf(family string) (o Origin, content []byte, err error) {
	for i := range s.Families {
		if f := &s.Families[i]; f.Name == family {
			folder := fs.FS(catalogs.FS)
			if f.Origin.Dir != "" {
				folder = os.DirFS(f.Origin.Dir)
			}
			content, err = fs.ReadFile(folder, f.Origin.File)
			return f.Origin, content, err
		}
	}
	return Origin{}, nil, nil
}
