package alert

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/yamlfile"
)

// lint turns what is written into rules and collects the problems.
type lint struct {
	file     *yamlfile.File
	problems []error
	notes    []error // what is no mistake, but may not be what was meant
	at       string  // the YAML path of the current group or rule
	row      *place  // of a table, that problems are about; nil: they are about the rule
	what     string  // "rule X: ", "group X: "
	interval time.Duration
	catalogs *catalog.Set // nil: rules are not compared with catalogs
}

// Check is what CheckFile found in a file of rules.
type Check struct {
	Groups, Rules   int
	Problems, Notes []error // each with file, line and column
}

// CheckFile reads a file of rules as Load does, and compares the rules with the catalogs. Its error
// is that the file cannot be read.
func CheckFile(name string, catalogs *catalog.Set) (Check, error) {
	text, err := readFile(name)
	if err != nil {
		return Check{}, err
	}
	l, groups, err := parseRules(name, text, catalogs)
	if err != nil {
		return Check{Problems: []error{err}}, nil
	}
	c := Check{Groups: len(groups), Problems: l.problems, Notes: l.notes}
	for _, g := range groups {
		c.Rules += len(g.Rules)
	}
	return c, nil
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

// note adds a note on a key of the current rule.
func (l *lint) note(key, format string, args ...any) {
	l.notes = append(l.notes, l.problem(key, "note: "+format, args...))
}

// bad adds a problem with a key of the current group or rule. A missing key gets the place of the
// nearest value around it.
func (l *lint) bad(key, format string, args ...any) {
	l.problems = append(l.problems, l.problem(key, format, args...))
}

func (l *lint) problem(key, format string, args ...any) error {
	if l.row != nil {
		column, text := strings.TrimPrefix(key, "."), l.what
		if column != "" {
			text += column + ": "
		}
		return l.row.problem(column, text+fmt.Sprintf(format, args...))
	}
	path, text := l.at, l.what
	if key != "" {
		path, text = path+"."+key, text+key+": "
	}
	return l.file.Errorf(path, "%s%s", text, fmt.Sprintf(format, args...))
}

// impossible finds rules that can never fire.
func (l *lint) impossible(r Rule) {
	needs := r.Condition.needs()
	if needs.clock && !reflect.DeepEqual(r.Select, Select{}) {
		l.bad("select", "the condition is about all data, so there is nothing to select: remove the key")
		return
	}
	if !needs.errors && !needs.clock && r.Select.ofErrors() {
		l.bad("select", "requests have no code, family, kind or status: select by tenants, services, routes or topics")
	}
	for i, w := range r.Condition.windows() {
		if i == 0 && w > 0 && w < l.interval {
			l.bad("", "the window of %s is shorter than the interval of the group, %s, so what happens in between is never looked at: give a longer window or a shorter interval", short(w), short(l.interval))
		}
	}
	if a := r.Active; a.zone != nil && a.from != a.to {
		if length := (a.to - a.from + 24*time.Hour) % (24 * time.Hour); r.For >= length {
			l.bad("for", "the condition can hold for %s at most, because the rule is active for %s a day: give less", short(length), short(length))
		}
	}
	if r.Select.Exclude == nil {
		return
	}
	excluded := r.Select.Exclude.fields()
	for i, f := range r.Select.fields() {
		gone := func(value string) bool {
			return slices.Contains(excluded[i].values, value) || slices.Contains(excluded[i].values, "**") || slices.Contains(excluded[i].values, "*")
		}
		if len(f.values) > 0 && !slices.ContainsFunc(f.values, func(value string) bool { return !gone(value) }) {
			l.bad("select.exclude."+f.key, "all that select.%s picks is left out again, so the rule never matches: remove one of them", f.key)
		}
	}
}

// advice notes what a rule lacks, and compares it with the catalogs.
func (l *lint) advice(r Rule, w written) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return w.Labels[name] != "" || w.Annotations[name] != ""
		})
	}
	if !has("owner", "team") {
		l.note("", "no owner: a label owner or team says who is to act")
	}
	if !has("runbook", "runbook_url", "link", "dashboard") {
		l.note("", "no link: an annotation runbook_url says where to read on")
	}
	if l.catalogs != nil {
		l.compare(r)
	}
}

// compare finds codes and families that no catalog lists, and selects that contradict them.
func (l *lint) compare(r Rule) {
	families := []string{catalog.HTTP, catalog.Unknown}
	all, known := map[string]string{}, []string{} // the family of each code
	for _, f := range l.catalogs.Families {
		families = append(families, f.Name)
		for _, e := range f.Codes {
			all[e.Code] = f.Name
			known = append(known, e.Code)
		}
	}
	for i, name := range r.Select.Families {
		if !slices.Contains(families, name) {
			l.note(fmt.Sprintf("select.families[%d]", i), "no catalog has the family %q: did you mean %q?", name, yamlfile.Nearest(name, families))
		}
	}
	listed, fits := 0, 0
	for i, code := range r.Select.Codes {
		g, found, fit := newGlob(code), false, false
		for _, k := range known {
			if g.matches(k) {
				found = true
				fit = fit || len(r.Select.Families) == 0 || slices.Contains(r.Select.Families, all[k])
			}
		}
		switch {
		case !found && len(known) > 0:
			l.note(fmt.Sprintf("select.codes[%d]", i), "no catalog lists %q: did you mean %q?", code, yamlfile.Nearest(code, known))
		case fit:
			fits++
		}
		if found {
			listed++
		}
	}
	literal := !slices.ContainsFunc(r.Select.Codes, func(code string) bool { return strings.ContainsAny(code, `*?[`) })
	switch codes := len(r.Select.Codes); {
	case codes == 0:
	case listed == codes && fits == 0:
		l.bad("select.codes", "none of the codes is in the families %s, so the rule never matches: correct one of the two", strings.Join(r.Select.Families, ", "))
	case r.Select.Known != nil && *r.Select.Known && listed == 0:
		l.bad("select.known", "no catalog has any of the codes, so none is known and the rule never matches: remove known or correct the codes")
	case r.Select.Known != nil && !*r.Select.Known && literal && listed == codes:
		l.bad("select.known", "the catalogs have all of the codes, so none is unknown and the rule never matches: remove known")
	}
}
