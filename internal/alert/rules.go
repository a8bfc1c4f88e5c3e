package alert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/yamlfile"
)

// DefaultFile is the file of rules in the working directory, for when none is named.
const DefaultFile = "alerts.yaml"

// file is a file of rules as it is written.
type file struct {
	Groups []struct {
		Name     string
		Interval string
		Rules    []written
	}
}

// written is a rule as it is written.
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

// Load reads a file of rules. Its error lists all problems, each with the line, the rule, the key
// and what to do.
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
	parsed, err := yamlfile.Parse(name, text)
	l := &lint{file: parsed}
	if err != nil {
		return nil, l.unreadable(err)
	}
	if parsed.Empty() {
		return nil, fmt.Errorf("%s is empty: write groups of rules", name)
	}
	var f file
	if err := parsed.Decode(&f); err != nil {
		return nil, l.unreadable(err)
	}
	groups := l.groups(f)
	return groups, errors.Join(l.problems...)
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
			l.bad("name", "another group is called %q too: give each a name of its own", wg.Name)
		case len(wg.Rules) == 0:
			l.bad("rules", "the group has none: write some, or remove it")
		}
		groupNames[wg.Name] = true
		for j, w := range wg.Rules {
			l.at, l.what = fmt.Sprintf("$.groups[%d].rules[%d]", i, j), fmt.Sprintf("rule %s: ", w.Alert)
			switch {
			case w.Alert == "":
				l.what = fmt.Sprintf("rule %d of group %s: ", j+1, wg.Name)
				l.bad("alert", "the rule has no name: give it one")
			case ruleNames[w.Alert]:
				l.bad("alert", "another rule is called %q too: an alert is identified by its rule's name, so give each a name of its own", w.Alert)
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
			l.bad(fmt.Sprintf("by[%d]", i), "%q is not a column to group by: use some of %s", column, strings.Join(Columns, ", "))
		case slices.Contains(w.By[:i], column):
			l.bad(fmt.Sprintf("by[%d]", i), "%q is listed twice: remove one", column)
		}
	}
}

// resolveBelow returns the threshold of recovery, 0 if there is none.
func (l *lint) resolveBelow(w written, c Condition) float64 {
	if w.ResolveBelow == nil {
		return 0
	}
	below := *w.ResolveBelow
	_, isSpike := c.(Spike)
	switch {
	case isSpike:
		l.bad("resolve_below", "a spike recovers by itself when the errors are usual again: remove the key")
	case below <= 0:
		l.bad("resolve_below", "no value is below %s, so the alert would never be resolved: give more, or remove the key", number(below))
	case c != nil && below > c.threshold():
		above := number(c.threshold())
		l.bad("resolve_below", "%s is more than above, %s, so the alert would be resolved while the condition holds: give %s or less", number(below), above, above)
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
				l.bad(fmt.Sprintf("select.%s[%d]", s.key, i), "%q is not a glob: * stands for any characters except /, ? for one character, [a-z] for one of a range", glob)
			}
		}
	}
	for i, kind := range w.Select.Kinds {
		if !slices.Contains(catalog.Kinds, kind) {
			l.bad(fmt.Sprintf("select.kinds[%d]", i), "%q is not a kind: use some of %s", kind, strings.Join(catalog.Kinds, ", "))
		}
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (l *lint) labels(w written) {
	for _, name := range slices.Sorted(maps.Keys(w.Labels)) {
		switch key := "labels." + name; {
		case !labelName.MatchString(name) || strings.HasPrefix(name, "__"):
			l.bad("labels", "%q is not a name of a label: use letters, digits and underscores, and begin with a letter", name)
		case name == alertname || slices.Contains(Columns, name):
			l.bad(key, "every alert has this label already, with the rule's name or the column of that name: choose another name")
		case strings.Contains(w.Labels[name], "{{"):
			l.bad(key, "a label cannot be a template, because Alertmanager takes an alert with another label for another alert: write the template under annotations")
		}
	}
}

// Facts are what the templates of annotations can use.
type Facts struct {
	Labels      map[string]string // alertname, the group's keys, the rule's labels
	Value       float64
	Threshold   float64
	Errors      uint64 // in the window
	Requests    uint64 // of a rate
	Reason      string
	Why         string // what makes the errors different from those before
	Code        string // the most frequent of the window
	Description string // of Code
	Remedy      string
}

// functions are those that the templates of annotations can call.
var functions = template.FuncMap{"percent": percent}

// annotations parses the templates and executes each on an example.
func (l *lint) annotations(r *Rule, w written) {
	r.Annotations = map[string]*template.Template{}
	example := Facts{
		Labels: r.labels(slices.Repeat([]string{"example"}, len(r.By))), Value: 41, Threshold: 20, Errors: 41, Requests: 100,
		Reason: "41 errors in 5m, above 20", Why: "91.0% from route POST /cases, usually 40.0%", Code: "OSM.01010037", Description: "description", Remedy: "remedy",
	}
	for _, name := range slices.Sorted(maps.Keys(w.Annotations)) {
		key := "annotations." + name
		if !labelName.MatchString(name) {
			l.bad("annotations", "%q is not a name of an annotation: use letters, digits and underscores, and begin with a letter", name)
			continue
		}
		t, err := template.New(name).Option("missingkey=error").Funcs(functions).Parse(w.Annotations[name])
		if err == nil {
			err = t.Execute(io.Discard, example)
		}
		if err != nil {
			l.bad(key, "%v: a template can use .Labels (the columns under by are among them), .Value, .Threshold, .Errors, .Requests, .Reason, .Why, .Code, .Description, .Remedy, and the function percent", err)
			continue
		}
		r.Annotations[name] = t
	}
}

// window reads the duration that a condition looks at.
func (l *lint) window(key, text string) time.Duration {
	if text == "" {
		l.bad(key, "no window: give the time over which to count, such as 5m")
		return time.Minute
	}
	return l.minutes(key, text, 0)
}

// minutes reads a duration of whole minutes, up to a day.
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

// duration reads a duration as Prometheus writes it: 30s, 5m, 1h30m, 1d.
func (l *lint) duration(key, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := cli.ParseSpan(text)
	if err != nil || strings.ContainsAny(text, ".+") {
		l.bad(key, "%q is not a duration: write it like 30s, 5m, 1h30m or 1d", text)
		return 0
	}
	return d
}
