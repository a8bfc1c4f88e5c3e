package parse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"errata/internal/jsontree"
)

// Custom is one of the user's own dialects, from ingest.dialects in config.yaml. Paths are keys
// with dots between them. They begin at the object that is the envelope, wherever it is in the
// body. The first path that leads to a value counts.
type Custom struct {
	Name      string   `mapstructure:"name"`
	Code      []string `mapstructure:"code"`
	Message   []string `mapstructure:"message"`
	RequestID []string `mapstructure:"request_id"`
	Success   []string `mapstructure:"success"` // codes that say success; empty: those of every dialect
}

// CustomError says what is wrong with one of the user's dialects.
type CustomError struct {
	Index int
	Name  string
	Err   error
}

func (e *CustomError) Error() string {
	return fmt.Sprintf("ingest.dialects[%d] %q: %v", e.Index, e.Name, e.Err)
}

func (e *CustomError) Unwrap() error { return e.Err }

func (c Custom) compile() (dialect, error) {
	switch {
	case c.Name == "":
		return dialect{}, errors.New("name is missing: give the name that the events are to have as their dialect")
	case slices.Contains(Dialects(), c.Name):
		return dialect{}, errors.New("this is the name of a built-in dialect: choose another")
	case len(c.Code) == 0:
		return dialect{}, errors.New("code is missing: give the paths of the code, such as [head.ret_code]")
	}
	for _, p := range slices.Concat(c.Code, c.Message, c.RequestID) {
		if p == "" || slices.Contains(strings.Split(p, "."), "") {
			return dialect{}, fmt.Errorf("path %q has an empty key: separate keys with dots", p)
		}
	}
	code, message, requestID := splitPaths(c.Code), splitPaths(c.Message), splitPaths(c.RequestID)
	return dialect{name: c.Name, about: "from the configuration", any: everyKey, match: func(o *object) (Envelope, verdict) {
		found := follow(o.Value, code)
		if k := found.Kind(); k == jsontree.Missing || k == jsontree.Object || k == jsontree.Array || !found.Complete() {
			return Envelope{}, neither
		}
		e := Envelope{Code: strings.TrimSpace(found.Text()), RequestID: scalarOf(follow(o.Value, requestID))}
		if slices.Contains(c.Success, e.Code) || len(c.Success) == 0 && saysSuccess(found.Kind(), e.Code, 0) {
			return Envelope{}, success
		}
		e.Message, _ = textOf(follow(o.Value, message))
		for _, p := range code { // the objects below are a part of the envelope
			if len(p) > 1 {
				o.ignore(o.Get(p[0]))
			}
		}
		return e, failure
	}}, nil
}

func splitPaths(dotted []string) (all [][]string) {
	for _, d := range dotted {
		all = append(all, strings.Split(d, "."))
	}
	return all
}

// follow returns the value at the first of the paths that leads to one.
func follow(v jsontree.Value, paths [][]string) jsontree.Value {
	for _, p := range paths {
		at := v
		for _, k := range p {
			at = at.Get(k)
		}
		if at.Kind() != jsontree.Missing {
			return at
		}
	}
	return jsontree.Value{}
}
