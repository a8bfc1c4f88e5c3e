package stack

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// HostCommand is the first argument with which [ClickHouseConfig.Executable] is started. The
// program must then call [Host] with the other arguments.
const HostCommand = "host"

// Host runs ClickHouse in this process until the server has ended, and returns the exit code. args
// are those that StartClickHouse passes.
//
// The server has a process of its own because the library takes over standard input, and because it
// aborts when a client resets a connection during the handshake, which ends its process too. The
// parent cannot simply leave a server behind, because a parent killed with -9 cannot clean up.
// Therefore the parent holds the other end of our standard input. The kernel closes it however the
// parent ends, and then the server shuts down.
//
// The server may be the library or a clickhouse binary. SIGTERM has the same effect as a closed
// input. SIGINT and SIGHUP are ignored: a terminal sends them to every process, and the parent
// decides when to stop.
func Host(args []string) int {
	if err := host(args); err != nil {
		fmt.Fprintf(os.Stderr, "clickhouse host: %v\n", err)
		return 3
	}
	return 0
}

// hostArgs are the arguments of the hidden command, one flag each. The parent writes them with
// list, so that the two sides cannot differ.
type hostArgs struct {
	library   string // path of libchdb.so; or
	server    string // path of a clickhouse binary
	dir       string // data folder, absolute
	config    string // config.xml of ours
	tcp, http string // ports
	level     string // of the server's log
	ephemeral bool   // remove dir at the end
}

func (h *hostArgs) flags() *flag.FlagSet {
	f := flag.NewFlagSet(HostCommand, flag.ContinueOnError)
	f.StringVar(&h.library, "library", "", "path of libchdb.so")
	f.StringVar(&h.server, "server", "", "path of a clickhouse binary, instead of the library")
	f.StringVar(&h.dir, "dir", "", "data folder")
	f.StringVar(&h.config, "config", "", "server configuration")
	f.StringVar(&h.tcp, "tcp", "", "port of the native protocol")
	f.StringVar(&h.http, "http", "", "port of HTTP")
	f.StringVar(&h.level, "level", "information", "level of the server's log")
	f.BoolVar(&h.ephemeral, "ephemeral", false, "remove the data folder at the end")
	return f
}

func (h hostArgs) list() []string {
	args := []string{HostCommand}
	for _, kv := range [][2]string{{"library", h.library}, {"server", h.server}, {"dir", h.dir}, {"config", h.config},
		{"tcp", h.tcp}, {"http", h.http}, {"level", h.level}} {
		if kv[1] != "" {
			args = append(args, "-"+kv[0]+"="+kv[1])
		}
	}
	if h.ephemeral {
		args = append(args, "-ephemeral")
	}
	return args
}

// hostLock is held by the host and not by its parent, because the host writes to the folder, even
// during the seconds by which it outlives a killed parent.
const hostLock = "host.lock"

func host(args []string) error {
	var h hostArgs
	if err := h.flags().Parse(args); err != nil {
		return err
	}
	if h.dir == "" || (h.library == "") == (h.server == "") {
		return errors.New("this command is for the stack itself: it wants -dir and one of -library and -server")
	}
	// A write to a client that is gone raises SIGPIPE, which would end us without a message.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGINT, syscall.SIGHUP)

	lock, err := lockFile(filepath.Join(h.dir, hostLock))
	if err != nil {
		return err
	}
	defer lock.release()

	asked, err := endRequested()
	if err != nil {
		return err
	}
	if h.library != "" {
		err = h.runLibrary(asked)
	} else {
		err = h.runServer(asked, lock)
	}
	if h.ephemeral && err == nil {
		err = os.RemoveAll(h.dir)
	}
	return err
}

// endRequested returns a channel that is closed when the parent closes our standard input, dies or
// sends SIGTERM. It reads standard input through a copy, since the library needs descriptor 0 for
// itself.
func endRequested() (<-chan struct{}, error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("copy standard input: %w", err)
	}
	parent := os.NewFile(uintptr(fd), "parent")
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)

	asked := make(chan struct{})
	end := sync.OnceFunc(func() { close(asked) })
	go func() { io.Copy(io.Discard, parent); end() }() // ends with the parent
	go func() { <-term; end() }()                      // ends with the process
	return asked, nil
}

// listenAndWait is the query on the library's command line. Its last statement keeps the server
// running: it counts the lines of standard input, a pipe that is never written to, so it costs
// nothing and ends when we close the pipe. Then the library shuts down, as after any query.
const listenAndWait = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
	"SELECT count() FROM file('-', 'LineAsString', 'line String') FORMAT Null"

func (h *hostArgs) runLibrary(asked <-chan struct{}) error {
	silence, end, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	if err := unix.Dup2(int(silence.Fd()), 0); err != nil {
		return fmt.Errorf("replace standard input: %w", err)
	}
	silence.Close()
	go func() { <-asked; end.Close() }() // ends with the parent or on SIGTERM

	// The library keeps state per thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lib, err := purego.Dlopen(h.library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load %q: %w", h.library, err)
	}
	for _, symbol := range []string{"chdb_query_cmdline", "chdb_result_error", "chdb_set_signal_handlers_enabled"} {
		if _, err := purego.Dlsym(lib, symbol); err != nil {
			return fmt.Errorf("%q is another version of the library: %w", h.library, err)
		}
	}
	var (
		queryCmdline func(argc int32, argv unsafe.Pointer) uintptr
		resultError  func(result uintptr) string
		setHandlers  func(enabled int32)
	)
	purego.RegisterLibFunc(&setHandlers, lib, "chdb_set_signal_handlers_enabled")
	purego.RegisterLibFunc(&queryCmdline, lib, "chdb_query_cmdline")
	purego.RegisterLibFunc(&resultError, lib, "chdb_result_error")

	// With its signal handlers, an aborting server stays alive for four seconds and accepts
	// connections while it writes a stack trace. Without them it is restarted in half a second.
	setHandlers(0)

	argv, err := cStrings(
		"clickhouse",
		"--path="+h.dir,
		"--config-file="+h.config,
		"--listen_host=127.0.0.1",
		"--tcp_port="+h.tcp,
		"--http_port="+h.http,
		"--log-level="+h.level, // the library ignores the level in the config file
		// How often, in seconds, an idle connection of the native protocol checks whether the
		// server is shutting down. With the default of 10 every stop takes 5 seconds.
		"--poll_interval=1",
		"--query", listenAndWait,
	)
	if err != nil {
		return err
	}
	result := queryCmdline(int32(len(argv)-1), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if result != 0 {
		if message := resultError(result); message != "" {
			return errors.New(message)
		}
	}
	return nil
}

// cStrings returns an argv: C strings and a final nil.
func cStrings(args ...string) ([]*byte, error) {
	argv := make([]*byte, len(args)+1)
	for i, arg := range args {
		p, err := unix.BytePtrFromString(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", arg, err)
		}
		argv[i] = p
	}
	return argv, nil
}

// runServer runs a clickhouse binary as our child. The child shares our process group, so that one
// signal to the group (ClickHouse.Kill) ends both. It inherits the lock, which is therefore held
// until the last of the two is gone.
func (h *hostArgs) runServer(asked <-chan struct{}, lock *folderLock) error {
	cmd := exec.Command(h.server, "server", "--config-file="+h.config)
	cmd.Dir = h.dir
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{lock.f}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the server
	select {
	case err := <-done:
		return fmt.Errorf("%s ended by itself: %v", h.server, err)
	case <-asked:
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		return nil
	}
}
