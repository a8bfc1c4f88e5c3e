// Package link is what the connections to Kafka and ClickHouse have in common: TLS (tls.go),
// passwords (secret.go), and the two kinds of connection errors, refused and unreachable. A person
// must fix the reason of a refusal. An unreachable server may come back by itself.
//
// Certificates and passwords in files are read again for every new connection, so they can be
// replaced while the process runs.
package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// ErrUnreachable is the kind of error of a server that did not answer in time. A later attempt may
// succeed.
var ErrUnreachable = errors.New("unreachable")

// ErrRefused is the kind of error of a server that answered and refused us. A person has to fix the
// reason: the password, the certificate, rights, a topic that does not exist.
var ErrRefused = errors.New("refused")

// Refused returns an ErrRefused whose text is one clear sentence.
func Refused(format string, args ...any) error { return kind{ErrRefused, fmt.Sprintf(format, args...)} }

// Unreachable returns an ErrUnreachable whose text is one clear sentence.
func Unreachable(format string, args ...any) error {
	return kind{ErrUnreachable, fmt.Sprintf(format, args...)}
}

type kind struct {
	is       error
	sentence string
}

func (k kind) Error() string { return k.sentence }
func (k kind) Unwrap() error { return k.is }

// Cause returns the innermost reason of a failed connection in a few words.
func Cause(err error) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		return op.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closes the connection"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// IsHostPort reports whether an address is a host and a port number.
func IsHostPort(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
