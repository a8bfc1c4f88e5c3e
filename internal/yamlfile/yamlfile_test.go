package yamlfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a file as one of ours is.
type sample struct {
	Name   string
	Limits struct {
		Rows    int
		Share   *float64
		Enabled bool
	}
	Groups []group
	Labels map[string]string
	Any    any
	Hidden string `yaml:"-"`
}

type group struct {
	Title   string `yaml:"name"`
	Codes   []string
	MoreKey `yaml:",inline"`
}

type MoreKey struct {
	Retry string `yaml:"retry_after"`
}

func TestDecode(t *testing.T) {
	const text = `
name: 0012
limits: {rows: "5", share: '1', enabled: "true"}
groups:
  - &first {name: no, codes: [a, "b"], retry_after: 2026-11-02}
  - <<: *first
    name: two
  - *first
labels: {a-b: 1.10}
any: {x: [1, y]}
`
	f, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got sample
	if err := f.Decode(&got); err != nil {
		t.Fatal(err)
	}
	share := 1.0
	first := group{Title: "no", Codes: []string{"a", "b"}, MoreKey: MoreKey{"2026-11-02"}}
	second := first
	second.Title = "two"
	want := sample{Name: "0012", Groups: []group{first, second, first}, Labels: map[string]string{"a-b": "1.10"}, Any: map[string]any{"x": []any{1, "y"}}}
	want.Limits.Rows, want.Limits.Share, want.Limits.Enabled = 5, &share, true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if f.Scalar("$.groups[0].name") != "no" || f.Scalar("$.groups[0]") != "" || f.Scalar("$.groups[9].name") != "" || f.Scalar("$.GROUPS[2].codes[1]") != "b" {
		t.Error("a scalar is not found at its path")
	}
}

func TestProblems(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		file, err := Parse("f.yaml", []byte(text))
		if err == nil {
			err = file.Decode(&sample{})
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
		var at *Error
		if !errors.As(err, &at) || at.UnknownKey != strings.HasPrefix(at.Message, "unknown key") {
			t.Errorf("%T %+v", err, at)
		}
	}
	f("name: a\nnmae: b\n", `f.yaml:2:1: unknown key "nmae": did you mean "name"?`)
	f("groups:\n  - name: a\n    codse: []\n", `f.yaml:3:5: unknown key "groups[0].codse": did you mean "groups[0].codes"?`)
	f("groups: [{name: a}, {name: b, retry: x}]\n", `f.yaml:1:31: unknown key "groups[1].retry": did you mean "groups[1].name"?`)
	f("名: a\n", `f.yaml:1:1: unknown key "名": did you mean "any"?`)
	f("rows: 5\n", `f.yaml:1:1: unknown key "rows": did you mean "groups"?`)
	f("limits: {name: 5}\n", `f.yaml:1:10: unknown key "limits.name": did you mean "limits.share"?`)
	f("hidden: a\n", `f.yaml:1:1: unknown key "hidden": did you mean "name"?`)
	f("x: &a {}\ngroups: [*a]\n", `f.yaml:1:1: unknown key "x": did you mean "any"?`)
	f("any: &a {zz: 1}\ngroups: [*a]\n", `f.yaml:1:10: unknown key "groups[0].zz": did you mean "groups[0].name"?`)
	f("any: &a {zz: *a}\n", `f.yaml:1: anchor 'a' value contains itself`)
	f("limits: &a {<<: *a}\n", `f.yaml:1: anchor 'a' value contains itself`)
	f("name: a\nlimits:\n  rows: 1\n  rows: 2\n", `f.yaml:4:3: the key "rows" stands in line 3 already: take one out`)
	f("any: [{a: 1, a: 2}]\n", `f.yaml:1:14: the key "a" stands in line 1 already: take one out`)
	f("limits: {rows: many}\n", `f.yaml:1:16: limits.rows is a whole number, and "many" is not`)
	f("limits: {rows: 1.5}\n", `f.yaml:1:16: limits.rows is a whole number, and "1.5" is not`)
	f("limits: {share: 20%}\n", `f.yaml:1:17: limits.share is a number, and "20%" is not: write 20% as 0.2`)
	f("limits: {share: 2.5 %}\n", `f.yaml:1:17: limits.share is a number, and "2.5 %" is not: write 2.5 % as 0.025`)
	f("limits: {rows: 20%}\n", `f.yaml:1:16: limits.rows is a whole number, and "20%" is not`)
	f("limits: {share: [1]}\n", `f.yaml:1:17: limits.share is a number: write it behind the colon`)
	f("limits: {enabled: maybe}\n", `f.yaml:1:19: limits.enabled is true or false, and "maybe" is not`)
	f("name: {a: b}\n", `f.yaml:1:7: name is a text: write it behind the colon`)
	f("limits: 5\n", `f.yaml:1:9: limits holds keys of its own: write them under it`)
	f("labels: a\n", `f.yaml:1:9: labels holds keys of its own: write them under it`)
	f("groups: a\n", `f.yaml:1:9: groups is a list: write its items with a dash before each, or in [brackets]`)
	f("groups: [a]\n", `f.yaml:1:10: groups[0] holds keys of its own: write them under it`)
	f("- a\n", `f.yaml:1:1: the file holds keys of its own: write them under it`)
	f("name: {a\n", `f.yaml:1: did not find expected ',' or '}'`)
	f("limits:\n  rows: 1\nlabels: {a: b\n", `f.yaml:3: did not find expected ',' or '}'`)
	f("limits:\n  rows: 1\n enabled: true\n", `f.yaml:3: did not find expected key`)
	f("limits:\n  rows: 1\n  a: b: c\n", `f.yaml:3: mapping values are not allowed in this context`)
	f("limits:\n  rows: 'a\n", `f.yaml:2: found unexpected end of stream`)
	f("limits:\n\trows: 1\n", `f.yaml:2: found character that cannot start any token`)
	f("name: *nobody\n", `f.yaml:1: unknown anchor 'nobody' referenced`)
	f("name: a\n---\nname: b\n", `f.yaml:3:1: a second document begins here, after a line of ---: give each a file of its own`)
	f("name: a\n---\nname: {\n", `f.yaml:3: did not find expected node content`)
}

func settings(f *File) map[string]any {
	all, err := f.Settings(reflect.TypeFor[sample](), "yaml")
	if err != nil {
		panic(err)
	}
	return all
}

func TestFileWithoutContent(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n", "---\n---\n"} {
		f, err := Parse("f.yaml", []byte(text))
		if err != nil || !f.Empty() || f.Decode(&sample{}) != nil || len(settings(f)) > 0 || f.Has("$") {
			t.Errorf("%q: %v", text, err)
		}
		if line, column := f.Place("$.a"); line != 1 || column != 1 {
			t.Errorf("%q: %d:%d", text, line, column)
		}
	}
}

func TestPlace(t *testing.T) {
	f, err := Parse("f.yaml", []byte("# a comment\ngroups:\n  - name: g\n    rules:\n      - {alert: a, for: 2m}\n      - alert: b\n        租户: {x: [1, 2]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(path string, wantLine, wantColumn int) {
		t.Helper()
		if line, column := f.Place(path); line != wantLine || column != wantColumn {
			t.Errorf("%s is at %d:%d, want %d:%d", path, line, column, wantLine, wantColumn)
		}
	}
	at("$", 2, 1)
	at("$.nothing", 2, 1)
	at("$.groups", 3, 3)
	at("$.groups[0]", 3, 5)
	at("$.groups[1]", 3, 3)
	at("$.groups[0].rules[0]", 5, 10)
	at("$.groups[0].rules[0].for", 5, 25)
	at("$.groups[0].rules[1].for", 6, 9)
	at("$.groups[0].rules[1].租户", 7, 14)
	at("$.groups[0].rules[1].租户.x[1]", 7, 21)
	at("", 1, 1)
	if got, want := f.Excerpt(f.Errorf("$.groups[0].rules[1].租户.x[1]", "no %s", "way")), "> 7 |         租户: {x: [1, 2]}\n                          ^"; got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	if err := f.Errorf("$.groups", "no %s", "way"); err.Error() != "f.yaml:3:3: no way" {
		t.Error(err)
	}
}

// A configuration's keys are in another tag, and its decoder takes texts for lists and for values
// that unmarshal themselves.
func TestSettings(t *testing.T) {
	type part struct {
		Addr []string `mapstructure:"addr"`
		Unit short    `mapstructure:"unit"`
		Size int64    `mapstructure:"size"`
		Open bool     `mapstructure:"open"`
		Log  func()   `mapstructure:"-"`
	}
	type all struct {
		Kafka struct {
			part  `mapstructure:",squash"`
			Age   time.Duration `mapstructure:"age"`
			Parts []part        `mapstructure:"parts"`
		} `mapstructure:"kafka"`
		Web struct {
			Listen string `mapstructure:"listen"`
		} `mapstructure:"web"`
	}
	read := func(text string) (map[string]any, error) {
		file, err := Parse("f.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return file.Settings(reflect.TypeFor[all](), "mapstructure")
	}
	f := func(text, want string) {
		t.Helper()
		_, err := read(text)
		if got := strings.TrimPrefix(errorText(err), "f.yaml:"); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	got, err := read("kafka: {addr: a, age: 5, parts: [{addr: [7], unit: 010, open: yes, size: '12'}]}\nweb: {listen: 0123}\n")
	want := map[string]any{
		"kafka": map[string]any{"addr": "a", "age": "5", "parts": []any{map[string]any{"addr": []any{"7"}, "unit": "010", "open": true, "size": 12}}},
		"web":   map[string]any{"listen": "0123"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	f("kafka: {age: old}\nweb:\n", "")
	f("kafka: {parts: [1]}\n", `1:17: kafka.parts[0] holds keys of its own: write them under it`)
	f("kafka: {size: 1.5}\n", `1:15: kafka.size is a whole number, and "1.5" is not`)
	f("kafka: {open: 7}\n", `1:15: kafka.open is true or false, and "7" is not`)
	f("kafka: {addr: {a: b}}\n", `1:15: kafka.addr is a list: write its items with a dash before each, or in [brackets]`)
	f("Kafka: {ADDR: [a]}\n", "")
	f("kafka: {log: a}\n", `1:9: unknown key "kafka.log": did you mean "kafka.age"?`)
	f("kafka: {web.listen: a}\n", `1:9: unknown key "kafka.web.listen": did you mean "web.listen"?`)
	f("kafka: {listen: a}\n", `1:9: unknown key "kafka.listen": did you mean "kafka.size"?`)
	f("kafka:\n  parts: [{adr: a}]\n", `2:12: unknown key "kafka.parts[0].adr": did you mean "kafka.parts[0].addr"?`)
	f("kafka: {unit: ms}\n", "")
	f("kafka: {unit: {nmae: ms}}\n", `1:16: unknown key "kafka.unit.nmae": did you mean "kafka.unit.name"?`)
	f("kafka: a\n", `1:8: kafka holds keys of its own: write them under it`)
}

// short is a struct that can also be written as its name.
type short struct {
	Name string `mapstructure:"name"`
}

func (s *short) UnmarshalText(text []byte) error {
	s.Name = string(text)
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzParse(f *testing.F) {
	f.Add("name: a\nlimits: {rows: 5}\n")
	f.Add("groups:\n  - &a {name: x}\n  - <<: *a\n---\n")
	f.Add("any: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f.yaml", []byte(text))
		if err == nil {
			err = file.Decode(&sample{})
		}
		if err == nil {
			return
		}
		var at *Error
		if !errors.As(err, &at) || at.Line < 1 || at.Column < 0 || at.Message == "" {
			t.Errorf("%q: %v", text, err)
		}
		if file != nil {
			file.Excerpt(at)
		}
	})
}
