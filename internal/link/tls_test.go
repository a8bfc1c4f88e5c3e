package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

// server is one end of TLS: it says the name in the certificate of whoever connects, or "nobody".
type server struct {
	addr   string
	mu     sync.Mutex
	config *tls.Config
}

func newServer(t *testing.T, c stacktest.Certificate, clients *stacktest.Authority) *server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: listener.Addr().String()}
	s.use(t, c, clients)
	var serving sync.WaitGroup
	serving.Go(func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { // ends after one answer, or with the client
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				s.mu.Lock()
				secured := tls.Server(conn, s.config)
				s.mu.Unlock()
				if secured.Handshake() != nil {
					return
				}
				name := "nobody"
				if certs := secured.ConnectionState().PeerCertificates; len(certs) > 0 {
					name = certs[0].Subject.CommonName
				}
				io.WriteString(secured, name)
				secured.Close()
			})
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return s
}

// use exchanges the server's certificate, and whose clients it lets in (nil: anybody).
func (s *server) use(t *testing.T, c stacktest.Certificate, clients *stacktest.Authority) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		text, err := os.ReadFile(clients.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = config
}

// ask connects and gives what the server says.
func ask(d *Dialer, addr string) (string, error) {
	conn, err := d.Dial(context.Background(), "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

func dialer(t *testing.T, s TLS) *Dialer {
	t.Helper()
	d, err := s.Dialer()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (TLS{CAFile: "nowhere"}).Dialer(); err != nil {
		t.Errorf("not enabled: %v", err)
	}
	if _, err := (TLS{Enabled: true}).Dialer(); err != nil {
		t.Errorf("the system's authorities: %v", err)
	}
	for want, tls := range map[string]TLS{
		"ca_file":             {Enabled: true, CAFile: filepath.Join(dir, "nowhere.pem")},
		"no PEM certificate":  {Enabled: true, CAFile: empty},
		"give both":           {Enabled: true, CertFile: empty},
		"cert_file and key_f": {Enabled: true, CertFile: filepath.Join(dir, "nowhere.pem"), KeyFile: empty},
		"and key_file ":       {Enabled: true, CertFile: empty, KeyFile: empty},
	} {
		if _, err := tls.Dialer(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", tls, err, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	ours, theirs := stacktest.NewAuthority(t, "ours"), stacktest.NewAuthority(t, "theirs")
	client := ours.Issue(t, "errata", stacktest.Tomorrow())
	stranger := theirs.Issue(t, "stranger", stacktest.Tomorrow())
	oldClient := ours.Issue(t, "errata", time.Now().Add(-time.Hour))
	good := ours.Issue(t, "server", stacktest.Tomorrow(), "127.0.0.1", "localhost")

	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	go func() { // ends with the listener
		for {
			conn, err := plain.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "220 hello, this is no TLS\r\n")
			conn.Close()
		}
	}()

	f := func(s *server, settings TLS, want, wantErr string) {
		t.Helper()
		settings.Enabled = true
		got, err := ask(dialer(t, settings), s.addr)
		sentence := settings.Explain(err, "kafka", "kafka.brokers")
		if got != want || (err == nil) != (wantErr == "") || (sentence == "") != (wantErr == "") || !strings.Contains(sentence, wantErr) {
			t.Errorf("%q %v\n  %q, want %q", got, err, sentence, wantErr)
		}
		if wantErr != "" {
			t.Log(sentence)
		}
	}
	f(newServer(t, good, nil), TLS{CAFile: ours.CAFile}, "nobody", "")
	f(newServer(t, good, ours), TLS{CAFile: ours.CAFile, CertFile: client.CertFile, KeyFile: client.KeyFile}, "errata", "")
	// Wrong authority: another one, one of the same name, and the system's.
	f(newServer(t, good, nil), TLS{CAFile: theirs.CAFile}, "", "is not trusted")
	f(newServer(t, good, nil), TLS{CAFile: stacktest.NewAuthority(t, "ours").CAFile}, "", "set kafka.tls.ca_file")
	f(newServer(t, good, nil), TLS{}, "", "is not trusted")
	// Wrong host: of names alone, of another address, and of no name at all.
	f(newServer(t, ours.Issue(t, "127.0.0.1", stacktest.Tomorrow(), "kafka.example"), nil), TLS{CAFile: ours.CAFile}, "", "is for another name")
	f(newServer(t, ours.Issue(t, "x", stacktest.Tomorrow(), "127.0.0.2"), nil), TLS{CAFile: ours.CAFile}, "", "set kafka.brokers")
	f(newServer(t, ours.Issue(t, "127.0.0.1", stacktest.Tomorrow()), nil), TLS{CAFile: ours.CAFile}, "", "is for another name")
	// Its time is over, or has not come.
	f(newServer(t, ours.Issue(t, "x", time.Now().Add(-time.Hour), "127.0.0.1"), nil), TLS{CAFile: ours.CAFile}, "", "expired")
	f(newServer(t, ours.Issue(t, "x", time.Now().Add(30*time.Hour), "127.0.0.1"), nil), TLS{CAFile: ours.CAFile}, "", "not yet valid")
	// An authority is not a server, and a server not an authority.
	f(newServer(t, good, nil), TLS{CAFile: good.CertFile}, "nobody", "") // pinned
	f(newServer(t, good, nil), TLS{CAFile: client.CertFile}, "", "is not trusted")
	// Our own certificate: none, another authority's, an old one.
	f(newServer(t, good, ours), TLS{CAFile: ours.CAFile}, "", "set kafka.tls.cert_file and kafka.tls.key_file")
	f(newServer(t, good, ours), TLS{CAFile: ours.CAFile, CertFile: stranger.CertFile, KeyFile: stranger.KeyFile}, "", "does not take our certificate")
	f(newServer(t, good, ours), TLS{CAFile: ours.CAFile, CertFile: oldClient.CertFile, KeyFile: oldClient.KeyFile}, "", "does not take our certificate")
	// TLS 1.2 tells at another moment.
	old := newServer(t, good, ours)
	old.config.MaxVersion = tls.VersionTLS12
	f(old, TLS{CAFile: ours.CAFile}, "", "see kafka.tls.cert_file")
	f(old, TLS{CAFile: ours.CAFile, CertFile: stranger.CertFile, KeyFile: stranger.KeyFile}, "", "does not take our certificate")
	ancient := newServer(t, good, nil)
	ancient.config.MinVersion, ancient.config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	f(ancient, TLS{CAFile: ours.CAFile}, "", "refuses the TLS handshake")
	// No TLS at all.
	f(&server{addr: plain.Addr().String()}, TLS{CAFile: ours.CAFile}, "", "kafka.tls.enabled to false")

	for _, err := range []error{nil, io.EOF, context.DeadlineExceeded, errors.New("certificate"), &net.OpError{Op: "dial", Err: errors.New("bad certificate")}} {
		if s := (TLS{}).Explain(err, "kafka", "kafka.brokers"); s != "" {
			t.Errorf("%v is explained by TLS: %s", err, s)
		}
	}
	if addr := newServer(t, good, ours).addr; !SpeaksTLS(t.Context(), addr) {
		t.Error("a server that wants a certificate speaks no TLS")
	}
	if SpeaksTLS(t.Context(), plain.Addr().String()) {
		t.Error("a plain server speaks TLS")
	}
}

// Each file is replaced while the dialer lives; what is bad for a moment changes nothing, and is
// said once.
func TestReload(t *testing.T) {
	one, two := stacktest.NewAuthority(t, "one"), stacktest.NewAuthority(t, "two")
	first, second := one.Issue(t, "first", stacktest.Tomorrow()), two.Issue(t, "second", stacktest.Tomorrow())
	dir := t.TempDir()
	var log bytes.Buffer
	settings := TLS{Enabled: true, CAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"),
		Log: slog.New(slog.NewTextHandler(&log, nil))}
	put := func(ca *stacktest.Authority, c stacktest.Certificate) {
		stacktest.CopyFile(t, ca.CAFile, settings.CAFile)
		stacktest.CopyFile(t, c.CertFile, settings.CertFile)
		stacktest.CopyFile(t, c.KeyFile, settings.KeyFile)
	}
	put(one, first)
	d := dialer(t, settings)
	s := newServer(t, one.Issue(t, "server", stacktest.Tomorrow(), "127.0.0.1"), one)
	f := func(what, want string, lines int) {
		t.Helper()
		for range 3 {
			if got, err := ask(d, s.addr); got != want || (err != nil) != (want == "") {
				t.Errorf("%s: %q %v, want %q", what, got, err, want)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != lines {
			t.Errorf("%s: %d lines in the log, want %d:\n%s", what, n, lines, log.String())
		}
		log.Reset()
	}
	f("as at start", "first", 0)
	put(one, first)
	f("the same again", "first", 0)

	os.WriteFile(settings.CAFile, []byte("-----BEGIN CERTIFICATE-----\nMIIB"), 0o600)
	f("a CA file half written", "first", 1)
	os.WriteFile(settings.CAFile, nil, 0o600)
	f("an empty one", "first", 1)
	os.Remove(settings.CAFile)
	f("one that is gone", "first", 0) // the third of a row, and nothing is known that was not said
	put(one, first)
	f("the old one again", "first", 1)
	os.Remove(settings.CAFile)
	f("gone", "first", 1)
	put(one, first)
	f("there", "first", 1)

	stacktest.CopyFile(t, second.CertFile, settings.CertFile)
	f("a certificate without its key yet", "first", 1)
	os.WriteFile(settings.KeyFile, []byte("x"), 0o600)
	f("half a key", "first", 1)
	stacktest.CopyFile(t, second.KeyFile, settings.KeyFile)
	log.Reset()
	if _, err := ask(d, s.addr); err == nil {
		t.Error("the server takes a certificate of another authority")
	}
	if !strings.Contains(log.String(), "loaded changed certificates") || strings.Contains(log.String(), "PRIVATE") {
		t.Errorf("log: %s", log.String())
	}
	log.Reset()

	// Both ends move to the other authority.
	s.use(t, two.Issue(t, "server", stacktest.Tomorrow(), "127.0.0.1"), two)
	f("a server with a certificate that we do not trust", "", 0)
	stacktest.CopyFile(t, two.CAFile, settings.CAFile)
	f("its authority", "second", 1)
	// The old authority is not trusted any more.
	s.use(t, one.Issue(t, "server", stacktest.Tomorrow(), "127.0.0.1"), two)
	f("the old authority", "", 0)
}

// What was connected before lives on.
func TestReloadLeavesConnections(t *testing.T) {
	a := stacktest.NewAuthority(t, "a")
	c := a.Issue(t, "server", stacktest.Tomorrow(), "127.0.0.1")
	s := newServer(t, c, nil)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	stacktest.CopyFile(t, a.CAFile, ca)
	d := dialer(t, TLS{Enabled: true, CAFile: ca})
	conn, err := d.Dial(t.Context(), "tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stacktest.CopyFile(t, stacktest.NewAuthority(t, "b").CAFile, ca)
	if _, err := ask(d, s.addr); err == nil {
		t.Error("the authority before is still trusted")
	}
	if text, err := io.ReadAll(conn); string(text) != "nobody" || err != nil {
		t.Errorf("%q %v", text, err)
	}
}

// A server that accepts and says nothing does not hold us for ever.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = dialer(t, TLS{Enabled: true}).Dial(ctx, "tcp", listener.Addr().String())
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*handshakeError)) {
		t.Error(err)
	}
}
