package main

import "syscall"

// childProcess keeps Ctrl-C from a child, which is told to stop in its turn, and ends it when we are killed.
func childProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
