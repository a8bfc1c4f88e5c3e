package main

import "syscall"

// childProcess keeps Ctrl-C away from a child, which we stop ourselves, and ends the child when we
// are killed.
func childProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
