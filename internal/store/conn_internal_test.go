package store

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// deadlines is a connection that remembers its read deadline.
type deadlines struct {
	net.Conn
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.read = t; return nil }
func (d *deadlines) SetDeadline(t time.Time) error     { d.read = t; return nil }
func (d *deadlines) Read(p []byte) (int, error)        { return len(p), nil }

// A query may take as long as it likes while the server sends something.
func TestReadTimeoutIsOfSilence(t *testing.T) {
	t.Parallel()
	under := &deadlines{}
	c := waiting(under)
	read := func() time.Time {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return under.read
	}
	past := time.Now().Add(-time.Minute) // of a query that began long ago
	if err := c.SetReadDeadline(past); err != nil {
		t.Fatal(err)
	}
	if got := read(); !got.After(past.Add(readTimeout)) {
		t.Errorf("the deadline of a read is %v, that of the query was %v", got, past)
	}
	if err := c.SetDeadline(past); err != nil { // a context's
		t.Fatal(err)
	}
	if got := read(); !got.Equal(past) {
		t.Errorf("a read moved the deadline of the context from %v to %v", past, got)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := read(); !got.IsZero() {
		t.Errorf("a connection without a query has the deadline %v", got)
	}
}

func TestIdleConnectionsCanBeChecked(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := waiting(conn).(syscall.Conn); !ok {
		t.Error("the client cannot see whether the server has closed a connection")
	}
}
