package accesslog

import (
	"bytes"
	"strconv"
	"time"
)

// prefixes split a line after what container runtimes, syslog and loggers begin it with. They
// return the time in it, if there is one that is of use.
var prefixes = []func(line []byte) (time, rest []byte, ok bool){cutCRI, cutSyslog, cutLogger, cutContainer, cutText}

// maxPrefix is how long a prefix of a line may be.
const maxPrefix = 300

// prefixed reads a record after a prefix.
func (r *Reader) prefixed(line []byte, at place) string {
	if at.wrapped >= maxWrapped {
		return ""
	}
	for _, cut := range prefixes {
		time, rest, ok := cut(line)
		if !ok {
			continue
		}
		w := r.newObject()
		if len(time) > 0 {
			w.member("time", time)
		}
		r.parsed(w, at).fill = &r.wrappers.fill
		return r.wrapped(rest, place{at.depth + 1, at.wrapped + 1, at.raw})
	}
	return ""
}

// cutCRI splits a line of the Container Runtime Interface: 2026-01-01T00:00:00.123456789Z stdout F
// {"status":…
func cutCRI(line []byte) (time, rest []byte, ok bool) {
	time, rest, ok = bytes.Cut(line[:min(len(line), 64)], []byte(" "))
	if !ok || len(time) < 20 {
		return nil, nil, false
	}
	for _, mark := range [...]string{"stdout F ", "stderr F ", "stdout P ", "stderr P "} {
		if bytes.HasPrefix(rest, []byte(mark)) {
			return time, line[len(time)+1+len(mark):], true
		}
	}
	return nil, nil, false
}

// cutLogger removes what Spring Boot's console pattern writes before a line of the access logger.
func cutLogger(line []byte) (time, rest []byte, ok bool) {
	head := line[:min(len(line), maxPrefix)]
	_, rest, ok = bytes.Cut(head, []byte("reactor.netty.http.server.AccessLog"))
	if ok {
		_, rest, ok = bytes.Cut(rest, []byte(": "))
	}
	return nil, line[len(head)-len(rest):], ok
}

// cutContainer removes the name of a container, as docker compose and kubectl write it:
// gateway_1 | 192.0.2.1 - - […, and [pod/gateway-0/nginx] 192.0.2.1 - - […
func cutContainer(line []byte) (time, rest []byte, ok bool) {
	head := line[:min(len(line), maxPrefix)]
	if pod, rest, ok := bytes.Cut(head, []byte("] ")); ok && bytes.HasPrefix(pod, []byte("[")) && bytes.IndexByte(pod, ' ') < 0 && bytes.Count(pod, []byte("/")) == 2 {
		return nil, line[len(head)-len(rest):], !plausibleTime(pod[1:])
	}
	name, rest, ok := bytes.Cut(head, []byte("| "))
	return nil, line[len(head)-len(rest):], ok && len(name) > 1 && isKey(bytes.TrimRight(name, " \t"))
}

// cutText splits a line before the JSON object in which it ends, as loggers write it. Monolog
// writes an empty list behind it.
func cutText(line []byte) (time, rest []byte, ok bool) {
	line = bytes.TrimSuffix(line, []byte(" []"))
	head := line[:min(len(line), maxPrefix)]
	i := bytes.Index(head, []byte(`{"`))
	if i < 0 {
		i = bytes.IndexByte(head, '{')
	}
	if i <= 0 || bytes.IndexByte([]byte(" \t:"), line[i-1]) < 0 || line[len(line)-1] != '}' {
		return nil, nil, false
	}
	time = timeIn(piecesOf(line[:i], spaces))
	return time, line[i:], line[0] != '[' || time != nil // else it is a damaged array
}

// cutSyslog removes what precedes the message in a syslog line of RFC 5424 or RFC 3164. The time of
// the latter has no year and is not used. In files, it has no priority.
func cutSyslog(line []byte) (at, message []byte, ok bool) {
	if line[0] != '<' {
		if n := len(time.Stamp); len(line) > n && line[6] == ' ' && line[9] == ':' {
			if _, err := time.Parse(time.Stamp, string(line[:n])); err == nil {
				_, message, ok = bytes.Cut(line, []byte(": ")) // after host and tag
			}
		}
		return nil, message, ok
	}
	priority, rest, ok := bytes.Cut(line[1:], []byte(">"))
	if _, err := strconv.ParseUint(string(priority[:min(len(priority), 4)]), 10, 16); !ok || err != nil || len(priority) > 3 {
		return nil, nil, false
	}
	if after, isNew := bytes.CutPrefix(rest, []byte("1 ")); isNew {
		at, rest, _ = bytes.Cut(after, []byte(" "))
		for range 4 { // host, application, process, message id
			_, rest, _ = bytes.Cut(rest, []byte(" "))
		}
		if bytes.HasPrefix(rest, []byte("[")) { // structured data
			_, rest, ok = bytes.Cut(rest, []byte("] "))
			return at, rest, ok
		}
		return at, bytes.TrimPrefix(rest, []byte("- ")), len(rest) > 0 // Heroku leaves the dash out
	}
	if len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9' { // rsyslog with a time of its own
		at, _, _ = bytes.Cut(rest, []byte(" "))
	}
	_, message, ok = bytes.Cut(rest, []byte(": ")) // after host and tag
	return at, message, ok
}
