// Package yamlfile reads YAML that a person wrote: the configuration, catalogs and alert rules.
// What is wrong with it is an Error that names the file, the line and the column.
//
// The library behind it is go.yaml.in/yaml/v3, whose nodes keep their positions. Its own strict
// decoding names Go types and no columns, so this package checks keys and values against the Go
// type itself (check.go) before it decodes.
package yamlfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
)

// Error is what is wrong at a place of a file.
type Error struct {
	File    string // "": the text is no file
	Line    int    // from 1
	Column  int    // from 1, in characters; 0 is unknown
	Message string

	UnknownKey bool // the type that is decoded into does not have the key
}

func (e *Error) Error() string {
	switch {
	case e.File == "":
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// File is a YAML file of one document.
type File struct {
	Name string
	text []byte
	root *yaml.Node // nil: the file has no content
}

// Parse reads a file. Its error is an *Error: the text is not YAML, a key stands twice, or there is
// a second document. The File is then good for Excerpt alone.
func Parse(name string, text []byte) (*File, error) {
	f := &File{Name: name, text: text}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	switch err := documents.Decode(&first); {
	case errors.Is(err, io.EOF):
		return f, nil
	case err != nil:
		return f, f.syntax(err)
	}
	switch err := documents.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return f, f.syntax(err)
	case !isNull(content(&second)):
		return f, f.errorAt(content(&second), "a second document begins here, after a line of ---: give each a file of its own")
	}
	if root := content(&first); !isNull(root) {
		f.root = root
	}
	return f, f.sound()
}

// sound finds what makes a document impossible to decode into anything: a key that stands twice, an
// alias inside the value that it stands for.
func (f *File) sound() error {
	if f.Empty() {
		return nil
	}
	if err := f.duplicates(f.root); err != nil {
		return err
	}
	var anything any
	if err := f.root.Decode(&anything); err != nil {
		return f.syntax(err)
	}
	return nil
}

// content is what a document holds.
func content(document *yaml.Node) *yaml.Node {
	if len(document.Content) == 0 {
		return nil
	}
	return document.Content[0]
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// lineOf finds the line in an error of the library, which gives it as text.
var lineOf = regexp.MustCompile(`(?s)^yaml: (?:unmarshal errors:\s+)?line (\d+): (.*)$`)

// grammar is in those errors of the library whose line is one too small. The others, of its
// scanner, are right.
var grammar = regexp.MustCompile(`did not find expected (?:key|node content|'-' indicator|',' or|<)`)

// syntax is an error of the library.
func (f *File) syntax(err error) *Error {
	m := lineOf.FindStringSubmatch(err.Error())
	if m == nil {
		return &Error{File: f.Name, Line: 1, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	line, _ := strconv.Atoi(m[1])
	if grammar.MatchString(m[2]) {
		line = min(line, bytes.Count(bytes.TrimSpace(f.text), []byte("\n"))) + 1
	}
	return &Error{File: f.Name, Line: line, Message: m[2]}
}

func (f *File) errorAt(n *yaml.Node, format string, args ...any) *Error {
	return &Error{File: f.Name, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

// duplicates finds the first key that stands twice in a mapping.
func (f *File) duplicates(n *yaml.Node) error {
	lines := map[string]int{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if line, twice := lines[child.Value]; twice {
				return f.errorAt(child, "the key %q stands in line %d already: take one out", child.Value, line)
			}
			lines[child.Value] = child.Line
		}
		if err := f.duplicates(child); err != nil { // which does not follow aliases: they may lead back here
			return err
		}
	}
	return nil
}

// Under returns the file's content as the value of a key such as ingest.exclude.
func (f *File) Under(key string) *File {
	under := *f
	if f.Empty() {
		return &under
	}
	names := strings.Split(key, ".")
	for _, name := range slices.Backward(names) {
		at := yaml.Node{Line: under.root.Line, Column: under.root.Column}
		word, mapping := at, at
		word.Kind, word.Tag, word.Value = yaml.ScalarNode, "!!str", name
		mapping.Kind, mapping.Tag, mapping.Content = yaml.MappingNode, "!!map", []*yaml.Node{&word, under.root}
		under.root = &mapping
	}
	return &under
}

// Empty reports whether the file has no content.
func (f *File) Empty() bool { return f.root == nil }

// Place returns where the value at a path stands, or else the nearest value around it. A path is
// written like $.groups[0].rules[1].for, and $ is the whole file. A mapping begins at its first
// key.
func (f *File) Place(path string) (line, column int) {
	for ; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
		if n := f.find(path); n != nil {
			return position(n)
		}
	}
	return 1, 1
}

// Has reports whether a value stands at a path.
func (f *File) Has(path string) bool { return f.find(path) != nil }

// Scalar returns the text of the scalar at a path, "" if there is none.
func (f *File) Scalar(path string) string {
	if n := f.find(path); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// Errorf makes an Error for the place of a path.
func (f *File) Errorf(path, format string, args ...any) *Error {
	line, column := f.Place(path)
	return &Error{File: f.Name, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// Excerpt returns the line of an error with a mark under its column.
func (f *File) Excerpt(e *Error) string {
	lines := strings.Split(string(f.text), "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return ""
	}
	number := strconv.Itoa(e.Line)
	excerpt := "> " + number + " | " + strings.ReplaceAll(strings.TrimRight(lines[e.Line-1], "\r"), "\t", " ")
	if e.Column > 0 {
		excerpt += "\n" + strings.Repeat(" ", utf8.RuneCountInString("> "+number+" | ")+e.Column-1) + "^"
	}
	return excerpt
}

func position(n *yaml.Node) (line, column int) {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	return n.Line, n.Column
}

// steps splits a path into keys and indexes.
var steps = regexp.MustCompile(`\.([^.\[]+)|\[(\d+)\]`)

// find returns the node at a path, nil if there is none.
func (f *File) find(path string) *yaml.Node {
	n := f.root
	for _, step := range steps.FindAllStringSubmatch(path, -1) {
		n = target(n)
		switch {
		case n == nil:
			return nil
		case step[1] != "":
			n = value(n, step[1])
		default:
			i, _ := strconv.Atoi(step[2])
			if n.Kind != yaml.SequenceNode || i >= len(n.Content) {
				return nil
			}
			n = n.Content[i]
		}
	}
	return n
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// value returns the value of a key of a mapping, nil if there is none. Case does not matter where
// no key is exactly the same: the configuration is read so.
func value(mapping *yaml.Node, key string) *yaml.Node {
	var folded *yaml.Node
	for i := 0; mapping.Kind == yaml.MappingNode && i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
		if folded == nil && strings.EqualFold(mapping.Content[i].Value, key) {
			folded = mapping.Content[i+1]
		}
	}
	return folded
}

// Nearest returns the word with the least edit distance.
func Nearest(word string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int {
		return cmp.Compare(levenshtein.ComputeDistance(word, a), levenshtein.ComputeDistance(word, b))
	})
}
