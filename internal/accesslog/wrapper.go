package accesslog

import (
	"slices"

	"errata/internal/bodycoding"
	"errata/internal/jsontree"
)

// Log shippers (Filebeat, Fluent Bit, Vector, …) wrap what they ship. An object is taken for a
// wrapper only if it is in no format with keys of its own, and only if there is a record inside. So
// a service that logs a message beside its status is not mistaken for a shipper, nor are a
// shipper's own lines mistaken for requests.

const (
	// maxWrapped is how many wrappers a record may be inside of.
	maxWrapped = 3
	// maxEncoded is how often a text may be encoded once more.
	maxEncoded = 4
)

// wrappers says where shippers put a record, and what they say about it.
type wrappers struct {
	fill         format
	texts        field // a record as text
	objects      field // a record as JSON
	base64       field // a record in base64
	records      field // lists of records: Azure Monitor's, in an event hub; Datadog's
	streams      field // those of Loki: each holds lines, and their times
	logEvents    field // those of Amazon CloudWatch: each holds a message and its time
	resourceLogs field // of OTLP
	otlpBody     field // that of an OTLP log record
}

var shippers = wrappers{
	fill: format{fields: fields{
		time:   from("time", "@timestamp", "timestamp", "date", "_time", "ts", "content.timestamp", "attributes.timestamp", "ts_ms"),
		tenant: slices.Concat(from("fields.tenant", "labels.tenant"), tenantKeys),
	}},
	texts:        from("message", "log", "event", "msg", "line", "short_message", "full_message", "_raw", "payload", "textPayload", "contents.content", "content", "entry", "event.original", "content.message", "attributes.message", "data"),
	objects:      from("json", "log_processed", "event", "log", "message", "payload", "jsonPayload", "tyk-analytics-record", "data", "after", "content.attributes", "attributes.attributes"),
	base64:       from("data_base64"),
	records:      from("records", "logs", "data"),
	streams:      from("streams"),
	logEvents:    from("logEvents"),
	resourceLogs: from("resourceLogs"),
	otlpBody:     from("body"),
}

// holders are the fields under which records stand. An object that has none of their keys wraps
// nothing.
func (w *wrappers) holders() []*field {
	return []*field{&w.texts, &w.objects, &w.base64, &w.records, &w.streams, &w.logEvents, &w.resourceLogs}
}

// inside reads the record that an object wraps and returns its format, "" if there is none.
func (r *Reader) inside(o *object, at place) string {
	w := &r.wrappers
	inner := place{at.depth + 1, at.wrapped + 1, at.raw}
	if logs := o.value(&w.resourceLogs[0]); logs.Kind() == jsontree.Array && at.wrapped <= maxWrapped {
		return r.otlp(logs, inner) // a format and not a wrapper, except for what may be in its bodies
	}
	if at.wrapped >= maxWrapped {
		return ""
	}
	o.fill = &w.fill
	if events := o.value(&w.logEvents[0]); events.Kind() == jsontree.Array {
		return r.cloudWatch(events, inner)
	}
	if streams := o.value(&w.streams[0]); streams.Kind() == jsontree.Array {
		return r.loki(streams, inner)
	}
	for i := range w.records {
		if records := o.value(&w.records[i]); records.Kind() == jsontree.Array {
			return r.listed(records, inner)
		}
	}
	before := len(r.elements)
	name := r.record(o, inner)
	for _, f := range r.formats {
		if f.loose && f.name == name && o.is(r, f) {
			// Two generic objects, one inside the other: the outer one is the record.
			r.elements, name = r.elements[:before], ""
		}
	}
	return name
}

// record reads the record under one of the keys that shippers use.
func (r *Reader) record(o *object, inner place) string {
	for i := range r.wrappers.objects {
		if v := o.value(&r.wrappers.objects[i]); v.Kind() == jsontree.Object {
			if name := r.object(v, inner); name != "" {
				return name
			}
		}
	}
	for i := range r.wrappers.texts {
		if v := o.value(&r.wrappers.texts[i]); v.Kind() == jsontree.String {
			if name := r.wrapped(r.unescaped(v), inner); name != "" {
				return name
			}
		}
	}
	for i := range r.wrappers.base64 {
		if v := o.value(&r.wrappers.base64[i]); v.Kind() == jsontree.String {
			if text, _, ok := bodycoding.Base64(r.unescaped(v)); ok {
				if name := r.wrapped(text, inner); name != "" {
					return name
				}
			}
		}
	}
	return ""
}

// wrapped reads a record that a wrapper holds as text, perhaps encoded once more.
func (r *Reader) wrapped(text []byte, at place) string {
	if text = trimSpace(text); len(text) == 0 {
		return ""
	}
	before := len(r.elements)
	name, why := r.text(text, at)
	for layers := 0; name == "" && why == ReasonMalformed && layers < maxEncoded; layers++ {
		r.elements = r.elements[:before]
		if text = r.decoded(text); len(text) == 0 {
			break
		}
		name, why = r.text(text, at)
	}
	if name == "" {
		r.elements = r.elements[:before]
	}
	if why == ReasonTruncated {
		r.why = why
	}
	return name
}

// anywhere reads the record that an object in no format holds under a key of any name: as an
// object, a text or a list. It has to be a request with a path and a status.
func (r *Reader) anywhere(v jsontree.Value, at place) (name string) {
	if at.wrapped >= maxWrapped {
		return ""
	}
	inner := place{at.depth + 1, at.wrapped + 1, at.raw}
	before := len(r.elements)
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		words := wordsOf(m.Key())
		openTelemetry := len(words) == 1 && words[0] == "body" && slices.ContainsFunc(otelKeys, func(key string) bool { return v.Get(key).Kind() != jsontree.Missing })
		if !openTelemetry && slices.ContainsFunc(words, func(w string) bool { return slices.Contains(noRecord, w) }) {
			continue
		}
		switch m.Kind() {
		case jsontree.Object:
			name = r.object(m, inner)
		case jsontree.Array:
			name = r.listed(m, inner)
		case jsontree.String:
			if len(m.Raw()) >= leastRecord {
				name = r.wrapped(r.unescaped(m), inner)
			}
		}
		if name != "" && slices.ContainsFunc(r.elements[before:], func(e Element) bool { return e.Excluded || e.Access.Status != 0 && len(e.Access.Path) > 0 }) {
			return name
		}
		r.elements = r.elements[:before]
	}
	return ""
}

// leastRecord is the length of the shortest text that anywhere takes for a record.
const leastRecord = 24

// noRecord are words of keys under which no record of the gateway is.
var noRecord = []string{"body", "request", "response", "headers", "agent", "referer", "referrer", "query", "params", "cookie", "cookies", "authorization", "token", "error", "exception", "stack", "before", "steps"}

// otelKeys stand beside the body of a log record of OpenTelemetry that some exporters write flat,
// and of SkyWalking.
var otelKeys = []string{"SeverityText", "SeverityNumber", "severityText", "severityNumber", "ResourceAttributes", "LogAttributes", "attributes", "resource", "traceContext"}

// listed reads the records of a list, one element each. It appends nothing if none of them is one.
func (r *Reader) listed(records jsontree.Value, at place) (name string) {
	before := len(r.elements)
	for item := records.First(); item.Kind() != jsontree.Missing && len(r.elements) <= maxElements; item = item.Next() {
		if at.depth == 1 {
			at.raw = item.Raw()
		}
		format := ""
		switch item.Kind() {
		case jsontree.Object:
			format = r.object(item, at)
		case jsontree.String:
			format = r.wrapped(r.unescaped(item), at)
		}
		if format == "" {
			r.deadLetter(r.unknown(), at)
		}
		if name == "" {
			name = format
		}
	}
	if name == "" {
		r.elements = r.elements[:before]
	}
	return name
}

// cloudWatch reads the events of an Amazon CloudWatch Logs subscription, one element each.
func (r *Reader) cloudWatch(events jsontree.Value, at place) (name string) {
	o := r.level(at.depth)
	for event := events.First(); event.Kind() != jsontree.Missing && len(r.elements) <= maxElements; event = event.Next() {
		if at.depth == 1 {
			at.raw = event.Raw()
		}
		o.index(event, r.keys)
		o.fill = &r.wrappers.fill
		format := r.record(o, place{at.depth + 1, at.wrapped, at.raw})
		if format == "" {
			r.deadLetter(r.unknown(), at)
		}
		if name == "" {
			name = format
		}
	}
	if name == "" && len(r.elements) > 0 {
		return Unknown
	}
	return name
}

// loki reads the lines of a push to Grafana Loki, one element each:
// {"streams":[{"stream":{"app":"gw"},"values":[["1772600768500000000","line"]]}]}. The labels of a
// stream and the time of a line complete the record.
func (r *Reader) loki(streams jsontree.Value, at place) (name string) {
	before := len(r.elements)
	for s := streams.First(); s.Kind() != jsontree.Missing; s = s.Next() {
		for entry := s.Get("values").First(); entry.Kind() != jsontree.Missing && len(r.elements) <= maxElements; entry = entry.Next() {
			if at.depth == 1 {
				at.raw = entry.Raw()
			}
			format := r.lokiLine(s.Get("stream"), entry, at)
			if format == "" {
				r.deadLetter(r.unknown(), at)
			}
			if name == "" {
				name = format
			}
		}
	}
	if name == "" && len(r.elements) > before {
		return Unknown
	}
	return name
}

func (r *Reader) lokiLine(labels, entry jsontree.Value, at place) string {
	o := r.level(at.depth)
	o.index(labels, r.keys)
	o.fill = &r.wrappers.fill
	at.depth++
	time := entry.First()
	w := r.newObject()
	w.member("time", time.Raw())
	r.parsed(w, at).fill = &r.wrappers.fill
	line := time.Next()
	if line.Kind() != jsontree.String {
		return ""
	}
	at.depth++
	return r.wrapped(r.unescaped(line), at)
}
