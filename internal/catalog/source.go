package catalog

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// source is a catalog file that knows where in its text each value stands.
type source struct {
	file
	tree *ast.File // nil if the text is not YAML
}

func parseSource(f file) *source {
	tree, err := parser.ParseBytes(f.text, 0)
	if err != nil {
		return &source{file: f} // decoding names the error
	}
	return &source{f, tree}
}

// family decodes the file strictly and applies the rules for a family by itself.
func (s *source) family() (Family, []Problem) {
	f, err := decode(s.text)
	if err != nil {
		return f, []Problem{s.decodeProblem(err)}
	}
	f.file = s.name
	l := &linter{source: s}
	l.family(&f)
	return f, l.problems
}

// decode reads the one document of a catalog file. Unknown keys are errors.
func decode(text []byte) (f Family, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&f); errors.Is(err, io.EOF) {
		return f, errors.New("the file is empty")
	} else if err != nil {
		return f, err
	}
	var second any
	if err := d.Decode(&second); !errors.Is(err, io.EOF) && second != nil {
		return f, errors.New("there is a second document after a line of ---: give each family a file of its own")
	}
	return f, nil
}

// decodeProblem places an error of decode.
func (s *source) decodeProblem(err error) Problem {
	p := Problem{File: s.name, Line: 1, Column: 1, Text: strings.TrimSpace(yaml.FormatError(err, false, false)), Severe: true}
	var at yaml.Error
	if errors.As(err, &at) {
		p.Text = at.GetMessage()
		if t := at.GetToken(); t != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return p
}

// problem places a problem at a YAML path, or at the nearest value around it that exists.
func (s *source) problem(path, code string, severe bool, text string) Problem {
	p := Problem{File: s.name, Line: 1, Column: 1, Code: code, Text: text, Severe: severe}
	for ; path != ""; path = path[:strings.LastIndexAny(path, ".[")] {
		if t := s.token(path); t != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
			break
		}
		if path == "$" {
			break
		}
	}
	return p
}

// token returns where the value at a path begins, nil if it does not exist.
func (s *source) token(path string) *token.Token {
	p, err := yaml.PathString(path)
	if err != nil || s.tree == nil {
		return nil
	}
	node, err := p.FilterFile(s.tree)
	if err != nil {
		return nil
	}
	switch n := node.(type) {
	case *ast.MappingNode: // begins at its first key
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return node.GetToken()
}
