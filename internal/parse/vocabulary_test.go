package parse

import "testing"

func TestVocabulary(t *testing.T) {
	v := newVocabulary(`wrong, |un, |in|, not found`, `ошиб, |не|, 失败, başarısız`)
	f := func(text string, want bool) {
		t.Helper()
		if got := v.isIn(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	f("", false)
	f("w", false)
	f("all right", false)
	f("This is WRONG", true)
	f("wronged", true)
	f("unknown", true)
	f("the sun", false)
	f("5 in 6", true)
	f("in", true)
	f("inside", false)
	f("skin", false)
	f("Not Found", true)
	f("Ошибка", true)
	f("НЕ так", true)
	f("небо", false)
	f("操作失败", true)
	f("İşlem BAŞARISIZ", false) // its I is no dotless one
	f("işlem başarısız", true)
	f("wron", false)
}

func TestVocabularySubjects(t *testing.T) {
	v := newVocabularyOf(map[subjects][]string{1: {`good`}, 2: {`bad, badly`}})
	f := func(text string, enough, want subjects) {
		t.Helper()
		if got := v.find(text, enough); got != want {
			t.Errorf("%q: %b, want %b", text, got, want)
		}
	}
	f("so so", 0, 0)
	f("bad and good", 0, 3)
	f("bad and good", 2, 2) // the rest is not asked for
	f("bad and good", 1, 3)
}

// TestNamesAreNotConfused asks for names that have the same place in memory.
func TestNamesAreNotConfused(t *testing.T) {
	const errors, months = "customer_errors_of_clients", "customer_months_of_clients"
	if hashOf([]byte(errors)) != hashOf([]byte(months)) {
		t.Fatal("choose other names")
	}
	p := newParser(t)
	f := func(name string, want bool) {
		t.Helper()
		v := p.tree.Parse([]byte(`{"` + name + `":1}`)).First()
		if got := p.names.of(v).is(namedFailures); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for range 2 {
		f(errors, true)
		f(months, false)
	}
}
