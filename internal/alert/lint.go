package alert

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// lint turns what is written into rules and collects the problems.
type lint struct {
	file     string
	tree     *ast.File
	problems []error
	at       string // the YAML path of the current group or rule
	what     string // "rule X: ", "group X: "
}

// syntax returns the error of the YAML decoder with the file and the rule that the line is in, if
// any.
func (l *lint) syntax(err error) error {
	var e interface {
		GetToken() *token.Token
		FormatError(colored, source bool) string
	}
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fmt.Errorf("%s: %s", l.file, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	line := e.GetToken().Position.Line
	hint := ""
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		hint = "\nthe keys are: " + keysOf(reflect.TypeFor[file]())
	}
	return fmt.Errorf("%s:%d: %s%s%s", l.file, line, l.ruleAround(line), strings.TrimSpace(e.FormatError(false, true)), hint)
}

// keysOf lists the keys of a struct that YAML is decoded into, with those inside them in brackets.
func keysOf(t reflect.Type) string {
	var keys []string
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		name = cmp.Or(name, strings.ToLower(field.Name))
		inner := field.Type
		if inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case options == "inline":
			name = keysOf(inner)
		case inner.Kind() == reflect.Struct:
			name += " (" + keysOf(inner) + ")"
		}
		keys = append(keys, name)
	}
	return strings.Join(keys, ", ")
}

// ruleAround returns the name of the rule that a line is in, as the start of a sentence.
func (l *lint) ruleAround(line int) string {
	if l.tree == nil {
		return ""
	}
	found := ""
	for g := 0; l.node(fmt.Sprintf("$.groups[%d]", g)) != nil; g++ {
		for r := 0; ; r++ {
			rule := fmt.Sprintf("$.groups[%d].rules[%d]", g, r)
			if l.node(rule) == nil {
				break
			}
			if name := l.node(rule + ".alert"); l.line(rule) <= line && name != nil {
				found = fmt.Sprintf("rule %s: ", name)
			}
		}
	}
	return found
}

// node returns what is at a path of the file, nil if there is nothing.
func (l *lint) node(yamlPath string) ast.Node {
	p, err := yaml.PathString(yamlPath)
	if err != nil {
		return nil
	}
	node, err := p.FilterFile(l.tree)
	if err != nil {
		return nil
	}
	return node
}

// line returns where a node begins, 0 if there is none. A mapping begins at its first key.
func (l *lint) line(yamlPath string) int {
	switch n := l.node(yamlPath).(type) {
	case nil:
		return 0
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken().Position.Line
		}
		return n.GetToken().Position.Line
	case *ast.MappingValueNode:
		return n.Key.GetToken().Position.Line
	default:
		return n.GetToken().Position.Line
	}
}

// bad adds a problem with a key of the current group or rule. A missing key gets the line of the
// nearest node around it.
func (l *lint) bad(key, format string, args ...any) {
	where := l.at
	if key != "" {
		where += "." + key
	}
	line := l.line(where)
	for line == 0 && where != "$" {
		where = where[:strings.LastIndex(where, ".")]
		line = l.line(where)
	}
	if key != "" {
		key += ": "
	}
	l.problems = append(l.problems, fmt.Errorf("%s:%d: %s%s%s", l.file, max(line, 1), l.what, key, fmt.Sprintf(format, args...)))
}
