package catalog

import (
	"errors"

	"errata/internal/yamlfile"
)

// source is a catalog file that knows where in its text each value stands.
type source struct {
	file
	yaml *yamlfile.File // nil if the text is not YAML
	err  error          // why it is not
}

func parseSource(f file) *source {
	parsed, err := yamlfile.Parse(f.name, f.text)
	return &source{f, parsed, err}
}

// family decodes the file strictly and applies the rules for a family by itself.
func (s *source) family() (Family, []Problem) {
	f, err := s.decode()
	if err != nil {
		return f, []Problem{s.decodeProblem(err)}
	}
	f.Origin = Origin{File: s.name, Dir: s.dir}
	for i := range f.Codes {
		f.Codes[i].template = compile(f.Codes[i].Message)
	}
	l := &linter{source: s}
	l.family(&f)
	return f, l.problems
}

// decode reads the one document of the file. Unknown keys are errors.
func (s *source) decode() (f Family, err error) {
	switch {
	case s.err != nil:
		return f, s.err
	case s.yaml.Empty():
		return f, errors.New("the file is empty")
	}
	return f, s.yaml.Decode(&f)
}

// decodeProblem places an error of decode.
func (s *source) decodeProblem(err error) Problem {
	p := Problem{File: s.name, Line: 1, Column: 1, Text: err.Error(), Severe: true, builtIn: s.builtIn}
	var at *yamlfile.Error
	if errors.As(err, &at) {
		p.Line, p.Column, p.Text = at.Line, max(at.Column, 1), at.Message
	}
	return p
}

// problem places a problem at a YAML path, or at the nearest value around it that exists.
func (s *source) problem(path, code string, severe bool, text string) Problem {
	line, column := s.yaml.Place(path)
	return Problem{File: s.name, Line: line, Column: column, Code: code, Text: text, Severe: severe, builtIn: s.builtIn}
}
