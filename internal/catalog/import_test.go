package catalog

import (
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
