package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// TLS configures how a connection is encrypted and how its two ends authenticate. The files are in
// PEM.
type TLS struct {
	Enabled  bool   `mapstructure:"enabled"`
	CAFile   string `mapstructure:"ca_file"`   // "" means the system's authorities
	CertFile string `mapstructure:"cert_file"` // ours, if the server asks for one
	KeyFile  string `mapstructure:"key_file"`

	Log *slog.Logger `mapstructure:"-"` // gets a line when the files change; nil discards it
}

// A Dialer makes connections, over TLS if it is enabled, with the certificates that are in the
// files at that moment.
//
// It does the TLS handshake itself, instead of passing a *tls.Config to the libraries, so that Go's
// own verification works unchanged. With one configuration for the whole life of the process, the
// authorities could only be replaced by switching that verification off (InsecureSkipVerify) and
// repeating it in VerifyConnection, which does not know the name that the certificate must have
// when the server is reached by its IP address.
//
// Open connections stay open when the files change. Sessions are not resumed: every connection is
// verified from scratch.
type Dialer struct {
	tls TLS
	tcp net.Dialer

	mu   sync.Mutex
	ca   file[*x509.CertPool]
	pair file[tls.Certificate]
}

// dialTimeout is how long a server may take to answer, including its part of the TLS handshake.
const dialTimeout = 5 * time.Second

// Dialer checks the settings and reads the files for the first time. Its errors begin with a key of
// this struct.
func (t TLS) Dialer() (*Dialer, error) {
	d := &Dialer{tls: t, tcp: net.Dialer{Timeout: dialTimeout}}
	if t.Log == nil {
		d.tls.Log = slog.New(slog.DiscardHandler)
	}
	if !t.Enabled {
		return d, nil
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("cert_file and key_file go together: give both or neither")
	}
	d.ca = file[*x509.CertPool]{what: "ca_file", parse: authorities}
	d.pair = file[tls.Certificate]{what: "cert_file and key_file", parse: keyPair}
	if t.CAFile != "" {
		d.ca.paths = []string{t.CAFile}
	}
	if t.CertFile != "" {
		d.pair.paths = []string{t.CertFile, t.KeyFile}
	}
	return d, errors.Join(d.ca.read(), d.pair.read())
}

// Dial connects. Its signature is the one that kafka-go expects. The error of a failed handshake
// says so, and [TLS.Explain] explains it.
func (d *Dialer) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := d.tcp.DialContext(ctx, network, addr)
	if err != nil || !d.tls.Enabled {
		return conn, err
	}
	config := d.config()
	config.ServerName, _, _ = net.SplitHostPort(addr)
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &handshakeError{addr, err}
	}
	return secured, nil
}

// config returns the configuration of one connection, with the current content of the files.
func (d *Dialer) config() *tls.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ca.refresh(d.tls.Log)
	d.pair.refresh(d.tls.Log)
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.ca.value}
	if d.tls.CertFile != "" {
		// Not Certificates: from those Go sends none if the server's list of authorities does not
		// name ours. The server would then only say that it wants a certificate, and we could not
		// say why.
		pair := d.pair.value
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}

// file is a value that is parsed from files, and parsed again when their content changes. It
// compares the content and not the modification time, because a secret mounted by Kubernetes
// changes by a link, and because both halves of a pair must match.
type file[T any] struct {
	what  string
	paths []string // none means the zero value for ever
	parse func(paths []string, content [][]byte) (T, error)

	value T
	seen  [][]byte // the content that value was parsed from, or that could not be used
	unfit bool     // seen could not be used, and that was logged
}

// read parses the value from the files.
func (f *file[T]) read() error {
	if len(f.paths) == 0 {
		return nil
	}
	content, err := f.content()
	if err != nil {
		return err
	}
	value, err := f.parse(f.paths, content)
	if err == nil {
		f.value, f.seen = value, content
	}
	return err
}

func (f *file[T]) content() ([][]byte, error) {
	var all [][]byte
	for _, path := range f.paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.what, err)
		}
		all = append(all, text)
	}
	return all, nil
}

// refresh reads changed files. If they are missing, incomplete or invalid, it keeps the last good
// value and logs that once.
func (f *file[T]) refresh(log *slog.Logger) {
	if len(f.paths) == 0 {
		return
	}
	content, err := f.content()
	if err == nil && same(content, f.seen) {
		return
	}
	var value T
	if err == nil {
		value, err = f.parse(f.paths, content)
	}
	switch {
	case err == nil:
		f.value, f.seen, f.unfit = value, content, false
		log.Info("loaded changed certificates for new connections", "files", f.paths)
	case !f.unfit || content != nil: // once for each content, and once while the files are missing
		f.seen, f.unfit = content, true
		log.Error("failed to load changed certificates and kept the previous ones", "error", err)
	}
}

func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func authorities(paths []string, content [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content[0]) {
		return nil, fmt.Errorf("ca_file %s holds no PEM certificate", paths[0])
	}
	return pool, nil
}

func keyPair(paths []string, content [][]byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return pair, fmt.Errorf("cert_file %s and key_file %s: %w", paths[0], paths[1], err)
	}
	return pair, nil
}

// handshakeError is the error of a failed TLS handshake, whichever end rejected it.
type handshakeError struct {
	addr string
	err  error
}

func (h *handshakeError) Error() string {
	return fmt.Sprintf("TLS handshake with %s: %v", h.addr, h.err)
}
func (h *handshakeError) Unwrap() error { return h.err }

// Explain returns, as the second half of a sentence, why a connection failed because of TLS and
// which setting fixes it. It returns "" if TLS is not the reason, or may not be. Waiting fixes none
// of these faults. The section of the settings is kafka or clickhouse.
func (t TLS) Explain(err error, section, addrKey string) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var noTLS tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is for another name (%v): set %s to a name that it holds", host, addrKey)
	case errors.As(err, &unknown):
		return fmt.Sprintf("its certificate is not trusted (%v): set %s.tls.ca_file to the authority that signed it", unknown, section)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("its certificate cannot be used (%v): renew it at the server, or set this machine's clock", invalid)
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate cannot be used (%v): have the server, or %s.tls.ca_file, use another", invalid, section)
	case errors.As(err, &noTLS):
		return fmt.Sprintf("it speaks no TLS on that port: set %s.tls.enabled to false, or %s to the port with TLS", section, addrKey)
	case errors.As(err, &op) && op.Op == "remote error": // an alert, with which the server ends the connection
		alert := op.Err.Error()
		switch {
		case strings.Contains(alert, "certificate") && t.CertFile == "":
			return fmt.Sprintf("it wants a certificate from us (%s): set %s.tls.cert_file and %s.tls.key_file", alert, section, section)
		case strings.Contains(alert, "certificate"), strings.Contains(alert, "access denied"):
			return fmt.Sprintf("it does not take our certificate (%s): set %s.tls.cert_file and %s.tls.key_file to one that its authority has signed and that is valid", alert, section, section)
		case strings.Contains(alert, "handshake failure") && t.CertFile == "":
			return fmt.Sprintf("it refuses the TLS handshake (%s), as a server does that wants a certificate from us: see %s.tls.cert_file and %s.tls.key_file", alert, section, section)
		case strings.Contains(alert, "internal error"), strings.Contains(alert, "user canceled"):
			return "" // may be temporary
		}
		return fmt.Sprintf("it refuses the TLS handshake (%s): see %s.tls", alert, section)
	}
	return ""
}

// SpeaksTLS reports whether a server answers a TLS handshake. It sends nothing else, so it need not
// verify the server's identity.
func SpeaksTLS(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	host, _, _ := net.SplitHostPort(addr)
	err = tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true}).HandshakeContext(ctx)
	var op *net.OpError
	return err == nil || errors.As(err, &op) && op.Op == "remote error" // an alert is TLS too
}

// ClosedOnUs reports whether the other end closed a connection without a message.
func ClosedOnUs(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
