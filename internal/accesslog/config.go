package accesslog

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config says in which formats records arrive and what to take from them: the section ingest of
// config.yaml.
type Config struct {
	Format       string         `mapstructure:"format"`        // of all topics: "auto" or the name of a format; "" is "auto"
	Topics       []TopicFormat  `mapstructure:"topics"`        // topics with a format of their own
	Formats      []FormatConfig `mapstructure:"formats"`       // the user's own formats, tried before the built-in ones
	Exclude      []Exclude      `mapstructure:"exclude"`       // requests to leave out
	IgnoreBodies []Exclude      `mapstructure:"ignore_bodies"` // requests whose bodies are not searched for errors
	Routes       []string       `mapstructure:"routes"`        // templates such as /v1/servers/{id}, for records without a route
}

// TopicFormat gives a topic its format: its records are read in that format only.
type TopicFormat struct {
	Topic  string `mapstructure:"topic"`
	Format string `mapstructure:"format"`
}

// FormatConfig is one of the user's own formats: of JSON records by Match, of text lines by
// Pattern. A format with neither is for the topics that name it.
type FormatConfig struct {
	Name    string       `mapstructure:"name"`
	Match   []string     `mapstructure:"match"`   // dotted paths, all of which a record must have; path=text: with that text
	Pattern string       `mapstructure:"pattern"` // a regular expression whose named groups are the keys of the record; a group with the name of a field is that field
	Fields  FieldsConfig `mapstructure:"fields"`
}

// FieldsConfig says where the fields of a request are.
type FieldsConfig struct {
	Time            FieldConfig `mapstructure:"time"`
	Tenant          FieldConfig `mapstructure:"tenant"`
	Service         FieldConfig `mapstructure:"service"`
	Route           FieldConfig `mapstructure:"route"`
	Method          FieldConfig `mapstructure:"method"`
	Path            FieldConfig `mapstructure:"path"`
	RequestLine     FieldConfig `mapstructure:"request_line"` // GET /x HTTP/1.1, used where method or path is missing
	Status          FieldConfig `mapstructure:"status"`
	Latency         FieldConfig `mapstructure:"latency"`
	RequestID       FieldConfig `mapstructure:"request_id"`
	Body            FieldConfig `mapstructure:"body"`
	BodyBase64      FieldConfig `mapstructure:"body_base64"`
	ContentType     FieldConfig `mapstructure:"content_type"`
	ContentEncoding FieldConfig `mapstructure:"content_encoding"`
}

// FieldConfig says where one field is. Written as a plain text, it is a single path.
type FieldConfig struct {
	Paths   []string `mapstructure:"paths"`   // dotted; the first that leads to a text wins; a dot in a key is written \.
	Unit    string   `mapstructure:"unit"`    // s, ms, us or ns; "": of a time, the number's size tells; of a latency, ms
	Layout  string   `mapstructure:"layout"`  // of a time: a Go layout, rfc3339 or clf; "": any known one
	Default string   `mapstructure:"default"` // used where no path leads to a text
	Pattern string   `mapstructure:"pattern"` // a regular expression: its first group, else the whole match, is the value
	Claim   string   `mapstructure:"claim"`   // if the text is a bearer token: the dotted path of the claim that is the value
}

// UnmarshalText reads the short form.
func (f *FieldConfig) UnmarshalText(text []byte) error {
	*f = FieldConfig{Paths: []string{string(text)}}
	return nil
}

// Exclude describes requests to leave out, or whose bodies are not searched. All given settings
// must match. They are globs, in which * also matches slashes.
type Exclude struct {
	Service string `mapstructure:"service"`
	Route   string `mapstructure:"route"`
	Path    string `mapstructure:"path"`
	Method  string `mapstructure:"method"`
	Field   string `mapstructure:"field"` // a dotted path in the record
	Value   string `mapstructure:"value"` // a glob for the text there
}

const auto = "auto"

// Validate returns what is wrong with a Config, and what to do about it.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// New returns a Reader. Its errors name the setting that is wrong.
func New(c Config) (*Reader, error) {
	r := &Reader{keys: keyNumbers{}, recurring: recurring{texts: map[string]string{}}, fingerprint: c.fingerprint()}
	rows, err := c.rows()
	if err != nil {
		return nil, err
	}
	if r.exclude, err = compileExclusions("ingest.exclude", c.Exclude); err != nil {
		return nil, err
	}
	if r.ignore, err = compileExclusions("ingest.ignore_bodies", c.IgnoreBodies); err != nil {
		return nil, err
	}
	if r.routes, err = compileRoutes(c.Routes); err != nil {
		return nil, err
	}
	if r.detected, err = choose(rows, "ingest.format", c.Format); err != nil {
		return nil, err
	}
	r.topics = map[string][]*format{}
	for i, t := range c.Topics {
		key := fmt.Sprintf("ingest.topics[%d]", i)
		if t.Topic == "" {
			return nil, fmt.Errorf("%s.topic is empty: give the name of a topic", key)
		}
		if _, twice := r.topics[t.Topic]; twice {
			return nil, fmt.Errorf("%s.topic: %q is listed twice: keep one", key, t.Topic)
		}
		if r.topics[t.Topic], err = choose(rows, key+".format", t.Format); err != nil {
			return nil, err
		}
	}
	for i, f := range c.Formats {
		if used := f.Name == c.Format || slices.ContainsFunc(c.Topics, func(t TopicFormat) bool { return t.Format == f.Name }); len(f.Match) == 0 && f.Pattern == "" && !used {
			return nil, fmt.Errorf("ingest.formats[%d]: nothing says which records are %q: give match or pattern, or name the format in ingest.topics", i, f.Name)
		}
	}
	r.number(rows)
	return r, nil
}

// choose returns the formats that records may be in. A format that the configuration names is a
// copy that needs no detection.
func choose(rows []*format, key, name string) ([]*format, error) {
	if name == "" || name == auto {
		return slices.DeleteFunc(slices.Clone(rows), func(f *format) bool { return f.known == nil && f.templates == nil && f.pattern == nil }), nil
	}
	names := []string{auto}
	for _, f := range rows {
		if f.name == name {
			given := *f
			given.given = true
			return []*format{&given}, nil
		}
		names = append(names, f.name)
	}
	return nil, fmt.Errorf("%s: unknown log format %q: give one of %s", key, name, strings.Join(names, ", "))
}

// rows returns the user's formats and copies of the built-in ones.
func (c Config) rows() (rows []*format, err error) {
	for i, f := range c.Formats {
		row, err := f.row(fmt.Sprintf("ingest.formats[%d]", i))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.Formats[:i], func(g FormatConfig) bool { return g.Name == f.Name }) {
			return nil, fmt.Errorf("ingest.formats[%d].name: %q is used twice: give each format its own name", i, f.Name)
		}
		rows = append(rows, row)
	}
	for _, f := range formats {
		f.clone()
		for _, line := range f.lines {
			f.templates = append(f.templates, compileTemplate(line))
		}
		rows = append(rows, &f)
	}
	return rows, nil
}

// clone copies the parts of a table row that New writes to.
func (f *format) clone() {
	f.known = slices.Clone(f.known)
	for i := range f.known {
		f.known[i].clauses = slices.Clone(f.known[i].clauses)
		f.known[i].where = slices.Clone(f.known[i].where)
	}
	for _, field := range f.all() {
		*field = slices.Clone(*field)
	}
}

// number numbers all keys of all formats, first those that formats are known by.
func (r *Reader) number(rows []*format) {
	for _, f := range rows {
		for _, s := range f.known {
			for _, c := range s.clauses {
				for _, key := range c.keys {
					r.keys.number(key)
				}
			}
		}
	}
	for _, f := range rows {
		for i := range f.known {
			for j := range f.known[i].clauses {
				c := &f.known[i].clauses[j]
				for _, key := range c.keys {
					n := r.keys.number(key)
					for len(c.mask) <= n/64 {
						c.mask = append(c.mask, 0)
					}
					c.mask.add(n)
				}
			}
			for j := range f.known[i].where {
				r.keys.resolve(&f.known[i].where[j].source)
			}
		}
	}
	for _, f := range rows {
		for _, field := range f.all() {
			r.keys.resolveAll(*field)
		}
	}
	for _, list := range [][]exclusion{r.exclude, r.ignore} {
		for i := range list {
			r.keys.resolve(&list[i].field)
		}
	}
	r.wrappers = shippers
	r.wrappers.fill.clone()
	for _, field := range slices.Concat(r.wrappers.fill.all(), r.wrappers.holders(), []*field{&r.wrappers.otlpBody}) {
		*field = slices.Clone(*field)
		r.keys.resolveAll(*field)
	}
	r.placePaths(rows)
}

func (k keyNumbers) resolveAll(f field) {
	for i := range f {
		k.resolve(&f[i])
	}
}

func (k keyNumbers) resolve(s *source) {
	if n := len(s.path); n > 0 {
		s.key = k.number(s.path[0])
		s.fold = n > 1 && strings.HasSuffix(strings.ToLower(s.path[n-2]), "headers")
	}
	s.derived = s.claim != nil || s.pattern != nil || s.names != nil
}

var formatName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,39}$`)

// row compiles one of the user's formats; key is its place in the configuration.
func (f FormatConfig) row(key string) (*format, error) {
	if !formatName.MatchString(f.Name) {
		return nil, fmt.Errorf("%s.name is %q: give 1 to 40 of a-z, 0-9, _, . and -", key, f.Name)
	}
	if f.Name == auto || f.Name == Unknown || slices.Contains(Formats(), f.Name) {
		return nil, fmt.Errorf("%s.name: %q is a reserved name: choose another", key, f.Name)
	}
	row := &format{name: f.Name, users: true}
	var s signature
	for i, m := range f.Match {
		dotted, value, compare := strings.Cut(m, "=")
		p, err := checkedPath(dotted)
		if err != nil {
			return nil, fmt.Errorf("%s.match[%d]: %w", key, i, err)
		}
		s.clauses = append(s.clauses, oneOf(p[0]))
		if len(p) > 1 || compare {
			s.where = append(s.where, condition{source{path: p}, compare, value})
		}
	}
	if len(f.Match) > 0 {
		row.known = []signature{s}
	}
	groups := []string{}
	if f.Pattern != "" {
		var err error
		if row.pattern, err = regexp.Compile(f.Pattern); err != nil {
			return nil, fmt.Errorf("%s.pattern: %w", key, err)
		}
		groups = slices.DeleteFunc(slices.Clone(row.pattern.SubexpNames()), func(s string) bool { return s == "" })
		if len(groups) == 0 {
			return nil, fmt.Errorf("%s.pattern: it has no named groups: name what it finds, such as (?P<status>\\d+)", key)
		}
	}
	c := &f.Fields
	for _, to := range []struct {
		name   string
		config FieldConfig
		field  *field
	}{
		{"time", c.Time, &row.time}, {"tenant", c.Tenant, &row.tenant}, {"service", c.Service, &row.service}, {"route", c.Route, &row.route}, {"method", c.Method, &row.method},
		{"path", c.Path, &row.path}, {"request_line", c.RequestLine, &row.requestLine}, {"status", c.Status, &row.status}, {"latency", c.Latency, &row.latency},
		{"request_id", c.RequestID, &row.requestID}, {"body", c.Body, &row.body}, {"body_base64", c.BodyBase64, &row.bodyBase64}, {"content_type", c.ContentType, &row.contentType},
		{"content_encoding", c.ContentEncoding, &row.contentEncoding},
	} {
		var err error
		if *to.field, err = to.config.compile(to.name, groups); err != nil {
			return nil, fmt.Errorf("%s.fields.%s: %w", key, to.name, err)
		}
	}
	if row.status == nil && row.path == nil && row.requestLine == nil && row.body == nil && row.bodyBase64 == nil {
		return nil, fmt.Errorf("%s.fields: a request needs one of status, path, request_line, body, body_base64: say where one of them is", key)
	}
	return row, nil
}

var units = map[string]float64{"s": seconds, "ms": milliseconds, "us": microseconds, "ns": nanoseconds}

// compile returns the sources of the field called name: its paths, or the group with that name in
// the format's pattern; and the default.
func (c FieldConfig) compile(name string, groups []string) (f field, err error) {
	if err := c.check(name); err != nil {
		return nil, err
	}
	s, err := c.source(name)
	if err != nil {
		return nil, err
	}
	paths := c.Paths
	if len(paths) == 0 && slices.Contains(groups, name) {
		paths = []string{name}
	}
	for i, dotted := range paths {
		one := s
		if one.path, err = checkedPath(dotted); err != nil {
			return nil, fmt.Errorf("paths[%d]: %w", i, err)
		}
		f = append(f, one)
	}
	if len(f) == 0 && (c.Unit != "" || c.Layout != "" || c.Pattern != "" || c.Claim != "") {
		return nil, errors.New("paths is empty: say where the field is")
	}
	if c.Default != "" {
		f = append(f, source{constant: c.Default, unit: s.unit, layout: s.layout})
	}
	return f, nil
}

// check rejects settings that mean nothing for the field called name.
func (c FieldConfig) check(name string) error {
	isBody := name == "body" || name == "body_base64"
	switch {
	case c.Unit != "" && name != "time" && name != "latency":
		return errors.New("unit is for time and latency: remove it")
	case c.Layout != "" && name != "time":
		return errors.New("layout is for time: remove it")
	case c.Layout != "" && c.Unit != "":
		return errors.New("give a layout or a unit, not both")
	case isBody && (c.Pattern != "" || c.Claim != "" || c.Default != ""):
		return errors.New("a body has only paths: remove the rest")
	}
	return nil
}

// source returns what to make of the text of the field called name, wherever it is.
func (c FieldConfig) source(name string) (s source, err error) {
	s.unit = units[c.Unit]
	if c.Unit != "" && s.unit == 0 {
		return source{}, fmt.Errorf("unit %q is not one of s, ms, us, ns", c.Unit)
	}
	if name == "latency" {
		s.unit = cmp.Or(s.unit, milliseconds)
	}
	if s.layout, err = timeLayout(c.Layout); err != nil {
		return source{}, err
	}
	if c.Pattern != "" {
		if s.pattern, err = regexp.Compile(c.Pattern); err != nil {
			return source{}, fmt.Errorf("pattern: %w", err)
		}
	}
	if c.Claim != "" {
		if s.claim, err = checkedPath(c.Claim); err != nil {
			return source{}, fmt.Errorf("claim: %w", err)
		}
	}
	return s, nil
}

// timeLayout returns the Go layout that a setting means.
func timeLayout(setting string) (string, error) {
	switch setting {
	case "":
		return "", nil
	case "rfc3339":
		return time.RFC3339Nano, nil
	case "clf":
		return commonLog, nil
	}
	if time.Date(2013, 11, 22, 9, 38, 47, 5e8, time.FixedZone("XYZ", 3600)).Format(setting) == setting {
		return "", fmt.Errorf("layout %q is not rfc3339, clf or a Go layout such as 2006-01-02 15:04:05", setting)
	}
	return setting, nil
}

func checkedPath(dotted string) ([]string, error) {
	p := splitPath(dotted)
	if slices.Contains(p, "") {
		return nil, fmt.Errorf("%q has an empty key: separate keys with dots, and write \\. for a dot in a key", dotted)
	}
	return p, nil
}

// exclusion is a compiled Exclude.
type exclusion struct {
	globs [4]string // of service, route, path, method
	field source
	value string
}

func compileExclusions(setting string, list []Exclude) (all []exclusion, err error) {
	for i, e := range list {
		key := fmt.Sprintf("%s[%d]", setting, i)
		x := exclusion{globs: [4]string{e.Service, e.Route, e.Path, e.Method}, value: e.Value}
		switch {
		case e == Exclude{}:
			return nil, fmt.Errorf("%s is empty: give service, route, path, method, or field and value", key)
		case (e.Field == "") != (e.Value == ""):
			return nil, fmt.Errorf("%s: field and value belong together: give both", key)
		case e.Field != "":
			if x.field.path, err = checkedPath(e.Field); err != nil {
				return nil, fmt.Errorf("%s.field: %w", key, err)
			}
		}
		for _, glob := range []*string{&x.globs[0], &x.globs[1], &x.globs[2], &x.globs[3], &x.value} {
			if _, err := path.Match(*glob, ""); err != nil {
				return nil, fmt.Errorf("%s: %q is not a glob: %w", key, *glob, err)
			}
			*glob = withoutSlashes(*glob)
		}
		all = append(all, x)
	}
	return all, nil
}

// withoutSlashes hides slashes from path.Match, whose * does not match them.
func withoutSlashes(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// described reports whether one of the exclusions describes an access. o is its record.
func (r *Reader) described(list []exclusion, a *Access, o *object) bool {
	matches := func(glob, text string) bool {
		ok, err := path.Match(glob, withoutSlashes(text))
		return ok && err == nil
	}
	target := ""
	if len(list) > 0 {
		target = a.Path.String()
	}
	for i := range list {
		x := &list[i]
		out := true
		for j, text := range [4]string{a.Service, a.Route, target, a.Method} {
			out = out && (x.globs[j] == "" || matches(x.globs[j], text))
		}
		if out && x.field.path != nil {
			text := r.find(o, &x.field)
			out = text != nil && matches(x.value, string(text))
		}
		if out {
			return true
		}
	}
	return false
}

// routes are templates by their number of segments, the most literal first.
type routes map[int][]route

type route struct {
	template string
	segments []string
}

// placeholder stands for any segment.
const placeholder = "{}"

// compileRoutes sorts the templates so that the first one that matches a path is the most literal:
// of two, the one whose segment is literal where they first differ.
func compileRoutes(templates []string) (routes, error) {
	all := routes{}
	for i, t := range templates {
		if !strings.HasPrefix(t, "/") || strings.ContainsAny(t, "?# ") {
			return nil, fmt.Errorf("ingest.routes[%d]: %q is not a path: begin it with / and leave out the query", i, t)
		}
		rt := route{template: t, segments: strings.Split(t[1:], "/")}
		for j, s := range rt.segments {
			switch named := strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") && len(s) > 2; {
			case named && !strings.ContainsAny(s[1:len(s)-1], "{}"):
				rt.segments[j] = placeholder
			case strings.ContainsAny(s, "{}"):
				return nil, fmt.Errorf("ingest.routes[%d]: %q in %q: a placeholder must be a whole segment, such as {id}", i, s, t)
			case s == "" && len(rt.segments) > 1:
				return nil, fmt.Errorf("ingest.routes[%d]: %q has an empty segment: remove the slash", i, t)
			}
		}
		n := len(rt.segments)
		if slices.ContainsFunc(all[n], func(o route) bool { return slices.Equal(o.segments, rt.segments) }) {
			return nil, fmt.Errorf("ingest.routes[%d]: %q matches the same paths as an earlier one: remove it", i, t)
		}
		all[n] = append(all[n], rt)
	}
	for _, list := range all {
		slices.SortStableFunc(list, func(a, b route) int {
			for i := range a.segments {
				if x, y := a.segments[i] == placeholder, b.segments[i] == placeholder; x != y {
					if x {
						return 1
					}
					return -1
				}
			}
			return 0
		})
	}
	return all, nil
}

// of returns the template that matches a path, "" if none does. A slash at the end of the path does
// not count.
func (rs routes) of(p RawText) string {
	if len(p) == 0 || p[0] != '/' {
		return ""
	}
	slash := []byte("/")
	p = bytes.TrimSuffix(p[1:], slash)
	list := rs[bytes.Count(p, slash)+1]
next:
	for i := range list {
		rt := &list[i]
		rest := p
		for _, want := range rt.segments {
			segment, after, _ := bytes.Cut(rest, slash)
			if string(segment) != want && (want != placeholder || len(segment) == 0) {
				continue next
			}
			rest = after
		}
		return rt.template
	}
	return ""
}

// fingerprint identifies how a Config reads records. Without settings of its own, it is the name of
// the format.
func (c Config) fingerprint() string {
	c.Format = cmp.Or(c.Format, auto)
	if len(c.Topics)+len(c.Formats)+len(c.Exclude)+len(c.IgnoreBodies)+len(c.Routes) == 0 {
		return c.Format
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // cannot happen: strings and lists of strings
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Fingerprint identifies the Reader's configuration: two Readers with the same fingerprint read the
// same from the same record.
func (r *Reader) Fingerprint() string { return r.fingerprint }
