// Package stacktest gives tests real servers: ClickHouse, the Kafka broker of package stack inside
// the test's own process, and Apache Kafka.
//
// If this machine lacks a part, the test skips and names the reason and the command that installs
// the part. With CI=true in the environment it fails instead, because a suite that skips its main
// purpose proves nothing.
package stacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"errata/internal/stack"
)

// init lets every test binary that imports this package host a ClickHouse: the server is a second
// process of the same binary. It runs before flags and TestMain, and needs no compiler, no cache
// and no help from the package under test. No other test binary is called with this argument.
func init() {
	if len(os.Args) > 1 && os.Args[1] == stack.HostCommand {
		// With os.Exit the race detector would wait for a second.
		syscall.Exit(stack.Host(os.Args[2:]))
	}
}

// ClickHouse starts a server for this test alone, with an empty data folder and free ports, and
// stops it at the end of the test. That takes a second; see [SharedClickHouse]. Options may change
// the configuration.
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

// SharedClickHouse returns the one server of all tests of a test binary, which the first call
// starts. The server outlives that test and ends with the binary, however the binary ends, and
// removes its data. Tests are isolated by [Database]. Tests that kill or fill the server need one
// of their own from [ClickHouse].
func SharedClickHouse(t testing.TB) *stack.ClickHouse {
	t.Helper()
	shared.Do(func() {
		dir, err := os.MkdirTemp(inMemory(), "errata-clickhouse-")
		if err != nil {
			shared.err = err
			return
		}
		shared.server, shared.err = stack.StartClickHouse(context.Background(),
			stack.ClickHouseConfig{Dir: dir, Ephemeral: true, Profile: cheap, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Progress: os.Stderr})
		if shared.err != nil {
			os.RemoveAll(dir)
		}
	})
	Must(t, shared.err)
	return shared.server
}

// cheap makes the server interpret expressions, which gives the same results: to compile one costs
// 0.1 s of CPU, and a test's tables are small. It also need not wait for the disk for each table
// that it creates.
var cheap = map[string]int{"compile_expressions": 0, "compile_aggregate_expressions": 0, "compile_sort_description": 0, "fsync_metadata": 0}

// inMemory returns a folder whose files are kept in memory, or "", for the usual folder of
// temporary files, if there is none with room. A server writes and removes thousands of small
// files, which on a disk takes a quarter of its CPU. Only for servers that remove their data
// however the test binary ends.
func inMemory() string {
	const folder, room = "/dev/shm", 2 << 30
	var about syscall.Statfs_t
	if err := syscall.Statfs(folder, &about); err != nil || uint64(about.Bavail)*uint64(about.Bsize) < room {
		return ""
	}
	return folder
}

var shared struct {
	sync.Once
	server *stack.ClickHouse
	err    error
}

// Database creates an empty database on the shared server and drops it at the end of the test. It
// returns the server's address and the database's name.
func Database(t testing.TB) (addr, database string) {
	t.Helper()
	c := SharedClickHouse(t)
	database = "test_" + strings.ToLower(rand.Text()[:12])
	Query(t, c, "CREATE DATABASE "+database)
	t.Cleanup(func() { Query(t, c, "DROP DATABASE IF EXISTS "+database+" SYNC") })
	return c.Addr, database
}

// Schema returns a database on the shared server in which migrate has created the schema, with
// empty tables. At the end of the test the tables are emptied for the next test: to create dozens
// of tables costs the server half a second of CPU. A database whose schema a test has changed is
// dropped. Nothing may write to it when the test has ended.
func Schema(t testing.TB, migrate func(addr, database string) error) (addr, database string) {
	t.Helper()
	c := SharedClickHouse(t)
	var used schema
	select {
	case used = <-unused:
	default:
		used.database = "test_" + strings.ToLower(rand.Text()[:12])
		Query(t, c, "CREATE DATABASE "+used.database)
		if err := migrate(c.Addr, used.database); err != nil {
			t.Fatal(err)
		}
		used.created = used.text(t, c)
	}
	t.Cleanup(func() {
		// What a killed client began may still be written.
		Query(t, c, "KILL QUERY WHERE current_database = '"+used.database+"' SYNC")
		if !t.Failed() && used.text(t, c) == used.created {
			Query(t, c, "TRUNCATE ALL TABLES FROM "+used.database+" NOT LIKE 'migrations'")
			select {
			case unused <- used:
				return
			default:
			}
		}
		Query(t, c, "DROP DATABASE IF EXISTS "+used.database+" SYNC")
	})
	return c.Addr, used.database
}

// unused are the databases of Schema that no test uses now.
var unused = make(chan schema, 100)

// A schema is a database of Schema, with its text when it was created.
type schema struct{ database, created string }

func (s schema) text(t testing.TB, c *stack.ClickHouse) string {
	t.Helper()
	return Query(t, c, "SELECT name, create_table_query, (SELECT arraySort(groupUniqArray(name)) FROM "+s.database+".migrations)"+
		" FROM system.tables WHERE database = '"+s.database+"' ORDER BY name")
}

// Query runs one statement over HTTP as the user default and returns its output without the last
// line end. It waits for a server that is being restarted after a crash, and executes a
// statement again that the crash broke off, if it is one that is safe to repeat. An error ends the
// test.
func Query(t testing.TB, c *stack.ClickHouse, sql string) string {
	t.Helper()
	// An idle connection would delay the server's shutdown by five seconds.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func() (output []byte, status int, err error) {
		resp, err := client.Post("http://"+c.HTTPAddr+"/", "text/plain", strings.NewReader(sql))
		if err != nil {
			return nil, 0, err
		}
		defer resp.Body.Close()
		output, err = io.ReadAll(resp.Body)
		return output, resp.StatusCode, err
	}
	crashed := func(err error) bool {
		broken := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		return errors.Is(err, syscall.ECONNREFUSED) || broken && repeatable.MatchString(sql)
	}
	output, status, err := post()
	for deadline := time.Now().Add(time.Minute); crashed(err) && time.Now().Before(deadline); output, status, err = post() {
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d: %s %v", sql, status, output, err)
	}
	return strings.TrimSuffix(string(output), "\n")
}

var repeatable = regexp.MustCompile(`^(SELECT|KILL|TRUNCATE|DROP DATABASE IF EXISTS)\b`)

// Library returns the path of the ClickHouse library, for the few tests that start a server by
// other means.
func Library(t testing.TB) string {
	t.Helper()
	path, err := stack.Library(t.Context(), t.Output())
	Must(t, err)
	return path
}

// Kafka starts a broker inside the test's process, with its data in a folder of the test, and stops
// it at the end of the test.
func Kafka(t testing.TB) *stack.Kafka {
	t.Helper()
	k, err := stack.StartKafka(stack.KafkaConfig{Dir: t.TempDir(), Log: Log(t)})
	Must(t, err)
	t.Cleanup(k.Stop)
	return k
}

// Log returns a logger that writes to the test's output.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// inCI reports whether skipping is an error.
func inCI() bool { return os.Getenv("CI") == "true" }

// Long skips a test with -short and says why. In CI, -short makes the test fail.
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

// Prove reports whether tests run in their long forms, which take longer than every change can wait
// for: ERRATA_PROVE=1.
func Prove() bool { return os.Getenv("ERRATA_PROVE") == "1" }

// Must ends the test on an error. It skips the test if the error is a *stack.Missing and this is
// not CI.
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
