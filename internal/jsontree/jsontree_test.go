package jsontree

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEnding(t *testing.T) {
	f := func(in string, ending Ending, offset int) {
		t.Helper()
		var tree Tree
		tree.Parse([]byte(in))
		if tree.Ending != ending || tree.Offset != offset {
			t.Errorf("%q: ending %d at %d, want %d at %d", in, tree.Ending, tree.Offset, ending, offset)
		}
	}
	f(`{}`, Whole, 2)
	f(` {"a":[1,2,{"b":null}]} `, Whole, 24)
	f("\ufeff{\"a\":1}", Whole, 10)
	f(`17`, Whole, 2)
	f(`{"a":1}{"b":2}`, Trailing, 7)
	f(`{"a":1} x`, Trailing, 8)
	f(``, Cut, 0)
	f(`{`, Cut, 1)
	f(`{"a`, Cut, 3)
	f(`{"a"`, Cut, 4)
	f(`{"a":`, Cut, 5)
	f(`{"a":1`, Cut, 6)
	f(`{"a":tr`, Cut, 7)
	f(`{"a":"x\`, Cut, 8)
	f(`[1,`, Cut, 3)
	f(`[[]`, Cut, 3)
	f(`nothing`, Malformed, 0)
	f(`{"a" 1}`, Malformed, 5)
	f(`{"a":1 "b":2}`, Malformed, 7)
	f(`{a:1}`, Malformed, 1)
	f(`[1,]`, Malformed, 3)
}

func TestValuesBeforeTheCutAreKept(t *testing.T) {
	var tree Tree
	root := tree.Parse([]byte(`{"code":"X.1","n":12,"o":{"in":"y"},"list":[1,2,{"k":4}],"msg":"half a mess`))
	f := func(v Value, kind Kind, text string, complete bool) {
		t.Helper()
		if v.Kind() != kind || v.Text() != text || v.Complete() != complete {
			t.Errorf("%d %q %v, want %d %q %v", v.Kind(), v.Text(), v.Complete(), kind, text, complete)
		}
	}
	f(root, Object, "", false)
	f(root.Get("code"), String, "X.1", true)
	f(root.Get("n"), Number, "12", true)
	f(root.Get("o"), Object, "", true)
	f(root.Get("o").Get("in"), String, "y", true)
	f(root.Get("list").First().Next().Next().Get("k"), Number, "4", true)
	f(root.Get("list").First().Next().Next().Next(), Missing, "", false)
	f(root.Get("msg"), String, "half a mess", false)
	f(root.Get("msg").Next(), Missing, "", false)
	f(root.Get("absent").Get("deeper"), Missing, "", false)
	f(tree.Parse([]byte(`{"code":40`)).Get("code"), Number, "40", false)
	f(tree.Parse([]byte(`{"code":nul`)).Get("code"), Null, "", false)
}

func TestUnescape(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var tree Tree
		if got := tree.Parse([]byte(`{"k":"` + in + `"}`)).Get("k").Text(); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	f(`plain`, "plain")
	f(`a\"b\\c\/d\b\f\n\r\t`, "a\"b\\c/d\b\f\n\r\t")
	f(`\u0065rror\u4e2d`, "error中")
	f(`\ud83d\ude00`, "😀")
	f(`\ud83d lone`, "\ufffd lone")
	f(`\ud83d\u0041`, "\ufffdA")
	f(`\x22code\x22`, `"code"`)
	f(`\q\xzz`, `\q\xzz`)
	f("raw \x01 and \xff bytes", "raw \x01 and \xff bytes")
}

func TestEscapedKey(t *testing.T) {
	var tree Tree
	root := tree.Parse([]byte(`{"\u0065rror_code":"A.1"}`))
	if got := root.Get("error_code").Text(); got != "A.1" {
		t.Errorf("got %q", got)
	}
}

func TestDepthTakesNoStack(t *testing.T) {
	var tree Tree
	deep := strings.Repeat(`[`, 200_000)
	if tree.Parse([]byte(deep)); tree.Ending != Cut {
		t.Errorf("ending %d", tree.Ending)
	}
	if tree.Parse([]byte(deep + strings.Repeat(`]`, 200_000))); tree.Ending != Whole {
		t.Errorf("ending %d", tree.Ending)
	}
}

// rebuild makes the plain Go value that encoding/json would have made.
func rebuild(v Value) any {
	switch v.Kind() {
	case Null:
		return nil
	case Bool:
		return v.Text() == "true"
	case Number:
		return json.Number(v.Text())
	case String:
		return v.Text()
	case Array:
		list := []any{}
		for c := v.First(); c.Kind() != Missing; c = c.Next() {
			list = append(list, rebuild(c))
		}
		return list
	}
	object := map[string]any{}
	for c := v.First(); c.Kind() != Missing; c = c.Next() {
		object[c.Key()] = rebuild(c)
	}
	return object
}

// FuzzAgainstEncodingJSON holds two promises: what encoding/json accepts is read alike, and no
// input, whole or cut at any byte, makes the reader fail or leave its spans.
func FuzzAgainstEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{"error_code":"OSM.01010037","error_msg":"Exceeded \u4e2d","a":[1,-2.5e3,{"b":null}],"c":true}`,
		`[]`, `[[],{},"",0]`, `"\ud83d\ude00"`, `{"a":1}{"b"`, `[1,]`, `{"a":tru`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<12 {
			return
		}
		var tree Tree
		root := tree.Parse(in)
		for v := root; v.Kind() != Missing; v = v.Following() {
			_, _, _ = v.Raw(), v.Text(), v.Key()
		}
		d := json.NewDecoder(bytes.NewReader(in))
		d.UseNumber()
		var want any
		if !json.Valid(in) || !utf8.Valid(in) || d.Decode(&want) != nil {
			return
		}
		if tree.Ending != Whole {
			t.Fatalf("%q is JSON, yet ending %d at %d", in, tree.Ending, tree.Offset)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(rebuild(root))
		if !bytes.Equal(a, b) {
			t.Fatalf("%q: read as %s, encoding/json as %s", in, b, a)
		}
		for cut := range in {
			tree.Parse(in[:cut])
		}
	})
}

func BenchmarkParse(b *testing.B) {
	in := []byte(`{"request":{"uri":"/v2/p1/clusters","method":"GET","headers":{"host":"api.example.test","x-request-id":"r-001"}},"response":{"status":200,"body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"quota is used up\"}"},"start_time":1767225600123.5,"latency":41.2}`)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var tree Tree
	for b.Loop() {
		tree.Parse(in)
	}
}

// FuzzScanString compares scanString with a scan of single bytes.
func FuzzScanString(f *testing.F) {
	for _, s := range []string{``, `"`, `\"`, `abcdefg\"h"`, `abcdef\"h"`, `\\\\\\\\"`, `1234567\`, `12345678\`, "\x01!#\"", `\u0022[\"a\":\"b\"]" more`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for from := range min(len(src), 9) {
			end, escaped, complete := scanString(src, from)
			wantEscaped, i := false, from
			for ; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					wantEscaped = true
					i++
				}
			}
			if want := min(i, len(src)); end != want || escaped != wantEscaped || complete != (i < len(src)) {
				t.Fatalf("%q from %d: %d %v %v, want %d %v %v", src, from, end, escaped, complete, want, wantEscaped, i < len(src))
			}
		}
	})
}
