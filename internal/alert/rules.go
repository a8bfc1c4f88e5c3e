package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	Alert         string
	Select        selectKeys
	By            []string
	Condition     conditionKeys `yaml:",inline"`
	Windows       string
	Overrides     []overrideKeys
	OverridesFile string `yaml:"overrides_file" json:",omitempty"`
	For           string
	KeepFiringFor string   `yaml:"keep_firing_for"`
	ResolveBelow  *float64 `yaml:"resolve_below"`
	Active        *activeKeys
	Labels        map[string]string
	Annotations   map[string]string
}

// pickKeys are the keys by which a select picks, or leaves out.
type pickKeys struct {
	Codes, Families, Kinds, Tenants, Services, Routes, Topics, Statuses []string
}

type selectKeys struct {
	Picks   pickKeys `yaml:",inline"`
	Known   *bool
	Exclude *pickKeys
}

type overrideKeys struct {
	Tenants      []string
	Levels       levelKeys `yaml:",inline"`
	ResolveBelow *float64  `yaml:"resolve_below"`
}

type activeKeys struct {
	Hours string
	Days  []string
	Zone  string
}

// Load reads a file of rules. Its error lists all problems, each with the line, the rule, the key
// and what to do.
func Load(name string) ([]Group, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	return read(name, text)
}

func readFile(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noFile{name}
	case err != nil:
		return nil, fmt.Errorf("read the alert rules: %w", err)
	}
	return text, nil
}

// noFile is the error of a file that does not exist. It is an fs.ErrNotExist.
type noFile struct{ name string }

func (e noFile) Error() string {
	return fmt.Sprintf("there is no file of alert rules %s: name one with --rules, or run where %s is", e.name, DefaultFile)
}

func (e noFile) Is(target error) bool { return target == fs.ErrNotExist }

func read(name string, text []byte) ([]Group, error) {
	l, groups, err := parseRules(name, text, nil)
	if err != nil {
		return nil, err
	}
	return groups, errors.Join(l.problems...)
}

// parseRules reads rules. The lint has the problems of those that can be decoded. Without catalogs,
// the rules are not compared with them.
func parseRules(name string, text []byte, catalogs *catalog.Set) (*lint, []Group, error) {
	parsed, err := yamlfile.Parse(name, text)
	l := &lint{file: parsed, catalogs: catalogs}
	if err != nil {
		return nil, nil, l.unreadable(err)
	}
	if parsed.Empty() {
		return nil, nil, fmt.Errorf("%s is empty: write groups of rules", name)
	}
	var f file
	if err := parsed.Decode(&f); err != nil {
		return nil, nil, l.unreadable(err)
	}
	return l, l.groups(f), nil
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
		if g.Interval > 24*time.Hour || g.Interval < time.Minute || g.Interval%time.Minute != 0 {
			g.Interval = time.Minute
		}
		l.interval = g.Interval
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
			case slices.ContainsFunc(builtIn, func(r *Rule) bool { return r.Name == w.Alert }):
				l.bad("alert", "the evaluator has a rule %q of its own: choose another name", w.Alert)
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
		Name:          w.Alert,
		Select:        w.Select.Picks.decoded(),
		By:            w.By,
		For:           l.duration("for", w.For),
		KeepFiringFor: l.duration("keep_firing_for", w.KeepFiringFor),
	}
	r.Select.Known = w.Select.Known
	l.picks("select", w.Select.Picks)
	if w.Select.Exclude != nil {
		exclude := w.Select.Exclude.decoded()
		r.Select.Exclude = &exclude
		l.picks("select.exclude", *w.Select.Exclude)
	}
	if r.Key, r.Condition = l.condition(w.Condition); r.Condition == nil {
		return r
	}
	l.by(&r)
	r.ResolveBelow = l.resolveBelow("resolve_below", w.ResolveBelow, r.Condition, r.Condition.levels())
	r.Overrides = l.overrides(w, r)
	r.Table = l.overridesFile(w.OverridesFile, r)
	r.definition = definition(w, r.Table)
	r.Condition = l.outOf(w.Windows, r)
	r.Active = l.active(w.Active)
	l.labels(&r, w)
	l.annotations(&r, w)
	l.impossible(r)
	l.advice(r, w)
	return r
}

// definition returns a hash of what decides when a rule fires.
func definition(w written, table tenantTable) string {
	w.Labels, w.Annotations, w.KeepFiringFor, w.OverridesFile = nil, nil, "", ""
	text, err := json.Marshal(w)
	if err != nil {
		panic(err) // texts, numbers and lists alone
	}
	sum := sha256.Sum256(append(text, table.says...))
	return hex.EncodeToString(sum[:8])
}

func (k pickKeys) decoded() Select {
	return Select{
		Tenants: k.Tenants, Services: k.Services, Routes: k.Routes, Topics: k.Topics,
		Codes: k.Codes, Families: k.Families, Kinds: k.Kinds, Statuses: k.Statuses,
	}
}

func (l *lint) by(r *Rule) {
	for i, column := range r.By {
		switch {
		case !slices.Contains(Columns, column):
			l.bad(fmt.Sprintf("by[%d]", i), "%q is not a column to group by: use some of %s", column, strings.Join(Columns, ", "))
		case slices.Contains(r.By[:i], column):
			l.bad(fmt.Sprintf("by[%d]", i), "%q is listed twice: remove one", column)
		}
	}
	needs := r.Condition.needs()
	switch {
	case needs.clock && len(r.By) > 0:
		l.bad("by", "the condition is about all data, so there is nothing to group by: remove the key")
		r.By = nil
	case needs.sightings+needs.silent > 0 && len(r.By) == 0:
		r.By = []string{"tenant", "code"}
	case needs.sightings+needs.silent > 0 && !slices.Equal(slices.Sorted(slices.Values(r.By)), []string{"code", "tenant"}):
		l.bad("by", "new and returning codes are found for each tenant and code: write [tenant, code], or remove the key")
		r.By = []string{"tenant", "code"}
	case needs.requests && !needs.errors && len(r.place(r.By)) < len(r.By):
		l.bad("by", "requests have no code, kind or family: use some of %s", strings.Join(requestColumns, ", "))
		r.By = slices.DeleteFunc(slices.Clone(r.By), func(column string) bool { return !slices.Contains(requestColumns, column) })
	}
}

// resolveBelow returns the threshold of recovery, 0 if there is none.
func (l *lint) resolveBelow(key string, given *float64, c Condition, levels []level) float64 {
	if given == nil {
		return 0
	}
	below, least := *given, levels[0]
	name := least.key()
	_, isSpike := c.(Spike)
	switch {
	case isSpike:
		l.bad(key, "a spike recovers by itself when the errors are usual again: remove the key")
	case below <= 0:
		l.bad(key, "no value is below %s, so the alert would never be resolved: give more, or remove the key", number(below))
	case len(levels) == 1 && levels[0] == once[0]:
		l.bad(key, "this condition compares no value: remove the key")
	case below > least.above:
		l.bad(key, "%s is more than %s, %s, so the alert would be resolved while the condition holds: give %s or less", number(below), name, number(least.above), number(least.above))
	}
	return below
}

// overrides reads the thresholds of some tenants.
func (l *lint) overrides(w written, r Rule) (all []override) {
	if len(w.Overrides) == 0 || !l.canOverride("overrides", r) {
		return nil
	}
	for i, k := range w.Overrides {
		key := fmt.Sprintf("overrides[%d]", i)
		if len(k.Tenants) == 0 {
			l.bad(key, "no tenants: list those that the thresholds are for")
		}
		all = append(all, l.override(key, k, r))
	}
	return all
}

// canOverride reports whether tenants can have thresholds of their own.
func (l *lint) canOverride(key string, r Rule) bool {
	if check, keys := thresholdOf(r.Key); check == nil {
		l.bad(key, "only %s have thresholds to override: remove the key", keys)
		return false
	}
	if !slices.Contains(r.By, "tenant") {
		l.bad(key, "the thresholds are those of tenants, and the rule does not group by tenant: add tenant to by")
	}
	return true
}

func (l *lint) override(key string, k overrideKeys, r Rule) (o override) {
	check, _ := thresholdOf(r.Key)
	for j, text := range k.Tenants {
		if l.globIsGood(fmt.Sprintf("%s.tenants[%d]", key, j), text) {
			o.tenants = append(o.tenants, newGlob(text))
		}
	}
	o.levels = l.levels(key, k.Levels, "the threshold of these tenants", func(key string, value float64) { check(l, key, value) })
	if usual := r.Condition.levels(); !slices.EqualFunc(o.levels, usual, func(a, b level) bool { return a.name == b.name }) {
		l.bad(key, "the rule and its overrides have to have the same levels: give %s", names(usual))
	}
	if o.resolveBelow = l.resolveBelow(key+".resolve_below", k.ResolveBelow, r.Condition, o.levels); k.ResolveBelow == nil {
		o.resolveBelow = min(r.ResolveBelow, o.levels[0].above)
	}
	return o
}

func names(levels []level) string {
	var all []string
	for _, l := range levels {
		all = append(all, l.key())
	}
	return strings.Join(all, " and ")
}

var outOfForm = regexp.MustCompile(`^(\d{1,2}) of (\d{1,2})$`)

// outOf reads how many of several windows have to hold: "3 of 5".
func (l *lint) outOf(text string, r Rule) Condition {
	c := r.Condition
	if text == "" {
		return c
	}
	if check, keys := thresholdOf(r.Key); check == nil {
		l.bad("windows", "only %s look at one window: remove the key", keys)
		return c
	}
	m := outOfForm.FindStringSubmatch(text)
	if m == nil {
		l.bad("windows", "%q: write how many of how many windows have to hold, such as 3 of 5", text)
		return c
	}
	hold, _ := strconv.Atoi(m[1])
	outOf, _ := strconv.Atoi(m[2])
	switch {
	case hold < 1 || hold > outOf || outOf < 2:
		l.bad("windows", "%q can never hold, or says nothing: write something like 3 of 5", text)
		return c
	case time.Duration(outOf)*c.windows()[0] > longestWindow:
		l.bad("windows", "%d windows of %s are longer than %s: give fewer", outOf, short(c.windows()[0]), short(longestWindow))
		return c
	}
	return OutOf{c, hold, outOf}
}

var hoursForm = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$`)

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (l *lint) active(k *activeKeys) (a activeHours) {
	if k == nil {
		return a
	}
	zone, err := time.LoadLocation(k.Zone)
	if a.zone = zone; err != nil || k.Zone == "" {
		l.bad("active.zone", "%q is not a time zone: give one such as Europe/Berlin or UTC", k.Zone)
		a.zone = time.UTC
	}
	if k.Hours != "" {
		m := hoursForm.FindStringSubmatch(k.Hours)
		if m == nil || m[3] == "24" && m[4] != "00" {
			l.bad("active.hours", "%q: write from when to when, such as 08:00-18:00", k.Hours)
		} else {
			part := func(i int) time.Duration {
				hours, _ := strconv.Atoi(m[i])
				minutes, _ := strconv.Atoi(m[i+1])
				return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
			}
			a.from, a.to = part(1), part(3)
		}
	}
	for i, name := range k.Days {
		day := slices.Index(weekdays, strings.ToLower(name))
		if day < 0 {
			l.bad(fmt.Sprintf("active.days[%d]", i), "%q is not a day: use some of mon, tue, wed, thu, fri, sat, sun", name)
			continue
		}
		if a.days == nil {
			a.days = map[time.Weekday]bool{}
		}
		a.days[time.Weekday(day)] = true
	}
	if k.Hours == "" && len(k.Days) == 0 {
		l.bad("active", "neither hours nor days: give one of them, or remove the key")
	}
	return a
}

func (l *lint) picks(key string, k pickKeys) {
	for _, f := range k.decoded().fields() {
		for i, value := range f.values {
			at := fmt.Sprintf("%s.%s[%d]", key, f.key, i)
			switch f.key {
			case "families": // any word
			case "kinds":
				if !slices.Contains(catalog.Kinds, value) {
					l.bad(at, "%q is not a kind: did you mean %q? The kinds are %s", value, yamlfile.Nearest(value, catalog.Kinds), strings.Join(catalog.Kinds, ", "))
				}
			case "statuses":
				if !statusForm.MatchString(value) {
					l.bad(at, "%q is not a status: write one like 503, or a class like 5xx", value)
				}
			default:
				l.globIsGood(at, value)
			}
		}
	}
}

func (l *lint) globIsGood(key, text string) bool {
	if _, err := path.Match(text, ""); err != nil {
		l.bad(key, "%q is not a glob: * stands for any characters except /, ** for any, ? for one character, [a-z] for one of a range", text)
		return false
	}
	return true
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// window reads the duration that a condition looks at.
func (l *lint) window(key, text string) time.Duration {
	if text == "" {
		l.bad(key, "no window: give the time over which to count, such as 5m")
		return time.Minute
	}
	return l.minutes(key, text, 0)
}

// longestWindow is the longest that a condition can look at.
const longestWindow = 30 * 24 * time.Hour

// minutes reads a duration of whole minutes, up to longestWindow.
func (l *lint) minutes(key, text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	before := len(l.problems)
	d := l.duration(key, text)
	if len(l.problems) == before && (d < time.Minute || d > longestWindow || d%time.Minute != 0) {
		l.bad(key, "%q: data is counted by the minute, so give whole minutes, 1m to 30d", text)
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
