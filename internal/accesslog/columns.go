package accesslog

import (
	"bytes"
	"strings"
)

// Lines of columns that have names: W3C's extended log format, where the line #Fields: names them,
// and LTSV, where each column says its name.

// The columns that IIS and CloudFront write unless told otherwise. Shippers often send lines
// without the line that names them.
var (
	iisColumns        = strings.Fields("date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken")
	cloudFrontColumns = strings.Fields("date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id " +
		"x-host-header cs-protocol cs-bytes time-taken")
)

// fieldsLine returns the names of the columns that the lines after this one have.
func fieldsLine(line []byte) (names []string, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte("#Fields:"))
	return strings.Fields(string(rest)), ok
}

// columns reads a line of the extended log format whose columns have these names, or which are the
// usual ones.
func (r *Reader) columns(line []byte, names []string, at place) string {
	if r.genericRow() == nil || line[0] == '#' {
		return ""
	}
	cells := bytes.Fields(line)
	if bytes.IndexByte(line, '\t') >= 0 {
		cells = bytes.Split(line, []byte("\t"))
	}
	if names == nil {
		switch {
		case len(cells) >= len(iisColumns) && isHTTPMethod(cells[3]):
			names = iisColumns
		case len(cells) >= len(cloudFrontColumns) && isHTTPMethod(cells[5]):
			names = cloudFrontColumns
		}
		cells = cells[:min(len(cells), len(names))] // of the columns after them, nobody knows the names
	}
	if len(names) < 4 || len(cells) != len(names) {
		return ""
	}
	w := r.newObject()
	for i, name := range names {
		if strings.ContainsAny(name, `"\`) {
			return ""
		}
		w.member(name, cells[i])
	}
	return r.byMeaning(r.root(w, at), at, true)
}

// labeled reads a line of LTSV, time:[…]	status:200	uri:/x, or of labels between bars, where
// the time may have none.
func (r *Reader) labeled(line []byte, separator string, at place) string {
	if !bytes.Contains(line, []byte(separator)) {
		return ""
	}
	w := r.newObject()
	for cell := range bytes.SplitSeq(line, []byte(separator)) {
		cell = trimSpace(cell)
		label, value, ok := bytes.Cut(cell, []byte(":"))
		switch {
		case plausibleTime(cell):
			label, value = []byte("time"), cell
		case !ok || !isKey(label):
			return ""
		}
		w.member(string(label), trimSpace(value))
	}
	return r.named(w, at)
}

// named reads an object made of a line, in the formats that its keys are of or by their meaning.
func (r *Reader) named(w objectWriter, at place) string {
	v := r.root(w, at)
	o := r.level(at.depth)
	o.index(v, r.keys)
	for _, f := range r.formats {
		if !f.given && (f.loose || !o.is(r, f)) {
			continue
		}
		a, ok := r.access(f, o)
		if !ok || a.Status == 0 && !noResponse(r.name(o, f.status)) {
			continue
		}
		if f.lacks(&a) {
			r.complete(f, &a, o, v, at)
		}
		r.add(f, a, o, at)
		return f.name
	}
	return r.byMeaning(v, at, true)
}
