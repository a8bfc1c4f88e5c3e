package stacktest

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"errata/internal/stack"
)

// A Proxy stands before a server and makes its network bad: it can refuse
// connections, fall silent, and look at, hold or cut what passes through.
type Proxy struct {
	Addr string // HOST:PORT that clients connect to, kept for ever

	target string // the server
	from   string // the address that the server sees

	mu       sync.Mutex // guards
	refusing bool
	away     bool // the server
	listener net.Listener
	conns    map[*proxied]bool
	silence  chan struct{} // closed at its end; nil when there is none
	tap      func() (client, server Tap)
}

// A Tap is shown each piece that comes from one side of a connection before the
// other side gets it. It may wait, which holds that direction, and the answer
// false cuts the connection.
type Tap func(piece []byte) (pass bool)

// FrontHost is an address of this machine's own for the n-th of several clients.
func FrontHost(n int) string { return fmt.Sprintf("127.0.0.%d", 11+n) }

// FreeAddr is [stack.FreeAddr], but gives no address twice: a cluster wants many
// before anybody listens on the first.
func FreeAddr(t testing.TB) string {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for {
		addr, err := stack.FreeAddr()
		Must(t, err)
		if !given.addrs[addr] {
			given.addrs[addr] = true
			return addr
		}
	}
}

var given = struct {
	sync.Mutex
	addrs map[string]bool
}{addrs: map[string]bool{}}

// StartProxy starts a proxy before a server, which need not be there yet. To the
// server its connections come from the given address.
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
	p.listen() // it only closes, which does not fail
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

// ServerAway tells the proxy that nobody listens where the server was, or that
// it is back. Meanwhile new connections are refused, as without a proxy: one
// that is accepted and then reset is another thing to a client.
func (p *Proxy) ServerAway(away bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	return p.listen()
}

// listen listens or not, as it is to be by now. The caller holds mu.
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

// Cut resets all connections that there are.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// Silence lets nothing through in either direction, and no connection end, until
// Speak: what packets that are dropped on their way look like.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence == nil {
		p.silence = make(chan struct{})
	}
}

// Speak ends Silence. What was held goes on its way.
func (p *Proxy) Speak() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence != nil {
		close(p.silence)
		p.silence = nil
	}
}

// Tap makes a pair of Taps for each connection from now on. nil ends that.
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

// cut ends a connection: with a reset for the client, but in order for the
// server, since the ClickHouse library does not survive a reset at a bad moment.
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
	// Both directions end before we do. A client that has closed is still served to the end: what it sent
	// last may be held, and reaches the server when the client no longer waits for an answer.
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, c.client, c.server, fromClient) })
	both.Go(func() { p.pass(c, c.server, c.client, fromServer) })
	both.Wait()
}

// pass carries one direction to its end. What is held is kept here and not in the sender, which may go away meanwhile.
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

// awaitSound returns when there is no silence, or the connection is cut.
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
