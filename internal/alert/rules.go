package alert

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"errata/internal/catalog"
)

// DefaultFile is looked for in the working directory when no file of rules is named.
const DefaultFile = "alerts.yaml"

// file is a file of rules as it is written.
type file struct {
	Groups []struct {
		Name     string
		Interval string
		Rules    []written
	}
}

type written struct {
	Alert  string
	Select struct {
		Codes, Families, Kinds []string
		Known                  *bool
		Tenants, Services      []string
	}
	By            []string
	Condition     conditionKeys `yaml:",inline"`
	For           string
	KeepFiringFor string   `yaml:"keep_firing_for"`
	ResolveBelow  *float64 `yaml:"resolve_below"`
	Labels        map[string]string
	Annotations   map[string]string
}

// Load reads a file of rules. Its error names every problem with the file, the line, the rule, the key and
// what to do.
func Load(name string) ([]Group, error) {
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file of alert rules %s: name one with --rules, or run where %s is", name, DefaultFile)
	case err != nil:
		return nil, fmt.Errorf("read the alert rules: %w", err)
	}
	return read(name, text)
}

func read(name string, text []byte) ([]Group, error) {
	l := &lint{file: name}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, l.syntax(err)
	}
	l.tree = tree
	var f file
	switch err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s is empty: write groups of rules", name)
	case err != nil:
		return nil, l.syntax(err)
	}
	groups := l.groups(f)
	return groups, errors.Join(l.problems...)
}

// lint turns what is written into rules, and collects the problems.
type lint struct {
	file     string
	tree     *ast.File
	problems []error
	at       string // the YAML path of the group or rule that is looked at
	what     string // "rule X: ", "group X: "
}

// syntax is the error of the YAML decoder, with the file and, if the line is inside one, the rule.
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

// ruleAround names the rule that a line is in.
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

// node is what is at a path of the file, nil if nothing is.
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

// line is where a node begins: that of its first key, where it is a mapping.
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

// bad notes a problem of a key of the group or rule that is looked at. A key that is missing has the line of
// the nearest that holds it.
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

func (l *lint) groups(f file) (groups []Group) {
	if len(f.Groups) == 0 {
		l.at = "$"
		l.bad("groups", "no rules: write a list of groups, each with a name and rules")
	}
	groupNames, ruleNames := map[string]bool{}, map[string]bool{}
	for i, wg := range f.Groups {
		l.at, l.what = fmt.Sprintf("$.groups[%d]", i), fmt.Sprintf("group %s: ", wg.Name)
		g := Group{Name: wg.Name, Interval: l.minutes("interval", wg.Interval, time.Minute)}
		switch {
		case wg.Name == "":
			l.bad("name", "the group has none: give it one")
		case groupNames[wg.Name]:
			l.bad("name", "another group is called %q too: give each its own name", wg.Name)
		case len(wg.Rules) == 0:
			l.bad("rules", "the group has none: write some, or take it out")
		}
		groupNames[wg.Name] = true
		for j, w := range wg.Rules {
			l.at, l.what = fmt.Sprintf("$.groups[%d].rules[%d]", i, j), fmt.Sprintf("rule %s: ", w.Alert)
			switch {
			case w.Alert == "":
				l.what = fmt.Sprintf("rule %d of group %s: ", j+1, wg.Name)
				l.bad("alert", "the rule has no name: give it one")
			case ruleNames[w.Alert]:
				l.bad("alert", "another rule is called %q too: an alert is known by its rule's name, so give each its own", w.Alert)
			}
			ruleNames[w.Alert] = true
			g.Rules = append(g.Rules, l.rule(w))
		}
		groups = append(groups, g)
	}
	return groups
}

func (l *lint) rule(w written) Rule {
	r := Rule{
		Name: w.Alert,
		Select: Select{
			Tenants: w.Select.Tenants, Services: w.Select.Services, Codes: w.Select.Codes,
			Families: w.Select.Families, Kinds: w.Select.Kinds, Known: w.Select.Known,
		},
		By:            w.By,
		For:           l.duration("for", w.For),
		KeepFiringFor: l.duration("keep_firing_for", w.KeepFiringFor),
		Labels:        w.Labels,
	}
	l.selects(w)
	l.by(w)
	r.Condition = l.condition(w.Condition)
	r.ResolveBelow = l.resolveBelow(w, r.Condition)
	l.labels(w)
	if r.Condition != nil {
		l.annotations(&r, w)
	}
	return r
}

func (l *lint) by(w written) {
	for i, column := range w.By {
		switch {
		case !slices.Contains(Columns, column):
			l.bad(fmt.Sprintf("by[%d]", i), "%q is nothing to group by: give some of %s", column, strings.Join(Columns, ", "))
		case slices.Contains(w.By[:i], column):
			l.bad(fmt.Sprintf("by[%d]", i), "%q stands twice: take one out", column)
		}
	}
}

// resolveBelow reads the threshold of recovery, 0 if there is none.
func (l *lint) resolveBelow(w written, c Condition) float64 {
	if w.ResolveBelow == nil {
		return 0
	}
	below := *w.ResolveBelow
	switch {
	case below <= 0:
		l.bad("resolve_below", "nothing is below %s, so the alert would fire for ever: give more, or leave it out", number(below))
	case c != nil && below > c.threshold():
		above := number(c.threshold())
		l.bad("resolve_below", "%s is more than above, %s, so the alert would resolve while it should fire: give %s or less", number(below), above, above)
	}
	return below
}

func (l *lint) selects(w written) {
	for _, s := range []struct {
		key   string
		globs []string
	}{{"codes", w.Select.Codes}, {"tenants", w.Select.Tenants}, {"services", w.Select.Services}} {
		for i, glob := range s.globs {
			if _, err := path.Match(glob, ""); err != nil {
				l.bad(fmt.Sprintf("select.%s[%d]", s.key, i), "%q is no glob: * stands for any characters but /, ? for one, [a-z] for one of some", glob)
			}
		}
	}
	for i, kind := range w.Select.Kinds {
		if !slices.Contains(catalog.Kinds, kind) {
			l.bad(fmt.Sprintf("select.kinds[%d]", i), "%q is no kind: give some of %s", kind, strings.Join(catalog.Kinds, ", "))
		}
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (l *lint) labels(w written) {
	for _, name := range slices.Sorted(maps.Keys(w.Labels)) {
		switch key := "labels." + name; {
		case !labelName.MatchString(name) || strings.HasPrefix(name, "__"):
			l.bad("labels", "%q is no name of a label: use letters, digits and underscores, and begin with a letter", name)
		case name == alertname || slices.Contains(Columns, name):
			l.bad(key, "this label is set by us, to the rule's name or what it groups by: choose another name")
		case strings.Contains(w.Labels[name], "{{"):
			l.bad(key, "a label is fixed: one that changes with the value makes another alert of it each time; write the template under annotations")
		}
	}
}

// Facts are what annotations can say.
type Facts struct {
	Labels      map[string]string // alertname, the group's keys, the rule's labels
	Value       float64
	Threshold   float64
	Errors      uint64 // in the window
	Requests    uint64 // of a rate
	Reason      string
	Code        string // the most frequent of the window
	Description string // of Code
	Remedy      string
}

// functions are what annotations can call.
var functions = template.FuncMap{"percent": percent}

// annotations compiles the templates, and executes each on an example.
func (l *lint) annotations(r *Rule, w written) {
	r.Annotations = map[string]*template.Template{}
	example := Facts{
		Labels: r.labels(slices.Repeat([]string{"example"}, len(r.By))), Value: 41, Threshold: 20, Errors: 41, Requests: 100,
		Reason: "41 errors in 5m, above 20", Code: "OSM.01010037", Description: "description", Remedy: "remedy",
	}
	for _, name := range slices.Sorted(maps.Keys(w.Annotations)) {
		key := "annotations." + name
		if !labelName.MatchString(name) {
			l.bad("annotations", "%q is no name of an annotation: use letters, digits and underscores, and begin with a letter", name)
			continue
		}
		t, err := template.New(name).Option("missingkey=error").Funcs(functions).Parse(w.Annotations[name])
		if err == nil {
			err = t.Execute(io.Discard, example)
		}
		if err != nil {
			l.bad(key, "%v: there are .Labels (with what the rule groups by), .Value, .Threshold, .Errors, .Requests, .Reason, .Code, .Description, .Remedy, and percent", err)
			continue
		}
		r.Annotations[name] = t
	}
}

// window reads a length of time that a rule looks at.
func (l *lint) window(key, text string) time.Duration {
	if text == "" {
		l.bad(key, "no window: say over how long to count, such as 5m")
		return time.Minute
	}
	return l.minutes(key, text, 0)
}

// minutes reads a whole number of minutes up to a day.
func (l *lint) minutes(key, text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	before := len(l.problems)
	d := l.duration(key, text)
	if len(l.problems) == before && (d < time.Minute || d > 24*time.Hour || d%time.Minute != 0) {
		l.bad(key, "%q: data is counted by the minute, so give whole minutes, 1m to 24h", text)
	}
	return d
}

var days = regexp.MustCompile(`^(\d{1,4})d`)

// duration reads a length of time as Prometheus writes it: 30s, 5m, 1h30m, 1d.
func (l *lint) duration(key, text string) time.Duration {
	if text == "" || text == "0" {
		return 0
	}
	whole := 0
	rest := text
	if m := days.FindStringSubmatch(text); m != nil {
		fmt.Sscan(m[1], &whole)
		rest = text[len(m[0]):]
	}
	d, err := time.Duration(0), error(nil)
	if rest != "" {
		d, err = time.ParseDuration(rest)
	}
	if err != nil || d < 0 || strings.ContainsAny(text, ".+") {
		l.bad(key, "%q is no length of time: write it like 30s, 5m, 1h30m or 1d", text)
		return 0
	}
	return time.Duration(whole)*24*time.Hour + d
}
