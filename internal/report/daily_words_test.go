package report

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"errata/internal/store"
)

// Every text of a daily report has its Chinese, with the same placeholders.
func TestEveryTextIsTranslated(t *testing.T) {
	files, err := filepath.Glob("daily*")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`(?:p\.Sprintf\(|\.word\(|\.W )"([^"]+)"`)
	columns := regexp.MustCompile(`d\.columns\((?:name, )?("[^)]*)\)`)
	used := []string{Quiet, Watch, Act, IsNew, IsRegressed, IsWorse, IsBetter, IsGone, "caller", "operator", "vendor", "By family", "By kind", "family", "kind", store.Acknowledged, store.Ignored, store.Fixed}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(text), -1) {
			used = append(used, m[1])
		}
		for _, m := range columns.FindAllStringSubmatch(string(text), -1) {
			for name := range strings.SplitSeq(m[1], ", ") {
				used = append(used, strings.Trim(name, `"`))
			}
		}
	}
	if len(used) < 100 {
		t.Fatalf("only %d texts found", len(used))
	}
	verb := regexp.MustCompile(`%(?:\[\d\])?([sd])`)
	verbs := func(text string) (all []string) {
		for _, m := range verb.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return all
	}
	translated := map[string]bool{"%d": true}
	for _, pair := range dailyChinese {
		translated[pair[0]] = true
		if pair[1] == "" || !slices.Equal(verbs(pair[0]), verbs(pair[1])) {
			t.Errorf("%q and %q have different placeholders", pair[0], pair[1])
		}
		if !slices.Contains(used, pair[0]) {
			t.Errorf("%q is not used", pair[0])
		}
	}
	for _, text := range used {
		if !translated[text] {
			t.Errorf("%q has no Chinese", text)
		}
	}
}

func TestNumbersAndPlurals(t *testing.T) {
	p := Daily{Lang: "en", zone: time.UTC}.printer()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(p.errors(1), "1 error")
	f(p.errors(1204331), "1,204,331 errors")
	f(p.requests(0), "0 requests")
	f(p.percent(0), "0 %")
	f(p.percent(0.00001), "< 0.01 %")
	f(p.percent(0.00424), "0.42 %")
	f(p.percent(0.5), "50.0 %")
	f(p.usual(Change{UsualLow: 20, UsualHigh: 60}), "usually 20 to 60")
	f(p.usual(Change{}), "usually none")
	f(p.usual(Change{UsualLow: 3, UsualHigh: 3}), "usually 3")
	f(p.cause(Explained{Cause: NewTenant, Codes: []string{"A"}, Errors: 2}), "tenant (no tenant) is new since 00:00: 1 code with 2 errors")
	p = Daily{Lang: "zh"}.printer()
	f(p.errors(1204331), "1,204,331 个错误")
	f(p.change(Change{Change: IsNew, Code: "OSM.1", Tenant: "acme", Errors: 3}), "acme 新出现 OSM.1：3 个错误")
}
