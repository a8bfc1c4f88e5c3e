package parse

import (
	"bytes"
	"testing"

	"errata/internal/accesslog"
	"errata/internal/jsontree"
)

// checkFast holds that the fast path, where it answers, says what the parser says the long way.
func checkFast(t *testing.T, p *Parser, body []byte, escaped bool) (proved bool) {
	t.Helper()
	a := accesslog.Access{Status: 200, Body: body, Escaped: escaped}
	state, proved := p.fast(&a)
	if !proved {
		return false
	}
	p.found, p.status = p.found[:0], a.Status
	if want := p.body(&a); state != want || len(p.found) != 0 {
		t.Fatalf("fast path: %s and no envelope; parser: %s, %+v\n%q", state, want, p.found, body)
	}
	return true
}

func TestFastPathAgreesOnTheCorpus(t *testing.T) {
	p := newParser(t)
	proved := 0
	for _, name := range corpus(t) {
		a, _ := readCase(t, name)
		for end := range cuts(0, len(a.Body)+1) {
			if checkFast(t, p, a.Body[:end], false) {
				proved++
			}
			raw := appendQuoted(nil, a.Body[:end])
			checkFast(t, p, raw[1:len(raw)-1], true)
		}
	}
	if proved < 1000 {
		t.Errorf("the fast path answered only %d times", proved)
	}
}

func TestFastPathProvesOrdinaryBodies(t *testing.T) {
	p := newParser(t)
	f := func(body string, want bool) {
		t.Helper()
		a := accesslog.Access{Status: 200, Body: []byte(body)}
		if _, got := p.fast(&a); got != want {
			t.Errorf("%s: proved %v, want %v", body, got, want)
		}
		if want {
			checkFast(t, p, []byte(body), false)
		}
	}
	f(`{"servers":[{"id":"s-1","status":"ACTIVE"}],"count":1}`, true)
	f(`{"code":0,"message":"ok","data":{"default":"x","node":1}}`, true)
	f(`{"success": true, "data": [], "code":"200"}`, true)
	f(`[1,2,{"a":null}]`, true)
	f(`{"a":{"b":1}`, true)
	f(`{"success":false}`, false)
	f(`{"\u0065rror_code":"A.1"}`, false)
	f(`{\x22error_code\x22:\x22A.1\x22}`, false)
	f(`{"ERRORS":[{"Code":"1"}]}`, false)
	f(`{"type":"about:blank","title":"t","status":404}`, false)
	f(`{"a":1} {"b":2}`, false)
}

// TestFastPathWantsUTF8 asks for one kind of body after the other, as the last answer is
// remembered.
func TestFastPathWantsUTF8(t *testing.T) {
	p := newParser(t)
	f := func(contentType, body string, want bool) {
		t.Helper()
		a := accesslog.Access{Status: 200, ContentType: contentType, Body: []byte(body)}
		if _, got := p.fast(&a); got != want {
			t.Errorf("%s: %q: proved %v, want %v", contentType, body, got, want)
		}
	}
	for range 2 {
		f("", `{"a":1}`, true)
		f("application/json; charset=gbk", `{"a":1}`, false)
		f("application/json; charset=gbk", `{"a":1}`, false)
		f("", `{"a":1}`, true)
		f("application/json; charset=utf-8", `{"a":1}`, true)
	}
	text := []byte(`{"a":"forty bytes of text, and some more"}`)
	for i := range text {
		if text[i] >= 'a' && text[i] <= 'z' && i > 5 {
			damaged := bytes.Clone(text)
			damaged[i] = 0xff
			f("", string(damaged), false)
		}
	}
}

func FuzzFast(f *testing.F) {
	for _, name := range corpus(f) {
		if a, _ := readCase(f, name); len(a.Body) < 2000 {
			f.Add(a.Body, false)
			raw := appendQuoted(nil, a.Body)
			f.Add(raw[1:len(raw)-1], true)
		}
	}
	f.Add([]byte(`{"\u0065rror_code":"A.1"}`), false)
	f.Add([]byte(`{\x22error_code\x22:\x22A.1\x22}`), true)
	f.Add([]byte(`{\"Code\":\"0\功\"`), true) // once taken for a code of 0
	f.Add([]byte(`{"items":[{"state":"NG","message":"no"},{"status":"ko","message":"no"}]}`), false)
	f.Add([]byte(`{"status":"INVALID","message":"not"}`), false)
	f.Add([]byte(`{"status":"5100\t","message":"not"}`), false)
	f.Add([]byte(`{"result":"NG ","message":"not"}`), false)
	f.Add([]byte(`{"messages":[{"severity":"NG","code":"0","text":"no"}]}`), false)
	f.Add([]byte(`{"vnp_:de":0}`), false) // once a panic: the name is shorter without what is before the colon
	f.Add([]byte(`{"tAtus":""`), false)
	f.Add([]byte(`{"Co de":"1"`), false) // once taken for a code
	f.Add([]byte(`{"status":"Invalid","statusDetail":"not so"}`), false)
	f.Add([]byte(`{"estado":"404","descripcion":"no hay"}`), false)
	f.Add([]byte(`{"mensajes":[{"identificador":"4","mensaje":"no","tipo":"FATAL"}]}`), false)
	f.Add([]byte(`{"isOk":false,"reason":"no such thing"}`), false)
	f.Add([]byte(`{"ab_returnCode":"N","error":"5"}`), false)
	f.Add([]byte(`{"cStat":"204","xMotivo":"Duplicidade"}`), false)
	f.Add([]byte(`{"a":{"state":"ok"},"b":{"state":"KO","reason":"not"}}`), false)
	f.Add([]byte(`{"messages":[{"reason":"abc","message":"not"}]}`), false)
	f.Add([]byte(`{"result":false,"reason":"already_set"}`), false)
	f.Add([]byte(`{"result":1,"desc":"失败"`), false)
	f.Add([]byte(`{"status":"00A","message":"no"}`), false)
	f.Add([]byte(`{"status":02,"status_message":"0`), false)
	f.Add([]byte(`{"messAge":[{"code":"0","teXt":"no`), false)
	p := newParser(f)
	f.Fuzz(func(t *testing.T, body []byte, escaped bool) {
		if root := p.tree.Parse(append(append([]byte{'"'}, body...), '"')); escaped && (root.Kind() != jsontree.String || p.tree.Ending != jsontree.Whole) {
			return // it cannot stand in a string
		}
		checkFast(t, p, body, escaped)
	})
}
