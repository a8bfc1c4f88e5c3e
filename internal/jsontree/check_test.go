package jsontree

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"
)

// sumOf stands for a key. It is 1 for keys with an escape, which Check and Parse have differently.
func sumOf(key []byte) uint64 {
	if bytes.IndexByte(key, '\\') >= 0 {
		return 1
	}
	return 1<<32 | uint64(crc32.ChecksumIEEE(key))
}

// question is what a Checker asks: of a key, and how the value begins, up to its first escape.
type question struct {
	sum   uint64
	first byte // 0: none
	text  string
	more  bool // the text goes on with an escape, or is cut off
}

// isOf reports whether this may be the question about a member, of which the whole text is known.
func (q question) isOf(member question) bool {
	return (q.sum == member.sum || q.sum == 1) && (q.first == member.first || q.first == 0) &&
		(q.text == member.text || q.more && strings.HasPrefix(member.text, q.text))
}

// checkCheck holds that Check, where it is ok, finds the ending and the members that Parse finds.
// Of a text that it has asked of a key before, it need not ask again. It reports whether Check was
// ok.
func checkCheck(t *testing.T, checker *Checker, src []byte, escaped bool) bool {
	t.Helper()
	var questions []question
	checker.Suspects = Suspects{Asks: sumOf, Holds: func(asks uint64, value []byte, quote string) bool {
		q := question{sum: asks}
		value, isText := bytes.CutPrefix(value, []byte(quote))
		if isText {
			end := max(bytes.IndexAny(value, `"\`), 0)
			q.first, q.text, q.more = '"', string(value[:end]), !bytes.HasPrefix(value[end:], []byte(quote))
		} else if len(value) > 0 {
			q.first = value[0]
		}
		questions = append(questions, q)
		return false
	}}
	for i := range checker.recent {
		for j := range checker.recent[i] {
			checker.recent[i][j].cleared = shortText{}
		}
	}
	how, ok := checker.Check(src, escaped)
	if !ok {
		return false
	}
	plain := src
	if escaped {
		plain = AppendUnescaped(nil, src)
	}
	var tree Tree
	root := tree.Parse(plain)
	if tree.Ending != how {
		t.Fatalf("%q: ending %d, Parse %d", src, how, tree.Ending)
	}
	before := map[question]bool{}
	for v := root; v.Kind() != Missing; v = v.Following() {
		if v.Parent().Kind() != Object {
			continue
		}
		member := question{sum: sumOf(v.RawKey()), first: '"', text: string(v.Raw())}
		if v.Kind() != String {
			member.first, member.text = plain[v.node().start], ""
		}
		if len(questions) > 0 {
			if q := questions[0]; q.isOf(member) && !(before[member] && q.more && q.text == member.text) {
				before[member] = true
				questions = questions[1:]
				continue
			}
		}
		if !before[member] || member.first != '"' {
			t.Fatalf("%q: the member %q: %q was passed over", src, v.RawKey(), v.Raw())
		}
	}
	if len(questions) > 1 || len(questions) == 1 && how == Whole { // one key may have lost its value
		t.Fatalf("%q: %d keys too many", src, len(questions))
	}
	return true
}

var checkInputs = map[string]bool{
	`{}`: true, ` [ ] `: true, `[[],{},"",0,-1.5e+3,true,false,null]`: true,
	`{"a":{"b":[{"c":"x","longer key, of more than fifteen bytes":{}}]},"exactly8":1,"exactly 15 byte":2,"sixteen bytes...":3}`: true,
	"{\n  \"id\": \"a\",\n\t\"size\" : 17 ,\r\n \"list\": [ 1, 2 ] }\n":                                                         true,
	`{"a":"}\",{","b\\":"\\","c":"\\\"","中文":"服务不可用"}`:                                                                          true,
	`{"a":"12345678\"\\\\","b":"1234567\\"}`:                                                                                    true,
	`{"a":1`:                                                                                                                    true, `{"a":"x`: true, `{"a`: true, `{"a":`: true, `[1,`: true, `{"a":tr`: true, `{"a":"x\`: true,
	strings.Repeat(`[{"a":`, 200):                       true,
	strings.Repeat(`[`, 600) + strings.Repeat(`]`, 600): true,
	`{"a":1,}`: false, `{"a" 1}`: false, `[1}`: false, `{"a":1]`: false, `{1}`: false, `[tru]`: false, `[1] x`: false, `"a"`: false, `1`: false, ``: false, `{"a":.5}`: false, `{,}`: false,
	"{\"raw\nnewline\":\"\x00\"}": true,
	`[{"id":"a","state":"x","size":1},{"id":"b","state":"x","size":2}, {"id":"c","state":"y","size":-3}]`: true,
	`[{"id":"a","state": "x","size":true},{"id":"b","state":"x","size":null},{"id":"c","state":"x"},{}]`:  true,
	`{"id":1,"a key that has so many bytes that no word":{"holds":1},"it":2},{"id":"x"}`:                  false,
	`{"it":{"id":"x"},{"id":"y"}}`: false, `[{"id":1}{"id":2}]`: false, `{"id":1"it":2}`: false, `{"id":"x""it":2}`: false, `{"id":"x","id" "y"}`: false,
}

// inString returns a document as it stands in a JSON string.
func inString(document string) string {
	quoted := strconv.Quote(document)
	return quoted[1 : len(quoted)-1]
}

func TestCheck(t *testing.T) {
	var checker Checker
	for input, want := range checkInputs {
		if got := checkCheck(t, &checker, []byte(input), false); got != want {
			t.Errorf("%s: ok %v, want %v", input, got, want)
		}
		for end := range input {
			checkCheck(t, &checker, []byte(input[:end]), false)
		}
		escaped := inString(input)
		if got := checkCheck(t, &checker, []byte(escaped), true); got != want && !strings.Contains(escaped, `\u`) && !strings.Contains(escaped, `\x`) {
			t.Errorf("%s: ok %v, want %v", escaped, got, want)
		}
		for end := range escaped {
			checkCheck(t, &checker, []byte(escaped[:end]), true)
		}
	}
	if checkCheck(t, &checker, []byte(`{\u0022a\u0022:1}`), true) {
		t.Error("an escape that may be a quote was read")
	}
}

func TestCheckStopsAtSuspects(t *testing.T) {
	checker := Checker{Suspects: Suspects{
		Asks: func(key []byte) uint64 { return uint64(len(key)) },
		Holds: func(asks uint64, value []byte, quote string) bool {
			return asks > 4 && bytes.HasPrefix(value, []byte(quote+"x"))
		},
	}}
	f := func(document string, want bool) {
		t.Helper()
		for range 2 { // the second time, the key is remembered
			if _, ok := checker.Check([]byte(document), false); ok != want {
				t.Errorf("%s: ok %v, want %v", document, ok, want)
			}
			if _, ok := checker.Check([]byte(inString(document)), true); ok != want {
				t.Errorf("%s in a string: ok %v, want %v", document, ok, want)
			}
		}
	}
	f(`{"suspect":"y","more":"x","then":"much text to follow"}`, true)
	f(`{"suspect":"x","more":"x","then":"much text to follow"}`, false)
	f(`[{"more":[{"a suspect of many bytes" : "x"}]}]`, false)
	f(`[{"more":[{"a suspect of many bytes" : "y"}]}]`, true)
	f(`[{"suspect":"y"},{"suspect":"y"},{"suspect":"yy"},{"more":"much text to follow"}]`, true)
	f(`[{"suspect":"y"},{"suspect":"y"},{"suspect":"x"},{"more":"much text to follow"}]`, false)
	f(`[{"suspect": "y"},{"suspect":  "x"},{"more":"much text to follow"}]`, false)
	f(`[{"suspect":"y"},{"suspect": "x"},{"more":"much text to follow"}]`, false)
	f(`{"more":"\"suspect\":\"x\"","a":"much text to follow"}`, true)
}

// FuzzCheck compares Check with Parse. A document in a string is whole: what ends it is not in it.
func FuzzCheck(f *testing.F) {
	for input := range checkInputs {
		f.Add([]byte(input), false)
		f.Add([]byte(inString(input)), true)
	}
	f.Add([]byte(`{\"\":\"\",\"\":\"\",\"\":\"\",\"\":\"\%`), true) // only the last text is asked about again
	var checker Checker
	f.Fuzz(func(t *testing.T, src []byte, escaped bool) {
		if escaped {
			if _, _, complete := scanString(append(bytes.Clone(src), '"'), 0); !complete || bytes.IndexByte(bytes.ReplaceAll(bytes.ReplaceAll(src, []byte(`\\`), nil), []byte(`\"`), nil), '"') >= 0 {
				return // it cannot stand in a string
			}
		}
		checkCheck(t, &checker, src, escaped)
	})
}

// checkCheckString holds that CheckString, where it is ok, finds the end of the string that
// scanString finds, and proves what Check proves of what is before it. It reports whether
// CheckString was ok.
func checkCheckString(t *testing.T, src []byte) bool {
	t.Helper()
	suspects := Suspects{Asks: func(key []byte) uint64 { return sumOf(key) % 7 }, Holds: func(asks uint64, value []byte, quote string) bool {
		return asks > 1 && !bytes.HasPrefix(value, []byte(quote))
	}}
	once, string := Checker{Suspects: suspects}, Checker{Suspects: suspects}
	end, ok := string.CheckString(src, 0)
	if again, sure := string.CheckString(src, 0); again != end || sure != ok { // now it remembers the keys
		t.Fatalf("%q: CheckString ends at %d (%v), then at %d (%v)", src, end, ok, again, sure)
	}
	if !ok {
		return false
	}
	if want, _, complete := scanString(src, 0); !complete || end != want {
		t.Fatalf("%q: CheckString ends at %d, scanString at %d (%v)", src, end, want, complete)
	}
	if how, ok := once.Check(src[:end], true); how != Whole || !ok {
		t.Fatalf("%q: CheckString is ok, Check: ending %d, ok %v", src[:end], how, ok)
	}
	return true
}

var afterStrings = []string{`"`, `","x":{"a":"b"},"y":[1,2,3],"z":"much more text to follow"}`, `"}`, ``, `\`}

func TestCheckString(t *testing.T) {
	f := func(document, after string, want bool) {
		t.Helper()
		if got := checkCheckString(t, []byte(document+after)); got != want {
			t.Errorf("%s: ok %v, want %v", document+after, got, want)
		}
	}
	f(`{\"a\":[\"b\",{\"c\":\"d\"}]}`, `"`, true)
	f(`{\"a\":[\"b\",{\"c\":\"d\"}]}`, `","x":1,"much":"more text to follow"}`, true)
	f(`{\"a\":[\"b\",{\"c\":\"d\"}]}`, ``, false)
	f(`{\"a\":[\"b\",{\"c\":\"d\"}]`, `","x":1,"much":"more text to follow"}`, false)
	f(`{`, `","x":1,"much":"more text to follow, and more"}`, false)
	f(`{\"a`, `":1,"much":"more text to follow, and more"}`, false)
	f(`{\"a\":\"\\`, `":1,"much":"more text to follow, and more"}`, false)
	f(`{\"a\":12`, `":1,"much":"more text to follow, and more"}`, false)
	f(`[1] `, `" }`, true)
	for input := range checkInputs {
		escaped := inString(input)
		for _, after := range afterStrings {
			for end := range escaped {
				checkCheckString(t, []byte(escaped[:end]+after))
			}
			checkCheckString(t, []byte(escaped+after))
		}
	}
}

func FuzzCheckString(f *testing.F) {
	for input := range checkInputs {
		for _, after := range afterStrings {
			f.Add([]byte(inString(input) + after))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) { checkCheckString(t, src) })
}

func BenchmarkCheck(b *testing.B) {
	var document strings.Builder
	document.WriteString(`{"count":2,"items":[`)
	for n := range 170 {
		fmt.Fprintf(&document, `{"id":"%012x","name":"%s","status":"ACTIVE","size":%d,"public":%t},`, n*7919*104729, strings.Repeat("ab", 3+n*7%9), n*7919%4096, n*7%3 == 0)
	}
	document.WriteString(`{}]}`)
	for _, escaped := range []bool{false, true} {
		src := []byte(document.String())
		if escaped {
			src = []byte(inString(document.String()))
		}
		b.Run(fmt.Sprintf("escaped=%t", escaped), func(b *testing.B) {
			checker := Checker{Suspects: Suspects{Asks: func([]byte) uint64 { return 0 }}}
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if how, ok := checker.Check(src, escaped); how != Whole || !ok {
					b.Fatal(how, ok)
				}
			}
		})
	}
}

// Documents in strings and others share the memory of keys. A key of the one is none of the other,
// although it takes the place of a key that is expected there.
func TestCheckKeepsQuotesApart(t *testing.T) {
	var c Checker
	c.Asks = func([]byte) uint64 { return 0 }
	long := strings.Repeat("x", 100)
	for i := range 5000 {
		bare, escaped := `{"first":1,"last":"`+long+`"}`, fmt.Sprintf(`{\"key%d\":1,\"last\":\"%s\"}`, i, long)
		if how, ok := c.Check([]byte(bare), false); how != Whole || !ok {
			t.Fatalf("%s: %v, %v", bare, how, ok)
		}
		if how, ok := c.Check([]byte(escaped), true); how != Whole || !ok {
			t.Fatalf("%s: %v, %v", escaped, how, ok)
		}
		mixed := fmt.Sprintf(`{\"key%d\":"%s"}`, i, long)
		if how, ok := c.Check([]byte(mixed), false); ok {
			t.Fatalf("%s, which is in no string: %v", mixed, how)
		}
	}
}

// A key with an escape that the Checker does not read fails the check each time.
func TestCheckFailsAgain(t *testing.T) {
	var c Checker
	c.Asks = func([]byte) uint64 { return 0 }
	body := []byte(`{\"key\": \ [1], \"last\":\"` + strings.Repeat("x", 100) + `\"}`)
	for range 3 {
		if how, ok := c.Check(body, true); ok {
			t.Fatalf("%s: %v", body, how)
		}
	}
}
