// Package stacktest gives tests real servers: ClickHouse, and Kafka twice, once
// inside the test's own process and once as Apache ships it.
//
// A part that this machine lacks makes the test skip, with the reason and the
// command that brings it. With CI=true in the environment it fails instead: a
// suite that skips what it is for proves nothing.
package stacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"errata/internal/stack"
)

// init makes every test binary that imports this package able to host a
// ClickHouse: the server is the same binary once more. This comes before flags
// and TestMain, and needs no compiler, no cache and no help from the package
// under test. A test binary is never given this argument otherwise.
func init() {
	if len(os.Args) > 1 && os.Args[1] == stack.HostCommand {
		// os.Exit would let the race detector linger for a second.
		syscall.Exit(stack.Host(os.Args[2:]))
	}
}

// ClickHouse starts a server for this test alone, with an empty data folder and
// free ports, and stops it at the end. It takes a second; see SharedClickHouse.
// The options may change the configuration.
func ClickHouse(t testing.TB, options ...func(*stack.ClickHouseConfig)) *stack.ClickHouse {
	t.Helper()
	cfg := stack.ClickHouseConfig{Dir: t.TempDir(), Log: Log(t), Progress: t.Output()}
	for _, option := range options {
		option(&cfg)
	}
	c, err := stack.StartClickHouse(t.Context(), cfg)
	Must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// SharedClickHouse is one server for all tests of a test binary, made by the
// first that asks. It outlives the test that asked, and ends with the binary,
// however that ends, taking its data along. Tests keep apart with [Database];
// those that kill or fill the server want one of their own from [ClickHouse].
func SharedClickHouse(t testing.TB) *stack.ClickHouse {
	t.Helper()
	shared.Do(func() {
		dir, err := os.MkdirTemp("", "errata-clickhouse-")
		if err != nil {
			shared.err = err
			return
		}
		shared.server, shared.err = stack.StartClickHouse(context.Background(),
			stack.ClickHouseConfig{Dir: dir, Ephemeral: true, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Progress: os.Stderr})
		if shared.err != nil {
			os.RemoveAll(dir)
		}
	})
	Must(t, shared.err)
	return shared.server
}

var shared struct {
	sync.Once
	server *stack.ClickHouse
	err    error
}

// Database makes an empty database on the shared server, dropped at the end of
// the test, and returns the server's address and the database's name.
func Database(t testing.TB) (addr, database string) {
	t.Helper()
	c := SharedClickHouse(t)
	database = "test_" + strings.ToLower(rand.Text()[:12])
	Query(t, c, "CREATE DATABASE "+database)
	t.Cleanup(func() { Query(t, c, "DROP DATABASE IF EXISTS "+database+" SYNC") })
	return c.Addr, database
}

// Query runs one statement over HTTP as the user default and returns what it
// prints, without the last line end. It ends the test on an error.
func Query(t testing.TB, c *stack.ClickHouse, sql string) string {
	t.Helper()
	// An idle connection would make the server's stop wait for five seconds.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post("http://"+c.HTTPAddr+"/", "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s %v", sql, resp.Status, body, err)
	}
	return strings.TrimSuffix(string(body), "\n")
}

// Library returns the path of the ClickHouse library, for the few tests that
// start a server by other means.
func Library(t testing.TB) string {
	t.Helper()
	path, err := stack.Library(t.Context(), t.Output())
	Must(t, err)
	return path
}

// Kafka starts a broker inside the test's process, with its data in a folder of
// the test, and stops it at the end.
func Kafka(t testing.TB) *stack.Kafka {
	t.Helper()
	k, err := stack.StartKafka(stack.KafkaConfig{Dir: t.TempDir(), Log: Log(t)})
	Must(t, err)
	t.Cleanup(k.Stop)
	return k
}

// Log is a logger that writes to the test's output.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// inCI tells whether nothing may be skipped.
func inCI() bool { return os.Getenv("CI") == "true" }

// Long skips a test with -short, and says why; in CI it is a failure to ask for that.
func Long(t testing.TB, why string) {
	t.Helper()
	switch {
	case !testing.Short():
	case inCI():
		t.Fatal("-short leaves tests out, and CI=true needs all: " + why)
	default:
		t.Skip("-short: " + why)
	}
}

// Prove reports whether tests run in their long forms, which prove more than every change can wait for: ERRATA_PROVE=1.
func Prove() bool { return os.Getenv("ERRATA_PROVE") == "1" }

// Must ends the test on an error: with a skip when it is a *stack.Missing and
// this is not CI.
func Must(t testing.TB, err error) {
	t.Helper()
	var missing *stack.Missing
	switch {
	case err == nil:
	case errors.As(err, &missing) && !inCI():
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}
