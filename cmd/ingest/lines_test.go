package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestSampleReader(t *testing.T) {
	type record struct {
		line int
		text string
	}
	f := func(file string, want ...record) {
		t.Helper()
		var got []record
		r := newSampleReader(strings.NewReader(file))
		for {
			text, line, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, record{line, string(text)})
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", file, got, want)
		}
	}
	f("")
	f("a\n\nb", record{1, "a"}, record{2, ""}, record{3, "b"})
	f("{\"a\":1}\r\n{\"b\":2}\r\n", record{1, `{"a":1}`}, record{2, `{"b":2}`})
	// What jq writes: two documents, with brackets and quotes in their texts.
	f("{\n  \"a\": \"}{\",\n  \"b\": [\n    \"\\\"]\"\n  ]\n}\n{\n  \"c\": 1\n}\n", record{1, "{\n  \"a\": \"}{\",\n  \"b\": [\n    \"\\\"]\"\n  ]\n}"}, record{7, "{\n  \"c\": 1\n}"})
	f("[\n {\"a\":1},\n\n {\"b\":2}\n]\nx", record{1, "[\n {\"a\":1},\n\n {\"b\":2}\n]"}, record{6, "x"})
	f("{\r\n\t\"a\": 1\r\n}\r\nx", record{1, "{\r\n\t\"a\": 1\r\n}"}, record{4, "x"})
	// Lines that are cut off take none of those after them.
	f("{\"a\":1,\n{\"b\":2}\n[2026] x\n", record{1, `{"a":1,`}, record{2, `{"b":2}`}, record{3, "[2026] x"})
	f("{\"a\":\n192.0.2.1 - -", record{1, `{"a":`}, record{2, "192.0.2.1 - -"})
	f("{\n  \"a\": 1,\n{\n  \"b\": 2\n}", record{1, "{\n  \"a\": 1,"}, record{3, "{\n  \"b\": 2\n}"})
	f("{\n  \"a\": {", record{1, "{\n  \"a\": {"})
	// Text lines that begin with a bracket, and indented ones.
	f("[01/Jan/2026] a,\n b\n", record{1, "[01/Jan/2026] a,"}, record{2, " b"})
}
