package alert

import (
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/prometheus/common/helpers/templates"
)

// basicFacts are what the templates of all rules can use.
type basicFacts struct {
	Labels      map[string]string // alertname, the group's keys, the rule's labels
	Value       float64
	Threshold   float64
	Errors      uint64 // in the window
	Reason      string
	Why         string // what makes the errors different from those before
	Level       string // warning, critical; "" without levels
	Code        string // the most frequent of the window
	Description string // of Code
	Remedy      string
}

// Facts are what the templates of annotations can use.
type Facts struct {
	basicFacts
	Requests uint64 // of a rule that counts them
}

// labelFacts are what the templates of labels can use: the group's keys alone, so that a label
// stays the same for as long as the alert does.
type labelFacts struct{ Labels map[string]string }

// prelude makes templates of Prometheus work.
const (
	labelPrelude = `{{$labels := .Labels}}`
	prelude      = labelPrelude + `{{$value := .Value}}`
)

// functions are those that templates can call: percent, and those that Prometheus has for text and
// numbers.
var functions = template.FuncMap{
	"percent":            percent,
	"humanize":           func(v any) (string, error) { return humanize(v, 1000, "kMGTPEZY") },
	"humanize1024":       func(v any) (string, error) { return humanize(v, 1024, "KMGTPEZY") },
	"humanizePercentage": humanizePercentage,
	"humanizeDuration":   templates.HumanizeDuration,
	"humanizeTimestamp":  templates.HumanizeTimestamp,
	"title":              title,
	"toUpper":            strings.ToUpper,
	"toLower":            strings.ToLower,
	"trimSpace":          strings.TrimSpace,
	"join":               func(sep string, all []string) string { return strings.Join(all, sep) },
	"match":              regexp.MatchString,
	"reReplaceAll": func(pattern, with, text string) (string, error) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return "", err
		}
		return re.ReplaceAllString(text, with), nil
	},
}

// humanize writes a number with a metric prefix, as Prometheus does: 1234567 is 1.235M.
func humanize(value any, base float64, prefixes string) (string, error) {
	v, err := templates.ConvertToFloat(value)
	if err != nil {
		return "", err
	}
	prefix := ""
	if math.Abs(v) >= 1 {
		for _, p := range prefixes {
			if math.Abs(v) < base || math.IsInf(v, 0) {
				break
			}
			prefix, v = string(p), v/base
		}
	} else if base == 1000 && v != 0 {
		for _, p := range "munpfazy" {
			if math.Abs(v) >= 1 {
				break
			}
			prefix, v = string(p), v*base
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + prefix, nil
}

// humanizePercentage writes a share as Prometheus does: 0.123456 is 12.35%.
func humanizePercentage(value any) (string, error) {
	v, err := templates.ConvertToFloat(value)
	return fmt.Sprintf("%.4g%%", v*100), err
}

// title makes the first letter of each word a capital.
func title(text string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		first := !unicode.IsLetter(before) && !unicode.IsDigit(before)
		before = r
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, text)
}

// execute puts an error into the text, because a template must not keep an alert from being sent.
func execute(t *template.Template, facts any) string {
	var text strings.Builder
	if err := t.Execute(&text, facts); err != nil {
		return fmt.Sprintf("%s(%v)", text.String(), err)
	}
	return text.String()
}

// parseTemplate parses a template and executes it on an example.
func parseTemplate(name, prelude, text string, example any) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(functions).Parse(prelude + text)
	if err == nil {
		err = t.Execute(io.Discard, example)
	}
	return t, err
}

// labels parses the labels of a rule, which may be templates of its keys.
func (l *lint) labels(r *Rule, w written) {
	r.Labels = map[string]*template.Template{}
	example := labelFacts{map[string]string{}}
	for _, column := range r.By {
		example.Labels[column] = "example"
	}
	for _, name := range slices.Sorted(maps.Keys(w.Labels)) {
		key := "labels." + name
		switch {
		case !labelName.MatchString(name) || strings.HasPrefix(name, "__"):
			l.bad("labels", "%q is not a name of a label: use letters, digits and underscores, and begin with a letter", name)
			continue
		case name == alertname || slices.Contains(Columns, name):
			l.bad(key, "every alert has this label already, with the rule's name or the column of that name: choose another name")
			continue
		case name == severity && r.levelName(0) != "":
			l.bad(key, "the rule has levels, and the label has the level: remove it")
			continue
		}
		t, err := parseTemplate(name, labelPrelude, w.Labels[name], example)
		if err != nil {
			l.bad(key, "%s: the labels are part of the alert's identity, so a label can use only the columns under by, as in {{.Labels.tenant}}; what changes belongs under annotations", problemOf(err))
			continue
		}
		r.Labels[name] = t
	}
}

// annotations parses the annotations of a rule.
func (l *lint) annotations(r *Rule, w written) {
	r.Annotations = map[string]*template.Template{}
	facts := basicFacts{
		Labels: r.labels(slices.Repeat([]string{"example"}, len(r.By)), 0), Value: 41, Threshold: 20, Errors: 41,
		Reason: "41 errors in 5m, above 20", Why: "91.0% from route POST /cases, usually 40.0%", Level: r.levelName(0), Code: "OSM.01010037", Description: "description", Remedy: "remedy",
	}
	var example any = facts
	if r.Condition.needs().requests {
		example = Facts{facts, 100}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Annotations)) {
		key := "annotations." + name
		if !labelName.MatchString(name) {
			l.bad("annotations", "%q is not a name of an annotation: use letters, digits and underscores, and begin with a letter", name)
			continue
		}
		t, err := parseTemplate(name, prelude, w.Annotations[name], example)
		switch {
		case err != nil && strings.Contains(err.Error(), "can't evaluate field Requests"):
			l.bad(key, "the rule counts no requests, so .Requests would be empty: use .Errors, or a condition that counts requests, such as rate")
			continue
		case err != nil:
			l.bad(key, "%s: a template can use .Labels (the columns under by are among them), .Value, .Threshold, .Errors, .Requests, .Reason, .Why, .Level, .Code, .Description, .Remedy, and the functions %s",
				problemOf(err), strings.Join(slices.Sorted(maps.Keys(functions)), ", "))
			continue
		}
		r.Annotations[name] = t
	}
}

// templatePlace matches where text/template says that an error is. That counts the prelude.
var templatePlace = regexp.MustCompile(`^template: [^ ]+: (executing "[^"]*" at )?`)

// noField matches the error of a field that does not exist, which names Go's types.
var noField = regexp.MustCompile(`^<[^>]*>: can't evaluate field (\w+) in type \S+$`)

func problemOf(err error) string {
	return noField.ReplaceAllString(templatePlace.ReplaceAllString(err.Error(), ""), "there is no field $1")
}
