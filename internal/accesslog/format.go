package accesslog

import "regexp"

// format is one gateway's log format: what its records are known by, and where their fields are. Of
// the sources of a field, the first that leads to a text wins; "-" and null are no text.
type format struct {
	name  string
	hint  string      // how to make the gateway log response bodies, in one sentence
	known []signature // a record has one of these
	lines []string    // the templates of its text lines, see line.go
	loose bool        // its keys are not its own: it is tried after a look into wrappers, and a time alone makes no record

	fields

	// Given by New.
	templates []template
	pattern   *regexp.Regexp // of the user's text lines
	given     bool           // named by the configuration: whatever it can read is a record of it
	users     bool           // the configuration says what it is
}

// fields says where the fields of an Access are.
type fields struct {
	time, tenant, service, route field
	method, path, requestLine    field
	status, latency, requestID   field
	body                         field // text, or JSON itself
	bodySize                     field // of the response in bytes: tells whose a plain "body" is
	bodyBase64                   field
	rawResponse                  field // a whole HTTP response, or its base64
	contentType, contentEncoding field
	gatewayCode, gatewayMessage  field
	grpcStatus, grpcMessage      field
}

func (f *fields) all() []*field {
	return []*field{
		&f.time, &f.tenant, &f.service, &f.route, &f.method, &f.path, &f.requestLine, &f.status, &f.latency, &f.requestID, &f.body, &f.bodySize,
		&f.bodyBase64, &f.rawResponse, &f.contentType, &f.contentEncoding, &f.gatewayCode, &f.gatewayMessage, &f.grpcStatus, &f.grpcMessage,
	}
}

// field lists where one field may be, in the order in which it is looked for.
type field []source

// source is one place of a field, and what to make of the text there.
type source struct {
	path []string // keys, from the top of the record; nil: constant is the text

	// Given by New. What every record needs stands together.
	key     int  // the number of path[0]
	slot    int  // the number of path; equal to key if path is a single key
	fold    bool // the last key is the name of a header
	derived bool // the value is not the text itself: there is a claim, a pattern or names

	either   bool           // the body of the request or of the response, see ofRequest
	unit     float64        // of a number that is a time or latency: its unit in milliseconds; 0: the size of a time tells it, and a latency has it behind the number
	layout   string         // of a time; "": any known one
	constant string         //
	claim    []string       // if the text is a JWT: the keys of a claim in its payload
	pattern  *regexp.Regexp // its first group, else the whole match, is the value; no match: no value
	names    []string       // if the text is a number: the values by that number
}

// signature is one way to know a format: all its clauses and conditions hold.
type signature struct {
	clauses []clause
	where   []condition
}

// clause asks for top-level keys.
type clause struct {
	keys    []string
	atLeast int
	none    bool // none of them may be present
	mask    set  // the keys, given by New
}

// condition asks for a text under a path, and perhaps for a certain text.
type condition struct {
	source
	compare bool
	value   string
}

func known(clauses ...clause) signature { return signature{clauses: clauses} }
func allOf(keys ...string) clause       { return clause{keys: keys, atLeast: len(keys)} }
func oneOf(keys ...string) clause       { return clause{keys: keys, atLeast: 1} }
func twoOf(keys ...string) clause       { return clause{keys: keys, atLeast: 2} }
func noneOf(keys ...string) clause      { return clause{keys: keys, none: true} }

// The units of times and latencies, in milliseconds.
const (
	seconds      = 1e3
	milliseconds = 1
	microseconds = 1e-3
	nanoseconds  = 1e-6

	// byFraction is the unit of latencies whose form tells it, see unitByFraction.
	byFraction = -1
)

// from is a field under one of the dotted paths. A dot in a key is written \.
func from(dotted ...string) (f field) {
	for _, d := range dotted {
		f = append(f, source{path: splitPath(d)})
	}
	return f
}

// in is from for a time or latency in that unit.
func in(unit float64, dotted ...string) field {
	f := from(dotted...)
	for i := range f {
		f[i].unit = unit
	}
	return f
}

// splitPath splits a path at its dots, except for those after a backslash.
func splitPath(dotted string) (path []string) {
	key := ""
	for i := 0; i < len(dotted); i++ {
		switch c := dotted[i]; {
		case c == '\\' && i+1 < len(dotted) && dotted[i+1] == '.':
			key += "."
			i++
		case c == '.':
			path, key = append(path, key), ""
		default:
			key += string(c)
		}
	}
	return append(path, key)
}

// under is a field under each of the keys below each of the paths.
func under(keys []string, paths ...string) (f field) {
	for _, p := range paths {
		for _, key := range keys {
			f = append(f, from(p+key)...)
		}
	}
	return f
}

// firstOf is a field under one of the paths, of which a pattern's first group counts.
func firstOf(pattern string, dotted ...string) field { return withPattern(from(dotted...), pattern) }

func withPattern(f field, pattern string) field {
	compiled := regexp.MustCompile(pattern)
	for i := range f {
		f[i].pattern = compiled
	}
	return f
}
