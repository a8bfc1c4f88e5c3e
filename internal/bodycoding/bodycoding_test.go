package bodycoding

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"errata/internal/jsontree"
)

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Package parse reads its whole corpus in each wrapping; here are the limits and the order.
func TestDecode(t *testing.T) {
	f := func(body, encoding, want string, cut bool, outcome Outcome) {
		t.Helper()
		got := NewDecoder(new(jsontree.Tree)).Decode([]byte(body), encoding, "")
		if string(got.Text) != want || got.Cut != cut || got.Outcome != outcome {
			t.Errorf("%.100q: %.100q, cut %v, outcome %d, want %q, %v, %d", body, got.Text, got.Cut, got.Outcome, want, cut, outcome)
		}
	}
	document := `{"a":"` + strings.Repeat("x", 100) + `"}`
	zip := gzipped(t, document)
	f("", "", "", false, Empty)
	f(" \x00\r\n", "", "", false, Empty)
	f("hello", "br", "hello", false, Readable)
	f(zip, "", document, false, Readable)
	f(zip[:len(zip)-1], "", document, true, Readable)
	f(zip[:5], "", "", false, Undecodable)
	f("\x00\x01\x02\x03\x04", "", "", false, Undecodable)
	f(base64.StdEncoding.EncodeToString([]byte(zip)), "", document, false, Readable)
	f("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+zip, "", document, false, Readable)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\"a\"\r\n0\r\n\r\n", "", `"a"`, false, Readable)
	f("HTTP/1.1 200 OK\nA: b\n\n{\"a\":\"\r\n\r\n\"}", "", "{\"a\":\"\r\n\r\n\"}", false, Readable) // the first empty line ends the head
	f(strings.Repeat(")]}'", maxLayers)+document, "", document, false, Readable)
	f(strings.Repeat(")]}'", maxLayers+1)+document, "", ")]}'"+document, false, Readable)
	f(strings.Repeat(")]}'", maxLayers), "", "", false, Empty)
	f("\"eyJhIjoxfQ==\"", "", `{"a":1}`, false, Readable)
	f("d29yZHMgdGhhdCBhcmUgbm8gZG9jdW1lbnQ=", "", "d29yZHMgdGhhdCBhcmUgbm8gZG9jdW1lbnQ=", false, Readable)
}

func TestDechunk(t *testing.T) {
	f := func(body string, declared bool, want string, cut, ok bool) {
		t.Helper()
		got, gotCut, gotOK := dechunk([]byte(body), declared)
		if string(got) != want || gotCut != cut || gotOK != ok {
			t.Errorf("%q, declared %v: %q, cut %v, ok %v, want %q, %v, %v", body, declared, got, gotCut, gotOK, want, cut, ok)
		}
	}
	for _, declared := range []bool{true, false} {
		f("2\r\n{}\r\n0\r\n\r\n", declared, "{}", false, true)
		f("2;a=b\n{}\n0", declared, "{}", false, true)
		f("2 \r\n{}\r\n", declared, "{}", false, true)
		f("2\r\n{\"\r\n1A\r\n\":1", declared, `{"":1`, true, true) // cut in a chunk
		f("2\r\n{}\r\n1", declared, "{}", true, true)              // cut in a size
		f("2\r\n{}\r\nxyz\r\n", declared, "{}xyz\r\n", false, true)
		f(`{"not":"chunked"}`, declared, "", false, false)
		f("ffffffffffffffff\r\n{}", declared, "", false, false)
	}
	f("5\r\nhello\r\n0\r\n", true, "hello", false, true)
	f("5\r\nhello\r\n0\r\n", false, "", false, false)
	f("20260101\n{}", true, "{}", true, true)
	f("20260101\n{}", false, "", false, false)
	f("0\r\n\r\n", true, "", false, true)
	f("0\r\n\r\n", false, "", false, false)
}

func TestBase64(t *testing.T) {
	f := func(text, want string, cut, ok bool) {
		t.Helper()
		got, gotCut, gotOK := Base64([]byte(text))
		if gotOK != ok || ok && (string(got) != want || gotCut != cut) {
			t.Errorf("%q: %q, cut %v, ok %v, want %q, %v, %v", text, got, gotCut, gotOK, want, cut, ok)
		}
	}
	f("", "", false, true)
	f("eyJhIjoiPz8+In0=", `{"a":"??>"}`, false, true)
	f("eyJhIjoiPz8-In0", `{"a":"??>"}`, false, true)
	f("eyJhIjoi\r\nPz8+In0=\r\n", `{"a":"??>"}`, false, true)
	f(strings.Repeat("QUJD", 40)+"\r\nQUJDQ", strings.Repeat("ABC", 41), true, true) // wrapped later than lines usually are, and cut
	f("eyJhIjoxfQ==eyJhIjoxfQ==", "", false, false)
	f("###", "", false, false)
}

func TestParseResponse(t *testing.T) {
	f := func(text, want string, ok bool) {
		t.Helper()
		headers := ""
		body, _, gotOK := ParseResponse([]byte(text), func(name, value []byte) { headers += fmt.Sprintf("|%s=%s", name, value) })
		if got := string(body) + headers; got != want || gotOK != ok {
			t.Errorf("%q: %q, ok %v, want %q, %v", text, got, gotOK, want, ok)
		}
	}
	f("HTTP/1.1 200 OK\r\nA: b\r\nEmpty:\r\nno header\r\nC:d:e \r\n\r\nbody", "body|a=b|c=d:e", true)
	f("HTTP/1.1 200 OK\nA: b\n\n\r\n\r\n", "\r\n\r\n|a=b", true)
	f("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "body|transfer-encoding=gzip, Chunked", true)
	f("HTTP/1.1 200 OK\r\nA: b\r\n", "", false)
}

// FuzzDecode holds that no body makes Decode fail, and that a text comes out exactly when one is
// readable.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(gzipped(f, `{"a":1}`)), "gzip", "")
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "", "")
	f.Add([]byte(strings.Repeat(")]}'", maxLayers)), "br", "text/html; charset=gbk")
	f.Add([]byte("\"eyJhIjoxfQ==\""), "deflate", "")
	f.Add([]byte("callback({\"a\":1});"), "", "")
	f.Add([]byte("event: x\ndata: {}\n\n"), "", "")
	f.Add([]byte("\xff\xfe{\x00}\x00"), "", "")
	d := NewDecoder(new(jsontree.Tree))
	f.Fuzz(func(t *testing.T, body []byte, encoding, contentType string) {
		before := bytes.Clone(body)
		got := d.Decode(body, encoding, contentType)
		if (len(got.Text) > 0) != (got.Outcome == Readable) {
			t.Fatalf("outcome %d of %q", got.Outcome, got.Text)
		}
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
	})
}
