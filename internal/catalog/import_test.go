package catalog

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestImportNamesTheFamily(t *testing.T) {
	f := func(family, file, asked, page string, codes ...string) {
		t.Helper()
		p := Publication{File: page}
		for _, code := range codes {
			p.Codes = append(p.Codes, Entry{Code: code, Status: 400, Message: "Bad cart"})
		}
		made, err := Import{Config: Default, Family: asked}.Make(p)
		if err != nil || made.Family != family || made.Name != file {
			t.Errorf("%v: %q in %q, %v, want %q in %q", codes, made.Family, made.Name, err, family, file)
		}
	}
	f("Store 1", "store-1.yaml", "Store 1", "page.html", "SHOP-1", "SHOP-2")         // as asked for
	f("OSM", "osm.yaml", "", "page.html", "OSM.01010001", "OSM.01010002", "NEW.1")   // of the catalog that knows the codes
	f("SHOP", "shop.yaml", "", "page.html", "SHOP-1", "SHOP-2")                      // their common prefix
	f("carts", "carts.yaml", "", "saved/carts.html", "AccessDenied", "NoSuchBucket") // the page's file
}

func TestImportMergesWithAFileOfOnesChoice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	p := Publication{File: "page.html", Codes: []Entry{{Code: "SHOP-1", Status: 400, Message: "Bad cart"}}}
	for _, merged := range []bool{false, true} {
		made, err := Import{Config: Default, File: file}.Make(p)
		if err != nil || made.Name != "mine.yaml" || made.Merged != merged {
			t.Fatalf("%q, merged %v, %v", made.Name, made.Merged, err)
		}
		if path, err := made.Write(); err != nil || path != file {
			t.Fatal(path, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != string(made.Text) {
			t.Error(err, string(text))
		}
	}
}

// A catalog is replaced as a whole: who reads the old file goes on reading it, and its mode and a
// link to it stay.
func TestImportReplacesTheFileAsAWhole(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real", "mine.yaml"), filepath.Join(dir, "mine.yaml")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Dir(file), 0o755))
	must(os.WriteFile(file, []byte("old"), 0o640))
	must(os.Symlink(file, link))
	reader, err := os.Open(link)
	must(err)
	defer reader.Close()
	must(replace(link, []byte("new")))
	if text, err := io.ReadAll(reader); err != nil || string(text) != "old" {
		t.Errorf("who was reading it got %q (%v)", text, err)
	}
	info, err := os.Stat(file)
	must(err)
	if text, err := os.ReadFile(file); err != nil || string(text) != "new" || info.Mode().Perm() != 0o640 {
		t.Errorf("the file holds %q with mode %s (%v)", text, info.Mode(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != file {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	t.Chdir(dir)
	must(replace("relative.yaml", nil))
	if err := os.Mkdir(filepath.Join(dir, "full.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "mine.yaml"): "cannot create a file in folder " + filepath.Join(dir, "no") + ": no such file or directory",
		filepath.Join(dir, "full.yaml"):       "it is a folder: give a file",
		filepath.Join(file, "mine.yaml"):      "not a directory",
	} {
		if err := replace(path, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	must(err)
	if len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}
