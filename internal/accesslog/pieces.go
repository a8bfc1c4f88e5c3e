package accesslog

import (
	"bytes"
	"net/http"
	"regexp"
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

// spaces are the separators of most lines.
const spaces = " \t|"

// piecesOf cuts a line at its separators, except for those between quotes or brackets.
func piecesOf(line []byte, separators string) (all []piece) {
	for len(all) < maxPieces {
		line = bytes.TrimLeft(line, separators+" ")
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
		if end > 1 && (end == len(line) || strings.IndexByte(" \t|,;", line[end]) >= 0 || open == '[') {
			all, line = append(all, piece{line[1 : end-1], open}), line[end:]
			continue
		}
		end = bytes.IndexAny(line, separators)
		if end < 0 {
			end = len(line)
		}
		all, line = append(all, piece{line[:end], 0}), line[end:]
	}
	return all
}

// byShape reads a line by the shape of its pieces. It needs a request, a status and a time; a line
// that says that it is a warning or an error is none of an access log.
func (r *Reader) byShape(line []byte, at place) string {
	row := r.genericRow()
	if row == nil || bytes.IndexByte(line, '/') < 0 {
		return ""
	}
	for _, separators := range [...]string{spaces, ",", ";"} {
		if name := r.shaped(piecesOf(line, separators), separators == spaces, row, at); name != "" {
			return name
		}
	}
	return ""
}

// shaped reads the pieces of a line. Lines of loggers for terminals have no time, or no date: with
// mayLack, they are known by a request line or a latency with its unit.
func (r *Reader) shaped(pieces []piece, mayLack bool, row *format, at place) string {
	q, ok := requestIn(pieces)
	if !ok || complains(pieces[:q.first]) {
		return ""
	}
	status := statusBeside(pieces, q)
	if status == nil {
		return ""
	}
	time, user := timeIn(pieces), userIn(pieces[:q.first])
	ms, unit, hasLatency := elapsed(pieces, q)
	if time == nil && !(mayLack && q.first <= maxBefore && (unit || q.whole && !bracketed(pieces[:q.first]))) {
		return ""
	}
	w := r.newObject()
	if time != nil {
		w.member("time", time)
	}
	w.member("method", q.method)
	w.member("path", q.target)
	w.member("status", status)
	if user != nil {
		w.member("tenant", user)
	}
	if hasLatency {
		w.member("latency_ms", strconv.AppendFloat(nil, ms, 'f', -1, 64))
	}
	w.loggedBody(pieces[q.last+1:])
	o := r.parsed(w, at)
	a, ok := r.access(row, o)
	if !ok || a.Time.IsZero() && time != nil || a.Status == 0 {
		return ""
	}
	r.add(row, a, o, at)
	return row.name
}

// maxBefore is how many pieces may stand before the request of a line without a time.
const maxBefore = 4

// bracketed reports whether something stands between brackets.
func bracketed(pieces []piece) bool {
	for _, p := range pieces {
		if p.open == '[' {
			return true
		}
	}
	return false
}

// request is a request among the pieces of a line.
type request struct {
	method, target []byte
	first, last    int  // the pieces that it takes
	whole          bool // it ends in the protocol
}

// requestIn finds the request among the pieces: one with quotes around it, or a method and a target
// that are pieces of their own.
func requestIn(pieces []piece) (q request, ok bool) {
	for i, p := range pieces {
		if m, rest, cut := bytes.Cut(p.text, []byte(" ")); cut && p.open != '(' && isHTTPMethod(m) {
			if t, protocol, _ := bytes.Cut(rest, []byte(" ")); isTarget(t) || string(m) == "CONNECT" {
				return request{m, t, i, i, isProtocol(protocol)}, true
			}
		}
		if !isHTTPMethod(p.text) {
			continue
		}
		for j := i + 1; j < min(i+4, len(pieces)); j++ { // a scheme and a host may stand between
			if !isTarget(pieces[j].text) {
				continue
			}
			q = request{p.text, pieces[j].text, i, j, false}
			if j+1 < len(pieces) && isProtocol(pieces[j+1].text) {
				q.last, q.whole = j+1, true
			}
			return q, true
		}
	}
	return request{}, false
}

// isProtocol reports whether a text is HTTP/1.1, or the version alone.
func isProtocol(text []byte) bool {
	return bytes.HasPrefix(text, []byte("HTTP/")) || len(text) == 3 && (string(text) == "1.0" || string(text) == "1.1" || string(text) == "2.0")
}

// timeIn finds the time among the pieces. A date, a time of day and a zone may be pieces of their
// own.
func timeIn(pieces []piece) []byte {
	for i, p := range pieces {
		if p.open != 0 {
			if time := timeAtHead(p.text); time != nil {
				return time
			}
			continue
		}
		if i > 0 && len(bytes.TrimLeft(p.text, "0123456789.")) == 0 { // only the first number is a time
			continue
		}
		for n := min(maxTimePieces, len(pieces)-i); n > 0; n-- {
			if joined := join(pieces[i : i+n]); joined != nil && plausibleTime(joined) {
				return joined
			}
		}
	}
	return nil
}

// userIn finds the user whom the common log format has between the client and the time.
func userIn(pieces []piece) []byte {
	for i := 3; i < len(pieces); i++ {
		client, dash, user := pieces[i-3], pieces[i-2], pieces[i-1]
		if pieces[i].open == '[' && user.open == 0 && !isAddress(user.text) && isAddress(client.text) && string(dash.text) == "-" && plausibleTime(pieces[i].text) {
			return user.text
		}
	}
	return nil
}

// timeAtHead returns the time that a text is, or that its first word or two are.
func timeAtHead(text []byte) []byte {
	first, rest, _ := bytes.Cut(text, []byte(" "))
	second, _, _ := bytes.Cut(rest, []byte(" "))
	for _, head := range [...][]byte{text, text[:min(len(first)+1+len(second), len(text))], first} {
		if plausibleTime(head) {
			return head
		}
	}
	return nil
}

// maxTimePieces is how many words a time may have: Wed, 04 Mar 2026 05:06:07 GMT.
const maxTimePieces = 6

// join joins words by spaces. It returns nil if one is in quotes or brackets.
func join(pieces []piece) []byte {
	if len(pieces) == 1 {
		return pieces[0].text
	}
	var joined []byte
	for i, p := range pieces {
		if p.open != 0 {
			return nil
		}
		if i > 0 {
			joined = append(joined, ' ')
		}
		joined = append(joined, p.text...)
	}
	return joined
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
// it, where load balancers and caches write it, or before its name: 503 Service Unavailable. Of a
// request with its protocol it may stand anywhere, if nothing else looks like one.
func statusBeside(pieces []piece, q request) []byte {
	near := 3
	if pieces[q.first].open == 0 && !q.whole {
		near = 1 // what stands behind a mere path may be a port
	}
	for i := q.last + 1; i < len(pieces) && near > 0; i++ {
		if status := statusAt(pieces, i); status != nil && (pieces[i].open != '[' || pieces[q.last].open == '[') {
			return status
		}
		if pieces[i].open == 0 && isPassed(pieces, i, q) {
			continue
		}
		if pieces[i].open != 0 || len(pieces[i].text) > 3 && i > q.last+1 {
			break
		}
		near--
	}
	for i := range q.first - 1 {
		if code, err := strconv.Atoi(string(pieces[i].text)); err == nil && pieces[i].open == 0 {
			if name, _, _ := strings.Cut(http.StatusText(code), " "); name != "" && string(bytes.TrimRight(pieces[i+1].text, ":,")) == name {
				return pieces[i].text
			}
		}
	}
	var found []byte
	for i := q.first - 1; i >= 0 && (isFigure(pieces[i]) || found == nil && isAddress(pieces[i].text)); i-- {
		if status := statusAt(pieces, i); status != nil {
			found = status
		}
	}
	if found != nil || !q.whole {
		return found
	}
	n := 0
	for i := range pieces {
		status := statusAt(pieces, i)
		if code, _ := strconv.Atoi(string(status)); pieces[i].open != '"' && (http.StatusText(code) != "" || code == 499) { // and nginx's own
			found = status
			n++
		}
	}
	if n > 1 {
		return nil
	}
	return found
}

// statusAt returns the status that a piece is, unless a unit follows it.
func statusAt(pieces []piece, i int) []byte {
	if i+1 < len(pieces) && isUnit(pieces[i+1]) {
		return nil
	}
	return statusText(pieces[i].text)
}

// isUnit reports whether a piece is the unit of the number before it.
func isUnit(p piece) bool {
	return p.open == 0 && (string(p.text) == "ms" || string(p.text) == "s" || string(p.text) == "bytes")
}

// isPassed reports whether a piece between a request and its status says nothing of it: words such
// as "from" and "responded", an arrow, an address, and a dash behind an address, a URL or a request
// without quotes.
func isPassed(pieces []piece, i int, q request) bool {
	text := pieces[i].text
	if string(text) == "-" {
		return isAddress(pieces[i-1].text) || i == q.last+1 && pieces[q.first].open == 0 && (q.whole || !bytes.HasPrefix(q.target, []byte("/")))
	}
	return isAddress(text) || string(text) == "->" || len(bytes.TrimFunc(text, func(c rune) bool { return c < 0x80 && isLetter(byte(c)) })) == 0
}

// isHost reports whether a text may be the name of a host.
func isHost(text []byte) bool {
	return bytes.IndexByte(text, '.') > 0 && !isAddress(text) && len(bytes.TrimLeft(text, "0123456789.,")) > 0
}

// isDecimal reports whether a text is a number with a fraction.
func isDecimal(text []byte) bool {
	return bytes.Count(text, []byte(".")) == 1 && len(bytes.TrimLeft(text, "0123456789.")) == 0
}

// loggedBody writes the body among quoted pieces behind a request. Of several, the last is that of
// the response. A single one may be that of the request, except that a request names no error.
func (w objectWriter) loggedBody(pieces []piece) {
	var body []byte
	n := 0
	for _, p := range pieces {
		if p.open == '"' && quotedJSON.Match(p.text) {
			body = p.text
			n++
		}
	}
	if n == 0 {
		return
	}
	key := "body"
	if n > 1 || quotedError.Match(body) {
		key = "response_body"
	}
	w.key([]byte(key))
	w.r.buf = append(append(append(w.r.buf, '"'), body...), '"')
}

var (
	quotedJSON  = regexp.MustCompile(`^\[?\{\s*\\(?:x22|")`)
	quotedError = regexp.MustCompile(`(?i)\\(?:x22|")[a-z_]*err[a-z_]*\\(?:x22|")\s*:`)
)

// isFigure reports whether a piece is a number, perhaps with a unit of time, a dash, or what Squid
// writes: TCP_MISS/200.
func isFigure(p piece) bool {
	text := p.text
	if i := bytes.LastIndexByte(text, '/'); i > 0 {
		text = text[i+1:]
	}
	return p.open == 0 && !isAddress(text) && len(bytes.TrimRight(bytes.TrimLeft(text, "0123456789.-"), "nµms")) == 0
}

// statusText returns the status in a piece: 200, or TCP_MISS/200.
func statusText(text []byte) []byte {
	if i := bytes.LastIndexByte(text, '/'); i > 0 && len(bytes.Trim(text[:i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")) == 0 {
		text = text[i+1:]
	}
	const https = "443" // a port
	if len(text) == 3 && '1' <= text[0] && text[0] <= '5' && len(bytes.TrimLeft(text, "0123456789")) == 0 && string(text) != https {
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
