// Package stack is the embedded stack: a real ClickHouse and a Kafka broker for
// people and tests on a machine without containers.
//
//	our process                      a process of its own
//	┌───────────────────────┐        ┌──────────────────────────────────┐
//	│ Stack                 │ stdin  │ Host                             │
//	│ ├─ Kafka   :9092      │ (pipe) │  libchdb.so, the whole server,   │
//	│ └─ ClickHouse ────────┼───────▶│  or `clickhouse server`          │
//	│      supervises       │        │    :9000 native, :8123 HTTP      │
//	└───────────────────────┘        └──────────────────────────────────┘
//
// Kafka is kfake, a broker written in Go: a library in this process (kafka.go).
//
// ClickHouse is the library of the chdb project, which holds the whole server
// and is brought by npm once (library.go); or a clickhouse binary, where there
// is one on the PATH. Either is run by a second process, the host (host.go),
// which is this same program started with a hidden command. The host ends when
// the pipe to it is closed, which the kernel does also for a parent killed with
// -9: nothing is left behind. A server that dies unasked is started again on the
// same ports (clickhouse.go).
//
// The data of both live in one folder, and live and die together: ClickHouse
// remembers offsets of that Kafka. Both survive kill -9 of either process with
// all they have acknowledged; neither promises to survive a loss of power.
//
// What does not run here: TLS ports, CREATE USER (use a users.xml), the
// query_log, Keeper, replicated tables.
//
// Tests get their servers, and a Kafka as Apache ships it, from stacktest.
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

// Config is the whole stack. The zero value starts both parts on free ports with
// their data in .errata; a command sets the usual ports.
type Config struct {
	// Dir is the folder for the data of both parts; "" is .errata.
	Dir string

	// Where the parts listen: HOST:PORT with 127.0.0.1 as the host. Port 0, the
	// default, takes a free one.
	Kafka, ClickHouse, HTTP string

	// ExternalKafka are the brokers of a Kafka that runs already, and
	// ExternalClickHouse (with ExternalHTTP, if it is known) is a ClickHouse
	// that does. What is given here is not started, only asked whether it is
	// there.
	ExternalKafka                    []string
	ExternalClickHouse, ExternalHTTP string

	// Executable, Progress and Log are as in ClickHouseConfig.
	Executable string
	Progress   io.Writer
	Log        *slog.Logger
}

// A Stack is what Up has started.
type Stack struct {
	Brokers        []string // of Kafka, HOST:PORT
	ClickHouseAddr string   // native protocol, HOST:PORT
	ClickHouseHTTP string   // HTTP, HOST:PORT; "" when an external one's is not known

	Kafka      *Kafka      // nil when external
	ClickHouse *ClickHouse // nil when external

	lock *folderLock
}

// Up starts what the configuration asks for and returns when both answer. After
// an error nothing is left running. Whoever has a Stack calls Stop.
func Up(ctx context.Context, cfg Config) (_ *Stack, err error) {
	if cfg.Dir == "" {
		cfg.Dir = ".errata"
	}
	s := &Stack{Brokers: cfg.ExternalKafka, ClickHouseAddr: cfg.ExternalClickHouse, ClickHouseHTTP: cfg.ExternalHTTP}
	defer func() {
		if err != nil {
			// Not with ctx, whose end may be why we are here.
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

// Stop ends the parts in the reverse order of their start. What still runs when
// ctx ends is killed.
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

// reachable tells a server that is not there from one that is, before anything
// is started for its sake.
func reachable(ctx context.Context, what, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("%s at %s cannot be reached: %w", what, addr, err)
	}
	return conn.Close()
}
