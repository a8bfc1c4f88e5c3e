package alert

import (
	"cmp"
	"fmt"
	"time"
)

// The keys of thresholds. Two of them are the names of the levels of a rule with two.
const (
	onlyLevel = "above" // of a rule without others; that level has no name
	warning   = "warning"
	critical  = "critical"
)

// level is a threshold. Above it, a condition holds.
type level struct {
	name  string // "": the rule has no other
	above float64
}

// key returns the key that the threshold is written under.
func (l level) key() string { return cmp.Or(l.name, onlyLevel) }

// thresholds are what a condition compares its value with.
type thresholds struct {
	levels       []level // the lowest first
	resolveBelow float64 // a firing alert holds until its value is below it; 0: while it is above the lowest level
}

// override replaces the thresholds for some tenants.
type override struct {
	tenants []glob
	thresholds
}

// firstOverride returns the thresholds of the first override that matches a tenant.
func firstOverride(all []override, tenant string) (thresholds, bool) {
	for _, o := range all {
		if matchesAny(o.tenants, tenant) {
			return o.thresholds, true
		}
	}
	return thresholds{}, false
}

// thresholdsOf returns the thresholds of a group.
func (r *Rule) thresholdsOf(keys []string) thresholds {
	for i, column := range r.By {
		if column != "tenant" {
			continue
		}
		if found, ok := firstOverride(r.Overrides, keys[i]); ok {
			return found
		}
		if found, ok := r.Table.of(keys[i]); ok {
			return found
		}
	}
	return thresholds{r.Condition.levels(), r.ResolveBelow}
}

// levelName returns the name of a level, "" if the rule has only one.
func (r *Rule) levelName(i int) string {
	if r.Condition == nil || i >= len(r.Condition.levels()) {
		return ""
	}
	return r.Condition.levels()[i].name
}

// compare finds the highest level that the value exceeds, and words the decision. An alert does not
// hold at exactly a threshold, and has not recovered at exactly resolveBelow.
func (v *Verdict) compare(t thresholds, s State, what func() string, format func(float64) string) {
	v.Finding, v.Level, v.Threshold = Clear, 0, t.levels[0].above
	side := "not above"
	for i, l := range t.levels {
		if v.Value > l.above {
			v.Finding, v.Level, v.Threshold, side = Holds, i, l.above, "above"
		}
	}
	if s.active() && t.resolveBelow > 0 && v.Finding == Clear {
		v.Threshold, side = t.resolveBelow, "below"
		if v.Value >= t.resolveBelow {
			v.Finding, side = Holds, "not below"
		}
	}
	if v.Finding != Clear || s.Phase != "" {
		v.Says = fmt.Sprintf("%s, %s %s", what(), side, format(v.Threshold))
	}
}

// levelKeys are the thresholds as they are written: above, or warning and critical.
type levelKeys struct{ Above, Warning, Critical *float64 }

// levels reads thresholds. what says what a threshold is a number of, such as "the number of errors
// above which the alert fires".
func (l *lint) levels(key string, k levelKeys, what string, valid func(key string, value float64)) []level {
	if k.Above != nil && (k.Warning != nil || k.Critical != nil) {
		l.bad(key+".above", "there are two levels already: keep above, or warning and critical")
		return []level{{"", *k.Above}}
	}
	var all []level
	for _, given := range []struct {
		name  string
		value *float64
	}{{onlyLevel, k.Above}, {warning, k.Warning}, {critical, k.Critical}} {
		if given.value == nil {
			continue
		}
		valid(key+"."+given.name, *given.value)
		name := given.name
		if name == onlyLevel {
			name = ""
		}
		all = append(all, level{name, *given.value})
	}
	switch {
	case len(all) == 0:
		l.bad(key+".above", "no threshold: give %s, or two of them under warning and critical", what)
		return []level{{}}
	case len(all) == 2 && all[1].above <= all[0].above:
		l.bad(key+".critical", "%s is not more than warning, %s, so the alert would never be a warning: give more", number(all[1].above), number(all[0].above))
	}
	return all
}

// activeHours are when new alerts may begin. The zero value is always.
type activeHours struct {
	days     map[time.Weekday]bool // empty: all
	from, to time.Duration         // of the day; equal: all day; from after to: over midnight
	zone     *time.Location
}

// contains reports whether a time lies in the hours. Hours over midnight belong to the day on which
// they begin.
func (a activeHours) contains(t time.Time) bool {
	if a.zone == nil {
		return true
	}
	t = t.In(a.zone)
	clock := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	day := t.Weekday()
	switch {
	case a.from < a.to && (clock < a.from || clock >= a.to):
		return false
	case a.from > a.to && clock >= a.to && clock < a.from:
		return false
	case a.from > a.to && clock < a.to:
		day = (day + 6) % 7
	}
	return len(a.days) == 0 || a.days[day]
}
