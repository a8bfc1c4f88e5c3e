// Package link holds what the links to Kafka and ClickHouse have in common:
// their TLS settings, their passwords, and the two ways in which a server can be
// lost to us at start.
package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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

// TLS is how a link is encrypted and who is at its ends. Paths are files in PEM.
type TLS struct {
	Enabled  bool   `mapstructure:"enabled"`
	CAFile   string `mapstructure:"ca_file"`   // "": the system's authorities
	CertFile string `mapstructure:"cert_file"` // ours, where the server asks for one
	KeyFile  string `mapstructure:"key_file"`
}

// Config is nil when TLS is not enabled.
func (t TLS) Config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s holds no PEM certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("cert_file and key_file go together: give both or neither")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Password is the given one or, where there is none, the first line of the file.
func Password(given, file string) (string, error) {
	if given != "" && file != "" {
		return "", errors.New("password and password_file are both set: give one of them")
	}
	if file == "" {
		return given, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimRight(line, "\r"), nil
}

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
