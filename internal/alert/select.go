package alert

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/store"
)

// requestColumns are those that both requests and errors have. Columns are what a rule can group
// by.
var (
	requestColumns = append(slices.Clone(store.RequestKeys), "topic")
	errorColumns   = store.ErrorKeys[len(store.RequestKeys):]
	Columns        = slices.Concat(store.RequestKeys, errorColumns, []string{"topic"})
)

// Select picks errors. An empty field leaves all of them in.
type Select struct {
	Codes, Tenants, Services, Routes, Topics []string // globs
	Families, Kinds                          []string
	Statuses                                 []string // such as 503 and 5xx
	Known                                    *bool
	Exclude                                  *Select           // without any that one of its fields picks
	Equal                                    map[string]string // of Columns: the value that the column has
}

// field is one field of a Select: what it lists of a column.
type field struct {
	key, column string
	values      []string
	condition   func(column string, values []string) (sql string, arg any)
	ofRequests  bool // requests have the column too
}

// fields is the table of the fields that list something.
func (s Select) fields() []field {
	return []field{
		{"tenants", "tenant", s.Tenants, matching, true},
		{"services", "service", s.Services, matching, true},
		{"routes", "route", s.Routes, matching, true},
		{"topics", "topic", s.Topics, matching, true},
		{"codes", "code", s.Codes, matching, false},
		{"families", "family", s.Families, listed, false},
		{"kinds", "kind", s.Kinds, listed, false},
		{"statuses", "status", s.Statuses, status, false},
	}
}

// where adds the conditions of a Select to one on a view of errors or of requests.
func (s Select) where(where store.Condition, requests bool) store.Condition {
	for _, f := range s.fields() {
		if len(f.values) > 0 && (f.ofRequests || !requests) {
			sql, arg := f.condition(f.column, f.values)
			where = where.And(sql, arg)
		}
	}
	if s.Known != nil && !requests {
		where = where.And("known = ?", *s.Known)
	}
	if s.Exclude != nil {
		for _, f := range s.Exclude.fields() {
			if len(f.values) > 0 && (f.ofRequests || !requests) {
				sql, arg := f.condition(f.column, f.values)
				where = where.And("NOT ("+sql+")", arg)
			}
		}
	}
	for _, column := range Columns {
		if value, ok := s.Equal[column]; ok && (slices.Contains(requestColumns, column) || !requests) {
			where = where.And(column+" = ?", value)
		}
	}
	return where
}

// ofErrors reports whether the select looks at what only errors have.
func (s Select) ofErrors() bool {
	for _, f := range s.fields() {
		if len(f.values) > 0 && !f.ofRequests {
			return true
		}
	}
	return s.Known != nil || s.Exclude != nil && s.Exclude.ofErrors()
}

// single reports whether the select looks at what only single errors have, and no sums.
func (s Select) single() bool {
	return s.Known != nil || len(s.Statuses) > 0 || s.Exclude != nil && s.Exclude.single()
}

// picks reports whether the select picks what has the given values of columns. A column without a
// value is not looked at.
func (s Select) picks(row map[string]string) bool {
	one := func(f field) bool {
		value, ok := row[f.column]
		return ok && slices.ContainsFunc(f.values, func(listed string) bool {
			switch f.column {
			case "family", "kind":
				return listed == value
			case "status":
				return listed == value || strings.HasSuffix(listed, "xx") && len(value) == 3 && listed[0] == value[0]
			}
			return newGlob(listed).matches(value)
		})
	}
	for _, f := range s.fields() {
		if _, ok := row[f.column]; ok && len(f.values) > 0 && !one(f) {
			return false
		}
	}
	if known, ok := row["known"]; ok && s.Known != nil && known != strconv.FormatBool(*s.Known) {
		return false
	}
	return s.Exclude == nil || !slices.ContainsFunc(s.Exclude.fields(), func(f field) bool { return len(f.values) > 0 && one(f) })
}

// Counts reports whether the rule counts errors of a code. The facts are its code, family and kind,
// and "true" or "false" for known. narrowed is what else the rule picks errors by, such as tenants.
func (r *Rule) Counts(code map[string]string) (counts bool, narrowed []string) {
	if n := r.Condition.needs(); !n.errors || !r.Select.picks(code) {
		return false, nil
	}
	for _, f := range r.Select.fields() {
		if _, ok := code[f.column]; !ok && len(f.values) > 0 {
			narrowed = append(narrowed, f.key)
		}
	}
	return true, narrowed
}

// matching is the condition that a column matches one of the globs.
func matching(column string, globs []string) (sql string, arg any) {
	if !strings.ContainsAny(strings.Join(globs, ""), `*?[\`) {
		return column + " IN (?)", globs
	}
	all := make([]string, len(globs))
	for i, g := range globs {
		all[i] = pattern(g)
	}
	return "match(" + column + ", ?)", "^(?s:" + strings.Join(all, "|") + ")$"
}

func listed(column string, values []string) (sql string, arg any) { return column + " IN (?)", values }

// status is the condition that a status is listed, or its class.
func status(column string, values []string) (sql string, arg any) {
	var all []int
	for _, v := range values {
		if class, ok := strings.CutSuffix(v, "xx"); ok {
			n, _ := strconv.Atoi(class) // lint has checked both
			for s := n * 100; s < n*100+100; s++ {
				all = append(all, s)
			}
			continue
		}
		n, _ := strconv.Atoi(v)
		all = append(all, n)
	}
	return column + " IN (?)", all
}

// statusForm matches a status or a class of them.
var statusForm = regexp.MustCompile(`^[1-9](xx|[0-9]{2})$`)

// glob is a glob that is ready to match.
type glob struct{ re *regexp.Regexp }

func newGlob(text string) glob { return glob{regexp.MustCompile("^(?s:" + pattern(text) + ")$")} }

func (g glob) matches(value string) bool { return g.re.MatchString(value) }

func matchesAny(globs []glob, value string) bool {
	return slices.ContainsFunc(globs, func(g glob) bool { return g.matches(value) })
}

// pattern returns the regular expression of a glob: one of path.Match, in which ** stands for any
// characters.
func pattern(glob string) string {
	var re strings.Builder
	class := false
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '\\' && i+1 < len(glob):
			i++
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		case class:
			class = c != ']'
			if c == '[' || c == '&' || c == '~' {
				re.WriteByte('\\')
			}
			re.WriteByte(c)
		case c == '[':
			class = true
			re.WriteByte(c)
			if i+1 < len(glob) && glob[i+1] == '^' {
				re.WriteByte('^')
				i++
			}
		case c == '*' && i+1 < len(glob) && glob[i+1] == '*':
			re.WriteString(".*")
			i++
		case c == '*':
			re.WriteString("[^/]*")
		case c == '?':
			re.WriteString("[^/]")
		default:
			re.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	return re.String()
}
