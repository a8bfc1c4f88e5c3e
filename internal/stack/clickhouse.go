package stack

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ClickHouseConfig configures a ClickHouse that we start. Only Dir is required.
type ClickHouseConfig struct {
	// Dir is the data folder. It is created if it does not exist. The log files, small and rotated,
	// are in Dir/log.
	Dir string

	// Addr is for the native protocol and HTTPAddr for HTTP, both HOST:PORT with 127.0.0.1 as the
	// host. Port 0, the default, takes a free port and keeps it over restarts.
	Addr, HTTPAddr string

	// Users is the path of a users.xml. "" means one user, default, without a password and with all
	// rights. A file of your own must have the user default without a password and at least with
	// SYSTEM LISTEN, READ ON FILE and CREATE TEMPORARY TABLE, because the library starts its
	// listeners as that user.
	Users string

	// Profile holds settings of the user default, such as max_threads, if Users is "".
	Profile map[string]int

	// Executable is a program that calls [Host] when its first argument is [HostCommand]; "" means
	// the running program.
	Executable string

	// Ephemeral makes the server remove Dir when it ends, even if we were killed. For tests.
	Ephemeral bool

	// Log gets a line when the server dies unexpectedly and is restarted, and when a start has to
	// wait. nil discards them.
	Log *slog.Logger

	// Progress shows the download of the library. nil discards it.
	Progress io.Writer
}

// A ClickHouse is a server that we started. It is a process of its own, which is restarted on the
// same ports when it dies unexpectedly and which ends when our process ends. Its methods are safe
// for concurrent use.
type ClickHouse struct {
	Addr     string // HOST:PORT of the native protocol
	HTTPAddr string // HOST:PORT of HTTP

	cfg     ClickHouseConfig
	program program

	// asking serializes Restart, Stop and Kill.
	asking sync.Mutex
	// supervisor is nil while the server is meant to be down. Guarded by asking.
	supervisor *supervisor

	current sync.Mutex // guards
	proc    *process   // the running one, nil if none runs
}

// A supervisor is the goroutine that replaces the process when it dies.
type supervisor struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// startTimeout is how long a start may take. A cold machine reads half a gigabyte first.
const startTimeout = 90 * time.Second

// predecessorTimeout is how long a new server waits for a previous one on the same folder whose
// parent was killed. That one may take five seconds while clients stay connected.
const predecessorTimeout = 30 * time.Second

// StartClickHouse starts a server and returns when it answers. It prefers a clickhouse binary on
// the PATH to the library. Errors that a user can fix are one sentence: a *[Missing], a port in
// use, a folder in use.
func StartClickHouse(ctx context.Context, cfg ClickHouseConfig) (*ClickHouse, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	var err error
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	if cfg.Executable == "" {
		if cfg.Executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find the running program: %w", err)
		}
	}
	if cfg.Users != "" {
		if cfg.Users, err = filepath.Abs(cfg.Users); err != nil {
			return nil, err
		}
		if _, err := os.Stat(cfg.Users); err != nil {
			return nil, fmt.Errorf("read the ClickHouse users: %w", err)
		}
	}
	c := &ClickHouse{cfg: cfg}
	if c.program, err = findProgram(ctx, cfg.Progress); err != nil {
		return nil, err
	}

	// Another program may take a free port before we do. Then try again with other ports.
	for attempt := 1; ; attempt++ {
		if c.Addr, err = choosePort(cfg.Addr); err != nil {
			return nil, fmt.Errorf("ClickHouse's address: %w", err)
		}
		if c.HTTPAddr, err = choosePort(cfg.HTTPAddr); err != nil {
			return nil, fmt.Errorf("ClickHouse's HTTP address: %w", err)
		}
		err = c.Restart(ctx)
		chosen := c.Addr != cfg.Addr && c.HTTPAddr != cfg.HTTPAddr
		if err == nil || !chosen || !errors.Is(err, syscall.EADDRINUSE) || attempt == 5 {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Restart starts the server after Kill or Stop, on the same ports. It does nothing if the server
// was not ended by one of them.
func (c *ClickHouse) Restart(ctx context.Context) error {
	c.asking.Lock()
	defer c.asking.Unlock()
	if c.supervisor != nil {
		return nil
	}
	proc, err := c.launch(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.supervisor = &supervisor{cancel: cancel, ended: make(chan struct{})}
	go c.supervise(ctx, proc, c.supervisor.ended) // ended by unsupervise
	return nil
}

// Stop shuts the server down and returns when its process is gone, usually within two seconds. If
// ctx ends first, Stop kills the server and returns an error.
func (c *ClickHouse) Stop(ctx context.Context) error {
	c.asking.Lock()
	defer c.asking.Unlock()
	proc := c.unsupervise()
	if proc == nil {
		return nil
	}
	proc.stdin.Close() // see Host
	select {
	case <-proc.done:
	case <-ctx.Done():
		proc.kill()
		<-proc.done
		return fmt.Errorf("stop ClickHouse (killed instead): %w", ctx.Err())
	}
	if proc.err != nil {
		// The server is gone, as the caller asked, and its data are safe.
		c.cfg.Log.Warn("ClickHouse failed while shutting down", "addr", c.Addr, "error", fmt.Sprintf("%v%s", proc.err, proc.lastWords()))
	}
	return nil
}

// Kill kills the server, as kill -9 does, and returns when its process is gone. The server stays
// down until Restart. For tests of faults.
func (c *ClickHouse) Kill() {
	c.asking.Lock()
	defer c.asking.Unlock()
	if proc := c.unsupervise(); proc != nil {
		proc.kill()
		<-proc.done
	}
}

// Pid returns the process id of the server, or 0 while it is not running.
func (c *ClickHouse) Pid() int {
	c.current.Lock()
	defer c.current.Unlock()
	if c.proc == nil {
		return 0
	}
	select {
	case <-c.proc.done:
		return 0
	default:
		return c.proc.cmd.Process.Pid
	}
}

// unsupervise ends the supervisor and hands its process to the caller. It returns nil if there was
// no supervisor, or if the process had died and was not replaced yet. The caller holds asking.
func (c *ClickHouse) unsupervise() *process {
	if c.supervisor == nil {
		return nil
	}
	c.supervisor.cancel()
	<-c.supervisor.ended
	c.supervisor = nil

	c.current.Lock()
	defer c.current.Unlock()
	proc := c.proc
	c.proc = nil
	return proc
}

// supervise starts a new process whenever proc dies. The library aborts when a client resets its
// connection during the handshake, so this does happen.
func (c *ClickHouse) supervise(ctx context.Context, proc *process, ended chan<- struct{}) {
	defer close(ended)
	const shortest, longest = 100 * time.Millisecond, 5 * time.Second
	wait := shortest
	for {
		started := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-proc.done:
		}
		about := []any{"addr", c.Addr, "pid", proc.cmd.Process.Pid, "error", fmt.Sprintf("%v%s", proc.err, proc.lastWords())}
		if c.program.library != "" && proc.aborted() {
			about = append(about, "help", brokenOff)
		}
		c.cfg.Log.Warn("ClickHouse died and is being restarted", about...)
		if time.Since(started) > time.Minute {
			wait = shortest
		}
		for proc = nil; proc == nil; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, longest)
			var err error
			if proc, err = c.launch(ctx); err != nil && ctx.Err() == nil {
				c.cfg.Log.Warn("failed to restart ClickHouse", "addr", c.Addr, "retry_in", wait, "error", err)
			}
		}
	}
}

// brokenOff is what the log says when the library has aborted.
const brokenOff = "the library aborts when a client breaks off its connection during the handshake, as one that is killed or has a wrong password does; " +
	"the data are safe, and queries that fail meanwhile can be repeated"

// aborted reports whether the process ended itself with SIGABRT.
func (p *process) aborted() bool {
	exit := (*exec.ExitError)(nil)
	if !errors.As(p.err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGABRT
}

// A process is one run of the host.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer     // closing it asks the process to shut down
	words string        // path of its output, which is short unless it crashes
	done  chan struct{} // closed when the process is gone
	err   error         // why the process ended; set before done is closed
}

func (p *process) kill() {
	// The group contains the host and, if it runs a binary, that one too.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// lastWords returns the last output of the process, as the end of a sentence.
func (p *process) lastWords() string {
	words, err := os.ReadFile(p.words)
	if err != nil {
		return ""
	}
	if said := lastLines(string(words[max(0, len(words)-4096):]), 3); said != "" {
		return ": " + said
	}
	return ""
}

// inOwnGroup gives a child a process group of its own, so that a terminal's Ctrl-C reaches only us
// and we stop the child ourselves. When the context of the command ends, the whole group is killed.
func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cmd.Cancel != nil {
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	}
}

// launch starts one process, waits until it answers and makes it the current one. If ctx ends
// before that, launch kills the process.
func (c *ClickHouse) launch(ctx context.Context) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := os.MkdirAll(filepath.Join(c.cfg.Dir, "log"), 0o755); err != nil {
		return nil, fmt.Errorf("make the ClickHouse data folder: %w", err)
	}
	if err := c.awaitPredecessor(ctx); err != nil {
		return nil, err
	}
	if err := portsFree(c.Addr, c.HTTPAddr); err != nil {
		return nil, err
	}

	nonce := rand.Text()
	config := filepath.Join(c.cfg.Dir, "config.xml")
	if err := os.WriteFile(config, c.serverConfig(nonce), 0o600); err != nil {
		return nil, fmt.Errorf("write the ClickHouse configuration: %w", err)
	}
	if c.writesUsers() {
		if err := os.WriteFile(filepath.Join(c.cfg.Dir, "users.xml"), c.defaultUsers(), 0o600); err != nil {
			return nil, fmt.Errorf("write the ClickHouse users: %w", err)
		}
	}
	h := hostArgs{library: c.program.library, server: c.program.server, dir: c.cfg.Dir, config: config,
		level: logLevel, ephemeral: c.cfg.Ephemeral}
	_, h.tcp, _ = net.SplitHostPort(c.Addr)
	_, h.http, _ = net.SplitHostPort(c.HTTPAddr)

	p := &process{words: filepath.Join(c.cfg.Dir, "log", "host.log"), done: make(chan struct{})}
	out, err := os.Create(p.words)
	if err != nil {
		return nil, fmt.Errorf("make the ClickHouse host's log: %w", err)
	}
	defer out.Close()
	p.cmd = exec.Command(c.cfg.Executable, h.list()...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	inOwnGroup(p.cmd)
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start ClickHouse: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ClickHouse: %w", err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }() // ends with the process
	if err := c.awaitReady(ctx, p, nonce); err != nil {
		p.kill()
		<-p.done
		return nil, err
	}
	c.current.Lock()
	c.proc = p
	c.current.Unlock()
	return p, nil
}

// awaitPredecessor waits for a server whose parent was killed a moment ago and that is still
// shutting down, with our folder and perhaps our ports.
func (c *ClickHouse) awaitPredecessor(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, predecessorTimeout)
	defer cancel()
	lock, err := awaitLockFile(ctx, filepath.Join(c.cfg.Dir, hostLock), func(held *heldError) {
		c.cfg.Log.Info("waiting for the previous ClickHouse to end", "dir", c.cfg.Dir, "pid", held.PID)
	})
	var held *heldError
	if errors.As(err, &held) {
		return fmt.Errorf("another ClickHouse works on this folder: %w; stop it or use another folder (--dir)", held)
	}
	if err != nil {
		return err
	}
	lock.release() // the host takes it
	return nil
}

// awaitReady returns when the server answers on both ports and knows the nonce. A /ping alone is
// not enough: another server may have taken the port first.
func (c *ClickHouse) awaitReady(ctx context.Context, p *process, nonce string) error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (string, error) {
		resp, err := client.Get("http://" + c.HTTPAddr + path)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return strings.TrimSpace(string(body)), err
	}
	for {
		select {
		case <-p.done:
			words := p.lastWords()
			if strings.Contains(words, "Address already in use") {
				return fmt.Errorf("start ClickHouse on %s and %s: %w", c.Addr, c.HTTPAddr, syscall.EADDRINUSE)
			}
			return fmt.Errorf("ClickHouse ended while starting: %v%s (more in %s)", p.err, words, filepath.Dir(p.words))
		case <-ctx.Done():
			return fmt.Errorf("ClickHouse did not answer on %s: %w%s (more in %s)", c.HTTPAddr, ctx.Err(), p.lastWords(), filepath.Dir(p.words))
		case <-time.After(20 * time.Millisecond):
		}
		if pong, err := get("/ping"); err != nil || pong != "Ok." {
			continue
		}
		answer, err := get("/")
		if err != nil {
			continue
		}
		if answer != nonce {
			return fmt.Errorf("%s is answered by another ClickHouse: %w", c.HTTPAddr, syscall.EADDRINUSE)
		}
		conn, err := net.DialTimeout("tcp", c.Addr, time.Second)
		if err != nil {
			continue
		}
		// Closed cleanly and before any byte is sent: only a reset makes the library abort.
		conn.Close()
		return nil
	}
}

// A program is the server to run: one of the two.
type program struct {
	library string // path of libchdb.so
	server  string // path of a clickhouse binary
}

// oldestMajor and oldestMinor are the oldest version of a clickhouse binary that works.
const oldestMajor, oldestMinor = 25, 8

func findProgram(ctx context.Context, progress io.Writer) (program, error) {
	server, err := exec.LookPath("clickhouse")
	if err != nil {
		library, err := Library(ctx, progress)
		return program{library: library}, err
	}
	out, err := exec.CommandContext(ctx, server, "--version").CombinedOutput()
	if err != nil {
		return program{}, fmt.Errorf("ask %s for its version: %w: %s", server, err, lastLines(string(out), 2))
	}
	if err := checkVersion(string(out)); err != nil {
		return program{}, &Missing{Part: fmt.Sprintf("%s is too old", server), Err: err,
			Remedy: fmt.Sprintf("install ClickHouse %d.%d or newer, or take it off the PATH to use the library", oldestMajor, oldestMinor)}
	}
	return program{server: server}, nil
}

var versionPattern = regexp.MustCompile(`version (\d+)\.(\d+)[.\d]*`)

// checkVersion returns an error unless the output of `clickhouse --version`, such as "ClickHouse
// local version 24.8.4.13 (official build).", names a version that is new enough.
func checkVersion(said string) error {
	m := versionPattern.FindStringSubmatch(said)
	if m == nil {
		return fmt.Errorf("no version in %q", lastLines(said, 1))
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return errors.New(m[0])
	}
	return nil
}

// logLevel makes the server log its starts, stops and failures.
const logLevel = "information"

// serverConfig returns the config.xml of both the library and the binary. The binary takes the path
// and the ports from here, the library from its command line (see Host).
func (c *ClickHouse) serverConfig(nonce string) []byte {
	users := c.cfg.Users
	if c.writesUsers() {
		users = filepath.Join(c.cfg.Dir, "users.xml")
	}
	_, tcp, _ := net.SplitHostPort(c.Addr)
	_, http, _ := net.SplitHostPort(c.HTTPAddr)
	config := struct {
		XMLName    xml.Name `xml:"clickhouse"`
		Path       string   `xml:"path"`
		TmpPath    string   `xml:"tmp_path"`
		TCPPort    string   `xml:"tcp_port"`
		HTTPPort   string   `xml:"http_port"`
		ListenHost string   `xml:"listen_host"`
		Nonce      string   `xml:"http_server_default_response"`
		Users      string   `xml:"users_config,omitempty"`
		LogLevel   string   `xml:"logger>level"`
		Log        string   `xml:"logger>log"`
		ErrorLog   string   `xml:"logger>errorlog"`
		LogSize    string   `xml:"logger>size"`
		LogCount   int      `xml:"logger>count"`
		settings
	}{
		Path: c.cfg.Dir + "/", TmpPath: filepath.Join(c.cfg.Dir, "tmp") + "/",
		TCPPort: tcp, HTTPPort: http, ListenHost: "127.0.0.1",
		Nonce: nonce, Users: users,
		LogLevel: logLevel, LogSize: "5M", LogCount: 2,
		Log:      filepath.Join(c.cfg.Dir, "log", "server.log"),
		ErrorLog: filepath.Join(c.cfg.Dir, "log", "error.log"),
		settings: small,
	}
	out, err := xml.MarshalIndent(config, "", "  ")
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return append(out, '\n')
}

// settings are the server settings that we change, to suit a laptop or a CI machine of two cores
// that also has other work.
type settings struct {
	ShutdownWait int `xml:"shutdown_wait_unfinished"` // seconds for running queries
	Pool         int `xml:"background_pool_size"`     // merges at once: this times 2
	CommonPool   int `xml:"background_common_pool_size"`
	MovePool     int `xml:"background_move_pool_size"`
	FetchesPool  int `xml:"background_fetches_pool_size"`
	SchedulePool int `xml:"background_schedule_pool_size"`
	MarkCache    int `xml:"mark_cache_size"`
	// The share of the machine's memory. The default of 0.9 leaves no room for other programs.
	MemoryRatio float64 `xml:"max_server_memory_usage_to_ram_ratio"`
	// These three must be below the number of concurrent merges. Otherwise no MergeTree table can
	// be created.
	FreeForMutation int `xml:"merge_tree>number_of_free_entries_in_pool_to_execute_mutation"`
	FreeForLarge    int `xml:"merge_tree>number_of_free_entries_in_pool_to_lower_max_size_of_merge"`
	FreeForOptimize int `xml:"merge_tree>number_of_free_entries_in_pool_to_execute_optimize_entire_partition"`
}

var small = settings{
	ShutdownWait: 1,
	Pool:         4, CommonPool: 2, MovePool: 1, FetchesPool: 1,
	SchedulePool:    16,
	MarkCache:       256 << 20,
	MemoryRatio:     0.5,
	FreeForMutation: 2, FreeForLarge: 2, FreeForOptimize: 2,
}

// writesUsers reports whether the server needs a users.xml of ours. The library has its own built
// in.
func (c *ClickHouse) writesUsers() bool {
	return c.cfg.Users == "" && (c.program.server != "" || len(c.cfg.Profile) > 0)
}

// defaultUsers returns the users.xml that is built into the library, with the settings of
// ClickHouseConfig.Profile.
func (c *ClickHouse) defaultUsers() []byte {
	var profile strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Profile)) {
		fmt.Fprintf(&profile, "<%s>%d</%[1]s>", name, c.cfg.Profile[name])
	}
	return fmt.Appendf(nil, `<clickhouse>
  <profiles><default><poll_interval>1</poll_interval>%s</default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password></password>
    <networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <access_management>1</access_management>
  </default></users>
</clickhouse>
`, profile.String())
}

// anyPort is the address that stands for a free port.
const anyPort = "127.0.0.1:0"

// choosePort returns addr as checkAddr does, with a free port instead of port 0.
func choosePort(addr string) (string, error) {
	addr, err := checkAddr(addr)
	if err == nil && addr == anyPort {
		return FreeAddr()
	}
	return addr, err
}

// checkAddr returns addr with 127.0.0.1 as the host, and anyPort for an empty one. It refuses any
// other host, because the stack has no passwords.
func checkAddr(addr string) (string, error) {
	if addr == "" {
		return anyPort, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT, such as 127.0.0.1:9092", addr)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if host != "127.0.0.1" {
		return "", fmt.Errorf("%q: the stack has no passwords and listens on 127.0.0.1 only", addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q has no port between 0 and 65535", addr)
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

// FreeAddr returns an address on 127.0.0.1 on which no program listens at the moment. The port is
// outside the range that the kernel uses for port 0: the kernel also takes the ports of outgoing
// connections from that range, and one of those could occupy ours while a killed server is down.
func FreeAddr() (string, error) {
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(15000+mathrand.IntN(15000)))
		if portFree(addr, "", "") == nil {
			return addr, nil
		}
	}
	return "", errors.New("no free port between 15000 and 30000")
}

// portsFree waits a moment for the ports of a predecessor whose lock is free already. The kernel
// releases the resources of a dead process one after another.
func portsFree(native, http string) (err error) {
	for range 10 {
		if err = portFree(native, "ClickHouse", "--clickhouse"); err == nil {
			if err = portFree(http, "ClickHouse's HTTP", "--http"); err == nil {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// portFree returns an error of one sentence if a program listens on addr.
func portFree(addr, what, flag string) error {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(addr)
		return &portInUse{addr: addr, port: port, what: what, flag: flag}
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l.Close()
}

// A portInUse is the error of a port that we need and another program has.
type portInUse struct{ addr, port, what, flag string }

func (p *portInUse) Error() string {
	return fmt.Sprintf("port %s, for %s, is in use: stop the program that listens on %s, or choose another port (%s 127.0.0.1:PORT)",
		p.port, p.what, p.addr, p.flag)
}

func (p *portInUse) Unwrap() error { return syscall.EADDRINUSE }
