package accesslog

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"errata/internal/jsontree"
)

// A JSON record in no format, or in one whose time or path is under a key that the format does not
// know, is read by what its keys mean. A key is taken apart into words together with the keys
// around it, so that httpRequest.requestMethod, cs-method and ClientRequestMethod are all methods.
// The result is an object with the keys of the generic format.

// meaning is a key of the generic format and the names under which others write it, without what
// separates their words, the surest first. A name also matches as the last words of a longer one,
// unless one of the words says that it belongs to something else.
type meaning struct {
	key   string
	names []string
	not   []string
	read  func(r *Reader, v jsontree.Value) bool // reports whether the value can be one
}

var meanings = []meaning{
	{"status", []string{
		"responsestatuscode", "httpresponsestatuscode", "httpstatuscode", "edgeresponsestatus", "clientresponsestatus", "responsestatus", "httpstatus", "scstatus", "respstatus", "statuscode",
		"responsecode", "httpcode", "respcode", "status", "code", "response", "proxyresponsecode",
	}, elsewhere, (*Reader).isStatus},
	{"method", []string{
		"requestmethod", "httpmethod", "csmethod", "requestverb", "httpverb", "reqmethod", "method", "verb", "apimethod",
	}, elsewhere, (*Reader).isMethodText},
	{"request", []string{"requestline", "request", "req", "httprequest"}, elsewhere, (*Reader).isRequestLine},
	{"path", []string{
		"uripath", "requesturi", "requestpath", "requesturl", "requesttarget", "httptarget", "csuristem", "urlpath", "urloriginal", "originalurl", "requri", "reqpath", "requrl", "httpurl", "httppath", "urlfull",
		"uri", "path", "url", "endpoint", "apiresourcetemplate", "operationname",
	}, append([]string{"referer", "referrer", "file", "log", "query", "callback", "redirect"}, elsewhere...), (*Reader).isTarget},
	{"time", []string{
		"starttime", "startedat", "timeiso8601", "edgestarttimestamp", "requeststarttime", "requesttimeepoch", "starttimestamp", "timestamp", "timelocal", "requesttimestamp", "reqtimesec", "requesttime", "eventtime", "accesstime", "logtime",
		"msec", "datetime", "time", "ts", "createdat", "date", "timedate", "timegenerated", "timestampms", "timestampmillis", "timems", "epochms", "t",
	}, []string{"upstream", "receive", "ingest", "ingestion", "expires", "expiry", "created", "modified", "birth"}, (*Reader).isTime},
	{"request_id", []string{
		"xrequestid", "requestid", "reqid", "correlationid", "transactionid", "trackingreference", "rayid", "traceid",
	}, nil, (*Reader).isText},
	{"tenant", []string{"xtenantid", "xtenant", "tenantid", "tenantname", "tenant"}, nil, (*Reader).isText},
	{"consumer", []string{"consumerusername", "consumercustomid", "consumername", "consumerid", "principalid", "remoteuser"}, nil, (*Reader).isText},
	{"service", []string{"servicename", "service", "apiproxy", "apiname", "serviceid", "apiid"}, []string{"gateway"}, (*Reader).isName},
	{"route", []string{"routename", "routeid", "route", "routekey", "operationid"}, nil, (*Reader).isText},
	{"response_body", []string{"responsebodycontent", "responsebody", "respbody", "responsedata", "responsepayload", "respayload", "responsecontent"}, []string{"bytes", "size", "length", "backend", "upstream"}, (*Reader).isBody},
	{"content_type", []string{"responseheaderscontenttype", "responsecontenttype", "respheaderscontenttype", "respcontenttype", "senthttpcontenttype"}, nil, (*Reader).isText},
}

// elsewhere are words of names that speak of another request, or of another status, than the
// client's.
var elsewhere = []string{"upstream", "origin", "target", "backend", "integration", "proxy", "endpoint", "grpc", "error", "sub", "substatus", "win32", "cache", "previous", "exit", "body", "health", "parent", "native"}

// opaque are words of keys whose values are not about the request: what is inside is not looked at.
var opaque = []string{"body", "payload", "data", "message", "params", "query", "querystring", "args", "cookies", "claims", "resource", "kubernetes", "metadata", "before", "original"}

// shipped are words of keys whose texts are records of their own.
var shipped = []string{"log", "event", "msg", "line", "content", "entry", "raw", "json"}

type meantBy struct{ meaning, rank int }

var byName = func() map[string]meantBy {
	all := map[string]meantBy{}
	for i, m := range meanings {
		for rank, name := range m.names {
			all[name] = meantBy{i, rank}
		}
	}
	return all
}()

// meant is what the keys of an object mean.
type meant struct {
	values     []meantValue // one for each of the meanings
	latency    float64      // in milliseconds
	hasLatency bool
}

type meantValue struct {
	jsontree.Value // missing: nothing was found
	rank, depth    int
}

func (found *meant) has(key string) bool {
	i := slices.IndexFunc(meanings, func(m meaning) bool { return m.key == key })
	return found.values[i].Kind() != jsontree.Missing
}

// Limits of the search for meanings.
const (
	maxMeantDepth = 6
	maxMeantText  = 1 << 16 // the length of a text that is searched as JSON
)

// byMeaning reads an object that is in no format. It needs a status, a path, and a time of its own
// or of a wrapper: the description of an API has the other two. The pairs of a text line need none
// if they also name a method.
func (r *Reader) byMeaning(v jsontree.Value, at place, isLine bool) string {
	row := r.genericRow()
	if row == nil || at.wrapped >= maxWrapped || v.Get("err_trace").Kind() != jsontree.Missing { // Caddy's error log has the request once more
		return ""
	}
	found := r.meanings(v)
	pathless := found.has("method") && found.has("response_body")
	if !found.has("status") || !found.has("path") && !found.has("request") && !pathless {
		return ""
	}
	o := r.meantObject(found, v, at.depth+1)
	a, ok := r.access(row, o)
	if !ok || a.Status == 0 || len(a.Path) == 0 && !pathless || a.Time.IsZero() && !r.timeAround(at) && !(isLine && a.Method != "") {
		return ""
	}
	r.add(row, a, o, at)
	return row.name
}

// timeAround reports whether an object around has a time for what it holds.
func (r *Reader) timeAround(at place) bool {
	for depth := at.depth - 1; depth >= 0; depth-- {
		if around := r.levels[depth]; around.fill != nil && !r.time(around, around.fill).IsZero() {
			return true
		}
	}
	return false
}

// complete fills in the time, the method, the path and the latency of an access from keys that its
// format does not know; in the generic format all fields, and the status only beside a method. A
// time that is absurd stays missing.
func (r *Reader) complete(f *format, a *Access, o *object, v jsontree.Value, at place) {
	row := r.genericRow()
	if row == nil || a.Time.IsZero() && r.absurdTime(f, o) {
		return
	}
	b, _ := r.access(row, r.meantObject(r.meanings(v), v, at.depth+1))
	if f.loose {
		if a.Method == "" && b.Method == "" || v.Get("status").Kind() != jsontree.Missing {
			b.Status = 0
		}
		*a = a.filled(b)
		return
	}
	if a.Time.IsZero() {
		a.Time = b.Time
	}
	a.Method = cmp.Or(a.Method, b.Method)
	if len(a.Path) == 0 {
		a.Path = b.Path
	}
	if !a.HasLatency {
		a.LatencyMS, a.HasLatency = b.LatencyMS, b.HasLatency
	}
}

// expanded reads an object after the texts among its members that are JSON objects have become
// objects, as Azure's properties and columns of tables are. It returns "" if there are none.
func (r *Reader) expanded(v jsontree.Value, at place) string {
	w, any := r.newObject(), false
	var tree jsontree.Tree
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		raw := m.Raw()
		isText := m.Kind() == jsontree.String && len(raw) > 1 && raw[0] == '{' && len(raw) < maxMeantText && !isOpaque(wordsOf(m.Key()))
		if isText {
			tree.Parse(m.AppendText(nil))
			isText = tree.Ending == jsontree.Whole
		}
		w.key(m.RawKey())
		if isText {
			any = true
			r.buf = m.AppendText(r.buf)
			continue
		}
		w.copy(m)
	}
	if !any {
		return ""
	}
	r.buf = append(r.buf, '}')
	inner := place{at.depth + 1, at.wrapped, at.raw} // no such text is left, so this comes to an end
	return r.object(r.level(inner.depth).tree.Parse(r.buf[w.from:len(r.buf):len(r.buf)]), inner)
}

func isOpaque(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(opaque, w) })
}

// genericRow returns the row of the generic format, nil if records are to be read in one format
// only that is another.
func (r *Reader) genericRow() *format {
	for _, f := range r.formats {
		if f.name == "generic" {
			return f
		}
	}
	return nil
}

// meanings returns what the keys of an object mean.
func (r *Reader) meanings(v jsontree.Value) *meant {
	found := &meant{values: make([]meantValue, len(meanings))}
	r.search(found, v, nil, 0)
	return found
}

func (r *Reader) search(found *meant, v jsontree.Value, around []string, depth int) {
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		words := append(slices.Clip(around), wordsOf(m.Key())...)
		m := unioned(m)
		if len(words) > 24 || len(words) == len(around) { // or a name without a word
			continue
		}
		r.note(found, m, words, depth)
		if content := m.Get("content"); content.Kind() == jsontree.String && words[len(words)-1] == "body" { // ECS
			r.note(found, content, append(words, "content"), depth)
		}
		if depth >= maxMeantDepth || isOpaque(words[len(around):]) {
			continue
		}
		if !found.hasLatency {
			found.latency, found.hasLatency = namedLatency(words, trimSpace(r.unescaped(m)))
		}
		switch m.Kind() {
		case jsontree.Object:
			r.search(found, m, words, depth+1)
		case jsontree.String: // JSON as text
			if raw := m.Raw(); len(raw) > 1 && raw[0] == '{' && len(raw) < maxMeantText && !slices.Contains(shipped, words[len(words)-1]) {
				var tree jsontree.Tree
				if root := tree.Parse(r.unescaped(m)); tree.Ending == jsontree.Whole {
					r.search(found, root, words, depth+1)
				}
			}
		}
	}
}

// unioned returns the value in a union as Avro writes it in JSON, {"string":"GET"}, and any other
// value as it is.
func unioned(v jsontree.Value) jsontree.Value {
	if one := v.First(); v.Kind() == jsontree.Object && one.Kind() != jsontree.Missing && one.Next().Kind() == jsontree.Missing {
		switch one.Key() {
		case "string", "int", "long", "float", "double":
			return one
		}
	}
	return v
}

// note keeps a value if it is the surest of its meaning so far.
func (r *Reader) note(found *meant, v jsontree.Value, words []string, depth int) {
	for i := range words {
		by, ok := byName[strings.Join(words[i:], "")]
		if !ok {
			continue
		}
		m, f := &meanings[by.meaning], &found.values[by.meaning]
		if slices.ContainsFunc(words[:i], func(w string) bool { return slices.Contains(m.not, w) }) {
			return
		}
		if surer := f.Kind() == jsontree.Missing || by.rank < f.rank || by.rank == f.rank && depth < f.depth; surer && m.read(r, v) {
			*f = meantValue{v, by.rank, depth}
		}
		return
	}
}

// wordsOf takes a name apart: httpStatus, http_status, http.status and HTTP-Status are the words
// http and status.
func wordsOf(name string) (words []string) {
	for _, part := range strings.FieldsFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		from := 0
		for i := 1; i < len(part); i++ {
			upper, before := isUpper(part[i]), isUpper(part[i-1])
			if upper && (!before || i+1 < len(part) && !isUpper(part[i+1]) && isLetter(part[i+1])) {
				words = append(words, strings.ToLower(part[from:i]))
				from = i
			}
		}
		words = append(words, strings.ToLower(part[from:]))
	}
	return words
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// meantObject writes what was found as an object of the generic format, at a depth where no object
// around v is.
func (r *Reader) meantObject(found *meant, v jsontree.Value, depth int) *object {
	date, hasDate := r.splitTime(v)
	w := r.newObject()
	for i, f := range found.values {
		key := meanings[i].key
		switch {
		case f.Kind() == jsontree.Missing, key == "consumer" && found.has("tenant"), key == "time" && hasDate:
			continue
		case key == "consumer":
			key = "tenant"
		}
		w.key([]byte(key))
		w.copy(f.Value)
	}
	if hasDate {
		w.member("time", date)
	}
	if found.hasLatency {
		w.key([]byte("latency_ms"))
		r.buf = strconv.AppendFloat(r.buf, found.latency, 'f', -1, 64)
	}
	return r.parsed(w, place{depth: depth})
}

// splitTime joins a date and a time of day that are members of their own, as W3C's extended log
// format has them: 2026-03-04 and 05:06:07.
func (r *Reader) splitTime(v jsontree.Value) (joined []byte, ok bool) {
	date, of := v.Get("date"), v.Get("time")
	if date.Kind() != jsontree.String || of.Kind() != jsontree.String || len(date.Raw()) != len(time.DateOnly) || bytes.IndexByte(of.Raw(), ':') != 2 || bytes.IndexByte(of.Raw(), '-') >= 0 {
		return nil, false
	}
	joined = append(append(append(joined, date.Raw()...), ' '), of.Raw()...)
	_, ok = parseTime(joined)
	return joined, ok
}

// What a value of each meaning looks like.

func (r *Reader) isStatus(v jsontree.Value) bool {
	text := r.unescaped(v)
	if len(text) > 3 && text[3] == ' ' {
		text = text[:3]
	}
	n, err := strconv.Atoi(string(text))
	return err == nil && 100 <= n && n < 600
}

func (r *Reader) isMethodText(v jsontree.Value) bool {
	return v.Kind() == jsontree.String && isHTTPMethod(bytes.ToUpper(v.Raw()))
}

// isHTTPMethod reports whether a text is a method in upper case, as RFC 9110, WebDAV and caches
// have them.
func isHTTPMethod(text []byte) bool {
	switch string(text) {
	case "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH":
		return true
	}
	return false
}

func (r *Reader) isRequestLine(v jsontree.Value) bool {
	if v.Kind() != jsontree.String {
		return false
	}
	method, target, ok := bytes.Cut(r.unescaped(v), []byte(" "))
	if !ok {
		return len(method) > 0 && method[0] == '/'
	}
	return isHTTPMethod(method) && isTarget(target)
}

func (r *Reader) isTarget(v jsontree.Value) bool {
	return v.Kind() == jsontree.String && isTarget(r.unescaped(v))
}

// isTarget reports whether a text is a path or a URL.
func isTarget(text []byte) bool {
	return len(text) > 0 && (text[0] == '/' || string(text) == "*" || bytes.Contains(text[:min(len(text), 16)], []byte("://")))
}

func (r *Reader) isTime(v jsontree.Value) bool {
	t, ok := timeOf(v)
	if !ok {
		t, ok = parseTime(trimSpace(r.unescaped(v)))
	}
	return ok && Plausible(t)
}

func (r *Reader) isText(v jsontree.Value) bool {
	if v.Kind() != jsontree.String && v.Kind() != jsontree.Number {
		return false
	}
	text := trimSpace(r.unescaped(v))
	return len(text) > 0 && string(text) != "-"
}

// isName reports whether a value is a text and not how long something took: Heroku's service=18ms.
func (r *Reader) isName(v jsontree.Value) bool {
	_, err := time.ParseDuration(string(trimSpace(r.unescaped(v))))
	return err != nil && r.isText(v)
}

func (r *Reader) isBody(v jsontree.Value) bool {
	switch v.Kind() {
	case jsontree.Object:
		return v.Get("content").Kind() == jsontree.Missing && v.Get("bytes").Kind() == jsontree.Missing
	case jsontree.Array, jsontree.String:
		return true
	}
	return false
}
