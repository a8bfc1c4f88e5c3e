package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"errata/internal/accesslog"
)

// sampleReader reads the records of a file of log lines. A record is a line, or a JSON document
// that a tool such as jq has spread over indented lines.
type sampleReader struct {
	in    *bufio.Reader
	lines int    // read so far
	ahead []byte // a line that was read too early, nil if there is none
}

func newSampleReader(in io.Reader) *sampleReader {
	return &sampleReader{in: bufio.NewReaderSize(in, 1<<16)}
}

// next returns the next record, without the end of its line, and the number of its first line. At
// the end of the file the error is io.EOF.
func (r *sampleReader) next() (record []byte, line int, err error) {
	first, err := r.line()
	if err != nil {
		return nil, 0, err
	}
	line = r.lines
	open := openBrackets{}
	if !opensDocument(first) || !open.after(first) {
		return bytes.TrimRight(first, "\r\n"), line, nil
	}
	document := bytes.Clone(first)
	for more := true; more; {
		next, err := r.line()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if !continuesDocument(next) {
			r.ahead = next
			r.lines--
			break
		}
		document = append(document, next...)
		more = open.after(next)
	}
	return bytes.TrimRight(document, "\r\n"), line, nil
}

// line returns the next line with its end.
func (r *sampleReader) line() (line []byte, err error) {
	if line, r.ahead = r.ahead, nil; line == nil {
		line, err = r.in.ReadBytes('\n')
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("line %d: %w", r.lines+1, err)
	case len(line) == 0:
		return nil, io.EOF
	}
	r.lines++
	return line, nil
}

// sampleClock returns the Clock of the records of a sample, which Kafka has stamped with no time.
func sampleClock() accesslog.Clock {
	return accesslog.Clock{Latest: accesslog.KafkaClock(time.Now()).Latest, Optional: true}
}

// opensDocument reports whether a line may be the first of a JSON document that goes on below it.
func opensDocument(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && (line[0] == '{' || line[0] == '[') && strings.IndexByte("{[,:", line[len(line)-1]) >= 0
}

// continuesDocument reports whether a line may belong to the document above it: it is indented,
// closes a bracket or is blank.
func continuesDocument(line []byte) bool {
	return strings.IndexByte(" \t}]\r\n", line[0]) >= 0
}

// openBrackets follows the brackets of a JSON document line by line.
type openBrackets struct{ depth int }

// after reports whether brackets are open after a further line. No text of JSON goes beyond its
// line.
func (o *openBrackets) after(line []byte) bool {
	inText := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{', c == '[':
			o.depth++
		case c == '}', c == ']':
			o.depth--
		}
	}
	return o.depth > 0
}
