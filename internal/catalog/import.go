package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Import brings a vendor's page into the catalogs of a folder.
type Import struct {
	Config
	File   string // the catalog file to merge with and to write; "": the family's file in Dir. The built-in catalogs cannot be written
	Family string // "": guessed
	Keep   bool   // keep the codes that the page does not have: the family has several pages
}

// Imported is a catalog that was made of a page. Write writes it.
type Imported struct {
	Family  string
	Name    string // of the catalog's file
	Text    []byte
	Merged  bool     // with a catalog that existed
	Changes []Change // what the page changed in that
	Invalid error    // why the set would not load with this catalog; nil: it would

	request Import
}

// Make names the family, finds the catalog to merge with, merges, and checks the set with the
// result. It writes nothing.
func (i Import) Make(p Publication) (Imported, error) {
	set, err := openOrNew(i.Config)
	if err != nil {
		return Imported{}, err
	}
	p.Family = i.Family
	if p.Family == "" {
		p.Family = guessName(set, p)
	}
	name, old, err := i.existing(set, p.Family)
	if err != nil {
		return Imported{}, err
	}
	text, changes, err := Merge(old, p, i.Keep)
	if err != nil {
		return Imported{}, fmt.Errorf("merge with %s: %w", name, err)
	}
	return Imported{Family: p.Family, Name: name, Text: text, Merged: old != nil, Changes: changes,
		Invalid: i.checkWith(name, text), request: i}, nil
}

// openOrNew opens the catalogs, whose folder may be empty or missing.
func openOrNew(cfg Config) (*Set, error) {
	if cfg.Dir != "" {
		if files, err := filepath.Glob(filepath.Join(cfg.Dir, "*.yaml")); err == nil && len(files) == 0 {
			cfg.Dir = ""
			if !cfg.BuiltIn {
				return &Set{}, nil
			}
		}
	}
	return Open(cfg)
}

// guessName names the family of a page: that of the catalog which knows its codes, else the codes'
// common prefix, else the name of the page's file.
func guessName(set *Set, p Publication) string {
	codes := make([]string, len(p.Codes))
	for i, e := range p.Codes {
		codes[i] = e.Code
	}
	if family := set.Recognise(codes); family != "" {
		return family
	}
	if prefix := CommonPrefix(codes); prefix != "" {
		return prefix
	}
	return strings.TrimSuffix(filepath.Base(p.File), filepath.Ext(p.File))
}

// existing returns the name and the content of the catalog to merge with: File if it exists, else
// the family's file in the set. If there is none, the content is nil and the name that of a new
// file.
func (i Import) existing(set *Set, family string) (name string, content []byte, err error) {
	if i.File != "" {
		content, err = os.ReadFile(i.File)
		if !errors.Is(err, fs.ErrNotExist) {
			return filepath.Base(i.File), content, err
		}
	}
	origin, content, err := set.fileOf(family)
	switch {
	case err != nil:
		return "", nil, err
	case content != nil:
		return origin.File, content, i.mayWrite(origin, family)
	case i.File != "":
		return filepath.Base(i.File), nil, nil
	}
	return fileName(family), nil, nil
}

// mayWrite returns an error if the file of a built-in family, which is written into the folder,
// would replace a file of another family there.
func (i Import) mayWrite(o Origin, family string) error {
	if o.Dir != "" || i.Dir == "" || i.File != "" {
		return nil
	}
	path := filepath.Join(i.Dir, o.File)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return fmt.Errorf("%s exists and is not of family %s: give --out another file", path, family)
}

// Describe writes what the page changed in a catalog that existed, and why the set would not load
// with the result.
func (m Imported) Describe(w io.Writer) {
	switch {
	case m.Merged && len(m.Changes) == 0:
		fmt.Fprintf(w, "%s has all of it already: no changes\n", m.Name)
	case m.Merged:
		fmt.Fprintf(w, "changes to %s (family %s):\n", m.Name, m.Family)
		for _, c := range m.Changes {
			fmt.Fprintf(w, "  %s\n", c)
		}
	}
	if m.Invalid != nil {
		fmt.Fprintf(w, "with this catalog the set is not valid:\n%v\n", m.Invalid)
	}
}

// Write writes the catalog into the file that was asked for, else into the family's file in the
// folder, which is created if it does not exist. It returns the file's path. If it fails, the file
// is as it was.
func (m Imported) Write() (path string, err error) {
	path = m.request.File
	if path == "" {
		path = filepath.Join(m.request.Dir, m.Name)
		if err := os.MkdirAll(m.request.Dir, 0o755); err != nil {
			return "", fmt.Errorf("write the catalog: %w", err)
		}
	}
	if err := replace(path, m.Text); err != nil {
		return "", fmt.Errorf("write the catalog %s: %w", path, err)
	}
	return path, nil
}

// replace writes a file as a whole, through a file beside it, so that nobody ever reads half of it.
// The file keeps its mode, and a link stays one. Its errors do not name the path.
func replace(path string, content []byte) (err error) {
	mode := fs.FileMode(0o644)
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return errors.New("it is a folder: give a file")
	case err == nil && !info.Mode().IsRegular(): // such as /dev/stdout
		return bare(os.WriteFile(path, content, mode))
	case err == nil:
		mode = info.Mode().Perm()
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return bare(err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return bare(err)
	}
	beside, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot create a file in folder %s: %w", filepath.Dir(path), bare(err))
	}
	defer func() {
		if err != nil {
			os.Remove(beside.Name())
		}
	}()
	_, err = beside.Write(content)
	err = cmp.Or(err, beside.Chmod(mode), beside.Sync())
	if err = cmp.Or(err, beside.Close()); err != nil {
		return bare(err)
	}
	return bare(os.Rename(beside.Name(), path))
}

// bare returns the cause of an error of the operating system, without the path.
func bare(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return link.Err
	}
	return err
}
