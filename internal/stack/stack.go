// Package stack is the embedded stack: a real ClickHouse and a Kafka broker for people and tests on
// a machine without containers.
//
//	our process                      a process of its own
//	┌───────────────────────┐        ┌──────────────────────────────────┐
//	│ Stack                 │ stdin  │ Host                             │
//	│ ├─ Kafka   :9092      │ (pipe) │  libchdb.so, the whole server,   │
//	│ └─ ClickHouse ────────┼───────▶│  or `clickhouse server`          │
//	│      supervises       │        │    :9000 native, :8123 HTTP      │
//	└───────────────────────┘        └──────────────────────────────────┘
//
// Kafka is kfake, a broker written in Go, which runs as a library in this process (kafka.go).
//
// ClickHouse is a clickhouse binary if the PATH has one. Otherwise it is the library of the chdb
// project, which contains the whole server and which npm fetches once (library.go). A second
// process, the host, runs either of them (host.go). The host is this same program, started with a
// hidden command. It ends when the pipe from its parent is closed. The kernel closes the pipe even
// when the parent is killed with -9, so nothing is left behind. A server that dies unexpectedly is
// restarted on the same ports (clickhouse.go).
//
// The data of both servers share one folder and must be kept or removed together, because
// ClickHouse remembers offsets of that Kafka. Both servers keep everything they have acknowledged
// when either process is killed with -9. Neither promises to survive a loss of power.
//
// The embedded ClickHouse does not support TLS ports, CREATE USER (use a users.xml), the query_log,
// Keeper and replicated tables.
//
// Tests get their servers, and Apache's own Kafka, from stacktest.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Config describes the whole stack. The zero value starts both servers on free ports with their
// data in .errata. Commands set the usual ports.
type Config struct {
	// Dir is the folder for the data of both servers; "" means .errata.
	Dir string

	// Where the servers listen: HOST:PORT with 127.0.0.1 as the host. Port 0, the default, takes a
	// free port.
	Kafka, ClickHouse, HTTP string

	// ExternalKafka are the brokers of a Kafka that is already running. ExternalClickHouse, with
	// ExternalHTTP if known, is a ClickHouse that is already running. Up does not start a server
	// that is given here. It only checks that it can be reached.
	ExternalKafka                    []string
	ExternalClickHouse, ExternalHTTP string

	// Executable, Progress and Log are as in ClickHouseConfig.
	Executable string
	Progress   io.Writer
	Log        *slog.Logger
}

// A Stack is the pair of servers that Up started or was given.
type Stack struct {
	Brokers        []string // of Kafka, HOST:PORT
	ClickHouseAddr string   // native protocol, HOST:PORT
	ClickHouseHTTP string   // HTTP, HOST:PORT; "" when an external one's is not known

	Kafka      *Kafka      // nil when external
	ClickHouse *ClickHouse // nil when external

	lock *folderLock
}

// Up starts what the configuration asks for and returns when both servers answer. After an error
// nothing is left running. The caller must call Stop on the Stack.
func Up(ctx context.Context, cfg Config) (_ *Stack, err error) {
	if cfg.Dir == "" {
		cfg.Dir = ".errata"
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Stack{Brokers: cfg.ExternalKafka, ClickHouseAddr: cfg.ExternalClickHouse, ClickHouseHTTP: cfg.ExternalHTTP}
	defer func() {
		if err != nil {
			// Not with ctx: it may have ended, and that may be the error.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, s.Stop(ctx))
		}
	}()

	for _, addr := range cfg.ExternalKafka {
		if err := reachable(ctx, "Kafka", addr); err != nil {
			return nil, err
		}
	}
	if addr := cfg.ExternalClickHouse; addr != "" {
		if err := reachable(ctx, "ClickHouse", addr); err != nil {
			return nil, err
		}
	}

	if len(cfg.ExternalKafka) > 0 && cfg.ExternalClickHouse != "" {
		return s, nil
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if s.lock, err = lockFile(filepath.Join(cfg.Dir, "lock")); err != nil {
		var held *heldError
		if errors.As(err, &held) {
			return nil, fmt.Errorf("a stack is up on this folder already: %w; stop it or use another folder (--dir)", held)
		}
		return nil, err
	}
	if len(cfg.ExternalKafka) == 0 {
		s.Kafka, err = StartKafka(KafkaConfig{Dir: filepath.Join(cfg.Dir, "kafka"), Addr: cfg.Kafka, Log: cfg.Log})
		if err != nil {
			return nil, err
		}
		s.Brokers = []string{s.Kafka.Addr}
	}
	if cfg.ExternalClickHouse == "" {
		s.ClickHouse, err = StartClickHouse(ctx, ClickHouseConfig{
			Dir: filepath.Join(cfg.Dir, "clickhouse"), Addr: cfg.ClickHouse, HTTPAddr: cfg.HTTP,
			Executable: cfg.Executable, Progress: cfg.Progress, Log: cfg.Log})
		if err != nil {
			return nil, err
		}
		s.ClickHouseAddr, s.ClickHouseHTTP = s.ClickHouse.Addr, s.ClickHouse.HTTPAddr
	}
	return s, nil
}

// validate checks the addresses before anything is started.
func (c Config) validate() error {
	owner := map[string]string{}
	for _, listener := range []struct{ flag, addr string }{{"--kafka", c.Kafka}, {"--clickhouse", c.ClickHouse}, {"--http", c.HTTP}} {
		addr, err := checkAddr(listener.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", listener.flag, err)
		}
		if other, taken := owner[addr]; taken && addr != anyPort {
			return fmt.Errorf("%s and %s are both %s: give each a port of its own", other, listener.flag, addr)
		}
		owner[addr] = listener.flag
	}
	return nil
}

// Stop stops the servers in the reverse order of their start. It kills what still runs when ctx
// ends.
func (s *Stack) Stop(ctx context.Context) error {
	var err error
	if s.ClickHouse != nil {
		err = s.ClickHouse.Stop(ctx)
	}
	if s.Kafka != nil {
		s.Kafka.Stop()
	}
	if s.lock != nil {
		s.lock.release()
	}
	return err
}

// reachable checks that an external server accepts connections, before anything else is started.
func reachable(ctx context.Context, what, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("%s at %s cannot be reached: %w", what, addr, err)
	}
	return conn.Close()
}
