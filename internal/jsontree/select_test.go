package jsontree

import (
	"bytes"
	"strings"
	"testing"
)

// asked are the paths of the tests. The last key of X- paths is in any case.
var asked = []string{"a", "b", "a.b", "a.b.c", "h.x-id", "A", "X-Top", ""}

func askedPaths(t testing.TB) (paths Paths, numbers []int) {
	t.Helper()
	for _, dotted := range asked {
		var path []Key
		for key := range strings.SplitSeq(dotted, ".") {
			path = append(path, Key{Name: key, AnyCase: strings.Contains(key, "-")})
		}
		n, ok := paths.Add(path)
		if again, sure := paths.Add(path); !ok || !sure || again != n {
			t.Fatalf("%s has the numbers %d (%v) and %d (%v)", dotted, n, ok, again, sure)
		}
		numbers = append(numbers, n)
	}
	return paths, numbers
}

// memberOf is Value.Get for a key of asked.
func memberOf(v Value, key string) Value {
	if !strings.Contains(key, "-") {
		return v.Get(key)
	}
	if v.Kind() != Object {
		return Value{}
	}
	for m := v.First(); m.Kind() != Missing; m = m.Next() {
		if len(m.Key()) == len(key) && strings.EqualFold(m.Key(), key) { // no other letters fold to ASCII ones in as many bytes
			return m
		}
	}
	return Value{}
}

// checkSelect compares what Select finds in an object with what Parse finds there, and reports
// whether Select took it. Before that, Select reads another object, and remembers its members.
func checkSelect(t *testing.T, before, src []byte) bool {
	t.Helper()
	paths, numbers := askedPaths(t)
	var quick, plain Tree
	present := make([]uint64, 1)
	quick.Select(before, 0, &paths, present)
	end, ok := quick.Select(src, 0, &paths, present)
	if !ok {
		return false
	}
	root := plain.Parse(src[:end])
	if plain.Ending != Whole || root.Kind() != Object || !bytes.Equal(root.Raw(), src[:end]) {
		t.Fatalf("%q: Select took %q, which Parse does not", src, src[:end])
	}
	same := func(a, b Value) bool {
		return a.Kind() == b.Kind() && bytes.Equal(a.Raw(), b.Raw()) && a.Complete() == b.Complete() && a.Escaped() == b.Escaped() && a.Text() == b.Text()
	}
	for i, dotted := range asked {
		want := root
		for key := range strings.SplitSeq(dotted, ".") {
			want = memberOf(want, key)
		}
		var got Value
		if n := numbers[i]; present[0]&(1<<n) != 0 {
			got = quick.Selected(n)
		}
		if !same(got, want) {
			t.Fatalf("%q: %q is %q, want %q", src, dotted, got.Raw(), want.Raw())
		}
		if want.Kind() != Array {
			continue
		}
		if first := got.First(); !same(first, want.First()) || first.Kind() != Missing && first.Next().Kind() != Missing {
			t.Fatalf("%q: the first item of %q is %q, want %q", src, dotted, first.Raw(), want.First().Raw())
		}
	}
	return true
}

var selectInputs = map[string]bool{
	`{}`: true,
	`{"a": {"b" :{"c":1 },"b":{"c":2}},"a":3,"z":0,"y":0}`:                                                     true,
	`{"z":0,"a":{"b":{"c":1},"bb":2},"b":{"c":3},"y":"z"}`:                                                     true,
	`{"a":{"b":2` + strings.Repeat(" ", 70) + `, "c":4}}`:                                                      true,
	`{"a"` + strings.Repeat(" ", 70) + `:1,"b":2}`:                                                             true,
	`{"a":{"b":{"c":1}}` + "\n" + `"b":2}`:                                                                     false,
	`{"a":{"b":{"c":"x\u0041","c":1},"b":2},"h":{"q":[{"a":[]},{}],"X-ID":["1",2],"x-id":3}, "x-TOP" : null }`: true,
	`{"a":[{"b":1}, 2],"b":-1.5e+3,"A":true,"":false}`:                                                         true,
	`{"a":[ ],"b":{ },"h":{"x-id":[[1],2]}} and more`:                                                          true,
	`{"a":1,"a":{"b":2}}`: true,
	`{"a":"x","b":"y","z":"q","h":{"x-id":"0123456789"},"A":12.5,"":"\"","X-Top":-1}`:                           true,
	`{"a":1,"b":"y","z":{},"h":{"x-id":"01234567"},"A":"12.5","":"\\","X-Top":"1"}`:                             true,
	`{ "a": "x", "b": 17, "z": [{}], "h": {"x-id": "x"}, "A": {"b": true}, "": "" }`:                            true,
	`{"a key of more bytes than a few words hold, and some":1,"a key of more bytes than 32, not 48":2,"b":"x"}`: true,
	`{"a":"x","b":"y","z":"q}`: false, `{"a":"x","b":17`: false, `{"a":"x"{"b":1}}`: false, `{"a":"x""b":1}`: false, `{,"a":1}`: false, `{"a":{"b":1},}`: false, `{"a":{,}}`: false,
	`{"z":1,"a":{"b":1}"b":"y"}`: false, `{"a":"x","b":17.}`: true,
	`{"z":{"\u0061":"}"}}`:                                            true, // escapes in what nothing asks for
	"{\"a\":\"raw\ncontrol, and \xff\"}":                              true,
	`{"z":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`: true,
	`{"z":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`: false,
	`{"\u0061":1}`:       false,
	`{"a":{"\u0062":1}}`: false,
	`{"a":1`:             false,
	`{"a":1,}`:           false,
	`{"a" 1}`:            false,
	`{"a":}`:             false,
	`{"a":[1,]}`:         false,
	`{"a":[1}}`:          false,
	`{"z":{1}}`:          false,
	`{"z":[tru]}`:        false,
	`{"z":"`:             false,
	`{"z":"\`:            false,
	`{"z`:                false,
	`[1]`:                false,
	``:                   false,
}

func TestSelect(t *testing.T) {
	for input, want := range selectInputs {
		for before := range selectInputs {
			if got := checkSelect(t, []byte(before), []byte(input)); got != want {
				t.Errorf("%s: after %s, Select took it: %v, want %v", input, before, got, want)
			}
		}
	}
}

func TestPathsThatOneKeyCouldStandFor(t *testing.T) {
	var paths Paths
	f := func(key Key, want bool) {
		t.Helper()
		if _, ok := paths.Add([]Key{key}); ok != want {
			t.Errorf("%v: added: %v, want %v", key, ok, want)
		}
	}
	f(Key{Name: "Service"}, true)
	f(Key{Name: "service"}, true)
	f(Key{Name: "SERVICE", AnyCase: true}, false)
	f(Key{Name: "X-Id", AnyCase: true}, true)
	f(Key{Name: "x-ID", AnyCase: true}, true)
	f(Key{Name: "X-Id"}, false)
}

func FuzzSelect(f *testing.F) {
	for input := range selectInputs {
		for before := range selectInputs {
			f.Add([]byte(before), []byte(input))
		}
	}
	f.Fuzz(func(t *testing.T, before, src []byte) {
		if checkSelect(t, nil, src) != checkSelect(t, before, src) || checkSelect(t, src, src) != checkSelect(t, nil, src) {
			t.Errorf("%q: what Select read before decides whether it takes it", src)
		}
	})
}
