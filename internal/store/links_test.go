package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"errata/internal/link"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// Each way in which ClickHouse can refuse us, or not be ClickHouse, is one sentence that names the
// setting to change and has no secret in it. The embedded server has no TLS, so a proxy before it
// adds that.
func TestLinks(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouse(t) // of its own: some of what it is told here may be its end
	ours, theirs := stacktest.NewAuthority(t, "clickhouse-ca"), stacktest.NewAuthority(t, "strangers")
	good := ours.Issue(t, "clickhouse", stacktest.Tomorrow(), "127.0.0.1", "localhost")
	client, strange := ours.Issue(t, "errata", stacktest.Tomorrow()), theirs.Issue(t, "errata", stacktest.Tomorrow())
	front := stacktest.StartTLSFront(t, server.Addr, good, nil)
	mutual := stacktest.StartTLSFront(t, server.Addr, good, ours)
	elsewhere := stacktest.StartTLSFront(t, server.Addr, ours.Issue(t, "clickhouse.example", stacktest.Tomorrow(), "clickhouse.example"), nil)
	expired := stacktest.StartTLSFront(t, server.Addr, ours.Issue(t, "clickhouse", time.Now().Add(-time.Hour), "127.0.0.1"), nil)
	nobody := stacktest.FreeAddr(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	stacktest.Must(t, err)
	t.Cleanup(func() { silent.Close() })

	trusted := link.TLS{Enabled: true, CAFile: ours.CAFile}
	with := func(c stacktest.Certificate) link.TLS {
		return link.TLS{Enabled: true, CAFile: ours.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile}
	}
	const wrong = "wrong-Secret-0815"
	f := func(name, addr string, tls link.TLS, change func(*store.Config), kind error, want ...string) {
		t.Run(name, func(t *testing.T) {
			if errors.Is(kind, link.ErrUnreachable) {
				t.Parallel() // takes as long as we have patience
			}
			cfg := store.Config{Addr: []string{addr}, Database: "links", Username: "default", TLS: tls}
			if change != nil {
				change(&cfg)
			}
			s, err := store.OpenAndMigrate(t.Context(), cfg)
			if err == nil {
				s.Close()
			}
			stacktest.Sentence(t, err, kind, append(want, addr), []string{wrong})
		})
	}
	f("plain", server.Addr, link.TLS{}, nil, nil)
	f("TLS", front.Addr, trusted, nil, nil)
	f("by name", strings.Replace(front.Addr, "127.0.0.1", "localhost", 1), trusted, nil, nil)
	f("mutual TLS", mutual.Addr, with(client), nil, nil)

	password := func(c *store.Config) { c.Password = wrong }
	f("a wrong password", server.Addr, link.TLS{}, password, link.ErrRefused, "wrong password", "clickhouse.password", `"default"`)
	f("a wrong password over TLS", front.Addr, trusted, password, link.ErrRefused, "wrong password", "clickhouse.password")
	f("an unknown user", server.Addr, link.TLS{}, func(c *store.Config) { c.Username = "who" }, link.ErrRefused, "unknown user", "clickhouse.username", `"who"`)
	f("no client certificate", mutual.Addr, trusted, nil, link.ErrRefused, "wants a certificate", "clickhouse.tls.cert_file")
	f("another authority's client certificate", mutual.Addr, with(strange), nil, link.ErrRefused, "does not take our certificate", "clickhouse.tls.cert_file")
	f("a wrong authority", front.Addr, link.TLS{Enabled: true, CAFile: theirs.CAFile}, nil, link.ErrRefused, "not trusted", "clickhouse.tls.ca_file")
	f("the system's authorities", front.Addr, link.TLS{Enabled: true}, nil, link.ErrRefused, "not trusted", "clickhouse.tls.ca_file")
	f("a certificate for another host", elsewhere.Addr, trusted, nil, link.ErrRefused, "another name", "clickhouse.addr")
	f("an old certificate", expired.Addr, trusted, nil, link.ErrRefused, "expired")
	f("no TLS where it is needed", front.Addr, link.TLS{}, nil, link.ErrRefused, "clickhouse.tls.enabled to true")
	f("TLS where there is none", server.Addr, trusted, nil, link.ErrRefused, "clickhouse.tls.enabled to false")
	f("the port of HTTP", server.HTTPAddr, link.TLS{}, nil, link.ErrRefused, "clickhouse.addr", "HTTP")
	f("nobody", nobody, link.TLS{}, nil, link.ErrUnreachable, "connection refused", "clickhouse.addr")
	f("a silent server", silent.Addr().String(), trusted, nil, link.ErrUnreachable, "timeout", "clickhouse.addr")
}

// A server that is shutting down says so with an exception, to whoever connects or to whoever asks.
// That passes by itself: the start waits for the server to be up again, and a start that waited in
// vain found it unreachable, which is no wrong use.
func TestShuttingDown(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouse(t) // of its own: connections that are cut may be its end
	f := func(name string, greets bool, answers int64, kind error, want ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the start waits
			var times atomic.Int64
			times.Store(answers)
			addr, told := shuttingDown(t, server.Addr, greets, &times)
			s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: "links", Username: "default"})
			if err == nil {
				s.Close()
			}
			stacktest.Sentence(t, err, kind, want, nil)
			if told() < min(answers, 2) {
				t.Errorf("the server said %d times that it is shutting down", told())
			}
		})
	}
	f("for ever, at the greeting", false, 1<<40, link.ErrUnreachable, "is shutting down", "Server is shutting down")
	f("for ever, at a query", true, 1<<40, link.ErrUnreachable, "is shutting down", "Server is shutting down")
	f("then up again", false, 3, nil)
	f("at a query, then up again", true, 3, nil)
}

// A server that shuts down while it is asked is lost, as one whose connection breaks.
func TestShuttingDownLater(t *testing.T) {
	addr, database := stacktest.Database(t)
	var answers atomic.Int64
	addr, _ = shuttingDown(t, addr, true, &answers)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	stacktest.Must(t, err)
	defer s.Close()
	answers.Store(1 << 40)
	none := func(func(...any) error) error { return nil }
	for name, ask := range map[string]func() error{
		"Query":  func() error { return s.Query(t.Context(), "SELECT 1", nil, none) },
		"Select": func() error { _, err := store.Select[struct{}](t.Context(), s, "SELECT 1", nil); return err },
		"a row":  func() error { _, _, err := s.Owner(t.Context()); return err },
		"Exec":   func() error { return s.Claim(t.Context(), "cluster", "group") },
		"a batch": func() error {
			return s.InsertWatermarks(t.Context(), []store.Watermark{{Topic: "logs", Watermark: time.Now(), At: time.Now()}})
		},
	} {
		if err := ask(); !errors.Is(err, link.ErrUnreachable) || !strings.Contains(err.Error(), "is shutting down") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// shuttingDown stands before a server and says for it, as often as given, that it is shutting down:
// instead of its greeting, or in answer to a query. It also returns how often that was said.
func shuttingDown(t *testing.T, target string, greets bool, answers *atomic.Int64) (addr string, told func() int64) {
	// The packets of the native protocol begin with their kind: a client's are 0 for hello, 1 for a
	// query.
	const kindHello, kindQuery = 0, 1
	exception := []byte{2, 236, 0, 0, 0} // a server's exception, and its code: then name, message and stack trace with their lengths; none is nested
	for _, text := range []string{"DB::Exception", "Server is shutting down", ""} {
		exception = append(append(exception, byte(len(text))), text...)
	}
	exception = append(exception, 0)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	stacktest.Must(t, err)
	t.Cleanup(func() { listener.Close() })
	var said atomic.Int64
	serve := func(client net.Conn) {
		defer client.Close()
		behind, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer behind.Close()
		go io.Copy(client, behind) // ends with either connection
		piece := make([]byte, 64<<10)
		for {
			n, err := client.Read(piece)
			if err != nil {
				return
			}
			asks := piece[0] == kindQuery || bytes.Contains(piece[:n], []byte("SELECT ")) || bytes.Contains(piece[:n], []byte("INSERT ")) // after an addendum to the greeting
			due := piece[0] == kindHello && !greets || asks && greets
			if due && said.Load() < answers.Load() {
				said.Add(1)
				client.Write(exception)
				return
			}
			if _, err := behind.Write(piece[:n]); err != nil {
				return
			}
		}
	}
	go func() { // ends with the listener
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(client) // ends with the connection
		}
	}()
	return listener.Addr().String(), said.Load
}

func TestLinkSettings(t *testing.T) {
	f := func(change func(*store.Config), want string) {
		t.Helper()
		cfg := store.Config{Addr: []string{"127.0.0.1:1"}, Database: "errata", Username: "default"}
		change(&cfg)
		_, err := store.Open(t.Context(), cfg)
		if err == nil || errors.Is(err, link.ErrRefused) || errors.Is(err, link.ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(func(c *store.Config) { c.TLS = link.TLS{Enabled: true, CAFile: "/nowhere"} }, "clickhouse.tls.ca_file")
	f(func(c *store.Config) { c.TLS = link.TLS{Enabled: true, KeyFile: "/nowhere"} }, "clickhouse.tls.cert_file and key_file")
	f(func(c *store.Config) { c.PasswordFile = "/nowhere" }, "clickhouse.password_file")
	f(func(c *store.Config) { c.Password, c.PasswordFile = "p", "f" }, "give one of them")
}

// Certificates, authority and password are replaced while we are connected. New connections use the
// new ones, and a store that exists keeps working.
func TestReplacedSecrets(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users.xml")
	setPassword := func(password string) {
		// The file is replaced at once, as ClickHouse looks at it all the time.
		text := `<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>
<default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>
<errata><password>` + password + `</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></errata></users></clickhouse>`
		stacktest.Must(t, os.WriteFile(users+".new", []byte(text), 0o600))
		stacktest.Must(t, os.Rename(users+".new", users))
	}
	setPassword("first-Secret")
	server := stacktest.ClickHouse(t, func(c *stack.ClickHouseConfig) { c.Users = users })

	one, two := stacktest.NewAuthority(t, "one"), stacktest.NewAuthority(t, "two")
	front := stacktest.StartTLSFront(t, server.Addr, one.Issue(t, "clickhouse", stacktest.Tomorrow(), "127.0.0.1"), one)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	put := func(authority *stacktest.Authority, c stacktest.Certificate, password string) {
		stacktest.CopyFile(t, authority.CAFile, file("ca.crt"))
		stacktest.CopyFile(t, c.CertFile, file("tls.crt"))
		stacktest.CopyFile(t, c.KeyFile, file("tls.key"))
		stacktest.Must(t, os.WriteFile(file("password"), []byte(password+"\n"), 0o600))
	}
	put(one, one.Issue(t, "first", stacktest.Tomorrow()), "first-Secret")
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{front.Addr}, Database: "links", Username: "errata", PasswordFile: file("password"),
		TLS: link.TLS{Enabled: true, CAFile: file("ca.crt"), CertFile: file("tls.crt"), KeyFile: file("tls.key"), Log: stacktest.Log(t)}})
	stacktest.Must(t, err)
	defer s.Close()
	ping := func() error {
		var err error
		for range 20 { // a connection that was cut is noticed by using it
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err = s.Ping(ctx)
			cancel()
			if err == nil {
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
		return err
	}
	if clients := front.Clients(); slices.Contains(clients, "second") || !slices.Contains(clients, "first") {
		t.Fatalf("came: %q", clients)
	}

	put(two, two.Issue(t, "second", stacktest.Tomorrow()), "second-Secret")
	stacktest.Must(t, ping()) // over the connection that is there
	front.Use(t, two.Issue(t, "clickhouse", stacktest.Tomorrow(), "127.0.0.1"), two)
	setPassword("second-Secret")
	stacktest.Must(t, server.Restart(t.Context())) // which reads the users
	front.Cut()
	stacktest.Must(t, ping())
	if clients := front.Clients(); clients[len(clients)-1] != "second" {
		t.Errorf("came: %q", clients)
	}
}
