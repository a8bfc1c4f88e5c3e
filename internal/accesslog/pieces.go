package accesslog

import (
	"bytes"
	"strconv"
	"strings"
)

// A text line that fits no template is read by the shape of its pieces: the time is the piece that
// is a time, the request is a method with a target behind it, the status is the number of three
// digits that stands next to the request. That reads the access logs of load balancers, proxies and
// servers whose columns nobody has written down here.

// piece is a word of a line, or what stands between quotes or brackets.
type piece struct {
	text []byte // without the quotes or brackets
	open byte   // the quote or bracket, 0 if there is none
}

// maxPieces is how many pieces of a line are looked at.
const maxPieces = 64

// piecesOf cuts a line at its spaces, tabs and bars, except for those between quotes or brackets.
func piecesOf(line []byte) (all []piece) {
	for len(all) < maxPieces {
		line = bytes.TrimLeft(line, " \t|")
		if len(line) == 0 {
			break
		}
		end, open := -1, line[0]
		switch open {
		case '"':
			end = quotedEnd(line)
		case '[', '{', '(':
			end = bytes.IndexByte(line, open+2) + 1 // the closing bracket
			if open == '(' {
				end = bytes.IndexByte(line, ')') + 1
			}
		}
		if end > 1 && (end == len(line) || strings.IndexByte(" \t|,", line[end]) >= 0 || open == '[') {
			all, line = append(all, piece{line[1 : end-1], open}), line[end:]
			continue
		}
		end = bytes.IndexAny(line, " \t|")
		if end < 0 {
			end = len(line)
		}
		all, line = append(all, piece{line[:end], 0}), line[end:]
	}
	return all
}

// byShape reads a line by the shape of its pieces. It needs a time, a request and a status; a line
// that says that it is a warning or an error is none of an access log.
func (r *Reader) byShape(line []byte, at place) string {
	row := r.genericRow()
	if row == nil || bytes.IndexByte(line, '/') < 0 {
		return ""
	}
	pieces := piecesOf(line)
	method, target, first, last := requestIn(pieces)
	if target == nil {
		return ""
	}
	time, user := timeIn(pieces)
	status := statusBeside(pieces, first, last)
	if time == nil || status == nil || complains(pieces[:first]) {
		return ""
	}
	elapsed := squidElapsed(pieces, first)
	w := r.newObject()
	w.member("time", time)
	w.member("method", method)
	w.member("path", target)
	w.member("status", status)
	if user != nil {
		w.member("tenant", user)
	}
	if elapsed != nil {
		w.member("latency_ms", elapsed)
	} else if ms, ok := latencyIn(pieces[last+1:]); ok {
		w.member("latency_ms", strconv.AppendFloat(nil, ms, 'f', -1, 64))
	}
	o := r.parsed(w, at)
	a, ok := r.access(row, o)
	if !ok || a.Time.IsZero() || a.Status == 0 {
		return ""
	}
	r.add(row, a, o, at)
	return row.name
}

// requestIn finds the request among the pieces, and which pieces it takes: one with quotes around
// it, or a method and a target that are pieces of their own.
func requestIn(pieces []piece) (method, target []byte, first, last int) {
	for i, p := range pieces {
		if p.open == '"' {
			if m, rest, ok := bytes.Cut(p.text, []byte(" ")); ok && isHTTPMethod(m) {
				if t, _, _ := bytes.Cut(rest, []byte(" ")); isTarget(t) || string(m) == "CONNECT" {
					return m, t, i, i
				}
			}
		}
		if !isHTTPMethod(p.text) {
			continue
		}
		for j := i + 1; j < min(i+4, len(pieces)); j++ { // a scheme and a host may stand between
			if isTarget(pieces[j].text) {
				last = j
				if j+1 < len(pieces) && bytes.HasPrefix(pieces[j+1].text, []byte("HTTP/")) {
					last++
				}
				return p.text, pieces[j].text, i, last
			}
		}
	}
	return nil, nil, 0, 0
}

// timeIn finds the time among the pieces, and the user whom the common log format has before it.
func timeIn(pieces []piece) (time, user []byte) {
	for i, p := range pieces {
		text := p.text
		if i+1 < len(pieces) && p.open == 0 && pieces[i+1].open == 0 && bytes.IndexByte(pieces[i+1].text, ':') == 2 {
			if both := bytes.Join([][]byte{text, pieces[i+1].text}, []byte(" ")); plausibleTime(both) {
				return both, nil
			}
		}
		number := p.open == 0 && len(bytes.TrimLeft(text, "0123456789.")) == 0
		if number && i > 0 || !plausibleTime(text) {
			continue
		}
		if p.open == '[' && i >= 3 && pieces[i-1].open == 0 && !isAddress(pieces[i-1].text) && isAddress(pieces[i-3].text) && string(pieces[i-2].text) == "-" {
			user = pieces[i-1].text
		}
		return text, user
	}
	return nil, nil
}

func plausibleTime(text []byte) bool {
	t, ok := parseTime(text)
	return ok && Plausible(t)
}

// isAddress reports whether a text may be an IP address, perhaps with a port.
func isAddress(text []byte) bool {
	dots, colons := bytes.Count(text, []byte(".")), bytes.Count(text, []byte(":"))
	return (dots == 3 || colons > 1) && len(bytes.TrimLeft(text, "0123456789abcdefABCDEF.:[]%")) == 0
}

// statusBeside finds the status among the numbers behind the request, or else among those before
// it, where load balancers and caches write it.
func statusBeside(pieces []piece, first, last int) []byte {
	near := 3
	if text := pieces[last].text; pieces[last].open == 0 && !bytes.HasPrefix(text, []byte("HTTP/")) {
		near = 1 // what stands behind a mere path may be a port
	}
	for i := last + 1; i < min(last+1+near, len(pieces)); i++ {
		if status := statusText(pieces[i].text); status != nil && pieces[i].open != '[' {
			return status
		}
		if pieces[i].open != 0 || len(pieces[i].text) > 3 && i > last+1 {
			break
		}
	}
	var found []byte
	for i := first - 1; i >= 0 && isFigure(pieces[i]); i-- {
		if status := statusText(pieces[i].text); status != nil {
			found = status
		}
	}
	return found
}

// squidElapsed returns the milliseconds that Squid writes second, between the time and the client.
func squidElapsed(pieces []piece, first int) []byte {
	if first < 4 || bytes.IndexByte(pieces[3].text, '/') < 0 || statusText(pieces[3].text) == nil || len(bytes.TrimLeft(pieces[1].text, "0123456789")) > 0 {
		return nil
	}
	return pieces[1].text
}

// latencyIn returns the latency in milliseconds among pieces such as rt=0.012 and
// response_time:0.012.
func latencyIn(pieces []piece) (ms float64, ok bool) {
	for _, p := range pieces {
		if i := bytes.IndexAny(p.text, "=:"); p.open == 0 && i > 0 && isKey(p.text[:i]) {
			if ms, ok = namedLatency(wordsOf(string(p.text[:i])), string(p.text[i+1:])); ok {
				return ms, true
			}
		}
	}
	return 0, false
}

// isFigure reports whether a piece is a number, a dash, or what Squid writes: TCP_MISS/200.
func isFigure(p piece) bool {
	text := p.text
	if i := bytes.LastIndexByte(text, '/'); i > 0 {
		text = text[i+1:]
	}
	return p.open == 0 && !isAddress(text) && len(bytes.TrimLeft(text, "0123456789.-")) == 0
}

// statusText returns the status in a piece: 200, or TCP_MISS/200.
func statusText(text []byte) []byte {
	if i := bytes.LastIndexByte(text, '/'); i > 0 && len(bytes.Trim(text[:i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")) == 0 {
		text = text[i+1:]
	}
	if len(text) == 3 && '1' <= text[0] && text[0] <= '5' && len(bytes.TrimLeft(text, "0123456789")) == 0 {
		return text
	}
	return nil
}

// complains reports whether a piece is the level of a warning or an error.
func complains(pieces []piece) bool {
	for _, p := range pieces {
		switch strings.ToLower(string(bytes.Trim(p.text, ":;,-"))) {
		case "warn", "warning", "error", "err", "fatal", "crit", "critical", "emerg", "alert", "panic", "severe", "debug":
			return true
		}
	}
	return false
}
