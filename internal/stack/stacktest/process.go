package stacktest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// A Process is a program that a test runs and may signal and kill. It ends with the test's process,
// however that ends.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
}

// untilReleased is a shell script that executes the command in its arguments and kills it when file
// 3 is closed, which happens at the latest when the test's process ends. Then it removes the folder
// in $0, if any. (The kernel's own mechanism, Pdeathsig, watches the thread that started the
// process, and Go may end a thread at any time.)
const untilReleased = `(cat <&3 >/dev/null; kill -9 $$; [ -z "$0" ] || rm -rf "$0") & exec "$@" 3<&-`

// StartProcess starts a command, of which it uses Args, Env, Dir, Stdout and Stderr. The outputs
// must be files or nil.
func StartProcess(command *exec.Cmd) (*Process, error) { return startProcess(command, "") }

// startProcess is StartProcess that also removes a folder when the test's process ends, if the path
// is not empty.
func startProcess(command *exec.Cmd, folder string) (*Process, error) {
	release, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer release.Close()
	p := &Process{cmd: exec.Command("sh", append([]string{"-c", untilReleased, folder}, command.Args...)...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = command.Env, command.Dir, command.Stdout, command.Stderr
	p.cmd.ExtraFiles = []*os.File{release}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		hold.Close()
		return nil, fmt.Errorf("start %s: %w", command.Args[0], err)
	}
	go func() { // ends with the process
		p.cmd.Wait()
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // the shell's background job
		hold.Close()
		close(p.done)
	}()
	return p, nil
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process if it is still running.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Done returns a channel that is closed when the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill kills the process, as kill -9 does, and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// State returns how the process ended. It is nil until Done is closed.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}
