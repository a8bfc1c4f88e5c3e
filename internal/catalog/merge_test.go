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
		_, old, err := c.fileOf(f.Name)
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

// However a catalog is laid out, the merged one loads, and has what the page says and what was
// ours.
func TestMergeLayouts(t *testing.T) {
	const head, match = "family: Demo\nlanguage: en\n", "match: {prefixes: [DEMO]}\n"
	const fallback = "fallback:\n  description: Ours.\n  remedy: Old.\n"
	const first = "kind: validation, retry: after_fix, owner: caller"
	const two = "  - code: DEMO.2 # stays\n    message:   'Gone'\n    kind: internal\n    retry: later\n    owner: vendor\n"
	for name, text := range map[string]string{
		"entry in braces":            head + match + fallback + "codes:\n  - {code: DEMO.1, status: 400, message: Bad, " + first + "} # ours\n" + two,
		"entry in braces over lines": head + match + fallback + "codes:\n  # Above.\n  - {\n      code: DEMO.1, status: 400,\n      message: Bad, " + first + "\n    }\n" + two,
		"list in brackets":           head + match + fallback + "codes: [{code: DEMO.1, status: 400, message: Bad, " + first + "}, {code: DEMO.2, message: Gone, kind: internal, retry: later, owner: vendor}]\n",
		"dashes without indent":      head + match + fallback + "codes:\n- code: DEMO.1\n  status: 400\n  message: Bad\n  kind: validation\n  retry: after_fix\n  owner: caller\n- code: DEMO.2\n  message: Gone\n  kind: internal\n  retry: later\n  owner: vendor\n",
		"wide indent":                head + match + fallback + "codes:\n    -   code: DEMO.1\n        status: 400\n        message: Bad\n        kind: validation\n        retry: after_fix\n        owner: caller\n    -   code: DEMO.2\n        message: Gone\n        kind: internal\n        retry: later\n        owner: vendor\n",
		"status first":               head + match + fallback + "codes:\n  - status: 400\n    message: Bad\n    kind: validation\n    retry: after_fix\n    owner: caller\n    code: DEMO.1\n" + two,
		"keys in quotes":             head + match + fallback + "codes:\n  - \"code\": DEMO.1\n    \"status\": 400\n    'message': Bad\n    kind: validation\n    retry: after_fix\n    owner: caller\n" + two,
		"dash alone":                 head + match + fallback + "codes:\n  -\n    code: DEMO.1\n    status: 400\n    message: Bad\n    kind: validation\n    retry: after_fix\n    owner: caller\n" + two,
		"codes first":                "codes: # all\n  - {code: DEMO.1, status: 400, message: Bad, " + first + "}\n" + two + "\n# Below.\n" + head + match + fallback,
		"fallback in braces":         head + match + "fallback: {description: Ours., remedy: Old.}\ncodes:\n  - {code: DEMO.1, status: 400, message: Bad, " + first + "}\n" + two,
		"JSON":                       `{"family": "Demo", "language": "en", "match": {"prefixes": ["DEMO"]}, "fallback": {"description": "Ours.", "remedy": "Old."}, "codes": [{"code": "DEMO.1", "status": 400, "message": "Bad", "kind": "validation", "retry": "after_fix", "owner": "caller"}, {"code": "DEMO.2", "message": "Gone", "kind": "internal", "retry": "later", "owner": "vendor"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseSource(file{text: []byte(text)}).decode(); err != nil {
				t.Fatalf("the catalog itself: %v", err)
			}
			p := Publication{Family: "Demo", Fallback: Fallback{Remedy: "New."}, Codes: []Entry{
				{Code: "DEMO.1", Status: 422, Message: "Worse", Remedy: "Do\nthis."},
				{Code: "DEMO.2", Message: "Gone"},
			}}
			merged, _, err := Merge([]byte(text), p, false)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseSource(file{text: merged}).decode()
			if err != nil {
				t.Fatalf("%v in\n%s", err, merged)
			}
			want := []Entry{
				{Code: "DEMO.1", Status: 422, Message: "Worse", Remedy: "Do\nthis.", Kind: "validation", Retry: "after_fix", Owner: "caller"},
				{Code: "DEMO.2", Message: "Gone", Kind: "internal", Retry: "later", Owner: "vendor"},
			}
			if diff := cmp.Diff(want, got.Codes, cmp.AllowUnexported(Entry{}, template{})); diff != "" {
				t.Errorf("-want +merged:\n%s\n%s", diff, merged)
			}
			if got.Name != "Demo" || got.Fallback.Description != "Ours." || got.Fallback.Remedy != "New." {
				t.Errorf("%q, %+v in\n%s", got.Name, got.Fallback, merged)
			}
			for _, comment := range []string{"# ours", "# Above.", "# Below.", two} {
				if strings.Contains(text, comment) && !strings.Contains(string(merged), comment) {
					t.Errorf("%q is gone from\n%s", comment, merged)
				}
			}
		})
	}
}

// An entry that goes takes nothing else with it, and a fallback that the catalog does not have yet
// is added.
func TestMergeAddsAndRemoves(t *testing.T) {
	const text = "family: Demo\nmatch: {prefixes: [DEMO]}\ncodes:\n  - {code: DEMO.1, message: Bad, kind: validation, retry: after_fix, owner: caller}\ntitle: Below\n"
	merged, _, err := Merge([]byte(text), Publication{Fallback: Fallback{Remedy: "New."}, Codes: []Entry{{Code: "DEMO.9", Message: "Nine"}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseSource(file{text: merged}).decode()
	if err != nil || got.Title != "Below" || got.Fallback.Remedy != "New." || len(got.Codes) != 1 || got.Codes[0].Code != "DEMO.9" {
		t.Errorf("%v: %+v in\n%s", err, got, merged)
	}
}

// What cannot be edited is refused, not spoilt.
func TestMergeRefuses(t *testing.T) {
	const text = "family: Demo\nmatch: {prefixes: [DEMO]}\ncodes:\n  - &one {code: DEMO.1, message: Bad, kind: validation, retry: after_fix, owner: caller}\n  - {<<: *one, code: DEMO.2}\n"
	_, _, err := Merge([]byte(text), Publication{Codes: []Entry{{Code: "DEMO.2", Message: "New"}}}, false)
	if err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Error(err)
	}
}
