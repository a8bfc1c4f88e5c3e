package yamlfile

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Decode fills a struct from the file. Its error is an *Error: a key that the struct does not have,
// with the nearest that it has, or a value of another type. A file without content leaves the
// struct as it is.
func (f *File) Decode(into any) error {
	if f.Empty() {
		return nil
	}
	c := checker{file: f, root: reflect.TypeOf(into).Elem(), tag: "yaml"}
	if err := c.check(f.root, c.root, ""); err != nil {
		return err
	}
	if err := f.root.Decode(into); err != nil {
		return f.syntax(err)
	}
	return nil
}

// Settings returns the file as a map for a decoder of settings, after it has checked keys and
// values against a struct type whose keys are in the tags of that name. The case of keys does not
// matter, a text stands for a list of texts, and a scalar that the type takes as text is the text
// that was written: 0123 stays 0123. Its error is an *Error. What only the decoder can judge is
// left to it: durations and types that unmarshal themselves.
func (f *File) Settings(t reflect.Type, tag string) (map[string]any, error) {
	all := map[string]any{}
	if f.Empty() {
		return all, nil
	}
	c := checker{file: f, root: t, tag: tag, settings: true}
	if err := c.check(f.root, t, ""); err != nil {
		return nil, err
	}
	if err := f.root.Decode(&all); err != nil {
		return nil, f.syntax(err)
	}
	return all, nil
}

// checker holds nodes against Go types.
type checker struct {
	file     *File
	root     reflect.Type
	tag      string // of struct fields
	settings bool   // see Settings
}

// check checks a node. Its path is "" for the whole file.
func (c *checker) check(n *yaml.Node, t reflect.Type, path string) error {
	at := n
	n = target(n)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isNull(n) {
		return nil
	}
	switch {
	case c.settings && n.Kind == yaml.ScalarNode && (t == reflect.TypeFor[[]string]() || t == reflect.TypeFor[time.Duration]() || implements[encoding.TextUnmarshaler](t)):
		n.Tag = "!!str"
		return nil
	case t.Kind() == reflect.Interface, implements[yaml.Unmarshaler](t), implements[encoding.TextUnmarshaler](t) && n.Kind == yaml.ScalarNode:
		return nil
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		return c.keys(n, t, path)
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if err := c.check(n.Content[i+1], t.Elem(), join(path, n.Content[i].Value)); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			if err := c.check(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return c.file.errorAt(at, "%s holds keys of its own: write them under it", name(path))
	case t.Kind() == reflect.Slice:
		return c.file.errorAt(at, "%s is a list: write its items with a dash before each, or in [brackets]", name(path))
	case n.Kind != yaml.ScalarNode:
		return c.file.errorAt(at, "%s is %s: write it behind the colon", name(path), KindOf(t))
	}
	unquote(n, t)
	if !decodes(n, t) || isWhole(t) && fraction(n) {
		return c.file.errorAt(at, "%s", Mismatch(name(path), KindOf(t), n.Value))
	}
	if c.settings {
		return plain(n, t)
	}
	return nil
}

// plain makes a scalar decode without its type as it does with it: yes is true, and 0123 a text.
func plain(n *yaml.Node, t reflect.Type) error {
	switch t.Kind() {
	case reflect.String:
		n.Tag = "!!str"
	case reflect.Bool:
		var truth bool
		if err := n.Decode(&truth); err != nil {
			return err
		}
		n.Tag, n.Value = "!!bool", strconv.FormatBool(truth)
	}
	return nil
}

// percentage matches a share that is written in percent.
var percentage = regexp.MustCompile(`^(\d+(?:\.\d+)?) ?%$`)

// Mismatch says that a value is not of the kind that its key has: "rows is a whole number, and
// "many" is not". For a percentage it says how to write the share.
func Mismatch(key, kind, value string) string {
	text := fmt.Sprintf("%s is %s, and %q is not", key, kind, value)
	if m := percentage.FindStringSubmatch(value); m != nil && kind == aNumber {
		percent, _ := strconv.ParseFloat(m[1], 64)
		text += ": write " + value + " as " + strconv.FormatFloat(percent/100, 'g', 12, 64)
	}
	return text
}

// keys checks the keys of a mapping, and what is under them.
func (c *checker) keys(n *yaml.Node, t reflect.Type, path string) error {
	known := c.fields(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, inner := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			if err := c.check(inner, t, path); err != nil {
				return err
			}
			continue
		}
		word := key.Value
		if c.settings {
			word = strings.ToLower(word)
		}
		j := slices.IndexFunc(known, func(f field) bool { return f.key == word })
		if j < 0 {
			unknown := c.file.errorAt(key, "unknown key %q: did you mean %q?", join(path, key.Value), c.nearest(path, word))
			unknown.UnknownKey = true
			return unknown
		}
		if err := c.check(inner, known[j].t, join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

// field is a key of a struct.
type field struct {
	key string
	t   reflect.Type
}

// fields returns the keys of a struct, those of embedded structs included.
func (c *checker) fields(t reflect.Type) (all []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get(c.tag), ",")
		switch {
		case !f.IsExported() && !f.Anonymous, key == "-":
		case options == "inline", options == "squash":
			all = append(all, c.fields(f.Type)...)
		case key != "":
			all = append(all, field{key, f.Type})
		case c.tag == "yaml":
			all = append(all, field{strings.ToLower(f.Name), f.Type})
		}
	}
	return all
}

// index is the number of an item in a path.
var index = regexp.MustCompile(`\[\d+\]`)

// nearest returns the key of the whole type that is nearest to an unknown one.
func (c *checker) nearest(path, word string) string {
	found := Nearest(join(index.ReplaceAllString(path, "[]"), word), c.paths(c.root, ""))
	for _, number := range index.FindAllString(path, -1) { // of the lists that both are in
		found = strings.Replace(found, "[]", number, 1)
	}
	return found
}

// paths returns all keys of a type, each below the ones that it is in.
func (c *checker) paths(t reflect.Type, above string) (all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			above += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || implements[yaml.Unmarshaler](t) {
		return nil
	}
	for _, f := range c.fields(t) {
		path := join(above, f.key)
		all = append(append(all, path), c.paths(f.t, path)...)
	}
	return all
}

// implements reports whether the pointer to a type implements an interface.
func implements[I any](t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[I]())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// name is a path as the subject of a sentence.
func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// decodes reports whether a scalar is a value of a type.
func decodes(n *yaml.Node, t reflect.Type) bool {
	return n.Decode(reflect.New(t).Interface()) == nil
}

// unquote takes a number or a truth value out of its quotes, which do not matter, as they do not in
// variables of the environment.
func unquote(n *yaml.Node, t reflect.Type) {
	if bare := (yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}); !decodes(n, t) && decodes(&bare, t) {
		n.Style, n.Tag = 0, ""
	}
}

func isWhole(t reflect.Type) bool { return reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64 }

// fraction reports whether a scalar is a number that is not whole. The library would cut it.
func fraction(n *yaml.Node) bool {
	var number float64
	return n.Decode(&number) == nil && number != math.Trunc(number)
}

// The kinds of values that a sentence can end in.
const (
	aNumber = "a number"
	aWhole  = "a whole number"
	aTruth  = "true or false"
	aText   = "a text"
)

// KindOf returns what a value of a type has to be, as Mismatch takes it, "" if there is no word for
// it.
func KindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return aTruth
	case reflect.Float32, reflect.Float64:
		return aNumber
	case reflect.String:
		return aText
	}
	if isWhole(t) {
		return aWhole
	}
	return ""
}
