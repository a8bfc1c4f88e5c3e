package alert

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"errata/internal/yamlfile"
)

// incidentFile is a file of labelled incidents as it is written.
type incidentFile struct {
	Incidents []struct {
		Name     string
		From, To string
		Rule     string
		Labels   map[string]string
	}
}

// LoadIncidents reads a file of labelled incidents. rules are the names that they may give. Its
// error lists all problems, each with the line and what to do.
func LoadIncidents(name string, groups []Group) ([]Incident, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the labelled incidents: %w", err)
	}
	parsed, err := yamlfile.Parse(name, text)
	if err != nil {
		return nil, err
	}
	var f incidentFile
	if err := parsed.Decode(&f); err != nil {
		return nil, err
	}
	if len(f.Incidents) == 0 {
		return nil, fmt.Errorf("%s has no incidents: list some under incidents, each with name, from and to", name)
	}
	var rules []string
	for _, g := range groups {
		for _, r := range g.Rules {
			rules = append(rules, r.Name)
		}
	}
	var all []Incident
	var problems []error
	for n, w := range f.Incidents {
		path := fmt.Sprintf("$.incidents[%d]", n)
		bad := func(key, format string, args ...any) {
			problems = append(problems, parsed.Errorf(path+"."+key, "incident %s: %s: %s", w.Name, key, fmt.Sprintf(format, args...)))
		}
		i := Incident{Name: w.Name, Rule: w.Rule, Labels: w.Labels}
		if w.Name == "" {
			bad("name", "the incident has none: give it one")
		}
		if i.From, err = time.Parse(time.RFC3339, w.From); err != nil {
			bad("from", "%q is not a time: write it like 2026-11-02T15:04:05Z", w.From)
		}
		if i.To, err = time.Parse(time.RFC3339, w.To); err != nil {
			bad("to", "%q is not a time: write it like 2026-11-02T15:04:05Z", w.To)
		} else if !i.To.After(i.From) {
			bad("to", "the incident ends before it begins: give a later time")
		}
		if w.Rule != "" && !slices.Contains(rules, w.Rule) {
			bad("rule", "there is no rule %q: give the name of one, or remove the key", w.Rule)
		}
		all = append(all, i)
	}
	return all, errors.Join(problems...)
}
