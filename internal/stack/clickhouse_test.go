package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

func TestClickHouseKeepsData(t *testing.T) {
	t.Parallel()
	c := stacktest.ClickHouse(t, func(cfg *stack.ClickHouseConfig) { cfg.Profile = map[string]int{"max_threads": 7} })
	addr, httpAddr := c.Addr, c.HTTPAddr
	stacktest.Query(t, c, "CREATE DATABASE d")
	stacktest.Query(t, c, "CREATE TABLE d.t (n Int64) ENGINE = MergeTree ORDER BY n")
	insert := func() { stacktest.Query(t, c, "INSERT INTO d.t SELECT number FROM numbers(1000)") }
	rows := func(want string) {
		t.Helper()
		if got := stacktest.Query(t, c, "SELECT count() FROM d.t"); got != want {
			t.Errorf("%s rows, want %s", got, want)
		}
	}

	insert()
	pid := c.Pid()
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Pid() != 0 || alive(pid) {
		t.Errorf("process %d is there after Stop", pid)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	restart(t, c)
	rows("1000")

	insert()
	c.Kill()
	if c.Pid() != 0 {
		t.Error("a process is there after Kill")
	}
	restart(t, c)
	rows("2000")
	if got := stacktest.Query(t, c, "SELECT getSetting('max_threads')"); got != "7" {
		t.Errorf("max_threads is %s, want 7", got)
	}
	if c.Addr != addr || c.HTTPAddr != httpAddr {
		t.Errorf("now on %s and %s, was on %s and %s", c.Addr, c.HTTPAddr, addr, httpAddr)
	}
	// The limits for small machines must leave room for what tables need.
	stacktest.Query(t, c, "OPTIMIZE TABLE d.t FINAL")
	stacktest.Query(t, c, "ALTER TABLE d.t DELETE WHERE n < 500 SETTINGS mutations_sync = 1")
	rows("1000")
}

func TestClickHouseEphemeral(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	c := stacktest.ClickHouse(t, func(cfg *stack.ClickHouseConfig) { cfg.Dir, cfg.Ephemeral = dir, true })
	stacktest.Query(t, c, "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
	for range 2 {
		if err := c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the data folder is still there: %v", err)
		}
		restart(t, c)
		if got := stacktest.Query(t, c, "EXISTS t"); got != "0" {
			t.Errorf("EXISTS t: %s", got)
		}
	}
}

func restart(t *testing.T, c *stack.ClickHouse) {
	t.Helper()
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func alive(pid int) bool { return pid != 0 && syscall.Kill(pid, 0) == nil }

// A server that somebody else ends is started again, on the same ports.
func TestClickHouseIsSupervised(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	c := stacktest.ClickHouse(t, func(cfg *stack.ClickHouseConfig) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	stacktest.Query(t, c, "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
	awaitSuccessor := func(old int) {
		t.Helper()
		for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
			if pid := c.Pid(); pid != 0 && pid != old {
				if got := stacktest.Query(t, c, "SELECT count() FROM t"); got != "0" {
					t.Errorf("count: %s", got)
				}
				return
			}
		}
		t.Fatalf("no new server after 30 s; log:\n%s", log.String())
	}

	old := c.Pid()
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitSuccessor(old)
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "signal: killed") {
		t.Errorf("log: %s", got)
	}

	// What the supervision is for: a client that resets the connection in the
	// middle of the handshake.
	old = c.Pid()
	for range 50 {
		conn, err := net.Dial("tcp", c.Addr)
		if err != nil {
			break
		}
		conn.Write([]byte{0, 4, 'n', 'a', 'm', 'e'}) // a hello that stops short
		conn.(*net.TCPConn).SetLinger(0)             // Close resets
		time.Sleep(5 * time.Millisecond)
		conn.Close()
	}
	if c.Pid() == old {
		t.Log("50 resets did not end this server")
	} else {
		awaitSuccessor(old)
		if got := log.String(); !strings.Contains(got, "signal: aborted") || !strings.Contains(got, "aborts when a client breaks off its connection") {
			t.Errorf("log: %s", got)
		}
	}
}

// A host whose parent is gone ends in order; and a server of before, still on
// its way out, is waited for.
func TestClickHouseWaitsForItsPredecessor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := stacktest.ClickHouse(t, func(cfg *stack.ClickHouseConfig) { cfg.Dir = dir })
	stacktest.Query(t, first, "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
	pid := first.Pid()
	// As if the parent were gone, but for the pipe: SIGTERM instead.
	go func() {
		time.Sleep(300 * time.Millisecond)
		first.Stop(context.Background())
	}()
	second := stacktest.ClickHouse(t, func(cfg *stack.ClickHouseConfig) {
		cfg.Dir, cfg.Addr, cfg.HTTPAddr = dir, first.Addr, first.HTTPAddr
	})
	if got := stacktest.Query(t, second, "EXISTS t"); got != "1" {
		t.Errorf("EXISTS t: %s", got)
	}
	if alive(pid) {
		t.Errorf("process %d is still there", pid)
	}
}

func TestClickHousePortInUse(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	_, port, _ := net.SplitHostPort(taken)

	_, err = stack.StartClickHouse(t.Context(), stack.ClickHouseConfig{Dir: t.TempDir(), Addr: taken})
	wantWords(t, err, "port "+port, "is in use", "--clickhouse")
	_, err = stack.StartClickHouse(t.Context(), stack.ClickHouseConfig{Dir: t.TempDir(), HTTPAddr: taken})
	wantWords(t, err, "port "+port, "is in use", "--http")
	_, err = stack.StartClickHouse(t.Context(), stack.ClickHouseConfig{Dir: t.TempDir(), Addr: "0.0.0.0:9000"})
	wantWords(t, err, "0.0.0.0:9000", "127.0.0.1 only")
	_, err = stack.StartClickHouse(t.Context(), stack.ClickHouseConfig{Dir: t.TempDir(), Addr: "9000"})
	wantWords(t, err, `"9000"`, "HOST:PORT")
}

// A stranger who takes the port between our look and the server's listening is
// not mistaken for our server, though it answers /ping.
func TestClickHouseIsNotMistakenForAnother(t *testing.T) {
	t.Parallel()
	stacktest.Library(t)
	addr := stacktest.FreeAddr(t)
	stranger := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "Ok.") })}
	defer stranger.Close()
	// The executable takes the port instead of serving, and stays.
	script := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		stranger.ListenAndServe()
	}()
	_, err := stack.StartClickHouse(t.Context(), stack.ClickHouseConfig{Dir: t.TempDir(), HTTPAddr: addr, Executable: script})
	wantWords(t, err, addr, "another ClickHouse")
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v is not EADDRINUSE", err)
	}
}

const testUsers = `<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT READ ON FILE</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
      </grants>
    </default>
    <writer>
      <password>right</password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </writer>
  </users>
</clickhouse>
`

func TestClickHouseUsers(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users.xml")
	if err := os.WriteFile(users, []byte(testUsers), 0o600); err != nil {
		t.Fatal(err)
	}
	c := stacktest.ClickHouse(t, func(cfg *stack.ClickHouseConfig) { cfg.Users = users })
	try := func(user, password, sql string) error {
		conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{c.Addr}, Auth: clickhouse.Auth{Username: user, Password: password}})
		if err != nil {
			return err
		}
		defer conn.Close()
		return conn.Exec(t.Context(), sql)
	}
	if err := try("writer", "right", "CREATE DATABASE d"); err != nil {
		t.Error(err)
	}
	var exception *clickhouse.Exception
	if err := try("default", "", "CREATE DATABASE e"); !errors.As(err, &exception) || exception.Code != 497 {
		t.Errorf("default: %v, want code 497", err)
	}
	// Last, since clickhouse-go answers the refusal with a reset, on which the
	// library aborts more often than not.
	if err := try("writer", "wrong", "SELECT 1"); !errors.As(err, &exception) || exception.Code != 516 {
		t.Errorf("wrong password: %v, want code 516", err)
	}
}

func TestClickHouseVersion(t *testing.T) {
	good := func(said string) {
		t.Helper()
		if err := stack.CheckVersion(said); err != nil {
			t.Errorf("%q: %v", said, err)
		}
	}
	bad := func(said string, words ...string) {
		t.Helper()
		wantWords(t, stack.CheckVersion(said), words...)
	}
	good("ClickHouse local version 25.8.4.13 (official build).\n")
	good("ClickHouse server version 26.7.2.1 (official build).\n")
	good("ClickHouse client version 26.1.1.1.\n")
	bad("ClickHouse server version 25.7.9.1.", "25.7.9.1")
	bad("ClickHouse server version 18.16.1.", "18.16.1")
	bad("clickhouse: not found\n", "no version in", "not found")
}

// A binary on the PATH is taken, if it is not too old. There is none here, so
// this one hosts the library behind a binary's command line.
func TestClickHouseBinary(t *testing.T) {
	library := stacktest.Library(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sed, err := exec.LookPath("sed")
	if err != nil {
		stacktest.Must(t, &stack.Missing{Part: "the stand-in for a clickhouse binary is a script that needs sed", Remedy: "apt-get install sed", Err: err})
	}
	bin := t.TempDir()
	binary := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, "clickhouse"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))

	binary("echo ClickHouse server version 18.16.1.\n")
	_, err = stack.StartClickHouse(t.Context(), stack.ClickHouseConfig{Dir: t.TempDir()})
	wantMissing(t, err, bin+"/clickhouse is too old", "18.16.1", "25.8")

	// Standard input is a pipe that stays open, as a server does not look at it.
	binary(strings.NewReplacer("SED", sed, "SELF", self, "LIBRARY", library).Replace(`
[ "$1" = --version ] && { echo "ClickHouse server version 26.7.2.1 (official build)."; exit; }
[ "$1" = server ] || exit 9
config=${2#--config-file=}
get() { SED -n "s:.*<$1>\(.*\)</$1>.*:\1:p" "$config"; }
users=$(get users_config)
[ -s "$users" ] || { echo "no users in '$users'"; exit 8; }
mkdir -p "$(get path)inner"
rm -f fifo; mkfifo fifo; exec 3<>fifo
exec SELF host -library=LIBRARY -dir="$(get path)inner" -config="$config" -tcp="$(get tcp_port)" -http="$(get http_port)" <fifo
`))
	c := stacktest.ClickHouse(t)
	stacktest.Query(t, c, "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
	c.Kill()
	restart(t, c)
	if got := stacktest.Query(t, c, "EXISTS t"); got != "1" {
		t.Errorf("EXISTS t: %s", got)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSharedClickHouse(t *testing.T) {
	t.Parallel()
	var names []string
	for range 2 {
		t.Run("", func(t *testing.T) {
			addr, database := stacktest.Database(t)
			conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{addr}, Auth: clickhouse.Auth{Database: database}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Exec(t.Context(), "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n"); err != nil {
				t.Error(err)
			}
			names = append(names, database)
		})
	}
	for _, name := range names {
		if got := stacktest.Query(t, stacktest.SharedClickHouse(t), "EXISTS DATABASE "+name); got != "0" {
			t.Errorf("database %s is still there", name)
		}
	}
}

// A database is used again, with empty tables, unless a test changed its schema.
func TestSchemaIsUsedAgain(t *testing.T) {
	created := 0
	migrate := func(addr, database string) error {
		created++
		for _, sql := range []string{"TABLE @.t (n Int64) ENGINE = MergeTree ORDER BY n", "TABLE @.m (n Int64) ENGINE = Memory", "VIEW @.v AS SELECT n FROM @.t",
			"TABLE @.migrations (name String) ENGINE = MergeTree ORDER BY name AS SELECT '0001'"} {
			stacktest.Query(t, stacktest.SharedClickHouse(t), "CREATE "+strings.ReplaceAll(sql, "@", database))
		}
		return nil
	}
	for _, step := range []struct {
		created int
		sql     string // what the test does with it
	}{{1, "INSERT INTO @.t VALUES (1)"}, {1, "INSERT INTO @.m VALUES (1)"}, {1, "ALTER TABLE @.t ADD COLUMN x Int64"},
		{2, "DROP VIEW @.v"}, {3, "ALTER TABLE @.migrations DELETE WHERE 1 SETTINGS mutations_sync = 2"}, {4, "SELECT 1"}} {
		t.Run("", func(t *testing.T) {
			_, database := stacktest.Schema(t, migrate)
			query := func(sql string) string {
				return stacktest.Query(t, stacktest.SharedClickHouse(t), strings.ReplaceAll(sql, "@", database))
			}
			if got := query("SELECT (SELECT count() FROM @.v), (SELECT count() FROM @.m), (SELECT count() FROM @.migrations)"); got != "0\t0\t1" || created != step.created {
				t.Errorf("before %q: rows %q, %d databases created, want %d", step.sql, got, created, step.created)
			}
			query(step.sql)
		})
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
