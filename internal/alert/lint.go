package alert

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"errata/internal/yamlfile"
)

// lint turns what is written into rules and collects the problems.
type lint struct {
	file     *yamlfile.File
	problems []error
	at       string // the YAML path of the current group or rule
	what     string // "rule X: ", "group X: "
}

// unreadable returns the error of a file that cannot be decoded, with the rule that the line is in,
// if any, and the line itself.
func (l *lint) unreadable(err error) error {
	var at *yamlfile.Error
	if !errors.As(err, &at) {
		return err
	}
	e := *at
	e.Message = l.ruleAround(at.Line) + at.Message + "\n" + l.file.Excerpt(at)
	if at.UnknownKey {
		e.Message += "\nthe keys are: " + keysOf(reflect.TypeFor[file]())
	}
	return &e
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
	found := ""
	for g := 0; l.file.Has(fmt.Sprintf("$.groups[%d]", g)); g++ {
		for r := 0; ; r++ {
			rule := fmt.Sprintf("$.groups[%d].rules[%d]", g, r)
			if first, _ := l.file.Place(rule); !l.file.Has(rule) || first > line {
				break
			}
			if found = ""; l.file.Scalar(rule+".alert") != "" {
				found = fmt.Sprintf("rule %s: ", l.file.Scalar(rule+".alert"))
			}
		}
	}
	return found
}

// bad adds a problem with a key of the current group or rule. A missing key gets the place of the
// nearest value around it.
func (l *lint) bad(key, format string, args ...any) {
	path, text := l.at, l.what
	if key != "" {
		path, text = path+"."+key, text+key+": "
	}
	l.problems = append(l.problems, l.file.Errorf(path, "%s%s", text, fmt.Sprintf(format, args...)))
}
