package catalog

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// published is what the page of a shipped catalog says.
func published(c Family) Publication {
	p := Publication{Family: c.Name, Date: c.Source.Date}
	for _, e := range c.Codes {
		p.Codes = append(p.Codes, Entry{Code: e.Code, Status: e.Status, Message: e.Message, Description: e.Description, Remedy: e.Remedy})
	}
	return p
}

// The shipped catalogs come out word for word: nothing of ours is lost, and nothing is written in
// another way.
func TestMergeKeepsTheShippedCatalogs(t *testing.T) {
	c := shipped(t)
	for _, f := range c.Families {
		_, old, err := c.file(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		text, changes, err := Merge(old, published(f), false)
		if err != nil {
			t.Fatal(f.Name, err)
		}
		if f.Name == "APIGW" { // no codes
			continue
		}
		if diff := cmp.Diff(string(old), string(text)); diff != "" || len(changes) > 0 {
			t.Errorf("%s: %v\n%s", f.Name, changes, diff)
		}
	}
}

const oldCatalog = `# Ours: look at it.
family: Demo
title: Demo service
vendor: Us
language: en
source:
  title: "Errors"
  date: "2024-01-01"
match:
  prefixes: [DEMO]
  dialects: []
  services: []
fallback:
  description: ""
  remedy: "Old advice."
codes:
  # The one that everybody meets.
  - code: DEMO.1
    status: 400
    message: "Bad"
    description: |-
      One.
      Two.
    remedy: ""
    kind: validation # looked at
    retry: after_fix
    owner: caller
    aliases: [D1]
    texts:
      de:
        message: "Schlecht"
  - code: DEMO.2
    message: "Gone"
    description: "It will go."
    remedy: ""
    kind: internal
    retry: later
    owner: vendor
  - code: DEMO.3
    status: 500
    message: "Stays"
    description: "It stays."
    remedy: ""
    kind: internal
    retry: later
    owner: vendor
`

func TestMergeWithANewerPage(t *testing.T) {
	p := Publication{Family: "Demo", Date: "2025-02-03", Fallback: Fallback{Remedy: "New advice."}, Codes: []Entry{
		{Code: "DEMO.3", Status: 503, Message: "Stays", Description: "It stays."},
		{Code: "DEMO.1", Status: 400, Message: "Bad", Description: "Three.", Remedy: "Do \"this\"."},
		{Code: "DEMO.4", Status: 404, Message: "New {id} not found"},
	}}
	text, changes, err := Merge([]byte(oldCatalog), p, false)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, c := range changes {
		said = append(said, c.String())
	}
	if diff := cmp.Diff([]string{
		`~ source date: "2024-01-01" is now "2025-02-03"`,
		`~ fallback remedy: "Old advice." is now "New advice."`,
		`~ DEMO.3 status: "500" is now "503"`,
		`~ DEMO.1 description: "One.\nTwo." is now "Three."`,
		`~ DEMO.1 remedy: "" is now "Do \"this\"."`,
		`+ DEMO.4 "New {id} not found"`,
		`- DEMO.2 "Gone"`,
	}, said); diff != "" {
		t.Errorf("-want +said:\n%s", diff)
	}
	want := `# Ours: look at it.
family: Demo
title: Demo service
vendor: Us
language: en
source:
  title: "Errors"
  date: "2025-02-03"
match:
  prefixes: [DEMO]
  dialects: []
  services: []
fallback:
  description: ""
  remedy: "New advice."
codes:
  - code: DEMO.3
    status: 503
    message: "Stays"
    description: "It stays."
    remedy: ""
    kind: internal
    retry: later
    owner: vendor
  # The one that everybody meets.
  - code: DEMO.1
    status: 400
    message: "Bad"
    description: "Three."
    remedy: "Do \"this\"."
    kind: validation # looked at
    retry: after_fix
    owner: caller
    aliases: [D1]
    texts:
      de:
        message: "Schlecht"
  - code: DEMO.4
    status: 404
    message: "New {id} not found"
    description: ""
    remedy: ""
    kind: not_found # guessed
    retry: after_fix # guessed
    owner: caller # guessed
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +merged:\n%s", diff)
	}
	if _, err := Load(fstest.MapFS{"demo.yaml": {Data: text}}); err != nil {
		t.Error(err)
	}
	kept, _, err := Merge([]byte(oldCatalog), p, true)
	if err != nil || !strings.Contains(string(kept), "DEMO.2") {
		t.Errorf("with keep, a code that is not on the page goes: %v\n%s", err, kept)
	}
}

// What a page says comes back from YAML as it was, however odd.
func TestNewCatalogLoads(t *testing.T) {
	f := func(family string, codes ...Entry) {
		t.Helper()
		text, _, err := Merge(nil, Publication{File: "a\nb.txt", Family: family, Title: "A: \"title\" # of\tit", Language: "en", Codes: codes}, false)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Load(fstest.MapFS{"x.yaml": {Data: text}})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		got := published(c.Families[0]).Codes
		if diff := cmp.Diff(codes, got, cmp.AllowUnexported(Entry{}, template{})); diff != "" {
			t.Errorf("%s\n%s", diff, text)
		}
	}
	f("ORA", Entry{Code: "ORA-00001", Message: "unique constraint (string.string) violated"}, Entry{Code: "ORA-1", Description: "a: b # c\n- d\n{e}"})
	f("no", Entry{Code: "4000", Status: 400, Message: "yes"}, Entry{Code: "-1", Remedy: "~"}, Entry{Code: "null", Message: "a\x01b\u2028c\\"}, Entry{Code: "0x80", Message: " lead", Description: "x\n y\n\nz"},
		Entry{Code: "1e3", Message: "'"}, Entry{Code: "a b", Message: "\ttab"}, Entry{Code: "*", Message: "&a *b !c %d @e `f"}, Entry{Code: "on", Message: "错误\n\u0085"})
	f("Two", Entry{Code: "X.1", Message: "m"}, Entry{Code: "Y.1", Message: "m"}, Entry{Code: "X.2", Message: "m"}, Entry{Code: "Y.2", Message: "m"})
}

func TestFamilyOfCodes(t *testing.T) {
	c := shipped(t)
	f := func(codes, family, prefix string) {
		t.Helper()
		list := strings.Fields(codes)
		if got := c.Recognise(list); got != family {
			t.Errorf("%s: family %q, want %q", codes, got, family)
		}
		if got := CommonPrefix(list); got != prefix {
			t.Errorf("%s: prefix %q, want %q", codes, got, prefix)
		}
	}
	f("OSM.0001 OSM.9999", "OSM", "OSM")
	f("4000 4100 6200", "TencentCloud", "")
	f("ORA-00001 ORA-00002", "", "ORA")
	f("card_declined card_expired", "", "")
	f("ACQ.SYSTEM_ERROR ACQ.INVALID_PARAMETER", "", "ACQ")
	f("AccessDenied NoSuchKey", "", "")
	f("Client.InvalidParameter Client.Throttled", "", "")
	f("ERROR_ACCESS_DENIED ERROR_NOT_FOUND", "", "")
	f("JOBX_MANAGER_1 JOBX_MANAGER_2", "", "JOBX_MANAGER")
}
