package catalog

import (
	"fmt"
	"path"
	"testing"
	"testing/fstest"
)

func TestGuessPrefix(t *testing.T) {
	f := func(code, want string) {
		t.Helper()
		if got := GuessPrefix(code); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
	f("BILLING-7731", "BILLING")
	f("JOB_MANAGER_12050009", "JOB_MANAGER")
	f("PAY.0001", "PAY")
	f("PAY.CARD.0001", "PAY.CARD")
	f("InvalidParameter.Name", "InvalidParameter")
	f("pay:declined", "pay")
	f("E1001_X", "E1001")
	f("90017", "")
	f("400.1001", "")
	f("NOT_FOUND", "")
	f("Throttling", "")
	f("_1", "")
	f("-", "")
	f("", "")
}

func TestMeanings(t *testing.T) {
	c, err := Load(fstest.MapFS{
		"a.yaml": {Data: []byte("{family: A, language: en, match: {prefixes: [A]}, codes: [" +
			"{code: A.1, status: 400, message: one, kind: auth, retry: no, owner: caller}, {code: A.1, status: 500, message: two, kind: internal, retry: no, owner: caller}," +
			"{code: A.1, status: 501, message: three, kind: auth, retry: no, owner: caller}]}")},
		"b.yaml": {Data: []byte(`{family: B, language: en, match: {services: ["b*"]}, codes: [{code: "7", message: x, kind: quota, retry: no, owner: caller}]}`)},
		"d.yaml": {Data: []byte(`{family: D, language: en, match: {dialects: [tencent-v2]}, codes: [{code: "7", message: y, kind: billing, retry: no, owner: caller}]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := func(code, dialect, service, want string) {
		t.Helper()
		if got := fmt.Sprint(c.Meanings(code, dialect, service)); got != want {
			t.Errorf("%s in %s of %s: %s, want %s", code, dialect, service, got, want)
		}
	}
	f("A.1", "huawei", "", "[{A auth} {A internal}]")
	f("a_1", "huawei", "", "[{A auth} {A internal}]")
	f("A.2", "huawei", "", "[{A }]")
	f("7", "code-message", "b1", "[{B quota}]")
	f("7", "code-message", "c", "[{unknown }]")
	f("7", "tencent-v2", "b1", "[{D billing}]")
	f("8", "tencent-v2", "b1", "[{D }]")
}

func TestTwoDocumentsInOneFileAreRefused(t *testing.T) {
	const one = "{family: A, language: en, match: {prefixes: [A]}, codes: []}\n"
	f := func(text string, fine bool) {
		t.Helper()
		if _, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}); (err == nil) != fine {
			t.Errorf("%q: %v", text, err)
		}
	}
	f(one, true)
	f("---\n"+one, true)
	f(one+"---\n", true)
	f(one+"---\n# nothing\n", true)
	f(one+"---\n{family: B, language: en, match: {prefixes: [B]}, codes: []}\n", false)
}

func TestGlobMatches(t *testing.T) {
	for _, glob := range []string{"", "a", "ab", "a*", "*a", "?b", "[ab]c", `\*`, "[", "中*", "*"} {
		for _, text := range []string{"", "a", "ab", "b", "bc", "*", "[", "中文", "/", "aa"} {
			if want, _ := path.Match(glob, text); globMatches(glob, text) != want {
				t.Errorf("%q matches %q: %v, want %v", glob, text, !want, want)
			}
		}
	}
}
