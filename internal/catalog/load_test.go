package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"errata/catalogs"
)

// folder returns a folder with the files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func families(s *Set) string {
	var names []string
	for _, f := range s.Families {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

const (
	ownOSM    = "{family: OSM, language: en, match: {prefixes: [OSM]}, codes: [{code: OSM.01010037, message: No more cases., remedy: Close some., kind: quota, retry: later, owner: caller}]}"
	ownNumber = "{family: Numbers, language: en, match: {dialects: [tencent-v2]}, codes: [{code: '4000', message: Ours., kind: quota, retry: later, owner: caller}]}"
)

func TestOwnCatalogsAddToTheBuiltInOnes(t *testing.T) {
	builtIn, err := Open(Default)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]string{"mine.yaml": strings.ReplaceAll(mine, "REMEDY", "wait"), "tickets.yaml": ownOSM})
	both, err := Open(Config{Dir: dir, BuiltIn: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := families(both); got != "Mine "+families(builtIn) {
		t.Errorf("%s", got)
	}
	remedy := func(s *Set, code string) string {
		_, remedy := s.Lookup(code, "huawei", "", 0, "").Texts()
		return remedy
	}
	if remedy(both, "MY.1") != "wait" || remedy(both, "OSM.01010037") != "Close some." {
		t.Errorf("%q %q", remedy(both, "MY.1"), remedy(both, "OSM.01010037"))
	}
	// The built-in family is replaced as a whole.
	if k := both.Lookup("OSM.01010001", "huawei", "", 0, ""); k.Entry != nil || k.Family.Name != "OSM" {
		t.Errorf("%+v", k)
	}
	if k := both.Lookup("4000", "tencent-v2", "", 0, ""); k.Entry == nil || k.Family.Name != "TencentCloud" {
		t.Errorf("%+v", k)
	}
	origins := map[string]string{}
	for _, f := range both.Families {
		origins[f.Name] = f.Origin.String()
	}
	for family, want := range map[string]string{"Mine": filepath.Join(dir, "mine.yaml"), "OSM": filepath.Join(dir, "tickets.yaml") + ", in place of the built-in one", "AIS": "built in"} {
		if origins[family] != want {
			t.Errorf("%s is from %q, want %q", family, origins[family], want)
		}
	}
	alone, err := Open(Config{Dir: dir})
	if err != nil || families(alone) != "Mine OSM" {
		t.Errorf("%v %v", alone, err)
	}
}

func TestOwnFamilyWinsADialect(t *testing.T) {
	s, err := Open(Config{Dir: folder(t, map[string]string{"numbers.yaml": ownNumber}), BuiltIn: true})
	if err != nil {
		t.Fatal(err)
	}
	if k := s.Lookup("4000", "tencent-v2", "", 0, ""); k.Entry == nil || k.Entry.Message != "Ours." {
		t.Errorf("%+v", k)
	}
}

// Rows carry the version, so what is the same must not look like a change.
func TestVersionIsOfTheContentAlone(t *testing.T) {
	copies := map[string]string{}
	for _, name := range []string{"osm.yaml", "tencentcloud.yaml"} {
		text, err := catalogs.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		copies[name] = string(text)
	}
	builtIn, err := Open(Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range []map[string]string{nil, copies} {
		s, err := Open(Config{Dir: folder(t, files), BuiltIn: true})
		if err != nil || s.Version != builtIn.Version {
			t.Errorf("%d files: %v, want the version %s: %v", len(files), s, builtIn.Version, err)
		}
	}
	changed, err := Open(Config{Dir: folder(t, map[string]string{"osm.yaml": ownOSM}), BuiltIn: true})
	if err != nil || changed.Version == builtIn.Version {
		t.Error(err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(Config{}, "catalogs.builtin is false and catalogs.dir empty")
	f(Config{Dir: "nowhere", BuiltIn: true}, "catalogs.dir nowhere: there is no such folder")
	f(Config{Dir: t.TempDir()}, "the directory holds no .yaml file")
	dir := folder(t, map[string]string{"tickets.yaml": strings.Replace(ownOSM, "family: OSM", "family: Tickets", 1)})
	f(Config{Dir: dir, BuiltIn: true}, `tickets.yaml:1:52: the prefix "OSM" is claimed by the built-in family OSM too: name this family OSM to replace it, or set catalogs.builtin to false`)
	if _, err := Open(Config{Dir: dir}); err != nil {
		t.Error(err)
	}
}

func TestLintShowsOwnProblemsAlone(t *testing.T) {
	problems, all, err := Lint(Config{Dir: folder(t, map[string]string{"tickets.yaml": ownOSM}), BuiltIn: true})
	if err != nil || len(all) < 7 {
		t.Fatal(len(all), err)
	}
	for _, p := range problems {
		if p.File != "tickets.yaml" || p.Severe {
			t.Error(p)
		}
	}
	if len(problems) == 0 { // no source, no description
		t.Error("no notes")
	}
}

func TestImportOfABuiltInFamilyIntoAFolder(t *testing.T) {
	dir := folder(t, map[string]string{"mine.yaml": strings.ReplaceAll(mine, "REMEDY", "wait")})
	p := Publication{File: "page.html", Codes: []Entry{{Code: "OSM.01010037", Status: 200, Message: "Now another message."}}}
	i := Import{Config: Config{Dir: dir, BuiltIn: true}, Keep: true}
	made, err := i.Make(p)
	if err != nil || made.Family != "OSM" || !made.Merged || made.Invalid != nil {
		t.Fatalf("%+v %v", made, err)
	}
	path, err := made.Write()
	if err != nil || path != filepath.Join(dir, "osm.yaml") {
		t.Fatal(path, err)
	}
	s, err := Open(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	if k := s.Lookup("OSM.01010037", "huawei", "", 0, ""); k.Entry.Message != "Now another message." || k.Entry.Kind != "quota" {
		t.Errorf("%+v", k.Entry)
	}
	// A file of that name with another family in it is not lost.
	other := folder(t, map[string]string{"osm.yaml": strings.ReplaceAll(mine, "REMEDY", "wait")})
	if _, err := (Import{Config: Config{Dir: other, BuiltIn: true}, Keep: true}).Make(p); err == nil || !strings.Contains(err.Error(), "is not of family OSM: give --out another file") {
		t.Error(err)
	}
}
