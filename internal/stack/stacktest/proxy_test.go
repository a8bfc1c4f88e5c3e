package stacktest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// echo is a server that sends every line back, and tells on a channel of each that it got.
func echo(t *testing.T) (addr string, got chan string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	got = make(chan string, 100)
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer conn.Close()
				for lines := bufio.NewReader(conn); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					got <- conn.RemoteAddr().(*net.TCPAddr).IP.String() + " " + line
					io.WriteString(conn, line)
				}
			}()
		}
	}()
	return listener.Addr().String(), got
}

func TestProxy(t *testing.T) {
	addr, got := echo(t)
	p := StartProxy(t, addr, FrontHost(3))
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	say := func(conn net.Conn, line string, patience time.Duration) error {
		if _, err := io.WriteString(conn, line+"\n"); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && answer != line+"\n" {
			t.Errorf("said %q, heard %q", line, answer)
		}
		return err
	}
	expect := func(what string, err error, want error) {
		t.Helper()
		var timeout net.Error
		if want == nil && err == nil || want != nil && errors.Is(err, want) || want == syscall.ETIMEDOUT && errors.As(err, &timeout) && timeout.Timeout() {
			return
		}
		t.Errorf("%s: %v, want %v", what, err, want)
	}

	conn := dial()
	expect("an open way", say(conn, "hello", time.Second), nil)
	if line := <-got; line != "127.0.0.14 hello\n" {
		t.Errorf("the server got %q", line)
	}

	p.Silence()
	expect("silence", say(conn, "anybody?", 100*time.Millisecond), syscall.ETIMEDOUT)
	p.Speak()
	conn.SetReadDeadline(time.Now().Add(time.Second))
	if answer, err := bufio.NewReader(conn).ReadString('\n'); answer != "anybody?\n" {
		t.Errorf("after the silence: %q %v", answer, err)
	}
	<-got

	p.Refuse()
	expect("a connection that was refused later", say(conn, "hello", time.Second), syscall.ECONNRESET)
	if _, err := net.Dial("tcp", p.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	if err := p.Accept(); err != nil {
		t.Fatal(err)
	}

	// The answer is cut off, and what is held arrives although the client has gone.
	hold := make(chan bool)
	p.Tap(func() (client, server Tap) {
		return func([]byte) bool { return <-hold }, func([]byte) bool { return false }
	})
	conn = dial()
	expect("held", say(conn, "late", 100*time.Millisecond), syscall.ETIMEDOUT)
	conn.Close()
	select {
	case line := <-got:
		t.Errorf("%q got through", line)
	case <-time.After(50 * time.Millisecond):
	}
	hold <- true
	if line := <-got; line != "127.0.0.14 late\n" {
		t.Errorf("the server got %q", line)
	}
	conn = dial()
	go func() { hold <- true }() // ends with the line below
	expect("an answer that is cut off", say(conn, "hello", time.Second), syscall.ECONNRESET)
}
