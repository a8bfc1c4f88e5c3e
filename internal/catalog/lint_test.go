package catalog

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"errata/catalogs"
)

func TestLint(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		problems, _, err := Lint(Config{Dir: folder(t, map[string]string{"f.yaml": text})})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, p := range problems {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Errorf("%s\n(-want +got)\n%s", text, diff)
		}
	}
	const head = "family: F\nlanguage: en\nsource: {title: T}\nmatch: {prefixes: [F]}\ncodes:\n"
	const facts = "    kind: quota\n    retry: later\n    owner: caller\n"
	f(head + "  - code: F.1\n    message: m {0}\n    description: d {0}\n    remedy: r\n" + facts)
	f(head+"  - code: F.1\n    message: m\n    description: Wait a while.\n    remedy: wait  a while\n"+facts, "f.yaml:9:13: note: F.1: the remedy only repeats the description")
	f(head+"  - code: F.1\n    message: m {0}\n    description: d {1}\n    remedy: r\n"+facts, "f.yaml:8:18: note: F.1: the description has the placeholder {1}, the message has not")
	f(head+"  - code: F.1\n    message: m %s\n    description: d\n    remedy: r\n"+facts+"    texts:\n      zh: {message: 信息}\n", "f.yaml:14:12: note: F.1: the translation lacks the placeholder %s")
	texts, notes := "", []string{}
	for i, language := range []string{"de", "es", "fr", "it", "ja", "ko", "pt", "zh"} { // in this order each time
		texts += "      " + language + ": {message: a}\n"
		notes = append(notes, fmt.Sprintf("f.yaml:%d:12: note: F.1: the translation lacks the placeholder %%s", 14+i))
	}
	f(head+"  - code: F.1\n    message: m %s\n    description: d\n    remedy: r\n"+facts+"    texts:\n"+texts, notes...)
	f(head+"  - code: G.1\n    message: m\n    description: d\n    remedy: r\n"+facts, "f.yaml:6:11: error: G.1: begins with none of the prefixes F")
	f(head+"  - code: F.1\n    message: m\n    description: d\n    remedy: r\n"+strings.Replace(facts, "later", "soon", 1), "f.yaml:11:12: error: F.1: retry \"soon\" is not one of no, later, after_fix")
	one := "  - code: F.1\n    message: m\n    description: d\n    remedy: r\n" + facts
	f(head+one+one, "f.yaml:13:11: error: F.1: stands twice with the same status and message")
	f(head+"  - code: F.1\n    mesage: m\n"+facts, "f.yaml:7:5: error: unknown key \"codes[0].mesage\": did you mean \"codes[0].message\"?")
	f(head+"  - code: F.1\n    message: m\n"+facts, "f.yaml:6:5: note: F.1: has no description", "f.yaml:6:5: note: F.1: has no remedy, and the family no fallback")
}

func TestLintSeesWhatFilesAreToEachOther(t *testing.T) {
	text := "family: F\nlanguage: en\nsource: {title: T}\nmatch: {prefixes: [F]}\ncodes: []\n"
	problems, _, err := Lint(Config{Dir: folder(t, map[string]string{"a.yaml": text, "b.yaml": text})})
	if err != nil || len(problems) == 0 || !problems[0].Severe || problems[0].File != "b.yaml" || !strings.Contains(problems[0].Text, "family F") {
		t.Errorf("%v %v", problems, err)
	}
}

func TestShippedCatalogsHaveNoErrors(t *testing.T) {
	problems, _, err := Lint(Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Severe {
			t.Error(p)
		}
	}
}

// The schema helps in editors; it has to agree with what the loader takes.
func TestSchema(t *testing.T) {
	text, err := fs.ReadFile(catalogs.FS, catalogs.Schema)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("catalog.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		t.Helper()
		var catalog any
		if err := yaml.Unmarshal(text, &catalog); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(catalog)
	}
	names, err := fs.Glob(catalogs.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(catalogs.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, kind := range Kinds {
		if err := valid([]byte("family: F\nlanguage: en\nmatch: {prefixes: [F]}\ncodes: [{code: F.1, kind: " + kind + ", retry: no, owner: caller}]\n")); err != nil {
			t.Errorf("kind %s: %v", kind, err)
		}
	}
	for _, bad := range []string{"family: F\n", "family: F\nlanguage: en\nmatch: {}\ncodes: [{code: F.1, kind: quotta, retry: no, owner: caller}]\n", "family: F\nlanguage: en\nmatch: {}\ncodes: []\nlang: en\n"} {
		if valid([]byte(bad)) == nil {
			t.Errorf("the schema takes\n%s", bad)
		}
	}
}

func TestSearchAndNear(t *testing.T) {
	c := shipped(t)
	f := func(piece string, want ...string) {
		t.Helper()
		var got []string
		for _, l := range c.Search(piece) {
			got = append(got, l.Entry.Code)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%q: %q, want %q", piece, got, want)
		}
	}
	f("Case Limit", "OSM.01010037", "OSM.01010038")
	f("创建的工单数量已超出上限", "OSM.01010037", "OSM.01010038") // our translation of the descriptions
	f("no such text anywhere")
	f("")
	if near := c.Near("OSM.0101O037", 3); len(near) == 0 || near[0] != "OSM.01010037" {
		t.Errorf("%q", near)
	}
	if near := c.Near("Orders.1", 3); len(near) != 0 {
		t.Errorf("%q", near)
	}
}

func TestTextsIn(t *testing.T) {
	c := shipped(t)
	k := c.Lookup("OptVerse_10000001", "huawei", "", 0, "")
	if in, ours := k.TextsIn("en"); !ours || in.Message != "Authenticate token failure." || in.Description == k.Entry.Description {
		t.Errorf("%+v %v", in, ours)
	}
	if in, ours := k.TextsIn("zh"); ours || in.Description != k.Entry.Description {
		t.Errorf("%+v %v", in, ours)
	}
	if in, ours := c.Lookup("JOB_MANAGER.1", "huawei", "", 0, "").TextsIn("en"); !ours || in.Remedy == "" || strings.ContainsRune(in.Remedy, '在') {
		t.Errorf("%+v %v", in, ours)
	}
}
