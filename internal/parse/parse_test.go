package parse

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

func newParser(t testing.TB) *Parser {
	t.Helper()
	p, err := NewParser(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// read reads a body under a status and writes what was found in short: "dialect
// code|message|request id" with "~" before what was salvaged.
func read(t testing.TB, body string, status int) ([]string, accesslog.BodyState) {
	p := newParser(t)
	found, state := p.Body(&accesslog.Access{Status: status, Body: []byte(body)})
	var short []string
	for _, e := range found {
		s := e.Dialect + " " + e.Code + "|" + e.Message + "|" + e.RequestID
		if e.Confidence == Salvaged {
			s = "~" + s
		}
		short = append(short, s)
	}
	return short, state
}

func TestEnvelopes(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		if got, _ := read(t, body, 200); !cmp.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", body, got, want)
		}
	}
	// As the five pages show them.
	f(`{"error_code":"OSM.0001","error_msg":"failed"}`, "huawei OSM.0001|failed|")
	f(`{"error_msg":"xxx","error_code":"JOB_MANAGER.12050009"}`, "huawei JOB_MANAGER.12050009|xxx|")
	f(`{"error_msg":"The format of message is error","error_code":"AS.0001","request_id":"r1"}`, "huawei AS.0001|The format of message is error|r1")
	f(`{"code":4000,"message":"(100004) incorrect projectId"}`, "tencent-v2 4000|(100004) incorrect projectId|")
	f(`{"code":4100,"message":"signature","codeDesc":"AuthFailure"}`, "tencent-v2 4100|signature|")
	f(`{"code":4100,"message":"signature"}`, "code-message 4100|signature|")
	f(`{"code":"A.1","msg":"m"}`, "code-message A.1|m|")
	// Spelling.
	f(`{"\u0065rror_code":" OSM.1 ","error_msg":" 资金不足 "}`, "huawei OSM.1|资金不足|")
	f(`{"error_code":12345678901234567890,"error_msg":"m"}`, "huawei 12345678901234567890|m|")
	// Success.
	for _, ok := range []string{`0`, `"0"`, `200`, `"200"`, `"OK"`, `"ok"`, `"success"`, `"SUCCESS"`, `"Success"`, `null`, `""`, `true`} {
		f(`{"error_code":` + ok + `,"error_msg":"m"}`)
		f(`{"code":` + ok + `,"message":"m"}`)
		f(`{"code":` + ok + `,"message":"m","codeDesc":"Success"}`)
	}
	// Nested: counts unless an object around it says success; lists of failures always count.
	f(`{"error":{"error_code":"A.1","error_msg":"m"},"request_id":"r"}`, "huawei A.1|m|r")
	f(`{"result":{"deep":[{"code":"A.1","message":"m"}]}}`, "code-message A.1|m|")
	f(`{"code":0,"message":"ok","data":{"code":"A.1","message":"m"}}`)
	f(`{"code":0,"message":"ok","failed":[{"id":1,"error_code":"A.1","error_msg":"m"},{"code":0,"message":"ok"},{"error_code":"A.2","error_msg":"n"}]}`,
		"huawei A.1|m|", "huawei A.2|n|")
	f(`{"code":0,"data":{"x":1},"other":{"error_code":"A.1"}}`)
	f(`[{"error_code":"A.1","error_msg":"m"},{"error_code":"A.2","error_msg":"n"}]`, "huawei A.1|m|", "huawei A.2|n|")
	f(`{"code":0,"message":"ok","partial_failures":[{"code":"A.1","message":"m"}]}`, "code-message A.1|m|")
	// No envelope.
	f(`[{"code":"m1","message":null},{"code":"m2","msg":[]},{"code":"enum","message":{"type":"string"}}]`)
	f(`{"country":{"code":"US","name":"United States"}}`)
	f(`{"text":"the error_code is in the body","note":"\"error_code\":\"A.1\""}`)
	f(`{"properties":{"error_code":{"type":"string"},"error_msg":{"type":"string"}}}`)
	f(`{"error_msg":"alone"}`)
	f(`plain text with "error_code":"A.1"`)
	f(``)
}

func TestDamagedBodies(t *testing.T) {
	f := func(body string, status int, want ...string) {
		t.Helper()
		if got, _ := read(t, body, status); !cmp.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", body, got, want)
		}
	}
	f(`{"error_code":"OSM.01010037","error_msg":"Exceeded the nu`, 200, "~huawei OSM.01010037|Exceeded the nu|")
	f(`{"error_code":"OSM.01010037","err`, 200, "~huawei OSM.01010037||")
	f(`{"error_code":"OSM.01010037"`, 200, "~huawei OSM.01010037||")
	f(`{"error_code":"OSM.0101003`, 200)
	f(`{"error_code":400`, 200)
	f(`{"error_code":400,`, 200, "~huawei 400||")
	f(`{"code":"A.1","mess`, 200, "~code-message A.1||")
	f(`{"list":[{"error_code":"A.1","error_msg":"m"},{"error_code":"A.2`, 200, "~huawei A.1|m|")
	f(`{"error":{"code":"A.1","mess`, 200, "~error-object A.1||")
	f(`{"count":2,"flavors":[{"code":"m1.small","name":"Small"},{"code":"m1.large","na`, 200)
	f(`{"country":{"code":"US","name":"United Sta`, 200)
	f(`{"error_msg":"success","error_co`, 200)
	f(`{"message":"quota is used up","code":"OSM.0`, 200, "~code-message |quota is used up|")
	f(`{"name":"quota","message":"used","co`, 200)
	// The message alone survived.
	f(`{"error_msg":"quota is used up","error_co`, 200, "~huawei |quota is used up|")
	f(`{"error_msg":"quota is used up","error_co`, 429, "~huawei HTTP.429|quota is used up|")
	f(`{"error_code":"OSM.01010037","error_msg":"m"} trailing`, 200, "~huawei OSM.01010037|m|")
	f("{\"error_code\":\"OSM.01010037\",\"error_msg\":\"\xff\xfe\"}", 200, "huawei OSM.01010037|\xff\xfe|")
}

func TestStatusAlone(t *testing.T) {
	f := func(body string, status int, want ...string) {
		t.Helper()
		if got, _ := read(t, body, status); !cmp.Equal(got, want) {
			t.Errorf("%d %s\ngot  %q\nwant %q", status, body, got, want)
		}
	}
	f(``, 399)
	f(``, 503, "http HTTP.503||")
	f("upstream connect error\n", 503, "http HTTP.503|upstream connect error|")
	f(`{"code":0,"message":"ok"}`, 500, `http HTTP.500|{"code":0,"message":"ok"}|`)
	f(`{"error_code":"A.1","error_msg":"m"}`, 500, "huawei A.1|m|")
	f(strings.Repeat("é ", 400), 404, "http HTTP.404|"+strings.Repeat("é ", 150)+"|")
	f(strings.Repeat("é", 400)+" x", 404, "http HTTP.404|"+strings.Repeat("é", 400)+"|") // it may be a secret
	f(strings.Repeat("e", 10_000), 404, "http HTTP.404|"+strings.Repeat("e", 300+maxSecret)+"|")
}

func TestBodyState(t *testing.T) {
	f := func(body string, want accesslog.BodyState) {
		t.Helper()
		if _, got := read(t, body, 200); got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
	}
	f(``, accesslog.Empty)
	f("  \n", accesslog.Empty)
	f(`{}`, accesslog.JSON)
	f(` [1] `, accesslog.JSON)
	f(`"text"`, accesslog.JSON)
	f(`null`, accesslog.JSON)
	f("\ufeff{}", accesslog.JSON)
	f(`{"a":{"b":1}`, accesslog.Truncated)
	f(`[`, accesslog.Truncated)
	f(`{not json}`, accesslog.Text)
	f(`hello`, accesslog.Text)
	f(`404 page not found`, accesslog.Text)
	f(`<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`, accesslog.XML)
	f(`<Error><Code>NoSuchKey</Code>`, accesslog.Truncated)
	f(`<Error><Co`, accesslog.Truncated)
	f(`<!DOCTYPE html><html><body>x</body></html>`, accesslog.Text)
	f("\x1f\x8b\x08\x00\x00\x00", accesslog.Undecodable)
	f("\x00\x01\x02\x03\x04 binary", accesslog.Undecodable)
	f("naïve café", accesslog.Text)
	f("cut in a char \xe4\xb8", accesslog.Text)
}

// FuzzBody holds that no body makes the parser fail, and that a cut never makes a code out of a
// part of one.
func FuzzBody(f *testing.F) {
	for _, name := range corpus(f) {
		if a, _ := readCase(f, name); len(a.Body) < 2000 {
			f.Add(a.Body, a.Status)
		}
	}
	f.Add([]byte(`{"error_code":"OSM.01010037","error_msg":"Exceeded","x":[{"code":1,"message":"m"}]}`), 200)
	f.Add([]byte(`{"code":0,"failed":[{"code":"A","message":"B"}]}`), 500)
	f.Add([]byte("<a><b/></a>"), 404)
	p := newParser(f)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		found, state := p.Body(&accesslog.Access{Status: status, Body: body})
		if state == "" {
			t.Fatal("no state")
		}
		for _, e := range found {
			if e.Dialect == "" || e.Confidence == "" || status >= 400 && e.Code == "" {
				t.Fatalf("%+v", e)
			}
			if utf8.Valid(body) && len(body) > 0 && (body[0] == '{' || body[0] == '<') && !bytes.Contains(body, []byte(`\x`)) && !utf8.ValidString(e.Message) {
				t.Fatalf("broken message %q", e.Message)
			}
		}
		if state != accesslog.JSON || status >= 400 || len(body) < 2 || body[0] != '{' {
			return
		}
		cut, _ := p.Body(&accesslog.Access{Status: status, Body: body[:len(body)-1-int(uint(status)%uint(len(body)-1))]})
		for _, e := range cut {
			if e.Code != "" && !strings.HasPrefix(e.Code, "HTTP.") && !isWholeIn(body, e.Code) {
				t.Fatalf("cut: %+v is not in the body", e)
			}
		}
	})
}

func BenchmarkBody(b *testing.B) {
	run := func(name, body string, escaped bool, read func(p *Parser, a *accesslog.Access)) {
		b.Run(name, func(b *testing.B) {
			p := newParser(b)
			a := &accesslog.Access{Status: 200, Body: []byte(body), Escaped: escaped}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				read(p, a)
			}
		})
	}
	whole := func(p *Parser, a *accesslog.Access) { p.Body(a) }
	long := func(p *Parser, a *accesslog.Access) { p.found = p.found[:0]; p.body(a) } // without the fast path
	inString := func(body string) string { q := appendQuoted(nil, []byte(body)); return string(q[1 : len(q)-1]) }
	failure := `{"error_code":"OSM.01010037","error_msg":"Exceeded the number of times the case limit was created.","request_id":"5b1d2f"}`
	success := `{"servers":[` + strings.Repeat(`{"id":"s-1","name":"web","status":"ACTIVE","addresses":{"lan":["10.0.0.1"]}},`, 5) + `{}],"count":5}`
	run("error", failure, false, whole)
	run("success", success, false, whole)
	run("success, the long way", success, false, long)
	run("success in a string", inString(success), true, whole)
	run("success in a string, the long way", inString(success), true, long)
	run("xml", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message>The resource you requested does not exist</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>`, false, whole)
	run("gzip", string(gzipped([]byte(success))), false, whole)
	run("text", "upstream connect error or disconnect/reset before headers", false, whole)
}

// BenchmarkCorpus takes the bodies of testdata, one after the other. Most of their names are new
// each time, which is worse than what a gateway logs.
func BenchmarkCorpus(b *testing.B) {
	groups := map[string][]accesslog.Access{}
	for _, name := range corpus(b) {
		a, want := readCase(b, name)
		group := "silent"
		switch {
		case len(a.Body) > 3000: // it would outweigh the others
			continue
		case a.Status >= 400 && isPage(a.Body):
			group = "pages"
		case want.BodyState == accesslog.Text:
			group = "texts"
		case a.Status >= 400:
			group = "failed"
		case len(want.Errors) > 0:
			group = "errors"
		}
		groups[group] = append(groups[group], a)
	}
	for _, group := range []string{"silent", "errors", "failed", "pages", "texts"} {
		b.Run(group, func(b *testing.B) {
			p, bodies := newParser(b), groups[group]
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				p.Body(&bodies[n%len(bodies)])
				n++
			}
		})
	}
}

func TestManyEnvelopesTakeLinearTime(t *testing.T) {
	body := "[" + strings.TrimSuffix(strings.Repeat(`{"code":1,"msg":"x"},`, 200_000), ",") + "]" // 4 MB; minutes if it were quadratic
	p := newParser(t)
	if found, _ := p.Body(&accesslog.Access{Status: 200, Body: []byte(body)}); len(found) != 200_000 {
		t.Error(len(found))
	}
}

// TestHostileBodies holds that bodies made to take much time or memory take little, and are told
// for what they are. Work that grows with the square of a body's size would take many minutes
// here, and end in the time limit of go test.
func TestHostileBodies(t *testing.T) {
	p := newParser(t)
	f := func(name, body string, status int, state accesslog.BodyState, codes ...string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found, got := p.Body(&accesslog.Access{Status: status, Body: []byte(body)})
		runtime.ReadMemStats(&after)
		var all []string
		for _, e := range found {
			all = append(all, e.Code)
		}
		if got != state || !slices.Equal(all, codes) {
			t.Errorf("%s: %s %q, want %s %q", name, got, all, state, codes)
		}
		if limit := uint64(len(body)*16 + 256<<20); after.TotalAlloc-before.TotalAlloc > limit {
			t.Errorf("%s: %d MB allocated for %d MB", name, (after.TotalAlloc-before.TotalAlloc)>>20, len(body)>>20)
		}
	}
	const size = 1 << 18
	f("brackets", strings.Repeat("[", 50_000), 200, accesslog.Truncated)
	f("brackets closed", strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000), 200, accesslog.JSON)
	f("objects", strings.Repeat(`{"error":`, 50_000), 200, accesslog.Truncated)
	f("256 KB of numbers", `{"error_code":"A.1","error_msg":"m","list":[`+strings.Repeat("1,", size/2)+"1]}", 200, accesslog.JSON, "A.1")
	f("256 KB of numbers, cut", `{"error_code":"A.1","error_msg":"m","list":[`+strings.Repeat("1,", size/2), 200, accesslog.Truncated, "A.1")
	f("256 KB in one string", `{"error_code":"A.1","error_msg":"`+strings.Repeat("x", size)+`"}`, 200, accesslog.JSON, "A.1")
	f("256 KB of escapes", `{"a":"`+strings.Repeat(`\u0065`, size/6)+`"}`, 200, accesslog.JSON)
	f("256 KB of backslashes", `{"a":"`+strings.Repeat(`\`, size), 200, accesslog.Truncated)
	f("256 KB of text", strings.Repeat("error ", size/6), 200, accesslog.Text)
	f("256 KB of base64", strings.Repeat("QUJD", size/4), 200, accesslog.Text)
	f("256 KB of elements", strings.Repeat("<a>", size/3), 200, accesslog.Truncated)
	f("256 KB of attributes", "<a "+strings.Repeat(`b="c" `, size/6)+"/>", 200, accesslog.XML)
	f("lines", strings.Repeat("{}\n", size/4), 200, accesslog.JSON)
	f("lines and blanks", strings.Repeat("{}\n", size/4)+strings.Repeat(" ", size), 200, accesslog.JSON)
	f("broken lines", "{}\n"+strings.Repeat("{x}\n", size/4), 200, accesslog.Text)
	f("events", strings.Repeat("data: {}\n", size/4), 200, accesslog.JSON)
	f("chunks", strings.Repeat("2\r\n{}\r\n", size/4), 200, accesslog.JSON)
	f("guards", strings.Repeat(")]}'", 6), 200, accesslog.Empty) // as many as are taken off: once a panic
	f("more guards", strings.Repeat(")]}'", 25_000), 200, accesslog.Text)
	f("strings in strings", strings.Repeat(`"`, 25_000), 200, accesslog.Text)
	f("failures", `{"failed":[`+strings.Repeat(`{"errors":[{"message":"m"}]},`, 25_000)+`0]}`, 200, accesslog.JSON, slices.Repeat([]string{""}, 25_000)...)
	f("bomb", string(gzipped(bytes.Repeat([]byte(" "), 1<<25))), 200, accesslog.Truncated) // twice what is inflated
	f("billion laughs", `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;"><!ENTITY lol9 "&lol2;&lol2;">]><lolz>&lol9;</lolz>`, 200, accesslog.XML)
}

// FuzzXML holds that what is made of XML is JSON, whole or cut, and that a cut never changes a
// code.
func FuzzXML(f *testing.F) {
	for _, name := range corpus(f) {
		if a, _ := readCase(f, name); bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<")) && len(a.Body) < 4000 {
			f.Add(a.Body, len(a.Body)/2)
		}
	}
	p := newParser(f)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		if len(body) == 0 || body[0] != '<' {
			return
		}
		text, ending := xmlToJSON(nil, body)
		var tree jsontree.Tree
		tree.Parse(text)
		switch {
		case ending == xmlWhole && (tree.Ending != jsontree.Whole || !utf8.Valid(text) && utf8.Valid(body)):
			t.Fatalf("whole XML became %s", text)
		case ending != xmlWhole && tree.Ending != jsontree.Cut:
			t.Fatalf("XML that ends as %d became JSON that ends as %d: %s", ending, tree.Ending, text)
		}
		whole := map[string]bool{"": true}
		found, _ := p.Body(&accesslog.Access{Status: 200, Body: body})
		if ending != xmlWhole {
			return
		}
		for _, e := range found {
			whole[e.Code] = true
		}
		if cut < 1 || cut >= len(body) || bytes.ContainsAny(body, "&![") { // entities and CDATA may be cut into other texts
			return
		}
		if found, _ = p.Body(&accesslog.Access{Status: 200, Body: body[:cut]}); len(found) > 0 && found[0].Dialect == "aws-xml" && !whole[found[0].Code] {
			t.Fatalf("cut at %d: %+v, whole %v", cut, found[0], whole)
		}
	})
}
