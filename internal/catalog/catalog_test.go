package catalog

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"errata/catalogs"

	"github.com/google/go-cmp/cmp"
)

func shipped(t testing.TB) *Set {
	t.Helper()
	c, err := Load(catalogs.FS)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The tables beside the pages were made by reading the pages, before and without the catalogs.
func TestShippedCatalogsAreThePublishedPages(t *testing.T) {
	c := shipped(t)
	f := func(family, page string, codes int) {
		t.Helper()
		file, err := os.Open(filepath.Join("../../catalogs/testdata/pages", page+".tsv"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)
		var want [][5]string
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var row [5]string
			for i, cell := range strings.Split(lines.Text(), "\t") {
				row[i] = unescape.Replace(cell)
			}
			want = append(want, row)
		}
		var got [][5]string
		for i := range c.Families {
			if c.Families[i].Name != family {
				continue
			}
			for _, e := range c.Families[i].Codes {
				status := strconv.Itoa(e.Status)
				if e.Status == 0 {
					status = ""
				}
				got = append(got, [5]string{status, e.Code, e.Message, e.Description, e.Remedy})
			}
		}
		if len(got) != codes {
			t.Errorf("%s has %d codes, want %d", family, len(got), codes)
		}
		if diff := cmp.Diff(want[1:], got); diff != "" {
			t.Errorf("%s differs from its page (-page +catalog):\n%s", family, diff)
		}
	}
	f("OSM", "osm", 49)
	f("OptVerse", "optverse", 72)
	f("TencentCloud", "tencentcloud", 16)
	f("iMetal", "imetal", 23)
	f("AIS", "ais", 31)
}

func TestLookup(t *testing.T) {
	c := shipped(t)
	f := func(code, dialect, service, family, catalogCode string) {
		t.Helper()
		k := c.Lookup(code, dialect, service, 0, "")
		gotFamily, gotCode := Unknown, ""
		if k.Family != nil {
			gotFamily = k.Family.Name
		}
		if k.Entry != nil {
			gotCode = k.Entry.Code
		}
		if gotFamily != family || gotCode != catalogCode {
			t.Errorf("%s (%s, %s): %s %q, want %s %q", code, dialect, service, gotFamily, gotCode, family, catalogCode)
		}
	}
	f("OSM.01010037", "huawei", "osm", "OSM", "OSM.01010037")
	f("OSM_01010037", "huawei", "", "OSM", "OSM.01010037")
	f("osm.01010037", "huawei", "", "OSM", "OSM.01010037")
	f("JOB_MANAGER.12020001", "huawei", "", "OptVerse", "JOB_MANAGER_12020001")
	f("JOB_MANAGER.12050009", "huawei", "", "OptVerse", "")
	f("ModelArts.4101", "huawei", "", "AIS", "ModelArts.4101")
	f("APIG.0301", "huawei", "", "AIS", "APIG.0301")
	f("APIGW.0101", "huawei", "", "APIGW", "")
	f("APIGX.0101", "huawei", "", Unknown, "")
	f("OSMOSIS", "huawei", "", Unknown, "")
	f("4000", "tencent-v2", "", "TencentCloud", "4000")
	f("4001", "tencent-v2", "", "TencentCloud", "")
	f("4000", "code-message", "tencent-cvm", "TencentCloud", "4000")
	f("4001", "code-message", "tencent-cvm", Unknown, "")
	f("4000", "code-message", "orders", Unknown, "")
	f("HTTP.503", "http", "", "HTTP", "HTTP.503")
	f("HTTP.599", "http", "", "HTTP", "")
}

func TestTemplates(t *testing.T) {
	f := func(published, live string, want map[string]string) {
		t.Helper()
		got, ok := compile(published).match(live)
		if ok != (want != nil) || ok && !cmp.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q against %q: %v %v, want %v", live, published, got, ok, want)
		}
	}
	none := map[string]string{}
	f("Failed", "Failed", none)
	f("The type must be 0 or 1.", "The type must be 0 or 1", none)
	f("Failed", "Failed again", nil)
	f("", "anything", nil)
	f("The tenant {0} is not allowed to access the service.", "The tenant t-1 is not allowed to access the service.", map[string]string{"0": "t-1"})
	f("The user [{0}] of service [{1}] is not found.", "The user [u] of service [s] is not found.", map[string]string{"0": "u", "1": "s"})
	f("The service [{1}] in the given project [{0}] is not found.", "The service [s] in the given project [p] is not found.", map[string]string{"0": "p", "1": "s"})
	f("Missing required parameters: %s", "Missing required parameters: name, size", map[string]string{"0": "name, size"})
	f("Instances not found: [{id}, ...]", "Instances not found: [i-1, i-2]", map[string]string{"id": "i-1, i-2"})
	f("Inspect Physical servers error: [{id}, ...], {error details}", "Inspect Physical servers error: [s-1], no power", map[string]string{"id": "s-1", "error details": "no power"})
	f("Get product error: {0}", "Get product error: a. b.", map[string]string{"0": "a. b"})
	f("{0}", "all", map[string]string{"0": "all"})
}

func TestBadCatalogsAreNamed(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(os.DirFS(dir))
		if err == nil {
			t.Fatalf("accepted:\n%s", text)
		}
		for _, w := range append(want, "mine.yaml") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
	head := "family: F\nlanguage: en\nmatch: {prefixes: [F]}\ncodes:\n"
	f("", "empty")
	f("family: F\nfamilly: G\n", "familly")
	f(head+"  - {code: F.1, message: m, kind: qouta, retry: later, owner: caller}\n", "F.1", "qouta")
	f(head+"  - {code: G.1, message: m, kind: quota, retry: later, owner: caller}\n", "G.1", "prefixes")
	f(head+"  - {code: F.1, message: m, kind: quota, retry: later, owner: caller}\n  - {code: F.1, message: m, kind: quota, retry: later, owner: caller}\n", "F.1", "twice")
}
