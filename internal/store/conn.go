package store

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"errata/internal/link"
)

// conn is a pool of connections to a server. What a server refuses because it is shutting down is
// link.ErrUnreachable, as if the connection had broken.
type conn struct {
	driver.Conn
	addr string // as error texts show it
}

// told marks an error that says that the server is shutting down.
func (c conn) told(err error) error {
	if isCode(err, codeAborted) {
		return &shuttingDown{c.addr, err}
	}
	return err
}

// shuttingDown is the error of a server that is shutting down.
type shuttingDown struct {
	addr string
	err  error
}

func (e *shuttingDown) Error() string {
	return fmt.Sprintf("clickhouse at %s is shutting down, or cancels our queries (%s): try again when it is up", e.addr, firstLine(e.err.Error()))
}

func (e *shuttingDown) Unwrap() []error { return []error{link.ErrUnreachable, e.err} }

func (c conn) Ping(ctx context.Context) error { return c.told(c.Conn.Ping(ctx)) }

func (c conn) Exec(ctx context.Context, sql string, args ...any) error {
	return c.told(c.Conn.Exec(ctx, sql, args...))
}

func (c conn) Select(ctx context.Context, into any, sql string, args ...any) error {
	return c.told(c.Conn.Select(ctx, into, sql, args...))
}

func (c conn) Query(ctx context.Context, sql string, args ...any) (driver.Rows, error) {
	found, err := c.Conn.Query(ctx, sql, args...)
	return rows{found, c}, c.told(err)
}

func (c conn) QueryRow(ctx context.Context, sql string, args ...any) driver.Row {
	return row{c.Conn.QueryRow(ctx, sql, args...), c}
}

func (c conn) PrepareBatch(ctx context.Context, sql string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	prepared, err := c.Conn.PrepareBatch(ctx, sql, options...)
	return batch{prepared, c}, c.told(err)
}

type rows struct {
	driver.Rows
	of conn
}

func (r rows) Err() error { return r.of.told(r.Rows.Err()) }

type row struct {
	driver.Row
	of conn
}

func (r row) Err() error                { return r.of.told(r.Row.Err()) }
func (r row) Scan(into ...any) error    { return r.of.told(r.Row.Scan(into...)) }
func (r row) ScanStruct(into any) error { return r.of.told(r.Row.ScanStruct(into)) }

type batch struct {
	driver.Batch
	of conn
}

func (b batch) Send() error  { return b.of.told(b.Batch.Send()) }
func (b batch) Flush() error { return b.of.told(b.Batch.Flush()) }

// patient is a connection whose read deadline is a limit of silence. The ClickHouse client sets its
// deadline once for each query, which would end every query that takes as long, although a server
// that works sends its progress. A deadline of a context stays what it is.
type patient struct {
	net.Conn
	silence time.Duration
	waits   atomic.Bool // for the next bytes, with a read deadline
}

// waiting returns a connection as a patient one, on which the client can still see whether the
// server has closed it while it was idle.
func waiting(conn net.Conn) net.Conn {
	p := &patient{Conn: conn, silence: readTimeout}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if raw, ok := conn.(syscall.Conn); ok {
		return patientSocket{p, raw}
	}
	return p
}

// patientSocket is a patient connection over a socket.
type patientSocket struct {
	*patient
	syscall.Conn
}

func (p *patient) SetReadDeadline(t time.Time) error {
	p.waits.Store(!t.IsZero())
	return p.Conn.SetReadDeadline(t)
}

func (p *patient) SetDeadline(t time.Time) error {
	p.waits.Store(false)
	return p.Conn.SetDeadline(t)
}

func (p *patient) Read(into []byte) (int, error) {
	if p.waits.Load() {
		if err := p.Conn.SetReadDeadline(time.Now().Add(p.silence)); err != nil {
			return 0, err
		}
	}
	return p.Conn.Read(into)
}
