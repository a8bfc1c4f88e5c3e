// Package link holds what the links to Kafka and ClickHouse have in common:
// connections over TLS (tls.go), passwords (secret.go), and the two ways in
// which a server can be lost to us at start.
//
// Certificates and passwords in files are read again for every new connection:
// they can be replaced while the process runs.
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

// ErrUnreachable says that a server did not answer in time; a later try may succeed.
var ErrUnreachable = errors.New("unreachable")

// ErrRefused says that a server answered and refused us for a reason that
// somebody must mend: password, certificate, rights, a topic that does not exist.
var ErrRefused = errors.New("refused")

// Refused makes an ErrRefused out of one clear sentence.
func Refused(format string, args ...any) error { return kind{ErrRefused, fmt.Sprintf(format, args...)} }

// Unreachable makes an ErrUnreachable out of one clear sentence.
func Unreachable(format string, args ...any) error {
	return kind{ErrUnreachable, fmt.Sprintf(format, args...)}
}

type kind struct {
	is       error
	sentence string
}

func (k kind) Error() string { return k.sentence }
func (k kind) Unwrap() error { return k.is }

// Cause is the inmost reason for a failed connection, in few words.
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

// IsHostPort tells whether an address is a host and a port number.
func IsHostPort(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
