package catalog

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// han reports whether a text has Chinese characters.
func han(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

func TestTranslations(t *testing.T) {
	placeholders := func(text string) []string {
		found := placeholder.FindAllString(text, -1)
		slices.Sort(found)
		return found
	}
	c := shipped(t)
	f := func(family, language, other string) {
		t.Helper()
		i := slices.IndexFunc(c.Families, func(c Family) bool { return c.Name == family })
		if i < 0 {
			t.Fatalf("no family %s", family)
		}
		catalog := c.Families[i]
		if catalog.Language != language {
			t.Errorf("%s is in %s, want %s", family, catalog.Language, language)
		}
		check := func(code, field, source, text string) {
			t.Helper()
			switch {
			case (text == "") != (source == ""):
				t.Errorf("%s: %s %q has the translation %q", code, field, source, text)
			case text == "":
			case text == source:
				t.Errorf("%s: the translated %s is the published one: %q", code, field, text)
			case strings.TrimSpace(text) != text:
				t.Errorf("%s: white space around the translated %s: %q", code, field, text)
			case other == "zh" && !han(text):
				t.Errorf("%s: the Chinese %s has no Chinese characters: %q", code, field, text)
			case other == "en" && strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }):
				t.Errorf("%s: the English %s has signs that are not English: %q", code, field, text)
			}
			if diff := cmp.Diff(placeholders(source), placeholders(text)); diff != "" && text != "" {
				t.Errorf("%s: the placeholders of %s differ (-published +translated):\n%s", code, field, diff)
			}
			if got, want := strings.Count(text, "\n"), strings.Count(source, "\n"); got != want {
				t.Errorf("%s: the translated %s has %d line breaks, want %d", code, field, got, want)
			}
		}
		texts := func(code string, all map[string]Texts) Texts {
			t.Helper()
			for l := range all {
				if l != other {
					t.Errorf("%s has texts in %q, want %q alone", code, l, other)
				}
			}
			return all[other]
		}
		own := texts(family, catalog.Fallback.Texts)
		check(family, "fallback description", catalog.Fallback.Description, own.Description)
		check(family, "fallback remedy", catalog.Fallback.Remedy, own.Remedy)
		if own.Message != "" {
			t.Errorf("%s: a fallback has no message to translate: %q", family, own.Message)
		}
		for _, e := range catalog.Codes {
			own := texts(e.Code, e.Texts)
			check(e.Code, "description", e.Description, own.Description)
			check(e.Code, "remedy", e.Remedy, own.Remedy)
			message := e.Message
			if language == "zh" && !han(message) { // the page is Chinese and this message English: it needs no translation
				message = ""
			}
			check(e.Code, "message", message, own.Message)
		}
	}
	f("OptVerse", "zh", "en")
	f("OSM", "en", "zh")
	f("TencentCloud", "en", "zh")
	f("iMetal", "en", "zh")
	f("AIS", "en", "zh")
}
