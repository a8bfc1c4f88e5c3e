package stacktest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"errata/internal/stack"
)

// A Proxy stands before a server and simulates network faults: it can refuse connections, drop all
// traffic, and inspect, delay or cut what passes through.
type Proxy struct {
	Addr string // HOST:PORT that clients connect to; it never changes

	target string // the server
	from   string // the address that the server sees

	mu       sync.Mutex // guards
	refusing bool
	away     bool // the server is down
	listener net.Listener
	conns    map[*proxied]bool
	silence  chan struct{} // closed when the silence ends; nil without one
	tap      func() (client, server Tap)
}

// A Tap sees each piece that comes from one side of a connection before the other side gets it. It
// may wait, which delays that direction. Returning false cuts the connection.
type Tap func(piece []byte) (pass bool)

// FrontHost returns a loopback address for the n-th of several clients.
func FrontHost(n int) string { return fmt.Sprintf("127.0.0.%d", 11+n) }

// FreeAddr is like [stack.FreeAddr] but returns no address that a test still uses, of this process
// or of another: a server may start late, and be down for a while.
func FreeAddr(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "errata-test-ports")
	Must(t, os.MkdirAll(dir, 0o777))
	for {
		addr, err := stack.FreeAddr()
		Must(t, err)
		_, port, err := net.SplitHostPort(addr)
		Must(t, err)
		claim, err := os.OpenFile(filepath.Join(dir, port), os.O_CREATE|os.O_RDWR, 0o666)
		Must(t, err)
		if syscall.Flock(int(claim.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			claim.Close()
			continue
		}
		t.Cleanup(func() { claim.Close() })
		return addr
	}
}

// StartProxy starts a proxy before a server, which need not be running yet. The server sees its
// connections come from the given address.
func StartProxy(t testing.TB, target, from string) *Proxy {
	t.Helper()
	p := &Proxy{Addr: FreeAddr(t), target: target, from: from, conns: map[*proxied]bool{}}
	Must(t, p.Accept())
	t.Cleanup(p.Refuse)
	return p
}

// Refuse resets all connections and refuses new ones until Accept.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refusing = true
	p.listen() // cannot fail: it only closes
	p.mu.Unlock()
	p.Cut()
}

// Accept ends Refuse.
func (p *Proxy) Accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = false
	return p.listen()
}

// ServerAway tells the proxy that the server is down, or that it is back. While the server is down,
// the proxy refuses new connections, as the server's address itself would. To accept and then reset
// them would look different to a client.
func (p *Proxy) ServerAway(away bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	return p.listen()
}

// listen opens or closes the listener, according to the state. The caller holds mu.
func (p *Proxy) listen() error {
	switch {
	case p.refusing || p.away:
		if p.listener != nil {
			p.listener.Close()
			p.listener = nil
		}
		return nil
	case p.listener != nil:
		return nil
	}
	listener, err := net.Listen("tcp", p.Addr)
	if err != nil {
		return fmt.Errorf("proxy before %s: %w", p.target, err)
	}
	p.listener = listener
	go func() { // ends with the listener
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client.(*net.TCPConn)) // ends with the connection, at the latest in Refuse
		}
	}()
	return nil
}

// Cut resets all open connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// Silence lets nothing through in either direction until Speak, not even the end of a connection.
// To both ends it looks as if the network dropped all packets.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence == nil {
		p.silence = make(chan struct{})
	}
}

// Speak ends Silence. What was held back is delivered.
func (p *Proxy) Speak() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence != nil {
		close(p.silence)
		p.silence = nil
	}
}

// Tap makes the proxy call tap for a pair of Taps at each new connection. nil ends that.
func (p *Proxy) Tap(tap func() (client, server Tap)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tap = tap
}

// proxied is one connection.
type proxied struct {
	client, server *net.TCPConn
	gone           chan struct{} // closed by cut
	once           sync.Once
}

// cut ends a connection: with a reset towards the client, but cleanly towards the server, because
// the ClickHouse library does not survive a reset at the wrong moment.
func (c *proxied) cut() {
	c.once.Do(func() {
		close(c.gone)
		c.client.SetLinger(0)
		c.client.Close()
		c.server.Close()
	})
}

func (p *Proxy) serve(client *net.TCPConn) {
	dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.from)}}
	server, err := dialer.Dial("tcp", p.target)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return
	}
	c := &proxied{client: client, server: server.(*net.TCPConn), gone: make(chan struct{})}
	defer c.cut()
	fromClient, fromServer := func([]byte) bool { return true }, func([]byte) bool { return true }
	p.mu.Lock()
	refused := p.refusing
	if !refused {
		p.conns[c] = true
	}
	if p.tap != nil {
		tapClient, tapServer := p.tap()
		fromClient, fromServer = tapClient, tapServer
	}
	p.mu.Unlock()
	if refused {
		return
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	}()
	// Both directions end before we do. A client that has closed is still served to the end: its
	// last data may be held back here, and reach the server when the client no longer waits for an
	// answer.
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, c.client, c.server, fromClient) })
	both.Go(func() { p.pass(c, c.server, c.client, fromServer) })
	both.Wait()
}

// pass carries one direction to its end. It buffers what is held back, because the sender may go
// away meanwhile.
func (p *Proxy) pass(c *proxied, from, to *net.TCPConn, tap Tap) {
	pieces := make(chan []byte, 1024) // of up to 64 KiB: more than any INSERT of ours
	go func() {                       // ends when the connection does
		defer close(pieces)
		for {
			piece := make([]byte, 64<<10)
			n, err := from.Read(piece)
			if n > 0 {
				select {
				case pieces <- piece[:n]:
				case <-c.gone:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for piece := range pieces {
		p.awaitSound(c)
		if !tap(piece) {
			c.cut()
			return
		}
		if _, err := to.Write(piece); err != nil && to == c.server {
			c.cut()
			return
		}
	}
	p.awaitSound(c)
	to.CloseWrite()
}

// awaitSound returns when there is no silence or the connection is cut.
func (p *Proxy) awaitSound(c *proxied) {
	p.mu.Lock()
	silence := p.silence
	p.mu.Unlock()
	if silence == nil {
		return
	}
	select {
	case <-silence:
	case <-c.gone:
	}
}
